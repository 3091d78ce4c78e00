"""Fixtures of the end-to-end tests."""

import gc
import signal
from collections.abc import Iterator

import pytest

from clockify_sandbox.client import Sandbox, start
from integration_tests.frozen import Clock, frozen_clock
from integration_tests.pubsub.servers import servers
from source_clockify.cdk_patches import serialize_literal_eval

# The manifest alone is read in this process too.
serialize_literal_eval()


def pytest_collection_finish() -> None:
    """Leave what lives as long as the session out of every garbage collection: a tenth faster."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def _signals_as_usual() -> Iterator[None]:
    """Let commands not inherit that the tests run under nohup, or in the background of a shell."""
    ignored = [
        number
        for number in (signal.SIGHUP, signal.SIGINT)
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


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


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    """The clock of this process, stopped for a module."""
    with frozen_clock() as frozen:
        yield frozen


PUBSUB_SERVERS = servers()


@pytest.fixture(scope="session", params=PUBSUB_SERVERS)
def pubsub_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a Pub/Sub server listens, as PUBSUB_EMULATOR_HOST takes it; each of this machine."""
    with PUBSUB_SERVERS[request.param]() as address:
        yield address


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which Pub/Sub servers the tests had."""
    line = f"Pub/Sub servers of this machine: {', '.join(PUBSUB_SERVERS)}"
    if len(PUBSUB_SERVERS) == 1:
        line += " only (Google's emulator, a part of the Google Cloud CLI, or its Java is missing)"
    terminalreporter.write_line(line)
