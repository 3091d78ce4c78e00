"""Which of the missing records are gone.

What a complete read did not bring is missing. It becomes a tombstone only if Clockify says that it
is gone; if it is alive, its content is compared as if it had been listed. Whatever stays undecided
is asked again in the next sync.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from source_clockify.change_tracking.diff import PartitionDiff, classify_change, stays
from source_clockify.change_tracking.fingerprint import is_running
from source_clockify.change_tracking.lookups import LookupResult
from source_clockify.change_tracking.messages import tombstone
from source_clockify.change_tracking.plan import cursor_text, lookback_from
from source_clockify.change_tracking.profiles import Kind, SingleRead
from source_clockify.change_tracking.rows import Row, Rows, hashed_key, parts_of, resent
from source_clockify.change_tracking.state import Partition, PartitionState
from source_clockify.change_tracking.stream import PartitionRead, TrackedStream, partition_of
from source_clockify.timestamps import DAY, EARLIEST_TEXT, format_second, second_of

logger = logging.getLogger("airbyte")

Message = tuple[Partition, dict[str, Any]]

# From so many on, and if they are over half of a partition, the next sync must miss them too.
MANY_MISSING = 100

# Ten years: assignments are planned no further ahead.
_FAR_AHEAD = 10 * 366 * DAY

# Stands for the fingerprint of a tombstone.
TOMBSTONE_FINGERPRINT = 0

# How many time entries are asked for at once.
BATCH = 100


def decide(stream: TrackedStream) -> Iterator[Message]:
    """Yield what the end of a stream brings: tombstones, records read by id, what is sent again."""
    moved = _found_elsewhere(stream)
    unsettled = Unsettled()
    partitions = stream.writer.partitions()
    # A record that moved to where its parent is not listed must be found before it is looked for
    # where it was. Each time in another order, so that none waits for ever.
    now = str(stream.sync.bounds.now)
    orphans = sorted(
        partitions.keys() - stream.reads.keys(), key=lambda ids: hashed_key([*ids, now])
    )
    for ids in [*orphans, *sorted(partitions.keys() & stream.reads.keys())]:
        yield from _Decision(stream, ids, partitions[ids], unsettled).messages(moved)
        stream.writer.checkpoint()
    unsettled.warn(stream.name)


@dataclass
class Unsettled:
    """How many records of each workspace are missing, and could not be settled in this sync.

    Attributes:
        unread: their content could not be read in the shape of their list.
        postponed: a sync reads no more of them.
        users: users who are no longer listed, and whose list could not be read.
    """

    unread: Counter[str] = field(default_factory=Counter)
    postponed: Counter[str] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)

    def warn(self, stream_name: str) -> None:
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


def _found_elsewhere(stream: TrackedStream) -> set[tuple[Partition, str]]:
    """Return which records are missing or deleted in a partition, but were seen in another."""
    if not any(stream.tracking.may_move(read.names) for read in stream.reads.values()):
        return set()
    partitions = stream.writer.partitions()
    lost = {
        key: ids
        for ids, state in partitions.items()
        if "pending" in state.packed or ids not in stream.reads
        for key, row in state.rows().items()
        if row.deleted or ids not in stream.reads
    }
    for read in stream.reads.values():
        lost |= dict.fromkeys(read.outcome.missing if read.outcome else (), read.ids)
    if not lost:
        return set()
    return {
        (lost[key], key)
        for ids, state in partitions.items()
        if ids in stream.reads
        for key, row in state.rows().items()
        if lost.get(key, ids) != ids and not row.missing and not row.deleted
    }


class _Decision:
    """The decision on one partition."""

    def __init__(
        self, stream: TrackedStream, ids: Partition, state: PartitionState, unsettled: Unsettled
    ) -> None:
        self._stream = stream
        self._unsettled = unsettled
        self._profile = stream.tracking.profile
        self._ids = ids
        self._names = dict(zip(stream.writer.fields, ids, strict=True))
        self._state = state
        self._read = stream.reads.get(ids)
        self._claim = stream.claimer(self._names)
        self._rows: Rows = {}
        self._parent_is_gone = False

    def messages(self, moved: Collection[tuple[Partition, str]]) -> Iterator[Message]:
        read = self._read
        is_orphan = read is None and self._is_orphan()
        outcome = read.outcome if read else None
        wanted = bool(outcome and (outcome.missing or outcome.asked))
        if not (wanted or is_orphan or "pending" in self._state.packed):
            return
        self._rows = {
            key: row for key, row in self._state.rows().items() if (self._ids, key) not in moved
        }
        yield from self._tombstones_again()
        if wanted and read is not None and outcome is not None:
            missing = [key for key in outcome.missing if key in self._rows]
            missing = self._confirmed(read, missing, outcome)
            yield from self._settle(missing, outcome.asked)
        elif is_orphan:
            yield from self._orphan()
        self._store()

    # Which are looked at ------------------------------------------------------------------------

    def _is_orphan(self) -> bool:
        """Tell whether the parent of this partition is no longer listed."""
        if len(self._ids) < 2 or self._stream.generation_failed or not self._profile.deletions:
            return False
        workspace = self._ids[0]
        return (
            workspace in self._stream.workspaces
            and workspace not in self._stream.inner.refused_workspaces
        )

    def _confirmed(
        self, read: PartitionRead, missing: list[str], outcome: PartitionDiff
    ) -> list[str]:
        """Leave out what the next sync must miss too: so much is missing that it may be a fault."""
        known = read.known.rows() if read.known else {}
        settled = [key for key in missing if self._is_known_alive(key)]
        missing = [key for key in missing if not self._is_known_alive(key)]
        new = [key for key in missing if not (key in known and known[key].missing)]
        # Without a way to ask for one record, a listing that turned empty is suspicious.
        emptied = self._profile.by_id is None and outcome.is_empty
        many = len(missing) > MANY_MISSING and 2 * len(missing) > outcome.expected
        if not new or not (many or emptied):
            return [*missing, *settled]
        logger.warning(
            "%s: %s of %s records of %s are missing. The next sync tells whether they are gone.",
            self._stream.name,
            len(missing),
            outcome.expected,
            "/".join(self._ids),
        )
        waiting = set(new)
        return [*(key for key in missing if key not in waiting), *settled]

    # How they are settled -----------------------------------------------------------------------

    def _settle(self, missing: Sequence[str], alive: Sequence[str]) -> Iterator[Message]:
        """Settle records that are missing, and others that are most likely there."""
        if self._profile.by_id is None:
            if missing and not self._may_be_elsewhere():
                yield from self._read_again(missing)
            return
        # Each time in another order, so that none waits for ever where not all can be asked for.
        now = str(self._stream.sync.bounds.now)
        missing, alive = (
            sorted(keys, key=lambda key: (self._is_known_alive(key), hashed_key([key, now])))
            for keys in (missing, alive)
        )
        if not self._profile.by_id.startswith("time-entries/"):
            yield from self._by_id([*missing, *alive])
            return
        for keys in (alive, missing):
            for first in range(0, len(keys), BATCH):
                batch = keys[first : first + BATCH]
                yield from self._entries(batch, halve=keys is alive)

    def _may_be_elsewhere(self) -> bool:
        """Tell whether what is missing may be in a partition that was not read."""
        stream = self._stream
        return stream.tracking.may_move(self._names) and (
            stream.generation_failed
            or any(
                not read.complete for ids, read in stream.reads.items() if ids[0] == self._ids[0]
            )
        )

    def _entries(self, keys: Sequence[str], *, halve: bool) -> Iterator[Message]:
        """Settle time entries, many at once.

        Clockify answers none of them if one is gone. Where few are, `halve` finds them.
        """
        found: Mapping[str, dict[str, Any]] | None = {}
        if len(keys) > 1 and self._stream.sync.lookup_budget.take():
            ids = [parts_of(key)[-1] for key in keys]
            found = self._stream.sync.lookups.entries(self._stream.name, self._ids[0], ids)
        if found is None and halve and len(keys) > 3:
            middle = len(keys) // 2
            yield from self._entries(keys[:middle], halve=halve)
            yield from self._entries(keys[middle:], halve=halve)
            return
        moved: dict[str, dict[str, Any]] = {}
        for key in keys:
            record, answer = (found or {}).get(parts_of(key)[-1]), LookupResult.FOUND
            if record is None:
                record, answer = self._one(key)
            yield from self._settle_entry(key, record, answer, moved)
        yield from self._rows_of_days(moved)

    def _settle_entry(
        self,
        key: str,
        record: dict[str, Any] | None,
        answer: LookupResult,
        moved: dict[str, dict[str, Any]],
    ) -> Iterator[Message]:
        if answer is LookupResult.NOT_FOUND:
            yield from self._gone(key)
        elif answer is not LookupResult.FOUND or record is None:
            return
        elif self._profile.kind is Kind.MEMBERSHIP:
            if is_running(record):
                yield from self._alive(key, record)
            else:
                yield from self._gone(key)
        elif self._stream.name == "time_entries":
            yield from self._there(key, record)
        else:
            moved[key] = record

    def _by_id(self, keys: Sequence[str]) -> Iterator[Message]:
        """Settle records one by one."""
        moved: dict[str, dict[str, Any]] = {}
        for key in keys:
            record, answer = self._one(key)
            if answer is LookupResult.NOT_FOUND:
                yield from self._gone(key)
            elif answer is LookupResult.FOUND and record is not None:
                if (
                    self._profile.kind is Kind.WINDOWED_SNAPSHOT
                    or self._profile.single_read is SingleRead.OTHER
                ):
                    moved[key] = record
                else:
                    yield from self._alive(key, record)
        if self._profile.kind is Kind.WINDOWED_SNAPSHOT:
            yield from self._rows_of_days(moved)
        else:
            yield from self._rows_of_second_list(moved)

    def _one(self, key: str) -> tuple[dict[str, Any] | None, LookupResult]:
        if not self._take([key], reread=self._is_known_alive(key)):
            return None, LookupResult.FAILED
        identifier = (parts_of(key) or [""])[-1]
        path = str(self._profile.by_id).format(**self._names, id=identifier)
        record, answer = self._stream.sync.lookups.record(
            self._stream.name, f"workspaces/{self._ids[0]}/{path}", self._partition()
        )
        # A member profile has no id of its own.
        has_id = not path.startswith("member-profile")
        if record is not None and has_id and record.get("id") != identifier:
            # Whatever was answered is not the record that was asked for.
            record, answer = None, LookupResult.REFUSED
        if answer is LookupResult.REFUSED:
            self._unsettled.unread[self._ids[0]] += 1
        return record, answer

    def _take(self, keys: Sequence[str], *, reread: bool) -> bool:
        """Take a single read; without one left, the records that need it wait."""
        lookup_budget = self._stream.sync.lookup_budget
        taken = lookup_budget.take_reread(self._stream.name) if reread else lookup_budget.take()
        if not taken:
            self._unsettled.postponed[self._ids[0]] += len(keys)
        return taken

    def _partition(self) -> Mapping[str, Any]:
        """Return the partition as the templates of the manifest see it."""
        if self._read is not None:
            return self._read.partition
        return partition_of(self._stream.writer.fields, self._ids)

    # What is alive but not listed -----------------------------------------------------------------

    def _is_known_alive(self, key: str) -> bool:
        """Tell whether an earlier sync found a record of a list alive that the list lacks."""
        return self._profile.kind in (Kind.SNAPSHOT, Kind.MEMBERSHIP) and self._rows[key].running

    def _alive(self, key: str, record: dict[str, Any]) -> Iterator[Message]:
        """Settle a record of a list that was read by id."""
        shapes = self._listed_shapes(record)
        if shapes and self._stream.keyer(self._names)(record) == key:
            yield from self._there(key, *shapes, unlisted=True)
        else:
            self._keep_unread(key)

    def _keep_unread(self, key: str) -> None:
        self._unsettled.unread[self._ids[0]] += 1
        self._rows[key].missing, self._rows[key].running = False, True

    def _listed_shapes(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        """Return how the list may show a record that was read by id, the likeliest first.

        Empty if the record lacks a column that the list shows. A column that neither the schema nor
        a row of the list has is left out, unless no row came to tell.
        """
        listed = self._stream.listed_columns()
        schema = frozenset(self._stream.get_json_schema().get("properties") or ())
        shown = {name: part for name, part in record.items() if name in schema | listed}
        if self._profile.single_read is SingleRead.WIDER:
            return [] if (listed or schema) - record.keys() else [shown]
        return [shown, record] if listed else [record]

    def _rows_of_second_list(self, alive: Mapping[str, dict[str, Any]]) -> Iterator[Message]:
        """Settle records whose single read has not the shape of a row: another list may show it."""
        by_user: dict[str, list[str]] = defaultdict(list)
        for key, record in alive.items():
            by_user[str(record.get("userId") or "")].append(key)
        for user_id, keys in sorted(by_user.items()):
            if not self._take(keys, reread=all(self._is_known_alive(key) for key in keys)):
                continue
            rows = self._keyed(
                self._stream.sync.lookups.second_list(self._stream.name, self._partition(), user_id)
            )
            for key in keys:
                if rows is not None and key in rows:
                    yield from self._there(key, rows[key], unlisted=True)
                else:
                    self._keep_unread(key)

    def _rows_of_days(self, moved: Mapping[str, dict[str, Any]]) -> Iterator[Message]:
        """Settle records of a report that are there: the rows of the day they lie on now."""
        days: dict[str, list[str]] = defaultdict(list)
        for key, record in moved.items():
            start = second_of(record.get("start") or record.get("date"))
            if start is not None:
                days[cursor_text(self._stream.tracking, start)].append(key)
        for day, keys in sorted(days.items()):
            if not self._take(keys, reread=False):
                continue
            rows = self._again({"start_time": day, "end_time": day})
            if rows is None:
                self._unsettled.unread[self._ids[0]] += len(keys)
            for key in keys:
                if rows is not None and key in rows:
                    yield from self._there(key, rows[key])
                elif rows is not None:
                    # A report may leave out what is there.
                    self._unsettled.unread[self._ids[0]] += 1
                    self._rows[key].missing = False
                    self._rows[key].running = is_running(moved[key])

    def _read_again(self, missing: Sequence[str]) -> Iterator[Message]:
        """Settle records of a listing: only what a second read lacks too is gone."""
        found: dict[str, dict[str, Any]] = {}
        for window in self._windows_again(missing):
            rows = self._again(window)
            if rows is None:
                self._unsettled.unread[self._ids[0]] += len(missing)
                return
            found |= rows
        for key in missing:
            if key in found:
                yield from self._there(key, found[key])
            else:
                yield from self._gone(key)

    def _windows_again(self, missing: Sequence[str]) -> list[Mapping[str, Any]]:
        if self._profile.kind is Kind.AGGREGATE and self._read is not None:
            starts = [self._rows[key].start or 0 for key in missing]
            return [
                window
                for window in self._read.slices
                if any(_holds(window, start) for start in starts)
            ]
        # The widest there is: a record that was moved must be found.
        ahead = self._stream.sync.bounds.now + _FAR_AHEAD
        return [{"start_time": EARLIEST_TEXT, "end_time": format_second(ahead)}]

    def _again(self, window: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
        return self._keyed(
            self._stream.sync.lookups.again(self._stream.name, self._partition(), window)
        )

    def _keyed(self, records: Sequence[dict[str, Any]] | None) -> dict[str, dict[str, Any]] | None:
        if records is None:
            return None
        key = self._stream.keyer(self._names)
        keyed = ((key(record), record) for record in records)
        return {found: record for found, record in keyed if found is not None}

    def _orphan(self) -> Iterator[Message]:
        """Settle a partition whose parent is no longer listed."""
        # A user without time entries may have new ones.
        is_of_user = self._profile.kind is Kind.WINDOWED_SNAPSHOT
        if not is_of_user and all(row.deleted for row in self._rows.values()):
            return
        access = self._stream.sync.access.of(self._ids[0])
        if access is None:
            return
        if self._state.former_access == access:
            for row in self._rows.values():
                row.hidden = False
            self._state = replace(self._state, access=access, former_access="")
        live = [key for key, row in self._rows.items() if not row.deleted and not row.hidden]
        if not live and not is_of_user:
            return
        if not live:
            self._state = replace(self._state, access=access)
        if not self._state.access:
            # Whose rights the last read had is unknown: decided in the next sync.
            self._state = replace(self._state, access=access)
            return
        if access != self._state.access:
            if self._stream.is_first_warning(self._ids[0]):
                logger.warning(
                    "%s: a part of workspace %s is no longer listed, and the key's user or his "
                    "roles are not those of the last sync. It is not taken for deleted.",
                    self._stream.name,
                    self._ids[0],
                )
            for key in live:
                self._rows[key].hidden = True
            self._state = replace(self._state, access=access, former_access=self._state.access)
            return
        if self._profile.parent is not None:
            yield from self._with_parent(self._profile.parent, live)
        elif self._profile.by_id is not None and self._profile.kind is Kind.WINDOWED_SNAPSHOT:
            yield from self._with_user(live)

    def _with_user(self, live: Sequence[str]) -> Iterator[Message]:
        """Settle the time entries of a user who is no longer listed: they outlive him.

        If he exists, his own list shows what is new too. The last complete read remains the one
        that found him listed.
        """
        since = self._state.retained_since
        records: list[dict[str, Any]] = []
        answer = LookupResult.FAILED
        if self._stream.sync.lookup_budget.take_reread(self._stream.name):
            records, answer = self._stream.sync.lookups.partition(
                self._stream.name, self._partition(), {"start_time": format_second(since)}
            )
        self._parent_is_gone = answer is LookupResult.NOT_FOUND
        if answer in (LookupResult.FAILED, LookupResult.REFUSED):
            self._unsettled.users[self._ids[0]] += 1
        looked_at = [key for key in live if self._is_looked_at(self._rows[key])]
        self._state = replace(self._state, retained_since=self._kept_of_orphan())
        found = self._keyed(records) or {}
        for key, record in found.items():
            start = second_of(record.get("start"))
            if key in self._rows or start is None or start >= since:
                yield from self._there(key, record)
        unseen = [key for key in looked_at if key not in found]
        for key in unseen:
            self._rows[key].missing = True
        yield from self._settle((), unseen)

    def _with_parent(self, parent: str, live: Sequence[str]) -> Iterator[Message]:
        """Settle records whose parent is no longer listed: they go with it, or live on with it."""
        if parent == self._profile.by_id:
            yield from self._by_id(live)
            return
        reread = any(self._is_known_alive(key) for key in live)
        if not self._take(live, reread=reread):
            return
        path = f"workspaces/{self._ids[0]}/{parent.format(**self._names)}"
        _, answer = self._stream.sync.lookups.row(path)
        if answer is LookupResult.NOT_FOUND:
            for key in live:
                yield from self._gone(key)
        elif answer is LookupResult.REFUSED:
            self._unsettled.unread[self._ids[0]] += len(live)
        elif answer is LookupResult.FOUND and self._take(live, reread=reread):
            rows = self._again({})
            if rows is None:
                self._unsettled.unread[self._ids[0]] += len(live)
            else:
                yield from self._with_unlisted_parent(live, rows)

    def _with_unlisted_parent(
        self, live: Sequence[str], rows: Mapping[str, dict[str, Any]]
    ) -> Iterator[Message]:
        for key, record in rows.items():
            yield from self._there(key, record, unlisted=True)
        lacking = [key for key in live if key not in rows]
        if self._profile.by_id is not None:
            yield from self._by_id(lacking)
            return
        for key in lacking:
            # Only what the reads of two syncs lack is gone.
            if self._rows[key].missing:
                yield from self._gone(key)
            else:
                self._rows[key].missing = True

    def _kept_of_orphan(self) -> int:
        bounds = self._stream.sync.bounds
        return lookback_from(
            self._stream.tracking, replace(self._state, read_at=bounds.now), bounds
        )

    def _is_looked_at(self, row: Row) -> bool:
        return (
            row.start is None
            or row.start >= self._state.retained_since
            or row.missing
            or row.running
            or self._stream.versions.is_due(row.pending)
        )

    # What comes of it ---------------------------------------------------------------------------

    def _gone(self, key: str) -> Iterator[Message]:
        row = self._rows[key]
        version = self._stream.versions.current
        if self._claim(key, TOMBSTONE_FINGERPRINT) is not None:
            # It was sent from another partition in the meantime: it moved there.
            del self._rows[key]
            return
        row.deleted, row.missing = True, False
        row.pending = self._stream.versions.pending
        self._stream.count({"deleted": 1})
        yield self._ids, self._tombstone(key, row, version)
        if row.pending is None:
            del self._rows[key]

    def _there(
        self, key: str, *shapes: dict[str, Any], unlisted: bool = False
    ) -> Iterator[Message]:
        """Settle a record that was found elsewhere, in its listing's shape.

        It is unchanged if one of its shapes is. With `unlisted` its list lacks it.
        """
        stream = self._stream
        known = self._rows.get(key)
        fingerprints = {stream.fingerprint(shape): shape for shape in reversed(shapes)}
        fingerprint, record = stream.fingerprint(shapes[0]), shapes[0]
        if known is not None and known.fingerprint in fingerprints:
            fingerprint, record = known.fingerprint, fingerprints[known.fingerprint]
        column = self._profile.start
        start = second_of(record.get(column)) if column else None
        running = self._profile.kind is Kind.WINDOWED_SNAPSHOT and is_running(record)
        row = Row(fingerprint, start, running=running or unlisted)
        version = classify_change(known, row, stream.versions)
        if version is not None and self._claim(key, row.fingerprint) is not None:
            # It was sent from another partition in the meantime: it moved there.
            self._rows.pop(key, None)
            return
        self._rows[key] = row
        if version is not None:
            stream.count({"sent" if version == stream.versions.current else "resent": 1})
            yield self._ids, {**record, **stream.stamp(version).columns()}

    def _tombstones_again(self) -> Iterator[Message]:
        versions = self._stream.versions
        for key, row in list(self._rows.items()):
            if not row.deleted:
                continue
            if row.pending is None or not versions.resend:
                del self._rows[key]
            elif versions.is_due(row.pending):
                if self._claim(key, TOMBSTONE_FINGERPRINT) is not None:
                    continue
                yield self._ids, self._tombstone(key, row, row.pending.updated_at)
                self._stream.count({"resent": 1})
                row.pending = resent(row.pending, versions.now)
                if row.pending is None:
                    del self._rows[key]

    def _tombstone(self, key: str, row: Row, version: int) -> dict[str, Any]:
        stream = self._stream
        return tombstone(stream.tracking, self._names, key, row, stream.stamp(version))

    def _store(self) -> None:
        """Keep what is still of use, and forget a partition of which nothing is."""
        rows = {
            key: row
            for key, row in self._rows.items()
            if stays(row, self._state.retained_since) or row.missing or row.deleted
        }
        goes_with_parent = self._profile.parent is not None or self._parent_is_gone
        forgotten = not rows and goes_with_parent and self._read is None and self._is_orphan()
        self._stream.writer.put(self._ids, None if forgotten else self._state.with_rows(rows))


def _holds(window: Mapping[str, Any], start: int) -> bool:
    first, last = second_of(window.get("start_time")), second_of(window.get("end_time"))
    return first is not None and last is not None and first <= start <= last
