"""Turns the output of `discover` into the configured catalog that `read` needs.

source-clockify discover --config config.json | python integration_tests/configure_catalog.py
"""

import json
import sys
from collections.abc import Collection, Iterable
from typing import Any


def configured_catalog(
    discovered: Iterable[str], selected: Collection[str] = (), sync_mode: str = "incremental"
) -> dict[str, Any]:
    """Select streams of a discovered catalog.

    `discovered` are the lines that `discover` prints. Without `selected` every stream is taken.
    `sync_mode` falls back to full_refresh where a stream knows no other. ValueError if there is no
    catalog in the lines or it lacks a selected stream.
    """
    messages = (json.loads(line) for line in discovered if line.startswith("{"))
    streams = next((m["catalog"]["streams"] for m in messages if m["type"] == "CATALOG"), None)
    if streams is None:
        raise ValueError("discover printed no catalog")
    unknown = set(selected) - {stream["name"] for stream in streams}
    if unknown:
        raise ValueError(f"there is no stream {', '.join(sorted(unknown))}")
    return {
        "streams": [
            {
                "stream": stream,
                "sync_mode": sync_mode
                if sync_mode in stream["supported_sync_modes"]
                else "full_refresh",
                "destination_sync_mode": "append",
            }
            for stream in streams
            if not selected or stream["name"] in selected
        ]
    }


if __name__ == "__main__":
    try:
        print(json.dumps(configured_catalog(sys.stdin, sys.argv[1:])))
    except ValueError as error:
        sys.exit(str(error))
