"""A consumer of a topic that can only append: what it merges the messages of many syncs to.

It drops repeats on key and version, takes the newest version of each key, leaves out what was
deleted, and holds for void what is older than the newest baseline of its stream. While messages
come in it asserts what every consumer may rely on.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clockify_sandbox.client import JSON
from clockify_sandbox.shuffled import SETS
from integration_tests.airbyte import key_of

UPDATED_AT = "_ab_cdc_updated_at"
DELETED_AT = "_ab_cdc_deleted_at"
BASELINE_AT = "_ab_cdc_baseline_at"
COLUMNS = (UPDATED_AT, DELETED_AT, BASELINE_AT)

Key = tuple[Any, ...]

# Fields whose change alone is no change of the record, beside `cursor`, which follows the clock.
VOLATILE: Mapping[str, frozenset[str]] = {
    "projects": frozenset({"duration"}),
    "tasks": frozenset({"duration"}),
    "users": frozenset({"activeWorkspace", "profilePicture"}),
}
# What a tombstone carries beside primary key and workspaceId.
_BELONGINGS: Mapping[str, tuple[str, ...]] = {
    "tasks": ("projectId",),
    "time_entries": ("userId", "start"),
    "invoice_payments": ("invoiceId",),
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Message:
    """One record message.

    Attributes:
        stream, key: what it is about; the key is the primary key of the catalog.
        data: the record as it was sent.
        sync: the number of the sync that sent it, from 0.
        repeats: whether an earlier sync sent the same version of this key.
        delivered: False where the destination lost it.
    """

    stream: str
    key: Key
    data: JSON
    sync: int
    repeats: bool
    delivered: bool

    @property
    def version(self) -> str:
        return str(self.data[UPDATED_AT])

    @property
    def baseline(self) -> str:
        return str(self.data[BASELINE_AT])

    @property
    def content(self) -> JSON | None:
        """What it says of the record, comparable; None for a deletion."""
        return None if self.data.get(DELETED_AT) else comparable(self.stream, self.data)


def comparable(stream: str, record: Mapping[str, Any]) -> JSON:
    """A record without what does not make it another one.

    Nulls equal absent fields, sets have no order, floats have six decimals; the columns of
    change tracking, the cursor and volatile fields do not count.
    """
    ignored = {*COLUMNS, "cursor", *VOLATILE.get(stream, ())}
    kept = {name: value for name, value in record.items() if name not in ignored}
    return dict(_canonical(kept))


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: sorted(map(_canonical, each), key=_text)
            if name in SETS and isinstance(each, list)
            else _canonical(each)
            for name, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        return sorted(value) if _are_ids(value) else [_canonical(each) for each in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return round(float(value), 6)
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _are_ids(values: list[Any]) -> bool:
    return all(isinstance(each, str) and _ID.fullmatch(each) for each in values)


class Consumer:
    """All messages of a connection, in the order in which they came."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Message]] = defaultdict(list)
        self._versions: dict[str, dict[Key, dict[str, Message]]] = defaultdict(dict)
        self._newest: dict[str, str] = {}
        self._syncs = 0

    def take(
        self, printed: Iterable[JSON], *, delivered: bool = True, sent_before: bool = True
    ) -> list[Message]:
        """Append the records of one sync's messages; AssertionError if they break a promise.

        What is not `delivered` was sent all the same: it is held against the messages that follow,
        but no part of the view. With `sent_before` a tombstone must be of what was sent, as it was
        sent, which nobody knows of what began before the window. Answers what was appended.
        """
        versions = dict[str, str]()
        taken: list[Message] = []
        keys: set[tuple[str, Key]] = set()
        for each in printed:
            if each["type"] == "RECORD":
                stream, data = each["record"]["stream"], each["record"]["data"]
                message = self._message(stream, data, versions, delivered, sent_before)
                assert (stream, message.key) not in keys, f"{stream} has {message.key} twice"
                keys.add((stream, message.key))
                taken.append(message)
        for message in taken:
            self.messages[message.stream].append(message)
            self._versions[message.stream].setdefault(message.key, {})[message.version] = message
        self._newest |= versions
        self._syncs += 1
        return taken

    def _message(
        self,
        stream: str,
        data: JSON,
        versions: dict[str, str],
        delivered: bool,
        sent_before: bool,
    ) -> Message:
        """The message of a record; `versions` holds the version of each stream in this sync."""
        key = key_of(stream, data)
        assert None not in key, f"{stream} without its primary key: {data}"
        _assert_columns(stream, data)
        earlier = self._versions[stream].get(key, {})
        same = earlier.get(data[UPDATED_AT])
        message = Message(stream, key, data, self._syncs, same is not None, delivered)
        if same is not None:
            assert message.content == same.content, f"{stream} {key}: a repeat is not identical"
            assert message.baseline == same.baseline, f"{stream} {key}: a repeat's baseline differs"
            return message
        version = versions.setdefault(stream, message.version)
        assert message.version == version, f"{stream} {key}: versions {message.version}, {version}"
        newest = self._newest.get(stream, "")
        assert version > newest, f"{stream} {key}: version {version} after {newest}"
        if message.content is None and sent_before:
            _assert_tombstone(stream, data, list(earlier.values()))
        return message

    def last_sent(self, stream: str, key: Key) -> Message | None:
        """The newest version of a key that was ever sent, delivered or not."""
        versions = self._versions[stream].get(key)
        return versions[max(versions)] if versions else None

    def view(self, stream: str) -> dict[Key, JSON]:
        """What the delivered messages merge to: the content of each key that is there."""
        delivered = [each for each in self.messages[stream] if each.delivered]
        baseline = max((each.baseline for each in delivered), default="")
        newest: dict[Key, Message] = {}
        for message in delivered:
            held = newest.get(message.key)
            if message.baseline == baseline and (held is None or message.version > held.version):
                newest[message.key] = message
        contents = {key: message.content for key, message in newest.items()}
        return {key: content for key, content in contents.items() if content is not None}


def _assert_columns(stream: str, data: JSON) -> None:
    for column in COLUMNS:
        if column != DELETED_AT or column in data:
            value = data.get(column)
            assert isinstance(value, str), f"{stream}: {column} is {value!r}"
            assert _INSTANT.fullmatch(value), f"{stream}: {column} is {value!r}"
    assert data[BASELINE_AT] <= data[UPDATED_AT], f"{stream}: {data}"


def _assert_tombstone(stream: str, data: JSON, earlier: list[Message]) -> None:
    assert earlier, f"{stream}: a tombstone for what was never sent: {data}"
    belongings = _BELONGINGS.get(stream, ())
    for column in belongings if stream == "workspaces" else ("workspaceId", *belongings):
        sent = [message.data.get(column) for message in earlier]
        assert data.get(column) in sent, f"{stream}: {column} of {data}, sent before: {sent}"
