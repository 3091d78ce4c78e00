"""Wire rows of the entities, in the form of Clockify's list endpoints."""

from clockify_sandbox.data import new_membership
from clockify_sandbox.plans import features, subscription
from clockify_sandbox.store import Entry, Member, Row, Workspace
from clockify_sandbox.timetext import duration_text, utc_text


def workspace_row(workspace: Workspace, named_features: bool = True) -> Row:
    """A workspace; its list of features may be omitted."""
    row = {
        **workspace.row,
        "memberships": [member.membership for member in workspace.members.values()],
        "featureSubscriptionType": subscription(workspace.plan),
    }
    return {**row, "features": features(workspace.plan)} if named_features else row


def user_row(
    workspace: Workspace,
    member: Member,
    memberships: str = "NONE",
    roles: bool = False,
    rates: bool = True,
) -> Row:
    """A user as listed in a workspace; with memberships of the requested kind only."""
    row = dict(member.account)
    row["memberships"] = _memberships(workspace, member, memberships, rates)
    row["customFields"] = [
        {
            "customFieldId": field["id"],
            "customFieldName": field["name"],
            "customFieldType": field["type"],
            "userId": member.id,
            "value": member.values[field["id"]],
        }
        for field in workspace.rows("custom-fields").values()
        if field["id"] in member.values
    ]
    if roles:
        row["roles"] = [{**role, "userId": member.id} for role in member.roles]
    return row


def _memberships(workspace: Workspace, member: Member, kinds: str, rates: bool) -> list[Row]:
    found: list[Row] = []
    if kinds in ("WORKSPACE", "ALL"):
        found.append(member.membership)
    if kinds in ("PROJECT", "ALL"):
        for project in workspace.rows("projects").values():
            found += [each for each in project["memberships"] if each["userId"] == member.id]
    if kinds in ("USERGROUP", "ALL"):
        for group in workspace.rows("user-groups").values():
            if member.id in group["userIds"]:
                found.append(new_membership(member.id, group["id"], "USERGROUP"))
    return found if rates else [{**each, "hourlyRate": None, "costRate": None} for each in found]


def profile_row(workspace: Workspace, member: Member) -> Row:
    account = member.account
    return {
        "name": account["name"],
        "email": account["email"],
        "imageUrl": account["profilePicture"],
        **member.profile,
        "userCustomFieldValues": [
            {
                "customFieldId": field["id"],
                "userId": member.id,
                "name": field["name"],
                "type": field["type"],
                "value": member.values[field["id"]],
                "sourceType": "USER",
                "customField": field,
            }
            for field in workspace.rows("custom-fields").values()
            if field["id"] in member.values
        ],
    }


def group_row(workspace: Workspace, group: Row, team_managers: bool) -> Row:
    return group if team_managers else {**group, "teamManagers": []}


def project_row(workspace: Workspace, project: Row, no_client: str | None = "") -> Row:
    """A project with its client's name and its tracked time."""
    client = workspace.rows("clients").get(project["clientId"] or "")
    project = dict(project)
    if project["template"]:
        # Observed for one project, whose estimate is AUTO, but not for others.
        project["time"] = project.pop("timeEstimate")
    return {
        **project,
        "duration": duration_text(workspace.project_seconds.get(project["id"], 0)),
        "clientId": client["id"] if client else no_client,
        "clientName": client["name"] if client else no_client,
    }


def hydrated_project(workspace: Workspace, row: Row) -> Row:
    """A project's row with objects in place of the client's name, and favorite flags."""
    client = workspace.rows("clients").get(row["clientId"] or "")
    return {
        **{name: value for name, value in row.items() if name != "clientName"},
        "tasks": [
            {**task_row(workspace, task), "favorite": False}
            for task in tasks_of(workspace, row["id"])
        ],
        "customFields": list(workspace.rows("custom-fields").values()),
        "client": client,
        "currency": {"code": client["currencyCode"] if client else "EUR"},
        "favorite": False,
    }


def tasks_of(workspace: Workspace, project_id: str) -> list[Row]:
    return [task for task in workspace.rows("tasks").values() if task["projectId"] == project_id]


def task_row(workspace: Workspace, task: Row) -> Row:
    return {**task, "duration": duration_text(workspace.task_seconds.get(task["id"], 0))}


def entry_row(workspace: Workspace, entry: Entry, hydrated: bool = False) -> Row:
    """A time entry as listed; if hydrated, with its relations."""
    end = entry.end
    row: Row = {
        "id": entry.id,
        "description": entry.description,
        "tagIds": entry.tag_ids,
        "userId": entry.user_id,
        "billable": entry.billable,
        "taskId": entry.task_id,
        "projectId": entry.project_id,
        "workspaceId": workspace.id,
        "timeInterval": {
            "start": utc_text(entry.start),
            "end": None if end is None else utc_text(end),
            "duration": None if end is None else duration_text(end - entry.start),
        },
        "customFieldValues": entry_values(workspace, entry) if entry.values else [],
        "type": entry.type,
        "kioskId": entry.kiosk_id,
        "hourlyRate": entry.hourly_rate,
        "costRate": entry.cost_rate,
        "isLocked": entry.locked,
    }
    if entry.extra:
        row |= entry.extra
    if hydrated:
        row |= _relations(workspace, entry)
    return row


def entry_values(workspace: Workspace, entry: Entry) -> list[Row]:
    fields = workspace.collections["custom-fields"]
    return [
        {
            "customFieldId": field_id,
            "timeEntryId": entry.id,
            "value": value,
            "name": fields[field_id]["name"],
            "type": fields[field_id]["type"],
            "sourceType": "TIMEENTRY",
        }
        for field_id, value in entry.values
        if field_id in fields
    ]


def _relations(workspace: Workspace, entry: Entry) -> Row:
    project = workspace.rows("projects").get(entry.project_id or "")
    task = workspace.rows("tasks").get(entry.task_id or "")
    member = workspace.members.get(entry.user_id)
    tags = workspace.rows("tags")
    return {
        "project": project_row(workspace, project) if project else None,
        "task": task_row(workspace, task) if task else None,
        "tags": [tags[tag] for tag in entry.tag_ids or () if tag in tags],
        "user": user_row(workspace, member) if member else None,
        "kiosk": {"id": entry.kiosk_id, "name": "Front desk"} if entry.kiosk_id else None,
    }


def user_of(workspace: Workspace, user_id: str) -> tuple[str, str | None]:
    member = workspace.members.get(user_id)
    if member is None:
        return "DeletedUser", None
    return member.account["name"] or "", member.account["email"]


def cents(rate: Row | None, seconds: int) -> float:
    return 0.0 if rate is None else rate["amount"] * seconds / 3600
