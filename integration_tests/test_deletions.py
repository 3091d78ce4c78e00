"""What is missing is not deleted: no fault makes a tombstone, and no deletion gets lost."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import combinations
from random import Random
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from clockify_sandbox.timetext import utc_text
from integration_tests.airbyte import Output, config_of
from integration_tests.consumer import Consumer, Key, Message
from integration_tests.frozen import Clock, read_incrementally
from integration_tests.promises import REPORT_DAYS, rows_of
from integration_tests.truth import create_many
from source_clockify.change_tracking import checkpoint

NOW = datetime(2026, 11, 3, 9, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LOOKBACK = 60
START_DATE = "2026-09-07T00:00:00Z"
STREAMS = (
    "detailed_report",
    "projects",
    "tags",
    "tasks",
    "time_entries",
    "time_off_requests",
    "users",
)
ONE_PAGE, MANY_PAGES = None, 2


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    options: dict[str, Any] = {"users": 3, "entries": 8, "projects": 2, "tasks": 2, "days": 20}
    with start(plan="PRO,PRO", now=utc_text(int(NOW.timestamp())), **options) as sandbox:
        yield sandbox


@dataclass
class Connection:
    """A connection from the connector to a consumer; every sync begins two hours after the last."""

    sandbox: Sandbox
    clock: Clock
    streams: Collection[str]
    config: JSON
    consumer: Consumer = field(default_factory=Consumer)
    state: list[JSON] | None = None
    now: datetime = NOW

    def sync(self, *, after: timedelta = 2 * HOUR, delivered: bool = True) -> list[Message]:
        """Sync whatever comes of it; answers the messages."""
        return self.take(self.read(after).messages, delivered=delivered)

    def complete(self, *, after: timedelta = 2 * HOUR, delivered: bool = True) -> list[Message]:
        """Sync; AssertionError unless every stream is complete."""
        output = self.read(after)
        assert output.errors == []
        assert output.statuses == dict.fromkeys(self.streams, "COMPLETE"), output.text
        return self.take(output.messages, delivered=delivered)

    def read(self, after: timedelta = 2 * HOUR) -> Output:
        """Let time pass and read, without consequences for state and consumer."""
        self.now += after
        self.sandbox.set_now(utc_text(int(self.now.timestamp())))
        self.clock.set(self.now)
        return read_incrementally(self.config, self.streams, self.state)

    def take(self, printed: Sequence[JSON], *, delivered: bool = True) -> list[Message]:
        held = {_name(state): state for state in self.state or []}
        states = [each["state"] for each in printed if each["type"] == "STATE"]
        self.state = list({**held, **{_name(state): state for state in states}}.values())
        return self.consumer.take(printed, delivered=delivered)

    def assert_true(self, streams: Collection[str] = ()) -> None:
        """AssertionError unless the consumer sees exactly what the account holds."""
        for stream in streams or self.streams:
            seen, there = self.consumer.view(stream), self._rows(stream)
            lost, surplus = sorted(there.keys() - seen.keys()), sorted(seen.keys() - there.keys())
            assert (lost, surplus) == ([], []), f"{stream} lacks {lost} and still has {surplus}"
            for key, row in there.items():
                assert seen[key] == row, f"{stream} {key}"

    def _rows(self, stream: str) -> dict[Key, JSON]:
        rows = rows_of(self.sandbox, stream)
        if stream not in ("detailed_report", "time_entries"):
            return rows
        last = self.now + timedelta(days=REPORT_DAYS)
        last_day = last.date().isoformat() if stream == "detailed_report" else "9"
        return {
            key: row
            for key, row in rows.items()
            if row["start"] >= START_DATE and row["start"][:10] <= last_day
        }


def _name(state: JSON) -> str:
    return str(state["stream"]["stream_descriptor"]["name"])


def gone(messages: Sequence[Message]) -> set[tuple[str, Key]]:
    """The keys of the tombstones."""
    return {(each.stream, each.key) for each in messages if each.content is None}


def connect(
    sandbox: Sandbox, clock: Clock, streams: Collection[str] = STREAMS, **more: Any
) -> Connection:
    """A connection to the first data, with near reports only."""
    sandbox.reset()
    settings = {"lookback_days": LOOKBACK, "start_date": START_DATE, **more}
    return Connection(sandbox, clock, sorted(streams), config_of(sandbox, **settings))


@pytest.fixture
def every_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state after every partition."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)


# Faults


@dataclass(frozen=True)
class Place:
    """Where faults strike: the first workspace, a project and a user of it."""

    sandbox: Sandbox
    connection: Connection
    workspace: str
    project: str
    user: str

    @property
    def path(self) -> str:
        return f"/workspaces/{self.workspace}"

    def rows(self, stream: str) -> list[JSON]:
        return self.sandbox.rows(stream, workspaceId=self.workspace)

    def fault(self, action: JSON, path: str, **more: Any) -> None:
        self.sandbox.fault(action, path=self.path + path, **more)


Fault = Callable[[Place], None]

LISTS = "/(tags|users|projects|projects/[^/]+/tasks|user/[^/]+/time-entries)"
SINGLE = (
    "/((tags|projects|member-profile|projects/[^/]+/tasks)/[0-9a-f]{24}"
    "|time-entries/batch|time-entries/[0-9a-f]{24})"
)
REFUSED: JSON = {"status": 403, "body": {"message": "Access Denied"}}
BROKEN: JSON = {"status": 500, "body": {"message": "Oops", "code": 500}}
NO_LIST: JSON = {"status": 200, "body": []}
NO_REQUESTS: JSON = {"status": 200, "body": {"count": 0, "requests": []}}
NO_REPORT: JSON = {
    "status": 200,
    "body": {"totals": [{"_id": None, "entriesCount": 0}], "timeentries": []},
}


def a_project_is_refused(place: Place) -> None:
    place.fault(REFUSED, f"/projects/{place.project}/tasks.*")


def a_users_entries_are_refused(place: Place) -> None:
    place.fault(REFUSED, f"/user/{place.user}/time-entries")


def the_projects_are_refused(place: Place) -> None:
    place.fault(REFUSED, "/projects")


def everything_is_refused(place: Place) -> None:
    place.fault(REFUSED, ".*")


def the_first_page_breaks(place: Place) -> None:
    place.fault(BROKEN, ".*", page=1)


def the_second_page_breaks(place: Place) -> None:
    place.fault(BROKEN, ".*", page=2)


def lists_come_empty(place: Place) -> None:
    place.fault(NO_LIST, LISTS)
    place.fault(NO_REQUESTS, "/time-off/requests")
    place.fault(NO_REPORT, "/reports/detailed")


def lists_come_empty_once(place: Place) -> None:
    for path in ("/tags", "/users", "/projects", f"/projects/{place.project}/tasks"):
        place.fault(NO_LIST, path, times=1)
    place.fault(NO_LIST, f"/user/{place.user}/time-entries", times=1)
    place.fault(NO_REQUESTS, "/time-off/requests", times=1)


def the_second_page_comes_empty(place: Place) -> None:
    place.fault(NO_LIST, LISTS, page=2)
    place.fault(NO_REQUESTS, "/time-off/requests", page=2, times=1)


def bodies_are_cut_off(place: Place) -> None:
    place.fault({"truncate": 0.5}, ".*")


def one_body_is_cut_off(place: Place) -> None:
    for path in ("/tags", "/users", "/time-off/requests", "/reports/detailed"):
        place.fault({"truncate": 0.9}, path, times=1)


def bodies_are_empty(place: Place) -> None:
    place.fault({"empty": True}, LISTS)


def bodies_are_web_pages(place: Place) -> None:
    place.fault({"html": True}, ".*")


def connections_break(place: Place) -> None:
    place.fault({"drop": True}, LISTS)


def rows_move_between_pages(place: Place) -> None:
    """Rows of the last page come first as soon as the first page is read."""
    for stream, path in (("tags", "/tags"), ("projects", "/projects"), ("users", "/users")):
        row = place.rows(stream)[-1]
        change = {
            "method": "PATCH",
            "path": f"workspaces/{place.workspace}/{stream}/{row['id']}",
            "body": {"name": "  first", "email": "000@example.com"},
        }
        place.fault({"before": change}, path, page=2, times=1)
    newest = place.rows("time_entries")[-1]["id"]
    move = {
        "method": "PATCH",
        "path": f"workspaces/{place.workspace}/time-entries/{newest}",
        "body": {"timeInterval": {"start": utc_text(int(place.connection.now.timestamp()))}},
    }
    place.fault({"before": move}, f"/user/{place.user}/time-entries", skip=1, times=1)


def a_user_is_hidden(place: Place) -> None:
    users = [row for row in place.rows("users") if row["id"] != place.user]
    place.fault({"status": 200, "body": users}, "/users")


def single_reads_are_refused(place: Place) -> None:
    place.fault(REFUSED, SINGLE)


def single_reads_break(place: Place) -> None:
    place.fault(BROKEN, SINGLE)


def single_reads_come_otherwise(place: Place) -> None:
    place.fault({"status": 400, "body": {"message": "Strange", "code": 4711}}, SINGLE)


def single_reads_are_web_pages(place: Place) -> None:
    place.fault({"html": True}, SINGLE)


def single_reads_find_nothing_there(place: Place) -> None:
    place.fault({"status": 404, "body": None}, SINGLE)


def rights_are_reduced(place: Place) -> None:
    owner = place.sandbox.info()["users"]["owner"]
    place.sandbox.update(place.workspace, "users", owner, {"roles": []})


def the_key_is_a_members(place: Place) -> None:
    member = place.sandbox.info()["keys"]["member"]
    credentials = {"auth_type": "api_key", "api_key": member}
    place.connection.config = {**place.connection.config, "credentials": credentials}


def the_workspace_is_gone(place: Place) -> None:
    place.sandbox.delete_workspace(place.workspace)


FAULTS: tuple[Fault, ...] = (
    a_project_is_refused,
    a_users_entries_are_refused,
    the_projects_are_refused,
    everything_is_refused,
    the_first_page_breaks,
    the_second_page_breaks,
    lists_come_empty,
    lists_come_empty_once,
    the_second_page_comes_empty,
    bodies_are_cut_off,
    one_body_is_cut_off,
    bodies_are_empty,
    bodies_are_web_pages,
    connections_break,
    rows_move_between_pages,
    a_user_is_hidden,
    single_reads_are_refused,
    single_reads_break,
    single_reads_come_otherwise,
    single_reads_are_web_pages,
    single_reads_find_nothing_there,
    rights_are_reduced,
    the_key_is_a_members,
    the_workspace_is_gone,
)
# Those that have more to do where there are pages.
PAGED_FAULTS: tuple[Fault, ...] = (
    the_second_page_breaks,
    the_second_page_comes_empty,
    rows_move_between_pages,
    one_body_is_cut_off,
    lists_come_empty_once,
    a_user_is_hidden,
    the_key_is_a_members,
)
SINGLES = [(fault, ONE_PAGE) for fault in FAULTS] + [(fault, MANY_PAGES) for fault in PAGED_FAULTS]
PAIRS = Random(6).sample(list(combinations(FAULTS, 2)), 15)


@pytest.fixture(scope="module")
def baselines(server: Sandbox, clock: Clock) -> dict[int | None, Output]:
    """The first sync of the first data, on one page and on many."""
    found: dict[int | None, Output] = {}
    for clamp in (ONE_PAGE, MANY_PAGES):
        connection = connect(server, clock)
        server.settings(page_size_clamp=clamp)
        found[clamp] = connection.read()
        assert found[clamp].statuses == dict.fromkeys(connection.streams, "COMPLETE")
    return found


def some_deletions(sandbox: Sandbox) -> set[tuple[str, Key]]:
    """Delete some of everything in both workspaces; answers what has to get a tombstone."""
    deleted: set[tuple[str, Key]] = set()
    for workspace in (each["id"] for each in sandbox.workspaces):
        for stream, collection in (
            ("tags", "tags"),
            ("tasks", "tasks"),
            ("time_off_requests", "time-off-requests"),
        ):
            entity = sandbox.rows(stream, workspaceId=workspace)[3]["id"]
            sandbox.delete(workspace, collection, entity)
            deleted.add((stream, (entity,)))
        entry = sandbox.rows("time_entries", workspaceId=workspace)[2]["id"]
        sandbox.delete(workspace, "time-entries", entry)
        deleted |= {("time_entries", (entry,)), ("detailed_report", (workspace, entry))}
    return deleted


def assert_no_false_tombstone(
    server: Sandbox,
    clock: Clock,
    baseline: Output,
    clamp: int | None,
    faults: Sequence[Fault],
) -> None:
    """Sync under the faults, then without, until all is well again."""
    connection = connect(server, clock)
    connection.take(baseline.messages)
    connection.now += 2 * HOUR
    server.settings(page_size_clamp=clamp)
    workspace = server.workspaces[0]["id"]
    users = server.rows("users", workspaceId=workspace)
    project = server.rows("projects", workspaceId=workspace)[0]["id"]
    deleted = some_deletions(server)
    place = Place(server, connection, workspace, project, users[1]["id"])
    rightful = connection.config
    for fault in faults:
        fault(place)
    assert gone(connection.sync()) <= deleted

    connection.config = rightful
    server.clear_faults()
    if the_workspace_is_gone in faults:
        server.restore_workspace(workspace)
    if rights_are_reduced in faults:
        roles = {"roles": ["OWNER", "WORKSPACE_ADMIN"]}
        server.update(workspace, "users", users[0]["id"], roles)
    if {rights_are_reduced, the_key_is_a_members} & set(faults):
        # The rights have changed once more, so this sync cannot tell what is gone.
        assert gone(connection.complete()) <= deleted
    assert gone(connection.complete()) <= deleted
    connection.assert_true()


@pytest.mark.parametrize(
    ("fault", "clamp"),
    SINGLES,
    ids=[f"{fault.__name__}-{'pages' if clamp else 'one page'}" for fault, clamp in SINGLES],
)
def test_no_fault_makes_a_tombstone(
    server: Sandbox,
    clock: Clock,
    baselines: dict[int | None, Output],
    fault: Fault,
    clamp: int | None,
) -> None:
    assert_no_false_tombstone(server, clock, baselines[clamp], clamp, [fault])


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_no_pair_of_faults_makes_a_tombstone(
    server: Sandbox, clock: Clock, baselines: dict[int | None, Output], number: int
) -> None:
    clamp = MANY_PAGES if number % 2 else ONE_PAGE
    try:
        assert_no_false_tombstone(server, clock, baselines[clamp], clamp, PAIRS[number])
    except AssertionError as error:
        names = " and ".join(fault.__name__ for fault in PAIRS[number])
        raise AssertionError(f"{names}, page size {clamp}: {error}") from error


# Rights and workspaces


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


def test_fewer_rights_are_one_warning_and_no_deletion(
    server: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(server, clock, ["projects", "tags"])
    workspace = server.workspaces[0]["id"]
    project = server.rows("projects", workspaceId=workspace)[0]["id"]
    server.update(workspace, "projects", project, {"public": False, "memberships": []})
    connection.complete()
    server.update(workspace, "users", server.info()["users"]["owner"], {"roles": []})
    caplog.clear()
    assert gone(connection.complete()) == set()
    said = [text for text in warnings_of(caplog) if workspace in text]
    assert len(said) == 1, said


def test_a_workspace_out_of_sight_is_a_warning_and_no_deletion(
    server: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(server, clock, ["tags", "workspaces"])
    connection.complete()
    lost = server.workspaces[0]["id"]
    server.delete_workspace(lost)
    caplog.clear()
    assert gone(connection.complete()) == set()
    assert [text for text in warnings_of(caplog) if lost in text]

    server.restore_workspace(lost)
    tag = server.rows("tags", workspaceId=lost)[0]["id"]
    server.delete(lost, "tags", tag)
    assert gone(connection.complete()) == {("tags", (tag,))}


def test_changes_of_an_unconfigured_workspace_come_once_it_is_configured(
    server: Sandbox, clock: Clock
) -> None:
    first, second = (each["id"] for each in server.workspaces)
    streams = ["tags", "tasks", "time_entries", "users"]
    connection = connect(server, clock, streams, workspace_ids=[first, second])
    connection.complete()

    connection.config["workspace_ids"] = [first]
    deleted = some_deletions(server)
    edited = server.rows("tags", workspaceId=second)[0]["id"]
    server.update(second, "tags", edited, {"name": "while away"})
    seen = gone(connection.complete())
    assert seen == {each for each in deleted if each[0] in streams} & seen
    held = [row["workspaceId"] for row in connection.consumer.view("tags").values()]
    assert held.count(second) == len(server.rows("tags", workspaceId=second)) + 1

    connection.config["workspace_ids"] = [first, second]
    connection.complete()
    connection.assert_true()


# What waits for a second look


def test_most_of_a_large_listing_is_deleted_in_the_next_sync_only(
    server: Sandbox, clock: Clock
) -> None:
    connection = connect(server, clock, ["tags"])
    workspace = server.workspaces[0]["id"]
    create_many(server, workspace, "tags", [{"name": f"tag {number}"} for number in range(150)])
    connection.complete()
    tags = [row["id"] for row in server.rows("tags", workspaceId=workspace)]
    for tag in tags[:120]:
        server.delete(workspace, "tags", tag)
    assert gone(connection.complete()) == set()
    assert gone(connection.complete()) == {("tags", (tag,)) for tag in tags[:120]}


def test_a_list_that_turned_empty_is_believed_in_the_next_sync_only(
    server: Sandbox, clock: Clock
) -> None:
    connection = connect(server, clock, ["time_off_requests"])
    connection.complete()
    workspace = server.workspaces[0]["id"]
    requests = [row["id"] for row in server.rows("time_off_requests", workspaceId=workspace)]
    for request in requests:
        server.delete(workspace, "time-off-requests", request)
    assert gone(connection.complete()) == set()
    assert gone(connection.complete()) == {("time_off_requests", (each,)) for each in requests}


def test_undecided_records_are_looked_up_after_the_window_has_passed(
    server: Sandbox, clock: Clock
) -> None:
    streams = ["detailed_report", "time_entries"]
    connection = connect(server, clock, streams, lookback_days=2)
    workspace = server.workspaces[0]["id"]
    entry = server.create(workspace, "time-entries", {"timeInterval": some_time(DAY)})["id"]
    connection.complete()
    server.delete(workspace, "time-entries", entry)
    server.fault(BROKEN, path=f"/workspaces/{workspace}{SINGLE}")
    assert gone(connection.sync()) == set()
    assert gone(connection.sync(after=3 * DAY)) == set()
    server.clear_faults()
    deleted = {("detailed_report", (workspace, entry)), ("time_entries", (entry,))}
    assert gone(connection.complete()) == deleted


# Users


def test_the_time_of_a_user_who_was_removed_lives_on(server: Sandbox, clock: Clock) -> None:
    connection = connect(server, clock, ["member_profiles", "time_entries", "users"])
    connection.complete()
    workspace = server.workspaces[0]["id"]
    user = server.rows("users", workspaceId=workspace)[1]["id"]
    entries = [row["id"] for row in server.rows("time_entries") if row["userId"] == user]
    mine = [key for key in connection.consumer.view("time_entries") if key[0] in entries]
    here = {row["id"] for row in server.rows("time_entries", workspaceId=workspace)}
    edited, deleted, kept = [key[0] for key in mine if key[0] in here][:3]

    server.delete(workspace, "users", user)
    people = {("users", (workspace, user)), ("member_profiles", (workspace, user))}
    assert gone(connection.complete()) == people

    server.update(workspace, "time-entries", edited, {"description": "edited for a former user"})
    server.delete(workspace, "time-entries", deleted)
    assert gone(connection.complete()) - people == {("time_entries", (deleted,))}
    view = connection.consumer.view("time_entries")
    assert view[edited,]["description"] == "edited for a former user"
    assert (kept,) in view

    server.restore(workspace, "users", user)
    connection.complete()
    seen = connection.consumer.view("time_entries")
    assert seen.keys() >= rows_of(server, "time_entries").keys() & {(each,) for each in here}


# Baselines that change while they are read


def old_rows(server: Sandbox, clock: Clock, stream: str) -> tuple[Connection, str, list[Key]]:
    """A workspace with four pages of entries that are older than the lookback, in their order."""
    connection = connect(server, clock, [stream], lookback_days=1)
    workspace = server.create_workspace(users=1, entries=0, projects=0, tasks=0)["id"]
    connection.config["workspace_ids"] = [workspace]
    for hours in range(12):
        interval = some_time(20 * DAY - hours * HOUR)
        server.create(workspace, "time-entries", {"timeInterval": interval})
    server.settings(page_size_clamp=3)
    rows = rows_of(server, stream, workspaceId=workspace)
    if stream == "time_entries":
        return connection, workspace, sorted(rows, key=lambda key: rows[key]["start"], reverse=True)
    return connection, workspace, sorted(rows, key=lambda key: str(key[-1]))


def test_entries_that_come_and_go_between_two_pages_hide_no_other(
    server: Sandbox, clock: Clock
) -> None:
    """Older than the lookback no later sync would bring them."""
    connection, workspace, order = old_rows(server, clock, "time_entries")
    for skip, (entry,) in enumerate(order[:3], start=1):
        changes = f"workspaces/{workspace}/time-entries"
        insert = {"method": "POST", "path": changes, "body": {"timeInterval": some_time(19 * DAY)}}
        for change in ({"method": "DELETE", "path": f"{changes}/{entry}"}, insert):
            path = f"/workspaces/{workspace}/user/.*/time-entries"
            server.fault({"before": change}, path=path, skip=skip, times=1)
    connection.complete()
    assert [fault["hits"] for fault in server.faults()] == [1] * 6
    connection.complete()
    assert connection.consumer.view("time_entries").keys() >= set(order[3:])


@pytest.mark.parametrize("changes", ["DELETE", "POST"])
def test_rows_that_come_or_go_between_two_pages_of_a_report_hide_no_other(
    server: Sandbox, clock: Clock, changes: str
) -> None:
    connection, workspace, order = old_rows(server, clock, "detailed_report")
    for page, (_, entry) in enumerate(order[:3], start=2):
        path = f"workspaces/{workspace}/time-entries"
        change = {"method": "POST", "path": path, "body": {"timeInterval": some_time(19 * DAY)}}
        if changes == "DELETE":
            change = {"method": "DELETE", "path": f"{path}/{entry}"}
        report = f"/workspaces/{workspace}/reports/detailed"
        server.fault({"before": change}, path=report, page=page, times=1)
    connection.complete()
    assert [fault["hits"] for fault in server.faults()] == [1] * 3
    connection.complete()
    assert connection.consumer.view("detailed_report").keys() >= set(order[3:])


def some_time(ago: timedelta) -> JSON:
    begin = int((NOW - ago).timestamp())
    return {"start": utc_text(begin), "end": utc_text(begin + 1800)}


# Killed and started again


KILLED_STREAMS = ("detailed_report", "tags", "tasks", "time_entries", "time_off_requests")


def edits(server: Sandbox) -> None:
    """New, changed, moved and deleted rows in both workspaces."""
    some_deletions(server)
    for workspace in (each["id"] for each in server.workspaces):
        server.create(workspace, "tags", {"name": "new"})
        server.update(
            workspace, "tags", server.rows("tags", workspaceId=workspace)[0]["id"], {"name": "old"}
        )
        project = server.rows("projects", workspaceId=workspace)[0]["id"]
        server.create(workspace, "tasks", {"name": "new", "projectId": project})
        entries = server.rows("time_entries", workspaceId=workspace)
        day = utc_text(int((NOW - 3 * DAY).timestamp()))
        server.update(workspace, "time-entries", entries[0]["id"], {"timeInterval": {"start": day}})
        server.create(workspace, "time-entries", {"userId": entries[0]["userId"]})
        request = server.rows("time_off_requests", workspaceId=workspace)[0]["id"]
        server.update(workspace, "time-off-requests", request, {"note": "changed"})


@pytest.mark.parametrize("part", range(8))
@pytest.mark.usefixtures("every_checkpoint")
def test_a_killed_baseline_goes_on_without_loss(server: Sandbox, clock: Clock, part: int) -> None:
    connection = connect(server, clock, KILLED_STREAMS)
    printed = connection.read().messages
    connection.take(printed[: part * len(printed) // 8])
    connection.complete(after=timedelta(minutes=1))
    connection.assert_true()


@pytest.mark.parametrize("part", range(8))
@pytest.mark.usefixtures("every_checkpoint")
def test_a_killed_sync_goes_on_without_loss(server: Sandbox, clock: Clock, part: int) -> None:
    connection = connect(server, clock, KILLED_STREAMS)
    connection.complete()
    edits(server)
    printed = connection.read().messages
    connection.take(printed[: part * len(printed) // 8])
    connection.complete(after=timedelta(minutes=1))
    connection.assert_true()


# Lost by the destination


def test_a_sync_that_the_destination_lost_is_repaired_by_the_next(
    server: Sandbox, clock: Clock
) -> None:
    connection = connect(server, clock, KILLED_STREAMS)
    connection.complete()
    edits(server)
    lost = connection.complete(delivered=False)
    assert len(lost) > 20
    connection.complete(after=59 * timedelta(minutes=1))
    connection.complete(after=HOUR)
    connection.assert_true()
    assert connection.complete() == []


def test_nothing_is_sent_again_where_it_is_switched_off(server: Sandbox, clock: Clock) -> None:
    connection = connect(server, clock, KILLED_STREAMS, resend_changes=0)
    connection.complete()
    edits(server)
    assert connection.complete() != []
    connection.assert_true()
    assert connection.complete() == []


# Clocks


def test_versions_do_not_run_back_with_the_clock(server: Sandbox, clock: Clock) -> None:
    connection = connect(server, clock, ["tags"], resend_changes=0)
    connection.complete()
    workspace = server.workspaces[0]["id"]
    tag = server.rows("tags", workspaceId=workspace)[0]["id"]
    for name in ("first", "second"):
        server.update(workspace, "tags", tag, {"name": name})
        connection.complete(after=-DAY)
        connection.assert_true()


# What leaves the window


def test_an_orphan_is_looked_at_from_the_last_sync_on(server: Sandbox, clock: Clock) -> None:
    connection = connect(server, clock, ["time_entries"], lookback_days=2)
    workspace = server.workspaces[0]["id"]
    user = server.rows("users", workspaceId=workspace)[1]["id"]
    fields = {"userId": user, "timeInterval": some_time(-HOUR)}
    entry = server.create(workspace, "time-entries", fields)["id"]
    connection.complete()
    server.delete(workspace, "users", user)
    connection.complete()
    server.update(workspace, "time-entries", entry, {"description": "edited"})
    connection.complete(after=3 * DAY)
    assert connection.consumer.view("time_entries")[entry,]["description"] == "edited"


def test_a_row_that_moved_beyond_the_end_of_its_report_is_sent_again(
    server: Sandbox, clock: Clock
) -> None:
    connection = connect(server, clock, ["detailed_report"], lookback_days=2)
    workspace = server.workspaces[0]["id"]
    entry = server.create(workspace, "time-entries", {"timeInterval": some_time(HOUR)})["id"]
    connection.complete()
    interval = {"timeInterval": some_time(-40 * DAY)}
    server.update(workspace, "time-entries", entry, interval)
    connection.complete(delivered=False)
    connection.complete()
    start = connection.consumer.view("detailed_report")[workspace, entry]["start"]
    assert start == interval["timeInterval"]["start"]
