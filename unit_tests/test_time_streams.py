"""time_entries, time_entries_in_progress."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage

from source_clockify.streams import without_repeats
from unit_tests.clockify import (
    NOW,
    ODD_IDS,
    OTHER_WORKSPACE,
    USER,
    WORKSPACE,
    Clockify,
    config,
    entry,
    final_state,
    hours_ago,
    ids,
    path_of,
    query,
    read_ok,
    records,
    rows,
    state_of,
)
from unit_tests.protocol import content_of


def starting(start: str) -> dict[str, Any]:
    """Return a configuration with this start date."""
    return config(start_date=start)


def cursor_of(state: AirbyteStateMessage) -> str:
    """Return the cursor of the one partition in a state."""
    (partition,) = content_of(state)["states"]
    return str(partition["cursor"]["cursor"])


# time_entries: what is read --------------------------------------------------------------------


def test_entries_of_every_user_and_workspace_come_as_clockify_sends_them(
    clockify: Clockify,
) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.users("u1", "u2")
    clockify.users("u1", of=OTHER_WORKSPACE)
    full = entry(
        "e1",
        "2026-05-01T08:00:00Z",
        "2026-05-01T09:30:00Z",
        description="Küche 🍳 {{ now_utc() }}",
        tagIds=["t"],
        projectId=None,
        hourlyRate={"amount": 4250, "currency": None},
        customFieldValues=[{"customFieldId": "c", "value": None}],
        workspaceId=WORKSPACE,
    )
    clockify.user_entries("u1", [full])
    clockify.user_entries("u2", [entry("e2", "2020-01-01T00:00:00Z")])
    clockify.user_entries("u1", [entry("e3", "2026-05-01T08:00:00Z")], OTHER_WORKSPACE)

    output = read_ok("time_entries")

    assert ids(output) == ["e1", "e2", "e3"]
    (found,) = [record for record in records(output) if record["id"] == "e1"]
    sent_by_clockify = {key: value for key, value in full.items() if value is not None}
    assert found == {
        **sent_by_clockify,
        "start": "2026-05-01T08:00:00Z",
        "cursor": "2026-05-01T08:00:00Z",
    }


def test_without_a_start_date_all_history_is_asked_for(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [])

    read_ok("time_entries")

    (request,) = clockify.sent_for("time_entries")
    assert query(request) == {"page": "1", "page-size": "5000"}


def test_start_date_is_sent_a_day_early_because_clockify_reads_wall_clock(
    clockify: Clockify,
) -> None:
    """Without the day entries are lost where the account's clock is behind or ahead of UTC."""
    clockify.workspaces()
    clockify.serve("time_entries", [])

    read_ok("time_entries", with_config=starting("2026-03-01T12:30:00Z"))

    (request,) = clockify.sent_for("time_entries")
    assert query(request)["start"] == "2026-02-28T12:30:00Z"
    assert "end" not in query(request)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"])
def test_the_start_date_is_exact_in_utc_whatever_the_accounts_time_zone(
    clockify: Clockify, zone: str
) -> None:
    clockify.workspaces()
    entries = [
        entry("before", "2026-03-29T00:59:59Z"),
        entry("at", "2026-03-29T01:00:00Z"),
        entry("after", "2026-03-29T01:00:01Z"),
        entry("much before", "2026-03-27T23:00:00Z"),
        entry("much after", "2026-04-02T01:00:00Z"),
    ]
    clockify.serve("time_entries", entries, zone=zone)

    output = read_ok("time_entries", with_config=starting("2026-03-29T01:00:00Z"))

    assert ids(output) == ["after", "at", "much after"]


def test_an_entry_before_the_start_date_that_ends_after_it_is_not_read(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("night", "2026-02-28T23:00:00Z", "2026-03-01T01:00:00Z")])

    assert records(read_ok("time_entries", with_config=starting("2026-03-01T00:00:00Z"))) == []


def test_starts_with_fractions_of_a_second_are_read(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("e", "2026-03-01T00:00:00.500Z")])

    output = read_ok("time_entries", with_config=starting("2026-03-01T00:00:00Z"), incremental=True)

    assert ids(output) == ["e"]


def test_running_and_future_entries_are_read(clockify: Clockify) -> None:
    """Approved time off is an entry that lies ahead."""
    clockify.workspaces()
    entries = [entry("running", hours_ago(1)), entry("future", hours_ago(-5000), hours_ago(-5008))]
    clockify.serve("time_entries", entries)

    assert ids(read_ok("time_entries", incremental=True)) == ["future", "running"]


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_that_look_like_numbers_stay_text(clockify: Clockify, odd: str) -> None:
    clockify.workspaces(odd)
    clockify.listing("users", [{"id": odd}], odd)
    row = entry(odd, hours_ago(5), userId=odd, workspaceId=odd, projectId=odd, tagIds=[odd])
    clockify.user_entries(odd, [row], odd)
    clockify.listing("time-entries/status/in-progress", [row], odd)

    output = read_ok("time_entries", "time_entries_in_progress", incremental=True)

    for stream in ("time_entries", "time_entries_in_progress"):
        (found,) = records(output, stream)
        assert {
            key: found[key] for key in ("id", "userId", "workspaceId", "projectId")
        } == dict.fromkeys(("id", "userId", "workspaceId", "projectId"), odd)
        assert found["tagIds"] == [odd]


def test_a_workspace_without_users_has_no_entries(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users()

    assert records(read_ok("time_entries")) == []


# time_entries: the cursor ----------------------------------------------------------------------


def test_the_cursor_is_the_start_of_the_newest_entry(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("a", hours_ago(50)), entry("b", hours_ago(3))])

    output = read_ok("time_entries", incremental=True)

    assert cursor_of(final_state(output, "time_entries")) == hours_ago(3)


def test_future_entries_do_not_move_the_cursor_past_now(clockify: Clockify) -> None:
    """The next sync would start there, and everything entered until then would be lost."""
    clockify.workspaces()
    clockify.serve("time_entries", [entry("past", hours_ago(3)), entry("future", hours_ago(-900))])

    output = read_ok("time_entries", incremental=True)

    (future,) = [record for record in records(output) if record["id"] == "future"]
    assert future["start"] == hours_ago(-900)
    assert future["cursor"] == NOW
    assert cursor_of(final_state(output, "time_entries")) == NOW


@pytest.mark.parametrize("lookback", [1, 30, 400])
def test_an_incremental_sync_starts_at_the_state_less_the_lookback(
    clockify: Clockify, lookback: int
) -> None:
    clockify.workspaces()
    newest = hours_ago(3)
    since = datetime.fromisoformat(newest.replace("Z", "")) - timedelta(days=lookback)
    entries = [
        entry("newest", newest),
        entry("at the edge", since.isoformat() + "Z"),
        entry("too old", (since - timedelta(seconds=1)).isoformat() + "Z"),
    ]
    clockify.serve("time_entries", entries)
    first = read_ok("time_entries", incremental=True)

    second = read_ok(
        "time_entries",
        incremental=True,
        with_config=config(lookback_days=lookback),
        state=[final_state(first, "time_entries")],
    )

    assert ids(first) == ["at the edge", "newest", "too old"]
    assert ids(second) == ["at the edge", "newest"]
    request = clockify.sent_for("time_entries")[-1]
    assert query(request)["start"] == (since - timedelta(days=1)).isoformat() + "Z"


def test_the_lookback_is_thirty_days_unless_configured(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("e", NOW)])
    first = read_ok("time_entries", incremental=True)

    read_ok("time_entries", incremental=True, state=[final_state(first, "time_entries")])

    request = clockify.sent_for("time_entries")[-1]
    assert query(request)["start"] == "2026-10-24T09:00:00Z"


def test_the_lookback_never_reaches_before_the_start_date(clockify: Clockify) -> None:
    clockify.workspaces()
    settings = starting("2026-11-20T00:00:00Z")
    clockify.serve("time_entries", [entry("e", NOW), entry("old", "2026-11-19T23:59:59Z")])
    first = read_ok("time_entries", incremental=True, with_config=settings)

    second = read_ok(
        "time_entries",
        incremental=True,
        with_config=settings,
        state=[final_state(first, "time_entries")],
    )

    assert ids(first) == ids(second) == ["e"]


def test_a_user_who_is_new_is_read_from_the_start_also_with_a_state(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users(USER)
    clockify.user_entries(USER, [entry("e", NOW)])
    first = read_ok("time_entries", incremental=True)
    clockify.users(USER, "new")
    clockify.user_entries("new", [entry("old", "2019-01-01T00:00:00Z")])

    second = read_ok("time_entries", incremental=True, state=[final_state(first, "time_entries")])

    assert ids(second) == ["e", "old"]


def test_a_state_of_the_user_survives_a_sync_in_which_nothing_is_new(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("e", hours_ago(5))])
    first = read_ok("time_entries", incremental=True)
    clockify.serve("time_entries", [])

    second = read_ok("time_entries", incremental=True, state=[final_state(first, "time_entries")])

    assert cursor_of(final_state(second, "time_entries")) == hours_ago(5)


def test_a_full_refresh_takes_no_notice_of_a_state(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("new", NOW), entry("old", "2019-01-01T00:00:00Z")])
    first = read_ok("time_entries", incremental=True)

    second = read_ok("time_entries", state=[final_state(first, "time_entries")])

    assert ids(second) == ["new", "old"]


def test_a_state_whose_cursor_lies_ahead_still_reads_what_is_entered_now(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry("now", hours_ago(1))])
    partition = {"user_id": USER, "parent_slice": {"workspace_id": WORKSPACE, "parent_slice": {}}}
    state = state_of(
        "time_entries",
        {
            "use_global_cursor": False,
            "states": [{"partition": partition, "cursor": {"cursor": hours_ago(-24 * 10)}}],
            "state": {},
            "lookback_window": 0,
        },
    )

    assert ids(read_ok("time_entries", incremental=True, state=[state])) == ["now"]


# time_entries: pages by time -------------------------------------------------------------------


def day(number: int, hour: int = 12) -> str:
    """Return a moment of September or October 2026."""
    return (datetime(2026, 9, 1, hour) + timedelta(days=number)).isoformat() + "Z"


def test_the_second_request_ends_a_day_after_the_oldest_start(clockify: Clockify) -> None:
    """Pages by number would skip an entry when another one is deleted meanwhile."""
    clockify.workspaces()
    clockify.serve("time_entries", [entry(f"e{n}", day(n)) for n in range(10)], at_most=4)

    output = read_ok("time_entries")

    assert ids(output) == sorted(f"e{n}" for n in range(10))
    assert [
        (query(request).get("end"), query(request)["page"])
        for request in clockify.sent_for("time_entries")
    ] == [(None, "1"), (day(7), "1"), (day(4), "1")]


def test_all_pages_keep_the_start_of_the_window(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries", [entry(f"e{n}", day(n)) for n in range(10)], at_most=4)

    output = read_ok("time_entries", with_config=starting(day(2)))

    assert ids(output) == sorted(f"e{n}" for n in range(2, 10))
    sent = clockify.sent_for("time_entries")
    assert len(sent) > 1
    assert {query(request)["start"] for request in sent} == {day(1)}


def test_the_overlap_of_two_pages_is_sent_once(clockify: Clockify) -> None:
    clockify.workspaces()
    entries = [entry(f"e{n:03}", day(n // 6, n % 6)) for n in range(60)]
    clockify.serve("time_entries", entries, at_most=20)

    output = read_ok("time_entries")

    assert len(records(output)) == len(set(ids(output))) == 60


def test_a_whole_page_within_a_day_falls_back_to_page_numbers(clockify: Clockify) -> None:
    """The end cannot move back by less than a day, so the same page would come for ever."""
    clockify.workspaces()
    entries = [
        *(entry(f"old{n}", day(0, n)) for n in range(3)),
        *(entry(f"busy{n:02}", f"2026-10-01T12:{n:02}:00Z") for n in range(45)),
        *(entry(f"new{n}", day(40, n)) for n in range(3)),
    ]
    clockify.serve("time_entries", entries, at_most=10)

    output = read_ok("time_entries")

    assert len(records(output)) == 51
    assert set(ids(output)) == {row["id"] for row in entries}
    pages = [int(query(request)["page"]) for request in clockify.sent_for("time_entries")]
    assert max(pages) > 1


def test_many_entries_with_the_same_start_are_all_read(clockify: Clockify) -> None:
    clockify.workspaces()
    entries = [entry(f"e{n:03}", day(1)) for n in range(35)]
    clockify.serve("time_entries", entries, at_most=10)

    assert ids(read_ok("time_entries")) == [row["id"] for row in entries]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"])
def test_pages_by_time_lose_nothing_in_any_time_zone(clockify: Clockify, zone: str) -> None:
    """Clockify takes the end for wall clock too; a clock change is among these days."""
    clockify.workspaces()
    entries = [entry(f"e{n:03}", day(50 + n // 8, 3 * (n % 8))) for n in range(80)]
    clockify.serve("time_entries", entries, zone=zone, at_most=15)

    output = read_ok("time_entries")

    assert len(records(output)) == 80
    assert ids(output) == [row["id"] for row in entries]


@pytest.mark.parametrize("place", [0, 3, 4, 5, 19])
def test_an_entry_deleted_between_two_pages_takes_no_other_with_it(
    clockify: Clockify, place: int
) -> None:
    clockify.workspaces()
    entries = [entry(f"e{n:02}", day(19 - n)) for n in range(20)]

    def remaining() -> list[dict[str, Any]]:
        later = len(clockify.sent_for("time_entries")) > 1
        return [row for n, row in enumerate(entries) if not (later and n == place)]

    clockify.users(USER)
    clockify.user_entries(USER, remaining, at_most=5)

    output = read_ok("time_entries")

    found = ids(output)
    assert len(found) == len(set(found))
    assert set(found) | {f"e{place:02}"} == {row["id"] for row in entries}


@pytest.mark.parametrize("place", [0, 4, 5, 18])
def test_an_entry_added_between_two_pages_doubles_no_other(clockify: Clockify, place: int) -> None:
    clockify.workspaces()
    entries = [entry(f"e{n:02}", day(19 - n)) for n in range(20)]
    added = entry("added", day(19 - place, 18))

    def existing() -> list[dict[str, Any]]:
        return [*entries, added] if len(clockify.sent_for("time_entries")) > 1 else entries

    clockify.users(USER)
    clockify.user_entries(USER, existing, at_most=5)

    found = ids(read_ok("time_entries"))

    assert len(found) == len(set(found))
    assert {row["id"] for row in entries} <= set(found)


def test_the_same_entry_id_of_two_users_is_not_taken_for_a_repeat(clockify: Clockify) -> None:
    """Repeats are dropped within the pages of one user, not across partitions."""
    clockify.workspaces()
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [entry("e", day(1), userId="u1")])
    clockify.user_entries("u2", [entry("e", day(1), userId="u2")])

    assert len(records(read_ok("time_entries"))) == 2


def test_repeats_are_dropped_in_a_history_too_long_to_remember() -> None:
    def pages() -> Iterator[list[dict[str, Any]]]:
        for page in range(0, 60_000, 5000):
            # The last 20 entries of the page before come again.
            numbers = [*range(max(0, page - 20), page + 5000)]
            for first in range(0, len(numbers), 13):
                part = numbers[first : first + 13]
                yield [{"id": f"{n:024x}", "start": hours_ago(n / 4)} for n in part]

    found = [record["id"] for rows in without_repeats(pages()) for record in rows]

    assert len(found) == len(set(found)) == 60_000


# time_entries_in_progress ----------------------------------------------------------------------


def test_running_timers_of_all_workspaces_are_read_with_their_page_size(
    clockify: Clockify,
) -> None:
    """This endpoint grants 1000 a page, not 5000."""
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    timer = entry("a", hours_ago(2), workspaceId=WORKSPACE, description="läuft")
    clockify.serve("time_entries_in_progress", [timer])
    clockify.serve("time_entries_in_progress", [{"id": "b"}], OTHER_WORKSPACE)

    output = read_ok("time_entries_in_progress")

    assert ids(output) == ["a", "b"]
    (found,) = [record for record in records(output) if record["id"] == "a"]
    assert found == timer
    for request in clockify.sent("/in-progress"):
        assert query(request) == {"page": "1", "page-size": "1000"}


def test_without_a_running_timer_there_is_no_record(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries_in_progress", [])

    assert records(read_ok("time_entries_in_progress")) == []
    assert len(clockify.sent(path_of("time_entries_in_progress"))) == 1


def test_running_timers_are_read_whole_whatever_the_start_date(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("time_entries_in_progress", rows(3))

    output = read_ok("time_entries_in_progress", with_config=starting("2026-11-24T00:00:00Z"))

    assert len(records(output)) == 3


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("start", [5, 3717144200, True, ["2026-11-20T08:00:00Z"]])
def test_an_entry_whose_start_is_no_text_is_read(
    clockify: Clockify, start: Any, alone: bool
) -> None:
    row = {"id": "e", "timeInterval": {"start": start, "end": None}}
    clockify.workspaces()
    clockify.users(USER)
    clockify.answer(path_of("time_entries"), {"json": [row]})

    output = read_ok("time_entries", manifest_alone=alone, incremental=True)

    assert ids(output) == ["e"]
