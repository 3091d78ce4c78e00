"""What a response of Clockify means.

The filters of the manifest decide what is refused, retried or fatal. This handler adds what they
cannot do: judge a body without building objects for a template, stop retrying a server that stays
broken, follow no redirect, and remember refusals (see refusals.py).
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.authenticator import (
    REDIRECT_TARGET,
    credentials_header,
    drop_redirect,
    request_being_sent,
)
from source_clockify.bodies import BrokenBody, decoded_body, empty_body, is_error
from source_clockify.refusals import Refusal, current_notes

# Retries of a server error, a broken connection or a broken body: 127 seconds of waiting in all.
# The rate limit has its own number in the manifest, because it may last an hour.
SERVER_RETRIES = 7

# Longer than the hour of the free plan, for servers that name their wait in Retry-After.
LONGEST_WAIT_SECONDS = 2 * 60 * 60

# The code with which Clockify says, with status 400, that there is no such entity.
GONE = 501

_ATTEMPTS = "_clockify_attempts"

# Streams that fail at the same time wait for one listing of the visible workspaces.
_LISTING = threading.Lock()


@dataclass
class ClockifyErrorHandler(DefaultErrorHandler):
    """Decides what to do with a response.

    Attributes:
        body: what a good answer holds, see `is_expected`; the key of an envelope is the stream's
            parameter `envelope`.
    """

    max_time: int = LONGEST_WAIT_SECONDS
    body: str = "list"

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._envelope = str((parameters or {}).get("envelope", ""))

    def interpret_response(
        self, response_or_exception: requests.Response | Exception | None
    ) -> ErrorResolution:
        if isinstance(response_or_exception, requests.Response):
            resolution = self._of_response(response_or_exception)
        else:
            resolution = self._of_exception(response_or_exception)
        if resolution.response_action is ResponseAction.SUCCESS:
            return resolution
        deferred = _deferred(resolution)
        if isinstance(response_or_exception, requests.Response) and deferred is not resolution:
            # An ignored response with status 200 would be read as if it were good.
            empty_body(response_or_exception)
        return deferred

    def _of_response(self, response: requests.Response) -> ErrorResolution:
        if 300 <= response.status_code < 400:
            return _failure(_redirect_message(response), FailureType.config_error)
        if response.ok:
            resolution = self._of_body(response)
        else:
            resolution = super().interpret_response(response)
        if resolution.response_action is ResponseAction.SUCCESS:
            return resolution
        resolution = replace(
            resolution, error_message=f"{resolution.error_message} ({_request_line(response)})"
        )
        if resolution.response_action is ResponseAction.IGNORE:
            if response.ok:
                return _failure(str(resolution.error_message), FailureType.system_error)
            _note_refusal(response, resolution)
        if resolution.response_action is ResponseAction.RATE_LIMITED and self._is_check:
            return _failure(str(resolution.error_message), FailureType.transient_error)
        if resolution.response_action is ResponseAction.RATE_LIMITED:
            _let_out_what_is_due()
        if response.status_code == 404 and not response.content:
            resolution = replace(
                resolution,
                error_message=f"{resolution.error_message} {self._visible_workspaces(response)}",
            )
        if resolution.response_action is not ResponseAction.RETRY:
            return resolution
        if getattr(response, "from_cache", False):
            # A retry would only be answered from the cache again.
            return _failure(str(resolution.error_message), FailureType.system_error)
        return self._retried(response.request, resolution)

    def _of_body(self, response: requests.Response) -> ErrorResolution:
        if is_expected(decoded_body(response), self.body, self._envelope):
            return SUCCESS_RESOLUTION
        resolution = super().interpret_response(response)
        if resolution.response_action is ResponseAction.SUCCESS:
            return ErrorResolution(
                response_action=ResponseAction.RETRY,
                failure_type=FailureType.transient_error,
                error_message="Clockify's answer is empty, cut off or not the expected JSON.",
            )
        return resolution

    def _of_exception(self, exception: Exception | None) -> ErrorResolution:
        if isinstance(exception, BrokenBody):
            return self._of_response(exception.response)
        if isinstance(exception, requests.exceptions.InvalidSchema):
            # Where a URL is not configured the manifest has a sentence in its place.
            return _failure(_sentence_in(str(exception)), FailureType.config_error)
        resolution = super().interpret_response(exception)
        request = getattr(exception, "request", None) or request_being_sent()
        if resolution.response_action is not ResponseAction.RETRY or request is None:
            return resolution
        message = (
            f"The connection to Clockify failed: {type(exception).__name__} "
            f"({request.method} {urlsplit(str(request.url)).path})."
        )
        return self._retried(
            request,
            replace(resolution, error_message=message, failure_type=FailureType.transient_error),
        )

    def _retried(
        self, request: requests.PreparedRequest, resolution: ErrorResolution
    ) -> ErrorResolution:
        """Turn the retry into a failure once the request was tried often enough."""
        attempts = getattr(request, _ATTEMPTS, 0) + 1
        setattr(request, _ATTEMPTS, attempts)
        if attempts <= min(SERVER_RETRIES, int(self.max_retries or 0)):
            return resolution
        return _failure(
            f"{resolution.error_message} Tried {attempts} times.", FailureType.transient_error
        )

    @property
    def _is_check(self) -> bool:
        return int(self.max_retries or 0) <= 1

    def _visible_workspaces(self, response: requests.Response) -> str:
        header = credentials_header(self.config)
        if "X-Api-Key" not in header:
            return ""
        return visible_workspaces(f"{self.config['hosts']['api']}/workspaces", header["X-Api-Key"])


def is_expected(body: Any, kind: str, envelope: str = "") -> bool:
    """Tell whether a decoded body is what an endpoint of this kind answers.

    Kinds: `list` (a JSON list), `hydrated_projects` (a list of projects with their tasks),
    `workspaces` (a list that is not empty, or one workspace), `envelope` (an object with this key)
    and `object` (an object that is neither empty nor an error).
    """
    if kind == "list":
        return isinstance(body, list)
    if kind == "hydrated_projects":
        return isinstance(body, list) and all("tasks" in project for project in body)
    if kind == "workspaces":
        return bool(body) and (isinstance(body, list) or (isinstance(body, dict) and "id" in body))
    if kind == "envelope":
        held = body.get(envelope, "") if isinstance(body, dict) else ""
        return (
            held is None or isinstance(held, list) or (isinstance(held, dict) and envelope in held)
        )
    return isinstance(body, dict) and bool(body) and not is_error(body)


def visible_workspaces(url: str, api_key: str) -> str:
    """Return a sentence that names the workspaces of this key; empty if they cannot be listed.

    Sends one request, once per process, and only after a workspace was not found.
    """
    with _LISTING:
        return _listed_workspaces(url, api_key)


@lru_cache(maxsize=1)
def _listed_workspaces(url: str, api_key: str) -> str:
    try:
        with requests.Session() as session:
            session.hooks["response"].append(drop_redirect)
            response = session.get(url, headers={"X-Api-Key": api_key}, timeout=30)
        workspaces = orjson.loads(response.content) if response.ok else []
        names = ", ".join(f"{workspace['id']} ({workspace['name']})" for workspace in workspaces)
    except (requests.RequestException, orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return f"This key can see: {names}." if names else "This key can see no workspace."


def _failure(message: str, failure_type: FailureType) -> ErrorResolution:
    return ErrorResolution(
        response_action=ResponseAction.FAIL, failure_type=failure_type, error_message=message
    )


def _request_line(response: requests.Response) -> str:
    request = response.request
    return f"{request.method} {urlsplit(request.url or '').path}, status {response.status_code}"


def _redirect_message(response: requests.Response) -> str:
    target = urlsplit(response.headers.get(REDIRECT_TARGET, ""))
    return (
        f"Clockify redirects to {target.scheme}://{target.hostname}, which the connector does not "
        f"follow because its key belongs to the configured host only. Check Server (server). "
        f"({_request_line(response)})"
    )


def _sentence_in(text: str) -> str:
    match = re.search(r"'([^':]+)", text)
    return f"{match.group(1) if match else text}."


def _note_refusal(response: requests.Response, resolution: ErrorResolution) -> None:
    notes = current_notes()
    if notes is None:
        return
    match = re.search(r"/workspaces/([^/]+)(.*)", urlsplit(response.url).path)
    workspace_id, below = match.groups() if match else ("", "")
    notes.refusals.append(
        Refusal(
            workspace_id=workspace_id,
            partial=re.search(r"/[0-9a-f]{24}(/|$)", below) is not None,
            vanished=response.status_code == 400 and _code_of(response) == GONE,
            message=str(resolution.error_message),
        )
    )


def _let_out_what_is_due() -> None:
    """Let the state out before a wait that may last an hour."""
    notes = current_notes()
    if notes is not None and notes.on_wait is not None:
        notes.on_wait()


def _code_of(response: requests.Response) -> Any:
    body = decoded_body(response)
    return body.get("code") if isinstance(body, dict) else None


def _deferred(resolution: ErrorResolution) -> ErrorResolution:
    """Note a failure of a parent for later, where the thread asks for that (see refusals.py)."""
    notes = current_notes()
    if (
        resolution.response_action is not ResponseAction.FAIL
        or notes is None
        or notes.failures is None
    ):
        return resolution
    notes.failures.append(
        AirbyteTracedException(
            message=resolution.error_message,
            internal_message=resolution.error_message,
            failure_type=resolution.failure_type or FailureType.system_error,
        )
    )
    return replace(resolution, response_action=ResponseAction.IGNORE)
