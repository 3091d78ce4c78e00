"""What change tracking has to know of each stream.

Key and columns come from the manifest; the rest is one row of `PROFILES` for a stream. A stream
without a row is a listing, or with a cursor in the manifest a feed, and is never wrong as such:
only what it costs to prove a deletion differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """How a stream shows changes.

    SNAPSHOT: it is read whole; what is no longer listed may be gone.
    WINDOWED_SNAPSHOT: it is read from a point in time on; so for what lies after that.
    AGGREGATE: as WINDOW, but its rows are sums that come and go with what they sum up.
    MEMBERSHIP: a list that records enter and leave while they go on living elsewhere.
    UPDATED_AT: its records bear the time of their last change; deletions do not show.
    EVENT_LOG: its records are events that never change.
    """

    SNAPSHOT = "snapshot"
    WINDOWED_SNAPSHOT = "windowed snapshot"
    AGGREGATE = "aggregate"
    MEMBERSHIP = "membership"
    UPDATED_AT = "updated at"
    EVENT_LOG = "event log"


class Granularity(Enum):
    """To what the start of a window is rounded down."""

    SECOND = "second"
    DAY = "day"
    WEEK = "week"


class SingleRead(Enum):
    """How a record that is read by id compares with a row of its list.

    ROW: it is one.
    WIDER: it has the columns of one, and more.
    OTHER: it lacks columns of one; another list may show the row.
    """

    ROW = "row"
    WIDER = "wider"
    OTHER = "other"


@dataclass(frozen=True)
class TrackingProfile:
    """What one stream needs beside its key.

    Attributes:
        kind: how it shows changes.
        start: the column that its window compares.
        granularity: to what the start of its window is rounded down.
        has_end: whether its requests name the end of their window.
        by_id: below the workspace, the path at which Clockify reads one record by id, or proves
            that it is gone (400 with code 501). Takes the names of the partition and `{id}`.
        single_read: what it reads there, for a listing and a membership.
        parent: below the workspace, the path of the parent with which its records go.
        volatile: columns whose change alone is no change of the record.
        volatile_while_running: the same, while the record's timer runs; dotted for nested ones.
        deletions: whether it has tombstones at all.
    """

    kind: Kind = Kind.SNAPSHOT
    start: str | None = None
    granularity: Granularity = Granularity.SECOND
    has_end: bool = True
    by_id: str | None = None
    single_read: SingleRead = SingleRead.ROW
    parent: str | None = None
    volatile: frozenset[str] = frozenset()
    volatile_while_running: tuple[str, ...] = ()
    deletions: bool = True

    @property
    def compares_single_reads(self) -> bool:
        """Whether a record that its list lacks is compared as it is read by id."""
        return self.kind in (Kind.SNAPSHOT, Kind.MEMBERSHIP) and self.by_id is not None


_TIME_ENTRY = "time-entries/{id}"

PROFILES: Mapping[str, TrackingProfile] = {
    # A workspace that is no longer visible is not deleted.
    "workspaces": TrackingProfile(deletions=False),
    "users": TrackingProfile(
        by_id="member-profile/{id}",
        single_read=SingleRead.OTHER,
        volatile=frozenset({"activeWorkspace", "profilePicture"}),
    ),
    "member_profiles": TrackingProfile(
        by_id="member-profile/{user_id}", parent="member-profile/{user_id}"
    ),
    "clients": TrackingProfile(by_id="clients/{id}"),
    "projects": TrackingProfile(by_id="projects/{id}", volatile=frozenset({"duration"})),
    "tasks": TrackingProfile(
        by_id="projects/{project_id}/tasks/{id}",
        parent="projects/{project_id}",
        volatile=frozenset({"duration"}),
    ),
    "tags": TrackingProfile(by_id="tags/{id}"),
    "project_custom_fields": TrackingProfile(parent="projects/{project_id}"),
    "time_entries": TrackingProfile(
        Kind.WINDOWED_SNAPSHOT, start="start", has_end=False, by_id=_TIME_ENTRY
    ),
    "time_entries_in_progress": TrackingProfile(Kind.MEMBERSHIP, by_id=_TIME_ENTRY),
    "expenses": TrackingProfile(by_id="expenses/{id}", single_read=SingleRead.OTHER),
    "invoices": TrackingProfile(by_id="invoices/{id}", single_read=SingleRead.WIDER),
    "invoice_details": TrackingProfile(
        by_id="invoices/{invoice_id}", parent="invoices/{invoice_id}"
    ),
    "invoice_payments": TrackingProfile(parent="invoices/{invoice_id}"),
    "time_off_policies": TrackingProfile(by_id="time-off/policies/{id}"),
    "time_off_requests": TrackingProfile(),
    "time_off_balances": TrackingProfile(parent="time-off/policies/{policy_id}"),
    "scheduling_assignments": TrackingProfile(Kind.WINDOWED_SNAPSHOT, start="periodStart"),
    # Sums of a window that moves with the day, so rows change and come and go without an edit.
    "scheduling_user_totals": TrackingProfile(volatile=frozenset({"userImage"})),
    "scheduling_project_totals": TrackingProfile(),
    "approval_requests": TrackingProfile(
        Kind.UPDATED_AT, start="updatedAt", has_end=False, deletions=False
    ),
    "webhook_logs": TrackingProfile(Kind.EVENT_LOG, start="respondedAt", deletions=False),
    "audit_log": TrackingProfile(Kind.EVENT_LOG, start="timestamp", deletions=False),
    "entity_changes_created": TrackingProfile(Kind.EVENT_LOG, start="timestamp", deletions=False),
    "entity_changes_updated": TrackingProfile(Kind.EVENT_LOG, start="timestamp", deletions=False),
    "entity_changes_deleted": TrackingProfile(Kind.EVENT_LOG, start="timestamp", deletions=False),
    "detailed_report": TrackingProfile(
        Kind.WINDOWED_SNAPSHOT,
        start="start",
        granularity=Granularity.DAY,
        by_id=_TIME_ENTRY,
        volatile_while_running=(
            "timeInterval.duration",
            "amount",
            "earnedAmount",
            "costAmount",
            "amounts",
        ),
    ),
    "summary_report": TrackingProfile(Kind.AGGREGATE, start="date", granularity=Granularity.DAY),
    "weekly_report": TrackingProfile(
        Kind.AGGREGATE, start="weekStart", granularity=Granularity.WEEK
    ),
    "attendance_report": TrackingProfile(Kind.AGGREGATE, start="date", granularity=Granularity.DAY),
    "expense_report": TrackingProfile(
        Kind.WINDOWED_SNAPSHOT, start="date", granularity=Granularity.DAY, by_id="expenses/{id}"
    ),
}

# How a partition calls what its records call otherwise.
_PARTITION_FIELDS = {
    "workspaceId": "workspace_id",
    "userId": "user_id",
    "projectId": "project_id",
    "invoiceId": "invoice_id",
    "policyId": "policy_id",
    "webhookId": "webhook_id",
}


@dataclass(frozen=True)
class StreamSpec:
    """What has to be known of one stream.

    Attributes:
        name: of the stream.
        profile: its row of `PROFILES`.
        primary_key: its columns.
        added: the columns that the manifest adds to what Clockify sends.
    """

    name: str
    profile: TrackingProfile
    primary_key: tuple[str, ...]
    added: frozenset[str]

    @property
    def date_column(self) -> str | None:
        """The column of the key that is also what the window compares."""
        return self.profile.start if self.profile.start in self.primary_key else None

    def columns_of(self, partition: Mapping[str, str]) -> dict[str, str]:
        """Return the columns that the partition tells, by name."""
        return {
            column: partition[field]
            for column, field in _PARTITION_FIELDS.items()
            if field in partition
        }

    def id_columns(self, partition: Mapping[str, str]) -> list[str]:
        """Return the columns of the key that neither partition nor window tell."""
        told = {*self.columns_of(partition), self.date_column}
        return [column for column in self.primary_key if column not in told]

    def may_move(self, partition: Mapping[str, str]) -> bool:
        """Tell whether a record may be found in another partition of its workspace."""
        told = {*self.columns_of(partition)} - {"workspaceId"}
        return len(partition) > 1 and not told.intersection(self.primary_key)


def stream_spec(stream: Mapping[str, Any]) -> StreamSpec:
    """Return what has to be known of a stream of the manifest whose references are resolved."""
    name = stream["name"]
    cursor = (stream.get("incremental_sync") or {}).get("cursor_field")
    unnamed = (
        TrackingProfile(Kind.EVENT_LOG, start=cursor, deletions=False)
        if cursor
        else TrackingProfile()
    )
    return StreamSpec(
        name=name,
        profile=PROFILES.get(name, unnamed),
        primary_key=tuple(_columns(stream["primary_key"])),
        added=frozenset(_added_columns(stream.get("transformations") or ())),
    )


def _columns(primary_key: str | Sequence[str]) -> Sequence[str]:
    return [primary_key] if isinstance(primary_key, str) else primary_key


def _added_columns(transformations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for transformation in transformations:
        for field in transformation.get("fields") or ():
            yield field["path"][0]
