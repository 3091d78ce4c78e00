"""The effects of faults on an answer: replacing or altering it."""

import json
import zlib
from typing import Any

import orjson

from clockify_sandbox.call import Reply

HTML = b"<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>"
_ROWS = (
    "timeentries",
    "groupOne",
    "entities",
    "expenses",
    "categories",
    "invoices",
    "requests",
    "balances",
    "reports",
    "webhooks",
    "response",
)
_MEGABYTE = 1_000_000


def replaced(actions: list[dict[str, Any]]) -> Reply | None:
    """The answer of a fault that replaces the server's."""
    for action in actions:
        headers = dict(action.get("headers") or {})
        if "redirect" in action:
            location = {"Location": str(action["redirect"])}
            return Reply(int(action.get("status", 302)), b"", location)
        if action.get("html"):
            return Reply(int(action.get("status", 200)), HTML, {"Content-Type": "text/html"})
        if "raw" in action:
            encoding = action.get("encoding", "utf-8")
            return Reply(int(action.get("status", 200)), action["raw"].encode(encoding), headers)
        if "gzip_bomb" in action:
            packed = _pack_spaces(int(action["gzip_bomb"]))
            return Reply(200, packed, {"Content-Encoding": "gzip"})
        if "status" in action:
            body = action.get("body")
            text = body if isinstance(body, str) else json.dumps(body)
            return Reply(int(action["status"]), b"" if body is None else text.encode(), headers)
        if action.get("empty"):
            return Reply(200, b"")
    return None


def _pack_spaces(megabytes: int) -> bytes:
    """An empty JSON list after this many megabytes of spaces, gzipped."""
    packer = zlib.compressobj(wbits=31)
    spaces = b" " * _MEGABYTE
    parts = [packer.compress(spaces) for _ in range(megabytes)]
    return b"".join((*parts, packer.compress(b"[]"), packer.flush()))


def alter(reply: Reply, action: dict[str, Any]) -> None:
    """Alter the real answer: its rows, text, length, or last-page header."""
    if "rows" in action and reply.status == 200:
        reply.body = orjson.dumps(_with_rows(orjson.loads(reply.body), action["rows"]))
        reply.rows = len(action["rows"])
    if "replace" in action:
        old, new = action["replace"]
        reply.body = reply.body.replace(old.encode(), new.encode())
    if action.get("prefix_bom"):
        reply.body = b"\xef\xbb\xbf" + reply.body
    if "truncate" in action:
        reply.body = reply.body[: int(len(reply.body) * float(action["truncate"]))]
    if "last_page" in action:
        said = reply.headers.pop("Last-Page", None)
        wanted = action["last_page"]
        if wanted == "invert" and said is not None:
            reply.headers["Last-Page"] = "false" if said == "true" else "true"
        elif isinstance(wanted, bool):
            reply.headers["Last-Page"] = "true" if wanted else "false"


def _with_rows(answer: Any, rows: list[Any]) -> Any:
    """A bare list or an envelope with its rows replaced; ValueError if it has none."""
    if isinstance(answer, list):
        return rows
    for name in _ROWS:
        if isinstance(answer.get(name), list):
            return {**answer, name: rows}
        if isinstance(answer.get(name), dict):
            return {**answer, name: _with_rows(answer[name], rows)}
    raise ValueError("the answer holds no list of rows")
