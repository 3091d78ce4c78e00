"""Whether a record changed: a hash of its content (design of the state, 64 bits a record)."""

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any

import orjson

_ID_LENGTH = 24
# Below it every whole float is an integer.
_EXACT = 2**53


def fingerprint(record: Mapping[str, Any], left_out: Collection[str] = ()) -> int:
    """Return a number from 1 to 2**64 - 1 that is the same as long as the content is.

    A null is as good as absent; the order of keys does not count, nor that of lists of ids; numbers
    are compared to six decimals. Columns of `left_out` do not count.
    """
    counted = {
        name: value if type(value) is str else _canonical(value)
        for name, value in record.items()
        if value is not None and name not in left_out
    }
    text = orjson.dumps(counted, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") or 1


def _canonical(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        return {
            name: part if type(part) is str else _canonical(part)
            for name, part in value.items()
            if part is not None
        }
    if kind is list:
        if all(type(part) is str and len(part) == _ID_LENGTH for part in value):
            return sorted(value)
        return [_canonical(part) for part in value]
    if kind is float:
        rounded = round(value, 6)
        return int(rounded) if rounded.is_integer() and abs(rounded) < _EXACT else rounded
    # Beyond 64 bits orjson knows no integers.
    return value if kind is not int or -(2**63) <= value < 2**64 else str(value)


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
    """Tell whether a record is a time entry whose timer runs."""
    interval = record.get("timeInterval")
    return isinstance(interval, dict) and bool(interval.get("start")) and not interval.get("end")


def _without(record: dict[str, Any], path: list[str]) -> dict[str, Any]:
    first, *rest = path
    if rest and isinstance(record.get(first), dict):
        return {**record, first: _without(record[first], rest)}
    return {name: value for name, value in record.items() if name != first} if not rest else record
