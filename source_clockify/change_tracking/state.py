"""The state of a tracked stream: what it consists of, and how it is a message.

A blob of version 1:
`{"clockify": 1, "checksum": ..., "updated_at": ms, "baseline_at": ms, "is_done": true,
"fields": [...], "partitions": [{"of": [...], "read_at": s, "history_start": s, "retained_since": s,
"access": ..., "former_access": ..., "rows": ..., "size": ..., "odd": [...], "pending": [...]}]}`
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.rows import Rows, pack, unpack

VERSION = 1
_MARK = "clockify"


@dataclass(frozen=True)
class PartitionState:
    """What is known of one partition. Times are in seconds since 1970.

    Attributes:
        read_at: when its last complete read began.
        retained_since: from which start on its records are known.
        history_start: the earliest start that was ever read; None for all history.
        access: with whose rights it was read, see access.py.
        former_access: with whose rights its hidden records were seen.
        packed: its records, see rows.py.
        dated: whether a day belongs to their keys.
    """

    read_at: int
    retained_since: int
    history_start: int | None = None
    access: str = ""
    former_access: str = ""
    packed: Mapping[str, Any] = field(default_factory=dict)
    dated: bool = False

    def rows(self) -> Rows:
        """Return its records by key.

        Raises:
            AirbyteTracedException: config_error, if they are damaged.
        """
        try:
            return unpack(self.packed, dated=self.dated)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise unusable_state("a stream", "is damaged") from error

    @property
    def has_pending(self) -> bool:
        """Whether a change or tombstone is to be resent."""
        return "pending" in self.packed

    def with_rows(self, rows: Rows) -> "PartitionState":
        return replace(self, packed=pack(rows, dated=self.dated))


@dataclass(frozen=True)
class StreamState:
    """What is known of one stream.

    Attributes:
        updated_at: the last version, in milliseconds since 1970.
        baseline_at: the version of the first sync, likewise.
        is_done: whether the first read of the stream came to its end.
        fields: the names of a partition's ids, such as `("workspace_id", "user_id")`.
        partitions: by the ids.
    """

    updated_at: int
    baseline_at: int
    is_done: bool = True
    fields: tuple[str, ...] = ()
    partitions: Mapping[Partition, PartitionState] = field(default_factory=dict)


def is_tracked(blob: Mapping[str, Any]) -> bool:
    """Tell whether a state is one of change tracking."""
    return _MARK in blob


def encode(state: StreamState) -> dict[str, Any]:
    """Return the blob of a state."""
    content = {
        _MARK: VERSION,
        "updated_at": state.updated_at,
        "baseline_at": state.baseline_at,
        "is_done": state.is_done,
        "fields": list(state.fields),
        "partitions": [
            _partition_blob(partition, state.partitions[partition])
            for partition in sorted(state.partitions)
        ],
    }
    return {**content, "checksum": _checksum(content)}


def _partition_blob(partition: Partition, known: PartitionState) -> dict[str, Any]:
    blob: dict[str, Any] = {
        "of": list(partition),
        "read_at": known.read_at,
        "retained_since": known.retained_since,
    }
    if known.history_start is not None:
        blob["history_start"] = known.history_start
    for name in ("access", "former_access"):
        if getattr(known, name):
            blob[name] = getattr(known, name)
    return {**blob, **known.packed}


def decode(stream: str, blob: Mapping[str, Any], *, dated: bool) -> StreamState:
    """Return the state of a blob.

    Raises:
        AirbyteTracedException: config_error, for a blob of a newer version or a damaged one.
    """
    if blob.get(_MARK) != VERSION:
        raise unusable_state(stream, "comes from another version of the connector")
    content = {name: value for name, value in blob.items() if name != "checksum"}
    try:
        if blob["checksum"] != _checksum(content):
            raise ValueError("checksum")
        partitions = {
            tuple(part["of"]): _partition_state(part, dated) for part in blob["partitions"]
        }
        return StreamState(
            blob["updated_at"],
            blob["baseline_at"],
            blob["is_done"],
            tuple(blob["fields"]),
            partitions,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise unusable_state(stream, "is damaged") from error


def _partition_state(part: Mapping[str, Any], dated: bool) -> PartitionState:
    return PartitionState(
        read_at=part["read_at"],
        retained_since=part["retained_since"],
        history_start=part.get("history_start"),
        access=part.get("access", ""),
        former_access=part.get("former_access", ""),
        packed={name: part[name] for name in ("rows", "size", "odd", "pending") if name in part},
        dated=dated,
    )


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x}"


def unusable_state(stream: str, problem: str) -> AirbyteTracedException:
    """Return the error of a state that cannot be used, for whatever `problem` says."""
    return AirbyteTracedException(
        message=(
            f"The state of {stream} {problem}, so the connector cannot tell what changed since the "
            "last sync. Refresh the stream (in Airbyte: connection, Status, Refresh stream): it is "
            "then read from the beginning."
        ),
        failure_type=FailureType.config_error,
    )
