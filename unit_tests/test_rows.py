"""What the state knows of single records, packed."""

import random

import pytest

from source_clockify.change_tracking.rows import (
    MOST_PENDING,
    Pending,
    Row,
    Rows,
    day_of,
    days_of,
    forget_before,
    key_of,
    pack,
    parts_of,
    unpack,
)

SEEDS = range(20)

# 2026-11-24 in seconds since 1970.
DAY = 1795478400


def an_id(chance: random.Random) -> str:
    """Return an id as Clockify has them, now and then an odd one."""
    odd = [
        "none",
        "",
        "a",
        "0" * 23,
        "0" * 25,
        "A" * 24,
        "ж" * 24,
        "e\n",
        "64e77712345678901234567g",
    ]
    return chance.choice(odd) if chance.random() < 0.1 else f"{chance.getrandbits(96):024x}"


def a_row(chance: random.Random, pendings: list[Pending | None]) -> Row:
    starts = [None, 0, -1, -(2**40), 2**32 - 2, 2**32 - 1, 2**32, chance.randrange(2**31)]
    # The years 0022 and 20226.
    starts += [-61467120000, 576109929600]
    pending = chance.choice(pendings)
    return Row(
        fingerprint=chance.choice([0, 1, 2**48 - 1, 2**48, 2**64 - 1, chance.getrandbits(48)]),
        start=chance.choice(starts),
        pending=pending,
        missing=chance.random() < 0.2,
        running=chance.random() < 0.2,
        deleted=chance.random() < 0.2,
        hidden=chance.random() < 0.2,
    )


@pytest.mark.parametrize("ids", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_packed_comes_out_again(seed: int, ids: int) -> None:
    chance = random.Random(seed)
    pendings = [None, *(Pending(chance.getrandbits(41), n + 1, DAY + n) for n in range(9))]
    count = chance.choice([0, 1, 2, 50]) if ids else 1
    rows = {
        key_of([an_id(chance) for _ in range(ids)]): a_row(chance, pendings) for _ in range(count)
    }

    packed = pack(rows)

    assert unpack(packed) == rows
    assert len(packed) == len(rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_of_different_length_are_kept_apart(seed: int) -> None:
    chance = random.Random(seed)
    rows = {
        key_of([an_id(chance) for _ in range(chance.randrange(4))]): a_row(chance, [None])
        for _ in range(30)
    }

    assert unpack(pack(rows)) == rows


@pytest.mark.parametrize("ids", [0, 1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_in_the_key_is_left_out_and_comes_back(seed: int, ids: int) -> None:
    chance = random.Random(seed)
    rows: Rows = {}
    for _ in range(40):
        row = Row(chance.getrandbits(48), chance.randrange(2**31) // 86400 * 86400)
        parts = [an_id(chance) or "none" for _ in range(ids)]
        rows[key_of([*parts, day_of(row.start or 0)])] = row
    # Days that are none, or not those of the row.
    rows[key_of([*["a" * 24] * ids, "someday"])] = Row(1, None)
    rows[key_of([*["a" * 24] * ids, "2026-11-25"])] = Row(2, DAY)
    rows[key_of([*["a" * 24] * ids, "1969-12-31"])] = Row(3, -86400)

    assert unpack(pack(rows, dated=True), dated=True) == rows


def test_a_row_of_one_id_takes_24_bytes_in_memory() -> None:
    pending = [None, Pending(1795478400000, 1, DAY)]
    rows = {
        f"{n:024x}": Row(n + 1, DAY + n, pending[n % 2], running=n % 5 == 0) for n in range(1000)
    }

    packed = pack(rows)

    assert packed.odd == ()
    assert len(packed.content) == 24 * len(rows)


def test_rows_that_are_equal_are_packed_equally_whatever_their_order() -> None:
    rows = {f"{n:024x}": Row(n, DAY + n, Pending(n % 3, 1, DAY)) for n in range(50)}

    assert pack(rows) == pack(dict(reversed(rows.items())))


def test_more_different_things_to_send_than_a_row_can_number_are_kept() -> None:
    rows = {
        f"{n:024x}": Row(1, DAY, Pending(n, 1, DAY), missing=True) for n in range(MOST_PENDING + 9)
    }

    assert unpack(pack(rows)) == rows


def test_a_key_is_its_parts() -> None:
    for parts in ([], ["a"], ["a", "b"], ["a" * 24, "2026-11-24"]):
        assert parts_of(key_of(parts)) == parts


def test_a_day_without_an_id_is_not_taken_for_the_day_alone() -> None:
    rows = {"\x1f2026-11-24": Row(1, 1795478400), "2026-11-24": Row(2, 1795478400)}

    assert unpack(pack(rows, dated=True), dated=True) == rows


def is_forgotten(row: Row, moment: int) -> bool:
    retained = row.running or row.pending or row.missing or row.deleted
    return row.start is not None and row.start < moment and not retained


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_before_a_moment_are_forgotten_unless_something_is_open(seed: int) -> None:
    chance = random.Random(seed)
    pendings = [None, None, Pending(5, 1, DAY)]
    rows = {an_id(chance): a_row(chance, pendings) for _ in range(200)}
    moment = chance.choice([0, 1, 2**30, 2**31, 2**32 - 1])

    found = forget_before(pack(rows), moment)

    assert unpack(found) == {key: row for key, row in rows.items() if not is_forgotten(row, moment)}


def test_forgetting_nothing_leaves_the_rows_as_they_are() -> None:
    packed = pack({f"{n:024x}": Row(1, DAY + n) for n in range(9)})

    assert forget_before(packed, DAY) is packed


def test_the_days_that_can_be_forgotten_are_counted() -> None:
    rows = {
        "a" * 24: Row(1, DAY),
        "b" * 24: Row(1, DAY + 7, hidden=True),
        "c" * 24: Row(1, DAY + 86400),
        "d" * 24: Row(1, DAY, running=True),
        "e" * 24: Row(1, None),
        "f" * 24: Row(1, DAY, Pending(1, 1, 1)),
    }

    assert days_of(pack(rows)) == {DAY // 86400: 2, DAY // 86400 + 1: 1}
