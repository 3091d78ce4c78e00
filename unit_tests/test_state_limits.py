"""Change tracking: a limit of the state loses nothing that later syncs should send."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

from source_clockify import source
from source_clockify.change_tracking.profiles import Granularity
from source_clockify.change_tracking.rows import Row, days_of
from source_clockify.change_tracking.state import Forgetting, PartitionState, decode
from source_clockify.timestamps import DAY, second_of
from unit_tests.clockify import (
    NOW,
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    blob_of,
    changes,
    entry,
    rows,
    statuses,
    warnings,
)
from unit_tests.protocol import error_messages, logs_of, states_of

REFUSED = {"status_code": 400, "json": {"code": 1, "message": "No"}}


def entries_of_days(
    days: int, a_day: int, *, first_id: int = 0, until: str = NOW
) -> list[dict[str, Any]]:
    """Return entries of the days before a moment, the newest first."""
    end = datetime.fromisoformat(until.replace("Z", "+00:00")).astimezone(timezone.utc)
    found = []
    for n, row in enumerate(rows(days * a_day, first_id)):
        start = end - timedelta(days=n // a_day, hours=1, minutes=3 * (n % a_day))
        found.append(entry(row["id"], f"{start:%Y-%m-%dT%H:%M:%SZ}", f"{start:%Y-%m-%dT%H:59:59Z}"))
    return found


def partitions(connection: Connection) -> dict[str, PartitionState]:
    """Return the state of time entries by user."""
    assert connection.states is not None
    (state,) = connection.states
    decoded = decode("time_entries", blob_of(state), dated=False)
    return {ids[1]: known for ids, known in decoded.partitions.items()}


def limited(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, size: int, **more: Any
) -> Connection:
    """Return a connection whose states take no more than a number of bytes."""
    monkeypatch.setattr(source, "MEGABYTE", size)
    return connect("time_entries", state_limit_mb=1, **{"lookback_days": 100, **more})


def tracked_days(output: EntrypointOutput) -> list[str]:
    return [each for each in warnings(output) if "State Limit" in each]


def test_an_entry_of_a_user_who_failed_is_sent_once_the_user_can_be_read(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit forgets what other users have, but nothing that this one never showed."""
    connection = limited(connect, monkeypatch, 3000, resend_changes=0)
    clockify.users("u1", "u2")
    old = entries_of_days(180, 1)
    theirs = entry("e", "2026-11-24T04:00:00Z", "2026-11-24T05:00:00Z")
    clockify.user_entries("u1", old)
    clockify.user_entries("u2", [theirs])
    connection.sync()
    clockify.answer(f"/workspaces/{WORKSPACE}/user/u2/time-entries", REFUSED)
    new = entries_of_days(4, 60, first_id=1000, until="2026-11-28T23:00:00Z")
    clockify.user_entries("u1", [*new, *old])
    for _ in range(5):
        connection.sync(fails=True)
    late = entry("late", "2026-11-25T12:00:00Z", "2026-11-25T13:00:00Z")
    clockify.user_entries("u2", [late, theirs])

    output = connection.sync()

    assert changes(output) == ["+late"]


def test_what_an_earlier_start_date_brings_does_not_cost_all_tracked_days(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = limited(connect, monkeypatch, 4300, resend_changes=0, start_date="2026-10-01")
    clockify.serve("time_entries", entries_of_days(100, 10))
    connection.sync()
    (before,) = partitions(connection).values()

    connection.sync(start_date="2026-08-20")

    (after,) = partitions(connection).values()
    assert before.limited_since is not None
    assert after.limited_since is not None
    assert after.limited_since <= before.limited_since + 2 * DAY
    assert len(days_of(after.packed)) > 30


def test_forgotten_entries_of_an_unlisted_user_are_not_resent(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = limited(connect, monkeypatch, 1700)
    clockify.users("u1", "u2")
    theirs = entries_of_days(150, 1)
    clockify.user_entries("u1", [])
    clockify.user_entries("u2", theirs)
    clockify.by_id("time-entries", *theirs)
    assert tracked_days(connection.sync())
    clockify.users("u1")

    for _ in range(3):
        output = connection.sync()
        assert changes(output) == []


def test_a_stream_at_its_limit_goes_on_after_everything_was_edited(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all changes can be resent then, and a warning says so."""
    connection = limited(connect, monkeypatch, 5400, lookback_days=60)
    served = entries_of_days(60, 10)
    clockify.serve("time_entries", served)
    clockify.by_id("time-entries", *served)
    connection.sync()
    tracked = sum(len(known.packed) for known in partitions(connection).values())
    edited = [{**each, "billable": True} for each in served]
    new = entries_of_days(1, 60, first_id=5000, until="2026-11-25T08:00:00Z")
    clockify.serve("time_entries", [*new, *edited])
    clockify.by_id("time-entries", *new, *edited)

    output = connection.sync()

    assert statuses(output, "time_entries")[-1] == "COMPLETE"
    assert len(new) < len(changes(output)) <= tracked + len(new)
    assert [each for each in warnings(output) if "are not resent" in each]
    assert len(changes(connection.sync())) < len(changes(output))
    assert changes(connection.sync()) == []


def test_a_failure_is_said_although_the_state_does_not_fit_either(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = limited(connect, monkeypatch, 300)
    clockify.users("u1")
    clockify.answer(f"/workspaces/{WORKSPACE}/user/u1/time-entries", REFUSED)

    output = connection.sync(fails=True)

    assert statuses(output, "time_entries")[-1] == "INCOMPLETE"
    said = [*error_messages(output), *(log.message for log in logs_of(output))]
    assert [each for each in said if "State Limit" in each]
    assert [each for each in error_messages(output) if "No" in each]
    assert states_of(output) == []


@pytest.mark.parametrize("granularity", [Granularity.DAY, Granularity.WEEK])
def test_rows_of_the_day_or_week_of_the_last_read_are_never_forgotten(
    granularity: Granularity,
) -> None:
    """The next read may find another row of it, which would count as forgotten."""
    # A Tuesday.
    read_at = second_of("2026-11-24T09:00:00Z") or 0
    monday, today = read_at - read_at % DAY - DAY, read_at - read_at % DAY
    found = {f"{n:024x}": Row(1, monday + (n - 5) * DAY) for n in range(7)}
    known = PartitionState(read_at, read_at - 90 * DAY).with_rows(found)

    forgotten = known.forget_before(Forgetting(today + DAY, granularity))

    first = today if granularity is Granularity.DAY else monday
    assert forgotten.limited_since == first
    assert sorted(row.start or 0 for row in forgotten.rows().values()) == [
        start for start in (monday, today) if start >= first
    ]
    assert not forgotten.forgettable_days(granularity, resends=True)
