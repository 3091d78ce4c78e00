"""Which refusals are Clockify's own, what each leaves out, and other forms of a request."""

import json
from typing import Any

import pytest
from airbyte_cdk.models import FailureType

from source_clockify import SourceClockify
from source_clockify.request_notes import is_about_requested_entity
from source_clockify.retry_after import seconds_to_wait
from unit_tests.clockify import (
    API,
    OTHER_WORKSPACE,
    REPORTS,
    USER,
    WORKSPACE,
    Clockify,
    addon_config,
    config,
    entry,
    error_body,
    failure,
    ids,
    path_of,
    query,
    read,
    read_ok,
    records,
    report_row,
    rows,
    rows_of,
    statuses,
    warnings,
    workspace,
)

RECENT = config(start_date="2026-11-01T00:00:00Z")
WEB_PAGE = {"text": "<html>Blocked</html>", "headers": {"Content-Type": "text/html"}}
FOREIGN: dict[str, dict[str, Any]] = {
    "web page": WEB_PAGE,
    "web page without a type": {"text": "<html>Blocked</html>"},
    "text": {"text": "Forbidden"},
    "JSON of a gateway": {"json": {"error": "blocked", "ray": "7f"}},
    "code that is text": {"json": {"code": "blocked", "message": "Request blocked"}},
    "list": {"json": []},
    "empty": {"text": ""},
    "blank": {"text": " \n"},
}
LISTED = {"json": rows(2)}
ABOUT_THE_PLAN = {"message": "Feature is not available on your plan"}


# Not Clockify's ---------------------------------------------------------------------------------


# A stream for each kind, so that one sync meets all of them.
MEETING = dict(
    zip(
        FOREIGN,
        (
            "tags",
            "clients",
            "user_groups",
            "custom_fields",
            "time_entries_in_progress",
            "tasks",
            "time_entries",
            "member_profiles",
        ),
        strict=True,
    )
)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 407, 451])
def test_a_refusal_that_is_not_clockifys_is_retried_and_loses_nothing(
    clockify: Clockify, status: int
) -> None:
    clockify.workspaces()
    # Without a body a 404 is Clockify's answer for an unknown workspace.
    kinds = [kind for kind in FOREIGN if status != 404 or kind not in ("empty", "blank")]
    for kind in kinds:
        stream = MEETING[kind]
        found: Any = rows_of(stream, 2) if stream != "member_profiles" else {"name": "Ada"}
        whole = {"json": found, "headers": {"Last-Page": "true"}}
        clockify.serve_responses(stream, {"status_code": status, **FOREIGN[kind]}, whole)

    output = read_ok(*(MEETING[kind] for kind in kinds))

    for kind in kinds:
        number = 1 if MEETING[kind] == "member_profiles" else 2
        assert len(records(output, MEETING[kind])) == number, kind
    assert warnings(output) == []


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_proxy_that_stays_fails_the_stream_and_empties_no_table(
    clockify: Clockify, status: int
) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"status_code": status, **WEB_PAGE})
    clockify.listing("clients", rows(1))

    output = read("tags", "clients")

    error = failure(output, "tags")
    assert "proxy or firewall" in error.message
    assert path_of("tags") in error.message
    assert error.failure_type is FailureType.transient_error
    assert len(records(output, "clients")) == 1


def test_a_proxy_before_every_second_user_keeps_all_time_entries(clockify: Clockify) -> None:
    clockify.workspaces()
    users = [f"{number:024x}" for number in range(4)]
    clockify.users(*users)
    for number, user in enumerate(users):
        path = f"/workspaces/{WORKSPACE}/user/{user}/time-entries"
        row = entry(str(number), "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")
        blocked = [{"status_code": 403, **WEB_PAGE}] if number % 2 else []
        clockify.answer(path, *blocked, {"json": [row], "headers": {"Last-Page": "true"}})

    assert ids(read_ok("time_entries", with_config=RECENT)) == ["0", "1", "2", "3"]


def test_the_manifest_alone_retries_the_page_of_a_proxy_too(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"status_code": 403, **WEB_PAGE}, LISTED)

    assert len(records(read_ok("tags", manifest_alone=True))) == 2


# Clockify's -------------------------------------------------------------------------------------

PLAN_REFUSALS: dict[str, dict[str, Any]] = {
    "401": {"status_code": 401, "json": ABOUT_THE_PLAN},
    "401 with a code": {"status_code": 401, "json": {**ABOUT_THE_PLAN, "code": 4001}},
    "402": {"status_code": 402, "json": ABOUT_THE_PLAN},
    "403": {"status_code": 403, "json": ABOUT_THE_PLAN},
    "403 with code 501": {"status_code": 403, "json": {**ABOUT_THE_PLAN, "code": 501}},
    "400 with code 4033": {"status_code": 400, "json": {**ABOUT_THE_PLAN, "code": 4033}},
}


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
@pytest.mark.parametrize("refusal", PLAN_REFUSALS)
def test_a_refusal_of_the_plan_skips_the_stream_and_is_said(
    clockify: Clockify, refusal: str, alone: bool
) -> None:
    clockify.workspaces()
    clockify.serve_responses("custom_fields", PLAN_REFUSALS[refusal])
    clockify.listing("tags", rows(1))

    output = read_ok("custom_fields", "tags", manifest_alone=alone)

    assert len(records(output)) == 1
    assert statuses(output, "custom_fields")[-1] == "COMPLETE"
    assert output.is_in_logs("not available on your plan")
    if not alone:
        (warning,) = warnings(output)
        assert warning.startswith(f"Workspace {WORKSPACE} (Acme)")
        assert "custom_fields (" in warning


@pytest.mark.parametrize("status", [402, 403])
def test_an_empty_refusal_skips_only_where_the_features_explain_it(
    clockify: Clockify, status: int
) -> None:
    small = workspace(features=["TIME_TRACKING"])
    clockify.workspaces(small, workspace(OTHER_WORKSPACE, features=["CUSTOM_FIELDS"]))
    for of in (WORKSPACE, OTHER_WORKSPACE):
        clockify.serve_responses("custom_fields", {"status_code": status}, of=of)
        clockify.serve_responses("tags", {"status_code": status}, of=of)

    named = config(workspace_ids=[WORKSPACE])
    output = read("custom_fields", "tags", with_config=named)

    assert statuses(output, "custom_fields")[-1] == "COMPLETE"
    assert "Pro plan" in warnings(output)[-1]
    assert "without a reason" in failure(output, "tags").message
    other = read("custom_fields", with_config=config(workspace_ids=[OTHER_WORKSPACE]))
    assert "without a reason" in failure(other, "custom_fields").message


def test_one_warning_a_workspace_lists_its_skipped_selected_streams(
    clockify: Clockify,
) -> None:
    clockify.workspaces(workspace(features=["INVOICING"]), workspace(OTHER_WORKSPACE))
    forbidden = {"status_code": 403, "json": error_body(501, "Access Denied")}
    clockify.serve_responses("tags", forbidden)
    clockify.serve_responses("user_groups", forbidden)
    for stream in ("tags", "user_groups", "custom_fields", "clients"):
        clockify.serve(stream, rows(1), OTHER_WORKSPACE)
    clockify.listing("clients", rows(1))

    output = read_ok("tags", "user_groups", "custom_fields", "clients")

    (warning,) = warnings(output)
    assert warning.startswith(f"Workspace {WORKSPACE} (Acme): These streams are skipped: ")
    for part in ("tags (", "user_groups (", "custom_fields (", "needs the Pro plan"):
        assert part in warning
    assert "clients" not in warning
    assert "holidays" not in warning


@pytest.mark.parametrize("path", ["/workspaces", "/workspaces/{workspace}"])
def test_any_401_on_the_workspaces_is_about_the_key(clockify: Clockify, path: str) -> None:
    named = "{" in path
    clockify.workspaces()
    refusal = {"status_code": 401, "json": ABOUT_THE_PLAN}
    clockify.answer(path.format(workspace=WORKSPACE), refusal)

    output = read("workspaces", with_config=config(workspace_ids=[WORKSPACE] if named else []))

    error = failure(output, "workspaces")
    assert error.failure_type is FailureType.config_error
    assert "Authentication (credentials)" in error.message


# What code 501 means -----------------------------------------------------------------------------

ID, OTHER_ID = "650000000000000000000042", "650000000000000000000043"


@pytest.mark.parametrize(
    ("message", "path", "is_vanished"),
    [
        (f"Project with id {ID} doesn't belong to Workspace", f"/projects/{ID}/tasks", True),
        (f"TASK with id {OTHER_ID} doesn't belong to PROJECT", f"/projects/{ID}/tasks", False),
        (f"PROJECT {ID} does not belong to WORKSPACE", f"/projects/{ID}", True),
        ("Tag doesn't exist", f"/tags/{ID}", True),
        ("Client not found", f"/clients/{ID}", True),
        ("It doesn\u2019t belong to the workspace", f"/tags/{ID}", True),
        (f"User with id {ID} doesn't belong to Workspace", f"/user/{ID}/time-entries", True),
        (f"USER {ID} doesn't belong to WORKSPACE", f"/member-profile/{ID}", True),
        (f"USER {ID} doesn't belong to PROJECT {ID}", f"/user/{ID}/time-entries", False),
        (f"USER {OTHER_ID} doesn't belong to PROJECT {ID}", f"/projects/{ID}/tasks", False),
        ("USER doesn't belong to PROJECT", f"/projects/{ID}/tasks", False),
        ("User does not belong to Workspace", f"/projects/{ID}/tasks", False),
        ("Workspace doesn't exist", f"/tags/{ID}", False),
        ("Page size must be greater than 0", f"/projects/{ID}/tasks", False),
        ("Start must be before end", f"/user/{ID}/time-entries", False),
        ("Please select date range of exactly 7 days for weekly report", "/reports/weekly", False),
        ("Access Denied", f"/projects/{ID}", False),
        ("You don't belong to this project", f"/projects/{ID}", False),
        (f"You don't belong to project {ID}", f"/projects/{ID}", False),
        ("Current user does not belong to project", f"/projects/{ID}", False),
        ("You are not allowed to see it, or it does not exist", f"/projects/{ID}", False),
        ("Permission not found", f"/projects/{ID}", False),
        ("Subscription not found", f"/projects/{ID}", False),
        ("Member doesn't belong to the group that can see it", f"/projects/{ID}", False),
        ("No access: the project was not found for this user", f"/projects/{ID}", False),
        ("Time zone not found", f"/user/{ID}/time-entries", False),
        (f"TIMEENTRY with id {ID} doesn't belong to WORKSPACE", f"/time-entries/{ID}", True),
        ("Time entry doesn't exist", f"/time-entries/{ID}", True),
        (f"PTO_POLICY with id {ID} does not exist", f"/time-off/policies/{ID}", True),
        ("", f"/projects/{ID}", False),
    ],
)
def test_a_violated_rule_is_a_missing_entity_only_if_it_says_so(
    message: str, path: str, is_vanished: bool
) -> None:
    assert is_about_requested_entity(message, path) is is_vanished


def test_a_message_about_the_user_is_a_refusal_and_no_tombstone(
    clockify: Clockify, connect: Any
) -> None:
    connection = connect("tasks")
    clockify.listing("projects", [{"id": ID}])
    clockify.listing(f"projects/{ID}/tasks", [{"id": "t", "name": "t", "projectId": ID}])
    clockify.by_id("projects", {"id": ID})
    connection.sync()
    refusal = error_body(501, f"USER with id {USER} doesn't belong to PROJECT with id {ID}")
    path = f"/workspaces/{WORKSPACE}/projects/{ID}/tasks"
    clockify.answer(path, {"status_code": 400, "json": refusal})

    output = connection.sync()

    assert records(output) == []
    (warning,) = warnings(output)
    assert warning.startswith(f"Workspace {WORKSPACE} (Acme): A part of these streams is skipped")
    assert "doesn't belong to PROJECT" in warning


@pytest.mark.parametrize("message", ["Page size must be at least 1", "Start must be before end"])
def test_any_other_violated_rule_fails_the_stream(clockify: Clockify, message: str) -> None:
    clockify.workspaces()
    clockify.serve_responses("tasks", {"status_code": 400, "json": error_body(501, message)})

    assert message in failure(read("tasks"), "tasks").message


# Other forms of a request -------------------------------------------------------------------------

MONEY = {"amountShown": "HIDE_AMOUNT"}


def without_amounts(clockify: Clockify, of: str = WORKSPACE) -> None:
    """Refuse the detailed report unless amounts are hidden."""

    def answer(request: Any, context: Any) -> Any:
        if request.json().get("amountShown") != "HIDE_AMOUNT":
            context.status_code = 403
            return error_body(501, "Access Denied")
        return {"totals": [], "timeentries": [report_row("1", "2026-11-20T08:00:00Z")]}

    path = f"/workspaces/{of}/reports/detailed"
    clockify.answer(path, {"json": answer}, method="POST", host=REPORTS)


def test_a_report_is_read_without_amounts_where_they_are_refused(clockify: Clockify) -> None:
    clockify.workspaces()
    without_amounts(clockify)

    output = read_ok("detailed_report", with_config=config(start_date="2026-09-01T00:00:00Z"))

    # The mock answers each of four windows with the same row.
    assert {record["_id"] for record in records(output)} == {"1"}
    sent = [request.json() for request in clockify.sent_for("detailed_report")]
    assert sum("amountShown" not in body for body in sent) <= 4
    assert "amountShown" in sent[-1]
    (warning,) = warnings(output)
    assert "These streams are incomplete: detailed_report (Amounts and rates are missing" in warning
    assert WORKSPACE in warning


def test_a_report_that_is_refused_in_either_form_is_skipped(clockify: Clockify) -> None:
    clockify.workspaces()
    refusal = {"status_code": 403, "json": error_body(501, "Access Denied")}
    clockify.serve_responses("detailed_report", refusal)

    output = read_ok("detailed_report", with_config=RECENT)

    (warning,) = warnings(output)
    assert "These streams are skipped: detailed_report (" in warning
    assert "Amounts" not in warning


def test_a_check_survives_refused_amounts(clockify: Clockify) -> None:
    clockify.workspaces()
    without_amounts(clockify)
    settings = config()

    status = SourceClockify(config=settings).check(None, settings)  # type: ignore[arg-type]

    assert status.status.value == "SUCCEEDED"


@pytest.mark.parametrize("change", ["created", "updated", "deleted"])
def test_refused_types_of_entity_changes_fall_back_to_the_documented_ones(
    clockify: Clockify, change: str
) -> None:
    clockify.workspaces()
    row = {"id": "1", "documentCode": "TAGS"}
    refused = []

    def answer(request: Any, context: Any) -> Any:
        if request.url.count("type=") > 8:
            refused.append(request.url)
            context.status_code = 400
            return error_body(3000, "Failed to convert value 'BALANCE' of parameter 'type'")
        return [row] if query(request)["page"] == "0" else []

    path = f"/workspaces/{WORKSPACE}/entities/{change}"
    clockify.answer(path, {"json": answer})

    output = read_ok(
        f"entity_changes_{change}", with_config=config(start_date=RECENT["start_date"])
    )

    assert len(records(output)) == 1
    (warning,) = warnings(output)
    assert f"entity_changes_{change} (This server refuses the newer types" in warning
    assert len(refused) == 1


@pytest.mark.parametrize(
    "absent",
    [
        {"status_code": 404, "json": error_body(3000, "No static resource users/info.")},
        {"status_code": 404},
        {"status_code": 405, "json": error_body(3000, "Method not supported")},
        {"status_code": 405, **WEB_PAGE},
        {"status_code": 400, "json": error_body(501, "Page size is too large")},
    ],
    ids=["404", "empty 404", "405", "405 page", "400"],
)
@pytest.mark.parametrize("filtering", ["honest", "ignored", "refused"])
def test_users_are_listed_where_they_cannot_be_searched(
    clockify: Clockify, absent: dict[str, Any], filtering: str
) -> None:
    limited = {"id": "l", "status": "LIMITED"}
    others = [{"id": each, "status": "ACTIVE"} for each in "ab"]

    def answer(request: Any, context: Any) -> Any:
        context.headers["Last-Page"] = "true"
        if "account-statuses" not in query(request) or filtering == "ignored":
            return others
        if filtering == "refused":
            context.status_code = 400
            return error_body(3000, "Failed to convert value of parameter 'account-statuses'")
        return [limited]

    clockify.workspaces()
    clockify.answer(path_of("users"), absent)
    clockify.answer(f"/workspaces/{WORKSPACE}/users", {"json": answer})
    for user in "abl":
        profile = f"/workspaces/{WORKSPACE}/member-profile/{user}"
        clockify.answer(profile, {"json": {"name": user}})

    output = read_ok("users", "member_profiles")

    found = ["a", "b", "l"] if filtering == "honest" else ["a", "b"]
    assert ids(output, "users") == found
    assert sorted(each["userId"] for each in records(output, "member_profiles")) == found
    # The refused search is sent again as the first listing, and the mock remembers it as that.
    assert clockify.sent(path_of("users")) == []
    # A refusal is not cached: two streams and the listing of their parent each meet it.
    number = 5 if filtering == "refused" else 3
    assert len(clockify.sent(f"/workspaces/{WORKSPACE}/users")) == number
    if filtering == "honest":
        assert warnings(output) == []
    else:
        (warning,) = warnings(output)
        assert "users (Limited members" in warning


# The audit log -----------------------------------------------------------------------------------

AUDIT_LOG = f"https://auditlog-api.api.clockify.me/v1/workspaces/{WORKSPACE}/audit-log"
EVENT = {"action": "CREATE_TAG", "timestamp": "2026-11-20T08:00:00Z", "userId": "1"}
SYSTEM_EVENT = {"action": "UPDATE_PROJECT", "timestamp": "2026-11-20T09:00:00Z", "userId": "SYSTEM"}


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
@pytest.mark.parametrize("envelope", [False, True], ids=["list", "envelope"])
def test_clockifys_own_events_are_asked_for_by_name_in_either_envelope(
    clockify: Clockify, envelope: bool, alone: bool
) -> None:
    clockify.workspaces()

    def answer(request: Any, context: Any) -> Any:
        body = request.json()
        named = body["authors"] == {"authorIds": ["SYSTEM"], "contains": "CONTAINS"}
        assert named or body["authors"] == {"authorIds": [], "contains": "DOES_NOT_CONTAIN"}
        found = [SYSTEM_EVENT if named else EVENT] if body["page"] == 0 else []
        return {"response": found} if envelope else found

    clockify.mocker.post(AUDIT_LOG, json=answer)

    output = read_ok("audit_log", with_config=RECENT, manifest_alone=alone)

    assert {record["userId"] for record in records(output)} == {"1", "SYSTEM"}
    assert len(records(output)) == 2


def test_a_refusal_of_the_audit_log_needs_no_message(clockify: Clockify) -> None:
    clockify.workspaces()
    body = {"timestamp": "2026-11-24", "status": 403, "error": "Forbidden", "path": "/audit-log"}
    clockify.mocker.post(AUDIT_LOG, status_code=403, json=body)

    output = read_ok("audit_log", with_config=RECENT)

    (warning,) = warnings(output)
    for part in ("audit_log (", "Forbidden", "Enterprise plan"):
        assert part in warning


def test_an_addon_is_refused_the_audit_log_before_any_request(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    clockify.listing("tags", rows(1))

    output = read_ok("audit_log", "tags", with_config=addon_config())

    assert len(records(output)) == 1
    assert [request for request in clockify.sent() if "audit" in request.url] == []
    (warning,) = warnings(output)
    assert "audit_log (Clockify does not let add-ons read the audit log" in warning


# Pages of events ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["entity_changes_created", "webhook_logs"])
def test_events_behind_a_short_page_are_read(clockify: Clockify, stream: str) -> None:
    clockify.workspaces()
    pages = [rows(3), rows(1, 3), rows(2, 4), []]
    webhooks = f"/workspaces/{WORKSPACE}/webhooks"
    clockify.answer(webhooks, {"json": {"webhooks": [{"id": "w"}]}})

    def answer(request: Any, context: Any) -> Any:
        return pages[int(query(request)["page"])]

    clockify.mocker.post(f"{API}{webhooks}/w/logs", json=answer)
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/created", {"json": answer})

    assert len(records(read_ok(stream, with_config=RECENT))) == 6


def test_a_server_that_repeats_full_pages_of_events_fails_the_stream(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.answer(f"/workspaces/{WORKSPACE}/entities/created", {"json": rows(50)})

    output = read("entity_changes_created", with_config=RECENT)

    assert "same 50 events" in failure(output, "entity_changes_created").message


# Retry-After --------------------------------------------------------------------------------------

NOW = 1_795_510_800  # 2026-11-24T09:00:00Z


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Tue, 24 Nov 2026 09:00:30 GMT", 30),
        ("Tue, 24 Nov 2026 10:01:00 +0100", 60),
        ("Tue, 24 Nov 2026 08:00:00 GMT", None),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("1e3", None),
        ("٣", None),
        ("Tue, 99 Nov 2026 99:00:30 GMT", None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_seconds_or_a_date(
    header: str, wait: int | None
) -> None:
    assert seconds_to_wait(header, NOW) == wait


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
@pytest.mark.parametrize("header", ["-5", "soon", "", "1.5", "Tue, 24 Nov 2026 08:00:00 GMT"])
def test_a_wait_that_makes_no_sense_is_ignored(
    clockify: Clockify, waits: list[float], header: str, alone: bool
) -> None:
    clockify.workspaces()
    limited = {"status_code": 429, "headers": {"Retry-After": header}}
    clockify.serve_responses("tags", limited, LISTED)

    assert len(records(read_ok("tags", manifest_alone=alone))) == 2
    assert waits == [1]


def test_a_date_is_waited_for(clockify: Clockify, waits: list[float]) -> None:
    clockify.workspaces()
    limited = {
        "status_code": 429,
        "headers": {"Retry-After": "Tue, 24 Nov 2026 09:05:00 GMT"},
        "json": {"message": "Too many requests"},
    }
    clockify.serve_responses("tags", limited, LISTED)

    assert len(records(read_ok("tags"))) == 2
    # A second more, since the server may round.
    assert round(sum(waits)) == 301


def test_a_wait_of_days_fails_in_words(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"status_code": 429, "headers": {"Retry-After": "99999"}})

    output = read("tags")

    assert "99999 seconds" in json.dumps([str(error) for error in output.errors])


# What one stream learns, another keeps to itself ----------------


def test_a_refused_later_page_of_the_search_loses_no_user(clockify: Clockify) -> None:
    """A listing has other pages than a search, so it must not go on where the search broke off."""
    clockify.workspaces()
    users = [{"id": f"{number:024x}", "status": "ACTIVE"} for number in range(70)]
    refused: list[int] = []

    def search(request: Any, context: Any) -> Any:
        page = request.json()["page"]
        if page == 2:
            refused.append(page)
            context.status_code = 400
            return error_body(3000, "Failed to convert value of parameter 'page'")
        return users[:50]

    def listing(request: Any, context: Any) -> Any:
        context.headers["Last-Page"] = "true"
        return users if query(request)["page"] == "1" else []

    clockify.answer(path_of("users"), {"json": search})
    clockify.answer(f"/workspaces/{WORKSPACE}/users", {"json": listing})

    output = read("users")

    assert "parameter 'page'" in failure(output, "users").message
    assert refused


def test_a_report_that_the_plan_lacks_hides_no_amounts_of_another(clockify: Clockify) -> None:
    clockify.workspaces()
    refusal = {"status_code": 403, "json": error_body(501, "Access Denied")}
    path = f"/workspaces/{WORKSPACE}/reports/attendance"
    clockify.answer(path, refusal, method="POST", host=REPORTS)
    clockify.serve("detailed_report", [report_row("1", "2026-11-20T08:00:00Z")])

    output = read_ok(
        "attendance_report",
        "detailed_report",
        with_config=config(start_date="2026-06-01T00:00:00Z", num_workers=2),
    )

    assert {"amountShown" in each.json() for each in clockify.sent_for("detailed_report")} == {
        False
    }
    (warning,) = warnings(output)
    assert "Amounts" not in warning


# Answers that are no answers ----------------


@pytest.mark.parametrize(
    "body", [{"message": "Service under maintenance"}, {"id": "other", "timeInterval": None}]
)
def test_a_single_read_that_answers_something_else_settles_nothing(
    clockify: Clockify, connect: Any, body: dict[str, Any]
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [{"id": "a", "name": "a"}, {"id": "b", "name": "b"}])
    connection.sync()
    clockify.serve("tags", [{"id": "b", "name": "b"}])
    clockify.answer(f"/workspaces/{WORKSPACE}/tags/a", {"json": body})

    output = connection.sync()

    assert records(output) == []
    assert warnings(output) != []


def test_an_announced_list_that_is_null_fails_the_stream(clockify: Clockify) -> None:
    clockify.workspaces()
    path = f"/workspaces/{WORKSPACE}/expenses"
    clockify.answer(path, {"json": {"expenses": {"expenses": None, "count": 7}}})

    assert "lacks the list expenses" in failure(read("expenses"), "expenses").message


def test_a_listing_that_repeats_its_page_for_ever_fails(clockify: Clockify) -> None:
    clockify.workspaces()
    page = {"json": rows(3), "headers": {"Last-Page": "false"}}
    clockify.serve_responses("tags", page)

    output = read("tags")

    assert "the same 3 rows on two pages" in failure(output, "tags").message
    assert len(clockify.sent_for("tags")) <= 3


def test_clockifys_own_events_may_be_refused_alone(clockify: Clockify) -> None:
    clockify.workspaces()

    def answer(request: Any, context: Any) -> Any:
        body = request.json()
        if body["authors"]["authorIds"] == ["SYSTEM"]:
            context.status_code = 403
            return error_body(501, "Access Denied")
        return [EVENT] if body["page"] == 0 else []

    clockify.mocker.post(AUDIT_LOG, json=answer)

    output = read_ok("audit_log", with_config=RECENT)

    assert len(records(output)) == 1
    (warning,) = warnings(output)
    assert "These streams are incomplete: audit_log (Clockify's own events are missing" in warning


@pytest.mark.parametrize("features", [5, True, "abc", {"INVOICING": True}])
def test_features_that_are_no_list_are_unknown(clockify: Clockify, features: Any) -> None:
    clockify.workspaces(workspace(features=features))
    clockify.answer(f"/workspaces/{WORKSPACE}/holidays", {"json": rows(1)})

    output = read("holidays")

    assert len(records(output)) == 1


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
@pytest.mark.parametrize(
    "moment", ["1970-01-01T00:00:00Z", "1999-05-01T00:00:00Z", "0022-01-01T00:00:00Z"]
)
def test_changes_of_any_year_are_read(clockify: Clockify, moment: str, alone: bool) -> None:
    clockify.workspaces()
    approval = {"approvalRequest": {"id": "a", "status": {"updatedAt": moment}}}
    clockify.answer(f"/workspaces/{WORKSPACE}/approval-requests", {"json": [approval]})
    requests = {"count": 1, "requests": [{"id": "r", "createdAt": moment}]}
    path = f"/workspaces/{WORKSPACE}/time-off/requests"
    clockify.answer(path, {"json": requests}, method="POST")

    output = read_ok("approval_requests", "time_off_requests", manifest_alone=alone)

    assert ids(output) == ["a", "r"]


@pytest.mark.parametrize("refused", ["refused", "short"])
def test_without_tracking_an_incomplete_window_fails_the_sync(
    clockify: Clockify, refused: str
) -> None:
    """The cursor of the manifest would pass it, and no later sync would read it again."""
    clockify.workspaces()

    def answer(request: Any, context: Any) -> Any:
        body = request.json()
        if not body["dateRangeStart"].startswith("2026-11-01"):
            return {"totals": [{"entriesCount": 0}], "timeentries": []}
        if refused == "short":
            return {"totals": [{"entriesCount": 5}], "timeentries": []}
        context.status_code = 403
        return error_body(501, "Access Denied")

    path = f"/workspaces/{WORKSPACE}/reports/detailed"
    clockify.answer(path, {"json": answer}, method="POST", host=REPORTS)

    output = read(
        "detailed_report",
        with_config=config(start_date="2026-10-01T00:00:00Z", num_workers=2),
        incremental=True,
    )

    assert (
        "no later sync would reread it, so the stream fails"
        in failure(output, "detailed_report").message
    )


def test_changes_of_the_same_entities_on_two_pages_are_all_read(clockify: Clockify) -> None:
    """An entry, its rate and its custom fields have one id."""
    clockify.workspaces()
    codes = ("TIME_ENTRY", "TIME_ENTRY_RATE")
    pages = [[{"id": each, "documentCode": code} for each in "ab"] for code in codes]

    def answer(request: Any, context: Any) -> Any:
        return [*pages, []][int(query(request)["page"])]

    clockify.answer(f"/workspaces/{WORKSPACE}/entities/created", {"json": answer})

    assert len(records(read_ok("entity_changes_created", with_config=RECENT))) == 4


def test_a_server_that_ignores_the_page_of_changing_rows_is_read_once(clockify: Clockify) -> None:
    clockify.workspaces()
    served: list[int] = []

    def answer(request: Any, context: Any) -> Any:
        served.append(1)
        return [{"id": each, "profilePicture": f"{len(served)}"} for each in "abc"]

    clockify.answer(path_of("users"), {"json": answer})

    assert ids(read_ok("users")) == ["a", "b", "c"]
    assert len(served) == 2


# Servers that ignore the number of the page -------------------------------------------------------


def test_a_counted_report_that_repeats_its_page_fails_and_drops_no_row(clockify: Clockify) -> None:
    """As many rows as announced would be there, half of them twice."""
    clockify.workspaces()
    page = [report_row(f"{number}", "2026-11-20T08:00:00Z") for number in range(3)]
    whole = {"json": {"totals": [{"entriesCount": 5}], "timeentries": page}}
    clockify.serve_responses("detailed_report", whole)

    output = read("detailed_report", with_config=RECENT)

    assert "the same 3 rows on two pages" in failure(output, "detailed_report").message


def test_time_entries_that_repeat_their_page_fail(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users(USER)
    page = {"json": rows_of("time_entries", 3), "headers": {"Last-Page": "false"}}
    clockify.answer(f"/workspaces/{WORKSPACE}/user/{USER}/time-entries", page)

    output = read("time_entries", with_config=RECENT)

    assert "the same 3 rows on two pages" in failure(output, "time_entries").message


def test_a_members_key_reads_its_own_time_without_change_tracking_too(clockify: Clockify) -> None:
    """Another user's window is no part of one's own."""
    other = "640000000000000000000043"
    clockify.workspaces()
    clockify.users(USER, other)
    clockify.user_entries(USER, [entry("1", "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")])
    path = f"/workspaces/{WORKSPACE}/user/{other}/time-entries"
    clockify.answer(path, {"status_code": 403, "json": error_body(501, "Access Denied")})

    output = read_ok("time_entries", with_config=RECENT, incremental=True)

    assert ids(output) == ["1"]
    (warning,) = warnings(output)
    assert "A part of these streams is skipped: time_entries (" in warning
