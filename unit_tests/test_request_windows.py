"""The windows of reports and event logs: none too long, no day left out or asked for twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from unit_tests.clockify import (
    API,
    REPORTS,
    WORKSPACE,
    Clockify,
    config,
    query,
    read_ok,
    state_of,
)
from unit_tests.clockify import Connection as Tracked

REPORT_STREAMS = {
    "detailed_report": "cursor",
    "summary_report": "cursor",
    "weekly_report": "cursor",
    "attendance_report": "date",
    "expense_report": "cursor",
}
EMPTY_REPORT = {
    "timeentries": [],
    "groupOne": [],
    "entities": [],
    "expenses": [],
    "totals": {"expensesCount": 0},
}
DAY = timedelta(days=1)

# Seconds around the edges of a day, and any other.
times_of_day = st.sampled_from([0, 1, 36_000, 86_399]) | st.integers(0, 86_399)
examples = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class TwoSyncs:
    """When two syncs come.

    Attributes:
        lookback: the configured one, in days.
        history: seconds from the start date to the first sync.
        since: seconds from the first sync to the second.
        day: of the week on which the first sync comes.
        second: of that day.
    """

    lookback: int
    history: int
    since: int
    day: int
    second: int


def text_of(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def report_windows(requests: Sequence[Any]) -> list[tuple[date, date]]:
    bodies = [request.json() for request in requests]
    assert all(body["dateRangeStart"].endswith("T00:00:00.000Z") for body in bodies)
    assert all(body["dateRangeEnd"].endswith("T23:59:59.999Z") for body in bodies)
    return sorted(
        (
            date.fromisoformat(body["dateRangeStart"][:10]),
            date.fromisoformat(body["dateRangeEnd"][:10]),
        )
        for body in bodies
    )


def monday_of(day: date) -> date:
    return day - day.weekday() * DAY


def check_report_windows(
    stream: str, windows: list[tuple[date, date]], first: date, today: date
) -> None:
    """Check that each day from the first to the last is asked for once, 31 days at most at once."""
    last = today if stream == "attendance_report" else today + 31 * DAY
    if stream == "weekly_report":
        first, last = monday_of(first), monday_of(last + DAY) - DAY
        assert all(end - begin == 6 * DAY for begin, end in windows)
    assert (windows[0][0], windows[-1][1]) == (first, last)
    assert all(timedelta() <= end - begin <= 30 * DAY for begin, end in windows)
    assert all(later[0] - earlier[1] == DAY for earlier, later in pairwise(windows))


@pytest.mark.parametrize("layer", ["connector", "manifest alone"])
@examples
# The last window of these ended with its 32nd day.
@example("detailed_report", TwoSyncs(30, 41 * 86_400 + 36_000, 86_400, 0, 36_000))
@example("summary_report", TwoSyncs(30, 41 * 86_400 + 36_000, 86_400, 0, 36_000))
@example("attendance_report", TwoSyncs(31, 62 * 86_400, 0, 0, 0))
@example("weekly_report", TwoSyncs(10, 41 * 86_400 + 36_000, 86_400, 3, 0))
@given(
    stream=st.sampled_from([*REPORT_STREAMS]),
    syncs=st.builds(
        TwoSyncs,
        lookback=st.sampled_from([1, 30, 31, 400]) | st.integers(1, 400),
        history=st.integers(0, 120 * 86_400),
        since=st.integers(0, 70).map(lambda days: days * 86_400) | st.integers(0, 70 * 86_400),
        day=st.integers(0, 6),
        second=times_of_day,
    ),
)
def test_every_day_of_a_report_is_requested_once_in_short_windows(
    clockify: Clockify,
    clock: FrozenDateTimeFactory,
    layer: str,
    stream: str,
    syncs: TwoSyncs,
) -> None:
    lookback, since = syncs.lookback, syncs.since
    clockify.workspaces()
    for path in ("detailed", "summary", "weekly", "attendance", "expenses/detailed"):
        clockify.mocker.post(f"{REPORTS}/workspaces/{WORKSPACE}/reports/{path}", json=EMPTY_REPORT)
    clockify.mocker.reset_mock()
    first_sync = datetime(2026, 6, 8, tzinfo=timezone.utc) + syncs.day * DAY
    first_sync += timedelta(seconds=syncs.second)
    second_sync = first_sync + timedelta(seconds=since)
    start = first_sync - timedelta(seconds=syncs.history)
    settings = {"start_date": text_of(start), "lookback_days": lookback}

    sent = [0]
    if layer == "connector":
        connection = Tracked(clock, stream, **settings)
        connection.now = first_sync
        connection.sync()
        sent.append(len(clockify.sent("", "POST")))
        connection.sync(hours=since / 3600)
    else:
        for moment, state in ((first_sync, None), (second_sync, first_sync.date())):
            clock.move_to(moment)
            cursor = {"workspace_id": WORKSPACE}, {REPORT_STREAMS[stream]: f"{state}"}
            known = {"states": [dict(zip(("partition", "cursor"), cursor, strict=True))]}
            read_ok(
                stream,
                with_config=config(**settings),
                incremental=True,
                state=[state_of(stream, known)] if state else None,
                manifest_alone=True,
            )
            sent.append(len(clockify.sent("", "POST")))
        del sent[2:]

    requests = clockify.sent("", "POST")
    check_report_windows(
        stream, report_windows(requests[: sent[1]]), start.date(), first_sync.date()
    )
    since_day = (first_sync - lookback * DAY).date()
    check_report_windows(
        stream,
        report_windows(requests[sent[1] :]),
        max(start.date(), since_day),
        second_sync.date(),
    )


@pytest.mark.parametrize("layer", ["connector", "manifest alone"])
@pytest.mark.parametrize("log", [("audit_log", 31), ("entity_changes_created", 30)])
@examples
@given(moment=st.tuples(st.integers(1, 400 * 86_400), times_of_day))
def test_every_second_of_an_event_log_is_requested_within_allowed_days(
    clockify: Clockify,
    clock: FrozenDateTimeFactory,
    layer: str,
    log: tuple[str, int],
    moment: tuple[int, int],
) -> None:
    """Right both for a limit in hours and for one in calendar days."""
    stream, days = log
    # Seconds since the start date, and of the day.
    history, second = moment
    clockify.workspaces()
    clockify.mocker.post(
        f"https://auditlog-api.api.clockify.me/v1/workspaces/{WORKSPACE}/audit-log", json=[]
    )
    clockify.mocker.get(f"{API}/workspaces/{WORKSPACE}/entities/created", json=[])
    clockify.mocker.reset_mock()
    now = datetime(2026, 6, 8, tzinfo=timezone.utc) + timedelta(seconds=second)
    clock.move_to(now)
    start = now - timedelta(seconds=history)

    read_ok(
        stream,
        with_config=config(start_date=text_of(start)),
        manifest_alone=layer == "manifest alone",
    )

    asked: list[dict[str, Any]] = [
        request.json() if stream == "audit_log" else query(request)
        for request in clockify.sent("audit-log" if stream == "audit_log" else "/created")
    ]
    # The audit log is asked for Clockify's own events too.
    windows = sorted(
        (parsed(each["start"]), parsed(each["end"]))
        for each in asked
        if stream != "audit_log" or each["authors"]["authorIds"] == []
    )
    assert (windows[0][0], windows[-1][1]) == (max(start, now - 364 * DAY), now)
    assert all(later[0] == earlier[1] for earlier, later in pairwise(windows))
    assert all((end.date() - begin.date()).days < days for begin, end in windows)


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
