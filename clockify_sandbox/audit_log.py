"""The audit log: actions on time, projects and the like, and on expenses, with their authors."""

from http import HTTPStatus
from typing import Any

from clockify_sandbox.audit_actions import ACTIONS
from clockify_sandbox.call import ApiError, Call, Reply, encode, error, mismatch
from clockify_sandbox.feed_flaws import AUDIT_LOG, is_dropped
from clockify_sandbox.paging import BODY_KEBAB, Paging, page_of
from clockify_sandbox.state import Settings
from clockify_sandbox.store import Row
from clockify_sandbox.time_off import parsed
from clockify_sandbox.timetext import utc_text
from clockify_sandbox.traces import SYSTEM

AUDIT_PAGING = Paging(BODY_KEBAB, default=20, maximum=50)
KEPT_DAYS = 365
DAY = 86_400


def audit_log(call: Call) -> Reply:
    """POST /workspaces/{id}/audit-log: newest first; rows have no ids.

    System events are only returned if the system is among the requested authors, unless a setting
    says otherwise.
    """
    body, settings = call.body(), call.state.settings
    actions = _required(body, "actions", list)
    if body.get("authors") is None and settings.audit_without_authors == "everybody":
        authors: Row = {"contains": "DOES_NOT_CONTAIN"}
    else:
        authors = _required(body, "authors", dict)
    first, last = (parsed(name, _required(body, name, str)) for name in ("start", "end"))
    for action in actions:
        if action not in ACTIONS:
            raise mismatch("actions", action)
    if last < first or last - first > settings.audit_days * DAY:
        raise error(400, f"Date range must be at most {settings.audit_days} days", 501)
    if first < call.state.clock.now() - KEPT_DAYS * DAY:
        raise error(400, "Start date must be at most one year ago", 501)
    page = page_of(call, AUDIT_PAGING).shorter_by(settings.short_feeds)
    ids, contains = set(authors.get("authorIds") or ()), authors.get("contains", "CONTAINS")
    if contains not in ("CONTAINS", "DOES_NOT_CONTAIN", "CONTAINS_ONLY"):
        raise mismatch("contains", contains)

    def wanted(author: str) -> bool:
        if author == SYSTEM and settings.audit_system != "named":
            return settings.audit_system == "always"
        if contains == "DOES_NOT_CONTAIN":
            return author not in (*ids, SYSTEM)
        return author in ids

    rows = [
        row
        for row in reversed(call.workspace.audit_log)
        if row["action"] in actions
        and first <= parsed("timestamp", row["timestamp"]) <= last
        and wanted(row["userId"])
        and not left_out(settings, row)
    ]
    shown = page.cut(rows)
    enveloped = settings.audit_envelope == "response"
    return Reply(200, encode({"response": shown} if enveloped else shown), rows=len(shown))


def left_out(settings: Settings, row: Row) -> bool:
    """Whether the audit log omits a row, which has no id."""
    thing = f"{row['content']} {row['previousContent']}"
    return is_dropped(settings, AUDIT_LOG, row["action"], thing, row["timestamp"])


def in_own_shape(call: Call, failure: ApiError) -> ApiError:
    """An error in this host's form, without a message; empty bodies and 429 are as elsewhere."""
    if failure.body is None or failure.status == HTTPStatus.TOO_MANY_REQUESTS:
        return failure
    body = {
        "timestamp": utc_text(int(call.state.clock.now()))[:-1] + ".000+00:00",
        "status": failure.status,
        "error": HTTPStatus(failure.status).phrase,
        "path": f"/v1{call.path}",
    }
    return ApiError(failure.status, body, failure.headers)


def _required(body: Row, name: str, kind: type) -> Any:
    value = body.get(name)
    if value is None or value == []:
        raise error(400, f"Required parameter '{name}' is not present", 3001)
    if not isinstance(value, kind):
        raise mismatch(name, value)
    return value
