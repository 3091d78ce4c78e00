"""The stream for which the current thread sends requests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from source_clockify.progress import SyncProgress
from source_clockify.waits import Waits


@dataclass(frozen=True)
class RequestScope:
    """A stream, and the objects that count and announce its requests.

    Attributes:
        stream: its name.
        progress: counts requests.
        waits: announces waits.
    """

    stream: str
    progress: SyncProgress
    waits: Waits


_current = threading.local()


@contextmanager
def requesting_for(scope: RequestScope | None) -> Iterator[None]:
    """Attribute this thread's requests to a stream."""
    outer = current_scope()
    _current.scope = scope
    try:
        yield
    finally:
        _current.scope = outer


def current_scope() -> RequestScope | None:
    """Return the scope of this thread; None outside of a read."""
    return getattr(_current, "scope", None)
