"""A sync on the free plan that is killed goes on where it was, and nothing is lost.

Where a real process is killed, it has the requests of one hour, and is killed while it waits for
those of the next one. Where the clock stands still, its output is cut off anywhere.
"""

import json
import math
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from clockify_sandbox.timetext import utc_text
from integration_tests.airbyte import CONNECTOR, catalog, config_of
from integration_tests.consumer import Consumer, Key
from integration_tests.frozen import Clock, read_incrementally
from integration_tests.promises import rows_of

REQUESTS_AN_HOUR = 30
REPORTS = (
    "detailed_report",
    "summary_report",
    "weekly_report",
    "attendance_report",
    "expense_report",
)
STREAMS = ("time_entries", *REPORTS)
BEGIN = datetime(2026, 11, 2, 9, tzinfo=timezone.utc)


@dataclass
class Hour:
    """What one process printed before it was killed, or ended.

    Attributes:
        messages: all of them.
        has_ended: whether it came to its end.
    """

    messages: list[JSON] = field(default_factory=list)
    has_ended: bool = False

    @property
    def states(self) -> dict[str, JSON]:
        """The last state of each stream."""
        return states_in(self.messages)


def states_in(messages: Sequence[JSON]) -> dict[str, JSON]:
    return {
        each["state"]["stream"]["stream_descriptor"]["name"]: each["state"]
        for each in messages
        if each["type"] == "STATE"
    }


def logged(messages: Sequence[JSON], text: str) -> list[str]:
    lines = [each["log"]["message"] for each in messages if each["type"] == "LOG"]
    return [line for line in lines if text in line]


def read_an_hour(folder: Path, config: JSON, state: Sequence[JSON]) -> Hour:
    """Read until the process waits for the next hour, and kill it; or to its end."""
    files = {"config": config, "catalog": catalog(STREAMS, "incremental"), "state": list(state)}
    line = [str(Path(sys.executable).with_name(CONNECTOR.command)), "read"]
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
        line += [f"--{name}", str(folder / f"{name}.json")]
    hour = Hour()
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            if not text.endswith("\n"):
                # The process was killed while it wrote.
                break
            hour.messages.append(json.loads(text))
            if logged(hour.messages[-1:], "waiting until"):
                process.send_signal(signal.SIGKILL)
        hour.has_ended = process.wait() == 0
    return hour


def test_syncs_killed_every_hour_end_in_the_hours_their_requests_take(
    tmp_path: Path,
) -> None:
    with start(users=45, entries=4, projects=3, tasks=1, days=300) as sandbox:
        config = config_of(sandbox, plan="free", start_date="2026-02-02T00:00:00Z")
        consumer = Consumer()
        state: dict[str, JSON] = {}
        for _ in ("the first sync", "a later one"):
            requests = hours = 0
            while True:
                hours += 1
                sandbox.clear_requests()
                found = read_an_hour(tmp_path, config, list(state.values()))
                state |= found.states
                consumer.take(found.messages)
                requests += len(sandbox.requests())
                if found.has_ended or hours > 10:
                    break
                assert len(sandbox.requests()) <= REQUESTS_AN_HOUR
            assert found.has_ended
            # Each further hour lists the workspaces and the users once more.
            needed = requests - 3 * (hours - 1)
            assert hours <= math.ceil(needed / REQUESTS_AN_HOUR) + 1
            for stream in STREAMS:
                assert consumer.view(stream) == rows_of(sandbox, stream), stream


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    moment = utc_text(int(BEGIN.timestamp()))
    with start(users=6, entries=12, projects=3, tasks=1, days=60, now=moment) as server:
        yield server


@pytest.mark.parametrize("seed", range(4))
def test_a_sync_that_went_on_leaves_later_changes_to_the_next_one(
    account: Sandbox, clock: Clock, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """And a sync that did not go on shows the account as it is."""
    chance = random.Random(seed)
    account.reset()
    now = BEGIN
    streams = ("time_entries", "detailed_report", "weekly_report", "projects")
    config = config_of(account, plan="free", start_date="2026-02-02T00:00:00Z", lookback_days=400)
    consumer = Consumer()
    state: dict[str, JSON] = {}
    goings_on = 0
    for number in range(12):
        now += timedelta(minutes=chance.choice((3, 50, 200, 600)))
        account.set_now(utc_text(int(now.timestamp())))
        if number:
            change(account, chance, now)
        clock.set(now)
        caplog.clear()
        output = read_incrementally(config, streams, list(state.values()) or None)
        now = max(now, clock.now())
        is_killed = chance.random() < 0.6
        printed = output.messages
        if is_killed:
            printed = printed[: chance.randrange(len(printed))]
        consumer.take(printed)
        state |= states_in(printed)
        went_on = "continuing the interrupted sync of" in caplog.text
        assert went_on == ("This sync continues the interrupted sync" in caplog.text)
        goings_on += went_on
        if not is_killed and not went_on:
            assert output.returncode == 0, output.text
            for stream in streams:
                seen, there = consumer.view(stream), rows_of(account, stream)
                assert without_future(seen) == without_future(there), f"{stream}, {number}"
    assert goings_on


def without_future(rows: Mapping[Key, JSON]) -> dict[Key, JSON]:
    """Leave out what lies beyond the windows of reports."""
    return {
        key: row for key, row in rows.items() if str(row.get("start") or row.get("date")) < "2027"
    }


def change(account: Sandbox, chance: random.Random, now: datetime) -> None:
    """Add, edit or delete time entries and projects."""
    workspace = account.workspaces[0]["id"]
    users = [row["id"] for row in account.rows("users")]
    recent = utc_text(int((now - timedelta(days=25)).timestamp()))
    entries = [
        row["id"] for row in account.rows("time_entries") if row["timeInterval"]["start"] > recent
    ]
    projects = [row["id"] for row in account.rows("projects")]
    for _ in range(chance.randrange(4)):
        what = chance.choice(("add", "edit", "move", "delete", "project", "rename"))
        begin = now - timedelta(hours=chance.randrange(2, 400))
        interval = {
            "start": utc_text(int(begin.timestamp())),
            "end": utc_text(int((begin + timedelta(hours=1)).timestamp())),
        }
        if what == "add":
            fields = {"userId": chance.choice(users), "timeInterval": interval}
            account.create(workspace, "time-entries", fields)
        elif what == "project":
            account.create(workspace, "projects", {"name": f"Project {chance.random()}"})
        elif what == "rename":
            fields = {"name": f"Renamed {chance.random()}"}
            account.update(workspace, "projects", chance.choice(projects), fields)
        elif what == "delete":
            account.delete(workspace, "time-entries", entries.pop(chance.randrange(len(entries))))
        else:
            fields = {"description": str(chance.random())}
            if what == "move":
                fields = {"userId": chance.choice(users)}
            account.update(workspace, "time-entries", chance.choice(entries), fields)
