"""Wire rows of expenses and invoices."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from clockify_sandbox.render import user_of
from clockify_sandbox.store import Row, Workspace
from clockify_sandbox.timetext import parse_instant, reread_in, utc_text, zoned_text

_FLAT = (
    "id", "workspaceId", "userId", "date", "categoryId", "projectId", "taskId", "quantity", "total",
    "billable", "notes", "fileId", "locked",
)  # fmt: skip
_LISTED = (
    "id", "number", "clientId", "clientName", "status", "issuedDate", "dueDate", "currency",
    "amount", "paid", "balance",
)  # fmt: skip


def project_info(workspace: Workspace, project_id: str | None) -> Row | None:
    """A project in short form; null without one."""
    project = workspace.rows("projects").get(project_id or "")
    if project is None:
        return None
    client = workspace.rows("clients").get(project["clientId"] or "")
    return {
        "id": project["id"],
        "name": project["name"],
        "color": project["color"],
        "clientId": client["id"] if client else "",
        "clientName": client["name"] if client else "",
    }


def task_info(workspace: Workspace, task_id: str | None) -> Row | None:
    task = workspace.rows("tasks").get(task_id or "")
    return {"id": task["id"], "name": task["name"]} if task else None


def expense_row(workspace: Workspace, expense: Row) -> Row:
    """An expense as listed: objects in place of ids."""
    return {
        "id": expense["id"],
        "workspaceId": workspace.id,
        "userId": expense["userId"],
        "date": expense["date"],
        "category": workspace.rows("expense-categories").get(expense["categoryId"] or ""),
        "project": project_info(workspace, expense["projectId"]),
        "task": task_info(workspace, expense["taskId"]),
        "quantity": expense["quantity"],
        "total": expense["total"],
        "billable": expense["billable"],
        "notes": expense["notes"],
        "fileId": expense["fileId"],
        "fileName": expense["fileName"],
        "locked": expense["locked"],
    }


def flat_expense(workspace: Workspace, expense: Row) -> Row:
    """An expense as read by id."""
    return {name: expense[name] for name in _FLAT}


def category_row(workspace: Workspace, category: Row) -> Row:
    return {**category, "status": None}


def expense_day(expense: Row) -> float:
    """The midnight at which an expense's day begins, in epoch seconds of its wall clock."""
    return parse_instant(expense["date"][:10])


def expense_report_row(
    workspace: Workspace, expense: Row, zone: ZoneInfo, shown_in: ZoneInfo | None = None
) -> Row:
    """An expense as in the expense report; amounts in cents, as floats.

    Its day begins at midnight of the zone, which may be shown in another zone.
    """
    category = workspace.rows("expense-categories").get(expense["categoryId"] or "")
    project = workspace.rows("projects").get(expense["projectId"] or "")
    task = workspace.rows("tasks").get(expense["taskId"] or "")
    user_name, user_email = user_of(workspace, expense["userId"])
    member = workspace.members.get(expense["userId"])
    return {
        "id": expense["id"],
        "workspaceId": workspace.id,
        "date": zoned_text(int(reread_in(zone, expense_day(expense))), shown_in or zone),
        "time": None,
        "userId": expense["userId"],
        "userName": user_name,
        "userEmail": user_email,
        "userStatus": member.account["status"] if member else "DELETED",
        "projectId": expense["projectId"],
        "projectName": project["name"] if project else None,
        "projectColor": project["color"] if project else None,
        "taskId": expense["taskId"],
        "taskName": task["name"] if task else None,
        "categoryId": expense["categoryId"],
        "categoryName": category["name"] if category else "",
        "categoryHasUnitPrice": bool(category and category["hasUnitPrice"]),
        "categoryUnit": category["unit"] if category else None,
        "quantity": expense["quantity"],
        "amount": float(expense["total"]),
        "billable": expense["billable"],
        "notes": expense["notes"],
        "fileId": expense["fileId"],
        "fileName": expense["fileName"],
        "locked": expense["locked"],
        "approvalRequestId": expense["approvalRequestId"],
        "invoicingInfo": expense["invoicingInfo"],
        "reportName": "",
        "exportFields": [],
    }


def payments_of(workspace: Workspace, invoice_id: str) -> list[Row]:
    payments = workspace.rows("invoice-payments").values()
    return [each for each in payments if each["invoiceId"] == invoice_id]


def payment_row(workspace: Workspace, payment: Row) -> Row:
    return {name: value for name, value in payment.items() if name != "invoiceId"}


def invoice_details(workspace: Workspace, invoice: Row) -> Row:
    """An invoice as read by id, with the amount paid so far."""
    payments = payments_of(workspace, invoice["id"])
    paid = sum(each["amount"] for each in payments) if payments else None
    return {**invoice, "paid": paid, "balance": invoice["amount"] - (paid or 0)}


def invoice_row(workspace: Workspace, invoice: Row) -> Row:
    """An invoice as listed."""
    whole = invoice_details(workspace, invoice)
    return {name: whole[name] for name in _LISTED}


def invoice_info(workspace: Workspace, invoice: Row, now: float) -> Row:
    """An invoice as in the search."""
    late = int((now - parse_instant(invoice["dueDate"])) // 86_400)
    return {
        **invoice_row(workspace, invoice),
        "billFrom": invoice["billFrom"],
        "daysOverdue": max(0, late) if invoice["status"] == "OVERDUE" else None,
        "visibleZeroFields": invoice["visibleZeroFields"],
    }


def invoice_settings(workspace: Workspace, settings: Row) -> Row:
    return {name: value for name, value in settings.items() if name != "id"}


def daily_totals(expenses: list[Row]) -> list[Row]:
    """The sums of a page of expenses by day, newest first."""
    sums = _sums(expenses, lambda day: day)
    return [
        {"date": utc_text(int(day))[:10], "dateAsInstant": utc_text(int(day)), "total": total}
        for day, total in sums
    ]


def weekly_totals(expenses: list[Row]) -> list[Row]:
    """The sums of a page of expenses by week, each named by its Monday, newest first."""
    sums = _sums(expenses, lambda day: day - (day // 86_400 - 4) % 7 * 86_400)
    return [{"date": utc_text(int(day))[:10], "total": total} for day, total in sums]


def _sums(expenses: list[Row], group: Callable[[float], float]) -> list[tuple[float, float]]:
    sums: dict[float, float] = {}
    for expense in expenses:
        key = group(expense_day(expense))
        sums[key] = sums.get(key, 0) + expense["total"]
    return sorted(sums.items(), reverse=True)
