"""Full refresh brings exactly what the workspaces hold, through both ways of installing it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest

from integration_tests.airbyte import (
    CONNECTOR,
    LAYERS,
    MANIFEST_ALONE,
    Layer,
    Output,
    config_of,
    discovered,
    read,
)
from integration_tests.sandbox.client import JSON, Sandbox, start
from integration_tests.sandbox.records import STREAMS
from integration_tests.truth import TIMED, assert_complete, assert_same, comparable, expected

each_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(plan="PRO,FREE") as server:
        yield server


@pytest.fixture(scope="module")
def outputs(sandbox: Sandbox) -> dict[Layer, Output]:
    """One read of everything by each layer, as commands."""
    discovered()
    with ThreadPoolExecutor() as pool:
        return dict(
            zip(
                LAYERS, pool.map(lambda layer: read(layer, config_of(sandbox)), LAYERS), strict=True
            )
        )


def test_both_layers_discover_the_same_catalog() -> None:
    served = {stream["name"]: stream for stream in discovered(MANIFEST_ALONE)}
    assert served == {
        stream["name"]: stream for stream in discovered(CONNECTOR) if stream["name"] in served
    }
    assert set(served) == set(STREAMS)


@each_layer
@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_equals_the_sandbox(
    outputs: dict[Layer, Output], sandbox: Sandbox, layer: Layer, stream: str
) -> None:
    wanted = expected(sandbox, stream)
    assert wanted
    assert_same(stream, outputs[layer].records[stream], wanted)


@each_layer
def test_every_stream_is_complete(outputs: dict[Layer, Output], layer: Layer) -> None:
    output = outputs[layer]
    assert output.returncode == 0
    assert output.errors == []
    assert output.statuses == dict.fromkeys(STREAMS, "COMPLETE")


@pytest.mark.parametrize("stream", STREAMS)
def test_both_layers_read_the_same_records(outputs: dict[Layer, Output], stream: str) -> None:
    connector, manifest = (
        comparable(stream, outputs[layer].records[stream]) for layer in (CONNECTOR, MANIFEST_ALONE)
    )
    assert connector == manifest


def test_a_plan_without_custom_fields_is_one_warning(
    outputs: dict[Layer, Output], sandbox: Sandbox
) -> None:
    paid, free = (each["id"] for each in sandbox.workspaces)
    (warning,) = outputs[CONNECTOR].warnings()
    assert "custom_fields" in warning
    assert free in warning
    assert "Pro plan" in warning
    assert {each["workspaceId"] for each in outputs[CONNECTOR].records["custom_fields"]} == {paid}


@each_layer
@pytest.mark.parametrize("stream", TIMED)
def test_the_cursor_is_the_start_but_never_later_than_the_sync(
    outputs: dict[Layer, Output], layer: Layer, stream: str
) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    records = outputs[layer].records[stream]
    ahead = [record for record in records if record["start"] > now]
    assert ahead
    for record in ahead:
        assert record["cursor"] <= now
    for record in records:
        if record["start"] <= min(each["cursor"] for each in ahead):
            assert record["cursor"] == record["start"]


# Time zones


ZONES = ("Pacific/Auckland", "America/New_York")


@pytest.fixture(scope="module", params=ZONES)
def distant(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An account in another time zone, with enough entries for every awkward time."""
    with start(users=4, entries=60, projects=2, tasks=1, time_zone=request.param) as server:
        yield server


@each_layer
def test_the_time_zone_of_the_account_changes_nothing(distant: Sandbox, layer: Layer) -> None:
    streams = (*TIMED, "time_entries_in_progress")
    # Named, so that the manifest alone knows since when to ask for reports.
    config = config_of(distant, workspace_ids=[distant.workspaces[0]["id"]])
    output = read(layer, config, streams, in_process=True)
    assert_complete(output, distant, streams)


def starts(records: list[JSON]) -> list[str]:
    return sorted({record["start"] for record in records})


@each_layer
def test_start_date_cuts_at_its_second_whatever_the_zone(distant: Sandbox, layer: Layer) -> None:
    seconds_later = ZONES.index(distant.settings()["time_zone"])
    everything = {stream: expected(distant, stream) for stream in TIMED}
    # In the middle of a day: in one zone the start of an entry, in the other the second after it.
    first = next(each for each in starts(everything["time_entries"])[20:] if "T00" not in each)
    moment = datetime.fromisoformat(first.replace("Z", "+00:00")).timestamp() + seconds_later
    start_date = datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    output = read(layer, config_of(distant, start_date=start_date), TIMED, in_process=True)

    for stream, records in everything.items():
        wanted = [record for record in records if record["start"] >= start_date]
        assert 0 < len(wanted) < len(records)
        assert (first in starts(wanted)) is (seconds_later == 0)
        assert_same(stream, output.records[stream], wanted)


# Other configurations


@each_layer
def test_the_free_plan_reads_the_same_tasks(sandbox: Sandbox, layer: Layer) -> None:
    output = read(layer, config_of(sandbox, plan="free"), ["tasks"], in_process=True)
    assert_complete(output, sandbox, ["tasks"])


@each_layer
def test_workspace_ids_select_workspaces(sandbox: Sandbox, layer: Layer) -> None:
    wanted = [sandbox.workspaces[1]["id"]]
    streams = ["workspaces", "users", "tasks", "time_entries"]
    output = read(layer, config_of(sandbox, workspace_ids=wanted), streams, in_process=True)
    assert_complete(output, sandbox, streams, wanted)


@each_layer
def test_an_addon_token_reads_its_workspace(sandbox: Sandbox, layer: Layer) -> None:
    wanted = [sandbox.workspaces[0]["id"]]
    config = config_of(sandbox, workspace_ids=wanted)
    config["credentials"] = {"auth_type": "addon_token", "addon_token": sandbox.addon_token}
    sandbox.clear_requests()
    streams = STREAMS if layer is CONNECTOR else ["workspaces", "users", "tags"]
    output = read(layer, config, streams, in_process=True)
    assert_complete(output, sandbox, streams, wanted)
    assert {request["auth"] for request in sandbox.requests()} == {"addon_token"}


@each_layer
def test_the_configuration_of_the_older_connector_still_works(
    sandbox: Sandbox, layer: Layer
) -> None:
    wanted = [sandbox.workspaces[1]["id"]]
    older: dict[str, Any] = {
        "api_key": sandbox.api_key,
        "workspace_id": wanted[0],
        "api_url": sandbox.url,
    }
    streams = ["users", "projects", "tasks", "tags", "time_entries"]
    output = read(layer, older, streams, in_process=True)
    assert_complete(output, sandbox, streams, wanted)
