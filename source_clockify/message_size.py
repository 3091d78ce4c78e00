"""Detects records that are too large for a Pub/Sub message."""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

logger = logging.getLogger("airbyte")

# Pub/Sub rejects messages over 10 MB. A message is the record's JSON in an envelope.
LARGEST_MESSAGE_BYTES = 9_500_000
ENVELOPE_BYTES = 200

# Apart from added columns, a record is not larger than its response body: records need to be
# measured only after a body of this size.
LARGE_BODY_BYTES = 9_000_000
large_body_seen = threading.Event()


def is_oversized(stream: str, data: Mapping[str, Any], primary_key: Sequence[str]) -> bool:
    """Return whether a record is too large for a Pub/Sub message; if so, warn."""
    if not large_body_seen.is_set():
        return False
    size = message_size(data)
    if size <= LARGEST_MESSAGE_BYTES:
        return False
    logger.warning(
        "%s: the record %s has %s MB. Pub/Sub refuses messages over 10 MB, so such a "
        "destination loses it.",
        stream,
        "/".join(str(data.get(column)) for column in primary_key),
        f"{size / 1_000_000:.1f}",
    )
    return True


def message_size(data: Mapping[str, Any]) -> int:
    """Return the size in bytes of a record as a message of Airbyte's Pub/Sub destination."""
    try:
        return len(orjson.dumps(data)) + ENVELOPE_BYTES
    except TypeError:
        # orjson does not support integers beyond 64 bits.
        return len(json.dumps(data, ensure_ascii=False).encode()) + ENVELOPE_BYTES
