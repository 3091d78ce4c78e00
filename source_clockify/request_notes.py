"""Records requests that Clockify refused while a partition was read or generated.

An ignored request leaves no trace in the records: the listing just looks empty. The error handler
records it here for the stream that caused it. Both run in the same thread, so notes belong to a
thread.
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
# Clockify's names for the parts of a path.
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
    """A request that was ignored.

    Attributes:
        workspace_id: the workspace of the request; "" if its URL names none.
        partial: whether it concerned only a part of the workspace, such as one user or project.
        vanished: whether the requested entity does not exist (any more); False if the plan or a
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
    """The events in one thread within `recording_requests`.

    Attributes:
        refusals: the ignored requests, in order.
        gaps: other missing data, without duplicates.
        failures: errors of failed requests to parents; None if a failure is raised immediately
            because nothing else depends on the request.
        short: whether fewer rows were returned than the body announced.
        last_page: a hash of the last page read, to detect a server that repeats it.
        system_events: whether an event by Clockify itself was listed.
        approval_states: the states in the list of approval requests of all states.
        wait_reason: the reason why the next request waits, as a sentence.
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
    """Collect the notes of the error handler in this thread.

    With `defer_failures`, a failed request is recorded and treated as an empty answer, so that the
    other workspaces can still be read; the caller raises the error afterwards. `scope` and
    `adaptations` default to those of an enclosing `recording_requests`.
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
    """Return the notes of this thread; None outside of `recording_requests`."""
    return getattr(_current, "notes", None)


def is_about_requested_entity(message: str, path: str) -> bool:
    """Return whether the message of a code 501 says that the entity of a path does not exist.

    `path` is below the workspace, such as `/projects/{id}/tasks`. Clockify uses the code for every
    violated rule: for a page size of 0, and for a user who may not see a project (section 8.1 of
    the API reference). So a message counts only if its subject is an id or a kind of the path and
    if it does not mention permissions.
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
