"""The minimum of a reader: requests and orjson, one page after the other.

python -m benchmarks.bare API_URL API_KEY STREAM WAY

Writes the same records as the connector, but without error handling, state or retries.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import orjson
import requests

_PAGE_SIZE = 5000
# All users, in the connector's form of the request.
ALL_USERS = {
    "status": "ALL",
    "account-statuses": "ACTIVE,PENDING_EMAIL_VERIFICATION,NOT_REGISTERED,LIMITED",
    "memberships": "WORKSPACE",
}
Row = dict[str, Any]


def rows_of_page(body: bytes) -> Iterable[Row]:
    """Decode a page at once."""
    rows: list[Row] = orjson.loads(body)
    return rows


def rows_one_by_one(body: bytes) -> Iterator[Row]:
    """Split a page into rows, and decode each one on demand."""
    for row in msgspec.json.decode(body, type=list[msgspec.Raw]):
        yield orjson.loads(memoryview(row))


# The ways to turn a page into rows.
WAYS: dict[str, Callable[[bytes], Iterable[Row]]] = {
    "page": rows_of_page,
    "row": rows_one_by_one,
}


def main(api_url: str, api_key: str, stream: str, way: str) -> None:
    """Write a record for every row of the stream in every workspace."""
    session = requests.Session()
    session.trust_env = False
    session.headers["X-Api-Key"] = api_key
    decode = WAYS[way]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for url in _urls(session, api_url, stream):
        for row in _listing(session, url, decode):
            if stream == "time_entries":
                # The connector lifts the start to the top level.
                row["start"] = row["timeInterval"]["start"]
                row["cursor"] = min(row["start"], now)
            # The connector drops null fields at the top level.
            data = {name: value for name, value in row.items() if value is not None}
            sys.stdout.buffer.write(_message(stream, data))


def _urls(session: requests.Session, api_url: str, stream: str) -> Iterator[str]:
    for workspace in _listing(session, f"{api_url}/workspaces", rows_of_page):
        base = f"{api_url}/workspaces/{workspace['id']}"
        if stream == "projects":
            yield f"{base}/projects"
        else:
            for user in _listing(session, f"{base}/users", rows_of_page, ALL_USERS):
                yield f"{base}/user/{user['id']}/time-entries"


def _message(stream: str, data: Row) -> bytes:
    emitted_at = time.time_ns() // 1_000_000
    record = {"stream": stream, "data": data, "emitted_at": emitted_at}
    return orjson.dumps({"type": "RECORD", "record": record}, option=orjson.OPT_APPEND_NEWLINE)


def _listing(
    session: requests.Session,
    url: str,
    decode: Callable[[bytes], Iterable[Row]],
    parameters: Mapping[str, str] | None = None,
) -> Iterator[Row]:
    page, last = 1, False
    while not last:
        paging = {"page": str(page), "page-size": str(_PAGE_SIZE)}
        response = session.get(url, params={**(parameters or {}), **paging}, timeout=60)
        response.raise_for_status()
        yield from decode(response.content)
        last = response.headers.get("Last-Page", "true") == "true"
        page += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
