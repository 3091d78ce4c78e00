"""The account that the tests of the dbt package read: several syncs, between which people work."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from clockify_sandbox.client import JSON, Sandbox, start
from demo.scenario import LONG_ENOUGH, NOW, START_DATE, work
from integration_tests.airbyte import STREAMS, config_of, discovered
from integration_tests.frozen import frozen_clock, read_incrementally

SELECTED = (*STREAMS, "sync_log")
# Offsets of a whole and of half an hour, both sides of the date line, and a name that is none.
TIME_ZONES = ("America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati", "Nowhere/At_All")


@dataclass
class Account:
    """What the syncs sent, and what is true at the end.

    Attributes:
        records: of all syncs, in their order, with stream, data and emitted_at.
        entries: the time entries, as Clockify has them.
        report: the rows of the detailed report, those of deleted users among them.
        summary: the seconds of each day of the summary report.
        time_zones: of each user.
    """

    records: list[JSON]
    entries: list[JSON] = field(default_factory=list)
    report: list[JSON] = field(default_factory=list)
    summary: dict[str, int] = field(default_factory=dict)
    time_zones: dict[str, str | None] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Write the records for load.py."""
        streams = [
            {
                "name": each["name"],
                "key": [column for (column,) in each["source_defined_primary_key"]],
                "properties": each["json_schema"]["properties"],
            }
            for each in discovered()
        ]
        path.write_text(json.dumps({"streams": streams, "records": self.records}))
        return path


def read_account(
    steps: Sequence[Callable[[Sandbox], str | None]],
    size: JSON,
    streams: Sequence[str] = SELECTED,
) -> Account:
    """Read an account after each step, 90 minutes apart.

    After a step that returns the name of a stream, that stream is refreshed: its state is dropped.
    """
    account = Account([])
    with (
        start(**size, plan="ENTERPRISE", now=f"{NOW:%Y-%m-%dT%H:%M:%SZ}") as sandbox,
        frozen_clock() as clock,
    ):
        config = config_of(sandbox, start_date=START_DATE)
        state: list[JSON] = []
        for number, step in enumerate(steps):
            moment = NOW + number * LONG_ENOUGH
            refreshed = step(sandbox)
            state = [
                each for each in state if each["stream"]["stream_descriptor"]["name"] != refreshed
            ]
            sandbox.set_now(f"{moment:%Y-%m-%dT%H:%M:%SZ}")
            clock.set(moment + timedelta(milliseconds=number))
            output = read_incrementally(config, streams, state)
            assert output.returncode == 0, output.text
            account.records += [
                each["record"] for each in output.messages if each["type"] == "RECORD"
            ]
            state = output.state
        account.entries = sandbox.rows("time_entries")
        account.report = sandbox.rows("detailed_report")
        account.summary = {row["name"]: row["duration"] for row in sandbox.rows("summary_report")}
        account.time_zones = {
            row["id"]: (row["settings"] or {}).get("timeZone") for row in sandbox.rows("users")
        }
    return account


def settle(sandbox: Sandbox) -> None:
    """Before the first sync: users around the world, and entries that are easily misread."""
    workspace = sandbox.workspaces[0]["id"]
    users = [row["id"] for row in sandbox.rows("users")]
    for user, zone in zip(users[1:], TIME_ZONES, strict=False):
        sandbox.update(workspace, "users", user, {"settings": {"timeZone": zone}})
    project = sandbox.rows("projects")[0]["id"]
    for begins, ends in (
        ("2026-11-10T08:00:00Z", "2026-11-12T09:30:15Z"),  # over a day
        ("2026-11-11T12:00:00Z", "2026-11-11T11:00:00Z"),  # ends before it begins
        ("2026-11-01T08:30:00Z", "2026-11-01T09:30:00Z"),  # the clock of Los Angeles is put back
        ("2026-11-23T23:59:59Z", "2026-11-24T00:00:01Z"),
    ):
        for user in users[:3]:
            sandbox.create(
                workspace,
                "time-entries",
                {
                    "userId": user,
                    "projectId": project,
                    "billable": True,
                    "timeInterval": {"start": begins, "end": ends},
                },
            )
    archived = sandbox.rows("clients")[0]["id"]
    sandbox.update(workspace, "clients", archived, {"archived": True})


def work_a_day(sandbox: Sandbox) -> None:
    """The demo's changes."""
    for _ in work(sandbox):
        pass


def delete_and_restore(sandbox: Sandbox) -> None:
    """Delete three entries, and edit one a second time."""
    workspace = sandbox.workspaces[0]["id"]
    recent = _recent(sandbox)
    for row in recent[:3]:
        sandbox.delete(workspace, "time-entries", row["id"])
    sandbox.update(workspace, "time-entries", recent[4]["id"], {"billable": False})


def come_late(sandbox: Sandbox) -> None:
    """Enter time two weeks late, and restore an entry that was deleted."""
    workspace = sandbox.workspaces[0]["id"]
    first = _recent(sandbox)[0]
    late = {
        "userId": first["userId"],
        "projectId": first["projectId"],
        "description": "Entered late",
        "timeInterval": {"start": "2026-11-09T08:00:00Z", "end": "2026-11-09T10:00:00Z"},
    }
    sandbox.create(workspace, "time-entries", late)
    sandbox.update(workspace, "time-entries", first["id"], {"description": "For the second time"})


def refresh_after_a_deletion(sandbox: Sandbox) -> str:
    """Delete an entry, and let the next sync of time entries begin anew: it has no tombstone."""
    workspace = sandbox.workspaces[0]["id"]
    sandbox.delete(workspace, "time-entries", _recent(sandbox)[1]["id"])
    return "time_entries"


def _recent(sandbox: Sandbox) -> list[JSON]:
    rows = [row for row in sandbox.rows("time_entries") if row["timeInterval"]["end"]]
    rows = [row for row in rows if row["timeInterval"]["start"] < f"{NOW:%Y-%m-%dT%H:%M:%SZ}"]
    return sorted(rows, key=lambda row: (row["timeInterval"]["start"], row["id"]), reverse=True)
