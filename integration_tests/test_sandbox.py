"""The sandbox from outside, over HTTP: it behaves as Clockify, and serves what its truth says."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from integration_tests.sandbox.client import JSON, Sandbox, start

NOW = "2026-11-24T09:00:00Z"
OPEN_USERS = {
    "status": "ALL",
    "account-statuses": "ACTIVE,PENDING_EMAIL_VERIFICATION,NOT_REGISTERED,LIMITED",
    "memberships": "WORKSPACE",
    "include-roles": "true",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with start(plan="PRO,FREE", now=NOW) as server:
        yield server


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.reset()


@pytest.fixture
def w(sandbox: Sandbox) -> str:
    """The path of the PRO workspace."""
    return f"/workspaces/{sandbox.workspaces[0]['id']}"


@pytest.fixture
def free(sandbox: Sandbox) -> str:
    """The path of the FREE workspace."""
    return f"/workspaces/{sandbox.workspaces[1]['id']}"


def window(start: str = "2025-01-01", end: str = "2028-01-01", **more: Any) -> JSON:
    """The body of a detailed report in UTC; `page` and such go into its filter."""
    body: JSON = {
        "dateRangeStart": start if "T" in start else f"{start}T00:00:00Z",
        "dateRangeEnd": end if "T" in end else f"{end}T00:00:00Z",
        "timeZone": "UTC",
        "detailedFilter": {"page": 1, "pageSize": 1000},
    }
    for name, value in more.items():
        target = body if name in ("timeZone", "sortOrder", "users") else body["detailedFilter"]
        target[name] = value
    return body


def report(sandbox: Sandbox, w: str, **body: Any) -> JSON:
    answer: JSON = sandbox.report(f"{w}/reports/detailed", window(**body)).json()
    return answer


def ids(rows: list[JSON]) -> list[str]:
    return [row.get("_id") or row["id"] for row in rows]


def pages(sandbox: Sandbox, path: str, size: int, **params: Any) -> list[JSON]:
    """All rows of a list, read until the server says that a page was the last."""
    rows: list[JSON] = []
    for page in range(1, 1000):
        answer = sandbox.get(path, page=page, **{"page-size": size}, **params)
        rows += answer.json()
        if answer.headers["Last-Page"] == "true":
            return rows
    raise AssertionError("no last page")


def owner_entries(sandbox: Sandbox, w: str) -> str:
    return f"{w}/user/{sandbox.info()['users']['owner']}/time-entries"


# Who asks


def code(answer: requests.Response) -> tuple[int, int | None]:
    return answer.status_code, answer.json().get("code")


def test_a_request_needs_exactly_one_credential(sandbox: Sandbox) -> None:
    url = sandbox.api_url + "/workspaces"
    both = {"X-Api-Key": sandbox.api_key, "X-Addon-Token": sandbox.addon_token}
    assert code(requests.get(url, timeout=5)) == (401, 1000)
    assert code(requests.get(url, headers=both, timeout=5)) == (401, 1000)
    assert code(sandbox.get("/workspaces", key="wrong")) == (401, 4003)
    bad = requests.get(url, headers={"X-Addon-Token": "a.b.c"}, timeout=5)
    assert code(bad) == (401, 4017)


def test_an_addon_reads_its_own_workspace_within_its_scopes(
    sandbox: Sandbox, w: str, free: str
) -> None:
    full, little = (each["token"] for each in sandbox.info()["addon_tokens"][:2])

    def get(path: str, token: str) -> requests.Response:
        headers = {"X-Addon-Token": token}
        return requests.get(sandbox.api_url + path, headers=headers, timeout=5)

    assert get(f"{w}/tags", full).status_code == 200
    refused = get(f"{w}/tags", little)
    assert refused.status_code == 401
    assert "does not have permission TAG_READ" in refused.json()["message"]
    assert get("/workspaces", full).status_code == 401
    assert get(f"{w}/webhooks", full).status_code == 401
    assert get(f"{free}/tags", full).status_code == 404


def test_a_workspace_that_the_key_cannot_see_is_404_without_a_body(
    sandbox: Sandbox, w: str
) -> None:
    stranger = sandbox.info()["keys"]["stranger"]
    assert sandbox.get("/workspaces", key=stranger).json() == []
    for answer in (
        sandbox.get(f"{w}/tags", key=stranger),
        sandbox.get("/workspaces/64e777123456789012345678/tags"),
    ):
        assert (answer.status_code, answer.content) == (404, b"")


def test_a_plain_member_sees_own_entries_only_and_no_rates(sandbox: Sandbox, w: str) -> None:
    info = sandbox.info()
    key, me = info["keys"]["member"], info["users"]["member"]
    assert sandbox.get(f"{w}/webhooks", key=key).json() == {"message": "Access Denied"}
    assert sandbox.get(owner_entries(sandbox, w), key=key).status_code == 403
    assert len(sandbox.get(f"{w}/user/{me}/time-entries", key=key).json()) == 40
    rows = sandbox.report(f"{w}/reports/detailed", window(), key=key).json()["timeentries"]
    assert {row["userId"] for row in rows} == {me}
    users = sandbox.get(f"{w}/users", key=key, memberships="WORKSPACE").json()
    assert all(each["hourlyRate"] is None for user in users for each in user["memberships"])
    hidden = {row["id"] for row in sandbox.rows("projects")} - set(
        ids(sandbox.get(f"{w}/projects", key=key).json())
    )
    assert hidden


# Errors


def test_unknown_routes_and_wrong_verbs_answer_as_clockify_does(sandbox: Sandbox, w: str) -> None:
    assert code(sandbox.get(f"{w}/nothing")) == (404, 3000)
    field = sandbox.rows("custom_fields")[0]["id"]
    wrong = sandbox.get(f"{w}/custom-fields/{field}")
    assert code(wrong) == (405, 3000)
    assert wrong.headers["Allow"] == "PUT"
    assert sandbox.report(f"{w}/tags", {}).status_code == 404


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("tags", {"page": "x"}),
        ("tags", {"page-size": "1_000"}),
        ("tags", {"page-size": "5001"}),
        ("tags", {"archived": "maybe"}),
        ("users", {"sort-column": "NOTHING"}),
        ("users", {"status": "GONE"}),
        ("time-entries/status/in-progress", {"page-size": "1001"}),
    ],
)
def test_a_parameter_that_does_not_parse_is_a_400_that_echoes_it(
    sandbox: Sandbox, w: str, path: str, params: dict[str, str]
) -> None:
    answer = sandbox.get(f"{w}/{path}", **params)
    assert code(answer) == (400, 3000)
    assert next(iter(params.values())) in answer.json()["message"]


def test_an_entity_that_is_gone_or_foreign_is_a_400_with_code_501(
    sandbox: Sandbox, w: str, free: str
) -> None:
    workspace = sandbox.workspaces[0]["id"]
    tag = sandbox.get(f"{w}/tags").json()[0]["id"]
    entry = sandbox.get(owner_entries(sandbox, w)).json()[0]["id"]
    assert sandbox.get(f"{w}/tags/{tag}").status_code == 200
    assert code(sandbox.get(f"{free}/tags/{tag}")) == (400, 501)
    sandbox.delete(workspace, "tags", tag)
    sandbox.delete(workspace, "time-entries", entry)
    assert code(sandbox.get(f"{w}/tags/{tag}")) == (400, 501)
    assert code(sandbox.get(f"{w}/time-entries/{entry}")) == (400, 501)
    assert code(sandbox.get(f"{w}/user/{tag}/time-entries")) == (400, 501)
    assert code(sandbox.get(f"{w}/projects/{tag}/tasks")) == (400, 501)
    assert code(sandbox.get(f"{w}/member-profile/{tag}")) == (400, 501)


def test_bad_bodies_are_told_apart(sandbox: Sandbox, w: str) -> None:
    url = f"{sandbox.reports_url}{w}/reports/detailed"
    assert code(sandbox.request("POST", url, data="{")) == (400, 3002)
    assert code(sandbox.request("POST", url, json={"detailedFilter": {}})) == (400, 3001)
    assert code(sandbox.request("POST", url, json=window(start="yesterday"))) == (400, 3000)


def test_a_feature_that_the_plan_lacks_is_403(sandbox: Sandbox, free: str) -> None:
    assert sandbox.get(f"{free}/custom-fields").json() == {"message": "Access Denied"}
    listed = {row["id"]: row for row in sandbox.get("/workspaces").json()}
    plans = [listed[each["id"]]["featureSubscriptionType"] for each in sandbox.workspaces]
    assert plans == ["PRO", "FREE"]
    features = [listed[each["id"]]["features"] for each in sandbox.workspaces]
    assert ["CUSTOM_FIELDS" in each for each in features] == [True, False]


def test_the_request_id_comes_back(sandbox: Sandbox) -> None:
    answer = sandbox.request(
        "GET", sandbox.api_url + "/workspaces", headers={"x-request-id": "abc"}
    )
    assert answer.headers["x-request-id"] == "abc"


# Lists


def test_the_numbers_asked_for_are_the_numbers_served() -> None:
    with start(users=5, entries=3, projects=2, tasks=1, now=NOW) as sandbox:
        w = f"/workspaces/{sandbox.workspaces[0]['id']}"
        users = sandbox.get(f"{w}/users", **OPEN_USERS).json()
        assert len(users) == 5
        for user in users:
            assert len(sandbox.get(f"{w}/user/{user['id']}/time-entries").json()) == 3
        projects = sandbox.get(f"{w}/projects").json()
        assert len(projects) == 2
        for project in projects:
            assert len(sandbox.get(f"{w}/projects/{project['id']}/tasks").json()) == 1
        assert len(report(sandbox, w)["timeentries"]) == 5 * 3 + 2 * 3


@pytest.mark.parametrize(
    ("stream", "path", "params"),
    [
        ("users", "/users", OPEN_USERS),
        ("user_groups", "/user-groups", {"includeTeamManagers": "true"}),
        ("clients", "/clients", {}),
        ("projects", "/projects", {"sort-column": "ID"}),
        ("tags", "/tags", {"sort-column": "ID", "sort-order": "DESCENDING"}),
        ("time_entries_in_progress", "/time-entries/status/in-progress", {}),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 5000 // 5])
def test_the_pages_of_a_list_bring_the_truth(
    sandbox: Sandbox, w: str, stream: str, path: str, params: dict[str, str], size: int
) -> None:
    truth = sandbox.rows(stream, workspaceId=sandbox.workspaces[0]["id"])
    rows = pages(sandbox, w + path, size, **params)
    assert sorted(ids(rows)) == sorted(ids(truth))
    assert all(row in truth for row in rows)


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("tasks", "/projects/{projectId}/tasks"),
        ("member_profiles", "/member-profile/{userId}"),
        ("time_entries", "/user/{userId}/time-entries"),
        ("custom_fields", "/custom-fields"),
        ("workspaces", ""),
    ],
)
def test_child_resources_bring_the_truth(sandbox: Sandbox, stream: str, path: str) -> None:
    for record in sandbox.records(stream)[::7]:
        url = f"/workspaces/{record['path']['workspaceId']}{path.format(**record['path'])}"
        answer = sandbox.get(url).json()
        assert record["row"] in (answer if isinstance(answer, list) else [answer])


def test_a_wrong_spelling_of_the_page_size_is_ignored(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    for number in range(60):
        sandbox.create(workspace, "tags", {"name": f"tag {number}"})
    assert len(sandbox.get(f"{w}/tags", pageSize=3).json()) == 50
    assert len(sandbox.get(f"{w}/tags", **{"page-size": " 3"}).json()) == 50
    assert len(sandbox.get(f"{w}/tags", **{"page-size": 3}).json()) == 3
    url = f"{sandbox.api_url}{w}/users/info"
    assert len(sandbox.request("POST", url, json={"page": 2, "pageSize": 3}).json()) == 3
    assert len(sandbox.request("POST", url, json={"page-size": 3}).json()) == 10


def test_a_page_beyond_the_end_is_empty_and_the_last(sandbox: Sandbox, w: str) -> None:
    answer = sandbox.get(f"{w}/tags", page=999)
    assert (answer.json(), answer.headers["Last-Page"]) == ([], "true")


def test_custom_fields_ignore_paging_and_have_no_last_page(sandbox: Sandbox, w: str) -> None:
    answer = sandbox.get(f"{w}/custom-fields", page=2, **{"page-size": 1})
    assert len(answer.json()) == len(sandbox.rows("custom_fields"))
    assert "Last-Page" not in answer.headers


def test_running_entries_come_ten_to_a_page(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    for _ in range(10):
        sandbox.create(workspace, "time-entries", {"timeInterval": {"end": None}})
    answer = sandbox.get(f"{w}/time-entries/status/in-progress")
    assert (len(answer.json()), answer.headers["Last-Page"]) == (10, "false")
    assert all(row["timeInterval"]["end"] is None for row in answer.json())


def test_users_are_hidden_by_default_filters(sandbox: Sandbox, w: str) -> None:
    everybody = {row["id"]: row for row in sandbox.get(f"{w}/users", **OPEN_USERS).json()}
    listed = sandbox.get(f"{w}/users").json()
    missing = [everybody[each] for each in everybody.keys() - set(ids(listed))]
    assert sorted(row["status"] for row in missing) == ["ACTIVE", "LIMITED"]
    assert all(row["memberships"] == [] and "roles" not in row for row in listed)
    states = {row["memberships"][0]["membershipStatus"] for row in everybody.values()}
    assert states == {"ACTIVE", "INACTIVE", "PENDING", "DECLINED"}
    inactive = sandbox.get(f"{w}/users", status="INACTIVE").json()
    assert [row["status"] for row in inactive] == ["ACTIVE"]
    roles = [role["role"] for row in everybody.values() for role in row["roles"]]
    assert "WORKSPACE_ADMIN" in roles
    both = sandbox.rows("users")
    assert len(ids(both)) > len(set(ids(both))), "some users are in both workspaces"
    assert len(sandbox.get(f"{w}/users", memberships="ALL").json()[0]["memberships"]) > 1


def test_archived_omitted_lists_both_kinds(sandbox: Sandbox, w: str) -> None:
    for path in ("clients", "projects", "tags"):
        count = {
            flag: len(sandbox.get(f"{w}/{path}", archived=flag).json())
            for flag in (None, "true", "false")
        }
        assert count["true"] > 0
        assert count[None] == count["true"] + count["false"]
    project = sandbox.records("tasks")[0]["path"]["projectId"]
    tasks = sandbox.get(f"{w}/projects/{project}/tasks").json()
    assert {task["status"] for task in tasks} == {"ACTIVE", "DONE"}
    active = sandbox.get(f"{w}/projects/{project}/tasks", **{"is-active": "true"}).json()
    assert {task["status"] for task in active} == {"ACTIVE"}


def test_hydrated_projects_carry_their_tasks(sandbox: Sandbox, w: str) -> None:
    rows = sandbox.get(f"{w}/projects", hydrated="true").json()
    workspace = sandbox.workspaces[0]["id"]
    truth = sandbox.rows("tasks", workspaceId=workspace)
    assert sorted(ids([task for row in rows for task in row["tasks"]])) == sorted(ids(truth))
    assert all(task in truth for row in rows for task in row["tasks"])


def test_every_kind_of_entity_has_ids_that_look_like_numbers(sandbox: Sandbox) -> None:
    for stream in (
        "workspaces", "users", "clients", "projects", "tasks", "tags", "user_groups",
        "custom_fields", "time_entries", "detailed_report",
    ):  # fmt: skip
        found = ids(sandbox.rows(stream))
        assert all(len(each) == 24 for each in found)
        assert any(each.isdigit() for each in found), stream
        assert any(each.replace("e", "", 1).isdigit() and "e" in each for each in found), stream


def test_the_last_full_page_says_that_it_is_the_last(sandbox: Sandbox, w: str) -> None:
    answers = [sandbox.get(f"{w}/tags", page=page, **{"page-size": 4}) for page in (1, 2)]
    assert [len(answer.json()) for answer in answers] == [4, 4]
    assert [answer.headers["Last-Page"] for answer in answers] == ["false", "true"]


def test_durations_of_projects_and_tasks_are_the_time_tracked_on_them(sandbox: Sandbox) -> None:
    entries = sandbox.rows("detailed_report")
    for stream, property_name in (("projects", "projectId"), ("tasks", "taskId")):
        row = sandbox.rows(stream)[0]
        seconds = sum(
            entry["timeInterval"]["duration"] or 0
            for entry in entries
            if entry[property_name] == row["id"]
        )
        hours, minutes = seconds // 3600, seconds % 3600 // 60
        assert row["duration"].startswith(f"PT{hours}H{minutes}M" if minutes else f"PT{hours}H")


# Time entries


def test_entries_come_newest_first_with_exactly_the_known_properties(
    sandbox: Sandbox, w: str
) -> None:
    rows = sandbox.get(owner_entries(sandbox, w)).json()
    order = [(row["timeInterval"]["start"], row["id"]) for row in rows]
    assert order == sorted(order, reverse=True)
    properties = (
        "id description tagIds userId billable taskId projectId workspaceId timeInterval"
        " customFieldValues type kioskId hourlyRate costRate isLocked"
    )
    assert set(rows[0]) == set(properties.split())
    hydrated = sandbox.get(owner_entries(sandbox, w), hydrated="true").json()
    assert set(hydrated[0]) - set(rows[0]) == {"project", "task", "tags", "user", "kiosk"}


def test_a_window_is_read_as_wall_clock_in_the_account_time_zone(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    entry = sandbox.create(
        workspace, "time-entries", {"timeInterval": {"start": "2026-08-07T22:15:00Z"}}
    )

    def listed(start: str, end: str) -> bool:
        rows = sandbox.get(owner_entries(sandbox, w), start=start, end=end).json()
        return entry["id"] in ids(rows)

    assert listed("2026-08-08T00:00:00Z", "2026-08-09T00:00:00Z")
    assert not listed("2026-08-07T22:00:00Z", "2026-08-07T23:00:00Z")
    assert listed("2026-08-08T00:15:00Z", "2026-08-08T00:16:00.000Z")
    assert not listed("2026-08-08T00:00:00Z", "2026-08-08T00:15:00Z")
    sandbox.settings(time_zone="UTC")
    assert listed("2026-08-07T22:15:00Z", "2026-08-07T22:16:00Z")
    assert sandbox.get("/user").json()["settings"]["timeZone"] == "UTC"


def test_times_at_which_readers_go_wrong_are_there(sandbox: Sandbox) -> None:
    rows = sandbox.rows("time_entries")
    starts = {row["timeInterval"]["start"] for row in rows}
    assert {"2026-10-25T01:00:00Z", "2026-03-29T01:00:00Z", "2026-11-14T00:00:00Z"} <= starts
    assert "2026-11-14T23:00:00Z" in starts, "midnight in Belgrade"
    assert max(starts) > "2027"
    assert {row["type"] for row in rows} >= {"REGULAR", "HOLIDAY", "TIME_OFF"}
    running = sandbox.rows("time_entries_in_progress")
    assert min(row["timeInterval"]["start"] for row in running) < "2026-11-10"


def test_entries_are_read_by_id_in_a_batch(sandbox: Sandbox, w: str) -> None:
    rows = sandbox.get(owner_entries(sandbox, w)).json()
    url = f"{sandbox.api_url}{w}/time-entries/batch"
    wanted = ids(rows)[:3]
    answer = sandbox.request("POST", url, json={"timeEntryIds": wanted})
    assert answer.json() == rows[:3]
    missing = {"timeEntryIds": [*wanted, "64e777123456789012345678"]}
    assert code(sandbox.request("POST", url, json=missing)) == (400, 501)
    sandbox.settings(batch_missing="omit")
    assert sandbox.request("POST", url, json=missing).json() == rows[:3]


# The detailed report


def test_the_report_brings_the_truth_page_by_page_deleted_users_too(
    sandbox: Sandbox, w: str
) -> None:
    truth = sandbox.rows("detailed_report", workspaceId=sandbox.workspaces[0]["id"])
    first = report(sandbox, w, pageSize=200)
    rows = first["timeentries"]
    for page in range(2, 5):
        rows += report(sandbox, w, pageSize=200, page=page)["timeentries"]
    assert first["totals"][0]["entriesCount"] == len(rows) == len(truth)
    assert sorted(ids(rows)) == sorted(ids(truth))
    assert all(row in truth for row in rows)
    listed = {row["id"] for row in sandbox.rows("users")}
    assert {row["userName"] for row in rows if row["userId"] not in listed} == {"DeletedUser"}
    running = [row for row in rows if row["timeInterval"]["end"] is None]
    assert running
    assert all(isinstance(row["amount"], float) for row in rows)


def test_the_time_zone_of_a_report_decides_window_and_rendering(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    made = sandbox.create(
        workspace, "time-entries", {"timeInterval": {"start": "2026-08-07T22:15:00Z"}}
    )
    day = {"start": "2026-08-08", "end": "2026-08-08T23:59:59.999Z"}
    there = report(sandbox, w, **day, timeZone="Europe/Belgrade")["timeentries"]
    shown = {row["_id"]: row["timeInterval"]["start"] for row in there}
    assert shown[made["id"]] == "2026-08-08T00:15:00+02:00"
    assert made["id"] not in ids(report(sandbox, w, **day)["timeentries"])
    default = report(sandbox, w, **day, timeZone=None)["timeentries"]
    assert ids(default) == ids(there)


def test_a_free_workspace_reports_on_31_days_at_most(sandbox: Sandbox, w: str, free: str) -> None:
    url = "/reports/detailed"
    assert sandbox.report(free + url, window("2026-10-01", "2026-10-31")).status_code == 200
    assert sandbox.report(free + url, window("2026-10-01", "2026-11-01")).status_code == 400
    assert sandbox.report(w + url, window("2020-10-01", "2026-11-01")).status_code == 200


def test_whether_a_report_includes_its_end_can_be_set(sandbox: Sandbox, w: str) -> None:
    edge = {"start": "2026-11-13", "end": "2026-11-14"}
    starts = {row["timeInterval"]["start"] for row in report(sandbox, w, **edge)["timeentries"]}
    assert "2026-11-14T00:00:00Z" in starts
    sandbox.settings(report_end="exclusive")
    rows = report(sandbox, w, **edge)["timeentries"]
    assert "2026-11-14T00:00:00Z" not in {row["timeInterval"]["start"] for row in rows}


def test_running_entries_can_grow_in_reports(sandbox: Sandbox, w: str) -> None:
    def durations() -> set[int | None]:
        rows = report(sandbox, w)["timeentries"]
        running = [row["timeInterval"] for row in rows if row["timeInterval"]["end"] is None]
        return {interval["duration"] for interval in running}

    assert durations() == {None}
    sandbox.settings(running_duration="elapsed")
    assert durations() == {1800, 21 * 86_400}
    sandbox.advance(60)
    assert durations() == {1860, 21 * 86_400 + 60}


def test_report_options_are_obeyed(sandbox: Sandbox, w: str) -> None:
    assert sandbox.report(f"{w}/reports/detailed", window(pageSize=1001)).status_code == 400
    sandbox.settings(report_max_page_size=200)
    assert sandbox.report(f"{w}/reports/detailed", window(pageSize=201)).status_code == 400
    assert len(report(sandbox, w, pageSize=200)["timeentries"]) == 200
    assert report(sandbox, w, pageSize=1, options={"totals": "EXCLUDE"})["totals"] == []
    body = window(sortColumn="ID", sortOrder="ASCENDING", pageSize=200)
    by_id = ids(sandbox.report(f"{w}/reports/detailed", body).json()["timeentries"])
    assert by_id == sorted(by_id)
    kebab = window()
    kebab["detailedFilter"] = {"page": 1, "page-size": 200}
    assert len(sandbox.report(f"{w}/reports/detailed", kebab).json()["timeentries"]) == 50


# Limits, faults, settings


def test_a_free_workspace_answers_30_requests_an_hour() -> None:
    with start(users=1, entries=1, plan="FREE", now=NOW, limits=True) as sandbox:
        path = f"/workspaces/{sandbox.workspaces[0]['id']}/tags"
        assert {sandbox.get(path).status_code for _ in range(30)} == {200}
        refused = sandbox.get(path)
        assert (refused.status_code, refused.json()) == (429, {"message": "Too many requests"})
        assert "Retry-After" not in refused.headers
        sandbox.settings(retry_after=7)
        assert sandbox.get(path).headers["Retry-After"] == "7"
        sandbox.advance(3600)
        assert sandbox.get(path).status_code == 200


def test_a_paid_workspace_answers_so_many_requests_a_second(sandbox: Sandbox, w: str) -> None:
    sandbox.settings(limits=True, per_second=2)
    assert 429 in {sandbox.get(f"{w}/tags").status_code for _ in range(3)}


@pytest.mark.parametrize(
    ("action", "check"),
    [
        ({"status": 503, "body": None}, lambda a: a.status_code == 503 and a.content == b""),
        ({"status": 403, "body": {"message": "x"}}, lambda a: a.json() == {"message": "x"}),
        ({"html": True}, lambda a: a.headers["content-type"] == "text/html"),
        ({"empty": True}, lambda a: a.status_code == 200 and a.content == b""),
        ({"redirect": "https://else.example/"}, lambda a: a.headers["location"][:5] == "https"),
        ({"truncate": 0.5}, lambda a: int(a.headers["content-length"]) == len(a.content)),
        ({"last_page": "invert"}, lambda a: a.headers["last-page"] == "false"),
        ({"last_page": "omit"}, lambda a: "last-page" not in a.headers),
        ({"page_size": 2}, lambda a: len(a.json()) == 2 and a.headers["last-page"] == "false"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_fault_hits_once_and_is_over(
    sandbox: Sandbox, w: str, action: JSON, check: Callable[[requests.Response], bool]
) -> None:
    whole = sandbox.get(f"{w}/tags").json()
    sandbox.fault(action, times=1, path=r"/workspaces/\w+/tags")
    assert sandbox.get(f"{w}/clients").status_code == 200
    assert check(sandbox.get(f"{w}/tags"))
    assert sandbox.get(f"{w}/tags").json() == whole
    assert [fault["hits"] for fault in sandbox.faults()] == [1]


@pytest.mark.parametrize("action", [{"drop": True}, {"cut": 0.5}])
def test_a_connection_can_break_before_or_within_an_answer(
    sandbox: Sandbox, w: str, action: JSON
) -> None:
    sandbox.fault(action, times=1)
    broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    with pytest.raises(broken):
        sandbox.get(f"{w}/tags")
    assert sandbox.get(f"{w}/tags").status_code == 200


def test_faults_choose_their_request(sandbox: Sandbox, w: str) -> None:
    sandbox.fault({"status": 500}, page=2, path=".*/tags")
    sandbox.fault({"status": 418}, host="reports", page=3)
    sandbox.fault({"status": 410}, query={"name": "x"}, method="GET")
    sandbox.fault({"status": 409}, skip=1, times=1, path=".*/clients")
    statuses = [sandbox.get(f"{w}/tags", page=page).status_code for page in (1, 2, 3)]
    assert statuses == [200, 500, 200]
    url = f"{w}/reports/detailed"
    assert [sandbox.report(url, window(page=page)).status_code for page in (2, 3)] == [200, 418]
    assert sandbox.get(f"{w}/projects", name="x").status_code == 410
    assert [sandbox.get(f"{w}/clients").status_code for _ in range(3)] == [200, 409, 200]
    sandbox.clear_faults()
    assert sandbox.get(f"{w}/tags", page=2).status_code == 200


def test_a_fault_can_change_the_data_between_two_pages(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    first = sandbox.get(f"{w}/tags", **{"sort-column": "ID", "page-size": 1}).json()[0]["id"]
    path = f"/_admin/workspaces/{workspace}/tags/{first}"
    sandbox.fault({"before": {"method": "DELETE", "path": path}}, times=1, page=2)
    rows = pages(sandbox, f"{w}/tags", 1, **{"sort-column": "ID"})
    assert len(rows) == 7, "the row that moved up to page 1 was skipped"


def test_a_silent_clamp_counts_pages_in_its_own_size(sandbox: Sandbox, w: str) -> None:
    sandbox.settings(page_size_clamp=3)
    rows = pages(sandbox, f"{w}/tags", 1000, **{"sort-column": "ID"})
    assert len(set(ids(rows))) == 8
    assert len(report(sandbox, w)["timeentries"]) == 3
    sandbox.settings(page_size_clamp=None, last_page="omit", oversize="clamp")
    answer = sandbox.get(f"{w}/tags", **{"page-size": 9999})
    assert len(answer.json()) == 8
    assert "Last-Page" not in answer.headers


# Edits, clock, log


def test_an_entry_can_be_made_moved_deleted_and_restored(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    other = sandbox.info()["users"]["member"]
    made = sandbox.create(workspace, "time-entries", {"description": "new"})
    moved = sandbox.update(
        workspace,
        "time-entries",
        made["id"],
        {"timeInterval": {"start": "2026-01-01T00:00:00Z"}, "userId": other},
    )
    assert moved["timeInterval"]["end"] == "2026-01-01T01:00:00Z"
    assert moved["description"] == "new"
    assert made["id"] not in ids(sandbox.get(owner_entries(sandbox, w)).json())
    theirs = f"{w}/user/{other}/time-entries"
    assert sandbox.get(theirs).json()[-1] == moved
    stopped = sandbox.update(
        workspace, "time-entries", made["id"], {"timeInterval": {"end": "2026-01-01T03:30:00Z"}}
    )
    assert stopped["timeInterval"]["duration"] == "PT3H30M"
    sandbox.delete(workspace, "time-entries", made["id"])
    assert made["id"] not in ids(sandbox.get(theirs).json())
    assert made["id"] not in ids(report(sandbox, w)["timeentries"])
    assert sandbox.restore(workspace, "time-entries", made["id"]) == stopped
    assert made["id"] in ids(report(sandbox, w)["timeentries"])


@pytest.mark.parametrize(
    ("collection", "stream"),
    [
        ("clients", "clients"), ("projects", "projects"), ("tasks", "tasks"), ("tags", "tags"),
        ("user-groups", "user_groups"), ("custom-fields", "custom_fields"), ("users", "users"),
    ],
)  # fmt: skip
def test_entities_can_be_made_changed_deleted_and_restored(
    sandbox: Sandbox, collection: str, stream: str
) -> None:
    workspace = sandbox.workspaces[0]["id"]
    made = sandbox.create(workspace, collection, {"name": "made"})
    assert made in sandbox.rows(stream)
    changed = sandbox.update(workspace, collection, made["id"], {"name": "changed"})
    assert changed == {**made, "name": "changed"}
    sandbox.delete(workspace, collection, made["id"])
    assert made["id"] not in ids(sandbox.rows(stream))
    assert sandbox.restore(workspace, collection, made["id"]) == changed
    assert changed in sandbox.rows(stream)


def test_a_project_takes_its_tasks_along_and_brings_them_back(sandbox: Sandbox) -> None:
    before = sandbox.records("tasks")
    path = before[0]["path"]
    sandbox.delete(path["workspaceId"], "projects", path["projectId"])
    assert len(sandbox.records("tasks")) == len(before) - 3
    sandbox.restore(path["workspaceId"], "projects", path["projectId"])
    assert sorted(ids(sandbox.rows("tasks"))) == sorted(record["row"]["id"] for record in before)


def test_a_deleted_user_is_unlisted_but_his_entries_stay_in_reports(
    sandbox: Sandbox, w: str
) -> None:
    workspace, user = sandbox.workspaces[0]["id"], sandbox.info()["users"]["member"]
    count = report(sandbox, w)["totals"][0]["entriesCount"]
    sandbox.update(workspace, "users", user, {"membershipStatus": "INACTIVE"})
    assert user in ids(sandbox.get(f"{w}/users", status="INACTIVE").json())
    sandbox.delete(workspace, "users", user)
    assert user not in ids(sandbox.get(f"{w}/users", **OPEN_USERS).json())
    assert code(sandbox.get(f"{w}/user/{user}/time-entries")) == (400, 501)
    rows = report(sandbox, w)["timeentries"]
    assert len(rows) == count
    assert {row["userName"] for row in rows if row["userId"] == user} == {"DeletedUser"}
    entry = next(row["_id"] for row in rows if row["userId"] == user)
    assert sandbox.get(f"{w}/time-entries/{entry}").status_code == 200


def test_workspaces_come_and_go_and_change_their_plan(sandbox: Sandbox, w: str, free: str) -> None:
    sandbox.update_workspace(sandbox.workspaces[0]["id"], plan="FREE")
    assert sandbox.get(f"{w}/custom-fields").status_code == 403
    sandbox.delete_workspace(sandbox.workspaces[1]["id"])
    assert sandbox.get(f"{free}/tags").status_code == 404
    made = sandbox.create_workspace(plan="ENTERPRISE", users=2, entries=1, name="Third")
    listed = sandbox.get("/workspaces").json()
    assert [row["name"] for row in listed if row["id"] == made["id"]] == ["Third"]
    assert len(listed) == 2
    sandbox.restore_workspace(sandbox.workspaces[1]["id"])
    assert len(sandbox.get("/workspaces").json()) == 3


def test_the_clock_stands_still_until_it_is_moved(sandbox: Sandbox) -> None:
    assert sandbox.info()["now"] == NOW
    assert sandbox.advance(90) == "2026-11-24T09:01:30Z"
    assert sandbox.set_now("2027-01-01T00:00:00Z") == "2027-01-01T00:00:00Z"
    made = sandbox.create(sandbox.workspaces[0]["id"], "time-entries")
    assert made["timeInterval"]["end"] == "2027-01-01T00:00:00Z"


def test_requests_are_logged_as_they_were_made(sandbox: Sandbox, w: str) -> None:
    sandbox.clear_requests()
    sandbox.get(f"{w}/tags", archived="false")
    sandbox.report(f"{w}/reports/detailed", window(pageSize=7))
    tags, detailed = sandbox.requests()
    assert tags == {
        "method": "GET",
        "host": "api",
        "path": f"{w}/tags",
        "query": {"archived": ["false"]},
        "body": None,
        "status": 200,
        "auth": "api_key",
        "rows": 7,
    }
    assert (detailed["host"], detailed["rows"]) == ("reports", 7)
    assert detailed["body"] == window(pageSize=7)


def test_a_reset_and_a_second_server_bring_the_same_data(sandbox: Sandbox) -> None:
    truth = sandbox.records("detailed_report"), sandbox.records("users")
    tag = sandbox.rows("tags")[0]
    sandbox.delete(tag["workspaceId"], "tags", tag["id"])
    sandbox.fault({"status": 500})
    sandbox.reset()
    assert tag in sandbox.rows("tags")
    assert sandbox.faults() == []
    with start(plan="PRO,FREE", now=NOW) as second:
        assert second.greeting["workspaces"] == sandbox.workspaces
        assert second.api_key == sandbox.api_key
        assert (second.records("detailed_report"), second.records("users")) == truth


@pytest.mark.parametrize("way", ["stdin", "signal"])
def test_the_server_ends_with_its_stdin_or_on_a_signal(way: str) -> None:
    sandbox = start(users=1, entries=1)
    process = sandbox.process
    assert process is not None
    assert process.stdin is not None
    if way == "stdin":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert process.stdout is not None
    assert process.stdout.read() == ""
    sandbox.close()


def test_an_unknown_plan_is_refused_on_the_command_line() -> None:
    command = [sys.executable, "-m", "integration_tests.sandbox", "--port", "0", "--plan", "GOLD"]
    root = Path(__file__).parents[1]
    ended = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 2
    assert "GOLD" in ended.stderr


def test_a_wrong_edit_is_refused_and_changes_nothing(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    entry = sandbox.rows("time_entries")[0]
    wrong = {"timeInterval": {"start": "yesterday"}}
    with pytest.raises(RuntimeError, match=r"400.*yesterday"):
        sandbox.update(workspace, "time-entries", entry["id"], wrong)
    with pytest.raises(RuntimeError, match=r"400.*there already"):
        sandbox.create(workspace, "tags", {"id": entry["id"]})
    with pytest.raises(RuntimeError, match="404"):
        sandbox.delete(workspace, "tags", entry["id"])
    with pytest.raises(RuntimeError, match=r"400.*unknown settings"):
        sandbox.settings(unheard_of=1)
    with pytest.raises(RuntimeError, match=r"400.*action"):
        sandbox.fault({"explode": True})
    assert sandbox.get(f"{w}/time-entries/{entry['id']}").json() == entry


def test_the_owner_without_his_roles_is_a_plain_member(sandbox: Sandbox, w: str) -> None:
    workspace, owner = sandbox.workspaces[0]["id"], sandbox.info()["users"]["owner"]
    sandbox.update(workspace, "users", owner, {"roles": []})
    assert sandbox.get(f"{w}/webhooks").status_code == 403
    sandbox.update(workspace, "users", owner, {"membershipStatus": "INACTIVE"})
    assert [row["id"] for row in sandbox.get("/workspaces").json()] == [sandbox.workspaces[1]["id"]]
