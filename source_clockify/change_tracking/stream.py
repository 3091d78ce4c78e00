"""A stream that is tracked: its partitions, its checkpoints, and the decision at its end."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    StreamDescriptor,
)
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.availability_strategy import StreamAvailability
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition as CdkPartition
from airbyte_cdk.sources.types import Record, StreamSlice

from source_clockify.change_tracking.comparison import (
    Comparison,
    Outcome,
    Versions,
    incomplete,
    outcome,
)
from source_clockify.change_tracking.fingerprint import fingerprinter
from source_clockify.change_tracking.kinds import Kind, Span, Tracking
from source_clockify.change_tracking.lookups import Lookups
from source_clockify.change_tracking.messages import Stamp
from source_clockify.change_tracking.rows import Row, Rows, hashed_key, key_of
from source_clockify.change_tracking.state import (
    Partition,
    PartitionState,
    StreamState,
    encode,
)
from source_clockify.change_tracking.viewer import Viewers
from source_clockify.change_tracking.windows import (
    CLOCK_TOLERANCE,
    DAY,
    Horizon,
    Window,
    covers,
    cursor_text,
    kept_from,
    known_from,
    read_at,
    start_of,
    unknown_of,
    window_of,
    window_start,
)
from source_clockify.streams import ClockifyStream

logger = logging.getLogger("airbyte")

# A state message is sent at most so often while a stream is read ...
CHECKPOINT_SECONDS = 60
# ... and no more often than this for each megabyte of it.
CHECKPOINT_SECONDS_PER_MEGABYTE = 10
_LARGE_STATE = 16 * 1024 * 1024


def _nowhere(key: str) -> None:
    """Know of no record in another partition."""


@dataclass(frozen=True)
class Sync:
    """What all tracked streams of one sync share.

    Attributes:
        horizon: what the configuration says of windows, and when the sync began.
        began: when the sync began, in milliseconds since 1970.
        resend: in how many later syncs a change is sent again.
        lookups: asks Clockify beside the listings.
        viewers: with whose rights the account is read.
        allowance: how many single reads are left.
        emit: sends a message to where the records go, after those that were sent before.
    """

    horizon: Horizon
    began: int
    resend: int
    lookups: Lookups
    viewers: Viewers
    allowance: "Allowance"
    emit: Callable[[AirbyteMessage], None]


class Allowance:
    """How many single reads are left in this sync; worker threads take from it."""

    def __init__(self, reads: int) -> None:
        self._left = reads
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
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
        rows: likewise, its rows.
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
    rows: Rows
    slices: list[Mapping[str, Any]] = field(default_factory=list)
    open: int = 0
    generated: bool = False
    complete: bool = True
    seen: Rows = field(default_factory=dict)
    outcome: Outcome | None = None


class TrackedStream(AbstractStream):
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
        tracking: Tracking,
        state: StreamState | None,
        sync: Sync,
        workspaces: frozenset[str],
        decide: "Callable[[TrackedStream], Iterator[tuple[Partition, dict[str, Any]]]]",
    ) -> None:
        self._inner = inner
        self._inner.on_wait = self._checkpoint
        self._decide = decide
        self.tracking = tracking
        self.sync = sync
        self.workspaces = workspaces
        version = max(sync.began, state.updated_at + 1 if state else 0)
        self.versions = Versions(version, sync.resend, sync.horizon.now)
        self.baseline_at = state.baseline_at if state else version
        self.known = dict(state.partitions) if state else {}
        # An interrupted baseline goes on with the partitions that are not done.
        self.is_baseline = state is None or not state.is_done
        self._is_done = not self.is_baseline
        self._failed = False
        self.fingerprint = fingerprinter(
            tracking.added | tracking.traits.volatile, tracking.traits.volatile_while_running
        )
        self.reads: dict[Partition, PartitionRead] = {}
        self.generation_failed = False
        self.fields = state.fields if state else ()
        self._partitions = dict(self.known)
        self._sent: dict[str, int] = {}
        self._index: dict[str, Row] | None = None
        self._lock = threading.Lock()
        # A state must not be overtaken by an older one.
        self._emitting = threading.Lock()
        self._open = 1
        self._cursor = TrackedCursor(self)
        self._last_checkpoint = time.monotonic()
        self._checkpoint_bytes = 0
        self._is_dirty = False
        self._counts: Counter[str] = Counter()
        self._warned: set[str] = set()
        self._said_longer = False

    # Partitions ---------------------------------------------------------------------------------

    def generate_partitions(self) -> Iterable[CdkPartition]:
        failure: Exception | None = None
        current: PartitionRead | None = None
        try:
            for inner in self._inner.generate_partitions():
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
        with self._lock:
            self.fields = tuple(names)
            read = self.reads.get(ids)
            if read is None:
                known = self.known.get(ids)
                rows = known.rows() if known else {}
                self._say_if_lookback_is_longer(known)
                read = self.reads[ids] = PartitionRead(ids, names, partition, known, rows)
        return read

    def _say_if_lookback_is_longer(self, known: PartitionState | None) -> None:
        if known is None or known.kept is None or self._said_longer:
            return
        since = known_from(self.tracking, known, self.sync.horizon)
        if since < known.kept - CLOCK_TOLERANCE:
            self._said_longer = True
            logger.info(
                "%s: it looks back further than the last sync. What began from %s on is sent once "
                "more.",
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
        horizon, known = self.sync.horizon, read.known
        began = read_at(known, horizon)
        kept = kept_from(self.tracking, {}, began, horizon)
        is_event = self.tracking.traits.kind is Kind.FEED
        return Comparison(
            tracking=self.tracking,
            versions=self.versions,
            key=self.keyer(read.names),
            fingerprint=(lambda record: 1) if is_event else self.fingerprint,
            known=read.rows,
            elsewhere=self._elsewhere if self._may_know(read) else _nowhere,
            claim=lambda key, row: self.claim(read.names, key, row.fingerprint),
            unknown=unknown_of(self.tracking, known, horizon, is_baseline=self.is_baseline),
            # Which events are the last is known at the end.
            kept=began - 400 * DAY if is_event else kept,
        )

    def claim(self, names: Mapping[str, str], key: str, fingerprint: int) -> int | None:
        """Take note that a record is sent, or return the fingerprint with which it was already.

        In one sync a record can come from two partitions, or twice where two windows touch.
        """
        may_move = self.tracking.may_move(names)
        if not may_move and self.tracking.traits.kind is not Kind.FEED:
            return None
        place = key if may_move else key_of([*names.values(), key])
        with self._lock:
            sent = self._sent.get(place)
            if sent is None:
                self._sent[place] = fingerprint
            return sent

    def keyer(self, names: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str]:
        """Return what tells the key under which a record of a partition is kept."""
        columns = self.tracking.id_columns(names)
        if self.tracking.date_column is not None:
            columns.append(self.tracking.date_column)
        if self.tracking.traits.kind is Kind.FEED:
            columns = list(self.tracking.primary_key)
            return lambda record: hashed_key([str(record.get(name)) for name in columns])
        if len(columns) == 1:
            (column,) = columns
            return lambda record: str(record.get(column))
        return lambda record: key_of([str(record.get(name)) for name in columns])

    def stamp(self, version: int) -> Stamp:
        return Stamp(version, self.baseline_at)

    def _may_know(self, read: PartitionRead) -> bool:
        return bool(self.known) and self.tracking.may_move(read.names)

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
            read.seen, read.rows = {}, {}
            if found.state is not None:
                self._partitions[read.ids] = found.state
                self._is_dirty = True
        if found.hidden and self.is_first_warning(read.ids[0]):
            logger.warning(
                "%s: records of workspace %s are no longer visible, and the key's user or his "
                "roles are not those of the last sync. They are not taken for deleted.",
                self.name,
                read.ids[0],
            )
        self._checkpoint()

    def _outcome(self, read: PartitionRead) -> Outcome:
        if not read.complete:
            return incomplete(read.known, read.rows, read.seen)
        tracking, horizon = self.tracking, self.sync.horizon
        start = covers(tracking, horizon)
        if read.known is not None:
            start = window_start(tracking, read.known, horizon)
        ends = [window.get("end_time") for window in read.slices]
        window = window_of(tracking, start, _last_second(tracking, ends), horizon)
        viewer = read.known.viewer if read.known else ""
        if tracking.traits.deletions and _depends_on_viewer(read, window):
            current = self.sync.viewers.of(read.ids[0])
            if current is None:
                return incomplete(read.known, read.rows, read.seen)
            viewer = current
        covered = covers(tracking, horizon)
        if read.known is not None:
            before = read.known.covers
            covered = None if covered is None or before is None else min(covered, before)
        return outcome(
            tracking,
            horizon,
            self.versions,
            window,
            read.known,
            read.rows,
            read.seen,
            covered,
            viewer,
        )

    def is_first_warning(self, workspace_id: str) -> bool:
        """Tell whether other rights in a workspace were not warned of yet."""
        with self._lock:
            if workspace_id in self._warned:
                return False
            self._warned.add(workspace_id)
            return True

    def decide(self) -> Iterator[Record]:
        """Yield what is known at the end only: tombstones, and what was read by id."""
        self._is_done = self._is_done or not self._failed
        try:
            for ids, data in self._decide(self):
                partition = dict(zip(self.fields, ids, strict=True))
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
            self._counts["again"],
        )

    # State --------------------------------------------------------------------------------------

    def partitions(self) -> dict[Partition, PartitionState]:
        with self._lock:
            return dict(self._partitions)

    def put(self, ids: Partition, state: PartitionState | None) -> None:
        """Replace what is known of a partition; None forgets it."""
        with self._lock:
            if state is None:
                self._partitions.pop(ids, None)
            else:
                self._partitions[ids] = state

    def state(self) -> StreamState:
        with self._lock:
            return StreamState(
                self.versions.current,
                self.baseline_at,
                self._is_done,
                self.fields,
                dict(self._partitions),
            )

    def _checkpoint(self) -> None:
        """Send the state if something was read since, and if it is time."""
        wait = max(
            CHECKPOINT_SECONDS,
            CHECKPOINT_SECONDS_PER_MEGABYTE * self._checkpoint_bytes / 1_000_000,
        )
        with self._lock:
            due = self._is_dirty and time.monotonic() - self._last_checkpoint >= wait
        if due:
            self.emit_state()

    def emit_state(self) -> None:
        """Send the state; what it tells of was sent before."""
        with self._emitting:
            self._emit_state()

    def _emit_state(self) -> None:
        blob = encode(self.state())
        size = sum(len(part.get("rows", "")) + 100 for part in blob["partitions"])
        with self._lock:
            self._checkpoint_bytes = size
            self._is_dirty = False
            self._last_checkpoint = time.monotonic()
        if size > _LARGE_STATE:
            logger.warning(
                "%s: its state has %s MB. Shorten Lookback Days (lookback_days).",
                self.name,
                size // 1_000_000,
            )
        state = AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=self.name), stream_state=AirbyteStateBlob(blob)
        )
        self.sync.emit(
            AirbyteMessage(
                type=MessageType.STATE,
                state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=state),
            )
        )

    # What the CDK asks --------------------------------------------------------------------------

    @property
    def inner(self) -> ClockifyStream:
        return self._inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def cursor_field(self) -> str | None:
        return self._inner.cursor_field

    @property
    def cursor(self) -> Cursor:
        return self._cursor

    def get_json_schema(self) -> Mapping[str, Any]:
        return self._inner.get_json_schema()

    def as_airbyte_stream(self) -> AirbyteStream:
        return self._inner.as_airbyte_stream()

    def log_stream_sync_configuration(self) -> None:
        self._inner.log_stream_sync_configuration()

    def check_availability(self) -> StreamAvailability:
        return self._inner.check_availability()


class StampedStream(AbstractStream):
    """A stream in full refresh: every record, with the columns of change tracking."""

    def __init__(self, inner: ClockifyStream, version: int) -> None:
        self._inner = inner
        self._columns = Stamp(version, version).columns()

    def generate_partitions(self) -> Iterable[CdkPartition]:
        for partition in self._inner.generate_partitions():
            yield StampedPartition(partition, self._columns)

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def cursor_field(self) -> str | None:
        return self._inner.cursor_field

    @property
    def cursor(self) -> Cursor:
        return self._inner.cursor

    def get_json_schema(self) -> Mapping[str, Any]:
        return self._inner.get_json_schema()

    def as_airbyte_stream(self) -> AirbyteStream:
        return self._inner.as_airbyte_stream()

    def log_stream_sync_configuration(self) -> None:
        self._inner.log_stream_sync_configuration()

    def check_availability(self) -> StreamAvailability:
        return self._inner.check_availability()


class StampedPartition(CdkPartition):
    def __init__(self, inner: CdkPartition, columns: Mapping[str, str]) -> None:
        self._inner = inner
        self._columns = columns

    def read(self) -> Iterable[Record]:
        for record in self._inner.read():
            cast(dict[str, Any], record.data).update(self._columns)
            yield record

    def to_slice(self) -> Mapping[str, Any] | None:
        return self._inner.to_slice()

    def stream_name(self) -> str:
        return self._inner.stream_name()

    def __hash__(self) -> int:
        return hash(self._inner)


class TrackedPartition(CdkPartition):
    """One slice of a partition: yields what of it is to be sent."""

    def __init__(self, stream: TrackedStream, read: PartitionRead, inner: CdkPartition) -> None:
        self._stream = stream
        self._read = read
        self._inner = inner

    def read(self) -> Iterable[Record]:
        stream, read = self._stream, self._read
        comparison = stream.comparison(read)
        columns: dict[int, dict[str, str]] = {}
        failure: Exception | None = None
        try:
            for record in self._inner.read():
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
        if failure is not None:
            stream.note_failure()
        complete = failure is None and not getattr(self._inner, "refused", False)
        if stream.slice_ended(read, comparison.seen, complete=complete):
            yield from stream.decide()
        if failure is not None:
            raise failure

    def to_slice(self) -> Mapping[str, Any] | None:
        return self._inner.to_slice()

    def stream_name(self) -> str:
        return self._stream.name

    def __hash__(self) -> int:
        return hash(self._inner)


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
        return encode(self._stream.state())

    def observe(self, record: Record) -> None: ...

    def close_partition(self, partition: CdkPartition) -> None: ...

    def ensure_at_least_one_state_emitted(self) -> None:
        self._stream.emit_state()

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
    return {name: value for name, value in names.items() if value}


def partition_of(names: Sequence[str], ids: Partition) -> dict[str, Any]:
    """Return the partition as the manifest's cursor knows it."""
    partition: dict[str, Any] = {}
    for name, identifier in zip(names, ids, strict=True):
        partition = {name: identifier, **({"parent_slice": partition} if partition else {})}
    return partition


def _window_in(stream_slice: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: stream_slice[name] for name in ("start_time", "end_time") if name in stream_slice}


def _depends_on_viewer(read: PartitionRead, window: Window) -> bool:
    """Tell whether a partition shows more or less than it did: that may be for other rights."""
    return any(key not in read.rows for key in read.seen) or any(
        key not in read.seen and (row.missing or row.hidden or window.holds(row))
        for key, row in read.rows.items()
    )


def _last_second(tracking: Tracking, ends: Sequence[Any]) -> int | None:
    """Return the last second of the windows that end there, None if one has no end."""
    seconds = [start_of(end) for end in ends]
    if not seconds or None in seconds:
        return None
    whole_days = tracking.traits.span is not Span.SECOND
    return max(second for second in seconds if second is not None) + (DAY - 1 if whole_days else 0)
