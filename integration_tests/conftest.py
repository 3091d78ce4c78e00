"""Fixtures of the end-to-end tests."""

from collections.abc import Iterator

import pytest

from integration_tests.sandbox.client import Sandbox, start


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Sandbox]:
    """A sandbox with two workspaces on plans with all features, for tests that change its data."""
    with start(users=4, entries=40, projects=4, tasks=2, plan="PRO,PRO") as sandbox:
        yield sandbox


@pytest.fixture
def fresh_sandbox(shared_server: Sandbox) -> Sandbox:
    """The shared server with its first data."""
    shared_server.reset()
    return shared_server
