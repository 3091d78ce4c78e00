"""The configuration: what the form shows, which hosts it means, and the older connector's."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, FailureType, Status

from source_clockify import SourceClockify
from source_clockify.run import source_of
from unit_tests.clockify import (
    ADDON_TOKEN,
    API,
    KEY,
    WORKSPACE,
    Clockify,
    catalog,
    check,
    config,
    entry,
    failure,
    ids,
    manifest_source,
    read,
    read_ok,
    report_row,
    rows,
    statuses,
)
from unit_tests.protocol import error_messages, errors_of, present

SPEC: dict[str, Any] = SourceClockify().spec(logging.getLogger("airbyte")).connectionSpecification


def fields(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of the form with its path, those of the choices too."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field
        for choice in field.get("oneOf", []):
            yield from fields(choice, f"{path}{name}.{choice['title']}.")


FIELDS = dict(fields(SPEC))
# The constants that tell the choices apart are not shown.
SHOWN = {path: field for path, field in FIELDS.items() if "const" not in field}


def is_valid(settings: Mapping[str, Any]) -> bool:
    return bool(jsonschema.Draft7Validator(SPEC).is_valid(settings))


# The form --------------------------------------------------------------------------------------


def test_the_form_has_these_fields_with_these_defaults() -> None:
    assert {path: field.get("default") for path, field in SHOWN.items()} == {
        "credentials": None,
        "credentials.API Key.api_key": None,
        "credentials.Add-on Token.addon_token": None,
        "server": {"server_type": "region", "region": "global"},
        "server.Region.region": "global",
        "server.Subdomain.subdomain": None,
        "server.Custom URLs.api_url": None,
        "server.Custom URLs.reports_url": None,
        "server.Custom URLs.audit_log_url": None,
        "workspace_ids": [],
        "start_date": None,
        "lookback_days": 30,
        "horizon_days": 365,
        "plan": "paid",
        "num_workers": 4,
        "track_changes": True,
        "resend_changes": 1,
        # On or off with the plan.
        "follow_changes": None,
        "state_limit_mb": 9,
    }
    assert SPEC["required"] == ["credentials"]


@pytest.mark.parametrize("path", SHOWN)
def test_every_field_has_a_title_and_a_description(path: str) -> None:
    assert SHOWN[path]["title"]
    assert SHOWN[path]["description"].endswith(".")
    assert SHOWN[path]["title"][0].isupper()


def test_every_field_has_its_place() -> None:
    """Without an order Airbyte sorts by name, and with two alike by chance."""
    schemas = [SPEC, *(choice for field in FIELDS.values() for choice in field.get("oneOf", []))]
    for schema in schemas:
        orders = [field["order"] for field in schema["properties"].values()]
        assert orders == sorted(set(orders))
    groups = {group["id"] for group in SPEC["groups"]}
    assert {field["group"] for field in SPEC["properties"].values()} == groups


def test_the_secrets_and_nothing_else_are_marked_as_secret() -> None:
    assert {path for path, field in FIELDS.items() if field.get("airbyte_secret")} == {
        "credentials.API Key.api_key",
        "credentials.Add-on Token.addon_token",
    }


def test_every_pattern_is_explained_in_words() -> None:
    for path, field in FIELDS.items():
        pattern = field.get("pattern") or field.get("items", {}).get("pattern")
        if pattern:
            assert re.compile(pattern)
            assert field["pattern_descriptor"], path


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if field.get("examples")])
def test_every_example_is_valid(path: str) -> None:
    for example in FIELDS[path]["examples"]:
        jsonschema.validate(example, FIELDS[path])


CUSTOM = {"server_type": "custom", "api_url": API}


@pytest.mark.parametrize(
    "settings",
    [
        config(),
        config(credentials={"auth_type": "addon_token", "addon_token": ADDON_TOKEN}),
        *(config(server={"server_type": "region", "region": r}) for r in ("global", "eu", "au")),
        *(config(server={"server_type": "subdomain", "subdomain": s}) for s in ("a", "Acme-2")),
        config(server=CUSTOM),
        config(server={**CUSTOM, "reports_url": "https://r.example.com:8443/report/v1/"}),
        config(server={**CUSTOM, "audit_log_url": "http://localhost:9000/audit/v1"}),
        config(server={**CUSTOM, "api_url": "http://127.0.0.1:8080"}),
        config(server={**CUSTOM, "api_url": "http://[::1]/api"}),
        config(workspace_ids=[]),
        config(workspace_ids=["650000000000000000000123", WORKSPACE]),
        config(workspace_ids=[" 64E777123456789012345678 "]),
        config(start_date="2024-02-29T23:59:59Z"),
        config(start_date="2024-02-29"),
        config(start_date="2024-02-29T23:59:59"),
        config(start_date="2024-02-29T23:59:59.123456789-09:30"),
        config(start_date=" 2024-02-29t23:59:59z "),
        config(start_date="2024-02-29 23:59:59"),
        *(config(lookback_days=days) for days in (1, 400)),
        *(config(horizon_days=days) for days in (0, 3650)),
        *(config(plan=plan) for plan in ("paid", "free")),
        *(config(num_workers=number) for number in (2, 20)),
        *(config(track_changes=on) for on in (True, False)),
        *(config(resend_changes=number) for number in (0, 10)),
        *(config(follow_changes=on) for on in (True, False)),
        *(config(state_limit_mb=number) for number in (1, 200)),
        config(something_newer="is ignored"),
    ],
    ids=lambda settings: json.dumps({k: v for k, v in settings.items() if k != "credentials"}),
)
def test_valid_settings_are_accepted(settings: dict[str, Any]) -> None:
    jsonschema.validate(settings, SPEC)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        config(credentials={}),
        config(credentials={"auth_type": "api_key"}),
        config(credentials={"auth_type": "api_key", "api_key": ""}),
        config(credentials={"auth_type": "api_key", "api_key": "with a space"}),
        config(credentials={"auth_type": "api_key", "api_key": "with a line break\n"}),
        config(credentials={"auth_type": "addon_token", "api_key": KEY}),
        config(credentials={"auth_type": "oauth", "api_key": KEY}),
        config(server={"server_type": "region", "region": "mars"}),
        config(server={"server_type": "region"}),
        config(server={"server_type": "subdomain", "subdomain": "acme.clockify.me"}),
        config(server={"server_type": "subdomain", "subdomain": "-acme"}),
        config(server={"server_type": "subdomain", "subdomain": "evil.example.com/"}),
        config(server={"server_type": "subdomain", "subdomain": ""}),
        config(server={"server_type": "custom"}),
        config(server={**CUSTOM, "api_url": "http://api.clockify.me/api/v1"}),
        config(server={**CUSTOM, "api_url": "api.clockify.me"}),
        config(server={**CUSTOM, "api_url": "https://a b/"}),
        config(server={**CUSTOM, "reports_url": "http://reports.example.com"}),
        config(server={**CUSTOM, "audit_log_url": "http://audit.example.com"}),
        config(workspace_ids=[WORKSPACE, WORKSPACE]),
        config(workspace_ids=["64e77712345678901234567"]),
        config(workspace_ids=[650000000000000000000123]),
        config(workspace_ids=WORKSPACE),
        config(start_date="01.01.2024"),
        config(start_date="0999-01-01T00:00:00Z"),
        config(start_date="1999-12-31T23:59:59Z"),
        config(start_date="2024-13-01"),
        config(start_date="2024-01-01T00:00:00Zulu"),
        config(start_date=5),
        *(config(lookback_days=days) for days in (0, 401, "30", 1.5)),
        *(config(horizon_days=days) for days in (-1, 3651)),
        config(plan="enterprise"),
        *(config(num_workers=number) for number in (1, 21)),
        *(config(resend_changes=number) for number in (-1, 11)),
        *(config(state_limit_mb=number) for number in (0, 201)),
        config(track_changes="yes"),
        config(follow_changes="yes"),
    ],
    ids=lambda settings: json.dumps(settings).replace(KEY, "key"),
)
def test_invalid_settings_are_refused(settings: dict[str, Any]) -> None:
    assert not is_valid(settings)


def test_invalid_settings_end_in_a_config_error_before_any_request(clockify: Clockify) -> None:
    output = read("workspaces", with_config=config(num_workers=100))

    assert [error.failure_type for error in errors_of(output)] == [FailureType.config_error]
    assert clockify.sent() == []


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-11-20", "2026-11-20T00:00:00Z"),
        (" 2026-11-20T00:00:00Z ", "2026-11-20T00:00:00Z"),
        ("2026-11-20T08:30:00", "2026-11-20T08:30:00Z"),
        ("2026-11-20T08:30:00.987654321Z", "2026-11-20T08:30:00Z"),
        ("2026-11-20T01:30:00+05:30", "2026-11-19T20:00:00Z"),
        ("2026-11-19T22:00:00.5-0200", "2026-11-20T00:00:00Z"),
    ],
)
def test_a_start_date_is_understood_in_utc(
    clockify: Clockify, alone: bool, given: str, meant: str
) -> None:
    clockify.workspaces()
    moments = [*starts_around(meant)]
    clockify.serve("time_entries", [entry(moment, moment) for moment in moments])
    clockify.serve("detailed_report", [report_row(moment, moment) for moment in moments])

    output = read_ok(
        "time_entries",
        "detailed_report",
        with_config=config(start_date=given),
        manifest_alone=alone,
    )

    assert ids(output, "time_entries") == ids(output, "detailed_report") == moments[1:]


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
def test_what_the_form_admits_is_understood_by_both(clockify: Clockify, alone: bool) -> None:
    clockify.api = "https://a.example.com/x"
    clockify.workspaces()
    clockify.serve("time_entries", [entry("new", "2026-11-20T08:00:00Z")])
    settings = config(
        server={"server_type": "custom", "api_url": " https://a.example.com/x/ "},
        workspace_ids=[f" {WORKSPACE.upper()} "],
        start_date=" 2026-11-20 00:00:00z ",
    )
    assert is_valid(settings)

    output = read_ok("workspaces", "time_entries", with_config=settings, manifest_alone=alone)

    assert ids(output, "workspaces") == [WORKSPACE]
    assert ids(output, "time_entries") == ["new"]


def starts_around(moment: str) -> Iterator[str]:
    """Yield the second before a moment, the moment, and the second after it."""
    parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    for seconds in (-1, 0, 1):
        yield (parsed + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


NO_START_DATES: list[tuple[Any, str]] = [
    ("yesterday", "is no date"),
    (5, "is no date"),
    ({}, "is no date"),
    (["2024-01-01"], "is no date"),
    (False, "is no date"),
    ("2024-02-30T00:00:00+02:00", "is no date"),
    ("2023-02-29", "is no date"),
    ("2024-01-01T00:00:00Zulu", "is no date"),
    ("0001-01-01", "is before 2000"),
    ("0001-01-01T00:00:00Z", "is before 2000"),
    ("0999-01-01T00:00:00Z", "is before 2000"),
    ("1900-01-01T00:00:00Z", "is before 2000"),
    ("2000-01-01T00:00:00+02:00", "is before 2000"),
    ("2026-11-24T09:00:01Z", "is in the future"),
    ("2026-11-25", "is in the future"),
    ("+20226-01-01T00:00:00Z", "is in the future"),
]


@pytest.mark.parametrize(("given", "problem"), NO_START_DATES)
def test_an_impossible_start_date_is_one_error_before_any_request(
    clockify: Clockify, given: Any, problem: str
) -> None:
    clockify.workspaces()
    settings = config(start_date=given)

    (message,) = check(settings).connection_status_messages
    output = read("detailed_report", "time_entries", with_config=settings)

    status = present(message.connectionStatus)
    assert status.status is Status.FAILED
    assert [error.failure_type for error in errors_of(output)] == [FailureType.config_error]
    text = error_messages(output)[0]
    assert status.message == text
    assert f"Start Date (start_date) is {str(given)!r}, which {problem}." in text
    assert "2024-01-01T00:00:00Z" in text
    assert clockify.sent() == []


@pytest.mark.parametrize(
    "given", [given for given, problem in NO_START_DATES if "future" not in problem]
)
def test_the_manifest_alone_fails_for_such_a_start_date(clockify: Clockify, given: Any) -> None:
    clockify.workspaces()

    output = read("detailed_report", with_config=config(start_date=given), manifest_alone=True)

    assert output.errors
    assert clockify.sent_for("detailed_report") == []


def test_a_start_date_that_is_empty_is_none(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("old", "2010-01-01T00:00:00Z")])

    assert ids(read_ok("time_entries", with_config=config(start_date=""))) == ["old"]


def test_the_spec_is_a_json_schema() -> None:
    jsonschema.validate(SPEC, jsonschema.Draft7Validator.META_SCHEMA)


def test_the_spec_is_there_without_a_configuration() -> None:
    spec = SourceClockify().spec(logging.getLogger("airbyte"))
    assert str(spec.documentationUrl).endswith("/docs/integrations/sources/clockify.md")


# The hosts -------------------------------------------------------------------------------------

HOSTS = [
    (None, "https://api.clockify.me/api/v1", "https://reports.api.clockify.me/v1"),
    (
        {"server_type": "region", "region": "global"},
        "https://api.clockify.me/api/v1",
        "https://reports.api.clockify.me/v1",
    ),
    *(
        (
            {"server_type": "region", "region": region},
            f"https://{host}.clockify.me/api/v1",
            f"https://{host}.clockify.me/report/v1",
        )
        for region, host in (("eu", "euc1"), ("us", "use2"), ("uk", "euw2"), ("au", "apse2"))
    ),
    (
        {"server_type": "subdomain", "subdomain": "acme"},
        "https://acme.clockify.me/api/v1",
        "https://acme.clockify.me/report/v1",
    ),
    (
        {
            "server_type": "custom",
            "api_url": "https://a.example.com/x/",
            "reports_url": "https://r.example.com:8443/y/",
        },
        "https://a.example.com/x",
        "https://r.example.com:8443/y",
    ),
]


@pytest.mark.parametrize(
    ("server", "api", "reports"), HOSTS, ids=[json.dumps(host[0]) for host in HOSTS]
)
def test_each_server_means_these_hosts(
    clockify: Clockify, server: dict[str, Any] | None, api: str, reports: str
) -> None:
    clockify.api, clockify.reports = api, reports
    clockify.workspaces()
    clockify.serve("detailed_report", [])
    settings = config(start_date="2026-11-20T00:00:00Z")
    if server is not None:
        settings["server"] = server

    read_ok("workspaces", "detailed_report", with_config=settings)

    assert {request.url for request in clockify.sent()} == {
        f"{api}/workspaces",
        f"{reports}/workspaces/{WORKSPACE}/reports/detailed",
    }


def test_a_missing_reports_host_is_a_config_error_for_reports_alone(
    clockify: Clockify,
) -> None:
    """Never the public host: the key does not belong to it."""
    clockify.api = "https://a.example.com/api/v1"
    clockify.workspaces()
    clockify.listing("tags", rows(2))
    server = {"server_type": "custom", "api_url": clockify.api}

    output = read("tags", "detailed_report", with_config=config(server=server))

    error = failure(output, "detailed_report")
    assert error.failure_type is FailureType.config_error
    assert "Reports URL (server.reports_url)" in error.message
    assert statuses(output, "tags")[-1] == "COMPLETE"
    assert len(ids(output, "tags")) == 2
    assert {request.url.split("/api")[0] for request in clockify.sent()} == {
        "https://a.example.com"
    }


# The older connector's configuration -----------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "read"])
@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"api_key": KEY}, config()),
        ({"api_key": KEY, "workspace_id": WORKSPACE}, config(workspace_ids=[WORKSPACE])),
        (
            {"api_key": KEY, "workspace_id": "650000000000000000000123"},
            config(workspace_ids=["650000000000000000000123"]),
        ),
        ({"api_key": KEY, "workspace_id": ""}, config()),
        ({"api_key": KEY, "api_url": ""}, config()),
        ({"api_key": KEY, "api_url": "https://api.clockify.me"}, config()),
        ({"api_key": KEY, "api_url": "https://api.clockify.me/"}, config()),
        ({"api_key": KEY, "api_url": "https://api.clockify.me/api/v1"}, config()),
        *(
            (
                {"api_key": KEY, "api_url": f"https://{host}.clockify.me"},
                config(server={"server_type": "region", "region": region}),
            )
            for host, region in (("euc1", "eu"), ("use2", "us"), ("euw2", "uk"), ("apse2", "au"))
        ),
        (
            {"api_key": KEY, "api_url": "https://Acme.clockify.me/api/v1"},
            config(server={"server_type": "subdomain", "subdomain": "acme"}),
        ),
        (
            {"api_key": KEY, "api_url": "https://api.example.com"},
            config(server={"server_type": "custom", "api_url": "https://api.example.com/api/v1"}),
        ),
        (
            {"api_key": KEY, "api_url": "https://clockify.example.com"},
            config(
                server={
                    "server_type": "custom",
                    "api_url": "https://clockify.example.com/api/v1",
                }
            ),
        ),
        (
            {"api_key": KEY, "api_url": "https://clockify.example.com/own/api/v1/"},
            config(
                server={
                    "server_type": "custom",
                    "api_url": "https://clockify.example.com/own/api/v1",
                }
            ),
        ),
    ],
    ids=lambda value: json.dumps(value).replace(KEY, "key"),
)
def test_the_older_connectors_configuration_is_migrated(
    older: dict[str, Any],
    newer: dict[str, Any],
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file is rewritten and Airbyte is told, so that the next sync starts from the new one.

    Airbyte stores what it is told, so the few retries of a check are no part of it.
    """
    file = tmp_path / "config.json"
    file.write_text(json.dumps(older))

    SourceClockify(config=older, config_path=str(file), command=command)

    assert json.loads(file.read_text()) == newer
    control = json.loads(capsys.readouterr().out)
    assert control["type"] == "CONTROL"
    assert control["control"]["connectorConfig"]["config"] == newer
    assert is_valid(newer)


def test_a_migrated_configuration_reads_the_same_workspace(
    clockify: Clockify, tmp_path: Path
) -> None:
    clockify.api = "https://euc1.clockify.me/api/v1"
    clockify.workspaces()
    clockify.users("u1")
    older = {"api_key": KEY, "workspace_id": WORKSPACE, "api_url": "https://euc1.clockify.me"}

    output = read_ok("workspaces", "users", with_config=older)

    assert ids(output, "workspaces") == [WORKSPACE]
    assert ids(output, "users") == ["u1"]
    assert {request.headers["X-Api-Key"] for request in clockify.sent()} == {KEY}


@pytest.mark.parametrize(
    "settings",
    [config(), config(workspace_ids=[WORKSPACE], server=CUSTOM, start_date="2024-01-01T00:00:00Z")],
)
def test_a_configuration_of_today_is_left_alone(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text("untouched")

    SourceClockify(config=settings, config_path=str(file))

    assert file.read_text() == "untouched"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "given",
    [
        config(),
        config(**{name: None for name in SPEC["properties"] if name != "credentials"}),
        config(**{name: "" for name in SPEC["properties"] if name != "credentials"}),
        config(credentials={"auth_type": "api_key", "api_key": f" {KEY}\r\n"}),
        config(credentials={"auth_type": "addon_token", "addon_token": f"{ADDON_TOKEN}\n"}),
        config(server="eu", workspace_ids=f" {WORKSPACE.upper()},", start_date=" 2024-01-01 "),
        config(lookback_days="40", track_changes="TRUE", plan=" Free ", num_workers=3.0),
    ],
    ids=["plain", "null", "empty", "padded key", "padded token", "loose", "as text"],
)
def test_what_is_understood_has_nothing_left_to_migrate(
    given: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The connector skips the migrations of the manifest, except for an older configuration."""
    source = SourceClockify(config=given)
    understood = {name: value for name, value in source.settings.items() if name != "hosts"}
    before = json.dumps(understood)

    assert manifest_source("workspaces", with_config=understood)
    # The CDK announces what it migrates, and changes nested fields in place.
    assert capsys.readouterr().out == ""
    assert json.dumps(understood) == before


def test_the_hosts_that_are_computed_never_reach_the_file_or_the_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"

    SourceClockify(config={"api_key": KEY}, config_path=str(file))

    assert "hosts" not in file.read_text()
    assert "hosts" not in capsys.readouterr().out


def test_an_older_configuration_in_a_read_only_file_is_read_all_the_same(
    clockify: Clockify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker users mount it read-only; it can then not be written back, which is no error."""
    older = {"api_key": KEY, "workspace_id": WORKSPACE}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(older))
    may_access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and may_access(path, mode))
    clockify.workspaces()

    source = source_of(["read", "--config", str(file), "--catalog", catalog_file(tmp_path)])

    assert [stream.name for stream in source.streams({})] == ["workspaces"]
    assert json.loads(file.read_text()) == older


def catalog_file(folder: Path) -> str:
    file = folder / "catalog.json"
    file.write_text(json.dumps(ConfiguredAirbyteCatalogSerializer.dump(catalog("workspaces"))))
    return str(file)
