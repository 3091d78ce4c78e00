"""The difference between the saved state of a partition and a new read.

A partition holds all records of a stream that belong to one workspace (user, project ...). The
manifest may read it in several slices and threads. Each slice is compared on its own; their rows
are merged when the last slice has ended.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from itertools import repeat
from typing import Any

from source_clockify.change_tracking.fingerprint import is_running
from source_clockify.change_tracking.open_rows import KeyTable, SavedRows, SeenRows
from source_clockify.change_tracking.plan import ReadPlan, UnknownRecord, cursor_text
from source_clockify.change_tracking.profiles import Kind
from source_clockify.change_tracking.rows import (
    DELETED,
    FINGERPRINT_BITS,
    HIDDEN,
    MISSING,
    NO_START,
    PackedKey,
    Pending,
    Row,
    Rows,
    is_due,
    is_retained,
    pack_key,
    resent,
    unpack_key,
)
from source_clockify.change_tracking.state import PartitionState
from source_clockify.timestamps import second_of

_EMITTED_PARTS = 64
_FINGERPRINT_BYTES = FINGERPRINT_BITS // 8


@dataclass(frozen=True)
class Versions:
    """The versions that this sync assigns.

    Attributes:
        current: the version of this sync, in milliseconds since 1970.
        resend: the number of later syncs in which a change is resent.
        now: when this sync began, in seconds since 1970.
    """

    current: int
    resend: int
    now: int

    @cached_property
    def pending(self) -> Pending | None:
        """The resends of a change found in this sync."""
        return Pending(self.current, self.resend, self.now) if self.resend else None

    def is_due(self, pending: Pending | None) -> bool:
        return self.resend > 0 and is_due(pending, self.now)


def classify_change(
    known: Row | None, fingerprint: int, versions: Versions
) -> tuple[int | None, Pending | None]:
    """Return the version with which a record that was read is sent, and its remaining resends.

    The version is None if the record is not sent: it is unchanged, and no resend is due.
    """
    if known is None or known.deleted or known.fingerprint != fingerprint:
        return versions.current, versions.pending
    if known.pending is None or not versions.resend:
        return None, None
    if versions.is_due(known.pending):
        return known.pending.updated_at, resent(known.pending, versions.now)
    return None, known.pending


def is_known(row: Row | None) -> bool:
    """Return whether consumers have the record of a saved row, so that a new version changes it."""
    return row is not None and not row.deleted


class EmittedKeys:
    """The keys that this sync has emitted, so that each is emitted once. Threads share it.

    A record may occur in two partitions or two windows. A snapshot emits every record, so a key
    takes only 18 bytes for each id and its place in a table. There are several tables with a lock
    each, since threads that contend for one lock on every record would make little progress.
    """

    def __init__(self) -> None:
        self._parts = tuple(_EmittedKeysPart() for _ in range(_EMITTED_PARTS))

    def claim(self, key: PackedKey, fingerprint: int) -> int | None:
        """Reserve a key; return the fingerprint of the record emitted before, if any."""
        packed = pack_key(key) if type(key) is str else key
        # A table uses the lowest bits of the hash itself.
        return self._parts[(hash(packed) >> 40) % _EMITTED_PARTS].claim(packed, fingerprint)


class _EmittedKeysPart:
    """A part of `EmittedKeys`."""

    def __init__(self) -> None:
        # All keys in it have the same length.
        self._table: KeyTable | None = None
        self._others: dict[PackedKey, int] = {}
        self._lock = threading.Lock()

    def claim(self, packed: PackedKey, fingerprint: int) -> int | None:
        with self._lock:
            if type(packed) is not bytes:
                return self._claim_other(packed, fingerprint)
            if self._table is None:
                self._table = KeyTable(len(packed), len(packed) + _FINGERPRINT_BYTES)
            if len(packed) != self._table.key_bytes:
                return self._claim_other(packed, fingerprint)
            place = self._table.claim(packed, fingerprint.to_bytes(_FINGERPRINT_BYTES, "big"))
            return None if place < 0 else int.from_bytes(self._table.rest_of(place), "big")

    def _claim_other(self, key: PackedKey, fingerprint: int) -> int | None:
        emitted = self._others.get(key)
        if emitted is None:
            self._others[key] = fingerprint
        return emitted


@dataclass
class SliceDiff:
    """Compares the records of one slice with the saved state of their partition.

    Attributes:
        plan: of the partition.
        versions: of this sync.
        key: returns the key of a record; None if the record lacks one of its columns.
        fingerprint: returns the fingerprint of a record.
        known: the rows of the partition; empty in a snapshot.
        elsewhere: returns the row of a record in another partition; None if records cannot move.
        claim: reserves a key for emission, see `EmittedKeys.claim`.
        columns: collects the columns of the records; None where they are not needed.
        seen: the rows of the records that were read.
        counts: the numbers of records that were `sent`, `resent`, or sent `without key`; of the
            sent ones those that `changed`. `edited` counts records that were found changed.
    """

    plan: ReadPlan
    versions: Versions
    key: Callable[[Mapping[str, Any]], str | None]
    fingerprint: Callable[[Mapping[str, Any]], int]
    known: SavedRows
    elsewhere: Callable[[PackedKey], Row | None] | None
    claim: Callable[[PackedKey, int], int | None]
    columns: set[str] | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.seen = SeenRows(self.known)
        profile = self.plan.spec.profile
        self._column = profile.start
        self._has_timers = profile.has_timers
        self._is_new = self.plan.known is None
        self._unknown_of_new = self.plan.classify_unknown(None) if self._is_new else None
        self._retained_since = self.plan.retained_since
        # In a new partition most records start too early to be retained, as the text of their start
        # shows. If they cannot be known from another partition, they need no key.
        is_unknown = self._is_new and self.elsewhere is None
        retained_since = cursor_text(self.plan.spec, self.plan.retained_since)
        self._retained_text = retained_since if is_unknown else ""

    def versions_of(self, records: Sequence[Mapping[str, Any]]) -> Iterator[int | None]:
        """Yield the versions with which records are sent; None for one that is not sent."""
        if self.columns is not None:
            self.columns.update(*records)
        current = self.versions.current
        if self._are_too_early(records):
            self.counts["sent"] += len(records)
            yield from repeat(current, len(records))
            return
        for record in records:
            version = self._version_of(record)
            if version is not None:
                self.counts["sent" if version == current else "resent"] += 1
            yield version

    def _are_too_early(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether `_is_too_early` holds for all records."""
        if not self._retained_text:
            return False
        texts: list[Any] = [record.get(self._column or "") for record in records]
        return (
            {*map(type, texts)} == {str}
            and {*map(len, texts)} == {len(self._retained_text)}
            and max(texts) < self._retained_text
            and not (self._has_timers and any(map(is_running, records)))
        )

    def _is_too_early(self, text: Any, *, running: bool) -> bool:
        """Return whether a record of a new partition starts too early to be retained.

        Its text decides, since such a record needs neither a key nor a valid start.
        """
        return (
            type(text) is str
            and len(text) == len(self._retained_text)
            and text < self._retained_text
            and not running
        )

    def _version_of(self, record: Mapping[str, Any]) -> int | None:
        text = record.get(self._column) if self._column else None
        running = self._has_timers and is_running(record)
        if self._is_too_early(text, running=running):
            return self.versions.current
        key = self.key(record)
        if key is None:
            # A record without a key can neither be compared nor be missing.
            self.counts["without key"] += 1
            return self.versions.current
        packed = pack_key(key)
        place = self.known.find(packed)
        start = second_of(text)
        if place < 0:
            return self._version_of_unsaved(record, packed, start, running)
        if self.seen.has(packed, place):
            return None
        fingerprint = self.fingerprint(record)
        if self.seen.add_if_same(packed, place, fingerprint, start, running=running):
            return None
        known = self.known.row_at(place)
        version, pending = self._classified(known, fingerprint)
        if version is not None:
            version, fingerprint = self._claimed(packed, fingerprint, version, known)
        self.seen.put(packed, place, Row(fingerprint, start, pending, running=running))
        return version

    def _version_of_unsaved(
        self, record: Mapping[str, Any], key: PackedKey, start: int | None, running: bool
    ) -> int | None:
        """Return the version of a record without a packed row in its partition."""
        known = self.known.odd.get(unpack_key(key)) if self.known.odd else None
        if known is None and self.elsewhere is not None:
            known = self.elsewhere(key)
        if known is None:
            return self._version_of_unknown(record, key, start, running)
        if self.seen.has(key, -1):
            return None
        fingerprint = self.fingerprint(record)
        version, pending = self._classified(known, fingerprint)
        if version is not None:
            version, fingerprint = self._claimed(key, fingerprint, version, known)
        self.seen.put(key, -1, Row(fingerprint, start, pending, running=running))
        return version

    def _version_of_unknown(
        self, record: Mapping[str, Any], key: PackedKey, start: int | None, running: bool
    ) -> int | None:
        """Return the version of a record without a row."""
        unknown = self._unknown_of_new or self.plan.classify_unknown(start)
        if unknown is UnknownRecord.FORGOTTEN:
            return None
        is_old = start is not None and start < self._retained_since and not running
        if is_old and (self._is_new or unknown is UnknownRecord.BACKFILLED):
            # It would leave the state immediately.
            return None if self.seen.has(key, -1) else self.versions.current
        fingerprint = self.fingerprint(record)
        pending = None if unknown is UnknownRecord.BACKFILLED else self.versions.pending
        emitted = self.claim(key, fingerprint)
        if emitted is None and pending is None and not running:
            # The slice has not seen the key: only records with a saved row are seen unclaimed.
            self.seen.add_new(key, fingerprint, start)
            return self.versions.current
        if self.seen.has(key, -1):
            return None
        if emitted is not None and emitted != fingerprint:
            fingerprint = 0
        self.seen.put(key, -1, Row(fingerprint, start, pending, running=running))
        return None if emitted is not None else self.versions.current

    def _claimed(
        self, key: PackedKey, fingerprint: int, version: int, known: Row | None
    ) -> tuple[int | None, int]:
        """Return the version with which a record is sent, if any, and the fingerprint to save."""
        emitted = self.claim(key, fingerprint)
        if emitted is not None:
            # It was emitted with different content, so the next sync treats it as changed.
            return None, fingerprint if emitted == fingerprint else 0
        if version == self.versions.current and is_known(known):
            self.counts["changed"] += 1
        return version, fingerprint

    def _classified(self, known: Row | None, fingerprint: int) -> tuple[int | None, Pending | None]:
        version, pending = classify_change(known, fingerprint, self.versions)
        if known is not None and version == self.versions.current:
            self.counts["edited"] += 1
        return version, pending


class Access(Enum):
    """How the key owner's permissions compare with those of the last read.

    UNCHANGED: a missing record may be deleted.
    RESTORED: the permissions under which hidden records were seen are back.
    CHANGED: a missing record may be hidden.
    UNKNOWN: the permissions of the last read are unknown, so nothing is decided.
    """

    UNCHANGED = "unchanged"
    RESTORED = "restored"
    CHANGED = "changed"
    UNKNOWN = "unknown"


def compare_access(plan: ReadPlan, fingerprint: str) -> Access:
    """Compare the access fingerprint of a read with those of the saved state."""
    known = plan.known
    if known is None:
        return Access.UNCHANGED
    if not known.access and plan.spec.profile.deletions:
        return Access.UNKNOWN
    if known.former_access and known.former_access == fingerprint:
        return Access.RESTORED
    return Access.UNCHANGED if known.access == fingerprint else Access.CHANGED


@dataclass(frozen=True)
class PartitionDiff:
    """The result of reading a partition.

    Attributes:
        state: its new state; None if it must be read from the beginning.
        missing: the keys of records that a complete read should have returned but did not.
        to_verify: the keys of records outside of every window that must be looked up.
        expected: the number of saved records that the read should have returned.
        hidden: the number of records not returned because permissions changed.
        is_empty: whether the read returned no records.
        is_complete: whether this sync has read the whole partition.
    """

    state: PartitionState | None
    missing: tuple[str, ...] = ()
    to_verify: tuple[str, ...] = ()
    expected: int = 0
    hidden: int = 0
    is_empty: bool = False
    is_complete: bool = False


def partial_diff(known: PartitionState | None, seen: SeenRows) -> PartitionDiff:
    """Return the difference after a failed or refused read: only returned records count."""
    if known is None:
        return PartitionDiff(None)
    return PartitionDiff(replace(known, packed=seen.packed(dict(seen.unseen()))))


def resumed_diff(
    plan: ReadPlan, versions: Versions, rows: SavedRows, until: int | None
) -> PartitionDiff:
    """Return the difference of a partition that an earlier attempt of this sync has read.

    Its missing records are still to be resolved, and those outside of every window to be looked up.

    Args:
        rows: as the earlier attempt saved them.
        until: the last second of its window; None: no end.
    """
    live = 0
    missing: list[str] = []
    to_verify: list[str] = []
    for key, row in rows.items():
        if row.deleted or row.hidden:
            continue
        live += 1
        if row.missing:
            missing.append(key)
        elif (
            plan.spec.profile.by_id is not None
            and (row.running or versions.is_due(row.pending))
            and not plan.expects(row, until)
        ):
            to_verify.append(key)
    return PartitionDiff(
        None, tuple(missing), tuple(to_verify), expected=live, is_empty=len(missing) == live
    )


@dataclass(frozen=True)
class CompleteRead:
    """The result of a complete read of a partition.

    Attributes:
        seen: the rows of the records that were read.
        until: the last second of its window; None: no end.
        access: the access fingerprint with which it was read.
    """

    seen: SeenRows
    until: int | None
    access: str


class _Fate(Enum):
    """How to treat a saved row that a complete read did not return."""

    DROPPED = "dropped"
    RETAINED = "retained"
    HIDDEN = "hidden"
    UNDECIDED = "undecided"
    MISSING = "missing"
    TO_VERIFY = "to_verify"


def diff_partition(
    plan: ReadPlan, versions: Versions, known_rows: SavedRows, read: CompleteRead
) -> PartitionDiff:
    """Return the difference after a complete read."""
    retained_since = plan.retained_since_with(row.start for _, row in read.seen.items())
    access = compare_access(plan, read.access)
    rows: Rows = {}
    keys: dict[_Fate, list[str]] = {fate: [] for fate in _Fate}
    for key, row in read.seen.unseen():
        is_expected = plan.expects(row, read.until) or row.missing
        is_hidden = row.hidden and access is not Access.RESTORED
        if not plan.spec.profile.deletions and versions.is_due(row.pending):
            # A complete read no longer returns it, so it cannot be resent.
            row = replace(row, pending=None)
        if row.deleted:
            fate = _Fate.RETAINED
        elif not plan.spec.profile.deletions or is_hidden:
            fate = _fate_of_untracked(row, plan, retained_since)
        elif is_expected:
            fate = _fate_of_expected(access)
        else:
            fate = _fate_of_unexpected(row, plan, versions, access, read.until)
        keys[fate].append(key)
        if fate is _Fate.HIDDEN:
            rows[key] = replace(row, missing=False, hidden=True)
        elif fate in (_Fate.UNDECIDED, _Fate.MISSING):
            rows[key] = replace(row, missing=True, hidden=False)
        elif fate is not _Fate.DROPPED:
            rows[key] = row
    hidden = len(keys[_Fate.HIDDEN])
    state = PartitionState(
        read_at=plan.began,
        history_start=plan.history_start,
        retained_since=retained_since,
        access=read.access,
        former_access=_former_access(plan, access, hidden),
        limited_since=plan.known.limited_since if plan.known else None,
        dated=plan.spec.date_column is not None,
    )
    return PartitionDiff(
        replace(state, packed=read.seen.packed(rows, retained_since)),
        tuple(keys[_Fate.MISSING]),
        tuple(keys[_Fate.TO_VERIFY]),
        _count_expected(plan, known_rows, read.until, access),
        hidden,
        is_empty=not read.seen,
        is_complete=True,
    )


def _count_expected(plan: ReadPlan, rows: SavedRows, until: int | None, access: Access) -> int:
    """Return the number of saved rows that a read should have returned."""
    starts = plan.expected_starts(until)
    never = DELETED if access is Access.RESTORED else DELETED | HIDDEN
    return sum(
        1
        for start, flags in rows.starts_and_flags()
        if not flags & never and (flags & (MISSING | NO_START) or start in starts)
    )


def _fate_of_untracked(row: Row, plan: ReadPlan, retained_since: int) -> _Fate:
    """Return the fate of a hidden row, or of a row in a stream without deletions."""
    # An event without a time would be retained forever.
    is_endless = row.start is None and plan.spec.profile.kind in (Kind.EVENT_LOG, Kind.UPDATED_AT)
    retained = is_retained(row, retained_since) and not is_endless
    return _Fate.RETAINED if retained else _Fate.DROPPED


def _fate_of_expected(access: Access) -> _Fate:
    if access is Access.UNKNOWN:
        return _Fate.UNDECIDED
    return _Fate.HIDDEN if access is Access.CHANGED else _Fate.MISSING


def _fate_of_unexpected(
    row: Row, plan: ReadPlan, versions: Versions, access: Access, until: int | None
) -> _Fate:
    """Return the fate of a row outside of the window."""
    if access is Access.CHANGED and (row.running or row.pending):
        return _Fate.HIDDEN
    if plan.spec.profile.by_id is not None and (row.running or versions.is_due(row.pending)):
        return _Fate.TO_VERIFY
    is_ahead = row.start is not None and until is not None and row.start > until
    return _Fate.RETAINED if is_ahead or (row.pending and versions.resend) else _Fate.DROPPED


def _former_access(plan: ReadPlan, access: Access, hidden: int) -> str:
    """Return the access fingerprint under which the hidden records were seen."""
    if plan.known is None or access is Access.RESTORED:
        return ""
    return plan.known.former_access or (plan.known.access if hidden else "")
