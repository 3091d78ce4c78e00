"""Resolves missing records at the end of a stream.

A record that a complete read should have returned but did not is missing. It becomes a tombstone
only on proof, see proofs.py. If it exists, its content is compared like that of a listed record.
Unresolved records are checked again in the next sync.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from source_clockify.change_tracking.diff import (
    PartitionDiff,
    classify_change,
    is_known,
)
from source_clockify.change_tracking.fingerprint import is_running
from source_clockify.change_tracking.lookups import LookupResult
from source_clockify.change_tracking.messages import tombstone
from source_clockify.change_tracking.open_rows import NO_ROWS
from source_clockify.change_tracking.partitions import Partition, partition_of
from source_clockify.change_tracking.profiles import Kind, round_down
from source_clockify.change_tracking.proofs import (
    Case,
    Finding,
    Unresolved,
    Verdict,
    prove_by_parent,
    prove_missing,
)
from source_clockify.change_tracking.rows import (
    DELETED,
    HIDDEN,
    Row,
    Rows,
    find_keys,
    hashed_key,
    is_retained,
    resent,
)
from source_clockify.change_tracking.state import PartitionState
from source_clockify.change_tracking.tracker import PartitionRead, StreamTracker
from source_clockify.timestamps import format_second, second_of

logger = logging.getLogger("airbyte")

# The partition of a record and the record with its columns.
Message = tuple[Partition, dict[str, Any]]

# If more records than this and over half of a partition are missing, the next sync must confirm it.
MANY_MISSING = 100

# Stands for the fingerprint of a tombstone.
TOMBSTONE_FINGERPRINT = 0


def resolve_missing(tracker: StreamTracker) -> Iterator[Message]:
    """Yield the last messages of a stream: tombstones, records read by id, due resends."""
    moved = _found_elsewhere(tracker)
    unresolved = Unresolved()
    partitions = tracker.writer.partitions()
    # A record that moved to a partition whose parent is unlisted must be found there before its
    # former partition is checked. The order changes with each sync, so that all get their turn.
    now = str(tracker.sync.bounds.now)
    orphans = sorted(
        partitions.keys() - tracker.reads.keys(), key=lambda ids: hashed_key([*ids, now])
    )
    for ids in [*orphans, *sorted(partitions.keys() & tracker.reads.keys())]:
        resolution = _Resolution(tracker, ids, partitions[ids], unresolved)
        yield from resolution.messages(moved)
        tracker.writer.checkpoint()
    unresolved.log(tracker.spec.name)


def _found_elsewhere(tracker: StreamTracker) -> set[tuple[Partition, str]]:
    """Return records that are missing or deleted in one partition but were seen in another."""
    if not any(tracker.spec.may_move(read.names) for read in tracker.reads.values()):
        return set()
    partitions = tracker.writer.partitions()
    lost = {
        key: ids
        for ids, state in partitions.items()
        if state.has_pending or ids not in tracker.reads
        for key, row in state.rows().items()
        if row.deleted or ids not in tracker.reads
    }
    for read in tracker.reads.values():
        lost |= dict.fromkeys(read.diff.missing if read.diff else (), read.ids)
    if not lost:
        return set()
    return {
        (lost[key], key)
        for ids, state in partitions.items()
        if ids in tracker.reads
        for key, row in state.rows().items()
        if lost.get(key, ids) != ids and not row.missing and not row.deleted
    }


@dataclass(frozen=True)
class _Suspects:
    """Records of one partition to verify: missing ones, and others that probably exist."""

    missing: Sequence[str]
    to_verify: Sequence[str]


class _Resolution:
    """Resolves one partition: applies the findings of the proofs to its rows."""

    def __init__(
        self,
        tracker: StreamTracker,
        ids: Partition,
        state: PartitionState,
        unresolved: Unresolved,
    ) -> None:
        self._tracker = tracker
        self._profile = tracker.spec.profile
        self._versions = tracker.versions
        self._state = state
        self._unresolved = unresolved
        self._read = tracker.reads.get(ids)
        self._rows: Rows = {}
        self._parent_is_deleted = False
        names = dict(zip(tracker.writer.fields, ids, strict=True))
        self._claim = tracker.claim_function(names)
        self._ids = ids
        self._names = names

    def messages(self, moved: Collection[tuple[Partition, str]]) -> Iterator[Message]:
        """Yield the last messages of the partition and store its rows."""
        diff = self._with_named(self._read) if self._read else None
        is_orphan = self._read is None and self._is_orphan()
        has_suspects = bool(diff and (diff.missing or diff.to_verify))
        if not (has_suspects or is_orphan or self._state.has_pending):
            return
        self._rows = {
            key: row for key, row in self._state.rows().items() if (self._ids, key) not in moved
        }
        yield from self._resend_tombstones()
        if has_suspects and diff is not None:
            suspects = self._suspects(diff)
            findings = prove_missing(self._case(), suspects.missing, suspects.to_verify)
            yield from self._apply(findings)
        elif is_orphan:
            yield from self._resolve_orphan()
        self._store()

    def _with_named(self, read: PartitionRead) -> PartitionDiff | None:
        """Return the difference; rows that the change feeds name are to be verified as well.

        Those rows lie outside of the window, and their resends are not due yet.
        """
        named = self._tracker.hints.named
        if read.diff is None or not named or read.plan.since is None:
            return read.diff
        present = {
            key
            for key, flags in find_keys(self._state.packed, named)
            if not flags & (DELETED | HIDDEN)
        }
        if not present:
            return read.diff
        verified = {*read.diff.missing, *read.diff.to_verify}
        rows = self._state.rows()
        until = self._tracker.last_second(read)
        outside = [
            key for key in sorted(present - verified) if not read.plan.expects(rows[key], until)
        ]
        return replace(read.diff, to_verify=(*read.diff.to_verify, *outside))

    def _case(self) -> Case:
        read = self._read
        return Case(
            tracker=self._tracker,
            ids=self._ids,
            names=self._names,
            partition=read.partition if read else partition_of([*self._names], self._ids),
            windows=read.windows if read else (),
            rows=self._rows,
            key=self._tracker.key_function(self._names),
            unresolved=self._unresolved,
            budget=self._tracker.sync.lookup_budget,
        )

    # Records to verify ---------------------------------------------------------------------------

    def _suspects(self, diff: PartitionDiff) -> _Suspects:
        """Return the records to verify in this sync.

        If so many are missing that a fault is likely, the next sync must confirm it first.
        """
        case = self._case()
        present = [key for key in diff.missing if key in self._rows]
        unlisted = [key for key in present if case.is_known_unlisted(key)]
        missing = [key for key in present if not case.is_known_unlisted(key)]
        known = self._read.plan.known if self._read and not self._read.is_unconfirmed else None
        before = known.saved_rows() if known and missing else NO_ROWS
        new = {key for key in missing if not ((row := before.get(key)) and row.missing)}
        # Without reads by id, an empty listing cannot be told from a faulty one.
        became_empty = self._profile.by_id is None and diff.is_empty
        is_unconfirmed = self._read is not None and self._read.is_unconfirmed
        # The expected records of an earlier attempt may include new ones.
        are_most = is_unconfirmed or 2 * len(missing) > diff.expected
        many = len(missing) > MANY_MISSING and are_most
        if not new or not (many or became_empty):
            return _Suspects([*missing, *unlisted], diff.to_verify)
        logger.warning(
            "%s: %s of %s records of %s are missing. They are treated as deleted only if the next "
            "sync does not return them either.",
            self._tracker.spec.name,
            len(missing),
            diff.expected,
            "/".join(self._ids),
        )
        repeated = [key for key in missing if key not in new]
        return _Suspects([*repeated, *unlisted], diff.to_verify)

    def _is_orphan(self) -> bool:
        """Return whether the parent of this partition is no longer listed."""
        return (
            len(self._ids) > 1
            and self._profile.deletions
            and self._tracker.is_readable(self._ids[0])
        )

    def _resolve_orphan(self) -> Iterator[Message]:
        """Resolve a partition whose parent is no longer listed."""
        # A user without retained entries may have new ones.
        is_of_user = self._profile.kind is Kind.WINDOWED_SNAPSHOT
        if not is_of_user and all(row.deleted for row in self._rows.values()):
            return
        access = self._tracker.sync.access.of(self._ids[0])
        if access is None:
            return
        if self._state.former_access == access:
            for row in self._rows.values():
                row.hidden = False
            self._state = replace(self._state, access=access, former_access="")
        live = [key for key, row in self._rows.items() if not row.deleted and not row.hidden]
        if (live or is_of_user) and self._is_unchanged(access, live):
            yield from self._prove_orphan(live)

    def _is_unchanged(self, access: str, live: Sequence[str]) -> bool:
        """Return whether permissions are those of the last read; if not, hide the records."""
        before = self._state.access if live else access
        if before and before != access:
            self._hide(live, access)
        else:
            self._state = replace(self._state, access=access)
        # If the permissions of the last read are unknown, the next sync decides.
        return before == access

    def _prove_orphan(self, live: Sequence[str]) -> Iterator[Message]:
        if self._profile.parent is not None:
            yield from self._apply(prove_by_parent(self._case(), self._profile.parent, live))
        elif self._profile.by_id is not None and self._profile.kind is Kind.WINDOWED_SNAPSHOT:
            yield from self._resolve_unlisted_user(live)

    def _hide(self, live: Sequence[str], access: str) -> None:
        if self._tracker.is_first_warning(self._ids[0]):
            logger.warning(
                "%s: a part of workspace %s is no longer listed, and the key owner or their roles "
                "have changed since the last sync. The part is not treated as deleted.",
                self._tracker.spec.name,
                self._ids[0],
            )
        for key in live:
            self._rows[key].hidden = True
        self._state = replace(self._state, access=access, former_access=self._state.access)

    def _resolve_unlisted_user(self, live: Sequence[str]) -> Iterator[Message]:
        """Resolve the time entries of a user who is no longer listed; entries outlive their user.

        If the user exists, their own list returns new entries too. `read_at` remains that of the
        last read that found them listed.
        """
        since = max(self._state.retained_since, self._state.limited_since or 0)
        lookups, case = self._tracker.sync.lookups, self._case()
        records: list[dict[str, Any]] = []
        result = LookupResult.FAILED
        if self._tracker.sync.lookup_budget.take_reread(self._tracker.spec.name):
            records, result = lookups.partition(
                self._tracker.spec.name, case.partition, {"start_time": format_second(since)}
            )
        self._parent_is_deleted = result is LookupResult.NOT_FOUND
        if result in (LookupResult.FAILED, LookupResult.REFUSED):
            self._unresolved.users[self._ids[0]] += 1
        named = self._tracker.hints.named
        to_verify = [key for key in live if key in named or self._is_looked_up(self._rows[key])]
        bounds = self._tracker.sync.bounds
        retained_since = round_down(bounds.now - bounds.lookback, self._profile.granularity)
        self._state = replace(self._state, retained_since=retained_since)
        found = case.keyed(records)
        for key, record in found.items():
            start = second_of(record.get("start"))
            if key in self._rows or start is None or start >= since:
                yield from self._apply_existing(Finding(key, Verdict.EXISTS, (record,)))
        unseen = [key for key in to_verify if key not in found]
        for key in unseen:
            self._rows[key].missing = True
        yield from self._apply(prove_missing(case, (), unseen))

    def _is_looked_up(self, row: Row) -> bool:
        return (
            row.start is None
            or row.start >= self._state.retained_since
            or row.missing
            or row.running
            or self._versions.is_due(row.pending)
        )

    # Applying findings ---------------------------------------------------------------------------

    def _apply(self, findings: Iterator[Finding]) -> Iterator[Message]:
        for finding in findings:
            if finding.verdict is Verdict.DELETED:
                yield from self._apply_deleted(finding.key)
            elif finding.verdict is Verdict.EXISTS:
                yield from self._apply_existing(finding)
            elif finding.verdict is Verdict.MISSING:
                self._rows[finding.key].missing = True
            elif finding.verdict is Verdict.UNREADABLE:
                row = self._rows[finding.key]
                row.missing, row.running = False, finding.is_unlisted

    def _apply_deleted(self, key: str) -> Iterator[Message]:
        row = self._rows[key]
        if self._claim(key, TOMBSTONE_FINGERPRINT) is not None:
            # Another partition has emitted it in the meantime: it moved there.
            del self._rows[key]
            return
        row.deleted, row.missing = True, False
        row.pending = self._versions.pending
        self._tracker.count({"deleted": 1})
        yield self._ids, self._tombstone(key, row, self._versions.current)
        if row.pending is None:
            del self._rows[key]

    def _apply_existing(self, finding: Finding) -> Iterator[Message]:
        """Compare a record with its saved row; it is unchanged if any of its shapes is."""
        tracker, key = self._tracker, finding.key
        known = self._rows.get(key)
        fingerprints = {tracker.fingerprint(shape): shape for shape in reversed(finding.shapes)}
        record = finding.shapes[0]
        fingerprint = tracker.fingerprint(record)
        if known is not None and known.fingerprint in fingerprints:
            fingerprint, record = known.fingerprint, fingerprints[known.fingerprint]
        was_known = is_known(known)
        version, pending = classify_change(known, fingerprint, self._versions)
        if version is not None and self._claim(key, fingerprint) is not None:
            # Another partition has emitted it in the meantime: it moved there.
            self._rows.pop(key, None)
            return
        self._rows[key] = Row(
            fingerprint,
            self._start_of(record),
            pending,
            running=finding.is_unlisted or (self._profile.has_timers and is_running(record)),
        )
        if version is not None:
            is_sent = version == self._versions.current
            tracker.count({"sent" if is_sent else "resent": 1, "changed": is_sent and was_known})
            yield self._ids, {**record, **tracker.stamp(version).columns()}

    def _start_of(self, record: Mapping[str, Any]) -> int | None:
        return second_of(record.get(self._profile.start)) if self._profile.start else None

    def _resend_tombstones(self) -> Iterator[Message]:
        for key, row in list(self._rows.items()):
            if not row.deleted:
                continue
            if row.pending is None or not self._versions.resend:
                del self._rows[key]
            elif self._versions.is_due(row.pending) and key not in self._tracker.hints.changed:
                if self._claim(key, TOMBSTONE_FINGERPRINT) is not None:
                    continue
                yield self._ids, self._tombstone(key, row, row.pending.updated_at)
                self._tracker.count({"resent": 1})
                row.pending = resent(row.pending, self._versions.now)
                if row.pending is None:
                    del self._rows[key]

    def _tombstone(self, key: str, row: Row, version: int) -> dict[str, Any]:
        stamp = self._tracker.stamp(version)
        return tombstone(self._tracker.spec, self._names, key, row, stamp)

    def _store(self) -> None:
        """Store the rows that are still needed; remove a partition without any."""
        rows = {
            key: row
            for key, row in self._rows.items()
            if is_retained(row, self._state.retained_since) or row.missing or row.deleted
        }
        ends_with_parent = self._profile.parent is not None or self._parent_is_deleted
        forgotten = not rows and ends_with_parent and self._read is None and self._is_orphan()
        if forgotten and self._profile.takes_hints:
            self._tracker.writer.add_former_user(*self._ids)
        state = None if forgotten else self._state.with_rows(rows)
        self._tracker.writer.put(self._ids, state)
