"""Print the packages pinned in poetry.lock as requirements with hashes, in pip's format.

Usage: python bin/locked_requirements.py [GROUP ...]    (no group: all of them)

With it, pip alone can install from the lock file, using its own configured mirrors and
certificates; Poetry is needed only to change the lock.
"""

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

LOCK_FILE = Path(__file__).resolve().parent.parent / "poetry.lock"


def requirements(lock: dict[str, Any], wanted_groups: set[str]) -> list[str]:
    """Return one line per package in a wanted group: name, version, markers, hashes."""
    if lock["metadata"]["lock-version"] != "2.1":
        raise SystemExit("poetry.lock: only version 2.1 of the format (Poetry 2) can be read")
    lines = []
    for package in lock["package"]:
        groups = set(package["groups"]) & (wanted_groups or set(package["groups"]))
        if package["optional"] or not groups:
            continue
        markers = package.get("markers", "")
        if isinstance(markers, dict):  # one per group; a group without one always needs it
            needed = [markers.get(group, "") for group in sorted(groups)]
            markers = "" if "" in needed else " or ".join(f"({marker})" for marker in needed)
        line = f"{package['name']}=={package['version']}"
        if markers:
            line += f" ; {markers}"
        hashes = sorted({file["hash"] for file in package["files"]})
        lines.append(" \\\n    ".join([line, *(f"--hash={digest}" for digest in hashes)]))
    return lines


if __name__ == "__main__":
    with LOCK_FILE.open("rb") as file:
        print("\n".join(requirements(tomllib.load(file), set(sys.argv[1:]))))
