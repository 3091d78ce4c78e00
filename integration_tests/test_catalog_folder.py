"""The folder for Airbyte's catalog: Airbyte's own checks, its tests, and reads of its manifest."""

import json
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import ROOT, STREAMS, Layer, config_of, read, run
from integration_tests.test_cloud_import import PUBLISHED, injected
from integration_tests.truth import assert_same, expected

CONNECTOR = Path("airbyte-integrations", "connectors", "source-clockify")
DOCUMENTS = Path("docs", "integrations", "sources")
REQUIREMENTS = ROOT / "bin" / "catalog" / "qa.txt"
DIGEST = f"sha256:{'a' * 64}"

# A row of Airbyte's changelog, and parts of its metadata that are Airbyte's to decide.
OLDER_PAGE = """# Clockify

## Changelog

| Version | Date       | Pull Request | Subject |
| :------ | :--------- | :----------- | :------ |
| 0.4.29 | 2025-07-26 | [64029](https://github.com/airbytehq/airbyte/pull/64029) | Update |
"""
OLDER_METADATA = {
    "data": {
        "dockerImageTag": "0.4.29",
        "icon": "clockify.svg",
        "connectorTestSuitesOptions": [{"suite": "liveTests"}],
    }
}


def write_folder(out: Path, *arguments: str) -> str:
    line = [sys.executable, "bin/catalog_folder.py", str(out), *arguments]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of Airbyte's with its older connector, and the folder written over it."""
    out = tmp_path_factory.mktemp("airbyte")
    (out / CONNECTOR).mkdir(parents=True)
    (out / CONNECTOR / "metadata.yaml").write_text(yaml.safe_dump(OLDER_METADATA))
    (out / DOCUMENTS).mkdir(parents=True)
    (out / DOCUMENTS / "clockify.md").write_text(OLDER_PAGE)
    write_folder(out, "--base-image-digest", DIGEST, "--pull-request", "1")
    return out


@pytest.fixture(scope="module")
def manifest(folder: Path) -> JSON:
    loaded: JSON = yaml.load((folder / CONNECTOR / "manifest.yaml").read_text(), yaml.CSafeLoader)
    return loaded


@pytest.fixture(scope="module")
def metadata(folder: Path) -> JSON:
    loaded: JSON = yaml.safe_load((folder / CONNECTOR / "metadata.yaml").read_text())["data"]
    return loaded


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=3, entries=20, projects=4, tasks=2, plan="ENTERPRISE") as server:
        yield server


# Airbyte's checks


@pytest.fixture(scope="module")
def qa_python() -> Path:
    """A Python with Airbyte's checks, in .cache; one for each version of them."""
    pinned = REQUIREMENTS.read_text().split()[-1].replace("==", "-")
    home = ROOT / ".cache" / f"{pinned}-{sys.version_info.major}.{sys.version_info.minor}"
    python = home / "bin" / "python"
    done = home / "installed"
    if not done.exists():
        venv.create(home, with_pip=True, clear=True)
        line = [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)]
        installed = subprocess.run(line, capture_output=True, text=True, check=False)
        if installed.returncode != 0:
            reason = (installed.stderr.strip().splitlines() or ["pip failed"])[-1]
            pytest.skip(f"{pinned} cannot be installed here: {reason}")
        done.touch()
    return python


@pytest.mark.slow
def test_airbytes_checks_of_a_contribution_pass(folder: Path, qa_python: Path) -> None:
    script = (ROOT / "bin" / "catalog" / "qa.py").read_text()
    done = subprocess.run(
        [qa_python, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    results: Mapping[str, list[str]] = json.loads(done.stdout.strip().splitlines()[-1])
    statuses = {name: status for name, (status, _) in results.items()}
    failed = {name: result for name, result in results.items() if "failed" in result[0].lower()}
    assert failed == {}
    wanted = {
        "ValidateMetadata",
        "ValidateBreakingChangesDeadlines",
        "CheckMigrationGuide",
        "CheckChangelogEntry",
        "CheckConnectorUsesHTTPSOnly",
        "CheckManifestOnlyConnectorBaseImage",
        "CheckForAirbyteCloudSectionContent",
    }
    passed = {name for name, status in statuses.items() if "passed" in status.lower()}
    assert wanted <= passed, statuses


def test_the_tests_in_the_folder_pass(folder: Path) -> None:
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    tests = folder / CONNECTOR / "unit_tests"
    done = subprocess.run(line, cwd=tests, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


# The manifest


def test_its_manifest_reads_the_account(folder: Path, manifest: JSON, sandbox: Sandbox) -> None:
    """By the CDK's command for a manifest, as the image of a connector in the catalog runs it."""
    arguments = ("--manifest-path", str(folder / CONNECTOR / "manifest.yaml"))
    layer = Layer("catalog", "source-declarative-manifest", arguments, PUBLISHED.build)
    streams = ["users", "projects", "tags", "tasks", "time_entries"]
    output = read(layer, config_of(sandbox), streams)
    assert output.returncode == 0, output.text
    for stream in streams:
        assert_same(stream, output.records[stream], expected(sandbox, stream))


def test_it_has_every_stream_of_the_manifest(manifest: JSON) -> None:
    config = injected(manifest, credentials={"auth_type": "api_key", "api_key": "unused"})
    output = run(PUBLISHED, "discover", config, in_process=True)
    (catalog,) = (each["catalog"] for each in output.messages if each["type"] == "CATALOG")
    assert {stream["name"] for stream in catalog["streams"]} == {*STREAMS}


def test_a_configuration_of_airbytes_older_connector_is_taken_over(
    manifest: JSON, sandbox: Sandbox
) -> None:
    older = {
        "api_key": sandbox.api_key,
        "workspace_id": sandbox.workspaces[0]["id"],
        "api_url": config_of(sandbox)["server"]["api_url"],
    }
    output = read(PUBLISHED, injected(manifest, **older), ["tags"], in_process=True)
    assert output.returncode == 0, output.text
    assert_same("tags", output.records["tags"], expected(sandbox, "tags"))


def test_its_form_has_no_field_that_the_manifest_ignores(manifest: JSON, folder: Path) -> None:
    specification = manifest["spec"]["connection_specification"]
    fields = {*specification["properties"]}
    own = {"track_changes", "resend_changes", "follow_changes", "state_limit_mb"}
    assert not fields & own
    assert fields | own == {
        *yaml.load((ROOT / "source_clockify" / "manifest.yaml").read_text(), yaml.CSafeLoader)[
            "spec"
        ]["connection_specification"]["properties"]
    }
    groups = {group["id"] for group in specification["groups"]}
    assert {field["group"] for field in specification["properties"].values()} == groups
    text = (folder / CONNECTOR / "manifest.yaml").read_text()
    assert "Connector Builder" not in text[: text.index("\ndefinitions:")]


# Metadata and page


def test_it_is_the_next_version_of_airbytes_connector(metadata: JSON, manifest: JSON) -> None:
    assert metadata["definitionId"] == "e71aae8a-5143-11ed-bdc3-0242ac120002"
    assert metadata["dockerRepository"] == "airbyte/source-clockify"
    assert metadata["dockerImageTag"] == "1.0.0"
    image = f"docker.io/airbyte/source-declarative-manifest:{manifest['version']}@{DIGEST}"
    assert metadata["connectorBuildOptions"] == {"baseImage": image}
    (change,) = metadata["releases"]["breakingChanges"].values()
    assert date.fromisoformat(change["upgradeDeadline"]) > date.today() + timedelta(days=30)
    (scope,) = change["scopedImpact"]
    assert {*scope["impactedScopes"]} < {*STREAMS}


def test_what_airbyte_decides_is_kept(metadata: JSON, folder: Path) -> None:
    assert metadata["icon"] == "clockify.svg"
    assert {"suite": "liveTests"} in metadata["connectorTestSuitesOptions"]
    page = (folder / DOCUMENTS / "clockify.md").read_text()
    newer, older = page.index("| 1.0.0 |"), page.index("| 0.4.29 | 2025-07-26 | [64029]")
    assert newer < older


def test_its_page_has_every_field_and_stream(folder: Path, manifest: JSON) -> None:
    page = (folder / DOCUMENTS / "clockify.md").read_text()
    for field in manifest["spec"]["connection_specification"]["properties"].values():
        assert f"- **{field['title']}**" in page
    for stream in STREAMS:
        assert page.count(f"| {stream} |") == 1
    assert f"{len(STREAMS)} streams" in (folder / DOCUMENTS / "clockify-migrations.md").read_text()


def test_written_twice_it_counts_on_and_keeps_each_row_once(tmp_path: Path) -> None:
    write_folder(tmp_path)
    told = write_folder(tmp_path)
    page = (tmp_path / DOCUMENTS / "clockify.md").read_text()
    assert page.count("| 2.0.0 |") == page.count("| 1.0.0 |") == 1
    assert "digest" in told
    assert "pull request" in told


@pytest.mark.parametrize(
    "arguments",
    [["--deadline", "2020-01-01"], ["--base-image-digest", "sha256:1"], ["--deadline", "soon"]],
    ids=" ".join,
)
def test_what_airbyte_would_refuse_is_refused_at_once(tmp_path: Path, arguments: list[str]) -> None:
    line = [sys.executable, "bin/catalog_folder.py", str(tmp_path), *arguments]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert [*tmp_path.iterdir()] == []
