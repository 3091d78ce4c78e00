"""Streams that the plan of a workspace lacks.

The manifest spends no request on them (the filter of its `visible_workspaces_stream`); this module
says so. Both go by the stream's parameters `feature` and `plans_without`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Gap:
    """A stream that the plan of a workspace lacks.

    Attributes:
        stream: its name.
        workspace_id: the workspace.
        sentence: says so to the user.
    """

    stream: str
    workspace_id: str
    sentence: str


def lacking(
    manifest: Mapping[str, Any],
    stream_names: Collection[str],
    workspaces: Sequence[Mapping[str, Any]],
) -> Iterator[Gap]:
    """Yield the streams and workspaces where the plan lacks the stream.

    `manifest` has its references resolved; `workspaces` are rows of the stream of that name.
    """
    for definition in manifest["streams"]:
        parameters = definition.get("$parameters") or {}
        if definition.get("name") not in stream_names or "feature" not in parameters:
            continue
        for workspace in workspaces:
            if lacks(workspace, parameters["feature"], parameters["plans_without"]):
                sentence = (
                    f"{definition['name']}: workspace {workspace['id']} ({workspace.get('name')}) "
                    "is skipped, the others are read. Its plan "
                    f"{workspace['featureSubscriptionType']} lacks {parameters['feature']}. "
                    f"{parameters['needs']}"
                )
                yield Gap(definition["name"], workspace["id"], sentence)


def lacks(workspace: Mapping[str, Any], feature: str, plans_without: Collection[str]) -> bool:
    """Tell whether both the plan and the list of features say that a workspace lacks a feature."""
    features = workspace.get("features") or [feature]
    return feature not in features and workspace.get("featureSubscriptionType") in plans_without
