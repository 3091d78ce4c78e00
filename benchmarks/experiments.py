"""Runs the readers: which ones, how often, and in which order."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.measure import Run, Usage, measure, time_command
from benchmarks.readers import MANIFEST_ALONE, TRACKED, UNTRACKED, Reader, command_of, readers
from benchmarks.standin import Size, Standin

_Item = TypeVar("_Item")
Runs = dict[str, list[Run]]


@dataclass
class Syncs:
    """The runs of each reader, by its name, in the order of the repetitions.

    Attributes:
        size: of the server's data.
        first: without a state.
        later: from the state of a first sync, without changes in between.
    """

    size: Size
    first: Runs = field(default_factory=dict)
    later: Runs = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """An experiment.

    Attributes:
        size: of the server's data.
        repetitions: the number of reads of each reader, by its name.
        options: fields of the configuration.
        later: the readers that also read with their state.
    """

    size: Size
    repetitions: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)
    later: Sequence[str] = ()


def run_syncs(wanted: Wanted, folder: Path) -> Syncs:
    """Let each reader read everything, and some of them again with their states.

    RuntimeError if a run fails or prints a different number of records than there are.
    """
    result = Syncs(wanted.size)
    with Standin(wanted.size) as standin:
        found = readers(wanted.repetitions, standin, folder, wanted.options)
        for repetition in range(max(wanted.repetitions.values())):
            due = [each for each in found if repetition < wanted.repetitions[each.name]]
            # Each repetition begins with another reader, so that a drift affects all of them alike.
            for reader in _rotated(due, repetition):
                run = _checked(
                    standin, reader, wanted.size.records, measure(reader, standin, folder)
                )
                result.first.setdefault(reader.name, []).append(run)
                if reader.name in wanted.later:
                    again = measure(reader, standin, folder, run.state)
                    # Without change tracking, everything within the lookback is reread.
                    records = 0 if reader.name == TRACKED else wanted.size.records
                    _checked(standin, reader, records, again)
                    result.later.setdefault(reader.name, []).append(again)
    result.first = {each.name: result.first[each.name] for each in found}
    return result


def read_from_pipe(size: Size, pauses: Mapping[str, float], repetitions: int, folder: Path) -> Runs:
    """Return the runs of the tracked connector, by the name of the pause between two lines."""
    runs: Runs = {name: [] for name in pauses}
    with Standin(size) as standin:
        (reader,) = readers([TRACKED], standin, folder, {})
        for repetition in range(repetitions):
            for name in _rotated(list(pauses), repetition):
                run = measure(reader, standin, folder, pause=pauses[name])
                runs[name].append(_checked(standin, reader, size.records, run))
    return runs


CONNECTOR_SPEC = "`source-clockify spec`"
CDK_IMPORT = "import of the CDK"


def start_up(repetitions: int, folder: Path) -> dict[str, list[Usage]]:
    """Return the cost of `spec`, `discover` and a plain import of the CDK."""
    config = folder / "config.json"
    credentials = {"auth_type": "api_key", "api_key": "no-request-is-sent"}
    config.write_text(json.dumps({"credentials": credentials}))
    commands = {
        CONNECTOR_SPEC: command_of(UNTRACKED, "spec", folder),
        "connector, `discover`": (
            *command_of(UNTRACKED, "discover", folder),
            *("--config", str(config)),
        ),
        "manifest alone, `spec`": command_of(MANIFEST_ALONE, "spec", folder),
        CDK_IMPORT: (sys.executable, "-c", "import airbyte_cdk.entrypoint"),
    }
    used: dict[str, list[Usage]] = {name: [] for name in commands}
    for repetition in range(repetitions):
        for name in _rotated(list(commands), repetition):
            used[name].append(time_command(commands[name], folder / "output.jsonl"))
    return used


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def _checked(standin: Standin, reader: Reader, records: int, run: Run) -> Run:
    """Return the run; RuntimeError if it printed a different number of records."""
    if run.records != records:
        raise RuntimeError(f"{reader.name} printed {run.records:,} records, not {records:,}")
    say(
        f"{standin.size}: {reader.name}, {run.records:,} records,"
        f" {run.cpu_seconds:.1f} CPU seconds, {run.seconds:.1f} s"
    )
    return run


def _rotated(items: list[_Item], by: int) -> list[_Item]:
    by %= max(len(items), 1)
    return items[by:] + items[:by]
