"""Builds the new state of a tracked stream and decides when to send it."""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    StreamDescriptor,
)
from airbyte_cdk.models import Type as MessageType

from source_clockify.change_tracking.budget import MEGABYTE, StateBudget, size_of
from source_clockify.change_tracking.hint_state import HintState
from source_clockify.change_tracking.interrupted import PartialRead, Phase, SyncMark
from source_clockify.change_tracking.messages import format_version
from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.profiles import Granularity, StreamSpec, round_down
from source_clockify.change_tracking.state import (
    Forgetting,
    PartitionState,
    StreamState,
    encode,
)
from source_clockify.timestamps import DAY, format_second

logger = logging.getLogger("airbyte")

# The shortest time between two checkpoints of a stream ...
CHECKPOINT_SECONDS = 60
# ... and the shortest for each megabyte of its state.
CHECKPOINT_SECONDS_PER_MEGABYTE = 10

# The steps in which a state is made to fit; the last one forgets everything that may be forgotten.
_STEPS = 5
# The part of its room that a shrunk state aims at.
_AIM = 0.98

# The most killed syncs in a row that a state remembers.
MOST_UNREPORTED = 100


# How long the thread that empties the queue waits for another thread.
_PATIENCE_SECONDS = 5

_NOT_BUILT = (
    "%s: its state could not be built, so none is sent. The next sync continues from the last "
    "saved state."
)


@dataclass(frozen=True)
class _Made:
    message: AirbyteMessage
    size: int
    is_limited: bool


class StateWriter:
    """Builds the state of one stream. Worker threads share it; every method takes its locks.

    A worker MUST call `prepare_final` after the last change and before `send`.

    Args:
        spec: the stream.
        state: the saved state; None before the first sync.
        version: of this sync, in milliseconds since 1970.
        emit: sends a message behind the records that were sent before it.
        budget: limits the size of all states.
    """

    def __init__(
        self,
        spec: StreamSpec,
        state: StreamState | None,
        version: int,
        emit: Callable[[AirbyteMessage], None],
        budget: StateBudget,
    ) -> None:
        self._name = spec.name
        self.version = version
        self._emit = emit
        self._budget = budget
        self._can_shrink = spec.profile.can_forget_days
        is_weekly = spec.profile.granularity is Granularity.WEEK
        self._granularity = Granularity.WEEK if is_weekly else Granularity.DAY
        self._forgets_resends = False
        self._lock = threading.Lock()
        # An older state must not overtake a newer one.
        self._emitting = threading.Lock()
        self._partitions = dict(state.partitions) if state else {}
        self._hints = dict(state.hints) if state else {}
        self._fields = state.partition_fields if state else ()
        self._snapshot_is_complete = state is not None and state.snapshot_is_complete
        self._mark: SyncMark | None = None
        self._done: set[Partition] = set()
        self._partial: dict[Partition, PartialRead] = {}
        self._confirmed: set[Partition] = set()
        self._gaps: tuple[tuple[str, str], ...] = ()
        self._saved_at = 0
        # The last state that was sent with a mark.
        self._last_marked: StreamState | None = None
        self._sent = self._deleted = 0
        # This sync may be killed as well.
        self.unreported = state.unreported[-MOST_UNREPORTED:] if state else ()
        self._is_dirty = False
        self._last_sent = time.monotonic()
        self._size = 0
        self._prepared: _Made | None = None
        self._does_not_fit = False
        self.baseline_at = state.baseline_at if state else version
        self._budget.open(
            self._name,
            can_shrink=self._can_shrink,
            limited_since=_limited_since(self._partitions.values()),
        )

    def join(self, mark: SyncMark) -> None:
        """Let the next process continue this sync if it is killed.

        From now on the stream always has a state to send, so that the next process notices.

        Args:
            mark: of the first state, with the progress of an earlier attempt of the sync, if any.
        """
        with self._lock:
            self._mark = mark if mark.has_ended else replace(mark, phase=Phase.READING)
            self._done, self._partial = set(mark.done), dict(mark.partial)
            self._confirmed, self._gaps = set(mark.confirmed), mark.gaps
            self._is_dirty = not mark.has_ended

    def count_emitted(self, *, sent: int, deleted: int) -> None:
        """Count messages of this version that every later state follows."""
        with self._lock:
            self._sent += sent
            self._deleted += deleted

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a partition's ids."""
        return self._fields

    def name_fields(self, fields: tuple[str, ...]) -> None:
        with self._lock:
            self._fields = fields

    def baseline_is_done(self) -> None:
        """Record that the snapshot of the stream is complete."""
        with self._lock:
            self._snapshot_is_complete = True

    def partitions(self) -> dict[Partition, PartitionState]:
        with self._lock:
            return dict(self._partitions)

    def put(self, ids: Partition, state: PartitionState | None) -> None:
        """Replace the state of a partition; None removes it."""
        with self._lock:
            self._is_dirty = True
            if state is None:
                self._partitions.pop(ids, None)
            else:
                self._partitions[ids] = state

    def put_done(self, ids: Partition, *, is_confirmed: bool) -> None:
        """Record that a partition was read completely in this sync.

        Args:
            is_confirmed: whether its missing records were already missing before the sync.
        """
        with self._lock:
            self._is_dirty = True
            self._done.add(ids)
            if is_confirmed:
                self._confirmed.add(ids)
            self._partial.pop(ids, None)
            self._saved_at = int(time.time())

    def put_partial(self, ids: Partition, partial: PartialRead) -> None:
        """Record that the first windows of a partition were read in this sync."""
        with self._lock:
            self._is_dirty = True
            self._partial[ids] = partial
            self._saved_at = int(time.time())

    def put_gaps(self, gaps: tuple[tuple[str, str], ...]) -> None:
        """Replace the gaps of the stream: pairs of a workspace and a sentence."""
        with self._lock:
            self._gaps = gaps

    def _current_mark(self) -> SyncMark | None:
        if self._mark is None:
            return None
        is_reading = self._mark.phase is Phase.READING
        return replace(
            self._mark,
            saved_at=max(self._mark.saved_at, self._saved_at),
            done=frozenset(self._done),
            partial=dict(self._partial) if is_reading else {},
            confirmed=frozenset(self._confirmed),
            gaps=self._gaps,
        )

    def hints(self, workspace_id: str) -> HintState | None:
        """Return the hints of a workspace; None before the first."""
        with self._lock:
            return self._hints.get(workspace_id)

    def all_hints(self) -> list[HintState]:
        """Return the hints of every workspace."""
        with self._lock:
            return list(self._hints.values())

    def put_hints(self, workspace_id: str, hints: HintState) -> None:
        """Replace the hints of a workspace."""
        with self._lock:
            self._is_dirty = True
            self._hints[workspace_id] = hints

    def add_former_user(self, workspace_id: str, user_id: str) -> None:
        """Add a user whose partition will be removed to the hints, if there are any."""
        with self._lock:
            hints = self._hints.get(workspace_id)
            if hints is not None:
                former_users = hints.former_users | {user_id}
                self._hints[workspace_id] = replace(hints, former_users=former_users)

    def state(self) -> StreamState:
        with self._lock:
            return StreamState(
                self.version,
                self.baseline_at,
                self._snapshot_is_complete,
                self._fields,
                dict(self._partitions),
                self._sent,
                self._deleted,
                self.unreported,
                dict(self._hints),
                self._current_mark(),
            )

    def checkpoint(self) -> None:
        """Send the state if it has changed, is due, and fits."""
        wait = max(CHECKPOINT_SECONDS, CHECKPOINT_SECONDS_PER_MEGABYTE * self._size / MEGABYTE)
        with self._lock:
            due = time.monotonic() - self._last_sent >= wait
        if due:
            self.checkpoint_now()

    def checkpoint_now(self, patience: float = -1) -> None:
        """Send the state if it has changed and fits; never raises.

        Args:
            patience: the seconds to wait for another thread that is sending it; negative: until it
                has finished.
        """
        if not self._emitting.acquire(timeout=patience):
            return
        try:
            self._send_dirty()
        finally:
            self._emitting.release()

    def _send_dirty(self) -> None:
        with self._lock:
            if not self._is_dirty:
                return
            # A skipped checkpoint is retried after the same interval.
            self._last_sent = time.monotonic()
        if self._prepared is not None or self._does_not_fit:
            return
        state = self._state_to_send()
        made = self._make(state)
        is_granted = self._budget.grant(self._name, made.size)
        if not is_granted and state.mark is not None and state.mark.partial:
            state = replace(state, mark=replace(state.mark, partial={}))
            made = self._make(state)
            is_granted = self._budget.grant(self._name, made.size)
        if not is_granted:
            return
        if self._budget.takes_turn(self._name, made.size):
            self._send(made)
            self._last_marked = state if state.mark is not None else None
            return
        self._budget.withdraw(self._name)
        with self._lock:
            # The change is still unsent.
            self._is_dirty = True

    def prepare_final(self, *, has_ended: bool = True) -> None:
        """Build the last state of the stream for `send`; may wait for its turn.

        Args:
            has_ended: whether all of the stream was read.

        Raises:
            AirbyteTracedException: config_error, if it does not fit. The stream then sends no
                state, and the platform keeps the previous one.
        """
        with self._emitting:
            if self._prepared is None and not self._does_not_fit:
                self._prepare(has_ended=has_ended)
            if self._does_not_fit:
                raise self._budget.refusal(self._name, self._size)

    def send(self) -> None:
        """Send the last state; never raises, and sends nothing if the state does not fit."""
        # Its caller empties the queue in which the other thread may be waiting for room.
        if not self._emitting.acquire(timeout=_PATIENCE_SECONDS):
            logger.error(_NOT_BUILT, self._name)
            return
        try:
            if self._prepared is None and not self._does_not_fit:
                self._prepare_late()
            made, self._prepared = self._prepared, None
            if made is not None:
                self._send(made)
        finally:
            self._emitting.release()

    def _prepare_late(self) -> None:
        """Build the last state if no worker did; the CDK's main thread must not fail."""
        try:
            self._prepare(has_ended=False)
        except Exception:
            self._does_not_fit = True
            logger.exception(_NOT_BUILT, self._name)
            return
        if self._does_not_fit:
            logger.error(str(self._budget.refusal(self._name, self._size).message))

    def _prepare(self, *, has_ended: bool) -> None:
        with self._lock:
            if self._mark is not None:
                phase = Phase.ENDED if has_ended else Phase.FAILED
                self._mark = replace(self._mark, phase=phase)
        try:
            made = self._fit()
        finally:
            self._budget.end(self._name)
        self._does_not_fit = made is None
        if made is None:
            made = self._last_marked_state()
        if made is not None:
            self._budget.wait_for_turn(self._name, made.size)
        self._prepared = made

    def _last_marked_state(self) -> _Made | None:
        """Return the last sent state with its mark set to failed; None if there is none.

        Without it the next sync would treat this one as killed.
        """
        if self._last_marked is None or self._last_marked.mark is None:
            return None
        mark = replace(self._last_marked.mark, phase=Phase.FAILED, partial={})
        made = self._make(replace(self._last_marked, mark=mark))
        return made if self._budget.grant(self._name, made.size) else None

    def _fit(self) -> _Made | None:
        """Return the state with its room reserved; None if it does not fit even when shrunk."""
        if self._can_shrink:
            return self._shrink() or self._shrink_resends()
        made = self._make(self._state_to_send())
        self._size = made.size
        return made if self._budget.grant(self._name, made.size) else None

    def _shrink_resends(self) -> _Made | None:
        """Forget pending resends as well: the last resort to make a state fit."""
        made = self._shrink(resends=True)
        if made is not None:
            logger.warning(
                "%s: changes of records that began before %s are not resent, because the state "
                "would exceed State Limit (state_limit_mb). If the destination lost any of them, "
                "refresh the stream.",
                self._name,
                format_second(self._budget.forgotten_before or 0)[:10],
            )
        return made

    def _shrink(self, *, resends: bool = False) -> _Made | None:
        """Forget the oldest days until the state fits; None if it does not.

        Args:
            resends: forget pending resends as well.
        """
        self._forgets_resends = resends
        bytes_per_record = 0.0
        previous: tuple[int, int] | None = None
        for step in range(_STEPS):
            state = self._state_to_send()
            made = self._make(state)
            self._size = made.size
            if self._budget.grant(self._name, made.size):
                return made
            if previous is None:
                bytes_per_record = made.size / max(state.record_count, 1)
            elif state.record_count < previous[1]:
                bytes_per_record = (previous[0] - made.size) / (previous[1] - state.record_count)
            previous = made.size, state.record_count
            excess = made.size - _AIM * max(0, self._budget.room(self._name, made.size))
            is_last = step >= _STEPS - 2
            to_drop = math.inf if is_last or bytes_per_record <= 0 else excess / bytes_per_record
            moment = self._moment_to_forget(state, to_drop, resends=resends)
            if moment is None:
                return None
            self._budget.forget_before(moment)
        return None

    def _moment_to_forget(self, state: StreamState, to_drop: float, *, resends: bool) -> int | None:
        """Return the moment before which that many records start; None if none may be dropped."""
        days: Counter[int] = Counter()
        for known in state.partitions.values():
            days.update(known.forgettable_days(self._granularity, resends=resends))
        if not days:
            return None
        last = max(days)
        for day, count in sorted(days.items()):
            to_drop -= count
            if to_drop <= 0:
                last = day
                break
        width = 7 * DAY if self._granularity is Granularity.WEEK else DAY
        return round_down(last * DAY, self._granularity) + width

    def _state_to_send(self) -> StreamState:
        moment = self._budget.forgotten_before
        with self._lock:
            # A partition that is stored after this is not part of the state.
            self._is_dirty = False
        state = self.state()
        if not self._can_shrink or moment is None:
            return state
        return state.forget_before(Forgetting(moment, self._granularity, self._forgets_resends))

    def _make(self, state: StreamState) -> _Made:
        blob = encode(self._name, state)
        stream = AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=self._name),
            stream_state=AirbyteStateBlob(blob),
        )
        message = AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream)
        return _Made(
            AirbyteMessage(type=MessageType.STATE, state=message),
            size_of(self._name, blob),
            _limited_since(state.partitions.values()) is not None,
        )

    def _send(self, made: _Made) -> None:
        self._size = made.size
        with self._lock:
            self._last_sent = time.monotonic()
        self._emit(made.message)
        self._budget.sent(self._name, is_limited=made.is_limited)


def _limited_since(partitions: Iterable[PartitionState]) -> int | None:
    """Return the latest moment before which records were forgotten within the lookback."""
    return max(
        (
            known.limited_since
            for known in partitions
            if known.limited_since is not None and known.limited_since > known.retained_since
        ),
        default=None,
    )


def describe_start(
    stream: str, state: StreamState | None, size: int, mark: SyncMark | None = None
) -> str:
    """Return the log line that says which state a stream continues from.

    Args:
        size: of its state, in bytes.
        mark: of the interrupted sync that is continued; None if there is none.
    """
    if state is None:
        return f"{stream}: no state, starting a snapshot. Every record is sent."
    known = (
        f"the state of {format_version(state.updated_at)} ({size / MEGABYTE:.2f} MB, "
        f"{len(state.partitions)} partitions, {state.record_count} records)"
    )
    if mark is not None and mark.has_ended:
        return (
            f"{stream}: continuing the interrupted sync of {format_second(mark.began)}, which had "
            "read the whole stream. It is not reread."
        )
    if mark is not None and mark.has_read:
        return (
            f"{stream}: continuing the interrupted sync of {format_second(mark.began)} from "
            f"{known}. The {len(mark.done)} partitions that it read are not reread."
        )
    if not state.snapshot_is_complete:
        return f"{stream}: continuing the interrupted snapshot from {known}."
    return f"{stream}: comparing with {known}."
