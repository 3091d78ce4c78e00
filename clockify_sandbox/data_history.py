"""Generates the past of a workspace: changes, deletions and audit log before the server began."""

from clockify_sandbox.audit_actions import action_of
from clockify_sandbox.data_kit import DAY, Kit, nasty
from clockify_sandbox.money_rows import flat_expense
from clockify_sandbox.render import entry_row, project_row
from clockify_sandbox.store import Entry, Row, between
from clockify_sandbox.timetext import utc_text
from clockify_sandbox.traces import SYSTEM, Event, audit_row, note_deletion

_AUDITED_USERS, _AUDITED_ENTRIES, _AUDITED_DAYS = 4, 15, 355
_SYSTEM_ACTIONS = ("UPDATE_PROJECT", "UPDATE_TASK", "UPDATE_TIME_FOR_OTHER", "UPDATE_PROJECT")
_CHANGED = ("clients", "projects", "tags", "tasks", "user-groups", "holidays", "time-off-policies")
_DELETED = ("tags", "clients", "projects", "tasks", "time-entries", "time-off-requests")


def add_history(kit: Kit) -> None:
    """All data of this module; the audit log is also kept for plans without it."""
    for maker in (_changes, _late_and_changed_entries, _deletions):
        kit.run(maker)
    if kit.members:
        kit.run(_audit_log)


def _changes(kit: Kit) -> None:
    """Changes of entities created more than a month earlier."""
    turn = 0
    for collection in _CHANGED:
        for entity_id in list(kit.workspace.rows(collection))[:3]:
            changed = kit.now - (2 + turn * 9 % 300) * DAY - turn * 37
            if changed - int(entity_id[:8], 16) > 40 * DAY:
                kit.workspace.updated_at[collection, entity_id] = changed
            turn += 1


def _late_and_changed_entries(kit: Kit) -> None:
    """Old entries, some of which were changed recently, and one that was entered late."""
    old = [entry for entry in kit.workspace.all_entries() if kit.now - entry.start > 75 * DAY]
    for turn, entry in enumerate(old[:3]):
        at = kit.now - (4 + turn) * DAY - turn * 41
        if turn == 0:
            kit.workspace.created_at["time-entries", entry.id] = at
        else:
            kit.workspace.updated_at["time-entries", entry.id] = at
    _change_planned_entry(kit)


def _change_planned_entry(kit: Kit) -> None:
    """An entry planned long ago and changed recently; a custom field value names it."""
    for entry in kit.workspace.all_entries():
        if entry.values and 3 * DAY < kit.now - entry.start < 12 * DAY:
            kit.workspace.created_at["time-entries", entry.id] = kit.now - 80 * DAY
            kit.workspace.updated_at["time-entries", entry.id] = kit.now - 2 * DAY - 7
            return


def _deletions(kit: Kit) -> None:
    """Deletions of entities known from nothing else; the first two in the same second."""
    for turn, collection in enumerate(_DELETED * 2):
        deleted = kit.now - (3 + max(turn, 1) * 25) * DAY
        entity_id = kit.ids.make(deleted - 45 * DAY, turn)
        row: Row = {"id": entity_id, "workspaceId": kit.workspace.id, "name": nasty(turn)}
        if collection == "time-entries":
            row |= {
                "description": nasty(turn),
                "userId": next(iter(kit.members), None),
                "projectId": None,
                "timeInterval": {"start": utc_text(deleted - 50 * DAY), "end": None},
            }
        note_deletion(kit.workspace, (collection, entity_id), row, deleted, kit.ids.make(deleted))


def _audit_log(kit: Kit) -> None:
    """The creation of the newest entries and of expenses and projects, changes, and equal rows."""
    workspace, rows = kit.workspace, []
    admin = kit.members[0]
    for entry in _audited_entries(kit):
        made = utc_text(int(entry.id[:8], 16))
        action = action_of("CREATE", "time-entries", own=True) or ""
        shown = entry_row(workspace, entry)
        rows.append(audit_row(workspace, Event(entry.user_id, action, made, after=shown)))
        if entry.locked:
            action = action_of("UPDATE", "time-entries", own=entry.user_id == admin) or ""
            before = {**shown, "description": nasty(len(rows))}
            rows.append(audit_row(workspace, Event(admin, action, made, before, shown)))
    for number, expense in enumerate(workspace.rows("expenses").values()):
        own = number % 3 > 0
        author = expense["userId"] if own else admin
        action = action_of("CREATE", "expenses", own=author == expense["userId"]) or ""
        made = utc_text(int(expense["id"][:8], 16))
        shown = flat_expense(workspace, expense)
        rows.append(audit_row(workspace, Event(author, action, made, after=shown)))
    for number, project in enumerate(kit.projects):
        fraction = ("", ".5", ".123")[number % 3]
        shown = project_row(workspace, project)
        before = {**shown, "name": nasty(number)}
        made = kit.at(5 + number * 40, fraction)
        changed = audit_row(workspace, Event(admin, "UPDATE_PROJECT", made, before, shown))
        rows += [changed, dict(changed)] if number % 4 == 0 else [changed]
    tag = audit_row(workspace, Event(admin, "DELETE_TAG", kit.at(7), before={"name": "null"}))
    rows += [tag, dict(tag), dict(tag)]
    for number, action in enumerate(_SYSTEM_ACTIONS):
        after = {"id": kit.projects[0]["id"] if kit.projects else None, "name": nasty(number)}
        event = Event(SYSTEM, action, kit.at(3 + number * 50), after=after)
        rows.append(audit_row(workspace, event))
    oldest = utc_text(kit.now - _AUDITED_DAYS * DAY)
    workspace.audit_log = sorted(
        (row for row in rows if row["timestamp"] >= oldest), key=lambda row: row["timestamp"]
    )


def _audited_entries(kit: Kit) -> list[Entry]:
    """The newest entries of a few users, including deleted ones, but none in the future."""
    found: list[Entry] = []
    for user_id in (*kit.members[:_AUDITED_USERS], *kit.deleted_users):
        past = between(kit.workspace.entries_of(user_id), None, kit.now - DAY)
        found += past[-_AUDITED_ENTRIES:]
    return found
