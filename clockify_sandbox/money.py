"""Expenses, their categories, and invoices with payments and settings."""

from collections.abc import Callable, Sequence

from clockify_sandbox import money_rows
from clockify_sandbox.call import (
    Call,
    Handler,
    Reply,
    encode,
    foreign,
    mismatch,
    parse_flag,
)
from clockify_sandbox.data_money import INVOICE_STATES
from clockify_sandbox.listing import (
    Keep,
    Listing,
    among,
    last_page_header,
    selected,
    sort_by,
    text,
)
from clockify_sandbox.paging import BODY, Paging, page_of
from clockify_sandbox.resources import collection_items, one, single
from clockify_sandbox.store import Row, Workspace
from clockify_sandbox.timetext import parse_instant

INFO_PAGING = Paging(BODY)


def shaped(shape: Callable[[Workspace, Row], Row]) -> Callable[[Call, Row], Row]:
    """Adapt a shape of a workspace's rows to requests."""
    return lambda call, row: shape(call.workspace, row)


# Expenses


def _expenses(call: Call) -> Sequence[Row]:
    """An admin sees all expenses, a member only their own; the newest day first."""
    rows = call.workspace.rows("expenses").values()
    seen = [row for row in rows if call.me.is_admin or row["userId"] == call.user_id]
    return sorted(seen, key=lambda row: (row["date"][:10], row["id"]), reverse=True)


EXPENSES = Listing(
    items=_expenses, render=shaped(money_rows.expense_row), filters={"user-id": among("userId")}
)


def expenses(paging: Paging) -> Handler:
    """The list with its sums, which cover the returned page."""

    def handler(call: Call) -> Reply:
        page = page_of(call, paging)
        items = selected(call, EXPENSES)
        shown = list(page.cut(items))
        rows = [money_rows.expense_row(call.workspace, row) for row in shown]
        body = {
            "expenses": {"expenses": rows, "count": len(items)},
            "dailyTotals": money_rows.daily_totals(shown),
            "weeklyTotals": money_rows.weekly_totals(shown),
        }
        return Reply(200, encode(body), last_page_header(call, page, len(items)), len(rows))

    return handler


single_expense = single("expenses", "expenseId", "Expense", shaped(money_rows.flat_expense))


def _archived(call: Call, name: str) -> Keep:
    """Unlike elsewhere, only active ones are returned by default, unless a setting changes that."""
    value = call.last(name)
    if value is None and call.state.settings.categories_default == "all":
        return lambda row: True
    wanted = False if value is None else parse_flag(name, value)
    return lambda row: row["archived"] == wanted


CATEGORIES = Listing(
    items=collection_items("expense-categories"),
    render=shaped(money_rows.category_row),
    filters={"archived": _archived, "name": text("name")},
    sorts={"NAME": sort_by("name")},
    default_sort="NAME",
    envelope=lambda rows, total: {"count": total, "categories": rows},
)


# Invoices


def _all_invoices(call: Call) -> Sequence[Row]:
    rows = call.workspace.rows("invoices").values()
    return [money_rows.invoice_details(call.workspace, row) for row in rows]


INVOICES = Listing(
    items=_all_invoices,
    render=shaped(money_rows.invoice_row),
    filters={"statuses": among("status", INVOICE_STATES)},
    sorts={
        "ID": sort_by("id"),
        "CLIENT": sort_by("clientName"),
        "DUE_ON": sort_by("dueDate"),
        "ISSUE_DATE": sort_by("issuedDate"),
        "AMOUNT": sort_by("amount"),
        "BALANCE": sort_by("balance"),
    },
    default_sort="ID",
    envelope=lambda rows, total: {"total": total, "invoices": rows},
)


def _issued(call: Call, name: str) -> Keep | None:
    """Invoices issued in a span of days, both included."""
    span = call.body().get("issueDate") or {}
    first, last = (_day(span, f"issue-date-{end}") for end in ("start", "end"))
    if first is None and last is None:
        return None
    return lambda row: (first or "") <= row["issuedDate"][:10] <= (last or "9999")


def _day(span: Row, name: str) -> str | None:
    value = span.get(name)
    if value is None:
        return None
    try:
        parse_instant(value)
    except ValueError:
        raise mismatch(name, value) from None
    return str(value)[:10]


def _of_clients(call: Call, name: str) -> Keep | None:
    chosen = call.body().get(name) or {}
    wanted = set(chosen.get("ids") or ())
    contains = chosen.get("contains", "CONTAINS") == "CONTAINS"
    return (lambda row: (row["clientId"] in wanted) == contains) if wanted else None


def _numbered(call: Call, name: str) -> Keep | None:
    wanted = call.body().get(name)
    return (lambda row: str(wanted) in row["number"]) if wanted else None


INVOICES_INFO = Listing(
    items=_all_invoices,
    render=lambda call, row: money_rows.invoice_info(call.workspace, row, call.state.clock.now()),
    filters={
        "statuses": among("status", INVOICE_STATES),
        "issueDate": _issued,
        "clients": _of_clients,
        "invoiceNumber": _numbered,
    },
    sorts=INVOICES.sorts,
    default_sort="ID",
    envelope=INVOICES.envelope,
)

single_invoice = single("invoices", "invoiceId", "Invoice", shaped(money_rows.invoice_details))


def invoice_settings(call: Call) -> Reply:
    """The settings of the workspace."""
    held = call.workspace.rows("invoice-settings")[call.workspace.id]
    return one(money_rows.invoice_settings(call.workspace, held))


def _payments(call: Call) -> Sequence[Row]:
    invoice_id = call.params["invoiceId"]
    if invoice_id not in call.workspace.rows("invoices"):
        raise foreign("Invoice", invoice_id)
    return money_rows.payments_of(call.workspace, invoice_id)


PAYMENTS = Listing(items=_payments, render=shaped(money_rows.payment_row))
