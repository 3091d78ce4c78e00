"""Runs a command on a terminal, and tells what its screen shows.

The screen is a small one: text, line ends, cursor up, and lines that are erased. That is all that a
live table sends; another control sequence is an error.
"""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS, ROWS = 100, 30

_TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


@dataclass
class Screen:
    """The lines of a terminal, those that have left it at the top included."""

    columns: int = COLUMNS
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0

    def feed(self, text: str) -> None:
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise ValueError(f"not a control sequence of a live table: {text[place:][:20]!r}")
            place = match.end()
            arguments, command, carriage_return, line_feed, printed = match.groups()
            if command:
                self._control(arguments, command)
            elif carriage_return:
                self.column = 0
            elif line_feed:
                self._down()
            else:
                self._print(printed)

    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines]

    def _control(self, arguments: str, command: str) -> None:
        if command == "A":
            self.row = max(0, self.row - int(arguments or 1))
        elif (arguments, command) == ("2", "K"):
            self.lines[self.row] = ""
        elif command not in "mhl":
            # Colours, and whether the cursor is seen.
            raise ValueError(f"not a control sequence of a live table: {arguments}{command}")

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def _print(self, text: str) -> None:
        for character in text:
            if self.column == self.columns:
                self._down()
                self.column = 0
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1


@dataclass(frozen=True)
class Session:
    """A command that ran on a terminal.

    Attributes:
        code: its exit code.
        printed: what came, with the seconds after its beginning.
    """

    code: int
    printed: Sequence[tuple[float, str]]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.printed)

    def screen(self, until: float = float("inf")) -> list[str]:
        """The lines that were shown after so many seconds, at the end by default."""
        screen = Screen()
        screen.feed("".join(text for after, text in self.printed if after <= until))
        return screen.shown()


def run_on_terminal(  # noqa: PLR0913
    command: Sequence[str | Path],
    *,
    stdout: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    columns: int = COLUMNS,
    interrupted_at: str | None = None,
) -> Session:
    """Run a command whose standard error is a terminal; its standard output too, or a file.

    Args:
        interrupted_at: the command gets SIGINT once it has printed this.
    """
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    settings = {"TERM": "xterm", **os.environ, **(environment or {})}
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        if name not in (environment or {}):
            settings.pop(name, None)
    if settings["TERM"] == "dumb" and "TERM" not in (environment or {}):
        settings["TERM"] = "xterm"
    output = os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if stdout else inner
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=output, stderr=inner, env=settings, cwd=folder)
    os.close(inner)
    if output != inner:
        os.close(output)
    printed: list[tuple[float, bytes]] = []
    while chunk := _read(outer):
        printed.append((time.monotonic() - began, chunk))
        if interrupted_at and interrupted_at.encode() in b"".join(each for _, each in printed):
            process.send_signal(signal.SIGINT)
            interrupted_at = None
    os.close(outer)
    # A character may be cut at the end of a chunk; nothing that is printed here has such.
    decoded = [(after, chunk.decode(errors="replace")) for after, chunk in printed]
    return Session(process.wait(), decoded)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        # So Linux says that nobody holds the other end any more.
        return b""
