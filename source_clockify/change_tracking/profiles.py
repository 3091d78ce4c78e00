"""The properties of each stream that decide how its changes are found.

Key and columns come from the manifest, the rest from one row of `PROFILES`. A stream without a row
is a listing, or an event log if the manifest gives it a cursor. This default is always safe: only
the number of requests that prove a deletion differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from source_clockify.timestamps import DAY


class Kind(Enum):
    """How a stream reveals changes.

    SNAPSHOT: read as a whole; a record that is no longer listed may be deleted.
    WINDOWED_SNAPSHOT: read from a point in time on; the same holds for records after it.
    AGGREGATE: like WINDOWED_SNAPSHOT, but rows are totals that appear and vanish with the records
        they add up.
    MEMBERSHIP: a list that records enter and leave while they exist elsewhere.
    UPDATED_AT: records have the time of their last change; deletions cannot be seen.
    EVENT_LOG: records are events that never change.
    """

    SNAPSHOT = "snapshot"
    WINDOWED_SNAPSHOT = "windowed_snapshot"
    AGGREGATE = "aggregate"
    MEMBERSHIP = "membership"
    UPDATED_AT = "updated_at"
    EVENT_LOG = "event_log"


class Granularity(Enum):
    """The unit to which the start of a window is rounded down."""

    SECOND = "second"
    DAY = "day"
    WEEK = "week"


def round_down(moment: int, granularity: Granularity) -> int:
    """Return the start of the second, UTC day or week (Monday) that contains a moment."""
    if granularity is Granularity.SECOND:
        return moment
    day = moment - moment % DAY
    if granularity is Granularity.DAY:
        return day
    # 1970 began on a Thursday.
    return day - (day + 3 * DAY) % (7 * DAY)


class SingleRead(Enum):
    """How a record read by id compares with a row of its list.

    ROW: it equals the row.
    WIDER: it has the columns of the row, and more.
    OTHER: it lacks columns of the row; another list may return the row.
    """

    ROW = "row"
    WIDER = "wider"
    OTHER = "other"


@dataclass(frozen=True)
class ById:
    """How Clockify reads one record by its id, or proves that it does not exist.

    Attributes:
        path: below the workspace; contains the field names of the partition and `{id}`.
        shape: of the answer, compared with a row of the list.
        is_batched: many ids can be requested at once, see `Lookups.entries`.
        has_id: the answer contains the id that was requested.
    """

    path: str
    shape: SingleRead = SingleRead.ROW
    is_batched: bool = False
    has_id: bool = True


@dataclass(frozen=True)
class TrackingProfile:
    """The properties of one stream that decide how its changes are found.

    Attributes:
        kind: how it reveals changes.
        start: the column that its window compares.
        granularity: the unit to which the start of its window is rounded down.
        has_end: whether its requests name the end of their window.
        by_id: how one record is read by id; a 400 with code 501 proves that it does not exist.
        parent: the path below the workspace of the parent whose deletion deletes its records.
        volatile: columns whose change does not count as a change of the record.
        volatile_while_running: likewise, while the record's timer runs; dotted for nested columns.
        deletions: whether it has tombstones.
        takes_hints: whether its records are time entries, whose changes outside of the window are
            reported by change feeds.
        follows_reads: its window begins shortly before the last complete read began instead of
            before its last event, since its feeds omit changes to what was created within the
            requested window. Its rows may change, so their content is compared.
    """

    kind: Kind = Kind.SNAPSHOT
    start: str | None = None
    granularity: Granularity = Granularity.SECOND
    has_end: bool = True
    by_id: ById | None = None
    parent: str | None = None
    volatile: frozenset[str] = frozenset()
    volatile_while_running: tuple[str, ...] = ()
    deletions: bool = True
    takes_hints: bool = False
    follows_reads: bool = False

    @property
    def can_forget_days(self) -> bool:
        """Whether its state may drop its oldest days, as with a shorter lookback."""
        return self.kind in (Kind.WINDOWED_SNAPSHOT, Kind.AGGREGATE, Kind.UPDATED_AT)

    @property
    def compares_single_reads(self) -> bool:
        """Whether an unlisted record is compared in the shape in which it is read by id."""
        return self.kind in (Kind.SNAPSHOT, Kind.MEMBERSHIP) and self.by_id is not None

    @property
    def has_timers(self) -> bool:
        """Whether a row is retained while its timer runs."""
        return self.kind is Kind.WINDOWED_SNAPSHOT


_TIME_ENTRY = ById("time-entries/{id}", is_batched=True)
_ENTRY_OF_REPORT = ById("time-entries/{id}", SingleRead.OTHER, is_batched=True)

PROFILES: Mapping[str, TrackingProfile] = {
    # A workspace that is no longer visible is not deleted.
    "workspaces": TrackingProfile(deletions=False),
    "users": TrackingProfile(
        by_id=ById("member-profile/{id}", SingleRead.OTHER, has_id=False),
        volatile=frozenset({"activeWorkspace", "profilePicture"}),
    ),
    "member_profiles": TrackingProfile(
        by_id=ById("member-profile/{user_id}", has_id=False), parent="member-profile/{user_id}"
    ),
    "clients": TrackingProfile(by_id=ById("clients/{id}")),
    "projects": TrackingProfile(by_id=ById("projects/{id}"), volatile=frozenset({"duration"})),
    "tasks": TrackingProfile(
        by_id=ById("projects/{project_id}/tasks/{id}"),
        parent="projects/{project_id}",
        volatile=frozenset({"duration"}),
    ),
    "tags": TrackingProfile(by_id=ById("tags/{id}")),
    "project_custom_fields": TrackingProfile(parent="projects/{project_id}"),
    "time_entries": TrackingProfile(
        Kind.WINDOWED_SNAPSHOT,
        start="start",
        has_end=False,
        by_id=_TIME_ENTRY,
        takes_hints=True,
    ),
    "time_entries_in_progress": TrackingProfile(Kind.MEMBERSHIP, by_id=_TIME_ENTRY),
    "expenses": TrackingProfile(by_id=ById("expenses/{id}", SingleRead.OTHER)),
    "invoices": TrackingProfile(by_id=ById("invoices/{id}", SingleRead.WIDER)),
    "invoice_details": TrackingProfile(
        by_id=ById("invoices/{invoice_id}"), parent="invoices/{invoice_id}"
    ),
    "invoice_payments": TrackingProfile(parent="invoices/{invoice_id}"),
    "time_off_policies": TrackingProfile(by_id=ById("time-off/policies/{id}")),
    "time_off_requests": TrackingProfile(),
    "time_off_balances": TrackingProfile(parent="time-off/policies/{policy_id}"),
    "scheduling_assignments": TrackingProfile(Kind.WINDOWED_SNAPSHOT, start="periodStart"),
    # Totals of a window that moves daily, so rows change, appear and vanish without an edit.
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
    "time_entries_changed": TrackingProfile(
        Kind.EVENT_LOG, start="changedAt", deletions=False, follows_reads=True
    ),
    "time_entries_deleted": TrackingProfile(
        Kind.EVENT_LOG, start="deletedAt", deletions=False, follows_reads=True
    ),
    "detailed_report": TrackingProfile(
        Kind.WINDOWED_SNAPSHOT,
        start="start",
        granularity=Granularity.DAY,
        by_id=_ENTRY_OF_REPORT,
        volatile_while_running=(
            "timeInterval.duration",
            "amount",
            "earnedAmount",
            "costAmount",
            "amounts",
        ),
        takes_hints=True,
    ),
    "summary_report": TrackingProfile(Kind.AGGREGATE, start="date", granularity=Granularity.DAY),
    "weekly_report": TrackingProfile(
        Kind.AGGREGATE, start="weekStart", granularity=Granularity.WEEK
    ),
    "attendance_report": TrackingProfile(Kind.AGGREGATE, start="date", granularity=Granularity.DAY),
    "expense_report": TrackingProfile(
        Kind.WINDOWED_SNAPSHOT,
        start="date",
        granularity=Granularity.DAY,
        by_id=ById("expenses/{id}", SingleRead.OTHER),
    ),
}

# The partition fields that hold these columns.
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
    """One tracked stream.

    Attributes:
        name: of the stream.
        profile: its row of `PROFILES`.
        primary_key: its columns.
        added: the columns that the manifest adds to Clockify's record.
    """

    name: str
    profile: TrackingProfile
    primary_key: tuple[str, ...]
    added: frozenset[str]

    @property
    def date_column(self) -> str | None:
        """The key column that the window compares as well."""
        return self.profile.start if self.profile.start in self.primary_key else None

    def columns_of(self, partition: Mapping[str, str]) -> dict[str, str]:
        """Return the columns implied by the partition, by name."""
        return {
            column: partition[field]
            for column, field in _PARTITION_FIELDS.items()
            if field in partition
        }

    def id_columns(self, partition: Mapping[str, str]) -> list[str]:
        """Return the key columns that neither partition nor window implies."""
        implied = {*self.columns_of(partition), self.date_column}
        return [column for column in self.primary_key if column not in implied]

    def may_move(self, partition: Mapping[str, str]) -> bool:
        """Return whether a record may move to another partition of its workspace."""
        implied = {*self.columns_of(partition)} - {"workspaceId"}
        return len(partition) > 1 and not implied.intersection(self.primary_key)


def stream_spec(stream: Mapping[str, Any]) -> StreamSpec:
    """Return the specification of a stream of the manifest with resolved references."""
    name = stream["name"]
    cursor = (stream.get("incremental_sync") or {}).get("cursor_field")
    default = TrackingProfile(Kind.EVENT_LOG, start=cursor, deletions=False)
    return StreamSpec(
        name=name,
        profile=PROFILES.get(name, default if cursor else TrackingProfile()),
        primary_key=tuple(_columns(stream["primary_key"])),
        added=frozenset(_added_columns(stream.get("transformations") or ())),
    )


def _columns(primary_key: str | Sequence[str]) -> Sequence[str]:
    return [primary_key] if isinstance(primary_key, str) else primary_key


def _added_columns(transformations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for transformation in transformations:
        for field in transformation.get("fields") or ():
            yield field["path"][0]
