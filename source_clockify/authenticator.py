"""Sends the key to the configured hosts and nowhere else.

The manifest's `SelectiveAuthenticator` sends the same header, but `requests` forwards any header
other than `Authorization` when it follows a redirect to another host. The CDK calls the
authenticator before every attempt of a request, so the request is also given the form that its
server accepts.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any

import requests
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.types import Config

from source_clockify.adaptations import CONSEQUENCES, workspace_of
from source_clockify.bodies import limit_body, refuse_broken_body
from source_clockify.cdk_patches import replace_content
from source_clockify.request_notes import Gap, current_notes

# The target of a redirect, for the error handler.
REDIRECT_TARGET = "x-redirect-not-followed"

_sending = threading.local()


@dataclass
class ClockifyAuthenticator(DeclarativeAuthenticator):
    """Sends exactly one of `X-Api-Key` and `X-Addon-Token`, and prevents redirects."""

    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._header = credentials_header(self.config)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        _sending.request = request
        request.headers.update(self._header)
        _adapt(request)
        hooks = request.hooks["response"]
        mine = (drop_redirect, limit_body, self.hide_key, hide_webhook_tokens, refuse_broken_body)
        hooks.extend(hook for hook in mine if hook not in hooks)
        return request

    def hide_key(self, response: requests.Response, **_: Any) -> requests.Response:
        """Mask the key in a body: Clockify's messages may repeat an invalid key."""
        key = self.token.encode()
        if key and key in response.content:
            replace_content(response, response.content.replace(key, b"****"))
        return response

    @property
    def auth_header(self) -> str:
        return next(iter(self._header), "")

    @property
    def token(self) -> str:
        return self._header.get(self.auth_header, "")


def _adapt(request: requests.PreparedRequest) -> None:
    """Give a request the form that its server accepts, and note the data missing from it."""
    notes = current_notes()
    if notes is None or notes.adaptations is None:
        return
    adaptation = notes.adaptations.apply(request)
    if adaptation is not None and adaptation in CONSEQUENCES:
        notes.gaps[Gap(workspace_of(request), CONSEQUENCES[adaptation])] = None


def request_being_sent() -> requests.PreparedRequest | None:
    """Return the request that this thread began to send last.

    Some exceptions of `requests` do not name the request they belong to.
    """
    request: requests.PreparedRequest | None = getattr(_sending, "request", None)
    return request


def credentials_header(config: Config) -> dict[str, str]:
    """Return the header with the credentials; empty if there are none."""
    credentials = config.get("credentials") or {}
    if is_addon(config):
        return {"X-Addon-Token": credentials["addon_token"]}
    if credentials.get("auth_type") == "api_key":
        return {"X-Api-Key": credentials["api_key"]}
    return {}


def is_addon(config: Config) -> bool:
    """Return whether the credentials are an add-on token."""
    return (config.get("credentials") or {}).get("auth_type") == "addon_token"


def drop_redirect(response: requests.Response, **_: Any) -> requests.Response:
    """Move the target of a redirect to another header, so that `requests` does not follow it."""
    if "location" in response.headers:
        response.headers[REDIRECT_TARGET] = response.headers.pop("location")
    return response


_AUTH_TOKEN = re.compile(rb'("authToken"\s*:\s*)"[^"]*"')


def hide_webhook_tokens(response: requests.Response, **_: Any) -> requests.Response:
    """Mask the signing secrets of webhooks: the CDK logs bodies at level DEBUG."""
    if response.url.partition("?")[0].endswith("/webhooks"):
        replace_content(response, _AUTH_TOKEN.sub(rb'\1"****"', response.content))
    return response
