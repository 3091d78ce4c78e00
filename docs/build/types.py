"""The map of data types: each type of the schemas, in Clockify's and in Airbyte's words."""

from collections.abc import Iterator, Mapping
from typing import Any

from docs.build.blocks import Mismatch, markdown_table
from docs.build.diagram import types_of
from integration_tests.stream_facts import definitions, schema_of
from source_clockify.change_tracking.messages import COLUMNS

# What Clockify has, the marks of the JSON schema, and what Airbyte makes of it.
_TYPES = (
    ("text, ids, enumerations, durations (`PT1H30M`)", ("string",), "string"),
    (
        "moments (`2024-05-31T08:30:00Z`)",
        ("string", "date-time", "timestamp_with_timezone"),
        "timestamp with timezone",
    ),
    ("days (`2024-05-31`)", ("string", "date"), "date"),
    ("whole numbers, seconds, amounts in minor units", ("integer",), "integer"),
    ("numbers with fractions", ("number",), "number"),
    ("yes or no", ("boolean",), "boolean"),
    ("nested objects, kept as they are", ("object",), "object"),
    ("lists", ("array",), "array"),
    (
        "what is an object for one kind of entity and something else for another, in "
        "`entity_changes_*`: `status`, `estimate`",
        ("string", "object"),
        "union",
    ),
    ("the same: `budgetEstimate`", ("integer", "object"), "union"),
    ("the same: `automaticTimeEntryCreation`", ("boolean", "object"), "union"),
    (
        "a list that is documented as text: the working days of `scheduling_user_totals`",
        ("array", "string"),
        "union",
    ),
    (
        "values whose type the account chooses, as those of custom fields",
        ("string", "number", "boolean", "array", "object"),
        "union",
    ),
)


def table() -> str:
    """
    Raises:
        Mismatch: unless the types above are those of the schemas.
    """
    used = {kind for stream in definitions() for kind in _kinds(schema_of(stream))}
    used |= {kind for column in COLUMNS.values() for kind in _kinds(column)}
    if differing := sorted(used ^ {kind for _, kind, _ in _TYPES}):
        raise Mismatch(f"docs/build/types.py and the schemas differ in the types {differing}")
    rows = [
        [what, ", ".join(f"`{mark}`" for mark in kind), airbyte] for what, kind, airbyte in _TYPES
    ]
    return markdown_table(["Clockify", "JSON schema", "Airbyte"], rows)


def _kinds(schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Type, format and Airbyte's own type of a schema and all that it holds."""
    marks = [schema[name] for name in ("format", "airbyte_type") if name in schema]
    yield (*types_of(schema), *marks)
    for field in (schema.get("properties") or {}).values():
        yield from _kinds(field)
    if "items" in schema:
        yield from _kinds(schema["items"])
