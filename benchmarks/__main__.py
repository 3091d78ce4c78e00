"""Measures the connector beside other ways of reading the same time entries.

python -m benchmarks                                  the whole run
python -m benchmarks --small 10000 --large 20000 --repetitions 1

Prints tables to the standard output and its progress to the standard error. README.md says what the
figures mean.
"""

import argparse
import os
import platform
import sys
from importlib.metadata import version

from benchmarks import report
from benchmarks.experiments import Syncs, start_up, syncs
from benchmarks.readers import READERS, TRACKED, UNTRACKED
from benchmarks.server import Size


def main() -> None:
    """Run every experiment and print its table, then the targets."""
    arguments = _arguments()
    names = arguments.readers or list(READERS)
    connector = [name for name in (TRACKED, UNTRACKED) if name in names]
    print(
        f"Python {platform.python_version()}, CDK {version('airbyte-cdk')}, {platform.system()}"
        f" {platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before."
        f" Median (least to greatest) of {arguments.repetitions} runs,"
        f" {arguments.large_repetitions} of the large ones.\n"
    )

    # A year of entries, and all of it in the window of change tracking.
    small_size = Size(10, arguments.small // 10, days=365)
    small = syncs(
        small_size, names, arguments.repetitions, {"lookback_days": 400}, again=bool(connector)
    )
    _show(f"{small_size}, all of them within `lookback_days`", report.first_syncs(small))
    if connector:
        _show("The same again, from the state", report.later_syncs(small))

    # Nearly three years of entries, with the default window.
    large_size = Size(10, arguments.large // 10, days=1000)
    large = syncs(large_size, names, arguments.large_repetitions, {})
    _show(f"{large_size} in 1000 days, default settings", report.first_syncs(large))

    crowd = Syncs(Size(200, arguments.large // 200, days=1000))
    if connector:
        crowd = syncs(crowd.size, connector, arguments.large_repetitions, {})
        _show(f"{crowd.size} in 1000 days, default settings", report.first_syncs(crowd))

    _show("Start-up", report.start_up(start_up(names, arguments.repetitions)))
    _show("Targets", report.verdicts(report.targets(small, large, crowd)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--small", type=_entries, default=100_000, help="time entries (100000)")
    parser.add_argument("--large", type=_entries, default=1_000_000, help="time entries (1000000)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--large-repetitions", type=int, help="as --repetitions, but at most 3")
    parser.add_argument("--readers", nargs="+", choices=READERS, metavar="NAME", help=_names())
    arguments = parser.parse_args()
    if arguments.large_repetitions is None:
        arguments.large_repetitions = min(arguments.repetitions, 3)
    return arguments


def _names() -> str:
    return "only these: " + ", ".join(f'"{name}"' for name in READERS)


def _entries(text: str) -> int:
    number = int(text)
    if number < 200 or number % 200:
        raise argparse.ArgumentTypeError("must be a multiple of 200, the number of users")
    return number


def _show(title: str, body: str) -> None:
    print(f"### {title}\n\n{body}\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
