"""Entries and expenses that were imported into a workspace that is younger than they are."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from clockify_sandbox.client import Sandbox, start
from integration_tests.airbyte import CONNECTOR, config_of, read
from integration_tests.truth import assert_complete

REPORTS = (
    "detailed_report",
    "summary_report",
    "weekly_report",
    "attendance_report",
    "expense_report",
)
Imported = dict[str, list[str]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=2, entries=5, projects=2, tasks=1, plan="PRO,FREE") as server:
        yield server


@pytest.fixture(scope="module")
def imported(sandbox: Sandbox) -> Imported:
    """The days of two imported entries of each workspace; the first also has an expense."""
    days: Imported = {}
    for number, workspace in enumerate(each["id"] for each in sandbox.workspaces):
        created = date.fromtimestamp(int(workspace[:8], 16))
        # Another day in each.
        before = [created - timedelta(days=number + back) for back in (300, 40)]
        days[workspace] = [day.isoformat() for day in before]
        owner = sandbox.records("users", workspaceId=workspace)[0]["row"]["id"]
        for day in days[workspace]:
            interval = {"start": f"{day}T08:00:00Z", "end": f"{day}T09:30:00Z"}
            fields = {"userId": owner, "timeInterval": interval}
            sandbox.create(workspace, "time-entries", fields)
    rich = sandbox.workspaces[0]["id"]
    sandbox.create(rich, "expenses", {"date": days[rich][0]})
    return days


def test_reports_hold_what_was_imported(sandbox: Sandbox, imported: Imported) -> None:
    rich = sandbox.workspaces[0]["id"]

    output = read(CONNECTOR, config_of(sandbox, workspace_ids=[rich]), REPORTS, in_process=True)

    assert_complete(output, sandbox, REPORTS, [rich])
    starts = {each["start"][:10] for each in output.records["detailed_report"]}
    assert {*imported[rich]} <= starts
    days = {each["date"][:10] for each in output.records["expense_report"]}
    assert imported[rich][0] in days


def test_a_free_workspace_is_read_from_its_creation_and_the_log_says_so(
    sandbox: Sandbox, imported: Imported
) -> None:
    rich, free = (each["id"] for each in sandbox.workspaces)

    output = read(CONNECTOR, config_of(sandbox), ["detailed_report"], in_process=True)

    starts = {each["start"][:10] for each in output.records["detailed_report"]}
    assert {*imported[rich]} <= starts
    assert not starts & {*imported[free]}
    (warning,) = [text for text in output.warnings() if text.startswith("The plan of workspace")]
    assert free in warning
    assert "set Start Date (start_date)" in warning


def test_a_start_date_brings_what_was_imported_into_a_free_workspace(
    sandbox: Sandbox, imported: Imported
) -> None:
    free = sandbox.workspaces[1]["id"]
    config = config_of(sandbox, workspace_ids=[free], start_date=imported[free][1])

    output = read(CONNECTOR, config, ["detailed_report", "summary_report"], in_process=True)

    assert imported[free][1] in {each["start"][:10] for each in output.records["detailed_report"]}
    assert imported[free][1] in {each["date"] for each in output.records["summary_report"]}
