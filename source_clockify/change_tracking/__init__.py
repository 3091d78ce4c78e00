"""Change tracking: edits and deletions, found by comparing each read with the saved state.

Debezium calls the first complete read of a stream a snapshot, Airbyte an initial sync; documents
for users call it a baseline. AGENTS.md has the modules in the order of their dependencies.
"""
