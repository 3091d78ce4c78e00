"""Mistyped years, offsets and fractions: moments are compared as moments, not as texts."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_clockify.streams import without_repeats
from source_clockify.timestamps import compare_as_text, format_second, second_of
from unit_tests.clockify import (
    API,
    NOW,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    changes,
    config,
    entry,
    final_state,
    hours_ago,
    ids,
    message_of,
    path_of,
    query,
    read_ok,
    records,
    report_row,
)
from unit_tests.protocol import content_of

EARLIEST = "2000-01-01T00:00:00Z"
# Newest first, each with the cursor that it must have.
STARTS = {
    "+20226-01-01T09:00:00Z": NOW,
    "9999-12-31T23:59:59Z": NOW,
    "2026-12-24T09:00:00Z": NOW,
    "2026-11-20T09:00:00+01:00": "2026-11-20T08:00:00Z",
    "2026-11-20T07:30:00.125Z": "2026-11-20T07:30:00Z",
    "2026-11-20T12:00:00.123456789+05:30": "2026-11-20T06:30:00Z",
    "2024-03-04T12:02:28.125+00:00": "2024-03-04T12:02:28Z",
    "1999-12-31T23:30:00-01:00": "2000-01-01T00:30:00Z",
    "1999-12-31T23:59:59Z": EARLIEST,
    "1969-12-31T23:00:00Z": EARLIEST,
    "0022-05-01T08:00:00Z": EARLIEST,
    "0001-01-01T00:00:00Z": EARLIEST,
    "-0003-01-01T00:00:00Z": EARLIEST,
}
LAYERS = pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])


def place_of(start: str) -> tuple[int, str]:
    """Return what sorts starts as moments."""
    match = re.fullmatch(r"([+-]?\d+)(-.*?)(Z|[+-]\d\d:\d\d)", start)
    assert match
    if match[3] == "Z":
        return int(match[1]), match[2]
    without_fraction = re.sub(r"\.\d+", "", start)
    moment = datetime.fromisoformat(without_fraction).astimezone(timezone.utc)
    return moment.year, moment.strftime("-%m-%dT%H:%M:%S")


def serve_entries(clockify: Clockify, entries: Sequence[Any], at_most: int = 5000) -> None:
    """Serve time entries as Clockify does: by moment, the newest first, in pages."""
    clockify.users(USER)

    def answer(request: Any, context: Any) -> list[Any]:
        asked = query(request)
        first, last = asked.get("start"), asked.get("end")
        for bound in (first, last):
            assert not bound or re.fullmatch(r"(19[7-9]|[2-9]\d\d)\d-.{5}T.{8}Z", bound)
        found = sorted(
            (
                each
                for each in entries
                if (not first or place_of(each["timeInterval"]["start"]) >= place_of(first))
                and (not last or place_of(each["timeInterval"]["start"]) <= place_of(last))
            ),
            key=lambda each: place_of(each["timeInterval"]["start"]),
            reverse=True,
        )
        page, size = int(asked["page"]), min(int(asked["page-size"]), at_most)
        context.headers["Last-Page"] = str(page * size >= len(found)).lower()
        return found[(page - 1) * size : page * size]

    clockify.answer(path_of("time_entries"), {"json": answer})


def odd_entries() -> list[dict[str, Any]]:
    return [entry(start, start, start) for start in STARTS]


@LAYERS
def test_without_a_start_date_entries_of_any_year_are_read(clockify: Clockify, alone: bool) -> None:
    clockify.workspaces()
    serve_entries(clockify, odd_entries())

    output = read_ok("time_entries", incremental=True, manifest_alone=alone)

    found = {record["start"]: record["cursor"] for record in records(output)}
    assert found == STARTS


@LAYERS
@pytest.mark.parametrize("start_date", ["2000-01-01T00:00:00Z", "2026-11-20T08:00:00Z"])
def test_with_a_start_date_the_true_moment_decides(
    clockify: Clockify, alone: bool, start_date: str
) -> None:
    clockify.workspaces()
    serve_entries(clockify, odd_entries())

    output = read_ok(
        "time_entries",
        with_config=config(start_date=start_date),
        incremental=True,
        manifest_alone=alone,
    )

    wanted = [each for each in STARTS if place_of(each) >= place_of(start_date)]
    assert ids(output) == sorted(wanted)


@pytest.mark.parametrize("at_most", [1, 2, 3, 5])
def test_pages_by_time_bring_every_entry_once_whatever_its_year(
    clockify: Clockify, at_most: int
) -> None:
    clockify.workspaces()
    entries = [*odd_entries(), *(entry(f"e{n}", hours_ago(30 * n)) for n in range(10))]
    serve_entries(clockify, entries, at_most)

    output = read_ok("time_entries")

    assert ids(output) == sorted(each["id"] for each in entries)


def test_entries_of_odd_years_are_sent_once_and_never_taken_for_deleted(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    serve_entries(clockify, odd_entries())
    clockify.by_id("time-entries", *odd_entries())
    assert changes(connection.sync()) == sorted(f"+{start}" for start in STARTS)

    for _ in range(3):
        assert changes(connection.sync()) == []


def test_edits_and_deletions_of_entries_with_odd_years_are_found(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", resend_changes=0)
    far, deleted = "+20226-01-01T09:00:00Z", "2026-11-20T09:00:00+01:00"
    moved = entry("moved", hours_ago(5), hours_ago(4))
    serve_entries(clockify, [entry(far, far, far), entry(deleted, deleted, NOW), moved])
    connection.sync()
    # A correction: the year of one was mistyped, that of another is.
    moved = entry("moved", "0026-11-24T04:00:00Z", "0026-11-24T05:00:00Z")
    edited = entry(far, far, far, description="edited")
    serve_entries(clockify, [edited, moved])
    clockify.by_id("time-entries", edited, moved)

    output = connection.sync()

    assert changes(output) == sorted([f"+{far}", "+moved", f"-{deleted}"])
    assert message_of(output, deleted)["start"] == "2026-11-20T08:00:00Z"
    assert message_of(output, "moved")["start"] == "0026-11-24T04:00:00Z"
    serve_entries(clockify, [moved])
    clockify.by_id("time-entries", moved)
    output = connection.sync()
    assert changes(output) == [f"-{far}"]
    assert message_of(output, far)["start"] == far


@LAYERS
def test_report_rows_are_compared_with_the_start_date_as_moments(
    clockify: Clockify, alone: bool
) -> None:
    clockify.workspaces()
    starts = ("2026-11-20T09:30:00+01:00", "2026-11-20T05:00:00-04:00", "2026-11-20T09:00:00.500Z")
    clockify.serve("detailed_report", [report_row(start, start) for start in starts])

    output = read_ok(
        "detailed_report",
        with_config=config(start_date="2026-11-20T09:00:00Z"),
        manifest_alone=alone,
    )

    assert ids(output) == sorted(starts[1:])


@LAYERS
def test_assignments_of_any_year_are_read_without_a_start_date(
    clockify: Clockify, alone: bool
) -> None:
    clockify.workspaces()
    path = f"/workspaces/{WORKSPACE}/scheduling/assignments/all"
    rows = [{"id": start, "period": {"start": start, "end": start}} for start in STARTS]
    clockify.answer(path, {"json": rows})

    output = read_ok("scheduling_assignments", incremental=True, manifest_alone=alone)

    assert {each["periodStart"]: each["cursor"] for each in records(output)} == STARTS
    # What ends before 2000 is not asked for: whether Clockify takes an earlier start is unknown.
    assert query(clockify.sent(path)[0])["start"] <= "2000-01-01T00:00:00Z"


@LAYERS
@pytest.mark.parametrize(
    ("time", "cursor"),
    [
        ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"),
        ("2026-11-20T08:00:00.125Z", "2026-11-20T08:00:00Z"),
        ("2026-11-20T08:00:00.125+00:00", "2026-11-20T08:00:00Z"),
        ("2026-11-20T09:00:00+01:00", "2026-11-20T08:00:00Z"),
        ("2026-11-19T22:00:00.5-10:00", "2026-11-20T08:00:00Z"),
    ],
)
@pytest.mark.parametrize("stream", ["time_entries", "time_off_requests", "approval_requests"])
def test_the_cursor_of_the_manifest_is_in_utc(
    clockify: Clockify, alone: bool, stream: str, time: str, cursor: str
) -> None:
    serve_one(clockify, stream, time)

    output = read_ok(stream, incremental=True, manifest_alone=alone)

    assert len(records(output)) == 1
    (state,) = content_of(final_state(output, stream))["states"]
    assert [*state["cursor"].values()] == [cursor]


@LAYERS
@pytest.mark.parametrize("time", ["2026-11-20T08:00:00+00:00", "2026-11-20T08:00:00.125+00:00"])
@pytest.mark.parametrize("stream", ["webhook_logs", "audit_log", "entity_changes_created"])
def test_the_cursor_of_event_logs_advances_with_offsets_and_fractions(
    clockify: Clockify, alone: bool, stream: str, time: str
) -> None:
    serve_one(clockify, stream, time)

    output = read_ok(
        stream,
        with_config=config(start_date="2026-11-01T00:00:00Z"),
        incremental=True,
        manifest_alone=alone,
    )

    states = content_of(final_state(output, stream))["states"]
    cursors = {value for state in states for value in state["cursor"].values()}
    assert cursors == {"2026-11-20T08:00:00Z"}


def serve_one(clockify: Clockify, stream: str, time: str) -> None:
    """Serve one record that happened at this time."""
    clockify.workspaces()
    workspace = f"{API}/workspaces/{WORKSPACE}"
    if stream == "time_entries":
        serve_entries(clockify, [entry("1", time, NOW)])
    clockify.mocker.post(
        f"{workspace}/time-off/requests",
        json={"count": 1, "requests": [{"id": "1", "createdAt": time}]},
    )
    request = {"id": "1", "status": {"updatedAt": time}}
    clockify.mocker.get(f"{workspace}/approval-requests", json=[{"approvalRequest": request}])
    clockify.mocker.get(f"{workspace}/webhooks", json={"webhooks": [{"id": "w"}]})
    clockify.mocker.post(f"{workspace}/webhooks/w/logs", json=[{"id": "1", "respondedAt": time}])
    audit_log = f"https://auditlog-api.api.clockify.me/v1/workspaces/{WORKSPACE}/audit-log"
    clockify.mocker.post(audit_log, json=[{"timestamp": time}])
    change = {"id": "1", "documentCode": "TAGS", "auditMetadata": {"createdAt": time}}
    clockify.mocker.get(f"{workspace}/entities/created", json=[change])


def test_approval_requests_are_compared_as_moments(clockify: Clockify, connect: Connect) -> None:
    connection = connect("approval_requests", lookback_days=10, resend_changes=0)
    path = f"/workspaces/{WORKSPACE}/approval-requests"
    times = ("2026-11-14T07:30:00-02:00", "2026-11-14T10:30:00+02:00")
    rows = [{"approvalRequest": {"id": time, "status": {"updatedAt": time}}} for time in times]
    clockify.answer(path, {"json": []})
    connection.sync()
    clockify.answer(path, {"json": rows})

    assert changes(connection.sync()) == [f"+{times[0]}"]


def test_only_entries_that_can_come_twice_are_remembered() -> None:
    def named(number: int, start: str) -> dict[str, Any]:
        return {"id": f"{number}", "start": start}

    odd = [named(number, start) for number, start in enumerate(STARTS)]
    many = [named(100 + number, format_second(-number * 86_400)) for number in range(60_000)]

    rows = [*odd, *odd, *many, many[-1]]
    chunks = [rows[first : first + 7] for first in range(0, len(rows), 7)]

    found = [*chain.from_iterable(without_repeats(chunks))]

    assert len(found) == len(odd) + len(many)


@settings(derandomize=True, database=None)
@given(st.integers(-(10**12), 10**12), st.integers(-14 * 60, 14 * 60))
def test_every_second_is_written_so_that_it_is_read_as_the_same(second: int, minutes: int) -> None:
    text = format_second(second)
    assert second_of(text) == second
    assert len(text) >= len("0001-01-01T00:00:00Z")
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"
    assert second_of(text.replace("Z", f".5{offset}")) == second - minutes * 60


@settings(derandomize=True, database=None)
@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_seconds_are_written_as_python_writes_them_where_it_can(second: int) -> None:
    moment = datetime.fromisoformat("1970-01-01T00:00:00+00:00").replace(tzinfo=None)
    days, rest = divmod(second, 86_400)
    written = moment.fromordinal(moment.toordinal() + days).isoformat()[:10]
    assert format_second(second).startswith(written)
    assert second_of(written) == second - rest


@pytest.mark.parametrize(
    "text",
    ["", " ", "yesterday", "2024-13-01", "2024-02-30T00:00:00Z", "2024-02-28T25:00:00Z", 5, None],
)
def test_what_is_no_time_is_none(text: Any) -> None:
    assert second_of(text) is None


def test_timestamps_compare_as_text_if_they_are_valid_and_alike() -> None:
    days = [date(2027, 1, 1) + timedelta(number) for number in range(3 * 365 + 1)]
    texts = [f"{day}" for day in days if (day.month, day.day) != (2, 29)]

    assert compare_as_text(texts)
    assert all(compare_as_text([f"{text}T23:59:59Z"]) for text in texts)
    assert not any(
        compare_as_text([f"2027-{month:02}-{day:02}"])
        for month in range(14)
        for day in range(33)
        if f"2027-{month:02}-{day:02}" not in texts
    )


@pytest.mark.parametrize(
    "values",
    [
        ["2028-02-29"],
        ["2027-01-01", None],
        ["2027-01-01", 20270101],
        ["2027-01-01", "2027-01-01T00:00:00Z"],
        ["2027-01-01T00:00:00Z", "2027-01-01T00:00:00+"],
        ["2027-01-01T24:00:00Z"],
        ["2027-01-01T00:00:00.1234567Z"],
        ["+20226-01-01T00:00:00Z"],
        [""],
    ],
)
def test_timestamps_of_other_forms_do_not_compare_as_text(values: list[Any]) -> None:
    assert not compare_as_text(values)
