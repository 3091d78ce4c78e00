"""A destination that acknowledges messages and loses them, and what its readers say of it.

An account is read by the connector again and again. The messages of each sync reach the readers in
`examples/` but for those that a test loses. Both readers have to say the same.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from demo.scenario import NOW
from integration_tests.airbyte import (
    CONNECTOR,
    STREAMS,
    Output,
    catalog,
    config_of,
    key_of,
    read,
)
from integration_tests.consumer import DELETED_AT, UPDATED_AT
from integration_tests.frozen import Clock, frozen_clock, read_incrementally
from integration_tests.pubsub.message import Message
from integration_tests.readers import (
    EXAMPLES,
    Problem,
    Subscriber,
    Warehouse,
    load_subscriber,
    messages_of,
    subscriber_of,
)
from source_clockify.change_tracking.profiles import PROFILES, Kind

READ = ("clients", "projects", "tags", "tasks", "time_entries", "sync_log")
FIRST, SECOND, THIRD, FOURTH = (
    f"{NOW + n * timedelta(hours=2):%Y-%m-%dT%H:%M:%S}.000Z" for n in range(4)
)


class Both:
    """Two readers of the same messages, which have to agree."""

    def __init__(self) -> None:
        self.subscriber = subscriber_of([*STREAMS, "sync_log"])
        self.warehouse = Warehouse()

    def add(self, messages: Iterable[Message]) -> None:
        kept = list(messages)
        self.subscriber.merge(kept)
        if kept:
            self.warehouse.add(kept)

    def problems(self) -> list[Problem]:
        found = self.subscriber.problems()
        assert found == self.warehouse.problems()
        # Also once the subscriber has forgotten what it needs no more.
        self.subscriber.forget(NOW - timedelta(days=365))
        assert self.subscriber.problems() == found
        return found

    def sentences(self) -> list[str]:
        assert len(self.subscriber.sentences()) == len(self.problems())
        return self.subscriber.sentences()


@pytest.fixture
def reader() -> Iterator[Both]:
    both = Both()
    yield both
    both.subscriber.database.close()
    both.warehouse.close()


@dataclass
class Account:
    """A Clockify account and the connection that reads it, every two hours unless told otherwise.

    Attributes:
        states: the last state of each stream.
    """

    sandbox: Sandbox
    clock: Clock
    streams: Collection[str] = READ
    now: datetime = NOW
    states: dict[str, JSON] = field(default_factory=dict)
    settings: JSON = field(default_factory=dict)

    @property
    def workspace(self) -> str:
        return self.sandbox.workspaces[0]["id"]

    def sync(self, *, fails: bool = False, hours: float = 2, killed_after: str = "") -> list[JSON]:
        """The records of one sync; `killed_after` names the stream whose state is the last."""
        output = self.read()
        self.now += timedelta(hours=hours)
        assert (output.returncode != 0) == fails, output.text
        messages = output.messages
        if killed_after:
            last = [n for n, each in enumerate(messages) if state_stream(each) == killed_after][-1]
            messages = messages[: last + 1]
        self.states |= Output(messages, 0, "").states
        return [each["record"] for each in messages if each["type"] == "RECORD"]

    def read(self) -> Output:
        self.clock.set(self.now)
        self.sandbox.set_now(f"{self.now:%Y-%m-%dT%H:%M:%SZ}")
        settings = {"start_date": f"{NOW - timedelta(days=100):%Y-%m-%dT00:00:00Z}"}
        config = config_of(self.sandbox, **settings, **self.settings)
        state = [self.states[name] for name in sorted(self.states)]
        return read_incrementally(config, self.streams, state or None)

    def refresh(self, *streams: str) -> None:
        """Forget the state of streams, of all without any."""
        for stream in streams or tuple(self.states):
            del self.states[stream]

    def edit(self, name: str) -> None:
        """Rename two projects and a tag, and delete a time entry."""
        for project in self.sandbox.rows("projects")[:2]:
            self.sandbox.update(self.workspace, "projects", project["id"], {"name": name})
        tag = self.sandbox.rows("tags")[0]["id"]
        self.sandbox.update(self.workspace, "tags", tag, {"name": name})
        entries = sorted(
            (each for each in self.sandbox.rows("time_entries") if each["timeInterval"]["end"]),
            key=lambda each: str(each["timeInterval"]["start"]),
        )
        self.sandbox.delete(self.workspace, "time-entries", entries[-1]["id"])


def state_stream(message: JSON) -> str:
    if message["type"] != "STATE":
        return ""
    return str(message["state"]["stream"]["stream_descriptor"]["name"])


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    with frozen_clock() as frozen:
        yield frozen


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    now = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    with start(users=3, entries=15, projects=4, tasks=2, plan="ENTERPRISE", now=now) as running:
        yield running


@pytest.fixture
def account(sandbox: Sandbox, clock: Clock) -> Account:
    sandbox.reset()
    return Account(sandbox, clock)


def delivered(records: Iterable[JSON]) -> Iterator[Message]:
    return messages_of({"type": "RECORD", "record": each} for each in records)


def of(stream: str) -> Callable[[JSON], bool]:
    return lambda record: record["stream"] == stream


def without(records: Sequence[JSON], lost: Callable[[JSON], bool]) -> list[JSON]:
    kept = [each for each in records if not lost(each)]
    assert len(kept) < len(records)
    return kept


def receipts(records: Iterable[JSON]) -> dict[str, JSON]:
    """The last receipt of each stream."""
    return {each["data"]["stream"]: each["data"] for each in records if of("sync_log")(each)}


# Nothing is wrong -------------------------------------------------------------------------------


def test_readers_say_nothing_while_everything_arrives(account: Account, reader: Both) -> None:
    for n in range(4):
        reader.add(delivered(account.sync()))
        assert reader.problems() == []
        assert reader.sentences() == []
        account.edit(f"round {n}")
    account.refresh("tags", "time_entries")
    reader.add(delivered(account.sync()))
    assert reader.problems() == []
    account.refresh()
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_every_receipt_counts_the_keys_of_its_version(account: Account, reader: Both) -> None:
    account.streams = (*STREAMS, "sync_log")
    keys: dict[tuple[str, str], set[Any]] = {}
    for n in range(3):
        records = account.sync()
        for each in records:
            if not of("sync_log")(each):
                version = each["data"][UPDATED_AT]
                key = key_of(each["stream"], each["data"])
                keys.setdefault((each["stream"], version), set()).add(key)
        found = [each["data"] for each in records if of("sync_log")(each)]
        assert {each["stream"] for each in found} == {*STREAMS}
        for receipt in found:
            arrived = keys.get((receipt["stream"], receipt[UPDATED_AT]), set())
            assert receipt["sent"] + receipt["deleted"] == len(arrived), receipt
        reader.add(delivered(records))
        assert reader.problems() == []
        account.edit(f"round {n}")


def test_messages_in_any_order_are_no_problem(account: Account, reader: Both) -> None:
    records = account.sync()
    account.edit("new")
    records += account.sync()
    reader.add(delivered(records[::-1]))
    reader.add(delivered(records))
    assert reader.problems() == []


# A loss -----------------------------------------------------------------------------------------


def test_a_whole_sync_that_is_lost_is_named_and_repaired_by_the_next(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.edit("lost")
    account.sync(hours=0.5)
    # Too early to send anything again.
    reader.add(delivered(account.sync(hours=1.5)))
    streams = sorted({*READ} - {"sync_log"})
    assert reader.problems() == [
        Problem("missing", stream, SECOND, None, False) for stream in streams
    ]
    told = reader.sentences()
    assert told[1].startswith(f"projects: nothing arrived of the sync of {SECOND}, not even")
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_a_lost_sync_that_was_not_resent_is_repaired_by_a_refresh(
    account: Account, reader: Both
) -> None:
    account.settings = {"resend_changes": 0}
    reader.add(delivered(account.sync()))
    account.edit("lost")
    account.sync()
    reader.add(delivered(account.sync()))
    streams = sorted({*READ} - {"sync_log"})
    assert reader.problems() == [
        Problem("missing", stream, SECOND, None, True) for stream in streams
    ]
    assert all(told.endswith("Refresh the stream.") for told in reader.sentences())
    account.refresh()
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_a_part_of_a_snapshot_that_is_lost_is_repaired_by_a_refresh(
    account: Account, reader: Both
) -> None:
    records = account.sync()
    lost = [each["data"]["id"] for each in records if of("tasks")(each)][:3]
    reader.add(
        delivered(without(records, lambda each: of("tasks")(each) and each["data"]["id"] in lost))
    )
    expected = [Problem("lost", "tasks", FIRST, 3, True)]
    assert reader.problems() == expected
    (told,) = reader.sentences()
    assert told == (
        f"tasks: 3 of {receipts(records)['tasks']['sent']} records of the sync of {FIRST} did not "
        "arrive. Refresh the stream."
    )
    reader.add(delivered(account.sync()))
    assert reader.problems() == expected
    account.refresh("tasks")
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_a_snapshot_lost_with_its_receipt_is_named_by_the_next_sync(
    account: Account, reader: Both
) -> None:
    account.settings = {"resend_changes": 0}
    records = account.sync()
    without_receipt = without(records, lambda each: each["data"].get("stream") == "tags")
    reader.add(delivered(without(without_receipt, of("tags"))))
    assert reader.problems() == []
    reader.add(delivered(account.sync()))
    assert reader.problems() == [Problem("missing", "tags", FIRST, None, True)]
    account.refresh("tags")
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_the_lost_tail_of_a_stream_is_named_and_repaired_by_the_next_sync(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.edit("lost")
    records = account.sync()
    *_, last = (each for each in records if of("projects")(each))
    deleted = [each for each in records if DELETED_AT in each["data"]]
    reader.add(delivered(without(records, lambda each: each in (last, *deleted))))
    assert reader.problems() == [
        Problem("lost", "projects", SECOND, 1, False),
        Problem("lost", "time_entries", SECOND, 1, False),
    ]
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_a_tail_that_is_lost_and_not_resent_is_repaired_by_a_refresh(
    account: Account, reader: Both
) -> None:
    account.settings = {"resend_changes": 0}
    reader.add(delivered(account.sync()))
    account.edit("lost")
    reader.add(delivered(without(account.sync(), of("tags"))))
    assert reader.problems() == [Problem("lost", "tags", SECOND, 1, False)]
    reader.add(delivered(account.sync()))
    assert reader.problems() == [Problem("lost", "tags", SECOND, 1, True)]
    account.refresh("tags")
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_a_receipt_alone_that_is_lost_comes_again(account: Account, reader: Both) -> None:
    reader.add(delivered(without(account.sync(), of("sync_log"))))
    assert reader.problems() == []
    assert reader.subscriber.sentences() == [
        "There are no receipts yet: select the stream sync_log, and sync."
    ]
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


# Empty, failed, skipped, killed -----------------------------------------------------------------


def test_a_stream_that_has_become_empty_is_empty_for_the_readers(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    assert reader.subscriber.ids("clients")
    for client in account.sandbox.rows("clients"):
        account.sandbox.delete(account.workspace, "clients", client["id"])
    account.refresh("clients")

    records = account.sync()

    assert not [each for each in records if of("clients")(each)]
    assert receipts(records)["clients"]["live"] == 0
    reader.add(delivered(records))
    assert reader.subscriber.ids("clients") == set()
    found = reader.warehouse.query("SELECT key FROM clockify.records WHERE stream = 'clients'")
    assert found == []
    assert reader.problems() == []


def test_lost_tombstones_of_a_stream_that_is_empty_are_told(account: Account, reader: Both) -> None:
    account.settings = {"resend_changes": 0}
    reader.add(delivered(account.sync()))
    tags = account.sandbox.rows("tags")
    for tag in tags:
        account.sandbox.delete(account.workspace, "tags", tag["id"])
    # All killed syncs have a receipt in the next one.
    account.sync(killed_after="tags")
    account.sync(killed_after="tags")

    records = account.sync()
    reader.add(delivered(records))

    lost = Problem("lost", "tags", SECOND, len(tags), True)
    assert [each for each in reader.problems() if each.stream == "tags"] == [lost]
    account.refresh(*{each.stream for each in reader.problems()})
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_records_that_are_here_and_do_not_exist_are_told(account: Account, reader: Both) -> None:
    records = account.sync()
    for each in records:
        if of("sync_log")(each) and each["data"]["stream"] == "tags":
            each["data"] |= {"live": 0}
    reader.add(delivered(records))
    sent = receipts(records)["tags"]["sent"]
    assert reader.problems() == [Problem("live", "tags", FIRST, -sent, True)]
    assert reader.sentences() == [
        f"tags: the stream is empty now, but {sent} records are here. Refresh the stream."
    ]


def test_what_a_killed_sync_sent_and_the_destination_lost_is_told(
    account: Account, reader: Both
) -> None:
    account.settings = {"resend_changes": 0}
    reader.add(delivered(account.sync()))
    account.sandbox.create(account.workspace, "projects", {"name": "lost"})
    entry = {
        "userId": account.sandbox.rows("users")[0]["id"],
        "timeInterval": {"start": "2026-11-24T07:00:00Z", "end": "2026-11-24T08:00:00Z"},
    }
    account.sandbox.create(account.workspace, "time-entries", entry)
    killed = account.sync(killed_after="time_entries")
    assert not receipts(killed)
    lost = [stream for stream in ("projects", "time_entries") if stream in account.states]
    changed = {stream for stream in lost if any(of(stream)(each) for each in killed)}

    reader.add(delivered(account.sync()))

    assert reader.problems() == [
        Problem("lost", stream, SECOND, 1, True) for stream in sorted(changed)
    ]
    assert "time_entries" in changed
    account.refresh(*changed)
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_history_lost_after_a_killed_first_sync_is_told(account: Account, reader: Both) -> None:
    def is_history(each: JSON) -> bool:
        return of("time_entries")(each) and each["data"]["start"] < "2026-10-20"

    killed = account.sync(killed_after="time_entries")
    lost = len(list(filter(is_history, killed)))
    assert lost
    reader.add(delivered(without(killed, is_history)))
    assert reader.problems() == []
    expected = [Problem("lost", "time_entries", FIRST, lost, True)]
    for _ in range(3):
        reader.add(delivered(account.sync()))
        assert reader.problems() == expected


def test_events_that_a_killed_sync_sent_and_the_destination_lost_are_told(
    account: Account, reader: Both
) -> None:
    account.streams = ("audit_log", "entity_changes_created", "tags", "sync_log")
    records = account.sync()
    account.refresh("sync_log")
    reader.add(delivered(filter(of("tags"), records)))

    reader.add(delivered(account.sync()))

    assert reader.problems() == [
        Problem("lost", stream, FIRST, len(list(filter(of(stream), records))), True)
        for stream in ("audit_log", "entity_changes_created")
    ]


@pytest.mark.parametrize("resend", [0, 1])
def test_edits_that_a_killed_sync_sent_and_the_destination_lost_are_told(
    account: Account, reader: Both, resend: int
) -> None:
    account.settings = {"resend_changes": resend}
    reader.add(delivered(account.sync()))
    account.edit("lost")
    killed = account.sync(killed_after="projects")
    lost = len(list(filter(of("projects"), killed)))
    assert lost

    records = account.sync()

    reader.add(delivered([each for each in records if not of("projects")(each)]))
    assert reader.problems() == [Problem("lost", "projects", SECOND, lost, True)]


def test_a_killed_sync_of_which_everything_arrived_is_no_problem(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.edit("new")
    reader.add(delivered(account.sync(killed_after="tags")))
    assert reader.problems() == []
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_a_killed_refresh_of_which_everything_arrived_is_no_problem(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.refresh("tags")
    reader.add(delivered(account.sync(killed_after="tags")))
    for _ in range(2):
        reader.add(delivered(account.sync()))
        assert reader.problems() == []


def test_a_snapshot_that_failed_is_not_complete_until_a_sync_completes_it(
    account: Account, reader: Both
) -> None:
    account.sandbox.fault({"status": 400}, path=".*/tags")
    records = account.sync(fails=True)
    assert receipts(records)["tags"]["status"] == "incomplete"
    reader.add(delivered(records))
    assert reader.problems() == [Problem("snapshot", "tags", FIRST, None, False)]
    account.sandbox.clear_faults()
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_a_stream_that_failed_is_named_until_a_sync_reads_it(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.sandbox.fault({"status": 400}, path=".*/tags")
    reader.add(delivered(account.sync(fails=True)))
    assert reader.problems() == [Problem("incomplete", "tags", SECOND, None, False)]
    account.sandbox.clear_faults()
    reader.add(delivered(account.sync()))
    assert reader.problems() == []


def test_what_is_skipped_is_no_loss(account: Account, reader: Both) -> None:
    reader.add(delivered(account.sync()))
    body = {"code": 403, "message": "Access Denied"}
    account.sandbox.fault({"status": 403, "body": body}, path=".*/tags")
    records = account.sync()
    assert receipts(records)["tags"]["skipped"]
    reader.add(delivered(records))
    assert reader.problems() == []


def test_a_snapshot_that_is_still_being_read_is_not_complete(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.refresh("tags")
    records = account.sync()
    half = [each for each in records if of("tags")(each)][:1]
    reader.add(delivered(half))
    assert reader.problems() == [Problem("snapshot", "tags", SECOND, None, False)]
    reader.add(delivered(records))
    assert reader.problems() == []


# Full refresh -----------------------------------------------------------------------------------


def test_a_full_refresh_that_lost_records_is_named_until_the_next(
    account: Account, reader: Both, clock: Clock
) -> None:
    def refresh() -> list[JSON]:
        clock.set(account.now)
        account.now += timedelta(hours=2)
        config = config_of(account.sandbox)
        output = read(CONNECTOR, config, ("tags", "sync_log"), in_process=True)
        assert output.returncode == 0, output.text
        return [each["record"] for each in output.messages if each["type"] == "RECORD"]

    reader.add(delivered(refresh()))
    assert reader.problems() == []
    records = refresh()
    lost = next(each for each in records if of("tags")(each))
    reader.add(delivered(without(records, lambda each: each is lost)))
    assert reader.problems() == [Problem("lost", "tags", SECOND, 1, True)]
    reader.add(delivered(refresh()))
    assert reader.problems() == []


# The subscriber's command -----------------------------------------------------------------------


def test_the_command_prints_what_did_not_arrive_and_its_exit_code_tells(
    account: Account, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    module = load_subscriber()
    listed = catalog(READ, "incremental")
    (tmp_path / "catalog.json").write_text(json.dumps(listed))
    streams = module.streams_of(listed)
    records = account.sync()
    line = f"subscriber.py --catalog {tmp_path}/catalog.json --database {tmp_path}/a.db --report"
    monkeypatch.setattr("sys.argv", line.split())

    def told(records: Iterable[JSON]) -> tuple[object, str]:
        database = module.open_database(tmp_path / "a.db", streams)
        Subscriber(database, streams).merge(delivered(records))
        database.close()
        with pytest.raises(SystemExit) as ended:
            module.main()
        return ended.value.code, capsys.readouterr().out

    assert told(without(records, of("tags")))[0] == 1
    code, text = told([])
    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith("tags: ")
    assert told(records) == (0, "")
    monkeypatch.setattr("sys.argv", line.replace("catalog.json", "none.json").split())
    assert "none.json" in str(told([])[0])


def test_a_prefix_of_the_connection_is_that_of_the_receipts(account: Account) -> None:
    module = load_subscriber()
    listed = catalog(READ, "incremental")
    for each in listed["streams"]:
        each["stream"] = {**each["stream"], "name": f"clockify_{each['stream']['name']}"}
    streams = module.streams_of(listed)
    subscriber = Subscriber(module.open_database(":memory:", streams), streams)

    def prefixed(records: Iterable[JSON]) -> Iterator[Message]:
        return delivered({**each, "stream": f"clockify_{each['stream']}"} for each in records)

    records = account.sync()
    subscriber.merge(prefixed(without(records, of("tags"))))
    assert [each.stream for each in subscriber.problems()] == ["clockify_tags"]
    subscriber.merge(prefixed(records))
    assert subscriber.problems() == []
    subscriber.database.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sent": None}, "lacks the numbers of records"),
        ({"_ab_cdc_baseline_at": None}, "lacks the columns of change tracking"),
    ],
)
def test_what_is_no_receipt_is_refused(
    account: Account, reader: Both, change: JSON, told: str
) -> None:
    (record, *_) = (each for each in account.sync() if of("sync_log")(each))
    record = {**record, "data": {**record["data"], **change}}
    with pytest.raises(ValueError, match=told):
        reader.subscriber.merge(delivered([record]))


def test_receipts_of_a_stream_that_the_catalog_no_longer_has_are_taken(account: Account) -> None:
    records = account.sync()
    rest = subscriber_of(["projects", "sync_log"])
    rest.merge(
        delivered(
            each
            for each in records
            if of("projects")(each) or each["data"].get("stream") in ("projects", "clients")
        )
    )
    assert {each.stream for each in rest.problems()} == {"clients"}
    rest.database.close()


def prefixed(prefix: str, records: Iterable[JSON]) -> Iterator[Message]:
    return delivered({**each, "stream": f"{prefix}{each['stream']}"} for each in records)


def test_each_of_two_prefixes_has_its_receipts(account: Account) -> None:
    module = load_subscriber()
    listed: list[JSON] = []
    for prefix in ("", "b_"):
        for each in catalog(READ, "incremental")["streams"]:
            stream = {**each["stream"], "name": f"{prefix}{each['stream']['name']}"}
            listed.append({**each, "stream": stream})
    streams = module.streams_of({"streams": listed})
    subscriber = Subscriber(module.open_database(":memory:", streams), streams)
    first = account.sync()
    account.refresh()
    second = account.sync()

    subscriber.merge(prefixed("", first))
    # Nothing is said of the connection whose first sync is still on its way.
    assert subscriber.problems() == []
    kept = without(second, of("tags"))
    subscriber.merge(prefixed("b_", kept))
    assert [(each.kind, each.stream) for each in subscriber.problems()] == [("lost", "b_tags")]
    subscriber.forget(NOW - timedelta(days=365))
    subscriber.merge(prefixed("b_", second))
    assert subscriber.problems() == []
    subscriber.forget(NOW + timedelta(days=365))
    assert subscriber.problems() == []
    subscriber.database.close()


def test_streams_that_never_get_a_receipt_are_no_problem(account: Account, reader: Both) -> None:
    account.streams = ("clients", "tags")
    reader.add(delivered(account.sync()))
    account.streams = ("clients", "sync_log")
    for _ in range(3):
        reader.add(delivered(account.sync()))
        assert reader.problems() == []


def test_a_refreshed_stream_is_not_complete_until_its_receipt_comes(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.refresh("tags")
    records = account.sync()
    reader.add(delivered(without(records, of("sync_log"))))
    assert reader.problems() == [Problem("snapshot", "tags", SECOND, None, False)]


def test_a_stream_that_was_added_is_not_complete_until_its_receipt_comes(
    account: Account, reader: Both
) -> None:
    account.streams = ("clients", "sync_log")
    reader.add(delivered(account.sync()))
    account.streams = ("clients", "tags", "sync_log")
    records = account.sync()
    reader.add(delivered(without(records, of("sync_log"))))
    assert reader.problems() == [Problem("snapshot", "tags", SECOND, None, False)]


def test_a_change_not_resent_for_its_failed_stream_needs_no_refresh(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.edit("lost")
    reader.add(delivered(without(account.sync(), of("tags"))))
    lost = Problem("lost", "tags", SECOND, 1, False)
    assert reader.problems() == [lost]
    account.sandbox.fault({"status": 400}, path=".*/tags")
    reader.add(delivered(account.sync(fails=True)))
    assert reader.problems() == [lost, Problem("incomplete", "tags", THIRD, None, False)]
    account.sandbox.clear_faults()
    records = account.sync()
    reader.add(delivered(without(records, of("tags"))))
    assert reader.problems() == [lost._replace(refresh=True)]
    reader.add(delivered(records))
    assert reader.problems() == []


def test_a_lost_sync_not_resent_for_a_failed_stream_needs_no_refresh(
    account: Account, reader: Both
) -> None:
    account.streams = ("tags", "sync_log")
    reader.add(delivered(account.sync()))
    account.edit("lost")
    account.sync()
    account.sandbox.fault({"status": 400}, path=".*/tags")
    records = account.sync(fails=True)
    reader.add(delivered(each for each in records if each["data"][UPDATED_AT] == THIRD))
    assert reader.problems() == [
        Problem("missing", "tags", SECOND, None, False),
        Problem("incomplete", "tags", THIRD, None, False),
    ]
    assert "resend_changes above 0" in reader.sentences()[0]


def test_the_subscriber_keeps_no_keys_of_syncs_that_came_whole(
    account: Account, reader: Both
) -> None:
    reader.add(delivered(account.sync()))
    account.edit("new")
    reader.add(delivered(without(account.sync(hours=0.5), of("tags"))))
    reader.subscriber.forget(NOW + timedelta(days=365))
    kept = reader.subscriber.database.execute("SELECT DISTINCT stream FROM arrivals").fetchall()
    assert kept == []
    count = "SELECT count(*) FROM receipts WHERE stream = ?"
    counts = [
        reader.subscriber.database.execute(count, [stream]).fetchone()[0]
        for stream in ("projects", "tags")
    ]
    # The last whole one, and all from the first that is not.
    assert counts == [1, 2]
    assert [each.kind for each in reader.subscriber.problems()] == ["lost"]


def test_the_readers_count_each_windowed_stream_by_its_own_start() -> None:
    starts = {
        stream: profile.start
        for stream, profile in PROFILES.items()
        if profile.kind in (Kind.WINDOWED_SNAPSHOT, Kind.AGGREGATE)
    }
    subscriber = (EXAMPLES / "subscriber" / "subscriber.py").read_text()
    assert dict(re.findall(r"^    \('(\w+)', '\$\.(\w+)'\)", subscriber, re.M)) == starts
    views = (EXAMPLES / "bigquery" / "sync_log.sql").read_text()
    case = re.findall(
        r"WHEN versions\.stream (?:= |IN \()(.*?)\)?\s+THEN JSON_VALUE\(\S+ '\$\.(\w+)'\)", views
    )
    found = {stream: column for names, column in case for stream in re.findall(r"'(\w+)'", names)}
    assert found == starts
