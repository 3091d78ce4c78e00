"""The command source-clockify."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.run import run, source_of
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
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Any:
    """Return what runs a command with files and returns the messages on stdout."""

    def run_command(name: str, /, **contents: Any) -> list[dict[str, Any]]:
        arguments = [name]
        for option, content in contents.items():
            file = tmp_path / f"{option}.json"
            file.write_text(content if isinstance(content, str) else json.dumps(content))
            arguments += [f"--{option}", str(file)]
        monkeypatch.setattr(sys, "argv", ["source-clockify", *arguments])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        run()
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


def test_a_stream_that_does_not_exist_is_named_beside_the_failure_of_another(
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


def test_an_older_configuration_is_written_back_to_its_file(
    clockify: Clockify, command: Any, tmp_path: Path
) -> None:
    clockify.workspaces()
    older = {"api_key": KEY, "workspace_id": WORKSPACE}

    messages = command("read", config=older, catalog=catalog_of("workspaces"))

    (control,) = [message["control"] for message in messages if message["type"] == "CONTROL"]
    assert control["connectorConfig"]["config"] == config(workspace_ids=[WORKSPACE])
    assert json.loads((tmp_path / "config.json").read_text()) == config(workspace_ids=[WORKSPACE])
    assert len([message for message in messages if message["type"] == "RECORD"]) == 1


def test_the_image_runs_the_same_command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py", "spec"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    runpy.run_path(str(ROOT / "main.py"), run_name="__main__")

    assert '"type":"SPEC"' in capfd.readouterr().out


def test_a_reader_that_ends_early_is_named_in_a_sentence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    assert refused_output(writing).endswith(
        "The messages cannot be written any more: Broken pipe.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_named_in_a_sentence() -> None:
    assert refused_output(os.open("/dev/full", os.O_WRONLY)).endswith(
        "The messages cannot be written any more: No space left on device.\n"
    )


def refused_output(output: int) -> str:
    """What `spec` says on standard error if its output cannot be written."""
    line = [str(Path(sys.executable).with_name("source-clockify")), "spec"]
    with open(output, "wb") as refusing:
        done = subprocess.run(line, stdout=refusing, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert "excepthook" not in done.stderr
    return done.stderr
