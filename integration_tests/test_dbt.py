"""The dbt package, on what syncs of an account really sent.

It runs on DuckDB and on PostgreSQL, from tables and from a topic. There is no BigQuery server to
run it on: its SQL is compiled for BigQuery, parsed, and run in translation. PyAirbyte needs an
environment of its own, so its test runs where PYAIRBYTE_PYTHON names a Python that has it.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from clockify_sandbox.client import JSON, start
from demo.scenario import CLOCKED_COMMAND, LONG_ENOUGH, NOW, START_DATE
from integration_tests.airbyte import ROOT, config_of, discovered
from integration_tests.dbt_account import (
    Account,
    come_late,
    delete_and_restore,
    read_account,
    refresh_after_a_deletion,
    settle,
    work_a_day,
)
from integration_tests.dbt_runner import (
    DBT_PYTHON,
    MARTS,
    Dbt,
    Done,
    comparable,
    postgres,
    postgres_programs,
    set_up,
)
from source_clockify.change_tracking.profiles import PROFILES, Kind, TrackingProfile

TODAY = f"{NOW:%Y-%m-%d}"
VARIABLES = {"clockify_schema": "raw", "clockify_today": TODAY}
MESSAGES = {**VARIABLES, "clockify_input": "messages"}
SIZE: JSON = {"users": 6, "entries": 25, "projects": 8, "tasks": 3}
UNIT_TESTS = (ROOT / "dbt/integration_tests/models/unit_tests.yml").read_text().count("- name:")


@pytest.fixture(scope="module")
def account() -> Account:
    steps = (settle, work_a_day, delete_and_restore, come_late, refresh_after_a_deletion)
    return read_account(steps, SIZE)


@pytest.fixture(scope="module")
def records(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return account.write(tmp_path_factory.mktemp("account") / "records.json")


@pytest.fixture(scope="module")
def topic(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The package, installed in a project, on a topic's table in DuckDB."""
    project = "dbt/integration_tests"
    dbt = set_up(tmp_path_factory.mktemp("topic"), MESSAGES, project=project)
    dbt.load(records, "messages")
    installed = dbt.run("deps")
    assert installed.returncode == 0, installed.text
    done = dbt.run("build")
    assert_all_is_well(done)
    assert sum(name.startswith("unit_test.") for name in done.results) == UNIT_TESTS
    return dbt


@pytest.fixture(scope="module")
def tables(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The package on merged tables in DuckDB, with weeks and days of another country."""
    variables = {
        **VARIABLES,
        "clockify_week_starts_on": 7,
        "clockify_time_zone": "America/Los_Angeles",
    }
    dbt = set_up(tmp_path_factory.mktemp("tables"), variables)
    dbt.load(records, "merged")
    assert_all_is_well(dbt.run("build"))
    return dbt


@pytest.fixture(scope="module")
def topic_marts(topic: Dbt) -> dict[str, list[list[Any]]]:
    return topic.marts()


@pytest.fixture(scope="module")
def postgres_port() -> Iterator[int]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not installed on this machine")
    with postgres(programs) as port:
        yield port


def assert_all_is_well(done: Done) -> None:
    failed = {name: status for name, status in done.results.items() if status not in GOOD}
    assert done.returncode == 0, done.text
    assert not failed, failed
    assert done.results, done.text


GOOD = ("success", "pass")


def in_history(rows: Iterable[JSON]) -> list[JSON]:
    """The entries that a sync reads: those that begin at the start date or later."""
    return [row for row in rows if row["timeInterval"]["start"] >= START_DATE]


def seconds_of(row: JSON) -> int | None:
    interval = row["timeInterval"]
    if interval["end"] is None:
        return None
    begins, ends = (datetime.fromisoformat(interval[name][:-1]) for name in ("start", "end"))
    return int((ends - begins).total_seconds())


# Against the catalog


def test_keys_and_columns_are_those_of_the_catalog() -> None:
    macro = (ROOT / "dbt" / "macros" / "streams.sql").read_text()
    literal = macro[macro.index("return({") + len("return(") : macro.index("}) }}") + 1]
    streams = ast.literal_eval(literal)
    catalog = {each["name"]: each for each in discovered()}
    assert streams.keys() == catalog.keys()
    for name, stream in streams.items():
        properties = catalog[name]["json_schema"]["properties"]
        assert [[column] for column in stream["key"]] == catalog[name]["source_defined_primary_key"]
        for kind in ("text", "number", "boolean", "moment", "day", "json", "key"):
            assert set(stream.get(kind, ())) <= set(properties), (name, kind)
        profile = PROFILES.get(name, TrackingProfile())
        is_counted = profile.kind not in (Kind.EVENT_LOG, Kind.UPDATED_AT)
        assert stream.get("window") == (profile.start if is_counted else None), name


def test_every_stream_is_a_source() -> None:
    sources = (ROOT / "dbt" / "models" / "staging" / "sources.yml").read_text()
    names = re.findall(r"^      - name: (\w+)$", sources, re.MULTILINE)
    assert sorted(names) == sorted([each["name"] for each in discovered()] + ["messages"])


# Against the account


def test_each_entry_has_its_seconds_its_project_and_its_users_day(
    topic: Dbt, account: Account
) -> None:
    found = topic.ask(
        entries="select entry_id, user_id, project_id, task_id, seconds, is_running, day,"
        " is_billable, billable_amount_minor from analytics.clockify__time_entries"
    )["entries"]
    listed = {row["id"]: row for row in in_history(account.entries)}
    report = {row["_id"]: row for row in in_history(account.report)}

    def day_of(row: JSON) -> str:
        name = account.time_zones.get(row["userId"])
        zone = ZoneInfo(name if name and name != "Nowhere/At_All" else "UTC")
        begins = datetime.fromisoformat(row["timeInterval"]["start"][:-1])
        return f"{begins.replace(tzinfo=timezone.utc).astimezone(zone):%Y-%m-%d}"

    expected = {}
    for entry_id, reported in report.items():
        row = listed.get(entry_id, reported)
        seconds = seconds_of(row)
        earned = None if seconds is None else round(reported["earnedAmount"], 4)
        expected[entry_id] = [
            *(row["userId"], row["projectId"], row["taskId"], seconds, seconds is None),
            *(day_of(row), row["billable"], earned),
        ]
    actual = {row[0]: [*row[1:-1], None if row[-1] is None else round(row[-1], 4)] for row in found}
    assert actual == expected
    assert set(listed) < set(report)
    durations = {row[3] for row in expected.values()}
    assert -3600 in durations
    assert 2 * 86400 + 5415 in durations
    assert None in durations


def seconds_by_project(report: Iterable[JSON]) -> dict[str | None, int]:
    found: dict[str | None, int] = defaultdict(int)
    for row in in_history(report):
        found[row["projectId"]] += seconds_of(row) or 0
    return found


def test_hours_by_project_are_those_of_the_account(topic: Dbt, account: Account) -> None:
    expected = seconds_by_project(account.report)
    query = "select project_id, sum(seconds) from analytics.{} group by 1"
    answers = topic.ask(
        daily=query.format("clockify__daily_hours"), weekly=query.format("clockify__weekly_hours")
    )
    for rows in answers.values():
        assert dict(rows) == expected
    assert None in expected


def test_the_marts_agree_with_the_reports_to_the_second(topic: Dbt, account: Account) -> None:
    rows = topic.ask(
        days="select day, entry_seconds, detailed_report_seconds, summary_report_seconds,"
        " is_compared from analytics.clockify__report_agreement"
    )["days"]
    for day, entries, detailed, _, _ in rows:
        assert entries == detailed, day
    compared = {day: (entries, summary) for day, entries, _, summary, known in rows if known}
    assert len(compared) > 20
    for day, (entries, summary) in compared.items():
        assert entries == summary == account.summary.get(day, 0), day


def test_days_and_weeks_are_those_of_the_variables(tables: Dbt) -> None:
    zone = ZoneInfo("America/Los_Angeles")
    rows = tables.ask(
        days="select started_at, day, week_starts_on from analytics.clockify__time_entries"
    )["days"]
    assert rows
    for started_at, day, week in rows:
        local = datetime.fromisoformat(started_at).astimezone(zone).date()
        assert day == local.isoformat()
        assert week == (local - timedelta(days=local.isoweekday() % 7)).isoformat()


def test_changes_say_what_was_edited_deleted_and_entered_late(topic: Dbt) -> None:
    kinds, late, moved, edited_twice = topic.ask(
        kinds="select change_kind, count(*) from analytics.clockify__entry_changes group by 1",
        late="select late_by_at_least_seconds, is_late from analytics.clockify__entry_changes"
        " where change_kind = 'new' and started_at = timestamptz '2026-11-09 08:00:00+00'",
        moved="select count(*) from analytics.clockify__entry_changes where is_time_changed",
        edited_twice="select count(*) from analytics.clockify__entry_changes"
        " where is_billable_changed and not is_time_changed",
    ).values()
    counted = dict(kinds)
    assert counted["deleted"] == 4
    assert counted["edited"] >= 4
    assert counted["refresh"] > 100
    # It ended on November 9 at 10:00, and the sync of November 24 at 12:00 did not see it.
    assert late == [[15 * 86400 + 2 * 3600, True]]
    assert moved == [[1]]
    assert edited_twice == [[1]]


# Elsewhere


def test_tables_in_postgresql_give_the_marts_of_a_topic_in_duckdb(
    postgres_port: int,
    records: Path,
    topic_marts: dict[str, list[list[Any]]],
    tmp_path: Path,
) -> None:
    variables = {**VARIABLES, "clockify_tables_keep_versions": True}
    dbt = set_up(tmp_path, variables, target="postgres", port=postgres_port)
    dbt.load(records, "appended")
    assert_all_is_well(dbt.run("build"))
    marts = dbt.marts()
    assert {mart: len(rows) for mart, rows in marts.items()} == {
        mart: len(rows) for mart, rows in topic_marts.items()
    }
    for mart, rows in marts.items():
        assert rows, mart
        assert rows == topic_marts[mart], mart


def test_bigquerys_sql_gives_the_same_marts_in_translation(
    records: Path, topic_marts: dict[str, list[list[Any]]], tmp_path: Path
) -> None:
    models = compiled_for_bigquery(tmp_path, {**MESSAGES, "clockify_assume_tables": True})
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema raw; create schema analytics")
    connection.execute("create table raw.messages (data json, attributes json)")
    connection.executemany(
        "insert into raw.messages values (?, ?)",
        [
            [
                json.dumps(
                    {"_airbyte_data": each["data"], "_airbyte_emitted_at": each["emitted_at"]}
                ),
                json.dumps({"_stream": each["stream"]}),
            ]
            for each in json.loads(records.read_text())["records"]
        ],
    )
    for name, sql in models.items():
        connection.execute(f"create table analytics.{name} as {translated(sql)}")
    for mart in MARTS:
        columns = connection.execute(f"describe analytics.{mart}").fetchall()
        # The stand-in of json_object makes no map.
        dropped = "exclude (custom_fields)" if mart == "clockify__time_entries" else ""
        rows = connection.execute(f"select * {dropped} from analytics.{mart}").fetchall()
        found = comparable([[shown(value) for value in row] for row in rows])
        place = [column[0] for column in columns].index("custom_fields") if dropped else None
        expected = comparable(
            [[v for i, v in enumerate(row) if i != place] for row in topic_marts[mart]]
        )
        assert found == expected, mart


@pytest.mark.slow
def test_the_models_on_tables_parse_as_bigquerys(tmp_path: Path) -> None:
    models = compiled_for_bigquery(tmp_path, {**VARIABLES, "clockify_assume_tables": True})
    assert set(MARTS) < set(models)
    assert "`p`.`raw`.`time_entries`" in models["stg_clockify__time_entries"]
    assert all(parsed(sql) for sql in models.values())


def compiled_for_bigquery(folder: Path, variables: JSON) -> dict[str, str]:
    """The SQL of each model, those that others need first. It asks no server for anything."""
    dbt = set_up(folder, variables, target="bigquery")
    done = dbt.run("compile", "--no-introspect", "--no-populate-cache")
    assert done.returncode == 0, done.text
    target = folder / "dbt" / "target"
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    waiting = {name: each for name, each in nodes.items() if each["resource_type"] == "model"}
    models: dict[str, str] = {}
    while waiting:
        ready = [
            name
            for name, each in waiting.items()
            if not any(parent in waiting for parent in each["depends_on"]["nodes"])
        ]
        for name in ready:
            node = waiting.pop(name)
            file = target / "compiled" / "clockify" / node["original_file_path"]
            models[node["name"]] = file.read_text()
    return models


def parsed(sql: str) -> exp.Expr:
    (tree,) = sqlglot.parse(sql, read="bigquery")
    assert tree is not None
    assert not list(tree.find_all(exp.Command))
    return tree


def translated(sql: str) -> str:
    """BigQuery's SQL as DuckDB's, with stand-ins for what sqlglot does not translate."""
    assert parsed(sql)
    sql = sql.replace("`p`.", "")
    sql = re.sub(
        r"safe\.datetime\(timestamp '[^']*', ([\w.]+)\) is not null",
        r"\1 in (select * from (select name from time_zones))",
        sql,
    )
    sql = re.sub(
        r"json_object\(\s*array\(.*?order by place\s*\),\s*array\(.*?order by place\s*\)\s*\)",
        "json '{}'",
        sql,
        flags=re.DOTALL,
    )
    answer = sqlglot.parse_one(sql, read="bigquery").transform(stand_in).sql(dialect="duckdb")
    return answer.replace("FROM time_zones", "FROM pg_timezone_names()")


def stand_in(node: exp.Expr) -> exp.Expr:
    """Replace a node; what is replaced is not visited further."""
    if isinstance(node, exp.Timestamp) and node.args.get("zone"):
        local = exp.cast(node.this.transform(stand_in), exp.DataType.Type.TIMESTAMPNTZ)
        return exp.paren(exp.AtTimeZone(this=local, zone=node.args["zone"].copy()))
    if isinstance(node, exp.DateAdd):
        added = node.copy()
        for name in ("this", "expression"):
            added.set(name, added.args[name].transform(stand_in))
        return exp.cast(added, exp.DataType.Type.DATE)
    if isinstance(node, exp.Extract) and node.this.name.upper() == "DAYOFWEEK":
        # Sunday is 0 in DuckDB, 1 in BigQuery.
        return exp.paren(exp.Add(this=node.copy(), expression=exp.Literal.number(1)))
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.DECIMAL:
        return exp.DataType.build("decimal(38, 9)")
    return node


def shown(value: Any) -> Any:
    """A value as query.py answers it."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bool | int | str) or value is None:
        return value
    number = round(float(value), 6)
    return int(number) if number.is_integer() else number


# What is missing


@contextmanager
def set_aside(dbt: Dbt) -> Iterator[Path]:
    """Without its DuckDB file, which is put back at the end; answers where it is."""
    warehouse, aside = dbt.folder / "warehouse.duckdb", dbt.folder / "aside.duckdb"
    warehouse.rename(aside)
    try:
        yield aside
    finally:
        aside.replace(warehouse)


def test_a_lost_message_is_named_until_a_refresh(topic: Dbt, topic_marts: object) -> None:
    lose = (
        'import duckdb, sys; duckdb.connect(sys.argv[1]).execute("delete from raw.messages where'
        " data->>'$._airbyte_data.description' = 'Entered late'\")"
    )
    with set_aside(topic) as original:
        warehouse = shutil.copy(original, topic.folder / "warehouse.duckdb")
        subprocess.run([DBT_PYTHON, "-c", lose, warehouse], check=True)
        done = topic.run("run", "--select", "+clockify__streams")
        assert_all_is_well(done)
        rows = topic.ask(
            problems="select stream, problem, lost, needs_refresh"
            " from analytics.clockify__sync_completeness where problem is not null order by all",
            streams="select stream from analytics.clockify__streams where needs_refresh",
        )
        assert ["time_entries", "lost", 1, True] in rows["problems"]
        assert ["time_entries"] in rows["streams"]
        tested = topic.run("test", "--select", "nothing_is_missing")
        assert tested.statuses() == {"fail"}, tested.text


def test_nothing_is_lost_where_all_arrived(topic_marts: dict[str, list[list[Any]]]) -> None:
    receipts = topic_marts["clockify__sync_completeness"]
    assert len(receipts) > 150
    assert {tuple(row[-2:]) for row in receipts} == {(None, False)}


def test_streams_that_are_not_synced_make_no_numbers(
    tables: Dbt, account: Account, tmp_path: Path
) -> None:
    kept = ("time_entries", "users", "projects")
    few = Account([each for each in account.records if each["stream"] in kept])
    with set_aside(tables):
        tables.load(few.write(tmp_path / "few.json"), "merged")
        done = tables.run("build")
        assert done.returncode == 0, done.text
        # Names of tasks and workspaces are in streams that are not synced.
        assert done.statuses() <= {"success", "pass", "warn"}
        answers = tables.ask(
            entries="select count(*), count(task_name), count(invoice_id),"
            " count(approval_state), bool_or(is_invoice_known)"
            " from analytics.clockify__time_entries",
            weeks="select count(*), count(submission) from analytics.clockify__submissions",
            capacity="select count(*), count(capacity_seconds), bool_or(are_holidays_known)"
            " from analytics.clockify__utilisation",
            reports="select count(*), count(detailed_report_seconds)"
            " from analytics.clockify__report_agreement",
            unbilled="select sum(unbilled_seconds) from analytics.clockify__unbilled_time",
            invoices="select count(*) from analytics.clockify__invoices",
            streams="select count(*) from analytics.clockify__streams where is_synced",
        )
    ((entries, *nothing),) = answers["entries"]
    assert entries == len(in_history(account.entries))
    assert nothing == [0, 0, 0, False]
    assert answers["weeks"][0][0] > 0
    assert answers["weeks"][0][1] == 0
    assert answers["capacity"][0][0] > 0
    assert answers["capacity"][0][1:] == [0, False]
    assert answers["reports"][0][1] == 0
    assert answers["unbilled"] == [[0]]
    assert answers["invoices"] == [[0]]
    assert answers["streams"] == [[3]]


def test_a_schema_without_tables_is_an_error_in_words(tables: Dbt) -> None:
    with set_aside(tables):
        done = tables.run("run", "--select", "int_clockify__streams")
    assert done.returncode != 0
    assert "There is no table of Clockify in the schema raw" in done.text


# Other ways in


@pytest.mark.slow
def test_the_page_of_questions_is_what_its_command_writes() -> None:
    command = [sys.executable, "-m", "docs.questions", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_topic_in_postgresql_gives_the_marts_of_one_in_duckdb(
    postgres_port: int,
    records: Path,
    topic_marts: dict[str, list[list[Any]]],
    tmp_path: Path,
) -> None:
    dbt = set_up(tmp_path, MESSAGES, target="postgres", port=postgres_port)
    dbt.load(records, "messages")
    assert_all_is_well(dbt.run("build"))
    for mart, rows in dbt.marts().items():
        assert rows == topic_marts[mart], mart


PYAIRBYTE = """
import json, os, sys
os.environ.update(AIRBYTE_OFFLINE_MODE="1", DO_NOT_TRACK="1")
import airbyte as ab
config, executable, database, *streams = sys.argv[1:]
source = ab.get_source(
    "source-clockify",
    config=json.load(open(config)),
    streams=streams,
    local_executable=executable,
)
with ab.caches.DuckDBCache(db_path=database, schema_name="raw") as cache:
    source.read(cache=cache)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    "PYAIRBYTE_PYTHON" not in os.environ,
    reason="PYAIRBYTE_PYTHON names no Python that has the package airbyte",
)
def test_the_tables_of_pyairbyte_give_the_hours_of_the_account(tmp_path: Path) -> None:
    dbt = set_up(tmp_path, VARIABLES)
    with start(**SIZE, plan="ENTERPRISE", now=f"{NOW:%Y-%m-%dT%H:%M:%SZ}") as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(config_of(sandbox, start_date=START_DATE)))
        steps: tuple[Callable[..., str | None], ...] = (settle, work_a_day, delete_and_restore)
        for number, step in enumerate(steps):
            step(sandbox)
            moment = f"{NOW + number * LONG_ENOUGH:%Y-%m-%dT%H:%M:%SZ}"
            sandbox.set_now(moment)
            read_with_pyairbyte(tmp_path, moment)
        report = sandbox.rows("detailed_report")
    assert_all_is_well(dbt.run("build"))
    hours = dbt.ask(
        hours="select project_id, sum(seconds) from analytics.clockify__daily_hours group by 1"
    )["hours"]
    assert dict(hours) == seconds_by_project(report)


def read_with_pyairbyte(folder: Path, moment: str) -> None:
    """Read the streams of the marts into warehouse.duckdb, with the clock at a moment."""
    (folder / "command.py").write_text(CLOCKED_COMMAND)
    executable = folder / "source-clockify"
    executable.write_text(
        f'#!/bin/sh\nexec {sys.executable} {folder / "command.py"} {moment} "$@"\n'
    )
    executable.chmod(0o755)
    streams = (
        *("workspaces", "users", "member_profiles", "clients", "projects", "tasks", "tags"),
        *("time_entries", "detailed_report", "summary_report", "invoices", "sync_log"),
    )
    arguments = (folder / "config.json", executable, folder / "warehouse.duckdb", *streams)
    done = subprocess.run(
        [os.environ["PYAIRBYTE_PYTHON"], "-W", "ignore", "-c", PYAIRBYTE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
