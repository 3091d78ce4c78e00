"""What the state knows of the records of one partition, packed.

A packed row: the ids that the partition does not tell (12 bytes each), fingerprint (8 bytes), start
(4 bytes: seconds since 1970), and 2 bytes: four flags and the number of what is still to send. What
does not fit (an id that is not 24 hexadecimal digits, a start before 1970) is kept as JSON beside.
"""

import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from source_clockify.timestamps import format_second

_SEPARATOR = "\x1f"
_NO_START = 0xFFFFFFFF
_ID = re.compile("[0-9a-f]{24}")
_TAIL = struct.Struct(">QIH")

_MISSING, _RUNNING, _DELETED, _HIDDEN = 0x8000, 0x4000, 0x2000, 0x1000
# The most things to send that one partition tells apart.
_MOST_PENDING = 0x0FFF


@dataclass(frozen=True)
class Pending:
    """What is to be sent again.

    Attributes:
        updated_at: the version, in milliseconds since 1970.
        times: in how many more syncs.
        sent_at: when the sync began that sent it last, in seconds since 1970.
    """

    updated_at: int
    times: int
    sent_at: int


# A sync that begins sooner after the last one that sent something is its retry.
RETRY_SECONDS = 60 * 60


def is_due(pending: Pending | None, now: int) -> bool:
    """Tell whether a sync that begins now sends it again."""
    return pending is not None and now - pending.sent_at >= RETRY_SECONDS


def resent(pending: Pending, now: int) -> Pending | None:
    """Return what is left to send after it was sent in a sync that began now."""
    if pending.times <= 1:
        return None
    return Pending(pending.updated_at, pending.times - 1, now)


@dataclass(slots=True)
class Row:
    """What is known of one record.

    Attributes:
        fingerprint: of its content; 0 if that is not known, so that it counts as changed.
        start: what the window compares, in seconds since 1970; None if it has none.
        pending: what is to be sent again.
        missing: a complete read did not bring it, and it is not proven gone.
        running: its timer runs. In a list: it was found alive although the list lacks it.
        deleted: it is gone, and its tombstone is pending.
        hidden: it was last seen with other rights, so it is never taken for gone.
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


def pack(rows: Rows, *, dated: bool = False) -> dict[str, Any]:
    """Return rows as JSON: `rows` (base64), `odd` (what does not fit) and `pending`.

    With `dated` the last part of each key is the day of the row's start, which is left out.
    """
    numbers: dict[Pending, int] = {}
    packed: list[bytes] = []
    odd: list[list[Any]] = []
    for key in sorted(rows):
        row = rows[key]
        number = 0
        if row.pending is not None:
            number = numbers.setdefault(row.pending, len(numbers) + 1)
        flags = (
            (_MISSING if row.missing else 0)
            | (_RUNNING if row.running else 0)
            | (_DELETED if row.deleted else 0)
            | (_HIDDEN if row.hidden else 0)
        )
        ids = _packed_ids(key, row.start, dated)
        same_size = not packed or len(packed[0]) == len(ids or b"") + _TAIL.size
        if ids is None or number > _MOST_PENDING or not same_size:
            # Not every reader of JSON keeps a number of 64 bits.
            odd.append([key, f"{row.fingerprint:016x}", row.start, flags, number])
        else:
            start = _NO_START if row.start is None else row.start
            packed.append(ids + _TAIL.pack(row.fingerprint, start, flags | number))
    found: dict[str, Any] = {}
    if packed:
        found["rows"] = b64encode(b"".join(packed)).decode()
        found["size"] = len(packed[0])
    if odd:
        found["odd"] = odd
    if numbers:
        found["pending"] = [[each.updated_at, each.times, each.sent_at] for each in numbers]
    return found


def _packed_ids(key: str, start: int | None, dated: bool) -> bytes | None:
    """Return the ids of a key in bytes, None if they do not fit."""
    if start is not None and not 0 <= start < _NO_START:
        return None
    ids = parts_of(key)
    if dated and (start is None or not ids or ids.pop() != day_of(start)):
        return None
    if not all(_ID.fullmatch(identifier) for identifier in ids):
        return None
    return bytes.fromhex("".join(ids))


def day_of(start: int) -> str:
    """Return the UTC day of a moment: `2026-11-24`."""
    return format_second(start).split("T")[0]


def unpack(packed: Mapping[str, Any], *, dated: bool = False) -> Rows:
    """Return the rows that `pack` packed.

    Raises:
        ValueError, KeyError, TypeError, IndexError: for what it did not.
    """
    pending = [None, *(Pending(*each) for each in packed.get("pending") or ())]
    rows: Rows = {}
    for ids, fingerprint, start, flags in _packed_rows(packed):
        if dated:
            ids.append(day_of(start or 0))
        rows[key_of(ids)] = _row(fingerprint, start, flags, pending[flags & _MOST_PENDING])
    for key, hexadecimal, start, flags, number in packed.get("odd") or ():
        rows[key] = _row(int(hexadecimal, 16), start, flags, pending[number])
    return rows


def _row(fingerprint: int, start: int | None, flags: int, pending: Pending | None) -> Row:
    if not flags and pending is None:
        return Row(fingerprint, start)
    return Row(
        fingerprint,
        start,
        pending,
        missing=bool(flags & _MISSING),
        running=bool(flags & _RUNNING),
        deleted=bool(flags & _DELETED),
        hidden=bool(flags & _HIDDEN),
    )


def _packed_rows(packed: Mapping[str, Any]) -> Iterator[tuple[list[str], int, int | None, int]]:
    if "rows" not in packed:
        return
    content = b64decode(packed["rows"], validate=True)
    size = packed["size"]
    id_bytes = size - _TAIL.size
    if id_bytes < 0 or id_bytes % 12 or len(content) % size:
        raise ValueError("rows of another size")
    for place in range(0, len(content), size):
        text = content[place : place + id_bytes].hex()
        fingerprint, start, flags = _TAIL.unpack_from(content, place + id_bytes)
        yield (
            [text[at : at + 24] for at in range(0, len(text), 24)],
            fingerprint,
            None if start == _NO_START else start,
            flags,
        )
