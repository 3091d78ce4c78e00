"""Command line: starts the server, prints its addresses as a line of JSON, runs until stopped.

python -m clockify_sandbox --port 0
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

import uvicorn

from clockify_sandbox.app import make_app
from clockify_sandbox.connections import Protocol
from clockify_sandbox.endpoints import API, AUDIT, PREFIXES, REPORTS
from clockify_sandbox.plans import PLANS
from clockify_sandbox.state import State
from clockify_sandbox.store import Options
from clockify_sandbox.timetext import parse_instant


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.plan.split(",")) - set(PLANS):
        parser.error(f"unknown plans: {', '.join(sorted(unknown))}")
    options = Options(
        users=chosen.users,
        entries=chosen.entries,
        projects=chosen.projects,
        tasks=chosen.tasks,
        plans=tuple(chosen.plan.split(",")),
        time_zone=chosen.time_zone,
        seed=chosen.seed,
        now=None if chosen.now is None else int(parse_instant(chosen.now)),
        days=chosen.days,
        limits=chosen.limits,
        scattered_ids=chosen.scattered_ids,
    )
    gc.disable()
    state = State(options, int(time.time()) if options.now is None else options.now)
    gc.freeze()
    gc.enable()
    asyncio.run(_serve(state, chosen.host, chosen.port, chosen.exit_with_stdin))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clockify_sandbox", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1")
    for name, number in (("users", 12), ("entries", 40), ("projects", 8), ("tasks", 3)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--plan", default="PRO", help=f"comma-separated, of {', '.join(PLANS)}")
    parser.add_argument("--time-zone", default="Europe/Belgrade", help="of the account")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--now", help="lets the clock stand still at this instant")
    parser.add_argument("--days", type=int, default=120, help="over how many days entries spread")
    parser.add_argument("--limits", action="store_true", help="enforce the request limits")
    parser.add_argument(
        "--scattered-ids", action="store_true", help="of entries, as several busy servers make them"
    )
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when stdin closes")
    return parser


async def _serve(state: State, host: str, port: int, exit_with_stdin: bool) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        make_app(state),
        http=Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = server.force_exit = True

    loop = asyncio.get_running_loop()
    if exit_with_stdin:
        threading.Thread(target=_wait_for_stdin, args=(loop, stop), daemon=True).start()
    running = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not server.started and not running.done():
        await asyncio.sleep(0.005)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
    host_part = f"[{host}]" if family == socket.AF_INET6 else host
    print(
        json.dumps(_greeting(state, f"http://{host_part}:{listener.getsockname()[1]}")), flush=True
    )
    await running


def _wait_for_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stop)


def _greeting(state: State, url: str) -> dict[str, object]:
    world = state.world
    return {
        "url": url,
        "api_url": url + PREFIXES[API],
        "reports_url": url + PREFIXES[REPORTS],
        "audit_log_url": url + PREFIXES[AUDIT],
        "admin_url": url + "/_admin",
        "api_key": world.key_names["owner"],
        "addon_token": next(iter(world.addons), None),
        "workspaces": [{"id": each.id, "plan": each.plan} for each in world.workspaces.values()],
    }


if __name__ == "__main__":
    main()
