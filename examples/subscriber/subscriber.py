"""Keeps a SQLite database true to Clockify, from a Pub/Sub subscription.

python examples/subscriber/subscriber.py --project P --subscription S \
    --catalog catalog.json --database clockify.db

It merges the messages of Airbyte's Pub/Sub destination as docs/change-tracking.md describes, into
one table, and has a view of what exists for each stream of the catalog: `SELECT * FROM projects`.
While a Refresh of a stream runs, its view shows only what has arrived of the new baseline.

python examples/subscriber/subscriber.py --catalog catalog.json --database clockify.db --report

With the stream sync_log in the catalog it says which syncs did not arrive whole, and what has to be
refreshed; nothing, and exit code 0, if all is well. The view `problems` has the same as columns.
What was lost of a killed sync is said once the next sync has come. Connections that share the topic
have different prefixes, and each its own sync_log: one without it is not reported on, unless
another has no prefix.

python examples/subscriber/subscriber.py --cloud --project P --subscription S \
    --catalog catalog.json --database clockify.db

With --cloud it takes the messages of the manifest alone, which have no columns of change tracking
and come again in every sync. It keeps the newest record of each key and drops equal ones by a hash.
The database holds the hashes, so memory does not grow with the topic. The views also have
`_changed_at`, when the content was first sent, and `_sent_at`, when it was last sent (milliseconds
since 1970). Deletions are not in them.

It needs google-cloud-pubsub 2.x, Python 3.10 with SQLite 3.24, and the role Pub/Sub Subscriber.
integration_tests/test_examples.py runs it against a Pub/Sub server on the same machine; it was not
run against Google Cloud.
"""

import argparse
import hashlib
import json
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from google.api_core.exceptions import DeadlineExceeded, GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.pubsub_v1 import SubscriberClient
from google.cloud.pubsub_v1.types import PubsubMessage

BATCH = 1000  # the most that one pull can bring
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)

RECEIPTS = "sync_log"

# The newest baseline is kept for ever: what is older stays void even when nothing of it is left.
# `arrivals` has the keys that came of each sync, until the stream is settled: up to there all came.
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
CREATE TABLE IF NOT EXISTS arrivals (
    namespace TEXT, stream TEXT, updated_at TEXT, key TEXT,
    PRIMARY KEY (namespace, stream, updated_at, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settled (
    namespace TEXT, stream TEXT, until TEXT,
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
ARRIVAL = "INSERT OR IGNORE INTO arrivals VALUES (:namespace, :stream, :updated_at, :key)"
# The table of --cloud. Moments are milliseconds since 1970.
CLOUD_TABLE = """
CREATE TABLE IF NOT EXISTS latest (
    namespace TEXT, stream TEXT, key TEXT, hash BLOB, changed_at INTEGER, sent_at INTEGER,
    record TEXT,
    PRIMARY KEY (namespace, stream, key)
)
"""
LATEST = "SELECT hash, sent_at FROM latest WHERE namespace = ? AND stream = ? AND key = ?"
SENT_AGAIN = """
UPDATE latest SET sent_at = :sent_at
WHERE namespace = :namespace AND stream = :stream AND key = :key
"""
NEWEST_CONTENT = """
INSERT OR REPLACE INTO latest
VALUES (:namespace, :stream, :key, :hash, :sent_at, :sent_at, :record)
"""
CLOUD_VIEW = """
CREATE VIEW {name} AS
SELECT namespace AS _namespace, changed_at AS _changed_at, sent_at AS _sent_at, {columns}
FROM latest
WHERE stream = {stream}
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
FORGET_ARRIVALS = """
DELETE FROM arrivals
WHERE updated_at <= (
    SELECT until FROM settled
    WHERE settled.namespace = arrivals.namespace AND settled.stream = arrivals.stream
)
"""
FORGET_RECEIPTS = """
DELETE FROM versions
WHERE published_at < ? AND substr(stream, -8) = 'sync_log' AND EXISTS (
    SELECT * FROM receipts JOIN baselines USING (namespace, stream)
        LEFT JOIN settled USING (namespace, stream)
    WHERE receipts.key = versions.key AND receipts.namespace = versions.namespace
        AND (receipts.baseline_at < newest OR receipts.updated_at < until)
)
"""
SETTLE = """
INSERT INTO settled
SELECT namespace, stream, max(updated_at) FROM current_receipts AS receipt
WHERE NOT EXISTS (
    SELECT * FROM losses
    WHERE losses.namespace = receipt.namespace AND losses.stream = receipt.stream
        AND losses.told_by <= receipt.updated_at
)
GROUP BY namespace, stream
ON CONFLICT (namespace, stream) DO UPDATE SET until = max(until, excluded.until)
"""

# Receipts, and what they tell of the rest. `prefix` is what a connection puts before the names of
# its streams, {prefixes} that of each stream as JSON. {receipts} are the streams of receipts.
RECEIPT_VIEWS = """
BEGIN IMMEDIATE;
DROP VIEW IF EXISTS receipts;
CREATE VIEW receipts AS
SELECT
    namespace,
    substr(stream, 1, length(stream) - 8) AS prefix,
    substr(stream, 1, length(stream) - 8) || json_extract(record, '$.stream') AS stream,
    key,
    updated_at,
    json_extract(record, '$._ab_cdc_baseline_at') AS baseline_at,
    json_extract(record, '$.previous_updated_at') AS previous_updated_at,
    json_extract(record, '$.status') AS status,
    json_extract(record, '$.sent') + json_extract(record, '$.deleted') AS expected,
    json_extract(record, '$.live') AS live,
    json_extract(record, '$.window_start') AS window_start
FROM versions
WHERE stream IN ({receipts});

DROP VIEW IF EXISTS current_receipts;
CREATE VIEW current_receipts AS
SELECT receipts.*, coalesce(until, '') AS until
FROM receipts
    JOIN baselines USING (namespace, stream)
    LEFT JOIN settled USING (namespace, stream)
WHERE baseline_at = newest;

-- Syncs of which records, or even the receipt, did not come. What a complete sync an hour later did
-- not bring, or never will be sent again, has to be refreshed.
DROP VIEW IF EXISTS losses;
CREATE VIEW losses AS
WITH counted AS (
    SELECT
        receipt.*,
        expected - (
            SELECT count(*) FROM arrivals
            WHERE arrivals.namespace = receipt.namespace AND arrivals.stream = receipt.stream
                AND arrivals.updated_at = receipt.updated_at
        ) AS lost,
        (
            -- A sync in which the stream failed may not have sent it again.
            SELECT max(later.updated_at) FROM receipts AS later
            WHERE later.namespace = receipt.namespace AND later.stream = receipt.stream
                AND later.status = 'complete'
        ) AS newest_at
    FROM current_receipts AS receipt
    WHERE updated_at > until
)
SELECT
    'lost' AS kind, namespace, stream, updated_at AS sync_at, updated_at AS told_by, lost, expected,
    updated_at = baseline_at
        OR coalesce(julianday(newest_at) - julianday(updated_at) >= 1 / 24.0, 0) AS refresh
FROM counted
WHERE lost > 0
UNION ALL
SELECT
    'missing', namespace, stream, previous_updated_at, updated_at, NULL, NULL,
    previous_updated_at = baseline_at
        OR coalesce(julianday(newest_at) - julianday(previous_updated_at) >= 1 / 24.0, 0)
FROM counted
WHERE previous_updated_at > until AND NOT EXISTS (
    SELECT * FROM receipts
    WHERE receipts.namespace = counted.namespace AND receipts.stream = counted.stream
        AND receipts.updated_at = counted.previous_updated_at
);

DROP VIEW IF EXISTS problems;
CREATE VIEW problems AS
WITH windows (stream, start) AS (
    VALUES
    ('time_entries', '$.start'),
    ('detailed_report', '$.start'),
    ('scheduling_assignments', '$.periodStart'),
    ('summary_report', '$.date'),
    ('attendance_report', '$.date'),
    ('expense_report', '$.date'),
    ('weekly_report', '$.weekStart')
),
prefixes AS (
    SELECT key AS stream, value AS prefix FROM json_each({prefixes})
    WHERE substr(key, -8) <> 'sync_log'
),
known AS (
    SELECT namespace, stream, max(baseline_at) AS baseline_at
    FROM (
        -- Of streams that should have receipts: not those of a connection without sync_log, or of
        -- the time before it was selected.
        SELECT namespace, stream, newest AS baseline_at
        FROM baselines JOIN prefixes USING (stream)
        WHERE newest >= (
            SELECT min(updated_at) FROM receipts
            WHERE receipts.namespace = baselines.namespace AND receipts.prefix = prefixes.prefix
                AND receipts.status = 'complete'
        )
        UNION ALL
        SELECT namespace, stream, newest
        FROM receipts JOIN baselines USING (namespace, stream)
        UNION ALL
        SELECT namespace, stream, baseline_at FROM receipts
    )
    GROUP BY namespace, stream
),
newest AS (
    SELECT namespace, stream, max(updated_at) AS updated_at, status
    FROM current_receipts
    GROUP BY namespace, stream
),
complete AS (
    SELECT
        namespace, prefix, stream, max(updated_at) AS updated_at, baseline_at, live, window_start
    FROM current_receipts
    WHERE status = 'complete'
    GROUP BY namespace, stream
),
counted AS (
    SELECT complete.*, (
        SELECT count(*) FROM versions
        WHERE versions.namespace = complete.namespace AND versions.stream = complete.stream
            AND versions.baseline_at = complete.baseline_at AND deleted_at IS NULL
            -- What is no date of the years 0 to 9999 begins later than any window.
            AND (window_start IS NULL OR coalesce(julianday(json_extract(record, start)), 1e9)
                >= julianday(window_start))
    ) AS here
    FROM complete LEFT JOIN windows ON complete.stream = prefix || windows.stream
    WHERE live IS NOT NULL AND NOT EXISTS (
        -- Records of a sync that has not ended yet.
        SELECT * FROM versions
        WHERE versions.namespace = complete.namespace AND versions.stream = complete.stream
            AND versions.updated_at > complete.updated_at
    )
)
SELECT kind, namespace, stream, sync_at, lost, expected, refresh FROM losses
UNION ALL
SELECT 'snapshot', namespace, stream, baseline_at, NULL, NULL, 0
FROM known
WHERE NOT EXISTS (
    SELECT * FROM complete
    WHERE complete.namespace = known.namespace AND complete.stream = known.stream
        AND complete.baseline_at = known.baseline_at
)
UNION ALL
SELECT 'incomplete', namespace, stream, newest.updated_at, NULL, NULL, 0
FROM newest JOIN complete USING (namespace, stream)
WHERE newest.status <> 'complete'
UNION ALL
SELECT 'live', namespace, stream, updated_at, live - here, live, 1
FROM counted
WHERE here <> live AND NOT EXISTS (
    SELECT * FROM losses
    WHERE losses.namespace = counted.namespace AND losses.stream = counted.stream
);
COMMIT;
"""
REFRESH = "Refresh the stream."
WAIT = (
    "With resend_changes above 0, the next sync that begins an hour later, and in which the stream "
    "does not fail, sends it again. If this is said then, or with 0, refresh."
)
SENTENCES = {
    "lost": "{lost} of {expected} records of the sync of {sync_at} did not arrive. {remedy}",
    "missing": "nothing arrived of the sync of {sync_at}, not even its receipt. {remedy}",
    "snapshot": "the snapshot of {sync_at} is not complete yet. Wait for a sync that completes it.",
    "incomplete": "the last sync, of {sync_at}, failed half-way. The next one reads the rest.",
    "live": "{expected} records exist, but {here} are here, as of the sync of {sync_at}. {remedy}",
    "empty": "the stream is empty now, but {here} records are here. {remedy}",
}


@dataclass(frozen=True)
class Stream:
    """A stream of the catalog: the columns of its primary key, and all its columns."""

    key: Sequence[str]
    columns: Sequence[str]


class Row(NamedTuple):
    """What a message says of a record, as the table `versions` has it.

    A receipt also names the stream that it is for, and the baseline that is complete with it. It
    has none of its own: those of one stream say nothing about those of another.
    """

    namespace: str
    stream: str
    key: str
    baseline_at: str
    updated_at: str
    deleted_at: str | None
    published_at: str
    record: str
    receipt_for: str | None = None
    completes: str | None = None


class CloudRow(NamedTuple):
    """What a message of the manifest alone says of a record, as the table `latest` has it."""

    namespace: str
    stream: str
    key: str
    hash: bytes
    sent_at: int
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
    make_views(database, VIEW, streams)
    receipts = ", ".join(quoted(name) for name in streams if name.endswith(RECEIPTS))
    prefixes = quoted(json.dumps(prefixes_of(streams)))
    database.executescript(RECEIPT_VIEWS.format(receipts=receipts, prefixes=prefixes))
    return database


def open_cloud_database(path: Path | str, streams: Mapping[str, Stream]) -> sqlite3.Connection:
    """The database of --cloud with its table, and with the views of these streams."""
    database = sqlite3.connect(path, timeout=60)
    database.execute(CLOUD_TABLE)
    make_views(database, CLOUD_VIEW, streams)
    return database


def make_views(database: sqlite3.Connection, view: str, streams: Mapping[str, Stream]) -> None:
    with database:
        database.execute("BEGIN IMMEDIATE")
        for name, stream in streams.items():
            columns = ", ".join(
                f'json_extract(record, \'$."{each}"\') AS "{each}"' for each in stream.columns
            )
            database.execute(f'DROP VIEW IF EXISTS "{name}"')
            database.execute(view.format(name=f'"{name}"', columns=columns, stream=f"'{name}'"))


def quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def prefixes_of(streams: Iterable[str]) -> dict[str, str]:
    """The prefix of each stream that has receipts: the longest one that fits."""
    names = [*streams]
    prefixes = [name.removesuffix(RECEIPTS) for name in names if name.endswith(RECEIPTS)]
    found = {name: [each for each in prefixes if name.startswith(each)] for name in names}
    return {name: max(fitting, key=len) for name, fitting in found.items() if fitting}


def record_of(
    data: bytes, attributes: Mapping[str, str], streams: Mapping[str, Stream]
) -> tuple[dict[str, Any], str, str, Any]:
    """A record, its key, its text, and when the source sent it; ValueError if it is none."""
    name = attributes.get("_stream", "")
    if name not in streams:
        raise ValueError(f"the catalog has no stream {name!r}")
    try:
        envelope = json.loads(data)
        held = envelope if isinstance(envelope, dict) else {}
        record = held.get("_airbyte_data")
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
    return record, json.dumps(key), text, held.get("_airbyte_emitted_at")


def row_of(
    data: bytes, attributes: Mapping[str, str], published: datetime, streams: Mapping[str, Stream]
) -> Row:
    """What a message says; ValueError if it is no record of the streams."""
    record, key, text, _ = record_of(data, attributes, streams)
    name = attributes["_stream"]
    baseline_at, updated_at, deleted_at = (
        record.get(f"_ab_cdc_{event}_at") for event in ("baseline", "updated", "deleted")
    )
    for moment in (baseline_at, updated_at, deleted_at or updated_at):
        # What is no moment could stay the newest for ever.
        if not (isinstance(moment, str) and INSTANT.fullmatch(moment)):
            raise ValueError("its record lacks the columns of change tracking")
        datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ")
    row = Row(
        attributes.get("_namespace", ""),
        name,
        key,
        str(baseline_at),
        str(updated_at),
        deleted_at,
        instant(published),
        text,
    )
    return receipt(row, record) if name.endswith(RECEIPTS) else row


def cloud_row_of(
    data: bytes, attributes: Mapping[str, str], streams: Mapping[str, Stream]
) -> CloudRow:
    """What a message of the manifest alone says; ValueError if it is no record of the streams."""
    record, key, text, sent_at = record_of(data, attributes, streams)
    if "_ab_cdc_updated_at" in record:
        raise ValueError("its record has the columns of change tracking; leave --cloud out")
    if not isinstance(sent_at, int):
        raise ValueError("it lacks the moment at which it was sent")
    # Absent and null mean the same, and the order of the columns means nothing.
    content = {column: value for column, value in record.items() if value is not None}
    canonical = json.dumps(content, sort_keys=True).encode()
    digest = hashlib.blake2b(canonical, digest_size=16).digest()
    namespace = attributes.get("_namespace", "")
    return CloudRow(namespace, attributes["_stream"], key, digest, sent_at, text)


def receipt(row: Row, record: Mapping[str, Any]) -> Row:
    """The row of a receipt, also for a stream that is no longer read; ValueError if it is none."""
    name = f"{row.stream.removesuffix(RECEIPTS)}{record['stream']}"
    if not all(isinstance(record.get(number), int) for number in ("sent", "deleted")):
        raise ValueError("its receipt lacks the numbers of records")
    completes = row.baseline_at if record.get("status") == "complete" else None
    return row._replace(baseline_at="", receipt_for=name, completes=completes)


def instant(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def merge(database: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Merge rows into the database in one transaction. Their order does not matter."""
    with database:
        for row in rows:
            database.execute(NEWEST_BASELINE, row._asdict())
            database.execute(NEWEST_VERSION, row._asdict())
            if row.receipt_for is None:
                database.execute(ARRIVAL, row._asdict())
            elif row.completes is not None:
                # Also of a stream that is empty, so that no record tells.
                told = {"stream": row.receipt_for, "baseline_at": row.completes}
                database.execute(NEWEST_BASELINE, {**row._asdict(), **told})


def merge_cloud(database: sqlite3.Connection, rows: Iterable[CloudRow]) -> Counter[str]:
    """Merge rows of --cloud in one transaction, and count what they are.

    `new` and `changed` are what a reader has to look at; `repeated` and `older` are dropped.
    """
    found: Counter[str] = Counter()
    with database:
        for row in rows:
            held = database.execute(LATEST, row[:3]).fetchone()
            if held is None:
                kind = "new"
            elif held[0] == row.hash:
                kind = "repeated"
            else:
                kind = "changed" if row.sent_at >= held[1] else "older"
            if kind in ("new", "changed"):
                database.execute(NEWEST_CONTENT, row._asdict())
            elif kind == "repeated" and row.sent_at > held[1]:
                database.execute(SENT_AGAIN, row._asdict())
            found[kind] += 1
    return found


def forget(database: sqlite3.Connection, published_before: datetime) -> None:
    """Delete what is needed no more.

    These are the tombstones and void rows whose topic no longer holds anything older, and the keys
    of syncs that came whole.
    """
    moment = instant(published_before)
    with database:
        database.execute(FORGET, [moment])
        database.execute(SETTLE)
        database.execute(FORGET_ARRIVALS)
        database.execute(FORGET_RECEIPTS, [moment])


def problems(database: sqlite3.Connection) -> list[str]:
    """What did not arrive and what to do about it, in sentences; nothing if all is well."""
    if not database.execute("SELECT EXISTS (SELECT * FROM receipts)").fetchone()[0]:
        return ["There are no receipts yet: select the stream sync_log, and sync."]
    found = database.execute("SELECT * FROM problems ORDER BY namespace, stream, sync_at, kind")
    return [sentence(*row) for row in found]


def sentence(
    kind: str,
    namespace: str,
    stream: str,
    sync_at: str,
    lost: int | None,
    expected: int | None,
    refresh: int,
) -> str:
    """A row of the view `problems` in words."""
    told = {"lost": lost, "expected": expected, "here": (expected or 0) - (lost or 0)}
    text = SENTENCES["empty" if kind == "live" and not expected else kind]
    name = f"{namespace}.{stream}" if namespace else stream
    remedy = REFRESH if refresh else WAIT
    return f"{name}: {text.format(sync_at=sync_at, remedy=remedy, **told)}"


def take(
    client: SubscriberClient,
    subscription: str,
    database: sqlite3.Connection,
    streams: Mapping[str, Stream],
    refused: set[str],
    wait: float,
) -> bool:
    """Pull once from a topic of the full connector, and merge."""

    def parse(message: PubsubMessage) -> Row:
        return row_of(message.data, message.attributes, message.publish_time, streams)

    def keep(rows: Sequence[Row]) -> None:
        merge(database, rows)

    return pull(client, subscription, parse, keep, refused, wait)


def pull(
    client: SubscriberClient,
    subscription: str,
    parse: Callable[[PubsubMessage], Any],
    keep: Callable[[Sequence[Any]], Any],
    refused: set[str],
    wait: float,
) -> bool:
    """Pull once, keep what came, and only then acknowledge; answers whether anything new came.

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
            rows.append(parse(message))
            accepted.append(received.ack_id)
        except ValueError as error:
            if message.message_id not in refused:
                print(f"Message {message.message_id} is left: {error}", file=sys.stderr)
            refused.add(message.message_id)
    keep(rows)
    if accepted:
        client.acknowledge(subscription=subscription, ack_ids=accepted)
    return bool(accepted) or len(refused) > known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--project")
    add("--subscription")
    add("--catalog", type=Path, required=True, help="the one that the source was run with")
    add("--database", type=Path, required=True, help="made if it is missing")
    add("--retention-days", type=float, default=31, help="how long messages are kept (31)")
    add("--once", action="store_true", help="end when no message is left")
    add("--wait", type=float, default=10, help="seconds to wait for a message (10)")
    add("--report", action="store_true", help="say what did not arrive, and end")
    add("--cloud", action="store_true", help="the topic of the manifest alone, in Airbyte Cloud")
    arguments = parser.parse_args()
    if arguments.report and arguments.cloud:
        parser.error("--report needs the stream sync_log, which the manifest alone does not have")
    if arguments.report:
        sys.exit(report(arguments))
    if not (arguments.project and arguments.subscription):
        parser.error("--project and --subscription are required")
    subscription = SubscriberClient.subscription_path(arguments.project, arguments.subscription)
    follow = follow_cloud if arguments.cloud else follow_tracked
    try:
        refused = follow(arguments, subscription)
        if refused:
            sys.exit(f"subscriber.py: {len(refused)} messages were left")
    except (OSError, ValueError, sqlite3.Error, GoogleAPIError, GoogleAuthError) as error:
        sys.exit(f"subscriber.py: {error}")
    except KeyboardInterrupt:
        pass


def follow_tracked(arguments: argparse.Namespace, subscription: str) -> set[str]:
    """Merge what comes of the full connector; answers the ids of the messages that are left."""
    refused: set[str] = set()
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
    return refused


def follow_cloud(arguments: argparse.Namespace, subscription: str) -> set[str]:
    """Merge what comes of the manifest alone; answers the ids of the messages that are left."""
    refused: set[str] = set()
    total: Counter[str] = Counter()
    streams = streams_of(json.loads(arguments.catalog.read_text()))
    database = open_cloud_database(arguments.database, streams)

    def parse(message: PubsubMessage) -> CloudRow:
        return cloud_row_of(message.data, message.attributes, streams)

    def keep(rows: Sequence[CloudRow]) -> None:
        total.update(merge_cloud(database, rows))

    with closing(database), SubscriberClient() as client:
        more = True
        while more or not arguments.once:
            more = pull(client, subscription, parse, keep, refused, arguments.wait)
    dropped = total["repeated"] + total["older"]
    print(f"{total['new']} new, {total['changed']} changed, {dropped} dropped.")
    return refused


def report(arguments: argparse.Namespace) -> int | str:
    """Print what did not arrive; answers the exit code, or what went wrong."""
    try:
        streams = streams_of(json.loads(arguments.catalog.read_text()))
        with closing(open_database(arguments.database, streams)) as database:
            found = problems(database)
    except (OSError, ValueError, sqlite3.Error) as error:
        return f"subscriber.py: {error}"
    print("".join(f"{each}\n" for each in found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    main()
