"""Answers that Clockify really gave come through whole, and are what the schemas say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from source_clockify import SourceClockify
from unit_tests.clockify import WORKSPACE, Clockify, config, read_ok, records
from unit_tests.strict import violations

FOLDER = Path(__file__).with_name("recordings")
SETTINGS = config(start_date="2025-09-01T00:00:00Z")

# The recording, and where its rows are.
RECORDED = {
    "clients": ("clients-2025-09", None),
    "projects": ("projects-2025-09", None),
    "invoice_details": ("invoice-get", None),
    "detailed_report": ("report-detailed-2025-09", "timeentries"),
    "summary_report": ("report-summary-2025-09", "groupOne"),
}
SHARED = ("shared-report-data", "groupOne")
CASES = [(stream, *where) for stream, where in RECORDED.items()] + [("summary_report", *SHARED)]


def recording(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def rows_in(name: str, envelope: str | None) -> list[dict[str, Any]]:
    body = recording(name)
    rows = body if envelope is None else body[envelope]
    return rows if isinstance(rows, list) else [rows]


def serve(clockify: Clockify, stream: str, name: str) -> None:
    body = recording(name)
    clockify.workspaces()
    below = f"/workspaces/{WORKSPACE}"
    if stream in ("clients", "projects"):
        clockify.listing(stream, body)
    elif name == "invoice-get":
        clockify.answer(f"{below}/invoices", {"json": {"total": 1, "invoices": [body]}})
        clockify.answer(f"{below}/invoices/{body['id']}", {"json": body})
    elif stream == "detailed_report":
        clockify.detailed_report(body["timeentries"])
    else:
        path = f"{below}/reports/{stream.removesuffix('_report')}"
        answers: tuple[dict[str, Any], ...] = ({"json": body}, {"json": {"groupOne": []}})
        clockify.answer(path, *answers, method="POST", host=clockify.reports)


@pytest.fixture(scope="module")
def schemas() -> Mapping[str, Mapping[str, Any]]:
    source = SourceClockify(config=SETTINGS)
    return {
        each.name: each.json_schema for each in source.discover(source.logger, SETTINGS).streams
    }


@pytest.mark.parametrize("alone", [False, True], ids=["connector", "manifest alone"])
@pytest.mark.parametrize("case", CASES)
def test_every_field_of_a_recording_comes_through_and_is_declared(
    clockify: Clockify,
    schemas: Mapping[str, Mapping[str, Any]],
    case: tuple[str, str, str | None],
    alone: bool,
) -> None:
    stream, name, envelope = case
    serve(clockify, stream, name)

    found = records(read_ok(stream, with_config=SETTINGS, manifest_alone=alone), stream)

    key = "id" if envelope is None else "_id"
    by_key = {record[key]: record for record in found}
    rows = rows_in(name, envelope)
    assert len(found) == len(rows) == len(by_key)
    for row in rows:
        record = by_key[row[key]]
        # Nulls at top level are not printed.
        assert {field: record.get(field) for field in row} == row
        assert violations(record, schemas[stream]) == []


def test_every_recording_is_served() -> None:
    files = {file.stem for file in FOLDER.glob("*.json")}

    assert files == {name for _, name, _ in CASES}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tomorrow": 1}, ": Additional properties are not allowed ('tomorrow' was unexpected)"),
        ({"archived": "yes"}, "archived: 'yes' is not of type 'null', 'boolean'"),
        (
            {"memberships": [{"tomorrow": 1}]},
            "memberships.0: Additional properties are not allowed ('tomorrow' was unexpected)",
        ),
    ],
)
def test_the_check_sees_other_types_and_what_is_undeclared(
    schemas: Mapping[str, Mapping[str, Any]], change: dict[str, Any], problem: str
) -> None:
    (project, *_) = rows_in("projects-2025-09", None)

    assert violations(project, schemas["projects"]) == []
    assert violations({**project, **change}, schemas["projects"]) == [problem]


def test_the_check_sees_what_is_no_moment(schemas: Mapping[str, Mapping[str, Any]]) -> None:
    (row, *_) = rows_in("report-detailed-2025-09", "timeentries")
    row["timeInterval"]["start"] = "yesterday"

    assert len(violations(row, schemas["detailed_report"])) == 1
