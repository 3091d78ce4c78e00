"""Generates approval requests, shared reports, webhooks and their delivery log."""

from clockify_sandbox.data_kit import DAY, Kit, nasty
from clockify_sandbox.plans import has
from clockify_sandbox.store import Row
from clockify_sandbox.timetext import utc_text

APPROVAL_STATES = ("PENDING", "APPROVED", "WITHDRAWN_APPROVAL", "REJECTED", "WITHDRAWN_SUBMISSION")
_LARGE = 60_000
_A_MONDAY = 4  # days after the epoch


def new_approval(
    workspace_id: str, request_id: str, user_id: str, period: tuple[str, str], zone: str
) -> Row:
    """A pending request without entries; names, entries, expenses, sums are added when served."""
    return {
        "id": request_id,
        "approvalRequest": {
            "id": request_id,
            "workspaceId": workspace_id,
            "type": "TIMESHEET",
            "owner": {"userId": user_id, "timeZone": zone, "startOfWeek": "MONDAY"},
            "creator": {"userId": user_id},
            "dateRange": {"start": period[0], "end": period[1]},
            "status": {
                "state": "PENDING",
                "note": None,
                "updatedAt": None,
                "updatedBy": None,
                "updatedByUserName": None,
            },
        },
        "entryIds": [],
        "expenseIds": [],
    }


def new_shared_report(report_id: str, name: str) -> Row:
    """A public summary report; the list omits unknown values."""
    return {
        "id": report_id,
        "name": name,
        "type": "SUMMARY",
        "link": f"https://app.clockify.me/shared/{report_id}",
        "isPublic": True,
        "fixedDate": None,
        "reportAuthor": None,
        "visibleToUsers": [],
        "visibleToUserGroups": [],
    }


def new_webhook(workspace_id: str, webhook_id: str, user_id: str | None, token: str) -> Row:
    """An enabled webhook on new time entries."""
    return {
        "id": webhook_id,
        "name": "New webhook",
        "url": "https://hooks.example.com/new",
        "workspaceId": workspace_id,
        "userId": user_id,
        "webhookEvent": "NEW_TIME_ENTRY",
        "triggerSource": [],
        "triggerSourceType": "WORKSPACE_ID",
        "authToken": token,
        "enabled": True,
        "deliveryEnabled": True,
        "planEnabled": True,
    }


def new_log(log_id: str, webhook_id: str | None, status_id: str, responded: str) -> Row:
    """A successful delivery."""
    return {
        "id": log_id,
        "webhookId": webhook_id,
        "webhookEventStatusId": status_id,
        "respondedAt": responded,
        "statusCode": 200,
        "requestBody": "{}",
        "responseBody": "",
    }


def add_administration(kit: Kit) -> None:
    """All data of this module; webhooks even for a workspace without users."""
    kit.run(_webhooks)
    if kit.members:
        kit.run(_approvals)
        kit.run(_shared_reports)


def _approvals(kit: Kit) -> None:
    """Each state with and without a time of change; at most one request per entry."""
    workspace = kit.workspace
    marks = has(workspace.plan, "APPROVAL")
    expenses = list(workspace.rows("expenses").values())
    kinds = ("TIMESHEET", "TIMESHEET", "TIMESHEET_AND_EXPENSE", "EXPENSE")
    for number in range(12):
        user_id, days_ago = kit.member(number), 330 - 29 * number
        monday = days_ago + (kit.midnight // DAY - days_ago - _A_MONDAY) % 7
        row = new_approval(
            workspace.id,
            kit.id(days_ago, number),
            user_id,
            (
                utc_text(kit.local_midnight(monday)),
                utc_text(kit.local_midnight(monday - 7) - 1),
            ),
            kit.zone.key,
        )
        request, state = row["approvalRequest"], APPROVAL_STATES[number % len(APPROVAL_STATES)]
        request["type"] = kinds[number % len(kinds)]
        request["creator"] = {"userId": kit.members[0] if number % 4 == 3 else user_id}
        changed = number >= len(APPROVAL_STATES)
        request["status"] = {
            "state": state,
            "note": nasty(number) if number % 2 else None,
            "updatedAt": kit.at(days_ago - 4, ("", ".25", ".123")[number % 3]) if changed else None,
            "updatedBy": kit.members[0] if changed else None,
            "updatedByUserName": kit.name_of(kit.members[0]) if changed else None,
        }
        if "TIMESHEET" in request["type"]:
            free = [
                entry
                for entry in workspace.entries_of(user_id)
                if entry.end is not None and entry.end < kit.now and entry.approval_id is None
            ]
            for entry in free[: 1 + number % 3]:
                row["entryIds"].append(entry.id)
                if marks:
                    entry.approval_id = row["id"]
        if "EXPENSE" in request["type"]:
            for expense in expenses[number : number + 2]:
                if expense["approvalRequestId"] is None:
                    row["expenseIds"].append(expense["id"])
                    expense["approvalRequestId"] = row["id"]
        kit.add("approval-requests", row)


def _shared_reports(kit: Kit) -> None:
    workspace = kit.workspace
    groups = list(workspace.rows("user-groups").values())
    kinds = ("SUMMARY", "DETAILED", "WEEKLY", "ATTENDANCE", "EXPENSE_DETAILED", "ASSIGNMENT")
    for number, kind in enumerate(kinds):
        row = new_shared_report(kit.id(250 - number * 30, number), nasty(number + 2))
        fixed = (True, False, None)[number % 3]
        row |= {"type": kind, "isPublic": number % 2 == 0, "fixedDate": fixed}
        if number % 4:
            author = kit.member(number)
            row |= {
                "userId": author,
                "workspaceId": workspace.id,
                "reportAuthor": kit.name_of(author),
                "visibleToUsers": [
                    {"id": user_id, "name": kit.name_of(user_id)} for user_id in kit.members[:2]
                ],
                "visibleToUserGroups": [
                    {"id": group["id"], "name": group["name"]} for group in groups[:1]
                ],
                "filter": _filter(kit, kind),
            }
        kit.add("shared-reports", row)


def _filter(kit: Kit, kind: str) -> Row:
    """The filter saved with a shared report."""
    users = {"ids": kit.members[:1], "contains": "CONTAINS", "status": "ALL"}
    page: Row = {"page": 1, "pageSize": 50}
    families: dict[str, Row] = {
        "WEEKLY": {"weeklyFilter": {"group": "PROJECT", "subgroup": "TIME"}},
        "ATTENDANCE": {"attendanceFilter": {**page, "users": users}},
        "ASSIGNMENT": {
            "summaryFilter": {"groups": ["PROJECT", "TIMEENTRY"], "sortColumn": "GROUP"}
        },
    }
    detailed = {
        **page,
        "sortColumn": "DATE",
        "sortOrder": "DESCENDING",
        "auditFilter": None,
        "options": {"totals": "CALCULATE"},
    }
    return {
        "dateRangeStart": f"{kit.day(60)}T00:00:00.000Z",
        "dateRangeEnd": f"{kit.day(30)}T23:59:59.999Z",
        "exportType": "JSON",
        **families.get(kind, {"detailedFilter": detailed}),
    }


def _webhooks(kit: Kit) -> None:
    events = ("NEW_TIME_ENTRY", "TIME_ENTRY_DELETED", "NEW_PROJECT")
    owner = next(iter(kit.members), None)
    projects = [project["id"] for project in kit.projects[:2]]
    for number, event in enumerate(events):
        token = f"secret-{kit.rng.getrandbits(64):x}"
        row = new_webhook(kit.workspace.id, kit.id(240 - number * 50, number), owner, token)
        row |= {
            "name": ("", "hook 1", "null")[number],
            "url": f"https://hooks.example.com/{number}",
            "webhookEvent": event,
            "enabled": number != 1,
            "deliveryEnabled": number != 1,
            "triggerSource": projects if number == 2 else [],
            "triggerSourceType": "PROJECT_ID" if number == 2 else "WORKSPACE_ID",
        }
        kit.add("webhooks", row)
        for turn in range((55, 3, 0)[number]):
            _log(kit, row, turn)


def _log(kit: Kit, webhook: Row, turn: int) -> None:
    held, days_ago = len(kit.workspace.rows("webhook-logs")), 1 + turn * 0.37
    responded = kit.at(days_ago, ("", ".123", ".987654")[turn % 3])
    page = f"<html>{'y' * (_LARGE if turn == 10 else 9)}"
    row = new_log(kit.id(days_ago, held), webhook["id"], kit.id(days_ago), responded)
    row |= {
        "statusCode": (200, 204, 500, 404)[turn % 4],
        "requestBody": '{"id":"64e777123456789012345678","description":"'
        + ("x" * _LARGE if turn % 20 == 7 else f"delivery {turn}")
        + '"}',
        "responseBody": ("", "ok", page, "null")[turn % 4],
    }
    kit.add("webhook-logs", row)
