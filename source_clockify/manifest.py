"""Builds the manifest of the Python layer from `manifest.yaml`, which also works on its own.

Replaces the components that YAML cannot express: an authenticator that does not send the key along
a redirect, an error handler that validates whole bodies and records refusals, pagination directed
by the server, time entries paginated by time; and those that are slow in YAML, see records.py.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from source_clockify.adaptations import ACCOUNT_STATUSES
from source_clockify.cdk_patches import resolve_references
from source_clockify.changed_entries import CHANGED_ENTRIES, with_feeds_by_workspace
from source_clockify.report_history import FIRST_DAY, probe_streams, rows_of_report
from source_clockify.requested_slices import on_demand
from source_clockify.users import LARGEST_PAGE

# Events may be filtered after they were cut into pages.
EVENT_PAGINATORS = ("webhook_logs_paginator", "entity_changes_paginator", "audit_log_paginator")


def with_read_timeout(manifest: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """Return the manifest with another read timeout."""
    definitions = manifest["definitions"]
    requester = {**definitions["requester"], "read_timeout_in_seconds": seconds}
    return {**manifest, "definitions": {**definitions, "requester": requester}}


def without_migrations(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest for settings that need no migration, whose templates take time."""
    spec = manifest["spec"]
    rules = {**spec["config_normalization_rules"], "config_migrations": []}
    return {**manifest, "spec": {**spec, "config_normalization_rules": rules}}


def without_schemas(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with empty schemas; its references are resolved.

    Otherwise the CDK would copy every record to normalise it by a schema, which no stream asks for.
    """
    return cast(dict[str, Any], _without_schemas(manifest))


_NO_SCHEMA = {"type": "InlineSchemaLoader", "schema": {}}


def _without_schemas(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {
            name: _NO_SCHEMA if name == "schema_loader" else _without_schemas(value)
            for name, value in part.items()
        }
    return [_without_schemas(each) for each in part] if isinstance(part, list) else part


def with_python_components(
    manifest: Mapping[str, Any], selected: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the manifest with Python components for authentication, errors and pagination.

    Of the streams, only the selected ones (by default all), their parents, and the on-demand
    streams they need are included. References are resolved.
    """
    definitions = dict(manifest["definitions"])
    definitions["authenticator"] = _component(
        "CustomAuthenticator", "authenticator.ClockifyAuthenticator"
    )
    definitions["error_handler"] = {
        **definitions["refusal_handler"],
        **_component("CustomErrorHandler", "error_handler.ClockifyErrorHandler"),
        "backoff_strategies": [
            _component("CustomBackoffStrategy", "retry_after.RetryAfterStrategy")
        ],
    }
    for name, definition in definitions.items():
        if isinstance(definition, Mapping):
            definitions[name] = _with_last_page_header(definition)
    for name in EVENT_PAGINATORS:
        definitions[name] = _with_strategy(manifest["definitions"][name], "EventPagination")
    definitions["envelope_selector"] = {
        **definitions["envelope_selector"],
        "extractor": _component("CustomRecordExtractor", "records.EnvelopeExtractor"),
    }
    definitions["record_selector"] = {
        **definitions["record_selector"],
        "extractor": _component("CustomRecordExtractor", "records.ListExtractor"),
    }
    definitions["event_extractor"] = _component("CustomRecordExtractor", "pagination.PageExtractor")
    definitions["users_stream"] = _with_both_requests(definitions["users_stream"])
    definitions["counted_strategy"] = _strategy(
        manifest["definitions"]["counted_strategy"], "TotalCountPagination"
    )
    definitions["base_retriever"] = {
        **definitions["base_retriever"],
        "decoder": _component("CustomDecoder", "records.MemoizedJsonDecoder"),
    }
    # A lazily read parent only accepts a decoder of the CDK.
    definitions["tasks_of_hydrated_projects_stream"] = _with_plain_decoder(
        definitions["tasks_of_hydrated_projects_stream"], manifest["definitions"]["record_selector"]
    )
    definitions["entry_in_window"] = _component("CustomRecordFilter", "records.EntryInWindow")
    for name in ("time_entries_stream", "detailed_report_stream"):
        definitions[name] = _with_start_and_cursor(definitions[name])
    # It lists no added fields: the column is Clockify's own, so its changes count.
    definitions["no_empty_invoicing_info"] = _component(
        "CustomTransformation", "records.NoEmptyInvoicingInfo"
    )
    listing = manifest["definitions"]["listing_paginator"]
    definitions["approval_requests_stream"] = _with_states(
        definitions["approval_requests_stream"], listing
    )
    definitions["report_window"] = _from_all_history(definitions["report_window"])
    definitions["time_entries_paginator"] = _paged_by_time(listing)
    definitions["time_entries_stream"] = _for_many_entries(definitions["time_entries_stream"])
    resolved = resolve_references({**manifest, "definitions": definitions})
    by_project = resolved["definitions"]["tasks_stream"]
    resolved["streams"] = [
        with_feeds_by_workspace(entry) if entry["name"] == CHANGED_ENTRIES else entry
        for entry in _with_listed_tasks(resolved)
    ]
    if selected is not None:
        needed = {*selected, *parents_of(selected, resolved["streams"])}
        resolved["streams"] = [
            entry
            for entry in resolved["streams"]
            if any(stream["name"] in needed for stream in streams_of(entry))
        ]
    if selected is None or "tasks" in selected:
        resolved["streams"].append(on_demand(by_project))
    if selected is None or any(rows_of_report(name) for name in selected):
        resolved["streams"] += probe_streams(resolved["definitions"])
    return resolved


def _with_listed_tasks(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the streams; the tasks of the project list (see tasks.py) replace both forms."""
    listed = manifest["definitions"]["tasks_of_hydrated_projects_stream"]
    for entry in manifest["streams"]:
        if entry["type"] != "ConditionalStreams":
            yield entry
        elif listed in streams_of(entry):
            yield listed


def names_of_streams(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of all streams of `manifest.yaml` as it is loaded."""
    return frozenset(
        definition["name"]
        for definition in manifest["definitions"].values()
        if isinstance(definition, Mapping) and definition.get("type") == "DeclarativeStream"
    )


def streams_of(entry: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the streams of an entry of the list `streams`, which may be conditional."""
    streams: Sequence[Mapping[str, Any]] = entry.get("streams", [entry])
    return streams


def parents_of(selected: Collection[str], entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the parents of the selected streams, grandparents first.

    `entries` is the list `streams` of a manifest with resolved references.
    """
    found: list[str] = []
    for entry in entries:
        for stream in streams_of(entry):
            if stream["name"] in selected:
                _collect_parents(stream, found)
    return list(dict.fromkeys(found))


def _collect_parents(stream: Mapping[str, Any], found: list[str]) -> None:
    router = stream["retriever"].get("partition_router") or []
    routers = list(router) if isinstance(router, list) else [router]
    while routers:
        router = routers.pop()
        routers.extend(router.get("partition_routers") or [])
        for parent in router.get("parent_stream_configs") or []:
            _collect_parents(parent["stream"], found)
            found.append(parent["stream"]["name"])


def _with_last_page_header(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace page numbers that stop on a short page with those directed by the server."""
    strategy = definition.get("pagination_strategy")
    if isinstance(strategy, Mapping) and strategy.get("type") == "PageIncrement":
        return _with_strategy(definition, "LastPageHeaderPagination")
    return definition


def _with_strategy(paginator: Mapping[str, Any], class_name: str) -> dict[str, Any]:
    strategy = _strategy(paginator["pagination_strategy"], class_name)
    return {**paginator, "pagination_strategy": strategy}


def _strategy(strategy: Mapping[str, Any], class_name: str) -> dict[str, Any]:
    return {
        **strategy,
        "type": "CustomPaginationStrategy",
        "class_name": f"source_clockify.pagination.{class_name}",
    }


def _paged_by_time(listing_paginator: Mapping[str, Any]) -> dict[str, Any]:
    paginator = _with_strategy(listing_paginator, "TimeEntriesPagination")
    del paginator["page_token_option"]
    return paginator


def _for_many_entries(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stream of time entries in a form that reads many of them efficiently.

    It sends both parts of a time token (see `TimeEntriesPagination`), which a single option cannot,
    and uses no templates for records.
    """
    retriever = stream["retriever"]
    requester = retriever["requester"]
    parameters = {
        **requester["request_parameters"],
        "page": "{{ next_page_token['next_page_token']['page'] if next_page_token else 1 }}",
        "end": "{{ next_page_token['next_page_token']['end'] or '' if next_page_token }}",
    }
    retriever = {**retriever, "requester": {**requester, "request_parameters": parameters}}
    return {**stream, "retriever": retriever}


def _with_start_and_cursor(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stream with `start` and `cursor` added before its filter instead of within it."""
    retriever = stream["retriever"]
    selector = {**retriever["record_selector"], "transform_before_filtering": True}
    added = {
        **_component("CustomTransformation", "records.StartAndCursor"),
        "fields": [{"path": ["start"]}, {"path": ["cursor"]}],
    }
    return {
        **stream,
        "retriever": {**retriever, "record_selector": selector},
        "transformations": [*stream.get("transformations", ()), added],
    }


def _with_both_requests(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stream of users in a form that works with any server, see users.py."""
    retriever = stream["retriever"]
    requester = retriever["requester"]
    token = "next_page_token['next_page_token']"
    statuses = list(ACCOUNT_STATUSES)
    value = {
        **requester["request_body"]["value"],
        "accountStatuses": f"{{{{ {token}['statuses'] if next_page_token else {statuses} }}}}",
        "page": f"{{{{ {token}['page'] if next_page_token else 1 }}}}",
    }
    paginator = {
        "type": "DefaultPaginator",
        "page_size_option": {
            "type": "RequestOption",
            "inject_into": "body_json",
            "field_path": ["pageSize"],
        },
        "pagination_strategy": {
            "type": "CustomPaginationStrategy",
            "class_name": "source_clockify.users.UsersPagination",
            "page_size": LARGEST_PAGE,
            "start_from_page": 1,
        },
    }
    retriever = {
        **retriever,
        "paginator": paginator,
        "requester": {**requester, "request_body": {**requester["request_body"], "value": value}},
        "record_selector": {
            "$ref": "#/definitions/record_selector",
            "extractor": _component("CustomRecordExtractor", "users.UsersExtractor"),
        },
    }
    return {**stream, "retriever": retriever}


def _with_states(stream: Mapping[str, Any], listing_paginator: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stream of approval requests in a form that can request single states."""
    retriever = stream["retriever"]
    requester = retriever["requester"]
    token = "next_page_token['next_page_token']"
    parameters = {
        **requester["request_parameters"],
        "page": f"{{{{ {token}['page'] if next_page_token else 1 }}}}",
        "status": f"{{{{ {token}['status'] if next_page_token }}}}",
    }
    paginator = {
        **listing_paginator,
        "pagination_strategy": {
            **listing_paginator["pagination_strategy"],
            "type": "CustomPaginationStrategy",
            "class_name": "source_clockify.approvals.ApprovalRequestsPagination",
        },
    }
    del paginator["page_token_option"]
    retriever = {
        **retriever,
        "paginator": paginator,
        "requester": {**requester, "request_parameters": parameters},
    }
    return {**stream, "retriever": retriever}


def _with_plain_decoder(stream: Mapping[str, Any], selector: Mapping[str, Any]) -> dict[str, Any]:
    decoder = {"type": "JsonDecoder"}
    retriever = {**stream["retriever"], "decoder": decoder, "record_selector": selector}
    return {**stream, "retriever": retriever}


def _from_all_history(window: Mapping[str, Any]) -> dict[str, Any]:
    """Let reports begin before the workspace; report_history.py skips empty windows."""
    start = {
        **window["start_datetime"],
        "datetime": f"{{{{ (config.get('start_date') or '{FIRST_DAY}')[:10] }}}}",
    }
    return {**window, "start_datetime": start}


def _component(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "class_name": f"source_clockify.{name}"}
