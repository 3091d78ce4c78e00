"""The memory of the feeds: when entities were created and deleted, and audit log rows."""

from dataclasses import dataclass
from typing import Any

import orjson

from clockify_sandbox.store import Deletion, Row, Workspace

SYSTEM = "SYSTEM"
KEPT_FIELDS = ("id", "name", "description", "workspaceId", "userId", "projectId", "timeInterval")


def created_at(workspace: Workspace, collection: str, entity_id: str) -> int:
    """When an entity was created: according to an edit, or else the second in its id."""
    held = workspace.created_at.get((collection, entity_id))
    return int(entity_id[:8], 16) if held is None else held


def note_deletion(
    workspace: Workspace, key: tuple[str, str], row: Row, now: int, bin_id: str
) -> None:
    """Record that the entity with this collection and id was deleted."""
    collection, entity_id = key
    workspace.deletions.append(
        Deletion(
            collection,
            entity_id,
            created_at(workspace, collection, entity_id),
            workspace.updated_at.get(key),
            now,
            bin_id,
            {name: row[name] for name in KEPT_FIELDS if name in row},
        )
    )


@dataclass(frozen=True)
class Event:
    """An event of the audit log, with the entity before and after it."""

    author: str
    action: str
    timestamp: str
    before: Row | None = None
    after: Row | None = None


def audit_row(workspace: Workspace, event: Event) -> Row:
    """A row of the audit log, with the entity before and after the action as JSON text."""
    member = workspace.members.get(event.author)
    account: dict[str, Any] = member.account if member else {}
    name = "System" if event.author == SYSTEM else account.get("name")
    return {
        "workspaceId": workspace.id,
        "userId": event.author,
        "userName": name,
        "userEmail": account.get("email"),
        "action": event.action,
        "timestamp": event.timestamp,
        "content": None if event.after is None else orjson.dumps(event.after).decode(),
        "previousContent": None if event.before is None else orjson.dumps(event.before).decode(),
    }
