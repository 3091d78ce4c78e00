"""Helpers for generating a workspace's data: ids, times and referenced entities."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from random import Random
from zoneinfo import ZoneInfo

from clockify_sandbox.ids import IdMaker
from clockify_sandbox.store import Row, Workspace
from clockify_sandbox.texts import NASTY
from clockify_sandbox.timetext import reread_in, utc_text

HOUR, DAY = 3600, 86_400


@dataclass
class Kit:
    """A workspace with its users, projects and entries, and the current time."""

    workspace: Workspace
    now: int
    zone: ZoneInfo
    seed: str
    deleted_users: list[str]

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.ids = IdMaker(self.rng)
        self.midnight = self.now // DAY * DAY
        self.members = list(self.workspace.members)
        self.projects = list(self.workspace.rows("projects").values())
        self.clients = list(self.workspace.rows("clients").values())
        self._tasks: dict[str, list[Row]] = {}
        for task in self.workspace.rows("tasks").values():
            self._tasks.setdefault(task["projectId"], []).append(task)

    def run(self, maker: Callable[["Kit"], None]) -> None:
        """Run a maker with random numbers of its own, so that no other one shifts its ids."""
        kit = copy(self)
        kit.rng = Random(f"{self.seed}/{maker.__name__}")
        kit.ids = IdMaker(kit.rng)
        maker(kit)

    def id(self, days_ago: float, position: int = 2) -> str:
        """An id of an entity of this age; see `IdMaker.make` for the position."""
        return self.ids.make(self.now - int(days_ago * DAY), position)

    def add(self, collection: str, row: Row) -> Row:
        self.workspace.rows(collection)[row["id"]] = row
        return row

    def day(self, days_ago: int) -> str:
        """A plain date; negative numbers are in the future."""
        return utc_text(self.midnight - days_ago * DAY)[:10]

    def at(self, days_ago: float, fraction: str = "") -> str:
        """An instant, with a fraction of a second such as `.123`."""
        return utc_text(self.now - int(days_ago * DAY))[:-1] + fraction + "Z"

    def local_midnight(self, days_ago: int) -> int:
        """The second in which a day begins, in the account's time zone."""
        return int(reread_in(self.zone, self.midnight - days_ago * DAY))

    def member(self, number: int) -> str:
        return self.members[number % len(self.members)]

    def name_of(self, user_id: str) -> str | None:
        member = self.workspace.members.get(user_id)
        name: str | None = member.account["name"] if member else None
        return name

    def project(self, number: int) -> Row | None:
        return self.projects[number % len(self.projects)] if self.projects else None

    def task_of(self, project: Row | None, number: int) -> Row | None:
        mine = self._tasks.get(project["id"]) if project else None
        return mine[number % len(mine)] if mine else None

    def client(self, number: int) -> Row:
        return self.clients[number % len(self.clients)]


def nasty(number: int) -> str:
    return NASTY[number % len(NASTY)]
