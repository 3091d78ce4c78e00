"""Change tracking: what a sync sends in every situation in which it can begin."""

import re
import threading
from typing import Any

import pytest

from source_clockify.change_tracking import checkpoint
from source_clockify.change_tracking.budget import StateBudget
from unit_tests.clockify import (
    API,
    NOW,
    ODD_IDS,
    OTHER_WORKSPACE,
    REPORTS,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    blob_of,
    changes,
    config,
    entry,
    final_state,
    gone,
    hours_ago,
    ids,
    message_of,
    messages,
    on,
    partitions_of,
    query,
    read_ok,
    report_row,
    rows,
    state_of,
    warnings,
)
from unit_tests.protocol import logs_of, present, states_of, stream_of

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def tag(identifier: str, name: str = "old") -> dict[str, Any]:
    return {"id": identifier, "name": name, "workspaceId": WORKSPACE}


def stamps(output: Any, column: str, stream: str | None = None) -> set[str]:
    return {message[column] for message in messages(output, stream)}


# From sync to sync -----------------------------------------------------------------------------


def test_the_first_sync_sends_every_record(clockify: Clockify, connect: Connect) -> None:
    clockify.serve("tags", [tag("a"), tag("b")])

    output = connect("tags").sync()

    assert changes(output) == ["+a", "+b"]
    assert message_of(output, "a") == {
        **tag("a"),
        "_ab_cdc_updated_at": "2026-11-24T09:00:00.000Z",
        "_ab_cdc_baseline_at": "2026-11-24T09:00:00.000Z",
    }


def test_a_later_sync_sends_new_and_edited_records_and_tombstones(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [tag("edited"), tag("gone"), tag("same")])
    connection.sync()
    clockify.serve("tags", [tag("edited", "new"), tag("new"), tag("same")])
    clockify.by_id("tags")

    output = connection.sync()

    assert changes(output) == ["+edited", "+new", "-gone"]
    assert message_of(output, "edited") == {
        **tag("edited", "new"),
        "_ab_cdc_updated_at": "2026-11-25T09:00:00.000Z",
        "_ab_cdc_baseline_at": "2026-11-24T09:00:00.000Z",
    }


def test_a_sync_in_which_nothing_changed_sends_nothing_but_a_state(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "time_entries")
    clockify.serve("tags", [tag("a")])
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4))])
    connection.sync()

    output = connection.sync()

    assert messages(output) == []
    assert {stream_of(state) for state in states_of(output)} == {"tags", "time_entries"}


def test_an_edit_that_is_undone_is_an_edit(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags", resend_changes=0)
    for name in ("old", "new", "old"):
        clockify.serve("tags", [tag("a", name)])

        assert changes(connection.sync()) == ["+a"]


def test_a_deleted_record_that_is_restored_is_sent_as_new(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    clockify.by_id("tags")
    clockify.serve("tags", [tag("a"), tag("b")])
    connection.sync()
    clockify.serve("tags", [tag("b")])
    assert changes(connection.sync()) == ["-a"]
    clockify.serve("tags", [tag("a"), tag("b")])

    assert changes(connection.sync()) == ["+a"]
    assert changes(connection.sync()) == []


def test_every_stream_goes_on_from_its_own_state(clockify: Clockify, connect: Connect) -> None:
    """A stream that is new in an existing connection is read whole, the others are not."""
    connection = connect("tags")
    clockify.serve("tags", [tag("a")])
    clockify.serve("clients", [{"id": "c"}])
    connection.sync()
    wider = connect("tags", "clients")
    wider.states = connection.states

    output = wider.sync()

    assert changes(output) == ["+c"]
    assert stamps(output, "_ab_cdc_baseline_at") == {"2026-11-25T09:00:00.000Z"}


def test_a_full_refresh_sends_every_record_and_no_tombstone(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "time_entries")
    clockify.serve("tags", [tag("a"), tag("gone")])
    clockify.serve("time_entries", [entry("old", "2019-01-01T00:00:00Z", "2019-01-01T01:00:00Z")])
    connection.sync()
    clockify.serve("tags", [tag("a")])

    output = read_ok("tags", "time_entries", state=connection.states)

    assert changes(output) == ["+a", "+old"]
    for message in messages(output):
        assert message["_ab_cdc_updated_at"] == message["_ab_cdc_baseline_at"]
        assert STAMP.fullmatch(message["_ab_cdc_updated_at"])
    assert "start" not in query(clockify.sent_for("time_entries")[-1])


def test_a_full_refresh_of_everything_has_the_columns_on_every_record(clockify: Clockify) -> None:
    clockify.serve_everything()

    output = read_ok("users", "projects", "tasks", "time_entries", "detailed_report")

    assert len(messages(output)) > 20
    assert stamps(output, "_ab_cdc_updated_at") == stamps(output, "_ab_cdc_baseline_at")
    assert len(stamps(output, "_ab_cdc_updated_at")) == 1
    assert not any("_ab_cdc_deleted_at" in message for message in messages(output))


def test_without_change_tracking_a_full_refresh_has_no_columns(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("tags", [tag("a")])

    output = read_ok("tags", with_config=config(track_changes=False))

    assert messages(output) == [tag("a")]


# Interruptions and retries ---------------------------------------------------------------------


def test_an_interrupted_baseline_goes_on_with_the_users_that_are_not_done(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS_PER_MEGABYTE", 0)
    connection = connect("time_entries", num_workers=2)
    users = [f"u{n}" for n in range(5)]
    clockify.users(*users)
    for user in users:
        old = entry(f"old of {user}", "2019-01-01T00:00:00Z", "2019-01-01T01:00:00Z")
        clockify.user_entries(user, [entry(f"e of {user}", hours_ago(5), hours_ago(4)), old])
    served = [entry("e of u4", hours_ago(5), hours_ago(4)), old]
    has_left = threading.Event()
    sent = StateBudget.sent

    def set_and_send(budget: StateBudget, name: str, *, is_limited: bool = False) -> None:
        sent(budget, name, is_limited=is_limited)
        has_left.set()

    def after_a_state() -> list[dict[str, Any]]:
        assert has_left.wait(10)
        return served

    monkeypatch.setattr(StateBudget, "sent", set_and_send)
    clockify.user_entries("u4", after_a_state)
    first = connection.sync()
    middle = states_of(first)[0]
    done = {user for _, user in partitions_of(middle)}
    assert 0 < len(done) < len(users)
    connection.states = [state_of("time_entries", blob_of(middle))]

    second = connection.sync(hours=0.1)

    left = [user for user in users if user not in done]
    assert changes(second) == sorted(f"+{kind} of {user}" for kind in ("e", "old") for user in left)
    assert stamps(second, "_ab_cdc_baseline_at") == stamps(first, "_ab_cdc_baseline_at")


def test_no_state_overtakes_its_records(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS_PER_MEGABYTE", 0)
    connection = connect("time_entries", num_workers=8)
    users = [f"u{n:02}" for n in range(12)]
    clockify.users(*users)
    for number, user in enumerate(users):
        entries = [
            entry(row["id"], hours_ago(n + 1), hours_ago(n), userId=user)
            for n, row in enumerate(rows(20, 1000 * number))
        ]
        clockify.user_entries(user, entries)

    output = connection.sync()

    sent: dict[str, int] = {}
    states = 0
    for message in output.records_and_state_messages:
        if message.record is not None:
            user = message.record.data["userId"]
            sent[user] = sent.get(user, 0) + 1
        else:
            states += 1
            for _, user in partitions_of(present(message.state)):
                assert sent[user] == 20
    assert states > len(users) // 2


def test_a_retry_after_a_failure_repeats_nothing_that_the_state_tells_of(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [entry("e1", hours_ago(5), hours_ago(4))])
    path = f"/workspaces/{WORKSPACE}/user/u2/time-entries"
    clockify.answer(path, {"status_code": 400, "json": {"code": 1, "message": "No"}})
    first = connection.sync(fails=True)
    assert first.errors
    clockify.user_entries("u2", [entry("e2", hours_ago(5), hours_ago(4))])

    second = connection.sync(hours=0.1)

    assert (changes(first), changes(second)) == (["+e1"], ["+e2"])


def test_a_failed_partition_keeps_the_time_of_its_last_read(
    clockify: Clockify, connect: Connect
) -> None:
    """What was entered while it failed is not lost, however long it failed."""
    connection = connect("time_entries", lookback_days=1)
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4))])
    connection.sync()
    failing = {"status_code": 400, "json": {"code": 1, "message": "No"}}
    clockify.serve_responses("time_entries", failing)
    connection.sync(hours=24 * 10, fails=True)
    late = entry("late", hours_ago(-24), hours_ago(-25))
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4)), late])

    assert changes(connection.sync()) == ["+late"]


# Tracking off and on ---------------------------------------------------------------------------


def test_without_tracking_the_cursor_starts_at_last_read_less_lookback(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", lookback_days=5)
    clockify.serve("time_entries", [entry("e", hours_ago(50), hours_ago(49))])
    connection.sync()

    output = connection.sync(track_changes=False)

    # Five days before the first sync, and the day for the account's time zone.
    assert query(clockify.sent_for("time_entries")[-1])["start"] == "2026-11-18T09:00:00Z"
    assert ids(output) == ["e"]
    assert not any(name.startswith("_ab_cdc_") for name in messages(output)[0])


def test_with_tracking_off_a_listing_is_read_whole(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    clockify.serve("tags", [tag("a")])
    connection.sync()

    assert messages(connection.sync(track_changes=False)) == [tag("a")]


def test_tracking_that_is_on_again_begins_with_a_baseline_and_says_so(
    clockify: Clockify, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect("time_entries")
    old = entry("old", "2019-01-01T00:00:00Z", "2019-01-01T01:00:00Z")
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4)), old])
    first = connection.sync()
    connection.sync(track_changes=False)

    third = connection.sync(track_changes=True)

    assert changes(third) == ["+e", "+old"]
    assert stamps(third, "_ab_cdc_baseline_at") == {"2026-11-26T09:00:00.000Z"}
    assert stamps(third, "_ab_cdc_baseline_at") != stamps(first, "_ab_cdc_baseline_at")
    assert [message for message in caplog.messages if "without change tracking" in message] == [
        "time_entries: its state comes from a sync without change tracking, so the stream is read "
        "from the beginning, and every record is sent."
    ]


def test_a_state_of_the_manifest_alone_is_a_baseline_with_a_warning(
    clockify: Clockify, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    clockify.serve("time_entries", [entry("old", "2019-01-01T00:00:00Z", "2019-01-01T01:00:00Z")])
    alone = read_ok("time_entries", incremental=True, manifest_alone=True)
    connection = connect("time_entries")
    connection.states = [final_state(alone, "time_entries")]

    output = connection.sync()

    assert changes(output) == ["+old"]
    assert "time_entries: its state comes from a sync without change tracking" in caplog.text
    assert changes(connection.sync()) == []


# Workspaces and users that come and go -----------------------------------------------------------


def test_a_workspace_that_is_new_is_read_from_the_beginning(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4))])
    connection.sync()
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    old = entry("old", "2019-01-01T00:00:00Z", "2019-01-01T01:00:00Z")
    clockify.serve("time_entries", [on("2026-11-20", "recent"), old], OTHER_WORKSPACE)

    output = connection.sync()

    assert changes(output) == ["+old", "+recent"]
    # It is new to a later sync, whose loss must be repaired; its history is what Refresh is for.
    assert changes(connection.sync()) == ["+recent"]
    assert changes(connection.sync()) == []


def test_a_workspace_that_is_no_longer_visible_is_not_taken_for_deleted(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("workspaces", "tags", "time_entries")
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    for number, of in enumerate((WORKSPACE, OTHER_WORKSPACE)):
        clockify.serve("tags", [tag(f"t{number}")], of)
        clockify.serve("time_entries", [entry(f"e{number}", hours_ago(5), hours_ago(4))], of)
    connection.sync()
    clockify.workspaces(WORKSPACE)

    lost = connection.sync()
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.serve("tags", [tag("t1", "new")], OTHER_WORKSPACE)
    back = connection.sync()

    assert changes(lost) == []
    assert any(OTHER_WORKSPACE in warning for warning in warnings(lost))
    assert changes(back) == ["+t1"]


def test_workspaces_are_added_and_removed_through_workspace_ids(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", workspace_ids=[WORKSPACE], resend_changes=0)
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.users(USER, of=OTHER_WORKSPACE)
    clockify.serve("tags", [tag("a")])
    clockify.serve("tags", [tag("b")], OTHER_WORKSPACE)

    assert changes(connection.sync()) == ["+a"]
    assert changes(connection.sync(workspace_ids=[WORKSPACE, OTHER_WORKSPACE])) == ["+b"]
    assert changes(connection.sync(workspace_ids=[OTHER_WORKSPACE])) == []
    assert changes(connection.sync(workspace_ids=[])) == []


def test_a_user_who_is_new_is_read_from_the_beginning(clockify: Clockify, connect: Connect) -> None:
    connection = connect("time_entries")
    clockify.users("u1")
    clockify.user_entries("u1", [entry("e1", hours_ago(5), hours_ago(4))])
    connection.sync()
    clockify.users("u1", "u2")
    clockify.user_entries("u2", [entry("old", "2019-01-01T00:00:00Z", "2019-01-01T01:00:00Z")])

    assert changes(connection.sync()) == ["+old"]


def test_an_entry_that_a_new_user_has_twice_is_sent_once(
    clockify: Clockify, connect: Connect
) -> None:
    """It was moved back while the entries were read, long before those that are remembered."""
    connection = connect("time_entries")
    clockify.users("u1")
    clockify.user_entries("u1", [])
    connection.sync()
    clockify.users("u1", "u2")
    others = [entry(f"e{n}", hours_ago(130 + 6 * n), hours_ago(129 + 6 * n)) for n in range(2500)]
    moved = [entry("moved", hours_ago(hours), hours_ago(hours - 1)) for hours in (120, 15_500)]
    clockify.user_entries("u2", [moved[0], *others, moved[1]])

    assert changes(connection.sync()).count("+moved") == 1


def test_entries_of_an_unlisted_user_live_on_and_are_read_by_id(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "left")
    clockify.user_entries("u1", [entry("e1", hours_ago(5), hours_ago(4))])
    theirs = [entry(f"e{n}", hours_ago(n), hours_ago(n - 1), userId="left") for n in (2, 3, 4)]
    clockify.user_entries("left", theirs)
    connection.sync()
    clockify.users("u1")
    clockify.answer(f"/workspaces/{WORKSPACE}/user/left/time-entries", gone())
    edited = {**theirs[1], "description": "edited"}
    clockify.by_id("time-entries", theirs[0], edited)

    output = connection.sync()

    assert changes(output) == ["+e3", "-e4"]
    assert message_of(output, "e3")["description"] == "edited"
    assert message_of(output, "e4")["userId"] == "left"


# Configuration that changes ----------------------------------------------------------------------


def test_a_longer_lookback_sends_the_forgotten_stretch_once_as_new(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", lookback_days=10)
    clockify.serve("time_entries", [on("2026-11-20"), on("2026-11-01"), on("2025-01-01")])
    connection.sync()

    output = connection.sync(lookback_days=30)

    assert changes(output) == ["+2026-11-01"]
    assert any("lookback_days" in log.message for log in logs_of(output))
    assert changes(connection.sync()) == []


def test_a_shorter_lookback_forgets_records_without_tombstones(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", lookback_days=30)
    clockify.serve("time_entries", [on("2026-11-20"), on("2026-11-01")])
    connection.sync()
    clockify.serve("time_entries", [on("2026-11-20")])

    assert changes(connection.sync(lookback_days=10)) == []


def test_an_earlier_start_date_reads_the_missing_stretch_once(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", start_date="2026-06-01T00:00:00Z")
    days = ("2026-11-20", "2026-07-01", "2026-05-01", "2026-01-01", "2025-01-01")
    clockify.serve("time_entries", [on(day) for day in days])
    assert changes(connection.sync()) == ["+2026-07-01", "+2026-11-20"]

    earlier = connection.sync(start_date="2026-01-01T00:00:00Z")
    whole = connection.sync(start_date=None)

    assert changes(earlier) == ["+2026-01-01", "+2026-05-01"]
    assert changes(whole) == ["+2025-01-01"]
    assert changes(connection.sync()) == []
    assert query(clockify.sent_for("time_entries")[-1])["start"] > "2026-10"


def test_a_later_start_date_forgets_records_without_tombstones(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.serve("time_entries", [on("2026-11-20"), on("2026-11-10")])
    connection.sync()

    output = connection.sync(start_date="2026-11-15T00:00:00Z")

    assert changes(output) == []
    assert clockify.sent("/time-entries/batch") == []


# A clock that is wrong -------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-0.5, -24, -24 * 400])
def test_a_clock_that_runs_behind_turns_no_version_back_and_loses_nothing(
    clockify: Clockify, connect: Connect, hours: float
) -> None:
    connection = connect("tags", "time_entries")
    clockify.serve("tags", [tag("a")])
    clockify.serve("time_entries", [on("2026-11-20")])
    connection.sync()
    clockify.serve("tags", [tag("a", "new")])
    clockify.serve("time_entries", [on("2026-11-20"), on("2026-11-22")])

    behind = connection.sync(hours=hours)
    clockify.serve("tags", [tag("a", "newer")])
    clockify.serve("time_entries", [on("2026-11-20"), on("2026-11-22"), on("2026-11-23")])
    again = connection.sync(hours=24 - hours)

    assert changes(behind) == ["+2026-11-22", "+a"]
    assert "+2026-11-23" in changes(again)
    versions = [message_of(output, "a")["_ab_cdc_updated_at"] for output in (behind, again)]
    assert versions == ["2026-11-24T09:00:00.001Z", "2026-11-25T09:00:00.000Z"]


# The columns -----------------------------------------------------------------------------------


def test_all_messages_of_a_sync_but_those_sent_again_have_one_version(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("projects", "time_entries", resend_changes=0)
    clockify.listing("projects", rows(20, name="old"))
    clockify.users("u1", "u2", "u3")
    for user in ("u1", "u2", "u3"):
        clockify.user_entries(user, [entry(f"e{user}", hours_ago(5), hours_ago(4))])
    first = connection.sync()
    clockify.listing("projects", rows(18, name="new"))
    clockify.by_id("projects")
    clockify.by_id("time-entries")
    clockify.user_entries("u1", [])
    clockify.user_entries("u2", [])

    second = connection.sync()

    for stream, sent in (("projects", 20), ("time_entries", 3)):
        assert len(messages(first, stream)) == sent
        assert stamps(first, "_ab_cdc_updated_at", stream) == {"2026-11-24T09:00:00.000Z"}
        assert stamps(second, "_ab_cdc_updated_at", stream) == {"2026-11-25T09:00:00.000Z"}
    assert changes(second, "time_entries") == ["-eu1", "-eu2"]
    assert len(messages(second, "projects")) == 20


def test_syncs_within_the_same_millisecond_have_different_versions(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    seen = []
    for name in ("one", "two", "three"):
        clockify.serve("tags", [tag("a", name)])
        seen.append(message_of(connection.sync(hours=0), "a")["_ab_cdc_updated_at"])

    assert seen == [f"2026-11-24T09:00:00.00{n}Z" for n in range(3)]


def test_the_baseline_stays_until_the_state_is_cleared(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    found = []
    for name in ("one", "two", "three"):
        clockify.serve("tags", [tag("a", name)])
        found.append(message_of(connection.sync(), "a")["_ab_cdc_baseline_at"])
    refreshed = connect("tags")
    refreshed.states = []

    assert found == ["2026-11-24T09:00:00.000Z"] * 3
    assert stamps(refreshed.sync(), "_ab_cdc_baseline_at") == {"2026-11-25T09:00:00.000Z"}


def test_versions_of_different_streams_do_not_depend_on_each_other(
    clockify: Clockify, connect: Connect
) -> None:
    """Each column counts within its stream only."""
    connection = connect("tags", "clients", resend_changes=0)
    clockify.serve("tags", [tag("a")])
    clockify.serve("clients", [{"id": "c"}])
    connection.sync()
    assert connection.states is not None
    connection.states = [state for state in connection.states if stream_of(state) == "tags"]
    clockify.serve("tags", [tag("a", "new")])

    output = connection.sync(hours=0)

    assert stamps(output, "_ab_cdc_updated_at", "tags") == {"2026-11-24T09:00:00.001Z"}
    assert stamps(output, "_ab_cdc_updated_at", "clients") == {"2026-11-24T09:00:00.000Z"}


TOMBSTONE = {
    "_ab_cdc_updated_at": "2026-11-25T09:00:00.000Z",
    "_ab_cdc_baseline_at": "2026-11-24T09:00:00.000Z",
    "_ab_cdc_deleted_at": "2026-11-25T09:00:00.000Z",
}


@pytest.mark.parametrize("odd", ODD_IDS)
def test_a_tombstone_of_a_listing_has_the_key_and_the_workspace(
    clockify: Clockify, connect: Connect, odd: str
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [tag(odd), tag("b")])
    connection.sync()
    clockify.serve("tags", [tag("b")])
    clockify.by_id("tags")

    (found,) = messages(connection.sync())

    assert found == {"id": odd, "workspaceId": WORKSPACE, **TOMBSTONE}


def test_a_tombstone_of_a_user_has_both_parts_of_the_key(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("users")
    clockify.users("u1", USER)
    connection.sync()
    clockify.users(USER)
    clockify.by_id("member-profile")

    (found,) = messages(connection.sync())

    assert found == {"id": "u1", "workspaceId": WORKSPACE, **TOMBSTONE}


def test_a_tombstone_of_a_task_names_its_project(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tasks")
    clockify.listing("projects", [{"id": "p"}])
    clockify.listing("projects/p/tasks", [{"id": "t"}, {"id": "kept"}])
    connection.sync()
    clockify.listing("projects/p/tasks", [{"id": "kept"}])
    clockify.by_id("projects/p/tasks")

    (found,) = messages(connection.sync())

    assert found == {"id": "t", "projectId": "p", "workspaceId": WORKSPACE, **TOMBSTONE}


def test_a_tombstone_of_a_time_entry_has_its_user_and_start(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.serve("time_entries", [on("2026-11-20", "e")])
    connection.sync()
    clockify.serve("time_entries", [])
    clockify.by_id("time-entries")

    (found,) = messages(connection.sync())

    assert found == {
        "id": "e",
        "userId": USER,
        "workspaceId": WORKSPACE,
        "start": "2026-11-20T08:00:00Z",
        **TOMBSTONE,
    }


def test_a_tombstone_of_a_report_row_has_the_key_that_the_report_uses(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-11-01T00:00:00Z")
    clockify.serve("detailed_report", [report_row("e", "2026-11-20T08:00:00Z")])
    connection.sync()
    clockify.serve("detailed_report", [])
    clockify.by_id("time-entries")

    (found,) = messages(connection.sync())

    assert found == {
        "_id": "e",
        "workspaceId": WORKSPACE,
        "start": "2026-11-20T08:00:00Z",
        **TOMBSTONE,
    }


AGGREGATES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "summary_report": (
        "summary",
        "groupOne",
        {"_id": "2026-11-17", "duration": 60},
        {"_id": "2026-11-18", "duration": 60},
        {"date": "2026-11-17"},
    ),
    "attendance_report": (
        "attendance",
        "entities",
        {"userId": "u1", "date": "2026-11-17", "capacity": 8},
        {"userId": "u2", "date": "2026-11-17", "capacity": 8},
        {"userId": "u1", "date": "2026-11-17"},
    ),
    "weekly_report": (
        "weekly",
        "groupOne",
        {"_id": None, "duration": 60},
        {"_id": "p", "duration": 60},
        {"_id": "none", "weekStart": "2026-11-16"},
    ),
}


@pytest.mark.parametrize("stream", AGGREGATES)
def test_a_tombstone_of_an_aggregate_has_its_day(
    clockify: Clockify, connect: Connect, stream: str
) -> None:
    path, envelope, vanishing, staying, expected = AGGREGATES[stream]
    shown = [vanishing, staying]

    def answer(request: Any, context: Any) -> dict[str, Any]:
        body = request.json()
        in_window = body["dateRangeStart"] <= "2026-11-17" <= body["dateRangeEnd"]
        return {envelope: shown if in_window else []}

    clockify.mocker.post(f"{REPORTS}/workspaces/{WORKSPACE}/reports/{path}", json=answer)
    connection = connect(stream, start_date="2026-11-01T00:00:00Z")
    assert len(messages(connection.sync())) == 2
    shown.remove(vanishing)

    (found,) = messages(connection.sync())

    assert found == {"workspaceId": WORKSPACE, **expected, **TOMBSTONE}


def test_a_null_is_absent(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    clockify.serve("tags", [{**tag("a"), "note": None, "nested": {"note": None}}])
    (first,) = messages(connection.sync())
    clockify.serve("tags", [{**tag("a"), "nested": {}}])

    assert "note" not in first
    assert messages(connection.sync()) == []


# The key -----------------------------------------------------------------------------------------


def user(identifier: str, *roles: str) -> dict[str, Any]:
    return {"id": identifier, "roles": [{"role": role} for role in roles]}


def served_to(clockify: Clockify, key_user: str, *tags: dict[str, Any]) -> None:
    """Let the key belong to this user, who sees these tags."""
    clockify.answer("/user", {"json": {"id": key_user}})
    clockify.listing("users", [user("boss", "OWNER"), user("clerk"), user("chief", "OWNER")])
    clockify.serve("tags", list(tags))
    clockify.by_id("tags", *tags)


def test_a_key_with_fewer_rights_gives_no_tombstones_but_one_warning(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    served_to(clockify, "boss", tag("a"), tag("b"), tag("c"))
    connection.sync()
    served_to(clockify, "clerk", tag("a", "new"))

    fewer = connection.sync()
    same = connection.sync()

    assert changes(fewer) == ["+a"]
    assert len(warnings(fewer)) == 1
    assert "roles" in warnings(fewer)[0]
    assert (changes(same), warnings(same)) == ([], [])


def test_the_role_alone_counts_too(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    served_to(clockify, "boss", tag("a"), tag("b"), tag("c"))
    connection.sync()
    served_to(clockify, "boss", tag("a"))
    clockify.listing("users", [user("boss")])

    output = connection.sync()

    assert changes(output) == []
    assert len(warnings(output)) == 1


def test_records_hidden_from_a_lesser_key_are_undecided_until_seen_again(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    served_to(clockify, "boss", tag("a"), tag("b"), tag("c"))
    connection.sync()
    served_to(clockify, "clerk", tag("a"))
    connection.sync()
    served_to(clockify, "clerk", tag("a"), tag("b"))
    assert changes(connection.sync()) == []
    served_to(clockify, "clerk", tag("a"))

    # It was seen with these rights, so it is gone; c never was.
    assert changes(connection.sync()) == ["-b"]


def test_back_with_the_old_key_everything_is_decided_again(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    served_to(clockify, "boss", tag("a"), tag("b"), tag("c"))
    connection.sync()
    served_to(clockify, "clerk", tag("a"))
    connection.sync()
    served_to(clockify, "boss", tag("a"), tag("b", "new"))

    output = connection.sync()

    assert changes(output) == ["+b", "-c"]
    assert warnings(output) == []


def test_another_key_that_sees_everything_changes_nothing(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    served_to(clockify, "boss", tag("a"), tag("b"))
    connection.sync()
    served_to(clockify, "chief", tag("a"), tag("b"))

    output = connection.sync()

    assert (changes(output), warnings(output)) == ([], [])


def test_users_who_are_hidden_from_a_lesser_key_take_no_entries_with_them(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.listing("users", [user(USER, "OWNER"), user("u2")])
    clockify.user_entries(USER, [on("2026-11-20", "mine")])
    clockify.user_entries("u2", [on("2026-11-20", "theirs")])
    connection.sync()
    clockify.listing("users", [user(USER)])
    clockify.by_id("time-entries")

    output = connection.sync()

    assert changes(output) == []
    assert len(warnings(output)) == 1


def test_nobody_asks_for_the_key_while_nothing_is_missing(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [tag("a")])
    clockify.users(USER)
    connection.sync()
    sent = len(clockify.sent())

    connection.sync()

    assert [request.path for request in clockify.sent()[sent:]] == [
        "/api/v1/workspaces",
        f"/api/v1/workspaces/{WORKSPACE}/tags",
    ]


# Streams that show changes themselves ------------------------------------------------------------


def approval(identifier: str, updated_at: str, state: str = "PENDING") -> dict[str, Any]:
    status = {"state": state, "updatedAt": updated_at}
    return {"approvalRequest": {"id": identifier, "status": status}, "entries": []}


def test_approval_requests_are_sent_on_change_and_never_as_tombstones(
    clockify: Clockify, connect: Connect
) -> None:
    path = f"/workspaces/{WORKSPACE}/approval-requests"
    connection = connect("approval_requests", resend_changes=0)
    old = approval("old", "2020-01-01T00:00:00Z")
    clockify.answer(path, {"json": [approval("a", hours_ago(5)), approval("b", hours_ago(6)), old]})
    assert changes(connection.sync()) == ["+a", "+b", "+old"]
    clockify.answer(path, {"json": [approval("b", hours_ago(-1), "APPROVED"), old]})

    assert changes(connection.sync()) == ["+b"]
    assert changes(connection.sync()) == []


def test_each_event_of_a_feed_is_sent_once_and_never_as_a_tombstone(
    clockify: Clockify, connect: Connect
) -> None:
    events = [{"id": "1", "respondedAt": hours_ago(50)}, {"id": "2", "respondedAt": hours_ago(3)}]
    clockify.answer(f"/workspaces/{WORKSPACE}/webhooks", {"json": {"webhooks": [{"id": "w"}]}})
    logs = f"{API}/workspaces/{WORKSPACE}/webhooks/w/logs"
    clockify.mocker.post(logs, json=events)
    connection = connect("webhook_logs", resend_changes=0)
    assert changes(connection.sync()) == ["+1", "+2"]
    clockify.mocker.post(logs, json=[events[1], {"id": "3", "respondedAt": hours_ago(-5)}])

    assert changes(connection.sync()) == ["+3"]
    assert changes(connection.sync()) == []
    clockify.mocker.post(logs, json=[])
    assert changes(connection.sync()) == []


def test_rows_of_the_audit_log_that_are_equal_are_sent_once_each(
    clockify: Clockify, connect: Connect
) -> None:
    row = {"action": "CREATE_TAG", "timestamp": hours_ago(5), "userId": "1"}
    url = f"https://auditlog-api.api.clockify.me/v1/workspaces/{WORKSPACE}/audit-log"

    def answer(request: Any, context: Any) -> list[Any]:
        body = request.json()
        return [row, row] if body["start"] <= row["timestamp"] <= body["end"] else []

    clockify.mocker.post(url, json=answer)
    connection = connect("audit_log", start_date="2026-11-01T00:00:00Z", resend_changes=0)

    assert len(messages(connection.sync())) == 2
    assert messages(connection.sync()) == []


def test_now_is_not_in_the_state_of_a_record_that_lies_ahead(
    clockify: Clockify, connect: Connect
) -> None:
    """The manifest's column `cursor` follows the clock; that is no change of the record."""
    connection = connect("time_entries")
    clockify.serve("time_entries", [entry("ahead", hours_ago(-500), hours_ago(-501))])
    (first,) = messages(connection.sync())
    assert first["cursor"] == NOW

    assert messages(connection.sync()) == []


def test_gone_children_of_a_listed_parent_do_not_fail_the_stream(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks")
    clockify.listing("projects", [{"id": "p"}, {"id": "q"}])
    clockify.listing("projects/p/tasks", [{"id": "t"}])
    clockify.listing("projects/q/tasks", [{"id": "u"}])
    connection.sync()
    clockify.answer(f"/workspaces/{WORKSPACE}/projects/p/tasks", gone())

    assert changes(connection.sync()) == []


def test_a_record_that_returns_elsewhere_replaces_its_pending_tombstone(
    clockify: Clockify, connect: Connect
) -> None:
    """Else the old tombstone would come after the record."""
    connection = connect("time_entries")
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [on("2026-11-20", "e")])
    clockify.user_entries("u2", [])
    clockify.by_id("time-entries")
    connection.sync()
    clockify.user_entries("u1", [])
    assert changes(connection.sync()) == ["-e"]
    clockify.user_entries("u2", [{**on("2026-11-20", "e"), "userId": "u2"}])

    # Within the hour, so that the tombstone is not due in the sync in which the record is back.
    assert changes(connection.sync(hours=0.5)) == ["+e"]
    assert changes(connection.sync()) == ["+e"]
    assert changes(connection.sync()) == []


def test_an_earlier_start_date_of_the_detailed_report_is_exact(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-06-10T12:00:00Z", lookback_days=5)
    clockify.serve(
        "detailed_report",
        [
            report_row("a", "2026-06-10T08:00:00Z"),
            report_row("b", "2026-06-10T13:00:00Z"),
            report_row("c", "2026-06-09T08:00:00Z"),
        ],
    )
    assert changes(connection.sync(), key="_id") == ["+b"]

    assert changes(connection.sync(start_date="2026-06-10T00:00:00Z"), key="_id") == ["+a"]
    assert changes(connection.sync(start_date="2026-06-09T00:00:00Z"), key="_id") == ["+c"]


def test_a_record_of_two_partitions_is_sent_once_more_by_the_next_sync(
    clockify: Clockify, connect: Connect
) -> None:
    # The message may wait in the batch of one user when the state of the other is saved.
    other = "640000000000000000000043"
    clockify.workspaces()
    clockify.users(USER, other)
    clockify.user_entries(USER, [entry("e", hours_ago(50))])
    clockify.user_entries(other, [entry("e", hours_ago(50))])
    connection = connect("time_entries", resend_changes=0)

    assert changes(connection.sync()) == ["+e"]
    assert changes(connection.sync()) == ["+e"]
    assert changes(connection.sync()) == []
