"""Holidays, time off policies, requests and balances, and scheduled assignments."""

from collections.abc import Callable, Sequence

from clockify_sandbox import time_off_rows
from clockify_sandbox.call import (
    Call,
    Reply,
    encode,
    error,
    foreign,
    mismatch,
)
from clockify_sandbox.listing import Keep, Listing, present, sort_by, text
from clockify_sandbox.paging import BODY, QUERY, Paging, page_of
from clockify_sandbox.resources import as_stored, collection_items, known_member
from clockify_sandbox.store import Row, Workspace
from clockify_sandbox.timetext import parse_instant, reread_in

POLICY_PAGING = Paging(QUERY, maximum=200, last_page_number=1000)
REQUEST_PAGING = Paging(BODY, maximum=200, last_page_number=1000)
BALANCE_PAGING = Paging(QUERY, maximum=200)
_YEAR_2000 = parse_instant("2000-01-01")
_REQUEST_STATES = ("PENDING", "APPROVED", "REJECTED", "ALL")


# Holidays


def holds_for(workspace: Workspace, holiday: Row, user_id: str) -> bool:
    groups = workspace.rows("user-groups")
    in_group = any(
        user_id in groups[group]["userIds"]
        for group in holiday["userGroupIds"] or ()
        if group in groups
    )
    return holiday["everyoneIncludingNew"] or user_id in (holiday["userIds"] or ()) or in_group


def _assigned(call: Call, name: str) -> Keep | None:
    user_id = call.last(name)
    if user_id is None:
        return None
    return lambda row: holds_for(call.workspace, row, user_id)


HOLIDAYS = Listing(
    items=collection_items("holidays"), render=as_stored, filters={"assigned-to": _assigned}
)


def _in_period(call: Call) -> Sequence[Row]:
    """A user's holidays in a span of time; an unknown user breaks the server."""
    user_id = required(call, "assigned-to")
    first, last = (parsed(name, required(call, name)) for name in ("start", "end"))
    if user_id not in call.workspace.members:
        raise error(500, "Internal server error", None)
    return [
        row
        for row in call.workspace.rows("holidays").values()
        if holds_for(call.workspace, row, user_id)
        and parse_instant(row["datePeriod"]["startDate"]) <= last
        and parse_instant(row["datePeriod"]["endDate"]) >= first
    ]


HOLIDAYS_IN_PERIOD = Listing(items=_in_period, render=as_stored)


# Policies and balances


def _policy_status(call: Call, name: str) -> Keep | None:
    wanted = call.one_of(name, ("ACTIVE", "ARCHIVED", "ALL"), "ACTIVE")
    return None if wanted == "ALL" else lambda row: row["archived"] == (wanted == "ARCHIVED")


POLICIES = Listing(
    items=collection_items("time-off-policies"),
    render=as_stored,
    filters={"status": _policy_status, "name": text("name")},
    sorts={"DEFAULT_SORT": sort_by("id"), "NAME": sort_by("name")},
    default_sort="DEFAULT_SORT",
)


def _seen_balances(call: Call) -> list[Row]:
    """An admin sees all balances, a member only their own."""
    return [
        time_off_rows.balance_row(call.workspace, row)
        for row in time_off_rows.balances(call.workspace)
        if call.me.is_admin or row["userId"] == call.user_id
    ]


def _balances_of_policy(call: Call) -> Sequence[Row]:
    policy_id = call.params["policyId"]
    if policy_id not in call.workspace.rows("time-off-policies"):
        raise foreign("Policy", policy_id)
    return [row for row in _seen_balances(call) if row["policyId"] == policy_id]


def _balances_of_user(call: Call) -> Sequence[Row]:
    user_id = known_member(call).id
    return [row for row in _seen_balances(call) if row["userId"] == user_id]


def _balances(items: Callable[[Call], Sequence[Row]]) -> Listing:
    return Listing(
        items=items,
        render=as_stored,
        sorts={
            "USER": sort_by("userName"),
            "POLICY": sort_by("policyName"),
            "USED": sort_by("used"),
            "BALANCE": sort_by("balance"),
            "TOTAL": sort_by("total"),
        },
        default_sort="USER",
        sort_parameter="sort",
        envelope=lambda rows, total: {"count": total, "balances": rows},
    )


BALANCES_OF_POLICY = _balances(_balances_of_policy)
BALANCES_OF_USER = _balances(_balances_of_user)


# Requests


def requests(call: Call) -> Reply:
    """POST /workspaces/{id}/time-off/requests: a search, newest first."""
    body = call.body()
    page = page_of(call, REQUEST_PAGING)
    rows = list(present(call, time_off_rows.requests(call.workspace)))
    for keep in _conditions(call, body):
        rows = [row for row in rows if keep(row)]
    rows.sort(key=lambda row: (row["createdAt"], row["id"]), reverse=True)
    shown = [time_off_rows.request_row(call.workspace, row) for row in page.cut(rows)]
    return Reply(200, encode({"count": len(rows), "requests": shown}), rows=len(shown))


def _conditions(call: Call, body: Row) -> list[Keep]:
    keeps: list[Keep] = []
    if not call.me.is_admin:
        keeps.append(lambda row: row["userId"] == call.user_id)
    states = body.get("statuses") or ["ALL"]
    for state in states:
        if state not in _REQUEST_STATES:
            raise mismatch("statuses", state)
    if "ALL" not in states:
        keeps.append(lambda row: row["status"]["statusType"] in states)
    groups = call.workspace.rows("user-groups")
    users = set(body.get("users") or ())
    for group_id in body.get("userGroups") or ():
        users |= set(groups[group_id]["userIds"]) if group_id in groups else set()
    if users:
        keeps.append(lambda row: row["userId"] in users)
    start, end = (_asked_instant(call, body, name) for name in ("start", "end"))
    if start is not None:
        keeps.append(lambda row: parse_instant(row["createdAt"]) >= start)
    if end is not None:
        keeps.append(lambda row: parse_instant(row["createdAt"]) <= end)
    return keeps


def _asked_instant(call: Call, body: Row, name: str) -> float | None:
    """A bound of the window on createdAt, in the time zone of the requesting account."""
    value = body.get(name)
    return None if value is None else reread_in(call.zone, parsed(name, value))


# Assignments


def required(call: Call, name: str) -> str:
    value = call.last(name)
    if value is None:
        raise error(400, f"Required parameter '{name}' is not present", 3001)
    return value


def parsed(name: str, value: object) -> float:
    try:
        return parse_instant(value)
    except ValueError:
        raise mismatch(name, value) from None


def _assignments(call: Call) -> Sequence[Row]:
    """Assignments that overlap the window: for an admin everyone's, for a member their own."""
    settings = call.state.settings
    start, end = (parsed(name, required(call, name)) for name in ("start", "end"))
    if settings.assignments_year_one == "refused" and start < _YEAR_2000:
        raise error(400, "Start date must not be before 2000", 501)
    return [
        time_off_rows.assignment_row(call.workspace, row)
        for row in time_off_rows.assignments(call.workspace, settings.drafts_listed)
        if (call.me.is_admin or row["userId"] == call.user_id)
        and parse_instant(row["period"]["start"]) <= end
        and parse_instant(row["period"]["end"]) >= start
    ]


def _named(call: Call, name: str) -> Keep | None:
    wanted = (call.last(name) or "").casefold()
    if not wanted:
        return None
    return lambda row: any(
        wanted in (row[field] or "").casefold() for field in ("userName", "projectName")
    )


ASSIGNMENTS = Listing(
    items=_assignments,
    render=as_stored,
    filters={"name": _named},
    sorts={"ID": sort_by("id"), "USER": sort_by("userName"), "PROJECT": sort_by("projectName")},
    default_sort="ID",
)
