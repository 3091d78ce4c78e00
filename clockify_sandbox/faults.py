"""Faults injected by tests: the requests they hit, how often, and their effect."""

import re
from dataclasses import dataclass, field
from typing import Any

ACTIONS = frozenset(
    (
        "status",
        "delay",
        "truncate",
        "cut",
        "drop",
        "html",
        "empty",
        "redirect",
        "before",
        "last_page",
        "page_size",
        "omit",
        "raw",
        "replace",
        "prefix_bom",
        "gzip_bomb",
        "rows",
    )
)
MATCHES = frozenset(("method", "host", "path", "query", "page"))


@dataclass
class Fault:
    """A fault; `skip` matching requests pass unharmed, then `times` are hit (None: all)."""

    id: str
    match: dict[str, Any]
    action: dict[str, Any]
    skip: int = 0
    times: int | None = None
    seen: int = 0
    hits: int = 0

    def matches(
        self, method: str, host: str, path: str, query: dict[str, list[str]], page: int | None
    ) -> bool:
        wanted = self.match
        return (
            wanted.get("method", method) == method
            and wanted.get("host", host) == host
            and re.fullmatch(wanted.get("path", ".*"), path) is not None
            and ("page" not in wanted or wanted["page"] == page)
            and all(str(v) in query.get(k, ()) for k, v in wanted.get("query", {}).items())
        )

    def strikes(self) -> bool:
        """Count a matching request; return whether it is hit."""
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True

    def row(self) -> dict[str, Any]:
        names = ("id", "match", "action", "skip", "times", "seen", "hits")
        return {name: getattr(self, name) for name in names}


@dataclass
class Faults:
    """The faults in force, in the order in which they were added."""

    held: dict[str, Fault] = field(default_factory=dict)
    _made: int = 0

    def add(self, wanted: dict[str, Any]) -> Fault:
        """Create a fault from its JSON; ValueError if it is invalid."""
        action, match = wanted.get("action"), wanted.get("match") or {}
        if not isinstance(action, dict) or not ACTIONS & action.keys():
            raise ValueError(f"action must have one of {sorted(ACTIONS)}")
        if unknown := (match.keys() - MATCHES) | (
            wanted.keys() - {"match", "action", "skip", "times"}
        ):
            raise ValueError(f"unknown: {sorted(unknown)}")
        re.compile(match.get("path", ""))
        self._made += 1
        times = wanted.get("times")
        fault = Fault(f"fault-{self._made}", match, action, int(wanted.get("skip", 0)), times)
        self.held[fault.id] = fault
        return fault

    def striking(
        self, method: str, host: str, path: str, query: dict[str, list[str]], page: int | None
    ) -> list[dict[str, Any]]:
        """The actions of the faults that hit this request."""
        return [
            fault.action
            for fault in self.held.values()
            if fault.matches(method, host, path, query, page) and fault.strikes()
        ]
