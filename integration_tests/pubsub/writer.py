"""Publishes what a source prints as Airbyte's Pub/Sub destination does, but waits for Pub/Sub.

source-clockify read ... | python -m integration_tests.pubsub.writer write --config C --catalog T

The arguments are those of the destination's image. Credentials are not read: the client finds its
own, or talks to the server that PUBSUB_EMULATOR_HOST names. A STATE is printed once everything
before it is published; with `--acknowledge-first` at once, and what cannot be published is lost
without a word, as the destination has it.
"""

import argparse
import json
import sys
import uuid
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud.pubsub_v1 import PublisherClient
from google.cloud.pubsub_v1.publisher.exceptions import (
    MessageTooLargeError,
    PublishToPausedOrderingKeyException,
)
from google.cloud.pubsub_v1.types import BatchSettings, PublisherOptions

from integration_tests.pubsub.message import message_of, parse

NOT_PUBLISHED = (GoogleAPICallError, MessageTooLargeError, PublishToPausedOrderingKeyException)


@dataclass
class Writer:
    """Publishes the records of one sync.

    Attributes:
        publisher: with the batching of `publisher_of`.
        topic: its full name, `projects/.../topics/...`.
        streams: namespace and name of those of the catalog; None without a namespace.
        ordering_enabled: whether messages have an ordering key.
        acknowledge_first: whether STATE comes before its records, which may be lost.
        lost: why records were not published; only with `acknowledge_first`.
    """

    publisher: PublisherClient
    topic: str
    streams: Collection[tuple[str | None, str]]
    ordering_enabled: bool = False
    acknowledge_first: bool = False
    lost: list[Exception] = field(default_factory=list)
    _stopped: set[str] = field(default_factory=set)
    _published: list["Future[str]"] = field(default_factory=list)

    def write(self, lines: Iterable[str]) -> Iterator[str]:
        """Publish the RECORD lines; answers the STATE lines.

        ValueError for a record of a stream that is not in the catalog with the same namespace.
        One of NOT_PUBLISHED if Pub/Sub refuses a message, unless `acknowledge_first`.
        """
        for line in lines:
            message = _airbyte_message(line)
            if message.get("type") == "RECORD":
                self._publish(message["record"])
            elif message.get("type") == "STATE":
                if not self.acknowledge_first:
                    self.wait()
                yield line
        self.wait()

    def _publish(self, record: dict[str, Any]) -> None:
        namespace = record.get("namespace")
        if (namespace, record["stream"]) not in self.streams:
            raise ValueError(
                f"the catalog has no stream {record['stream']!r} of the namespace {namespace!r}"
            )
        message = message_of(record, self.ordering_enabled, str(uuid.uuid4()))
        try:
            if message.ordering_key in self._stopped:
                raise PublishToPausedOrderingKeyException(message.ordering_key)
            published = self.publisher.publish(
                self.topic, message.data, message.ordering_key, **message.attributes
            )
        except MessageTooLargeError as error:
            # Google's client for Java sends it, and stops its ordering key when it is refused.
            self._stopped |= {message.ordering_key} - {""}
            self._lose(error)
        except NOT_PUBLISHED as error:
            self._lose(error)
        else:
            self._published.append(published)

    def wait(self) -> None:
        """Wait until Pub/Sub has answered for every message that was sent."""
        for published in self._published:
            try:
                published.result()
            except NOT_PUBLISHED as error:
                self._lose(error)
        self._published.clear()

    def _lose(self, error: Exception) -> None:
        if not self.acknowledge_first:
            raise error
        self.lost.append(error)


def publisher_of(config: dict[str, Any], **client: Any) -> PublisherClient:
    """A client with the batching of a destination's configuration; `client` goes to its init."""
    batching = BatchSettings(
        max_messages=config.get("batching_element_count_threshold", 1),
        max_bytes=config.get("batching_request_bytes_threshold", 1),
        max_latency=config.get("batching_delay_threshold", 1) / 1000,
    )
    return PublisherClient(
        batching, PublisherOptions(enable_message_ordering=config["ordering_enabled"]), **client
    )


def _airbyte_message(line: str) -> dict[str, Any]:
    """A line as a message; {} for what the destination skips."""
    try:
        message = parse(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["write"])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--acknowledge-first", action="store_true")
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())
    catalog = json.loads(arguments.catalog.read_text())
    publisher = publisher_of(config)
    writer = Writer(
        publisher,
        publisher.topic_path(config["project_id"], config["topic_id"]),
        {(each["stream"].get("namespace"), each["stream"]["name"]) for each in catalog["streams"]},
        config["ordering_enabled"],
        arguments.acknowledge_first,
    )
    try:
        # Not `sys.stdin` as text: it would end lines at more than "\n".
        for line in writer.write(each.decode() for each in sys.stdin.buffer):
            print(line, end="", flush=True)
    except (*NOT_PUBLISHED, ValueError, TypeError, KeyError) as error:
        sys.exit(f"not published to {writer.topic}: {error}")


if __name__ == "__main__":
    main()
