"""The truth for the streams that require a plan, for the feeds, and for grouped reports."""

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

from clockify_sandbox import entity_changes, money_rows, time_off_rows
from clockify_sandbox.administration import log_row
from clockify_sandbox.approval_rows import approval_row
from clockify_sandbox.attendance import attendance_rows
from clockify_sandbox.audit_log import left_out
from clockify_sandbox.entity_changes import Change, change_row
from clockify_sandbox.grouped_reports import Grouping, group_rows, weekly_rows
from clockify_sandbox.plain_streams import PLAIN_STREAMS
from clockify_sandbox.plans import has
from clockify_sandbox.render import entry_row
from clockify_sandbox.report_base import DAY, amounts_of, shown_zone
from clockify_sandbox.scheduling_totals import days_of_window, project_totals, user_totals
from clockify_sandbox.state import State
from clockify_sandbox.store import Entry, Row, Workspace, between
from clockify_sandbox.timetext import parse_instant, utc_day, utc_text, weekday
from clockify_sandbox.traces import SYSTEM

Query = dict[str, list[str]]
Pairs = Iterator[tuple[dict[str, str], Row]]
Make = Callable[[State, Workspace, Query], Pairs]

_UTC = ZoneInfo("UTC")
CERTAIN_DAYS = 31


def _as_stored(workspace: Workspace, row: Row) -> Row:
    return row


def _rows(
    collection: str, shape: Callable[[Workspace, Row], Row] = _as_stored, **path: str
) -> Make:
    """A collection's rows in a shape; `path` maps the ids of the path to fields of the row."""

    def pairs(state: State, workspace: Workspace, query: Query) -> Pairs:
        for row in workspace.rows(collection).values():
            yield {name: row[field] for name, field in path.items()}, shape(workspace, row)

    return pairs


def _only(
    rows_of: Callable[[Workspace], list[Row]], shape: Callable[[Workspace, Row], Row], **path: str
) -> Make:
    def pairs(state: State, workspace: Workspace, query: Query) -> Pairs:
        for row in rows_of(workspace):
            yield {name: row[field] for name, field in path.items()}, shape(workspace, row)

    return pairs


def _payments(workspace: Workspace) -> list[Row]:
    invoices = workspace.rows("invoices")
    rows = workspace.rows("invoice-payments").values()
    return [row for row in rows if row["invoiceId"] in invoices]


def _logs(state: State, workspace: Workspace, query: Query) -> Pairs:
    for row in workspace.rows("webhook-logs").values():
        if row["webhookId"] in workspace.rows("webhooks"):
            yield {"webhookId": row["webhookId"]}, log_row(state.settings, row)


def _without_token(workspace: Workspace, webhook: Row) -> Row:
    return {name: value for name, value in webhook.items() if name != "authToken"}


def _audit_log(state: State, workspace: Workspace, query: Query) -> Pairs:
    for row in workspace.audit_log:
        hidden = row["userId"] == SYSTEM and state.settings.audit_system == "never"
        if not hidden and not left_out(state.settings, row):
            yield {}, row


def _assignments(state: State, workspace: Workspace, query: Query) -> Pairs:
    for row in time_off_rows.assignments(workspace, state.settings.drafts_listed):
        yield {}, time_off_rows.assignment_row(workspace, row)


def _project_fields(state: State, workspace: Workspace, query: Query) -> Pairs:
    """The fields of time entries, once for each project."""
    for project_id in workspace.rows("projects"):
        for field in workspace.rows("custom-fields").values():
            if field["entityType"] == "TIMEENTRY":
                yield {"projectId": project_id}, field


def _totals(rows_of: Callable[[Workspace, list[Row], range], list[Row]]) -> Make:
    """Sums of a window of days; by default, of the connector's window."""

    def pairs(state: State, workspace: Workspace, query: Query) -> Pairs:
        now = state.clock.now()
        first, last = (
            parse_instant(query[name][-1]) if name in query else now + days * DAY
            for name, days in (("start", -30), ("end", 365))
        )
        assignments = list(workspace.rows("assignments").values())
        for row in rows_of(workspace, assignments, days_of_window(first, last)):
            yield {}, row

    return pairs


# Reports


def _asked_days(query: Query) -> tuple[str, str]:
    """The first and last UTC day of the query; all days by default."""
    first, last = query.get("start", ["0000"])[-1], query.get("end", ["9999"])[-1]
    return first.partition("T")[0], last.partition("T")[0]


def _entries(workspace: Workspace, query: Query) -> list[Entry]:
    first, last = _asked_days(query)
    start = None if first == "0000" else parse_instant(first)
    end = None if last == "9999" else parse_instant(last) + DAY
    return between(workspace.all_entries(), start, end)


def _grouping(state: State, workspace: Workspace, query: Query) -> Grouping:
    elapsed = state.settings.running_duration == "elapsed"
    now = int(state.clock.now()) if elapsed else None
    return Grouping(workspace, _UTC, amounts_of(dict(query)), now, state.settings.summary_day)


def _summary(state: State, workspace: Workspace, query: Query) -> Pairs:
    grouping = _grouping(state, workspace, query)
    for row in group_rows(grouping, _entries(workspace, query), ["DATE", "PROJECT", "TASK"]):
        yield {}, row


def _weekly(state: State, workspace: Workspace, query: Query) -> Pairs:
    weeks: dict[int, list[Entry]] = {}
    for entry in _entries(workspace, query):
        day = entry.start // DAY
        weeks.setdefault(day - weekday(day), []).append(entry)
    grouping = _grouping(state, workspace, query)
    for monday, entries in weeks.items():
        days = [utc_day((monday + number) * DAY) for number in range(7)]
        for row in weekly_rows(grouping, entries, "PROJECT", days):
            yield {"weekStart": days[0]}, row


def _attendance(state: State, workspace: Workspace, query: Query) -> Pairs:
    shown_in = shown_zone(state.settings, _UTC)
    for row in attendance_rows(workspace, _entries(workspace, query), _UTC, shown_in):
        yield {}, row


def _expense_report(state: State, workspace: Workspace, query: Query) -> Pairs:
    first, last = _asked_days(query)
    shown_in = shown_zone(state.settings, _UTC)
    for expense in workspace.rows("expenses").values():
        if first <= expense["date"][:10] <= last:
            yield {}, money_rows.expense_report_row(workspace, expense, _UTC, shown_in)


# Changes of entities


def _changes(
    changes_of: Callable[[State, Workspace], list[Change]], may_begin_in_window: bool
) -> Make:
    """A feed of a year, or of one window (`start`, `end`).

    Over a year it is uncertain whether an entity's creation lies in the window of its change, so
    only changes of entities older than the longest window are returned.
    """

    def pairs(state: State, workspace: Workspace, query: Query) -> Pairs:
        oldest = state.clock.now() - state.settings.change_retention * DAY
        windowed = "start" in query and "end" in query
        first = max(oldest, parse_instant(query["start"][-1])) if windowed else oldest
        last = parse_instant(query["end"][-1]) if windowed else float("inf")
        for change in entity_changes.within(changes_of(state, workspace), first, last):
            since = first if windowed else change.at - CERTAIN_DAYS * DAY
            if may_begin_in_window or change.created < since:
                yield {}, change_row(state.settings, workspace, change)

    return pairs


LOOKBACK_DAYS, MARGIN_DAYS = 30, 2
_FIRST_DAYS = 28


def _changed_entries(state: State, workspace: Workspace, query: Query) -> Pairs:
    """The entries whose creation or change is in the feeds, unless they began shortly before.

    Covers four weeks, or from `start` on. Rates and custom field values do not have the start.
    """
    now = state.clock.now()
    windowed = "start" in query
    first = parse_instant(query["start"][-1]) if windowed else now - _FIRST_DAYS * DAY
    named: dict[tuple[str, int], None] = {}
    for changes_of in (entity_changes.created, entity_changes.updated):
        for change in entity_changes.within(changes_of(state, workspace), first, now):
            if entity_changes.COLLECTIONS[change.code] != "time-entries":
                continue
            is_making = changes_of is entity_changes.created
            since = change.at - CERTAIN_DAYS * DAY if windowed else first
            recent = change.at - (LOOKBACK_DAYS - MARGIN_DAYS) * DAY
            is_recent = workspace.entries[change.entity_id].start >= recent
            if is_making and (change.code != "TIME_ENTRY" or is_recent):
                continue
            if not is_making and (
                change.created >= since or (change.code == "TIME_ENTRY" and is_recent)
            ):
                continue
            named[change.entity_id, change.at] = None
    for entry_id, at in named:
        row = entry_row(workspace, workspace.entries[entry_id])
        yield {}, {**row, "changedAt": utc_text(at)}


def _deleted_entries(state: State, workspace: Workspace, query: Query) -> Pairs:
    for path, row in _changes(entity_changes.deleted, False)(state, workspace, query):
        if row["documentCode"] == "TIME_ENTRY":
            document = row["document"]
            yield (
                path,
                {
                    "id": row["id"],
                    "deletedAt": row["deletedAt"],
                    "userId": document.get("userId"),
                    "start": (document.get("timeInterval") or {}).get("start"),
                },
            )


# The feature required of the plan, and the function that creates the rows.
STREAMS: dict[str, tuple[str | None, Make]] = {
    **{name: (each.feature, _rows(each.collection)) for name, each in PLAIN_STREAMS.items()},
    "expenses": ("EXPENSES", _rows("expenses", money_rows.expense_row)),
    "expense_categories": ("EXPENSES", _rows("expense-categories", money_rows.category_row)),
    "invoices": ("INVOICING", _rows("invoices", money_rows.invoice_row)),
    "invoice_details": (
        "INVOICING",
        _rows("invoices", money_rows.invoice_details, invoiceId="id"),
    ),
    "invoice_payments": (
        "INVOICING",
        _only(_payments, money_rows.payment_row, invoiceId="invoiceId"),
    ),
    "invoice_settings": ("INVOICING", _rows("invoice-settings", money_rows.invoice_settings)),
    "time_off_requests": ("TIME_OFF", _only(time_off_rows.requests, time_off_rows.request_row)),
    "time_off_balances": (
        "TIME_OFF",
        _only(time_off_rows.balances, time_off_rows.balance_row, policyId="policyId"),
    ),
    "scheduling_assignments": ("SCHEDULING", _assignments),
    "scheduling_user_totals": ("SCHEDULING", _totals(user_totals)),
    "scheduling_project_totals": ("SCHEDULING", _totals(project_totals)),
    "project_custom_fields": ("CUSTOM_FIELDS", _project_fields),
    "approval_requests": ("APPROVAL", _rows("approval-requests", approval_row)),
    "shared_reports": ("SHARED_REPORTS", _rows("shared-reports")),
    "webhooks": (None, _rows("webhooks", _without_token)),
    "webhook_logs": (None, _logs),
    "audit_log": ("AUDIT_LOG", _audit_log),
    "summary_report": (None, _summary),
    "weekly_report": (None, _weekly),
    "attendance_report": ("ATTENDANCE_REPORT", _attendance),
    "expense_report": ("EXPENSES", _expense_report),
    "entity_changes_created": (None, _changes(entity_changes.created, True)),
    "entity_changes_updated": (None, _changes(entity_changes.updated, False)),
    "entity_changes_deleted": (None, _changes(entity_changes.deleted, False)),
    "time_entries_changed": (None, _changed_entries),
    "time_entries_deleted": (None, _deleted_entries),
}


def pairs_of(stream: str, state: State, workspace: Workspace, query: Query) -> Pairs:
    """A stream's rows with the ids of their paths; none if the plan lacks the feature."""
    feature, make = STREAMS[stream]
    return make(state, workspace, query) if has(workspace.plan, feature) else iter(())
