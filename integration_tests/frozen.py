"""The connector within the test's process, under a clock that stands still between two syncs.

Sleeping moves the clock and takes no time. What the CDK makes anew for every command, though it is
always the same, is made once, so that a sync of a small account takes a tenth of a second.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

import orjson
import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from integration_tests.airbyte import Output, catalog, discovered
from integration_tests.sandbox.client import JSON
from source_clockify.batched_read import read_in_batches
from source_clockify.record_batches import RecordBatch
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
    return _output(config, catalog(streams, "incremental"), state, _lines)


def read_as_batches(config: JSON, streams: Collection[str], state: Sequence[JSON] | None) -> Output:
    """Read streams in incremental mode, in batches as the command does."""
    return _output(config, catalog(streams, "incremental"), state, _lines_of_batches)


READS: Sequence[Read] = (read_incrementally, read_as_batches)


def printed_lines(
    config: JSON, configured: JSON, state: Sequence[JSON] | None, *, in_batches: bool
) -> tuple[list[bytes], str]:
    """Return what a read prints, and the text of its error."""
    lines = _lines_of_batches if in_batches else _lines
    return _printed(config, configured, state, lines)


def _output(
    config: JSON, configured: JSON, state: Sequence[JSON] | None, lines: "_ReadLines"
) -> Output:
    printed, error = _printed(config, configured, state, lines)
    # As in a process of its own: what was printed before counts, the exit code tells.
    return Output([orjson.loads(each) for each in printed], int(bool(error)), error)


def _printed(
    config: JSON, configured: JSON, state: Sequence[JSON] | None, lines: "_ReadLines"
) -> tuple[list[bytes], str]:
    selected = ConfiguredAirbyteCatalogSerializer.load(configured)
    states = [AirbyteStateMessageSerializer.load(each) for each in state or []]
    printed: list[bytes] = []
    with tempfile.TemporaryDirectory() as cache, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUEST_CACHE_PATH", cache)
        try:
            connector = SourceClockify(catalog=selected, config=config, state=states)
            settings = connector.configure(config, cache)
            for line in lines(connector, settings, selected, states):
                printed.append(line)
        except Exception as error:
            return printed, f"{type(error).__name__}: {error}"
    return printed, ""


_ReadLines = Callable[
    [SourceClockify, Mapping[str, Any], ConfiguredAirbyteCatalog, list[AirbyteStateMessage]],
    Iterator[bytes],
]


def _lines(
    connector: SourceClockify,
    settings: Mapping[str, Any],
    selected: ConfiguredAirbyteCatalog,
    states: list[AirbyteStateMessage],
) -> Iterator[bytes]:
    entrypoint = AirbyteEntrypoint(connector)
    specification = connector.spec(logging.getLogger("airbyte"))
    for message in entrypoint.read(specification, settings, selected, states):
        yield AirbyteEntrypoint.airbyte_message_to_string(message).encode()


def _lines_of_batches(
    connector: SourceClockify,
    settings: Mapping[str, Any],
    selected: ConfiguredAirbyteCatalog,
    states: list[AirbyteStateMessage],
) -> Iterator[bytes]:
    specification = connector.spec(logging.getLogger("airbyte"))
    for message in read_in_batches(connector, specification, settings, selected):
        if isinstance(message, RecordBatch):
            yield from message.lines.rstrip(b"\n").split(b"\n")
        else:
            yield AirbyteEntrypoint.airbyte_message_to_string(message).encode()
