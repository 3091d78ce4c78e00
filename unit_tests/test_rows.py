"""What the state knows of single records, packed."""

import json
import random

import pytest

from source_clockify.change_tracking.rows import (
    Pending,
    Row,
    Rows,
    day_of,
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
    pending = chance.choice(pendings)
    return Row(
        fingerprint=chance.choice([0, 1, 2**64 - 1, chance.getrandbits(64)]),
        start=chance.choice(starts),
        pending=pending,
        missing=chance.random() < 0.2,
        running=chance.random() < 0.2,
        deleted=chance.random() < 0.2,
        hidden=chance.random() < 0.2,
    )


def through_text(rows: Rows, *, dated: bool = False) -> Rows:
    """Return rows as a reader of JSON hands them back whose numbers are doubles, such as jq."""
    text = json.dumps(pack(rows, dated=dated))
    return unpack(json.loads(text, parse_int=lambda digits: int(float(digits))), dated=dated)


@pytest.mark.parametrize("ids", [0, 1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_packed_comes_out_again(seed: int, ids: int) -> None:
    chance = random.Random(seed)
    pendings = [None, *(Pending(chance.getrandbits(41), n + 1, DAY + n) for n in range(9))]
    count = chance.choice([0, 1, 2, 50]) if ids else 1
    rows = {
        key_of([an_id(chance) for _ in range(ids)]): a_row(chance, pendings) for _ in range(count)
    }

    assert through_text(rows) == rows


@pytest.mark.parametrize("ids", [0, 1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_in_the_key_is_left_out_and_comes_back(seed: int, ids: int) -> None:
    chance = random.Random(seed)
    rows: Rows = {}
    for _ in range(40):
        row = Row(chance.getrandbits(64), chance.randrange(2**31) // 86400 * 86400)
        parts = [an_id(chance) or "none" for _ in range(ids)]
        rows[key_of([*parts, day_of(row.start or 0)])] = row
    # Days that are none, or not those of the row.
    rows[key_of([*["a" * 24] * ids, "someday"])] = Row(1, None)
    rows[key_of([*["a" * 24] * ids, "2026-11-25"])] = Row(2, DAY)
    rows[key_of([*["a" * 24] * ids, "1969-12-31"])] = Row(3, -86400)

    assert through_text(rows, dated=True) == rows


@pytest.mark.parametrize(("ids", "most"), [(1, 40), (2, 56)])
def test_a_record_takes_little_room(ids: int, most: int) -> None:
    chance = random.Random(ids)
    pending = [None, Pending(1795478400000, 1, DAY)]
    rows = {
        key_of([f"{chance.getrandbits(96):024x}" for _ in range(ids)]): Row(
            chance.getrandbits(64), DAY + n, pending[n % 2], running=n % 5 == 0
        )
        for n in range(1000)
    }

    packed = pack(rows)

    assert "odd" not in packed
    assert len(json.dumps(packed)) <= most * len(rows)


def test_rows_that_are_equal_are_packed_equally_whatever_their_order() -> None:
    rows = {f"{n:024x}": Row(n, DAY + n, Pending(n % 3, 1, DAY)) for n in range(50)}

    assert pack(rows) == pack(dict(reversed(rows.items())))


def test_more_different_things_to_send_than_a_row_can_number_are_kept() -> None:
    rows = {f"{n:024x}": Row(1, DAY, Pending(n, 1, DAY), missing=True) for n in range(5000)}

    assert through_text(rows) == rows


@pytest.mark.parametrize(
    "damaged",
    [
        {"rows": "AAAA", "size": 26},
        {"rows": "not base64", "size": 26},
        {"rows": "AAAA", "size": 3},
        {"rows": "AAAA"},
        {"odd": [["a", 1]]},
        {"odd": [["a", 1, None, 0, 7]]},
    ],
    ids=str,
)
def test_what_was_not_packed_is_refused(damaged: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        unpack(damaged)


def test_a_key_is_its_parts() -> None:
    for parts in ([], ["a"], ["a", "b"], ["a" * 24, "2026-11-24"]):
        assert parts_of(key_of(parts)) == parts


def test_a_day_without_an_id_is_not_taken_for_the_day_alone() -> None:
    rows = {"\x1f2026-11-24": Row(1, 1795478400), "2026-11-24": Row(2, 1795478400)}

    assert through_text(rows, dated=True) == rows
