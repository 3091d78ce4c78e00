"""Lines about entity changes, the audit log and webhook logs."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from source_clockify.adaptations import OFFICIAL_CHANGE_TYPES
from source_clockify.probe.account import Account, Row, second_text
from source_clockify.probe.client import Answer
from source_clockify.probe.lines import (
    Finding,
    Line,
    Untestable,
    accepted,
    judge,
    judge_accepted,
    need,
    status_of,
)
from source_clockify.timestamps import parse_time

NEWER_CHANGE_TYPES = (
    "APPROVAL_REQUESTS",
    "BALANCE",
    "CUSTOM_FIELDS",
    "HOLIDAYS",
    "INVOICES",
    "PTO_POLICY",
    "TIME_OFF_REQUEST",
    "USER",
    "USER_GROUPS",
)
_ACTIONS = (
    "CREATE_TIME_PERSONAL_TIMER",
    "CREATE_TIME_PERSONAL_MANUAL",
    "CREATE_TIME_IMPORT",
    "CREATE_TIME_FOR_OTHER",
    "UPDATE_TIME_PERSONAL",
    "UPDATE_TIME_FOR_OTHER",
    "DELETE_TIME_PERSONAL",
    "DELETE_TIME_FOR_OTHER",
    "CREATE_PROJECT",
    "UPDATE_PROJECT",
    "DELETE_PROJECT",
    "CREATE_TASK",
    "UPDATE_TASK",
    "DELETE_TASK",
    "CREATE_CLIENT",
    "UPDATE_CLIENT",
    "DELETE_CLIENT",
    "CREATE_TAG",
    "UPDATE_TAG",
    "DELETE_TAG",
)
_EVERYBODY = {"authorIds": [], "contains": "DOES_NOT_CONTAIN"}
_SYSTEM = {"authorIds": ["SYSTEM"], "contains": "CONTAINS"}
_SECOND = timedelta(seconds=1)


def change_types(account: Account) -> Finding:
    every = _Changes("created", (*OFFICIAL_CHANGE_TYPES, *NEWER_CHANGE_TYPES)).send(account)
    if accepted(every):
        return judge(True, "200", every)
    answers = [every, _Changes("created", OFFICIAL_CHANGE_TYPES).send(account)]
    answers += [_Changes("created", (kind,)).send(account) for kind in NEWER_CHANGE_TYPES]
    text = f"17 types: {status_of(every)}; the 8 documented ones: {status_of(answers[1])}; refused"
    refused = [
        kind for kind, answer in zip(NEWER_CHANGE_TYPES, answers[2:], strict=True) if not answer.ok
    ]
    return judge(False, f"{text} singly: {' '.join(refused) or 'none'}", *answers)


def change_window(account: Account) -> Finding:
    return judge_accepted(_Changes("created", days=31, what="31 days").send(account))


def change_retention(account: Account) -> Finding:
    year = _Changes("deleted", days=1, before=363, what="364 days ago").send(account)
    if not accepted(year):
        return judge(False, _shown(year), year)
    more = _Changes("deleted", days=1, before=399, what="400 days ago").send(account)
    text = f"364 days ago: {_shown(year)}; 400 days ago: {_shown(more)}"
    return judge(True, text, year, more)


def change_page(account: Account) -> Finding:
    return judge_accepted(_large_changes(account))


def changes_updated(account: Account) -> Finding:
    answer = _large_changes(account)
    if answer.status == 400:
        answer = _Changes("updated").send(account)
    if accepted(answer) and not answer.rows():
        raise Untestable("no entity was updated in 29 days, or the feed never shows one")
    return judge(answer.ok, _shown(answer), answer)


def _large_changes(account: Account) -> Answer:
    return account.remember(
        "changes", lambda: _Changes("updated", limit=1000, what="limit 1000").send(account)
    )


def _shown(answer: Answer) -> str:
    return status_of(answer) + (f", {len(answer.rows())} rows" if answer.ok else "")


@dataclass(frozen=True)
class _Changes:
    """A request for entity changes.

    Attributes:
        kind: created, updated or deleted.
        types: of entities.
        days: the length of the window.
        before: the number of days between the end of the window and now.
        limit: the page size.
        what: words that distinguish it from others; by default the number of types.
    """

    kind: str
    types: tuple[str, ...] = OFFICIAL_CHANGE_TYPES
    days: int = 29
    before: int = 0
    limit: int = 50
    what: str = ""

    def send(self, account: Account) -> Answer:
        params = [("type", name) for name in self.types]
        params.append(("start", account.moment(-self.days - self.before)))
        params.append(("end", account.moment(-self.before)))
        params += [("page", "0"), ("limit", str(self.limit))]
        what = self.what or f"{len(self.types)} types"
        return account.get(f"/entities/{self.kind}", params, what=what)


# The audit log


def audit_without_authors(account: Account) -> Finding:
    need(_everybody(account))
    answer = _Audit(None, what="without authors").send(account)
    text = f"{status_of(answer)}" + (f", {len(_events(answer))} events" if answer.ok else "")
    return judge(not accepted(answer), text, answer)


def audit_system(account: Account) -> Finding:
    named = _Audit(_SYSTEM, what="SYSTEM named").send(account)
    if not accepted(named):
        return judge(False, f"SYSTEM named: {status_of(named)}", named)
    events = _events(named)
    if not events:
        raise Untestable("no event by SYSTEM in 30 days, or the log never shows one")
    moment = parse_time(str(events[0].get("timestamp")))
    window = (second_text(moment - _SECOND), second_text(moment + _SECOND))
    other = need(_Audit(_EVERYBODY, window=window, what="at an event of SYSTEM").send(account))
    found = any(_without_author(event) == _without_author(events[0]) for event in _events(other))
    text = "an event of SYSTEM comes also where nobody is named" if found else "only where named"
    return judge(not found, text, named, other)


def _without_author(event: Row) -> tuple[Any, ...]:
    return tuple(repr(event.get(name)) for name in ("action", "timestamp", "entity", "entityId"))


def audit_window(account: Account) -> Finding:
    need(_everybody(account))
    return judge_accepted(_second_event(account))


def audit_first_page(account: Account) -> Finding:
    first = need(_everybody(account))
    if len(_events(first)) < 2:
        raise Untestable("fewer than two events in 30 days")
    second = _second_event(account)
    if not second.ok:
        second = need(_Audit(_EVERYBODY, size=1, page=1, what="page 1 of one event").send(account))
    found = _events(second)
    if not found:
        return judge(False, "page 1 is empty", second)
    places = [n for n, event in enumerate(_events(first)) if event == found[0]]
    text = "page 1 holds " + (f"event {places[0] + 1} of page 0" if places else "another event")
    return judge(1 in places, text, first, second)


def _second_event(account: Account) -> Answer:
    """Request the second event of 31 days."""
    window = (account.moment(-31), account.moment(0))
    return account.remember(
        "second event",
        lambda: _Audit(
            _EVERYBODY, window=window, size=1, page=1, what="31 days, page 1 of one event"
        ).send(account),
    )


def audit_envelope(account: Account) -> Finding:
    answer = need(_everybody(account))
    if isinstance(answer.body, list):
        return judge(True, "a bare list", answer)
    has_response = isinstance(answer.body, dict) and isinstance(answer.body.get("response"), list)
    text = "an object with `response`" if has_response else "another object"
    return judge(False, text, answer)


def _everybody(account: Account) -> Answer:
    return account.remember(
        "audit log", lambda: _Audit(_EVERYBODY, what="nobody left out").send(account)
    )


@dataclass(frozen=True)
class _Audit:
    """A request for the audit log.

    Attributes:
        authors: the filter; None for none.
        what: words that distinguish it from others.
        window: start and end; by default the last 30 days.
        page: counted from 0.
        size: the page size.
    """

    authors: Row | None
    what: str
    window: tuple[str, str] | None = None
    page: int = 0
    size: int = 50

    def send(self, account: Account) -> Answer:
        account.require("AUDIT_LOG")
        start, end = self.window or (account.moment(-30), account.moment(0))
        body: Row = {"start": start, "end": end, "page": self.page, "page-size": self.size}
        body["actions"] = list(_ACTIONS)
        if self.authors is not None:
            body["authors"] = self.authors
        return account.post("/audit-log", body, host="audit_log", what=self.what)


def _events(answer: Answer) -> list[Row]:
    return answer.rows() or answer.rows("response")


LINES = {
    line.id: line
    for line in (
        Line(
            "change-types",
            "Entity changes take all 17 types at once.",
            change_types,
        ),
        Line(
            "change-window",
            "Entity changes take a window of 31 days (29 are requested).",
            change_window,
        ),
        Line(
            "change-retention",
            "Entity changes answer for a day 364 days ago.",
            change_retention,
        ),
        Line("change-page", "Entity changes take a limit of 1000 (50 is requested).", change_page),
        Line("changes-updated", "The feed of updated entities shows rows.", changes_updated),
        Line(
            "audit-without-authors",
            "The audit log refuses a request without authors.",
            audit_without_authors,
        ),
        Line(
            "audit-system",
            "The audit log shows events of SYSTEM only where it is named.",
            audit_system,
        ),
        Line(
            "audit-window",
            "The audit log takes a window of 31 times 24 hours (30 are requested).",
            audit_window,
        ),
        Line("audit-first-page", "The first page of the audit log is 0.", audit_first_page),
        Line("audit-envelope", "The audit log answers a bare list.", audit_envelope),
    )
}
