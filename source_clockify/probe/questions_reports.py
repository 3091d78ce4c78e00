"""Lines about reports."""

import re

from source_clockify.probe import redaction
from source_clockify.probe.account import Account, start_of
from source_clockify.probe.client import Answer, NoAnswer
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

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def report_running(account: Account) -> Finding:
    running = account.rows("time_entries_in_progress")
    if not running:
        raise Untestable("no timer is running")
    listed = {row.get("_id") for row in account.report().rows("timeentries")}
    if len(listed) >= account.report_page:
        raise Untestable("the report of 31 days does not fit on a page")
    recent = [row for row in running if _in_month(account, row)]
    if not recent:
        raise Untestable("no running timer began in the 31 days of the report")
    found = sum(1 for row in recent if row.get("id") in listed)
    text = f"{found} of {len(recent)} running timers are in the report"
    return judge(found == len(recent), text, account.report())


def _in_month(account: Account, row: dict[str, object]) -> bool:
    start = start_of(row)
    return start is not None and (account.now - start).days < 30 and start <= account.now


def report_invoicing(account: Account) -> Finding:
    rows = _rows(account)
    kinds = {
        redaction.kind_of(row["invoicingInfo"]).partition(":")[0]
        if "invoicingInfo" in row
        else "absent"
        for row in rows
    }
    text = f"invoicingInfo is: {', '.join(sorted(kinds))}"
    return judge(kinds <= {"object", "null"}, text, account.report())


def report_tags(account: Account) -> Finding:
    rows = _rows(account)
    tags = sum(1 for row in rows if isinstance(row.get("tags"), list))
    ids = sum(1 for row in rows if "tagIds" in row)
    text = f"of {len(rows)} rows {tags} have a list `tags`, {ids} have `tagIds`"
    return judge(tags == len(rows), text, account.report())


def _rows(account: Account) -> list[dict[str, object]]:
    rows = account.report().rows("timeentries")
    if not rows:
        raise Untestable("the detailed report of the last 31 days is empty")
    return rows


def report_page_1000(account: Account) -> Finding:
    answer = account.plain_report()
    if answer.status == 403:
        answer = account.hidden_report()
    return judge_accepted(answer)


def report_page_1001(account: Account) -> Finding:
    need(account.report())
    answer = account.ask_report("detailed", account.month(pageSize=1001), "pageSize 1001")
    text = status_of(answer)
    return judge(not accepted(answer) and answer.status == 400, text, answer)


def report_last_page(account: Account) -> Finding:
    answer = account.report()
    value = redaction.headers(answer.headers).get("last-page", "absent")
    return judge(value == "true" or value == "false", f"Last-Page is {value}", answer)


def report_sort(account: Account) -> Finding:
    starts = [start for start in map(start_of, _rows(account)) if start is not None]
    if len(set(starts)) < 3:
        raise Untestable("fewer than three starts in the last 31 days")
    text = "ascending" if starts == sorted(starts) else "not in this order"
    return judge(starts == sorted(starts), f"{len(starts)} rows, {text}", account.report())


def report_since_2000(account: Account) -> Finding:
    return _wide(account, "2000-01-01T00:00:00.000Z", "from 2000")


def report_year_one(account: Account) -> Finding:
    return _wide(account, "0001-01-01T00:00:00.000Z", "from year 1")


def _wide(account: Account, start: str, what: str) -> Finding:
    need(account.report())
    if account.lacks("UNLIMITED_REPORTS"):
        raise Untestable("the plan limits the range of reports")
    body = account.report_body(start, account.day(0, "T23:59:59.999Z"), pageSize=1)
    return judge_accepted(account.ask_report("detailed", body, what))


def report_amounts(account: Account) -> Finding:
    if account.plain_report().status == 403:
        raise Untestable("the key needs HIDE_AMOUNT; see report-manager")
    need(account.report())
    body = account.month(pageSize=1)
    return judge_accepted(account.ask_report("detailed", body, "HIDE_AMOUNT", hide=True))


def report_manager(account: Account) -> Finding:
    if "WORKSPACE_ADMIN" in account.roles() or "OWNER" in account.roles():
        raise Untestable("the key belongs to an owner or admin")
    if not account.roles() & {"TEAM_MANAGER", "PROJECT_MANAGER"}:
        raise Untestable("the key does not belong to a manager")
    plain = account.plain_report()
    if plain.ok:
        return judge(False, "200 with amounts", plain)
    hidden = account.hidden_report()
    text = f"{status_of(plain)}; with HIDE_AMOUNT {status_of(hidden)}"
    return judge(plain.status == 403 and hidden.ok, text, plain, hidden)


def report_end(account: Account) -> Finding:
    rows = [row for row in _rows(account) if start_of(row) is not None]
    if not rows:
        raise Untestable("no row has a start")
    start = start_of(rows[-1])
    assert start is not None
    moment = start.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    midnight, size = start.strftime("%Y-%m-%dT00:00:00.000Z"), account.report_page
    body = account.report_body(midnight, moment, pageSize=size)
    answer = need(account.ask_report("detailed", body, "to the start of an entry"))
    found = rows[-1].get("_id") in {row.get("_id") for row in answer.rows("timeentries")}
    text = "an entry that starts at the end is " + ("in" if found else "not in")
    return judge(found, text, answer)


def report_zone(account: Account) -> Finding:
    starts = [
        str((row.get("timeInterval") or {}).get("start") or "")  # type: ignore[attr-defined]
        for row in _rows(account)
    ]
    literal = sum(1 for text in starts if text.endswith("Z"))
    text = f"{literal} of {len(starts)} starts are written in UTC"
    return judge(literal == len(starts), text, account.report())


def summary_day(account: Account) -> Finding:
    need(account.report())
    body = {**account.month(), "summaryFilter": {"groups": ["DATE"]}}
    answer = need(account.ask_report("summary", body, "by DATE"))
    rows = answer.rows("groupOne")
    if not rows:
        raise Untestable("the summary report of the last 31 days is empty")
    places = {_place_of_day(row) for row in rows}
    return judge(places == {"name"}, f"the day is in: {', '.join(sorted(places))}", answer)


def _place_of_day(row: dict[str, object]) -> str:
    for name in ("name", "_id"):
        if _DAY.match(str(row.get(name) or "")):
            return name
    return "neither name nor _id"


def attendance_page(account: Account) -> Finding:
    account.require("ATTENDANCE_REPORT")
    answers: list[Answer] = []
    for size in (1000, 200):
        body = {**account.month(), "attendanceFilter": {"page": 1, "pageSize": size}}
        answers.append(account.ask_report("attendance", body, f"pageSize {size}"))
        if accepted(answers[-1]):
            break
    text = "; ".join(f"{each.what}: {status_of(each)}" for each in answers)
    return judge(answers[0].ok, text, *answers)


def shared_reports_admin(account: Account) -> Finding:
    account.require("SHARED_REPORTS")
    everyone = _all_shared(account)
    if everyone.is_refusal:
        raise Untestable(f"refused to this key or plan: {status_of(everyone)}")
    try:
        admin = _shared(account, "ALL_ADMIN", 50)
    except NoAnswer as reason:
        # Clockify answers an unknown filter with 500.
        if not str(reason).startswith("HTTP 500"):
            raise
        return judge(False, f"ALL: {status_of(everyone)}; ALL_ADMIN: {reason}", everyone)
    if admin.is_refusal:
        raise Untestable(f"ALL_ADMIN is refused to this key: {status_of(admin)}")
    counts = [each.body.get("count") for each in (everyone, admin) if isinstance(each.body, dict)]
    text = f"ALL: {status_of(everyone)}; ALL_ADMIN: {status_of(admin)}"
    if admin.ok and len(counts) == 2:
        text += "; both count the same" if counts[0] == counts[1] else "; their counts differ"
    return judge(admin.ok, text, everyone, admin)


def shared_reports_page(account: Account) -> Finding:
    account.require("SHARED_REPORTS")
    return judge_accepted(_all_shared(account))


def _all_shared(account: Account) -> Answer:
    return account.remember("shared reports", lambda: _shared(account, "ALL", 1000))


def _shared(account: Account, name: str, size: int) -> Answer:
    params = {"sharedReportsFilter": name, "page": 1, "pageSize": size}
    return account.get("/shared-reports", params, host="reports", what=f"{name}, pageSize {size}")


LINES = {
    line.id: line
    for line in (
        Line("report-running", "The detailed report holds running timers.", report_running),
        Line(
            "report-invoicing",
            "invoicingInfo is an object or null in every row of the detailed report.",
            report_invoicing,
        ),
        Line(
            "report-tags",
            "Every row of the detailed report has a list of tags.",
            report_tags,
        ),
        Line(
            "report-page-1000",
            "The detailed report takes a pageSize of 1000.",
            report_page_1000,
        ),
        Line(
            "report-page-1001",
            "The detailed report refuses a pageSize of 1001 with 400.",
            report_page_1001,
        ),
        Line("report-last-page", "The detailed report sends Last-Page.", report_last_page),
        Line("report-sort", "The detailed report sorts by DATE.", report_sort),
        Line("report-since-2000", "Reports take a window from 2000.", report_since_2000),
        Line("report-year-one", "Reports take a window from year 1.", report_year_one),
        Line(
            "report-amounts",
            "Reports take amountShown HIDE_AMOUNT from every key.",
            report_amounts,
        ),
        Line(
            "report-manager",
            "A manager's key is refused a report with 403, and gets it with HIDE_AMOUNT.",
            report_manager,
        ),
        Line(
            "report-end",
            "An entry that starts exactly at the end of a report's window is in it.",
            report_end,
        ),
        Line(
            "report-zone",
            "With timeZone UTC the rows of the detailed report show UTC.",
            report_zone,
        ),
        Line("summary-day", "A DATE group of the summary report is named by its day.", summary_day),
        Line(
            "attendance-page",
            "The attendance report takes a pageSize of 1000 (200 is requested).",
            attendance_page,
        ),
        Line(
            "shared-reports-admin",
            "Shared reports take the filter ALL_ADMIN (ALL is requested).",
            shared_reports_admin,
        ),
        Line(
            "shared-reports-page",
            "Shared reports take a pageSize of 1000 (50 is requested).",
            shared_reports_page,
        ),
    )
}
