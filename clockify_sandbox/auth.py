"""Authentication: the API key or add-on token, its workspaces and its permissions there."""

from clockify_sandbox.call import PLAN_LIMIT, ApiError, Call, access_denied, error
from clockify_sandbox.data import EVERY_SCOPE
from clockify_sandbox.plans import features


def kind_of_auth(call: Call) -> str:
    key, token = "x-api-key" in call.headers, "x-addon-token" in call.headers
    return ("both" if token else "api_key") if key else ("addon_token" if token else "none")


def authenticate(call: Call) -> None:
    """Set the requesting user and an add-on's scopes; exactly one of two headers is required."""
    world, kind = call.state.world, kind_of_auth(call)
    if kind in ("both", "none"):
        raise error(401, "Multiple or none auth tokens present", 1000)
    if kind == "api_key":
        user_id = world.keys.get(call.headers["x-api-key"])
        if user_id is None:
            raise error(401, "Api key does not exist", 4003)
        call.user_id = user_id
        return
    addon = world.addons.get(call.headers["x-addon-token"])
    if addon is None:
        raise error(401, "Token is not valid", 4017)
    call.user_id, call.scopes, call.workspace_id = addon.user_id, addon.scopes, addon.workspace_id


def check_scope(call: Call, scope: str | None) -> None:
    """An add-on can only read within its scopes; scope None is closed to every add-on."""
    if call.scopes is None or (scope is not None and {scope, EVERY_SCOPE} & call.scopes):
        return
    raise error(401, f"Addon sandbox does not have permission {scope or 'ACCOUNT_READ'}", None)


def enter_workspace(call: Call, workspace_id: str) -> None:
    """Find the workspace of the path; 404 without a body if the user cannot see it."""
    workspace = call.state.world.workspaces.get(workspace_id)
    member = workspace.members.get(call.user_id) if workspace else None
    foreign_to_addon = call.workspace_id is not None and call.workspace_id != workspace_id
    if workspace is None or member is None or not member.is_active or foreign_to_addon:
        raise ApiError(404, None)
    call.workspace = workspace


def check_rights(call: Call, feature: str | None, admin: bool) -> None:
    """Refuse a feature that the plan lacks, and requests of members that require an admin."""
    if feature is not None and feature not in features(call.workspace.plan):
        raise _plan_refused(call, feature)
    if admin and not call.me.is_admin:
        raise access_denied()


def _plan_refused(call: Call, feature: str) -> ApiError:
    """The refusal of a feature that the plan lacks, in the form of the setting."""
    message = f"{feature} is not available on the {call.workspace.plan} plan"
    match call.state.settings.plan_refusal:
        case "401" | "402" as status:
            return error(int(status), message, None)
        case "empty_403":
            return ApiError(403, None)
        case "400_4033":
            return error(400, message, PLAN_LIMIT)
    return access_denied()


def check_limit(call: Call) -> None:
    settings, workspace = call.state.settings, call.workspace
    if not settings.limits:
        return
    now = call.state.clock.now()
    limits = call.state.limits
    if not limits.admit(
        workspace.id, workspace.plan, now, settings.per_hour_free, settings.per_second
    ):
        wait = settings.retry_after
        headers = {} if wait is None else {"Retry-After": str(wait)}
        if settings.limit_headers == "on":
            hourly = workspace.plan == "FREE"
            most = settings.per_hour_free if hourly else settings.per_second
            reset = str(limits.wait(workspace.id, workspace.plan, now))
            headers = {
                "X-RateLimit-Limit": str(most),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": reset,
                "Retry-After": reset,
                **headers,
            }
        raise ApiError(429, {"message": "Too many requests"}, headers)
