"""Ids keep their type and value on every path: records, state, requests.

Clockify's ids are 24 hexadecimal digits. Some consist of decimal digits only, and some look like a
number in scientific notation, so whatever evaluates a template may take them for numbers.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import LAYERS, STREAMS, Layer, Output, config_of, read
from integration_tests.truth import TIMED, assert_complete, comparable, expected, today

DIGITS = re.compile(r"[0-9]{24}")
EXPONENT = re.compile(r"[0-9]+e[0-9]+")
ID = re.compile(r"[0-9a-f]{24}")

# Older than every entry of the sandbox.
START = f"{today() - timedelta(days=250)}T00:00:00Z"
DAY_BEFORE_START = f"{today() - timedelta(days=251)}T00:00:00Z"

# Ids that templates and YAML read as numbers of every kind, for entities that stand in paths.
MISLEADING = (
    "64e777123456789012345678",
    "612345678901234567890123",
    "000000000000000000000000",
    "00000000000000000000e001",
    "1e0000000000000000000000",
    "999999999999999999999999",
)
KINDS = {
    "workspaces": "id",
    "users": "id",
    "user_groups": "id",
    "clients": "id",
    "projects": "id",
    "tasks": "id",
    "tags": "id",
    "custom_fields": "id",
    "time_entries": "id",
    "detailed_report": "_id",
}
each_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)


def create_one_of_each(server: Sandbox, workspace: str, pattern: str) -> None:
    """One entity of each kind, whose ids differ in the last two digits only."""

    def identifier(number: int) -> str:
        return f"{pattern[:-2]}{number:02}"

    for number, collection in enumerate(("clients", "tags", "user-groups", "custom-fields")):
        server.create(workspace, collection, {"id": identifier(number)})
    user, project, task, tag = (identifier(number) for number in (11, 12, 13, 1))
    server.create(workspace, "users", {"id": user})
    server.create(workspace, "projects", {"id": project})
    server.create(workspace, "tasks", {"id": task, "projectId": project})
    relations = {"userId": user, "projectId": project, "taskId": task, "tagIds": [tag]}
    server.create(workspace, "time-entries", {"id": identifier(14), **relations})
    running = {"id": identifier(15), **relations, "timeInterval": {"end": None}}
    server.create(workspace, "time-entries", running)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=3, entries=10, projects=3, tasks=2, plan="PRO,PRO") as server:
        workspace = server.workspaces[0]["id"]
        for misleading in MISLEADING:
            create_one_of_each(server, workspace, misleading)
        yield server


@pytest.fixture(scope="module")
def syncs(sandbox: Sandbox) -> dict[Layer, tuple[Output, Output, list[JSON]]]:
    """A first sync of everything, a second one of the incremental streams, and all requests."""
    found = {}
    # With a start date, so that the manifest alone asks for few reports.
    config = config_of(sandbox, start_date=START, track_changes=False)
    for layer in LAYERS:
        sandbox.clear_requests()
        first = read(layer, config, sync_mode="incremental", in_process=True)
        second = read(
            layer, config, TIMED, sync_mode="incremental", state=first.state, in_process=True
        )
        found[layer] = first, second, sandbox.requests()
    return found


Syncs = dict[Layer, tuple[Output, Output, list[JSON]]]


def ids_in(value: Any) -> Iterator[str]:
    """Every id in a value, at any depth, among keys too."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from ids_in(key)
            yield from ids_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from ids_in(each)
    elif isinstance(value, str) and ID.fullmatch(value):
        yield value


@pytest.mark.parametrize("stream", KINDS)
def test_every_kind_of_entity_has_ids_that_look_like_numbers(sandbox: Sandbox, stream: str) -> None:
    ids = {row[KINDS[stream]] for row in sandbox.rows(stream)}
    assert any(DIGITS.fullmatch(each) for each in ids)
    assert any(EXPONENT.fullmatch(each) for each in ids)


@each_layer
def test_every_id_of_every_record_has_its_type_and_value(
    syncs: Syncs, sandbox: Sandbox, layer: Layer
) -> None:
    output = syncs[layer][0]
    assert_complete(output, sandbox, STREAMS, start_date=START)
    for stream in STREAMS:
        wanted = comparable(stream, expected(sandbox, stream, start_date=START))
        got = comparable(stream, output.records[stream])
        for key, record in wanted.items():
            assert all(isinstance(part, str) for part in key)
            assert sorted(ids_in(got[key])) == sorted(ids_in(record))


@each_layer
def test_no_request_asks_for_an_id_that_does_not_exist(
    syncs: Syncs, sandbox: Sandbox, layer: Layer
) -> None:
    _, _, requests = syncs[layer]
    assert {request["status"] for request in requests} == {200}
    workspaces = {row["id"] for row in sandbox.rows("workspaces")}
    people = {row["id"] for row in sandbox.rows("users")}
    projects = {row["id"] for row in sandbox.rows("projects")}
    asked: dict[str, set[str]] = {"workspaces": set(), "user": set(), "projects": set()}
    profiles = set()
    for request in requests:
        parts = request["path"].strip("/").split("/")
        for name, identifier in zip(parts[::2], parts[1::2], strict=False):
            # `projects/totals` is the end of a path.
            if name in asked and identifier != "totals":
                asked[name].add(identifier)
            if name == "member-profile":
                profiles.add(identifier)
    assert asked == {"workspaces": workspaces, "user": people, "projects": projects}
    assert profiles == people


@each_layer
def test_the_slices_of_the_state_hold_the_ids_as_they_are(
    syncs: Syncs, sandbox: Sandbox, layer: Layer
) -> None:
    workspaces = {row["id"] for row in sandbox.rows("workspaces")}
    people = {(each["path"]["workspaceId"], each["row"]["id"]) for each in sandbox.records("users")}
    for output in syncs[layer][:2]:
        entries = [each["partition"] for each in output.stream_state("time_entries")["states"]]
        assert {
            (each["parent_slice"]["workspace_id"], each["user_id"]) for each in entries
        } == people
        assert len(entries) == len(people)
        reports = [each["partition"] for each in output.stream_state("detailed_report")["states"]]
        assert sorted(each["workspace_id"] for each in reports) == sorted(workspaces)


@each_layer
def test_the_second_sync_finds_every_slice_of_the_state_again(
    syncs: Syncs, sandbox: Sandbox, layer: Layer
) -> None:
    _, _, requests = syncs[layer]
    path = re.compile(r"/workspaces/\w+/user/\w+/time-entries")
    asked = [each for each in requests if path.fullmatch(each["path"])]
    people = len(sandbox.records("users"))
    assert len(asked) == 2 * people
    before, after = asked[:people], asked[people:]
    assert {request["query"]["start"][0] for request in before} == {DAY_BEFORE_START}
    # Everybody has entries, so a slice that began there again was not recognised.
    assert min(request["query"]["start"][0] for request in after) > START
