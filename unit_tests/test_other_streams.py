"""Money, time off, planning, administration, aggregated reports: what is asked, what comes."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from freezegun.api import FrozenDateTimeFactory

from unit_tests.clockify import (
    API,
    NOW,
    REPORTS,
    WORKSPACE,
    Clockify,
    config,
    failure,
    final_state,
    ids,
    query,
    read,
    read_ok,
    records,
    warnings,
    workspace,
)
from unit_tests.protocol import content_of

INVOICE = "712345678901234567890123"
POLICY = "812345678901234567890123"
WEBHOOK = "64e777123456789012345679"
AUDIT_LOG = "https://auditlog-api.api.clockify.me/v1"
SECRET = "the-secret-that-signs-calls"
SETTINGS = {"start_date": "2026-11-01T00:00:00Z"}
EVENT_TIME = "2026-11-02T08:00:00Z"


def period(start: str) -> dict[str, Any]:
    return {"period": {"start": start, "end": "2027-06-01T00:00:00Z"}}


def approval(identifier: str, updated_at: str | None) -> dict[str, Any]:
    status = {"state": "PENDING", "updatedAt": updated_at}
    return {"approvalRequest": {"id": identifier, "status": status}, "entries": []}


# Path below the workspace, body, and the records that must come of it.
LISTINGS: dict[str, tuple[str, Any, list[dict[str, Any]]]] = {
    "expenses": (
        "expenses",
        {"expenses": {"count": 1, "expenses": [{"id": "1"}]}, "dailyTotals": [{"date": "x"}]},
        [{"id": "1"}],
    ),
    "invoices": (
        "invoices",
        {"total": 1, "invoices": [{"id": INVOICE}]},
        [{"id": INVOICE, "workspaceId": WORKSPACE}],
    ),
    "invoice_settings": (
        "invoices/settings",
        {"defaults": {"notes": "N"}},
        [{"defaults": {"notes": "N"}, "workspaceId": WORKSPACE}],
    ),
    "holidays": ("holidays", [{"id": "1"}], [{"id": "1"}]),
    "time_off_policies": ("time-off/policies", [{"id": POLICY}], [{"id": POLICY}]),
    "scheduling_assignments": (
        "scheduling/assignments/all",
        [{"id": "old", **period("2026-10-31T23:59:59Z")}, {"id": "1", **period(EVENT_TIME)}],
        [{"id": "1", **period(EVENT_TIME), "periodStart": EVENT_TIME, "cursor": EVENT_TIME}],
    ),
    "approval_requests": (
        "approval-requests",
        [approval("1", EVENT_TIME), approval("2", None)],
        [
            {
                **approval("1", EVENT_TIME),
                "id": "1",
                "workspaceId": WORKSPACE,
                "updatedAt": EVENT_TIME,
            },
            {**approval("2", None), "id": "2", "workspaceId": WORKSPACE},
        ],
    ),
    "webhooks": (
        "webhooks",
        {"webhooks": [{"id": WEBHOOK, "authToken": SECRET}], "workspaceWebhookCount": 1},
        [{"id": WEBHOOK, "workspaceId": WORKSPACE}],
    ),
}


@pytest.mark.parametrize("stream", LISTINGS)
def test_a_listing_comes_out_of_its_envelope_with_the_ids_of_its_path(
    clockify: Clockify, stream: str
) -> None:
    path, body, expected = LISTINGS[stream]
    clockify.workspaces()
    clockify.answer(f"/workspaces/{WORKSPACE}/{path}", {"json": body})

    output = read_ok(stream, with_config=config(**SETTINGS))

    assert records(output) == expected
    assert SECRET not in str(output.records)


@pytest.mark.parametrize("stream", ["invoice_details", "invoice_payments"])
def test_parts_of_invoices_name_their_invoice(clockify: Clockify, stream: str) -> None:
    clockify.workspaces()
    invoices = f"/workspaces/{WORKSPACE}/invoices"
    clockify.answer(invoices, {"json": {"total": 1, "invoices": [{"id": INVOICE}]}})
    clockify.answer(f"{invoices}/{INVOICE}", {"json": {"id": "1"}})
    clockify.answer(f"{invoices}/{INVOICE}/payments", {"json": [{"id": "1"}]})

    output = read_ok(stream)

    assert records(output) == [{"id": "1", "workspaceId": WORKSPACE, "invoiceId": INVOICE}]


def test_balances_name_their_policy(clockify: Clockify) -> None:
    clockify.workspaces()
    time_off = f"/workspaces/{WORKSPACE}/time-off"
    clockify.answer(f"{time_off}/policies", {"json": [{"id": POLICY}]})
    clockify.answer(
        f"{time_off}/balance/policy/{POLICY}", {"json": {"balances": [{"userId": "1"}]}}
    )

    output = read_ok("time_off_balances")

    assert records(output) == [{"userId": "1", "workspaceId": WORKSPACE, "policyId": POLICY}]


def test_each_expense_category_comes_once_whatever_the_parameter_does(clockify: Clockify) -> None:
    """A server that ignores `archived` answers both passes with all categories."""
    categories = [{"id": "1", "archived": False}, {"id": "2", "archived": True}, {"id": "3"}]
    clockify.workspaces()
    path = f"/workspaces/{WORKSPACE}/expenses/categories"
    clockify.answer(path, {"json": {"categories": categories, "count": 3}})

    output = read_ok("expense_categories")

    assert sorted(record["id"] for record in records(output)) == ["1", "2", "3"]
    assert sorted(query(request)["archived"] for request in clockify.sent(path)) == [
        "false",
        "true",
    ]


def test_time_off_requests_are_read_whole_and_counted(clockify: Clockify) -> None:
    """The announced number decides, not the page size: this server serves one row a page."""
    clockify.workspaces()
    path = f"/workspaces/{WORKSPACE}/time-off/requests"

    def answer(request: Any, context: Any) -> Mapping[str, Any]:
        page = request.json()["page"]
        return {
            "count": 2,
            "requests": [{"id": str(page), "createdAt": f"{EVENT_TIME[:19]}.123456789Z"}],
        }

    clockify.mocker.post(API + path, json=answer)

    output = read_ok("time_off_requests", incremental=True)

    assert [record["cursor"] for record in records(output)] == [EVENT_TIME, EVENT_TIME]
    assert [request.json() for request in clockify.sent(path)] == [
        {"statuses": ["ALL"], "page": page, "pageSize": 200} for page in (1, 2)
    ]


def test_webhook_logs_are_asked_for_from_the_start_date(clockify: Clockify) -> None:
    clockify.workspaces()
    webhooks = f"/workspaces/{WORKSPACE}/webhooks"
    clockify.answer(webhooks, {"json": {"webhooks": [{"id": WEBHOOK}]}})
    clockify.mocker.post(
        f"{API}{webhooks}/{WEBHOOK}/logs", json=[{"id": "1", "respondedAt": EVENT_TIME}]
    )

    output = read_ok("webhook_logs", with_config=config(**SETTINGS), incremental=True)

    request, following = clockify.sent(f"{webhooks}/{WEBHOOK}/logs")
    assert query(request) == {"page": "0", "size": "50"}
    assert query(following) == {"page": "1", "size": "50"}
    assert request.json()["from"] == SETTINGS["start_date"]
    assert records(output) == [
        {
            "id": "1",
            "respondedAt": EVENT_TIME,
            "workspaceId": WORKSPACE,
            "webhookId": WEBHOOK,
        }
    ]


def audit_log(clockify: Clockify, everybody: Any, system: Any = ()) -> None:
    """Serve the audit log on one page: what users did, and Clockify's own events."""

    def answer(request: Any, context: Any) -> Any:
        body = request.json()
        if body["page"] > 0:
            return []
        return list(system) if body["authors"]["authorIds"] == ["SYSTEM"] else everybody

    clockify.mocker.post(f"{AUDIT_LOG}/workspaces/{WORKSPACE}/audit-log", json=answer)


def test_equal_rows_of_the_audit_log_have_different_ids(clockify: Clockify) -> None:
    clockify.workspaces()
    row = {"action": "CREATE_TAG", "timestamp": EVENT_TIME, "userId": "1"}
    audit_log(clockify, [row, row])

    output = read_ok("audit_log", with_config=config(**SETTINGS), incremental=True)

    first, second = (record["id"] for record in records(output))
    assert len(first) == 64
    assert second == f"{first}-2"


def test_the_audit_log_of_a_region_is_not_looked_for_on_the_global_host(
    clockify: Clockify,
) -> None:
    settings = config(**SETTINGS, server={"server_type": "region", "region": "eu"})
    settings["workspace_ids"] = [WORKSPACE]

    output = read("audit_log", with_config=settings)

    assert "audit_log_url" in failure(output, "audit_log").message
    assert clockify.sent() == []


@pytest.mark.parametrize(
    ("change", "times"),
    [
        ("created", {"auditMetadata": {"createdAt": EVENT_TIME}}),
        ("updated", {"auditMetadata": {"updatedAt": EVENT_TIME}}),
        ("deleted", {"deletedAt": EVENT_TIME}),
    ],
)
def test_entity_changes_of_every_type_are_asked_for(
    clockify: Clockify, change: str, times: dict[str, Any]
) -> None:
    clockify.workspaces()
    row = {"id": "1", "documentCode": "TAGS", **times}
    path = f"/workspaces/{WORKSPACE}/entities/{change}"
    clockify.answer(path, {"json": [row]})

    output = read_ok(f"entity_changes_{change}", with_config=config(**SETTINGS), incremental=True)

    assert records(output) == [{**row, "workspaceId": WORKSPACE, "timestamp": EVENT_TIME}]
    request, _ = clockify.sent(path)
    assert request.url.count("type=") == 17
    assert query(request)["page"] == "0"


def report(clockify: Clockify, path: str, body: Any) -> None:
    clockify.mocker.post(f"{REPORTS}/workspaces/{WORKSPACE}/reports/{path}", json=body)


def windows(clockify: Clockify) -> list[tuple[str, str]]:
    bodies = (request.json() for request in clockify.sent(method="POST"))
    return sorted((body["dateRangeStart"], body["dateRangeEnd"]) for body in bodies)


def test_the_weekly_report_is_asked_for_whole_weeks(clockify: Clockify) -> None:
    clockify.workspaces()
    report(clockify, "weekly", {"groupOne": [{"_id": "1"}, {"_id": None}]})

    output = read_ok("weekly_report", with_config=config(**SETTINGS), incremental=True)

    # 31 days ahead is a Friday: its week ends later.
    mondays = [f"{date(2026, 10, 26) + timedelta(weeks=number)}" for number in range(8)]
    sundays = [f"{date(2026, 11, 1) + timedelta(weeks=number)}" for number in range(8)]
    assert windows(clockify) == [
        (f"{monday}T00:00:00.000Z", f"{sunday}T23:59:59.999Z")
        for monday, sunday in zip(mondays, sundays, strict=True)
    ]
    assert sorted((record["weekStart"], record["_id"]) for record in records(output)) == [
        (monday, group) for monday in mondays for group in ("1", "none")
    ]


@pytest.mark.parametrize(
    ("now", "last_day"), [("2026-11-25", "2026-12-20"), ("2026-11-26", "2026-12-27")]
)
def test_the_last_week_is_the_last_one_that_ends_within_31_days(
    clockify: Clockify, clock: FrozenDateTimeFactory, now: str, last_day: str
) -> None:
    clock.move_to(now)
    clockify.workspaces()
    report(clockify, "weekly", {"groupOne": []})

    read_ok("weekly_report", with_config=config(**SETTINGS))

    assert windows(clockify)[-1][1] == f"{last_day}T23:59:59.999Z"


def test_the_attendance_report_ends_today(clockify: Clockify) -> None:
    clockify.workspaces()
    report(clockify, "attendance", {"entities": [{"userId": "1", "date": "2026-11-02"}]})

    output = read_ok("attendance_report", with_config=config(**SETTINGS), incremental=True)

    assert len(records(output)) == 1
    assert windows(clockify) == [("2026-11-01T00:00:00.000Z", "2026-11-24T23:59:59.999Z")]
    state = content_of(final_state(output, "attendance_report"))
    assert [each["cursor"]["date"] for each in state["states"]] == ["2026-11-02"]


PAST, TODAY, AHEAD = "2026-11-02", NOW[:10], "2026-12-18"
MONDAY = "2026-11-23"


def summary_of(days: list[str]) -> Any:
    return {"groupOne": [{"_id": day, "name": f"Day {day}", "duration": 60} for day in days]}


def week_of(days: list[str]) -> Any:
    return {"groupOne": [{"_id": day, "duration": 60} for day in days]}


def expenses_of(days: list[str]) -> Any:
    dates = {day: day if day == TODAY else f"{day}T08:00:00Z" for day in days}
    rows = [{"id": day, "date": written} for day, written in dates.items()]
    return {"totals": {"expensesCount": len(rows)}, "expenses": rows}


# The reports of what is planned: path, body, last day, and the cursors of the three days.
PLANNED: dict[str, tuple[str, Callable[[list[str]], Any], str, list[str]]] = {
    "summary_report": ("summary", summary_of, "2026-12-25", [PAST, TODAY, TODAY]),
    "weekly_report": ("weekly", week_of, "2026-12-20", [PAST, MONDAY, MONDAY]),
    "expense_report": ("expenses/detailed", expenses_of, "2026-12-25", [PAST, TODAY, TODAY]),
}
each_planned = pytest.mark.parametrize("stream", PLANNED)
each_layer = pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])


def serve_days(clockify: Clockify, stream: str, *days: str) -> None:
    """Serve a report that holds these days: of a window those that lie in it."""
    path, body_of, *_ = PLANNED[stream]

    def answer(request: Any, context: Any) -> Any:
        asked = request.json()
        first, last = asked["dateRangeStart"][:10], asked["dateRangeEnd"][:10]
        return body_of([day for day in days if first <= day <= last])

    report(clockify, path, answer)


def cursors_of(output: EntrypointOutput, stream: str) -> list[str]:
    state = content_of(final_state(output, stream))
    return [each["cursor"]["cursor"] for each in state["states"]]


@each_layer
@each_planned
def test_what_is_planned_is_read_but_no_cursor_passes_the_present(
    clockify: Clockify, stream: str, alone: bool
) -> None:
    clockify.workspaces()
    serve_days(clockify, stream, PAST, TODAY, AHEAD)
    *_, last_day, cursors = PLANNED[stream]

    output = read_ok(stream, with_config=config(**SETTINGS), incremental=True, manifest_alone=alone)

    assert ids(output) == [PAST, TODAY, AHEAD]
    assert sorted(record["cursor"] for record in records(output)) == cursors
    assert cursors_of(output, stream) == cursors[-1:]
    assert windows(clockify)[-1][1] == f"{last_day}T23:59:59.999Z"


def test_a_day_of_the_summary_report_is_one_record(clockify: Clockify) -> None:
    clockify.workspaces()
    serve_days(clockify, "summary_report", PAST)

    output = read_ok("summary_report", with_config=config(**SETTINGS))

    (group,) = summary_of([PAST])["groupOne"]
    assert records(output) == [{**group, "workspaceId": WORKSPACE, "date": PAST, "cursor": PAST}]
    assert windows(clockify) == [
        ("2026-11-01T00:00:00.000Z", "2026-12-01T23:59:59.999Z"),
        ("2026-12-02T00:00:00.000Z", "2026-12-25T23:59:59.999Z"),
    ]


def test_an_expense_without_a_date_has_no_cursor(clockify: Clockify) -> None:
    clockify.workspaces()
    body = {"totals": {"expensesCount": 1}, "expenses": [{"id": "1", "date": None}]}
    report(clockify, "expenses/detailed", body)

    (record, *_) = records(read_ok("expense_report", with_config=config(**SETTINGS)))

    assert record == {"id": "1", "workspaceId": WORKSPACE}


# The lookback, and the first day that is read with it: of days, and of weeks.
LOOKBACKS = [
    (1, "2026-11-23", "2026-11-16"),
    (7, "2026-11-17", "2026-11-16"),
    (30, "2026-10-25", "2026-10-19"),
]


@each_layer
@each_planned
@pytest.mark.parametrize("case", LOOKBACKS)
def test_a_later_sync_of_plans_begins_the_lookback_before_the_present(
    clockify: Clockify, stream: str, case: tuple[int, str, str], alone: bool
) -> None:
    lookback, day, week = case
    clockify.workspaces()
    serve_days(clockify, stream, TODAY, AHEAD)
    settings = config(start_date="2026-09-01T00:00:00Z", lookback_days=lookback)
    options: dict[str, Any] = {"with_config": settings, "manifest_alone": alone}
    first = read_ok(stream, incremental=True, **options)
    begin = week if stream == "weekly_report" else day
    before = f"{date.fromisoformat(begin) - timedelta(days=1)}"
    late = "2026-11-30"
    serve_days(clockify, stream, before, begin, TODAY, late, AHEAD)
    clockify.mocker.reset_mock()

    second = read_ok(stream, incremental=True, state=[final_state(first, stream)], **options)

    assert ids(second) == sorted({begin, TODAY, late, AHEAD})
    assert windows(clockify)[0][0] == f"{begin}T00:00:00.000Z"
    assert cursors_of(second, stream) == cursors_of(first, stream)


@each_layer
def test_the_weekly_report_goes_on_from_a_day_that_is_no_monday(
    clockify: Clockify, alone: bool
) -> None:
    """Were the first window to begin after the cursor, it would stay there for ever."""
    clockify.workspaces()
    serve_days(clockify, "weekly_report", "2026-11-16", TODAY)
    settings = config(start_date="2026-09-01T00:00:00Z", lookback_days=1)
    options: dict[str, Any] = {"with_config": settings, "manifest_alone": alone}
    first = read_ok("weekly_report", incremental=True, **options)
    state = final_state(first, "weekly_report")
    content_of(state)["states"][0]["cursor"]["cursor"] = "2026-11-19"

    output = read_ok("weekly_report", incremental=True, state=[state], **options)

    assert ids(output) == ["2026-11-16", TODAY]
    assert cursors_of(output, "weekly_report") == [MONDAY]


@each_planned
def test_without_tracking_it_goes_on_from_the_last_tracked_read(
    clockify: Clockify, stream: str
) -> None:
    clockify.workspaces()
    clockify.answer("/user", {"json": {"id": "1"}})
    clockify.users("1")
    serve_days(clockify, stream, "2026-11-15", "2026-11-17", AHEAD)
    settings = config(start_date="2026-09-01T00:00:00Z", lookback_days=7)
    tracked = {**settings, "track_changes": True}
    first = read_ok(stream, with_config=tracked, incremental=True)

    state = [final_state(first, stream)]
    second = read_ok(stream, with_config=settings, incremental=True, state=state)

    assert ids(first) == ["2026-11-15", "2026-11-17", AHEAD]
    assert ids(second) == ["2026-11-17", AHEAD]


@pytest.mark.parametrize("plan", ["FREE", "BASIC_2021", "A_PLAN_OF_TOMORROW", None])
def test_a_stream_without_its_feature_costs_no_request_and_is_said_once(
    clockify: Clockify, plan: str | None
) -> None:
    """The names of the plans are an open set; the list of features tells."""
    clockify.workspaces(workspace(featureSubscriptionType=plan, features=["TIME_TRACKING"]))

    output = read_ok("invoices", "invoice_details")

    assert [request.path for request in clockify.sent()] == ["/api/v1/workspaces"]
    (warning,) = (line for line in warnings(output) if "Request Budget" not in line)
    for part in (WORKSPACE, "Acme", "invoices, invoice_details (", "needs the Standard plan"):
        assert part in warning


@pytest.mark.parametrize("features", [[], None])
def test_a_workspace_without_a_list_of_features_is_asked(
    clockify: Clockify, features: list[str] | None
) -> None:
    clockify.workspaces(workspace(featureSubscriptionType="FREE", features=features))
    path = f"/workspaces/{WORKSPACE}/holidays"
    clockify.answer(path, {"json": [{"id": "1"}]})

    assert records(read_ok("holidays")) == [{"id": "1"}]
