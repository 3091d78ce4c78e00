"""Identifies the key owner's permissions.

Records hidden by reduced permissions look exactly like deleted ones, so deletions are trusted only
while permissions are unchanged.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from source_clockify.change_tracking.fingerprint import fingerprint
from source_clockify.change_tracking.lookups import LookupResult, Lookups

# Roles with access to every record, and the fingerprint that all their holders share.
_FULL_ROLES = ("OWNER", "WORKSPACE_ADMIN")
FULL_ACCESS = "all"


class AccessFingerprints:
    """The key owner's permissions in each workspace; requested once, and only when needed.

    Worker threads share it: each request is made under its lock.
    """

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._lock = threading.Lock()
        self._user: tuple[str, bool] | None = None
        self._found: dict[str, str | None] = {}

    def of(self, workspace_id: str) -> str | None:
        """Return a text that changes with the key owner or their roles; None if that failed."""
        with self._lock:
            if workspace_id not in self._found:
                self._found[workspace_id] = self._request(workspace_id)
            return self._found[workspace_id]

    def known(self, workspace_id: str) -> str | None:
        """Return the same without a request; None if it has not been requested yet."""
        return self._found.get(workspace_id)

    def _request(self, workspace_id: str) -> str | None:
        if self._user is None:
            row, result = self._lookups.row("user")
            # An add-on may be denied access to its user.
            self._user = str((row or {}).get("id") or ""), result is not LookupResult.FAILED
        user_id, answered = self._user
        if not answered:
            return None
        users, result = self._lookups.users(workspace_id)
        return None if result is LookupResult.FAILED else access_fingerprint(user_id, users)


def access_fingerprint(user_id: str, users: Sequence[Mapping[str, Any]]) -> str:
    """Return a short text that identifies a user and their roles in a workspace.

    All users with full access share one.
    """
    held = next((user.get("roles") for user in users if user.get("id") == user_id), None)
    roles = [role for role in held if isinstance(role, dict)] if isinstance(held, list) else []
    if any(role.get("role") in _FULL_ROLES for role in roles):
        return FULL_ACCESS
    texts = sorted(orjson.dumps(role, option=orjson.OPT_SORT_KEYS).decode() for role in roles)
    return f"{fingerprint({'user': user_id, 'roles': texts}):016x}"[-8:]
