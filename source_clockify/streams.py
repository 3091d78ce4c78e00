"""Wrappers around the streams of the manifest.

They add warnings about refused requests, raise the error of a parent after its siblings were read,
drop duplicate entries, and skip report windows from before the history begins.
"""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from airbyte_cdk.models import AirbyteStream, FailureType
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.availability_strategy import StreamAvailability
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.adaptations import Adaptations
from source_clockify.audit_log import SYSTEM, SystemEvents
from source_clockify.cdk_patches import read_chunks
from source_clockify.description import describe_stream
from source_clockify.progress import SyncProgress
from source_clockify.record_batches import Chunk, Packer
from source_clockify.report_history import (
    FIRST_DAY,
    ReportHistory,
    end_of_week,
    ends_before,
    ends_before_workspace,
    rows_of_report,
)
from source_clockify.request_notes import Gap, RequestNotes, recording_requests
from source_clockify.request_scope import RequestScope
from source_clockify.skip_report import SkipReport
from source_clockify.timestamps import DAY, format_second, second_of
from source_clockify.waits import Checkpoints, Waits

logger = logging.getLogger("airbyte")


@dataclass(frozen=True)
class ReadQuirks:
    """The properties of one stream that its wrapper needs.

    Attributes:
        overlapping_pages: its pages may repeat records, newest first.
        restarted_pages: the column with the record id, if its pages may be reread from the
            beginning.
        has_history: whether it is a report that may have to be read from the oldest record on.
        equal_records: whether records may be identical, so that their ids need ordinals.
        tracked: whether change tracking is on, so that a later sync rereads an incomplete window.
    """

    overlapping_pages: bool = False
    restarted_pages: str = ""
    has_history: bool = False
    equal_records: bool = False
    tracked: bool = False


def read_quirks_of(stream: Mapping[str, Any], config: Mapping[str, Any]) -> ReadQuirks:
    """Return the properties of a stream of the manifest that its wrapper needs."""
    stream_name = stream["name"]
    is_counted = "count_path" in (stream.get("$parameters") or {})
    has_passes = stream_name == "approval_requests"
    return ReadQuirks(
        overlapping_pages=stream_name == "time_entries",
        restarted_pages=stream["primary_key"][-1] if is_counted or has_passes else "",
        has_history=bool(rows_of_report(stream_name)) and not config.get("start_date"),
        equal_records=stream_name == "audit_log",
        tracked=config.get("track_changes", True) is not False,
    )


class WrappedStream(AbstractStream):
    """Delegates everything except reading to the wrapped stream."""

    def __init__(self, inner: AbstractStream) -> None:
        self._inner = inner

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


class WrappedPartition(Partition):
    """Delegates everything except reading to the wrapped partition."""

    def __init__(self, inner: Partition) -> None:
        self._inner = inner

    def to_slice(self) -> Mapping[str, Any] | None:
        return self._inner.to_slice()

    def stream_name(self) -> str:
        return self._inner.stream_name()

    def __hash__(self) -> int:
        return hash(self._inner)


class DataPartition(WrappedPartition, ABC):
    """A partition that can be read as the data of its records."""

    @abstractmethod
    def read_chunks(self) -> Iterator[Chunk]:
        """Yield the data of the records, which the caller may change."""

    def read(self) -> Iterable[Record]:
        return as_records(self.stream_name(), self.read_chunks(), self.stream_slice)

    @property
    def stream_slice(self) -> StreamSlice | None:
        """The slice of its records."""
        return cast(StreamSlice | None, self.to_slice())


def as_records(
    stream: str, chunks: Iterable[Chunk], stream_slice: StreamSlice | None
) -> Iterator[Record]:
    """Yield data as separate records."""
    for data in chain.from_iterable(chunks):
        yield Record(data, stream, stream_slice)


class PackedStream(WrappedStream):
    """A stream that yields its records in batches."""

    def __init__(self, inner: AbstractStream, packer: Packer) -> None:
        super().__init__(inner)
        self._packer = packer

    def generate_partitions(self) -> Iterable["PackedPartition"]:
        for partition in self._inner.generate_partitions():
            # Partitions of manifest streams, with or without added columns.
            yield PackedPartition(cast(DataPartition, partition), self._packer)


class PackedPartition(WrappedPartition):
    """A partition that yields its records in batches."""

    def __init__(self, inner: DataPartition, packer: Packer) -> None:
        super().__init__(inner)
        self._data = inner
        self._packer = packer

    def read(self) -> Iterable[Record]:
        return self._packer.pack(self._data.read_chunks(), self._data.stream_slice)


@dataclass(frozen=True)
class ReadContext:
    """The data shared by all streams of one read.

    Attributes:
        report: collects the gaps.
        adaptations: the forms of requests that the server refuses.
        history: the beginning of the reports without a start date.
        system_events: the workspaces whose audit log has events by Clockify itself.
        progress: counts requests and partitions.
        checkpoints: sends the states of all streams.
        waits: announces waits.
    """

    report: SkipReport
    adaptations: Adaptations
    history: ReportHistory
    system_events: SystemEvents
    progress: SyncProgress
    checkpoints: Checkpoints
    waits: Waits

    def recording(
        self, stream: str, *, defer_failures: bool = False
    ) -> AbstractContextManager[RequestNotes]:
        """Record the requests of a stream, see `recording_requests`."""
        return recording_requests(
            RequestScope(stream, self.progress, self.waits),
            self.adaptations,
            defer_failures=defer_failures,
        )


class ClockifyStream(WrappedStream):
    """A stream of the manifest with the behaviour added by the Python layer.

    Attributes:
        refused_workspaces: those whose parents were refused; known once partitions were generated.
        checkpoints: sends the states of all streams.

    Args:
        inner: built without its schema.
        definition: includes the schema.
    """

    def __init__(
        self,
        inner: AbstractStream,
        definition: Mapping[str, Any],
        quirks: ReadQuirks,
        context: ReadContext,
    ) -> None:
        super().__init__(inner)
        self._definition = definition
        self._quirks = quirks
        self._context = context
        self.refused_workspaces: frozenset[str] = frozenset()
        self.checkpoints = context.checkpoints

    def get_json_schema(self) -> Mapping[str, Any]:
        schema: Mapping[str, Any] = self._definition["schema_loader"]["schema"]
        return schema

    def as_airbyte_stream(self) -> AirbyteStream:
        return describe_stream(self._definition)

    def generate_partitions(self) -> Iterable["ClockifyPartition"]:
        """Yield the partitions of all workspaces, then raise the first error of a parent."""
        from_beginning: set[str] = set()
        progress = self._context.progress
        with (
            _masking_secrets(),
            self._context.recording(self.name, defer_failures=True) as notes,
        ):
            for partition in self._inner.generate_partitions():
                history = None
                if self._quirks.has_history:
                    found = partition.to_slice() or {}
                    # The windows of a workspace are generated in order.
                    if found["start_time"] == FIRST_DAY.isoformat():
                        from_beginning.add(found["workspace_id"])
                    if found["workspace_id"] in from_beginning:
                        history = self._context.history
                progress.count_partition(self.name)
                yield ClockifyPartition(partition, self._quirks, self._context, history)
        progress.end_partitions(self.name)
        self._context.report.add(self.name, notes)
        self.refused_workspaces = frozenset(refusal.workspace_id for refusal in notes.refusals)
        if notes.failures:
            raise notes.failures[0]

    def recording(self) -> AbstractContextManager[RequestNotes]:
        """Record the requests sent for the stream."""
        return self._context.recording(self.name)

    def gaps(self) -> tuple[tuple[str, str], ...]:
        """Return the gaps found so far: pairs of a workspace and a sentence."""
        return self._context.report.gaps_of(self.name)

    def report_gap(self, gap: Gap) -> None:
        """Record data that is missing from the stream."""
        self._context.report.add_gap(self.name, gap)


class ClockifyPartition(DataPartition):
    """A partition of the manifest, read according to the stream's quirks.

    Attributes:
        refused: whether a part of it was refused; known once it was read.
    """

    def __init__(
        self,
        inner: Partition,
        quirks: ReadQuirks,
        context: ReadContext,
        history: ReportHistory | None = None,
    ) -> None:
        super().__init__(inner)
        self._history = history
        self._quirks = quirks
        self._context = context
        self.refused = False

    def read_chunks(self) -> Iterator[Chunk]:
        try:
            yield from self._read()
        finally:
            self.skip()

    def skip(self) -> None:
        """Count the partition as done; `read_chunks` calls it itself."""
        self._context.progress.end_partition(self.stream_name())

    def _read(self) -> Iterator[Chunk]:
        if self._is_window_of_refused_workspace():
            self.refused = True
            return
        if self._history is not None and self._precedes(self._history):
            return
        with _masking_secrets(), self._recording() as notes:
            chunks = read_chunks(self._inner)
            if self._quirks.overlapping_pages:
                chunks = without_repeats(chunks)
            if self._quirks.restarted_pages:
                chunks = each_once(chunks, self._quirks.restarted_pages)
            if self._quirks.equal_records:
                chunks = with_ordinals(chunks)
            yield from chunks
        self.refused = notes.short or bool(notes.refusals)
        found = self._partition_of_slice()
        if found.get("authors") == SYSTEM:
            _turn_refusals_into_gaps(notes)
        if notes.system_events and "authors" in found:
            self._context.system_events.add(found["workspace_id"], found["authors"])
        self._check_window(notes)
        self._context.report.add(self.stream_name(), notes)

    def _recording(self) -> AbstractContextManager[RequestNotes]:
        return self._context.recording(self.stream_name())

    def _partition_of_slice(self) -> Mapping[str, Any]:
        return self.to_slice() or {}

    def _check_window(self, notes: RequestNotes) -> None:
        """Fail an incomplete window that the manifest's cursor would otherwise pass for good.

        A partition none of whose windows can be read is skipped with a warning instead.

        Raises:
            AirbyteTracedException: without change tracking, for such a window.
        """
        found = self._partition_of_slice()
        if self._quirks.tracked or "start_time" not in found:
            return
        stream, partition = self.stream_name(), _ids_in(found)
        report = self._context.report
        refusals = [refusal for refusal in notes.refusals if not refusal.vanished]
        if not notes.short and not refusals:
            report.note_read(stream, partition)
        elif notes.short or report.was_read(stream, partition):
            reasons = [each.message for each in refusals] + [gap.message for gap in notes.gaps]
            raise AirbyteTracedException(
                message=(
                    f"{stream}: a window of {partition} is incomplete, and without change "
                    f"tracking no later sync would reread it, so the stream fails. "
                    f"{' '.join(reasons)}"
                ),
                failure_type=FailureType.transient_error,
            )

    def _is_window_of_refused_workspace(self) -> bool:
        """Return whether an earlier window was refused, so that this one would be too."""
        found = self.to_slice() or {}
        return "start_time" in found and self._context.report.is_skipped(
            self.stream_name(), found.get("workspace_id", "")
        )

    def _precedes(self, history: ReportHistory) -> bool:
        """Return whether a report's window precedes its history, or the history is unknown."""
        found = dict(self.to_slice() or {})
        if self.stream_name() == "weekly_report":
            found["end_time"] = end_of_week(found["start_time"])
        if not ends_before_workspace(found):
            return False
        with _masking_secrets(), self._recording():
            begin = history.beginning(self.stream_name(), found["workspace_id"])
        self.refused = begin is None
        return begin is None or ends_before(found, begin)


def _ids_in(partition: Mapping[str, Any]) -> str:
    """Return the ids of a partition, beginning with its parents: `workspace/user`."""
    parent = partition.get("parent_slice")
    ids = [
        str(value)
        for name, value in partition.items()
        if name.endswith("_id") or name in ("scope", "authors")
    ]
    return "/".join([_ids_in(parent), *ids] if isinstance(parent, Mapping) and parent else ids)


def _turn_refusals_into_gaps(notes: RequestNotes) -> None:
    """Keep a refusal of Clockify's own events from affecting all other events."""
    for refusal in notes.refusals:
        message = f"Clockify's own events are missing. {refusal.message}"
        notes.gaps[Gap(refusal.workspace_id, message)] = None
    notes.refusals.clear()


@contextmanager
def _masking_secrets() -> Iterator[None]:
    """Mask secrets in an exception's text, which the CDK emits unchanged in a trace."""
    try:
        yield
    except Exception as error:
        error.args = tuple(
            filter_secrets(part) if isinstance(part, str) else part for part in error.args
        )
        raise


# The maximum distance between duplicates: the overlap of two windows, and some margin.
_REMEMBERED = 3 * DAY
# So many ids are remembered before those of distant entries are forgotten.
_FEW_IDS = 2_000


def without_repeats(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield each record once, by id, from records sorted newest first.

    Only the ids of entries near the current one are remembered, so memory does not grow with a
    user's history.
    """
    starts: dict[str, str] = {}
    prune_at = _FEW_IDS
    for rows in chunks:
        found = {row["id"]: row.get("start") or "" for row in rows}
        if len(found) == len(rows) and starts.keys().isdisjoint(found):
            starts.update(found)
            new = rows
        else:
            new = []
            for row in rows:
                if row["id"] not in starts:
                    starts[row["id"]] = row.get("start") or ""
                    new.append(row)
        if len(starts) >= prune_at and new:
            starts = _near(starts, new[-1].get("start") or "")
            prune_at = max(_FEW_IDS, 2 * len(starts))
        yield new


def _near(starts: Mapping[str, str], current: str) -> dict[str, str]:
    """Return the entries that may be repeated after one that began at `current`, by id."""
    second = second_of(current)
    if second is None:
        return {**starts}
    limit = second + _REMEMBERED
    text = format_second(limit)

    def is_near(start: str) -> bool:
        found = second_of(start)
        return found is None or found < limit

    return {
        key: start
        for key, start in starts.items()
        if (start < text if len(start) == len(text) else is_near(start))
    }


def each_once(chunks: Iterable[Chunk], id_column: str) -> Iterator[Chunk]:
    """Yield the first record with each id, and all records without an id."""
    seen: set[str] = set()
    for rows in chunks:
        new = []
        for record in rows:
            identifier = record.get(id_column)
            if identifier not in seen:
                new.append(record)
            if identifier is not None:
                seen.add(identifier)
        yield new


def with_ordinals(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Append -2, -3 ... to the ids of the second, third ... record with the same id."""
    seen: Counter[str] = Counter()
    for rows in chunks:
        for record in rows:
            identifier = record["id"]
            seen[identifier] += 1
            if seen[identifier] > 1:
                record["id"] = f"{identifier}-{seen[identifier]}"
        yield rows
