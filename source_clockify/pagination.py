"""Paginates listings as directed by the server (unusual behaviours 3 and 5 in AGENTS.md).

The manifest alone can only stop on a short page. From a server that silently limits the page size
it would read only the first page.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from hashlib import blake2b
from typing import Any, TypedDict

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.extractors.record_selector import extracted_record_count
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.page_increment import (
    PageIncrement,
)
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.adaptations import workspace_of
from source_clockify.audit_log import SYSTEM
from source_clockify.bodies import decode_rows, decoded_body, row_slices
from source_clockify.records import start_of
from source_clockify.request_notes import Gap, current_notes
from source_clockify.timestamps import DAY, format_second, second_of

# Windows overlap by this much, since Clockify reads the end of a window as wall clock in the
# account's time zone, which may be 14 hours ahead of UTC and changes by an hour twice a year.
OVERLAP = DAY

# The last end of a window with a four-digit year; the first is in 1970.
_LAST_END = (second_of("9999-12-30T00:00:00Z") or 0) - OVERLAP

_PAGE_NUMBER = re.compile(r"(?<=[?&])page=\d+")

# How often a listing that shrinks during the read is restarted.
_MOST_RESTARTS = 3


def is_last_page(response: requests.Response, rows: int, page_size: int | None) -> bool:
    """Recognize the last page: by the header `Last-Page`, or else by its size.

    An empty page is always the last one, regardless of the header.
    """
    if rows == 0:
        return True
    header = response.headers.get("Last-Page", "").strip().lower()
    if header in ("true", "false"):
        return header == "true"
    return page_size is not None and rows < page_size


@dataclass(frozen=True)
class Page:
    """A page that was read.

    Attributes:
        response: with its decoded body, see bodies.py.
        rows: the number of its rows.
        last_record: the last one accepted by the stream's filter; None if there is none.
        token: the token that requested the page; None for a first page requested without one.
        window: the slice that the page belongs to; None if there is none.
    """

    response: requests.Response
    rows: int
    last_record: Mapping[str, Any] | None
    token: Any | None
    window: StreamSlice | None = None


@dataclass
class LastPageHeaderPagination(PageIncrement):
    """Page numbers up to the last page announced by the server."""

    def next_page_token(  # noqa: PLR0913 (the CDK's signature)
        self,
        response: requests.Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any | None,
        page_size_override: int | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> Any | None:
        rows = extracted_record_count(response, default=last_page_size)
        token = last_page_token_value
        page = Page(response, rows, last_record, token, stream_slice)
        return self.token_after(page)

    def token_after(self, page: Page) -> Any | None:
        """Return the token of the next page; None after the last one."""
        if is_last_page(page.response, page.rows, self.get_page_size()):
            return None
        refuse_repeated_page(page)
        return self.number_after(page)

    def number_after(self, page: Page) -> int:
        return int(page.token or self.start_from_page) + 1


def refuse_repeated_page(page: Page) -> None:
    """Compare a page with the previous one read by this thread.

    Raises:
        AirbyteTracedException: if the server repeats the page: the listing would either not end or
            lack the following rows.
    """
    notes = current_notes()
    if notes is None:
        return
    shown = hash_of_page(page.response)
    if page.rows and notes.last_page == shown and page.token not in (None, 1):
        raise AirbyteTracedException(
            message=(
                f"Clockify sent the same {page.rows} rows on two pages, so the ones after them "
                f"cannot be read ({page.response.url.partition('?')[0]})."
            ),
            failure_type=FailureType.system_error,
        )
    notes.last_page = shown


@dataclass
class EventPagination(LastPageHeaderPagination):
    """Page numbers up to an empty page.

    Event logs may be filtered after they were cut into pages, so a short page is no sign of the
    end. A server that ignores page numbers repeats its only page, from which `PageExtractor` then
    takes no rows.
    """

    def token_after(self, page: Page) -> Any | None:
        notes = current_notes()
        rows = rows_in(decoded_body(page.response))
        if notes is not None and any(row.get("userId") == SYSTEM for row in rows):
            notes.system_events = True
        if page.rows > 0:
            return self.number_after(page)
        sent = len(rows)
        page_size = self.get_page_size()
        if page_size is not None and sent >= page_size:
            raise AirbyteTracedException(
                message=(
                    f"Clockify sent the same {sent} events on two pages, so the ones after them "
                    f"cannot be read ({page.response.url.partition('?')[0]})."
                ),
                failure_type=FailureType.system_error,
            )
        return None


@dataclass
class PageExtractor(RecordExtractor):
    """Takes the rows of a page, unless it repeats the previous page."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def extract_records(self, response: requests.Response) -> Iterable[Mapping[str, Any]]:
        notes = current_notes()
        page = hash_of_page(response)
        if notes is not None and notes.last_page == page:
            return
        if notes is not None:
            notes.last_page = page
        yield from rows_in(decoded_body(response))


def hash_of_page(response: requests.Response) -> bytes:
    """Return a hash of a body and its request, except for the page number."""
    # Other fields of a row may change between requests.
    ids = ids_of_rows(response)
    shown = response.content if len(ids) == 1 or None in ids else repr(ids).encode()
    asked_for = _PAGE_NUMBER.sub("", response.url).encode()
    return blake2b(asked_for + b"\0" + shown, digest_size=16).digest()


# This many rows of a large page distinguish it from another.
_ROWS_COMPARED = 100


def ids_of_rows(response: requests.Response) -> list[Any]:
    """Return the number of a page's rows and their ids; of a large page only some ids.

    The id is None for a row that it does not identify: a change of an entity has the id of the
    entity, so two changes may differ in everything else.
    """
    slices = row_slices(response)
    if slices is None:
        rows: Sequence[Mapping[str, Any]] = rows_in(decoded_body(response))
    else:
        step = len(slices) // _ROWS_COMPARED + 1
        rows = decode_rows([*slices[::step], *slices[-1:]])
    return [
        len(slices or rows),
        *(None if "documentCode" in row else row.get("id") for row in rows),
    ]


def rows_in(body: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a bare list, or of an object with the rows under `response`."""
    found = body.get("response") if isinstance(body, dict) else body
    return found if isinstance(found, list) else []


class CountedPage(int):
    """A page number with the progress of the pages before it.

    Attributes:
        rows_before: the number of rows on the earlier pages.
        announced: the number announced by the last of them; None if it announced none.
        restarts: the number of times the reading was restarted.
    """

    rows_before: int = 0
    announced: int | None = None
    restarts: int = 0


@dataclass
class TotalCountPagination(LastPageHeaderPagination):
    """Page numbers until as many rows were read as the body announces.

    The stream's parameter `count_path` locates the number, by keys and list positions. If it is
    lower than on the page before, a row was deleted in the meantime and another one moved to a page
    that was already read, so the reading is restarted. The stream drops duplicates.
    """

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._count_path: list[str | int] = list((parameters or {}).get("count_path", []))

    def token_after(self, page: Page) -> Any | None:
        refuse_repeated_page(page)
        before = page.token if isinstance(page.token, CountedPage) else CountedPage(0)
        rows_so_far = before.rows_before + page.rows
        announced = announced_rows(decoded_body(page.response), self._count_path)
        if announced is None:
            if is_last_page(page.response, page.rows, self.get_page_size()):
                return None
        elif before.announced is not None and announced < before.announced:
            return self._restart(page, before.restarts + 1)
        elif rows_so_far >= announced:
            return None
        elif page.rows == 0:
            _note_short(
                page.response, f"Clockify announced {announced} rows, but sent {rows_so_far}."
            )
            return None
        number = CountedPage(self.number_after(page))
        number.rows_before = rows_so_far
        number.announced = announced
        number.restarts = before.restarts
        return number

    def _restart(self, page: Page, restarts: int) -> CountedPage | None:
        if restarts > _MOST_RESTARTS:
            _note_short(page.response, "Rows kept disappearing while they were read.")
            return None
        number = CountedPage(self.start_from_page)
        number.restarts = restarts
        return number


def _note_short(response: requests.Response, message: str) -> None:
    notes = current_notes()
    if notes is not None:
        notes.short = True
        notes.gaps[Gap(workspace_of(response.request), message)] = None


def announced_rows(body: Any, count_path: list[str | int]) -> int | None:
    """Return the number at the path in a decoded body; None if there is none."""
    for step in count_path:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body if isinstance(body, int) and not isinstance(body, bool) else None


class TimeToken(TypedDict):
    """The next request for time entries: the end of its window, and the page within that window."""

    end: str | None
    page: int


@dataclass
class TimeEntriesPagination(LastPageHeaderPagination):
    """Pages by time, from the newest entry to the oldest.

    Clockify lists the newest first. The next request ends where this page ended, so an entry that
    is added or deleted in the meantime cannot push another one across the edge of a page. If a
    whole page lies within the overlap, the page number is increased instead. Entries in the overlap
    are returned twice; the stream drops duplicates by id.
    """

    @property
    def initial_token(self) -> Any | None:
        return None

    def token_after(self, page: Page) -> Any | None:
        # Without a record, all rows of this page began before the window, and so did all later
        # ones.
        if page.last_record is None or is_last_page(page.response, page.rows, self.get_page_size()):
            return None
        refuse_repeated_page(page)
        current: TimeToken = page.token or TimeToken(end=None, page=1)
        end = end_of_next_window(page.last_record)
        newest = second_of(start_of(first_row(page.response)))
        before = second_of(current["end"])
        # West of UTC a window ends later than requested, so the next must end earlier than this
        # one.
        if end is not None and newest is not None and end < min(newest, before or newest):
            return TimeToken(end=format_second(end), page=1)
        return TimeToken(end=current["end"], page=current["page"] + 1)


def first_row(response: requests.Response) -> Mapping[str, Any]:
    """Return the first row of a page that has rows."""
    slices = row_slices(response)
    row: Mapping[str, Any] = decode_rows(slices[:1])[0] if slices else decoded_body(response)[0]
    return row


def end_of_next_window(oldest: Mapping[str, Any]) -> int | None:
    """Return the end of the window with all older entries; None if it cannot be requested.

    Clockify is not known to accept the end of a window in a mistyped year; page numbers are used.
    """
    start = second_of(start_of(oldest))
    if start is None or not 0 <= start < _LAST_END:
        return None
    return start + OVERLAP
