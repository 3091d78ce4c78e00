"""Streams without a URL: a custom server may have none for reports and the audit log.

Clockify's public hosts are never used instead, because the key does not belong to them.
"""

from collections.abc import Iterable, Mapping
from typing import Any


def streams_without_url(
    definitions: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, str]:
    """Return a sentence for each stream that cannot be read, by stream name.

    `definitions` are streams of the manifest with resolved references; `settings` have the hosts.
    For a URL that is not configured, the manifest has a sentence in its place, up to a colon.
    """
    found: dict[str, str] = {}
    for host, url in (settings.get("hosts") or {}).items():
        if str(url).startswith("http"):
            continue
        remedy = str(url).partition(":")[0]
        for definition in definitions:
            requester = definition["retriever"].get("requester") or {}
            if f"['hosts']['{host}']" in str(requester.get("url")):
                name = definition["name"]
                found[name] = f"{name} cannot be read, because its URL is missing. {remedy}."
    return found
