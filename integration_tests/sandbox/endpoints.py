"""The table of endpoints, and which of them a path means."""

import re
from dataclasses import dataclass
from functools import cached_property

from integration_tests.sandbox import reports, resources
from integration_tests.sandbox.call import Call, Handler, Reply, access_denied, error
from integration_tests.sandbox.listing import Listing, serve
from integration_tests.sandbox.paging import BODY, QUERY, Paging
from integration_tests.sandbox.resources import single

API, REPORTS, AUDIT = "api", "reports", "auditlog"
PREFIXES = {API: "/api/v1", REPORTS: "/report/v1", AUDIT: "/auditlog/v1"}
_W = "/workspaces/{workspaceId}"


@dataclass(frozen=True)
class Endpoint:
    """An operation. `feature`: what the plan must have; `scope`: what an add-on must have (None:
    closed to add-ons); `admin`: only for owners and admins; `last_page`: sends that header."""

    method: str
    path: str
    does: Handler | Listing
    host: str = API
    paging: Paging | None = None
    last_page: bool = False
    scope: str | None = None
    feature: str | None = None
    admin: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    @cached_property
    def handler(self) -> Handler:
        if isinstance(self.does, Listing):
            return serve(self.does, self.paging, self.last_page)
        return self.does


def _write(call: Call) -> Reply:
    raise access_denied()


_LIST = Paging(QUERY)
_RUNNING = Paging(QUERY, default=10, maximum=1000)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/user", resources.current_user, scope="USER_READ"),
    Endpoint("GET", "/workspaces", resources.workspaces),
    Endpoint("GET", _W, resources.workspace, scope="WORKSPACE_READ"),
    Endpoint(
        "GET", _W + "/users", resources.USERS, paging=_LIST, last_page=True, scope="USER_READ"
    ),
    Endpoint(
        "POST",
        _W + "/users/info",
        resources.with_body_as_query(serve(resources.USERS, Paging(BODY), last_page=False)),
        paging=Paging(BODY),
        scope="USER_READ",
    ),
    Endpoint(
        "GET",
        _W + "/users/{userId}/managers",
        resources.USER_MANAGERS,
        paging=_LIST,
        last_page=True,
        scope="USER_READ",
        feature="MANAGER_ROLE",
    ),
    Endpoint("GET", _W + "/member-profile/{userId}", resources.member_profile, scope="USER_READ"),
    Endpoint(
        "GET",
        _W + "/user-groups",
        resources.GROUPS,
        paging=_LIST,
        last_page=True,
        scope="GROUP_READ",
    ),
    Endpoint("PUT", _W + "/user-groups/{groupId}", _write),
    Endpoint(
        "GET", _W + "/clients", resources.CLIENTS, paging=_LIST, last_page=True, scope="CLIENT_READ"
    ),
    Endpoint(
        "GET",
        _W + "/clients/{clientId}",
        single("clients", "clientId", "Client", resources.as_stored),
        scope="CLIENT_READ",
    ),
    Endpoint(
        "GET",
        _W + "/projects",
        resources.PROJECTS,
        paging=_LIST,
        last_page=True,
        scope="PROJECT_READ",
    ),
    Endpoint("GET", _W + "/projects/{projectId}", resources.single_project, scope="PROJECT_READ"),
    Endpoint(
        "GET",
        _W + "/projects/{projectId}/tasks",
        resources.TASKS,
        paging=_LIST,
        last_page=True,
        scope="TASK_READ",
    ),
    Endpoint(
        "GET",
        _W + "/projects/{projectId}/tasks/{taskId}",
        resources.single_task,
        scope="TASK_READ",
    ),
    Endpoint(
        "GET",
        _W + "/projects/{projectId}/custom-fields",
        resources.PROJECT_CUSTOM_FIELDS,
        scope="CUSTOM_FIELDS_READ",
        feature="CUSTOM_FIELDS",
    ),
    Endpoint("GET", _W + "/tags", resources.TAGS, paging=_LIST, last_page=True, scope="TAG_READ"),
    Endpoint(
        "GET",
        _W + "/tags/{tagId}",
        single("tags", "tagId", "Tag", resources.as_stored),
        scope="TAG_READ",
    ),
    Endpoint(
        "GET",
        _W + "/custom-fields",
        resources.CUSTOM_FIELDS,
        scope="CUSTOM_FIELDS_READ",
        feature="CUSTOM_FIELDS",
    ),
    Endpoint("PUT", _W + "/custom-fields/{customFieldId}", _write),
    Endpoint(
        "GET",
        _W + "/user/{userId}/time-entries",
        resources.TIME_ENTRIES,
        paging=_LIST,
        last_page=True,
        scope="TIME_ENTRY_READ",
    ),
    Endpoint(
        "GET",
        _W + "/time-entries/status/in-progress",
        resources.RUNNING_ENTRIES,
        paging=_RUNNING,
        last_page=True,
        scope="TIME_ENTRY_READ",
    ),
    Endpoint("POST", _W + "/time-entries/batch", resources.entries_by_id, scope="TIME_ENTRY_READ"),
    Endpoint(
        "GET",
        _W + "/time-entries/{timeEntryId}",
        resources.single_entry,
        scope="TIME_ENTRY_READ",
    ),
    Endpoint("GET", _W + "/webhooks", resources.WEBHOOKS, admin=True),
    Endpoint(
        "GET",
        _W + "/webhooks/{webhookId}",
        single("webhooks", "webhookId", "Webhook", resources.as_stored),
        admin=True,
    ),
    Endpoint(
        "POST",
        _W + "/reports/detailed",
        reports.detailed,
        host=REPORTS,
        paging=reports.DETAILED_PAGING,
        scope="REPORTS_READ",
    ),
)


def find(method: str, host: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """The endpoint of a path and the path's ids; 404 or 405 as an exception."""
    allowed: list[str] = []
    for endpoint in ENDPOINTS:
        match = endpoint.pattern.fullmatch(path) if endpoint.host == host else None
        if match is None:
            continue
        if endpoint.method == method:
            return endpoint, match.groupdict()
        allowed.append(endpoint.method)
    if allowed:
        message = f"Request method '{method}' is not supported"
        raise error(405, message, 3000, Allow=", ".join(sorted(set(allowed))))
    raise error(404, f"No static resource {path.lstrip('/')}.", 3000)
