"""Approval requests: which ones are listed, and in which order."""

from collections.abc import Sequence
from typing import Any

from clockify_sandbox.approval_rows import approval_row
from clockify_sandbox.call import Call, mismatch
from clockify_sandbox.listing import Keep, Listing, sort_by
from clockify_sandbox.store import Row

TYPES = ("TIMESHEET", "EXPENSE", "TIMESHEET_AND_EXPENSE")
SELECTABLE_STATES = ("PENDING", "APPROVED", "WITHDRAWN_APPROVAL")


def _seen(call: Call) -> Sequence[Row]:
    """An admin sees all requests, a member only their own."""
    return [
        row
        for row in call.workspace.rows("approval-requests").values()
        if call.me.is_admin or row["approvalRequest"]["owner"]["userId"] == call.user_id
    ]


def _state(call: Call, name: str) -> Keep | None:
    """Only three of the five states can be requested; a setting selects those listed by default."""
    if call.last(name) is None and call.state.settings.approvals_default == "all":
        return None
    wanted = call.one_of(name, SELECTABLE_STATES, "PENDING")
    return lambda row: row["approvalRequest"]["status"]["state"] == wanted


def _types(call: Call, name: str) -> Keep | None:
    wanted = call.listed(name)
    for value in wanted:
        if value not in TYPES:
            raise mismatch(name, value)
    return (lambda row: row["approvalRequest"]["type"] in wanted) if wanted else None


def _updated(row: Row) -> Any:
    return row["approvalRequest"]["status"]["updatedAt"]


APPROVALS = Listing(
    items=_seen,
    render=lambda call, row: approval_row(call.workspace, row),
    filters={"status": _state, "types": _types},
    sorts={
        "ID": sort_by("id"),
        "USER_ID": lambda row: row["approvalRequest"]["owner"]["userId"],
        "START": lambda row: row["approvalRequest"]["dateRange"]["start"],
        "UPDATED_AT": _updated,
    },
    default_sort="ID",
)
