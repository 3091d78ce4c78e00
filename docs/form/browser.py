"""Chromium without a window, spoken to over a pipe: it needs no package and opens no port."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH = 1512
_SECONDS = 60
# The browser reads commands from descriptor 3 and writes its answers to 4.
_START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str | None:
    """Return the path of Chromium or Chrome; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One open page.

    Attributes:
        problems: errors and warnings of its console, exceptions and failed loads, as sentences.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.problems: list[str] = []

    def open(self, page: Path) -> None:
        """Load a page from a file, and wait until it is drawn."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        wanted = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", **wanted)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def end(self) -> None:
        """Ask the browser to end."""
        self._session = None
        self.call("Browser.close")

    def screenshot(self) -> str:
        """Return the whole page as PNG, in base64."""
        height = self.evaluate("document.documentElement.scrollHeight")
        metrics = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        data: str = self.call("Page.captureScreenshot", format="png")["data"]
        return data

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command of the browser's DevTools protocol; return its result."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise RuntimeError("The browser has ended.")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method"), message.get("params") or {})
        return message

    def _note(self, method: str | None, told: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.problems.append(details.get("exception", details).get("description", str(details)))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.problems.append(str([each.get("value") for each in told["args"]]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.problems.append(told["entry"]["text"])


@contextmanager
def open_page(browser: str, html: str) -> Iterator[Tab]:
    """Open a page in a browser of its own, which ends with the context."""
    commands_read, commands_write = os.pipe()
    answers_read, answers_write = os.pipe()
    # Out of the way of the numbers that the browser wants.
    own = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (commands_read, answers_write)]
    os.close(commands_read)
    os.close(answers_write)
    with TemporaryDirectory() as folder:
        page = Path(folder, "form.html")
        page.write_text(html)
        arguments = [
            "--headless",
            "--disable-gpu",
            "--disable-lcd-text",
            "--no-first-run",
            # The page is our own, and root, as in containers, has no sandbox.
            "--no-sandbox",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}/profile",
            f"--window-size={WIDTH},100",
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, own), browser, *arguments],
            pass_fds=own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for each in own:
            os.close(each)
        tab = Tab(commands_write, answers_read)
        try:
            tab.open(page)
            yield tab
            tab.end()
        finally:
            os.close(commands_write)
            os.close(answers_read)
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
