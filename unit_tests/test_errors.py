"""What is refused, retried or fatal, and what the user is told."""

import json
import re
import threading
from typing import Any

import pytest
import requests
from airbyte_cdk.models import FailureType

from unit_tests.clockify import (
    API,
    KEY,
    OTHER_WORKSPACE,
    PATHS,
    POSTED,
    REPORTS,
    STREAMS,
    USER,
    WORKSPACE,
    Clockify,
    addon_config,
    config,
    entry,
    error_body,
    failure,
    final_state,
    hours_ago,
    ids,
    path_of,
    query,
    read,
    read_ok,
    records,
    rows,
    rows_of,
    statuses,
    warnings,
    workspace,
)
from unit_tests.protocol import errors_of

RECENT = config(start_date="2026-11-01T00:00:00Z")
# The report looks 31 days ahead; here these are its only window.
BELOW_WORKSPACES = [stream for stream in STREAMS if stream != "workspaces"]
PARENTS = ["users", "projects"]
# Every stream that no other one depends on.
LEAVES = [stream for stream in BELOW_WORKSPACES if stream not in PARENTS]
CHILDREN = ["member_profiles", "tasks", "time_entries"]
# One stream of each kind of answer.
KINDS = ["tags", "tasks", "time_entries", "member_profiles", "detailed_report"]
LISTINGS = [stream for stream in LEAVES if stream not in CHILDREN]

FORBIDDEN = {"status_code": 403, "json": error_body(403, "Access Denied")}
SERVER_ERROR = {"status_code": 500, "json": error_body(500, "Internal trouble")}
EMPTY_404: dict[str, Any] = {"status_code": 404}
VANISHED = {"status_code": 400, "json": error_body(501, "It doesn't belong to Workspace")}

# What a retried request waits: 127 seconds, doubling.
SERVER_WAITS = [1, 2, 4, 8, 16, 32, 64]


# 401: the credentials --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        (4003, ["API Key (credentials.api_key)", "Server (server)", "Manage API keys"]),
        (1000, ["credentials.api_key", "credentials.addon_token"]),
        (9999, ["Authentication (credentials)", "Server (server)"]),
        (None, ["Authentication (credentials)", "Server (server)"]),
    ],
)
def test_a_refused_key_is_a_config_error_that_names_the_field(
    clockify: Clockify, code: int | None, fields: list[str]
) -> None:
    body = {"json": error_body(code, "Nope")} if code else {"text": ""}
    clockify.answer("/workspaces", {"status_code": 401, **body})

    output = read("tags")

    error = failure(output, "tags")
    assert error.failure_type is FailureType.config_error
    assert [field for field in fields if field not in error.message] == []
    assert KEY not in json.dumps([str(message) for message in output.errors])
    assert len(clockify.sent()) <= 2


def test_a_refused_addon_token_is_a_config_error_that_names_the_field(clockify: Clockify) -> None:
    body = error_body(4017, "Token is not valid")
    clockify.answer(path_of("tags"), {"status_code": 401, "json": body})

    error = failure(read("tags", with_config=addon_config()), "tags")

    assert error.failure_type is FailureType.config_error
    assert "Add-on Token (credentials.addon_token)" in error.message


def test_an_addon_token_without_workspace_ids_is_told_to_name_them(clockify: Clockify) -> None:
    """Clockify grants add-ons no GET /workspaces, which looks like a wrong token."""
    (error,) = errors_of(read("tags", with_config=addon_config(workspace_ids=[])))

    assert error.failure_type is FailureType.config_error
    assert "Workspace IDs (workspace_ids)" in error.message
    assert clockify.sent() == []


def test_a_scope_that_an_addon_lacks_is_a_warning_for_its_stream_alone(clockify: Clockify) -> None:
    """Clockify answers this with 401 too; the token itself is fine."""
    body = error_body(4017, "Addon does not have permission TAG_READ")
    clockify.answer(path_of("tags"), {"status_code": 401, "json": body})
    clockify.listing("clients", rows(2))

    output = read_ok("tags", "clients", with_config=addon_config())

    assert len(records(output, "clients")) == 2
    (warning,) = warnings(output)
    assert "TAG_READ" in warning
    assert "tags" in warning


def test_a_key_that_is_refused_in_mid_sync_fails_the_stream(clockify: Clockify) -> None:
    clockify.workspaces()
    body = error_body(4003, "Api key does not exist")
    clockify.serve_responses("tags", {"status_code": 401, "json": body})

    output = read("tags")

    assert failure(output, "tags").failure_type is FailureType.config_error
    assert statuses(output, "tags")[-1] == "INCOMPLETE"


# 402 and 403: what the plan or the role does not allow -----------------------------------------


@pytest.mark.parametrize("group", [PARENTS, LEAVES], ids=["parents", "others"])
@pytest.mark.parametrize("status", [402, 403])
def test_a_refused_stream_is_one_warning_and_the_other_workspaces_go_on(
    clockify: Clockify, group: list[str], status: int
) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    for stream in group:
        refusal = {"status_code": status, "json": error_body(status, "Not for you")}
        clockify.serve_responses(stream, refusal)
        clockify.serve(stream, rows_of(stream, 1), OTHER_WORKSPACE)

    output = read_ok(*group, with_config=RECENT)

    for stream in group:
        assert len(records(output, stream)) == 1, stream
        assert statuses(output, stream)[-1] == "COMPLETE", stream
    (warning,) = warnings(output)
    assert warning.startswith(f"Workspace {WORKSPACE} (Acme): These streams are skipped")
    for stream in group:
        assert f"{stream} (" in warning
        assert path_of(stream) in warning
    assert warning.count("Not for you") == len(group)


def test_the_warning_names_the_plan_or_role_that_is_missing(clockify: Clockify) -> None:
    needs = {
        "custom_fields": "Pro plan",
        "user_groups": "owner or admin",
        "member_profiles": "owner or admin",
        "time_entries": "owner or admin",
        "time_entries_in_progress": "owner or admin",
        "detailed_report": "owner or admin",
    }
    clockify.workspaces()
    for stream in needs:
        clockify.serve_responses(stream, FORBIDDEN)

    (warning,) = warnings(read_ok(*needs, with_config=RECENT))

    for stream, need in needs.items():
        (reason,) = re.findall(rf"\b{stream} \((.*?)\)[;.]", warning)
        assert need in reason


def test_the_warning_for_users_names_the_role_that_is_missing(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("users", FORBIDDEN)

    (warning,) = warnings(read_ok("users"))

    assert "owner or admin" in warning


def test_the_warning_comes_once_however_many_requests_are_refused(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users("u1", "u2", "u3")
    for user in ("u1", "u2"):
        clockify.answer(f"/workspaces/{WORKSPACE}/user/{user}/time-entries", FORBIDDEN)
    clockify.user_entries("u3", [entry("e", hours_ago(1))])

    output = read_ok("time_entries")

    assert ids(output) == ["e"]
    assert len(warnings(output)) == 1


def test_a_refused_parent_is_a_warning_for_the_stream_that_needs_it(clockify: Clockify) -> None:
    """The stream would otherwise be silently empty."""
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.answer(path_of("users"), FORBIDDEN)
    clockify.serve("time_entries", rows_of("time_entries", 1), OTHER_WORKSPACE)

    output = read_ok("time_entries")

    assert len(records(output)) == 1
    (warning,) = warnings(output)
    for part in (WORKSPACE, "time_entries (", "Access Denied"):
        assert part in warning
    assert "users (" not in warning


@pytest.mark.parametrize("status", [402, 403])
@pytest.mark.parametrize("stream", ["workspaces", "tags"])
def test_refused_workspaces_fail_because_nothing_can_be_read_without_them(
    clockify: Clockify, status: int, stream: str
) -> None:
    """Ignored, the sync would be green and empty."""
    clockify.answer("/workspaces", {"status_code": status, "json": error_body(status, "Closed")})

    output = read(stream)

    error = failure(output, stream)
    assert error.failure_type is FailureType.config_error
    assert "Closed" in error.message
    assert statuses(output, stream)[-1] == "INCOMPLETE"


@pytest.mark.parametrize("stream", ["workspaces", "tags", "tasks"])
def test_a_key_that_sees_no_workspace_fails(clockify: Clockify, stream: str) -> None:
    clockify.answer("/workspaces", {"json": []})

    output = read(stream)

    error = failure(output, stream)
    assert error.failure_type is FailureType.config_error
    assert "sees no workspace" in error.message
    assert records(output) == []


# 404, 400 and the rest: what is not there ------------------------------------------------------


@pytest.mark.parametrize("stream", ["workspaces", "tags", "time_entries"])
def test_an_unknown_workspace_is_named_with_the_visible_ones(
    clockify: Clockify, stream: str
) -> None:
    """Clockify answers with 404 and an empty body, also where the key may not see it."""
    unknown = "65aaaaaaaaaaaaaaaaaaaaaa"
    clockify.workspaces(workspace(name="Acme"), workspace(OTHER_WORKSPACE, name="Büro"))
    path = f"/workspaces/{unknown}"
    for below in ("", "/tags", "/users", "/users/info"):
        clockify.answer(path + below, EMPTY_404)

    error = failure(read(stream, with_config=config(workspace_ids=[unknown])), stream)

    assert error.failure_type is FailureType.config_error
    for part in (unknown, "workspace_ids", WORKSPACE, "Acme", OTHER_WORKSPACE, "Büro"):
        assert part in error.message


def test_the_workspaces_that_can_be_seen_are_asked_for_once(clockify: Clockify) -> None:
    """Also where several streams fail at the same time: on the free plan a request is dear."""

    def answer_slowly(*_: Any) -> list[dict[str, Any]]:
        threading.Event().wait(0.05)
        return [workspace()]

    unknown = "65aaaaaaaaaaaaaaaaaaaaaa"
    clockify.answer("/workspaces", {"json": answer_slowly})
    for below in ("tags", "clients", "user-groups"):
        clockify.answer(f"/workspaces/{unknown}/{below}", EMPTY_404)

    read("tags", "clients", "user_groups", with_config=config(workspace_ids=[unknown]))

    assert len(clockify.sent("/workspaces")) == 1


def test_an_unknown_route_points_at_the_server(clockify: Clockify) -> None:
    clockify.workspaces()
    body = error_body(3000, "No static resource api/v1/tags")
    clockify.serve_responses("tags", {"status_code": 404, "json": body})

    error = failure(read("tags"), "tags")

    assert error.failure_type is FailureType.config_error
    assert "No static resource" in error.message
    assert "Server (server)" in error.message


def test_a_child_that_vanished_is_skipped_and_said(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.listing("users", [{"id": "gone"}, {"id": USER}])
    clockify.listing("projects", [{"id": "gone"}, {"id": "here"}])
    for path in ("member-profile/gone", "user/gone/time-entries", "projects/gone/tasks"):
        clockify.answer(f"/workspaces/{WORKSPACE}/{path}", VANISHED)
    clockify.answer(path_of("member_profiles"), {"json": {"name": "Ada"}})
    clockify.user_entries(USER, rows_of("time_entries", 1))
    clockify.listing("projects/here/tasks", rows(1))

    output = read_ok(*CHILDREN)

    for stream in CHILDREN:
        assert len(records(output, stream)) == 1, stream
        (warning,) = [line for line in warnings(output) if line.startswith(f"{stream}:")]
        assert "gone" in warning
        assert "doesn't belong to Workspace" in warning


def test_on_a_listing_the_same_answer_is_an_error(clockify: Clockify) -> None:
    """There it cannot mean a child that is gone: it would hide a whole list."""
    clockify.workspaces()
    for stream in LISTINGS:
        clockify.serve_responses(stream, VANISHED)

    output = read(*LISTINGS, with_config=RECENT)

    for stream in LISTINGS:
        assert "doesn't belong to Workspace" in failure(output, stream).message
        assert statuses(output, stream)[-1] == "INCOMPLETE"


@pytest.mark.parametrize("status", [400, 405, 409, 418, 422])
def test_any_other_error_fails_with_clockifys_message_and_the_request(
    clockify: Clockify, status: int
) -> None:
    clockify.workspaces()
    answer = {"status_code": status, "json": error_body(3001, "Required parameter 'x' is missing")}
    for stream in ("tags", "tasks", "detailed_report"):
        clockify.serve_responses(stream, answer)

    output = read("tags", "tasks", "detailed_report", with_config=RECENT)

    for stream in ("tags", "tasks", "detailed_report"):
        error = failure(output, stream)
        assert "Required parameter 'x' is missing" in error.message
        assert ("POST " if stream in POSTED else "GET ") in error.message
        assert path_of(stream) in error.message
        assert error.failure_type is not FailureType.config_error
    assert len(clockify.sent_for("tags")) == len(clockify.sent_for("tasks")) == 1


# 429: the request limit ------------------------------------------------------------------------


def test_a_rate_limit_without_retry_after_is_waited_for(
    clockify: Clockify, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    clockify.workspaces()
    limited = {"status_code": 429, "json": error_body(429, "Too many requests")}
    clockify.serve_responses("tags", limited, limited, limited, {"json": rows(2)})

    output = read_ok("tags")

    assert len(records(output)) == 2
    assert [wait for wait in waits if wait in (1, 2, 4)] == [1, 2, 4]
    assert output.is_in_logs("request limit is reached")
    assert '"RATE_LIMITED"' in capsys.readouterr().out


def test_a_rate_limit_with_retry_after_is_waited_for_as_long_as_it_says(
    clockify: Clockify, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    clockify.workspaces()
    limited = {"status_code": 429, "headers": {"Retry-After": "90"}}
    clockify.serve_responses("tags", limited, {"json": rows(2)})

    output = read_ok("tags")

    assert len(records(output)) == 2
    assert 90 <= waits[0] <= 92
    assert '"RATE_LIMITED"' in capsys.readouterr().out


def test_a_retry_after_of_an_hour_is_waited_for(clockify: Clockify, waits: list[float]) -> None:
    clockify.workspaces()
    limited = {"status_code": 429, "headers": {"Retry-After": "3600"}}
    clockify.serve_responses("tags", limited, {"json": rows(2)})

    assert len(records(read_ok("tags"))) == 2
    assert sum(waits) >= 3600


@pytest.mark.parametrize("stream", ["tags", "users", "time_entries"])
def test_an_hour_of_rate_limit_is_survived(
    clockify: Clockify, waits: list[float], stream: str
) -> None:
    """The free plan grants its next request only in the next hour."""
    clockify.workspaces()
    clockify.serve_responses(stream, *[{"status_code": 429}] * 12, {"json": []})

    output = read_ok(stream)

    assert statuses(output, stream)[-1] == "COMPLETE"
    assert sum(waits) > 3600


def test_a_rate_limit_for_ever_fails_at_last(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"status_code": 429})

    output = read("tags")

    assert failure(output, "tags").failure_type is FailureType.transient_error
    assert statuses(output, "tags")[-1] == "INCOMPLETE"
    assert len(clockify.sent_for("tags")) == 13


# 5xx and the connection ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_server_error_is_retried(clockify: Clockify, waits: list[float], status: int) -> None:
    clockify.workspaces()
    broken = {"status_code": status, "text": "<html>Bad Gateway</html>"}
    clockify.serve_responses("tags", broken, broken, {"json": rows(2)})

    output = read_ok("tags")

    assert len(records(output)) == 2
    assert waits == [1, 2]


@pytest.mark.parametrize("group", [PARENTS, LEAVES], ids=["parents", "others"])
def test_a_server_that_stays_broken_fails_the_stream_with_the_request(
    clockify: Clockify, group: list[str]
) -> None:
    """Two minutes, not the hour that a rate limit may take."""
    clockify.workspaces()
    for stream in group:
        clockify.serve_responses(stream, SERVER_ERROR)

    output = read(*group, with_config=RECENT)

    for stream in group:
        error = failure(output, stream)
        assert "Internal trouble" in error.message
        assert ("POST " if stream in POSTED else "GET ") in error.message
        assert path_of(stream) in error.message
        assert error.failure_type is FailureType.transient_error
        assert statuses(output, stream)[-1] == "INCOMPLETE"
    assert records(output) == []


def test_a_broken_server_is_tried_eight_times_within_two_minutes(
    clockify: Clockify, waits: list[float]
) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", SERVER_ERROR)

    read("tags")

    assert len(clockify.sent_for("tags")) == 8
    assert waits == SERVER_WAITS


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectTimeout,
        requests.exceptions.ReadTimeout,
        requests.exceptions.ConnectionError,
        requests.exceptions.SSLError,
    ],
)
def test_a_broken_connection_is_retried(
    clockify: Clockify, waits: list[float], error: type[Exception]
) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", error, error, {"json": rows(2)})

    assert len(records(read_ok("tags"))) == 2
    assert waits == [1, 2]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.exceptions.ConnectTimeout, ":443 did not accept the connection in time"),
        (requests.exceptions.ReadTimeout, ":443 did not answer in time"),
    ],
)
def test_a_connection_that_stays_broken_fails_the_stream_with_the_request(
    clockify: Clockify, error: type[Exception], said: str
) -> None:
    clockify.workspaces()
    group = ["tags", "tasks", "time_entries", "detailed_report"]
    for stream in group:
        clockify.serve_responses(stream, error)

    output = read(*group, with_config=RECENT)

    for stream in group:
        message = failure(output, stream).message
        assert f"api.clockify.me{said}" in message
        assert ("POST " if stream in POSTED else "GET ") in message
        assert path_of(stream) in message
        assert statuses(output, stream)[-1] == "INCOMPLETE"
        assert failure(output, stream).failure_type is FailureType.transient_error


class BrokenBody:
    """A body whose connection breaks while it is read."""

    def __init__(self) -> None:
        self.closed = False

    def read(self, *_: Any, **__: Any) -> bytes:
        raise ConnectionResetError("Connection reset by peer")

    def close(self) -> None:
        self.closed = True


def test_a_connection_that_breaks_within_the_body_is_retried(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"body": BrokenBody()}, {"json": rows(2)})

    assert len(records(read_ok("tags"))) == 2


def test_bodies_that_always_break_fail_the_stream_with_the_request(
    clockify: Clockify, waits: list[float]
) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"body": BrokenBody()})

    message = failure(read("tags"), "tags").message

    assert f"GET /api/v1{path_of('tags')}" in message
    assert waits == SERVER_WAITS


def test_connect_and_read_timeouts_are_set(clockify: Clockify) -> None:
    """Without them a silent server would hold the sync for ever."""
    clockify.serve_everything()

    read_ok(*STREAMS, with_config=RECENT)

    assert {request.timeout for request in clockify.sent()} == {(30, 300)}


# 200 with something else than the data ---------------------------------------------------------

CUT_OFF = {"text": '[{"id": "1", "name": "wh'}
NOT_DATA: dict[str, Any] = {
    "cut off": CUT_OFF,
    "empty": {"text": ""},
    "HTML": {"text": "<!DOCTYPE html><html><body>Maintenance</body></html>"},
    "null": {"text": "null"},
    "text": {"text": '"maintenance"'},
    "number": {"text": "7"},
    "empty object": {"text": "{}"},
    "not found object": {"json": error_body(501, "Something went wrong")},
    "error object": {"json": error_body(3000, "Something went wrong")},
}


@pytest.mark.parametrize("group", [PARENTS, KINDS], ids=["parents", "others"])
@pytest.mark.parametrize("body", NOT_DATA)
def test_an_answer_that_is_not_the_data_fails_the_stream(
    clockify: Clockify, group: list[str], body: str
) -> None:
    """Never a green sync with an empty stream, never a record that nobody wrote."""
    clockify.workspaces()
    for stream in group:
        clockify.serve_responses(stream, NOT_DATA[body])

    output = read(*group, with_config=RECENT)

    assert records(output) == []
    assert {stream: statuses(output, stream)[-1] for stream in group} == dict.fromkeys(
        group, "INCOMPLETE"
    )
    for stream in group:
        message = failure(output, stream).message
        assert ("POST " if stream in POSTED else "GET ") in message
        assert path_of(stream) in message


@pytest.mark.parametrize("body", NOT_DATA)
def test_workspaces_that_are_not_the_data_fail_the_stream(clockify: Clockify, body: str) -> None:
    clockify.answer("/workspaces", NOT_DATA[body])

    output = read("workspaces", "tags")

    assert records(output) == []
    assert statuses(output, "workspaces")[-1] == "INCOMPLETE"
    assert statuses(output, "tags")[-1] == "INCOMPLETE"


def test_a_list_in_place_of_an_object_and_the_reverse_fail_the_stream(clockify: Clockify) -> None:
    clockify.workspaces()
    row = {"id": "x", "timeInterval": {"start": hours_ago(1), "end": None}}
    for stream in LEAVES:
        single = stream in ("member_profiles", "detailed_report")
        clockify.serve_responses(stream, {"json": [row] if single else row})

    output = read(*LEAVES, with_config=RECENT)

    assert records(output) == []
    assert {stream: statuses(output, stream)[-1] for stream in LEAVES} == dict.fromkeys(
        LEAVES, "INCOMPLETE"
    )


@pytest.mark.parametrize(
    "report",
    [
        {"totals": []},
        {"timeentries": {"code": 501, "message": "Something went wrong"}},
        {"timeentries": "none"},
    ],
)
def test_a_report_without_a_list_of_entries_fails_the_stream(
    clockify: Clockify, report: dict[str, Any]
) -> None:
    clockify.workspaces()
    clockify.serve_responses("detailed_report", {"json": report})

    output = read("detailed_report", with_config=RECENT)

    assert records(output) == []
    assert statuses(output, "detailed_report")[-1] == "INCOMPLETE"


@pytest.mark.parametrize("stream", ["users", "projects"])
def test_an_object_in_place_of_a_parents_list_fails_within_minutes(
    clockify: Clockify, waits: list[float], stream: str
) -> None:
    """The cache that serves the parents would repeat the same answer for over an hour."""
    clockify.workspaces()
    clockify.serve_responses(stream, {"json": {"id": "x"}})

    output = read(stream)

    assert records(output) == []
    assert path_of(stream) in failure(output, stream).message
    assert sum(waits) <= sum(SERVER_WAITS)


@pytest.mark.parametrize("stream", ["tags", "time_entries", "users", "projects", "workspaces"])
@pytest.mark.parametrize("body", ["cut off", "empty", "HTML"])
def test_an_answer_that_is_not_the_data_is_retried(
    clockify: Clockify, stream: str, body: str
) -> None:
    """A broken answer must not stay in the cache that serves the parents either."""
    clockify.workspaces()
    good = rows_of(stream, 2)
    whole = {"json": good, "headers": {"Last-Page": "true"}}
    clockify.serve_responses(stream, NOT_DATA[body], NOT_DATA[body], whole)

    output = read_ok(stream)

    assert ids(output) == sorted(row["id"] for row in good)
    assert len(clockify.sent_for(stream)) == 3


@pytest.mark.parametrize("stream", ["tags", "users", "workspaces"])
def test_an_answer_that_is_never_the_data_is_tried_eight_times(
    clockify: Clockify, waits: list[float], stream: str
) -> None:
    clockify.workspaces()
    clockify.serve_responses(stream, CUT_OFF)

    read(stream)

    assert len(clockify.sent_for(stream)) == 8
    assert waits == SERVER_WAITS


def test_the_manifest_alone_fails_too_on_an_answer_that_is_not_the_data(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    group = ["tags", "tasks", "member_profiles", "detailed_report"]
    for stream, body in zip(group, ("cut off", "HTML", "empty object", "empty"), strict=True):
        clockify.serve_responses(stream, NOT_DATA[body])

    output = read(*group, with_config=RECENT, manifest_alone=True)

    assert records(output) == []
    assert {statuses(output, stream)[-1] for stream in group} == {"INCOMPLETE"}


NOT_A_PAGE: dict[str, tuple[str, dict[str, Any]]] = {
    "a list with status 500": ("tags", {"status_code": 500, "json": rows(1)}),
    "an empty list with status 502": ("time_entries", {"status_code": 502, "json": []}),
    "an empty list with status 404": ("tags", {"status_code": 404, "json": []}),
    "a list with a status of nobody's": ("tags", {"status_code": 599, "json": rows(1)}),
    "a row that is no object": ("tags", {"json": [*rows(1), "maintenance"]}),
    "a row of a report that is no object": ("detailed_report", {"json": {"timeentries": [7]}}),
    "an envelope with an error": (
        "detailed_report",
        {"json": {"timeentries": [], "message": "Something went wrong", "code": 3000}},
    ),
    "an envelope that is none": ("detailed_report", {"json": {"timeentries": None, "code": 1000}}),
    "an object for a list": ("tags", {"json": {"envelope": []}}),
}


@pytest.mark.parametrize(("stream", "answer"), NOT_A_PAGE.values(), ids=NOT_A_PAGE)
def test_the_manifest_alone_takes_only_a_good_answer_for_a_page(
    clockify: Clockify, stream: str, answer: dict[str, Any]
) -> None:
    clockify.workspaces()
    clockify.serve_responses(stream, answer)

    output = read(stream, with_config=RECENT, manifest_alone=True)

    assert records(output, stream) == []
    assert statuses(output, stream)[-1] == "INCOMPLETE"


@pytest.mark.parametrize("status", [500, 400, 301])
def test_the_manifest_alone_judges_a_status_before_a_plausible_body(
    clockify: Clockify, status: int
) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"status_code": status, "json": rows(1)})

    output = read("tags", manifest_alone=True)

    assert records(output) == []
    assert path_of("tags") in failure(output, "tags").message


# One workspace and the others ------------------------------------------------------------------


@pytest.mark.parametrize("broken", [WORKSPACE, OTHER_WORKSPACE], ids=["first", "last"])
@pytest.mark.parametrize("group", [PARENTS, LEAVES], ids=["parents", "others"])
def test_a_workspace_that_fails_does_not_keep_the_others_from_being_read(
    clockify: Clockify, group: list[str], broken: str
) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    for stream in group:
        for of in (WORKSPACE, OTHER_WORKSPACE):
            if of == broken:
                clockify.serve_responses(stream, SERVER_ERROR, of=of)
            else:
                clockify.serve(stream, rows_of(stream, 2)[:1], of)

    output = read(*group, with_config=RECENT)

    for stream in group:
        assert len(records(output, stream)) == 1, stream
        assert statuses(output, stream)[-1] == "INCOMPLETE", stream
        assert path_of(stream, broken) in failure(output, stream).message


@pytest.mark.parametrize("broken", [WORKSPACE, OTHER_WORKSPACE], ids=["first", "last"])
@pytest.mark.parametrize(
    "answer",
    [SERVER_ERROR, requests.exceptions.ReadTimeout, CUT_OFF],
    ids=["500", "timeout", "cut off"],
)
def test_a_parent_that_fails_in_one_workspace_leaves_other_children(
    clockify: Clockify, broken: str, answer: Any
) -> None:
    """The stream must end incomplete: the children of that workspace are unknown, not gone."""
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    good = OTHER_WORKSPACE if broken == WORKSPACE else WORKSPACE
    for stream in CHILDREN:
        clockify.serve(stream, rows_of(stream, 1), good)
        parent = "projects" if stream == "tasks" else "users"
        clockify.answer(path_of(parent, broken), answer)

    output = read(*CHILDREN)

    for stream in CHILDREN:
        assert len(records(output, stream)) == 1, stream
        assert statuses(output, stream)[-1] == "INCOMPLETE", stream


def test_one_user_who_fails_leaves_the_entries_of_the_others(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users("u1", "u2", "u3")
    clockify.user_entries("u1", [entry("a", hours_ago(1))])
    clockify.answer(f"/workspaces/{WORKSPACE}/user/u2/time-entries", SERVER_ERROR)
    clockify.user_entries("u3", [entry("c", hours_ago(1))])

    output = read("time_entries", incremental=True)

    assert ids(output) == ["a", "c"]
    assert statuses(output, "time_entries")[-1] == "INCOMPLETE"


def test_a_user_who_failed_is_read_whole_in_the_next_sync(clockify: Clockify) -> None:
    """A cursor taken from the others must not hide what was not read."""
    clockify.workspaces()
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [entry("a", hours_ago(1))])
    clockify.answer(f"/workspaces/{WORKSPACE}/user/u2/time-entries", SERVER_ERROR)
    first = read("time_entries", incremental=True)
    clockify.user_entries("u2", [entry("old", "2019-05-01T08:00:00Z")])

    second = read_ok("time_entries", incremental=True, state=[final_state(first, "time_entries")])

    assert "old" in ids(second)


def test_other_streams_go_on_when_one_fails(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", SERVER_ERROR)
    clockify.listing("clients", rows(3))

    output = read("tags", "clients")

    assert len(records(output, "clients")) == 3
    assert statuses(output, "clients")[-1] == "COMPLETE"
    assert statuses(output, "tags")[-1] == "INCOMPLETE"


def test_a_page_that_fails_keeps_the_pages_before_it_and_fails_the_stream(
    clockify: Clockify,
) -> None:
    clockify.workspaces()
    page = {"json": rows(3), "headers": {"Last-Page": "false"}}
    clockify.serve_responses("tags", page, SERVER_ERROR)

    output = read("tags")

    assert len(records(output)) == 3
    assert statuses(output, "tags")[-1] == "INCOMPLETE"
    assert query(clockify.sent_for("tags")[-1])["page"] == "2"


def test_every_stream_has_a_path_in_these_tests() -> None:
    assert set(PATHS) == set(STREAMS)
    assert API.startswith("https://")
    assert REPORTS.startswith("https://")
