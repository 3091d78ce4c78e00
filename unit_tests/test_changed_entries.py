"""Time entries that the change feeds name: late ones, old ones that were changed, deletions."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from freezegun.api import FrozenDateTimeFactory

from unit_tests.clockify import (
    NOW,
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    blob_of,
    config,
    entry,
    error_body,
    final_state,
    ids,
    messages,
    partitions_of,
    query,
    read,
    read_ok,
    records,
    single_reads,
    state_of,
    statuses,
    warnings,
)
from unit_tests.protocol import error_messages

CHANGED = "time_entries_changed"
OLD = "2026-03-01T08:00:00Z"
PARTS = ("TIME_ENTRY_RATE", "TIME_ENTRY_CUSTOM_FIELD_VALUE")

Row = Mapping[str, Any]
both_layers = pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])


def days_ago(days: float, now: str = NOW) -> str:
    moment = datetime.fromisoformat(now.replace("Z", "+00:00")) - timedelta(days=days)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def change(identifier: str, at: str, start: str | None = OLD, **fields: Any) -> dict[str, Any]:
    """Return a row of a feed; without a start as those of rates."""
    interval = {"timeInterval": {"start": start}} if start else {}
    audit = {"createdAt": at, "updatedAt": at}
    code = {"documentCode": "TIME_ENTRY"}
    return {"id": identifier, "auditMetadata": audit, **code, **interval, **fields}


def serve(
    clockify: Clockify,
    *,
    created: Sequence[Row] = (),
    updated: Sequence[Row] = (),
    entries: Sequence[Row] | None = None,
) -> None:
    """Serve the feeds by window and page, and the entries one by one: those that are named."""
    clockify.workspaces()
    for feed, served in (("created", created), ("updated", updated)):

        def answer(request: Any, context: Any, served: Sequence[Row] = served) -> Any:
            asked = query(request)
            found = [
                row
                for row in served
                if asked["start"] <= row["auditMetadata"]["createdAt"] <= asked["end"]
            ]
            page, limit = int(asked["page"]), int(asked["limit"])
            return found[page * limit : (page + 1) * limit]

        clockify.answer(f"/workspaces/{WORKSPACE}/entities/{feed}", {"json": answer})
    named = {row["id"]: row for row in (*created, *updated)}
    clockify.by_id(
        "time-entries", *([entry(each, OLD) for each in named] if entries is None else entries)
    )


def windows(clockify: Clockify, feed: str) -> list[tuple[str, str]]:
    requests = [query(each) for each in clockify.sent(f"/entities/{feed}")]
    return sorted({(each["start"], each["end"]) for each in requests})


def saved(output: EntrypointOutput) -> list[AirbyteStateMessage]:
    """Return the state as Airbyte hands it to the next sync."""
    return [state_of(CHANGED, blob_of(final_state(output, CHANGED)))]


def sync(state: list[AirbyteStateMessage] | None = None, **settings: Any) -> EntrypointOutput:
    """Read the changes as Airbyte Cloud does, with the manifest alone."""
    return read(
        CHANGED,
        with_config=config(**settings),
        incremental=True,
        state=state,
        manifest_alone=True,
    )


# Which entries are read --------------------------------------------------------------------------


@both_layers
def test_an_entry_that_began_before_the_lookback_is_read_by_id(
    clockify: Clockify, alone: bool
) -> None:
    at = days_ago(10)
    serve(
        clockify,
        created=[change("late", at), change("new", at, at), change("edge", at, days_ago(37.9))],
        updated=[
            change("edited", at),
            change("recent", at, days_ago(30)),
            change("margin", at, days_ago(39)),
            change("ahead", at, "+20226-01-01T08:00:00Z"),
            change("mistyped", at, "0022-01-01T08:00:00Z"),
        ],
    )

    output = read_ok(CHANGED, manifest_alone=alone)

    assert ids(output) == ["edited", "late", "margin", "mistyped"]
    assert sorted(single_reads(clockify, "time-entries")) == ids(output)


@both_layers
def test_a_record_is_the_entry_with_the_time_of_its_change(clockify: Clockify, alone: bool) -> None:
    at = days_ago(3)
    held = entry("1", OLD, None, description="as it is now", workspaceId=WORKSPACE)
    serve(clockify, updated=[change("1", at, description="as it was")], entries=[held])

    (record,) = records(read_ok(CHANGED, manifest_alone=alone))

    wanted = {name: value for name, value in held.items() if value is not None}
    assert record == {**wanted, "start": OLD, "changedAt": at, "workspaceId": WORKSPACE}


@both_layers
def test_a_rate_or_custom_field_value_names_its_entry_without_a_start(
    clockify: Clockify, alone: bool
) -> None:
    rows = [
        change("rate", days_ago(3), None, documentCode=PARTS[0], timeEntryId="1"),
        change("value", days_ago(2), None, documentCode=PARTS[1], entryId="2"),
        change("3", days_ago(1), None, documentCode=PARTS[1]),
    ]
    serve(clockify, updated=rows, entries=[entry(each, OLD) for each in "123"])

    assert ids(read_ok(CHANGED, manifest_alone=alone)) == ["1", "2", "3"]
    request = clockify.sent("/entities/updated")[0]
    assert re.findall(r"type=(\w+)", request.url) == ["TIME_ENTRY", *PARTS]


@both_layers
def test_entries_that_began_before_the_start_date_are_left_out(
    clockify: Clockify, alone: bool
) -> None:
    at = days_ago(3)
    rows = [change("1", at, None), change("2", at, None), change("3", at, "2025-01-01T08:00:00Z")]
    held = [entry("1", "2026-01-01T07:59:59Z"), entry("2", "2026-01-01T08:00:00Z")]
    serve(clockify, updated=rows, entries=held)

    output = read_ok(
        CHANGED, with_config=config(start_date="2026-01-01T08:00:00Z"), manifest_alone=alone
    )

    assert ids(output) == ["2"]
    assert sorted(single_reads(clockify, "time-entries")) == ["1", "2"]


@both_layers
def test_an_entry_that_was_deleted_since_is_skipped(clockify: Clockify, alone: bool) -> None:
    rows = [change("1", days_ago(3)), change("2", days_ago(2))]
    serve(clockify, updated=rows, entries=[entry("2", OLD)])

    output = read_ok(CHANGED, manifest_alone=alone)

    assert ids(output) == ["2"]
    assert statuses(output, CHANGED)[-1] == "COMPLETE"


@both_layers
def test_a_row_without_a_time_is_as_late_as_its_window(clockify: Clockify, alone: bool) -> None:
    serve(clockify, entries=[entry("1", OLD)])
    clockify.answer(
        f"/workspaces/{WORKSPACE}/entities/updated", {"json": [{"id": "1"}]}, {"json": []}
    )

    (record,) = records(read_ok(CHANGED, manifest_alone=alone))

    assert record["changedAt"] == NOW


def test_the_connector_reads_an_entry_once_that_several_rows_name(clockify: Clockify) -> None:
    at = days_ago(3)
    serve(
        clockify,
        created=[change("1", days_ago(8))],
        updated=[change("1", at), *(change("1", at, None, documentCode=part) for part in PARTS)],
    )

    output = read_ok(CHANGED)

    assert sorted(record["changedAt"] for record in records(output)) == [days_ago(8), at]
    assert single_reads(clockify, "time-entries") == ["1"]


@both_layers
def test_a_refused_feed_leaves_the_other_one(clockify: Clockify, alone: bool) -> None:
    serve(clockify, updated=[change("1", days_ago(3))])
    clockify.answer(
        f"/workspaces/{WORKSPACE}/entities/created",
        {"status_code": 403, "json": error_body(403, "Access Denied")},
    )

    output = read_ok(CHANGED, manifest_alone=alone)

    assert ids(output) == ["1"]
    if not alone:
        assert CHANGED in warnings(output)[-1]


@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("refused", ["created", "updated"])
def test_a_refused_feed_leaves_the_other_one_in_every_window_and_sync(
    clockify: Clockify, clock: FrozenDateTimeFactory, refused: str, track: bool
) -> None:
    answered = "updated" if refused == "created" else "created"
    before = "2024-03-01T08:00:00Z"
    rows = [
        change("1", days_ago(360), before),
        change("2", days_ago(100)),
        change("3", days_ago(1)),
    ]
    settings = config(track_changes=track, resend_changes=0, start_date=days_ago(2000))
    refusal = {"status_code": 403, "json": error_body(403, "Access Denied")}
    path = f"/workspaces/{WORKSPACE}/entities/{refused}"
    state, found = None, []
    for days in range(3):
        clock.move_to(days_ago(-days))
        serve(clockify, **{answered: rows})
        clockify.answer(path, refusal)
        output = read_ok(CHANGED, with_config=settings, incremental=True, state=state)
        assert f"/entities/{refused}" in warnings(output)[-1]
        found += ids(output)
        state = saved(output)
        rows.append(change(f"{4 + days}", days_ago(-days - 0.5)))

    assert {*found} == {"1", "2", "3", "4", "5"}


def test_a_workspace_that_refuses_both_feeds_is_left_out(clockify: Clockify) -> None:
    serve(clockify)
    for feed in ("created", "updated"):
        clockify.answer(
            f"/workspaces/{WORKSPACE}/entities/{feed}",
            {"status_code": 403, "json": error_body(403, "Access Denied")},
        )

    output = read_ok(CHANGED)

    assert "These streams are skipped: time_entries_changed" in warnings(output)[-1]


# From when on ------------------------------------------------------------------------------------


@both_layers
@pytest.mark.parametrize("feed", ["created", "updated"])
def test_a_first_sync_asks_for_four_weeks_at_once(
    clockify: Clockify, feed: str, alone: bool
) -> None:
    serve(clockify)

    read_ok(CHANGED, manifest_alone=alone)

    assert windows(clockify, feed) == [(days_ago(28), NOW)]


@both_layers
@pytest.mark.parametrize("feed", ["created", "updated"])
def test_with_a_start_date_it_asks_from_there_but_for_no_more_than_a_year(
    clockify: Clockify, feed: str, alone: bool
) -> None:
    serve(clockify)

    read_ok(CHANGED, with_config=config(start_date=days_ago(400)), manifest_alone=alone)

    found = windows(clockify, feed)
    assert (found[0][0], found[-1][1]) == (days_ago(364), NOW)
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert len(found) == 13


def test_a_later_sync_asks_each_feed_from_its_own_position(
    clockify: Clockify, clock: FrozenDateTimeFactory
) -> None:
    # One row is left to time_entries, but was read.
    created = [change("1", days_ago(6)), change("2", days_ago(5), days_ago(5))]
    updated = [change("3", days_ago(4))]
    serve(clockify, created=created, updated=updated)
    first = sync()
    clockify.mocker.reset_mock()
    clock.move_to(days_ago(-1))

    second = sync(saved(first))

    assert error_messages(second) == []
    assert ids(first) == ["1", "3"]
    later = days_ago(-1)
    ten_minutes = 10 / 24 / 60
    # The CDK takes off how long the first sync took as well, which is nothing here.
    assert windows(clockify, "created") == [(days_ago(5 + ten_minutes), later)]
    assert windows(clockify, "updated") == [(days_ago(4 + ten_minutes), later)]
    assert single_reads(clockify, "time-entries") == ["3"]


@both_layers
def test_what_changed_during_a_long_pause_is_not_lost(
    clockify: Clockify, clock: FrozenDateTimeFactory, alone: bool
) -> None:
    serve(clockify, created=[change("1", days_ago(3))], updated=[change("2", days_ago(2))])
    settings = config(track_changes=False)
    first = read_ok(CHANGED, with_config=settings, incremental=True, manifest_alone=alone)
    later = days_ago(-100)
    serve(clockify, updated=[change("3", days_ago(60, later))])
    clock.move_to(later)

    second = read_ok(
        CHANGED,
        with_config=settings,
        incremental=True,
        state=saved(first),
        manifest_alone=alone,
    )

    assert "3" in ids(second)


def test_a_row_with_a_time_in_the_future_does_not_stop_the_feeds(
    clockify: Clockify, clock: FrozenDateTimeFactory
) -> None:
    serve(clockify, updated=[change("1", days_ago(3))], entries=[entry("2", OLD)])
    ahead = change("2", days_ago(-400))
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/created", {"json": [ahead]}, {"json": []})
    first = sync()
    clock.move_to(days_ago(-1))
    serve(clockify, created=[change("4", days_ago(-0.5))], updated=[change("3", days_ago(-0.6))])

    second = sync(saved(first))

    assert error_messages(second) == []
    assert ids(second) == ["3", "4"]


def test_a_clock_that_was_ahead_stops_only_the_feed_that_is_ahead(
    clockify: Clockify, clock: FrozenDateTimeFactory
) -> None:
    clock.move_to(days_ago(-400))
    serve(clockify, created=[change("1", days_ago(-399))], updated=[change("2", days_ago(-390))])
    first = sync()
    clock.move_to(days_ago(-398))
    serve(clockify, updated=[change("3", days_ago(-397.5))])

    assert "3" in ids(sync(saved(first)))


def test_the_state_of_the_manifest_alone_does_not_grow_with_the_entries(
    clockify: Clockify,
) -> None:
    serve(
        clockify, updated=[change(f"{each:024x}", days_ago(3 + each / 100)) for each in range(300)]
    )

    output = sync()

    assert len(records(output)) == 300
    assert len(json.dumps(blob_of(final_state(output, CHANGED)))) < 1000


# What fails --------------------------------------------------------------------------------------


def test_an_entry_that_could_not_be_read_is_read_by_the_next_sync(
    clockify: Clockify, clock: FrozenDateTimeFactory
) -> None:
    rows = [change(f"{each:024x}", days_ago(9 - each / 10)) for each in range(60)]
    serve(clockify, created=[change("first", days_ago(20))], updated=rows)
    broken = rows[17]["id"]
    refusal = {"status_code": 400, "json": error_body(3001, "Something went wrong")}
    clockify.answer(f"/workspaces/{WORKSPACE}/time-entries/{broken}", refusal)
    first = sync()
    clock.move_to(days_ago(-1))
    clockify.answer(f"/workspaces/{WORKSPACE}/time-entries/{broken}", {"json": entry(broken, OLD)})

    second = sync(saved(first))

    assert error_messages(first)
    assert broken not in ids(first)
    assert error_messages(second) == []
    assert broken in ids(second)
    assert {*ids(first), *ids(second)} == {"first", *(row["id"] for row in rows)}


def test_a_feed_that_breaks_off_is_asked_from_the_same_position_again(
    clockify: Clockify, clock: FrozenDateTimeFactory
) -> None:
    rows = [change(f"{each:024x}", days_ago(9 - each / 10)) for each in range(60)]
    serve(clockify, updated=rows)
    path = f"/workspaces/{WORKSPACE}/entities/updated"
    refusal = {"status_code": 400, "json": error_body(3001, "Something went wrong")}
    clockify.answer(path, {"json": rows[:50]}, refusal)
    first = sync()
    serve(clockify, updated=rows)
    clock.move_to(days_ago(-1))

    second = sync(saved(first))

    assert error_messages(first)
    assert {*ids(first), *ids(second)} == {row["id"] for row in rows}


# With change tracking ----------------------------------------------------------------------------


def test_each_change_of_an_entry_is_sent_once(clockify: Clockify, connect: Connect) -> None:
    serve(clockify, created=[change("1", days_ago(6))], updated=[change("2", days_ago(5))])
    connection = connect(CHANGED, resend_changes=0)
    assert ids(connection.sync()) == ["1", "2"]
    serve(
        clockify,
        created=[change("1", days_ago(6))],
        updated=[change("2", days_ago(5)), change("1", NOW)],
    )

    assert [
        (message["id"], message["changedAt"]) for message in messages(connection.sync(), CHANGED)
    ] == [("1", NOW)]
    assert messages(connection.sync(), CHANGED) == []
    (state,) = connection.states or []
    assert partitions_of(state) == [(WORKSPACE,)]


def serve_as_documented(clockify: Clockify, made: Mapping[str, str], edited: Row) -> None:
    """Serve feeds of which that of updates leaves out what was made within the window."""
    serve(clockify, created=[change(each, at) for each, at in made.items()])

    def updated(request: Any, context: Any) -> Any:
        asked = query(request)
        found = [
            change(each, at)
            for each, at in edited.items()
            if asked["start"] <= at <= asked["end"]
            and not asked["start"] <= made[each] <= asked["end"]
        ]
        return found if asked["page"] == "0" else []

    clockify.answer(f"/workspaces/{WORKSPACE}/entities/updated", {"json": updated})


@pytest.mark.parametrize("resends", [0, 1])
def test_an_edit_of_what_was_made_between_two_earlier_syncs_is_not_lost(
    clockify: Clockify, connect: Connect, resends: int
) -> None:
    made = {"1": days_ago(3), "2": days_ago(2.9)}
    serve_as_documented(clockify, made, {})
    connection = connect(CHANGED, resend_changes=resends)
    assert ids(connection.sync()) == ["1", "2"]
    # The second sync has something to send once more, made before the last read.
    edited = {"1": days_ago(-0.5)}
    made["3"] = days_ago(-0.6)
    serve_as_documented(clockify, made, edited)
    assert ids(connection.sync()) == ["1", "3"]
    edited["3"] = days_ago(-1.5)
    serve_as_documented(clockify, made, edited)

    found = [(each["id"], each["changedAt"]) for each in messages(connection.sync(), CHANGED)]

    resent = [("1", days_ago(-0.5)), ("3", days_ago(-0.6))] if resends else []
    assert sorted(found) == sorted([*resent, ("3", days_ago(-1.5))])


def test_a_deletion_of_an_entry_made_between_earlier_syncs_is_not_lost(
    clockify: Clockify, connect: Connect
) -> None:
    gone = {"1": (OLD, days_ago(-0.5)), "2": (days_ago(-0.6), days_ago(-1.5))}
    clockify.workspaces()

    def deleted(request: Any, context: Any) -> Any:
        asked = query(request)
        found = [
            {"id": each, "documentCode": "TIME_ENTRY", "deletedAt": at}
            for each, (made, at) in gone.items()
            if asked["start"] <= at <= asked["end"] and not asked["start"] <= made <= asked["end"]
        ]
        return found if asked["page"] == "0" else []

    def sync_of(connection: Connection) -> list[str]:
        clockify.answer(f"/workspaces/{WORKSPACE}/entities/deleted", {"json": deleted})
        found = messages(connection.sync(), "time_entries_deleted")
        return sorted(each["id"] for each in found)

    connection = connect("time_entries_deleted", resend_changes=1)
    assert [sync_of(connection) for _ in range(4)] == [[], ["1"], ["1", "2"], ["2"]]


def test_later_syncs_read_changes_from_ten_minutes_before_the_last_one(
    clockify: Clockify, connect: Connect
) -> None:
    serve(clockify, created=[change(f"{each:024x}", days_ago(1)) for each in range(40)])
    connection = connect(CHANGED, resend_changes=0)
    assert len(ids(connection.sync())) == 40
    clockify.mocker.reset_mock()

    assert ids(connection.sync()) == []

    assert single_reads(clockify, "time-entries") == []
    window = (days_ago(10 / 24 / 60), days_ago(-1))
    assert windows(clockify, "created") == windows(clockify, "updated") == [window]


def test_a_change_is_requested_for_its_resend_apart_from_the_new_ones(
    clockify: Clockify, connect: Connect
) -> None:
    serve(clockify)
    connection = connect(CHANGED, resend_changes=1)
    connection.sync()
    serve(clockify, updated=[change("1", days_ago(-0.5))])
    connection.sync()
    clockify.mocker.reset_mock()

    assert ids(connection.sync()) == ["1"]

    read_until = days_ago(-1 + 10 / 24 / 60)
    wanted = [(days_ago(-0.5), read_until), (read_until, days_ago(-2))]
    assert windows(clockify, "updated") == wanted


def test_an_entry_named_twice_with_one_time_is_sent_if_it_changed(
    clockify: Clockify, connect: Connect
) -> None:
    at = days_ago(5 / 24 / 60)
    connection = connect(CHANGED, resend_changes=0)
    sent = []
    for text in "aabb":
        serve(clockify, created=[change("1", at)], entries=[entry("1", OLD, description=text)])
        output = connection.sync(hours=0.05)
        sent.append([each["description"] for each in messages(output, CHANGED)])

    assert sent == [["a"], [], ["b"], []]


def test_a_vanished_entry_leaves_its_workspace_complete(
    clockify: Clockify, connect: Connect
) -> None:
    rows = [change("1", days_ago(3)), change("2", days_ago(2))]
    serve(clockify, updated=rows, entries=[entry("2", OLD)])
    connection = connect(CHANGED, resend_changes=0)

    assert ids(connection.sync()) == ["2"]
    assert ids(connection.sync()) == []


# Deletions ---------------------------------------------------------------------------------------


@both_layers
def test_a_deletion_has_the_key_and_what_clockify_kept_of_the_entry(
    clockify: Clockify, alone: bool
) -> None:
    clockify.workspaces()
    at = days_ago(3)
    marks = {"documentCode": "TIME_ENTRY", "auditMetadata": {"createdAt": OLD}}
    kept = {"userId": "7", "timeInterval": {"start": OLD}, "description": "x"}
    rows = [
        {**marks, "id": "1", "deletedAt": at, "deletionBinId": "9", "document": kept},
        {**marks, "id": "2", "deletedAt": at, "document": None},
    ]
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/deleted", {"json": rows}, {"json": []})

    output = read_ok(
        "time_entries_deleted",
        with_config=config(start_date=days_ago(10)),
        manifest_alone=alone,
    )

    key = {"workspaceId": WORKSPACE, "deletedAt": at}
    assert records(output) == [
        {**key, "id": "1", "userId": "7", "start": OLD},
        {**key, "id": "2"},
    ]
    request = clockify.sent("/entities/deleted")[0]
    assert re.findall(r"type=(\w+)", request.url) == ["TIME_ENTRY"]


def test_a_change_gone_from_its_feed_does_not_hold_the_window_back(
    clockify: Clockify, connect: Connect
) -> None:
    serve(clockify)
    connection = connect(CHANGED)
    connection.sync()
    updated = [change("1", days_ago(-0.2))]
    serve(clockify, updated=updated)
    connection.sync(hours=12)
    # It is deleted, and others change.
    entries: list[Row] = []
    counts = []
    for number in range(4):
        updated.append(change(f"x{number}", days_ago(-0.7 - 10 * number)))
        entries.append(entry(f"x{number}", OLD))
        serve(clockify, updated=updated, entries=entries)
        before = len(single_reads(clockify, "time-entries"))
        connection.sync(hours=240)
        counts.append(len(single_reads(clockify, "time-entries")) - before)

    # One that is new, one that is resent, at first the deleted one too.
    assert max(counts[1:]) == 2
