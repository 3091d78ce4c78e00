"""check: can the account be read, what of it cannot, and what does a sync cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from airbyte_cdk.models import Status
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

from source_clockify.check import SUGGESTED_STREAMS
from unit_tests import clockify
from unit_tests.clockify import (
    OTHER_WORKSPACE,
    WORKSPACE,
    Clockify,
    addon_config,
    config,
    error_body,
    path_of,
    read,
    warnings,
    workspace,
)
from unit_tests.clockify import check as run_check
from unit_tests.protocol import logs_of, present


class Check:
    """The outcome of a check."""

    def __init__(self, output: EntrypointOutput) -> None:
        self.output = output
        (message,) = output.connection_status_messages
        status = present(message.connectionStatus)
        self.succeeded = status.status is Status.SUCCEEDED
        self.message = status.message or ""
        self.warnings = warnings(output)
        self.logs = "\n".join(log.message for log in logs_of(output))


@pytest.fixture
def check() -> Any:
    def checked(settings: Mapping[str, Any] | None = None) -> Check:
        return Check(clockify.check(config() if settings is None else settings))

    return checked


def members(count: int) -> list[dict[str, Any]]:
    """Return memberships of a workspace, and one that is no membership of a workspace."""
    of_workspace = [{"userId": str(n), "membershipType": "WORKSPACE"} for n in range(count)]
    return [*of_workspace, {"userId": "0", "membershipType": "PROJECT"}]


def test_a_good_key_succeeds_with_one_request_to_each_host(clockify: Clockify, check: Any) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    result = check()

    assert result.succeeded
    assert result.warnings == []
    assert [request.url.split("/workspaces")[0] for request in clockify.sent()] == [
        clockify.api,
        clockify.reports,
    ]


def test_an_addon_token_succeeds_without_listing_workspaces(clockify: Clockify, check: Any) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    assert check(addon_config()).succeeded
    assert clockify.sent("/workspaces") == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"status_code": 401, "json": error_body(4003, "Api key does not exist")},
            ["credentials.api_key", "Server (server)", "Manage API keys"],
        ),
        ({"status_code": 403, "json": error_body(403, "Closed")}, ["Closed"]),
        ({"status_code": 402, "json": error_body(402, "Pay first")}, ["Pay first"]),
        ({"json": []}, ["sees no workspace", "Server (server)"]),
        ({"status_code": 500}, ["GET /api/v1/workspaces"]),
        ({"text": "<html>"}, ["GET /api/v1/workspaces"]),
        (
            {"status_code": 302, "headers": {"Location": "https://evil.example.com"}},
            ["https://evil.example.com", "Server (server)"],
        ),
        (
            requests.exceptions.ConnectTimeout,
            ["api.clockify.me:443 did not accept the connection in time", "GET /api/v1/workspaces"],
        ),
    ],
    ids=["401", "403", "402", "no workspace", "500", "HTML", "redirect", "timeout"],
)
def test_a_failure_says_what_to_do(
    clockify: Clockify, check: Any, answer: Any, said: list[str]
) -> None:
    clockify.answer("/workspaces", answer)

    result = check()

    assert not result.succeeded
    assert [part for part in said if part not in result.message] == []


def test_an_unknown_workspace_fails_and_is_named_with_the_visible_ones(
    clockify: Clockify, check: Any
) -> None:
    unknown = "65aaaaaaaaaaaaaaaaaaaaaa"
    clockify.workspaces(workspace(name="Acme"))
    clockify.answer(f"/workspaces/{unknown}", {"status_code": 404})

    result = check(config(workspace_ids=[WORKSPACE, unknown]))

    assert not result.succeeded
    for part in (unknown, WORKSPACE, "Acme"):
        assert part in result.message


@pytest.mark.parametrize("status", [429, 500])
def test_a_check_gives_up_after_one_retry_at_most_because_somebody_waits(
    clockify: Clockify, check: Any, waits: list[float], status: int
) -> None:
    clockify.answer("/workspaces", {"status_code": status})

    result = check()

    assert not result.succeeded
    assert len(clockify.sent()) <= 2
    assert sum(waits) < 10


def test_a_check_does_not_sit_through_a_long_retry_after(
    clockify: Clockify, check: Any, waits: list[float]
) -> None:
    limited = {"status_code": 429, "headers": {"Retry-After": "3600"}}
    clockify.answer("/workspaces", limited)

    result = check()

    assert not result.succeeded
    assert sum(waits) < 60


def test_a_check_survives_one_hiccup(clockify: Clockify, check: Any) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])
    clockify.answer("/workspaces", {"status_code": 502}, {"json": [workspace()]})

    assert check().succeeded


@pytest.mark.parametrize("plan", ["FREE", "BASIC_2021", "STANDARD_2021"])
def test_a_stream_that_the_plan_lacks_is_listed_and_the_check_succeeds(
    clockify: Clockify, check: Any, plan: str
) -> None:
    clockify.workspaces(
        workspace(name="Acme", featureSubscriptionType=plan, features=["SOMETHING_ELSE"]),
        workspace(OTHER_WORKSPACE, featureSubscriptionType="ENTERPRISE"),
    )
    clockify.serve("detailed_report", [])

    result = check()

    assert result.succeeded
    (warning,) = (line for line in result.warnings if "Request Budget" not in line)
    for part in (WORKSPACE, "Acme", plan, "custom_fields", "Pro plan"):
        assert part in warning
    # One reason for all streams that need the same plan.
    plans = {"Pro", "Standard", "paid", "Enterprise"}
    assert warning.count("(Not included in its plan") == len(plans)
    assert [line for line in result.warnings if OTHER_WORKSPACE in line] == []


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 401, "json": error_body(4003, "Api key does not exist")},
        {"status_code": 500},
        {"status_code": 404},
        requests.exceptions.ConnectTimeout,
    ],
    ids=["401", "500", "404", "timeout"],
)
def test_reports_that_cannot_be_read_are_a_warning(
    clockify: Clockify, check: Any, answer: Any
) -> None:
    clockify.workspaces()
    clockify.serve_responses("detailed_report", answer)

    result = check()

    assert result.succeeded
    assert any("report" in warning for warning in result.warnings)


def test_reports_that_are_refused_are_a_warning(clockify: Clockify, check: Any) -> None:
    clockify.workspaces()
    refusal = {"status_code": 403, "json": error_body(403, "Access Denied")}
    clockify.serve_responses("detailed_report", refusal)

    result = check()

    assert result.succeeded
    assert any("Access Denied" in warning for warning in result.warnings)


def test_a_custom_server_without_reports_url_is_a_warning_that_names_it(
    clockify: Clockify, check: Any
) -> None:
    clockify.api = "https://a.example.com/api/v1"
    clockify.workspaces()

    result = check(config(server={"server_type": "custom", "api_url": clockify.api}))

    assert result.succeeded
    assert any("server.reports_url" in warning for warning in result.warnings)


def test_the_first_report_asked_for_is_not_older_than_the_workspace(
    clockify: Clockify, check: Any
) -> None:
    clockify.workspaces()
    clockify.serve("detailed_report", [])

    check()

    (request,) = clockify.sent(path_of("detailed_report"))
    # 64e77712, the beginning of the workspace's id, is 2023-08-24.
    assert request.json()["dateRangeEnd"] >= "2023-08-24"
    assert request.json()["dateRangeStart"] <= "2023-08-24T23"


# Workspaces ------------------------------------------------------------------------------------


def test_each_workspace_is_one_line_with_its_plan_and_members(
    clockify: Clockify, check: Any
) -> None:
    clockify.workspaces(
        workspace(memberships=members(3)),
        workspace(OTHER_WORKSPACE, name=None, featureSubscriptionType=None),
    )
    clockify.serve("detailed_report", [])

    lines = [line for line in check().logs.split("\n") if line.startswith("Workspace ")]

    assert lines == [
        f"Workspace Acme ({WORKSPACE}): plan PRO, members: 3. Suggested streams not "
        "included in its plan: none.",
        f"Workspace {OTHER_WORKSPACE}: plan unknown, members: 0. Suggested streams not "
        "included in its plan: none.",
    ]


def test_a_suggested_stream_that_a_plan_lacks_is_named(
    clockify: Clockify, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of today's needs a plan; a later one may."""
    monkeypatch.setattr("source_clockify.check.SUGGESTED_STREAMS", ("tags", "invoices"))
    clockify.workspaces(workspace(features=["TIME_TRACKING"]))
    clockify.serve("detailed_report", [])

    assert "Suggested streams not included in its plan: invoices." in check().logs


def test_the_suggested_streams_are_those_of_the_registry_entry() -> None:
    metadata = yaml.safe_load((Path(__file__).parent.parent / "metadata.yaml").read_text())
    assert list(SUGGESTED_STREAMS) == metadata["data"]["suggestedStreams"]["streams"]


FREE = {"featureSubscriptionType": "FREE"}


@pytest.mark.parametrize(
    ("plan", "workspaces", "said"),
    [
        ("paid", [workspace(**FREE), workspace(OTHER_WORKSPACE)], "set Request Budget to free"),
        ("free", [workspace(), workspace(OTHER_WORKSPACE)], "set Request Budget to paid"),
        ("free", [workspace(**FREE), workspace(OTHER_WORKSPACE)], ""),
        ("paid", [workspace(), workspace(OTHER_WORKSPACE)], ""),
        ("free", [workspace(featureSubscriptionType=None)], ""),
    ],
)
def test_a_budget_that_does_not_fit_the_plans_is_one_warning(
    clockify: Clockify, plan: str, workspaces: list[dict[str, Any]], said: str
) -> None:
    clockify.workspaces(*workspaces)
    clockify.serve("detailed_report", [])
    for each in workspaces:
        clockify.listing("tags", [], each["id"])
    settings = config(plan=plan)

    for output in (run_check(settings), read("tags", with_config=settings)):
        found = [text for text in warnings(output) if text.startswith("Request Budget")]
        assert len(found) == (1 if said else 0)
        for text in found:
            assert said in text.lower().replace("request budget", "Request Budget")
            assert WORKSPACE in text
            concerned = plan == "free" or OTHER_WORKSPACE not in text
            assert concerned


# The free plan ---------------------------------------------------------------------------------


def test_the_free_plan_is_told_how_many_requests_and_hours_a_sync_takes(
    clockify: Clockify, check: Any
) -> None:
    clockify.workspaces(workspace(memberships=members(20)))
    clockify.serve("detailed_report", [])

    result = check(config(plan="free"))

    assert result.succeeded
    # 7 lists, the workspaces, the key's owner, and one for each user.
    assert "29 requests" in result.logs
    assert "1 hour." in result.logs
    assert "detailed_report instead" not in result.logs


def test_above_twenty_users_the_free_plan_is_recommended_the_report(
    clockify: Clockify, check: Any
) -> None:
    clockify.workspaces(workspace(memberships=members(60)))
    clockify.serve("detailed_report", [])

    result = check(config(plan="free", start_date="2026-11-01T00:00:00Z"))

    assert "69 requests" in result.logs
    assert "3 hours" in result.logs
    assert "Select detailed_report instead of time_entries" in result.logs
    assert "2 requests in the first sync and 2 in a later one" in result.logs


def test_the_paid_plan_is_told_nothing_of_this(clockify: Clockify, check: Any) -> None:
    clockify.workspaces(workspace(memberships=members(60)))
    clockify.serve("detailed_report", [])

    assert "hour" not in check().logs


def test_the_paid_plan_is_told_requests_minutes_and_state(clockify: Clockify, check: Any) -> None:
    clockify.workspaces(workspace(memberships=members(400)))
    clockify.serve("detailed_report", [])

    logs = check(config(lookback_days=90, num_workers=2, state_limit_mb=5)).logs

    assert (
        "The suggested streams take about 412 requests in a sync: 9 for lists, 3 for the change "
        "feeds and 400 for the time entries of 400 users. If each is answered within 0.5 seconds, "
        "a sync takes about 2 minutes."
    ) in logs
    assert (
        "With 10 time entries per user and day, their state takes about 5.77 MB; State Limit "
        "(state_limit_mb) is 5 MB."
    ) in logs


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"follow_changes": False}, "13 requests in a sync: 9 for lists and 4"),
        ({"track_changes": False}, "12 requests in a sync: 8 for lists and 4"),
        ({"workspace_ids": [WORKSPACE]}, "16 requests in a sync: 9 for lists, 3 for"),
    ],
)
def test_the_estimate_knows_the_settings(
    clockify: Clockify, check: Any, settings: dict[str, Any], said: str
) -> None:
    clockify.workspaces(workspace(memberships=members(4)))
    clockify.serve("detailed_report", [])

    logs = check(config(**settings)).logs

    assert said in logs
    assert ("their state takes" in logs) == (settings.get("track_changes") is not False)


def test_a_check_on_the_free_plan_takes_two_requests(clockify: Clockify, check: Any) -> None:
    clockify.workspaces(workspace(memberships=members(60)))
    clockify.serve("detailed_report", [])

    check(config(plan="free"))

    assert len(clockify.sent()) == 2
