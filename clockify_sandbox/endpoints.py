"""The table of endpoints, and the lookup of a path in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from clockify_sandbox import (
    administration,
    attendance,
    audit_log,
    entity_changes,
    expense_report,
    grouped_reports,
    money,
    reports,
    resources,
    scheduling_totals,
    time_off,
)
from clockify_sandbox.approvals import APPROVALS
from clockify_sandbox.call import Call, Handler, Reply, access_denied, error
from clockify_sandbox.listing import Listing, serve
from clockify_sandbox.paging import LIST, QUERY, Paging
from clockify_sandbox.plain_streams import PLAIN_STREAMS, PlainStream
from clockify_sandbox.resources import as_stored, single

API, REPORTS, AUDIT = "api", "reports", "auditlog"
PREFIXES = {API: "/api/v1", REPORTS: "/report/v1", AUDIT: "/auditlog/v1"}
_W = "/workspaces/{workspaceId}"


@dataclass(frozen=True)
class Access:
    """Who may use an operation.

    Attributes:
        scope: what an add-on must have; None: closed to add-ons.
        feature: what the plan must have.
        admin: only owners and admins.
    """

    scope: str | None = None
    feature: str | None = None
    admin: bool = False


@dataclass(frozen=True)
class Endpoint:
    """An operation; `last_page`: it sends that header."""

    method: str
    path: str
    does: Handler | Listing
    access: Access
    host: str = API
    paging: Paging | None = None
    last_page: bool = False

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


def _list(path: str, does: Handler | Listing, access: Access, paging: Paging = LIST) -> Endpoint:
    """A listing that tells its last page."""
    return Endpoint("GET", _W + path, does, access, paging=paging, last_page=True)


def _get(
    path: str,
    does: Handler | Listing,
    access: Access,
    paging: Paging | None = None,
    host: str = API,
) -> Endpoint:
    return Endpoint("GET", _W + path, does, access, host, paging)


def _post(
    path: str, does: Handler, access: Access, paging: Paging | None = None, host: str = API
) -> Endpoint:
    return Endpoint("POST", _W + path, does, access, host, paging)


def _plain(stream: PlainStream) -> Iterator[Endpoint]:
    """The listing of a plain stream, and the read of one row where there is one."""
    access = Access(stream.scope, stream.feature, stream.admin)
    path = f"/{stream.path or stream.collection}"
    if stream.paging:
        yield _list(path, stream.listing, access, stream.paging)
    else:
        yield _get(path, stream.listing, access)
    if stream.entity:
        yield _get(
            path + "/{id}", single(stream.collection, "id", stream.entity, as_stored), access
        )


_RUNNING = Paging(QUERY, default=10, maximum=1000)
_NOBODY, _ADMINS = Access(), Access(admin=True)
_USERS, _PROJECTS, _TASKS = Access("USER_READ"), Access("PROJECT_READ"), Access("TASK_READ")
_CUSTOM_FIELDS = Access("CUSTOM_FIELDS_READ", "CUSTOM_FIELDS")
_ENTRIES = Access("TIME_ENTRY_READ")
_EXPENSES, _INVOICES = Access("EXPENSE_READ", "EXPENSES"), Access("INVOICE_READ", "INVOICING", True)
_TIME_OFF, _SCHEDULING = (
    Access("TIME_OFF_READ", "TIME_OFF"),
    Access("SCHEDULING_READ", "SCHEDULING"),
)
_REPORTS = Access("REPORTS_READ")
_INFO = resources.with_body_as_query(serve(money.INVOICES_INFO, money.INFO_PAGING, False))

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/user", resources.current_user, _USERS),
    Endpoint("GET", "/workspaces", resources.workspaces, _NOBODY),
    _get("", resources.workspace, Access("WORKSPACE_READ")),
    *(endpoint for each in PLAIN_STREAMS.values() for endpoint in _plain(each)),
    # People
    _list("/users", resources.USERS, _USERS),
    _post("/users/info", resources.users_info, _USERS, resources.USERS_INFO_PAGING),
    _list("/users/{userId}/managers", resources.USER_MANAGERS, Access("USER_READ", "MANAGER_ROLE")),
    _get("/member-profile/{userId}", resources.member_profile, _USERS),
    Endpoint("PUT", _W + "/user-groups/{groupId}", _write, _NOBODY),
    # Projects and time
    _list("/projects", resources.PROJECTS, _PROJECTS),
    _get("/projects/{projectId}", resources.single_project, _PROJECTS),
    _list("/projects/{projectId}/tasks", resources.TASKS, _TASKS),
    _get("/projects/{projectId}/tasks/{taskId}", resources.single_task, _TASKS),
    _get("/projects/{projectId}/custom-fields", resources.PROJECT_CUSTOM_FIELDS, _CUSTOM_FIELDS),
    Endpoint("PUT", _W + "/custom-fields/{customFieldId}", _write, _NOBODY),
    _list("/user/{userId}/time-entries", resources.TIME_ENTRIES, _ENTRIES),
    _list("/time-entries/status/in-progress", resources.RUNNING_ENTRIES, _ENTRIES, _RUNNING),
    _post("/time-entries/batch", resources.entries_by_id, _ENTRIES),
    _get("/time-entries/{timeEntryId}", resources.single_entry, _ENTRIES),
    # Money
    _list("/expenses", money.expenses(LIST), _EXPENSES),
    _list("/expenses/categories", money.CATEGORIES, _EXPENSES),
    _get("/expenses/{expenseId}", money.single_expense, _EXPENSES),
    _list("/invoices", money.INVOICES, _INVOICES),
    _post("/invoices/info", _INFO, _INVOICES, money.INFO_PAGING),
    _get("/invoices/settings", money.invoice_settings, _INVOICES),
    _get("/invoices/{invoiceId}", money.single_invoice, _INVOICES),
    _list("/invoices/{invoiceId}/payments", money.PAYMENTS, _INVOICES),
    Endpoint("POST", _W + "/invoices/{invoiceId}/items", _write, _NOBODY),
    # Time off and plans
    _get("/holidays/in-period", time_off.HOLIDAYS_IN_PERIOD, _TIME_OFF),
    _post("/time-off/requests", time_off.requests, _TIME_OFF, time_off.REQUEST_PAGING),
    _list(
        "/time-off/balance/policy/{policyId}",
        time_off.BALANCES_OF_POLICY,
        _TIME_OFF,
        time_off.POLICY_PAGING,
    ),
    _list(
        "/time-off/balance/user/{userId}",
        time_off.BALANCES_OF_USER,
        _TIME_OFF,
        time_off.BALANCE_PAGING,
    ),
    _list("/scheduling/assignments/all", time_off.ASSIGNMENTS, _SCHEDULING),
    *(
        _post(
            f"/scheduling/assignments/{name}/totals",
            handler,
            _SCHEDULING,
            scheduling_totals.TOTALS_PAGING,
        )
        for name, handler in scheduling_totals.HANDLERS.items()
    ),
    _list("/approval-requests", APPROVALS, Access("APPROVAL_READ", "APPROVAL")),
    # Administration and events
    _get(
        "/shared-reports",
        administration.SHARED_REPORTS,
        Access("REPORTS_READ", "SHARED_REPORTS"),
        administration.SHARED_REPORT_PAGING,
        REPORTS,
    ),
    _get("/webhooks", administration.WEBHOOKS, _ADMINS),
    _get("/webhooks/{webhookId}", administration.single_webhook, _ADMINS),
    _post(
        "/webhooks/{webhookId}/logs",
        administration.webhook_logs,
        _ADMINS,
        administration.LOG_PAGING,
    ),
    _post(
        "/audit-log",
        audit_log.audit_log,
        Access(feature="AUDIT_LOG", admin=True),
        audit_log.AUDIT_PAGING,
        AUDIT,
    ),
    *(
        _get(
            f"/entities/{kind}",
            entity_changes.feed(changes_of, may_begin_in_window=kind == "created"),
            Access("TIME_ENTRY_READ", admin=True),
            entity_changes.CHANGES_PAGING,
        )
        for kind, changes_of in (
            ("created", entity_changes.created),
            ("updated", entity_changes.updated),
            ("deleted", entity_changes.deleted),
        )
    ),
    # Reports
    _post("/reports/detailed", reports.detailed, _REPORTS, reports.DETAILED_PAGING, REPORTS),
    _post("/reports/summary", grouped_reports.summary, _REPORTS, host=REPORTS),
    _post("/reports/weekly", grouped_reports.weekly, _REPORTS, host=REPORTS),
    _post(
        "/reports/attendance",
        attendance.attendance,
        Access("REPORTS_READ", "ATTENDANCE_REPORT"),
        attendance.ATTENDANCE_PAGING,
        REPORTS,
    ),
    _post(
        "/reports/expenses/detailed",
        expense_report.expense_report,
        Access("REPORTS_READ", "EXPENSES"),
        expense_report.EXPENSE_REPORT_PAGING,
        REPORTS,
    ),
)


def find(method: str, host: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """The endpoint of a path and the ids in it; raises 404 or 405."""
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
