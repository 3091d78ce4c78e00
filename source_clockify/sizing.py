"""How large a sync of the suggested streams gets, from what `check` reads anyway."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from source_clockify.configuration import follows_changes

# Of each workspace: users (twice, see `UsersPagination`), user_groups, clients, projects, tasks and
# tags.
LISTS_PER_WORKSPACE = 7
# Created, updated and deleted entities.
FEEDS_PER_WORKSPACE = 3

# Measured with ids as Clockify makes them; a test holds them to what a sync sends.
BYTES_PER_RECORD = 16
BYTES_PER_STREAM = 700

# Assumptions, which the log and the documents name.
ENTRIES_PER_USER_AND_DAY = 10
SECONDS_PER_REQUEST = 0.5


@dataclass(frozen=True)
class Size:
    """A first sync of the suggested streams.

    Attributes:
        lists: requests for all streams but time_entries, and for the key's owner.
        feeds: requests for the change feeds, as long as they name nothing.
        entries: requests for time_entries: one for each user.
        state_bytes: of all streams together; 0 without change tracking.
        minutes: on a paid plan.
    """

    lists: int
    feeds: int
    entries: int
    state_bytes: int
    minutes: int

    @property
    def requests(self) -> int:
        return self.lists + self.feeds + self.entries


def estimate_size(
    config: Mapping[str, Any], workspaces: Sequence[Mapping[str, Any]], streams: int
) -> Size:
    """Estimate a sync of so many suggested streams; `config` is as the spec has it."""
    users = sum(map(members_of, workspaces))
    is_tracked = config.get("track_changes") is not False
    # The list of workspaces, or each by its id; and with change tracking who the key's owner is.
    lists = LISTS_PER_WORKSPACE * len(workspaces) + len(config.get("workspace_ids") or [""])
    lists += is_tracked
    feeds = FEEDS_PER_WORKSPACE * len(workspaces) if is_tracked and follows_changes(config) else 0
    records = users * ENTRIES_PER_USER_AND_DAY * (config.get("lookback_days") or 30)
    state_bytes = BYTES_PER_RECORD * records + BYTES_PER_STREAM * streams if is_tracked else 0
    seconds = (lists + feeds + users) * SECONDS_PER_REQUEST / (config.get("num_workers") or 4)
    return Size(lists, feeds, users, state_bytes, math.ceil(seconds / 60))


def members_of(workspace: Mapping[str, Any]) -> int:
    """Return the number of users of a workspace."""
    memberships = workspace.get("memberships") or []
    return sum(1 for member in memberships if member.get("membershipType") == "WORKSPACE")
