"""A stream in full refresh: every record, with the columns of change tracking."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record

from source_clockify.change_tracking.messages import Stamp
from source_clockify.streams import WrappedPartition, WrappedStream


class StampedStream(WrappedStream):
    """A stream in full refresh: every record, with the columns of change tracking."""

    def __init__(self, inner: AbstractStream, version: int) -> None:
        super().__init__(inner)
        self._columns = Stamp(version, version).columns()

    def generate_partitions(self) -> Iterable[Partition]:
        for partition in self._inner.generate_partitions():
            yield StampedPartition(partition, self._columns)


class StampedPartition(WrappedPartition):
    """A partition whose records get the columns of change tracking."""

    def __init__(self, inner: Partition, columns: Mapping[str, str]) -> None:
        super().__init__(inner)
        self._columns = columns

    def read(self) -> Iterable[Record]:
        for record in self._inner.read():
            cast(dict[str, Any], record.data).update(self._columns)
            yield record
