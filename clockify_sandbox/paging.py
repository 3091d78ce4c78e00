"""Clockify's pagination families: where page and size are, their spelling, the first number.

A wrong spelling is silently ignored, so the default size applies.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from clockify_sandbox.call import RULE_VIOLATED, TYPE_MISMATCH, Call, error, mismatch

Item = TypeVar("Item")
_INTEGER = re.compile(r"[+-]?\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class Family:
    """`inside` names the object of the body with the parameters; None: the top level."""

    where: str
    page: str
    size: str
    base: int
    inside: str | None = None


QUERY = Family("query", "page", "page-size", 1)
QUERY_CAMEL = Family("query", "page", "pageSize", 1)
QUERY_SIZE = Family("query", "page", "size", 0)
QUERY_LIMIT = Family("query", "page", "limit", 0)
BODY = Family("body", "page", "pageSize", 1)
BODY_KEBAB = Family("body", "page", "page-size", 0)
DETAILED = Family("body", "page", "pageSize", 1, inside="detailedFilter")
ATTENDANCE = Family("body", "page", "pageSize", 1, inside="attendanceFilter")


@dataclass(frozen=True)
class Paging:
    """The pagination of one endpoint."""

    family: Family
    default: int = 50
    maximum: int = 5000
    last_page_number: int | None = None
    oversize_code: int = TYPE_MISMATCH


LIST = Paging(QUERY)


@dataclass(frozen=True)
class Page:
    """The requested part of a list; `number` counts from 0."""

    number: int
    size: int

    def shorter_by(self, rows: int | None) -> "Page":
        """The page of a feed that omits this many rows of each page, and serves them later."""
        return Page(self.number, max(1, self.size - (rows or 0)))

    def cut(self, items: Sequence[Item]) -> Sequence[Item]:
        return items[self.number * self.size : (self.number + 1) * self.size]

    def is_last(self, total: int) -> bool:
        return (self.number + 1) * self.size >= total


def asked_page(call: Call, paging: Paging) -> int | None:
    """The page number in the endpoint's numbering; None if it does not parse."""
    value = _value(call, paging.family, paging.family.page)
    return paging.family.base if value is None else _integer(value)


def page_of(call: Call, paging: Paging, maximum: int | None = None) -> Page:
    """The requested page, within the limits of the endpoint and the server."""
    family, settings = paging.family, call.state.settings
    number = _number(call, family, family.page, family.base)
    size = _number(call, family, family.size, paging.default)
    if number < family.base:
        raise error(400, f"{family.page} must be at least {family.base}", RULE_VIOLATED)
    if (paging.last_page_number or number) < number:
        raise mismatch(family.page, number)
    if size < 1:
        raise error(400, f"{family.size} must be at least 1", RULE_VIOLATED)
    most = paging.maximum if maximum is None else maximum
    if size > most:
        if settings.oversize == "error":
            message = f"Value {size} of {family.size} is above the maximum of {most}"
            raise error(400, message, paging.oversize_code)
        size = most
    for clamp in (settings.page_size_clamp, call.page_size):
        size = size if clamp is None else min(size, clamp)
    return Page(number - family.base, size)


def _value(call: Call, family: Family, name: str) -> Any:
    if family.where == "query":
        value = call.last(name)
        return None if value is None or value != value.strip() else value
    holder: Any = call.body()
    if family.inside is not None:
        holder = holder.get(family.inside)
    return holder.get(name) if isinstance(holder, dict) else None


def _number(call: Call, family: Family, name: str, default: int) -> int:
    value = _value(call, family, name)
    if value is None:
        return default
    number = _integer(value)
    if number is None:
        raise mismatch(name, value)
    return number


def _integer(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None
