"""Request limits of a workspace: so many an hour on FREE, so many a second on every other plan."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass
class Limits:
    """Sliding windows. Hours pass on the server's clock, seconds on the real one."""

    _hours: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _seconds: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def admit(self, workspace_id: str, plan: str, now: float, free: int, paid: int) -> bool:
        """Whether one more request is within the limit; it counts only if it is."""
        if plan == "FREE":
            return _admit(self._hours[workspace_id], now, 3600, free)
        return _admit(self._seconds[workspace_id], time.monotonic(), 1, paid)


def _admit(seen: deque[float], now: float, span: float, most: int) -> bool:
    while seen and seen[0] <= now - span:
        seen.popleft()
    if len(seen) >= most:
        return False
    seen.append(now)
    return True
