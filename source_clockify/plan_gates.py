"""Streams that the plan of a workspace lacks.

The manifest spends no request on them (the filter of its `visible_workspaces_stream`); this module
says so. Both go by the stream's parameters `feature` and `plans_without`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any


def lacking(
    manifest: Mapping[str, Any],
    stream_names: Collection[str],
    workspaces: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """Yield a sentence for each of the streams and workspaces where the plan lacks the stream.

    `manifest` has its references resolved; `workspaces` are rows of the stream of that name.
    """
    for definition in manifest["streams"]:
        parameters = definition.get("$parameters") or {}
        if definition.get("name") not in stream_names or "feature" not in parameters:
            continue
        for workspace in workspaces:
            if lacks(workspace, parameters["feature"], parameters["plans_without"]):
                yield (
                    f"{definition['name']}: workspace {workspace['id']} ({workspace.get('name')}) "
                    "is skipped, the others are read. Its plan "
                    f"{workspace['featureSubscriptionType']} lacks {parameters['feature']}. "
                    f"{parameters['needs']}"
                )


def lacks(workspace: Mapping[str, Any], feature: str, plans_without: Collection[str]) -> bool:
    """Tell whether both the plan and the list of features say that a workspace lacks a feature."""
    features = workspace.get("features") or [feature]
    return feature not in features and workspace.get("featureSubscriptionType") in plans_without
