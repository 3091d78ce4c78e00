"""With whose rights an account is read: what fewer rights hide looks as if it were deleted."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from source_clockify.change_tracking.fingerprint import fingerprint
from source_clockify.change_tracking.lookups import LookupResult, Lookups

# These see everything, whoever they are.
_FULL_RIGHTS = ("OWNER", "WORKSPACE_ADMIN")


class AccessFingerprints:
    """Who the key's user is in each workspace; asked once, and only when something depends on it.

    Worker threads share it: each question is asked under its lock.
    """

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._lock = threading.Lock()
        self._user: tuple[str, bool] | None = None
        self._found: dict[str, str | None] = {}

    def of(self, workspace_id: str) -> str | None:
        """Return a text that changes with the key's user or his roles; None if that failed."""
        with self._lock:
            if workspace_id not in self._found:
                self._found[workspace_id] = self._ask(workspace_id)
            return self._found[workspace_id]

    def known(self, workspace_id: str) -> str | None:
        """Return the same, None if it was not asked for."""
        return self._found.get(workspace_id)

    def _ask(self, workspace_id: str) -> str | None:
        if self._user is None:
            row, answer = self._lookups.row("user")
            # An add-on may not be allowed to ask.
            self._user = str((row or {}).get("id") or ""), answer is not LookupResult.FAILED
        user_id, answered = self._user
        if not answered:
            return None
        users, answer = self._lookups.users(workspace_id)
        return None if answer is LookupResult.FAILED else access_fingerprint(user_id, users)


def access_fingerprint(user_id: str, users: Sequence[Mapping[str, Any]]) -> str:
    """Return a short text for a user with his roles among the users of a workspace.

    It is the same for all who see everything.
    """
    held = next((user.get("roles") for user in users if user.get("id") == user_id), None)
    roles = [role for role in held if isinstance(role, dict)] if isinstance(held, list) else []
    if any(role.get("role") in _FULL_RIGHTS for role in roles):
        return "all"
    texts = sorted(orjson.dumps(role, option=orjson.OPT_SORT_KEYS).decode() for role in roles)
    return f"{fingerprint({'user': user_id, 'roles': texts}):016x}"[:8]
