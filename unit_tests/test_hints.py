"""Hints: what Clockify's change feeds name outside of the window is looked up and sent."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify import tracked_sync
from source_clockify.change_tracking import lookups
from source_clockify.change_tracking.state import checksum
from unit_tests.clockify import (
    NOW,
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
    report_row,
    rows,
    single_reads,
    state_of,
    warnings,
    workspace,
)
from unit_tests.protocol import logs_of, stream_of

# As a whole, though each test is short.
pytestmark = pytest.mark.slow

KINDS = ("created", "updated", "deleted")
OLD = "2026-03-02T09:00:00Z"
RECENT = "2026-11-20T09:00:00Z"
# Some hours after the sync at `NOW`.
LATER = "2026-11-24T15:00:00Z"


def number(value: int) -> str:
    return f"{value:024x}"


def old(identifier: str, description: str = "old", **fields: Any) -> dict[str, Any]:
    """Return an entry from before the window."""
    shown = {"workspaceId": WORKSPACE, "userId": USER, "description": description, **fields}
    return entry(identifier, OLD, "2026-03-02T10:00:00Z", **shown)


def change(identifier: str, at: str = LATER, code: str = "TIME_ENTRY", **fields: Any) -> Any:
    """Return a row of a feed."""
    marks = {"createdAt": at, "updatedAt": at}
    return {
        "id": identifier,
        "documentCode": code,
        "auditMetadata": marks,
        "deletedAt": at,
        **fields,
    }


class Feeds:
    """Serves the three feeds of a workspace from the rows that a test gives."""

    def __init__(self, clockify: Clockify, of: str = WORKSPACE) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        self._clockify, self._of = clockify, of
        for kind in KINDS:
            self._serve(kind)

    def name(self, kind: str, *found: dict[str, Any]) -> None:
        self.rows[kind] = list(found)

    def _serve(self, kind: str) -> None:
        def answer(request: Any, context: Any) -> list[Any]:
            asked = parse_qs(urlsplit(request.url).query)
            first, last = asked["start"][0], asked["end"][0]
            found = [row for row in self.rows[kind] if first <= row["deletedAt"] <= last]
            page, size = int(asked["page"][0]), int(asked["limit"][0])
            return found[page * size : page * size + size]

        self._clockify.answer(f"/workspaces/{self._of}/entities/{kind}", {"json": answer})

    def requests(self) -> list[Any]:
        return [request for kind in KINDS for request in self._clockify.sent(f"/entities/{kind}")]

    def asked(self) -> list[tuple[str, str]]:
        """Return the windows of the first feed."""
        found = [parse_qs(urlsplit(each.url).query) for each in self._clockify.sent("/created")]
        return [(each["start"][0], each["end"][0]) for each in found]


def account(clockify: Clockify, *entries: dict[str, Any]) -> Feeds:
    """Serve an account with one user and these entries, whose key's owner is an admin."""
    clockify.workspaces()
    admin = {"id": USER, "roles": [{"role": "OWNER"}]}
    clockify.listing("users", [admin])
    shown = [each for each in entries if each["timeInterval"]["start"] > "2026-09"]
    clockify.user_entries(USER, shown)
    clockify.by_id("time-entries", *entries)
    return Feeds(clockify)


def synced(connect: Connect, *streams: str, **settings: Any) -> Connection:
    """Return a connection after its first sync."""
    connection = connect(*(streams or ("time_entries",)), **settings)
    connection.sync()
    return connection


def hints_in(connection: Connection, stream: str = "time_entries") -> dict[str, Any]:
    (state,) = [each for each in connection.states or () if stream_of(each) == stream]
    found: dict[str, Any] = blob_of(state).get("hints", {})
    return found


def infos(output: Any) -> list[str]:
    return [log.message for log in logs_of(output)]


# What is sent -----------------------------------------------------------------------------------


def test_an_old_entry_that_a_feed_names_is_sent_as_it_is_now(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    account(clockify, old(number(1), "new")).name("updated", change(number(1), description="lie"))

    output = connection.sync()

    assert changes(output) == [f"+{number(1)}"]
    assert message_of(output, number(1))["description"] == "new"


@pytest.mark.parametrize("kind", ["created", "updated"])
@pytest.mark.parametrize("code", ["TIME_ENTRY", "TIME_ENTRY_RATE", "TIME_ENTRY_CUSTOM_FIELD_VALUE"])
@pytest.mark.parametrize("field", ["id", "timeEntryId", "entryId"])
def test_rates_and_custom_fields_name_their_entry(
    clockify: Clockify, connect: Connect, kind: str, code: str, field: str
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    of = number(1) if code == "TIME_ENTRY" or field == "id" else number(99)
    named = change(of, code=code, **({} if field == "id" else {field: number(1)}))
    account(clockify, old(number(1), "new")).name(kind, named)

    assert changes(connection.sync()) == [f"+{number(1)}"]


def test_a_vanished_entry_is_a_tombstone_with_what_the_feed_knows(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    document = {"userId": USER, "workspaceId": WORKSPACE, "timeInterval": {"start": OLD}}
    account(clockify).name("deleted", change(number(1), document=document))

    (sent,) = messages(connection.sync())

    assert {name: value for name, value in sent.items() if not name.startswith("_ab_")} == {
        "id": number(1),
        "workspaceId": WORKSPACE,
        "userId": USER,
        "start": OLD,
    }
    assert sent["_ab_cdc_deleted_at"] == sent["_ab_cdc_updated_at"]


@pytest.mark.parametrize("document", [None, {}, 5, "x", {"timeInterval": []}, {"userId": {}}])
def test_a_tombstone_takes_nothing_that_it_cannot_use(
    clockify: Clockify, connect: Connect, document: Any
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    account(clockify).name("deleted", change(number(1), document=document))

    (sent,) = messages(connection.sync())

    assert {"id", "workspaceId"} <= sent.keys()
    assert not {"userId", "start"} & sent.keys()


def test_a_row_of_the_detailed_report_is_read_on_the_day_of_its_entry(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify, old(number(1)))
    clockify.detailed_report([report_row(number(1), OLD, description="old")])
    connection = synced(connect, "detailed_report")
    account(clockify, old(number(1), "new")).name("updated", change(number(1)))
    clockify.detailed_report([report_row(number(1), OLD, description="new")])
    before = len(clockify.sent("/reports/detailed"))

    output = connection.sync()

    assert changes(output, key="_id") == [f"+{number(1)}"]
    assert messages(output)[0]["description"] == "new"
    windows = [each.json()["dateRangeStart"] for each in clockify.sent("/reports/detailed")]
    assert windows[before:].count("2026-03-02T00:00:00.000Z") == 1


def test_each_change_is_resent_and_then_forgotten(clockify: Clockify, connect: Connect) -> None:
    account(clockify, old(number(1)), old(number(2)))
    connection = synced(connect)
    served = account(clockify, old(number(1), "new"))
    served.name("updated", change(number(1)))
    served.name("deleted", change(number(2)))

    first, second, third = (messages(connection.sync()) for _ in range(3))

    assert len(first) == 2
    assert second == first
    assert third == []
    assert hints_in(connection)[WORKSPACE].keys() == {"ask_from", "access"}


def test_an_event_that_two_requests_name_is_looked_up_once(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect, resend_changes=0)
    # Five minutes before the second sync begins, so that the third asks for it again.
    account(clockify, old(number(1), "new")).name(
        "updated", change(number(1), "2026-11-25T08:55:00Z")
    )

    assert changes(connection.sync()) == [f"+{number(1)}"]
    before = len(single_reads(clockify, "time-entries"))
    assert changes(connection.sync()) == []
    assert len(single_reads(clockify, "time-entries")) == before


# What is left to the comparison -------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_inside_of_the_window_is_left_to_the_comparison(
    clockify: Clockify, connect: Connect, kind: str
) -> None:
    recent = entry(number(1), RECENT, RECENT, workspaceId=WORKSPACE, userId=USER)
    account(clockify, recent)
    connection = synced(connect, resend_changes=0)
    account(clockify, recent).name(kind, change(number(1)))

    assert changes(connection.sync()) == []
    assert single_reads(clockify, "time-entries") == []


def test_a_quiet_sync_takes_three_requests_a_workspace_and_a_few_bytes(
    clockify: Clockify, connect: Connect
) -> None:
    recent = entry(number(1), RECENT, RECENT, workspaceId=WORKSPACE, userId=USER)

    def later_sync(**settings: Any) -> tuple[int, int]:
        account(clockify, recent)
        connection = synced(connect, **settings)
        before = len(clockify.sent())
        connection.sync()
        return len(clockify.sent()) - before, len(json.dumps(blob_of(connection.states[0])))  # type: ignore[index]

    (with_hints, size), (without, smaller) = later_sync(), later_sync(follow_changes=False)

    assert with_hints == without + 3
    assert size < smaller + 100


def test_two_streams_share_what_the_feeds_tell(clockify: Clockify, connect: Connect) -> None:
    account(clockify, old(number(1)))
    clockify.detailed_report([report_row(number(1), OLD)])
    connection = synced(connect, "time_entries", "detailed_report")
    served = account(clockify, old(number(1)))
    before = len(served.requests())

    connection.sync()

    assert len(served.requests()) == before + 3


def test_the_feeds_are_asked_from_ten_minutes_before_the_last_sync(
    clockify: Clockify, connect: Connect
) -> None:
    served = account(clockify)
    connection = synced(connect)
    connection.sync()

    assert served.asked()[-1] == ("2026-11-24T08:50:00Z", "2026-11-25T09:00:00Z")


def test_a_long_pause_is_asked_for_in_windows(clockify: Clockify, connect: Connect) -> None:
    served = account(clockify)
    connection = synced(connect)
    first = len(served.asked())
    connection.sync(hours=24 * 60)

    windows = served.asked()[first:]
    assert len(windows) == 3
    assert windows[0][0] == "2026-11-24T08:50:00Z"
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert windows[-1][1] == "2027-01-23T09:00:00Z"


# What is not believed -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_id_is_not_looked_up(clockify: Clockify, connect: Connect, kind: str) -> None:
    account(clockify)
    connection = synced(connect)
    odd: list[Any] = ["", "../../user", 5, None, [], "X" * 24]
    account(clockify).name(kind, *(change(each) for each in odd))

    output = connection.sync()

    assert messages(output) == []
    assert single_reads(clockify, "time-entries") == []


def test_what_a_feed_names_as_deleted_and_lives_is_not_sent(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    account(clockify, old(number(1))).name("deleted", change(number(1)))

    assert messages(connection.sync()) == []
    assert messages(connection.sync()) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 403, "json": error_body(501, "Access Denied")},
        {"status_code": 400, "json": error_body(501, "User doesn't belong to the project")},
        {"status_code": 402, "json": error_body(4033, "Upgrade")},
    ],
)
def test_only_a_missing_entity_is_a_deletion(
    clockify: Clockify, connect: Connect, answer: dict[str, Any]
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    account(clockify).name("deleted", change(number(1)))
    clockify.answer(f"/workspaces/{WORKSPACE}/time-entries/{number(1)}", answer)

    output = connection.sync()

    assert messages(output) == []
    assert any("1 entries outside of Lookback Days" in each for each in warnings(output))


def test_an_entry_of_another_workspace_is_not_deleted(clockify: Clockify, connect: Connect) -> None:
    account(clockify)
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.listing("users", [], of=OTHER_WORKSPACE)
    clockify.by_id("time-entries", old(number(1), workspaceId=OTHER_WORKSPACE), of=OTHER_WORKSPACE)
    connection = synced(connect)
    Feeds(clockify).name("deleted", change(number(1)), change(number(2)))

    assert changes(connection.sync()) == [f"-{number(2)}"]


def test_an_entry_of_another_workspace_in_the_feed_is_not_looked_up(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)
    connection = synced(connect)
    elsewhere = {"workspaceId": OTHER_WORKSPACE}
    account(clockify).name("deleted", change(number(1), document=elsewhere))

    assert messages(connection.sync()) == []
    assert single_reads(clockify, "time-entries") == []


def test_with_other_permissions_a_deletion_waits(clockify: Clockify, connect: Connect) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    served = account(clockify)
    served.name("deleted", change(number(1)))
    clockify.listing("users", [{"id": USER, "roles": [{"role": "TEAM_MANAGER"}]}])
    first = connection.sync()
    # It is sure only that the permissions are the same as in the sync before.
    second = connection.sync()
    clockify.listing("users", [{"id": USER, "roles": []}])
    served.name("deleted", change(number(2), "2026-11-26T15:00:00Z"))
    third = connection.sync()
    clockify.listing("users", [{"id": USER, "roles": [{"role": "OWNER"}]}])
    fourth = connection.sync()

    assert [changes(each) for each in (first, third)] == [[], [f"-{number(1)}"]]
    assert changes(second) == [f"-{number(1)}"]
    assert changes(fourth) == [f"-{number(2)}"]


def test_what_began_before_the_start_date_is_not_sent(clockify: Clockify, connect: Connect) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect, start_date="2026-05-01T00:00:00Z")
    account(clockify, old(number(1), "new")).name("updated", change(number(1)))

    assert messages(connection.sync()) == []


# Feeds that cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_refused_feeds_are_named_and_asked_again_from_the_same_moment(
    clockify: Clockify, connect: Connect, status: int
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect, "time_entries", "sync_log")
    refusal = {"status_code": status, "json": error_body(0, "Access Denied")}
    for kind in KINDS:
        clockify.answer(f"/workspaces/{WORKSPACE}/entities/{kind}", refusal)
    refused = connection.sync()
    account(clockify, old(number(1), "new")).name("updated", change(number(1)))

    assert changes(connection.sync(), "time_entries") == [f"+{number(1)}"]
    (warning,) = warnings(refused)
    assert "follow_changes" in warning
    assert "Access Denied" in warning
    (receipt,) = [
        each for each in messages(refused, "sync_log") if each["status"] and "ended_at" in each
    ][-1:]
    assert "change feeds" in receipt["skipped"][0]


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 500},
        {"status_code": 404, "json": error_body(404, "No static resource")},
        {"text": "<html>", "headers": {"Content-Type": "text/html"}},
        {"json": {"message": "x"}},
        {"status_code": 400, "json": error_body(3001, "no")},
    ],
)
def test_failing_feeds_fail_no_stream_and_are_asked_from_the_same_moment(
    clockify: Clockify, connect: Connect, answer: dict[str, Any]
) -> None:
    account(clockify, old(number(1)))
    connection = synced(connect)
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/updated", answer)
    failed = connection.sync()
    account(clockify, old(number(1), "new")).name("updated", change(number(1)))

    assert changes(connection.sync()) == [f"+{number(1)}"]
    assert messages(failed) == []
    assert len(warnings(failed)) == 1
    assert "change feed" in warnings(failed)[0]


def test_an_empty_feed_of_updates_beside_edits_is_called_unreliable(
    clockify: Clockify, connect: Connect
) -> None:
    recent = entry(number(1), RECENT, RECENT, workspaceId=WORKSPACE, userId=USER)
    account(clockify, recent)
    connection = synced(connect)
    quiet = connection.sync()
    account(clockify, {**recent, "description": "edited"})
    told = connection.sync()
    served = account(clockify, {**recent, "description": "again"})
    served.name("updated", change(number(1), "2026-11-26T15:00:00Z"))
    named = connection.sync()

    assert [
        sum("feed is unreliable" in line for line in infos(each)) for each in (quiet, told)
    ] == [0, 1]
    assert not any("feed is unreliable" in line for line in infos(named))


# Many events --------------------------------------------------------------------------------------


def many(count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return old entries, and rows that name them, a second apart."""
    entries = [old(each["id"], "new") for each in rows(count, first=1)]
    named = [
        change(each["id"], f"2026-11-24T{12 + n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z")
        for n, each in enumerate(entries)
    ]
    return entries, named


def test_what_does_not_fit_the_budget_waits_and_none_is_lost(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "SINGLE_READS", 6)
    entries, named = many(700)
    account(clockify)
    connection = synced(connect, "time_entries", "sync_log", resend_changes=0)
    account(clockify, *entries).name("updated", *named)

    outputs = [connection.sync() for _ in range(4)]

    sent = [[each["id"] for each in messages(output, "time_entries")] for output in outputs]
    assert [len(each) for each in sent] == [300, 300, 100, 0]
    # The oldest first.
    assert sorted(sent[0]) == [each["id"] for each in entries[:300]]
    assert sorted([*sent[0], *sent[1], *sent[2]]) == [each["id"] for each in entries]
    waiting = [[each["waiting"] for each in messages(output, "sync_log")][-1] for output in outputs]
    assert waiting == [400, 100, 0, 0]


@pytest.mark.parametrize("order", [1, -1])
def test_a_feed_of_many_rows_is_read_in_parts_and_none_is_lost(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    monkeypatch.setattr(tracked_sync, "MOST_ROWS", 200)
    entries, named = many(1000)
    account(clockify)
    connection = synced(connect, resend_changes=0)
    served = account(clockify, *entries)
    served.name("updated", *named[::order])
    sent: list[str] = []
    counts = []
    for _ in range(12):
        before = len(served.requests())
        sent += [each["id"] for each in messages(connection.sync(hours=1))]
        counts.append(len(served.requests()) - before)

    assert sorted(sent) == [each["id"] for each in entries]
    assert max(counts) < 100


def test_many_events_of_one_second_are_read_whole(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "MOST_ROWS", 100)
    entries, _ = many(300)
    account(clockify)
    connection = synced(connect, resend_changes=0)
    account(clockify, *entries).name("updated", *(change(each["id"]) for each in entries))

    sent = [each["id"] for _ in range(5) for each in messages(connection.sync(hours=1 / 6))]

    assert sent == []
    sent = [each["id"] for _ in range(5) for each in messages(connection.sync())]
    assert sorted(sent) == [each["id"] for each in entries]


def test_twenty_thousand_updates_are_sent_in_a_few_syncs(
    clockify: Clockify, connect: Connect
) -> None:
    entries, named = many(20_000)
    account(clockify)
    connection = synced(connect, resend_changes=0)
    served = account(clockify, *entries)
    served.name("updated", *named)
    sent: list[list[str]] = []
    requests = []
    for hours in (12, 1, 1):
        before = len(clockify.sent())
        sent.append([each["id"] for each in messages(connection.sync(hours=hours))])
        requests.append(len(clockify.sent()) - before)

    assert sorted(each for part in sent for each in part) == [each["id"] for each in entries]
    assert max(sent[0]) < min(sent[1])
    assert max(requests) < 1_200
    assert (sent[2], requests[2]) == ([], 6)


def test_other_deletions_keep_half_of_the_lookups() -> None:
    whole = lookups.LookupBudget(10)
    part = whole.half()

    assert [part.take() for _ in range(7)] == [True] * 5 + [False] * 2
    assert [whole.take() for _ in range(7)] == [True] * 5 + [False] * 2


# Settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "asks"),
    [
        ({}, True),
        ({"plan": "paid"}, True),
        ({"plan": "free"}, False),
        ({"plan": "free", "follow_changes": True}, True),
        ({"follow_changes": False}, False),
        ({"follow_changes": None}, True),
        ({"track_changes": False, "follow_changes": True}, False),
    ],
)
def test_the_feeds_are_asked_where_the_settings_say_so(
    clockify: Clockify, connect: Connect, settings: dict[str, Any], asks: bool
) -> None:
    served = account(clockify)
    connection = synced(connect, **settings)
    connection.sync()

    assert bool(served.requests()) is asks


def test_turned_off_what_was_sent_is_resent_and_what_waits_is_kept(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_sync, "SINGLE_READS", 2)
    entries, named = many(150)
    account(clockify)
    connection = synced(connect)
    account(clockify, *entries).name("updated", *named)
    first = connection.sync()
    off = connection.sync(follow_changes=False)
    on = connection.sync(follow_changes=True)

    assert len(messages(first)) == 100
    assert messages(off) == messages(first)
    assert len(messages(on)) == 50


def test_turned_on_with_a_state_the_feeds_are_asked_from_the_last_sync_on(
    clockify: Clockify, connect: Connect
) -> None:
    served = account(clockify, old(number(1)))
    connection = synced(connect, follow_changes=False)
    account(clockify, old(number(1), "new")).name("updated", change(number(1)))

    assert changes(connection.sync(follow_changes=True)) == [f"+{number(1)}"]
    assert served.asked()[-1][0] == "2026-11-24T08:50:00Z"


# The audit log ------------------------------------------------------------------------------------


def audited(action: str, entry_id: str, **fields: Any) -> dict[str, Any]:
    content = json.dumps({"id": entry_id, "userId": USER, **fields})
    where = "previousContent" if action.startswith("DELETE") else "content"
    return {"action": action, "timestamp": LATER, "userId": USER, where: content}


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ("UPDATE_TIME_FOR_OTHER", [f"+{number(1)}"]),
        ("RESTORE_TIME", [f"+{number(1)}"]),
        ("CREATE_TIME_IMPORT", [f"+{number(1)}"]),
        ("DELETE_TIME_PERSONAL", []),
        ("UPDATE_PROJECT", []),
    ],
)
def test_the_audit_log_names_entries_too(
    clockify: Clockify, connect: Connect, action: str, sent: Sequence[str]
) -> None:
    account(clockify, old(number(1)))
    clockify.workspaces(workspace(features=["AUDIT_LOG"]))
    log = f"/workspaces/{WORKSPACE}/audit-log"
    host = "https://auditlog-api.api.clockify.me/v1"
    clockify.answer(log, {"json": []}, method="POST", host=host)
    connection = synced(connect)
    page = [audited(action, number(1))]
    clockify.answer(log, {"json": page}, {"json": []}, method="POST", host=host)

    assert changes(connection.sync()) == sent
    actions = clockify.sent("/audit-log")[-1].json()["actions"]
    assert len(actions) == 11
    assert all("_TIME" in each for each in actions)


def test_without_the_feature_the_audit_log_is_not_asked(
    clockify: Clockify, connect: Connect
) -> None:
    account(clockify)
    synced(connect).sync()

    assert clockify.sent("/audit-log") == []


# The state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        {"hints": 5},
        {"hints": {WORKSPACE: 5}},
        {"hints": {WORKSPACE: {}}},
        {"hints": {WORKSPACE: {"ask_from": "x"}}},
        {"hints": {WORKSPACE: {"ask_from": NOW, "content": "x"}}},
        {"hints": {WORKSPACE: {"ask_from": NOW, "access": 5}}},
        {"hints": {WORKSPACE: {"ask_from": NOW, "waiting": 3, "content": ""}}},
    ],
)
def test_damaged_hints_ask_for_a_refresh(
    clockify: Clockify, connect: Connect, damage: dict[str, Any]
) -> None:
    account(clockify)
    connection = synced(connect)
    blob = blob_of(connection.states[0])  # type: ignore[index]
    content = {**{name: value for name, value in blob.items() if name != "checksum"}, **damage}
    connection.states = [state_of("time_entries", {**content, "checksum": checksum(content)})]

    with pytest.raises(AirbyteTracedException, match="Refresh the stream"):
        connection.sync()
