"""From when on a tracked stream is read, and which of its records a complete read must bring."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from source_clockify.change_tracking.profiles import Granularity, Kind, StreamSpec
from source_clockify.change_tracking.rows import Row, Rows, is_due
from source_clockify.change_tracking.state import PartitionState
from source_clockify.timestamps import DAY, EARLIEST, format_second, second_of

# A feed is read from so long before its last event: what Clockify lists late.
FEED_OVERLAP = 2 * DAY

# A clock that is behind the last read by more than this was wrong then.
CLOCK_TOLERANCE = 60 * 60


@dataclass(frozen=True)
class SyncBounds:
    """What the configuration says of windows, and now; seconds since 1970.

    Attributes:
        now: when this sync began.
        lookback: how far back it looks again, in seconds.
        start_date: nothing that began before is read; None for all.
    """

    now: int
    lookback: int
    start_date: int | None


def sync_bounds(config: Mapping[str, Any], now: int) -> SyncBounds:
    """Return what the configuration says of windows."""
    return SyncBounds(
        now=now,
        lookback=(config.get("lookback_days") or 30) * DAY,
        start_date=second_of(config.get("start_date")),
    )


def round_down(moment: int, granularity: Granularity) -> int:
    """Return the beginning of the second, UTC day or week (Monday) in which a moment lies."""
    if granularity is Granularity.SECOND:
        return moment
    day = moment - moment % DAY
    if granularity is Granularity.DAY:
        return day
    # 1970 began on a Thursday.
    return day - (day + 3 * DAY) % (7 * DAY)


def earliest_start(tracking: StreamSpec, bounds: SyncBounds) -> int | None:
    """Return the earliest start that a read from the beginning history_start, None for all."""
    if tracking.profile.kind is Kind.UPDATED_AT or bounds.start_date is None:
        return None
    # Reports are asked for whole days; where rows have a time, it is compared with the start date.
    is_exact = tracking.profile.start == "start"
    return (
        bounds.start_date
        if is_exact
        else round_down(bounds.start_date, tracking.profile.granularity)
    )


def read_at(known: PartitionState | None, bounds: SyncBounds) -> int:
    """Return when a read that begins now began; a clock that is behind does not turn it back."""
    if known is None or known.read_at - bounds.now > CLOCK_TOLERANCE:
        return bounds.now
    return max(known.read_at, bounds.now)


def lookback_from(tracking: StreamSpec, known: PartitionState, bounds: SyncBounds) -> int:
    """Return from when on a later sync looks again, whatever is still to send."""
    last = known.read_at
    if last - bounds.now > CLOCK_TOLERANCE:
        last = bounds.now
    return round_down(last - bounds.lookback, tracking.profile.granularity)


def forgotten_before(tracking: StreamSpec, known: PartitionState, bounds: SyncBounds) -> int:
    """Return the start before which a record that the state does not know was sent long ago."""
    if tracking.profile.kind is Kind.EVENT_LOG:
        return retention_start(tracking, known.rows(), known.read_at, bounds)
    return lookback_from(tracking, known, bounds)


@dataclass(frozen=True)
class Unknown:
    """What a record is that the state does not know.

    Attributes:
        is_new: whether the partition is read for the first time.
        is_baseline: whether the stream is, so that nothing of it is sent again.
        history_start: the earliest start that was ever read, None for all history.
        since: the start before which what was read is no longer in the state.
        retained_since: the start before which the last sync dropped it.
    """

    is_new: bool
    is_baseline: bool
    history_start: int | None = None
    since: int = 0
    retained_since: int | None = None

    def is_sent_once(self, start: int | None) -> bool:
        """Tell whether it is part of a baseline, or of a stretch that is read once."""
        if self.is_new:
            return self.is_baseline
        if start is None:
            return False
        return (self.history_start is not None and start < self.history_start) or (
            self.retained_since is not None and start < self.retained_since
        )

    def was_sent(self, start: int | None) -> bool:
        """Tell whether it was sent long ago, and has left the state since."""
        if self.is_new or start is None or start >= self.since:
            return False
        return self.history_start is None or start >= self.history_start


def unknown_of(
    tracking: StreamSpec, known: PartitionState | None, bounds: SyncBounds, *, is_baseline: bool
) -> Unknown:
    """Return what a record of a partition is that the state does not know."""
    if known is None:
        return Unknown(True, is_baseline)
    since = forgotten_before(tracking, known, bounds)
    return Unknown(False, is_baseline, known.history_start, since, known.retained_since)


def retention_start(tracking: StreamSpec, rows: Rows, began: int, bounds: SyncBounds) -> int:
    """Return from which start on the records of a partition stay in the state."""
    if tracking.profile.kind is Kind.EVENT_LOG:
        starts = [row.start for row in rows.values() if row.start is not None]
        return min(max(starts) - FEED_OVERLAP, began) if starts else began - bounds.lookback
    return round_down(began - bounds.lookback, tracking.profile.granularity)


def window_start(tracking: StreamSpec, known: PartitionState, bounds: SyncBounds) -> int | None:
    """Return from when on a partition that is known is read; None for the beginning."""
    earliest = earliest_start(tracking, bounds)
    if known.history_start is not None and (earliest is None or earliest < known.history_start):
        return earliest
    start = forgotten_before(tracking, known, bounds)
    if tracking.profile.by_id is None:
        # What cannot be read by id is read by the window until it was sent.
        wanted = [
            row.start
            for row in known.rows().values()
            if row.start is not None
            and not row.deleted
            and (row.missing or is_due(row.pending, bounds.now))
        ]
        start = min([start, *wanted])
    start = round_down(start, tracking.profile.granularity)
    return start if earliest is None else max(start, earliest)


def cursor_text(tracking: StreamSpec, moment: int) -> str:
    """Return a moment as the cursor of the manifest holds it, never before all history."""
    text = format_second(max(moment, EARLIEST))
    return text if tracking.profile.granularity is Granularity.SECOND else text[:10]


@dataclass(frozen=True)
class Window:
    """What a complete read of a partition must bring.

    Attributes:
        start: from when on it was read, None for the beginning.
        end: until when, None for no end.
    """

    start: int | None
    end: int | None

    def holds(self, row: Row) -> bool:
        """Tell whether a record lies in the window; one without a start always does."""
        if row.start is None:
            return True
        return (self.start is None or row.start >= self.start) and (
            self.end is None or row.start <= self.end
        )


def window_of(
    tracking: StreamSpec, start: int | None, last_slice_end: int | None, bounds: SyncBounds
) -> Window:
    """Return the window of a partition that was read from `start`."""
    profile = tracking.profile
    if profile.start is None:
        return Window(None, None)
    earliest = earliest_start(tracking, bounds)
    if earliest is not None:
        start = earliest if start is None else max(start, earliest)
    return Window(start, last_slice_end if profile.has_end else None)
