"""Waits of more than a few seconds: announced, repeated, and after the states of all streams."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from airbyte_cdk.models import Type
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from freezegun.api import FrozenDateTimeFactory

from source_clockify.change_tracking.interrupted import (
    RESUMED_SECONDS,
    Phase,
    SyncMark,
    open_sync,
    settings_hash,
)
from source_clockify.progress import SyncProgress
from source_clockify.waits import REPEAT_SECONDS, Checkpoints, Waits
from unit_tests.clockify import Clockify, Connect, entry, hours_ago
from unit_tests.protocol import content_of, present, stream_of

USERS = [f"u{n:02}" for n in range(45)]
WAIT = re.compile(r"^(\S+(?:, \S+)*): waiting until (\S+) \((\d+ \w+)\)\. (.*)$")


def account(clockify: Clockify) -> None:
    clockify.users(*USERS)
    for user in USERS:
        clockify.user_entries(user, [entry(f"e of {user}", hours_ago(5), hours_ago(4))])


def waits_in(output: EntrypointOutput) -> list[tuple[Any, ...]]:
    found = [WAIT.match(each.log.message) for each in output.logs if each.log]
    return [match.groups() for match in found if match]


def order_of(output: EntrypointOutput) -> Sequence[str]:
    """Return STATE for each state and WAIT for each announced wait, in their order."""
    found = []
    for message in output.get_message_by_types([Type.STATE, Type.LOG]):
        if message.state is not None:
            found.append("STATE")
        elif message.log is not None and WAIT.match(message.log.message):
            found.append("WAIT")
    return found


def test_an_hours_wait_is_announced_at_once_and_every_five_minutes() -> None:
    lines: list[str] = []
    sent: list[int] = []
    checkpoints = Checkpoints()
    checkpoints.add(lambda patience: sent.append(len(lines)))

    Waits(SyncProgress(), checkpoints, lines.append).wait(3600, "time_entries", "Reason.")

    found = [present(WAIT.match(line)).groups() for line in lines]
    assert [minutes for _, _, minutes, _ in found] == [
        f"{minutes} minutes" for minutes in range(60, 0, -5)
    ]
    assert {until for _, until, _, _ in found} == {"2026-11-24T10:00:00Z"}
    # A state before each line.
    assert sent == [*range(12)]


def test_the_wait_of_the_free_plan_names_stream_reason_and_what_is_left(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)

    output = connect("time_entries", plan="free", num_workers=2).sync()

    lines = waits_in(output)
    assert lines[0][:3] == ("time_entries", "2026-11-24T10:00:00Z", "60 minutes")
    reasons = {reason for *_, reason in lines}
    assert all("Request Budget (plan)" in reason for reason in reasons)
    assert all(re.search(r"Requests left: at least \d+\.$", reason) for reason in reasons)


def test_the_state_of_what_was_read_leaves_before_the_wait_is_announced(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)

    output = connect("time_entries", plan="free", num_workers=2).sync()

    assert order_of(output)[:2] == ["STATE", "WAIT"]
    first = next(each.state for each in output.records_and_state_messages if each.state)
    assert stream_of(first) == "time_entries"
    # Two requests list the users, one of each worker waits.
    assert content_of(first)["partitions"] >= 25
    assert content_of(first)["sync"]["phase"] == "reading"


def test_streams_that_have_not_begun_send_no_state_before_a_wait(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)
    for stream in ("clients", "tags"):
        clockify.serve(stream, [{"id": "1"}])

    output = connect("time_entries", "clients", "tags", plan="free", num_workers=2).sync()

    before = order_of(output).index("WAIT")
    states = [each.state for each in output.records_and_state_messages if each.state][:before]
    assert len({stream_of(each) for each in states}) == len(states)


def test_without_change_tracking_the_states_leave_before_a_wait_too(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)

    output = connect("time_entries", plan="free", track_changes=False, num_workers=2).sync()

    place = order_of(output).index("WAIT")
    states = [each.state for each in output.records_and_state_messages if each.state][:place]
    assert len(content_of(states[-1])["states"]) >= 25


def test_the_wait_that_a_429_asks_for_is_announced_and_repeated(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.users("u1")
    limited = {"status_code": 429, "headers": {"Retry-After": "1200"}}
    clockify.serve_responses("tags", limited, {"json": []})

    output = connect("tags").sync()

    lines = waits_in(output)
    assert [minutes for _, _, minutes, _ in lines] == [
        "20 minutes",
        "15 minutes",
        "10 minutes",
        "5 minutes",
    ]
    assert all("Clockify's request limit is reached" in reason for *_, reason in lines)


def test_a_retry_that_waits_longer_than_a_few_seconds_says_why(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.users("u1")
    clockify.serve_responses("tags", *[{"status_code": 503}] * 5, {"json": []})

    output = connect("tags").sync()

    lines = waits_in(output)
    assert [seconds for _, _, seconds, _ in lines] == ["8 seconds", "16 seconds"]
    assert all("status 503" in reason for *_, reason in lines)
    assert [reason.split("Retry ")[1][0] for *_, reason in lines] == ["4", "5"]
    assert output.is_in_logs("tags: retrying in 4 seconds.")


def test_many_threads_that_wait_for_the_same_reason_say_so_once(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)

    output = connect("time_entries", plan="free", num_workers=8).sync()

    assert len(waits_in(output)) <= 60 * 60 / REPEAT_SECONDS + 1


def test_the_requests_of_the_paid_plan_are_no_wait(clockify: Clockify, connect: Connect) -> None:
    account(clockify)

    assert waits_in(connect("time_entries").sync()) == []


# Which sync goes on ----------------------------------------------------------------------------

NOW = 1_800_000_000
SETTINGS = settings_hash({"lookback_days": 30}, ["tags"])
KILLED = SyncMark(began=NOW - 3600, saved_at=NOW - 1800, settings=SETTINGS)


def ended(mark: SyncMark, phase: Phase = Phase.ENDED) -> SyncMark:
    return SyncMark(mark.began, mark.saved_at, mark.settings, phase)


@pytest.mark.parametrize(
    ("marks", "now", "settings", "goes_on"),
    [
        pytest.param([KILLED], NOW, SETTINGS, True, id="killed"),
        pytest.param([KILLED, ended(KILLED)], NOW, SETTINGS, True, id="another stream had ended"),
        pytest.param([ended(KILLED)], NOW, SETTINGS, False, id="ended"),
        pytest.param([ended(KILLED, Phase.FAILED)], NOW, SETTINGS, False, id="failed"),
        pytest.param([], NOW, SETTINGS, False, id="no state"),
        pytest.param([KILLED], NOW + RESUMED_SECONDS, SETTINGS, False, id="too long ago"),
        pytest.param([KILLED], NOW - 7200, SETTINGS, False, id="a clock that was wrong"),
        pytest.param(
            [KILLED],
            NOW,
            settings_hash({"lookback_days": 31}, ["tags"]),
            False,
            id="another lookback",
        ),
        pytest.param(
            [KILLED],
            NOW,
            settings_hash({"lookback_days": 30}, ["tags", "users"]),
            False,
            id="another stream",
        ),
        pytest.param(
            [KILLED, SyncMark(NOW - 60, NOW - 60, SETTINGS, Phase.ENDED)],
            NOW,
            SETTINGS,
            False,
            id="a later sync ended",
        ),
    ],
)
def test_a_sync_goes_on_only_if_killed_and_nothing_else_has_changed(
    marks: list[SyncMark], now: int, settings: str, goes_on: bool
) -> None:
    assert open_sync(marks, now, settings) == (KILLED.began if goes_on else None)


def test_without_a_tight_budget_everything_is_read_again(
    clockify: Clockify, connect: Connect
) -> None:
    """What was read before the interruption may have changed since."""
    account(clockify)
    connection = connect("time_entries", plan="free", num_workers=2)
    killed = connection.sync()
    state = next(each.state for each in killed.records_and_state_messages if each.state)

    for plan, requests in (("paid", len(USERS)), ("free", len(USERS) - 26)):
        connection.states = [state] if state else None
        before = len(clockify.sent("/time-entries"))
        connection.sync(hours=0.1, plan=plan)
        assert len(clockify.sent("/time-entries")) - before == pytest.approx(requests, abs=2)


def test_a_stream_refreshed_after_a_sync_leaves_the_others_as_they_are(
    clockify: Clockify, connect: Connect, clock: FrozenDateTimeFactory
) -> None:
    clockify.users("u1")
    for stream in ("clients", "tags"):
        clockify.serve(stream, [{"id": "1", "name": "a"}])
    connection = connect("clients", "tags", plan="free")
    connection.sync()
    connection.states = [each for each in connection.states or [] if stream_of(each) == "tags"]
    clockify.serve("tags", [{"id": "1", "name": "b"}])

    output = connection.sync(hours=0.2)

    assert {each.record.stream for each in output.records if each.record} == {"clients", "tags"}
