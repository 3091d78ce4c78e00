"""Runs the command `source-clockify` so that a test can end it, and looks at what it leaves."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from typing_extensions import Unpack

from clockify_sandbox.client import JSON
from integration_tests.airbyte import catalog

COMMAND = str(Path(sys.executable).with_name("source-clockify"))
# A hang fails the test; nothing else depends on it.
PATIENCE = 150

_NAMESPACES = (
    ["unshare", "--fork", "--pid", "--kill-child"],
    ["unshare", "--user", "--map-root-user", "--fork", "--pid", "--kill-child"],
)


@cache
def in_namespace() -> tuple[str, ...]:
    """The command that lets another one be process 1 of a namespace; empty if not permitted."""
    for line in _NAMESPACES:
        with suppress(OSError):
            if subprocess.run([*line, "true"], capture_output=True).returncode == 0:
                return (*line,)
    return ()


def until(holds: Callable[[], bool]) -> None:
    """Wait for an event."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code.
        lines: of standard output that were not read before, the last of them without its end.
        error: its standard error.
        left: the files in its temporary folder.
        seconds: from the signal to the end.
    """

    code: int
    lines: list[str]
    error: str
    left: list[str]
    seconds: float

    @property
    def messages(self) -> list[JSON]:
        """All lines as messages; a cut one is an error."""
        assert self.lines[-1] == "", self.lines[-1][-200:]
        return [json.loads(line) for line in self.lines[:-1]]

    @property
    def states(self) -> list[JSON]:
        """The last state of each stream."""
        found = [each["state"] for each in self.messages if each["type"] == "STATE"]
        return [*{each["stream"]["stream_descriptor"]["name"]: each for each in found}.values()]

    @property
    def last(self) -> str:
        """The text of the last message, which is a log line."""
        text: str = self.messages[-1]["log"]["message"]
        return text


@dataclass
class Running:
    """A command that runs.

    Attributes:
        process: the command, or what runs it in a namespace.
        folder: its files; `tmp` in it is its temporary folder.
        read: the lines that were read so far.
    """

    process: "subprocess.Popen[bytes]"
    folder: Path
    is_in_namespace: bool
    read: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The process of the command itself."""
        pid = self.process.pid
        if not self.is_in_namespace:
            return pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        until(lambda: bool(children.read_text().split()))
        return int(children.read_text().split()[0])

    def blocks_signals(self) -> bool:
        """Whether it watches for signals already."""
        words = Path(f"/proc/{self.pid}/cmdline").read_text().split("\0")
        if COMMAND not in words[:2]:
            # What makes the namespace blocks signals, too, and names the command further on.
            return False
        status = Path(f"/proc/{self.pid}/status").read_text()
        blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
        return bool(int(blocked.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    def wait_for_line(self, *parts: str) -> str:
        """Read on to a line that contains all parts."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.read.append(line.decode().removesuffix("\n"))
            if all(part in self.read[-1] for part in parts):
                return self.read[-1]
        raise AssertionError(f"no line with {parts}")

    def make_room(self) -> None:
        """Let its output hold all that a small account prints, so that nobody need read it."""
        assert self.process.stdout is not None
        fcntl.fcntl(self.process.stdout.fileno(), fcntl.F_SETPIPE_SZ, 1024 * 1024)

    def error(self) -> str:
        """What is on its standard error so far."""
        return (self.folder / "stderr").read_text()

    def end(self, number: int | None = None, *, reads: bool = True) -> Ended:
        """Send a signal, wait for the end, and read the rest of the output.

        Args:
            reads: take the output while it ends; else after its end.
        """
        began = time.monotonic()
        if number is not None:
            os.kill(self.pid, number)
        if not reads:
            self.process.wait(PATIENCE)
            seconds = time.monotonic() - began
        assert self.process.stdout is not None
        with _limited(self.process):
            rest = self.process.stdout.read().decode()
        if reads:
            self.process.wait(PATIENCE)
            seconds = time.monotonic() - began
        left = sorted(str(path) for path in (self.folder / "tmp").rglob("*"))
        lines = [*self.read, *rest.split("\n")]
        return Ended(self.process.returncode, lines, self.error(), left, seconds)


@contextmanager
def _limited(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Kill a process that hangs."""
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class How(TypedDict, total=False):
    """How a command is run.

    Attributes:
        state: that a read goes on from.
        namespace: as process 1 of a PID namespace.
        environment: variables beside those of this process.
        stdout: in place of a pipe.
        preexec_fn: is called in the process before the command.
    """

    state: Sequence[JSON]
    namespace: bool
    environment: Mapping[str, str]
    stdout: Any
    preexec_fn: Callable[[], Any]


def start_command(
    folder: Path, command: str, config: JSON, streams: Sequence[str] = (), **how: Unpack[How]
) -> Running:
    """Start a command with files in a folder of its own."""
    (folder / "tmp").mkdir(parents=True)
    line = [COMMAND, command]
    files: dict[str, Any] = {} if command == "spec" else {"config": config}
    if command == "read":
        files["catalog"] = catalog(streams, "incremental")
    if "state" in how:
        files["state"] = how["state"]
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        line += [f"--{name}", str(path)]
    in_place = how.get("namespace", False)
    with (folder / "stderr").open("wb") as error:
        process = subprocess.Popen(
            [*(in_namespace() if in_place else ()), *line],
            stdout=how.get("stdout", subprocess.PIPE),
            stderr=error,
            env={**os.environ, "TMPDIR": str(folder / "tmp"), **how.get("environment", {})},
            preexec_fn=how.get("preexec_fn"),
        )
    return Running(process, folder, in_place)
