"""Read-only requests, their number, and their answers."""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from airbyte_cdk.sources.types import Config

from source_clockify.authenticator import ClockifyAuthenticator
from source_clockify.bodies import (
    BrokenBody,
    body_problem,
    decode,
    decoded_body,
    error_text,
    is_error,
)

_ID = "[0-9a-f]{24}"
# All methods and paths that may be sent. The POSTs search, count and report; none of them writes.
READS: tuple[tuple[str, str], ...] = (
    ("GET", "/user"),
    ("GET", "/workspaces"),
    ("GET", f"/workspaces/{_ID}"),
    (
        "GET",
        f"/workspaces/{_ID}/(?:users|user-groups|clients|projects|tags|custom-fields|expenses"
        "|expenses/categories|invoices|time-off/policies|approval-requests|webhooks"
        "|shared-reports|time-entries/status/in-progress|scheduling/assignments/all"
        "|entities/created|entities/updated|entities/deleted)",
    ),
    ("GET", f"/workspaces/{_ID}/(?:projects|member-profile)/{_ID}"),
    ("GET", f"/workspaces/{_ID}/projects/{_ID}/tasks"),
    ("GET", f"/workspaces/{_ID}/user/{_ID}/time-entries"),
    ("POST", f"/workspaces/{_ID}/users/info"),
    ("POST", f"/workspaces/{_ID}/time-entries/batch"),
    ("POST", f"/workspaces/{_ID}/time-off/requests"),
    ("POST", f"/workspaces/{_ID}/scheduling/assignments/projects/totals"),
    ("POST", f"/workspaces/{_ID}/reports/(?:detailed|summary|attendance)"),
    ("POST", f"/workspaces/{_ID}/audit-log"),
)
_READS = tuple((method, re.compile(path)) for method, path in READS)
_REPORT = re.compile("/reports/[a-z]+$")
_IDS = re.compile(_ID)

# A host that failed this often in a row is not asked any more.
_MOST_FAILURES = 3
_LIMIT_WAITS_SECONDS = (1.0, 2.0)

Params = Mapping[str, Any] | Sequence[tuple[str, str]]


class WritingRequest(ValueError):
    """A request that is not on the list of reads: a programming error, never sent."""


class NotAsked(Exception):
    """The request was not sent; the text says why."""


class NoAnswer(Exception):
    """There was no answer from Clockify; the text describes what was received instead."""


@dataclass(frozen=True)
class Answer:
    """An answer from Clockify.

    Attributes:
        method, path: of the request; the path begins at the base URL.
        what: words that distinguish the request from others with its path.
        status: of the answer.
        headers: all of them.
        body: decoded JSON; None for an empty body.
    """

    method: str
    path: str
    what: str
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def ok(self) -> bool:
        return self.status == 200 and not (is_error(self.body) and "code" in self.body)

    @property
    def code(self) -> int | None:
        code = self.body.get("code") if isinstance(self.body, dict) else None
        if not isinstance(code, int) or isinstance(code, bool):
            return None
        # Clockify's codes have up to four digits; a longer number may be any kind of data.
        return code if 0 <= code < 100_000 else None

    @property
    def message(self) -> str:
        return error_text(self.body)

    @property
    def is_clockify_error(self) -> bool:
        return is_error(self.body)

    @property
    def is_refusal(self) -> bool:
        """Whether the connector would attribute it to a missing plan or permission."""
        return self.status in (401, 402, 403) or self.code == 4033

    @property
    def label(self) -> str:
        """The request without ids."""
        path = _IDS.sub("*", self.path.removeprefix("/workspaces/"))
        return f"{self.method} {path.removeprefix('*/')}" + (f" ({self.what})" if self.what else "")

    def rows(self, *path: str) -> list[dict[str, Any]]:
        """Return the rows of a listing; rows that are not objects are dropped."""
        body = self.body
        for name in path:
            body = body.get(name) if isinstance(body, dict) else None
        return [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []


@dataclass(frozen=True)
class Request:
    """A request to send.

    Attributes:
        method, path: the path begins at the base URL.
        host: the name of the base URL in the configuration.
        params: the query parameters.
        body: sent as JSON.
        what: words that distinguish the request from others with its path.
    """

    method: str
    path: str
    host: str = "api"
    params: Params | None = None
    body: Any = None
    what: str = ""

    def answered(self, response: requests.Response, body: Any) -> Answer:
        """Return the answer to this request, with a decoded body."""
        return Answer(
            self.method, self.path, self.what, response.status_code, response.headers, body
        )


@dataclass
class Client:
    """Sends reads to the configured hosts, with the key, without following redirects.

    Attributes:
        config: with `hosts`.
        budget: the maximum number of requests.
        timeout: in seconds.
        progress: called before each request, with its number.
    """

    config: Config
    budget: int
    timeout: float = 60.0
    progress: Callable[[int], None] = lambda number: None
    sent: int = 0
    asked: list[Answer] = field(default_factory=list)
    limited: Answer | None = None
    _failures: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.auth = ClockifyAuthenticator(config=self.config, parameters={})

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        what: str = "",
        host: str = "api",
        retry_limited: bool = True,
    ) -> Answer:
        request = Request("GET", path, params=params, what=what, host=host)
        return self.send(request, retry_limited=retry_limited)

    def post(self, path: str, body: Any, *, what: str = "", host: str = "api") -> Answer:
        return self.send(Request("POST", path, body=body, what=what, host=host))

    def send(self, request: Request, *, retry_limited: bool = True) -> Answer:
        """Send one request.

        Raises:
            WritingRequest: for a request that is not on the list of reads.
            NotAsked: if the budget is used up or the host is not configured.
            NoAnswer: if there is no answer from Clockify.
        """
        host = request.host
        if not is_read(request.method, request.path):
            raise WritingRequest(f"{request.method} {request.path} is not on the list of reads")
        base = str((self.config.get("hosts") or {}).get(host) or "")
        if not base.startswith(("https://", "http://")):
            raise NotAsked(f"no URL of the {_HOST_NAMES[host]} host is configured")
        if self._failures.get(host, 0) >= _MOST_FAILURES:
            raise NoAnswer(f"the {_HOST_NAMES[host]} host did not answer before")
        waits = list(_LIMIT_WAITS_SECONDS) if retry_limited else []
        while True:
            answer = self._send_once(request, base)
            if answer.status != 429:
                return answer
            self.limited = self.limited or answer
            if not retry_limited:
                return answer
            if not waits or self.config.get("plan") == "free":
                self.budget = self.sent
                raise NotAsked("the request limit of the workspace is reached (HTTP 429)")
            time.sleep(waits.pop(0))

    def _send_once(self, request: Request, base: str) -> Answer:
        if self.sent >= self.budget:
            raise NotAsked("budget")
        self.sent += 1
        self.progress(self.sent)
        host = request.host
        try:
            response = self._session.request(
                request.method,
                base + request.path,
                params=request.params,
                json=request.body,
                timeout=(min(self.timeout, 30.0), self.timeout),
                allow_redirects=False,
            )
        except BrokenBody as broken:
            raise self._no_answer(host, _describe(broken.response)) from broken
        except requests.Timeout as error:
            raise self._no_answer(host, "no answer in time") from error
        except requests.RequestException as error:
            raise self._no_answer(host, "the connection failed") from error
        except ValueError as error:
            raise self._no_answer(host, "its URL is not valid") from error
        if response.status_code == 429:
            return request.answered(response, _lenient(response.content))
        problem = body_problem(response) if response.content.strip() else ""
        if response.status_code >= 500 or problem:
            raise self._no_answer(host, _describe(response))
        found = decoded_body(response) if response.content.strip() else None
        if response.status_code >= 400 and found is not None and not is_error(found):
            raise self._no_answer(host, f"HTTP {response.status_code}, but not Clockify's JSON")
        self._failures[host] = 0
        answer = request.answered(response, found)
        self.asked.append(answer)
        return answer

    def _no_answer(self, host: str, reason: str) -> NoAnswer:
        self._failures[host] = self._failures.get(host, 0) + 1
        return NoAnswer(reason)

    def flood(self, path: str, most: int, threads: int) -> tuple[int, Answer | None]:
        """Repeat one read until the server limits it, outside of the budget.

        Returns the number of requests and the first answer with status 429.
        """
        if not is_read("GET", path):
            raise WritingRequest(f"GET {path} is not on the list of reads")
        lock = threading.Lock()
        found: list[Answer] = []
        sent = 0
        url = self.config["hosts"]["api"] + path

        def work() -> None:
            nonlocal sent
            with requests.Session() as session:
                session.auth = ClockifyAuthenticator(config=self.config, parameters={})
                while True:
                    with lock:
                        if found or sent >= most:
                            return
                        sent += 1
                    try:
                        response = session.get(url, timeout=self.timeout, allow_redirects=False)
                    except requests.RequestException:
                        continue
                    if response.status_code == 429:
                        body = _lenient(response.content)
                        answer = Answer("GET", path, "limit", 429, response.headers, body)
                        with lock:
                            found.append(answer)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sent, found[0] if found else None

    def elsewhere(self, base: str) -> Answer:
        """Send the key to a host named by the user, for `GET /user`.

        Raises:
            NoAnswer: if there is no answer from Clockify.
        """
        other = {**self.config, "hosts": {**self.config["hosts"], "other": base.rstrip("/")}}
        if self.sent >= self.budget:
            raise NotAsked("budget")
        client = Client(other, budget=1, timeout=self.timeout)
        self.sent += 1
        self.progress(self.sent)
        answer = client.send(Request("GET", "/user", host="other", what="other host"))
        self.asked.append(answer)
        return answer


_HOST_NAMES = {"api": "API", "reports": "reports", "audit_log": "audit log", "other": "other"}


def is_read(method: str, path: str) -> bool:
    """Return whether a request is on the list of reads."""
    return any(method == each and pattern.fullmatch(path) for each, pattern in _READS)


def _describe(response: requests.Response) -> str:
    status = response.status_code
    if 300 <= status < 400:
        return f"HTTP {status}, a redirect to {_redirect_kind(response)}"
    if response.content[:200].lstrip()[:1] == b"<":
        return f"HTTP {status}, a web page"
    if status == 200:
        return "HTTP 200 without usable JSON"
    return f"HTTP {status}"


def _redirect_kind(response: requests.Response) -> str:
    target = urlsplit(response.headers.get("x-redirect-not-followed", ""))
    host = target.hostname or ""
    return "another host of Clockify's" if host.endswith(".clockify.me") else "another address"


def _lenient(content: bytes) -> Any:
    try:
        return decode(content)
    except ValueError:
        return None
