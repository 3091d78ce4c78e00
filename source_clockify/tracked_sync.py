"""The starting point of a sync with change tracking, and the data shared by its streams."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream

from source_clockify.authenticator import is_addon
from source_clockify.change_tracking.access import AccessFingerprints
from source_clockify.change_tracking.budget import StateBudget
from source_clockify.change_tracking.feeds import (
    FREE_MOST_ROWS,
    MOST_ROWS,
    ChangeFeeds,
)
from source_clockify.change_tracking.interrupted import SyncMark
from source_clockify.change_tracking.lookups import LookupBudget, Lookups
from source_clockify.change_tracking.plan import SyncBounds
from source_clockify.change_tracking.resume import SavedStream
from source_clockify.change_tracking.tracker import Sync
from source_clockify.configuration import follows_changes
from source_clockify.plan_features import has_feature
from source_clockify.progress import SyncProgress
from source_clockify.timestamps import format_second

# The most records that a sync reads one by one, so that it ends; the next sync reads the rest.
SINGLE_READS = 500
FREE_SINGLE_READS = 10


@dataclass(frozen=True)
class SavedSync:
    """The starting point of a sync.

    Attributes:
        bounds: the limits of all windows, and the clock.
        began: when the sync began, in milliseconds since 1970.
        settings_hash: of the settings that decide what is read, see interrupted.py.
        streams: the saved states, by stream.
    """

    bounds: SyncBounds
    began: int
    settings_hash: str
    streams: Mapping[str, SavedStream]

    def shared(
        self,
        settings: Mapping[str, Any],
        on_demand: Mapping[str, AbstractStream],
        workspaces: Sequence[Mapping[str, Any]],
        budget: StateBudget,
        progress: SyncProgress,
    ) -> Sync:
        """Return the data shared by the trackers of the sync.

        Args:
            settings: the configuration with its transformations.
            on_demand: the streams read for others, by name.
            workspaces: rows of the stream of that name.
            budget: limits the size of all states.
            progress: counts the messages of the streams.
        """
        lookups = Lookups(on_demand)
        is_free = settings.get("plan") == "free"
        resend = settings.get("resend_changes")
        lookup_budget = LookupBudget(FREE_SINGLE_READS if is_free else SINGLE_READS)
        return Sync(
            bounds=self.bounds,
            began=self.began,
            resend=1 if resend is None else resend,
            lookups=lookups,
            access=AccessFingerprints(lookups),
            lookup_budget=lookup_budget,
            hint_budget=lookup_budget.half(),
            feeds=self._feeds(settings, lookups, workspaces),
            state_budget=budget,
            mark=self._mark(),
            goes_on=is_free,
            progress=progress,
        )

    def _mark(self) -> SyncMark:
        """Return the mark of the sync that this process begins or continues."""
        resumed = [saved.resumed for saved in self.streams.values() if saved.resumed]
        now = self.bounds.now
        return SyncMark(
            began=max((mark.began for mark in resumed), default=now),
            saved_at=max((mark.saved_at for mark in resumed), default=now),
            settings=self.settings_hash,
        )

    def _feeds(
        self,
        settings: Mapping[str, Any],
        lookups: Lookups,
        workspaces: Sequence[Mapping[str, Any]],
    ) -> ChangeFeeds | None:
        """Return the change feeds; None if the configuration does not follow them."""
        if not follows_changes(settings):
            return None
        most_rows = FREE_MOST_ROWS if settings.get("plan") == "free" else MOST_ROWS
        return ChangeFeeds(lookups, self.bounds.now, most_rows, _audited(settings, workspaces))

    def describe_resumed(self) -> str:
        """Return a warning on the limits of a continued sync; "" for a new one."""
        resumed = {name: saved.resumed for name, saved in self.streams.items() if saved.resumed}
        names = [name for name, mark in sorted(resumed.items()) if mark.has_read]
        if not names:
            return ""
        began = format_second(self._mark().began)
        return (
            f"This sync continues the interrupted sync of {began}. That sync had already read all "
            f"or part of {', '.join(names)}; the next sync finds changes made there since then."
        )

    def lost_workspaces(self, visible: Collection[str]) -> dict[str, list[str]]:
        """Return the workspaces of each state that are no longer visible to the key, sorted."""
        found: dict[str, list[str]] = {}
        for name, saved in self.streams.items():
            fields = saved.state.partition_fields
            known = {
                dict(zip(fields, ids, strict=True)).get("workspace_id") or ""
                for ids in saved.state.partitions
            }
            found[name] = sorted(known - {"", *visible})
        return found


def _audited(
    settings: Mapping[str, Any], workspaces: Sequence[Mapping[str, Any]]
) -> frozenset[str]:
    """Return the workspaces with the audit log in their plan, as far as known."""
    host = str((settings.get("hosts") or {}).get("audit_log"))
    if is_addon(settings) or not host.startswith("http"):
        return frozenset()
    return frozenset(
        row["id"] for row in workspaces if has_feature(row.get("features"), "AUDIT_LOG")
    )
