"""With whose rights an account is read: what fewer rights hide looks as if it were deleted."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from source_clockify.change_tracking.fingerprint import fingerprint
from source_clockify.change_tracking.lookups import Answer, Lookups

# These see everything, whatever else they are.
_FULL_RIGHTS = ("OWNER", "WORKSPACE_ADMIN")


class Viewers:
    """Who the key's user is in each workspace; asked once, and only when something depends on it.

    Worker threads share it: each question is asked under its lock.
    """

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._lock = threading.Lock()
        self._user_id: str | None = None
        self._found: dict[str, str | None] = {}

    def of(self, workspace_id: str) -> str | None:
        """Return a text that changes with the key's user or his roles; None if that failed."""
        with self._lock:
            if self._user_id is None:
                self._user_id = self._ask_user()
            if self._user_id is None:
                return None
            if workspace_id not in self._found:
                users, answer = self._lookups.users(workspace_id)
                failed = answer is Answer.FAILED
                self._found[workspace_id] = None if failed else viewer_text(self._user_id, users)
            return self._found[workspace_id]

    def _ask_user(self) -> str | None:
        row, answer = self._lookups.row("user")
        if answer is Answer.THERE and row and row.get("id"):
            return str(row["id"])
        # An add-on without the right to ask: its token is the one thing that is known.
        return "" if answer is not Answer.FAILED else None


def viewer_text(user_id: str, users: Sequence[Mapping[str, Any]]) -> str:
    """Return a short text for a user with his roles among the users of a workspace."""
    roles = next((user.get("roles") for user in users if user.get("id") == user_id), None) or []
    full = [role["role"] for role in roles if role.get("role") in _FULL_RIGHTS]
    return f"{fingerprint({'user': user_id, 'roles': sorted(full) or roles}):016x}"[:8]
