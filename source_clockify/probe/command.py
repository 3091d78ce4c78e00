"""The command `source-clockify probe`."""

import argparse
import io
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.probe import questions_feeds, report
from source_clockify.probe.account import Account
from source_clockify.probe.catalogue import LINES
from source_clockify.probe.client import Client
from source_clockify.probe.comparison import EarlierSync, read_state
from source_clockify.probe.lines import Finding, Line, Verdict
from source_clockify.probe.redaction import Redaction
from source_clockify.probe.runner import ask_line, find_account
from source_clockify.source import SourceClockify

REQUESTS = 60
FREE_REQUESTS = 30


def main(
    arguments: Sequence[str], out: TextIO | None = None, progress: TextIO | None = None
) -> int:
    """Run the survey; return the exit code."""
    out, progress = out or sys.stdout, progress or sys.stderr
    given = _parser().parse_args(list(arguments))
    try:
        return _survey(given, out, progress)
    except AirbyteTracedException as error:
        print(error.message or "The configuration is not valid.", file=progress)
    except FileExistsError as error:
        print(f"{error.filename} exists. Name another file with --output.", file=progress)
    except (OSError, ValueError) as error:
        print(f"A file of the command line cannot be used: {error}", file=progress)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="source-clockify probe",
        description="Checks the connector's assumptions about Clockify against an account. It only "
        "reads, and its report holds no personal data.",
    )
    parser.add_argument("--config", required=True, help="the connector's configuration")
    parser.add_argument("--output", help="a new file for the report, .json or .md")
    parser.add_argument("--workspace", type=_id, help="the workspace to look at")
    parser.add_argument("--only", default="", help="lines to ask, separated by commas")
    parser.add_argument(
        "--continue", dest="earlier", help="a report (.json): ask the lines that it left open"
    )
    parser.add_argument(
        "--state", help="the state of an earlier sync: compare the feeds of changes with it"
    )
    parser.add_argument("--requests", type=_positive, help="the most requests to send")
    parser.add_argument(
        "--timeout", type=_seconds, default=60.0, help="seconds to wait for answers"
    )
    parser.add_argument(
        "--provoke-limit",
        action="store_true",
        help="use up the request limit of the workspace for a moment, to see its headers",
    )
    parser.add_argument(
        "--other-host", default="", help="an API URL to which the key is sent for one request"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("expects a whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,4}(\.\d+)?", text) or not float(text):
        raise argparse.ArgumentTypeError("expects a number of seconds above 0")
    return float(text)


def _id(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{24}", text):
        raise argparse.ArgumentTypeError("expects an id: 24 characters, digits and a to f")
    return text


def _survey(given: argparse.Namespace, out: TextIO, progress: TextIO) -> int:
    output = Path(given.output) if given.output else None
    if output and output.exists():
        raise FileExistsError(17, "exists", str(output))
    if output and not output.absolute().parent.is_dir():
        raise FileNotFoundError(2, "The folder of --output does not exist", str(output))
    lines = _chosen(given.only)
    state = read_state(given.state) if given.state else None
    earlier = report.earlier_results(Path(given.earlier)) if given.earlier else {}
    # Lines requested by an option, or with another assumption than before, are asked once more.
    again = {"rate-limit"} if given.provoke_limit else set()
    again |= {"other-host"} if given.other_host else set()
    again |= set(questions_feeds.LINES) if state else set()
    current = {line.id: line.assumption for line in lines}
    earlier = {
        name: result
        for name, result in earlier.items()
        if name not in again and current.get(name) == result.assumption
    }
    config = _config(given.config)
    is_free = config.get("plan") == "free"
    budget = given.requests if given.requests else (FREE_REQUESTS if is_free else REQUESTS)
    to_ask = [line for line in lines if line.id not in earlier]
    _announce(given, budget, len(to_ask), progress)
    client = Client(config, budget=budget, timeout=given.timeout)
    account = find_account(client, given.workspace or "", datetime.now(timezone.utc))
    account.provoke_limit, account.other_host = given.provoke_limit, given.other_host
    account.earlier = state
    if state and any(line.id in questions_feeds.LINES for line in to_ask):
        _announce_comparison(state, str(account.workspace["id"]), is_free, progress)
    redact = Redaction()
    results = []
    for number, line in enumerate(lines, 1):
        if line.id in earlier:
            results.append(earlier[line.id])
            continue
        print(f"[{number}/{len(lines)}] {line.id}", file=progress, flush=True)
        try:
            finding = ask_line(account, line)
        except KeyboardInterrupt:
            client.budget = 0
            finding = Finding(Verdict.NOT_ASKED, "interrupted")
        results.append(report.result_of(line, finding, redact))
    # The file first, since the reader of the table may have ended.
    if output:
        report.write(output, results, _facts(account, client))
        print(f"The report is in {output}.", file=progress)
    print(report.table(results), file=out)
    print(report.summary(results, client.sent), file=out, flush=True)
    _print_how_to_continue(results, output, is_free, progress)
    return 0


def _chosen(only: str) -> list[Line]:
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = sorted(set(names) - {line.id for line in LINES})
    if unknown:
        raise ValueError(f"--only names no line of the survey: {', '.join(unknown)}")
    return [line for line in LINES if not names or line.id in names]


def _config(path: str) -> Mapping[str, Any]:
    """Return the configuration in the connector's form: migrated, validated, with hosts.

    Raises:
        AirbyteTracedException: config_error, also for a file that cannot be read.
    """
    given = SourceClockify.read_config(path)
    # The CDK prints a migrated configuration, including its key.
    with redirect_stdout(io.StringIO()):
        source = SourceClockify(config=given, command="discover")
    if source.problem is not None:
        raise source.problem
    return source.settings


def _announce(given: argparse.Namespace, budget: int, lines: int, progress: TextIO) -> None:
    print(
        f"{lines} lines are asked with at most {budget} requests. All of them only read.",
        file=progress,
    )
    if given.provoke_limit:
        print(
            "--provoke-limit: at the end up to 400 more reads use up the request limit of the "
            "workspace, which other programs meet, too, for a second (a free workspace: an hour).",
            file=progress,
        )
    if given.other_host:
        print(f"--other-host: the key is sent to {given.other_host}.", file=progress, flush=True)


def _announce_comparison(
    state: EarlierSync, workspace_id: str, is_free: bool, progress: TextIO
) -> None:
    users = len(state.partitions(workspace_id))
    wait = (
        " The free plan answers 30 requests an hour, so it may wait for hours." if is_free else ""
    )
    print(
        f"--state: the connector reads time_entries from this state, which knows {users} users: a "
        "page or more for each user of the workspace, and reads by id of what is missing. These "
        f"requests are not counted here. All of them only read.{wait}",
        file=progress,
        flush=True,
    )


def _facts(account: Account, client: Client) -> dict[str, Any]:
    server = client.config.get("server") or {}
    kind = server.get("server_type") or "region"
    where = server.get("region") or "global" if kind == "region" else kind
    return {
        "date": account.now.strftime("%Y-%m"),
        "server": where,
        "budget": client.config.get("plan") or "paid",
        "requests": client.sent,
    }


def _print_how_to_continue(
    results: Sequence[report.Result], output: Path | None, is_free: bool, progress: TextIO
) -> None:
    left = [each.id for each in results if each.verdict == Verdict.NOT_ASKED.value]
    if not left:
        return
    how = (
        f"--continue {output}"
        if output and output.suffix == ".json"
        else f"--only {','.join(left)}"
    )
    wait = " after an hour" if is_free else ""
    print(f"{len(left)} lines were not asked. To ask them{wait}, add {how}", file=progress)
