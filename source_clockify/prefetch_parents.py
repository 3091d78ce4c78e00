"""Fetches the parents of several streams once, before the streams start.

Streams that start at the same time would each fetch their parent. Once prefetched, it is in the
CDK's request cache. A failure here is repeated, and reported, by the streams that need the parent.
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
    """Read the named streams in this order; return the rows of `workspaces` if it is among them.

    Names without a stream (parents that are not streams of their own) are skipped.
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
