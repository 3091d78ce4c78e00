"""Typed access to the parts of Airbyte's messages, which the protocol declares as optional."""

from typing import Any, TypeVar

from airbyte_cdk.models import (
    AirbyteErrorTraceMessage,
    AirbyteLogMessage,
    AirbyteRecordMessage,
    AirbyteStateMessage,
    AirbyteStreamState,
)
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

T = TypeVar("T")


def present(value: T | None) -> T:
    """Return a value that has to be there."""
    assert value is not None
    return value


def errors_of(output: EntrypointOutput) -> list[AirbyteErrorTraceMessage]:
    return [present(present(message.trace).error) for message in output.errors]


def error_messages(output: EntrypointOutput) -> list[str]:
    return [error.message for error in errors_of(output)]


def logs_of(output: EntrypointOutput) -> list[AirbyteLogMessage]:
    return [present(message.log) for message in output.logs]


def records_of(output: EntrypointOutput) -> list[AirbyteRecordMessage]:
    return [present(message.record) for message in output.records]


def states_of(output: EntrypointOutput) -> list[AirbyteStateMessage]:
    return [present(message.state) for message in output.state_messages]


def stream_of(state: AirbyteStateMessage) -> str:
    """Return the name of the stream that a state belongs to."""
    return str(_stream_state(state).stream_descriptor.name)


def content_of(state: AirbyteStateMessage) -> dict[str, Any]:
    """Return the content of a state; to change it changes the state."""
    return vars(present(_stream_state(state).stream_state))


def _stream_state(state: AirbyteStateMessage) -> AirbyteStreamState:
    return present(state.stream)
