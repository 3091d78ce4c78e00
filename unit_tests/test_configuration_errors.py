"""Every command refuses, in words, a configuration, catalog or state that cannot be used."""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify import SourceClockify
from source_clockify.configuration import understand_configuration
from source_clockify.manifest_file import load_manifest
from source_clockify.run import main, source_of
from unit_tests.clockify import (
    ADDON_TOKEN,
    KEY,
    USER,
    WORKSPACE,
    Clockify,
    addon_config,
    catalog,
    check,
    config,
    failure,
    read,
    rows,
    statuses,
    warnings,
)
from unit_tests.protocol import error_messages, errors_of, logs_of, present

SPEC: Mapping[str, Any] = load_manifest()["spec"]["connection_specification"]
NOW = 1_795_510_800
OTHER = "650000000000000000000123"

API_KEY = "Authentication, API Key (credentials.api_key)"
TOKEN = "Authentication, Add-on Token (credentials.addon_token)"
AUTHENTICATION = "Authentication (credentials)"
AUTH_TYPE = "Authentication (credentials.auth_type)"
SERVER = "Server (server)"
SERVER_TYPE = "Server (server.server_type)"
REGION = "Server, Region (server.region)"
SUBDOMAIN = "Server, Subdomain (server.subdomain)"
API_URL = "Server, API URL (server.api_url)"
REPORTS_URL = "Server, Reports URL (server.reports_url)"
AUDIT_LOG_URL = "Server, Audit Log URL (server.audit_log_url)"
IDS = "Workspace IDs (workspace_ids)"
START = "Start Date (start_date)"
LOOKBACK = "Lookback Days (lookback_days)"
HORIZON = "Horizon Days (horizon_days)"
PLAN = "Request Budget (plan)"
WORKERS = "Number of Concurrent Threads (num_workers)"
TRACK = "Track Changes (track_changes)"
RESEND = "Resend Changes (resend_changes)"
FOLLOW = "Follow Changes (follow_changes)"
STATE_LIMIT = "State Limit (MB) (state_limit_mb)"


def key(**fields: Any) -> dict[str, Any]:
    return {"credentials": {"auth_type": "api_key", **fields}}


def region(value: Any) -> dict[str, Any]:
    return config(server={"server_type": "region", "region": value})


def subdomain(value: Any) -> dict[str, Any]:
    return config(server={"server_type": "subdomain", "subdomain": value})


def custom(**urls: Any) -> dict[str, Any]:
    own = {"api_url": "https://clockify.example.com/api/v1", **urls}
    return config(server={"server_type": "custom", **own})


# A configuration, and parts of what is said of it.
WRONG: list[tuple[Any, list[str]]] = [
    ([], ["The configuration is a list"]),
    ([KEY], ["The configuration is a list"]),
    (7, ["The configuration is a number"]),
    (True, ["The configuration is true"]),
    (KEY, ["The configuration is a string"]),
    (None, [AUTHENTICATION, "is missing"]),
    ({}, [AUTHENTICATION, "is missing"]),
    ({"plan": "free"}, [AUTHENTICATION, "is missing"]),
    (
        {**config(), "workspace_id": WORKSPACE, "workspace_ids": [OTHER]},
        [IDS, "is given twice", "Keep workspace_ids and remove workspace_id"],
    ),
    (
        {**config(), "api_key": "AnotherKey0123456789"},
        [AUTHENTICATION, "is given twice", "Keep credentials and remove api_key"],
    ),
    (
        {
            **config(server={"server_type": "region", "region": "eu"}),
            "api_url": "https://a.example",
        },
        [SERVER, "is given twice", "Keep server and remove api_url"],
    ),
    ({"credentials": None}, [AUTHENTICATION, "is missing"]),
    ({"credentials": {}}, [AUTHENTICATION, "is missing"]),
    ({"credentials": KEY}, [AUTHENTICATION, "is a string (not shown)"]),
    ({"credentials": [KEY]}, [AUTHENTICATION, "is a list (not shown)"]),
    ({"credentials": 5}, [AUTHENTICATION, "is a number (not shown)"]),
    ({"credential": config()["credentials"]}, [AUTHENTICATION, "'credential' meant"]),
    ({"apikey": KEY}, [AUTHENTICATION, "'apikey' meant"]),
    ({"api_token": KEY}, [AUTHENTICATION, "'api_token' meant"]),
    ({"APIKEY": KEY}, [AUTHENTICATION, "'APIKEY' meant"]),
    ({"my_secret": KEY}, [AUTHENTICATION, "'my_secret' meant"]),
    ({"api_key": ""}, [AUTHENTICATION, "is missing"]),
    ({"api_key": 5}, ["API Key (api_key)", "is a number (not shown)"]),
    ({"api_key": KEY, "api_url": "api.clockify.me"}, ["API URL (api_url)", "https://host/path"]),
    ({"api_key": KEY, "api_url": "https://a.b.clockify.me"}, ["API URL (api_url)"]),
    ({"api_key": KEY, "workspace_id": "mine"}, ["Workspace IDs (workspace_id)", "'mine'"]),
    ({"credentials": {"api_key": KEY}}, [AUTH_TYPE, "is missing", "here api_key"]),
    ({"credentials": {"api_token": KEY}}, [AUTH_TYPE, "'api_token' meant"]),
    ({"credentials": {"auth_type": "oauth", "api_key": KEY}}, [AUTH_TYPE, "api_key or addon"]),
    ({"credentials": {"auth_type": KEY}}, [AUTH_TYPE, "is a string (not shown)"]),
    ({"credentials": {"auth_type": ["api_key"]}}, [AUTH_TYPE, "is a list (not shown)"]),
    (key(), [API_KEY, "is missing"]),
    (key(api_key=None), [API_KEY, "is missing"]),
    (key(api_key="  "), [API_KEY, "is missing"]),
    (key(api_token=KEY), [API_KEY, "is missing", "'api_token' meant"]),
    (key(**{KEY: ""}), [API_KEY, "is missing"]),
    (key(api_key=12345), [API_KEY, "is a number (not shown)"]),
    (key(api_key=[KEY]), [API_KEY, "is a list (not shown)"]),
    (key(api_key={"key": KEY}), [API_KEY, "is an object (not shown)"]),
    (key(api_key=f"{KEY} {KEY}"), [API_KEY, "without spaces"]),
    (key(api_key=f"{KEY}\u00e9"), [API_KEY, "without spaces"]),
    ({"credentials": {"auth_type": "addon_token", "api_key": KEY}}, [TOKEN, "is missing"]),
    (addon_config(workspace_ids=[]), [IDS, "an add-on token cannot list workspaces"]),
    (addon_config(workspace_ids=None), [IDS, "an add-on token cannot list workspaces"]),
    (config(server="mars"), [SERVER, "'mars'"]),
    (config(server=KEY), [SERVER, "not shown"]),
    (config(server=["eu"]), [SERVER, "['eu']"]),
    (config(server={"region": "eu"}), [SERVER_TYPE, "is missing", "here region"]),
    (config(server={"servertype": "region"}), [SERVER_TYPE, "'servertype' meant"]),
    (config(server={"server_type": "galaxy"}), [SERVER_TYPE, "'galaxy'", "subdomain or custom"]),
    (config(server={"server_type": 5}), [SERVER_TYPE, "'5'"]),
    (config(server={"server_type": "region", "regoin": "eu"}), [REGION, "'regoin' meant"]),
    (region("mars"), [REGION, "'mars'", "global, eu, us, uk or au"]),
    (region(["eu"]), [REGION, "['eu']"]),
    (region(KEY), [REGION, "not shown"]),
    (subdomain(""), [SUBDOMAIN, "is missing"]),
    (subdomain("acme.clockify.me"), [SUBDOMAIN, "'acme.clockify.me'", "such as acme"]),
    (subdomain("https://acme.clockify.me"), [SUBDOMAIN, "such as acme"]),
    (subdomain("-acme"), [SUBDOMAIN, "'-acme'"]),
    (subdomain(5), [SUBDOMAIN, "'5'"]),
    (subdomain("a" * 64), [SUBDOMAIN, "such as acme"]),
    (custom(api_url=None), [API_URL, "is missing"]),
    (custom(api_url="http://clockify.example.com"), [API_URL, "'http://clockify.example.com'"]),
    (custom(api_url="clockify.example.com"), [API_URL, "https://host/path"]),
    (custom(api_url="https://me:hidden-word@clockify.example.com"), [API_URL, "//****@clockify"]),
    (custom(api_url="https://a b/"), [API_URL, "'https://a b/'"]),
    (custom(api_url="https://a..b/"), [API_URL, "'https://a..b/'"]),
    (custom(api_url="https://host:99999/"), [API_URL, "'https://host:99999/'"]),
    (custom(api_url="https://host/?key=1"), [API_URL, "https://host/path"]),
    (custom(reports_url="ftp://host"), [REPORTS_URL, "'ftp://host'"]),
    (custom(reports_url=False), [REPORTS_URL, "'False'"]),
    (custom(audit_log_url="host"), [AUDIT_LOG_URL, "'host'"]),
    (config(workspace_ids=["64e77712345678901234567"]), ["Entry 1 of", IDS, "24 characters"]),
    (config(workspace_ids=[WORKSPACE, "mine"]), ["Entry 2 of", IDS, "'mine'"]),
    (config(workspace_ids=[650000000000000000000123]), [IDS, "'650000000000000000000123'"]),
    (config(workspace_ids=[KEY]), [IDS, "not shown"]),
    (config(workspace_ids=list("abcdef")), ["Entry 3 of", IDS, "not IDs: 3"]),
    (config(workspace_ids={"id": WORKSPACE}), [IDS, "a list of IDs"]),
    (config(workspace_ids=5), [IDS, "'5'"]),
    (config(start_date="yesterday"), [START, "'yesterday'", "is no date"]),
    (config(start_date="1999-12-31"), [START, "is before 2000"]),
    (config(start_date="2027-01-01"), [START, "is in the future"]),
    (config(start_date=1700000000), [START, "'1700000000'", "is no date"]),
    (config(start_date=KEY), [START, "not shown"]),
    (config(lookback_days=0), [LOOKBACK, "'0'", "from 1 to 400"]),
    (config(lookback_days=-1), [LOOKBACK, "'-1'", "from 1 to 400"]),
    (config(lookback_days=401), [LOOKBACK, "'401'", "from 1 to 400"]),
    (config(lookback_days=30.5), [LOOKBACK, "'30.5'", "a whole number"]),
    (config(lookback_days="a month"), [LOOKBACK, "'a month'"]),
    (config(lookback_days="x" * 5000), [LOOKBACK, f"'{'x' * 100}'"]),
    (config(lookback_days=[30]), [LOOKBACK, "'[30]'"]),
    (config(lookback_days=True), [LOOKBACK, "'True'"]),
    (config(lookback_days=float("nan")), [LOOKBACK, "'nan'"]),
    (config(lookback_days=float("inf")), [LOOKBACK, "'inf'"]),
    (config(lookback_days=10**400), [LOOKBACK, "from 1 to 400"]),
    (config(horizon_days=-1), [HORIZON, "'-1'", "from 0 to 3650"]),
    (config(horizon_days={}), [HORIZON, "'{}'"]),
    (config(plan="enterprise"), [PLAN, "'enterprise'", "paid or free"]),
    (config(plan=1), [PLAN, "'1'"]),
    (config(num_workers=1), [WORKERS, "'1'", "from 2 to 20"]),
    (config(num_workers=21), [WORKERS, "'21'", "from 2 to 20"]),
    (config(track_changes="yes"), [TRACK, "'yes'", "true or false"]),
    (config(track_changes=0), [TRACK, "'0'", "true or false"]),
    (config(resend_changes=11), [RESEND, "'11'", "from 0 to 10"]),
    (config(follow_changes="no"), [FOLLOW, "'no'", "true or false"]),
    (config(state_limit_mb=0), [STATE_LIMIT, "'0'", "from 1 to 200"]),
    (
        config(plan="gratis", lookback_days=0, server={"server_type": "region"}),
        [PLAN, LOOKBACK, REGION],
    ),
]


def name_of(value: Any) -> str:
    return json.dumps(value, default=str).replace(KEY, "key")[:80]


@pytest.fixture
def run_command(tmp_path: Path) -> Callable[..., tuple[list[dict[str, Any]], Any]]:
    """Return what runs a command with these files: its messages, and what it raised."""

    def run_with(command: str, **contents: Any) -> tuple[list[dict[str, Any]], Any]:
        arguments = [command]
        for option, content in contents.items():
            file = tmp_path / f"{option}.json"
            file.write_text(json.dumps(content))
            arguments += [f"--{option}", str(file)]
        lines: list[str] = []
        try:
            source = source_of(arguments)
            lines += AirbyteEntrypoint(source).run(AirbyteEntrypoint.parse_args(arguments))
        except AirbyteTracedException as error:
            return [json.loads(line) for line in lines], error
        return [json.loads(line) for line in lines], None

    return run_with


def catalog_of(*streams: str) -> Any:
    return ConfiguredAirbyteCatalogSerializer.dump(catalog(*streams))


@pytest.mark.parametrize(("given", "said"), WRONG, ids=name_of)
def test_every_command_refuses_a_wrong_configuration_in_the_same_words(
    clockify: Clockify, run_command: Any, given: Any, said: list[str]
) -> None:
    messages, raised = run_command("check", config=given)
    _, of_discover = run_command("discover", config=given)
    _, of_read = run_command("read", config=given, catalog=catalog_of("tags"))

    assert raised is None
    (status,) = [each["connectionStatus"] for each in messages if "connectionStatus" in each]
    assert status["status"] == "FAILED"
    message = status["message"]
    for error in (of_discover, of_read):
        assert error.failure_type is FailureType.config_error
        assert error.message == message
        assert error.internal_message is None
    assert [part for part in said if part not in message] == []
    assert_in_words(message)
    assert clockify.sent() == []


def assert_in_words(message: str) -> None:
    for secret in (KEY, ADDON_TOKEN, "hidden-word"):
        assert not any(secret[place : place + 8] in message for place in range(len(secret) - 7))
    for sign in ("Traceback", "\\s", "[A-Z", "oneOf", "additionalProperties", "does not match"):
        assert sign not in message
    assert "is not of type" not in message
    assert "is not valid under" not in message
    assert message.endswith((".", "?"))


@pytest.mark.parametrize("depth", [500, 100_000])
def test_a_value_with_too_many_levels_is_refused(depth: int) -> None:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]

    for given in (nested, config(plan=nested), {"credentials": nested}, config(server=nested)):
        with pytest.raises(AirbyteTracedException) as raised:
            understand_configuration(given, SPEC, NOW)
        assert raised.value.failure_type is FailureType.config_error
        assert len(str(raised.value.message)) < 500


# What is accepted ------------------------------------------------------------------------------

EU = {"server": {"server_type": "region", "region": "eu"}}
SPELLINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"server": {"server_type": "Region", "region": " EU "}}, EU),
    ({"server": "EU"}, EU),
    ({"server": {"server_type": "SUBDOMAIN", "subdomain": " acme "}}, subdomain("acme")),
    ({"server": {}}, {}),
    ({"server": None}, {}),
    ({"server": ""}, {}),
    (
        {"server": {"server_type": "custom", "api_url": " https://h.example.com/v1/ "}},
        custom(api_url="https://h.example.com/v1"),
    ),
    ({"workspace_ids": WORKSPACE}, {"workspace_ids": [WORKSPACE]}),
    ({"workspace_ids": f" {WORKSPACE}, {OTHER} "}, {"workspace_ids": [WORKSPACE, OTHER]}),
    ({"workspace_ids": [WORKSPACE.upper(), WORKSPACE]}, {"workspace_ids": [WORKSPACE]}),
    ({"workspace_ids": [f" {WORKSPACE} ", None, ""]}, {"workspace_ids": [WORKSPACE]}),
    ({"workspace_ids": None}, {}),
    ({"start_date": "2024-02-29"}, {"start_date": "2024-02-29T00:00:00Z"}),
    ({"start_date": " 2024-02-29t10:00:00z "}, {"start_date": "2024-02-29T10:00:00Z"}),
    ({"start_date": "2024-02-29 10:00:00"}, {"start_date": "2024-02-29T10:00:00Z"}),
    ({"start_date": "2024-02-29T10:00:00.123+05:30"}, {"start_date": "2024-02-29T04:30:00Z"}),
    ({"start_date": ""}, {}),
    ({"start_date": None}, {}),
    ({"lookback_days": "30"}, {"lookback_days": 30}),
    ({"lookback_days": 30.0}, {"lookback_days": 30}),
    ({"lookback_days": " 30 "}, {"lookback_days": 30}),
    ({"lookback_days": None}, {}),
    ({"horizon_days": "0"}, {"horizon_days": 0}),
    ({"plan": "FREE"}, {"plan": "free"}),
    ({"plan": ""}, {}),
    ({"track_changes": "False"}, {"track_changes": False}),
    ({"follow_changes": "true"}, {"follow_changes": True}),
    ({"__injected_declarative_manifest": {}, "hosts": 5, "max_request_retries": "x"}, {}),
]


@pytest.mark.parametrize(("given", "meant"), SPELLINGS, ids=name_of)
def test_another_spelling_is_understood(given: dict[str, Any], meant: dict[str, Any]) -> None:
    found = understand_configuration(config(**given), SPEC, NOW)

    expected = {"credentials": config()["credentials"], **meant}
    assert found.settings == expected
    jsonschema.validate(found.settings, SPEC)
    assert understand_configuration(found.settings, SPEC, NOW).settings == found.settings


def test_credentials_are_understood_in_any_case_and_without_blanks() -> None:
    given = {"credentials": {"auth_type": " API_KEY ", "api_key": f"\n{KEY} "}}
    assert understand_configuration(given, SPEC, NOW).settings == config()


IGNORED = [
    (config(startdate="2024-01-01"), "'startdate'. Is start_date meant?"),
    (config(region="eu"), "'region'. Is server.region meant?"),
    (config(apikey=KEY), "'apikey'. Is credentials.api_key meant?"),
    (config(_limit="x"), "'_limit'."),
    (config(**{KEY: 1}), "a name (not shown, since it may be a key)."),
    (key(api_key=KEY, api_kye="x"), "'api_kye'. Is credentials.api_key meant?"),
    (
        config(server={"server_type": "region", "region": "eu", "reports": "x"}),
        "Server (server) has an unknown field, which is ignored: 'reports'.",
    ),
    (
        config(server={"server_type": "subdomain", "subdomain": "a", "region": "eu"}),
        "Server, Region (server.region) is ignored, because server_type is subdomain.",
    ),
    (
        config(
            workspace_ids=[WORKSPACE],
            credentials={
                "auth_type": "addon_token",
                "addon_token": ADDON_TOKEN,
                "api_key": KEY,
            },
        ),
        "(credentials.api_key) is ignored, because auth_type is addon_token.",
    ),
    (config(server="uk"), "Server (server) is 'uk', which is read as"),
]


@pytest.mark.parametrize(("given", "said"), IGNORED, ids=name_of)
def test_what_is_ignored_is_one_warning(given: dict[str, Any], said: str) -> None:
    (warning,) = understand_configuration(given, SPEC, NOW).warnings

    assert said in warning
    assert KEY not in warning
    assert ADDON_TOKEN not in warning


def test_check_and_read_warn_once_of_what_is_ignored(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])
    clockify.listing("tags", rows(1))
    settings = config(startdate="2024-01-01")

    for output in (check(settings), read("tags", with_config=settings)):
        assert [text for text in warnings(output) if "start_date meant" in text] == warnings(output)
        assert len(warnings(output)) == 1


# Files -----------------------------------------------------------------------------------------


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    """Return what runs the command itself and returns what it prints."""

    def run_with(*arguments: str) -> list[dict[str, Any]]:
        main(arguments)
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    return run_with


FILES: list[tuple[bytes | None, str]] = [
    (None, "does not exist"),
    (b"", "is empty"),
    (b"{broken", "is not JSON: it breaks at line 1, column 2"),
    (b"\xff\xfe{\x00", "is not UTF-8 text"),
    (b"[" * 100_000, "nested too deep"),
    (b"1" * 10_000, "too many digits"),
]


@pytest.mark.parametrize(("content", "said"), FILES, ids=[said for _, said in FILES])
def test_a_file_that_cannot_be_read_is_named_by_every_command(
    tmp_path: Path, printed: Any, content: bytes | None, said: str
) -> None:
    file = tmp_path / "given.json"
    if content is not None:
        file.write_bytes(content)
    arguments = ["--config", str(file)]

    messages = printed("check", *arguments)

    (status,) = [each["connectionStatus"] for each in messages if "connectionStatus" in each]
    assert status["status"] == "FAILED"
    for command in (["discover"], ["read", "--catalog", str(file)]):
        messages = printed(*command, *arguments)
        (error,) = [each["trace"]["error"] for each in messages if each["type"] == "TRACE"]
        assert (error["failure_type"], error["message"]) == ("config_error", status["message"])
        logged = [each["log"]["message"] for each in messages if each["type"] == "LOG"]
        assert not any("Traceback" in text for text in logged)
    assert f"The configuration file {file} cannot be read" in status["message"]
    assert said in status["message"]


def test_a_file_that_the_user_may_not_read_says_what_to_do(
    tmp_path: Path, printed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("source_clockify.files.open", refuse, raising=False)

    (message,) = printed("check", "--config", str(tmp_path / "config.json"))

    text = message["connectionStatus"]["message"]
    for part in ("no permission", f"user id {os.getuid()}", "chmod a+r", "docker run --user"):
        assert part in text


def test_a_folder_in_place_of_a_file_is_what_docker_makes_of_a_wrong_path(
    tmp_path: Path, printed: Any
) -> None:
    (message,) = printed("check", "--config", str(tmp_path))

    assert "is a folder. Docker makes one" in message["connectionStatus"]["message"]


def test_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(config()).encode())

    assert SourceClockify.read_config(str(file)) == config()


def selecting(**changes: Any) -> dict[str, Any]:
    (selected,) = catalog_of("tags")["streams"]
    return {"streams": [{**selected, **changes}]}


BAD_CATALOGS: list[tuple[Any, str]] = [
    ([], "a JSON object with a list of streams"),
    ("tags", "a JSON object with a list of streams"),
    ({}, "a JSON object with a list of streams"),
    ({"streams": {"tags": {}}}, "a JSON object with a list of streams"),
    ({"type": "CATALOG", "catalog": {"streams": []}}, "the message of discover"),
    ({"streams": ["tags"]}, "entry 1 of streams must be an object"),
    ({"streams": [{"name": "tags"}]}, "entry 1 of streams must be an object"),
    (selecting(stream={}), "entry 1 of streams has no stream name"),
    (selecting(stream={"name": 5}), "entry 1 of streams has no stream name"),
    (selecting(sync_mode=None), "tags has no sync_mode, one of full_refresh, incremental"),
    (selecting(sync_mode="INVALID"), "tags has an unknown sync_mode"),
    (selecting(sync_mode="incremantal"), "is incremental meant?"),
    (selecting(sync_mode=["incremental"]), "tags has an unknown sync_mode"),
    (selecting(destination_sync_mode="upsert"), "tags has an unknown destination_sync_mode"),
    (selecting(stream={"name": "tags"}), "tags has no json_schema"),
    (selecting(stream={"name": "tags", "json_schema": {}}), "tags has no supported_sync_modes"),
    (selecting(cursor_field=5), "tags has a field whose type differs"),
    ({"streams": []}, "The catalog selects no stream"),
    (catalog_of("tags", "tags"), "these streams more than once: tags"),
]


@pytest.mark.parametrize(("given", "said"), BAD_CATALOGS, ids=name_of)
def test_a_catalog_that_is_none_is_a_config_error(
    clockify: Clockify, run_command: Any, given: Any, said: str
) -> None:
    _, error = run_command("read", config=config(), catalog=given)

    assert error.failure_type is FailureType.config_error
    assert said in error.message
    assert_in_words(error.message)
    assert clockify.sent() == []


BAD_STATES: list[tuple[Any, str]] = [
    ({"tags": {}}, "must be a list of state messages"),
    ("tags", "must be a list of state messages"),
    (5, "must be a list of state messages"),
    (["tags"], "entry 1 is no state message"),
    ([{"type": "STATE", "state": {}}], "entry 1 is a whole message"),
    ([{"type": "RECORD"}], "entry 1 is no state message"),
    ([{"type": ["STREAM"]}], "entry 1 is no state message"),
    ([{"type": "STREAM"}], "entry 1 is not the state of a stream"),
    ([{"type": "LEGACY", "data": {"tags": {}}}], "entry 1 is not the state of a stream"),
    ([{"type": "GLOBAL", "global": {"stream_states": []}}], "entry 1 is not the state of a stream"),
    ([{"type": "STREAM", "stream": "tags"}], "lacks a field or has one of another type"),
    ([{"type": "STREAM", "stream": {"stream_state": {}}}], "lacks a field"),
]


@pytest.mark.parametrize(("given", "said"), BAD_STATES, ids=name_of)
def test_a_state_that_is_none_is_a_config_error(
    clockify: Clockify, run_command: Any, given: Any, said: str
) -> None:
    _, error = run_command("read", config=config(), catalog=catalog_of("tags"), state=given)

    assert error.failure_type is FailureType.config_error
    assert said in error.message
    assert_in_words(error.message)
    assert clockify.sent() == []


@pytest.mark.parametrize("empty", [None, [], {}], ids=str)
def test_an_empty_state_is_no_state(clockify: Clockify, run_command: Any, empty: Any) -> None:
    clockify.workspaces()
    clockify.listing("tags", rows(1))

    _, error = run_command("read", config=config(), catalog=catalog_of("tags"), state=empty)

    assert error is None


# Streams without a URL -------------------------------------------------------------------------

REPORTS = ("detailed_report", "summary_report")


@pytest.mark.parametrize("others", [("tags",), ("tags", "sync_log"), ()], ids=str)
def test_streams_without_a_url_fail_before_any_request_others_are_read(
    clockify: Clockify, others: tuple[str, ...]
) -> None:
    clockify.api = "https://clockify.example.com/api/v1"
    clockify.workspaces()
    clockify.users(USER)
    clockify.listing("tags", rows(2))
    selected = (*REPORTS, "audit_log", *others)

    output = read(*selected, with_config={**custom(), "track_changes": True}, incremental=True)

    for stream, title in (
        *((name, "Reports URL (server.reports_url)") for name in REPORTS),
        ("audit_log", "Audit Log URL (server.audit_log_url)"),
    ):
        error = failure(output, stream)
        assert error.failure_type is FailureType.config_error
        assert stream in error.message
        assert title in error.message
        assert "Traceback" not in error.stack_trace
        assert statuses(output, stream) == ["INCOMPLETE"]
    if others:
        assert statuses(output, "tags")[-1] == "COMPLETE"
    said = error_messages(output)
    assert len(said) == len({*said}) == 4
    assert said[-1].startswith("These streams were not read, see their errors: audit_log, ")
    assert bool(clockify.sent()) is bool(others)
    assert all(request.url.startswith(clockify.api) for request in clockify.sent())


def test_the_receipt_of_a_stream_without_a_url_is_incomplete(clockify: Clockify) -> None:
    clockify.api = "https://clockify.example.com/api/v1"
    clockify.workspaces()
    settings = {**custom(), "track_changes": True}

    output = read("detailed_report", "sync_log", with_config=settings, incremental=True)

    (receipt,) = [present(message.record).data for message in output.records]
    assert (receipt["stream"], receipt["status"]) == ("detailed_report", "incomplete")


def test_a_check_names_streams_without_a_url_in_one_warning_a_field(
    clockify: Clockify,
) -> None:
    clockify.api = "https://clockify.example.com/api/v1"
    clockify.workspaces()

    (warning,) = warnings(check(custom()))

    for part in ("detailed_report, ", "shared_reports", "server.reports_url"):
        assert part in warning
    assert "audit_log" not in warning


# A source built without its arguments ----------------------------------------------------------


def test_a_source_without_arguments_reads_what_its_commands_are_given(clockify: Clockify) -> None:
    clockify.api = "https://euc1.clockify.me/api/v1"
    clockify.workspaces()
    clockify.listing("tags", rows(2))
    settings = config(server={"server_type": "region", "region": "EU"}, track_changes="false")
    source = SourceClockify()

    found = source.discover(source.logger, settings)
    messages = [*source.read(source.logger, settings, catalog("tags"), None)]

    assert "sync_log" not in [stream.name for stream in found.streams]
    assert [message.record.data["id"] for message in messages if message.record] == [
        row["id"] for row in rows(2)
    ]
    assert {request.url.partition("/workspaces")[0] for request in clockify.sent()} == {
        clockify.api
    }


def test_a_source_goes_on_from_the_state_that_read_is_given(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users(USER)
    clockify.listing("tags", rows(2))
    selected = catalog("tags", incremental=True)
    first = [*SourceClockify().read(None, config(), selected, [])]  # type: ignore[arg-type]
    states = [message.state for message in first if message.state][-1:]

    second = [*SourceClockify().read(None, config(), selected, states)]  # type: ignore[arg-type]

    assert len([message for message in first if message.record]) == 2
    assert [message for message in second if message.record] == []


@pytest.mark.parametrize("given", [{}, config(plan="gratis")], ids=name_of)
def test_a_source_without_arguments_refuses_what_its_commands_are_given(given: Any) -> None:
    source = SourceClockify()

    status = source.check(source.logger, given)

    with pytest.raises(AirbyteTracedException) as raised:
        source.discover(source.logger, given)
    assert raised.value.message == status.message
    with pytest.raises(AirbyteTracedException) as raised:
        [*source.read(source.logger, given, catalog("tags"))]
    assert raised.value.message == status.message


# Streams that do not exist ---------------------------------------------------------------------


def test_a_stream_that_does_not_exist_is_named_with_the_one_that_is_meant(
    clockify: Clockify,
) -> None:
    clockify.workspaces()

    (message,) = error_messages(read("time_entry", with_config=config()))

    assert "do not exist: time_entry. Is time_entries meant by time_entry?" in message
    assert "The other streams" not in message


def test_a_stream_with_a_namespace_does_not_exist(clockify: Clockify) -> None:
    clockify.workspaces()
    selected = catalog("tags")
    selected.streams[0].stream.namespace = "clockify"

    source = SourceClockify(selected, config())
    with pytest.raises(AirbyteTracedException, match=r"do not exist: clockify\.tags"):
        [*source.read(source.logger, config(), selected)]


def test_every_title_of_the_spec_is_named_in_an_error() -> None:
    named = " ".join(part for _, said in WRONG for part in said)
    for name, schema in SPEC["properties"].items():
        assert f"{schema['title']} ({name})" in named
        for choice in schema.get("oneOf", []):
            for inner, field in choice["properties"].items():
                if "const" not in field:
                    assert f"{schema['title']}, {field['title']} ({name}.{inner})" in named


def test_no_configuration_is_a_line_of_the_log() -> None:
    """A wrong configuration may hold a key anywhere."""
    for given, _ in WRONG:
        if isinstance(given, dict):
            output = check(given)
            assert not any(KEY in log.message for log in logs_of(output))
            assert not re.search(KEY, str(errors_of(output)))
