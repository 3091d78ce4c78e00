"""The data that a sync leaves out, and one warning per workspace that names it."""

import logging
import threading
from collections import defaultdict
from collections.abc import Collection, Mapping

from source_clockify.request_notes import Gap, RequestNotes

logger = logging.getLogger("airbyte")


class SkipReport:
    """The gaps of each workspace and stream; worker threads share it under its lock."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._selected: Collection[str] | None = None
        self._read: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._skipped: dict[str, dict[str, str]] = defaultdict(dict)
        self._parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._gaps: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def select(self, streams: Collection[str]) -> None:
        """Exclude streams from the warnings that are only read for others."""
        with self._lock:
            self._selected = frozenset(streams)

    def name_workspaces(self, names: Mapping[str, str]) -> None:
        """Add the names of workspaces, by id."""
        with self._lock:
            self._names.update(names)

    def skip(self, stream: str, workspace_id: str, reason: str) -> None:
        """Record that a workspace is left out of a stream."""
        with self._lock:
            self._skipped[workspace_id].setdefault(stream, reason)

    def note_read(self, stream: str, partition: str) -> None:
        """Record that a window of a partition was read completely."""
        with self._lock:
            self._read.add((stream, partition))

    def was_read(self, stream: str, partition: str) -> bool:
        with self._lock:
            return (stream, partition) in self._read

    def is_skipped(self, stream: str, workspace_id: str) -> bool:
        with self._lock:
            return stream in self._skipped.get(workspace_id, {})

    def add(self, stream: str, notes: RequestNotes) -> None:
        """Record the notes of a stream's read, and log which entities have vanished meanwhile."""
        for refusal in notes.refusals:
            if refusal.vanished:
                logger.warning("%s: %s", stream, refusal.message)
            elif not refusal.partial:
                self.skip(stream, refusal.workspace_id, refusal.message)
            else:
                with self._lock:
                    self._parts[refusal.workspace_id][stream].append(refusal.message)
        for gap in notes.gaps:
            self.add_gap(stream, gap)

    def add_gap(self, stream: str, gap: Gap) -> None:
        """Record data that is missing from a stream."""
        with self._lock:
            found = self._gaps[gap.workspace_id][stream]
            if gap.message not in found:
                found.append(gap.message)

    def gaps_of(self, stream: str) -> tuple[tuple[str, str], ...]:
        """Return the gaps of a stream: pairs of a workspace and a sentence."""
        with self._lock:
            return tuple(
                (workspace_id, message)
                for workspace_id, streams in self._gaps.items()
                if stream in streams
                for message in streams[stream]
            )

    def sentences(self, stream: str) -> list[str]:
        """Return the data left out of a stream, one sentence per workspace and kind."""
        with self._lock:
            found = [
                f"{self._label(workspace_id)} is skipped: {reasons[stream]}"
                for workspace_id, reasons in sorted(self._skipped.items())
                if stream in reasons
            ]
            for workspace_id, parts in sorted(self._parts.items()):
                if parts.get(stream):
                    refused = " ".join(dict.fromkeys(parts[stream][:3]))
                    found.append(f"{self._label(workspace_id)} is skipped in part: {refused}")
            for workspace_id, gaps in sorted(self._gaps.items()):
                if gaps.get(stream):
                    found.append(
                        f"{self._label(workspace_id)} has missing data: {' '.join(gaps[stream])}"
                    )
        return found

    def _label(self, workspace_id: str) -> str:
        name = self._names.get(workspace_id)
        return f"Workspace {workspace_id}" + (f" ({name})" if name else "")

    def log(self) -> None:
        """Log one warning per workspace with gaps."""
        with self._lock:
            for workspace_id in sorted({*self._skipped, *self._parts, *self._gaps}):
                sentence = self._sentence(workspace_id)
                if sentence:
                    logger.warning("%s", sentence)

    def _is_selected(self, stream: str) -> bool:
        return self._selected is None or stream in self._selected

    def _sentence(self, workspace_id: str) -> str:
        skipped = {
            stream: reason
            for stream, reason in self._skipped.get(workspace_id, {}).items()
            if self._is_selected(stream)
        }
        parts: dict[str, list[str]] = defaultdict(list)
        streams_by_reason: dict[str, list[str]] = defaultdict(list)
        for stream, reason in skipped.items():
            streams_by_reason[reason].append(stream)
        for reason, streams in streams_by_reason.items():
            parts["These streams are skipped"].append(
                f"{', '.join(streams)} ({reason.removesuffix('.')})"
            )
        for stream, messages in self._parts.get(workspace_id, {}).items():
            if stream not in skipped and self._is_selected(stream):
                parts["A part of these streams is skipped"].append(
                    f"{stream} (refused requests: {len(messages)}, such as: "
                    f"{messages[0].removesuffix('.')})"
                )
        for stream, messages in self._gaps.get(workspace_id, {}).items():
            if stream not in skipped and self._is_selected(stream):
                parts["These streams are incomplete"].append(
                    f"{stream} ({' '.join(messages).removesuffix('.')})"
                )
        if not parts:
            return ""
        details = " ".join(f"{kind}: {'; '.join(each)}." for kind, each in parts.items())
        return f"{self._label(workspace_id)}: {details} Everything else is read."
