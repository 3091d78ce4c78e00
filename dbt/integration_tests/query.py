"""Answers queries on a warehouse, for the tests of the dbt package and for docs/questions.md.

    python query.py duckdb:FILE | postgres:DSN < queries.json > answers.json

Queries are an object of names and SQL; an answer is {"columns": [...], "rows": [[...]]}. Moments
are text in UTC, numbers with a fraction are rounded to six places.
"""

import json
import sys
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any


def main() -> None:
    kind, _, place = sys.argv[1].partition(":")
    cursor: Any
    if kind == "duckdb":
        import duckdb

        cursor = duckdb.connect(place, read_only=True)
        cursor.execute("set timezone = 'UTC'")
    else:
        import psycopg2

        cursor = psycopg2.connect(place).cursor()
    answers = {}
    for name, query in json.load(sys.stdin).items():
        cursor.execute(query)
        columns = [column[0] for column in cursor.description]
        rows = [[plain(value) for value in row] for row in cursor.fetchall()]
        answers[name] = {"columns": columns, "rows": rows}
    json.dump(answers, sys.stdout)


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | float):
        number = round(float(value), 6)
        return int(number) if number.is_integer() else number
    return value


if __name__ == "__main__":
    main()
