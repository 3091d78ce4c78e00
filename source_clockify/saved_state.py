"""The command `source-clockify state`: extracts the state for the next sync from a `read`."""

import argparse
import gzip
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from source_clockify.ending import say
from source_clockify.output import Output

# States by the name and namespace of their streams.
_States = dict[tuple[str, str], Any]


class _Unusable(Exception):
    """The command cannot continue; the text explains why."""


def print_state(given: argparse.Namespace, output: Output) -> int:
    """Run the command; return the exit code."""
    try:
        previous = _previous(given.previous) if given.previous else None
        states: _States = dict(previous or {})
        found = 0
        for name in given.files:
            for key, state in _states_in(name):
                # The last state of a stream determines its position.
                states.pop(key, None)
                states[key] = state
                found += 1
        if not found:
            _note(f"There is no STATE message in {', '.join(given.files)}.")
            if previous is None:
                raise _Unusable(
                    "No state is printed, because a sync without a state would resend everything. "
                    "To keep the state that the sync began with, pass it with --previous; after a "
                    "first sync, repeat the read without --state."
                )
        text = json.dumps(list(states.values()), ensure_ascii=False)
        if given.output:
            _replace(Path(given.output), text)
        else:
            output.write_line(text)
    except _Unusable as error:
        _note(str(error))
        return 1
    except OSError as error:
        _note(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
        return 1
    return 0


def _previous(path: str) -> _States:
    try:
        found = json.loads(Path(path).read_bytes())
        if not isinstance(found, list):
            raise TypeError(path)
        return {_key_of(state): state for state in found}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _Unusable(
            f"{path} is not the state of a sync: a JSON array of states, as this command prints it."
        ) from None


def _key_of(state: Any) -> tuple[str, str]:
    """Return the stream of a state; raise KeyError or TypeError if it belongs to no stream."""
    descriptor = state["stream"]["stream_descriptor"]
    name = descriptor["name"]
    if not isinstance(name, str):
        raise TypeError("name")
    return name, str(descriptor.get("namespace") or "")


def _states_in(name: str) -> Iterator[tuple[tuple[str, str], Any]]:
    for number, line in enumerate(_lines_of(name), 1):
        if b"STATE" not in line:
            continue
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            if line.lstrip().startswith(b'{"type"') and b'"STATE"' in line[:40]:
                _note(f"{name}, line {number}: a STATE message is cut off, so it is skipped.")
            continue
        if not isinstance(message, dict) or message.get("type") != "STATE":
            continue
        state = message.get("state")
        try:
            yield _key_of(state), state
        except (TypeError, KeyError, AttributeError):
            _note(f"{name}, line {number}: a STATE message is not of a stream, so it is skipped.")


def _lines_of(name: str) -> Iterable[bytes]:
    if name == "-":
        yield from sys.stdin.buffer
        return
    with open(name, "rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield from file
            return
        file.seek(0)
        # gzip only needs to read the file.
        lines = gzip.GzipFile(fileobj=cast(IO[bytes], file))
        try:
            yield from lines
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            _note(f"{name} ends early ({error}). The part before that is used.")


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically."""
    # A link is kept; its target is replaced.
    path = Path(os.path.realpath(path))
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o600)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def _note(sentence: str) -> None:
    say(sentence)
