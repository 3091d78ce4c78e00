"""What `read` shows on standard error, by where its streams go."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clockify_sandbox.client import start
from integration_tests.airbyte import catalog, config_of
from integration_tests.terminal import COLUMNS, Screen, run_on_terminal

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("source-clockify")
# The audit log is not on the plan, so there is a warning and a stream with gaps.
STREAMS = ("projects", "tags", "audit_log")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str | Path]]:
    """The command line of a read."""
    folder = tmp_path_factory.mktemp("files")
    with start(users=2, entries=1, projects=3, plan="PRO") as sandbox:
        (folder / "config.json").write_text(json.dumps(config_of(sandbox)))
        (folder / "catalog.json").write_text(json.dumps(catalog(STREAMS, "incremental")))
        files: list[str | Path] = ["--config", folder / "config.json"]
        yield [COMMAND, "read", *files, "--catalog", folder / "catalog.json"]


def without_terminal(line: Sequence[str | Path], stdout: Path | None = None) -> tuple[str, str]:
    """What a command prints to a file or a pipe, and to a pipe as standard error."""
    if stdout is None:
        process = subprocess.run(line, capture_output=True, text=True, check=True)
        return process.stdout, process.stderr
    with stdout.open("w") as file:
        process = subprocess.run(line, stdout=file, stderr=subprocess.PIPE, text=True, check=True)
    return stdout.read_text(), process.stderr


def assert_messages(printed: str) -> None:
    assert [json.loads(line)["type"] for line in printed.splitlines()].count("RECORD") == 8 + 3


def assert_lines(shown: str) -> None:
    """It is the log, as text without control sequences."""
    assert re.search(r"^\d\d:\d\d:\d\dZ tags: complete\. 8 records", shown, re.M)
    assert re.search(r"^\d\d:\d\d:\d\dZ WARNING: Workspace .* audit_log", shown, re.M)
    assert re.search(r"^total +11 ", shown, re.M)
    assert "\x1b" not in shown
    assert "{" not in shown


def test_on_a_terminal_a_live_table_becomes_the_table_of_the_end(
    command: list[str | Path], tmp_path: Path
) -> None:
    session = run_on_terminal(command, stdout=tmp_path / "messages.jsonl")

    assert session.code == 0
    assert_messages((tmp_path / "messages.jsonl").read_text())
    assert "Starting ..." in session.text
    assert "streams complete; " in session.text
    lines = [line for line in session.screen() if line]
    assert lines[0].startswith("WARNING: Workspace ")
    head = [line.split()[0] for line in lines].index("stream")
    assert [line.split()[0] for line in lines[head + 1 :]] == [*STREAMS, "workspaces", "total"]
    assert max(map(len, lines)) <= COLUMNS
    assert re.search(r"\x1b\[[\d;]*3[13]m", session.text)
    # The cursor is seen again right after the table has begun.
    assert session.text.find("\x1b[?25h") < session.text.find("Starting")


def test_no_color_is_respected(command: list[str | Path], tmp_path: Path) -> None:
    session = run_on_terminal(
        command, stdout=tmp_path / "messages.jsonl", environment={"NO_COLOR": "1"}
    )

    assert "audit_log" in session.text
    assert not re.search(r"\x1b\[[\d;]*3\dm", session.text)


def test_a_dumb_terminal_gets_lines(command: list[str | Path], tmp_path: Path) -> None:
    session = run_on_terminal(
        command, stdout=tmp_path / "messages.jsonl", environment={"TERM": "dumb"}
    )

    assert_lines(session.text.replace("\r\n", "\n"))


def test_with_the_messages_on_the_terminal_there_is_nothing_else(
    command: list[str | Path],
) -> None:
    assert_messages(run_on_terminal(command).text)


def test_with_the_messages_in_a_file_standard_error_gets_lines(
    command: list[str | Path], tmp_path: Path
) -> None:
    printed, shown = without_terminal(command, tmp_path / "messages.jsonl")

    assert_messages(printed)
    assert_lines(shown)


def test_between_two_pipes_there_are_messages_only(command: list[str | Path]) -> None:
    printed, shown = without_terminal(command)

    assert_messages(printed)
    assert shown == ""


@pytest.mark.parametrize("mode", ["plain", "live"])
def test_lines_can_be_asked_for(command: list[str | Path], mode: str) -> None:
    """A table needs a terminal."""
    printed, shown = without_terminal([*command, "--progress", mode])

    assert_messages(printed)
    assert_lines(shown)


def test_nothing_can_be_asked_for(command: list[str | Path], tmp_path: Path) -> None:
    session = run_on_terminal([*command, "--progress=none"], stdout=tmp_path / "messages.jsonl")

    assert session.text == ""


def test_an_error_is_shown_where_the_progress_is(command: list[str | Path], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"credentials": {"auth_type": "api_key", "api_key": ""}}))
    line = [config if str(part).endswith("config.json") else part for part in command]

    session = run_on_terminal(line, stdout=tmp_path / "messages.jsonl")

    assert session.code == 1
    assert any(line.startswith(("ERROR: ", "CRITICAL: ")) for line in session.screen())


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[list[str | Path]]:
    """The command line of a read whose last stream never ends."""
    with start(users=2, entries=1, projects=3, plan="PRO") as sandbox:
        sandbox.fault({"delay": 600}, path=".*/tags")
        (tmp_path / "config.json").write_text(json.dumps(config_of(sandbox)))
        (tmp_path / "catalog.json").write_text(json.dumps(catalog(STREAMS, "incremental")))
        files: list[str | Path] = ["--config", tmp_path / "config.json"]
        yield [COMMAND, "read", *files, "--catalog", tmp_path / "catalog.json"]


ENDED = (
    "source-clockify: Ended by SIGINT. The state of all complete data was sent; the next sync "
    "continues from it.\r\n"
)


def test_an_interrupted_table_becomes_the_table_of_the_end_and_a_sentence(
    hanging: list[str | Path], tmp_path: Path
) -> None:
    output = tmp_path / "messages.jsonl"

    session = run_on_terminal(hanging, stdout=output, interrupted_at="2 of 3 streams complete")

    assert session.code == 130
    assert session.text.count(ENDED) == 1
    assert session.text.endswith(ENDED)
    lines = [line for line in session.screen() if line]
    assert not [line for line in lines if "streams complete; " in line]
    (total,) = [place for place, line in enumerate(lines) if line.startswith("total ")]
    assert "".join(lines[total + 1 :]).startswith("source-clockify: Ended by SIGINT.")
    assert ENDED.strip().endswith(json.loads(output.read_text().splitlines()[-1])["log"]["message"])


def test_interrupted_lines_end_with_a_sentence(hanging: list[str | Path], tmp_path: Path) -> None:
    session = run_on_terminal(
        [*hanging, "--progress=plain"],
        stdout=tmp_path / "messages.jsonl",
        interrupted_at="projects: complete.",
    )

    assert session.code == 130
    assert session.text.endswith("\r\n" + ENDED)


def test_a_narrow_terminal_shows_what_each_stream_does(
    command: list[str | Path], tmp_path: Path
) -> None:
    session = run_on_terminal(command, stdout=tmp_path / "messages.jsonl", columns=80)

    assert session.code == 0
    shown = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", session.text)
    assert re.search(r"stream +records +partitions +status", shown)
    assert re.search(r"^projects +3 .*complete", shown, re.M)


def test_an_unknown_mode_is_refused(command: list[str | Path]) -> None:
    process = subprocess.run(
        [*command, "--progress", "loud"], capture_output=True, text=True, check=False
    )

    assert process.returncode == 2
    assert "'auto', 'live', 'plain', 'none'" in re.sub(r"\b(\w+)\b", r"\1", process.stderr)


def test_a_screen_overwrites_what_is_erased() -> None:
    screen = Screen(columns=4)
    screen.feed("one\r\ntwo\r\x1b[2K\x1b[1A\x1b[2K\x1b[1mun\x1b[0m\r\ndeux!")

    assert screen.shown() == ["un", "deux", "!"]
