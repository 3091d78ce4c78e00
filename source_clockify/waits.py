"""Announces waits for Clockify's request limits and before retries; states are sent before them.

The CDK sleeps silently, for up to an hour with a Free workspace.
"""

import logging
import threading
import time
from collections.abc import Callable

from source_clockify.progress import SyncProgress
from source_clockify.timestamps import format_second

logger = logging.getLogger("airbyte")

# A wait of up to this many seconds is neither announced nor preceded by states.
SILENT_SECONDS = 5
# The interval at which a longer wait is announced.
REPEAT_SECONDS = 5 * 60


class Checkpoints:
    """Sends the states of the streams of one read; worker threads share it under its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._senders: list[Callable[[float], None]] = []

    def add(self, send: Callable[[float], None]) -> None:
        """Add a function that sends the state of a stream's complete partitions if it has changed.

        Its argument is the number of seconds it may wait for another thread that is sending the
        same state; negative: until that has finished. It MUST be callable from several threads at
        once and MUST NOT raise.
        """
        with self._lock:
            self._senders.append(send)

    def send(self, patience: float = -1) -> None:
        """Send the states of all streams.

        Args:
            patience: passed to the functions, see `add`.
        """
        with self._lock:
            senders = list(self._senders)
        for send in senders:
            send(patience)


class Waits:
    """The waits of one read; worker threads share it under its lock.

    Args:
        progress: records which streams wait, and knows how many requests are left.
        checkpoints: sends the states before a wait.
        say: logs a line after the states that were sent before it. It MUST be callable from several
            threads at once and MUST NOT raise.
    """

    def __init__(
        self,
        progress: SyncProgress,
        checkpoints: Checkpoints,
        say: Callable[[str], None] = logger.info,
    ) -> None:
        self._progress = progress
        self._checkpoints = checkpoints
        self._say = say
        self._announcing = threading.Lock()
        # When a reason was last announced, and the announced end of the wait.
        self._announced: dict[str, tuple[float, float]] = {}

    def wait(self, seconds: float, stream: str, reason: str) -> None:
        """Wait; announce a wait of more than a few seconds now and every few minutes.

        Args:
            stream: the waiting stream.
            reason: a sentence. Waits with the same reason are announced together.
        """
        if seconds <= SILENT_SECONDS:
            time.sleep(max(0.0, seconds))
            return
        until = time.time() + seconds
        end = time.monotonic() + seconds
        with self._progress.waiting(stream, reason, until):
            self._checkpoint_and_announce(reason, until)
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, REPEAT_SECONDS))
                if end - time.monotonic() > SILENT_SECONDS:
                    self._checkpoint_and_announce(reason, until)

    def _checkpoint_and_announce(self, reason: str, until: float) -> None:
        """Send the states and right after them the line, even if other threads start to wait."""
        with self._announcing:
            self._checkpoints.send()
            self._announce(reason, until)

    def _announce(self, reason: str, until: float) -> None:
        """Log a wait, unless another thread has just done so."""
        now = time.time()
        said_at, said_until = self._announced.get(reason, (0.0, 0.0))
        is_said = now - said_at < REPEAT_SECONDS and until - said_until <= SILENT_SECONDS
        if is_said:
            return
        self._announced[reason] = (now, until)
        streams = ", ".join(self._progress.streams_waiting(reason))
        left = self._progress.requests_left()
        self._say(
            f"{streams}: waiting until {format_second(int(until))} ({duration(until - now)}). "
            f"{reason}" + (f" Requests left: at least {left}." if left else "")
        )


def duration(seconds: float) -> str:
    """Return a duration in words, such as `59 minutes` or `1 second`."""
    if round(seconds) == 1:
        return "1 second"
    if seconds < 120:
        return f"{round(seconds)} seconds"
    return f"{round(seconds / 60)} minutes"
