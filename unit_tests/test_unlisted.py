"""Change tracking: what its list no longer shows, but Clockify still has, is compared and sent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from unit_tests.clockify import (
    API,
    PROJECT,
    REPORTS,
    WORKSPACE,
    Clockify,
    Connect,
    changes,
    entry,
    error_body,
    gone,
    hours_ago,
    message_of,
    messages,
    on,
    query,
    report_row,
    rows,
    single_reads,
    warnings,
)

BASE = f"/workspaces/{WORKSPACE}"
REFUSED = {"status_code": 403, "json": error_body(1, "Forbidden")}

Row = dict[str, Any]


@pytest.fixture
def connect(connect: Connect) -> Connect:
    """Return how a connection is made that sends every change once."""
    return lambda *streams, **settings: connect(*streams, **{"resend_changes": 0, **settings})


# How each stream is listed and read by id -------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One stream whose records are read by id.

    Attributes:
        row: returns a row of the list, by id and name.
        listed: serves rows as the list.
        alive: serves a row as it is read by id.
        path: below the workspace, where the record `h` is read by id.
        added: the columns that the manifest adds.
        key: the column that tells the record.
    """

    row: Callable[[str, str], Row]
    listed: Callable[[Clockify, Sequence[Row]], None]
    alive: Callable[[Clockify, Row], None]
    path: str
    added: Mapping[str, str] | None = None
    key: str = "id"


def _listing(resource: str) -> Callable[[Clockify, Sequence[Row]], None]:
    return lambda clockify, served: clockify.listing(resource, served)


def _single(resource: str, **more: Any) -> Callable[[Clockify, Row], None]:
    def serve(clockify: Clockify, row: Row) -> None:
        clockify.answer(f"{BASE}/{resource}/{row['id']}", {"json": {**row, **more}})

    return serve


def _tasks(clockify: Clockify, served: Sequence[Row]) -> None:
    clockify.serve("tasks", served)


def _timers(clockify: Clockify, served: Sequence[Row]) -> None:
    clockify.serve("time_entries_in_progress", served)


def _invoices(clockify: Clockify, served: Sequence[Row]) -> None:
    clockify.answer(f"{BASE}/invoices", {"json": {"total": len(served), "invoices": list(served)}})


def _invoices_in_detail(clockify: Clockify, served: Sequence[Row]) -> None:
    _invoices(clockify, [{"id": row["id"]} for row in served])
    for row in served:
        _single("invoices")(clockify, row)


def _profiles(clockify: Clockify, served: Sequence[Row]) -> None:
    clockify.users(*(row["email"] for row in served))
    for row in served:
        _profile(clockify, row)


def _profile(clockify: Clockify, row: Row) -> None:
    clockify.answer(f"{BASE}/member-profile/{row['email']}", {"json": row})


def _expenses(clockify: Clockify, served: Sequence[Row]) -> None:
    def answer(request: Any, context: Any) -> Row:
        # Of one user the list shows what it shows of all, and what `_expense` adds.
        shown = served if "user-id" not in query(request) else [*served, *_UNLISTED_EXPENSES]
        return {"expenses": {"expenses": list(shown), "count": len(shown)}}

    _UNLISTED_EXPENSES.clear()
    clockify.answer(f"{BASE}/expenses", {"json": answer})


_UNLISTED_EXPENSES: list[Row] = []


def _expense(clockify: Clockify, row: Row) -> None:
    flat = {**row, "categoryId": row["category"]["id"]}
    del flat["category"]
    clockify.answer(f"{BASE}/expenses/{row['id']}", {"json": flat})
    _UNLISTED_EXPENSES[:] = [row]


def _user(clockify: Clockify, row: Row) -> None:
    clockify.answer(f"{BASE}/member-profile/{row['id']}", {"json": {"name": row["name"]}})
    second_list_of_users(clockify, {"json": [row]})


def second_list_of_users(clockify: Clockify, answer: dict[str, Any]) -> None:
    """Serve the list of users of any account status, which is asked for those the first lacks."""
    clockify.mocker.register_uri(
        "POST",
        f"{API}{BASE}/users/info",
        [answer],
        additional_matcher=lambda request: "DELETED" in request.json()["accountStatuses"],
    )


CASES = {
    "clients": Case(
        lambda identifier, name: {"id": identifier, "name": name, "note": "n"},
        _listing("clients"),
        _single("clients"),
        "clients/h",
    ),
    "projects": Case(
        lambda identifier, name: {"id": identifier, "name": name, "public": True},
        _listing("projects"),
        _single("projects"),
        "projects/h",
    ),
    "tags": Case(
        lambda identifier, name: {"id": identifier, "name": name, "archived": name == "new"},
        _listing("tags"),
        _single("tags"),
        "tags/h",
    ),
    "time_off_policies": Case(
        lambda identifier, name: {"id": identifier, "name": name},
        _listing("time-off/policies"),
        _single("time-off/policies"),
        "time-off/policies/h",
    ),
    "tasks": Case(
        lambda identifier, name: {"id": identifier, "name": name, "projectId": PROJECT},
        _tasks,
        _single(f"projects/{PROJECT}/tasks"),
        f"projects/{PROJECT}/tasks/h",
        {"workspaceId": WORKSPACE},
    ),
    "invoices": Case(
        lambda identifier, name: {"id": identifier, "number": name, "balance": 5},
        _invoices,
        _single("invoices", items=[{"order": 1}], note="n"),
        "invoices/h",
        {"workspaceId": WORKSPACE},
    ),
    "invoice_details": Case(
        lambda identifier, name: {"id": identifier, "number": name, "items": []},
        _invoices_in_detail,
        _single("invoices"),
        "invoices/h",
        {"workspaceId": WORKSPACE, "invoiceId": "h"},
    ),
    "member_profiles": Case(
        lambda identifier, name: {"name": name, "email": identifier},
        _profiles,
        _profile,
        "member-profile/h",
        {"workspaceId": WORKSPACE, "userId": "h"},
        key="userId",
    ),
    "users": Case(
        lambda identifier, name: {"id": identifier, "name": name, "status": "ACTIVE"},
        _listing("users"),
        _user,
        "member-profile/h",
        {"workspaceId": WORKSPACE},
    ),
    "expenses": Case(
        lambda identifier, name: {
            "id": identifier,
            "notes": name,
            "userId": "u",
            "category": {"id": "c", "name": "Travel"},
        },
        _expenses,
        _expense,
        "expenses/h",
    ),
    "time_entries_in_progress": Case(
        lambda identifier, name: entry(identifier, hours_ago(2), description=name),
        _timers,
        _single("time-entries"),
        "time-entries/h",
    ),
}


@pytest.fixture(params=CASES)
def stream(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(stream: str) -> Case:
    return CASES[stream]


def told(message: Mapping[str, Any]) -> Row:
    return {name: value for name, value in message.items() if not name.startswith("_ab_cdc_")}


# The rule, for each of them ----------------------------------------------------------------------


def test_an_edited_and_hidden_record_is_sent_once_as_its_list_has_it(
    clockify: Clockify, connect: Connect, stream: str, case: Case
) -> None:
    connection = connect(stream)
    case.listed(clockify, [case.row("h", "old"), case.row("o", "other")])
    connection.sync()
    case.listed(clockify, [case.row("o", "other")])
    case.alive(clockify, case.row("h", "new"))

    output = connection.sync()

    assert changes(output, key=case.key) == ["+h"]
    (message,) = messages(output)
    expected = {**case.row("h", "new"), **(case.added or {})}
    assert told(message) == expected
    assert message["_ab_cdc_updated_at"] == "2026-11-25T09:00:00.000Z"
    assert message["_ab_cdc_baseline_at"] == "2026-11-24T09:00:00.000Z"
    assert messages(connection.sync()) == []
    assert warnings(output) == []


def test_a_record_that_is_hidden_and_otherwise_unchanged_is_no_message(
    clockify: Clockify, connect: Connect, stream: str, case: Case
) -> None:
    connection = connect(stream)
    case.listed(clockify, [case.row("h", "old"), case.row("o", "other")])
    connection.sync()
    case.listed(clockify, [case.row("o", "other")])
    case.alive(clockify, case.row("h", "old"))

    outputs = [connection.sync() for _ in range(2)]

    assert [messages(output) for output in outputs] == [[], []]
    assert [warnings(output) for output in outputs] == [[], []]
    case.listed(clockify, [case.row("h", "old"), case.row("o", "other")])
    assert messages(connection.sync()) == []


def test_a_record_edited_while_hidden_is_nothing_new_once_listed(
    clockify: Clockify, connect: Connect, stream: str, case: Case
) -> None:
    connection = connect(stream)
    case.listed(clockify, [case.row("h", "old"), case.row("o", "other")])
    connection.sync()
    case.listed(clockify, [case.row("o", "other")])
    case.alive(clockify, case.row("h", "old"))
    connection.sync()
    case.alive(clockify, case.row("h", "new"))
    assert changes(connection.sync(), key=case.key) == ["+h"]

    case.listed(clockify, [case.row("h", "new"), case.row("o", "other")])

    assert messages(connection.sync()) == []


def test_a_hidden_record_that_is_deleted_later_becomes_a_tombstone(
    clockify: Clockify, connect: Connect, stream: str, case: Case
) -> None:
    connection = connect(stream)
    case.listed(clockify, [case.row("h", "old"), case.row("o", "other")])
    connection.sync()
    case.listed(clockify, [case.row("o", "other")])
    case.alive(clockify, case.row("h", "new"))
    assert changes(connection.sync(), key=case.key) == ["+h"]
    clockify.answer(f"{BASE}/{case.path}", gone())

    assert changes(connection.sync(), key=case.key) == ["-h"]
    assert messages(connection.sync()) == []


def test_an_edit_of_a_hidden_record_is_resent_as_any_other(
    clockify: Clockify, connect: Connect, stream: str, case: Case
) -> None:
    connection = connect(stream, resend_changes=1)
    case.listed(clockify, [case.row("h", "old"), case.row("o", "other")])
    connection.sync()
    case.listed(clockify, [case.row("o", "other")])
    case.alive(clockify, case.row("h", "new"))

    first, second, third = (connection.sync() for _ in range(3))

    assert messages(first) == messages(second) != []
    assert messages(third) == []


# Shapes ------------------------------------------------------------------------------------------


def test_a_column_that_no_row_of_the_list_has_is_no_edit(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [{"id": "h", "name": "h"}, {"id": "o", "name": "o"}])
    connection.sync()
    clockify.serve("tags", [{"id": "o", "name": "o"}])
    clockify.by_id("tags", {"id": "h", "name": "h", "onlyById": 1})

    assert messages(connection.sync()) == []
    clockify.by_id("tags", {"id": "h", "name": "new", "onlyById": 1})
    (message,) = messages(connection.sync())
    assert told(message) == {"id": "h", "name": "new"}
    clockify.serve("tags", [{"id": "h", "name": "new"}, {"id": "o", "name": "o"}])
    assert messages(connection.sync()) == []


def test_a_column_that_is_not_documented_but_listed_is_compared(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [{"id": each, "undocumented": 1} for each in ("h", "o")])
    connection.sync()
    clockify.serve("tags", [{"id": "o", "undocumented": 1}])
    clockify.by_id("tags", {"id": "h", "undocumented": 1})
    assert messages(connection.sync()) == []
    clockify.by_id("tags", {"id": "h", "undocumented": 2})

    (message,) = messages(connection.sync())

    assert told(message) == {"id": "h", "undocumented": 2}


def test_a_list_that_is_empty_hides_no_column(clockify: Clockify, connect: Connect) -> None:
    connection = connect("tags")
    clockify.serve("tags", [{"id": "h", "undocumented": 1}])
    connection.sync()
    clockify.serve("tags", [])
    clockify.by_id("tags", {"id": "h", "undocumented": 1})
    assert messages(connection.sync()) == []
    clockify.by_id("tags", {"id": "h", "undocumented": 2})

    (message,) = messages(connection.sync())

    assert told(message) == {"id": "h", "undocumented": 2}


def test_an_invoice_that_lacks_columns_of_its_list_is_kept_and_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("invoices")
    whole = [{"id": each, "number": "1", "clientName": "A"} for each in ("h", "o")]
    _invoices(clockify, whole)
    connection.sync()
    _invoices(clockify, whole[1:])
    clockify.by_id("invoices", {"id": "h", "number": "2"})

    output = connection.sync()

    assert messages(output) == []
    (warning,) = warnings(output)
    assert warning.startswith(f"invoices: 1 records of workspace {WORKSPACE} are missing")
    _invoices(clockify, [{"id": "h", "number": "2", "clientName": "A"}, whole[1]])
    assert changes(connection.sync()) == ["+h"]


@pytest.mark.parametrize("stream", ["users", "expenses"])
@pytest.mark.parametrize("answer", ["lacks it too", "refused"])
def test_a_record_that_no_list_shows_is_kept_and_warned_of(
    clockify: Clockify, connect: Connect, stream: str, answer: str
) -> None:
    case, connection = CASES[stream], connect(stream)
    case.listed(clockify, [case.row("h", "old"), case.row("o", "other")])
    connection.sync()
    case.listed(clockify, [case.row("o", "other")])
    case.alive(clockify, case.row("h", "new"))
    _UNLISTED_EXPENSES.clear()
    if answer == "refused":
        second_list_of_users(clockify, REFUSED)
    else:
        second_list_of_users(clockify, {"json": []})

    outputs = [connection.sync() for _ in range(2)]

    for output in outputs:
        assert messages(output) == []
        (warning,) = warnings(output)
        assert warning.startswith(f"{stream}: 1 records of workspace {WORKSPACE} are missing")
    case.listed(clockify, [case.row("h", "new"), case.row("o", "other")])
    assert changes(connection.sync()) == ["+h"]


def test_all_hidden_users_cost_one_list(clockify: Clockify, connect: Connect) -> None:
    connection = connect("users")
    served = [{"id": each, "name": each} for each in ("a", "b", "c", "o")]
    clockify.listing("users", served)
    connection.sync()
    clockify.listing("users", served[3:])
    for row in served[:3]:
        clockify.answer(f"{BASE}/member-profile/{row['id']}", {"json": {"name": "x"}})
    edited = [{**row, "name": "edited"} for row in served]
    second_list_of_users(clockify, {"json": edited})

    assert changes(connection.sync()) == ["+a", "+b", "+c"]
    # The last page of the second list is followed by the one that repeats it.
    request, _ = [
        each for each in clockify.sent("/users/info") if "DELETED" in each.json()["accountStatuses"]
    ]
    assert sorted(request.json()["accountStatuses"]) == [
        "ACTIVE",
        "DELETED",
        "LIMITED",
        "LIMITED_DELETED",
        "NOT_REGISTERED",
        "PENDING_EMAIL_VERIFICATION",
    ]
    assert request.json()["memberships"] == "WORKSPACE"
    assert request.json()["pageSize"] == 5000


def test_a_missing_record_that_may_not_be_read_by_id_is_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", rows(3))
    connection.sync()
    clockify.serve("tags", rows(2))
    clockify.answer(f"{BASE}/tags/{rows(3)[2]['id']}", REFUSED)

    output = connection.sync()

    assert messages(output) == []
    (warning,) = warnings(output)
    assert warning.startswith(f"tags: 1 records of workspace {WORKSPACE} are missing")


def test_a_report_that_leaves_out_an_entry_that_exists_is_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("detailed_report", start_date="2026-11-01T00:00:00Z")
    clockify.serve("detailed_report", [report_row("e", "2026-11-20T08:00:00Z")])
    connection.sync()
    clockify.serve("detailed_report", [])
    clockify.by_id("time-entries", on("2026-11-20", "e"))

    output = connection.sync()

    assert messages(output) == []
    (warning,) = warnings(output)
    assert warning.startswith(f"detailed_report: 1 records of workspace {WORKSPACE} are missing")
    edited = report_row("e", "2026-11-20T08:00:00Z", description="new")
    clockify.serve("detailed_report", [edited])
    assert changes(connection.sync(), key="_id") == ["+e"]


def test_an_expense_that_a_report_leaves_out_is_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    def serve(*served: Row) -> None:
        def answer(request: Any, context: Any) -> Row:
            body = request.json()
            first, last = body["dateRangeStart"][:10], body["dateRangeEnd"][:10]
            here = [row for row in served if first <= row["date"] <= last]
            return {"totals": {"expensesCount": len(here)}, "expenses": here}

        url = f"{REPORTS}/workspaces/{WORKSPACE}/reports/expenses/detailed"
        clockify.mocker.post(url, json=answer)

    connection = connect("expense_report", start_date="2026-11-01T00:00:00Z")
    expense = {"id": "e", "date": "2026-11-20", "notes": "old"}
    serve(expense)
    connection.sync()
    serve()
    clockify.by_id("expenses", expense)

    output = connection.sync()

    assert messages(output) == []
    (warning,) = warnings(output)
    assert warning.startswith(f"expense_report: 1 records of workspace {WORKSPACE} are missing")


# Children of a parent that is no longer listed, but lives -----------------------------------------


@dataclass(frozen=True)
class Children:
    """A stream of children: the list of a parent's children, its body, and what lists parents."""

    path: str
    body: Callable[[Sequence[Row]], Any]
    parents: Callable[[Clockify, Sequence[str]], None]
    parent: str
    key: str = "id"


def _named(*identifiers: str) -> list[Row]:
    return [{"id": identifier} for identifier in identifiers]


CHILDREN = {
    "tasks": Children(
        "projects/p2/tasks",
        list,
        lambda clockify, parents: clockify.listing("projects", _named(*parents)),
        "projects/p2",
    ),
    "invoice_payments": Children(
        "invoices/p2/payments",
        list,
        lambda clockify, parents: _invoices(clockify, _named(*parents)),
        "invoices/p2",
    ),
    "time_off_balances": Children(
        "time-off/balance/policy/p2",
        lambda served: {"balances": list(served)},
        lambda clockify, parents: clockify.listing("time-off/policies", _named(*parents)),
        "time-off/policies/p2",
        key="userId",
    ),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_children_of_a_parent_that_is_hidden_are_compared(
    clockify: Clockify, connect: Connect, name: str
) -> None:
    children = CHILDREN[name]

    def serve(*served: tuple[str, str]) -> None:
        body = children.body([{children.key: each, "name": text} for each, text in served])
        clockify.answer(f"{BASE}/{children.path}", {"json": body})

    connection = connect(name)
    path = children.path.replace("p2", "p1")
    clockify.answer(f"{BASE}/{path}", {"json": children.body([{children.key: "other"}])})
    children.parents(clockify, ["p1", "p2"])
    serve(("same", "1"), ("edited", "1"), ("deleted", "1"))
    connection.sync()
    children.parents(clockify, ["p1"])
    clockify.answer(f"{BASE}/{children.parent}", {"json": {"id": "p2"}})
    clockify.answer(f"{BASE}/projects/p2/tasks/deleted", gone())
    serve(("same", "1"), ("edited", "2"), ("new", "1"))

    outputs = [connection.sync() for _ in range(3)]

    found = [change for output in outputs for change in changes(output, key=children.key)]
    assert sorted(found) == ["+edited", "+new", "-deleted"]
    (edited,) = [m for each in outputs for m in messages(each) if m[children.key] == "edited"]
    assert (edited["name"], edited["workspaceId"]) == ("2", WORKSPACE)
    children.parents(clockify, ["p1", "p2"])
    assert messages(connection.sync()) == []
    children.parents(clockify, ["p1"])
    clockify.answer(f"{BASE}/{children.parent}", gone())
    assert changes(connection.sync(), key=children.key) == ["-edited", "-new", "-same"]


def test_on_the_free_plan_tasks_of_hidden_projects_come_one_by_one(
    clockify: Clockify, connect: Connect
) -> None:
    def projects(*identifiers: str) -> list[Row]:
        return [
            {"id": each, "tasks": [{"id": f"t of {each}", "name": "1"}]} for each in identifiers
        ]

    connection = connect("tasks", plan="free")
    clockify.listing("projects", projects("p1", "p2"))
    connection.sync()
    clockify.listing("projects", projects("p1"))
    clockify.answer(f"{BASE}/projects/p2", {"json": {"id": "p2"}})
    clockify.answer(f"{BASE}/projects/p2/tasks", {"json": [{"id": "t of p2", "name": "2"}]})

    assert changes(connection.sync()) == ["+t of p2"]
    assert messages(connection.sync()) == []


def test_children_of_a_hidden_parent_that_cannot_be_listed_are_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks")
    clockify.listing("projects", _named("p1", "p2"))
    for parent in ("p1", "p2"):
        clockify.listing(f"projects/{parent}/tasks", _named(f"t of {parent}"))
    connection.sync()
    clockify.listing("projects", _named("p1"))
    clockify.answer(f"{BASE}/projects/p2", {"json": {"id": "p2"}})
    clockify.answer(f"{BASE}/projects/p2/tasks", REFUSED)

    output = connection.sync()

    assert messages(output) == []
    (warning,) = warnings(output)
    assert warning.startswith(f"tasks: 1 records of workspace {WORKSPACE} are missing")


# What it may cost ---------------------------------------------------------------------------------


def test_hidden_records_take_turns_within_a_tenth_of_the_reads(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_clockify.tracked_sync.SINGLE_READS", 40)
    connection = connect("tags")
    served = rows(20, name="old")
    listed, hidden = served[:10], served[10:]
    clockify.serve("tags", served)
    connection.sync()
    clockify.serve("tags", listed)
    clockify.by_id("tags", *hidden)
    connection.sync()
    assert len(single_reads(clockify, "tags")) == 10
    clockify.by_id("tags", *({**row, "name": "new"} for row in hidden))

    outputs = [connection.sync() for _ in range(20)]

    assert len(single_reads(clockify, "tags")) == 10 + 20 * 4
    sent = [message["id"] for output in outputs for message in messages(output)]
    assert sorted(sent) == [row["id"] for row in hidden]
    for output in outputs:
        (warning,) = warnings(output)
        assert warning.startswith(f"tags: 6 records of workspace {WORKSPACE} are missing")
        assert "were not looked up" in warning


def test_hidden_records_leave_the_reads_that_prove_deletions(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_clockify.tracked_sync.SINGLE_READS", 60)
    connection = connect("tags")
    served = rows(120)
    clockify.serve("tags", served)
    connection.sync()
    clockify.serve("tags", served[:70])
    clockify.by_id("tags", *served[70:])
    connection.sync()
    clockify.serve("tags", served[:20])

    assert len(messages(connection.sync())) == 50


def test_hidden_records_do_not_make_a_later_deletion_wait(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    served = rows(260)
    clockify.serve("tags", served)
    connection.sync()
    clockify.serve("tags", served[:40])
    clockify.by_id("tags", *served[40:])
    # So much is missing that the next sync must miss it too.
    assert len(warnings(connection.sync())) == 1
    connection.sync()
    clockify.serve("tags", served[:39])
    clockify.by_id("tags", *served[40:])

    assert changes(connection.sync()) == [f"-{served[39]['id']}"]


def test_a_task_that_moved_to_a_hidden_project_is_an_edit_and_no_deletion(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tasks")
    clockify.listing("projects", _named("p1", "p2"))
    clockify.listing("projects/p1/tasks", [{"id": "t", "projectId": "p1"}, {"id": "a"}])
    clockify.listing("projects/p2/tasks", _named("b"))
    connection.sync()
    clockify.listing("projects", _named("p1"))
    clockify.listing("projects/p1/tasks", _named("a"))
    clockify.listing("projects/p2/tasks", [{"id": "t", "projectId": "p2"}, {"id": "b"}])
    clockify.by_id("projects", {"id": "p2"})
    clockify.by_id("projects/p1/tasks")

    output = connection.sync()

    assert changes(output) == ["+t"]
    assert message_of(output, "t")["projectId"] == "p2"
    assert messages(connection.sync()) == []


# Users who are no longer listed -------------------------------------------------------------------


def test_entries_of_a_hidden_user_are_compared_and_new_ones_sent(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "u2", "idle")
    clockify.user_entries("u1", [])
    clockify.user_entries("idle", [])
    clockify.user_entries("u2", [on("2026-11-20", "a"), on("2026-11-21", "b")])
    connection.sync()
    clockify.users("u1")
    clockify.user_entries("u2", [on("2026-11-20", "a", billable=True), on("2026-11-25", "c")])
    clockify.user_entries("idle", [on("2026-11-25", "d"), on("2010-01-01", "imported")])
    clockify.by_id("time-entries")

    assert changes(connection.sync()) == ["+a", "+c", "+d", "-b"]
    assert messages(connection.sync()) == []
    clockify.users("u1", "u2", "idle")
    assert messages(connection.sync()) == []


def test_a_user_who_is_gone_and_has_no_time_entries_is_asked_for_once(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "left")
    clockify.user_entries("u1", [])
    clockify.user_entries("left", [])
    connection.sync()
    clockify.users("u1")
    path = f"{BASE}/user/left/time-entries"
    clockify.answer(path, gone())
    sent = len(clockify.sent(path))

    outputs = [connection.sync() for _ in range(2)]

    assert len(clockify.sent(path)) == sent + 1
    assert [warnings(output) for output in outputs] == [[], []]


def test_a_hidden_user_whose_time_entries_are_refused_is_warned_of(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("time_entries")
    clockify.users("u1", "u2")
    clockify.user_entries("u1", [])
    clockify.user_entries("u2", [on("2026-11-20", "a")])
    connection.sync()
    clockify.users("u1")
    clockify.answer(f"{BASE}/user/u2/time-entries", REFUSED)
    clockify.by_id("time-entries", on("2026-11-20", "a", billable=True))

    output = connection.sync()

    assert changes(output) == ["+a"]
    (warning,) = warnings(output)
    assert warning.startswith(f"time_entries: 1 users of workspace {WORKSPACE} are no longer")
