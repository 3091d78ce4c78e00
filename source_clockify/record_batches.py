"""The fast path for records: serialised by the reading thread, many in one queue item.

The CDK passes every record separately, as objects, from the reading thread to the printing thread.
That takes longer than reading and comparing a time entry. So would generators that pass records one
by one: the reading thread processes some rows of a page at a time, a chunk.

The command uses it (`SourceClockify.read_selected`); `SourceClockify.read` yields ordinary
messages. Other messages are the same, in the same order. Event logs with change tracking use the
ordinary path, because their states are not safe while another partition's batch holds an event, and
so does the free plan, on which a batch might wait for an hour. Limits:

- A batch holds records of one slice. It is sent before the state of the slice can be: the owner of
  that state MUST let `pack` end first.
- The cursor of a stream observes the newest record of a batch. A record whose cursor value is not a
  plain moment ends the batch, so that it is observed by itself.
- A chunk MUST be small: it is packed as a whole, and its records are counted.
- `Room` limits the bytes that wait for the printing thread.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.types import Record, StreamSlice

from source_clockify.message_size import ENVELOPE_BYTES, LARGEST_MESSAGE_BYTES, is_oversized
from source_clockify.output import encode
from source_clockify.progress import EVERY, SENT
from source_clockify.timestamps import compare_as_text

# A batch is sent with the chunk that makes it this large, or finds it this old.
BATCH_BYTES = 512 * 1024
_BATCH_MILLISECONDS = 1_000
_TAIL = b',"emitted_at":%d}}\n'

# The bytes of batches that may wait for the printing thread.
_ROOM_BYTES = 4 * 1024 * 1024

Data = Mapping[str, Any]
# The data of some records of a slice.
Chunk = list[dict[str, Any]]
# Turns the data of records of one slice into records.
Pack = Callable[[Iterable[Chunk], StreamSlice | None], Iterable[Record]]
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
        self.count = len(batch.texts)
        self.lines = batch.lines()
        self.kinds: Mapping[str, int] = batch.kinds
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

    def pack(self, chunks: Iterable[Chunk], stream_slice: StreamSlice | None) -> Iterator[Record]:
        """Yield the records of one slice as batches, including the chunks before an exception.

        It MUST end before a state that includes the records is sent. Their data loses its nulls.
        """
        batch: _OpenBatch | None = None
        try:
            parts = map(self._parts_of, filter(None, chunks))
            for rows, newest, moment in chain.from_iterable(parts):
                if batch is not None and not batch.is_comparable(moment):
                    yield self._close(batch, stream_slice)
                    batch = None
                if batch is None:
                    batch = _OpenBatch(self.stream, newest, moment)
                elif moment and moment > batch.moment:
                    batch.newest, batch.moment = newest, moment
                self._add(batch, rows)
                if batch.size >= BATCH_BYTES or _now() - batch.began >= _BATCH_MILLISECONDS:
                    yield self._close(batch, stream_slice)
                    batch = None
        except Exception:
            if batch is not None and batch.texts:
                yield self._close(batch, stream_slice)
            raise
        if batch is not None:
            yield self._close(batch, stream_slice)

    def _parts_of(self, rows: Chunk) -> Iterator[tuple[Chunk, Data, str | None]]:
        """Yield the parts of a chunk that may share a batch, their newest record and its moment.

        The moment is "" if none is observed, and None if it does not compare as text.
        """
        name = self.cursor_field
        if name is None:
            yield rows, rows[-1], ""
            return
        all_compare = compare_as_text([row.get(name) for row in rows])
        for part in [rows] if all_compare else [[row] for row in rows]:
            compares = all_compare or compare_as_text([part[0].get(name)])
            newest = max(part, key=itemgetter(name)) if compares else part[0]
            yield part, newest, newest[name] if compares else None

    def _add(self, batch: "_OpenBatch", rows: Chunk) -> None:
        texts = _texts_of(rows)
        batch.texts += texts
        batch.size += sum(map(len, texts)) + len(texts) * batch.frame_size
        for text, data in zip(texts, rows, strict=True):
            if len(text) > LARGEST_MESSAGE_BYTES - ENVELOPE_BYTES:
                batch.oversized += is_oversized(self.stream, data, self.primary_key)
        kinds = [*map(self.kind_of, rows)]
        batch.kinds.update(kinds)
        if self.key_of is not None:
            counted = [row for kind, row in zip(kinds, rows, strict=True) if kind in (SENT, EVERY)]
            batch.counted_keys += [key for key in map(self.key_of, counted) if key is not None]

    def _close(self, batch: "_OpenBatch", stream_slice: StreamSlice | None) -> RecordBatch:
        """Return an open batch in its final form, once there is room for it."""
        found = RecordBatch(self.stream, batch, stream_slice, self.room)
        self.room.take(len(found.lines))
        return found


def _texts_of(rows: Chunk) -> list[bytes]:
    """Serialise data after removing nulls at the top level, as the CDK's serialiser does."""
    for row in rows:
        for name in [name for name, value in row.items() if value is None]:
            del row[name]
    try:
        return [*map(orjson.dumps, rows)]
    except TypeError:
        # orjson does not support integers beyond 64 bits.
        return [encode(json.dumps(row, allow_nan=False)) for row in rows]


class _OpenBatch:
    """A batch that accepts further records.

    Its `texts` are their data, its `size` is in bytes, and it `began` at this millisecond.
    """

    def __init__(self, stream: str, newest: Data, moment: str | None) -> None:
        self._head = b'{"type":"RECORD","record":{"stream":%b,"data":' % orjson.dumps(stream)
        self.began = _now()
        self.frame_size = len(self._head) + len(_TAIL % self.began)
        self.newest = newest
        self.moment = moment or ""
        self.size = 0
        self.texts: list[bytes] = []
        self.kinds: Counter[str] = Counter()
        self.counted_keys: list[Hashable] = []
        self.oversized = 0
        self._is_plain = moment is not None

    def is_comparable(self, moment: str | None) -> bool:
        """Return whether the moment of a record compares as text with those of the batch."""
        return self._is_plain and moment is not None and len(moment) == len(self.moment)

    def lines(self) -> bytes:
        """Return its records as messages emitted now."""
        tail = _TAIL % _now()
        texts = [self._head + self.texts[0], *self.texts[1:]]
        texts[-1] += tail
        return (tail + self._head).join(texts)


def _now() -> int:
    return time.time_ns() // 1_000_000
