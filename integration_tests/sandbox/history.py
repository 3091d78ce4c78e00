"""Edits through the admin API, each with the traces that it leaves in the feeds."""

from integration_tests.sandbox import changes
from integration_tests.sandbox.audit_actions import action_of
from integration_tests.sandbox.plans import has
from integration_tests.sandbox.store import Row, Workspace, World
from integration_tests.sandbox.timetext import utc_text
from integration_tests.sandbox.traces import SYSTEM, audit_row, note_deletion


def create(world: World, workspace: Workspace, collection: str, wanted: Row, now: int) -> Row:
    """Add an entity."""
    row = changes.create(world, workspace, collection, wanted, now)
    entity_id = changes.id_of(row)
    workspace.created_at[collection, entity_id] = now
    _audit(workspace, "CREATE", collection, now, after=row)
    return row


def patch(workspace: Workspace, collection: str, entity_id: str, wanted: Row, now: int) -> Row:
    """Merge fields into an entity."""
    before = changes.look(workspace, collection, entity_id)
    row = changes.patch(workspace, collection, entity_id, wanted, now)
    workspace.updated_at[collection, entity_id] = now
    _audit(workspace, "UPDATE", collection, now, before=before, after=row)
    return row


def delete(world: World, workspace: Workspace, collection: str, entity_id: str, now: int) -> None:
    """Move an entity to the trash, and note it and each child that goes along."""
    before = set(workspace.trash)
    changes.delete(workspace, collection, entity_id)
    for key in workspace.trash.keys() - before:
        row = changes.shown_any(workspace, key[0], workspace.trash[key])
        note_deletion(workspace, key[0], key[1], row, now, world.ids.make(now))
        _audit(workspace, "DELETE", key[0], now, before=row)
        _take_from_entries(workspace, key[0], key[1], now)


def _take_from_entries(workspace: Workspace, collection: str, entity_id: str, now: int) -> None:
    """Let the entries of a deleted project, task or tag go on without it, as the system does."""
    if collection not in ("projects", "tasks", "tags"):
        return
    for entry in [*workspace.entries.values()]:
        if collection == "projects" and entry.project_id == entity_id:
            wanted: Row = {"projectId": None, "taskId": None}
        elif collection == "tasks" and entry.task_id == entity_id:
            wanted = {"taskId": None}
        elif collection == "tags" and entity_id in (entry.tag_ids or ()):
            wanted = {"tagIds": [tag for tag in entry.tag_ids or () if tag != entity_id]}
        else:
            continue
        before = changes.look(workspace, "time-entries", entry.id)
        after = changes.patch(workspace, "time-entries", entry.id, wanted, now)
        workspace.updated_at["time-entries", entry.id] = now
        _audit(workspace, "UPDATE", "time-entries", now, before, after, by_system=True)


def restore(workspace: Workspace, collection: str, entity_id: str, now: int) -> Row:
    """Bring an entity back; its deletion is forgotten, and it counts as changed."""
    before = set(workspace.trash)
    row = changes.restore(workspace, collection, entity_id)
    back = before - workspace.trash.keys()
    workspace.deletions = [
        each for each in workspace.deletions if (each.collection, each.entity_id) not in back
    ]
    for key in back:
        workspace.updated_at[key] = now
    _audit(workspace, "RESTORE", collection, now, after=row)
    return row


def _audit(
    workspace: Workspace,
    verb: str,
    collection: str,
    now: int,
    before: Row | None = None,
    after: Row | None = None,
    by_system: bool = False,
) -> None:
    """Log an edit as done by the first admin or the system, where the plan has the audit log."""
    if not has(workspace.plan, "AUDIT_LOG"):
        return
    admins = [member.id for member in workspace.members.values() if member.is_admin]
    author = SYSTEM if by_system else next(iter(admins), next(iter(workspace.members), ""))
    owner = (after or before or {}).get("userId", author)
    action = action_of(verb, collection, own=owner == author)
    if action is not None:
        row = audit_row(workspace, author, action, utc_text(now), before, after)
        workspace.audit_log.append(row)
