"""The manifest can be imported in the Connector Builder, and reads there what the document says.

The Builder itself runs in Airbyte only. What it runs on its server is part of the CDK and runs
here: resolving the manifest, test reads, and the syncs of a published connector, whose manifest
comes in the configuration.
"""

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml
from airbyte_cdk.cli.source_declarative_manifest import _run
from airbyte_cdk.connector_builder.connector_builder_handler import create_source, get_limits
from airbyte_cdk.connector_builder.main import handle_connector_builder_request
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    get_declarative_component_schema,
)
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import (
    MANIFEST_ALONE,
    ROOT,
    STREAMS,
    Layer,
    Output,
    config_of,
    discovered,
    key_of,
    read,
    run,
)
from integration_tests.truth import assert_same, expected
from source_clockify.manifest import streams_of
from source_clockify.manifest_file import load_manifest

FILE = ROOT / "source_clockify" / "manifest.yaml"
DOCUMENT = (ROOT / "docs" / "airbyte-cloud.md").read_text()
LOOKBACK_DAYS = 30

# A published connector: `source-declarative-manifest`, and the manifest in the configuration.
PUBLISHED = Layer("published", "source-declarative-manifest", (), _run.create_declarative_source)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=3, entries=20, projects=3, tasks=2, plan="PRO") as server:
        yield server


# The file


def test_the_manifest_is_the_same_as_json() -> None:
    """Airbyte keeps it as JSON: no dates, sets, binaries, keys that are no text."""
    manifest = load_manifest()
    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest


def test_every_reader_of_yaml_takes_the_manifest_for_the_same() -> None:
    """PyYAML reads YAML 1.1, Builder and Terraform 1.2, with other bare words and numbers."""
    core = re.compile(r"(~|null|Null|NULL|true|false)?|-?(0|[1-9][0-9]*)(\.[0-9]+)?")
    number = re.compile(
        r"0[xo][0-9a-f]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?|[-+]?\.(inf|nan)", re.I
    )
    with FILE.open() as file:
        root = yaml.compose(file, yaml.CSafeLoader)
    for scalar in plain_scalars(root):
        line = scalar.start_mark.line + 1
        if scalar.tag == "tag:yaml.org,2002:str":
            assert not core.fullmatch(scalar.value), line
            assert not number.fullmatch(scalar.value), line
        else:
            assert core.fullmatch(scalar.value), line


def plain_scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        if not node.style:
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from plain_scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for item in pair:
                yield from plain_scalars(item)


def test_no_key_stands_twice_in_the_manifest() -> None:
    """PyYAML takes the last one, the Builder refuses the file."""
    with FILE.open() as file:
        root = yaml.compose(file, yaml.CSafeLoader)
    twice = [
        (key.value, key.start_mark.line + 1)
        for mapping in mappings(root)
        for key, _ in mapping.value
        if [other.value for other, _ in mapping.value].count(key.value) > 1
    ]
    assert twice == []


def mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
    if isinstance(node, yaml.CollectionNode):
        for item in node.value:
            for each in item if isinstance(item, tuple) else (item,):
                yield from mappings(each)


def test_the_manifest_has_no_tags_and_no_merge_keys() -> None:
    """Anchors are plain YAML; these two are extras that not every reader knows."""
    with FILE.open() as file:
        events = list(yaml.parse(file, yaml.CSafeLoader))
    assert {getattr(event, "tag", None) for event in events} == {None}
    assert "<<" not in {getattr(event, "value", None) for event in events}


# What the Builder's server does


@cache
def resolved(*flags: str) -> JSON:
    """What the Builder gets for the whole manifest; it migrates and normalizes for its forms."""
    config = injected(load_manifest(), **dict.fromkeys(flags, True))
    manifest: JSON = builder("resolve_manifest", config)["manifest"]
    return manifest


def injected(manifest: Mapping[str, Any], **more: Any) -> JSON:
    """A configuration with a manifest in it, which has been JSON on its way to Airbyte."""
    return {"__injected_declarative_manifest": json.loads(json.dumps(manifest)), **more}


def builder(command: str, config: JSON, stream: str | None = None) -> JSON:
    """Run a command of the Builder's server; the data of its answer."""
    selected = {
        "stream": {
            "name": stream,
            "json_schema": {},
            "supported_sync_modes": ["full_refresh", "incremental"],
        },
        "sync_mode": "incremental",
        "destination_sync_mode": "overwrite",
    }
    catalog = ConfiguredAirbyteCatalogSerializer.load({"streams": [selected]}) if stream else None
    limits = get_limits(config)
    source = create_source(config, limits, catalog, [])
    answer = handle_connector_builder_request(source, command, config, catalog, [], limits)
    assert answer.record, answer
    data: JSON = answer.record.data
    return data


def names_in(manifest: JSON) -> list[str]:
    return [stream["name"] for entry in manifest["streams"] for stream in streams_of(entry)]


@pytest.mark.parametrize("flags", [(), ("__should_migrate", "__should_normalize")], ids=str)
def test_the_builder_resolves_the_manifest(flags: tuple[str, ...]) -> None:
    manifest = resolved(*flags)
    # `tasks` is there twice, once for each plan.
    assert Counter(names_in(manifest)) == Counter([*STREAMS, "tasks"])
    assert "$ref" not in json.dumps(resolved()["streams"])


def test_the_resolved_manifest_is_what_the_cdk_calls_valid() -> None:
    jsonschema.validate(resolved(), get_declarative_component_schema())


@pytest.mark.parametrize(
    "stream", ["users", "tasks", "time_entries", "time_entries_changed", "detailed_report"]
)
def test_a_test_read_in_the_builder_brings_what_clockify_holds(
    sandbox: Sandbox, stream: str
) -> None:
    # What began lately is left to time_entries.
    since = "" if stream == "time_entries_changed" else days_ago(LOOKBACK_DAYS)
    settings = {"start_date": since} if since else {}
    config = injected(manifest_of(stream), **config_of(sandbox, **settings))

    answer = builder("test_read", config, stream)

    pages = [page for slice_ in answer["slices"] for page in slice_["pages"]]
    assert all(page["response"]["status"] == 200 for page in pages)
    records = [without_nulls(record) for page in pages for record in page["records"]]
    wanted = expected(sandbox, stream, start_date=since)
    assert wanted
    assert_same(stream, records, wanted)
    # The CDK says so where two rows of a feed name the same change.
    twice = "Partition duplication detected for stream time_entries_changed"
    assert not [
        log
        for log in answer["logs"]
        if log["level"] in ("ERROR", "WARN") and log["message"] != twice
    ]


def manifest_of(stream: str) -> JSON:
    """The manifest with one stream and its parents: the CDK takes long to build all."""
    manifest = ManifestReferenceResolver().preprocess_manifest(load_manifest())
    return {
        **{key: manifest[key] for key in manifest if key not in ("definitions", "schemas")},
        "streams": [
            entry
            for entry in manifest["streams"]
            if any(each["name"] == stream for each in streams_of(entry))
        ],
    }


def without_nulls(record: JSON) -> JSON:
    return {column: value for column, value in record.items() if value is not None}


def days_ago(days: int) -> str:
    return f"{datetime.now(timezone.utc) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


# What a published connector does


def test_a_published_connector_discovers_what_the_manifest_discovers() -> None:
    config = injected(load_manifest(), credentials={"auth_type": "api_key", "api_key": "unused"})
    output = run(PUBLISHED, "discover", config, in_process=True)
    (catalog,) = (each["catalog"] for each in output.messages if each["type"] == "CATALOG")
    assert len(catalog["streams"]) == len(STREAMS)
    assert catalog["streams"] == list(discovered(MANIFEST_ALONE))


def test_a_published_connector_reads(sandbox: Sandbox) -> None:
    """In a process of its own, as Airbyte starts it."""
    config = injected(load_manifest(), **config_of(sandbox))
    output = read(PUBLISHED, config, ["users", "tags", "time_entries"])
    assert output.returncode == 0, output.text
    for stream in ("users", "tags", "time_entries"):
        assert_same(stream, output.records[stream], expected(sandbox, stream))


# What the document says


def test_the_document_names_fields_of_the_form_by_their_titles() -> None:
    """Where it says **Title** (`field`), that is a field of the specification."""
    properties = load_manifest()["spec"]["connection_specification"]["properties"]
    named = re.findall(r"\*\*([\w -]+)\*\* \(`(\w+)`\)", DOCUMENT)
    assert {"start_date", "workspace_ids", "plan"} <= {field for _, field in named}
    for title, field in named:
        assert properties[field]["title"] == title


# What exists, by the queries of the document


def queries() -> tuple[str, str, str]:
    """For a stream in full refresh, for time entries, and for those with what the feeds tell."""
    whole, window, feeds = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
    return whole, window, feeds


def existing(query: str, tables: Mapping[str, list[JSON]], **parameters: Any) -> list[JSON]:
    """Run a query over tables with one row for each message."""
    columns = ("id", "start", "name", "description", "_airbyte_emitted_at")
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        for table, messages in tables.items():
            database.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            database.executemany(
                f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})",
                [[message.get(column) for column in columns] for message in messages],
            )
        rows = [dict(row) for row in database.execute(query, parameters)]
    database.close()
    return rows


def messages_of(output: Output, stream: str) -> list[JSON]:
    """What Airbyte's Pub/Sub destination publishes of a stream."""
    records = [each["record"] for each in output.messages if each["type"] == "RECORD"]
    return [
        {**record["data"], "_airbyte_emitted_at": record["emitted_at"]}
        for record in records
        if record["stream"] == stream
    ]


def sent_twice(messages: list[JSON]) -> list[JSON]:
    """As when the first attempt of a job fails late."""
    again = [{**each, "_airbyte_emitted_at": each["_airbyte_emitted_at"] + 1} for each in messages]
    return messages + again


def test_the_newest_message_of_the_last_full_refresh_is_what_exists(sandbox: Sandbox) -> None:
    sandbox.reset()
    workspace = sandbox.workspaces[0]["id"]
    gone, edited, *_ = sandbox.rows("tags")
    first = read(MANIFEST_ALONE, config_of(sandbox), ["tags"], in_process=True)
    sandbox.delete(workspace, "tags", gone["id"])
    sandbox.update(workspace, "tags", edited["id"], {"name": "edited"})
    sandbox.create(workspace, "tags", {"name": "new"})
    began = now_in_ms()
    second = read(MANIFEST_ALONE, config_of(sandbox), ["tags"], in_process=True)

    messages = messages_of(first, "tags") + sent_twice(messages_of(second, "tags"))
    rows = existing(queries()[0], {"tags": messages}, began=began)

    tags = {row["id"]: row["name"] for row in sandbox.rows("tags")}
    assert {row["id"]: row["name"] for row in rows} == tags
    assert len(rows) == len(tags)
    assert gone["id"] not in tags


def test_entries_missing_from_the_last_sync_are_gone_within_the_lookback(
    sandbox: Sandbox,
) -> None:
    sandbox.reset()
    workspace = sandbox.workspaces[0]["id"]
    recent, old = days_ago(LOOKBACK_DAYS - 2), days_ago(LOOKBACK_DAYS + 40)
    entries = sandbox.rows("time_entries")
    within = [each for each in entries if recent < start_of(each) < days_ago(2)]
    gone, edited, moved, *_ = within
    gone_before, *_ = [each for each in entries if start_of(each) < old]
    first = read(
        MANIFEST_ALONE,
        config_of(sandbox),
        ["time_entries"],
        sync_mode="incremental",
        in_process=True,
    )
    for entry in (gone, gone_before):
        sandbox.delete(workspace, "time-entries", entry["id"])
    sandbox.update(workspace, "time-entries", edited["id"], {"description": "edited"})
    sandbox.update(workspace, "time-entries", moved["id"], {"timeInterval": {"start": old}})
    began = now_in_ms()
    second = read(
        MANIFEST_ALONE,
        config_of(sandbox),
        ["time_entries"],
        sync_mode="incremental",
        state=first.state,
        in_process=True,
    )

    assert len(second.records["time_entries"]) < len(first.records["time_entries"])
    messages = messages_of(first, "time_entries")
    messages += sent_twice(messages_of(second, "time_entries"))
    window = days_ago(LOOKBACK_DAYS)
    rows = existing(queries()[1], {"time_entries": messages}, began=began, window=window)

    found = {key_of("time_entries", row) for row in rows}
    truth = {key_of("time_entries", row) for row in sandbox.rows("time_entries")}
    assert len(found) == len(rows)
    # The document's two gaps: what was deleted before the lookback, what was moved out of it.
    assert found - truth == {(gone_before["id"],)}
    assert truth - found == {(moved["id"],)}
    (row,) = [row for row in rows if row["id"] == edited["id"]]
    assert row["description"] == "edited"


def test_the_feeds_tell_what_happened_before_the_lookback(sandbox: Sandbox) -> None:
    sandbox.reset()
    sandbox.settings(deletion_lag=0)
    workspace = sandbox.workspaces[0]["id"]
    recent, old = days_ago(LOOKBACK_DAYS - 4), days_ago(LOOKBACK_DAYS + 40)
    entries = sandbox.rows("time_entries")
    gone, moved, *_ = [each for each in entries if recent < start_of(each) < days_ago(2)]
    # The feed of deleted entities leaves out what was created within its window.
    known = {row["id"] for row in sandbox.rows("time_entries_changed")}
    gone_before, edited, restored, *_ = [
        each for each in entries if start_of(each) < old and each["id"] not in known
    ]
    streams = ["time_entries", "time_entries_changed", "time_entries_deleted"]
    outputs: list[Output] = []
    for number in range(3):
        if number == 1:
            for entry in (gone, gone_before, restored):
                sandbox.delete(workspace, "time-entries", entry["id"])
            sandbox.update(workspace, "time-entries", edited["id"], {"description": "edited"})
            sandbox.update(workspace, "time-entries", moved["id"], {"timeInterval": {"start": old}})
            late = {"timeInterval": {"start": old, "end": old}, "userId": edited["userId"]}
            sandbox.create(workspace, "time-entries", late)
        if number == 2:
            sandbox.restore(workspace, "time-entries", restored["id"])
        began = now_in_ms()
        outputs.append(
            read(
                MANIFEST_ALONE,
                config_of(sandbox),
                streams,
                sync_mode="incremental",
                state=outputs[-1].state if outputs else None,
                in_process=True,
            )
        )
        assert outputs[-1].returncode == 0, outputs[-1].text

    tables = {
        stream: [
            message for output in outputs for message in sent_twice(messages_of(output, stream))
        ]
        for stream in streams
    }
    rows = existing(queries()[2], tables, began=began, window=days_ago(LOOKBACK_DAYS))

    # The entries of deleted users are in no list of a user, but can be read by their ids.
    alive = [*sandbox.rows("time_entries"), *sandbox.rows("time_entries_changed")]
    truth = {row["id"]: row.get("description") for row in alive}
    assert {row["id"]: row["description"] for row in rows} == truth
    assert len(rows) == len(truth)
    assert truth[edited["id"]] == "edited"


def start_of(entry: JSON) -> str:
    moment: str = entry["timeInterval"]["start"]
    return moment


def now_in_ms() -> int:
    return int(time.time() * 1000)
