"""The experiments of a run, and their contributions to the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import tables
from benchmarks.accounts import Account, accounts_table, sync_twice
from benchmarks.chart import draw
from benchmarks.experiments import (
    CDK_IMPORT,
    CONNECTOR_SPEC,
    Syncs,
    Wanted,
    read_from_pipe,
    run_syncs,
    start_up,
)
from benchmarks.readers import (
    BARE,
    BARE_BY_ROW,
    MANIFEST_ALONE,
    READERS,
    SMALL_PAGES,
    TRACKED,
    UNTRACKED,
)
from benchmarks.standin import Size
from benchmarks.targets import Target, at_least, at_most

_PYTHON_READERS = (TRACKED, UNTRACKED, BARE, BARE_BY_ROW)
# Covers all entries of a year.
_WIDE = {"lookback_days": 400}


@dataclass(frozen=True)
class Plan:
    """The sizes of a run.

    Attributes:
        sizes: numbers of time entries, ascending; all readers read each of them.
        medium: the one that is read `repetitions` times, also by `window`.
        slowly_read: the number of time entries that a slow reader takes.
        tracked: the number of time entries that are all in the state.
        users: numbers of users with `entries_of_user` each.
        entries_of_user: a small number.
        projects: the number of projects.
        accounts: in the sandbox.
        repetitions: of runs that are compared.
        memory_repetitions: of runs whose memory is compared.
    """

    sizes: Sequence[int]
    medium: int
    slowly_read: int
    tracked: int
    users: Sequence[int]
    entries_of_user: int
    projects: int
    accounts: Mapping[str, Account]
    repetitions: int
    memory_repetitions: int


WHOLE = Plan(
    sizes=(10_000, 30_000, 100_000, 300_000, 1_000_000),
    medium=100_000,
    slowly_read=400_000,
    tracked=1_000_000,
    users=(1_000, 5_000),
    entries_of_user=20,
    projects=100_000,
    accounts={
        "small": Account(users=5, projects=10, entries=200),
        "medium": Account(users=50, projects=100, entries=200),
        "large": Account(users=300, projects=500, entries=200),
    },
    repetitions=5,
    memory_repetitions=2,
)
QUICK = Plan(
    sizes=(1_000, 4_000),
    medium=4_000,
    slowly_read=4_000,
    tracked=10_000,
    users=(60,),
    entries_of_user=20,
    projects=2_000,
    accounts={"small": Account(users=3, projects=4, entries=20)},
    repetitions=1,
    memory_repetitions=1,
)


@dataclass(frozen=True)
class Section:
    """The contribution of an experiment to the report: Markdown, targets and perhaps a chart."""

    text: str
    targets: Sequence[Target] = ()
    chart: str = ""


def sizes(plan: Plan, folder: Path) -> Section:
    """Ten users' entries over 1000 days, of which change tracking retains the last month."""
    largest = plan.sizes[-1]
    found = {
        size: run_syncs(Wanted(_entries(size, days=1000), _repetitions(plan, size)), folder)
        for size in plan.sizes
    }
    costs = tables.costs_by_size(found)
    chart = draw("First sync", "time entries", "CPU seconds", costs)
    parts = [tables.by_size(found)]
    parts += [
        f"{found[size].size}:\n\n{tables.first_syncs(found[size])}"
        for size in dict.fromkeys((plan.medium, largest))
    ]
    alone = found[largest].first[MANIFEST_ALONE]
    rates = [run.records / run.cpu_seconds for run in alone]
    return Section(
        "\n\n".join(parts),
        [
            _speed_target(f"{plan.medium:,} entries", found[plan.medium], TRACKED, 0.5),
            _speed_target(f"{largest:,} entries", found[largest], TRACKED, 0.9),
            _speed_target(f"{plan.medium:,} entries", found[plan.medium], UNTRACKED, 0.6),
            at_least(f"{largest:,} entries, {MANIFEST_ALONE}", 9000, " a CPU second", rates, 0),
        ],
        chart,
    )


def window(plan: Plan, folder: Path) -> Section:
    """Entries all within the lookback, in first and later syncs."""
    repetitions = dict.fromkeys(_PYTHON_READERS, plan.repetitions)
    size = _entries(plan.medium, days=365)
    syncs = run_syncs(Wanted(size, repetitions, _WIDE, later=(TRACKED, UNTRACKED)), folder)
    later = [run.cpu_seconds for run in syncs.later[TRACKED]]
    name = f"{plan.medium:,} entries within the lookback"
    return Section(
        f"{size}:\n\n{tables.first_syncs(syncs)}\n\n{tables.later_syncs(syncs)}",
        [
            _speed_target(name, syncs, TRACKED, 0.4),
            Target(f"{name}, sync without changes: CPU seconds", later),
        ],
    )


def tracked_rows(plan: Plan, folder: Path) -> Section:
    """Many entries, all of them in the state."""
    size = _entries(plan.tracked, days=365)
    options = {**_WIDE, "state_limit_mb": 200}
    wanted = Wanted(size, {TRACKED: plan.memory_repetitions}, options, later=(TRACKED,))
    syncs = run_syncs(wanted, folder)
    return Section(
        f"{size}:\n\n{tables.first_syncs(syncs)}\n\n{tables.later_syncs(syncs)}",
        [
            at_most(f"{plan.tracked:,} tracked rows, {which} sync", 400, " MB", peaks, 0)
            for which, peaks in (
                ("first", tables.peaks(syncs.first[TRACKED])),
                ("later", tables.peaks(syncs.later[TRACKED])),
            )
        ],
    )


def partitions(plan: Plan, folder: Path) -> Section:
    """Many users with few entries each."""
    parts = []
    for users in plan.users:
        size = Size(users, plan.entries_of_user, days=365)
        wanted = Wanted(size, dict.fromkeys(_PYTHON_READERS, 1), _WIDE, later=(TRACKED,))
        syncs = run_syncs(wanted, folder)
        parts.append(f"{size}:\n\n{tables.first_syncs(syncs)}\n\n{tables.later_syncs(syncs)}")
    return Section("\n\n".join(parts))


def projects(plan: Plan, folder: Path) -> Section:
    """A stream that is a listing."""
    repetitions = {**dict.fromkeys(_PYTHON_READERS, plan.repetitions), MANIFEST_ALONE: 1}
    size = Size(projects=plan.projects)
    syncs = run_syncs(Wanted(size, repetitions, later=(TRACKED,)), folder)
    return Section(f"{size}:\n\n{tables.first_syncs(syncs)}\n\n{tables.later_syncs(syncs)}")


def slow(plan: Plan, folder: Path) -> Section:
    """A pipe whose reader takes a record each millisecond, or as soon as possible."""
    fast_one, slow_one = "as fast as it comes", "one line a millisecond"
    size = _entries(plan.slowly_read, days=1000)
    pauses = {fast_one: 0, slow_one: 0.001}
    runs = read_from_pipe(size, pauses, plan.memory_repetitions, folder)
    fast_peaks, slow_peaks = tables.peaks(runs[fast_one]), tables.peaks(runs[slow_one])
    more = [high - low for low, high in zip(fast_peaks, slow_peaks, strict=True)]
    return Section(
        f"{size}, {TRACKED}:\n\n{tables.pipes(runs)}",
        [at_most("slow reader, memory above that of the fast one", 60, " MB", more, 1)],
    )


def start_ups(plan: Plan, folder: Path) -> Section:
    """The command `spec`, and the import of the CDK."""
    used = start_up(plan.repetitions, folder)
    shares = tables.cpu_ratios(used[CONNECTOR_SPEC], used[CDK_IMPORT])
    target = at_most(CONNECTOR_SPEC, 0.7, f" of the {CDK_IMPORT}", shares)
    return Section(tables.start_up(used), [target])


def requests(plan: Plan, folder: Path) -> Section:
    """The requests of complete syncs."""
    found = {
        name: (account, *sync_twice(account, days=400, folder=folder))
        for name, account in plan.accounts.items()
    }
    return Section(accounts_table(found))


SECTIONS: dict[str, Callable[[Plan, Path], Section]] = {
    "sizes": sizes,
    "window": window,
    "tracked": tracked_rows,
    "partitions": partitions,
    "projects": projects,
    "slow": slow,
    "start-up": start_ups,
    "requests": requests,
}


def _entries(count: int, days: int) -> Size:
    return Size(10, count // 10, days)


def _repetitions(plan: Plan, size: int) -> dict[str, int]:
    """Return the number of reads per reader: several for compared ones, one for slow ones."""
    compared = _PYTHON_READERS if size in (plan.medium, plan.sizes[-1]) else ()
    # With more entries, small pages take many minutes.
    names = [name for name in READERS if name != SMALL_PAGES or size <= plan.medium]
    return {name: plan.repetitions if name in compared else 1 for name in names}


def _speed_target(what: str, syncs: Syncs, reader: str, least: float) -> Target:
    measured = tables.speeds(syncs.first, reader)
    return at_least(f"{what}, {reader}", least, f" of the {BARE}'s speed", measured)
