"""Generates expenses and their categories, invoices, payments and invoice settings."""

from itertools import islice

from clockify_sandbox.data_kit import Kit, nasty
from clockify_sandbox.store import Row

INVOICE_STATES = ("UNSENT", "SENT", "PAID", "PARTIALLY_PAID", "VOID", "OVERDUE")
_CATEGORIES = ("Travel", "null", "Mileage 🚗", "1e5", "Hotel (old)", "", "Meals")
_NUMBERS = ("INV-1", "0002", "1e5", "null", "INV-5/2026", "6", "№ 7", "8", "9")


def new_category(workspace_id: str, category_id: str, name: str) -> Row:
    """An active category without a unit price."""
    return {
        "id": category_id,
        "name": name,
        "workspaceId": workspace_id,
        "hasUnitPrice": False,
        "priceInCents": 0,
        "unit": "",
        "archived": False,
    }


def new_expense(workspace_id: str, expense_id: str, user_id: str, date: str) -> Row:
    """An expense in stored form, with the ids of the entities it refers to."""
    return {
        "id": expense_id,
        "workspaceId": workspace_id,
        "userId": user_id,
        "date": date,
        "categoryId": None,
        "projectId": None,
        "taskId": None,
        "quantity": 1.0,
        "total": 1000,
        "billable": False,
        "notes": None,
        "fileId": None,
        "fileName": None,
        "locked": False,
        "approvalRequestId": None,
        "invoicingInfo": None,
    }


def new_invoice(invoice_id: str, number: str, user_id: str | None, issued: str, due: str) -> Row:
    """An unsent invoice without items; payments are added up when it is served."""
    return {
        "id": invoice_id,
        "number": number,
        "clientId": None,
        "clientName": "",
        "clientAddress": None,
        "status": "UNSENT",
        "issuedDate": issued,
        "dueDate": due,
        "currency": "EUR",
        "amount": 0,
        "subtotal": 0,
        "discount": 0.0,
        "discountAmount": 0,
        "tax": 0.0,
        "taxAmount": 0,
        "tax2": None,
        "tax2Amount": 0,
        "taxType": "SIMPLE",
        "calculationType": "INVOICE_BASED",
        "companyId": None,
        "billFrom": None,
        "subject": None,
        "note": None,
        "userId": user_id,
        "containsImportedTimes": False,
        "containsImportedExpenses": False,
        "visibleZeroFields": [],
        "items": [],
    }


def new_payment(payment_id: str, invoice_id: str, amount: int, date: str) -> Row:
    """A payment; only the path names its invoice."""
    return {
        "id": payment_id,
        "invoiceId": invoice_id,
        "amount": amount,
        "date": date,
        "author": "",
        "note": None,
    }


def new_invoice_settings(workspace_id: str) -> Row:
    """A workspace's invoice settings; their id is the workspace's and is not served."""
    return {
        "id": workspace_id,
        "defaults": {
            "companyId": "64e777123456789012345678",
            "dueDays": 14,
            "subject": nasty(7),
            "notes": "",
            "itemType": "Service",
            "itemTypeId": "650000000000000000000001",
            "defaultImportTimeItemTypeId": "650000000000000000000001",
            "defaultImportExpenseItemTypeId": None,
            "tax": 2000,
            "taxPercent": 20.0,
            "tax2": 0,
            "tax2Percent": 0.0,
            "taxType": "SIMPLE",
        },
        "exportFields": {
            "itemType": True,
            "quantity": True,
            "unitPrice": True,
            "tax": True,
            "tax2": False,
            "rtl": False,
        },
        "labels": {
            "amount": "Amount",
            "billFrom": "Bill from",
            "billTo": "Bill to",
            "description": "Description",
            "discount": "Discount",
            "dueDate": "Due date",
            "issueDate": "Issue date",
            "itemType": "Item type",
            "notes": "Notes",
            "paid": "Paid",
            "quantity": "Quantity",
            "subtotal": "Subtotal",
            "tax": "Tax",
            "tax2": "Tax 2",
            "total": "Total",
            "totalAmount": "Amount due",
            "unitPrice": "Unit price",
        },
    }


def add_money(kit: Kit) -> None:
    """All data of this module, for a workspace that has users."""
    kit.add("invoice-settings", new_invoice_settings(kit.workspace.id))
    for maker in (_categories, _expenses, _invoices):
        kit.run(maker)


def _categories(kit: Kit) -> None:
    for number, name in enumerate(_CATEGORIES):
        row = new_category(kit.workspace.id, kit.id(300 - number, number), name)
        row["archived"] = number in (1, 4)
        if number == 2:
            row |= {"hasUnitPrice": True, "priceInCents": 42, "unit": "km"}
        if number in (3, 4):
            row |= {"priceInCents": None, "unit": None}
        kit.add("expense-categories", row)


def _expenses(kit: Kit, count: int = 24) -> None:
    categories = list(kit.workspace.rows("expense-categories").values())
    for number in range(count):
        days_ago = -3 if number == 0 else number * 4
        day = kit.day(days_ago)
        row = new_expense(
            kit.workspace.id,
            kit.id(max(days_ago, 0.5), number),
            kit.member(number),
            f"{day}T00:00:00Z" if number % 5 == 2 else day,
        )
        if number == 7 and kit.deleted_users:
            row["userId"] = kit.deleted_users[0]
        category = None if number % 8 == 6 else categories[number % len(categories)]
        project = None if number % 4 == 1 else kit.project(number)
        task = kit.task_of(project, number) if number % 3 else None
        units = 12.5 + number
        by_unit = category is not None and category["hasUnitPrice"]
        row |= {
            "categoryId": category["id"] if category else None,
            "projectId": project["id"] if project else None,
            "taskId": task["id"] if task else None,
            "quantity": units if by_unit else float(1 + number),
            "total": round(units * 42) if by_unit else 100 * (1 + number) + number,
            "billable": number % 2 == 0,
            "notes": None if number % 6 == 3 else nasty(number),
            "locked": number % 7 == 2,
        }
        if number % 3 == 0:
            row |= {"fileId": kit.id(days_ago + 1, number), "fileName": f"receipt {number}.pdf"}
        elif number % 3 == 1:
            row |= {"fileId": "", "fileName": ""}
        kit.add("expenses", row)


def _invoices(kit: Kit) -> None:
    for number, label in enumerate(_NUMBERS):
        days_ago = 320 - 38 * number
        status = INVOICE_STATES[number % len(INVOICE_STATES)]
        due_ago = days_ago - (14 if status == "OVERDUE" else 30)
        issued, due = f"{kit.day(days_ago)}T00:00:00Z", f"{kit.day(due_ago)}T00:00:00Z"
        row = new_invoice(kit.id(days_ago, number), label, kit.member(number), issued, due)
        client = kit.client(number)
        row |= {
            "status": status,
            "clientId": client["id"],
            "clientName": client["name"],
            "clientAddress": client["address"],
            "billFrom": None if number % 2 else "Sandbox Ltd.\nMain Street 2",
            "companyId": None if number % 3 else "64e777123456789012345678",
            "subject": None if number % 3 == 1 else nasty(number + 3),
            "note": None if number % 2 else nasty(number + 11),
            "currency": "USD" if number % 4 == 3 else "EUR",
            "calculationType": "ITEM_BASED" if number % 3 == 2 else "INVOICE_BASED",
            "visibleZeroFields": [["TAX", "TAX_2"], [], ["DISCOUNT"]][number % 3],
            "items": [] if number == 6 else _items(kit, number),
        }
        _total_up(row, tax=2000.0 if number % 2 else 0.0, discount=1050.0 if number == 2 else 0.0)
        for expense_id in (each for item in row["items"] for each in item["expenseIds"]):
            info = {"invoiceId": row["id"], "manuallyInvoiced": number > 2}
            kit.workspace.rows("expenses")[expense_id]["invoicingInfo"] = info
        for entry_id in (each for item in row["items"] for each in item["timeEntryIds"]):
            info = {"invoiceId": row["id"], "manuallyInvoiced": False}
            kit.workspace.entries[entry_id].invoicing = info
        kit.add("invoices", row)
        _payments(kit, row, days_ago, number)


def _items(kit: Kit, number: int) -> list[Row]:
    entries = list(islice(kit.workspace.entries, number * 3, number * 3 + 2))
    expenses = list(kit.workspace.rows("expenses"))[number : number + 1]
    items: list[Row] = []
    for order in range(1 + number % 3):
        quantity, price = (100, 250, 33)[order], (100_000, 4_999, 7)[order]
        items.append(
            {
                "order": order + 1,
                "itemType": ("Service", "null", "")[order],
                "description": nasty(number + order),
                "quantity": quantity,
                "unitPrice": price,
                "amount": round(quantity * price / 100),
                "applyTaxes": ("TAX1", "TAX1TAX2", "NONE")[order],
                "importType": ("NOT_IMPORTED", "TIME_ENTRY_IMPORT", "EXPENSE_IMPORT")[order],
                "timeEntryIds": entries if order == 1 else [],
                "expenseIds": expenses if order == 2 else [],
            }
        )
    return items


def _total_up(invoice: Row, tax: float, discount: float) -> None:
    """Set an invoice's sums from its items; tax and discount in hundredths of a percent."""
    kinds = {item["importType"] for item in invoice["items"]}
    subtotal = sum(item["amount"] for item in invoice["items"])
    less = round(subtotal * discount / 10_000)
    more = round((subtotal - less) * tax / 10_000)
    invoice |= {
        "subtotal": subtotal,
        "discount": discount,
        "discountAmount": less,
        "tax": tax,
        "taxAmount": more,
        "amount": subtotal - less + more,
        "containsImportedTimes": "TIME_ENTRY_IMPORT" in kinds,
        "containsImportedExpenses": "EXPENSE_IMPORT" in kinds,
    }


def _payments(kit: Kit, invoice: Row, days_ago: int, number: int) -> None:
    amount = invoice["amount"]
    parts = {"PAID": [amount - amount // 3, amount // 3], "PARTIALLY_PAID": [amount // 2]}
    for part, paid in enumerate(parts.get(invoice["status"], [])):
        made = days_ago - 10 - part
        held = len(kit.workspace.rows("invoice-payments"))
        row = new_payment(kit.id(made, held), invoice["id"], paid, kit.at(made))
        row |= {
            "author": kit.name_of(kit.member(number)) or "",
            "note": None if part else nasty(number),
        }
        kit.add("invoice-payments", row)
