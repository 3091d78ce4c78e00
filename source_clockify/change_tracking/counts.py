"""Counts the messages of one sync, as a consumer can count those that arrived."""

from array import array
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from source_clockify.change_tracking.messages import DELETED_AT, UPDATED_AT


class KeyCounter:
    """Counts distinct keys, in 8 bytes for each that is added.

    Attributes:
        hashes: those of the keys, in parts so that counting takes little memory.
    """

    def __init__(self) -> None:
        self.hashes = [array("q") for _ in range(64)]

    def add(self, key: Hashable) -> None:
        hashed = hash(key)
        self.hashes[hashed & 63].append(hashed)

    def update(self, other: "KeyCounter") -> None:
        for own, added in zip(self.hashes, other.hashes, strict=True):
            own.extend(added)

    def __len__(self) -> int:
        return sum(len(set(each)) for each in self.hashes)


class MessageCounter:
    """Counts the messages of a stream.

    Attributes:
        sent: the keys of the records of this version; those that lack a column of it do not count.
        deleted: the number of tombstones of this version.
        resent: the number of messages of other versions.

    Args:
        primary_key: its columns.
        version: as the records bear it.
    """

    def __init__(self, primary_key: Sequence[str], version: str) -> None:
        self.sent = KeyCounter()
        self.deleted = 0
        self.resent = 0
        self._primary_key = primary_key
        self._only_column = primary_key[0] if len(primary_key) == 1 else None
        self._version = version

    def count(self, data: Mapping[str, Any]) -> None:
        """Count a message."""
        if data.get(UPDATED_AT) != self._version:
            self.resent += 1
        elif DELETED_AT in data:
            self.deleted += 1
        elif self._only_column is not None:
            value = data.get(self._only_column)
            if value is not None:
                self.sent.add(value if type(value) is str else str(value))
        else:
            values = [data.get(column) for column in self._primary_key]
            if None not in values:
                self.sent.add(tuple(map(str, values)))

    def update(self, other: "MessageCounter") -> None:
        """Add the messages that another counter of the same version has counted."""
        self.sent.update(other.sent)
        self.deleted += other.deleted
        self.resent += other.resent
