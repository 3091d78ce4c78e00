"""Lookups: requests in addition to the listings.

A lookup reads one record or several by id, rereads a listing, or reads a wider one. The streams are
built from the definitions of the manifest, so they use its authenticator, error handlers and
request budget. The thread that reads them sets their partition.
"""

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Optional

import requests
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.adaptations import ACCOUNT_STATUSES
from source_clockify.change_tracking.profiles import PROFILES, Kind, SingleRead, TrackingProfile
from source_clockify.request_notes import recording_requests
from source_clockify.requested_slices import (
    REQUESTED_SLICES,
    is_on_demand,
    on_demand,
    requesting,
)

logger = logging.getLogger("airbyte")

# Names of the lookup streams; the names of the manifest have no spaces.
BY_ID = "one record"
ENTRIES_BY_ID = "time entries by id"
REREAD = "reread"
SECOND_LIST = "of a second list"
CHANGE_FEED = "change feed"
AUDITED_TIME = "audited time"
# The name of the stream itself, since the CDK's cache is keyed by it.
ROLES = "users"

_ID = re.compile("[0-9a-f]{24}")

# The codes of changes that concern a time entry.
TIME_ENTRY_CODES = ("TIME_ENTRY", "TIME_ENTRY_RATE", "TIME_ENTRY_CUSTOM_FIELD_VALUE")


class LookupResult(Enum):
    """The result of a lookup.

    FOUND: Clockify returned the records.
    NOT_FOUND: Clockify says that the requested entity does not exist.
    REFUSED: Clockify refused the request, which proves nothing.
    FAILED: there was no usable answer, or no lookup was left.
    """

    FOUND = "found"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class LookupAnswer:
    """The result of requesting the pages of a list.

    Attributes:
        rows: in the order in which they were returned.
        result: of the requests.
        is_cut: whether further rows were not requested.
        message: the sentence of a refusal or failure; why there is no answer.
        is_repeated: whether it repeats the failure of an earlier request of the same kind.
    """

    rows: list[dict[str, Any]]
    result: LookupResult
    is_cut: bool = False
    message: str = ""
    is_repeated: bool = False


class LookupBudget:
    """The number of lookups left in this sync; worker threads share it.

    Records that exist outside of their lists are looked up in every sync. They may use half of the
    lookups, those of one stream a tenth; the rest is reserved for records that may be deleted.

    Args:
        lookups: their number.
        whole: the budget that this one is a part of.
    """

    def __init__(self, lookups: int, whole: Optional["LookupBudget"] = None) -> None:
        self._left = lookups
        self._whole = whole
        self._rereads = lookups // 2
        self._rereads_of_a_stream = max(1, lookups // 10)
        self._reread: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a lookup; return False if none is left."""
        with self._lock:
            return self._take()

    def take_reread(self, stream: str) -> bool:
        """Take a lookup for a record that an earlier sync found to exist, but unlisted."""
        with self._lock:
            if (
                self._reread[stream] >= self._rereads_of_a_stream
                or self._reread.total() >= self._rereads
                or not self._take()
            ):
                return False
            self._reread[stream] += 1
            return True

    @property
    def is_used_up(self) -> bool:
        return self._left <= 0 or (self._whole is not None and self._whole.is_used_up)

    def half(self) -> "LookupBudget":
        """Return a budget that uses at most half of the lookups of this one."""
        return LookupBudget((self._left + 1) // 2, self)

    def _take(self) -> bool:
        if self._left <= 0 or (self._whole is not None and not self._whole.take()):
            return False
        self._left -= 1
        return True


def with_change_tracking(manifest: Mapping[str, Any], tracked: Collection[str]) -> dict[str, Any]:
    """Return a manifest for tracked streams: windows are set by plans, and lookups are added.

    `manifest` has its definitions and resolved references; `tracked` are the names of the streams.
    """
    if not tracked:
        return dict(manifest)
    streams = [_with_planned_window(entry, tracked) for entry in manifest["streams"]]
    return {**manifest, "streams": streams + lookup_streams(manifest, tracked)}


def _with_planned_window(entry: Mapping[str, Any], tracked: Collection[str]) -> Mapping[str, Any]:
    """Remove the lookback from a tracked stream's cursor: its plan determines the window."""
    if is_on_demand(entry) or entry["name"] not in tracked:
        return entry
    return _without_lookback(entry)


def _without_lookback(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream without the lookback of its cursor, in each of its forms."""
    forms = ("full_refresh_stream", "incremental_stream")
    found = {name: _without_lookback(stream[name]) for name in forms if name in stream}
    if "incremental_sync" in stream:
        found["incremental_sync"] = {**stream["incremental_sync"], "lookback_window": "P0D"}
    return {**stream, **found}


def lookup_streams(manifest: Mapping[str, Any], tracked: Collection[str]) -> list[dict[str, Any]]:
    """Return the definitions of the lookup streams.

    `manifest` has its definitions and resolved references; `tracked` are the names of the tracked
    streams.
    """
    definitions = manifest["definitions"]
    users, entries = definitions["users_stream"], definitions["time_entries_stream"]
    # Name and request equal those of the stream itself, so the CDK's cache serves them.
    roles = {**users, "retriever": {**users["retriever"], "partition_router": REQUESTED_SLICES}}
    found = [
        # The transformations of time entries do not affect other records.
        _one_record(entries, BY_ID, definitions),
        _some_entries(entries, ENTRIES_BY_ID, definitions),
        roles,
        *_read_as_listed(definitions, tracked),
        *_rereads(manifest["streams"], tracked),
    ]
    if "tasks" in tracked:
        # The only stream with two definitions.
        found.append(_reread(definitions["tasks_stream"], filtered=True))
    if any(PROFILES.get(name, TrackingProfile()).takes_hints for name in tracked):
        found += [_change_feed(definitions), _audited_time(definitions)]
    return [on_demand(each) for each in found]


_API = "{{ config['hosts']['api'] }}"
_WORKSPACE = f"{_API}/workspaces/{{{{ stream_partition['workspace_id'] }}}}"


def _read_as_listed(
    definitions: Mapping[str, Any], tracked: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield the streams that read single records in the shape of a list that lacks them."""
    for name in sorted(tracked):
        profile = PROFILES.get(name, TrackingProfile())
        if not profile.compares_single_reads:
            continue
        stream = definitions[f"{name}_stream"]
        if profile.by_id is not None and profile.by_id.shape is not SingleRead.OTHER:
            yield _one_record(stream, f"{name} {BY_ID}", definitions)
        if profile.kind is Kind.MEMBERSHIP:
            yield _some_entries(stream, f"{name} {ENTRIES_BY_ID}", definitions)
        if name in _SECOND_LISTS:
            yield _SECOND_LISTS[name](stream)


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


def _change_feed(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the feeds of created, updated and deleted time entries."""
    types = "&".join(f"type={code}" for code in TIME_ENTRY_CODES)
    return _feed(
        definitions["entity_changes_created_stream"],
        CHANGE_FEED,
        {"url": f"{_WORKSPACE}/entities/{{{{ stream_partition['change'] }}}}?{types}"},
    )


def _audited_time(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the events of the audit log that are about time entries."""
    stream = definitions["audit_log_stream"]
    body = stream["retriever"]["requester"]["request_body"]
    actions = [action for action in body["value"]["actions"] if "_TIME" in action]
    value = {**body["value"], "actions": actions}
    return _feed(stream, AUDITED_TIME, {"request_body": {**body, "value": value}})


def _feed(stream: Mapping[str, Any], name: str, requester: Mapping[str, Any]) -> dict[str, Any]:
    retriever = stream["retriever"]
    return {
        **{part: value for part, value in stream.items() if part != "incremental_sync"},
        "name": name,
        "transformations": [],
        "retriever": {
            **retriever,
            "requester": {**retriever["requester"], **requester},
            "partition_router": REQUESTED_SLICES,
        },
    }


def _users_of_any_status(users: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list of all users of a workspace regardless of status, in the shape of `users`."""
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
    """Return the list of the expenses of one user."""
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


# Lists that return the rows of existing records missing from the stream's own list.
_SECOND_LISTS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "users": _users_of_any_status,
    "expenses": _expenses_of_a_user,
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


def _rereads(
    streams: Sequence[Mapping[str, Any]], tracked: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield a second stream for each stream that needs more than single records."""
    for stream in streams:
        profile = PROFILES.get(stream.get("name", ""), TrackingProfile())
        needed = profile.deletions and (
            profile.by_id is None or profile.kind is Kind.WINDOWED_SNAPSHOT
        )
        if needed and stream.get("name") in tracked:
            yield _reread(stream, filtered=profile.by_id is None)


def _reread(stream: Mapping[str, Any], *, filtered: bool) -> dict[str, Any]:
    retriever = dict(stream["retriever"])
    if not filtered:
        # A record that is searched for by its key may have moved to before the start date.
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
    """Return the request parameters that partition routers add."""
    found: dict[str, str] = {}
    for router in routers if isinstance(routers, list) else [routers]:
        option = router.get("request_option") if router else None
        if option:
            found[option["field_name"]] = f"{{{{ stream_partition['{router['cursor_field']}'] }}}}"
    return found


class Lookups:
    """Makes lookups within `recording_requests`; worker threads share it.

    A kind of request that failed is not repeated in this sync, since it was retried for minutes.

    Args:
        streams: the lookup streams, by name.
    """

    def __init__(self, streams: Mapping[str, AbstractStream]) -> None:
        self._streams = streams
        # The kinds of requests that failed, with the reasons.
        self._broken: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    def row(self, path: str) -> tuple[dict[str, Any] | None, LookupResult]:
        """Return the record at a path below the API, in one request."""
        rows, result = self._read(BY_ID, {"path": path})
        return (rows[0] if rows else None), result

    def record(
        self, stream: str, path: str, partition: Mapping[str, Any]
    ) -> tuple[dict[str, Any] | None, LookupResult]:
        """Return the same with the columns that the stream adds, if its list has such rows."""
        name = self._own(stream, BY_ID)
        rows, result = self._read(name, {**partition, "path": path})
        return (rows[0] if rows else None), result

    def entries(
        self, stream: str, workspace_id: str, ids: Sequence[str]
    ) -> dict[str, dict[str, Any]] | None:
        """Return time entries by id, in one request; None if it failed or one does not exist."""
        name = self._own(stream, ENTRIES_BY_ID)
        rows, result = self._read(name, {"workspace_id": workspace_id, "ids": list(ids)})
        return {str(row.get("id")): row for row in rows} if result is LookupResult.FOUND else None

    def second_list(
        self, stream: str, partition: Mapping[str, Any], user_id: str
    ) -> list[dict[str, Any]] | None:
        """Return the rows of another list in the shape of the stream's own; None if that failed.

        For users it is the list of all statuses, for expenses the list of one user.
        """
        rows, result = self._read(f"{stream} {SECOND_LIST}", {**partition, "user_id": user_id})
        return rows if result is LookupResult.FOUND else None

    def _own(self, stream: str, name: str) -> str:
        """Return the lookup stream that has a stream's transformations, if there is one."""
        own = f"{stream} {name}"
        return own if own in self._streams else name

    def reread(
        self, stream: str, partition: Mapping[str, Any], window: Mapping[str, Any]
    ) -> list[dict[str, Any]] | None:
        """Return the records of a partition, reread; None if that failed or was refused."""
        rows, result = self.partition(stream, partition, window)
        return rows if result is LookupResult.FOUND else None

    def partition(
        self, stream: str, partition: Mapping[str, Any], window: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], LookupResult]:
        """Return the same with the result of the request."""
        return self._read(f"{stream} {REREAD}", partition, window)

    def users(self, workspace_id: str) -> tuple[list[dict[str, Any]], LookupResult]:
        """Return the users of a workspace, from the request cache if they were read before."""
        return self._read(ROLES, {"workspace_id": workspace_id})

    def feed(
        self, name: str, partition: Mapping[str, Any], window: Mapping[str, Any], most: int | None
    ) -> "LookupAnswer":
        """Return the rows of a feed's window; stop after the page that exceeds `most` rows."""
        return self._request(name, partition, window, most=most)

    def _read(
        self, name: str, partition: Mapping[str, Any], window: Mapping[str, Any] | None = None
    ) -> tuple[list[dict[str, Any]], LookupResult]:
        answer = self._request(name, partition, window or {})
        if answer.result is LookupResult.FAILED and answer.message and not answer.is_repeated:
            logger.warning(
                "A lookup request failed. The deletions that depend on it are re-checked in the "
                "next sync: %s",
                answer.message,
            )
        return answer.rows, answer.result

    def _request(
        self,
        name: str,
        partition: Mapping[str, Any],
        window: Mapping[str, Any],
        *,
        most: int | None = None,
    ) -> "LookupAnswer":
        kind = _kind_of(name, partition)
        with self._lock:
            if kind in self._broken:
                message = self._broken[kind]
                return LookupAnswer([], LookupResult.FAILED, message=message, is_repeated=True)
        requested = StreamSlice(partition=partition, cursor_slice=window)
        rows: list[dict[str, Any]] = []
        with requesting([requested]), recording_requests() as notes:
            try:
                for part in self._streams[name].generate_partitions():
                    for record in part.read():
                        rows.append(dict(record.data))
                        if most is not None and len(rows) > most:
                            return LookupAnswer(rows, LookupResult.FOUND, is_cut=True)
            except (AirbyteTracedException, requests.RequestException) as error:
                message = filter_secrets(str(error))
                with self._lock:
                    self._broken[kind] = message
                return LookupAnswer([], LookupResult.FAILED, message=message)
        if notes.refusals:
            vanished = all(refusal.vanished for refusal in notes.refusals)
            result = LookupResult.NOT_FOUND if vanished else LookupResult.REFUSED
            return LookupAnswer([], result, message=notes.refusals[0].message)
        return LookupAnswer(rows, LookupResult.FAILED if notes.short else LookupResult.FOUND)


def _kind_of(name: str, partition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the key under which failures are shared: the request without the record's id."""
    path = str(partition.get("path", ""))
    first, _, rest = path.removeprefix("workspaces/").partition("/")
    return name, str(partition.get("workspace_id", first)), _ID.sub("*", rest)
