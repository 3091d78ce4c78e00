"""Wire rows of time off and assignments, with the names of referenced entities."""

from clockify_sandbox.store import Row, Workspace


def _name(workspace: Workspace, user_id: str) -> str | None:
    member = workspace.members.get(user_id)
    name: str | None = member.account["name"] if member else None
    return name


def request_row(workspace: Workspace, request: Row) -> Row:
    policy = workspace.rows("time-off-policies").get(request["policyId"] or "")
    member = workspace.members.get(request["userId"])
    account = member.account if member else {}
    settings = account.get("settings") or {}
    return {
        **request,
        "policyName": policy["name"] if policy else None,
        "timeUnit": policy["timeUnit"] if policy else "DAYS",
        "userName": account.get("name"),
        "userEmail": account.get("email"),
        "userTimeZone": settings.get("timeZone"),
        "requesterUserName": _name(workspace, request["requesterUserId"]),
    }


def balance_row(workspace: Workspace, balance: Row) -> Row:
    policy = workspace.rows("time-off-policies").get(balance["policyId"], {})
    return {
        **balance,
        "policyName": policy.get("name"),
        "policyArchived": policy.get("archived"),
        "policyTimeUnit": policy.get("timeUnit"),
        "userName": _name(workspace, balance["userId"]),
    }


def balances(workspace: Workspace) -> list[Row]:
    """The balances of listed users; those of deleted users are lost."""
    rows = workspace.rows("time-off-balances").values()
    policies = workspace.rows("time-off-policies")
    return [
        row for row in rows if row["userId"] in workspace.members and row["policyId"] in policies
    ]


def requests(workspace: Workspace) -> list[Row]:
    """The requests of listed users; those of deleted users are lost."""
    rows = workspace.rows("time-off-requests").values()
    return [row for row in rows if row["userId"] in workspace.members]


def assignment_row(workspace: Workspace, assignment: Row) -> Row:
    project = workspace.rows("projects").get(assignment["projectId"] or "")
    client = workspace.rows("clients").get((project["clientId"] if project else None) or "")
    task = workspace.rows("tasks").get(assignment["taskId"] or "")
    row = {name: value for name, value in assignment.items() if name != "published"}
    return {
        **row,
        "userName": _name(workspace, assignment["userId"]),
        "projectName": project["name"] if project else None,
        "projectColor": project["color"] if project else None,
        "projectArchived": bool(project and project["archived"]),
        "projectBillable": bool(project and project["billable"]),
        "clientId": client["id"] if client else None,
        "clientName": client["name"] if client else None,
        "taskName": task["name"] if task else None,
    }


def assignments(workspace: Workspace, drafts: bool = False) -> list[Row]:
    """The published assignments, and the drafts if these are listed too."""
    return [row for row in workspace.rows("assignments").values() if drafts or row["published"]]
