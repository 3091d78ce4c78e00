"""The room that the states of a sync share, and the pace at which they leave."""

import logging
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from airbyte_cdk.models import AirbyteMessage, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from benchmarks.states import NOW, Account, detailed_report, listing, time_entries
from source_clockify.change_tracking import budget as budgets
from source_clockify.change_tracking import checkpoint
from source_clockify.change_tracking.budget import MEGABYTE, StateBudget, size_of
from source_clockify.change_tracking.checkpoint import StateWriter, describe_start
from source_clockify.change_tracking.profiles import Kind, StreamSpec, TrackingProfile
from source_clockify.change_tracking.rows import Pending, Row, Rows
from source_clockify.change_tracking.state import PartitionState, StreamState, decode, encode
from source_clockify.timestamps import DAY
from unit_tests.protocol import present

# As a whole, though each test is short.
pytestmark = pytest.mark.slow

VERSION = NOW * 1000
FIELDS = ("workspace_id", "user_id")
# What Airbyte accepts.
AIRBYTE_BYTES = 10_485_760


@dataclass
class Platform:
    """Stores the latest state of every stream, as Airbyte does.

    Attributes:
        states: what it stores, by stream.
        most: the largest that all of them were together, in bytes.
        sent: how many states came.
    """

    states: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    most: int = 0
    sent: int = 0

    def take(self, message: AirbyteMessage) -> None:
        assert message.state is not None
        assert message.state.stream is not None
        stream = message.state.stream
        self.states[stream.stream_descriptor.name] = vars(stream.stream_state)
        self.most = max(self.most, self.size())
        self.sent += 1

    def size(self) -> int:
        streams = [
            {"streamDescriptor": {"name": name}, "streamState": blob}
            for name, blob in self.states.items()
        ]
        return len(orjson.dumps({"connectionState": {"streamState": streams}}))

    def budget(self, limit: float, lookback_days: int = 30) -> StateBudget:
        """Return the budget of a sync that begins with what is stored."""
        sizes = {name: size_of(name, blob) for name, blob in self.states.items()}
        return StateBudget(int(limit * MEGABYTE), sizes, lookback_days)

    def known(self, name: str, *, dated: bool = False) -> StreamState | None:
        return decode(name, self.states[name], dated=dated) if name in self.states else None


@pytest.fixture
def platform() -> Platform:
    return Platform()


@dataclass
class Clock:
    now: float = 1000.0
    slept: float = 0.0

    def pause(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budgets, "clock", lambda: clock.now)
    monkeypatch.setattr(budgets, "pause", clock.pause)
    return clock


@pytest.fixture(autouse=True)
def no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is due as soon as something is new."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS_PER_MEGABYTE", 0)


def a_writer(
    platform: Platform,
    budget: StateBudget,
    name: str,
    state: StreamState | None = None,
    *,
    can_shrink: bool = True,
) -> StateWriter:
    """Return the writer of a stream that goes on from what is stored, and then found `state`."""
    kind = Kind.WINDOWED_SNAPSHOT if can_shrink else Kind.SNAPSHOT
    spec = StreamSpec(name, TrackingProfile(kind), ("id",), frozenset())
    writer = StateWriter(spec, platform.known(name), VERSION, platform.take, budget)
    if state is not None:
        found(writer, state)
    return writer


def found(writer: StateWriter, state: StreamState) -> None:
    writer.name_fields(state.partition_fields)
    for ids, known in state.partitions.items():
        writer.put(ids, known)


def finish(*writers: StateWriter) -> None:
    for writer in writers:
        writer.prepare_final()
        writer.send()


def some_days(count: int, days: int = 100, *, seed: int = 1) -> StreamState:
    """Return a state with so many records on each of the days before now."""
    account = Account(seed)
    rows: Rows = {}
    for day in range(days):
        for _ in range(count):
            start = NOW - day * DAY - account.chance.randrange(30_000)
            rows[account.id_of(start)] = Row(account.fingerprint(), start)
    known = PartitionState(NOW, NOW - days * DAY).with_rows(rows)
    ids = (account.workspace, account.id_of(NOW))
    return StreamState(VERSION, VERSION, True, FIELDS, {ids: known})


def texts(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "airbyte"):
        yield caplog


# Room


def test_700_000_entries_fit_nine_megabytes_and_a_warning_names_the_days(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    budget = platform.budget(9, 400)
    entries = a_writer(platform, budget, "time_entries", time_entries(400_000))
    report = a_writer(platform, budget, "detailed_report", detailed_report(300_000))
    projects = a_writer(platform, budget, "projects", listing(20_000), can_shrink=False)

    finish(projects, entries, report)
    budget.warn_of_limit(NOW)

    assert 7 * MEGABYTE < platform.size() <= platform.most <= 9 * MEGABYTE < AIRBYTE_BYTES
    (warning,) = texts(caplog, logging.WARNING)
    known = [platform.known("time_entries"), platform.known("detailed_report", dated=True)]
    limits = {
        partition.limited_since
        for state in known
        if state
        for partition in state.partitions.values()
    }
    (moment,) = limits
    assert moment is not None
    days = (NOW - moment) // DAY
    assert 200 < days < 350
    assert f"Only {days} of the 400 Lookback Days (lookback_days)" in warning
    assert "state_limit_mb" in warning
    assert "workspace_ids" in warning


def test_100_000_projects_and_a_limit_of_one_fail_before_a_state_is_sent(
    platform: Platform,
) -> None:
    writer = a_writer(platform, platform.budget(1), "projects", listing(100_000), can_shrink=False)

    writer.checkpoint()
    with pytest.raises(AirbyteTracedException) as caught:
        writer.prepare_final()
    writer.checkpoint()
    writer.send()

    assert platform.sent == 0
    assert caught.value.failure_type is FailureType.config_error
    message = str(caught.value.message)
    assert message.startswith("The state of projects needs 1.37 MB")
    assert "state_limit_mb" in message
    assert "workspace_ids" in message


def test_a_state_that_is_not_prepared_and_does_not_fit_is_not_sent(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    writer = a_writer(platform, platform.budget(0.1), "projects", listing(9000), can_shrink=False)

    writer.send()

    assert platform.sent == 0
    assert len(texts(caplog, logging.ERROR)) == 1


def test_after_a_failure_the_old_state_stays_and_counts(platform: Platform) -> None:
    finish(a_writer(platform, platform.budget(1), "tasks", listing(20_000), can_shrink=False))
    before = platform.states["tasks"]
    budget = platform.budget(1)
    tasks = a_writer(platform, budget, "tasks", listing(90_000), can_shrink=False)
    tags = a_writer(platform, budget, "tags", listing(60_000), can_shrink=False)

    for writer in (tasks, tags):
        with pytest.raises(AirbyteTracedException):
            writer.prepare_final()
        writer.send()

    assert platform.states == {"tasks": before}


def test_the_states_of_streams_that_are_not_read_count(platform: Platform) -> None:
    finish(a_writer(platform, platform.budget(1), "tasks", listing(50_000), can_shrink=False))
    budget = platform.budget(1)

    with pytest.raises(AirbyteTracedException) as caught:
        a_writer(platform, budget, "tags", listing(50_000), can_shrink=False).prepare_final()

    assert "leave only 0.30 of the" in str(caught.value.message)


def test_a_windowed_stream_leaves_a_share_to_those_that_have_no_state_yet(
    platform: Platform,
) -> None:
    budget = platform.budget(0.9)
    first = a_writer(platform, budget, "time_entries", some_days(600))
    a_writer(platform, budget, "detailed_report")
    a_writer(platform, budget, "expense_report")

    finish(first)

    assert 0.25 * MEGABYTE < platform.size() <= 0.3 * MEGABYTE


def test_a_listing_is_served_before_what_can_shrink(platform: Platform) -> None:
    budget = platform.budget(0.9)
    entries = a_writer(platform, budget, "time_entries", some_days(600))
    projects = a_writer(platform, budget, "projects", listing(50_000), can_shrink=False)

    finish(projects, entries)

    known = platform.known("projects")
    assert known is not None
    assert known.record_count == 50_000
    assert platform.most <= 0.9 * MEGABYTE


def test_a_listing_that_found_no_room_has_it_in_a_later_sync(platform: Platform) -> None:
    finish(a_writer(platform, platform.budget(0.9), "time_entries", some_days(500)))

    for _ in range(2):
        budget = platform.budget(0.9)
        projects = a_writer(platform, budget, "projects", listing(30_000), can_shrink=False)
        entries = a_writer(platform, budget, "time_entries")
        try:
            finish(projects)
        except AirbyteTracedException:
            projects.send()
        finish(entries)

    assert {*platform.states} == {"projects", "time_entries"}
    assert platform.most <= 0.9 * MEGABYTE


def test_a_checkpoint_that_does_not_fit_is_left_out(platform: Platform) -> None:
    writer = a_writer(platform, platform.budget(0.5), "time_entries", some_days(10))
    writer.checkpoint()
    found(writer, some_days(600, seed=2))
    writer.checkpoint()

    assert platform.sent == 1
    writer.prepare_final()
    writer.send()
    assert platform.sent == 2
    assert platform.most <= 0.5 * MEGABYTE


@pytest.mark.parametrize("seed", range(30))
def test_all_states_together_never_exceed_the_limit(seed: int) -> None:
    """Streams of any size send in any order, some of them at the same time."""
    chance = random.Random(seed)
    limit = 1000
    names = [f"s{n}" for n in range(6)]
    stored = {name: chance.randrange(limit // 6) for name in names if chance.random() < 0.5}
    budget = StateBudget(limit, stored)
    for name in names[:5]:
        budget.open(name, can_shrink=chance.random() < 0.5)
    platform = dict(stored)
    leaving: dict[str, int] = {}
    for _ in range(200):
        name = chance.choice(names[:5])
        if name in leaving:
            if chance.random() < 0.2:
                budget.withdraw(name)
                del leaving[name]
            else:
                budget.sent(name)
                platform[name] = leaving.pop(name)
        else:
            size = chance.randrange(1, limit)
            if budget.grant(name, size):
                leaving[name] = size
        assert sum(platform.values()) <= limit


# Forgetting


def test_the_oldest_days_of_all_streams_are_forgotten_alike(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    budget = platform.budget(0.9, 100)
    first = a_writer(platform, budget, "time_entries", some_days(400))
    second = a_writer(platform, budget, "summary_report", some_days(100, seed=2))

    finish(first, second)
    budget.warn_of_limit(NOW)

    starts = {
        name: min(
            row.start or 0
            for partition in state.partitions.values()
            for row in partition.rows().values()
        )
        for name in platform.states
        if (state := platform.known(name))
    }
    moment = budget.forgotten_before
    assert moment is not None
    assert moment % DAY == 0
    assert all(moment <= start < moment + DAY for start in starts.values())
    assert len(texts(caplog, logging.WARNING)) == 1


def test_streams_that_grow_together_share_the_room(platform: Platform) -> None:
    """As after a longer lookback: the stream that ends first must not take it all."""
    before = platform.budget(0.9, 10)
    finish(
        a_writer(platform, before, "time_entries", some_days(400, 10)),
        a_writer(platform, before, "detailed_report", some_days(400, 10, seed=2)),
    )
    budget = platform.budget(0.9, 100)
    finish(
        a_writer(platform, budget, "time_entries", some_days(400, 100)),
        a_writer(platform, budget, "detailed_report", some_days(400, 100, seed=2)),
    )

    known = [platform.known(name) for name in ("time_entries", "detailed_report")]
    counts = [state.record_count for state in known if state]
    assert min(counts) > 0.9 * max(counts)
    assert platform.most <= 0.9 * MEGABYTE


def test_a_small_stream_that_grows_takes_free_room(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    budget = platform.budget(9, 100)
    finish(
        a_writer(platform, budget, "time_entries", some_days(465)),
        a_writer(platform, budget, "detailed_report", some_days(60, seed=2)),
        a_writer(platform, budget, "scheduling_assignments", some_days(1, 3, seed=3)),
    )
    budget = platform.budget(0.9, 100)
    entries = a_writer(platform, budget, "time_entries", some_days(465))
    report = a_writer(platform, budget, "detailed_report", some_days(60, seed=2))
    assignments = a_writer(platform, budget, "scheduling_assignments", some_days(2, 100, seed=3))

    finish(assignments, entries, report)
    budget.warn_of_limit(NOW)

    assert present(platform.known("time_entries")).record_count == 46_500
    assert present(platform.known("detailed_report")).record_count == 6_000
    assert "tracked" not in caplog.text
    assert platform.size() <= 900_000


def test_a_partition_that_is_never_read_again_keeps_no_warning(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    budget = platform.budget(0.3, 100)
    finish(a_writer(platform, budget, "time_entries", some_days(330)))
    budget = platform.budget(9, 100)
    writer = a_writer(platform, budget, "time_entries")
    later = NOW + 300 * DAY
    writer.put(("w", "u"), PartitionState(later, later - 100 * DAY))

    finish(writer)
    budget.warn_of_limit(later)

    assert "tracked" not in caplog.text


def test_later_syncs_forget_the_same_as_long_as_the_state_says_so(platform: Platform) -> None:
    budget = platform.budget(0.5, 100)
    finish(a_writer(platform, budget, "time_entries", some_days(500)))
    moment = budget.forgotten_before
    assert moment is not None

    later = platform.budget(0.5, 100)
    other = a_writer(platform, later, "summary_report", some_days(5, seed=2))
    a_writer(platform, later, "time_entries")
    assert later.forgotten_before == moment
    finish(other)
    known = platform.known("summary_report")
    assert known is not None
    assert {each.limited_since for each in known.partitions.values()} == {moment}


def test_a_limit_that_the_lookback_has_passed_is_over(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    budget = platform.budget(9)
    state = some_days(5)
    ((ids, known),) = state.partitions.items()
    passed = replace(known, limited_since=known.retained_since - 10 * DAY)
    finish(a_writer(platform, budget, "time_entries", replace(state, partitions={ids: passed})))
    later = platform.budget(9)
    a_writer(platform, later, "time_entries")

    assert later.forgotten_before is None
    budget.warn_of_limit(NOW)
    assert texts(caplog, logging.WARNING) == []


def test_a_sync_that_is_still_limited_warns_again(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    finish(a_writer(platform, platform.budget(0.5, 100), "time_entries", some_days(500)))
    later = platform.budget(0.5, 100)
    finish(a_writer(platform, later, "time_entries"))

    later.warn_of_limit(NOW)

    assert len(texts(caplog, logging.WARNING)) == 1


def test_what_is_open_is_not_forgotten_and_today_never(platform: Platform) -> None:
    account = Account(3)
    old = NOW - 90 * DAY
    rows: Rows = {}
    for n in range(12_000):
        start = NOW - n * 60 if n < 300 else old
        rows[account.id_of(start)] = Row(account.fingerprint(), start)
    opened = {
        "a" * 24: Row(1, old, running=True),
        "b" * 24: Row(1, old, missing=True),
        "c" * 24: Row(1, old, Pending(1, 1, 1)),
        "d" * 24: Row(1, old, Pending(1, 1, 1), deleted=True),
        "e" * 24: Row(1, None),
    }
    state = StreamState(
        VERSION,
        VERSION,
        True,
        FIELDS,
        {("w", "u"): PartitionState(NOW, NOW - 100 * DAY).with_rows({**rows, **opened})},
    )

    finish(a_writer(platform, platform.budget(0.05), "time_entries", state))

    known = platform.known("time_entries")
    assert known is not None
    left = known.partitions["w", "u"].rows()
    assert opened.items() <= left.items()
    assert {row.start for row in left.values() if row.start} - {old} == {
        row.start for row in rows.values() if row.start and row.start != old
    }


def test_what_starts_today_is_more_than_the_limit_so_the_stream_fails(platform: Platform) -> None:
    account = Account(3)
    rows = {account.id_of(NOW - n % 9000): Row(n + 1, NOW - n % 9000) for n in range(12_000)}
    known = PartitionState(NOW, NOW - 100 * DAY).with_rows(rows)
    state = StreamState(VERSION, VERSION, True, FIELDS, {("w", "u"): known})
    writer = a_writer(platform, platform.budget(0.05), "time_entries", state)

    with pytest.raises(AirbyteTracedException):
        writer.prepare_final()
    writer.send()

    assert platform.sent == 0


def test_few_attempts_are_made_to_fit(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(name: str, state: StreamState) -> dict[str, Any]:
        made.append(state.record_count)
        return encode(name, state)

    monkeypatch.setattr(checkpoint, "encode", counted)
    finish(a_writer(platform, platform.budget(0.3), "time_entries", some_days(600)))

    assert len(made) <= 3


# Half


def test_half_of_the_limit_is_said_once(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    budget = platform.budget(1)
    tags = a_writer(platform, budget, "tags", listing(10_000), can_shrink=False)
    finish(tags)
    assert texts(caplog, logging.INFO) == []
    tasks = a_writer(platform, budget, "tasks", listing(30_000), can_shrink=False)
    users = a_writer(platform, budget, "users", listing(9000), can_shrink=False)

    finish(tasks, users)

    (text,) = texts(caplog, logging.INFO)
    assert "state_limit_mb" in text


# Pace


def test_no_more_than_8_megabytes_leave_within_12_seconds(
    platform: Platform, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    budget = platform.budget(200)
    sent: list[tuple[float, int]] = []
    for n in range(6):
        name = f"s{n}"
        budget.open(name, can_shrink=False)
        size = 3 * MEGABYTE
        assert budget.grant(name, size)
        budget.wait_for_turn(name, size)
        budget.sent(name)
        sent.append((clock.now, size))
        clock.now += 1

    for at, _ in sent:
        within = sum(size for other, size in sent if at - 12 < other <= at)
        assert within <= 8 * MEGABYTE
    waits = [text for text in texts(caplog, logging.INFO) if "delaying its state" in text]
    assert len(waits) == 2
    assert clock.slept == pytest.approx(2 * 11, abs=3)


def test_a_state_over_the_pace_leaves_alone(platform: Platform, clock: Clock) -> None:
    budget = platform.budget(200)
    for name, size in (("small", 1000), ("huge", 30 * MEGABYTE), ("next", 1000)):
        budget.open(name, can_shrink=False)
        assert budget.grant(name, size)
        budget.wait_for_turn(name, size)
        budget.sent(name)

    assert clock.slept == pytest.approx(24, abs=1)


def test_a_state_that_has_its_turn_counts_until_it_leaves(platform: Platform, clock: Clock) -> None:
    budget = platform.budget(200)
    for name in ("a", "b"):
        budget.open(name, can_shrink=False)
        assert budget.grant(name, 5 * MEGABYTE)
    budget.wait_for_turn("a", 5 * MEGABYTE)
    clock.now += 20

    assert not budget.takes_turn("b", 5 * MEGABYTE)
    budget.sent("a")
    assert not budget.takes_turn("b", 5 * MEGABYTE)
    clock.now += 12
    assert budget.takes_turn("b", 5 * MEGABYTE)


def test_a_checkpoint_over_the_pace_is_left_out_and_a_final_state_waits(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "PACE_BYTES", 100_000)
    budget = platform.budget(9)
    writer = a_writer(platform, budget, "tags", listing(4000), can_shrink=False)
    writer.checkpoint()
    found(writer, listing(4001))
    writer.checkpoint()
    assert platform.sent == 1
    assert clock.slept == 0

    finish(writer)

    assert platform.sent == 2
    assert clock.slept == pytest.approx(12, abs=1)


# The start


def test_a_stream_says_what_it_goes_on_from() -> None:
    state = some_days(3, 10)
    size = size_of("tags", encode("tags", state))

    assert "no state" in describe_start("tags", None, 0)
    text = describe_start("tags", state, size)
    assert "2026-11-24T09:00:00.000Z" in text
    assert "30 records" in text
    assert "1 partitions" in text
    interrupted = describe_start("tags", replace(state, snapshot_is_complete=False), size)
    assert "interrupted snapshot" in interrupted
