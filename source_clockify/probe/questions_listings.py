"""Lines about listings: pagination, headers, filters and fields."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)

from source_clockify.manifest_file import load_manifest
from source_clockify.probe import redaction
from source_clockify.probe.account import LISTINGS, Account, Row
from source_clockify.probe.client import Answer
from source_clockify.probe.lines import (
    Finding,
    Line,
    Untestable,
    accepted,
    judge,
    judge_accepted,
    need,
    status_of,
)

_ANNOUNCING = (
    "users",
    "user_groups",
    "clients",
    "projects",
    "tags",
    "time_entries_in_progress",
    "expenses",
    "expense_categories",
    "invoices",
    "time_off_policies",
    "approval_requests",
)
_MOST_NAMES = 12


def page_size_5001(account: Account) -> Finding:
    answer = account.get("/tags", {"page-size": 5001}, what="page-size 5001")
    return judge(not accepted(answer) and answer.status == 400, status_of(answer), answer)


def page_size_0(account: Account) -> Finding:
    answer = account.get("/tags", {"page-size": 0}, what="page-size 0")
    return judge(not accepted(answer) and answer.status == 400, status_of(answer), answer)


def last_page_header(account: Account) -> Finding:
    found: list[str] = []
    missing: list[str] = []
    skipped: list[str] = []
    answers: list[Answer] = []
    for name, answer in _listings(account, _ANNOUNCING, skipped):
        answers.append(answer)
        has = "last-page" in redaction.headers(answer.headers)
        (found if has else missing).append(name)
    if not answers:
        raise Untestable("no listing could be read")
    text = f"sent by {len(found)} of {len(answers)} listings"
    text += f"; not by: {' '.join(missing)}" if missing else ""
    text += f"; not read: {' '.join(skipped)}" if skipped else ""
    return judge(not missing, text, *answers)


def listing_fields(account: Account) -> Finding:
    return _compare_fields(account, tuple(LISTINGS))


def entry_fields(account: Account) -> Finding:
    answer = need(account.entries())
    return _judge_fields({"time_entries": answer.rows()}, [answer])


def report_fields(account: Account) -> Finding:
    answer = account.report()
    return _judge_fields({"detailed_report": answer.rows("timeentries")}, [answer])


def _compare_fields(account: Account, names: tuple[str, ...]) -> Finding:
    rows, answers = {}, []
    skipped: list[str] = []
    for name, answer in _listings(account, names, skipped):
        answers.append(answer)
        rows[name] = answer.rows(*LISTINGS[name][2])
    return _judge_fields(rows, answers, skipped)


def _listings(
    account: Account, names: tuple[str, ...], skipped: list[str]
) -> Iterator[tuple[str, Answer]]:
    for name in names:
        try:
            yield name, account.listing(name)
        except Untestable:
            skipped.append(name)


def _judge_fields(
    rows: Mapping[str, list[Row]], answers: list[Answer], skipped: list[str] | None = None
) -> Finding:
    if not any(rows.values()):
        raise Untestable("no rows to look at")
    found = sorted(
        {f"{name}.{path}" for name, each in rows.items() for path in undeclared_fields(name, each)}
    )
    text = f"{sum(map(len, rows.values()))} rows of {sum(map(bool, rows.values()))} listings; "
    text += f"{len(found)} undeclared fields"
    text += f": {' '.join(found[:_MOST_NAMES])}" if found else ""
    text += " ..." if len(found) > _MOST_NAMES else ""
    text += f"; not read: {' '.join(skipped)}" if skipped else ""
    return judge(not found, text, *answers)


def undeclared_fields(stream: str, rows: list[Row]) -> set[str]:
    """Return the paths of fields that the stream's schema does not declare.

    Only objects with declared properties are searched: the keys of others may be data.
    """
    found: set[str] = set()
    for row in rows:
        _look(row, _schemas()[stream], "", found)
    return found


def _look(value: Any, schema: Mapping[str, Any], path: str, found: set[str]) -> None:
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, Mapping):
            for each in value:
                _look(each, items, path, found)
    elif isinstance(value, dict) and schema.get("properties"):
        for name, each in value.items():
            declared = schema["properties"].get(name)
            if declared is None:
                found.add(path + redaction.field_name(name))
            elif isinstance(declared, Mapping):
                _look(each, declared, f"{path}{name}.", found)


@cache
def _schemas() -> Mapping[str, Any]:
    whole = load_manifest()
    parts = {"schema_parts": whole["definitions"]["schema_parts"]}
    manifest = {"schemas": whole["schemas"], "definitions": parts}
    found: Mapping[str, Any] = ManifestReferenceResolver().preprocess_manifest(manifest)["schemas"]
    return found


def categories_default(account: Account) -> Finding:
    answer = account.listing("expense_categories")
    archived = sum(1 for row in account.rows("expense_categories") if row.get("archived"))
    if not archived:
        params = {"archived": "true", "page-size": 50}
        other = need(account.get("/expenses/categories", params, what="archived"))
        if not any(row.get("archived") for row in other.rows("categories")):
            raise Untestable("no category is archived")
        return judge(True, "only active ones come; archived ones exist", answer, other)
    return judge(False, f"{archived} archived categories come, too", answer)


def approvals_default(account: Account) -> Finding:
    answer = account.listing("approval_requests")
    states = redaction.known_values(_status(row).get("state") for row in answer.rows())
    if set(states) - {"PENDING"}:
        return judge(True, f"states: {' '.join(states)}", answer)
    params = {"status": "APPROVED", "page-size": 1}
    other = need(account.get("/approval-requests", params, what="status APPROVED"))
    if not other.rows():
        raise Untestable("no approval request was approved")
    return judge(False, "only pending ones come; approved ones exist", answer, other)


def approvals_sort(account: Account) -> Finding:
    answer = account.listing("approval_requests")
    marks = [str(_status(row).get("updatedAt") or "") for row in answer.rows()]
    dated = [mark for mark in marks if mark]
    if len(set(dated)) < 2:
        raise Untestable("fewer than two approval requests with a change time")
    text = f"{len(dated)} rows with a change time, "
    is_sorted = dated == sorted(dated, reverse=True)
    text += "newest first" if is_sorted else "not sorted by it"
    return judge(is_sorted, text, answer)


def _status(row: Row) -> Row:
    status = (row.get("approvalRequest") or {}).get("status")
    return status if isinstance(status, dict) else {}


# Plans and time off


def drafts(account: Account) -> Finding:
    account.require("SCHEDULING")
    body = {**account.planned(), "page": 1, "pageSize": 200}
    path = "/scheduling/assignments/projects/totals"
    answers = [
        need(account.post(path, {**body, "statusFilter": status}, what=status))
        for status in ("UNPUBLISHED", "PUBLISHED")
    ]
    unpublished, published = (_planned_projects(each) for each in answers)
    only_drafts = unpublished - published
    if not only_drafts:
        raise Untestable("no project has nothing but unpublished assignments")
    listed = account.assignments()
    found = only_drafts & {row.get("projectId") for row in listed.rows()}
    text = f"{len(found)} of {len(only_drafts)} projects with drafts alone are listed"
    return judge(not found, text, listed, *answers)


def _planned_projects(totals: Answer) -> set[Any]:
    return {
        row.get("projectId")
        for row in totals.rows()
        if row.get("totalHours")
        or any(day.get("hasAssignment") for day in row.get("assignments") or ())
    }


def assignments_year_one(account: Account) -> Finding:
    account.require("SCHEDULING")
    params = {"start": "0001-01-01T00:00:00Z", "end": account.moment(1), "page-size": 1}
    return judge_accepted(account.get("/scheduling/assignments/all", params, what="from year 1"))


def time_off_window(account: Account) -> Finding:
    account.require("TIME_OFF")
    body: Row = {"page": 1, "pageSize": 200, "statuses": ["ALL"]}
    every = need(account.post("/time-off/requests", body))
    for row in every.rows("requests"):
        created, period = str(row.get("createdAt") or ""), _period_start(row)
        # A day apart in any time zone, so that one window cannot hold both.
        if created[:7] and period and created[:7] != period[:7]:
            window = {"start": f"{created[:7]}-01T00:00:00Z", "end": f"{created[:7]}-28T23:59:59Z"}
            if not "03" <= created[8:10] <= "26":
                continue
            answer = need(account.post("/time-off/requests", body | window, what="createdAt"))
            found = row.get("id") in {each.get("id") for each in answer.rows("requests")}
            text = "the window finds a request by " + ("its creation" if found else "another date")
            return judge(found, text, every, answer)
    raise Untestable("no request was created in another month than it is for")


def _period_start(row: Row) -> str:
    period = (row.get("timeOffPeriod") or {}).get("period")
    return str(period.get("start") or "") if isinstance(period, dict) else ""


LINES = {
    line.id: line
    for line in (
        Line("page-size-5001", "A page-size of 5001 is refused with 400.", page_size_5001),
        Line("page-size-0", "A page-size of 0 is refused with 400.", page_size_0),
        Line(
            "last-page-header",
            "Eleven listings send Last-Page.",
            last_page_header,
        ),
        Line(
            "listing-fields",
            "The rows of listings have no field that the schemas do not declare.",
            listing_fields,
        ),
        Line(
            "entry-fields",
            "Time entries have no field that the schema does not declare.",
            entry_fields,
        ),
        Line(
            "report-fields",
            "The detailed report has no field that the schema does not declare.",
            report_fields,
        ),
        Line(
            "categories-default",
            "Expense categories without `archived` are the active ones.",
            categories_default,
        ),
        Line(
            "approvals-default",
            "Approval requests without `status` come in every state.",
            approvals_default,
        ),
        Line(
            "approvals-sort",
            "Approval requests are sorted by their change, newest first, when asked.",
            approvals_sort,
        ),
        Line("drafts", "The list of assignments holds no unpublished ones.", drafts),
        Line(
            "assignments-year-one",
            "Assignments take a window from year 1.",
            assignments_year_one,
        ),
        Line(
            "time-off-window",
            "The window of time off requests is about their creation (it is not used).",
            time_off_window,
        ),
    )
}
