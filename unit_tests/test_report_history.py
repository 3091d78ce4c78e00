"""Reports of workspaces whose entries are older than the workspace: imported history."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from unit_tests.clockify import (
    OTHER_WORKSPACE,
    REPORTS,
    USER,
    Clockify,
    Connect,
    config,
    error_body,
    failure,
    ids,
    read,
    read_ok,
    records,
    statuses,
    warnings,
    workspace,
)
from unit_tests.protocol import errors_of

# Created on October 25, 2026, a month before the present of the tests.
YOUNG = "6addef400000000000000001"
CREATED = date(2026, 10, 25)
ANY_RANGE = [
    "ONE_MONTH_RANGE_REPORTS",
    "ONE_YEAR_RANGE_REPORTS",
    "UNLIMITED_REPORTS",
    "ATTENDANCE_REPORT",
    "EXPENSES",
]
ENTRY_REPORTS = ("detailed_report", "summary_report", "weekly_report", "attendance_report")
IMPORTED = ("2019-03-05T08:00:00Z", "2023-06-01T08:00:00Z", "2026-10-30T08:00:00Z")


class Reports:
    """Serves the reports of a workspace, and knows what was asked.

    Attributes:
        entries: the starts of its time entries.
        expenses: the days of its expenses.
        refuses: returns the answer for a window that is refused, None for one that is not.
        sorts: whether rows come in the order that was asked for.
    """

    def __init__(self, clockify: Clockify, of: str = YOUNG) -> None:
        self.entries: tuple[str, ...] = IMPORTED
        self.expenses: tuple[str, ...] = ()
        self.refuses: Any = lambda first, last: None
        self.sorts = True
        self._of = of
        self._clockify = clockify
        clockify.users(USER, of=of)
        base = f"{REPORTS}/workspaces/{of}/reports"
        for name in ("detailed", "summary", "weekly", "attendance", "expenses/detailed"):
            clockify.mocker.post(f"{base}/{name}", json=self._answer)

    def _answer(self, request: Any, context: Any) -> Any:
        body = request.json()
        first, last = body["dateRangeStart"][:10], body["dateRangeEnd"][:10]
        refusal = self.refuses(first, last)
        if refusal is not None:
            context.status_code, answer = refusal
            return answer
        if request.url.endswith("/expenses/detailed"):
            days = [day for day in self.expenses if first <= day <= last]
            expenses = [{"id": day, "date": day} for day in self._in_order(days)]
            found = expenses[: body["pageSize"]]
            return {"expenses": found, "totals": {"expensesCount": len(expenses)}}
        starts = self._in_order([each for each in self.entries if first <= each[:10] <= last])
        days = sorted({each[:10] for each in starts})
        filters = body.get("detailedFilter", {})
        rows = [{"_id": each, "timeInterval": {"start": each, "end": each}} for each in starts]
        return {
            "timeentries": rows[: filters.get("pageSize")],
            "groupOne": [{"_id": day, "name": day} for day in days],
            "entities": [{"userId": "u", "date": day} for day in days],
            "totals": [{"entriesCount": len(starts)}],
        }

    def _in_order(self, found: list[str]) -> list[str]:
        return sorted(found, reverse=not self.sorts)

    def probes(self, path: str = "/detailed") -> list[tuple[str, str]]:
        """Return the windows in which the oldest row was sought, in order."""
        return self._windows(path, probing=True)

    def windows(self, path: str = "/detailed") -> list[tuple[str, str]]:
        """Return the windows that were read."""
        return sorted(self._windows(path, probing=False))

    def _windows(self, path: str, *, probing: bool) -> list[tuple[str, str]]:
        bodies = [each.json() for each in self._clockify.sent(f"{self._of}/reports{path}")]
        return [
            (body["dateRangeStart"][:10], body["dateRangeEnd"][:10])
            for body in bodies
            if probing == (body.get("detailedFilter", body).get("pageSize") == 1)
        ]


def account(clockify: Clockify, features: list[str] | None = None, **fields: Any) -> Reports:
    """Serve the young workspace with these features, those of a plan without limits by default."""
    held = ANY_RANGE if features is None else features
    clockify.workspaces(workspace(YOUNG, **{"features": held, **fields}))
    return Reports(clockify)


ANCIENT = ("0001-01-01", "1999-12-31")
BEFORE = ("2000-01-01", "2026-10-24")


def test_every_report_begins_with_the_oldest_entry(clockify: Clockify) -> None:
    reports = account(clockify)

    output = read_ok(*ENTRY_REPORTS)

    assert ids(output, "detailed_report") == sorted(IMPORTED)
    for stream in ("summary_report", "attendance_report"):
        days = sorted(record["date"] for record in records(output, stream))
        assert days == [start[:10] for start in IMPORTED], stream
    weeks = sorted(record["weekStart"] for record in records(output, "weekly_report"))
    assert weeks == ["2019-03-04", "2023-05-29", "2026-10-26"]
    for path in ("/detailed", "/summary", "/attendance"):
        first = reports.windows(path)[0]
        assert first[0] <= "2019-03-05" <= first[1], path
    assert warnings(output) == []


@pytest.mark.parametrize("workers", [2, 20])
def test_one_probe_serves_all_reports_and_a_second_one_proves_it(
    clockify: Clockify, workers: int
) -> None:
    reports = account(clockify)

    read_ok(*ENTRY_REPORTS, with_config=config(num_workers=workers))

    assert reports.probes() == [BEFORE, ("2000-01-01", "2019-03-04"), ANCIENT]


def test_a_probe_asks_for_one_row_in_utc(clockify: Clockify) -> None:
    account(clockify)

    read_ok("detailed_report")

    first = clockify.sent("/reports/detailed")[0].json()
    assert first == {
        "dateRangeStart": "2000-01-01T00:00:00.000Z",
        "dateRangeEnd": "2026-10-24T23:59:59.999Z",
        "timeZone": "UTC",
        "exportType": "JSON",
        "sortOrder": "ASCENDING",
        "amountShown": "HIDE_AMOUNT",
        "detailedFilter": {
            "sortColumn": "DATE",
            "page": 1,
            "pageSize": 1,
            "options": {"totals": "EXCLUDE"},
        },
    }


def test_a_workspace_without_imported_entries_is_read_from_its_creation(clockify: Clockify) -> None:
    reports = account(clockify)
    reports.entries = ("2026-10-25T08:00:00Z",)

    output = read_ok("detailed_report")

    assert ids(output) == ["2026-10-25T08:00:00Z"]
    assert reports.probes() == [BEFORE, ANCIENT]
    first, last = reports.windows()[0]
    assert first <= CREATED.isoformat() <= last


def test_a_server_that_does_not_sort_leaves_nothing_out(clockify: Clockify) -> None:
    reports = account(clockify)
    reports.sorts = False
    reports.entries = tuple(f"20{year:02d}-05-05T08:00:00Z" for year in range(5, 27, 2))

    assert ids(read_ok("detailed_report")) == sorted(reports.entries)


def test_the_expense_report_begins_with_the_oldest_expense(clockify: Clockify) -> None:
    reports = account(clockify)
    reports.expenses = ("2018-02-03", "2026-11-01")

    output = read_ok("expense_report", "detailed_report")

    assert ids(output, "expense_report") == ["2018-02-03", "2026-11-01"]
    assert reports.probes("/expenses/detailed") == [BEFORE, ("2000-01-01", "2018-02-02"), ANCIENT]
    first, last = reports.windows("/expenses/detailed")[0]
    assert first <= "2018-02-03" <= last


def test_every_workspace_has_a_history_of_its_own(clockify: Clockify) -> None:
    features = {"features": ANY_RANGE}
    clockify.workspaces(workspace(YOUNG, **features), workspace(OTHER_WORKSPACE, **features))
    young, other = Reports(clockify), Reports(clockify, OTHER_WORKSPACE)
    other.entries = ("2012-01-01T08:00:00Z", "2026-11-01T09:00:00Z")

    output = read_ok("detailed_report")

    assert ids(output) == sorted([*young.entries, *other.entries])


def test_a_named_workspace_is_probed_too(clockify: Clockify) -> None:
    account(clockify)

    output = read_ok("detailed_report", with_config=config(workspace_ids=[YOUNG]))

    assert ids(output) == sorted(IMPORTED)


# Plans that limit the range -----------------------------------------------------------------------


def test_on_a_plan_of_a_month_the_sync_says_where_reports_begin(
    clockify: Clockify,
) -> None:
    reports = account(clockify, ["ONE_MONTH_RANGE_REPORTS"], featureSubscriptionType="FREE")

    output = read_ok("detailed_report", "summary_report", with_config=config(plan="free"))

    assert reports.probes() == []
    assert ids(output, "detailed_report") == ["2026-10-30T08:00:00Z"]
    (warning,) = warnings(output)
    for named in (YOUNG, "Acme", "detailed_report, summary_report", "2026-10-25"):
        assert named in warning
    assert "Start Date (start_date)" in warning


def test_a_plan_of_a_year_is_probed_year_by_year_until_a_row_is_found(clockify: Clockify) -> None:
    reports = account(clockify, ["ONE_MONTH_RANGE_REPORTS", "ONE_YEAR_RANGE_REPORTS"])

    output = read_ok("detailed_report")

    assert ids(output) == sorted(IMPORTED)
    years = [(f"{year}-01-01", f"{year}-12-31") for year in range(2000, 2020)]
    assert reports.probes() == [*years, ("2019-01-01", "2019-03-04")]
    assert warnings(output) == []


@pytest.mark.parametrize("features", [None, ["SOMETHING_ELSE"], ["ONE_YEAR_RANGE_REPORTS"]])
@pytest.mark.parametrize("status", [400, 402, 403])
def test_after_a_refused_probe_reports_begin_with_the_workspace(
    clockify: Clockify, features: list[str] | None, status: int
) -> None:
    reports = account(clockify, features or [])

    def refuses(first: str, last: str) -> Any:
        wide = date.fromisoformat(last) - date.fromisoformat(first)
        return (status, error_body(501, "Upgrade!")) if wide.days > 31 else None

    reports.refuses = refuses

    output = read_ok("detailed_report", "weekly_report")

    assert ids(output, "detailed_report") == ["2026-10-30T08:00:00Z"]
    assert len(reports.probes()) == 1
    (warning,) = warnings(output)
    for named in (YOUNG, "detailed_report, weekly_report", "2026-10-25", "Upgrade!"):
        assert named in warning
    assert "Start Date (start_date)" in warning


def test_a_probe_that_fails_fails_each_report_once(clockify: Clockify) -> None:
    reports = account(clockify)
    reports.refuses = lambda first, last: (500, {}) if last == BEFORE[1] else None

    output = read("detailed_report", "weekly_report", "expense_report")

    for stream in ("detailed_report", "weekly_report", "expense_report"):
        assert "reports/" in failure(output, stream).message
        assert statuses(output, stream)[-1] == "INCOMPLETE"
    named = [error.stream_descriptor for error in errors_of(output)]
    assert sorted(each.name for each in named if each is not None) == [
        "detailed_report",
        "expense_report",
        "weekly_report",
    ]
    assert [len(reports.probes(path)) for path in ("/detailed", "/expenses/detailed")] == [8, 8]


def test_entries_from_before_2000_are_named_as_left_out(clockify: Clockify) -> None:
    reports = account(clockify)
    reports.entries = ("0022-05-01T08:00:00Z", *IMPORTED)

    output = read_ok("detailed_report", "summary_report")

    assert ids(output, "detailed_report") == sorted(IMPORTED)
    (warning,) = warnings(output)
    for named in (YOUNG, "0022-05-01T08:00:00Z", "detailed_report, summary_report", "time_entries"):
        assert named in warning


def test_nothing_is_said_of_2000_where_the_server_refuses_to_look(clockify: Clockify) -> None:
    reports = account(clockify)
    reports.refuses = lambda first, last: (400, error_body(3001, "?")) if first < "2" else None

    output = read_ok("detailed_report")

    assert ids(output) == sorted(IMPORTED)
    assert warnings(output) == []


# When no probe is sent ----------------------------------------------------------------------------


def test_a_start_date_needs_no_probe(clockify: Clockify) -> None:
    reports = account(clockify)

    output = read_ok("detailed_report", with_config=config(start_date="2019-01-01"))

    assert ids(output) == sorted(IMPORTED)
    assert reports.probes() == []


def states_of(connect: Connect, **settings: Any) -> Any:
    return connect("detailed_report", resend_changes=0, **settings)


@pytest.mark.parametrize("lookback", [30, 400])
def test_a_later_sync_needs_no_probe_and_misses_no_imported_entry(
    clockify: Clockify, connect: Connect, lookback: int
) -> None:
    reports = account(clockify)
    reports.entries = ("2019-03-05T08:00:00Z", "2026-01-10T08:00:00Z", "2026-10-30T08:00:00Z")
    connection = states_of(connect, lookback_days=lookback)
    assert len(records(connection.sync())) == 3
    sent = len(reports.probes())

    assert records(connection.sync()) == []
    assert len(reports.probes()) == sent
    reports.entries = reports.entries[1:]
    assert records(connection.sync()) == []


@pytest.mark.parametrize("settings", [{"track_changes": False}, {}])
def test_a_new_workspace_is_probed_in_a_later_sync(
    clockify: Clockify, connect: Connect, settings: Mapping[str, Any]
) -> None:
    reports = account(clockify)
    connection = states_of(connect, **settings)
    connection.sync()
    shown = [workspace(each, features=ANY_RANGE) for each in (YOUNG, OTHER_WORKSPACE)]
    clockify.workspaces(*shown)
    other = Reports(clockify, OTHER_WORKSPACE)
    other.entries = ("2012-01-01T08:00:00Z",)
    sent = len(reports.probes())

    output = connection.sync()

    assert "2012-01-01T08:00:00Z" in ids(output)
    assert len(reports.probes()) == sent
    assert other.probes()


def test_a_full_refresh_probes_every_time(clockify: Clockify) -> None:
    reports = account(clockify)
    for syncs in (1, 2):
        assert ids(read_ok("detailed_report")) == sorted(IMPORTED)
        assert len(reports.probes()) == 3 * syncs
