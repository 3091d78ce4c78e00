"""The Pub/Sub message that Airbyte's Pub/Sub destination makes of a record.

`vectors.json` holds messages that the destination itself made; the tests hold this module to them.
"""

import json
import re
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from integration_tests.pubsub.java import Number, double_text, write

# Jackson's limits.
_MOST_DIGITS, _MOST_LEVELS = 1000, 1000
# Python's would end before.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 3 * _MOST_LEVELS))


@dataclass(frozen=True)
class Message:
    """A message as it is published.

    Attributes:
        data: `{"_airbyte_ab_id": ..., "_airbyte_data": ..., "_airbyte_emitted_at": ...}`, UTF-8.
        attributes: `_stream`, and `_namespace` if there is one.
        ordering_key: empty without ordering.
    """

    data: bytes
    attributes: dict[str, str]
    ordering_key: str


def parse(line: str) -> Any:
    """A line of a source as the destination reads it; ValueError for what is no strict JSON.

    Numbers stay as the destination writes them: integers exactly, others as a double in Java.
    """
    levels = 0
    for bracket in re.sub(r'"(?:[^"\\]|\\.)*"|[^][{}]', "", line):
        levels += 1 if bracket in "[{" else -1
        if levels > _MOST_LEVELS:
            raise ValueError("nested too deep")
    return json.loads(
        line,
        parse_int=_integer,
        parse_float=_double,
        parse_constant=_refused,
    )


def message_of(record: dict[str, Any], ordering_enabled: bool, emission: str) -> Message:
    """The message of a parsed record; `emission` is its UUID."""
    stream, namespace = record["stream"], record.get("namespace")
    data = write(
        {
            "_airbyte_ab_id": emission,
            "_airbyte_data": record["data"],
            "_airbyte_emitted_at": record["emitted_at"],
        }
    )
    attributes = {"_stream": stream}
    if namespace:
        attributes["_namespace"] = namespace
    ordering_key = f"{namespace or ''}_{stream}" if ordering_enabled else ""
    return Message(_upper_case_escapes(data), attributes, ordering_key)


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MOST_DIGITS:
        _refused(text)
    return int(text)


def _double(text: str) -> float | Number:
    value = float(text)
    written = double_text(value)
    return value if written == repr(value) else Number(written)


def _refused(number: str) -> NoReturn:
    raise ValueError(f"{number} is no number in JSON")


def _upper_case_escapes(data: bytes) -> bytes:
    """Control characters as the destination escapes them: \\u001B, not \\u001b."""
    return re.sub(
        rb"\\(?:u00(..)|.)",
        lambda found: rb"\u00" + found[1].upper() if found[1] else found[0],
        data,
    )
