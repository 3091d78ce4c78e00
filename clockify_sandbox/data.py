"""Generates the core of a workspace: users, groups, clients, projects, tasks, tags, entries."""

from collections.abc import Callable
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from clockify_sandbox.ids import IdMaker
from clockify_sandbox.plans import features
from clockify_sandbox.store import Addon, Entry, Member, Row, Workspace, World
from clockify_sandbox.texts import CLIENTS, GROUPS, NASTY, PROJECTS, TAGS, TASKS, USERS
from clockify_sandbox.timetext import clock_changes, reread_in

HOUR, DAY = 3600, 86_400
WEEK_DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
SHARED_USERS = (0, 1, 2, 6)
DELETED_USERS = 2
EVERY_SCOPE = "*"
_COLORS = ("#03A9F4", "#F44336", "#8BC34A", "#9C27B0")


def account_of(world: World, number: int, own_to: int | None = None) -> Row:
    """The account with this number, created on first use."""
    mark = f"{number}" if own_to is None else f"{number}.{own_to}"
    if mark in world.account_ids:
        return world.accounts[world.account_ids[mark]]
    created = world.now - world.rng.randrange(500, 1000) * DAY
    kind = number % len(USERS)
    status = {3: "LIMITED", 4: "NOT_REGISTERED"}.get(kind, "ACTIVE")
    account: Row = {
        "id": world.ids.make(created, number if own_to is None and number < 2 else 2),
        "email": f"user{mark}@example.com",
        "name": USERS[kind],
        "profilePicture": None if kind % 3 == 0 else f"https://img.example.com/{mark}.png",
        "activeWorkspace": None,
        "defaultWorkspace": None,
        "settings": None if status == "LIMITED" else _settings(world.options.time_zone, kind),
        "status": status,
    }
    world.accounts[account["id"]] = account
    world.account_ids[mark] = account["id"]
    return account


def _settings(time_zone: str, kind: int) -> Row:
    return {
        "weekStart": "MONDAY" if kind % 2 else "SUNDAY",
        "timeZone": time_zone,
        "timeFormat": "HOUR24",
        "dateFormat": "DD/MM/YYYY",
        "sendNewsletter": False,
        "weeklyUpdates": bool(kind % 2),
        "longRunning": False,
        "scheduledReports": True,
        "approval": True,
        "pto": True,
        "alerts": True,
        "reminders": True,
        "onboarding": True,
        "scheduling": True,
        "invoiceReminders": False,
        "timeTrackingManual": False,
        "summaryReportSettings": {"group": "Project", "subgroup": "Time Entry"},
        "isCompactViewOn": False,
        "dashboardSelection": "ME",
        "dashboardViewType": "PROJECT",
        "dashboardPinToTop": False,
        "projectListCollapse": 50,
        "collapseAllProjectLists": False,
        "groupSimilarEntriesDisabled": False,
        "myStartOfDay": "09:00",
        "projectPickerTaskFilter": False,
        "lang": "EN",
        "multiFactorEnabled": False,
        "showOnlyWorkingDays": False,
        "theme": "DEFAULT",
    }


def rate(amount: int | None, currency: str = "EUR") -> Row | None:
    """A rate in minor units, or null."""
    return None if amount is None else {"amount": amount, "currency": currency}


def new_membership(user_id: str, target_id: str, kind: str, status: str = "ACTIVE") -> Row:
    """A membership without rates."""
    return {
        "userId": user_id,
        "hourlyRate": None,
        "costRate": None,
        "targetId": target_id,
        "membershipType": kind,
        "membershipStatus": status,
    }


def new_profile(number: int) -> Row:
    """The part of a user that only the member profile has."""
    return {
        "hasPassword": number % 3 != 0,
        "hasPendingApprovalRequest": number % 5 == 1,
        "weekStart": "MONDAY",
        "workCapacity": "PT7H30M" if number % 2 else "PT8H",
        "workingDays": WEEK_DAYS[: 5 if number % 2 else 4],
        "workspaceNumber": number + 1,
    }


def new_role(workspace_id: str, role: str) -> Row:
    """A role for the whole workspace."""
    return {"role": role, "entities": [{"id": workspace_id, "name": None, "source": None}]}


def new_project(workspace_id: str, project_id: str, name: str) -> Row:
    """An active public project without client; `duration` and `clientName` are added on serving."""
    return {
        "id": project_id,
        "name": name,
        "hourlyRate": None,
        "clientId": None,
        "workspaceId": workspace_id,
        "billable": True,
        "memberships": [],
        "color": _COLORS[0],
        "estimate": {"estimate": "PT0S", "type": "AUTO"},
        "archived": False,
        "duration": "PT0S",
        "clientName": "",
        "note": None,
        "costRate": None,
        "timeEstimate": {
            "estimate": "PT0S",
            "type": "AUTO",
            "resetOption": None,
            "active": False,
            "includeNonBillable": True,
        },
        "budgetEstimate": None,
        "estimateReset": None,
        "template": False,
        "public": True,
    }


def new_task(task_id: str, project_id: str, name: str) -> Row:
    """An active task."""
    return {
        "id": task_id,
        "name": name,
        "projectId": project_id,
        "assigneeIds": [],
        "assigneeId": None,
        "userGroupIds": [],
        "estimate": "PT0S",
        "status": "ACTIVE",
        "budgetEstimate": None,
        "duration": "PT0S",
        "billable": True,
        "hourlyRate": None,
        "costRate": None,
        "active": True,
    }


def new_client(workspace_id: str, client_id: str, name: str) -> Row:
    return {
        "id": client_id,
        "name": name,
        "email": None,
        "workspaceId": workspace_id,
        "archived": False,
        "address": None,
        "note": None,
        "currencyId": None,
        "currencyCode": "EUR",
        "ccEmails": None,
    }


def new_tag(workspace_id: str, tag_id: str, name: str) -> Row:
    return {"id": tag_id, "name": name, "workspaceId": workspace_id, "archived": False}


def new_group(workspace_id: str, group_id: str, name: str) -> Row:
    """A group; its team managers are added on request."""
    return {
        "id": group_id,
        "name": name,
        "workspaceId": workspace_id,
        "userIds": [],
        "teamManagers": [],
    }


def new_custom_field(workspace_id: str, field_id: str, name: str, kind: str = "TXT") -> Row:
    return {
        "id": field_id,
        "name": name,
        "workspaceId": workspace_id,
        "description": None,
        "placeholder": None,
        "type": kind,
        "entityType": "TIMEENTRY",
        "status": "VISIBLE",
        "required": False,
        "onlyAdminCanEdit": False,
        "allowedValues": [],
        "workspaceDefaultValue": None,
        "projectDefaultValues": [],
    }


def new_workspace_row(workspace_id: str, name: str, currency_ids: list[str]) -> Row:
    """A workspace's row without plan, features and memberships."""
    return {
        "id": workspace_id,
        "name": name,
        "hourlyRate": {"amount": 0, "currency": "EUR"},
        "costRate": None,
        "imageUrl": "",
        "currencies": [
            {"id": currency, "code": code, "isDefault": code == "EUR"}
            for currency, code in zip(currency_ids, ("EUR", "USD"), strict=True)
        ],
        "subdomain": {"name": None, "enabled": False},
        "cakeOrganizationId": None,
        "workspaceSettings": {
            "timeRoundingInReports": False,
            "onlyAdminsSeeBillableRates": True,
            "onlyAdminsCreateProject": True,
            "onlyAdminsSeeDashboard": False,
            "defaultBillableProjects": True,
            "lockTimeEntries": None,
            "lockTimeZone": None,
            "round": {"round": "Round to nearest", "minutes": "15"},
            "projectFavorites": True,
            "canSeeTimeSheet": True,
            "canSeeTracker": True,
            "projectPickerSpecialFilter": False,
            "forceProjects": False,
            "forceTasks": False,
            "forceTags": False,
            "forceDescription": False,
            "onlyAdminsSeeAllTimeEntries": True,
            "onlyAdminsSeePublicProjectsEntries": False,
            "trackTimeDownToSecond": True,
            "projectGroupingLabel": "client",
            "projectLabel": "project",
            "taskLabel": "task",
            "adminOnlyPages": [],
            "automaticLock": None,
            "onlyAdminsCreateTag": False,
            "onlyAdminsCreateTask": False,
            "timeTrackingMode": "DEFAULT",
            "multiFactorEnabled": False,
            "numberFormat": "COMMA_PERIOD",
            "currencyFormat": "CURRENCY_SPACE_VALUE",
            "durationFormat": "FULL",
            "entityCreationPermissions": {
                "whoCanCreateProjectsAndClients": "ADMINS",
                "whoCanCreateTags": "EVERYONE",
                "whoCanCreateTasks": "ADMINS_AND_PROJECT_MANAGERS",
            },
            "activeBillableHours": True,
            "isProjectPublicByDefault": True,
            "onlyAdminsCanChangeBillableStatus": False,
            "workingDays": WEEK_DAYS,
            "anUndocumentedSetting": {"enabled": True, "since": None},
        },
    }


class Maker:
    """Fills one workspace, with the data shared by its parts."""

    def __init__(self, world: World, plan: str, index: int, sizes: dict[str, int]) -> None:
        options = world.options
        self.world, self.plan, self.index = world, plan, index
        self.users = sizes.get("users", options.users)
        self.entries = sizes.get("entries", options.entries)
        self.projects = sizes.get("projects", options.projects)
        self.tasks = sizes.get("tasks", options.tasks)
        self.now, self.zone = world.now, ZoneInfo(options.time_zone)
        self.seed = f"workspace {options.seed} {index}"
        self._begin("workspace")
        self.scattered_ids = options.scattered_ids
        self.deleted_users: list[str] = []
        self.origin = self.now - max(400, options.days + 280) * DAY

    def make(self) -> Workspace:
        workspace_id = self.ids.make(self.origin, self.index)
        currencies = [self._id(number) for number in range(2)]
        name = f"{self.plan.title()} workspace" if self.index != 1 else "null"
        row = new_workspace_row(workspace_id, name, currencies)
        workspace = self.workspace = Workspace(workspace_id, self.plan, row)
        for part in (
            self._clients,
            self._tags,
            self._custom_fields,
            self._members,
            self._projects_and_tasks,
            self._groups,
            self._time_entries,
            self._addons,
        ):
            self._begin(part.__name__)
            part()
        return workspace

    def _begin(self, part: str) -> None:
        """Give a part random numbers of its own, so that no other one shifts its ids."""
        self.rng = Random(f"{self.seed}/{part}")
        self.ids = IdMaker(self.rng)

    def _id(self, position: int = 2) -> str:
        created = self.origin + self.rng.randrange(30 * DAY)
        return self.ids.make(created, position)

    def _clients(self) -> None:
        for number, name in enumerate(CLIENTS):
            client = new_client(self.workspace.id, self._id(number), name)
            client["archived"] = number == 2
            if number % 2 == 0:
                client |= {
                    "email": f"client{number}@example.com",
                    "address": "Main Street 1\n1000 Town",
                    "note": NASTY[number],
                    "ccEmails": ["a@example.com", "b@example.com"] if number else [],
                    "currencyId": self.workspace.row["currencies"][0]["id"],
                }
            self.workspace.rows("clients")[client["id"]] = client

    def _tags(self) -> None:
        for number, name in enumerate(TAGS):
            tag = new_tag(self.workspace.id, self._id(number), name)
            tag["archived"] = number == 3
            self.workspace.rows("tags")[tag["id"]] = tag

    def _custom_fields(self) -> None:
        if "CUSTOM_FIELDS" not in features(self.plan):
            return
        kinds = (
            ("TXT", "TIMEENTRY", "Reference"),
            ("NUMBER", "TIMEENTRY", "1e5"),
            ("DROPDOWN_SINGLE", "TIMEENTRY", "Phase"),
            ("DROPDOWN_MULTIPLE", "TIMEENTRY", "Systems"),
            ("CHECKBOX", "TIMEENTRY", "true"),
            ("LINK", "TIMEENTRY", "Ticket"),
            ("TXT", "USER", "Desk"),
            ("NUMBER", "USER", "Personnel number"),
            ("DROPDOWN_MULTIPLE", "USER", "Skills"),
        )
        defaults: dict[str, Any] = {"NUMBER": 7.5, "CHECKBOX": False, "DROPDOWN_MULTIPLE": ["A"]}
        for number, (kind, entity, name) in enumerate(kinds):
            row = new_custom_field(self.workspace.id, self._id(number), name, kind)
            row |= {
                "entityType": entity,
                "status": "INACTIVE" if number == 5 else "VISIBLE",
                "required": number == 2,
                "description": None if number % 2 else NASTY[12],
                "allowedValues": ["A", "B", "null", "1e5"] if "DROPDOWN" in kind else [],
                "workspaceDefaultValue": defaults.get(kind),
            }
            self.workspace.rows("custom-fields")[row["id"]] = row

    def _members(self) -> None:
        for number in range(self.users):
            self._member(number)
        for number in range(DELETED_USERS if self.users else 0):
            account = account_of(self.world, 100_000 + number, own_to=self.index)
            account |= {"name": f"Gone {number}", "status": "DELETED"}
            self.deleted_users.append(account["id"])
            self.workspace.deleted_members[account["id"]] = Member(
                account=account,
                membership=new_membership(account["id"], self.workspace.id, "WORKSPACE"),
                roles=[],
                values={},
                profile=new_profile(100 + number),
            )

    def _member(self, number: int) -> None:
        shared = number in SHARED_USERS
        account = account_of(self.world, number, None if shared else self.index)
        member = self._new_member(account, number)
        if number == 2 and self.index % 2 == 0:
            member.membership["membershipStatus"] = "INACTIVE"
        elif number % len(USERS) == 4:
            member.membership["membershipStatus"] = "PENDING"
        elif number % len(USERS) == 11:
            member.membership["membershipStatus"] = "DECLINED"
        if account["activeWorkspace"] is None and number % 5 != 3:
            account["activeWorkspace"] = account["defaultWorkspace"] = self.workspace.id
        self.workspace.members[member.id] = member

    def _new_member(self, account: Row, number: int) -> Member:
        membership = new_membership(account["id"], self.workspace.id, "WORKSPACE")
        membership["hourlyRate"] = rate(None if number % 3 == 1 else 4000 + 250 * (number % 7))
        membership["costRate"] = rate(None if number % 2 else 2500)
        roles = {0: ["OWNER", "WORKSPACE_ADMIN"], 8: ["TEAM_MANAGER"]}.get(number, [])
        values: dict[str, Any] = {}
        for row in self.workspace.rows("custom-fields").values():
            if row["entityType"] == "USER" and number % 4:
                values[row["id"]] = _value_of(row["type"], number)
        return Member(
            account=account,
            membership=membership,
            roles=[new_role(self.workspace.id, role) for role in roles],
            values=values,
            profile=new_profile(number),
        )

    def _projects_and_tasks(self) -> None:
        clients = list(self.workspace.rows("clients"))
        members = list(self.workspace.members)
        made = 0
        for number in range(self.projects):
            row = new_project(self.workspace.id, self._id(number), PROJECTS[number % len(PROJECTS)])
            self._vary_project(row, number, clients, members)
            self.workspace.rows("projects")[row["id"]] = row
            for position in range(self.tasks):
                task = new_task(self._id(made), row["id"], TASKS[(number + position) % len(TASKS)])
                self._vary_task(task, made, members)
                self.workspace.rows("tasks")[task["id"]] = task
                made += 1

    def _vary_project(self, row: Row, number: int, clients: list[str], members: list[str]) -> None:
        kind = number % 8
        row["clientId"] = None if kind in (3, 5) else clients[number % len(clients)]
        row["color"] = _COLORS[number % len(_COLORS)]
        row["archived"] = kind == 1
        row["template"] = kind == 2
        row["public"] = kind not in (2, 4)
        row["billable"] = kind != 3
        row["note"] = None if kind % 2 else NASTY[(number * 3) % len(NASTY)]
        row["hourlyRate"] = rate(9000 if kind % 3 == 0 else None)
        row["costRate"] = rate(5500 if kind % 4 == 0 else None)
        if kind in (0, 6):
            row["timeEstimate"] |= {"estimate": "PT40H", "type": "MANUAL", "active": True}
            row["estimate"] = {"estimate": "PT40H", "type": "MANUAL"}
        if kind in (4, 6):
            row["budgetEstimate"] = {
                "estimate": 1_000_000,
                "type": "MANUAL",
                "resetOption": "MONTHLY",
                "active": True,
                "includeExpenses": False,
            }
            row["estimateReset"] = {
                "interval": "MONTHLY",
                "dayOfWeek": None,
                "dayOfMonth": 1,
                "hour": 0,
                "month": None,
            }
        for user_id in members[: 1 + number % 3]:
            membership = new_membership(user_id, row["id"], "PROJECT")
            membership["hourlyRate"] = rate(7000 if number % 2 else None)
            row["memberships"].append(membership)

    def _vary_task(self, task: Row, made: int, members: list[str]) -> None:
        if made % 3 == 2:
            task |= {"status": "DONE", "active": False}
        if made % 2 and members:
            task |= {"assigneeId": members[0], "assigneeIds": members[:2]}
        task["estimate"] = "PT2H" if made % 4 == 1 else "PT0S"
        task["hourlyRate"] = rate(8000 if made % 5 == 0 else None)
        task["budgetEstimate"] = 50_000 if made % 7 == 3 else None

    def _groups(self) -> None:
        members = list(self.workspace.members)
        for number, name in enumerate(GROUPS):
            row = new_group(self.workspace.id, self._id(number), name)
            row["userIds"] = [] if number == 2 else members[number : number + 4]
            if number == 0 and members:
                owner = self.workspace.members[members[0]].account
                row["teamManagers"] = [{"id": owner["id"], "name": owner["name"]}]
            self.workspace.rows("user-groups")[row["id"]] = row

    def _addons(self) -> None:
        owner = next(iter(self.workspace.members), None)
        if owner is None:
            return
        for name, scopes in (("all", [EVERY_SCOPE]), ("little", ["WORKSPACE_READ", "USER_READ"])):
            token = f"sandbox.addon-{name}.{self.rng.getrandbits(96):024x}"
            self.world.addons[token] = Addon(token, self.workspace.id, owner, frozenset(scopes))

    def _time_entries(self) -> None:
        work = self._kinds_of_work()
        values = self._kinds_of_values()
        tags = self._kinds_of_tags()
        loaded: list[Entry] = []
        serial = self.ids.scattered() if self.scattered_ids else self.ids.serial()
        specials = special_times(self.now, self.zone, self.world.options.days)
        people = [(user_id, self.entries) for user_id in self.workspace.members]
        people += [(user_id, min(self.entries, 10)) for user_id in self.deleted_users]
        for number, (user_id, count) in enumerate(people):
            listed = user_id in self.workspace.members
            times = self._times(number, count, specials, with_running=listed)
            for position, (start, end, kind) in enumerate(times):
                turn = number * 7 + position
                project_id, task_id, billable, hourly, cost = work[turn % len(work)]
                created = min(start, self.now)
                entry = Entry(
                    self.ids.make(created, position) if position < 2 else serial(created),
                    user_id,
                    start,
                    end,
                    NASTY[turn % len(NASTY)] if turn % 11 else None,
                    project_id,
                    task_id,
                    tags[turn % len(tags)],
                    billable,
                    kind,
                    hourly,
                    cost,
                    values[turn % len(values)],
                )
                entry.locked = turn % 13 == 5
                if turn % 17 == 3:
                    entry.kiosk_id = "65e777123456789012345678"
                loaded.append(entry)
        self.workspace.load(loaded)

    def _times(
        self, number: int, count: int, specials: list["Times"], with_running: bool
    ) -> list["Times"]:
        """A user's entries over time: as many special ones as fit, then ordinary ones."""
        turn = number * 5 % len(specials)
        room = count if count >= 2 * len(specials) else max(1, count // 2)
        times = (specials[turn:] + specials[:turn])[: min(room, count)]
        running = (self.now - 1800, self.now - 21 * DAY, None)[number % 3]
        if with_running and running is not None and len(times) < count:
            times.append((running, None, "REGULAR"))
        rng, span = self.rng.random, self.world.options.days * DAY - 12 * HOUR
        first = self.now - self.world.options.days * DAY
        for _ in range(count - len(times)):
            start = first + int(rng() * span) // 60 * 60
            seconds = 60 * (1 + int(rng() * 540))
            times.append((start, start + seconds, "BREAK" if seconds == 900 else "REGULAR"))
        return times

    def _kinds_of_work(self) -> list[tuple[str | None, str | None, bool, Row | None, Row | None]]:
        kinds: list[tuple[str | None, str | None, bool, Row | None, Row | None]] = [
            (None, None, False, None, None),
            (None, None, False, rate(4000), None),
        ]
        tasks: dict[str, list[str]] = {}
        # There is no time on the first task, so deleting it changes no entry.
        for task in list(self.workspace.rows("tasks").values())[1:]:
            tasks.setdefault(task["projectId"], []).append(task["id"])
        for row in self.workspace.rows("projects").values():
            hourly = row["hourlyRate"] or rate(4000)
            kinds.append((row["id"], None, row["billable"], hourly, row["costRate"]))
            for task_id in tasks.get(row["id"], ()):
                kinds.append((row["id"], task_id, row["billable"], hourly, row["costRate"]))
        return kinds

    def _kinds_of_values(self) -> list[tuple[tuple[str, Any], ...]]:
        """Sets of custom field values, alternating with none at all."""
        fields = [
            row
            for row in self.workspace.rows("custom-fields").values()
            if row["entityType"] == "TIMEENTRY" and row["status"] != "INACTIVE"
        ]
        kinds: list[tuple[tuple[str, Any], ...]] = [()]
        for turn in range(6 if fields else 0):
            kinds.append(tuple((row["id"], _value_of(row["type"], turn)) for row in fields))
            kinds.append(())
        return kinds

    def _kinds_of_tags(self) -> list[list[str] | None]:
        tags = list(self.workspace.rows("tags"))
        return [[], None, tags[:1], tags[1:3], [tags[3], tags[0]]] if tags else [[], None]


Times = tuple[int, int | None, str]


def special_times(now: int, zone: ZoneInfo, days: int) -> list[Times]:
    """Times that readers get wrong: midnights, clock changes, window edges, ties, the future."""
    midnight = now // DAY * DAY

    def local(day: int) -> int:
        return int(reread_in(zone, midnight - day * DAY))

    times: list[Times] = [
        (midnight - 10 * DAY, midnight - 10 * DAY + HOUR, "REGULAR"),
        (local(9), local(9) + HOUR, "REGULAR"),
        (midnight - 8 * DAY - HOUR, midnight - 8 * DAY + HOUR, "REGULAR"),
        (midnight + 5 * DAY, midnight + 5 * DAY + 8 * HOUR, "HOLIDAY"),
        (local(7) - HOUR, local(7) + HOUR, "REGULAR"),
        (midnight - 6 * DAY - 1, midnight - 6 * DAY + 59, "REGULAR"),
        (midnight - 5 * DAY, midnight - 5 * DAY, "REGULAR"),
        (midnight - 4 * DAY + 9 * HOUR, midnight - 4 * DAY + 10 * HOUR, "REGULAR"),
        (midnight - 4 * DAY + 9 * HOUR, midnight - 4 * DAY + 11 * HOUR, "BREAK"),
        (now - days * DAY, now - days * DAY + HOUR, "REGULAR"),
        (now - 30 * DAY, now - 30 * DAY + HOUR, "REGULAR"),
        (now - 31 * DAY, now - 31 * DAY + HOUR, "REGULAR"),
        (midnight + 20 * DAY + 7 * HOUR, midnight + 20 * DAY + 15 * HOUR, "TIME_OFF"),
        (now + DAY, now + DAY + HOUR, "REGULAR"),
        (midnight + 200 * DAY, midnight + 200 * DAY + 8 * HOUR, "TIME_OFF"),
        (local(2), local(1), "REGULAR"),
    ]
    for change in clock_changes(zone, now):
        times.append((change - 1800, change + 1800, "REGULAR"))
        times.append((change, change + HOUR, "REGULAR"))
    return times


def _value_of(kind: str, turn: int) -> Any:
    """A custom field value of this type; some are null."""
    if turn % 4 == 3:
        return None
    values: dict[str, Callable[[], Any]] = {
        "NUMBER": lambda: (0, 12.5, 1e15, -3)[turn % 4],
        "DROPDOWN_SINGLE": lambda: ("A", "null", "B", "1e5")[turn % 4],
        "DROPDOWN_MULTIPLE": lambda: ([], ["A", "B"], ["null"], [])[turn % 4],
        "CHECKBOX": lambda: turn % 2 == 0,
        "LINK": lambda: f"https://tickets.example.com/{turn}?a=1&b=%20",
    }
    return values.get(kind, lambda: NASTY[(turn * 3 + 2) % len(NASTY)])()
