"""Measures a command in a process of its own: its time, its peak memory and its output."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.readers import ROOT, Reader
from benchmarks.standin import Standin

# The interval at which the peak memory is checked, in seconds.
_INTERVAL = 0.05
# The unit of ru_maxrss: kilobytes on Linux, bytes on macOS.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.M)
_NAME = re.compile(rb'"(?:stream|name)":"(\w+)"')


@dataclass(frozen=True)
class Usage:
    """The resources used by a process.

    Attributes:
        seconds: wall clock from start to exit.
        cpu_seconds: processor time in user and kernel mode.
        peak: the highest memory usage, in bytes.
    """

    seconds: float
    cpu_seconds: float
    peak: int


@dataclass(frozen=True)
class Run(Usage):
    """The resources used and the messages printed by a reader.

    Attributes:
        requests: the number of requests received by the server.
        records: the number of printed records.
        state_messages: the number of printed state messages.
        state: the content of the last state message; None if there was none.
        state_bytes: the length of that content as JSON.
    """

    requests: int
    records: int
    state_messages: int
    state: Any
    state_bytes: int


@dataclass
class Printed:
    """The messages printed by a reader, by stream.

    Attributes:
        records: the number of records.
        state_messages: the number of state messages.
        states: the content of the last state message.
    """

    records: Counter[str] = field(default_factory=Counter)
    state_messages: Counter[str] = field(default_factory=Counter)
    states: dict[str, Any] = field(default_factory=dict)


def time_command(command: Sequence[str], output: Path, pause: float | None = None) -> Usage:
    """Return the resources used by a command that prints to a file.

    With a `pause` it prints to a pipe instead, from which one line is read after every pause of
    this many seconds. RuntimeError with the end of its output if it fails.
    """
    errors = output.with_suffix(".errors")
    with output.open("wb") as out, errors.open("wb") as err:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out if pause is None else subprocess.PIPE, stderr=err
        )
        peaks = [_peak(process.pid)]
        ended = threading.Event()
        watcher = threading.Thread(target=_watch_peak, args=(process.pid, peaks, ended))
        watcher.start()
        if process.stdout is not None:
            _take(process.stdout, out, pause or 0)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        ended.set()
        watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        end = _end_of(output) + _end_of(errors)
        raise RuntimeError(f"{' '.join(command)} failed ({process.returncode}):\n{end}")
    peak = max(peaks) or used.ru_maxrss * _PEAK_UNIT
    return Usage(seconds, used.ru_utime + used.ru_stime, peak)


def measure(
    reader: Reader, standin: Standin, folder: Path, state: Any = None, pause: float | None = None
) -> Run:
    """Run a reader once, with the content of a state message if one is given."""
    command = list(reader.command)
    if state is not None:
        state_file = folder / "state.json"
        state_file.write_text(json.dumps([state]))
        command += ["--state", str(state_file)]
    output = folder / "output.jsonl"
    standin.requests()
    usage = time_command(command, output, pause)
    requests = standin.requests()
    printed = read_output(output)
    stream = standin.size.stream
    state = printed.states.get(stream)
    return Run(
        **vars(usage),
        requests=requests,
        records=printed.records[stream],
        state_messages=printed.state_messages[stream],
        state=state,
        state_bytes=size_of(state) if state else 0,
    )


def size_of(state: Any) -> int:
    """Return the length of a state as compact JSON."""
    return len(json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode())


def read_output(output: Path) -> Printed:
    """Count the messages in a file, and remove it."""
    printed = Printed()
    last: dict[str, bytes] = {}
    with output.open("rb") as lines:
        for line in lines:
            # A message begins with its type, soon followed by the name of the stream.
            if line.startswith(b'{"type":"RECORD"'):
                printed.records[_name(line)] += 1
            elif line.startswith(b'{"type":"STATE"'):
                name = _name(line)
                printed.state_messages[name] += 1
                last[name] = line
    printed.states = {name: json.loads(line)["state"] for name, line in last.items()}
    output.unlink()
    return printed


def _name(line: bytes) -> str:
    found = _NAME.search(line, 0, 200)
    if found is None:
        raise RuntimeError(f"a message without a stream: {line[:200]!r}")
    return found[1].decode()


def _take(pipe: IO[bytes], out: IO[bytes], pause: float) -> None:
    for line in pipe:
        out.write(line)
        if pause:
            time.sleep(pause)
    pipe.close()


def _watch_peak(pid: int, peaks: list[int], ended: threading.Event) -> None:
    while not ended.wait(_INTERVAL):
        peaks.append(_peak(pid))


def _peak(pid: int) -> int:
    """Return the largest resident set of a process so far; 0 after its end or without /proc.

    Unlike ru_maxrss it excludes memory shared with this process when the other one started.
    """
    try:
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _end_of(path: Path) -> str:
    return path.read_bytes()[-2000:].decode(errors="replace")
