"""How far a sync is: requests and partitions of each stream, counted while they happen."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

HOUR_SECONDS = 60 * 60


@dataclass(frozen=True)
class StreamProgress:
    """How far one stream is.

    Attributes:
        requests: how many were sent for it, retries and lookups included.
        partitions: how many were found so far; a window of a partition counts as one.
        done: how many of them were read, whether they failed or not.
        all_found: whether no further partition follows.
    """

    requests: int = 0
    partitions: int = 0
    done: int = 0
    all_found: bool = False


class SyncProgress:
    """The counts of all streams of one read; worker threads share it under its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._selected: frozenset[str] = frozenset()
        self._requests: Counter[str] = Counter()
        self._partitions: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._all_found: set[str] = set()
        self._sent_at: deque[float] = deque()

    def select(self, streams: Iterable[str]) -> None:
        """Set the streams that the sync reads, and forget the partitions read before."""
        with self._lock:
            self._selected = frozenset(streams)
            self._partitions.clear()
            self._done.clear()
            self._all_found.clear()

    def count_request(self, stream: str) -> None:
        with self._lock:
            now = time.time()
            self._requests[stream] += 1
            self._sent_at.append(now)
            while self._sent_at[0] <= now - HOUR_SECONDS:
                self._sent_at.popleft()

    def count_partition(self, stream: str) -> None:
        """Count a partition that is to be read."""
        with self._lock:
            self._partitions[stream] += 1

    def end_partition(self, stream: str) -> None:
        """Count a partition that was read."""
        with self._lock:
            self._done[stream] += 1

    def end_partitions(self, stream: str) -> None:
        """Note that all partitions of a stream are found."""
        with self._lock:
            self._all_found.add(stream)

    def of(self, stream: str) -> StreamProgress:
        with self._lock:
            return StreamProgress(
                self._requests[stream],
                self._partitions[stream],
                self._done[stream],
                stream in self._all_found,
            )

    def requests_of_last_hour(self) -> int:
        """Return the number of requests that this process sent within an hour."""
        with self._lock:
            since = time.time() - HOUR_SECONDS
            return sum(1 for moment in self._sent_at if moment > since)

    def requests_left(self) -> int:
        """Return how many requests are left at least: one for each partition that is not done."""
        with self._lock:
            open_partitions = sum((self._partitions - self._done).values())
            unbegun = sum(
                1
                for stream in self._selected
                if not self._partitions[stream] and stream not in self._all_found
            )
            return open_partitions + unbegun
