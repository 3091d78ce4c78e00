"""Measures the cost of a lookback in later syncs: requests, records read, bytes of state.

python -m benchmarks.lookback            20 users with 1,000 entries each over 400 days
python -m benchmarks.lookback 5 200      fewer users and entries

Nothing changes between the first sync and the later one. The change feeds are followed.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.readers import discovered_streams
from clockify_sandbox.client import Sandbox, start
from integration_tests.airbyte import config_of
from source_clockify.configured_catalog import configured_catalog

STREAMS = ("time_entries", "detailed_report")
LOOKBACKS = (400, 90, 30)
DAYS = 400
_CONNECTOR = Path(sys.executable).parent / "source-clockify"


def main(users: int, entries: int) -> None:
    with start(plan="PRO", users=users, entries=entries, days=DAYS) as sandbox:
        discovered = _run(sandbox, {}, "discover")
        print(f"{users} users, {entries:,} entries each over {DAYS} days; {' and '.join(STREAMS)}")
        print("| lookback in days | requests of a later sync | bytes of state |")
        print("|---|---|---|")
        for days in LOOKBACKS:
            requests, size = _later_sync(sandbox, days, discovered)
            print(f"| {days} | {requests} | {size:,} |")


def _later_sync(sandbox: Sandbox, days: int, discovered: str) -> tuple[int, int]:
    settings = {"lookback_days": days, "state_limit_mb": 200}
    with tempfile.TemporaryDirectory() as folder:
        catalog, state = Path(folder, "catalog.json"), Path(folder, "state.json")
        catalog.write_text(json.dumps(configured_catalog(discovered_streams(discovered), STREAMS)))
        states = _states(_run(sandbox, settings, "read", "--catalog", str(catalog)))
        state.write_text(json.dumps(states))
        before = len(sandbox.requests())
        _run(sandbox, settings, "read", "--catalog", str(catalog), "--state", str(state))
        return len(sandbox.requests()) - before, sum(len(json.dumps(each)) for each in states)


def _states(printed: str) -> list[Any]:
    """Return the last state of each stream."""
    found = {}
    for line in filter(None, printed.split("\n")):
        message = json.loads(line)
        if message["type"] == "STATE":
            name = message["state"]["stream"]["stream_descriptor"]["name"]
            found[name] = message["state"]
    return list(found.values())


def _run(sandbox: Sandbox, settings: Mapping[str, Any], command: str, *options: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.json")
        config.write_text(json.dumps(config_of(sandbox, **settings)))
        line = [str(_CONNECTOR), command, "--config", str(config), *options]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:] or ("20", "1000")))
