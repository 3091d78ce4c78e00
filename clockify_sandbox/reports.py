"""The detailed report: entries of a workspace in a window, with names and amounts."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from clockify_sandbox.call import Call, Reply, encode, mismatch
from clockify_sandbox.listing import last_page_header, present
from clockify_sandbox.paging import DETAILED, Paging, page_of
from clockify_sandbox.render import cents, entry_values, user_of
from clockify_sandbox.report_base import (
    amounts_of,
    amounts_row,
    check_amounts,
    family_filter,
    order_of,
    running_until,
    seen_entries,
    shown_amounts,
    shown_zone,
    totals_row,
    window_of,
    zone_of,
)
from clockify_sandbox.state import Settings
from clockify_sandbox.store import Entry, Row, Workspace
from clockify_sandbox.timetext import zoned_text

DETAILED_PAGING = Paging(DETAILED, default=50, maximum=1000)
_SORTS = ("ID", "DESCRIPTION", "USER", "DURATION", "DATE", "ZONED_DATE", "NATURAL", "USER_DATE")
_CACHED_REPORTS = 16


@dataclass(frozen=True)
class Found:
    """The entries of a report, in its order, and the totals over all of them."""

    entries: list[Entry]
    totals: list[Row]


def detailed(call: Call) -> Reply:
    """POST /workspaces/{id}/reports/detailed."""
    body = call.body()
    options = family_filter(body, "detailedFilter")
    check_amounts(call, body)
    zone = zone_of(call, body)
    page = page_of(call, DETAILED_PAGING, call.state.settings.report_max_page_size)
    found = _cached(call, body, options, zone)
    shown = page.cut(found.entries)
    now = running_until(call)
    zone = shown_zone(call.state.settings, zone)
    rows = [
        with_invoicing(
            call.state.settings, detailed_row(call.workspace, entry, zone, amounts_of(body), now)
        )
        for entry in shown
    ]
    answer = shown_amounts(body, {"totals": found.totals, "timeentries": rows})
    headers = {}
    if call.state.settings.report_last_page:
        headers = last_page_header(call, page, len(found.entries))
    return Reply(200, encode(answer), headers, len(rows))


def with_invoicing(settings: Settings, row: Row) -> Row:
    """A row whose entry is in no invoice, in the form selected by the setting."""
    if row["invoicingInfo"] is not None or settings.invoicing_info == "object":
        return row
    if settings.invoicing_info == "list":
        return {**row, "invoicingInfo": []}
    return {name: value for name, value in row.items() if name != "invoicingInfo"}


def _cached(call: Call, body: Row, options: Row, zone: ZoneInfo) -> Found:
    """The report regardless of its page; the last few are cached until the data changes."""
    start, end = window_of(call, body, zone)
    pageless = {name: value for name, value in options.items() if name not in ("page", "pageSize")}
    settings = call.state.settings
    key = (
        call.workspace.id,
        call.user_id,
        zone.key,
        settings.report_end,
        frozenset(call.omitted),
        orjson.dumps({**body, "detailedFilter": pageless}, option=orjson.OPT_SORT_KEYS),
    )
    kept = call.state.reports
    if key not in kept:
        while len(kept) >= _CACHED_REPORTS:
            del kept[next(iter(kept))]
        kept[key] = _find(call, body, options, start, end)
    found: Found = kept[key]
    return found


def _find(call: Call, body: Row, options: Row, start: float, end: float) -> Found:
    seen = list(present(call, seen_entries(call, body, start, end)))
    if not call.state.settings.running_in_reports:
        seen = [entry for entry in seen if entry.end is not None]
    entries = _sorted(call, body, options, seen)
    wanted = (options.get("options") or {}).get("totals", "CALCULATE")
    totals = [] if wanted == "EXCLUDE" else [totals_row(entries, amounts_of(body))]
    return Found(entries, totals)


def _sorted(call: Call, body: Row, options: Row, entries: list[Entry]) -> list[Entry]:
    workspace = call.workspace
    column = options.get("sortColumn") or "DATE"
    if column not in _SORTS:
        raise mismatch("sortColumn", column)
    descending = order_of(body, options, "DESCENDING") == "DESCENDING"
    if column == "ID" or (column == "DATE" and not call.state.settings.report_sorts_by_date):
        return sorted(entries, key=lambda entry: entry.id, reverse=descending)
    if column == "DESCRIPTION":
        return sorted(entries, key=lambda entry: entry.description or "", reverse=descending)
    if column == "DURATION":
        return sorted(entries, key=lambda entry: entry.seconds, reverse=descending)
    if column in ("USER", "USER_DATE"):
        names = {entry.user_id: user_of(workspace, entry.user_id)[0] for entry in entries}
        return sorted(entries, key=lambda entry: names[entry.user_id], reverse=descending)
    return entries[::-1] if descending else entries


def detailed_row(
    workspace: Workspace,
    entry: Entry,
    zone: ZoneInfo,
    amounts: list[str],
    running_until: int | None = None,
) -> Row:
    """A row of the report; a running entry has no end, and no duration unless `running_until`."""
    end = entry.end if entry.end is not None else running_until
    seconds = 0 if end is None else end - entry.start
    project = workspace.rows("projects").get(entry.project_id or "")
    client = workspace.rows("clients").get((project["clientId"] if project else None) or "")
    task = workspace.rows("tasks").get(entry.task_id or "")
    tags = workspace.rows("tags")
    user_name, user_email = user_of(workspace, entry.user_id)
    earned = cents(entry.hourly_rate, seconds) if entry.billable else 0.0
    cost = cents(entry.cost_rate, seconds)
    rate = entry.hourly_rate["amount"] if entry.hourly_rate and entry.billable else 0
    row: Row = {
        "_id": entry.id,
        "description": entry.description or "",
        "userId": entry.user_id,
        "userName": user_name,
        "userEmail": user_email,
        "timeInterval": {
            "start": zoned_text(entry.start, zone),
            "end": None if entry.end is None else zoned_text(entry.end, zone),
            "duration": None if end is None else seconds,
        },
        "billable": entry.billable,
        "projectId": entry.project_id,
        "projectName": project["name"] if project else None,
        "projectColor": project["color"] if project else None,
        "clientId": client["id"] if client else None,
        "clientName": client["name"] if client else None,
        "taskId": entry.task_id,
        "taskName": task["name"] if task else None,
        "tagIds": entry.tag_ids,
        "tags": [
            {"_id": tag, "name": tags[tag]["name"]} for tag in entry.tag_ids or () if tag in tags
        ],
        "isLocked": entry.locked,
        "approvalRequestId": entry.approval_id,
        "amount": earned,
        "rate": float(rate),
        "earnedAmount": earned,
        "earnedRate": float(rate),
        "costAmount": cost,
        "costRate": float(entry.cost_rate["amount"]) if entry.cost_rate else 0.0,
        "amounts": amounts_row(earned, cost, amounts),
        "currency": "EUR",
        "type": entry.type,
        "kioskId": entry.kiosk_id,
        "customFields": entry_values(workspace, entry) if entry.values else [],
        "userCustomFields": _user_fields(workspace, entry.user_id),
        "invoicingInfo": entry.invoicing,
    }
    if entry.extra:
        row |= {name: value for name, value in entry.extra.items() if name in row}
    return row


def _user_fields(workspace: Workspace, user_id: str) -> list[Any]:
    member = workspace.members.get(user_id)
    if member is None or not member.values:
        return []
    fields = workspace.rows("custom-fields")
    return [
        {
            "customFieldId": field_id,
            "name": fields[field_id]["name"],
            "type": fields[field_id]["type"],
            "value": value,
        }
        for field_id, value in member.values.items()
        if field_id in fields
    ]
