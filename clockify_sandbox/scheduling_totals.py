"""Sums of the assignments in a window of days, by user, and by project and task."""

from collections.abc import Callable, Iterable, Sequence

from clockify_sandbox.call import (
    RULE_VIOLATED,
    Call,
    Handler,
    Reply,
    encode,
    error,
    mismatch,
)
from clockify_sandbox.listing import present
from clockify_sandbox.paging import BODY, Paging, page_of
from clockify_sandbox.store import Member, Row, Workspace
from clockify_sandbox.time_off import parsed
from clockify_sandbox.timetext import DAY, duration_seconds, parse_instant, utc_text

TOTALS_PAGING = Paging(BODY, maximum=200)
_STATUSES = {"PUBLISHED": (True,), "UNPUBLISHED": (False,), "ALL": (True, False)}


def user_totals(workspace: Workspace, assignments: Iterable[Row], days: range) -> list[Row]:
    """One row for each listed user; a day is counted from 1970-01-01."""
    held: dict[str, list[Row]] = {}
    for assignment in assignments:
        held.setdefault(assignment["userId"], []).append(assignment)
    return [
        _user_row(workspace, member, held.get(member.id, []), days)
        for member in workspace.members.values()
    ]


def project_totals(workspace: Workspace, assignments: Iterable[Row], days: range) -> list[Row]:
    """One row for each project and task with assignments in these days."""
    held: dict[tuple[str, str | None], list[Row]] = {}
    for assignment in assignments:
        if assignment["projectId"] in workspace.rows("projects") and _days_of(assignment, days):
            key = (assignment["projectId"], assignment["taskId"])
            held.setdefault(key, []).append(assignment)
    return [_project_row(workspace, *key, rows, days) for key, rows in held.items()]


def days_of_window(start: float, end: float) -> range:
    return range(int(start // DAY), int(end // DAY) + 1)


def serve_user_totals(call: Call) -> Reply:
    """POST .../scheduling/assignments/user-filter/totals: for an admin everyone's, else one's own.

    A fault omits users.
    """

    def rows(assignments: Sequence[Row], days: range) -> Sequence[Row]:
        listed = {member.id for member in present(call, call.workspace.members.values())}
        return [
            row
            for row in user_totals(call.workspace, assignments, days)
            if row["userId"] in listed and (call.me.is_admin or row["userId"] == call.user_id)
        ]

    return _serve(call, rows)


def serve_project_totals(call: Call) -> Reply:
    """POST .../scheduling/assignments/projects/totals; a fault omits assignments."""
    return _serve(call, lambda rows, days: project_totals(call.workspace, rows, days))


def _serve(call: Call, rows_of: Callable[[Sequence[Row], range], Sequence[Row]]) -> Reply:
    body = call.body()
    start, end = (_bound(body, name) for name in ("start", "end"))
    if start > end:
        raise error(400, "start must be before end", RULE_VIOLATED)
    status = body.get("statusFilter") or "PUBLISHED"
    if status not in _STATUSES:
        raise mismatch("statusFilter", status)
    page = page_of(call, TOTALS_PAGING)
    assignments = [
        row
        for row in present(call, call.workspace.rows("assignments").values())
        if row["published"] in _STATUSES[status]
        and (call.me.is_admin or row["userId"] == call.user_id)
    ]
    shown = page.cut(rows_of(assignments, days_of_window(start, end)))
    return Reply(200, encode(shown), rows=len(shown))


def _bound(body: Row, name: str) -> float:
    if body.get(name) is None:
        raise error(400, f"Required parameter '{name}' is not present", 3001)
    return parsed(name, body[name])


def _days_of(assignment: Row, days: range) -> range:
    """The days of an assignment within the window."""
    period = assignment["period"]
    own = days_of_window(parse_instant(period["start"]), parse_instant(period["end"]))
    return range(max(own.start, days.start), min(own.stop, days.stop))


def _day(number: int) -> str:
    return utc_text(number * DAY)


def _user_row(workspace: Workspace, member: Member, assignments: list[Row], days: range) -> Row:
    hours = dict.fromkeys(days, 0.0)
    for assignment in assignments:
        for day in _days_of(assignment, days):
            hours[day] += assignment["hoursPerDay"]
    return {
        "userId": member.id,
        "userName": member.account["name"] or "",
        "userImage": member.account["profilePicture"],
        "userStatus": member.account["status"],
        "workspaceId": workspace.id,
        "capacityPerDay": float(duration_seconds(member.profile["workCapacity"])),
        "workingDays": member.profile["workingDays"],
        "totalHoursPerDay": [
            {"date": _day(day), "totalHours": planned} for day, planned in hours.items()
        ],
    }


def _project_row(
    workspace: Workspace, project_id: str, task_id: str | None, assignments: list[Row], days: range
) -> Row:
    project = workspace.rows("projects")[project_id]
    client = workspace.rows("clients").get(project["clientId"] or "")
    task = workspace.rows("tasks").get(task_id or "")
    planned = {day for each in assignments for day in _days_of(each, days)}
    return {
        "projectId": project_id,
        "projectName": project["name"],
        "projectColor": project["color"],
        "projectArchived": project["archived"],
        "projectBillable": project["billable"],
        "clientName": client["name"] if client else "",
        "taskId": task_id,
        "taskName": task["name"] if task else None,
        "workspaceId": workspace.id,
        "totalHours": sum(each["hoursPerDay"] * len(_days_of(each, days)) for each in assignments),
        "assignments": [{"date": _day(day), "hasAssignment": day in planned} for day in days],
        "milestones": [],
    }


HANDLERS: dict[str, Handler] = {
    "user-filter": serve_user_totals,
    "projects": serve_project_totals,
}
