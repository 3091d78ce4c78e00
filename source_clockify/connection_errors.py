"""Explains failed connections: which host, and why.

`requests` and `urllib3` wrap the cause in several exceptions, whose texts name Python objects and
may contain the password of a proxy.
"""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import BadStatusLine
from typing import Any
from urllib.parse import urlsplit

import requests
from airbyte_cdk.models import FailureType
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import exceptions as urllib3_errors

_CHECK_NETWORK = "Check Server (server), and whether a firewall or proxy blocks the connection."
_CHECK_PROXY = "Check the settings of the proxy (HTTPS_PROXY, NO_PROXY)."
# OpenSSL's codes for certificate problems.
_EXPIRED, _SELF_SIGNED, _UNKNOWN_ISSUERS, _OTHER_NAME = 10, 18, (19, 20, 21), (62, 63, 64)


@dataclass(frozen=True)
class ConnectionProblem:
    """Why a connection failed.

    Attributes:
        message: sentences for the user.
        failure_type: config_error if only the user can solve it.
        is_final: whether a retry would fail as well.
    """

    message: str
    failure_type: FailureType
    is_final: bool = False


def describe_connection_error(
    error: BaseException | None, request: requests.PreparedRequest, config: Mapping[str, Any]
) -> ConnectionProblem:
    """Return why a request received no answer."""
    parts = urlsplit(str(request.url))
    host = f"{parts.hostname}:{_port(parts.port, parts.scheme)}"
    at = f"({request.method} {parts.path})"
    causes = [*_chain(error)]
    proxy = _proxy_of(str(request.url))
    of_proxy = _describe_proxy_problem(causes, proxy, host, at) if proxy else None
    if of_proxy:
        return of_proxy
    field = _configured_field(config, str(parts.hostname))
    lasting = FailureType.config_error if field else FailureType.transient_error
    named = f"{field}, and whether" if field else "Server (server), and whether"
    if _any(causes, socket.gaierror, urllib3_errors.NameResolutionError):
        return ConnectionProblem(
            f"{parts.hostname} is unknown to the name server (DNS) {at}. Check {named} this "
            "machine resolves names.",
            lasting,
        )
    certificate = _certificate_problem(causes)
    if certificate:
        return ConnectionProblem(
            f"{host} has a certificate that cannot be trusted: {certificate} {at}. Check {named} "
            "a proxy reads encrypted connections; if so, let the connector trust its certificate "
            "(REQUESTS_CA_BUNDLE).",
            lasting,
        )
    if _any(causes, ssl.SSLError, urllib3_errors.SSLError, requests.exceptions.SSLError):
        return ConnectionProblem(
            f"{host} does not speak HTTPS {at}. Check {named} a firewall or proxy intercepts the "
            "connection.",
            lasting,
        )
    return ConnectionProblem(
        f"{host} {_describe_failure(causes)} {at}. {_CHECK_NETWORK}", FailureType.transient_error
    )


def _describe_failure(causes: list[BaseException]) -> str:
    if _any(causes, ConnectionRefusedError):
        return "refused the connection"
    if _any(causes, requests.exceptions.ConnectTimeout, urllib3_errors.ConnectTimeoutError):
        return "did not accept the connection in time"
    if _any(causes, requests.exceptions.ReadTimeout, urllib3_errors.ReadTimeoutError, TimeoutError):
        return "did not answer in time"
    if _any(
        causes,
        requests.exceptions.ChunkedEncodingError,
        urllib3_errors.IncompleteRead,
    ):
        return "closed the connection in the middle of its answer"
    if _any(causes, requests.exceptions.ContentDecodingError):
        return "sent an answer that cannot be decompressed"
    if any(type(each) is BadStatusLine for each in causes):
        return "sent an answer that is not HTTP"
    if _any(causes, ConnectionResetError, BrokenPipeError, urllib3_errors.ProtocolError):
        return "closed the connection before it answered"
    for cause in causes:
        if isinstance(cause, OSError) and isinstance(cause.errno, int) and cause.strerror:
            return f"cannot be reached ({cause.strerror})"
    return "cannot be reached"


def _describe_proxy_problem(
    causes: list[BaseException], proxy: str, host: str, at: str
) -> ConnectionProblem | None:
    """Return the problem of a proxy; None if something else failed."""
    # The connector's own URLs are validated with the configuration.
    if _any(
        causes,
        requests.exceptions.InvalidSchema,
        requests.exceptions.InvalidURL,
        urllib3_errors.ProxySchemeUnknown,
    ):
        return ConnectionProblem(
            f"The proxy {proxy} cannot be used: its address must be http://host:port or "
            f"https://host:port {at}. {_CHECK_PROXY}",
            FailureType.config_error,
            is_final=True,
        )
    if not _any(causes, requests.exceptions.ProxyError, urllib3_errors.ProxyError):
        return None
    status = next(
        (match[1] for each in causes if (match := re.search(r"failed: (\d{3})", str(each)))), ""
    )
    if status == "407":
        return ConnectionProblem(
            f"The proxy {proxy} asks for a name and password, or refuses those it got {at}. "
            f"{_CHECK_PROXY}",
            FailureType.config_error,
            is_final=True,
        )
    if status:
        what = f"refused to connect to {host} (status {status})"
    elif _any(causes, socket.gaierror, urllib3_errors.NameResolutionError):
        what = "is unknown to the name server (DNS)"
    elif _any(causes, ssl.SSLError, urllib3_errors.SSLError):
        what = "does not speak HTTPS itself"
    else:
        what = _describe_failure(causes)
    return ConnectionProblem(
        f"The proxy {proxy} {what} {at}. {_CHECK_PROXY}", FailureType.transient_error
    )


def _certificate_problem(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            code = cause.verify_code
            if code == _EXPIRED:
                return "it has expired"
            if code == _SELF_SIGNED:
                return "it is self-signed"
            if code in _UNKNOWN_ISSUERS:
                return "its issuer is unknown here"
            if code in _OTHER_NAME:
                return "it was issued for another host"
            return "it does not pass the verification"
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and the exceptions it wraps."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _any(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(each, kinds) for each in causes)


def _port(port: int | None, scheme: str) -> int:
    return port or (80 if scheme == "http" else 443)


def _proxy_of(url: str) -> str:
    """Return host and port of the proxy for a URL; "" if there is none."""
    address = select_proxy(url, get_environ_proxies(url))
    if not address:
        return ""
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        host = parts.hostname or "of this machine"
        return f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return "of this machine"


def _configured_field(config: Mapping[str, Any], host: str) -> str:
    """Return the field in which the user entered a host; "" for a public host of Clockify."""
    server = config.get("server") or {}
    kind = server.get("server_type")
    if kind == "subdomain":
        return "Server, Subdomain (server.subdomain)"
    if kind != "custom":
        return ""
    titles = {"api_url": "API URL", "reports_url": "Reports URL", "audit_log_url": "Audit Log URL"}
    for name, title in titles.items():
        if urlsplit(str(server.get(name) or "")).hostname == host:
            return f"Server, {title} (server.{name})"
    return ""
