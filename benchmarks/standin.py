"""Starts the benchmark server in a process of its own."""

import http.client
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

COUNTERS = "/_counters"
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Size:
    """The amount of data on a server.

    Attributes:
        users: the number of users.
        entries_per_user: the number of time entries of each.
        days: the period over which they are spread, back from now.
        projects: if set, this many projects are read instead of the time entries.
    """

    users: int = 10
    entries_per_user: int = 0
    days: int = 365
    projects: int = 0

    @property
    def stream(self) -> str:
        """The stream that is read."""
        return "projects" if self.projects else "time_entries"

    @property
    def records(self) -> int:
        """The number of records in the stream."""
        return self.projects or self.users * self.entries_per_user

    def __str__(self) -> str:
        if self.projects:
            return f"{self.projects:,} projects"
        return f"{self.records:,} entries of {self.users:,} users"


class Standin:
    """A running server, ended with the context."""

    def __init__(self, size: Size) -> None:
        command = [sys.executable, "-m", "benchmarks.server"]
        command += ["--users", str(size.users), "--entries", str(size.entries_per_user)]
        command += ["--days", str(size.days), "--projects", str(size.projects)]
        self._process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server did not start: {self._process.wait()}")
        greeting: dict[str, Any] = json.loads(line)
        self.size = size
        self.api_key: str = greeting["api_key"]
        self.api_url: str = greeting["server"]["api_url"]
        self.server: dict[str, str] = {"server_type": "custom", **greeting["server"]}
        self._address = str(urlsplit(greeting["url"]).netloc)

    def requests(self) -> int:
        """Return the number of requests since the last call."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.request("GET", COUNTERS)
            counted: int = json.loads(connection.getresponse().read())["requests"]
        finally:
            connection.close()
        return counted

    def __enter__(self) -> "Standin":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # It ends when its standard input closes.
        self._process.communicate()
