"""A clock that stands still, waits that take no time, and a cache of its own for every test."""

import functools
import json
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests_mock
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from source_clockify.error_handler import visible_workspaces
from unit_tests.clockify import NOW, Clockify


@pytest.fixture(scope="session", autouse=True)
def _manifest_resolved_once() -> Iterator[None]:
    """Resolve and validate each manifest once: it takes half a second and every test needs it."""
    resolve = ConcurrentDeclarativeSource._pre_process_manifest
    resolved: dict[str, bytes] = {}

    def cached_resolve(self: Any, manifest: dict[str, Any]) -> Any:
        key = json.dumps(manifest, sort_keys=True)
        if key in resolved:
            self._validate_source = lambda: None
        else:
            resolved[key] = pickle.dumps(resolve(self, manifest))
        return pickle.loads(resolved[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConcurrentDeclarativeSource, "_pre_process_manifest", cached_resolve)
        patch.setattr(
            concurrent_declarative_source,
            "get_declarative_component_schema",
            functools.cache(concurrent_declarative_source.get_declarative_component_schema),
        )
        yield


@pytest.fixture(autouse=True)
def _own_request_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUEST_CACHE_PATH", str(tmp_path))
    visible_workspaces.cache_clear()


@pytest.fixture(autouse=True)
def clock() -> Iterator[FrozenDateTimeFactory]:
    with freeze_time(NOW) as frozen:
        yield frozen


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch, clock: FrozenDateTimeFactory) -> list[float]:
    """Let sleeping move the clock, and remember how long was slept."""
    real_sleep = time.sleep
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        clock.tick(seconds)
        # The threads of the CDK look at their queues every tenth of a second.
        if seconds > 0.1:
            waited.append(seconds)
        real_sleep(0.0005)

    monkeypatch.setattr(time, "sleep", sleep)
    return waited


@pytest.fixture
def clockify() -> Iterator[Clockify]:
    with requests_mock.Mocker(case_sensitive=True) as mocker:
        yield Clockify(mocker)
