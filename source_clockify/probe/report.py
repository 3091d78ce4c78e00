"""The table for people, and the publishable file."""

import json
import os
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from source_clockify.probe import redaction
from source_clockify.probe.client import Answer
from source_clockify.probe.lines import Finding, Line, Verdict

FORMAT = 1
_WIDTHS = (40, 38, 16)
_SEPARATOR = " | "
_HEADINGS = ("What we assume", "What the server did", "Verdict")


@dataclass(frozen=True)
class Result:
    """A line in the form of the report.

    Attributes:
        id: of the line.
        assumption: of the line.
        verdict: in words.
        server: what the server did, or why it was not asked.
        answers: the answers that support it, redacted.
    """

    id: str
    assumption: str
    verdict: str
    server: str
    answers: Sequence[Mapping[str, Any]]


def result_of(line: Line, finding: Finding, redact: redaction.Redaction) -> Result:
    answers = [redacted(each, redact) for each in finding.answers]
    return Result(line.id, line.assumption, finding.verdict.value, finding.text, answers)


def redacted(answer: Answer, redact: redaction.Redaction) -> dict[str, Any]:
    """Return an answer without personal data."""
    shown: dict[str, Any] = {"request": answer.label, "status": answer.status}
    if answer.is_clockify_error:
        shown |= {"code": answer.code, "message": redaction.message(answer.message)}
    headers = redaction.headers(answer.headers)
    if headers:
        shown["headers"] = headers
    shown["body"] = "empty" if answer.body is None else redaction.kind_of(answer.body)
    ids = [row.get("id") or row.get("_id") for row in answer.rows()[:3]]
    if any(ids):
        shown["first_ids"] = [redact.id(each) for each in ids if each]
    return shown


def table(results: Sequence[Result]) -> str:
    """Return the table, at most 100 columns wide."""
    rule = "-+-".join("-" * width for width in _WIDTHS)
    parts = [_row(_HEADINGS), rule]
    for result in results:
        parts += [_row((f"{result.id}: {result.assumption}", result.server, result.verdict)), rule]
    return "\n".join(parts)


def _row(cells: Sequence[str]) -> str:
    columns = [
        textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)
    ]
    height = max(map(len, columns))
    lines = []
    for number in range(height):
        texts = [column[number] if number < len(column) else "" for column in columns]
        padded = [text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=True)]
        lines.append(_SEPARATOR.join(padded).rstrip())
    return "\n".join(lines)


def summary(results: Sequence[Result], sent: int) -> str:
    """Return one line with the numbers of verdicts and requests."""
    numbers = Counter(result.verdict for result in results)
    counts = ", ".join(f"{numbers[each.value]} {each.value}" for each in Verdict)
    return f"{len(results)} lines: {counts}. {sent} requests were sent."


def document(results: Sequence[Result], facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "report": "source-clockify probe",
        "format": FORMAT,
        **facts,
        "lines": [vars(result) for result in results],
    }


def markdown(results: Sequence[Result], facts: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"| `{each.id}` | {_cell(each.assumption)} | {_cell(each.server)} | {each.verdict} |"
        for each in results
    )
    head = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return (
        f"# source-clockify probe\n\n{head}\n\n| line | what we assume | what the server did | "
        f"verdict |\n|---|---|---|---|\n{rows}\n"
    )


def _cell(text: str) -> str:
    # Otherwise a browser would treat <text:5> as a tag.
    return text.replace("|", "\\|").replace("<", "&lt;")


def write(path: Path, results: Sequence[Result], facts: Mapping[str, Any]) -> None:
    """Write a new file that is only readable by its owner.

    Raises:
        FileExistsError: if the file exists.
        OSError: if it cannot be written.
    """
    if path.suffix == ".md":
        content = markdown(results, facts)
    else:
        content = json.dumps(document(results, facts), indent=2) + "\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(content)


def earlier_results(path: Path) -> dict[str, Result]:
    """Return the tested lines of a report, by id.

    Raises:
        OSError, ValueError: if it is not such a report.
    """
    given = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise ValueError(f"{path} is no report of this version")
    try:
        found = [Result(**line) for line in given["lines"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no report of this version") from error
    verdicts = {each.value for each in Verdict}
    for each in found:
        texts = (each.id, each.assumption, each.verdict, each.server)
        is_result = all(isinstance(text, str) for text in texts) and each.verdict in verdicts
        if not is_result or not isinstance(each.answers, list):
            raise ValueError(f"{path} is no report of this version")
    open_verdicts = (Verdict.NOT_ASKED.value, Verdict.NO_ANSWER.value)
    return {each.id: each for each in found if each.verdict not in open_verdicts}
