"""The feeds of created, updated and deleted entities (experimental at Clockify)."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clockify_sandbox import changes, feed_flaws
from clockify_sandbox.call import Call, Handler, Reply, encode, error, mismatch
from clockify_sandbox.paging import QUERY_LIMIT, Paging, page_of
from clockify_sandbox.plans import has
from clockify_sandbox.render import entry_values
from clockify_sandbox.state import Settings, State
from clockify_sandbox.store import Deletion, Row, Workspace
from clockify_sandbox.time_off import parsed
from clockify_sandbox.timetext import parse_instant, utc_text
from clockify_sandbox.traces import created_at

CHANGES_PAGING = Paging(QUERY_LIMIT, maximum=1000)
DEFAULT_DAYS = 30
DAY = 86_400
LIES_MADE_BEFORE = 400 * DAY
COLLECTIONS = {
    "APPROVAL_REQUESTS": "approval-requests",
    "BALANCE": "time-off-balances",
    "CLIENTS": "clients",
    "CUSTOM_FIELDS": "custom-fields",
    "HOLIDAYS": "holidays",
    "INVOICES": "invoices",
    "PROJECTS": "projects",
    "PTO_POLICY": "time-off-policies",
    "SCHEDULED_ASSIGNMENT": "assignments",
    "TAGS": "tags",
    "TASKS": "tasks",
    "TIME_ENTRY": "time-entries",
    "TIME_ENTRY_CUSTOM_FIELD_VALUE": "time-entries",
    "TIME_ENTRY_RATE": "time-entries",
    "TIME_OFF_REQUEST": "time-off-requests",
    "USER": "users",
    "USER_GROUPS": "user-groups",
}
OFFICIAL = (
    "CLIENTS",
    "PROJECTS",
    "TAGS",
    "TASKS",
    "SCHEDULED_ASSIGNMENT",
    "TIME_ENTRY",
    "TIME_ENTRY_RATE",
    "TIME_ENTRY_CUSTOM_FIELD_VALUE",
)
_FEATURES = {
    "APPROVAL_REQUESTS": "APPROVAL",
    "BALANCE": "TIME_OFF",
    "HOLIDAYS": "TIME_OFF",
    "INVOICES": "INVOICING",
    "PTO_POLICY": "TIME_OFF",
    "SCHEDULED_ASSIGNMENT": "SCHEDULING",
    "TIME_OFF_REQUEST": "TIME_OFF",
}
_PARTS = ("TIME_ENTRY_CUSTOM_FIELD_VALUE", "TIME_ENTRY_RATE")
_CODES = {name: code for code, name in COLLECTIONS.items() if code not in _PARTS}


@dataclass(frozen=True)
class Change:
    """A change of an entity; times in epoch seconds, `document` only for false changes."""

    at: int
    code: str
    entity_id: str
    created: int
    updated: int | None
    deletion: Deletion | None = None
    document: Row | None = None


def created(state: State, workspace: Workspace) -> list[Change]:
    """The creation of all entities that still exist, oldest first."""
    return _kept(state, workspace, "created", lambda: _existing(workspace))


def updated(state: State, workspace: Workspace) -> list[Change]:
    """The last change of all entities that still exist, oldest first."""

    def make() -> Iterator[Change]:
        for each in _existing(workspace):
            if each.updated is not None:
                yield Change(each.updated, each.code, each.entity_id, each.created, each.updated)
        code = "TIME_ENTRY_RATE"
        for entry_id in workspace.rates_edited & workspace.entries.keys():
            if not workspace.entries[entry_id].cost_rate:
                made = created_at(workspace, "time-entries", entry_id)
                changed = workspace.updated_at["time-entries", entry_id]
                yield Change(changed, code, entry_id, made, changed)

    return _kept(state, workspace, "updated", make)


def deleted(state: State, workspace: Workspace) -> list[Change]:
    """Deletions, oldest first; the latest ones are not reported yet."""
    told = int(state.clock.now()) - state.settings.deletion_lag
    found = [
        Change(each.deleted, code, each.entity_id, each.created, each.updated, each)
        for each in workspace.deletions
        if (code := _CODES.get(each.collection)) and _open(workspace, code) and each.deleted <= told
    ]
    return sorted(_told(state, workspace, "deleted", found), key=_order)


def _told(
    state: State, workspace: Workspace, kind: str, found: Iterable[Change]
) -> Iterator[Change]:
    """The real changes reported by a feed, and some false ones."""
    for each in found:
        if not feed_flaws.is_dropped(state.settings, kind, each.code, each.entity_id, each.at):
            yield each
    for lie in state.settings.feed_lies:
        if (lie["workspaceId"], lie["kind"]) == (workspace.id, kind):
            yield _false_change(workspace, lie)


def check_lies(lies: Any) -> None:
    """Raise ValueError for invalid changes."""
    if not isinstance(lies, list):
        raise ValueError("feed_lies must be a list")
    needed = {"workspaceId", "kind", "id", "at"}
    for lie in lies:
        if not isinstance(lie, dict) or not needed <= lie.keys() <= needed | {"code", "document"}:
            raise ValueError(f"each of feed_lies needs {sorted(needed)}; code, document may follow")
        parse_instant(lie["at"])
        if lie["kind"] not in ("created", "updated", "deleted"):
            raise ValueError("the kind of a lie must be created, updated or deleted")
        if lie.get("code", "TIME_ENTRY") not in COLLECTIONS:
            raise ValueError(f"the code of a lie must be one of {sorted(COLLECTIONS)}")
        if not isinstance(lie.get("document", {}), dict):
            raise ValueError("the document of a lie must be an object")


def _false_change(workspace: Workspace, lie: Row) -> Change:
    """A change that did not happen, of an entity created before any window begins."""
    at, code = int(parse_instant(lie["at"])), lie.get("code", "TIME_ENTRY")
    document = lie.get("document")
    if document is None:
        try:
            document = _entity(workspace, code, lie["id"])
        except changes.Unknown:
            document = {}
    made = at if lie["kind"] == "created" else at - LIES_MADE_BEFORE
    changed = at if lie["kind"] == "updated" else None
    deletion = None
    if lie["kind"] == "deleted":
        # The bin's id is derived from the entity's, so that it is the same in every answer.
        bin_id = feed_flaws.part_id("bin", lie["id"])
        deletion = Deletion(COLLECTIONS[code], lie["id"], made, None, at, bin_id, document)
    return Change(at, code, lie["id"], made, changed, deletion, document)


def _order(change: Change) -> tuple[int, str, str]:
    return (change.at, change.code, change.entity_id)


def _open(workspace: Workspace, code: str) -> bool:
    return has(workspace.plan, _FEATURES.get(code))


def _kept(
    state: State, workspace: Workspace, kind: str, make: Callable[[], Iterator[Change]]
) -> list[Change]:
    """A sorted feed, cached until the data changes."""
    key = ("entity changes", workspace.id, kind)
    if key not in state.reports:
        state.reports[key] = sorted(_told(state, workspace, kind, make()), key=_order)
    found: list[Change] = state.reports[key]
    return found


def _existing(workspace: Workspace) -> Iterator[Change]:
    for code, collection in COLLECTIONS.items():
        if not _open(workspace, code):
            continue
        for entity_id in _ids(workspace, code, collection):
            made = created_at(workspace, collection, entity_id)
            changed = workspace.updated_at.get((collection, entity_id))
            yield Change(made, code, entity_id, made, changed)


def _ids(workspace: Workspace, code: str, collection: str) -> Sequence[str]:
    if code == "TIME_ENTRY":
        return list(workspace.entries)
    if code == "TIME_ENTRY_RATE":
        return [entry.id for entry in workspace.entries.values() if entry.cost_rate]
    if code == "TIME_ENTRY_CUSTOM_FIELD_VALUE":
        return [entry.id for entry in workspace.entries.values() if entry.values]
    return list(workspace.members if collection == "users" else workspace.rows(collection))


def change_row(settings: Settings, workspace: Workspace, change: Change) -> Row:
    """A row of a feed: the entity's own fields, or the remains of a deleted one."""
    marks: Row = {
        "id": change.entity_id,
        "documentCode": change.code,
        "auditMetadata": {
            "createdAt": utc_text(change.created),
            "updatedAt": None if change.updated is None else utc_text(change.updated),
        },
    }
    if change.code in _PARTS and settings.feed_parts_id != "entry":
        marks["id"] = feed_flaws.part_id(change.code, change.entity_id)
        marks[settings.feed_parts_id] = change.entity_id
    if change.deletion is not None:
        gone = change.deletion
        return {
            **marks,
            "deletedAt": utc_text(gone.deleted),
            "deletionBinId": gone.bin_id,
            "document": gone.document,
        }
    if change.document is not None:
        return {**change.document, **marks}
    return {**_entity(workspace, change.code, change.entity_id), **marks}


def _entity(workspace: Workspace, code: str, entity_id: str) -> Row:
    entry = workspace.entries.get(entity_id)
    if code == "TIME_ENTRY_RATE" and entry:
        return {"hourlyRate": entry.hourly_rate, "costRate": entry.cost_rate}
    if code == "TIME_ENTRY_CUSTOM_FIELD_VALUE" and entry:
        return {"customFieldValues": entry_values(workspace, entry)}
    row = changes.look(workspace, COLLECTIONS[code], entity_id)
    inner: Row | None = row.get("approvalRequest")
    return row if inner is None else inner


Feed = Callable[[State, Workspace], list[Change]]


def feed(changes_of: Feed, may_begin_in_window: bool) -> Handler:
    """GET /workspaces/{id}/entities/...; entities created in the window may be omitted."""

    def handler(call: Call) -> Reply:
        feed_flaws.refuse(call)
        codes = call.listed("type")
        known = OFFICIAL if call.state.settings.change_types == "official" else COLLECTIONS
        if not codes:
            raise error(400, "Required parameter 'type' is not present", 3001)
        for code in codes:
            if code not in known:
                raise mismatch("type", code)
        first, last = _window(call)
        settings = call.state.settings
        page = page_of(call, CHANGES_PAGING, settings.change_page_max)
        page = page.shorter_by(settings.short_feeds)
        found = [
            change
            for change in within(changes_of(call.state, call.workspace), first, last)
            if change.code in codes
            and change.entity_id not in call.omitted
            and (may_begin_in_window or not first <= change.created <= last)
        ]
        told = feed_flaws.arranged(settings, found, _order)
        rows = [change_row(settings, call.workspace, change) for change in page.cut(told)]
        return Reply(200, encode(rows), rows=len(rows))

    return handler


def within(found: list[Change], first: float, last: float) -> list[Change]:
    """The changes in a span of time, both ends included."""

    def at(change: Any) -> Any:
        return change.at

    return found[bisect_left(found, first, key=at) : bisect_right(found, last, key=at)]


def _window(call: Call) -> tuple[float, float]:
    """The window, 30 days around a single given bound; an older start is refused."""
    now, settings = call.state.clock.now(), call.state.settings
    start, end = (
        None if call.last(name) is None else parsed(name, call.last(name))
        for name in ("start", "end")
    )
    if end is None:
        end = now if start is None else start + DEFAULT_DAYS * DAY
    if start is None:
        start = end - DEFAULT_DAYS * DAY
    if end < start or end - start > settings.change_days * DAY:
        raise error(400, f"Date range must be at most {settings.change_days} days", 501)
    if start < now - settings.change_retention * DAY:
        raise error(400, f"Start date must be within {settings.change_retention} days", 501)
    return start, end
