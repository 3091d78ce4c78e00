"""The state that the streams of the manifest start from."""

import logging
from collections.abc import Mapping
from dataclasses import replace
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

from source_clockify.change_tracking.plan import SyncBounds, cursor_text, window_start
from source_clockify.change_tracking.profiles import Kind, StreamSpec
from source_clockify.change_tracking.state import StreamState, decode, is_tracked
from source_clockify.change_tracking.stream import partition_of

logger = logging.getLogger("airbyte")


def usable_state(
    state: list[AirbyteStateMessage] | None, catalog: ConfiguredAirbyteCatalog | None
) -> list[AirbyteStateMessage]:
    """Return what the streams may continue from.

    A full refresh takes no notice of a state. In an incremental sync a partition that the state
    does not know (a new user, a workspace that was not visible) has no cursor: the CDK would start
    it where the others are, and all that is older would be lost.
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


def tracked_states(
    state: list[AirbyteStateMessage], specs: Mapping[str, StreamSpec], *, warn: bool
) -> dict[str, StreamState]:
    """Return what change tracking knows, by stream.

    A state of the manifest alone knows nothing of single records: with `warn` the log says that the
    stream is read from the beginning.

    Raises:
        AirbyteTracedException: config_error, for a damaged state or one of another version.
    """
    found: dict[str, StreamState] = {}
    for message in state:
        name, blob = _content(message)
        if name not in specs or not blob:
            continue
        if is_tracked(blob):
            dated = specs[name].date_column is not None
            found[name] = decode(name, blob, dated=dated)
        elif warn and ("states" in blob or "state" in blob):
            logger.warning(
                "%s: its state comes from a sync without change tracking, so the stream is read "
                "from the beginning, and every record is sent.",
                name,
            )
    return found


def states_of_the_manifest(
    state: list[AirbyteStateMessage],
    tracked: Mapping[str, StreamState],
    specs: Mapping[str, StreamSpec],
    cursor_fields: Mapping[str, str],
    bounds: SyncBounds,
    *,
    tracking_on: bool,
) -> list[AirbyteStateMessage]:
    """Return states from which the manifest's cursors read what they should.

    A tracked stream chooses its windows itself. Without change tracking, the manifest goes on from
    the last read and takes its lookback off.
    """
    found = (
        [] if tracking_on else [message for message in state if _content(message)[0] not in tracked]
    )
    for name, known in tracked.items():
        tracking = specs[name]
        if name not in cursor_fields or tracking.profile.kind is Kind.SNAPSHOT:
            continue
        states: list[Mapping[str, Any]] = []
        for ids, partition in known.partitions.items():
            start = window_start(tracking, partition, bounds) if tracking_on else partition.read_at
            if start is not None:
                cursor = {cursor_fields[name]: cursor_text(tracking, start)}
                states.append({"partition": partition_of(known.fields, ids), "cursor": cursor})
        blob = AirbyteStateBlob({"use_global_cursor": False, "states": states})
        stream = AirbyteStreamState(StreamDescriptor(name=name), stream_state=blob)
        found.append(AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))
    return found


def _content(message: AirbyteStateMessage) -> tuple[str, Mapping[str, Any]]:
    if message.stream is None or message.stream.stream_state is None:
        return "", {}
    return message.stream.stream_descriptor.name, vars(message.stream.stream_state)


def _without_common_cursor(message: AirbyteStateMessage) -> AirbyteStateMessage:
    blob = message.stream.stream_state if message.stream else None
    held = vars(blob) if blob else {}
    # With too many partitions the CDK keeps nothing but the common cursor.
    if message.stream is None or held.get("use_global_cursor") or "states" not in held:
        return message
    retained_since = AirbyteStateBlob({key: value for key, value in held.items() if key != "state"})
    return replace(message, stream=replace(message.stream, stream_state=retained_since))
