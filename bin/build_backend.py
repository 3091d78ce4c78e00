"""Builds the package with poetry-core, after generating the manifest's JSON for fast start-up.

pyproject.toml names it. With a build script, poetry-core would make a wheel for one platform only.
"""

from pathlib import Path
from typing import Any

from poetry.core.masonry import api
from poetry.core.masonry.api import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

from source_clockify.manifest_file import write_json

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_PACKAGE = Path(__file__).resolve().parent.parent / "source_clockify"


def build_wheel(*arguments: Any, **named: Any) -> str:
    write_json(_PACKAGE)
    return api.build_wheel(*arguments, **named)


def build_editable(*arguments: Any, **named: Any) -> str:
    write_json(_PACKAGE)
    return api.build_editable(*arguments, **named)
