"""Requests that some servers refuse in one form and answer in another.

After the first refusal every request to that path is sent in the other form.
"""

import re
import threading
from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson
import requests

from source_clockify.bodies import decoded_body, is_error

LIMITED = "LIMITED"
# The account statuses of the users to read: all except deleted ones.
ACCOUNT_STATUSES = ("ACTIVE", "PENDING_EMAIL_VERIFICATION", "NOT_REGISTERED", LIMITED)

# The types of entity changes in Clockify's official documentation; newer servers have more.
OFFICIAL_CHANGE_TYPES = (
    "CLIENTS",
    "PROJECTS",
    "SCHEDULED_ASSIGNMENT",
    "TAGS",
    "TASKS",
    "TIME_ENTRY",
    "TIME_ENTRY_CUSTOM_FIELD_VALUE",
    "TIME_ENTRY_RATE",
)

_WORKSPACE = re.compile("/workspaces/([^/]+)")
_REPORT = re.compile("/reports/(?:detailed|summary|weekly|attendance)$")
_CHANGES = re.compile("/entities/(?:created|updated|deleted)$")
_USER_SEARCH = "/users/info"


class Adaptation(Enum):
    """The other form of a request.

    HIDE_AMOUNTS: a report without amounts, for keys that may not read them.
    OFFICIAL_CHANGE_TYPES: entity changes of the documented types only.
    LIST_USERS: `GET /users`, for servers without `POST /users/info`.
    """

    HIDE_AMOUNTS = "hide_amounts"
    OFFICIAL_CHANGE_TYPES = "official_change_types"
    LIST_USERS = "list_users"


# The data missing from the answers to the other form.
CONSEQUENCES: Mapping[Adaptation, str] = {
    Adaptation.HIDE_AMOUNTS: (
        "Amounts and rates are missing, because this key has no access to them. Use the key of a "
        "workspace owner or admin."
    ),
    Adaptation.OFFICIAL_CHANGE_TYPES: (
        "This server refuses the newer types of entities, so only changes of "
        f"{', '.join(OFFICIAL_CHANGE_TYPES)} are read."
    ),
}


class Adaptations:
    """The forms refused so far, by path. Worker threads share it under its lock."""

    def __init__(self) -> None:
        self._learned: set[tuple[Adaptation, str]] = set()
        self._lock = threading.Lock()

    def learn(self, adaptation: Adaptation, request: requests.PreparedRequest) -> None:
        """Remember that the path of a request requires the other form."""
        with self._lock:
            self._learned.add((adaptation, _path_of(request)))

    def apply(self, request: requests.PreparedRequest) -> Adaptation | None:
        """Change a request to the form that its path requires; return that form."""
        adaptation = _possible_adaptation(request)
        if adaptation is None:
            return None
        with self._lock:
            is_learned = (adaptation, _path_of(request)) in self._learned
        if adaptation is Adaptation.LIST_USERS and _continues_listing(request):
            is_learned = True
        if not is_learned:
            return None
        _CHANGE[adaptation](request)
        return adaptation


def adaptation_to(response: requests.Response) -> Adaptation | None:
    """Return the form in which a refused request may succeed; None if there is none."""
    adaptation = _possible_adaptation(response.request)
    status = response.status_code
    if adaptation is Adaptation.LIST_USERS and status in (404, 405):
        # Whatever sent this answer, the listing shows whether there are users.
        return adaptation
    refused = 403 if adaptation is Adaptation.HIDE_AMOUNTS else 400
    if adaptation is None or status != refused or not is_error(decoded_body(response)):
        return None
    return adaptation


def workspace_of(request: requests.PreparedRequest) -> str:
    """Return the id of the workspace in a request's URL; "" if it names none."""
    found = _WORKSPACE.search(urlsplit(str(request.url)).path)
    return found.group(1) if found else ""


def _possible_adaptation(request: requests.PreparedRequest) -> Adaptation | None:
    """Return the other form of a request that is still in the first one."""
    parts = urlsplit(str(request.url))
    if _REPORT.search(parts.path):
        return None if "amountShown" in _json_of(request) else Adaptation.HIDE_AMOUNTS
    if _CHANGES.search(parts.path):
        types = {value for name, value in parse_qsl(parts.query) if name == "type"}
        return Adaptation.OFFICIAL_CHANGE_TYPES if types - {*OFFICIAL_CHANGE_TYPES} else None
    if request.method == "POST" and parts.path.endswith(_USER_SEARCH):
        return Adaptation.LIST_USERS if _may_be_listed(request) else None
    return None


def _may_be_listed(request: requests.PreparedRequest) -> bool:
    """Return whether the listing can replace the request: the start of a search, or a listing.

    A running search cannot be continued as a listing, since their pages differ, and the listing has
    no deleted users.
    """
    body = _json_of(request)
    begins = body.get("page") == 1 and body.get("accountStatuses") == list(ACCOUNT_STATUSES)
    return begins or _continues_listing(request)


def _continues_listing(request: requests.PreparedRequest) -> bool:
    """Return whether `UsersPagination` requests a later page of a listing."""
    return len(_json_of(request).get("accountStatuses", ACCOUNT_STATUSES)) < 2


def _path_of(request: requests.PreparedRequest) -> str:
    return urlsplit(str(request.url)).path


def _json_of(request: requests.PreparedRequest) -> dict[str, Any]:
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _hide_amounts(request: requests.PreparedRequest) -> None:
    body = {**_json_of(request), "amountShown": "HIDE_AMOUNT"}
    request.prepare_body(None, None, json=body)


def _ask_for_official_types(request: requests.PreparedRequest) -> None:
    parts = urlsplit(str(request.url))
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query)
        if name != "type" or value in OFFICIAL_CHANGE_TYPES
    ]
    request.url = urlunsplit(parts._replace(query=urlencode(query)))


def _list_users(request: requests.PreparedRequest) -> None:
    """Change the search into the listing.

    The listing accepts a single account status; without one it returns everyone except limited
    members, who are listed in a second pass (see `UsersPagination`).
    """
    body = _json_of(request)
    query = {
        "status": body["status"],
        "memberships": body["memberships"],
        "include-roles": "true",
        "sort-column": body["sortColumn"],
        "sort-order": body["sortOrder"],
        "page": body["page"],
        "page-size": body["pageSize"],
    }
    if len(body["accountStatuses"]) == 1:
        query["account-statuses"] = body["accountStatuses"][0]
    parts = urlsplit(str(request.url))
    path = parts.path.removesuffix("/info")
    request.method = "GET"
    request.url = urlunsplit(parts._replace(path=path, query=urlencode(query)))
    request.body = None
    for header in ("Content-Type", "Content-Length"):
        request.headers.pop(header, None)


_CHANGE = {
    Adaptation.HIDE_AMOUNTS: _hide_amounts,
    Adaptation.OFFICIAL_CHANGE_TYPES: _ask_for_official_types,
    Adaptation.LIST_USERS: _list_users,
}
