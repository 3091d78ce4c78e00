"""The Terraform and PyAirbyte examples fit the connector.

Parsing always runs. `terraform` is used where it is on the PATH, for its format and for evaluating
expressions; `plan` and `apply` need the provider and an Airbyte. PyAirbyte has dependencies of its
own, so it runs where the environment variable PYAIRBYTE_PYTHON names a Python that has it.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import hcl2
import jsonschema
import pytest
import yaml
from hcl2.utils import SerializationOptions

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import (
    CONNECTOR,
    MANIFEST_ALONE,
    ROOT,
    config_of,
    discovered,
)
from source_clockify.manifest_file import load_manifest

TERRAFORM = ROOT / "examples" / "terraform"
EXAMPLES = ("self-managed", "cloud")
FILES = sorted(TERRAFORM.rglob("*.tf"))
PYAIRBYTE = ROOT / "examples" / "pyairbyte" / "clockify_to_duckdb.py"
METADATA = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]

# What Airbyte's Pub/Sub destination takes; google_credentials_json stands for a key file.
PUBSUB = {
    "project_id": "google_project_id",
    "topic_id": "pubsub_topic_id",
    "credentials_json": "google_credentials_json",
    "ordering_enabled": False,
    "batching_enabled": True,
    "batching_delay_threshold": 100,
    "batching_element_count_threshold": 100,
    "batching_request_bytes_threshold": 1_000_000,
}

each_example = pytest.mark.parametrize("example", EXAMPLES)
needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="terraform is not on the PATH; the files were parsed by python-hcl2 only",
)
needs_pyairbyte = pytest.mark.skipif(
    "PYAIRBYTE_PYTHON" not in os.environ,
    reason="PYAIRBYTE_PYTHON names no Python that has the package airbyte",
)


# Terraform


def parsed(text: str) -> JSON:
    content: JSON = hcl2.loads(
        text,
        serialization_options=SerializationOptions(
            with_comments=False, explicit_blocks=False, strip_string_quotes=True
        ),
    )
    return content


def content_of(example: str) -> JSON:
    return parsed((TERRAFORM / example / "main.tf").read_text())


def resource(example: str, kind: str) -> JSON:
    """The only resource of a kind."""
    (named,) = (each[kind] for each in content_of(example)["resource"] if kind in each)
    (body,) = named.values()
    found: JSON = body
    return found


def variables(example: str) -> dict[str, Any]:
    """The variables with their defaults; one without has its name for a value."""
    listed = parsed((TERRAFORM / example / "variables.tf").read_text())["variable"]
    return {name: body.get("default", name) for each in listed for name, body in each.items()}


def evaluated(value: Any, example: str) -> Any:
    """A configuration without variables and jsonencode."""
    if isinstance(value, dict):
        return {key: evaluated(each, example) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    encoded = re.fullmatch(r"\$\{jsonencode\((.*)\)\}", value, re.DOTALL)
    if encoded:
        return evaluated(parsed(f"value = {encoded.group(1)}\n")["value"], example)
    variable = re.fullmatch(r"(?:\$\{)?var\.(\w+)\}?", value)
    return variables(example)[variable.group(1)] if variable else value


def configuration(example: str, kind: str) -> JSON:
    found: JSON = evaluated(resource(example, kind)["configuration"], example)
    return found


def terraform(*arguments: str, folder: Path, stdin: str = "") -> str:
    """What a command of terraform prints. It asks nobody for newer versions of itself."""
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    process = subprocess.run(
        ["terraform", *arguments],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TERRAFORM)))
def test_each_file_parses_and_says_what_was_run(file: Path) -> None:
    text = file.read_text()
    assert parsed(text)
    head = text.split("\n\n")[0] if file.name != "main.tf" else text.split("\nterraform {")[0]
    assert all(line.startswith("#") for line in head.split("\n") if line)
    assert re.search("not run", head, re.IGNORECASE)


def test_there_are_two_examples() -> None:
    assert {file.parent.name for file in FILES if file.name == "main.tf"} == set(EXAMPLES)


@needs_terraform
def test_the_files_have_the_format_of_terraform() -> None:
    terraform("fmt", "-check", "-diff", "-recursive", folder=TERRAFORM)


@each_example
def test_every_variable_is_declared_and_used(example: str) -> None:
    used = set(re.findall(r"\bvar\.(\w+)", (TERRAFORM / example / "main.tf").read_text()))
    assert used == set(variables(example))


@each_example
def test_no_secret_is_shown(example: str) -> None:
    listed = parsed((TERRAFORM / example / "variables.tf").read_text())["variable"]
    sensitive = {name for each in listed for name, body in each.items() if body.get("sensitive")}
    assert sensitive == {
        "airbyte_client_id",
        "airbyte_client_secret",
        "clockify_api_key",
        "google_credentials_json",
    }


@each_example
def test_the_source_is_configured_as_the_specification_says(example: str) -> None:
    specification = load_manifest()["spec"]["connection_specification"]
    config = configuration(example, "airbyte_source")
    jsonschema.Draft7Validator(specification, format_checker=jsonschema.FormatChecker()).validate(
        config
    )
    assert set(config) <= set(specification["properties"])


@each_example
def test_pubsub_is_configured_as_its_destination_expects(example: str) -> None:
    assert configuration(example, "airbyte_destination") == PUBSUB


@each_example
def test_every_stream_of_the_connection_knows_its_sync_mode(example: str) -> None:
    layer = {"self-managed": CONNECTOR, "cloud": MANIFEST_ALONE}[example]
    known = {each["name"]: each["supported_sync_modes"] for each in discovered(layer)}
    modes = streams_of(example)
    assert modes
    for stream, mode in modes.items():
        assert mode.removesuffix("_append") in known[stream], stream


def streams_of(example: str) -> dict[str, str]:
    """The streams of the connection with their sync modes."""
    streams = resource(example, "airbyte_connection")["configurations"]["streams"]
    spelled = "[for name, mode in local.streams : {name = name, sync_mode = mode}]"
    assert streams == f"${{{spelled}}}"
    (values,) = content_of(example)["locals"]
    found: dict[str, str] = values["streams"]
    return found


def test_the_self_managed_example_selects_what_the_form_selects() -> None:
    streams = streams_of("self-managed")
    assert list(streams) == METADATA["suggestedStreams"]["streams"]
    assert set(streams.values()) == {"incremental_append"}


def test_the_cloud_example_is_incremental_where_the_manifest_is() -> None:
    modes = {
        each["name"]: f"{each['supported_sync_modes'][-1]}_append"
        for each in discovered(MANIFEST_ALONE)
    }
    assert streams_of("cloud") == modes


def test_the_image_is_that_of_the_metadata() -> None:
    image = variables("self-managed")
    assert image["image_repository"] == METADATA["dockerRepository"]
    assert image["image_tag"] == METADATA["dockerImageTag"]
    definition = resource("self-managed", "airbyte_source_definition")
    assert definition["docker_repository"] == "${var.image_repository}"
    assert definition["docker_image_tag"] == "${var.image_tag}"


@needs_terraform
@each_example
@pytest.mark.parametrize("kind", ["airbyte_source", "airbyte_destination"])
def test_terraform_evaluates_a_configuration_to_the_same(
    example: str, kind: str, tmp_path: Path
) -> None:
    shutil.copy(TERRAFORM / example / "variables.tf", tmp_path)
    unset = [name for name, value in variables(example).items() if value == name]
    values = [f"-var={name}={name}" for name in unset]
    expression = resource(example, kind)["configuration"].removeprefix("${").removesuffix("}")
    # Terraform hides what depends on a secret.
    printed = terraform("console", *values, folder=tmp_path, stdin=f"nonsensitive({expression})\n")
    assert json.loads(json.loads(printed)) == configuration(example, kind)


@needs_terraform
def test_terraform_reads_the_manifest_as_the_connector_does(tmp_path: Path) -> None:
    expression = resource("cloud", "airbyte_declarative_source_definition")["manifest"]
    folder = (TERRAFORM / "cloud").as_posix()
    spelled = expression.removeprefix("${").removesuffix("}").replace("${path.module}", folder)
    printed = terraform("console", folder=tmp_path, stdin=f"{spelled}\n")
    assert json.loads(json.loads(printed)) == load_manifest()


# PyAirbyte


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=3, entries=10, projects=3, tasks=2, plan="PRO") as server:
        yield server


def test_the_pyairbyte_example_names_streams_of_the_connector() -> None:
    tree = ast.parse(PYAIRBYTE.read_text())
    (streams,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STREAMS"
    )
    assert streams == METADATA["suggestedStreams"]["streams"]
    assert set(streams) <= {each["name"] for each in discovered()}


def pyairbyte(*arguments: str | Path, folder: Path) -> str:
    """What a program prints in PyAirbyte's environment."""
    process = subprocess.run(
        [os.environ["PYAIRBYTE_PYTHON"], "-W", "ignore", *arguments],
        cwd=folder,
        env={**os.environ, "AIRBYTE_OFFLINE_MODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@needs_pyairbyte
def test_pyairbyte_keeps_the_database_true_to_clockify(sandbox: Sandbox, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_of(sandbox)))
    executable = Path(sys.executable).with_name("source-clockify")
    command = (PYAIRBYTE, "clockify.duckdb", "--config", config, "--executable", executable)
    workspace = sandbox.workspaces[0]["id"]

    assert counts(pyairbyte(*command, folder=tmp_path)) == existing(sandbox)

    since = f"{datetime.now(timezone.utc) - timedelta(days=20):%Y-%m-%d}"
    recent = [e["id"] for e in sandbox.rows("time_entries") if e["timeInterval"]["start"] > since]
    gone, edited, *_ = recent
    sandbox.delete(workspace, "time-entries", gone)
    sandbox.update(workspace, "time-entries", edited, {"description": "edited"})
    sandbox.delete(workspace, "tags", sandbox.rows("tags")[0]["id"])
    sandbox.create(workspace, "tags", {"name": "new"})
    printed = pyairbyte(*command, folder=tmp_path)

    assert re.search(r"^4 messages$", printed, re.M), printed
    assert counts(printed) == existing(sandbox)
    rows = query(
        "SELECT id, description, _ab_cdc_deleted_at IS NOT NULL FROM time_entries"
        f" WHERE id IN ('{gone}', '{edited}')",
        tmp_path,
    )
    assert sorted(rows) == sorted([[gone, None, True], [edited, "edited", False]])
    ids = {id_ for (id_,) in query("SELECT id FROM existing_time_entries", tmp_path)}
    assert ids == {row["id"] for row in sandbox.rows("time_entries")}


def counts(printed: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"^(\w+): (\d+)$", printed, re.M)}


def existing(sandbox: Sandbox) -> dict[str, int]:
    return {stream: len(sandbox.rows(stream)) for stream in METADATA["suggestedStreams"]["streams"]}


def query(sql: str, folder: Path) -> list[list[Any]]:
    program = (
        "import duckdb, json, sys\n"
        "rows = duckdb.connect('clockify.duckdb').execute(sys.argv[1]).fetchall()\n"
        "print(json.dumps(rows))"
    )
    found: list[list[Any]] = json.loads(pyairbyte("-c", program, sql, folder=folder))
    return found


class Airbyte(BaseHTTPRequestHandler):
    """Stands in for Airbyte's API: takes a declarative source and remembers it."""

    published: list[Mapping[str, Any]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.answer({"data": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/token"):
            self.answer({"access_token": "token", "token_type": "Bearer", "expires_in": 900})
            return
        self.published.append({"path": self.path, **json.loads(body)})
        self.answer({"id": "the-definition", "version": 1, **json.loads(body)})

    def answer(self, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@needs_pyairbyte
def test_the_documents_program_publishes_the_manifest_as_it_is() -> None:
    document = (ROOT / "docs" / "airbyte-cloud.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    with HTTPServer(("127.0.0.1", 0), Airbyte) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/v1"
        aimed = program.replace('workspace_id="..."', f'workspace_id="w", api_root="{root}"')
        assert pyairbyte("-c", aimed, folder=ROOT) == "the-definition\n"
        server.shutdown()
    (definition,) = Airbyte.published
    assert definition == {
        "path": "/v1/workspaces/w/definitions/declarative_sources",
        "name": "Clockify",
        "manifest": load_manifest(),
    }
