"""The command `source-clockify catalog`: prints the configured catalog for `read`."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def configured_catalog(
    discovered: Sequence[Mapping[str, Any]],
    selected: Collection[str] = (),
    *,
    full_refresh: bool = False,
) -> dict[str, Any]:
    """Select streams: incremental where supported, and appended.

    Args:
        discovered: the streams of a discovered catalog.
        selected: names of streams; all if empty.
        full_refresh: read all streams in full refresh.

    Raises:
        ValueError: if a stream does not exist; the message names similar ones.
    """
    names = [stream["name"] for stream in discovered]
    unknown = [name for name in selected if name not in names]
    if unknown:
        raise ValueError(" ".join(_about_unknown(name, names) for name in unknown))
    streams = [stream for stream in discovered if not selected or stream["name"] in selected]
    return {"streams": [_configured(stream, full_refresh=full_refresh) for stream in streams]}


def _configured(stream: Mapping[str, Any], *, full_refresh: bool) -> dict[str, Any]:
    is_incremental = "incremental" in stream["supported_sync_modes"] and not full_refresh
    found = {
        "stream": stream,
        "sync_mode": "incremental" if is_incremental else "full_refresh",
        "destination_sync_mode": "append",
        "primary_key": stream.get("source_defined_primary_key"),
        "cursor_field": stream.get("default_cursor_field") if is_incremental else None,
    }
    return {name: value for name, value in found.items() if value}


def _about_unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3)
    contained = [each for each in names if name and name in each and each not in near]
    suggested = [*near, *contained][:3]
    if not suggested:
        return f"There is no stream {name}. source-clockify catalog without names selects all."
    return f"There is no stream {name}. Similar names: {', '.join(suggested)}."
