"""What is known of a tracked stream while it is read, and when that is sent as its state."""

import logging
import threading
import time
from collections.abc import Callable

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    StreamDescriptor,
)
from airbyte_cdk.models import Type as MessageType

from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.state import PartitionState, StreamState, encode

logger = logging.getLogger("airbyte")

# A state message is sent at most so often while a stream is read ...
CHECKPOINT_SECONDS = 60
# ... and no more often than this for each megabyte of it.
CHECKPOINT_SECONDS_PER_MEGABYTE = 10

_LARGE_STATE = 16 * 1024 * 1024


class StateWriter:
    """The state of a stream in the making. Worker threads share it: all is done under its locks.

    Args:
        name: of the stream.
        state: what the last sync knew, None before the first.
        version: of this sync, in milliseconds since 1970.
        emit: sends a message to where the records go, after those that were sent before.
    """

    def __init__(
        self,
        name: str,
        state: StreamState | None,
        version: int,
        emit: Callable[[AirbyteMessage], None],
    ) -> None:
        self._name = name
        self._version = version
        self._emit = emit
        self._lock = threading.Lock()
        # A state must not be overtaken by an older one.
        self._emitting = threading.Lock()
        self._partitions = dict(state.partitions) if state else {}
        self._fields = state.fields if state else ()
        self._is_done = state is not None and state.is_done
        self._is_dirty = False
        self._last_sent = time.monotonic()
        self._size = 0
        self.baseline_at = state.baseline_at if state else version

    @property
    def version(self) -> int:
        """The version of this sync, in milliseconds since 1970."""
        return self._version

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a partition's ids."""
        return self._fields

    def name_fields(self, fields: tuple[str, ...]) -> None:
        with self._lock:
            self._fields = fields

    def baseline_is_done(self) -> None:
        """Take note that the first read of the stream came to its end."""
        with self._lock:
            self._is_done = True

    def partitions(self) -> dict[Partition, PartitionState]:
        with self._lock:
            return dict(self._partitions)

    def put(self, ids: Partition, state: PartitionState | None) -> None:
        """Replace what is known of a partition; None forgets it."""
        with self._lock:
            self._is_dirty = True
            if state is None:
                self._partitions.pop(ids, None)
            else:
                self._partitions[ids] = state

    def state(self) -> StreamState:
        with self._lock:
            return StreamState(
                self._version,
                self.baseline_at,
                self._is_done,
                self._fields,
                dict(self._partitions),
            )

    def checkpoint(self) -> None:
        """Send the state if there is something new in it, and if it is time."""
        wait = max(CHECKPOINT_SECONDS, CHECKPOINT_SECONDS_PER_MEGABYTE * self._size / 1_000_000)
        with self._lock:
            due = self._is_dirty and time.monotonic() - self._last_sent >= wait
        if due:
            self.send()

    def send(self) -> None:
        """Send the state; what it tells of was sent before."""
        with self._emitting:
            blob = encode(self.state())
            with self._lock:
                self._size = sum(len(part.get("rows", "")) + 100 for part in blob["partitions"])
                self._is_dirty = False
                self._last_sent = time.monotonic()
            if self._size > _LARGE_STATE:
                logger.warning(
                    "%s: its state has %s MB. Shorten Lookback Days (lookback_days).",
                    self._name,
                    self._size // 1_000_000,
                )
            stream = AirbyteStreamState(
                stream_descriptor=StreamDescriptor(name=self._name),
                stream_state=AirbyteStateBlob(blob),
            )
            state = AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream)
            self._emit(AirbyteMessage(type=MessageType.STATE, state=state))
