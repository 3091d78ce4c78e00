"""Change tracking: the state between two syncs."""

import contextlib
import json
import random
import re
import tracemalloc
import zlib
from base64 import b85decode, b85encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from freezegun.api import FrozenDateTimeFactory

from benchmarks.states import STATES
from source_clockify import source
from source_clockify.change_tracking import state as tracking_state
from source_clockify.change_tracking.rows import Pending, Row, day_of, key_of
from source_clockify.change_tracking.state import (
    Emitted,
    Forgetting,
    PartitionState,
    StreamState,
    decode,
    encode,
    is_tracked,
)
from unit_tests.clockify import (
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    blob_of,
    changes,
    entry,
    gone,
    hours_ago,
    rows,
    state_of,
    statuses,
    warnings,
)
from unit_tests.protocol import error_messages
from unit_tests.test_rows import DAY, a_row, an_id


def content(connection: Connection) -> dict[str, Any]:
    assert connection.states is not None
    (state,) = connection.states
    return blob_of(state)


EXAMPLE = StreamState(
    updated_at=1795510800001,
    baseline_at=1795510800000,
    partition_fields=("workspace_id", "user_id"),
    partitions={
        ("w", "u"): PartitionState(1795510800, 1792918800, None, "1234abcd", "abcd1234").with_rows(
            {
                f"{1:024x}": Row(2**48 - 3, 7, Pending(3, 1, 2)),
                f"{2:024x}": Row(2**48 - 4, 8, Pending(4, 1, 2), running=True),
                "odd": Row(2**48 - 5, None, missing=True),
            }
        ),
        ("w", "v"): PartitionState(1795510800, 1792918800, 0, limited_since=1793000000),
    },
    sent=3,
    deleted=1,
)


def a_state(seed: int, *, dated: bool = False) -> StreamState:
    """Return a state of a few partitions with everything that a state may hold."""
    chance = random.Random(seed)
    pendings = [None, *(Pending(chance.getrandbits(41), n + 1, DAY + n) for n in range(3))]
    fields = ("workspace_id", "project_id", "archived")[: chance.randrange(4)]
    partitions = {}
    for _ in range(chance.choice([0, 1, 2, 20]) if fields else chance.randrange(2)):
        ids = tuple(an_id(chance) for _ in fields)
        width = chance.randrange(4)
        rows = {}
        for _ in range(chance.choice([0, 1, 4, 50])):
            row = a_row(chance, pendings)
            own = [an_id(chance) for _ in range(width)]
            rows[key_of([*own, day_of(row.start)] if dated and row.start else own)] = row
        partitions[ids] = PartitionState(
            chance.getrandbits(31),
            chance.getrandbits(31),
            chance.choice([None, 0, -(2**40)]),
            chance.choice(["", "all"]),
            chance.choice(["", "ж\ud800"]),
            chance.choice([None, DAY]),
            dated=dated,
        ).with_rows(rows)
    return StreamState(
        chance.getrandbits(41),
        chance.getrandbits(41),
        chance.random() < 0.5,
        fields,
        partitions,
        chance.choice([None, 0, 10**7]),
        chance.choice([None, 0, 10**7]),
        tuple(Emitted(chance.getrandbits(41), n, 7) for n in range(chance.randrange(3))),
    )


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize("seed", range(150))
def test_a_state_comes_back_as_it_was(seed: int, dated: bool) -> None:
    state = a_state(seed, dated=dated)

    found = decode("tags", json.loads(json.dumps(encode("tags", state))), dated=dated)

    assert found == state
    assert {ids: known.rows() for ids, known in found.partitions.items()} == {
        ids: known.rows() for ids, known in state.partitions.items()
    }


def test_a_state_survives_a_reader_whose_numbers_are_doubles() -> None:
    """As jq and a browser have them; a state that is edited by hand passes through both."""
    text = json.dumps(encode("tags", EXAMPLE))

    blob = json.loads(text, parse_int=lambda digits: int(float(digits)))

    assert decode("tags", blob, dated=False) == EXAMPLE


def test_a_state_tells_a_reader_what_it_is() -> None:
    blob = encode("tags", EXAMPLE)

    assert {name: value for name, value in blob.items() if name not in ("content", "checksum")} == {
        "connector": "source-clockify",
        "state_version": 2,
        "stream": "tags",
        "updated_at": "2026-11-24T09:00:00.001Z",
        "baseline_at": "2026-11-24T09:00:00.000Z",
        "snapshot_is_complete": True,
        "sent": 3,
        "deleted": 1,
        "partition_fields": ["workspace_id", "user_id"],
        "partitions": 2,
        "records": 3,
    }


@pytest.mark.parametrize("name", STATES)
def test_a_record_takes_at_most_18_bytes(name: str) -> None:
    build, _ = STATES[name]
    state = build(100_000)

    text = json.dumps(encode(name, state), separators=(",", ":"))

    assert state.record_count == 100_000
    assert len(text) <= 18 * 100_000
    assert "\\" not in text


def refusal(blob: Any, stream: str = "tags", *, dated: bool = False) -> str:
    """Return with which words a state is refused."""
    with pytest.raises(AirbyteTracedException) as caught:
        decode(stream, blob, dated=dated)
    assert caught.value.failure_type is FailureType.config_error
    message = str(caught.value.message)
    assert message.startswith(f"The state of {stream} ")
    assert "Refresh" in message
    return message


def decoded_or_refused(blob: Mapping[str, Any], *, dated: bool = False) -> StreamState | None:
    """Return the state of a forged blob; None if it is refused in words. All else is an error."""
    found: list[StreamState] = []
    with contextlib.suppress(AirbyteTracedException):
        found.append(decode("tags", blob, dated=dated))
    if not found:
        refusal(blob, dated=dated)
    return found[0] if found else None


def signed(blob: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in blob.items() if name != "checksum"}
    return {**content, "checksum": tracking_state.checksum(content)}


ODD_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "ж",
    [],
    [[]],
    ["a", 1],
    {},
    {"a": 1},
]


@pytest.mark.parametrize("name", encode("tags", EXAMPLE))
@pytest.mark.parametrize("value", [*ODD_VALUES, 10**400, "\ud800"], ids=repr)
def test_a_state_with_a_wrong_value_is_refused_whatever_its_checksum(name: str, value: Any) -> None:
    blob = {**encode("tags", EXAMPLE), name: value}
    if blob == encode("tags", EXAMPLE):
        return

    refusal(blob)
    is_count = name in ("sent", "deleted") and value in (None, 0) and value is not False
    if name != "checksum" and not is_count:
        refusal(signed(blob))


@pytest.mark.parametrize("name", encode("tags", EXAMPLE))
def test_a_state_that_lacks_a_value_is_refused(name: str) -> None:
    blob = encode("tags", EXAMPLE)
    del blob[name]

    assert is_tracked(blob)
    refusal(blob)
    if name not in ("checksum", "connector", "sent", "deleted"):
        refusal(signed(blob))


@pytest.mark.parametrize(
    "value",
    [*ODD_VALUES, [[1, 2]], [[1, 2, "x"]], [[1, 2, 3, 4]], [[1, -1, 1]]],
    ids=repr,
)
def test_a_state_with_wrong_numbers_of_killed_syncs_is_refused(value: Any) -> None:
    if value in ([], {}, ""):
        return

    refusal(signed({**encode("tags", EXAMPLE), "unreported": value}))


def test_a_state_that_does_not_tell_how_much_was_sent_is_read() -> None:
    blob = encode("tags", EXAMPLE)
    del blob["sent"], blob["deleted"]

    assert decode("tags", signed(blob), dated=False) == replace(EXAMPLE, sent=None, deleted=None)


def test_a_state_with_something_more_is_damaged() -> None:
    assert "damaged" in refusal({**encode("tags", EXAMPLE), "more": 1})


def test_a_state_with_other_counts_is_damaged() -> None:
    for name in ("partitions", "records"):
        blob = encode("tags", EXAMPLE)
        assert "damaged" in refusal(signed({**blob, name: blob[name] + 1}))


def test_the_state_of_another_stream_is_refused() -> None:
    blob = encode("clients", EXAMPLE)

    assert "another stream (clients)" in refusal(blob)
    assert "damaged" in refusal({**blob, "stream": "tags"})


def test_the_state_of_another_connector_is_refused() -> None:
    assert "another connector" in refusal(
        signed({**encode("tags", EXAMPLE), "connector": "source-toggl"})
    )


def test_a_deeply_nested_state_is_refused() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]

    for name in ("content", "partition_fields", "updated_at", "more"):
        refusal({**encode("tags", EXAMPLE), name: nested})


def content_of(document: bytes) -> str:
    return b85encode(zlib.compress(document)).decode()


def document_of(blob: Mapping[str, Any]) -> bytes:
    return zlib.decompress(b85decode(blob["content"]))


def test_a_decompression_bomb_is_refused_without_being_decompressed() -> None:
    bomb = zlib.compressobj()
    text = b"".join([*(bomb.compress(bytes(2**20)) for _ in range(300)), bomb.flush()])
    blob = signed({**encode("tags", EXAMPLE), "content": b85encode(text).decode()})

    tracemalloc.start()
    refusal(blob)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 200 * 2**20


def test_a_header_that_is_nested_deeply_or_is_no_header_is_refused() -> None:
    blob = encode("tags", EXAMPLE)
    for header in (b"[" * 200_000, b"[]", b"{}", b"", b"1", b"\xff", b"1" * 10_000):
        document = len(header).to_bytes(4, "big") + header
        refusal(signed({**blob, "content": content_of(document)}))


@pytest.mark.parametrize("seed", range(400))
def test_a_forged_state_is_refused_in_words_or_can_be_used(seed: int) -> None:
    """Random changes to the content of real states, signed anew."""
    chance = random.Random(seed)
    dated = chance.random() < 0.3
    blob = encode("tags", a_state(chance.randrange(150), dated=dated))
    document = bytearray(document_of(blob))
    for _ in range(chance.choice([1, 1, 2, 10])):
        place = chance.randrange(len(document))
        length = chance.choice([1, 1, 4, 30])
        replacement = chance.choice([b"", b"\xff", b"\x00", b"9", b"null", chance.randbytes(3)])
        document[place : place + length] = replacement * chance.choice([1, 1, 2])
    forged = signed({**blob, "content": content_of(bytes(document))})

    state = decoded_or_refused(forged, dated=dated)
    if state is None:
        return
    for known in state.partitions.values():
        known.with_rows(known.rows())
        known.forget_before(Forgetting(DAY))
    assert decode("tags", encode("tags", state), dated=dated) == state


@pytest.mark.parametrize("seed", range(150))
def test_a_forged_header_is_refused_in_words_or_can_be_used(seed: int) -> None:
    """A value anywhere in the header is replaced by one of another type."""
    chance = random.Random(seed)
    blob = encode("tags", a_state(chance.randrange(150)))
    document = document_of(blob)
    length = int.from_bytes(document[:4], "big")
    header = json.loads(document[4 : 4 + length])
    at: Any = header
    for _ in range(chance.randrange(1, 4)):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = chance.choice(keys)
        if not isinstance(at[key], (dict, list)) or not at[key]:
            break
        parent, at = at, at[key]
    else:
        at = parent
    at[key] = chance.choice([*ODD_VALUES, 2**40])
    text = json.dumps(header).encode()
    forged = len(text).to_bytes(4, "big") + text + document[4 + length :]

    state = decoded_or_refused(signed({**blob, "content": content_of(forged)}))
    if state is not None:
        for known in state.partitions.values():
            known.with_rows(known.rows())
        assert decode("tags", encode("tags", state), dated=False) == state


@pytest.mark.parametrize("seed", range(40))
def test_a_state_that_was_cut_off_or_changed_is_damaged(seed: int) -> None:
    chance = random.Random(seed)
    blob = encode("tags", EXAMPLE)
    content = blob["content"]
    place = chance.randrange(len(content))
    changed = content[:place] + chance.choice(["", "~", '"', "é", "00000"]) + content[place + 1 :]

    for text in (content[:place], changed):
        if text != content:
            assert "damaged" in refusal({**blob, "content": text})
            assert "damaged" in refusal(signed({**blob, "content": text}))


@pytest.mark.parametrize(
    "blob",
    [
        {"clockify": 1, "updated_at": 1, "partitions": []},
        {"clockify": 99},
        {"state_version": 3},
        {"state_version": "2"},
        {"state_version": None},
        {"connector": "source-clockify"},
    ],
    ids=str,
)
def test_a_state_of_another_version_asks_for_a_refresh(blob: dict[str, Any]) -> None:
    assert is_tracked(blob)
    assert "another version" in refusal(blob)


def test_a_state_of_another_version_fails_the_sync(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    clockify.serve("tags", rows(1))
    connection.sync()
    connection.states = [state_of("tags", {**content(connection), "state_version": 3})]

    with pytest.raises(AirbyteTracedException) as caught:
        connection.sync()

    assert caught.value.failure_type is FailureType.config_error
    assert "tags" in str(caught.value.message)


def test_a_state_whose_partitions_have_other_ids_is_not_made() -> None:
    state = replace(EXAMPLE, partition_fields=("workspace_id",))

    with pytest.raises(ValueError, match="tags"):
        encode("tags", state)


def test_a_partition_forgets_whole_days() -> None:
    day = 1795478400
    rows_of_days = {f"{n:024x}": Row(1, day + n * 3600) for n in range(-30, 30)}
    known = PartitionState(day + 86400, day - 30 * 86400).with_rows(rows_of_days)

    limited = known.forget_before(Forgetting(day + 3599))

    assert limited.limited_since == day
    assert {row.start for row in limited.rows().values()} == {
        row.start for row in rows_of_days.values() if row.start and row.start >= day
    }
    # Once forgotten is forgotten, and what the lookback lacks anyway needs no limit.
    assert limited.forget_before(Forgetting(day - 86400)) is limited
    assert known.forget_before(Forgetting(known.retained_since)) is known


def test_a_stream_that_is_not_read_may_have_any_state(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    connection.states = [state_of("clients", {"state_version": 99})]
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

    state = decode("time_entries", content(connection), dated=False)
    assert [user for _, user in state.partitions] == ["u1"]


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

    assert content(connection)["records"] == 30


def test_a_listing_whose_state_does_not_fit_fails_alone(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MEGABYTE", 5000)
    connection = connect("tags", "clients", state_limit_mb=1)
    clockify.serve("tags", rows(1000))
    clockify.serve("clients", rows(3))

    output = connection.sync(fails=True)

    assert statuses(output, "tags")[-1] == "INCOMPLETE"
    assert statuses(output, "clients")[-1] == "COMPLETE"
    sent = [message.state.stream for message in output.state_messages if message.state]
    assert [each.stream_descriptor.name for each in sent if each] == ["clients"]
    error, *_ = error_messages(output)
    assert "state_limit_mb" in error
    assert len(changes(output, "tags")) == 1000


def test_days_forgotten_for_the_limit_count_as_before_the_lookback(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither sent again nor taken for deleted; what remains is still compared."""
    monkeypatch.setattr(source, "MEGABYTE", 2200)
    connection = connect("time_entries", state_limit_mb=1, lookback_days=200, resend_changes=0)
    entries = [
        entry(row["id"], hours_ago(24 * n + 1), hours_ago(24 * n))
        for n, row in enumerate(rows(180))
    ]
    clockify.serve("time_entries", entries)
    first = connection.sync()
    assert len(changes(first)) == 180
    (warning,) = warnings(first)
    days = int(re.findall(r"Only (\d+) of the 200 Lookback Days", warning)[0])
    assert 60 < days < 180
    assert len(json.dumps(content(connection))) < 2200

    edited = [{**each, "description": "edited"} for each in entries]
    late = entry(rows(1, 999)[0]["id"], hours_ago(24 * 190), hours_ago(24 * 190 - 1))
    clockify.serve("time_entries", [*edited[1:-1], late])
    clockify.answer(f"/workspaces/{WORKSPACE}/time-entries/{entries[0]['id']}", gone())
    second = connection.sync()

    tracked = {f"+{each['id']}" for each in edited[1 : days - 1]}
    assert {f"-{entries[0]['id']}"} | tracked <= {*changes(second)}
    assert len(changes(second)) <= days + 1
    assert f"-{entries[-1]['id']}" not in changes(second)
    assert len(warnings(second)) == 1
