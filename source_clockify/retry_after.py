"""The wait that a server asks for, in seconds or as a date."""

import email.utils
import time
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

# Longer than the hour of the free plan.
LONGEST_WAIT_SECONDS = 2 * 60 * 60


@dataclass
class RetryAfterStrategy(BackoffStrategy):
    """Waits as long as the header `Retry-After` says.

    The manifest's `WaitTimeFromHeader` understands seconds only.
    """

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None: ...

    def backoff_time(
        self,
        response_or_exception: requests.Response | requests.RequestException | None,
        attempt_count: int,
    ) -> float | None:
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
    """Return the wait that a `Retry-After` asks for, None if it is neither seconds nor a date.

    A moment that has passed asks for no wait, as does 0.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]), 10**9) or None
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return max(0, round(moment.timestamp() - now)) or None
    except (TypeError, ValueError, OverflowError):
        return None
