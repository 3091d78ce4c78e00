"""The experiments: who reads what, how often, in which order."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, measure, time_command
from benchmarks.readers import MANIFEST_ALONE, TRACKED, UNTRACKED, Reader, command_of, readers
from benchmarks.server import Size, Standin

Runs = dict[str, list[Run]]


@dataclass
class Syncs:
    """The runs of each reader by its name, in the order of the repetitions.

    Attributes:
        size: what the server held.
        first: without a state.
        again: from the state of a first sync, with nothing changed in between.
    """

    size: Size
    first: Runs = field(default_factory=dict)
    again: Runs = field(default_factory=dict)


def syncs(
    size: Size,
    names: Sequence[str],
    repetitions: int,
    options: Mapping[str, Any],
    *,
    again: bool = False,
) -> Syncs:
    """Let each reader read everything, and the connector `again` from its state too.

    `options` are fields of the configuration. RuntimeError if a run fails, or a first sync prints
    more or fewer records than there are entries.
    """
    result = Syncs(size)
    with Standin(size) as standin, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = readers(tuple(names), standin, folder, options)
        result.first = _interleaved(found, repetitions, standin, folder, {})
        for name, runs in result.first.items():
            if any(run.records != size.entries for run in runs):
                counts = sorted({run.records for run in runs})
                raise RuntimeError(f"{name} printed {counts} records, not {size.entries}")
        if again:
            connector = [reader for reader in found if reader.name in (TRACKED, UNTRACKED)]
            states = {reader.name: result.first[reader.name][-1].state for reader in connector}
            result.again = _interleaved(connector, repetitions, standin, folder, states)
    return result


def start_up(names: Sequence[str], repetitions: int) -> dict[str, list[float]]:
    """Return the CPU seconds of `spec` and `discover`, and beside them the import of the CDK."""
    commands: dict[str, tuple[str, ...]] = {}
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if UNTRACKED in names or TRACKED in names:
            commands["connector, `spec`"] = command_of(UNTRACKED, "spec", folder)
            file = folder / "config.json"
            credentials = {"auth_type": "api_key", "api_key": "no-request-is-sent"}
            file.write_text(json.dumps({"credentials": credentials}))
            discover = (*command_of(UNTRACKED, "discover", folder), "--config", str(file))
            commands["connector, `discover`"] = discover
        if MANIFEST_ALONE in names:
            commands["manifest alone, `spec`"] = command_of(MANIFEST_ALONE, "spec", folder)
        commands["import of the CDK"] = (sys.executable, "-c", "import airbyte_cdk.entrypoint")
        for repetition in range(repetitions):
            for title in _rotated(list(commands), repetition):
                usage = time_command(commands[title], folder / "output.jsonl")
                seconds.setdefault(title, []).append(usage.cpu_seconds)
    return {title: seconds[title] for title in commands}


def _interleaved(
    found: list[Reader],
    repetitions: int,
    standin: Standin,
    folder: Path,
    states: Mapping[str, Any],
) -> Runs:
    """Run every reader once per repetition, so that a drift of the machine meets all alike."""
    runs: Runs = {reader.name: [] for reader in found}
    for repetition in range(repetitions):
        for reader in _rotated(found, repetition):
            run = measure(reader, standin, folder, states.get(reader.name))
            runs[reader.name].append(run)
            print(
                f"{standin.size}, {repetition + 1} of {repetitions}: {reader.name},"
                f" {run.records} records in {run.seconds:.1f} s",
                file=sys.stderr,
                flush=True,
            )
    return runs


def _rotated(items: list[Any], by: int) -> list[Any]:
    by %= max(len(items), 1)
    return items[by:] + items[:by]
