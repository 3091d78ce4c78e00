"""Selects the workspace and tests its lines."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.probe.account import Account
from source_clockify.probe.client import Answer, Client, NoAnswer, NotAsked, WritingRequest
from source_clockify.probe.lines import Finding, Line, Untestable, Verdict, status_of

_ID = re.compile("[0-9a-f]{24}")
_BAD_KEY = (1000, 4003, 4017)


def find_account(client: Client, workspace_id: str, now: datetime) -> Account:
    """Return the named workspace, else the first configured one, else the one with most features.

    If there is no answer, the account records that; it then has an id only if one was named.

    Raises:
        AirbyteTracedException: config_error, for a key or workspace unknown to Clockify.
    """
    named = workspace_id or next(iter(client.config.get("workspace_ids") or ()), "")
    path = f"/workspaces/{named}" if named else "/workspaces"
    try:
        answer = _send_with_retry(client, path)
    except (NoAnswer, NotAsked) as reason:
        return Account(client, {"id": named}, now, unseen=str(reason))
    _refuse_bad_key(answer, named)
    rows = answer.rows() or ([answer.body] if isinstance(answer.body, dict) else [])
    found = [row for row in rows if _ID.fullmatch(str(row.get("id")))]
    if not found:
        raise _config_error(
            "This key sees no workspace. Check whose key it is, and Server (server)."
        )
    return Account(client, max(found, key=_number_of_features), now)


def _number_of_features(row: Mapping[str, Any]) -> int:
    features = row.get("features")
    return len(features) if isinstance(features, list) else 0


def _send_with_retry(client: Client, path: str) -> Answer:
    """Send a request that all others depend on; retry it once."""
    try:
        return client.get(path)
    except NoAnswer:
        return client.get(path)


def _refuse_bad_key(answer: Answer, named: str) -> None:
    if answer.ok:
        return
    if answer.status == 401 or answer.code in _BAD_KEY:
        raise _config_error(
            f"Clockify refuses this key ({status_of(answer)}). Check Authentication (credentials) "
            "and Server (server): a key works only in the region or subdomain where it was created."
        )
    if answer.status == 404 and named:
        raise _config_error(
            "Clockify does not know this workspace, or the key cannot see it. Check Workspace IDs "
            "(workspace_ids) and Server (server)."
        )
    raise _config_error(
        f"Clockify refuses to show the workspace ({status_of(answer)}). Check Server (server)."
    )


def _config_error(message: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def ask_line(account: Account, line: Line) -> Finding:
    if not account.workspace["id"] and line.id != "other-host":
        return Finding(Verdict.NO_ANSWER, f"the list of workspaces: {account.unseen}")
    before = len(account.client.asked)
    try:
        return line.ask(account)
    except Untestable as reason:
        return Finding(Verdict.UNTESTABLE, str(reason), account.client.asked[before:])
    except NoAnswer as reason:
        return Finding(Verdict.NO_ANSWER, str(reason), account.client.asked[before:])
    except NotAsked as reason:
        return Finding(Verdict.NOT_ASKED, str(reason))
    except WritingRequest:
        return Finding(Verdict.UNTESTABLE, "an id of an odd form", account.client.asked[before:])
    except Exception as error:
        # The answer has an unexpected shape. The text of the error may be personal.
        text = f"the answer has a shape that this line cannot read ({type(error).__name__})"
        return Finding(Verdict.DIFFERS, text, account.client.asked[before:])
