"""Change tracking where Clockify fails, leaves out, or sends what is odd."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from freezegun.api import FrozenDateTimeFactory

from source_clockify.change_tracking import checkpoint
from unit_tests.clockify import (
    API,
    OTHER_WORKSPACE,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    addon_config,
    blob_of,
    changes,
    error_body,
    gone,
    hours_ago,
    message_of,
    messages,
    on,
    partitions_of,
    query,
    read_ok,
    report_row,
    rows,
    single_reads,
    warnings,
    workspace,
)

BROKEN = {"status_code": 400, "json": error_body(1, "Something is wrong")}
DOWN = {"status_code": 500}


@pytest.fixture
def connect(connect: Connect) -> Connect:
    """Return how a connection is made that sends every change once."""
    return lambda *streams, **settings: connect(*streams, **{"resend_changes": 0, **settings})


def tag(identifier: str) -> dict[str, Any]:
    return {"id": identifier, "name": "x"}


def named(*identifiers: str) -> list[dict[str, Any]]:
    return [{"id": identifier} for identifier in identifiers]


def user(identifier: str, *roles: str) -> dict[str, Any]:
    return {"id": identifier, "roles": [{"role": role} for role in roles]}


def state_in(connection: Connection) -> AirbyteStateMessage:
    """Return the state of a connection of one stream."""
    assert connection.states is not None
    (state,) = connection.states
    return state


def sequence(output: EntrypointOutput) -> list[str]:
    """Return the kinds of the records and states of a sync, in order."""
    return [message.type.value for message in output.records_and_state_messages]


# A listing in several parts ----------------------------------------------------------------------


def categories(
    clockify: Clockify,
    archived: Mapping[str, bool],
    *,
    fails: Callable[[], bool] = lambda: False,
    shows: Callable[[str], bool] = lambda identifier: True,
) -> None:
    """Serve expense categories as Clockify does: the active ones unless archived ones are wanted.

    Args:
        clockify: the account.
        archived: of each category whether it is archived.
        fails: tells whether the archived ones cannot be listed now.
        shows: tells whether a category is listed now.
    """

    def answer(request: Any, context: Any) -> dict[str, Any]:
        wanted = query(request).get("archived", "false") == "true"
        if wanted and fails():
            context.status_code = 400
            return error_body(1, "No")
        found = [
            {"id": identifier, "archived": value}
            for identifier, value in archived.items()
            if value == wanted and shows(identifier)
        ]
        return {"categories": found, "count": len(found)}

    clockify.answer(f"/workspaces/{WORKSPACE}/expenses/categories", {"json": answer})


def archived_asked(clockify: Clockify) -> list[str]:
    return [query(request)["archived"] for request in clockify.sent("/expenses/categories")]


def test_a_second_read_asks_with_the_parameters_of_the_first(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("expense_categories")
    served = {"a": False, "b": True, "c": True}
    categories(clockify, served)
    connection.sync()
    sent = len(archived_asked(clockify))
    # The first listing of the next sync leaves out c.
    shown = iter([False])
    categories(clockify, served, shows=lambda identifier: identifier != "c" or next(shown, True))

    output = connection.sync()

    asked = archived_asked(clockify)[sent:]
    assert (sorted(asked[:2]), asked[2:]) == (["false", "true"], ["true"])
    assert messages(output) == []


def test_a_record_that_moved_into_a_partition_that_failed_is_undecided(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("expense_categories")
    served, failing = {"a": False, "b": False, "c": True}, False
    categories(clockify, served, fails=lambda: failing)
    connection.sync()
    served["a"], failing = True, True
    sent = len(archived_asked(clockify))

    assert changes(connection.sync(fails=True)) == []
    assert sorted(archived_asked(clockify)[sent:]) == ["false", "true"]
    failing = False
    output = connection.sync()
    assert changes(output) == ["+a"]
    assert message_of(output, "a")["archived"] is True


def test_a_record_that_comes_in_two_windows_is_sent_once(
    clockify: Clockify, connect: Connect
) -> None:
    """An entry moves between the requests for the windows. Which text is the later one shows in
    the next sync.
    """
    connection = connect("detailed_report", start_date="2026-10-01T00:00:00Z")
    clockify.serve("detailed_report", [])
    connection.sync()
    served = [
        report_row("e", "2026-12-10T08:00:00Z", description="old"),
        report_row("e", "2026-11-20T08:00:00Z", description="new"),
    ]
    clockify.serve("detailed_report", served)

    assert len(messages(connection.sync())) == 1
    clockify.serve("detailed_report", served[1:])
    for _ in range(2):
        last = connection.sync()
    assert messages(last) == []


def test_tasks_that_come_with_their_project_are_decided_too(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks", plan="free")
    served = [{"id": "p", "tasks": named("t1", "t2")}, {"id": "q", "tasks": named("t3")}]
    clockify.listing("projects", served)
    assert changes(connection.sync()) == ["+t1", "+t2", "+t3"]
    clockify.listing("projects", [{**served[0], "tasks": []}, served[1]])
    clockify.by_id("projects/p/tasks")

    assert changes(connection.sync()) == ["-t1", "-t2"]
    assert changes(connection.sync()) == []


def test_another_plan_reads_tasks_in_another_way_and_finds_the_same(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks", plan="paid")
    tasks = named("t1", "t2")
    clockify.listing("projects", [{"id": "p", "tasks": tasks}, {"id": "q", "tasks": []}])
    clockify.listing("projects/p/tasks", tasks)
    clockify.listing("projects/q/tasks", [])
    connection.sync()

    assert changes(connection.sync(plan="free")) == []
    assert changes(connection.sync(plan="paid")) == []


# Whose key it is ---------------------------------------------------------------------------------


def served_to(
    clockify: Clockify,
    key_user: str,
    *identifiers: str,
    among: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Let the key belong to this user, who sees these tags."""
    clockify.answer("/user", {"json": {"id": key_user}})
    clockify.listing("users", among or [user("boss", "OWNER"), user("chief", "OWNER")])
    clockify.serve("tags", [tag(each) for each in identifiers])
    clockify.by_id("tags", *(tag(each) for each in identifiers))


@pytest.mark.parametrize("path", ["/user", f"/workspaces/{WORKSPACE}/users/info"])
@pytest.mark.parametrize("answer", [BROKEN, DOWN], ids=["rejected", "down"])
def test_a_baseline_stays_although_it_is_unknown_whose_key_it_is(
    clockify: Clockify, connect: Connect, path: str, answer: Mapping[str, Any]
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [tag("a"), tag("b")])
    clockify.answer(path, answer, method="POST" if path.endswith("/info") else "GET")
    clockify.answer(path.removesuffix("/info"), answer)

    outputs = [connection.sync() for _ in range(3)]

    assert [changes(output) for output in outputs] == [["+a", "+b"], [], []]
    assert [len(warnings(output)) for output in outputs] == [1, 0, 0]


@pytest.mark.parametrize(
    "body",
    [
        error_body(4003, "Api key does not exist"),
        {"message": "Addon x does not have permission ACCOUNT_READ"},
    ],
    ids=["no key", "no permission"],
)
def test_an_addon_that_may_not_ask_whose_key_it_is_keeps_its_baseline(
    clockify: Clockify, clock: FrozenDateTimeFactory, body: Mapping[str, Any]
) -> None:
    clockify.workspaces()
    clockify.users(USER)
    connection = Connection(clock, "tags", **addon_config(resend_changes=0))
    clockify.serve("tags", [tag("a"), tag("b")])
    clockify.answer("/user", {"status_code": 401, "json": body})

    assert [changes(connection.sync()) for _ in range(3)] == [["+a", "+b"], [], []]


def test_the_key_owner_is_requested_once_for_all_waiting_partitions(
    clockify: Clockify, connect: Connect, waits: list[float]
) -> None:
    """One question is tried several times, for minutes; a second one would be in vain."""
    clockify.serve("tags", [tag("a")])
    clockify.answer("/user", DOWN)
    connect("tags").sync()
    tries, waited = len(clockify.sent("/user")), sum(waits)
    users = [f"u{n}" for n in range(10)]
    clockify.users(*users)
    for each in users:
        clockify.user_entries(each, [on("2026-11-20", f"entry of {each}")])
    del waits[:]
    connection = connect("time_entries")

    output = connection.sync()

    assert len(messages(output)) == 10
    assert len(warnings(output)) == 1
    assert len(clockify.sent("/user")) == 2 * tries
    assert sum(waits) <= waited
    assert messages(connection.sync()) == []


def test_while_it_is_unknown_whose_key_it_is_nothing_is_taken_for_deleted(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    served_to(clockify, "boss", "a", "b")
    connection.sync()
    served_to(clockify, "boss", "a")
    clockify.answer("/user", BROKEN)
    assert changes(connection.sync()) == []
    served_to(clockify, "boss", "a")

    assert changes(connection.sync()) == ["-b"]


def test_the_key_of_another_owner_still_finds_what_is_deleted_later(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    served_to(clockify, "boss", "a", "b")
    connection.sync()
    served_to(clockify, "chief", "a", "b")
    assert changes(connection.sync()) == []
    served_to(clockify, "chief", "a")

    output = connection.sync()

    assert (changes(output), warnings(output)) == (["-b"], [])
    assert changes(connection.sync()) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["TEAM_MANAGER", "PROJECT_MANAGER"], ["PROJECT_MANAGER", "TEAM_MANAGER"]),
        (["WORKSPACE_ADMIN"], ["WORKSPACE_ADMIN", "OWNER"]),
    ],
    ids=["another order", "another of those that see everything"],
)
def test_roles_that_show_the_same_are_the_same_roles(
    clockify: Clockify, connect: Connect, before: list[str], after: list[str]
) -> None:
    connection = connect("tags")
    served_to(clockify, "boss", "a", "b", among=[user("boss", *before)])
    connection.sync()
    served_to(clockify, "boss", "a", among=[user("boss", *after)])

    output = connection.sync()

    assert (changes(output), warnings(output)) == (["-b"], [])


def test_children_of_a_hidden_parent_go_with_the_former_permissions(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks")
    clockify.listing("projects", named("p", "q"))
    clockify.listing("projects/p/tasks", named("t"))
    clockify.listing("projects/q/tasks", named("u"))
    clockify.answer("/user", {"json": {"id": "boss"}})
    connection.sync()
    clockify.listing("projects", named("q"))
    clockify.answer(f"/workspaces/{WORKSPACE}/projects/p", gone())
    clockify.answer("/user", {"json": {"id": "clerk"}})
    fewer = connection.sync()
    clockify.answer("/user", {"json": {"id": "boss"}})

    assert (changes(fewer), len(warnings(fewer))) == ([], 1)
    assert changes(connection.sync()) == ["-t"]
    assert changes(connection.sync()) == []


# Single reads ------------------------------------------------------------------------------------


def test_each_missing_record_gets_its_turn_where_only_few_are_asked_for(
    clockify: Clockify, connect: Connect
) -> None:
    """Those that are there but not listed come first by their ids; once found, they come last."""
    connection = connect("tags", plan="free")
    unlisted, deleted, listed = rows(15), rows(5, 15), rows(20, 20)
    clockify.serve("tags", [*unlisted, *deleted, *listed])
    connection.sync()
    clockify.serve("tags", listed)
    clockify.by_id("tags", *unlisted, *listed)

    found = [change for _ in range(6) for change in changes(connection.sync())]

    assert sorted(found) == [f"-{row['id']}" for row in deleted]
    # All twenty in two syncs, and then one of those that are still not listed in each.
    assert len(single_reads(clockify, "tags")) == 2 * 10 + 4


def test_each_entry_of_a_removed_user_gets_its_turn(clockify: Clockify, connect: Connect) -> None:
    connection = connect("time_entries", plan="free")
    clockify.users("u1", "left")
    clockify.user_entries("u1", [])
    theirs = [on("2026-11-20", row["id"], userId="left") for row in rows(30)]
    clockify.user_entries("left", theirs)
    connection.sync()
    clockify.users("u1")
    deleted = theirs.pop(20)
    clockify.by_id("time-entries", *theirs)

    found = [change for _ in range(6) for change in changes(connection.sync())]

    assert found == [f"-{deleted['id']}"]


def test_an_endpoint_that_fails_is_asked_for_one_record_and_not_for_each(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", rows(30))
    connection.sync()
    clockify.serve("tags", rows(10))
    clockify.mocker.get(re.compile(r".*/tags/\w+$"), status_code=500)

    output = connection.sync()

    assert messages(output) == []
    assert len({*single_reads(clockify, "tags")}) == 1
    assert len(warnings(output)) == 1
    clockify.by_id("tags")
    assert changes(connection.sync()) == [f"-{row['id']}" for row in rows(20, 10)]


def test_an_omitted_row_is_looked_up_within_the_window_only(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-01-01T00:00:00Z", lookback_days=5)
    there = on("2026-11-22", "e")
    row = report_row("e", "2026-11-22T08:00:00Z", timeInterval=there["timeInterval"])
    clockify.serve("detailed_report", [row])
    connection.sync()
    clockify.serve("detailed_report", [])
    clockify.by_id("time-entries", there)
    assert messages(connection.sync()) == []
    assert messages(connection.sync(hours=24 * 10)) == []
    assert single_reads(clockify, "time-entries") == ["e", "e"]

    for _ in range(3):
        assert messages(connection.sync(hours=24 * 10)) == []

    assert single_reads(clockify, "time-entries") == ["e", "e"]


def test_an_omitted_row_is_not_looked_up_once_its_timer_stopped(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-01-01T00:00:00Z", lookback_days=5)
    clockify.serve("detailed_report", [report_row("e", "2026-11-22T08:00:00Z")])
    connection.sync()
    clockify.serve("detailed_report", [])
    clockify.by_id("time-entries", on("2026-11-22", "e"))

    for _ in range(4):
        assert messages(connection.sync(hours=24 * 10)) == []

    assert single_reads(clockify, "time-entries") == ["e"]


def test_an_entry_moved_from_an_unlisted_user_has_one_version(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    first = on("2026-11-20", "e", userId="left")
    moved = {**first, "userId": "u2"}
    edited = {**moved, "description": "edited"}
    clockify.users("left", "u2")
    clockify.user_entries("left", [first])
    clockify.user_entries("u2", [])
    connection.sync()
    clockify.users("u2")
    clockify.answer(f"/workspaces/{WORKSPACE}/user/left/time-entries", gone())
    found = []
    for now in (moved, edited):
        clockify.user_entries("u2", [now])
        clockify.by_id("time-entries", now)
        found.append([changes(connection.sync()) for _ in range(3)])

    assert found == [[["+e"], [], []], [["+e"], [], []]]


# Odd records -------------------------------------------------------------------------------------


def test_records_without_a_key_are_sent_each_time_and_never_as_tombstones(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [{"name": "one"}, {"name": "two"}, tag("a")])
    assert len(messages(read_ok("tags"))) == 3

    first, second = connection.sync(), connection.sync()
    clockify.serve("tags", [tag("a")])
    clockify.by_id("tags", tag("a"))
    third = connection.sync()

    assert [len(messages(output)) for output in (first, second, third)] == [3, 2, 0]
    assert [len(warnings(output)) for output in (first, second, third)] == [1, 1, 0]
    assert warnings(second)[0].startswith("tags: 2 records lack")
    assert single_reads(clockify, "tags") == []


def test_a_user_with_an_empty_id_does_not_fail_the_stream(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "")
    clockify.user_entries("u1", [on("2026-11-20", "e")])
    clockify.user_entries("", [])

    assert changes(connection.sync()) == ["+e"]
    assert changes(connection.sync()) == []


def webhooks(clockify: Clockify, **events: Sequence[Mapping[str, Any]]) -> None:
    """Serve webhooks with the events that they logged."""
    base = f"/workspaces/{WORKSPACE}/webhooks"
    clockify.answer(base, {"json": {"webhooks": named(*events)}})
    for identifier, logged in events.items():
        clockify.mocker.post(f"{API}{base}/{identifier}/logs", json=logged)


def test_events_without_a_time_leave_the_state(clockify: Clockify, connect: Connect) -> None:
    connection = connect("webhook_logs")
    sizes = []
    for n in range(5):
        timed = {"id": f"timed {n}", "respondedAt": hours_ago(-24 * 40 * n)}
        webhooks(clockify, w=[*rows(10, 10 * n, respondedAt=None), timed])
        assert len(messages(connection.sync(hours=24 * 40))) == 11
        sizes.append(blob_of(state_in(connection))["records"])

    assert len({*sizes}) == 1


def test_a_deleted_webhook_costs_no_requests(clockify: Clockify, connect: Connect) -> None:
    theirs, others = ({"id": each, "respondedAt": hours_ago(3)} for each in "12")
    connection = connect("webhook_logs")
    webhooks(clockify, deleted=[theirs], kept=[others])
    connection.sync()
    webhooks(clockify, kept=[others])
    for _ in range(3):
        sent = len(clockify.sent())

        assert messages(connection.sync()) == []

        assert [request.path.removeprefix("/api/v1") for request in clockify.sent()[sent:]] == [
            "/workspaces",
            f"/workspaces/{WORKSPACE}/webhooks",
            f"/workspaces/{WORKSPACE}/webhooks/kept/logs",
            f"/workspaces/{WORKSPACE}/webhooks/kept/logs",
        ]


# Configuration and checkpoints -------------------------------------------------------------------


def test_workspaces_are_compared_however_they_are_chosen(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("workspaces")
    found = []
    for name, chosen in (("v1", []), ("v2", [WORKSPACE]), ("v2", []), ("v1", [])):
        clockify.workspaces(workspace(name=name))
        output = connection.sync(workspace_ids=chosen)
        found.append([message["name"] for message in messages(output)])
        assert partitions_of(state_in(connection)) == [()]

    assert found == [["v1"], ["v2"], [], ["v1"]]


def two_workspaces(clockify: Clockify, *identifiers: str) -> None:
    """Serve tags in two workspaces."""
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    for of in (WORKSPACE, OTHER_WORKSPACE):
        clockify.users(USER, of=of)
        clockify.serve("tags", [tag(f"{each}{of[:2]}") for each in identifiers], of)
        clockify.by_id("tags", of=of)


def test_the_decision_on_a_partition_is_in_a_state_before_the_next_begins(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect("tags")
    two_workspaces(clockify, "a", "b")
    connection.sync()
    two_workspaces(clockify, "a")
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS_PER_MEGABYTE", 0)

    output = connection.sync()

    assert changes(output) == ["-b64", "-b65"]
    # Each partition, each decision, and the end.
    assert sequence(output) == ["STATE", "STATE", "RECORD", "STATE", "RECORD", "STATE", "STATE"]


def test_a_single_read_that_has_to_wait_lets_out_the_state_first(
    clockify: Clockify, connect: Connect, clock: FrozenDateTimeFactory
) -> None:
    """No checkpoint is due after the first decision, and one is when the second has to wait."""
    connection = connect("tags")
    two_workspaces(clockify, "a", "b")
    connection.sync()
    two_workspaces(clockify, "a")

    def slow(request: Any, context: Any) -> dict[str, Any]:
        clock.tick(40)
        return error_body(501, "It doesn't belong to the workspace")

    limited = {"status_code": 429, "headers": {"Retry-After": "3000"}, "json": slow}
    clockify.answer(f"/workspaces/{WORKSPACE}/tags/b64", {"status_code": 400, "json": slow})
    clockify.answer(f"/workspaces/{OTHER_WORKSPACE}/tags/b65", limited, gone())

    output = connection.sync()

    assert changes(output) == ["-b64", "-b65"]
    assert sequence(output)[:3] == ["RECORD", "STATE", "RECORD"]


def test_a_listing_that_has_to_wait_lets_out_the_state_first(
    clockify: Clockify, connect: Connect, clock: FrozenDateTimeFactory
) -> None:
    connection = connect("time_entries", num_workers=2)
    clockify.users("u1", "u2")

    def slow(request: Any, context: Any) -> list[Any]:
        clock.tick(40)
        return []

    path = f"/workspaces/{WORKSPACE}/user/{{}}/time-entries"
    limited = {"status_code": 429, "headers": {"Retry-After": "3000"}, "json": slow}
    clockify.answer(path.format("u1"), {"json": slow})
    clockify.answer(path.format("u2"), limited, {"json": []})

    states = [message.state for message in connection.sync().state_messages]

    first, last = (partitions_of(state) for state in (states[0], states[-1]) if state)
    assert [user for _, user in first] == ["u1"]
    assert [user for _, user in last] == ["u1", "u2"]


def test_a_deletion_is_found_although_permissions_were_unknown(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    clockify.serve("tags", [tag("a"), tag("b")])
    clockify.answer("/user", DOWN)
    connection.sync()
    clockify.answer("/user", {"json": {"id": USER}})
    clockify.serve("tags", [tag("b")])
    clockify.by_id("tags", tag("b"))

    outputs = [connection.sync() for _ in range(3)]

    assert [changes(output) for output in outputs] == [[], ["-a"], []]


def test_children_of_a_deleted_parent_go_though_permissions_were_unknown(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks", resend_changes=0)
    project = "650000000000000000000042"
    clockify.listing("projects", [{"id": project}])
    clockify.listing(f"projects/{project}/tasks", [{"id": "t", "projectId": project}])
    clockify.answer("/user", DOWN)
    connection.sync()
    clockify.answer("/user", {"json": {"id": USER}})
    clockify.listing("projects", [])
    clockify.by_id("projects")

    outputs = [connection.sync() for _ in range(3)]

    assert [changes(output) for output in outputs] == [[], ["-t"], []]
