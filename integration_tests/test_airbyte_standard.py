"""Airbyte's standard tests, run as `acceptance-test-config.yml` says.

The configurations that it names are read against the sandbox, with its own addresses, key and
streams. A configuration in `secrets/config.json` is read against Clockify itself.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.test.models import ConnectorTestScenario
from airbyte_cdk.test.standard_tests import DiscoveredCatalogWarning, SourceTestSuiteBase

from clockify_sandbox.client import Sandbox, start
from integration_tests.airbyte import ROOT, catalog, config_of
from source_clockify import SourceClockify

SECRET_CONFIG = ROOT / "secrets" / "config.json"
OWN_KEY = "the-sandbox-fills-in-its-own"


DOCKER_TESTS = (
    "test_docker_image_build_and_spec",
    "test_docker_image_spec_backward_compatibility",
    "test_docker_image_build_and_check",
    "test_docker_image_build_and_config_matches_spec",
    "test_docker_image_build_and_discover",
    "test_docker_image_build_and_read",
)

# The command of each test; a configuration takes part in those that its sections run.
COMMANDS = {
    "test_config_matches_spec": "spec",
    "test_check": "check",
    "test_discover": "discover",
    "test_basic_read": "read",
    "test_fail_read_with_bad_catalog": "read",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each configuration; the fixture `scenario` completes it."""
    if "scenario" in metafunc.fixturenames:
        command = COMMANDS[metafunc.function.__name__]
        scenarios = [each for each in metafunc.cls.get_scenarios() if each.runs(command)]
        ids = [scenario.id for scenario in scenarios]
        metafunc.parametrize("scenario", scenarios, ids=ids, indirect=True)


class StandardTests(SourceTestSuiteBase):
    """The tests that need no Docker engine; `DOCKER_TESTS` are taken out below."""

    connector = SourceClockify


for _name in DOCKER_TESTS:
    setattr(StandardTests, _name, None)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=3, entries=20, projects=4, tasks=2, plan="ENTERPRISE") as server:
        yield server


def test_what_airbyte_only_warns_of_fails_here() -> None:
    with pytest.raises(DiscoveredCatalogWarning):
        warnings.warn("a stream without a primary key", DiscoveredCatalogWarning, stacklevel=1)


def test_airbytes_own_command_passes_and_leaves_nothing_in_the_checkout(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """`airbyte-cdk connector test` works in the folder of the connector, so it gets another one."""
    connector = tmp_path / "source-clockify"
    for name in ("metadata.yaml", "acceptance-test-config.yml"):
        connector.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, connector)
    folder = Path("integration_tests", "configs")
    (connector / folder).mkdir(parents=True)
    for file in (ROOT / folder).glob("*.json"):
        config = for_sandbox(json.loads(file.read_text()), sandbox)
        (connector / folder / file.name).write_text(json.dumps(config))
    before = git_status()
    airbyte_cdk = str(Path(sys.executable).with_name("airbyte-cdk"))
    command = [airbyte_cdk, "connector", "test", str(connector)]
    options = ("-k", "not docker", "-p", "no:cacheprovider")

    done = subprocess.run(
        [*command, *(f"--pytest-arg={option}" for option in options)],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=580,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout)
    assert " failed" not in done.stdout
    assert git_status() == before


def git_status() -> str:
    """Return what is new or changed in the checkout; nothing where there is no git."""
    try:
        done = subprocess.run(
            ["git", "status", "--porcelain", "--ignored"], cwd=ROOT, capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    # Made by the tests that run at the same time.
    caches = ("__pycache__/", "_cache/", ".cache/", ".hypothesis/", ".venv-dbt/", ".venv-dbt.lock")
    return "\n".join(line for line in done.stdout.split("\n") if not line.endswith(caches))


def for_sandbox(config: dict[str, Any], sandbox: Sandbox) -> dict[str, Any]:
    """Return a declared configuration with the sandbox's addresses and key."""
    config["server"] = config_of(sandbox)["server"]
    if config["credentials"]["api_key"] == OWN_KEY:
        config["credentials"]["api_key"] = sandbox.api_key
    return config


class TestAgainstSandbox(StandardTests):
    @pytest.fixture
    def scenario(
        self, request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path
    ) -> ConnectorTestScenario:
        """A declared configuration with the sandbox's addresses, key and streams."""
        declared: ConnectorTestScenario = request.param
        config = declared.get_config_dict(
            connector_root=self.get_connector_root_dir(), empty_if_missing=False
        )
        config = for_sandbox(config, sandbox)
        found: dict[str, Any] = {"config_dict": config}
        if COMMANDS[request.function.__name__] == "read":
            found["configured_catalog_path"] = tmp_path / "catalog.json"
            found["configured_catalog_path"].write_text(json.dumps(catalog()))
        return declared.model_copy(update=found)


if SECRET_CONFIG.is_file():

    class TestAgainstClockify(StandardTests):
        pytestmark = pytest.mark.requires_creds

        @classmethod
        def get_scenarios(cls) -> list[ConnectorTestScenario]:
            return [ConnectorTestScenario(config_path=SECRET_CONFIG, status="succeed")]

        @pytest.fixture
        def scenario(self, request: pytest.FixtureRequest) -> ConnectorTestScenario:
            declared: ConnectorTestScenario = request.param
            return declared
