"""Serves a list: filters, sorts, cuts into pages, renders, and announces the last page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from clockify_sandbox.call import Call, Handler, Reply, encode, mismatch
from clockify_sandbox.paging import Page, Paging, page_of
from clockify_sandbox.store import Row

Item = TypeVar("Item")
Keep = Callable[[Any], bool]
Filter = Callable[[Call, str], Keep | None]


@dataclass(frozen=True)
class Listing:
    """The list of an endpoint: `filters` by parameter, `sorts` (keys) by sort column."""

    items: Callable[[Call], Sequence[Any]]
    render: Callable[[Call, Any], Row]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    sorts: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    default_sort: str | None = None
    sort_parameter: str = "sort-column"
    envelope: Callable[[list[Row], int], Any] | None = None


def selected(call: Call, listing: Listing) -> Sequence[Any]:
    """All items that match the request's filters, in the requested order."""
    items = present(call, listing.items(call))
    for name, make in listing.filters.items():
        keep = make(call, name)
        if keep is not None:
            items = [item for item in items if keep(item)]
    return _sorted(call, listing, items)


def _sorted(call: Call, listing: Listing, items: Sequence[Any]) -> Sequence[Any]:
    if listing.default_sort is None:
        return items
    column = call.one_of(listing.sort_parameter, tuple(listing.sorts), listing.default_sort)
    order = call.one_of("sort-order", ("ASCENDING", "DESCENDING"), "ASCENDING")
    key = listing.sorts[column]
    by_id = sorted(items, key=lambda item: identity(item))
    return sorted(by_id, key=lambda item: _nulls_first(key(item)), reverse=order == "DESCENDING")


def identity(item: Any) -> str:
    """The id of a row, an entry or a member."""
    return str((item.get("id") or item.get("_id")) if isinstance(item, dict) else item.id)


def present(call: Call, items: Iterable[Item]) -> Sequence[Item]:
    """The items that are not omitted by a fault."""
    if call.omitted:
        return [item for item in items if identity(item) not in call.omitted]
    return items if isinstance(items, Sequence) else list(items)


def _nulls_first(value: Any) -> tuple[bool, Any]:
    return (value is not None, "" if value is None else value)


def serve(listing: Listing, paging: Paging | None, last_page: bool) -> Handler:
    """The handler of a list endpoint; without paging it always returns the full list."""

    def handler(call: Call) -> Reply:
        page = page_of(call, paging) if paging else None
        items = selected(call, listing)
        shown = page.cut(items) if page else items
        rows = [listing.render(call, item) for item in shown]
        body = listing.envelope(rows, len(items)) if listing.envelope else rows
        headers = last_page_header(call, page, len(items)) if page and last_page else {}
        return Reply(200, encode(body), headers, len(rows))

    return handler


def last_page_header(call: Call, page: Page, total: int) -> dict[str, str]:
    """The headers of a page: the length of the list, and whether this page is the last."""
    counted = {"total-count": str(total)}
    if call.state.settings.last_page == "omit":
        return counted
    return {**counted, "Last-Page": "true" if page.is_last(total) else "false"}


def flag(field_name: str) -> Filter:
    """Rows whose boolean equals the parameter; all rows if it is absent."""

    def make(call: Call, name: str) -> Keep | None:
        wanted = call.flag(name)
        return None if wanted is None else lambda row: row[field_name] == wanted

    return make


def text(field_name: str) -> Filter:
    """Rows whose text contains the parameter, or equals it with strict-name-search."""

    def make(call: Call, name: str) -> Keep | None:
        wanted = call.last(name)
        if wanted is None:
            return None
        if call.flag("strict-name-search"):
            return lambda row: row[field_name] == wanted
        folded = wanted.casefold()
        return lambda row: folded in (row[field_name] or "").casefold()

    return make


def among(field_name: str, values: tuple[str, ...] | None = None, default: str = "") -> Filter:
    """Rows whose value is among the parameter's; with `values`, any other value is a 400."""

    def make(call: Call, name: str) -> Keep | None:
        wanted = call.listed(name) or [part for part in default.split(",") if part]
        for value in wanted:
            if values is not None and value not in values:
                raise mismatch(name, value)
        return None if not wanted or "ALL" in wanted else lambda row: row[field_name] in wanted

    return make


def sort_by(field_name: str) -> Callable[[Any], Any]:
    return lambda row: row[field_name]
