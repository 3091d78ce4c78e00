"""The start of a command: what is imported, resolved and built before the first request."""

import gc
import json
import logging
import pkgutil
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, Type
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.parsers.custom_exceptions import CircularReferenceException
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import (
    ManifestComponentTransformer,
)
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)

from source_clockify import SourceClockify, assembly, manifest_file, source
from source_clockify.cdk_patches import resolve_references
from source_clockify.manifest import with_read_timeout
from source_clockify.manifest_file import load_manifest
from source_clockify.requested_slices import is_on_demand
from source_clockify.run import main
from source_clockify.sync_log import describe_sync_log
from unit_tests.clockify import STREAMS, WORKSPACE, Clockify, catalog, config, rows

ROOT = Path(__file__).parent.parent
LOGGER = logging.getLogger("airbyte")


def run_python(code: str, *arguments: str, **how: Any) -> Any:
    """Run code in a process of its own; answers the JSON in its last line."""
    line = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(line, capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def config_file(tmp_path: Path) -> str:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config()))
    return str(file)


# Imports ----------------------------------------------------------------------------------------

IMPORTED = "print(json.dumps(sorted({name.partition('.')[0] for name in {*sys.modules} - before})))"


def test_signals_are_watched_before_anything_heavy_is_imported() -> None:
    code = f"import json, sys; before = {{*sys.modules}}; import source_clockify.run; {IMPORTED}"

    imported = {*run_python(code)} - sys.stdlib_module_names

    assert imported == {"source_clockify"}


def test_spec_imports_nothing_of_the_cdk() -> None:
    code = (
        "import json, sys; before = {*sys.modules}; from source_clockify.run import main;"
        f" main(['spec']); print(); {IMPORTED}"
    )

    imported = run_python(code)

    assert "source_clockify" in imported
    assert not [name for name in imported if name in ("airbyte_cdk", "pydantic", "requests")]


COUNTING = """
import json, sys
import attributes_doc
from source_clockify import before_cdk, run
counted, original = [], attributes_doc.get_attributes_doc
attributes_doc.get_attributes_doc = lambda cls: counted.append(cls) or original(cls)
if sys.argv[2] == "parsed":
    run.skip_documentation_of_fields = lambda: None
assert run.main(["discover", "--config", sys.argv[1]]) == 0
print()
print(json.dumps(len(counted)))
"""


def test_the_classes_of_the_cdk_are_compiled_without_their_documentation(config_file: str) -> None:
    assert run_python(COUNTING, config_file, "skipped") == 0
    # So the CDK still does it by that name.
    assert run_python(COUNTING, config_file, "parsed") > 0


# Garbage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "discover", "catalog"])
def test_garbage_is_not_looked_for_before_the_source_is_built(
    monkeypatch: pytest.MonkeyPatch, clockify: Clockify, config_file: str, command: str
) -> None:
    seen: list[bool] = []

    def load() -> dict[str, Any]:
        seen.append(gc.isenabled())
        return load_manifest()

    def answer(request: Any, context: Any) -> list[Any]:
        seen.append(gc.isenabled())
        return [{"id": WORKSPACE}]

    clockify.serve("detailed_report", [])
    clockify.answer("/workspaces", {"json": answer})
    monkeypatch.setattr(source, "load_manifest", load)

    assert main([command, "--config", config_file]) == 0

    assert seen == ([False, True] if command == "check" else [False])
    assert gc.isenabled()


def test_garbage_is_looked_for_after_a_command_that_failed(tmp_path: Path) -> None:
    assert main(["discover", "--config", str(tmp_path / "missing.json")]) == 1

    assert gc.isenabled()


# What is built ----------------------------------------------------------------------------------


def test_spec_prints_what_the_cdk_would(capfd: pytest.CaptureFixture[str]) -> None:
    spec = SourceClockify().spec(LOGGER)
    expected = AirbyteEntrypoint.airbyte_message_to_string(AirbyteMessage(Type.SPEC, spec=spec))

    assert main(["spec"]) == 0

    assert capfd.readouterr().out == f"{expected}\n"


@pytest.mark.parametrize("tracked", [True, False])
def test_discover_describes_streams_as_the_cdk_does_once_built(tracked: bool) -> None:
    settings = config(track_changes=tracked)
    built = SourceClockify(config=settings)
    expected = [stream.as_airbyte_stream() for stream in built.streams(settings)]

    found = SourceClockify(config=settings, command="discover").discover(LOGGER, settings).streams

    assert len(found) >= len(STREAMS)
    assert found == [*expected, *([describe_sync_log()] if tracked else [])]


@pytest.mark.parametrize(
    ("command", "built"),
    [("check", {"workspaces", "detailed_report", "audit_log"}), ("discover", {})],
)
def test_a_command_builds_one_source_with_the_streams_that_it_reads(
    monkeypatch: pytest.MonkeyPatch,
    clockify: Clockify,
    config_file: str,
    command: str,
    built: Collection[str],
) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])
    sources: list[set[str]] = []
    initialise = concurrent_declarative_source.ConcurrentDeclarativeSource.__init__

    def counted(self: Any, **arguments: Any) -> None:
        streams = arguments["source_config"]["streams"]
        sources.append({each["name"] for each in streams if not is_on_demand(each)})
        initialise(self, **arguments)

    monkeypatch.setattr(
        concurrent_declarative_source.ConcurrentDeclarativeSource, "__init__", counted
    )

    assert main([command, "--config", config_file]) == 0

    assert sources == [{*built}]


@pytest.mark.parametrize("command", ["check", None])
def test_a_check_waits_half_a_minute_for_an_answer_and_retries_once(
    monkeypatch: pytest.MonkeyPatch, clockify: Clockify, command: str | None
) -> None:
    monkeypatch.setattr(source, "assemble_manifest", assembly.assemble_manifest)
    clockify.answer("/workspaces", {"status_code": 500})
    connector = SourceClockify(config=config(), command=command)

    status = connector.check(LOGGER, config())

    assert status.status.name == "FAILED"
    assert [request.timeout for request in clockify.sent()] == [(30, 30)] * 2


def test_a_source_that_was_built_for_a_check_reads_with_all_patience(
    monkeypatch: pytest.MonkeyPatch, clockify: Clockify
) -> None:
    monkeypatch.setattr(source, "assemble_manifest", assembly.assemble_manifest)
    clockify.workspaces()
    clockify.listing("tags", rows(2))
    connector = SourceClockify(config=config(), command="check")
    usable = connector.configure(config(), "")

    messages = [*connector.read(LOGGER, usable, catalog("tags"))]

    assert len([message for message in messages if message.type is Type.RECORD]) == 2
    assert {request.timeout for request in clockify.sent()} == {(30, 300)}


# The manifest -----------------------------------------------------------------------------------


def test_references_are_resolved_as_the_cdk_resolves_them() -> None:
    manifest = load_manifest()

    assert resolve_references(manifest) == ManifestReferenceResolver().preprocess_manifest(manifest)
    assert manifest == load_manifest()


def test_a_reference_to_itself_is_an_error() -> None:
    with pytest.raises(CircularReferenceException):
        resolve_references({"a": {"b": "#/c"}, "c": {"d": "#/a"}})


@pytest.mark.parametrize("tracked", [True, False])
def test_every_stream_of_the_assembled_manifest_is_valid_to_the_cdk(tracked: bool) -> None:
    """No command validates it."""
    manifest = with_read_timeout(load_manifest(), 30)
    assembled = assembly.assemble_manifest(manifest, None, frozenset(STREAMS if tracked else ()))
    propagated = ManifestComponentTransformer().propagate_types_and_parameters("", assembled, {})

    concurrent_declarative_source.validate_manifest(
        propagated, concurrent_declarative_source.get_declarative_component_schema()
    )


# The manifest as JSON ---------------------------------------------------------------------------

YAML = "streams: [one, two]\nversion: 1\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a small manifest, in place of the real one."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "manifest.yaml").write_text(YAML)
    monkeypatch.setattr(pkgutil, "get_data", lambda _, name: (folder / name).read_bytes())
    return folder


def test_the_json_of_the_manifest_is_read_in_place_of_the_yaml(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest_file.write_json(package)
    monkeypatch.setitem(sys.modules, "yaml", None)

    assert load_manifest() == {"streams": ["one", "two"], "version": 1}


def test_the_json_of_another_yaml_is_not_read(package: Path) -> None:
    manifest_file.write_json(package)
    (package / "manifest.yaml").write_text(YAML.replace("two", "three"))

    assert load_manifest() == {"streams": ["one", "three"], "version": 1}


@pytest.mark.parametrize("damaged", ['{"sha256', "null", "[]", "\\x00", "{}"])
def test_a_damaged_json_of_the_manifest_is_not_read(package: Path, damaged: str) -> None:
    (package / manifest_file.JSON_FILE).write_text(damaged)

    assert load_manifest() == {"streams": ["one", "two"], "version": 1}


def test_a_source_without_a_configuration_has_the_streams_of_a_given_one() -> None:
    assert len(SourceClockify().streams(config())) > 30


def test_a_manifest_without_json_is_read(package: Path) -> None:
    assert load_manifest() == {"streams": ["one", "two"], "version": 1}


@pytest.mark.parametrize("line", ["1: one", "nothing: .nan"])
def test_what_json_would_change_is_not_written(package: Path, line: str) -> None:
    (package / "manifest.yaml").write_text(f"{YAML}{line}\n")

    with pytest.raises(ValueError, match=r"manifest\.yaml"):
        manifest_file.write_json(package)

    assert not [*package.glob("*.json*")]


def copy_as_the_image_does(folder: Path) -> None:
    """Copy what the Dockerfile copies before it installs the package, and nothing else."""
    allowed = (ROOT / ".dockerignore").read_text().split("\n")
    builder = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1]
    for line in builder.split("\n"):
        if not line.startswith("COPY "):
            continue
        *names, target = line.split()[1:]
        for name in names:
            assert f"!{name}" in allowed
            if (ROOT / name).is_dir():
                left_out = shutil.ignore_patterns("__pycache__", "manifest.json*")
                shutil.copytree(ROOT / name, folder / target, ignore=left_out)
            else:
                (folder / target).mkdir(exist_ok=True)
                shutil.copy(ROOT / name, folder / target)


@pytest.mark.slow
@pytest.mark.parametrize("is_checkout", [False, True])
def test_the_wheel_has_the_manifest_as_json(tmp_path: Path, is_checkout: bool) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    copy_as_the_image_does(tree)
    if is_checkout:
        (tree / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
        subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    built = subprocess.run(
        [*pip, "--wheel-dir", str(tmp_path), str(tree)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")

    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path / "installed")
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); sys.modules['yaml'] = None;"
        " from source_clockify import manifest_file; assert manifest_file.__file__.startswith("
        "sys.argv[1]); print(json.dumps(manifest_file.load_manifest()))"
    )
    found = run_python(code, str(tmp_path / "installed"), cwd=tmp_path)

    assert found == load_manifest()
