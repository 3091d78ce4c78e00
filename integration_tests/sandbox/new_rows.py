"""What a new entity begins with, by collection."""

from integration_tests.sandbox import data, data_administration, data_money, data_time_off
from integration_tests.sandbox.store import Row, Workspace
from integration_tests.sandbox.timetext import utc_text

_NAMED = {
    "clients": data.new_client,
    "projects": data.new_project,
    "tags": data.new_tag,
    "user-groups": data.new_group,
    "custom-fields": data.new_custom_field,
    "expense-categories": data_money.new_category,
    "time-off-policies": data_time_off.new_policy,
}


def new_row(
    workspace: Workspace, collection: str, entity_id: str, count: int, given: Row, now: int
) -> Row | None:
    """A stored row with plausible values; None where nothing can be made.

    What belongs to a parent and does not name one (`given`) belongs to the first.
    """
    name, w = f"New {collection} {count}", workspace.id
    if collection in _NAMED:
        return _NAMED[collection](w, entity_id, name)
    user_id = str(given.get("userId") or next(iter(workspace.members), ""))
    instant, day = utc_text(now), utc_text(now)[:10]
    midnight = day + "T00:00:00Z"

    def first(parents: str) -> str | None:
        return next(iter(workspace.rows(parents)), None)

    match collection:
        case "tasks":
            project_id = given.get("projectId") or next(iter(workspace.rows("projects")))
            return data.new_task(entity_id, project_id, name)
        case "expenses":
            return data_money.new_expense(w, entity_id, user_id, day)
        case "invoices":
            return data_money.new_invoice(entity_id, name, user_id, midnight, midnight)
        case "invoice-payments":
            return data_money.new_payment(entity_id, first("invoices") or "", 100, instant)
        case "holidays":
            return data_time_off.new_holiday(w, entity_id, name, day, day)
        case "time-off-requests":
            policy_id = first("time-off-policies")
            return data_time_off.new_request(w, entity_id, policy_id, user_id, instant)
        case "time-off-balances":
            policy_id = first("time-off-policies") or ""
            return data_time_off.new_balance(w, entity_id, policy_id, user_id)
        case "assignments":
            end = day + "T23:59:59Z"
            project_id = first("projects")
            return data_time_off.new_assignment(w, entity_id, user_id, project_id, midnight, end)
        case "approval-requests":
            zone = "UTC"
            return data_administration.new_approval(
                w, entity_id, user_id, midnight, day + "T23:59:59Z", zone
            )
        case "shared-reports":
            return data_administration.new_shared_report(entity_id, name)
        case "webhooks":
            token = f"secret-{entity_id[::-1]}"
            return data_administration.new_webhook(w, entity_id, user_id, token)
        case "webhook-logs":
            webhook_id = first("webhooks")
            return data_administration.new_log(entity_id, webhook_id, entity_id[::-1], instant)
    return None
