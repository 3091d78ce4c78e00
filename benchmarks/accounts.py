"""Counts the requests of complete syncs of sandbox accounts: all streams, on the paid plan."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.experiments import say
from benchmarks.measure import Printed, Usage, read_output, time_command
from benchmarks.tables import table
from clockify_sandbox.client import Sandbox, start
from integration_tests.airbyte import catalog, config_of, discovered

# Their records are compared with the sandbox's.
_COUNTED = ("users", "clients", "projects", "tasks", "tags", "time_entries")
_CONNECTOR = Path(sys.executable).parent / "source-clockify"


@dataclass(frozen=True)
class Account:
    """A workspace with all features.

    Attributes:
        users: the number of users.
        projects: the number of projects.
        entries: the number of entries of each user.
    """

    users: int
    projects: int
    entries: int


@dataclass(frozen=True)
class Sync:
    """The cost of a sync of all streams: requests, messages with records, and time."""

    requests: int
    records: int
    usage: Usage


def sync_twice(account: Account, days: int, folder: Path) -> tuple[Sync, Sync]:
    """Read an account, then again with the resulting state, without changes in between.

    RuntimeError if a sync fails or returns a different number of records than there are.
    """
    with start(
        plan="ENTERPRISE",
        users=account.users,
        projects=account.projects,
        entries=account.entries,
        days=days,
    ) as sandbox:
        truth = {name: len(sandbox.records(name)) for name in _COUNTED}
        first, printed = _sync(sandbox, [], folder)
        _compare(account, printed, truth)
        later, printed = _sync(sandbox, printed.states.values(), folder)
        _compare(account, printed, dict.fromkeys(_COUNTED, 0))
    return first, later


def accounts_table(found: dict[str, tuple[Account, Sync, Sync]]) -> str:
    """Return the table of requests."""
    head = ["account", "users", "projects", "time entries", "requests of the first sync"]
    head += ["of a later one", "CPU seconds", "seconds"]
    rows = []
    for name, (account, first, later) in found.items():
        sizes = (account.users, account.projects, account.users * account.entries)
        numbers = [f"{number:,}" for number in (*sizes, first.requests, later.requests)]
        usages = (first.usage, later.usage)
        cpu = ", ".join(f"{usage.cpu_seconds:.1f}" for usage in usages)
        clock = ", ".join(f"{usage.seconds:.1f}" for usage in usages)
        rows.append([name, *numbers, cpu, clock])
    return table(head, rows)


def _sync(sandbox: Sandbox, states: Iterable[Any], folder: Path) -> tuple[Sync, Printed]:
    content = {
        "config": config_of(sandbox),
        "catalog": catalog([stream["name"] for stream in discovered()], "incremental"),
        "state": list(states),
    }
    command = [str(_CONNECTOR), "read"]
    for name, value in content.items():
        path = folder / f"account-{name}.json"
        path.write_text(json.dumps(value))
        command += [f"--{name}", str(path)] if value else []
    sandbox.clear_requests()
    output = folder / "output.jsonl"
    usage = time_command(command, output)
    printed = read_output(output)
    sync = Sync(len(sandbox.requests()), sum(printed.records.values()), usage)
    say(f"all streams: {sync.requests:,} requests, {sync.records:,} records, {usage.seconds:.1f} s")
    return sync, printed


def _compare(account: Account, printed: Printed, truth: dict[str, int]) -> None:
    for name, records in truth.items():
        if printed.records[name] != records:
            raise RuntimeError(
                f"{account}: {name} brought {printed.records[name]:,} records, not {records:,}"
            )
