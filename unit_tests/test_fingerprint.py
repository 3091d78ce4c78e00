"""Whether a record changed."""

from typing import Any

import pytest

from source_clockify.change_tracking.fingerprint import fingerprint, fingerprinter
from source_clockify.change_tracking.profiles import PROFILES

A, B = "64e777123456789012345678", "5e1234567890123456789012"

EQUAL: list[tuple[str, Any, Any]] = [
    ("a null and nothing", {"a": 1, "b": None}, {"a": 1}),
    ("a null and nothing, nested", {"a": {"b": None}}, {"a": {}}),
    ("a null and nothing, in a list", {"a": [{"b": None, "c": 1}]}, {"a": [{"c": 1}]}),
    ("the order of keys", {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}),
    ("the order of ids", {"tagIds": [A, B]}, {"tagIds": [B, A]}),
    ("the order of ids, nested", {"a": [{"ids": [A, B]}]}, {"a": [{"ids": [B, A]}]}),
    ("a float beyond six decimals", {"a": 0.1 + 0.2}, {"a": 0.3}),
    ("a whole float", {"a": 1.0}, {"a": 1}),
    ("a negative zero", {"a": -0.0}, {"a": 0}),
]

DIFFERENT: list[tuple[str, Any, Any]] = [
    ("a value", {"a": 1}, {"a": 2}),
    ("the sixth decimal", {"a": 0.000001}, {"a": 0.000002}),
    ("a text and a number", {"a": "1"}, {"a": 1}),
    ("a boolean and a number", {"a": True}, {"a": 1}),
    ("an empty text and nothing", {"a": ""}, {}),
    ("an empty list and nothing", {"a": []}, {}),
    ("false and nothing", {"a": False}, {}),
    ("the order of other lists", {"a": ["x", "y"]}, {"a": ["y", "x"]}),
    ("the order of objects", {"a": [{"id": A}, {"id": B}]}, {"a": [{"id": B}, {"id": A}]}),
    ("how often an id is there", {"a": [A, A]}, {"a": [A]}),
    ("where a value is", {"a": {"b": 1}}, {"b": {"a": 1}}),
    ("accents", {"a": "e\u0301"}, {"a": "é"}),
    ("large integers", {"a": 2**70}, {"a": 2**70 + 1}),
]


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in EQUAL], ids=[r[0] for r in EQUAL])
def test_what_does_not_count_as_a_change(one: Any, other: Any) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"), [row[1:] for row in DIFFERENT], ids=[r[0] for r in DIFFERENT]
)
def test_what_counts_as_a_change(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_a_fingerprint_fits_64_bits_and_is_never_zero() -> None:
    found = {fingerprint({"a": number}) for number in range(2000)}

    assert len(found) == 2000
    assert all(0 < each < 2**64 for each in found)
    assert max(found) > 2**60


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    """The state outlives the process, and Python's own hash does not."""
    assert fingerprint({"id": A, "tagIds": [B, A], "rate": 1.5, "note": None}) == fingerprint(
        {"rate": 1.5, "id": A, "tagIds": [A, B]}
    )
    assert fingerprint({}) == 137279666008780115


@pytest.mark.parametrize(
    ("stream", "column"),
    [
        ("projects", "duration"),
        ("tasks", "duration"),
        ("users", "activeWorkspace"),
        ("users", "profilePicture"),
    ],
)
def test_volatile_columns_do_not_count(stream: str, column: str) -> None:
    of = fingerprinter(PROFILES[stream].volatile, ())

    assert of({"id": A, column: "old"}) == of({"id": A, column: "new"}) == of({"id": A})
    assert of({"id": A, "name": "old"}) != of({"id": A, "name": "new"})


def test_what_counts_of_a_report_row_while_its_timer_runs() -> None:
    of = fingerprinter((), PROFILES["detailed_report"].volatile_while_running)

    def row(end: str | None, duration: int, amount: int, note: str = "") -> dict[str, Any]:
        interval = {"start": "2026-11-24T08:00:00Z", "end": end, "duration": duration}
        return {"_id": A, "timeInterval": interval, "amount": amount, "description": note}

    assert of(row(None, 60, 1)) == of(row(None, 120, 2))
    assert of(row(None, 60, 1)) != of(row(None, 60, 1, "edited"))
    end = "2026-11-24T09:00:00Z"
    assert of(row(None, 60, 1)) != of(row(end, 60, 1))
    assert of(row(end, 60, 1)) != of(row(end, 120, 1))
    assert of(row(end, 60, 1)) != of(row(end, 60, 2))


def test_leaving_columns_out_does_not_change_the_record() -> None:
    record = {"_id": A, "timeInterval": {"start": "2026-11-24T08:00:00Z", "duration": 1}, "x": 1}
    before = {**record, "timeInterval": dict(record["timeInterval"])}  # type: ignore[call-overload]

    fingerprinter({"x"}, ("timeInterval.duration",))(record)

    assert record == before


def test_numbers_of_any_size_have_a_fingerprint() -> None:
    numbers = [1e20, 2e20, -1e20, 10**20, 2**63, 2**64, -(2**63) - 1, 1.5e-7, 2.0**53]

    assert len({fingerprint({"value": number}) for number in numbers}) == len(numbers)
    assert fingerprint({"value": 3.0}) == fingerprint({"value": 3})
