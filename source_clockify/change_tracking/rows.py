"""The records of one partition as the state holds them, packed.

A packed row has 12 bytes for each id of its key, 4 for the start (seconds since 1970), 6 for the
fingerprint, and 2 for five flags and the number of its resends. Rows that do not fit
(an id that is not 24 hexadecimal digits, a start outside of 1970 to 2106) are kept as they are.
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
# The highest number of a pending message; a partition with more of them keeps their rows as odd.
MOST_PENDING = 0x07FF


@dataclass(frozen=True)
class Pending:
    """The resends of one change or tombstone.

    Attributes:
        updated_at: the version, in milliseconds since 1970.
        times: the number of further syncs that resend it.
        sent_at: when the sync began that sent it last, in seconds since 1970.
    """

    updated_at: int
    times: int
    sent_at: int


# A sync that begins sooner after the last one is its retry.
RETRY_SECONDS = 60 * 60


def is_due(pending: Pending | None, now: int) -> bool:
    """Return whether a sync that begins now resends it."""
    return pending is not None and now - pending.sent_at >= RETRY_SECONDS


def resent(pending: Pending, now: int) -> Pending | None:
    """Return the resends that are left after a sync that began now resent it."""
    if pending.times <= 1:
        return None
    return Pending(pending.updated_at, pending.times - 1, now)


@dataclass(slots=True)
class Row:
    """The saved state of one record.

    Attributes:
        fingerprint: of its content, 48 bits; 0 if unknown, so that the record counts as changed.
        start: what the window compares, in seconds since 1970; None if it has none.
        pending: its resends.
        missing: a complete read did not bring it, and it is not proven deleted.
        running: its timer runs. In a list: it exists although the list lacks it.
        deleted: it is deleted, and its tombstone is pending.
        hidden: it was last seen with other permissions, so it is not treated as deleted.
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
    """Return the key under which a record is kept: its ids, and its day if that belongs to it."""
    return _SEPARATOR.join(parts)


def hashed_key(parts: Sequence[str]) -> str:
    """Return a key that cannot be taken apart: that of an event, which is never deleted."""
    return blake2b(key_of(parts).encode(), digest_size=12).hexdigest()


def parts_of(key: str) -> list[str]:
    """Return what `key_of` joined."""
    return key.split(_SEPARATOR) if key else []


def day_of(start: int) -> str:
    """Return the UTC day of a moment: `2026-11-24`."""
    return _day(start // DAY)


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    return format_second(days * DAY).split("T")[0]


# Key, fingerprint, start, flags and number of a row that does not fit.
OddRow = tuple[str, int, int | None, int, int]


@dataclass(frozen=True, slots=True)
class PackedRows:
    """The rows of a partition. Equal rows are packed equally, whatever their order was.

    Attributes:
        id_count: the number of ids in each packed key.
        content: the packed rows, by key.
        odd: the rows that do not fit, by key.
        pending: the resends; a row's number counts from 1.
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


def pack(rows: Rows, *, dated: bool = False) -> PackedRows:
    """Return rows packed.

    With `dated` the last part of each key is the day of the row's start, which is left out.
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
        flags = (
            (MISSING if row.missing else 0)
            | (RUNNING if row.running else 0)
            | (DELETED if row.deleted else 0)
            | (HIDDEN if row.hidden else 0)
            | (NO_START if row.start is None else 0)
        )
        ids = _packed_ids(key, row.start, dated)
        if ids is not None and width < 0:
            width = len(ids)
        if ids is None or len(ids) != width or number > MOST_PENDING:
            odd.append((key, row.fingerprint, row.start, flags, number))
            continue
        # A row without a start takes the time of its id, from which it does not differ then.
        start = int.from_bytes(ids[:4], "big") if row.start is None else row.start
        fingerprint = row.fingerprint
        try:
            tail = _TAIL.pack(start, fingerprint >> 32, fingerprint & 0xFFFFFFFF, flags | number)
        except StructError:
            odd.append((key, fingerprint, row.start, flags, number))
        else:
            packed.append(ids + tail)
    return PackedRows(
        width // ID_BYTES if packed else 0, b"".join(packed), tuple(odd), tuple(numbers)
    )


def _packed_ids(key: str, start: int | None, dated: bool) -> bytes | None:
    """Return the ids of a key in bytes, None if they do not fit."""
    if dated:
        rest, separator, day = key.rpartition(_SEPARATOR)
        if start is None or day != day_of(start) or (separator and not rest):
            return None
        key = rest
    return id_bytes((key,) if len(key) == _ID_DIGITS else parts_of(key))


def id_bytes(ids: Sequence[str]) -> bytes | None:
    """Return ids of 24 lower case hexadecimal digits in 12 bytes each, None if one is not."""
    if any(len(identifier) != _ID_DIGITS for identifier in ids):
        return None
    text = "".join(ids)
    try:
        packed = bytes.fromhex(text)
    except ValueError:
        return None
    # Upper case and blanks would come back as something else.
    return packed if packed.hex() == text else None


def unpack(packed: PackedRows, *, dated: bool = False) -> Rows:
    """Return packed rows by key."""
    pending = (None, *packed.pending)
    width = ID_BYTES * packed.id_count
    rows: Rows = {}
    for ids, start, high, low, flags in Struct(f">{width}sIHIH").iter_unpack(packed.content):
        key = ids.hex()
        if width > ID_BYTES:
            key = _SEPARATOR.join(
                key[place : place + _ID_DIGITS] for place in range(0, len(key), _ID_DIGITS)
            )
        if dated:
            key = f"{key}{_SEPARATOR}{day_of(start)}" if key else day_of(start)
        rows[key] = (
            _row(high << 32 | low, start, flags, pending[flags & MOST_PENDING])
            if flags
            else Row(high << 32 | low, start)
        )
    for key, fingerprint, odd_start, flags, number in packed.odd:
        rows[key] = _row(fingerprint, odd_start, flags, pending[number])
    return rows


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


def find_keys(packed: PackedRows, keys: Collection[str]) -> Iterator[tuple[str, int]]:
    """Yield those of some keys, of one id each, that have a row, and its flags.

    It unpacks no row.
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


# What forgets ------------------------------------------------------------------------------------


def forget_before(packed: PackedRows, moment: int, *, resends: bool = False) -> PackedRows:
    """Return the rows without those that start before a moment.

    Rows without a start, running, missing and deleted ones are retained. So are those that are
    still to be resent, unless `resends` says otherwise.
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
    """Yield place and start of the packed rows that may be forgotten."""
    ignored = HIDDEN | MOST_PENDING if resends else HIDDEN
    size = packed.row_bytes
    starts = column(packed.content, size, ID_BYTES * packed.id_count, 4)
    flags = column(packed.content, size, size - 2, 2)
    for place, (start, flag) in enumerate(zip(starts, flags, strict=True)):
        if not flag & ~ignored:
            yield place, start


def column(content: bytes, size: int, offset: int, width: int) -> "array[int]":
    """Return a big-endian number of up to 8 bytes of each row of `size` bytes."""
    item = 4 if width <= 4 else 8
    numbers = array("I" if item == 4 else "Q")
    little = bytearray(len(content) // size * item)
    for place in range(width):
        little[width - 1 - place :: item] = content[offset + place :: size]
    numbers.frombytes(bytes(little))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
