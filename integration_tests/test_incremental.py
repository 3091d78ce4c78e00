"""The incremental sync of time entries and of the detailed report: state, lookback, newcomers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import CONNECTOR, LAYERS, Layer, Output, config_of, read
from integration_tests.truth import TIMED, assert_same, expected, with_path

LOOKBACK = 20
WIRE = "%Y-%m-%dT%H:%M:%SZ"


def ago(days: float) -> str:
    """A moment so many days before now, as Clockify writes it."""
    return (datetime.now(timezone.utc) - timedelta(days=days)).strftime(WIRE)


def earlier(text: str, days: int) -> str:
    """A timestamp or a date, moved back."""
    pattern = WIRE if "T" in text else "%Y-%m-%d"
    return (datetime.strptime(text, pattern) - timedelta(days=days)).strftime(pattern)


def sync(layer: Layer, sandbox: Sandbox, state: list[JSON] | None = None, **more: object) -> Output:
    config = config_of(sandbox, lookback_days=LOOKBACK, track_changes=False, **more)
    output = read(layer, config, TIMED, sync_mode="incremental", state=state, in_process=True)
    assert output.errors == []
    assert output.statuses == dict.fromkeys(TIMED, "COMPLETE")
    return output


def cursors(output: Output, stream: str) -> dict[tuple[str, str | None], str]:
    """The cursor of each partition: by workspace and user, or by workspace alone."""
    found = {}
    for each in output.stream_state(stream)["states"]:
        partition = each["partition"]
        if stream == "time_entries":
            key = (partition["parent_slice"]["workspace_id"], partition["user_id"])
        else:
            key = (partition["workspace_id"], None)
        assert set(each["cursor"]) == {"cursor"}
        found[key] = each["cursor"]["cursor"]
    return found


def window_start(stream: str, cursor: str) -> str:
    """Since when a record is read that has this cursor in the state."""
    return earlier(cursor, LOOKBACK) if cursor > "2000-01-01T00:00:00Z" else ""


@dataclass
class Story:
    """A first sync, changes, and a second sync.

    Attributes:
        first: the first sync by each layer.
        second: the second sync: by the layer that wrote the state, and the one that read it.
        requests: those of the second syncs.
        people: what the changes are about, by their names below.
    """

    first: dict[Layer, Output]
    second: dict[tuple[Layer, Layer], Output]
    requests: dict[tuple[Layer, Layer], list[JSON]]
    people: dict[str, str]
    entries: dict[str, str]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=3, entries=40, projects=1, tasks=0, plan="PRO,PRO") as server:
        yield server


@pytest.fixture(scope="module")
def story(sandbox: Sandbox) -> Story:
    # Named, so that the manifest alone knows since when to ask for reports.
    workspaces = [each["id"] for each in sandbox.workspaces]
    workspace = workspaces[0]
    idle = sandbox.create(workspace, "users", {"name": "idle"})["id"]
    busy = sandbox.rows("users", workspaceId=workspace)[0]["id"]
    first = {layer: sync(layer, sandbox, workspace_ids=workspaces) for layer in LAYERS}

    newcomer = sandbox.create(workspace, "users", {"name": "newcomer"})["id"]
    entries = {}
    for name, user, days in (
        ("late", busy, LOOKBACK - 1),
        ("too late", busy, LOOKBACK + 2),
        ("idle", idle, 100),
        ("newcomer", newcomer, LOOKBACK - 1),
    ):
        row = {"userId": user, "description": name, "timeInterval": {"start": ago(days)}}
        entries[name] = sandbox.create(workspace, "time-entries", row)["id"]

    second, requests = {}, {}
    for writer in LAYERS:
        for reader in LAYERS:
            sandbox.clear_requests()
            state = first[writer].state
            second[writer, reader] = sync(reader, sandbox, state, workspace_ids=workspaces)
            requests[writer, reader] = sandbox.requests()
    people = {"busy": busy, "idle": idle, "newcomer": newcomer}
    return Story(first, second, requests, people, entries)


each_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)
each_stream = pytest.mark.parametrize("stream", TIMED)
PAIRS = [(writer, reader) for writer in LAYERS for reader in LAYERS]
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-to-{pair[1]}")


@each_layer
@each_stream
def test_the_state_follows_each_partition_but_never_passes_now(
    story: Story, sandbox: Sandbox, layer: Layer, stream: str
) -> None:
    now = datetime.now(timezone.utc).strftime(WIRE)
    held = cursors(story.first[layer], stream)
    newest: dict[tuple[str, str | None], str] = {}
    for record in story.first[layer].records[stream]:
        key = (record["workspaceId"], record["userId"] if stream == "time_entries" else None)
        newest[key] = max(newest.get(key, ""), record["start"])
    assert max(newest.values()) > now
    for key, start_of_newest in newest.items():
        size = len(held[key])
        if start_of_newest <= now:
            assert held[key] == start_of_newest[:size]
        else:
            assert ago(1)[:size] < held[key] <= now[:size]


@each_layer
def test_a_user_without_entries_is_read_from_the_beginning_again(
    story: Story, layer: Layer
) -> None:
    held = cursors(story.first[layer], "time_entries")
    idle = next(cursor for key, cursor in held.items() if key[1] == story.people["idle"])
    assert idle == "2000-01-01T00:00:00Z"
    ids = {each["id"] for each in story.second[layer, layer].records["time_entries"]}
    assert story.entries["idle"] in ids


@each_pair
@each_stream
def test_the_second_sync_reads_exactly_since_the_state_less_the_lookback(
    story: Story, sandbox: Sandbox, pair: tuple[Layer, Layer], stream: str
) -> None:
    held = cursors(story.first[pair[0]], stream)
    known = []
    for record in expected(sandbox, stream):
        key = (record["workspaceId"], record["userId"] if stream == "time_entries" else None)
        if key in held and record["start"] >= window_start(stream, held[key]):
            known.append(record)
    everything = story.second[pair].records[stream]
    newcomers = stream == "time_entries"
    records = [
        each
        for each in everything
        if not (newcomers and each["userId"] == story.people["newcomer"])
    ]
    assert_same(stream, records, known)
    assert len(known) < len(story.first[pair[0]].records[stream])


@each_pair
def test_the_second_sync_asks_for_no_more_than_the_lookback(
    story: Story, pair: tuple[Layer, Layer]
) -> None:
    requests = story.requests[pair]
    held = cursors(story.first[pair[0]], "time_entries")
    for (workspace, user), cursor in held.items():
        path = f"/workspaces/{workspace}/user/{user}/time-entries"
        (request,) = with_path(requests, path)
        # A day more, since Clockify reads it as wall clock in the account's time zone.
        wanted = [earlier(cursor, LOOKBACK + 1)] if cursor > "2000-01-01T00:00:00Z" else None
        assert request["query"].get("start") == wanted
        assert "end" not in request["query"]

    for (workspace, _), cursor in cursors(story.first[pair[0]], "detailed_report").items():
        reports = with_path(requests, f"/workspaces/{workspace}/reports/detailed")
        asked = sorted(each["body"]["dateRangeStart"] for each in reports)
        assert asked[0] == f"{earlier(cursor, LOOKBACK)}T00:00:00.000Z"


@each_pair
@each_stream
def test_a_late_entry_within_the_lookback_is_found(
    story: Story, pair: tuple[Layer, Layer], stream: str
) -> None:
    ids = {each.get("id") or each["_id"] for each in story.second[pair].records[stream]}
    assert story.entries["late"] in ids
    assert story.entries["too late"] not in ids


@each_pair
@each_stream
def test_a_new_user_brings_at_least_what_lies_within_the_lookback(
    story: Story, pair: tuple[Layer, Layer], stream: str
) -> None:
    ids = {each.get("id") or each["_id"] for each in story.second[pair].records[stream]}
    assert story.entries["newcomer"] in ids


@each_pair
@each_stream
def test_no_cursor_runs_backwards(story: Story, pair: tuple[Layer, Layer], stream: str) -> None:
    before, after = cursors(story.first[pair[0]], stream), cursors(story.second[pair], stream)
    assert before.keys() <= after.keys()
    for key, cursor in before.items():
        assert after[key] >= cursor


# Partitions that the state does not know


@dataclass
class Arrival:
    """A sync after a user and a workspace have come, both with a history."""

    output: Output
    sandbox: Sandbox
    user: str
    workspace: str


@pytest.fixture(scope="module")
def arrival() -> Iterator[Arrival]:
    with start(users=2, entries=20, projects=1, tasks=0) as server:
        home = server.workspaces[0]["id"]
        first = sync(CONNECTOR, server)
        user = server.create(home, "users", {"name": "veteran"})["id"]
        for days in (1, 100, 300):
            row = {"userId": user, "timeInterval": {"start": ago(days)}}
            server.create(home, "time-entries", row)
        workspace = server.create_workspace(users=2, entries=40, projects=0, tasks=0)["id"]
        yield Arrival(sync(CONNECTOR, server, first.state), server, user, workspace)


def test_a_new_user_brings_all_his_history(arrival: Arrival) -> None:
    wanted = expected(arrival.sandbox, "time_entries")
    assert_same(
        "time_entries",
        [each for each in arrival.output.records["time_entries"] if each["userId"] == arrival.user],
        [each for each in wanted if each["userId"] == arrival.user],
    )


@each_stream
def test_a_new_workspace_brings_all_its_history(arrival: Arrival, stream: str) -> None:
    records = arrival.output.records[stream]
    assert_same(
        stream,
        [each for each in records if each["workspaceId"] == arrival.workspace],
        expected(arrival.sandbox, stream, [arrival.workspace]),
    )


def test_what_failed_in_one_sync_is_read_whole_in_the_next(fresh_sandbox: Sandbox) -> None:
    workspace = fresh_sandbox.workspaces[0]["id"]
    unlucky = fresh_sandbox.rows("users", workspaceId=workspace)[1]["id"]
    fault = fresh_sandbox.fault(
        {"status": 400, "body": {"message": "Not today", "code": 4000}},
        path=f"/workspaces/{workspace}/(user/{unlucky}/time-entries|reports/detailed)",
    )
    config = config_of(fresh_sandbox, lookback_days=LOOKBACK, track_changes=False)
    first = read(CONNECTOR, config, TIMED, sync_mode="incremental", in_process=True)
    assert first.statuses == dict.fromkeys(TIMED, "INCOMPLETE")

    fresh_sandbox.clear_faults(fault)
    second = sync(CONNECTOR, fresh_sandbox, first.state)

    mine = [each for each in second.records["time_entries"] if each["userId"] == unlucky]
    mine = [each for each in mine if each["workspaceId"] == workspace]
    wanted = expected(fresh_sandbox, "time_entries", [workspace])
    assert_same("time_entries", mine, [each for each in wanted if each["userId"] == unlucky])
    report = second.records["detailed_report"]
    assert_same(
        "detailed_report",
        [each for each in report if each["workspaceId"] == workspace],
        expected(fresh_sandbox, "detailed_report", [workspace]),
    )


# Configuration


def test_the_lookback_ends_at_the_start_date(fresh_sandbox: Sandbox) -> None:
    start_date = ago(LOOKBACK - 5)
    first = sync(CONNECTOR, fresh_sandbox, start_date=start_date)
    second = sync(CONNECTOR, fresh_sandbox, first.state, start_date=start_date)
    for stream in TIMED:
        wanted = [each for each in expected(fresh_sandbox, stream) if each["start"] >= start_date]
        assert_same(stream, first.records[stream], wanted)
        assert_same(stream, second.records[stream], wanted)


def test_a_full_refresh_takes_no_notice_of_a_state(fresh_sandbox: Sandbox) -> None:
    state = sync(CONNECTOR, fresh_sandbox).state
    output = read(
        CONNECTOR,
        config_of(fresh_sandbox, track_changes=False),
        TIMED,
        state=state,
        in_process=True,
    )
    for stream in TIMED:
        assert_same(stream, output.records[stream], expected(fresh_sandbox, stream))
