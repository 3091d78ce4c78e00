"""Lines about time entries, projects and tasks."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from source_clockify.probe.account import PAGE, UNKNOWN_ID, Account, Row, second_text, start_of
from source_clockify.probe.client import Answer
from source_clockify.probe.lines import Finding, Line, Untestable, judge, need, status_of

_SECOND = timedelta(seconds=1)
_MOST_PROJECTS = 3


def batch_route(account: Account) -> Finding:
    answer = _large_batch(account)
    if answer.is_refusal:
        raise Untestable(f"refused to this key: {status_of(answer)}")
    return judge(answer.status not in (404, 405), status_of(answer), answer)


def batch_missing(account: Account) -> Finding:
    _need_batch(account)
    answer = _batch(account, [_entry_id(account), UNKNOWN_ID], "one id is unknown")
    text = f"{status_of(answer)}" + (f", {len(answer.rows())} rows" if answer.ok else "")
    return judge(answer.status == 400 and answer.code == 501, text, answer)


def batch_size(account: Account) -> Finding:
    _need_batch(account)
    most = _large_batch(account)
    if most.ok:
        holds = any(row.get("id") == _entry_id(account) for row in most.rows())
        return judge(holds, "1000 ids are accepted (the same one repeated)", most)
    some = _batch(account, [_entry_id(account)] * 100, "100 ids, all the same")
    text = f"1000 ids: {status_of(most)}; 100 ids: {status_of(some)}"
    return judge(some.ok, text, most, some)


def _entry_id(account: Account) -> str:
    return str(account.entry()["id"])


def _batch(account: Account, ids: list[str], what: str) -> Answer:
    return account.post("/time-entries/batch", {"timeEntryIds": ids}, what=what)


def _large_batch(account: Account) -> Answer:
    ids = [_entry_id(account)] * 1000
    return account.remember("batch", lambda: _batch(account, ids, "1000 ids, all the same"))


def _need_batch(account: Account) -> None:
    answer = _large_batch(account)
    if answer.status in (404, 405) or answer.is_refusal:
        raise Untestable(f"the batch answers {status_of(answer)}")


def entry_window_zone(account: Account) -> Finding:
    wall_clock, utc = _windows(account)
    if wall_clock == utc:
        raise Untestable("the account's time zone was UTC at its newest entry")
    answer = _window(account, wall_clock, 1, "wall clock")
    found = _holds(account, answer)
    text = "the wall clock of the account finds an entry" if found else "it does not find an entry"
    return judge(found, text, answer)


def entry_window_end(account: Account) -> Finding:
    answers = []
    for start in dict.fromkeys(_windows(account)):
        inside = _window(account, start, 1, "from the start of an entry")
        answers.append(inside)
        if _holds(account, inside):
            return _judge_end(account, start, answers)
    raise Untestable("no window finds the entry")


def _judge_end(account: Account, start: str, answers: list[Answer]) -> Finding:
    user = str(account.entry()["userId"])
    before = start[:11] + "00:00:00Z" if start[11:19] > "00:00:00" else start
    if before == start:
        raise Untestable("the newest entry begins at midnight")
    params = {"start": before, "end": start, "page-size": PAGE}
    answer = need(account.entries_of(user, params, "to the start of an entry"))
    found = _holds(account, answer)
    text = "an entry that starts at `end` is " + ("listed" if found else "not listed")
    return judge(not found, text, *answers, answer)


def _windows(account: Account) -> tuple[str, str]:
    """Return the start of the known entry as wall clock of the account and in UTC."""
    start = start_of(account.entry())
    name = str((account.user().get("settings") or {}).get("timeZone") or "")
    try:
        zone = ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Untestable("the account's time zone is unknown") from error
    if start is None:
        raise Untestable("the entry has no start")
    local = start.astimezone(zone).replace(tzinfo=timezone.utc)
    return second_text(local), second_text(start)


def _window(account: Account, start: str, seconds: int, what: str) -> Answer:
    def ask() -> Answer:
        end = second_text(_parsed(start) + seconds * _SECOND)
        params = {"start": start, "end": end, "page-size": PAGE}
        return need(account.entries_of(str(account.entry()["userId"]), params, what))

    return account.remember(f"window {start}", ask)


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _holds(account: Account, answer: Answer) -> bool:
    return account.entry()["id"] in {row.get("id") for row in answer.rows()}


def entry_odd_years(account: Account) -> Finding:
    params = {"start": "0001-01-01T00:00:00Z", "end": "1969-12-31T00:00:00Z", "page-size": 1}
    user = str(account.user().get("id"))
    answer = account.entries_of(user, params, "years 1 to 1969")
    if answer.is_refusal:
        raise Untestable(f"refused to this key: {status_of(answer)}")
    return judge(answer.ok, status_of(answer), answer)


# Projects and tasks


def client_less_project(account: Account) -> Finding:
    answer = account.listing("projects")
    found = {
        repr(row[name])
        for row in answer.rows()
        for name in ("clientId", "clientName")
        if name in row and not row[name]
    }
    if not found:
        raise Untestable("every project has a client")
    shown = {"''": "an empty text", "None": "null"}
    text = "clientId and clientName are " + ", ".join(sorted(shown.get(x, "other") for x in found))
    return judge(found == {"''"}, text, answer)


def done_task(account: Account) -> Row:
    """A task that is done."""

    def find() -> Row:
        for project in account.rows("projects")[:_MOST_PROJECTS]:
            params = {"is-active": "false", "page-size": PAGE}
            path = f"/projects/{project['id']}/tasks"
            for row in need(account.get(path, params, what="is-active=false")).rows():
                if row.get("status") == "DONE":
                    return row
        raise Untestable(f"no task is done in the first {_MOST_PROJECTS} projects")

    return account.remember("done task", find)


def _tasks(account: Account) -> Answer:
    path = f"/projects/{done_task(account)['projectId']}/tasks"
    return account.remember("tasks", lambda: need(account.get(path, {"page-size": PAGE})))


def tasks_done(account: Account) -> Finding:
    done, answer = done_task(account), _tasks(account)
    found = done["id"] in {row.get("id") for row in answer.rows()}
    text = "a done task is " + ("listed" if found else "not listed")
    return judge(found, text, answer)


def hydrated_projects(account: Account) -> Answer:
    params = {
        "hydrated": "true",
        "sort-column": "ID",
        "sort-order": "ASCENDING",
        "page": 1,
        "page-size": PAGE,
    }
    return account.remember("hydrated", lambda: account.get("/projects", params, what="hydrated"))


def tasks_hydrated(account: Account) -> Finding:
    answer = hydrated_projects(account)
    if answer.is_refusal:
        raise Untestable(f"refused to this key: {status_of(answer)}")
    rows = answer.rows()
    if answer.ok and not rows:
        raise Untestable("the workspace has no project")
    having = sum(1 for row in rows if isinstance(row.get("tasks"), list))
    return judge(
        answer.ok and having == len(rows),
        f"{status_of(answer)}, {having} of {len(rows)} projects hold tasks",
        answer,
    )


def _hydrated_tasks(account: Account) -> dict[str, Row]:
    answer = need(hydrated_projects(account))
    project = done_task(account)["projectId"]
    row: Row = next((each for each in answer.rows() if each.get("id") == project), {})
    if not isinstance(row.get("tasks"), list):
        raise Untestable("the hydrated project holds no tasks")
    return {str(task.get("id")): task for task in row["tasks"] if isinstance(task, dict)}


def tasks_hydrated_done(account: Account) -> Finding:
    hydrated = _hydrated_tasks(account)
    if done_task(account)["id"] not in {row.get("id") for row in _tasks(account).rows()}:
        raise Untestable("the list of tasks itself has no done task")
    plain = {row.get("id") for row in _tasks(account).rows()}
    text = f"{len(plain & hydrated.keys())} of {len(plain)} tasks, the done one "
    is_there = done_task(account)["id"] in hydrated
    text += "among them" if is_there else "not among them"
    return judge(plain <= hydrated.keys(), text, hydrated_projects(account), _tasks(account))


def tasks_hydrated_fields(account: Account) -> Finding:
    hydrated = _hydrated_tasks(account)
    differing: set[str] = set()
    compared = 0
    for row in _tasks(account).rows():
        other = hydrated.get(str(row.get("id")))
        if other is not None:
            compared += 1
            names = (row.keys() | other.keys()) - {"favorite"}
            differing |= {name for name in names if row.get(name) != other.get(name)}
    if not compared:
        raise Untestable("no task is in both lists")
    text = f"{compared} tasks compared; {len(differing)} fields differ"
    return judge(not differing, text, hydrated_projects(account), _tasks(account))


LINES = {
    line.id: line
    for line in (
        Line(
            "batch-route",
            "POST time-entries/batch reads time entries by their ids.",
            batch_route,
        ),
        Line(
            "batch-missing",
            "One unknown id refuses a whole batch with 400 and code 501.",
            batch_missing,
        ),
        Line("batch-size", "A batch takes 100 ids.", batch_size),
        Line(
            "entry-window-zone",
            "The window of time entries is read as wall clock of the account's time zone.",
            entry_window_zone,
        ),
        Line(
            "entry-window-end",
            "A time entry that starts exactly at the end of the window is not listed.",
            entry_window_end,
        ),
        Line(
            "entry-odd-years",
            "A window of time entries may lie in the years 1 to 1969 (the connector avoids it).",
            entry_odd_years,
        ),
        Line(
            "client-less-project",
            "A project without a client has empty texts for clientId and clientName.",
            client_less_project,
        ),
        Line(
            "tasks-done",
            "The list of tasks without is-active holds done tasks.",
            tasks_done,
        ),
        Line("tasks-hydrated", "Hydrated projects hold their tasks.", tasks_hydrated),
        Line(
            "tasks-hydrated-done",
            "Hydrated projects hold the same tasks as the list of tasks, done ones included.",
            tasks_hydrated_done,
        ),
        Line(
            "tasks-hydrated-fields",
            "Tasks of hydrated projects have the fields of the list, but for `favorite`.",
            tasks_hydrated_fields,
        ),
    )
}
