"""Logs the progress of a sync: lines while streams run and when they end, and a table.

Emitted messages are counted here.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from airbyte_cdk.models import AirbyteMessage, AirbyteStreamStatus, TraceType

from source_clockify.progress import (
    COMPLETE,
    INCOMPLETE,
    RUNNING,
    WITH_GAPS,
    StreamProgress,
    SyncProgress,
)
from source_clockify.record_batches import Message, RecordBatch

logger = logging.getLogger("airbyte")

# Lets displays see the lines that reach standard output through the CDK's queue.
QUEUED_LINES = "source-clockify.queued"
logging.getLogger(QUEUED_LINES).setLevel(logging.INFO)
logging.getLogger(QUEUED_LINES).propagate = False

# How often a stream logs its progress.
REPEAT_SECONDS = 30
# When it is first logged that no stream has begun.
FIRST_SECONDS = 10
# How often logging is considered.
TICK_SECONDS = 1.0

_COLUMNS = ("records", "new", "changed", "deleted", "resent", "requests", "seconds")


def follow_progress(
    messages: Iterable[Message],
    progress: SyncProgress,
    kind_of: Callable[[str, Mapping[str, Any]], str],
    has_gaps: Callable[[str], bool],
) -> Iterator[Message]:
    """Yield the messages of a sync; count them, and log its progress and result.

    Args:
        messages: of all streams.
        progress: counts them.
        kind_of: returns the kind of a message of a stream, see progress.py.
        has_gaps: returns whether a warning names data missing from a stream.
    """
    with _regular_lines(progress):
        try:
            for message in messages:
                if isinstance(message, RecordBatch):
                    progress.count_messages(message.stream_name, message.kinds)
                elif message.record is not None:
                    record = message.record
                    kind = kind_of(record.stream, record.data)
                    progress.count_messages(record.stream, {kind: 1})
                elif message.trace is not None and message.trace.type is TraceType.STREAM_STATUS:
                    _note_status(message, progress, has_gaps)
                yield message
        except Exception:
            _log_table(progress, has_gaps)
            raise
    _log_table(progress, has_gaps)


def _note_status(
    message: AirbyteMessage, progress: SyncProgress, has_gaps: Callable[[str], bool]
) -> None:
    status = message.trace.stream_status if message.trace else None
    if status is None:
        return
    stream = status.stream_descriptor.name
    if status.status is AirbyteStreamStatus.STARTED:
        progress.begin(stream)
        if not progress.of(stream).is_tracked:
            # A tracked stream logs where it continues from.
            logger.info("%s: begins.", stream)
    elif status.status is AirbyteStreamStatus.COMPLETE:
        progress.end(stream, WITH_GAPS if has_gaps(stream) else COMPLETE)
        logger.info(describe_end(progress.of(stream), time.time()))
    elif status.status is AirbyteStreamStatus.INCOMPLETE:
        progress.end(stream, INCOMPLETE)
        logger.info(describe_end(progress.of(stream), time.time()))


def _log_table(progress: SyncProgress, has_gaps: Callable[[str], bool]) -> None:
    for stream in progress.all():
        # Some gaps are known only after all streams have ended.
        if stream.status == COMPLETE and has_gaps(stream.stream):
            progress.note_gaps(stream.stream)
    logger.info("Summary of the sync:\n%s", table_of(progress.all(), time.time()))


# Lines ------------------------------------------------------------------------------------------


def describe_end(stream: StreamProgress, now: float) -> str:
    """Return the log line of a stream that has ended."""
    kinds = ""
    if stream.is_tracked:
        kinds = (
            f" ({stream.new} new, {stream.changed} changed, {stream.deleted} deleted, "
            f"{stream.resent} resent)"
        )
    return (
        f"{stream.stream}: {stream.status}. {_count(stream.messages, 'record')}{kinds} with "
        f"{_count(stream.requests, 'request')} in {stream.seconds(now):.1f} seconds."
    )


def describe_progress(stream: StreamProgress, budget: tuple[int, int] | None, now: float) -> str:
    """Return the log line of a running stream.

    Args:
        budget: the number of requests left in this hour, and the limit; None without a limit.
    """
    if stream.all_found:
        partitions = f"{stream.done} of {_count(stream.partitions, 'partition')}"
    else:
        partitions = f"{_count(stream.done, 'partition')}"
    phase = f" Now {stream.phase}." if stream.phase else ""
    left = f" Requests left in this hour: {budget[0]} of {budget[1]}." if budget else ""
    return (
        f"{stream.stream}: {_count(stream.messages, 'record')} and {partitions} after "
        f"{_count(stream.requests, 'request')} and {round(stream.seconds(now))} seconds."
        f"{phase}{left}"
    )


def due_streams(
    streams: Iterable[StreamProgress], said: Mapping[str, tuple[float, int, int]], now: float
) -> list[StreamProgress]:
    """Return the streams whose progress is due to be logged.

    Running streams log every 30 seconds. A stream that is only waiting has logged that, and is
    skipped until it continues.

    Args:
        said: when each last logged, and its messages and requests at that time.
        now: in seconds since 1970.
    """
    found = []
    for stream in streams:
        if stream.status != RUNNING or stream.began is None:
            continue
        said_at, *counts = said.get(stream.stream, (stream.began, 0, 0))
        goes_on = stream.wait is None or counts != [stream.messages, stream.requests]
        if goes_on and now - said_at >= REPEAT_SECONDS:
            found.append(stream)
    return found


@contextmanager
def announcing_preparation(progress: SyncProgress) -> Iterator[None]:
    """Log from a thread that shared lists are being read, until the first stream begins."""
    began = time.time()
    due_at = began + FIRST_SECONDS

    def say(now: float) -> None:
        nonlocal due_at
        if now >= due_at:
            due_at = now + REPEAT_SECONDS
            requests = _count(progress.requests_of_last_hour(), "request")
            logger.info(
                "Reading data that several streams need, such as workspaces and users: "
                "%s in %s seconds.",
                requests,
                round(now - began),
            )

    with _every_tick(say):
        yield


@contextmanager
def _regular_lines(progress: SyncProgress) -> Iterator[None]:
    """Log the progress of the streams regularly from a thread."""
    said: dict[str, tuple[float, int, int]] = {}

    def say(now: float) -> None:
        for stream in due_streams(progress.all(), said, now):
            said[stream.stream] = now, stream.messages, stream.requests
            logger.info("%s", describe_progress(stream, progress.budget(), now))

    with _every_tick(say):
        yield


@contextmanager
def _every_tick(act: Callable[[float], None]) -> Iterator[None]:
    """Call a function regularly from a thread, with the time in seconds since 1970."""
    is_over = threading.Event()

    def repeat() -> None:
        while not is_over.wait(TICK_SECONDS):
            act(time.time())

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


# The table --------------------------------------------------------------------------------------


def table_of(streams: Sequence[StreamProgress], now: float) -> str:
    """Return the result of a sync in lines of at most 100 columns: a row per stream, and totals.

    A stream whose changes are not tracked has no numbers by kind.
    """
    rows: list[tuple[str, ...]] = [("stream", *_COLUMNS, "status")]
    rows += [_row(stream, now) for stream in streams]
    rows.append(_total(streams, now))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers, status = row
    cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
    return " ".join([name.ljust(widths[0]), *cells, "", status]).rstrip()


def _row(stream: StreamProgress, now: float) -> tuple[str, ...]:
    kinds = (stream.new, stream.changed, stream.deleted, stream.resent)
    return (
        stream.stream,
        str(stream.messages) if stream.is_selected else "",
        *(str(number) if stream.is_tracked else "" for number in kinds),
        str(stream.requests),
        f"{stream.seconds(now):.1f}" if stream.began is not None else "",
        _final_status(stream),
    )


def _final_status(stream: StreamProgress) -> str:
    if not stream.is_selected:
        return "parent"
    # A failed sync may end before all its streams do.
    return {"": "not read", RUNNING: INCOMPLETE}.get(stream.status, stream.status)


def _total(streams: Sequence[StreamProgress], now: float) -> tuple[str, ...]:
    tracked = [stream for stream in streams if stream.is_tracked]
    kinds = ("new", "changed", "deleted", "resent")
    selected = [stream for stream in streams if stream.is_selected]
    complete = sum(stream.status in (COMPLETE, WITH_GAPS) for stream in selected)
    began = min((stream.began for stream in streams if stream.began is not None), default=now)
    ended = max(
        (stream.ended or now for stream in streams if stream.began is not None), default=now
    )
    return (
        "total",
        str(sum(stream.messages for stream in selected)),
        *(str(sum(getattr(each, kind) for each in tracked)) if tracked else "" for kind in kinds),
        str(sum(stream.requests for stream in streams)),
        f"{ended - began:.1f}",
        f"{complete} of {len(selected)}",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
