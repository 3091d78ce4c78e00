"""The Pub/Sub message that Airbyte's Pub/Sub destination makes of a record.

`vectors.json` holds messages that the destination itself made; the tests hold this module to them.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson


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
    return json.loads(
        line, parse_int=orjson.Fragment, parse_float=_java_double, parse_constant=_refused
    )


def message_of(record: dict[str, Any], ordering_enabled: bool, emission: str) -> Message:
    """The message of a parsed record; `emission` is its UUID."""
    stream, namespace = record["stream"], record.get("namespace")
    data = orjson.dumps(
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


def _java_double(text: str) -> orjson.Fragment:
    """A number with a fraction or an exponent as Java's `Double.toString` writes it."""
    value = float(text)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return orjson.Fragment(repr(value))
    candidates = (f"{value:.{places}e}" for places in range(1, 17))
    shortest = next((each for each in candidates if float(each) == value), None)
    if shortest is None:
        return _refused(text)
    mantissa, exponent = shortest.split("e")
    return orjson.Fragment(f"{mantissa}E{int(exponent)}")


def _refused(number: str) -> orjson.Fragment:
    raise ValueError(f"{number} is no number in JSON")


def _upper_case_escapes(data: bytes) -> bytes:
    """Control characters as the destination escapes them: \\u001B, not \\u001b."""
    return re.sub(
        rb"\\(?:u00(..)|.)",
        lambda found: rb"\u00" + found[1].upper() if found[1] else found[0],
        data,
    )
