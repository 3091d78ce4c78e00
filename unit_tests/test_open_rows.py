"""The rows of a partition while it is read: packed, and as good as a dictionary of them."""

import random
import tracemalloc
from collections.abc import Callable

import pytest

from source_clockify.change_tracking.diff import EmittedKeys
from source_clockify.change_tracking.open_rows import SavedRows, SeenRows
from source_clockify.change_tracking.rows import (
    PackedRows,
    Pending,
    Row,
    Rows,
    day_of,
    is_retained,
    key_of,
    pack,
    pack_key,
)
from source_clockify.change_tracking.state import PartitionState, StreamState, encode

SEEDS = range(60)

# 2026-11-24 in seconds since 1970.
DAY = 1795478400
PENDING = [Pending(1, 1, DAY), Pending(2, 1, DAY), Pending(2, 2, DAY)]


class Account:
    """Random keys and rows of one partition; a part of them does not fit."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.odd = self.chance.choice([0, 0, 0.02, 0.2])
        self.resent = self.chance.choice([0, 0.1, 0.5])
        self.ids = self.chance.choice([0, 1, 1, 1, 2])

    def keys(self, count: int) -> list[str]:
        return [*{self._key() for _ in range(count)}]

    def _key(self) -> str:
        is_odd = self.chance.random() < self.odd
        ids = [f"{self.chance.getrandbits(96):024x}" for _ in range(self.ids)]
        odd = ["none", "", "A" * 24, f"{self.chance.getrandbits(96):024x}"]
        return key_of([self.chance.choice(odd), *ids] if is_odd else ids)

    def row(self) -> Row:
        flags = [self.chance.random() < 0.1 for _ in range(3)]
        start = self.chance.choice([DAY, DAY + 1, DAY - 86400, None])
        if self.chance.random() < self.odd:
            start = self.chance.choice([-1, 2**32, -61467120000])
        is_resent = self.chance.random() < self.resent
        pending = self.chance.choice(PENDING) if is_resent else None
        missing, running, hidden = flags
        fingerprint = self.chance.getrandbits(48)
        return Row(fingerprint, start, pending, missing=missing, running=running, hidden=hidden)


def see(rows: SeenRows, saved: SavedRows, key: str, row: Row) -> None:
    """Add a row as a comparison of records does."""
    packed = pack_key(key)
    place = saved.find(packed)
    assert not rows.has(packed, place)
    is_plain = row == Row(row.fingerprint, row.start)
    is_same = (
        place >= 0
        and row == Row(row.fingerprint, row.start, running=row.running)
        and rows.add_if_same(packed, place, row.fingerprint, row.start, running=row.running)
    )
    if place < 0 and is_plain:
        rows.add_new(packed, row.fingerprint, row.start)
    elif not is_same:
        rows.put(packed, place, row)
    assert rows.has(packed, place)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_that_came_are_packed_as_a_dictionary_of_them_would_be(seed: int) -> None:
    account = Account(seed)
    known = {key: account.row() for key in account.keys(40)}
    new = account.keys(20)
    saved = SavedRows([pack(known)])
    expected: Rows = {}
    seen = SeenRows(saved)
    for _ in range(account.chance.choice([1, 1, 3])):
        part = SeenRows(saved)
        keys = [key for key in [*known, *new] if account.chance.random() < 0.6]
        for key in dict.fromkeys(keys):
            is_changed = key not in known or account.chance.random() < 0.2
            row = account.row() if is_changed else known[key]
            see(part, saved, key, row)
            expected[key] = row
        seen.update(part)

    assert dict(seen.items()) == expected
    assert len(seen) == len(expected)
    assert dict(seen.unseen()) == {key: row for key, row in known.items() if key not in expected}
    assert seen.has_unknown() == bool(expected.keys() - known.keys())
    assert seen.packed({}) == pack(expected)

    kept = {key: row for key, row in seen.unseen() if account.chance.random() < 0.5}
    since = account.chance.choice([DAY - 86400, DAY, DAY + 1])
    retained = {key: row for key, row in expected.items() if is_retained(row, since)}
    assert seen.packed(kept, since) == pack(retained | kept)


def test_rows_that_all_came_as_they_were_stay_the_same_object() -> None:
    packed = pack({f"{n:024x}": Row(n + 1, DAY + n) for n in range(100)})
    saved = SavedRows([packed])
    seen = SeenRows(saved)
    for n in range(100):
        see(seen, saved, f"{n:024x}", Row(n + 1, DAY + n))

    assert seen.packed({}, DAY) is packed


@pytest.mark.parametrize("seed", SEEDS)
def test_saved_rows_are_found_by_their_keys(seed: int) -> None:
    account = Account(seed)
    known = {key: account.row() for key in account.keys(50)}
    saved = SavedRows([pack(known)])

    assert {key: saved.get(key) for key in known} == known
    assert dict(saved.items()) == known
    assert all(saved.get(key) is None for key in account.keys(20) if key not in known)


def test_a_part_of_a_key_is_not_the_key() -> None:
    for n in range(200):
        whole = key_of([f"{n:024x}", f"{n + 1:024x}"])
        saved = SavedRows([pack({whole: Row(1, DAY)})])
        assert saved.get(whole) is not None
        assert saved.get(f"{n:024x}") is None


def test_a_row_that_no_longer_fits_replaces_the_one_that_did() -> None:
    key, other = f"{1:024x}", f"{2:024x}"
    saved = SavedRows([PackedRows()])
    first, second = SeenRows(saved), SeenRows(saved)
    see(first, saved, key, Row(1, DAY))
    see(first, saved, other, Row(2, DAY))
    see(second, saved, key, Row(3, 2**40))
    first.update(second)

    expected = {other: Row(2, DAY), key: Row(3, 2**40)}
    assert dict(first.items()) == expected
    assert first.packed({}) == pack(expected)


def test_rows_are_packed_though_a_key_of_another_length_came_first() -> None:
    saved = SavedRows([PackedRows()])
    seen = SeenRows(saved)
    rows = {f"{n:024x}": Row(n + 1, DAY) for n in range(50)}
    for key, row in {"": Row(1, 10), **rows}.items():
        see(seen, saved, key, row)

    assert seen.packed({}, DAY) == pack(rows)


@pytest.mark.parametrize("last", [{}, {f"{9:024x}\x1f{8:024x}": Row(7, DAY), "odd": Row(8, None)}])
def test_of_several_partitions_the_last_one_with_a_key_counts(last: Rows) -> None:
    chance = random.Random(1)
    parts: list[Rows] = []
    for part in range(5):
        keys = [f"{chance.randrange(60):024x}" for _ in range(30)]
        parts.append({key: Row(part + 1, DAY, chance.choice([None, *PENDING])) for key in keys})
    parts.append(last)
    expected: Rows = {}
    for each in parts:
        expected |= each
    saved = SavedRows([pack(each) for each in parts] + [PackedRows()])

    assert {key: saved.get(key) for key in expected} == expected


def test_rows_whose_keys_have_a_day_are_found_and_packed() -> None:
    known = {
        key_of([f"{n:024x}", day_of(DAY + n * 86400)]): Row(n + 1, DAY + n * 86400)
        for n in range(30)
    }
    saved = SavedRows([pack(known, dated=True)], dated=True)
    seen = SeenRows(saved)
    for key, row in known.items():
        see(seen, saved, key, row)

    assert {key: saved.get(key) for key in known} == known
    assert seen.packed({}) == pack(known, dated=True)


def test_a_key_is_emitted_once_whatever_its_form() -> None:
    chance = random.Random(3)
    keys = [f"{chance.getrandbits(96):024x}" for _ in range(20_000)]
    keys += [key_of([key, "none"]) for key in keys[:50]]
    keys += [key_of([key, key]) for key in keys[:50]]
    keys += ["", "none", "A" * 24, "a" * 24]
    emitted = EmittedKeys()

    assert [emitted.claim(key, n) for n, key in enumerate(keys)] == [None] * len(keys)
    assert [emitted.claim(key, 0) for key in keys] == [*range(len(keys))]
    assert [emitted.claim(pack_key(key), 0) for key in keys] == [*range(len(keys))]


def bytes_taken(make: Callable[[], object]) -> tuple[int, int]:
    """Return the bytes that what is made takes, and the most that were taken meanwhile."""
    tracemalloc.start()
    try:
        made = make()
        taken = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del made
    return taken


def test_a_row_takes_few_bytes_while_its_partition_is_open() -> None:
    count = 20_000
    keys = [f"{random.Random(n).getrandbits(96):024x}" for n in range(count)]

    def read() -> object:
        seen, emitted = SeenRows(), EmittedKeys()
        for key in keys:
            seen.add_new(pack_key(key), 2**40, DAY)
            emitted.claim(key, 2**40)
        return seen, emitted

    taken, _ = bytes_taken(read)
    assert taken < 120 * count

    packed = pack({key: Row(2**40, DAY) for key in keys})
    taken, _ = bytes_taken(lambda: SavedRows([packed]))
    assert taken < 20 * count


def test_a_state_is_written_without_a_list_of_numbers() -> None:
    count = 50_000
    chance = random.Random(5)
    packed = pack(
        {
            f"{DAY - n * 60:08x}{n % 7:010x}{chance.getrandbits(24):06x}": Row(
                chance.getrandbits(48), DAY - n * 60
            )
            for n in range(count)
        }
    )
    state = StreamState(1, 1, True, ("id",), {("u",): PartitionState(DAY, 0, packed=packed)})

    _, peak = bytes_taken(lambda: encode("time_entries", state))
    assert peak < 110 * count
