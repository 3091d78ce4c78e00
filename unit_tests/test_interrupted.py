"""A sync on the free plan that was killed while it waited, and the one that goes on with it.

Of the killed one only what it printed before its first announced wait counts.
"""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage, Type
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

from source_clockify.change_tracking import checkpoint
from unit_tests.clockify import (
    OTHER_WORKSPACE,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    blob_of,
    changes,
    entry,
    hours_ago,
    messages,
    path_of,
    report_row,
    state_of,
    statuses,
    warnings,
)
from unit_tests.protocol import error_messages, stream_of
from unit_tests.test_waits import USERS, WAIT, account

REFUSAL = {"status_code": 403, "json": {"code": 403, "message": "Access is denied"}}


def states_before_the_wait(output: EntrypointOutput) -> dict[str, AirbyteStateMessage]:
    found: dict[str, AirbyteStateMessage] = {}
    for message in output.get_message_by_types([Type.STATE, Type.LOG]):
        if message.state is not None:
            name = stream_of(message.state)
            found[name] = state_of(name, blob_of(message.state))
        elif message.log is not None and WAIT.match(message.log.message):
            break
    return found


def sync_that_is_killed_once(connection: Connection, hours: float = 24) -> EntrypointOutput:
    """Run a sync, kill it in its first wait, and return the one that goes on an hour later."""
    before = {stream_of(state): state for state in connection.states or []}
    killed = states_before_the_wait(connection.sync(hours=hours))
    phases = [(blob_of(state).get("sync") or {}).get("phase") for state in killed.values()]
    assert "reading" in phases
    connection.states = [*{**before, **killed}.values()]
    return connection.sync(hours=1.1)


def owner(clockify: Clockify, role: str = "OWNER", of: str = WORKSPACE) -> None:
    """Let the first of many users own the key."""
    clockify.answer("/user", {"json": {"id": USERS[0]}})
    roles = {USERS[0]: [{"role": role}]}
    clockify.listing("users", [{"id": user, "roles": roles.get(user, [])} for user in USERS], of)


def two_workspaces(clockify: Clockify) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    for of in (WORKSPACE, OTHER_WORKSPACE):
        owner(clockify, of=of)


def mark_of(state: AirbyteStateMessage) -> Mapping[str, Any]:
    found: Mapping[str, Any] = blob_of(state)["sync"]
    return found


def states_on_the_way(output: EntrypointOutput, stream: str) -> list[AirbyteStateMessage]:
    """Return the states of a stream that were sent while it was read."""
    found = [message.state for message in output.get_message_by_types([Type.STATE])]
    return [
        state
        for state in found
        if state is not None and stream_of(state) == stream and mark_of(state)["phase"] == "reading"
    ]


@pytest.fixture
def _states_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)


def test_a_timer_before_the_window_is_looked_up_by_the_sync_that_goes_on(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect(
        "time_entries", plan="free", num_workers=2, resend_changes=0, lookback_days=1
    )
    account(clockify)
    owner(clockify)
    timer, started = f"{77:024x}", hours_ago(20)
    clockify.user_entries(USERS[0], [entry(timer, started)])
    connection.sync()
    connection.sync(hours=48)
    ended = {**entry(timer, started, hours_ago(-60)), "userId": USERS[0]}
    clockify.user_entries(USERS[0], [ended])
    clockify.by_id("time-entries", ended)

    output = sync_that_is_killed_once(connection)

    assert changes(output) == [f"+{timer}"]


def test_many_deletions_are_confirmed_although_each_sync_is_killed(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", plan="free", num_workers=2, resend_changes=0)
    account(clockify)
    owner(clockify)
    entries = [entry(f"{n:024x}", hours_ago(48), hours_ago(47)) for n in range(150)]
    clockify.user_entries(USERS[0], entries)
    connection.sync()
    clockify.user_entries(USERS[0], entries[:2])
    clockify.by_id("time-entries", *entries[:2])

    first = sync_that_is_killed_once(connection)
    second = sync_that_is_killed_once(connection)

    assert changes(first) == []
    assert any("148 of 150 records" in warning for warning in warnings(first))
    # As many as the lookups of the free plan allow.
    assert len([change for change in changes(second) if change.startswith("-")]) >= 9


@pytest.mark.usefixtures("_states_at_once")
def test_nothing_is_deleted_if_permissions_changed_between_the_attempts(
    clockify: Clockify, connect: Connect
) -> None:
    def group(name: str) -> dict[str, Any]:
        return {"id": name, "name": name, "userIds": []}

    def key_of_a(role: str) -> None:
        for of in (WORKSPACE, OTHER_WORKSPACE):
            clockify.listing("users", [{"id": USER, "roles": [{"role": role}]}], of)

    connection = connect("user_groups", plan="free", num_workers=2)
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.answer("/user", {"json": {"id": USER}})
    key_of_a("OWNER")
    for of in (WORKSPACE, OTHER_WORKSPACE):
        clockify.listing("user-groups", [group(f"a{of}"), group(f"b{of}")], of)
    connection.sync()
    for of in (WORKSPACE, OTHER_WORKSPACE):
        clockify.listing("user-groups", [group(f"a{of}")], of)
    killed = states_on_the_way(connection.sync(), "user_groups")
    connection.states = [next(state for state in killed if "done" in mark_of(state))]
    key_of_a("TEAM_MANAGER")

    output = connection.sync(hours=1)

    assert changes(output) == []


def test_a_refusal_is_told_by_the_sync_that_goes_on(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags", "time_entries", "sync_log", plan="free", num_workers=2)
    account(clockify)
    clockify.serve_responses("tags", REFUSAL)

    output = sync_that_is_killed_once(connection)

    assert any("tags" in warning and "Access is denied" in warning for warning in warnings(output))
    receipts = [each for each in messages(output, "sync_log") if each["stream"] == "tags"]
    assert receipts[-1]["skipped"]


@pytest.mark.usefixtures("_states_at_once")
def test_a_workspace_that_was_refused_is_read_by_the_sync_that_goes_on(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "clients", plan="free", num_workers=4)
    two_workspaces(clockify)
    clockify.listing("tags", [{"id": "1", "name": "a"}], WORKSPACE)
    clockify.answer(path_of("tags", OTHER_WORKSPACE), REFUSAL)
    clockify.listing("clients", [], WORKSPACE)
    limited = {"status_code": 429, "headers": {"Retry-After": "1200"}}
    clockify.answer(path_of("clients", OTHER_WORKSPACE), limited, {"json": []})
    killed = connection.sync()
    connection.states = [
        *(state for state in connection.states or [] if stream_of(state) == "tags"),
        states_on_the_way(killed, "clients")[-1],
    ]
    clockify.listing("tags", [{"id": "2", "name": "b"}], OTHER_WORKSPACE)

    assert changes(connection.sync(hours=1), "tags") == ["+2"]


@pytest.mark.usefixtures("_states_at_once")
def test_gaps_of_a_partition_are_told_by_the_sync_that_goes_on(
    clockify: Clockify, connect: Connect
) -> None:
    def without_amounts(request: Any, context: Any) -> Mapping[str, Any]:
        if request.json().get("amountShown") != "HIDE_AMOUNT":
            context.status_code = 403
            found: Mapping[str, Any] = REFUSAL["json"]  # type: ignore[assignment]
            return found
        row = report_row(f"{len(request.path):024x}", "2026-11-20T08:00:00Z")
        return {"timeentries": [row], "totals": [{"entriesCount": 1}]}

    connection = connect(
        "detailed_report", plan="free", num_workers=2, start_date="2026-11-10T00:00:00Z"
    )
    two_workspaces(clockify)
    for of in (WORKSPACE, OTHER_WORKSPACE):
        path = path_of("detailed_report", of)
        clockify.answer(path, {"json": without_amounts}, method="POST", host=clockify.reports)
    states = states_on_the_way(connection.sync(), "detailed_report")
    connection.states = [states[-1]]

    output = connection.sync(hours=1)

    for of in (WORKSPACE, OTHER_WORKSPACE):
        assert any(of in warning and "Amounts" in warning for warning in warnings(output))


def test_a_state_that_does_not_fit_does_not_make_a_sync_look_killed(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("clients", "tags", plan="free", num_workers=2, state_limit_mb=1)
    clockify.serve("clients", [{"id": f"{1:024x}", "name": "old"}])
    chance = random.Random(1)
    rows = [{"id": f"{chance.getrandbits(96):024x}", "name": str(n)} for n in range(70_000)]
    limited = {"status_code": 429, "headers": {"Retry-After": "600"}}
    whole = {"json": rows, "headers": {"Last-Page": "true"}}
    clockify.answer(path_of("tags"), limited, whole)
    failed = connection.sync(fails=True)
    assert any("State Limit" in message for message in error_messages(failed))
    clockify.serve("clients", [{"id": f"{1:024x}", "name": "new"}])

    output = connection.sync(hours=1.5, fails=True)

    assert changes(output, "clients") == [f"+{1:024x}"]
    assert statuses(output, "tags")[-1] == "INCOMPLETE"
