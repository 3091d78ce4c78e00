"""Tables and targets, as Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.experiments import Runs, Syncs
from benchmarks.measure import Run
from benchmarks.readers import SMALL_PAGES, TRACKED, UNTRACKED

MEGABYTE = 1_000_000
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Target:
    """What was wanted, what came out, and whether that is enough; None if it was not measured."""

    wanted: str
    measured: str
    met: bool | None


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return the median and, of several values, the least and the greatest."""
    text = f"{median(values):,.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratio(runs: Runs, above: str, below: str, of: Callable[[Run], float]) -> list[float] | None:
    """Return the ratios of two readers' figures, repetition by repetition; None without both."""
    if above not in runs or below not in runs:
        return None
    return [of(one) / of(other) for one, other in zip(runs[above], runs[below], strict=True)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def first_syncs(syncs: Syncs) -> str:
    """Return the table of first syncs."""
    base = UNTRACKED if UNTRACKED in syncs.first else next(iter(syncs.first))
    head = ["first sync", "seconds", "CPU seconds", "records a second", f"speed, {base} = 1"]
    rows = [
        [
            name,
            spread([run.seconds for run in runs]),
            spread([run.cpu_seconds for run in runs]),
            spread([run.records_a_second for run in runs], 0),
            spread(ratio(syncs.first, name, base, lambda run: run.records_a_second) or [], 2),
            spread([run.peak / MEGABYTE for run in runs], 0),
            _one(run.requests for run in runs),
            _one(run.state_messages for run in runs),
        ]
        for name, runs in syncs.first.items()
    ]
    return table([*head, "peak memory, MB", "requests", "state messages"], rows)


def later_syncs(syncs: Syncs) -> str:
    """Return the table of syncs in which nothing had changed."""
    head = ["sync without changes", "seconds", "CPU seconds", "records", "requests"]
    rows = [
        [
            name,
            spread([run.seconds for run in runs]),
            spread([run.cpu_seconds for run in runs]),
            _one(run.records for run in runs),
            _one(run.requests for run in runs),
            spread([run.peak / MEGABYTE for run in runs], 0),
            _one(run.state_messages for run in runs),
            _one(run.state_bytes for run in runs),
            f"{runs[-1].state_bytes / syncs.size.entries:.1f}",
        ]
        for name, runs in syncs.again.items()
    ]
    head += ["peak memory, MB", "state messages", "state, bytes", "bytes an entry"]
    return table(head, rows)


def start_up(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return the table of what a start takes."""
    return table(["start-up", "CPU seconds"], [[n, spread(s, 2)] for n, s in seconds.items()])


def targets(small: Syncs, large: Syncs, crowd: Syncs) -> list[Target]:
    """Return the targets of the three experiments."""
    return [
        *_time_targets(small),
        *_time_targets(large),
        *_state_targets(small),
        *_memory_targets(large, crowd),
    ]


def _time_targets(syncs: Syncs) -> list[Target]:
    """By the clock; what the processor time says stands beside, for a machine that is not idle."""
    slower = ratio(syncs.first, TRACKED, UNTRACKED, lambda run: run.seconds)
    slower_cpu = ratio(syncs.first, TRACKED, UNTRACKED, lambda run: run.cpu_seconds)
    faster = ratio(syncs.first, SMALL_PAGES, UNTRACKED, lambda run: run.seconds)
    faster_cpu = ratio(syncs.first, SMALL_PAGES, UNTRACKED, lambda run: run.cpu_seconds)
    return [
        _target(
            f"{syncs.size}: tracked takes at most 1.25 times as long as untracked",
            slower,
            lambda value: value <= 1.25,
            slower_cpu,
        ),
        _target(
            f"{syncs.size}: untracked reads at least 1.5 times as fast as with 50 rows a page",
            faster,
            lambda value: value >= 1.5,
            faster_cpu,
        ),
    ]


def _state_targets(syncs: Syncs) -> list[Target]:
    records = [float(run.records) for run in syncs.again.get(TRACKED, [])]
    sizes = [run.state_bytes / MEGABYTE for run in syncs.first.get(TRACKED, [])]
    most = 4 * syncs.size.entries / 100_000
    return [
        _target(
            "no records from a tracked sync without changes", records, lambda value: value == 0
        ),
        _target(
            f"state of {syncs.size.entries:,} tracked records at most {most:g} MB",
            sizes,
            lambda value: value <= most,
        ),
    ]


def _memory_targets(large: Syncs, crowd: Syncs) -> list[Target]:
    found = []
    for name in (TRACKED, UNTRACKED):
        few, many = large.first.get(name, []), crowd.first.get(name, [])
        for syncs, runs in ((large, few), (crowd, many)):
            wanted = f"{syncs.size}, {name}: peak memory under 400 MB"
            peaks = [run.peak / MEGABYTE for run in runs]
            found.append(_target(wanted, peaks, lambda value: value < 400))
        wanted = (
            f"{name}: {crowd.size.users} users take at most 1.1 times the peak memory"
            f" of {large.size.users}"
        )
        growth = [more.peak / less.peak for less, more in zip(few, many, strict=False)]
        found.append(_target(wanted, growth, lambda value: value <= 1.1))
    return found


def verdicts(found: Iterable[Target]) -> str:
    """Return the table of targets and, as the last line, how many were met."""
    found = list(found)
    words = {True: "pass", False: "FAIL", None: "-"}
    rows = [[target.wanted, target.measured, words[target.met]] for target in found]
    counts = [sum(target.met is met for target in found) for met in (True, False, None)]
    last = "{} targets met, {} missed, {} not measured".format(*counts)
    return table(["target", "measured", ""], rows) + "\n\n" + last


def _target(
    wanted: str,
    values: Sequence[float] | None,
    is_enough: Callable[[float], bool],
    cpu: Sequence[float] | None = None,
) -> Target:
    if not values:
        return Target(wanted, NOT_MEASURED, None)
    measured = spread(values, 2) + (f"; CPU {spread(cpu, 2)}" if cpu else "")
    return Target(wanted, measured, is_enough(median(values)))


def _one(values: Iterable[int]) -> str:
    """Return a number that should be the same in each repetition, or its range."""
    found = sorted(set(values))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"
