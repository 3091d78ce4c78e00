"""What of a partition is new, changed, due again, and missing.

A partition of the stream is all that one workspace (user, project ...) holds; the manifest may read
it in several slices, by several threads. Each compares on its own; what they saw is put together
when the last of them has ended.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from source_clockify.change_tracking.fingerprint import is_running
from source_clockify.change_tracking.plan import (
    SyncBounds,
    Unknown,
    Window,
    cursor_text,
    read_at,
    retention_start,
)
from source_clockify.change_tracking.profiles import Kind, StreamSpec
from source_clockify.change_tracking.rows import (
    Pending,
    Row,
    Rows,
    is_due,
    resent,
)
from source_clockify.change_tracking.state import PartitionState
from source_clockify.timestamps import second_of


@dataclass(frozen=True)
class Versions:
    """What this sync stamps on what it sends.

    Attributes:
        current: the version of this sync, in milliseconds since 1970.
        resend: in how many later syncs a change is sent again.
        now: when this sync began, in seconds since 1970.
    """

    current: int
    resend: int
    now: int

    @cached_property
    def pending(self) -> Pending | None:
        """What is to be sent again of a change that this sync finds."""
        return Pending(self.current, self.resend, self.now) if self.resend else None

    def is_due(self, pending: Pending | None) -> bool:
        return self.resend > 0 and is_due(pending, self.now)


@dataclass
class Comparison:
    """Compares the records of one slice with what is known of their partition.

    Attributes:
        known: the rows of the partition; empty in a baseline.
        elsewhere: returns what is known of a record in another partition; None where none moves.
        claim: takes note that a record is sent, or returns with which fingerprint it was already.
        unknown: tells what a record is that `known` lacks.
        retained_since: the start before which a record of a baseline need not be remembered.
        columns: collects those that the records have; None where nobody needs them.
        seen: the rows of the records that came.
        counts: how many were `sent`, and how many `again`.
    """

    tracking: StreamSpec
    versions: Versions
    key: Callable[[Mapping[str, Any]], str | None]
    fingerprint: Callable[[Mapping[str, Any]], int]
    known: Mapping[str, Row]
    elsewhere: Callable[[str], Row | None] | None
    claim: Callable[[str, int], int | None]
    unknown: Unknown
    retained_since: int
    columns: set[str] | None = None
    seen: Rows = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._column = self.tracking.profile.start
        self._has_timers = self.tracking.profile.kind is Kind.WINDOWED_SNAPSHOT
        # Most of a new partition is older than what is remembered, and told by its text alone.
        self._kept_text = (
            cursor_text(self.tracking, self.retained_since) if self.unknown.is_new else ""
        )

    def version_of(self, record: Mapping[str, Any]) -> int | None:
        """Return the version with which a record is to be sent, None if it is not."""
        if self.columns is not None:
            self.columns.update(record)
        version = self._version_of(record)
        if version is not None:
            self.counts["sent" if version == self.versions.current else "resent"] += 1
        return version

    def _version_of(self, record: Mapping[str, Any]) -> int | None:
        text = record.get(self._column) if self._column else None
        running = self._has_timers and is_running(record)
        if (
            type(text) is str
            and len(text) == len(self._kept_text)
            and text < self._kept_text
            and not running
        ):
            return self.versions.current
        key = self.key(record)
        if key is None:
            # What has no key cannot be compared, nor be missing.
            self.counts["without key"] += 1
            return self.versions.current
        if key in self.seen:
            return None
        start = second_of(text)
        known = self.known.get(key)
        if known is None and self.elsewhere is not None:
            known = self.elsewhere(key)
        sent_once = False
        if known is None:
            if self.unknown.was_sent(start):
                return None
            sent_once = self.unknown.is_sent_once(start)
            is_old = start is not None and start < self.retained_since and not running
            if is_old and (sent_once or self.unknown.is_new):
                return self.versions.current
        row = Row(self.fingerprint(record), start, running=running)
        version = classify_change(known, row, self.versions)
        if sent_once:
            row.pending = None
        sent = None if version is None else self.claim(key, row.fingerprint)
        if sent is not None:
            version = None
            # Sent with other content, it counts as changed in the next sync.
            row.fingerprint = row.fingerprint if sent == row.fingerprint else 0
        self.seen[key] = row
        return version


def classify_change(known: Row | None, found: Row, versions: Versions) -> int | None:
    """Return with which version a record that was found is sent, None if it is not.

    `found` is told what is still to be sent of it.
    """
    if known is None or known.deleted or known.fingerprint != found.fingerprint:
        found.pending = versions.pending
        return versions.current
    if known.pending is None or not versions.resend:
        return None
    if versions.is_due(known.pending):
        found.pending = resent(known.pending, versions.now)
        return known.pending.updated_at
    found.pending = known.pending
    return None


@dataclass(frozen=True)
class PartitionDiff:
    """What a partition looks like after it was read.

    Attributes:
        state: what is known of it now; None if it is still to be read from the beginning.
        missing: the keys that a complete read did not bring although it should have.
        asked: the keys that no window reads but that are to be looked at.
        expected: how many records it should have brought.
        hidden: how many it did not bring because it was read with other rights than before.
        is_empty: whether it brought none at all.
    """

    state: PartitionState | None
    missing: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    expected: int = 0
    hidden: int = 0
    is_empty: bool = False


def partial_diff(
    known: PartitionState | None, rows: Mapping[str, Row], seen: Rows
) -> PartitionDiff:
    """Return the outcome of a read that failed or was refused: it tells of what came, only."""
    if known is None:
        return PartitionDiff(None)
    return PartitionDiff(known.with_rows({**rows, **seen}))


def diff_partition(
    tracking: StreamSpec,
    bounds: SyncBounds,
    versions: Versions,
    window: Window,
    known: PartitionState | None,
    known_rows: Mapping[str, Row],
    seen: Rows,
    history_start: int | None,
    access: str,
) -> PartitionDiff:
    """Return the outcome of a complete read."""
    began = read_at(known, bounds)
    retained_since = retention_start(tracking, seen, began, bounds)
    rows = {key: row for key, row in seen.items() if stays(row, retained_since)}
    missing: list[str] = []
    asked: list[str] = []
    expected = hidden = 0
    former = known.former_access if known else ""
    returned = bool(former) and former == access
    # Whose rights the last read had may be unknown: then nothing is decided before the next sync.
    unknown_rights = known is not None and not known.access and tracking.profile.deletions
    other_rights = (
        known is not None and known.access != access and not returned and not unknown_rights
    )
    for key, row in known_rows.items():
        due = window.holds(row) or row.missing
        expected += due and not row.deleted and not (row.hidden and not returned)
        if key in seen:
            continue
        if row.deleted:
            rows[key] = row
        elif not tracking.profile.deletions or (row.hidden and not returned):
            # An event without a time would stay for ever.
            is_event = tracking.profile.kind in (Kind.EVENT_LOG, Kind.UPDATED_AT)
            if stays(row, retained_since) and not (is_event and row.start is None):
                rows[key] = row
        elif unknown_rights and due:
            rows[key] = replace(row, missing=True, hidden=False)
        elif other_rights and (due or row.running or row.pending):
            rows[key] = replace(row, missing=False, hidden=True)
            hidden += 1
        elif due:
            rows[key] = replace(row, missing=True, hidden=False)
            missing.append(key)
        elif tracking.profile.by_id and (row.running or versions.is_due(row.pending)):
            rows[key] = row
            asked.append(key)
        elif (row.start is not None and window.end is not None and row.start > window.end) or (
            row.pending and versions.resend
        ):
            rows[key] = row
    state = PartitionState(
        read_at=began,
        history_start=history_start,
        retained_since=retained_since,
        access=access,
        former_access="" if returned else former or (known.access if known and hidden else ""),
        dated=tracking.date_column is not None,
    )
    return PartitionDiff(
        state.with_rows(rows), tuple(missing), tuple(asked), expected, hidden, not seen
    )


def stays(row: Row, retained_since: int) -> bool:
    """Tell whether a record stays in the state after it was read."""
    return (
        row.start is None or row.start >= retained_since or row.running or row.pending is not None
    )
