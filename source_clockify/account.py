"""Requests about the account that help to explain an error: its workspaces and their features.

They are sent only after another request was refused, once per process, and do not count towards the
CDK's request budget.
"""

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import requests
from airbyte_cdk.sources.types import Config

from source_clockify.authenticator import credentials_header, drop_redirect
from source_clockify.bodies import BodyError, decode

_TIMEOUT_SECONDS = 30

# Streams that fail at the same time share one answer.
_ASKING = threading.Lock()


def visible_workspaces(config: Config) -> str:
    """Return a sentence that names the workspaces of this key; "" if they cannot be listed.

    An add-on token cannot list workspaces.
    """
    header = credentials_header(config)
    if "X-Api-Key" not in header:
        return ""
    workspaces = _get(f"{config['hosts']['api']}/workspaces", tuple(header.items()))
    if not isinstance(workspaces, list):
        return ""
    names = ", ".join(
        f"{row.get('id')} ({row.get('name')})" for row in workspaces if isinstance(row, Mapping)
    )
    return f"This key can see: {names}." if names else "This key can see no workspace."


def workspace_features(config: Config, workspace_id: str) -> Sequence[str]:
    """Return the features of a workspace's plan; empty if unknown."""
    header = credentials_header(config)
    url = f"{config['hosts']['api']}/workspaces/{workspace_id}"
    workspace = _get(url, tuple(header.items()))
    features = workspace.get("features") if isinstance(workspace, Mapping) else None
    return features if isinstance(features, list) else ()


def _get(url: str, header: tuple[tuple[str, str], ...]) -> Any:
    with _ASKING:
        return _get_once(url, header)


@lru_cache(maxsize=64)
def _get_once(url: str, header: tuple[tuple[str, str], ...]) -> Any:
    try:
        with requests.Session() as session:
            session.hooks["response"].append(drop_redirect)
            response = session.get(url, headers=dict(header), timeout=_TIMEOUT_SECONDS)
        return decode(response.content) if response.ok else None
    except (requests.RequestException, BodyError):
        return None


def forget_account() -> None:
    """Clear the cached answers, for a process that reads several accounts."""
    _get_once.cache_clear()
