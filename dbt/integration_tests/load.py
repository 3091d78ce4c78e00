"""Writes records into a warehouse as Airbyte's destinations do, for the tests of the dbt package.

    python load.py records.json LAYOUT duckdb:FILE | postgres:DSN

`records.json` holds the streams (name, primary key, properties of the schema) and the records of
all syncs in their order. The layouts:

- messages: one table `messages` with `data` and `attributes`, as a Pub/Sub subscription fills it;
- appended: a table for each stream with a row for each record (PostgreSQL: Clockify's names);
- merged: the same with the newest row of each key only, a tombstone among them.

It runs in the environment of dbt, which has the drivers of both warehouses.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

JSON = dict[str, Any]
SCHEMA = "raw"
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9:]+))?$")
TYPES = {"boolean": "boolean", "integer": "bigint", "number": "numeric(38, 9)"}


class DuckDB:
    """A DuckDB file, as PyAirbyte writes it: names in lower case, moments without time zone."""

    json_type, moment_type = "json", "timestamp"

    def __init__(self, path: str) -> None:
        import duckdb

        self.connection = duckdb.connect(path)
        self.connection.execute(f"create schema if not exists {SCHEMA}")

    def name(self, column: str) -> str:
        return column.lower()

    def write(self, table: str, columns: dict[str, str], rows: Iterable[JSON]) -> None:
        typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            for row in rows:
                file.write(json.dumps(row) + "\n")
            file.flush()
            self.connection.execute(
                f"create table {SCHEMA}.{table} as select * from read_json("
                f"'{file.name}', columns = {{{typed}}}, format = 'newline_delimited')"
            )

    def close(self) -> None:
        self.connection.close()


class Postgres:
    """A PostgreSQL database; names are Clockify's."""

    json_type, moment_type = "jsonb", "timestamp with time zone"

    def __init__(self, dsn: str) -> None:
        import psycopg2

        self.connection = psycopg2.connect(dsn)
        self.cursor = self.connection.cursor()
        self.cursor.execute(f"create schema if not exists {SCHEMA}")

    def name(self, column: str) -> str:
        return column

    def write(self, table: str, columns: dict[str, str], rows: Iterable[JSON]) -> None:
        from psycopg2.extras import execute_values

        typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        self.cursor.execute(f'create table {SCHEMA}."{table}" ({typed})')
        values = [
            [
                json.dumps(row.get(name))
                if kind == self.json_type and name in row
                else row.get(name)
                for name, kind in columns.items()
            ]
            for row in rows
        ]
        names = ", ".join(f'"{name}"' for name in columns)
        execute_values(self.cursor, f'insert into {SCHEMA}."{table}" ({names}) values %s', values)

    def close(self) -> None:
        self.connection.commit()
        self.connection.close()


Warehouse = DuckDB | Postgres


def main() -> None:
    file, layout, where = sys.argv[1:]
    kind, _, place = where.partition(":")
    warehouse: Warehouse = DuckDB(place) if kind == "duckdb" else Postgres(place)
    content = json.loads(Path(file).read_text())
    if layout == "messages":
        write_messages(warehouse, content["records"])
    else:
        for stream in content["streams"]:
            records = [each for each in content["records"] if each["stream"] == stream["name"]]
            if records:
                write_table(warehouse, stream, records, merged=layout == "merged")
    warehouse.close()


def write_messages(warehouse: Warehouse, records: list[JSON]) -> None:
    rows = [
        {
            "data": {
                "_airbyte_ab_id": str(uuid5(NAMESPACE_URL, str(number))),
                "_airbyte_data": record["data"],
                "_airbyte_emitted_at": record["emitted_at"],
            },
            "attributes": {"_stream": record["stream"]}
            | ({"_namespace": record["namespace"]} if "namespace" in record else {}),
        }
        for number, record in enumerate(records)
    ]
    columns = {"data": warehouse.json_type, "attributes": warehouse.json_type}
    warehouse.write("messages", columns, rows)


def write_table(warehouse: Warehouse, stream: JSON, records: list[JSON], *, merged: bool) -> None:
    kinds = {name: kind_of(warehouse, schema) for name, schema in stream["properties"].items()}
    if merged:
        newest = {tuple(each["data"].get(name) for name in stream["key"]): each for each in records}
        records = list(newest.values())
    columns = {warehouse.name(name): kind for name, kind in kinds.items()} | {
        "_airbyte_raw_id": "varchar",
        "_airbyte_extracted_at": warehouse.moment_type,
        "_airbyte_meta": warehouse.json_type,
    }
    rows = []
    for number, record in enumerate(records):
        emitted = datetime.fromtimestamp(record["emitted_at"] / 1000, timezone.utc)
        row = {
            warehouse.name(name): stored(record["data"][name], kind)
            for name, kind in kinds.items()
            if record["data"].get(name) is not None
        }
        row["_airbyte_raw_id"] = str(uuid5(NAMESPACE_URL, str(number)))
        row["_airbyte_extracted_at"] = f"{emitted:%Y-%m-%dT%H:%M:%S.%fZ}"
        row["_airbyte_meta"] = {}
        rows.append(row)
    warehouse.write(stream["name"], columns, rows)


def kind_of(warehouse: Warehouse, schema: JSON) -> str:
    types = schema.get("type")
    names = [name for name in (types if isinstance(types, list) else [types]) if name != "null"]
    if names == ["string"]:
        kinds = {"date-time": warehouse.moment_type, "date": "date"}
        return kinds.get(schema.get("format", ""), "varchar")
    return TYPES.get(names[0], warehouse.json_type) if len(names) == 1 else warehouse.json_type


def stored(value: Any, kind: str) -> Any:
    """What is no moment of the type is null, as the destinations make it."""
    if kind.startswith(("timestamp", "date")) and not MOMENT.match(value):
        return None
    return value


if __name__ == "__main__":
    main()
