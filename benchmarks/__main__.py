"""Compares the connector with other ways of reading the same records.

python -m benchmarks            the full run, about an hour
python -m benchmarks --quick    a short version of everything, which checks the numbers of records
python -m benchmarks --write    the full run, into benchmarks/README.md

Prints tables to standard output and progress to standard error. README.md explains the figures.
"""

import argparse
import compileall
import os
import platform
import sys
import tempfile
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from benchmarks.marked import replace_marked
from benchmarks.readers import ROOT
from benchmarks.sections import QUICK, SECTIONS, WHOLE
from benchmarks.targets import Target, verdicts

README = Path(__file__).with_name("README.md")
CHART = Path(__file__).with_name("cost.svg")


def main() -> None:
    """Run the experiments; print their tables and targets, and write them on request."""
    arguments = _arguments()
    plan = QUICK if arguments.quick else WHOLE
    found: list[Target] = []
    _compile()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only or SECTIONS:
            section = SECTIONS[name](plan, Path(folder))
            found += section.targets
            _report(name, section.text, arguments)
            if section.chart and arguments.write:
                CHART.write_text(section.chart)
    judgement = verdicts(found, judged=not arguments.quick)
    if arguments.only:
        judgement = f"Of the experiments {', '.join(arguments.only)} alone.\n\n{judgement}"
    _report("targets", judgement, arguments)


def _compile() -> None:
    """Compile the packages of the readers as pip does when it installs them.

    Otherwise Python compiles them at each start where `PYTHONDONTWRITEBYTECODE` is set.
    """
    for package in ("source_clockify", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=1)


def _report(name: str, text: str, arguments: argparse.Namespace) -> None:
    """Print a section; write it immediately on request, since a later one may fail."""
    text = f"{_when_and_where(arguments.quick)}\n\n{text}"
    print(f"### {name}\n\n{text}\n", flush=True)
    if arguments.write:
        README.write_text(replace_marked(README.read_text(), name, text))


def _when_and_where(quick: bool) -> str:
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.system()} {platform.machine()}"
        f" ({_processor()}), {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python"
        f" {platform.python_version()}, CDK {version('airbyte-cdk')}"
        + (", a short run (`--quick`)." if quick else ".")
    )


def _processor() -> str:
    """Return the name of the processor, if the system provides it."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "processor unknown"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few minutes instead of an hour")
    parser.add_argument("--write", action="store_true", help="write README.md and cost.svg")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="NAME", help=_names())
    return parser.parse_args()


def _names() -> str:
    return "only these experiments: " + ", ".join(SECTIONS)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
