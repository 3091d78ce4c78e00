"""Starts the sandbox in a process of its own and drives its admin API; for tests and the demo.

with start(users=3, plan="PRO,FREE") as sandbox:
    sandbox.update(sandbox.workspaces[0]["id"], "tags", tag_id, {"name": "new"})
"""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

_ROOT = Path(__file__).resolve().parents[1]
JSON = dict[str, Any]


def start(*, python: str = sys.executable, port: int = 0, **options: Any) -> "Sandbox":
    """Start a server and wait until it is ready.

    Options are those of the command line with underscores: users, entries, projects, tasks, plan
    ("PRO,FREE"), time_zone, seed, now, days, limits, scattered_ids, host. `python` is the
    interpreter to use.
    RuntimeError if the server does not start.
    """
    command = [python, "-m", "clockify_sandbox", "--port", str(port), "--exit-with-stdin"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            command.append(flag)
        elif value is not None and value is not False:
            command += [flag, str(value)]
    process = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the sandbox did not start: {' '.join(command)} -> {process.wait()}")
    return Sandbox(json.loads(line), process)


class Sandbox:
    """A running server. `close` does not stop a server that was started elsewhere."""

    def __init__(self, greeting: JSON, process: "subprocess.Popen[str] | None" = None) -> None:
        self.greeting, self.process = greeting, process
        self.url: str = greeting["url"]
        self.api_url: str = greeting["api_url"]
        self.reports_url: str = greeting["reports_url"]
        self.audit_log_url: str = greeting["audit_log_url"]
        self.admin_url: str = greeting["admin_url"]
        self.api_key: str = greeting["api_key"]
        self.addon_token: str = greeting["addon_token"]
        self.workspaces: list[dict[str, str]] = greeting["workspaces"]
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and wait until it has ended."""
        self._session.close()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout) if self.process else ():
            if stream is not None:
                stream.close()

    # Clockify's side

    def get(self, path: str, *, key: Any = None, **params: Any) -> requests.Response:
        """GET a path of the API host as the owner, or with another key."""
        return self.request("GET", self.api_url + path, key=key, params=params)

    def report(self, path: str, body: JSON, *, key: str | None = None) -> requests.Response:
        """POST to a path of the reports host."""
        return self.request("POST", self.reports_url + path, key=key, json=body)

    def request(
        self, method: str, url: str, *, key: str | None = None, **how: Any
    ) -> requests.Response:
        """Send any request with an API key (by default the owner's); follow no redirects."""
        headers = {"X-Api-Key": key or self.api_key, **how.pop("headers", {})}
        how.setdefault("allow_redirects", False)
        return self._session.request(method, url, headers=headers, timeout=60, **how)

    # The admin API

    def info(self) -> JSON:
        """Keys, add-on tokens, workspaces, options and current time."""
        found: JSON = self.admin("GET", "info")
        return found

    def reset(self) -> JSON:
        """Restore the initial data, settings and clock; remove faults and the log."""
        found: JSON = self.admin("POST", "reset")
        return found

    def requests(self) -> list[JSON]:
        """The requests served since the log was last cleared, oldest first."""
        found: list[JSON] = self.admin("GET", "requests")
        return found

    def clear_requests(self) -> None:
        self.admin("DELETE", "requests")

    def records(self, stream: str, **query: Any) -> list[JSON]:
        """The records of a complete read of a stream: [{"path": ids, "row": wire row}]."""
        found: list[JSON] = self.admin("GET", f"records/{stream}", params=query)
        return found

    def rows(self, stream: str, **query: Any) -> list[JSON]:
        """Only the rows of `records`."""
        return [record["row"] for record in self.records(stream, **query)]

    def create(self, workspace: str, collection: str, fields: JSON | None = None) -> JSON:
        """Add an entity; return its wire row."""
        made: JSON = self.admin("POST", f"workspaces/{workspace}/{collection}", fields or {})
        return made

    def update(self, workspace: str, collection: str, entity: str, fields: JSON) -> JSON:
        """Deep-merge fields into an entity; return its wire row."""
        path = f"workspaces/{workspace}/{collection}/{entity}"
        changed: JSON = self.admin("PATCH", path, fields)
        return changed

    def delete(self, workspace: str, collection: str, entity: str) -> None:
        """Move an entity to the trash."""
        self.admin("DELETE", f"workspaces/{workspace}/{collection}/{entity}")

    def restore(self, workspace: str, collection: str, entity: str) -> JSON:
        """Restore an entity from the trash."""
        path = f"workspaces/{workspace}/{collection}/{entity}/restore"
        back: JSON = self.admin("POST", path)
        return back

    def create_workspace(self, **fields: Any) -> JSON:
        """Add a workspace: plan, users, entries, projects, tasks, and wire fields."""
        made: JSON = self.admin("POST", "workspaces", fields)
        return made

    def update_workspace(self, workspace: str, **fields: Any) -> JSON:
        """Change a workspace's plan or wire fields."""
        changed: JSON = self.admin("PATCH", f"workspaces/{workspace}", fields)
        return changed

    def delete_workspace(self, workspace: str) -> None:
        self.admin("DELETE", f"workspaces/{workspace}")

    def restore_workspace(self, workspace: str) -> JSON:
        back: JSON = self.admin("POST", f"workspaces/{workspace}/restore")
        return back

    def fault(
        self,
        action: JSON,
        *,
        skip: int = 0,
        times: int | None = None,
        **match: Any,
    ) -> str:
        """Inject a fault; `match`: method, host, path, query, page. Return its id."""
        body = {"match": match, "skip": skip, "times": times, "action": action}
        return str(self.admin("POST", "faults", body)["id"])

    def faults(self) -> list[JSON]:
        """The faults with their hit counts."""
        found: list[JSON] = self.admin("GET", "faults")
        return found

    def clear_faults(self, fault: str | None = None) -> None:
        """Remove one fault, or all."""
        self.admin("DELETE", "faults" if fault is None else f"faults/{fault}")

    def settings(self, **changes: Any) -> JSON:
        """Change the given settings; return all of them."""
        method = "PATCH" if changes else "GET"
        found: JSON = self.admin(method, "settings", changes or None)
        return found

    def set_now(self, now: str) -> str:
        """Stop the clock at an instant; return the current time."""
        return str(self.admin("POST", "clock", {"now": now})["now"])

    def advance(self, seconds: float) -> str:
        """Advance the clock; return the current time."""
        return str(self.admin("POST", "clock", {"advance": seconds})["now"])

    def admin(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """Send an admin request; RuntimeError with the server's message if it fails."""
        response = self._session.request(
            method, f"{self.admin_url}/{path}", json=body, timeout=120, **how
        )
        if not response.ok:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json()
