"""Loads `manifest.yaml`, or the JSON generated from it when the package was built.

JSON loads thirty times as fast. It contains the checksum of the YAML, so it is never used for a
different one; a checkout that was not installed has no JSON.
"""

import hashlib
import json
import os
import pkgutil
from pathlib import Path
from typing import Any, cast

YAML_FILE = "manifest.yaml"
JSON_FILE = "manifest.json"

_CHECKSUM = "sha256_of_yaml"


def load_manifest() -> dict[str, Any]:
    """Return `manifest.yaml` as it is, with unresolved references."""
    content = pkgutil.get_data("source_clockify", YAML_FILE)
    if content is None:
        raise FileNotFoundError(f"source_clockify/{YAML_FILE} is missing from the package")
    try:
        made = json.loads(pkgutil.get_data("source_clockify", JSON_FILE) or "{}")
    except (OSError, ValueError):
        made = {}
    is_usable = isinstance(made, dict) and made.get(_CHECKSUM) == _checksum(content)
    if is_usable and made.get("manifest"):
        return cast(dict[str, Any], made["manifest"])
    return _parse(content)


def write_json(package: Path) -> None:
    """Write the manifest as JSON into the folder of the package.

    Raises:
        ValueError: if the manifest contains values that JSON cannot represent.
    """
    content = (package / YAML_FILE).read_bytes()
    manifest = _parse(content)
    text = json.dumps({_CHECKSUM: _checksum(content), "manifest": manifest}, ensure_ascii=False)
    if json.loads(text)["manifest"] != manifest:
        raise ValueError(f"{YAML_FILE} has keys or values that JSON changes.")
    # Concurrent readers find either no file or a whole one.
    draft = package / f"{JSON_FILE}.{os.getpid()}"
    draft.write_text(text, encoding="utf-8")
    draft.replace(package / JSON_FILE)


def _parse(content: bytes) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast(dict[str, Any], yaml.load(content, Loader=loader))


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
