"""Times as Clockify writes them: `2024-05-31T08:30:00Z`, UTC, to the second."""

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


def format_time(moment: pendulum.DateTime) -> str:
    """Return a moment as Clockify writes it."""
    return moment.in_timezone("UTC").strftime(WIRE_FORMAT)


def creation_time(identifier: str) -> pendulum.DateTime:
    """Return when an entity was created: its id begins with the second, in hexadecimal.

    Raises:
        ValueError: for an id that is not hexadecimal.
    """
    return pendulum.from_timestamp(int(identifier[:8], 16))
