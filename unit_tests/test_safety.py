"""The key goes to the configured hosts and nowhere else: no other host, no log, no record."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.run import main
from unit_tests.clockify import (
    ADDON_TOKEN,
    KEY,
    OTHER_WORKSPACE,
    STREAMS,
    WORKSPACE,
    Clockify,
    addon_config,
    catalog,
    config,
    error_body,
    failure,
    path_of,
    read,
    read_ok,
    records,
    rows,
)
from unit_tests.protocol import errors_of

RECENT = config(start_date="2026-11-01T00:00:00Z")
# What the runs below with all output captured read.
READ = ("workspaces", "users", "tags", "time_entries", "detailed_report")
ELSEWHERE = "https://evil.example.com/collect"


def test_every_request_carries_the_api_key_in_its_header_and_nowhere_else(
    clockify: Clockify,
) -> None:
    clockify.serve_everything()

    read_ok(*STREAMS, with_config=RECENT)

    for request in clockify.sent():
        assert request.headers["X-Api-Key"] == KEY
        assert "X-Addon-Token" not in request.headers
        assert "Authorization" not in request.headers
        assert KEY not in request.url + (request.text or "")
        assert request.url.startswith((clockify.api, clockify.reports))


def test_every_request_carries_the_addon_token_in_its_header_and_no_key(
    clockify: Clockify,
) -> None:
    clockify.serve_everything()

    read_ok(*STREAMS, with_config=addon_config(start_date="2026-11-01T00:00:00Z"))

    for request in clockify.sent():
        assert request.headers["X-Addon-Token"] == ADDON_TOKEN
        assert "X-Api-Key" not in request.headers
        assert ADDON_TOKEN not in request.url + (request.text or "")


# Redirects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(clockify: Clockify, status: int) -> None:
    """`requests` would carry the key along, and the other host's rows would become records."""
    clockify.workspaces()
    clockify.mocker.register_uri("GET", ELSEWHERE, json=rows(2))
    clockify.mocker.register_uri("POST", ELSEWHERE, json={"timeentries": rows(2)})
    group = ["tags", "users", "tasks", "member_profiles", "detailed_report"]
    for stream in ("tags", "tasks", "detailed_report", "member_profiles", "users"):
        clockify.serve_responses(
            stream, {"status_code": status, "headers": {"Location": ELSEWHERE}}
        )

    output = read(*group, with_config=RECENT)

    assert [request.url for request in clockify.sent() if "evil" in request.url] == []
    assert records(output) == []
    for stream in ("tags", "users", "tasks", "member_profiles", "detailed_report"):
        error = failure(output, stream)
        assert error.failure_type is FailureType.config_error
        assert "https://evil.example.com" in error.message
        assert "Server (server)" in error.message


@pytest.mark.parametrize(
    "target",
    [
        "http://api.clockify.me/api/v1/workspaces",
        "https://api.clockify.me/api/v1/elsewhere",
        "//evil.example.com/collect",
    ],
    ids=["unencrypted", "same host", "without scheme"],
)
def test_no_redirect_at_all_is_followed(clockify: Clockify, target: str) -> None:
    clockify.answer("/workspaces", {"status_code": 302, "headers": {"Location": target}})

    output = read("workspaces")

    assert failure(output, "workspaces").failure_type is FailureType.config_error
    assert {request.url for request in clockify.sent()} == {f"{clockify.api}/workspaces"}


def test_the_search_for_visible_workspaces_follows_no_redirect_either(clockify: Clockify) -> None:
    """This request is not sent by the CDK, so it needs its own guard."""
    clockify.answer("/workspaces", {"status_code": 302, "headers": {"Location": ELSEWHERE}})
    clockify.mocker.register_uri("GET", ELSEWHERE, json=[{"id": "x", "name": "evil"}])
    clockify.answer(path_of("tags"), {"status_code": 404})

    output = read("tags", with_config=config(workspace_ids=[WORKSPACE]))

    assert WORKSPACE in failure(output, "tags").message
    assert [request.url for request in clockify.sent() if "evil" in request.url] == []


def test_a_retried_request_is_still_not_redirected(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.mocker.register_uri("GET", ELSEWHERE, json=rows(2))
    redirect = {"status_code": 302, "headers": {"Location": ELSEWHERE}}
    clockify.serve_responses("tags", {"status_code": 500}, {"status_code": 429}, redirect)

    output = read("tags")

    assert failure(output, "tags").failure_type is FailureType.config_error
    assert [request.url for request in clockify.sent() if "evil" in request.url] == []


# Output ----------------------------------------------------------------------------------------


# Runs a command with a configuration, and returns what it prints.
PrintedBy = Callable[[str, Mapping[str, Any]], str]


@pytest.fixture
def printed_by(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> PrintedBy:
    def run_it(command: str, settings: Mapping[str, Any]) -> str:
        main(arguments_of(command, settings, tmp_path))
        printed = capfd.readouterr()
        return printed.out + printed.err

    return run_it


def arguments_of(command: str, settings: Mapping[str, Any], folder: Path) -> list[str]:
    """The command line of a command with --debug, and its files."""
    config_file = folder / "config.json"
    config_file.write_text(json.dumps(settings))
    arguments = [command, "--config", str(config_file), "--debug"]
    if command == "read":
        catalog_file = folder / "catalog.json"
        selected = ConfiguredAirbyteCatalogSerializer.dump(catalog(*READ))
        catalog_file.write_text(json.dumps(selected))
        arguments += ["--catalog", str(catalog_file)]
    return arguments


SITUATIONS: dict[str, Any] = {
    "all is well": None,
    "server error": {"status_code": 500, "json": error_body(500, f"Trouble with {KEY}")},
    "refused": {"status_code": 401, "json": error_body(4003, f"Api key {KEY} does not exist")},
    "forbidden": {"status_code": 403, "json": error_body(403, f"{KEY} may not")},
    "unknown": {"status_code": 404},
    "rate limit": {"status_code": 429},
    "cut off": {"text": '[{"id'},
    "redirect": {"status_code": 302, "headers": {"Location": f"{ELSEWHERE}?key={KEY}"}},
    "no connection": requests.exceptions.ConnectionError,
}


@pytest.mark.parametrize(
    ("command", "situation"),
    [
        # It sends no request.
        ("discover", "all is well"),
        *((command, situation) for command in ("check", "read") for situation in SITUATIONS),
    ],
)
def test_the_key_is_in_no_line_of_output(
    clockify: Clockify,
    command: str,
    situation: str,
    printed_by: PrintedBy,
) -> None:
    """Also with --debug, in tracebacks, and where Clockify itself repeats the key."""
    clockify.serve_everything()
    answer = SITUATIONS[situation]
    if answer is not None:
        for stream in ("tags", "users", "detailed_report"):
            clockify.serve_responses(stream, answer)
        if command == "check":
            clockify.answer("/workspaces", answer)

    printed = printed_by(command, RECENT)

    assert printed.strip()
    assert [line for line in printed.splitlines() if KEY in line] == []


def test_the_addon_token_is_in_no_line_of_output(clockify: Clockify, printed_by: PrintedBy) -> None:
    clockify.serve_everything()
    clockify.serve_responses("tags", {"status_code": 500})
    settings = addon_config(start_date="2026-11-01T00:00:00Z")

    printed = printed_by("read", settings)

    assert printed.strip()
    assert [line for line in printed.splitlines() if ADDON_TOKEN in line] == []


def test_the_output_is_really_looked_at(clockify: Clockify, printed_by: PrintedBy) -> None:
    """The tests above would pass on output that was not captured."""
    clockify.serve_everything()

    printed = printed_by("read", RECENT)

    assert '"type":"RECORD"' in printed
    assert '"level":"DEBUG"' in printed or '"type": "DEBUG"' in printed
    assert OTHER_WORKSPACE in printed


# Hosts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["api_url", "reports_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/api/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://localhost@evil.example.com/v1",
        "https://user:secret@example.com/v1",
        "ftp://example.com",
        "file:///etc/passwd",
        "example.com/api/v1",
        "https://",
        "https://example.com/v1?x=1",
    ],
)
def test_a_url_without_encryption_is_refused_before_any_request(
    clockify: Clockify, field: str, url: str
) -> None:
    server = {"server_type": "custom", "api_url": clockify.api, field: url}

    output = read("workspaces", with_config=config(server=server))

    assert clockify.sent() == []
    assert [error.failure_type for error in errors_of(output)] == [FailureType.config_error]


@pytest.mark.parametrize(
    "host", ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"]
)
def test_a_loopback_host_may_be_unencrypted(clockify: Clockify, host: str) -> None:
    clockify.api = f"{host}/api/v1"
    clockify.workspaces()
    server = {"server_type": "custom", "api_url": clockify.api}

    assert len(records(read_ok("workspaces", with_config=config(server=server)))) == 1


def test_a_refused_redirect_is_a_config_error_of_the_stream_itself(
    clockify: Clockify,
) -> None:
    clockify.answer("/workspaces", {"status_code": 307, "headers": {"Location": ELSEWHERE}})

    error = failure(read("workspaces"), "workspaces")

    assert error.failure_type is FailureType.config_error
    assert "GET /api/v1/workspaces, status 307" in error.message
    assert AirbyteTracedException.__name__ in error.stack_trace
