"""The saved state of a connection, from which change tracking and manifest cursors continue."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    ConfiguredAirbyteCatalog,
    StreamDescriptor,
    SyncMode,
)

from source_clockify.change_tracking.budget import size_of
from source_clockify.change_tracking.interrupted import SyncMark, open_sync
from source_clockify.change_tracking.partitions import Partition, partition_of
from source_clockify.change_tracking.plan import ReadPlan, SyncBounds, cursor_text, plan_read
from source_clockify.change_tracking.profiles import Kind, StreamSpec
from source_clockify.change_tracking.state import StreamState, decode, is_tracked
from source_clockify.timestamps import EARLIEST

logger = logging.getLogger("airbyte")


@dataclass(frozen=True)
class SavedStream:
    """The saved state of one stream and its plans.

    Attributes:
        spec: the stream.
        state: its state after the last sync.
        plans: of its known partitions, for this sync.
        resumed: the mark of its state, if an interrupted sync is continued.
    """

    spec: StreamSpec
    state: StreamState
    plans: Mapping[Partition, ReadPlan]
    resumed: SyncMark | None = None


def usable_state(
    state: list[AirbyteStateMessage] | None, catalog: ConfiguredAirbyteCatalog | None
) -> list[AirbyteStateMessage]:
    """Return the states from which the streams may continue.

    A full refresh ignores its state. In an incremental sync the CDK would start a partition without
    a saved cursor (a new user, a workspace that was not visible) at the common one, and everything
    older would be lost.
    """
    refreshed = {
        configured.stream.name
        for configured in (catalog.streams if catalog else [])
        if configured.sync_mode == SyncMode.full_refresh
    }
    return [
        _without_common_cursor(message)
        for message in state or []
        if message.stream is None or message.stream.stream_descriptor.name not in refreshed
    ]


def saved_streams(
    state: list[AirbyteStateMessage],
    specs: Mapping[str, StreamSpec],
    bounds: SyncBounds,
    *,
    settings: str | None,
    warn: bool,
) -> dict[str, SavedStream]:
    """Return what change tracking has saved, by stream.

    A state of the manifest alone does not hold single records: with `warn`, a log line says that
    the stream is read from the beginning. `settings` is the hash of the settings under which an
    interrupted sync is continued, see interrupted.py; None starts over.

    Raises:
        AirbyteTracedException: config_error, for a damaged state or one of another version.
    """
    found: dict[str, StreamState] = {}
    for message in state:
        name, blob = _content(message)
        if name not in specs or not blob:
            continue
        if is_tracked(blob):
            found[name] = decode(name, blob, dated=specs[name].date_column is not None)
        elif warn and ("states" in blob or "state" in blob):
            logger.warning(
                "%s: its state comes from a sync without change tracking, so the stream is read "
                "from the beginning, and every record is sent.",
                name,
            )
    marks = [saved.mark for saved in found.values() if saved.mark is not None]
    began = None if settings is None else open_sync(marks, bounds.now, settings)
    return {name: _saved_stream(specs[name], saved, bounds, began) for name, saved in found.items()}


def _saved_stream(
    spec: StreamSpec, state: StreamState, bounds: SyncBounds, sync_began: int | None
) -> SavedStream:
    resumed = state.mark if state.mark is not None and state.mark.began == sync_began else None
    partial = resumed.partial if resumed else {}
    plans = {
        ids: plan_read(
            spec,
            replace(bounds, now=partial[ids].began) if ids in partial else bounds,
            known,
            is_snapshot=not state.snapshot_is_complete,
        )
        for ids, known in state.partitions.items()
    }
    return SavedStream(spec, state, plans, resumed)


def states_of_tracked_streams(
    saved: Iterable[SavedStream], cursor_fields: Mapping[str, str]
) -> list[AirbyteStateMessage]:
    """Return states that make the manifest's cursors request the windows of the plans."""
    return [
        _state_of_cursor(
            each,
            {
                ids: _cursor_of(each.spec, cursor_fields, plan.since, plan.split_at)
                for ids, plan in each.plans.items()
                if plan.since is not None
            },
        )
        for each in saved
        if _has_window(each, cursor_fields)
    ]


def states_without_tracking(
    state: list[AirbyteStateMessage],
    saved: Mapping[str, SavedStream],
    cursor_fields: Mapping[str, str],
) -> list[AirbyteStateMessage]:
    """Return states for a sync without change tracking.

    The manifest's cursors continue from the last read and subtract their own lookback.
    """
    untracked = [message for message in state if _content(message)[0] not in saved]
    return untracked + [
        _state_of_cursor(
            each,
            {
                ids: _cursor_of(each.spec, cursor_fields, partition.read_at)
                for ids, partition in each.state.partitions.items()
            },
        )
        for each in saved.values()
        if _has_window(each, cursor_fields)
    ]


def _has_window(saved: SavedStream, cursor_fields: Mapping[str, str]) -> bool:
    return saved.spec.name in cursor_fields and saved.spec.profile.kind is not Kind.SNAPSHOT


def _cursor_of(
    spec: StreamSpec, cursor_fields: Mapping[str, str], since: int, split_at: int | None = None
) -> dict[str, Any]:
    """Return the state of a manifest cursor that continues from a moment."""
    if split_at is None:
        return {cursor_fields[spec.name]: cursor_text(spec, since)}
    # The gap between two slices that were read is a window; another follows the last slice.
    read = ((EARLIEST, since), (split_at, split_at))
    slices = [
        {"start": cursor_text(spec, start), "end": cursor_text(spec, end)} for start, end in read
    ]
    return {"state_type": "date-range", "slices": slices}


def _state_of_cursor(
    saved: SavedStream, cursors: Mapping[Partition, Mapping[str, Any]]
) -> AirbyteStateMessage:
    name = saved.spec.name
    states = [
        {"partition": partition_of(saved.state.partition_fields, ids), "cursor": cursor}
        for ids, cursor in cursors.items()
    ]
    blob = AirbyteStateBlob({"use_global_cursor": False, "states": states})
    stream = AirbyteStreamState(StreamDescriptor(name=name), stream_state=blob)
    return AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream)


def stored_sizes(state: list[AirbyteStateMessage] | None) -> dict[str, int]:
    """Return the size in bytes of each stream's state, tracked or not."""
    found = (_content(message) for message in state or [])
    return {name: size_of(name, blob) for name, blob in found if name}


def _content(message: AirbyteStateMessage) -> tuple[str, Mapping[str, Any]]:
    if message.stream is None or message.stream.stream_state is None:
        return "", {}
    return message.stream.stream_descriptor.name, vars(message.stream.stream_state)


def _without_common_cursor(message: AirbyteStateMessage) -> AirbyteStateMessage:
    blob = message.stream.stream_state if message.stream else None
    held = vars(blob) if blob else {}
    # With too many partitions the CDK keeps only the common cursor.
    if message.stream is None or held.get("use_global_cursor") or "states" not in held:
        return message
    own_cursors = AirbyteStateBlob({key: value for key, value in held.items() if key != "state"})
    return replace(message, stream=replace(message.stream, stream_state=own_cursors))
