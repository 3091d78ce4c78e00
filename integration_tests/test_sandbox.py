"""The sandbox from outside, over HTTP: it behaves as Clockify, and serves what its truth says."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from clockify_sandbox.client import JSON, Sandbox, start

NOW = "2026-11-24T09:00:00Z"
DENIED = {"message": "Access Denied", "code": 501}
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
    assert sandbox.get(f"{w}/webhooks", key=key).json() == DENIED
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
    answer = sandbox.get(f"{free}/custom-fields")
    assert (answer.status_code, answer.json()) == (403, DENIED)
    listed = {row["id"]: row for row in sandbox.get("/workspaces").json()}
    plans = [listed[each["id"]]["featureSubscriptionType"] for each in sandbox.workspaces]
    assert plans == ["PRO_YEAR_2021", "FREE"]
    features = [listed[each["id"]]["features"] for each in sandbox.workspaces]
    assert ["CUSTOM_FIELDS" in each for each in features] == [True, False]


@pytest.mark.parametrize(
    ("setting", "refusal"),
    [
        ("401", (401, {"message": "CUSTOM_FIELDS is not available on the FREE plan"})),
        ("402", (402, {"message": "CUSTOM_FIELDS is not available on the FREE plan"})),
        ("empty_403", (403, None)),
        (
            "400_4033",
            (400, {"message": "CUSTOM_FIELDS is not available on the FREE plan", "code": 4033}),
        ),
    ],
)
def test_how_a_plan_refuses_can_be_set(
    sandbox: Sandbox, w: str, free: str, setting: str, refusal: tuple[int, JSON | None]
) -> None:
    sandbox.settings(plan_refusal=setting)
    answer = sandbox.get(f"{free}/custom-fields")
    assert (answer.status_code, answer.json() if answer.content else None) == refusal
    member = sandbox.info()["keys"]["member"]
    assert sandbox.get(f"{w}/webhooks", key=member).json() == DENIED, "a right is not a plan"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("tags", {"page-size": "0"}),
        ("tags", {"page-size": "-1"}),
        ("tags", {"page": "0"}),
        ("entities/created?type=TAGS", {"page": "-1"}),
    ],
)
def test_a_page_or_size_below_the_first_violates_a_rule(
    sandbox: Sandbox, w: str, path: str, params: dict[str, str]
) -> None:
    assert code(sandbox.get(f"{w}/{path}", **params)) == (400, 501)


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
    "listing",
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
    sandbox: Sandbox, w: str, listing: tuple[str, str, dict[str, str]], size: int
) -> None:
    stream, path, params = listing
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


def users_info(sandbox: Sandbox, w: str, **body: Any) -> requests.Response:
    return sandbox.request("POST", f"{sandbox.api_url}{w}/users/info", json=body)


def test_the_search_for_users_takes_account_statuses_as_an_array(sandbox: Sandbox, w: str) -> None:
    limited = users_info(sandbox, w, accountStatuses=["LIMITED", "NOT_REGISTERED"]).json()
    assert {row["status"] for row in limited} == {"LIMITED", "NOT_REGISTERED"}
    assert code(users_info(sandbox, w, accountStatuses="LIMITED")) == (400, 3000)
    assert code(users_info(sandbox, w, accountStatuses=["LOST"])) == (400, 3000)
    for way in ("single", "ignored", "refused"):
        sandbox.settings(account_statuses=way)
        assert users_info(sandbox, w, accountStatuses=["LIMITED"]).json() == [
            row for row in limited if row["status"] == "LIMITED"
        ]


def test_how_the_list_of_users_takes_account_statuses_can_be_set(sandbox: Sandbox, w: str) -> None:
    def get(value: str) -> requests.Response:
        return sandbox.get(f"{w}/users", **{"account-statuses": value})

    assert {row["status"] for row in get("LIMITED,ACTIVE").json()} == {"LIMITED", "ACTIVE"}
    sandbox.settings(account_statuses="single")
    assert code(get("LIMITED,ACTIVE")) == (400, 3000)
    assert {row["status"] for row in get("LIMITED").json()} == {"LIMITED"}
    sandbox.settings(account_statuses="ignored")
    assert get("LIMITED").json() == sandbox.get(f"{w}/users").json()
    sandbox.settings(account_statuses="refused")
    assert code(get("LIMITED")) == (400, 3000)
    assert sandbox.get(f"{w}/users").status_code == 200


def test_an_older_server_does_not_know_the_search_for_users(sandbox: Sandbox, w: str) -> None:
    sandbox.settings(users_info="404")
    answer = users_info(sandbox, w)
    assert code(answer) == (404, 3000)
    assert answer.json()["message"].startswith("No static resource")
    sandbox.settings(users_info="405")
    assert code(users_info(sandbox, w)) == (405, 3000)


def test_the_search_for_users_has_a_largest_page_of_its_own(sandbox: Sandbox, w: str) -> None:
    sandbox.settings(users_info_max=3)
    assert code(users_info(sandbox, w, pageSize=4)) == (400, 501)
    assert len(users_info(sandbox, w, pageSize=3).json()) == 3
    sandbox.settings(oversize="clamp")
    assert len(users_info(sandbox, w, pageSize=4).json()) == 3
    assert len(sandbox.get(f"{w}/users", **{"page-size": 4}).json()) == 4


def test_plain_members_may_be_refused_the_list_of_users(sandbox: Sandbox, w: str) -> None:
    sandbox.settings(members_list_users=False)
    keys = sandbox.info()["keys"]
    url = f"{sandbox.api_url}{w}/users/info"
    for answer in (
        sandbox.get(f"{w}/users", key=keys["member"]),
        sandbox.request("POST", url, json={}, key=keys["member"]),
    ):
        assert (answer.status_code, answer.json()) == (403, DENIED)
    assert sandbox.get("/user", key=keys["member"]).status_code == 200
    for name in ("owner", "manager"):
        assert sandbox.get(f"{w}/users", key=keys[name]).status_code == 200


def test_done_tasks_can_be_left_out_unless_they_are_asked_for(sandbox: Sandbox, w: str) -> None:
    records = sandbox.records("tasks", workspaceId=sandbox.workspaces[0]["id"])
    done = next(each for each in records if not each["row"]["active"])
    project, task = done["path"]["projectId"], done["row"]["id"]

    def listed(**params: str) -> list[str]:
        return ids(sandbox.get(f"{w}/projects/{project}/tasks", **params).json())

    def hydrated(**params: str) -> list[str]:
        rows = sandbox.get(f"{w}/projects", hydrated="true", **params).json()
        return [task["id"] for row in rows for task in row["tasks"]]

    assert task in listed()
    assert task in hydrated()
    sandbox.settings(tasks_without_done=True)
    active = ids([each["row"] for each in records if each["row"]["active"]])
    assert task not in listed()
    assert sorted(hydrated()) == sorted(active)
    assert task in listed(**{"is-active": "false"})
    assert task in hydrated(**{"is-active": "false"})
    assert sandbox.get(f"{w}/projects/{project}/tasks/{task}").status_code == 200


def test_templates_can_be_hidden_from_the_list_but_live_by_id(sandbox: Sandbox, w: str) -> None:
    templates = {row["id"] for row in sandbox.get(f"{w}/projects").json() if row["template"]}
    assert templates
    sandbox.settings(hidden_templates=True)
    assert templates.isdisjoint(ids(sandbox.get(f"{w}/projects").json()))
    asked = sandbox.get(f"{w}/projects", **{"is-template": "true"}).json()
    assert set(ids(asked)) == templates
    for template in templates:
        assert sandbox.get(f"{w}/projects/{template}").status_code == 200


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
    shown = [task for row in rows for task in row["tasks"]]
    assert all(task in shown for task in ({**each, "favorite": False} for each in truth))
    assert all("clientName" not in row and "currency" in row for row in rows)


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
        row = sandbox.rows(stream)[1]
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


ODD_STARTS = [
    "0001-01-01T00:00:00Z",
    "0022-11-24T09:00:00Z",
    "1969-12-31T23:30:00Z",
    "+20226-01-01T09:00:00Z",
]


@pytest.fixture
def odd(sandbox: Sandbox) -> list[JSON]:
    """Entries of the owner's in years that were typed wrongly, oldest first."""
    return [
        sandbox.create(sandbox.workspaces[0]["id"], "time-entries", {"timeInterval": {"start": at}})
        for at in ODD_STARTS
    ]


@pytest.mark.parametrize("zone", ["Europe/Belgrade", "America/New_York"])
def test_entries_may_start_in_years_that_nobody_meant(
    sandbox: Sandbox, w: str, odd: list[JSON], zone: str
) -> None:
    sandbox.settings(time_zone=zone)
    assert [row["timeInterval"]["start"] for row in odd] == ODD_STARTS
    assert odd[3]["timeInterval"]["end"] == "+20226-01-01T10:00:00Z"
    path = owner_entries(sandbox, w)
    rows = sandbox.get(path, **{"page-size": 5000}).json()
    assert rows[0] == odd[3]
    assert rows[-3:] == [odd[2], odd[1], odd[0]]
    assert sandbox.get(f"{w}/time-entries/{odd[3]['id']}").json() == odd[3]

    def listed(**bounds: str) -> list[JSON]:
        found: list[JSON] = sandbox.get(path, **bounds).json()
        return found

    assert listed(end="0021-01-01T00:00:00Z") == [odd[0]]
    assert listed(start="0021-01-01T00:00:00Z", end="1970-01-02T00:00:00Z") == [odd[2], odd[1]]
    assert listed(start="+20000-01-01T00:00:00Z") == [odd[3]]
    assert listed(end="+20226-01-03T00:00:00Z")[0] == odd[3]
    assert listed(start="-0001-01-01T00:00:00Z", end="0002-01-01T00:00:00Z") == [odd[0]]
    moved = sandbox.update(
        sandbox.workspaces[0]["id"],
        "time-entries",
        odd[3]["id"],
        {"timeInterval": {"start": "0022-01-01T00:00:00Z"}},
    )
    assert moved["timeInterval"]["end"] == "0022-01-01T01:00:00Z"


def test_reports_bring_entries_of_years_that_nobody_meant(
    sandbox: Sandbox, w: str, odd: list[JSON]
) -> None:
    odd_ids = {row["id"] for row in odd}
    span = {"start": "0001-01-01T00:00:00Z", "end": "+20227-01-01T00:00:00Z"}
    rows = [
        row
        for page in (1, 2)
        for row in report(sandbox, w, **span, page=page)["timeentries"]
        if row["_id"] in odd_ids
    ]
    assert [row["timeInterval"]["start"] for row in rows] == ODD_STARTS[::-1]
    workspace = sandbox.workspaces[0]["id"]
    assert all(row in sandbox.rows("detailed_report", workspaceId=workspace) for row in rows)
    body = {"dateRangeStart": span["start"], "dateRangeEnd": span["end"], "timeZone": "UTC"}
    groups = {"summaryFilter": {"groups": ["DATE"]}}
    days = ids(sandbox.report(f"{w}/reports/summary", {**body, **groups}).json()["groupOne"])
    assert {start.partition("T")[0] for start in ODD_STARTS} <= set(days)
    late = {
        "dateRangeStart": "+20226-01-01T00:00:00Z",
        "dateRangeEnd": "+20226-01-07T23:59:59Z",
        "timeZone": "UTC",
    }
    week = sandbox.report(f"{w}/reports/weekly", {**late, "weeklyFilter": {}}).json()
    assert [day["duration"] for day in week["totalsByDay"]] == [3600, 0, 0, 0, 0, 0, 0]
    assert week["totalsByDay"][0]["date"] == "+20226-01-01"
    attended = sandbox.report(f"{w}/reports/attendance", {**late, "attendanceFilter": {}}).json()
    assert [row["startTime"] for row in attended["entities"]] == ["+20226-01-01T09:00:00Z"]
    whole = {**body, "attendanceFilter": {"sortColumn": "START", "pageSize": 1000}}
    attended = sandbox.report(f"{w}/reports/attendance", whole).json()
    assert attended["entities"][-1]["startTime"] == "+20226-01-01T09:00:00Z"
    for stream in ("summary_report", "weekly_report", "attendance_report"):
        assert sandbox.records(stream, workspaceId=workspace)


def test_entries_from_before_the_workspace_are_in_lists_and_reports(
    sandbox: Sandbox, w: str
) -> None:
    interval = {"start": "2019-03-04T08:00:00Z", "end": "2019-03-04T09:30:00Z"}
    workspace = sandbox.workspaces[0]["id"]
    assert int(workspace[:8], 16) > datetime(2019, 3, 5).timestamp()
    made = sandbox.create(workspace, "time-entries", {"timeInterval": interval})
    span = {"start": "2019-03-01T00:00:00Z", "end": "2019-03-31T00:00:00Z"}
    assert sandbox.get(owner_entries(sandbox, w), **span).json() == [made]
    assert ids(report(sandbox, w, **span)["timeentries"]) == [made["id"]]
    assert made in sandbox.rows("time_entries")


def test_report_rows_may_have_an_offset_although_utc_is_asked_for(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    interval = {"start": "2025-09-26T08:00:00Z", "end": "2025-09-26T09:00:00Z"}
    sandbox.create(workspace, "time-entries", {"timeInterval": interval})
    span = {"start": "2025-09-26T00:00:00Z", "end": "2025-09-26T23:59:59Z"}
    before = report(sandbox, w, **span)["timeentries"]
    sandbox.settings(report_offset="Europe/London")
    rows = report(sandbox, w, **span)["timeentries"]
    assert ids(rows) == ids(before)
    assert [row["timeInterval"]["start"] for row in rows] == ["2025-09-26T09:00:00+01:00"]
    assert rows[0] in sandbox.rows("detailed_report", workspaceId=workspace)
    body = {"dateRangeStart": span["start"], "dateRangeEnd": span["end"], "timeZone": "UTC"}
    answer = sandbox.report(f"{w}/reports/attendance", {**body, "attendanceFilter": {}}).json()
    assert [row["date"] for row in answer["entities"]] == ["2025-09-26"]
    assert [row["endTime"] for row in answer["entities"]] == ["2025-09-26T10:00:00+01:00"]
    wide = {**body, "dateRangeStart": "2025-01-01T00:00:00Z", "dateRangeEnd": NOW, "pageSize": 99}
    expenses = sandbox.report(f"{w}/reports/expenses/detailed", wide).json()["expenses"]
    assert {row["date"][10:] for row in expenses} == {"T00:00:00+00:00", "T01:00:00+01:00"}
    assert expenses[0] in sandbox.rows("expense_report", workspaceId=workspace)
    with pytest.raises(RuntimeError, match="404"):
        sandbox.settings(report_offset="Nowhere")


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
        for text in ("-5", "Wed, 21 Oct 2026 07:28:00 GMT", ""):
            sandbox.settings(retry_after=text)
            assert sandbox.get(path).headers["Retry-After"] == text
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


@pytest.mark.parametrize(
    ("path", "rows_of", "count_of"),
    [
        ("/tags", lambda body: body, None),
        ("/expenses", lambda body: body["expenses"]["expenses"], lambda b: b["expenses"]["count"]),
        ("/expenses/categories", lambda body: body["categories"], lambda body: body["count"]),
        ("/invoices", lambda body: body["invoices"], lambda body: body["total"]),
        ("/webhooks", lambda body: body["webhooks"], lambda body: body["workspaceWebhookCount"]),
        ("/approval-requests", lambda body: [each["approvalRequest"] for each in body], None),
        ("/entities/created?type=TIME_ENTRY", lambda body: body, None),
    ],
)
def test_an_omitted_row_is_in_no_list_and_not_counted(
    sandbox: Sandbox,
    w: str,
    path: str,
    rows_of: Callable[[Any], list[JSON]],
    count_of: Callable[[Any], int] | None,
) -> None:
    before = sandbox.get(w + path).json()
    gone = rows_of(before)[0]["id"]
    sandbox.fault({"omit": [gone]})
    after = sandbox.get(w + path).json()
    assert gone not in ids(rows_of(after))
    if count_of is not None:
        assert count_of(after) == count_of(before) - 1


def test_an_omitted_row_is_alive_by_id_and_other_rows_move_up(sandbox: Sandbox, w: str) -> None:
    listed = ids(sandbox.get(f"{w}/tags", **{"sort-column": "ID"}).json())
    sandbox.fault({"omit": listed[:1]})
    paged = pages(sandbox, f"{w}/tags", 3, **{"sort-column": "ID"})
    assert ids(paged) == listed[1:]
    assert sandbox.get(f"{w}/tags/{listed[0]}").status_code == 200


def test_an_omitted_row_is_missing_from_reports_and_hydrated_projects(
    sandbox: Sandbox, w: str
) -> None:
    project = sandbox.get(f"{w}/projects", hydrated="true").json()[0]
    before = report(sandbox, w)
    task, entry = project["tasks"][0]["id"], before["timeentries"][0]["_id"]
    workspace = sandbox.workspaces[1]["id"]
    sandbox.fault({"omit": [task, entry, workspace]})
    after = report(sandbox, w)
    assert ids(after["timeentries"]) == ids(before["timeentries"])[1:]
    count = before["totals"][0]["entriesCount"] - 1
    assert after["totals"][0]["entriesCount"] == count
    again = sandbox.get(f"{w}/projects", hydrated="true").json()[0]
    assert ids(again["tasks"]) == ids(project["tasks"])[1:]
    url = f"{sandbox.api_url}{w}/time-entries/batch"
    assert sandbox.request("POST", url, json={"timeEntryIds": [entry]}).json() == []
    assert sandbox.get(f"{w}/time-entries/{entry}").status_code == 200
    assert ids(sandbox.get("/workspaces").json()) == [sandbox.workspaces[0]["id"]]


def test_an_omitted_expense_and_time_off_request_are_not_counted(rich: Sandbox, e: str) -> None:
    body = {"dateRangeStart": "2025-01-01T00:00:00Z", "dateRangeEnd": NOW}
    expenses = post(rich, f"{e}/reports/expenses/detailed", body, "reports")
    time_off = post(rich, f"{e}/time-off/requests", {})
    rich.fault({"omit": [expenses["expenses"][0]["id"], time_off["requests"][0]["id"]]})
    fewer = post(rich, f"{e}/reports/expenses/detailed", body, "reports")
    assert ids(fewer["expenses"]) == ids(expenses["expenses"])[1:]
    assert fewer["totals"]["expensesCount"] == expenses["totals"]["expensesCount"] - 1
    assert post(rich, f"{e}/time-off/requests", {})["count"] == time_off["count"] - 1


def test_an_omitted_delivery_or_group_is_missing_from_its_list(rich: Sandbox, e: str) -> None:
    log = rich.records("webhook_logs", workspaceId=e[-24:])[0]
    path = f"{e}/webhooks/{log['path']['webhookId']}/logs"
    groups = summary(rich, e, ["PROJECT"])["groupOne"]
    rich.fault({"omit": [log["row"]["id"], groups[1]["_id"]]})
    assert log["row"]["id"] not in ids(post(rich, path, {}, size=500))
    assert summary(rich, e, ["PROJECT"])["groupOne"] == [groups[0], *groups[2:]]


def test_a_fault_can_answer_any_text_in_any_encoding(sandbox: Sandbox, w: str) -> None:
    sandbox.fault({"raw": '[{"name": "caf\u00e9"}]', "encoding": "latin-1"}, times=1)
    answer = sandbox.get(f"{w}/tags")
    assert (answer.status_code, answer.content) == (200, b'[{"name": "caf\xe9"}]')
    sandbox.fault({"raw": ""}, times=1)
    assert sandbox.get(f"{w}/tags").content == b""


def test_a_fault_can_replace_text_within_the_real_answer(sandbox: Sandbox, w: str) -> None:
    sandbox.fault({"replace": ['"archived":false', '"archived":9' + "9" * 30]}, times=1)
    assert 10**31 - 1 in {row["archived"] for row in sandbox.get(f"{w}/tags").json()}
    sandbox.fault({"replace": ['"name":"', '"name":"\\ud83d']}, times=1)
    rows = sandbox.get(f"{w}/tags").json()
    assert {row["name"][0] for row in rows} == {"\ud83d"}
    assert sandbox.get(f"{w}/tags").json()[0]["name"][0] != "\ud83d"


def test_a_fault_can_put_a_byte_order_mark_before_the_answer(sandbox: Sandbox, w: str) -> None:
    whole = sandbox.get(f"{w}/tags").content
    sandbox.fault({"prefix_bom": True}, times=1)
    assert sandbox.get(f"{w}/tags").content == b"\xef\xbb\xbf" + whole


def test_a_gzip_bomb_is_small_on_the_wire_and_large_when_decoded(sandbox: Sandbox, w: str) -> None:
    sandbox.fault({"gzip_bomb": 5}, times=1)
    answer = sandbox.get(f"{w}/tags")
    assert int(answer.headers["content-length"]) < 10_000
    assert len(answer.content) == 5_000_002
    assert answer.json() == []


@pytest.mark.parametrize(
    ("path", "rows_of"),
    [
        ("/tags", lambda body: body),
        ("/expenses", lambda body: body["expenses"]["expenses"]),
        ("/invoices", lambda body: body["invoices"]),
    ],
)
def test_a_fault_can_list_rows_that_are_no_objects(
    sandbox: Sandbox, w: str, path: str, rows_of: Callable[[Any], Any]
) -> None:
    rows: list[Any] = [None, 5, "text", [], {"id": 7}]
    sandbox.fault({"rows": rows}, times=1)
    assert rows_of(sandbox.get(w + path).json()) == rows


def test_a_fault_that_fails_is_a_500_that_says_so(sandbox: Sandbox) -> None:
    sandbox.fault({"rows": []}, times=1)
    answer = sandbox.get("/user")
    assert answer.status_code == 500
    assert "fault failed" in answer.text


def test_a_fault_can_send_a_web_page_with_a_status(sandbox: Sandbox, w: str) -> None:
    sandbox.fault({"status": 403, "html": True}, times=1)
    answer = sandbox.get(f"{w}/tags")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


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
    command = [sys.executable, "-m", "clockify_sandbox", "--port", "0", "--plan", "GOLD"]
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


# What needs a plan


@pytest.fixture(scope="module")
def with_plans() -> Iterator[Sandbox]:
    with start(plan="ENTERPRISE,PRO,STANDARD,BASIC,FREE", users=4, entries=12, now=NOW) as server:
        yield server


@pytest.fixture
def rich(with_plans: Sandbox) -> Iterator[Sandbox]:
    yield with_plans
    with_plans.reset()


@pytest.fixture
def e(rich: Sandbox) -> str:
    """The path of the ENTERPRISE workspace."""
    return f"/workspaces/{rich.workspaces[0]['id']}"


def post(sandbox: Sandbox, path: str, body: JSON, host: str = "api", **query: Any) -> Any:
    """POST to a host; the answer's JSON if it is a 200, else (status, code)."""
    urls = {
        "api": sandbox.api_url,
        "reports": sandbox.reports_url,
        "auditlog": sandbox.audit_log_url,
    }
    answer = sandbox.request("POST", urls[host] + path, json=body, params=query)
    return answer.json() if answer.ok else code(answer)


def truth(sandbox: Sandbox, stream: str, workspace: int = 0, **query: Any) -> list[JSON]:
    """The rows of a stream in the ENTERPRISE workspace, or in another of `workspaces`."""
    return sandbox.rows(stream, workspaceId=sandbox.workspaces[workspace]["id"], **query)


def same(rows: list[JSON], wanted: list[JSON]) -> bool:
    """Whether two lists hold the same rows, in whatever order."""
    return sorted(map(repr, rows)) == sorted(map(repr, wanted))


GATED = [
    ("expenses", "GET", "/expenses", "PRO"),
    ("expense_categories", "GET", "/expenses/categories", "PRO"),
    ("invoices", "GET", "/invoices", "STANDARD"),
    ("invoice_details", "POST", "/invoices/info", "STANDARD"),
    ("invoice_settings", "GET", "/invoices/settings", "STANDARD"),
    ("holidays", "GET", "/holidays", "STANDARD"),
    ("time_off_policies", "GET", "/time-off/policies", "STANDARD"),
    ("time_off_requests", "POST", "/time-off/requests", "STANDARD"),
    ("scheduling_assignments", "GET", "/scheduling/assignments/all", "PRO"),
    ("scheduling_user_totals", "POST", "/scheduling/assignments/user-filter/totals", "PRO"),
    ("scheduling_project_totals", "POST", "/scheduling/assignments/projects/totals", "PRO"),
    ("approval_requests", "GET", "/approval-requests", "STANDARD"),
    ("shared_reports", "GET", "reports:/shared-reports", "BASIC"),
    ("audit_log", "POST", "auditlog:/audit-log", "ENTERPRISE"),
    ("attendance_report", "POST", "reports:/reports/attendance", "STANDARD"),
    ("expense_report", "POST", "reports:/reports/expenses/detailed", "PRO"),
]


@pytest.mark.parametrize(("stream", "method", "path", "least"), GATED)
def test_a_plan_below_the_one_needed_is_refused_and_has_no_records(
    rich: Sandbox, stream: str, method: str, path: str, least: str
) -> None:
    prefix, _, tail = path.rpartition(":")
    url = {"": rich.api_url, "reports": rich.reports_url, "auditlog": rich.audit_log_url}[prefix]
    plans = [each["plan"] for each in rich.workspaces]
    for number, workspace in enumerate(rich.workspaces):
        answer = rich.request(method, f"{url}/workspaces/{workspace['id']}{tail}", json={})
        allowed = number <= plans.index(least)
        assert bool(truth(rich, stream, number)) == allowed
        if allowed:
            assert answer.status_code != 403
        else:
            assert answer.status_code == 403
            if prefix != "auditlog":
                assert answer.json() == DENIED


def test_the_features_of_a_workspace_say_what_its_plan_unlocks(rich: Sandbox) -> None:
    listed = {row["id"]: row["features"] for row in rich.get("/workspaces").json()}
    found = [listed[each["id"]] for each in rich.workspaces]
    for feature, plans in (
        ("AUDIT_LOG", 1), ("EXPENSES", 2), ("SCHEDULING", 2), ("INVOICING", 3), ("TIME_OFF", 3),
        ("APPROVAL", 3), ("ATTENDANCE_REPORT", 3), ("SHARED_REPORTS", 4),
    ):  # fmt: skip
        assert [feature in each for each in found] == [number < plans for number in range(5)]


def test_a_workspace_names_its_plan_and_the_range_of_its_reports(rich: Sandbox) -> None:
    listed = {row["id"]: row for row in rich.get("/workspaces").json()}
    found = [listed[each["id"]] for each in rich.workspaces]
    assert [row["featureSubscriptionType"] for row in found] == [
        "ENTERPRISE_YEAR", "PRO_YEAR_2021", "STANDARD_2021", "BASIC_2021", "FREE"
    ]  # fmt: skip
    ranges = [{name for name in row["features"] if "REPORTS" in name} for row in found]
    assert ranges == [
        *[{"UNLIMITED_REPORTS", "SHARED_REPORTS"}] * 3,
        {"ONE_YEAR_RANGE_REPORTS", "SHARED_REPORTS"},
        {"ONE_MONTH_RANGE_REPORTS"},
    ]


def test_a_basic_workspace_reports_on_366_days_at_most(rich: Sandbox) -> None:
    basic, standard = (f"/workspaces/{rich.workspaces[n]['id']}/reports/detailed" for n in (3, 2))
    year, more = window("2025-11-01", "2026-11-01"), window("2025-10-31", "2026-11-01")
    assert rich.report(basic, year).status_code == 200
    assert code(rich.report(basic, more)) == (400, 501)
    assert rich.report(standard, more).status_code == 200


def test_a_plan_that_grows_shows_what_was_hidden(rich: Sandbox) -> None:
    free = rich.workspaces[4]["id"]
    assert rich.records("expenses", workspaceId=free) == []
    rich.update_workspace(free, plan="PRO")
    assert len(rich.get(f"/workspaces/{free}/expenses").json()["expenses"]["expenses"]) == 24


@pytest.mark.parametrize(
    ("path", "params", "size"),
    [
        ("/expenses", {}, "page-size"),
        ("/expenses/categories", {"archived": "true"}, "page-size"),
        ("/invoices", {}, "page-size"),
        ("/time-off/policies", {"status": "ALL"}, "page-size"),
        ("/scheduling/assignments/all", {"start": "2017-01-01T00:00:00Z", "end": NOW}, "page-size"),
        ("/approval-requests", {}, "page-size"),
    ],
)
def test_listings_that_need_a_plan_page_and_say_which_page_is_the_last(
    rich: Sandbox, e: str, path: str, params: dict[str, str], size: str
) -> None:
    first = rich.get(e + path, page=1, **{size: 1}, **params)
    assert first.headers["Last-Page"] == "false"
    whole = rich.get(e + path, pageSize=1, **params)
    assert whole.headers["Last-Page"] == "true"
    assert len(whole.content) > len(first.content)
    beyond = rich.get(e + path, page=999, **params)
    assert (beyond.status_code, beyond.headers["Last-Page"]) == (200, "true")


def test_only_the_listings_that_do_so_send_last_page(rich: Sandbox, e: str) -> None:
    url = rich.reports_url
    for answer in (
        rich.get(f"{e}/holidays"),
        rich.get(f"{e}/webhooks"),
        rich.get(f"{e}/invoices/settings"),
        rich.get(f"{e}/entities/created", type="TAGS"),
        rich.request("POST", f"{rich.api_url}{e}/time-off/requests", json={}),
        rich.request("POST", f"{rich.api_url}{e}/invoices/info", json={}),
        rich.request("GET", f"{url}{e}/shared-reports"),
    ):
        assert answer.status_code == 200
        assert "Last-Page" not in answer.headers


def test_a_time_off_page_holds_200_rows_and_there_are_1000_pages_at_most(
    rich: Sandbox, e: str
) -> None:
    policy = truth(rich, "time_off_policies")[0]["id"]
    for path in ("/time-off/policies", f"/time-off/balance/policy/{policy}"):
        assert rich.get(e + path, **{"page-size": 200}).status_code == 200
        assert code(rich.get(e + path, **{"page-size": 201})) == (400, 3000)
        assert code(rich.get(e + path, page=1001)) == (400, 3000)
    assert post(rich, f"{e}/time-off/requests", {"pageSize": 201}) == (400, 3000)


# Expenses


def test_the_list_of_expenses_has_objects_where_a_single_one_has_ids(rich: Sandbox, e: str) -> None:
    body = rich.get(f"{e}/expenses", start="2030-01-01T00:00:00Z").json()
    rows = body["expenses"]["expenses"]
    assert same(rows, truth(rich, "expenses"))
    assert body["expenses"]["count"] == len(rows) == 24
    assert sum(each["total"] for each in body["dailyTotals"]) == sum(row["total"] for row in rows)
    assert sum(each["total"] for each in body["weeklyTotals"]) == sum(row["total"] for row in rows)
    full = next(row for row in rows if row["project"] and row["task"] and row["category"])
    single = rich.get(f"{e}/expenses/{full['id']}").json()
    assert single["categoryId"] == full["category"]["id"]
    assert (single["projectId"], single["taskId"]) == (full["project"]["id"], full["task"]["id"])
    assert "category" not in single
    assert code(rich.get(f"{e}/expenses/{e[-24:]}")) == (400, 501)


def test_expenses_have_nulls_and_two_forms_of_dates(rich: Sandbox) -> None:
    rows = truth(rich, "expenses")
    for field in ("category", "project", "task", "notes", "fileId", "fileName"):
        assert any(row[field] is None for row in rows), field
        assert any(row[field] for row in rows), field
    assert {len(row["date"]) for row in rows} == {10, 20}
    assert all(isinstance(row["total"], int) for row in rows)


def test_expense_categories_without_a_word_are_the_active_ones(rich: Sandbox, e: str) -> None:
    path, held = f"{e}/expenses/categories", truth(rich, "expense_categories")
    found = {
        flag: rich.get(path, **({"archived": flag} if flag else {})).json()
        for flag in ("", "true", "false")
    }
    assert found[""] == found["false"]
    assert {row["archived"] for row in found["true"]["categories"]} == {True}
    assert same(found["false"]["categories"] + found["true"]["categories"], held)
    assert found[""]["count"] == len(found[""]["categories"])


def test_the_expense_report_filters_by_day_and_counts_in_float_cents(rich: Sandbox, e: str) -> None:
    path = f"{e}/reports/expenses/detailed"
    body = {"dateRangeStart": "2025-01-01T00:00:00Z", "dateRangeEnd": "2027-01-01T00:00:00Z"}
    whole = post(rich, path, {**body, "timeZone": "UTC", "pageSize": 1000}, "reports")
    assert same(whole["expenses"], truth(rich, "expense_report"))
    assert whole["totals"]["expensesCount"] == 24
    assert all(isinstance(row["amount"], float) for row in whole["expenses"])
    assert any(row["userName"] == "DeletedUser" for row in whole["expenses"])
    assert len(post(rich, path, {**body, "pageSize": 7, "page": 4}, "reports")["expenses"]) == 3
    assert len(post(rich, path, {**body, "page-size": 7}, "reports")["expenses"]) == 24
    assert post(rich, path, {**body, "pageSize": 1001}, "reports") == (400, 3000)
    day = {"dateRangeStart": "2026-11-20T00:00:00Z", "dateRangeEnd": "2026-11-20T23:59:59.999Z"}
    (row,) = post(rich, path, {**day, "timeZone": "UTC"}, "reports")["expenses"]
    assert row["date"] == "2026-11-20T00:00:00Z"
    (local,) = post(rich, path, day, "reports")["expenses"]
    assert (local["id"], local["date"]) == (row["id"], "2026-11-20T00:00:00+01:00")


# Invoices


def test_invoices_come_in_three_shapes_and_every_state(rich: Sandbox, e: str) -> None:
    listed = rich.get(f"{e}/invoices").json()
    assert same(listed["invoices"], truth(rich, "invoices"))
    assert listed["total"] == len(listed["invoices"])
    states = {"UNSENT", "SENT", "PAID", "PARTIALLY_PAID", "VOID", "OVERDUE"}
    assert {row["status"] for row in listed["invoices"]} == states
    for row in listed["invoices"]:
        whole = rich.get(f"{e}/invoices/{row['id']}").json()
        assert row.items() <= whole.items()
        assert "workspaceId" not in whole
        assert whole in truth(rich, "invoice_details")
        for item in whole["items"]:
            assert item["amount"] == round(item["quantity"] * item["unitPrice"] / 100)
    found = post(rich, f"{e}/invoices/info", {"pageSize": 4, "page": 2, "statuses": ["PAID"]})
    assert found == {"total": 2, "invoices": []}
    assert len(post(rich, f"{e}/invoices/info", {"page-size": 2})["invoices"]) == 9
    overdue = post(rich, f"{e}/invoices/info", {"statuses": ["OVERDUE"]})["invoices"]
    assert [row["daysOverdue"] > 0 for row in overdue] == [True]


def test_invoices_are_searched_by_the_day_of_issue(rich: Sandbox, e: str) -> None:
    days = sorted(row["issuedDate"][:10] for row in truth(rich, "invoices"))
    span = {"issue-date-start": days[2], "issue-date-end": days[4]}
    rows = post(rich, f"{e}/invoices/info", {"issueDate": span})["invoices"]
    assert sorted(row["issuedDate"][:10] for row in rows) == days[2:5]


def test_what_was_paid_is_the_sum_of_the_payments(rich: Sandbox, e: str) -> None:
    records = rich.records("invoice_payments", workspaceId=rich.workspaces[0]["id"])
    invoice = records[0]["path"]["invoiceId"]
    paid = [each["row"]["amount"] for each in records if each["path"]["invoiceId"] == invoice]
    answer = rich.get(f"{e}/invoices/{invoice}/payments")
    assert [row["amount"] for row in answer.json()] == paid
    assert answer.headers["Last-Page"] == "true"
    assert "invoiceId" not in answer.json()[0]
    rich.create(e[-24:], "invoice-payments", {"invoiceId": invoice, "amount": 7})
    assert rich.get(f"{e}/invoices/{invoice}").json()["paid"] == sum(paid) + 7
    rich.delete(e[-24:], "invoices", invoice)
    assert code(rich.get(f"{e}/invoices/{invoice}/payments")) == (400, 501)
    assert code(rich.get(f"{e}/invoices/{invoice}")) == (400, 501)
    assert invoice not in {each["path"]["invoiceId"] for each in rich.records("invoice_payments")}
    assert code(rich.get(f"{e}/invoices/{invoice}/items")) == (405, 3000)


def test_the_settings_of_invoices_are_one_object(rich: Sandbox, e: str) -> None:
    settings = rich.get(f"{e}/invoices/settings").json()
    assert [settings] == truth(rich, "invoice_settings")
    assert settings["defaults"]["taxPercent"] == 20.0
    rich.update(e[-24:], "invoice-settings", e[-24:], {"defaults": {"dueDays": 3}})
    assert rich.get(f"{e}/invoices/settings").json()["defaults"]["dueDays"] == 3


# Time off and planning


def test_holidays_ignore_paging_and_lie_in_past_and_future(rich: Sandbox, e: str) -> None:
    answer = rich.get(f"{e}/holidays", page=2, **{"page-size": 1})
    assert same(answer.json(), truth(rich, "holidays"))
    days = [row["datePeriod"]["startDate"] for row in answer.json()]
    assert min(days) < NOW[:10] < max(days)
    span = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-30T00:00:00Z"}
    owner = rich.info()["users"]["owner"]
    path = f"{e}/holidays/in-period"
    assert len(rich.get(path, **span, **{"assigned-to": owner}).json()) == 1
    assert rich.get(path, **span, **{"assigned-to": e[-24:]}).status_code == 500
    assert code(rich.get(path, **span)) == (400, 3001)


def test_policies_without_a_status_are_the_active_ones(rich: Sandbox, e: str) -> None:
    path = f"{e}/time-off/policies"
    assert {row["archived"] for row in rich.get(path).json()} == {False}
    assert {row["archived"] for row in rich.get(path, status="ARCHIVED").json()} == {True}
    everything = rich.get(path, status="ALL").json()
    assert same(everything, truth(rich, "time_off_policies"))
    assert rich.get(f"{path}/{everything[0]['id']}").json() == everything[0]
    assert code(rich.get(path, status="OLD")) == (400, 3000)
    assert code(rich.get(f"{path}/{e[-24:]}")) == (400, 501)


def test_time_off_requests_are_a_search_with_its_page_in_the_body(rich: Sandbox, e: str) -> None:
    path, held = f"{e}/time-off/requests", truth(rich, "time_off_requests")
    whole = post(rich, path, {"statuses": ["ALL"]})
    assert whole["count"] == len(held)
    assert same(whole["requests"], held)
    parts = [post(rich, path, {"page": page, "pageSize": 5})["requests"] for page in (1, 2, 3)]
    assert [row for part in parts for row in part] == whole["requests"]
    assert len(post(rich, path, {"page-size": 5}, page=2)["requests"]) == len(held)
    found = post(rich, path, {"statuses": ["APPROVED", "REJECTED"]})["requests"]
    assert {row["status"]["statusType"] for row in found} == {"APPROVED", "REJECTED"}
    assert post(rich, path, {"statuses": ["WITHDRAWN"]}) == (400, 3000)
    assert {len(row["createdAt"]) for row in held} >= {20, 30}
    new = post(rich, path, {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"})
    assert all(row["createdAt"] >= "2026-10-31" for row in new["requests"])
    assert 0 < new["count"] < len(held)


def test_a_deleted_user_takes_time_off_along(rich: Sandbox) -> None:
    workspace, user = rich.workspaces[0]["id"], rich.info()["users"]["member"]
    assert any(row["userId"] == user for row in truth(rich, "time_off_requests"))
    rich.delete(workspace, "users", user)
    for stream in ("time_off_requests", "time_off_balances"):
        assert all(row["userId"] != user for row in truth(rich, stream))


def test_balances_are_the_same_by_policy_and_by_user(rich: Sandbox, e: str) -> None:
    held, by_policy, by_user = truth(rich, "time_off_balances"), [], []
    for policy in truth(rich, "time_off_policies"):
        answer = rich.get(f"{e}/time-off/balance/policy/{policy['id']}")
        assert answer.json()["count"] == len(answer.json()["balances"])
        assert answer.headers["Last-Page"] == "true"
        by_policy += answer.json()["balances"]
    for user in truth(rich, "users"):
        by_user += rich.get(f"{e}/time-off/balance/user/{user['id']}").json()["balances"]
    assert same(by_policy, held)
    assert same(by_user, held)
    assert any(row["policyArchived"] for row in held)
    assert all(row["workspaceId"] == e[-24:] for row in held)
    assert code(rich.get(f"{e}/time-off/balance/policy/{e[-24:]}")) == (400, 501)


def test_assignments_need_a_window_and_overlap_it(rich: Sandbox, e: str) -> None:
    path, held = f"{e}/scheduling/assignments/all", truth(rich, "scheduling_assignments")
    assert code(rich.get(path, start=NOW)) == (400, 3001)
    assert code(rich.get(path, end=NOW)) == (400, 3001)
    wide = {"start": "2017-01-01T00:00:00Z", "end": "2028-01-01T00:00:00Z"}
    assert same(rich.get(path, **wide, **{"sort-column": "ID"}).json(), held)
    window = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-25T00:00:00Z"}
    found = rich.get(path, **window).json()
    assert found
    for row in held:
        period = row["period"]
        overlaps = period["start"] <= window["end"] and period["end"] >= window["start"]
        assert (row in found) == overlaps
    assert any(row["period"]["start"] < "2023" for row in held)
    assert any(row["period"]["start"] > "2027-07" for row in held)
    draft = rich.create(e[-24:], "assignments", {"published": False})
    assert draft["id"] not in ids(rich.get(path, **wide).json())


def test_approval_requests_of_every_state_come_only_without_a_status(rich: Sandbox, e: str) -> None:
    path, held = f"{e}/approval-requests", truth(rich, "approval_requests")
    rows = rich.get(path).json()
    assert same(rows, held)
    states = {(row["approvalRequest"]["status"]["state"]) for row in rows}
    assert len(states) == 5
    for state in ("PENDING", "APPROVED", "WITHDRAWN_APPROVAL"):
        found = rich.get(path, status=state).json()
        assert {row["approvalRequest"]["status"]["state"] for row in found} == {state}
    for state in ("REJECTED", "WITHDRAWN_SUBMISSION"):
        assert code(rich.get(path, status=state)) == (400, 3000)
        changed = [
            row["approvalRequest"]["status"]["updatedAt"]
            for row in rows
            if row["approvalRequest"]["status"]["state"] == state
        ]
        assert None in changed
        assert any(changed)
    assert any(row["entries"] for row in rows)
    assert any(row["expenses"] for row in rows)
    assert all(row["trackedTime"].startswith("PT") for row in rows)


def test_approval_requests_are_sorted_by_their_last_change(rich: Sandbox, e: str) -> None:
    path = f"{e}/approval-requests"
    order = {"sort-column": "UPDATED_AT", "sort-order": "DESCENDING"}

    def times() -> list[str | None]:
        rows = rich.get(path, **order).json()
        return [row["approvalRequest"]["status"]["updatedAt"] for row in rows]

    found = [time or "" for time in times()]
    assert found == sorted(found, reverse=True)
    oldest = rich.get(path, **order).json()[-1]["approvalRequest"]["id"]
    state = {"approvalRequest": {"status": {"state": "APPROVED"}}}
    rich.update(e[-24:], "approval-requests", oldest, state)
    assert times()[0] == NOW
    only_time = rich.get(f"/workspaces/{rich.workspaces[2]['id']}/approval-requests").json()
    assert only_time
    assert all(row["expenses"] == [] for row in only_time)


# Administration


def test_shared_reports_page_in_camel_case_and_break_on_a_wrong_filter(
    rich: Sandbox, e: str
) -> None:
    url = f"{rich.reports_url}{e}/shared-reports"

    def get(**params: Any) -> requests.Response:
        return rich.request("GET", url, params=params)

    whole = get().json()
    assert same(whole["reports"], truth(rich, "shared_reports"))
    assert whole["count"] == len(whole["reports"])
    assert len(get(pageSize=4, page=2).json()["reports"]) == 2
    assert len(get(**{"page-size": 4}).json()["reports"]) == 6
    assert get(sharedReportsFilter="MINE").status_code == 500
    assert get(sharedReportsFilter="CREATED_BY_ME").json()["count"] < 6
    assert any("workspaceId" not in row for row in whole["reports"])


def test_webhooks_show_their_secret_to_admins_only(rich: Sandbox, e: str) -> None:
    body = rich.get(f"{e}/webhooks").json()
    assert body["workspaceWebhookCount"] == len(body["webhooks"]) == 3
    assert all(row["authToken"] for row in body["webhooks"])
    assert not any("authToken" in row for row in truth(rich, "webhooks"))
    assert len(rich.get(f"{e}/webhooks", type="USER_CREATED").json()["webhooks"]) == 3
    assert rich.get(f"{e}/webhooks", type="ADDON").json()["webhooks"] == []
    assert rich.get(f"{e}/webhooks", type="SYSTEM").status_code == 500
    member = rich.info()["keys"]["member"]
    hook = body["webhooks"][0]["id"]
    logs = f"{rich.api_url}{e}/webhooks/{hook}/logs"
    for path in ("/webhooks", "/invoices", "/entities/created"):
        assert rich.get(e + path, key=member, type="TAGS").status_code == 403
    assert rich.request("POST", logs, json={}, key=member).status_code == 403


def test_the_first_page_of_webhook_logs_is_number_0(rich: Sandbox, e: str) -> None:
    held = rich.records("webhook_logs", workspaceId=e[-24:])
    hook = held[0]["path"]["webhookId"]
    mine = [each["row"] for each in held if each["path"]["webhookId"] == hook]
    path = f"{e}/webhooks/{hook}/logs"
    first, second = post(rich, path, {}), post(rich, path, {}, page=1)
    assert len(first) == 50
    assert same(first + second, mine)
    assert post(rich, path, {}, "api", **{"page-size": 3}) == first
    assert post(rich, path, {}, size=3, page=0) == first[:3]
    times = [row["respondedAt"] for row in post(rich, path, {"sortByNewest": True}, size=60)]
    assert times == sorted(times, reverse=True)
    some = post(rich, path, {"from": times[9], "to": times[3], "status": "ALL"})
    assert sorted(row["respondedAt"] for row in some) == sorted(times[3:10])
    failed = post(rich, path, {"status": "FAILED"}, size=60)
    assert {row["statusCode"] for row in failed} == {404, 500}
    assert max(len(row["requestBody"]) for row in mine) > 50_000
    assert post(rich, path, {"status": "LOST"}) == (400, 3000)
    assert post(rich, f"{e}/webhooks/{e[-24:]}/logs", {}) == (400, 501)


def test_the_times_of_webhook_logs_may_have_an_offset(rich: Sandbox, e: str) -> None:
    before = rich.records("webhook_logs", workspaceId=e[-24:])
    hook = before[0]["path"]["webhookId"]
    rich.settings(webhook_log_offset=True)
    rows = post(rich, f"{e}/webhooks/{hook}/logs", {}, size=200)
    times = {row["id"]: row["respondedAt"] for row in rows}
    for each in before:
        row = each["row"]
        if each["path"]["webhookId"] == hook:
            assert times[row["id"]] == row["respondedAt"].replace("Z", "+00:00")
    assert any("." in time for time in times.values())
    after = rich.rows("webhook_logs", workspaceId=e[-24:])
    assert all(row in after for row in rows)


def test_a_plain_member_sees_own_rows_only_of_what_everybody_has(rich: Sandbox, e: str) -> None:
    info = rich.info()
    key, me = info["keys"]["member"], info["users"]["member"]

    def get(path: str, **params: Any) -> Any:
        return rich.get(e + path, key=key, **params).json()

    expenses = get("/expenses")["expenses"]["expenses"]
    assignments = get("/scheduling/assignments/all", start="2017-01-01T00:00:00Z", end=NOW)
    policy = truth(rich, "time_off_policies")[0]["id"]
    balances = get(f"/time-off/balance/policy/{policy}")["balances"]
    assert {row["userId"] for rows in (expenses, assignments, balances) for row in rows} == {me}
    owners = {row["approvalRequest"]["owner"]["userId"] for row in get("/approval-requests")}
    assert owners == {me}
    url = f"{rich.api_url}{e}/time-off/requests"
    requests_ = rich.request("POST", url, json={}, key=key).json()["requests"]
    assert {row["userId"] for row in requests_} == {me}
    path = f"{e}/reports/expenses/detailed"
    body = {"dateRangeStart": "2025-01-01T00:00:00Z", "dateRangeEnd": NOW}
    assert {row["userId"] for row in rich.report(path, body, key=key).json()["expenses"]} == {me}


# The audit log

ACTIONS = [
    f"{verb}_{noun}"
    for verb in ("CREATE", "UPDATE", "DELETE")
    for noun in ("PROJECT", "TASK", "CLIENT", "TAG", "EXPENSE", "EXPENSE_FOR_OTHER")
] + ["CREATE_TIME_PERSONAL_MANUAL", "UPDATE_TIME_PERSONAL", "UPDATE_TIME_FOR_OTHER"]


def audit(rich: Sandbox, e: str, **body: Any) -> Any:
    """Ask for the audit log of the last 30 days with every action, or as `body` says."""
    asked = {
        "actions": ACTIONS,
        "authors": {"authorIds": [], "contains": "DOES_NOT_CONTAIN"},
        "start": "2026-10-25T09:00:00Z",
        "end": NOW,
        **body,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    return post(rich, f"{e}/audit-log", asked, "auditlog")


def audit_year(rich: Sandbox, e: str) -> list[JSON]:
    """The audit log of the last year, read in windows and pages."""
    found: list[JSON] = []
    first, now = datetime(2025, 11, 24, 9), datetime(2026, 11, 24, 9)
    while first < now:
        last = min(now, first + timedelta(days=31))
        span = {"start": f"{first.isoformat()}Z", "end": f"{last.isoformat()}Z"}
        page: list[JSON] = [{}]
        number = 0
        while page:
            page = audit(rich, e, **span, **{"page": number, "page-size": 50})
            found += page
            number += 1
        first = last + timedelta(milliseconds=1)
    return found


def test_the_audit_log_is_read_in_windows_and_pages(rich: Sandbox, e: str) -> None:
    held = truth(rich, "audit_log")
    by_users = [row for row in held if row["userId"] != "SYSTEM"]
    assert same(audit_year(rich, e), by_users)
    assert len({repr(row) for row in held}) < len(held)
    assert all("id" not in row for row in held)


def test_events_of_the_system_come_only_if_it_is_named(rich: Sandbox, e: str) -> None:
    held = [row for row in truth(rich, "audit_log") if row["userId"] == "SYSTEM"]
    recent = [row for row in held if row["timestamp"] >= "2026-10-25T09"]
    assert recent
    assert {row["userName"] for row in held} == {"System"}
    assert len(held) > len(recent)
    for contains, wanted in (("CONTAINS", recent), ("DOES_NOT_CONTAIN", [])):
        rows = audit(rich, e, authors={"authorIds": ["SYSTEM"], "contains": contains})
        assert [row for row in rows if row["userId"] == "SYSTEM"] == wanted
    assert all(row["userId"] != "SYSTEM" for row in audit(rich, e, **{"page-size": 50}))


def test_the_audit_log_has_pages_from_0_and_an_envelope_if_so_set(rich: Sandbox, e: str) -> None:
    whole = audit(rich, e, **{"page-size": 50})
    halves = [audit(rich, e, **{"page": page, "page-size": 20}) for page in (0, 1)]
    assert whole[:40] == halves[0] + halves[1]
    rich.settings(audit_envelope="response")
    assert audit(rich, e, **{"page-size": 50}) == {"response": whole}


def test_the_audit_log_words_its_errors_in_its_own_way(rich: Sandbox, e: str) -> None:
    url = f"{rich.audit_log_url}{e}/audit-log"
    pro = f"{rich.audit_log_url}/workspaces/{rich.workspaces[1]['id']}/audit-log"
    member = rich.info()["keys"]["member"]
    token = {"X-Addon-Token": rich.addon_token}
    for answer, status, name in (
        (rich.request("POST", url, json={}, key=member), 403, "Forbidden"),
        (rich.request("POST", pro, json={}), 403, "Forbidden"),
        (rich.request("POST", url, json={}), 400, "Bad Request"),
        (requests.post(url, json={}, headers=token, timeout=5), 401, "Unauthorized"),
    ):
        path = "/v1" + answer.request.path_url.removeprefix("/auditlog/v1")
        assert answer.status_code == status
        assert answer.json() == {
            "timestamp": "2026-11-24T09:00:00.000+00:00",
            "status": status,
            "error": name,
            "path": path,
        }
    assert code(rich.request("POST", url, json={}, key="wrong")) == (401, 4003)


def test_the_audit_log_wants_actions_authors_and_a_short_window(rich: Sandbox, e: str) -> None:
    assert len(audit(rich, e)) == 20
    assert len(audit(rich, e, pageSize=50)) == 20
    assert len(audit(rich, e, **{"page-size": 30})) == 30
    assert audit(rich, e, **{"page-size": 51}) == (400, None)
    assert audit(rich, e, **{"page-size": 0}) == (400, None)
    assert audit(rich, e, page=-1) == (400, None)
    for name in ("actions", "authors", "start", "end"):
        assert audit(rich, e, **{name: None}) == (400, None)
    assert audit(rich, e, actions=[]) == (400, None)
    assert audit(rich, e, actions=["READ_TAG"]) == (400, None)
    assert audit(rich, e, start="2026-10-24T08:59:59Z") == (400, None)
    assert audit(rich, e, start="2025-11-24T08:00:00Z", end="2025-12-01T00:00:00Z") == (400, None)
    owner = rich.info()["users"]["owner"]
    both = [
        audit(rich, e, authors={"authorIds": [owner], "contains": contains}, **{"page-size": 50})
        for contains in ("CONTAINS", "DOES_NOT_CONTAIN")
    ]
    assert [{row["userId"] == owner for row in rows} for rows in both] == [{True}, {False}]


def test_an_edit_leaves_a_row_in_the_audit_log_of_an_enterprise_workspace(
    rich: Sandbox, e: str
) -> None:
    before = len(truth(rich, "audit_log"))
    tag = rich.create(e[-24:], "tags", {"name": "new"})
    rich.update(e[-24:], "tags", tag["id"], {"name": "newer"})
    rich.delete(e[-24:], "tags", tag["id"])
    rows = truth(rich, "audit_log")[before:]
    assert [row["action"] for row in rows] == ["CREATE_TAG", "UPDATE_TAG", "DELETE_TAG"]
    assert ['"newer"' in (row["content"] or "") for row in rows] == [False, True, False]
    assert rows[0]["previousContent"] is None
    assert rows[2]["content"] is None
    rich.create(e[-24:], "holidays")
    assert len(truth(rich, "audit_log")) == before + 3


def test_a_short_page_of_a_feed_is_not_its_last(rich: Sandbox, e: str) -> None:
    held = rich.records("webhook_logs", workspaceId=e[-24:])
    hook = held[0]["path"]["webhookId"]

    def read(page_of: Callable[[int], list[JSON]]) -> tuple[list[int], list[JSON]]:
        sizes: list[int] = []
        rows: list[JSON] = []
        for number in range(100):
            page = page_of(number)
            if not page:
                return sizes, rows
            sizes.append(len(page))
            rows += page
        raise AssertionError("no empty page")

    feeds: list[Callable[[int], list[JSON]]] = [
        lambda page: post(rich, f"{e}/webhooks/{hook}/logs", {}, size=10, page=page),
        lambda page: rich.get(
            f"{e}/entities/created", type="TIME_ENTRY", page=page, limit=10
        ).json(),
        lambda page: audit(rich, e, **{"page": page, "page-size": 10}),
    ]
    whole = [read(feed)[1] for feed in feeds]
    rich.settings(short_feeds=3)
    for feed, rows in zip(feeds, whole, strict=True):
        sizes, found = read(feed)
        assert set(sizes[:-1]) == {7}
        assert found == rows
    rich.settings(short_feeds=50)
    assert set(read(feeds[0])[0]) == {1}


# Changes of entities

EVERY_TYPE = [
    "APPROVAL_REQUESTS", "BALANCE", "CLIENTS", "CUSTOM_FIELDS", "HOLIDAYS", "INVOICES", "PROJECTS",
    "PTO_POLICY", "SCHEDULED_ASSIGNMENT", "TAGS", "TASKS", "TIME_ENTRY",
    "TIME_ENTRY_CUSTOM_FIELD_VALUE", "TIME_ENTRY_RATE", "TIME_OFF_REQUEST", "USER", "USER_GROUPS",
]  # fmt: skip


def changed(sandbox: Sandbox, w: str, kind: str, **params: Any) -> list[JSON]:
    """The changes of the last 31 days, or of another window, in pages from 0."""
    asked = {"start": "2026-10-24T09:00:00Z", "end": NOW, "type": EVERY_TYPE, **params}
    rows: list[JSON] = []
    for page in range(1000):
        answer = sandbox.get(f"{w}/entities/{kind}", page=page, **asked)
        rows += answer.json()
        if len(answer.json()) < 50:
            return rows
    raise AssertionError("no last page")


@pytest.mark.parametrize("kind", ["created", "updated", "deleted"])
@pytest.mark.parametrize("workspace", [0, 4])
def test_the_windows_of_a_year_bring_all_changes(rich: Sandbox, kind: str, workspace: int) -> None:
    path = f"/workspaces/{rich.workspaces[workspace]['id']}"
    rows: list[JSON] = []
    first, now = datetime(2025, 11, 24, 9), datetime(2026, 11, 24, 9)
    while first <= now:
        last = min(now, first + timedelta(days=30))
        span = {"start": f"{first.isoformat()}Z", "end": f"{last.isoformat()}Z"}
        rows += changed(rich, path, kind, **span)
        first = last + timedelta(seconds=1)
    held = truth(rich, f"entity_changes_{kind}", workspace)
    assert held
    assert same(rows, held)
    keys = {(row["documentCode"], row["id"]) for row in rows}
    assert len(keys) == len(rows)


def test_changes_want_a_type_and_31_days_at_most(rich: Sandbox, e: str) -> None:
    path = f"{e}/entities/created"
    assert code(rich.get(path)) == (400, 3001)
    assert code(rich.get(path, type="WEBHOOKS")) == (400, 3000)
    wide = {"start": "2026-10-24T08:59:59Z", "end": NOW}
    assert code(rich.get(path, type="TAGS", **wide)) == (400, 501)
    entries = rich.get(path, type="TIME_ENTRY", limit=3).json()
    assert [row["documentCode"] for row in entries] == ["TIME_ENTRY"] * 3
    assert entries[0]["timeInterval"]["start"]
    assert rich.get(path, type="TIME_ENTRY", limit=3, page=1).json() != entries
    assert len(rich.get(path, type=["TIME_ENTRY", "USER"], **{"page-size": 3}).json()) > 3


def test_an_older_server_knows_eight_types_of_changes_only(rich: Sandbox, e: str) -> None:
    rich.settings(change_types="official")
    official = [
        "CLIENTS", "PROJECTS", "TAGS", "TASKS", "SCHEDULED_ASSIGNMENT", "TIME_ENTRY",
        "TIME_ENTRY_RATE", "TIME_ENTRY_CUSTOM_FIELD_VALUE",
    ]  # fmt: skip
    assert rich.get(f"{e}/entities/created", type=official).status_code == 200
    for other in set(EVERY_TYPE) - set(official):
        answer = rich.get(f"{e}/entities/created", type=[*official, other])
        assert code(answer) == (400, 3000)


def test_an_edit_leaves_its_trace_in_the_feeds(rich: Sandbox, e: str) -> None:
    old = next(row["id"] for row in truth(rich, "tags") if row["id"][0] == "6")
    rich.advance(3600)
    made = rich.create(e[-24:], "tags", {"name": "new"})["id"]
    rich.update(e[-24:], "tags", made, {"name": "newer"})
    rich.update(e[-24:], "tags", old, {"name": "renamed"})

    def tags(kind: str) -> dict[str, JSON]:
        end = "2026-11-24T12:00:00Z"
        rows = changed(rich, e, kind, start=NOW, end=end, type="TAGS")
        assert same(rows, [
            row for row in truth(rich, f"entity_changes_{kind}", start=NOW, end=end)
            if row["documentCode"] == "TAGS"
        ])  # fmt: skip
        return {row["id"]: row for row in rows}

    assert tags("created").keys() == {made}
    assert tags("updated").keys() == {old}
    assert tags("updated")[old]["name"] == "renamed"
    rich.delete(e[-24:], "tags", made)
    rich.delete(e[-24:], "tags", old)
    assert tags("deleted") == {}
    rich.advance(60)
    assert tags("created") == tags("updated") == {}
    gone = tags("deleted")
    assert gone.keys() == {old}
    assert gone[old]["deletedAt"] == "2026-11-24T10:00:00Z"
    assert gone[old]["document"]["name"] == "renamed"
    rich.restore(e[-24:], "tags", old)
    assert tags("deleted") == {}
    assert tags("updated").keys() == {old}


def every_change(rich: Sandbox, e: str) -> dict[str, list[JSON]]:
    """The changes of the last 31 days by feed."""
    return {kind: changed(rich, e, kind) for kind in ("created", "updated", "deleted")}


@pytest.fixture
def feeds(rich: Sandbox, e: str) -> Sandbox:
    """The sandbox after changes and deletions of what is old."""
    for collection in ("projects", "clients", "tags"):
        for number, row in enumerate(truth(rich, collection)):
            rich.update(e[-24:], collection, row["id"], {"name": "renamed"})
            if number % 2:
                rich.delete(e[-24:], collection, row["id"])
    rich.settings(deletion_lag=0)
    return rich


def test_a_row_that_a_feed_left_out_once_is_left_out_for_good(feeds: Sandbox, e: str) -> None:
    def told() -> dict[str, list[JSON]]:
        return {**every_change(feeds, e), "audit_log": audit_year(feeds, e)}

    whole = told()
    feeds.settings(feed_drop=50)
    half = told()
    for feed, rows in whole.items():
        assert all(row in rows for row in half[feed])
        assert 0 < len(half[feed]) < len(rows), feed
    start = "2026-11-10T00:00:00Z"
    later = [row for row in half["created"] if row["auditMetadata"]["createdAt"] >= start]
    assert changed(feeds, e, "created", start=start) == later
    feeds.settings(feed_seed=1)
    assert told() != half
    feeds.settings(feed_seed=0)
    assert told() == half
    feeds.settings(feed_drop={"updated": 100})
    assert told() == {**whole, "updated": []}
    feeds.settings(feed_drop=100)
    assert not any(told().values())


def test_a_feed_can_be_out_of_order_and_repeat_rows(feeds: Sandbox, e: str) -> None:
    whole = every_change(feeds, e)
    feeds.settings(feed_order="descending")
    assert every_change(feeds, e) == {kind: rows[::-1] for kind, rows in whole.items()}
    feeds.settings(feed_order="shuffled")
    mixed = every_change(feeds, e)
    assert mixed["created"] not in (whole["created"], whole["created"][::-1])
    assert all(same(mixed[kind], rows) for kind, rows in whole.items())
    assert every_change(feeds, e) == mixed
    feeds.settings(feed_seed=1)
    assert every_change(feeds, e) != mixed
    feeds.settings(feed_order="ascending", feed_repeats=3)
    twice = every_change(feeds, e)["created"]
    assert twice[2] == twice[3]
    assert len(twice) == len(whole["created"]) + len(whole["created"]) // 3
    assert [row for number, row in enumerate(twice) if number % 4 != 3] == whole["created"]


def test_a_feed_can_name_what_was_not_changed(rich: Sandbox, e: str) -> None:
    w, at = e[-24:], "2026-11-20T08:00:00Z"
    entry = truth(rich, "time_entries")[0]
    never = "5f0000000000000000000001"
    lies = [
        {"workspaceId": w, "kind": "updated", "id": entry["id"], "at": at},
        {"workspaceId": w, "kind": "deleted", "id": entry["id"], "at": at},
        {"workspaceId": w, "kind": "created", "id": never, "at": at, "document": {"a": 1}},
        {"workspaceId": w, "kind": "deleted", "id": never, "at": at, "code": "TAGS"},
        {"workspaceId": rich.workspaces[1]["id"], "kind": "deleted", "id": never, "at": at},
    ]
    before = every_change(rich, e)
    # What is told although it is not true is told whatever else is left out.
    rich.settings(feed_lies=lies, feed_drop=100)
    false = every_change(rich, e)
    marks = {"documentCode": "TIME_ENTRY", "id": entry["id"]}
    (updated,) = false["updated"]
    assert updated == {**entry, **marks, "auditMetadata": updated["auditMetadata"]}
    assert updated["auditMetadata"]["updatedAt"] == at
    (created,) = false["created"]
    assert (created["id"], created["a"]) == (never, 1)
    assert created["auditMetadata"] == {"createdAt": at, "updatedAt": None}
    assert [(row["documentCode"], row["id"], row["deletedAt"]) for row in false["deleted"]] == [
        ("TAGS", never, at),
        ("TIME_ENTRY", entry["id"], at),
    ]
    assert [row["document"] for row in false["deleted"]] == [{}, entry]
    rich.settings(feed_drop=0)
    both = every_change(rich, e)
    assert all(same(both[kind], before[kind] + false[kind]) for kind in both)
    rich.settings(feed_lies=[])
    assert every_change(rich, e) == before


@pytest.mark.parametrize(
    "settings",
    [
        {"feed_drop": 101},
        {"feed_drop": "half"},
        {"feed_drop": {"updated": -1}},
        {"feed_drop": {"made": 5}},
        {"feed_seed": "a"},
        {"feed_repeats": -1},
        {"feed_order": "random"},
        {"feed_refused": "500"},
        {"feed_parts_id": "id"},
        {"feed_lies": {}},
        {"feed_lies": [{"workspaceId": "w", "kind": "created", "id": "5f"}]},
        {"feed_lies": [{"workspaceId": "w", "kind": "made", "id": "5f", "at": NOW}]},
        {"feed_lies": [{"workspaceId": "w", "kind": "created", "id": "5f", "at": "now"}]},
        {"feed_lies": [{"workspaceId": "w", "kind": "created", "id": "5f", "at": NOW, "code": ""}]},
        {"feed_lies": [{"workspaceId": "w", "kind": "created", "id": "5f", "at": NOW, "a": 1}]},
    ],
    ids=str,
)
def test_a_flaw_of_the_feeds_that_cannot_be_is_refused(sandbox: Sandbox, settings: JSON) -> None:
    before = sandbox.settings()
    with pytest.raises(RuntimeError, match="400"):
        sandbox.settings(**settings)
    assert sandbox.settings() == before


@pytest.mark.parametrize(
    ("setting", "refusal"),
    [
        ("400", (400, 501)),
        ("401", (401, None)),
        ("403", (403, 501)),
        ("404", (404, 3000)),
        ("empty_403", (403, None)),
    ],
)
def test_the_feeds_and_nothing_else_can_be_refused(
    rich: Sandbox, e: str, setting: str, refusal: tuple[int, int | None]
) -> None:
    rich.settings(feed_refused=setting)
    for kind in ("created", "updated", "deleted"):
        answer = rich.get(f"{e}/entities/{kind}", type="TAGS")
        assert (answer.status_code, answer.json().get("code") if answer.content else None) == (
            refusal
        )
    assert rich.get(f"{e}/tags").ok
    assert len(audit(rich, e)) == 20


def test_rates_and_field_values_of_an_edited_entry_bear_its_id(rich: Sandbox, e: str) -> None:
    entries = truth(rich, "time_entries")
    old = [row for row in entries if row["timeInterval"]["start"] < "2026-09-01"]
    rated = next(row["id"] for row in old if row["hourlyRate"] and not row["costRate"])
    valued = next(row["id"] for row in old if row["customFieldValues"] and not row["costRate"])
    field = next(row for row in old if row["id"] == valued)["customFieldValues"][0]
    rich.advance(3600)
    made_before = changed(rich, e, "created", end="2026-11-24T11:00:00Z")
    rich.update(e[-24:], "time-entries", rated, {"hourlyRate": {"amount": 7, "currency": "EUR"}})
    rich.update(e[-24:], "time-entries", valued, {"customFieldValues": [{**field, "value": "v"}]})
    window: JSON = {"start": NOW, "end": "2026-11-24T11:00:00Z"}

    def parts() -> dict[tuple[str, str], JSON]:
        rows = changed(rich, e, "updated", **window)
        assert same(rows, truth(rich, "entity_changes_updated", **window))
        return {(row["documentCode"], row.get("timeEntryId") or row["id"]): row for row in rows}

    rate, value = ("TIME_ENTRY_RATE", rated), ("TIME_ENTRY_CUSTOM_FIELD_VALUE", valued)
    assert {rate, value, ("TIME_ENTRY", rated), ("TIME_ENTRY", valued)} <= parts().keys()
    assert parts()[rate]["hourlyRate"]["amount"] == 7
    assert parts()[value]["customFieldValues"][0]["value"] == "v"
    assert parts()[rate]["id"] == rated
    assert changed(rich, e, "created", end="2026-11-24T11:00:00Z") == made_before
    rich.settings(feed_parts_id="timeEntryId")
    assert {rate, value} <= parts().keys()
    own = {parts()[rate]["id"], parts()[value]["id"]}
    assert len(own - {rated, valued}) == 2
    assert parts()["TIME_ENTRY", rated]["id"] == rated
    assert "timeEntryId" not in parts()["TIME_ENTRY", rated]


def test_the_audit_log_holds_the_entry_before_and_after_an_edit(rich: Sandbox, e: str) -> None:
    before = len(truth(rich, "audit_log"))
    made = rich.create(e[-24:], "time-entries", {"description": "first"})
    changed_entry = rich.update(e[-24:], "time-entries", made["id"], {"description": "second"})
    rich.delete(e[-24:], "time-entries", made["id"])
    back = rich.restore(e[-24:], "time-entries", made["id"])
    rows = truth(rich, "audit_log")[before:]
    assert [row["action"].partition("_TIME")[0] for row in rows] == [
        "CREATE", "UPDATE", "DELETE", "RESTORE",
    ]  # fmt: skip
    held = [
        tuple(row[name] and json.loads(row[name]) for name in ("previousContent", "content"))
        for row in rows
    ]
    assert held == [
        (None, made), (made, changed_entry), (changed_entry, None), (None, back)
    ]  # fmt: skip
    assert made["id"] == changed_entry["id"] == back["id"]


# Reports that group


def summary(sandbox: Sandbox, w: str, groups: list[str], **body: Any) -> Any:
    asked = {**window(**body), "summaryFilter": {"groups": groups, "page": 2, "pageSize": 1}}
    return post(sandbox, f"{w}/reports/summary", asked, "reports")


def test_the_summary_groups_days_projects_and_tasks_in_one_answer(rich: Sandbox, e: str) -> None:
    body = summary(rich, e, ["DATE", "PROJECT", "TASK"])
    days = body["groupOne"]
    assert days == truth(rich, "summary_report")
    for day in days:
        assert day["duration"] == sum(project["duration"] for project in day["children"])
        for project in day["children"]:
            assert project["duration"] == sum(task["duration"] for task in project["children"])
    assert sum(day["duration"] for day in days) == body["totals"][0]["totalTime"]
    assert isinstance(days[0]["amount"], float)
    day = days[3]["_id"]
    end = f"{day}T23:59:59.999Z"
    assert summary(rich, e, ["DATE", "PROJECT", "TASK"], start=day, end=end)["groupOne"] == [
        days[3]
    ]
    assert truth(rich, "summary_report", start=day, end=day) == [days[3]]


def test_a_summary_has_one_to_three_known_groups(rich: Sandbox, e: str) -> None:
    assert summary(rich, e, []) == (400, 3001)
    assert summary(rich, e, ["COLOR"]) == (400, 3000)
    assert summary(rich, e, ["CLIENT", "PROJECT", "TASK", "USER"]) == (400, 501)
    total = summary(rich, e, ["USER"])["totals"][0]["totalTime"]
    for name in ("CLIENT", "PROJECT", "TASK", "DATE", "WEEK", "MONTH", "TIMEENTRY", "TAG"):
        groups = summary(rich, e, [name])["groupOne"]
        assert sum(group["duration"] for group in groups) == total
    names = {row["_id"] for row in summary(rich, e, ["PROJECT"])["groupOne"]}
    assert None in names
    free = f"/workspaces/{rich.workspaces[4]['id']}"
    assert summary(rich, free, ["DATE"], start="2026-10-01", end="2026-11-24") == (400, 501)
    assert summary(rich, free, ["DATE"], start="2026-10-24", end="2026-11-23T23:59:59.999Z")


def week(sandbox: Sandbox, w: str, end: str = "2026-11-22T23:59:59.999Z", **body: Any) -> Any:
    asked = {**window(start="2026-11-16", end=end), "weeklyFilter": {"group": "PROJECT"}, **body}
    return post(sandbox, f"{w}/reports/weekly", asked, "reports")


def test_the_weekly_report_covers_exactly_seven_days(rich: Sandbox, e: str) -> None:
    body = week(rich, e)
    records = rich.records("weekly_report", workspaceId=e[-24:])
    wanted = [each["row"] for each in records if each["path"]["weekStart"] == "2026-11-16"]
    assert body["groupOne"] == wanted
    assert week(rich, e, end="2026-11-23T00:00:00Z") == body
    for row in wanted:
        assert [day["date"] for day in row["days"]] == [f"2026-11-{day}" for day in range(16, 23)]
        assert sum(day["duration"] for day in row["days"]) == row["duration"]
    total = body["totals"][0]["totalTime"]
    assert sum(day["duration"] for day in body["totalsByDay"]) == total
    for end in ("2026-11-21T23:59:59.999Z", "2026-11-23T23:59:59.999Z"):
        assert week(rich, e, end=end) == (400, 501)
    answer = rich.report(f"{e}/reports/weekly", {**window(), "weeklyFilter": {}})
    assert "exactly 7 days" in answer.json()["message"]
    assert week(rich, e, weeklyFilter=None) == (400, 3001)


AMOUNTS = {"amount", "rate", "earnedAmount", "earnedRate", "costAmount", "costRate"}
TIME_REPORTS = [
    ("detailed", {"detailedFilter": {"pageSize": 1000}}, "timeentries"),
    ("summary", {"summaryFilter": {"groups": ["DATE", "USER"]}}, "groupOne"),
    ("weekly", {"weeklyFilter": {}}, "groupOne"),
    ("attendance", {"attendanceFilter": {}}, "entities"),
]


@pytest.mark.parametrize(("name", "options", "field"), TIME_REPORTS)
def test_a_manager_sees_reports_of_everybody_without_amounts_only(
    sandbox: Sandbox, w: str, name: str, options: JSON, field: str
) -> None:
    info = sandbox.info()
    key = info["keys"]["manager"]
    roles = sandbox.get(f"{w}/users", **OPEN_USERS).json()
    mine = next(row["roles"] for row in roles if row["id"] == info["users"]["manager"])
    assert [role["role"] for role in mine] == ["TEAM_MANAGER"]
    path = f"{w}/reports/{name}"
    span = {"dateRangeStart": "2026-11-16T00:00:00Z", "dateRangeEnd": "2026-11-22T23:59:59Z"}
    body = {**span, "timeZone": "UTC", **options}
    refused = sandbox.report(path, {**body, "amountShown": "EARNED"}, key=key)
    assert (refused.status_code, refused.json()) == (403, DENIED)
    assert code(sandbox.report(path, body, key=key)) == (403, 501)

    def keys_of(value: Any) -> set[str]:
        if isinstance(value, list):
            return {name for each in value for name in keys_of(each)}
        if not isinstance(value, dict):
            return set()
        return set(value) | {name for each in value.values() for name in keys_of(each)}

    shown = sandbox.report(path, {**body, "amountShown": "HIDE_AMOUNT"}, key=key).json()
    owners = sandbox.report(path, body).json()
    assert len(shown[field]) == len(owners[field]) > 0
    assert keys_of(shown).isdisjoint(AMOUNTS)
    assert all(row.get("amounts", []) == [] for row in shown[field])
    member = sandbox.report(path, body, key=info["keys"]["member"])
    assert member.status_code == 200
    assert sandbox.get(f"{w}/webhooks", key=key).status_code == 403


def attendance(sandbox: Sandbox, w: str, **options: Any) -> Any:
    asked = {**window(), "attendanceFilter": options}
    return post(sandbox, f"{w}/reports/attendance", asked, "reports")


def test_the_attendance_report_has_a_row_for_each_user_and_day(rich: Sandbox, e: str) -> None:
    held = truth(rich, "attendance_report")
    assert same(attendance(rich, e, pageSize=1000)["entities"], held)
    assert len({(row["userId"], row["date"]) for row in held}) == len(held)
    parts = [attendance(rich, e, page=page, pageSize=30, sortColumn="DATE") for page in (1, 2)]
    assert [len(part["entities"]) for part in parts] == [30, min(30, len(held) - 30)]
    days = [row["date"] for part in parts for row in part["entities"]]
    assert days == sorted(days)
    assert attendance(rich, e, pageSize=1001) == (400, 3000)
    assert any(row["hasRunningEntry"] for row in held)
    assert any(row["timeOff"] for row in held)
    assert all(isinstance(row["totalDuration"], int) for row in held)


# Edits of what needs a plan


@pytest.mark.parametrize(
    ("collection", "stream", "changes"),
    [
        ("expenses", "expenses", {"notes": "changed"}),
        ("expense-categories", "expense_categories", {"archived": True}),
        ("invoices", "invoices", {"status": "SENT"}),
        ("invoice-payments", "invoice_payments", {"note": "changed"}),
        ("holidays", "holidays", {"name": "changed"}),
        ("time-off-policies", "time_off_policies", {"archived": True}),
        ("time-off-requests", "time_off_requests", {"status": {"statusType": "APPROVED"}}),
        ("assignments", "scheduling_assignments", {"hoursPerDay": 1.5}),
        (
            "approval-requests",
            "approval_requests",
            {"approvalRequest": {"status": {"state": "REJECTED"}}},
        ),
        ("webhooks", "webhooks", {"name": "changed"}),
        ("shared-reports", "shared_reports", {"name": "changed"}),
        ("webhook-logs", "webhook_logs", {"statusCode": 500}),
    ],
)
def test_what_needs_a_plan_can_be_made_changed_deleted_and_restored(
    rich: Sandbox, e: str, collection: str, stream: str, changes: JSON
) -> None:
    workspace = e[-24:]

    def held() -> dict[str, JSON]:
        return {row.get("id") or row["approvalRequest"]["id"]: row for row in truth(rich, stream)}

    before = held()
    made = rich.create(workspace, collection)
    entity = made.get("id") or made["approvalRequest"]["id"]
    assert held().keys() - before.keys() == {entity}
    rich.update(workspace, collection, entity, changes)
    after = held()[entity]
    for name, value in changes.items():
        expected: Any = after[name]
        while isinstance(value, dict):
            ((name, value),) = value.items()
            expected = expected[name]
        assert expected == value
    rich.delete(workspace, collection, entity)
    assert held() == before
    rich.restore(workspace, collection, entity)
    assert held()[entity] == after


def test_every_kind_that_needs_a_plan_has_ids_that_look_like_numbers(rich: Sandbox) -> None:
    for stream in (
        "expenses", "expense_categories", "invoices", "invoice_payments", "holidays",
        "time_off_policies", "time_off_requests", "time_off_balances", "scheduling_assignments",
        "shared_reports", "webhooks", "webhook_logs", "entity_changes_deleted",
    ):  # fmt: skip
        found = ids(truth(rich, stream))
        assert any(each.isdigit() for each in found), stream
        assert any(each.replace("e", "", 1).isdigit() and "e" in each for each in found), stream


def test_an_unknown_stream_has_no_truth(rich: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="404"):
        rich.records("unheard_of")


# Settings for what is not known of Clockify


def test_the_batch_can_be_absent_or_small(sandbox: Sandbox, w: str) -> None:
    path = f"{sandbox.api_url}{w}/time-entries/batch"
    body = {"timeEntryIds": ids(sandbox.rows("time_entries"))[:2]}

    def status(**settings: Any) -> tuple[int, int | None]:
        sandbox.settings(**settings)
        answer = sandbox.request("POST", path, json=body)
        return (200, None) if answer.ok else code(answer)

    assert status() == (200, None)
    assert status(batch_route="404") == (404, 3000)
    assert status(batch_route="405") == (405, 3000)
    assert status(batch_route="on", batch_max=1) == (400, 3000)


def test_the_detailed_report_can_lack_timers_last_page_order_and_invoices(
    sandbox: Sandbox, w: str
) -> None:
    def rows(**settings: Any) -> list[JSON]:
        sandbox.settings(**settings)
        found: list[JSON] = report(sandbox, w, sortColumn="DATE")["timeentries"]
        return found

    whole = rows()
    assert any(row["timeInterval"]["end"] is None for row in whole)
    assert all(row["invoicingInfo"] != [] for row in whole)
    assert all(row["timeInterval"]["end"] for row in rows(running_in_reports=False))
    assert [] in [row["invoicingInfo"] for row in rows(invoicing_info="list")]
    assert any("invoicingInfo" not in row for row in rows(invoicing_info="absent"))
    by_id = rows(running_in_reports=True, report_sorts_by_date=False)
    assert ids(by_id) == sorted(ids(whole), reverse=True) != ids(whole)
    answer = sandbox.report(f"{w}/reports/detailed", window())
    assert answer.headers["Last-Page"] == "true"
    assert answer.headers["total-count"] == str(len(whole))
    sandbox.settings(report_last_page=False)
    assert "Last-Page" not in sandbox.report(f"{w}/reports/detailed", window()).headers


@pytest.mark.parametrize(
    ("setting", "year"), [("report_year_one", "0001"), ("report_since_2000", "2000")]
)
def test_old_ranges_of_reports_can_be_refused(
    sandbox: Sandbox, w: str, setting: str, year: str
) -> None:
    body = window(f"{year}-01-01")
    assert sandbox.report(f"{w}/reports/detailed", body).ok
    sandbox.settings(**{setting: "refused"})
    assert code(sandbox.report(f"{w}/reports/detailed", body)) == (400, 501)
    assert sandbox.report(f"{w}/reports/detailed", window("2001-01-01")).ok


def test_hydrated_projects_can_be_refused_or_lack_tasks(sandbox: Sandbox, w: str) -> None:
    def hydrated(**settings: Any) -> requests.Response:
        sandbox.settings(**settings)
        return sandbox.get(f"{w}/projects", hydrated="true")

    tasks = [task for row in hydrated(hydrated_done=False).json() for task in row["tasks"]]
    assert {task["status"] for task in tasks} == {"ACTIVE"}
    assert all("tasks" not in row for row in hydrated(hydrated="without_tasks").json())
    assert code(hydrated(hydrated="refused")) == (400, 3000)


def test_a_deleted_user_can_be_read_by_id(sandbox: Sandbox, w: str) -> None:
    workspace = sandbox.workspaces[0]["id"]
    user = next(row for row in sandbox.rows("time_entries") if row["workspaceId"] == workspace)
    user_id = sandbox.info()["users"]["member"] or user["userId"]
    sandbox.delete(workspace, "users", user_id)
    profile, entries = f"{w}/member-profile/{user_id}", f"{w}/user/{user_id}/time-entries"
    assert code(sandbox.get(profile)) == code(sandbox.get(entries)) == (400, 501)
    sandbox.settings(deleted_user_profile="answered", deleted_user_entries="answered")
    assert sandbox.get(profile).json()["name"]
    assert sandbox.get(entries).json()
    sandbox.settings(deleted_user_entries="empty")
    assert sandbox.get(entries).json() == []
    sandbox.settings(missing_entity="404")
    assert code(sandbox.get(f"{w}/tags/64e777123456789012345678")) == (404, 501)


def test_windows_of_entries_can_be_literal_and_hold_their_end(sandbox: Sandbox, w: str) -> None:
    path = owner_entries(sandbox, w)
    entry = sandbox.get(path, **{"page-size": 1}).json()[0]
    start = entry["timeInterval"]["start"]
    bounds = {"end": start, "page-size": 5000}
    sandbox.settings(entry_window="utc")
    assert entry["id"] not in ids(sandbox.get(path, **bounds).json())
    sandbox.settings(entry_end="inclusive")
    assert entry["id"] in ids(sandbox.get(path, **bounds).json())


def test_what_is_deleted_leaves_the_time_entries(sandbox: Sandbox) -> None:
    workspace = sandbox.workspaces[0]["id"]

    def row(entry: str) -> JSON:
        rows = sandbox.rows("time_entries", workspaceId=workspace)
        return next(each for each in rows if each["id"] == entry)

    rows = sandbox.rows("time_entries", workspaceId=workspace)
    entry = next(each for each in rows if each["taskId"] and each["tagIds"])
    sandbox.delete(workspace, "tags", entry["tagIds"][0])
    assert row(entry["id"])["tagIds"] == entry["tagIds"][1:]
    sandbox.delete(workspace, "tasks", entry["taskId"])
    assert row(entry["id"])["taskId"] is None
    assert row(entry["id"])["projectId"] == entry["projectId"]
    sandbox.delete(workspace, "projects", entry["projectId"])
    assert row(entry["id"])["projectId"] is None


def test_a_workspace_can_hide_its_features_and_clients_be_null(sandbox: Sandbox, w: str) -> None:
    assert sandbox.get(w).json()["features"]
    assert any(row["clientId"] == "" for row in sandbox.get(f"{w}/projects").json())
    sandbox.settings(feature_names="absent", empty_client=None)
    assert "features" not in sandbox.get(w).json()
    found = sandbox.get(f"{w}/projects").json()
    assert any(row["clientId"] is None and row["clientName"] is None for row in found)


def test_limits_can_be_told_in_headers(sandbox: Sandbox, free: str) -> None:
    sandbox.settings(limits=True, per_hour_free=1, limit_headers="on")
    assert sandbox.get(f"{free}/tags").ok
    refused = sandbox.get(f"{free}/tags")
    assert refused.status_code == 429
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["Retry-After"] == refused.headers["X-RateLimit-Reset"] == "3600"


def test_what_lists_hold_unless_asked_can_be_set(rich: Sandbox, e: str) -> None:
    def count(path: str, **params: Any) -> int:
        body = rich.get(f"{e}{path}", **params).json()
        return len(body["categories"] if isinstance(body, dict) else body)

    year = {"start": "2020-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
    lists: tuple[tuple[str, JSON], ...] = (
        ("/approval-requests", {}),
        ("/expenses/categories", {}),
        ("/scheduling/assignments/all", year),
    )
    before = [count(path, **params) for path, params in lists]
    rich.settings(approvals_default="pending", categories_default="all", drafts_listed=True)
    after = [count(path, **params) for path, params in lists]
    assert after[0] < before[0]
    assert after[1] > before[1]
    assert after[2] > before[2]
    rich.settings(assignments_year_one="refused")
    old = {**year, "start": "0001-01-01T00:00:00Z"}
    assert code(rich.get(f"{e}/scheduling/assignments/all", **old)) == (400, 501)


def test_the_limits_of_changes_and_of_the_audit_log_can_be_set(rich: Sandbox, e: str) -> None:
    def changes(days: int, ago: int, limit: int = 50) -> requests.Response:
        end = datetime.fromisoformat(NOW[:-1]) - timedelta(days=ago)
        begin = end - timedelta(days=days)
        bounds = {"start": f"{begin.isoformat()}Z", "end": f"{end.isoformat()}Z"}
        return rich.get(f"{e}/entities/created", type="TAGS", limit=limit, **bounds)

    assert changes(31, 0, 1000).ok
    assert changes(1, 60).ok
    rich.settings(change_days=30, change_retention=30, change_page_max=50)
    assert code(changes(31, 0)) == code(changes(1, 60)) == (400, 501)
    assert code(changes(1, 0, 1000)) == (400, 3000)
