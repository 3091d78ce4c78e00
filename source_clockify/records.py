"""Replaces the manifest's templates for single records of the large streams.

Evaluating a template takes longer than all other processing of a record.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from typing import Any

import requests
from airbyte_cdk.sources.declarative.decoders.json_decoder import JsonDecoder
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.types import Config, StreamSlice, StreamState

from source_clockify.bodies import decode, decode_rows, decoded_body, row_slices
from source_clockify.timestamps import (
    EARLIEST,
    EARLIEST_TEXT,
    YEAR_10000,
    format_second,
    second_of,
)


@dataclass
class MemoizedJsonDecoder(JsonDecoder):
    """Takes the body that was validated: decoded earlier, or now row by row."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)

    def decode(self, response: Any) -> Any:
        slices = row_slices(response)
        if slices is not None:
            yield from decode_rows(slices)
            return
        if getattr(response, "from_cache", False):
            # Other streams read the same response and modify its records.
            body = decode(response.content)
        else:
            body = decoded_body(response)
        if isinstance(body, list):
            yield from body
        else:
            yield {} if body is None else body


@dataclass
class EnvelopeExtractor(RecordExtractor):
    """Takes the rows under the key named by the stream's parameter `envelope`.

    The CDK's extractor traverses all values of a body to find them.
    """

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._envelope = parameters["envelope"]
        self._decoder = MemoizedJsonDecoder(parameters)

    def extract_records(self, response: requests.Response) -> Iterable[Mapping[str, Any]]:
        for body in self._decoder.decode(response):
            rows = body.get(self._envelope)
            if isinstance(rows, list):
                yield from rows


@dataclass
class StartAndCursor(RecordTransformation):
    """Adds `start` and `cursor`, like `entry_in_window` of the manifest."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._began = format_second(int(time.time()))

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        start = start_of(record)
        if start:
            record["start"] = start
            # For a start before the sync began, the time of the sync is current enough.
            record["cursor"] = (
                start
                if is_cursor(start, self._began)
                else cursor_of(start, format_second(int(time.time())))
            )


@dataclass
class NoEmptyInvoicingInfo(RecordTransformation):
    """Removes an empty `invoicingInfo`, like `no_empty_invoicing_info` of the manifest."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        if record.get("invoicingInfo") == []:
            del record["invoicingInfo"]


def is_cursor(start: str, now: str) -> bool:
    """Return whether a start is a valid cursor without conversion."""
    return EARLIEST_TEXT <= start <= now and len(start) == len(now) and start[-1] == "Z"


def cursor_of(start: str, now: str) -> str:
    """Return the start in UTC, to the second, between `EARLIEST_TEXT` and now.

    An invalid timestamp counts as now, so that no window excludes the record.
    """
    if is_cursor(start, now):
        return start
    if len(start) != len(EARLIEST_TEXT) or start[-1] != "Z":
        second = second_of(start)
        if second is None or second >= YEAR_10000:
            return now
        start = EARLIEST_TEXT if second < EARLIEST else format_second(second)
    return min(max(start, EARLIEST_TEXT), now)


@dataclass
class EntryInWindow(RecordFilter):
    """Keeps records that begin in the window or, if windows are days, not before the start date.

    It uses the cursor added by `StartAndCursor`.
    """

    def filter_records(
        self,
        records: Iterable[Mapping[str, Any]],
        stream_state: StreamState,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        first = str(stream_slice["start_time"]) if stream_slice else ""
        start_date = self.config.get("start_date") or ""
        is_day = len(first) == len("2024-05-31")
        if is_day:
            first = start_date
        for record in records:
            cursor = record.get("cursor")
            if cursor and cursor < first:
                continue
            if cursor == EARLIEST_TEXT and start_date and not is_day and _is_older(record):
                continue
            yield record


def _is_older(record: Mapping[str, Any]) -> bool:
    """Return whether a record begins before the earliest cursor."""
    second = second_of(start_of(record))
    return second is not None and second < EARLIEST


def start_of(record: Mapping[str, Any]) -> str | None:
    """Return the start of a time entry as Clockify writes it; None if it has none."""
    interval = record.get("timeInterval")
    start = interval.get("start") if isinstance(interval, dict) else None
    return start if isinstance(start, str) else None
