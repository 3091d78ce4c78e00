"""Change tracking: each change and each tombstone is sent again in later syncs."""

from typing import Any

import pytest

from unit_tests.clockify import (
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    changes,
    entry,
    hours_ago,
    messages,
)


def tag(number: int, name: str = "old") -> dict[str, Any]:
    return {"id": f"{number:024x}", "name": name, "workspaceId": WORKSPACE}


def changed(clockify: Clockify, connect: Connect, **settings: Any) -> Connection:
    """Return a connection that has tag 1; 2 is about to be edited, 3 to be deleted, 4 is new."""
    connection = connect("tags", **settings)
    clockify.serve("tags", [tag(1), tag(2), tag(3)])
    connection.sync()
    clockify.serve("tags", [tag(1), tag(2, "new"), tag(4)])
    clockify.by_id("tags")
    return connection


def by_key(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda message: str(message["id"]))


def test_changes_and_tombstones_are_sent_again_once_and_unchanged(
    clockify: Clockify, connect: Connect
) -> None:
    connection = changed(clockify, connect)

    first, second, third = (by_key(messages(connection.sync())) for _ in range(3))

    assert len(first) == 3
    assert second == first
    assert third == []


@pytest.mark.parametrize("times", [0, 3])
def test_how_often_is_configured(clockify: Clockify, connect: Connect, times: int) -> None:
    connection = changed(clockify, connect, resend_changes=times)

    sent = [by_key(messages(connection.sync())) for _ in range(times + 2)]

    assert sent == [sent[0]] * (times + 1) + [[]]
    assert len(sent[0]) == 3


def test_a_retry_within_the_hour_does_not_count(clockify: Clockify, connect: Connect) -> None:
    connection = changed(clockify, connect)
    first = by_key(messages(connection.sync()))

    retries = [messages(connection.sync(hours=0.2)) for _ in range(4)]
    later = by_key(messages(connection.sync(hours=0.2)))

    assert retries == [[]] * 4
    # Five times 12 minutes: an hour after they were sent.
    assert later == first
    assert messages(connection.sync()) == []


@pytest.mark.parametrize(("hours", "sent"), [(0.99, 0), (1, 3)])
def test_an_hour_makes_a_sync_a_later_one(
    clockify: Clockify, connect: Connect, hours: float, sent: int
) -> None:
    connection = changed(clockify, connect)
    connection.sync()

    assert len(messages(connection.sync(hours=hours))) == sent


def test_baselines_are_not_sent_again(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags", resend_changes=3)
    clockify.serve("tags", [tag(1), tag(2)])
    connection.sync()

    assert messages(connection.sync()) == []


def test_a_newer_change_replaces_one_that_is_to_be_sent_again(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    sent = []
    for name in ("one", "two", "three", "three", "three"):
        clockify.serve("tags", [tag(1, name)])
        sent.append(
            [(m["name"], m["_ab_cdc_updated_at"][:10]) for m in messages(connection.sync())]
        )

    assert sent == [
        [("one", "2026-11-24")],
        [("two", "2026-11-25")],
        [("three", "2026-11-26")],
        [("three", "2026-11-26")],
        [],
    ]


def test_a_deletion_replaces_a_change_that_is_to_be_sent_again(
    clockify: Clockify, connect: Connect
) -> None:
    connection = changed(clockify, connect)
    connection.sync()
    clockify.serve("tags", [tag(1), tag(4)])

    output = connection.sync()

    assert changes(output) == sorted([f"+{tag(4)['id']}", f"-{tag(2)['id']}", f"-{tag(3)['id']}"])


def test_a_record_that_comes_back_takes_the_place_of_its_tombstone(
    clockify: Clockify, connect: Connect
) -> None:
    connection = changed(clockify, connect)
    connection.sync()
    clockify.serve("tags", [tag(1), tag(2, "new"), tag(3), tag(4)])

    second, third = connection.sync(), connection.sync()

    returned = f"+{tag(3)['id']}"
    assert returned in changes(second)
    assert changes(third) == [returned]
    versions = {message["_ab_cdc_updated_at"][:10] for message in messages(third)}
    assert versions == {"2026-11-26"}
    assert messages(connection.sync()) == []


def test_resending_that_is_switched_off_forgets_what_was_to_be_sent(
    clockify: Clockify, connect: Connect
) -> None:
    connection = changed(clockify, connect)
    connection.sync()

    assert messages(connection.sync(resend_changes=0)) == []
    assert messages(connection.sync(resend_changes=1)) == []


def test_an_entry_that_left_the_window_is_sent_again_by_id(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", lookback_days=2)
    clockify.serve("time_entries", [])
    connection.sync()
    identifier = f"{1:024x}"
    found = entry(identifier, hours_ago(40), hours_ago(39))
    clockify.serve("time_entries", [found])
    first = messages(connection.sync(hours=2))
    assert len(first) == 1
    clockify.by_id("time-entries", found)
    # Two syncs that send nothing, then one whose window has passed the entry.
    connection.sync(hours=0.5)

    assert messages(connection.sync(hours=24 * 5)) == first
    assert messages(connection.sync()) == []


def test_a_record_without_reads_by_id_is_resent_once_a_window_reaches_it(
    clockify: Clockify, connect: Connect
) -> None:
    path = f"/workspaces/{WORKSPACE}/approval-requests"
    connection = connect("approval_requests", lookback_days=2)
    clockify.answer(path, {"json": []})
    connection.sync()
    status = {"state": "PENDING", "updatedAt": hours_ago(1)}
    request = {"approvalRequest": {"id": f"{1:024x}", "status": status}, "entries": []}
    clockify.answer(path, {"json": [request]})
    first = messages(connection.sync(hours=1))
    connection.sync(hours=0.5)

    assert messages(connection.sync(hours=24 * 5)) == first
    assert messages(connection.sync()) == []


def test_what_could_not_be_sent_again_stays_to_be_sent(
    clockify: Clockify, connect: Connect
) -> None:
    connection = changed(clockify, connect)
    first = by_key(messages(connection.sync()))
    clockify.serve_responses("tags", {"status_code": 400, "json": {"code": 1, "message": "No"}})
    # A tombstone needs no answer of Clockify.
    failed = messages(connection.sync(fails=True))
    clockify.serve("tags", [tag(1), tag(2, "new"), tag(4)])

    left = messages(connection.sync())

    assert by_key([*failed, *left]) == first
    assert messages(connection.sync()) == []
