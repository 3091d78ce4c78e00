"""Classifies Clockify's responses.

The manifest's filters classify refusals, temporary errors and fatal errors. In addition, this
handler distinguishes Clockify's own refusals from those of proxies, validates a body without
building objects for a template, resends a refused request in another form, limits the retries of a
broken server, rejects redirects, and records refusals (see request_notes.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.account import visible_workspaces, workspace_features
from source_clockify.adaptations import adaptation_to, workspace_of
from source_clockify.authenticator import REDIRECT_TARGET, request_being_sent
from source_clockify.bodies import (
    BrokenBody,
    body_problem,
    decoded_body,
    empty_body,
    error_text,
    is_error,
    is_too_large,
    row_slices,
)
from source_clockify.connection_errors import describe_connection_error
from source_clockify.plan_features import lacks_feature
from source_clockify.request_notes import (
    Gap,
    SkippedRequest,
    current_notes,
    is_about_requested_entity,
)
from source_clockify.retry_after import LONGEST_WAIT_SECONDS

# Retries of a server error, a broken connection or a broken body: 127 seconds of waiting in total.
# The rate limit has its own number in the manifest, because it may last an hour.
SERVER_RETRIES = 7

# With status 400: a violated rule, or a missing entity.
RULE_VIOLATED = 501

_ATTEMPTS = "_clockify_attempts"
_TIMEOUT = 408
_RATE_LIMITED = 429


@dataclass
class ClockifyErrorHandler(DefaultErrorHandler):
    """Classifies responses and failed requests.

    The requester's parameter `answer` names the expected kind of answer, see `find_body_problem`.
    Parameters of the stream are the key of an envelope (`envelope`), the feature of the plan
    (`feature`), and the required key or plan, in words (`needs`).
    """

    max_time: int = LONGEST_WAIT_SECONDS

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._answer = str((parameters or {}).get("answer", "list"))
        self._envelope = str((parameters or {}).get("envelope", ""))
        self._feature = str((parameters or {}).get("feature", ""))
        self._needs = str((parameters or {}).get("needs", ""))

    def interpret_response(
        self, response_or_exception: requests.Response | Exception | None
    ) -> ErrorResolution:
        if isinstance(response_or_exception, requests.Response):
            resolution = self._resolve_response(response_or_exception)
        else:
            resolution = self._resolve_exception(response_or_exception)
        if resolution.response_action is ResponseAction.SUCCESS:
            return resolution
        deferred = _defer_failure(resolution)
        if isinstance(response_or_exception, requests.Response) and deferred is not resolution:
            # Otherwise an ignored response with status 200 would be read like a good one.
            empty_body(response_or_exception)
        return deferred

    def _resolve_response(self, response: requests.Response) -> ErrorResolution:
        resolution = _resolve_adaptable_request(response)
        if resolution is not None:
            return resolution
        resolution = self._resolve_body(response) if response.ok else self._resolve_error(response)
        if resolution.response_action is ResponseAction.SUCCESS:
            return resolution
        # A template yields a blank if it has nothing to say.
        message = " ".join(str(resolution.error_message).split())
        resolution = replace(resolution, error_message=f"{message} ({_request_line(response)})")
        if resolution.response_action is ResponseAction.IGNORE:
            if response.ok:
                return _failure(str(resolution.error_message), FailureType.system_error)
            _note_refusal(response, resolution)
        if resolution.response_action is ResponseAction.RATE_LIMITED:
            return self._resolve_rate_limit(resolution)
        if response.status_code == 404 and not response.content:
            resolution = replace(
                resolution,
                error_message=f"{resolution.error_message} {visible_workspaces(self.config)}",
            )
        if resolution.response_action is not ResponseAction.RETRY:
            return resolution
        if getattr(response, "from_cache", False):
            # A retry would be answered from the cache.
            return _failure(str(resolution.error_message), FailureType.system_error)
        transient = replace(resolution, failure_type=FailureType.transient_error)
        return self._retried(response.request, transient)

    def _resolve_rate_limit(self, resolution: ErrorResolution) -> ErrorResolution:
        if self._is_check:
            return _failure(str(resolution.error_message), FailureType.transient_error)
        _note_wait(str(resolution.error_message))
        return resolution

    def _resolve_body(self, response: requests.Response) -> ErrorResolution:
        if self._answer == "list" and row_slices(response) is not None:
            return SUCCESS_RESOLUTION
        body = decoded_body(response)
        if is_too_large(response):
            return _failure(
                f"Clockify's answer {body_problem(response)}. The connector reads no larger ones.",
                FailureType.system_error,
            )
        problem = body_problem(response) or find_body_problem(body, self._answer, self._envelope)
        if not problem:
            return SUCCESS_RESOLUTION
        # A template may name the remedy, but it would parse bodies that no parser accepts.
        named = ErrorResolution() if body is None else super().interpret_response(response)
        if named.response_action in (ResponseAction.FAIL, ResponseAction.IGNORE):
            return named
        return _retry(f"Clockify's answer {problem}.")

    def _resolve_error(self, response: requests.Response) -> ErrorResolution:
        status = response.status_code
        if is_too_large(response):
            return _retry(f"Clockify's answer {body_problem(response)}.")
        if 400 <= status < 500 and status not in (_TIMEOUT, _RATE_LIMITED):
            if not response.content.strip():
                if self._has_missing_feature(response):
                    return ErrorResolution(
                        ResponseAction.IGNORE,
                        FailureType.config_error,
                        f"Clockify refused {response.url}: no reason given. {self._needs}",
                    )
                if status != 404 and not self._is_account_request(response):
                    return _retry("The request was refused without a reason.")
            elif not is_error(decoded_body(response)):
                return _retry(
                    "The request was refused, but the answer is not in Clockify's format. A proxy "
                    "or firewall may have refused it."
                )
        resolution = super().interpret_response(response)
        lacks_scope = "does not have permission" in error_text(decoded_body(response))
        if status == 401 and self._is_account_request(response) and not lacks_scope:
            # A key that cannot read its own account is invalid.
            return replace(
                resolution,
                response_action=ResponseAction.FAIL,
                failure_type=FailureType.config_error,
            )
        if status == 400 and resolution.response_action is ResponseAction.IGNORE:
            return _resolve_violated_rule(response, resolution)
        return resolution

    def _has_missing_feature(self, response: requests.Response) -> bool:
        """Return whether the plan of the workspace explains a refusal without a body."""
        if response.status_code not in (402, 403) or not self._feature:
            return False
        features = workspace_features(self.config, workspace_of(response.request))
        return lacks_feature(features, self._feature)

    def _is_account_request(self, response: requests.Response) -> bool:
        return self._answer == "workspaces" or urlsplit(response.url).path.endswith("/user")

    def _resolve_exception(self, exception: Exception | None) -> ErrorResolution:
        if isinstance(exception, BrokenBody):
            return self._resolve_response(exception.response)
        resolution = super().interpret_response(exception)
        if exception is None:
            return resolution
        request = getattr(exception, "request", None) or request_being_sent()
        if request is None:
            return resolution
        problem = describe_connection_error(exception, request, self.config)
        # The CDK logs the exception, whose text names objects and may contain a proxy's password.
        exception.args = (problem.message,)
        exception.__cause__ = exception.__context__ = None
        resolution = replace(
            resolution, error_message=problem.message, failure_type=problem.failure_type
        )
        if problem.is_final:
            return replace(resolution, response_action=ResponseAction.FAIL)
        if resolution.response_action is not ResponseAction.RETRY:
            return resolution
        return self._retried(request, resolution)

    def _retried(
        self, request: requests.PreparedRequest, resolution: ErrorResolution
    ) -> ErrorResolution:
        """Turn a retry into a failure once the request has been retried often enough."""
        attempts = getattr(request, _ATTEMPTS, 0) + 1
        setattr(request, _ATTEMPTS, attempts)
        retries = min(SERVER_RETRIES, int(self.max_retries or 0))
        if attempts <= retries:
            _note_wait(f"{resolution.error_message} Retry {attempts} of {retries}.")
            return resolution
        return _failure(
            f"{resolution.error_message} Tried {attempts} times.",
            resolution.failure_type or FailureType.transient_error,
        )

    @property
    def _is_check(self) -> bool:
        return int(self.max_retries or 0) <= 1


def find_body_problem(body: Any, kind: str, envelope: str = "") -> str:
    """Validate a decoded body; return the problem, or "" for a valid one.

    The text completes the sentence "Clockify's answer ...". Kinds: `list` (a JSON list of objects),
    `hydrated_projects` (a list of projects with their tasks), `workspaces` (a list that is not
    empty, or one workspace), `envelope` (an object with this key), `events` (a list, or an object
    with a list under `response`) and `object` (an object that is neither empty nor an error).
    """
    if kind == "envelope":
        held = body.get(envelope, "") if isinstance(body, dict) else ""
        outer = held if isinstance(held, dict) else body
        counted = outer.get("count") if isinstance(outer, dict) else 0
        if isinstance(held, dict) and envelope in held:
            held = held[envelope]
        if held is None and not counted:
            return ""
        return _problem_of_list(held, f"lacks the list {envelope}")
    if kind == "events" and isinstance(body, dict):
        body = body.get("response")
    if kind == "workspaces" and isinstance(body, dict):
        return "" if "id" in body else "is no workspace"
    if kind == "object":
        if not isinstance(body, dict) or not body or is_error(body):
            return "is not the expected JSON object"
        return "is an error" if "error" in body and "id" not in body else ""
    problem = _problem_of_list(body, "is not the expected JSON list")
    if not problem and kind == "workspaces" and not body:
        return "lists no workspace"
    if not problem and kind == "hydrated_projects" and any("tasks" not in row for row in body):
        return "lists projects without their tasks"
    return problem


def _problem_of_list(rows: Any, otherwise: str) -> str:
    if not isinstance(rows, list):
        return otherwise
    odd = next((place for place, row in enumerate(rows) if type(row) is not dict), None)
    if odd is None:
        return ""
    return f"lists something other than an object: row {odd + 1} is {type(rows[odd]).__name__}"


def _failure(message: str, failure_type: FailureType) -> ErrorResolution:
    return ErrorResolution(
        response_action=ResponseAction.FAIL, failure_type=failure_type, error_message=message
    )


def _retry(message: str) -> ErrorResolution:
    return ErrorResolution(
        response_action=ResponseAction.RETRY,
        failure_type=FailureType.transient_error,
        error_message=message,
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


def _resolve_adaptable_request(response: requests.Response) -> ErrorResolution | None:
    """Resolve a redirect, or a refused form of a request; None for any other response."""
    if 300 <= response.status_code < 400:
        return _failure(_redirect_message(response), FailureType.config_error)
    if _learn_adaptation(response):
        return _retry("Clockify refuses this form of the request; it is sent in another.")
    if _note_unlisted_members(response):
        return ErrorResolution(
            ResponseAction.IGNORE,
            None,
            "This server refuses to list limited members, so they are left out.",
        )
    return None


def _learn_adaptation(response: requests.Response) -> bool:
    """Remember the other form of a refused request for its workspace, if there is one."""
    notes = current_notes()
    adaptation = adaptation_to(response)
    if adaptation is None or notes is None or notes.adaptations is None:
        return False
    notes.adaptations.learn(adaptation, response.request)
    return True


def _note_unlisted_members(response: requests.Response) -> bool:
    """Record that limited members are missing, if this was the request for them."""
    notes = current_notes()
    is_request_for_them = "account-statuses=" in urlsplit(str(response.request.url)).query
    refused = response.status_code == 400 and is_error(decoded_body(response))
    if notes is None or not (is_request_for_them and refused):
        return False
    message = (
        "Limited members are missing, because this server refuses to list them: "
        f"{error_text(decoded_body(response))}."
    )
    notes.gaps[Gap(workspace_of(response.request), message)] = None
    return True


def _resolve_violated_rule(
    response: requests.Response, resolution: ErrorResolution
) -> ErrorResolution:
    """Distinguish a missing entity from a refusal: both have status 400."""
    if _is_vanished(response):
        return resolution
    message = (
        f"Clockify refused {response.url.partition('?')[0]}: {error_text(decoded_body(response))}."
    )
    return replace(resolution, error_message=message)


def _is_vanished(response: requests.Response) -> bool:
    body = decoded_body(response)
    if response.status_code != 400 or not isinstance(body, dict):
        return False
    if body.get("code") != RULE_VIOLATED:
        return False
    return is_about_requested_entity(error_text(body), _path_below_workspace(response))


def _path_below_workspace(response: requests.Response) -> str:
    _, _, below = urlsplit(str(response.request.url)).path.partition("/workspaces/")
    return f"/{below.partition('/')[2]}"


def _note_refusal(response: requests.Response, resolution: ErrorResolution) -> None:
    notes = current_notes()
    if notes is None:
        return
    below = _path_below_workspace(response)
    notes.refusals.append(
        SkippedRequest(
            workspace_id=workspace_of(response.request),
            partial=re.search(r"/[0-9a-f]{24}(/|$)", below) is not None,
            vanished=_is_vanished(response),
            message=str(resolution.error_message),
        )
    )


def _note_wait(reason: str) -> None:
    """Record why this thread is about to wait; see `BackoffStrategy`."""
    notes = current_notes()
    if notes is not None:
        notes.wait_reason = reason


def _defer_failure(resolution: ErrorResolution) -> ErrorResolution:
    """Record the failure of a parent instead of raising it, if this thread defers failures."""
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
