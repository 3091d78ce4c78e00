"""The arguments of the command `source-clockify`."""

import argparse
from collections.abc import Sequence
from typing import Any

from source_clockify.installed import installed_version

_CONFIG = "the connector's configuration (JSON)"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command and its options.

    Raises:
        SystemExit: with code 2 for a mistake, after a sentence on standard error; with code 0 after
            --help and --version.
    """
    given = _parser().parse_args([*arguments])
    for option in ("manifest_path", "components_path"):
        if getattr(given, option, None) is not None:
            name = option.replace("_", "-")
            _parser().error(
                f"--{name} is not supported: the connector has its own manifest. To run another "
                "one, use the CDK's command source-declarative-manifest."
            )
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="source-clockify",
        description="Reads a Clockify account and prints Airbyte messages.",
    )
    version = installed_version() or "(not installed)"
    parser.add_argument("--version", action="version", version=f"source-clockify {version}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)

    def add(name: str, text: str, **more: Any) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, **more)

    for name, text in (
        ("spec", "Prints the fields of the configuration."),
        ("check", "Tests the connection to Clockify."),
        ("discover", "Prints the streams with their schemas."),
        ("read", "Prints the records of the streams in a catalog."),
    ):
        command = add(name, text)
        command.add_argument("--debug", action="store_true", help="log every request")
        if name == "spec":
            continue
        command.add_argument("--config", required=True, help=_CONFIG)
        for option in ("--manifest-path", "--components-path"):
            command.add_argument(option, help=argparse.SUPPRESS)
        if name == "read":
            command.add_argument("--catalog", required=True, help="a configured catalog (JSON)")
            command.add_argument("--state", help="the state at the end of the last sync (JSON)")
            command.add_argument(
                "--progress",
                choices=("auto", "live", "plain", "none"),
                default="auto",
                help="what standard error shows: a table on a terminal, lines, or nothing",
            )
    _add_catalog(add("catalog", "Prints the catalog that read needs."))
    _add_state(add("state", "Prints the state for the next sync, from the output of read."))
    add("probe", "Checks the connector's assumptions about Clockify against an account.")
    return parser


def _add_catalog(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", required=True, help=_CONFIG)
    command.add_argument(
        "--full-refresh", action="store_true", help="read everything in every sync, without state"
    )
    command.add_argument(
        "streams", nargs="*", metavar="STREAM", help="all streams if none is named"
    )


def _add_state(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--previous",
        metavar="FILE",
        help="the state at the start of the sync; streams that sent none keep it",
    )
    command.add_argument(
        "--output",
        metavar="FILE",
        help="replace this file, as a whole or not at all; may be the file of --previous",
    )
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="output of read, oldest first; may be gzipped (.gz); - is standard input",
    )
