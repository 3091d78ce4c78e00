"""Pub/Sub on this machine: Google's emulator, if it is installed, and the test server."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from integration_tests.pubsub.emulator import find_emulator, start_emulator
from integration_tests.pubsub.server import serve


def servers() -> dict[str, Callable[[], AbstractContextManager[str]]]:
    """What starts each, by name; it answers the address, as PUBSUB_EMULATOR_HOST takes it."""
    script = find_emulator()
    if script is None:
        return {"test server": _test_server}
    return {"Google's emulator": partial(start_emulator, script), "test server": _test_server}


@contextmanager
def _test_server() -> Iterator[str]:
    with serve() as server:
        yield server.address
