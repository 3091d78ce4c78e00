"""Random histories of an account: edits, then a sync, again and again, all from one seed."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from clockify_sandbox.client import JSON, Sandbox
from clockify_sandbox.timetext import clock_changes, reread_in, utc_text
from integration_tests.airbyte import Output, config_of
from integration_tests.consumer import Consumer, Key, Message
from integration_tests.frozen import Clock, Read
from integration_tests.promises import KINDS, Attempt, Promises, entry_by_id, rows_of

# The present of the sandbox's first data. A history begins within the year that follows.
PRESENT = datetime(2026, 9, 1, 9, tzinfo=timezone.utc)
ZONES = (
    "Europe/Belgrade",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Asia/Kathmandu",
    "UTC",
)
# What a history reads. There are few combinations, since each takes the CDK a while to build.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("time_entries", "time_entries_in_progress"),
    ("time_entries", "detailed_report"),
    ("time_entries", "users"),
    ("projects", "tasks", "clients"),
    ("tasks", "tags"),
    ("expenses", "expense_report"),
    ("time_off_requests", "scheduling_assignments"),
    ("detailed_report", "summary_report"),
    ("weekly_report",),
    ("attendance_report",),
)
UNCLAMPED = {"attendance_report"}
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def sandbox_options() -> dict[str, Any]:
    """What `start` needs so that the server's first data suits every history."""
    return {
        "plan": "PRO,PRO",
        "users": 3,
        "entries": 0,
        "projects": 2,
        "tasks": 2,
        "now": PRESENT.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def seeds(count: int) -> list[int]:
    """The seeds to try: so many, or the one that the environment names."""
    chosen = os.environ.get("CLOCKIFY_HISTORY_SEED")
    return [int(chosen)] if chosen else list(range(count))


@dataclass(frozen=True)
class Style:
    """What happens to the syncs of a history.

    Attributes:
        syncs: how many there are.
        resend: the values that `resend_changes` may have.
        interrupted: how often a sync ends in the middle, 0 to 1.
        loses_one: whether the destination loses all records of one later sync.
        refreshes: how often the state is thrown away, 0 to 1.
    """

    syncs: int = 6
    resend: tuple[int, ...] = (0,)
    interrupted: float = 0.0
    loses_one: bool = False
    refreshes: float = 0.0


# The account


class Account:
    """A workspace that people edit; every edit is written down."""

    def __init__(
        self, sandbox: Sandbox, workspace: str, rng: Random, zone: str, notes: list[str]
    ) -> None:
        self.sandbox, self.workspace, self.rng, self.notes = sandbox, workspace, rng, notes
        self.zone = ZoneInfo(zone)
        self.instants: list[datetime] = []
        self._trash: list[tuple[str, str]] = []
        self._owner = str(self._rows("users")[0]["id"])

    def edit(self, streams: Sequence[str]) -> None:
        """One edit that matters to some of the streams."""
        self.edit_one([edit for stream in streams for edit in EDITS[stream]])

    def edit_one(self, edits: Sequence["Edit"]) -> None:
        """Make one of these edits."""
        self.rng.choice(edits)(self)

    # What everything is made of

    def _create(self, collection: str, fields: JSON) -> None:
        made = self.sandbox.create(self.workspace, collection, dict(fields))
        self.notes.append(f"  create {collection} {made['id']} {fields}")

    def _update(self, collection: str, entity: str | None, fields: JSON) -> None:
        if entity is not None:
            self.sandbox.update(self.workspace, collection, entity, dict(fields))
            self.notes.append(f"  update {collection} {entity} {fields}")

    def _delete(self, collection: str, entity: str | None) -> None:
        if entity is not None:
            self.sandbox.delete(self.workspace, collection, entity)
            self._trash.append((collection, entity))
            self.notes.append(f"  delete {collection} {entity}")

    def _rows(self, stream: str) -> list[JSON]:
        return self.sandbox.rows(stream, workspaceId=self.workspace)

    def _any(self, stream: str, *, spare: int = 0) -> str | None:
        """The id of any row; None where no more than `spare` are left."""
        rows = self._rows(stream)
        if len(rows) <= spare:
            return None
        row = self.rng.choice(rows)
        return str(row["_id"] if stream == "detailed_report" else row["id"])

    def _any_or_none(self, stream: str) -> str | None:
        return None if self.rng.random() < 0.3 else self._any(stream)

    def _word(self) -> str:
        return f"{self.rng.choice(('a', 'b', 'ć', '1e5', 'null'))} {self.rng.randrange(1000)}"

    def instant(self) -> datetime:
        """A moment at which readers go wrong: an edge of a window, a midnight, a clock change."""
        off = self.rng.choice((-DAY, -14 * HOUR, -HOUR, -SECOND, 0 * DAY, SECOND, HOUR, DAY))
        moment = self.rng.choice(self.instants) + off
        if self.rng.random() < 0.3:
            moment = self._midnight_near(moment)
        return moment

    def _midnight_near(self, moment: datetime) -> datetime:
        midnight = int(moment.timestamp()) // 86400 * 86400
        second = reread_in(self.zone, midnight) if self.rng.random() < 0.5 else midnight
        return datetime.fromtimestamp(int(second) + self.rng.choice((-1, 0, 1)), timezone.utc)

    def _interval(self) -> JSON:
        start = int(self.instant().timestamp())
        length = self.rng.choice((None, 0, 60, 3600, 30 * 3600))
        return {
            "start": utc_text(start),
            "end": None if length is None else utc_text(start + length),
        }

    def _period(self) -> JSON:
        start = int(self.instant().timestamp()) // 86400 * 86400
        length = self.rng.choice((1, 2, 10)) * 86400 - 1
        return {"start": utc_text(start), "end": utc_text(start + length)}

    def _day(self) -> str:
        return self.instant().strftime("%Y-%m-%d")

    # Edits

    def create_entry(self) -> None:
        project = self._any_or_none("projects")
        self._create(
            "time-entries",
            {
                "userId": self._any("users"),
                "projectId": project,
                "description": self._word(),
                "timeInterval": self._interval(),
                "billable": self.rng.random() < 0.5,
                "hourlyRate": {"amount": 1000, "currency": "EUR"},
            },
        )

    def move_entry(self) -> None:
        start = utc_text(int(self.instant().timestamp()))
        self._update(
            "time-entries", self._any("detailed_report"), {"timeInterval": {"start": start}}
        )

    def hand_entry_over(self) -> None:
        self._update("time-entries", self._any("detailed_report"), {"userId": self._any("users")})

    def stop_or_start_entry(self) -> None:
        rows = self._rows("detailed_report")
        if rows:
            row = self.rng.choice(rows)
            interval = row["timeInterval"]
            start = datetime.fromisoformat(interval["start"].replace("Z", "+00:00"))
            end = utc_text(int(start.timestamp()) + 600) if interval["end"] is None else None
            self._update("time-entries", row["_id"], {"timeInterval": {"end": end}})

    def describe_entry(self) -> None:
        change: JSON = self.rng.choice(
            (
                {"description": self._word()},
                {"projectId": self._any_or_none("projects")},
                {"billable": True},
                {"tagIds": [row["id"] for row in self._shuffled("tags")[:3]]},
                {"tagIds": None},
            )
        )
        self._update("time-entries", self._any("detailed_report"), change)

    def turn_tags_round(self) -> None:
        """No change: the order of ids means nothing."""
        rows = [row for row in self._rows("time_entries") if row["tagIds"]]
        if rows:
            row = self.rng.choice(rows)
            self._update("time-entries", row["id"], {"tagIds": row["tagIds"][::-1]})

    def delete_entry(self) -> None:
        self._delete("time-entries", self._any("detailed_report"))

    def _shuffled(self, stream: str) -> list[JSON]:
        rows = self._rows(stream)
        return self.rng.sample(rows, len(rows))

    def create_project(self) -> None:
        self._create("projects", {"name": self._word(), "clientId": self._any_or_none("clients")})

    def edit_project(self) -> None:
        change: JSON = self.rng.choice(
            (
                {"name": self._word()},
                {"archived": self.rng.random() < 0.5},
                {"clientId": self._any_or_none("clients")},
                {"note": None},
                {"timeEstimate": {"active": self.rng.random() < 0.5}},
            )
        )
        self._update("projects", self._any("projects"), change)

    def delete_project(self) -> None:
        self._delete("projects", self._any("projects"))

    def create_task(self) -> None:
        project = self._any("projects")
        if project is not None:
            self._create("tasks", {"name": self._word(), "projectId": project})

    def edit_task(self) -> None:
        change: JSON = self.rng.choice(
            (
                {"name": self._word()},
                {"active": self.rng.random() < 0.5},
                {"projectId": self._any("projects")},
            )
        )
        self._update("tasks", self._any("tasks"), change)

    def delete_task(self) -> None:
        self._delete("tasks", self._any("tasks"))

    def create_client(self) -> None:
        self._create("clients", {"name": self._word()})

    def edit_client(self) -> None:
        change: JSON = self.rng.choice(
            ({"name": self._word()}, {"archived": self.rng.random() < 0.5}, {"note": None})
        )
        self._update("clients", self._any("clients"), change)

    def delete_client(self) -> None:
        self._delete("clients", self._any("clients"))

    def create_tag(self) -> None:
        self._create("tags", {"name": self._word()})

    def edit_tag(self) -> None:
        change: JSON = self.rng.choice(
            ({"name": self._word()}, {"archived": self.rng.random() < 0.5})
        )
        self._update("tags", self._any("tags"), change)

    def delete_tag(self) -> None:
        self._delete("tags", self._any("tags"))

    def create_user(self) -> None:
        self._create("users", {"name": self._word()})

    def edit_user(self) -> None:
        user = self._any("users")
        change: JSON = self.rng.choice(
            (
                {"name": self._word()},
                {"profilePicture": f"https://img.example.com/{self.rng.randrange(99)}.png"},
                {"hourlyRate": {"amount": self.rng.randrange(9999), "currency": "EUR"}},
            )
        )
        if user != self._owner and self.rng.random() < 0.5:
            change = self.rng.choice(
                (
                    {"membershipStatus": self.rng.choice(("ACTIVE", "INACTIVE"))},
                    {"roles": self.rng.choice(([], ["TEAM_MANAGER"], ["WORKSPACE_ADMIN"]))},
                )
            )
        self._update("users", user, change)

    def delete_user(self) -> None:
        user = self._any("users", spare=2)
        if user != self._owner:
            self._delete("users", user)

    def create_expense(self) -> None:
        self._create(
            "expenses",
            {
                "date": self._day(),
                "total": self.rng.randrange(1000),
                "userId": self._any("users"),
                "projectId": self._any_or_none("projects"),
            },
        )

    def edit_expense(self) -> None:
        change: JSON = self.rng.choice(
            ({"total": self.rng.randrange(1000)}, {"notes": self._word()})
        )
        self._update("expenses", self._any("expenses"), change)

    def move_expense(self) -> None:
        self._update("expenses", self._any("expenses"), {"date": self._day()})

    def delete_expense(self) -> None:
        self._delete("expenses", self._any("expenses"))

    def create_request(self) -> None:
        self._create("time-off-requests", {"userId": self._any("users")})

    def edit_request(self) -> None:
        change: JSON = self.rng.choice(
            ({"note": self._word()}, {"status": {"statusType": "APPROVED", "note": self._word()}})
        )
        self._update("time-off-requests", self._any("time_off_requests"), change)

    def delete_request(self) -> None:
        self._delete("time-off-requests", self._any("time_off_requests"))

    def create_assignment(self) -> None:
        self._create(
            "assignments",
            {
                "userId": self._any("users"),
                "projectId": self._any_or_none("projects"),
                "period": self._period(),
            },
        )

    def edit_assignment(self) -> None:
        change: JSON = self.rng.choice(({"note": self._word()}, {"hoursPerDay": 7.5}))
        self._update("assignments", self._any("scheduling_assignments"), change)

    def move_assignment(self) -> None:
        self._update("assignments", self._any("scheduling_assignments"), {"period": self._period()})

    def hide_assignment(self) -> None:
        self._update("assignments", self._any("scheduling_assignments"), {"published": False})

    def delete_assignment(self) -> None:
        self._delete("assignments", self._any("scheduling_assignments"))

    def restore(self) -> None:
        """Bring anything back but a task whose project may be gone."""
        projects_gone = any(collection == "projects" for collection, _ in self._trash)
        able = [each for each in self._trash if each[0] != "tasks" or not projects_gone]
        if not able:
            return
        collection, entity = self.rng.choice(able)
        self._trash.remove((collection, entity))
        try:
            self.sandbox.restore(self.workspace, collection, entity)
        except RuntimeError:
            # It came back with its project.
            return
        self.notes.append(f"  restore {collection} {entity}")


Edit = Callable[[Account], None]

_ENTRIES: tuple[Edit, ...] = (
    Account.create_entry,
    Account.create_entry,
    Account.move_entry,
    Account.move_entry,
    Account.describe_entry,
    Account.hand_entry_over,
    Account.stop_or_start_entry,
    Account.turn_tags_round,
    Account.delete_entry,
    Account.restore,
)
_PROJECTS: tuple[Edit, ...] = (
    Account.create_project,
    Account.edit_project,
    Account.edit_project,
    Account.delete_project,
    Account.restore,
)
_CLIENTS: tuple[Edit, ...] = (
    Account.create_client,
    Account.edit_client,
    Account.delete_client,
    Account.restore,
)
_TAGS: tuple[Edit, ...] = (
    Account.create_tag,
    Account.edit_tag,
    Account.delete_tag,
    Account.restore,
)
_USERS: tuple[Edit, ...] = (
    Account.create_user,
    Account.edit_user,
    Account.edit_user,
    Account.delete_user,
    Account.restore,
)
_EXPENSES: tuple[Edit, ...] = (
    Account.create_expense,
    Account.edit_expense,
    Account.move_expense,
    Account.delete_expense,
    Account.restore,
)
EDITS: dict[str, tuple[Edit, ...]] = {
    "time_entries": (*_ENTRIES, Account.delete_user, Account.create_user),
    "time_entries_in_progress": _ENTRIES,
    "detailed_report": (*_ENTRIES, Account.edit_project, Account.edit_user, Account.delete_user),
    "summary_report": (*_ENTRIES, Account.edit_project),
    "weekly_report": (*_ENTRIES, Account.edit_project),
    "attendance_report": (*_ENTRIES, Account.edit_user),
    "projects": (*_PROJECTS, Account.create_entry, Account.edit_client, Account.delete_client),
    "tasks": (
        Account.create_task,
        Account.edit_task,
        Account.edit_task,
        Account.delete_task,
        *_PROJECTS,
    ),
    "clients": _CLIENTS,
    "tags": _TAGS,
    "users": _USERS,
    "expenses": (*_EXPENSES, Account.edit_project),
    "expense_report": (*_EXPENSES, Account.delete_user),
    "time_off_requests": (
        Account.create_request,
        Account.edit_request,
        Account.edit_request,
        Account.delete_request,
        Account.delete_user,
        Account.restore,
    ),
    "scheduling_assignments": (
        Account.create_assignment,
        Account.edit_assignment,
        Account.move_assignment,
        Account.hide_assignment,
        Account.delete_assignment,
        Account.edit_project,
        Account.restore,
    ),
}


# Histories


@dataclass
class Pending:
    """A change that has to be sent again.

    Attributes:
        message: as it was sent first.
        left: in how many later syncs.
        sent_at: when the sync began that sent it last.
        certain: False where it may as well be part of a baseline, which is not sent again.
    """

    message: Message
    left: int
    sent_at: datetime
    certain: bool


@dataclass
class History:
    """Two accounts, one connection, and everything that is asserted of it."""

    sandbox: Sandbox
    clock: Clock
    read: Read
    seed: int
    style: Style
    notes: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Live through it; AssertionError with the whole history if anything is wrong."""
        try:
            self._prepare()
            for number in range(self.style.syncs):
                self._live(number)
        except Exception as error:
            told = "\n".join((f"seed {self.seed}, {self.style}", *self.notes))
            raise AssertionError(f"{error}\n{told}") from error

    def _prepare(self) -> None:
        rng = self.rng = Random(self.seed)
        self.sandbox.reset()
        self.resend = rng.choice(self.style.resend)
        self.lookback = rng.choice((1, 2, 3, 10, 30))
        zone = rng.choice(ZONES)
        self.streams = rng.choice(GROUPS)
        workspaces = [each["id"] for each in self.sandbox.workspaces]
        self.accounts = [Account(self.sandbox, each, rng, zone, self.notes) for each in workspaces]
        self.now = self._beginning(zone)
        self.start_date = self._some_start_date()
        self.config = config_of(
            self.sandbox,
            lookback_days=self.lookback,
            resend_changes=self.resend,
            num_workers=rng.choice((2, 4, 4, 8)),
            # What is promised here is the window; followed.py has the feeds.
            follow_changes=False,
        )
        if self.start_date:
            self.config["start_date"] = self.start_date + "Z"
        if rng.random() < 0.5:
            self.config["workspace_ids"] = workspaces
        clamp = rng.choice((None, None, 1, 2, 3, 7))
        if UNCLAMPED & set(self.streams):
            clamp = None
        settings = {
            "time_zone": zone,
            "page_size_clamp": clamp,
            "batch_missing": rng.choice(("error", "omit")),
            "report_end": rng.choice(("inclusive", "exclusive")),
            # No message may come of it.
            "shuffle_lists": self.seed,
        }
        self.sandbox.settings(**settings)
        shown = {key: value for key, value in self.config.items() if key.endswith(("s", "e"))}
        self.notes.append(f"{self.streams} {settings} { {**shown, 'credentials': 0} }")
        self.consumer = Consumer()
        self.promises = {
            stream: Promises(KINDS[stream], timedelta(days=self.lookback), self.start_date)
            for stream in self.streams
        }
        self.state: list[JSON] | None = None
        self.pending: dict[tuple[str, Any], Pending] = {}
        self.last_begun: datetime | None = None
        self.lost_at: datetime | None = None
        self.loses = rng.randrange(1, self.style.syncs - 2) if self.style.loses_one else None
        self.disturbed = False
        self._look_around()
        for account in self.accounts:
            for _ in range(rng.randrange(2, 6)):
                account.create_entry()

    def _beginning(self, zone: str) -> datetime:
        """Somewhere in the year, mostly soon after a clock change."""
        second = int(PRESENT.timestamp()) + self.rng.randrange(60, 365) * 86400
        changes = clock_changes(ZoneInfo(zone), second)
        if changes and self.rng.random() < 0.7:
            second = changes[0] + self.rng.randrange(-2 * 86400, 6 * 86400)
        return datetime.fromtimestamp(second, timezone.utc)

    def _some_start_date(self) -> str:
        """A Monday's midnight, or none."""
        reports = {"weekly_report", "attendance_report"} & set(self.streams)
        if not reports and self.rng.random() < 0.3:
            return ""
        day = (self.now - timedelta(days=self.lookback + self.rng.randrange(50))).date()
        monday = day - timedelta(days=day.weekday())
        return f"{monday.isoformat()}T00:00:00"

    def _look_around(self) -> None:
        """Tell the account where the windows' edges and the clock changes are."""
        moments = [self.now, self.now - timedelta(days=self.lookback), self.now + DAY]
        moments.append(self.now - timedelta(days=self.rng.randrange(3 * self.lookback)))
        moments.append(self.now - timedelta(hours=self.rng.randrange(1, 24 * self.lookback)))
        if self.last_begun is not None:
            moments.append(self.last_begun - timedelta(days=self.lookback))
        moments.append(self.now + self.rng.choice((30, 31, 32)) * DAY)
        for change in clock_changes(self.accounts[0].zone, int(self.now.timestamp())):
            if change > self.now.timestamp() - 40 * 86400:
                moments.append(datetime.fromtimestamp(change, timezone.utc))
        for account in self.accounts:
            account.instants = moments

    def _live(self, number: int) -> None:
        """Some time passes, people edit, a sync takes place."""
        if number:
            step = self.rng.choice(
                (
                    timedelta(minutes=7),
                    timedelta(minutes=59, seconds=59),
                    HOUR,
                    timedelta(hours=5),
                    DAY,
                    2 * DAY,
                    timedelta(days=self.lookback) + self.rng.choice((-HOUR, HOUR)),
                )
            )
            self.now += step
            self._look_around()
            self.sandbox.set_now(utc_text(int(self.now.timestamp())))
            for account in self.accounts:
                for _ in range(self.rng.choice((0, 1, 1, 2, 3))):
                    account.edit(self.streams)
        else:
            self.sandbox.set_now(utc_text(int(self.now.timestamp())))
        if number and self.rng.random() < self.style.refreshes:
            self._refresh()
        self._sync(number)

    def _refresh(self) -> None:
        self.notes.append("  the state is thrown away")
        self.state = None
        self.pending.clear()
        self.lost_at = None
        for promises in self.promises.values():
            promises.refresh()

    def _sync(self, number: int) -> None:
        listed_rows = {stream: rows_of(self.sandbox, stream) for stream in self.streams}
        orphans = self._orphans(listed_rows.get("time_entries", {}))
        rows = {
            stream: {**found, **orphans} if stream == "time_entries" else found
            for stream, found in listed_rows.items()
        }
        listed = {
            "time_entries": self._parents("users"),
            "tasks": self._parents("projects"),
        }
        self.clock.set(self.now)
        output = self.read(self.config, self.streams, self.state)
        ended = self.clock.now()
        assert output.errors == [], output.errors
        assert output.statuses == dict.fromkeys(self.streams, "COMPLETE"), output.text
        assert output.returncode == 0, output.text

        printed = output.messages
        interrupted = self.rng.random() < self.style.interrupted
        if interrupted:
            printed = begun(printed, self.rng)
        delivered = number != self.loses
        what = f"cut at {len(printed)}/{len(output.messages)}" if interrupted else ""
        self.notes.append(f"sync {number} at {self.now} {what}{'' if delivered else 'lost'}")
        kept = Output(printed, 0, "")
        messages = self.consumer.take(printed, delivered=delivered)
        for message in messages:
            again = "again " if message.repeats else ""
            gone = "gone" if message.content is None else ""
            self.notes.append(f"    {message.stream} {again}{message.key} {message.version} {gone}")
        if self.state is None or kept.states:
            held = {name_of(each): each for each in self.state or []}
            self.state = list({**held, **kept.states}.values())

        attempts = {
            stream: Attempt(
                begun=self.now,
                ended=ended,
                saved=stream in kept.states,
                finished=_states(printed, stream) == _states(output.messages, stream),
                delivered=delivered,
                partitions=listed.get(stream, frozenset()),
                by_id=frozenset(orphans) if stream == "time_entries" else frozenset(),
            )
            for stream in self.streams
        }
        if not interrupted and not self.disturbed:
            self._assert_nothing_twice(messages)
            self._assert_sent_again(messages, rows)
        self.disturbed |= interrupted
        for stream in self.streams:
            mine = [message for message in messages if message.stream == stream]
            self.promises[stream].note(attempts[stream], rows[stream], mine)
        self._assert_view(interrupted, delivered)
        self.last_begun = self.now

    def _orphans(self, listed: dict[Key, JSON]) -> dict[Key, JSON]:
        """The entries that the state may hold and no listing brings: their user is deleted."""
        if "time_entries" not in self.promises:
            return {}
        known = self.promises["time_entries"].known_rows()
        found = {
            key: entry_by_id(self.sandbox, row["workspaceId"], key[0])
            for key, row in known.items()
            if key not in listed
        }
        return {key: entry for key, entry in found.items() if entry is not None}

    def _parents(self, stream: str) -> frozenset[str]:
        found = self.sandbox.records(stream)
        return frozenset(f"{each['path']['workspaceId']}/{each['row']['id']}" for each in found)

    def _assert_view(self, interrupted: bool, delivered: bool) -> None:
        if not delivered:
            self.lost_at = self.now
        if self.lost_at is not None:
            counts = self.last_begun is not None and self.now - self.last_begun >= HOUR
            if interrupted or not counts or self.now == self.lost_at:
                return
            self.lost_at = None
        if not interrupted:
            for stream in self.streams:
                wrong = self.promises[stream].wrong(self.consumer.view(stream))
                assert not wrong, f"{stream} {wrong}"

    def _assert_nothing_twice(self, messages: Sequence[Message]) -> None:
        """No new version says what the version before it said."""
        for message in messages:
            if message.repeats:
                continue
            earlier = [
                each
                for each in self.consumer.messages[message.stream]
                if each.key == message.key
                and each.version < message.version
                and each.baseline == message.baseline
            ]
            if not earlier:
                assert message.content is not None, f"{message.stream} {message.key}"
                continue
            last = max(earlier, key=lambda each: each.version)
            if last.content != message.content:
                continue
            promises = self.promises[message.stream]
            came_back = message.content is not None and promises.may_return(message.content)
            assert came_back, f"{message.stream} {message.key} says again {message.content}"

    def _assert_sent_again(
        self, messages: Sequence[Message], rows: dict[str, dict[Key, JSON]]
    ) -> None:
        """Each change comes again in as many syncs that count as it should, and in no other."""
        sent = {(message.stream, message.key): message for message in messages}
        for name, message in sent.items():
            if message.repeats:
                assert name in self.pending, f"{name} was not to be sent again"
                pending = self.pending[name]
                assert pending.message.version == message.version, f"{name} {message.version}"
                waited = self.now - pending.sent_at
                assert waited >= HOUR, f"{name} is sent again after {waited}"
        for name, pending in list(self.pending.items()):
            found = sent.get(name)
            if found is None:
                stream, key = name
                undecided = not KINDS[stream].by_id and key not in rows[stream]
                late = self.now - pending.sent_at >= HOUR
                excused = not pending.certain or (undecided and pending.message.content)
                assert not late or excused, f"{name} was not sent again"
                continue
            pending.left -= 1
            pending.sent_at = self.now
            if not found.repeats or not pending.left:
                del self.pending[name]
        for (stream, key), message in sent.items():
            if message.repeats or self.resend == 0:
                continue
            promises = self.promises[stream]
            if promises.edge is None:
                continue
            content = message.content
            certain = not promises.may_be_baseline(content, self.now)
            self.pending[stream, key] = Pending(message, self.resend, self.now, certain)


def begun(printed: Sequence[JSON], rng: Random) -> list[JSON]:
    """What a sync printed before it was interrupted, often near its end."""
    # What is gone is decided at the end of a stream.
    last = rng.choice((len(printed), min(12, len(printed))))
    return list(printed[: len(printed) - rng.randrange(last + 1)])


def name_of(state: JSON) -> str:
    return str(state["stream"]["stream_descriptor"]["name"])


def _states(printed: Sequence[JSON], stream: str) -> int:
    return sum(
        1 for each in printed if each["type"] == "STATE" and name_of(each["state"]) == stream
    )
