"""The summary and weekly reports: time and amounts of entries by group."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from clockify_sandbox.call import Call, Reply, encode, error, mismatch
from clockify_sandbox.listing import present
from clockify_sandbox.render import cents, user_of
from clockify_sandbox.report_base import (
    DAY,
    amounts_of,
    amounts_row,
    check_amounts,
    family_filter,
    order_of,
    running_until,
    seen_entries,
    shown_amounts,
    totals_row,
    wall_clocks,
    window_of,
    zone_of,
)
from clockify_sandbox.store import Entry, Row, Workspace
from clockify_sandbox.timetext import day_number, utc_day, weekday

MOST_GROUPS = 3
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SORTS = ("GROUP", "DURATION", "AMOUNT")


@dataclass(frozen=True)
class Group:
    """A group's name; `id` is null for projects and empty for other kinds without one."""

    id: str | None
    name: str
    color: str | None = None
    client: str = ""
    more: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Grouping:
    """The data that a report needs to group entries."""

    workspace: Workspace
    zone: ZoneInfo
    amounts: list[str]
    now: int | None = None
    day_in: str = "name"

    def day(self, entry: Entry) -> int:
        return day_number(entry.start, self.zone)

    def seconds(self, entry: Entry) -> int:
        end = entry.end if entry.end is not None else self.now
        return 0 if end is None else end - entry.start


def grouping_of(call: Call, body: Row, zone: ZoneInfo) -> Grouping:
    day_in = call.state.settings.summary_day
    return Grouping(call.workspace, zone, amounts_of(body), running_until(call), day_in)


def _by_project(grouping: Grouping, entry: Entry) -> Group:
    workspace = grouping.workspace
    if entry.project_id is None:
        return Group(None, "(Without project)")
    project = workspace.rows("projects").get(entry.project_id)
    if project is None:
        return Group(entry.project_id, "")
    client = workspace.rows("clients").get(project["clientId"] or "")
    return Group(project["id"], project["name"], project["color"], client["name"] if client else "")


def _by_client(grouping: Grouping, entry: Entry) -> Group:
    project = grouping.workspace.rows("projects").get(entry.project_id or "")
    clients = grouping.workspace.rows("clients")
    client = clients.get((project["clientId"] if project else None) or "")
    return Group(client["id"], client["name"]) if client else Group("", "(Without client)")


def _by_task(grouping: Grouping, entry: Entry) -> Group:
    if entry.task_id is None:
        return Group("", "(Without task)")
    task = grouping.workspace.rows("tasks").get(entry.task_id)
    return Group(entry.task_id, task["name"] if task else "")


def _by_user(grouping: Grouping, entry: Entry) -> Group:
    more = (
        ("hasMembership", entry.user_id in grouping.workspace.members),
        ("sortingField", "1-name"),
    )
    return Group(entry.user_id, user_of(grouping.workspace, entry.user_id)[0], "#1DE9B6", more=more)


def _by_tag(grouping: Grouping, entry: Entry) -> Group:
    """The first tag, so that time is not counted twice."""
    tags = grouping.workspace.rows("tags")
    first = next((tag for tag in entry.tag_ids or () if tag in tags), None)
    return Group("", "(Without tag)") if first is None else Group(first, tags[first]["name"])


def _by_entry(grouping: Grouping, entry: Entry) -> Group:
    return Group(entry.id, entry.description or "")


def _by_date(grouping: Grouping, entry: Entry) -> Group:
    day = utc_day(grouping.day(entry) * DAY)
    year, month, number = day.rsplit("-", 2)
    return Group(day, day if grouping.day_in == "name" else f"{number}/{month}/{year}")


def _by_week(grouping: Grouping, entry: Entry) -> Group:
    day = grouping.day(entry)
    monday = utc_day((day - weekday(day)) * DAY)
    return Group(monday, monday)


def _by_month(grouping: Grouping, entry: Entry) -> Group:
    """A month, with its name as its id: `Sep 2025`."""
    year, month, _ = utc_day(grouping.day(entry) * DAY).rsplit("-", 2)
    name = f"{_MONTHS[int(month) - 1]} {year}"
    return Group(name, name, "#CE93D8", more=(("monthSortValue", f"{year}-{month}"),))


GROUPS: dict[str, Callable[[Grouping, Entry], Group]] = {
    "CLIENT": _by_client,
    "PROJECT": _by_project,
    "TASK": _by_task,
    "DATE": _by_date,
    "WEEK": _by_week,
    "MONTH": _by_month,
    "TIMEENTRY": _by_entry,
    "USER": _by_user,
    "TAG": _by_tag,
}


def summary(call: Call) -> Reply:
    """POST /workspaces/{id}/reports/summary: everything in one answer."""
    body = call.body()
    options = family_filter(body, "summaryFilter")
    check_amounts(call, body)
    groups = options.get("groups")
    if not isinstance(groups, list) or not groups:
        raise error(400, "summaryFilter.groups is required", 3001)
    if len(groups) > MOST_GROUPS:
        raise error(400, f"There are at most {MOST_GROUPS} groups", 501)
    for name in groups:
        if name not in GROUPS:
            raise mismatch("groups", name)
    zone = zone_of(call, body)
    entries = seen_entries(call, body, *window_of(call, body, zone))
    grouping = grouping_of(call, body, zone)
    rows = sorted_rows(group_rows(grouping, entries, groups), body, options)
    totals = [totals_row(entries, grouping.amounts)]
    answer = {"totals": totals, "groupOne": present(call, rows)}
    return Reply(200, encode(shown_amounts(body, answer)), rows=len(rows))


def sorted_rows(rows: list[Row], body: Row, options: Row) -> list[Row]:
    """The outermost groups in the requested order; inner groups are sorted by name."""
    column = options.get("sortColumn") or "GROUP"
    if column not in _SORTS:
        raise mismatch("sortColumn", column)
    if order_of(body, options, "ASCENDING") == "DESCENDING":
        rows = rows[::-1]
    if column == "GROUP":
        return rows
    field = column.lower()
    descending = order_of(body, options, "ASCENDING") == "DESCENDING"
    return sorted(rows, key=lambda row: row[field], reverse=descending)


def group_rows(grouping: Grouping, entries: list[Entry], groups: list[str]) -> list[Row]:
    """The groups of entries, by name, each with its inner groups."""
    held: dict[Group, list[Entry]] = {}
    group_of = GROUPS[groups[0]]
    for entry in entries:
        held.setdefault(group_of(grouping, entry), []).append(entry)
    rows = []
    for group in sorted(held, key=lambda group: (group.name, group.id or "")):
        row = _row(grouping, group, held[group])
        if len(groups) > 1:
            row["children"] = group_rows(grouping, held[group], groups[1:])
        rows.append(row)
    return rows


def _row(grouping: Grouping, group: Group, entries: list[Entry]) -> Row:
    duration, earned, cost = _sums(grouping, entries)
    return {
        "_id": group.id,
        "name": group.name,
        "nameLowerCase": group.name.lower(),
        "color": group.color,
        "clientName": group.client,
        "duration": duration,
        "amount": earned,
        "amounts": amounts_row(earned, cost, grouping.amounts),
        "currency": "EUR",
        "workspaceCurrencyCode": "EUR",
        **dict(group.more),
    }


def _sums(grouping: Grouping, entries: list[Entry]) -> tuple[int, float, float]:
    """Seconds, earnings and cost in cents."""
    duration, earned, cost = 0, 0.0, 0.0
    for entry in entries:
        seconds = grouping.seconds(entry)
        duration += seconds
        cost += cents(entry.cost_rate, seconds)
        if entry.billable:
            earned += cents(entry.hourly_rate, seconds)
    return duration, earned, cost


def weekly(call: Call) -> Reply:
    """POST /workspaces/{id}/reports/weekly: exactly seven days."""
    body = call.body()
    options = family_filter(body, "weeklyFilter")
    check_amounts(call, body)
    group = options.get("group") or "PROJECT"
    if group not in ("PROJECT", "USER"):
        raise mismatch("group", group)
    first, last = wall_clocks(body)
    if not 7 * DAY - 1 <= last - first <= 7 * DAY:
        raise error(400, "Please select date range of exactly 7 days for weekly report", 501)
    zone = zone_of(call, body)
    start, end = window_of(call, body, zone)
    entries = seen_entries(call, body, start, end)
    if last == first + 7 * DAY:
        entries = [entry for entry in entries if entry.start < end]
    grouping = grouping_of(call, body, zone)
    days = [utc_day(first + number * DAY) for number in range(7)]
    rows = weekly_rows(grouping, entries, group, days)
    if order_of(body, options, "ASCENDING") == "DESCENDING":
        rows.reverse()
    answer = {
        "totals": [totals_row(entries, grouping.amounts)],
        "totalsByDay": _by_days(grouping, entries, days),
        "groupOne": present(call, rows),
    }
    return Reply(200, encode(shown_amounts(body, answer)), rows=len(rows))


def weekly_rows(grouping: Grouping, entries: list[Entry], group: str, days: list[str]) -> list[Row]:
    """The groups of a week's entries, each with its seven days."""
    held: dict[str | None, list[Entry]] = {}
    for entry in entries:
        held.setdefault(GROUPS[group](grouping, entry).id, []).append(entry)
    rows = group_rows(grouping, entries, [group])
    return [{**row, "days": _by_days(grouping, held[row["_id"]], days)} for row in rows]


def _by_days(grouping: Grouping, entries: list[Entry], days: list[str]) -> list[Row]:
    held: dict[str, list[Entry]] = {day: [] for day in days}
    for entry in entries:
        held[utc_day(grouping.day(entry) * DAY)].append(entry)
    found = []
    for day, mine in held.items():
        duration, earned, _ = _sums(grouping, mine)
        found.append({"date": day, "duration": duration, "amount": earned})
    return found
