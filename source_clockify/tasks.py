"""Tasks of all projects, in one request if Clockify's project list demonstrably includes them.

The hydrated project list (`GET /workspaces/{id}/projects?hydrated=true`) has the tasks of every
project. Whether done tasks are included is not documented (section 8 of the API reference, unknown
18). It is therefore used only if at least one of a workspace's tasks in it is done; otherwise the
tasks of each project are requested separately.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

from source_clockify.request_notes import recording_requests
from source_clockify.streams import WrappedStream

logger = logging.getLogger("airbyte")

DONE = "DONE"

UNPROVEN = (
    "tasks: Clockify's project list of workspace %s has no done task, so it may omit done tasks. "
    "If tasks are missing, set Request Budget (plan) to paid; projects are then requested one by "
    "one."
)


class TasksStream(WrappedStream):
    """The stream `tasks`, read in the way that returns every task.

    `listed` reads the tasks of the project list, `by_project` each project's own list. Without
    `by_project`, as on the free plan, whose 30 requests an hour it would use up, a warning names
    the workspaces where the project list proves nothing.
    """

    def __init__(self, listed: AbstractStream, by_project: AbstractStream | None) -> None:
        super().__init__(listed)
        self._by_project = by_project

    def generate_partitions(self) -> Iterable[Partition]:
        """Yield one partition for each project."""
        if self._by_project is None:
            for workspace_id, partitions in _by_workspace(self._inner.generate_partitions()):
                if not _shows_done_task(partitions):
                    logger.warning(UNPROVEN, workspace_id)
                yield from partitions
            return
        proven, is_complete = self._read_project_list()
        for partitions in proven.values():
            yield from partitions
        if not is_complete:
            for partition in self._by_project.generate_partitions():
                if _workspace_of(partition) not in proven:
                    yield partition

    def _read_project_list(self) -> tuple[Mapping[str, Sequence[Partition]], bool]:
        """Return the partitions of the proven workspaces, and whether there are no others.

        A failed request is not reported: the requests that replace it encounter the same failure if
        it matters.
        """
        proven: dict[str, Sequence[Partition]] = {}
        is_complete = True
        with recording_requests(defer_failures=True) as notes:
            troubles = 0
            for workspace_id, partitions in _by_workspace(self._inner.generate_partitions()):
                # A failed page ends the list of its workspace, and is recorded before the next
                # workspace.
                found = len(notes.failures or ()) + len(notes.refusals)
                if found == troubles and _shows_done_task(partitions):
                    proven[workspace_id] = partitions
                else:
                    is_complete = False
                troubles = found
            reasons = [str(failure) for failure in notes.failures or ()]
            reasons += [refusal.message for refusal in notes.refusals]
        for reason in reasons:
            logger.info(
                "tasks: the project list cannot be used, so projects are requested one by one. %s",
                reason,
            )
        return proven, is_complete and not reasons


def _by_workspace(
    partitions: Iterable[Partition],
) -> Iterator[tuple[str, Sequence[Partition]]]:
    """Yield the partitions of each workspace; those of one workspace MUST be consecutive."""
    for workspace_id, group in groupby(partitions, _workspace_of):
        yield workspace_id, list(group)


def _workspace_of(partition: Partition) -> str:
    found = partition.to_slice() or {}
    return str(found["parent_slice"]["workspace_id"])


def _shows_done_task(partitions: Iterable[Partition]) -> bool:
    return any(record.get("status") == DONE for each in partitions for record in each.read())
