"""The detailed report: entries of a whole workspace in a window, with names and amounts."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from integration_tests.sandbox.call import Call, Reply, encode, error, mismatch
from integration_tests.sandbox.paging import DETAILED, Paging, page_of
from integration_tests.sandbox.render import entry_values
from integration_tests.sandbox.store import Entry, Row, Workspace, between
from integration_tests.sandbox.timetext import parse_instant, reread_in, zoned_text

DETAILED_PAGING = Paging(DETAILED, default=50, maximum=1000)
FREE_DAYS = 31
DAY = 86_400
_SORTS = ("ID", "DESCRIPTION", "USER", "DURATION", "DATE", "ZONED_DATE", "NATURAL", "USER_DATE")
_CACHED_REPORTS = 16


@dataclass(frozen=True)
class Found:
    """The entries of a report in its order, and the totals over all of them."""

    entries: list[Entry]
    totals: list[Row]


def detailed(call: Call) -> Reply:
    """POST /workspaces/{id}/reports/detailed."""
    body = call.body()
    options = body.get("detailedFilter")
    if not isinstance(options, dict):
        raise error(400, "detailedFilter is required", 3001)
    if body.get("exportType", "JSON") not in ("JSON", "JSON_V1"):
        raise mismatch("exportType", body["exportType"])
    zone = _zone(call, body)
    page = page_of(call, DETAILED_PAGING, call.state.settings.report_max_page_size)
    found = _cached(call, body, options, zone)
    shown = page.cut(found.entries)
    now = _running_until(call)
    rows = [detailed_row(call.workspace, entry, zone, amounts_of(body), now) for entry in shown]
    return Reply(200, encode({"totals": found.totals, "timeentries": rows}), rows=len(rows))


def _zone(call: Call, body: Row) -> ZoneInfo:
    name = body.get("timeZone") or call.state.settings.time_zone
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise mismatch("timeZone", name) from None


def _running_until(call: Call) -> int | None:
    elapsed = call.state.settings.running_duration == "elapsed"
    return int(call.state.clock.now()) if elapsed else None


def amounts_of(body: Row) -> list[str]:
    """The kinds of amounts that rows and totals show."""
    amounts = body.get("amounts")
    if isinstance(amounts, list) and amounts:
        return [str(kind) for kind in amounts]
    shown = body.get("amountShown") or "EARNED"
    return [] if shown == "HIDE_AMOUNT" else [str(shown)]


def _window(call: Call, body: Row, zone: ZoneInfo) -> tuple[float, float]:
    """The window's bounds: their UTC wall clocks, read again in the report's time zone."""
    instants: list[float] = []
    for name in ("dateRangeStart", "dateRangeEnd"):
        if body.get(name) is None:
            raise error(400, f"Required parameter '{name}' is not present", 3001)
        try:
            instants.append(parse_instant(body[name]))
        except ValueError:
            raise mismatch(name, body[name]) from None
    start, end = instants
    if end < start:
        raise error(400, "Start date must be before end date", 501)
    days = int(end // DAY) - int(start // DAY) + 1
    if call.workspace.plan == "FREE" and days > FREE_DAYS:
        raise error(400, f"Date range of {days} days is above the {FREE_DAYS} of your plan", 501)
    return reread_in(zone, start), reread_in(zone, end)


def _cached(call: Call, body: Row, options: Row, zone: ZoneInfo) -> Found:
    """The report without regard to its page; the last few are kept until the data changes."""
    start, end = _window(call, body, zone)
    pageless = {name: value for name, value in options.items() if name not in ("page", "pageSize")}
    settings = call.state.settings
    key = (
        call.workspace.id,
        call.user_id,
        zone.key,
        settings.report_end,
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
    if call.state.settings.report_end == "inclusive":
        end += 1e-6
    workspace = call.workspace
    entries = between(workspace.all_entries(), start, end)
    if not call.me.is_admin:
        entries = [entry for entry in entries if entry.user_id == call.user_id]
    entries = _filtered(workspace, body, entries)
    entries = _sorted(workspace, body, options, entries)
    wanted = (options.get("options") or {}).get("totals", "CALCULATE")
    totals = [] if wanted == "EXCLUDE" else [_totals(entries, amounts_of(body))]
    return Found(entries, totals)


def _filtered(workspace: Workspace, body: Row, entries: list[Entry]) -> list[Entry]:
    for name in ("users", "projects", "clients", "tasks", "tags"):
        chosen = body.get(name)
        if not isinstance(chosen, dict):
            continue
        ids = set(chosen.get("ids") or ())
        if ids:
            contains = chosen.get("contains", "CONTAINS") == "CONTAINS"
            entries = [
                entry
                for entry in entries
                if bool(ids.intersection(_ids(workspace, name, entry))) == contains
            ]
        if name == "users" and chosen.get("status", "ALL") != "ALL":
            allowed = _users_by_status(workspace, chosen["status"])
            entries = [entry for entry in entries if entry.user_id in allowed]
    if isinstance(body.get("billable"), bool):
        entries = [entry for entry in entries if entry.billable == body["billable"]]
    if body.get("description"):
        folded = str(body["description"]).casefold()
        entries = [each for each in entries if folded in (each.description or "").casefold()]
    return entries


def _ids(workspace: Workspace, name: str, entry: Entry) -> list[str | None]:
    if name == "users":
        return [entry.user_id]
    if name == "projects":
        return [entry.project_id]
    if name == "tasks":
        return [entry.task_id]
    if name == "tags":
        return list(entry.tag_ids or ())
    project = workspace.rows("projects").get(entry.project_id or "")
    return [project["clientId"]] if project else []


def _users_by_status(workspace: Workspace, status: str) -> set[str]:
    groups = {
        "ACTIVE": ("ACTIVE",),
        "PENDING": ("PENDING",),
        "INACTIVE": ("INACTIVE",),
        "ACTIVE_WITH_PENDING": ("ACTIVE", "PENDING"),
    }
    if status not in groups:
        raise mismatch("users.status", status)
    return {
        member.id
        for member in workspace.members.values()
        if member.membership["membershipStatus"] in groups[status]
    }


def _sorted(workspace: Workspace, body: Row, options: Row, entries: list[Entry]) -> list[Entry]:
    column = options.get("sortColumn") or "DATE"
    order = body.get("sortOrder") or options.get("sortOrder") or "DESCENDING"
    if column not in _SORTS:
        raise mismatch("sortColumn", column)
    if order not in ("ASCENDING", "DESCENDING"):
        raise mismatch("sortOrder", order)
    descending = order == "DESCENDING"
    if column == "ID":
        return sorted(entries, key=lambda entry: entry.id, reverse=descending)
    if column == "DESCRIPTION":
        return sorted(entries, key=lambda entry: entry.description or "", reverse=descending)
    if column == "DURATION":
        return sorted(entries, key=lambda entry: entry.seconds, reverse=descending)
    if column in ("USER", "USER_DATE"):
        names = {entry.user_id: _user(workspace, entry.user_id)[0] for entry in entries}
        return sorted(entries, key=lambda entry: names[entry.user_id], reverse=descending)
    return entries[::-1] if descending else entries


def _totals(entries: list[Entry], kinds: list[str]) -> Row:
    """The one row of totals over all entries, times in seconds, amounts in cents."""
    time = billable = 0
    earned = cost = 0.0
    for entry in entries:
        seconds = entry.seconds
        time += seconds
        cost += _cents(entry.cost_rate, seconds)
        if entry.billable:
            billable += seconds
            earned += _cents(entry.hourly_rate, seconds)
    return {
        "_id": None,
        "totalTime": time,
        "totalBillableTime": billable,
        "entriesCount": len(entries),
        "totalAmount": earned,
        "totalAmountByCurrency": [{"currency": "EUR", "amount": earned}],
        "numOfCurrencies": 1,
        "amounts": _amounts(earned, cost, kinds),
    }


def _cents(rate: Row | None, seconds: int) -> float:
    return 0.0 if rate is None else rate["amount"] * seconds / 3600


def _amounts(earned: float, cost: float, kinds: list[str]) -> list[Row]:
    values = {"EARNED": earned, "COST": cost, "PROFIT": earned - cost}
    return [{"type": kind, "value": round(values.get(kind, 0.0), 2)} for kind in kinds]


def _user(workspace: Workspace, user_id: str) -> tuple[str, str | None]:
    member = workspace.members.get(user_id)
    if member is None:
        return "DeletedUser", None
    return member.account["name"] or "", member.account["email"]


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
    user_name, user_email = _user(workspace, entry.user_id)
    earned = _cents(entry.hourly_rate, seconds) if entry.billable else 0.0
    cost = _cents(entry.cost_rate, seconds)
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
        "amounts": _amounts(earned, cost, amounts),
        "currency": "EUR",
        "type": entry.type,
        "kioskId": entry.kiosk_id,
        "customFields": entry_values(workspace, entry) if entry.values else [],
        "userCustomFields": _user_fields(workspace, entry.user_id),
        "invoicingInfo": None,
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
