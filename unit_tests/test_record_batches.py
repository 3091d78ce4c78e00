"""Records in batches: the same lines as one by one, in pieces that are bounded in bytes."""

import json
import logging
import random
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import orjson
import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessage
from airbyte_cdk.sources.types import StreamSlice
from freezegun.api import FrozenDateTimeFactory

from source_clockify import SourceClockify, message_size
from source_clockify.batched_read import read_in_batches
from source_clockify.change_tracking import fingerprint
from source_clockify.progress import EVERY
from source_clockify.record_batches import BATCH_BYTES, Packing, RecordBatch, Room
from source_clockify.streams import logger
from unit_tests.clockify import (
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    catalog,
    config,
    entry,
    path_of,
    rows,
    state_of,
)
from unit_tests.test_moments import STARTS

# What the clock of the machine and the path itself say.
VARYING = re.compile(rb', ?"(?:emitted_at": ?[0-9.e+]+|stack_trace": ?"(?:[^"\\]|\\.)*")')
SLICE = StreamSlice(partition={"workspace_id": WORKSPACE}, cursor_slice={})


class Lines:
    """What both paths print for the same streams."""

    def __init__(self, *streams: str, state: Sequence[AirbyteStateMessage] = (), **settings: Any):
        self._selected = catalog(*streams, incremental=settings.pop("incremental", False))
        self._settings = config(**settings)
        self._state = [*state]
        self.batches: list[RecordBatch] = []
        self.ordinary = self._printed(self._read_ordinary)
        self.batched = self._printed(self._read_batched)

    def _printed(self, read: Callable[[SourceClockify, Any], Iterator[bytes]]) -> list[bytes]:
        source = SourceClockify(self._selected, self._settings, self._state)
        printed: list[bytes] = []
        try:
            for line in read(source, source.configure(self._settings, "")):
                printed.append(normalized(line))
        except Exception as error:
            printed.append(str(error).encode())
        return printed

    def _read_ordinary(self, source: SourceClockify, settings: Any) -> Iterator[bytes]:
        entrypoint = AirbyteEntrypoint(source)
        specification = source.spec(logger)
        for message in entrypoint.read(specification, settings, self._selected, self._state):
            yield line_of(message)

    def _read_batched(self, source: SourceClockify, settings: Any) -> Iterator[bytes]:
        for message in read_in_batches(source, source.spec(logger), settings, self._selected):
            if isinstance(message, RecordBatch):
                self.batches.append(message)
                yield from message.lines.rstrip(b"\n").split(b"\n")
            else:
                yield line_of(message)

    def kinds(self) -> list[str]:
        """The types of the messages in batches, those of statuses by name."""
        found = []
        for line in self.batched[:-1] if self.batched[-1][:1] != b"{" else self.batched:
            message = json.loads(line)
            status = (message.get("trace") or {}).get("stream_status")
            found.append(status["status"] if status else message["type"])
        return found


def line_of(message: AirbyteMessage) -> bytes:
    return AirbyteEntrypoint.airbyte_message_to_string(message).encode()


def normalized(line: bytes) -> bytes:
    """Return a message without what varies, with the whitespace and escapes of Python's JSON."""
    message = json.loads(VARYING.sub(b"", line), parse_constant=pytest.fail)
    return json.dumps(message).encode()


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"{number}", **fields}


def packed(
    records: Sequence[dict[str, Any]], cursor_field: str | None = None, size: int = 1
) -> list[RecordBatch]:
    """Pack records in chunks of a size."""
    packer = Packing({"tags": ["id"]}, {}).packer_for("tags", lambda data: EVERY, cursor_field)
    chunks = [[*records[first : first + size]] for first in range(0, len(records), size)]
    return [each for each in packer.pack(chunks, SLICE) if isinstance(each, RecordBatch)]


def ids_in(batch: RecordBatch) -> list[str]:
    lines = batch.lines.decode().splitlines()
    return [json.loads(line)["record"]["data"]["id"] for line in lines]


# Lines ------------------------------------------------------------------------------------------

ODD_VALUES: Mapping[str, Any] = {
    "null": None,
    "a null within": {"a": None, "b": [None]},
    "an integer beyond 64 bits": 2**70,
    "the largest integer": 2**64 - 1,
    "a negative integer beyond 64 bits": -(2**63) - 1,
    "a float": 1e23,
    "a small float": 5e-324,
    "minus zero": -0.0,
    "true": True,
    "no text": "",
    "text beyond the plane": "na\u00efve \U0001f680",
    "control characters": 'a\u0000\u001f\u2028"\\',
    "levels": [[[[{"a": [[[]]]}]]]],
    "an empty object": {},
}


@pytest.mark.parametrize("kind", ODD_VALUES)
@pytest.mark.parametrize("stream", ["tags", "time_entries", "detailed_report"])
def test_odd_values_are_printed_as_one_by_one(clockify: Clockify, stream: str, kind: str) -> None:
    value = ODD_VALUES[kind]
    served = [entry(f"{number}", "2026-11-20T08:00:00Z", odd=value) for number in range(3)]
    clockify.workspaces()
    clockify.serve_parents(stream)
    clockify.serve(stream, [{**row, "_id": row["id"]} for row in served])

    lines = Lines(stream)

    assert lines.batched == lines.ordinary
    assert lines.batches


@pytest.mark.parametrize(
    "body",
    [
        '[{"id": "1", "odd": "\\ud800"}]',
        '[{"id": "1", "odd": 1e400}]',
        '[{"id": "1", "odd": 1e400}, {"id": "2", "big": 1180591620717411303424}]',
        '[{"id": "1", "odd": 1e400, "big": 1180591620717411303424}]',
        '[{"id": "1", "odd": "\\ud800"}, {"id": "2", "big": -9223372036854775809}]',
        '\ufeff[{"id": "1"}]',
        ' [{"id": "1"}, {"id": "2"}] ',
        '[{"id": "1", "id": "2"}]',
        "[]",
    ],
)
def test_odd_bodies_are_printed_as_one_by_one(clockify: Clockify, body: str) -> None:
    clockify.workspaces()
    clockify.answer(path_of("tags"), {"content": body.encode("utf-8", "surrogatepass")})

    lines = Lines("tags")

    assert lines.batched == lines.ordinary
    assert "COMPLETE" in lines.kinds()


def test_what_came_before_a_failure_is_printed_before_it(clockify: Clockify) -> None:
    clockify.workspaces()

    def answer(request: Any, context: Any) -> Any:
        context.headers["Last-Page"] = "false"
        if "page=1&" in request.url:
            return rows(5000)
        context.status_code = 400
        return {"message": "no", "code": 1}

    clockify.answer(path_of("tags"), {"json": answer})

    lines = Lines("tags")

    assert lines.batched == lines.ordinary
    assert lines.kinds().count("RECORD") == 5000
    assert "INCOMPLETE" in lines.kinds()


def test_what_was_compared_before_an_error_is_printed(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = fingerprint.fingerprint

    def fail(row: Mapping[str, Any], left_out: Collection[str] = ()) -> int:
        if row.get("name") == "unusable":
            raise RuntimeError("a bug")
        return compared(row, left_out)

    connection = connect("tags")
    clockify.serve("tags", rows(4))
    connection.sync()
    texts = ["edited", "edited", "unusable", "edited"]
    edited = [{**row, "name": text} for row, text in zip(rows(4), texts, strict=True)]
    clockify.serve("tags", edited)
    monkeypatch.setattr(fingerprint, "fingerprint", fail)

    lines = Lines("tags", incremental=True, state=connection.states or [])

    assert lines.batched == lines.ordinary
    (batch,) = lines.batches
    assert ids_in(batch) == [row["id"] for row in edited[:2]]
    assert "INCOMPLETE" in lines.kinds()


def state_after_failure(
    clockify: Clockify, connection: Connection, edited: list[dict[str, Any]]
) -> AirbyteStateMessage:
    """Return the last state of a sync that fails while it sends edited tags."""
    clockify.serve("tags", edited)
    failed = Lines("tags", incremental=True, state=connection.states or []).batched
    assert b"INCOMPLETE" in b"".join(failed)
    last = json.loads([line for line in failed if b'"STATE"' in line][-1])
    return state_of("tags", last["state"]["stream"]["stream_state"])


def test_what_could_not_be_packed_is_sent_by_the_next_sync(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are compared before they are packed."""
    edited = [{**row, "name": "edited " + "x" * 8000} for row in rows(200)]

    def fail(chunk: Any) -> list[bytes]:
        if any(row["id"] == edited[150]["id"] for row in chunk):
            raise MemoryError
        return [orjson.dumps(row) for row in chunk]

    connection = connect("tags")
    clockify.serve("tags", rows(len(edited)))
    connection.sync()
    with monkeypatch.context() as patch:
        patch.setattr("source_clockify.record_batches._texts_of", fail)
        state = state_after_failure(clockify, connection, edited)

    lines = Lines("tags", incremental=True, state=[state])

    sent = [key for batch in lines.batches for key in ids_in(batch)]
    assert sent == [row["id"] for row in edited]


def test_a_last_batch_that_could_not_be_closed_is_sent_by_the_next_sync(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(packer: Any, batch: Any, stream_slice: Any) -> RecordBatch:
        raise MemoryError

    edited = rows(3, name="edited")

    connection = connect("tags")
    clockify.serve("tags", rows(len(edited)))
    connection.sync()
    with monkeypatch.context() as patch:
        patch.setattr("source_clockify.record_batches.Packer._close", fail)
        state = state_after_failure(clockify, connection, edited)

    lines = Lines("tags", incremental=True, state=[state])

    assert [ids_in(batch) for batch in lines.batches] == [[row["id"] for row in edited]]


def test_a_state_follows_the_records_of_its_partitions(
    clockify: Clockify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_clockify.change_tracking.checkpoint.CHECKPOINT_SECONDS", 0)
    clockify.workspaces()
    users = [f"{number:024x}" for number in range(6)]
    clockify.users(*users)
    for user in users:
        clockify.user_entries(
            user, [entry(f"{user}-{n}", "2026-11-20T08:00:00Z", userId=user) for n in range(9)]
        )

    lines = Lines("time_entries", incremental=True)

    seen = 0
    for line in map(json.loads, lines.batched):
        if line["type"] == "RECORD":
            seen += 1
        elif line["type"] == "STATE":
            state = line["state"]["stream"]["stream_state"]
            assert state["records"] <= seen
    assert seen == 54
    states = [
        [line for line in path if b'"STATE"' in line] for path in (lines.batched, lines.ordinary)
    ]
    last, ordinary = (json.loads(path[-1])["state"]["stream"] for path in states)
    assert last == ordinary


def test_the_records_of_a_stream_are_counted_in_its_log_line(
    clockify: Clockify, caplog: pytest.LogCaptureFixture
) -> None:
    clockify.workspaces()
    clockify.serve("tags", [{**row, "name": "x" * 400} for row in rows(2500)])
    caplog.set_level(logging.DEBUG)

    lines = Lines("tags")

    assert len(lines.batches) > 1
    assert caplog.text.count("Read 2500 records from tags stream") == 2
    (state,) = [json.loads(line) for line in lines.batched if b'"STATE"' in line]
    assert state["state"]["sourceStats"]["recordCount"] == 2500


@pytest.mark.parametrize("streams", [("tags",), ("tags", "sync_log")])
def test_a_record_too_large_for_pubsub_is_warned_of(
    clockify: Clockify, caplog: pytest.LogCaptureFixture, streams: tuple[str, ...]
) -> None:
    message_size.large_body_seen.clear()
    clockify.workspaces()
    clockify.listing("tags", [{"id": "a" * 24, "name": "x" * 9_600_000}, *rows(2)])

    lines = Lines(*streams)

    message_size.large_body_seen.clear()
    assert caplog.text.count(f"tags: the record {'a' * 24} has 9.6 MB") == 2
    if "sync_log" in streams:
        receipts = [line for line in lines.batched if b'"stream": "sync_log"' in line]
        assert any(b'"sent": 3' in line and b'"oversized": 1' in line for line in receipts)


@pytest.mark.parametrize("size", [1, 600, 2000])
@pytest.mark.parametrize("stream", ["time_entries", "clients"])
def test_the_size_of_chunks_changes_neither_records_nor_state(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch, stream: str, size: int
) -> None:
    values: list[Any] = [None, 2**70, {}]
    starts = [*STARTS, "2025-02-30T10:00:00Z", "0000-99-99T00:00:00Z", "2026-11-20T08:00:00Z"]
    served = [
        entry(f"{place:024x}", start, "2026-11-20T08:30:00Z", odd=value)
        for place, (start, value) in enumerate(product(starts, values))
    ]
    connect(stream)
    clockify.serve(stream, [*served, *served[:5]])
    whole = Lines(stream, incremental=True)
    monkeypatch.setattr("source_clockify.bodies._ROWS_BYTES", size)

    lines = Lines(stream, incremental=True)

    assert lines.batched == whole.batched
    assert lines.ordinary == whole.ordinary
    assert "COMPLETE" in lines.kinds()


# Cursors ----------------------------------------------------------------------------------------

CURSORS: Mapping[str, Sequence[str | None]] = {
    "descending": ["2026-11-20T08:00:00Z", "2026-11-19T08:00:00Z", "2026-11-18T08:00:00Z"],
    "ascending": ["2026-11-18T08:00:00Z", "2026-11-19T08:00:00Z", "2026-11-20T08:00:00Z"],
    "fractions": ["2026-11-18T08:00:00.9Z", "2026-11-18T08:00:00Z", "2026-11-18T08:00:00.25Z"],
    "offsets": ["2026-11-18T08:00:00+05:00", "2026-11-18T05:00:00Z", "2026-11-18T03:30:00-01:00"],
    "none": ["2026-11-18T08:00:00Z", None, "2026-11-19T08:00:00Z"],
    "no moment": ["2026-11-18T08:00:00Z", "soon", "9999-99-99T99:99:99Z"],
    "no day": ["2026-02-28T08:00:00Z", "2026-02-30T08:00:00Z", "2026-02-27T08:00:00Z"],
}


@pytest.mark.parametrize("kind", CURSORS)
def test_the_cursor_of_the_manifest_ends_where_it_does_one_by_one(
    clockify: Clockify, kind: str
) -> None:
    clockify.workspaces()
    served = [
        {"approvalRequest": {"id": f"{n}", "status": {"updatedAt": moment}}}
        for n, moment in enumerate(CURSORS[kind])
    ]
    clockify.listing("approval-requests", served)

    lines = Lines("approval_requests", incremental=True, track_changes=False)

    assert lines.batched == lines.ordinary
    assert b"STATE" in b"".join(lines.batched)


def test_a_batch_stands_for_its_newest_record() -> None:
    moments = ["2026-11-18T08:00:00Z", "2026-11-20T08:00:00Z", "2026-11-19T08:00:00Z"]

    for size in (1, 2, 3):
        records = [record(n, at=moment) for n, moment in enumerate(moments)]
        (batch,) = packed(records, "at", size)
        assert (batch.data["id"], batch.associated_slice, batch.count) == ("1", SLICE, 3)


def test_moments_that_do_not_compare_as_text_are_in_batches_of_their_own() -> None:
    moments = ["2026-11-18T08:00:00Z", "2026-11-18", "2026-11-19", "soon", "late", None]

    records = [record(n, at=moment) for n, moment in enumerate(moments)]
    for size in (1, 2, 6):
        found = packed(records, "at", size)
        assert [ids_in(batch) for batch in found] == [["0"], ["1", "2"], ["3"], ["4"], ["5"]]


# Sizes ------------------------------------------------------------------------------------------


def test_a_batch_has_little_more_than_its_size() -> None:
    found = packed([record(number, name="x" * 1000) for number in range(1000)])

    assert [each for batch in found for each in ids_in(batch)] == [f"{n}" for n in range(1000)]
    assert all(BATCH_BYTES <= len(batch.lines) < BATCH_BYTES + 2000 for batch in found[:-1])


def test_a_batch_leaves_with_the_first_record_after_a_second(
    clock: FrozenDateTimeFactory,
) -> None:
    def slow() -> Iterator[list[dict[str, Any]]]:
        for number in range(6):
            yield [record(number)]
            clock.tick(0.6)

    packer = Packing({"tags": ["id"]}, {}).packer_for("tags", lambda data: EVERY)
    found = [each for each in packer.pack(slow(), SLICE) if isinstance(each, RecordBatch)]

    assert [ids_in(batch) for batch in found] == [["0", "1", "2"], ["3", "4", "5"]]


def test_the_bytes_that_wait_are_bounded_for_all_threads_together() -> None:
    room, lock = Room(100), threading.Lock()
    held, most = 0, 0

    def work(seed: int) -> None:
        nonlocal held, most
        sizes = random.Random(seed)
        for _ in range(300):
            size = sizes.randrange(1, 60)
            room.take(size)
            with lock:
                held += size
                most = max(most, held)
            with lock:
                held -= size
            room.give_back(size)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most <= 100


def test_a_batch_above_the_limit_leaves_alone() -> None:
    room = Room(10)
    room.take(50)
    waiting = threading.Thread(target=room.take, args=(50,), daemon=True)
    waiting.start()

    room.give_back(50)

    waiting.join(60)
    assert not waiting.is_alive()


def test_every_batch_that_was_printed_gives_its_room_back(
    clockify: Clockify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_clockify.record_batches._ROOM_BYTES", 200_000)
    monkeypatch.setattr(Room.__init__, "__defaults__", (200_000,))
    clockify.workspaces()
    clockify.users(USER)
    clockify.user_entries(
        USER, [entry(f"{n}", "2026-11-20T08:00:00Z", text="x" * 1500) for n in range(4000)]
    )

    lines = Lines("time_entries")

    assert sum(batch.count for batch in lines.batches) == 4000
    assert len(lines.batches) > 10


def test_no_record_waits_in_a_batch_for_the_requests_of_the_free_plan(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("tags", rows(3))

    lines = Lines("tags", plan="free")

    assert lines.batches == []
    assert lines.kinds().count("RECORD") == 3


def test_a_library_gets_ordinary_messages(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("tags", rows(3))
    source = SourceClockify(catalog("tags"), config())

    found = [*source.read(logging.getLogger("airbyte"), config(), catalog("tags"))]

    assert all(isinstance(message, AirbyteMessage) for message in found)
    assert sum(message.record is not None for message in found) == 3
