"""The CDK's view of change tracking: wraps the manifest's streams, partitions and cursors.

In an incremental sync `TrackedStream` reports every slice to a `StreamTracker` and emits the
changes. In full refresh `StampedStream` only adds the columns.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, cast

from airbyte_cdk.models import AirbyteMessage, AirbyteStream, SyncMode
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition as CdkPartition
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.change_tracking.checkpoint import StateWriter, describe_start
from source_clockify.change_tracking.deletions import resolve_missing
from source_clockify.change_tracking.diff import SliceDiff
from source_clockify.change_tracking.hints import ask_feeds, follow_hints
from source_clockify.change_tracking.messages import COLUMNS, UPDATED_AT, Stamp
from source_clockify.change_tracking.partitions import partition_of
from source_clockify.change_tracking.state import encode
from source_clockify.change_tracking.tracker import (
    PartitionRead,
    StreamTracker,
    Sync,
    TrackedRead,
)
from source_clockify.record_batches import Chunk, Pack
from source_clockify.request_notes import Gap
from source_clockify.streams import (
    ClockifyPartition,
    ClockifyStream,
    DataPartition,
    WrappedPartition,
    WrappedStream,
    as_records,
)

logger = logging.getLogger("airbyte")

# The phase of a stream after its partitions are read.
READING_FEEDS = "reading the change feeds"
LOOKING_UP = "looking up missing records"


def with_columns(stream: AirbyteStream) -> AirbyteStream:
    """Return the description of a tracked stream: incremental and with the three columns."""
    schema = stream.json_schema
    return replace(
        stream,
        json_schema={**schema, "properties": {**schema.get("properties", {}), **COLUMNS}},
        supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
        source_defined_cursor=True,
        default_cursor_field=[UPDATED_AT],
        is_resumable=True,
    )


class StampedStream(WrappedStream):
    """A stream in full refresh: every record, with the columns of change tracking."""

    def __init__(self, inner: AbstractStream, version: int, cursor: Cursor) -> None:
        super().__init__(inner)
        self._columns = Stamp(version, version).columns()
        self._cursor = cursor

    @property
    def cursor(self) -> Cursor:
        return self._cursor

    def generate_partitions(self) -> Iterable[CdkPartition]:
        for partition in self._inner.generate_partitions():
            yield StampedPartition(cast(ClockifyPartition, partition), self._columns)

    def as_airbyte_stream(self) -> AirbyteStream:
        return with_columns(super().as_airbyte_stream())


class StampedPartition(DataPartition):
    """A partition whose records get the columns of change tracking."""

    def __init__(self, inner: ClockifyPartition, columns: Mapping[str, str]) -> None:
        super().__init__(inner)
        self._data = inner
        self._columns = columns

    def read_chunks(self) -> Iterator[Chunk]:
        for rows in self._data.read_chunks():
            for data in rows:
                data.update(self._columns)
            yield rows


class TrackedStream(WrappedStream):
    """A stream in an incremental sync: the records that changed since the saved state.

    Attributes:
        pack: turns data into records or batches of them, see record_batches.py.

    Args:
        inner: reads all records.
        read: the starting point of its tracker.
        sync: shared by all trackers.
        emit: sends a message behind the records that were sent before it.
    """

    def __init__(
        self,
        inner: ClockifyStream,
        read: TrackedRead,
        sync: Sync,
        emit: Callable[[AirbyteMessage], None],
    ) -> None:
        super().__init__(inner)
        self._stream = inner
        state = read.state
        version = max(sync.began, state.updated_at + 1 if state else 0)
        self._budget = sync.state_budget
        self._mark = read.resumed or sync.mark
        self._goes_on = sync.goes_on
        self._progress = sync.progress
        self._state = state
        self._writer = StateWriter(read.spec, state, version, emit, sync.state_budget)
        self._tracker = StreamTracker(read, sync, self._writer)
        self._cursor = TrackedCursor(self.name, self._writer)
        inner.checkpoints.add(self._writer.checkpoint_now)
        self.pack: Pack = partial(as_records, self.name)

    def generate_partitions(self) -> Iterable[CdkPartition]:
        self._begin()
        if self._was_read:
            yield ClosingPartition(self)
            return
        tracker = self._tracker
        failure: Exception | None = None
        current: PartitionRead | None = None
        try:
            for inner in self._stream.generate_partitions():
                partition, window = _slice_of(inner)
                read = tracker.open_slice(partition, window)
                if current is not None and current is not read:
                    self._close(current)
                current = read
                if tracker.skip_slice(read):
                    inner.skip()
                else:
                    yield TrackedPartition(self, read, inner)
        except Exception as error:
            failure = error
        if current is not None:
            # If some of its slices were not generated, it must not look complete.
            self._close(current, complete=failure is None)
        tracker.end_generation(self._stream.refused_workspaces, failed=failure is not None)
        yield ClosingPartition(self)
        if failure is not None:
            raise failure

    def _begin(self) -> None:
        """Log where the stream continues from; report the gaps of an earlier attempt."""
        resumed = self._tracker.resumed
        if self._goes_on:
            self._writer.join(self._mark)
        size = self._budget.stored_size(self.name)
        logger.info(describe_start(self.name, self._state, size, resumed))
        for gap in resumed.gaps if resumed else ():
            self._stream.report_gap(Gap(*gap))

    @property
    def _was_read(self) -> bool:
        """Whether an earlier attempt of the sync has read the whole stream."""
        resumed = self._tracker.resumed
        return resumed is not None and resumed.has_ended

    def _close(self, read: PartitionRead, *, complete: bool = True) -> None:
        with self._stream.recording():
            self._tracker.close_partition(read, complete=complete)

    def end_slice(
        self, read: PartitionRead, place: int, diff: SliceDiff, *, failed: bool, refused: bool
    ) -> bool:
        """Add the result of a slice; return True if it was the last open part of the stream."""
        self._writer.put_gaps(self._stream.gaps())
        with self._stream.recording():
            return self._tracker.end_slice(read, place, diff, failed=failed, refused=refused)

    def resolve(self) -> Iterator[Record]:
        """Yield the last messages of the stream: tombstones, records read by id, due resends."""
        tracker, writer = self._tracker, self._writer
        if not tracker.has_failed:
            writer.baseline_is_done()
        if self._was_read:
            writer.prepare_final()
            return
        try:
            with self._stream.recording():
                self._progress.enter_phase(self.name, READING_FEEDS)
                hints = ask_feeds(tracker)
                self._progress.enter_phase(self.name, LOOKING_UP)
                for ids, data in chain(resolve_missing(tracker), follow_hints(tracker, hints)):
                    partition = partition_of(writer.fields, ids)
                    # From here on the state may include it.
                    yield from self.pack(
                        [[data]], StreamSlice(partition=partition, cursor_slice={})
                    )
            for gap in tracker.hints.gaps:
                self._stream.report_gap(gap)
            writer.put_gaps(self._stream.gaps())
            writer.prepare_final(has_ended=not tracker.leaves_out)
        finally:
            tracker.warn_of_keyless()

    def as_airbyte_stream(self) -> AirbyteStream:
        return with_columns(super().as_airbyte_stream())

    @property
    def tracker(self) -> StreamTracker:
        return self._tracker

    @property
    def cursor(self) -> Cursor:
        return self._cursor


class TrackedPartition(WrappedPartition):
    """One slice of a partition: yields the records that are to be sent."""

    def __init__(
        self, stream: TrackedStream, read: PartitionRead, inner: ClockifyPartition
    ) -> None:
        super().__init__(inner)
        self._stream = stream
        self._read = read
        self._place = len(read.windows) - 1
        self._slice = inner
        # The error of reading or comparing records, rather than of packing them.
        self._reading_error: Exception | None = None

    def read(self) -> Iterable[Record]:
        diff = self._stream.tracker.compare(self._read)
        failure: Exception | None = None
        try:
            yield from self._stream.pack(self._changes(diff), self._slice.stream_slice)
        except Exception as error:
            failure = error
            if error is not self._reading_error:
                # Records of the difference were not sent, so the slice counts as unread.
                diff = self._stream.tracker.compare(self._read)
        is_last = self._stream.end_slice(
            self._read, self._place, diff, failed=failure is not None, refused=self._slice.refused
        )
        try:
            if is_last:
                yield from self._stream.resolve()
        except AirbyteTracedException as error:
            if failure is None:
                raise
            # Only the failure of the slice is raised.
            logger.error("%s: %s", self._stream.name, error.message)
        if failure is not None:
            raise failure

    def _changes(self, diff: SliceDiff) -> Iterator[Chunk]:
        """Yield the data of the records that are to be sent, including those before an error."""
        try:
            yield from self._compared(diff)
        except Exception as error:
            self._reading_error = error
            raise

    def _compared(self, diff: SliceDiff) -> Iterator[Chunk]:
        tracker = self._stream.tracker
        columns: dict[int, dict[str, str]] = {}
        for rows in self._slice.read_chunks():
            changes: Chunk = []
            try:
                for data, version in zip(rows, diff.versions_of(rows), strict=True):
                    if version is None:
                        continue
                    if version not in columns:
                        columns[version] = tracker.stamp(version).columns()
                    data.update(columns[version])
                    changes.append(data)
            except Exception:
                # The difference includes them.
                yield changes
                raise
            yield changes


class ClosingPartition(CdkPartition):
    """Follows all others, so that the end of a stream without partitions is handled as well."""

    def __init__(self, stream: TrackedStream) -> None:
        self._stream = stream

    def read(self) -> Iterable[Record]:
        if self._stream.tracker.end_part():
            yield from self._stream.resolve()

    def to_slice(self) -> Mapping[str, Any] | None:
        return None

    def stream_name(self) -> str:
        return self._stream.name

    def __hash__(self) -> int:
        return hash((self._stream.name, "closing"))


class TrackedCursor(Cursor):
    """Replaces the manifest's cursor; the tracker holds the state."""

    def __init__(self, stream_name: str, writer: StateWriter) -> None:
        self._stream_name = stream_name
        self._writer = writer

    @property
    def state(self) -> MutableMapping[str, Any]:
        return encode(self._stream_name, self._writer.state())

    def observe(self, record: Record) -> None: ...

    def close_partition(self, partition: CdkPartition) -> None: ...

    def ensure_at_least_one_state_emitted(self) -> None:
        self._writer.send()

    def should_be_synced(self, record: Record) -> bool:
        return True


def _slice_of(inner: CdkPartition) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the partition and the window of a slice."""
    found = inner.to_slice() or {}
    window = {name: found[name] for name in ("start_time", "end_time") if name in found}
    return (found.partition if isinstance(found, StreamSlice) else {}), window
