"""The configuration: the README's table, and the form on the user's page."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from docs.build.blocks import Mismatch, markdown_table
from docs.build.notes import FOLDER
from integration_tests.stream_facts import manifest

Field = Mapping[str, Any]


def spec() -> Field:
    found: Field = manifest()["spec"]["connection_specification"]
    return found


def _fields() -> list[tuple[str, Field]]:
    """The fields in the order of the form."""
    return sorted(spec()["properties"].items(), key=lambda item: int(item[1]["order"]))


def _notes() -> Mapping[str, Mapping[str, str]]:
    notes: dict[str, dict[str, str]] = yaml.safe_load((FOLDER / "fields.yaml").read_text())
    for place in notes:
        if place not in {place for name, field in _fields() for place, _ in _places(name, field)}:
            raise Mismatch(f"fields.yaml has a note of {place}, which is no field")
    return notes


def _places(name: str, field: Field) -> Iterator[tuple[str, Field]]:
    """A field and its choices, as the form calls them."""
    yield name, field
    for choice in field.get("oneOf") or ():
        yield f"{name}[{_constant(choice)[1]}]", choice


def _constant(choice: Field) -> tuple[str, str]:
    """Name and value of the property by which a choice is known."""
    (found,) = (
        (name, str(each["const"])) for name, each in choice["properties"].items() if "const" in each
    )
    return found


# The README


def table() -> str:
    rows = []
    for name, field in _fields():
        meaning = _shapes(field) if "oneOf" in field else _first_sentence(field["description"])
        rows.append([f"`{name}`", _default(name, field), meaning])
    return markdown_table(["field", "default", "meaning"], rows)


_LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_TO_THIS_PAGE = re.compile(
    r'<a href="[^"]*/integrations/sources/clockify(?:\.md)?#[^"]*">[^<]*</a>\.'
)


def _in_markdown(text: str) -> str:
    """A description without the tags of Airbyte's form, and without links to this page."""
    text = _LINK.sub(r"[\2](\1)", _TO_THIS_PAGE.sub("", text))
    text = re.sub(r"</?b>", "**", re.sub(r"\s*<br>\s*", ", ", text))
    return " ".join(text.replace(":,", ":").split())


def _first_sentence(text: str) -> str:
    text = _in_markdown(text)
    sentence = re.split(r"(?<=\.) (?=[A-Z])", " ".join(text.split()))[0].rstrip(".")
    return sentence[0].lower() + sentence[1:]


def _default(name: str, field: Field) -> str:
    """The default in words."""
    if name in spec()["required"]:
        return "required"
    if unset := _notes().get(name, {}).get("unset"):
        return unset
    default = field["default"]
    if isinstance(default, Mapping):
        kind, _ = _constant(field["oneOf"][0])
        return ", ".join(str(value) for key, value in default.items() if key != kind)
    return json.dumps(default).strip('"')


def _shapes(field: Field) -> str:
    """The JSON of each choice."""
    shapes = []
    for choice in field["oneOf"]:
        kind, value = _constant(choice)
        others = [name for name in choice["properties"] if name != kind]
        inside = ", ".join([f'"{kind}": "{value}"', *(f'"{name}": ...' for name in others)])
        enums = [choice["properties"][name].get("enum", []) for name in others]
        known = ", ".join(each for enum in enums for each in enum)
        shapes.append(f"`{{{inside}}}`" + (f" ({known})" if known else ""))
    return ", ".join(shapes[:-1]) + " or " + shapes[-1]


# The user's page


def form() -> str:
    """Every field and choice with its anchor."""
    parts = []
    for name, field in _fields():
        for place, each in _places(name, field):
            text = _described(name, place, each)
            parts.append(f'<FieldAnchor field="{place}">\n\n{text}\n\n</FieldAnchor>')
    return "\n\n".join(parts)


def _described(name: str, place: str, field: Field) -> str:
    more = " ".join(_notes().get(place, {}).get("more", "").split())
    if place != name:
        fields = [each for each in field["properties"].values() if "title" in each]
        told = [
            _in_markdown(each["description"])
            if len(fields) == 1 and each["title"] == field["title"]
            else f"**{each['title']}**: {_in_markdown(each['description'])}"
            for each in fields
        ]
        parts = [_in_markdown(field.get("description", "")), *told, more]
        return f"- **{field['title']}**: " + " ".join(part for part in parts if part)
    default = "" if name in spec()["required"] else f" ({_shown(_default(name, field))})"
    limits = [str(field[each]) for each in ("minimum", "maximum") if each in field]
    span = f"{' to '.join(limits)}." if limits else ""
    parts = [_in_markdown(field["description"]), span, more]
    return f"**{field['title']}**{default}: " + " ".join(part for part in parts if part)


def _shown(default: str) -> str:
    """A default as the form shows it: a switch is on or off, names are titles."""
    titles = {name: field["title"] for name, field in _fields()}
    words = {"true": "on", "false": "off"}
    text = re.sub(r"\b(true|false)\b", lambda found: words[found[0]], default)
    return re.sub(r"`(\w+): (\w+)`", lambda found: f"{titles[found[1]]} {found[2]}", text)
