"""Finds time entries that changed since an earlier sync, by reading them with its state."""

import io
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_clockify.change_tracking.messages import DELETED_AT, UPDATED_AT, format_version
from source_clockify.change_tracking.state import PartitionState, StreamState, decode, is_tracked
from source_clockify.probe.client import NoAnswer
from source_clockify.probe.lines import Untestable
from source_clockify.source import SourceClockify

STREAM = "time_entries"
# A read takes time and clocks differ, so changes shortly before it may be missing from the state.
MARGIN = timedelta(minutes=10)

logger = logging.getLogger("airbyte")


@dataclass(frozen=True)
class EarlierSync:
    """The state saved by an earlier sync.

    Attributes:
        messages: all states, in the form of `read --state`.
        state: that of time_entries.
    """

    messages: list[AirbyteStateMessage]
    state: StreamState

    def partitions(self, workspace_id: str) -> list[PartitionState]:
        """Return the saved state of each user in a workspace."""
        held = self.state.partitions.items()
        return [partition for ids, partition in held if ids[0] == workspace_id]


@dataclass
class Comparison:
    """The ids of the entries found by comparing with the state.

    Attributes:
        start: the time from which a feed must report their changes.
    """

    start: datetime
    new: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)


def read_state(path: str) -> EarlierSync:
    """Read a file with the state of an earlier sync.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it has no tracked state of time entries.
        AirbyteTracedException: config_error, for a damaged state or one of another version.
    """
    try:
        messages = SourceClockify.read_state(path)
        blobs = [
            vars(message.stream.stream_state)
            for message in messages
            if message.stream is not None
            and message.stream.stream_descriptor.name == STREAM
            and message.stream.stream_state is not None
        ]
    except OSError:
        raise
    except Exception as error:
        # The text of the error may contain the state.
        raise ValueError(f"{path} holds no state of a sync") from error
    if not blobs or not is_tracked(blobs[-1]):
        raise ValueError(f"{path} holds no state of {STREAM} with change tracking")
    return EarlierSync(messages, decode(STREAM, blobs[-1], dated=False))


def compare(config: Mapping[str, Any], workspace_id: str, earlier: EarlierSync) -> Comparison:
    """Read the time entries of a workspace like the next sync would, and keep only ids.

    Raises:
        Untestable: if the state does not include the workspace.
        NoAnswer: if the read fails.
    """
    partitions = earlier.partitions(workspace_id)
    if not partitions:
        raise Untestable("the state knows no time entries of this workspace")
    if not earlier.state.snapshot_is_complete:
        raise Untestable("the state is that of a first sync that did not end")
    read_at = min(partition.read_at for partition in partitions)
    found = Comparison(datetime.fromtimestamp(read_at, timezone.utc) - MARGIN)
    rows = {key: row for partition in partitions for key, row in partition.rows().items()}
    known = {entry_id for entry_id, row in rows.items() if not row.deleted}
    # They were deleted before the state was saved, or are hidden.
    missing = {entry_id for entry_id, row in rows.items() if row.missing}
    last_version = format_version(earlier.state.updated_at)
    try:
        for record in _records(config, workspace_id, earlier):
            entry_id = str(record["id"])
            # Records with an older version are resent.
            if record[UPDATED_AT] <= last_version:
                continue
            if DELETED_AT in record:
                if entry_id not in missing:
                    found.deleted.add(entry_id)
            else:
                (found.edited if entry_id in known else found.new).add(entry_id)
    except Exception as error:
        # Its text may contain names.
        raise NoAnswer(
            f"reading {STREAM} from the state failed ({type(error).__name__}); "
            "`source-clockify read` says why"
        ) from error
    return found


def _records(
    config: Mapping[str, Any], workspace_id: str, earlier: EarlierSync
) -> Iterator[Mapping[str, Any]]:
    stream = AirbyteStream(
        name=STREAM,
        json_schema={},
        supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
    )
    catalog = ConfiguredAirbyteCatalog(
        [ConfiguredAirbyteStream(stream, SyncMode.incremental, DestinationSyncMode.append)]
    )
    given = {
        **{name: value for name, value in config.items() if name != "hosts"},
        "workspace_ids": [workspace_id],
        "track_changes": True,
        "follow_changes": False,
        "resend_changes": 0,
    }
    with _silence(), tempfile.TemporaryDirectory() as folder:
        source = SourceClockify(catalog=catalog, config=given, state=earlier.messages)
        messages: Iterator[AirbyteMessage] = source.read(
            logger, source.configure(given, folder), catalog, earlier.messages
        )
        for message in messages:
            if message.record is not None and message.record.stream == STREAM:
                yield message.record.data


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress all output of a read: its log contains names."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
