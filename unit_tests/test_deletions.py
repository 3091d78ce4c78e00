"""Change tracking: what is missing becomes a tombstone only if it is proven gone."""

from collections.abc import Mapping, Sequence
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
    entry,
    error_body,
    gone,
    hours_ago,
    message_of,
    messages,
    on,
    partitions_of,
    report_row,
    rows,
    single_reads,
    warnings,
)

BROKEN = {"status_code": 400, "json": error_body(1, "Something is wrong")}
REFUSED = {"status_code": 403, "json": error_body(1, "Forbidden")}


@pytest.fixture
def connect(connect: Connect) -> Connect:
    """Return how a connection is made that sends every change once."""
    return lambda *streams, **settings: connect(*streams, **{"resend_changes": 0, **settings})


def named(*identifiers: str) -> list[dict[str, Any]]:
    return [{"id": identifier} for identifier in identifiers]


def holidays(clockify: Clockify, *responses: Any) -> None:
    """Serve the one listing whose records cannot be read by id."""
    answers = [
        {"json": response} if isinstance(response, Sequence) else response for response in responses
    ]
    clockify.answer(f"/workspaces/{WORKSPACE}/holidays", *answers)


# What was not read completely --------------------------------------------------------------------


@pytest.mark.parametrize("answer", [BROKEN, REFUSED, {"text": "<html>"}], ids=str)
def test_a_listing_that_failed_or_was_refused_tells_nothing(
    clockify: Clockify, connect: Connect, answer: Mapping[str, Any]
) -> None:
    connection = connect("tags")
    clockify.serve("tags", named("a", "b"))
    clockify.by_id("tags")
    connection.sync()
    clockify.serve_responses("tags", answer)
    undecided = connection.sync(fails=True)
    clockify.serve("tags", named("a"))

    assert changes(undecided) == []
    assert single_reads(clockify, "tags") == []
    assert changes(connection.sync()) == ["-b"]


def test_a_listing_of_which_a_page_failed_tells_of_what_came_only(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [{"id": "a", "name": "old"}, {"id": "b"}])
    connection.sync()
    page = {"json": [{"id": "a", "name": "new"}], "headers": {"Last-Page": "false"}}
    clockify.serve_responses("tags", page, BROKEN)

    assert changes(connection.sync(fails=True)) == ["+a"]
    clockify.serve("tags", [{"id": "a", "name": "new"}, {"id": "b"}])
    assert changes(connection.sync()) == []


def test_entries_of_others_are_decided_although_those_of_a_user_failed(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [on("2026-11-20", "e1")])
    clockify.user_entries("u2", [on("2026-11-20", "e2")])
    connection.sync()
    clockify.user_entries("u1", [])
    clockify.answer(f"/workspaces/{WORKSPACE}/user/u2/time-entries", BROKEN)
    clockify.by_id("time-entries")

    assert changes(connection.sync(fails=True)) == ["-e1"]


def test_children_of_parents_that_could_not_be_listed_are_undecided(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks")
    clockify.listing("projects", named("p"))
    clockify.listing("projects/p/tasks", named("t"))
    connection.sync()
    clockify.by_id("projects")
    clockify.by_id("projects/p/tasks")
    for answer in (BROKEN, REFUSED):
        clockify.answer(f"/workspaces/{WORKSPACE}/projects", answer)

        assert changes(connection.sync(fails=True)) == []


def test_a_report_of_which_a_window_failed_is_undecided_as_a_whole(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-11-01T00:00:00Z")
    clockify.serve("detailed_report", [report_row("a", "2026-11-20T08:00:00Z")])
    clockify.by_id("time-entries")
    connection.sync()

    def answer(request: Any, context: Any) -> dict[str, Any]:
        if request.json()["dateRangeEnd"] > "2026-12-05":
            context.status_code = 400
            return error_body(1, "No")
        return {"totals": [], "timeentries": []}

    url = f"{REPORTS}/workspaces/{WORKSPACE}/reports/detailed"
    clockify.mocker.post(url, json=answer)
    assert changes(connection.sync(fails=True)) == []
    clockify.serve("detailed_report", [])

    assert changes(connection.sync(), key="_id") == ["-a"]


def test_a_report_that_sends_fewer_rows_than_it_announces_is_undecided(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-11-01T00:00:00Z")
    served = [report_row(each, "2026-11-20T08:00:00Z") for each in ("a", "b")]
    clockify.serve("detailed_report", served)
    clockify.by_id("time-entries")
    connection.sync()

    def answer(request: Any, context: Any) -> dict[str, Any]:
        body = request.json()
        here = body["dateRangeStart"] <= "2026-11-20" <= body["dateRangeEnd"]
        first = body["detailedFilter"]["page"] == 1
        return {
            "totals": [{"entriesCount": 2 if here else 0}],
            "timeentries": served[:1] if here and first else [],
        }

    clockify.mocker.post(f"{REPORTS}/workspaces/{WORKSPACE}/reports/detailed", json=answer)

    assert changes(connection.sync(), key="_id") == []


# By id -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "resource"), [("tags", "tags"), ("clients", "clients"), ("projects", "projects")]
)
def test_a_missing_record_is_deleted_only_if_clockify_says_so_by_id(
    clockify: Clockify, connect: Connect, stream: str, resource: str
) -> None:
    connection = connect(stream)
    clockify.serve(stream, named("a", "gone", "hidden"))
    connection.sync()
    clockify.serve(stream, named("a"))
    clockify.by_id(resource, {"id": "hidden"})

    assert changes(connection.sync()) == ["-gone"]
    assert sorted(single_reads(clockify, resource)) == ["gone", "hidden"]
    # It is looked for as long as it is not listed.
    assert changes(connection.sync()) == []
    clockify.by_id(resource)
    assert changes(connection.sync()) == ["-hidden"]


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        REFUSED,
        {"status_code": 404, "json": {}},
        {"status_code": 404},
        {"status_code": 500},
        {"text": ""},
    ],
    ids=["400", "403", "404", "404 without a body", "500", "no body"],
)
def test_no_other_answer_proves_that_a_record_is_gone(
    clockify: Clockify, connect: Connect, answer: Mapping[str, Any]
) -> None:
    connection = connect("tags")
    clockify.serve("tags", named("a", "b"))
    connection.sync()
    clockify.serve("tags", named("a"))
    clockify.answer(f"/workspaces/{WORKSPACE}/tags/b", answer)

    assert changes(connection.sync()) == []

    clockify.answer(f"/workspaces/{WORKSPACE}/tags/b", gone())
    assert changes(connection.sync()) == ["-b"]


@pytest.mark.parametrize("missing", [1, 3])
def test_time_entries_that_are_missing_are_asked_for_by_id(
    clockify: Clockify, connect: Connect, missing: int
) -> None:
    connection = connect("time_entries")
    entries = [on("2026-11-20", f"e{n}") for n in range(missing + 1)]
    clockify.serve("time_entries", entries)
    connection.sync()
    clockify.serve("time_entries", entries[missing:])
    clockify.by_id("time-entries")

    assert changes(connection.sync()) == [f"-e{n}" for n in range(missing)]


def test_time_entries_that_are_all_still_there_cost_one_request(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    entries = [on("2026-11-20", f"e{n}") for n in range(30)]
    clockify.serve("time_entries", entries)
    connection.sync()
    clockify.serve("time_entries", [])
    clockify.by_id("time-entries", *entries)

    assert changes(connection.sync()) == []
    (request,) = clockify.sent("/time-entries/batch")
    assert sorted(request.json()["timeEntryIds"]) == sorted(each["id"] for each in entries)
    assert single_reads(clockify, "time-entries") == []


def test_a_time_entry_that_moved_out_of_the_window_is_an_update(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.serve("time_entries", [on("2026-11-20", "e"), on("2026-11-21", "f")])
    connection.sync()
    clockify.serve("time_entries", [on("2026-11-21", "f")])
    clockify.by_id("time-entries", on("2019-01-01", "e"))

    output = connection.sync()

    assert changes(output) == ["+e"]
    assert message_of(output, "e")["start"] == "2019-01-01T08:00:00Z"
    # It has left the window, and with it the state.
    clockify.by_id("time-entries")
    assert changes(connection.sync()) == []


def test_a_time_entry_that_is_there_but_not_listed_is_no_message(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.serve("time_entries", [on("2026-11-20", "e")])
    connection.sync()
    clockify.serve("time_entries", [])
    clockify.by_id("time-entries", on("2026-11-20", "e"))

    assert changes(connection.sync()) == []


def test_a_moved_row_of_the_detailed_report_has_the_reports_shape(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-01-01T00:00:00Z", lookback_days=5)
    clockify.serve("detailed_report", [report_row("e", "2026-11-23T08:00:00Z", rate=1)])
    connection.sync()
    moved = report_row("e", "2026-02-03T08:00:00Z", rate=1)
    clockify.serve("detailed_report", [moved])
    clockify.by_id("time-entries", entry("e", "2026-02-03T08:00:00Z", "2026-02-03T09:00:00Z"))

    output = connection.sync()

    assert changes(output, key="_id") == ["+e"]
    sent = message_of(output, "e", "_id")
    assert (sent["start"], sent["rate"]) == ("2026-02-03T08:00:00Z", 1)
    assert "id" not in sent
    assert changes(connection.sync(), key="_id") == []


def test_a_report_row_in_a_mistyped_year_is_warned_of(clockify: Clockify, connect: Connect) -> None:
    connection = connect("detailed_report", start_date="2026-01-01T00:00:00Z", lookback_days=5)
    clockify.serve("detailed_report", [report_row("e", "2026-11-23T08:00:00Z")])
    connection.sync()
    far = "+20226-01-01T08:00:00Z"
    clockify.serve("detailed_report", [])
    clockify.by_id("time-entries", entry("e", far, far))

    output = connection.sync()

    assert changes(output, key="_id") == []
    assert "cannot be read" in " ".join(warnings(output))
    clockify.serve("detailed_report", [report_row("e", "2026-11-23T08:00:00Z", rate=2)])
    assert changes(connection.sync(), key="_id") == ["+e"]


def test_a_record_older_than_the_window_leaves_without_a_tombstone(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", lookback_days=5)
    clockify.serve("time_entries", [on("2026-11-20", "e")])
    connection.sync()
    for _ in range(5):
        assert changes(connection.sync(hours=48)) == []
    clockify.serve("time_entries", [])

    assert changes(connection.sync()) == []
    assert clockify.sent("/time-entries/batch") == []
    assert single_reads(clockify, "time-entries") == []


# Moves -------------------------------------------------------------------------------------------


def test_an_entry_that_moved_to_another_user_is_an_edit_and_no_deletion(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [on("2026-11-20", "e", userId="u1")])
    clockify.user_entries("u2", [on("2026-11-20", "f", userId="u2")])
    connection.sync()
    clockify.user_entries("u1", [])
    clockify.user_entries(
        "u2", [on("2026-11-20", "e", userId="u2"), on("2026-11-20", "f", userId="u2")]
    )
    clockify.by_id("time-entries")

    output = connection.sync()

    assert changes(output) == ["+e"]
    assert message_of(output, "e")["userId"] == "u2"
    assert changes(connection.sync()) == []
    clockify.user_entries("u2", [on("2026-11-20", "f", userId="u2")])
    assert changes(connection.sync()) == ["-e"]


def test_an_expense_category_that_was_archived_is_an_edit(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("expense_categories")
    path = f"/workspaces/{WORKSPACE}/expenses/categories"

    def serve(*categories: Mapping[str, Any]) -> None:
        clockify.answer(path, {"json": {"categories": categories, "count": len(categories)}})

    kept = {"id": "b", "archived": False}
    serve({"id": "a", "archived": False}, kept)
    connection.sync()
    serve({"id": "a", "archived": True}, kept)

    output = connection.sync()

    assert changes(output) == ["+a"]
    assert message_of(output, "a")["archived"] is True


# Listings without reads by id --------------------------------------------------------------------


def test_a_listing_without_reads_by_id_is_read_twice(clockify: Clockify, connect: Connect) -> None:
    connection = connect("holidays")
    holidays(clockify, named("a", "b"))
    connection.sync()
    sent = len(clockify.sent("/holidays"))
    connection.sync()
    assert len(clockify.sent("/holidays")) == sent + 1
    holidays(clockify, named("a"))

    assert changes(connection.sync()) == ["-b"]
    assert len(clockify.sent("/holidays")) == sent + 3


def test_what_the_second_read_shows_is_not_gone(clockify: Clockify, connect: Connect) -> None:
    connection = connect("holidays")
    holidays(clockify, named("a", "b", "c"))
    connection.sync()
    holidays(clockify, named("a"), [{"id": "a"}, {"id": "b", "name": "new"}])

    assert changes(connection.sync()) == ["+b", "-c"]


@pytest.mark.parametrize("second", [BROKEN, REFUSED])
def test_a_second_read_that_fails_leaves_what_is_missing_undecided(
    clockify: Clockify, connect: Connect, second: Mapping[str, Any]
) -> None:
    connection = connect("holidays")
    holidays(clockify, named("a", "b"))
    connection.sync()
    holidays(clockify, named("a"), second)
    assert changes(connection.sync()) == []
    holidays(clockify, named("a"))

    assert changes(connection.sync()) == ["-b"]


def test_a_listing_that_turned_empty_must_be_empty_in_the_next_sync_too(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("holidays")
    holidays(clockify, named("a", "b"))
    connection.sync()
    holidays(clockify, [])

    first, second = connection.sync(), connection.sync()

    assert changes(first) == []
    assert len(warnings(first)) == 1
    assert changes(second) == ["-a", "-b"]


def test_a_listing_that_was_empty_once_is_not_deleted(clockify: Clockify, connect: Connect) -> None:
    connection = connect("holidays")
    holidays(clockify, named("a", "b"))
    connection.sync()
    holidays(clockify, [])
    connection.sync()
    holidays(clockify, named("a", "b"))

    assert changes(connection.sync()) == []
    holidays(clockify, [])
    assert changes(connection.sync()) == []


def test_an_assignment_moved_out_of_the_window_is_found_in_the_widest(
    clockify: Clockify, connect: Connect
) -> None:
    def assignment(identifier: str, start: str) -> dict[str, Any]:
        return {"id": identifier, "period": {"start": start, "end": "2030-01-01T00:00:00Z"}}

    shown = [assignment("a", hours_ago(5)), assignment("b", hours_ago(6))]

    def answer(request: Any, context: Any) -> list[Any]:
        start = request.qs["start"][0].upper()
        return [each for each in shown if each["period"]["start"] >= start]

    path = f"{API}/workspaces/{WORKSPACE}/scheduling/assignments/all"
    clockify.mocker.get(path, json=answer)
    connection = connect("scheduling_assignments")
    connection.sync()
    shown[0] = assignment("a", "2019-01-01T00:00:00Z")

    output = connection.sync()
    assert changes(output) == ["+a"]
    assert message_of(output, "a")["period"]["start"] == "2019-01-01T00:00:00Z"
    shown.append(assignment("c", hours_ago(1)))
    connection.sync()
    shown.pop()
    assert changes(connection.sync()) == ["-c"]


# Children ----------------------------------------------------------------------------------------


def serve_children(clockify: Clockify, *parents: str) -> None:
    """Serve projects, users, invoices and policies of these ids, each with one child."""
    base = f"/workspaces/{WORKSPACE}"
    clockify.listing("projects", named(*parents))
    clockify.listing("users", named(*parents))
    clockify.answer(
        f"{base}/invoices", {"json": {"total": len(parents), "invoices": named(*parents)}}
    )
    clockify.answer(f"{base}/time-off/policies", {"json": named(*parents)})
    clockify.answer("/user", {"json": {"id": "p1"}})
    for parent in parents:
        child = f"child of {parent}"
        clockify.listing(f"projects/{parent}/tasks", named(child))
        clockify.answer(f"{base}/member-profile/{parent}", {"json": {"name": child}})
        clockify.answer(f"{base}/invoices/{parent}", {"json": {"id": parent}})
        clockify.answer(f"{base}/invoices/{parent}/payments", {"json": named(child)})
        balances = {"balances": [{"userId": child}]}
        clockify.answer(f"{base}/time-off/balance/policy/{parent}", {"json": balances})


CHILDREN = {
    "tasks": ("projects/p2", {"id": "child of p2", "projectId": "p2"}),
    "member_profiles": ("member-profile/p2", {"userId": "p2"}),
    "invoice_details": ("invoices/p2", {"id": "p2", "invoiceId": "p2"}),
    "invoice_payments": ("invoices/p2", {"id": "child of p2", "invoiceId": "p2"}),
    "time_off_balances": ("time-off/policies/p2", {"userId": "child of p2", "policyId": "p2"}),
}


@pytest.mark.parametrize("stream", CHILDREN)
def test_children_go_with_a_parent_that_is_proven_gone(
    clockify: Clockify, connect: Connect, stream: str
) -> None:
    parent, expected = CHILDREN[stream]
    connection = connect(stream)
    serve_children(clockify, "p1", "p2")
    assert len(messages(connection.sync())) == 2
    serve_children(clockify, "p1")
    path = f"/workspaces/{WORKSPACE}/{parent}"
    if stream not in ("member_profiles", "invoice_details"):
        clockify.answer(path, {"json": {"id": "p2", "name": "still there"}})
    assert messages(connection.sync()) == []
    clockify.answer(path, gone())

    (found,) = messages(connection.sync())

    told = {name: value for name, value in found.items() if not name.startswith("_ab_cdc_")}
    assert told == {"workspaceId": WORKSPACE, **expected}
    assert found["_ab_cdc_deleted_at"]
    assert messages(connection.sync()) == []
    (state,) = connection.states or []
    assert not [ids for ids in partitions_of(state) if "p2" in ids]


def test_entries_do_not_go_with_their_user(clockify: Clockify, connect: Connect) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [])
    theirs = [on("2026-11-20", f"e{n}") for n in range(5)]
    clockify.user_entries("u2", theirs)
    connection.sync()
    clockify.users("u1")
    clockify.by_id("time-entries", *theirs)
    clockify.answer(f"/workspaces/{WORKSPACE}/member-profile/u2", gone())

    assert changes(connection.sync()) == []
    clockify.users("u1", "u2")
    assert changes(connection.sync()) == []


# Streams of their own kind -----------------------------------------------------------------------


def test_a_timer_that_no_longer_runs_leaves_the_list_of_running_timers(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries_in_progress")
    timers = [entry(each, hours_ago(2)) for each in ("stopped", "deleted", "running", "unlisted")]
    clockify.serve("time_entries_in_progress", timers)
    connection.sync()
    clockify.serve("time_entries_in_progress", [timers[2]])
    clockify.by_id("time-entries", entry("stopped", hours_ago(2), hours_ago(1)), timers[3])

    assert changes(connection.sync()) == ["-deleted", "-stopped"]


def test_the_row_of_a_day_without_time_is_gone(clockify: Clockify, connect: Connect) -> None:
    groups = [{"_id": f"2026-11-{day}", "duration": day} for day in (17, 18, 19)]
    url = f"{REPORTS}/workspaces/{WORKSPACE}/reports/summary"
    clockify.mocker.post(url, json=lambda request, context: {"groupOne": groups})
    connection = connect("summary_report", start_date="2026-11-10T00:00:00Z", lookback_days=20)
    connection.sync()
    groups[0] = {**groups[0], "duration": 5}
    del groups[1]

    assert changes(connection.sync(), key="date") == ["+2026-11-17", "-2026-11-18"]


# Limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plan", "most"), [("free", 10), ("paid", 500)])
def test_only_so_many_records_are_asked_for_one_by_one_in_a_sync(
    clockify: Clockify, connect: Connect, plan: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_clockify.tracked_sync.SINGLE_READS", 30 if plan == "paid" else 500)
    most = min(most, 30)
    connection = connect("tags", plan=plan)
    kept, deleted = rows(most + 20), rows(most + 5, 1000)
    clockify.serve("tags", kept + deleted)
    connection.sync()
    clockify.serve("tags", kept)
    clockify.by_id("tags")

    first, second, third = (connection.sync() for _ in range(3))

    assert [len(messages(each)) for each in (first, second, third)] == [most, 5, 0]
    assert {message["id"] for each in (first, second) for message in messages(each)} == {
        row["id"] for row in deleted
    }


def test_five_hundred_records_are_asked_for_one_by_one_by_default() -> None:
    from source_clockify import tracked_sync

    assert (tracked_sync.SINGLE_READS, tracked_sync.FREE_SINGLE_READS) == (500, 10)


def test_all_streams_share_what_may_be_asked_for(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags", "clients", plan="free")
    clockify.serve("tags", rows(20))
    clockify.serve("clients", rows(20))
    connection.sync()
    clockify.serve("tags", rows(12))
    clockify.serve("clients", rows(12))
    clockify.by_id("tags")
    clockify.by_id("clients")

    assert [len(messages(connection.sync())) for _ in range(3)] == [10, 6, 0]


@pytest.mark.parametrize(
    ("known", "left", "waits"), [(201, 100, True), (201, 101, False), (400, 200, False)]
)
def test_over_half_and_over_a_hundred_missing_wait_for_the_next_sync(
    clockify: Clockify, connect: Connect, known: int, left: int, waits: bool
) -> None:
    connection = connect("holidays")
    holidays(clockify, rows(known))
    connection.sync()
    holidays(clockify, rows(left))

    first, second = connection.sync(), connection.sync()

    missing = known - left
    assert [len(messages(each)) for each in (first, second)] == (
        [0, missing] if waits else [missing, 0]
    )
    assert len(warnings(first)) == waits


def test_a_hundred_missing_do_not_wait(clockify: Clockify, connect: Connect) -> None:
    connection = connect("holidays")
    holidays(clockify, rows(110))
    connection.sync()
    holidays(clockify, rows(10))

    assert len(messages(connection.sync())) == 100


def test_records_that_come_back_after_many_were_missing_are_no_messages(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", rows(300))
    connection.sync()
    clockify.serve("tags", rows(10))
    clockify.by_id("tags", *rows(300))
    connection.sync()
    clockify.serve("tags", rows(300))

    assert messages(connection.sync()) == []


def test_a_record_without_a_start_is_in_every_window(clockify: Clockify, connect: Connect) -> None:
    connection = connect("time_entries")
    odd = {"id": "odd", "timeInterval": None}
    path = f"/workspaces/{WORKSPACE}/user/{USER}/time-entries"
    clockify.answer(path, {"json": [on(NOW[:10], "e"), odd]})
    connection.sync()
    clockify.answer(path, {"json": [on(NOW[:10], "e")]})
    clockify.by_id("time-entries")

    output = connection.sync()

    assert changes(output) == ["-odd"]
    assert "start" not in message_of(output, "odd")
