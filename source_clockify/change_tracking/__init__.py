"""Change tracking: edits and deletions, found by comparing what Clockify shows with what it showed.

| module | its job |
|---|---|
| kinds.py | what has to be known of each stream |
| fingerprint.py | whether a record changed |
| rows.py | what the state knows of a record, packed |
| state.py | the state of a stream, as a message |
| windows.py | from when on a stream is read |
| comparison.py | what of one partition is new, changed, due again or missing |
| deletions.py | which of the missing are gone |
| lookups.py | requests beside the listing: one record by id, a listing once more |
| writer.py | the state in the making, and when it is sent |
| access.py | with whose rights an account is read |
| messages.py | the columns of a message, and tombstones |
| stream.py | a stream that is tracked: its partitions, and what happens at their end |
| full_refresh.py | a stream that is not compared |
"""
