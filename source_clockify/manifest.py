"""The manifest as the Python layer runs it.

`manifest.yaml` works by itself. Here the four parts are exchanged that YAML cannot express: an
authenticator that sends no key along a redirect, error handlers that read the whole body and
remember what was refused, paging that obeys the server, and time entries paged by time.
"""

import pkgutil
from collections.abc import Mapping
from typing import Any, cast

import yaml

# The kind of body that each error handler of the manifest expects; see error_handler.py.
BODIES = {
    "account_error_handler": "workspaces",
    "listing_error_handler": "list",
    "child_listing_error_handler": "list",
    "hydrated_projects_error_handler": "hydrated_projects",
    "child_error_handler": "object",
    "detailed_report_error_handler": "detailed_report",
}


def load_manifest() -> dict[str, Any]:
    """Return `manifest.yaml` as it is, references unresolved."""
    content = pkgutil.get_data("source_clockify", "manifest.yaml")
    if content is None:
        raise FileNotFoundError("source_clockify/manifest.yaml is missing from the package")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast(dict[str, Any], yaml.load(content, Loader=loader))


def with_python_components(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the manifest whose authenticator, error handlers and paging are Python."""
    definitions = dict(manifest["definitions"])
    definitions["authenticator"] = {
        "type": "CustomAuthenticator",
        "class_name": "source_clockify.authenticator.ClockifyAuthenticator",
    }
    for name, body in BODIES.items():
        definitions[name] = {
            **definitions[name],
            "type": "CustomErrorHandler",
            "class_name": "source_clockify.error_handler.ClockifyErrorHandler",
            "body": body,
        }
    definitions["base_error_handler"] = {
        key: value for key, value in definitions["base_error_handler"].items() if key != "type"
    }
    definitions["listing_paginator"] = _with_strategy(
        definitions["listing_paginator"], "ListingPagination"
    )
    definitions["detailed_report_paginator"] = _with_strategy(
        definitions["detailed_report_paginator"], "DetailedReportPagination"
    )
    definitions["time_entries_paginator"] = _paged_by_time(definitions["listing_paginator"])
    definitions["time_entries_stream"] = _with_time_parameters(definitions["time_entries_stream"])
    return {**manifest, "definitions": definitions}


def _with_strategy(paginator: Mapping[str, Any], class_name: str) -> dict[str, Any]:
    strategy = {
        **paginator["pagination_strategy"],
        "type": "CustomPaginationStrategy",
        "class_name": f"source_clockify.pagination.{class_name}",
    }
    return {**paginator, "pagination_strategy": strategy}


def _paged_by_time(listing_paginator: Mapping[str, Any]) -> dict[str, Any]:
    paginator = _with_strategy(listing_paginator, "TimeEntriesPagination")
    del paginator["page_token_option"]
    return paginator


def _with_time_parameters(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Send both halves of a time token (see `TimeEntriesPagination`), which one option cannot."""
    retriever = stream["retriever"]
    requester = retriever["requester"]
    parameters = {
        **requester["request_parameters"],
        "page": "{{ next_page_token['next_page_token']['page'] if next_page_token else 1 }}",
        "end": "{{ next_page_token['next_page_token']['end'] if next_page_token }}",
    }
    requester = {**requester, "request_parameters": parameters}
    return {**stream, "retriever": {**retriever, "requester": requester}}
