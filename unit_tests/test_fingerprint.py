"""Whether a record changed."""

from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)

from source_clockify.change_tracking.fingerprint import (
    ORDERED_LISTS,
    fingerprint,
    fingerprinter,
)
from source_clockify.change_tracking.profiles import PROFILES
from source_clockify.manifest import streams_of
from source_clockify.manifest_file import load_manifest

A, B = "64e777123456789012345678", "5e1234567890123456789012"

ROLES = [
    {
        "roles": [
            {"userId": A, "role": role, "entities": [{"id": each} for each in entities]}
            for role, entities in roles
        ]
    }
    for roles in (
        [("TEAM_MANAGER", (A, B)), ("PROJECT_MANAGER", (B,))],
        [("PROJECT_MANAGER", (B,)), ("TEAM_MANAGER", (B, A))],
    )
]

EQUAL: list[tuple[str, Any, Any]] = [
    ("a null and nothing", {"a": 1, "b": None}, {"a": 1}),
    ("a null and nothing, nested", {"a": {"b": None}}, {"a": {}}),
    ("a null and nothing, in a list", {"a": [{"b": None, "c": 1}]}, {"a": [{"c": 1}]}),
    ("the order of keys", {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}),
    ("the order of ids", {"tagIds": [A, B]}, {"tagIds": [B, A]}),
    ("the order of ids, nested", {"a": [{"ids": [A, B]}]}, {"a": [{"ids": [B, A]}]}),
    ("the order of names", {"a": ["SSO", "TIME_OFF"]}, {"a": ["TIME_OFF", "SSO"]}),
    ("the order of objects", {"a": [{"id": A}, {"id": B}]}, {"a": [{"id": B}, {"id": A}]}),
    ("the order of roles, and in them", ROLES[0], ROLES[1]),
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
    (
        "the order of objects without an identity",
        {"a": [{"date": A}, {"date": B}]},
        {"a": [{"date": B}, {"date": A}]},
    ),
    ("the order of numbers", {"a": [1, 2]}, {"a": [2, 1]}),
    ("the order of mixed values", {"a": [A, "x"]}, {"a": ["x", A]}),
    ("the order of 24 characters", {"a": ["x" * 24, "y" * 24]}, {"a": ["y" * 24, "x" * 24]}),
    ("the order of lists in a list", {"a": [[A, B], [B]]}, {"a": [[B], [A, B]]}),
    ("the order in a list in a list", {"a": [[A, B]]}, {"a": [[B, A]]}),
    ("how often an object is there", {"a": [{"id": A}, {"id": A}]}, {"a": [{"id": A}]}),
    ("which object has a value", ROLES[0], {"roles": [ROLES[0]["roles"][0]] * 2}),
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


# Every list of the schemas by its last name: whether its order counts, and two of its items.
SETS: dict[str, tuple[Any, Any]] = {
    "adminOnlyPages": ("PROJECT", "TEAM"),
    "features": ("SSO", "TIME_OFF"),
    "workingDays": ("MONDAY", "TUESDAY"),
    "currencies": ({"id": A, "code": "USD"}, {"id": B, "code": "EUR"}),
    "memberships": (
        {"userId": A, "membershipType": "PROJECT", "targetId": B},
        {"userId": B, "membershipType": "PROJECT", "targetId": B},
    ),
    "roles": ({"userId": A, "role": "OWNER"}, {"userId": A, "role": "TEAM_MANAGER"}),
    "entities": ({"id": A, "name": "x"}, {"id": B, "name": "y"}),
    "customFields": ({"customFieldId": A, "value": 1}, {"customFieldId": B, "value": 2}),
    "customFieldValues": ({"customFieldId": A, "value": 1}, {"customFieldId": B, "value": 2}),
    "userCustomFields": ({"customFieldId": A, "value": 1}, {"customFieldId": B, "value": 2}),
    "userCustomFieldValues": ({"customFieldId": A, "value": 1}, {"customFieldId": B, "value": 2}),
    "teamManagers": ({"id": A, "name": "x"}, {"id": B, "name": "y"}),
    "tags": ({"_id": A, "name": "x"}, {"_id": B, "name": "y"}),
    "entries": ({"id": A, "type": "REGULAR"}, {"id": B, "type": "REGULAR"}),
    "expenses": ({"id": A}, {"id": B}),
    "milestones": ({"id": A, "date": "2026-11-24"}, {"id": B, "date": "2026-11-25"}),
    "visibleToUsers": ({"id": A}, {"id": B}),
    "visibleToUserGroups": ({"id": A}, {"id": B}),
    **dict.fromkeys(("assigneeIds", "expenseIds", "ids", "tagIds"), (A, B)),
    **dict.fromkeys(("timeEntryIds", "triggerSource", "userGroupIds", "userIds"), (A, B)),
}


def schemas() -> dict[str, Any]:
    manifest = ManifestReferenceResolver().preprocess_manifest(load_manifest())
    return {
        stream["name"]: stream["schema_loader"]["schema"]
        for entry in manifest["streams"]
        for stream in streams_of(entry)
    }


def lists_of(schema: Any) -> Iterator[str]:
    """Return the last names of the lists in a schema."""
    for name, field in (schema.get("properties") or {}).items():
        if "items" in field:
            yield name
            yield from lists_of(field["items"])
        yield from lists_of(field)


def test_every_list_of_the_schemas_is_a_set_or_ordered() -> None:
    found = {
        (name, stream)
        for stream, schema in schemas().items()
        if not stream.startswith("entity_changes")
        for name in lists_of(schema)
    }

    names = {name for name, _ in found}
    assert not SETS.keys() & ORDERED_LISTS.keys()
    assert names == SETS.keys() | ORDERED_LISTS.keys() - {"value"}
    for name, streams in ORDERED_LISTS.items():
        if name != "value":
            assert {stream for each, stream in found if each == name} == {*streams}, name


@pytest.mark.parametrize("name", sorted(SETS))
def test_the_order_of_a_set_does_not_count(name: str) -> None:
    one, other = SETS[name]

    assert fingerprint({name: [one, other]}) == fingerprint({name: [other, one]})
    assert fingerprint({"x": {name: [one, other]}}) == fingerprint({"x": {name: [other, one]}})
    assert fingerprint({name: [one, other]}) != fingerprint({name: [one, one]})
    assert fingerprint({name: [one, one]}) != fingerprint({name: [one]})


@pytest.mark.parametrize("name", sorted(ORDERED_LISTS))
@pytest.mark.parametrize("items", [(A, B), ("LOW", "HIGH"), ({"id": A}, {"id": B})], ids=str)
def test_the_order_of_an_ordered_list_counts(name: str, items: tuple[Any, Any]) -> None:
    one, other = items

    assert fingerprint({name: [one, other]}) != fingerprint({name: [other, one]})
    assert fingerprint({"x": [{name: [one, other]}]}) != fingerprint({"x": [{name: [other, one]}]})


def test_a_fingerprint_fits_48_bits_and_is_never_zero() -> None:
    found = {fingerprint({"a": number}) for number in range(2000)}

    assert len(found) == 2000
    assert all(0 < each < 2**48 for each in found)
    assert max(found) > 2**44


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    """The state outlives the process, and Python's own hash does not."""
    assert fingerprint({"id": A, "tagIds": [B, A], "rate": 1.5, "note": None}) == fingerprint(
        {"rate": 1.5, "id": A, "tagIds": [A, B]}
    )
    assert fingerprint({}) == 198705579354541


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
