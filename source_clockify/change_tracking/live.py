"""The number of records of a stream that a consumer of all its messages holds."""

from array import array
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from source_clockify.change_tracking.profiles import Kind, StreamSpec
from source_clockify.change_tracking.rows import (
    DELETED,
    ID_BYTES,
    NO_START,
    PackedRows,
    column,
    id_bytes,
    parts_of,
)
from source_clockify.change_tracking.state import PartitionState
from source_clockify.change_tracking.tracker import StreamTracker


@dataclass(frozen=True)
class Live:
    """How many records of a stream exist.

    Attributes:
        count: their number.
        window_start: the start from which they are counted, in seconds since 1970; None for all.
    """

    count: int
    window_start: int | None = None


class KeyCounter:
    """Counts distinct keys, in 8 bytes for each that is added."""

    def __init__(self) -> None:
        # Counting the parts one by one limits memory.
        self._hashes = [array("q") for _ in range(64)]

    def add(self, key: Hashable) -> None:
        hashed = hash(key)
        self._hashes[hashed & 63].append(hashed)

    def __len__(self) -> int:
        return sum(len(set(each)) for each in self._hashes)


def is_counted(spec: StreamSpec) -> bool:
    """Return whether the state holds a row for each record that a consumer has."""
    return spec.profile.kind not in (Kind.EVENT_LOG, Kind.UPDATED_AT)


def live_records(tracker: StreamTracker) -> Live | None:
    """Return the number of existing records; of windowed streams, those within the window.

    It counts the records that a consumer of all messages has: unresolved missing ones are included,
    deleted ones are not. None for event logs and approval requests, and if records were sent from a
    partition that has no state because its read did not complete.
    """
    spec, writer = tracker.spec, tracker.writer
    if not is_counted(spec):
        return None
    partitions = writer.partitions()
    if any(read.emitted and ids not in partitions for ids, read in tracker.reads.items()):
        return None
    window_start = _window_start(tracker, partitions.values()) if spec.profile.start else None
    found = 0
    keys = KeyCounter()
    for ids, state in partitions.items():
        if spec.may_move(dict(zip(writer.fields, ids, strict=True))):
            for key in live_keys(state.packed, window_start):
                keys.add(key)
        else:
            found += sum(1 for _ in live_keys(state.packed, window_start))
    for hints in writer.all_hints():
        for hinted in hints.rows.values():
            is_inside = window_start is None or (hinted.row.start or 0) >= window_start
            found += is_inside and not hinted.row.deleted
    return Live(found + len(keys), window_start)


def live_keys(packed: PackedRows, window_start: int | None) -> Iterator[bytes | str]:
    """Yield the keys of existing rows that start in the window, comparable within a stream.

    It unpacks no rows, since every sync counts all of them.
    """
    size, width = packed.row_bytes, ID_BYTES * packed.id_count
    starts = column(packed.content, size, width, 4)
    flags = column(packed.content, size, size - 2, 2)
    for place, (start, flag) in enumerate(zip(starts, flags, strict=True)):
        if not flag & DELETED and (
            window_start is None or flag & NO_START or start >= window_start
        ):
            yield packed.content[place * size : place * size + width]
    for key, _, odd_start, flag, _ in packed.odd:
        if not flag & DELETED and (
            window_start is None or odd_start is None or odd_start >= window_start
        ):
            yield id_bytes(parts_of(key)) or key


def _window_start(tracker: StreamTracker, partitions: Iterable[PartitionState]) -> int:
    """Return the start from which the state holds the records of every partition."""
    starts = [tracker.sync.bounds.now - tracker.sync.bounds.lookback]
    for state in partitions:
        starts += [state.retained_since, state.limited_since or state.retained_since]
    for plan in (read.plan for read in tracker.reads.values()):
        if plan.known is not None:
            starts.append(plan.forgotten_before)
        if plan.since is not None:
            # After a later start date, older records are not read but still retained.
            starts.append(plan.since)
    return max(starts)
