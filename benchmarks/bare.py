"""The least that a reader of time entries can do: requests, orjson, one page after the other.

python -m benchmarks.bare API_URL API_KEY

Writes the same records as the connector, without any of its care: no errors, no state, no retries.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import requests

_PAGE_SIZE = 5000
# All users, as the connector asks for them.
ALL_USERS = {
    "status": "ALL",
    "account-statuses": "ACTIVE,PENDING_EMAIL_VERIFICATION,NOT_REGISTERED,LIMITED",
    "memberships": "WORKSPACE",
}


def main(api_url: str, api_key: str) -> None:
    """Write a record of every time entry of every user of every workspace."""
    session = requests.Session()
    session.trust_env = False
    session.headers["X-Api-Key"] = api_key
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for workspace in _listing(session, f"{api_url}/workspaces"):
        base = f"{api_url}/workspaces/{workspace['id']}"
        for user in _listing(session, f"{base}/users", ALL_USERS):
            for entry in _listing(session, f"{base}/user/{user['id']}/time-entries"):
                # The connector lifts the start, and drops null fields at top level.
                entry["start"] = entry["timeInterval"]["start"]
                entry["cursor"] = min(entry["start"], now)
                data = {name: value for name, value in entry.items() if value is not None}
                sys.stdout.buffer.write(_message(data))


def _message(data: dict[str, Any]) -> bytes:
    emitted_at = time.time_ns() // 1_000_000
    record = {"stream": "time_entries", "data": data, "emitted_at": emitted_at}
    return orjson.dumps({"type": "RECORD", "record": record}, option=orjson.OPT_APPEND_NEWLINE)


def _listing(
    session: requests.Session, url: str, parameters: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    page, last = 1, False
    while not last:
        paging = {"page": str(page), "page-size": str(_PAGE_SIZE)}
        response = session.get(url, params={**(parameters or {}), **paging}, timeout=60)
        response.raise_for_status()
        yield from orjson.loads(response.content)
        last = response.headers.get("Last-Page", "true") == "true"
        page += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
