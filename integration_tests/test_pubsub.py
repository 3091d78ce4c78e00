"""What the pipeline's tests stand on: the destination's messages, its writer, and the servers."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from google.api_core.exceptions import (
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.types import PubsubMessage, PullRequest

from integration_tests.airbyte import ROOT
from integration_tests.pubsub.message import message_of, parse
from integration_tests.pubsub.server import Server, serve
from integration_tests.pubsub.topic import Topic, create_topic, records_of, transport
from integration_tests.pubsub.writer import Writer, publisher_of

VECTORS = json.loads((ROOT / "integration_tests" / "pubsub" / "vectors.json").read_text())
# Lines with odd values, and what the destination published of them; null: nothing.
ODD_VALUES = json.loads((ROOT / "integration_tests" / "pubsub" / "odd_values.json").read_text())
STATE = '{"type": "STATE", "state": {"type": "STREAM", "number": %d}}\n'
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def record_line(data: str = '{"id": "t1"}', stream: str = "tags", more: str = "") -> str:
    record = f'{{"stream": "{stream}", "data": {data}, "emitted_at": 1700000000123{more}}}'
    return f'{{"type": "RECORD", "record": {record}}}\n'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def topic(pubsub_address: str, request: pytest.FixtureRequest) -> Topic:
    """A new topic on each of the servers."""
    return create_topic(pubsub_address, name_of(request))


@pytest.fixture
def strict_topic(server: Server, request: pytest.FixtureRequest) -> Topic:
    """A new topic on the test server."""
    return create_topic(server.address, name_of(request))


def name_of(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W", "-", request.node.name)


def writer(topic: Topic, **how: Any) -> Writer:
    """A writer to a topic that takes the stream tags."""
    publisher = publisher_of(
        topic.destination(ordering_enabled=how.get("ordering_enabled", False)),
        transport=transport(PublisherClient, topic.address),
    )
    return Writer(publisher, topic.path, {(None, "tags")}, **how)


def data_of(message: PubsubMessage) -> str:
    """The data of a message, with the id of its emission left out."""
    text = message.data.decode()
    assert UUID.search(text)
    return UUID.sub("<uuid4>", text, count=1)


# Messages


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_messages_are_those_that_the_destination_made(vector: dict[str, Any], topic: Topic) -> None:
    namespace, stream = vector["record"].get("namespace"), vector["record"]["stream"]
    write = writer(topic, ordering_enabled=vector["ordering_enabled"])
    write.streams = {(namespace, stream)}
    line = json.dumps({"type": "RECORD", "record": vector["record"]})
    assert list(write.write([line])) == []
    (message,) = topic.pull()
    assert data_of(message) == vector["data"]
    assert dict(message.attributes) == vector["attributes"]
    assert message.ordering_key == vector["ordering_key"]
    assert ("_namespace" in message.attributes) == (namespace is not None)


@pytest.mark.parametrize("odd", ODD_VALUES, ids=[odd["name"] for odd in ODD_VALUES])
def test_odd_values_are_published_as_by_the_destination(odd: dict[str, Any]) -> None:
    try:
        record = parse(odd["line"])["record"]
    except ValueError:
        assert odd["data"] is None
        return
    written = message_of(record, False, "<uuid4>").data.decode()
    assert written == odd["data"]


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("12345678901234567890123", "12345678901234567890123"),
        ("-7", "-7"),
        ("1.10", "1.1"),
        ("0.001", "0.001"),
        ("0.0001", "1.0E-4"),
        ("9999999.0", "9999999.0"),
        ("12345678.9", "1.23456789E7"),
        ("1e7", "1.0E7"),
        ("-2.5e-10", "-2.5E-10"),
        ("0.1234567890123456789", "0.12345678901234568"),
        # Java 17 does not find the shortest digits of these.
        ("1e23", "9.999999999999999E22"),
        ("1152921504606846976.0", "1.15292150460684698E18"),
        # Here a neighbour just half a distance away counts, as it does not for 1e23.
        ("1.024e26", "1.024E26"),
        ("5e-324", "4.9E-324"),
        ("-0.0", "-0.0"),
    ],
)
def test_numbers_are_written_as_java_does(number: str, written: str) -> None:
    record = parse(f'{{"stream": "s", "data": {{"n": {number}}}, "emitted_at": 1}}')
    data = message_of(record, False, "id").data.decode()
    assert data.partition('"n":')[2] == f'{written}}},"_airbyte_emitted_at":1}}'


def test_control_characters_are_escaped_as_java_does() -> None:
    text = '\\u001b\\u0001\\n\\t\\"\\\\u001b\\u00e9\\u007f\\u2028'
    record = parse(f'{{"stream": "s", "data": {{"t": "{text}"}}, "emitted_at": 1}}')
    data = message_of(record, False, "id").data.decode()
    assert '{"t":"\\u001B\\u0001\\n\\t\\"\\\\u001bé\x7f\u2028"}' in data


# The writer


def test_a_state_follows_once_what_came_before_it_is_published(topic: Topic) -> None:
    write = writer(topic).write([record_line(), STATE % 1, record_line('{"id": "t2"}'), STATE % 2])
    assert next(write) == STATE % 1
    assert [each["data"]["id"] for each in records_of(topic.pull())] == ["t1"]
    assert list(write) == [STATE % 2]
    assert [each["data"]["id"] for each in records_of(topic.pull())] == ["t2"]


def test_other_lines_are_skipped(topic: Topic) -> None:
    log = '{"type": "LOG", "log": {"level": "INFO", "message": "hello"}}\n'
    trace = '{"type": "TRACE", "trace": {}}\n'
    not_a_number = record_line('{"id": NaN}')
    lines = ["starting ...\n", log, trace, '["RECORD"]\n', '{"type": "NEW"}\n', not_a_number, "\n"]
    assert list(writer(topic).write([*lines, record_line(), STATE % 1])) == [STATE % 1]
    assert len(topic.pull()) == 1


def test_another_namespace_and_an_unknown_stream_are_errors(strict_topic: Topic) -> None:
    for line in (
        record_line(more=', "namespace": ""'),
        record_line(more=', "namespace": "clockify"'),
        record_line(stream="users"),
    ):
        with pytest.raises(ValueError, match="the catalog has no stream"):
            list(writer(strict_topic).write([line, STATE % 1]))
    assert strict_topic.pull() == []


def test_what_is_not_published_is_an_error_and_no_state_follows(
    server: Server, strict_topic: Topic
) -> None:
    server.pubsub.deny(strict_topic.path)
    write = writer(strict_topic).write([record_line(), STATE % 1])
    with pytest.raises(PermissionDenied):
        next(write)


def test_the_destinations_failure_is_acknowledged_and_lost(
    server: Server, strict_topic: Topic
) -> None:
    server.pubsub.deny(strict_topic.path)
    write = writer(strict_topic, acknowledge_first=True)
    assert list(write.write([record_line(), STATE % 1])) == [STATE % 1]
    assert [type(error) for error in write.lost] == [PermissionDenied]
    server.pubsub.allow(strict_topic.path)
    assert strict_topic.pull() == []


@pytest.mark.parametrize("ordering_enabled", [False, True])
def test_a_message_above_the_limit_is_lost_and_with_ordering_what_follows(
    strict_topic: Topic, ordering_enabled: bool
) -> None:
    large = record_line(f'{{"id": "large", "note": "{"x" * 10_000_000}"}}')
    write = writer(strict_topic, ordering_enabled=ordering_enabled, acknowledge_first=True)
    lines = [record_line(), STATE % 1, large, STATE % 2, record_line('{"id": "t2"}'), STATE % 3]
    for _ in write.write(lines):
        write.wait()
    arrived = [each["data"]["id"] for each in records_of(strict_topic.pull())]
    assert arrived == (["t1"] if ordering_enabled else ["t1", "t2"])


def test_the_command_is_that_of_the_destinations_image(topic: Topic) -> None:
    lines = record_line('{"id": "a\u2028b"}') + STATE % 1
    done = topic.write(lines.encode(), ["tags"], topic.destination())
    assert (done.returncode, done.stdout.decode()) == (0, STATE % 1), done.stderr
    (record,) = records_of(topic.pull())
    assert record == {"stream": "tags", "data": {"id": "a\u2028b"}, "emitted_at": 1700000000123}


def test_the_command_fails_in_a_sentence(topic: Topic) -> None:
    destination = topic.destination(topic_id="not-there")
    done = topic.write((record_line() + STATE % 1).encode(), ["tags"], destination)
    assert (done.returncode, done.stdout) == (1, b"")
    # Google's client may warn of the Python version before.
    last_line = done.stderr.decode().strip().split("\n")[-1]
    assert last_line.startswith("not published to projects/clockify/topics/not-there: 404 ")


# The test server's limits


@pytest.fixture
def publisher(server: Server) -> PublisherClient:
    return PublisherClient(transport=transport(PublisherClient, server.address))


BROKEN: dict[str, list[PubsubMessage]] = {
    "no messages": [],
    "too many messages": [PubsubMessage(data=b"x")] * 1001,
    "nothing in it": [PubsubMessage(data=b"")],
    "too large": [PubsubMessage(data=b"x" * 10_000_001)],
    "too large together": [PubsubMessage(data=b"x" * 6_000_000)] * 2,
    "too many attributes": [PubsubMessage(attributes={f"a{n}": "x" for n in range(101)})],
    "attribute without a name": [PubsubMessage(attributes={"": "x"})],
    "attribute with a long name": [PubsubMessage(attributes={"é" * 129: "x"})],
    "attribute of Google": [PubsubMessage(attributes={"goog-x": "x"})],
    "attribute with a long value": [PubsubMessage(attributes={"a": "é" * 513})],
    "ordering key too long": [PubsubMessage(data=b"x", ordering_key="é" * 513)],
}


@pytest.mark.parametrize("messages", BROKEN.values(), ids=BROKEN)
def test_the_server_refuses_what_pubsub_refuses(
    publisher: PublisherClient, strict_topic: Topic, messages: list[PubsubMessage]
) -> None:
    with pytest.raises(InvalidArgument):
        publisher.publish(topic=strict_topic.path, messages=messages)
    assert strict_topic.pull() == []


def test_the_server_takes_what_is_just_within_the_limits(
    publisher: PublisherClient, strict_topic: Topic
) -> None:
    attributes = {f"a{n}": "x" for n in range(99)} | {"é" * 128: "é" * 512}
    most = PubsubMessage(data=b"x", attributes=attributes, ordering_key="é" * 512)
    publisher.publish(topic=strict_topic.path, messages=[most])
    publisher.publish(topic=strict_topic.path, messages=[PubsubMessage(data=b"x" * 9_999_000)])
    publisher.publish(topic=strict_topic.path, messages=[PubsubMessage(data=b"x")] * 1000)
    assert len(strict_topic.pull()) == 1002


def test_names_topics_and_subscriptions_have_to_be_right(
    server: Server, publisher: PublisherClient, strict_topic: Topic
) -> None:
    for name in ("t1", "1st-topic", "googtopic", "with space", "größe", "x" * 256):
        with pytest.raises(InvalidArgument):
            publisher.create_topic(name=f"projects/clockify/topics/{name}")
    with pytest.raises(AlreadyExists):
        publisher.create_topic(name=strict_topic.path)
    nowhere = "projects/clockify/topics/nowhere"
    with pytest.raises(NotFound):
        publisher.publish(topic=nowhere, messages=[PubsubMessage(data=b"x")])
    subscriber = SubscriberClient(transport=transport(SubscriberClient, server.address))
    with pytest.raises(NotFound):
        subscriber.create_subscription(name=strict_topic.subscription + "2", topic=nowhere)
    with pytest.raises(NotFound):
        subscriber.pull(subscription=strict_topic.subscription + "2", max_messages=1)
    with pytest.raises(InvalidArgument):
        subscriber.pull(subscription=strict_topic.subscription, max_messages=0)


def test_what_is_not_acknowledged_comes_again(pubsub_address: str, topic: Topic) -> None:
    list(writer(topic).write([record_line(), STATE % 1, record_line('{"id": "t2"}'), STATE % 2]))
    subscriber = SubscriberClient(transport=transport(SubscriberClient, topic.address))

    def pull() -> list[Any]:
        response = subscriber.pull(subscription=topic.subscription, max_messages=10)
        return sorted(response.received_messages, key=lambda each: int(each.message.message_id))

    first = pull()
    acknowledge, again = [each.ack_id for each in first]
    subscriber.acknowledge(subscription=topic.subscription, ack_ids=[acknowledge])
    subscriber.modify_ack_deadline(
        subscription=topic.subscription, ack_ids=[again], ack_deadline_seconds=0
    )
    second = pull()
    assert [each.message for each in second] == [first[1].message]


def test_a_request_of_too_many_acknowledgements_is_refused(
    server: Server, strict_topic: Topic
) -> None:
    subscriber = SubscriberClient(transport=transport(SubscriberClient, server.address))
    most = ["x" * 1024] * 512
    subscriber.acknowledge(subscription=strict_topic.subscription, ack_ids=most)
    with pytest.raises(InvalidArgument):
        subscriber.acknowledge(subscription=strict_topic.subscription, ack_ids=[*most, "x"])


class Call:
    """A call of a reader who goes away."""

    def __init__(self) -> None:
        self.waiting = Event()
        self._active = True

    def add_callback(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self.waiting.set()

    def is_active(self) -> bool:
        return self._active

    def time_remaining(self) -> None:
        return None

    def end(self) -> None:
        self._active = False
        self._callback()


def test_a_message_is_not_given_to_a_reader_who_has_gone(
    server: Server, strict_topic: Topic
) -> None:
    request = PullRequest(subscription=strict_topic.subscription, max_messages=1)
    call = Call()
    with ThreadPoolExecutor(1) as thread:
        pulling = thread.submit(server.pubsub.pull, request, call)
        assert call.waiting.wait(10)
        call.end()
        assert pulling.result(timeout=10).received_messages == []
        list(writer(strict_topic).write([record_line()]))
    assert server.pubsub.pull(request, call).received_messages == []
    assert len(strict_topic.pull()) == 1


@pytest.mark.parametrize(
    ("thresholds", "settings"),
    [
        ({}, (1, 1, 0.001)),
        (
            {
                "batching_request_bytes_threshold": 1_000_000,
                "batching_delay_threshold": 100,
                "batching_element_count_threshold": 50,
            },
            (1_000_000, 50, 0.1),
        ),
    ],
)
def test_the_thresholds_of_the_destination_are_those_of_the_batches(
    server: Server, thresholds: dict[str, int], settings: tuple[int, int, float]
) -> None:
    publisher = publisher_of(
        {"ordering_enabled": False, **thresholds},
        transport=transport(PublisherClient, server.address),
    )
    batches = publisher.batch_settings
    assert (batches.max_bytes, batches.max_messages, batches.max_latency) == settings


def test_a_pull_waits_for_a_message(strict_topic: Topic) -> None:
    subscriber = SubscriberClient(transport=transport(SubscriberClient, strict_topic.address))
    with ThreadPoolExecutor(1) as thread:
        pulling = thread.submit(
            lambda: subscriber.pull(subscription=strict_topic.subscription, max_messages=1)
        )
        list(writer(strict_topic).write([record_line()]))
        assert len(pulling.result().received_messages) == 1
