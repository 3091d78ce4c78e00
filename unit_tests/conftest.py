"""A clock that stands still, waits that take no time, and a cache of its own for every test."""

import gc
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from source_clockify import progress_log
from source_clockify.account import forget_account
from source_clockify.cdk_patches import serialize_literal_eval
from unit_tests.clockify import NOW, USER, Clockify, Connect, Connection
from unit_tests.manifests import make_once

serialize_literal_eval()

# Building the streams makes many objects and no garbage.
gc.set_threshold(200_000, 50, 50)


@pytest.fixture(scope="session", autouse=True)
def _manifest_made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        make_once(patch)
        yield


@pytest.fixture(autouse=True)
def _own_request_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUEST_CACHE_PATH", str(tmp_path))
    forget_account()


@pytest.fixture(autouse=True)
def _no_regular_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread log how far a stream is: it sees the clock of the machine, days ahead."""
    monkeypatch.setattr(progress_log, "TICK_SECONDS", 3600.0)


@pytest.fixture(autouse=True)
def _own_log_level() -> Iterator[None]:
    """Undo --debug, which the CDK leaves on for the next command of the same process."""
    yield
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("airbyte"):
            logging.getLogger(name).setLevel(logging.INFO if name == "airbyte" else logging.NOTSET)


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[FrozenDateTimeFactory]:
    """Stop the clock once for a module; pytest goes on measuring how long the tests take."""
    with freeze_time(NOW, ignore=["_pytest.timing", "_pytest.runner"]) as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.fixture(autouse=True)
def clock(_frozen: FrozenDateTimeFactory) -> FrozenDateTimeFactory:
    _frozen.move_to(NOW)
    return _frozen


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch, clock: FrozenDateTimeFactory) -> list[float]:
    """Let sleeping move the clock, and remember how long was slept."""
    real_sleep = time.sleep
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        # A little longer than asked for, as every sleep: the request budget waits for the instant
        # after which it has room again.
        clock.tick(seconds + 0.001)
        # The threads of the CDK look at their queues every tenth of a second.
        if seconds > 0.1:
            waited.append(seconds)
        real_sleep(0.0005)

    monkeypatch.setattr(time, "sleep", sleep)
    return waited


class TruthfulAdapter(requests_mock.Adapter):
    """Hands out the request itself with a response or an error, as `requests` does."""

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        if not str(request.url).startswith(("https://", "http://")):
            raise requests.exceptions.InvalidSchema(
                f"No connection adapters were found for {request.url!r}"
            )
        try:
            response = super().send(request, *arguments, **options)
        except requests.RequestException as error:
            error.request = request
            raise
        response.request = request
        return response


@pytest.fixture
def clockify() -> Iterator[Clockify]:
    with requests_mock.Mocker(adapter=TruthfulAdapter(case_sensitive=True)) as mocker:
        yield Clockify(mocker)


@pytest.fixture
def connect(clockify: Clockify, clock: FrozenDateTimeFactory) -> Connect:
    """Return how a connection to one workspace is made."""
    clockify.workspaces()
    clockify.users(USER)
    return lambda *streams, **settings: Connection(clock, *streams, **settings)
