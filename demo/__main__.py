"""`bin/demo`: syncs a Clockify workspace and then its changes to a topic.

Starts the sandbox and runs the connector against it like Airbyte: once with every stream, then four
times with the previous state, with edits in Clockify in between. The demo sets the clock of both,
since a change is resent an hour later. The output of the four syncs is published to Pub/Sub like
Airbyte's destination does, to Google's emulator if it is installed, and pulled.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

from google.pubsub_v1.types import PubsubMessage

from clockify_sandbox.client import Sandbox, start
from demo.reader import Reader
from demo.scenario import (
    CHANGING_STREAMS,
    CLOCKED_COMMAND,
    LONG_ENOUGH,
    NOW,
    PATHS,
    SIZE,
    START_DATE,
    work,
)
from integration_tests.airbyte import Output, config_of
from integration_tests.pubsub.servers import servers
from integration_tests.pubsub.topic import Topic, create_topic, records_of
from source_clockify.configured_catalog import configured_catalog

COMMAND = Path(sys.executable).with_name("source-clockify")
SYNCS = 4

# The displayed columns of a message.
SHOWN = (
    *("id", "name", "description", "start"),
    *("_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_baseline_at"),
)

HINTED_SINCE = f"{NOW - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"
# Two streams send the same requests, with different types of entities.
COUNTED_PATHS = PATHS | {
    "time_entries_changed": r"(/entities/(created|updated)\?entries|/time-entries/[0-9a-f]{24})",
    "time_entries_deleted": r"/entities/deleted\?entries",
}


def main() -> None:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="source-clockify-demo-"))
    size = SIZE | {"users": arguments.users, "entries": arguments.entries}
    print(f"Starting a Clockify sandbox with {arguments.users} users ...", flush=True)
    with waiting():
        sandbox = start(**size, plan="ENTERPRISE", now=f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    with sandbox:
        demo = Demo(sandbox, folder)
        catalog = demo.check_and_discover()
        demo.read_everything(catalog)
        demo.track_changes(catalog)
        demo.publish()
    print(f"\nThe configuration, the catalogs and all messages are in {folder}")


@contextmanager
def waiting() -> Iterator[None]:
    """Show on a terminal that a task is running, and for how long."""
    is_over = threading.Event()
    began = time.monotonic()

    def tick() -> None:
        while not is_over.wait(1):
            print(f"\r... {time.monotonic() - began:.0f} s", end="", flush=True)
        print("\r\x1b[2K", end="", flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    if sys.stdout.isatty():
        ticker.start()
    try:
        yield
    finally:
        is_over.set()
        if ticker.is_alive():
            ticker.join()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/demo", description=__doc__)
    parser.add_argument("--users", type=int, default=SIZE["users"], help="users of the workspace")
    parser.add_argument(
        "--entries", type=int, default=SIZE["entries"], help="time entries of each user"
    )
    return parser.parse_args()


@dataclass
class Demo:
    """The steps of the demo, in a folder that keeps its files."""

    sandbox: Sandbox
    folder: Path

    def check_and_discover(self) -> list[dict[str, Any]]:
        """Write the configuration; return the available streams, incremental."""
        self._write("config.json", config_of(self.sandbox, start_date=START_DATE))
        print("\n$ source-clockify check --config config.json", flush=True)
        for message in self._run([COMMAND], "check"):
            if message["type"] == "CONNECTION_STATUS":
                print(message["connectionStatus"]["status"])

        print("\n$ source-clockify discover --config config.json", flush=True)
        (discovered,) = (
            message["catalog"]["streams"]
            for message in self._run([COMMAND], "discover")
            if message["type"] == "CATALOG"
        )
        streams: list[dict[str, Any]] = configured_catalog(discovered)["streams"]
        print(f"{len(streams)} streams")
        return streams

    def read_everything(self, streams: list[dict[str, Any]]) -> None:
        print("\n$ source-clockify read --config config.json --catalog catalog.json", flush=True)
        self._write("catalog.json", {"streams": streams})
        self.sandbox.clear_requests()
        began = time.monotonic()
        messages = self._read(NOW, "catalog.json", None, "messages.jsonl", is_shown=True)
        seconds = time.monotonic() - began
        records = _records(messages)
        requests = [_named(request) for request in self.sandbox.requests()]
        if not sys.stderr.isatty():
            # On a terminal the connector has shown the same figures.
            _print_streams(records, requests)
        print(f"{len(records)} records, {len(requests)} requests, {seconds:.1f} seconds")

    def track_changes(self, streams: list[dict[str, Any]]) -> None:
        selected = [each for each in streams if each["stream"]["name"] in CHANGING_STREAMS]
        self._write("some.json", {"streams": selected})
        print("\nFour syncs of four streams, each with the state of the one before.")
        reader = Reader()

        first = self._sync(1, NOW, None)
        reader.lines(_records(first))
        for stream, count in sorted(Counter(row["stream"] for row in _records(first)).items()):
            print(f"{stream:<26}{count:>5} records")

        print("\nMeanwhile, in Clockify:")
        for sentence in work(self.sandbox):
            print(f"  {sentence}")

        moment, state = NOW, Output(first, 0, "").state
        for number in range(2, SYNCS + 1):
            moment += LONG_ENOUGH
            messages = self._sync(number, moment, state)
            for line in reader.lines(_records(messages)) or ["nothing"]:
                print(line)
            state = Output(messages, 0, "").state

    def publish(self) -> None:
        with _pubsub() as (name, address):
            topic = create_topic(address, "clockify")
            print(f"\nThe same four syncs as messages of Pub/Sub, on {name}.")
            print("Its messages are those of Airbyte's destination; not all columns are shown.")
            print("$ python -m integration_tests.pubsub.writer write ... < messages", flush=True)
            reader = Reader()
            for number in range(1, SYNCS + 1):
                messages = self._deliver(topic, number)
                reader.lines(records_of(messages))
                print(f"sync {number}: {len(messages)} messages")
                if number == 2:
                    print(*sorted(map(_shortened, messages)), sep="\n")
        print("\nWhat a reader of the topic has after merging them:")
        for stream in CHANGING_STREAMS:
            held = reader.existing(stream)
            same = held == self._listed(stream)
            print(f"{stream:<26}{len(held):>5} records, {'as' if same else 'NOT as'} in Clockify")

    def _listed(self, stream: str) -> set[str]:
        """Return the ids of the records in Clockify that are read."""
        rows = self.sandbox.rows(stream)
        if stream == "time_entries":
            rows = [row for row in rows if row["timeInterval"]["start"] >= START_DATE]
        return {row["id"] for row in rows}

    def _deliver(self, topic: Topic, number: int) -> list[PubsubMessage]:
        """Publish the output of a sync to the topic like the destination, and pull it."""
        printed = (self.folder / f"sync-{number}.jsonl").read_bytes()
        with waiting():
            process = topic.write(printed, CHANGING_STREAMS, topic.destination())
        if process.returncode != 0:
            sys.exit(f"the messages were not published: {process.stderr.decode()}")
        return topic.pull()

    def _sync(
        self, number: int, moment: datetime, state: list[dict[str, Any]] | None
    ) -> list[dict[str, Any]]:
        print(f"\nSync {number}, at {moment:%H:%M}:", flush=True)
        self.sandbox.set_now(f"{moment:%Y-%m-%dT%H:%M:%SZ}")
        if state is not None:
            self._write("state.json", state)
        return self._read(
            moment, "some.json", None if state is None else "state.json", f"sync-{number}.jsonl"
        )

    def _read(
        self,
        moment: datetime,
        catalog: str,
        state: str | None,
        output: str,
        *,
        is_shown: bool = False,
    ) -> list[dict[str, Any]]:
        """Read, and return the messages; a terminal shows the progress."""
        line: list[str | Path] = ["--catalog", self.folder / catalog]
        if state is not None:
            line += ["--state", self.folder / state]
        command = [sys.executable, "-c", CLOCKED_COMMAND, f"{moment:%Y-%m-%dT%H:%M:%SZ}"]
        return self._run(command, "read", *line, output=output, is_shown=is_shown)

    def _run(
        self,
        command: Sequence[str | Path],
        task: str,
        *arguments: str | Path,
        output: str = "output.jsonl",
        is_shown: bool = False,
    ) -> list[dict[str, Any]]:
        """Run the connector into a file; return its messages, or end the demo if it fails."""
        line = [*command, task, "--config", self.folder / "config.json", *arguments]
        is_shown = is_shown and sys.stderr.isatty()
        with (self.folder / output).open("w") as file, nullcontext() if is_shown else waiting():
            errors = None if is_shown else subprocess.PIPE
            process = subprocess.run(line, stdout=file, stderr=errors, text=True)
        printed = (self.folder / output).read_text()
        if process.returncode != 0:
            end = (printed + (process.stderr or ""))[-2000:]
            sys.exit(f"source-clockify {task} failed. The end of its output:\n{end}")
        # Not splitlines: records may contain other line separators.
        return [json.loads(message) for message in printed.split("\n") if message]

    def _write(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(json.dumps(content, indent=2))


@contextmanager
def _pubsub() -> Iterator[tuple[str, str]]:
    """Yield the name and address of the first Pub/Sub server that starts on this machine."""
    with ExitStack() as running:
        for name, server in servers().items():
            try:
                with waiting():
                    address = running.enter_context(server())
            except RuntimeError as error:
                print(f"\n{name} did not start, so another server is taken: {error}")
                continue
            yield name, address
            return


def _named(request: dict[str, Any]) -> str:
    """Return the path of a request, and what distinguishes it from others with the same path.

    A first sync reads the feeds of the last ten minutes for hints, which belong to no stream.
    """
    window = {**(request["body"] or {}), **{k: v[0] for k, v in request["query"].items()}}
    if window.get("start") == HINTED_SINCE:
        return f"{request['path']}?hints"
    types = request["query"].get("type", ())
    only_entries = bool(types) and all(each.startswith("TIME_ENTRY") for each in types)
    hydrated = "?hydrated" if "hydrated" in request["query"] else ""
    path: str = request["path"]
    return path + hydrated + ("?entries" if only_entries else "")


def _shortened(message: PubsubMessage) -> str:
    """Return attributes and data of a message, without less relevant columns."""
    envelope = json.loads(message.data)
    data = envelope["_airbyte_data"]
    envelope["_airbyte_data"] = {name: data[name] for name in SHOWN if name in data}
    attributes = " ".join(f"{name}={value}" for name, value in message.attributes.items())
    return f"{attributes}\n    {json.dumps(envelope, ensure_ascii=False)}"


def _records(messages: Collection[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def _print_streams(records: list[dict[str, Any]], requests: list[str]) -> None:
    counts = Counter(record["stream"] for record in records)
    cells = []
    for stream, path in COUNTED_PATHS.items():
        sent = sum(1 for request in requests if re.fullmatch(f".*{path}", request))
        cells.append(f"{stream:<26}{counts[stream]:>8}{sent:>10}")
    # The connector's own stream sends no requests.
    cells.append(f"{'sync_log':<26}{counts['sync_log']:>8}{0:>10}")
    head = f"{'stream':<26}{'records':>8}{'requests':>10}"
    print(f"\n{head}     {head}")
    half = (len(cells) + 1) // 2
    together = f"{'together':<26}{len(records):>8}{len(requests):>10}"
    for left, right in zip_longest(cells[:half], [*cells[half:], together], fillvalue=" " * 44):
        print(f"{left}     {right}")


if __name__ == "__main__":
    main()
