"""From when on a tracked stream is read, and which of its records a complete read must bring."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from source_clockify.change_tracking.kinds import Kind, Span, Tracking
from source_clockify.change_tracking.rows import Row, Rows, is_due
from source_clockify.change_tracking.state import PartitionState
from source_clockify.timestamps import DAY, EARLIEST, format_second, second_of

# A feed is read from so long before its last event: what Clockify lists late.
FEED_OVERLAP = 2 * DAY

# A clock that is behind the last read by more than this was wrong then.
CLOCK_TOLERANCE = 60 * 60


@dataclass(frozen=True)
class Horizon:
    """What the configuration says of windows, and now; seconds since 1970.

    Attributes:
        now: when this sync began.
        lookback: how far back it looks again, in seconds.
        start_date: nothing that began before is read; None for all.
    """

    now: int
    lookback: int
    start_date: int | None


def horizon_of(config: Mapping[str, Any], now: int) -> Horizon:
    """Return what the configuration says of windows."""
    return Horizon(
        now=now,
        lookback=(config.get("lookback_days") or 30) * DAY,
        start_date=second_of(config.get("start_date")),
    )


def round_down(moment: int, span: Span) -> int:
    """Return the beginning of the second, UTC day or week (Monday) in which a moment lies."""
    if span is Span.SECOND:
        return moment
    day = moment - moment % DAY
    if span is Span.DAY:
        return day
    # 1970 began on a Thursday.
    return day - (day + 3 * DAY) % (7 * DAY)


def covers(tracking: Tracking, horizon: Horizon) -> int | None:
    """Return the earliest start that a read from the beginning covers, None for all."""
    if tracking.traits.kind is Kind.CHANGES or horizon.start_date is None:
        return None
    # Reports are asked for whole days; where rows have a time, it is compared with the start date.
    is_exact = tracking.traits.start == "start"
    return horizon.start_date if is_exact else round_down(horizon.start_date, tracking.traits.span)


def read_at(known: PartitionState | None, horizon: Horizon) -> int:
    """Return when a read that begins now began; a clock that is behind does not turn it back."""
    if known is None or known.read_at - horizon.now > CLOCK_TOLERANCE:
        return horizon.now
    return max(known.read_at, horizon.now)


def lookback_from(tracking: Tracking, known: PartitionState, horizon: Horizon) -> int:
    """Return from when on a later sync looks again, whatever is still to send."""
    last = known.read_at
    if last - horizon.now > CLOCK_TOLERANCE:
        last = horizon.now
    return round_down(last - horizon.lookback, tracking.traits.span)


def known_from(tracking: Tracking, known: PartitionState, horizon: Horizon) -> int:
    """Return the start before which a record that the state does not know was sent long ago."""
    if tracking.traits.kind is Kind.FEED:
        return kept_from(tracking, known.rows(), known.read_at, horizon)
    return lookback_from(tracking, known, horizon)


@dataclass(frozen=True)
class Unknown:
    """What a record is that the state does not know.

    Attributes:
        is_new: whether the partition is read for the first time.
        is_baseline: whether the stream is, so that nothing of it is sent again.
        covers: the earliest start that was ever read, None for all history.
        since: the start before which what was read is no longer in the state.
        kept: the start before which the last sync dropped it.
    """

    is_new: bool
    is_baseline: bool
    covers: int | None = None
    since: int = 0
    kept: int | None = None

    def is_sent_once(self, start: int | None) -> bool:
        """Tell whether it is part of a baseline, or of a stretch that is read once."""
        if self.is_new:
            return self.is_baseline
        if start is None:
            return False
        return (self.covers is not None and start < self.covers) or (
            self.kept is not None and start < self.kept
        )

    def was_sent(self, start: int | None) -> bool:
        """Tell whether it was sent long ago, and has left the state since."""
        if self.is_new or start is None or start >= self.since:
            return False
        return self.covers is None or start >= self.covers


def unknown_of(
    tracking: Tracking, known: PartitionState | None, horizon: Horizon, *, is_baseline: bool
) -> Unknown:
    """Return what a record of a partition is that the state does not know."""
    if known is None:
        return Unknown(True, is_baseline)
    since = known_from(tracking, known, horizon)
    return Unknown(False, is_baseline, known.covers, since, known.kept)


def kept_from(tracking: Tracking, rows: Rows, began: int, horizon: Horizon) -> int:
    """Return from which start on the records of a partition stay in the state."""
    if tracking.traits.kind is Kind.FEED:
        starts = [row.start for row in rows.values() if row.start is not None]
        return min(max(starts) - FEED_OVERLAP, began) if starts else began - horizon.lookback
    return round_down(began - horizon.lookback, tracking.traits.span)


def window_start(tracking: Tracking, known: PartitionState, horizon: Horizon) -> int | None:
    """Return from when on a partition that is known is read; None for the beginning."""
    earliest = covers(tracking, horizon)
    if known.covers is not None and (earliest is None or earliest < known.covers):
        return earliest
    start = known_from(tracking, known, horizon)
    if tracking.traits.by_id is None:
        # What cannot be read by id is read by the window until it was sent.
        wanted = [
            row.start
            for row in known.rows().values()
            if row.start is not None
            and not row.deleted
            and (row.missing or is_due(row.pending, horizon.now))
        ]
        start = min([start, *wanted])
    start = round_down(start, tracking.traits.span)
    return start if earliest is None else max(start, earliest)


def cursor_text(tracking: Tracking, moment: int) -> str:
    """Return a moment as the cursor of the manifest holds it, never before all history."""
    text = format_second(max(moment, EARLIEST))
    return text if tracking.traits.span is Span.SECOND else text[:10]


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
    tracking: Tracking, start: int | None, last_slice_end: int | None, horizon: Horizon
) -> Window:
    """Return the window of a partition that was read from `start`."""
    traits = tracking.traits
    if traits.start is None:
        return Window(None, None)
    earliest = covers(tracking, horizon)
    if earliest is not None:
        start = earliest if start is None else max(start, earliest)
    return Window(start, last_slice_end if traits.has_end else None)
