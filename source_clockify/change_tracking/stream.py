"""A stream that is tracked: its partitions, its checkpoints, and the decision at its end."""

import logging
import threading
from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any, cast

from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition as CdkPartition
from airbyte_cdk.sources.types import Record, StreamSlice

from source_clockify.change_tracking.access import AccessFingerprints
from source_clockify.change_tracking.checkpoint import StateWriter
from source_clockify.change_tracking.diff import (
    Comparison,
    PartitionDiff,
    Versions,
    diff_partition,
    partial_diff,
)
from source_clockify.change_tracking.fingerprint import fingerprinter
from source_clockify.change_tracking.lookups import Lookups
from source_clockify.change_tracking.messages import Stamp
from source_clockify.change_tracking.plan import (
    CLOCK_TOLERANCE,
    SyncBounds,
    Window,
    cursor_text,
    earliest_start,
    forgotten_before,
    read_at,
    retention_start,
    unknown_of,
    window_of,
    window_start,
)
from source_clockify.change_tracking.profiles import Granularity, Kind, StreamSpec
from source_clockify.change_tracking.rows import Row, Rows, hashed_key, key_of
from source_clockify.change_tracking.state import (
    Partition,
    PartitionState,
    StreamState,
    encode,
)
from source_clockify.request_notes import recording_requests
from source_clockify.streams import (
    ClockifyPartition,
    ClockifyStream,
    WrappedPartition,
    WrappedStream,
)
from source_clockify.timestamps import DAY, second_of

logger = logging.getLogger("airbyte")

# No feed reaches further back than a year.
_LONGEST_FEED = 366 * DAY


@dataclass(frozen=True)
class Sync:
    """What all tracked streams of one sync share.

    Attributes:
        bounds: what the configuration says of windows, and when the sync began.
        began: when the sync began, in milliseconds since 1970.
        resend: in how many later syncs a change is sent again.
        lookups: asks Clockify beside the listings.
        access: with whose rights the account is read.
        lookup_budget: how many single reads are left.
        emit: sends a message to where the records go, after those that were sent before.
    """

    bounds: SyncBounds
    began: int
    resend: int
    lookups: Lookups
    access: AccessFingerprints
    lookup_budget: "LookupBudget"
    emit: Callable[[AirbyteMessage], None]


class LookupBudget:
    """How many single reads are left in this sync; worker threads take from it.

    Records that stay outside of their lists are read in every sync. They get half of the reads,
    those of one stream a tenth: the others are for what may be deleted.
    """

    def __init__(self, reads: int) -> None:
        self._left = reads
        self._rereads = reads // 2
        self._rereads_of_a_stream = max(1, reads // 10)
        self._reread: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            return self._take()

    def take_reread(self, stream: str) -> bool:
        """Take one for a record that an earlier sync found alive, but unlisted."""
        with self._lock:
            if (
                self._reread[stream] >= self._rereads_of_a_stream
                or self._reread.total() >= self._rereads
                or not self._take()
            ):
                return False
            self._reread[stream] += 1
            return True

    def _take(self) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        return True


@dataclass
class PartitionRead:
    """One partition in this sync.

    Attributes:
        ids: the partition.
        names: its ids by the names of their fields.
        partition: as the manifest's templates see it.
        known: what the state knows of it, None in a baseline.
        rows: likewise, its rows; None while nobody needs them.
        slices: the windows in which it is read.
        open: how many slices have not ended.
        generated: whether all its slices are known.
        complete: whether nothing failed so far.
        seen: the rows that came.
        outcome: what it looks like now, once all slices have ended.
    """

    ids: Partition
    names: Mapping[str, str]
    partition: Mapping[str, Any]
    known: PartitionState | None
    rows: Rows | None = None
    slices: list[Mapping[str, Any]] = field(default_factory=list)
    open: int = 0
    generated: bool = False
    complete: bool = True
    seen: Rows = field(default_factory=dict)
    outcome: PartitionDiff | None = None


class TrackedStream(WrappedStream):
    """A stream that emits what changed since the state.

    Args:
        inner: reads what there is.
        tracking: what has to be known of the stream.
        state: what the last sync knew, None before the first.
        sync: what all streams share.
        workspaces: those whose plan has the stream, as far as that is known.
        decide: yields the messages of the stream's end, see deletions.py.
    """

    def __init__(
        self,
        inner: ClockifyStream,
        tracking: StreamSpec,
        state: StreamState | None,
        sync: Sync,
        workspaces: frozenset[str],
        decide: "Callable[[TrackedStream], Iterator[tuple[Partition, dict[str, Any]]]]",
    ) -> None:
        super().__init__(inner)
        self.inner = inner
        self._decide = decide
        self.tracking = tracking
        self.sync = sync
        self.workspaces = workspaces
        version = max(sync.began, state.updated_at + 1 if state else 0)
        self.versions = Versions(version, sync.resend, sync.bounds.now)
        self.writer = StateWriter(inner.name, state, version, sync.emit)
        inner.on_wait = self.writer.checkpoint
        self.known = dict(state.partitions) if state else {}
        # An interrupted baseline goes on with the partitions that are not done.
        self.is_baseline = state is None or not state.is_done
        self._failed = False
        self.fingerprint = fingerprinter(
            tracking.added | tracking.profile.volatile, tracking.profile.volatile_while_running
        )
        self.reads: dict[Partition, PartitionRead] = {}
        self.generation_failed = False
        self._sent: dict[str | tuple[str, ...], int] = {}
        self._index: dict[str, Row] | None = None
        self._lock = threading.Lock()
        self._open = 1
        self._cursor = TrackedCursor(self)
        self._counts: Counter[str] = Counter()
        self._listed_columns: set[str] = set()
        self._warned: set[str] = set()
        self._said_longer = False

    # Partitions ---------------------------------------------------------------------------------

    def generate_partitions(self) -> Iterable[CdkPartition]:
        failure: Exception | None = None
        current: PartitionRead | None = None
        try:
            for inner in self.inner.generate_partitions():
                read = self._read_of(inner)
                if current is not None and current is not read:
                    self._all_generated(current)
                current = read
                with self._lock:
                    read.slices.append(_window_in(inner.to_slice() or {}))
                    read.open += 1
                    self._open += 1
                yield TrackedPartition(self, read, inner)
        except Exception as error:
            failure = error
        if current is not None:
            # Were some of its slices not generated, it would look complete.
            self._all_generated(current, complete=failure is None)
        self.generation_failed = failure is not None
        self._failed = self._failed or self.generation_failed
        yield ClosingPartition(self)
        if failure is not None:
            raise failure

    def _read_of(self, inner: CdkPartition) -> PartitionRead:
        partition = _partition_in(inner)
        names = partition_names(partition)
        ids = tuple(names.values())
        read = self.reads.get(ids)
        if read is None:
            self.writer.name_fields(tuple(names))
            known = self.known.get(ids)
            self._say_if_lookback_is_longer(known)
            read = PartitionRead(ids, names, partition, known)
            with self._lock:
                self.reads[ids] = read
        return read

    def _say_if_lookback_is_longer(self, known: PartitionState | None) -> None:
        if known is None or self._said_longer:
            return
        since = forgotten_before(self.tracking, known, self.sync.bounds)
        if since < known.retained_since - CLOCK_TOLERANCE:
            self._said_longer = True
            logger.info(
                "%s: Lookback Days (lookback_days) reaches further back than in the last sync. "
                "What began from %s on is sent once more.",
                self.name,
                cursor_text(self.tracking, since),
            )

    def _all_generated(self, read: PartitionRead, *, complete: bool = True) -> None:
        with self._lock:
            read.generated = True
            read.complete = read.complete and complete
            ended = read.open == 0
        if ended:
            self._finish(read)

    # Records ------------------------------------------------------------------------------------

    def comparison(self, read: PartitionRead) -> Comparison:
        """Return what compares the records of one slice of a partition."""
        bounds, known = self.sync.bounds, read.known
        began = read_at(known, bounds)
        retained_since = retention_start(self.tracking, {}, began, bounds)
        is_event = self.tracking.profile.kind is Kind.EVENT_LOG
        may_move = self.tracking.may_move(read.names)
        return Comparison(
            tracking=self.tracking,
            versions=self.versions,
            key=self.keyer(read.names),
            fingerprint=(lambda record: 1) if is_event else self.fingerprint,
            known=self._rows_of(read),
            elsewhere=self._elsewhere if self.known and may_move else None,
            claim=self.claimer(read.names),
            unknown=unknown_of(self.tracking, known, bounds, is_baseline=self.is_baseline),
            # Which events are the last is known at the end.
            retained_since=began - _LONGEST_FEED if is_event else retained_since,
            columns=set() if self.tracking.profile.compares_single_reads else None,
        )

    def _rows_of(self, read: PartitionRead) -> Rows:
        """Return the rows that the state knows of a partition, unpacked when they are needed."""
        with self._lock:
            if read.rows is None:
                read.rows = read.known.rows() if read.known else {}
            return read.rows

    def claimer(self, names: Mapping[str, str]) -> Callable[[str, int], int | None]:
        """Return what takes note that a record of a partition is sent.

        It returns with which fingerprint the record was sent already, None if it was not: in one
        sync a record can come from two partitions, or in two windows.
        """
        part = () if self.tracking.may_move(names) else tuple(names.values())

        def claim(key: str, fingerprint: int) -> int | None:
            place = (*part, key) if part else key
            with self._lock:
                sent = self._sent.get(place)
                if sent is None:
                    self._sent[place] = fingerprint
                return sent

        return claim

    def keyer(self, names: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str | None]:
        """Return what tells the key under which a record of a partition is kept.

        The key is None for a record that lacks a column of it.
        """
        is_event = self.tracking.profile.kind is Kind.EVENT_LOG
        columns = self.tracking.id_columns(names)
        if self.tracking.date_column is not None:
            columns.append(self.tracking.date_column)
        if is_event:
            columns = list(self.tracking.primary_key)

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

    def stamp(self, version: int) -> Stamp:
        return Stamp(version, self.writer.baseline_at)

    def _elsewhere(self, key: str) -> Row | None:
        """Return what the state knows of a record in any partition."""
        with self._lock:
            if self._index is None:
                self._index = {}
                for known in self.known.values():
                    self._index.update(known.rows())
            return self._index.get(key)

    # The end of a slice, a partition, the stream ------------------------------------------------

    def slice_ended(self, read: PartitionRead | None, seen: Rows, *, complete: bool) -> bool:
        """Take note of a slice that ended; returns True if it was the last of the stream."""
        finished = False
        if read is not None:
            with self._lock:
                read.seen.update(seen)
                read.complete = read.complete and complete
                read.open -= 1
                finished = read.generated and read.open == 0
        if finished and read is not None:
            self._finish(read)
        with self._lock:
            self._open -= 1
            return self._open == 0

    def _finish(self, read: PartitionRead) -> None:
        found = self._outcome(read)
        with self._lock:
            read.outcome = found
            read.seen, read.rows = {}, None
        if found.state is not None:
            self.writer.put(read.ids, found.state)
        if found.hidden and self.is_first_warning(read.ids[0]):
            logger.warning(
                "%s: records of workspace %s are no longer visible, and the key's user or his "
                "roles are not those of the last sync. They are not taken for deleted.",
                self.name,
                read.ids[0],
            )
        self.writer.checkpoint()

    def _outcome(self, read: PartitionRead) -> PartitionDiff:
        rows = self._rows_of(read)
        if not read.complete:
            return partial_diff(read.known, rows, read.seen)
        tracking, bounds = self.tracking, self.sync.bounds
        start = earliest_start(tracking, bounds)
        if read.known is not None:
            start = window_start(tracking, read.known, bounds)
        ends = [window.get("end_time") for window in read.slices]
        window = window_of(tracking, start, _last_second(tracking, ends), bounds)
        access = self._access(read, window, rows)
        if access is None:
            return partial_diff(read.known, rows, read.seen)
        covered = earliest_start(tracking, bounds)
        if read.known is not None:
            before = read.known.history_start
            covered = None if covered is None or before is None else min(covered, before)
        return diff_partition(
            tracking,
            bounds,
            self.versions,
            window,
            read.known,
            rows,
            read.seen,
            covered,
            access,
        )

    def _access(self, read: PartitionRead, window: Window, rows: Rows) -> str | None:
        """Return with whose rights a partition was read, None if that must be known and is not."""
        before = read.known.access if read.known else ""
        if not self.tracking.profile.deletions:
            return before
        lacks = any(
            key not in read.seen
            and not row.deleted
            and (row.missing or row.hidden or window.holds(row))
            for key, row in rows.items()
        )
        if not lacks and not read.seen.keys() - rows.keys():
            return self.sync.access.known(read.ids[0]) or before
        access = self.sync.access.of(read.ids[0])
        # What is new can be kept without knowing who sees it.
        return access if access is not None or lacks else ""

    def is_first_warning(self, workspace_id: str) -> bool:
        """Tell whether other rights in a workspace were not warned of yet."""
        with self._lock:
            if workspace_id in self._warned:
                return False
            self._warned.add(workspace_id)
            return True

    def decide(self) -> Iterator[Record]:
        """Yield what is known at the end only: tombstones, and what was read by id."""
        if not self._failed:
            self.writer.baseline_is_done()
        try:
            with recording_requests(on_wait=self.writer.checkpoint):
                for ids, data in self._decide(self):
                    partition = dict(zip(self.writer.fields, ids, strict=True))
                    yield Record(
                        data=data,
                        stream_name=self.name,
                        associated_slice=StreamSlice(partition=partition, cursor_slice={}),
                    )
        finally:
            self._log_counts()

    def note_failure(self) -> None:
        """Take note that a partition failed: the baseline is not done."""
        self._failed = True

    def note_columns(self, columns: Collection[str]) -> None:
        """Take note of the columns that rows of the list have."""
        with self._lock:
            self._listed_columns.update(columns)

    def listed_columns(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._listed_columns)

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to the numbers of messages: `sent`, `again` and `deleted`."""
        with self._lock:
            self._counts.update(counts)

    def _log_counts(self) -> None:
        logger.info(
            "%s: %s new or changed, %s deleted, %s sent again.",
            self.name,
            self._counts["sent"],
            self._counts["deleted"],
            self._counts["resent"],
        )
        if self._counts["without key"]:
            logger.warning(
                "%s: %s records lack a column of their primary key. They are sent in every sync.",
                self.name,
                self._counts["without key"],
            )

    @property
    def cursor(self) -> Cursor:
        return self._cursor


class TrackedPartition(WrappedPartition):
    """One slice of a partition: yields what of it is to be sent."""

    def __init__(
        self, stream: TrackedStream, read: PartitionRead, inner: ClockifyPartition
    ) -> None:
        super().__init__(inner)
        self._stream = stream
        self._read = read
        self._slice = inner

    def read(self) -> Iterable[Record]:
        stream, read = self._stream, self._read
        comparison = stream.comparison(read)
        columns: dict[int, dict[str, str]] = {}
        failure: Exception | None = None
        try:
            for record in self._slice.read():
                version = comparison.version_of(record.data)
                if version is None:
                    continue
                if version not in columns:
                    columns[version] = stream.stamp(version).columns()
                cast(dict[str, Any], record.data).update(columns[version])
                yield record
        except Exception as error:
            failure = error
        stream.count(comparison.counts)
        stream.note_columns(comparison.columns or ())
        if failure is not None:
            stream.note_failure()
        complete = failure is None and not self._slice.refused
        if stream.slice_ended(read, comparison.seen, complete=complete):
            yield from stream.decide()
        if failure is not None:
            raise failure


class ClosingPartition(CdkPartition):
    """Comes after all others: without any, it is the one that ends last."""

    def __init__(self, stream: TrackedStream) -> None:
        self._stream = stream

    def read(self) -> Iterable[Record]:
        if self._stream.slice_ended(None, {}, complete=True):
            yield from self._stream.decide()

    def to_slice(self) -> Mapping[str, Any] | None:
        return None

    def stream_name(self) -> str:
        return self._stream.name

    def __hash__(self) -> int:
        return hash((self._stream.name, "closing"))


class TrackedCursor(Cursor):
    """Stands in for the cursor of the manifest, which knows nothing of changes."""

    def __init__(self, stream: TrackedStream) -> None:
        self._stream = stream

    @property
    def state(self) -> MutableMapping[str, Any]:
        return encode(self._stream.writer.state())

    def observe(self, record: Record) -> None: ...

    def close_partition(self, partition: CdkPartition) -> None: ...

    def ensure_at_least_one_state_emitted(self) -> None:
        self._stream.writer.send()

    def should_be_synced(self, record: Record) -> bool:
        return True


def _partition_in(inner: CdkPartition) -> Mapping[str, Any]:
    found = inner.to_slice()
    return found.partition if isinstance(found, StreamSlice) else {}


def partition_names(partition: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids of a partition by the names of their fields, the workspace first."""
    names = {"workspace_id": ""}
    levels = [partition]
    while isinstance(levels[-1].get("parent_slice"), Mapping):
        levels.append(levels[-1]["parent_slice"])
    for level in reversed(levels):
        names |= {name: str(value) for name, value in level.items() if name != "parent_slice"}
    # However the workspaces are asked for, they are one partition.
    names.pop("scope", None)
    if not names["workspace_id"]:
        del names["workspace_id"]
    return names


# Fields of partitions that divide a workspace without being the id of a parent.
PASSES = frozenset({"archived", "authors"})


def partition_of(names: Sequence[str], ids: Partition) -> dict[str, Any]:
    """Return the partition as the manifest's cursor knows it."""
    partition: dict[str, Any] = {}
    for name, identifier in zip(names, ids, strict=True):
        if name in PASSES:
            partition[name] = identifier
        else:
            partition = {name: identifier, **({"parent_slice": partition} if partition else {})}
    return partition


def _window_in(stream_slice: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: stream_slice[name] for name in ("start_time", "end_time") if name in stream_slice}


def _last_second(tracking: StreamSpec, ends: Sequence[Any]) -> int | None:
    """Return the last second of the windows that end there, None if one has no end."""
    seconds = [second_of(end) for end in ends]
    if not seconds or None in seconds:
        return None
    whole_days = tracking.profile.granularity is not Granularity.SECOND
    # A window of days ends with the day before the one that it names.
    return max(second for second in seconds if second is not None) - (1 if whole_days else 0)
