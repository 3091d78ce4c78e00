"""The command source-clockify."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.run import main, source_of
from unit_tests.clockify import (
    KEY,
    STREAMS,
    WORKSPACE,
    Clockify,
    catalog,
    config,
    entry,
    hours_ago,
    read,
    records,
    rows,
    statuses,
)
from unit_tests.protocol import error_messages

ROOT = Path(__file__).parent.parent


@pytest.fixture
def command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Return what runs a command with files and returns the messages on stdout."""

    def run_command(name: str, /, **contents: Any) -> list[dict[str, Any]]:
        arguments = [name]
        for option, content in contents.items():
            file = tmp_path / f"{option}.json"
            file.write_text(content if isinstance(content, str) else json.dumps(content))
            arguments += [f"--{option}", str(file)]
        assert main(arguments) == 0
        return [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.strip()]

    return run_command


def catalog_of(*streams: str, incremental: bool = False) -> Any:
    return ConfiguredAirbyteCatalogSerializer.dump(catalog(*streams, incremental=incremental))


def test_spec_needs_no_file(command: Any) -> None:
    messages = command("spec")

    (spec,) = [message["spec"] for message in messages if message["type"] == "SPEC"]
    assert spec["connectionSpecification"]["required"] == ["credentials"]
    assert spec["documentationUrl"].startswith("https://")


def test_check_reports_success(clockify: Clockify, command: Any) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    messages = command("check", config=config())

    (status,) = [m["connectionStatus"] for m in messages if m["type"] == "CONNECTION_STATUS"]
    assert status["status"] == "SUCCEEDED"


def test_discover_sends_no_request(clockify: Clockify, command: Any) -> None:
    messages = command("discover", config=config())

    (found,) = [message["catalog"] for message in messages if message["type"] == "CATALOG"]
    assert set(STREAMS) <= {stream["name"] for stream in found["streams"]}
    assert clockify.sent() == []


def test_read_continues_from_a_state_file(clockify: Clockify, command: Any) -> None:
    clockify.workspaces()
    entries = [entry("new", hours_ago(1)), entry("old", hours_ago(2000), hours_ago(1999))]
    clockify.serve("time_entries", entries)
    selected = catalog_of("time_entries", incremental=True)
    first = command("read", config=config(), catalog=selected)
    state = [message["state"] for message in first if message["type"] == "STATE"][-1:]
    clockify.serve("time_entries", [entry("newest", hours_ago(0)), *entries])

    second = command("read", config=config(), catalog=selected, state=state)

    for messages, expected in ((first, {"new", "old"}), (second, {"newest"})):
        found = {m["record"]["data"]["id"] for m in messages if m["type"] == "RECORD"}
        assert found == expected


def test_read_selects_only_the_streams_of_the_catalog(clockify: Clockify, command: Any) -> None:
    clockify.workspaces()
    clockify.listing("tags", rows(2))

    messages = command("read", config=config(), catalog=catalog_of("tags"))

    assert {m["record"]["stream"] for m in messages if m["type"] == "RECORD"} == {"tags"}


@pytest.mark.parametrize("others", [(), ("tags",), ("sync_log",), ("tags", "sync_log")], ids=str)
@pytest.mark.parametrize("tracked", [True, False])
def test_a_stream_that_does_not_exist_is_named_and_fails_the_sync(
    clockify: Clockify, others: tuple[str, ...], tracked: bool
) -> None:
    clockify.workspaces()
    clockify.users("u")
    clockify.serve("tags", rows(2))

    output = read(
        *others, "no_such", with_config=config(track_changes=tracked), incremental=tracked
    )

    unknown = "no_such" if tracked or "sync_log" not in others else "no_such, sync_log"
    (message,) = error_messages(output)
    assert f"streams that do not exist: {unknown}." in message
    assert statuses(output, "no_such") == ["INCOMPLETE"]
    if "tags" in others:
        assert statuses(output, "tags")[-1] == "COMPLETE"
        assert len(records(output, "tags")) == 2


def test_an_unknown_stream_is_named_beside_the_failure_of_another(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    clockify.answer(
        f"/workspaces/{WORKSPACE}/tags", {"status_code": 400, "json": {"message": "No"}}
    )

    output = read("tags", "no_such", with_config=config())

    assert [each for each in error_messages(output) if "do not exist: no_such" in each]
    assert statuses(output, "tags")[-1] == "INCOMPLETE"


def test_every_line_of_stdout_is_a_message(clockify: Clockify, command: Any) -> None:
    """Airbyte takes anything else for a log line, and a broken record is lost."""
    clockify.serve_everything()
    refusal = {"status_code": 403, "json": {"message": "Access Denied"}}
    clockify.answer(f"/workspaces/{WORKSPACE}/custom-fields", refusal)
    settings = config(start_date="2026-11-01T00:00:00Z", num_workers=8)

    messages = command("read", config=settings, catalog=catalog_of(*STREAMS))

    assert {message["type"] for message in messages} <= {"LOG", "RECORD", "STATE", "TRACE"}
    (warning,) = [m["log"] for m in messages if m.get("log", {}).get("level") == "WARN"]
    assert "custom_fields (" in warning["message"]


@pytest.mark.parametrize("broken", ["config", "catalog", "state"])
@pytest.mark.parametrize("content", [None, "{broken"], ids=["missing", "no JSON"])
def test_a_file_that_cannot_be_read_is_a_config_error(
    tmp_path: Path, broken: str, content: str | None
) -> None:
    arguments = ["read"]
    contents: dict[str, Any] = {"config": config(), "catalog": catalog_of("tags"), "state": []}
    for option, value in contents.items():
        file = tmp_path / f"{option}.json"
        if option != broken:
            file.write_text(json.dumps(value))
        elif content is not None:
            file.write_text(content)
        arguments += [f"--{option}", str(file)]

    with pytest.raises(AirbyteTracedException) as raised:
        source_of(arguments)

    assert raised.value.failure_type is FailureType.config_error
    assert "cannot be read" in str(raised.value.message)
    assert KEY not in str(raised.value.message)


def test_an_older_configuration_is_announced_and_its_file_left_alone(
    clockify: Clockify, command: Any, tmp_path: Path
) -> None:
    clockify.workspaces()
    older = {"api_key": KEY, "workspace_id": WORKSPACE}

    messages = command("read", config=older, catalog=catalog_of("workspaces"))

    (control,) = [message["control"] for message in messages if message["type"] == "CONTROL"]
    assert control["connectorConfig"]["config"] == config(workspace_ids=[WORKSPACE])
    assert json.loads((tmp_path / "config.json").read_text()) == older
    assert len([message for message in messages if message["type"] == "RECORD"]) == 1


def test_the_image_runs_the_same_command() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "main.py"), "spec"], capture_output=True)

    assert b'"type":"SPEC"' in done.stdout
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be blocked")
def test_the_image_keeps_a_signal_that_comes_while_modules_are_imported(tmp_path: Path) -> None:
    """Process 1 would not get it: `docker stop` just after the start would wait and kill."""
    (tmp_path / "main.py").write_text((ROOT / "main.py").read_text())
    (tmp_path / "source_clockify").mkdir()
    (tmp_path / "source_clockify" / "__init__.py").touch()
    # It is sent to itself while it is imported; the process would end if that were not blocked.
    (tmp_path / "source_clockify" / "run.py").write_text(
        "import os, signal\n"
        "for number in (signal.SIGTERM, signal.SIGHUP):\n"
        "    os.kill(os.getpid(), number)\n"
        "def run():\n"
        "    print(*sorted(each.name for each in signal.sigpending()))\n"
    )

    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True)

    assert (done.returncode, done.stdout.split()) == (0, [b"SIGHUP", b"SIGTERM"])


def test_the_image_starts_python_without_a_shell() -> None:
    """A shell as process 1 would not pass on the SIGTERM of `docker stop`."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert 'ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]' in lines
    assert not [line for line in lines if line.startswith(("STOPSIGNAL", "CMD"))]


# The command line -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: command"),
        (["sync"], "invalid choice: 'sync'"),
        (["read"], "the following arguments are required: --config, --catalog"),
        (["check", "--config"], "argument --config: expected one argument"),
        (["catalog"], "the following arguments are required: --config"),
        (["state"], "the following arguments are required: FILE"),
        (["spec", "--config", "config.json"], "unrecognized arguments: --config config.json"),
        (["read", "--config=c", "--catalog=c", "--manifest-path=m"], "has its own manifest"),
        (["probe"], "the following arguments are required: --config"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_with_the_usage(
    capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2

    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: source-clockify")
    assert said in printed.err
    assert "Traceback" not in printed.err


def test_the_version_and_the_help_are_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == main(["--help"]) == 0

    printed = capfd.readouterr().out
    assert printed.startswith("source-clockify 0.")
    for name in ("spec", "check", "discover", "read", "catalog", "state", "probe"):
        assert f"\n    {name} " in printed


# The catalog ------------------------------------------------------------------------------------


@pytest.fixture
def catalog_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Return what runs the command `catalog`: exit code, standard output, standard error."""

    def run_command(settings: Any, *arguments: str) -> tuple[int, str, str]:
        file = tmp_path / "config.json"
        file.write_text(json.dumps(settings))
        code = main(["catalog", "--config", str(file), *arguments])
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run_command


def test_a_catalog_selects_every_stream_incremental_and_append(catalog_command: Any) -> None:
    code, out, err = catalog_command(config())

    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    made = json.loads(out)["streams"]
    names = [each["stream"]["name"] for each in made]
    assert {*STREAMS, "sync_log"} <= {*names}
    assert len(names) == len({*names})
    for each in made:
        assert each["sync_mode"] == "incremental"
        assert each["destination_sync_mode"] == "append"
        assert each["primary_key"] == each["stream"]["source_defined_primary_key"] != []
        assert each["cursor_field"] == ["_ab_cdc_updated_at"]


def test_a_catalog_of_named_streams_is_what_read_reads(
    clockify: Clockify, command: Any, catalog_command: Any
) -> None:
    clockify.workspaces()
    clockify.users("u")
    clockify.listing("tags", rows(2))
    _, out, _ = catalog_command(config(), "tags")

    messages = command("read", config=config(), catalog=out)

    assert {m["record"]["stream"] for m in messages if m["type"] == "RECORD"} == {"tags"}
    assert [m for m in messages if m["type"] == "STATE"]


def test_a_catalog_in_full_refresh_has_no_cursor(catalog_command: Any) -> None:
    _, out, _ = catalog_command(config(), "--full-refresh", "tags")

    (made,) = json.loads(out)["streams"]
    assert (made["sync_mode"], made["destination_sync_mode"]) == ("full_refresh", "append")
    assert "cursor_field" not in made


def test_without_tracking_a_catalog_is_incremental_where_a_stream_is(
    catalog_command: Any,
) -> None:
    _, out, _ = catalog_command(config(track_changes=False), "tags", "detailed_report")

    modes = {each["stream"]["name"]: each["sync_mode"] for each in json.loads(out)["streams"]}
    assert modes == {"tags": "full_refresh", "detailed_report": "incremental"}


def test_an_unknown_stream_of_a_catalog_is_told_with_similar_names(catalog_command: Any) -> None:
    code, out, err = catalog_command(config(), "time_entry", "nothing_like_it")

    assert (code, out) == (1, "")
    assert "There is no stream time_entry. Similar names: time_entries" in err
    assert "There is no stream nothing_like_it." in err


def test_a_catalog_never_prints_the_key(catalog_command: Any) -> None:
    for settings in ({"api_key": KEY}, config(plan=KEY), {"credentials": KEY}):
        code, out, err = catalog_command(settings, "tags")
        assert KEY not in out + err
        assert code == (0 if "api_key" in settings else 1)
        assert err.count("\n") == code


# The state --------------------------------------------------------------------------------------


def state_of(stream: str, number: int) -> dict[str, Any]:
    inner = {"stream_descriptor": {"name": stream}, "stream_state": {"number": number}}
    return {"type": "STREAM", "stream": inner, "sourceStats": {"recordCount": 1.0}}


def printed_state(stream: str, number: int) -> str:
    return json.dumps({"type": "STATE", "state": state_of(stream, number)})


@pytest.fixture
def state_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Return what runs the command `state` on lines: exit code, states, standard error."""

    def run_command(text: str, *arguments: str) -> tuple[int, Any, str]:
        file = tmp_path / "messages.jsonl"
        file.write_text(text)
        code = main(["state", str(file), *arguments])
        printed = capfd.readouterr()
        return code, json.loads(printed.out) if printed.out else None, printed.err

    return run_command


def test_the_state_is_the_last_of_each_stream_among_other_lines(state_command: Any) -> None:
    lines = [
        printed_state("tags", 1),
        "Pulling the image ...",
        json.dumps({"type": "RECORD", "record": {"stream": "tags", "data": {"n": "STATE"}}}),
        printed_state("users", 2),
        printed_state("tags", 3),
        "[" * 100_000 + "STATE",
    ]

    code, states, err = state_command("\n".join(lines) + "\n")

    assert (code, err) == (0, "")
    assert states == [state_of("users", 2), state_of("tags", 3)]


def test_a_state_whose_line_is_cut_off_is_left_out_and_told(state_command: Any) -> None:
    code, states, err = state_command(
        f"{printed_state('tags', 1)}\n{printed_state('tags', 2)[:-9]}"
    )

    assert (code, states) == (0, [state_of("tags", 1)])
    assert "line 2: a STATE message is cut off, so it is skipped." in err


def test_streams_that_sent_no_state_keep_the_previous_one(
    state_command: Any, tmp_path: Path
) -> None:
    previous = tmp_path / "state.json"
    previous.write_text(json.dumps([state_of("tags", 1), state_of("users", 1)]))

    assert state_command(printed_state("tags", 2), "--previous", str(previous))[1] == [
        state_of("users", 1),
        state_of("tags", 2),
    ]
    code, states, err = state_command("no state", "--previous", str(previous))
    assert (code, states) == (0, [state_of("tags", 1), state_of("users", 1)])
    assert "There is no STATE message in" in err


def test_without_any_state_nothing_is_printed_in_its_place(state_command: Any) -> None:
    code, states, err = state_command("no state")

    assert (code, states) == (1, None)
    assert "--previous" in err


def test_the_state_replaces_a_file_as_a_whole_even_the_previous_one(
    state_command: Any, tmp_path: Path
) -> None:
    kept = tmp_path / "state.json"
    kept.write_text(json.dumps([state_of("users", 1)]))
    both = ("--previous", str(kept), "--output", str(kept))

    assert state_command(printed_state("tags", 2), *both)[:2] == (0, None)
    assert json.loads(kept.read_text()) == [state_of("users", 1), state_of("tags", 2)]
    kept.write_text("{broken")
    assert state_command(printed_state("tags", 3), *both)[0] == 1
    assert kept.read_text() == "{broken"
    assert {path.name for path in tmp_path.iterdir()} == {"messages.jsonl", "state.json"}


def test_a_compressed_file_is_read_as_far_as_it_goes(state_command: Any, tmp_path: Path) -> None:
    whole = gzip.compress(f"{printed_state('tags', 1)}\n{os.urandom(9000).hex()}".encode())
    file = tmp_path / "messages.jsonl.gz"
    damaged = whole[:-4000] + os.urandom(4000)
    for content, said in ((whole, ""), (whole[:-4000], "ends early"), (damaged, "ends early")):
        file.write_bytes(content)
        code, states, err = state_command(printed_state("users", 1), str(file))
        assert (code, states) == (0, [state_of("users", 1), state_of("tags", 1)])
        assert said in err


def test_the_state_of_a_sync_is_what_the_next_one_goes_on_from(
    clockify: Clockify, command: Any, state_command: Any
) -> None:
    clockify.workspaces()
    clockify.users("u")
    clockify.serve("tags", rows(2))
    selected = catalog_of("tags", incremental=True)
    first = command("read", config=config(), catalog=selected)
    _, states, _ = state_command("\n".join(map(json.dumps, first)))

    second = command("read", config=config(), catalog=selected, state=states)

    assert [m for m in first if m["type"] == "RECORD"]
    assert not [m for m in second if m["type"] == "RECORD"]
