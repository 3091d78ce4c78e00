r"""Reads a Clockify account into a DuckDB file; every later run brings what changed.

    python3 -m venv pyairbyte && pyairbyte/bin/pip install airbyte
    CLOCKIFY_API_KEY=... pyairbyte/bin/python examples/pyairbyte/clockify_to_duckdb.py \
        clockify.duckdb

PyAirbyte needs an environment of its own, since its dependencies differ from the connector's, and a
Python below 3.13. The connector is started as a command: `source-clockify` of this project's .venv,
or whatever --executable names.

What is in the file afterwards:
- A table for each stream, such as `time_entries`: one row for each record, merged by primary key.
  Names of columns are in lower case (workspaceid); objects and lists are JSON.
- A deletion arrives as a tombstone, and PyAirbyte keeps it: the record's row is replaced by one
  that has `_ab_cdc_deleted_at`, the key, the parents' ids, a time entry's start, and nothing else.
- A view for each stream, such as `existing_time_entries`: what exists in Clockify. In SQL:

    SELECT * FROM time_entries
    WHERE _ab_cdc_deleted_at IS NULL
        AND _ab_cdc_baseline_at = (SELECT MAX(_ab_cdc_baseline_at) FROM time_entries)

  The second condition leaves out what an earlier baseline held and a newer one lacks; see
  docs/change-tracking.md.

To read everything anew, delete the file: it holds the state too.

Run with PyAirbyte 0.71.3 and DuckDB 1.4.3 on Python 3.11, against the Clockify stand-in of the
project's tests: a first run, and a second after an edit, a new record and two deletions.
Not run: a real Clockify account.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

# PyAirbyte would look up Airbyte's own connector of the same name, and send usage statistics.
os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")

import airbyte as ab

STREAMS = [
    "workspaces",
    "users",
    "user_groups",
    "clients",
    "projects",
    "tasks",
    "tags",
    "time_entries",
]
VENV_EXECUTABLE = Path(__file__).resolve().parents[2] / ".venv" / "bin" / "source-clockify"

EXISTING = """
CREATE OR REPLACE VIEW existing_{stream} AS
SELECT * FROM {stream}
WHERE _ab_cdc_deleted_at IS NULL
    AND _ab_cdc_baseline_at = (SELECT MAX(_ab_cdc_baseline_at) FROM {stream})
"""


def main() -> None:
    arguments = parsed_arguments()
    source = ab.get_source(
        "source-clockify",
        config=configuration(arguments.config),
        streams=STREAMS,
        local_executable=executable(arguments.executable),
    )
    with ab.caches.DuckDBCache(db_path=arguments.database) as cache:
        result = source.read(cache=cache)
        cache.execute_sql([EXISTING.format(stream=stream) for stream in STREAMS])
        print(f"{result.processed_records} messages")
        for stream in STREAMS:
            query = f"SELECT COUNT(*) AS existing FROM existing_{stream}"
            print(f"{stream}: {cache.run_sql_query(query)[0]['existing']}")


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("database", help="the DuckDB file; it is made if it does not exist")
    parser.add_argument("--config", type=Path, help="a file; without it CLOCKIFY_API_KEY is used")
    parser.add_argument("--executable", help="the command source-clockify")
    return parser.parse_args()


def configuration(file: Path | None) -> dict[str, Any]:
    if file is not None:
        config: dict[str, Any] = json.loads(file.read_text())
        return config
    key = os.environ.get("CLOCKIFY_API_KEY")
    if not key:
        sys.exit("Set CLOCKIFY_API_KEY, or name a configuration with --config.")
    return {"credentials": {"auth_type": "api_key", "api_key": key}}


def executable(named: str | None) -> Path:
    candidates = [named] if named else [VENV_EXECUTABLE, "source-clockify"]
    found = next(filter(None, map(shutil.which, candidates)), None)
    if found is None:
        sys.exit(f"There is no command {candidates[0]}. Run bin/demo, or name it: --executable")
    return Path(found)


if __name__ == "__main__":
    main()
