"""Times in Clockify's form: `2024-05-31T08:30:00Z`, UTC, to the second.

Accounts also contain mistyped years, which Clockify writes in Java's form: `0022-03-01T09:00:00Z`,
`+20226-01-01T09:00:00Z`. Python's dates are limited to the years 1 to 9999, so moments are seconds
since 1970 here.
"""

import re
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

import pendulum

DAY = 24 * 60 * 60

# The start of the manifest's windows if all history is read. Earlier starts are mistakes, and would
# require window bounds with years of other than four digits.
EARLIEST_TEXT = "2000-01-01T00:00:00Z"

_TIME = re.compile(
    r"(?P<year>\d{4}|[+-]\d{4,9})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
# Lines of timestamps and days, none of them on 29 February.
_PLAIN_LINES = re.compile(
    r"(?:\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|"
    r"(?:0[13578]|1[02])-31)(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z)?\n)*",
    re.ASCII,
)
# The calendar repeats after this many years and days.
_CYCLE, _CYCLE_DAYS = 400, 146_097
_EPOCH = date(1970, 1, 1).toordinal()
_MIDNIGHT = datetime(1970, 1, 1)


def parse_time(text: str) -> pendulum.DateTime:
    """Return the moment of a wire timestamp; fractions and offsets are accepted.

    Raises:
        ValueError: for text that is not a timestamp of the years 1 to 9999.
    """
    moment = pendulum.parse(text)
    if not isinstance(moment, pendulum.DateTime):
        raise ValueError(f"{text!r} is no timestamp")
    return moment.in_timezone("UTC")


def second_of(value: Any) -> int | None:
    """Return the second since 1970 of a wire timestamp or day; None for any other value."""
    if not isinstance(value, str):
        return None
    if len(value) == len("2024-05-31T08:30:00Z") and value[-1] == "Z":
        # The path of every record.
        try:
            since = datetime.fromisoformat(value[:-1]) - _MIDNIGHT
            return since.days * DAY + since.seconds
        except (ValueError, TypeError):
            # TypeError: for a text that includes an offset.
            pass
    match = _TIME.fullmatch(value.strip())
    if match is None:
        return None
    cycles, year = divmod(int(match["year"]), _CYCLE)
    try:
        # A year with the same calendar that Python supports.
        day = date(year + _CYCLE, int(match["month"]), int(match["day"])).toordinal() - _EPOCH
    except ValueError:
        return None
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if hour > 24 or minute > 59 or second > 60:
        return None
    day += (cycles - 1) * _CYCLE_DAYS
    return day * DAY + hour * 3600 + minute * 60 + second - _offset(match["offset"] or "Z")


def compare_as_text(values: Collection[Any]) -> bool:
    """Return whether values are timestamps in UTC, or days, whose order is that of their texts.

    False in doubt, such as for 29 February.
    """
    if {*map(type, values)} != {str} or len({*map(len, values)}) != 1:
        return False
    lines = "\n".join([*values, ""])
    return lines.count("\n") == len(values) and _PLAIN_LINES.fullmatch(lines) is not None


def _offset(text: str) -> int:
    """Return the seconds by which an offset from UTC such as `+05:30` is ahead."""
    if text in ("Z", "z"):
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if text[0] == "-" else seconds


def format_second(second: int) -> str:
    """Return a second since 1970 in Clockify's form."""
    days, rest = divmod(second, DAY)
    cycles, day = divmod(days + _EPOCH - 1, _CYCLE_DAYS)
    moment = date.fromordinal(day + 1)
    year = moment.year + cycles * _CYCLE
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    hour, rest = divmod(rest, 3600)
    minute, last = divmod(rest, 60)
    return (
        f"{sign}{abs(year):04d}-{moment.month:02d}-{moment.day:02d}"
        f"T{hour:02d}:{minute:02d}:{last:02d}Z"
    )


def format_time(moment: datetime) -> str:
    """Return a moment in Clockify's form."""
    return format_second(int(moment.timestamp() // 1))


def creation_time(identifier: str) -> pendulum.DateTime:
    """Return when an entity was created: its id begins with the second, in hexadecimal.

    Raises:
        ValueError: for an id that is not hexadecimal.
    """
    return pendulum.from_timestamp(int(identifier[:8], 16))


EARLIEST = second_of(EARLIEST_TEXT) or 0


# No window has a bound in it, since its year has more than four digits.
YEAR_10000 = second_of("+10000-01-01T00:00:00Z") or 0
