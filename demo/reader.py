"""A reader of messages: the meaning of each, and the records that exist."""

from collections.abc import Collection
from typing import Any


class Reader:
    """Interprets all messages so far, like a consumer of the topic."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], set[str]] = {}
        self._deleted: dict[tuple[str, str], str] = {}

    def lines(self, records: Collection[dict[str, Any]]) -> list[str]:
        """Append records; return a line for each: stream, event, key, version."""
        return sorted(self._line(record["stream"], record["data"]) for record in records)

    def existing(self, stream: str) -> set[str]:
        """Return the ids whose newest version is not a deletion; all syncs have one baseline."""
        return {
            key
            for (name, key), versions in self._versions.items()
            if name == stream and self._deleted.get((name, key)) != max(versions)
        }

    def _line(self, stream: str, data: dict[str, Any]) -> str:
        versions = self._versions.setdefault((stream, data["id"]), set())
        version = data["_ab_cdc_updated_at"]
        happened = "changed" if versions - {version} else "new"
        if "_ab_cdc_deleted_at" in data:
            happened = "deleted"
            self._deleted[stream, data["id"]] = version
        if version in versions:
            happened += ", again"
        versions.add(version)
        return f"{stream:<26}{happened:<16}{data['id']}  {version}"
