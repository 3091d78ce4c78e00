"""Instants, durations and time zones in Clockify's form."""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 86_400
_EPOCH = datetime(1970, 1, 1)
_CYCLE_YEARS, _CYCLE = 400, 146_097 * DAY
_FIRST = int((datetime(2, 1, 1) - _EPOCH).total_seconds())
_LAST = int((datetime(9999, 1, 1) - _EPOCH).total_seconds())
_INSTANT = re.compile(
    r"(\d{4}|[+-]\d{4,9})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", re.ASCII)


def _within_reach(second: float) -> tuple[float, int]:
    """A second within the range of datetime, and the number of 400 years by which it was moved.

    The calendar repeats after 400 years, with the same days of the week.
    """
    if second < _FIRST:
        cycles = -int((_FIRST - second) // _CYCLE + 1)
    elif second >= _LAST:
        cycles = int((second - _LAST) // _CYCLE + 1)
    else:
        cycles = 0
    return second - cycles * _CYCLE, cycles


def _text(moment: datetime, cycles: int) -> str:
    """A moment with its real year, which has a sign if it has more than four digits."""
    year = moment.year + cycles * _CYCLE_YEARS
    sign = "+" if year > 9999 else "-" if year < 0 else ""
    return f"{sign}{abs(year):04d}{moment.isoformat()[4:]}"


def utc_text(second: int) -> str:
    """An epoch second as `2026-08-07T22:15:00Z`; after 9999: `+20226-01-01T09:00:00Z`."""
    if _FIRST <= second < _LAST:
        return (_EPOCH + timedelta(seconds=second)).isoformat() + "Z"
    near, cycles = _within_reach(second)
    return _text(_EPOCH + timedelta(seconds=near), cycles) + "Z"


def utc_day(second: float) -> str:
    """The UTC day of an epoch second."""
    return utc_text(int(second // DAY) * DAY).partition("T")[0]


def _in_zone(second: float, zone: ZoneInfo) -> tuple[datetime, int]:
    near, cycles = _within_reach(second)
    return (_EPOCH + timedelta(seconds=near)).replace(tzinfo=timezone.utc).astimezone(zone), cycles


def zoned_text(second: int, zone: ZoneInfo) -> str:
    """An epoch second in a zone: `2026-08-08T00:15:00+02:00`, with `Z` if the zone is UTC."""
    if _FIRST <= second < _LAST:
        text = datetime.fromtimestamp(second, zone).isoformat()
    else:
        text = _text(*_in_zone(second, zone))
    return text.replace("+00:00", "Z") if zone.key in ("UTC", "Etc/UTC", "Z", "GMT") else text


def wall_clock(second: int, zone: ZoneInfo) -> tuple[str, int]:
    """The text of a zone's wall clock at an epoch second, and its offset from UTC in seconds."""
    moment, cycles = _in_zone(second, zone)
    offset = moment.utcoffset() or timedelta()
    return _text(moment.replace(tzinfo=None), cycles), int(offset.total_seconds())


def day_number(second: int, zone: ZoneInfo) -> int:
    """The day of a zone's wall clock, counted from 1970-01-01."""
    return (second + wall_clock(second, zone)[1]) // DAY


def weekday(day: int) -> int:
    """The day of the week of a day counted from 1970-01-01, 0 for Monday."""
    return (day + 3) % 7


@lru_cache(maxsize=100_000)
def duration_text(seconds: int) -> str:
    """Seconds as an ISO 8601 duration without days: `PT26H30M`."""
    if seconds == 0:
        return "PT0S"
    hours, rest = divmod(seconds, 3600)
    minutes, last = divmod(rest, 60)
    parts = (
        f"{hours}H" if hours else "",
        f"{minutes}M" if minutes else "",
        f"{last}S" if last else "",
    )
    return "PT" + "".join(parts)


def duration_seconds(text: str) -> int:
    """The seconds of a duration written by `duration_text`."""
    match = _DURATION.fullmatch(text)
    hours, minutes, seconds = match.groups() if match else (None, None, None)
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)


def parse_instant(text: object) -> float:
    """An ISO 8601 text as epoch seconds, in UTC if it has no offset; ValueError otherwise."""
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"no instant: {text!r}")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    cycles = 0 if 1 <= int(year) <= 9999 else int(year) // _CYCLE_YEARS - 5
    near = int(year) - cycles * _CYCLE_YEARS
    moment = datetime(
        near, int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
    )
    shift = 0
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "")
        shift = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        shift = -shift if offset[0] == "-" else shift
    whole = (moment - _EPOCH).total_seconds() + cycles * _CYCLE - shift
    return whole + (float(f"0.{fraction}") if fraction else 0.0)


def reread_in(zone: ZoneInfo, instant: float) -> float:
    """The instant whose wall clock in the zone is the UTC wall clock of the given one."""
    near, cycles = _within_reach(instant)
    wall = (_EPOCH + timedelta(seconds=near)).replace(tzinfo=zone)
    return wall.timestamp() + cycles * _CYCLE


def clock_changes(zone: ZoneInfo, before: int, count: int = 2) -> list[int]:
    """The last changes of a zone's UTC offset before a second, newest first."""

    def offset(second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, zone).utcoffset()

    found: list[int] = []
    high = before
    for _ in range(24 * 31):
        low = high - 86_400
        if offset(low) != offset(high):
            left, right = low, high
            while right - left > 1:
                middle = (left + right) // 2
                left, right = (middle, right) if offset(middle) == offset(low) else (left, middle)
            found.append(right)
            if len(found) == count:
                break
        high = low
    return found
