"""Clockify's change feeds, which name created, updated and deleted time entries.

The feeds `/entities/created`, `/updated` and `/deleted` are experimental
(https://docs.clockify.me/#tag/Entity-changes-(Experimental)) and known to omit changes. On the
Enterprise plan the audit log names time entries as well. Only the id of an entry is trusted, see
hints.py.
"""

import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from source_clockify.change_tracking.hint_state import Candidate, Named
from source_clockify.change_tracking.lookups import (
    AUDITED_TIME,
    CHANGE_FEED,
    TIME_ENTRY_CODES,
    LookupResult,
    Lookups,
)
from source_clockify.change_tracking.plan import FEED_OVERLAP
from source_clockify.timestamps import DAY, format_second, second_of

# Each request reaches this far back before the end of the previous one.
OVERLAP = FEED_OVERLAP

# Clockify's 30 days may be calendar days; 29 times 24 hours never touch more than 30.
_WINDOW = 29 * DAY
# Clockify keeps no older events.
_LONGEST = 364 * DAY

# The most rows of a feed that are read in a sync. The next one reads the rest.
MOST_ROWS = 10_000
FREE_MOST_ROWS = 250

_ENTRY, *_PARTS = TIME_ENTRY_CODES
_ID = re.compile("[0-9a-f]{24}")
_VERBS = {
    "CREATE": Named.CREATED,
    "RESTORE": Named.UPDATED,
    "UPDATE": Named.UPDATED,
    "DELETE": Named.DELETED,
}


@dataclass(frozen=True)
class Event:
    """A row of a feed.

    Attributes:
        identity: a hash of document code, entry and time; 48 bits.
        candidate: the entry that the row names.
    """

    identity: int
    candidate: Candidate


@dataclass(frozen=True)
class FeedRead:
    """What the feeds of a workspace returned in this sync. Times are in seconds since 1970.

    Attributes:
        events: without duplicates.
        until: the time up to which all readable feeds were read; None if they were not.
        refusals: why feeds were refused or the audit log failed, in sentences.
        failure: why the feeds cannot be read any further; "" if they can.
        began_late: where the feeds were read from if that is later than requested; None otherwise.
        knows_updates: whether the feed of updated entries named an entry.
        answered: whether that feed was answered.
    """

    events: tuple[Event, ...] = ()
    until: int | None = None
    refusals: tuple[str, ...] = ()
    failure: str = ""
    began_late: int | None = None
    knows_updates: bool = False
    answered: bool = False


@dataclass(frozen=True)
class _Feed:
    """One list of events.

    Attributes:
        stream: the lookup stream that reads it.
        partition: the partition to read.
        named: how it names its entries; None if each row says so itself.
        moment: the path of columns to the time of the event.
    """

    stream: str
    partition: Mapping[str, str]
    named: Named | None
    moment: tuple[str, ...]


_CHANGES = (
    _Feed(CHANGE_FEED, {"change": "created"}, Named.CREATED, ("auditMetadata", "createdAt")),
    _Feed(CHANGE_FEED, {"change": "updated"}, Named.UPDATED, ("auditMetadata", "updatedAt")),
    _Feed(CHANGE_FEED, {"change": "deleted"}, Named.DELETED, ("deletedAt",)),
)
_AUDIT = tuple(
    _Feed(AUDITED_TIME, {"authors": authors}, None, ("timestamp",))
    for authors in ("EVERYBODY", "SYSTEM")
)


@dataclass
class _Reading:
    """The progress of reading one workspace."""

    events: dict[int, Event] = field(default_factory=dict)
    rows: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    answered: set[Named | None] = field(default_factory=set)
    failure: str = ""
    knows_updates: bool = False


class ChangeFeeds:
    """Reads the feeds, once for all streams that start from the same moment.

    Streams that start from different moments need separate requests: Clockify omits updates and
    deletions of an entry that was created after the start of the requested window. Worker threads
    share it under its lock.

    Args:
        lookups: makes the requests.
        now: when the sync began, in seconds since 1970.
        most: the most rows of a feed.
        audited: the workspaces whose audit log is read too.
    """

    def __init__(
        self,
        lookups: Lookups,
        now: int,
        most: int,
        audited: Collection[str],
    ) -> None:
        self._lookups = lookups
        self._now = now
        self._most = most
        self._audited = audited
        self._lock = threading.Lock()
        self._found: dict[tuple[str, int], FeedRead] = {}

    def read(self, workspace_id: str, since: int) -> FeedRead:
        """Return what the feeds of a workspace report from a moment on, in seconds since 1970."""
        with self._lock:
            if (workspace_id, since) not in self._found:
                self._found[workspace_id, since] = self._read(workspace_id, since)
            return self._found[workspace_id, since]

    def _read(self, workspace_id: str, since: int) -> FeedRead:
        feeds = [*_CHANGES, *(_AUDIT if workspace_id in self._audited else ())]
        start = first = max(since, self._now - _LONGEST)
        reading = _Reading()
        until: int | None = None
        while start < self._now and reading.rows < self._most:
            end = self._read_window(workspace_id, feeds, start, reading)
            if end is None:
                break
            start = until = end
        return FeedRead(
            tuple(reading.events.values()),
            until,
            tuple(dict.fromkeys(reading.refused.values())),
            reading.failure,
            first if first > since else None,
            reading.knows_updates,
            Named.UPDATED in reading.answered,
        )

    def _read_window(
        self, workspace_id: str, feeds: Sequence[_Feed], start: int, reading: _Reading
    ) -> int | None:
        """Read all feeds from a moment on; return the end, None if one failed or all refused."""
        end = min(start + _WINDOW, self._now)
        pages: dict[int, list[dict[str, Any]]] = {}
        number = 0
        while number < len(feeds):
            feed = feeds[number]
            if number in reading.refused or number in pages:
                number += 1
                continue
            answer = self._lookups.feed(
                feed.stream,
                {"workspace_id": workspace_id, **feed.partition},
                {"start_time": format_second(start), "end_time": format_second(end)},
                # A single second cannot be split.
                self._most if end - start > 1 else None,
            )
            if answer.is_cut:
                end = _earlier_end(start, end, [_moment(feed, row) for row in answer.rows])
                pages.clear()
                number = 0
            elif answer.result is LookupResult.FAILED and feed.named is not None:
                reading.failure = answer.message
                return None
            elif answer.result is LookupResult.FOUND:
                pages[number] = answer.rows
            else:
                # A failing audit log does not keep the change feeds from being read.
                reading.refused[number] = answer.message
        for place, rows in pages.items():
            reading.rows += len(rows)
            self._note(workspace_id, feeds[place], rows, (start, end), reading)
        reading.answered.update(feeds[place].named for place in pages)
        return end if pages else None

    def _note(
        self,
        workspace_id: str,
        feed: _Feed,
        rows: Iterable[Mapping[str, Any]],
        window: tuple[int, int],
        reading: _Reading,
    ) -> None:
        for row in rows:
            for event in _events(feed, row, workspace_id, window):
                reading.events.setdefault(event.identity, event)
                if feed.named is Named.UPDATED:
                    reading.knows_updates = True


def _earlier_end(start: int, end: int, moments: Sequence[int | None]) -> int:
    """Return an earlier end for a window with too many rows, of which the first ones are known."""
    found = [moment for moment in moments if moment is not None and start <= moment <= end]
    middle = sorted(found)[len(found) // 2] if found else (start + end) // 2
    if found and found[0] > found[-1]:
        # Newest first: the older rows are on later pages.
        middle = (start + middle) // 2
    return max(min(middle, end) - 1, start + 1)


def _moment(feed: _Feed, row: Mapping[str, Any]) -> int | None:
    value: Any = row
    for column in feed.moment:
        value = value.get(column) if isinstance(value, Mapping) else None
    return second_of(value)


def _events(
    feed: _Feed, row: Mapping[str, Any], workspace_id: str, window: tuple[int, int]
) -> Iterator[Event]:
    """Yield the events of a row, if it names a time entry of the workspace."""
    moment, (start, end) = _moment(feed, row), window
    # A row whose time lies outside of its window is new nevertheless.
    at = moment if moment is not None and start <= moment <= end else end
    found = (
        _found_in_change(feed.named, row) if feed.named is not None else _found_in_audit_row(row)
    )
    for identifier, named, entry in found:
        if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
            continue
        if entry.get("workspaceId") not in (None, workspace_id):
            continue
        user_id = entry.get("userId")
        interval = entry.get("timeInterval")
        began = interval.get("start") if isinstance(interval, Mapping) else None
        candidate = Candidate(
            identifier,
            named,
            at,
            user_id if isinstance(user_id, str) and _ID.fullmatch(user_id) else "",
            second_of(began),
        )
        yield Event(_identity(str(named.value), identifier, str(moment)), candidate)


# The id of an entry, how it is named, and its details in the feed.
_Found = tuple[Any, Named, Mapping[str, Any]]


def _found_in_change(named: Named, row: Mapping[str, Any]) -> Iterator[_Found]:
    code = row.get("documentCode") or _ENTRY
    document = row.get("document")
    entry = document if isinstance(document, Mapping) else row
    if code == _ENTRY:
        yield row.get("id") or entry.get("id"), named, entry
    elif code in _PARTS or "TIME" in str(code):
        # Adding or removing a rate or custom field value changes the entry.
        names = ("timeEntryId", "entryId")
        identifier = next((entry[name] for name in names if name in entry), row.get("id"))
        yield identifier, Named.IN_PART, entry


def _found_in_audit_row(row: Mapping[str, Any]) -> Iterator[_Found]:
    action = str(row.get("action"))
    named = _VERBS.get(action.partition("_")[0])
    if named is None or "_TIME" not in action:
        return
    for column in ("content", "previousContent"):
        entries = _json(row.get(column))
        if entries:
            for entry in entries:
                yield entry.get("id") or entry.get("_id"), named, entry
            return


def _json(text: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a JSON text that holds a list or a single object."""
    if isinstance(text, str):
        try:
            text = orjson.loads(text)
        except orjson.JSONDecodeError:
            return []
    found = text if isinstance(text, list) else [text]
    return [each for each in found if isinstance(each, Mapping)]


def _identity(*parts: str) -> int:
    digest = blake2b("\x1f".join(parts).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")
