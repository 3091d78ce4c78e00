"""The rows of a partition while it is read: packed, and found by their keys.

`Row` objects for every row of the partitions being read would dominate memory. Here a row takes its
packed size (see rows.py) and 8 to 16 bytes for a place in a table; a `Row` is made on access. Rows
that do not fit, and rows whose keys include a day, are objects.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from struct import Struct
from struct import error as StructError

from source_clockify.change_tracking.rows import (
    ID_BYTES,
    MOST_PENDING,
    NO_START,
    RUNNING,
    TAIL_BYTES,
    PackedKey,
    PackedRows,
    Pending,
    Row,
    Rows,
    column,
    flags_of,
    is_retained,
    pack,
    pack_chunks,
    pack_key,
    pack_tail,
    unpack,
    unpack_key,
    unpack_odd,
    unpack_tail,
)

# Whether a saved row was read: not yet, unchanged, changed.
_UNSEEN, _SAME, _OTHER = 0, 1, 2


class KeyTable:
    """Entries of equal size in one block of memory, found by the key at their beginning.

    A slot holds the index of an entry, counted from 1: the first free slot from the hash of its key
    on. At most half of the slots are used. Keys are compared in full.

    Args:
        key_bytes: the bytes of a key.
        size: the bytes of an entry.
        content: the entries of a read-only table. Of equal keys the first is found.
    """

    def __init__(self, key_bytes: int, size: int, content: bytes | None = None) -> None:
        self.key_bytes, self.size = key_bytes, size
        self.content = bytearray() if content is None else content
        self._count = len(self.content) // size
        # Made when it is first needed.
        self._slots: array[int] | None = None

    def __len__(self) -> int:
        return self._count

    def _indexed(self) -> "array[int]":
        """Return the slots, of which at most half are used even after one more entry."""
        if self._slots is None:
            self._slots = self._new_slots(2 << self._count.bit_length())
        elif 2 * self._count >= len(self._slots):
            # Large steps make resizing rare.
            self._slots = self._new_slots(4 * len(self._slots))
        return self._slots

    def _new_slots(self, count: int) -> "array[int]":
        slots, mask = array("I", bytes(4 * count)), count - 1
        keys = Struct(f"{self.key_bytes}s{self.size - self.key_bytes}x")
        for number, (key,) in enumerate(keys.iter_unpack(self.content), 1):
            slot = hash(key) & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = number
        return slots

    def find(self, key: bytes) -> int:
        """Return the index of an entry, counted from 0; -1 if there is none."""
        if not self._count or len(key) != self.key_bytes:
            return -1
        slots = self._slots or self._indexed()
        mask = len(slots) - 1
        slot = hash(key) & mask
        content, size = self.content, self.size
        while number := slots[slot]:
            if content.startswith(key, (number - 1) * size):
                break
            slot = (slot + 1) & mask
        return number - 1

    def claim(self, key: bytes, rest: bytes) -> int:
        """Return the index of an entry; if there is none, add it and return -1.

        Args:
            key: has the length of all keys.
        """
        slots = self._indexed()
        mask = len(slots) - 1
        slot = hash(key) & mask
        content, size = self.content, self.size
        while number := slots[slot]:
            if content.startswith(key, (number - 1) * size):
                return number - 1
            slot = (slot + 1) & mask
        self.content += key + rest
        self._count += 1
        slots[slot] = self._count
        return -1

    def add(self, key: bytes, rest: bytes) -> None:
        """Add an entry; the table MUST NOT have one of its key."""
        if self._slots is None:
            self.content += key + rest
            self._count += 1
        else:
            self.claim(key, rest)

    def rest_of(self, place: int) -> bytes:
        """Return an entry without its key."""
        end = (place + 1) * self.size
        return bytes(self.content[end - self.size + self.key_bytes : end])

    def replace(self, place: int, rest: bytes) -> None:
        """Replace an entry except for its key."""
        assert isinstance(self.content, bytearray)
        end = (place + 1) * self.size
        self.content[end - self.size + self.key_bytes : end] = rest


def _starts_and_flags(table: KeyTable) -> Iterator[tuple[int, int]]:
    """Yield the start and the flags of each row of a table of rows."""
    content = bytes(table.content)
    starts = column(content, table.size, table.key_bytes, 4)
    flags = column(content, table.size, table.size - 2, 2)
    return zip(starts, flags, strict=True)


class SavedRows:
    """Saved rows, found by key.

    Args:
        parts: the rows of one partition or of several; of equal keys the last is found.
        dated: whether keys include a day.

    Attributes:
        odd: the rows that are not packed.
    """

    def __init__(self, parts: Sequence[PackedRows], *, dated: bool = False) -> None:
        self.parts, self.dated = parts, dated
        self.odd: Rows = {}
        width = max((part.id_count for part in parts), default=0)
        packed: list[PackedRows] = []
        for part in parts:
            if part.id_count == width and not dated:
                packed.append(part)
                self.odd |= unpack_odd(part)
            else:
                self.odd |= unpack(part, dated=dated)
        # The table finds the first of equal keys.
        packed.reverse()
        size = ID_BYTES * width + TAIL_BYTES
        self._table = KeyTable(ID_BYTES * width, size, b"".join([part.content for part in packed]))
        self._pending = [(None, *part.pending) for part in packed]
        self._ends = [*accumulate(part.packed_count for part in packed)]

    @property
    def packed_count(self) -> int:
        return len(self._table)

    @property
    def size(self) -> int:
        """The bytes of a packed row."""
        return self._table.size

    @property
    def content(self) -> bytes:
        """The packed rows."""
        return bytes(self._table.content)

    def __len__(self) -> int:
        return len(self._table) + len(self.odd)

    def find(self, key: PackedKey) -> int:
        """Return the index of a packed row; -1 if the key has none."""
        return self._table.find(key) if type(key) is bytes else -1

    def get(self, key: PackedKey) -> Row | None:
        """Return the row of a key; None if there is none."""
        packed = pack_key(key) if type(key) is str else key
        place = self.find(packed)
        if place >= 0:
            return self.row_at(place)
        return self.odd.get(unpack_key(packed)) if self.odd else None

    def row_at(self, place: int) -> Row:
        """Return the packed row at an index."""
        part = bisect_right(self._ends, place)
        return unpack_tail(self._table.rest_of(place), self._pending[part])

    def key_at(self, place: int) -> str:
        """Return the key of the packed row at an index."""
        first = place * self._table.size
        return unpack_key(bytes(self._table.content[first : first + self._table.key_bytes]))

    def has_tail(self, place: int, tail: bytes) -> bool:
        """Return whether the part of a packed row after its key equals `tail`."""
        table = self._table
        return table.content.startswith(tail, place * table.size + table.key_bytes)

    def starts_and_flags(self) -> Iterator[tuple[int, int]]:
        """Yield the start and flags of each row; the start is arbitrary for a row without one."""
        yield from self.packed_starts_and_flags()
        for row in self.odd.values():
            flags = flags_of(row) | (NO_START if row.start is None else 0)
            yield row.start or 0, flags

    def packed_starts_and_flags(self) -> Iterator[tuple[int, int]]:
        """Yield the same for packed rows; their flags include the number of the resends."""
        return _starts_and_flags(self._table)

    def items(self) -> Iterator[tuple[str, Row]]:
        """Yield all keys and rows."""
        for place in range(len(self._table)):
            yield self.key_at(place), self.row_at(place)
        yield from self.odd.items()


NO_ROWS = SavedRows(())


class SeenRows:
    """The rows of the records that a read returned, in relation to the saved rows.

    Args:
        saved: an unchanged row refers to its saved one and takes no further memory.
    """

    def __init__(self, saved: SavedRows = NO_ROWS) -> None:
        self._saved = saved
        self._marks = bytearray(saved.packed_count)
        # New and changed rows. All keys in it have the same length.
        self._table: KeyTable | None = None
        self._numbers: dict[Pending, int] = {}
        # Its rows take precedence over those of the table.
        self._odd: Rows = {}
        self._has_other_length = False

    def __len__(self) -> int:
        return self._marks.count(_SAME) + sum(1 for _ in self.others())

    def __bool__(self) -> bool:
        return bool(self._table or self._odd) or _SAME in self._marks

    def has(self, key: PackedKey, place: int) -> bool:
        """Return whether a record was read.

        Args:
            place: the index of its saved row, see `SavedRows.find`.
        """
        if place >= 0:
            return self._marks[place] != _UNSEEN
        return (self._table is not None and type(key) is bytes and self._table.find(key) >= 0) or (
            bool(self._odd) and unpack_key(key) in self._odd
        )

    def add_if_same(
        self, key: PackedKey, place: int, fingerprint: int, start: int | None, *, running: bool
    ) -> bool:
        """Add a row without resends if it equals its saved row; return whether it does."""
        if type(key) is not bytes:
            return False
        try:
            tail = pack_tail(key, fingerprint, start, RUNNING if running else 0)
        except StructError:
            return False
        is_same = self._saved.has_tail(place, tail)
        if is_same:
            self._marks[place] = _SAME
        return is_same

    def put(self, key: PackedKey, place: int, row: Row) -> None:
        """Add or replace a row.

        Args:
            place: the index of its saved row, see `SavedRows.find`.
        """
        if place >= 0:
            self._marks[place] = _OTHER
        tail = self._tail(key, row)
        if tail is None or type(key) is not bytes or not self._put_packed(key, tail):
            self._odd[unpack_key(key)] = row
        elif self._odd:
            self._odd.pop(unpack_key(key), None)

    def add_new(self, key: PackedKey, fingerprint: int, start: int | None) -> None:
        """Add a row for a new record, without resends or a running timer; it MUST NOT exist.

        It is equivalent to `put` without making a `Row` or looking for one: nearly all rows of a
        snapshot are of this kind.
        """
        if type(key) is bytes and not self._saved.dated and not self._odd:
            try:
                tail = pack_tail(key, fingerprint, start, 0)
            except StructError:
                pass
            else:
                table = self._table_for(key)
                if table is not None:
                    table.add(key, tail)
                    return
        self.put(key, -1, Row(fingerprint, start))

    def _tail(self, key: PackedKey, row: Row) -> bytes | None:
        """Return the part of a packed row after its key; None if the row does not fit."""
        if type(key) is not bytes or self._saved.dated:
            return None
        number = 0
        if row.pending is not None:
            number = self._numbers.setdefault(row.pending, len(self._numbers) + 1)
        if number > MOST_PENDING:
            return None
        try:
            return pack_tail(key, row.fingerprint, row.start, flags_of(row) | number)
        except StructError:
            return None

    def _put_packed(self, key: bytes, tail: bytes) -> bool:
        """Add or replace a packed row; return whether its key has the length of the others."""
        table = self._table_for(key)
        if table is None:
            return False
        place = table.claim(key, tail)
        if place >= 0:
            table.replace(place, tail)
        return True

    def _table_for(self, key: bytes) -> KeyTable | None:
        """Return the table; None if its keys have another length."""
        if self._table is None:
            self._table = KeyTable(len(key), len(key) + TAIL_BYTES)
        if len(key) == self._table.key_bytes:
            return self._table
        self._has_other_length = True
        return None

    def update(self, other: "SeenRows") -> None:
        """Merge the rows of another read of the partition, which take precedence."""
        for place in other.same_places():
            if self._marks[place] == _OTHER:
                self.put(pack_key(self._saved.key_at(place)), place, self._saved.row_at(place))
            else:
                self._marks[place] = _SAME
        self.update_with(dict(other.others()))

    def update_with(self, rows: Mapping[str, Row]) -> None:
        """Merge rows by key, which take precedence."""
        for key, row in rows.items():
            packed = pack_key(key)
            self.put(packed, self._saved.find(packed), row)

    def items(self) -> Iterator[tuple[str, Row]]:
        """Yield all keys and rows."""
        for place in self.same_places():
            yield self._saved.key_at(place), self._saved.row_at(place)
        yield from self.others()

    def same_places(self) -> Iterator[int]:
        """Yield the indexes of the saved rows that were read unchanged."""
        return (place for place, mark in enumerate(self._marks) if mark == _SAME)

    def others(self) -> Iterator[tuple[str, Row]]:
        """Yield the keys and rows of new and changed records."""
        pending = (None, *self._numbers)
        table = self._table
        for place in range(len(table) if table is not None else 0):
            assert table is not None
            first = place * table.size
            key = unpack_key(bytes(table.content[first : first + table.key_bytes]))
            if key not in self._odd:
                yield key, unpack_tail(table.rest_of(place), pending)
        yield from self._odd.items()

    def unseen(self) -> Iterator[tuple[str, Row]]:
        """Yield the keys and saved rows whose records were not read."""
        place = self._marks.find(_UNSEEN)
        while place >= 0:
            yield self._saved.key_at(place), self._saved.row_at(place)
            place = self._marks.find(_UNSEEN, place + 1)
        for key, row in self._saved.odd.items():
            if not self.has(pack_key(key), -1):
                yield key, row

    def has_unknown(self) -> bool:
        """Return whether a record without a saved row was read."""
        return any(self._saved.get(key) is None for key, _ in self.others())

    def packed(self, kept: Rows, retained_since: int | None = None) -> PackedRows:
        """Return the rows packed as by `pack`, together with others.

        Args:
            kept: rows of other keys.
            retained_since: rows that start earlier are dropped unless they must be retained; those
                of `kept` always are. None: no row is dropped.
        """
        places = self._retained_places(retained_since)
        if self._is_as_saved(places, kept):
            return self._saved.parts[0]
        chunks = self._chunks(places, retained_since)
        odd = {
            key: row
            for key, row in self._odd.items()
            if retained_since is None or is_retained(row, retained_since)
        }
        for key, row in kept.items():
            packed = pack_key(key)
            tail = self._tail(packed, row)
            if tail is None or type(packed) is not bytes:
                odd[key] = row
            else:
                chunks.append(packed + tail)
        sizes = {len(chunk) for chunk in chunks}
        sizes |= {
            len(packed) + TAIL_BYTES for packed in map(pack_key, odd) if type(packed) is bytes
        }
        has_odd_resends = any(row.pending is not None for row in odd.values())
        is_mixed = len(sizes) > 1 or self._has_other_length
        if self._saved.dated or is_mixed or has_odd_resends or self._has_replaced():
            rows = {
                key: row
                for key, row in self.items()
                if retained_since is None or is_retained(row, retained_since)
            }
            return pack(rows | kept, dated=self._saved.dated)
        return pack_chunks(chunks, [*self._numbers], odd)

    def _is_as_saved(self, places: Sequence[int], kept: Rows) -> bool:
        saved = self._saved
        is_one = len(saved.parts) == 1 and not saved.parts[0].pending and not saved.odd
        return (
            is_one and not self._table and not self._odd and not kept and len(places) == len(saved)
        )

    def _has_replaced(self) -> bool:
        """Return whether a row of the table was replaced by one that does not fit."""
        table = self._table
        return table is not None and any(
            type(packed) is bytes and table.find(packed) >= 0 for packed in map(pack_key, self._odd)
        )

    def _retained_places(self, retained_since: int | None) -> list[int]:
        """Return those of `same_places` whose rows are retained."""
        earliest = 0 if retained_since is None else retained_since
        rows = zip(self._marks, self._saved.packed_starts_and_flags(), strict=True)
        # Such a row has no other flags than those for a running timer or a missing start.
        return [
            place
            for place, (mark, (start, flags)) in enumerate(rows)
            if mark == _SAME and (start >= earliest or flags)
        ]

    def _chunks(self, places: Sequence[int], retained_since: int | None) -> list[bytes]:
        """Return the packed rows at the given indexes, and those of new and changed records."""
        size, content = self._saved.size, self._saved.content
        chunks = [content[place * size : place * size + size] for place in places]
        table = self._table
        if table is None:
            return chunks
        earliest = 0 if retained_since is None else retained_since
        stays = RUNNING | NO_START | MOST_PENDING
        each = Struct(f"{table.size}s").iter_unpack(table.content)
        rows = zip(each, _starts_and_flags(table), strict=True)
        chunks += [chunk for (chunk,), (start, flag) in rows if start >= earliest or flag & stays]
        return chunks
