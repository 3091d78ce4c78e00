"""The connector within the test's process, under a clock that stands still between two syncs.

Sleeping moves the clock and takes no time. What the CDK makes anew for every command, though it is
always the same, is made once, so that a sync of a small account takes a tenth of a second.
"""

import logging
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
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

from integration_tests.airbyte import Output, catalog, discovered
from integration_tests.sandbox.client import JSON
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
    """Read streams as the command would, in incremental mode."""
    configured = ConfiguredAirbyteCatalogSerializer.load(catalog(streams, "incremental"))
    states = [AirbyteStateMessageSerializer.load(each) for each in state or []]
    printed: list[str] = []
    text, returncode = "", 0
    with tempfile.TemporaryDirectory() as cache, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUEST_CACHE_PATH", cache)
        try:
            connector = SourceClockify(catalog=configured, config=config, state=states)
            entrypoint = AirbyteEntrypoint(connector)
            specification = connector.spec(logging.getLogger("airbyte"))
            for message in entrypoint.read(
                specification, connector.configure(config, cache), configured, states
            ):
                printed.append(AirbyteEntrypoint.airbyte_message_to_string(message))
        except Exception as error:
            # As in a process of its own: what was printed before counts, the exit code tells.
            text, returncode = f"{type(error).__name__}: {error}", 1
    return Output([orjson.loads(each) for each in printed], returncode, text)
