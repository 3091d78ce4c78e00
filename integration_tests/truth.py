"""What the sandbox knows: the records that a read has to bring, and the requests that it got."""

import json
import re
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from integration_tests.airbyte import Output, key_of
from integration_tests.sandbox.client import JSON, Sandbox

TIMED = ("time_entries", "detailed_report")
REPORT_DAYS = 31
_ID = re.compile(r"[0-9a-f]{24}")


def expected(sandbox: Sandbox, stream: str, workspaces: Sequence[str] = ()) -> list[JSON]:
    """The records of a complete read, of some workspaces or of all.

    They are the sandbox's rows with the ids that only the path knows, and without the nulls at top
    level, which the CDK does not print. `cursor` is left out because it depends on the clock. The
    report ends 31 days ahead.
    """
    query = {"workspaceId": list(workspaces)} if workspaces else {}
    records = [_record(stream, each) for each in sandbox.records(stream, **query)]
    if stream == "detailed_report":
        last_day = (today() + timedelta(days=REPORT_DAYS)).isoformat()
        records = [record for record in records if record["start"][:10] <= last_day]
    return records


def _record(stream: str, truth: JSON) -> JSON:
    path = {} if stream == "workspaces" else truth["path"]
    record = {**path, **truth["row"]}
    if stream in TIMED:
        record["start"] = record["timeInterval"]["start"]
    return {name: value for name, value in record.items() if value is not None}


def comparable(stream: str, records: Iterable[JSON]) -> dict[tuple[Any, ...], JSON]:
    """Records by primary key without what `expected` leaves out; AssertionError for a double."""
    found: dict[tuple[Any, ...], JSON] = {}
    for record in records:
        key = key_of(stream, record)
        assert key not in found, f"{stream} has {key} twice"
        shown = dict(record)
        if stream in TIMED:
            shown.pop("cursor", None)
        found[key] = shown
    return found


def assert_same(stream: str, records: Iterable[JSON], wanted: Iterable[JSON]) -> None:
    """AssertionError unless the records are exactly the wanted ones, field by field, each once."""
    got, want = comparable(stream, records), comparable(stream, wanted)
    missing, surplus = sorted(want.keys() - got.keys()), sorted(got.keys() - want.keys())
    assert not missing, f"{stream} lacks {len(missing)} of {len(want)} records: {missing[:5]}"
    assert not surplus, f"{stream} has {len(surplus)} records too many: {surplus[:5]}"
    for key, record in want.items():
        assert got[key] == record, f"{stream} {key}"


def assert_complete(
    output: Output, sandbox: Sandbox, streams: Iterable[str], workspaces: Sequence[str] = ()
) -> None:
    """AssertionError unless the streams were read without error and equal the sandbox's data."""
    for stream in streams:
        assert output.statuses.get(stream) == "COMPLETE", output.errors
        assert_same(stream, output.records[stream], expected(sandbox, stream, workspaces))
    assert output.returncode == 0
    assert output.errors == []


def today() -> date:
    return datetime.now(timezone.utc).date()


# Requests


def counted(requests: Iterable[JSON]) -> Counter[str]:
    """How often each path was asked for, ids left out: {"/workspaces/*/tags": 1}."""
    return Counter(_ID.sub("*", request["path"]) for request in requests)


def with_path(requests: Iterable[JSON], pattern: str) -> list[JSON]:
    """The requests whose whole path matches a pattern, in which `*` is an id."""
    wanted = re.compile(pattern.replace("*", "[0-9a-f]{24}"))
    return [request for request in requests if wanted.fullmatch(request["path"])]


def report_windows(first: date, last: date) -> list[tuple[date, date]]:
    """The windows of 31 days, both days included, that cover a span."""
    windows = []
    while first <= last:
        end = min(first + timedelta(days=REPORT_DAYS - 1), last)
        windows.append((first, end))
        first = end + timedelta(days=1)
    return windows


# Many entities


def create_many(sandbox: Sandbox, workspace: str, collection: str, rows: Sequence[JSON]) -> None:
    """Create entities through one connection without waiting for each answer."""
    url = urlsplit(sandbox.admin_url)
    head = f"POST {url.path}/workspaces/{workspace}/{collection} HTTP/1.1\r\nHost: {url.netloc}\r\n"
    with socket.create_connection((url.hostname or "", url.port or 80)) as connection:
        for begin in range(0, len(rows), 100):
            bodies = [json.dumps(row) for row in rows[begin : begin + 100]]
            sent = "".join(f"{head}Content-Length: {len(body)}\r\n\r\n{body}" for body in bodies)
            connection.sendall(sent.encode())
            answers = b""
            while answers.count(b"HTTP/1.1 ") < len(bodies):
                part = connection.recv(1 << 16)
                assert part, "the sandbox closed the connection"
                answers += part
            assert answers.count(b"HTTP/1.1 200 ") == len(bodies), answers
