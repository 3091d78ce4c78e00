"""Detects whether the pass over Clockify's own events returns those omitted by the other pass.

The manifest takes events of `SYSTEM` only from the pass that requests them by name: a server that
also returns them unnamed would duplicate them. If it returns them unnamed only, they are lost.
"""

import threading
from collections.abc import Iterator

from source_clockify.request_notes import Gap

SYSTEM = "SYSTEM"

MESSAGE = (
    "Clockify returns its own events only to requests that do not name it as their author. The "
    "connector discards them there to avoid duplicates, so they are missing."
)


class SystemEvents:
    """The workspaces in which each pass found events of SYSTEM.

    Worker threads share it under its lock.
    """

    def __init__(self) -> None:
        self._left_out: set[str] = set()
        self._read: set[str] = set()
        self._lock = threading.Lock()

    def add(self, workspace_id: str, authors: str) -> None:
        """Add a workspace in which the pass over these authors found such an event."""
        with self._lock:
            (self._read if authors == SYSTEM else self._left_out).add(workspace_id)

    def gaps(self) -> Iterator[Gap]:
        with self._lock:
            for workspace_id in sorted(self._left_out - self._read):
                yield Gap(workspace_id, MESSAGE)
