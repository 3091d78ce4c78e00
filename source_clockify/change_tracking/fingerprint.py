"""Detects whether a record changed, by a 48-bit hash of its content."""

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any

import orjson

# Lists whose order matters regardless of their values, and the streams that have them. A list of
# that name is ordered in every stream; any other is a set if its values look like those of one.
ORDERED_LISTS: Mapping[str, tuple[str, ...]] = {
    # The choices of a dropdown, and the selected ones.
    "allowedValues": ("custom_fields", "project_custom_fields", "member_profiles"),
    "value": ("time_entries", "detailed_report", "users", "member_profiles", "approval_requests"),
    "projectDefaultValues": ("custom_fields", "project_custom_fields", "member_profiles"),
    "items": ("invoice_details",),
    # Groups of a report as it is sorted, and the columns by which it groups or exports.
    "children": ("summary_report", "weekly_report"),
    "groups": ("shared_reports",),
    "exportFields": ("expense_report",),
    # Days and sums.
    "days": ("summary_report", "weekly_report"),
    "totalHoursPerDay": ("scheduling_user_totals",),
    "assignments": ("scheduling_project_totals",),
    "amounts": ("detailed_report", "summary_report", "weekly_report"),
    "amountByCurrency": ("detailed_report", "summary_report", "weekly_report"),
    "ccEmails": ("clients",),
}
# Columns that identify an object alone, and those that do so together.
_IDENTITY = frozenset({"id", "_id", "customFieldId"})
_SHARED_IDENTITIES = (frozenset({"userId", "membershipType"}), frozenset({"userId", "role"}))

_ID_LENGTH, _ID_DIGITS = 24, "0123456789abcdef"
# Types whose values are canonical as they are; integers of up to 64 bits.
_PLAIN = frozenset({str, bool, int})
# Below it every integral float is an exact integer.
_EXACT = 2**53


def fingerprint(record: Mapping[str, Any], left_out: Collection[str] = ()) -> int:
    """Return a number from 1 to 2**48 - 1 that depends only on the content of a record.

    Null equals absent. The order of keys does not matter, nor that of sets: lists of ids, of names
    in capitals, or of objects with an id. Numbers are compared to six decimals. Columns in
    `left_out` are ignored.
    """
    try:
        text = _canonical_text(record, left_out)
    except orjson.JSONEncodeError:
        text = _canonical_text(_without_large(record), left_out)
    return int.from_bytes(blake2b(text, digest_size=6).digest(), "big") or 1


def _canonical_text(record: Mapping[str, Any], left_out: Collection[str]) -> bytes:
    counted = {
        name: value if type(value) in _PLAIN else _canonical(value, name)
        for name, value in record.items()
        if value is not None and name not in left_out
    }
    return _text(counted)


def _canonical(value: Any, name: str) -> Any:
    """Return the canonical form of a column's value, or of an item in its list."""
    kind = type(value)
    if kind is dict:
        for part in value.values():
            if type(part) not in _PLAIN:
                return {
                    key: part if type(part) in _PLAIN else _canonical(part, key)
                    for key, part in value.items()
                    if part is not None
                }
        return value
    if kind is list:
        return _canonical_list(value, name) if value else value
    if kind is float:
        rounded = round(value, 6)
        return int(rounded) if rounded.is_integer() and abs(rounded) < _EXACT else rounded
    return value


def _canonical_list(values: list[Any], name: str) -> list[Any]:
    # A list within a list has no name of its own, so its order matters.
    parts = [part if type(part) in _PLAIN else _canonical(part, "") for part in values]
    if len(parts) < 2 or not name or name in ORDERED_LISTS:
        return parts
    kinds = {*map(type, parts)}
    if kinds == {str}:
        ordered = sorted(parts)
        is_set = ordered != parts and (_are_ids(parts) or _are_capitals(parts))
        return ordered if is_set else parts
    if kinds == {dict} and all(map(_has_identity, parts)):
        return sorted(parts, key=_text)
    return parts


def _without_large(value: Any) -> Any:
    """Return a value with texts in place of integers that orjson does not support."""
    if type(value) is dict:
        return {name: _without_large(part) for name, part in value.items()}
    if type(value) is list:
        return [_without_large(part) for part in value]
    return value if type(value) is not int or -(2**63) <= value < 2**64 else str(value)


def _are_ids(texts: list[str]) -> bool:
    return {*map(len, texts)} == {_ID_LENGTH} and not "".join(texts).strip(_ID_DIGITS)


def _are_capitals(texts: list[str]) -> bool:
    """Return whether all texts are names such as `ADD_TIME_FOR_OTHERS`."""
    return all(
        text.isascii() and text.isupper() and text.replace("_", "").isalnum() for text in texts
    )


def _has_identity(part: Mapping[str, Any]) -> bool:
    return not _IDENTITY.isdisjoint(part) or any(
        columns.issubset(part) for columns in _SHARED_IDENTITIES
    )


def _text(part: Any) -> bytes:
    return orjson.dumps(part, option=orjson.OPT_SORT_KEYS)


def fingerprinter(
    ignored: Collection[str], volatile_while_running: Collection[str]
) -> Callable[[Mapping[str, Any]], int]:
    """Return a function like `fingerprint` that ignores columns.

    `volatile_while_running` applies to records whose `timeInterval` has no end; `a.b` is column b
    within a.
    """
    left_out = frozenset(ignored)
    volatile = [name.split(".") for name in volatile_while_running]

    def of(record: Mapping[str, Any]) -> int:
        if volatile and is_running(record):
            shown = dict(record)
            for path in volatile:
                shown = _without(shown, path)
            return fingerprint(shown, left_out)
        return fingerprint(record, left_out)

    return of


def is_running(record: Mapping[str, Any]) -> bool:
    """Return whether a record is a time entry with a running timer."""
    interval = record.get("timeInterval")
    return isinstance(interval, dict) and bool(interval.get("start")) and not interval.get("end")


def _without(record: dict[str, Any], path: list[str]) -> dict[str, Any]:
    first, *rest = path
    if rest and isinstance(record.get(first), dict):
        return {**record, first: _without(record[first], rest)}
    return {name: value for name, value in record.items() if name != first} if not rest else record
