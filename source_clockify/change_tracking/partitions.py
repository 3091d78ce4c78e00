"""Partitions: their ids, the field names of these, and the corresponding slices of the manifest."""

from collections.abc import Mapping, Sequence
from typing import Any

# The ids of a partition, starting with the workspace.
Partition = tuple[str, ...]

# Partition fields that divide a workspace without being the id of a parent.
PASSES = frozenset({"archived", "authors"})


def partition_names(partition: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids of a slice's partition by field name, starting with the workspace."""
    names = {"workspace_id": ""}
    levels = [partition]
    while isinstance(levels[-1].get("parent_slice"), Mapping):
        levels.append(levels[-1]["parent_slice"])
    for level in reversed(levels):
        names |= {name: str(value) for name, value in level.items() if name != "parent_slice"}
    # However workspaces are requested, the partition is the same.
    names.pop("scope", None)
    if not names["workspace_id"]:
        del names["workspace_id"]
    return names


def partition_of(names: Sequence[str], ids: Partition) -> dict[str, Any]:
    """Return the partition in the form of the manifest's cursors and templates."""
    partition: dict[str, Any] = {}
    for name, identifier in zip(names, ids, strict=True):
        if name in PASSES:
            partition[name] = identifier
        else:
            partition = {name: identifier, **({"parent_slice": partition} if partition else {})}
    return partition
