"""Money, time off, planning, administration, aggregated reports: what is asked, what comes."""

from collections.abc import Mapping
from typing import Any

import pytest

from unit_tests.clockify import (
    API,
    REPORTS,
    WORKSPACE,
    Clockify,
    config,
    failure,
    final_state,
    query,
    read,
    read_ok,
    records,
    warnings,
    workspace,
)

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

    (request,) = clockify.sent(f"{webhooks}/{WEBHOOK}/logs")
    assert query(request) == {"page": "0", "size": "50"}
    assert request.json()["from"] == SETTINGS["start_date"]
    assert records(output) == [
        {
            "id": "1",
            "respondedAt": EVENT_TIME,
            "workspaceId": WORKSPACE,
            "webhookId": WEBHOOK,
        }
    ]


def test_equal_rows_of_the_audit_log_have_different_ids(clockify: Clockify) -> None:
    clockify.workspaces()
    row = {"action": "CREATE_TAG", "timestamp": EVENT_TIME, "userId": "1"}
    clockify.mocker.post(f"{AUDIT_LOG}/workspaces/{WORKSPACE}/audit-log", json=[row, row])

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
    (request,) = clockify.sent(path)
    assert request.url.count("type=") == 17
    assert query(request)["page"] == "0"


def report(clockify: Clockify, path: str, body: Any) -> None:
    clockify.mocker.post(f"{REPORTS}/workspaces/{WORKSPACE}/reports/{path}", json=body)


def windows(clockify: Clockify) -> list[tuple[str, str]]:
    bodies = (request.json() for request in clockify.sent(method="POST"))
    return sorted((body["dateRangeStart"], body["dateRangeEnd"]) for body in bodies)


def test_the_summary_report_has_one_record_a_day(clockify: Clockify) -> None:
    clockify.workspaces()
    group = {"_id": "2026-11-02", "name": "2 November", "duration": 60, "children": []}
    report(clockify, "summary", {"groupOne": [group]})

    output = read_ok("summary_report", with_config=config(**SETTINGS), incremental=True)

    assert records(output) == [{**group, "workspaceId": WORKSPACE, "date": "2026-11-02"}]
    assert windows(clockify) == [("2026-11-01T00:00:00.000Z", "2026-11-24T23:59:59.999Z")]


def test_the_weekly_report_is_asked_for_whole_weeks_with_the_one_that_runs(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    report(clockify, "weekly", {"groupOne": [{"_id": "1"}, {"_id": None}]})

    output = read_ok("weekly_report", with_config=config(**SETTINGS), incremental=True)

    mondays = ["2026-10-26", "2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23"]
    sundays = ["2026-11-01", "2026-11-08", "2026-11-15", "2026-11-22", "2026-11-29"]
    assert windows(clockify) == [
        (f"{monday}T00:00:00.000Z", f"{sunday}T23:59:59.999Z")
        for monday, sunday in zip(mondays, sundays, strict=True)
    ]
    assert sorted((record["weekStart"], record["_id"]) for record in records(output)) == [
        (monday, group) for monday in mondays for group in ("1", "none")
    ]


@pytest.mark.parametrize(
    ("stream", "path", "body"),
    [
        ("attendance_report", "attendance", {"entities": [{"userId": "1", "date": "2026-11-02"}]}),
        (
            "expense_report",
            "expenses/detailed",
            {
                "totals": {"expensesCount": 1},
                "expenses": [{"id": "1", "date": "2026-11-02T00:00:00Z"}],
            },
        ),
    ],
)
def test_the_cursor_of_a_report_is_the_day_of_its_newest_row(
    clockify: Clockify, stream: str, path: str, body: Any
) -> None:
    clockify.workspaces()
    report(clockify, path, body)

    output = read_ok(stream, with_config=config(**SETTINGS), incremental=True)

    assert len(records(output)) == 1
    state = final_state(output, stream).stream.stream_state
    assert [each["cursor"]["date"] for each in state.states] == ["2026-11-02"]


def test_a_stream_that_plan_and_features_lack_costs_no_request_and_is_said(
    clockify: Clockify,
) -> None:
    clockify.workspaces(workspace(featureSubscriptionType="FREE", features=["TIME_TRACKING"]))

    output = read_ok("invoices", "invoice_details")

    assert [request.path for request in clockify.sent()] == ["/api/v1/workspaces"]
    assert [warning.split(":")[0] for warning in warnings(output)] == [
        "invoices",
        "invoice_details",
    ]


def test_an_unknown_plan_is_asked(clockify: Clockify) -> None:
    clockify.workspaces(workspace(featureSubscriptionType="NEW_2027", features=["TIME_TRACKING"]))
    path = f"/workspaces/{WORKSPACE}/holidays"
    clockify.answer(path, {"json": [{"id": "1"}]})

    assert records(read_ok("holidays")) == [{"id": "1"}]
