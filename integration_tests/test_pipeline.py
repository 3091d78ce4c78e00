"""From Clockify to a topic and to the view of its reader.

One account lives through six syncs of all streams. What the installed connector prints in each of
them goes through the writer into a topic of every server that the machine has, and is pulled again.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from clockify_sandbox.client import JSON, Sandbox, start
from demo.scenario import CLOCKED_COMMAND, LONG_ENOUGH, NOW
from integration_tests.airbyte import (
    STREAMS,
    Output,
    catalog,
    config_of,
    key_of,
)
from integration_tests.consumer import DELETED_AT, UPDATED_AT, Consumer, Key, comparable
from integration_tests.contract import assert_suits_pubsub
from integration_tests.pubsub.message import Message
from integration_tests.pubsub.topic import Topic, create_topic, records_of
from integration_tests.readers import Problem, Warehouse, subscriber_of
from integration_tests.truth import expected
from source_clockify.change_tracking.profiles import PROFILES, Kind

# Everything is younger than the lookback, so that a consumer sees every edit.
START = f"{NOW - timedelta(days=25):%Y-%m-%dT00:00:00Z}"
# Each event is sent once, as it was when it was read; Clockify forgets some of them.
FEEDS = frozenset(stream for stream, each in PROFILES.items() if each.kind is Kind.EVENT_LOG)
NASTY = 'Größe "q" / </x> \u2028 \u0085 \x01 \\ 😀'

SELECTED = (*STREAMS, "sync_log")

Account = dict[str, dict[Key, JSON]]


@dataclass(frozen=True)
class Sync:
    """One sync, and the account as it was.

    Attributes:
        printed: the standard output of the source.
        account: the records of each stream, comparable.
        reaches_the_topic: False where the destination loses everything, and acknowledges it.
    """

    printed: str
    account: Account
    reaches_the_topic: bool

    @property
    def messages(self) -> list[JSON]:
        return [json.loads(line) for line in self.printed.split("\n") if line]

    @property
    def everything(self) -> list[JSON]:
        return [each["record"] for each in self.messages if each["type"] == "RECORD"]

    @property
    def records(self) -> list[JSON]:
        """What it sent of the account."""
        return [each for each in self.everything if each["stream"] != "sync_log"]


# The syncs, in their order. Each is what happens before it, and whether the topic gets it.
LOST_BASELINE, CHANGES_AFTER_IT, REFRESH, CHANGES, LOST, REPAIR = range(6)


@pytest.fixture(scope="module")
def syncs(tmp_path_factory: pytest.TempPathFactory) -> list[Sync]:
    """Six syncs of an account, 90 minutes apart."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "catalog.json").write_text(json.dumps(catalog(SELECTED, "incremental")))
    done: list[Sync] = []
    state: list[JSON] | None = None
    with start(
        users=3, entries=15, projects=3, tasks=2, plan="ENTERPRISE", now=f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    ) as sandbox:
        (folder / "config.json").write_text(json.dumps(config_of(sandbox, start_date=START)))

        def sync(edits: Callable[[Sandbox], None], *, lost: bool = False) -> None:
            nonlocal state
            moment = NOW + len(done) * LONG_ENOUGH
            edits(sandbox)
            sandbox.set_now(f"{moment:%Y-%m-%dT%H:%M:%SZ}")
            printed = read(folder, moment, state)
            done.append(Sync(printed, account_of(sandbox, moment), not lost))
            state = Output(done[-1].messages, 0, printed).state

        sync(delete_an_entry, lost=True)
        sync(edit_a_little)
        state = None
        sync(delete_what_was_edited)
        sync(edit_everything)
        sync(edit_everything, lost=True)
        sync(lambda _: None)
    return done


def delete_an_entry(sandbox: Sandbox) -> None:
    """Let the feed of deleted entries have one, whatever the seeds."""
    entry = sandbox.rows("time_entries")[0]
    sandbox.delete(entry["workspaceId"], "time-entries", entry["id"])


def read(folder: Path, moment: datetime, state: Sequence[JSON] | None) -> str:
    """Run `source-clockify read` with the clock at a moment; answers what it prints."""
    config, streams = folder / "config.json", folder / "catalog.json"
    line: list[str | Path] = ["--config", config, "--catalog", streams]
    if state is not None:
        (folder / "state.json").write_text(json.dumps(state))
        line += ["--state", folder / "state.json"]
    done = subprocess.run(
        [sys.executable, "-c", CLOCKED_COMMAND, f"{moment:%Y-%m-%dT%H:%M:%SZ}", "read", *line],
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def account_of(sandbox: Sandbox, moment: datetime) -> Account:
    with freeze_time(moment):
        return {
            stream: {
                key_of(stream, record): comparable(stream, record)
                for record in expected(sandbox, stream, start_date=START)
            }
            for stream in STREAMS
        }


def followed(account: Account) -> Account:
    """What a consumer is told of later: of an approval request its own status, not its entries."""
    requests = {
        key: record["approvalRequest"]["status"]
        for key, record in account["approval_requests"].items()
    }
    feeds: Account = {stream: {key: {} for key in account[stream]} for stream in FEEDS}
    return {**account, "approval_requests": requests, **feeds}


def edit_a_little(sandbox: Sandbox) -> None:
    workspace = sandbox.workspaces[0]["id"]
    for collection, stream in (("tags", "tags"), ("time-entries", "time_entries")):
        entity = (
            ended(sandbox)[0]["id"] if stream == "time_entries" else sandbox.rows(stream)[-1]["id"]
        )
        text = {"name": "edited"} if stream == "tags" else {"description": "edited"}
        sandbox.update(workspace, collection, entity, text)


def delete_what_was_edited(sandbox: Sandbox) -> None:
    """What is in the topic, but is gone when the next baseline is read, has no tombstone."""
    workspace = sandbox.workspaces[0]["id"]
    sandbox.delete(workspace, "time-entries", ended(sandbox)[0]["id"])
    sandbox.delete(workspace, "tags", sandbox.rows("tags")[-1]["id"])


def edit_everything(sandbox: Sandbox) -> None:
    """Something new, an edit and a deletion in most streams."""
    workspace = sandbox.workspaces[0]["id"]
    user, other = (row["id"] for row in sandbox.rows("users")[:2])
    project = sandbox.create(workspace, "projects", {"name": NASTY})["id"]
    sandbox.create(workspace, "tasks", {"name": NASTY, "projectId": project})
    entry = {
        "userId": other,
        "projectId": project,
        "description": NASTY,
        "timeInterval": {"start": "2026-11-24T08:00:00Z", "end": "2026-11-24T08:30:00Z"},
    }
    sandbox.create(workspace, "time-entries", entry)
    sandbox.create(workspace, "clients", {"name": NASTY})
    sandbox.create(workspace, "time-off-requests", {"userId": user})
    expense = {"date": "2026-11-23", "total": 1234, "userId": user, "projectId": project}
    sandbox.create(workspace, "expenses", expense)

    described, deleted, moved = (row["id"] for row in ended(sandbox)[-4:-1])
    sandbox.update(workspace, "time-entries", described, {"description": NASTY})
    sandbox.delete(workspace, "time-entries", deleted)
    earlier = {"start": f"{NOW - timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}"}
    sandbox.update(workspace, "time-entries", moved, {"timeInterval": earlier})
    sandbox.update(workspace, "projects", sandbox.rows("projects")[0]["id"], {"name": "renamed"})
    for collection, stream in (
        ("tags", "tags"),
        ("tasks", "tasks"),
        ("clients", "clients"),
        ("expenses", "expenses"),
    ):
        # The last tag is on no entry, and the first task neither.
        number = -1 if stream == "tags" else 0
        sandbox.delete(workspace, collection, sandbox.rows(stream)[number]["id"])


def ended(sandbox: Sandbox) -> list[JSON]:
    """Time entries that ended before the first sync and began within what is read, oldest first."""
    rows = [
        row
        for row in sandbox.rows("time_entries")
        if row["timeInterval"]["end"]
        and START <= row["timeInterval"]["start"] <= f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    ]
    return sorted(rows, key=lambda row: (row["timeInterval"]["start"], row["id"]))


# The topic


@dataclass(frozen=True)
class Delivery:
    """What one sync brought to the topic.

    Attributes:
        returncode: of the writer.
        acknowledged: the states that it printed.
        messages: those that were pulled afterwards.
        everything: the same, as records.
        emissions: their `_airbyte_ab_id`.
    """

    returncode: int
    acknowledged: list[JSON]
    messages: list[Message]
    everything: list[JSON]
    emissions: list[str]

    @property
    def records(self) -> list[JSON]:
        """What is about the account."""
        return [each for each in self.everything if each["stream"] != "sync_log"]


@pytest.fixture(scope="module")
def deliveries(syncs: list[Sync], pubsub_address: str) -> list[Delivery]:
    """Every sync through the writer into one topic; what gets lost goes to one that is missing."""
    topic = create_topic(pubsub_address, "pipeline")
    return [deliver(topic, sync) for sync in syncs]


def deliver(topic: Topic, sync: Sync) -> Delivery:
    destination = topic.destination()
    options = []
    if not sync.reaches_the_topic:
        destination = topic.destination(topic_id="no-topic")
        options = ["--acknowledge-first"]
    done = topic.write(sync.printed.encode(), SELECTED, destination, *options)
    printed = done.stdout.decode().split("\n")
    messages = topic.pull()
    return Delivery(
        done.returncode,
        [json.loads(line)["state"] for line in printed if line],
        [Message(message.data, dict(message.attributes), "") for message in messages],
        records_of(messages),
        [json.loads(message.data)["_airbyte_ab_id"] for message in messages],
    )


def consumer_of(deliveries: Sequence[Delivery]) -> Consumer:
    """A consumer that has read all that was delivered."""
    consumer = Consumer()
    for delivery in deliveries:
        consumer.take({"type": "RECORD", "record": each} for each in delivery.records)
    return consumer


def view_of(deliveries: Sequence[Delivery]) -> Account:
    """What the topic merges to."""
    consumer = consumer_of(deliveries)
    return {stream: consumer.view(stream) for stream in STREAMS}


def assert_view(deliveries: Sequence[Delivery], account: Account) -> None:
    """AssertionError unless the topic merges to all that a consumer is told of the account."""
    seen, there = followed(view_of(deliveries)), followed(account)
    for stream in STREAMS:
        if stream in FEEDS:
            assert seen[stream].keys() >= there[stream].keys(), stream
        else:
            assert seen[stream] == there[stream], stream


def as_lines(records: Sequence[JSON]) -> Counter[str]:
    return Counter(json.dumps(each, sort_keys=True) for each in records)


def test_every_record_arrives_as_it_was_sent(syncs: list[Sync], deliveries: list[Delivery]) -> None:
    for sync, delivery in zip(syncs, deliveries, strict=True):
        assert delivery.returncode == 0
        assert as_lines(delivery.everything) == as_lines(
            sync.everything if sync.reaches_the_topic else []
        )
        for record, message in zip(delivery.everything, delivery.messages, strict=True):
            assert message.attributes == {"_stream": record["stream"]}
    emissions = [each for delivery in deliveries for each in delivery.emissions]
    assert len(set(emissions)) == len(emissions)


def test_the_destination_acknowledges_every_state_also_of_what_it_lost(
    syncs: list[Sync], deliveries: list[Delivery]
) -> None:
    for sync, delivery in zip(syncs, deliveries, strict=True):
        states = [each["state"] for each in sync.messages if each["type"] == "STATE"]
        assert len(states) >= len(SELECTED)
        assert delivery.acknowledged == states


def test_a_baseline_is_the_account_message_by_message(
    syncs: list[Sync], deliveries: list[Delivery]
) -> None:
    account = syncs[REFRESH].account
    sent = Counter(record["stream"] for record in deliveries[REFRESH].records)
    assert sent == {stream: len(records) for stream, records in account.items()}
    assert all(account.values())
    assert view_of(deliveries[: REFRESH + 1]) == account


def test_the_next_sync_sends_only_what_changed_and_tombstones(
    syncs: list[Sync], deliveries: list[Delivery]
) -> None:
    before, after = followed(syncs[REFRESH].account), followed(syncs[CHANGES].account)
    changed = {
        (stream, key, key not in after[stream])
        for stream in STREAMS
        for key in before[stream].keys() | after[stream].keys()
        if before[stream].get(key) != after[stream].get(key)
        and (key in after[stream] or stream not in FEEDS)
    }
    assert {stream for stream, *_ in changed} >= {
        *("projects", "tasks", "tags", "clients", "time_entries", "expenses", "time_off_requests"),
        *("detailed_report", "summary_report", "weekly_report", "attendance_report"),
        *("expense_report", "audit_log", "entity_changes_created", "entity_changes_deleted"),
    }
    records = deliveries[CHANGES].records
    sent = [
        (each["stream"], key_of(each["stream"], each["data"]), DELETED_AT in each["data"])
        for each in records
    ]
    assert len(set(sent)) == len(sent)
    assert set(sent) >= changed
    # Recent requests with changed entries, and events that Clockify's feeds have only if asked for
    # a shorter time: a record that was created within the time has no updates in it.
    surplus = {stream for stream, *_ in set(sent) - changed}
    assert surplus <= {
        *("approval_requests", "entity_changes_deleted"),
        *("time_entries_changed", "time_entries_deleted"),
    }


def test_the_view_of_the_topic_is_the_account(
    syncs: list[Sync], deliveries: list[Delivery]
) -> None:
    assert_view(deliveries[: CHANGES + 1], syncs[CHANGES].account)


def test_a_lost_sync_is_repaired_by_the_next_one(
    syncs: list[Sync], deliveries: list[Delivery]
) -> None:
    lost, repair = syncs[LOST].records, deliveries[REPAIR].records
    assert lost
    assert deliveries[LOST].records == []
    with pytest.raises(AssertionError):
        assert_view(deliveries[: LOST + 1], syncs[LOST].account)
    assert_view(deliveries[: REPAIR + 1], syncs[REPAIR].account)
    before, lost_versions, repaired = (
        {
            (each["stream"], key_of(each["stream"], each["data"]), each["data"][UPDATED_AT])
            for each in records
        }
        for records in (syncs[CHANGES].records, lost, repair)
    )
    assert lost_versions - before == repaired


def test_a_lost_baseline_is_repaired_by_a_refresh_of_the_same_topic(
    syncs: list[Sync], deliveries: list[Delivery]
) -> None:
    changed = deliveries[CHANGES_AFTER_IT].records
    assert deliveries[LOST_BASELINE].records == []
    assert {each["stream"] for each in changed} >= {"tags", "time_entries"}
    with pytest.raises(AssertionError):
        assert_view(deliveries[:REFRESH], syncs[CHANGES_AFTER_IT].account)
    # Among the messages before the Refresh are those of records that no tombstone ever followed.
    gone = [
        each
        for each in changed
        if key_of(each["stream"], each["data"]) not in syncs[REFRESH].account[each["stream"]]
    ]
    assert {each["stream"] for each in gone} >= {"tags", "time_entries"}
    assert_view(deliveries[: REFRESH + 1], syncs[REFRESH].account)


def test_the_receipts_name_the_lost_baseline_and_nothing_else(
    syncs: list[Sync], deliveries: list[Delivery]
) -> None:
    (at_first,) = {each["data"][UPDATED_AT] for each in syncs[LOST_BASELINE].records}
    sent = Counter(each["stream"] for each in syncs[LOST_BASELINE].records)
    baseline = [
        Problem("lost", stream, at_first, count, True) for stream, count in sorted(sent.items())
    ]
    subscriber, warehouse = subscriber_of(SELECTED), Warehouse()
    for number, delivery in enumerate(deliveries):
        subscriber.merge(delivery.messages)
        if delivery.messages:
            warehouse.add(delivery.messages)
        expected = baseline if number == CHANGES_AFTER_IT else []
        assert subscriber.problems() == expected
        assert warehouse.problems() == expected
    subscriber.database.close()
    warehouse.close()


# Every record


def test_every_record_of_every_sync_suits_pubsub(syncs: list[Sync]) -> None:
    counts = [assert_suits_pubsub(sync.printed) for sync in syncs]
    assert counts[REFRESH].keys() == {*SELECTED}
    assert sum(DELETED_AT in each["data"] for sync in syncs for each in sync.records) > 10


@pytest.mark.parametrize(
    "record",
    [
        '{"stream": "tags", "data": {"id": "t"}, "emitted_at": 1, "namespace": ""}',
        '{"stream": "tags", "data": {"id": "t"}, "emitted_at": 1.5}',
        '{"stream": "tags", "data": {"name": "t"}, "emitted_at": 1}',
        '{"stream": "tags", "data": {"id": "t", "n": NaN}, "emitted_at": 1}',
        '{"stream": "tags", "data": {"id": "t", "n": 9007199254740993}, "emitted_at": 1}',
        f'{{"stream": "tags", "data": {{"id": "t", "n": "{"x" * 1_000_000}"}}, "emitted_at": 1}}',
    ],
)
def test_the_contract_can_be_broken(record: str) -> None:
    with pytest.raises(AssertionError):
        assert_suits_pubsub(f'{{"type": "RECORD", "record": {record}}}')
