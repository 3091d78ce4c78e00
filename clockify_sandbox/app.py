"""The web application: Clockify's three hosts under path prefixes, and the admin API."""

import asyncio
import json
import traceback
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from clockify_sandbox import admin, auth
from clockify_sandbox.audit_log import in_own_shape
from clockify_sandbox.call import ApiError, Call, Foreign, Reply, error, reply_of
from clockify_sandbox.connections import close
from clockify_sandbox.endpoints import AUDIT, PREFIXES, Endpoint, find
from clockify_sandbox.fault_effects import alter, replaced
from clockify_sandbox.paging import asked_page
from clockify_sandbox.shuffled import shuffle_lists
from clockify_sandbox.state import State


def make_app(state: State) -> Starlette:
    """The ASGI application of a state."""
    hosts = [Mount(prefix, _Host(state, host)) for host, prefix in PREFIXES.items()]
    return Starlette(routes=[Mount("/_admin", routes=admin.routes(state)), *hosts])


class _Host:
    """One of Clockify's hosts as an ASGI application."""

    def __init__(self, state: State, host: str) -> None:
        self.state, self.host = state, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = await _call_of(self.state, self.host, request)
        actions = self.state.faults.striking(
            call.method, call.host, call.path, call.query, _page_of(call)
        )
        try:
            for action in actions:
                await _prepare(self.state, call, action)
            if any(action.get("drop") for action in actions):
                _log(self.state, call, 0, None)
                await close(scope, at_once=True)
                return
            reply = replaced(actions) or respond(call)
            if (seed := self.state.settings.shuffle_lists) is not None:
                shuffle_lists(reply, f"{seed} {len(self.state.requests)}")
            for action in actions:
                alter(reply, action)
        except Exception:
            traceback.print_exc()
            actions = []
            reply = Reply(500, b"A fault failed, see the sandbox's standard error")
        echoed = request.headers.get("x-request-id")
        if echoed is not None:
            reply.headers["x-request-id"] = echoed
        _log(self.state, call, reply.status, reply.rows)
        cut = next((action["cut"] for action in actions if "cut" in action), None)
        await _send(scope, send, reply, cut)


async def _call_of(state: State, host: str, request: Request) -> Call:
    path = request.scope["path"].removeprefix(PREFIXES[host])
    query = parse_qs(request.scope["query_string"].decode(), keep_blank_values=True)
    body = await request.body()
    return Call(state, request.method, host, path, query, body, request.headers)


def respond(call: Call) -> Reply:
    """Answer like Clockify: authenticate, find endpoint and workspace, check permissions, serve."""
    try:
        auth.authenticate(call)
        return _served(call)
    except ApiError as failure:
        return reply_of(failure)
    except Exception:
        traceback.print_exc()
        return reply_of(error(500, "The sandbox has a bug, see its standard error", None))


def _served(call: Call) -> Reply:
    try:
        endpoint, call.params = find(call.method, call.host, call.path)
        if "workspaceId" in call.params:
            auth.enter_workspace(call, call.params["workspaceId"])
            auth.check_limit(call)
            auth.check_scope(call, endpoint.access.scope)
            auth.check_rights(call, endpoint.access.feature, endpoint.access.admin)
        else:
            auth.check_scope(call, endpoint.access.scope)
        return endpoint.handler(call)
    except ApiError as failure:
        if isinstance(failure, Foreign) and call.state.settings.missing_entity == "404":
            failure.status = 404
        raise (in_own_shape(call, failure) if call.host == AUDIT else failure) from None


def _endpoint(call: Call) -> Endpoint | None:
    try:
        return find(call.method, call.host, call.path)[0]
    except ApiError:
        return None


def _page_of(call: Call) -> int | None:
    """The page number of a request; None if its endpoint has no pages."""
    if not call.state.faults.held:
        return None
    endpoint = _endpoint(call)
    if endpoint is None or endpoint.paging is None:
        return None
    try:
        return asked_page(call, endpoint.paging)
    except ApiError:
        return None


async def _prepare(state: State, call: Call, action: dict[str, Any]) -> None:
    if "delay" in action:
        await asyncio.sleep(float(action["delay"]))
    if "before" in action:
        change = action["before"]
        admin.change(state, change["method"], change["path"], change.get("body"))
    if "page_size" in action:
        call.page_size = int(action["page_size"])
    call.omitted |= set(action.get("omit") or ())


def _log(state: State, call: Call, status: int, rows: int | None) -> None:
    body: Any = None
    if call.raw_body:
        try:
            body = json.loads(call.raw_body)
        except ValueError:
            body = call.raw_body.decode(errors="replace")
    state.requests.append(
        {
            "method": call.method,
            "host": call.host,
            "path": call.path,
            "query": call.asked,
            "body": body,
            "status": status,
            "auth": auth.kind_of_auth(call),
            "rows": rows,
        }
    )


async def _send(scope: Scope, send: Send, reply: Reply, cut: float | None) -> None:
    names = {name.lower() for name in reply.headers}
    headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in reply.headers.items()]
    if "content-type" not in names and reply.body:
        headers.append((b"content-type", b"application/json"))
    if "content-length" not in names:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if cut is None:
        await send({"type": "http.response.body", "body": reply.body})
        return
    half = reply.body[: int(len(reply.body) * float(cut))]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await close(scope, at_once=False)
