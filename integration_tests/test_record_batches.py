"""The fast path of records prints what the ordinary one does: all streams, every kind of sync."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import STREAMS, catalog, config_of
from integration_tests.frozen import Clock, printed_lines

BEGIN = datetime(2026, 9, 1, 9, tzinfo=timezone.utc)

# When a record was emitted, when receipts were made, and cursors that do not pass the present.
_MOMENTS = re.compile(
    rb'("(?:emitted_at|started_at|ended_at)"):(?:\d+|"[^"]*")|("cursor"):"2026-09-01T[^"]*"'
)

_PRESENT = re.compile(rb"(2026-09-01T\d\d:00):\d\dZ")


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    moment = BEGIN.strftime("%Y-%m-%dT%H:%M:%SZ")
    with start(
        users=4, entries=60, projects=4, tasks=3, plan="ENTERPRISE,FREE", now=moment
    ) as server:
        yield server


class Printed:
    """What a sync printed, in a form that does not depend on the order of its threads."""

    def __init__(self, lines: list[bytes]) -> None:
        self.records: Counter[bytes] = Counter()
        self.states: dict[str, JSON] = {}
        self.counted: Counter[str] = Counter()
        self.statuses: dict[str, list[str]] = defaultdict(list)
        self.streams: set[str] = set()
        for line in lines:
            message: JSON = orjson.loads(line)
            if message["type"] == "RECORD":
                self.records[_MOMENTS.sub(rb"\1\2:0", line)] += 1
                self.streams.add(message["record"]["stream"])
            elif message["type"] == "STATE":
                name = message["state"]["stream"]["stream_descriptor"]["name"]
                self.counted[name] += int(message["state"]["sourceStats"]["recordCount"])
                self.states[name] = message["state"]
            elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
                status = message["trace"]["stream_status"]
                self.statuses[status["stream_descriptor"]["name"]].append(status["status"])

    def contents(self) -> dict[str, Any]:
        """The states, without what depends on how long the sync took, and in one order."""
        found = {name: dict(state["stream"]["stream_state"]) for name, state in self.states.items()}
        for name in ("content", "checksum"):
            found.get("sync_log", {}).pop(name, None)
        for state in found.values():
            state.pop("lookback_window", None)
            if "states" in state:
                state["states"] = sorted(state["states"], key=orjson.dumps)
        present: dict[str, Any] = orjson.loads(_PRESENT.sub(rb"\1:00Z", orjson.dumps(found)))
        return present


class Syncs:
    """Lets both paths read the same account at the same moment."""

    def __init__(self, account: Sandbox, clock: Clock, settings: Mapping[str, Any]) -> None:
        self._account, self._clock = account, clock
        self._config = config_of(account, start_date="2026-05-01T00:00:00Z", **settings)
        self._states: list[list[JSON]] = [[], []]

    def read(self, now: datetime, sync_mode: str) -> Printed:
        """Read all streams on both paths, compare them, and return one of them."""
        self._account.set_now(now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        streams = STREAMS if self._config.get("track_changes", True) else STREAMS[:-1]
        found = []
        for path in (False, True):
            self._clock.set(now)
            lines, error = printed_lines(
                self._config,
                catalog([each for each in STREAMS if each in streams], sync_mode),
                self._states[path],
                in_batches=path,
            )
            assert error == ""
            found.append(Printed(lines))
            self._states[path] = [*found[-1].states.values()]
        ordinary, batched = found
        assert batched.records == ordinary.records
        assert batched.contents() == ordinary.contents()
        assert batched.counted == ordinary.counted
        assert batched.statuses == ordinary.statuses
        return batched


def edit(account: Sandbox) -> None:
    """Change a little of the account."""
    workspace = account.workspaces[0]["id"]
    account.create(workspace, "tags", {"name": "added"})
    for name in ("time_entries", "projects"):
        collection = name.replace("_", "-")
        first, second = account.rows(name)[:2]
        account.update(workspace, collection, first["id"], {"note": "edited"})
        account.delete(workspace, collection, second["id"])


@pytest.mark.parametrize(
    ("sync_mode", "settings"),
    [
        ("full_refresh", {}),
        ("incremental", {}),
        ("incremental", {"track_changes": False}),
    ],
    ids=["full refresh", "with change tracking", "with the cursors of the manifest"],
)
def test_both_paths_print_the_same_records_and_states(
    account: Sandbox, clock: Clock, sync_mode: str, settings: Mapping[str, Any]
) -> None:
    account.reset()
    syncs = Syncs(account, clock, settings)

    first = syncs.read(BEGIN, sync_mode)
    assert len(first.streams) > 30
    edit(account)
    later = syncs.read(BEGIN + timedelta(hours=3), sync_mode)
    assert later.records
