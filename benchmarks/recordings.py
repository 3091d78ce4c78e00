"""Records the output of commands on a terminal of 100 columns, as text: docs/recordings/*.txt.

    python -m benchmarks.recordings [NAME ...]

Each file has a few moments and the end. Fractions of clock seconds and the name of the demo's
folder are normalised; durations are those of the recording machine.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clockify_sandbox.client import start
from integration_tests.airbyte import ROOT, catalog, config_of
from integration_tests.terminal import ROWS, Screen, Session, run_on_terminal

FOLDER = ROOT / "docs" / "recordings"
USERS, ENTRIES = 20, 10_000
READ_STREAMS = (
    *("workspaces", "users", "user_groups", "clients", "projects", "tasks", "tags"),
    *("time_entries", "time_entries_in_progress", "summary_report", "attendance_report"),
    *("audit_log", "sync_log"),
)
# A picture is complete when there is no output for this long.
_WHOLE_AFTER_SECONDS = 0.05


@dataclass(frozen=True)
class Recording:
    """One file.

    Attributes:
        command: as shown in the file.
        run: runs it.
        moments: patterns; the file has the first picture that matches each of them.
    """

    command: str
    run: Callable[[], Session]
    moments: Sequence[str]


def read_many_entries() -> Session:
    """Read 200,000 time entries, reaching Clockify's request limit once."""
    size: dict[str, Any] = {"users": USERS, "entries": ENTRIES, "projects": 20, "tasks": 5}
    with TemporaryDirectory() as folder, start(**size, plan="PRO") as sandbox:
        paths = {name: Path(folder, f"{name}.json") for name in ("config", "catalog")}
        paths["config"].write_text(json.dumps(config_of(sandbox)))
        paths["catalog"].write_text(json.dumps(catalog(READ_STREAMS, "incremental")))
        limited = {"status": 429, "headers": {"Retry-After": "10"}}
        sandbox.fault(limited, path=".*/time-entries/status/in-progress", times=1)
        command: list[str | Path] = [Path(sys.executable).with_name("source-clockify"), "read"]
        for name, path in paths.items():
            command += [f"--{name}", path]
        return run_on_terminal(command, stdout=Path(folder, "messages.jsonl"))


def run_demo() -> Session:
    return run_on_terminal([ROOT / "bin" / "demo"], folder=ROOT)


SYNC = rf"""SOURCE=source-clockify examples/shell/sync.sh config.json clockify-sync \
    {" ".join(READ_STREAMS[:7])} \
    {" ".join(READ_STREAMS[7:])} \
    -- grep '^{{"type":"STATE"'"""


def sync_into_a_destination() -> Session:
    """Sync an account with the shell pipeline; the destination acknowledges every state."""
    size: dict[str, Any] = {"users": USERS, "entries": 2_000, "projects": 20, "tasks": 5}
    with (
        TemporaryDirectory(prefix="source-clockify-sync-") as folder,
        start(**size, plan="ENTERPRISE") as sandbox,
    ):
        Path(folder, "config.json").write_text(json.dumps(config_of(sandbox)))
        Path(folder, "examples").symlink_to(ROOT / "examples")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return run_on_terminal(
            ["bash", "-c", SYNC], environment={"PATH": path}, folder=Path(folder)
        )


RECORDINGS = {
    "read": Recording(
        "source-clockify read --config config.json --catalog catalog.json > messages.jsonl",
        read_many_entries,
        (r"Starting", r"^time_entries +\d{5} ", r"waits 0:0\d"),
    ),
    "demo": Recording("bin/demo", run_demo, (r"^[1-3]\d of 41 streams complete",)),
    "sync": Recording(SYNC, sync_into_a_destination, (r"^time_entries +\d{5} ",)),
}


def record(recording: Recording) -> str:
    """Run a command; return the content of its file."""
    session = recording.run()
    if session.code:
        sys.exit(f"{recording.command} failed:\n{session.text[-2000:]}")
    parts = [f"$ {recording.command}"]
    for after, lines in moments(session, recording.moments):
        parts.append(f"-- after {after:.0f} seconds --\n\n" + "\n".join(lines[-ROWS:]).strip("\n"))
    parts.append("-- at the end --\n\n" + "\n".join(session.screen()).strip("\n"))
    return normalised("\n\n".join(parts) + "\n")


def moments(session: Session, patterns: Sequence[str]) -> Iterator[tuple[float, list[str]]]:
    """Yield the first picture that matches each of the patterns, in their order."""
    wanted = list(patterns)
    screen = Screen()
    followed_by = [after for after, _ in session.printed[1:]] + [float("inf")]
    for (after, text), next_after in zip(session.printed, followed_by, strict=True):
        screen.feed(text)
        if not wanted or next_after - after < _WHOLE_AFTER_SECONDS:
            continue
        shown = screen.shown()
        if re.search(wanted[0], "\n".join(shown[-ROWS:]), re.M):
            wanted.pop(0)
            yield after, shown
    if wanted:
        raise RuntimeError(f"was never shown: {wanted}")


def normalised(text: str) -> str:
    """Return a text without irrelevant differences between runs."""
    text = re.sub(r"(\d\d:\d\d:\d\d\.)\d{3}Z", r"\g<1>000Z", text)
    text = re.sub(r"\S*/source-clockify-(demo|sync)-\w+", r"/tmp/source-clockify-\1", text)
    return text.replace(str(ROOT), ".")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recordings", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *RECORDINGS], metavar="NAME")
    names = parser.parse_args().names or list(RECORDINGS)
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        print(f"Recording {name} ...", flush=True)
        (FOLDER / f"{name}.txt").write_text(record(RECORDINGS[name]))


if __name__ == "__main__":
    main()
