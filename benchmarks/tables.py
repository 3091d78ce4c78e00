"""Tables of the measurements, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.experiments import CDK_IMPORT, Runs, Syncs
from benchmarks.measure import Run, Usage
from benchmarks.readers import BARE

MEGABYTE = 1_000_000


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return the median and, for several values, minimum and maximum; a dash if there are none."""
    if not values:
        return "-"
    text = f"{median(values):,.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cpu_ratios(above: Sequence[Usage], below: Sequence[Usage]) -> list[float]:
    """Return the ratios of CPU seconds by repetition, up to the shorter sequence."""
    pairs = zip(above, below, strict=False)
    return [one.cpu_seconds / other.cpu_seconds for one, other in pairs]


def speeds(runs: Runs, name: str) -> list[float]:
    """Return the speed of a reader relative to that of the bare loop."""
    return cpu_ratios(runs.get(BARE, []), runs.get(name, []))


def first_syncs(syncs: Syncs) -> str:
    """Return the table of first syncs."""
    head = ["first sync", "CPU seconds", "seconds", "records a CPU second", f"speed, {BARE} = 1"]
    rows = [
        [
            name,
            *_times(runs),
            spread([run.records / run.cpu_seconds for run in runs], 0),
            spread(speeds(syncs.first, name), 2),
            *_rest(runs),
        ]
        for name, runs in syncs.first.items()
    ]
    return table([*head, *_REST], rows)


def later_syncs(syncs: Syncs) -> str:
    """Return the table of syncs without changes."""
    head = ["sync without changes", "CPU seconds", "seconds", "records"]
    rows = [
        [
            name,
            *_times(runs),
            one(run.records for run in runs),
            *_rest(runs),
            one(run.state_bytes for run in runs),
            f"{runs[-1].state_bytes / syncs.size.records:.1f}",
        ]
        for name, runs in syncs.later.items()
    ]
    return table([*head, *_REST, "state, bytes", "bytes a record"], rows)


def by_size(found: Mapping[int, Syncs]) -> str:
    """Return the table of CPU seconds by reader and number of records."""
    names = list(dict.fromkeys(name for syncs in found.values() for name in syncs.first))
    head = ["CPU seconds of", *(f"{records:,} entries" for records in found)]
    rows = [
        [name, *(spread(_cpu(syncs.first.get(name, []))) for syncs in found.values())]
        for name in names
    ]
    return table(head, rows)


def costs_by_size(found: Mapping[int, Syncs]) -> dict[str, list[tuple[float, float]]]:
    """Return the lines of the chart: records and median CPU seconds by reader."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for records, syncs in found.items():
        for name, runs in syncs.first.items():
            lines.setdefault(name, []).append((records, median(_cpu(runs))))
    return lines


def start_up(used: Mapping[str, Sequence[Usage]]) -> str:
    """Return the table of start-ups."""
    rows = [
        [name, *_times(found), spread(cpu_ratios(found, used[CDK_IMPORT]), 2)]
        for name, found in used.items()
    ]
    return table(["start-up", "CPU seconds", "seconds", f"CPU seconds, {CDK_IMPORT} = 1"], rows)


def pipes(runs: Runs) -> str:
    """Return the table of readers of a pipe."""
    rows = [[name, *_times(found), spread(peaks(found), 0)] for name, found in runs.items()]
    return table(["output is read", "CPU seconds", "seconds", "peak memory, MB"], rows)


def peaks(runs: Iterable[Usage]) -> list[float]:
    """Return the peak memory of each run, in MB."""
    return [run.peak / MEGABYTE for run in runs]


def one(values: Iterable[int]) -> str:
    """Return a number that should be equal in all repetitions, or its range."""
    found = sorted(set(values))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


_REST = ("peak memory, MB", "requests", "state messages")


def _rest(runs: Sequence[Run]) -> list[str]:
    return [
        spread(peaks(runs), 0),
        one(run.requests for run in runs),
        one(run.state_messages for run in runs),
    ]


def _times(runs: Sequence[Usage]) -> list[str]:
    return [spread(_cpu(runs)), spread([run.seconds for run in runs])]


def _cpu(runs: Sequence[Usage]) -> list[float]:
    return [run.cpu_seconds for run in runs]
