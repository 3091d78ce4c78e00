"""The totals of planned time, and the custom fields of projects."""

from typing import Any

import pytest

from unit_tests.clockify import (
    PROJECT,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    config,
    messages,
    read,
    read_ok,
    records,
    rows,
    warnings,
)

USERS = f"/workspaces/{WORKSPACE}/scheduling/assignments/user-filter/totals"
PROJECTS = f"/workspaces/{WORKSPACE}/scheduling/assignments/projects/totals"
PATHS = {"scheduling_user_totals": USERS, "scheduling_project_totals": PROJECTS}
each_total = pytest.mark.parametrize("stream", PATHS)
each_layer = pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])


def totals(clockify: Clockify, stream: str, *answers: list[dict[str, Any]]) -> None:
    clockify.workspaces()
    bodies = [{"json": answer} for answer in answers]
    clockify.answer(PATHS[stream], *bodies, method="POST")


def user_row(user: str, **fields: Any) -> dict[str, Any]:
    return {"workspaceId": WORKSPACE, "userId": user, "capacityPerDay": 25200.0, **fields}


def project_row(project: str, task: str | None = None, **fields: Any) -> dict[str, Any]:
    key = {"workspaceId": WORKSPACE, "projectId": project, "taskId": task}
    return {**key, "totalHours": 8.0, **fields}


def full_page(stream: str) -> list[dict[str, Any]]:
    make = user_row if stream == "scheduling_user_totals" else project_row
    return [make(f"{number:024x}") for number in range(200)]


@each_layer
@each_total
def test_totals_are_asked_for_whole_days_with_drafts(
    clockify: Clockify, stream: str, alone: bool
) -> None:
    totals(clockify, stream, [])

    settings = config(lookback_days=10, horizon_days=20)
    read_ok(stream, with_config=settings, manifest_alone=alone)

    (request,) = clockify.sent(PATHS[stream])
    assert request.json() == {
        "start": "2026-11-14T00:00:00Z",
        "end": "2026-12-14T23:59:59Z",
        "statusFilter": "ALL",
        "page": 1,
        "pageSize": 200,
    }


@each_layer
def test_totals_begin_no_earlier_than_the_start_date(clockify: Clockify, alone: bool) -> None:
    totals(clockify, "scheduling_user_totals", [])

    settings = config(start_date="2026-11-20T08:00:00Z")
    read_ok("scheduling_user_totals", with_config=settings, manifest_alone=alone)

    (request,) = clockify.sent(USERS)
    assert request.json()["start"] == "2026-11-20T00:00:00Z"


@each_layer
@each_total
def test_a_full_page_of_totals_is_followed_by_another(
    clockify: Clockify, stream: str, alone: bool
) -> None:
    *page, last = full_page(stream)
    totals(clockify, stream, [*page, {**last, "totalHours": 1.0}], [{**last, "userId": "x"}])
    if stream == "scheduling_project_totals":
        totals(clockify, stream, [*page, last], [{**last, "projectId": "x"}])

    output = read_ok(stream, manifest_alone=alone)

    assert len(records(output)) == 201
    assert [request.json()["page"] for request in clockify.sent(PATHS[stream])] == [1, 2]


@each_total
def test_a_server_that_repeats_a_page_of_totals_fails_the_stream(
    clockify: Clockify, stream: str
) -> None:
    totals(clockify, stream, full_page(stream))

    output = read(stream)

    assert any("same 200 rows on two pages" in str(error.trace) for error in output.errors)
    assert len(clockify.sent(PATHS[stream])) == 2


@each_layer
@pytest.mark.parametrize("nothing", [{"taskId": None}, {"taskId": ""}, {}])
def test_a_plan_for_no_task_has_a_key_without_nulls(
    clockify: Clockify, nothing: dict[str, Any], alone: bool
) -> None:
    row = project_row(PROJECT)
    del row["taskId"]
    totals(clockify, "scheduling_project_totals", [{**row, **nothing}, {**row, "taskId": "t"}])

    output = read_ok("scheduling_project_totals", manifest_alone=alone)

    assert sorted(record["taskId"] for record in records(output)) == ["none", "t"]


def test_a_second_sync_of_a_day_sends_only_totals_that_changed(
    clockify: Clockify, connect: Connect
) -> None:
    stream = "scheduling_project_totals"
    connection = connect(stream, resend_changes=0)
    totals(clockify, stream, [project_row("a"), project_row("b", "t")])
    connection.sync(hours=1)
    first = clockify.sent(PROJECTS)[-1].json()

    second = connection.sync(hours=1)
    totals(clockify, stream, [project_row("a", totalHours=9.0), project_row("b", "t")])
    third = connection.sync(hours=1)

    assert clockify.sent(PROJECTS)[0].json() == first
    assert messages(second) == []
    assert [record["projectId"] for record in messages(third)] == ["a"]


def test_a_total_without_a_plan_in_the_window_becomes_a_tombstone(
    clockify: Clockify, connect: Connect
) -> None:
    stream = "scheduling_project_totals"
    connection = connect(stream, resend_changes=0)
    totals(clockify, stream, [project_row("a"), project_row("b")])
    connection.sync(hours=1)
    totals(clockify, stream, [project_row("a")])

    output = connection.sync(hours=1)

    (message,) = messages(output)
    assert message["_ab_cdc_deleted_at"]
    assert (message["projectId"], message["taskId"]) == ("b", "none")


def test_another_picture_alone_is_no_change_of_a_total(
    clockify: Clockify, connect: Connect
) -> None:
    stream = "scheduling_user_totals"
    connection = connect(stream, resend_changes=0)
    totals(clockify, stream, [user_row(USER, userImage="a")])
    connection.sync(hours=1)
    totals(clockify, stream, [user_row(USER, userImage="b")])

    assert messages(connection.sync(hours=1)) == []


# Custom fields of projects


FIELDS = "/workspaces/{workspace}/projects/{project}/custom-fields"


def project_fields(clockify: Clockify, project: str, *fields: dict[str, Any]) -> None:
    path = FIELDS.format(workspace=WORKSPACE, project=project)
    clockify.answer(path, {"json": list(fields)})


@each_layer
def test_a_custom_field_of_two_projects_is_two_records(clockify: Clockify, alone: bool) -> None:
    clockify.workspaces()
    clockify.listing("projects", rows(2))
    for project in rows(2):
        project_fields(clockify, project["id"], {"id": "f", "workspaceId": WORKSPACE})

    output = read_ok("project_custom_fields", manifest_alone=alone)

    found = [(each["projectId"], each["id"], each["workspaceId"]) for each in records(output)]
    assert sorted(found) == [(project["id"], "f", WORKSPACE) for project in rows(2)]


def test_custom_fields_are_gone_with_their_project(clockify: Clockify, connect: Connect) -> None:
    connection = connect("project_custom_fields", resend_changes=0)
    clockify.workspaces()
    clockify.listing("projects", rows(2))
    for project in rows(2):
        project_fields(clockify, project["id"], {"id": "f"})
    connection.sync()
    clockify.listing("projects", rows(1))
    clockify.by_id("projects", *rows(1))

    output = connection.sync()

    (message,) = messages(output)
    assert message["_ab_cdc_deleted_at"]
    assert (message["projectId"], message["id"]) == (rows(2)[1]["id"], "f")


def test_a_vanished_project_is_left_out_and_named(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.listing("projects", rows(2))
    project_fields(clockify, rows(2)[0]["id"], {"id": "f"})
    gone = {"message": "Project doesn't belong to Workspace", "code": 501}
    path = FIELDS.format(workspace=WORKSPACE, project=rows(2)[1]["id"])
    clockify.answer(path, {"json": gone, "status_code": 400})

    output = read_ok("project_custom_fields")

    assert len(records(output)) == 1
    assert any("project_custom_fields" in warning for warning in warnings(output))
