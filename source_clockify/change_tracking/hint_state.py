"""The saved hints of one workspace, see hints.py.

In the state of a stream: `"hints": {"64e777123456789012345678": {"ask_from":
"2026-11-24T08:50:00Z", "waiting": 2, "access": "all", "content": "..."}}`. `content`, omitted while
empty, is compressed JSON: the waiting candidates, recently created entries, records still to be
resent or looked up, events that the next request will return a second time, and removed users.
"""

import json
import zlib
from base64 import b85encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from source_clockify.change_tracking.columns import decompressed
from source_clockify.change_tracking.rows import FINGERPRINT_BITS, Pending, Row
from source_clockify.timestamps import format_second, second_of

_LARGEST = 2**53


class Named(IntFlag):
    """How the feeds name an entry. IN_PART: a rate or custom field of the entry changed."""

    CREATED = 1
    UPDATED = 2
    DELETED = 4
    IN_PART = 8


@dataclass(frozen=True)
class Candidate:
    """A time entry that a feed names. Only its id is trusted.

    Attributes:
        id: of the entry.
        named: how the feed names it.
        at: the time of the event according to the feed, in seconds since 1970.
        user_id: of its user, according to the feed; "" if unknown. Used in tombstones only.
        start: when it began, likewise, in seconds since 1970; None if unknown.
    """

    id: str
    named: Named
    at: int
    user_id: str = ""
    start: int | None = None

    def joined(self, other: "Candidate") -> "Candidate":
        """Return the entry as both candidates name it."""
        newer, older = (self, other) if self.at >= other.at else (other, self)
        return Candidate(
            self.id,
            self.named | other.named,
            older.at,
            newer.user_id or older.user_id,
            older.start if newer.start is None else newer.start,
        )


@dataclass(frozen=True)
class HintedRow:
    """A record outside of every window that is still to be resent or looked up.

    Attributes:
        user_id: of its user; "" if unknown.
        row: as it was sent.
    """

    user_id: str
    row: Row


@dataclass(frozen=True)
class HintState:
    """The hints of one workspace. Times are in seconds since 1970.

    Attributes:
        ask_from: where the next request to the feeds begins.
        seen: hashes of the events that the next request will return a second time.
        waiting: the candidates that have not been looked up yet, the oldest first.
        recent: the entries created since `ask_from`: a request that begins before an entry was
            created omits its other events.
        rows: the records that are still to be resent or looked up, by id.
        former_users: the users who were once listed and have no entries in the state any more.
        access: the access fingerprint under which deletions are proven, see access.py; "" if none.
    """

    ask_from: int
    seen: frozenset[int] = frozenset()
    waiting: tuple[Candidate, ...] = ()
    recent: tuple[Candidate, ...] = ()
    rows: Mapping[str, HintedRow] = field(default_factory=dict)
    former_users: frozenset[str] = frozenset()
    access: str = ""


def encode_hints(hints: Mapping[str, HintState]) -> dict[str, Any]:
    """Return the hints of all workspaces in their saved form."""
    return {workspace_id: _encoded(hint) for workspace_id, hint in sorted(hints.items())}


def _encoded(hint: HintState) -> dict[str, Any]:
    found: dict[str, Any] = {"ask_from": format_second(hint.ask_from)}
    if hint.waiting:
        found["waiting"] = len(hint.waiting)
    if hint.access:
        found["access"] = hint.access
    if not (hint.seen or hint.waiting or hint.recent or hint.rows or hint.former_users):
        return found
    content = [
        [_candidate_parts(each) for each in hint.waiting],
        [_candidate_parts(each) for each in hint.recent],
        [_row_parts(key, hint.rows[key]) for key in sorted(hint.rows)],
        sorted(hint.seen),
        sorted(hint.former_users),
    ]
    packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
    return {**found, "content": b85encode(packed).decode()}


def _candidate_parts(candidate: Candidate) -> list[Any]:
    each = candidate
    return [each.id, int(each.named), each.at, each.user_id, each.start]


def _row_parts(key: str, hinted: HintedRow) -> list[Any]:
    row = hinted.row
    pending = row.pending
    return [
        key,
        hinted.user_id,
        row.fingerprint,
        row.start,
        row.running,
        row.deleted,
        [pending.updated_at, pending.times, pending.sent_at] if pending else None,
    ]


def decode_hints(value: Any) -> dict[str, HintState]:
    """Return the hints of all workspaces.

    Raises:
        ValueError, TypeError, KeyError, zlib.error: for a damaged value.
    """
    if type(value) is not dict:
        raise ValueError("no hints")
    return {workspace_id: _decoded(hint) for workspace_id, hint in value.items()}


def _decoded(hint: Mapping[str, Any]) -> HintState:
    ask_from = second_of(hint["ask_from"])
    if ask_from is None:
        raise ValueError("no moment")
    access = _text(hint.get("access", ""))
    if "content" not in hint:
        return HintState(_integer(ask_from), access=access)
    content = json.loads(decompressed(hint["content"]))
    waiting, recent, rows, seen, former_users = content
    if len(waiting) != hint.get("waiting", 0):
        raise ValueError("no hints")
    return HintState(
        _integer(ask_from),
        frozenset(_integer(each) for each in seen),
        tuple(_candidate(each) for each in waiting),
        tuple(_candidate(each) for each in recent),
        dict(_hinted_row(each) for each in rows),
        frozenset(_text(each) for each in former_users),
        access,
    )


def _candidate(parts: Sequence[Any]) -> Candidate:
    identifier, named, at, user_id, start = parts
    return Candidate(
        _text(identifier), Named(_integer(named)), _integer(at), _text(user_id), _optional(start)
    )


def _hinted_row(parts: Sequence[Any]) -> tuple[str, HintedRow]:
    key, user_id, fingerprint, start, running, deleted, pending = parts
    if not 0 <= _integer(fingerprint) < 1 << FINGERPRINT_BITS:
        raise ValueError("no fingerprint")
    row = Row(
        fingerprint,
        _optional(start),
        Pending(*(_integer(each) for each in pending)) if pending else None,
        running=running is True,
        deleted=deleted is True,
    )
    return _text(key), HintedRow(_text(user_id), row)


def _integer(value: Any) -> int:
    if type(value) is not int or abs(value) > _LARGEST:
        raise ValueError("no number")
    return value


def _optional(value: Any) -> int | None:
    return None if value is None else _integer(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("no text")
    return value
