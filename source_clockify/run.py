"""The command `source-clockify`: spec, check, discover, read, probe."""

import argparse
import errno
import gc
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.cdk_patches import serialize_literal_eval
from source_clockify.display import AUTO, MODES, NONE, Shows, progress_mode, showing_progress
from source_clockify.probe.command import main as probe
from source_clockify.source import SourceClockify

logger = logging.getLogger("airbyte")


def run() -> None:
    init_uncaught_exception_handler(logger)
    serialize_literal_eval()
    arguments = sys.argv[1:]
    if arguments[:1] == ["probe"]:
        code = probe(arguments[1:])
        # An interrupted comparison leaves threads that wait for room in a queue.
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    arguments, choice = take_progress_choice(arguments)
    mode = progress_mode(choice) if arguments[:1] == ["read"] else NONE
    with showing_progress(mode) as show_progress:
        _launch(arguments, show_progress)


def _launch(arguments: list[str], show_progress: Shows) -> None:
    source = source_of(arguments)
    source.show_progress = show_progress
    # A sync makes many records and no cycles: looking for garbage takes a fifth of its time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        launch(source, arguments)
    except KeyboardInterrupt:
        _end("Interrupted.")
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        _end(f"The messages cannot be written any more: {error.strerror}.")


def take_progress_choice(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Return the command line without `--progress`, and what that says."""
    parser = argparse.ArgumentParser(prog="source-clockify", add_help=False, allow_abbrev=False)
    parser.add_argument("--progress", choices=MODES, default=AUTO)
    given, rest = parser.parse_known_args(arguments)
    return rest, given.progress


def _end(reason: str) -> NoReturn:
    """End at once: the CDK's threads may wait for room in a queue that nobody empties any more."""
    print(reason, file=sys.__stderr__, flush=True)
    os._exit(1)


def source_of(arguments: Sequence[str]) -> SourceClockify:
    """Return the source that the command line describes.

    The CDK interpolates the manifest while the source is built, so the files named on the command
    line are read here already.

    Raises:
        AirbyteTracedException: config_error, for a file that is missing or no JSON.
    """
    catalog_path = AirbyteEntrypoint.extract_catalog(list(arguments))
    config_path = AirbyteEntrypoint.extract_config(list(arguments))
    state_path = AirbyteEntrypoint.extract_state(list(arguments))
    try:
        catalog = SourceClockify.read_catalog(catalog_path) if catalog_path else None
        config = SourceClockify.read_config(config_path) if config_path else None
        state = SourceClockify.read_state(state_path) if state_path else None
    except (OSError, ValueError) as error:
        raise AirbyteTracedException(
            message=f"A file of the command line cannot be read: {error}",
            failure_type=FailureType.config_error,
        ) from error
    # A migrated configuration is written back to its file, unless the file is mounted read-only.
    writable = bool(config_path) and os.access(str(config_path), os.W_OK)
    return SourceClockify(
        catalog=catalog,
        config=config,
        state=state,
        config_path=config_path if writable else None,
    )
