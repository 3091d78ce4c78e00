"""The stream `time_entries_changed` of the full connector: each entry read once, in its workspace.

In the manifest alone each change is a partition, which change tracking would keep for ever. Here a
workspace is one, in windows: the feeds are read first, then the entries that they name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass
from typing import Any

from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.types import Record, StreamSlice

from source_clockify.request_notes import (
    Gap,
    SkippedRequest,
    current_notes,
    recording_requests,
)
from source_clockify.requested_slices import REQUESTED_SLICES, requesting

CHANGED_ENTRIES = "time_entries_changed"


def with_feeds_by_workspace(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of the stream as this module reads it; references are resolved.

    The CDK picks one of its two forms: without a state the first windows begin later.
    """
    retriever = stream["retriever"]
    parents = [
        config["stream"] for config in retriever["partition_router"]["parent_stream_configs"]
    ]
    entries = {name: part for name, part in stream.items() if name != "incremental_sync"}
    parts = {
        "type": "CustomRetriever",
        "class_name": "source_clockify.changed_entries.ChangedEntriesRetriever",
        "name": stream["name"],
        "partition_router": parents[0]["incremental_stream"]["retriever"]["partition_router"],
        "feeds": [_on_request(parent["incremental_stream"]) for parent in parents],
        "entries": _on_request(entries),
    }
    cursor_field = stream["incremental_sync"]["cursor_field"]
    first, later = (
        {
            **{name: part for name, part in stream.items() if name != "transformations"},
            "retriever": parts,
            "incremental_sync": {
                **parents[0][form]["incremental_sync"],
                "cursor_field": cursor_field,
            },
        }
        for form in ("full_refresh_stream", "incremental_stream")
    )
    return {
        **later,
        "type": "StateDelegatingStream",
        "full_refresh_stream": first,
        "incremental_stream": later,
    }


def _on_request(stream: Mapping[str, Any]) -> dict[str, Any]:
    retriever = {**stream["retriever"], "partition_router": REQUESTED_SLICES}
    parts = {name: part for name, part in stream.items() if name != "incremental_sync"}
    return {**parts, "retriever": retriever}


@dataclass
class ChangedEntriesRetriever(Retriever):
    """Reads the feeds of a workspace in a window, then each entry that they name.

    Attributes:
        name: of the stream.
        feeds: the streams of the feeds' rows.
        entries: the stream that reads one entry.
    """

    name: str
    feeds: list[AbstractStream]
    entries: AbstractStream
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Record]:
        if stream_slice is None:
            return
        workspace = {"workspace_id": stream_slice["workspace_id"]}
        for entry_id, moments in self._read_feeds(stream_slice).items():
            for record in self._read_entry(entry_id, list(moments), workspace):
                yield Record(data=record, stream_name=self.name, associated_slice=stream_slice)

    def _read_feeds(self, window: StreamSlice) -> dict[str, dict[str, None]]:
        """Return when which entries changed; a feed that is refused leaves the others."""
        changes: dict[str, dict[str, None]] = {}
        refusals: list[SkippedRequest] = []
        answered = False
        outer = current_notes()
        for feed in self.feeds:
            with recording_requests() as notes:
                for row in _read(feed, window):
                    if row.get("entry_to_read"):
                        moments = changes.setdefault(row["entry_to_read"], {})
                        moments[row["timestamp"]] = None
            refusals += notes.refusals
            answered = answered or not notes.refusals
        if outer is not None and answered:
            # A window that is refused would leave out all later ones of the workspace.
            outer.gaps |= {Gap(each.workspace_id, each.message): None for each in refusals}
        elif outer is not None:
            outer.refusals += refusals
        return changes

    def _read_entry(
        self, entry_id: str, moments: Sequence[str], workspace: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        """Yield an entry for each moment at which it changed; nothing if it was deleted since."""
        change = StreamSlice(
            partition={"change": f"{entry_id} {moments[0]}", "parent_slice": workspace},
            cursor_slice={},
            extra_fields={"entry_to_read": entry_id, "timestamp": moments[0]},
        )
        outer = current_notes()
        with recording_requests() as notes:
            found = [dict(record.data) for record in _read(self.entries, change)]
        if outer is not None:
            # The feed of deleted entries tells of those, and the window is complete without them.
            outer.refusals += [refusal for refusal in notes.refusals if not refusal.vanished]
        for entry in found:
            for moment in moments:
                yield {**entry, "changedAt": moment}


def _read(stream: AbstractStream, stream_slice: StreamSlice) -> Iterator[Record]:
    # The slices of a thread may be read for another stream as soon as this one pauses.
    with requesting([stream_slice]):
        partitions = list(stream.generate_partitions())
    for partition in partitions:
        yield from partition.read()
