"""clients, projects, tasks, tags, custom_fields."""

import re
from typing import Any

import pytest
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

from unit_tests.clockify import (
    ODD_IDS,
    OTHER_WORKSPACE,
    PROJECT,
    WORKSPACE,
    Clockify,
    Connect,
    changes,
    config,
    failure,
    ids,
    query,
    read,
    read_ok,
    records,
    rows,
    statuses,
    warnings,
    workspace,
)

LISTED = ["clients", "projects", "tags", "custom_fields"]
FREE = config(plan="free")


@pytest.mark.parametrize("stream", LISTED)
def test_rows_of_all_workspaces_come_as_clockify_sends_them(
    clockify: Clockify, stream: str
) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    row = {
        "id": ODD_IDS[0],
        "workspaceId": WORKSPACE,
        "name": "Ünïcode ✓ 日本語",
        "archived": True,
        "nested": {"null": None, "list": [None, 1, 1.5, "1"]},
    }
    other = {"id": ODD_IDS[1], "workspaceId": OTHER_WORKSPACE, "archived": False}
    clockify.serve(stream, [row])
    clockify.serve(stream, [other], OTHER_WORKSPACE)

    found = records(read_ok(stream))

    assert sorted(found, key=lambda record: record["workspaceId"]) == [row, other]


@pytest.mark.parametrize("stream", [*LISTED, "tasks"])
def test_an_empty_list_gives_no_record_and_no_error(clockify: Clockify, stream: str) -> None:
    clockify.workspaces()
    clockify.serve(stream, [])

    assert records(read_ok(stream)) == []
    assert len(clockify.sent_for(stream)) == 1


@pytest.mark.parametrize(
    ("stream", "parameters"),
    [
        ("clients", {}),
        ("projects", {"sort-column": "ID", "sort-order": "ASCENDING"}),
        ("tasks", {"sort-column": "ID", "sort-order": "ASCENDING"}),
        ("tags", {"sort-column": "ID", "sort-order": "ASCENDING"}),
    ],
)
def test_archived_and_active_come_in_one_listing_of_the_largest_page(
    clockify: Clockify, stream: str, parameters: dict[str, str]
) -> None:
    """`archived` or `is-active`, if sent at all, would leave half of the rows out."""
    clockify.workspaces()
    clockify.serve(stream, rows(3))

    read_ok(stream)

    (request,) = clockify.sent_for(stream)
    assert query(request) == {**parameters, "page": "1", "page-size": "5000"}


@pytest.mark.parametrize("count", [50, 1000, 5000])
def test_custom_fields_are_never_paged(clockify: Clockify, count: int) -> None:
    """Clockify ignores the page there: a paginator would ask for the same rows for ever."""
    clockify.workspaces()
    clockify.serve("custom_fields", rows(count))

    output = read_ok("custom_fields")

    assert len(set(ids(output))) == len(records(output)) == count
    (request,) = clockify.sent_for("custom_fields")
    assert query(request) == {}


def test_tasks_are_read_a_project_each_with_the_workspace_of_their_path(
    clockify: Clockify,
) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.listing("projects", [{"id": "p1", "archived": True}, {"id": "p2"}])
    clockify.listing("projects", [{"id": "p3"}], OTHER_WORKSPACE)
    done = {"id": "t1", "projectId": "p1", "status": "DONE", "assigneeIds": [], "estimate": "PT0S"}
    clockify.listing("projects/p1/tasks", [done, {"id": "t2", "projectId": "p1"}])
    clockify.listing("projects/p2/tasks", [])
    clockify.listing("projects/p3/tasks", [{"id": "t3", "projectId": "p3"}], OTHER_WORKSPACE)

    found = records(read_ok("tasks"))

    assert sorted(found, key=lambda record: record["id"]) == [
        {**done, "workspaceId": WORKSPACE},
        {"id": "t2", "projectId": "p1", "workspaceId": WORKSPACE},
        {"id": "t3", "projectId": "p3", "workspaceId": OTHER_WORKSPACE},
    ]


def test_a_workspace_without_projects_has_no_tasks(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.listing("projects", [])

    assert records(read_ok("tasks")) == []


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_that_look_like_numbers_stay_text(clockify: Clockify, odd: str) -> None:
    clockify.workspaces(odd)
    row = {"id": odd, "workspaceId": odd}
    clockify.listing("clients", [{**row, "clientId": odd}], odd)
    clockify.listing("projects", [{**row, "clientId": odd}], odd)
    clockify.listing(f"projects/{odd}/tasks", [{"id": odd, "projectId": odd}], odd)
    clockify.listing("tags", [row], odd)
    clockify.answer(f"/workspaces/{odd}/custom-fields", {"json": [row]})

    for settings in (config(), config(workspace_ids=[odd])):
        output = read_ok(*LISTED, "tasks", with_config=settings)

        assert records(output, "clients") == [{**row, "clientId": odd}]
        assert records(output, "projects") == [{**row, "clientId": odd}]
        assert records(output, "tasks") == [{"id": odd, "projectId": odd, "workspaceId": odd}]
        assert records(output, "tags") == [row]
        assert records(output, "custom_fields") == [row]


def test_a_plan_that_lacks_custom_fields_costs_a_warning_and_no_request(
    clockify: Clockify,
) -> None:
    lacking: dict[str, Any] = {"featureSubscriptionType": "STANDARD_2021", "features": ["TIME_OFF"]}
    clockify.workspaces(
        workspace(name="Small", **lacking),
        workspace(OTHER_WORKSPACE, featureSubscriptionType="A", features=["CUSTOM_FIELDS"]),
    )
    clockify.serve("custom_fields", rows(1))
    clockify.serve("custom_fields", rows(1, 5), OTHER_WORKSPACE)

    output = read_ok("custom_fields")

    assert ids(output) == [rows(1, 5)[0]["id"]]
    assert clockify.sent_for("custom_fields") == []
    (warning,) = warnings(output)
    for part in (WORKSPACE, "Small", "STANDARD_2021", "Pro plan"):
        assert part in warning


# Tasks in the project list ------------------------------------------------------------------------


def hydrated(identifier: str, *tasks: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "name": "Project", "tasks": list(tasks)}


def done(identifier: str, project: str) -> dict[str, Any]:
    return {"id": identifier, "projectId": project, "status": "DONE"}


def active(identifier: str, project: str) -> dict[str, Any]:
    return {"id": identifier, "projectId": project, "status": "ACTIVE"}


def ids_of_tasks(output: EntrypointOutput) -> list[str]:
    return sorted(record["id"] for record in records(output, "tasks"))


def is_hydrated(request: Any) -> bool:
    return query(request).get("hydrated") == "true"


def answer_hydrated(clockify: Clockify, answer: dict[str, Any], page: str = "1") -> None:
    """Answer this page of the hydrated project list in another way than `listing` does."""
    clockify.mocker.register_uri(
        "GET",
        re.compile(re.escape(f"{clockify.api}/workspaces/{WORKSPACE}/projects?")),
        [answer],
        additional_matcher=lambda request: is_hydrated(request) and query(request)["page"] == page,
    )


def test_a_done_task_in_the_project_list_saves_a_request_a_project(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    task = {**done("t1", "p1"), "assigneeIds": [], "favorite": True}
    clockify.listing(
        "projects", [hydrated("p1", task), hydrated("p2", active("t2", "p2")), hydrated("p3")]
    )

    found = records(read_ok("tasks"))

    assert sorted(found, key=lambda record: record["id"]) == [
        {**done("t1", "p1"), "assigneeIds": [], "workspaceId": WORKSPACE},
        {**active("t2", "p2"), "workspaceId": WORKSPACE},
    ]
    (request,) = clockify.sent("/projects")
    assert is_hydrated(request)
    assert clockify.sent("/tasks") == []


def test_a_done_task_of_one_workspace_proves_nothing_for_another(clockify: Clockify) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.listing("projects", [hydrated("p1", done("t1", "p1"))])
    clockify.listing("projects", [hydrated("p2", active("t2", "p2"))], OTHER_WORKSPACE)
    clockify.listing("projects/p2/tasks", [active("t2", "p2"), done("t3", "p2")], OTHER_WORKSPACE)

    assert ids_of_tasks(read_ok("tasks")) == ["t1", "t2", "t3"]


def test_a_done_task_on_the_last_page_proves_the_whole_list(clockify: Clockify) -> None:
    clockify.workspaces()
    projects = [hydrated(f"p{n}", active(f"t{n}", f"p{n}")) for n in range(24)]
    clockify.listing("projects", [*projects, hydrated("p24", done("t24", "p24"))], at_most=10)

    assert ids_of_tasks(read_ok("tasks")) == sorted(f"t{n}" for n in range(25))
    assert clockify.sent("/tasks") == []


@pytest.mark.parametrize(
    "answer",
    [
        {"json": [hydrated("p1", done("t1", "p1")), {"id": "p2"}]},
        {"json": {"code": 3000, "message": "hydrated is not allowed"}, "status_code": 400},
        {"json": {"code": 501, "message": "Access Denied"}, "status_code": 403},
        {"text": "<html>Blocked</html>", "status_code": 403},
        {"text": "", "status_code": 503},
        {"text": "[", "status_code": 200},
    ],
    ids=["a project without tasks", "refused", "forbidden", "firewall", "503", "cut off"],
)
def test_a_project_list_that_does_not_serve_costs_requests_and_no_task(
    clockify: Clockify, answer: dict[str, Any]
) -> None:
    clockify.workspaces()
    clockify.listing("projects", [{"id": "p1"}, {"id": "p2"}])
    answer_hydrated(clockify, answer)
    clockify.listing("projects/p1/tasks", [done("t1", "p1")])
    clockify.listing("projects/p2/tasks", [active("t2", "p2")])

    output = read_ok("tasks")

    assert ids_of_tasks(output) == ["t1", "t2"]
    assert warnings(output) == []


def test_a_page_of_the_project_list_that_fails_leaves_no_project_out(clockify: Clockify) -> None:
    clockify.workspaces()
    projects = [hydrated(f"p{n}", done(f"t{n}", f"p{n}")) for n in range(3)]
    clockify.listing("projects", projects, at_most=2)
    answer_hydrated(clockify, {"status_code": 503, "text": ""}, page="2")
    for n in range(3):
        clockify.listing(f"projects/p{n}/tasks", [done(f"t{n}", f"p{n}")])

    assert ids_of_tasks(read_ok("tasks")) == ["t0", "t1", "t2"]


def test_a_later_sync_in_the_other_way_sends_nothing_again(
    clockify: Clockify, connect: Connect
) -> None:
    """The first done task changes how tasks are read, and no other task."""
    clockify.workspaces()
    clockify.listing("projects", [hydrated("p1", active("t1", "p1")), hydrated("p2")])
    clockify.listing("projects/p1/tasks", [active("t1", "p1")])
    clockify.listing("projects/p2/tasks", [])
    connection = connect("tasks")
    connection.sync()
    marked = {**active("t1", "p1"), "favorite": False}
    clockify.listing("projects", [hydrated("p1", marked), hydrated("p2", done("t2", "p2"))])

    assert changes(connection.sync()) == ["+t2"]


def test_on_the_free_plan_a_list_without_a_done_task_warns(clockify: Clockify) -> None:
    clockify.workspaces(
        workspace(featureSubscriptionType="FREE"),
        workspace(OTHER_WORKSPACE, featureSubscriptionType="FREE"),
    )
    clockify.listing("projects", [hydrated("p1", active("t1", "p1"))])
    clockify.listing("projects", [hydrated("p2", done("t2", "p2"))], OTHER_WORKSPACE)

    output = read_ok("tasks", with_config=FREE)

    assert ids_of_tasks(output) == ["t1", "t2"]
    (warning,) = warnings(output)
    for part in (WORKSPACE, "may omit done tasks", "Request Budget (plan)"):
        assert part in warning


def test_on_the_free_plan_projects_without_any_task_warn_too(clockify: Clockify) -> None:
    """All their tasks may be done and hidden."""
    clockify.workspaces(workspace(featureSubscriptionType="FREE"))
    clockify.listing("projects", [hydrated("p1")])

    (warning,) = warnings(read_ok("tasks", with_config=FREE))

    assert "may omit done tasks" in warning


def test_on_the_free_plan_no_project_means_no_warning(clockify: Clockify) -> None:
    clockify.workspaces(workspace(featureSubscriptionType="FREE"))
    clockify.listing("projects", [])

    assert warnings(read_ok("tasks", with_config=FREE)) == []


# Tasks on the free plan ------------------------------------------------------------------------


def test_on_the_free_plan_all_tasks_take_one_request(clockify: Clockify) -> None:
    """One request for each project would use up the 30 of an hour."""
    clockify.workspaces()
    odd = ODD_IDS[0]
    projects = [
        hydrated("p1", {"id": odd, "projectId": "p1"}, {"id": "t2", "projectId": "p1"}),
        hydrated("p2"),
        hydrated("p3", {"id": "t3", "projectId": "p3", "assigneeIds": [odd]}),
    ]
    clockify.listing("projects", projects)

    found = records(read_ok("tasks", with_config=FREE))

    assert sorted(found, key=lambda record: record["id"]) == [
        {"id": odd, "projectId": "p1", "workspaceId": WORKSPACE},
        {"id": "t2", "projectId": "p1", "workspaceId": WORKSPACE},
        {"id": "t3", "projectId": "p3", "assigneeIds": [odd], "workspaceId": WORKSPACE},
    ]
    (request,) = clockify.sent("/projects")
    assert query(request)["hydrated"] == "true"
    assert clockify.sent("/tasks") == []


def test_on_both_plans_the_tasks_are_the_same(clockify: Clockify) -> None:
    clockify.serve_everything()

    paid = records(read_ok("tasks"))
    free = records(read_ok("tasks", with_config=FREE))

    assert len(paid) == 8
    assert sorted(free, key=lambda row: row["id"]) == sorted(paid, key=lambda row: row["id"])


def test_on_the_free_plan_projects_themselves_stay_small(clockify: Clockify) -> None:
    clockify.serve_everything()

    read_ok("projects", with_config=FREE)

    assert all("hydrated" not in query(request) for request in clockify.sent("/projects"))


@pytest.mark.parametrize(
    "projects",
    [[{"id": PROJECT}], [hydrated("p1", {"id": "t1"}), {"id": PROJECT}]],
    ids=["none has tasks", "one has no tasks"],
)
def test_on_the_free_plan_a_list_without_tasks_fails_and_says_what_to_do(
    clockify: Clockify, projects: list[dict[str, Any]]
) -> None:
    """The hydrated shape is not documented; were it to change, tasks would silently be gone."""
    clockify.workspaces()
    clockify.listing("projects", projects)

    output = read("tasks", with_config=FREE)

    assert statuses(output, "tasks")[-1] == "INCOMPLETE"
    assert "project list came without tasks" in failure(output, "tasks").message
    assert "Request Budget (plan)" in failure(output, "tasks").message
    assert records(output) == []


def test_on_the_free_plan_no_project_means_no_task_and_no_error(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.listing("projects", [])

    assert records(read_ok("tasks", with_config=FREE)) == []


def test_on_the_free_plan_a_clamped_page_size_loses_no_task(clockify: Clockify) -> None:
    clockify.workspaces()
    projects = [hydrated(f"p{n}", {"id": f"t{n}", "projectId": f"p{n}"}) for n in range(25)]
    clockify.listing("projects", projects, at_most=10)

    assert ids(read_ok("tasks", with_config=FREE)) == sorted(f"t{n}" for n in range(25))
