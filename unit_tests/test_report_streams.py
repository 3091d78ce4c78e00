"""detailed_report."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from unit_tests.clockify import (
    NOW,
    ODD_IDS,
    OTHER_WORKSPACE,
    REPORTS,
    WORKSPACE,
    Clockify,
    config,
    final_state,
    ids,
    read_ok,
    records,
    report_row,
    warnings,
)
from unit_tests.protocol import content_of

RECENT = config(start_date="2026-11-01T00:00:00Z")


def windows(requests: list[Any]) -> list[tuple[str, str]]:
    """Return the windows that were read, without those in which only the oldest row was sought."""
    bodies = [request.json() for request in requests]
    return sorted(
        {
            (body["dateRangeStart"], body["dateRangeEnd"])
            for body in bodies
            if body["detailedFilter"]["pageSize"] > 1
        }
    )


def days_of(window: tuple[str, str]) -> tuple[date, date]:
    first, last = window
    return date.fromisoformat(first[:10]), date.fromisoformat(last[:10])


def test_rows_come_as_clockify_sends_them_with_their_workspace(clockify: Clockify) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    row = report_row(
        ODD_IDS[0],
        "2026-11-20T08:00:00Z",
        description="Żółć 東京",
        rate=4250.5555,
        tags=[{"name": "a", "_id": ODD_IDS[1]}],
        projectId=ODD_IDS[2],
        nested={"null": None},
    )
    clockify.serve("detailed_report", [row])
    clockify.serve("detailed_report", [report_row("b", "2026-11-20T08:00:00Z")], OTHER_WORKSPACE)

    found = records(read_ok("detailed_report", with_config=RECENT))

    assert sorted(record["workspaceId"] for record in found) == [WORKSPACE, OTHER_WORKSPACE]
    (record,) = [record for record in found if record["workspaceId"] == WORKSPACE]
    assert record == {
        **row,
        "workspaceId": WORKSPACE,
        "start": "2026-11-20T08:00:00Z",
        "cursor": "2026-11-20T08:00:00Z",
    }


def test_the_request_asks_for_utc_and_for_an_immutable_order(clockify: Clockify) -> None:
    """Without `timeZone` Clockify moves the window and the rows' times to the account's zone."""
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    read_ok("detailed_report", with_config=RECENT)

    # The windows are read by several threads.
    sent = clockify.sent_for("detailed_report")
    first = min(sent, key=lambda request: request.json()["dateRangeStart"])
    assert first.method == "POST"
    assert first.url == f"{REPORTS}/workspaces/{WORKSPACE}/reports/detailed"
    assert first.headers["Content-Type"] == "application/json"
    assert first.json() == {
        "dateRangeStart": "2026-11-01T00:00:00.000Z",
        "dateRangeEnd": "2026-12-01T23:59:59.999Z",
        "timeZone": "UTC",
        "exportType": "JSON",
        "sortOrder": "ASCENDING",
        "detailedFilter": {"sortColumn": "ID", "page": 1, "pageSize": 1000},
    }


def test_windows_are_whole_days_without_gap_or_overlap_31_at_most(
    clockify: Clockify,
) -> None:
    """The free plan refuses 32 days; a gap would lose a day, an overlap would double one."""
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    read_ok("detailed_report", with_config=config(start_date="2026-01-15T10:00:00Z"))

    spans = [days_of(window) for window in windows(clockify.sent_for("detailed_report"))]
    assert spans[0][0] == date(2026, 1, 15)
    assert spans[-1][1] == date(2026, 11, 24) + timedelta(days=31)
    assert all((last - first).days + 1 <= 31 for first, last in spans)
    assert all(following[0] - span[1] == timedelta(days=1) for span, following in pairwise(spans))


def test_rows_before_the_start_date_of_the_same_day_are_not_read(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve(
        "detailed_report",
        [
            report_row("before", "2026-11-10T11:59:59Z"),
            report_row("at", "2026-11-10T12:00:00Z"),
            report_row("after", "2026-11-11T00:00:00Z"),
        ],
    )

    output = read_ok("detailed_report", with_config=config(start_date="2026-11-10T12:00:00Z"))

    assert ids(output) == ["after", "at"]


@pytest.mark.parametrize("named", [True, False], ids=["named workspace", "visible workspace"])
def test_without_a_start_date_no_report_from_before_the_workspace_is_read(
    clockify: Clockify, named: bool
) -> None:
    """An id begins with the second of its creation; every window before it costs a request."""
    created = "68d7e0000000000000000001"  # 2025-09-27
    clockify.workspaces(created)
    clockify.serve("detailed_report", [report_row("first", "2025-09-27T23:00:00Z")], created)

    output = read_ok(
        "detailed_report", with_config=config(workspace_ids=[created]) if named else config()
    )

    assert ids(output) == ["first"]
    spans = [days_of(window) for window in windows(clockify.sent("/detailed"))]
    assert spans[0][0] <= date(2025, 9, 27) <= spans[0][1]


def test_two_workspaces_of_different_age_are_read_each_from_its_creation(
    clockify: Clockify,
) -> None:
    old, new = "659200000000000000000001", "68d7e0000000000000000001"  # 2024-01-01, 2025-09-27
    clockify.workspaces(old, new)
    clockify.serve("detailed_report", [report_row("a", "2024-01-01T01:00:00Z")], old)
    clockify.serve("detailed_report", [report_row("b", "2025-09-28T01:00:00Z")], new)

    output = read_ok("detailed_report", with_config=config(workspace_ids=[new, old]))

    assert ids(output) == ["a", "b"]
    newest = windows(clockify.sent(f"{new}/reports/detailed"))[0]
    assert days_of(newest)[1] >= date(2025, 9, 27)


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_that_look_like_numbers_stay_text(clockify: Clockify, odd: str) -> None:
    clockify.workspaces(odd)
    row = report_row(odd, "2026-11-20T08:00:00Z", userId=odd, projectId=odd)
    clockify.serve("detailed_report", [row], odd)

    for settings in (RECENT, {**RECENT, "workspace_ids": [odd]}):
        (record,) = records(read_ok("detailed_report", with_config=settings))

        assert [record[key] for key in ("_id", "workspaceId", "userId", "projectId")] == [odd] * 4


def test_rows_31_days_ahead_are_read_without_moving_the_cursor_past_now(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [report_row("ahead", "2026-12-25T10:00:00Z")])

    output = read_ok("detailed_report", with_config=RECENT, incremental=True)

    (record,) = records(output)
    assert (record["start"], record["cursor"]) == ("2026-12-25T10:00:00Z", NOW)
    (partition,) = content_of(final_state(output, "detailed_report"))["states"]
    assert partition["cursor"]["cursor"] <= NOW[:10]


def test_an_incremental_sync_starts_at_the_state_less_the_lookback(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [report_row("a", "2026-11-20T08:00:00Z")])
    first = read_ok("detailed_report", with_config=RECENT, incremental=True)
    sent_first = len(clockify.sent_for("detailed_report"))

    second = read_ok(
        "detailed_report",
        with_config={**RECENT, "lookback_days": 5},
        incremental=True,
        state=[final_state(first, "detailed_report")],
    )

    assert ids(second) == ["a"]
    spans = [
        days_of(window) for window in windows(clockify.sent_for("detailed_report")[sent_first:])
    ]
    assert spans[0][0] == date(2026, 11, 15)
    assert spans[-1][1] == date(2026, 11, 24) + timedelta(days=31)


def test_a_day_without_rows_later_does_not_hide_a_late_entry(clockify: Clockify) -> None:
    """The cursor follows the rows, not the windows: what is entered late is still read."""
    clockify.workspaces()
    clockify.serve("detailed_report", [report_row("a", "2026-11-05T08:00:00Z")])
    first = read_ok("detailed_report", with_config={**RECENT, "lookback_days": 1}, incremental=True)
    clockify.serve(
        "detailed_report",
        [report_row("a", "2026-11-05T08:00:00Z"), report_row("late", "2026-11-06T08:00:00Z")],
    )

    second = read_ok(
        "detailed_report",
        with_config={**RECENT, "lookback_days": 1},
        incremental=True,
        state=[final_state(first, "detailed_report")],
    )

    assert "late" in ids(second)


def test_an_empty_report_gives_no_record_and_no_error(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    assert records(read_ok("detailed_report", with_config=RECENT)) == []


# Pages -----------------------------------------------------------------------------------------


def many(count: int) -> list[dict[str, Any]]:
    return [report_row(f"{n:024x}", "2026-11-20T08:00:00Z") for n in range(count)]


@pytest.mark.parametrize(
    ("count", "at_most", "requests"),
    [(1000, 1000, 1), (1001, 1000, 2), (450, 200, 3), (400, 200, 2)],
)
def test_pages_go_on_until_the_announced_number_of_entries_is_there(
    clockify: Clockify, count: int, at_most: int, requests: int
) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", many(count), at_most=at_most)

    output = read_ok("detailed_report", with_config=RECENT)

    assert len(records(output)) == len(set(ids(output))) == count
    bodies = [request.json() for request in clockify.sent_for("detailed_report")]
    assert [
        body["detailedFilter"]["page"] for body in bodies if "2026-11-01" in body["dateRangeStart"]
    ] == list(range(1, requests + 1))


@pytest.mark.parametrize(("count", "requests"), [(999, 1), (1000, 2), (1001, 2)])
def test_without_totals_a_short_page_is_the_last(
    clockify: Clockify, count: int, requests: int
) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", many(count), totals="absent")

    output = read_ok("detailed_report", with_config=RECENT)

    assert len(records(output)) == count
    bodies = [request.json() for request in clockify.sent_for("detailed_report")]
    assert len([body for body in bodies if "2026-11-01" in body["dateRangeStart"]]) == requests


def test_a_report_that_announces_more_than_it_sends_ends_and_says_so(clockify: Clockify) -> None:
    clockify.workspaces()

    def answer(request: Any, context: Any) -> dict[str, Any]:
        first = request.json()["detailedFilter"]["page"] == 1
        return {"totals": [{"entriesCount": 5}], "timeentries": many(3) if first else []}

    clockify.mocker.post(f"{REPORTS}/workspaces/{WORKSPACE}/reports/detailed", json=answer)

    output = read_ok("detailed_report", with_config=RECENT)

    asked = clockify.sent_for("detailed_report")
    assert len(asked) == 2 * len(windows(asked))
    assert any("5" in warning and "3" in warning for warning in warnings(output))


@pytest.mark.parametrize(("vanishing", "readings"), [(1, 2), (9, 4)])
def test_a_report_that_shrinks_is_read_anew_three_times_at_most(
    clockify: Clockify, vanishing: int, readings: int
) -> None:
    """The deleted row has pulled another one onto the page that was read already."""
    clockify.workspaces()
    served = [report_row(f"r{number}", "2026-11-20T08:00:00Z") for number in range(20)]
    firsts: list[int] = []

    def answer(request: Any, context: Any) -> dict[str, Any]:
        if request.json()["dateRangeStart"] > "2026-11-21":
            return {"totals": [{"entriesCount": 0}], "timeentries": []}
        page = request.json()["detailedFilter"]["page"]
        firsts.extend([page] if page == 1 else [])
        if page == 2 and len(firsts) <= vanishing:
            del served[0]
        rows = served[(page - 1) * 7 : page * 7]
        return {"totals": [{"entriesCount": len(served)}], "timeentries": rows}

    clockify.answer(
        f"/workspaces/{WORKSPACE}/reports/detailed",
        {"json": answer},
        method="POST",
        host=REPORTS,
    )

    output = read_ok("detailed_report", with_config=RECENT)

    assert len(firsts) == readings
    assert len(ids(output)) == len(set(ids(output)))
    gave_up = any("kept disappearing" in warning for warning in warnings(output))
    assert gave_up == (vanishing > 3)
    if not gave_up:
        assert {row["_id"] for row in served} <= {*ids(output)}


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
def test_an_empty_list_of_invoicing_info_is_null(clockify: Clockify, alone: bool) -> None:
    clockify.workspaces()
    told = {"invoiceId": "i", "manuallyInvoiced": False}
    clockify.detailed_report(
        [
            report_row("a", "2026-11-20T08:00:00Z", invoicingInfo=[]),
            report_row("b", "2026-11-20T08:00:00Z", invoicingInfo=told),
            report_row("c", "2026-11-20T08:00:00Z", invoicingInfo=None),
            report_row("d", "2026-11-20T08:00:00Z"),
        ]
    )

    found = records(read_ok("detailed_report", with_config=RECENT, manifest_alone=alone))

    assert {each["_id"]: each.get("invoicingInfo") for each in found} == {
        **dict.fromkeys("acd"),
        "b": told,
    }
