"""The server's data: accounts, workspaces with their entities, keys and add-on tokens."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import Any

from clockify_sandbox.ids import IdMaker

Row = dict[str, Any]
ADMIN_ROLES = frozenset({"OWNER", "WORKSPACE_ADMIN"})
MANAGER_ROLES = frozenset({"TEAM_MANAGER", "PROJECT_MANAGER"})


@dataclass(frozen=True)
class Options:
    """The options of the command line; `now` is an epoch second, None for the real clock."""

    users: int = 12
    entries: int = 40
    projects: int = 8
    tasks: int = 3
    plans: tuple[str, ...] = ("PRO",)
    time_zone: str = "Europe/Belgrade"
    seed: int = 1
    now: int | None = None
    days: int = 120
    limits: bool = False
    scattered_ids: bool = False


@dataclass(slots=True)
class Entry:
    """A time entry; start and end are epoch seconds; a running one has no end."""

    id: str
    user_id: str
    start: int
    end: int | None
    description: str | None
    project_id: str | None = None
    task_id: str | None = None
    tag_ids: list[str] | None = None
    billable: bool = False
    type: str = "REGULAR"
    hourly_rate: Row | None = None
    cost_rate: Row | None = None
    values: tuple[tuple[str, Any], ...] = ()
    kiosk_id: str | None = None
    locked: bool = False
    approval_id: str | None = None
    invoicing: Row | None = None
    extra: Row | None = None

    @property
    def seconds(self) -> int:
        return 0 if self.end is None else self.end - self.start


def by_start(entry: Entry) -> tuple[int, str]:
    """The order of time entries: by start, then by id."""
    return (entry.start, entry.id)


@dataclass
class Member:
    """A user in one workspace. The account is shared with the user's other workspaces."""

    account: Row
    membership: Row
    roles: list[Row]
    values: dict[str, Any]
    profile: Row

    @property
    def id(self) -> str:
        return str(self.account["id"])

    @property
    def is_active(self) -> bool:
        return bool(self.membership["membershipStatus"] == "ACTIVE")

    @property
    def is_admin(self) -> bool:
        return any(role["role"] in ADMIN_ROLES for role in self.roles)

    @property
    def is_manager(self) -> bool:
        """Whether the user manages a team or projects without being an admin."""
        return not self.is_admin and any(role["role"] in MANAGER_ROLES for role in self.roles)


@dataclass(frozen=True)
class Deletion:
    """A row in the feed of deletions: times are epoch seconds, `document` is the remains."""

    collection: str
    entity_id: str
    created: int
    updated: int | None
    deleted: int
    bin_id: str
    document: Row


@dataclass
class Workspace:
    """A workspace: plain entities as stored rows by collection and id, and indexed time entries."""

    id: str
    plan: str
    row: Row
    members: dict[str, Member] = field(default_factory=dict)
    collections: dict[str, dict[str, Row]] = field(default_factory=lambda: defaultdict(dict))
    entries: dict[str, Entry] = field(default_factory=dict)
    running: dict[str, Entry] = field(default_factory=dict)
    project_seconds: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    task_seconds: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deleted_members: dict[str, Member] = field(default_factory=dict)
    trash: dict[tuple[str, str], Any] = field(default_factory=dict)
    created_at: dict[tuple[str, str], int] = field(default_factory=dict)
    updated_at: dict[tuple[str, str], int] = field(default_factory=dict)
    rates_edited: set[str] = field(default_factory=set)
    deletions: list[Deletion] = field(default_factory=list)
    audit_log: list[Row] = field(default_factory=list)
    _by_user: dict[str, list[Entry]] = field(default_factory=dict)
    _sorted: list[Entry] | None = None

    def rows(self, collection: str) -> dict[str, Row]:
        return self.collections[collection]

    def load(self, entries: list[Entry]) -> None:
        """Add many entries at once, of any users."""
        touched: set[str] = set()
        for entry in entries:
            self._by_user.setdefault(entry.user_id, []).append(entry)
            touched.add(entry.user_id)
            self._account(entry, 1)
        for user_id in touched:
            self._by_user[user_id].sort(key=by_start)
        self._sorted = None

    def add_entry(self, entry: Entry) -> None:
        insort(self._by_user.setdefault(entry.user_id, []), entry, key=by_start)
        self._account(entry, 1)
        self._sorted = None

    def remove_entry(self, entry: Entry) -> None:
        """Remove an entry, which must not have been changed since it was added."""
        held = self._by_user[entry.user_id]
        del held[bisect_left(held, by_start(entry), key=by_start)]
        self._account(entry, -1)
        self._sorted = None

    def entries_of(self, user_id: str) -> list[Entry]:
        """A user's entries, oldest first."""
        return self._by_user.get(user_id, [])

    def all_entries(self) -> list[Entry]:
        """All entries, including those of deleted users, oldest first."""
        if self._sorted is None:
            self._sorted = sorted(chain.from_iterable(self._by_user.values()), key=by_start)
        return self._sorted

    def _account(self, entry: Entry, sign: int) -> None:
        if sign > 0:
            self.entries[entry.id] = entry
        else:
            del self.entries[entry.id]
        if entry.end is None:
            if sign > 0:
                self.running[entry.id] = entry
            else:
                del self.running[entry.id]
            return
        if entry.project_id is not None:
            self.project_seconds[entry.project_id] += sign * (entry.end - entry.start)
        if entry.task_id is not None:
            self.task_seconds[entry.task_id] += sign * (entry.end - entry.start)


def between(entries: list[Entry], start: float | None, end: float | None) -> list[Entry]:
    """The entries (sorted by start) with start <= their start < end."""
    low = 0 if start is None else bisect_left(entries, start, key=lambda entry: entry.start)
    high = len(entries) if end is None else bisect_left(entries, end, key=lambda entry: entry.start)
    return entries[low:high]


@dataclass(frozen=True)
class Addon:
    """An add-on token: it is valid in one workspace, as one user, for some scopes."""

    token: str
    workspace_id: str
    user_id: str
    scopes: frozenset[str]


@dataclass
class World:
    """All data of the server."""

    options: Options
    now: int
    rng: Random
    ids: IdMaker
    accounts: dict[str, Row] = field(default_factory=dict)
    account_ids: dict[str, str] = field(default_factory=dict)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    deleted_workspaces: dict[str, Workspace] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    key_names: dict[str, str | None] = field(default_factory=dict)
    addons: dict[str, Addon] = field(default_factory=dict)
    workspaces_made: int = 0

    def workspaces_of(self, user_id: str) -> Iterable[Workspace]:
        """The workspaces visible to a user: those with an active membership."""
        for workspace in self.workspaces.values():
            member = workspace.members.get(user_id)
            if member is not None and member.is_active:
                yield workspace
