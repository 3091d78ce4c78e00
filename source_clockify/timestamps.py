"""Times as Clockify writes them: `2024-05-31T08:30:00Z`, UTC, to the second."""

from datetime import datetime
from typing import Any

import pendulum

WIRE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def parse_time(text: str) -> pendulum.DateTime:
    """Return the moment of a wire timestamp; fractions and offsets are understood too.

    Raises:
        ValueError: for text that is no timestamp.
    """
    moment = pendulum.parse(text)
    if not isinstance(moment, pendulum.DateTime):
        raise ValueError(f"{text!r} is no timestamp")
    return moment.in_timezone("UTC")


def second_of(value: Any) -> int | None:
    """Return the second since 1970 of a wire timestamp or day, None for what is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        if len(value) == len("2024-05-31T08:30:00Z") and value[-1] == "Z":
            # Every record passes here.
            return int(datetime.fromisoformat(f"{value[:-1]}+00:00").timestamp())
        return int(parse_time(value).timestamp() // 1)
    except ValueError:
        return None


def format_second(second: int) -> str:
    """Return a second since 1970 as Clockify writes it."""
    return format_time(pendulum.from_timestamp(second))


def format_time(moment: pendulum.DateTime) -> str:
    """Return a moment as Clockify writes it."""
    return moment.in_timezone("UTC").strftime(WIRE_FORMAT)


def creation_time(identifier: str) -> pendulum.DateTime:
    """Return when an entity was created: its id begins with the second, in hexadecimal.

    Raises:
        ValueError: for an id that is not hexadecimal.
    """
    return pendulum.from_timestamp(int(identifier[:8], 16))
