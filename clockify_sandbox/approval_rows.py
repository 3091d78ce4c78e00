"""Wire rows of approval requests, including their time entries and expenses."""

from zoneinfo import ZoneInfo

from clockify_sandbox.money_rows import expense_row, project_info, task_info
from clockify_sandbox.plans import has
from clockify_sandbox.render import cents, entry_values
from clockify_sandbox.store import Entry, Row, Workspace
from clockify_sandbox.timetext import duration_text, utc_text, wall_clock


def approval_row(workspace: Workspace, stored: Row) -> Row:
    """A request with its entries, its expenses if the plan has them, and their sums."""
    request = stored["approvalRequest"]
    state = request["status"]["state"]
    entries = [workspace.entries[each] for each in stored["entryIds"] if each in workspace.entries]
    held = workspace.rows("expenses")
    ids = stored["expenseIds"] if has(workspace.plan, "EXPENSES") else []
    expenses = [held[each] for each in ids if each in held]
    work = [entry for entry in entries if entry.type != "BREAK"]
    tracked = sum(entry.seconds for entry in work)
    billable = [entry for entry in work if entry.billable]
    return {
        "approvalRequest": {
            **request,
            "owner": {**request["owner"], **_named(workspace, request["owner"]["userId"])},
            "creator": _named(workspace, request["creator"]["userId"], email=True),
        },
        "trackedTime": duration_text(tracked),
        "billableTime": duration_text(sum(entry.seconds for entry in billable)),
        "breakTime": duration_text(sum(each.seconds for each in entries if each.type == "BREAK")),
        "approvedTime": duration_text(tracked if state == "APPROVED" else 0),
        "pendingTime": duration_text(tracked if state == "PENDING" else 0),
        "billableAmount": sum(cents(entry.hourly_rate, entry.seconds) for entry in billable),
        "costAmount": sum(cents(entry.cost_rate, entry.seconds) for entry in work),
        "expenseTotal": sum(expense["total"] for expense in expenses),
        "entries": [
            _entry(workspace, entry, stored["id"], request["owner"]["timeZone"])
            for entry in entries
        ],
        "expenses": [_expense(workspace, expense, stored["id"], state) for expense in expenses],
    }


def _named(workspace: Workspace, user_id: str, email: bool = False) -> Row:
    member = workspace.members.get(user_id)
    account = member.account if member else {}
    found: Row = {"userId": user_id, "userName": account.get("name")}
    return {**found, "userEmail": account.get("email")} if email else found


def _entry(workspace: Workspace, entry: Entry, request_id: str, zone_name: str) -> Row:
    tags = workspace.rows("tags")
    return {
        "id": entry.id,
        "approvalRequestId": request_id,
        "description": entry.description,
        "type": entry.type,
        "billable": entry.billable,
        "isLocked": entry.locked,
        "project": project_info(workspace, entry.project_id),
        "task": task_info(workspace, entry.task_id),
        "tags": [tags[tag] for tag in entry.tag_ids or () if tag in tags],
        "timeInterval": _interval(entry, ZoneInfo(zone_name)),
        "hourlyRate": entry.hourly_rate,
        "costRate": entry.cost_rate,
        "customFieldValues": entry_values(workspace, entry),
    }


def _interval(entry: Entry, zone: ZoneInfo) -> Row:
    """A time interval in wall clock of the owner's zone; offsets in seconds."""
    start, start_offset = wall_clock(entry.start, zone)
    end, end_offset = (None, None) if entry.end is None else wall_clock(entry.end, zone)
    return {
        "start": utc_text(entry.start),
        "end": None if entry.end is None else utc_text(entry.end),
        "duration": None if entry.end is None else duration_text(entry.seconds),
        "timeZone": zone.key,
        "zonedStart": start,
        "zonedEnd": end,
        "offsetStart": start_offset,
        "offsetEnd": end_offset,
    }


def _expense(workspace: Workspace, expense: Row, request_id: str, state: str) -> Row:
    file_id = expense["fileId"]
    return {
        **expense_row(workspace, expense),
        "date": expense["date"][:10],
        "currency": "EUR",
        "fileUrl": f"https://files.example.com/{file_id}" if file_id else None,
        "approvalRequestId": request_id,
        "approvalStatus": state,
        "detailedApprovalStatus": state,
    }
