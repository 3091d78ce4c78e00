"""Streams that are not included in the plan of a workspace.

The manifest spends no request on them (the filter of its `visible_workspaces_stream`); this module
names them. Both use the stream's parameter `feature` and the workspace's list `features`, since the
names of the plans themselves (`STANDARD_2021`, `BUNDLE_YEAR_2024` ...) are an open set.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MissingFeature:
    """A stream that is not included in the plan of a workspace.

    Attributes:
        stream: its name.
        workspace_id: the workspace.
        reason: a sentence for the user.
    """

    stream: str
    workspace_id: str
    reason: str


def missing_features(
    manifest: Mapping[str, Any],
    stream_names: Collection[str],
    workspaces: Sequence[Mapping[str, Any]],
) -> Iterator[MissingFeature]:
    """Yield the streams missing from the plan of a workspace, for each workspace.

    `manifest` has resolved references; `workspaces` are rows of the stream of that name.
    """
    for definition in manifest["streams"]:
        parameters = definition.get("$parameters") or {}
        if definition.get("name") not in stream_names or "feature" not in parameters:
            continue
        for workspace in workspaces:
            name = workspace.get("featureSubscriptionType") or ""
            if lacks_feature(workspace.get("features"), parameters["feature"]):
                yield MissingFeature(
                    definition["name"],
                    workspace["id"],
                    f"Not included in its plan{name and ' '}{name}. It needs "
                    f"{_needed_plan(parameters['needs'])}.",
                )


def _needed_plan(needs: str) -> str:
    """Return the plan from a stream's sentence, identical for all streams that need it."""
    match = re.search(r"(the \w+|a paid) plan( or higher)?", needs)
    return match[0] if match else "another plan"


def has_feature(features: Any, feature: str) -> bool:
    """Return whether a workspace is known to have a feature."""
    return isinstance(features, (list, tuple)) and feature in features


def lacks_feature(features: Any, feature: str) -> bool:
    """Return whether a workspace lacks a feature; without a list of features it may have it."""
    return isinstance(features, (list, tuple)) and bool(features) and feature not in features
