"""What people wrote about each stream, field and text, beside what the code says."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from docs.build.blocks import Mismatch
from integration_tests.stream_facts import definitions, parent_of

FOLDER = Path(__file__).parent
STREAM_NOTES = FOLDER / "streams.yaml"
MESSAGES = FOLDER / "messages.yaml"
SYNC_LOG = "sync_log"
# The fields of a note in streams.yaml.
_KNOWN = {"group", "holds", "also", "pages", "offers", "later", "requests", "proof"}
_ONE_PARENT = {
    None: "workspace",
    "users": "user",
    "projects": "project",
    "invoices": "invoice",
    "time_off_policies": "policy",
    "webhooks": "webhook",
}

Note = Mapping[str, str]


@cache
def stream_notes() -> Mapping[str, Note]:
    """The notes of all streams, in the order of the manifest, `sync_log` last.

    Raises:
        Mismatch: in words, unless they are those of the manifest's streams.
    """
    notes: dict[str, Note] = yaml.safe_load(STREAM_NOTES.read_text())
    streams = [*definitions(), SYNC_LOG]
    for stream in streams:
        if stream not in notes:
            raise Mismatch(f"{STREAM_NOTES.name} has no note of the stream {stream}")
    for stream, note in notes.items():
        if stream not in streams:
            raise Mismatch(f"{STREAM_NOTES.name} has a note of {stream}, which is no stream")
        if surplus := note.keys() - _KNOWN:
            raise Mismatch(f"{STREAM_NOTES.name}, {stream}: unknown fields {sorted(surplus)}")
        if lacking := {"group", "holds"} - note.keys():
            raise Mismatch(f"{STREAM_NOTES.name}, {stream}: {sorted(lacking)} missing")
    return {stream: notes[stream] for stream in streams}


def requests_in_a_sync(stream: str) -> str:
    """How many requests a sync takes for a stream, in words."""
    parent = parent_of(stream)
    note = stream_notes()[stream].get("requests")
    return note or f"1 for each {_ONE_PARENT.get(parent, (parent or '').removesuffix('s'))}"


def message_notes() -> Mapping[str, Mapping[str, Any]]:
    """The tables of errors, warnings and log lines by name: `head`, and a list of `texts`."""
    tables: Mapping[str, Mapping[str, Any]] = yaml.safe_load(MESSAGES.read_text())
    return tables
