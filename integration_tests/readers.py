"""The readers of a topic in `examples/`, run for real: the subscriber, and the views of BigQuery.

BigQuery's SQL is translated for DuckDB.
"""

import importlib.util
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import duckdb
import sqlglot

from clockify_sandbox.client import JSON
from integration_tests.airbyte import ROOT, catalog
from integration_tests.pubsub.message import Message, message_of, parse

EXAMPLES = ROOT / "examples"
PUBLISHED = datetime.now(timezone.utc).replace(second=0, microsecond=0)
# In the order in which they need each other.
VIEWS = ("records.sql", "time_entries.sql", "sync_log.sql")


@cache
def load_subscriber() -> ModuleType:
    path = EXAMPLES / "subscriber" / "subscriber.py"
    specification = importlib.util.spec_from_file_location("subscriber", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def messages_of(printed: Iterable[JSON]) -> Iterator[Message]:
    """The messages that Airbyte's destination makes of a sync."""
    for each in printed:
        if each["type"] == "RECORD":
            yield message_of(parse(json.dumps(each))["record"], False, "an-id")


class Problem(NamedTuple):
    """What a reader says of a stream that did not arrive whole."""

    kind: str
    stream: str
    sync_at: str
    lost: int | None
    refresh: bool


PROBLEMS = "SELECT kind, stream, sync_at, lost, refresh FROM {} ORDER BY stream, sync_at, kind"


@dataclass(frozen=True)
class Subscriber:
    """The subscriber's functions over a database in memory."""

    database: sqlite3.Connection
    streams: Mapping[str, Any]

    def merge(self, messages: Iterable[Message], published: datetime = PUBLISHED) -> None:
        subscriber = load_subscriber()
        subscriber.merge(
            self.database,
            [
                subscriber.row_of(each.data, each.attributes, published, self.streams)
                for each in messages
            ],
        )

    def forget(self, published_before: datetime) -> None:
        load_subscriber().forget(self.database, published_before)

    def ids(self, stream: str = "projects", namespace: str = "") -> set[str]:
        line = f"SELECT id FROM {stream} WHERE _namespace = ?"
        return {row[0] for row in self.database.execute(line, [namespace])}

    def problems(self) -> list[Problem]:
        return [Problem(*row) for row in self.database.execute(PROBLEMS.format("problems"))]

    def sentences(self) -> list[str]:
        found: list[str] = load_subscriber().problems(self.database)
        return found

    def kept(self) -> int:
        count: int = self.database.execute("SELECT count(*) FROM versions").fetchone()[0]
        return count


def subscriber_of(streams: Collection[str]) -> Subscriber:
    """A subscriber to a topic with these streams, without a message."""
    module = load_subscriber()
    listed = module.streams_of(catalog(streams, "incremental"))
    return Subscriber(module.open_database(":memory:", listed), listed)


class Warehouse:
    """DuckDB in place of BigQuery, with the table that a BigQuery subscription fills."""

    def __init__(self, column_type: str = "JSON") -> None:
        self._database = duckdb.connect()
        self._database.execute("CREATE SCHEMA clockify")
        self._database.execute(
            f"CREATE TABLE clockify.messages (data {column_type}, attributes {column_type})"
        )
        for file in VIEWS:
            text = (EXAMPLES / "bigquery" / file).read_text()
            for statement in sqlglot.transpile(text, read="bigquery", write="duckdb"):
                self._database.execute(statement)

    def add(self, messages: Iterable[Message]) -> None:
        rows = [[each.data.decode(), json.dumps(each.attributes)] for each in messages]
        self._database.executemany("INSERT INTO clockify.messages VALUES (?, ?)", rows)

    def query(self, line: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(line, values).fetchall()

    def problems(self) -> list[Problem]:
        return [Problem(*row) for row in self.query(PROBLEMS.format("clockify.sync_problems"))]

    def close(self) -> None:
        self._database.close()
