"""What change tracking promises: which contents of a row a consumer may see after a sync.

The account's rows are noted at every sync. A sync promises a row if it reads it (a whole listing, a
window, a new partition) or if the state holds it and its window still covers it; then the consumer
sees the row as it is now. Of other rows he sees any content that they had since they were promised
last. Three more cases are no fault of the connector:

- a baseline without a single record does not make void what was there before it;
- records that came after the last state of an interrupted sync are unknown to the next one, so a
  row that has gone back meanwhile to what the state knows brings no message;
- the history of a partition that is new, older than the lookback, is not sent again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from clockify_sandbox.client import JSON, Sandbox
from integration_tests.airbyte import key_of
from integration_tests.consumer import Key, Message, comparable

Content = JSON | None

REPORT_DAYS = 31
HORIZON_DAYS = 365


@dataclass(frozen=True)
class Kind:
    """How a stream is read.

    Attributes:
        start: when a row begins (`YYYY-MM-DDTHH:MM:SS` or a day), None where all rows are read.
        days_ahead: how far the window reaches into the future, None without end.
        partition: the parent, other than the workspace, whose rows are read together.
        by_id: whether Clockify tells of a single row if it is gone.
        runs: whether rows may run, and are followed until they end.
    """

    start: Callable[[JSON], str] | None = None
    days_ahead: int | None = None
    partition: Callable[[JSON], str] | None = None
    by_id: bool = True
    runs: bool = False


def parent(row: JSON, column: str) -> str:
    """What a row is read with, of any workspace."""
    return f"{row['workspaceId']}/{row[column]}"


def _second(row: JSON) -> str:
    return str(row["start"])[:19]


def _monday(day: str) -> str:
    parsed = date.fromisoformat(day)
    return (parsed - timedelta(days=parsed.weekday())).isoformat()


KINDS: Mapping[str, Kind] = {
    "clients": Kind(),
    "projects": Kind(),
    "tags": Kind(),
    "users": Kind(),
    "expenses": Kind(),
    "tasks": Kind(partition=lambda row: parent(row, "projectId")),
    "time_entries": Kind(start=_second, partition=lambda row: parent(row, "userId"), runs=True),
    "detailed_report": Kind(start=_second, days_ahead=REPORT_DAYS, runs=True),
    "time_entries_in_progress": Kind(by_id=False),
    "time_off_requests": Kind(by_id=False),
    "scheduling_assignments": Kind(
        start=lambda row: str(row["period"]["start"])[:19], days_ahead=HORIZON_DAYS, by_id=False
    ),
    "summary_report": Kind(start=lambda row: str(row["date"]), days_ahead=REPORT_DAYS, by_id=False),
    "weekly_report": Kind(
        start=lambda row: str(row["weekStart"]), days_ahead=REPORT_DAYS - 6, by_id=False
    ),
    "attendance_report": Kind(start=lambda row: str(row["date"]), days_ahead=0, by_id=False),
    "expense_report": Kind(
        start=lambda row: str(row["date"])[:10], days_ahead=REPORT_DAYS, by_id=False
    ),
}


# The account's rows


def rows_of(sandbox: Sandbox, stream: str, **query: str) -> dict[Key, JSON]:
    """The rows of a stream that Clockify lists now, as a consumer would hold them."""
    found: dict[Key, JSON] = {}
    for each in sandbox.records(stream, **query):
        row = each["row"]
        record = {**each["path"], **row}
        if stream in ("time_entries", "detailed_report"):
            record["start"] = row["timeInterval"]["start"]
        elif stream == "scheduling_assignments":
            record["periodStart"] = row["period"]["start"]
        elif stream == "summary_report":
            record["date"] = row["_id"]
        elif stream == "weekly_report":
            record["_id"] = row["_id"] or "none"
        found[key_of(stream, record)] = comparable(stream, record)
    return found


def entry_by_id(sandbox: Sandbox, workspace: str, entry: str) -> Content:
    """A time entry whoever it belongs to, None if it is gone."""
    response = sandbox.get(f"/workspaces/{workspace}/time-entries/{entry}")
    if response.status_code == 400:
        return None
    assert response.status_code == 200, response.text
    row = response.json()
    return comparable("time_entries", {**row, "start": row["timeInterval"]["start"]})


# Promises


@dataclass(frozen=True)
class Attempt:
    """A sync as the next one will know it.

    Attributes:
        begun, ended: by the clock.
        saved: whether any state of the stream was kept.
        finished: whether the last state of the stream was kept.
        delivered: whether the destination kept the records.
        partitions: the parents that were listed.
        by_id: the keys that no listing brings, since their parent is gone.
    """

    begun: datetime
    ended: datetime
    saved: bool
    finished: bool
    delivered: bool
    partitions: frozenset[str] = frozenset()
    by_id: frozenset[Key] = frozenset()


@dataclass(frozen=True)
class _Sync:
    """A sync and what it sent of the stream.

    Attributes:
        attempt: the sync.
        sent: the content that it sent last for each key.
        turned_empty: the workspaces that have lost their last row.
    """

    attempt: Attempt
    sent: Mapping[Key, Content]
    turned_empty: frozenset[str]


@dataclass
class Promises:
    """What a consumer may see of one stream.

    Attributes:
        kind: how the stream is read.
        lookback: the configured one.
        start_date: the configured one, as `YYYY-MM-DDTHH:MM:SS`, empty without.
        possible: the contents that are right for a key; None is its absence.
        known: the contents that the state may hold; more than one after an interruption.
        edge: where the next window begins, None before the first state.
    """

    kind: Kind
    lookback: timedelta
    start_date: str = ""
    possible: dict[Key, list[Content]] = field(default_factory=dict)
    known: dict[Key, list[Content]] = field(default_factory=dict)
    edge: datetime | None = None
    _partitions: frozenset[str] = frozenset()
    _listed: frozenset[str] = frozenset()
    _settled: dict[Key, Content] = field(default_factory=dict)
    _undecided: set[Key] = field(default_factory=set)
    _before_loss: dict[Key, list[Content]] = field(default_factory=dict)
    _fleeting: dict[Key, list[Content]] = field(default_factory=dict)
    _held_rows: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """The state is thrown away, and what was read so far is void."""
        self.known.clear()
        self.edge = None
        self._partitions = self._listed = frozenset()
        self._settled.clear()
        self._undecided.clear()
        self._before_loss.clear()
        self._fleeting.clear()
        self._held_rows = frozenset()

    def known_rows(self) -> dict[Key, JSON]:
        """What the state may hold, one content of each key."""
        found = {key: next(filter(None, options), None) for key, options in self.known.items()}
        return {key: content for key, content in found.items() if content is not None}

    def note(self, attempt: Attempt, rows: Mapping[Key, JSON], messages: Sequence[Message]) -> None:
        """Take account of a sync that found these rows and sent these messages of the stream."""
        sent = {message.key: message.content for message in messages}
        if self.edge is None:
            # A baseline begins anew until its first state.
            self.known.clear()
        holding = frozenset(
            str(row["workspaceId"]) for row in rows.values() if self._covers(row, attempt)
        )
        turned_empty = frozenset() if self.kind.by_id else self._held_rows - holding
        if not attempt.delivered:
            self._before_loss = {key: list(contents) for key, contents in self.possible.items()}
        sync = _Sync(attempt, sent, turned_empty)
        for key in {**self.possible, **self.known, **rows}:
            self._note_row(key, rows.get(key), sync)
        if attempt.finished:
            self._held_rows = holding
        if attempt.saved:
            self.edge = attempt.ended - self.lookback
            self._partitions |= attempt.partitions
            self._listed = attempt.partitions

    def _note_row(self, key: Key, row: Content, sync: _Sync) -> None:
        options = self.known.get(key, [None])
        now = self._visible(row, options, sync.attempt)
        promised = self._promises(key, now, options, sync.attempt)
        if promised:
            self._promise(key, now, options, sync)
        else:
            held = self.possible.setdefault(key, [None])
            # What the state may not know at all it cannot look for.
            held += [each for each in (now, *options[1:]) if each not in held]
            if now != held[0]:
                held += self._fleeting.pop(key, [])
        if sync.attempt.finished and promised and key not in self._undecided:
            self.known[key] = [now]
        elif sync.attempt.finished and key in sync.sent:
            self.known[key] = [sync.sent[key]]
        elif key in sync.sent:
            self.known[key] = [*options, sync.sent[key]]

    def wrong(self, view: Mapping[Key, JSON]) -> str:
        """What is wrong about a view, empty if nothing is."""
        for key in sorted({**self.possible, **view}):
            possible = self.possible.get(key, [None])
            if view.get(key) not in possible:
                return f"{key}\n  seen: {view.get(key)}\n" + "".join(
                    f"  may be: {content}\n" for content in possible
                )
        return ""

    def may_return(self, content: JSON) -> bool:
        """Whether a row is so old that no state holds it."""
        if self.kind.start is None or self.edge is None:
            return False
        return self.kind.start(content) < self._first(self.edge)

    def _promise(self, key: Key, now: Content, options: list[Content], sync: _Sync) -> None:
        attempt = sync.attempt
        before = self.possible.get(key, [None])
        self._undecided.discard(key)
        if now is None and any(
            held and held["workspaceId"] in sync.turned_empty for held in options
        ):
            # Believed when it is empty once more.
            self._undecided.add(key)
            self.possible[key] = [*before, None, *self._before_loss.get(key, ())]
            return
        if key in self._settled and self._settled[key] == now:
            return
        self._settled.pop(key, None)
        fleeting = [*self._fleeting.pop(key, []), *before]
        if not attempt.finished and not self._follows(options, attempt):
            # It came into the window of a sync that may have ended before it was read.
            self._fleeting[key] = fleeting
        self.possible[key] = [now]
        if self.edge is None and not sync.sent:
            # A baseline without a single record does not show.
            self.possible[key] += before
        elif self.edge is not None and len(options) > 1 and now in options:
            self.possible[key] += options
            self._settled[key] = now
        elif not attempt.delivered and self.may_be_baseline(now, attempt.begun):
            self.possible[key] += before
            self._settled[key] = now

    def _promises(
        self, key: Key, now: Content, options: Sequence[Content], attempt: Attempt
    ) -> bool:
        if self.kind.start is None or self.edge is None or key in self._undecided:
            return True
        is_read = now is not None and (self._covers(now, attempt) or self._is_new(now))
        if is_read and key not in attempt.by_id:
            return True
        return self._follows(options, attempt)

    def _follows(self, options: Sequence[Content], attempt: Attempt) -> bool:
        """Whether a row that the state knows so is looked for."""
        return all(
            held is not None and (self._covers(held, attempt) or self._is_running(held))
            for held in options
        )

    def _covers(self, row: JSON, attempt: Attempt) -> bool:
        """Whether the window covers a row."""
        if self.kind.start is None:
            return True
        if self.edge is not None and self.kind.start(row) < self._first(self.edge):
            return False
        return self._may_be_read(row, attempt)

    def _may_be_read(self, row: JSON, attempt: Attempt) -> bool:
        """Whether a row lies between the start date and the end of the window."""
        if self.kind.start is None:
            return True
        start = self.kind.start(row)
        if start < self.start_date[: len(start)]:
            return False
        if self.kind.days_ahead is None:
            return True
        last_day = attempt.begun.date() + timedelta(days=self.kind.days_ahead)
        return start[:10] <= last_day.isoformat()

    def _first(self, edge: datetime) -> str:
        """The first start within a window, written as the stream's starts are."""
        if self.kind is KINDS["weekly_report"]:
            return _monday(edge.date().isoformat())
        if self.kind.start in (_second, KINDS["scheduling_assignments"].start):
            return edge.isoformat()[:19]
        return edge.date().isoformat()

    def may_be_baseline(self, row: Content, begun: datetime) -> bool:
        """Whether a row was read as the history of a partition that was not listed before."""
        if row is None or self.kind.start is None:
            return False
        old = self.kind.start(row) < self._first(begun - self.lookback)
        return old and self._parent_is_not_in(self._listed, row)

    def _is_new(self, row: Content) -> bool:
        """Whether a row's partition is read for the first time."""
        return self._parent_is_not_in(self._partitions, row)

    def _parent_is_not_in(self, partitions: frozenset[str], row: Content) -> bool:
        if row is None or self.kind.partition is None:
            return False
        return self.kind.partition(row) not in partitions

    def _is_running(self, row: JSON) -> bool:
        return self.kind.runs and row["timeInterval"].get("end") is None

    def _visible(self, row: Content, options: Sequence[Content], attempt: Attempt) -> Content:
        """A row, None where it is not read and never was."""
        if row is None or any(options) or self._may_be_read(row, attempt):
            return row
        return None
