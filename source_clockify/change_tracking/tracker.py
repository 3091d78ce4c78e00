"""Tracks one stream: its partitions in the saved state and in this sync.

The adapter in stream.py reports slices and their records; deletions.py resolves missing records at
the end. Worker threads share a tracker, which changes shared data under its lock only.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count as count_from
from typing import Any

from source_clockify.change_tracking.access import AccessFingerprints
from source_clockify.change_tracking.budget import StateBudget
from source_clockify.change_tracking.checkpoint import StateWriter
from source_clockify.change_tracking.diff import (
    CompleteRead,
    EmittedKeys,
    PartitionDiff,
    SliceDiff,
    Versions,
    diff_partition,
    partial_diff,
    resumed_diff,
)
from source_clockify.change_tracking.feeds import ChangeFeeds
from source_clockify.change_tracking.fingerprint import fingerprinter
from source_clockify.change_tracking.interrupted import PartialRead, SyncMark
from source_clockify.change_tracking.lookups import LookupBudget, Lookups
from source_clockify.change_tracking.messages import Stamp
from source_clockify.change_tracking.open_rows import SavedRows, SeenRows
from source_clockify.change_tracking.partitions import Partition, partition_names
from source_clockify.change_tracking.plan import ReadPlan, SyncBounds, cursor_text, plan_read
from source_clockify.change_tracking.profiles import Granularity, Kind, StreamSpec
from source_clockify.change_tracking.rows import (
    FINGERPRINT_BITS,
    PackedKey,
    Row,
    hashed_key,
    key_of,
    pack,
    unpack,
)
from source_clockify.change_tracking.state import PartitionState, StreamState
from source_clockify.progress import SyncProgress
from source_clockify.request_notes import Gap
from source_clockify.timestamps import second_of

logger = logging.getLogger("airbyte")


@dataclass(frozen=True)
class Sync:
    """The data shared by the trackers of one sync.

    Attributes:
        bounds: the limits of all windows, and the clock.
        began: when the sync began, in milliseconds since 1970.
        resend: the number of later syncs in which a change is resent.
        lookups: requests in addition to the listings.
        access: the key owner's permissions in each workspace.
        lookup_budget: the number of lookups left.
        hint_budget: the part of them available for entries named by change feeds.
        feeds: the change feeds; None where they are not followed.
        state_budget: limits the size of all states.
        mark: for the states of streams that no earlier attempt of the sync has begun.
        goes_on: whether the next process continues this sync if it is killed.
        progress: counts the messages of the streams.
    """

    bounds: SyncBounds
    began: int
    resend: int
    lookups: Lookups
    access: AccessFingerprints
    lookup_budget: LookupBudget
    hint_budget: LookupBudget
    feeds: ChangeFeeds | None
    state_budget: StateBudget
    mark: SyncMark
    goes_on: bool
    progress: SyncProgress


@dataclass(frozen=True)
class TrackedRead:
    """The starting point of a stream's tracker.

    Attributes:
        spec: the stream.
        state: the saved state; None before the first sync.
        plans: the plans of all partitions in the state.
        workspaces: those visible to the key and with the stream in their plan, as far as known.
        columns: the columns of the stream's schema.
        resumed: the progress of an earlier attempt of this sync; None if there was none.
    """

    spec: StreamSpec
    state: StreamState | None
    plans: Mapping[Partition, ReadPlan]
    workspaces: frozenset[str]
    columns: frozenset[str]
    resumed: SyncMark | None = None


@dataclass
class HintResults:
    """The results for entries that change feeds named.

    Attributes:
        sent: the number of entries sent as new or changed.
        deleted: the number of entries sent as deleted.
        waiting: the number of entries left to a later sync.
        gaps: what the feeds do not report.
        named: the ids of all named entries.
        changed: the ids of entries named as changed.
    """

    sent: int = 0
    deleted: int = 0
    waiting: int = 0
    gaps: list[Gap] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


@dataclass
class PartitionRead:
    """One partition in this sync.

    Attributes:
        ids: the partition.
        names: its ids by field name.
        partition: in the form of the manifest's templates.
        plan: how it is read.
        rows: its saved rows; None while they are not needed.
        windows: the windows of its slices.
        ended: the indexes of the windows that were read completely.
        open: the number of slices that have not ended.
        generated: whether all its slices are known.
        complete: whether nothing has failed so far.
        is_resumed: whether an earlier attempt of this sync has read it.
        is_unconfirmed: whether its records may have been missing for the first time then.
        emitted: whether a record of it was emitted.
        edited: the number of its records whose content differs from that of the last sync.
        seen: the rows of the records that were read; None before the first slice has ended.
        diff: the result, once all slices have ended.
    """

    ids: Partition
    names: Mapping[str, str]
    partition: Mapping[str, Any]
    plan: ReadPlan
    rows: SavedRows | None = None
    windows: list[Mapping[str, Any]] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    open: int = 0
    generated: bool = False
    complete: bool = True
    is_resumed: bool = False
    is_unconfirmed: bool = False
    emitted: bool = False
    edited: int = 0
    seen: SeenRows | None = None
    diff: PartitionDiff | None = None


class StreamTracker:
    """Compares a stream with its saved state.

    Attributes:
        spec: the stream.
        state: the saved state; None before the first sync.
        sync: the data shared by the trackers of one sync.
        writer: holds the new state.
        versions: the versions that this sync assigns.
        columns: the columns of the stream's schema.
        reads: the partitions of this sync.
        parents_failed: whether the list of partitions is incomplete.
        hints: the results of the change feeds, for the receipt.
        resumed: the progress of an earlier attempt of this sync; None if there was none.
    """

    def __init__(self, read: TrackedRead, sync: Sync, writer: StateWriter) -> None:
        self.spec = read.spec
        self.state = read.state
        self.sync = sync
        self.writer = writer
        self.versions = Versions(writer.version, sync.resend, sync.bounds.now)
        self.columns = read.columns
        self.reads: dict[Partition, PartitionRead] = {}
        self.parents_failed = False
        self.hints = HintResults()
        profile = read.spec.profile
        self.fingerprint = fingerprinter(
            read.spec.added | profile.volatile, profile.volatile_while_running
        )
        self.resumed = read.resumed
        self._plans = dict(read.plans)
        # An interrupted snapshot continues with the partitions that are not done.
        self._is_snapshot = read.state is None or not read.state.snapshot_is_complete
        self._workspaces = read.workspaces
        self._refused_workspaces: frozenset[str] = frozenset()
        self._emitted: dict[tuple[str, ...], EmittedKeys] = {}
        self._lock = threading.Lock()
        self._failed = False
        self._open = 1
        self._known_rows: SavedRows | None = None
        self._counts: Counter[str] = Counter()
        self._listed_columns: set[str] = set()
        self._warned: set[str] = set()
        self._lookback_is_announced = False

    # Slices ------------------------------------------------------------------------------------

    def open_slice(self, partition: Mapping[str, Any], window: Mapping[str, Any]) -> PartitionRead:
        """Add a slice, the last of `windows`; return its partition."""
        names = partition_names(partition)
        ids = tuple(names.values())
        read = self.reads.get(ids)
        if read is None:
            self.writer.name_fields(tuple(names))
            plan = self._plan_of(ids)
            self._announce_longer_lookback(plan)
            read = PartitionRead(ids, names, partition, plan)
            if self.resumed is not None:
                read.is_resumed = ids in self.resumed.done
                read.is_unconfirmed = read.is_resumed and ids not in self.resumed.confirmed
                partial = self.resumed.partial.get(ids)
                if partial is not None:
                    read.seen = SeenRows(self._rows_of(read))
                    read.seen.update_with(unpack(partial.packed, dated=self._is_dated))
        with self._lock:
            self.reads[ids] = read
            read.windows.append(window)
            read.open += 1
            self._open += 1
        return read

    def skip_slice(self, read: PartitionRead) -> bool:
        """End the slice that was opened last if an earlier attempt of this sync has read it."""
        partial = self.resumed.partial.get(read.ids) if self.resumed else None
        window = read.windows[-1]
        if not read.is_resumed and not (partial is not None and partial.covers(window)):
            return False
        with self._lock:
            read.ended.add(len(read.windows) - 1)
            read.open -= 1
            self._open -= 1
        return True

    def _plan_of(self, ids: Partition) -> ReadPlan:
        plan = self._plans.get(ids)
        if plan is None:
            bounds = self.sync.bounds
            partial = self.resumed.partial.get(ids) if self.resumed else None
            if partial is not None:
                bounds = replace(bounds, now=partial.began)
            plan = plan_read(self.spec, bounds, None, is_snapshot=self._is_snapshot)
        return plan

    def _announce_longer_lookback(self, plan: ReadPlan) -> None:
        if self._lookback_is_announced or not plan.looks_further_back():
            return
        self._lookback_is_announced = True
        logger.info(
            "%s: Lookback Days (lookback_days) was increased. Records that began on or after %s "
            "and are no longer in the state are sent as new.",
            self.spec.name,
            cursor_text(self.spec, plan.forgotten_before),
        )

    def close_partition(self, read: PartitionRead, *, complete: bool = True) -> None:
        """Note that a partition has no further slices; `complete`: all of them were generated."""
        with self._lock:
            read.generated = True
            read.complete = read.complete and complete
            ended = read.open == 0
        if ended:
            self._finish(read)

    def end_generation(self, refused_workspaces: frozenset[str], *, failed: bool) -> None:
        """Note that all partitions are known, except those whose parents failed or were refused."""
        self._refused_workspaces = refused_workspaces
        self.parents_failed = failed
        if failed:
            self._failed = True

    def compare(self, read: PartitionRead) -> SliceDiff:
        """Return the comparison of the records of one slice."""
        may_move = self.spec.may_move(read.names)
        profile = self.spec.profile
        never_changes = profile.kind is Kind.EVENT_LOG and not profile.follows_reads
        return SliceDiff(
            plan=read.plan,
            versions=self.versions,
            key=self.key_function(read.names),
            fingerprint=(lambda record: 1) if never_changes else self.fingerprint,
            known=self._rows_of(read),
            elsewhere=self._elsewhere if self._plans and may_move else None,
            claim=self.claim_function(read.names),
            columns=set() if profile.compares_single_reads else None,
        )

    def _rows_of(self, read: PartitionRead) -> SavedRows:
        """Return the saved rows of a partition, indexed by key on first use."""
        with self._lock:
            if read.rows is None:
                known = read.plan.known
                read.rows = known.saved_rows() if known else SavedRows((), dated=self._is_dated)
            return read.rows

    @property
    def _is_dated(self) -> bool:
        return self.spec.date_column is not None

    def _elsewhere(self, key: PackedKey) -> Row | None:
        """Return the saved row of a record in any partition."""
        # Lock-free, since threads call this for each record.
        rows = self._known_rows
        if rows is None:
            with self._lock:
                if self._known_rows is None:
                    self._known_rows = self._all_saved_rows()
                rows = self._known_rows
        return rows.get(key)

    def _all_saved_rows(self) -> SavedRows:
        known = [plan.known for plan in self._plans.values() if plan.known is not None]
        return SavedRows([each.packed for each in known], dated=self._is_dated)

    def end_slice(
        self, read: PartitionRead, place: int, diff: SliceDiff, *, failed: bool, refused: bool
    ) -> bool:
        """Add the result of a slice; return True if it was the last open part of the stream.

        Args:
            place: the index of its window among those of the partition.
        """
        self.count(diff.counts)
        with self._lock:
            self._listed_columns.update(diff.columns or ())
            self._failed = self._failed or failed
            if read.seen is None:
                read.seen = diff.seen
            else:
                read.seen.update(diff.seen)
            read.complete = read.complete and not failed and not refused
            read.emitted = read.emitted or bool(diff.counts)
            read.edited += diff.counts["edited"]
            read.open -= 1
            if not failed and not refused:
                read.ended.add(place)
            finished = read.generated and read.open == 0
            is_partial = self.sync.goes_on and not finished
            partial = self._partial_read(read) if is_partial else None
        if finished:
            self._finish(read)
        elif partial is not None:
            self.writer.put_partial(read.ids, partial)
            self.writer.checkpoint()
        return self.end_part()

    def _partial_read(self, read: PartitionRead) -> PartialRead | None:
        """Return the first windows of a partition that were read; None if there are none."""
        profile = self.spec.profile
        if profile.start is None or not profile.has_end or profile.follows_reads:
            return None
        count = next((place for place in count_from(0) if place not in read.ended), 0)
        bounds = [
            (second_of(window.get("start_time")), second_of(window.get("end_time")))
            for window in read.windows[:count]
        ]
        since = until = bounds[0][0] if bounds else None
        for start, end in bounds:
            if until is None or start is None or end is None or not start <= until <= end:
                return None
            until = end
        if since is None or until is None:
            return None
        rows = dict(read.seen.items()) if read.seen is not None else {}
        if any(row.start is None for row in rows.values()):
            return None
        rows = {
            key: row for key, row in rows.items() if row.start is not None and row.start < until
        }
        packed = pack(rows, dated=self._is_dated)
        return PartialRead(read.plan.began, since, until, packed)

    def end_part(self) -> bool:
        """Note that a slice or the generation has ended; return True if nothing is open."""
        with self._lock:
            self._open -= 1
            return self._open == 0

    def _finish(self, read: PartitionRead) -> None:
        found = self._diff_of(read)
        before = self._rows_of(read)
        with self._lock:
            read.diff = found
            read.seen = read.rows = None
        if found.state is not None:
            self.writer.put(read.ids, found.state)
        if found.is_complete:
            known = [before.get(key) for key in found.missing]
            self.writer.put_done(
                read.ids, is_confirmed=all(row is not None and row.missing for row in known)
            )
        if found.hidden and self.is_first_warning(read.ids[0]):
            logger.warning(
                "%s: records of workspace %s are no longer visible, and the key owner or their "
                "roles have changed since the last sync. The records are not treated as deleted.",
                self.spec.name,
                read.ids[0],
            )
        self.writer.checkpoint()

    def _diff_of(self, read: PartitionRead) -> PartitionDiff:
        if read.is_resumed and read.plan.known is not None:
            return self._resumed_diff(read, read.plan.known)
        rows = self._rows_of(read)
        seen = SeenRows(rows) if read.seen is None else read.seen
        until = self.last_second(read)
        access = self._access(read, seen, until) if read.complete else None
        if access is None:
            return partial_diff(read.plan.known, seen)
        complete = CompleteRead(seen, until, access)
        return diff_partition(read.plan, self.versions, rows, complete)

    def _resumed_diff(self, read: PartitionRead, known: PartitionState) -> PartitionDiff:
        """Return the difference of a partition that an earlier attempt has read.

        If permissions have changed since, its missing records are left to the next sync, which
        rereads it.
        """
        found = resumed_diff(read.plan, self.versions, self._rows_of(read), self.last_second(read))
        if not found.missing and not found.to_verify:
            return found
        if self.spec.profile.deletions and self.sync.access.of(read.ids[0]) != known.access:
            return PartitionDiff(None)
        return found

    def last_second(self, read: PartitionRead) -> int | None:
        """Return the last second of a partition's windows; None if one has no end."""
        profile = self.spec.profile
        seconds = [second_of(window.get("end_time")) for window in read.windows]
        if profile.start is None or not profile.has_end or not seconds or None in seconds:
            return None
        # A window of days ends before the day that it names.
        whole_days = profile.granularity is not Granularity.SECOND
        return max(second for second in seconds if second is not None) - (1 if whole_days else 0)

    def _access(self, read: PartitionRead, seen: SeenRows, until: int | None) -> str | None:
        """Return the access fingerprint of a read; None if it is needed but unknown."""
        plan = read.plan
        before = plan.known.access if plan.known else ""
        if not self.spec.profile.deletions:
            return before
        lacks = any(
            not row.deleted and (row.missing or row.hidden or plan.expects(row, until))
            for _, row in seen.unseen()
        )
        if not lacks and not seen.has_unknown():
            return self.sync.access.known(read.ids[0]) or before
        access = self.sync.access.of(read.ids[0])
        # New records are retained regardless of permissions.
        return access if access is not None or lacks else ""

    # For deletions.py and the adapter ------------------------------------------------------------

    def key_function(self, names: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str | None]:
        """Return a function from a record of a partition to its key in the state.

        The key is None for a record that lacks one of its columns.
        """
        is_event = self.spec.profile.kind is Kind.EVENT_LOG
        columns = self.spec.id_columns(names)
        if self.spec.date_column is not None:
            columns.append(self.spec.date_column)
        if is_event:
            columns = list(self.spec.primary_key)

        def key(record: Mapping[str, Any]) -> str | None:
            parts = [record.get(column) for column in columns]
            if None in parts:
                return None
            texts = [str(part) for part in parts]
            return hashed_key(texts) if is_event else key_of(texts)

        def only_key(record: Mapping[str, Any]) -> str | None:
            part = record.get(columns[0])
            return None if part is None else str(part)

        return only_key if len(columns) == 1 and not is_event else key

    def claim_function(self, names: Mapping[str, str]) -> Callable[[PackedKey, int], int | None]:
        """Return `EmittedKeys.claim` for the records of a partition.

        A record already emitted from another partition is reported as having had different content:
        its message may still be in a batch there when the state of this partition is saved, so the
        next sync must resend it. Events are never batched.
        """
        # If records can move between partitions, any of them may emit a key.
        scope = () if self.spec.may_move(names) else tuple(names.values())
        with self._lock:
            emitted_keys = self._emitted.setdefault(scope, EmittedKeys())
        if scope or self.spec.profile.kind is Kind.EVENT_LOG:
            return emitted_keys.claim
        own = int(hashed_key([*names.values()])[: FINGERPRINT_BITS // 4], 16)

        def claim(key: PackedKey, fingerprint: int) -> int | None:
            emitted = emitted_keys.claim(key, fingerprint ^ own)
            return None if emitted is None else emitted ^ own

        return claim

    def stamp(self, version: int) -> Stamp:
        """Return the columns of a message with this version."""
        return Stamp(version, self.writer.baseline_at)

    def listed_columns(self) -> frozenset[str]:
        """Return the columns found in rows of the list."""
        with self._lock:
            return frozenset(self._listed_columns)

    @property
    def workspaces(self) -> frozenset[str]:
        """The workspaces that are visible to the key and have the stream in their plan."""
        return self._workspaces

    @property
    def follows_hints(self) -> bool:
        """Whether change feeds are read for the stream."""
        return self.spec.profile.takes_hints and self.sync.feeds is not None

    def knows(self, workspace_id: str) -> bool:
        """Return whether the saved state has partitions of a workspace."""
        return any(ids[0] == workspace_id for ids in self._plans)

    def saved_access(self, workspace_id: str) -> str:
        """Return the access fingerprint of the last reads of a workspace; "" if they differ."""
        found = {
            plan.known.access
            for ids, plan in self._plans.items()
            if ids[0] == workspace_id and plan.known is not None and plan.known.access
        }
        hides = any(
            plan.known is not None and plan.known.former_access
            for ids, plan in self._plans.items()
            if ids[0] == workspace_id
        )
        return found.pop() if len(found) == 1 and not hides else ""

    def edited_in(self, workspace_id: str) -> int:
        """Return the number of records of a workspace that the comparison found edited."""
        return sum(read.edited for ids, read in self.reads.items() if ids[0] == workspace_id)

    def is_readable(self, workspace_id: str) -> bool:
        """Return whether the partitions of a workspace were listed in this sync."""
        return (
            not self.parents_failed
            and workspace_id in self._workspaces
            and workspace_id not in self._refused_workspaces
        )

    def is_first_warning(self, workspace_id: str) -> bool:
        """Return whether this is the first warning of changed permissions in a workspace."""
        with self._lock:
            if workspace_id in self._warned:
                return False
            self._warned.add(workspace_id)
            return True

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to the numbers of messages.

        These are `sent` (of which `changed` and `without key`), `resent` and `deleted`.
        """
        with self._lock:
            self._counts.update(counts)
        if counts.get("changed"):
            self.sync.progress.count_changed(self.spec.name, counts["changed"])
        sent = counts.get("sent", 0) - counts.get("without key", 0)
        self.writer.count_emitted(sent=sent, deleted=counts.get("deleted", 0))

    @property
    def leaves_out(self) -> bool:
        """Whether a part of the stream failed or was refused and must be reread."""
        return (
            self._failed
            or bool(self._refused_workspaces)
            or any(not read.complete for read in self.reads.values())
        )

    @property
    def has_failed(self) -> bool:
        """Whether a request of the stream failed, so that its snapshot is incomplete."""
        return self._failed

    def warn_of_keyless(self) -> None:
        """Warn of records that cannot be compared."""
        if self._counts["without key"]:
            logger.warning(
                "%s: %s records lack a column of their primary key. They are sent in every sync.",
                self.spec.name,
                self._counts["without key"],
            )
