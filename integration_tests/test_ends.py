"""A command that is ended by a signal or by its output, in each situation that it may be in."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import config_of
from integration_tests.commands import (
    PATIENCE,
    Ended,
    Running,
    in_namespace,
    start_command,
    until,
)

LONG = 600
SIGNALS = {"SIGTERM": 143, "SIGHUP": 129, "SIGINT": 130}

requires_namespace = pytest.mark.skipif(
    not in_namespace(), reason="unshare may not make a PID namespace here"
)
places = pytest.mark.parametrize(
    "namespace",
    [False, pytest.param(True, marks=requires_namespace)],
    ids=["outside", "as process 1"],
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with start(users=3, entries=40, projects=3, plan="PRO") as server:
        yield server


@pytest.fixture(scope="module")
def large() -> Iterator[Sandbox]:
    """An account that takes a while to read."""
    with start(users=4, entries=6_000, plan="PRO") as server:
        yield server


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Return what starts a command; what still runs at the end of the test is killed."""
    started: list[Running] = []

    def start_one(*arguments: Any, **how: Any) -> Running:
        started.append(start_command(tmp_path / str(len(started)), *arguments, **how))
        return started[-1]

    yield start_one
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        if running.process.stdout is not None:
            running.process.stdout.close()


Begin = Callable[..., Running]


def assert_ended(ended: Ended, name: str) -> None:
    assert ended.code == SIGNALS[name], ended.error
    assert ended.left == []
    assert ended.last.startswith(f"Ended by {name}")
    assert ended.error == ""


def never_answer(sandbox: Sandbox, *paths: str) -> Callable[[], bool]:
    """Let some requests wait for their answer; returns what tells whether all were sent."""
    # Those of a test before may never have been sent.
    sandbox.clear_faults()
    for path in paths:
        sandbox.fault({"delay": LONG}, path=path)
    return lambda: all(fault["hits"] for fault in sandbox.faults())


# While records are read -------------------------------------------------------------------------


STREAMS = ["tags", "time_entries", "webhooks", "sync_log"]


def begin_with_a_slow_user(sandbox: Sandbox, begin: Begin, **how: Any) -> tuple[Running, str]:
    """Read until only the entries of one user are missing; returns their id too."""
    slow: str = sandbox.rows("users")[-1]["id"]
    # With two workers the webhooks are requested once all other entries were read.
    hang = never_answer(sandbox, f".*/user/{slow}/time-entries", ".*/webhooks")
    running = begin("read", config_of(sandbox, num_workers=2), STREAMS, **how)
    running.make_room()
    running.wait_for_line("webhooks: no state,")
    until(hang)
    return running, slow


@places
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_a_sync_with_its_states_and_without_receipts(
    sandbox: Sandbox, begin: Begin, name: str, namespace: bool
) -> None:
    running, _ = begin_with_a_slow_user(sandbox, begin, namespace=namespace)

    ended = running.end(signal.Signals[name])

    assert_ended(ended, name)
    assert "The state of all complete data was sent" in ended.last
    states = {each["stream"]["stream_descriptor"]["name"] for each in ended.states}
    assert states == {"time_entries", "tags"}
    sent = {each["record"]["stream"] for each in ended.messages if each["type"] == "RECORD"}
    assert sent == {"time_entries", "tags"}


def test_the_next_sync_goes_on_from_what_a_signal_left(sandbox: Sandbox, begin: Begin) -> None:
    running, slow = begin_with_a_slow_user(sandbox, begin)
    ended = running.end(signal.SIGTERM)
    sandbox.clear_faults()

    resumed = begin("read", config_of(sandbox), STREAMS, state=ended.states).end()

    assert resumed.code == 0, resumed.error
    sent = [each["record"] for each in resumed.messages if each["type"] == "RECORD"]
    assert {each["data"]["userId"] for each in sent if each["stream"] == "time_entries"} == {slow}
    # The killed sync, and this one.
    receipts = [
        each["data"]["status"]
        for each in sent
        if each["stream"] == "sync_log" and each["data"]["stream"] == "time_entries"
    ]
    assert receipts == ["incomplete", "complete"]


def test_a_state_follows_the_records_that_it_speaks_of(large: Sandbox, begin: Begin) -> None:
    running = begin("read", config_of(large), ["time_entries"])
    running.wait_for_line('"type":"RECORD"')

    ended = running.end(signal.SIGTERM)

    assert_ended(ended, "SIGTERM")
    seen = [each["type"] for each in ended.messages]
    assert seen.index("RECORD") < len(seen) - 1
    # What the state says was sent, and what was sent before it.
    resumed = begin("read", config_of(large), ["time_entries"], state=ended.states).end()
    ids = {
        each["record"]["data"]["id"]
        for each in [*ended.messages, *resumed.messages]
        if each["type"] == "RECORD"
    }
    assert ids == {row["id"] for row in large.rows("time_entries")}


@places
def test_a_reader_that_sleeps_keeps_no_sync_alive_and_finds_no_cut_line(
    large: Sandbox, begin: Begin, namespace: bool
) -> None:
    running = begin("read", config_of(large), ["time_entries"], namespace=namespace)
    until(lambda: waiting_in(running) >= 40_000)

    ended = running.end(signal.SIGTERM, reads=False)

    assert ended.code == 143
    assert ended.left == []
    assert len(ended.messages) > 30


def test_a_line_longer_than_a_pipe_is_not_cut_either(sandbox: Sandbox, begin: Begin) -> None:
    workspace = sandbox.workspaces[0]["id"]
    for _ in range(3):
        sandbox.create(workspace, "tags", {"name": "x" * 200_000})
    running = begin("read", config_of(sandbox), ["tags"])
    until(lambda: waiting_in(running) >= 50_000)

    ended = running.end(signal.SIGTERM, reads=False)

    assert ended.code == 143
    assert any(len(json.dumps(message)) > 200_000 for message in ended.messages)


def waiting_in(running: Running) -> int:
    """How many bytes its output holds that were not read."""
    assert running.process.stdout is not None
    held = fcntl.ioctl(running.process.stdout.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(held, "little")


# In other situations ----------------------------------------------------------------------------


def importing(sandbox: Sandbox, begin: Begin, how: JSON) -> Running:
    # On a busy machine it would otherwise end before the signal.
    never_answer(sandbox, ".*/workspaces")
    running = begin("read", config_of(sandbox), ["tags"], **how)
    until(running.blocks_signals)
    return running


def reading_parents(sandbox: Sandbox, begin: Begin, how: JSON) -> Running:
    hangs = never_answer(sandbox, ".*/workspaces")
    running = begin("read", config_of(sandbox), ["tags"], **how)
    until(hangs)
    return running


def checking(sandbox: Sandbox, begin: Begin, how: JSON) -> Running:
    hangs = never_answer(sandbox, ".*/workspaces")
    running = begin("check", config_of(sandbox), **how)
    until(hangs)
    return running


def retrying(sandbox: Sandbox, begin: Begin, how: JSON) -> Running:
    sandbox.fault({"status": 503}, path=".*/tags")
    running = begin("read", config_of(sandbox), ["tags"], **how)
    until(lambda: sandbox.faults()[0]["hits"] > 0)
    return running


def waiting_for_the_budget(sandbox: Sandbox, begin: Begin, how: JSON) -> Running:
    for _ in range(35):
        sandbox.create(sandbox.workspaces[0]["id"], "projects")
    settings = config_of(sandbox, plan="free")
    sandbox.clear_requests()
    running = begin("read", settings, ["project_custom_fields"], **how)
    until(lambda: len(sandbox.requests()) >= 30)
    return running


SITUATIONS = [importing, reading_parents, checking, retrying, waiting_for_the_budget]


@places
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_signal_ends_the_command_whatever_it_is_doing(
    sandbox: Sandbox,
    begin: Begin,
    situation: Callable[[Sandbox, Begin, JSON], Running],
    namespace: bool,
) -> None:
    running = situation(sandbox, begin, {"namespace": namespace})

    assert_ended(running.end(signal.SIGTERM), "SIGTERM")


@pytest.mark.parametrize("command", ["catalog", "probe"])
def test_a_signal_ends_the_other_commands_with_a_line_on_standard_error(
    sandbox: Sandbox, begin: Begin, command: str
) -> None:
    sandbox.fault({"delay": LONG})
    running = begin(command, config_of(sandbox))
    until(running.blocks_signals)

    ended = running.end(signal.SIGTERM)

    assert (ended.code, ended.lines, ended.left) == (143, [""], [])
    assert ended.error.endswith("source-clockify: Ended by SIGTERM.\n")


def test_what_nohup_ignores_stays_ignored(sandbox: Sandbox, begin: Begin) -> None:
    hangs = never_answer(sandbox, ".*/tags")

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    running = begin("read", config_of(sandbox), ["tags"], preexec_fn=ignore)
    until(hangs)
    os.kill(running.pid, signal.SIGHUP)

    assert running.end(signal.SIGTERM).code == 143


# The output -------------------------------------------------------------------------------------

CLOSED = "source-clockify: The reader closed the output before the command had finished.\n"


def test_a_reader_that_has_read_enough_ends_the_sync(large: Sandbox, begin: Begin) -> None:
    running = begin("read", config_of(large), ["time_entries"])
    assert running.process.stdout is not None
    running.process.stdout.readline()
    running.process.stdout.close()

    assert running.process.wait(PATIENCE) == 1
    assert running.error() == CLOSED


def test_a_reader_that_goes_away_is_noticed_while_nothing_is_written(
    sandbox: Sandbox, begin: Begin
) -> None:
    hangs = never_answer(sandbox, ".*/tags")
    running = begin("read", config_of(sandbox), ["tags"])
    until(hangs)
    assert running.process.stdout is not None
    running.process.stdout.close()

    assert running.process.wait(PATIENCE) == 1
    assert running.error() == CLOSED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["spec", "check", "discover", "read", "catalog"])
def test_a_full_disk_is_told_in_a_line(sandbox: Sandbox, begin: Begin, command: str) -> None:
    with open("/dev/full", "wb") as full:
        running = begin(command, config_of(sandbox), ["tags"], stdout=full)
        ended = running.process.wait(PATIENCE)

    assert ended == 1
    told = running.error()
    assert told.startswith("source-clockify: No space left on the device of the output (/dev/full)")
    assert told.count("\n") == 1


LOCALES = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ASCII": {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.mark.parametrize("locale", LOCALES)
def test_the_output_is_utf_8_whatever_the_locale(
    sandbox: Sandbox, begin: Begin, locale: str
) -> None:
    name = "Zeit — 時間 🕒"
    sandbox.create(sandbox.workspaces[0]["id"], "tags", {"name": name})
    inherited = dict.fromkeys(("PYTHONUTF8", "PYTHONIOENCODING"), "")
    environment = {**inherited, **LOCALES[locale]}

    ended = begin("read", config_of(sandbox), ["tags"], environment=environment).end()

    assert (ended.code, ended.error) == (0, "")
    sent = [each["record"]["data"]["name"] for each in ended.messages if each["type"] == "RECORD"]
    assert name in sent
    assert name in "\n".join(ended.lines)


def test_no_line_waits_for_the_next_one(sandbox: Sandbox, begin: Begin) -> None:
    hangs = never_answer(sandbox, ".*/webhooks")
    running = begin("read", config_of(sandbox), ["tags", "webhooks"])
    until(hangs)

    for _ in sandbox.rows("tags"):
        running.wait_for_line('"type":"RECORD"', '"stream":"tags"')

    assert running.process.poll() is None


def test_no_file_is_written_while_a_sync_runs(sandbox: Sandbox, begin: Begin) -> None:
    hangs = never_answer(sandbox, ".*/webhooks")
    running = begin("read", config_of(sandbox), ["time_entries", "tasks", "webhooks"])
    running.make_room()
    running.wait_for_line("webhooks: no state,")
    until(hangs)

    assert [*(running.folder / "tmp").iterdir()] == []
    opened = [os.readlink(path) for path in Path(f"/proc/{running.pid}/fd").iterdir()]
    assert not [path for path in opened if "sqlite" in path]


# Standard files that are closed -----------------------------------------------------------------


def shell(line: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command by a shell, which closes its standard files."""
    command = Path(sys.executable).with_name("source-clockify")
    return subprocess.run(
        ["sh", "-c", line, "sh", str(command), *arguments], capture_output=True, timeout=120
    )


def test_notes_never_get_into_the_output_where_standard_error_is_closed(tmp_path: Path) -> None:
    messages = tmp_path / "messages.jsonl"
    stream = {"stream_descriptor": {"name": "tags"}, "stream_state": {"a": 1}}
    state = {"type": "STATE", "state": {"type": "STREAM", "stream": stream}}
    messages.write_text(f'{json.dumps(state)}\n{{"type":"STATE","state":{{')

    ended = shell('"$1" state "$2" 2>&-', str(messages))

    assert ended.returncode == 0
    assert json.loads(ended.stdout) == [state["state"]]


def test_a_catalog_needs_no_standard_error(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    credentials = {"auth_type": "api_key", "api_key": "a" * 40}
    config.write_text(json.dumps({"credentials": credentials}))

    ended = shell('"$1" catalog --config "$2" tags 2>&-', str(config))

    assert ended.returncode == 0
    assert [each["stream"]["name"] for each in json.loads(ended.stdout)["streams"]] == ["tags"]


def test_a_closed_output_is_told(tmp_path: Path) -> None:
    ended = shell('"$1" spec >&-')

    assert ended.returncode == 1
    assert ended.stderr == b"source-clockify: There is no standard output to write to.\n"
