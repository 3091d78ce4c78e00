"""Runs the connector as Airbyte does: files go in, messages come out.

Both ways of installing it are here: the command `source-clockify`, and the manifest alone under the
CDK's own command. Each can run as a process of its own or, where a test is not about the process,
within the test's.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import AirbyteLogFormatter
from airbyte_cdk.models import ConfiguredAirbyteCatalog
from airbyte_cdk.sources import Source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)
from typing_extensions import Unpack

from clockify_sandbox.client import JSON, Sandbox
from clockify_sandbox.records import ALL_STREAMS
from source_clockify.configured_catalog import configured_catalog
from source_clockify.manifest import streams_of
from source_clockify.manifest_file import load_manifest
from source_clockify.run import source_of

ROOT = Path(__file__).resolve().parents[1]
STREAMS = ALL_STREAMS


@dataclass(frozen=True)
class Layer:
    """One way of running the connector.

    Attributes:
        name: for the names of tests.
        command: the installed console script.
        arguments: what it needs on every call.
        build: makes the source that the script would run, from the same arguments.
    """

    name: str
    command: str
    arguments: tuple[str, ...]
    build: Callable[[list[str]], Source]

    def __str__(self) -> str:
        return self.name


@cache
def _resolved_manifest() -> JSON:
    """The manifest without references."""
    manifest = ManifestReferenceResolver().preprocess_manifest(load_manifest())
    return {key: manifest[key] for key in manifest if key not in ("definitions", "schemas")}


def _manifest_of(catalog: ConfiguredAirbyteCatalog | None) -> JSON:
    """The manifest with the streams of a catalog only: the CDK takes seconds to build all."""
    manifest = _resolved_manifest()
    if catalog is None:
        return deepcopy(manifest)
    wanted = {stream.stream.name for stream in catalog.streams}
    streams = [
        entry
        for entry in manifest["streams"]
        if any(stream["name"] in wanted for stream in streams_of(entry))
    ]
    return deepcopy({**manifest, "streams": streams})


def _manifest_source(line: list[str]) -> Source:
    """What `source-declarative-manifest` would run, without the streams that nobody asks for."""
    source, entrypoint = ConcurrentDeclarativeSource, AirbyteEntrypoint
    config_path = entrypoint.extract_config(line)
    catalog_path = entrypoint.extract_catalog(line)
    state_path = entrypoint.extract_state(line)
    catalog = source.read_catalog(catalog_path) if catalog_path else None
    return source(
        catalog=catalog,
        config=source.read_config(config_path) if config_path else None,
        state=source.read_state(state_path) if state_path else None,
        source_config=_manifest_of(catalog),
        config_path=config_path,
        custom_components_trusted=False,
    )


CONNECTOR = Layer("source-clockify", "source-clockify", (), source_of)
MANIFEST_ALONE = Layer(
    "manifest-alone",
    "source-declarative-manifest",
    ("--manifest-path", str(ROOT / "source_clockify" / "manifest.yaml")),
    _manifest_source,
)
LAYERS = (CONNECTOR, MANIFEST_ALONE)


@dataclass
class Output:
    """What a command printed.

    Attributes:
        messages: every message in order.
        records: the data of the records by stream, in order.
        states: the last state message of each stream.
        statuses: the last status of each stream, such as COMPLETE.
        logs: level and text of the log messages.
        errors: the error traces.
        returncode: of the process; 1 for an exception where there was none.
        text: everything printed, standard output and standard error.
    """

    messages: list[JSON]
    returncode: int
    text: str
    records: dict[str, list[JSON]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, JSON] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    logs: list[tuple[str, str]] = field(default_factory=list)
    errors: list[JSON] = field(default_factory=list)

    def __post_init__(self) -> None:
        for message in self.messages:
            self._sort(message)

    def _sort(self, message: JSON) -> None:
        kind = message["type"]
        if kind == "RECORD":
            self.records[message["record"]["stream"]].append(message["record"]["data"])
        elif kind == "STATE":
            name = message["state"]["stream"]["stream_descriptor"]["name"]
            self.states[name] = message["state"]
        elif kind == "LOG":
            self.logs.append((message["log"]["level"], message["log"]["message"]))
        elif kind == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            status = message["trace"]["stream_status"]
            self.statuses[status["stream_descriptor"]["name"]] = status["status"]
        elif kind == "TRACE" and message["trace"]["type"] == "ERROR":
            self.errors.append(message["trace"]["error"])

    @property
    def state(self) -> list[JSON]:
        """The state to give to the next sync."""
        return [self.states[name] for name in sorted(self.states)]

    def stream_state(self, stream: str) -> JSON:
        """The state blob of one stream."""
        blob: JSON = self.states[stream]["stream"]["stream_state"]
        return blob

    def warnings(self) -> list[str]:
        return [text for level, text in self.logs if level == "WARN"]

    def errors_of(self, stream: str) -> list[str]:
        """The messages of the errors of one stream."""
        return [
            error["message"]
            for error in self.errors
            if (error.get("stream_descriptor") or {}).get("name") == stream
        ]


def config_of(sandbox: Sandbox, **more: Any) -> JSON:
    """The configuration that reads a sandbox as the owner of its workspaces."""
    return {
        "credentials": {"auth_type": "api_key", "api_key": sandbox.api_key},
        "server": {
            "server_type": "custom",
            "api_url": sandbox.api_url,
            "reports_url": sandbox.reports_url,
            "audit_log_url": sandbox.audit_log_url,
        },
        **more,
    }


@cache
def discovered(layer: Layer = CONNECTOR) -> tuple[JSON, ...]:
    """The streams that `discover` prints; it needs no server."""
    config = {"credentials": {"auth_type": "api_key", "api_key": "unused"}}
    output = run(layer, "discover", config, in_process=True)
    catalogs = [message["catalog"] for message in output.messages if message["type"] == "CATALOG"]
    assert len(catalogs) == 1, output.text
    return tuple(catalogs[0]["streams"])


def catalog(streams: Collection[str] = STREAMS, sync_mode: str = "full_refresh") -> JSON:
    """The configured catalog of some streams."""
    full_refresh = sync_mode == "full_refresh"
    return configured_catalog(discovered(), streams, full_refresh=full_refresh)


@cache
def _key_columns(stream: str) -> tuple[str, ...]:
    definition = next(each for each in discovered() if each["name"] == stream)
    return tuple(column for (column,) in definition["source_defined_primary_key"])


def key_of(stream: str, record: Mapping[str, Any]) -> tuple[Any, ...]:
    """The primary key of a record as the catalog defines it."""
    return tuple(record.get(column) for column in _key_columns(stream))


class How(TypedDict, total=False):
    """How a command is run.

    Attributes:
        arguments: more of them.
        environment: variables beside those of this process.
        in_process: within this process, not as a command.
    """

    arguments: Iterable[str]
    environment: Mapping[str, str]
    in_process: bool


def read(
    layer: Layer,
    config: JSON,
    streams: Collection[str] = STREAMS,
    *,
    sync_mode: str = "full_refresh",
    state: Sequence[JSON] | None = None,
    **how: Unpack[How],
) -> Output:
    """Read streams."""
    return run(layer, "read", config, catalog(streams, sync_mode), state, **how)


def run(
    layer: Layer,
    command: str,
    config: JSON | None = None,
    catalog: JSON | None = None,
    state: Sequence[JSON] | None = None,
    **how: Unpack[How],
) -> Output:
    """Run spec, check, discover or read."""
    with tempfile.TemporaryDirectory() as folder:
        line = [command, *layer.arguments, *how.get("arguments", ())]
        for name, content in (("config", config), ("catalog", catalog), ("state", state)):
            if content is not None:
                path = Path(folder, f"{name}.json")
                path.write_text(json.dumps(content))
                line += [f"--{name}", str(path)]
        if how.get("in_process"):
            return _within(layer, line)
        process = subprocess.run(
            [Path(sys.executable).with_name(layer.command), *line],
            capture_output=True,
            env={**os.environ, **how.get("environment", {})},
            timeout=300,
        )
    printed = process.stdout.decode()
    text = printed + process.stderr.decode()
    return Output(_messages(printed.split("\n")), process.returncode, text)


class _Lines(logging.Handler):
    """Collects log records as the lines that the command would print."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(AirbyteLogFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def _within(layer: Layer, line: list[str]) -> Output:
    logs = _Lines()
    lines: list[str] = []
    returncode = 0
    logging.getLogger().addHandler(logs)
    try:
        source = layer.build(line)
        lines += AirbyteEntrypoint(source).run(AirbyteEntrypoint.parse_args(line))
    except Exception as error:
        # As in a process of its own: what was printed before counts, the exit code tells.
        lines.append(f"{type(error).__name__}: {error}")
        returncode = 1
    finally:
        logging.getLogger().removeHandler(logs)
    lines += logs.lines
    return Output(_messages(lines), returncode, "\n".join(lines))


def _messages(lines: Iterable[str]) -> list[JSON]:
    """The lines that are Airbyte messages; whatever else was printed is only in the text.

    Lines end at "\\n" only: `str.splitlines` would also split within a record.
    """
    found = []
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict) and "type" in message:
            found.append(message)
    return found
