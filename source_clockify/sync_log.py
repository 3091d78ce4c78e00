"""The stream `sync_log`: a receipt for every other stream of a sync, which makes losses visible.

A destination may acknowledge messages and lose them. A receipt states how many records of its
stream have the version of the sync, and how many exist: a consumer with fewer records has lost
some.
"""

import base64
import json
import logging
import threading
import time
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    StreamDescriptor,
    SyncMode,
    TraceType,
)
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as status_message

from source_clockify.change_tracking.budget import StateBudget, size_of
from source_clockify.change_tracking.live import KeyCounter, Live, is_counted, live_records
from source_clockify.change_tracking.messages import (
    BASELINE_AT,
    COLUMNS,
    UPDATED_AT,
    format_version,
    message_kinds,
)
from source_clockify.change_tracking.profiles import stream_spec
from source_clockify.change_tracking.rows import RETRY_SECONDS
from source_clockify.change_tracking.state import (
    CONNECTOR,
    VERSION,
    Emitted,
    StreamState,
    checksum,
    unusable_state,
)
from source_clockify.change_tracking.stream import TrackedStream
from source_clockify.change_tracking.tracker import HintResults
from source_clockify.installed import installed_version
from source_clockify.message_size import is_oversized
from source_clockify.progress import DELETED, RESENT
from source_clockify.record_batches import KeyOf, Message, RecordBatch

logger = logging.getLogger("airbyte")

SYNC_LOG = "sync_log"

_TEXT = {"type": ["null", "string"]}
_MOMENT = {key: COLUMNS[UPDATED_AT][key] for key in ("type", "format", "airbyte_type")}
_NUMBER = {"type": ["null", "integer"]}

SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft-07/schema#",
    "type": "object",
    "description": (
        "Receipts: after all other streams of a sync, one record for each of them. Made by the "
        "connector itself, without a request to Clockify."
    ),
    "additionalProperties": True,
    "properties": {
        "stream": {**_TEXT, "description": "Stream that the receipt is for."},
        UPDATED_AT: {
            **_MOMENT,
            "description": (
                "Version of the stream in this sync: the records that it sent as new, changed or "
                "deleted have the same value."
            ),
        },
        BASELINE_AT: {
            **_MOMENT,
            "description": (
                "Baseline of the stream, as its records have it. Receipts with an older baseline "
                "than the newest of the same stream are void."
            ),
        },
        "previous_updated_at": {
            **_MOMENT,
            "description": (
                "Version of the previous receipt for the stream. Absent after a first sync or a "
                "Refresh, and in full refresh."
            ),
        },
        "started_at": {
            **_MOMENT,
            "description": "When reading the stream began. Absent for a killed sync.",
        },
        "ended_at": {
            **_MOMENT,
            "description": "When reading the stream ended. Absent for a killed sync.",
        },
        "status": {
            **_TEXT,
            "description": (
                "complete, or incomplete if the stream failed or the sync was killed; a later sync "
                "then reads the rest (open list)."
            ),
        },
        "sync_mode": {**_TEXT, "description": "full_refresh or incremental (open list)."},
        "sent": {
            **_NUMBER,
            "description": (
                "Number of new and changed records, each key once. Records without a column of "
                "their primary key do not count."
            ),
        },
        "resent": {
            **_NUMBER,
            "description": "Number of messages of earlier syncs that were sent again.",
        },
        "deleted": {**_NUMBER, "description": "Number of tombstones, apart from resent ones."},
        "live": {
            **_NUMBER,
            "description": (
                "Number of records that exist, as far as the stream has told; with window_start, "
                "of those that begin at or after it. Absent if the stream is incomplete or a part "
                "of it was refused half-way, for event logs and for approval requests."
            ),
        },
        "window_start": {
            **_MOMENT,
            "description": (
                "Start from which live counts. Absent where it counts all, as for listings and in "
                "full refresh."
            ),
        },
        "skipped": {
            "type": ["null", "array"],
            "description": "What was left out of the stream, in sentences. Absent if nothing was.",
            "items": {"type": ["null", "string"]},
        },
        "oversized": {
            **_NUMBER,
            "description": "Number of records that are too large for a Pub/Sub message.",
        },
        "hinted": {
            **_NUMBER,
            "description": (
                "Of sent and deleted, those outside of the window that Clockify's change feeds "
                "named. Absent where no feeds are followed."
            ),
        },
        "waiting": {
            **_NUMBER,
            "description": (
                "Number of entries that the feeds named and a later sync looks up. Absent likewise."
            ),
        },
        "connector_version": {**_TEXT, "description": "Version of the connector."},
    },
}


def describe_sync_log() -> AirbyteStream:
    """Return the stream as described by `discover`."""
    return AirbyteStream(
        name=SYNC_LOG,
        json_schema=dict(SCHEMA),
        supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
        source_defined_cursor=True,
        default_cursor_field=[UPDATED_AT],
        source_defined_primary_key=[["stream"], [UPDATED_AT]],
        is_resumable=True,
    )


def without_sync_log(catalog: ConfiguredAirbyteCatalog) -> ConfiguredAirbyteCatalog:
    """Return the catalog of the streams read by the CDK."""
    return ConfiguredAirbyteCatalog(
        [each for each in catalog.streams if each.stream.name != SYNC_LOG]
    )


# State ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PendingReceipt:
    """A receipt that is still to be resent.

    Attributes:
        data: the record.
        times: the number of remaining syncs that resend it.
        sent_at: when the last sync that sent it began, in seconds since 1970.
    """

    data: Mapping[str, Any]
    times: int
    sent_at: int


@dataclass(frozen=True)
class SyncLogState:
    """The state of `sync_log`.

    Attributes:
        previous: the version of the last receipt of each stream.
        pending: the receipts that are still to be resent.
    """

    previous: Mapping[str, str] = field(default_factory=dict)
    pending: Sequence[PendingReceipt] = ()


def encode_state(state: SyncLogState) -> dict[str, Any]:
    """Return a state as a blob.

    `{"connector": "source-clockify", "state_version": 2, "stream": "sync_log", "previous": {"tags":
    "2026-11-24T09:00:00.000Z"}, "pending": 38, "content": "...", "checksum": "..."}`; `content`
    holds the pending receipts, compressed, since they are very similar.
    """
    receipts = [[each.data, each.times, each.sent_at] for each in state.pending]
    packed = zlib.compress(json.dumps(receipts, separators=(",", ":")).encode(), 9)
    content = {
        "connector": CONNECTOR,
        "state_version": VERSION,
        "stream": SYNC_LOG,
        "previous": dict(state.previous),
        "pending": len(receipts),
        "content": base64.b64encode(packed).decode(),
    }
    return {**content, "checksum": checksum(content)}


def decode_state(blob: Mapping[str, Any]) -> SyncLogState:
    """Return the state in a blob; empty for an empty blob, or for that of a full refresh.

    Raises:
        AirbyteTracedException: config_error, for a damaged blob or one of another version.
    """
    if all(name.startswith("__ab_") for name in blob):
        return SyncLogState()
    if blob.get("state_version") != VERSION:
        raise unusable_state(SYNC_LOG, "comes from another version of the connector")
    try:
        return _decode(blob)
    except (KeyError, TypeError, ValueError, RecursionError, MemoryError, zlib.error) as error:
        raise unusable_state(SYNC_LOG, "is damaged") from error


def _decode(blob: Mapping[str, Any]) -> SyncLogState:
    content = {name: value for name, value in blob.items() if name != "checksum"}
    if blob["stream"] != SYNC_LOG or blob["checksum"] != checksum(content):
        raise ValueError("checksum")
    receipts = json.loads(zlib.decompress(base64.b64decode(blob["content"], validate=True)))
    if len(receipts) != blob["pending"] or not isinstance(blob["previous"], dict):
        raise ValueError("not the values of a state")
    pending = [
        PendingReceipt(dict(data), int(times), int(sent_at)) for data, times, sent_at in receipts
    ]
    return SyncLogState(blob["previous"], pending)


def _state_in(states: Iterable[AirbyteStateMessage]) -> SyncLogState:
    for message in states:
        stream = message.stream
        if stream and stream.stream_state and stream.stream_descriptor.name == SYNC_LOG:
            return decode_state(vars(stream.stream_state))
    return SyncLogState()


# Receipts ---------------------------------------------------------------------------------------


@dataclass
class StreamLog:
    """Counts the messages of one stream in this sync. Times are in milliseconds since 1970.

    Attributes:
        version: of its records.
        baseline_at: likewise.
        primary_key: its columns.
        sync_mode: of this sync.
        count_live: counts the existing records once the stream is complete, given the number of
            records sent; None if unknown.
        unreported: the messages of earlier syncs that have no receipt yet.
        hints: the results of change feeds; None where they are not followed.
    """

    version: int
    baseline_at: int
    primary_key: Sequence[str]
    sync_mode: SyncMode
    count_live: Callable[[int], Live | None]
    unreported: Sequence[Emitted] = ()
    hints: HintResults | None = None
    started_at: int | None = None
    ended_at: int | None = None
    is_complete: bool = False
    oversized: int = 0
    skipped: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._kind_of = message_kinds(self.version)
        self._sent = KeyCounter()
        self._deleted = self._resent = 0
        self.key_of = _key_function(self.primary_key)

    def count(self, data: Mapping[str, Any]) -> None:
        """Count a message. A record that lacks a column of its key does not count as sent."""
        kind = self._kind_of(data)
        if kind == RESENT:
            self._resent += 1
        elif kind == DELETED:
            self._deleted += 1
        else:
            key = self.key_of(data)
            if key is not None:
                self._sent.add(key)

    def count_batch(self, batch: RecordBatch) -> None:
        """Count the messages of a batch."""
        self._resent += batch.kinds.get(RESENT, 0)
        self._deleted += batch.kinds.get(DELETED, 0)
        self.oversized += batch.oversized
        for key in batch.counted_keys:
            self._sent.add(key)

    def receipt(self, stream: str, began: int, previous: str | None) -> dict[str, Any]:
        """Return the record, without absent columns."""
        sent = len(self._sent)
        live = self.count_live(sent) if self.is_complete else None
        window_start = None
        if live is not None and live.window_start is not None:
            window_start = format_version(live.window_start * 1000)
        found = {
            "stream": stream,
            UPDATED_AT: format_version(self.version),
            BASELINE_AT: format_version(self.baseline_at),
            "previous_updated_at": _previous(self.version, self.baseline_at, previous),
            "started_at": format_version(began if self.started_at is None else self.started_at),
            "ended_at": format_version(_now() if self.ended_at is None else self.ended_at),
            "status": "complete" if self.is_complete else "incomplete",
            "sync_mode": self.sync_mode.value,
            "sent": sent,
            "resent": self._resent,
            "deleted": self._deleted,
            "live": None if live is None else live.count,
            "window_start": window_start,
            "skipped": list(self.skipped) or None,
            "oversized": self.oversized,
            "hinted": self.hints and self.hints.sent + self.hints.deleted,
            "waiting": self.hints and self.hints.waiting,
            "connector_version": installed_version(),
        }
        return {name: value for name, value in found.items() if value is not None}

    def late_receipts(self, stream: str, previous: str | None) -> Iterator[dict[str, Any]]:
        """Yield the receipts of killed syncs, with the minimum numbers saved in their states."""
        for version, sent, deleted in self.unreported:
            found = {
                "stream": stream,
                UPDATED_AT: format_version(version),
                BASELINE_AT: format_version(self.baseline_at),
                "previous_updated_at": _previous(version, self.baseline_at, previous),
                "status": "incomplete",
                "sync_mode": self.sync_mode.value,
                "sent": sent,
                "deleted": deleted,
            }
            yield {name: value for name, value in found.items() if value is not None}
            previous = format_version(version)


def _key_function(primary_key: Sequence[str]) -> KeyOf:
    """Return a function from a record to its key; the key is None if a column is missing."""
    only_column = primary_key[0] if len(primary_key) == 1 else ""

    def only_key(data: Mapping[str, Any]) -> Hashable | None:
        value = data.get(only_column)
        return value if value is None or type(value) is str else str(value)

    def key(data: Mapping[str, Any]) -> Hashable | None:
        values = [data.get(column) for column in primary_key]
        return None if None in values else tuple(map(str, values))

    return only_key if only_column else key


def _previous(version: int, baseline_at: int, previous: str | None) -> str | None:
    """Return the version of the previous receipt; None if it belongs to a former baseline."""
    if previous is None or baseline_at == version or previous < format_version(baseline_at):
        return None
    return previous


def stream_log(stream: AbstractStream, definition: Mapping[str, Any], began: int) -> StreamLog:
    """Return the counter for the messages of a manifest stream."""
    spec = stream_spec(definition)
    if isinstance(stream, TrackedStream):
        tracker = stream.tracker
        return StreamLog(
            tracker.writer.version,
            tracker.writer.baseline_at,
            spec.primary_key,
            SyncMode.incremental,
            lambda sent: live_records(tracker),
            tracker.writer.unreported,
            tracker.hints if tracker.follows_hints else None,
        )
    return StreamLog(
        began,
        began,
        spec.primary_key,
        SyncMode.full_refresh,
        lambda sent: Live(sent) if is_counted(spec) else None,
    )


class SyncLog:
    """The receipts of one sync; only the thread that emits the messages uses it.

    Args:
        state: of the last sync; None in full refresh.
        began: when the sync began, in milliseconds since 1970.
        resend: the number of later syncs in which a receipt is resent.
    """

    def __init__(self, state: SyncLogState | None, began: int, resend: int) -> None:
        self._state = state or SyncLogState()
        self._is_incremental = state is not None
        self._began = began
        self._resend = resend
        self._streams: dict[str, StreamLog] = {}

    def with_unreported(self, stream: str, state: StreamState) -> StreamState:
        """Return a saved state with the messages emitted by syncs after the last receipt."""
        if not self._is_incremental:
            return replace(state, unreported=())
        found = [*state.unreported]
        if state.sent is not None and state.deleted is not None:
            found.append(Emitted(state.updated_at, state.sent, state.deleted))
        previous = self._state.previous.get(stream, "")
        unreported = tuple(each for each in found if format_version(each.version) > previous)
        return replace(state, unreported=unreported)

    def add(self, stream: str, log: StreamLog) -> None:
        """Add a stream read in this sync."""
        self._streams[stream] = log

    def counted_keys(self) -> dict[str, KeyOf]:
        """Return the functions that return the key counted for a record, by stream."""
        return {name: log.key_of for name, log in self._streams.items()}

    def follow(
        self,
        messages: Iterable[Message],
        queued: Callable[[], Iterable[AirbyteMessage]],
        skipped: Callable[[str], Iterable[str]],
        budget: StateBudget,
        is_ending: threading.Event | None = None,
    ) -> Iterator[Message]:
        """Yield the messages of all streams, then the receipts; finally raise the streams' error.

        Args:
            messages: of the other streams.
            queued: returns messages that are still queued when the streams have ended.
            skipped: returns the gaps of a stream, as sentences.
            budget: limits the size of all states.
            is_ending: set once the sync is being ended early; there are no receipts then.
        """
        if self._is_incremental:
            budget.open(SYNC_LOG, can_shrink=False)
        failure: Exception | None = None
        try:
            for message in messages:
                self._note(message)
                yield message
        except Exception as error:
            failure = error
        try:
            yield from queued()
            if is_ending is None or not is_ending.is_set():
                for name, log in self._streams.items():
                    log.skipped = [*skipped(name)]
                yield from self._messages(budget)
        except Exception:
            if failure is None:
                raise
            # The failure of the streams names the remedy.
            logger.exception("%s: the receipts could not be built.", SYNC_LOG)
        if failure is not None:
            raise failure

    def _note(self, message: Message) -> None:
        if isinstance(message, RecordBatch):
            log = self._streams.get(message.stream_name)
            if log is not None:
                log.count_batch(message)
        elif message.record is not None:
            self._count(message.record)
        elif message.trace is not None and message.trace.type is TraceType.STREAM_STATUS:
            self._note_status(message)

    def _count(self, record: AirbyteRecordMessage) -> None:
        log = self._streams.get(record.stream)
        if log is None:
            return
        log.count(record.data)
        log.oversized += is_oversized(record.stream, record.data, log.primary_key)

    def _note_status(self, message: AirbyteMessage) -> None:
        status = message.trace.stream_status if message.trace else None
        log = self._streams.get(status.stream_descriptor.name) if status else None
        if status is None or log is None:
            return
        if status.status is AirbyteStreamStatus.STARTED:
            log.started_at = _now()
        elif status.status in (AirbyteStreamStatus.COMPLETE, AirbyteStreamStatus.INCOMPLETE):
            log.ended_at = _now()
            log.is_complete = status.status is AirbyteStreamStatus.COMPLETE

    def _messages(self, budget: StateBudget) -> Iterator[AirbyteMessage]:
        """Yield the stream: its statuses, receipts and state. All other streams have ended."""
        stream = StreamDescriptor(name=SYNC_LOG)
        yield status_message(stream, AirbyteStreamStatus.STARTED)
        resent, waiting = self._resent()
        receipts = [each for name, log in self._streams.items() for each in self._new(name, log)]
        if resent or receipts:
            yield status_message(stream, AirbyteStreamStatus.RUNNING)
        for data in [*resent, *receipts]:
            yield stream_data_to_airbyte_message(SYNC_LOG, data)
        if not self._is_incremental:
            # As the CDK does for a stream in full refresh.
            yield _state_message({"__ab_no_cursor_state_message": True})
        else:
            yield from self._state_messages(receipts, waiting, budget)
        yield status_message(stream, AirbyteStreamStatus.COMPLETE)

    def _new(self, name: str, log: StreamLog) -> Iterator[dict[str, Any]]:
        """Yield the receipt of a stream, preceded by those of killed syncs."""
        previous = self._state.previous.get(name)
        for late in log.late_receipts(name, previous):
            yield late
            previous = late[UPDATED_AT]
        yield log.receipt(name, self._began, previous)

    def _resent(self) -> tuple[list[Mapping[str, Any]], list[PendingReceipt]]:
        """Return the receipts to resend now, and those that remain to be resent."""
        if not self._resend:
            return [], []
        now = self._began // 1000
        resent: list[Mapping[str, Any]] = []
        waiting: list[PendingReceipt] = []
        for pending in self._state.pending:
            if pending.data["stream"] not in self._streams:
                # A consumer may no longer know the stream.
                continue
            if now - pending.sent_at < RETRY_SECONDS:
                waiting.append(pending)
                continue
            resent.append(pending.data)
            if pending.times > 1:
                waiting.append(PendingReceipt(pending.data, pending.times - 1, now))
        return resent, waiting

    def _state_messages(
        self,
        receipts: Sequence[Mapping[str, Any]],
        waiting: Sequence[PendingReceipt],
        budget: StateBudget,
    ) -> Iterator[AirbyteMessage]:
        """Yield the state, with the newest pending receipts for which there is room."""
        now = self._began // 1000
        new = [PendingReceipt(data, self._resend, now) for data in receipts if self._resend]
        pending = [*waiting, *new]
        previous = {data["stream"]: data[UPDATED_AT] for data in receipts}
        previous = {**self._state.previous, **previous}
        blob = encode_state(SyncLogState(previous, pending))
        fits = budget.grant(SYNC_LOG, size_of(SYNC_LOG, blob))
        if not fits:
            logger.warning(
                "%s: the states of the other streams leave too little room for its receipts. Some "
                "of them are not resent.",
                SYNC_LOG,
            )
        while not fits and pending:
            pending = pending[(len(pending) + 1) // 2 :]
            blob = encode_state(SyncLogState(previous, pending))
            fits = budget.grant(SYNC_LOG, size_of(SYNC_LOG, blob))
        if fits:
            budget.wait_for_turn(SYNC_LOG, size_of(SYNC_LOG, blob))
            yield _state_message(blob)
            budget.sent(SYNC_LOG)
        budget.end(SYNC_LOG)


def sync_log_of(
    catalog: ConfiguredAirbyteCatalog | None,
    states: Iterable[AirbyteStateMessage],
    began: int,
    resend: int | None,
) -> SyncLog | None:
    """Return the receipts of a sync; None if the catalog does not select them.

    Args:
        states: the states of all streams.
        began: when the sync began, in milliseconds since 1970.
        resend: as configured.

    Raises:
        AirbyteTracedException: config_error, for an unusable state.
    """
    for configured in catalog.streams if catalog else ():
        if configured.stream.name == SYNC_LOG:
            is_incremental = configured.sync_mode is SyncMode.incremental
            state = _state_in(states) if is_incremental else None
            return SyncLog(state, began, 1 if resend is None else resend)
    return None


def with_sizes_checked(
    messages: Iterable[Message], primary_keys: Mapping[str, Sequence[str]]
) -> Iterator[Message]:
    """Yield messages, and warn of records that are too large for Pub/Sub.

    Records in batches were checked when they were packed.

    Args:
        primary_keys: the columns of each stream's key.
    """
    for message in messages:
        if not isinstance(message, RecordBatch) and message.record is not None:
            record = message.record
            is_oversized(record.stream, record.data, primary_keys.get(record.stream, ()))
        yield message


def _state_message(blob: Mapping[str, Any]) -> AirbyteMessage:
    stream = AirbyteStreamState(
        stream_descriptor=StreamDescriptor(name=SYNC_LOG),
        stream_state=AirbyteStateBlob(blob),
    )
    state = AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream)
    return AirbyteMessage(type=MessageType.STATE, state=state)


def _now() -> int:
    return int(time.time() * 1000)
