"""Follows hints: the events that Clockify's change feeds report outside of the window.

A feed only names candidates. Each is read by id, and only the result is sent: the entry as it is
now, or a tombstone if Clockify says that it does not exist. An incomplete feed therefore costs
completeness, a wrong one only requests. Entries within the window are left to the comparison with
the state.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from source_clockify.change_tracking.access import FULL_ACCESS
from source_clockify.change_tracking.budget import MEGABYTE
from source_clockify.change_tracking.deletions import TOMBSTONE_FINGERPRINT, Message
from source_clockify.change_tracking.diff import classify_change, is_known
from source_clockify.change_tracking.feeds import OVERLAP, FeedRead
from source_clockify.change_tracking.fingerprint import is_running
from source_clockify.change_tracking.hint_state import Candidate, HintedRow, HintState, Named
from source_clockify.change_tracking.lookups import LookupResult
from source_clockify.change_tracking.messages import tombstone
from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.plan import UnknownRecord
from source_clockify.change_tracking.profiles import ById, SingleRead
from source_clockify.change_tracking.proofs import (
    BATCH_SIZE,
    Case,
    Finding,
    Unresolved,
    Verdict,
    prove_by_id,
    prove_in_batch,
)
from source_clockify.change_tracking.rows import DELETED, HIDDEN, Row, find_keys, hashed_key, resent
from source_clockify.change_tracking.state import StreamState
from source_clockify.change_tracking.tracker import StreamTracker
from source_clockify.request_notes import Gap
from source_clockify.timestamps import format_second, second_of

logger = logging.getLogger("airbyte")

# For each megabyte of the state limit: about 5 % of it.
_WAITING_PER_MEGABYTE = 2_000
_MOST_WAITING = 20_000
_LEAST_WAITING = 100

# The gaps reported in the warning of the workspace and in the receipt.
_REFUSED = (
    "Clockify refuses access to its change feeds or the audit log, so edits, deletions and late "
    "entries outside of Lookback Days are not found. Use the key of a workspace owner or admin, or "
    "set Follow Changes (follow_changes) to false. {refusals}"
)
_FAILED = (
    "Clockify's change feeds could not be read. Edits, deletions and late entries outside of "
    "Lookback Days are found by a later sync. If this persists, set Follow Changes "
    "(follow_changes) to false. {failure}"
)
_IN_PART = (
    "Clockify's change feeds name too many entries for one sync and were read up to {date} only. "
    "The next syncs read the rest."
)
_TOO_MANY = (
    "{count} entries named by Clockify's change feeds are waiting to be looked up. Changes since "
    "{date} outside of Lookback Days are requested once fewer are waiting."
)
_UNREADABLE = (
    "{count} entries outside of Lookback Days that Clockify's change feeds name cannot be read, so "
    "their changes are not sent. Use the key of a workspace owner or admin, then refresh the "
    "stream."
)
_BEGAN_LATE = (
    "The change feeds have not been read for over a year, so edits, deletions and late entries "
    "before {date} and outside of Lookback Days are not found. Refresh the stream."
)


def ask_from(state: StreamState | None, workspace_id: str, now: int) -> int:
    """Return the moment from which a stream reads the feeds of a workspace, in seconds since 1970.

    Args:
        now: when the sync began, likewise.
    """
    latest = now - OVERLAP
    if state is None:
        return latest
    if workspace_id in state.hints:
        # A moment in the future was saved by a clock that was ahead.
        return min(state.hints[workspace_id].ask_from, latest)
    reads = [known.read_at for ids, known in state.partitions.items() if ids[0] == workspace_id]
    return min([latest, *(each - OVERLAP for each in reads)])


def ask_feeds(tracker: StreamTracker) -> "list[WorkspaceHints]":
    """Read the feeds of all workspaces, before missing records are resolved."""
    by_id = tracker.spec.profile.by_id
    if not tracker.spec.profile.takes_hints or by_id is None or not tracker.writer.fields:
        return []
    # The order changes with each sync, so that all get their turn if not all can be looked up.
    now = str(tracker.sync.bounds.now)
    found = [
        WorkspaceHints(tracker, workspace_id, by_id)
        for workspace_id in sorted(tracker.workspaces, key=lambda each: hashed_key([each, now]))
        if tracker.is_readable(workspace_id)
    ]
    for hints in found:
        hints.ask()
    return found


def follow_hints(tracker: StreamTracker, found: "Sequence[WorkspaceHints]") -> Iterator[Message]:
    """Yield the messages for named entries, after missing records are resolved."""
    for hints in found:
        yield from hints.messages()
    counts = tracker.hints
    if counts.sent or counts.deleted or counts.waiting:
        logger.info(
            "%s: entries outside of the window that Clockify's change feeds name: %s sent as new "
            "or changed, %s sent as deleted, %s left to a later sync.",
            tracker.spec.name,
            counts.sent,
            counts.deleted,
            counts.waiting,
        )


class WorkspaceHints:
    """The hints of one workspace for one stream."""

    def __init__(self, tracker: StreamTracker, workspace_id: str, by_id: ById) -> None:
        self._tracker = tracker
        self._sync = tracker.sync
        self._versions = tracker.versions
        self._workspace_id = workspace_id
        self._by_id = by_id
        self._since = ask_from(tracker.state, workspace_id, tracker.sync.bounds.now)
        saved = tracker.writer.hints(workspace_id)
        self._is_first = saved is None and not tracker.knows(workspace_id)
        self._state = saved or HintState(self._since)
        self._rows = dict(self._state.rows)
        self._waiting = {each.id: each for each in self._state.waiting}
        self._recent = {each.id: each for each in self._state.recent}
        self._access_before = self._state.access or tracker.saved_access(workspace_id)
        self._access = self._access_before
        # For each entry that a partition holds: whether its tombstone was sent, and the partition.
        self._known: dict[str, bool] = {}
        self._partitions: dict[str, Partition] = {}
        self._foreign: set[str] = set()
        self._former_users = self._state.former_users
        self._unreadable = 0
        self._has_postponed = False

    def messages(self) -> Iterator[Message]:
        """Yield the messages; the state is stored after each batch of lookups."""
        stored = self._tracker.writer.hints(self._workspace_id)
        if stored is not None:
            # Includes the users who have been removed in this sync.
            self._former_users = stored.former_users
        self._leave_to_comparison()
        for keys in self._batches():
            changed = [key for key in keys if not self._is_named_as_deleted(key)]
            deleted = [key for key in keys if self._is_named_as_deleted(key)]
            yield from self._apply(prove_in_batch(self._case(), self._by_id, changed, halve=True))
            yield from self._apply(prove_by_id(self._case(), self._by_id, deleted))
            self._postpone(keys)
            self._store()
        yield from self._resend_tombstones()
        self._store()
        self._tracker.hints.waiting += len(self._waiting)
        if self._unreadable:
            self._add_gap(_UNREADABLE.format(count=self._unreadable))

    # Reading the feeds --------------------------------------------------------------------------

    def ask(self) -> None:
        """Add the entries that the feeds have named since the last request."""
        feeds = self._sync.feeds
        if feeds is None:
            return
        if len(self._waiting) >= self._most:
            date = format_second(self._state.ask_from)
            self._add_gap(_TOO_MANY.format(count=len(self._waiting), date=date))
            return
        read = feeds.read(self._workspace_id, self._since)
        self._report(read)
        named = [
            event.candidate
            for event in read.events
            if event.candidate.at >= self._since and event.identity not in self._state.seen
        ]
        # A first read returns everything in its present state.
        recent = [replace(each, named=each.named | Named.UPDATED) for each in self._recent.values()]
        for found in () if self._is_first else [*recent, *named]:
            known = self._waiting.get(found.id)
            self._waiting[found.id] = found if known is None else known.joined(found)
        if read.until is not None:
            # Older events are not reported late any more.
            start = min(read.until, self._sync.bounds.now - OVERLAP)
            seen = frozenset(each.identity for each in read.events if each.candidate.at >= start)
            self._state = replace(self._state, ask_from=start, seen=seen)
            created = [each for each in named if Named.CREATED in each.named]
            self._recent = {
                each.id: each for each in [*self._recent.values(), *created] if each.at >= start
            }
        self._tracker.hints.named.update(self._waiting)
        # An entry that may have been restored is looked up before its tombstone is resent.
        self._tracker.hints.changed.update(
            key for key, each in self._waiting.items() if _is_changed(each)
        )
        self._store()

    def _report(self, read: FeedRead) -> None:
        """Report the gaps of the feeds."""
        if read.refusals:
            self._add_gap(_REFUSED.format(refusals=" ".join(read.refusals)))
        if read.failure:
            self._add_gap(_FAILED.format(failure=read.failure))
        elif read.until is not None and read.until < self._sync.bounds.now:
            self._add_gap(_IN_PART.format(date=format_second(read.until)))
        if read.began_late is not None:
            self._add_gap(_BEGAN_LATE.format(date=format_second(read.began_late)[:10]))
        # Rows of a report also change with the values they are computed from.
        is_of_entries = self._by_id.shape is SingleRead.ROW
        edited = self._tracker.edited_in(self._workspace_id)
        if is_of_entries and edited and read.answered and not read.knows_updates:
            logger.info(
                "%s: %s entries of workspace %s were edited since the last sync, but Clockify's "
                "feed of updated entries names none of them. The feed is unreliable for this "
                "account, so edits outside of Lookback Days may be missed.",
                self._tracker.spec.name,
                edited,
                self._workspace_id,
            )

    def _add_gap(self, message: str) -> None:
        self._tracker.hints.gaps.append(Gap(self._workspace_id, message))

    @property
    def _most(self) -> int:
        """The most candidates that may wait, and the most rows that may be kept."""
        fitting = _WAITING_PER_MEGABYTE * self._sync.state_budget.limit // MEGABYTE
        return max(_LEAST_WAITING, min(_MOST_WAITING, fitting))

    def _leave_to_comparison(self) -> None:
        """Drop entries that partitions hold: those are compared in this sync or a later one."""
        wanted = {*self._waiting, *self._rows}
        if not wanted:
            return
        for ids, partition in self._tracker.writer.partitions().items():
            for key, flags in find_keys(partition.packed, wanted):
                if ids[0] != self._workspace_id:
                    self._foreign.add(key)
                    continue
                self._partitions[key] = ids
                # Hidden rows are not compared.
                if not flags & HIDDEN:
                    self._known[key] = bool(flags & DELETED) and self._known.get(key, True)
        for key, is_deleted in self._known.items():
            candidate = self._waiting.get(key)
            if not is_deleted:
                self._rows.pop(key, None)
                self._waiting.pop(key, None)
            elif candidate is not None and not _is_changed(candidate):
                del self._waiting[key]

    def _batches(self) -> Iterator[list[str]]:
        """Yield the ids to look up: due rows, then candidates, the oldest first."""
        due = [
            key
            for key, hinted in self._rows.items()
            if not hinted.row.deleted
            and (hinted.row.running or self._versions.is_due(hinted.row.pending))
        ]
        waiting: list[Candidate] = []
        if self._sync.feeds is not None:
            room = max(0, self._most - len(self._rows))
            waiting = sorted(self._waiting.values(), key=lambda each: (each.at, each.id))[:room]
        keys = [*dict.fromkeys([*sorted(due), *(each.id for each in waiting)])]
        for first in range(0, len(keys), BATCH_SIZE):
            yield keys[first : first + BATCH_SIZE]

    def _postpone(self, keys: Sequence[str]) -> None:
        """Move a candidate whose lookup failed behind all others."""
        first = next((key for key in keys if key in self._waiting), None)
        if first is not None and not self._has_postponed and not self._sync.hint_budget.is_used_up:
            self._has_postponed = True
            self._waiting[first] = replace(self._waiting[first], at=self._sync.bounds.now)

    def _is_named_as_deleted(self, key: str) -> bool:
        candidate = self._waiting.get(key)
        return candidate is not None and Named.DELETED in candidate.named

    def _case(self) -> Case:
        return Case(
            tracker=self._tracker,
            ids=(self._workspace_id,),
            names={"workspace_id": self._workspace_id},
            partition={"workspace_id": self._workspace_id},
            windows=(),
            rows={},
            key=self._tracker.key_function(self._names("")),
            # It counts records missing from a listing, which these are not.
            unresolved=Unresolved(),
            budget=self._sync.hint_budget,
        )

    def _names(self, user_id: str) -> dict[str, str]:
        ids = {"workspace_id": self._workspace_id, "user_id": user_id}
        return {name: ids[name] for name in self._tracker.writer.fields}

    # Applying findings ---------------------------------------------------------------------------

    def _apply(self, findings: Iterator[Finding]) -> Iterator[Message]:
        for finding in findings:
            if finding.verdict is Verdict.DELETED:
                yield from self._apply_deleted(finding.key)
            elif finding.verdict is Verdict.EXISTS:
                yield from self._apply_existing(finding.key, finding.shapes[0])
            else:
                # Reports do not show the row of a running timer.
                self._unreadable += not finding.is_unlisted
                self._drop(finding.key)

    def _drop(self, key: str) -> None:
        self._waiting.pop(key, None)
        self._rows.pop(key, None)

    def _forget(self, key: str) -> None:
        """Drop an entry that does not exist."""
        self._drop(key)
        self._recent.pop(key, None)

    def _apply_existing(self, key: str, record: dict[str, Any]) -> Iterator[Message]:
        hinted, candidate = self._rows.get(key), self._waiting.get(key)
        start = second_of(record.get(self._tracker.spec.profile.start or ""))
        user_id = str(record.get("userId") or "")
        is_foreign = record.get("workspaceId") not in (None, self._workspace_id)
        if is_foreign or self._is_compared(user_id, start) or not self._belongs_to_stream(user_id):
            self._drop(key)
            return
        if hinted is None and (self._is_before_start_date(start) or _is_only_deleted(candidate)):
            self._drop(key)
            return
        fingerprint = self._tracker.fingerprint(record)
        known = hinted.row if hinted else None
        version, pending = classify_change(known, fingerprint, self._versions)
        if version is not None:
            emitted = self._tracker.claim_function(self._names(user_id))(key, fingerprint)
            if emitted is not None:
                self._drop(key)
                return
        self._waiting.pop(key, None)
        self._remove_row(key)
        row = Row(fingerprint, start, pending, running=is_running(record))
        if row.pending is not None or self._is_kept(key, row):
            self._rows[key] = HintedRow(user_id, row)
        else:
            self._rows.pop(key, None)
        if version is not None:
            was_known = is_known(known) or (candidate is not None and _is_only_changed(candidate))
            self._count("sent", version, is_change=was_known)
            stamp = self._tracker.stamp(version)
            yield self._ids(user_id), {**record, **stamp.columns()}

    def _is_kept(self, key: str, row: Row) -> bool:
        """Return whether a row is kept although no resend is pending."""
        # The entry of a removed user may lie within the window.
        bounds = self._sync.bounds
        is_inside = (row.start or 0) >= bounds.now - bounds.lookback
        return row.running or is_inside or key in self._recent

    def _remove_row(self, key: str) -> None:
        """Remove the hidden or deleted row of an entry from its partition."""
        ids = self._partitions.get(key)
        state = self._tracker.writer.partitions().get(ids) if ids else None
        if ids is not None and state is not None:
            rows = {each: row for each, row in state.rows().items() if each != key}
            self._tracker.writer.put(ids, state.with_rows(rows))

    def _is_compared(self, user_id: str, start: int | None) -> bool:
        """Return whether a record lies within the window of its partition."""
        read = self._tracker.reads.get(self._ids(user_id))
        if read is None:
            return False
        until = self._tracker.last_second(read)
        unknown = read.plan.classify_unknown(start)
        return read.plan.expects(Row(0, start), until) and unknown is not UnknownRecord.FORGOTTEN

    def _belongs_to_stream(self, user_id: str) -> bool:
        """Return whether the stream holds entries of a user: they are or once were listed."""
        ids = self._ids(user_id)
        return (
            len(ids) == 1
            or ids in self._tracker.reads
            or user_id in self._former_users
            or ids in self._tracker.writer.partitions()
        )

    def _is_before_start_date(self, start: int | None) -> bool:
        start_date = self._sync.bounds.start_date
        return start_date is not None and start is not None and start < start_date

    def _apply_deleted(self, key: str) -> Iterator[Message]:
        """Send a tombstone for an entry that Clockify says does not exist."""
        hinted, candidate = self._rows.get(key), self._waiting.get(key)
        if hinted is None and not self._may_have_been_sent(key, candidate):
            self._forget(key)
            return
        if hinted is not None and hinted.row.deleted:
            self._waiting.pop(key, None)
            return
        if not self._permissions_are_unchanged():
            return
        if self._access != FULL_ACCESS and not self._is_named_as_deleted(key):
            # It may be hidden by reduced permissions.
            self._unreadable += 1
            self._forget(key)
            return
        is_foreign = hinted is None and self._exists_elsewhere(key)
        if is_foreign is None:
            return
        user_id = (hinted and hinted.user_id) or (candidate and candidate.user_id) or ""
        if is_foreign or self._claim_tombstone(key, user_id) is not None:
            self._forget(key)
            return
        start = hinted.row.start if hinted else candidate.start if candidate else None
        row = Row(TOMBSTONE_FINGERPRINT, start, self._versions.pending, deleted=True)
        self._forget(key)
        self._remove_row(key)
        if row.pending is not None:
            self._rows[key] = HintedRow(user_id, row)
        self._count("deleted", self._versions.current)
        yield self._tombstone(key, user_id, row, self._versions.current)

    def _may_have_been_sent(self, key: str, candidate: Candidate | None) -> bool:
        """Return whether a consumer may have an entry that the state does not hold."""
        if candidate is None or key in self._known or key in self._foreign:
            return False
        if candidate.user_id and not self._belongs_to_stream(candidate.user_id):
            return False
        return bool(candidate.named & (Named.UPDATED | Named.DELETED))

    def _permissions_are_unchanged(self) -> bool:
        """Return whether an unreadable entry is deleted, not hidden by reduced permissions."""
        access = self._sync.access.of(self._workspace_id)
        if access is None:
            return False
        # Otherwise the next sync decides, if permissions are the same by then.
        self._access = access
        return access in (FULL_ACCESS, self._access_before)

    def _exists_elsewhere(self, key: str) -> bool | None:
        """Return whether another workspace has or may have the entry; None if still unknown."""
        if "workspaceId" in self._tracker.spec.primary_key:
            return False
        others = sorted(self._tracker.workspaces - {self._workspace_id})
        # One lookup for all workspaces, since a small budget would never suffice for one each.
        if others and not self._sync.hint_budget.take():
            return None
        for workspace_id in others:
            path = f"workspaces/{workspace_id}/{self._by_id.path.format(id=key)}"
            _, result = self._sync.lookups.row(path)
            if result is LookupResult.FAILED:
                return None
            if result is not LookupResult.NOT_FOUND:
                self._unreadable += result is LookupResult.REFUSED
                return True
        return False

    def _claim_tombstone(self, key: str, user_id: str) -> int | None:
        claim = self._tracker.claim_function(self._names(user_id))
        return claim(key, TOMBSTONE_FINGERPRINT)

    def _resend_tombstones(self) -> Iterator[Message]:
        for key, hinted in list(self._rows.items()):
            row = hinted.row
            if not row.deleted:
                is_resent = row.pending is not None and self._versions.resend
                if not is_resent and not self._is_kept(key, row):
                    del self._rows[key]
                continue
            if row.pending is None or not self._versions.resend:
                del self._rows[key]
            elif self._versions.is_due(row.pending):
                if self._claim_tombstone(key, hinted.user_id) is not None:
                    continue
                version = row.pending.updated_at
                self._count("resent", version)
                yield self._tombstone(key, hinted.user_id, row, version)
                row.pending = resent(row.pending, self._versions.now)
                if row.pending is None:
                    del self._rows[key]

    def _tombstone(self, key: str, user_id: str, row: Row, version: int) -> Message:
        names = {name: each for name, each in self._names(user_id).items() if each}
        stamp = self._tracker.stamp(version)
        return self._ids(user_id), tombstone(self._tracker.spec, names, key, row, stamp)

    def _ids(self, user_id: str) -> Partition:
        return tuple(self._names(user_id).values())

    def _count(self, kind: str, version: int, *, is_change: bool = False) -> None:
        counts = self._tracker.hints
        if kind == "deleted":
            counts.deleted += 1
        elif version == self._versions.current:
            counts.sent += 1
        else:
            kind = "resent"
        self._tracker.count({kind: 1, "changed": kind == "sent" and is_change})

    def _store(self) -> None:
        waiting = sorted(self._waiting.values(), key=lambda each: (each.at, each.id))
        self._state = replace(
            self._state,
            waiting=tuple(waiting),
            recent=tuple(self._recent.values()),
            rows=dict(self._rows),
            former_users=self._former_users,
            access=self._access,
        )
        self._tracker.writer.put_hints(self._workspace_id, self._state)
        self._tracker.writer.checkpoint()


def _is_changed(candidate: Candidate) -> bool:
    return bool(candidate.named & (Named.UPDATED | Named.IN_PART))


def _is_only_changed(candidate: Candidate) -> bool:
    return _is_changed(candidate) and not candidate.named & Named.CREATED


def _is_only_deleted(candidate: Candidate | None) -> bool:
    return candidate is not None and candidate.named == Named.DELETED
