"""Request limits of a workspace: per hour on FREE, per second on all other plans."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from math import ceil


@dataclass
class Limits:
    """Sliding windows. Hours follow the server's clock, seconds the real one."""

    _hours: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _seconds: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def admit(self, workspace_id: str, plan: str, now: float, free: int, paid: int) -> bool:
        """Whether another request is within the limit; only then is it counted."""
        if plan == "FREE":
            return _admit(self._hours[workspace_id], now, 3600, free)
        return _admit(self._seconds[workspace_id], time.monotonic(), 1, paid)

    def wait(self, workspace_id: str, plan: str, now: float) -> int:
        """The wait in whole seconds until a workspace at its limit is admitted."""
        if plan != "FREE":
            return 1
        seen = self._hours[workspace_id]
        return max(1, ceil(seen[0] + 3600 - now)) if seen else 1


def _admit(seen: deque[float], now: float, span: float, most: int) -> bool:
    while seen and seen[0] <= now - span:
        seen.popleft()
    if len(seen) >= most:
        return False
    seen.append(now)
    return True
