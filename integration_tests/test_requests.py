"""A sync sends as few requests as the API allows."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from clockify_sandbox.endpoints import ENDPOINTS
from clockify_sandbox.timetext import parse_instant, utc_text
from integration_tests.airbyte import CONNECTOR, STREAMS, Output, config_of, read, run
from integration_tests.stream_facts import parent_of, request_of
from integration_tests.truth import (
    EVENT_DAYS,
    EVENTS,
    REPORT_DAYS,
    assert_complete,
    counted,
    expected,
    last_planned_day,
    monday_of,
    report_windows,
    today,
    with_path,
)

USERS, ENTRIES, PROJECTS, TASKS = 60, 60, 50, 4
DAY = 86_400
# Where the reports of an account begin that names neither its workspaces nor a start date.
REPORTS_BEGIN = date(2000, 1, 1)

PATHS = {stream: request_of(stream).path for stream in STREAMS}
# Where Clockify documents no largest page, the default is requested; of the attendance report
# larger pages were seen to be cut.
UNDOCUMENTED_PAGE = {
    "/workspaces/*/shared-reports": 50,
    "/workspaces/*/webhooks/*/logs": 50,
    "/workspaces/*/entities/created": 50,
    "/workspaces/*/entities/updated": 50,
    "/workspaces/*/entities/deleted": 50,
    "/workspaces/*/reports/attendance": 200,
}
LARGEST_PAGE = {
    path: UNDOCUMENTED_PAGE.get(path, endpoint.paging.maximum)
    for endpoint in ENDPOINTS
    if endpoint.paging and (path := re.sub(r"{\w+}", "*", endpoint.path)) in PATHS.values()
}
# What comes whole.
UNPAGED = {*PATHS.values()} - LARGEST_PAGE.keys()
# Requested only where the hydrated project list proves nothing.
TASKS_OF_PROJECT = "/workspaces/*/projects/*/tasks"
# Only an empty page tells the end of these: the largest page is unknown, or pages may be filtered
# after they were cut.
UNTIL_EMPTY = {
    "/workspaces/*/users/info",
    "/workspaces/*/webhooks/*/logs",
    "/workspaces/*/audit-log",
    "/workspaces/*/entities/created",
    "/workspaces/*/entities/updated",
    "/workspaces/*/entities/deleted",
}
# Neither a header nor a count tells the end of these, so a full page is followed by another.
UNTOLD = {
    "/workspaces/*/reports/attendance",
    "/workspaces/*/scheduling/assignments/user-filter/totals",
    "/workspaces/*/scheduling/assignments/projects/totals",
}
# The longest window of an event feed that is sure to be answered.
AUDIT_LOG_WINDOW = 30 * DAY
CHANGE_WINDOW = 29 * DAY


def pages(path: str, rows: int) -> int:
    """The fewest requests that read so many rows of a path."""
    size = LARGEST_PAGE[path]
    with_rows = -(-rows // size)
    if path in UNTIL_EMPTY:
        return with_rows + 1
    return rows // size + 1 if path in UNTOLD else max(1, with_rows)


def fewest(sandbox: Sandbox, requests: list[JSON], first_day: date | None = None) -> Counter[str]:
    """The fewest requests that read the whole account, by path.

    A listing takes one for each page, children take one for each parent and page, a report or a
    feed takes one for each window and page, the audit log separately for Clockify's own events and
    for all others. Reports begin with `first_day`; without one their windows are those of all
    accounts, less those that end before the workspace was made. `requests` are those of the sync,
    which say at which second the event feeds begin and end.
    """
    found = Counter({"/workspaces": 1})
    for workspace in (each["id"] for each in sandbox.workspaces):
        found += _fewest_listings(sandbox, workspace)
        found += _fewest_reports(sandbox, workspace, first_day)
        found += _fewest_events(sandbox, workspace, requests)
    return found


# Counted by their windows, their passes or what they read.
COUNTED_APART = {
    *("workspaces", "expense_categories", "time_entries_changed", *EVENTS),
    *(stream for stream, path in PATHS.items() if "/reports/" in path),
}


def _fewest_listings(sandbox: Sandbox, workspace: str) -> Counter[str]:
    rows = {stream: sandbox.records(stream, workspaceId=workspace) for stream in STREAMS}
    found: Counter[str] = Counter()
    for stream, path in PATHS.items():
        parent = parent_of(stream)
        if stream in COUNTED_APART:
            continue
        if stream == "tasks" and any(each["row"]["status"] == "DONE" for each in rows[stream]):
            # The hydrated project list proves to hold them all.
            found[PATHS["projects"]] *= 2
        elif parent is None:
            found[path] = pages(path, len(rows[stream])) if path in LARGEST_PAGE else 1
        elif path in UNPAGED:
            found[path] = len(rows[parent])
        else:
            held = Counter(_parent_id(each["path"]) for each in rows[stream])
            found[path] = sum(pages(path, held[each["row"]["id"]]) for each in rows[parent])
    archived = Counter(each["row"]["archived"] for each in rows["expense_categories"])
    path = PATHS["expense_categories"]
    found[path] = sum(pages(path, archived[kind]) for kind in (False, True))
    return found


def _parent_id(path: JSON) -> str:
    """The id of the parent in the path of a row."""
    (name,) = path.keys() - {"workspaceId"}
    return str(path[name])


def _fewest_reports(sandbox: Sandbox, workspace: str, first_day: date | None) -> Counter[str]:
    needed = first_day or creation_day(workspace)
    planned = last_planned_day()
    # Those that end until then.
    weeks = (monday_of(planned + timedelta(days=1)) - monday_of(needed)).days // 7
    found = Counter({"/workspaces/*/reports/weekly": weeks})
    for stream, name, last_day in (
        ("detailed_report", "detailed", planned),
        ("summary_report", "summary", planned),
        ("attendance_report", "attendance", today()),
        ("expense_report", "expenses/detailed", planned),
    ):
        path = f"/workspaces/*/reports/{name}"
        records = expected(sandbox, stream, [workspace])
        days = [(each.get("date") or each["start"])[:10] for each in records]
        for first, last in report_windows(first_day or REPORTS_BEGIN, last_day):
            if last >= needed:
                rows = sum(1 for day in days if first.isoformat() <= day <= last.isoformat())
                found[path] += 1 if path in UNPAGED else pages(path, rows)
        if first_day is None and path not in UNPAGED and name != "attendance":
            # Is there a row from before the workspace, and one from before 2000?
            found[path] += 2
    return found


def creation_day(workspace: str) -> date:
    return datetime.fromtimestamp(int(workspace[:8], 16), timezone.utc).date()


def _fewest_events(sandbox: Sandbox, workspace: str, requests: list[JSON]) -> Counter[str]:
    found: Counter[str] = Counter()
    for stream, name in (
        ("audit_log", "audit-log"),
        ("entity_changes_created", "entities/created"),
        ("entity_changes_updated", "entities/updated"),
        ("entity_changes_deleted", "entities/deleted"),
    ):
        asked = [
            _span(each)
            for each in with_path(requests, f"/workspaces/{workspace}/{name}")
            if not _types_of_entries(each)
        ]
        if not asked:
            assert not sandbox.records(stream, workspaceId=workspace)
            continue
        path = f"/workspaces/*/{name}"
        first, end = min(asked)[0], max(last for _, last in asked)
        # Both ends are now, but need not be computed in the same second.
        assert 0 <= end - first - EVENT_DAYS * DAY <= 5
        longest = AUDIT_LOG_WINDOW if stream == "audit_log" else CHANGE_WINDOW
        while first < end:
            last = min(first + longest, end)
            window = {"start": utc_text(int(first)), "end": utc_text(int(last))}
            rows = sandbox.rows(stream, workspaceId=workspace, **window)
            if stream == "audit_log":
                moments = [parse_instant(row["timestamp"]) for row in rows]
                rows = [row for row, at in zip(rows, moments, strict=True) if first <= at <= last]
                by_clockify = sum(1 for row in rows if row["userId"] == "SYSTEM")
                found[path] += pages(path, by_clockify) + pages(path, len(rows) - by_clockify)
            else:
                found[path] += pages(path, len(rows))
            first = last
    return found + _fewest_of_entries(sandbox, workspace, requests)


def _fewest_of_entries(sandbox: Sandbox, workspace: str, requests: list[JSON]) -> Counter[str]:
    """The feeds of changed and of deleted time entries, and each changed entry."""
    found: Counter[str] = Counter()
    for change in ("created", "updated", "deleted"):
        path = f"/workspaces/*/entities/{change}"
        asked = [
            (_span(each), _types_of_entries(each))
            for each in with_path(requests, path.replace("*", workspace))
            if _types_of_entries(each)
        ]
        first, end = min(asked)[0][0], max(last for (_, last), _ in asked)
        while first < end:
            last = min(first + CHANGE_WINDOW, end)
            window = {"start": utc_text(int(first)), "end": utc_text(int(last))}
            rows = sandbox.rows(f"entity_changes_{change}", workspaceId=workspace, **window)
            types = asked[0][1]
            found[path] += pages(path, sum(1 for row in rows if row["documentCode"] in types))
            first = last
    changed = with_path(requests, f"/workspaces/{workspace}/time-entries/*")
    found["/workspaces/*/time-entries/*"] = len({each["path"] for each in changed})
    return found


def _types_of_entries(request: JSON) -> list[str]:
    """The types that a request for changed entities names, if they are those of entries."""
    types: list[str] = request["query"].get("type", [])
    return types if all(each.startswith("TIME_ENTRY") for each in types) else []


def _span(request: JSON) -> tuple[float, float]:
    """The window of a request to an event feed, in epoch seconds."""
    asked = request["body"] or {name: request["query"][name][0] for name in ("start", "end")}
    return parse_instant(asked["start"]), parse_instant(asked["end"])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=USERS, entries=ENTRIES, projects=PROJECTS, tasks=TASKS) as server:
        yield server


@pytest.fixture(scope="module")
def full_sync(sandbox: Sandbox) -> tuple[Output, list[JSON]]:
    """All streams at once with eight workers, and the requests that this took."""
    sandbox.clear_requests()
    output = read(CONNECTOR, config_of(sandbox, num_workers=8))
    return output, sandbox.requests()


def test_every_record_of_sixty_users_and_fifty_projects_comes_once(
    full_sync: tuple[Output, list[JSON]], sandbox: Sandbox
) -> None:
    assert_complete(full_sync[0], sandbox, STREAMS)


def test_every_page_of_every_listing_is_fetched_exactly_once(
    full_sync: tuple[Output, list[JSON]], sandbox: Sandbox
) -> None:
    requests = full_sync[1]
    wanted = fewest(sandbox, requests)
    assert counted(requests) == wanted
    # One with all users, and the empty one after it.
    assert wanted["/workspaces/*/users/info"] == 2
    # By itself, and with its tasks.
    assert wanted["/workspaces/*/projects"] == 2
    assert wanted["/workspaces/*/member-profile/*"] == USERS
    assert wanted["/workspaces/*/user/*/time-entries"] == USERS
    assert wanted[TASKS_OF_PROJECT] == 0
    assert wanted["/workspaces/*/projects/*/custom-fields"] == PROJECTS
    assert {request["status"] for request in requests} == {200}


def test_the_detailed_report_takes_one_request_per_window_and_page(
    full_sync: tuple[Output, list[JSON]], sandbox: Sandbox
) -> None:
    requests = with_path(full_sync[1], "/workspaces/*/reports/detailed")
    asked = [
        _window(request)
        for request in requests
        if request["body"]["detailedFilter"]["pageSize"] > 1
    ]
    last_day = max(end for _, end in asked)
    assert last_day - today() in (timedelta(days=REPORT_DAYS - 1), timedelta(days=REPORT_DAYS))

    workspace_id = sandbox.workspaces[0]["id"]
    created = creation_day(workspace_id)
    days = [row["timeInterval"]["start"][:10] for row in sandbox.rows("detailed_report")]
    wanted: Counter[tuple[date, date]] = Counter()
    for first, last in report_windows(REPORTS_BEGIN, last_day):
        if last >= created:
            entries = sum(1 for day in days if first.isoformat() <= day <= last.isoformat())
            wanted[first, last] = pages("/workspaces/*/reports/detailed", entries)
    assert Counter(asked) == wanted


def _window(request: JSON) -> tuple[date, date]:
    """The first and the last day that a report request covers."""
    body = request["body"]
    assert body["timeZone"] == "UTC"
    first, _, begin = body["dateRangeStart"].partition("T")
    last, _, end = body["dateRangeEnd"].partition("T")
    assert (begin, end) == ("00:00:00.000Z", "23:59:59.999Z")
    return date.fromisoformat(first), date.fromisoformat(last)


# Two workspaces with all features and ten users


# Older than all but a few plans.
FIRST_DAY = today() - timedelta(days=400)
START_DATE = f"{FIRST_DAY}T00:00:00Z"


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with start(users=10, entries=30, projects=5, tasks=2, plan="PRO,ENTERPRISE") as server:
        yield server


@pytest.fixture(scope="module")
def account_sync(account: Sandbox) -> tuple[Output, list[JSON]]:
    account.clear_requests()
    config = config_of(account, num_workers=8, start_date=START_DATE)
    output = read(CONNECTOR, config, in_process=True)
    return output, account.requests()


def test_the_whole_account_takes_one_request_a_page_and_window(
    account_sync: tuple[Output, list[JSON]], account: Sandbox
) -> None:
    output, requests = account_sync
    assert_complete(output, account, STREAMS, start_date=START_DATE)
    wanted = fewest(account, requests, FIRST_DAY)
    assert set(wanted) == LARGEST_PAGE.keys() - {TASKS_OF_PROJECT} | UNPAGED
    assert counted(requests) == wanted
    assert len(requests) == wanted.total()


def test_the_largest_documented_page_is_asked_for(
    account_sync: tuple[Output, list[JSON]],
) -> None:
    sizes: dict[str, set[int]] = defaultdict(set)
    for request in account_sync[1]:
        (path,) = counted([request])
        sizes[path] |= page_sizes(request)
    assert sizes == {
        **{path: {size} for path, size in LARGEST_PAGE.items() if path != TASKS_OF_PROJECT},
        **{path: set() for path in UNPAGED},
    }


def page_sizes(request: JSON) -> set[int]:
    """The page sizes that a request names, in whichever spelling."""
    body = request["body"] or {}
    fields = {name: values[0] for name, values in request["query"].items()} | body
    for name in ("detailedFilter", "attendanceFilter"):
        fields |= body.get(name, {})
    names = ("page-size", "pageSize", "size", "limit")
    return {int(fields[name]) for name in names if name in fields}


def test_the_free_plan_reads_all_tasks_with_one_request_of_its_own(sandbox: Sandbox) -> None:
    sandbox.clear_requests()
    streams = ["workspaces", "users", "user_groups", "clients", "projects", "tasks", "tags"]
    config = config_of(sandbox, plan="free", num_workers=8)
    output = read(CONNECTOR, config, streams, in_process=True)
    requests = sandbox.requests()
    assert_complete(output, sandbox, streams)
    assert counted(requests) == {
        "/workspaces": 1,
        "/workspaces/*/users/info": 2,
        "/workspaces/*/user-groups": 1,
        "/workspaces/*/clients": 1,
        "/workspaces/*/projects": 2,
        "/workspaces/*/tags": 1,
    }
    hydrated = [each for each in requests if each["query"].get("hydrated") == ["true"]]
    assert len(hydrated) == 1


SUGGESTED = (
    "workspaces",
    "users",
    "user_groups",
    "clients",
    "projects",
    "tasks",
    "tags",
    "time_entries",
)


@pytest.mark.parametrize(
    ("settings", "of_tasks"),
    [({}, 0), ({"hydrated_done": False}, 500), ({"hydrated": "refused"}, 500)],
    ids=["done tasks are listed", "done tasks are hidden", "the list is refused"],
)
def test_the_suggested_streams_of_a_large_account_take_a_request_a_user(
    large_account: Sandbox, settings: JSON, of_tasks: int
) -> None:
    """And none for each of its 500 projects, where the project list proves to hold all tasks."""
    large_account.settings(**settings)
    config = config_of(large_account, num_workers=8)
    state: list[JSON] = []
    # Three of them are for the change feeds.
    for most in (413, 213):
        large_account.clear_requests()
        output = read(
            CONNECTOR, config, SUGGESTED, sync_mode="incremental", state=state, in_process=True
        )
        state = output.state
        asked = counted(large_account.requests())
        assert asked["/workspaces/*/projects"] == 2
        assert asked["/workspaces/*/projects/*/tasks"] == of_tasks
        assert asked.total() <= most + of_tasks
        if most == 413:
            assert_complete(output, large_account, SUGGESTED)
        else:
            assert output.records["tasks"] == []


@pytest.fixture(scope="module")
def large_server() -> Iterator[Sandbox]:
    with start(plan="PRO", users=200, projects=500, tasks=2, entries=3) as sandbox:
        yield sandbox


@pytest.fixture
def large_account(large_server: Sandbox) -> Iterator[Sandbox]:
    yield large_server
    large_server.reset()


@pytest.mark.parametrize("named", [False, True])
def test_each_of_several_workspaces_is_listed_once(fresh_sandbox: Sandbox, named: bool) -> None:
    workspaces = [each["id"] for each in fresh_sandbox.workspaces]
    fresh_sandbox.clear_requests()
    streams = ["users", "member_profiles", "projects", "tasks", "time_entries"]
    config = config_of(fresh_sandbox, num_workers=8, workspace_ids=workspaces if named else [])
    output = read(CONNECTOR, config, streams, in_process=True)
    requests = fresh_sandbox.requests()
    assert_complete(output, fresh_sandbox, streams)
    assert counted(requests)["/workspaces"] == (0 if named else 1)
    asked = Counter(request["path"] for request in requests)
    for workspace in workspaces:
        # The page of users and the empty one after it.
        assert asked.pop(f"/workspaces/{workspace}/users/info") == 2
        # The list by itself, and with the tasks.
        assert asked.pop(f"/workspaces/{workspace}/projects") == 2
        assert asked[f"/workspaces/{workspace}"] == 0
    assert max(asked.values()) == 1


def test_a_check_sends_one_request_to_each_host(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.clear_requests()
    output = run(CONNECTOR, "check", config_of(fresh_sandbox), in_process=True)
    statuses = [each["connectionStatus"] for each in output.messages if "connectionStatus" in each]
    assert [each["status"] for each in statuses] == ["SUCCEEDED"]
    requests = fresh_sandbox.requests()
    assert Counter(request["host"] for request in requests) == {"api": 1, "reports": 1}
    assert all(request["status"] == 200 for request in requests)
