"""The stream sync_log: what its receipts say of every way in which a sync can end."""

import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, FailureType, SyncMode, TraceType
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify import SourceClockify, message_size
from source_clockify.change_tracking import checkpoint
from source_clockify.change_tracking.budget import StateBudget, size_of
from source_clockify.change_tracking.live import Live, live_keys
from source_clockify.change_tracking.messages import format_version
from source_clockify.change_tracking.rows import Row, pack
from source_clockify.change_tracking.state import checksum
from source_clockify.installed import installed_version
from source_clockify.sync_log import (
    PendingReceipt,
    StreamLog,
    SyncLog,
    SyncLogState,
    decode_state,
    encode_state,
)
from unit_tests.clockify import (
    OTHER_WORKSPACE,
    USER,
    WORKSPACE,
    Clockify,
    Connect,
    Connection,
    blob_of,
    catalog,
    config,
    entry,
    final_state,
    hours_ago,
    messages,
    read,
    read_ok,
    rows,
    state_of,
    statuses,
    warnings,
    workspace,
)
from unit_tests.protocol import content_of, error_messages, present, stream_of

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2026-11-{day}T09:00:00.000Z" for day in range(24, 28))
REFUSED = {"status_code": 403, "json": {"code": 403, "message": "Access Denied"}}
BROKEN = {"status_code": 400, "json": {"code": 400, "message": "No."}}


def tag(identifier: str, name: str = "old") -> dict[str, Any]:
    return {"id": identifier, "name": name, "workspaceId": WORKSPACE}


def receipts(output: EntrypointOutput) -> list[dict[str, Any]]:
    return messages(output, "sync_log")


def receipt(output: EntrypointOutput, stream: str) -> dict[str, Any]:
    """The receipt of this sync for a stream; those of earlier syncs come before."""
    return [each for each in receipts(output) if each["stream"] == stream][-1]


def versions(output: EntrypointOutput, stream: str = "tags") -> list[str]:
    return [each["_ab_cdc_updated_at"] for each in receipts(output) if each["stream"] == stream]


# A receipt --------------------------------------------------------------------------------------


def test_a_receipt_tells_what_a_first_sync_sent(clockify: Clockify, connect: Connect) -> None:
    clockify.serve("tags", [tag("a"), tag("b")])

    output = connect("tags", "sync_log").sync()

    assert receipts(output) == [
        {
            "stream": "tags",
            "_ab_cdc_updated_at": MONDAY,
            "_ab_cdc_baseline_at": MONDAY,
            "started_at": MONDAY,
            "ended_at": MONDAY,
            "status": "complete",
            "sync_mode": "incremental",
            "sent": 2,
            "resent": 0,
            "deleted": 0,
            "live": 2,
            "oversized": 0,
            "connector_version": installed_version(),
        }
    ]


def test_a_receipt_tells_what_a_later_sync_sent_resent_and_deleted(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log")
    clockify.by_id("tags")
    clockify.serve("tags", [tag("a"), tag("b"), tag("c")])
    connection.sync()
    clockify.serve("tags", [tag("a", "new"), tag("b"), tag("c")])
    connection.sync()
    clockify.serve("tags", [tag("a", "new"), tag("c", "new"), tag("d")])

    found = receipt(connection.sync(), "tags")

    assert (found["_ab_cdc_updated_at"], found["_ab_cdc_baseline_at"]) == (WEDNESDAY, MONDAY)
    assert found["previous_updated_at"] == TUESDAY
    assert (found["sent"], found["resent"], found["deleted"], found["live"]) == (2, 1, 1, 3)


def test_every_other_stream_gets_a_receipt_after_all_have_ended(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.serve("tags", [tag("a")])
    clockify.serve("clients", [])

    output = connect("tags", "sync_log", "clients").sync()

    assert sorted(each["stream"] for each in receipts(output)) == ["clients", "tags"]
    told = [
        (message.type, told_stream(message))
        for message in output.records_and_state_messages
        if told_stream(message) == "sync_log"
    ]
    assert [kind for kind, _ in told] == [MessageType.RECORD, MessageType.RECORD, MessageType.STATE]
    everything = [told_stream(message) for message in output.records_and_state_messages]
    assert set(everything[-3:]) == {"sync_log"}
    assert statuses(output, "sync_log") == ["STARTED", "RUNNING", "COMPLETE"]


def told_stream(message: Any) -> str:
    if message.record is not None:
        return str(message.record.stream)
    return stream_of(message.state)


def test_a_sync_that_sends_nothing_has_receipts_all_the_same(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.serve("tags", [tag("a")])
    connection.sync()

    (found,) = receipts(connection.sync())

    assert (found["sent"], found["resent"], found["deleted"], found["live"]) == (0, 0, 0, 1)
    assert (found["_ab_cdc_updated_at"], found["previous_updated_at"]) == (TUESDAY, MONDAY)


def test_the_version_is_that_of_the_records_also_when_the_clock_runs_back(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.serve("tags", [tag("a")])
    connection.sync()
    clockify.serve("tags", [tag("a"), tag("b")])

    output = connection.sync(hours=-5)

    (record,) = messages(output, "tags")
    (found,) = receipts(output)
    assert found["_ab_cdc_updated_at"] == record["_ab_cdc_updated_at"] == "2026-11-24T09:00:00.001Z"
    assert found["sent"] == 1


def test_a_record_without_a_column_of_its_key_does_not_count(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.serve("tags", [tag("a"), {"name": "no id", "workspaceId": WORKSPACE}])

    output = connect("tags", "sync_log").sync()

    assert len(messages(output, "tags")) == 2
    assert receipt(output, "tags")["sent"] == 1
    assert receipt(output, "tags")["live"] == 1


def test_a_stream_that_became_empty_is_told(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.by_id("tags")
    clockify.serve("tags", [tag("a")])
    connection.sync()
    clockify.serve("tags", [])

    found = receipt(connection.sync(), "tags")

    assert (found["sent"], found["deleted"], found["live"]) == (0, 1, 0)


def test_a_refresh_of_an_empty_stream_is_told_by_its_receipt(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "clients", "sync_log", resend_changes=0)
    clockify.serve("clients", [])
    clockify.serve("tags", [tag("a")])
    connection.sync()
    clockify.serve("tags", [])
    refresh(connection, "tags")

    output = connection.sync()

    found = receipt(output, "tags")
    assert found["_ab_cdc_baseline_at"] == TUESDAY
    assert (found["live"], found["sent"]) == (0, 0)
    # The chain begins anew, while that of the other stream goes on.
    assert "previous_updated_at" not in found
    assert receipt(output, "clients")["previous_updated_at"] == MONDAY


def refresh(connection: Connection, stream: str) -> None:
    """Forget the state of one stream."""
    connection.states = [state for state in connection.states or [] if stream_of(state) != stream]


# Live records -----------------------------------------------------------------------------------


def test_of_a_windowed_stream_those_in_the_window_are_live(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", "sync_log", resend_changes=0)
    old = entry("old", hours_ago(40 * 24), hours_ago(40 * 24 - 1))
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4)), old])

    found = receipt(connection.sync(), "time_entries")

    assert (found["sent"], found["live"]) == (2, 1)
    assert found["window_start"] == "2026-10-25T09:00:00.000Z"
    found = receipt(connection.sync(lookback_days=50), "time_entries")
    assert found["live"] == 2
    assert found["window_start"] == "2026-10-06T09:00:00.000Z"


def test_a_later_start_date_is_where_live_records_begin(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", "sync_log", resend_changes=0)
    first, second = (entry(each, hours_ago(5 + n), hours_ago(4 + n)) for n, each in enumerate("ba"))
    clockify.serve("time_entries", [first, second])
    assert receipt(connection.sync(), "time_entries")["live"] == 2

    found = receipt(connection.sync(start_date=hours_ago(5)), "time_entries")

    assert (found["live"], found["window_start"]) == (1, "2026-11-24T04:00:00.000Z")


def test_missing_records_that_are_not_proven_deleted_are_live(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.serve("tags", [tag("a"), tag("b")])
    connection.sync()
    clockify.serve("tags", [tag("a")])
    clockify.answer(f"/workspaces/{WORKSPACE}/tags/b", REFUSED)

    found = receipt(connection.sync(), "tags")

    assert (found["deleted"], found["live"]) == (0, 2)


def test_event_logs_and_approval_requests_have_no_live_records(
    clockify: Clockify, connect: Connect
) -> None:
    path = f"/workspaces/{WORKSPACE}"
    event = {"id": "1", "documentCode": "TAGS", "timestamp": "2026-11-24T08:00:00Z"}
    clockify.answer(f"{path}/entities/created", {"json": [event]}, {"json": []})
    request = {"id": "1", "status": {"state": "PENDING", "updatedAt": hours_ago(5)}}
    clockify.answer(f"{path}/approval-requests", {"json": [{"approvalRequest": request}]})
    streams = ("entity_changes_created", "approval_requests")

    output = connect(*streams, "sync_log", start_date="2026-11-01T00:00:00Z").sync()

    for stream in streams:
        found = receipt(output, stream)
        assert (found["status"], found["sent"]) == ("complete", 1), stream
        assert "live" not in found
        assert "window_start" not in found


@pytest.mark.parametrize("window_start", [None, 0, 1_795_000_000])
def test_live_rows_are_counted_without_unpacking_them(window_start: int | None) -> None:
    chance = random.Random(7)
    found = {}
    for n in range(500):
        start = chance.choice([None, -5, 1_794_999_999, 1_795_000_000, 2**40])
        key = f"{n:024x}" if n % 5 else f"odd {n}"
        deleted, running = chance.random() < 0.2, chance.random() < 0.2
        found[key] = Row(n, start, running=running, deleted=deleted)

    keys = list(live_keys(pack(found), window_start))

    live = {
        key
        for key, row in found.items()
        if not row.deleted
        and (window_start is None or row.start is None or row.start >= window_start)
    }
    assert {key.hex() if isinstance(key, bytes) else key for key in keys} == live
    assert len(keys) == len(live)


def test_a_partition_not_read_to_its_end_leaves_live_unknown(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    page = {"json": [tag(f"{n:024x}") for n in range(5)], "headers": {"Last-Page": "false"}}
    clockify.serve_responses("tags", page, REFUSED)

    output = connection.sync()

    found = receipt(output, "tags")
    assert len(messages(output, "tags")) == found["sent"] == 5
    assert found["status"] == "complete"
    assert found["skipped"]
    assert "live" not in found
    clockify.serve("tags", [tag(f"{n:024x}") for n in range(5)])
    assert receipt(connection.sync(), "tags")["live"] == 5


# Failed, skipped, killed ------------------------------------------------------------------------


def test_a_stream_that_failed_is_incomplete_and_the_others_are_not(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "clients", "sync_log", resend_changes=0)
    clockify.serve("clients", rows(2))
    clockify.serve_responses("tags", BROKEN)

    output = connection.sync(fails=True)

    failed = receipt(output, "tags")
    assert (failed["status"], failed["sent"]) == ("incomplete", 0)
    assert "live" not in failed
    assert (receipt(output, "clients")["status"], receipt(output, "clients")["live"]) == (
        "complete",
        2,
    )
    assert statuses(output, "sync_log")[-1] == "COMPLETE"
    clockify.serve("tags", [tag("a")])
    after = receipt(connection.sync(), "tags")
    assert (after["status"], after["sent"], after["live"]) == ("complete", 1, 1)
    assert after["previous_updated_at"] == failed["_ab_cdc_updated_at"]


def test_the_error_of_a_failed_stream_stays_the_last_word(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", BROKEN)
    selected = catalog("tags", "sync_log", incremental=True)
    source = SourceClockify(selected, config(), None)
    told: list[Any] = []
    reading = source.read(logging.getLogger("airbyte"), config(), selected, None)

    with pytest.raises(AirbyteTracedException) as caught:
        told.extend(reading)

    assert "tags" in str(caught.value)
    assert told[-1].trace.stream_status.stream_descriptor.name == "sync_log"
    assert any(message.trace and message.trace.type is TraceType.ERROR for message in told)


def test_a_stream_that_failed_before_its_first_request_has_a_receipt(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", "sync_log")
    clockify.answer(f"/workspaces/{WORKSPACE}/users/info", BROKEN)
    clockify.answer(f"/workspaces/{WORKSPACE}/users", BROKEN)

    found = receipt(connection.sync(fails=True), "time_entries")

    assert found["status"] == "incomplete"
    assert (found["sent"], found["resent"], found["deleted"]) == (0, 0, 0)


def test_the_records_of_a_stream_that_failed_half_way_count(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log")
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.serve("tags", [tag("a")])
    clockify.serve_responses("tags", BROKEN, of=OTHER_WORKSPACE)

    found = receipt(connection.sync(fails=True), "tags")

    assert (found["status"], found["sent"]) == ("incomplete", 1)


def test_what_was_refused_is_said_and_the_stream_is_complete(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.workspaces(workspace(), workspace(OTHER_WORKSPACE, name="Other"))
    clockify.serve("tags", [tag("a")])
    clockify.serve_responses("tags", REFUSED, of=OTHER_WORKSPACE)
    clockify.serve("clients", [])
    clockify.serve("clients", [], of=OTHER_WORKSPACE)

    output = connect_again("tags", "clients", "sync_log", clockify=clockify)

    found = receipt(output, "tags")
    assert (found["status"], found["live"]) == ("complete", 1)
    (sentence,) = found["skipped"]
    assert sentence.startswith(f"Workspace {OTHER_WORKSPACE} (Other) is skipped: ")
    assert "skipped" not in receipt(output, "clients")


def connect_again(*streams: str, clockify: Clockify) -> EntrypointOutput:
    """A first sync, of the workspaces that are served already."""
    return read_ok(*streams, with_config=config(track_changes=True), incremental=True)


def test_a_workspace_that_is_no_longer_visible_is_said_to_be_skipped(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.serve("tags", [tag("a")])
    clockify.serve("tags", [tag("b")], of=OTHER_WORKSPACE)
    clockify.users(USER, of=OTHER_WORKSPACE)
    connection.sync()
    clockify.workspaces(WORKSPACE)

    found = receipt(connection.sync(), "tags")

    assert found["live"] == 2
    (sentence,) = found["skipped"]
    assert OTHER_WORKSPACE in sentence


def test_a_sync_that_is_killed_leaves_no_receipt(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("tags", [tag("a")])
    selected = catalog("tags", "sync_log", incremental=True)
    source = SourceClockify(selected, config(), None)
    reading = source.read(logging.getLogger("airbyte"), config(), selected, None)
    assert isinstance(reading, Iterator)

    told = [next(message for message in reading if message.record is not None)]
    reading.close()  # type: ignore[attr-defined]

    told += list(reading)
    assert [present(message.record).stream for message in told] == ["tags"]


def killed_after(connection: Connection, stream: str) -> EntrypointOutput:
    """A sync of which only the state of one stream was saved."""
    saved = {stream_of(state): state for state in connection.states or []}
    output = connection.sync()
    saved |= {
        stream_of(each): each for each in connection.states or [] if stream_of(each) == stream
    }
    connection.states = [*saved.values()]
    return output


def test_the_receipt_of_a_killed_sync_comes_with_the_next(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.by_id("tags")
    clockify.serve("tags", [tag("a"), tag("b"), tag("c")])
    connection.sync()
    no_key = {"name": "no id", "workspaceId": WORKSPACE}
    clockify.serve("tags", [tag("a"), tag("b", "new"), tag("d"), no_key])
    killed_after(connection, "tags")

    late, found = receipts(connection.sync())

    assert late == {
        "stream": "tags",
        "_ab_cdc_updated_at": TUESDAY,
        "_ab_cdc_baseline_at": MONDAY,
        "previous_updated_at": MONDAY,
        "status": "incomplete",
        "sync_mode": "incremental",
        "sent": 2,
        "deleted": 1,
    }
    assert (found["sent"], found["live"]) == (0, 3)
    assert found["previous_updated_at"] == TUESDAY
    assert versions(connection.sync()) == [THURSDAY]


def test_a_late_receipt_is_resent_like_any_other(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags", "sync_log")
    clockify.serve("tags", [tag("a")])
    connection.sync()
    killed_after(connection, "tags")

    assert versions(connection.sync()) == [MONDAY, TUESDAY, WEDNESDAY]
    assert versions(connection.sync()) == [TUESDAY, WEDNESDAY, THURSDAY]


def test_each_of_several_killed_syncs_gets_a_late_receipt(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    for served in ("a", "ab", "abd"):
        clockify.serve("tags", [tag(each) for each in served])
        killed_after(connection, "tags")

    found = receipts(connection.sync())

    told = [(each["_ab_cdc_updated_at"], each.get("previous_updated_at")) for each in found]
    assert told == [
        (MONDAY, None),
        (TUESDAY, MONDAY),
        (WEDNESDAY, TUESDAY),
        (THURSDAY, WEDNESDAY),
    ]
    assert [each["sent"] for each in found] == [1, 1, 1, 0]
    assert len(receipts(connection.sync())) == 1
    assert "unreported" not in content_of(final_state(connection.sync(), "tags"))


def test_a_first_sync_that_is_killed_has_a_late_receipt_too(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries", "sync_log")
    old = entry("old", hours_ago(40 * 24), hours_ago(40 * 24 - 1))
    # The list names it twice.
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4)), old, old])
    killed_after(connection, "time_entries")

    late, found = receipts(connection.sync())

    assert late["_ab_cdc_updated_at"] == late["_ab_cdc_baseline_at"] == MONDAY
    assert "previous_updated_at" not in late
    assert (late["sent"], late["deleted"], found["sent"]) == (2, 0, 0)
    assert (found["previous_updated_at"], found["live"]) == (MONDAY, 1)


def test_after_a_killed_refresh_no_receipt_names_a_void_one(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.serve("tags", [tag("a")])
    connection.sync()
    refresh(connection, "tags")
    killed_after(connection, "tags")

    late, found = receipts(connection.sync())

    assert late["_ab_cdc_updated_at"] == late["_ab_cdc_baseline_at"] == TUESDAY
    assert "previous_updated_at" not in late
    assert found["previous_updated_at"] == TUESDAY


@pytest.mark.parametrize(
    ("version", "baseline_at", "previous", "named"),
    [
        (3, 1, None, None),
        (3, 1, 1, 1),
        (3, 1, 2, 2),
        (3, 2, 1, None),
        (3, 3, 2, None),
    ],
)
def test_a_receipt_names_the_one_before_if_it_is_of_the_same_baseline(
    version: int, baseline_at: int, previous: int | None, named: int | None
) -> None:
    log = StreamLog(version, baseline_at, ["id"], SyncMode.incremental, lambda sent: None)

    found = log.receipt("tags", 0, None if previous is None else format_version(previous))

    assert found.get("previous_updated_at") == (named and format_version(named))


def test_a_killed_sync_without_a_state_has_no_late_receipt(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.serve("tags", [tag("a")])
    connection.sync()
    killed_after(connection, "no stream")

    (found,) = receipts(connection.sync())

    assert (found["_ab_cdc_updated_at"], found["previous_updated_at"]) == (WEDNESDAY, MONDAY)


def test_a_checkpoint_counts_the_slices_that_have_ended(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.serve("tags", [tag("a"), tag("b")])
    clockify.serve("tags", [tag("c"), tag("d")], of=OTHER_WORKSPACE)
    clockify.users(USER, of=OTHER_WORKSPACE)

    output = connect("tags", "sync_log").sync()

    emitted = 0
    states = 0
    for message in output.records_and_state_messages:
        if told_stream(message) != "tags":
            continue
        if message.record is not None:
            emitted += 1
        else:
            states += 1
            assert 0 < content_of(present(message.state))["sent"] <= emitted
    assert states > 1
    assert blob_of(final_state(output, "tags"))["sent"] == 4


def test_a_state_that_does_not_tell_how_much_was_sent_has_no_late_receipt(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=0)
    clockify.serve("tags", [tag("a")])
    connection.sync()
    killed_after(connection, "tags")
    uncounted = []
    for state in connection.states or []:
        blob = {**blob_of(state), "sent": None}
        del blob["checksum"]
        uncounted.append(state_of(stream_of(state), {**blob, "checksum": checksum(blob)}))
    connection.states = [each for each in uncounted if stream_of(each) == "tags"]

    (found,) = receipts(connection.sync())

    assert "previous_updated_at" not in found


# Full refresh -----------------------------------------------------------------------------------


def test_in_full_refresh_every_sync_has_a_baseline_of_its_own(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("tags", [tag("a"), tag("b")])

    output = read_ok("tags", "sync_log")

    (found,) = receipts(output)
    assert found["sync_mode"] == "full_refresh"
    assert found["_ab_cdc_updated_at"] == found["_ab_cdc_baseline_at"] == MONDAY
    assert (found["sent"], found["live"], found["status"]) == (2, 2, "complete")
    assert "previous_updated_at" not in found
    assert "window_start" not in found
    assert blob_of(final_state(output, "sync_log")) == {"__ab_no_cursor_state_message": True}


def test_in_full_refresh_a_key_counts_once(clockify: Clockify) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    for of in (WORKSPACE, OTHER_WORKSPACE):
        clockify.serve("tags", [{"id": "shared"}], of=of)

    output = read_ok("tags", "sync_log")

    assert len(messages(output, "tags")) == 2
    assert receipt(output, "tags")["sent"] == receipt(output, "tags")["live"] == 1


def test_a_full_refresh_of_the_receipts_needs_no_state(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.workspaces()
    clockify.serve("tags", [tag("a")])

    output = read_ok("tags", "sync_log", state=[state_of("sync_log", {"damaged": True})])

    assert len(receipts(output)) == 1


def test_only_the_receipts_can_be_selected(clockify: Clockify, connect: Connect) -> None:
    output = connect("sync_log").sync()

    assert receipts(output) == []
    assert statuses(output, "sync_log") == ["STARTED", "COMPLETE"]
    assert len(output.state_messages) == 1


# Resent receipts --------------------------------------------------------------------------------


def test_a_receipt_is_resent_unchanged_in_the_next_sync_an_hour_later(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log")
    clockify.serve("tags", [tag("a")])
    (first,) = receipts(connection.sync())

    early = receipts(connection.sync(hours=0.5))
    later = receipts(connection.sync(hours=0.5))
    last = receipts(connection.sync(hours=0.5))

    assert [each["_ab_cdc_updated_at"] for each in early] == ["2026-11-24T09:30:00.000Z"]
    assert later[0] == first
    assert [each["_ab_cdc_updated_at"] for each in later[1:]] == ["2026-11-24T10:00:00.000Z"]
    assert last[:1] == early
    assert len(last) == 2


@pytest.mark.parametrize("resend", [0, 1, 3])
def test_a_receipt_is_resent_as_often_as_a_change(
    clockify: Clockify, connect: Connect, resend: int
) -> None:
    connection = connect("tags", "sync_log", resend_changes=resend)
    clockify.serve("tags", [tag("a")])
    version = receipts(connection.sync())[0]["_ab_cdc_updated_at"]

    seen = [version in versions(connection.sync()) for _ in range(5)]

    assert seen == [n < resend for n in range(5)]


def test_nothing_is_resent_once_resending_is_turned_off(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log", resend_changes=3)
    clockify.serve("tags", [tag("a")])
    connection.sync()

    assert len(receipts(connection.sync(resend_changes=0))) == 1
    assert len(receipts(connection.sync(resend_changes=3))) == 1


def test_a_stream_that_was_deselected_for_a_while_goes_on_with_its_chain(
    clockify: Clockify, connect: Connect
) -> None:
    both, one = (connect(*each, "sync_log") for each in (("tags", "clients"), ("clients",)))
    clockify.serve("tags", [tag("a")])
    clockify.serve("clients", [])
    both.sync()
    one.states = both.states
    one.sync()
    both.states = one.states

    found = receipt(both.sync(), "tags")

    assert found["previous_updated_at"] == MONDAY


def test_a_receipt_of_a_stream_that_is_no_longer_read_is_not_resent(
    clockify: Clockify, connect: Connect
) -> None:
    both, one = (connect(*each, "sync_log") for each in (("tags", "clients"), ("clients",)))
    clockify.serve("tags", [tag("a")])
    clockify.serve("clients", [])
    both.sync()
    one.states = both.states

    output = one.sync()

    assert [each["stream"] for each in receipts(output)] == ["clients", "clients"]
    pending = decode_state(blob_of(final_state(output, "sync_log"))).pending
    assert [each.data["stream"] for each in pending] == ["clients"]


# The state --------------------------------------------------------------------------------------


def test_the_state_of_many_receipts_is_small(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags", "clients", "sync_log", resend_changes=10)
    clockify.serve("tags", [tag("a")])
    clockify.serve("clients", rows(3))
    for _ in range(40):
        output = connection.sync(hours=0.1)

    blob = blob_of(final_state(output, "sync_log"))
    pending = decode_state(blob).pending
    assert len(pending) == 80
    assert len(json.dumps(blob)) < 60 * len(pending)


EXAMPLE = SyncLogState({"tags": MONDAY}, [PendingReceipt({"stream": "tags"}, 1, 1_764_000_000)])


def test_a_state_says_what_it_was_given() -> None:
    assert decode_state(json.loads(json.dumps(encode_state(EXAMPLE)))) == EXAMPLE


@pytest.mark.parametrize("blob", [{}, {"__ab_no_cursor_state_message": True}], ids=str)
def test_a_state_of_nothing_tells_nothing(blob: dict[str, Any]) -> None:
    assert decode_state(blob) == SyncLogState()


@pytest.mark.parametrize(
    "change",
    [
        {"previous": {}},
        {"pending": 2},
        {"checksum": None},
        {"more": 1},
        {"content": "x"},
        {"content": ""},
        {"stream": "tags"},
        {"state_version": 1},
        {"state_version": None},
    ],
    ids=str,
)
def test_a_state_that_was_changed_asks_for_a_refresh(
    clockify: Clockify, connect: Connect, change: dict[str, Any]
) -> None:
    connection = connect("tags", "sync_log")
    clockify.serve("tags", [tag("a")])
    connection.sync()
    blob = {**encode_state(EXAMPLE), **change}
    connection.states = [state_of("sync_log", blob)]

    with pytest.raises(AirbyteTracedException) as caught:
        connection.sync()

    assert caught.value.failure_type is FailureType.config_error
    assert "sync_log" in str(caught.value.message)
    assert "Refresh" in str(caught.value.message)


@pytest.mark.parametrize(
    "content",
    [
        {"previous": 7},
        {"pending": 2},
        {"content": 7},
        {"content": "bm8gemxpYg=="},
        {"stream": "tags"},
    ],
    ids=str,
)
def test_a_state_that_makes_no_sense_is_damaged_whatever_its_checksum(
    content: dict[str, Any],
) -> None:
    blob = {**encode_state(EXAMPLE), **content}
    del blob["checksum"]
    blob["checksum"] = checksum(blob)

    with pytest.raises(AirbyteTracedException, match="is damaged"):
        decode_state(blob)


# Large records ----------------------------------------------------------------------------------


@pytest.fixture
def _no_large_body_yet() -> Iterator[None]:
    message_size.large_body_seen.clear()
    yield
    message_size.large_body_seen.clear()


@pytest.mark.usefixtures("_no_large_body_yet")
def test_a_record_that_pubsub_would_refuse_is_sent_counted_and_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    clockify.serve("tags", [tag("large", "x" * 9_600_000), tag("small"), tag("long", "x" * 10**6)])

    output = connect("tags", "sync_log").sync()

    assert len(messages(output, "tags")) == 3
    found = receipt(output, "tags")
    assert (found["sent"], found["oversized"]) == (3, 1)
    (warning,) = [each for each in warnings(output) if "Pub/Sub" in each]
    assert warning.startswith("tags: the record large has 9.6 MB. Pub/Sub refuses messages over 10")


@pytest.mark.usefixtures("_no_large_body_yet")
@pytest.mark.parametrize("tracked", [True, False])
def test_a_record_too_large_for_pubsub_is_warned_of_without_receipts_too(
    clockify: Clockify, connect: Connect, tracked: bool
) -> None:
    clockify.serve("tags", [tag("large", "x" * 9_600_000), tag("small")])

    output = connect("tags", track_changes=tracked).sync()

    assert len(messages(output, "tags")) == 2
    (warning,) = [each for each in warnings(output) if "Pub/Sub" in each]
    assert warning.startswith("tags: the record large has 9.6 MB")


@pytest.mark.usefixtures("_no_large_body_yet")
def test_large_pages_of_small_records_are_not_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    served = [tag(str(n), "ü" * 500_000) for n in range(15)]
    clockify.serve("tags", [*served, {**tag("big number"), "n": 2**70}])

    output = connect("tags", "sync_log").sync()

    assert message_size.large_body_seen.is_set()
    assert receipt(output, "tags")["oversized"] == 0
    assert not [each for each in warnings(output) if "Pub/Sub" in each]


# In the catalog ---------------------------------------------------------------------------------


def test_it_is_discovered_with_key_and_cursor() -> None:
    stream = discovered(config())["sync_log"]

    assert stream.source_defined_primary_key == [["stream"], ["_ab_cdc_updated_at"]]
    assert stream.source_defined_cursor
    assert stream.default_cursor_field == ["_ab_cdc_updated_at"]
    assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
    assert stream.json_schema["additionalProperties"] is True
    for name, field in stream.json_schema["properties"].items():
        assert "null" in field["type"], name
        assert field["description"].endswith("."), name


def discovered(settings: dict[str, Any]) -> dict[str, Any]:
    source = SourceClockify(config=settings)
    found = source.discover(logging.getLogger("airbyte"), settings)
    return {stream.name: stream for stream in found.streams}


def test_every_column_of_a_receipt_is_in_the_schema(clockify: Clockify, connect: Connect) -> None:
    connection = connect("time_entries", "sync_log")
    clockify.serve("time_entries", [entry("e", hours_ago(5), hours_ago(4))])
    connection.sync()
    columns = discovered(config())["sync_log"].json_schema["properties"]

    (_, found) = receipts(connection.sync())

    assert set(found) == set(columns) - {"skipped"}
    kinds = {"string": str, "integer": int}
    for name, value in found.items():
        assert isinstance(value, kinds[columns[name]["type"][1]]), name


def test_without_change_tracking_it_is_an_unknown_stream(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("tags", [tag("a")])
    settings = config(track_changes=False)
    assert "sync_log" not in discovered(settings)

    output, unknown = (
        read("tags", stream, with_config=settings, incremental=True)
        for stream in ("sync_log", "no_such_stream")
    )

    assert receipts(output) == []
    assert statuses(output, "sync_log") == statuses(unknown, "no_such_stream")
    assert error_messages(output) == [
        message.replace("no_such_stream", "sync_log") for message in error_messages(unknown)
    ]


def test_a_user_of_two_partitions_is_live_once(clockify: Clockify, connect: Connect) -> None:
    """An entry that moved to a user whose old list failed is in the state of both."""
    other = "640000000000000000000043"
    connection = connect("time_entries", "sync_log", resend_changes=0)
    clockify.users(USER, other)
    moved = entry("e", hours_ago(5), hours_ago(4))
    clockify.user_entries(USER, [moved])
    clockify.user_entries(other, [])
    connection.sync()
    path = f"/workspaces/{WORKSPACE}/user/{USER}/time-entries"
    clockify.answer(path, REFUSED)
    clockify.user_entries(other, [{**moved, "description": "moved"}])

    found = receipt(connection.sync(), "time_entries")

    assert (found["sent"], found["live"]) == (1, 1)


def test_a_state_without_room_resends_fewer_receipts(caplog: pytest.LogCaptureFixture) -> None:
    budget, names = StateBudget(2600), [f"stream_{n}" for n in range(40)]
    log = SyncLog(SyncLogState(), 1_795_000_000_000, 1)
    for n, name in enumerate(names):
        version = 1_795_000_000_000 + n
        log.add(name, StreamLog(version, version, ["id"], SyncMode.incremental, lambda sent: None))

    told = list(log.follow([], list, lambda name: [], budget))

    messages = [each for each in told if isinstance(each, AirbyteMessage)]
    (state,) = (message.state for message in messages if message.state is not None)
    blob = content_of(state)
    assert size_of("sync_log", blob) <= 2600
    saved = decode_state(blob)
    assert [*saved.previous] == names
    assert [each.data["stream"] for each in saved.pending] == names[-len(saved.pending) :]
    assert "leave too little room for its receipts" in caplog.text


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_signal_ends_the_sync_without_a_receipt(end: type[BaseException]) -> None:
    def messages() -> Iterator[Any]:
        yield from ()
        raise end

    log = SyncLog(SyncLogState(), 1_795_000_000_000, 1)
    version = 1_795_000_000_000
    log.add("tags", StreamLog(version, version, ["id"], SyncMode.incremental, lambda sent: None))
    told: list[Any] = []

    with pytest.raises(end):
        told.extend(log.follow(messages(), list, lambda name: [], StateBudget()))

    assert told == []


@pytest.mark.parametrize("fails", [True, False])
def test_an_error_of_the_receipts_does_not_replace_that_of_the_streams(
    fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def messages() -> Iterator[Any]:
        yield from ()
        if fails:
            raise ValueError("of the streams")

    def live(sent: int) -> Live | None:
        raise KeyError("of the receipts")

    log = SyncLog(SyncLogState(), 1_795_000_000_000, 1)
    version = 1_795_000_000_000
    stream = StreamLog(version, version, ["id"], SyncMode.incremental, live, is_complete=True)
    log.add("tags", stream)

    with pytest.raises(ValueError if fails else KeyError, match="of the") as caught:
        list(log.follow(messages(), list, lambda name: [], StateBudget()))

    assert ("of the streams" in str(caught.value)) == fails
    assert ("the receipts could not be built" in caplog.text) == fails
    assert ("of the receipts" in caplog.text) == fails
