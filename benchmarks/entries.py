"""The rows that the benchmarks read, serialised in advance: a user's time entries, and projects."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_DAY = 86_400
# After this many rows of a user, their shapes repeat.
_SHAPES = 60


@dataclass(frozen=True)
class Owner:
    """The user who owns entries.

    Attributes:
        workspace_id: of the workspace.
        user_id: of the user.
        number: distinguishes the ids of users' entries; below 65536.
    """

    workspace_id: str
    user_id: str
    number: int


class Rows:
    """Serialised rows in a single block."""

    def __init__(self) -> None:
        self._offsets = array("Q", [0])
        self._rows = bytearray()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def append(self, row: bytes) -> None:
        self._rows += row
        self._rows += b","
        self._offsets.append(len(self._rows))

    def page(self, first: int, stop: int, number: int, size: int) -> tuple[bytes, bool]:
        """Return a page of the rows with first <= index < stop, and whether it is the last."""
        begin = first + (number - 1) * size
        until = min(begin + size, stop)
        if until <= begin:
            return b"[]", True
        # Without the comma behind the last row.
        rows = self._rows[self._offsets[begin] : self._offsets[until] - 1]
        return b"".join((b"[", rows, b"]")), until == stop


class Timeline:
    """A user's entries, spread evenly back from a moment.

    The rows have the fields of Clockify's time entry list.

    Args:
        owner: of all entries.
        count: the number of entries.
        newest: the start of the newest entry, in seconds since 1970.
        spacing: the seconds between the starts of two entries.
    """

    def __init__(self, owner: Owner, *, count: int, newest: int, spacing: int) -> None:
        self._count, self._newest, self._spacing = count, newest, spacing
        templates = [_template(owner, shape) for shape in range(_SHAPES)]
        clock = _Clock()
        self._rows = Rows()
        for index in range(count):
            start = newest - index * spacing
            seconds = 900 + 60 * (index * 7 % 450)
            self._rows.append(
                templates[index % _SHAPES]
                % {
                    b"id": b"%08x%04x%012x" % (start, owner.number, index),
                    b"start": clock.text(start),
                    b"end": clock.text(start + seconds),
                    b"duration": b"PT%dH%dM" % (seconds // 3600, seconds // 60 % 60),
                    b"number": b"%d" % index,
                }
            )

    def page(
        self, start: str | None, end: str | None, number: int, size: int
    ) -> tuple[bytes, bool]:
        """Return a page of the entries with start <= entry < end, and whether it is the last."""
        first = 0 if end is None else self._first_before(end)
        stop = self._count if start is None else self._first_before(start)
        return self._rows.page(first, stop, number, size)

    def _first_before(self, moment: str) -> int:
        """Return the index of the newest entry that starts before a moment."""
        seconds = datetime.strptime(moment, _FORMAT).replace(tzinfo=timezone.utc).timestamp()
        index = (self._newest - int(seconds)) // self._spacing + 1
        return min(max(index, 0), self._count)


def projects_like(samples: Sequence[Mapping[str, Any]], count: int, newest: int) -> Rows:
    """Return projects with the fields of the samples, but their own ids and names.

    The oldest comes first, as requested by the connector; `newest` is in seconds since 1970.
    """
    templates = [(orjson.dumps(sample), sample["id"].encode()) for sample in samples]
    rows = Rows()
    for index in range(count):
        row, sample_id = templates[index % len(templates)]
        rows.append(row.replace(sample_id, b"%08x0000%012x" % (newest - count + index, index)))
    return rows


def _template(owner: Owner, shape: int) -> bytes:
    """Return a row of one of the shapes, with placeholders for the values that vary."""
    fields = [
        ("Ticket", "TXT", "%(number)s"),
        ("Phase", "DROPDOWN_SINGLE", "Build"),
        ("Remote", "CHECKBOX", True),
    ]
    row: dict[str, Any] = {
        "id": "%(id)s",
        "description": "Reviewed the draft with the team, number %(number)s" if shape % 5 else "",
        "tagIds": [_identifier(4, shape % 7 + tag) for tag in range(shape % 3)],
        "userId": owner.user_id,
        "billable": shape % 4 != 0,
        "taskId": _identifier(3, shape % 20) if shape % 2 else None,
        "projectId": _identifier(2, shape % 10) if shape % 12 else None,
        "workspaceId": owner.workspace_id,
        "timeInterval": {"start": "%(start)s", "end": "%(end)s", "duration": "%(duration)s"},
        "customFieldValues": [
            {
                "customFieldId": _identifier(5, number),
                "timeEntryId": "%(id)s",
                "value": value,
                "name": name,
                "type": kind,
                "sourceType": "TIMEENTRY",
            }
            for number, (name, kind, value) in enumerate(fields if shape % 6 == 0 else [])
        ],
        "type": "REGULAR",
        "kioskId": None,
        "hourlyRate": {"amount": 9000, "currency": "EUR"},
        "costRate": {"amount": 5500, "currency": "EUR"} if shape % 3 else None,
        "isLocked": shape % 10 == 0,
    }
    return orjson.dumps(row)


def _identifier(kind: int, number: int) -> str:
    return f"65{kind:02x}0000ab{number:014x}"


class _Clock:
    """Formats moments; formats a day only when it changes."""

    def __init__(self) -> None:
        self._day, self._text = -1, b""

    def text(self, moment: int) -> bytes:
        day, second = divmod(moment, _DAY)
        if day != self._day:
            date = datetime.fromtimestamp(0, timezone.utc) + timedelta(days=day)
            self._day, self._text = day, date.strftime("%Y-%m-%dT").encode()
        minute, second = divmod(second, 60)
        return b"%b%02d:%02d:%02dZ" % (self._text, minute // 60, minute % 60, second)
