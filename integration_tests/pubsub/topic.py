"""A topic with one subscription, on any server: tests publish to it and pull from it."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherClient

PROJECT = "clockify"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Topic:
    """A topic and its only subscription.

    Attributes:
        address: of the server, as PUBSUB_EMULATOR_HOST takes it.
        name: the topic's id within PROJECT.
    """

    address: str
    name: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a process finds the server."""
        host = self.address.partition(":")[0]
        return {**os.environ, "PUBSUB_EMULATOR_HOST": self.address, "no_grpc_proxy": host}

    @property
    def path(self) -> str:
        return f"projects/{PROJECT}/topics/{self.name}"

    @property
    def subscription(self) -> str:
        return f"projects/{PROJECT}/subscriptions/{self.name}"

    def destination(self, **more: Any) -> dict[str, Any]:
        """The configuration of Airbyte's destination for it, with batching."""
        return {
            "project_id": PROJECT,
            "topic_id": self.name,
            "credentials_json": "{}",
            "ordering_enabled": False,
            "batching_enabled": True,
            "batching_delay_threshold": 100,
            "batching_element_count_threshold": 100,
            "batching_request_bytes_threshold": 1_000_000,
            **more,
        }

    def write(
        self,
        printed: bytes,
        streams: Collection[str],
        destination: Mapping[str, Any],
        *options: str,
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run the writer on what a source printed; `streams` are those of the catalog."""
        catalog = {"streams": [{"stream": {"name": stream}} for stream in streams]}
        with TemporaryDirectory() as folder:
            line = [sys.executable, "-m", "integration_tests.pubsub.writer", "write", *options]
            for name, content in (("config", destination), ("catalog", catalog)):
                path = Path(folder, f"{name}.json")
                path.write_text(json.dumps(content))
                line += [f"--{name}", str(path)]
            return subprocess.run(
                line,
                cwd=_ROOT,
                env=self.environment,
                input=printed,
                capture_output=True,
                timeout=120,
            )

    def pull(self) -> list[types.PubsubMessage]:
        """Acknowledge all messages that wait, and answer them in the order of publishing."""
        pulled: list[types.PubsubMessage] = []
        with (
            SubscriberClient(transport=transport(SubscriberClient, self.address)) as client,
            warnings.catch_warnings(),
        ):
            # `return_immediately` is deprecated; without it the last pull would wait for messages.
            warnings.simplefilter("ignore", DeprecationWarning)
            while True:
                response = client.pull(
                    subscription=self.subscription,
                    max_messages=1000,
                    return_immediately=True,
                )
                if not response.received_messages:
                    return sorted(pulled, key=lambda message: int(message.message_id))
                client.acknowledge(
                    subscription=self.subscription,
                    ack_ids=[received.ack_id for received in response.received_messages],
                )
                pulled += [received.message for received in response.received_messages]


def create_topic(address: str, name: str) -> Topic:
    """Create a topic and its subscription on a server."""
    topic = Topic(address, name)
    with PublisherClient(transport=transport(PublisherClient, address)) as publisher:
        publisher.create_topic(name=topic.path)
    with SubscriberClient(transport=transport(SubscriberClient, address)) as subscriber:
        subscriber.create_subscription(name=topic.subscription, topic=topic.path)
    return topic


def transport(client: Any, address: str) -> Any:
    """What a client needs to talk to a server without encryption and credentials."""
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # gRPC would take a proxy of the environment even to this machine.
        ("grpc.enable_http_proxy", 0),
    ]
    return client.get_transport_class("grpc")(channel=grpc.insecure_channel(address, options))


def records_of(messages: Iterable[types.PubsubMessage]) -> list[dict[str, Any]]:
    """Messages back in the shape of Airbyte's records: stream, data, emitted_at."""
    records = []
    for message in messages:
        envelope = json.loads(message.data)
        records.append(
            {
                "stream": message.attributes["_stream"],
                "data": envelope["_airbyte_data"],
                "emitted_at": envelope["_airbyte_emitted_at"],
            }
        )
    return records
