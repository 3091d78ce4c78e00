"""Reads the files named on the command line (configuration, catalog, state), or explains errors."""

import json
import os
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    DestinationSyncMode,
    SyncMode,
)

from source_clockify.configuration import closest, config_error

_STATE_TYPES = ("STREAM", "GLOBAL", "LEGACY")


def read_configuration_file(path: str) -> MutableMapping[str, Any]:
    """Return the content of the file, any JSON value; null is an empty configuration.

    Raises:
        AirbyteTracedException: config_error, for a file that cannot be read or is not JSON.
    """
    content = _read_json("configuration", path)
    found: MutableMapping[str, Any] = {} if content is None else content
    return found


def read_catalog_file(path: str) -> ConfiguredAirbyteCatalog:
    """Return the configured catalog in a file.

    Raises:
        AirbyteTracedException: config_error, for a file that cannot be read or holds no catalog.
    """
    content = _read_json("catalog", path)
    problem = next(_problems_of_catalog(content), "")
    if problem:
        raise config_error(f"The catalog file {path} holds no configured catalog: {problem}.")
    return ConfiguredAirbyteCatalogSerializer.load(content)


def read_state_file(path: str | None) -> list[AirbyteStateMessage]:
    """Return the states in a file; none for an empty list or object, null, or no file.

    Raises:
        AirbyteTracedException: config_error, for a file that cannot be read or holds no state.
    """
    content = _read_json("state", path) if path else None
    if not content and not isinstance(content, (str, int, float)):
        return []
    problem = "it must be a list of state messages"
    if isinstance(content, list):
        problem = next(_problems_of_states(content), "")
    if problem:
        raise config_error(
            f"The state file {path} holds no state: {problem}. Give the connector the states that "
            "it sent last, or no file to start over."
        )
    try:
        return [AirbyteStateMessageSerializer.load(each) for each in content]
    except Exception:
        # The serializer's message names classes of the protocol.
        raise config_error(
            f"The state file {path} holds no state: one of its entries lacks a field or has one of "
            "another type. Give the connector the states that it sent last, or no file to start "
            "over."
        ) from None


def check_catalog(catalog: ConfiguredAirbyteCatalog) -> None:
    """Refuse a catalog that selects nothing, or a stream more than once.

    Raises:
        AirbyteTracedException: config_error.
    """
    names = [each.stream.name for each in catalog.streams]
    if not names:
        raise config_error("The catalog selects no stream. Select at least one.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise config_error(
            f"The catalog selects these streams more than once: {', '.join(twice)}. Select each "
            "once."
        )


def _read_json(what: str, path: str) -> Any:
    try:
        # Editors on Windows write a byte order mark.
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        return json.loads(text)
    except FileNotFoundError:
        reason = "it does not exist. Check the path, and that its folder is mounted"
    except IsADirectoryError:
        reason = (
            "it is a folder. Docker makes one where a file to mount does not exist: check the path "
            "on the side of the host"
        )
    except PermissionError:
        reason = (
            f"the user that runs the connector{_user()} has no permission. Let everybody read it, "
            f"such as by chmod a+r, or run the container as its owner (docker run --user)"
        )
    except OSError as error:
        reason = f"{error.strerror}"
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text. Save it as UTF-8"
    except json.JSONDecodeError as error:
        reason = (
            f"it is not JSON: it breaks at line {error.lineno}, column {error.colno}"
            if text.strip()
            else "it is empty"
        )
    except (ValueError, RecursionError):
        reason = "it is nested too deep, or has a number with too many digits"
    shown = os.fsencode(path).decode(errors="replace")
    raise config_error(f"The {what} file {shown} cannot be read: {reason}.") from None


def _user() -> str:
    return f" (user id {os.getuid()})" if hasattr(os, "getuid") else ""


def _problems_of_catalog(content: Any) -> Iterator[str]:
    if not isinstance(content, Mapping) or not isinstance(content.get("streams"), list):
        if isinstance(content, Mapping) and "catalog" in content:
            yield "it is the message of discover; a configured catalog has each stream under stream"
        yield "it must be a JSON object with a list of streams"
        return
    for place, each in enumerate(content["streams"], 1):
        stream = each.get("stream") if isinstance(each, Mapping) else None
        if not isinstance(stream, Mapping):
            yield (
                f"entry {place} of streams must be an object with stream, sync_mode and "
                "destination_sync_mode"
            )
            return
        name = stream.get("name")
        if not isinstance(name, str) or not name:
            yield f"entry {place} of streams has no stream name"
            return
        yield from _problems_of_stream(name, stream, each)


def _problems_of_stream(
    name: str, stream: Mapping[str, Any], configured: Mapping[str, Any]
) -> Iterator[str]:
    modes = {
        "sync_mode": [mode.value for mode in SyncMode],
        "destination_sync_mode": [mode.value for mode in DestinationSyncMode],
    }
    for field, known in modes.items():
        given = configured.get(field)
        if given is None:
            yield f"{name} has no {field}, one of {', '.join(known)}"
        elif given not in known:
            near = closest(str(given), known)
            hint = f" (is {near} meant?)" if near else ""
            yield f"{name} has an unknown {field}{hint}; known are {', '.join(known)}"
    if not isinstance(stream.get("json_schema"), Mapping):
        yield f"{name} has no json_schema"
    supported = stream.get("supported_sync_modes")
    if not isinstance(supported, list) or not {*map(str, supported)} <= {*modes["sync_mode"]}:
        yield f"{name} has no supported_sync_modes"
    try:
        ConfiguredAirbyteCatalogSerializer.load({"streams": [configured]})
    except Exception:
        # The serializer's message names classes of the protocol.
        yield f"{name} has a field whose type differs from Airbyte's protocol"


def _is_empty_state(state: Mapping[str, Any]) -> bool:
    """Return whether a state is that of a platform without a saved state."""
    return state.get("type") == "LEGACY" and not state.get("data")


def _problems_of_states(content: list[Any]) -> Iterator[str]:
    for place, each in enumerate(content, 1):
        if not isinstance(each, Mapping):
            yield f"entry {place} is no state message"
        elif each.get("type") == "STATE":
            yield f"entry {place} is a whole message; what counts is its field state"
        elif each.get("type") is not None and each["type"] not in _STATE_TYPES:
            yield f"entry {place} is no state message"
        elif not each.get("stream") and not _is_empty_state(each):
            yield f"entry {place} is not the state of a stream"
