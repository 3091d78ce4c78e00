"""Whether a record changed: a hash of its content, 48 bits."""

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any

import orjson

# Lists whose order counts whatever they hold, and the streams that have them. A list of that name
# is ordered in every stream; any other is a set if its values look like those of one.
ORDERED_LISTS: Mapping[str, tuple[str, ...]] = {
    # The choices of a dropdown, and those made.
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
# Columns of which one alone identifies an object, and those that do so together.
_IDENTITY = ("id", "_id", "customFieldId")
_SHARED_IDENTITIES = (("userId", "membershipType"), ("userId", "role"))

_ID_LENGTH, _ID_DIGITS = 24, "0123456789abcdef"
# Below it every whole float is an integer.
_EXACT = 2**53


def fingerprint(record: Mapping[str, Any], left_out: Collection[str] = ()) -> int:
    """Return a number from 1 to 2**48 - 1 that is the same as long as the content is.

    A null is as good as absent; the order of keys does not count, nor that of sets: lists of ids,
    of names in capitals, or of objects with an id. Numbers are compared to six decimals. Columns
    of `left_out` do not count.
    """
    counted = {
        name: value if type(value) is str else _canonical(value, name)
        for name, value in record.items()
        if value is not None and name not in left_out
    }
    text = orjson.dumps(counted, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(blake2b(text, digest_size=6).digest(), "big") or 1


def _canonical(value: Any, name: str) -> Any:
    """Return the value of a column, or of an item of a list in it, in its canonical form."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        return {
            key: part if type(part) is str else _canonical(part, key)
            for key, part in value.items()
            if part is not None
        }
    if kind is list:
        if not value:
            return value
        # A list in a list has no name of its own, so its order counts.
        parts = [_canonical(part, "") for part in value]
        if len(parts) < 2 or not name or name in ORDERED_LISTS:
            return parts
        if all(type(part) is str for part in parts):
            return sorted(parts) if _are_ids(parts) or _are_capitals(parts) else parts
        if all(type(part) is dict and _has_identity(part) for part in parts):
            return sorted(parts, key=_text)
        return parts
    if kind is float:
        rounded = round(value, 6)
        return int(rounded) if rounded.is_integer() and abs(rounded) < _EXACT else rounded
    # Beyond 64 bits orjson knows no integers.
    return value if kind is not int or -(2**63) <= value < 2**64 else str(value)


def _are_ids(texts: list[str]) -> bool:
    return all(len(text) == _ID_LENGTH and not text.strip(_ID_DIGITS) for text in texts)


def _are_capitals(texts: list[str]) -> bool:
    """Return whether texts are all names such as `ADD_TIME_FOR_OTHERS`."""
    return all(
        text.isascii() and text.isupper() and text.replace("_", "").isalnum() for text in texts
    )


def _has_identity(part: Mapping[str, Any]) -> bool:
    return any(column in part for column in _IDENTITY) or any(
        all(column in part for column in columns) for columns in _SHARED_IDENTITIES
    )


def _text(part: Any) -> bytes:
    return orjson.dumps(part, option=orjson.OPT_SORT_KEYS)


def fingerprinter(
    ignored: Collection[str], volatile_while_running: Collection[str]
) -> Callable[[Mapping[str, Any]], int]:
    """Return a function as `fingerprint` that leaves columns out.

    `volatile_while_running` counts for records whose `timeInterval` has no end; `a.b` is the
    column b within a.
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
    """Return whether a record is a time entry whose timer runs."""
    interval = record.get("timeInterval")
    return isinstance(interval, dict) and bool(interval.get("start")) and not interval.get("end")


def _without(record: dict[str, Any], path: list[str]) -> dict[str, Any]:
    first, *rest = path
    if rest and isinstance(record.get(first), dict):
        return {**record, first: _without(record[first], rest)}
    return {name: value for name, value in record.items() if name != first} if not rest else record
