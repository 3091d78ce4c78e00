"""Assembles the manifest that the connector runs, with Python components and lookups."""

from collections.abc import Collection, Mapping
from typing import Any

from source_clockify.change_tracking.lookups import with_change_tracking
from source_clockify.manifest import with_python_components


def assemble_manifest(
    manifest: Mapping[str, Any],
    selected: Collection[str] | None = None,
    tracked: Collection[str] = (),
) -> dict[str, Any]:
    """Return the manifest of the selected streams; without a selection, of all streams.

    Definitions are omitted, since the CDK propagates parameters through everything it is given.
    """
    found = with_change_tracking(with_python_components(manifest, selected), tracked)
    return {key: value for key, value in found.items() if key not in ("definitions", "schemas")}
