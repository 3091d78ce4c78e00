"""A topic that the manifest alone fills, as in Airbyte Cloud: what its readers make of it."""

import json
import random
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import MANIFEST_ALONE, ROOT, Output, catalog, config_of, read
from integration_tests.pubsub.message import Message
from integration_tests.pubsub.server import serve
from integration_tests.pubsub.topic import create_topic
from integration_tests.readers import EXAMPLES, load_subscriber, messages_of

STREAMS = ("projects", "tags", "tasks", "time_entries", "entity_changes_deleted")
SUBSCRIBER = EXAMPLES / "subscriber" / "subscriber.py"
DOCUMENT = " ".join((ROOT / "docs" / "airbyte-cloud.md").read_text().split())


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=2, entries=20, projects=4, tasks=1, plan="PRO") as server:
        server.settings(deletion_lag=0)
        yield server


def sync(sandbox: Sandbox, state: Sequence[JSON] | None = None, **settings: Any) -> Output:
    output = read(
        MANIFEST_ALONE,
        config_of(sandbox, **settings),
        STREAMS,
        sync_mode="incremental",
        state=state,
        in_process=True,
    )
    assert output.returncode == 0, output.text
    return output


class Story:
    """Two syncs with changes in between, and what Clockify holds after them."""

    def __init__(self, sandbox: Sandbox) -> None:
        sandbox.reset()
        sandbox.settings(deletion_lag=0)
        workspace = sandbox.workspaces[0]["id"]
        first = sync(sandbox)
        self.edited, *_ = sandbox.rows("tags")
        sandbox.update(workspace, "tags", self.edited["id"], {"name": "edited"})
        sandbox.create(workspace, "tags", {"name": "new"})
        gone, back, *_ = sandbox.rows("projects")
        tasks = {row["id"] for row in sandbox.rows("tasks") if row["projectId"] == gone["id"]}
        entry, *_ = sandbox.rows("time_entries")
        sandbox.delete(workspace, "projects", gone["id"])
        sandbox.delete(workspace, "projects", back["id"])
        sandbox.delete(workspace, "time-entries", entry["id"])
        second = sync(sandbox, first.state)
        sandbox.restore(workspace, "projects", back["id"])
        third = sync(sandbox, second.state)
        # With a project go its tasks.
        self.deleted = {gone["id"], entry["id"], *tasks}
        self.restored = back["id"]
        self.syncs = [[*messages_of(output.messages)] for output in (first, second, third)]
        self.tags = {row["id"]: row["name"] for row in sandbox.rows("tags")}

    @property
    def messages(self) -> list[Message]:
        return [message for each in self.syncs for message in each]


@pytest.fixture(scope="module")
def story(sandbox: Sandbox) -> Story:
    return Story(sandbox)


# The subscriber with --cloud


def take(database: sqlite3.Connection, messages: Sequence[Message]) -> Counter[str]:
    module = load_subscriber()
    streams = module.streams_of(catalog(STREAMS, "incremental"))
    rows = [module.cloud_row_of(each.data, each.attributes, streams) for each in messages]
    counted: Counter[str] = module.merge_cloud(database, rows)
    return counted


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    module = load_subscriber()
    streams = module.streams_of(catalog(STREAMS, "incremental"))
    opened: sqlite3.Connection = module.open_cloud_database(":memory:", streams)
    yield opened
    opened.close()


def tag(name: str | None, sent_at: int, **more: Any) -> Message:
    data = {
        "_airbyte_data": {"id": "t", "workspaceId": "w", "name": name, **more},
        "_airbyte_emitted_at": sent_at,
    }
    return Message(json.dumps(data).encode(), {"_stream": "tags"}, "")


ORDERS: dict[str, Callable[[list[Message]], list[Message]]] = {
    "in order": lambda messages: messages,
    "backwards": lambda messages: messages[::-1],
    "shuffled and twice": lambda messages: random.Random(1).sample(messages * 2, 2 * len(messages)),
}


@pytest.mark.parametrize("arrange", ORDERS.values(), ids=ORDERS)
def test_the_newest_record_of_each_key_is_kept_in_any_order(
    story: Story,
    database: sqlite3.Connection,
    arrange: Callable[[list[Message]], list[Message]],
) -> None:
    take(database, arrange(story.messages))
    assert dict(database.execute("SELECT id, name FROM tags")) == story.tags


def test_what_a_sync_sends_once_more_is_dropped(story: Story, database: sqlite3.Connection) -> None:
    first, second, _ = story.syncs
    before = {(each.attributes["_stream"], identifier_of(each)): content(each) for each in first}
    kinds = Counter(
        "new"
        if (key := (each.attributes["_stream"], identifier_of(each))) not in before
        else "repeated"
        if before[key] == content(each)
        else "changed"
        for each in second
    )
    # The manifest alone may read a row twice where pages or windows overlap.
    repeats = Counter({"new": len(before), "repeated": len(first) - len(before)})
    assert take(database, first) == +repeats
    assert take(database, second) == kinds
    assert min(kinds["new"], kinds["changed"]) > 0
    assert kinds["repeated"] > 5


def content(message: Message) -> JSON:
    data: JSON = json.loads(message.data)["_airbyte_data"]
    return data


def identifier_of(message: Message) -> str:
    return str(content(message)["id"])


def test_a_repeat_leaves_the_record_and_tells_when_it_was_sent_last(
    database: sqlite3.Connection,
) -> None:
    take(database, [tag("a", 1)])
    assert take(database, [tag("a", 5), tag("a", 3)]) == {"repeated": 2}
    assert database.execute("SELECT _changed_at, _sent_at FROM tags").fetchall() == [(1, 5)]
    assert take(database, [tag("b", 4)]) == {"older": 1}
    assert take(database, [tag("b", 6)]) == {"changed": 1}
    assert database.execute("SELECT name, _changed_at FROM tags").fetchall() == [("b", 6)]


def test_null_equals_absent_and_the_order_of_columns_means_nothing(
    database: sqlite3.Connection,
) -> None:
    take(database, [tag("a", 1)])
    turned = {"name": "a", "archived": None, "workspaceId": "w", "id": "t"}
    data = json.dumps({"_airbyte_emitted_at": 2, "_airbyte_data": turned}).encode()
    assert take(database, [Message(data, {"_stream": "tags"}, "")]) == {"repeated": 1}


def test_memory_holds_no_hash_and_the_store_grows_by_key_only(
    database: sqlite3.Connection,
) -> None:
    for sent_at in range(50):
        take(database, [tag("a", sent_at)] * 20)
    assert database.execute("SELECT count(*), length(hash) FROM latest").fetchall() == [(1, 16)]
    module = load_subscriber()
    assert not [
        name
        for name, value in vars(module).items()
        if isinstance(value, (dict, list, set)) and len(value) > 10 and not name.startswith("__")
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"_airbyte_data": {"id": "t"}}, "moment"),
        ({"_airbyte_data": {"name": "t"}, "_airbyte_emitted_at": 1}, "part of the key id"),
        (
            {
                "_airbyte_data": {"id": "t", "_ab_cdc_updated_at": "2026-11-24T09:00:00.000Z"},
                "_airbyte_emitted_at": 1,
            },
            "leave --cloud out",
        ),
    ],
    ids=["without moment", "without key", "of the full connector"],
)
def test_what_is_no_record_of_the_manifest_alone_is_refused(data: JSON, said: str) -> None:
    module = load_subscriber()
    streams = module.streams_of(catalog(STREAMS, "incremental"))
    with pytest.raises(ValueError, match=said):
        module.cloud_row_of(json.dumps(data).encode(), {"_stream": "tags"}, streams)


def test_the_command_reads_a_subscription(story: Story, tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text(json.dumps(catalog(STREAMS, "incremental")))
    with serve() as server:
        topic = create_topic(server.address, "cloud")
        printed = b"".join(
            json.dumps(
                {
                    "type": "RECORD",
                    "record": {
                        "stream": each.attributes["_stream"],
                        "data": json.loads(each.data)["_airbyte_data"],
                        "emitted_at": json.loads(each.data)["_airbyte_emitted_at"],
                    },
                }
            ).encode()
            + b"\n"
            for each in story.messages
        )
        topic.write(printed, STREAMS, topic.destination())
        line = [sys.executable, str(SUBSCRIBER), "--cloud", "--once", "--wait", "0.2"]
        line += ["--project", "clockify", "--subscription", "cloud"]
        line += ["--catalog", "catalog.json", "--database", "cloud.db"]
        ended = subprocess.run(
            line, cwd=tmp_path, env=topic.environment, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 0, ended.stderr
    new, changed, dropped = map(int, re.findall(r"\d+", ended.stdout))
    assert new + changed + dropped == len(story.messages)
    assert changed >= 1
    with sqlite3.connect(tmp_path / "cloud.db") as database:
        assert dict(database.execute("SELECT id, name FROM tags")) == story.tags
    database.close()


def test_a_report_needs_receipts_which_the_manifest_alone_does_not_have() -> None:
    line = [sys.executable, str(SUBSCRIBER), "--cloud", "--report"]
    line += ["--catalog", "c", "--database", "d"]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "sync_log" in ended.stderr


# The view over the feed of deletions


@pytest.mark.parametrize("column_type", ["JSON", "VARCHAR"])
def test_the_view_names_what_the_feed_names_and_no_sync_sent_since(
    story: Story, column_type: str
) -> None:
    warehouse = duckdb.connect()
    warehouse.execute("CREATE SCHEMA clockify")
    warehouse.execute(
        f"CREATE TABLE clockify.messages (data {column_type}, attributes {column_type})"
    )
    text = (EXAMPLES / "bigquery" / "deleted_at_least.sql").read_text()
    for statement in sqlglot.transpile(text, read="bigquery", write="duckdb"):
        warehouse.execute(statement)
    warehouse.executemany(
        "INSERT INTO clockify.messages VALUES (?, ?)",
        [[each.data.decode(), json.dumps(each.attributes)] for each in story.messages],
    )
    before = {
        identifier_of(each)
        for each in story.syncs[0]
        if each.attributes["_stream"] == "entity_changes_deleted"
    }
    rows = warehouse.execute(
        "SELECT id, documentCode, deleted_at FROM clockify.deleted_at_least"
    ).fetchall()
    warehouse.close()
    found = {identifier for identifier, _, _ in rows}
    assert found - before == story.deleted
    assert story.restored not in found
    assert all(code and deleted_at for _, code, deleted_at in rows)


# Two connections


@pytest.fixture(scope="module")
def even() -> Iterator[Sandbox]:
    """An account with one entry every six hours, for two months."""
    with start(users=1, entries=1, projects=1, tasks=1, plan="PRO") as server:
        workspace = server.workspaces[0]["id"]
        (user, *_) = server.rows("users")
        now = datetime.now(timezone.utc)
        for number in range(4 * 60):
            began = now - timedelta(hours=1 + 6 * number)
            times = {"start": f"{began:%Y-%m-%dT%H:%M:%SZ}"}
            times["end"] = f"{began + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"
            server.create(workspace, "time-entries", {"timeInterval": times, "userId": user["id"]})
        yield server


def rows_of_a_later_sync(sandbox: Sandbox, lookback_days: int) -> int:
    state: Sequence[JSON] | None = None
    for _ in range(2):
        output = read(
            MANIFEST_ALONE,
            config_of(sandbox, lookback_days=lookback_days),
            ["time_entries"],
            sync_mode="incremental",
            state=state,
            in_process=True,
        )
        assert output.returncode == 0, output.text
        state = output.state
    return len(output.records["time_entries"])


def test_two_connections_with_two_lookbacks_send_nine_times_fewer_rows(even: Sandbox) -> None:
    short, long = (rows_of_a_later_sync(even, days) for days in (2, 30))
    assert short == pytest.approx(4 * 2, abs=2)
    assert long == pytest.approx(4 * 30, abs=2)
    one, two = 24 * long, 24 * short + long
    assert one / two == pytest.approx(9, abs=0.6)
    said = re.search(r"24 \* 30 = (\d+)`.*?24 \* 2 \+ 30 = (\d+)`", DOCUMENT)
    assert said
    assert (int(said[1]), int(said[2])) == (24 * 30, 24 * 2 + 30)
    assert int(said[1]) // int(said[2]) == 9
    assert "9 times fewer rows" in DOCUMENT
