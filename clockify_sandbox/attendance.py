"""The attendance report: one row per user and day on which one of their entries begins."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from clockify_sandbox.call import Call, Reply, encode, mismatch
from clockify_sandbox.paging import ATTENDANCE, Paging, page_of
from clockify_sandbox.report_base import (
    check_amounts,
    family_filter,
    order_of,
    seen_entries,
    shown_zone,
    window_of,
    zone_of,
)
from clockify_sandbox.store import Entry, Row, Workspace
from clockify_sandbox.timetext import (
    DAY,
    day_number,
    duration_seconds,
    parse_instant,
    utc_day,
    weekday,
    zoned_text,
)

ATTENDANCE_PAGING = Paging(ATTENDANCE, maximum=1000)
_WEEK_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_SORTS: dict[str, Callable[[Row], Any]] = {
    "USER": lambda row: row["userName"],
    "DATE": lambda row: parse_instant(row["date"]),
    "START": lambda row: _moment(row["startTime"]),
    "END": lambda row: _moment(row["endTime"]),
    "BREAK": lambda row: row["break"],
    "WORK": lambda row: row["totalDuration"],
    "CAPACITY": lambda row: row["capacity"],
    "OVERTIME": lambda row: row["overtime"],
    "TIME_OFF": lambda row: row["timeOff"],
}


def _moment(text: str | None) -> float:
    return float("-inf") if text is None else parse_instant(text)


def attendance(call: Call) -> Reply:
    """POST /workspaces/{id}/reports/attendance."""
    body = call.body()
    options = family_filter(body, "attendanceFilter")
    check_amounts(call, body)
    column = options.get("sortColumn") or "USER"
    if column not in _SORTS:
        raise mismatch("sortColumn", column)
    zone = zone_of(call, body)
    page = page_of(call, ATTENDANCE_PAGING, call.state.settings.attendance_max)
    entries = seen_entries(call, body, *window_of(call, body, zone))
    rows = attendance_rows(call.workspace, entries, zone, shown_zone(call.state.settings, zone))
    if isinstance(options.get("hasTimeOff"), bool):
        rows = [row for row in rows if (row["timeOff"] > 0) == options["hasTimeOff"]]
    rows.sort(key=_SORTS[column], reverse=order_of(body, options, "ASCENDING") == "DESCENDING")
    shown = page.cut(rows)
    return Reply(200, encode({"entities": shown}), rows=len(shown))


def attendance_rows(
    workspace: Workspace, entries: list[Entry], zone: ZoneInfo, shown_in: ZoneInfo | None = None
) -> list[Row]:
    """The rows of listed users, by day and user; times may be shown in another zone."""
    held: dict[tuple[int, str], list[Entry]] = {}
    for entry in entries:
        if entry.user_id in workspace.members:
            day = day_number(entry.start, zone)
            held.setdefault((day, entry.user_id), []).append(entry)
    return [_row(workspace, *key, held[key], shown_in or zone) for key in sorted(held)]


def _row(workspace: Workspace, day: int, user_id: str, entries: list[Entry], zone: ZoneInfo) -> Row:
    """A user's day, counted from 1970-01-01; all times in seconds."""
    member = workspace.members[user_id]
    work = [entry for entry in entries if entry.type == "REGULAR"]
    working = _WEEK_DAYS[weekday(day)] in member.profile["workingDays"]
    capacity = duration_seconds(member.profile["workCapacity"]) if working else 0
    tracked = sum(entry.seconds for entry in work)
    off = sum(entry.seconds for entry in entries if entry.type in ("HOLIDAY", "TIME_OFF"))
    runs = any(entry.end is None for entry in work)
    ends = [entry.end for entry in work if entry.end is not None]
    return {
        "userId": user_id,
        "userName": member.account["name"] or "",
        "imageUrl": member.account["profilePicture"],
        "date": utc_day(day * DAY),
        "startTime": zoned_text(work[0].start, zone) if work else None,
        "endTime": zoned_text(max(ends), zone) if ends and not runs else None,
        "totalDuration": tracked,
        "break": sum(entry.seconds for entry in entries if entry.type == "BREAK"),
        "capacity": capacity,
        "remainingCapacity": max(0, capacity - tracked - off),
        "overtime": max(0, tracked - capacity),
        "timeOff": off,
        "hasRunningEntry": runs,
    }
