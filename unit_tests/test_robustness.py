"""Odd data and odd settings: nothing is lost, nothing is invented, no secret shows."""

from itertools import pairwise
from typing import Any

import pytest
from airbyte_cdk.models import Status
from airbyte_cdk.sources.declarative.incremental import ConcurrentPerPartitionCursor

from source_clockify import SourceClockify
from unit_tests.clockify import (
    API,
    OTHER_WORKSPACE,
    USER,
    WORKSPACE,
    Clockify,
    config,
    entry,
    failure,
    hours_ago,
    ids,
    query,
    read,
    read_ok,
    records,
    warnings,
)

RECENT = config(start_date="2026-11-01T00:00:00Z")


def test_entries_west_of_utc_end_although_their_window_ends_later(
    clockify: Clockify,
) -> None:
    """In Los Angeles an end lies 8 hours later than asked: the same page would come for ever."""
    clockify.workspaces()
    clockify.users(USER)
    rows = [entry(f"{n:024x}", hours_ago(2.8 * n)) for n in range(12)]
    requests = iter(range(20))

    def served() -> list[dict[str, Any]]:
        # An endless loop fails the test instead of hanging it.
        return rows if next(requests, None) is not None else []

    clockify.user_entries(USER, served, zone="America/Los_Angeles", at_most=10)

    output = read_ok("time_entries", with_config=RECENT)

    assert ids(output) == sorted(row["id"] for row in rows)
    assert len(clockify.sent_for("time_entries")) < 6


@pytest.mark.parametrize("interval", [None, {}, {"start": None}])
def test_an_entry_without_a_start_is_a_record_without_a_cursor(
    clockify: Clockify, interval: Any
) -> None:
    clockify.workspaces()
    clockify.users(USER)
    path = f"/workspaces/{WORKSPACE}/user/{USER}/time-entries"
    clockify.answer(path, {"json": [{"id": "1", "timeInterval": interval}]})

    (record,) = records(read_ok("time_entries", with_config=RECENT))

    assert record["id"] == "1"
    assert "start" not in record
    assert "cursor" not in record


def test_an_event_without_its_time_has_no_timestamp(clockify: Clockify) -> None:
    clockify.workspaces()
    row = {"id": "1", "documentCode": "TAGS"}
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/created", {"json": [row]})

    output = read_ok("entity_changes_created", with_config=RECENT)

    assert records(output) == [{**row, "workspaceId": WORKSPACE}]


def test_the_windows_of_events_leave_no_second_out(clockify: Clockify) -> None:
    clockify.workspaces()
    path = f"/workspaces/{WORKSPACE}/entities/created"
    clockify.answer(path, {"json": []})

    read_ok("entity_changes_created", with_config=config(start_date="2026-09-01T00:00:00Z"))

    asked = sorted((query(each)["start"], query(each)["end"]) for each in clockify.sent(path))
    assert len(asked) > 1
    assert all(end == start for (_, end), (start, _) in pairwise(asked))


def test_a_report_begins_before_the_workspace_if_the_start_date_does(clockify: Clockify) -> None:
    """Entries can be imported into a workspace that is younger than they are."""
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    read_ok("detailed_report", with_config=config(start_date="2020-01-01T00:00:00Z"))

    first = min(each.json()["dateRangeStart"] for each in clockify.sent_for("detailed_report"))
    assert first == "2020-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"users": []}},
        {"status_code": 302, "headers": {"Location": "https://elsewhere.example.com/"}},
    ],
    ids=["wrong shape", "redirect"],
)
def test_a_parent_that_fails_in_one_workspace_leaves_the_other_to_be_read(
    clockify: Clockify, answer: dict[str, Any]
) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.answer(f"/workspaces/{WORKSPACE}/users/info", answer, method="POST")
    clockify.users(USER, of=OTHER_WORKSPACE)
    clockify.user_entries(USER, [entry("1", "2026-11-20T08:00:00Z")], of=OTHER_WORKSPACE)

    output = read("time_entries", with_config=RECENT)

    assert ids(output) == ["1"]
    assert failure(output, "time_entries").message


def test_a_refused_user_is_a_part_of_the_workspace(clockify: Clockify) -> None:
    """The key of a plain member reads his own entries and no other's."""
    other = "640000000000000000000043"
    clockify.workspaces()
    clockify.users(USER, other)
    clockify.user_entries(USER, [entry("1", "2026-11-20T08:00:00Z")])
    path = f"/workspaces/{WORKSPACE}/user/{other}/time-entries"
    clockify.answer(path, {"status_code": 403, "json": {"message": "Access Denied"}})

    output = read_ok("time_entries", with_config=RECENT)

    assert ids(output) == ["1"]
    (warning,) = warnings(output)
    assert warning.startswith(f"Workspace {WORKSPACE} (Acme): A part of these streams is skipped")
    assert "time_entries" in warning


@pytest.mark.parametrize("start_date", ["2100-01-01T00:00:00Z", "2024-13-45T00:00:00Z"])
def test_a_start_date_that_cannot_be_meant_is_refused(clockify: Clockify, start_date: str) -> None:
    """A sync would end green and empty, and its state would skip everything up to that day."""
    settings = config(start_date=start_date)

    status = SourceClockify(config=settings).check(None, settings)  # type: ignore[arg-type]

    assert status.status == Status.FAILED
    assert "start_date" in str(status.message)
    assert clockify.sent() == []


def test_a_key_pasted_with_a_line_break_is_sent_without_it(clockify: Clockify) -> None:
    clockify.workspaces()
    settings = config()
    key = settings["credentials"]["api_key"]
    settings["credentials"] = {"auth_type": "api_key", "api_key": f" {key}\n"}

    read_ok("workspaces", with_config=settings)

    assert clockify.sent()[0].headers["X-Api-Key"] == key


def test_fields_that_are_null_count_as_left_out(clockify: Clockify) -> None:
    clockify.workspaces()
    empty = dict.fromkeys(("workspace_ids", "start_date", "lookback_days", "server", "plan"))

    assert ids(read_ok("workspaces", with_config=config(**empty))) == [WORKSPACE]
    assert clockify.sent()[0].url.startswith(API)


def test_partitions_keep_cursors_of_their_own() -> None:
    """With one cursor for all, a workspace that failed would start where the others are."""
    assert ConcurrentPerPartitionCursor.SWITCH_TO_GLOBAL_LIMIT >= 1_000_000
    assert ConcurrentPerPartitionCursor.DEFAULT_MAX_PARTITIONS_NUMBER >= 1_000_000


def test_the_secret_of_a_webhook_is_in_no_debug_line(
    clockify: Clockify, caplog: pytest.LogCaptureFixture
) -> None:
    """With --debug the CDK logs whole bodies."""
    clockify.workspaces()
    webhooks = {"webhooks": [{"id": "1", "authToken": "signs-calls"}]}
    clockify.answer(f"/workspaces/{WORKSPACE}/webhooks", {"json": webhooks})

    read_ok("webhooks", debug=True)

    bodies = [getattr(record, "body", "") for record in caplog.records]
    assert any("authToken" in str(body) for body in bodies)
    assert not any("signs-calls" in f"{record.__dict__}" for record in caplog.records)
