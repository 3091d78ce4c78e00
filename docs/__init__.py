"""The documents, and the command that writes their generated parts: python -m docs.build."""
