"""Requests beside the listing: one record by id, several at once, a listing once more, a wider one.

They go through streams of their own, built from the definitions of the manifest, so that they have
its authenticator, error handlers and request budget. What they ask for is said by the thread that
reads them.
"""

import logging
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import requests
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.adaptations import ACCOUNT_STATUSES, Adaptations
from source_clockify.change_tracking.profiles import PROFILES, Kind, SingleRead, TrackingProfile
from source_clockify.request_notes import current_notes, recording_requests
from source_clockify.requested_slices import REQUESTED_SLICES, on_demand, requesting

logger = logging.getLogger("airbyte")

# Names of the streams beside; those of the manifest have no blanks.
BY_ID = "one record"
ENTRIES_BY_ID = "time entries by id"
REREAD = "resent"
SECOND_LIST = "of a second list"
ROLES = "users"

_ID = re.compile("[0-9a-f]{24}")


class LookupResult(Enum):
    """What Clockify says of a record: it is there, it is gone, not to be told, or nothing."""

    FOUND = "found"
    NOT_FOUND = "not found"
    REFUSED = "refused"
    FAILED = "failed"


def lookup_streams(manifest: Mapping[str, Any], tracked: Collection[str]) -> list[dict[str, Any]]:
    """Return the definitions of the streams beside.

    `manifest` has its references resolved, with its definitions; `tracked` are the names of the
    streams that are tracked.
    """
    definitions = manifest["definitions"]
    users, entries = definitions["users_stream"], definitions["time_entries_stream"]
    # The same name and the same request as the stream itself: the CDK's cache knows the answer.
    roles = {**users, "retriever": {**users["retriever"], "partition_router": REQUESTED_SLICES}}
    found = [
        # Other records do not mind the transformations of time entries.
        _one_record(entries, BY_ID, definitions),
        _some_entries(entries, ENTRIES_BY_ID, definitions),
        roles,
        *_read_as_listed(definitions, tracked),
        *_read_again(manifest["streams"], tracked),
    ]
    if "tasks" in tracked:
        # The one stream that has two definitions, one for each plan.
        found.append(_again(definitions["tasks_stream"], filtered=True))
    return [on_demand(each) for each in found]


_API = "{{ config['hosts']['api'] }}"
_WORKSPACE = f"{_API}/workspaces/{{{{ stream_partition['workspace_id'] }}}}"


def _read_as_listed(
    definitions: Mapping[str, Any], tracked: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield the streams that read single records as rows of the lists that lack them."""
    for name in sorted(tracked):
        profile = PROFILES.get(name, TrackingProfile())
        if not profile.compares_single_reads:
            continue
        stream = definitions[f"{name}_stream"]
        if profile.single_read is not SingleRead.OTHER:
            yield _one_record(stream, f"{name} {BY_ID}", definitions)
        if profile.kind is Kind.MEMBERSHIP:
            yield _some_entries(stream, f"{name} {ENTRIES_BY_ID}", definitions)
        if name == "users":
            yield _users_of_any_status(stream)
        if name == "expenses":
            yield _expenses_of_a_user(stream)


def _one_record(
    stream: Mapping[str, Any], name: str, definitions: Mapping[str, Any]
) -> dict[str, Any]:
    url = f"{_API}/{{{{ stream_partition['path'] }}}}"
    requester = {**definitions["child_requester"], "url": url}
    return {**_transformed_as(stream, name), "retriever": _retriever(requester)}


def _some_entries(
    stream: Mapping[str, Any], name: str, definitions: Mapping[str, Any]
) -> dict[str, Any]:
    requester = {
        **definitions["child_listing_requester"],
        "http_method": "POST",
        "url": f"{_WORKSPACE}/time-entries/batch",
        "request_body": {
            "type": "RequestBodyJsonObject",
            "value": {"timeEntryIds": "{{ stream_partition['ids'] }}"},
        },
    }
    return {**_transformed_as(stream, name), "retriever": _retriever(requester)}


def _users_of_any_status(users: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list of all users that Clockify knows in a workspace, in the shape of `users`."""
    retriever = users["retriever"]
    requester = retriever["requester"]
    statuses = [*ACCOUNT_STATUSES, "DELETED", "LIMITED_DELETED"]
    value = {**requester["request_body"]["value"], "accountStatuses": statuses}
    requester = {
        **requester,
        "use_cache": False,
        "request_body": {**requester["request_body"], "value": value},
    }
    return {
        **users,
        "name": f"users {SECOND_LIST}",
        "retriever": {**retriever, "requester": requester, "partition_router": REQUESTED_SLICES},
    }


def _expenses_of_a_user(expenses: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list of expenses that is asked for one user."""
    retriever = expenses["retriever"]
    requester = {
        **retriever["requester"],
        "request_parameters": {"user-id": "{{ stream_partition['user_id'] }}"},
    }
    return {
        **expenses,
        "name": f"expenses {SECOND_LIST}",
        "retriever": {**retriever, "requester": requester, "partition_router": REQUESTED_SLICES},
    }


def _transformed_as(stream: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {
        "type": "DeclarativeStream",
        "name": name,
        "schema_loader": stream["schema_loader"],
        "transformations": stream.get("transformations") or [],
        "$parameters": stream.get("$parameters") or {},
    }


def _retriever(requester: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "SimpleRetriever",
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": []},
        },
        "partition_router": REQUESTED_SLICES,
        "requester": requester,
    }


def _read_again(
    streams: Sequence[Mapping[str, Any]], tracked: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield a second stream for each of which single records cannot be asked for."""
    for stream in streams:
        profile = PROFILES.get(stream.get("name", ""), TrackingProfile())
        needed = profile.deletions and (
            profile.by_id is None or profile.kind is Kind.WINDOWED_SNAPSHOT
        )
        if needed and stream.get("name") in tracked:
            yield _again(stream, filtered=profile.by_id is None)


def _again(stream: Mapping[str, Any], *, filtered: bool) -> dict[str, Any]:
    retriever = dict(stream["retriever"])
    if not filtered:
        # What is looked for by its key may have moved before the start date.
        selector = retriever["record_selector"]
        retriever["record_selector"] = {
            name: part for name, part in selector.items() if name != "record_filter"
        }
    requester = {**retriever["requester"], "use_cache": False}
    parameters = _parameters_of(retriever.get("partition_router") or ())
    if parameters:
        known = requester.get("request_parameters") or {}
        requester["request_parameters"] = {**known, **parameters}
    return {
        **{name: part for name, part in stream.items() if name != "incremental_sync"},
        "name": f"{stream['name']} {REREAD}",
        "retriever": {**retriever, "requester": requester, "partition_router": REQUESTED_SLICES},
    }


def _parameters_of(routers: Any) -> dict[str, str]:
    """Return the request parameters that partition routers add by themselves."""
    found: dict[str, str] = {}
    for router in routers if isinstance(routers, list) else [routers]:
        option = router.get("request_option") if router else None
        if option:
            found[option["field_name"]] = f"{{{{ stream_partition['{router['cursor_field']}'] }}}}"
    return found


class Lookups:
    """Asks Clockify beside the listings; worker threads share it.

    What failed once is not asked again in this sync: it has been retried for minutes.

    Args:
        streams: the streams beside, by name.
        adaptations: the forms of requests that the server refuses.
    """

    def __init__(self, streams: Mapping[str, AbstractStream], adaptations: Adaptations) -> None:
        self._streams = streams
        self._adaptations = adaptations
        self._broken: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def row(self, path: str) -> tuple[dict[str, Any] | None, LookupResult]:
        """Return the record at a path below the API, in one request."""
        rows, answer = self._read(BY_ID, {"path": path})
        return (rows[0] if rows else None), answer

    def record(
        self, stream: str, path: str, partition: Mapping[str, Any]
    ) -> tuple[dict[str, Any] | None, LookupResult]:
        """Return the same with the columns that the stream adds, where its list has such rows."""
        name = self._own(stream, BY_ID)
        rows, answer = self._read(name, {**partition, "path": path})
        return (rows[0] if rows else None), answer

    def entries(
        self, stream: str, workspace_id: str, ids: Sequence[str]
    ) -> dict[str, dict[str, Any]] | None:
        """Return time entries by id, in one request; None if one of them is gone or it failed."""
        name = self._own(stream, ENTRIES_BY_ID)
        rows, answer = self._read(name, {"workspace_id": workspace_id, "ids": list(ids)})
        return {str(row.get("id")): row for row in rows} if answer is LookupResult.FOUND else None

    def second_list(
        self, stream: str, partition: Mapping[str, Any], user_id: str
    ) -> list[dict[str, Any]] | None:
        """Return the rows of another list in the shape of the stream's own, or None.

        Of users it is the one of any status, of expenses the one of a user.
        """
        asked = {**partition, "user_id": user_id}
        rows, answer = self._read(f"{stream} {SECOND_LIST}", asked)
        return rows if answer is LookupResult.FOUND else None

    def _own(self, stream: str, name: str) -> str:
        """Return the stream beside that has a stream's own transformations, if there is one."""
        own = f"{stream} {name}"
        return own if own in self._streams else name

    def again(
        self, stream: str, partition: Mapping[str, Any], window: Mapping[str, Any]
    ) -> list[dict[str, Any]] | None:
        """Return the records of a partition, read once more; None if that failed or was refused."""
        rows, answer = self.partition(stream, partition, window)
        return rows if answer is LookupResult.FOUND else None

    def partition(
        self, stream: str, partition: Mapping[str, Any], window: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], LookupResult]:
        """Return the same, and what Clockify says of the partition."""
        return self._read(f"{stream} {REREAD}", partition, window)

    def users(self, workspace_id: str) -> tuple[list[dict[str, Any]], LookupResult]:
        """Return the users of a workspace, from the request cache if they were read before."""
        return self._read(ROLES, {"workspace_id": workspace_id})

    def _read(
        self, name: str, partition: Mapping[str, Any], window: Mapping[str, Any] | None = None
    ) -> tuple[list[dict[str, Any]], LookupResult]:
        kind = _kind_of(name, partition)
        with self._lock:
            if kind in self._broken:
                return [], LookupResult.FAILED
        asked = StreamSlice(partition=partition, cursor_slice=window or {})
        rows: list[dict[str, Any]] = []
        outer = current_notes()
        on_wait = outer.on_wait if outer else None
        with (
            requesting([asked]),
            recording_requests(on_wait=on_wait, adaptations=self._adaptations) as notes,
        ):
            try:
                for part in self._streams[name].generate_partitions():
                    rows += [dict(record.data) for record in part.read()]
            except (AirbyteTracedException, requests.RequestException) as error:
                with self._lock:
                    self._broken.add(kind)
                logger.warning(
                    "A lookup request failed. The deletions that depend on it are re-checked in "
                    "the next sync: %s",
                    filter_secrets(str(error)),
                )
                return [], LookupResult.FAILED
        if notes.refusals:
            gone = all(refusal.vanished for refusal in notes.refusals)
            return [], LookupResult.NOT_FOUND if gone else LookupResult.REFUSED
        return rows, LookupResult.FAILED if notes.short else LookupResult.FOUND


def _kind_of(name: str, partition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what questions have in common of which one failed: all but the record's id."""
    path = str(partition.get("path", ""))
    first, _, rest = path.removeprefix("workspaces/").partition("/")
    return name, str(partition.get("workspace_id", first)), _ID.sub("*", rest)
