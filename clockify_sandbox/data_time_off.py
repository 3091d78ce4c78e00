"""Generates holidays, time off policies with requests and balances, and assignments."""

from clockify_sandbox.data_kit import DAY, HOUR, Kit, nasty
from clockify_sandbox.store import Row
from clockify_sandbox.timetext import utc_text

_ICONS = ("UMBRELLA", "STETHOSCOPE", "FAMILY", "PLANE", "CALENDAR")
_FRACTIONS = (".123456789", "", ".5", ".000001", ".987")
_BALANCED_MEMBERS = 8


def new_holiday(workspace_id: str, holiday_id: str, name: str, first: str, last: str) -> Row:
    """A holiday for everyone."""
    return {
        "id": holiday_id,
        "workspaceId": workspace_id,
        "name": name,
        "datePeriod": {"startDate": first, "endDate": last},
        "occursAnnually": False,
        "everyoneIncludingNew": True,
        "userIds": [],
        "userGroupIds": [],
        "automaticTimeEntryCreation": False,
        "projectId": None,
        "taskId": None,
    }


def new_policy(workspace_id: str, policy_id: str, name: str) -> Row:
    """An active policy for everyone, in days."""
    return {
        "id": policy_id,
        "workspaceId": workspace_id,
        "name": name,
        "archived": False,
        "color": "#03A9F4",
        "icon": _ICONS[0],
        "timeUnit": "DAYS",
        "allowHalfDay": True,
        "allowNegativeBalance": False,
        "negativeBalance": None,
        "automaticAccrual": None,
        "automaticTimeEntryCreation": None,
        "approve": {
            "requiresApproval": True,
            "teamManagers": False,
            "specificMembers": False,
            "userIds": [],
        },
        "everyoneIncludingNew": True,
        "userIds": [],
        "userGroupIds": [],
        "projectId": None,
    }


def new_request(
    workspace_id: str, request_id: str, policy_id: str | None, user_id: str, created: str
) -> Row:
    """A pending request for one day; names are added when served."""
    return {
        "id": request_id,
        "workspaceId": workspace_id,
        "policyId": policy_id,
        "userId": user_id,
        "requesterUserId": user_id,
        "createdAt": created,
        "timeOffPeriod": {
            "period": {"start": created[:10] + "T00:00:00Z", "end": created[:10] + "T23:59:59Z"},
            "halfDay": False,
            "halfDayPeriod": "NOT_DEFINED",
            "halfDayHours": None,
        },
        "balance": None,
        "balanceDiff": 1.0,
        "note": None,
        "status": {
            "statusType": "PENDING",
            "changedAt": None,
            "changedByUserId": None,
            "changedByUserName": None,
            "changedForUserName": None,
            "note": None,
        },
    }


def new_balance(workspace_id: str, balance_id: str, policy_id: str, user_id: str) -> Row:
    """A user's balance under a policy; names are added when served."""
    return {
        "id": balance_id,
        "workspaceId": workspace_id,
        "policyId": policy_id,
        "userId": user_id,
        "balance": 20.0,
        "total": 20.0,
        "used": 0.0,
        "negativeBalanceAmount": None,
        "negativeBalanceLimit": None,
        "negativeBalanceUsed": None,
    }


def new_assignment(
    workspace_id: str,
    assignment_id: str,
    user_id: str,
    project_id: str | None,
    period: tuple[str, str],
) -> Row:
    """A published assignment; names are added when served, `published` is not served."""
    return {
        "id": assignment_id,
        "workspaceId": workspace_id,
        "userId": user_id,
        "projectId": project_id,
        "taskId": None,
        "period": {"start": period[0], "end": period[1]},
        "hoursPerDay": 8.0,
        "startTime": None,
        "billable": True,
        "note": None,
        "published": True,
    }


def add_time_off(kit: Kit) -> None:
    """All data of this module, for a workspace that has users."""
    for maker in (_holidays, _policies, _requests, _assignments):
        kit.run(maker)


def _holidays(kit: Kit) -> None:
    groups = list(kit.workspace.rows("user-groups"))
    spans = ((700, 700), (330, 329), (150, 150), (30, 28), (0, 0), (-37, -38), (-220, -220))
    names = ("New Year", "null", "Ћирилица 🎉", "1e5", "Today", "Christmas", "{{ x }}")
    for number, (first, last) in enumerate(spans):
        row = new_holiday(
            kit.workspace.id,
            kit.id(340 - number * 20, number),
            names[number],
            kit.day(first),
            kit.day(last),
        )
        row["occursAnnually"] = number % 2 == 0
        if number % 3 == 1:
            project = kit.project(number)
            task = kit.task_of(project, number)
            row |= {
                "everyoneIncludingNew": False,
                "userIds": kit.members[:3],
                "userGroupIds": groups[:1],
                "automaticTimeEntryCreation": True,
                "projectId": project["id"] if project else None,
                "taskId": task["id"] if task else None,
            }
        if number == 5:
            row |= {"userIds": None, "userGroupIds": None}
        kit.add("holidays", row)


def _policies(kit: Kit) -> None:
    project = kit.project(0)
    project_id = project["id"] if project else None
    for number, name in enumerate(("Vacation", "null", "Old policy", "Sick leave 🤒", "1e5")):
        row = new_policy(kit.workspace.id, kit.id(360 - number * 25, number), name)
        row |= {"icon": _ICONS[number], "archived": number in (2, 4)}
        if number % 2:
            row |= {
                "timeUnit": "HOURS",
                "allowHalfDay": False,
                "allowNegativeBalance": True,
                "negativeBalance": {
                    "amount": 16.5,
                    "period": "YEAR",
                    "shouldReset": True,
                    "timeUnit": "HOURS",
                },
                "everyoneIncludingNew": False,
                "userIds": kit.members[:4],
                "approve": {
                    "requiresApproval": True,
                    "teamManagers": True,
                    "specificMembers": True,
                    "userIds": kit.members[:1],
                },
            }
        else:
            row["automaticAccrual"] = {"amount": 1.75, "period": "MONTH", "timeUnit": "DAYS"}
        if number == 0:
            row |= {
                "projectId": project_id,
                "automaticTimeEntryCreation": {
                    "enabled": True,
                    "defaultEntities": {"projectId": project_id, "taskId": None},
                },
            }
        kit.add("time-off-policies", row)
        _balances(kit, row, number)


def _balances(kit: Kit, policy: Row, number: int) -> None:
    users = kit.members[:4] if policy["userIds"] else kit.members[:_BALANCED_MEMBERS]
    for position, user_id in enumerate(users):
        held = len(kit.workspace.rows("time-off-balances"))
        row = new_balance(kit.workspace.id, kit.id(200, held), policy["id"], user_id)
        used = (0.0, 3.5, 24.0)[position % 3]
        row |= {"used": used, "balance": 20.0 - used}
        if number % 2:
            row |= {
                "negativeBalanceAmount": 16.5,
                "negativeBalanceLimit": True,
                "negativeBalanceUsed": max(0.0, used - 20.0),
            }
        kit.add("time-off-balances", row)


def _requests(kit: Kit, count: int = 14) -> None:
    policies = list(kit.workspace.rows("time-off-policies").values())
    for number in range(count):
        policy, user_id = policies[number % len(policies)], kit.member(number)
        days_ago = 350 - number * 27 if number < count - 1 else 0.25
        created = kit.at(days_ago, _FRACTIONS[number % len(_FRACTIONS)])
        row = new_request(
            kit.workspace.id, kit.id(days_ago, number), policy["id"], user_id, created
        )
        start = kit.local_midnight(int(days_ago) - 40)
        row["timeOffPeriod"]["period"] = {
            "start": utc_text(start),
            "end": utc_text(start + (1 + number % 4) * DAY - 1),
        }
        row |= {
            "balance": None if number % 4 == 2 else 20.0 - number * 1.5,
            "balanceDiff": 0.5 if number % 5 == 3 else 1.0 + number % 4,
            "note": None if number % 3 == 0 else nasty(number),
        }
        if number % 5 == 3:
            row["timeOffPeriod"] |= {
                "halfDay": True,
                "halfDayPeriod": "SECOND_HALF",
                "halfDayHours": {
                    "start": utc_text(start + 12 * HOUR),
                    "end": utc_text(start + 16 * HOUR),
                },
            }
        state = ("PENDING", "APPROVED", "REJECTED")[number % 3]
        if state != "PENDING":
            by = kit.members[0]
            row["requesterUserId"] = by if number % 4 == 1 else user_id
            row["status"] = {
                "statusType": state,
                "changedAt": kit.at(max(days_ago - 2, 0.1), _FRACTIONS[(number + 1) % 5]),
                "changedByUserId": by,
                "changedByUserName": kit.name_of(by),
                "changedForUserName": kit.name_of(user_id),
                "note": None if state == "APPROVED" else nasty(number + 5),
            }
        kit.add("time-off-requests", row)


def _assignments(kit: Kit) -> None:
    """From the distant past to the distant future, one over many years; the last is a draft."""
    spans = (
        (1500, 1490), (800, 799), (401, 380), (370, -200), (60, 55), (31, 30), (10, 3), (1, -1),
        (0, 0), (-5, -12), (-90, -95), (-300, -310), (-2, -4),
    )  # fmt: skip
    for number, (first, last) in enumerate(spans):
        project = kit.project(number)
        task = kit.task_of(project, number) if number % 2 else None
        row = new_assignment(
            kit.workspace.id,
            kit.id(max(5, min(first + 20, 350)), number),
            kit.member(number),
            project["id"] if project else None,
            (f"{kit.day(first)}T00:00:00Z", f"{kit.day(last)}T23:59:59Z"),
        )
        row |= {
            "taskId": task["id"] if task else None,
            "hoursPerDay": (8.0, 0.5, 7.75)[number % 3],
            "startTime": None if number % 3 else "10:00:00",
            "billable": number % 2 == 0,
            "note": None if number % 4 == 1 else nasty(number),
            "published": number < len(spans) - 1,
        }
        kit.add("assignments", row)
