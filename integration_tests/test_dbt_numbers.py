"""The numbers of the dbt package on records that were made by hand, each for one question."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from clockify_sandbox.client import JSON
from integration_tests.dbt_account import Account
from integration_tests.dbt_runner import Dbt, set_up

VARIABLES = {
    "clockify_input": "messages",
    "clockify_schema": "raw",
    "clockify_today": "2026-11-24",
    "clockify_report_severity": "warn",
}
SYNCED_AT = "2026-11-24T09:00:00.000Z"
APPROVED, PENDING, WITHDRAWN = "APPROVED", "PENDING", "WITHDRAWN_SUBMISSION"


def record(
    stream: str, /, version: str = SYNCED_AT, baseline: str = SYNCED_AT, **data: Any
) -> JSON:
    emitted = datetime.fromisoformat(version[:-1]).replace(tzinfo=timezone.utc)
    return {
        "stream": stream,
        "data": {
            "workspaceId": "w",
            **data,
            "_ab_cdc_updated_at": version,
            "_ab_cdc_baseline_at": baseline,
        },
        "emitted_at": int(emitted.timestamp() * 1000),
    }


def entry(entry_id: str, day: str, hours: float = 1, **more: Any) -> JSON:
    """An entry of Uma's from 8 o'clock UTC, billable and with an hourly rate of 60 EUR."""
    row: JSON = {
        "id": entry_id,
        "userId": "uma",
        "billable": True,
        "type": "REGULAR",
        "hourlyRate": {"amount": 6000, "currency": "EUR"},
        "timeInterval": interval(day, hours),
    }
    return record("time_entries", **(row | more))


def interval(day: str, hours: float) -> JSON:
    begins = datetime.fromisoformat(f"{day}T08:00:00+00:00").timestamp()
    ends = datetime.fromtimestamp(begins + hours * 3600, timezone.utc)
    return {"start": f"{day}T08:00:00Z", "end": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}


def reported(entry_id: str, day: str, hours: float = 1, **more: Any) -> JSON:
    row: JSON = {
        "_id": entry_id,
        "userId": "uma",
        "billable": True,
        "type": "REGULAR",
        "currency": "EUR",
        "timeInterval": {**interval(day, hours), "duration": int(hours * 3600)},
    }
    return record("detailed_report", **(row | more))


def user(user_id: str, status: str = "ACTIVE", **more: Any) -> JSON:
    membership = {
        "userId": user_id,
        "targetId": "w",
        "membershipType": "WORKSPACE",
        "membershipStatus": status,
        **more,
    }
    return record(
        "users", id=user_id, name=user_id.title(), status="ACTIVE", memberships=[membership]
    )


def request(request_id: str, state: str, changed_at: str, *entries: str) -> JSON:
    return record(
        "approval_requests",
        id=request_id,
        approvalRequest={
            "owner": {"userId": "uma"},
            "status": {"state": state, "updatedAt": changed_at},
        },
        entries=[{"id": each} for each in entries],
    )


def budget(project_id: str, **more: Any) -> JSON:
    row = {"active": True, "type": "MANUAL", "estimate": 100_000, "includeExpenses": False}
    return record("projects", id=project_id, name=project_id, budgetEstimate={**row, **more})


MONTHLY = {"resetOption": "MONTHLY"}
RECORDS = [
    record("workspaces", id="w", name="Work", hourlyRate={"amount": 0, "currency": "EUR"}),
    *(user(each) for each in ("uma", "odd", "idle", "blank")),
    user("gone", "INACTIVE"),
    record("member_profiles", userId="uma", workCapacity="PT8H", workingDays=["MONDAY", "TUESDAY"]),
    record("member_profiles", userId="odd", workCapacity="PT8H"),
    record("member_profiles", userId="blank", workingDays=["MONDAY"]),
    *(entry(f"{each}-1", "2026-11-02", userId=each) for each in ("odd", "idle", "blank", "gone")),
    # A project that is renamed after its first entry left the window of the report.
    *(
        reported(
            f"renamed-{number}",
            "2026-11-03",
            userId="deleted",
            projectId="p",
            clientId="c",
            projectName=name,
            clientName=name,
            userName="DeletedUser",
            taskId="t",
            taskName=name,
        )
        for number, name in enumerate(("Old", "New"))
    ),
    # Budgets.
    budget("two currencies"),
    entry("two-1", "2026-11-03", projectId="two currencies", taskId="task"),
    entry(
        "two-2",
        "2026-11-03",
        projectId="two currencies",
        taskId="task",
        hourlyRate={"amount": 7000, "currency": "USD"},
    ),
    record("tasks", id="task", projectId="two currencies", name="Task", budgetEstimate=100_000),
    budget("monthly", **MONTHLY),
    entry("monthly-1", "2026-10-31", projectId="monthly", hourlyRate=None),
    entry("monthly-2", "2026-11-30", projectId="monthly"),
    entry("monthly-3", "2026-12-01", projectId="monthly"),
    record(
        "projects",
        id="never",
        name="never",
        timeEstimate={"active": False, "estimate": "PT0S", **MONTHLY},
        budgetEstimate={"active": True, "type": "MANUAL", "estimate": 100_000},
    ),
    entry("never-1", "2026-10-01", projectId="never"),
    entry("never-2", "2026-11-05", projectId="never"),
    entry(
        "never-3",
        "2026-11-05",
        projectId="never",
        billable=False,
        hourlyRate={"amount": 7000, "currency": "USD"},
    ),
    budget("unpriced"),
    entry("unpriced-1", "2026-11-03", projectId="unpriced", hourlyRate=None),
    budget("untouched"),
    # Submissions of the weeks from November 9 on.
    entry("zero", "2026-11-09", 0),
    entry("approved", "2026-11-09"),
    request("r1", APPROVED, "2026-11-15T00:00:00Z", "approved"),
    request("r2", PENDING, "2026-11-15T00:00:00Z", "zero"),
    entry("forth", "2026-11-16"),
    entry("back", "2026-11-17", -1),
    request("r3", APPROVED, "2026-11-23T00:00:00Z", "forth", "back"),
    entry("again", "2026-11-02"),
    reported("again", "2026-11-02", earnedAmount=6000, approvalRequestId="r4"),
    request("r4", WITHDRAWN, "2026-11-08T00:00:00Z", "again"),
    request("r5", PENDING, "2026-11-09T00:00:00Z", "again"),
    # A week with a break.
    entry("break", "2026-10-05", type="BREAK", billable=False, projectId="breaks"),
    entry("work", "2026-10-05", 3, projectId="breaks"),
    entry("without rate", "2026-10-05", 2, projectId="breaks", hourlyRate=None),
    # Invoiced after the report last looked at the entry.
    *(each("invoiced", "2026-09-01", projectId="billed") for each in (entry, reported)),
    *(each("not invoiced", "2026-09-02", projectId="billed") for each in (entry, reported)),
    entry("never reported", "2026-09-03", projectId="billed"),
    record("invoice_details", id="i1", items=[{"timeEntryIds": ["invoiced", "never reported"]}]),
    record(
        "invoices",
        id="i1",
        number="1",
        status="SENT",
        amount=20000,
        paid=5000,
        dueDate="2026-11-20T00:00:00Z",
        currency="EUR",
    ),
    record("invoices", id="i2", number="2", status="PAID", amount=20000, paid=20000, balance=0),
    record("invoices", id="i3", number="3", amount=20000, balance=20000),
    # What the report said before the entry moved to another project, and the project to a client.
    record("projects", id="new project", name="New project", clientId="new client"),
    record("projects", id="nobody's", name="Nobody's", clientId=""),
    entry("moved", "2026-11-03", projectId="new project"),
    entry("nobody's", "2026-11-03", projectId="nobody's"),
    entry("elsewhere", "2026-11-03", projectId="not synced"),
    *(
        reported(
            entry_id,
            "2026-11-03",
            earnedAmount=1,
            currency="USD",
            projectId=project_id,
            projectName="Old project",
            clientId="old client",
            clientName="Old client",
        )
        for entry_id, project_id in (
            ("moved", "old project"),
            ("nobody's", "nobody's"),
            ("elsewhere", "old project"),
        )
    ),
    *(
        each
        for entry_id, rate, more in (
            ("costs nothing known", 0, {}),
            ("costs", 3000, {}),
            ("costs nothing", 0, {"costRate": {"amount": 0, "currency": "EUR"}}),
        )
        for each in (
            entry(entry_id, "2026-08-03", 1, **more),
            reported(entry_id, "2026-08-03", costRate=rate, costAmount=rate),
        )
    ),
    # A receipt that a later sync repeats, without knowing that it had been complete.
    *(
        {
            **record("sync_log", stream="tags", status=status, sent=0, deleted=0),
            "emitted_at": emitted_at,
        }
        for status, emitted_at in (("complete", 1), ("incomplete", 2))
    ),
]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    folder = tmp_path_factory.mktemp("numbers")
    dbt = set_up(folder, VARIABLES)
    dbt.load(Account(RECORDS).write(folder / "records.json"), "messages")
    done = dbt.run("build")
    failed = {name for name, status in done.results.items() if status in ("error", "fail")}
    assert done.returncode == 0, (failed, done.text)
    return dbt


def test_a_project_with_a_former_name_has_one_row_a_day(numbers: Dbt) -> None:
    rows = numbers.ask(
        daily="select count(*), sum(seconds) from analytics.clockify__daily_hours"
        " where project_id = 'p'",
        weekly="select count(*), sum(seconds) from analytics.clockify__weekly_hours"
        " where project_id = 'p'",
    )
    assert rows == {"daily": [[1, 7200]], "weekly": [[1, 7200]]}


def test_amounts_of_two_currencies_are_not_added_up(numbers: Dbt) -> None:
    rows = numbers.ask(
        project="select currency, billable_amount_minor, spent_minor, budget_used"
        " from analytics.clockify__project_budgets where project_id = 'two currencies'",
        task="select currency, spent_minor, budget_used from analytics.clockify__task_estimates",
        days="select currency, billable_amount_minor from analytics.clockify__daily_hours"
        " where project_id = 'two currencies' order by 1",
    )
    assert rows["project"] == [[None, None, None, None]]
    assert rows["task"] == [[None, None, None]]
    assert rows["days"] == [["EUR", 6000], ["USD", 7000]]


def test_a_monthly_budget_counts_its_month_alone(numbers: Dbt) -> None:
    query = (
        "select reset_interval, spent_minor, currency, entries_without_amount"
        " from analytics.clockify__project_budgets where project_id = '{}'"
    )
    rows = numbers.ask(monthly=query.format("monthly"), never=query.format("never"))
    assert rows["monthly"] == [["MONTHLY", 6000, "EUR", 1]]
    assert rows["never"] == [[None, 12000, "EUR", 0]]


def test_an_unknown_amount_of_a_project_is_not_zero(numbers: Dbt) -> None:
    rows = numbers.ask(
        projects="select project_id, billable_amount_minor, cost_amount_minor, spent_minor"
        " from analytics.clockify__project_budgets where project_id like 'un%' order by 1"
    )["projects"]
    assert rows == [["unpriced", None, None, None], ["untouched", 0, 0, 0]]


def test_a_week_without_work_is_expected_to_have_some(
    numbers: Dbt,
) -> None:
    rows = numbers.ask(
        weeks="select user_id, submission, available_seconds from analytics.clockify__submissions"
        " where week_starts_on = date '2026-11-16' and user_id in ('odd', 'idle', 'blank')"
        " order by 1"
    )["weeks"]
    assert rows == [[each, "nothing tracked", None] for each in ("blank", "idle", "odd")]


def test_a_profile_without_working_days_or_hours_has_no_capacity(numbers: Dbt) -> None:
    rows = numbers.ask(
        days="select distinct user_id, capacity_seconds, is_capacity_known"
        " from analytics.clockify__user_days where user_id in ('odd', 'idle', 'blank') order by 1"
    )["days"]
    assert rows == [[each, None, False] for each in ("blank", "idle", "odd")]


def test_a_week_is_approved_if_all_of_its_entries_are(numbers: Dbt) -> None:
    rows = numbers.ask(
        weeks="select week_starts_on, submission, entries_not_submitted"
        " from analytics.clockify__submissions"
        " where user_id = 'uma' and week_starts_on in (date '2026-11-09', date '2026-11-16')"
        " order by 1"
    )["weeks"]
    assert rows == [["2026-11-09", "pending", 0], ["2026-11-16", "approved", 0]]


def test_a_request_in_force_stands_above_a_withdrawn_one(numbers: Dbt) -> None:
    rows = numbers.ask(
        entries="select approval_request_id, approval_state"
        " from analytics.clockify__time_entries where entry_id = 'again'"
    )["entries"]
    assert rows == [["r5", PENDING]]


def test_weekly_hours_tell_work_from_breaks_and_unpriced_time(numbers: Dbt) -> None:
    rows = numbers.ask(
        weeks="select is_billable, sum(seconds), sum(worked_seconds), sum(billable_amount_minor),"
        " sum(seconds_without_billable_amount), sum(seconds_without_cost_amount)"
        " from analytics.clockify__weekly_hours where week_starts_on = date '2026-10-05'"
        " group by 1 order by 1"
    )["weeks"]
    assert rows == [[False, 3600, 0, 0, 0, 3600], [True, 18000, 18000, 18000, 7200, 18000]]


def test_what_an_invoices_lines_hold_is_billed(numbers: Dbt) -> None:
    rows = numbers.ask(
        time="select unbilled_seconds, invoiced_seconds, unknown_seconds, unbilled_since"
        " from analytics.clockify__unbilled_time where project_id = 'billed'",
        entries="select entry_id, invoice_id from analytics.clockify__time_entries"
        " where invoice_id is not null order by 1",
    )
    assert rows["time"] == [[3600, 7200, 0, "2026-09-02"]]
    assert rows["entries"] == [["invoiced", "i1"], ["never reported", "i1"]]


def test_an_invoice_is_open_until_it_is_paid(numbers: Dbt) -> None:
    rows = numbers.ask(
        invoices="select invoice_number, is_open, balance_minor, days_overdue, age, payments,"
        " is_paid_as_payments_say from analytics.clockify__invoices order by 1"
    )["invoices"]
    assert rows == [
        ["1", True, 15000, 4, "1 to 30 days", None, None],
        ["2", False, 0, None, "paid", None, None],
        ["3", False, 20000, None, None, None, None],
    ]


def test_a_user_who_was_deactivated_is_told_from_a_member(numbers: Dbt) -> None:
    rows = numbers.ask(
        users="select user_id, membership_status, is_listed from analytics.clockify__users"
        " where user_id in ('deleted', 'gone', 'uma') order by 1"
    )["users"]
    assert rows == [["deleted", None, False], ["gone", "INACTIVE", True], ["uma", "ACTIVE", True]]


def test_an_older_row_of_the_report_names_neither_client_nor_amount(numbers: Dbt) -> None:
    rows = numbers.ask(
        entries="select entry_id, project_name, client_id, client_name, billable_amount_minor,"
        " currency from analytics.clockify__time_entries"
        " where entry_id in ('moved', 'nobody''s', 'elsewhere') order by 1"
    )["entries"]
    assert rows == [
        ["elsewhere", None, None, None, 6000, "EUR"],
        ["moved", "New project", "new client", None, 6000, "EUR"],
        ["nobody's", "Nobody's", None, None, 1, "USD"],
    ]


def test_of_two_receipts_of_a_sync_the_complete_one_holds(numbers: Dbt) -> None:
    rows = numbers.ask(
        receipts="select status, problem from analytics.clockify__sync_completeness"
    )["receipts"]
    assert rows == [["complete", None]]


def test_a_cost_of_0_in_the_report_is_none_without_a_cost_rate(numbers: Dbt) -> None:
    rows = numbers.ask(
        entries="select entry_id, cost_amount_minor, is_cost_amount_known"
        " from analytics.clockify__time_entries where entry_id like 'costs%' order by 1"
    )["entries"]
    assert rows == [
        ["costs", 3000, True],
        ["costs nothing", 0, True],
        ["costs nothing known", None, False],
    ]


def euros(amount: int) -> JSON:
    return {"hourlyRate": {"amount": amount, "currency": "EUR"}}


def unpriced(entry_id: str, **more: Any) -> JSON:
    """An hour without a rate, on November 3 in Tokyo."""
    interval = {"start": "2026-11-02T20:00:00Z", "end": "2026-11-02T21:00:00Z"}
    return entry(entry_id, "2026-11-02", **{"hourlyRate": None, "timeInterval": interval, **more})


def test_settings_choose_the_messages_the_day_and_todays_rates(tmp_path: Path) -> None:
    member = {"userId": "uma", "membershipType": "PROJECT", **euros(4000)}
    records = [
        record("workspaces", id="w", name="Work", **euros(1000)),
        user("uma", **euros(2000)),
        user("odd"),
        record("projects", id="p", name="P", memberships=[member], **euros(3000)),
        record("tasks", id="t", projectId="p", name="T", **euros(5000)),
        unpriced("1", userId="odd"),
        unpriced("2"),
        unpriced("3", userId="odd", projectId="p"),
        unpriced("4", projectId="p"),
        unpriced("5", projectId="p", taskId="t"),
        unpriced("6", projectId="p", taskId="t", **euros(6000)),
    ]
    variables = {
        **VARIABLES,
        "clockify_table_prefix": "c_",
        "clockify_namespace": "ours",
        "clockify_fallback_time_zone": "Asia/Tokyo",
        "clockify_minor_units": 1000,
        "clockify_use_current_rates": True,
    }
    dbt = set_up(tmp_path, variables)
    sent = [
        *({**each, "stream": f"c_{each['stream']}", "namespace": "ours"} for each in records),
        {**unpriced("other prefix"), "stream": "d_time_entries", "namespace": "ours"},
        {**unpriced("other namespace"), "stream": "c_time_entries", "namespace": "theirs"},
    ]
    dbt.load(Account(sent).write(tmp_path / "records.json"), "messages")
    done = dbt.run("run", "--select", "+clockify__time_entries")
    assert done.returncode == 0, done.text
    rows = dbt.ask(
        entries="select entry_id, day, hourly_rate_of, billable_amount"
        " from analytics.clockify__time_entries order by 1"
    )["entries"]
    assert rows == [
        [str(place), "2026-11-03", name, place]
        for place, name in enumerate(
            ("workspace", "workspace member", "project", "project member", "task", "entry"), start=1
        )
    ]
