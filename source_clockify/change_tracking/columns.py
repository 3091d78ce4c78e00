"""The partitions of a stream as one compressed document of columns.

A Clockify id consists of the second of its creation (4 bytes), a machine (5 bytes) and a counter (3
bytes). Each part is a column: times as differences, machines as indexes into a list, starts as
distances from the time of their id. The bytes of a number are columns as well, so that the high
bytes, which hardly vary, compress to almost nothing.
"""

import json
import sys
import zlib
from array import array
from base64 import b85encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, compress
from typing import Any

from source_clockify.change_tracking.rows import (
    ID_BYTES,
    MOST_PENDING,
    TAIL_BYTES,
    PackedRows,
    Pending,
    column,
    id_bytes,
)

# The attributes of a `state.PartitionState` that precede its rows, in order.
Properties = tuple[int, int, int | None, str, str, int | None]
# A partition: its ids, its properties, its rows.
Entry = tuple[tuple[str, ...], Properties, PackedRows]

# Higher levels take twice the time and save 0.2 %.
_COMPRESSION = 4
# No state decompresses to more than this and four times its text.
_DECOMPRESSED_BYTES = 64 * 1024 * 1024

_TIME, _MACHINE, _COUNTER = (0, 4), (4, 5), (9, 3)
_32_BITS = 0xFFFFFFFF
# Numbers outside of 64 bits are not times, versions or counts.
_LARGEST = 2**63
# Base85 encodes this many words at a time, to limit memory.
_AT_ONCE = 1 << 13
_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_INVALID = 255
_DIGITS = bytes(
    _ALPHABET.index(character) if character in _ALPHABET else _INVALID for character in range(256)
)


def write_document(
    partitions: Sequence[tuple[str, ...]],
    properties: Iterable[Properties],
    packed: Sequence[PackedRows],
) -> str:
    """Return partitions as text that JSON does not escape.

    Args:
        partitions: their ids; all have the same number of them.
        properties: of each partition; most are equal.
        packed: the rows of each partition.
    """
    writer = _Writer()
    distinct: dict[Properties, int] = {}
    pending: dict[Pending, int] = {}
    writer.numbers([distinct.setdefault(known, len(distinct)) for known in properties])
    writer.numbers([rows.id_count for rows in packed])
    counts = [rows.packed_count for rows in packed]
    writer.numbers(counts)
    writer.numbers([len(rows.odd) for rows in packed])
    writer.numbers([len(rows.pending) for rows in packed])
    writer.numbers(
        [pending.setdefault(each, len(pending)) for rows in packed for each in rows.pending]
    )
    texts: list[Sequence[str] | None] = []
    bases: Sequence[int] = [0] * len(partitions)
    for names in zip(*partitions, strict=True):
        ids = id_bytes(names)
        texts.append(names if ids is None else None)
        if ids is not None:
            bases = writer.ids(ids)
    for id_count in sorted({rows.id_count for rows in packed}):
        chosen = [rows.id_count == id_count for rows in packed]
        contents = [rows.content for rows in compress(packed, chosen)]
        _write_rows(writer, id_count, contents, list(compress(bases, chosen)))
    header = {
        "partitions": len(partitions),
        "properties": [list(known) for known in distinct],
        "pending": [[each.updated_at, each.times, each.sent_at] for each in pending],
        "texts": texts,
        "odd": [row for rows in packed for row in rows.odd],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    return _compressed([len(text).to_bytes(4, "big"), text], writer.parts)


def _compressed(header: Iterable[bytes], columns: list[bytes]) -> str:
    """Compress a header and columns for `decompressed`; empties `columns`."""
    compressor = zlib.compressobj(_COMPRESSION)
    parts = [compressor.compress(part) for part in header]
    columns.reverse()
    while columns:
        parts.append(compressor.compress(columns.pop()))
    compressed = b"".join([*parts, compressor.flush()])
    parts.clear()
    # A multiple of 4 bytes, so that no word is cut.
    size = 4 * _AT_ONCE
    places = range(0, len(compressed), size)
    return "".join([b85encode(compressed[place : place + size]).decode() for place in places])


def read_document(width: int, text: str, checked: Callable[[Any], Properties]) -> list[Entry]:
    """Return the partitions that `write_document` wrote, with rows that are safe to unpack.

    Args:
        checked: validates the properties of a partition; raises ValueError if they are invalid.

    Raises:
        ValueError and others (see `state.decode`): for an invalid document.
    """
    reader = _Reader(decompressed(text))
    header = json.loads(reader.take(int.from_bytes(reader.take(4), "big")))
    count = _integer(header["partitions"])
    if count > len(text) * 1000:
        raise ValueError("more partitions than the text can hold")
    properties = [checked(known) for known in header["properties"]]
    all_pending = [Pending(*map(_integer, each)) for each in header["pending"]]
    known = [properties[place] for place in reader.numbers(count)]
    id_counts, row_counts, odd_counts, pending_counts = (reader.numbers(count) for _ in range(4))
    numbers = iter(reader.numbers(sum(pending_counts)))
    pending = [
        tuple(all_pending[next(numbers)] for _ in range(each)) if each else ()
        for each in pending_counts
    ]
    ids, bases = _read_partition_ids(reader, header["texts"], width, count)
    contents = [b""] * count
    for id_count in sorted(set(id_counts)):
        group = [place for place in range(count) if id_counts[place] == id_count]
        counts = [row_counts[place] for place in group]
        most = [len(pending[place]) for place in group]
        found = _read_rows(reader, id_count, [bases[place] for place in group], counts, most)
        for place, content in zip(group, found, strict=True):
            contents[place] = content
    reader.end()
    if len(header["odd"]) != sum(odd_counts):
        raise ValueError("another number of odd rows")
    odd = iter(header["odd"])
    return [
        (
            ids[place],
            known[place],
            PackedRows(
                id_counts[place],
                contents[place],
                tuple(_odd_row(next(odd), len(pending[place])) for _ in range(odd_counts[place]))
                if odd_counts[place]
                else (),
                pending[place],
            ),
        )
        for place in range(count)
    ]


def decompressed(text: str) -> bytes:
    """Decompress base85-encoded zlib data up to a size limit.

    Raises:
        ValueError, zlib.error: for invalid or oversized data.
    """
    decompressor = zlib.decompressobj()
    size = 5 * _AT_ONCE
    compressed = b"".join(
        [_b85decode(text[first : first + size]) for first in range(0, len(text), size)]
    )
    document = decompressor.decompress(compressed, _DECOMPRESSED_BYTES + 4 * len(text))
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("not one whole document")
    return document


def _b85decode(text: str) -> bytes:
    """Decode as `base64.b85decode` does, in a tenth of the time.

    All words are calculated at once, each in 8 bytes of one large number, which it never overflows.
    """
    padding = -len(text) % 5
    digits = text.encode("ascii").translate(_DIGITS) + bytes([84]) * padding
    if _INVALID in digits:
        raise ValueError("not base85")
    count = len(digits) // 5
    words = 0
    for place in range(5):
        lanes = bytearray(8 * count)
        lanes[::8] = digits[place::5]
        words = words * 85 + int.from_bytes(lanes, "little")
    little = words.to_bytes(8 * count, "little")
    if any(little[4::8]):
        raise ValueError("not base85: more than 32 bits")
    found = bytearray(4 * count)
    for place in range(4):
        found[3 - place :: 4] = little[place::8]
    return bytes(found[: len(found) - padding])


def _read_partition_ids(
    reader: "_Reader", texts: Sequence[Sequence[str] | None], width: int, count: int
) -> tuple[list[tuple[str, ...]], Sequence[int]]:
    """Return the ids of each partition, and the times of the last column of ids that has times."""
    if len(texts) != (width if count else 0):
        raise ValueError("partitions of other ids")
    bases: Sequence[int] = [0] * count
    columns: list[Sequence[str]] = []
    for names in texts if count else ():
        if names is None:
            ids, bases = reader.ids(count)
            text = ids.hex()
            columns.append([text[place : place + 24] for place in range(0, len(text), 24)])
        elif len(names) != count or not all(type(name) is str for name in names):
            raise ValueError("another number of ids")
        else:
            columns.append(names)
    return list(zip(*columns, strict=True)) if columns else [()] * count, bases


def _write_rows(
    writer: "_Writer",
    id_count: int,
    contents: Sequence[bytes],
    bases: Sequence[int],
) -> None:
    """Write the packed rows of partitions.

    Args:
        contents: the rows of each partition.
        bases: the times from which the first ids of the partitions differ.
    """
    size = ID_BYTES * id_count + TAIL_BYTES
    counts = [len(content) // size for content in contents]
    times: Sequence[int] = array("I", bytes(4 * sum(counts)))
    for place in range(id_count):
        offset = ID_BYTES * place
        ids = b"".join([_bytes_of(content, size, offset, ID_BYTES) for content in contents])
        if place == 0:
            times = writer.ids(ids, bases, counts)
        else:
            writer.repeated_ids(ids)
        del ids
    tail = ID_BYTES * id_count
    starts = _joined_column(contents, size, tail, 4)
    distances = array("I")
    last_time, last_start = -1, 0
    for time, start in zip(times, starts, strict=True):
        # Rows with the same id have consecutive starts.
        distances.append(((last_start if time == last_time else time) - start) & _32_BITS)
        last_time, last_start = time, start
    writer.numbers(distances)
    del starts, distances
    for place in range(tail + 4, tail + 10):
        writer.parts.append(b"".join([content[place::size] for content in contents]))
    writer.numbers(_joined_column(contents, size, tail + 10, 2))


def _read_rows(
    reader: "_Reader",
    id_count: int,
    bases: Sequence[int],
    counts: Sequence[int],
    most: Sequence[int],
) -> Iterator[bytes]:
    """Yield the content of each partition.

    Args:
        most: the number of pending messages of each partition, the highest that its rows may use.
    """
    count = sum(counts)
    size = ID_BYTES * id_count + TAIL_BYTES
    if count * size > reader.left * 256:
        raise ValueError("more rows than the document holds")
    content = bytearray(count * size)
    times: Sequence[int] = array("I", bytes(4 * count))
    for place in range(id_count):
        if place == 0:
            ids, times = reader.ids(count, bases, counts)
        else:
            ids = reader.repeated_ids(count)
        for byte in range(ID_BYTES):
            content[ID_BYTES * place + byte :: size] = ids[byte::ID_BYTES]
    tail = ID_BYTES * id_count
    starts = array("I")
    last_time, last_start = -1, 0
    for time, distance in zip(times, reader.numbers(count), strict=True):
        last_start = ((last_start if time == last_time else time) - distance) & _32_BITS
        last_time = time
        starts.append(last_start)
    _set_column(content, size, tail, 4, starts)
    for place in range(tail + 4, tail + 10):
        content[place::size] = reader.take(count)
    flags = reader.numbers(count)
    _set_column(content, size, tail + 10, 2, flags)
    numbers = _array("H", (flag & MOST_PENDING for flag in flags))
    has_pending = any(numbers)
    first = 0
    for rows, highest in zip(counts, most, strict=True):
        last = first + rows
        if has_pending and max(numbers[first:last], default=0) > highest:
            raise ValueError("a row of a pending message that is not there")
        yield bytes(content[first * size : last * size])
        first = last


class _Writer:
    """Collects columns in `parts`."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def numbers(self, numbers: Sequence[int]) -> None:
        """Write numbers of up to 32 bits: their width in bytes, then one column per byte."""
        width = (max(numbers, default=0).bit_length() + 7) // 8
        little = _little(array("I", numbers))
        self.parts.append(bytes([width]))
        self.parts.extend(little[place::4] for place in range(width))

    def ids(
        self, ids: bytes, bases: Sequence[int] = (), counts: Sequence[int] = ()
    ) -> Sequence[int]:
        """Write ids of 12 bytes; return their times.

        The ids have one part for each base, the time from which the first id of the part differs.
        """
        times = column(ids, ID_BYTES, *_TIME)
        previous = array("I", [0]) + times[:-1] if times else times
        first = 0
        for base, count in zip(bases, counts, strict=True):
            if count:
                previous[first] = base
            first += count
        pairs = zip(times, previous, strict=True)
        self.numbers(_array("I", ((time - before) & _32_BITS for time, before in pairs)))
        machines = column(ids, ID_BYTES, *_MACHINE)
        places: dict[int, int] = {}
        self.numbers(_array("I", (places.setdefault(each, len(places)) for each in machines)))
        self.parts.append(len(places).to_bytes(4, "big"))
        known = _little(array("Q", places))
        self.parts.extend(known[place::8] for place in range(_MACHINE[1]))
        self._bytes(ids, *_COUNTER)
        return times

    def repeated_ids(self, ids: bytes) -> None:
        """Write ids that may occur many times."""
        places: dict[bytes, int] = {}
        all_ids = (ids[place : place + ID_BYTES] for place in range(0, len(ids), ID_BYTES))
        self.numbers([places.setdefault(each, len(places)) for each in all_ids])
        self.parts.append(len(places).to_bytes(4, "big"))
        self.ids(b"".join(places))

    def _bytes(self, ids: bytes, offset: int, width: int) -> None:
        self.parts.extend(ids[offset + place :: ID_BYTES] for place in range(width))


class _Reader:
    """Reads columns in the order in which they were written.

    All methods raise ValueError if the document is too short.
    """

    def __init__(self, document: bytes) -> None:
        self._document = document
        self._place = 0

    @property
    def left(self) -> int:
        return len(self._document) - self._place

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError("the document is too short")
        self._place += count
        return self._document[self._place - count : self._place]

    def end(self) -> None:
        if self.left:
            raise ValueError("the document is too long")

    def numbers(self, count: int) -> Sequence[int]:
        (width,) = self.take(1)
        if width > 4:
            raise ValueError("numbers of more than 32 bits")
        if count * width > self.left:
            raise ValueError("the document is too short")
        little = bytearray(4 * count)
        for place in range(width):
            little[place::4] = self.take(count)
        return _numbers("I", little)

    def ids(
        self, count: int, bases: Sequence[int] = (0,), counts: Sequence[int] = ()
    ) -> tuple[bytes, Sequence[int]]:
        """Return ids of 12 bytes and their times."""
        differences = self.numbers(count)
        times = array("I")
        first = 0
        for base, length in zip(bases, counts or (count,), strict=True):
            sums = accumulate(differences[first : first + length], initial=base)
            next(sums)
            times.extend([time & _32_BITS for time in sums])
            first += length
        places = self.numbers(count)
        known = int.from_bytes(self.take(4), "big")
        little = bytearray(8 * known) if known <= self.left else bytearray()
        for place in range(_MACHINE[1]):
            little[place::8] = self.take(known)
        machines = _numbers("Q", little)
        ids = bytearray(ID_BYTES * count)
        _set_column(ids, ID_BYTES, *_TIME, times)
        _set_column(ids, ID_BYTES, *_MACHINE, _array("Q", (machines[place] for place in places)))
        for place in range(_COUNTER[1]):
            ids[_COUNTER[0] + place :: ID_BYTES] = self.take(count)
        return bytes(ids), times

    def repeated_ids(self, count: int) -> bytes:
        places = self.numbers(count)
        known = int.from_bytes(self.take(4), "big")
        ids, _ = self.ids(known)
        each = [ids[place : place + ID_BYTES] for place in range(0, len(ids), ID_BYTES)]
        return b"".join([each[place] for place in places])


def _joined_column(contents: Sequence[bytes], size: int, offset: int, width: int) -> "array[int]":
    found = array("I")
    for content in contents:
        found.extend(column(content, size, offset, width))
    return found


def _bytes_of(content: bytes, size: int, offset: int, width: int) -> bytes:
    found = bytearray(len(content) // size * width)
    for place in range(width):
        found[place::width] = content[offset + place :: size]
    return bytes(found)


def _set_column(
    content: bytearray, size: int, offset: int, width: int, numbers: Sequence[int]
) -> None:
    """Set a big-endian number in each row of `size` bytes."""
    little = _little(numbers if isinstance(numbers, array) else array("I", numbers))
    item = len(little) // max(len(numbers), 1)
    for place in range(width):
        content[offset + width - 1 - place :: size] = little[place::item] if numbers else b""


def _array(typecode: str, numbers: Iterable[int]) -> "array[int]":
    found = array(typecode)
    found.extend(numbers)
    return found


def _little(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _numbers(typecode: str, little: bytearray) -> "array[int]":
    numbers = array(typecode, bytes(little))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _integer(value: Any) -> int:
    if type(value) is not int or not -_LARGEST <= value < _LARGEST:
        raise ValueError("no number")
    return value


def _odd_row(row: Any, most: int) -> tuple[str, int, int | None, int, int]:
    key, fingerprint, start, flags, number = row
    if type(key) is not str or not 0 <= _integer(number) <= most:
        raise ValueError("no row")
    if type(fingerprint) is not int or type(flags) is not int:
        raise ValueError("no row")
    return key, fingerprint, None if start is None else _integer(start), flags, number
