"""The initial values of a new entity, by collection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clockify_sandbox import data, data_administration, data_money, data_time_off
from clockify_sandbox.plain_streams import NEW_ROWS, MakeRow
from clockify_sandbox.store import Row, Workspace
from clockify_sandbox.timetext import utc_text

_NAMED: Mapping[str, MakeRow] = {
    **NEW_ROWS,
    "projects": data.new_project,
    "expense-categories": data_money.new_category,
}


@dataclass(frozen=True)
class Wanted:
    """An entity to create.

    Attributes:
        workspace: where it is created.
        collection: where it is created.
        id: of the entity.
        count: of the entities in the collection.
        given: fields set by the edit.
        now: epoch seconds.
    """

    workspace: Workspace
    collection: str
    id: str
    count: int
    given: Row
    now: int

    @property
    def name(self) -> str:
        return f"New {self.collection} {self.count}"

    @property
    def user_id(self) -> str:
        return str(self.given.get("userId") or next(iter(self.workspace.members), ""))

    @property
    def instant(self) -> str:
        return utc_text(self.now)

    @property
    def day(self) -> str:
        return self.instant[:10]

    @property
    def whole_day(self) -> tuple[str, str]:
        return f"{self.day}T00:00:00Z", f"{self.day}T23:59:59Z"

    def first(self, parents: str) -> str | None:
        return next(iter(self.workspace.rows(parents)), None)


def new_row(wanted: Wanted) -> Row | None:
    """A stored row with plausible values; None if none can be created.

    An entity that requires a parent but names none belongs to the first one.
    """
    if wanted.collection in _NAMED:
        return _NAMED[wanted.collection](wanted.workspace.id, wanted.id, wanted.name)
    make = _MAKERS.get(wanted.collection)
    return None if make is None else make(wanted)


def _new_task(wanted: Wanted) -> Row:
    project_id = wanted.given.get("projectId") or next(iter(wanted.workspace.rows("projects")))
    return data.new_task(wanted.id, project_id, wanted.name)


def _new_expense(wanted: Wanted) -> Row:
    return data_money.new_expense(wanted.workspace.id, wanted.id, wanted.user_id, wanted.day)


def _new_invoice(wanted: Wanted) -> Row:
    midnight = wanted.whole_day[0]
    return data_money.new_invoice(wanted.id, wanted.name, wanted.user_id, midnight, midnight)


def _new_payment(wanted: Wanted) -> Row:
    return data_money.new_payment(wanted.id, wanted.first("invoices") or "", 100, wanted.instant)


def _new_holiday(wanted: Wanted) -> Row:
    day = wanted.day
    return data_time_off.new_holiday(wanted.workspace.id, wanted.id, wanted.name, day, day)


def _new_time_off_request(wanted: Wanted) -> Row:
    policy_id = wanted.first("time-off-policies")
    return data_time_off.new_request(
        wanted.workspace.id, wanted.id, policy_id, wanted.user_id, wanted.instant
    )


def _new_balance(wanted: Wanted) -> Row:
    policy_id = wanted.first("time-off-policies") or ""
    return data_time_off.new_balance(wanted.workspace.id, wanted.id, policy_id, wanted.user_id)


def _new_assignment(wanted: Wanted) -> Row:
    project_id = wanted.first("projects")
    return data_time_off.new_assignment(
        wanted.workspace.id, wanted.id, wanted.user_id, project_id, wanted.whole_day
    )


def _new_approval(wanted: Wanted) -> Row:
    return data_administration.new_approval(
        wanted.workspace.id, wanted.id, wanted.user_id, wanted.whole_day, "UTC"
    )


def _new_shared_report(wanted: Wanted) -> Row:
    return data_administration.new_shared_report(wanted.id, wanted.name)


def _new_webhook(wanted: Wanted) -> Row:
    token = f"secret-{wanted.id[::-1]}"
    return data_administration.new_webhook(wanted.workspace.id, wanted.id, wanted.user_id, token)


def _new_log(wanted: Wanted) -> Row:
    webhook_id = wanted.first("webhooks")
    return data_administration.new_log(wanted.id, webhook_id, wanted.id[::-1], wanted.instant)


_MAKERS: Mapping[str, Callable[[Wanted], Row]] = {
    "tasks": _new_task,
    "expenses": _new_expense,
    "invoices": _new_invoice,
    "invoice-payments": _new_payment,
    "holidays": _new_holiday,
    "time-off-requests": _new_time_off_request,
    "time-off-balances": _new_balance,
    "assignments": _new_assignment,
    "approval-requests": _new_approval,
    "shared-reports": _new_shared_report,
    "webhooks": _new_webhook,
    "webhook-logs": _new_log,
}
