"""The connector within the test's process, under a clock that stands still between two syncs.

Sleeping moves the clock and takes no time. What the CDK makes anew for every command, though it is
always the same, is made once, so that a sync of a small account takes a tenth of a second.
"""

import logging
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

import orjson
import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
)
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from clockify_sandbox.client import JSON
from integration_tests.airbyte import Output, catalog, discovered
from source_clockify.batched_read import read_in_batches
from source_clockify.record_batches import Message, RecordBatch
from source_clockify.source import SourceClockify
from unit_tests.manifests import make_once


class Read(Protocol):
    """Reads streams incrementally at the clock's present; `state` as `Output.state` has it."""

    def __call__(
        self, config: JSON, streams: Collection[str], state: Sequence[JSON] | None
    ) -> Output: ...


@dataclass
class Clock:
    """The frozen clock of this process."""

    _frozen: FrozenDateTimeFactory

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def set(self, moment: datetime) -> None:
        self._frozen.move_to(moment.astimezone(timezone.utc).replace(tzinfo=None))


@contextmanager
def frozen_clock() -> Iterator[Clock]:
    """Stop the clock of this process; pytest goes on measuring how long the tests take."""
    real_sleep = time.sleep
    discovered()
    # Not all of pytest: what a test calls at once would see the real time as well.
    measuring = ["_pytest.runner", "_pytest.timing", "_pytest.terminal"]
    with (
        freeze_time("2026-11-01", ignore=measuring) as frozen,
        pytest.MonkeyPatch.context() as patch,
    ):

        def sleep(seconds: float) -> None:
            # A little longer than asked for, as every sleep.
            frozen.tick(seconds + 0.001)
            real_sleep(0.0005)

        patch.setattr(time, "sleep", sleep)
        make_once(patch)
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield Clock(frozen)


def read_incrementally(
    config: JSON, streams: Collection[str], state: Sequence[JSON] | None
) -> Output:
    """Read streams in incremental mode, record by record as PyAirbyte does."""
    return _read(config, streams, state, in_batches=False)


def read_as_batches(config: JSON, streams: Collection[str], state: Sequence[JSON] | None) -> Output:
    """Read streams in incremental mode, in batches as the command does."""
    return _read(config, streams, state, in_batches=True)


READS: Sequence[Read] = (read_incrementally, read_as_batches)


def _read(
    config: JSON, streams: Collection[str], state: Sequence[JSON] | None, *, in_batches: bool
) -> Output:
    configured = catalog(streams, "incremental")
    printed, error = printed_lines(config, configured, state, in_batches=in_batches)
    # As in a process of its own: what was printed before counts, the exit code tells.
    return Output([orjson.loads(each) for each in printed], int(bool(error)), error)


def printed_lines(
    config: JSON, configured: JSON, state: Sequence[JSON] | None, *, in_batches: bool
) -> tuple[list[bytes], str]:
    """Return what a read prints, and the text of its error."""
    selected = ConfiguredAirbyteCatalogSerializer.load(configured)
    states = [AirbyteStateMessageSerializer.load(each) for each in state or []]
    printed: list[bytes] = []
    with tempfile.TemporaryDirectory() as cache, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUEST_CACHE_PATH", cache)
        try:
            connector = SourceClockify(catalog=selected, config=config, state=states)
            specification = connector.spec(logging.getLogger("airbyte"))
            settings = connector.configure(config, cache)
            messages: Iterable[Message]
            if in_batches:
                messages = read_in_batches(connector, specification, settings, selected)
            else:
                entrypoint = AirbyteEntrypoint(connector)
                messages = entrypoint.read(specification, settings, selected, states)
            for message in messages:
                printed += lines_of(message)
        except Exception as error:
            return printed, f"{type(error).__name__}: {error}"
    return printed, ""


def lines_of(message: Message) -> list[bytes]:
    """Return the lines of a message, or of all records of a batch."""
    if isinstance(message, RecordBatch):
        return message.lines.rstrip(b"\n").split(b"\n")
    return [AirbyteEntrypoint.airbyte_message_to_string(message).encode()]
