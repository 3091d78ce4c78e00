"""Generated parts of a document, between markers."""


def replace_marked(document: str, name: str, body: str) -> str:
    """Return a document with the text between the markers of a name replaced.

    RuntimeError if the document does not have them exactly once.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise RuntimeError(f"the document needs {begin.strip()} and {end.strip()} once each")
    before, _, rest = document.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise RuntimeError(f"{end.strip()} stands before {begin.strip()}")
    return f"{before}{begin}\n{body.strip()}\n\n{end}{after}"
