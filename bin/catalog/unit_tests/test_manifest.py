"""The manifest, run over answers laid out here."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read

MANIFEST = yaml.safe_load((Path(__file__).parents[1] / "manifest.yaml").read_text())
WORKSPACE = "64e777123456789012345678"
API = "https://api.clockify.me/api/v1"
CONFIG = {
    "credentials": {"auth_type": "api_key", "api_key": "a-key"},
    "workspace_ids": [WORKSPACE],
}


def read_stream(name: str, config: dict[str, Any]) -> EntrypointOutput:
    catalog = CatalogBuilder().with_stream(name, SyncMode.full_refresh).build()
    source = ConcurrentDeclarativeSource(
        catalog=catalog, config=config, state=None, source_config=MANIFEST
    )
    return read(source, config, catalog)


@pytest.fixture
def clockify(requests_mock):
    requests_mock.get(f"{API}/workspaces/{WORKSPACE}", json={"id": WORKSPACE, "name": "acme"})
    return requests_mock


def test_tags_come_with_the_key_in_a_header(clockify) -> None:
    tags = clockify.get(
        f"{API}/workspaces/{WORKSPACE}/tags", json=[{"id": "1", "workspaceId": WORKSPACE}]
    )
    output = read_stream("tags", CONFIG)
    assert [message.record.data["id"] for message in output.records] == ["1"]
    assert tags.last_request.headers["X-Api-Key"] == "a-key"


def test_a_configuration_of_version_0_is_taken_over(clockify) -> None:
    tags = clockify.get(f"{API}/workspaces/{WORKSPACE}/tags", json=[])
    output = read_stream("tags", {"api_key": "old-key", "workspace_id": WORKSPACE})
    assert not output.errors
    assert tags.last_request.headers["X-Api-Key"] == "old-key"


def test_a_refused_stream_of_a_lower_plan_is_left_out(clockify) -> None:
    clockify.get(
        f"{API}/workspaces/{WORKSPACE}/expenses",
        status_code=403,
        json={"message": "Access Denied", "code": 501},
    )
    output = read_stream("expenses", CONFIG)
    assert output.records == []
    assert not output.errors


def test_every_stream_has_a_primary_key_and_a_schema() -> None:
    source = ConcurrentDeclarativeSource(
        catalog=None, config=CONFIG, state=None, source_config=MANIFEST
    )
    streams = source.streams(CONFIG)
    assert len(streams) == len({stream.name for stream in streams})
    for stream in streams:
        assert stream.as_airbyte_stream().source_defined_primary_key
        assert stream.get_json_schema()["properties"]
