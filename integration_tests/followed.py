"""Random histories of an account whose change feeds are followed: edits of any age, then a sync."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from clockify_sandbox.client import JSON, Sandbox
from clockify_sandbox.timetext import utc_text
from integration_tests.airbyte import Output, config_of
from integration_tests.consumer import Consumer, Key, Message
from integration_tests.frozen import Clock, Read
from integration_tests.histories import DAY, HOUR, PRESENT, ZONES, Account, Edit, begun, name_of
from integration_tests.promises import entry_by_id, rows_of

STREAMS = ("time_entries", "detailed_report")


class AnyAge(Account):
    """An account in which entries of any age are edited."""

    now = PRESENT

    def instant(self) -> datetime:
        if self.rng.random() < 0.5:
            return super().instant()
        return self.now - timedelta(minutes=self.rng.randrange(3 * 365 * 24 * 60))

    def edit_rate(self) -> None:
        """Shows under the code of rates."""
        rate = {"amount": self.rng.randrange(9000), "currency": "EUR"}
        column = self.rng.choice(("hourlyRate", "costRate"))
        self._update("time-entries", self._any("detailed_report"), {column: rate})


_EDITS: tuple[Edit, ...] = (
    Account.create_entry,
    Account.create_entry,
    Account.move_entry,
    Account.move_entry,
    Account.describe_entry,
    Account.describe_entry,
    Account.hand_entry_over,
    Account.stop_or_start_entry,
    Account.turn_tags_round,
    Account.delete_entry,
    Account.delete_entry,
    Account.restore,
    Account.restore,
    # It takes the project or tag from entries of any age.
    Account.delete_project,
    Account.delete_tag,
)
# Rows of the report hold the name of their user, of which no feed tells.
_EDITS_OF_USERS: tuple[Edit, ...] = (Account.create_user, Account.delete_user)


@dataclass(frozen=True)
class Flaws:
    """What is wrong with the feeds and the syncs of a history.

    Attributes:
        dropped: the percentage of rows that the feeds leave out.
        settings: of the sandbox.
        interrupted: how often a sync ends in the middle, 0 to 1.
        loses_one: whether the destination loses all records of one later sync.
        resend: the values that `resend_changes` may have.
        lies: whether the feeds name what did not happen.
    """

    dropped: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    interrupted: float = 0.0
    loses_one: bool = False
    resend: tuple[int, ...] = (0, 1)
    lies: bool = False


@dataclass
class FollowedHistory:
    """Two accounts, one connection, and everything that is asserted of it."""

    sandbox: Sandbox
    clock: Clock
    read: Read
    seed: int
    flaws: Flaws
    syncs: int = 7
    notes: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Live through it; AssertionError with the whole history if anything is wrong."""
        try:
            self._prepare()
            for number in range(self.syncs):
                self._live(number)
        except Exception as error:
            told = "\n".join((f"seed {self.seed}, {self.flaws}", *self.notes))
            raise AssertionError(f"{error}\n{told}") from error

    def _prepare(self) -> None:
        rng = self.rng = Random(self.seed)
        self.sandbox.reset()
        self.streams = STREAMS[: rng.choice((1, 2))]
        self.lookback = rng.choice((1, 3, 10, 30))
        zone = rng.choice(ZONES)
        workspaces = [each["id"] for each in self.sandbox.workspaces]
        self.accounts = [AnyAge(self.sandbox, each, rng, zone, self.notes) for each in workspaces]
        self.now = PRESENT + timedelta(days=rng.randrange(60, 365), seconds=rng.randrange(86400))
        self.config = config_of(
            self.sandbox,
            lookback_days=self.lookback,
            resend_changes=rng.choice(self.flaws.resend),
            num_workers=rng.choice((2, 4, 8)),
            follow_changes=True,
        )
        self.sandbox.settings(
            time_zone=zone,
            batch_missing=rng.choice(("error", "omit")),
            shuffle_lists=self.seed,
            deletion_lag=0,
            feed_seed=self.seed,
            feed_drop=self.flaws.dropped,
            **self.flaws.settings,
        )
        self.notes.append(f"{self.streams} {zone} { {**self.config, 'credentials': 0} }")
        self.consumer = Consumer()
        self.state: list[JSON] | None = None
        self.loses = rng.randrange(1, self.syncs - 2) if self.flaws.loses_one else None
        self.excused: set[tuple[str, Key]] = set()
        self.lost_at: datetime | None = None
        self.lies: list[JSON] = []
        self._look_around()
        for account in self.accounts:
            for _ in range(rng.randrange(3, 8)):
                account.create_entry()

    def _look_around(self) -> None:
        moments = [self.now, self.now - timedelta(days=self.lookback), self.now + DAY]
        moments.append(self.now - timedelta(hours=self.rng.randrange(1, 24 * self.lookback)))
        for account in self.accounts:
            account.instants = moments
            account.now = self.now

    def _live(self, number: int) -> None:
        self.sandbox.set_now(utc_text(int(self.now.timestamp())))
        edits = _EDITS if "detailed_report" in self.streams else (*_EDITS, *_EDITS_OF_USERS)
        if number:
            # Edits and the sync need not be at the same time.
            for _ in range(self.rng.choice((1, 1, 2))):
                self.now += self.rng.choice(
                    (timedelta(minutes=4), timedelta(minutes=7), HOUR, 5 * HOUR, DAY, 40 * DAY)
                )
                self._look_around()
                self.sandbox.set_now(utc_text(int(self.now.timestamp())))
                for account in self.accounts:
                    for _ in range(self.rng.choice((0, 1, 2, 3))):
                        account.edit_one(edits)
            if self.flaws.lies:
                self._lie()
        self._sync(number)

    def _lie(self) -> None:
        """Name what lives as deleted, what did not change, and what is of another workspace."""
        for account in self.accounts:
            other = self.rng.choice(self.accounts)
            rows = self.sandbox.rows("detailed_report", workspaceId=other.workspace)
            for row in self.rng.sample(rows, min(2, len(rows))):
                self.lies.append(
                    {
                        "workspaceId": account.workspace,
                        "kind": self.rng.choice(("created", "updated", "deleted")),
                        "id": row["_id"],
                        "at": utc_text(int(self.now.timestamp())),
                        **self.rng.choice(({}, {"document": {}})),
                    }
                )
            self.lies.append({**self.lies[-1], "id": f"{self.rng.getrandbits(96):024x}"})
        self.sandbox.settings(feed_lies=self.lies)

    def _sync(self, number: int) -> None:
        truth = {stream: self._truth(stream) for stream in self.streams}
        self.clock.set(self.now)
        output = self.read(self.config, self.streams, self.state)
        assert output.errors == [], output.errors
        assert output.returncode == 0, output.text
        printed = output.messages
        interrupted = self.rng.random() < self.flaws.interrupted
        if interrupted:
            printed = begun(printed, self.rng)
        delivered = number != self.loses
        what = f"cut at {len(printed)}/{len(output.messages)}" if interrupted else ""
        self.notes.append(f"sync {number} at {self.now} {what}{'' if delivered else 'lost'}")
        messages = self.consumer.take(printed, delivered=delivered, sent_before=False)
        for message in messages:
            gone = "gone" if message.content is None else ""
            self.notes.append(f"    {message.stream} {message.key} {message.version} {gone}")
        kept = Output(printed, 0, "").states
        if self.state is None or kept:
            held = {name_of(each): each for each in self.state or []}
            self.state = list({**held, **kept}.values())
        self._assert_true(messages, truth)
        if interrupted:
            self.excused |= {(message.stream, message.key) for message in messages}
        elif not self.flaws.dropped:
            self._assert_complete(delivered, truth)

    def _truth(self, stream: str) -> dict[Key, JSON]:
        """Every row of the account, those of deleted users included."""
        rows = rows_of(self.sandbox, stream)
        if stream != "time_entries":
            return rows
        for each in self.sandbox.records("detailed_report"):
            key = (each["row"]["_id"],)
            if key not in rows:
                entry = entry_by_id(self.sandbox, each["path"]["workspaceId"], key[0])
                assert entry is not None
                rows[key] = entry
        return rows

    def _assert_true(
        self, messages: Sequence[Message], truth: Mapping[str, Mapping[Key, JSON]]
    ) -> None:
        """What is sent is so, whatever the feeds say."""
        for message in messages:
            if not message.repeats:
                present = truth[message.stream].get(message.key)
                assert message.content == present, f"{message.stream} {message.key}\n{present}"

    def _assert_complete(self, delivered: bool, truth: Mapping[str, Mapping[Key, JSON]]) -> None:
        """The consumer sees the account as it is, for all time."""
        if not delivered:
            self.lost_at = self.now
            return
        if self.lost_at is not None:
            if self.now - self.lost_at < HOUR:
                return
            self.lost_at = None
        for stream in self.streams:
            view = self.consumer.view(stream)
            for key in {**view, **truth[stream]}:
                present = truth[stream].get(key)
                if (stream, key) not in self.excused:
                    assert view.get(key) == present, (
                        f"{stream} {key}\n  seen: {view.get(key)}\n  is:   {present}"
                    )
