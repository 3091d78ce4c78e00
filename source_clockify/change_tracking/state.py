"""The state of a tracked stream, and its message form.

Version 2 of the state: `{"connector": "source-clockify", "state_version": 2, "stream":
"time_entries", "updated_at": "2026-11-24T09:00:00.000Z", "baseline_at": "2026-11-01T09:00:00.000Z",
"snapshot_is_complete": true, "sent": 2, "deleted": 1, "partition_fields": ["workspace_id",
"user_id"], "partitions": 12, "records": 3456, "content": "...", "hints": {}, "sync": {},
"checksum": "..."}`. `content` is described in columns.py, `hints` (only for streams that use change
feeds) in hint_state.py, and `sync` in interrupted.py.
"""

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, NamedTuple

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.change_tracking.columns import Properties, read_document, write_document
from source_clockify.change_tracking.hint_state import HintState, decode_hints, encode_hints
from source_clockify.change_tracking.interrupted import SyncMark, decode_mark, encode_mark
from source_clockify.change_tracking.messages import format_version
from source_clockify.change_tracking.open_rows import SavedRows
from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.profiles import Granularity, round_down
from source_clockify.change_tracking.rows import (
    PackedRows,
    Rows,
    days_of,
    forget_before,
    pack,
    unpack,
)
from source_clockify.timestamps import DAY, second_of

CONNECTOR = "source-clockify"
VERSION = 2
# Version 1 had the first one.
_MARKS = frozenset({"clockify", "connector", "state_version", "checksum"})
_LARGEST_TIME = 2**53

# Errors that a damaged or forged document may cause.
_DAMAGES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    zlib.error,
)


@dataclass(frozen=True)
class Forgetting:
    """Selects the records that a state drops in order to fit its limit.

    Attributes:
        moment: records that start before its day or week are dropped; in seconds since 1970.
        granularity: DAY or WEEK.
        resends: whether records with pending resends are dropped as well.
    """

    moment: int
    granularity: Granularity = Granularity.DAY
    resends: bool = False


@dataclass(frozen=True)
class PartitionState:
    """The saved state of one partition. Times are in seconds since 1970.

    Attributes:
        read_at: when its last complete read began.
        retained_since: its records are known from this start on.
        history_start: the earliest start ever read; None for all history.
        access: the access fingerprint with which it was read, see access.py.
        former_access: the one with which its hidden records were seen.
        limited_since: records that start earlier were forgotten so that the state fits its limit;
            None if there are none.
        packed: its records, see rows.py.
        dated: whether their keys include a day.
    """

    read_at: int
    retained_since: int
    history_start: int | None = None
    access: str = ""
    former_access: str = ""
    limited_since: int | None = None
    packed: PackedRows = field(default_factory=PackedRows)
    dated: bool = False

    @property
    def has_pending(self) -> bool:
        """Whether a change or tombstone is pending for a resend."""
        return bool(self.packed.pending)

    def rows(self) -> Rows:
        """Return its records by key."""
        return unpack(self.packed, dated=self.dated)

    def saved_rows(self) -> SavedRows:
        """Return its records, which can be found by key without being unpacked."""
        return SavedRows([self.packed], dated=self.dated)

    def with_rows(self, rows: Rows) -> "PartitionState":
        return replace(self, packed=pack(rows, dated=self.dated))

    def forget_before(self, forgetting: Forgetting) -> "PartitionState":
        """Return it without the records that start before the UTC day or week of a moment.

        Records of the day or week of the last complete read are retained, since later records may
        have the same start; so are running, missing and deleted ones.
        """
        moment = max(min(forgetting.moment, self.read_at), self.limited_since or 0)
        day = round_down(moment, forgetting.granularity)
        if day <= self.retained_since:
            return self
        packed = forget_before(self.packed, day, resends=forgetting.resends)
        if packed is self.packed and day == self.limited_since:
            return self
        return replace(self, limited_since=day, packed=packed)

    def forgettable_days(self, granularity: Granularity, *, resends: bool) -> Counter[int]:
        """Return the number of records that `forget_before` can drop, by day since 1970."""
        end = round_down(self.read_at, granularity) // DAY
        days = days_of(self.packed, resends=resends)
        return Counter({day: count for day, count in days.items() if day < end})


class Emitted(NamedTuple):
    """The minimum number of messages of a version that were emitted before a state.

    Attributes:
        version: in milliseconds since 1970.
        sent: the number of records.
        deleted: the number of tombstones.
    """

    version: int
    sent: int
    deleted: int


@dataclass(frozen=True)
class StreamState:
    """The saved state of one stream.

    Attributes:
        updated_at: the last version, in milliseconds since 1970.
        baseline_at: the version of the first sync, likewise.
        snapshot_is_complete: whether the initial read of the stream has completed.
        partition_fields: the names of a partition's ids, such as `("workspace_id", "user_id")`.
        partitions: by their ids.
        sent: the minimum number of records of the last version that were emitted before this state;
            None if they were not counted.
        deleted: likewise, of tombstones.
        unreported: likewise, of earlier versions that have no receipt because their syncs were
            killed.
        hints: from change feeds, on records outside of the window, by workspace.
        mark: the sync that wrote it; None if unknown.
    """

    updated_at: int
    baseline_at: int
    snapshot_is_complete: bool = True
    partition_fields: tuple[str, ...] = ()
    partitions: Mapping[Partition, PartitionState] = field(default_factory=dict)
    sent: int | None = None
    deleted: int | None = None
    unreported: tuple[Emitted, ...] = ()
    hints: Mapping[str, HintState] = field(default_factory=dict)
    mark: SyncMark | None = None

    @property
    def record_count(self) -> int:
        return sum(len(known.packed) for known in self.partitions.values())

    def forget_before(self, forgetting: Forgetting) -> "StreamState":
        partitions = {
            ids: known.forget_before(forgetting) for ids, known in self.partitions.items()
        }
        return replace(self, partitions=partitions)


def is_tracked(blob: Mapping[str, Any]) -> bool:
    """Return whether a state was written by change tracking."""
    return not _MARKS.isdisjoint(blob)


def encode(stream: str, state: StreamState) -> dict[str, Any]:
    """Return a stream's state as a blob.

    Raises:
        ValueError: if a partition does not have exactly one id for each field.
    """
    width = len(state.partition_fields)
    if any(len(ids) != width for ids in state.partitions):
        raise ValueError(f"{stream}: partitions of other fields than {state.partition_fields}")
    partitions = sorted(state.partitions)
    states = [state.partitions[ids] for ids in partitions]
    content = {
        "connector": CONNECTOR,
        "state_version": VERSION,
        "stream": stream,
        "updated_at": format_version(state.updated_at),
        "baseline_at": format_version(state.baseline_at),
        "snapshot_is_complete": state.snapshot_is_complete,
        "sent": state.sent,
        "deleted": state.deleted,
        **({"unreported": [[*each] for each in state.unreported]} if state.unreported else {}),
        "partition_fields": list(state.partition_fields),
        "partitions": len(partitions),
        "records": state.record_count,
        "content": write_document(
            partitions,
            (_properties(known) for known in states),
            [known.packed for known in states],
        ),
        **({"hints": encode_hints(state.hints)} if state.hints else {}),
        **({"sync": encode_mark(state.mark, partitions)} if state.mark else {}),
    }
    return {**content, "checksum": checksum(content)}


def _properties(known: PartitionState) -> Properties:
    return (
        known.read_at,
        known.retained_since,
        known.history_start,
        known.access,
        known.former_access,
        known.limited_since,
    )


def decode(stream: str, blob: Mapping[str, Any], *, dated: bool) -> StreamState:
    """Return the state in a blob, fully validated, so that later use of it cannot fail.

    Raises:
        AirbyteTracedException: config_error, for a blob that is damaged or of another version,
            stream or connector.
    """
    if blob.get("connector", CONNECTOR) != CONNECTOR:
        raise unusable_state(stream, "comes from another connector")
    if blob.get("state_version") != VERSION or type(blob["state_version"]) is not int:
        raise unusable_state(stream, "comes from another version of the connector")
    if isinstance(blob.get("stream"), str) and blob["stream"] != stream:
        raise unusable_state(stream, f"is that of another stream ({blob['stream'][:50]})")
    try:
        return _decode(stream, blob, dated=dated)
    except _DAMAGES as error:
        raise unusable_state(stream, "is damaged") from error


def _decode(stream: str, blob: Mapping[str, Any], *, dated: bool) -> StreamState:
    content = {name: value for name, value in blob.items() if name != "checksum"}
    if blob["stream"] != stream or blob["checksum"] != checksum(content):
        raise ValueError("checksum")
    fields = blob["partition_fields"]
    if type(fields) is not list or not all(type(name) is str for name in fields):
        raise ValueError("partition_fields")
    if type(blob["snapshot_is_complete"]) is not bool or type(blob["content"]) is not str:
        raise ValueError("not the values of a state")
    entries = read_document(len(fields), blob["content"], _checked_properties)
    state = StreamState(
        _version(blob["updated_at"]),
        _version(blob["baseline_at"]),
        blob["snapshot_is_complete"],
        tuple(fields),
        {ids: PartitionState(*known, packed, dated) for ids, known, packed in entries},
        _count(blob.get("sent")),
        _count(blob.get("deleted")),
        tuple(_emitted(*each) for each in blob.get("unreported", ())),
        decode_hints(blob.get("hints", {})),
        decode_mark(blob["sync"], fields, [ids for ids, *_ in entries]) if "sync" in blob else None,
    )
    counts = len(entries), len(state.partitions), state.record_count
    if counts != (blob["partitions"], blob["partitions"], blob["records"]):
        raise ValueError("other numbers of partitions or records")
    return state


def _version(text: Any) -> int:
    second = second_of(text)
    if second is None or abs(second) > _LARGEST_TIME // 1000:
        raise ValueError("no version")
    version = second * 1000 + int(text[-4:-1])
    if format_version(version) != text:
        raise ValueError("no version")
    return version


def _checked_properties(known: Any) -> Properties:
    read_at, retained_since, history_start, access, former_access, limited_since = known
    return (
        _time(read_at),
        _time(retained_since),
        None if history_start is None else _time(history_start),
        _text(access),
        _text(former_access),
        None if limited_since is None else _time(limited_since),
    )


def _time(value: Any) -> int:
    if type(value) is not int or abs(value) > _LARGEST_TIME:
        raise ValueError("no time")
    return value


def _emitted(version: Any, sent: Any, deleted: Any) -> Emitted:
    found = Emitted(_time(version), _time(sent), _time(deleted))
    if min(found) < 0:
        raise ValueError("no number of messages")
    return found


def _count(value: Any) -> int | None:
    if value is not None and _time(value) < 0:
        raise ValueError("no number")
    return None if value is None else _time(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("no text")
    return value


def checksum(content: Mapping[str, Any]) -> str:
    """Return the checksum of the other values of a state."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def unusable_state(stream: str, problem: str) -> AirbyteTracedException:
    """Return the error for a state that cannot be used; `problem` says why."""
    return AirbyteTracedException(
        message=(
            f"The state of {stream} {problem}, so changes since the last sync cannot be found. "
            "Refresh the stream (in Airbyte: connection, Status, Refresh stream) to read it from "
            "the beginning."
        ),
        failure_type=FailureType.config_error,
    )
