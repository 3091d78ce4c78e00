"""Writes docs/questions.md: what people ask of Clockify, as queries on the dbt package's marts.

    python -m docs.questions            # the page, and the charts in docs/charts
    python -m docs.questions --check    # is the page what it would write?

The answers are those of the demo's account: it is read in four syncs between which the demo's
changes happen, dbt builds the marts in DuckDB, and the queries are run there. It takes a minute or
two, and needs .venv, from which it makes .venv-dbt.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from clockify_sandbox.client import JSON, Sandbox
from demo.scenario import NOW, SIZE
from integration_tests.dbt_account import read_account, work_a_day
from integration_tests.dbt_runner import DBT_PYTHON, set_up

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER / "questions.md"
VARIABLES = {
    "clockify_schema": "raw",
    "clockify_input": "messages",
    "clockify_today": f"{NOW:%Y-%m-%d}",
}
ROWS = 8


@dataclass(frozen=True)
class Question:
    """A question, the query that answers it, and what the answer leaves out."""

    title: str
    query: str
    note: str = ""
    chart: str = ""


QUESTIONS = (
    Question(
        "How many hours did each client get this month?",
        """
        select client_name, round(sum(hours), 2) as hours
        from clockify__daily_hours
        where day >= date '2026-11-01' and day < date '2026-12-01'
        group by client_id, client_name
        order by hours desc, client_id
        """,
        "The row without a name is the time of projects without a client, and without a project.",
    ),
    Question(
        "How did the hours develop from week to week?",
        """
        select
            week_starts_on,
            round(sum(hours), 1) as hours,
            round(sum(case when is_billable then hours else 0 end), 1) as billable_hours
        from clockify__weekly_hours
        where week_starts_on between date '2026-08-31' and date '2026-11-16'
        group by week_starts_on
        order by week_starts_on desc
        """,
        "Weeks begin on Monday; `clockify_week_starts_on` says otherwise.",
        "hours_by_week",
    ),
    Question(
        "Who worked on what last week?",
        """
        select user_name, project_name, task_name, round(sum(worked_hours), 2) as hours
        from clockify__weekly_hours
        where week_starts_on = date '2026-11-16' and worked_seconds > 0
        group by user_id, user_name, project_id, project_name, task_id, task_name
        order by hours desc, user_id, project_id, task_id
        """,
        "Days are those of each user's own time zone. `worked_hours` are those without breaks and"
        " absences.",
    ),
    Question(
        "What is the work for each client worth, and what does it cost?",
        """
        select
            client_name,
            currency,
            round(sum(billable_amount), 2) as worth,
            round(sum(cost_amount), 2) as cost,
            round(sum(seconds_without_billable_amount) / 3600.0, 2) as hours_without_rate,
            round(sum(seconds_without_cost_amount) / 3600.0, 2) as hours_without_cost_rate
        from clockify__daily_hours
        where client_id is not null
        group by client_id, client_name, currency
        order by worth desc, client_id
        """,
        "With the rates that applied: what Clockify's report says of the entry, else the entry's"
        " own rate. Where neither is known the amounts lack the hours in the last two columns;"
        " nothing is guessed.",
    ),
    Question(
        "Who is busy, and how much of that is billable?",
        """
        select
            user_name,
            round(sum(available_seconds) / 3600.0, 1) as available_hours,
            round(sum(worked_seconds) / 3600.0, 1) as worked_hours,
            round(100.0 * sum(worked_seconds) / nullif(sum(available_seconds), 0), 0) as worked,
            round(100.0 * sum(billable_seconds) / nullif(sum(available_seconds), 0), 0) as billable
        from clockify__utilisation
        where week_starts_on between date '2026-10-26' and date '2026-11-16' and is_whole_week
        group by user_id, user_name
        order by worked desc nulls last, user_id
        """,
        "Percent of the capacity of four weeks, without holidays and approved time off. Clockify"
        " has no history of capacity: that of today holds for all weeks.",
        "utilisation",
    ),
    Question(
        "What keeps people from work?",
        """
        select
            user_name,
            round(sum(capacity_seconds) / 3600.0, 1) as capacity_hours,
            round(sum(holiday_seconds) / 3600.0, 1) as holiday_hours,
            round(sum(time_off_seconds) / 3600.0, 1) as time_off_hours
        from clockify__user_days
        where day between date '2026-10-01' and date '2026-11-23'
        group by user_id, user_name
        having sum(holiday_seconds) + sum(time_off_seconds) > 0
        order by time_off_hours desc, holiday_hours desc, user_id
        """,
    ),
    Question(
        "Which projects are over their estimate?",
        """
        select
            project_name,
            round(estimate_seconds / 3600.0, 1) as estimate_hours,
            round(counted_seconds / 3600.0, 1) as hours,
            round(100 * estimate_used, 0) as percent
        from clockify__project_budgets
        where estimate_used > 1
        order by estimate_used desc, project_id
        """,
        "Of an estimate that begins anew every month, the present month counts. The names are the"
        " demo's, chosen to break readers.",
    ),
    Question(
        "How much of its budget has each project spent?",
        """
        select project_name, reset_interval, period_starts_on, budget, round(spent, 2) as spent,
            round(100 * budget_used, 1) as percent
        from clockify__project_budgets
        where budget is not null
        order by budget_used desc, project_id
        """,
        "A period that does not begin on the first day of a month is not followed:"
        " `is_period_known` is false, and nothing counts as spent.",
    ),
    Question(
        "Which tasks take longer than expected?",
        """
        select
            project_name,
            task_name,
            round(estimate_seconds / 3600.0, 1) as estimate_hours,
            round(tracked_seconds / 3600.0, 1) as hours
        from clockify__task_estimates
        where remaining_seconds < 0
        order by remaining_seconds, task_id
        """,
    ),
    Question(
        "Which invoices are open, and for how long?",
        """
        select invoice_number, client_name, due_on, balance, currency, days_overdue, age
        from clockify__invoices
        where is_open
        order by due_on, invoice_id
        """,
        "Ages count to `clockify_today`, or to today.",
        "open_invoices",
    ),
    Question(
        "What has not been billed yet?",
        """
        select
            client_name,
            project_name,
            round(unbilled_hours, 2) as hours,
            round(unbilled_amount, 2) as amount,
            currency,
            unbilled_since
        from clockify__unbilled_time
        where unbilled_seconds > 0
        order by unbilled_amount desc nulls last, project_id
        """,
        "The streams `detailed_report` and `invoice_details` say what is on an invoice; entries"
        " that both lack are in `unknown_seconds`. What was marked as invoiced by hand, after it"
        " had left the window of the report, counts as unbilled until a Refresh.",
    ),
    Question(
        "Who has not submitted last week?",
        """
        select
            user_name,
            submission,
            entries_not_submitted,
            round(tracked_seconds / 3600.0, 2) as hours
        from clockify__submissions
        where week_starts_on = date '2026-11-16' and submission not in ('pending', 'approved')
        order by submission, hours desc, user_id
        """,
        "A rejected or withdrawn request counts as not submitted.",
    ),
    Question(
        "What was changed after it had been entered?",
        """
        select
            entry_id, change_kind, previous_started_at, started_at, seconds_change,
            is_time_changed, is_description_changed
        from clockify__entry_changes
        where change_kind in ('edited', 'deleted', 'restored')
        order by version_at, entry_id
        """,
        "The changes of the demo. What happened between two syncs is one change; who made it only"
        " `audit_log` knows.",
    ),
    Question(
        "What came late?",
        """
        select
            change_kind,
            count(*) as versions,
            sum(case when is_late then 1 else 0 end) as late,
            max(late_by_at_least_seconds) as at_least_seconds
        from clockify__entry_changes
        group by change_kind
        order by change_kind
        """,
        "An entry is late if a sync days after its end did not see it. Nothing is known of entries"
        " that were there when the first sync began.",
    ),
    Question(
        "How many hours has each tag?",
        """
        select tags.tag_name, round(sum(entries.hours), 2) as hours
        from clockify__time_entry_tags as tags
        inner join clockify__time_entries as entries on tags.entry_id = entries.entry_id
        group by tags.tag_id, tags.tag_name
        order by hours desc, tags.tag_id
        """,
        "An entry may have several tags, so these do not add up to all hours.",
    ),
    Question(
        "How many hours has each value of a custom field?",
        """
        select fields.value_text, round(sum(entries.hours), 2) as hours
        from clockify__time_entry_custom_fields as fields
        inner join clockify__time_entries as entries on fields.entry_id = entries.entry_id
        where fields.custom_field_name = 'Phase'
        group by fields.value_text
        order by hours desc, fields.value_text
        """,
    ),
    Question(
        "How much time off is left?",
        """
        select user_name, policy_name, balance, time_unit
        from clockify__time_off_balances
        order by policy_id, user_id
        """,
    ),
    Question(
        "Which time has no project?",
        """
        select user_name, count(*) as entries, round(sum(hours), 2) as hours
        from clockify__time_entries
        where project_id is null
        group by user_id, user_name
        order by hours desc, user_id
        """,
    ),
    Question(
        "Do the marts agree with Clockify's own reports?",
        """
        select
            count(*) as days,
            sum(entry_seconds) as entries,
            sum(detailed_report_seconds) as detailed_report,
            sum(summary_report_seconds) as summary_report,
            sum(
                case
                    when beyond_detailed_report <> 0 or beyond_summary_report <> 0 then 1 else 0
                end
            ) as days_that_differ
        from clockify__report_agreement
        where is_compared
        """,
        "Seconds, of the days on which each sync looks for edits. `dbt test` fails if one differs.",
    ),
    Question(
        "Is everything here?",
        """
        select
            count(*) as streams,
            sum(case when is_baseline_complete then 1 else 0 end) as complete_baselines,
            sum(case when needs_refresh then 1 else 0 end) as to_refresh,
            max(last_complete_at) as last_complete_sync
        from clockify__streams
        where is_synced
        """,
        "`clockify__sync_completeness` has each sync of each stream: what it sent, and what of it"
        " arrived. A stream that has no records yet has no baseline to compare.",
    ),
)

CHARTS = {
    "hours_by_week": """
        select
            cast(week_starts_on as text),
            sum(case when is_billable then hours else 0 end),
            sum(case when is_billable then 0 else hours end)
        from analytics.clockify__weekly_hours
        where week_starts_on between date '2026-08-31' and date '2026-11-16'
        group by week_starts_on
        order by week_starts_on
    """,
    "utilisation": """
        select
            coalesce(user_name, '(no name)'),
            100.0 * sum(billable_seconds) / sum(available_seconds),
            100.0 * (sum(worked_seconds) - sum(billable_seconds)) / sum(available_seconds)
        from analytics.clockify__utilisation
        where week_starts_on between date '2026-10-26' and date '2026-11-16' and is_whole_week
        group by user_id, user_name
        having sum(available_seconds) > 0
        order by sum(worked_seconds) * 1.0 / sum(available_seconds), user_id
    """,
    "open_invoices": """
        select currency, age, sum(balance)
        from analytics.clockify__invoices
        where is_open
        group by currency, age
        order by currency, age
    """,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.questions", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    answers, charts = answered()
    page = rendered(answers)
    if check:
        written = PAGE.read_text().splitlines()
        different = list(unified_diff(written, page.splitlines(), "written", "due", lineterm=""))
        sys.exit("\n".join(different) or 0)
    PAGE.write_text(page)
    drawn = [DBT_PYTHON, FOLDER / "draw_charts.py", FOLDER / "charts"]
    subprocess.run(drawn, input=json.dumps(charts), text=True, check=True)


def answered() -> tuple[list[JSON], dict[str, list[list[Any]]]]:
    """Read the demo's account, build the marts and run the queries."""
    account = read_account((nothing, work_a_day, nothing, nothing), SIZE)
    with tempfile.TemporaryDirectory() as folder:
        dbt = set_up(Path(folder), VARIABLES)
        dbt.load(account.write(Path(folder, "records.json")), "messages")
        done = dbt.run("build")
        if done.returncode:
            sys.exit(done.text)
        asked = {
            each.title: each.query.replace(" clockify__", " analytics.clockify__")
            for each in QUESTIONS
        }
        answers = dbt.answers(asked)
        return [answers[each.title] for each in QUESTIONS], dbt.ask(**CHARTS)


def nothing(_: Sandbox) -> None:
    """Nobody works between two syncs."""


def rendered(answers: list[JSON]) -> str:
    lines = [
        "# Questions",
        "",
        "What people ask of Clockify, as queries on the marts of",
        "[the dbt package](../dbt/README.md), each with its answer on the account of `bin/demo`,",
        "whose today is November 24, 2026. The names in it are chosen to break readers.",
        "`python -m docs.questions` writes this page.",
        "",
    ]
    lines += [f"- [{each.title}](#{_anchor(each.title)})" for each in QUESTIONS]
    for question, answer in zip(QUESTIONS, answers, strict=True):
        lines += ["", f"## {question.title}", "", "```sql", *_dedented(question.query), "```", ""]
        lines += _table(answer)
        if question.note:
            lines += ["", question.note]
        if question.chart:
            lines += ["", f"![{question.title}](charts/{question.chart}.svg)"]
    return "\n".join(lines) + "\n"


def _anchor(title: str) -> str:
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _dedented(query: str) -> list[str]:
    return [line[8:] for line in query.strip("\n").rstrip().split("\n")]


def _table(answer: JSON) -> list[str]:
    columns, rows = answer["columns"], answer["rows"]
    numeric = [
        any(type(row[place]) in (int, float) for row in rows) for place in range(len(columns))
    ]
    lines = [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---:" if right else "---" for right in numeric) + "|",
    ]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows[:ROWS]]
    if len(rows) > ROWS:
        lines += ["", f"The first {ROWS} of {len(rows)} rows."]
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    for mark in "\\|*_[]`":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.replace("<", "&lt;").replace("+00:00", "Z").split())


if __name__ == "__main__":
    main()
