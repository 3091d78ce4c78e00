"""How many records of a tracked stream exist, as far as its messages have told."""

from array import array
from collections.abc import Hashable
from dataclasses import dataclass

from source_clockify.change_tracking.kinds import Kind, Tracking
from source_clockify.change_tracking.stream import TrackedStream
from source_clockify.change_tracking.windows import covers


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
        self._hashes = [array("q") for _ in range(64)]

    def add(self, key: Hashable) -> None:
        hashed = hash(key)
        self._hashes[hashed & 63].append(hashed)

    def __len__(self) -> int:
        return sum(len(set(each)) for each in self._hashes)


def is_counted(tracking: Tracking) -> bool:
    """Return whether the state holds a row for each record that a consumer has."""
    return tracking.traits.kind not in (Kind.FEED, Kind.CHANGES)


def live_of(stream: TrackedStream) -> Live | None:
    """Return the number of records, of windowed streams of those that begin within the window.

    It counts the records that a consumer of all messages has: missing ones that are undecided, but
    none that had a tombstone. None for event logs and for approval requests.
    """
    tracking = stream.tracking
    if not is_counted(tracking):
        return None
    partitions = stream.ledger.partitions()
    window_start = None
    if tracking.traits.start is not None:
        # What one part still knows from before is no longer known of the others.
        starts = [state.kept for state in partitions.values()] or [stream.sync.horizon.now]
        window_start = max([*starts, covers(tracking, stream.sync.horizon) or starts[0]])
    found = 0
    keys = KeyCounter()
    for ids, state in partitions.items():
        may_move = tracking.may_move(dict(zip(stream.ledger.fields, ids, strict=True)))
        for key, row in state.rows().items():
            if row.deleted or (
                window_start is not None and row.start is not None and row.start < window_start
            ):
                continue
            if may_move:
                keys.add(key)
            else:
                found += 1
    return Live(found + len(keys), window_start)
