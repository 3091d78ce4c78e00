"""What goes wrong at Clockify stays where it went wrong, is said, and never gives the key away."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import (
    CONNECTOR,
    STREAMS,
    Output,
    catalog,
    config_of,
    read,
    run,
)
from integration_tests.truth import assert_complete, assert_same, counted, expected, with_path

WRONG_KEY, WRONG_TOKEN, MALFORMED = "refused-api-key", "refused-addon-token", "refused key"


class Elsewhere:
    """Another host: it notes who comes, and refuses."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._listener.getsockname()[1]}/"
        self.visits: list[bytes] = []
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self.visits.append(connection.recv(1 << 16))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


# The tasks of each project are requested by themselves.
PROJECT_BY_PROJECT = {"hydrated_done": False}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    host = Elsewhere()
    yield host
    host.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Workspaces for the runs below, so that all of them can share one server."""
    with start(users=3, entries=12, projects=3, tasks=2, plan="PRO,PRO,FREE") as server:
        server.settings(**PROJECT_BY_PROJECT)
        yield server


@pytest.fixture(scope="module")
def unsteady() -> Iterator[Sandbox]:
    with start(users=3, entries=12, projects=3, tasks=2) as server:
        server.settings(**PROJECT_BY_PROJECT)
        yield server


def refusal(status: int, message: str, code: int) -> JSON:
    return {"status": status, "body": {"message": message, "code": code}}


# Every run of the command, once for all tests


# How each endpoint fails once.
TRANSIENT: dict[str, JSON] = {
    ".*/users/info": {"drop": True},
    ".*/projects": {"truncate": 0.5},
    ".*/clients": {"status": 500, "body": {"message": "Oops", "code": 500}},
    ".*/tags": {"cut": 0.5},
    ".*/user-groups": {"html": True},
    ".*/custom-fields": {"empty": True},
    ".*/member-profile/.*": {"empty": True},
    ".*/projects/.*/tasks": {"html": True},
    ".*/user/.*/time-entries": {"truncate": 0.9},
    ".*/status/in-progress": {"status": 503, "body": "<html>no healthy upstream</html>"},
    ".*/reports/detailed": {"truncate": 0.5},
    # What has Clockify's status but not its words comes from a proxy or firewall.
    ".*/holidays": {"status": 403, "body": "<html>blocked</html>"},
    ".*/invoices/settings": {"status": 402, "body": None},
}


def vanished_project(sandbox: Sandbox) -> str:
    workspace = sandbox.workspaces[0]["id"]
    return str(sandbox.rows("projects", workspaceId=workspace)[1]["id"])


def vanished_user(sandbox: Sandbox) -> str:
    workspace = sandbox.workspaces[0]["id"]
    return str(sandbox.rows("users", workspaceId=workspace)[1]["id"])


def let_each_endpoint_fail_once(sandbox: Sandbox) -> None:
    for path, action in TRANSIENT.items():
        sandbox.fault(action, path=path, times=1)


def let_the_first_workspace_refuse(sandbox: Sandbox, elsewhere: Elsewhere) -> None:
    workspace = f"/workspaces/{sandbox.workspaces[0]['id']}"
    sandbox.fault(refusal(400, "Tags are on strike", 4711), path=f"{workspace}/tags")
    sandbox.fault(refusal(403, "Access Denied", 501), path=f"{workspace}/clients")
    sandbox.fault(refusal(402, "Upgrade first", 402), path=f"{workspace}/time-entries/.*")
    sandbox.fault({"redirect": elsewhere.url, "status": 307}, path=f"{workspace}/user-groups")
    sandbox.fault({"redirect": elsewhere.url}, path=f"{workspace}/reports/detailed")
    gone = refusal(400, "It doesn't belong to Workspace", 501)
    project, user = vanished_project(sandbox), vanished_user(sandbox)
    sandbox.fault(gone, path=f"{workspace}/projects/{project}/tasks")
    sandbox.fault(gone, path=f"{workspace}/member-profile/{user}")
    sandbox.fault(gone, path=f"{workspace}/user/{user}/time-entries")


def with_credentials(config: JSON, kind: str, secret: str) -> JSON:
    return {**config, "credentials": {"auth_type": kind, kind: secret}}


@pytest.fixture(scope="module")
def runs(sandbox: Sandbox, unsteady: Sandbox, elsewhere: Elsewhere) -> dict[str, Output]:
    """All commands with debug logs, switched on by argument or by environment, by what they do."""
    let_each_endpoint_fail_once(unsteady)
    let_the_first_workspace_refuse(sandbox, elsewhere)
    some_fail = config_of(sandbox, workspace_ids=[each["id"] for each in sandbox.workspaces[:2]])
    some_wait = config_of(unsteady, workspace_ids=[each["id"] for each in unsteady.workspaces])
    one = config_of(sandbox, workspace_ids=[sandbox.workspaces[0]["id"]])
    few = catalog(["workspaces", "tasks"])
    jobs: dict[str, tuple[str, JSON, JSON | None]] = {
        "read with retries": ("read", {**some_wait, "num_workers": 8}, catalog()),
        "read with errors": ("read", some_fail, catalog()),
        "read with a token": (
            "read",
            with_credentials(one, "addon_token", sandbox.addon_token),
            few,
        ),
        "read with a wrong token": (
            "read",
            with_credentials(one, "addon_token", WRONG_TOKEN),
            few,
        ),
        "read with a malformed key": ("read", with_credentials(one, "api_key", MALFORMED), few),
        "check": ("check", config_of(sandbox), None),
        "check with a wrong key": ("check", with_credentials(one, "api_key", WRONG_KEY), None),
        "discover": ("discover", config_of(sandbox), None),
    }

    def do(name: str) -> Output:
        if name == "read with retries":
            return run(CONNECTOR, *jobs[name], environment={"LOG_LEVEL": "debug"})
        return run(CONNECTOR, *jobs[name], arguments=["--debug"])

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(jobs, pool.map(do, jobs), strict=True))


@pytest.fixture(scope="module")
def recovered(runs: dict[str, Output]) -> Output:
    return runs["read with retries"]


@pytest.fixture(scope="module")
def failing(runs: dict[str, Output]) -> Output:
    return runs["read with errors"]


# Broken answers that do not last


def test_what_fails_once_is_asked_again_and_nothing_is_missing(
    recovered: Output, unsteady: Sandbox
) -> None:
    assert [fault["hits"] for fault in unsteady.faults()] == [1] * len(TRANSIENT)
    assert_complete(recovered, unsteady, STREAMS)


# Errors that last


def read_so_far(sandbox: Sandbox, stream: str, skipped: Callable[[JSON], bool]) -> list[JSON]:
    """What the first two workspaces hold, without what is refused there."""
    workspaces = [each["id"] for each in sandbox.workspaces[:2]]
    return [each for each in expected(sandbox, stream, workspaces) if not skipped(each)]


FAILED = ("tags", "user_groups", "detailed_report")
# They begin with the oldest entry, which is sought in the detailed report.
FAILED_TOO = ("summary_report", "weekly_report", "attendance_report")
SKIPPED = ("clients", "time_entries_in_progress", "tasks", "member_profiles", "time_entries")


def test_an_error_fails_its_stream_and_no_other(failing: Output) -> None:
    assert failing.returncode == 1
    assert failing.statuses == {
        stream: "INCOMPLETE" if stream in (*FAILED, *FAILED_TOO) else "COMPLETE"
        for stream in STREAMS
    }


@pytest.mark.parametrize("stream", [*FAILED, "clients", "time_entries_in_progress"])
def test_a_workspace_that_fails_leaves_the_others_readable(
    failing: Output, sandbox: Sandbox, stream: str
) -> None:
    first = sandbox.workspaces[0]["id"]
    wanted = read_so_far(sandbox, stream, lambda each: each["workspaceId"] == first)
    assert wanted
    assert_same(stream, failing.records[stream], wanted)


def test_a_parent_that_fails_in_one_workspace_leaves_the_others(fresh_sandbox: Sandbox) -> None:
    first, second = (each["id"] for each in fresh_sandbox.workspaces)
    fresh_sandbox.fault(refusal(400, "No people", 4711), path=f"/workspaces/{first}/users(/info)?")
    streams = ["users", "member_profiles", "time_entries", "tags"]
    output = read(CONNECTOR, config_of(fresh_sandbox), streams, in_process=True)
    fails = dict.fromkeys(streams[:3], "INCOMPLETE")
    assert output.statuses == {**fails, "tags": "COMPLETE"}
    for stream in fails:
        assert_same(stream, output.records[stream], expected(fresh_sandbox, stream, [second]))
        assert "No people" in output.errors_of(stream)[0]


@pytest.mark.parametrize(
    ("stream", "parent"),
    [("tasks", "projectId"), ("member_profiles", "userId"), ("time_entries", "userId")],
)
def test_a_parent_that_vanished_is_skipped_and_said(
    failing: Output, sandbox: Sandbox, stream: str, parent: str
) -> None:
    first = sandbox.workspaces[0]["id"]
    gone = vanished_project(sandbox) if parent == "projectId" else vanished_user(sandbox)
    wanted = read_so_far(
        sandbox, stream, lambda each: (each["workspaceId"], each[parent]) == (first, gone)
    )
    assert_same(stream, failing.records[stream], wanted)
    warnings = [text for text in failing.warnings() if text.startswith(f"{stream}:")]
    assert len(warnings) == 1
    assert gone in warnings[0]


@pytest.mark.parametrize("stream", ["workspaces", "users", "projects", "custom_fields"])
def test_streams_without_an_error_are_complete(
    failing: Output, sandbox: Sandbox, stream: str
) -> None:
    assert_same(stream, failing.records[stream], read_so_far(sandbox, stream, lambda each: False))


def test_an_error_says_what_clockify_said_and_where(failing: Output, sandbox: Sandbox) -> None:
    (message,) = failing.errors_of("tags")
    assert "Tags are on strike" in message
    assert f"GET /api/v1/workspaces/{sandbox.workspaces[0]['id']}/tags" in message


def test_the_refusals_of_a_workspace_are_one_warning_with_reasons(
    failing: Output, sandbox: Sandbox
) -> None:
    first, second = (each["id"] for each in sandbox.workspaces[:2])
    reports = [text for text in failing.warnings() if "skipped: " in text]
    warning, other = sorted(reports, key=lambda text: first not in text)
    assert warning.startswith(f"Workspace {first}")
    assert other.startswith(f"Workspace {second}")
    assert ": These streams are skipped: " in warning
    assert warning.endswith(" Everything else is read.")
    for stream, path, reason in (
        ("clients", "clients", "Access Denied"),
        ("time_entries_in_progress", "time-entries/status/in-progress", "Upgrade first"),
    ):
        refused = rf"\b{stream} \(Clockify refused \S+/workspaces/{first}/{path}: {reason}\b"
        assert len(re.findall(refused, warning)) == 1
        assert stream not in other


# Redirects


def test_a_redirect_is_an_error_that_says_so(failing: Output) -> None:
    for stream in ("user_groups", "detailed_report"):
        assert "redirects to http://localhost" in failing.errors_of(stream)[0]


def test_nobody_is_visited_along_a_redirect(failing: Output, elsewhere: Elsewhere) -> None:
    assert failing.errors_of("user_groups")
    assert elsewhere.visits == []


# The key


def test_the_key_is_in_no_line_of_any_command(
    runs: dict[str, Output], sandbox: Sandbox, unsteady: Sandbox
) -> None:
    secrets = [WRONG_KEY, WRONG_TOKEN, MALFORMED]
    for server in (sandbox, unsteady):
        secrets += [server.api_key, server.addon_token]
    for name, output in runs.items():
        for line in output.text.split("\n"):
            assert not [secret for secret in secrets if secret in line], name


def test_debug_logs_are_on_where_the_key_is_looked_for(runs: dict[str, Output]) -> None:
    for name, output in runs.items():
        if name != "read with a malformed key":
            assert "Debug logs enabled" in output.text, name
    assert "Making outbound API request" in runs["read with retries"].text
    assert "Making outbound API request" in runs["read with errors"].text


def test_each_command_ends_as_its_configuration_deserves(runs: dict[str, Output]) -> None:
    assert {name: output.returncode for name, output in runs.items()} == {
        "read with retries": 0,
        "read with errors": 1,
        "read with a token": 0,
        "read with a wrong token": 1,
        "read with a malformed key": 1,
        "check": 0,
        "check with a wrong key": 0,
        "discover": 0,
    }
    statuses = [
        message["connectionStatus"]["status"]
        for name in ("check", "check with a wrong key")
        for message in runs[name].messages
        if message["type"] == "CONNECTION_STATUS"
    ]
    assert statuses == ["SUCCEEDED", "FAILED"]


# Limits


@pytest.mark.parametrize("retry_after", [None, 1])
def test_the_request_limit_is_waited_for(fresh_sandbox: Sandbox, retry_after: int | None) -> None:
    fresh_sandbox.settings(limits=True, per_second=2, retry_after=retry_after)
    fresh_sandbox.clear_requests()
    streams = ["clients", "tags", "user_groups"]
    workspaces = [fresh_sandbox.workspaces[0]["id"]]
    config = config_of(fresh_sandbox, workspace_ids=workspaces)
    output = read(CONNECTOR, config, streams, in_process=True)
    statuses = [request["status"] for request in fresh_sandbox.requests()]
    assert_complete(output, fresh_sandbox, streams, workspaces)
    assert statuses.count(200) == len(streams)
    assert 429 in statuses


# Nothing is silently empty


def test_a_workspace_that_does_not_exist_is_named(fresh_sandbox: Sandbox) -> None:
    unknown = "ffffffffffffffffffffffff"
    config = config_of(fresh_sandbox, workspace_ids=[unknown])
    output = read(CONNECTOR, config, ["tags"], in_process=True)
    assert output.statuses == {"tags": "INCOMPLETE"}
    (message,) = output.errors_of("tags")
    assert unknown in message
    for workspace in fresh_sandbox.workspaces:
        assert workspace["id"] in message


def test_a_key_that_sees_no_workspace_is_an_error(fresh_sandbox: Sandbox) -> None:
    config = config_of(fresh_sandbox)
    config["credentials"]["api_key"] = fresh_sandbox.info()["keys"]["stranger"]
    output = read(CONNECTOR, config, ["workspaces", "tags"], in_process=True)
    assert output.statuses == {"workspaces": "INCOMPLETE", "tags": "INCOMPLETE"}
    assert "sees no workspace" in output.errors_of("workspaces")[0]


def test_a_report_without_its_url_asks_for_it_and_nobody_else_is_asked(
    fresh_sandbox: Sandbox,
) -> None:
    config = config_of(fresh_sandbox, workspace_ids=[fresh_sandbox.workspaces[0]["id"]])
    del config["server"]["reports_url"]
    fresh_sandbox.clear_requests()
    output = read(CONNECTOR, config, ["detailed_report", "tags"], in_process=True)
    assert output.statuses == {"detailed_report": "INCOMPLETE", "tags": "COMPLETE"}
    assert "server.reports_url" in output.errors_of("detailed_report")[0]
    assert with_path(fresh_sandbox.requests(), "/workspaces/*/reports/detailed") == []
    assert counted(fresh_sandbox.requests())["/workspaces/*/tags"] == 1


# Whoever reads the messages


@pytest.fixture
def reading(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A read that has begun, of more records than the CDK's queue takes."""
    with start(users=1, entries=25_000, projects=1, tasks=1) as sandbox:
        config, streams = tmp_path / "config.json", tmp_path / "catalog.json"
        config.write_text(json.dumps(config_of(sandbox)))
        streams.write_text(json.dumps(catalog(["time_entries"])))
        files: list[str | Path] = ["--config", config, "--catalog", streams]
        command = Path(sys.executable).with_name(CONNECTOR.command)
        with subprocess.Popen(
            [command, "read", *files],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A background job of a shell hands on that it ignores interrupts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            assert process.stdout is not None
            while b'"RECORD"' not in process.stdout.readline():
                pass
            yield process
            process.kill()


def test_a_read_ends_when_its_reader_has_ended(reading: "subprocess.Popen[bytes]") -> None:
    assert reading.stdout is not None
    assert reading.stderr is not None
    reading.stdout.close()
    assert reading.wait(timeout=60) == 1
    assert reading.stderr.read().endswith(
        b"The reader closed the output before the command had finished.\n"
    )


def test_a_read_can_be_interrupted(reading: "subprocess.Popen[bytes]") -> None:
    reading.send_signal(signal.SIGINT)
    printed, _ = reading.communicate(timeout=60)
    assert reading.returncode == 130
    assert b"Ended by SIGINT." in printed.splitlines()[-1]
