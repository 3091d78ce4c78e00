"""Ends the command at a signal, or when its output can no longer be written.

SIGTERM, SIGHUP and SIGINT are blocked in all threads and awaited by one of them. So they also reach
the first process of a container, and do not interrupt other threads at arbitrary points.
"""

import errno
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from source_clockify.output import Output

# After a signal, output may be written for this long; the rest is dropped ...
FLOW_SECONDS = 1.8
# ... and the last lines have this long.
LAST_SECONDS = 0.6
# The time for the progress display to stop, and for the sentence below it.
DISPLAY_SECONDS = 0.2
# How often the output is checked.
TICK_SECONDS = 0.5

SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")


def log_line(text: str) -> str:
    """Return a sentence as a warning of Airbyte's protocol."""
    return json.dumps({"type": "LOG", "log": {"level": "WARN", "message": text}})


class Ending:
    """Watches for signals and checks the output; `start` MUST be called before any thread starts.

    Attributes:
        reason: the sentence that explains why a sync ends; None before a signal.
        leave_display: stops the progress display, so that the reason can be printed below it; None
            without a display. Any thread may call it, more than once.

    Args:
        output: of the command.
        last_line: turns a sentence into the line that explains the end of the command; None: the
            sentence goes to standard error.
    """

    def __init__(self, output: Output, last_line: Callable[[str], str] | None = log_line) -> None:
        self._output = output
        self._last_line = last_line
        self._lock = threading.Lock()
        self._send_last: Callable[[str], None] | None = None
        self._code: int | None = None
        self._name = ""
        self._telling = threading.Lock()
        self.reason: str | None = None
        self.leave_display: Callable[[], None] | None = None

    def start(self, signals: Sequence[str] = SIGNALS) -> None:
        """Start to watch, independent of what the command does."""
        self._output.on_failure = self.end_for_output
        numbers: list[signal.Signals] = []
        if hasattr(signal, "pthread_sigmask"):
            numbers = [signal.Signals[name] for name in signals]
            # Signals ignored by the parent process, as with nohup, remain ignored.
            numbers = [each for each in numbers if signal.getsignal(each) is not signal.SIG_IGN]
            signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        if numbers:
            threading.Thread(target=self._await, args=(numbers,), daemon=True).start()
        threading.Thread(target=self._watch_output, daemon=True).start()

    def when_reading(self, send_last: Callable[[str], None]) -> None:
        """From now on, let a signal wait until complete data has been written.

        Args:
            send_last: sends the states and then the sentence behind the records; called in a thread
                of its own.
        """
        with self._lock:
            self._send_last = send_last

    def finish(self, line: str) -> NoReturn:
        """End with the last line of a sync; called by the writing thread."""
        self._exit(line, self.reason)

    def settle(self) -> None:
        """End if a signal has arrived; the command is otherwise finished."""
        if self._code is not None:
            self._say_and_exit((self._send_last and self.reason) or f"Ended by {self._name}.")

    def end_for_output(self, error: OSError) -> NoReturn:
        """End because the output cannot be written."""
        if self.leave_display is None:
            say(_sentence_about(error))
        else:
            self._tell(_sentence_about(error))
        os._exit(1)

    def _await(self, numbers: Sequence[signal.Signals]) -> None:
        first = signal.Signals(signal.sigwait(numbers))
        self._name, self._code = first.name, 128 + first
        self.reason = (
            f"Ended by {first.name}. The state of all complete data was sent; the next sync "
            "continues from it."
        )
        threading.Thread(target=self._end, daemon=True).start()
        signal.sigwait(numbers)
        self._say_and_exit(f"Ended by {self._name}.")

    def _end(self) -> None:
        deadline = time.monotonic() + FLOW_SECONDS
        with self._lock:
            send_last = self._send_last
        if send_last is None:
            self._say_and_exit(f"Ended by {self._name}.")
        sends = threading.Thread(target=send_last, args=(self.reason,), daemon=True)
        sends.start()
        # The writing thread ends the process before this.
        time.sleep(max(0.0, deadline - time.monotonic()))
        self._say_and_exit(
            f"Ended by {self._name} before all records could be written. The next sync continues "
            "from the last state above."
        )

    def _say_and_exit(self, sentence: str) -> NoReturn:
        if self._last_line is None:
            say(sentence)
            self._exit(None, None)
        self._exit(self._last_line(sentence), sentence)

    def _exit(self, line: str | None, sentence: str | None) -> NoReturn:
        """End the process without cutting a line; this one is the last.

        Args:
            sentence: for the people who see a display on standard error.
        """
        try:
            self._output.finish(line, time.monotonic() + LAST_SECONDS)
            if sentence is not None and self.leave_display is not None:
                self._tell(sentence)
        finally:
            os._exit(self._code or 0)

    def _tell(self, sentence: str) -> None:
        """Print a sentence below the display, once; skip a terminal that hangs."""
        if not self._telling.acquire(timeout=2 * DISPLAY_SECONDS):
            return
        is_left = self.leave_display is None or _is_done_in_time(self.leave_display)
        _is_done_in_time(lambda: say(sentence, below="" if is_left else "\n"))

    def _watch_output(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            self._output.flush_idle()
            if self._output.is_closed():
                self.end_for_output(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))


def say(sentence: str, *, below: str = "") -> None:
    """Print a line on standard error, bypassing all locks.

    Args:
        below: terminates the line before it.
    """
    try:
        os.write(2, f"{below}source-clockify: {sentence}\n".encode(errors="replace"))
    except OSError:
        # Standard error has no reader any more.
        return


def _is_done_in_time(action: Callable[[], None]) -> bool:
    """Run an action that may hang; return whether it finished within `DISPLAY_SECONDS`."""

    def act() -> None:
        # The terminal may have been closed.
        with suppress(OSError):
            action()

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(DISPLAY_SECONDS)
    return not thread.is_alive()


def _sentence_about(error: OSError) -> str:
    if error.errno in (errno.EPIPE, errno.ECONNRESET):
        return "The reader closed the output before the command had finished."
    path = _path_of_output()
    place = f"the output ({path})" if path else "the output"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"No space left on the device of {place}. Its last line may be cut off. Make room, "
            "then start again."
        )
    return f"Cannot write {place}: {error.strerror}."


def _path_of_output() -> str | None:
    """Return the path of the output file, if known."""
    try:
        path = os.readlink("/proc/self/fd/1") if sys.platform == "linux" else ""
    except OSError:
        return None
    return path if path.startswith("/") else None
