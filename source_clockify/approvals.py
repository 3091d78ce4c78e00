"""Whether a list of approval requests without a state brings every state.

`status` of `GET /workspaces/{id}/approval-requests` takes PENDING, APPROVED and WITHDRAWN_APPROVAL;
rejected requests and withdrawn submissions come, if at all, only without it. No document says that
they do (section 8 of the API reference, unknown 15).
"""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterator

from source_clockify.refusals import Gap

PENDING = "PENDING"
# The pass that sends no state.
OTHER = "OTHER"

MESSAGE = (
    "Clockify lists only pending requests here unless a state is requested. Rejected requests and "
    "withdrawn submissions cannot be requested, so they are missing."
)


class ListedStates:
    """The states that each pass over a workspace's approval requests met.

    Worker threads share it under its lock.
    """

    def __init__(self) -> None:
        self._states: dict[str, dict[str, set[str]]] = defaultdict(dict)
        self._lock = threading.Lock()

    def add(self, workspace_id: str, status: str, states: Collection[str]) -> None:
        """Add the states of all rows that the pass of a status listed, older ones included."""
        with self._lock:
            self._states[workspace_id].setdefault(status, set()).update(states)

    def gaps(self) -> Iterator[Gap]:
        """Yield a gap for each workspace where other states exist than are listed without one."""
        with self._lock:
            for workspace_id, passes in self._states.items():
                listed = passes.get(OTHER)
                existing = set().union(*passes.values()) - {PENDING}
                if listed is not None and existing and listed <= {PENDING}:
                    yield Gap(workspace_id, MESSAGE)
