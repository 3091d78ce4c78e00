"""The expense report: expenses in a window of days, with the names of referenced entities."""

from clockify_sandbox.call import Call, Reply, encode, mismatch
from clockify_sandbox.listing import present
from clockify_sandbox.money_rows import expense_day, expense_report_row
from clockify_sandbox.paging import BODY, Paging, page_of
from clockify_sandbox.report_base import (
    check_export_type,
    order_of,
    shown_zone,
    wall_clocks,
    window_of,
    zone_of,
)
from clockify_sandbox.store import Row

EXPENSE_REPORT_PAGING = Paging(BODY, maximum=1000)
_SORTS = {
    "ID": "id",
    "PROJECT": "projectName",
    "USER": "userName",
    "CATEGORY": "categoryName",
    "DATE": "date",
    "AMOUNT": "amount",
}
_IDS = {
    "users": "userId",
    "projects": "projectId",
    "tasks": "taskId",
    "categories": "categoryId",
}


def expense_report(call: Call) -> Reply:
    """POST /workspaces/{id}/reports/expenses/detailed: an expense counts at its day's midnight."""
    body = call.body()
    check_export_type(body)
    column = body.get("sortColumn") or "DATE"
    if column not in _SORTS:
        raise mismatch("sortColumn", column)
    zone = zone_of(call, body)
    page = page_of(call, EXPENSE_REPORT_PAGING)
    window_of(call, body, zone)
    first, last = wall_clocks(body)
    expenses = [
        expense
        for expense in present(call, call.workspace.rows("expenses").values())
        if first <= expense_day(expense) <= last
        and (call.me.is_admin or expense["userId"] == call.user_id)
        and _wanted(body, expense)
    ]
    shown_in = shown_zone(call.state.settings, zone)
    rows = [expense_report_row(call.workspace, expense, zone, shown_in) for expense in expenses]
    rows.sort(key=lambda row: row["id"])
    descending = order_of(body, body, "DESCENDING") == "DESCENDING"
    rows.sort(key=lambda row: row[_SORTS[column]] or "", reverse=descending)
    totals = {
        "expensesCount": len(rows),
        "totalAmount": sum(row["amount"] for row in rows),
        "totalAmountBillable": sum(row["amount"] for row in rows if row["billable"]),
    }
    shown = page.cut(rows)
    return Reply(200, encode({"totals": totals, "expenses": shown}), rows=len(shown))


def _wanted(body: Row, expense: Row) -> bool:
    for name, field in _IDS.items():
        chosen = body.get(name)
        ids = set(chosen.get("ids") or ()) if isinstance(chosen, dict) else set()
        contains = isinstance(chosen, dict) and chosen.get("contains", "CONTAINS") == "CONTAINS"
        if ids and (expense[field] in ids) != contains:
            return False
    if isinstance(body.get("billable"), bool) and expense["billable"] != body["billable"]:
        return False
    if body.get("withoutNote") is True and expense["notes"]:
        return False
    note = str(body.get("note") or "").casefold()
    return note in (expense["notes"] or "").casefold()
