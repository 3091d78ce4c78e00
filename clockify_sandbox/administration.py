"""Shared reports, webhooks and their delivery log."""

from collections.abc import Sequence

from clockify_sandbox.call import (
    Call,
    Reply,
    access_denied,
    encode,
    error,
    foreign,
    mismatch,
)
from clockify_sandbox.listing import Keep, Listing, present
from clockify_sandbox.paging import QUERY_CAMEL, QUERY_SIZE, Paging, page_of
from clockify_sandbox.resources import as_stored, collection_items, single
from clockify_sandbox.state import Settings
from clockify_sandbox.store import Row
from clockify_sandbox.time_off import parsed

SHARED_REPORT_PAGING = Paging(QUERY_CAMEL, maximum=1000)
LOG_PAGING = Paging(QUERY_SIZE, maximum=1000)
_SHARED_FILTERS = ("ALL", "ALL_ADMIN", "CREATED_BY_ME", "SHARED_WITH_ME")


def _shared_reports(call: Call) -> Sequence[Row]:
    """The reports visible to the requesting user; an unknown filter breaks the server."""
    chosen = call.last("sharedReportsFilter") or "ALL"
    refused = call.state.settings.shared_reports_all_admin == "refused"
    if chosen not in _SHARED_FILTERS or (refused and chosen == "ALL_ADMIN"):
        raise error(500, "Internal server error", None)
    if chosen == "ALL_ADMIN" and not call.me.is_admin:
        raise access_denied()
    rows = call.workspace.rows("shared-reports").values()
    found = []
    for row in rows:
        mine = row.get("userId") == call.user_id
        shared = any(each["id"] == call.user_id for each in row["visibleToUsers"])
        if chosen == "CREATED_BY_ME":
            keep = mine
        elif chosen == "SHARED_WITH_ME":
            keep = shared
        else:
            keep = call.me.is_admin or mine or shared or row["isPublic"]
        if keep:
            found.append(row)
    return found


SHARED_REPORTS = Listing(
    items=_shared_reports,
    render=as_stored,
    envelope=lambda rows, total: {"count": total, "reports": rows},
)


def _webhook_type(call: Call, name: str) -> Keep | None:
    """Webhooks of users or of add-ons (there are none); SYSTEM breaks the server."""
    value = call.last(name)
    if value == "SYSTEM":
        raise error(500, "Internal server error", None)
    if value is None:
        return None
    wanted = call.one_of(name, ("USER_CREATED", "ADDON"), "USER_CREATED")
    return lambda row: wanted == "USER_CREATED"


WEBHOOKS = Listing(
    items=collection_items("webhooks"),
    render=as_stored,
    filters={"type": _webhook_type},
    envelope=lambda rows, total: {"workspaceWebhookCount": total, "webhooks": rows},
)
single_webhook = single("webhooks", "webhookId", "Webhook", as_stored)


def log_row(settings: Settings, row: Row) -> Row:
    """A delivery, whose time may be written with an offset in place of Z."""
    if not settings.webhook_log_offset:
        return row
    return {**row, "respondedAt": row["respondedAt"].replace("Z", "+00:00")}


def webhook_logs(call: Call) -> Reply:
    """POST /workspaces/{id}/webhooks/{id}/logs: the deliveries in a window, oldest first."""
    webhook_id, body = call.params["webhookId"], call.body()
    if webhook_id not in call.workspace.rows("webhooks"):
        raise foreign("Webhook", webhook_id)
    page = page_of(call, LOG_PAGING).shorter_by(call.state.settings.short_feeds)
    status = body.get("status") or "ALL"
    if status not in ("ALL", "SUCCEEDED", "FAILED"):
        raise mismatch("status", status)
    first, last = (
        None if body.get(name) is None else parsed(name, body[name]) for name in ("from", "to")
    )
    rows = [
        row
        for row in present(call, call.workspace.rows("webhook-logs").values())
        if row["webhookId"] == webhook_id
        and (first is None or parsed("respondedAt", row["respondedAt"]) >= first)
        and (last is None or parsed("respondedAt", row["respondedAt"]) <= last)
        and (status == "ALL" or (status == "SUCCEEDED") == (200 <= row["statusCode"] < 300))
    ]
    newest = body.get("sortByNewest") is True
    rows.sort(key=lambda row: (row["respondedAt"], row["id"]), reverse=newest)
    shown = [log_row(call.state.settings, row) for row in page.cut(rows)]
    return Reply(200, encode(shown), rows=len(shown))
