"""Lines that compare the feeds of entity changes with the results of change tracking."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

from source_clockify.probe.account import Account, Row, second_text
from source_clockify.probe.client import Answer
from source_clockify.probe.comparison import Comparison
from source_clockify.probe.lines import Finding, Line, Untestable, judge, need
from source_clockify.timestamps import creation_time

_TYPES = ("TIME_ENTRY", "TIME_ENTRY_RATE", "TIME_ENTRY_CUSTOM_FIELD_VALUE")
_WINDOW = timedelta(days=29)
_LARGE_PAGE, _PAGE = 1000, 50


def feed_created(account: Account) -> Finding:
    return _share(account, "created", "new", lambda found: found.new)


def feed_updated(account: Account) -> Finding:
    return _share(account, "updated", "edited", lambda found: found.edited)


def feed_deleted(account: Account) -> Finding:
    return _share(account, "deleted", "deleted", lambda found: found.deleted)


def _share(
    account: Account, kind: str, adjective: str, ids_of: Callable[[Comparison], set[str]]
) -> Finding:
    """Judge whether a feed names all entries found by the comparison."""
    compared = account.comparison()
    found = ids_of(compared)
    # These feeds omit updates and deletions of entries created in the window. An older entry that
    # is new was restored, or moved into the days that are read.
    made_in_window = {each for each in found if creation_time(each) >= compared.start}
    expected = made_in_window if kind == "created" else found - made_in_window
    if not expected:
        raise Untestable(f"the comparison found no {adjective} time entry since the state")
    named: set[str] = set()
    answers: list[Answer] = []
    for answer in _pages(account, kind, compared.start):
        answers.append(answer)
        named.update(*map(_ids_in, answer.rows()))
    share = len(expected & named)
    text = (
        f"of {len(expected)} {adjective} entries the feed named {share} "
        f"({share * 100 // len(expected)} %)"
    )
    if left_out := len(found) - len(expected):
        text += f"; {left_out} more are not counted, since the feed need not name them"
    return judge(share == len(expected), text, *answers)


def _ids_in(row: Row) -> set[str]:
    """Return the ids in a row that may belong to a time entry."""
    document = row.get("document")
    inner = document.get("id") if isinstance(document, dict) else None
    found = [inner, *(row.get(name) for name in ("id", "timeEntryId", "entryId"))]
    return {each for each in found if isinstance(each, str)}


def _pages(account: Account, kind: str, start: datetime) -> Iterator[Answer]:
    """Yield the answers of a feed from a moment to now, up to the empty page of each window."""
    now = datetime.now(timezone.utc)
    limit = _LARGE_PAGE
    while start < now:
        end = min(start + _WINDOW, now)
        page, former = 0, None
        while True:
            params = [("type", name) for name in _TYPES]
            params += [("start", second_text(start)), ("end", second_text(end))]
            params += [("page", str(page)), ("limit", str(limit))]
            answer = account.get(f"/entities/{kind}", params, what="time entries since the state")
            if answer.status == 400 and limit == _LARGE_PAGE:
                limit = _PAGE
                continue
            rows = need(answer).rows()
            yield answer
            # Equal pages: the server ignores page numbers.
            if not rows or rows == former:
                break
            page, former = page + 1, rows
        start = end


LINES = {
    line.id: line
    for line in (
        Line(
            "feed-created",
            "The feed of created entities names every time entry that is new since --state.",
            feed_created,
        ),
        Line(
            "feed-updated",
            "The feed of updated entities names every time entry that was edited since --state.",
            feed_updated,
        ),
        Line(
            "feed-deleted",
            "The feed of deleted entities names every time entry that was deleted since --state.",
            feed_deleted,
        ),
    )
}
