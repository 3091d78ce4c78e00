"""The wait before a retry: as requested by the server (in seconds or as a date), or growing."""

import email.utils
import logging
import time
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.request_notes import current_notes
from source_clockify.request_scope import current_scope
from source_clockify.waits import SILENT_SECONDS, duration

logger = logging.getLogger("airbyte")

# Longer than the hour of the free plan.
LONGEST_WAIT_SECONDS = 2 * 60 * 60


# The CDK sleeps one second longer than it is told.
_NO_MORE_WAIT = -0.999


@dataclass
class RetryAfterStrategy(BackoffStrategy):
    """Waits as long as the header `Retry-After` requests, or else 1, 2, 4 ... seconds.

    The manifest's `WaitTimeFromHeader` only supports seconds. The wait takes place here, where it
    can be announced, since the CDK sleeps silently.
    """

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def backoff_time(
        self,
        response_or_exception: requests.Response | requests.RequestException | None,
        attempt_count: int,
    ) -> float:
        requested = _requested_wait(response_or_exception)
        # One second more, since the server may round.
        wait = 2 ** (attempt_count - 1) if requested is None else requested + 1
        notes, scope = current_notes(), current_scope()
        if notes is None or scope is None:
            time.sleep(wait)
            return _NO_MORE_WAIT
        if wait <= SILENT_SECONDS:
            logger.info("%s: retrying in %s. %s", scope.stream, duration(wait), notes.wait_reason)
        scope.waits.wait(wait, scope.stream, notes.wait_reason)
        return _NO_MORE_WAIT


def _requested_wait(
    response_or_exception: requests.Response | requests.RequestException | None,
) -> int | None:
    """Return the wait that a response requests, in seconds.

    Raises:
        AirbyteTracedException: transient_error, if it is too long.
    """
    if not isinstance(response_or_exception, requests.Response):
        return None
    wait = seconds_to_wait(response_or_exception.headers.get("Retry-After", ""), time.time())
    if wait is not None and wait > LONGEST_WAIT_SECONDS:
        raise AirbyteTracedException(
            message=(
                f"Clockify asks for a wait of {wait} seconds (Retry-After), longer than the "
                f"{LONGEST_WAIT_SECONDS} that the connector waits. Start the sync later."
            ),
            failure_type=FailureType.transient_error,
        )
    return wait


def seconds_to_wait(header: str, now: float) -> int | None:
    """Return the wait that `Retry-After` requests; None if it is neither seconds nor a date.

    A moment in the past requests no wait, as does 0.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]), 10**9) or None
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return max(0, round(moment.timestamp() - now)) or None
    except (TypeError, ValueError, OverflowError):
        return None
