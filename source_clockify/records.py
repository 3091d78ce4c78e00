"""Replaces the manifest's templates for single records of the large streams.

Evaluating a template takes longer than all other processing of a record.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from typing import Any

import requests
from airbyte_cdk.sources.declarative.decoders.json_decoder import JsonDecoder
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.types import StreamSlice, StreamState

from source_clockify.bodies import decode, decode_chunks, decoded_body, row_slices
from source_clockify.cdk_patches import ChunkExtractor, ChunkTransformation
from source_clockify.record_batches import Chunk
from source_clockify.timestamps import (
    EARLIEST,
    EARLIEST_TEXT,
    YEAR_10000,
    format_second,
    second_of,
)


@dataclass
class MemoizedJsonDecoder(JsonDecoder):
    """Takes the body that was validated: decoded earlier, or now some rows at a time."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)

    def decode(self, response: Any) -> Any:
        slices = row_slices(response)
        if slices is not None:
            for rows in decode_chunks(slices, response):
                yield from rows
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
class ListExtractor(ChunkExtractor):
    """Takes the rows of a body that is a list, or the body itself."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._decoder = MemoizedJsonDecoder(parameters)

    def extract_records(self, response: requests.Response) -> Iterable[Mapping[str, Any]]:
        for body in self._decoder.decode(response):
            if isinstance(body, list):
                yield from body
            elif body:
                yield body

    def extract_chunks(self, response: requests.Response) -> Iterator[Chunk] | None:
        slices = row_slices(response)
        return None if slices is None else map(_without_empty, decode_chunks(slices, response))


def _without_empty(rows: Chunk) -> Chunk:
    return [row for row in rows if row]


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
class StartAndCursor(ChunkTransformation):
    """Adds `start` and `cursor`, like `entry_in_window` of the manifest."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._began = format_second(int(time.time()))

    def transform_chunk(self, rows: Chunk) -> None:
        began, length = self._began, len(self._began)
        for row in rows:
            start = start_of(row)
            if not start:
                continue
            row["start"] = row["cursor"] = start
            # A plain start before the sync began is its own cursor.
            if not EARLIEST_TEXT <= start <= began or len(start) != length or start[-1] != "Z":
                row["cursor"] = cursor_of(start, format_second(int(time.time())))


@dataclass
class NoEmptyInvoicingInfo(ChunkTransformation):
    """Removes an empty `invoicingInfo`, like `no_empty_invoicing_info` of the manifest."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def transform_chunk(self, rows: Chunk) -> None:
        for row in rows:
            if row.get("invoicingInfo") == []:
                del row["invoicingInfo"]


def cursor_of(start: str, now: str) -> str:
    """Return the start in UTC, to the second, between `EARLIEST_TEXT` and now.

    An invalid timestamp counts as now, so that no window excludes the record.
    """
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
