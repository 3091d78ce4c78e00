"""The fast path of records: serialised by the thread that reads them, many in one queue item.

The CDK hands on every record by itself, as objects, from the thread that reads it through a queue
to the thread that prints it. That takes longer than reading a time entry and comparing it.

The command reads so (`SourceClockify.read_selected`); `SourceClockify.read` yields ordinary
messages. The other messages are the same, in the same order. Event logs with change tracking stay
on the ordinary path: their states are not safe with an event in the batch of another partition. So
does the free plan, on which a batch might wait for an hour. Limits:

- A batch holds records of one slice. It leaves before the state of the slice can: whoever keeps
  that state MUST let `pack` end first.
- The cursor of a stream observes the newest record of a batch. A record whose cursor value is no
  plain moment ends the batch, so that it is observed by itself.
- What is counted of a record (progress, receipts, sizes) is counted when it is packed.
- `Room` bounds the bytes that wait for the printing thread.
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

# A batch leaves with the record that makes it so large, or finds it so old.
BATCH_BYTES = 128 * 1024
_BATCH_MILLISECONDS = 1_000

_TAIL = b',"emitted_at":%d}}\n'

# Bytes of batches that may wait for the printing thread.
_ROOM_BYTES = 4 * 1024 * 1024

# Moments that compare as text, if they have the same length.
_PLAIN_MOMENT = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8]|(?P<late>29|3[01]))"
    r"(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z)?"
)

Data = Mapping[str, Any]
# Makes records of the data of those of one slice.
Pack = Callable[[Iterable[Data], StreamSlice | None], Iterable[Record]]
KindOf = Callable[[Data], str]
KeyOf = Callable[[Data], Hashable | None]


class Room:
    """Bounds the bytes of all batches between the threads that read and the one that prints."""

    def __init__(self, limit: int = _ROOM_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until there is room. A batch above the limit waits until nothing else is held."""
        with self._changed:
            while self._held and self._held + size > self._limit:
                self._changed.wait()
            self._held += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify_all()


class RecordBatch(Record):
    """Records of one slice as lines of Airbyte's protocol. For the CDK it is its newest record.

    Attributes:
        lines: one RECORD message each, with its line end.
        count: their number.
        kinds: how many there are of each kind, see progress.py.
        counted_keys: those of new and changed ones, where receipts count them.
        oversized: how many are too large for Pub/Sub.
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
        """Give back its room, once its lines have left."""
        self._room.give_back(len(self.lines))


Message = AirbyteMessage | RecordBatch


@dataclass(frozen=True)
class Packing:
    """Makes the packers of one read.

    Attributes:
        primary_keys: the columns of each stream's key.
        counted_keys: what receipts count of a record of a stream; None for a record that has none.
        room: what all batches share.
    """

    primary_keys: Mapping[str, Sequence[str]]
    counted_keys: Mapping[str, KeyOf]
    room: Room = field(default_factory=Room)

    def packer_for(self, stream: str, kind_of: KindOf, cursor_field: str | None = None) -> "Packer":
        """Return the packer of a stream.

        Args:
            kind_of: returns the kind of a record, see progress.py.
            cursor_field: what the cursor of the stream observes; None: nothing.
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
        """Yield the records of one slice as batches; before an exception those that came.

        It MUST end before a state that knows the records is sent.

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
            # As the CDK's serialiser, which leaves out nulls at the top.
            text = batch.head + orjson.dumps({k: v for k, v in data.items() if v is not None})
        except TypeError:
            # It knows no integers beyond 64 bits; the CDK has a second way.
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
        """Return what the cursor observes if that compares as text, None if it does not."""
        value = data.get(self.cursor_field or "")
        found = _PLAIN_MOMENT.fullmatch(value) if type(value) is str else None
        # There is no 30 February.
        if found is None or (found["late"] and second_of(value) is None):
            return None
        return str(value)

    def _close(self, batch: "_OpenBatch", stream_slice: StreamSlice | None) -> RecordBatch:
        """Return an open batch as one that may leave, once there is room for it."""
        found = RecordBatch(self.stream, batch, stream_slice, self.room)
        self.room.take(len(found.lines))
        return found


class _OpenBatch:
    """A batch that takes further records; `size` is in bytes, `began` in milliseconds.

    Its texts are messages, those whose place is not in `whole` without their end.
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
        """Return whether the moment of a record compares as text with that of the batch."""
        return self._is_plain and moment is not None and len(moment) == len(self.moment)

    def lines(self) -> bytes:
        """Return its records as messages that are emitted now."""
        tail = _TAIL % (time.time_ns() // 1_000_000)
        if not self.whole:
            return tail.join((*self.texts, b""))
        return b"".join(
            text + (b"\n" if place in self.whole else tail) for place, text in enumerate(self.texts)
        )
