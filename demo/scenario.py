"""The events in the demo's workspace, their times, and the requests that read each stream."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from clockify_sandbox.client import Sandbox
from integration_tests.stream_facts import definitions, request_of

# Runs the command `source-clockify` with the clock set to the first argument.
CLOCKED_COMMAND = """
import sys
from freezegun import configure, freeze_time
from source_clockify.run import run
# Before the clock stands in for the real one: pydantic takes no other class of dates.
import source_clockify.source
# Threads too, by which the live table tells how long a stream takes.
configure(default_ignore_list=[])
freeze_time(sys.argv.pop(1), tick=True).start()
run()
"""

NOW = datetime(2026, 11, 24, 9, tzinfo=timezone.utc)

LONG_ENOUGH = timedelta(minutes=90)

# The sandbox spreads its entries over the last 120 days.
START_DATE = f"{NOW - timedelta(days=120):%Y-%m-%dT00:00:00Z}"

# The workspace, unless the command line says otherwise.
SIZE: dict[str, Any] = {"users": 12, "entries": 60, "projects": 10, "tasks": 4}

CHANGING_STREAMS = ("projects", "tasks", "time_entries", "time_entries_in_progress")

# The request sent for each stream, by the end of its path. Tasks come from the hydrated list of
# projects where that proves to hold them.
PATHS = {
    **{name: request_of(name).path.replace("*", "[0-9a-f]{24}") for name in definitions()},
    "tasks": r"/projects(\?hydrated|/\w+/tasks)",
    "time_entries_changed": r"/entities/(created|updated)",
}


def work(sandbox: Sandbox) -> Iterator[str]:
    """Make six changes in the workspace, and describe each."""
    workspace = sandbox.workspaces[0]["id"]
    entries = sorted(
        (row for row in sandbox.rows("time_entries") if row["timeInterval"]["end"]),
        key=lambda row: (row["timeInterval"]["start"], row["id"]),
    )
    # The moved entry leaves the 30 days in which a sync finds changes.
    edited, deleted = (row["id"] for row in _began_before(entries, timedelta(days=2))[-2:])
    moved = _began_before(entries, timedelta(days=10))[-1]
    start = datetime.strptime(moved["timeInterval"]["start"], "%Y-%m-%dT%H:%M:%SZ")
    project, task = sandbox.rows("projects")[0]["id"], sandbox.rows("tasks")[0]["id"]
    user = sandbox.rows("users")[0]["id"]

    sandbox.update(workspace, "time-entries", edited, {"description": "Call with the customer"})
    yield f"time entry {edited} gets another description"
    earlier = f"{start - timedelta(weeks=3):%Y-%m-%dT%H:%M:%SZ}"
    sandbox.update(workspace, "time-entries", moved["id"], {"timeInterval": {"start": earlier}})
    yield f"time entry {moved['id']} is moved three weeks earlier, to {earlier[:10]}"
    sandbox.delete(workspace, "time-entries", deleted)
    yield f"time entry {deleted} is deleted"
    sandbox.update(workspace, "projects", project, {"name": "Website, second half"})
    yield f"project {project} is renamed"
    sandbox.delete(workspace, "tasks", task)
    yield f"task {task} is deleted"
    timer = {
        "userId": user,
        "description": "Bug hunt",
        "timeInterval": {"start": f"{NOW + timedelta(minutes=15):%Y-%m-%dT%H:%M:%SZ}", "end": None},
    }
    started = sandbox.create(workspace, "time-entries", timer)["id"]
    yield f"timer {started} is started: a time entry, and one in progress"


def _began_before(entries: list[dict[str, Any]], ago: timedelta) -> list[dict[str, Any]]:
    latest = f"{NOW - ago:%Y-%m-%dT%H:%M:%SZ}"
    return [row for row in entries if row["timeInterval"]["start"] <= latest]
