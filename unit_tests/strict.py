"""Checks a record against a schema as a strict destination would."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from jsonschema import Draft7Validator, FormatChecker

FORMATS = FormatChecker(formats=())


def is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def is_day(value: object) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


FORMATS.checks("date-time", raises=ValueError)(is_moment)
FORMATS.checks("date", raises=ValueError)(is_day)


def violations(record: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return what a record has that the schema does not declare, or declares otherwise."""
    validator = Draft7Validator(closed(schema), format_checker=FORMATS)
    found = (
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(with_readable_moments(record))
    )
    return sorted(found)


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema whose objects admit no other properties, at any depth."""
    return dict(_closed(schema))


def _closed(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in schema.items():
        if name == "properties":
            yield name, {field: closed(inner) for field, inner in value.items()}
        elif name == "items":
            yield name, closed(value)
        elif name != "additionalProperties":
            yield name, value
    if "object" in schema["type"]:
        yield "additionalProperties", False


def with_readable_moments(value: Any) -> Any:
    """Python 3.10 does not read the Z of a moment."""
    if isinstance(value, Mapping):
        return {name: with_readable_moments(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_readable_moments(inner) for inner in value]
    is_utc = isinstance(value, str) and value[-1:] == "Z" and value[10:11] == "T"
    return f"{value[:-1]}+00:00" if is_utc else value
