"""Writes the parts of the documents that the code knows. See `__main__.py`."""
