"""Whatever Clockify turns out to do where it is not known: read whole, or say what is missing.

Each case is one setting of the sandbox. The streams that it touches are read through the connector
and through the manifest alone, and compared with the truth field by field, each key once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from clockify_sandbox.timetext import utc_text
from demo.scenario import PATHS
from integration_tests.airbyte import (
    CONNECTOR,
    LAYERS,
    MANIFEST_ALONE,
    Layer,
    Output,
    config_of,
    key_of,
    read,
)
from integration_tests.consumer import Consumer
from integration_tests.frozen import Clock
from integration_tests.test_read import assert_read
from integration_tests.truth import expected

NOW = datetime(2026, 11, 3, 9, tzinfo=timezone.utc)
START_DATE = "2026-10-20T00:00:00Z"
CHANGES = ("entity_changes_created", "entity_changes_updated", "entity_changes_deleted")
REPORTS = ("detailed_report", "summary_report", "weekly_report", "attendance_report")


@dataclass(frozen=True)
class Case:
    """A setting, the streams that it touches, and how they are read.

    Attributes:
        said: the streams that may lack rows if they fail or a warning names them.
        by_manager: whether a team manager's key reads instead of the owner's.
        start_date: of the configuration, empty for all history.
        layers: those that keep the promise; docs/airbyte-cloud.md says what the other lacks.
    """

    settings: JSON
    streams: tuple[str, ...]
    said: tuple[str, ...] = ()
    by_manager: bool = False
    start_date: str = START_DATE
    layers: tuple[Layer, ...] = LAYERS

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.settings.items())


CASES = (
    Case({"running_in_reports": False}, ("detailed_report",)),
    Case({"invoicing_info": "list"}, ("detailed_report",)),
    Case({"invoicing_info": "absent"}, ("detailed_report",)),
    Case({"report_last_page": False}, ("detailed_report",)),
    Case({"change_days": 30}, CHANGES),
    Case({"change_retention": 30}, CHANGES, said=CHANGES, start_date=""),
    Case({"change_page_max": 50}, CHANGES),
    Case({"feed_drop": 40, "feed_seed": 3}, (*CHANGES, "audit_log")),
    Case({"feed_order": "descending", "change_page_max": 50}, CHANGES),
    Case({"feed_order": "shuffled", "change_page_max": 50}, CHANGES),
    Case({"feed_refused": "403"}, CHANGES, said=CHANGES),
    Case({"feed_refused": "401"}, CHANGES, said=CHANGES),
    Case({"feed_refused": "404"}, CHANGES, said=CHANGES),
    Case({"feed_refused": "400"}, CHANGES, said=CHANGES),
    Case({"feed_refused": "empty_403"}, CHANGES, said=CHANGES),
    Case({"feed_parts_id": "timeEntryId"}, CHANGES),
    Case({"audit_days": 30}, ("audit_log",)),
    Case({"audit_system": "always"}, ("audit_log",), start_date=""),
    Case({"audit_system": "never"}, ("audit_log",), start_date=""),
    Case({"audit_without_authors": "everybody"}, ("audit_log",)),
    Case(
        {"approvals_default": "pending"},
        ("approval_requests",),
        said=("approval_requests",),
        start_date="",
        layers=(CONNECTOR,),
    ),
    Case({"categories_default": "all"}, ("expense_categories",)),
    Case({"drafts_listed": True}, ("scheduling_assignments",)),
    Case({"shared_reports_all_admin": "refused"}, ("shared_reports",)),
    Case({"summary_day": "id"}, ("summary_report",), said=("summary_report",)),
    Case({"manager_reports": "answered"}, REPORTS, by_manager=True),
    Case({"hide_amount": "refused"}, REPORTS, said=REPORTS, by_manager=True),
    Case({"hide_amount": "refused"}, REPORTS, start_date=""),
    Case({"report_sorts_by_date": False}, REPORTS, start_date=""),
    Case({"report_year_one": "refused"}, REPORTS, start_date=""),
    Case({"report_since_2000": "refused"}, REPORTS, start_date=""),
    Case(
        {"assignments_year_one": "refused"},
        ("scheduling_assignments",),
        said=("scheduling_assignments",),
        start_date="",
    ),
    Case({"entry_window": "utc"}, ("time_entries",)),
    Case({"entry_end": "inclusive"}, ("time_entries",)),
    Case({"empty_client": None}, ("projects",)),
    Case({"attendance_max": 200}, ("attendance_report",)),
    Case({"feature_names": "absent"}, ("workspaces", "custom_fields"), start_date=""),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    options: dict[str, Any] = {"users": 2, "entries": 6, "projects": 2, "tasks": 1, "days": 10}
    with start(plan="ENTERPRISE", now=utc_text(int(NOW.timestamp())), **options) as sandbox:
        yield sandbox


def is_said(layer: Layer, output: Output, stream: str) -> bool:
    """Whether a read fails for a stream, or says that it was refused.

    The connector names the stream in a warning; the manifest alone can only log the request.
    """
    if output.statuses.get(stream) == "INCOMPLETE" and output.returncode != 0:
        return True
    if layer is MANIFEST_ALONE:
        refused = re.compile(rf"Clockify refused \S+{PATHS[stream]}: ")
        return any(refused.match(text) for _, text in output.logs)
    name = re.compile(rf"(?<![\w/]){stream}(?!\w)")
    return any(name.search(text) for text in output.warnings())


@pytest.mark.parametrize(
    ("layer", "case"), [(layer, case) for case in CASES for layer in case.layers], ids=str
)
def test_a_stream_is_whole_or_says_what_is_missing(
    server: Sandbox, clock: Clock, layer: Layer, case: Case
) -> None:
    server.reset()
    # Not on the second of any event, which may come with both of the windows that touch there.
    clock.set(NOW + timedelta(minutes=17, seconds=13))
    server.set_now(utc_text(int(clock.now().timestamp())))
    server.settings(**case.settings)
    workspace = server.workspaces[0]["id"]
    more: JSON = {"workspace_ids": [workspace]}
    if case.start_date:
        more["start_date"] = case.start_date
    if case.by_manager:
        known = server.info()
        roles = {"roles": ["TEAM_MANAGER"]}
        server.update(workspace, "users", known["users"]["member"], roles)
        more["credentials"] = {"auth_type": "api_key", "api_key": known["keys"]["member"]}
    output = read(layer, config_of(server, **more), case.streams, in_process=True)

    for stream in case.streams:
        if stream in case.said and is_said(layer, output, stream):
            continue
        assert output.statuses[stream] == "COMPLETE", output.errors
        wanted = expected(server, stream, start_date=case.start_date)
        assert_read(layer, stream, output.records[stream], wanted)


# What is read by id, which only a later sync of the connector does.

READ_BY_ID: tuple[JSON, ...] = (
    {},
    {"batch_route": "404"},
    {"batch_route": "405"},
    {"batch_max": 1},
    {"deleted_user_profile": "answered"},
    {"deleted_user_entries": "answered"},
    {"deleted_user_entries": "empty"},
    {"missing_entity": "404"},
)
SINGLE_READS = {
    "users": "/member-profile/",
    "member_profiles": "/member-profile/",
    "time_entries": "/time-entries/",
    "clients": "/clients/",
    "tags": "/tags/",
    "invoices": "/invoices/",
}
TRACKED = tuple(SINGLE_READS)


@pytest.mark.parametrize("settings", READ_BY_ID, ids=str)
def test_a_later_sync_converges_or_says_what_it_cannot_decide(
    server: Sandbox, clock: Clock, settings: JSON
) -> None:
    server.reset()
    clock.set(NOW + timedelta(minutes=17))
    server.settings(**settings)
    config, consumer, state = config_of(server, start_date=START_DATE), Consumer(), None
    workspace = server.workspaces[0]["id"]
    said = ""
    for number in range(3):
        output = read(
            CONNECTOR, config, TRACKED, sync_mode="incremental", state=state, in_process=True
        )
        consumer.take(output.messages)
        state = output.state
        said += "\n".join([*output.warnings(), *(each["message"] for each in output.errors)])
        if number == 0:
            entries = ids_of(server, "time_entries")
            for entry in entries[:3]:
                server.delete(workspace, "time-entries", entry)
            for collection in ("clients", "tags", "invoices"):
                server.delete(workspace, collection, ids_of(server, collection)[0])
            server.delete(workspace, "users", server.info()["users"]["member"])
        clock.set(clock.now() + timedelta(hours=2))
    for stream in TRACKED:
        there = {key_of(stream, row) for row in expected(server, stream, start_date=START_DATE)}
        held = set(consumer.view(stream))
        if stream == "time_entries":
            # Those of the deleted user live on, though no list has them.
            alive = {row["_id"] for row in server.rows("detailed_report")}
            held = {key for key in held if key in there or not alive.intersection(key)}
        assert held >= there, stream
        if held != there:
            # A user and their profile are decided by the same request.
            name = "users" if stream == "member_profiles" else stream
            undecided = rf"{name}: \d+ records|lookup request failed.*{SINGLE_READS[stream]}"
            assert re.search(undecided, said), (stream, said)


def ids_of(sandbox: Sandbox, stream: str) -> list[str]:
    return [row["id"] for row in sandbox.rows(stream)]
