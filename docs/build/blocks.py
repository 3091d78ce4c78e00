"""The generated parts of a file: between two marks, in a line or in lines of their own.

In Markdown `<!-- generated: NAME -->` and `<!-- end -->`, elsewhere the lines `# generated: NAME`
and `# end`.
"""

import re
from collections.abc import Callable


class Mismatch(Exception):
    """Notes, documents and code do not fit together; says in words how."""


_IN_MARKDOWN = re.compile(r"(<!-- generated: ([\w -]+?) -->)(.*?)(<!-- end -->)", re.DOTALL)
_IN_LINES = re.compile(r"^( *# generated: ([\w -]+)\n)(.*?)(^ *# end$)", re.DOTALL | re.MULTILINE)
_ANY_MARK = re.compile(r"(<!--|#) generated: ")


def fill_blocks(text: str, content_of: Callable[[str], str]) -> str:
    """Return the text with each part as `content_of` has it for its name.

    Raises:
        Mismatch: if a part has no end.
    """

    def filled(found: re.Match[str]) -> str:
        begin, name, old, end = found.groups()
        content = content_of(name)
        is_in_lines = begin.endswith("\n") or old.startswith("\n") or "\n" in content
        if begin.endswith("\n"):
            return f"{begin}{content}\n{end}"
        return f"{begin}\n{content}\n{end}" if is_in_lines else begin + content + end

    marks = len(_ANY_MARK.findall(text))
    for pattern in (_IN_MARKDOWN, _IN_LINES):
        marks -= len(pattern.findall(text))
        text = pattern.sub(filled, text)
    if marks:
        raise Mismatch("a generated part has no end")
    return text


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(line) + " |" for line in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
