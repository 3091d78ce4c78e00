"""Proofs: requests that establish whether missing records are deleted.

A proof examines records that a read should have returned but did not, and yields its findings. A
record without a finding remains undecided and is checked again in the next sync.

| proof | for | evidence |
|---|---|---|
| by id | streams whose records Clockify reads by id | 400 with code 501 |
| in batches | time entries | the same, up to 100 ids a request |
| by a second read | all others | only what both reads lack is deleted |
| by the parent | records that are deleted with a parent | the parent's 400 with code 501 |
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from source_clockify.change_tracking.fingerprint import is_running
from source_clockify.change_tracking.lookups import LookupBudget, LookupResult
from source_clockify.change_tracking.partitions import Partition
from source_clockify.change_tracking.plan import cursor_text
from source_clockify.change_tracking.profiles import ById, Kind, SingleRead
from source_clockify.change_tracking.rows import Rows, hashed_key, parts_of
from source_clockify.change_tracking.tracker import StreamTracker
from source_clockify.timestamps import DAY, EARLIEST_TEXT, YEAR_10000, format_second, second_of

logger = logging.getLogger("airbyte")

# Ten years: assignments are not planned further ahead.
_FAR_AHEAD = 10 * 366 * DAY

# The most time entries that are requested by id at once.
BATCH_SIZE = 100


class Verdict(Enum):
    """What a proof establishes about a record.

    DELETED: it is deleted.
    EXISTS: it exists and its content is known.
    UNREADABLE: it exists, but cannot be read in the shape of its list.
    MISSING: this read lacks it as well; the next sync must confirm it.
    REFUSED: Clockify refuses to read it, which proves nothing.
    """

    DELETED = "deleted"
    EXISTS = "exists"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    REFUSED = "refused"


@dataclass(frozen=True)
class Finding:
    """The result of a proof for one record.

    Attributes:
        key: of the record.
        verdict: what the proof established.
        shapes: how its list may show it, the most likely first.
        is_unlisted: its list lacks it, or its timer runs, so it is looked up in every sync.
    """

    key: str
    verdict: Verdict
    shapes: tuple[dict[str, Any], ...] = ()
    is_unlisted: bool = False


@dataclass
class Unresolved:
    """The numbers of records of each workspace that this sync could not resolve.

    Attributes:
        unread: records whose content could not be read in the shape of their list.
        postponed: records for which no lookup was left.
        users: users who are no longer listed and whose own list could not be read.
    """

    unread: Counter[str] = field(default_factory=Counter)
    postponed: Counter[str] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)

    def log(self, stream_name: str) -> None:
        """Log one warning per workspace and reason."""
        for workspace_id, count in sorted(self.unread.items()):
            logger.warning(
                "%s: %s records of workspace %s are missing from their list, but not proven "
                "deleted, and their present content cannot be read. What was edited in them is "
                "sent once they are listed.",
                stream_name,
                count,
                workspace_id,
            )
        for workspace_id, count in sorted(self.postponed.items()):
            logger.warning(
                "%s: %s records of workspace %s are missing from their list and were not looked "
                "up, because the number of single reads in a sync is limited. What was edited or "
                "deleted of them is sent by a later sync.",
                stream_name,
                count,
                workspace_id,
            )
        for workspace_id, count in sorted(self.users.items()):
            logger.warning(
                "%s: %s users of workspace %s are no longer listed, and what they added since was "
                "not read in this sync. A later sync sends it.",
                stream_name,
                count,
                workspace_id,
            )


@dataclass(frozen=True)
class Case:
    """The partition whose missing records are to be resolved.

    Attributes:
        tracker: of the stream.
        ids: the partition.
        names: its ids by field name.
        partition: in the form of the manifest's templates.
        windows: in which it was read; empty if it was not.
        rows: its saved rows.
        key: returns the key of a record.
        unresolved: counts records that remain undecided.
        budget: the number of lookups left.
    """

    tracker: StreamTracker
    ids: Partition
    names: Mapping[str, str]
    partition: Mapping[str, Any]
    windows: Sequence[Mapping[str, Any]]
    rows: Rows
    key: Callable[[Mapping[str, Any]], str | None]
    unresolved: Unresolved
    budget: LookupBudget

    @property
    def workspace_id(self) -> str:
        return self.ids[0]

    def is_known_unlisted(self, key: str) -> bool:
        """Return whether an earlier sync found that a record exists although it is not listed."""
        kind = self.tracker.spec.profile.kind
        return kind in (Kind.SNAPSHOT, Kind.MEMBERSHIP) and self.rows[key].running

    def take_lookup(self, keys: Sequence[str], *, is_reread: bool) -> bool:
        """Take a lookup from the budget; if none is left, count the records as postponed."""
        name = self.tracker.spec.name
        taken = self.budget.take_reread(name) if is_reread else self.budget.take()
        if not taken:
            self.unresolved.postponed[self.workspace_id] += len(keys)
        return taken

    def reread(self, window: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
        """Return the records of a window of the partition by key; None if the read failed."""
        records = self.tracker.sync.lookups.reread(self.tracker.spec.name, self.partition, window)
        return None if records is None else self.keyed(records)

    def keyed(self, records: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return records by key, without those that have no key."""
        pairs = ((self.key(record), record) for record in records)
        return {key: record for key, record in pairs if key is not None}


def prove_missing(
    case: Case, missing: Sequence[str], to_verify: Sequence[str]
) -> Iterator[Finding]:
    """Examine missing records, and others that probably exist (`to_verify`)."""
    by_id = case.tracker.spec.profile.by_id
    if by_id is None:
        if missing and not _may_be_elsewhere(case):
            yield from prove_by_second_read(case, missing)
        return
    # The order changes with each sync, so that all get their turn if not all can be looked up.
    now = str(case.tracker.sync.bounds.now)
    missing, to_verify = (
        sorted(keys, key=lambda key: (case.is_known_unlisted(key), hashed_key([key, now])))
        for keys in (missing, to_verify)
    )
    if not by_id.is_batched:
        yield from prove_by_id(case, by_id, [*missing, *to_verify])
        return
    for keys in (to_verify, missing):
        for first in range(0, len(keys), BATCH_SIZE):
            batch = keys[first : first + BATCH_SIZE]
            yield from prove_in_batch(case, by_id, batch, halve=keys is to_verify)


def _may_be_elsewhere(case: Case) -> bool:
    """Return whether missing records may be in a partition that was not read."""
    tracker = case.tracker
    return tracker.spec.may_move(case.names) and (
        tracker.parents_failed
        or any(
            not read.complete for ids, read in tracker.reads.items() if ids[0] == case.workspace_id
        )
    )


# By id --------------------------------------------------------------------------------------------


def prove_by_id(
    case: Case,
    by_id: ById,
    keys: Sequence[str],
    found: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> Iterator[Finding]:
    """Examine records by id, one by one; those that are `found` need no request."""
    moved: dict[str, dict[str, Any]] = {}
    for key in keys:
        record, result = found.get(_id_of(key)), LookupResult.FOUND
        if record is None:
            record, result = _record_by_id(case, by_id, key)
        if result is LookupResult.NOT_FOUND:
            yield Finding(key, Verdict.DELETED)
        elif result is LookupResult.REFUSED:
            yield Finding(key, Verdict.REFUSED)
        elif result is not LookupResult.FOUND or record is None:
            continue
        elif by_id.shape is SingleRead.OTHER:
            moved[key] = record
        else:
            yield _existing(case, by_id, key, record)
    yield from _rows_of_other_lists(case, moved)


def prove_in_batch(
    case: Case, by_id: ById, keys: Sequence[str], *, halve: bool
) -> Iterator[Finding]:
    """Examine time entries, many in a request.

    Clockify refuses the whole request if one of them is deleted. If few are, `halve` finds them
    with fewer requests than single reads.
    """
    tracker = case.tracker
    found: Mapping[str, dict[str, Any]] | None = {}
    if len(keys) > 1 and case.budget.take():
        ids = [_id_of(key) for key in keys]
        found = tracker.sync.lookups.entries(tracker.spec.name, case.workspace_id, ids)
    if found is None and halve and len(keys) > 3:
        middle = len(keys) // 2
        yield from prove_in_batch(case, by_id, keys[:middle], halve=halve)
        yield from prove_in_batch(case, by_id, keys[middle:], halve=halve)
    else:
        yield from prove_by_id(case, by_id, keys, found or {})


def _existing(case: Case, by_id: ById, key: str, record: dict[str, Any]) -> Finding:
    """Return the finding for an existing record that was read in the shape of a row."""
    kind = case.tracker.spec.profile.kind
    if kind is Kind.WINDOWED_SNAPSHOT:
        return Finding(key, Verdict.EXISTS, (record,))
    if kind is Kind.MEMBERSHIP and not is_running(record):
        return Finding(key, Verdict.DELETED)
    return _unlisted(case, by_id, key, record)


def _id_of(key: str) -> str:
    return (parts_of(key) or [""])[-1]


def _record_by_id(case: Case, by_id: ById, key: str) -> tuple[dict[str, Any] | None, LookupResult]:
    if not case.take_lookup([key], is_reread=case.is_known_unlisted(key)):
        return None, LookupResult.FAILED
    identifier = _id_of(key)
    path = by_id.path.format(**case.names, id=identifier)
    record, result = case.tracker.sync.lookups.record(
        case.tracker.spec.name, f"workspaces/{case.workspace_id}/{path}", case.partition
    )
    if record is not None and by_id.has_id and record.get("id") != identifier:
        # The answer is not the record that was requested.
        record, result = None, LookupResult.REFUSED
    if result is LookupResult.REFUSED:
        case.unresolved.unread[case.workspace_id] += 1
    return record, result


def _unlisted(case: Case, by_id: ById, key: str, record: dict[str, Any]) -> Finding:
    """Return the finding for a record missing from its list."""
    shapes = _listed_shapes(case, by_id, record)
    if not shapes or case.key(record) != key:
        return _unreadable(case, key)
    return Finding(key, Verdict.EXISTS, shapes, is_unlisted=True)


def _unreadable(case: Case, key: str, *, is_unlisted: bool = True) -> Finding:
    case.unresolved.unread[case.workspace_id] += 1
    return Finding(key, Verdict.UNREADABLE, is_unlisted=is_unlisted)


def _listed_shapes(case: Case, by_id: ById, record: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return how the list may show a record that was read by id, the most likely first.

    Empty if the record lacks a column that the list has. Columns that neither the schema nor any
    row of the list has are omitted, unless there is no row to compare with.
    """
    listed = case.tracker.listed_columns()
    schema = case.tracker.columns
    shown = {name: part for name, part in record.items() if name in schema | listed}
    if by_id.shape is SingleRead.WIDER:
        return () if (listed or schema) - record.keys() else (shown,)
    return (shown, record) if listed else (record,)


def _rows_of_other_lists(case: Case, records: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    """Search other lists for the rows of existing records whose single read is not a row."""
    if case.tracker.spec.profile.kind is Kind.WINDOWED_SNAPSHOT:
        yield from _rows_of_days(case, records)
    else:
        yield from _rows_of_second_list(case, records)


def _rows_of_second_list(case: Case, records: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    by_user: dict[str, list[str]] = defaultdict(list)
    for key, record in records.items():
        by_user[str(record.get("userId") or "")].append(key)
    for user_id, keys in sorted(by_user.items()):
        is_reread = all(case.is_known_unlisted(key) for key in keys)
        if not case.take_lookup(keys, is_reread=is_reread):
            continue
        found = case.tracker.sync.lookups.second_list(
            case.tracker.spec.name, case.partition, user_id
        )
        rows = case.keyed(found or ())
        for key in keys:
            if key in rows:
                yield Finding(key, Verdict.EXISTS, (rows[key],), is_unlisted=True)
            else:
                yield _unreadable(case, key)


def _rows_of_days(case: Case, records: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    """Read the rows of a report for the days on which its records lie now."""
    days: dict[str, list[str]] = defaultdict(list)
    for key, record in records.items():
        start = second_of(record.get("start") or record.get("date"))
        if start is not None and start < YEAR_10000:
            days[cursor_text(case.tracker.spec, start)].append(key)
        elif start is not None:
            yield _unreadable(case, key)
    for day, keys in sorted(days.items()):
        if not case.take_lookup(keys, is_reread=False):
            continue
        rows = case.reread({"start_time": day, "end_time": day})
        if rows is None:
            case.unresolved.unread[case.workspace_id] += len(keys)
            continue
        for key in keys:
            if key in rows:
                yield Finding(key, Verdict.EXISTS, (rows[key],))
            else:
                # A report may omit existing records.
                yield _unreadable(case, key, is_unlisted=is_running(records[key]))


# By a second read ---------------------------------------------------------------------------------


def prove_by_second_read(case: Case, missing: Sequence[str]) -> Iterator[Finding]:
    """Read a partition a second time: only records that both reads lack are deleted."""
    found: dict[str, dict[str, Any]] = {}
    for window in _windows_to_reread(case, missing):
        rows = case.reread(window)
        if rows is None:
            case.unresolved.unread[case.workspace_id] += len(missing)
            return
        found |= rows
    for key in missing:
        if key in found:
            yield Finding(key, Verdict.EXISTS, (found[key],))
        else:
            yield Finding(key, Verdict.DELETED)


def _windows_to_reread(case: Case, missing: Sequence[str]) -> list[Mapping[str, Any]]:
    if case.tracker.spec.profile.kind is Kind.AGGREGATE and case.windows:
        starts = [case.rows[key].start or 0 for key in missing]
        return [
            window for window in case.windows if any(_contains(window, start) for start in starts)
        ]
    # The widest window, in order to find a record that was moved in time.
    ahead = case.tracker.sync.bounds.now + _FAR_AHEAD
    return [{"start_time": EARLIEST_TEXT, "end_time": format_second(ahead)}]


def _contains(window: Mapping[str, Any], start: int) -> bool:
    first, last = second_of(window.get("start_time")), second_of(window.get("end_time"))
    return first is not None and last is not None and first <= start <= last


# By the parent ------------------------------------------------------------------------------------


def prove_by_parent(case: Case, parent: str, live: Sequence[str]) -> Iterator[Finding]:
    """Examine the parent of a partition that is no longer listed: its records share its fate."""
    by_id = case.tracker.spec.profile.by_id
    if by_id is not None and by_id.path == parent:
        yield from prove_by_id(case, by_id, live)
        return
    is_reread = any(case.is_known_unlisted(key) for key in live)
    if not case.take_lookup(live, is_reread=is_reread):
        return
    path = f"workspaces/{case.workspace_id}/{parent.format(**case.names)}"
    _, result = case.tracker.sync.lookups.row(path)
    if result is LookupResult.NOT_FOUND:
        for key in live:
            yield Finding(key, Verdict.DELETED)
    elif result is LookupResult.REFUSED:
        case.unresolved.unread[case.workspace_id] += len(live)
    elif result is LookupResult.FOUND and case.take_lookup(live, is_reread=is_reread):
        rows = case.reread({})
        if rows is None:
            case.unresolved.unread[case.workspace_id] += len(live)
        else:
            yield from _with_unlisted_parent(case, live, rows)


def _with_unlisted_parent(
    case: Case, live: Sequence[str], rows: Mapping[str, dict[str, Any]]
) -> Iterator[Finding]:
    for key, record in rows.items():
        yield Finding(key, Verdict.EXISTS, (record,), is_unlisted=True)
    lacking = [key for key in live if key not in rows]
    by_id = case.tracker.spec.profile.by_id
    if by_id is not None:
        yield from prove_by_id(case, by_id, lacking)
        return
    for key in lacking:
        # Only records that the reads of two syncs lack are deleted.
        verdict = Verdict.DELETED if case.rows[key].missing else Verdict.MISSING
        yield Finding(key, verdict)
