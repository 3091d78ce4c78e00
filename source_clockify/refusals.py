"""What Clockify refused while a partition was read or generated.

An ignored request leaves no trace in the records: the listing just seems empty. The error handler
notes it here, and the stream that caused the request picks it up. Both run in the same thread, so
the notes are the thread's own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets


@dataclass(frozen=True)
class Refusal:
    """One request that was ignored.

    Attributes:
        workspace_id: the workspace of the request, empty if its URL names none.
        vanished: True if the entity is gone since its parent was listed, False if the plan or a
            permission is missing.
        message: a sentence for the user.
    """

    workspace_id: str
    vanished: bool
    message: str


@dataclass
class Notes:
    """What happened in one thread between `collecting` and its end.

    Attributes:
        refusals: the ignored requests, in order.
        failures: errors of requests to parents that failed; None where a failure is raised at
            once because nothing else depends on the request.
    """

    refusals: list[Refusal] = field(default_factory=list)
    failures: list[Exception] | None = None


_current = threading.local()


@contextmanager
def collecting(*, defer_failures: bool = False) -> Iterator[Notes]:
    """Collect what the error handler notes in this thread.

    With `defer_failures` a failed request is noted and taken for an empty answer, so that an error
    in one workspace does not keep the others from being read; the caller raises it afterwards.
    """
    notes = Notes(failures=[] if defer_failures else None)
    outer = getattr(_current, "notes", None)
    _current.notes = notes
    try:
        yield notes
    finally:
        _current.notes = outer


@contextmanager
def masking_secrets() -> Iterator[None]:
    """Take the secrets out of an exception's text: the CDK emits it in a trace as it is."""
    try:
        yield
    except Exception as error:
        error.args = tuple(
            filter_secrets(part) if isinstance(part, str) else part for part in error.args
        )
        raise


def current_notes() -> Notes | None:
    """Return the notes of this thread, None outside `collecting`."""
    return getattr(_current, "notes", None)
