"""Lets the application close the connection of a request, which ASGI does not support."""

import asyncio

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_open: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """Uvicorn's HTTP/1.1 with a register of open connections by client address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._key = tuple(transport.get_extra_info("peername")[:2])
        _open[self._key] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _open.pop(self._key, None)
        super().connection_lost(exc)


async def close(scope: Scope, at_once: bool) -> None:
    """Close a request's connection, and wait until the server has noticed.

    `at_once` discards unsent data; otherwise it is sent first.
    """
    key = tuple(scope["client"])
    transport = _open.get(key)
    if transport is None:
        return
    if at_once:
        transport.abort()
    else:
        transport.close()
    for _ in range(1000):
        if key not in _open:
            return
        await asyncio.sleep(0 if at_once else 0.001)
