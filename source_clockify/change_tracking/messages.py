"""The columns that tracking adds to a record, and tombstones."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airbyte_cdk.models import AirbyteStream, SyncMode

from source_clockify.change_tracking.profiles import StreamSpec
from source_clockify.change_tracking.rows import Row, parts_of
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
    """Return a moment as the columns hold it: `2026-11-24T09:00:00.000Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{format_second(seconds).removesuffix('Z')}.{rest:03d}Z"


@dataclass(frozen=True)
class Stamp:
    """The columns of one message.

    Attributes:
        updated_at: the version, in milliseconds since 1970.
        baseline_at: likewise the first sync that the state goes back to.
    """

    updated_at: int
    baseline_at: int

    def columns(self) -> dict[str, str]:
        return {
            UPDATED_AT: format_version(self.updated_at),
            BASELINE_AT: format_version(self.baseline_at),
        }


def tombstone(
    tracking: StreamSpec, partition: Mapping[str, str], key: str, row: Row, stamp: Stamp
) -> dict[str, Any]:
    """Return the message that says that a record is gone."""
    parts = parts_of(key)
    columns = tracking.id_columns(partition)
    found: dict[str, Any] = {
        **tracking.columns_of(partition),
        **dict(zip(columns, parts, strict=False)),
    }
    if tracking.date_column is not None:
        found[tracking.date_column] = parts[-1]
    elif tracking.profile.start == "start" and row.start is not None:
        found["start"] = format_second(row.start)
    return {**found, **stamp.columns(), DELETED_AT: format_version(stamp.updated_at)}


def with_columns(stream: AirbyteStream) -> AirbyteStream:
    """Return the description of a stream that is tracked: incremental, with the three columns."""
    schema = stream.json_schema
    return replace(
        stream,
        json_schema={**schema, "properties": {**schema.get("properties", {}), **COLUMNS}},
        supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
        source_defined_cursor=True,
        default_cursor_field=[UPDATED_AT],
        is_resumable=True,
    )
