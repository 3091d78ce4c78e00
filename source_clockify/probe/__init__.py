"""`source-clockify probe`: checks the connector's assumptions about Clockify on a real account.

- `command.py`: the command line and what it prints.
- `client.py`: read-only requests, their number, and their answers.
- `lines.py`: an assumption, the question that tests it, and its verdict.
- `account.py`: account data needed by several lines; each listing is requested once.
- `comparison.py`: time entries that changed since the state of an earlier sync.
- `questions_*.py`: the lines, grouped as Clockify's documentation groups its endpoints.
- `catalogue.py`: all lines, in the order in which they are tested.
- `runner.py`: tests the lines and turns failures into verdicts.
- `redaction.py`: removes personal data from answers.
- `report.py`: the table and the file.
"""
