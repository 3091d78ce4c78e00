"""A Clockify server that is not the bottleneck.

It serves prebuilt pages of time entries by itself and hands every other request to the sandbox,
which knows the rest of the API but builds each page anew.

python -m benchmarks.server --users 10 --entries 10000 --days 365
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.bare import ALL_USERS
from benchmarks.entries import Owner, Timeline
from integration_tests.sandbox.client import Sandbox
from integration_tests.sandbox.client import start as start_sandbox

_ROOT = Path(__file__).resolve().parents[1]
_TIME_ENTRIES = re.compile(r"/api/v1/workspaces/(\w+)/user/(\w+)/time-entries")
_COUNTERS = "/_counters"
_HANDED_ON = ("x-api-key", "content-type", "accept")
_HANDED_BACK = ("content-type", "last-page")


class Server(ThreadingHTTPServer):
    """Serves the entries of one workspace, given by user id; the rest comes from the sandbox.

    It counts the requests.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, sandbox: Sandbox, timelines: dict[str, Timeline]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sandbox_address = str(urlsplit(sandbox.url).netloc)
        self.api_key, self.timelines = sandbox.api_key, timelines
        self._lock = threading.Lock()
        self._requests = 0

    def count(self) -> None:
        """Count a request."""
        with self._lock:
            self._requests += 1

    def counted(self) -> int:
        """Return the number of requests since the last call."""
        with self._lock:
            counted, self._requests = self._requests, 0
        return counted


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise the last packet of a body waits for an acknowledgement.
    disable_nagle_algorithm = True
    # Head and body leave together.
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        """Answer a page of time entries or the counters; hand on all else."""
        url = urlsplit(self.path)
        if url.path == _COUNTERS:
            self._answer(200, {}, json.dumps({"requests": self.server.counted()}).encode())
            return
        found = _TIME_ENTRIES.fullmatch(url.path)
        if found is None or found[2] not in self.server.timelines:
            self._hand_on()
            return
        self.server.count()
        if self.headers.get("X-Api-Key") != self.server.api_key:
            self._answer(401, {}, b'{"message": "Api key does not exist", "code": 4003}')
            return
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        body, last = self.server.timelines[found[2]].page(
            query.get("start"),
            query.get("end"),
            int(query.get("page", 1)),
            int(query.get("page-size", 50)),
        )
        self._answer(200, {"Last-Page": "true" if last else "false"}, body)

    def do_POST(self) -> None:
        """Hand on."""
        self._hand_on()

    def _hand_on(self) -> None:
        self.server.count()
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name: self.headers[name] for name in _HANDED_ON if name in self.headers}
        connection = http.client.HTTPConnection(self.server.sandbox_address, timeout=60)
        try:
            connection.request(self.command, self.path, self.rfile.read(length) or None, headers)
            response = connection.getresponse()
            back = {name: response.headers[name] for name in _HANDED_BACK if response.headers[name]}
            self._answer(response.status, back, response.read())
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of a request."""


@dataclass(frozen=True)
class Size:
    """What a server holds: so many users, each with so many entries, spread over so many days."""

    users: int
    entries_per_user: int
    days: int

    @property
    def entries(self) -> int:
        return self.users * self.entries_per_user

    def __str__(self) -> str:
        return f"{self.entries:,} entries of {self.users} users"


class Standin:
    """A server in a process of its own, which ends with the context."""

    def __init__(self, size: Size) -> None:
        command = [sys.executable, "-m", "benchmarks.server"]
        command += ["--users", str(size.users), "--entries", str(size.entries_per_user)]
        command += ["--days", str(size.days)]
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
        """Return how many requests came since the last call."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.request("GET", _COUNTERS)
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


def main() -> None:
    """Serve until the standard input closes; print where, in one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--entries", type=int, default=10_000, help="of each user")
    parser.add_argument("--days", type=int, default=365, help="over which they spread")
    arguments = parser.parse_args()
    with start_sandbox(
        users=arguments.users, entries=0, projects=1, tasks=0, plan="PRO", time_zone="UTC"
    ) as sandbox:
        users = _users(sandbox, arguments.users)
        server = Server(sandbox, _timelines(sandbox, users, arguments.entries, arguments.days))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        addresses = {
            "api_url": url + urlsplit(sandbox.api_url).path,
            "reports_url": url + urlsplit(sandbox.reports_url).path,
            "audit_log_url": url + urlsplit(sandbox.audit_log_url).path,
        }
        greeting = {"url": url, "api_key": sandbox.api_key, "server": addresses}
        print(json.dumps(greeting), flush=True)
        sys.stdin.read()
        server.shutdown()


def _users(sandbox: Sandbox, count: int) -> list[str]:
    """Return the ids of the users that a reader sees, after adding what lacks of the number.

    Some of the sandbox's users are deleted, and no list shows them.
    """
    workspace_id = sandbox.workspaces[0]["id"]
    parameters = {**ALL_USERS, "page-size": "5000"}
    listed = sandbox.get(f"/workspaces/{workspace_id}/users", **parameters).json()
    added = [sandbox.create(workspace_id, "users") for _ in range(count - len(listed))]
    return [user["id"] for user in listed + added]


def _timelines(sandbox: Sandbox, users: list[str], entries: int, days: int) -> dict[str, Timeline]:
    workspace_id = sandbox.workspaces[0]["id"]
    newest = int(time.time()) - 3600
    return {
        user_id: Timeline(
            Owner(workspace_id, user_id, number),
            count=entries,
            newest=newest,
            spacing=max(days * 86_400 // max(entries, 1), 1),
        )
        for number, user_id in enumerate(users)
    }


if __name__ == "__main__":
    main()
