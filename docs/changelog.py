"""What CHANGELOG.md says of each version, for the user's page and for a release's notes."""

import re
from dataclasses import dataclass

UNRELEASED = "Unreleased"

_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.M)


@dataclass(frozen=True)
class Section:
    """One version.

    Attributes:
        version: major.minor.patch, or "Unreleased".
        date: YYYY-MM-DD, or "" for what is not released.
        summary: its first paragraph, as one line.
        text: everything below its heading.
    """

    version: str
    date: str
    summary: str
    text: str


def sections(changelog: str) -> list[Section]:
    """Return the versions of a changelog, in its order."""
    headings = [*_HEADING.finditer(changelog)]
    ends = [heading.start() for heading in headings[1:]] + [len(changelog)]
    found = []
    for heading, end in zip(headings, ends, strict=True):
        text = changelog[heading.end() : end].strip()
        first = text.split("\n\n")[0]
        summary = "" if first.startswith(("#", "-")) else " ".join(first.split())
        found.append(Section(heading["version"], heading["date"] or "", summary, text))
    return found


def rows(changelog: str) -> str:
    """Return the rows of the user's page, a line for each released version.

    Raises:
        ValueError: a version lacks its date, or the paragraph that the row repeats.
    """
    lines = []
    for section in sections(changelog):
        if section.version == UNRELEASED:
            continue
        if not section.date or not section.summary:
            message = (
                f"CHANGELOG.md: {section.version} needs a date, and a paragraph that sums it up"
            )
            raise ValueError(message)
        subject = section.summary.replace("|", "\\|")
        lines.append(f"| {section.version} | {section.date} | - | {subject} |\n")
    return "".join(lines)
