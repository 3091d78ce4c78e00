"""The lists and single reads of Clockify's regular host, one group of functions per resource."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from clockify_sandbox import render
from clockify_sandbox.call import (
    RULE_VIOLATED,
    TYPE_MISMATCH,
    Call,
    Handler,
    Reply,
    access_denied,
    encode,
    error,
    foreign,
    mismatch,
)
from clockify_sandbox.listing import (
    Keep,
    Listing,
    among,
    flag,
    present,
    serve,
    sort_by,
    text,
)
from clockify_sandbox.paging import BODY, Paging
from clockify_sandbox.store import Entry, Member, Row, Workspace, between
from clockify_sandbox.timetext import duration_seconds, parse_instant, reread_in

ACCOUNT_STATUSES = (
    "ACTIVE",
    "PENDING_EMAIL_VERIFICATION",
    "DELETED",
    "NOT_REGISTERED",
    "LIMITED",
    "LIMITED_DELETED",
)
DEFAULT_ACCOUNT_STATUSES = "ACTIVE,PENDING_EMAIL_VERIFICATION,NOT_REGISTERED"
MEMBERSHIP_STATUSES = ("PENDING", "ACTIVE", "DECLINED", "INACTIVE", "ALL")
DEFAULT_MEMBERSHIP_STATUSES = "ACTIVE,PENDING,INACTIVE"
MEMBERSHIPS = ("NONE", "ALL", "WORKSPACE", "PROJECT", "USERGROUP")


def one(value: Any) -> Reply:
    return Reply(200, encode(value), rows=1)


def single(
    collection: str, parameter: str, kind: str, shape: Callable[[Call, Row], Row]
) -> Handler:
    """The handler that reads one entity by the id in the path."""

    def handler(call: Call) -> Reply:
        entity_id = call.params[parameter]
        row = call.workspace.rows(collection).get(entity_id)
        if row is None:
            raise foreign(kind, entity_id)
        return one(shape(call, row))

    return handler


def collection_items(collection: str) -> Callable[[Call], Sequence[Row]]:
    return lambda call: list(call.workspace.rows(collection).values())


def as_stored(call: Call, row: Row) -> Row:
    return row


# Workspaces and the account


def workspaces(call: Call) -> Reply:
    seen = present(call, call.state.world.workspaces_of(call.user_id))
    rows = [_workspace_row(call, workspace) for workspace in seen]
    return Reply(200, encode(rows), rows=len(rows))


def workspace(call: Call) -> Reply:
    return one(_workspace_row(call, call.workspace))


def _workspace_row(call: Call, workspace: Workspace) -> Row:
    return render.workspace_row(workspace, call.state.settings.feature_names == "on")


def current_user(call: Call) -> Reply:
    row = dict(call.state.world.accounts[call.user_id])
    mine = call.state.world.workspaces_of(call.user_id)
    wanted = call.flag("include-memberships")
    row["memberships"] = [each.members[call.user_id].membership for each in mine] if wanted else []
    row["customFields"] = []
    return one(row)


# Users


def _membership_status(call: Call, name: str) -> Keep | None:
    wanted = call.listed(name) or DEFAULT_MEMBERSHIP_STATUSES.split(",")
    for value in wanted:
        if value not in MEMBERSHIP_STATUSES:
            raise mismatch(name, value)
    if "ALL" in wanted:
        return None
    return lambda member: member.membership["membershipStatus"] in wanted


def _account(inner: Callable[[Call, str], Keep | None]) -> Callable[[Call, str], Keep | None]:
    """Apply a filter to the account instead of the member."""

    def make(call: Call, name: str) -> Keep | None:
        keep = inner(call, name)
        return None if keep is None else lambda member: keep(member.account)

    return make


_AMONG_STATUSES = _account(among("status", ACCOUNT_STATUSES, default=DEFAULT_ACCOUNT_STATUSES))


def _account_status(call: Call, name: str) -> Keep | None:
    """Users by account status; a setting selects how the list reads it from the query."""
    asked = call.query.get(name, [])
    if call.method == "GET" and asked:
        match call.state.settings.account_statuses:
            case "single" if any("," in value for value in asked):
                raise mismatch(name, asked[-1])
            case "refused":
                raise mismatch(name, asked[-1])
            case "ignored":
                del call.query[name]
    return _AMONG_STATUSES(call, name)


def _in_project(call: Call, name: str) -> Keep | None:
    project_id = call.last(name)
    if project_id is None:
        return None
    project = call.workspace.rows("projects").get(project_id)
    if project is None:
        raise foreign("Project", project_id)
    ids = {each["userId"] for each in project["memberships"]}
    return lambda member: member.id in ids


def _amount(rate_name: str) -> Callable[[Member], int | None]:
    def key(member: Member) -> int | None:
        rate = member.membership[rate_name]
        return None if rate is None else int(rate["amount"])

    return key


def user_row(call: Call, member: Member) -> Row:
    kinds = call.one_of("memberships", MEMBERSHIPS, "NONE")
    roles = call.flag("include-roles") is True
    return render.user_row(call.workspace, member, kinds, roles, rates=call.me.is_admin)


def _listed_members(call: Call) -> Sequence[Member]:
    """All users; a setting may refuse them to a plain member."""
    plain = not (call.me.is_admin or call.me.is_manager)
    if plain and not call.state.settings.members_list_users:
        raise access_denied()
    return list(call.workspace.members.values())


USERS = Listing(
    items=_listed_members,
    render=user_row,
    filters={
        "status": _membership_status,
        "account-statuses": _account_status,
        "email": _account(text("email")),
        "name": _account(text("name")),
        "project-id": _in_project,
    },
    sorts={
        "EMAIL": lambda member: member.account["email"],
        "ID": lambda member: member.id,
        "NAME": lambda member: member.account["name"],
        "NAME_LOWERCASE": lambda member: (member.account["name"] or "").lower(),
        "ACCESS": lambda member: member.is_admin,
        "HOURLYRATE": _amount("hourlyRate"),
        "COSTRATE": _amount("costRate"),
    },
    default_sort="EMAIL",
)

_INFO_NAMES = {
    "accountStatuses": "account-statuses",
    "includeRoles": "include-roles",
    "projectId": "project-id",
    "sortColumn": "sort-column",
    "sortOrder": "sort-order",
}


def with_body_as_query(handler: Handler) -> Handler:
    """Run a search with filters in the body as the list with the same filters."""

    def searched(call: Call) -> Reply:
        for name, value in call.body().items():
            values = value if isinstance(value, list) else [value]
            texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
            call.query[_INFO_NAMES.get(name, name)] = texts
        return handler(call)

    return searched


USERS_INFO_PAGING = Paging(BODY, oversize_code=RULE_VIOLATED)


def refuse_route(call: Call, presence: str) -> None:
    """Answer like a server without a POST route: it has none, or only a GET."""
    if presence == "404":
        raise error(404, f"No static resource {call.path.lstrip('/')}.", TYPE_MISMATCH)
    if presence == "405":
        raise error(405, "Request method 'POST' is not supported", TYPE_MISMATCH, Allow="GET")


def users_info(call: Call) -> Reply:
    """POST /workspaces/{id}/users/info: the list with its filters in the body, if supported."""
    settings = call.state.settings
    refuse_route(call, settings.users_info)
    statuses = call.body().get("accountStatuses")
    if not isinstance(statuses, list | None):
        raise mismatch("accountStatuses", statuses)
    paging = replace(USERS_INFO_PAGING, maximum=settings.users_info_max)
    return with_body_as_query(serve(USERS, paging, last_page=False))(call)


def member_profile(call: Call) -> Reply:
    deleted = call.workspace.deleted_members.get(call.params["userId"])
    if deleted is not None and call.state.settings.deleted_user_profile == "answered":
        return one(render.profile_row(call.workspace, deleted))
    return one(render.profile_row(call.workspace, known_member(call)))


def known_member(call: Call) -> Member:
    user_id = call.params["userId"]
    member = call.workspace.members.get(user_id)
    if member is None:
        raise foreign("User", user_id)
    return member


USER_MANAGERS = Listing(
    items=lambda call: [
        member
        for member in call.workspace.members.values()
        if known_member(call) and any(role["role"] == "TEAM_MANAGER" for role in member.roles)
    ],
    render=lambda call, member: dict(member.account),
    sorts=USERS.sorts,
    default_sort="EMAIL",
)


# Groups, clients, tags, custom fields


def _group_row(call: Call, row: Row) -> Row:
    return render.group_row(call.workspace, row, call.flag("includeTeamManagers") is True)


GROUPS = Listing(
    items=collection_items("user-groups"),
    render=_group_row,
    filters={"name": text("name")},
    sorts={"NAME": sort_by("name"), "ID": sort_by("id")},
    default_sort="NAME",
)

CLIENTS = Listing(
    items=collection_items("clients"),
    render=as_stored,
    filters={"archived": flag("archived"), "name": text("name")},
    sorts={"NAME": sort_by("name"), "EMAIL": sort_by("email"), "NOTE": sort_by("note")},
    default_sort="NAME",
)


def _excluded(call: Call, name: str) -> Keep | None:
    excluded = set(call.listed(name))
    return (lambda row: row["id"] not in excluded) if excluded else None


TAGS = Listing(
    items=collection_items("tags"),
    render=as_stored,
    filters={"archived": flag("archived"), "name": text("name"), "excluded-ids": _excluded},
    sorts={"NAME": sort_by("name"), "ID": sort_by("id")},
    default_sort="NAME",
)

CUSTOM_FIELDS = Listing(
    items=collection_items("custom-fields"),
    render=as_stored,
    filters={
        "status": among("status", ("INACTIVE", "VISIBLE", "INVISIBLE")),
        "entity-type": among("entityType", ("TIMEENTRY", "USER")),
        "name": text("name"),
    },
)


def _project_fields(call: Call) -> list[Row]:
    known_project(call)
    fields = call.workspace.rows("custom-fields").values()
    return [row for row in fields if row["entityType"] == "TIMEENTRY"]


PROJECT_CUSTOM_FIELDS = Listing(
    items=_project_fields, render=as_stored, filters={"status": among("status")}
)


# Projects and tasks


def visible_projects(call: Call) -> list[Row]:
    """All projects for an admin; the public ones and their own for a member."""
    projects = call.workspace.rows("projects").values()
    seen = [row for row in projects if call.me.is_admin or _sees(call, row)]
    return [project_with_client(call, row) for row in seen]


def project_with_client(call: Call, row: Row) -> Row:
    return render.project_row(call.workspace, row, call.state.settings.empty_client)


def _sees(call: Call, project: Row) -> bool:
    return project["public"] or any(
        each["userId"] == call.user_id for each in project["memberships"]
    )


def known_project(call: Call) -> Row:
    project_id = call.params["projectId"]
    row = call.workspace.rows("projects").get(project_id)
    if row is None or not (call.me.is_admin or _sees(call, row)):
        raise foreign("Project", project_id)
    return row


def _active_tasks(call: Call, name: str) -> Keep | None:
    """Tasks by whether they are active; a setting selects those listed by default."""
    if call.last(name) is None and call.state.settings.tasks_without_done:
        return lambda row: bool(row["active"])
    return flag("active")(call, name)


def _template(call: Call, name: str) -> Keep | None:
    """Projects by whether they are templates; a setting hides templates by default."""
    if call.last(name) is None and call.state.settings.hidden_templates:
        return lambda row: not row["template"]
    return flag("template")(call, name)


def project_row(call: Call, row: Row) -> Row:
    """A project, hydrated if requested and permitted by the setting."""
    settings = call.state.settings
    if not call.flag("hydrated"):
        return row
    if settings.hydrated == "refused":
        raise mismatch("hydrated", call.last("hydrated"))
    hydrated = render.hydrated_project(call.workspace, row)
    tasks = present(call, hydrated.pop("tasks"))
    if settings.hydrated == "without_tasks":
        return hydrated
    keep = _active_tasks(call, "is-active")
    shown = [task for task in tasks if keep is None or keep(task)]
    if not settings.hydrated_done:
        shown = [task for task in shown if task["active"]]
    return {**hydrated, "tasks": shown}


def single_project(call: Call) -> Reply:
    return one(project_row(call, project_with_client(call, known_project(call))))


def _of_clients(call: Call, name: str) -> Keep | None:
    wanted = call.listed(name)
    contains = call.flag("contains-client") is not False
    return (lambda row: (row["clientId"] in wanted) == contains) if wanted else None


def _of_users(call: Call, name: str) -> Keep | None:
    wanted = set(call.listed(name))
    if not wanted:
        return None
    return lambda row: any(each["userId"] in wanted for each in row["memberships"])


def _access(call: Call, name: str) -> Keep | None:
    if call.last(name) is None:
        return None
    public = call.one_of(name, ("PUBLIC", "PRIVATE"), "PUBLIC") == "PUBLIC"
    return lambda row: row["public"] == public


PROJECTS = Listing(
    items=visible_projects,
    render=project_row,
    filters={
        "archived": flag("archived"),
        "billable": flag("billable"),
        "is-template": _template,
        "name": text("name"),
        "clients": _of_clients,
        "users": _of_users,
        "access": _access,
    },
    sorts={
        "NAME": sort_by("name"),
        "ID": sort_by("id"),
        "CLIENT_NAME": sort_by("clientName"),
        "DURATION": lambda row: duration_seconds(row["duration"]),
        "BUDGET": lambda row: (row["budgetEstimate"] or {}).get("estimate"),
        "PROGRESS": lambda row: duration_seconds(row["duration"]),
    },
    default_sort="NAME",
)


def task_row(call: Call, row: Row) -> Row:
    return render.task_row(call.workspace, row)


TASKS = Listing(
    items=lambda call: render.tasks_of(call.workspace, known_project(call)["id"]),
    render=task_row,
    filters={"is-active": _active_tasks, "name": text("name")},
    sorts={"NAME": sort_by("name"), "ID": sort_by("id")},
    default_sort="NAME",
)


def single_task(call: Call) -> Reply:
    project, task_id = known_project(call), call.params["taskId"]
    row = call.workspace.rows("tasks").get(task_id)
    if row is None or row["projectId"] != project["id"]:
        raise foreign("Task", task_id)
    return one(task_row(call, row))


# Time entries


def window_bound(call: Call, name: str) -> float | None:
    """A bound of a window: its UTC wall clock, reinterpreted in the account's time zone."""
    value = call.last(name)
    if value is None:
        return None
    try:
        instant = parse_instant(value)
        literal = call.state.settings.entry_window == "utc"
        return instant if literal else reread_in(call.zone, instant)
    except ValueError:
        raise mismatch(name, value) from None


def user_entries(call: Call) -> Sequence[Entry]:
    """A user's entries that start in the window, newest first."""
    settings = call.state.settings
    start, end = window_bound(call, "start"), window_bound(call, "end")
    user_id = call.params["userId"]
    if user_id in call.workspace.deleted_members and settings.deleted_user_entries != "error":
        if settings.deleted_user_entries == "empty":
            return []
    else:
        known_member(call)
    if user_id != call.user_id and not call.me.is_admin:
        raise access_denied()
    if end is not None and settings.entry_end == "inclusive":
        end += 1e-6
    found = between(call.workspace.entries_of(user_id), start, end)
    found.reverse()
    return found


def _has(attribute: str) -> Callable[[Call, str], Keep | None]:
    """Entries whose attribute is the parameter's id."""

    def make(call: Call, name: str) -> Keep | None:
        wanted = call.last(name)
        return None if wanted is None else lambda entry: getattr(entry, attribute) == wanted

    return make


def _required(attribute: str) -> Callable[[Call, str], Keep | None]:
    def make(call: Call, name: str) -> Keep | None:
        return (lambda entry: getattr(entry, attribute) is not None) if call.flag(name) else None

    return make


def _in_progress(call: Call, name: str) -> Keep | None:
    wanted = call.flag(name)
    return None if wanted is None else lambda entry: (entry.end is None) == wanted


def _tagged(call: Call, name: str) -> Keep | None:
    wanted = set(call.listed(name))
    return (lambda entry: not wanted.isdisjoint(entry.tag_ids or ())) if wanted else None


def _described(call: Call, name: str) -> Keep | None:
    wanted = call.last(name)
    if wanted is None:
        return None
    folded = wanted.casefold()
    return lambda entry: folded in (entry.description or "").casefold()


def entry_row(call: Call, entry: Entry) -> Row:
    return render.entry_row(call.workspace, entry, call.flag("hydrated") is True)


TIME_ENTRIES = Listing(
    items=user_entries,
    render=entry_row,
    filters={
        "in-progress": _in_progress,
        "project": _has("project_id"),
        "task": _has("task_id"),
        "tags": _tagged,
        "description": _described,
        "project-required": _required("project_id"),
        "task-required": _required("task_id"),
    },
)


def _running(call: Call) -> Sequence[Entry]:
    seen = [
        entry
        for entry in call.workspace.running.values()
        if call.me.is_admin or entry.user_id == call.user_id
    ]
    return sorted(seen, key=lambda entry: (entry.start, entry.id), reverse=True)


RUNNING_ENTRIES = Listing(items=_running, render=entry_row)


def _known_entry(call: Call, entry_id: str) -> Entry:
    entry = call.workspace.entries.get(entry_id)
    if entry is None:
        raise foreign("Time entry", entry_id)
    if entry.user_id != call.user_id and not call.me.is_admin:
        raise access_denied()
    return entry


def single_entry(call: Call) -> Reply:
    return one(entry_row(call, _known_entry(call, call.params["timeEntryId"])))


def entries_by_id(call: Call) -> Reply:
    """The entries with these ids; a missing one refuses them all, or is omitted."""
    settings = call.state.settings
    refuse_route(call, settings.batch_route)
    ids = call.body().get("timeEntryIds")
    if not isinstance(ids, list):
        raise mismatch("timeEntryIds", ids)
    if settings.batch_max is not None and len(ids) > settings.batch_max:
        raise error(400, f"timeEntryIds must hold at most {settings.batch_max}", TYPE_MISMATCH)
    if call.state.settings.batch_missing == "omit":
        ids = [entry_id for entry_id in ids if entry_id in call.workspace.entries]
    entries = present(call, [_known_entry(call, str(entry_id)) for entry_id in ids])
    rows = [entry_row(call, entry) for entry in entries]
    return Reply(200, encode(rows), rows=len(rows))
