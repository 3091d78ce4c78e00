"""The state size that all streams of a sync share, and the rate at which states are sent.

Airbyte stores the latest state of every stream in one document. It rejects a document larger than
10,485,760 bytes, and the sync succeeds nevertheless. Therefore the last states of all streams, sent
in this sync or saved by an earlier one, never exceed `state_limit_mb` in total. A stream sends no
state after it has ended, so its size is final when its last state is made.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.configuration import DEFAULT_LIMIT_MB
from source_clockify.timestamps import DAY, format_second

logger = logging.getLogger("airbyte")

# A decimal megabyte keeps a limit of 10 below Airbyte's 10,485,760 bytes.
MEGABYTE = 1_000_000

# Every 10 seconds the platform saves all states that have arrived since, in one request.
PACE_SECONDS = 12
PACE_BYTES = 8 * MEGABYTE
# A state whose turn was granted is sent within this time.
_TURN_SECONDS = 60
_ANNOUNCED_SECONDS = 3

# The names, types and braces that Airbyte adds to the state of a stream.
_ENVELOPE_BYTES = 250
# The share of the limit reserved for the first state of a listing in progress: a hundredth.
_FIRST_STATES = 100


def clock() -> float:
    """Return the time in seconds by which the pace is measured."""
    return time.monotonic()


def pause(seconds: float) -> None:
    time.sleep(seconds)


def size_of(name: str, blob: Mapping[str, Any]) -> int:
    """Return the size in bytes of a stream's state in Airbyte's document."""
    try:
        return len(json.dumps(blob, separators=(",", ":"))) + len(name) + _ENVELOPE_BYTES
    except RecursionError:
        # Not a state of this connector; decoding rejects it.
        return _ENVELOPE_BYTES


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.2f}"


@dataclass
class _Stream:
    """The states of one stream.

    Attributes:
        began_with: the size of the state with which the sync began; None if there was none.
        stored: the size of the state that the platform has; None if it has none.
        leaving: the size of a state that was granted room and has not been sent yet.
        needed: the size of a state that did not fit.
        can_shrink: whether the stream may forget its oldest days.
        is_open: whether it will send a further state in this sync.
    """

    began_with: int | None = None
    stored: int | None = None
    leaving: int = 0
    needed: int = 0
    can_shrink: bool = False
    is_open: bool = False

    @property
    def taken(self) -> int:
        return max(self.stored or 0, self.leaving)

    @property
    def awaits_first_state(self) -> bool:
        return self.is_open and self.stored is None and not self.leaving


def _reserved(stream: _Stream, share: int, growth: float) -> int:
    """Return the bytes reserved for a windowed stream while another one sends its state.

    Args:
        share: an equal share of the room.
        growth: the factor by which the other stream's state grows.
    """
    if stream.awaits_first_state:
        return share
    if not stream.is_open:
        return stream.taken
    return max(stream.taken, min(share, int((stream.began_with or 0) * growth)))


class StateBudget:
    """The size limit of all states of one sync. Worker threads share it.

    Args:
        limit: in bytes.
        stored: the sizes of the states with which the sync began, tracked or not, by stream.
        lookback_days: for the warning.
    """

    def __init__(
        self,
        limit: int = DEFAULT_LIMIT_MB * MEGABYTE,
        stored: Mapping[str, int] | None = None,
        lookback_days: int = 30,
    ) -> None:
        self.limit = limit
        self._lookback_days = lookback_days
        self._lock = threading.Lock()
        self._streams = {name: _Stream(size, size) for name, size in (stored or {}).items()}
        self._forgotten_before: int | None = None
        self._is_limited = False
        self._half_is_said = False
        self._turns: dict[str, tuple[float, int]] = {}
        self._sent: list[tuple[float, int]] = []

    def open(self, name: str, *, can_shrink: bool, limited_since: int | None = None) -> None:
        """Register a stream whose state will be sent in this sync.

        Args:
            limited_since: records that start earlier were forgotten by the last sync.
        """
        with self._lock:
            stream = self._streams.setdefault(name, _Stream())
            stream.can_shrink, stream.is_open = can_shrink, True
        if limited_since is not None and can_shrink:
            self.forget_before(limited_since)

    def stored_size(self, name: str) -> int:
        """Return the size in bytes of the state that a stream began with, or sent last."""
        with self._lock:
            return self._streams.get(name, _Stream()).stored or 0

    # Room ---------------------------------------------------------------------------------------

    def room(self, name: str, size: int) -> int:
        """Return the bytes available for the next state of a stream, which needs `size`."""
        with self._lock:
            return self._room(name, size)

    def _room(self, name: str, size: int) -> int:
        own = self._streams[name]
        others = [stream for other, stream in self._streams.items() if other != name]
        if not own.can_shrink:
            # Streams that can shrink give way to those that cannot.
            return self.limit - sum(stream.taken for stream in others)
        windowed = [stream for stream in others if stream.can_shrink]
        left = self.limit
        for stream in others:
            if not stream.can_shrink:
                left -= max(
                    stream.taken,
                    stream.needed if stream.needed <= self.limit else 0,
                    self.limit // _FIRST_STATES if stream.awaits_first_state else 0,
                )
        share = max(left, 0) // (len(windowed) + 1)
        # A longer lookback makes all of them grow: the first one must leave room for the others.
        growth = size / own.began_with if own.began_with else 1.0
        free = left - sum(
            share if stream.awaits_first_state else stream.taken for stream in windowed
        )
        # Within its share, a stream may use any free room, however much it has grown.
        reserved = sum(_reserved(stream, share, growth) for stream in windowed)
        return max(left - reserved, min(share, free))

    def grant(self, name: str, size: int) -> bool:
        """Return whether a state fits; if so, reserve its room until it has been sent."""
        with self._lock:
            stream = self._streams[name]
            if size > self._room(name, size):
                stream.needed = size
                return False
            stream.leaving, stream.needed = size, 0
            return True

    def withdraw(self, name: str) -> None:
        """Release the room of a state that will not be sent."""
        with self._lock:
            self._streams[name].leaving = 0
            self._turns.pop(name, None)

    def sent(self, name: str, *, is_limited: bool = False) -> None:
        """Record that the granted state has been sent."""
        with self._lock:
            stream = self._streams[name]
            stream.stored, stream.leaving = stream.leaving, 0
            self._turns.pop(name, None)
            self._sent.append((clock(), stream.stored))
            self._is_limited = self._is_limited or is_limited
            total = sum(stream.taken for stream in self._streams.values())
            says_half = 2 * total >= self.limit and not self._half_is_said
            self._half_is_said = self._half_is_said or says_half
        if says_half:
            logger.info(
                "The states of all streams take %s MB; State Limit (state_limit_mb) is %s MB.",
                _megabytes(total),
                _megabytes(self.limit),
            )

    def end(self, name: str) -> None:
        """Record that the stream sends no further state in this sync."""
        with self._lock:
            self._streams[name].is_open = False

    # Forgetting ---------------------------------------------------------------------------------

    @property
    def forgotten_before(self) -> int | None:
        """Windowed streams forget records that start before this moment; None: they forget none."""
        with self._lock:
            return self._forgotten_before

    def forget_before(self, moment: int) -> None:
        """Let all windowed streams forget records that start earlier, from their next state on."""
        with self._lock:
            self._forgotten_before = max(moment, self._forgotten_before or moment)

    def warn_of_limit(self, now: int) -> None:
        """Warn once, at the end of the sync, if records were forgotten."""
        with self._lock:
            moment = self._forgotten_before if self._is_limited else None
        # A partition that is no longer read never updates its moment.
        if moment is None or now - moment >= self._lookback_days * DAY:
            return
        logger.warning(
            "Only %s of the %s Lookback Days (lookback_days) are tracked, because the states of "
            "all streams reached State Limit (state_limit_mb), currently %s MB. Changes of records "
            "that began before %s are not found. To track more, select fewer streams or split the "
            "workspaces between several connections (workspace_ids); to accept it, shorten "
            "Lookback Days. Raise State Limit only where the platform's own limit was raised or "
            "there is no platform.",
            max(0, (now - moment) // DAY),
            self._lookback_days,
            _megabytes(self.limit),
            format_second(moment)[:10],
        )

    def refusal(self, name: str, size: int) -> AirbyteTracedException:
        """Return the error for a stream whose state does not fit."""
        return AirbyteTracedException(
            message=(
                f"The state of {name} needs {_megabytes(size)} MB, but the states of the other "
                f"streams leave only {_megabytes(max(0, self.room(name, size)))} of the "
                f"{_megabytes(self.limit)} MB of State Limit (state_limit_mb). The stream fails, "
                "because without its state the next sync could not find changes. Select fewer "
                "streams, split the workspaces between several connections (workspace_ids), or "
                "shorten Lookback Days (lookback_days). Raise State Limit only where the "
                "platform's own limit was raised or there is no platform."
            ),
            failure_type=FailureType.config_error,
        )

    # Pace ---------------------------------------------------------------------------------------

    def takes_turn(self, name: str, size: int) -> bool:
        """Return whether a state may be sent now; if so, count it."""
        with self._lock:
            if self._seconds_to_wait(name, size) > 0:
                return False
            self._turns[name] = (clock(), size)
            return True

    def wait_for_turn(self, name: str, size: int) -> None:
        """Wait until a state may be sent."""
        is_announced = False
        while not self.takes_turn(name, size):
            with self._lock:
                seconds = self._seconds_to_wait(name, size)
            if seconds > _ANNOUNCED_SECONDS and not is_announced:
                is_announced = True
                logger.info(
                    "%s: delaying its state of %s MB by %s seconds, so that the platform does not "
                    "save it in one request with earlier states.",
                    name,
                    _megabytes(size),
                    round(seconds),
                )
            pause(min(max(seconds, 0.1), 1.0))

    def _seconds_to_wait(self, name: str, size: int) -> float:
        now = clock()
        self._sent = [(at, sent) for at, sent in self._sent if now - at < PACE_SECONDS]
        ends = [(at + PACE_SECONDS, sent) for at, sent in self._sent]
        ends += [
            (at + _TURN_SECONDS, leaving)
            for other, (at, leaving) in self._turns.items()
            if other != name and now - at < _TURN_SECONDS
        ]
        total = size + sum(leaving for _, leaving in ends)
        last = now
        for end, leaving in sorted(ends):
            if total <= PACE_BYTES:
                break
            last, total = end, total - leaving
        return last - now
