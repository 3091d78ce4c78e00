"""The fast path for records: serialised by the reading thread, many in one queue item.

The CDK passes every record separately, as objects, through a queue from the reading thread to the
printing thread. That takes longer than reading and comparing a time entry.

The command uses it (`SourceClockify.read_selected`); `SourceClockify.read` yields ordinary
messages. Other messages are the same, in the same order. Event logs with change tracking use the
ordinary path, because their states are not safe while another partition's batch holds an event, and
so does the free plan, on which a batch might wait for an hour. Limits:

- A batch holds records of one slice. It is sent before the state of the slice can be: the owner of
  that state MUST let `pack` end first.
- The cursor of a stream observes the newest record of a batch. A record whose cursor value is not a
  plain moment ends the batch, so that it is observed by itself.
- Records are counted (progress, receipts, sizes) when they are packed.
- `Room` limits the bytes that wait for the printing thread.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message

from source_clockify.message_size import ENVELOPE_BYTES, LARGEST_MESSAGE_BYTES, is_oversized
from source_clockify.output import encode
from source_clockify.progress import EVERY, SENT
from source_clockify.timestamps import second_of

# A batch is sent with the record that makes it this large, or finds it this old.
BATCH_BYTES = 128 * 1024
_BATCH_MILLISECONDS = 1_000

_TAIL = b',"emitted_at":%d}}\n'

# The bytes of batches that may wait for the printing thread.
_ROOM_BYTES = 4 * 1024 * 1024

# Moments that compare as text if they have the same length.
_PLAIN_MOMENT = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8]|(?P<late>29|3[01]))"
    r"(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z)?"
)

Data = Mapping[str, Any]
# Turns the data of records of one slice into records.
Pack = Callable[[Iterable[Data], StreamSlice | None], Iterable[Record]]
KindOf = Callable[[Data], str]
KeyOf = Callable[[Data], Hashable | None]


class Room:
    """Limits the bytes of all batches between the reading threads and the printing thread."""

    def __init__(self, limit: int = _ROOM_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until there is room. A batch above the limit waits until no other is held."""
        with self._changed:
            while self._held and self._held + size > self._limit:
                self._changed.wait()
            self._held += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify_all()


class RecordBatch(Record):
    """Records of one slice as lines of Airbyte's protocol. The CDK sees its newest record.

    Attributes:
        lines: RECORD messages, each with its line terminator.
        count: the number of records.
        kinds: the number of each kind, see progress.py.
        counted_keys: of new and changed records, if receipts count them.
        oversized: the number of records too large for Pub/Sub.
    """

    def __init__(
        self, stream: str, batch: "_OpenBatch", stream_slice: StreamSlice | None, room: Room
    ) -> None:
        super().__init__(batch.newest, stream, stream_slice)
        self.lines = batch.lines()
        self.count = len(batch.texts)
        self.kinds: Mapping[str, int] = Counter(batch.kinds)
        self.counted_keys: Sequence[Hashable] = batch.counted_keys
        self.oversized = batch.oversized
        self._room = room

    def release(self) -> None:
        """Release its room, once its lines have been written."""
        self._room.give_back(len(self.lines))


Message = AirbyteMessage | RecordBatch


@dataclass(frozen=True)
class Packing:
    """Creates the packers of one read.

    Attributes:
        primary_keys: the columns of each stream's key.
        counted_keys: return the key by which receipts count a stream's record; None if it has none.
        room: shared by all batches.
    """

    primary_keys: Mapping[str, Sequence[str]]
    counted_keys: Mapping[str, KeyOf]
    room: Room = field(default_factory=Room)

    def packer_for(self, stream: str, kind_of: KindOf, cursor_field: str | None = None) -> "Packer":
        """Return the packer of a stream.

        Args:
            kind_of: returns the kind of a record, see progress.py.
            cursor_field: the column that the stream's cursor observes; None if it observes none.
        """
        key_of = self.counted_keys.get(stream)
        return Packer(stream, self.primary_keys[stream], kind_of, key_of, cursor_field, self.room)


@dataclass(frozen=True)
class Packer:
    """Packs the records of one stream; threads share it."""

    stream: str
    primary_key: Sequence[str]
    kind_of: KindOf
    key_of: KeyOf | None
    cursor_field: str | None
    room: Room

    def pack(self, records: Iterable[Data], stream_slice: StreamSlice | None) -> Iterator[Record]:
        """Yield the records of one slice as batches, including those before an exception.

        It MUST end before a state that includes the records is sent.

        Args:
            records: their data.
        """
        batch: _OpenBatch | None = None
        moment: str | None = ""
        try:
            for data in records:
                now = time.time_ns() // 1_000_000
                if self.cursor_field is not None:
                    moment = self._moment_of(data)
                    if batch is not None and not batch.is_comparable(moment):
                        yield self._close(batch, stream_slice)
                        batch = None
                if batch is None:
                    batch = _OpenBatch(self.stream, data, moment, now)
                elif moment and moment > batch.moment:
                    batch.newest, batch.moment = data, moment
                self._add(batch, data)
                if batch.size >= BATCH_BYTES or now - batch.began >= _BATCH_MILLISECONDS:
                    yield self._close(batch, stream_slice)
                    batch = None
        except Exception:
            if batch is not None:
                yield self._close(batch, stream_slice)
            raise
        if batch is not None:
            yield self._close(batch, stream_slice)

    def _add(self, batch: "_OpenBatch", data: Data) -> None:
        try:
            # Like the CDK's serialiser, it omits nulls at the top level.
            text = batch.head + orjson.dumps({k: v for k, v in data.items() if v is not None})
        except TypeError:
            # orjson does not support integers beyond 64 bits; the CDK has a fallback.
            message = stream_data_to_airbyte_message(self.stream, data)
            text = encode(AirbyteEntrypoint.airbyte_message_to_string(message))
            batch.whole.add(len(batch.texts))
        batch.texts.append(text)
        batch.size += len(text) + batch.end_size
        if len(text) > LARGEST_MESSAGE_BYTES - ENVELOPE_BYTES:
            batch.oversized += is_oversized(self.stream, data, self.primary_key)
        kind = self.kind_of(data)
        batch.kinds.append(kind)
        if self.key_of is not None and kind in (SENT, EVERY):
            key = self.key_of(data)
            if key is not None:
                batch.counted_keys.append(key)

    def _moment_of(self, data: Data) -> str | None:
        """Return the observed cursor value if it compares as text; None otherwise."""
        value = data.get(self.cursor_field or "")
        found = _PLAIN_MOMENT.fullmatch(value) if type(value) is str else None
        # Rejects dates such as 30 February.
        if found is None or (found["late"] and second_of(value) is None):
            return None
        return str(value)

    def _close(self, batch: "_OpenBatch", stream_slice: StreamSlice | None) -> RecordBatch:
        """Return an open batch in its final form, once there is room for it."""
        found = RecordBatch(self.stream, batch, stream_slice, self.room)
        self.room.take(len(found.lines))
        return found


class _OpenBatch:
    """A batch that accepts further records; `size` is in bytes, `began` in milliseconds.

    Its texts are messages; those whose index is not in `whole` lack their end.
    """

    def __init__(self, stream: str, first: Data, moment: str | None, now: int) -> None:
        self.head = b'{"type":"RECORD","record":{"stream":%b,"data":' % orjson.dumps(stream)
        self.end_size = len(_TAIL % now)
        self.whole: set[int] = set()
        self.began = now
        self.newest = first
        self.moment = moment or ""
        self.size = 0
        self.texts: list[bytes] = []
        self.kinds: list[str] = []
        self.counted_keys: list[Hashable] = []
        self.oversized = 0
        self._is_plain = moment is not None

    def is_comparable(self, moment: str | None) -> bool:
        """Return whether the moment of a record compares as text with those of the batch."""
        return self._is_plain and moment is not None and len(moment) == len(self.moment)

    def lines(self) -> bytes:
        """Return its records as messages emitted now."""
        tail = _TAIL % (time.time_ns() // 1_000_000)
        if not self.whole:
            return tail.join((*self.texts, b""))
        return b"".join(
            text + (b"\n" if place in self.whole else tail) for place, text in enumerate(self.texts)
        )
