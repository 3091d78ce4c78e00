"""Shows people the progress of `read` on standard error, while the messages go elsewhere.

live: a table on a terminal, with warnings above it. plain: the log as lines. Standard error is not
used if it has no reader, or if the messages themselves are on the screen.
"""

import logging
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, TextIO

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_clockify.cdk_patches import RoutineFilter
from source_clockify.ending import Ending
from source_clockify.progress import (
    COMPLETE,
    INCOMPLETE,
    RUNNING,
    WITH_GAPS,
    StreamProgress,
    SyncProgress,
)
from source_clockify.progress_log import QUEUED_LINES, table_of
from source_clockify.waits import duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

AUTO, LIVE, PLAIN, NONE = "auto", "live", "plain", "none"
MODES = (AUTO, LIVE, PLAIN, NONE)

REFRESHES_PER_SECOND = 3
# The lines around the stream rows, plus one that is left free.
_OTHER_LINES = 8
_WIDTH = 100
_GAP = 2
# Minimum widths of the columns, and the order in which a narrow terminal drops them.
_WIDTHS = {"stream": 25, "records": 9, "partitions": 14, "requests": 8, "seconds": 8, "status": 26}
_LEFT_OUT_FIRST = ("seconds", "requests", "partitions", "records")

# Shows the progress of a read within a context.
Shows = Callable[[SyncProgress], AbstractContextManager[None]]


def progress_mode(choice: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return how progress is shown: `live`, `plain` or `none`.

    By default, standard error is used if it is a terminal without the messages, or if the messages
    go to a file. It is not used if both are pipes, which a program such as Airbyte reads. PyAirbyte
    gives a read no standard error at all.

    Args:
        choice: one of `MODES`.
    """
    on_terminal = os.isatty(2) and environment.get("TERM") != "dumb"
    if choice == LIVE:
        return LIVE if on_terminal else PLAIN
    if choice != AUTO:
        return choice
    if os.isatty(1):
        return NONE
    if os.isatty(2):
        return LIVE if on_terminal else PLAIN
    return PLAIN if _is_file(1) else NONE


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False


@contextmanager
def showing_progress(mode: str, ending: Ending) -> Iterator[Shows]:
    """Show the warnings and errors of a command; yield what shows the progress of a read.

    Args:
        mode: as returned by `progress_mode`.
        ending: is told what a signal must stop.
    """
    # The CDK may replace `sys.stderr` with a buffer for its messages.
    stream = sys.__stderr__
    if mode == NONE or stream is None:
        yield lambda progress: nullcontext()
    elif mode == LIVE:
        yield from _live(stream, ending)
    else:
        ending.leave_display = lambda: None
        yield from _plain(stream)


def _plain(stream: TextIO) -> Iterator[Shows]:
    def say(text: str, level: int) -> None:
        stream.write(f"{time.strftime('%H:%M:%SZ', time.gmtime())} {text}\n")
        stream.flush()

    with _logging_to(say, logging.INFO):
        yield lambda progress: nullcontext()


def _live(stream: TextIO, ending: Ending) -> Iterator[Shows]:
    # The import takes a tenth of a second, which only a terminal needs.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream)
    console.width = min(console.width, _WIDTH)
    followed: list[SyncProgress] = []

    def say(text: str, level: int) -> None:
        style = "red" if level >= logging.ERROR else "yellow"
        console.print(Text(text, style))

    def picture() -> "RenderableType":
        if not followed:
            return Text("Starting ...")
        return picture_of(followed[0], console, time.time())

    live = Live(
        console=console,
        get_renderable=picture,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )

    leaving = threading.Lock()

    def leave() -> None:
        with leaving:
            if not live.is_started:
                return
            live.stop()
            for progress in followed:
                console.print(Text(table_of(progress.all(), time.time())), soft_wrap=True)

    @contextmanager
    def show(progress: SyncProgress) -> Iterator[None]:
        followed.append(progress)
        try:
            yield
        finally:
            leave()

    ending.leave_display = leave
    with live, _logging_to(say, logging.WARNING):
        # A killed process would leave the terminal without a cursor.
        console.show_cursor(True)
        live.refresh()
        yield show


@contextmanager
def _logging_to(say: Callable[[str, int], None], level: int) -> Iterator[None]:
    """Show log messages of at least this level, and the error that ends the command."""
    handler = _DisplayHandler(say, level)
    loggers = logging.getLogger(), logging.getLogger(QUEUED_LINES)
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    except Exception as error:
        say(filter_secrets(f"ERROR: {error}"), logging.ERROR)
        raise
    finally:
        for each in loggers:
            each.removeHandler(handler)


class _DisplayHandler(logging.Handler):
    """Shows log messages to people."""

    def __init__(self, say: Callable[[str, int], None], level: int) -> None:
        super().__init__(level)
        self.addFilter(RoutineFilter())
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        kind = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        try:
            self._say(filter_secrets(kind + record.getMessage()), record.levelno)
        except OSError:
            # The terminal was closed; the messages continue.
            return


# The table --------------------------------------------------------------------------------------


def picture_of(progress: SyncProgress, console: "Console", now: float) -> "RenderableType":
    """Return the table of a running sync."""
    from rich.console import Group
    from rich.text import Text

    everything = progress.all()
    streams = [stream for stream in everything if stream.is_selected]
    shown = shown_streams(streams, max(1, console.height - _OTHER_LINES))
    # Before streams begin, the lists they share are read.
    lines = [summary_of(everything, now) if streams else "Reading the workspaces ..."]
    budget = progress.budget()
    if budget:
        lines.append(f"Requests left in this hour: {budget[0]} of {budget[1]}.")
    waits = {each.wait for each in everything if each.wait is not None}
    for reason, until in sorted(waits, key=lambda wait: wait[1])[-2:]:
        lines.append(f"Waiting for {duration(max(0.0, until - now))} more. {reason}")
    return Group(
        *([_table(shown, console.width, now)] if shown else []),
        *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines),
    )


def shown_streams(streams: Sequence[StreamProgress], most: int) -> list[StreamProgress]:
    """Return the streams that fit, in their order: running and failed ones first, then those that
    ended last."""

    def rank(stream: StreamProgress) -> tuple[int, float]:
        if stream.status == RUNNING:
            return 0, 0.0
        if stream.status == INCOMPLETE:
            return 1, 0.0
        return (2, -stream.ended) if stream.ended is not None else (3, 0.0)

    chosen = {each.stream for each in sorted(streams, key=rank)[:most]}
    return [stream for stream in streams if stream.stream in chosen]


def summary_of(streams: Sequence[StreamProgress], now: float) -> str:
    """Return the line below the streams; its requests include those for unselected parents."""
    requests = sum(stream.requests for stream in streams)
    streams = [stream for stream in streams if stream.is_selected]
    ended = sum(stream.status in (COMPLETE, WITH_GAPS) for stream in streams)
    failed = sum(stream.status == INCOMPLETE for stream in streams)
    messages = sum(stream.messages for stream in streams)
    began = min((stream.began for stream in streams if stream.began is not None), default=now)
    failures = f", {failed} failed" if failed else ""
    return (
        f"{ended} of {len(streams)} streams complete{failures}; {messages} records, "
        f"{requests} requests, {round(now - began)} seconds"
    )


def _table(streams: Sequence[StreamProgress], width: int, now: float) -> "Table":
    from rich.table import Table

    rows = [_cells(stream, now) for stream in streams]
    widths = {name: max(_WIDTHS[name], *(len(row[name]) for row in rows)) for name in _WIDTHS}
    columns = columns_that_fit(widths, width)
    # Stream names may be cut, but their activity may not.
    status_width = max(len("status"), *(len(row["status"]) for row in rows))
    stream_width = max(1, min(widths["stream"], width - _GAP - status_width))
    widths |= {
        "stream": stream_width,
        "status": max(status_width, min(widths["status"], width - _GAP - stream_width)),
    }
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in columns:
        justify: Literal["left", "right"] = "left" if name in ("stream", "status") else "right"
        table.add_column(name, justify=justify, no_wrap=True, width=widths[name])
    for stream, row in zip(streams, rows, strict=True):
        style = {INCOMPLETE: "red", WITH_GAPS: "yellow", "": "dim"}.get(stream.status)
        table.add_row(*(row[name] for name in columns), style=style)
    return table


def columns_that_fit(widths: Mapping[str, int], width: int) -> list[str]:
    """Return the columns that fit into a terminal of this width."""
    columns = list(widths)
    for name in _LEFT_OUT_FIRST:
        if sum(widths[each] + _GAP for each in columns) - _GAP > width:
            columns.remove(name)
    return columns


def _cells(stream: StreamProgress, now: float) -> dict[str, str]:
    return {
        "stream": stream.stream,
        "records": str(stream.messages),
        "partitions": partitions_of(stream),
        "requests": str(stream.requests),
        "seconds": f"{stream.seconds(now):.1f}" if stream.began is not None else "",
        "status": status_of(stream, now),
    }


def partitions_of(stream: StreamProgress) -> str:
    """Return the number of finished partitions and their total; a plus marks an open total."""
    if not stream.partitions:
        return ""
    return f"{stream.done} of {stream.partitions}{'' if stream.all_found else '+'}"


def status_of(stream: StreamProgress, now: float) -> str:
    """Return the activity of a stream."""
    if stream.wait is not None:
        return f"waits {_clock(stream.wait[1] - now)}"
    return stream.phase or stream.status


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"
