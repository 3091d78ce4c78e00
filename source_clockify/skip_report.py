"""What a sync leaves out, and the one warning per workspace that says so."""

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping

from source_clockify.refusals import Notes

logger = logging.getLogger("airbyte")


class SkipReport:
    """Collects, by workspace and stream, what is left out. Worker threads share it under its lock.

    Args:
        names: the names of the workspaces by id, as far as they are known.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = dict(names or {})
        self._lock = threading.Lock()
        self._skipped: dict[str, dict[str, str]] = defaultdict(dict)
        self._parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._gaps: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def name_workspaces(self, names: Mapping[str, str]) -> None:
        """Add names of workspaces by id."""
        with self._lock:
            self._names.update(names)

    def skip(self, stream: str, workspace_id: str, reason: str) -> None:
        """Take note that a workspace is left out of a stream."""
        with self._lock:
            self._skipped[workspace_id].setdefault(stream, reason)

    def is_skipped(self, stream: str, workspace_id: str) -> bool:
        with self._lock:
            return stream in self._skipped.get(workspace_id, {})

    def add(self, stream: str, notes: Notes) -> None:
        """Take note of what happened while a stream was read, and log what vanished meanwhile."""
        for refusal in notes.refusals:
            if refusal.vanished:
                logger.warning("%s: %s", stream, refusal.message)
            elif not refusal.partial:
                self.skip(stream, refusal.workspace_id, refusal.message)
            else:
                with self._lock:
                    self._parts[refusal.workspace_id][stream].append(refusal.message)
        for gap in notes.gaps:
            with self._lock:
                found = self._gaps[gap.workspace_id][stream]
                if gap.message not in found:
                    found.append(gap.message)

    def log(self) -> None:
        """Log one warning for each workspace of which something is left out."""
        with self._lock:
            for workspace_id in sorted({*self._skipped, *self._parts, *self._gaps}):
                logger.warning("%s", self._sentence(workspace_id))

    def _sentence(self, workspace_id: str) -> str:
        skipped = self._skipped.get(workspace_id, {})
        parts: dict[str, list[str]] = defaultdict(list)
        streams_by_reason: dict[str, list[str]] = defaultdict(list)
        for stream, reason in skipped.items():
            streams_by_reason[reason].append(stream)
        for reason, streams in streams_by_reason.items():
            parts["These streams are skipped"].append(
                f"{', '.join(streams)} ({reason.removesuffix('.')})"
            )
        for stream, messages in self._parts.get(workspace_id, {}).items():
            if stream not in skipped:
                parts["A part of these streams is skipped"].append(
                    f"{stream} (refused requests: {len(messages)}, such as: "
                    f"{messages[0].removesuffix('.')})"
                )
        for stream, messages in self._gaps.get(workspace_id, {}).items():
            if stream not in skipped:
                parts["These streams are incomplete"].append(
                    f"{stream} ({' '.join(messages).removesuffix('.')})"
                )
        name = self._names.get(workspace_id)
        workspace = f"Workspace {workspace_id}" + (f" ({name})" if name else "")
        details = " ".join(f"{kind}: {'; '.join(each)}." for kind, each in parts.items())
        return f"{workspace}: {details} Everything else is read."
