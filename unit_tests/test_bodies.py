"""Bodies that Clockify should not have sent: read where they can be, else refused in words."""

import gzip
from typing import Any

import pytest

from source_clockify import bodies
from unit_tests.clockify import (
    PROJECT,
    USER,
    WORKSPACE,
    Clockify,
    config,
    failure,
    ids,
    path_of,
    read,
    read_ok,
    records,
    report_row,
    statuses,
)

RECENT = config(start_date="2026-11-01T00:00:00Z")
BIG = 2**64


def serve_text(clockify: Clockify, stream: str, text: str | bytes) -> None:
    clockify.workspaces()
    content = text.encode() if isinstance(text, str) else text
    clockify.serve_responses(stream, {"content": content, "headers": {"Last-Page": "true"}})


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (r"call \ud83d", "call \ufffd"),
        (r"\ude00 call", "\ufffd call"),
        (r"\ud83d\ude00", "😀"),
        (r"\\ud83d", r"\ud83d"),
        ("caf\udce9", "caf\ufffd"),
    ],
    ids=["lone high", "lone low", "pair", "escaped backslash", "byte that is no UTF-8"],
)
@pytest.mark.parametrize("stream", ["tags", "projects", "users"])
def test_text_that_is_no_unicode_is_read(
    clockify: Clockify, stream: str, written: str, read_as: str
) -> None:
    text = f'[{{"id": "1", "name": "{written}"}}, {{"id": "2", "name": "plain"}}]'
    serve_text(clockify, stream, text.encode("utf-8", "surrogateescape"))

    output = read_ok(stream)

    assert [record["name"] for record in records(output)] == [read_as, "plain"]


def test_a_parent_with_such_text_still_has_children(clockify: Clockify) -> None:
    """The children's read comes from the request cache, through the CDK's own decoder."""
    serve_text(clockify, "projects", f'[{{"id": "{PROJECT}", "name": "\\ud83d"}}]')
    clockify.listing(f"projects/{PROJECT}/tasks", [{"id": "t"}])

    assert ids(read_ok("projects", "tasks")) == sorted([PROJECT, "t"])


@pytest.mark.parametrize("stream", ["tags", "users", "workspaces"])
def test_a_byte_order_mark_is_skipped(clockify: Clockify, stream: str) -> None:
    content = b'\xef\xbb\xbf[{"id": "650000000000000000000001", "name": "n"}]'
    clockify.workspaces()
    clockify.serve_responses(stream, {"content": content, "headers": {"Last-Page": "true"}})

    assert len(records(read_ok(stream))) == 1


@pytest.mark.parametrize("number", [BIG - 1, BIG, -BIG, 10**30, 2**63, -(2**63), -(2**63) - 1])
@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_integers_keep_all_their_digits(number: int, blank: str) -> None:
    text = f'[{{"id": "1", "n":{blank}{number}, "nested": {{"n": [{number}]}}}}]'

    (record,) = bodies.decode(text.encode())

    assert (record["n"], record["nested"]) == (number, {"n": [number]})
    assert type(record["n"]) is int


def test_an_id_of_digits_stays_text(clockify: Clockify) -> None:
    digits = "650000000000000000000001"
    serve_text(clockify, "tags", f'[{{"id": "{digits}"}}]')

    assert ids(read_ok("tags")) == [digits]


UNUSABLE = {
    "cut off": ('[{"id": "1", "name": "wh', "it breaks at character 2|of 24"),
    "web page": ("<!DOCTYPE html><html></html>", "is a web page, not JSON"),
    "empty": ("", "is empty"),
    "too deep": ('[{"id": ' + "[" * 900 + "]" * 900 + "}]", "nested more than 100 levels deep"),
    "too deep for any parser": ("[" * 200_000, "cannot be decoded|breaks at"),
    "text in a list": ('[{"id": "1"}, "two"]', "row 2 is str"),
    "null in a list": ("[null]", "row 1 is NoneType"),
    "NaN": ('[{"id": NaN}]', "NaN is no JSON number"),
    "endless digits": ('[{"n": ' + "9" * 5000 + "}]", "cannot be decoded"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.parametrize("stream", ["tags", "users", "time_entries"])
def test_a_body_that_cannot_be_used_fails_the_stream_and_says_why(
    clockify: Clockify, stream: str, kind: str
) -> None:
    text, reason = UNUSABLE[kind]
    serve_text(clockify, stream, text)

    output = read(stream, with_config=RECENT)

    assert records(output) == []
    assert statuses(output, stream)[-1] == "INCOMPLETE"
    message = failure(output, stream).message
    assert any(part in message for part in reason.split("|"))
    assert path_of(stream) in message


def test_rows_of_a_report_that_are_no_objects_fail_it(clockify: Clockify) -> None:
    clockify.workspaces()
    row = report_row("1", "2026-11-20T08:00:00Z")
    clockify.serve_responses("detailed_report", {"json": {"timeentries": [row, [row]]}})

    output = read("detailed_report", with_config=RECENT)

    assert "row 2 is list" in failure(output, "detailed_report").message


def test_the_manifest_alone_fails_on_rows_that_are_no_objects_too(clockify: Clockify) -> None:
    serve_text(clockify, "tags", '[{"id": "1"}, "two"]')

    output = read("tags", manifest_alone=True)

    assert statuses(output, "tags")[-1] == "INCOMPLETE"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_body_above_the_limit_fails_at_once_and_is_not_kept(
    clockify: Clockify, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(bodies, "LARGEST_BODY_BYTES", 3 * 1024**2)
    content = b"[" + b" " * (4 * 1024**2) + b"]"
    headers = {"Content-Encoding": "gzip"} if packed else {}
    clockify.workspaces()
    body = gzip.compress(content) if packed else content
    clockify.serve_responses("tags", {"content": body, "headers": headers})

    output = read("tags")

    assert "is larger than 3 MB" in failure(output, "tags").message
    assert len(clockify.sent_for("tags")) == 1


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        (b"[]", 1),
        (b'[{"a": [1, {"b": 2}]}]', 4),
        (b'{"a": "' + b"[" * 150 + b'", "b": ["' + b"]" * 150 + b'"]}', 2),
        (b'{"a": "\\"' + b"[" * 150 + b'", "b": ["' + b"]" * 150 + b'"]}', 2),
        (b"7", 0),
        (b"[" * 150 + b"]" * 150, bodies.MOST_LEVELS + 1),
        (b'[{"a": "]"}, ' + b"[" * 150 + b"]" * 150 + b"]", bodies.MOST_LEVELS + 1),
    ],
)
def test_the_levels_of_a_body_are_counted(text: bytes, levels: int) -> None:
    assert bodies.levels_of(text) == levels


def test_time_entries_with_a_poisoned_description_come_with_all_others(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users(USER)
    row = (
        '{{"id": "{}", "description": "{}", '
        '"timeInterval": {{"start": "2026-11-20T08:00:00Z", "end": "2026-11-20T09:00:00Z"}}}}'
    )
    text = f"[{row.format('1', chr(92) + 'ud83d')}, {row.format('2', 'plain')}]"
    answer: dict[str, Any] = {"text": text, "headers": {"Last-Page": "true"}}
    clockify.answer(f"/workspaces/{WORKSPACE}/user/{USER}/time-entries", answer)

    output = read_ok("time_entries", with_config=RECENT)

    assert {each["id"]: each["description"] for each in records(output)} == {
        "1": "\ufffd",
        "2": "plain",
    }
