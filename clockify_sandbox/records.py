"""The truth: the records of a complete read of a stream, in every workspace."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from clockify_sandbox import more_records, render
from clockify_sandbox.report_base import amounts_of, shown_zone
from clockify_sandbox.reports import detailed_row, with_invoicing
from clockify_sandbox.state import State
from clockify_sandbox.store import Row, Workspace

Pairs = Iterator[tuple[dict[str, str], Row]]
Query = dict[str, list[str]]


def records(state: State, stream: str, query: Query) -> list[dict[str, Any]]:
    """A stream's wire rows with the ids of their paths; KeyError for an unknown stream.

    `query` may name one workspace (`workspaceId`), the `memberships` of users, whether projects and
    entries are `hydrated`, the `amounts` of the reports, and `start` and `end` of the reports that
    group, of the expense report (days, both included) and of the changes of entities (a window).
    """
    make = _STREAMS.get(stream) or partial(more_records.pairs_of, stream)
    if stream not in ALL_STREAMS:
        raise KeyError(stream)
    wanted = query.get("workspaceId")
    found = []
    for workspace in state.world.workspaces.values():
        if wanted is None or workspace.id in wanted:
            for path, row in make(state, workspace, query):
                found.append({"path": {"workspaceId": workspace.id, **path}, "row": row})
    return found


def counts(state: State) -> dict[str, int]:
    """The true number of records of each stream that grows with the options."""
    held = state.world.workspaces.values()
    return {
        "users": sum(len(each.members) for each in held),
        "projects": sum(len(each.rows("projects")) for each in held),
        "tasks": sum(len(each.rows("tasks")) for each in held),
        "time_entries": sum(len(each.entries_of(user)) for each in held for user in each.members),
        "detailed_report": sum(len(each.entries) for each in held),
    }


def _workspaces(state: State, workspace: Workspace, query: Query) -> Pairs:
    yield {}, render.workspace_row(workspace, state.settings.feature_names == "on")


def _users(state: State, workspace: Workspace, query: Query) -> Pairs:
    kinds = query.get("memberships", ["WORKSPACE"])[-1]
    for member in workspace.members.values():
        yield {}, render.user_row(workspace, member, kinds, roles=True)


def _member_profiles(state: State, workspace: Workspace, query: Query) -> Pairs:
    for member in workspace.members.values():
        yield {"userId": member.id}, render.profile_row(workspace, member)


def _projects(state: State, workspace: Workspace, query: Query) -> Pairs:
    for project in workspace.rows("projects").values():
        row = render.project_row(workspace, project, state.settings.empty_client)
        yield {}, render.hydrated_project(workspace, row) if _hydrated(query) else row


def _tasks(state: State, workspace: Workspace, query: Query) -> Pairs:
    for task in workspace.rows("tasks").values():
        yield {"projectId": task["projectId"]}, render.task_row(workspace, task)


def _time_entries(state: State, workspace: Workspace, query: Query) -> Pairs:
    for user_id in workspace.members:
        for entry in workspace.entries_of(user_id):
            yield {"userId": user_id}, render.entry_row(workspace, entry, _hydrated(query))


def _running(state: State, workspace: Workspace, query: Query) -> Pairs:
    for entry in workspace.running.values():
        yield {}, render.entry_row(workspace, entry, _hydrated(query))


def _detailed_report(state: State, workspace: Workspace, query: Query) -> Pairs:
    zone = shown_zone(state.settings, ZoneInfo("UTC"))
    elapsed = state.settings.running_duration == "elapsed"
    now = int(state.clock.now()) if elapsed else None
    for entry in workspace.all_entries():
        if entry.end is None and not state.settings.running_in_reports:
            continue
        row = detailed_row(workspace, entry, zone, amounts_of(dict(query)), now)
        yield {}, with_invoicing(state.settings, row)


def _hydrated(query: Query) -> bool:
    return query.get("hydrated", ["false"])[-1] == "true"


_STREAMS: dict[str, Callable[[State, Workspace, Query], Pairs]] = {
    "workspaces": _workspaces,
    "users": _users,
    "member_profiles": _member_profiles,
    "projects": _projects,
    "tasks": _tasks,
    "time_entries": _time_entries,
    "time_entries_in_progress": _running,
    "detailed_report": _detailed_report,
}
ALL_STREAMS = (*_STREAMS, *more_records.STREAMS)
