"""Runs dbt in its own environment: on DuckDB files, a PostgreSQL of its own, and for BigQuery."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from clockify_sandbox.client import JSON
from integration_tests.airbyte import ROOT

PACKAGE = ROOT / "dbt"
DBT_PYTHON = ROOT / ".venv-dbt" / "bin" / "python"
MARTS = sorted(path.stem for path in (PACKAGE / "models" / "marts").glob("*.sql"))

_PROFILES = """
clockify:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: warehouse.duckdb, schema: analytics, threads: 2}
    postgres:
      type: postgres
      host: 127.0.0.1
      port: "{{ env_var('CLOCKIFY_POSTGRES_PORT', '5432') | int }}"
      user: clockify
      password: ""
      dbname: clockify
      schema: analytics
      threads: 2
    bigquery:
      {type: bigquery, method: oauth-secrets, project: p, dataset: analytics, token: x, threads: 2}
"""


@dataclass(frozen=True)
class Done:
    """A run of dbt.

    Attributes:
        returncode: 0 if nothing failed.
        text: what it printed.
        results: status by unique id, of what was run.
    """

    returncode: int
    text: str
    results: Mapping[str, str]

    def statuses(self) -> set[str]:
        return set(self.results.values())


@dataclass(frozen=True)
class Dbt:
    """A copy of the package in a folder, with a DuckDB file `warehouse.duckdb` beside it.

    dbt parses the project anew when a variable or the path of the file changes, so both stay.
    """

    folder: Path
    variables: Mapping[str, Any]
    project: str = "dbt"
    target: str = "duckdb"
    port: int = 0

    @property
    def warehouse(self) -> str:
        """The warehouse, as load.py and query.py take it."""
        if self.target == "postgres":
            return f"postgres:host=127.0.0.1 port={self.port} user=clockify dbname=clockify"
        return f"duckdb:{self.folder / 'warehouse.duckdb'}"

    def run(self, command: str, *arguments: str) -> Done:
        line: list[str | Path] = [DBT_PYTHON.with_name("dbt"), "--no-use-colors", command]
        line += [*arguments, "--project-dir", self.folder / self.project]
        line += ["--profiles-dir", self.folder, "--target", self.target]
        line += ["--vars", json.dumps(self.variables)]
        environment = {
            **os.environ,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "0",
            "CLOCKIFY_POSTGRES_PORT": str(self.port or 5432),
        }
        done = subprocess.run(
            line, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=500
        )
        found = self.folder / self.project / "target" / "run_results.json"
        results = json.loads(found.read_text())["results"] if found.is_file() else []
        found.unlink(missing_ok=True)
        statuses = {each["unique_id"]: each["status"] for each in results}
        return Done(done.returncode, done.stdout + done.stderr, statuses)

    def load(self, records: Path, layout: str) -> None:
        """Write records into the warehouse; a DuckDB file is made anew."""
        if self.target == "duckdb":
            (self.folder / "warehouse.duckdb").unlink(missing_ok=True)
        command = [DBT_PYTHON, PACKAGE / "integration_tests" / "load.py", records, layout]
        _checked([*command, self.warehouse])

    def answers(self, queries: Mapping[str, str]) -> dict[str, JSON]:
        """Answer queries: columns and rows by name."""
        command = [DBT_PYTHON, PACKAGE / "integration_tests" / "query.py", self.warehouse]
        answers: dict[str, JSON] = json.loads(_checked(command, json.dumps(dict(queries))))
        return answers

    def ask(self, **queries: str) -> dict[str, list[list[Any]]]:
        """Answer queries: the rows by name."""
        return {name: answer["rows"] for name, answer in self.answers(queries).items()}

    def marts(self) -> dict[str, list[list[Any]]]:
        """All rows of all marts, comparable."""
        asked = {mart: f"select * from analytics.{mart}" for mart in MARTS}
        return {name: comparable(rows) for name, rows in self.ask(**asked).items()}


def comparable(rows: list[list[Any]]) -> list[list[Any]]:
    """Rows in an order that they alone determine, with JSON in one spelling."""
    return sorted(([_spelled(value) for value in row] for row in rows), key=json.dumps)


def _spelled(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def set_up(folder: Path, variables: JSON, **more: Any) -> Dbt:
    """Copy the package into an empty folder, and make dbt's environment if there is none."""
    _checked([sys.executable, ROOT / "bin" / "setup-dbt"])
    ignored = shutil.ignore_patterns("target", "logs", "dbt_packages", "package-lock.yml")
    shutil.copytree(PACKAGE, folder / "dbt", ignore=ignored)
    (folder / "profiles.yml").write_text(_PROFILES)
    return Dbt(folder, variables, **more)


def _checked(command: list[Any], given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def postgres_programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    folders = [str(Path(found).resolve().parent)] if found else []
    folders += sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)
    return next((Path(each) for each in folders if Path(each, "pg_ctl").is_file()), None)


@contextmanager
def postgres(programs: Path) -> Iterator[int]:
    """A PostgreSQL server on this machine, in a folder that is removed; answers its port.

    It refuses to run as root, so root lends it to nobody. Its own time zone is far from UTC.
    """
    folder = Path(tempfile.mkdtemp(prefix="clockify-postgres-"))
    how: dict[str, Any] = {}
    if os.geteuid() == 0:
        how = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody", "nogroup")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def call(*command: str | Path) -> None:
        with (folder / "output").open("a") as output:
            subprocess.run(
                command, cwd=folder, stdout=output, stderr=output, check=True, timeout=60, **how
            )

    data = folder / "data"
    try:
        call(programs / "initdb", "-D", data, "-A", "trust", "-U", "clockify", "-E", "UTF8", "-N")
        options = (
            f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c timezone=Asia/Tokyo"
            " -c max_locks_per_transaction=256"
        )
        call(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            call(
                programs / "createdb",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "-U",
                "clockify",
                "clockify",
            )
            yield port
        finally:
            call(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
