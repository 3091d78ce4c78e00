"""The image, on a Docker engine: what it prints goes through the writer into a topic.

It runs if the environment variable IMAGE names the image:

IMAGE=source-clockify:dev bin/test integration_tests/test_image.py
"""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.pubsub_v1.services.publisher import PublisherClient

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import STREAMS, Output, catalog, config_of
from integration_tests.commands import PATIENCE, until
from integration_tests.pubsub.topic import create_topic, records_of, transport
from integration_tests.pubsub.writer import Writer, publisher_of

IMAGE = os.environ.get("IMAGE")
ALL = {*STREAMS, "sync_log"}
pytestmark = [
    pytest.mark.image_tests,
    pytest.mark.skipif(IMAGE is None, reason="IMAGE names no image to test"),
]


def line_of(folder: Path, command: str, files: tuple[str, ...], *options: str) -> list[str]:
    """The command line that runs a command of the image, with files of a folder."""
    assert IMAGE is not None
    docker = ["docker", "run", "--network", "host", "--volume", f"{folder}:/data:ro", *options]
    given = [part for name in files for part in (f"--{name}", f"/data/{name}.json")]
    return [*docker, IMAGE, command, *given]


def run(folder: Path, command: str, *files: str, options: tuple[str, ...] = ()) -> list[str]:
    """Run a command of the image, with files of a folder; answers the lines that it prints."""
    line = line_of(folder, command, files, "--rm", *options)
    done = subprocess.run(line, capture_output=True, timeout=300)
    printed = done.stdout.decode()
    assert done.returncode == 0, printed + done.stderr.decode()
    return printed.split("\n")


def test_the_image_reads_an_account_into_a_topic(tmp_path: Path, pubsub_address: str) -> None:
    tmp_path.chmod(0o755)
    assert any('"type":"SPEC"' in line for line in run(tmp_path, "spec"))
    with start(users=3, entries=10, plan="ENTERPRISE") as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(config_of(sandbox)))
        assert any('"SUCCEEDED"' in line for line in run(tmp_path, "check", "config"))
        (catalog, *_) = run(tmp_path, "catalog", "config")
        (tmp_path / "catalog.json").write_text(catalog)

        topic = create_topic(pubsub_address, "image")
        publisher = publisher_of(
            topic.destination(), transport=transport(PublisherClient, pubsub_address)
        )
        writer = Writer(publisher, topic.path, {(None, stream) for stream in ALL})

        def sync(*files: str) -> Counter[str]:
            lines = run(tmp_path, "read", "config", "catalog", *files)
            acknowledged = [json.loads(line) for line in writer.write(lines)]
            (tmp_path / "state.json").write_text(json.dumps(Output(acknowledged, 0, "").state))
            return Counter(record["stream"] for record in records_of(topic.pull()))

        assert sync().keys() == ALL
        tag = sandbox.rows("tags")[0]
        sandbox.delete(tag["workspaceId"], "tags", tag["id"])
        assert sync("state")["tags"] == 1


def test_the_image_reads_the_manifest_as_json() -> None:
    code = "import sys; sys.modules['yaml'] = None; from source_clockify.run import run; run()"
    line = ["docker", "run", "--rm", "--entrypoint", "python", str(IMAGE), "-c", code, "spec"]
    done = subprocess.run(line, capture_output=True, timeout=PATIENCE)
    assert b'"type":"SPEC"' in done.stdout, done.stderr


# Containers that are stopped --------------------------------------------------------------------


@dataclass(frozen=True)
class Container:
    """A container that runs in the background."""

    identifier: str

    def docker(self, *command: str) -> str:
        done = subprocess.run(
            ["docker", *command, self.identifier], capture_output=True, timeout=PATIENCE, check=True
        )
        return done.stdout.decode()

    def printed(self) -> str:
        return self.docker("logs")

    def end(self, *how: str) -> tuple[int, list[JSON]]:
        """Stop it; answers its exit code and its messages, none of them cut."""
        self.docker(*how)
        code = int(self.docker("wait"))
        *lines, rest = self.printed().split("\n")
        assert rest == ""
        return code, [json.loads(line) for line in lines]


Begin = Callable[..., Container]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Return what starts a read of some streams; what still runs at the end is removed."""
    tmp_path.chmod(0o755)
    started: list[Container] = []

    def start_one(sandbox: Sandbox, *streams: str, **settings: object) -> Container:
        files = {"config": config_of(sandbox, **settings)}
        files["catalog"] = catalog(streams, "incremental")
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        line = line_of(tmp_path, "read", ("config", "catalog"), "--detach")
        done = subprocess.run(line, capture_output=True, timeout=PATIENCE, check=True)
        started.append(Container(done.stdout.decode().strip()))
        return started[-1]

    yield start_one
    for container in started:
        container.docker("rm", "--force")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with start(users=4, entries=6_000, plan="PRO") as server:
        yield server


STOPS = {143: ["stop"], 129: ["kill", "--signal", "HUP"], 130: ["kill", "--signal", "INT"]}
FILES = ("config", "catalog", "state")
SENT = "The state of all complete data was sent; the next sync continues from it."


@pytest.mark.parametrize("code", STOPS)
def test_a_container_that_is_stopped_while_records_flow_sends_its_states(
    sandbox: Sandbox, begin: Begin, tmp_path: Path, code: int
) -> None:
    slow = sandbox.rows("users")[-1]["id"]
    sandbox.fault({"delay": 600}, path=f".*/user/{slow}/time-entries")
    container = begin(sandbox, "tags", "time_entries")
    until(lambda: '"stream":"time_entries"' in container.printed())

    ended, messages = container.end(*STOPS[code])

    # Docker kills, with 137, what does not end within ten seconds.
    assert ended == code
    assert SENT in messages[-1]["log"]["message"]
    states = Output(messages, ended, "").state
    assert "tags" in {each["stream"]["stream_descriptor"]["name"] for each in states}
    assert container.docker("diff").split() == ["A", "/data"]
    sandbox.clear_faults()
    (tmp_path / "state.json").write_text(json.dumps(states))
    resumed = [json.loads(line) for line in run(tmp_path, "read", *FILES)[:-1]]
    sent = [each["record"] for each in [*messages, *resumed] if each["type"] == "RECORD"]
    entries = {each["data"]["id"] for each in sent if each["stream"] == "time_entries"}
    assert entries == {row["id"] for row in sandbox.rows("time_entries")}


def test_a_container_that_waits_for_the_free_budget_is_stopped(
    sandbox: Sandbox, begin: Begin
) -> None:
    for _ in range(35):
        sandbox.create(sandbox.workspaces[0]["id"], "projects")
    sandbox.clear_requests()
    container = begin(sandbox, "project_custom_fields", plan="free")
    until(lambda: len(sandbox.requests()) >= 30)

    ended, messages = container.end("stop")

    assert ended == 143
    assert messages[-1]["log"]["message"].startswith("Ended by SIGTERM.")


# Users and file systems -------------------------------------------------------------------------

LOCKED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def test_any_user_reads_in_a_container_that_may_write_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    options = (*LOCKED, "--user", "12345:12345")
    with start(users=2, entries=5, plan="PRO") as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(config_of(sandbox)))
        checked = run(tmp_path, "check", "config", options=options)
        assert any('"SUCCEEDED"' in line for line in checked)
        (made, *_) = run(tmp_path, "catalog", "config", options=options)
        (tmp_path / "catalog.json").write_text(made)
        lines = run(tmp_path, "read", "config", "catalog", options=options)
        assert {json.loads(line)["type"] for line in lines[:-1]} >= {"RECORD", "STATE"}


def test_a_file_that_the_user_of_the_image_may_not_read_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    config = tmp_path / "config.json"
    config.write_text("{}")
    config.chmod(0o600)
    if os.getuid() == 0:
        os.chown(config, 4321, 4321)

    (line, *_) = run(tmp_path, "check", "config", options=("--user", "12345"))

    told = json.loads(line)["connectionStatus"]["message"]
    assert told.startswith("The configuration file /data/config.json cannot be read: the user")
    assert "(user id 12345) has no permission" in told
