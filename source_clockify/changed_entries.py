"""The stream `time_entries_changed` of the full connector: one partition for each workspace.

In the manifest alone each change is a partition, which change tracking would retain forever. Here a
workspace is one, read in windows: first the feeds, then each named entry once.
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
    """Return the stream's definition in the form of this module; references are resolved.

    The CDK picks one of its two forms: without a state, the first windows begin later.
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
    """Reads the feeds of a workspace in a window, then each entry they name.

    Attributes:
        name: of the stream.
        feeds: the streams that read the feeds.
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
        """Return the changed entries and the times of their changes; a refused feed is skipped."""
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
            # A failed window would stop the workspace: all later windows would be left out.
            outer.gaps |= {Gap(each.workspace_id, each.message): None for each in refusals}
        elif outer is not None:
            outer.refusals += refusals
        return changes

    def _read_entry(
        self, entry_id: str, moments: Sequence[str], workspace: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        """Yield an entry for each of its changes; nothing if it has been deleted."""
        change = StreamSlice(
            partition={"change": f"{entry_id} {moments[0]}", "parent_slice": workspace},
            cursor_slice={},
            extra_fields={"entry_to_read": entry_id, "timestamp": moments[0]},
        )
        outer = current_notes()
        with recording_requests() as notes:
            found = [dict(record.data) for record in _read(self.entries, change)]
        if outer is not None:
            # The feed of deleted entries covers them, and the window is complete without them.
            outer.refusals += [refusal for refusal in notes.refusals if not refusal.vanished]
        for entry in found:
            for moment in moments:
                yield {**entry, "changedAt": moment}


def _read(stream: AbstractStream, stream_slice: StreamSlice) -> Iterator[Record]:
    # While this stream is paused, its thread may request slices for another one.
    with requesting([stream_slice]):
        partitions = list(stream.generate_partitions())
    for partition in partitions:
        yield from partition.read()
