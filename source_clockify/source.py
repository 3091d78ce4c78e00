"""The source: the manifest with Python components, parents read ahead, a check that explains."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    SyncMode,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.interpolation import InterpolatedBoolean
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.check import check_connection
from source_clockify.manifest import load_manifest, with_python_components
from source_clockify.streams import ClockifyStream, traits_of

logger = logging.getLogger("airbyte")


class SourceClockify(ConcurrentDeclarativeSource):
    """Reads a Clockify account. All arguments are optional, as for a `spec`."""

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None = None,
        config: Mapping[str, Any] | None = None,
        state: list[AirbyteStateMessage] | None = None,
        config_path: str | None = None,
    ) -> None:
        self._built: list[AbstractStream] | None = None
        super().__init__(
            catalog=catalog,
            config=config,
            state=usable_state(state, catalog),
            source_config=with_python_components(load_manifest()),
            config_path=config_path,
        )

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        built, self._built = self._built, None
        return built or [
            ClockifyStream(stream, traits_of(stream.name)) for stream in super().streams(config)
        ]

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        # A check answers a person who waits: one retry instead of an hour of them.
        impatient = {**self._config, "max_request_retries": 1}
        streams = SourceClockify(config=impatient).streams(impatient)
        return check_connection(logger, impatient, {stream.name: stream for stream in streams})

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        if self._config.get("plan") == "free":
            logger.info("Request Budget (plan) is free: the sync waits after 30 requests an hour.")
        # The same streams serve both reads: each building starts a request budget of its own.
        streams = self.streams(self._config)
        self._built = streams
        self._read_parents_ahead(streams, {stream.stream.name for stream in catalog.streams})
        yield from super().read(logger, config, catalog, state)

    def _read_parents_ahead(self, streams: list[AbstractStream], selected: set[str]) -> None:
        """Fill the CDK's request cache with the listings that more than one stream needs.

        Left to themselves, streams that start at the same time would each fetch their parent. What
        fails here fails again, and is reported, where a stream needs it.
        """
        by_name = {stream.name: stream for stream in streams}
        for name in parents_of(selected, self.resolved_manifest, self._config):
            if name == "workspaces" and self._config.get("workspace_ids"):
                continue
            if name in by_name:
                _read_through(by_name[name])


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


def parents_of(
    selected: set[str], manifest: Mapping[str, Any], config: Mapping[str, Any]
) -> list[str]:
    """Return the names of the streams that the selected ones depend on, grandparents first."""
    found: list[str] = []
    for entry in manifest["streams"]:
        condition = InterpolatedBoolean(
            condition=entry.get("condition", "{{ true }}"), parameters={}
        )
        if condition.eval(config):
            for definition in entry.get("streams", [entry]):
                if definition["name"] in selected:
                    _collect_parents(definition, found)
    return list(dict.fromkeys(found))


def _collect_parents(definition: Mapping[str, Any], found: list[str]) -> None:
    routers = [definition["retriever"].get("partition_router") or {}]
    while routers:
        router = routers.pop()
        routers.extend(router.get("partition_routers") or [])
        for parent in router.get("parent_stream_configs") or []:
            _collect_parents(parent["stream"], found)
            found.append(parent["stream"]["name"])


def _read_through(stream: AbstractStream) -> None:
    try:
        for partition in stream.generate_partitions():
            _exhaust(partition)
    except AirbyteTracedException as error:
        logger.debug("Listing the parents of %s failed: %s", stream.name, error.message)


def _exhaust(partition: Partition) -> None:
    try:
        for _ in partition.read():
            pass
    except AirbyteTracedException as error:
        logger.debug("Reading %s ahead failed: %s", partition.stream_name(), error.message)
