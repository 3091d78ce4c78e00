"""Instants, durations and time zones as Clockify writes and reads them."""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", re.ASCII)


def utc_text(second: int) -> str:
    """An epoch second as `2026-08-07T22:15:00Z`."""
    return (_EPOCH + timedelta(seconds=second)).isoformat() + "Z"


def zoned_text(second: int, zone: ZoneInfo) -> str:
    """An epoch second in a zone: `2026-08-08T00:15:00+02:00`, with `Z` where the zone is UTC."""
    text = datetime.fromtimestamp(second, zone).isoformat()
    return text.replace("+00:00", "Z") if zone.key in ("UTC", "Etc/UTC", "Z", "GMT") else text


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
    """The seconds of a duration that `duration_text` wrote."""
    match = _DURATION.fullmatch(text)
    hours, minutes, seconds = match.groups() if match else (None, None, None)
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)


def parse_instant(text: object) -> float:
    """An ISO 8601 text as epoch seconds; without an offset it is UTC. ValueError otherwise."""
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"no instant: {text!r}")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    moment = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
    )
    shift = 0
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "")
        shift = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        shift = -shift if offset[0] == "-" else shift
    return (moment - _EPOCH).total_seconds() - shift + (float(f"0.{fraction}") if fraction else 0.0)


def reread_in(zone: ZoneInfo, instant: float) -> float:
    """The instant whose wall clock in the zone is the UTC wall clock of the given one."""
    wall = datetime.fromtimestamp(instant, timezone.utc).replace(tzinfo=zone)
    return wall.timestamp()


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
