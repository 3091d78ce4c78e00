"""What the manifest says of each stream: definition, request, paging, parent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)

from source_clockify.manifest import streams_of
from source_clockify.manifest_file import load_manifest

Definition = Mapping[str, Any]


@cache
def manifest() -> Mapping[str, Any]:
    """The manifest without references."""
    resolved: Mapping[str, Any] = ManifestReferenceResolver().preprocess_manifest(load_manifest())
    return resolved


@cache
def definitions() -> Mapping[str, Definition]:
    """Every stream by its name, in the manifest's order; of conditional ones the first."""
    found: dict[str, Definition] = {}
    for entry in manifest()["streams"]:
        for stream in streams_of(entry):
            found.setdefault(stream["name"], stream)
    return found


def parameters_of(stream: str) -> Mapping[str, Any]:
    return definitions()[stream].get("$parameters") or {}


def schema_of(stream: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = definitions()[stream]["schema_loader"]["schema"]
    return schema


def cursor_of(stream: str) -> str:
    """The cursor that the manifest itself has; empty without one."""
    return str((definitions()[stream].get("incremental_sync") or {}).get("cursor_field", ""))


@dataclass(frozen=True)
class Request:
    """The request that reads a stream: method, name of the host, and path with `*` for each id."""

    method: str
    host: str
    path: str


@cache
def request_of(stream: str) -> Request:
    requester = definitions()[stream]["retriever"]["requester"]
    url, _, _ = requester["url"].partition("?")
    for name, value in parameters_of(stream).items():
        url = url.replace(f"{{{{ parameters['{name}'] }}}}", str(value))
    host, path = re.findall(r"^{{ config\['hosts'\]\['(\w+)'\] }}(.*)$", url)[0]
    # All workspaces, or each one that the configuration names.
    path = re.sub(r"{{ '' if .*? }}", "", path)
    return Request(requester.get("http_method", "GET"), host, re.sub(r"{{.*?}}", "*", path))


@dataclass(frozen=True)
class Pages:
    """How a listing is paged in the manifest.

    Attributes:
        is_in_body: whether number and size stand in the body of the request.
        first: the number of the first page.
        size_name: how the size is called.
        size: of a page.
    """

    is_in_body: bool
    first: int
    size_name: str
    size: int


def pages_of(stream: str) -> Pages | None:
    """How a stream is paged; None where all rows come at once."""
    paginator = definitions()[stream]["retriever"].get("paginator")
    if paginator is None:
        return None
    option, strategy = paginator["page_size_option"], paginator["pagination_strategy"]
    name = option.get("field_name") or option["field_path"][-1]
    in_body = option["inject_into"] == "body_json"
    return Pages(in_body, strategy["start_from_page"], name, strategy["page_size"])


def parent_of(stream: str) -> str | None:
    """The stream whose rows a stream is read for, one request or more each; None: workspaces."""
    router = definitions()[stream]["retriever"].get("partition_router")
    parents = router.get("parent_stream_configs", []) if isinstance(router, Mapping) else []
    return parents[0]["stream"]["name"] if parents else None
