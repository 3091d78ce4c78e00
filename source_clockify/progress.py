"""The progress of a sync: what each stream has read, sent and requested, counted as it happens."""

import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

HOUR_SECONDS = 60 * 60

# The kinds of messages: new or changed, resent, deleted; EVERY if changes are not tracked.
SENT = "sent"
RESENT = "resent"
DELETED = "deleted"
EVERY = "every"

RUNNING = "running"
COMPLETE = "complete"
# Complete, except for the gaps that a warning names.
WITH_GAPS = "with gaps"
INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class StreamProgress:
    """The progress of one stream. Moments are in seconds since 1970.

    Attributes:
        stream: its name.
        is_selected: whether the sync reads it for itself, not only as a parent.
        is_tracked: whether its changes are tracked, so that kinds of messages can be distinguished.
        messages: the number of emitted messages.
        new: of new records among them.
        changed: of changed records.
        deleted: of tombstones.
        resent: of messages of earlier syncs.
        requests: the number sent for it, including retries and lookups.
        partitions: the number found so far; each window of a partition counts as one.
        done: the number of those that were read, successfully or not.
        all_found: whether all partitions are known.
        phase: its present activity, in words; "" while it reads its partitions.
        status: "" before it has begun.
        began: when it began; None before.
        ended: when it ended; None before.
        wait: the reason and the end of a wait; None while it does not wait.
    """

    stream: str
    is_selected: bool = True
    is_tracked: bool = False
    messages: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    resent: int = 0
    requests: int = 0
    partitions: int = 0
    done: int = 0
    all_found: bool = False
    phase: str = ""
    status: str = ""
    began: float | None = None
    ended: float | None = None
    wait: tuple[str, float] | None = None

    def seconds(self, now: float) -> float:
        """Return how long it has run."""
        return 0.0 if self.began is None else (self.ended or now) - self.began


class SyncProgress:
    """The counts of all streams of one read; worker threads share it under its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._selected: tuple[str, ...] = ()
        self._tracked: frozenset[str] = frozenset()
        self._hourly_limit: int | None = None
        self._requests: Counter[str] = Counter()
        self._partitions: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._all_found: set[str] = set()
        self._sent_at: deque[float] = deque()
        self._messages: dict[str, Counter[str]] = {}
        self._changed: Counter[str] = Counter()
        self._phases: dict[str, str] = {}
        self._statuses: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        # The waits of each stream, one for each waiting thread.
        self._waits: dict[str, list[tuple[str, float]]] = {}

    def select(
        self,
        streams: Iterable[str],
        tracked: Collection[str] = (),
        hourly_limit: int | None = None,
    ) -> None:
        """Set the streams to read, and reset the partitions.

        Args:
            streams: in the order of the catalog.
            tracked: those whose changes are tracked.
            hourly_limit: the number of requests allowed per hour; None if it is too high to matter.
        """
        with self._lock:
            self._selected = tuple(dict.fromkeys(streams))
            self._tracked = frozenset(tracked)
            self._hourly_limit = hourly_limit
            self._partitions.clear()
            self._done.clear()
            self._all_found.clear()

    # Counting -----------------------------------------------------------------------------------

    def count_request(self, stream: str) -> None:
        with self._lock:
            now = time.time()
            self._requests[stream] += 1
            self._sent_at.append(now)
            while self._sent_at[0] <= now - HOUR_SECONDS:
                self._sent_at.popleft()

    def count_partition(self, stream: str) -> None:
        """Count a partition to read."""
        with self._lock:
            self._partitions[stream] += 1

    def end_partition(self, stream: str) -> None:
        """Count a partition that was read."""
        with self._lock:
            self._done[stream] += 1

    def end_partitions(self, stream: str) -> None:
        """Note that all partitions of a stream are known."""
        with self._lock:
            self._all_found.add(stream)

    def count_messages(self, stream: str, kinds: Mapping[str, int]) -> None:
        """Count emitted messages, by kind."""
        with self._lock:
            found = self._messages.get(stream)
            if found is None:
                found = self._messages[stream] = Counter()
            for kind, number in kinds.items():
                found[kind] += number

    def count_changed(self, stream: str, number: int) -> None:
        """Count records emitted because their content changed; the others are new."""
        with self._lock:
            self._changed[stream] += number

    def begin(self, stream: str) -> None:
        """Note that a stream has begun."""
        with self._lock:
            self._began[stream] = time.time()
            self._statuses[stream] = RUNNING

    def enter_phase(self, stream: str, phase: str) -> None:
        """Note the present activity of a stream, in words."""
        with self._lock:
            self._phases[stream] = phase

    def end(self, stream: str, status: str) -> None:
        """Note that a stream has ended."""
        with self._lock:
            self._ended[stream] = time.time()
            self._statuses[stream] = status
            self._phases.pop(stream, None)

    def note_gaps(self, stream: str) -> None:
        """Note that a complete stream lacks data named in a warning."""
        with self._lock:
            self._statuses[stream] = WITH_GAPS

    @contextmanager
    def waiting(self, stream: str, reason: str, until: float) -> Iterator[None]:
        """Note that a thread of a stream waits, with the reason and the end."""
        wait = (reason, until)
        with self._lock:
            self._waits.setdefault(stream, []).append(wait)
        try:
            yield
        finally:
            with self._lock:
                self._waits[stream].remove(wait)

    # Reading ------------------------------------------------------------------------------------

    def streams_waiting(self, reason: str) -> list[str]:
        """Return the names of the streams that wait for this reason, sorted."""
        with self._lock:
            return sorted(
                stream
                for stream, waits in self._waits.items()
                if any(given == reason for given, _ in waits)
            )

    def of(self, stream: str) -> StreamProgress:
        with self._lock:
            return self._of(stream)

    def all(self) -> list[StreamProgress]:
        """Return the selected streams in order, then others that sent requests."""
        with self._lock:
            others = [name for name in self._requests if name not in self._selected]
            return [self._of(name) for name in (*self._selected, *others)]

    def _of(self, stream: str) -> StreamProgress:
        messages = self._messages.get(stream) or Counter()
        # A change is counted when it is found, but its message when it is emitted.
        changed = min(self._changed[stream], messages[SENT])
        return StreamProgress(
            stream=stream,
            is_selected=stream in self._selected,
            is_tracked=stream in self._tracked,
            messages=sum(messages.values()),
            new=messages[SENT] - changed,
            changed=changed,
            deleted=messages[DELETED],
            resent=messages[RESENT],
            requests=self._requests[stream],
            partitions=self._partitions[stream],
            done=self._done[stream],
            all_found=stream in self._all_found,
            phase=self._phases.get(stream, ""),
            status=self._statuses.get(stream, ""),
            began=self._began.get(stream),
            ended=self._ended.get(stream),
            wait=max(self._waits.get(stream) or (), key=lambda each: each[1], default=None),
        )

    def requests_of_last_hour(self) -> int:
        """Return the number of requests that this process sent in the last hour."""
        with self._lock:
            return self._requests_of_last_hour()

    def _requests_of_last_hour(self) -> int:
        since = time.time() - HOUR_SECONDS
        return sum(1 for moment in self._sent_at if moment > since)

    def budget(self) -> tuple[int, int] | None:
        """Return the number of requests left in this hour, and the limit; None without a limit."""
        with self._lock:
            limit = self._hourly_limit
            if limit is None:
                return None
            return max(0, limit - self._requests_of_last_hour()), limit

    def requests_left(self) -> int:
        """Return the minimum number of remaining requests: one for each unfinished partition."""
        with self._lock:
            open_partitions = sum((self._partitions - self._done).values())
            unbegun = sum(
                1
                for stream in self._selected
                if not self._partitions[stream] and stream not in self._all_found
            )
            return open_partitions + unbegun
