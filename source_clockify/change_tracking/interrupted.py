"""The part of a state that lets the next process continue the sync that wrote it.

A killed sync has read some partitions. On the free plan the next process skips them if it begins
soon: with 30 requests an hour, a sync that started over would never finish. If all streams ended,
failed or not, the sync was not killed, and the next one reads everything.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import Any

from source_clockify.change_tracking.columns import Properties, read_document, write_document
from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.rows import PackedRows
from source_clockify.timestamps import format_second, second_of

# A process that begins later starts over: the partitions read before are too old.
RESUMED_SECONDS = 6 * 60 * 60

# The settings that must not change for a sync to be continued.
_SETTINGS = (
    "server",
    "workspace_ids",
    "start_date",
    "lookback_days",
    "horizon_days",
    "resend_changes",
)


@dataclass(frozen=True)
class PartialRead:
    """The first windows of a partition, while others are still to be read.

    All times are seconds since 1970.

    Attributes:
        began: when its first request counts as sent.
        since: the start of the first window.
        until: the end of the last window read.
        packed: the retained records of these windows.
    """

    began: int
    since: int
    until: int
    packed: PackedRows

    def covers(self, window: Mapping[str, Any]) -> bool:
        """Return whether a window was read."""
        start, end = second_of(window.get("start_time")), second_of(window.get("end_time"))
        return start is not None and end is not None and self.since <= start and end <= self.until


class Phase(Enum):
    """How far the sync that wrote a state had read its stream.

    READING: the state was written during the read. If it is the last one, the sync was killed.
    ENDED: the stream was read completely.
    FAILED: the stream ended with a failure.
    """

    READING = "reading"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True)
class SyncMark:
    """The sync to which a state belongs. Times are in seconds since 1970.

    Attributes:
        began: when its first attempt began.
        saved_at: when a partition was last read.
        settings: a hash of the settings that decide what is read.
        phase: how far the stream was read.
        done: the partitions that were read completely; unused once the stream has ended.
        partial: the first windows of other partitions.
        confirmed: those of `done` whose missing records were already missing before the sync.
        gaps: data missing although every request was answered: pairs of a workspace and a sentence.
    """

    began: int
    saved_at: int
    settings: str
    phase: Phase = Phase.READING
    done: frozenset[Partition] = frozenset()
    partial: Mapping[Partition, PartialRead] = field(default_factory=dict)
    confirmed: frozenset[Partition] = frozenset()
    gaps: tuple[tuple[str, str], ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether the stream was read to its end."""
        return self.phase is Phase.ENDED

    @property
    def has_read(self) -> bool:
        """Whether there is progress that the next process can build on."""
        return self.has_ended or bool(self.done or self.partial)


def settings_hash(config: Mapping[str, Any], streams: Iterable[str]) -> str:
    """Return a hash of everything that decides what is read: settings and tracked streams."""
    content = [{name: config.get(name) for name in _SETTINGS}, sorted(streams)]
    text = json.dumps(content, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=6).hexdigest()


def open_sync(marks: Sequence[SyncMark], now: int, settings: str) -> int | None:
    """Return when the killed sync that is to be continued began; None if there is none.

    Args:
        marks: of all states.
        now: when this process began, in seconds since 1970.
        settings: the hash of its settings.
    """
    # A clock that was ahead wrote a time that has not come yet.
    began = max((mark.began for mark in marks if mark.began <= now), default=None)
    found = [mark for mark in marks if mark.began == began]
    was_killed = any(mark.phase is Phase.READING for mark in found)
    if began is None or not was_killed or any(mark.settings != settings for mark in found):
        return None
    saved_at = max(mark.saved_at for mark in found)
    return began if 0 <= now - saved_at <= RESUMED_SECONDS else None


def encode_mark(mark: SyncMark, partitions: Sequence[Partition]) -> dict[str, Any]:
    """Return the saved form of a mark.

    Args:
        partitions: of the state, in their order there.
    """
    found: dict[str, Any] = {
        "began": format_second(mark.began),
        "saved_at": format_second(mark.saved_at),
        "settings": mark.settings,
        "phase": mark.phase.value,
    }
    if not mark.has_ended:
        for name, held in (("done", mark.done), ("confirmed", mark.confirmed)):
            # One bit for each partition, the first one last.
            bits = "".join("1" if ids in held else "0" for ids in reversed(partitions))
            found |= {name: f"{int(bits, 2):x}"} if "1" in bits else {}
    if mark.gaps:
        found["gaps"] = [[*gap] for gap in mark.gaps]
    partial = sorted(mark.partial)
    if partial:
        reads = [mark.partial[ids] for ids in partial]
        found["partial"] = write_document(
            partial,
            ((read.began, read.since, read.until, "", "", None) for read in reads),
            [read.packed for read in reads],
        )
    return found


def decode_mark(value: Any, fields: Sequence[str], partitions: Sequence[Partition]) -> SyncMark:
    """Return the mark of a state.

    Args:
        fields: the names of a partition's ids.
        partitions: of the state, in their order there.

    Raises:
        ValueError, TypeError, KeyError, zlib.error: for a damaged value.
    """
    entries = read_document(len(fields), value["partial"], _checked) if "partial" in value else []
    if type(value["settings"]) is not str:
        raise ValueError("no mark")
    return SyncMark(
        _moment(value["began"]),
        _moment(value["saved_at"]),
        value["settings"],
        Phase(value["phase"]),
        _partitions_in(value.get("done", "0"), partitions),
        {
            ids: PartialRead(began, since, until or since, packed)
            for ids, (began, since, until, *_), packed in entries
        },
        _partitions_in(value.get("confirmed", "0"), partitions),
        tuple(_gap(*gap) for gap in value.get("gaps", ())),
    )


def _partitions_in(bits: str, partitions: Sequence[Partition]) -> frozenset[Partition]:
    number = int(bits, 16)
    if number < 0 or number.bit_length() > len(partitions):
        raise ValueError("no partitions of the state")
    flags = reversed(f"{number:b}")
    return frozenset(ids for ids, flag in zip(partitions, flags, strict=False) if flag == "1")


def _gap(workspace_id: Any, message: Any) -> tuple[str, str]:
    if type(workspace_id) is not str or type(message) is not str:
        raise ValueError("no gap")
    return workspace_id, message


def _checked(properties: Any) -> Properties:
    began, since, until, access, former_access, limited_since = properties
    if (access, former_access, limited_since) != ("", "", None) or not all(
        type(each) is int and abs(each) < 2**53 for each in (began, since, until)
    ):
        raise ValueError("no partial read")
    return began, since, until, "", "", None


def _moment(text: Any) -> int:
    second = second_of(text)
    if second is None or format_second(second) != text:
        raise ValueError("no moment")
    return second
