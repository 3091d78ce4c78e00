"""Change tracking: from when on each stream is read."""

import re
from datetime import date, timedelta
from typing import Any

import pytest

from unit_tests.clockify import (
    API,
    NOW,
    REPORTS,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    changes,
    config,
    entry,
    hours_ago,
    ids,
    message_of,
    messages,
    query,
    read_ok,
    warnings,
)

# The first sync is on Tuesday, 24 November 2026, at 9:00, and so many days later the next.
AT = "T09:00:00Z"


@pytest.fixture
def connect(connect: Connect) -> Connect:
    """Return how a connection is made that sends every change once."""
    return lambda *streams, **settings: connect(*streams, **{"resend_changes": 0, **settings})


def spans(requests: list[Any], first: str, last: str) -> list[tuple[str, str]]:
    """Return the windows that requests ask for in their bodies, without repeats."""
    return sorted({(body[first], body[last]) for body in (each.json() for each in requests)})


def test_entries_are_requested_from_the_last_read_less_the_lookback(
    clockify: Clockify, connect: Connect
) -> None:
    """Padded by a day: Clockify reads the start as wall clock."""
    connection = connect("time_entries", lookback_days=10)
    clockify.serve("time_entries", [entry("e", hours_ago(900), hours_ago(899))])
    connection.sync()
    connection.sync()
    connection.sync(hours=48)

    asked = [query(request) for request in clockify.sent_for("time_entries")]

    assert [each.get("start") for each in asked] == [None, f"2026-11-13{AT}", f"2026-11-14{AT}"]
    assert not any("end" in each for each in asked)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_exactly_the_entries_whose_true_start_is_inside_the_window_count(
    clockify: Clockify, connect: Connect, zone: str
) -> None:
    connection = connect("time_entries", lookback_days=10)
    clockify.user_entries(USER, [], zone=zone)
    connection.sync()
    starts = ("2026-11-14T08:59:59Z", "2026-11-14T09:00:00Z", "2026-11-20T09:00:00Z")
    entries = [entry(start, start, hours_ago(0)) for start in starts]
    clockify.user_entries(USER, entries, zone=zone)

    assert changes(connection.sync()) == [f"+{start}" for start in starts[1:]]


def test_entries_that_lie_ahead_are_read_and_missed(clockify: Clockify, connect: Connect) -> None:
    connection = connect("time_entries")
    clockify.serve("time_entries", [entry("ahead", hours_ago(-9000), hours_ago(-9001))])
    assert changes(connection.sync()) == ["+ahead"]
    clockify.serve("time_entries", [])
    clockify.by_id("time-entries")

    assert changes(connection.sync()) == ["-ahead"]


def test_the_window_never_reaches_before_the_start_date(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", start_date="2026-11-20T00:00:00Z")
    clockify.serve("time_entries", [])
    connection.sync()
    connection.sync()

    assert [query(each)["start"] for each in clockify.sent_for("time_entries")] == [
        "2026-11-19T00:00:00Z"
    ] * 2


def test_a_running_entry_stays_until_it_ends_and_is_read_by_id(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", lookback_days=2)
    clockify.serve("time_entries", [entry("e", hours_ago(5))])
    connection.sync()
    clockify.by_id("time-entries", entry("e", hours_ago(5)))
    # The window passes it.
    for _ in range(3):
        assert changes(connection.sync(hours=72)) == []
    clockify.by_id("time-entries", entry("e", hours_ago(5), hours_ago(-200)))

    output = connection.sync()

    assert changes(output) == ["+e"]
    assert message_of(output, "e")["timeInterval"]["end"] == hours_ago(-200)
    sent = len(clockify.sent())
    assert changes(connection.sync()) == []
    assert not any("time-entries/e" in request.path for request in clockify.sent()[sent:])


def test_a_running_entry_that_the_window_has_passed_can_be_deleted(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", lookback_days=2)
    clockify.serve("time_entries", [entry("e", hours_ago(5))])
    connection.sync()
    clockify.by_id("time-entries", entry("e", hours_ago(5)))
    connection.sync(hours=72)
    connection.sync(hours=72)
    clockify.by_id("time-entries")

    assert changes(connection.sync()) == ["-e"]


def test_an_old_running_timer_is_in_the_state_from_the_baseline_on(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.serve("time_entries", [entry("forgotten", "2025-01-01T00:00:00Z")])
    connection.sync()
    ended = entry("forgotten", "2025-01-01T00:00:00Z", "2025-01-01T08:00:00Z")
    clockify.by_id("time-entries", ended)

    assert changes(connection.sync()) == ["+forgotten"]


def test_the_detailed_report_is_asked_for_whole_days_up_to_31_days_ahead(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-09-01T10:00:00Z", lookback_days=10)
    clockify.serve("detailed_report", [])
    connection.sync()
    sent = len(clockify.sent_for("detailed_report"))
    connection.sync()

    first = spans(clockify.sent_for("detailed_report")[:sent], "dateRangeStart", "dateRangeEnd")
    later = spans(clockify.sent_for("detailed_report")[sent:], "dateRangeStart", "dateRangeEnd")

    assert (first[0][0], first[-1][1]) == ("2026-09-01T00:00:00.000Z", "2026-12-25T23:59:59.999Z")
    assert (later[0][0], later[-1][1]) == ("2026-11-14T00:00:00.000Z", "2026-12-26T23:59:59.999Z")


def test_the_weekly_report_is_asked_for_whole_weeks_from_monday(
    clockify: Clockify, connect: Connect
) -> None:
    url = f"{REPORTS}/workspaces/{WORKSPACE}/reports/weekly"
    clockify.mocker.post(url, json={"groupOne": []})
    connection = connect("weekly_report", start_date="2026-10-01T00:00:00Z", lookback_days=10)
    connection.sync()
    sent = len(clockify.sent("/weekly"))
    connection.sync()

    # The 14th, ten days before the first sync, was a Saturday, as 31 days after the second one.
    mondays = [date(2026, 11, 9) + timedelta(weeks=number) for number in range(6)]
    assert spans(clockify.sent("/weekly")[sent:], "dateRangeStart", "dateRangeEnd") == [
        (f"{monday}T00:00:00.000Z", f"{monday + timedelta(days=6)}T23:59:59.999Z")
        for monday in mondays
    ]


@pytest.mark.parametrize(
    ("stream", "path", "envelope"),
    [
        ("summary_report", "summary", "groupOne"),
        ("attendance_report", "attendance", "entities"),
        ("expense_report", "expenses/detailed", "expenses"),
    ],
)
def test_other_reports_are_asked_for_whole_days(
    clockify: Clockify, connect: Connect, stream: str, path: str, envelope: str
) -> None:
    url = f"{REPORTS}/workspaces/{WORKSPACE}/reports/{path}"
    clockify.mocker.post(url, json={envelope: [], "totals": {"expensesCount": 0}})
    connection = connect(stream, start_date="2026-10-01T00:00:00Z", lookback_days=10)
    connection.sync()
    sent = len(clockify.sent(path))
    connection.sync()

    asked = spans(clockify.sent(path)[sent:], "dateRangeStart", "dateRangeEnd")
    assert asked[0][0] == "2026-11-14T00:00:00.000Z"
    assert asked[-1][1] >= "2026-11-25T23:59:59.999Z"


def test_assignments_are_asked_for_up_to_the_horizon(clockify: Clockify, connect: Connect) -> None:
    path = f"/workspaces/{WORKSPACE}/scheduling/assignments/all"
    clockify.answer(path, {"json": []})
    connection = connect("scheduling_assignments", lookback_days=10, horizon_days=100)
    connection.sync()
    connection.sync()

    asked = query(clockify.sent(path)[-1])
    assert (asked["start"], asked["end"][:10]) == (f"2026-11-13{AT}", "2027-03-05")


def test_events_are_asked_for_from_two_days_before_the_last(
    clockify: Clockify, connect: Connect
) -> None:
    """Clockify lists some of them late. The clock does not count, nor the lookback."""
    logs = f"/workspaces/{WORKSPACE}/webhooks/w/logs"
    clockify.answer(f"/workspaces/{WORKSPACE}/webhooks", {"json": {"webhooks": [{"id": "w"}]}})
    clockify.mocker.post(API + logs, json=[{"id": "1", "respondedAt": "2026-11-20T12:00:00Z"}])
    connection = connect("webhook_logs", start_date="2026-11-01T00:00:00Z", lookback_days=1)
    connection.sync()
    late = [
        {"id": "1", "respondedAt": "2026-11-20T12:00:00Z"},
        {"id": "late", "respondedAt": "2026-11-19T12:00:00Z"},
    ]
    clockify.mocker.post(API + logs, json=late)

    assert changes(connection.sync()) == ["+late"]
    assert changes(connection.sync()) == []
    asked = [request.json()["from"] for request in clockify.sent(logs)]
    # Each time one more page, in case the first was cut before it was filtered.
    assert asked == [
        start
        for start in ("2026-11-01T00:00:00Z", "2026-11-18T12:00:00Z", "2026-11-18T12:00:00Z")
        for _ in range(2)
    ]


def test_approval_requests_are_read_until_one_is_older_than_the_window(
    clockify: Clockify, connect: Connect
) -> None:
    path = f"/workspaces/{WORKSPACE}/approval-requests"
    connection = connect("approval_requests", lookback_days=10)

    def page(*times: str) -> dict[str, Any]:
        states = ("PENDING", "APPROVED")
        requests = [approval(each, state, each) for each, state in zip(times, states, strict=False)]
        return {"json": requests, "headers": {"Last-Page": "false"}}

    clockify.answer(path, {"json": []})
    connection.sync()
    sent = len(clockify.sent(path))
    clockify.answer(
        path,
        page(NOW, "2026-11-14T09:00:00Z"),
        page("2026-11-14T08:59:59Z"),
        page("2019-01-01T00:00:00Z"),
    )

    assert changes(connection.sync()) == ["+2026-11-14T09:00:00Z", f"+{NOW}"]
    assert len(clockify.sent(path)) == sent + 2


STATES = ("PENDING", "APPROVED", "WITHDRAWN_APPROVAL", "WITHDRAWN_SUBMISSION", "REJECTED")


def approval(identifier: str, state: str, updated: str) -> dict[str, Any]:
    status = {"state": state, "updatedAt": updated}
    return {"approvalRequest": {"id": identifier, "status": status}, "entries": []}


def serve_approvals(
    clockify: Clockify, *served: dict[str, Any], default: tuple[str, ...] = STATES
) -> None:
    """Serve approval requests; without a status those of the `default` states come."""

    def answer(request: Any, _: Any) -> list[dict[str, Any]]:
        asked = query(request).get("status")
        wanted = (asked,) if asked else default
        found = [row for row in served if row["approvalRequest"]["status"]["state"] in wanted]
        size = int(query(request)["page-size"])
        page = int(query(request)["page"])
        return found[(page - 1) * size : page * size]

    clockify.answer(f"/workspaces/{WORKSPACE}/approval-requests", {"json": answer})


def test_approval_requests_of_every_state_come_once(clockify: Clockify) -> None:
    clockify.workspaces()
    served = [approval(state, state, NOW) for state in STATES]
    serve_approvals(clockify, *served)

    output = read_ok("approval_requests")

    assert sorted(ids(output)) == sorted(STATES)
    assert warnings(output) == []
    assert len(clockify.sent("/approval-requests")) == 1


@pytest.mark.parametrize("default", STATES[:3])
def test_states_that_clockify_does_not_list_are_named(clockify: Clockify, default: str) -> None:
    clockify.workspaces()
    served = [approval(state, state, NOW) for state in STATES]
    serve_approvals(clockify, *served, default=(default,))

    output = read_ok("approval_requests")

    assert sorted(ids(output)) == ["APPROVED", "PENDING", "WITHDRAWN_APPROVAL"]
    (warning,) = warnings(output)
    assert "approval_requests" in warning
    assert "Rejected requests" in warning


@pytest.mark.parametrize("state", STATES)
def test_requests_of_one_state_come_once_and_without_a_warning(
    clockify: Clockify, state: str
) -> None:
    clockify.workspaces()
    serve_approvals(clockify, approval("a", state, NOW), approval("b", state, NOW))

    output = read_ok("approval_requests")

    assert ids(output) == ["a", "b"]
    assert warnings(output) == []


def test_pages_of_one_state_are_read_beyond_the_window_to_meet_another(
    clockify: Clockify, connect: Connect
) -> None:
    """Else those of other states would seem to be hidden."""
    connection = connect("approval_requests", resend_changes=0)
    clockify.listing("approval-requests", [])
    connection.sync()
    served = [approval(f"{n}", "PENDING", "2020-01-01T00:00:00Z") for n in range(5)]
    clockify.listing(
        "approval-requests",
        [*served, approval("old", "APPROVED", "2019-01-01T00:00:00Z")],
        at_most=2,
    )

    assert warnings(connection.sync()) == []


def test_an_approval_request_that_changes_its_state_is_sent_once_more(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("approval_requests", resend_changes=0)
    serve_approvals(clockify, approval("a", "PENDING", "2026-11-01T09:00:00Z"))
    connection.sync()
    for day, state in ((25, "APPROVED"), (26, "REJECTED"), (27, "PENDING")):
        serve_approvals(clockify, approval("a", state, f"2026-11-{day}T08:00:00Z"))

        assert changes(connection.sync()) == ["+a"], state


def test_time_off_requests_are_read_whole_every_time(clockify: Clockify, connect: Connect) -> None:
    url = f"{API}/workspaces/{WORKSPACE}/time-off/requests"
    old = {"id": "old", "createdAt": "2019-01-01T00:00:00.123456789Z", "status": "PENDING"}
    clockify.mocker.post(url, json={"count": 1, "requests": [old]})
    connection = connect("time_off_requests")
    connection.sync()
    clockify.mocker.post(url, json={"count": 1, "requests": [{**old, "status": "APPROVED"}]})

    (found,) = messages(connection.sync())

    assert found["status"] == "APPROVED"


def test_the_audit_log_begins_two_days_before_the_last_event(
    clockify: Clockify, connect: Connect
) -> None:
    """In each of its passes, which are no children of their workspace."""
    path = f"/workspaces/{WORKSPACE}/audit-log"
    at = "2026-11-20T08:00:00Z"
    clockify.workspaces()
    clockify.mocker.post(re.compile("/audit-log$"), json=[{"timestamp": at}])
    connection = connect("audit_log", start_date="2026-11-01T00:00:00Z")
    connection.sync()
    sent = len(clockify.sent(path))

    connection.sync()

    starts = {request.json()["start"] for request in clockify.sent(path)[sent:]}
    assert starts == {"2026-11-18T08:00:00Z"}


@pytest.mark.parametrize("state", ["PENDING", "APPROVED"])
def test_a_request_of_another_state_ends_no_list(clockify: Clockify, state: str) -> None:
    """It was just approved, say, and is still in the list of pending ones."""
    clockify.workspaces()
    served = [approval(f"{n}", state if n == 1 else "PENDING", NOW) for n in range(5)]
    clockify.listing("approval-requests", served, at_most=2)

    assert ids(read_ok("approval_requests")) == [f"{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("unnamed", "named", "found", "warned"),
    [
        (["SYSTEM", "u"], [], 1, True),
        (["SYSTEM", "u"], ["SYSTEM"], 2, False),
        (["u"], ["SYSTEM"], 2, False),
        (["u"], [], 1, False),
    ],
    ids=["only unnamed", "in both passes", "only named", "none"],
)
def test_events_by_clockify_itself_come_once_or_are_named_as_missing(
    clockify: Clockify, unnamed: list[str], named: list[str], found: int, warned: bool
) -> None:
    clockify.workspaces()

    def answer(request: Any, _: Any) -> list[dict[str, Any]]:
        body = request.json()
        authors = named if body["authors"]["authorIds"] else unnamed
        return [
            {"userId": author, "timestamp": "2026-11-20T08:00:00Z"}
            for author in (authors if body["page"] == 0 else [])
        ]

    clockify.mocker.post(re.compile("/audit-log$"), json=answer)

    output = read_ok("audit_log", with_config=config(start_date="2026-11-15T00:00:00Z"))

    assert len(ids(output)) == found
    assert [("Clockify returns its own events" in text) for text in warnings(output)] == (
        [True] if warned else []
    )
