"""Paginates approval requests of every state, including states that Clockify's list may omit.

`status` of `GET /workspaces/{id}/approval-requests` accepts PENDING, APPROVED and
WITHDRAWN_APPROVAL; rejected requests and withdrawn submissions are returned only without it, if at
all. Which states are returned then is not documented (section 8 of the API reference, unknown 15).
A list with two states is evidently not limited to one. Otherwise the other states are requested one
by one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from airbyte_cdk.sources.types import StreamSlice

from source_clockify.adaptations import workspace_of
from source_clockify.bodies import decoded_body
from source_clockify.pagination import (
    LastPageHeaderPagination,
    Page,
    is_last_page,
    refuse_repeated_page,
)
from source_clockify.request_notes import Gap, RequestNotes, current_notes
from source_clockify.timestamps import EARLIEST, second_of

# The states that can be requested.
STATES = ("PENDING", "APPROVED", "WITHDRAWN_APPROVAL")

MESSAGE = (
    "By default, Clockify lists requests of a single state only. Rejected requests and withdrawn "
    "submissions cannot be requested by state, so they are missing."
)


class StateToken(TypedDict):
    """The next request: a state ("" for the list of all) and a page of its list."""

    status: str
    page: int


@dataclass
class ApprovalRequestsPagination(LastPageHeaderPagination):
    """Pages of the list of all states, and of single states which that list may lack.

    Each list is sorted by change, newest first, so it ends with a change from before the window.
    Requests in two lists are returned twice; the stream drops duplicates by id.
    """

    @property
    def initial_token(self) -> Any | None:
        return None

    def token_after(self, page: Page) -> Any | None:
        rows = [_status_of(row) for row in decoded_body(page.response)]
        token: StateToken = page.token or StateToken(status="", page=1)
        notes = current_notes() or RequestNotes()
        states = {str(row.get("state")) for row in rows}
        if not token["status"]:
            notes.approval_states |= states
        elif token["status"] in states:
            # An unlimited list would have included this state.
            notes.gaps[Gap(workspace_of(page.response.request), MESSAGE)] = None
        is_proven = len(notes.approval_states) > 1
        if not is_last_page(page.response, page.rows, self.get_page_size()) and not (
            _precedes_window(rows, page.window) and (is_proven or token["status"])
        ):
            refuse_repeated_page(page)
            return StateToken(status=token["status"], page=token["page"] + 1)
        return None if is_proven else _first_page_after(token, notes.approval_states)


def _first_page_after(token: StateToken, listed: Iterable[str]) -> StateToken | None:
    to_request = [state for state in STATES if state not in listed]
    if token["status"]:
        to_request = to_request[to_request.index(token["status"]) + 1 :]
    return StateToken(status=to_request[0], page=1) if to_request else None


def _precedes_window(rows: Iterable[Mapping[str, Any]], window: StreamSlice | None) -> bool:
    """Return whether a row changed before the window; false if the window covers all history."""
    begin = second_of(str(window["start_time"])) if window else None
    if begin is None or begin <= EARLIEST:
        return False
    changes = (second_of(row.get("updatedAt")) for row in rows)
    return any(change is not None and change < begin for change in changes)


def _status_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return (row.get("approvalRequest") or {}).get("status") or {}
