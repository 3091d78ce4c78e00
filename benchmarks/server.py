"""A Clockify server that is not the bottleneck.

It serves prebuilt pages of time entries and projects, and passes all other requests to the sandbox,
which covers the rest of the API but builds each page on request.

python -m benchmarks.server --users 10 --entries 10000 --days 365
python -m benchmarks.server --projects 100000
"""

import argparse
import http.client
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.bare import ALL_USERS
from benchmarks.entries import Owner, Rows, Timeline, projects_like
from benchmarks.standin import COUNTERS
from clockify_sandbox.client import Sandbox
from clockify_sandbox.client import start as start_sandbox

_TIME_ENTRIES = re.compile(r"/api/v1/workspaces/(\w+)/user/(\w+)/time-entries")
_PROJECTS = re.compile(r"/api/v1/workspaces/\w+/projects")
_HANDED_ON = ("x-api-key", "content-type", "accept")
_HANDED_BACK = ("content-type", "last-page")


class Server(ThreadingHTTPServer):
    """Serves one workspace: the entries by user id, and the projects, unless there are none.

    All other requests are passed to the sandbox. The server counts the requests.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, sandbox: Sandbox, timelines: dict[str, Timeline], projects: Rows) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sandbox_address = str(urlsplit(sandbox.url).netloc)
        self.api_key, self.timelines = sandbox.api_key, timelines
        self.projects = projects
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
    # Otherwise the last packet of a body would wait for an acknowledgement.
    disable_nagle_algorithm = True
    # Send head and body together.
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        """Answer a prebuilt page or the counters; pass on everything else."""
        url = urlsplit(self.path)
        if url.path == COUNTERS:
            self._answer(200, {}, json.dumps({"requests": self.server.counted()}).encode())
            return
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        page = self._prebuilt(url.path, query)
        if page is None:
            self._hand_on()
            return
        self.server.count()
        if self.headers.get("X-Api-Key") != self.server.api_key:
            self._answer(401, {}, b'{"message": "Api key does not exist", "code": 4003}')
            return
        body, last = page
        self._answer(200, {"Last-Page": "true" if last else "false"}, body)

    def _prebuilt(self, path: str, query: dict[str, str]) -> tuple[bytes, bool] | None:
        """Return a page and whether it is the last; None for requests answered by the sandbox."""
        number, size = int(query.get("page", 1)), int(query.get("page-size", 50))
        found = _TIME_ENTRIES.fullmatch(path)
        if found is not None and found[2] in self.server.timelines:
            timeline = self.server.timelines[found[2]]
            return timeline.page(query.get("start"), query.get("end"), number, size)
        projects = self.server.projects
        if projects and _PROJECTS.fullmatch(path) and "hydrated" not in query:
            return projects.page(0, len(projects), number, size)
        return None

    def do_POST(self) -> None:
        """Pass on the request."""
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
        """Log nothing."""


def main() -> None:
    """Serve until standard input closes; print the address as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--entries", type=int, default=10_000, help="of each user")
    parser.add_argument("--days", type=int, default=365, help="over which they spread")
    parser.add_argument("--projects", type=int, default=0)
    arguments = parser.parse_args()
    with start_sandbox(
        users=arguments.users, entries=0, projects=20, tasks=0, plan="PRO", time_zone="UTC"
    ) as sandbox:
        users = _users(sandbox, arguments.users)
        timelines = _timelines(sandbox, users, arguments.entries, arguments.days)
        server = Server(sandbox, timelines, _projects(sandbox, arguments.projects))
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
    """Return the ids of the users visible to a reader, after adding those that are missing.

    Some of the sandbox's users are deleted and therefore in no list.
    """
    workspace_id = sandbox.workspaces[0]["id"]
    parameters = {**ALL_USERS, "page-size": "5000"}
    listed = sandbox.get(f"/workspaces/{workspace_id}/users", **parameters).json()
    added = [sandbox.create(workspace_id, "users") for _ in range(count - len(listed))]
    return [user["id"] for user in listed + added]


def _projects(sandbox: Sandbox, count: int) -> Rows:
    """Return the requested number of projects, in the shape of the sandbox's."""
    workspace_id = sandbox.workspaces[0]["id"]
    listed = sandbox.get(f"/workspaces/{workspace_id}/projects").json()
    return projects_like(listed, count, int(time.time()))


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
