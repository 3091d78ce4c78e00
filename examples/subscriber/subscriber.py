"""Keeps a SQLite database true to Clockify, from a Pub/Sub subscription.

python examples/subscriber/subscriber.py --project P --subscription S \
    --catalog catalog.json --database clockify.db

It merges the messages of Airbyte's Pub/Sub destination as docs/change-tracking.md describes, into
one table, and has a view of what exists for each stream of the catalog: `SELECT * FROM projects`.
While a Refresh of a stream runs, its view shows only what has arrived of the new baseline.

It needs google-cloud-pubsub 2.x, Python 3.10 with SQLite 3.24, and the role Pub/Sub Subscriber.
integration_tests/test_examples.py runs it against a Pub/Sub server on the same machine; it was not
run against Google Cloud.
"""

import argparse
import json
import re
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from google.api_core.exceptions import DeadlineExceeded, GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.pubsub_v1 import SubscriberClient

BATCH = 1000  # the most that one pull can bring
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)

# The newest baseline is kept for ever: what is older stays void even when nothing of it is left.
TABLES = """
CREATE TABLE IF NOT EXISTS versions (
    namespace TEXT, stream TEXT, key TEXT, baseline_at TEXT, updated_at TEXT, deleted_at TEXT,
    published_at TEXT, record TEXT,
    PRIMARY KEY (namespace, stream, key)
);
CREATE TABLE IF NOT EXISTS baselines (
    namespace TEXT, stream TEXT, newest TEXT,
    PRIMARY KEY (namespace, stream)
);
"""
NEWEST_BASELINE = """
INSERT INTO baselines VALUES (:namespace, :stream, :baseline_at)
ON CONFLICT (namespace, stream) DO UPDATE SET newest = max(newest, excluded.newest)
"""
NEWEST_VERSION = """
INSERT INTO versions VALUES (
    :namespace, :stream, :key, :baseline_at, :updated_at, :deleted_at, :published_at, :record
)
ON CONFLICT (namespace, stream, key) DO UPDATE SET
    baseline_at = excluded.baseline_at, updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at, published_at = excluded.published_at,
    record = excluded.record
WHERE (excluded.baseline_at, excluded.updated_at) > (baseline_at, updated_at)
"""
VIEW = """
CREATE VIEW {name} AS
SELECT namespace AS _namespace, {columns}
FROM versions JOIN baselines USING (namespace, stream)
WHERE stream = {stream} AND baseline_at = newest AND deleted_at IS NULL
"""
FORGET = """
DELETE FROM versions
WHERE published_at < ? AND (
    deleted_at IS NOT NULL
    OR EXISTS (
        SELECT * FROM baselines
        WHERE baselines.namespace = versions.namespace
            AND baselines.stream = versions.stream
            AND baseline_at < newest
    )
)
"""


@dataclass(frozen=True)
class Stream:
    """A stream of the catalog: the columns of its primary key, and all its columns."""

    key: Sequence[str]
    columns: Sequence[str]


class Row(NamedTuple):
    """What a message says of a record, as the table `versions` has it."""

    namespace: str
    stream: str
    key: str
    baseline_at: str
    updated_at: str
    deleted_at: str | None
    published_at: str
    record: str


def streams_of(catalog: Mapping[str, Any]) -> dict[str, Stream]:
    """The streams of a configured catalog by name; ValueError if one has no primary key."""
    streams = {}
    if not isinstance(catalog, dict) or "streams" not in catalog:
        raise ValueError("the catalog has no streams; is it the one that the source was run with?")
    for configured in catalog["streams"]:
        stream = configured["stream"]
        key = configured.get("primary_key") or stream.get("source_defined_primary_key")
        if not key:
            raise ValueError(f"the stream {stream['name']} of the catalog has no primary key")
        columns = [*stream["json_schema"]["properties"]]
        streams[stream["name"]] = Stream([column for (column,) in key], columns)
    return streams


def open_database(path: Path | str, streams: Mapping[str, Stream]) -> sqlite3.Connection:
    """The database with its tables, and with the views of these streams."""
    database = sqlite3.connect(path, timeout=60)
    database.executescript(TABLES)
    with database:
        database.execute("BEGIN IMMEDIATE")
        for name, stream in streams.items():
            columns = ", ".join(
                f'json_extract(record, \'$."{each}"\') AS "{each}"' for each in stream.columns
            )
            database.execute(f'DROP VIEW IF EXISTS "{name}"')
            database.execute(VIEW.format(name=f'"{name}"', columns=columns, stream=f"'{name}'"))
    return database


def row_of(
    data: bytes, attributes: Mapping[str, str], published: datetime, streams: Mapping[str, Stream]
) -> Row:
    """What a message says; ValueError if it is no record of the streams."""
    name = attributes.get("_stream", "")
    if name not in streams:
        raise ValueError(f"the catalog has no stream {name!r}")
    try:
        envelope = json.loads(data)
        record = envelope.get("_airbyte_data") if isinstance(envelope, dict) else None
        # NaN and half a surrogate are nothing for SQLite; one of them would break the whole view.
        text = json.dumps(record, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(record, dict):
        raise ValueError("it holds no record")
    key = [record.get(column) for column in streams[name].key]
    if None in key:
        raise ValueError(f"its record lacks a part of the key {', '.join(streams[name].key)}")
    baseline_at, updated_at, deleted_at = (
        record.get(f"_ab_cdc_{event}_at") for event in ("baseline", "updated", "deleted")
    )
    for moment in (baseline_at, updated_at, deleted_at or updated_at):
        # What is no moment could stay the newest for ever.
        if not (isinstance(moment, str) and INSTANT.fullmatch(moment)):
            raise ValueError("its record lacks the columns of change tracking")
        datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ")
    return Row(
        attributes.get("_namespace", ""),
        name,
        json.dumps(key),
        str(baseline_at),
        str(updated_at),
        deleted_at,
        instant(published),
        text,
    )


def instant(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def merge(database: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Merge rows into the database in one transaction. Their order does not matter."""
    with database:
        for row in rows:
            database.execute(NEWEST_BASELINE, row._asdict())
            database.execute(NEWEST_VERSION, row._asdict())


def forget(database: sqlite3.Connection, published_before: datetime) -> None:
    """Delete the tombstones and void rows whose topic no longer holds anything older."""
    with database:
        database.execute(FORGET, [instant(published_before)])


def take(
    client: SubscriberClient,
    subscription: str,
    database: sqlite3.Connection,
    streams: Mapping[str, Stream],
    refused: set[str],
    wait: float,
) -> bool:
    """Pull once, merge, and only then acknowledge; answers whether anything new came.

    What is no record of the streams is reported once and not acknowledged; its message id joins
    `refused`. `wait` is how many seconds to wait for a message.
    """
    try:
        pulled = client.pull(subscription=subscription, max_messages=BATCH, timeout=wait)
    except DeadlineExceeded:
        return False
    rows, accepted, known = [], [], len(refused)
    for received in pulled.received_messages:
        message = received.message
        try:
            rows.append(row_of(message.data, message.attributes, message.publish_time, streams))
            accepted.append(received.ack_id)
        except ValueError as error:
            if message.message_id not in refused:
                print(f"Message {message.message_id} is left: {error}", file=sys.stderr)
            refused.add(message.message_id)
    merge(database, rows)
    if accepted:
        client.acknowledge(subscription=subscription, ack_ids=accepted)
    return bool(accepted) or len(refused) > known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--project", required=True)
    add("--subscription", required=True)
    add("--catalog", type=Path, required=True, help="the one that the source was run with")
    add("--database", type=Path, required=True, help="made if it is missing")
    add("--retention-days", type=float, default=31, help="how long messages are kept (31)")
    add("--once", action="store_true", help="end when no message is left")
    add("--wait", type=float, default=10, help="seconds to wait for a message (10)")
    arguments = parser.parse_args()
    subscription = SubscriberClient.subscription_path(arguments.project, arguments.subscription)
    refused: set[str] = set()
    try:
        streams = streams_of(json.loads(arguments.catalog.read_text()))
        database = open_database(arguments.database, streams)
        with closing(database), SubscriberClient() as client:
            more, next_time = True, datetime.now(timezone.utc)
            while more or not arguments.once:
                more = take(client, subscription, database, streams, refused, arguments.wait)
                now = datetime.now(timezone.utc)
                if not more or now >= next_time:
                    forget(database, now - timedelta(days=arguments.retention_days))
                    next_time = now + timedelta(hours=1)
            if refused:
                sys.exit(f"subscriber.py: {len(refused)} messages were left")
    except (OSError, ValueError, sqlite3.Error, GoogleAPIError, GoogleAuthError) as error:
        sys.exit(f"subscriber.py: {error}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
