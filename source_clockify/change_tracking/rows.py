"""The records of one partition in the packed form of the state.

A packed row has 12 bytes for each id of its key, 4 for the start (seconds since 1970), 6 for the
fingerprint, and 2 for five flags and the number of its resends. Rows that do not fit (an id that is
not 24 hexadecimal digits, a start outside of 1970 to 2106) are kept unpacked.
"""

import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from struct import error as StructError

from source_clockify.timestamps import DAY, format_second

_SEPARATOR = "\x1f"
ID_BYTES = 12
# Start, fingerprint (16 and 32 bits), flags.
_TAIL = Struct(">IHIH")
TAIL_BYTES = _TAIL.size
_ID_DIGITS = 2 * ID_BYTES
_LATEST_START = 0xFFFFFFFF
FINGERPRINT_BITS = 48

MISSING, RUNNING, DELETED, HIDDEN, NO_START = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800
# The highest number of a pending message; further rows with resends are kept as odd ones.
MOST_PENDING = 0x07FF


@dataclass(frozen=True)
class Pending:
    """The resends of one change or tombstone.

    Attributes:
        updated_at: the version, in milliseconds since 1970.
        times: the number of remaining syncs that resend it.
        sent_at: when the last sync that sent it began, in seconds since 1970.
    """

    updated_at: int
    times: int
    sent_at: int


# A sync that begins sooner after the last one counts as its retry.
RETRY_SECONDS = 60 * 60


def is_due(pending: Pending | None, now: int) -> bool:
    """Return whether a sync that begins now must resend it."""
    return pending is not None and now - pending.sent_at >= RETRY_SECONDS


def resent(pending: Pending, now: int) -> Pending | None:
    """Return the remaining resends after a sync that began now."""
    if pending.times <= 1:
        return None
    return Pending(pending.updated_at, pending.times - 1, now)


@dataclass(slots=True)
class Row:
    """The saved state of one record.

    Attributes:
        fingerprint: of its content, 48 bits; 0 if unknown, so that the record counts as changed.
        start: the value that the window compares, in seconds since 1970; None if it has none.
        pending: its resends.
        missing: a complete read did not return it, and it is not proven deleted.
        running: its timer runs. In a listing: it exists although it is not listed.
        deleted: it is deleted, and its tombstone is pending.
        hidden: last seen with other permissions, so it is not treated as deleted.
    """

    fingerprint: int
    start: int | None = None
    pending: Pending | None = None
    missing: bool = False
    running: bool = False
    deleted: bool = False
    hidden: bool = False


Rows = dict[str, Row]


def key_of(parts: Sequence[str]) -> str:
    """Return the key of a record in the state: its ids, and its day if that is part of the key."""
    return _SEPARATOR.join(parts)


def hashed_key(parts: Sequence[str]) -> str:
    """Return a key that cannot be split; for events, which are never deleted."""
    return blake2b(key_of(parts).encode(), digest_size=12).hexdigest()


def parts_of(key: str) -> list[str]:
    """Split a key into the parts that `key_of` joined."""
    return key.split(_SEPARATOR) if key else []


def day_of(start: int) -> str:
    """Return the UTC day of a moment, such as `2026-11-24`."""
    return _day(start // DAY)


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    return format_second(days * DAY).split("T")[0]


# Key, fingerprint, start, flags and resend number of a row that does not fit.
OddRow = tuple[str, int, int | None, int, int]


@dataclass(frozen=True, slots=True)
class PackedRows:
    """The rows of a partition. Equal rows have equal packed forms, regardless of their order.

    Attributes:
        id_count: the number of ids in each packed key.
        content: the packed rows, by key.
        odd: the rows that do not fit, by key.
        pending: the resends; a row refers to them by number, counted from 1.
    """

    id_count: int = 0
    content: bytes = b""
    odd: tuple[OddRow, ...] = ()
    pending: tuple[Pending, ...] = ()

    @property
    def row_bytes(self) -> int:
        return ID_BYTES * self.id_count + TAIL_BYTES

    @property
    def packed_count(self) -> int:
        return len(self.content) // self.row_bytes

    def __len__(self) -> int:
        return self.packed_count + len(self.odd)


# A key in bytes, or as text if it does not fit.
PackedKey = bytes | str


def pack_key(key: str) -> PackedKey:
    """Return a key in 12 bytes for each of its ids, or unchanged if one of them does not fit."""
    if len(key) != _ID_DIGITS:
        packed = id_bytes(parts_of(key))
        return key if packed is None else packed
    # The path of nearly all records.
    try:
        packed = bytes.fromhex(key)
    except ValueError:
        return key
    return packed if packed.hex() == key else key


def unpack_key(key: PackedKey) -> str:
    """Return the text of a key that `pack_key` packed."""
    if not isinstance(key, bytes):
        return key
    text = key.hex()
    if len(text) <= _ID_DIGITS:
        return text
    return _SEPARATOR.join(
        [text[place : place + _ID_DIGITS] for place in range(0, len(text), _ID_DIGITS)]
    )


def pack_tail(key: bytes, fingerprint: int, start: int | None, flags: int) -> bytes:
    """Return the part of a packed row after its key.

    Args:
        flags: including the number of the resends, without `NO_START`.

    Raises:
        struct.error: if the row does not fit.
    """
    if start is None:
        # It takes the time of its id, so that the difference is zero.
        start = int.from_bytes(key[:4], "big")
        flags |= NO_START
    return _TAIL.pack(start, fingerprint >> 32, fingerprint & 0xFFFFFFFF, flags)


def unpack_tail(tail: bytes, pending: Sequence[Pending | None]) -> Row:
    """Return the row of a tail; `pending` holds the resends by number."""
    start, high, low, flags = _TAIL.unpack(tail)
    return _row(high << 32 | low, start, flags, pending[flags & MOST_PENDING])


def flags_of(row: Row) -> int:
    """Return the flags of a row, without `NO_START`."""
    return (
        (MISSING if row.missing else 0)
        | (RUNNING if row.running else 0)
        | (DELETED if row.deleted else 0)
        | (HIDDEN if row.hidden else 0)
    )


def pack(rows: Rows, *, dated: bool = False) -> PackedRows:
    """Return rows packed.

    With `dated`, the last part of each key is the day of the row's start, which is omitted.
    """
    numbers: dict[Pending, int] = {}
    packed: list[bytes] = []
    odd: list[OddRow] = []
    width = -1
    for key in sorted(rows):
        row = rows[key]
        number = 0
        if row.pending is not None:
            number = numbers.setdefault(row.pending, len(numbers) + 1)
        flags = flags_of(row)
        ids = _dated_key(key, row.start) if dated else pack_key(key)
        if type(ids) is bytes and width < 0:
            width = len(ids)
        if type(ids) is bytes and len(ids) == width and number <= MOST_PENDING:
            try:
                packed.append(ids + pack_tail(ids, row.fingerprint, row.start, flags | number))
                continue
            except StructError:
                pass
        odd.append(_odd_row(key, row, number))
    return PackedRows(
        width // ID_BYTES if packed else 0, b"".join(packed), tuple(odd), tuple(numbers)
    )


def _odd_row(key: str, row: Row, number: int) -> OddRow:
    flags = flags_of(row) | (NO_START if row.start is None else 0)
    return key, row.fingerprint, row.start, flags, number


def _dated_key(key: str, start: int | None) -> PackedKey:
    """Return a key without its day; unchanged if that is not the day of the start."""
    ids, separator, day = key.rpartition(_SEPARATOR)
    if start is None or day != day_of(start) or (separator and not ids):
        return key
    packed = pack_key(ids)
    return packed if type(packed) is bytes else key


def id_bytes(ids: Sequence[str]) -> bytes | None:
    """Return ids of 24 lower-case hexadecimal digits in 12 bytes each; None if one is not."""
    if any(len(identifier) != _ID_DIGITS for identifier in ids):
        return None
    text = "".join(ids)
    try:
        packed = bytes.fromhex(text)
    except ValueError:
        return None
    # Upper case and blanks would not survive unpacking.
    return packed if packed.hex() == text else None


def pack_chunks(chunks: list[bytes], pending: Sequence[Pending], odd: Rows) -> PackedRows:
    """Return what `pack` returns for rows that are packed already; sorts `chunks`.

    Args:
        chunks: the rows, all of the same size; their resend numbers refer to `pending`, counted
            from 1.
        odd: the rows that do not fit; none of them has resends.
    """
    chunks.sort()
    content = b"".join(chunks)
    size = len(chunks[0]) if chunks else TAIL_BYTES
    used: tuple[Pending, ...] = ()
    if pending:
        content, used = _renumbered(content, size, pending)
    return PackedRows(
        (size - TAIL_BYTES) // ID_BYTES,
        content,
        tuple(_odd_row(key, odd[key], 0) for key in sorted(odd)),
        used,
    )


def _renumbered(
    content: bytes, size: int, pending: Sequence[Pending]
) -> tuple[bytes, tuple[Pending, ...]]:
    """Return rows and their resends, renumbered in the order of the rows."""
    flags = column(content, size, size - 2, 2)
    numbers: dict[int, int] = {0: 0}
    for flag in flags:
        numbers.setdefault(flag & MOST_PENDING, len(numbers))
    used = tuple(pending[number - 1] for number in numbers if number)
    if any(number != new for number, new in numbers.items()):
        renumbered = array(
            "H", [flag & ~MOST_PENDING | numbers[flag & MOST_PENDING] for flag in flags]
        )
        if sys.byteorder == "little":
            renumbered.byteswap()
        changed = bytearray(content)
        both = renumbered.tobytes()
        changed[size - 2 :: size], changed[size - 1 :: size] = both[::2], both[1::2]
        content = bytes(changed)
    return content, used


def unpack(packed: PackedRows, *, dated: bool = False) -> Rows:
    """Return packed rows by key."""
    pending = (None, *packed.pending)
    width = ID_BYTES * packed.id_count
    rows: Rows = {}
    for ids, start, high, low, flags in Struct(f">{width}sIHIH").iter_unpack(packed.content):
        key = ids.hex() if width == ID_BYTES else unpack_key(ids)
        if dated:
            key = f"{key}{_SEPARATOR}{day_of(start)}" if key else day_of(start)
        rows[key] = (
            _row(high << 32 | low, start, flags, pending[flags & MOST_PENDING])
            if flags
            else Row(high << 32 | low, start)
        )
    return rows | unpack_odd(packed)


def unpack_odd(packed: PackedRows) -> Rows:
    """Return the rows that do not fit."""
    pending = (None, *packed.pending)
    return {
        key: _row(fingerprint, start, flags, pending[number])
        for key, fingerprint, start, flags, number in packed.odd
    }


def _row(fingerprint: int, start: int | None, flags: int, pending: Pending | None) -> Row:
    return Row(
        fingerprint,
        None if flags & NO_START else start,
        pending,
        missing=bool(flags & MISSING),
        running=bool(flags & RUNNING),
        deleted=bool(flags & DELETED),
        hidden=bool(flags & HIDDEN),
    )


def is_retained(row: Row, retained_since: int) -> bool:
    """Return whether a record is retained in the state after it was read."""
    return (
        row.start is None or row.start >= retained_since or row.running or row.pending is not None
    )


def find_keys(packed: PackedRows, keys: Collection[str]) -> Iterator[tuple[str, int]]:
    """Yield those of the keys, of one id each, that have a row, with its flags.

    It unpacks no rows.
    """
    wanted = {ids: key for key in keys if (ids := id_bytes((key,))) is not None}
    size, content = packed.row_bytes, packed.content
    for place in range(0, len(content) if packed.id_count == 1 else 0, size):
        key = wanted.get(content[place : place + ID_BYTES])
        if key is not None:
            yield key, int.from_bytes(content[place + size - 2 : place + size], "big")
    for odd_key, _, _, flags, _ in packed.odd:
        if odd_key in keys:
            yield odd_key, flags


# Forgetting ---------------------------------------------------------------------------------------


def forget_before(packed: PackedRows, moment: int, *, resends: bool = False) -> PackedRows:
    """Return the rows without those that start before a moment.

    Rows without a start and running, missing and deleted ones are retained; so are rows with
    pending resends, unless `resends` is set.
    """
    size = packed.row_bytes
    content = packed.content
    forgotten = [place for place, start in _forgettable(packed, resends) if start < moment]
    if forgotten:
        lacking = set(forgotten)
        content = b"".join(
            content[place * size : place * size + size]
            for place in range(len(content) // size)
            if place not in lacking
        )
    odd = tuple(
        row
        for row in packed.odd
        if row[2] is None or row[2] >= moment or row[3] & ~HIDDEN or (row[4] and not resends)
    )
    if not forgotten and len(odd) == len(packed.odd):
        return packed
    return replace(packed, content=content, odd=odd)


def days_of(packed: PackedRows, *, resends: bool = False) -> Counter[int]:
    """Return the number of rows that `forget_before` can drop, by day since 1970."""
    return Counter(start // DAY for _, start in _forgettable(packed, resends))


def _forgettable(packed: PackedRows, resends: bool) -> Iterator[tuple[int, int]]:
    """Yield index and start of the packed rows that may be forgotten."""
    ignored = HIDDEN | MOST_PENDING if resends else HIDDEN
    size = packed.row_bytes
    starts = column(packed.content, size, ID_BYTES * packed.id_count, 4)
    flags = column(packed.content, size, size - 2, 2)
    for place, (start, flag) in enumerate(zip(starts, flags, strict=True)):
        if not flag & ~ignored:
            yield place, start


def column(content: bytes, size: int, offset: int, width: int) -> "array[int]":
    """Return a big-endian number of up to 8 bytes from each row of `size` bytes."""
    item = 4 if width <= 4 else 8
    numbers = array("I" if item == 4 else "Q")
    little = bytearray(len(content) // size * item)
    for place in range(width):
        little[width - 1 - place :: item] = content[offset + place :: size]
    numbers.frombytes(little)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
