"""`source-clockify probe`: compares what the connector assumes about Clockify with a real account.

- `command.py`: the command line and what it prints.
- `client.py`: requests that only read, their number, and their answers.
- `lines.py`: an assumption, how it is asked, and its verdict.
- `account.py`: what several lines need to know of the workspace; each listing is requested once.
- `comparison.py`: time entries that changed since the state of an earlier sync.
- `questions_*.py`: the lines, grouped as Clockify's documentation groups its endpoints.
- `catalogue.py`: all lines in the order in which they are asked.
- `runner.py`: asks the lines and turns failures into verdicts.
- `redaction.py`: takes everything personal out of answers.
- `report.py`: the table and the file.
"""
