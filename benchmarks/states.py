"""Measures the states of change tracking: bytes and processor time per record.

python -m benchmarks.states            100,000 records of each kind
python -m benchmarks.states 700000     more of them

The time is also given relative to that of a time entry's fingerprint, which depends less on the
machine.
"""

import json
import sys
import time
from collections.abc import Callable
from random import Random
from typing import TypeVar

from source_clockify.change_tracking.fingerprint import fingerprint
from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.rows import Pending, Row, Rows, day_of, key_of
from source_clockify.change_tracking.state import (
    PartitionState,
    StreamState,
    decode,
    encode,
)
from source_clockify.timestamps import DAY

# 2026-11-24T09:00:00Z
NOW = 1795510800

_Result = TypeVar("_Result")


class Account:
    """Generates ids like Clockify's servers: the second, one of a few machines, a counter."""

    def __init__(self, seed: int = 1, machines: int = 6) -> None:
        self.chance = Random(seed)
        self._machines = [self.chance.getrandbits(40) for _ in range(machines)]
        self.workspace = self.id_of(NOW - 900 * DAY)

    def id_of(self, second: int) -> str:
        machine, counter = self.chance.choice(self._machines), self.chance.getrandbits(24)
        return f"{second:08x}{machine:010x}{counter:06x}"

    def entry(self, days: int) -> tuple[str, int]:
        """Return id and start of a time entry: every second one is a timer, others are late."""
        start = NOW - 1 - self.chance.randrange(days * DAY)
        if self.chance.random() < 0.5:
            return self.id_of(start + self.chance.randrange(3)), start
        start -= start % 300
        return self.id_of(min(start + int(self.chance.expovariate(1 / 30_000)), NOW)), start

    def fingerprint(self) -> int:
        return self.chance.getrandbits(48) or 1


def time_entries(count: int, users: int = 20, days: int = 400) -> StreamState:
    """Return a state of time entries; the newest are to be resent."""
    account = Account()
    pending = Pending(NOW * 1000, 1, NOW)
    partitions: dict[Partition, PartitionState] = {}
    for _ in range(users):
        rows: Rows = {}
        for _ in range(count // users):
            key, start = account.entry(days)
            rows[key] = Row(account.fingerprint(), start, pending if start > NOW - DAY else None)
        user = account.id_of(NOW - account.chance.randrange(900 * DAY))
        partitions[account.workspace, user] = _partition(rows, days=days)
    return _stream(("workspace_id", "user_id"), partitions)


def tasks(count: int) -> StreamState:
    """Return a state of tasks, four in each project."""
    account = Account()
    partitions: dict[Partition, PartitionState] = {}
    for _ in range(count // 4):
        made = NOW - account.chance.randrange(1000 * DAY)
        project = account.id_of(made)
        rows: Rows = {}
        for _ in range(4):
            made += int(account.chance.expovariate(1 / (3 * DAY)))
            rows[account.id_of(made)] = Row(account.fingerprint())
        partitions[account.workspace, project] = _partition(rows)
    return _stream(("workspace_id", "project_id"), partitions)


def listing(count: int) -> StreamState:
    """Return a state of users or projects."""
    account = Account()
    rows = {
        account.id_of(NOW - account.chance.randrange(1500 * DAY)): Row(account.fingerprint())
        for _ in range(count)
    }
    return _stream(("workspace_id",), {(account.workspace,): _partition(rows)})


def detailed_report(count: int, days: int = 400) -> StreamState:
    """Return a state whose keys consist of an id and a day."""
    account = Account()
    rows: Rows = {}
    for _ in range(count):
        key, start = account.entry(days)
        rows[key_of([key, day_of(start)])] = Row(account.fingerprint(), start)
    partition = _partition(rows, days=days, dated=True)
    return _stream(("workspace_id",), {(account.workspace,): partition})


# By stream, with whether its keys include a day.
STATES: dict[str, tuple[Callable[[int], StreamState], bool]] = {
    "time_entries": (time_entries, False),
    "tasks": (tasks, False),
    "users": (listing, False),
    "projects": (listing, False),
    "detailed_report": (detailed_report, True),
}


def _partition(rows: Rows, *, days: int = 30, dated: bool = False) -> PartitionState:
    known = PartitionState(NOW, NOW - days * DAY, access="1234abcd", dated=dated)
    return known.with_rows(rows)


def _stream(fields: tuple[str, ...], partitions: dict[Partition, PartitionState]) -> StreamState:
    return StreamState(NOW * 1000, (NOW - 90 * DAY) * 1000, True, fields, partitions)


def _timed(repetitions: int, work: Callable[[], _Result]) -> tuple[_Result, float]:
    """Return the result of some work and the lowest of its processor times, in seconds."""
    seconds: list[float] = []
    for _ in range(repetitions):
        before = time.process_time()
        result = work()
        seconds.append(time.process_time() - before)
    return result, min(seconds)


def _fingerprint_seconds() -> float:
    """Return the processor seconds of the fingerprint of one time entry."""
    account = Account()
    key, _ = account.entry(30)
    record = {
        "id": key,
        "description": "Weekly report",
        "tagIds": [account.id_of(NOW)],
        "userId": account.id_of(NOW),
        "billable": True,
        "taskId": None,
        "projectId": account.id_of(NOW),
        "workspaceId": account.workspace,
        "timeInterval": {
            "start": "2026-11-24T08:00:00Z",
            "end": "2026-11-24T09:00:00Z",
            "duration": "PT1H",
        },
        "customFieldValues": [],
        "type": "REGULAR",
        "isLocked": False,
    }
    return _timed(5, lambda: [fingerprint(record) for _ in range(20_000)])[1] / 20_000


def _measure(name: str, state: StreamState, *, dated: bool) -> str:
    """Return a row of the table."""
    count = state.record_count
    one = _fingerprint_seconds()
    blob, encoding = _timed(3, lambda: encode(name, state))
    _, decoding = _timed(3, lambda: decode(name, blob, dated=dated))
    known = list(state.partitions.values())
    rows, unpacking = _timed(3, lambda: [each.rows() for each in known])
    _, packing = _timed(
        3, lambda: [each.with_rows(own) for each, own in zip(known, rows, strict=True)]
    )
    times = " | ".join(
        f"{seconds / count * 1e6:.2f} us ({seconds / count / one:.2f})"
        for seconds in (encoding, decoding, unpacking, packing)
    )
    size = len(json.dumps(blob, separators=(",", ":"))) / count
    return f"| {name} | {size:.2f} | {times} |"


def main() -> None:
    """Print a table of all kinds of state."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print("| stream | bytes a record | encode | decode | unpack | pack |")
    print("|---|---|---|---|---|---|")
    for name, (build, dated) in STATES.items():
        print(_measure(name, build(count), dated=dated), flush=True)


if __name__ == "__main__":
    main()
