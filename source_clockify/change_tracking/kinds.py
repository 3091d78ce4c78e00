"""What change tracking has to know of each stream.

Key and columns come from the manifest; the rest is one row of `TRACKED` for a stream. A stream
without a row is a listing, or with a cursor in the manifest a feed, and is never wrong as such:
only what it costs to prove a deletion differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """How a stream shows changes.

    LISTING: it is read whole; what is no longer listed may be gone.
    WINDOW: it is read from a point in time on; so for what lies after that.
    AGGREGATE: as WINDOW, but its rows are sums that come and go with what they sum up.
    MEMBERSHIP: a list that records enter and leave while they go on living elsewhere.
    CHANGES: its records bear the time of their last change; deletions do not show.
    FEED: its records are events that never change.
    """

    LISTING = "listing"
    WINDOW = "window"
    AGGREGATE = "aggregate"
    MEMBERSHIP = "membership"
    CHANGES = "changes"
    FEED = "feed"


class Span(Enum):
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
class Traits:
    """What one stream needs beside its key.

    Attributes:
        kind: how it shows changes.
        start: the column that its window compares.
        span: to what the start of its window is rounded down.
        has_end: whether its requests name the end of their window.
        by_id: below the workspace, the path at which Clockify reads one record by id, or proves
            that it is gone (400 with code 501). Takes the names of the partition and `{id}`.
        single_read: what it reads there, for a listing and a membership.
        parent: below the workspace, the path of the parent with which its records go.
        volatile: columns whose change alone is no change of the record.
        volatile_while_running: the same, while the record's timer runs; dotted for nested ones.
        deletions: whether it has tombstones at all.
    """

    kind: Kind = Kind.LISTING
    start: str | None = None
    span: Span = Span.SECOND
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
        return self.kind in (Kind.LISTING, Kind.MEMBERSHIP) and self.by_id is not None


_TIME_ENTRY = "time-entries/{id}"

TRACKED: Mapping[str, Traits] = {
    # A workspace that is no longer visible is not deleted.
    "workspaces": Traits(deletions=False),
    "users": Traits(
        by_id="member-profile/{id}",
        single_read=SingleRead.OTHER,
        volatile=frozenset({"activeWorkspace", "profilePicture"}),
    ),
    "member_profiles": Traits(by_id="member-profile/{user_id}", parent="member-profile/{user_id}"),
    "clients": Traits(by_id="clients/{id}"),
    "projects": Traits(by_id="projects/{id}", volatile=frozenset({"duration"})),
    "tasks": Traits(
        by_id="projects/{project_id}/tasks/{id}",
        parent="projects/{project_id}",
        volatile=frozenset({"duration"}),
    ),
    "tags": Traits(by_id="tags/{id}"),
    "project_custom_fields": Traits(parent="projects/{project_id}"),
    "time_entries": Traits(Kind.WINDOW, start="start", has_end=False, by_id=_TIME_ENTRY),
    "time_entries_in_progress": Traits(Kind.MEMBERSHIP, by_id=_TIME_ENTRY),
    "expenses": Traits(by_id="expenses/{id}", single_read=SingleRead.OTHER),
    "invoices": Traits(by_id="invoices/{id}", single_read=SingleRead.WIDER),
    "invoice_details": Traits(by_id="invoices/{invoice_id}", parent="invoices/{invoice_id}"),
    "invoice_payments": Traits(parent="invoices/{invoice_id}"),
    "time_off_policies": Traits(by_id="time-off/policies/{id}"),
    "time_off_requests": Traits(),
    "time_off_balances": Traits(parent="time-off/policies/{policy_id}"),
    "scheduling_assignments": Traits(Kind.WINDOW, start="periodStart"),
    # Sums of a window that moves with the day, so rows change and come and go without an edit.
    "scheduling_user_totals": Traits(volatile=frozenset({"userImage"})),
    "scheduling_project_totals": Traits(),
    "approval_requests": Traits(Kind.CHANGES, start="updatedAt", has_end=False, deletions=False),
    "webhook_logs": Traits(Kind.FEED, start="respondedAt", deletions=False),
    "audit_log": Traits(Kind.FEED, start="timestamp", deletions=False),
    "entity_changes_created": Traits(Kind.FEED, start="timestamp", deletions=False),
    "entity_changes_updated": Traits(Kind.FEED, start="timestamp", deletions=False),
    "entity_changes_deleted": Traits(Kind.FEED, start="timestamp", deletions=False),
    "detailed_report": Traits(
        Kind.WINDOW,
        start="start",
        span=Span.DAY,
        by_id=_TIME_ENTRY,
        volatile_while_running=(
            "timeInterval.duration",
            "amount",
            "earnedAmount",
            "costAmount",
            "amounts",
        ),
    ),
    "summary_report": Traits(Kind.AGGREGATE, start="date", span=Span.DAY),
    "weekly_report": Traits(Kind.AGGREGATE, start="weekStart", span=Span.WEEK),
    "attendance_report": Traits(Kind.AGGREGATE, start="date", span=Span.DAY),
    "expense_report": Traits(Kind.WINDOW, start="date", span=Span.DAY, by_id="expenses/{id}"),
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
class Tracking:
    """What has to be known of one stream.

    Attributes:
        name: of the stream.
        traits: its row of `TRACKED`.
        primary_key: its columns.
        added: the columns that the manifest adds to what Clockify sends.
    """

    name: str
    traits: Traits
    primary_key: tuple[str, ...]
    added: frozenset[str]

    @property
    def date_column(self) -> str | None:
        """The column of the key that is also what the window compares."""
        return self.traits.start if self.traits.start in self.primary_key else None

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


def tracking_of(stream: Mapping[str, Any]) -> Tracking:
    """Return what has to be known of a stream of the manifest whose references are resolved."""
    name = stream["name"]
    cursor = (stream.get("incremental_sync") or {}).get("cursor_field")
    unnamed = Traits(Kind.FEED, start=cursor, deletions=False) if cursor else Traits()
    return Tracking(
        name=name,
        traits=TRACKED.get(name, unnamed),
        primary_key=tuple(_columns(stream["primary_key"])),
        added=frozenset(_added_columns(stream.get("transformations") or ())),
    )


def _columns(primary_key: str | Sequence[str]) -> Sequence[str]:
    return [primary_key] if isinstance(primary_key, str) else primary_key


def _added_columns(transformations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for transformation in transformations:
        for field in transformation.get("fields") or ():
            yield field["path"][0]
