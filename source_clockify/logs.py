"""Routes the CDK's log lines."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from airbyte_cdk.logger import LOGGING_CONFIG, PRINT_BUFFER, AirbyteLogFormatter
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets


class MessageFormatter(AirbyteLogFormatter):
    """Turns log records into messages of Airbyte's protocol."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except TypeError:
            # The CDK rejects lone surrogates, as in the name of a file.
            record.msg = record.getMessage().encode(errors="replace").decode()
            record.args = None
            return super().format(record)


class SentenceFormatter(logging.Formatter):
    """Turns log records into lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        return filter_secrets(f"{record.levelname}: {record.getMessage()}")


@contextmanager
def log_to(
    stream: TextIO, formatter: logging.Formatter, level: int = logging.NOTSET
) -> Iterator[None]:
    """Send log lines to a stream; the CDK's own buffer delays each line until the next one."""
    console = cast(dict[str, dict[str, Any]], LOGGING_CONFIG["handlers"])["console"]
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is PRINT_BUFFER
    ]
    formers = [handler.formatter for handler in handlers]
    # For handlers that the CDK creates later.
    console["stream"] = stream
    with PRINT_BUFFER.lock:
        stream.write(PRINT_BUFFER.buffer.getvalue())
        PRINT_BUFFER.buffer = io.StringIO()
    for handler in handlers:
        handler.stream = stream
        handler.setFormatter(formatter)
        handler.setLevel(level)
    try:
        yield
    finally:
        console["stream"] = PRINT_BUFFER
        for handler, former in zip(handlers, formers, strict=True):
            handler.stream = PRINT_BUFFER
            handler.setFormatter(former)
            handler.setLevel(logging.NOTSET)
