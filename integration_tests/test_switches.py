"""Whatever Clockify turns out to do where it is not known: read whole, or say what is missing.

Each case is one setting of the sandbox. The streams that it touches are read through the connector
and through the manifest alone, and compared with the truth field by field, each key once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest

from integration_tests.airbyte import CONNECTOR, LAYERS, Layer, Output, config_of, read
from integration_tests.frozen import Clock
from integration_tests.sandbox.client import JSON, Sandbox, start
from integration_tests.sandbox.timetext import utc_text
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
        said: the streams that may lack rows if they fail or are named, by layer.
        key: whose key reads.
        start_date: of the configuration, empty for all history.
    """

    settings: JSON
    streams: tuple[str, ...]
    said: tuple[str, ...] = ()
    key: str = "owner"
    start_date: str = START_DATE
    layers: tuple[Layer, ...] = field(default=LAYERS)

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.settings.items())


CASES = (
    Case({"running_in_reports": False}, ("detailed_report",)),
    Case({"invoicing_info": "list"}, ("detailed_report",)),
    Case({"invoicing_info": "absent"}, ("detailed_report",)),
    Case({"report_last_page": False}, ("detailed_report",)),
    Case({"deleted_user_profile": "answered"}, ("users", "member_profiles")),
    Case({"deleted_user_entries": "answered"}, ("time_entries",)),
    Case({"deleted_user_entries": "empty"}, ("time_entries",)),
    Case({"batch_route": "404"}, ("time_entries",)),
    Case({"batch_route": "405"}, ("time_entries",)),
    Case({"batch_max": 1}, ("time_entries",)),
    Case({"change_days": 30}, CHANGES),
    Case({"change_retention": 30}, CHANGES, said=CHANGES, start_date=""),
    Case({"change_page_max": 50}, CHANGES),
    Case({"audit_days": 30}, ("audit_log",)),
    Case({"audit_system": "always"}, ("audit_log",), start_date=""),
    Case({"audit_system": "never"}, ("audit_log",), start_date=""),
    Case({"audit_without_authors": "everybody"}, ("audit_log",)),
    Case({"approvals_default": "pending"}, ("approval_requests",), start_date=""),
    Case({"categories_default": "all"}, ("expense_categories",)),
    Case({"drafts_listed": True}, ("scheduling_assignments",)),
    Case({"shared_reports_all_admin": "refused"}, ("shared_reports",)),
    Case({"summary_day": "id"}, ("summary_report",), said=("summary_report",)),
    Case({"missing_entity": "404"}, ("member_profiles", "invoice_details", "time_entries")),
    Case({"manager_reports": "answered"}, REPORTS),
    Case({"hide_amount": "refused"}, REPORTS, start_date=""),
    Case({"report_sorts_by_date": False}, REPORTS, start_date=""),
    Case({"report_year_one": "refused"}, REPORTS, start_date=""),
    Case({"report_since_2000": "refused"}, REPORTS, start_date=""),
    Case({"assignments_year_one": "refused"}, ("scheduling_assignments",), start_date=""),
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


def is_said(output: Output, stream: str) -> bool:
    """Whether a read fails for a stream, or a warning names it."""
    failed = output.statuses.get(stream) == "INCOMPLETE" and output.returncode != 0
    return failed or any(stream in text for text in output.warnings())


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_stream_is_whole_or_says_what_is_missing(
    server: Sandbox, clock: Clock, layer: Layer, case: Case
) -> None:
    if layer not in case.layers:
        pytest.skip("what is not read in this way")
    server.reset()
    clock.set(NOW)
    server.settings(**case.settings)
    more: JSON = {"workspace_ids": [server.workspaces[0]["id"]]}
    if case.start_date:
        more["start_date"] = case.start_date
    output = read(layer, config_of(server, **more), case.streams, in_process=True)

    for stream in case.streams:
        wanted = expected(server, stream, start_date=case.start_date)
        if stream in case.said and is_said(output, stream):
            continue
        assert output.statuses[stream] == "COMPLETE", output.errors
        assert_read(layer, stream, output.records[stream], wanted)
