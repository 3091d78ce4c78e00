"""How many requests a sync takes: each listing once, and no more than the plan grants."""

from collections import Counter

import pytest
from freezegun.api import FrozenDateTimeFactory

from unit_tests.clockify import (
    OTHER_WORKSPACE,
    STREAMS,
    WORKSPACE,
    Clockify,
    addon_config,
    config,
    ids,
    query,
    read,
    read_ok,
    records,
    rows,
    statuses,
)
from unit_tests.protocol import records_of

RECENT = {"start_date": "2026-11-01T00:00:00Z"}


def counted(clockify: Clockify) -> dict[str, int]:
    """Return how often each path was asked for."""
    return Counter(request.path.removeprefix("/api/v1") for request in clockify.sent())


@pytest.mark.parametrize("workers", [2, 8])
def test_every_listing_is_fetched_once_however_many_streams_need_it(
    clockify: Clockify, workers: int
) -> None:
    """The CDK's cache has no single flight: streams that start together would each ask."""
    clockify.serve_everything()

    read_ok(*STREAMS, with_config=config(**RECENT, num_workers=workers))

    found = counted(clockify)
    assert found["/workspaces"] == 1
    for of in (WORKSPACE, OTHER_WORKSPACE):
        for listing in (
            "users/info",
            "user-groups",
            "clients",
            "tags",
            "custom-fields",
        ):
            assert found[f"/workspaces/{of}/{listing}"] == 1, listing
        # Once by itself, and once with tasks, of which none is done.
        assert found[f"/workspaces/{of}/projects"] == 2
    of_tasks = [number for path, number in found.items() if path.endswith("/tasks")]
    of_entries = [number for path, number in found.items() if path.endswith("/time-entries")]
    of_profiles = [number for path, number in found.items() if "/member-profile/" in path]
    assert of_tasks == [1] * 4
    assert of_entries == of_profiles == [1] * 6
    # Two workspaces and two windows of at most 31 days.
    assert sum(number for path, number in found.items() if path.endswith("/detailed")) == 4


def test_parents_that_are_not_selected_are_fetched_once_too(clockify: Clockify) -> None:
    clockify.serve_everything()

    output = read_ok("tasks", "time_entries", "member_profiles", with_config=config(num_workers=8))

    found = counted(clockify)
    assert found["/workspaces"] == 1
    for of in (WORKSPACE, OTHER_WORKSPACE):
        assert found[f"/workspaces/{of}/users/info"] == 1
        assert found[f"/workspaces/{of}/projects"] == 2
    assert {record.stream for record in records_of(output)} == {
        "tasks",
        "time_entries",
        "member_profiles",
    }


def test_a_parent_that_no_selected_stream_needs_is_not_fetched(clockify: Clockify) -> None:
    clockify.serve_everything()

    read_ok("tags")

    assert set(counted(clockify)) == {
        "/workspaces",
        f"/workspaces/{WORKSPACE}/tags",
        f"/workspaces/{OTHER_WORKSPACE}/tags",
    }


def test_named_workspaces_are_never_listed(clockify: Clockify) -> None:
    clockify.serve_everything()
    settings = config(**RECENT, workspace_ids=[WORKSPACE], num_workers=8)

    read_ok(*STREAMS, with_config=settings)

    found = counted(clockify)
    assert "/workspaces" not in found
    assert found[f"/workspaces/{WORKSPACE}"] == 1
    assert found[f"/workspaces/{WORKSPACE}/users/info"] == 1
    assert [path for path in found if OTHER_WORKSPACE in path] == []


def test_an_addon_token_takes_as_few_requests(clockify: Clockify) -> None:
    clockify.serve_everything()

    read_ok(*STREAMS, with_config=addon_config(**RECENT, num_workers=8))

    found = counted(clockify)
    assert found[f"/workspaces/{WORKSPACE}/users/info"] == 1
    assert found[f"/workspaces/{WORKSPACE}/projects"] == 2
    assert "/workspaces" not in found


def test_two_reads_in_one_process_do_not_share_answers(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users("u1")
    read_ok("users")
    clockify.users("u1", "u2")

    assert ids(read_ok("users")) == ["u1", "u2"]


def test_every_stream_comes_whole_with_many_workers(clockify: Clockify) -> None:
    clockify.serve_everything()

    output = read_ok(*STREAMS, with_config=config(**RECENT, num_workers=20))

    assert {stream: len(records(output, stream)) for stream in STREAMS} == {
        "workspaces": 2,
        "users": 6,
        "member_profiles": 6,
        "user_groups": 4,
        "clients": 4,
        "projects": 4,
        "tasks": 8,
        "tags": 4,
        "custom_fields": 4,
        "time_entries": 6,
        "time_entries_in_progress": 2,
        "detailed_report": 2,
    }
    assert {statuses(output, stream)[-1] for stream in STREAMS} == {"COMPLETE"}


# The free plan ---------------------------------------------------------------------------------


def test_on_the_free_plan_the_suggested_streams_take_few_requests(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.listing("projects", [{"id": f"p{n}", "tasks": rows(2, 10 * n)} for n in range(50)])
    for resource in ("users", "user-groups", "clients", "tags"):
        clockify.listing(resource, rows(3))
    selected = ("workspaces", "users", "user_groups", "clients", "projects", "tasks", "tags")

    output = read_ok(*selected, with_config=config(plan="free"))

    assert len(records(output, "tasks")) == 100
    assert len(clockify.sent()) == 7


def test_on_the_free_plan_request_31_waits_for_the_next_hour(
    clockify: Clockify, waits: list[float], clock: FrozenDateTimeFactory
) -> None:
    clockify.workspaces()
    users = [f"u{n}" for n in range(40)]
    clockify.users(*users)
    for user in users:
        clockify.user_entries(user, [])
    began = clock().timestamp()

    output = read_ok("time_entries", with_config=config(plan="free"))

    assert statuses(output, "time_entries")[-1] == "COMPLETE"
    assert len(clockify.sent()) == 42
    assert clock().timestamp() - began >= 3599
    assert output.is_in_logs("30 requests an hour")


def test_on_the_paid_plan_fifty_requests_a_second_are_not_exceeded(
    clockify: Clockify, waits: list[float]
) -> None:
    clockify.workspaces()
    users = [f"u{n}" for n in range(120)]
    clockify.users(*users)
    for user in users:
        clockify.user_entries(user, [])

    read_ok("time_entries")

    assert len(clockify.sent()) == 122
    assert sum(wait for wait in waits if wait <= 1) >= 1


def test_the_free_budget_is_one_for_all_hosts_and_streams(
    clockify: Clockify, clock: FrozenDateTimeFactory
) -> None:
    clockify.workspaces()
    users = [f"u{n}" for n in range(20)]
    clockify.users(*users)
    for user in users:
        clockify.user_entries(user, [])
    clockify.detailed_report([])
    began = clock().timestamp()

    settings = config(plan="free", start_date="2026-01-01T00:00:00Z")
    read_ok("time_entries", "detailed_report", with_config=settings)

    assert len(clockify.sent()) > 30
    assert clock().timestamp() - began >= 3599


def test_a_page_is_as_large_as_the_endpoint_grants(clockify: Clockify) -> None:
    clockify.serve_everything()

    read_ok(*STREAMS, with_config=config(**RECENT))

    sizes = {
        request.path.rsplit("/", 1)[-1]: query(request).get("page-size")
        for request in clockify.sent(method="GET")
    }
    paged = ("user-groups", "clients", "projects", "tasks", "tags", "time-entries")
    assert {name: sizes[name] for name in paged} == dict.fromkeys(paged, "5000")
    assert sizes["in-progress"] == "1000"
    assert sizes["custom-fields"] is None
    assert {request.json()["pageSize"] for request in clockify.sent("/users/info")} == {5000}
    reports = clockify.sent("/detailed")
    assert {request.json()["detailedFilter"]["pageSize"] for request in reports} == {1000}


def test_a_stream_that_fails_is_not_asked_for_again_by_its_siblings(clockify: Clockify) -> None:
    """Each stream that needs a broken parent tries it; their tries are bounded."""
    clockify.workspaces()
    clockify.answer(f"/workspaces/{WORKSPACE}/users/info", {"status_code": 500})

    read("time_entries", "member_profiles")

    assert len(clockify.sent("/users/info")) <= 3 * 8
