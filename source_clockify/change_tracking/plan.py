"""Read plans: the window in which a partition is read, and its consequences for records.

The window that is requested and the bound against which missing records are judged are a single
value in one frozen object, `ReadPlan`, so they cannot differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from source_clockify.change_tracking.profiles import Granularity, Kind, StreamSpec, round_down
from source_clockify.change_tracking.rows import Row, is_due
from source_clockify.change_tracking.state import PartitionState
from source_clockify.timestamps import DAY, EARLIEST, format_second, second_of

# An event log is reread from this long before its last event: Clockify lists some events late.
EVENT_OVERLAP = 2 * DAY

# Change feeds are reread from this long before the last read: Clockify reports some changes late.
FEED_OVERLAP = 10 * 60

# No event log reaches back further than a year.
LONGEST_EVENT_LOG = 366 * DAY

# Later than any start.
_ENDLESS = 2**63

# If the last read lies further in the future than this, its clock was wrong.
CLOCK_TOLERANCE = 60 * 60


@dataclass(frozen=True)
class SyncBounds:
    """The configured limits of all windows, in seconds, and the clock, in seconds since 1970.

    Attributes:
        now: when this sync began.
        lookback: how far back a sync rereads records, in seconds.
        start_date: records that began earlier are not read; None: there is no limit.
    """

    now: int
    lookback: int
    start_date: int | None


def sync_bounds(config: Mapping[str, Any], now: int) -> SyncBounds:
    """Return the limits that a configuration sets."""
    return SyncBounds(
        now=now,
        lookback=(config.get("lookback_days") or 30) * DAY,
        start_date=second_of(config.get("start_date")),
    )


def cursor_text(spec: StreamSpec, moment: int) -> str:
    """Return a moment in the form of the manifest's cursor, limited to the earliest history."""
    text = format_second(max(moment, EARLIEST))
    return text if spec.profile.granularity is Granularity.SECOND else text[:10]


class UnknownRecord(Enum):
    """How to treat a record that is not in the saved state.

    NEW: it was created or became visible since the last read.
    BACKFILLED: it belongs to a period that is read for the first time, so it is sent once.
    FORGOTTEN: it was sent long ago and has expired from the state.
    """

    NEW = "new"
    BACKFILLED = "backfilled"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True)
class ReadPlan:
    """How one partition is read in this sync; made once, before its first request.

    All times are seconds since 1970.

    Attributes:
        spec: the stream.
        known: the saved state of the partition; None before its first complete read.
        is_snapshot: the stream has not been read completely yet, so a new partition is part of its
            snapshot.
        began: when this read counts as begun; never before the last one.
        since: the start of the requested window; None: from the beginning. A record that starts
            earlier is not missing when it is not returned.
        split_at: where the window is split into two requests, so that new changes are not requested
            together with those that are reread; None: it is not split.
        history_start: the earliest start that any read covered, this one included; None: all.
        forgotten_before: records that start earlier have expired from the state.
        retained_since: records that start earlier expire from the state after this read. For an
            event log it changes during the read, see `retained_since_with`.
        lookback: the configured lookback, in seconds.
    """

    spec: StreamSpec
    known: PartitionState | None
    is_snapshot: bool
    began: int
    since: int | None
    split_at: int | None
    history_start: int | None
    forgotten_before: int
    retained_since: int
    lookback: int

    def classify_unknown(self, start: int | None) -> UnknownRecord:
        """Classify a record that is not in the saved state, by its start."""
        known = self.known
        if known is None:
            return UnknownRecord.BACKFILLED if self.is_snapshot else UnknownRecord.NEW
        if start is None:
            return UnknownRecord.NEW
        if known.history_start is not None and start < known.history_start:
            return UnknownRecord.BACKFILLED
        if start < self.forgotten_before:
            return UnknownRecord.FORGOTTEN
        return UnknownRecord.BACKFILLED if start < known.retained_since else UnknownRecord.NEW

    def expects(self, row: Row, until: int | None) -> bool:
        """Return whether a complete read up to `until` must return a record; None: no end."""
        return row.start is None or row.start in self.expected_starts(until)

    def expected_starts(self, until: int | None) -> range:
        """Return the range of starts for which `expects` is true."""
        first = -_ENDLESS if self.since is None else self.since
        return range(first, _ENDLESS if until is None else until + 1)

    def retained_since_with(self, starts: Iterable[int | None]) -> int:
        """Return the value of `retained_since` after rows with these starts were read."""
        if self.spec.profile.follows_reads:
            return self.began - FEED_OVERLAP
        if self.spec.profile.kind is Kind.EVENT_LOG:
            return _overlap_start(starts, self.began, self.lookback)
        return self.retained_since

    def looks_further_back(self) -> bool:
        """Return whether a longer lookback includes starts that the last read did not cover."""
        return (
            self.known is not None
            and self.spec.profile.start is not None
            and self.forgotten_before < self.known.retained_since - CLOCK_TOLERANCE
        )


def plan_read(
    spec: StreamSpec, bounds: SyncBounds, known: PartitionState | None, *, is_snapshot: bool
) -> ReadPlan:
    """Return the plan for one partition."""
    granularity = spec.profile.granularity
    is_event_log = spec.profile.kind is Kind.EVENT_LOG
    earliest = _earliest_start(spec, bounds)
    began = bounds.now
    since = earliest if spec.profile.start is not None else None
    split_at = None
    history_start, forgotten_before = earliest, 0
    if known is not None:
        history_start = _earlier(earliest, known.history_start)
        last_read = known.read_at
        if known.read_at - bounds.now > CLOCK_TOLERANCE:
            last_read = bounds.now
        else:
            began = max(known.read_at, bounds.now)
        if spec.profile.follows_reads:
            # If the clock was wrong, the time of the last read is unknown.
            is_certain = last_read == known.read_at
            forgotten_before = last_read - (FEED_OVERLAP if is_certain else bounds.lookback)
        elif is_event_log:
            starts = (row.start for row in known.rows().values())
            forgotten_before = _overlap_start(starts, known.read_at, bounds.lookback)
        else:
            forgotten_before = round_down(last_read - bounds.lookback, granularity)
        # As with a shorter lookback.
        forgotten_before = max(forgotten_before, known.limited_since or forgotten_before)
        if spec.profile.start is not None:
            since = _window_start(spec, bounds, known, earliest, forgotten_before)
        if spec.profile.follows_reads and since is not None and since < forgotten_before:
            split_at = forgotten_before
    retained_since = (
        began - LONGEST_EVENT_LOG
        if is_event_log
        else round_down(began - bounds.lookback, granularity)
    )
    return ReadPlan(
        spec=spec,
        known=known,
        is_snapshot=is_snapshot,
        began=began,
        since=since,
        split_at=split_at,
        history_start=history_start,
        forgotten_before=forgotten_before,
        retained_since=retained_since,
        lookback=bounds.lookback,
    )


def _earliest_start(spec: StreamSpec, bounds: SyncBounds) -> int | None:
    """Return the start from which an initial read is complete; None: there is no limit."""
    if spec.profile.kind is Kind.UPDATED_AT or bounds.start_date is None:
        return None
    # Reports are requested for whole days; rows with a time are compared to the second.
    is_exact = spec.profile.start == "start"
    return (
        bounds.start_date if is_exact else round_down(bounds.start_date, spec.profile.granularity)
    )


def _earlier(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)


def _overlap_start(starts: Iterable[int | None], began: int, lookback: int) -> int:
    """Return where an event log with rows of these starts is reread from."""
    latest = max((start for start in starts if start is not None), default=None)
    return began - lookback if latest is None else min(latest - EVENT_OVERLAP, began)


def _window_start(
    spec: StreamSpec,
    bounds: SyncBounds,
    known: PartitionState,
    earliest: int | None,
    forgotten_before: int,
) -> int | None:
    """Return the start of the window for a known partition; None: from the beginning."""
    if known.history_start is not None and (earliest is None or earliest < known.history_start):
        return earliest
    start = forgotten_before
    if spec.profile.by_id is None:
        # A record that cannot be read by id stays in the window until it has been resent.
        unsettled = [
            row.start
            for row in known.rows().values()
            if row.start is not None
            and not row.deleted
            and (row.missing or is_due(row.pending, bounds.now))
        ]
        start = min([start, *unsettled])
    start = round_down(start, spec.profile.granularity)
    return start if earliest is None else max(start, earliest)
