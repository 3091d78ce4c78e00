"""The manifest as the connector runs it: Python components, and lookups for tracked streams."""

from collections.abc import Collection, Mapping
from typing import Any

from source_clockify.change_tracking.lookups import with_change_tracking
from source_clockify.manifest import with_python_components


def assemble_manifest(
    manifest: Mapping[str, Any],
    selected: Collection[str] | None = None,
    tracked: Collection[str] = (),
) -> dict[str, Any]:
    """Return the manifest of the selected streams, all without a selection.

    Definitions are left out: the CDK propagates parameters through everything that it is given.
    """
    found = with_change_tracking(with_python_components(manifest, selected), tracked)
    found["streams"] = [
        _with_planned_windows(entry) if entry.get("name") in tracked else entry
        for entry in found["streams"]
    ]
    return {key: value for key, value in found.items() if key not in ("definitions", "schemas")}


def _with_planned_windows(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the lookback from both forms of a stream that has two, as of any tracked stream."""
    forms = {
        name: {
            **entry[name],
            "incremental_sync": {**entry[name]["incremental_sync"], "lookback_window": "P0D"},
        }
        for name in ("full_refresh_stream", "incremental_stream")
        if name in entry
    }
    return {**entry, **forms}
