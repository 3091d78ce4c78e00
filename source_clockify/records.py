"""What the manifest does to every single record of the large streams, without templates.

A template takes longer for one record than everything else that happens to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime, timezone
from typing import Any

from airbyte_cdk.sources.declarative.decoders.json_decoder import JsonDecoder
from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.types import Config, StreamSlice, StreamState

from source_clockify.bodies import decode, decoded_body
from source_clockify.timestamps import WIRE_FORMAT


@dataclass
class OnceDecoder(JsonDecoder):
    """Takes the body that was decoded when it was judged."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)

    def decode(self, response: Any) -> Any:
        if getattr(response, "from_cache", False):
            # Other streams read the same response, and change its records.
            body = decode(response.content)
        else:
            body = decoded_body(response)
        if isinstance(body, list):
            yield from body
        else:
            yield {} if body is None else body


@dataclass
class StartAndCursor(RecordTransformation):
    """Adds `start` and `cursor`, as `start_and_cursor` of the manifest."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        start = start_of(record)
        if start:
            record["start"] = start
            record["cursor"] = min(start, datetime.now(timezone.utc).strftime(WIRE_FORMAT))


@dataclass
class StartsInWindow(RecordFilter):
    """Keeps what begins in the window, as the filter of `time_entries` in the manifest."""

    def filter_records(
        self,
        records: Iterable[Mapping[str, Any]],
        stream_state: StreamState,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        first = str(stream_slice["start_time"])[:19] if stream_slice else ""
        for record in records:
            if (start_of(record) or "9")[:19] >= first:
                yield record


def start_of(record: Mapping[str, Any]) -> str | None:
    """Return the start of a time entry as Clockify writes it, None if it has none."""
    start: str | None = (record.get("timeInterval") or {}).get("start")
    return start
