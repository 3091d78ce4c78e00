"""The events in the demo's workspace, their times, and the requests that read each stream."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from clockify_sandbox.client import Sandbox

# Runs the command `source-clockify` with the clock set to the first argument.
CLOCKED_COMMAND = """
import sys
from freezegun import configure, freeze_time
from source_clockify.run import run
# Before the clock stands in for the real one: pydantic takes no other class of dates.
import source_clockify.source
# Threads too, by which the live table tells how long a stream takes.
configure(default_ignore_list=[])
freeze_time(sys.argv.pop(1), tick=True).start()
run()
"""


NOW = datetime(2026, 11, 24, 9, tzinfo=timezone.utc)


LONG_ENOUGH = timedelta(minutes=90)


# The sandbox spreads its entries over the last 120 days.
START_DATE = f"{NOW - timedelta(days=120):%Y-%m-%dT00:00:00Z}"


CHANGING_STREAMS = ("projects", "tasks", "time_entries", "time_entries_in_progress")


# The request sent for each stream, by the end of its path.
PATHS = {
    "workspaces": r"/workspaces",
    "users": r"/users/info",
    "member_profiles": r"/member-profile/\w+",
    "user_groups": r"/user-groups",
    "clients": r"/clients",
    "projects": r"/projects",
    "tasks": r"/projects(\?hydrated|/\w+/tasks)",
    "tags": r"/tags",
    "custom_fields": r"/workspaces/\w+/custom-fields",
    "project_custom_fields": r"/projects/\w+/custom-fields",
    "time_entries": r"/user/\w+/time-entries",
    "time_entries_in_progress": r"/status/in-progress",
    "detailed_report": r"/reports/detailed",
    "expenses": r"/expenses",
    "expense_categories": r"/expenses/categories",
    "invoices": r"/invoices",
    "invoice_details": r"/invoices/[0-9a-f]{24}",
    "invoice_payments": r"/payments",
    "invoice_settings": r"/invoices/settings",
    "holidays": r"/holidays",
    "time_off_policies": r"/time-off/policies",
    "time_off_requests": r"/time-off/requests",
    "time_off_balances": r"/balance/policy/\w+",
    "scheduling_assignments": r"/assignments/all",
    "scheduling_user_totals": r"/user-filter/totals",
    "scheduling_project_totals": r"/projects/totals",
    "approval_requests": r"/approval-requests",
    "shared_reports": r"/shared-reports",
    "webhooks": r"/webhooks",
    "webhook_logs": r"/logs",
    "audit_log": r"/audit-log",
    "entity_changes_created": r"/entities/created",
    "entity_changes_updated": r"/entities/updated",
    "entity_changes_deleted": r"/entities/deleted",
    "time_entries_changed": r"/entities/(created|updated)",
    "time_entries_deleted": r"/entities/deleted",
    "summary_report": r"/reports/summary",
    "weekly_report": r"/reports/weekly",
    "attendance_report": r"/reports/attendance",
    "expense_report": r"/reports/expenses/detailed",
}


def work(sandbox: Sandbox) -> Iterator[str]:
    """Make six changes in the workspace, and describe each."""
    workspace = sandbox.workspaces[0]["id"]
    entries = sorted(
        (row for row in sandbox.rows("time_entries") if row["timeInterval"]["end"]),
        key=lambda row: (row["timeInterval"]["start"], row["id"]),
    )
    # The moved entry leaves the 30 days in which a sync finds changes.
    edited, deleted = (row["id"] for row in _began_before(entries, timedelta(days=2))[-2:])
    moved = _began_before(entries, timedelta(days=10))[-1]
    start = datetime.strptime(moved["timeInterval"]["start"], "%Y-%m-%dT%H:%M:%SZ")
    project, task = sandbox.rows("projects")[0]["id"], sandbox.rows("tasks")[0]["id"]
    user = sandbox.rows("users")[0]["id"]

    sandbox.update(workspace, "time-entries", edited, {"description": "Call with the customer"})
    yield f"time entry {edited} gets another description"
    earlier = f"{start - timedelta(weeks=3):%Y-%m-%dT%H:%M:%SZ}"
    sandbox.update(workspace, "time-entries", moved["id"], {"timeInterval": {"start": earlier}})
    yield f"time entry {moved['id']} is moved three weeks earlier, to {earlier[:10]}"
    sandbox.delete(workspace, "time-entries", deleted)
    yield f"time entry {deleted} is deleted"
    sandbox.update(workspace, "projects", project, {"name": "Website, second half"})
    yield f"project {project} is renamed"
    sandbox.delete(workspace, "tasks", task)
    yield f"task {task} is deleted"
    timer = {
        "userId": user,
        "description": "Bug hunt",
        "timeInterval": {"start": f"{NOW + timedelta(minutes=15):%Y-%m-%dT%H:%M:%SZ}", "end": None},
    }
    started = sandbox.create(workspace, "time-entries", timer)["id"]
    yield f"timer {started} is started: a time entry, and one in progress"


def _began_before(entries: list[dict[str, Any]], ago: timedelta) -> list[dict[str, Any]]:
    latest = f"{NOW - ago:%Y-%m-%dT%H:%M:%SZ}"
    return [row for row in entries if row["timeInterval"]["start"] <= latest]
