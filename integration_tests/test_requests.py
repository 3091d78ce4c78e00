"""A sync sends as few requests as the API allows."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import pytest

from integration_tests.airbyte import CONNECTOR, Output, config_of, read, run
from integration_tests.sandbox.client import JSON, Sandbox, start
from integration_tests.sandbox.records import STREAMS
from integration_tests.truth import (
    REPORT_DAYS,
    assert_complete,
    counted,
    report_windows,
    today,
    with_path,
)

USERS, ENTRIES, PROJECTS, TASKS = 60, 60, 50, 4
REPORT_PAGE = 1000
# Where the reports of an account whose oldest workspace is not known begin.
REPORTS_BEGIN = date(2017, 1, 1)


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


def test_every_listing_is_fetched_exactly_once(full_sync: tuple[Output, list[JSON]]) -> None:
    counts = counted(full_sync[1])
    reports = counts.pop("/workspaces/*/reports/detailed")
    assert reports > 0
    assert counts == {
        "/workspaces": 1,
        "/workspaces/*/users": 1,
        "/workspaces/*/member-profile/*": USERS,
        "/workspaces/*/user-groups": 1,
        "/workspaces/*/clients": 1,
        "/workspaces/*/projects": 1,
        "/workspaces/*/projects/*/tasks": PROJECTS,
        "/workspaces/*/tags": 1,
        "/workspaces/*/custom-fields": 1,
        "/workspaces/*/user/*/time-entries": USERS,
        "/workspaces/*/time-entries/status/in-progress": 1,
    }
    assert {request["status"] for request in full_sync[1]} == {200}


def test_the_detailed_report_takes_one_request_per_window_and_page(
    full_sync: tuple[Output, list[JSON]], sandbox: Sandbox
) -> None:
    requests = with_path(full_sync[1], "/workspaces/*/reports/detailed")
    asked = [_window(request) for request in requests]
    last_day = max(end for _, end in asked)
    assert last_day - today() in (timedelta(days=REPORT_DAYS - 1), timedelta(days=REPORT_DAYS))

    workspace_id = sandbox.workspaces[0]["id"]
    created = datetime.fromtimestamp(int(workspace_id[:8], 16), timezone.utc).date()
    days = [row["timeInterval"]["start"][:10] for row in sandbox.rows("detailed_report")]
    wanted: Counter[tuple[date, date]] = Counter()
    for first, last in report_windows(REPORTS_BEGIN, last_day):
        if last >= created:
            entries = sum(1 for day in days if first.isoformat() <= day <= last.isoformat())
            wanted[first, last] = max(1, -(-entries // REPORT_PAGE))
    assert Counter(asked) == wanted


def _window(request: JSON) -> tuple[date, date]:
    """The first and the last day that a report request covers."""
    body = request["body"]
    assert body["timeZone"] == "UTC"
    first, _, begin = body["dateRangeStart"].partition("T")
    last, _, end = body["dateRangeEnd"].partition("T")
    assert (begin, end) == ("00:00:00.000Z", "23:59:59.999Z")
    return date.fromisoformat(first), date.fromisoformat(last)


def test_the_largest_documented_page_is_asked_for(full_sync: tuple[Output, list[JSON]]) -> None:
    sizes: dict[str, set[str]] = defaultdict(set)
    for request in full_sync[1]:
        (path,) = counted([request])
        if request["body"]:
            sizes[path].add(str(request["body"]["detailedFilter"]["pageSize"]))
        else:
            sizes[path].update(request["query"].get("page-size", ["none"]))
    assert sizes == {
        "/workspaces": {"none"},
        "/workspaces/*/users": {"5000"},
        "/workspaces/*/member-profile/*": {"none"},
        "/workspaces/*/user-groups": {"5000"},
        "/workspaces/*/clients": {"5000"},
        "/workspaces/*/projects": {"5000"},
        "/workspaces/*/projects/*/tasks": {"5000"},
        "/workspaces/*/tags": {"5000"},
        "/workspaces/*/custom-fields": {"none"},
        "/workspaces/*/user/*/time-entries": {"5000"},
        "/workspaces/*/time-entries/status/in-progress": {"1000"},
        "/workspaces/*/reports/detailed": {"1000"},
    }


def test_the_free_plan_reads_all_tasks_with_one_request_of_its_own(sandbox: Sandbox) -> None:
    sandbox.clear_requests()
    streams = ["workspaces", "users", "user_groups", "clients", "projects", "tasks", "tags"]
    config = config_of(sandbox, plan="free", num_workers=8)
    output = read(CONNECTOR, config, streams, in_process=True)
    requests = sandbox.requests()
    assert_complete(output, sandbox, streams)
    assert counted(requests) == {
        "/workspaces": 1,
        "/workspaces/*/users": 1,
        "/workspaces/*/user-groups": 1,
        "/workspaces/*/clients": 1,
        "/workspaces/*/projects": 2,
        "/workspaces/*/tags": 1,
    }
    hydrated = [each for each in requests if each["query"].get("hydrated") == ["true"]]
    assert len(hydrated) == 1


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
        assert asked[f"/workspaces/{workspace}/users"] == 1
        assert asked[f"/workspaces/{workspace}/projects"] == 1
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
