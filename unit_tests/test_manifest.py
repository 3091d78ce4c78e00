"""manifest.yaml by itself, as the Connector Builder of Airbyte Cloud runs it."""

import logging
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

import source_clockify
from integration_tests.stream_facts import cursor_of, definitions
from source_clockify import SourceClockify
from source_clockify.manifest_file import load_manifest
from unit_tests.clockify import (
    ODD_IDS,
    STREAMS,
    WORKSPACE,
    Clockify,
    addon_config,
    config,
    entry,
    final_state,
    ids,
    manifest_source,
    read_ok,
    records,
    report_row,
    rows,
)
from unit_tests.protocol import present

FILE = Path(source_clockify.__file__).with_name("manifest.yaml")
RECENT = {"start_date": "2026-11-01T00:00:00Z"}

ALL_STREAMS = tuple(definitions())
# Their cursor is a day.
OF_DAYS = ("summary_report", "weekly_report", "expense_report")


def discovered(settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the streams of `discover` by name."""
    settings = config() if settings is None else settings
    output: EntrypointOutput = entrypoint_wrapper.discover(
        SourceClockify(config=settings), settings
    )
    return {stream.name: stream for stream in present(present(output.catalog).catalog).streams}


@pytest.fixture(scope="module")
def streams() -> dict[str, Any]:
    return discovered()


def properties(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property of a schema with its path, nested ones too."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}".lstrip("."), field
        yield from properties(field, f"{path}.{name}")
    for within in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(within, Mapping):
            yield from properties(within, f"{path}[]")


# The file --------------------------------------------------------------------------------------


def test_it_loads_without_trusted_or_deprecated_components() -> None:
    source = ConcurrentDeclarativeSource(
        config=config(),
        catalog=None,
        state=None,
        source_config=yaml.safe_load(FILE.read_text()),
        custom_components_trusted=False,
    )

    assert {stream.name for stream in source.streams(config())} == set(ALL_STREAMS)
    assert source.deprecation_warnings() == []


def test_it_names_no_python_class_and_no_schema_file() -> None:
    """Airbyte Cloud runs neither."""
    text = FILE.read_text()

    assert not re.search(r"\bclass_name\b|\bCustom\w+\b|JsonFileSchemaLoader", text)


def test_it_names_the_version_of_the_cdk_that_it_was_tested_with() -> None:
    assert load_manifest()["version"] == version("airbyte-cdk")


# What discover shows ---------------------------------------------------------------------------


def test_both_plans_show_the_same_streams(streams: dict[str, Any]) -> None:
    free = discovered(config(plan="free"))

    assert set(free) == set(streams) == {*ALL_STREAMS, "sync_log"}
    assert {name: stream.json_schema for name, stream in free.items()} == {
        name: stream.json_schema for name, stream in streams.items()
    }


@pytest.mark.parametrize("name", ALL_STREAMS)
def test_the_primary_key_is_in_the_schema(streams: dict[str, Any], name: str) -> None:
    key = definitions()[name]["primary_key"]

    assert streams[name].source_defined_primary_key == [[part] for part in key]
    assert set(key) <= set(streams[name].json_schema["properties"])


def test_without_change_tracking_the_cursors_are_the_manifests() -> None:
    source = SourceClockify(config=config(track_changes=False))
    catalog = source.discover(logging.getLogger("airbyte"), config(track_changes=False))

    for stream in catalog.streams:
        cursor = cursor_of(stream.name)
        assert (SyncMode.incremental in stream.supported_sync_modes) == bool(cursor)
        assert SyncMode.full_refresh in stream.supported_sync_modes
        assert "_ab_cdc_updated_at" not in stream.json_schema["properties"]
        if cursor:
            assert stream.source_defined_cursor
            assert stream.default_cursor_field == [cursor]
            assert stream.json_schema["properties"][cursor]["format"] in ("date-time", "date")


@pytest.mark.parametrize("name", ALL_STREAMS)
def test_with_change_tracking_every_stream_is_incremental(
    streams: dict[str, Any], name: str
) -> None:
    stream = streams[name]

    assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
    assert stream.source_defined_cursor
    assert stream.default_cursor_field == ["_ab_cdc_updated_at"]
    for column in ("_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_baseline_at"):
        assert stream.json_schema["properties"][column]["format"] == "date-time"


@pytest.mark.parametrize("name", ALL_STREAMS)
def test_every_property_has_a_type_that_admits_null_and_a_description(
    streams: dict[str, Any], name: str
) -> None:
    schema = streams[name].json_schema

    jsonschema.validate(schema, jsonschema.Draft7Validator.META_SCHEMA)
    assert schema["additionalProperties"] is True
    lacking = [
        path
        for path, field in properties(schema)
        if "null" not in field.get("type", [])
        or len(field["type"]) < 2
        or len(field.get("description", "")) < 10
        or not field["description"].endswith(".")
        or "enum" in field
    ]
    assert lacking == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("time_entries", "timeInterval.start"),
        ("users", "memberships[].hourlyRate.amount"),
        ("approval_requests", "approvalRequest.status.updatedAt"),
        ("summary_report", "children[].children[].duration"),
    ],
)
def test_properties_within_objects_and_lists_are_looked_at_too(
    streams: dict[str, Any], name: str, path: str
) -> None:
    assert path in dict(properties(streams[name].json_schema))


@pytest.mark.parametrize("name", ALL_STREAMS)
def test_objects_are_open_and_lists_say_what_they_hold(streams: dict[str, Any], name: str) -> None:
    for path, field in properties(streams[name].json_schema):
        types = set(field["type"]) - {"null"}
        if types == {"object"}:
            assert field["additionalProperties"] is True, path
        if types == {"array"}:
            assert "type" in field["items"], path


@pytest.mark.parametrize("name", ALL_STREAMS)
def test_moments_have_the_format_of_a_date(streams: dict[str, Any], name: str) -> None:
    for path, field in properties(streams[name].json_schema):
        if path == "cursor" and name in OF_DAYS:
            assert field["format"] == "date"
        elif path.split(".")[-1] in ("start", "end", "cursor") and "string" in field["type"]:
            assert field["format"] == "date-time", path
            assert field["airbyte_type"] == "timestamp_with_timezone", path


# What it reads ---------------------------------------------------------------------------------


def by_stream(output: EntrypointOutput) -> dict[str, list[dict[str, Any]]]:
    return {
        stream: sorted(records(output, stream), key=lambda record: str(sorted(record.items())))
        for stream in STREAMS
    }


@pytest.mark.parametrize(
    "settings",
    [
        config(**RECENT),
        config(**RECENT, plan="free"),
        config(**RECENT, workspace_ids=[WORKSPACE]),
        addon_config(**RECENT),
    ],
    ids=["paid", "free", "named workspace", "add-on"],
)
def test_every_stream_comes_with_the_same_records_as_from_the_connector(
    clockify: Clockify, settings: dict[str, Any]
) -> None:
    clockify.serve_everything()

    alone = read_ok(*STREAMS, with_config=settings, manifest_alone=True)
    clockify.mocker.reset_mock()
    both = read_ok(*STREAMS, with_config=settings)

    assert all(by_stream(both).values())
    assert by_stream(alone) == by_stream(both)


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_syncs_alone(clockify: Clockify, stream: str) -> None:
    clockify.serve_everything()

    assert records(read_ok(stream, with_config=config(**RECENT), manifest_alone=True))


def test_odd_ids_nulls_and_unicode_come_through_it_unchanged(clockify: Clockify) -> None:
    odd = ODD_IDS[0]
    clockify.workspaces(odd)
    clockify.listing("users", [{"id": odd, "name": "Żółć 東京", "settings": {"x": None}}], odd)
    clockify.listing("projects", [{"id": odd}], odd)
    clockify.listing(f"projects/{odd}/tasks", [{"id": odd, "projectId": odd}], odd)
    clockify.answer(f"/workspaces/{odd}/member-profile/{odd}", {"json": {"name": "Ada"}})
    clockify.user_entries(odd, [entry(odd, "2026-11-20T08:00:00Z", tagIds=[odd])], odd)
    clockify.detailed_report([report_row(odd, "2026-11-20T08:00:00Z")], odd)
    selected = ("users", "tasks", "member_profiles", "time_entries", "detailed_report")

    output = read_ok(*selected, with_config=config(**RECENT), manifest_alone=True)

    (user,) = records(output, "users")
    assert user == {
        "id": odd,
        "name": "Żółć 東京",
        "settings": {"x": None},
        "workspaceId": odd,
    }
    assert records(output, "tasks") == [{"id": odd, "projectId": odd, "workspaceId": odd}]
    assert records(output, "member_profiles") == [
        {"name": "Ada", "workspaceId": odd, "userId": odd}
    ]
    (of_user,) = records(output, "time_entries")
    assert of_user["tagIds"] == [odd]
    (of_report,) = records(output, "detailed_report")
    assert (of_report["_id"], of_report["workspaceId"]) == (odd, odd)


def test_it_continues_from_its_own_state(clockify: Clockify) -> None:
    clockify.workspaces()
    settings = config(lookback_days=1)
    clockify.serve(
        "time_entries",
        [entry("a", "2026-11-20T08:00:00Z"), entry("old", "2026-01-01T00:00:00Z")],
    )
    first = read_ok("time_entries", with_config=settings, incremental=True, manifest_alone=True)

    second = read_ok(
        "time_entries",
        with_config=settings,
        incremental=True,
        state=[final_state(first, "time_entries")],
        manifest_alone=True,
    )

    assert ids(first) == ["a", "old"]
    assert ids(second) == ["a"]


def test_connector_and_manifest_continue_from_each_others_state(
    clockify: Clockify,
) -> None:
    """So that a user may switch between the image and the Connector Builder."""
    clockify.workspaces()
    clockify.serve(
        "time_entries",
        [entry("a", "2026-11-20T08:00:00Z"), entry("old", "2026-01-01T00:00:00Z")],
    )
    for first_alone in (True, False):
        first = read_ok("time_entries", incremental=True, manifest_alone=first_alone)
        second = read_ok(
            "time_entries",
            incremental=True,
            state=[final_state(first, "time_entries")],
            manifest_alone=not first_alone,
        )

        assert ids(second) == ["a"]


def test_it_checks_a_connection_by_itself(clockify: Clockify) -> None:
    clockify.workspaces()
    source = manifest_source("workspaces", with_config=config())

    status = source.check(source.logger, config())

    assert status.status.value == "SUCCEEDED"
    assert {request.path for request in clockify.sent()} == {"/api/v1/workspaces"}


def test_its_check_fails_where_no_workspace_is_visible(clockify: Clockify) -> None:
    clockify.answer("/workspaces", {"json": []})
    source = manifest_source("workspaces", with_config=config())

    status = source.check(source.logger, config())

    assert status.status.value == "FAILED"
    assert "sees no workspace" in str(status.message)


def test_refused_streams_do_not_fail_it(clockify: Clockify) -> None:
    clockify.workspaces()
    refusal = {"status_code": 403, "json": {"message": "Access Denied"}}
    clockify.serve_responses("custom_fields", refusal)
    clockify.listing("tags", rows(1))

    output = read_ok("custom_fields", "tags", manifest_alone=True)

    assert len(records(output, "tags")) == 1
    assert output.is_in_logs("Pro plan")
