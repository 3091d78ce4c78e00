"""Lines about plans, permissions, people and unknown ids."""

import re
from collections.abc import Iterator

from source_clockify.probe import redaction
from source_clockify.probe.account import PAGE, UNKNOWN_ID, Account
from source_clockify.probe.client import Answer, NoAnswer
from source_clockify.probe.lines import (
    Finding,
    Line,
    Untestable,
    judge,
    judge_accepted,
    need,
    status_of,
)

_MISSING = re.compile(r"(?i)not found|n.?t (?:belong|exist)")
_ADMIN_ROLES = {"OWNER", "WORKSPACE_ADMIN"}
_GATED = (
    ("SCHEDULING", "/scheduling/assignments/all"),
    ("EXPENSES", "/expenses"),
    ("CUSTOM_FIELDS", "/custom-fields"),
    ("APPROVAL", "/approval-requests"),
    ("INVOICING", "/invoices"),
    ("TIME_OFF", "/time-off/policies"),
)


def plan_refusal(account: Account) -> Finding:
    answers = list(_gated(account))
    if not answers:
        raise Untestable("the plan of the workspace has every feature, or names none")
    text = "; ".join(f"{each.label}: {_refusal_of(each)}" for each in answers)
    return judge(all(_is_plain_refusal(each) for each in answers), text, *answers)


def _gated(account: Account) -> Iterator[Answer]:
    """Request the first listing whose feature the plan lacks, and the attendance report."""
    for feature, path in _GATED:
        if account.lacks(feature):
            params = account.planned() if "assignments" in path else {}
            yield account.get(path, params, what=f"lacks {feature}")
            break
    if account.lacks("ATTENDANCE_REPORT"):
        body = {**account.month(), "attendanceFilter": {"page": 1, "pageSize": 1}}
        yield account.post(
            "/reports/attendance", body, host="reports", what="lacks ATTENDANCE_REPORT"
        )


def _is_plain_refusal(answer: Answer) -> bool:
    return answer.is_refusal and answer.is_clockify_error


def _refusal_of(answer: Answer) -> str:
    if answer.body is None:
        return f"{answer.status} without a body"
    return f"{status_of(answer)}, {redaction.message(answer.message)}"


def plan_names(account: Account) -> Finding:
    if account.unseen:
        raise NoAnswer(account.unseen)
    features = account.workspace.get("features")
    plan = redaction.known_value(account.workspace.get("featureSubscriptionType"))
    if not isinstance(features, list) or not features:
        return judge(False, f"no list of features; the plan is {plan}")
    names = [name for name in redaction.known_values(features) if not name.startswith("<")]
    other = len(features) - len(names)
    text = f"the plan is {plan}; {other} features of unknown names, and {' '.join(names)}"
    return judge(all(isinstance(each, str) for each in features), text)


def member_refusal(account: Account) -> Finding:
    if account.roles() & _ADMIN_ROLES:
        raise Untestable("the key belongs to an owner or admin")
    answer = account.get("/webhooks", what="a member's key")
    if answer.ok:
        return judge(False, "200: the key may read webhooks", answer)
    return judge(_is_plain_refusal(answer), _refusal_of(answer), answer)


def missing_entity(account: Account) -> Finding:
    answer = account.get(f"/projects/{UNKNOWN_ID}", what="an unknown id")
    if answer.is_refusal:
        raise Untestable(f"refused to this key: {status_of(answer)}")
    matches = answer.status == 400 and answer.code == 501 and bool(_MISSING.search(answer.message))
    return judge(matches, _refusal_of(answer), answer)


def missing_workspace(account: Account) -> Finding:
    answer = account.client.get(f"/workspaces/{UNKNOWN_ID}/tags", what="an unknown workspace")
    matches = answer.status == 404 and answer.body is None
    return judge(matches, _refusal_of(answer), answer)


# Users


def users_search(account: Account) -> Finding:
    answer = account.user_search()
    if answer.status == 400:
        answer = account.small_user_search()
    text = f"{status_of(answer)}, {len(answer.rows())} users"
    if answer.ok and account.user().get("id") not in {row.get("id") for row in answer.rows()}:
        return judge(False, f"{text}, without the owner of the key", answer)
    return judge_accepted(answer, text)


def users_search_page(account: Account) -> Finding:
    answer = account.user_search()
    if answer.status in (404, 405):
        raise Untestable(f"the search does not exist: {answer.status}")
    return judge_accepted(answer)


def users_listing_default(account: Account) -> Finding:
    limited = _limited(account)
    answer = account.listing("users")
    found = {row.get("id") for row in answer.rows()} & limited
    text = f"{len(found)} of {len(limited)} limited members are listed"
    return judge(not found, text, answer)


def users_one_status(account: Account) -> Finding:
    limited = _limited(account)
    answer = _list_users(account, [("account-statuses", "LIMITED")], "one status")
    statuses = redaction.known_values(row.get("status") for row in answer.rows())
    found = {row.get("id") for row in answer.rows()}
    text = f"{status_of(answer)}, {len(found & limited)} of {len(limited)} limited members"
    text += f"; statuses: {' '.join(statuses) or 'none'}"
    return judge(answer.ok and found == limited, text, answer)


def users_several_statuses(account: Account) -> Finding:
    limited = _limited(account)
    csv = _list_users(account, [("account-statuses", "ACTIVE,LIMITED")], "comma")
    repeated = _list_users(
        account, [("account-statuses", "ACTIVE"), ("account-statuses", "LIMITED")], "repeated"
    )
    texts, fits = [], []
    for name, answer in (("with a comma", csv), ("repeated", repeated)):
        found = answer.rows()
        both = {"ACTIVE", "LIMITED"} >= {row.get("status") for row in found}
        has_limited = limited <= {row.get("id") for row in found}
        fits.append(answer.ok and both and has_limited)
        texts.append(f"{name}: {status_of(answer)}, {'as asked' if fits[-1] else 'otherwise'}")
    return judge(all(fits), "; ".join(texts), csv, repeated)


def _limited(account: Account) -> set[object]:
    """Return the ids of limited members."""
    users = account.searched_users()
    found = {row.get("id") for row in users if row.get("status") == "LIMITED"}
    if not found:
        raise Untestable("the workspace has no limited member")
    if len(users) > PAGE:
        raise Untestable(f"the workspace has more than {PAGE} users")
    return found


def _list_users(account: Account, statuses: list[tuple[str, str]], what: str) -> Answer:
    params = [("status", "ALL"), ("include-roles", "true"), ("page-size", str(PAGE)), *statuses]
    answer = account.get("/users", params, what=what)
    if answer.is_refusal:
        raise Untestable(f"refused to this key: {status_of(answer)}")
    return answer


def removed_user_profile(account: Account) -> Finding:
    answer = account.get(f"/member-profile/{account.removed_user()}", what="a removed user")
    matches = answer.code == 501 and bool(_MISSING.search(answer.message))
    return judge(matches, _described(answer), answer)


def removed_user_entries(account: Account) -> Finding:
    answer = account.entries_of(account.removed_user(), {"page-size": 50}, "a removed user")
    matches = answer.code == 501 and bool(_MISSING.search(answer.message))
    return judge(matches, _described(answer), answer)


def _described(answer: Answer) -> str:
    if answer.ok:
        is_list = isinstance(answer.body, list)
        return f"200, {len(answer.body)} rows" if is_list else "200 with an object"
    return _refusal_of(answer)


# Requests sent only on the user's demand


def rate_limit(account: Account) -> Finding:
    limited = account.client.limited
    if limited is None and account.provoke_limit:
        is_free = "UNLIMITED_REPORTS" in (account.workspace.get("features") or ())
        most = 400 if is_free or account.client.config.get("plan") != "free" else 60
        sent, limited = account.client.flood(f"{account.root}/tags", most, 16)
        if limited is None:
            raise Untestable(f"{sent} requests at once did not reach the limit")
    if limited is None:
        raise Untestable("no 429 came by itself; --provoke-limit provokes one")
    found = redaction.headers(limited.headers)
    found.pop("content-type", None)
    text = f"429, {'code ' + str(limited.code) if limited.code is not None else 'no code'}"
    text += "; headers: " + (", ".join(f"{k} {v}" for k, v in found.items()) or "none of a limit")
    return judge(limited.code is None and not found, text, limited)


def other_host(account: Account) -> Finding:
    if not account.other_host:
        raise Untestable("no other host was named; --other-host URL sends the key there")
    answer = account.client.elsewhere(account.other_host)
    return judge(answer.status == 401, _described(answer), answer)


def audit_log_host(account: Account) -> Finding:
    server = account.client.config.get("server") or {}
    if (server.get("server_type") or "region") == "region" and (
        server.get("region") or "global"
    ) == "global":
        raise Untestable("the workspace is on the global host, whose audit log host is known")
    if server.get("server_type") != "custom" or not server.get("audit_log_url"):
        raise Untestable("no audit log host is configured; only its owner can name one")
    account.require("AUDIT_LOG")
    body = {"start": account.moment(-1), "end": account.moment(0), "page": 0, "page-size": 1}
    body |= {"authors": {"authorIds": [], "contains": "DOES_NOT_CONTAIN"}}
    body |= {"actions": ["DELETE_TASK"]}
    answer = need(account.post("/audit-log", body, host="audit_log", what="one action"))
    return judge(True, "200 at the configured host", answer)


LINES = {
    line.id: line
    for line in (
        Line(
            "plan-refusal",
            "A stream that the plan lacks is refused with 401, 402, 403 or code 4033, in JSON "
            "of Clockify's own.",
            plan_refusal,
        ),
        Line(
            "plan-names",
            "A workspace lists its features, and names its plan.",
            plan_names,
        ),
        Line(
            "member-refusal",
            "What only admins may read is refused to others with 401 or 403, in JSON of "
            "Clockify's own.",
            member_refusal,
        ),
        Line(
            "missing-entity",
            "A missing entity is 400 with code 501, and the message says that it does not "
            "belong, exist or was not found.",
            missing_entity,
        ),
        Line(
            "missing-workspace",
            "An unknown workspace is 404 without a body.",
            missing_workspace,
        ),
        Line(
            "users-search",
            "POST users/info takes four account statuses as an array.",
            users_search,
        ),
        Line(
            "users-search-page",
            "POST users/info takes a pageSize of 5000.",
            users_search_page,
        ),
        Line(
            "users-listing-default",
            "GET users without account-statuses leaves limited members out.",
            users_listing_default,
        ),
        Line(
            "users-one-status",
            "GET users with account-statuses=LIMITED lists the limited members and nobody else.",
            users_one_status,
        ),
        Line(
            "users-several-statuses",
            "GET users takes several account statuses, with a comma or as repeated keys (the "
            "connector sends neither).",
            users_several_statuses,
        ),
        Line(
            "removed-user-profile",
            "The member profile of a removed user is refused as a missing entity.",
            removed_user_profile,
        ),
        Line(
            "removed-user-entries",
            "The time entries of a removed user, by user, are refused as a missing entity.",
            removed_user_entries,
        ),
        Line(
            "rate-limit",
            "429 has no code and no header that says when to go on.",
            rate_limit,
        ),
        Line(
            "other-host",
            "Another region's host refuses this key with 401.",
            other_host,
        ),
        Line(
            "audit-log-host",
            "The audit log of a region has no host that could be guessed.",
            audit_log_host,
        ),
    )
}
