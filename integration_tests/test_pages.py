"""No row is lost, doubled or read for ever at the edge of a page."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import (
    CONNECTOR,
    LAYERS,
    STREAMS,
    Layer,
    config_of,
    key_of,
    read,
)
from integration_tests.truth import (
    assert_complete,
    assert_same,
    counted,
    create_many,
    expected,
)

SIZES = (50, 1000, 5000)
REPORT_AGE = 20
LISTINGS = ("clients", "projects", "tags", "custom_fields")
PATHS = {
    "/workspaces/*/clients",
    "/workspaces/*/projects",
    "/workspaces/*/tags",
    "/workspaces/*/custom-fields",
    "/workspaces/*/user/*/time-entries",
}
# Neither a header nor a count tells the end of them: only a page shorter than asked for.
UNTOLD = ("attendance_report", "scheduling_project_totals", "scheduling_user_totals")
each_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)


def wire_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with start(users=1, entries=0, projects=1, tasks=0) as sandbox:
        yield sandbox


# Exactly one page of rows


@pytest.fixture(scope="module")
def full_pages(server: Sandbox) -> list[str]:
    """A workspace for each size: so many rows of every listing, and entries of its one user."""
    workspaces = [workspace_of_size(server, size) for size in SIZES]
    for stream in (*LISTINGS, "time_entries"):
        held = Counter(each["path"]["workspaceId"] for each in server.records(stream))
        assert [held[workspace] for workspace in workspaces] == list(SIZES)
    return workspaces


def workspace_of_size(server: Sandbox, size: int) -> str:
    workspace: str = server.create_workspace(users=1, entries=size, projects=size, tasks=0)["id"]
    for stream in ("clients", "tags", "custom_fields"):
        held = len(server.rows(stream, workspaceId=workspace))
        names = [{"name": f"{stream} {number}"} for number in range(size - held)]
        create_many(server, workspace, stream.replace("_", "-"), names)
    return workspace


def test_exactly_a_page_of_rows_is_read_with_one_request(
    server: Sandbox, full_pages: list[str]
) -> None:
    server.clear_requests()
    streams = (*LISTINGS, "time_entries")
    output = read(CONNECTOR, config_of(server, workspace_ids=full_pages), streams)
    requests = server.requests()
    assert_complete(output, server, streams, full_pages)
    # The page of users is followed by an empty one.
    users = {"/workspaces/*/users/info": 2 * len(SIZES)}
    assert counted(requests) == dict.fromkeys(PATHS, len(SIZES)) | users


@each_layer
def test_without_the_last_page_header_a_full_page_is_followed_by_another(
    server: Sandbox, full_pages: list[str], layer: Layer
) -> None:
    server.settings(last_page="omit")
    server.clear_requests()
    streams = ("tags", "time_entries")
    largest = full_pages[-1:]
    output = read(layer, config_of(server, workspace_ids=largest), streams, in_process=True)
    requests = server.requests()
    server.settings(last_page="normal")
    assert_complete(output, server, streams, largest)
    assert counted(requests) == {
        "/workspaces/*/tags": 2,
        "/workspaces/*/users/info": 2 if layer is CONNECTOR else 1,
        "/workspaces/*/user/*/time-entries": 2,
    }


@pytest.fixture(scope="module")
def full_reports(server: Sandbox) -> list[str]:
    """A workspace with exactly one page of a report's window, and one with exactly two."""
    begin = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=REPORT_AGE)
    workspaces = []
    for rows in (1000, 2000):
        made = server.create_workspace(users=1, entries=0, projects=1, tasks=0)["id"]
        starts = [wire_time(begin + timedelta(minutes=10 * number)) for number in range(rows)]
        entries = [{"timeInterval": {"start": start_of_entry}} for start_of_entry in starts]
        create_many(server, made, "time-entries", entries)
        workspaces.append(made)
    return workspaces


@each_layer
def test_a_report_of_exactly_full_pages_is_complete(
    server: Sandbox, full_reports: list[str], layer: Layer
) -> None:
    server.clear_requests()
    first_day = datetime.now(timezone.utc) - timedelta(days=REPORT_AGE + 1)
    config = config_of(server, workspace_ids=full_reports, start_date=wire_time(first_day))
    output = read(layer, config, ["detailed_report"], in_process=True)
    assert_complete(output, server, ["detailed_report"], full_reports)
    pages: dict[str, list[int]] = {workspace: [] for workspace in full_reports}
    for request in server.requests():
        if request["body"]["dateRangeStart"] < wire_time(datetime.now(timezone.utc)):
            page = request["body"]["detailedFilter"]["page"]
            pages[request["path"].split("/")[2]].append(page)
    # The connector knows the number of rows from the totals, the manifest alone asks once more.
    wanted = ([1], [1, 2]) if layer is CONNECTOR else ([1, 2], [1, 2, 3])
    assert tuple(pages[workspace] for workspace in full_reports) == wanted


# A server that serves less than was asked for


CLAMP = 200


@pytest.fixture(scope="module")
def clamped() -> Iterator[Sandbox]:
    """More rows than a clamped page holds, in every listing of one of two workspaces."""
    with start(users=1, entries=0, projects=0, tasks=0) as sandbox:
        wide = sandbox.create_workspace(users=1, entries=0, projects=1, tasks=CLAMP + 1)
        deep = sandbox.create_workspace(users=1, entries=600, projects=2 * CLAMP + 1, tasks=0)
        for collection in ("users", "clients", "tags", "user-groups"):
            names = [{"name": f"one more {number}"} for number in range(CLAMP)]
            create_many(sandbox, wide["id"], collection, names)
        now = datetime.now(timezone.utc)
        running = [
            {"timeInterval": {"start": wire_time(now - timedelta(minutes=number)), "end": None}}
            for number in range(2 * CLAMP)
        ]
        create_many(sandbox, deep["id"], "time-entries", running)
        sandbox.settings(page_size_clamp=CLAMP)
        sandbox.delete_workspace(sandbox.workspaces[0]["id"])
        sandbox.workspaces = [{"id": wide["id"]}, {"id": deep["id"]}]
        yield sandbox


@pytest.mark.parametrize(
    ("number", "streams"),
    [
        (0, ["users", "user_groups", "clients", "tasks", "tags"]),
        (1, ["projects", "time_entries", "time_entries_in_progress", "detailed_report"]),
    ],
)
def test_a_silently_clamped_page_size_loses_nothing(
    clamped: Sandbox, number: int, streams: list[str]
) -> None:
    workspaces = [clamped.workspaces[number]["id"]]
    clamped.clear_requests()
    config = config_of(clamped, workspace_ids=workspaces)
    output = read(CONNECTOR, config, streams, in_process=number == 0)
    assert_complete(output, clamped, streams, workspaces)
    for stream in streams:
        assert len(output.records[stream]) > CLAMP
    assert {each["rows"] for each in clamped.requests()} & {CLAMP}
    assert all(each["rows"] <= CLAMP for each in clamped.requests())


def test_pages_of_a_few_rows_lose_nothing_of_any_stream(fresh_sandbox: Sandbox) -> None:
    """Several pages begin and end within one day, so both ways of paging time entries are used."""
    fresh_sandbox.settings(page_size_clamp=3)
    workspaces = [fresh_sandbox.workspaces[0]["id"]]
    config = config_of(fresh_sandbox, workspace_ids=workspaces)
    streams = [stream for stream in STREAMS if stream not in UNTOLD]
    output = read(CONNECTOR, config, streams, in_process=True)
    assert_complete(output, fresh_sandbox, streams, workspaces)


def test_a_header_that_never_says_last_is_not_followed_for_ever(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.fault({"last_page": False}, path=".*/tags", times=50)
    fresh_sandbox.clear_requests()
    output = read(CONNECTOR, config_of(fresh_sandbox), ["tags"], in_process=True)
    assert_complete(output, fresh_sandbox, ["tags"])
    assert counted(fresh_sandbox.requests())["/workspaces/*/tags"] == 2 * 2


# Changes between two pages of time entries


PAGE = 10


@pytest.fixture
def user(fresh_sandbox: Sandbox) -> tuple[str, str, list[JSON]]:
    """A workspace, a user and his entries, newest first, in pages that hold few of them."""
    workspace = fresh_sandbox.workspaces[0]["id"]
    rows = fresh_sandbox.rows("time_entries", workspaceId=workspace)
    person = rows[0]["userId"]
    mine = [row for row in rows if row["userId"] == person]
    mine.sort(key=lambda row: (row["timeInterval"]["start"], row["id"]), reverse=True)
    fresh_sandbox.settings(page_size_clamp=PAGE)
    return workspace, person, mine


def between_pages(sandbox: Sandbox, person: str, method: str, path: str, body: JSON) -> None:
    """Change the data before each page of a user's entries except the first."""
    change = {"before": {"method": method, "path": path, "body": body}}
    sandbox.fault(change, path=f".*/user/{person}/time-entries", skip=1, times=1)


def test_an_entry_deleted_between_two_pages_hides_no_other(
    fresh_sandbox: Sandbox, user: tuple[str, str, list[JSON]]
) -> None:
    workspace, person, rows = user
    before = expected(fresh_sandbox, "time_entries")
    path = f"/_admin/workspaces/{workspace}/time-entries/{rows[0]['id']}"
    between_pages(fresh_sandbox, person, "DELETE", path, {})
    output = read(CONNECTOR, config_of(fresh_sandbox), ["time_entries"], in_process=True)
    assert_same("time_entries", output.records["time_entries"], before)
    assert len(expected(fresh_sandbox, "time_entries")) == len(before) - 1


def test_an_entry_inserted_between_two_pages_doubles_no_other(
    fresh_sandbox: Sandbox, user: tuple[str, str, list[JSON]]
) -> None:
    workspace, person, rows = user
    before = expected(fresh_sandbox, "time_entries")
    # Newer than all, so that by number every page after it would begin with a row of the last.
    body = {"userId": person, "timeInterval": {"start": rows[0]["timeInterval"]["start"]}}
    path = f"/_admin/workspaces/{workspace}/time-entries"
    between_pages(fresh_sandbox, person, "POST", path, body)
    output = read(CONNECTOR, config_of(fresh_sandbox), ["time_entries"], in_process=True)
    keys = [key_of("time_entries", record) for record in output.records["time_entries"]]
    assert len(keys) == len(set(keys))
    assert {key_of("time_entries", record) for record in before} <= set(keys)
    assert len(expected(fresh_sandbox, "time_entries")) == len(before) + 1
