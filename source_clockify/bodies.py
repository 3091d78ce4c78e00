"""Bodies that are no JSON, noticed before the CDK's request cache keeps the response.

The cache keeps every response with status 200. A retry of a listing that came cut off would be
answered from it, with the same body, until the retries are used up.
"""

from typing import Any

import orjson
import requests

_BODY = "_clockify_body"


class BrokenBody(requests.RequestException):
    """A response with status 200 whose body is empty, cut off, no JSON, or an error after all."""

    request: requests.PreparedRequest
    response: requests.Response


def refuse_broken_body(response: requests.Response, **_: Any) -> requests.Response:
    """Raise BrokenBody; a response hook, so that it runs before the cache.

    An empty object and an error object are broken too: no endpoint answers them with status 200.
    """
    if 300 <= response.status_code < 400:
        # `requests` holds it for a good answer, and its body would be read.
        raise BrokenBody(response=response)
    if response.status_code == 200:
        body = decoded_body(response)
        if body is None or body == {} or is_error(body):
            raise BrokenBody(response=response)
    return response


def decoded_body(response: requests.Response) -> Any:
    """Return the decoded body, None if it is no JSON. It is decoded once."""
    if not hasattr(response, _BODY):
        try:
            body = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            body = None
        setattr(response, _BODY, body)
    return getattr(response, _BODY)


def empty_body(response: requests.Response) -> None:
    """Let the response hold an empty list."""
    response._content = b"[]"
    setattr(response, _BODY, [])


def is_error(body: Any) -> bool:
    """Tell whether a decoded body is Clockify's error object."""
    return isinstance(body, dict) and "code" in body and "message" in body
