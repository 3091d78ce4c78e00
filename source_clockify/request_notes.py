"""What Clockify refused while a partition was read or generated.

An ignored request leaves no trace in the records: the listing just seems empty. The error handler
notes it here, and the stream that caused the request picks it up. Both run in the same thread, so
the notes are the thread's own.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from source_clockify.adaptations import Adaptations
from source_clockify.request_scope import RequestScope, current_scope, requesting_for

_ID = re.compile("[0-9a-f]{24}")
_ABSENT = re.compile(r"n['o]?t (?:belong|exist)|not found", re.IGNORECASE)
_PERMISSION = re.compile(
    r"\b(?:you|your|users?|members?|permissions?|access|allowed|plan|subscription|feature)\b",
    re.IGNORECASE,
)
# How Clockify calls what the parts of a path name.
_KINDS = {
    "projects": "PROJECT",
    "tasks": "TASK",
    "tags": "TAG",
    "clients": "CLIENT",
    "time-entries": "TIMEENTRY",
    "user": "USER",
    "member-profile": "USER",
    "expenses": "EXPENSE",
    "invoices": "INVOICE",
    "policies": "POLICY",
    "policy": "POLICY",
    "webhooks": "WEBHOOK",
}
_USER_PATH = re.compile("/(?:users?|member-profile)/")


@dataclass(frozen=True)
class SkippedRequest:
    """One request that was ignored.

    Attributes:
        workspace_id: the workspace of the request, empty if its URL names none.
        partial: True if it was about one user, project ... of the workspace only.
        vanished: True if the requested entity does not exist (any more), False if the plan or a
            permission is missing.
        message: a sentence for the user.
    """

    workspace_id: str
    partial: bool
    vanished: bool
    message: str


@dataclass(frozen=True)
class Gap:
    """Data that is missing although every request was answered.

    Attributes:
        workspace_id: the workspace.
        message: a sentence for the user.
    """

    workspace_id: str
    message: str


@dataclass
class RequestNotes:
    """What happened in one thread between `recording_requests` and its end.

    Attributes:
        refusals: the ignored requests, in order.
        gaps: what else is missing, each once.
        failures: errors of requests to parents that failed; None where a failure is raised at
            once because nothing else depends on the request.
        short: fewer rows came than the body announced.
        last_page: a hash of the page that was read last, to notice a server that repeats it.
        system_events: whether an event by Clockify itself was listed.
        approval_states: the states in the list of approval requests of all states.
        wait_reason: why the next request waits, as a sentence.
        adaptations: the forms of requests that the server refuses, shared by all threads.
    """

    refusals: list[SkippedRequest] = field(default_factory=list)
    gaps: dict[Gap, None] = field(default_factory=dict)
    failures: list[Exception] | None = None
    short: bool = False
    last_page: bytes = b""
    system_events: bool = False
    approval_states: set[str] = field(default_factory=set)
    wait_reason: str = ""
    adaptations: Adaptations | None = None


_current = threading.local()


@contextmanager
def recording_requests(
    scope: RequestScope | None = None,
    adaptations: Adaptations | None = None,
    *,
    defer_failures: bool = False,
) -> Iterator[RequestNotes]:
    """Collect what the error handler notes in this thread.

    With `defer_failures` a failed request is noted and taken for an empty answer, so that an error
    in one workspace does not keep the others from being read; the caller raises it afterwards.
    Without `scope` and `adaptations` those of an outer `recording_requests` hold.
    """
    outer = current_notes()
    if adaptations is None and outer is not None:
        adaptations = outer.adaptations
    notes = RequestNotes(failures=[] if defer_failures else None, adaptations=adaptations)
    _current.notes = notes
    try:
        with requesting_for(scope or current_scope()):
            yield notes
    finally:
        _current.notes = outer


def current_notes() -> RequestNotes | None:
    """Return the notes of this thread, None outside `recording_requests`."""
    return getattr(_current, "notes", None)


def is_about_requested_entity(message: str, path: str) -> bool:
    """Tell whether the message of a code 501 says that the entity of a path does not exist.

    `path` is below the workspace, as `/projects/{id}/tasks`. Clockify uses the code for every
    violated rule: for a page size of 0, and for a user who may not see a project (section 8.1 of
    the API reference). So only a message counts whose subject is an id or a kind of the path, and
    that speaks of no permission.
    """
    message = message.replace("\u2019", "'")
    absent = _ABSENT.search(message)
    if absent is None:
        return False
    subject, rest = message[: absent.start()], message[absent.end() :]
    name = re.sub("[^A-Z]", "", subject.upper()).removeprefix("THE")
    is_about_user = name.startswith("USER")
    if _PERMISSION.search(rest if is_about_user else message):
        return False
    if is_about_user and (not _USER_PATH.search(path) or "PROJECT" in rest.upper()):
        return False
    ids = _ID.findall(subject)
    if ids:
        return any(identifier in path for identifier in ids)
    kinds = [kind for part, kind in _KINDS.items() if f"/{part}" in path]
    return name in ("IT", "ITDOES", "ITDO") or any(name.startswith(kind) for kind in kinds)
