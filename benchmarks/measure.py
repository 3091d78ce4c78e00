"""Measures a command as a process of its own: its time, its peak memory, what it printed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.readers import ROOT, STREAM, Reader
from benchmarks.server import Standin

# Of ru_maxrss: kilobytes on Linux, bytes on macOS.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Usage:
    """What a process took.

    Attributes:
        seconds: wall clock from start to exit.
        cpu_seconds: processor time, its own and the kernel's for it.
        peak: the most memory that it held at once, in bytes.
    """

    seconds: float
    cpu_seconds: float
    peak: int


@dataclass(frozen=True)
class Run(Usage):
    """What a process that reads took and brought.

    Attributes:
        requests: how many requests reached the server.
        records: how many records it printed.
        state_messages: how many state messages it printed.
        state: the last state message's content, None without one.
        state_bytes: the length of that content as JSON.
    """

    requests: int
    records: int
    state_messages: int
    state: Any
    state_bytes: int

    @property
    def records_a_second(self) -> float:
        return self.records / self.seconds


def time_command(command: Sequence[str], output: Path) -> Usage:
    """Return what a command took that prints to a file.

    RuntimeError with the end of its output if it fails.
    """
    errors = output.with_suffix(".errors")
    with output.open("wb") as out, errors.open("wb") as err:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        end = _end_of(output) + _end_of(errors)
        raise RuntimeError(f"{' '.join(command)} failed ({process.returncode}):\n{end}")
    return Usage(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * _PEAK_UNIT)


def measure(reader: Reader, standin: Standin, folder: Path, state: Any = None) -> Run:
    """Let a reader read once, going on from a state message's content if one is given."""
    command = list(reader.command)
    if state is not None:
        state_file = folder / "state.json"
        state_file.write_text(json.dumps([state]))
        command += ["--state", str(state_file)]
    output = folder / "output.jsonl"
    standin.requests()
    usage = time_command(command, output)
    requests = standin.requests()
    records, states, last = _count(output)
    output.unlink()
    state = json.loads(last)["state"] if last else None
    size = len(json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode())
    return Run(
        **vars(usage),
        requests=requests,
        records=records,
        state_messages=states,
        state=state,
        state_bytes=size if last else 0,
    )


def _count(output: Path) -> tuple[int, int, bytes | None]:
    """Return the number of records and of states of the stream, and the last state message."""
    records, states, last = 0, 0, None
    with output.open("rb") as lines:
        for line in lines:
            # The type is the first field of a message.
            if line.startswith(b'{"type":"RECORD"'):
                records += 1
            elif line.startswith(b'{"type":"STATE"') and STREAM.encode() in line[:200]:
                states, last = states + 1, line
    return records, states, last


def _end_of(path: Path) -> str:
    return path.read_bytes()[-2000:].decode(errors="replace")
