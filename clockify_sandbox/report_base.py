"""The common parts of all reports: window, time zone, filters, amounts and user names."""

from typing import Any
from zoneinfo import ZoneInfo

from clockify_sandbox.call import Call, access_denied, error, mismatch
from clockify_sandbox.plans import report_days
from clockify_sandbox.render import cents
from clockify_sandbox.state import Settings
from clockify_sandbox.store import Entry, Row, Workspace, between
from clockify_sandbox.timetext import parse_instant, reread_in, utc_day

DAY = 86_400


def family_filter(body: Row, name: str) -> Row:
    """The required settings of a report; JSON is the only supported format."""
    options = body.get(name)
    if not isinstance(options, dict):
        raise error(400, f"{name} is required", 3001)
    check_export_type(body)
    return options


def check_export_type(body: Row) -> None:
    if body.get("exportType", "JSON") not in ("JSON", "JSON_V1"):
        raise mismatch("exportType", body["exportType"])


def order_of(body: Row, options: Row, default: str) -> str:
    order = body.get("sortOrder") or options.get("sortOrder") or default
    if order not in ("ASCENDING", "DESCENDING"):
        raise mismatch("sortOrder", order)
    return str(order)


AMOUNTS = ("amount", "rate", "earnedAmount", "earnedRate", "costAmount", "costRate", "totalAmount")


def check_amounts(call: Call, body: Row) -> None:
    """403 for a manager who requests a report of time without hiding its amounts."""
    settings = call.state.settings
    if hides_amounts(body) and settings.hide_amount == "refused":
        raise mismatch("amountShown", body["amountShown"])
    refused = settings.manager_reports == "refused"
    if refused and call.me.is_manager and not hides_amounts(body):
        raise access_denied()


def hides_amounts(body: Row) -> bool:
    return body.get("amountShown") == "HIDE_AMOUNT"


def shown_amounts(body: Row, answer: Any) -> Any:
    """A report's answer; if amounts are hidden, without any amounts and rates."""
    return _without_amounts(answer) if hides_amounts(body) else answer


def _without_amounts(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_without_amounts(each) for each in value]
    if not isinstance(value, dict):
        return value
    lists: Row = {"amounts": [], "totalAmountByCurrency": []}
    return {
        name: lists[name] if name in lists else _without_amounts(each)
        for name, each in value.items()
        if name not in AMOUNTS
    }


def seen_entries(call: Call, body: Row, start: float, end: float) -> list[Entry]:
    """The entries of a window that are visible to the requesting user and match the filters."""
    if call.state.settings.report_end == "inclusive":
        end += 1e-6
    entries = between(call.workspace.all_entries(), start, end)
    if not (call.me.is_admin or call.me.is_manager):
        entries = [entry for entry in entries if entry.user_id == call.user_id]
    return filtered(call.workspace, body, entries)


def zone_of(call: Call, body: Row) -> ZoneInfo:
    name = body.get("timeZone") or call.state.settings.time_zone
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise mismatch("timeZone", name) from None


def shown_zone(settings: Settings, zone: ZoneInfo) -> ZoneInfo:
    """The zone in which a report shows times: the requested one, unless a setting changes it."""
    return zone if settings.report_offset is None else ZoneInfo(settings.report_offset)


def running_until(call: Call) -> int | None:
    elapsed = call.state.settings.running_duration == "elapsed"
    return int(call.state.clock.now()) if elapsed else None


def amounts_of(body: Row) -> list[str]:
    """The kinds of amounts shown in rows and totals."""
    amounts = body.get("amounts")
    if isinstance(amounts, list) and amounts:
        return [str(kind) for kind in amounts]
    shown = body.get("amountShown") or "EARNED"
    return [] if shown == "HIDE_AMOUNT" else [str(shown)]


def wall_clocks(body: Row) -> tuple[float, float]:
    """The requested bounds of the window, in epoch seconds."""
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
    return start, end


def window_of(call: Call, body: Row, zone: ZoneInfo) -> tuple[float, float]:
    """The window's bounds: their UTC wall clocks, reinterpreted in the report's time zone."""
    start, end = wall_clocks(body)
    days = int(end // DAY) - int(start // DAY) + 1
    most = report_days(call.workspace.plan)
    if most is not None and days > most:
        raise error(400, f"Date range of {days} days is above the {most} of your plan", 501)
    settings = call.state.settings
    year = int(utc_day(start).rpartition("-")[0].rpartition("-")[0])
    if (year < 1970 and settings.report_year_one == "refused") or (
        1970 <= year <= 2000 and settings.report_since_2000 == "refused"
    ):
        raise error(400, f"Start date must not be in the year {year}", 501)
    return reread_in(zone, start), reread_in(zone, end)


def filtered(workspace: Workspace, body: Row, entries: list[Entry]) -> list[Entry]:
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


def amounts_row(earned: float, cost: float, kinds: list[str]) -> list[Row]:
    values = {"EARNED": earned, "COST": cost, "PROFIT": earned - cost}
    return [_amount_row(kind, values.get(kind, 0.0)) for kind in kinds]


def _amount_row(kind: str, value: float) -> Row:
    whole = {"currency": "EUR", "amount": round(value)}
    return {"type": kind, "value": round(value, 2), "amountByCurrency": [whole]}


def totals_row(entries: list[Entry], kinds: list[str]) -> Row:
    """The one row of totals over all entries, times in seconds, amounts in cents."""
    time = billable = 0
    earned = cost = 0.0
    for entry in entries:
        seconds = entry.seconds
        time += seconds
        cost += cents(entry.cost_rate, seconds)
        if entry.billable:
            billable += seconds
            earned += cents(entry.hourly_rate, seconds)
    return {
        "_id": None,
        "totalTime": time,
        "totalBillableTime": billable,
        "entriesCount": len(entries),
        "totalAmount": earned,
        "totalAmountByCurrency": [{"currency": "EUR", "amount": earned}],
        "numOfCurrencies": 1,
        "amounts": amounts_row(earned, cost, kinds),
    }
