"""The measured readers: the ways of reading the time entries or projects of an account."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.standin import Standin
from source_clockify.configured_catalog import configured_catalog

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "source_clockify" / "manifest.yaml"
_BIN = Path(sys.executable).parent

TRACKED = "connector, tracked"
UNTRACKED = "connector, untracked"
MANIFEST_ALONE = "manifest alone, 5000 rows a page"
SMALL_PAGES = "manifest alone, 50 rows a page"
BARE = "bare loop"
BARE_BY_ROW = "bare loop, row by row"
READERS = (TRACKED, UNTRACKED, MANIFEST_ALONE, SMALL_PAGES, BARE, BARE_BY_ROW)
# The ways in which the bare loops decode a page.
_BARE_WAYS = {BARE: "page", BARE_BY_ROW: "row"}


@dataclass(frozen=True)
class Reader:
    """A command line, complete except for the state."""

    name: str
    command: tuple[str, ...]


def readers(
    names: Iterable[str], standin: Standin, folder: Path, options: Mapping[str, Any]
) -> list[Reader]:
    """Return the readers of these names for a server; their files are written to the folder.

    The output of `discover` is kept there, so that each reader runs it once.

    `options` are fields of the configuration. RuntimeError if a `discover` fails.
    """
    found = []
    for name in names:
        if name in _BARE_WAYS:
            what = (standin.api_url, standin.api_key, standin.size.stream, _BARE_WAYS[name])
            found.append(Reader(name, (sys.executable, "-m", "benchmarks.bare", *what)))
        else:
            found.append(_airbyte_reader(name, standin, folder, options))
    return found


def command_of(name: str, verb: str, folder: Path) -> tuple[str, ...]:
    """Return the command line of a reader for spec, discover or read, without its files."""
    if name in (TRACKED, UNTRACKED):
        return (str(_BIN / "source-clockify"), verb)
    manifest = MANIFEST if name == MANIFEST_ALONE else _manifest_with_small_pages(folder)
    return (str(_BIN / "source-declarative-manifest"), verb, "--manifest-path", str(manifest))


def _airbyte_reader(
    name: str, standin: Standin, folder: Path, options: Mapping[str, Any]
) -> Reader:
    prefix = name.replace(", ", "-").replace(" ", "-")
    config = {
        "credentials": {"auth_type": "api_key", "api_key": standin.api_key},
        "server": standin.server,
        "track_changes": name == TRACKED,
        **options,
    }
    config_file = folder / f"{prefix}-config.json"
    config_file.write_text(json.dumps(config))
    # The page size does not affect `discover`.
    discovering = MANIFEST_ALONE if name == SMALL_PAGES else name
    streams_file = folder / f"{discovering}-streams.json"
    if not streams_file.exists():
        streams_file.write_text(json.dumps(_discover(discovering, config_file, folder)))
    catalog_file = folder / f"{prefix}-catalog.json"
    streams = json.loads(streams_file.read_text())
    catalog_file.write_text(json.dumps(configured_catalog(streams, [standin.size.stream])))
    files = ("--config", str(config_file), "--catalog", str(catalog_file))
    return Reader(name, (*command_of(name, "read", folder), *files))


def _discover(name: str, config_file: Path, folder: Path) -> list[dict[str, Any]]:
    line = (*command_of(name, "discover", folder), "--config", str(config_file))
    process = subprocess.run(line, capture_output=True, text=True)
    if process.returncode != 0:
        end = (process.stdout + process.stderr)[-2000:]
        raise RuntimeError(f"{' '.join(line)} failed ({process.returncode}):\n{end}")
    return discovered_streams(process.stdout)


def discovered_streams(printed: str) -> list[dict[str, Any]]:
    """Return the streams in the output of `discover`."""
    messages = [json.loads(line) for line in printed.split("\n") if line.startswith("{")]
    (found,) = [each["catalog"]["streams"] for each in messages if each["type"] == "CATALOG"]
    streams: list[dict[str, Any]] = found
    return streams


def _manifest_with_small_pages(folder: Path) -> Path:
    """Write the manifest with Clockify's default of 50 time entries per page."""
    path = folder / "manifest-with-small-pages.yaml"
    if not path.exists():
        manifest = yaml.load(MANIFEST.read_text(), Loader=yaml.CSafeLoader)
        listing = "#/definitions/listing_paginator"
        manifest["definitions"]["time_entries_paginator"] = {
            "$ref": listing,
            "pagination_strategy": {"$ref": f"{listing}/pagination_strategy", "page_size": 50},
        }
        path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return path
