"""A Pub/Sub server for tests, with the limits of the real one.

It speaks gRPC on the types of google-cloud-pubsub, so that Google's client publishes and pulls as
it always does. Google's own emulator knows neither limits nor permissions.
"""

import re
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Condition
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

# https://cloud.google.com/pubsub/quotas#resource_limits, in bytes but for the counts
MAX_REQUEST = 10_000_000
MAX_MESSAGE = 10_000_000
MAX_MESSAGES_A_REQUEST = 1_000
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_KEY = 256
MAX_ATTRIBUTE_VALUE = 1_024
MAX_ORDERING_KEY = 1_024
MAX_ACKNOWLEDGE_REQUEST = 524_288
_NAME = r"projects/[^/]+/{kind}/(?!goog)[A-Za-z][A-Za-z0-9_.~+%-]{{2,254}}"


class Refused(Exception):
    """An answer other than OK: a gRPC status and its text."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass
class Subscription:
    """What a subscription still has to deliver.

    Attributes:
        topic: the full name of its topic.
        waiting: messages in the order of publishing.
        delivered: those that were pulled and not acknowledged, by acknowledge id.
    """

    topic: str
    waiting: list[types.PubsubMessage] = field(default_factory=list)
    delivered: dict[str, types.PubsubMessage] = field(default_factory=dict)


class PubSub:
    """Topics and subscriptions in memory. Acknowledge deadlines never pass."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._topics: set[str] = set()
        self._denied: set[str] = set()
        self.subscriptions: dict[str, Subscription] = {}
        self._published = 0
        self._pulled = 0

    def deny(self, topic: str) -> None:
        """Refuse to publish to a topic, as for want of a permission, until `allow`."""
        self._denied.add(topic)

    def allow(self, topic: str) -> None:
        self._denied.discard(topic)

    def create_topic(self, request: types.Topic, _: grpc.ServicerContext) -> types.Topic:
        with self._changed:
            _check_new_name("topics", request.name, self._topics)
            self._topics.add(request.name)
        return request

    def publish(
        self, request: types.PublishRequest, _: grpc.ServicerContext
    ) -> types.PublishResponse:
        _check_limits(request)
        with self._changed:
            if request.topic in self._denied:
                raise Refused(
                    grpc.StatusCode.PERMISSION_DENIED,
                    f"User not authorized to perform this action on {request.topic}.",
                )
            if request.topic not in self._topics:
                raise Refused(grpc.StatusCode.NOT_FOUND, f"Resource not found: {request.topic}.")
            ids = [self._append(request.topic, message) for message in request.messages]
            self._changed.notify_all()
        return types.PublishResponse(message_ids=ids)

    def _append(self, topic: str, message: types.PubsubMessage) -> str:
        self._published += 1
        message.message_id = str(self._published)
        message.publish_time = datetime.now(timezone.utc)
        for subscription in self.subscriptions.values():
            if subscription.topic == topic:
                subscription.waiting.append(message)
        return str(message.message_id)

    def create_subscription(
        self, request: types.Subscription, _: grpc.ServicerContext
    ) -> types.Subscription:
        with self._changed:
            _check_new_name("subscriptions", request.name, self.subscriptions)
            if request.topic not in self._topics:
                raise Refused(grpc.StatusCode.NOT_FOUND, f"Resource not found: {request.topic}.")
            self.subscriptions[request.name] = Subscription(request.topic)
        return request

    def pull(self, request: types.PullRequest, context: grpc.ServicerContext) -> types.PullResponse:
        if request.max_messages <= 0:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "max_messages must be positive.")
        subscription = self._subscription(request.subscription)
        context.add_callback(self._wake)
        with self._changed:
            if not request.return_immediately:
                self._changed.wait_for(
                    lambda: subscription.waiting or not context.is_active(),
                    context.time_remaining(),
                )
            if not context.is_active():
                return types.PullResponse()
            count = min(request.max_messages, MAX_MESSAGES_A_REQUEST)
            pulled = subscription.waiting[:count]
            del subscription.waiting[:count]
            received = [self._deliver(subscription, message) for message in pulled]
        return types.PullResponse(received_messages=received)

    def _wake(self) -> None:
        """Let the pulls look whether those who wait for them are still there."""
        with self._changed:
            self._changed.notify_all()

    def _deliver(
        self, subscription: Subscription, message: types.PubsubMessage
    ) -> types.ReceivedMessage:
        self._pulled += 1
        acknowledge_id = f"{message.message_id}-{self._pulled}"
        subscription.delivered[acknowledge_id] = message
        return types.ReceivedMessage(ack_id=acknowledge_id, message=message)

    def acknowledge(self, request: types.AcknowledgeRequest, _: grpc.ServicerContext) -> Empty:
        if sum(map(len, request.ack_ids)) > MAX_ACKNOWLEDGE_REQUEST:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "The request is too large.")
        subscription = self._subscription(request.subscription)
        with self._changed:
            for acknowledge_id in request.ack_ids:
                subscription.delivered.pop(acknowledge_id, None)
        return Empty()

    def modify_ack_deadline(
        self, request: types.ModifyAckDeadlineRequest, _: grpc.ServicerContext
    ) -> Empty:
        subscription = self._subscription(request.subscription)
        if request.ack_deadline_seconds == 0:
            with self._changed:
                for acknowledge_id in request.ack_ids:
                    if acknowledge_id in subscription.delivered:
                        subscription.waiting.append(subscription.delivered.pop(acknowledge_id))
                subscription.waiting.sort(key=lambda message: int(message.message_id))
                self._changed.notify_all()
        return Empty()

    def _subscription(self, name: str) -> Subscription:
        try:
            return self.subscriptions[name]
        except KeyError:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Resource not found: {name}.") from None


@dataclass(frozen=True)
class Server:
    """A running server: its state, and where it listens (`127.0.0.1:port`)."""

    pubsub: PubSub
    address: str


@contextmanager
def serve() -> Iterator[Server]:
    """Serve on a free port of the loopback interface."""
    pubsub = PubSub()
    # A message of 10 MB must arrive to be refused.
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(8), options=unlimited)
    server.add_generic_rpc_handlers(
        [
            _service(
                "Publisher",
                CreateTopic=(pubsub.create_topic, types.Topic, types.Topic),
                Publish=(pubsub.publish, types.PublishRequest, types.PublishResponse),
            ),
            _service(
                "Subscriber",
                CreateSubscription=(
                    pubsub.create_subscription,
                    types.Subscription,
                    types.Subscription,
                ),
                Pull=(pubsub.pull, types.PullRequest, types.PullResponse),
                Acknowledge=(pubsub.acknowledge, types.AcknowledgeRequest, Empty),
                ModifyAckDeadline=(
                    pubsub.modify_ack_deadline,
                    types.ModifyAckDeadlineRequest,
                    Empty,
                ),
            ),
        ]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield Server(pubsub, f"127.0.0.1:{port}")
    finally:
        server.stop(None).wait()


def _service(name: str, **methods: tuple[Callable[..., Any], Any, Any]) -> grpc.GenericRpcHandler:
    handlers = {
        method: grpc.unary_unary_rpc_method_handler(
            _answering(handler),
            request_deserializer=request.deserialize,
            response_serializer=(
                Empty.SerializeToString if response is Empty else response.serialize
            ),
        )
        for method, (handler, request, response) in methods.items()
    }
    return grpc.method_handlers_generic_handler(f"google.pubsub.v1.{name}", handlers)


def _answering(handler: Callable[..., Any]) -> Callable[..., Any]:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return handler(request, context)
        except Refused as refusal:
            context.abort(refusal.code, refusal.text)

    return answer


def _check_new_name(kind: str, name: str, known: Collection[str]) -> None:
    if not re.fullmatch(_NAME.format(kind=kind), name):
        _invalid(f"Invalid resource name given (name={name}).")
    if name in known:
        raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists: {name}.")


def _check_limits(request: types.PublishRequest) -> None:
    if not 1 <= len(request.messages) <= MAX_MESSAGES_A_REQUEST:
        _invalid(f"A request has 1 to {MAX_MESSAGES_A_REQUEST} messages.")
    if types.PublishRequest.pb(request).ByteSize() > MAX_REQUEST:
        _invalid(f"The request is larger than {MAX_REQUEST} bytes.")
    for message in request.messages:
        _check_message(message)


def _check_message(message: types.PubsubMessage) -> None:
    if not message.data and not message.attributes:
        _invalid("A message needs data or an attribute.")
    if types.PubsubMessage.pb(message).ByteSize() > MAX_MESSAGE:
        _invalid(f"A message is larger than {MAX_MESSAGE} bytes.")
    if len(message.attributes) > MAX_ATTRIBUTES:
        _invalid(f"A message has more than {MAX_ATTRIBUTES} attributes.")
    for key, value in message.attributes.items():
        if not key or key.startswith("goog") or len(key.encode()) > MAX_ATTRIBUTE_KEY:
            _invalid(f"The attribute {key[:40]!r} has a name that is not allowed.")
        if len(value.encode()) > MAX_ATTRIBUTE_VALUE:
            _invalid(f"The attribute {key!r} is larger than {MAX_ATTRIBUTE_VALUE} bytes.")
    if len(message.ordering_key.encode()) > MAX_ORDERING_KEY:
        _invalid(f"The ordering key is larger than {MAX_ORDERING_KEY} bytes.")


def _invalid(text: str) -> NoReturn:
    raise Refused(grpc.StatusCode.INVALID_ARGUMENT, text)
