"""Edits to the data: create, deep-merge, delete to the trash, restore."""

from collections.abc import Callable
from copy import copy
from typing import Any

from clockify_sandbox import data, money_rows, new_rows, render, time_off_rows
from clockify_sandbox.approval_rows import approval_row
from clockify_sandbox.data import new_role
from clockify_sandbox.plans import plan_of
from clockify_sandbox.store import Entry, Member, Row, Workspace, World
from clockify_sandbox.timetext import parse_instant, utc_text
from clockify_sandbox.world import add_workspace

DAY = 86_400
CHILDREN = {
    "projects": (("tasks", "projectId"),),
    "invoices": (("invoice-payments", "invoiceId"),),
    "time-off-policies": (("time-off-balances", "policyId"),),
    "webhooks": (("webhook-logs", "webhookId"),),
}


class Unknown(Exception):
    """The workspace, collection or entity of an edit does not exist."""


def workspace_of(world: World, workspace_id: str) -> Workspace:
    if workspace_id not in world.workspaces:
        raise Unknown(f"no workspace {workspace_id}")
    return world.workspaces[workspace_id]


# Workspaces


def create_workspace(world: World, wanted: Row) -> Row:
    """A workspace full of data; `users`, `entries`, `projects`, `tasks` may set its size."""
    sizes = {
        name: int(wanted.pop(name))
        for name in ("users", "entries", "projects", "tasks")
        if name in wanted
    }
    workspace = add_workspace(world, wanted.pop("plan", "PRO"), **sizes)
    workspace.row = merged(workspace.row, wanted)
    return render.workspace_row(workspace)


def patch_workspace(world: World, workspace_id: str, wanted: Row) -> Row:
    workspace = workspace_of(world, workspace_id)
    named = wanted.pop("featureSubscriptionType", workspace.plan)
    workspace.plan = plan_of(wanted.pop("plan", named))
    workspace.row = merged(workspace.row, wanted)
    return render.workspace_row(workspace)


def delete_workspace(world: World, workspace_id: str) -> None:
    workspace = workspace_of(world, workspace_id)
    world.deleted_workspaces[workspace_id] = workspace
    del world.workspaces[workspace_id]


def restore_workspace(world: World, workspace_id: str) -> Row:
    workspace = world.deleted_workspaces.pop(workspace_id, None)
    if workspace is None:
        raise Unknown(f"no deleted workspace {workspace_id}")
    world.workspaces[workspace_id] = workspace
    return render.workspace_row(workspace)


# Entities


def create(world: World, workspace: Workspace, collection: str, wanted: Row, now: int) -> Row:
    """Add an entity; missing fields get plausible values."""
    entity_id = wanted.pop("id", None) or world.ids.make(now)
    if any(entity_id in held for held in _everything(workspace)):
        raise ValueError(f"{entity_id} is there already")
    if collection == "time-entries":
        entry = _new_entry(workspace, entity_id, wanted, now)
        workspace.add_entry(entry)
        return render.entry_row(workspace, entry)
    if collection == "users":
        member = _new_member(world, workspace, entity_id)
        workspace.members[member.id] = member
        workspace.deleted_members.pop(member.id, None)
        _patch_member(workspace, member, wanted)
        return shown_user(workspace, member)
    rows = workspace.rows(collection)
    if collection == "tasks":
        _keep_status_and_active_together(wanted)
    row = new_rows.new_row(
        new_rows.Wanted(workspace, collection, entity_id, len(rows), wanted, now)
    )
    if row is None:
        raise Unknown(f"nothing to create in {collection}")
    rows[entity_id] = merged(row, wanted)
    return shown(workspace, collection, rows[entity_id])


def _everything(workspace: Workspace) -> list[dict[str, Any]]:
    return [workspace.entries, workspace.members, *workspace.collections.values()]


def patch(workspace: Workspace, collection: str, entity_id: str, wanted: Row, now: int) -> Row:
    """Merge fields into an entity; a change of an approval's state is dated now."""
    if collection == "time-entries":
        entry = _held(workspace.entries, collection, entity_id)
        changed = copy(entry)
        _set_entry(changed, wanted)
        workspace.remove_entry(entry)
        workspace.add_entry(changed)
        return render.entry_row(workspace, changed)
    if collection == "users":
        member = _held(workspace.members, collection, entity_id)
        _patch_member(workspace, member, wanted)
        return shown_user(workspace, member)
    rows = workspace.rows(collection)
    row = _held(rows, collection, entity_id)
    if collection == "tasks":
        _keep_status_and_active_together(wanted)
    if collection == "approval-requests":
        _note_change_of_state(row, wanted, now)
    rows[entity_id] = merged(row, wanted)
    return shown(workspace, collection, rows[entity_id])


def delete(workspace: Workspace, collection: str, entity_id: str) -> None:
    """Move an entity to the trash with its children; the entries of a user remain."""
    gone: Any
    if collection == "time-entries":
        gone = _held(workspace.entries, collection, entity_id)
        workspace.remove_entry(gone)
    elif collection == "users":
        gone = _held(workspace.members, collection, entity_id)
        workspace.deleted_members[entity_id] = workspace.members.pop(entity_id)
    else:
        gone = _held(workspace.rows(collection), collection, entity_id)
        del workspace.rows(collection)[entity_id]
        for children, parent in CHILDREN.get(collection, ()):
            held = workspace.rows(children)
            for child in [row for row in held.values() if row[parent] == entity_id]:
                workspace.trash[(children, child["id"])] = held.pop(child["id"])
    workspace.trash[(collection, entity_id)] = gone


def restore(workspace: Workspace, collection: str, entity_id: str) -> Row:
    """Restore an entity from the trash, with its children."""
    held: Any = workspace.trash.pop((collection, entity_id), None)
    if held is None:
        raise Unknown(f"no deleted {collection} {entity_id}")
    if collection == "time-entries":
        workspace.add_entry(held)
        return render.entry_row(workspace, held)
    if collection == "users":
        workspace.members[entity_id] = held
        del workspace.deleted_members[entity_id]
        return shown_user(workspace, held)
    workspace.rows(collection)[entity_id] = held
    for children, parent in CHILDREN.get(collection, ()):
        for key, child in list(workspace.trash.items()):
            if key[0] == children and child[parent] == entity_id:
                workspace.rows(children)[key[1]] = workspace.trash.pop(key)
    return shown(workspace, collection, held)


_SHAPES: dict[str, Callable[[Workspace, Row], Row]] = {
    "projects": render.project_row,
    "tasks": render.task_row,
    "expenses": money_rows.expense_row,
    "expense-categories": money_rows.category_row,
    "invoices": money_rows.invoice_details,
    "invoice-payments": money_rows.payment_row,
    "invoice-settings": money_rows.invoice_settings,
    "time-off-requests": time_off_rows.request_row,
    "time-off-balances": time_off_rows.balance_row,
    "assignments": time_off_rows.assignment_row,
    "approval-requests": approval_row,
}


def shown(workspace: Workspace, collection: str, row: Row) -> Row:
    """The wire row of a plain entity."""
    shape = _SHAPES.get(collection)
    return shape(workspace, row) if shape else row


def shown_any(workspace: Workspace, collection: str, held: Any) -> Row:
    """The wire row of an item in any collection."""
    if collection == "time-entries":
        return render.entry_row(workspace, held)
    return (
        shown_user(workspace, held) if collection == "users" else shown(workspace, collection, held)
    )


def look(workspace: Workspace, collection: str, entity_id: str) -> Row:
    """The wire row of an entity."""
    held: dict[str, Any] = (
        workspace.entries
        if collection == "time-entries"
        else workspace.members
        if collection == "users"
        else workspace.rows(collection)
    )
    return shown_any(workspace, collection, _held(held, collection, entity_id))


def id_of(row: Row) -> str:
    """The id of a wire row returned by `create`."""
    return str(row["id"] if "id" in row else row["approvalRequest"]["id"])


def shown_user(workspace: Workspace, member: Member) -> Row:
    return render.user_row(workspace, member, "WORKSPACE", roles=True)


def merged(old: Row, new: Row) -> Row:
    """A copy with the fields of `new`; objects are merged deeply, everything else is replaced."""
    result = dict(old)
    for name, value in new.items():
        held = result.get(name)
        both = isinstance(held, dict) and isinstance(value, dict)
        result[name] = merged(held, value) if both else value  # type: ignore[arg-type]
    return result


def _held(entities: dict[str, Any], collection: str, entity_id: str) -> Any:
    if entity_id not in entities:
        raise Unknown(f"no {collection} {entity_id}")
    return entities[entity_id]


def _keep_status_and_active_together(wanted: Row) -> None:
    if "status" in wanted:
        wanted.setdefault("active", wanted["status"] == "ACTIVE")
    elif "active" in wanted:
        wanted["status"] = "ACTIVE" if wanted["active"] else "DONE"


def _note_change_of_state(row: Row, wanted: Row, now: int) -> None:
    """Date a change of a request's state, unless the edit does."""
    status = (wanted.get("approvalRequest") or {}).get("status") or {}
    if status.get("state", "") not in ("", row["approvalRequest"]["status"]["state"]):
        status.setdefault("updatedAt", utc_text(now))


def _new_member(world: World, workspace: Workspace, user_id: str) -> Member:
    account = world.accounts.get(user_id)
    if account is None:
        account = {
            **next(iter(world.accounts.values())),
            "id": user_id,
            "name": "New user",
            "email": f"{user_id}@example.com",
            "profilePicture": None,
            "activeWorkspace": workspace.id,
            "defaultWorkspace": workspace.id,
            "status": "ACTIVE",
        }
        world.accounts[user_id] = account
    membership = data.new_membership(user_id, workspace.id, "WORKSPACE")
    return Member(account, membership, [], {}, data.new_profile(len(workspace.members)))


def _patch_member(workspace: Workspace, member: Member, wanted: Row) -> None:
    """Assign each field to its place: membership, roles, profile, field values or account."""
    for name, value in wanted.items():
        if name in ("membershipStatus", "hourlyRate", "costRate"):
            member.membership = {**member.membership, name: value}
        elif name == "roles":
            member.roles = [
                new_role(workspace.id, role) if isinstance(role, str) else role for role in value
            ]
        elif name == "customFields":
            member.values |= {each["customFieldId"]: each["value"] for each in value}
        elif name in member.profile:
            member.profile = {**member.profile, name: value}
        elif name != "memberships":
            member.account.update(merged(member.account, {name: value}))


def _new_entry(workspace: Workspace, entity_id: str, wanted: Row, now: int) -> Entry:
    owner = next(iter(workspace.members), "")
    entry = Entry(entity_id, str(wanted.get("userId") or owner), now - 3600, now, "New entry")
    entry.tag_ids = []
    _set_entry(entry, wanted)
    return entry


_ENTRY_FIELDS = {
    "description": "description",
    "tagIds": "tag_ids",
    "userId": "user_id",
    "billable": "billable",
    "taskId": "task_id",
    "projectId": "project_id",
    "type": "type",
    "kioskId": "kiosk_id",
    "hourlyRate": "hourly_rate",
    "costRate": "cost_rate",
    "isLocked": "locked",
    "approvalRequestId": "approval_id",
}


def _set_entry(entry: Entry, wanted: Row) -> None:
    """Set wire fields; a start alone keeps the duration, an unknown field is stored as given."""
    interval = wanted.get("timeInterval") or {}
    if "start" in interval:
        start = int(parse_instant(interval["start"]))
        if entry.end is not None:
            entry.end += start - entry.start
        entry.start = start
    if "end" in interval:
        entry.end = None if interval["end"] is None else int(parse_instant(interval["end"]))
    for name, value in wanted.items():
        if name in _ENTRY_FIELDS:
            setattr(entry, _ENTRY_FIELDS[name], value)
        elif name == "customFieldValues":
            entry.values = tuple((each["customFieldId"], each["value"]) for each in value)
        elif name not in ("timeInterval", "workspaceId"):
            entry.extra = {**(entry.extra or {}), name: value}
