"""Configurable flaws of change feeds and audit log: refused, incomplete, out of order.

Random choices depend only on the seed and the row: an omitted row is always omitted, and the order
is the same on every page.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

from clockify_sandbox.call import RULE_VIOLATED, TYPE_MISMATCH, ApiError, Call, error
from clockify_sandbox.state import Settings
from clockify_sandbox.store import Row

Item = TypeVar("Item")
AUDIT_LOG = "audit_log"
FEEDS = ("created", "updated", "deleted", AUDIT_LOG)


def check(wanted: Row) -> None:
    """Raise ValueError for invalid settings."""
    drop = wanted.get("feed_drop", 0)
    shares: Row = drop if isinstance(drop, dict) else dict.fromkeys(FEEDS, drop)
    if shares.keys() - set(FEEDS) or not all(_is_percentage(each) for each in shares.values()):
        raise ValueError(f"feed_drop must be a number from 0 to 100, or one for each of {FEEDS}")
    for name in ("feed_seed", "feed_repeats"):
        value = wanted.get(name, 0)
        if type(value) is not int or value < 0:
            raise ValueError(f"{name} must be a whole number, 0 or more")


def _is_percentage(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100  # type: ignore[operator]


def is_dropped(settings: Settings, feed: str, code: str, entity_id: str, at: object) -> bool:
    """Whether a feed omits a row."""
    drop = settings.feed_drop
    percent = drop.get(feed, 0) if isinstance(drop, dict) else drop
    drawn = _drawn(settings.feed_seed, feed, code, entity_id, at) if percent else 0
    return bool(percent) and drawn % 10_000 < percent * 100


def arranged(
    settings: Settings, rows: list[Item], key: Callable[[Item], tuple[Any, ...]]
) -> Sequence[Item]:
    """The rows of a feed in the configured order, some of them duplicated."""
    if settings.feed_order == "descending":
        rows = rows[::-1]
    elif settings.feed_order == "shuffled":
        rows = sorted(rows, key=lambda row: _drawn(settings.feed_seed, *key(row)))
    every = settings.feed_repeats
    if not every:
        return rows
    return [row for turn, row in enumerate(rows, 1) for _ in range(1 + (turn % every == 0))]


def part_id(code: str, entry_id: str) -> str:
    """An id for a part of a time entry, created in the same second."""
    return entry_id[:8] + blake2b(f"{code} {entry_id}".encode(), digest_size=8).hexdigest()


def refuse(call: Call) -> None:
    """Refuse a request for a feed if the setting demands it."""
    match call.state.settings.feed_refused:
        case "400":
            raise error(400, "Entity changes are not available", RULE_VIOLATED)
        case "401":
            raise error(401, "Entity changes are not available on this plan", None)
        case "403":
            raise error(403, "Access Denied", RULE_VIOLATED)
        case "404":
            raise error(404, f"No static resource {call.path.lstrip('/')}.", TYPE_MISMATCH)
        case "empty_403":
            raise ApiError(403, None)


def _drawn(seed: int, *marks: object) -> int:
    return int.from_bytes(blake2b(repr((seed, *marks)).encode(), digest_size=8).digest(), "big")
