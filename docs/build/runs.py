"""The syncs that the documents show: on the sandbox, with the same data at the same moment."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from clockify_sandbox.client import JSON, Sandbox, start
from demo.reader import Reader
from demo.scenario import CHANGING_STREAMS, LONG_ENOUGH, NOW, SIZE, START_DATE, work
from docs.build.notes import SYNC_LOG
from integration_tests.airbyte import CONNECTOR, STREAMS, Output, config_of, read
from integration_tests.frozen import Clock, frozen_clock, read_incrementally

SELECTED = (*CHANGING_STREAMS, SYNC_LOG)


@dataclass
class Run:
    """A baseline, the sync after the demo's changes, two quiet ones, a full refresh, a Refresh.

    Attributes:
        syncs: the first four, and the first after the Refresh.
        requests: the paths that each of them asked for.
        refresh: what the full refresh printed.
        rows: the keys that Clockify lists at the end, by stream.
    """

    syncs: list[Output]
    requests: list[list[str]]
    refresh: Output
    rows: dict[str, set[tuple[Any, ...]]]

    def messages(self, stream: str) -> list[JSON]:
        return [message for sync in self.syncs for message in sync.records[stream]]


def make_syncs(clock: Clock) -> Run:
    """Make the syncs that docs/change-tracking.md shows messages of."""
    now = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    with start(users=3, entries=20, projects=4, tasks=2, plan="PRO", now=now) as sandbox:
        config = config_of(sandbox)
        syncs: list[Output] = []
        requests: list[list[str]] = []

        def sync(state: Sequence[JSON] | None) -> None:
            set_clocks(clock, sandbox, NOW + len(syncs) * LONG_ENOUGH)
            sandbox.clear_requests()
            syncs.append(succeeded(lambda: read_incrementally(config, SELECTED, state)))
            requests.append([request["path"] for request in sandbox.requests()])

        sync(None)
        assert list(work(sandbox))
        sync(syncs[-1].state)
        sync(syncs[-1].state)
        sync(syncs[-1].state)
        set_clocks(clock, sandbox, NOW + 3 * LONG_ENOUGH)
        refresh = succeeded(lambda: read(CONNECTOR, config, CHANGING_STREAMS, in_process=True))
        # What is deleted between the last sync and a Refresh has no tombstone.
        entry = sandbox.rows("time_entries")[0]
        sandbox.delete(entry["workspaceId"], "time-entries", entry["id"])
        sync(None)
        rows = {
            stream: {(row["id"],) for row in sandbox.rows(stream)} for stream in CHANGING_STREAMS
        }
        return Run(syncs, requests, refresh, rows)


def set_clocks(clock: Clock, sandbox: Sandbox, moment: datetime) -> None:
    clock.set(moment)
    sandbox.set_now(f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def succeeded(reading: Callable[[], Output]) -> Output:
    """The output of a sync without errors.

    It runs in a thread of its own: for what pytest calls itself the clock does not stand still.
    """
    with ThreadPoolExecutor(1) as thread:
        output = thread.submit(reading).result()
    assert output.returncode == 0, output.text
    assert output.errors == []
    return output


@dataclass(frozen=True)
class Demo:
    """What bin/demo shows.

    Attributes:
        records: of all streams.
        requests: that they take.
        tracked: the records of the streams that change, in their first sync.
        changes: the lines of the sync after the changes.
    """

    records: int
    requests: int
    tracked: int
    changes: list[str]


@cache
def made() -> tuple[Run, Demo]:
    """All runs, once for this process."""
    with _without_logs(), frozen_clock() as clock:
        return make_syncs(clock), _make_demo(clock)


def _make_demo(clock: Clock) -> Demo:
    now = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    with start(**SIZE, plan="ENTERPRISE", now=now) as sandbox:
        config = config_of(sandbox, start_date=START_DATE)
        set_clocks(clock, sandbox, NOW)
        every = succeeded(lambda: read_incrementally(config, [*STREAMS, SYNC_LOG], None))
        requests = len(sandbox.requests())
        reader = Reader()
        first = succeeded(lambda: read_incrementally(config, CHANGING_STREAMS, None))
        reader.lines(_records(first))
        assert list(work(sandbox))
        set_clocks(clock, sandbox, NOW + LONG_ENOUGH)
        second = succeeded(lambda: read_incrementally(config, CHANGING_STREAMS, first.state))
        return Demo(
            len(_records(every)), requests, len(_records(first)), reader.lines(_records(second))
        )


def _records(output: Output) -> list[JSON]:
    return [message["record"] for message in output.messages if message["type"] == "RECORD"]


@contextmanager
def _without_logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


# What the documents show


def examples() -> str:
    """The examples of docs/change-tracking.md, one for each event."""
    run = made()[0]
    before, changed, again, _, _ = (sync.records["time_entries"] for sync in run.syncs)
    (edited,) = (row for row in changed if row.get("description") == "Call with the customer")
    (timer,) = (row for row in changed if row.get("description") == "Bug hunt")
    (deleted,) = (row for row in changed if "_ab_cdc_deleted_at" in row)
    (moved,) = (row for row in changed if row not in (edited, timer, deleted))
    (task,) = run.syncs[1].records["tasks"]
    entry = "time_entries"
    few = ("id", "description", "start")
    day = datetime.fromisoformat(_same(before, moved)["start"][:10])
    parts = [
        (
            "Baseline",
            "An entry that existed when the first sync began.",
            _shown(entry, _same(before, edited), few),
        ),
        (
            "New",
            "A timer that was started after it. The same entry appears in "
            "`time_entries_in_progress`.",
            _shown(entry, timer, few),
        ),
        ("Edited", "The first entry got another description.", _shown(entry, edited, few)),
        (
            "Moved",
            f"An entry of {day:%B} {day.day} now begins three weeks earlier, outside of the window "
            "of 30 days.",
            _shown(entry, moved, ("id", "start", "timeInterval")),
        ),
        ("Deleted", "A task, complete.", _shown("tasks", task, ())),
        ("Deleted", "A time entry, complete.", _shown(entry, deleted, ())),
        (
            "Sent again",
            "The sync at 12:00 repeats the edit, version and all.",
            _shown(entry, _same(again, edited), few),
        ),
        (
            "Full refresh",
            "At 13:30, whatever was sent before.",
            _shown(entry, _same(run.refresh.records[entry], edited), few),
        ),
    ]
    return "\n\n".join(f"**{event}.** {text}\n\n{example}" for event, text, example in parts)


def receipt() -> str:
    """The receipt of the sync after the changes for the time entries."""
    # The receipts of the sync before are resent with it.
    found = max(
        (row for row in made()[0].syncs[1].records[SYNC_LOG] if row["stream"] == "time_entries"),
        key=lambda row: str(row["_ab_cdc_updated_at"]),
    )
    columns = (
        *("stream", "previous_updated_at", "status", "sync_mode", "sent", "resent", "deleted"),
        *("live", "window_start", "oversized"),
    )
    return _shown(SYNC_LOG, found, columns)


def _same(records: list[JSON], wanted: JSON) -> JSON:
    (found,) = (each for each in records if each["id"] == wanted["id"])
    return found


def _shown(stream: str, record: JSON, columns: Sequence[str]) -> str:
    """A record in its fence: some columns and those of change tracking, or all."""
    data = {
        name: value
        for name, value in record.items()
        if not columns or name in columns or name.startswith("_ab_cdc_")
    }
    shown = json.dumps({"stream": stream, "data": data}, ensure_ascii=False)
    return f"```json\n{shown}\n```"
