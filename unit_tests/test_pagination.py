"""Pages: the server is obeyed, and no row is lost, doubled or asked for in vain.

Building the streams takes longer than reading them, so each test reads a group of streams at once:
those that are parents of others, or all the others.
"""

from typing import Any

import pytest

from unit_tests.clockify import (
    PAGE_SIZES,
    WORKSPACE,
    Clockify,
    asked_for,
    config,
    ids,
    read_ok,
    records,
    rows,
    rows_of,
)

PARENTS = ["users", "projects"]
OTHERS = [stream for stream in PAGE_SIZES if stream not in PARENTS]
groups = pytest.mark.parametrize("group", [PARENTS, OTHERS], ids=["parents", "others"])

# The report tells how many rows there are instead of sending Last-Page; see test_report_streams.
WITH_HEADER = [stream for stream in OTHERS if stream != "detailed_report"]
groups_with_header = pytest.mark.parametrize(
    "group", [PARENTS, WITH_HEADER], ids=["parents", "others"]
)

# One window of the report, so that one request is one page.
SETTINGS = config(start_date="2026-01-01T00:00:00Z")


def sent_pages(clockify: Clockify, stream: str) -> list[int]:
    """Return the numbers of the pages that were asked for; of a report in the window with rows."""
    requests = clockify.sent_for(stream)
    if stream == "detailed_report":
        return [
            request.json()["detailedFilter"]["page"]
            for request in requests
            if "2026-11-" in request.json()["dateRangeStart"]
        ]
    return [int(asked_for(request)["page"]) for request in requests]


def counted(group: list[str], output: Any) -> dict[str, tuple[int, int]]:
    """Return how many records, and how many different ids, each stream brought."""
    return {
        stream: (len(records(output, stream)), len(set(ids(output, stream)))) for stream in group
    }


@groups
def test_exactly_one_full_page_takes_one_request(clockify: Clockify, group: list[str]) -> None:
    """The server says that the page was the last, though it is not short."""
    clockify.workspaces()
    for stream in group:
        clockify.serve(stream, rows_of(stream, PAGE_SIZES[stream]))

    output = read_ok(*group, with_config=SETTINGS)

    assert counted(group, output) == {
        stream: (PAGE_SIZES[stream], PAGE_SIZES[stream]) for stream in group
    }
    assert {stream: sent_pages(clockify, stream) for stream in group} == {
        stream: [1] for stream in group
    }


@pytest.mark.parametrize("stream", ["tags", "time_entries_in_progress"])
def test_one_row_more_than_a_page_takes_two_requests(clockify: Clockify, stream: str) -> None:
    count = PAGE_SIZES[stream] + 1
    clockify.workspaces()
    clockify.serve(stream, rows(count))

    output = read_ok(stream)

    assert counted([stream], output) == {stream: (count, count)}
    assert sent_pages(clockify, stream) == [1, 2]


@groups
def test_a_clamped_page_size_loses_nothing(clockify: Clockify, group: list[str]) -> None:
    """A server that serves 20 of the 5000 asked for sends nothing but short pages."""
    clockify.workspaces()
    for stream in group:
        clockify.serve(stream, rows_of(stream, 45), at_most=20)

    output = read_ok(*group, with_config=SETTINGS)

    assert counted(group, output) == dict.fromkeys(group, (45, 45))
    assert {
        stream: sent_pages(clockify, stream) for stream in group if stream != "time_entries"
    } == {stream: [1, 2, 3] for stream in group if stream != "time_entries"}


@groups_with_header
def test_without_the_header_a_short_page_is_the_last(clockify: Clockify, group: list[str]) -> None:
    clockify.workspaces()
    for stream in group:
        clockify.serve(stream, rows_of(stream, 7), last_page="absent")

    output = read_ok(*group)

    assert counted(group, output) == dict.fromkeys(group, (7, 7))
    assert {stream: sent_pages(clockify, stream) for stream in group} == {
        # The largest page of the search for users is unknown, so a short one may be a cut one.
        stream: [1, 2] if stream == "users" else [1]
        for stream in group
    }


@pytest.mark.parametrize("count", [1000, 1001, 2000])
def test_without_the_header_a_full_page_is_followed_by_another(
    clockify: Clockify, count: int
) -> None:
    clockify.workspaces()
    clockify.serve("time_entries_in_progress", rows(count), last_page="absent")

    output = read_ok("time_entries_in_progress")

    assert len(records(output)) == len(set(ids(output))) == count
    assert sent_pages(clockify, "time_entries_in_progress") == list(range(1, count // 1000 + 2))


@groups_with_header
def test_last_page_false_on_a_short_page_goes_on_to_an_empty_page(
    clockify: Clockify, group: list[str]
) -> None:
    """However often the header claims that there is more, an empty page is the end."""
    clockify.workspaces()
    for stream in group:
        served = rows_of(stream, 5)
        pages = [
            {"json": page, "headers": {"Last-Page": "false"}}
            for page in (served[:3], served[3:], [])
        ]
        clockify.serve_responses(stream, *pages)

    output = read_ok(*group)

    assert counted(group, output) == dict.fromkeys(group, (5, 5))
    assert {stream: len(clockify.sent_for(stream)) for stream in group} == dict.fromkeys(group, 3)


@groups_with_header
def test_an_empty_first_page_is_the_last_whatever_the_header_says(
    clockify: Clockify, group: list[str]
) -> None:
    clockify.workspaces()
    for stream in group:
        clockify.serve_responses(stream, {"json": [], "headers": {"Last-Page": "false"}})

    output = read_ok(*group)

    assert counted(group, output) == dict.fromkeys(group, (0, 0))
    assert {stream: len(clockify.sent_for(stream)) for stream in group} == dict.fromkeys(group, 1)


@pytest.mark.parametrize("spelling", ["True", " TRUE "])
def test_the_header_is_understood_in_any_spelling(clockify: Clockify, spelling: str) -> None:
    clockify.workspaces()
    page = {"json": rows(1000), "headers": {"last-page": spelling}}
    clockify.serve_responses("time_entries_in_progress", page, {"json": []})

    assert len(records(read_ok("time_entries_in_progress"))) == 1000
    assert len(clockify.sent_for("time_entries_in_progress")) == 1


def test_a_header_that_says_nothing_is_as_good_as_none(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"json": rows(3), "headers": {"Last-Page": "maybe"}})

    assert len(records(read_ok("tags"))) == 3
    assert len(clockify.sent_for("tags")) == 1


def test_the_children_of_a_parent_on_a_later_page_are_read(clockify: Clockify) -> None:
    clockify.workspaces()
    projects = [{"id": f"p{n}"} for n in range(5)]
    clockify.listing("projects", projects, at_most=2)
    for project in projects:
        clockify.listing(f"projects/{project['id']}/tasks", [{"id": f"of {project['id']}"}])

    assert ids(read_ok("tasks")) == [f"of p{n}" for n in range(5)]


def test_every_page_of_a_parent_is_fetched_once_for_all_its_children(clockify: Clockify) -> None:
    clockify.workspaces()
    users = [{"id": f"u{n}"} for n in range(5)]
    clockify.listing("users", users, at_most=2)
    for user in users:
        clockify.user_entries(user["id"], [])
        path = f"/workspaces/{WORKSPACE}/member-profile/{user['id']}"
        clockify.answer(path, {"json": {"name": "Ada"}})

    read_ok("users", "member_profiles", "time_entries", with_config=config(num_workers=8))

    assert [asked_for(request)["page"] for request in clockify.sent("/users/info")] == [1, 2, 3]


@pytest.mark.parametrize("count", [999, 1000, 1001])
def test_the_manifest_alone_stops_on_a_short_page(clockify: Clockify, count: int) -> None:
    clockify.workspaces()
    clockify.serve("time_entries_in_progress", rows(count), last_page="absent")

    output = read_ok("time_entries_in_progress", manifest_alone=True)

    assert len(records(output)) == len(set(ids(output))) == count
    assert sent_pages(clockify, "time_entries_in_progress") == list(range(1, count // 1000 + 2))
