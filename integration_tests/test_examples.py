"""The shell pipeline, the subscriber and the BigQuery views of `examples/`, run for real.

Docker is a stand-in that runs the installed source, and in place of the destination's image
`integration_tests.pubsub.writer`; Pub/Sub is a server on this machine; BigQuery's SQL is translated
for DuckDB.
"""

import fcntl
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.types import PubsubMessage

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import ROOT, catalog, config_of, discovered
from integration_tests.commands import until
from integration_tests.consumer import VOLATILE, comparable
from integration_tests.frozen import frozen_clock, read_incrementally
from integration_tests.pubsub.message import Message
from integration_tests.pubsub.server import Server, serve
from integration_tests.pubsub.topic import PROJECT, Topic, create_topic, records_of, transport
from integration_tests.readers import (
    EXAMPLES,
    Subscriber,
    Warehouse,
    load_subscriber,
    messages_of,
    subscriber_of,
)
from integration_tests.terminal import run_on_terminal

SYNC = EXAMPLES / "shell" / "sync.sh"
STREAMS = ("users", "projects", "tasks", "time_entries")
SELECTED = (*STREAMS, "sync_log")
NOW = datetime.now(timezone.utc).replace(second=0, microsecond=0)
MOMENT = "%Y-%m-%dT%H:%M:%SZ"

# docker run --rm [--interactive] --volume FOLDER:/data:ro IMAGE COMMAND ...
DOCKER = f"""#!/bin/sh
[ "$1" = run ] || exit 125
shift
while :; do
    case $1 in
        --rm | --interactive) shift ;;
        --volume) folder=${{2%:/data:ro}} && shift 2 ;;
        *) break ;;
    esac
done
image=$1 && shift
for argument; do
    shift
    case $argument in /data/*) argument=$folder/${{argument#/data/}} ;; esac
    set -- "$@" "$argument"
done
case $image in
    */source-clockify:*) exec source-clockify "$@" ;;
    airbyte/destination-pubsub) exec {sys.executable} -m integration_tests.pubsub.writer "$@" ;;
    acknowledges-all) exec sed -n '/^{{"type": "STATE"/p' ;;
esac
exit 125
"""


def commands(title: str) -> list[str]:
    """The commands of a section of the README, one for each block of shell."""
    section = (EXAMPLES / "README.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


@dataclass(frozen=True)
class Place:
    """A folder from which the commands of the README are run, and what they need."""

    folder: Path
    sandbox: Sandbox
    server: Server
    topic: Topic

    @property
    def environment(self) -> dict[str, str]:
        path = [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        inherited = {**self.topic.environment}
        inherited.pop("SOURCE", None)
        return {
            **inherited,
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def publish(self, messages: Iterable[Message]) -> None:
        client = PublisherClient(transport=transport(PublisherClient, self.topic.address))
        with client:
            sent = [
                PubsubMessage(data=message.data, attributes=message.attributes)
                for message in messages
            ]
            client.publish(topic=self.topic.path, messages=sent)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    missing = [tool for tool in ("bash", "awk", "flock") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"sync.sh needs {', '.join(missing)}, which this machine lacks")
    folder = tmp_path_factory.mktemp("examples")
    docker = folder / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    (folder / "examples").symlink_to(EXAMPLES)
    (folder / ".venv").symlink_to(sys.prefix)
    size: dict[str, Any] = {"users": 3, "entries": 12, "projects": 4, "tasks": 2, "plan": "PRO"}
    with start(**size, now=NOW.strftime(MOMENT)) as sandbox, serve() as server:
        topic = create_topic(server.address, "clockify")
        for _ in range(2):
            # Without time entries, which would lose a task that is deleted.
            sandbox.create(sandbox.workspaces[0]["id"], "tasks")
        (folder / "config.json").write_text(json.dumps(config_of(sandbox)))
        (folder / "destination.json").write_text(json.dumps(topic.destination()))
        yield Place(folder, sandbox, server, topic)


def rows_of(sandbox: Sandbox) -> dict[str, list[JSON]]:
    """What Clockify lists."""
    return {stream: sandbox.rows(stream) for stream in STREAMS}


def change(sandbox: Sandbox, text: str) -> dict[str, set[str]]:
    """Edit, delete and add something in a workspace; answers the ids by stream."""
    workspace = sandbox.workspaces[0]["id"]
    project = sandbox.rows("projects")[0]["id"]
    task = sandbox.rows("tasks")[-1]["id"]
    past = (NOW - timedelta(days=1)).strftime(MOMENT)
    starts = {
        row["id"]: row["timeInterval"]["start"]
        for row in sandbox.rows("time_entries")
        if row["timeInterval"]["end"] and row["timeInterval"]["start"] < past
    }
    edited, deleted = sorted(starts, key=lambda entry: starts[entry])[-2:]
    sandbox.update(workspace, "projects", project, {"name": f"Project {text}"})
    sandbox.delete(workspace, "tasks", task)
    sandbox.update(workspace, "time-entries", edited, {"description": f"Entry {text}"})
    sandbox.delete(workspace, "time-entries", deleted)
    user = sandbox.rows("users")[0]["id"]
    entry = {
        "userId": user,
        "timeInterval": {"start": past, "end": (NOW - timedelta(hours=23)).strftime(MOMENT)},
    }
    added = sandbox.create(workspace, "time-entries", entry)["id"]
    return {"projects": {project}, "tasks": {task}, "time_entries": {edited, deleted, added}}


# The shell pipeline


@dataclass(frozen=True)
class Pipeline:
    """Two syncs of the shell pipeline with changes in between, and the subscriber after them.

    Attributes:
        syncs: how each of them ended.
        arrived: the records that each of them brought to the topic.
        rows: what Clockify listed at each of them.
        changed: the ids of what was changed in between, by stream.
        subscriber: how the subscriber ended.
        report: how its report ended.
        database: what it wrote.
        left: the messages that it did not acknowledge.
        folder: what the pipeline keeps.
    """

    syncs: list[subprocess.CompletedProcess[str]]
    arrived: list[list[JSON]]
    rows: list[dict[str, list[JSON]]]
    changed: dict[str, set[str]]
    subscriber: subprocess.CompletedProcess[str]
    report: subprocess.CompletedProcess[str]
    database: Path
    left: set[bytes]
    folder: Path


def poison() -> list[Message]:
    """Messages that are no records of the streams, in the order of what is said of them."""

    def message(data: Any, stream: str = "projects") -> Message:
        text = data if isinstance(data, str) else json.dumps({"_airbyte_data": data})
        return Message(text.encode(), {"_stream": stream}, "")

    columns = {"_ab_cdc_baseline_at": "2026-11-24T09:00:00.000Z"}
    columns["_ab_cdc_updated_at"] = columns["_ab_cdc_baseline_at"]
    return [
        message("no JSON"),
        message("[" * 100_000),
        message("[]"),
        message({"id": "unknown", **columns}, "invoices"),
        message({"name": "no key", **columns}),
        message({"id": "no version"}),
        message({"id": "no date", **columns, "_ab_cdc_deleted_at": "yesterday"}),
        message({"id": "no number", "n": float("nan"), **columns}),
        message({"id": "no text", "name": "\ud800", **columns}),
    ]


def no_moment() -> Message:
    """A message whose baseline would be newer than any other, but is no moment."""
    data = {"id": "never", "_ab_cdc_updated_at": "9999-99-99T99:99:99.999Z"}
    data["_ab_cdc_baseline_at"] = data["_ab_cdc_updated_at"]
    return Message(json.dumps({"_airbyte_data": data}).encode(), {"_stream": "projects"}, "")


@pytest.fixture(scope="module")
def pipeline(place: Place) -> Pipeline:
    (all_streams, installed, some_streams, *_) = commands("Shell pipeline")
    before, _, selected = some_streams.replace("\\\n", " ").partition(" some-sync ")
    assert f"{before} clockify-sync" == all_streams.replace(" destination", " other-destination")
    assert tuple(selected.split()) == SELECTED
    (_, pull, report) = commands("Subscriber")
    subscription = f"projects/{PROJECT}/subscriptions/clockify-subscriber"
    with SubscriberClient(transport=transport(SubscriberClient, place.topic.address)) as client:
        client.create_subscription(name=subscription, topic=place.topic.path)

    def sync(command: str) -> None:
        rows.append(rows_of(place.sandbox))
        syncs.append(place.run(command))
        arrived.append(records_of(place.topic.pull()))

    syncs: list[subprocess.CompletedProcess[str]] = []
    arrived: list[list[JSON]] = []
    rows: list[dict[str, list[JSON]]] = []
    sync(f"{all_streams} {selected}")
    changed = change(place.sandbox, "of the pipeline")
    sync(f"{installed} {selected}")
    place.publish(poison())
    ended = place.run(pull.replace("my-project", PROJECT) + " --once --wait 0.2")
    told = place.run(report)
    held = place.server.pubsub.subscriptions[subscription]
    assert held.waiting == []
    left = {bytes(message.data) for message in held.delivered.values()}
    folder = place.folder / "clockify-sync"
    return Pipeline(
        syncs, arrived, rows, changed, ended, told, place.folder / "clockify.db", left, folder
    )


def ids(rows: Iterable[JSON]) -> set[str]:
    return {row["id"] for row in rows}


def test_a_first_sync_sends_everything(pipeline: Pipeline) -> None:
    first, sent, rows = pipeline.syncs[0], pipeline.arrived[0], pipeline.rows[0]
    assert first.returncode == 0, first.stderr
    for stream in STREAMS:
        arrived = [record["data"] for record in sent if record["stream"] == stream]
        assert ids(arrived) == ids(rows[stream])
        assert len(arrived) == len(rows[stream])
    assert f"{len(sent)} records were sent," in first.stderr
    assert "This was a first sync" in first.stderr


def test_the_next_sync_sends_what_changed(pipeline: Pipeline) -> None:
    second, sent = pipeline.syncs[1], pipeline.arrived[1]
    assert second.returncode == 0, second.stderr
    receipts = [record for record in sent if record["stream"] == "sync_log"]
    assert len(sent) - len(receipts) == sum(map(len, pipeline.changed.values()))
    assert {record["data"]["stream"] for record in receipts} == {*STREAMS}
    for stream, changed in pipeline.changed.items():
        assert ids(record["data"] for record in sent if record["stream"] == stream) == changed
    assert f"{len(sent)} records were sent," in second.stderr
    assert "This was a first sync" not in second.stderr


def test_the_catalog_is_incremental_and_append(pipeline: Pipeline) -> None:
    made = json.loads((pipeline.folder / "catalog.json").read_text())
    assert {each["stream"]["name"] for each in made["streams"]} == {*SELECTED}
    for each in made["streams"]:
        assert each["sync_mode"] == "incremental"
        assert each["destination_sync_mode"] == "append"
        assert each["cursor_field"] == ["_ab_cdc_updated_at"]
        assert each["primary_key"] == each["stream"]["source_defined_primary_key"] != []


def test_nothing_secret_is_left_in_the_folder(pipeline: Pipeline, place: Place) -> None:
    kept = {path.name for path in pipeline.folder.iterdir()}
    assert kept == {
        "catalog.json",
        "destination.log",
        "lock",
        "source.log",
        "state.json",
    }
    for path in pipeline.folder.iterdir():
        assert place.sandbox.api_key not in path.read_text()

    assert pipeline.folder.stat().st_mode & 0o077 == 0


@dataclass(frozen=True)
class Kept:
    """A copy of the pipeline's folder, and a source that prints what a test wants."""

    place: Place
    folder: Path

    @property
    def state(self) -> dict[str, JSON]:
        states = json.loads((self.folder / "state.json").read_text())
        return {each["stream"]["stream_descriptor"]["name"]: each["stream"] for each in states}

    def sync(
        self, printed: Sequence[JSON | str] = (), code: int = 0, *streams: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run sync.sh with a source that prints lines, ends, and keeps the state it was given.

        The destination does nothing but acknowledge, unless the environment names another image.
        """
        lines = [each if isinstance(each, str) else json.dumps(each) for each in printed]
        (self.folder / "printed").write_text("".join(f"{line}\n" for line in lines))
        source = self.folder / "source"
        source.write_text(
            f'#!/bin/sh\n[ "$1" = read ] || exec source-clockify "$@"\nwhile [ $# -gt 0 ]; do\n'
            f'[ "$1" != --state ] || cp "$2" {self.folder}/given\nshift\ndone\n'
            f"cat {self.folder}/printed\nexit {code}\n"
        )
        source.chmod(0o755)
        line = f"{SYNC} config.json destination.json {self.folder} {' '.join(streams)}"
        images = {"DESTINATION_IMAGE": "acknowledges-all"}
        return self.place.run(line, SOURCE=str(source), **{**images, **environment})


@pytest.fixture
def kept(pipeline: Pipeline, place: Place, tmp_path: Path) -> Kept:
    return Kept(place, Path(shutil.copytree(pipeline.folder, tmp_path / "kept")))


def record(identifier: str) -> JSON:
    data = {"id": identifier}
    return {"type": "RECORD", "record": {"stream": "projects", "data": data, "emitted_at": 1}}


def state(stream: str, number: int) -> JSON:
    inner = {"stream_descriptor": {"name": stream}, "stream_state": {"number": number}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": inner}}


def error(text: str) -> JSON:
    return {"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": text}}}


def warning(text: str) -> JSON:
    return {"type": "LOG", "log": {"level": "WARN", "message": text}}


def test_the_last_acknowledged_state_of_each_stream_is_kept(kept: Kept) -> None:
    former = kept.state
    printed = [state("projects", 1), record("p"), state("tags", 2), state("projects", 3)]
    ended = kept.sync([*printed, warning("Clockify is slow.")])
    assert ended.returncode == 0, ended.stderr
    assert "WARN: Clockify is slow." in ended.stderr
    assert "1 records were sent, and 3 states" in ended.stderr
    assert {name: each["stream_state"] for name, each in kept.state.items()} == {
        **{name: each["stream_state"] for name, each in former.items()},
        "projects": {"number": 3},
        "tags": {"number": 2},
    }


def test_records_are_counted_where_the_source_shows_nothing_itself(kept: Kept) -> None:
    ended = kept.sync([record("p")] * 10_000)

    assert ended.returncode == 0, ended.stderr
    assert "sync.sh: 10000 records so far." in ended.stderr

    command = f"SOURCE={kept.folder}/source {SYNC} config.json {kept.folder} -- cat"
    environment = kept.place.environment
    session = run_on_terminal(
        ["bash", "-c", command], environment=environment, folder=kept.place.folder
    )
    assert session.code == 0, session.text
    assert "10000 records were sent" in session.text
    assert "so far" not in session.text


def test_the_source_gets_the_whole_state_whichever_streams_it_reads(kept: Kept) -> None:
    former = kept.state
    assert kept.sync([], 0, "projects", "tasks").returncode == 0
    given = json.loads((kept.folder / "given").read_text())
    assert [each["stream"] for each in given] == [*former.values()]
    assert kept.state == former


def test_the_command_with_some_streams_reads_these(kept: Kept, place: Place) -> None:
    kept.sync()
    (place.folder / "other-destination.json").write_text("{}")
    (_, _, some_streams, *_) = commands("Shell pipeline")
    images = {"SOURCE": str(kept.folder / "source"), "DESTINATION_IMAGE": "acknowledges-all"}
    ended = place.run(some_streams, **images)
    assert ended.returncode == 0, ended.stderr
    made = json.loads((place.folder / "some-sync" / "catalog.json").read_text())
    assert {each["stream"]["name"] for each in made["streams"]} == {*SELECTED}


def test_any_command_can_be_the_destination(kept: Kept, place: Place) -> None:
    kept.sync([record("p"), state("projects", 7), record("q"), state("projects", 8)])
    destination = kept.folder / "destination"
    # It stores the first state only.
    destination.write_text(
        f"#!/bin/sh\ncp {kept.folder}/catalog.json {kept.folder}/seen\n"
        f"tee {kept.folder}/arrived | grep -m 1 STATE\ncat > {kept.folder}/rest\n"
    )
    destination.chmod(0o755)
    line = f"{SYNC} config.json {kept.folder} projects -- {destination} write --config x"
    ended = place.run(line, SOURCE=str(kept.folder / "source"))
    assert ended.returncode == 0, ended.stderr
    assert "2 records were sent, and 2 states; the destination acknowledged 1" in ended.stderr
    assert kept.state["projects"]["stream_state"] == {"number": 7}
    (seen,) = json.loads((kept.folder / "seen").read_text())["streams"]
    assert seen["stream"]["name"] == "projects"


def test_a_signal_ends_the_source_and_keeps_what_was_acknowledged(kept: Kept, place: Place) -> None:
    kept.sync()
    source = kept.folder / "source"
    lines = "\n".join(json.dumps(each) for each in (record("p"), state("projects", 9)))
    source.write_text(
        '#!/bin/sh\n[ "$1" = read ] || exec source-clockify "$@"\n'
        f"trap 'cat {kept.folder}/last; exit 143' TERM\ntouch {kept.folder}/begun\n"
        "while :; do sleep 0.05; done\n"
    )
    (kept.folder / "last").write_text(lines + "\n")
    line = [str(SYNC), "config.json", "destination.json", str(kept.folder)]
    variables = {"SOURCE": str(source), "DESTINATION_IMAGE": "acknowledges-all"}
    running = subprocess.Popen(
        line,
        cwd=place.folder,
        env={**place.environment, **variables},
        stderr=subprocess.PIPE,
        text=True,
    )
    until((kept.folder / "begun").exists)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 143, told
    assert "Ended by SIGTERM." in told
    assert "1 records were sent, and 1 states" in told
    assert kept.state["projects"]["stream_state"] == {"number": 9}
    assert not (kept.folder / "run").exists()


@pytest.mark.parametrize("step", ["state", "catalog"])
def test_a_signal_before_the_read_ends_the_source_and_frees_the_folder(
    kept: Kept, place: Place, step: str
) -> None:
    former = (kept.folder / "state.json").read_bytes()
    source = kept.folder / "source"
    source.write_text(
        f'#!/bin/sh\n[ "$1" = {step} ] || exec source-clockify "$@"\n'
        f"touch {kept.folder}/begun\nexec sleep 60 2> /dev/null\n"
    )
    source.chmod(0o755)
    running = subprocess.Popen(
        [str(SYNC), "config.json", str(kept.folder), "tags", "--", "cat"],
        cwd=place.folder,
        env={**place.environment, "SOURCE": str(source)},
        stderr=subprocess.PIPE,
        text=True,
    )
    until((kept.folder / "begun").exists)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    with (kept.folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert running.returncode == 143, told
    assert "sync.sh: Ended by SIGTERM before anything was read.\n" in told
    assert (kept.folder / "state.json").read_bytes() == former
    assert not (kept.folder / "run").exists()


def test_a_destination_that_ends_early_is_told_from_a_full_disk(kept: Kept, place: Place) -> None:
    kept.sync()
    former = (kept.folder / "state.json").read_bytes()
    source, destination = kept.folder / "source", kept.folder / "destination"
    line = json.dumps(state("projects", 1))
    source.write_text(
        '#!/bin/sh\n[ "$1" = read ] || exec source-clockify "$@"\n'
        f"until [ -e {kept.folder}/closed ]; do sleep 0.05; done\necho '{line}'\n"
    )
    destination.write_text(f"#!/bin/sh\nexec < /dev/null\ntouch {kept.folder}/closed\n")
    destination.chmod(0o755)
    ended = place.run(
        f"{SYNC} config.json {kept.folder} projects -- {destination}", SOURCE=str(source)
    )
    assert ended.returncode == 1
    assert "The destination ended before it had read everything (exit code 0)." in ended.stderr
    assert "disk" not in ended.stderr
    assert (kept.folder / "state.json").read_bytes() == former


@pytest.mark.parametrize("name", ["source.log", "destination.log", "lock"])
def test_a_file_that_cannot_be_written_is_named(kept: Kept, name: str) -> None:
    former = (kept.folder / "state.json").read_bytes()
    (kept.folder / name).unlink()
    (kept.folder / name).mkdir()
    ended = kept.sync([state("projects", 1)])
    assert ended.returncode == 1
    assert f"{name} cannot be written; is the disk full?" in ended.stderr
    assert (kept.folder / "state.json").read_bytes() == former


def test_a_configuration_that_the_source_prints_is_not_kept(kept: Kept) -> None:
    control = {"type": "CONTROL", "control": {"connectorConfig": {"config": {"api_key": "KEY"}}}}
    ended = kept.sync([control, warning("Clockify is slow.")])
    assert ended.returncode == 0, ended.stderr
    log = (kept.folder / "source.log").read_text()
    assert "Clockify is slow." in log
    assert "KEY" not in log


def test_a_source_that_fails_keeps_what_was_acknowledged(kept: Kept) -> None:
    former = kept.state
    ended = kept.sync([record("p"), state("projects", 1), record("q"), error("Key revoked.")], 3)
    assert ended.returncode == 1
    assert "ERROR: Key revoked." in ended.stderr
    assert "The source failed with exit code 3." in ended.stderr
    assert kept.state["projects"]["stream_state"] == {"number": 1}
    assert kept.state["tasks"] == former["tasks"]


def test_a_destination_that_fails_keeps_the_old_state(kept: Kept) -> None:
    before = (kept.folder / "state.json").read_bytes()
    kept.place.server.pubsub.deny(kept.place.topic.path)
    try:
        ended = kept.sync(
            [state("tasks", 1), record("p"), state("projects", 2)],
            DESTINATION_IMAGE="airbyte/destination-pubsub",
        )
    finally:
        kept.place.server.pubsub.allow(kept.place.topic.path)
    assert ended.returncode == 1
    assert "The destination failed with exit code 1." in ended.stderr
    assert "not authorized" in ended.stderr
    assert '"tasks"' in (kept.folder / "destination.log").read_text()
    assert (kept.folder / "state.json").read_bytes() == before
    assert not (kept.folder / "run").exists()


def test_messages_that_do_not_reach_the_destination_keep_the_old_state(
    kept: Kept, tmp_path: Path
) -> None:
    before = (kept.folder / "state.json").read_bytes()
    awk = tmp_path / "awk"
    awk.write_text("#!/bin/sh\ngrep STATE\nexit 2\n")
    awk.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{kept.place.environment['PATH']}"
    ended = kept.sync([state("projects", 1)], PATH=path)
    assert ended.returncode == 1
    assert "is the disk full?" in ended.stderr
    assert (kept.folder / "state.json").read_bytes() == before


def test_only_one_sync_at_a_time(kept: Kept) -> None:
    with (kept.folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = kept.sync([state("projects", 1)])
    assert ended.returncode == 1
    assert f"Another sync that uses {kept.folder} is still running." in ended.stderr
    assert kept.state["projects"]["stream_state"] != {"number": 1}


def test_a_damaged_state_is_not_used(kept: Kept) -> None:
    for damaged in ('[{"type": "STREAM", "str', "{}"):
        (kept.folder / "state.json").write_text(damaged)
        ended = kept.sync([state("projects", 1)])
        assert ended.returncode == 1
        assert f"{kept.folder}/state.json is not the state of a sync." in ended.stderr
        assert (kept.folder / "state.json").read_text() == damaged


def test_a_stream_that_is_unknown_is_named(kept: Kept) -> None:
    ended = kept.sync([], 0, "projects", "project")
    assert ended.returncode == 1
    assert "There is no stream project. Similar names: projects" in ended.stderr


def test_a_wrong_configuration_is_told_in_a_sentence(place: Place, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    line = f"{SYNC} {wrong} destination.json {tmp_path}/sync"
    ended = place.run(line)
    assert (ended.returncode, ended.stderr) == (1, f"sync.sh: There is no file {wrong}.\n")
    for content, said in (
        ("{", "is not JSON"),
        (
            '{"credentials": {"auth_type": "api_key"}}',
            "Authentication, API Key (credentials.api_key)",
        ),
    ):
        wrong.write_text(content)
        ended = place.run(line)
        assert ended.returncode == 1
        assert said in ended.stderr
        assert "The source could not make the catalog (exit code 1)." in ended.stderr
    assert not (tmp_path / "sync" / "state.json").exists()
    assert place.run(f"{SYNC} {wrong}").returncode == 2


# The subscriber


@dataclass(frozen=True)
class History:
    """A baseline, the sync after some changes, one that sends them again, and a Refresh.

    Attributes:
        messages: what the destination makes of each sync.
        rows: what Clockify listed at each of them.
    """

    messages: list[list[Message]]
    rows: list[dict[str, list[JSON]]]

    def until(self, syncs: int) -> list[Message]:
        return [message for sync in self.messages[:syncs] for message in sync]


@pytest.fixture(scope="module")
def history(place: Place, pipeline: Pipeline) -> History:
    sandbox, config = place.sandbox, config_of(place.sandbox)
    messages: list[list[Message]] = []
    rows: list[dict[str, list[JSON]]] = []
    with frozen_clock() as clock:

        def sync(state: Sequence[JSON] | None) -> list[JSON]:
            moment = NOW + timedelta(hours=1 + 2 * len(rows))
            clock.set(moment)
            sandbox.set_now(moment.strftime(MOMENT))
            output = read_incrementally(config, STREAMS, state)
            assert output.returncode == 0, output.text
            messages.append([*messages_of(output.messages)])
            rows.append(rows_of(sandbox))
            return output.state

        last = sync(None)
        change(sandbox, "of the history")
        last = sync(last)
        sync(last)
        # What is deleted between the last sync and a Refresh has no tombstone.
        sandbox.delete(sandbox.workspaces[0]["id"], "tasks", sandbox.rows("tasks")[0]["id"])
        sync(None)
    return History(messages, rows)


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    opened = subscriber_of(STREAMS)
    yield opened
    opened.database.close()


def assert_lists(database: sqlite3.Connection, rows: Mapping[str, list[JSON]]) -> None:
    """The view of each stream has exactly the rows, with all that Clockify says of them."""
    for stream, expected in rows.items():
        cursor = database.execute(f"SELECT * FROM {stream}")
        columns = [name for name, *_ in cursor.description]
        found = [dict(zip(columns, row, strict=True)) for row in cursor]
        assert len(found) == len(expected), stream
        by_id = {row["id"]: row for row in found}
        for row in expected:
            for name in row.keys() - VOLATILE.get(stream, set()):
                held, value = by_id[row["id"]][name], row[name]
                if isinstance(value, (dict, list)):
                    held = json.loads(held)
                assert held == value, (stream, name)


def message(identifier: str, baseline: int, version: int, *, deleted: bool = False) -> Message:
    """A message of a project; baseline and version are hours."""
    moments = [f"2026-11-24T{hour:02}:00:00.000Z" for hour in (baseline, version)]
    data = {"id": identifier, "name": f"{identifier} {version}"}
    data |= {"_ab_cdc_baseline_at": moments[0], "_ab_cdc_updated_at": moments[1]}
    if deleted:
        data["_ab_cdc_deleted_at"] = moments[1]
    return Message(json.dumps({"_airbyte_data": data}).encode(), {"_stream": "projects"}, "")


def in_namespace(each: Message, namespace: str) -> Message:
    return Message(each.data, {**each.attributes, "_namespace": namespace}, "")


def test_the_subscriber_holds_what_clockify_lists(pipeline: Pipeline) -> None:
    with sqlite3.connect(pipeline.database) as database:
        assert_lists(database, pipeline.rows[1])
    database.close()


def test_the_report_says_nothing_if_everything_has_arrived(pipeline: Pipeline) -> None:
    ended = pipeline.report
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_what_is_no_record_is_told_and_not_acknowledged(pipeline: Pipeline) -> None:
    assert pipeline.left == {bytes(each.data) for each in poison()}
    assert pipeline.subscriber.returncode == 1
    ending = f"subscriber.py: {len(poison())} messages were left\n"
    assert pipeline.subscriber.stderr.endswith(ending)
    told = re.findall(r"^Message \d+ is left: (.*)$", pipeline.subscriber.stderr, re.M)
    assert told == [
        "it is not JSON",
        "it is not JSON",
        "it holds no record",
        "the catalog has no stream 'invoices'",
        "its record lacks a part of the key id",
        "its record lacks the columns of change tracking",
        "its record lacks the columns of change tracking",
        "it is not JSON",
        "it is not JSON",
    ]


ARRANGEMENTS: dict[str, Callable[[list[Message]], list[Message]]] = {
    "in order": lambda messages: messages,
    "backwards": lambda messages: messages[::-1],
    "shuffled and twice": lambda messages: random.Random(1).sample(messages * 2, 2 * len(messages)),
}


@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
@pytest.mark.parametrize("syncs", [1, 2, 3, 4])
def test_messages_merge_in_any_order(
    history: History,
    subscriber: Subscriber,
    syncs: int,
    arrange: Callable[[list[Message]], list[Message]],
) -> None:
    subscriber.merge(arrange(history.until(syncs)))
    assert_lists(subscriber.database, history.rows[syncs - 1])


def test_the_history_holds_what_the_merge_is_for(history: History) -> None:
    _, changed, again, refresh = history.messages
    assert len(changed) == len(again) == 5
    assert sum(b"_ab_cdc_deleted_at" in each.data for each in changed) == 2
    assert not any(b"_ab_cdc_deleted_at" in each.data for each in refresh)
    assert len(history.rows[3]["tasks"]) == len(history.rows[2]["tasks"]) - 1


def test_a_tombstone_that_comes_before_its_record_counts(subscriber: Subscriber) -> None:
    subscriber.merge([message("p", 1, 3, deleted=True), message("q", 1, 1)])
    subscriber.merge([message("p", 1, 2)])
    assert subscriber.ids() == {"q"}
    subscriber.merge([message("p", 1, 4)])
    assert subscriber.ids() == {"p", "q"}


def test_namespaces_are_kept_apart(subscriber: Subscriber) -> None:
    subscriber.merge([in_namespace(message("p", 1, 1), "a"), in_namespace(message("p", 2, 2), "b")])
    subscriber.merge([in_namespace(message("p", 2, 3, deleted=True), "b")])
    assert subscriber.ids(namespace="a") == {"p"}
    assert subscriber.ids(namespace="b") == set()


def test_tombstones_and_void_rows_go_when_the_topic_has_nothing_older(
    subscriber: Subscriber,
) -> None:
    old = [message("lives", 1, 1), message("gone", 1, 2, deleted=True)]
    subscriber.merge(old, NOW - timedelta(days=31))
    subscriber.forget(NOW - timedelta(days=31))
    assert subscriber.kept() == 2
    subscriber.forget(NOW - timedelta(days=30))
    assert subscriber.kept() == 1
    assert subscriber.ids() == {"lives"}
    # A Refresh, of which nothing is left after a while.
    subscriber.merge([message("new", 3, 3), message("new", 3, 4, deleted=True)])
    assert subscriber.kept() == 2
    subscriber.forget(NOW + timedelta(days=1))
    assert subscriber.kept() == 0
    subscriber.merge([message("lives", 1, 2)])
    assert subscriber.ids() == set()


def test_a_refresh_makes_nothing_void_in_another_stream_or_namespace(
    subscriber: Subscriber,
) -> None:
    old = message("p", 1, 1)
    elsewhere = Message(old.data, {"_stream": "tasks"}, "")
    apart = in_namespace(old, "other")
    subscriber.merge([old, elsewhere, apart, message("new", 3, 3)])
    subscriber.forget(NOW + timedelta(days=1))
    assert subscriber.ids() == {"new"}
    assert subscriber.ids("tasks") == {"p"}
    assert subscriber.ids(namespace="other") == {"p"}


def test_the_newer_baseline_counts_before_the_newer_version(
    subscriber: Subscriber, warehouse: "Warehouse"
) -> None:
    # As after a state that was lost while the clock ran back.
    messages = [message("p", 3, 3), message("p", 1, 5)]
    for arranged in (messages, messages[::-1]):
        subscriber.merge(arranged)
        assert subscriber.ids() == {"p"}
    warehouse.add(messages)
    assert warehouse.query("SELECT key FROM clockify.records") == [("p",)]


class Client:
    """A Pub/Sub client that holds one batch, and tells when it is acknowledged."""

    def __init__(self, messages: Iterable[Message], acknowledge: Callable[[], object]) -> None:
        self.received = [
            SimpleNamespace(
                ack_id=f"ack-{number}",
                message=SimpleNamespace(
                    data=each.data,
                    attributes=each.attributes,
                    publish_time=NOW,
                    message_id=str(number),
                ),
            )
            for number, each in enumerate(messages)
        ]
        self.acknowledged: list[str] = []
        self._acknowledge = acknowledge

    def pull(self, **_: Any) -> Any:
        return SimpleNamespace(received_messages=self.received)

    def acknowledge(self, *, subscription: str, ack_ids: list[str]) -> None:
        self._acknowledge()
        self.acknowledged += ack_ids


def test_a_batch_is_acknowledged_after_its_commit(tmp_path: Path) -> None:
    module = load_subscriber()
    streams = module.streams_of(catalog(STREAMS, "incremental"))
    path = tmp_path / "clockify.db"

    def committed() -> int:
        reader = sqlite3.connect(path)
        count: int = reader.execute("SELECT count(*) FROM versions").fetchone()[0]
        reader.close()
        return count

    seen: list[int] = []
    client = Client(
        [message("p", 1, 1), *poison()[:1], message("q", 1, 1)],
        lambda: seen.append(committed()),
    )
    database, refused = module.open_database(path, streams), set[str]()
    assert module.take(client, "s", database, streams, refused, 1)
    assert (seen, client.acknowledged, refused) == ([2], ["ack-0", "ack-2"], {"1"})

    # All or nothing: what cannot be merged is acknowledged by nobody.
    database.execute(
        "CREATE TRIGGER t BEFORE INSERT ON versions WHEN new.key = '[\"r\"]' BEGIN "
        "SELECT raise(ABORT, 'full'); END"
    )
    client = Client([message("new", 1, 1), message("r", 1, 1)], lambda: None)
    with pytest.raises(sqlite3.Error, match="full"):
        module.take(client, "s", database, streams, refused, 1)
    assert (committed(), client.acknowledged) == (2, [])
    database.close()


def test_a_refused_message_that_comes_again_ends_the_run_and_is_told_once(
    subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    client, refused = Client(poison()[:1], lambda: None), set[str]()
    for new in (True, False):
        taken = load_subscriber().take(
            client, "s", subscriber.database, subscriber.streams, refused, 1
        )
        assert taken is new
    assert capsys.readouterr().err.count("is left") == 1


class Uncredited(SubscriberClient):  # type: ignore[misc]
    """A client on a machine without Google's credentials."""

    def __init__(self) -> None:
        error: type[Exception] = DefaultCredentialsError
        raise error("Your default credentials were not found.")


def test_a_message_with_a_version_that_is_no_moment_is_refused(subscriber: Subscriber) -> None:
    with pytest.raises(ValueError, match="does not match format"):
        subscriber.merge([no_moment()])


def test_what_keeps_the_subscriber_from_working_is_told_in_a_sentence(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", place.topic.address)
    made = tmp_path / "catalog.json"

    def told(content: JSON) -> str:
        made.write_text(json.dumps(content))
        line = f"subscriber.py --project p --subscription missing --catalog {made} --once"
        monkeypatch.setattr(sys, "argv", [*line.split(), "--database", str(tmp_path / "a.db")])
        with pytest.raises(SystemExit) as ended:
            load_subscriber().main()
        return str(ended.value)

    good = catalog(["tags"], "incremental")
    assert told(good).startswith("subscriber.py: 404 Resource not found: projects/p/subscriptions/")
    (tags,) = good["streams"]
    keyless = {**tags["stream"], "source_defined_primary_key": []}
    assert "tags of the catalog has no primary key" in told({"streams": [{"stream": keyless}]})
    assert "the catalog has no streams" in told({})
    monkeypatch.setattr(load_subscriber(), "SubscriberClient", Uncredited)
    assert told(good) == "subscriber.py: Your default credentials were not found."


# The views in BigQuery


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    duck = Warehouse()
    yield duck
    duck.close()


@pytest.mark.parametrize("column_type", ["JSON", "VARCHAR"])
@pytest.mark.parametrize("syncs", [1, 2, 3, 4])
def test_the_views_hold_what_clockify_lists(history: History, syncs: int, column_type: str) -> None:
    duck = Warehouse(column_type)
    duck.add(ARRANGEMENTS["shuffled and twice"](history.until(syncs)))
    rows = history.rows[syncs - 1]
    for stream in STREAMS:
        found = duck.query("SELECT record FROM clockify.records WHERE stream = ?", stream)
        records = {row["id"]: row for row in (json.loads(text) for (text,) in found)}
        assert len(found) == len(rows[stream])
        for row in rows[stream]:
            assert comparable(stream, row).items() <= comparable(stream, records[row["id"]]).items()
    assert sorted(
        duck.query(
            "SELECT id, workspaceId, userId, projectId, tagIds, description, billable, "
            "epoch(started_at), epoch(ended_at), seconds, hourlyRateAmount "
            "FROM clockify.time_entries"
        )
    ) == sorted(map(as_columns, rows["time_entries"]))
    duck.close()


def as_columns(entry: JSON) -> tuple[Any, ...]:
    """A time entry as time_entries.sql shows it."""
    start, end = (
        value and datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
        for value in (entry["timeInterval"]["start"], entry["timeInterval"]["end"])
    )
    names = ("id", "workspaceId", "userId", "projectId", "tagIds", "description", "billable")
    rate = (entry["hourlyRate"] or {}).get("amount")
    return (*(entry[name] for name in names), start, end, end and end - start, rate)


def test_the_views_keep_namespaces_apart(warehouse: Warehouse) -> None:
    first, second = message("p", 1, 1), message("p", 2, 2)
    warehouse.add([in_namespace(first, "a"), in_namespace(second, "b"), second])
    warehouse.add([in_namespace(message("p", 2, 3, deleted=True), "b")])
    assert sorted(warehouse.query("SELECT namespace, key FROM clockify.records")) == [
        ("", "p"),
        ("a", "p"),
    ]


def test_the_keys_in_the_view_are_those_of_the_catalog(warehouse: Warehouse) -> None:
    keys = {
        each["name"]: [column for (column,) in each["source_defined_primary_key"]]
        for each in discovered()
    }
    # Receipts are told apart by their version.
    (_, version_column) = keys.pop("sync_log")
    assert version_column == "_ab_cdc_updated_at"
    columns = sorted({column for key in keys.values() for column in key})
    version = "2026-11-24T09:00:00.000Z"
    versions = {"_ab_cdc_baseline_at": version, "_ab_cdc_updated_at": version}
    for stream, key in keys.items():
        record = {**dict.fromkeys(columns, "same"), **versions}
        records = [{**record, column: "other"} for column in columns]
        # Without a part of its key it is no record.
        records += [{name: record[name] for name in record if name != column} for column in key]
        warehouse.add(
            Message(json.dumps({"_airbyte_data": each}).encode(), {"_stream": stream}, "")
            for each in records
        )
    found = warehouse.query("SELECT stream, count(*) FROM clockify.records GROUP BY stream")
    # One for each part of the key that differs, and one for all that differ elsewhere.
    assert dict(found) == {stream: len(key) + 1 for stream, key in keys.items()}


def test_what_is_no_record_is_left_out_of_the_views(warehouse: Warehouse) -> None:
    warehouse.add([message("p", 1, 1)])
    (_, _, no_record, _, no_key, no_version, *_) = poison()
    warehouse.add([no_moment()])
    half = {"id": "half a version", "_ab_cdc_baseline_at": "2026-11-24T01:00:00.000Z"}
    no_half = Message(json.dumps({"_airbyte_data": half}).encode(), {"_stream": "projects"}, "")
    warehouse.add([no_record, no_key, no_version, no_half])
    assert warehouse.query("SELECT key FROM clockify.records") == [("p",)]


# All of them


def test_the_scripts_have_no_findings() -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    ended = subprocess.run([shellcheck, SYNC], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


def test_the_readme_lists_every_example() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    linked = {target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target}
    for target in linked:
        assert (EXAMPLES / target).exists(), target
    files = {path for path in EXAMPLES.rglob("*") if path.suffix in {".sh", ".py", ".sql", ".tf"}}
    within = {EXAMPLES / target for target in linked}
    assert [path for path in files if not within & {path, *path.parents}] == []
