"""What the sandbox knows: the records that a read has to bring, and the requests that it got."""

import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from jinja2.utils import htmlsafe_json_dumps

from clockify_sandbox.client import JSON, Sandbox
from integration_tests.airbyte import Output, key_of

TIMED = ("time_entries", "detailed_report")
# The streams that hold what is planned, and the column with the moment, day or week of a record.
# Their `cursor` is that, but never later than the read.
CLAMPED = {
    **dict.fromkeys(TIMED, "start"),
    "scheduling_assignments": "periodStart",
    "summary_report": "date",
    "weekly_report": "weekStart",
    "expense_report": "date",
}
EVENTS = (
    "audit_log",
    "entity_changes_created",
    "entity_changes_updated",
    "entity_changes_deleted",
    "time_entries_changed",
    "time_entries_deleted",
)
# Sums of a window of days.
TOTALS = ("scheduling_user_totals", "scheduling_project_totals")
LOOKBACK_DAYS = 30
HORIZON_DAYS = 365
REPORT_DAYS = 31
DAY = timedelta(days=1)
EVENT_DAYS = 364
_ID = re.compile(r"[0-9a-f]{24}")


def today() -> date:
    return datetime.now(timezone.utc).date()


def last_planned_day() -> date:
    """The last day of the reports of what is planned."""
    return today() + REPORT_DAYS * DAY


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


# Records


def expected(
    sandbox: Sandbox, stream: str, workspaces: Sequence[str] = (), start_date: str = ""
) -> list[JSON]:
    """The records of a complete read, of some workspaces or of all.

    They are the sandbox's rows with what the connector adds to them, and without the nulls at top
    level, which the CDK does not print. Left out is `cursor` where it depends on the clock. With
    a `start_date` only what is not older.
    """
    query: JSON = {"workspaceId": list(workspaces)} if workspaces else {}
    if stream in TOTALS:
        first = max(start_date[:10], (today() - LOOKBACK_DAYS * DAY).isoformat())
        query |= {"start": first, "end": (today() + HORIZON_DAYS * DAY).isoformat()}
    if stream == "time_entries_changed" and start_date:
        query["start"] = _since(stream, start_date) + "Z"
    if stream in _LAST_DAY:
        query["end"] = _LAST_DAY[stream]().isoformat()
    records = [_record(stream, each) for each in sandbox.records(stream, **query)]
    if stream == "detailed_report":
        records = [each for each in records if each["start"][:10] <= query["end"]]
    if stream == "audit_log":
        records = _with_ordinals(records)
    if stream == "time_entries_changed":
        records = [each for each in records if each["start"] >= start_date]
    since = _since(stream, start_date)
    return [each for each in records if _moment(stream, each) >= since] if since else records


# The last day of the reports.
_LAST_DAY: dict[str, Callable[[], date]] = {
    "detailed_report": last_planned_day,
    "summary_report": last_planned_day,
    "weekly_report": lambda: monday_of(last_planned_day() + DAY) - DAY,
    "attendance_report": today,
    "expense_report": last_planned_day,
}


def _since(stream: str, start_date: str) -> str:
    """The first moment or day that is read; empty for all history."""
    if stream in EVENTS:
        oldest = datetime.now(timezone.utc) - timedelta(days=EVENT_DAYS)
        return max(start_date[:19], oldest.isoformat()[:19])
    if stream == "weekly_report" and start_date:
        return monday_of(date.fromisoformat(start_date[:10])).isoformat()
    if stream in ("summary_report", "attendance_report", "expense_report"):
        return start_date[:10]
    return start_date[:19] if stream in _MOMENTS else ""


_MOMENTS = {
    **CLAMPED,
    "webhook_logs": "respondedAt",
    **dict.fromkeys(EVENTS, "timestamp"),
    "time_entries_changed": "changedAt",
    "time_entries_deleted": "deletedAt",
    "attendance_report": "date",
}


def _moment(stream: str, record: JSON) -> str:
    """When a record is, to the second or the day."""
    moment: str = record[_MOMENTS[stream]]
    return moment[: 10 if stream.endswith("_report") and stream not in TIMED else 19]


def _record(stream: str, truth: JSON) -> JSON:
    path = {} if stream == "workspaces" else truth["path"]
    record = {**path, **truth["row"]}
    if record.get("invoicingInfo") == []:
        del record["invoicingInfo"]
    if stream in _ADDED:
        record |= _ADDED[stream](truth["row"])
    return {name: value for name, value in record.items() if value is not None}


def _start(row: JSON) -> JSON:
    return {"start": row["timeInterval"]["start"]}


def _approval(row: JSON) -> JSON:
    request = row["approvalRequest"]
    return {"id": request["id"], "updatedAt": request["status"]["updatedAt"]}


def _change(mark: str) -> Callable[[JSON], JSON]:
    return lambda row: {"timestamp": row["auditMetadata"][mark]}


# What the connector adds to a row.
_ADDED: dict[str, Callable[[JSON], JSON]] = {
    **dict.fromkeys(TIMED, _start),
    "scheduling_assignments": lambda row: {"periodStart": row["period"]["start"]},
    "time_off_requests": lambda row: {"cursor": f"{row['createdAt'][:19]}Z"},
    "approval_requests": _approval,
    "audit_log": lambda row: {"id": event_id(row)},
    "entity_changes_created": _change("createdAt"),
    "entity_changes_updated": _change("updatedAt"),
    "entity_changes_deleted": lambda row: {"timestamp": row["deletedAt"]},
    "time_entries_changed": _start,
    "summary_report": lambda row: {"date": row["_id"]},
    "weekly_report": lambda row: {"_id": row["_id"] or "none"},
    "scheduling_project_totals": lambda row: {"taskId": row["taskId"] or "none"},
}


def event_id(row: JSON) -> str:
    """The id of an audit log row, which has none: a hash of all that it holds."""
    return sha256(htmlsafe_json_dumps(row, sort_keys=True).encode()).hexdigest()


def _with_ordinals(records: Iterable[JSON]) -> list[JSON]:
    """Number the ids of equal rows: the second has -2."""
    seen: Counter[tuple[str, str]] = Counter()
    numbered = []
    for record in records:
        key = (record["workspaceId"], record["id"])
        seen[key] += 1
        suffix = f"-{seen[key]}" if seen[key] > 1 else ""
        numbered.append({**record, "id": record["id"] + suffix})
    return numbered


def without_ordinals(records: Iterable[JSON]) -> list[JSON]:
    """Audit log rows as the manifest alone has them: equal rows with the same id."""
    return [{**record, "id": record["id"].partition("-")[0]} for record in records]


def comparable(stream: str, records: Iterable[JSON]) -> dict[tuple[Any, ...], JSON]:
    """Records by primary key without what `expected` leaves out; AssertionError for a double.

    The windows of events touch, so what happened in the one second between two of them may come
    twice.
    """
    found: dict[tuple[Any, ...], JSON] = {}
    edges = set()
    for record in records:
        key = key_of(stream, record)
        shown = without_tracking(record)
        if stream in CLAMPED:
            shown.pop("cursor", None)
        if key in found:
            assert stream in EVENTS, f"{stream} has {key} twice"
            assert shown == found[key], f"{stream} has two records {key}"
            # Two rows of the feeds may name the same change of an entry.
            if stream != "time_entries_changed":
                edges.add(_moment(stream, record))
        found[key] = shown
    assert len(edges) < 2, f"{stream} has records of {sorted(edges)} twice"
    return found


def without_tracking(columns: JSON) -> JSON:
    """Columns without those of change tracking, which only the connector has."""
    return {name: each for name, each in columns.items() if not name.startswith("_ab_cdc_")}


def assert_same(stream: str, records: Iterable[JSON], wanted: Iterable[JSON]) -> None:
    """AssertionError unless the records are exactly the wanted ones, field by field, each once."""
    got, want = comparable(stream, records), comparable(stream, wanted)
    missing, surplus = sorted(want.keys() - got.keys()), sorted(got.keys() - want.keys())
    assert not missing, f"{stream} lacks {len(missing)} of {len(want)} records: {missing[:5]}"
    assert not surplus, f"{stream} has {len(surplus)} records too many: {surplus[:5]}"
    for key, record in want.items():
        assert got[key] == record, f"{stream} {key}"


def assert_complete(
    output: Output,
    sandbox: Sandbox,
    streams: Iterable[str],
    workspaces: Sequence[str] = (),
    start_date: str = "",
) -> None:
    """AssertionError unless the streams were read without error and equal the sandbox's data."""
    for stream in streams:
        assert output.statuses.get(stream) == "COMPLETE", output.errors
        wanted = expected(sandbox, stream, workspaces, start_date)
        assert_same(stream, output.records[stream], wanted)
    assert output.returncode == 0
    assert output.errors == []


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
