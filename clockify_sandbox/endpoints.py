"""The table of endpoints, and the lookup of a path in it."""

import re
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
from clockify_sandbox.paging import QUERY, Paging
from clockify_sandbox.resources import single

API, REPORTS, AUDIT = "api", "reports", "auditlog"
PREFIXES = {API: "/api/v1", REPORTS: "/report/v1", AUDIT: "/auditlog/v1"}
_W = "/workspaces/{workspaceId}"


@dataclass(frozen=True)
class Endpoint:
    """An operation. `feature`: required of the plan; `scope`: required of an add-on (None: closed
    to add-ons); `admin`: only for owners and admins; `last_page`: sends that header."""

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

MONEY = (
    Endpoint(
        "GET",
        _W + "/expenses",
        money.expenses(_LIST),
        paging=_LIST,
        last_page=True,
        scope="EXPENSE_READ",
        feature="EXPENSES",
    ),
    Endpoint(
        "GET",
        _W + "/expenses/categories",
        money.CATEGORIES,
        paging=_LIST,
        last_page=True,
        scope="EXPENSE_READ",
        feature="EXPENSES",
    ),
    Endpoint(
        "GET",
        _W + "/expenses/{expenseId}",
        money.single_expense,
        scope="EXPENSE_READ",
        feature="EXPENSES",
    ),
    Endpoint(
        "GET",
        _W + "/invoices",
        money.INVOICES,
        paging=_LIST,
        last_page=True,
        scope="INVOICE_READ",
        feature="INVOICING",
        admin=True,
    ),
    Endpoint(
        "POST",
        _W + "/invoices/info",
        resources.with_body_as_query(serve(money.INVOICES_INFO, money.INFO_PAGING, False)),
        paging=money.INFO_PAGING,
        scope="INVOICE_READ",
        feature="INVOICING",
        admin=True,
    ),
    Endpoint(
        "GET",
        _W + "/invoices/settings",
        money.invoice_settings,
        scope="INVOICE_READ",
        feature="INVOICING",
        admin=True,
    ),
    Endpoint(
        "GET",
        _W + "/invoices/{invoiceId}",
        money.single_invoice,
        scope="INVOICE_READ",
        feature="INVOICING",
        admin=True,
    ),
    Endpoint(
        "GET",
        _W + "/invoices/{invoiceId}/payments",
        money.PAYMENTS,
        paging=_LIST,
        last_page=True,
        scope="INVOICE_READ",
        feature="INVOICING",
        admin=True,
    ),
    Endpoint("POST", _W + "/invoices/{invoiceId}/items", _write),
)

TIME_OFF = (
    Endpoint("GET", _W + "/holidays", time_off.HOLIDAYS, scope="TIME_OFF_READ", feature="TIME_OFF"),
    Endpoint(
        "GET",
        _W + "/holidays/in-period",
        time_off.HOLIDAYS_IN_PERIOD,
        scope="TIME_OFF_READ",
        feature="TIME_OFF",
    ),
    Endpoint(
        "GET",
        _W + "/time-off/policies",
        time_off.POLICIES,
        paging=time_off.POLICY_PAGING,
        last_page=True,
        scope="TIME_OFF_READ",
        feature="TIME_OFF",
    ),
    Endpoint(
        "GET",
        _W + "/time-off/policies/{policyId}",
        single("time-off-policies", "policyId", "Policy", resources.as_stored),
        scope="TIME_OFF_READ",
        feature="TIME_OFF",
    ),
    Endpoint(
        "POST",
        _W + "/time-off/requests",
        time_off.requests,
        paging=time_off.REQUEST_PAGING,
        scope="TIME_OFF_READ",
        feature="TIME_OFF",
    ),
    Endpoint(
        "GET",
        _W + "/time-off/balance/policy/{policyId}",
        time_off.BALANCES_OF_POLICY,
        paging=time_off.POLICY_PAGING,
        last_page=True,
        scope="TIME_OFF_READ",
        feature="TIME_OFF",
    ),
    Endpoint(
        "GET",
        _W + "/time-off/balance/user/{userId}",
        time_off.BALANCES_OF_USER,
        paging=time_off.BALANCE_PAGING,
        last_page=True,
        scope="TIME_OFF_READ",
        feature="TIME_OFF",
    ),
    Endpoint(
        "GET",
        _W + "/scheduling/assignments/all",
        time_off.ASSIGNMENTS,
        paging=_LIST,
        last_page=True,
        scope="SCHEDULING_READ",
        feature="SCHEDULING",
    ),
    *(
        Endpoint(
            "POST",
            f"{_W}/scheduling/assignments/{name}/totals",
            handler,
            paging=scheduling_totals.TOTALS_PAGING,
            scope="SCHEDULING_READ",
            feature="SCHEDULING",
        )
        for name, handler in scheduling_totals.HANDLERS.items()
    ),
    Endpoint(
        "GET",
        _W + "/approval-requests",
        APPROVALS,
        paging=_LIST,
        last_page=True,
        scope="APPROVAL_READ",
        feature="APPROVAL",
    ),
)

ADMINISTRATION = (
    Endpoint(
        "GET",
        _W + "/shared-reports",
        administration.SHARED_REPORTS,
        host=REPORTS,
        paging=administration.SHARED_REPORT_PAGING,
        scope="REPORTS_READ",
        feature="SHARED_REPORTS",
    ),
    Endpoint("GET", _W + "/webhooks", administration.WEBHOOKS, admin=True),
    Endpoint("GET", _W + "/webhooks/{webhookId}", administration.single_webhook, admin=True),
    Endpoint(
        "POST",
        _W + "/webhooks/{webhookId}/logs",
        administration.webhook_logs,
        paging=administration.LOG_PAGING,
        admin=True,
    ),
    Endpoint(
        "POST",
        _W + "/audit-log",
        audit_log.audit_log,
        host=AUDIT,
        paging=audit_log.AUDIT_PAGING,
        feature="AUDIT_LOG",
        admin=True,
    ),
)

CHANGES = tuple(
    Endpoint(
        "GET",
        f"{_W}/entities/{kind}",
        entity_changes.feed(changes_of, may_begin_in_window=kind == "created"),
        paging=entity_changes.CHANGES_PAGING,
        scope="TIME_ENTRY_READ",
        admin=True,
    )
    for kind, changes_of in (
        ("created", entity_changes.created),
        ("updated", entity_changes.updated),
        ("deleted", entity_changes.deleted),
    )
)

REPORT_ENDPOINTS = (
    Endpoint(
        "POST",
        _W + "/reports/summary",
        grouped_reports.summary,
        host=REPORTS,
        scope="REPORTS_READ",
    ),
    Endpoint(
        "POST", _W + "/reports/weekly", grouped_reports.weekly, host=REPORTS, scope="REPORTS_READ"
    ),
    Endpoint(
        "POST",
        _W + "/reports/attendance",
        attendance.attendance,
        host=REPORTS,
        paging=attendance.ATTENDANCE_PAGING,
        scope="REPORTS_READ",
        feature="ATTENDANCE_REPORT",
    ),
    Endpoint(
        "POST",
        _W + "/reports/expenses/detailed",
        expense_report.expense_report,
        host=REPORTS,
        paging=expense_report.EXPENSE_REPORT_PAGING,
        scope="REPORTS_READ",
        feature="EXPENSES",
    ),
)

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
        resources.users_info,
        paging=resources.USERS_INFO_PAGING,
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
    Endpoint(
        "POST",
        _W + "/reports/detailed",
        reports.detailed,
        host=REPORTS,
        paging=reports.DETAILED_PAGING,
        scope="REPORTS_READ",
    ),
    *MONEY,
    *TIME_OFF,
    *ADMINISTRATION,
    *CHANGES,
    *REPORT_ENDPOINTS,
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
