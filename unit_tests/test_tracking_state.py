"""Change tracking: the state between two syncs."""

import json
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from freezegun.api import FrozenDateTimeFactory

from source_clockify.change_tracking import checkpoint
from source_clockify.change_tracking import state as tracking_state
from source_clockify.change_tracking.rows import Pending, Row
from source_clockify.change_tracking.state import PartitionState, StreamState, decode, encode
from unit_tests.clockify import (
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    blob_of,
    changes,
    entry,
    hours_ago,
    rows,
    state_of,
    statuses,
    warnings,
)


def content(connection: Connection) -> dict[str, Any]:
    assert connection.states is not None
    (state,) = connection.states
    return blob_of(state)


EXAMPLE = StreamState(
    updated_at=1795510800001,
    baseline_at=1795510800000,
    fields=("workspace_id", "user_id"),
    partitions={
        ("w", "u"): PartitionState(1795510800, 1792918800, None, "1234abcd", "abcd1234").with_rows(
            {
                f"{1:024x}": Row(2**64 - 3, 7, Pending(3, 1, 2)),
                "odd": Row(2**64 - 5, None, missing=True),
            }
        ),
        ("w", "v"): PartitionState(1795510800, 1792918800, 0),
    },
)


def test_a_state_comes_back_as_it_was() -> None:
    assert decode("tags", encode(EXAMPLE), dated=False) == EXAMPLE


def test_a_state_survives_a_reader_whose_numbers_are_doubles() -> None:
    """As jq and a browser have them; a state that is edited by hand passes through both."""
    text = json.dumps(encode(EXAMPLE))

    blob = json.loads(text, parse_int=lambda digits: int(float(digits)))

    assert decode("tags", blob, dated=False) == EXAMPLE


@pytest.mark.parametrize(
    "change",
    [
        {"checksum": "00000000"},
        {"updated_at": 1},
        {"baseline_at": 1},
        {"partitions": []},
        {"fields": ["workspace_id"]},
        {"more": 1},
    ],
    ids=str,
)
def test_a_state_that_was_changed_is_damaged(change: dict[str, Any]) -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        decode("tags", {**encode(EXAMPLE), **change}, dated=False)

    assert caught.value.failure_type is FailureType.config_error
    assert "damaged" in str(caught.value.message)
    assert "Refresh" in str(caught.value.message)


@pytest.mark.parametrize(
    "partitions",
    [
        "text",
        [{}],
        [{"of": ["w"]}],
    ],
    ids=str,
)
def test_a_state_that_makes_no_sense_is_damaged_whatever_its_checksum(partitions: Any) -> None:
    blob = {name: value for name, value in encode(EXAMPLE).items() if name != "checksum"}
    blob["partitions"] = partitions
    blob["checksum"] = tracking_state._checksum(blob)

    with pytest.raises(AirbyteTracedException):
        decode("tags", blob, dated=False)


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_a_state_of_another_version_asks_for_a_refresh(
    clockify: Clockify, connect: Connect, version: Any
) -> None:
    connection = connect("tags")
    clockify.serve("tags", rows(1))
    connection.sync()
    connection.states = [state_of("tags", {**content(connection), "clockify": version})]

    with pytest.raises(AirbyteTracedException) as caught:
        connection.sync()

    assert caught.value.failure_type is FailureType.config_error
    assert "tags" in str(caught.value.message)
    assert "Refresh" in str(caught.value.message)


def test_a_stream_that_is_not_read_may_have_any_state(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    connection.states = [state_of("clients", {"clockify": 99})]
    clockify.serve("tags", rows(1))

    assert len(changes(connection.sync())) == 1


def test_the_final_state_comes_always_and_last(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    clockify.serve("tags", [])

    for _ in range(2):
        output = connection.sync()
        assert len(output.state_messages) == 1
        assert statuses(output, "tags")[-1] == "COMPLETE"


def test_the_state_comes_also_when_a_partition_fails(clockify: Clockify, connect: Connect) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [entry("e", hours_ago(5), hours_ago(4))])
    clockify.answer(
        f"/workspaces/{WORKSPACE}/user/u2/time-entries",
        {"status_code": 400, "json": {"code": 1, "message": "No"}},
    )

    connection.sync(fails=True)

    assert [each["of"][1] for each in content(connection)["partitions"]] == ["u1"]


def test_at_most_one_checkpoint_a_minute_and_stream(
    clockify: Clockify, connect: Connect, clock: FrozenDateTimeFactory
) -> None:
    """Each of the 30 users takes 10 seconds: five minutes in all."""
    users = [f"u{n:02}" for n in range(30)]
    connection = connect("time_entries", num_workers=2)
    clockify.users(*users)

    def entries() -> list[dict[str, Any]]:
        clock.tick(10)
        return [entry("e", hours_ago(5), hours_ago(4))]

    for user in users:
        clockify.user_entries(user, entries)

    output = connection.sync()

    assert 4 <= len(output.state_messages) <= 6


def test_a_state_holds_what_the_window_holds_and_not_the_history(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    entries = [
        entry(row["id"], hours_ago(24 * n + 1), hours_ago(24 * n))
        for n, row in enumerate(rows(400))
    ]
    clockify.serve("time_entries", entries)
    assert len(changes(connection.sync())) == 400

    (partition,) = content(connection)["partitions"]
    assert len(partition["rows"]) <= 31 * 40


def test_a_large_state_is_warned_of(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_LARGE_STATE", 1000)
    connection = connect("tags")
    clockify.serve("tags", rows(100))

    (warning,) = warnings(connection.sync())

    assert "lookback_days" in warning
