"""Hints in doubt: no deletion without proof, no candidate that waits for ever, every gap told."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from source_clockify import tracked_sync
from source_clockify.change_tracking import checkpoint, hints
from source_clockify.change_tracking.hint_state import decode_hints
from source_clockify.change_tracking.state import checksum
from unit_tests.clockify import (
    OTHER_WORKSPACE,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    blob_of,
    changes,
    entry,
    error_body,
    message_of,
    messages,
    partitions_of,
    report_row,
    state_of,
    warnings,
    workspace,
)
from unit_tests.protocol import states_of, stream_of
from unit_tests.test_hints import (
    KINDS,
    OLD,
    RECENT,
    Feeds,
    account,
    change,
    hints_in,
    number,
    old,
    synced,
)

# As a whole, though each test is short.
pytestmark = pytest.mark.slow

REFUSED = {"status_code": 403, "json": error_body(501, "Access Denied")}
OTHER_USER = "640000000000000000000043"


class PrunedFeeds(Feeds):
    """Names nothing else of what was created within the window of a request, as Clockify does."""

    def _serve(self, kind: str) -> None:
        def answer(request: Any, context: Any) -> list[Any]:
            asked = parse_qs(urlsplit(request.url).query)
            first, last = asked["start"][0], asked["end"][0]
            deleted = {row["id"] for row in self.rows["deleted"]}
            created = {row["id"]: row["deletedAt"] for row in self.rows["created"]}
            found = [row for row in self.rows[kind] if first <= row["deletedAt"] <= last]
            if kind == "created":
                found = [row for row in found if row["id"] not in deleted]
            else:
                found = [row for row in found if not first <= created.get(row["id"], "") <= last]
            return found if asked["page"][0] == "0" else []

        self._clockify.answer(f"/workspaces/{self._of}/entities/{kind}", {"json": answer})


class WindowlessFeeds(Feeds):
    """Returns all rows whatever the window."""

    def _serve(self, kind: str) -> None:
        def answer(request: Any, context: Any) -> list[Any]:
            asked = parse_qs(urlsplit(request.url).query)
            return self.rows[kind] if asked["page"][0] == "0" else []

        self._clockify.answer(f"/workspaces/{self._of}/entities/{kind}", {"json": answer})


def role(clockify: Clockify, name: str) -> None:
    """Give the key's owner another role."""
    clockify.listing("users", [{"id": USER, "roles": [{"role": name}]}])


def recent(identifier: str, start: str = RECENT, **fields: Any) -> dict[str, Any]:
    shown = {"workspaceId": WORKSPACE, "userId": USER, **fields}
    return entry(identifier, start, start[:11] + "23:00:00Z", **shown)


def reported(identifier: str, start: str = OLD) -> dict[str, Any]:
    """Return the row of the detailed report for an entry whose timer has ended."""
    row = report_row(identifier, start)
    return {**row, "timeInterval": {"start": start, "end": start[:11] + "23:00:00Z"}}


def at(day: int, hour: int = 15) -> str:
    """Return a moment a number of days after the day of the first sync."""
    return f"2026-{11 + (day > 6)}-{day + 24 - 30 * (day > 6):02d}T{hour:02d}:00:00Z"


def receipt(output: Any, stream: str = "time_entries") -> dict[str, Any]:
    found = [each for each in messages(output, "sync_log") if each["stream"] == stream]
    return found[-1]


def states_for(connection: Connection, stream: str) -> list[Any]:
    return [each for each in connection.states or () if stream_of(each) == stream]


def set_back(connection: Connection, stale: Sequence[Any]) -> None:
    """Give some streams the states of an earlier sync."""
    names = {stream_of(each) for each in stale}
    kept = [each for each in connection.states or () if stream_of(each) not in names]
    connection.states = [*kept, *stale]


def without_hints(connection: Connection) -> None:
    """Let the state be as one of a sync that followed no changes."""
    blobs = [blob_of(each) for each in connection.states or ()]
    contents = [
        {name: value for name, value in blob.items() if name not in ("checksum", "hints")}
        for blob in blobs
    ]
    connection.states = [
        state_of("time_entries", {**content, "checksum": checksum(content)}) for content in contents
    ]


# What a limited key hides -------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [(), (recent(number(90)),)])
def test_an_entry_hidden_by_fewer_permissions_is_a_gap_and_not_deleted(
    clockify: Clockify, connect: Connect, shown: Sequence[Any]
) -> None:
    account(clockify, *shown, old(number(1)))
    connection = synced(connect, "time_entries", "sync_log", resend_changes=0)
    served = account(clockify, *shown)
    role(clockify, "TEAM_MANAGER")
    served.name("updated", change(number(1)))

    outputs = [connection.sync() for _ in range(4)]

    assert [changes(each, "time_entries") for each in outputs] == [[]] * 4
    told = [output for output in outputs if any("cannot be read" in w for w in warnings(output))]
    assert told
    assert "cannot be read" in str(receipt(told[0])["skipped"])


@pytest.mark.parametrize("kind", ["updated", "deleted"])
def test_a_state_without_hints_proves_nothing_under_other_permissions(
    clockify: Clockify, connect: Connect, kind: str
) -> None:
    account(clockify, recent(number(90)), old(number(1)))
    connection = synced(connect, resend_changes=0)
    served = account(clockify)
    role(clockify, "TEAM_MANAGER")
    connection.sync()
    without_hints(connection)
    served.name(kind, change(number(1), at(1)))

    first, *later = [changes(connection.sync()) for _ in range(3)]

    assert first == []
    # Two syncs with the same permissions, and the feed that names it as deleted, are proof.
    assert later == ([[f"-{number(1)}"], []] if kind == "deleted" else [[], []])


def test_an_entry_that_another_workspace_refuses_to_show_is_not_deleted(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.listing("users", [], of=OTHER_WORKSPACE)
    connection = synced(connect, resend_changes=0)
    clockify.answer(f"/workspaces/{OTHER_WORKSPACE}/time-entries/{number(1)}", REFUSED)
    Feeds(clockify).name("deleted", change(number(1)))

    first, second = connection.sync(), connection.sync()

    assert changes(first) + changes(second) == []
    assert any("cannot be read" in each for each in warnings(first))


def test_deletions_that_wait_for_the_same_permissions_hold_up_no_update(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "SINGLE_READS", 6)
    monkeypatch.setattr(hints, "BATCH_SIZE", 2)
    account(clockify, recent(number(90)))
    role(clockify, "TEAM_MANAGER")
    connection = synced(connect, resend_changes=0)
    served = account(clockify, recent(number(90)), old(number(8), "new"))
    role(clockify, "PROJECT_MANAGER")
    served.name("deleted", *(change(number(n)) for n in range(1, 6)))
    served.name("updated", change(number(8), at(1)))

    sent = [changes(connection.sync()) for _ in range(6)]

    assert sent[0] == []
    assert sorted(each for output in sent for each in output) == [
        f"+{number(8)}",
        *(f"-{number(n)}" for n in range(1, 6)),
    ]


def test_an_entry_whose_row_is_hidden_is_sent_when_a_feed_names_it(
    clockify: Clockify, connect: Connect
) -> None:
    edge = recent(number(1), "2026-10-25T20:00:00Z")
    account(clockify, edge, recent(number(50)))
    connection = synced(connect)
    account(clockify, {**edge, "description": "b"}, recent(number(50)))
    # Hidden before it was resent, it stays in the state.
    connection.sync(hours=12)
    # What is new has the permissions be asked for.
    shown = [recent(number(50)), recent(number(51), at(0))]
    account(clockify, *shown)
    role(clockify, "TEAM_MANAGER")
    connection.sync(hours=12)
    # The key can read it once more when it has left the window.
    served = account(clockify, {**edge, "description": "c"}, *shown)
    clockify.user_entries(USER, shown)
    role(clockify, "TEAM_MANAGER")
    served.name("updated", change(number(1), at(1)))

    output = connection.sync(hours=48)

    assert message_of(output, number(1))["description"] == "c"


# Streams of different age -----------------------------------------------------------------------


def test_a_stream_set_back_takes_no_deletion_from_an_up_to_date_one(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)
    clockify.detailed_report([])
    connection = synced(connect, "time_entries", "detailed_report", resend_changes=0)
    stale = states_for(connection, "detailed_report")
    account(clockify, old(number(1)))
    clockify.detailed_report([reported(number(1))])
    PrunedFeeds(clockify).name("created", change(number(1), at(0)))
    created = connection.sync()
    set_back(connection, stale)
    account(clockify)
    clockify.detailed_report([])
    served = PrunedFeeds(clockify)
    served.name("created", change(number(1), at(0)))
    served.name("deleted", change(number(1), at(1)))

    deleted = connection.sync()

    assert changes(created, "time_entries") == [f"+{number(1)}"]
    assert changes(deleted, "time_entries") == [f"-{number(1)}"]


def test_a_stream_that_stands_still_does_not_starve_the_others(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "MOST_ROWS", 5)
    account(clockify)
    clockify.detailed_report([])
    connection = synced(connect, "time_entries", "detailed_report", resend_changes=0)
    entries, named, report, sent = [], [], [], []
    for n in range(1, 10):
        entries.append(old(number(n), "new"))
        named.append(change(number(n), at(n - 1)))
        report.append(reported(number(n)))
        account(clockify, *entries).name("updated", *named)
        clockify.detailed_report(report)
        # Without its users the stream of entries has no partition.
        clockify.answer(f"/workspaces/{WORKSPACE}/users", REFUSED)
        clockify.answer(f"/workspaces/{WORKSPACE}/users/info", REFUSED)
        sent.append(changes(connection.sync(fails=True), "detailed_report", key="_id"))

    assert sent == [[f"+{number(n)}"] for n in range(1, 10)]


def test_no_stream_asks_from_earlier_because_another_does(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "MOST_ROWS", 3)
    account(clockify)
    clockify.detailed_report([])
    connection = synced(connect, "time_entries", "detailed_report", resend_changes=0)
    stale = states_for(connection, "detailed_report")
    entries, named, sent, moments = [], [], [], []
    for n in range(1, 8):
        entries.append(old(number(n), "new"))
        named.append(change(number(n), at(n - 1)))
        account(clockify, *entries).name("updated", *named)
        set_back(connection, stale)
        sent.append(changes(connection.sync(), "time_entries"))
        moments.append(hints_in(connection)[WORKSPACE]["ask_from"])

    assert sent == [[f"+{number(n)}"] for n in range(1, 8)]
    assert moments == [at(n, 8).replace("00:00Z", "50:00Z") for n in range(1, 8)]


# What the comparison does not read ----------------------------------------------------------------


def test_an_earlier_start_date_swallows_no_hint(clockify: Clockify, connect: Connect) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect, start_date="2026-02-01T00:00:00Z")
    edited = old(number(1), "new")
    account(clockify, edited).name("updated", change(number(1)))
    clockify.user_entries(USER, [edited])

    output = connection.sync(start_date="2026-01-01T00:00:00Z")

    assert message_of(output, number(1))["description"] == "new"


def test_a_row_that_moved_beyond_the_end_of_the_window_is_sent(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify, old(number(1)))
    clockify.detailed_report([reported(number(1))])
    connection = synced(connect, "detailed_report", resend_changes=0)
    ahead = "2027-03-02T09:00:00Z"
    account(clockify, recent(number(1), ahead)).name("updated", change(number(1)))
    clockify.detailed_report([reported(number(1), ahead)])

    output = connection.sync()

    assert message_of(output, number(1), key="_id")["timeInterval"]["start"] == ahead


def test_an_entry_created_just_before_the_first_sync_gets_its_tombstone(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify).name("created", change(number(1), "2026-11-24T08:55:00Z"))
    clockify.user_entries(USER, [old(number(1))])
    connection = synced(connect, resend_changes=0)
    # The next request begins before it was created, so that no feed names its deletion.
    account(clockify)
    clockify.answer(f"/workspaces/{WORKSPACE}/time-entries/{number(1)}", {"status_code": 500})
    failed = connection.sync()
    account(clockify)

    assert changes(failed) == []
    assert [changes(connection.sync()) for _ in range(2)] == [[f"-{number(1)}"], []]


# What waits ---------------------------------------------------------------------------------------


def test_a_deletion_is_decided_on_the_free_plan_with_six_workspaces(
    clockify: Clockify, connect: Connect
) -> None:
    found = [WORKSPACE, *(f"64e7771234567890123457{n:02d}" for n in range(5))]
    clockify.workspaces(*found)
    served = {}
    for each in found:
        clockify.listing("users", [{"id": USER, "roles": [{"role": "OWNER"}]}], of=each)
        clockify.user_entries(USER, [], of=each)
        clockify.by_id("time-entries", of=each)
        served[each] = Feeds(clockify, each)
    connection = synced(connect, resend_changes=0, plan="free", follow_changes=True)
    served[WORKSPACE].name("deleted", change(number(1)))

    assert changes(connection.sync()) == [f"-{number(1)}"]


def test_an_entry_that_always_fails_holds_up_no_other(clockify: Clockify, connect: Connect) -> None:
    account(clockify, *(old(number(n)) for n in range(1, 4)))
    connection = synced(connect, resend_changes=0)
    served = account(clockify, *(old(number(n), "new") for n in (2, 3)))
    failed = {"status_code": 500}
    clockify.answer(f"/workspaces/{WORKSPACE}/time-entries/{number(1)}", failed)
    clockify.answer(f"/workspaces/{WORKSPACE}/time-entries/batch", failed, method="POST")
    served.name("updated", *(change(number(n)) for n in (1, 2, 3)))

    sent = [each for _ in range(3) for each in changes(connection.sync())]

    assert sent == [f"+{number(2)}", f"+{number(3)}"]
    assert hints_in(connection)[WORKSPACE]["waiting"] == 1


def test_each_workspace_has_its_turn_within_some_syncs(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "SINGLE_READS", 4)
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    busy, quiet = Feeds(clockify), Feeds(clockify, OTHER_WORKSPACE)
    for each in (WORKSPACE, OTHER_WORKSPACE):
        clockify.listing("users", [{"id": USER, "roles": [{"role": "OWNER"}]}], of=each)
        clockify.user_entries(USER, [], of=each)
        clockify.by_id("time-entries", of=each)
    connection = synced(connect, resend_changes=0)
    edited = old(number(500), "new", workspaceId=OTHER_WORKSPACE)
    clockify.by_id("time-entries", edited, of=OTHER_WORKSPACE)
    quiet.name("updated", change(number(500)))
    named: list[Any] = []
    sent: list[str] = []
    for n in range(6):
        # More than the lookups of a sync suffice for.
        named += [change(number(10 * n + place), at(n)) for place in (1, 2, 3)]
        busy.name("deleted", *named)
        sent += changes(connection.sync())

    assert f"+{number(500)}" in sent
    assert any(each.startswith("-") for each in sent)


def test_rows_that_are_resent_no_more_leave_their_room_to_others(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "_LEAST_WAITING", 2)
    monkeypatch.setattr(hints, "_MOST_WAITING", 2)
    account(clockify)
    connection = synced(connect)
    served = account(clockify, *(old(number(n), "new") for n in range(1, 4)))
    served.name("updated", change(number(1)), change(number(2)))
    connection.sync()
    served.name("updated", change(number(3), at(1)))

    sent = [changes(connection.sync(resend_changes=0)) for _ in range(3)]

    assert [each for output in sent for each in output] == [f"+{number(3)}"]
    assert hints_in(connection)[WORKSPACE].keys() == {"ask_from"}


# What is said -------------------------------------------------------------------------------------


def test_feeds_that_are_read_in_part_say_up_to_when(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "MOST_ROWS", 5)
    account(clockify)
    connection = synced(connect, "time_entries", "sync_log", resend_changes=0)
    found = range(1, 41)
    served = account(clockify, *(old(number(n), "new") for n in found))
    served.name("updated", *(change(number(n), f"2026-11-24T15:{n:02d}:00Z") for n in found))

    output = connection.sync()

    assert 0 < len(changes(output, "time_entries")) < 40
    until = hints_in(connection)[WORKSPACE]["ask_from"]
    assert "2026-11-24T15:00:00Z" < until < "2026-11-24T15:41:00Z"
    (skipped,) = receipt(output)["skipped"]
    (warning,) = warnings(output)
    assert f"up to {until}" in skipped
    assert f"up to {until}" in warning


def test_feeds_that_fail_are_in_the_receipt_of_every_sync(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)
    connection = synced(connect, "time_entries", "sync_log")
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/updated", {"status_code": 500})

    for _ in range(2):
        output = connection.sync()
        (skipped,) = receipt(output)["skipped"]
        assert "entities/updated" in skipped
        assert len(warnings(output)) == 1


@pytest.mark.parametrize("answer", [{"status_code": 500}, REFUSED, {"text": "<html>"}])
def test_an_audit_log_that_cannot_be_read_is_named_and_stops_no_feed(
    clockify: Clockify, connect: Connect, answer: dict[str, Any]
) -> None:
    log, host = f"/workspaces/{WORKSPACE}/audit-log", "https://auditlog-api.api.clockify.me/v1"
    account(clockify)
    clockify.workspaces(workspace(features=["AUDIT_LOG"]))
    clockify.answer(log, {"json": []}, method="POST", host=host)
    connection = synced(connect, "time_entries", "sync_log", resend_changes=0)
    served = account(clockify, old(number(1), "new"))
    clockify.workspaces(workspace(features=["AUDIT_LOG"]))
    clockify.answer(log, answer, method="POST", host=host)
    served.name("updated", change(number(1)))
    failed = connection.sync()

    assert changes(failed, "time_entries") == [f"+{number(1)}"]
    assert "/audit-log, status" in str(receipt(failed)["skipped"])
    assert any("/audit-log, status" in each for each in warnings(failed))


# Rows that are not as documented ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["created", "updated"])
@pytest.mark.parametrize(
    "fields",
    [
        {"at": "2020-01-01T00:00:00Z"},
        {"at": "2030-01-01T00:00:00Z"},
        {"at": None},
        {"at": "yesterday"},
        {"code": None},
        {"code": "TIME_ENTRY_TAG"},
        {"code": "RUNNING_TIME"},
    ],
)
def test_a_row_that_is_not_as_documented_is_looked_up(
    clockify: Clockify, connect: Connect, kind: str, fields: dict[str, Any]
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect, resend_changes=0)
    account(clockify, old(number(1), "new"))
    WindowlessFeeds(clockify).name(kind, change(number(1), **fields))

    assert changes(connection.sync()) == [f"+{number(1)}"]


@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", None])
def test_a_feed_that_repeats_its_rows_in_every_sync_sends_each_once(
    clockify: Clockify, connect: Connect, moment: Any
) -> None:
    account(clockify, old(number(1)), old(number(2)))
    connection = synced(connect, resend_changes=0)
    account(clockify, old(number(1), "new"))
    served = WindowlessFeeds(clockify)
    served.name("updated", change(number(1), moment))
    served.name("deleted", change(number(2), moment))

    sent = [each for _ in range(4) for each in changes(connection.sync())]

    assert sent == [f"+{number(1)}", f"-{number(2)}"]


# Users --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [OLD, RECENT])
def test_entries_of_a_user_that_was_never_listed_are_not_sent(
    clockify: Clockify, connect: Connect, kind: str, start: str
) -> None:
    account(clockify)
    connection = synced(connect, "time_entries", "sync_log")
    stranger = recent(number(1), start, userId=OTHER_USER)
    account(clockify, *([] if kind == "deleted" else [stranger]))
    clockify.user_entries(USER, [])
    Feeds(clockify).name(kind, change(number(1), document=stranger))

    outputs = [connection.sync() for _ in range(2)]

    assert [changes(each, "time_entries") for each in outputs] == [[], []]
    assert receipt(outputs[-1])["live"] == 0


def live_keys(outputs: Sequence[Any], window_start: str) -> set[str]:
    """Return the entries of the window that a consumer of these syncs has."""
    merged: dict[str, dict[str, Any]] = {}
    for output in outputs:
        for message in messages(output, "time_entries"):
            merged[message["id"]] = message
    return {
        key
        for key, message in merged.items()
        if "_ab_cdc_deleted_at" not in message
        and message["timeInterval"]["start"] >= window_start[:19]
    }


@pytest.mark.parametrize("resend", [0, 1])
def test_entries_of_a_removed_user_are_counted_as_a_consumer_has_them(
    clockify: Clockify, connect: Connect, resend: int
) -> None:
    owner = {"id": USER, "roles": [{"role": "OWNER"}]}
    held = [old(number(1), userId=OTHER_USER), recent(number(2), userId=OTHER_USER)]
    account(clockify, recent(number(3)))
    clockify.listing("users", [owner, {"id": OTHER_USER}])
    clockify.user_entries(OTHER_USER, held)
    connection = connect("time_entries", "sync_log", resend_changes=resend)
    outputs = [connection.sync()]
    # Removed, and asked for by id only: their list is refused as that of an unknown user.
    unknown = {"status_code": 400, "json": error_body(501, "User doesn't belong to Workspace")}
    edited = [old(number(1), "new", userId=OTHER_USER), {**held[1], "description": "new"}]
    late = recent(number(4), "2027-01-20T09:00:00Z", userId=OTHER_USER)

    def serve(*shown: Any) -> Feeds:
        served = account(clockify, recent(number(3)), *shown)
        clockify.user_entries(USER, [recent(number(3))])
        clockify.answer(f"/workspaces/{WORKSPACE}/user/{OTHER_USER}/time-entries", unknown)
        clockify.answer(f"/workspaces/{WORKSPACE}/member-profile/{OTHER_USER}", unknown)
        return served

    serve(*edited).name("updated", change(number(1)), change(number(2)))
    outputs.append(connection.sync())
    # Their last entry leaves the window, and with it their partition the state.
    serve(*edited)
    outputs += [connection.sync(hours=20 * 24) for _ in range(3)]
    serve(*edited, late).name("created", change(number(4), "2027-01-24T15:00:00Z"))
    outputs += [connection.sync(hours=24) for _ in range(2)]

    for number_of_sync in range(len(outputs)):
        found = receipt(outputs[number_of_sync])
        merged = live_keys(outputs[: number_of_sync + 1], found["window_start"])
        assert found["live"] == len(merged), number_of_sync
    sent = {each for output in outputs[1:] for each in changes(output, "time_entries")}
    assert sent == {f"+{number(1)}", f"+{number(2)}", f"+{number(4)}"}


# A removed user --------------------------------------------------------------------------------

UNKNOWN_USER = {
    "status_code": 400,
    "json": error_body(501, "User doesn't belong to Workspace"),
}


def with_removed_user(clockify: Clockify, connect: Connect, **settings: Any) -> Connection:
    """Return a connection that had an entry of a user who has been removed since."""
    account(clockify, recent(number(3)))
    owner = {"id": USER, "roles": [{"role": "OWNER"}]}
    clockify.listing("users", [owner, {"id": OTHER_USER}])
    clockify.user_entries(OTHER_USER, [old(number(1), userId=OTHER_USER)])
    connection = synced(connect, "time_entries", "sync_log", **settings)
    remove_user(clockify)
    return connection


def remove_user(clockify: Clockify, *shown: dict[str, Any]) -> Feeds:
    served = account(clockify, recent(number(3)), *shown)
    clockify.user_entries(USER, [recent(number(3))])
    for path in (f"user/{OTHER_USER}/time-entries", f"member-profile/{OTHER_USER}"):
        clockify.answer(f"/workspaces/{WORKSPACE}/{path}", UNKNOWN_USER)
    return served


def test_the_row_of_a_removed_user_leaves_the_hints_with_the_window(
    clockify: Clockify, connect: Connect
) -> None:
    connection = with_removed_user(clockify, connect)
    connection.sync()
    late = recent(number(4), at(1), userId=OTHER_USER)
    remove_user(clockify, late).name("created", change(number(4), at(1)))
    sent = [changes(connection.sync(), "time_entries") for _ in range(3)]
    inside = decode_hints(hints_in(connection))[WORKSPACE].rows.keys()
    for _ in range(3):
        connection.sync(hours=24 * 15)

    assert sent == [[f"+{number(4)}"], [f"+{number(4)}"], []]
    assert inside == {number(4)}
    assert not decode_hints(hints_in(connection))[WORKSPACE].rows


def test_every_state_knows_a_removed_user(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS_PER_MEGABYTE", 0)
    connection = with_removed_user(clockify, connect, resend_changes=0)
    output = connection.sync()
    states = [state for state in states_of(output) if stream_of(state) == "time_entries"]

    assert len(states) > 2
    for state in states:
        removed = decode_hints(blob_of(state).get("hints", {}))[WORKSPACE].former_users
        assert (WORKSPACE, OTHER_USER) in partitions_of(state) or OTHER_USER in removed


# What the second review found -------------------------------------------------------------------


def test_each_stream_says_that_the_feeds_fail(clockify: Clockify, connect: Connect) -> None:
    account(clockify)
    clockify.detailed_report([])
    streams = ("time_entries", "detailed_report")
    connection = synced(connect, *streams, "sync_log", resend_changes=0)
    stale = states_for(connection, "detailed_report")
    connection.sync()
    set_back(connection, stale)
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/updated", {"status_code": 500})
    output = connection.sync()

    for stream in streams:
        assert "change feeds could not be read" in receipt(output, stream)["skipped"][0]


def test_a_hidden_row_that_is_deleted_counts_and_is_sent_once(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify, recent(number(1)), recent(number(50)))
    connection = connect("time_entries", "sync_log")
    outputs = [connection.sync()]
    shown = [recent(number(50)), recent(number(51), at(0))]
    account(clockify, *shown)
    role(clockify, "TEAM_MANAGER")
    outputs.append(connection.sync(hours=12))
    served = account(clockify, *shown)
    role(clockify, "TEAM_MANAGER")
    served.name("deleted", change(number(1), at(1)))
    for _ in range(3):
        outputs.append(connection.sync())
        held = live_keys(outputs, receipt(outputs[-1])["window_start"])
        assert receipt(outputs[-1])["live"] == len(held)
    account(clockify, *shown)
    outputs += [connection.sync() for _ in range(2)]

    assert sum(receipt(each)["deleted"] for each in outputs) == 1


def test_a_feed_that_ignores_window_and_types_ends(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "MOST_ROWS", 100)
    account(clockify)
    connection = synced(connect)
    served = WindowlessFeeds(clockify)
    served.name("created", *(change(number(n), code="PROJECTS") for n in range(101)))
    before = len(served.requests())
    connection.sync()

    assert len(served.requests()) - before < 100
