"""Finds the beginning of a report's history.

Reports are requested in windows of 31 days, and an empty window costs a request too, so they are
not read from 2000 on. The id of a workspace tells when it was created, but imported entries may be
older. One request for the oldest row finds the first day to read; if the plan refuses such a wide
range, the report begins with the workspace, and a warning says so.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import requests
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.records import start_of
from source_clockify.request_notes import recording_requests
from source_clockify.requested_slices import REQUESTED_SLICES, on_demand, requesting
from source_clockify.timestamps import EARLIEST_TEXT, creation_time, format_second, second_of

logger = logging.getLogger("airbyte")

# The rows that reports consist of.
ENTRIES = "time_entries"
EXPENSES = "expenses"

# The start of the windows that cover all history; see `report_window` in the manifest.
FIRST_DAY = date.fromisoformat(EARLIEST_TEXT[:10])
_ANCIENT = (date(1, 1, 1), FIRST_DAY - timedelta(days=1))

# How often an even older row is searched for. The second search finds none, unless the server does
# not sort.
_MOST_PROBES = 10


def rows_of_report(stream_name: str) -> str:
    """Return the kind of rows a report consists of; "" if the stream is not a report."""
    if not stream_name.endswith("_report"):
        return ""
    return EXPENSES if stream_name == "expense_report" else ENTRIES


# The streams of the probes ----------------------------------------------------------------------


def probe_streams(definitions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the definitions of the streams that search for the oldest row, one per kind of row.

    `definitions` are those of the manifest with resolved references, so the probes use its
    authenticator, error handlers and request budget.
    """
    detailed, expenses = definitions["detailed_report_stream"], definitions["expense_report_stream"]
    filters = {"sortColumn": "DATE", "page": 1, "pageSize": 1, "options": {"totals": "EXCLUDE"}}
    return [
        # The key of a manager may not be allowed to see amounts.
        _probe(detailed, ENTRIES, {"amountShown": "HIDE_AMOUNT", "detailedFilter": filters}),
        _probe(expenses, EXPENSES, {"sortColumn": "DATE", "page": 1, "pageSize": 1}),
    ]


def _probe(report: Mapping[str, Any], rows: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    requester = report["retriever"]["requester"]
    handler = requester["error_handler"]
    # A refused range counts as an answer.
    refused = {
        "type": "HttpResponseFilter",
        "http_codes": [400],
        "action": "IGNORE",
        "error_message": (
            "Clockify refused {{ request_url }}: "
            "{{ (response.get('message') if response is mapping) or 'no reason given' }}."
        ),
    }
    body = {
        "dateRangeStart": "{{ stream_partition['first'] }}T00:00:00.000Z",
        "dateRangeEnd": "{{ stream_partition['last'] }}T23:59:59.999Z",
        "timeZone": "UTC",
        "exportType": "JSON",
        "sortOrder": "ASCENDING",
        **settings,
    }
    stream = {
        "type": "DeclarativeStream",
        "name": f"oldest_{rows}",
        "$parameters": report["$parameters"],
        "schema_loader": report["schema_loader"],
        "retriever": {
            "type": "SimpleRetriever",
            "record_selector": {
                "type": "RecordSelector",
                "extractor": report["retriever"]["record_selector"]["extractor"],
            },
            "partition_router": REQUESTED_SLICES,
            "requester": {
                **requester,
                "error_handler": {
                    **handler,
                    "response_filters": [refused, *handler["response_filters"]],
                },
                "request_body": {"type": "RequestBodyJsonObject", "value": body},
            },
        },
    }
    return on_demand(stream)


# The beginning of a workspace's reports ----------------------------------------------------------


class _Refused(Exception):
    """Clockify refused a probe; the text is the reason."""


class ReportHistory:
    """The beginning of the reports in each workspace; worker threads share it.

    Args:
        probes: the streams of `probe_streams`, by name; other streams are ignored.
        reports: the names of the selected report streams.
    """

    def __init__(self, probes: Mapping[str, AbstractStream], reports: Sequence[str]) -> None:
        self._probes = probes
        self._reports = reports
        self._workspaces: Mapping[str, Mapping[str, Any]] = {}
        self._found: dict[tuple[str, str], date | Exception] = {}
        self._failed: set[tuple[str, str]] = set()
        self._limited: set[str] = set()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def know(self, workspaces: Iterable[Mapping[str, Any]]) -> None:
        """Add rows of the stream `workspaces` before anything is read; they may be incomplete."""
        self._workspaces = {str(row.get("id")): row for row in workspaces}

    def beginning(self, stream_name: str, workspace_id: str) -> date | None:
        """Return the first day of a workspace on which a report may have rows.

        None if it is unknown: the error is raised once per stream and workspace, so that it does
        not fail each of the windows.

        Raises:
            AirbyteTracedException, requests.RequestException: if a probe fails.
            ValueError: for an id that does not contain the time of creation.
        """
        rows = rows_of_report(stream_name)
        key = (workspace_id, rows)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._found:
                try:
                    self._found[key] = self._begin(workspace_id, rows)
                except (AirbyteTracedException, requests.RequestException, ValueError) as error:
                    self._found[key] = error
        found = self._found[key]
        if isinstance(found, date):
            return found
        with self._lock:
            if (stream_name, workspace_id) in self._failed:
                return None
            self._failed.add((stream_name, workspace_id))
        raise found

    def _begin(self, workspace_id: str, rows: str) -> date:
        created = creation_day(workspace_id)
        widest = _widest_range(self._workspaces.get(workspace_id, {}))
        if widest == 31:
            self._warn_of_limit(workspace_id, created)
            return created
        before = created - timedelta(days=1)
        try:
            oldest = self._oldest(workspace_id, rows, FIRST_DAY, before, widest)
        except _Refused as refusal:
            logger.warning(
                "Clockify refused to look for %s from before workspace %s was created, so %s "
                "%s on %s, its first day. Imported data from before that day is not included. To "
                "include it, set Start Date (start_date). %s",
                rows.replace("_", " "),
                self._called(workspace_id),
                *self._reports_begin(rows),
                created,
                refusal,
            )
            return created
        if widest is None:
            self._warn_of_rows_before_windows(workspace_id, rows)
        return oldest or created

    def _oldest(
        self, workspace_id: str, rows: str, first: date, last: date, widest: int | None
    ) -> date | None:
        """Return the day of the oldest row between two days; None if there is no row."""
        if widest is None:
            return self._oldest_within(workspace_id, rows, first, last)
        while first <= last:
            end = min(date(first.year, 12, 31), last)
            found = self._oldest_within(workspace_id, rows, first, end)
            if found is not None:
                return found
            first = end + timedelta(days=1)
        return None

    def _oldest_within(self, workspace_id: str, rows: str, first: date, last: date) -> date | None:
        found: date | None = None
        for _ in range(_MOST_PROBES):
            if last < first:
                return found
            row = self._first_row(workspace_id, rows, first, last)
            if row is None:
                return found
            second = second_of(_moment_of(row))
            day = None if second is None else format_second(second)[:10]
            if day is None or not first.isoformat() <= day <= last.isoformat():
                return first
            found = date.fromisoformat(day)
            last = found - timedelta(days=1)
        return first

    def _first_row(
        self, workspace_id: str, rows: str, first: date, last: date
    ) -> Mapping[str, Any] | None:
        window = StreamSlice(
            partition={
                "workspace_id": workspace_id,
                "first": first.isoformat(),
                "last": last.isoformat(),
            },
            cursor_slice={},
        )
        found: list[Mapping[str, Any]] = []
        with requesting([window]), recording_requests() as notes:
            for part in self._probes[f"oldest_{rows}"].generate_partitions():
                found.extend(record.data for record in part.read())
        if notes.refusals:
            raise _Refused(notes.refusals[0].message)
        return found[0] if found else None

    def _warn_of_rows_before_windows(self, workspace_id: str, rows: str) -> None:
        """Warn of rows that no window of a report can cover."""
        try:
            row = self._first_row(workspace_id, rows, *_ANCIENT)
        except _Refused:
            return
        if row is not None:
            streams, _ = self._reports_begin(rows)
            logger.warning(
                "Workspace %s has %s from before 2000, the oldest of %s, which %s cannot show. "
                "The stream %s has them.",
                self._called(workspace_id),
                rows.replace("_", " "),
                _moment_of(row),
                streams,
                rows,
            )

    def _warn_of_limit(self, workspace_id: str, created: date) -> None:
        with self._lock:
            if workspace_id in self._limited:
                return
            self._limited.add(workspace_id)
        logger.warning(
            "The plan of workspace %s limits a report to 31 days, so %s %s on %s, when the "
            "workspace was created. Imported data from before that day is not included. To "
            "include it, set Start Date (start_date).",
            self._called(workspace_id),
            *self._reports_begin(),
            created,
        )

    def _reports_begin(self, rows: str = "") -> tuple[str, str]:
        """Return the names of the reports with this kind of rows, and the verb for them."""
        names = [name for name in self._reports if rows in ("", rows_of_report(name))]
        return ", ".join(names), "begins" if len(names) == 1 else "begin"

    def _called(self, workspace_id: str) -> str:
        name = self._workspaces.get(workspace_id, {}).get("name")
        return f"{workspace_id} ({name})" if name else workspace_id


def creation_day(workspace_id: str) -> date:
    """Return the UTC day on which a workspace was created.

    Raises:
        ValueError: for an id that is not hexadecimal.
    """
    return date.fromisoformat(creation_time(workspace_id).to_date_string())


def end_of_week(day: str) -> str:
    """Return the day after the week of a day, as requested from the weekly report."""
    found = date.fromisoformat(day[:10])
    return (found + timedelta(days=7 - found.weekday())).isoformat()


def ends_before(stream_slice: Mapping[str, Any], day: date) -> bool:
    """Return whether a report's window ends before a day."""
    return bool(stream_slice["end_time"] <= day.isoformat())


def ends_before_workspace(stream_slice: Mapping[str, Any]) -> bool:
    """Return whether a report's window ends before its workspace was created."""
    try:
        return ends_before(stream_slice, creation_day(stream_slice["workspace_id"]))
    except ValueError:
        return False


def _widest_range(workspace: Mapping[str, Any]) -> int | None:
    """Return the longest range, in days, of a workspace's plan; None if unlimited or unknown."""
    features = workspace.get("features") or ()
    if "UNLIMITED_REPORTS" in features:
        return None
    if "ONE_YEAR_RANGE_REPORTS" in features:
        return 366
    return 31 if "ONE_MONTH_RANGE_REPORTS" in features else None


def _moment_of(row: Mapping[str, Any]) -> str | None:
    return start_of(row) or row.get("date")
