"""The columns that change tracking adds to a record, and tombstones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from source_clockify.change_tracking.profiles import StreamSpec
from source_clockify.change_tracking.rows import Row, parts_of
from source_clockify.progress import DELETED, RESENT, SENT
from source_clockify.timestamps import format_second

UPDATED_AT = "_ab_cdc_updated_at"
DELETED_AT = "_ab_cdc_deleted_at"
BASELINE_AT = "_ab_cdc_baseline_at"

_TIMESTAMP = {
    "type": ["null", "string"],
    "format": "date-time",
    "airbyte_type": "timestamp_with_timezone",
}
COLUMNS: Mapping[str, Mapping[str, Any]] = {
    UPDATED_AT: {**_TIMESTAMP, "description": "When the connector first saw this version."},
    DELETED_AT: {
        **_TIMESTAMP,
        "description": "When the connector found the record deleted, absent while it exists.",
    },
    BASELINE_AT: {
        **_TIMESTAMP,
        "description": (
            "The first sync since the last Refresh or Clear; records with an older one are void."
        ),
    },
}


def format_version(milliseconds: int) -> str:
    """Return a moment in the form of the columns: `2026-11-24T09:00:00.000Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{format_second(seconds).removesuffix('Z')}.{rest:03d}Z"


def message_kinds(version: int) -> Callable[[Mapping[str, Any]], str]:
    """Return a function from a tracked stream's message to its kind, see progress.py.

    Args:
        version: of this sync, which new and changed records have.
    """
    current = format_version(version)

    def kind_of(data: Mapping[str, Any]) -> str:
        if data.get(UPDATED_AT) != current:
            return RESENT
        return DELETED if DELETED_AT in data else SENT

    return kind_of


@dataclass(frozen=True)
class Stamp:
    """The columns of one message.

    Attributes:
        updated_at: the version, in milliseconds since 1970.
        baseline_at: likewise, of the first sync that the state goes back to.
    """

    updated_at: int
    baseline_at: int

    def columns(self) -> dict[str, str]:
        return {
            UPDATED_AT: format_version(self.updated_at),
            BASELINE_AT: format_version(self.baseline_at),
        }


def tombstone(
    spec: StreamSpec, partition: Mapping[str, str], key: str, row: Row, stamp: Stamp
) -> dict[str, Any]:
    """Return the message for a deleted record."""
    parts = parts_of(key)
    columns = spec.id_columns(partition)
    found: dict[str, Any] = {
        **spec.columns_of(partition),
        **dict(zip(columns, parts, strict=False)),
    }
    if spec.date_column is not None:
        found[spec.date_column] = parts[-1]
    elif spec.profile.start == "start" and row.start is not None:
        found["start"] = format_second(row.start)
    return {**found, **stamp.columns(), DELETED_AT: format_version(stamp.updated_at)}
