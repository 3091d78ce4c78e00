"""The admin API: inspects and changes the server, without authentication."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clockify_sandbox import changes, entity_changes, feed_flaws, history
from clockify_sandbox.changes import Unknown, workspace_of
from clockify_sandbox.faults import Faults
from clockify_sandbox.records import counts, records
from clockify_sandbox.state import Settings, State
from clockify_sandbox.store import Row
from clockify_sandbox.timetext import parse_instant, utc_text

METHODS = ["GET", "POST", "PATCH", "DELETE"]


def routes(state: State) -> list[Route]:
    """One route for everything: the same function also serves the `before` of faults."""

    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        path = request.scope["path"].removeprefix("/_admin")
        query = parse_qs(request.scope["query_string"].decode(), keep_blank_values=True)
        try:
            answer = _answer(state, request.method, path, orjson.loads(raw) if raw else None, query)
        except (Unknown, KeyError) as unknown:
            return _json({"error": str(unknown)}, 404)
        except (ValueError, TypeError) as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json(answer)

    handler: Callable[[Request], Awaitable[Response]] = endpoint
    return [Route("/{path:path}", handler, methods=METHODS)]


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def change(state: State, method: str, path: str, body: Any) -> Any:
    """Carry out an admin request from within the server."""
    return _answer(state, method, path.removeprefix("/_admin"), body, {})


def _answer(state: State, method: str, path: str, body: Any, query: dict[str, list[str]]) -> Any:
    match (method, *path.strip("/").split("/")):
        case ("GET", "info"):
            return info(state)
        case ("POST", "reset"):
            state.reset()
            return info(state)
        case ("GET" | "DELETE", "requests"):
            return _requests(state, method)
        case ("GET", "records", stream):
            return records(state, stream, query)
        case (_, "faults", *rest):
            return _faults(state, method, rest, body)
        case ("GET", "settings"):
            return asdict(state.settings)
        case ("PATCH", "settings"):
            return _change_settings(state, body or {})
        case ("POST", "clock"):
            return _set_clock(state, body or {})
        case (_, "workspaces", *rest):
            return _workspaces(state, method, rest, dict(body or {}))
        case _:
            raise Unknown(f"no admin endpoint {method} {path}")


def _requests(state: State, method: str) -> Any:
    if method == "GET":
        return list(state.requests)
    state.requests.clear()
    return {}


def info(state: State) -> Row:
    """The keys, tokens, workspaces, options and current time of the server."""
    world = state.world
    return {
        "keys": world.key_names,
        "users": {name: world.keys.get(key or "") for name, key in world.key_names.items()},
        "addon_tokens": [
            {
                "token": addon.token,
                "workspaceId": addon.workspace_id,
                "userId": addon.user_id,
                "scopes": sorted(addon.scopes),
            }
            for addon in world.addons.values()
        ],
        "workspaces": [{"id": each.id, "plan": each.plan} for each in world.workspaces.values()],
        "counts": counts(state),
        "options": asdict(state.options),
        "now": utc_text(int(state.clock.now())),
    }


def _faults(state: State, method: str, rest: list[str], body: Any) -> Any:
    match (method, *rest):
        case ("POST",):
            return {"id": state.faults.add(body).id}
        case ("GET",):
            return [fault.row() for fault in state.faults.held.values()]
        case ("DELETE",):
            state.faults = Faults()
        case ("DELETE", fault_id):
            del state.faults.held[fault_id]
        case _:
            raise Unknown(f"no admin endpoint {method} faults")
    return {}


def _change_settings(state: State, wanted: Row) -> Row:
    if unknown := wanted.keys() - {each.name for each in fields(Settings)}:
        raise ValueError(f"unknown settings: {sorted(unknown)}")
    allowed = {
        "oversize": ("error", "clamp"),
        "last_page": ("normal", "omit"),
        "report_end": ("inclusive", "exclusive"),
        "running_duration": ("null", "elapsed"),
        "batch_missing": ("error", "omit"),
        "users_info": ("on", "404", "405"),
        "account_statuses": ("csv", "single", "ignored", "refused"),
        "change_types": ("all", "official"),
        "feed_order": ("ascending", "descending", "shuffled"),
        "feed_refused": ("", "400", "401", "403", "404", "empty_403"),
        "feed_parts_id": ("entry", "timeEntryId", "entryId"),
        "audit_envelope": ("array", "response"),
        "plan_refusal": ("403", "401", "402", "empty_403", "400_4033"),
        "batch_route": ("on", "404", "405"),
        "invoicing_info": ("object", "list", "absent"),
        "hydrated": ("on", "without_tasks", "refused"),
        "deleted_user_profile": ("error", "answered"),
        "deleted_user_entries": ("error", "answered", "empty"),
        "audit_system": ("named", "always", "never"),
        "audit_without_authors": ("refused", "everybody"),
        "approvals_default": ("all", "pending"),
        "categories_default": ("active", "all"),
        "shared_reports_all_admin": ("accepted", "refused"),
        "summary_day": ("name", "id"),
        "missing_entity": ("400_501", "404"),
        "manager_reports": ("refused", "answered"),
        "hide_amount": ("accepted", "refused"),
        "report_year_one": ("accepted", "refused"),
        "report_since_2000": ("accepted", "refused"),
        "assignments_year_one": ("accepted", "refused"),
        "entry_window": ("account", "utc"),
        "entry_end": ("exclusive", "inclusive"),
        "empty_client": ("", None),
        "feature_names": ("on", "absent"),
        "limit_headers": ("off", "on"),
    }
    for name, values in allowed.items():
        if wanted.get(name, values[0]) not in values:
            raise ValueError(f"{name} must be one of {values}")
    feed_flaws.check(wanted)
    entity_changes.check_lies(wanted.get("feed_lies", []))
    if wanted.get("report_offset") is not None:
        ZoneInfo(wanted["report_offset"])
    if "time_zone" in wanted:
        ZoneInfo(wanted["time_zone"])
        for account in state.world.accounts.values():
            if account["settings"] is not None:
                account["settings"] = {**account["settings"], "timeZone": wanted["time_zone"]}
    for name, value in wanted.items():
        setattr(state.settings, name, value)
    state.reports.clear()
    return asdict(state.settings)


def _set_clock(state: State, wanted: Row) -> Row:
    if "now" in wanted:
        state.clock.stands_at = parse_instant(wanted["now"])
    if "advance" in wanted:
        state.clock.advance(float(wanted["advance"]))
    return {"now": utc_text(int(state.clock.now()))}


def _workspaces(state: State, method: str, rest: list[str], body: Row) -> Any:
    world, now = state.world, int(state.clock.now())
    state.reports.clear()
    match (method, *rest):
        case ("POST",):
            return changes.create_workspace(world, body)
        case ("PATCH", workspace_id):
            return changes.patch_workspace(world, workspace_id, body)
        case ("DELETE", workspace_id):
            changes.delete_workspace(world, workspace_id)
        case ("POST", workspace_id, "restore"):
            return changes.restore_workspace(world, workspace_id)
        case ("POST", workspace_id, collection):
            workspace = workspace_of(world, workspace_id)
            return history.create(world, workspace, collection, body, now)
        case ("PATCH", workspace_id, collection, entity_id):
            workspace = workspace_of(world, workspace_id)
            return history.patch(workspace, collection, entity_id, body, now)
        case ("DELETE", workspace_id, collection, entity_id):
            workspace = workspace_of(world, workspace_id)
            history.delete(world, workspace, collection, entity_id, now)
        case ("POST", workspace_id, collection, entity_id, "restore"):
            workspace = workspace_of(world, workspace_id)
            return history.restore(workspace, collection, entity_id, now)
        case _:
            raise Unknown(f"no admin endpoint {method} workspaces")
    return {}
