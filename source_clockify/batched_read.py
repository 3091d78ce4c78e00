"""Reads like the CDK's entrypoint, with batches in place of records (see record_batches.py)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.memory_monitor import MemoryMonitor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.record_batches import Message, RecordBatch
from source_clockify.source import SourceClockify

# Some of these messages are batches of about 512 KB.
MESSAGES_PER_MEMORY_CHECK = 25


def read_in_batches(
    source: SourceClockify,
    specification: ConnectorSpecification,
    config: Mapping[str, Any],
    catalog: ConfiguredAirbyteCatalog,
) -> Iterator[Message]:
    """Read a catalog; each state is given the number of records of its stream since the last one.

    Args:
        source: built with the other arguments and the state.
        config: as returned by `SourceClockify.configure`.

    Raises:
        AirbyteTracedException: as in the CDK, for a configuration that violates the spec, and if
            memory runs out.
    """
    AirbyteEntrypoint.set_up_secret_filter(config, specification.connectionSpecification)
    AirbyteEntrypoint.validate_connection(specification, config)
    monitor = MemoryMonitor(MESSAGES_PER_MEMORY_CHECK)
    counts: defaultdict[HashableStreamDescriptor, float] = defaultdict(float)

    def counted(message: Message) -> Message:
        if isinstance(message, RecordBatch):
            counts[HashableStreamDescriptor(name=message.stream_name)] += message.count
            return message
        return AirbyteEntrypoint.handle_record_counts(message, counts)

    for message in source.read_selected(catalog, in_batches=True):
        yield counted(message)
        try:
            monitor.check_memory_usage()
        except AirbyteTracedException:
            # Queued states follow the records that they cover.
            yield from map(counted, source.take_queued())
            raise
    yield from map(counted, source.take_queued())
