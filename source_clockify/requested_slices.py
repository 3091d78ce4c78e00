"""Streams read on demand, such as a single record, a window, or a list for a second time.

They follow those of the catalog in the manifest's list `streams`, and use its authenticator, error
handlers and request budget. The reading thread determines their slices.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import InitVar, dataclass
from typing import Any

from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.types import StreamSlice, StreamState

# The definition of the router for streams on demand.
REQUESTED_SLICES: Mapping[str, str] = {
    "type": "CustomPartitionRouter",
    "class_name": "source_clockify.requested_slices.RequestedSlices",
}

_MARK = "on_demand"

_requested = threading.local()


def on_demand(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of a stream, marked as one that is read on demand."""
    return {**stream, "$parameters": {**stream.get("$parameters", {}), _MARK: True}}


def is_on_demand(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of the list `streams` is read on demand."""
    return bool((entry.get("$parameters") or {}).get(_MARK))


@contextmanager
def requesting(slices: Sequence[StreamSlice]) -> Iterator[None]:
    """Let `RequestedSlices` yield these slices in this thread."""
    _requested.slices = slices
    try:
        yield
    finally:
        _requested.slices = ()


@dataclass
class RequestedSlices(PartitionRouter):
    """Yields the slices requested by this thread, see `requesting`."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def stream_slices(self) -> Iterable[StreamSlice]:
        yield from getattr(_requested, "slices", ())

    def get_stream_state(self) -> Mapping[str, StreamState] | None:
        return None

    def get_request_params(self, **_: Any) -> Mapping[str, Any]:
        return {}

    def get_request_headers(self, **_: Any) -> Mapping[str, Any]:
        return {}

    def get_request_body_data(self, **_: Any) -> Mapping[str, Any]:
        return {}

    def get_request_body_json(self, **_: Any) -> Mapping[str, Any]:
        return {}
