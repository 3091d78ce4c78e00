"""Edits through the admin API, with their traces in the feeds."""

from dataclasses import dataclass

from clockify_sandbox import changes
from clockify_sandbox.audit_actions import action_of
from clockify_sandbox.plans import has
from clockify_sandbox.store import Row, Workspace, World
from clockify_sandbox.timetext import utc_text
from clockify_sandbox.traces import SYSTEM, Event, audit_row, note_deletion


@dataclass(frozen=True)
class _Edit:
    """An edit, with the entity before and after it.

    Attributes:
        verb: CREATE, UPDATE, DELETE or RESTORE.
        collection: of the entity.
        now: epoch seconds.
        before, after: the entity.
        by_system: whether the system made the edit by itself.
    """

    verb: str
    collection: str
    now: int
    before: Row | None = None
    after: Row | None = None
    by_system: bool = False


def create(world: World, workspace: Workspace, collection: str, wanted: Row, now: int) -> Row:
    """Add an entity."""
    row = changes.create(world, workspace, collection, wanted, now)
    entity_id = changes.id_of(row)
    workspace.created_at[collection, entity_id] = now
    _audit(workspace, _Edit("CREATE", collection, now, after=row))
    return row


def patch(workspace: Workspace, collection: str, entity_id: str, wanted: Row, now: int) -> Row:
    """Merge fields into an entity."""
    before = changes.look(workspace, collection, entity_id)
    row = changes.patch(workspace, collection, entity_id, wanted, now)
    workspace.updated_at[collection, entity_id] = now
    if collection == "time-entries" and wanted.keys() & {"hourlyRate", "costRate"}:
        workspace.rates_edited.add(entity_id)
    _audit(workspace, _Edit("UPDATE", collection, now, before, row))
    return row


def delete(world: World, workspace: Workspace, collection: str, entity_id: str, now: int) -> None:
    """Move an entity to the trash, and record its deletion and those of its children."""
    before = set(workspace.trash)
    changes.delete(workspace, collection, entity_id)
    for key in workspace.trash.keys() - before:
        row = changes.shown_any(workspace, key[0], workspace.trash[key])
        note_deletion(workspace, key, row, now, world.ids.make(now))
        _audit(workspace, _Edit("DELETE", key[0], now, before=row))
        _take_from_entries(workspace, key[0], key[1], now)


def _take_from_entries(workspace: Workspace, collection: str, entity_id: str, now: int) -> None:
    """Remove a deleted project, task or tag from its entries, as the system does."""
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
        _audit(workspace, _Edit("UPDATE", "time-entries", now, before, after, by_system=True))


def restore(workspace: Workspace, collection: str, entity_id: str, now: int) -> Row:
    """Restore an entity; its deletion is removed, and it counts as changed."""
    before = set(workspace.trash)
    row = changes.restore(workspace, collection, entity_id)
    back = before - workspace.trash.keys()
    workspace.deletions = [
        each for each in workspace.deletions if (each.collection, each.entity_id) not in back
    ]
    for key in back:
        workspace.updated_at[key] = now
    _audit(workspace, _Edit("RESTORE", collection, now, after=row))
    return row


def _audit(workspace: Workspace, edit: _Edit) -> None:
    """Log an edit by the first admin or the system, if the plan has the audit log."""
    if not has(workspace.plan, "AUDIT_LOG"):
        return
    admins = [member.id for member in workspace.members.values() if member.is_admin]
    author = SYSTEM if edit.by_system else next(iter(admins), next(iter(workspace.members), ""))
    owner = (edit.after or edit.before or {}).get("userId", author)
    action = action_of(edit.verb, edit.collection, own=owner == author)
    if action is not None:
        event = Event(author, action, utc_text(edit.now), edit.before, edit.after)
        workspace.audit_log.append(audit_row(workspace, event))
