"""The command `source-clockify`: Airbyte's four commands, and catalog, state and probe.

Only the standard library is imported before signals are watched.
"""

import argparse
import gc
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from source_clockify.before_cdk import skip_documentation_of_fields
from source_clockify.command_line import parse_arguments
from source_clockify.configured_catalog import configured_catalog
from source_clockify.ending import SIGNALS, Ending, log_line, say
from source_clockify.output import Output
from source_clockify.saved_state import print_state
from source_clockify.specification import print_specification

if TYPE_CHECKING:
    from airbyte_cdk.entrypoint import AirbyteEntrypoint

    from source_clockify.record_batches import Message
    from source_clockify.source import SourceClockify

# Four times the default: each hand-over of the interpreter between threads takes processor time.
_SWITCH_SECONDS = 0.02

_MESSAGES = ("spec", "check", "discover", "read")


def run() -> NoReturn:
    """Run the command line and end the process."""
    _open_standard_files()
    arguments = sys.argv[1:]
    command = next(iter(arguments), "")
    output = Output()
    ending = Ending(output, log_line if command in _MESSAGES else None)
    # An interrupted probe still reports its findings.
    ending.start([name for name in SIGNALS if (command, name) != ("probe", "SIGINT")])
    code = 1
    try:
        code = main(arguments, output, ending)
        output.flush()
        ending.settle()
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        # The CDK's threads may wait for room in a queue that is no longer emptied.
        os._exit(code)


def _open_standard_files() -> None:
    """Open standard files that were closed, so that no other file takes their place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is that of the closed file.
            os.open(os.devnull, os.O_RDWR)
            if descriptor == 1:
                say("There is no standard output to write to.")
                os._exit(1)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def main(
    arguments: Sequence[str], output: Output | None = None, ending: Ending | None = None
) -> int:
    """Run a command line within this process; return the exit code."""
    output = output or Output()
    try:
        if arguments[:1] == ["probe"]:
            return _probe(arguments[1:], output)
        given = parse_arguments(arguments)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    if given.command == "state":
        return print_state(given, output)
    if given.command == "spec":
        return print_specification(output)
    skip_documentation_of_fields()
    # Before a source is built there is hardly any garbage; collecting it takes a tenth of the time.
    gc.disable()
    switch_seconds = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        if given.command == "catalog":
            return _print_catalog(given, output)
        with redirect_stdout(output):
            return _print_messages(given, output, ending or Ending(output))
    finally:
        sys.setswitchinterval(switch_seconds)
        gc.enable()


def _probe(arguments: Sequence[str], output: Output) -> int:
    from source_clockify.probe.command import main as probe

    return probe(arguments, cast(TextIO, output))


def source_of(arguments: Sequence[str]) -> "SourceClockify":
    """Return the source described by the command line.

    The CDK interpolates the manifest while the source is built, so the files named on the command
    line are read before that.

    Raises:
        AirbyteTracedException: config_error, for a file that is missing or not JSON.
    """
    given = parse_arguments(arguments)
    return _files_of(given).source(given.command)


@dataclass(frozen=True)
class _Files:
    """The contents of the files named on the command line."""

    config: Any
    catalog: Any
    state: Any

    def source(self, command: str) -> "SourceClockify":
        from source_clockify.source import SourceClockify

        return SourceClockify(
            self.catalog, self.config, self.state, command=None if command == "read" else command
        )


def _files_of(given: argparse.Namespace) -> _Files:
    from source_clockify.source import SourceClockify

    def read(option: str, read_file: Callable[[str], Any]) -> Any:
        path = getattr(given, option, None)
        return read_file(path) if path else None

    return _Files(
        config=read("config", SourceClockify.read_config),
        catalog=read("catalog", SourceClockify.read_catalog),
        state=read("state", SourceClockify.read_state),
    )


# Airbyte's commands -----------------------------------------------------------------------------


def _print_messages(given: argparse.Namespace, output: Output, ending: Ending) -> int:
    """Run one of Airbyte's commands, in place of the CDK's `launch`.

    That one stores the configuration and a request cache in a temporary folder, which outlives a
    killed process, and delays each message until the next one.
    """
    from airbyte_cdk.entrypoint import AirbyteEntrypoint
    from airbyte_cdk.exception_handler import init_uncaught_exception_handler
    from airbyte_cdk.models import Type
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    from source_clockify.cdk_patches import serialize_literal_eval
    from source_clockify.display import NONE, progress_mode, showing_progress
    from source_clockify.logs import MessageFormatter, log_to
    from source_clockify.memory import return_large_blocks
    from source_clockify.record_batches import RecordBatch

    return_large_blocks()
    former_hook = sys.excepthook
    mode = progress_mode(given.progress) if given.command == "read" else NONE
    with (
        log_to(cast(TextIO, output), MessageFormatter()),
        showing_progress(mode, ending) as show_progress,
    ):
        try:
            init_uncaught_exception_handler(logging.getLogger("airbyte"))
            serialize_literal_eval()
            files = _files_of(given)
            source = files.source(given.command)
            source.show_progress = show_progress
            # A sync creates many records and no cycles; collecting garbage takes a fifth of its
            # time.
            gc.freeze()
            gc.set_threshold(100_000, 50, 100)
            gc.enable()
            run = _Run(given, files, source, AirbyteEntrypoint(source), ending)
            for message in run.messages():
                if isinstance(message, RecordBatch):
                    output.write_lines(message.lines)
                    continue
                line = AirbyteEntrypoint.airbyte_message_to_string(message)
                if message.log is not None and message.log.message is ending.reason:
                    ending.finish(line)
                # Messages other than records report progress.
                output.write_line(line, flush=message.type is not Type.RECORD)
        except AirbyteTracedException as error:
            status = error.as_connection_status_message()
            if given.command != "check" or status is None:
                sys.excepthook(type(error), error, error.__traceback__)
                return 1
            output.write_line(AirbyteEntrypoint.airbyte_message_to_string(status))
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
            return 1
        finally:
            sys.excepthook = former_hook
    return 0


@dataclass(frozen=True)
class _Run:
    """One run of an Airbyte command."""

    given: argparse.Namespace
    files: _Files
    source: "SourceClockify"
    entrypoint: "AirbyteEntrypoint"
    ending: Ending

    def messages(self) -> "Iterator[Message]":
        """Yield the messages of the command, and those buffered by the CDK."""
        _choose_level(self.entrypoint.logger, debug=self.given.debug)
        try:
            yield from self._messages()
        except Exception:
            yield from self.source.take_queued()
            raise
        yield from self.source.take_queued()

    def _messages(self) -> "Iterator[Message]":
        source, entrypoint = self.source, self.entrypoint
        specification = source.spec(entrypoint.logger)
        config = source.configure(self.files.config, "")
        yield from source.take_queued()
        if self.given.command == "check":
            yield from entrypoint.check(specification, config)
        elif self.given.command == "discover":
            yield from entrypoint.discover(specification, config)
        else:
            from source_clockify.batched_read import read_in_batches

            messages = read_in_batches(source, specification, config, self.files.catalog)
            for first in messages:
                # From now on, messages in the CDK's queue are written.
                self.ending.when_reading(partial(_send_last, source))
                yield first
                yield from messages


def _choose_level(logger: logging.Logger, *, debug: bool) -> None:
    from airbyte_cdk.logger import is_platform_debug_log_enabled

    if not debug and not is_platform_debug_log_enabled():
        logger.setLevel(logging.INFO)
        return
    logger.setLevel(logging.DEBUG)
    logging.getLogger("airbyte").setLevel(logging.DEBUG)
    logger.debug("Debug logs enabled")


def _send_last(source: "SourceClockify", reason: str) -> None:
    """Send the states of complete data, then the sentence that ends the output."""
    from airbyte_cdk.models import AirbyteLogMessage, AirbyteMessage, Level, Type

    source.checkpoint()
    log = AirbyteLogMessage(level=Level.WARN, message=reason)
    source.emit(AirbyteMessage(type=Type.LOG, log=log))


# The catalog ------------------------------------------------------------------------------------


def _print_catalog(given: argparse.Namespace, output: Output) -> int:
    from airbyte_cdk.entrypoint import AirbyteEntrypoint
    from airbyte_cdk.models import AirbyteMessageSerializer
    from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    from source_clockify.logs import SentenceFormatter, log_to

    try:
        # The CDK prints a migrated configuration, including its key.
        logs = log_to(sys.stderr, SentenceFormatter(), logging.WARNING)
        with redirect_stdout(io.StringIO()), logs:
            files = _files_of(given)
            source = files.source("discover")
            entrypoint = AirbyteEntrypoint(source)
            messages = entrypoint.discover(
                source.spec(entrypoint.logger), source.configure(files.config, "")
            )
            discovered = next(each for each in messages if each.catalog is not None)
    except AirbyteTracedException as error:
        say(filter_secrets(error.message or "The configuration cannot be used."))
        return 1
    except Exception as error:
        # Its text may contain values of the configuration.
        say(f"The configuration cannot be parsed ({type(error).__name__}).")
        return 1
    streams = AirbyteMessageSerializer.dump(discovered)["catalog"]["streams"]
    try:
        catalog = configured_catalog(streams, given.streams, full_refresh=given.full_refresh)
    except ValueError as error:
        say(str(error))
        return 1
    output.write_line(json.dumps(catalog, ensure_ascii=False))
    return 0
