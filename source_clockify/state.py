"""The state that the streams of the manifest may continue from."""

from dataclasses import replace

from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    SyncMode,
)


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


def _without_common_cursor(message: AirbyteStateMessage) -> AirbyteStateMessage:
    blob = message.stream.stream_state if message.stream else None
    held = vars(blob) if blob else {}
    # With too many partitions the CDK keeps nothing but the common cursor.
    if message.stream is None or held.get("use_global_cursor") or "states" not in held:
        return message
    kept = AirbyteStateBlob({key: value for key, value in held.items() if key != "state"})
    return replace(message, stream=replace(message.stream, stream_state=kept))
