"""What Clockify refused while a partition was read or generated.

An ignored request leaves no trace in the records: the listing just seems empty. The error handler
notes it here, and the stream that caused the request picks it up. Both run in the same thread, so
the notes are the thread's own.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Refusal:
    """One request that was ignored.

    Attributes:
        workspace_id: the workspace of the request, empty if its URL names none.
        partial: True if it was about one user, project ... of the workspace only.
        vanished: True if the entity is gone (400 with code 501), False if the plan or a
            permission is missing.
        message: a sentence for the user.
    """

    workspace_id: str
    partial: bool
    vanished: bool
    message: str


@dataclass
class Notes:
    """What happened in one thread between `collecting` and its end.

    Attributes:
        refusals: the ignored requests, in order.
        failures: errors of requests to parents that failed; None where a failure is raised at
            once because nothing else depends on the request.
        short: fewer rows came than the body announced.
        on_wait: called before this thread waits because Clockify's request limit is reached.
    """

    refusals: list[Refusal] = field(default_factory=list)
    failures: list[Exception] | None = None
    short: bool = False
    on_wait: Callable[[], None] | None = None


_current = threading.local()


@contextmanager
def collecting(
    *, defer_failures: bool = False, on_wait: Callable[[], None] | None = None
) -> Iterator[Notes]:
    """Collect what the error handler notes in this thread.

    With `defer_failures` a failed request is noted and taken for an empty answer, so that an error
    in one workspace does not keep the others from being read; the caller raises it afterwards.
    """
    notes = Notes(failures=[] if defer_failures else None, on_wait=on_wait)
    outer = getattr(_current, "notes", None)
    _current.notes = notes
    try:
        yield notes
    finally:
        _current.notes = outer


def current_notes() -> Notes | None:
    """Return the notes of this thread, None outside `collecting`."""
    return getattr(_current, "notes", None)
