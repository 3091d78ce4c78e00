"""A sync is never green while something is missing: every stream, refused or broken in every way.

One read covers all streams: the fault strikes the requests of each, all but the list of workspaces.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from clockify_sandbox.timetext import utc_text
from demo.scenario import PATHS
from integration_tests.airbyte import (
    CONNECTOR,
    MANIFEST_ALONE,
    STREAMS,
    Output,
    config_of,
    key_of,
    read,
)
from integration_tests.consumer import Consumer, Key, comparable
from integration_tests.frozen import Clock
from integration_tests.truth import EVENTS, TOTALS, expected

NOW = datetime(2026, 11, 3, 9, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
# Keeps the number of windows small where each of them is tried eight times.
START_DATE = "2026-10-20T00:00:00Z"

STRUCK = {stream: path for stream, path in PATHS.items() if stream != "workspaces"} | {
    "users": "/users(?:/info)?"
}

# Where a parent fails its children are asked for nothing.
CHILDREN = {
    "invoices": ("invoice_details", "invoice_payments"),
    "projects": ("tasks",),
    "time_off_policies": ("time_off_balances",),
    "users": ("member_profiles", "time_entries"),
    "webhooks": ("webhook_logs",),
}
FAMILIES = sorted({*CHILDREN, *(each for children in CHILDREN.values() for each in children)})

# Clockify's own refusals.
REFUSALS: Mapping[str, JSON] = {
    "JSON 403": {"status": 403, "body": {"message": "Access Denied", "code": 501}},
    "JSON 401": {"status": 401, "body": {"message": "Upgrade your plan to use this feature"}},
}
# Those of a proxy, a firewall, a CDN, and refusals that give no reason.
NOT_CLOCKIFYS: Mapping[str, JSON] = {
    "HTML 403": {"html": True, "status": 403},
    "HTML 402": {"html": True, "status": 402},
    "HTML 404": {"html": True, "status": 404},
    "empty 403": {"status": 403, "body": None},
    "HTML 503": {"html": True, "status": 503},
}
ONCE, FOR_EVER = 1, None

each_refusal = pytest.mark.parametrize("kind", REFUSALS)
each_other_fault = pytest.mark.parametrize("kind", NOT_CLOCKIFYS)
each_number = pytest.mark.parametrize("times", [ONCE, FOR_EVER], ids=["once", "for ever"])

Rows = dict[str, dict[Key, JSON]]


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    options: dict[str, Any] = {"users": 2, "entries": 4, "projects": 2, "tasks": 1, "days": 10}
    with start(plan="ENTERPRISE", now=utc_text(int(NOW.timestamp())), **options) as sandbox:
        yield sandbox


def strike(sandbox: Sandbox, kind: str, times: int | None, streams: Collection[str]) -> None:
    """Let the requests of streams fail."""
    for stream in streams:
        action = {**REFUSALS, **NOT_CLOCKIFYS}[kind]
        sandbox.fault(action, path=f".*{STRUCK[stream]}", times=times)


def assert_struck(sandbox: Sandbox) -> None:
    unhurt = [fault["match"]["path"] for fault in sandbox.faults() if not fault["hits"]]
    assert unhurt == [], "the fault met no request of these"


def rows_of(sandbox: Sandbox, start_date: str = "") -> Rows:
    """What the account holds, by stream and key."""
    return {
        stream: by_key(stream, expected(sandbox, stream, start_date=start_date))
        for stream in STREAMS
    }


def by_key(stream: str, rows: Iterable[JSON]) -> dict[Key, JSON]:
    return {key_of(stream, row): content_of(stream, comparable(stream, row)) for row in rows}


def content_of(stream: str, row: JSON) -> JSON:
    """What a later sync promises of a row: of events and approvals that they are there.

    Both show what they are about as it is now, which changes without an event.
    """
    return {} if stream in (*EVENTS, "approval_requests") else row


def is_named(output: Output, stream: str, workspace: str) -> bool:
    """Whether a warning names the stream, in words and not only in a URL, and its workspace."""
    name = re.compile(rf"(?<![\w/]){stream}(?!\w)")
    return any(workspace in text and name.search(text) for text in output.warnings())


def assert_not_silent(output: Output, workspace: str, there: Rows, seen: Rows) -> list[str]:
    """AssertionError if a stream is green and lacks rows of which no warning tells.

    Answers the streams that lack rows.
    """
    lacking = [
        stream
        for stream in output.statuses
        if any(seen[stream].get(key) != row for key, row in there[stream].items())
    ]
    silent = [
        stream
        for stream in lacking
        if output.statuses[stream] == "COMPLETE" and not is_named(output, stream, workspace)
    ]
    assert silent == [], output.warnings()
    assert (output.returncode == 0) == ({*output.statuses.values()} == {"COMPLETE"})
    return lacking


# Full refresh


@dataclass(frozen=True)
class Account:
    """An account with something of every stream, also since START_DATE."""

    sandbox: Sandbox
    workspace: str

    def read_under(
        self, kind: str, times: int | None, struck: Collection[str], streams: Collection[str]
    ) -> tuple[Output, list[str]]:
        """Read under a fault; the streams that lack rows, each of which is said to."""
        start_date = START_DATE if times is FOR_EVER else ""
        there = rows_of(self.sandbox, start_date)
        assert all(there.values())
        strike(self.sandbox, kind, times, struck)
        more = {"start_date": start_date} if start_date else {}
        output = read(CONNECTOR, config_of(self.sandbox, **more), streams, in_process=True)
        assert output.statuses.keys() == set(streams)
        assert_struck(self.sandbox)
        seen = {stream: by_key(stream, output.records[stream]) for stream in streams}
        return output, assert_not_silent(output, self.workspace, there, seen)


@pytest.fixture
def account(server: Sandbox, clock: Clock) -> Account:
    server.reset()
    workspace = server.workspaces[0]["id"]
    # So that the newest changes tell of a deletion too.
    server.delete(workspace, "tags", server.rows("tags")[0]["id"])
    # The feed leaves out what was created shortly before it was deleted.
    created = [
        (row["auditMetadata"]["createdAt"], row["id"])
        for row in server.rows("entity_changes_created")
        if row["documentCode"] == "TIME_ENTRY"
    ]
    server.delete(workspace, "time-entries", min(created)[1])
    server.advance(HOUR.total_seconds())
    clock.set(NOW + HOUR)
    return Account(server, workspace)


@each_refusal
def test_a_refused_request_is_said_whatever_its_stream(account: Account, kind: str) -> None:
    output, _ = account.read_under(kind, ONCE, STRUCK, STREAMS)
    assert output.statuses == dict.fromkeys(STREAMS, "COMPLETE")


@each_refusal
def test_a_stream_that_is_refused_is_skipped_and_named(account: Account, kind: str) -> None:
    struck = STRUCK.keys() - CHILDREN.keys()
    output, lacking = account.read_under(kind, FOR_EVER, struck, STREAMS)
    assert output.statuses == dict.fromkeys(STREAMS, "COMPLETE")
    assert {*lacking} == struck


@each_refusal
def test_children_of_a_parent_that_is_refused_are_skipped_and_named(
    account: Account, kind: str
) -> None:
    output, lacking = account.read_under(kind, FOR_EVER, CHILDREN, FAMILIES)
    assert output.statuses == dict.fromkeys(FAMILIES, "COMPLETE")
    assert {*lacking} == {*FAMILIES}


@each_other_fault
def test_what_somebody_else_answers_once_takes_nothing_away(account: Account, kind: str) -> None:
    output, lacking = account.read_under(kind, ONCE, STRUCK, STREAMS)
    assert lacking == []
    assert output.returncode == 0
    assert output.errors == []


@each_other_fault
def test_what_somebody_else_answers_for_ever_fails_every_stream(
    account: Account, kind: str
) -> None:
    struck = STRUCK.keys() - CHILDREN.keys()
    output, _ = account.read_under(kind, FOR_EVER, struck, STREAMS)
    assert output.statuses == {
        stream: "INCOMPLETE" if stream in struck else "COMPLETE" for stream in STREAMS
    }


@each_other_fault
def test_children_of_a_parent_that_somebody_else_answers_fail_with_it(
    account: Account, kind: str
) -> None:
    output, _ = account.read_under(kind, FOR_EVER, CHILDREN, FAMILIES)
    assert output.statuses == dict.fromkeys(FAMILIES, "INCOMPLETE")


# The manifest alone


SOME = ("detailed_report", "expenses", "member_profiles", "tags", "time_entries")


@each_other_fault
@each_number
def test_the_manifest_alone_takes_nobodys_refusal_for_clockifys(
    account: Account, kind: str, times: int | None
) -> None:
    strike(account.sandbox, kind, times, SOME)
    config = config_of(account.sandbox, start_date=START_DATE, workspace_ids=[account.workspace])
    output = read(MANIFEST_ALONE, config, SOME, in_process=True)
    if times is FOR_EVER:
        assert output.statuses == dict.fromkeys(SOME, "INCOMPLETE")
        return
    for stream in SOME:
        there = by_key(stream, expected(account.sandbox, stream, (), START_DATE))
        whole = by_key(stream, output.records[stream]) == there
        assert whole == (output.statuses[stream] == "COMPLETE"), stream


# A later sync


@dataclass(frozen=True)
class FirstSync:
    messages: Sequence[JSON]
    state: list[JSON]


@pytest.fixture(scope="module")
def first_sync(server: Sandbox, clock: Clock) -> FirstSync:
    server.reset()
    clock.set(NOW)
    output = sync(server, None)
    assert output.statuses == dict.fromkeys(STREAMS, "COMPLETE"), output.errors
    return FirstSync(output.messages, output.state)


def sync(sandbox: Sandbox, state: list[JSON] | None) -> Output:
    config = config_of(sandbox, start_date=START_DATE)
    return read(CONNECTOR, config, sync_mode="incremental", state=state, in_process=True)


# The collections of the streams whose rows somebody adds, changes and deletes.
EDITED = {
    "clients": "clients",
    "custom_fields": "custom-fields",
    "expense_categories": "expense-categories",
    "expenses": "expenses",
    "holidays": "holidays",
    "invoice_payments": "invoice-payments",
    "invoices": "invoices",
    "scheduling_assignments": "assignments",
    "shared_reports": "shared-reports",
    "tags": "tags",
    "tasks": "tasks",
    "time_entries": "time-entries",
    "time_off_policies": "time-off-policies",
    "time_off_requests": "time-off-requests",
    "user_groups": "user-groups",
    "webhooks": "webhooks",
}
# Where rows are only added.
GROWING = ("approval-requests", "projects", "webhook-logs", "users")


def work(sandbox: Sandbox) -> None:
    """Add, change and delete one row of nearly everything."""
    workspace = sandbox.workspaces[0]["id"]
    for stream, collection in EDITED.items():
        rows = sandbox.rows(stream, workspaceId=workspace)
        if len(rows) > 1:
            sandbox.delete(workspace, collection, rows[-1]["id"])
        sandbox.update(workspace, collection, rows[0]["id"], {"name": "edited", "note": "edited"})
        sandbox.create(workspace, collection)
    for collection in GROWING:
        sandbox.create(workspace, collection)


def tombstones(messages: Sequence[JSON]) -> set[tuple[str, Key]]:
    records = [each["record"] for each in messages if each["type"] == "RECORD"]
    return {
        (each["stream"], key_of(each["stream"], each["data"]))
        for each in records
        if "_ab_cdc_deleted_at" in each["data"]
    }


def view_of(consumer: Consumer, stream: str) -> dict[Key, JSON]:
    return {key: content_of(stream, row) for key, row in consumer.view(stream).items()}


@pytest.mark.parametrize("kind", [*REFUSALS, *NOT_CLOCKIFYS])
@each_number
def test_a_later_sync_says_what_it_lacks_and_deletes_only_what_is_deleted(
    server: Sandbox, clock: Clock, first_sync: FirstSync, kind: str, times: int | None
) -> None:
    server.reset()
    clock.set(NOW + HOUR)
    consumer = Consumer()
    consumer.take(first_sync.messages)
    server.set_now(utc_text(int((NOW + HOUR).timestamp())))
    work(server)
    there = rows_of(server, START_DATE)
    strike(server, kind, times, STRUCK)

    clock.set(NOW + 2 * HOUR)
    output = sync(server, first_sync.state)

    assert output.statuses.keys() == set(STREAMS)
    consumer.take(output.messages)
    wrong = {(stream, key) for stream, key in tombstones(output.messages) if key in there[stream]}
    assert wrong == set()
    seen = {stream: view_of(consumer, stream) for stream in STREAMS}
    lacking = assert_not_silent(output, server.workspaces[0]["id"], there, seen)
    if kind in NOT_CLOCKIFYS and times is ONCE:
        assert lacking == []
        assert output.returncode == 0

    server.clear_faults()
    held = {state["stream"]["stream_descriptor"]["name"]: state for state in first_sync.state}
    clock.set(NOW + 24 * HOUR)
    # Their window moves with the day.
    there |= {
        stream: by_key(stream, expected(server, stream, start_date=START_DATE)) for stream in TOTALS
    }
    repaired = sync(server, list({**held, **output.states}.values()))
    assert repaired.errors == []
    consumer.take(repaired.messages)
    for stream in STREAMS:
        view = view_of(consumer, stream)
        assert {key: view.get(key) for key in there[stream]} == there[stream], stream
        if stream not in EVENTS and stream != "webhook_logs":
            assert view.keys() == there[stream].keys(), stream
