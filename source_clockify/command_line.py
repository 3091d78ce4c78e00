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
                f"--{name} is not supported: the connector has a manifest of its own. The CDK's "
                "command source-declarative-manifest reads others."
            )
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="source-clockify",
        description="Reads a Clockify account, as Airbyte's protocol wants it.",
    )
    version = installed_version() or "(not installed)"
    parser.add_argument("--version", action="version", version=f"source-clockify {version}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)

    def add(name: str, text: str, **more: Any) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, **more)

    for name, text in (
        ("spec", "Prints the fields of the configuration."),
        ("check", "Tests whether Clockify answers this configuration."),
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
            command.add_argument("--state", help="the state that the last sync ended with (JSON)")
            command.add_argument(
                "--progress",
                choices=("auto", "live", "plain", "none"),
                default="auto",
                help="what standard error shows: a table on a terminal, lines, or nothing",
            )
    _add_catalog(add("catalog", "Prints the catalog that read needs."))
    _add_state(add("state", "Prints the state for the next sync, from what read printed."))
    add("probe", "Compares what the connector assumes about Clockify with an account.")
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
        help="the state that the sync began with; streams that sent none keep theirs",
    )
    command.add_argument(
        "--output",
        metavar="FILE",
        help="replace this file as a whole, or not at all; it may be that of --previous",
    )
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="what read printed, oldest first, also as .gz; - is standard input",
    )
