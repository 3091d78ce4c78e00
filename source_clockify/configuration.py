"""Validates the configuration given by the user, and explains every problem in words.

Every field is checked against its part of the manifest's spec, which holds its title, limits,
choices and defaults. No message ever repeats a credential, or a misplaced value that may be one.
"""

import difflib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.timestamps import EARLIEST, format_second, second_of

# The default of State Limit: Airbyte stores 10 MB.
DEFAULT_LIMIT_MB = 9

# Values in messages are cut to this length.
SHOWN_CHARACTERS = 100
_MOST_ENTRIES = 3

# The fields of Airbyte's older community connector, and the current fields that replace them.
OLDER_FIELDS = {"api_key": "credentials", "workspace_id": "workspace_ids", "api_url": "server"}

# `check` sets the number of retries; the hosts are derived from Server.
_RETRIES = "max_request_retries"
_INTERNAL = (_RETRIES, "hosts")

# Characters that may be a key or a part of one: neither words nor a host with its dots.
_RUN = re.compile(r"[A-Za-z0-9+_-]{16,}")
_ID = re.compile(r"[0-9a-z]{20,26}")
_DATE = re.compile(r"[+-]?\d{4,6}-\d\d-\d\d")
_SECRET_NAME = re.compile(r"key|token|secret|pass|auth|credential", re.IGNORECASE)
_SHORTEST_SECRET = 4
_USABLE_KEY = r"[A-Za-z0-9+/=._~-]{8,}"
_MOST_VALUES = 10_000

_CLOCKIFY_HOST = ".clockify.me"


@dataclass(frozen=True)
class Configuration:
    """A valid configuration.

    Attributes:
        settings: in the form of the spec, without empty and unknown fields; fields of the older
            connector are left to the manifest, which migrates them.
        warnings: sentences about ignored fields.
    """

    settings: dict[str, Any]
    warnings: Sequence[str]


@dataclass(frozen=True)
class _Field:
    """A field of the form.

    Attributes:
        name: its path, such as `server.reports_url`.
        title: as in the form, after the titles of the enclosing fields.
        schema: its part of the spec.
    """

    name: str
    title: str
    schema: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.title} ({self.name})"


@dataclass(frozen=True)
class _Notes:
    """The findings so far.

    Attributes:
        secrets: texts that messages must not repeat.
        now: the present, in seconds since 1970.
    """

    secrets: Collection[str]
    now: float
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, where: _Field, given: Any, expected: str) -> None:
        self.problems.append(f"{where} is {self.shown(where, given)}, but must be {expected}.")

    def shown(self, where: _Field, given: Any) -> str:
        """Return a value in the form used in messages."""
        text = _text(given)
        if where.schema.get("airbyte_secret") or where.name.startswith("credentials"):
            return f"{_kind(given)} (not shown)"
        if _may_be_secret(text, self.secrets):
            return f"{_kind(given)} (not shown, since it may be a key)"
        return repr(_without_password(text)[:SHOWN_CHARACTERS])


def understand_configuration(
    given: Any, specification: Mapping[str, Any], now: float
) -> Configuration:
    """Validate the user's input, which may be any JSON value.

    Args:
        specification: the `connection_specification` of the manifest.
        now: the present, in seconds since 1970.

    Raises:
        AirbyteTracedException: config_error that lists every problem.
    """
    fields = {
        name: _Field(name, str(schema["title"]), schema)
        for name, schema in specification["properties"].items()
    }
    if not isinstance(given, Mapping):
        forms = _choice(fields["credentials"]).forms
        raise config_error(
            f"The configuration is {_kind(given)}, but must be a JSON object such as "
            f'{{"credentials": {forms[0]}}}.'
        )
    notes = _Notes(frozenset(_secrets_in(given)), now)
    named = {str(name): value for name, value in given.items()}
    present = {name: value for name, value in named.items() if not _is_blank(value)}
    settings: dict[str, Any] = {}
    refused: set[str] = set()
    for name, where in fields.items():
        if name in present:
            before = len(notes.problems)
            value = _read(where, present[name], notes)
            if value is not None:
                settings[name] = value
            if len(notes.problems) > before:
                refused.add(name)
    older = _read_older(present, fields, notes)
    settings.update(_drop_duplicates(older, settings, fields, notes))
    unknown = [
        name
        for name in named
        if not (name in fields or name in OLDER_FIELDS or name in _INTERNAL)
        and not name.startswith("__")
    ]
    _warn_of_unknown("The configuration", unknown, _suggestions(fields), notes)
    for name in specification["required"]:
        is_older = any(OLDER_FIELDS[each] == name for each in OLDER_FIELDS if each in present)
        if not (name in settings or name in refused or is_older):
            _refuse_missing_object(fields[name], unknown, notes)
    _check_addon(fields, settings, present, notes)
    retries = named.get(_RETRIES)
    if isinstance(retries, int) and 0 < retries < 1000:
        settings[_RETRIES] = retries
    if notes.problems:
        raise config_error(" ".join(notes.problems))
    return Configuration(settings, notes.warnings)


def stand_in(given: Any) -> dict[str, Any]:
    """Return a configuration that satisfies the spec, in place of a rejected one.

    It keeps the key of the rejected one, if any, so that the CDK masks it in all messages.
    """
    credentials = given.get("credentials") if isinstance(given, Mapping) else None
    key = ""
    for held in (given, credentials):
        for name in ("api_key", "addon_token"):
            value = held.get(name) if isinstance(held, Mapping) else None
            if isinstance(value, str) and re.fullmatch(_USABLE_KEY, value.strip()):
                key = value.strip()
    return {"credentials": {"auth_type": "api_key", "api_key": key or "~" * 8}}


def config_error(message: str) -> AirbyteTracedException:
    """Return the error for an unusable configuration, catalog or state."""
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def follows_changes(settings: Mapping[str, Any]) -> bool:
    """Return whether change feeds are read; by default on the paid plan only."""
    follows = settings.get("follow_changes")
    return settings.get("plan") != "free" if follows is None else bool(follows)


def closest(name: str, known: Collection[str]) -> str:
    """Return the most similar known name, ignoring case and punctuation, or ""."""
    plain = {_plain(each): each for each in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[near[0]] if near else ""


# Fields ----------------------------------------------------------------------------------------


def _read(where: _Field, given: Any, notes: _Notes) -> Any:
    """Return the value of a field; None if it is empty or rejected."""
    schema = where.schema
    if "oneOf" in schema:
        return _read_choice(where, given, notes)
    kind = schema["type"]
    if kind == "array":
        return _read_ids(where, given, notes)
    if schema.get("format") == "date-time":
        return _read_date(where, given, notes)
    if kind == "integer":
        return _read_number(where, given, notes)
    if kind == "boolean":
        return _read_switch(where, given, notes)
    return _read_text(where, given, notes)


def _read_number(where: _Field, given: Any, notes: _Notes) -> int | None:
    least, most = where.schema["minimum"], where.schema["maximum"]
    number = _number(given)
    if number is not None and least <= number <= most and number == int(number):
        return int(number)
    notes.refuse(where, given, f"a whole number from {least} to {most}")
    return None


def _number(given: Any) -> float | None:
    if isinstance(given, str) and re.fullmatch(r"[+-]?\d{1,9}(\.\d{1,9})?", given.strip(), re.A):
        given = float(given)
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return None
    return given if isinstance(given, int) or math.isfinite(given) else None


def _read_switch(where: _Field, given: Any, notes: _Notes) -> bool | None:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.strip().lower() in ("true", "false"):
        return given.strip().lower() == "true"
    notes.refuse(where, given, "true or false")
    return None


def _read_text(where: _Field, given: Any, notes: _Notes) -> str | None:
    schema = where.schema
    text = given.strip() if isinstance(given, str) else None
    if "enum" in schema:
        if text is not None and text.lower() in schema["enum"]:
            return text.lower()
        notes.refuse(where, given, _alternatives(schema["enum"]))
        return None
    is_url = where.name.endswith("_url")
    if text is not None and re.fullmatch(schema["pattern"], text):
        if is_url and _is_url(text):
            return text.rstrip("/")
        if not is_url and (schema.get("airbyte_secret") or _is_host(text + _CLOCKIFY_HOST)):
            return text
    notes.refuse(where, given, str(schema["pattern_descriptor"]))
    return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # The port is checked when it is first accessed.
        return parts.port != 0 and _is_host(parts.hostname or "")
    except ValueError:
        return False


def _is_host(name: str) -> bool:
    try:
        return bool(name) and bool(name.encode("idna"))
    except UnicodeError:
        return False


def _read_ids(where: _Field, given: Any, notes: _Notes) -> list[str] | None:
    """Read a list of ids, or a text of ids separated by commas or blanks."""
    if isinstance(given, str):
        given = re.split(r"[\s,;]+", given)
    if not isinstance(given, (list, tuple)):
        notes.refuse(where, given, f"a list of IDs, each {where.schema['pattern_descriptor']}")
        return None
    found: list[str] = []
    refused = 0
    for place, entry in enumerate(given, 1):
        if _is_blank(entry):
            continue
        text = entry.strip() if isinstance(entry, str) else ""
        if re.fullmatch(where.schema["items"]["pattern"], text):
            found.append(text.lower())
            continue
        refused += 1
        if refused <= _MOST_ENTRIES:
            entry_of = _Field(where.name, f"Entry {place} of {where.title}", {})
            notes.refuse(entry_of, entry, str(where.schema["pattern_descriptor"]))
    if refused > _MOST_ENTRIES:
        more = refused - _MOST_ENTRIES
        notes.problems.append(f"Further entries of {where} that are not IDs: {more}.")
    return list(dict.fromkeys(found))


def _read_date(where: _Field, given: Any, notes: _Notes) -> str | None:
    """Read a moment; reject one in the future or before 2000.

    Syncs from the future would succeed without records; before 2000 every report would take one
    request per month.
    """
    text = given.strip().upper() if isinstance(given, str) else ""
    second = second_of(text)
    problem = ""
    if second is None:
        problem = "is no date"
    elif second < EARLIEST:
        problem = "is before 2000"
    elif second > notes.now:
        problem = "is in the future"
    elif not re.fullmatch(where.schema["pattern"], text):
        problem = "is no date"
    if second is not None and not problem:
        return format_second(second)
    notes.problems.append(
        f"{where} is {notes.shown(where, given)}, which {problem}. Enter a date from 2000-01-01 to "
        "today, such as 2024-01-01 or 2024-01-01T00:00:00Z, or leave it empty for all history."
    )
    return None


# Fields with a choice --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Choice:
    """A field that is an object of one of several kinds.

    Attributes:
        where: the field.
        selector: the name of its field that selects the kind.
        kinds: the other fields of each kind, by kind and name.
        required: the names of the required fields of each kind.
    """

    where: _Field
    selector: str
    kinds: Mapping[str, Mapping[str, _Field]]
    required: Mapping[str, Collection[str]]

    @property
    def names(self) -> list[str]:
        return [name for own in self.kinds.values() for name in own]

    @property
    def forms(self) -> list[str]:
        """The written forms of the kinds."""
        return [
            json.dumps({self.selector: kind, **dict.fromkeys(self.required[kind], "...")})
            for kind in self.kinds
        ]


def _choice(where: _Field) -> _Choice:
    selector = ""
    kinds: dict[str, dict[str, _Field]] = {}
    required: dict[str, list[str]] = {}
    for each in where.schema["oneOf"]:
        properties = each["properties"]
        selector = next(name for name, schema in properties.items() if "const" in schema)
        kind = properties[selector]["const"]
        required[kind] = [name for name in each["required"] if name != selector]
        kinds[kind] = {
            name: _Field(f"{where.name}.{name}", f"{where.title}, {schema['title']}", schema)
            for name, schema in properties.items()
            if name != selector
        }
    return _Choice(where, selector, kinds, required)


def _read_choice(where: _Field, given: Any, notes: _Notes) -> dict[str, Any] | None:
    choice = _choice(where)
    if isinstance(given, str):
        given = _short_form(choice, given, notes) or given
    if not isinstance(given, Mapping):
        notes.refuse(where, given, " or ".join(choice.forms))
        return None
    named = {str(name): value for name, value in given.items()}
    present = {name: value for name, value in named.items() if not _is_blank(value)}
    if not present:
        return None
    unknown = [name for name in named if name not in (choice.selector, *choice.names)]
    paths = {name: f"{where.name}.{name}" for name in (choice.selector, *choice.names)}
    _warn_of_unknown(str(where), unknown, paths, notes)
    kind = _read_kind(choice, present, unknown, notes)
    return None if kind is None else _read_own_fields(choice, kind, present, unknown, notes)


def _read_own_fields(
    choice: _Choice,
    kind: str,
    present: Mapping[str, Any],
    unknown: Sequence[str],
    notes: _Notes,
) -> dict[str, Any]:
    found: dict[str, Any] = {choice.selector: kind}
    for name, own in choice.kinds[kind].items():
        if name in present:
            value = _read(own, present[name], notes)
            if value is not None:
                found[name] = value
        elif name in choice.required[kind]:
            _refuse_missing_field(own, unknown, notes)
    for fields in choice.kinds.values():
        for name, other in fields.items():
            if name in present and name not in choice.kinds[kind]:
                notes.warnings.append(f"{other} is ignored, because {choice.selector} is {kind}.")
    return found


def _short_form(choice: _Choice, given: str, notes: _Notes) -> Mapping[str, Any] | None:
    """Return the object for a short form such as "eu"; None for any other text."""
    text = given.strip().lower()
    for kind, own in choice.kinds.items():
        for name, each in own.items():
            if text in each.schema.get("enum", ()):
                found = {choice.selector: kind, name: text}
                notes.warnings.append(
                    f"{choice.where} is {text!r}, which is read as {json.dumps(found)}."
                )
                return found
    return None


def _read_kind(
    choice: _Choice, present: Mapping[str, Any], unknown: Sequence[str], notes: _Notes
) -> str | None:
    selector = choice.selector
    where = _Field(f"{choice.where.name}.{selector}", choice.where.title, {})
    given = present.get(selector)
    if isinstance(given, str) and given.strip().lower() in choice.kinds:
        return given.strip().lower()
    expected = _alternatives(choice.kinds)
    if given is not None:
        notes.refuse(where, given, expected)
        return None
    own = [kind for kind, fields in choice.kinds.items() if any(name in fields for name in present)]
    if len(own) == 1:
        expected = f"{expected}, here {own[0]}"
    near = [each for each in unknown if closest(each, [selector, *choice.names])]
    notes.problems.append(_missing(where, near, expected, notes))
    return None


# The older connector ---------------------------------------------------------------------------


def _read_older(
    present: Mapping[str, Any], fields: Mapping[str, _Field], notes: _Notes
) -> dict[str, Any]:
    """Read the flat fields of the older connector; the manifest migrates the result."""
    found: dict[str, Any] = {}
    credentials = _choice(fields["credentials"]).kinds
    servers = _choice(fields["server"]).kinds
    if "api_key" in present:
        key = credentials["api_key"]["api_key"]
        where = _Field("api_key", str(key.schema["title"]), key.schema)
        found["api_key"] = _read_text(where, present["api_key"], notes)
    if "workspace_id" in present:
        ids = fields["workspace_ids"]
        found_ids = _read_ids(
            _Field("workspace_id", ids.title, ids.schema), present["workspace_id"], notes
        )
        if found_ids and len(found_ids) == 1:
            found["workspace_id"] = found_ids[0]
        elif found_ids:
            found["workspace_ids"] = found_ids
    if "api_url" in present:
        url = servers["custom"]["api_url"]
        where = _Field("api_url", str(url.schema["title"]), url.schema)
        found["api_url"] = _read_older_url(
            where, present["api_url"], servers["subdomain"]["subdomain"], notes
        )
    return {name: value for name, value in found.items() if value is not None}


def _drop_duplicates(
    older: Mapping[str, Any],
    settings: Mapping[str, Any],
    fields: Mapping[str, _Field],
    notes: _Notes,
) -> dict[str, Any]:
    """Return the older fields whose newer form is not given.

    The manifest would prefer the older one; if the two differ, both are rejected.
    """
    found: dict[str, Any] = {}
    for name, value in older.items():
        newer = OLDER_FIELDS.get(name, name)
        if newer not in settings:
            found[name] = value
            continue
        held = settings[newer]
        if isinstance(held, Mapping):
            held = held.get(name)
        if held not in (value, [value]):
            old = _older_name(name)
            notes.problems.append(
                f"{fields[newer]} is given twice: also as the older field {old}, with another "
                f"value. Keep {newer} and remove {old}."
            )
    return found


def _older_name(name: str) -> str:
    return "workspace_id" if name == "workspace_ids" else name


def _read_older_url(where: _Field, given: Any, subdomain: _Field, notes: _Notes) -> str | None:
    text = given.strip() if isinstance(given, str) else ""
    match = re.match(r"https?://([^/:?#@]+)\.clockify\.me(?=[/:]|$)", text, re.IGNORECASE)
    if match is None:
        return _read_text(where, given, notes)
    if re.fullmatch(subdomain.schema["pattern"], match[1]) and _is_host(match[1] + _CLOCKIFY_HOST):
        return text
    notes.refuse(where, given, str(where.schema["pattern_descriptor"]))
    return None


# Missing and unknown fields ------------------------------------------------------------------


def _refuse_missing_object(where: _Field, unknown: Sequence[str], notes: _Notes) -> None:
    choice = _choice(where)
    near = [each for each in unknown if closest(each, [where.name, *choice.names])]
    near += [each for each in unknown if _SECRET_NAME.search(each)]
    notes.problems.append(_missing(where, near, " or ".join(choice.forms), notes))


def _refuse_missing_field(where: _Field, unknown: Sequence[str], notes: _Notes) -> None:
    near = [each for each in unknown if closest(each, [_leaf(where.name)])]
    if where.schema.get("airbyte_secret"):
        near += [each for each in unknown if _SECRET_NAME.search(each)]
    schema = where.schema
    expected = schema.get("pattern_descriptor") or _alternatives(schema.get("enum", ()))
    notes.problems.append(_missing(where, near, str(expected), notes))


def _missing(where: _Field, near: Sequence[str], expected: str, notes: _Notes) -> str:
    """Return a sentence on a missing field, and on an unknown one that may have been meant."""
    text = f"{where} is missing, but must be {expected}."
    if near:
        text += f" Is the unknown field {_shown_name(near[0], notes.secrets)} meant for it?"
    return text


def _check_addon(
    fields: Mapping[str, _Field],
    settings: Mapping[str, Any],
    present: Mapping[str, Any],
    notes: _Notes,
) -> None:
    """Reject an add-on token without workspaces, since it cannot list them."""
    credentials = settings.get("credentials") or {}
    if credentials.get("auth_type") != "addon_token" or "api_key" in settings:
        return
    if "workspace_id" in present or present.get("workspace_ids"):
        return
    notes.problems.append(
        f"{fields['workspace_ids']} is empty, but an add-on token cannot list workspaces: enter "
        "the ID of its workspace."
    )


def _suggestions(fields: Mapping[str, _Field]) -> dict[str, str]:
    """Return the paths of all fields, by field name."""
    found: dict[str, str] = {}
    for where in fields.values():
        found[where.name] = where.name
        if "oneOf" in where.schema:
            for own in _choice(where).kinds.values():
                found.update({name: each.name for name, each in own.items()})
    return found


def _warn_of_unknown(
    where: str, unknown: Sequence[str], known: Mapping[str, str], notes: _Notes
) -> None:
    for name in unknown:
        near = closest(name, known)
        hint = f" Is {known[near]} meant?" if near else ""
        notes.warnings.append(
            f"{where} has an unknown field, which is ignored: {_shown_name(name, notes.secrets)}."
            f"{hint}"
        )


def _shown_name(name: str, secrets: Collection[str]) -> str:
    if _may_be_secret(name, secrets):
        return "a name (not shown, since it may be a key)"
    return repr(name[:SHOWN_CHARACTERS])


# Texts -----------------------------------------------------------------------------------------


def _is_blank(given: Any) -> bool:
    return given is None or (isinstance(given, str) and not given.strip())


def _alternatives(names: Collection[str]) -> str:
    listed = list(names)
    return " or ".join(part for part in (", ".join(listed[:-1]), *listed[-1:]) if part)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]


def _kind(given: Any) -> str:
    if given is None:
        return "null"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str):
        return "a string"
    if isinstance(given, (int, float)):
        return "a number"
    return "an object" if isinstance(given, Mapping) else "a list"


def _text(given: Any) -> str:
    try:
        return str(given)
    except (RecursionError, ValueError):
        return "too many digits" if isinstance(given, (int, float)) else "too many levels"


def _may_be_secret(text: str, secrets: Collection[str]) -> bool:
    if any(secret in text or (len(text) > 5 and text in secret) for secret in secrets):
        return True
    return any(_looks_like_key(match[0]) for match in _RUN.finditer(text))


def _looks_like_key(run: str) -> bool:
    if _ID.fullmatch(run) or _DATE.match(run) or run.isdecimal():
        return False
    has_digits = any(sign.isdigit() for sign in run)
    has_letters = any(sign.isalpha() for sign in run)
    return (has_digits and has_letters) or (run != run.lower() and run != run.upper())


def _secrets_in(given: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the texts below fields whose names suggest a secret."""
    waiting: list[tuple[Any, bool]] = [(given, False)]
    visited = 0
    while waiting and visited < _MOST_VALUES:
        value, is_secret = waiting.pop()
        visited += 1
        if isinstance(value, Mapping):
            for name, held in value.items():
                if name in ("auth_type", "server_type"):
                    continue
                waiting.append((held, is_secret or bool(_SECRET_NAME.search(str(name)))))
        elif isinstance(value, (list, tuple)):
            waiting += [(held, is_secret) for held in value]
        elif is_secret and isinstance(value, str) and len(value.strip()) >= _SHORTEST_SECRET:
            yield value.strip()


def _without_password(text: str) -> str:
    """Mask the user name and password in a URL."""
    return re.sub(r"//[^/?#]*@", "//****@", text)
