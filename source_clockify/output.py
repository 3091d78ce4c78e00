"""Standard output: whole lines in UTF-8, regardless of locale and of the writing thread.

It writes no more at once than the reader has room for, so that a blocked thread can be stopped
between two lines.
"""

import io
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable

# Lines that may wait are buffered up to this size ...
BUFFERED_BYTES = 64_000
# ... and for this time.
IDLE_SECONDS = 0.3

# A pipe with any room accepts this much in one write.
_ATOMIC_BYTES = 4096
_POLL_MILLISECONDS = 100


class _TakenOver(Exception):
    """The thread that ends the process writes the rest."""


class Output(io.TextIOBase):
    """A file descriptor to which all threads write lines; it also replaces `sys.stdout`.

    Args:
        descriptor: the target of the lines.
        on_failure: called with the error of a write in the thread that encountered it; it MUST NOT
            return. Without it the error is raised.
    """

    def __init__(
        self, descriptor: int = 1, on_failure: Callable[[OSError], None] | None = None
    ) -> None:
        self._descriptor = descriptor
        self.on_failure = on_failure
        self._lock = threading.Lock()
        self._partial = threading.local()
        self._buffer = bytearray()
        self._written_at = 0.0
        # Whether the last byte written is within a line.
        self._is_within_line = False
        self._is_taken_over = False
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            mode = 0
        self._is_pipe = stat.S_ISFIFO(mode)
        self._is_file = stat.S_ISREG(mode)

    def write_line(self, line: str, *, flush: bool = True) -> None:
        """Write a line, given without its terminator.

        Args:
            flush: write it now, after the buffered lines.
        """
        self._add(encode(line) + b"\n", flush=flush)

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines in UTF-8; they may be buffered."""
        self._add(lines, flush=False)

    def write(self, text: str) -> int:
        """Write text like a file; lines are written when complete, separately for each thread."""
        lines, newline, rest = (getattr(self._partial, "text", "") + text).rpartition("\n")
        self._partial.text = rest
        if newline:
            self.write_line(lines)
        return len(text)

    def flush(self) -> None:
        """Write all complete lines."""
        self._add(b"", flush=True)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def flush_idle(self) -> None:
        """Write lines that have been buffered for some time; never blocks."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            is_idle = time.monotonic() - self._written_at >= IDLE_SECONDS
            while is_idle and self._buffer and self._has_room(0):
                self._write_some()
        finally:
            self._lock.release()

    def is_closed(self) -> bool:
        """Return whether the reader has closed its end."""
        if not hasattr(select, "poll"):
            return False
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return bool(poll.poll(0))

    def finish(self, line: str | None, deadline: float) -> None:
        """Write a last line, as far as the reader accepts it in time; write nothing afterwards.

        Threads that write from now on block forever. A line is begun only if it can be completed.

        Args:
            deadline: on the monotonic clock.
        """
        self._is_taken_over = True
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return
        if line is not None:
            self._buffer += encode(line) + b"\n"
        while self._buffer and time.monotonic() < deadline:
            if self._next_line_fits() and self._has_room(_POLL_MILLISECONDS):
                self._write_some()

    def _add(self, data: bytes, *, flush: bool) -> None:
        try:
            with self._lock:
                self._give_way()
                self._buffer += data
                self._written_at = time.monotonic()
                while self._buffer and (flush or len(self._buffer) > BUFFERED_BYTES):
                    if self._has_room(_POLL_MILLISECONDS):
                        self._write_some()
                    else:
                        self._give_way()
        except _TakenOver:
            threading.Event().wait()

    def _give_way(self) -> None:
        if self._is_taken_over:
            raise _TakenOver

    def _has_room(self, milliseconds: int) -> bool:
        if self._is_file or not hasattr(select, "poll"):
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(milliseconds))

    def _write_some(self) -> None:
        """Write as many whole lines as a pipe accepts at once, or a part of a longer one."""
        end = len(self._buffer)
        if not self._is_file and end > _ATOMIC_BYTES:
            end = self._buffer.rfind(b"\n", 0, _ATOMIC_BYTES) + 1 or _ATOMIC_BYTES
        try:
            with memoryview(self._buffer) as view:
                written = os.write(self._descriptor, view[:end])
        except BlockingIOError:
            return
        except OSError as error:
            # Output that cannot be written now cannot be written later either.
            self._buffer.clear()
            if self.on_failure is not None:
                self.on_failure(error)
            raise
        if written:
            self._is_within_line = self._buffer[written - 1] != 0x0A
            del self._buffer[:written]

    def _next_line_fits(self) -> bool:
        """Return whether the next line can be written whole, or was begun and must be completed."""
        rest = self._buffer.find(b"\n") + 1
        if not self._is_pipe or (rest <= _ATOMIC_BYTES and not self._is_within_line):
            return True
        has_room = _make_room(self._descriptor, rest)
        return has_room or self._is_within_line


def _make_room(descriptor: int, size: int) -> bool:
    """Enlarge a pipe by this many bytes; return whether it could be enlarged."""
    if sys.platform != "linux":
        return False
    import fcntl
    import termios

    try:
        capacity = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
        held = int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
        # Its pages may be partly empty.
        needed = 2 * (held + size) + 2 * _ATOMIC_BYTES
        if capacity < needed:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, needed)
    except OSError:
        return False
    return True


def encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # A surrogate pair becomes one character, a lone surrogate U+FFFD.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
