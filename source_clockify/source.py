"""The source: the manifest with Python components, parents read ahead, a check that explains."""

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    Status,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.incremental import ConcurrentPerPartitionCursor
from airbyte_cdk.sources.declarative.interpolation import InterpolatedBoolean
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.check import CHECKED_STREAMS, check_connection, check_start_date
from source_clockify.manifest import load_manifest, parents_of, with_python_components
from source_clockify.plan_gates import lacking
from source_clockify.read_ahead import read_ahead
from source_clockify.state import usable_state
from source_clockify.streams import ClockifyStream, traits_of

# Above its limit the CDK keeps one cursor for all partitions, and a workspace that failed or a user
# that is new would start where the others are.
ConcurrentPerPartitionCursor.SWITCH_TO_GLOBAL_LIMIT = 1_000_000
ConcurrentPerPartitionCursor.DEFAULT_MAX_PARTITIONS_NUMBER = 1_000_000


class SourceClockify(ConcurrentDeclarativeSource):
    """Reads a Clockify account.

    All arguments are optional, as for a `spec`. Only the streams of the catalog are built; without
    one, those named by `only`, else all.
    """

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None = None,
        config: Mapping[str, Any] | None = None,
        state: list[AirbyteStateMessage] | None = None,
        config_path: str | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        selected = {stream.stream.name for stream in catalog.streams} if catalog else only
        self._built: list[AbstractStream] | None = None
        super().__init__(
            catalog=catalog,
            config=config,
            state=usable_state(state, catalog),
            source_config=with_python_components(load_manifest(), selected),
            config_path=config_path,
        )

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        built, self._built = self._built, None
        return built or [
            ClockifyStream(stream, traits_of(stream.name, config))
            for stream in super().streams(config)
        ]

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        # A check answers a person who waits: one retry instead of an hour of them.
        impatient = {**self._config, "max_request_retries": 1}
        try:
            check_start_date(impatient)
        except AirbyteTracedException as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
        streams = SourceClockify(config=impatient, only=CHECKED_STREAMS).streams(impatient)
        by_name = {stream.name: stream for stream in streams}
        return check_connection(logger, impatient, self.resolved_manifest, by_name)

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        check_start_date(self._config)
        if self._config.get("plan") == "free":
            logger.info("Request Budget (plan) is free: the sync waits after 30 requests an hour.")
        # The same streams serve both reads: each building starts a request budget of its own.
        streams = self.streams(self._config)
        self._built = streams
        selected = {stream.stream.name for stream in catalog.streams}
        workspaces = read_ahead(streams, self._parents_to_read(selected))
        # Named workspaces are asked in any case, and the refusal warns.
        if not self._config.get("workspace_ids"):
            for sentence in lacking(self.resolved_manifest, selected, workspaces):
                logger.warning(sentence)
        yield from super().read(logger, config, catalog, state)

    def _parents_to_read(self, selected: set[str]) -> list[str]:
        active = [
            entry
            for entry in self.resolved_manifest["streams"]
            if InterpolatedBoolean(
                condition=entry.get("condition", "{{ true }}"), parameters={}
            ).eval(self._config)
        ]
        parents = parents_of(selected, active)
        if self._config.get("workspace_ids") and "workspaces" not in selected:
            # They are named already, so nobody lists them.
            return [name for name in parents if name != "workspaces"]
        return parents
