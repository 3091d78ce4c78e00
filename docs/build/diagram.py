"""The diagram of entities: primary keys, and the ids of other streams that schemas name."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integration_tests.stream_facts import definitions, parent_of, schema_of

# Ids whose names are not those of their streams.
_NAMES = {
    "assigneeIds": "users",
    "assigneeId": "users",
    "requesterUserId": "users",
    "policyId": "time_off_policies",
    "categoryId": "expense_categories",
}
# Objects that hold the id of a stream's row.
_OBJECTS = {
    "category": "expense_categories",
    "project": "projects",
    "task": "tasks",
    "tags": "tags",
    "entries": "time_entries",
    "expenses": "expenses",
    "visibleToUsers": "users",
    "visibleToUserGroups": "user_groups",
    "teamManagers": "users",
}
# Ids that are those of another stream's rows.
_SAME_IDS = {
    ("project_custom_fields", "id"): "custom_fields",
    ("time_entries_in_progress", "id"): "time_entries",
    ("time_entries_changed", "id"): "time_entries",
    ("time_entries_deleted", "id"): "time_entries",
    ("detailed_report", "_id"): "time_entries",
    ("expense_report", "id"): "expenses",
}
# A plan may be for no task.
_UNCERTAIN = {("scheduling_project_totals", "taskId")}
_DEPTH = 2
_WORKSPACE = "workspaceId"


@dataclass(frozen=True)
class Reference:
    """A column that names rows of another stream; `path` is dotted where it is nested."""

    parent: str
    path: str
    is_list: bool


def diagram() -> str:
    """The diagram in Mermaid's language, within its fence."""
    lines = ["```mermaid", "erDiagram"]
    for stream in definitions():
        lines += [f"    {stream} {{", *_columns(stream), "    }"]
    for parent in definitions():
        for stream in definitions():
            drawn = [each for each in _drawn(stream) if each.parent == parent]
            lines += [_line(stream, reference) for reference in drawn]
    return "\n".join([*lines, "```"])


def _columns(stream: str) -> Iterator[str]:
    """The columns of the key, then those that refer to other streams."""
    schema, key = schema_of(stream), definitions()[stream]["primary_key"]
    references = [each.path for each in _references(stream) if "." not in each.path]
    for name in dict.fromkeys([*key, *references]):
        marks = [mark for mark, names in (("PK", key), ("FK", references)) if name in names]
        yield f"        {_kind(schema['properties'][name])} {name} {', '.join(marks)}"


def _kind(field: Mapping[str, Any]) -> str:
    dates = {"date": "date", "date-time": "timestamp"}
    return dates.get(field.get("format", ""), types_of(field)[0])


def types_of(field: Mapping[str, Any]) -> list[str]:
    """The types of a field but null."""
    found = field.get("type", ())
    return [each for each in ([found] if isinstance(found, str) else found) if each != "null"]


def _references(stream: str) -> list[Reference]:
    """The references of a stream, those to its workspace too."""
    if "documentCode" in schema_of(stream)["properties"]:
        # Entities of any kind, each with other columns.
        return [Reference("workspaces", _WORKSPACE, is_list=False)]
    found = []
    for path, is_list in _paths(schema_of(stream), (), is_list=False):
        parent = _SAME_IDS.get((stream, ".".join(path))) or _parent_named(path)
        if parent in definitions() and (len(path) == 1 or path[-1] != _WORKSPACE):
            found.append(Reference(parent, ".".join(path), is_list))
    return [each for each in found if each.parent != stream or "." not in each.path]


def _paths(
    schema: Mapping[str, Any], above: tuple[str, ...], is_list: bool
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each property to a depth of two, and whether it or what holds it is a list."""
    for name, field in (schema.get("properties") or {}).items():
        many = is_list or "array" in types_of(field)
        yield (*above, name), many
        if len(above) + 1 < _DEPTH:
            yield from _paths(field.get("items") or field, (*above, name), many)


def _parent_named(path: tuple[str, ...]) -> str:
    name = path[-1]
    if name == "id":
        return _OBJECTS.get(path[-2], "") if len(path) > 1 else ""
    if name in _NAMES:
        return _NAMES[name]
    singular = re.sub(r"(?<!^)([A-Z])", r"_\1", name.removesuffix("s").removesuffix("Id")).lower()
    is_id = name.endswith(("Id", "Ids"))
    return f"{singular}s" if is_id else ""


def _drawn(stream: str) -> list[Reference]:
    """The references that have a line: to the workspace only where a stream has no other."""
    references = _references(stream)
    return [each for each in references if each.path != _WORKSPACE] or references


def _line(stream: str, reference: Reference) -> str:
    key = definitions()[stream]["primary_key"]
    place = (stream, reference.path)
    is_certain = (
        reference.path == _WORKSPACE
        or parent_of(stream) == reference.parent
        or (reference.path in key and place not in _UNCERTAIN and place not in _SAME_IDS)
    )
    left = "}o" if reference.is_list else "||" if is_certain else "|o"
    is_only = {reference.path} == {*key} - {_WORKSPACE} or key == [reference.path]
    right = "o|" if is_only else "o{"
    return f'    {reference.parent} {left}--{right} {stream} : "{reference.path}"'
