"""Each listing once: what several streams need as their parent is read before they start.

Left to themselves, streams that start at the same time would each fetch their parent. Read ahead,
it lies in the CDK's request cache. What fails here fails again, and is reported, where a stream
needs it.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

logger = logging.getLogger("airbyte")


def prefetch_parents(
    streams: Sequence[AbstractStream], names: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Read the named streams, in this order; returns the rows of `workspaces` if it is among them.

    Names without a stream (a parent that is no stream of its own) are passed over.
    """
    by_name = {stream.name: stream for stream in streams}
    workspaces: list[Mapping[str, Any]] = []
    for name in names:
        if name in by_name:
            _read_through(by_name[name], workspaces if name == "workspaces" else None)
    return workspaces


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
