"""A mock server that Prism makes from Clockify's OpenAPI document, and its verdicts on requests."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from clockify_sandbox.client import JSON

_PATIENCE = 120
# What Prism says of a request that the document does not admit.
REFUSED = (400, 401, 404, 405, 415, 422)


def command_of_prism() -> str | None:
    """The command of Prism: named by PRISM, or on the PATH."""
    return shutil.which(os.environ.get("PRISM") or "prism")


def openapi_document() -> Path | None:
    """Clockify's document: the file that CLOCKIFY_OPENAPI names."""
    named = os.environ.get("CLOCKIFY_OPENAPI")
    return Path(named) if named and Path(named).is_file() else None


def what_is_missing() -> str:
    """A sentence that says what is missing and how to get it; empty if nothing is."""
    lacking = []
    if command_of_prism() is None:
        lacking.append(
            "Prism (npm install @stoplight/prism-cli; then put it on the PATH, or name its command "
            "in PRISM)"
        )
    if openapi_document() is None:
        lacking.append(
            "Clockify's OpenAPI document (from https://docs.clockify.me; name the file in "
            "CLOCKIFY_OPENAPI)"
        )
    return f"{' and '.join(lacking)} is missing" if lacking else ""


@contextmanager
def mock_server(command: str, document: Path) -> Iterator[str]:
    """Run Prism and give its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [command, "mock", "--host", "127.0.0.1", "--port", str(port), str(document)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: deque[str] = deque(maxlen=50)
    reader = threading.Thread(target=said.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        _wait_until_it_listens(port, process, said)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        reader.join(30)
        process.stdout.close()


def _wait_until_it_listens(port: int, process: "subprocess.Popen[str]", said: "deque[str]") -> None:
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"Prism does not listen: {''.join(said)}") from None
            time.sleep(0.2)


def violations_of(session: requests.Session, url: str, request: JSON) -> list[str]:
    """What Prism finds in a request of the sandbox's log.

    What it says of its own answers does not count: some examples of the document contradict its
    types.
    """
    parameters = [(name, value) for name, values in request["query"].items() for value in values]
    response = session.request(
        request["method"],
        f"{url}/v1{request['path']}",
        params=parameters,
        json=request["body"],
        headers={"X-Api-Key": "key"},
        timeout=60,
    )
    told = json.loads(response.headers.get("sl-violations", "[]"))
    found = [_text(each) for each in told if each["location"][0] == "request"]
    if response.status_code in REFUSED and not found:
        problem = response.json()
        found = [f"request.{_text(each)}" for each in problem.get("validation", [])]
        found = found or [f"request: {response.status_code} {problem.get('title')}"]
    return found


def _text(violation: JSON) -> str:
    return f"{'.'.join(map(str, violation['location']))}: {violation['message']}"
