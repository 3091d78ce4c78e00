"""Each listing once: what several streams need as their parent is read before they start.

Left to themselves, streams that start at the same time would each fetch their parent. Read ahead,
it lies in the CDK's request cache. What fails here fails again, and is reported, where a stream
needs it.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_cdk.sources.declarative.interpolation import InterpolatedBoolean
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

logger = logging.getLogger("airbyte")


def read_ahead(streams: Sequence[AbstractStream], names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Read the named streams, in this order; returns the rows of `workspaces` if it is among them.

    Names without a stream (a parent that is no stream of its own) are passed over.
    """
    by_name = {stream.name: stream for stream in streams}
    workspaces: list[Mapping[str, Any]] = []
    for name in names:
        if name in by_name:
            _read_through(by_name[name], workspaces if name == "workspaces" else None)
    return workspaces


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


def _read_through(stream: AbstractStream, kept: list[Mapping[str, Any]] | None) -> None:
    try:
        for partition in stream.generate_partitions():
            _exhaust(partition, kept)
    except AirbyteTracedException as error:
        logger.debug("Listing the parents of %s failed: %s", stream.name, error.message)


def _exhaust(partition: Partition, kept: list[Mapping[str, Any]] | None) -> None:
    try:
        for record in partition.read():
            if kept is not None:
                kept.append(record.data)
    except AirbyteTracedException as error:
        logger.debug("Reading %s ahead failed: %s", partition.stream_name(), error.message)
