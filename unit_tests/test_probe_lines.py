"""The lines of `probe` and the table of unproven decisions name each other."""

import re
from pathlib import Path

import pytest

from source_clockify.probe import redaction
from source_clockify.probe.catalogue import LINES

ROOT = Path(__file__).resolve().parents[1]


def probe_column() -> list[str]:
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    section = text.partition("## Decisions where Clockify's behaviour is unproven")[2]
    rows = [line for line in section.split("\n") if line.startswith("|")]
    header = [cell.strip() for cell in rows[0].strip("|").split("|")]
    place = header.index("probe")
    return [row.strip("|").split("|")[place].strip() for row in rows[2:]]


def test_each_unproven_decision_names_its_lines_or_that_no_read_can_tell() -> None:
    column = probe_column()
    assert len(column) > 30
    assert all(
        cell == "-" or re.fullmatch(r"`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*", cell) for cell in column
    )


def test_the_table_of_decisions_names_every_line_and_no_other() -> None:
    named = {name for cell in probe_column() for name in re.findall("`([^`]+)`", cell)}
    assert named == {line.id for line in LINES}


def test_an_assumption_is_a_sentence() -> None:
    assert all(line.assumption.endswith(".") for line in LINES)


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        (
            "TIMEENTRY with id 64e777123456789012345678 doesn't belong to Workspace",
            "<text:9> with id <text:24> doesn't belong to <text:9>",
        ),
        ("User 'User' is not found", "user <text:4> is not found"),
        ("Project Miller & Sons: jane@example.com", "project <text:6>  <text:4>: <text:16>"),
        ("see https://acme.clockify.me/x?y=1", "<text:3> <text:30>"),
        ("at most 50000 rows", "at most <number> <text:4>"),
    ],
)
def test_a_message_keeps_only_words_of_clockifys_own(message: str, masked: str) -> None:
    assert redaction.message(message) == masked


def test_only_headers_about_pages_limits_and_content_type_are_shown() -> None:
    given = {
        "Last-Page": "true",
        "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT",
        "X-RateLimit-Limit": "Acme Ltd",
        "Set-Cookie": "secret",
        "x-request-id": "abc",
        "Content-Type": "application/json;charset=UTF-8",
    }
    assert redaction.headers(given) == {
        "last-page": "true",
        "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
        "x-ratelimit-limit": "<text:8>",
        "content-type": "application/json;charset=UTF-8",
    }
