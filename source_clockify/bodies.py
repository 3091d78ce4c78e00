"""Reads response bodies: limits their size, decodes them strictly, replaces invalid text.

The response hooks run before the CDK's request cache stores a response with status 200. Otherwise a
retry of a truncated listing would be answered from the cache with the same body.

A body that is a plain list of objects is decoded some rows at a time, once it is known to be valid
JSON. Decoding 5000 rows at once takes twice as long, since every object needs fresh memory.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NoReturn

import msgspec
import orjson
import requests

from source_clockify.cdk_patches import is_unread, replace_content
from source_clockify.message_size import LARGE_BODY_BYTES, large_body_seen

# A page of 5000 rows has a few megabytes; a body above the limit would exhaust memory.
LARGEST_BODY_BYTES = 256 * 1024 * 1024

# Clockify's rows have five levels; the limits of Python and destinations begin at about 250.
MOST_LEVELS = 100

_BODY = "_clockify_body"
_ROWS = "_clockify_rows"
_PROBLEM = "_clockify_problem"
_CHUNK_BYTES = 1024 * 1024
# The objects of decoded rows take several times as much, and fit the cache of a processor.
_ROWS_BYTES = 32 * 1024
_OPENING_BRACE = ord("{")
_first_byte = itemgetter(0)
_MOST_DIGITS = 4300
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SAME_BRACKETS = bytes.maketrans(b"{}", b"[]")
# Maps digits to 0, characters that may precede a number to a colon, and all others but - to x.
_MARKS = {
    **dict.fromkeys(b"0123456789", ord("0")),
    **dict.fromkeys(b":,[ \t\r\n", ord(":")),
    ord("-"): ord("-"),
}
_NUMBERS = bytes(_MARKS.get(code, ord("x")) for code in range(256))
# 2**64 has 20 digits, -2**63 has 19.
_BIG_INTEGERS = (b":" + b"0" * 20, b"-" + b"0" * 19)


class BrokenBody(requests.RequestException):
    """A response whose body is too large, or unusable despite status 200."""

    request: requests.PreparedRequest
    response: requests.Response


class BodyError(ValueError):
    """A body that is not usable JSON; the text completes the sentence "Clockify's answer ..."."""


def limit_body(response: requests.Response, **_: Any) -> requests.Response:
    """Read the body up to `LARGEST_BODY_BYTES` after decompression; a response hook.

    Raises:
        BrokenBody: for a longer body, which is discarded.
    """
    if not is_unread(response):
        return response
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        size += len(chunk)
        if size > LARGEST_BODY_BYTES:
            response.close()
            replace_content(response, b"")
            setattr(response, _BODY, None)
            setattr(response, _PROBLEM, f"is larger than {LARGEST_BODY_BYTES // 1024**2} MB")
            raise BrokenBody(response=response)
        chunks.append(chunk)
    if size >= LARGE_BODY_BYTES:
        large_body_seen.set()
    replace_content(response, b"".join(chunks))
    return response


def refuse_broken_body(response: requests.Response, **_: Any) -> requests.Response:
    """Raise BrokenBody for a status 200 without usable JSON; a response hook.

    An empty object and an error object are broken too: no endpoint returns them with status 200.
    """
    if 300 <= response.status_code < 400:
        # `requests` treats it as a success, so its body would be read.
        raise BrokenBody(response=response)
    if response.status_code == 200 and row_slices(response) is None:
        body = decoded_body(response)
        if body is None or body == {} or is_error_despite_success(body):
            raise BrokenBody(response=response)
    return response


def is_error_despite_success(body: Any) -> bool:
    """Recognize an error that was sent with status 200; it has a code."""
    return is_error(body) and ("code" in body or "message" not in body)


def decoded_body(response: requests.Response) -> Any:
    """Return the decoded body; None if it is not usable JSON. It is decoded once."""
    if not hasattr(response, _BODY):
        try:
            body, is_plain = _decode(response.content)
            if not is_plain:
                # The CDK's own decoder reads cached responses.
                replace_content(response, json.dumps(body).encode())
        except BodyError as error:
            body = None
            setattr(response, _PROBLEM, str(error))
        setattr(response, _BODY, body)
    return getattr(response, _BODY)


# It validates everything that it skips, except UTF-8 and the size of numbers.
_slices = msgspec.json.Decoder(list[msgspec.Raw])


def row_slices(response: requests.Response) -> Sequence[msgspec.Raw] | None:
    """Return the rows of a body that is a plain list of objects; None for any other body."""
    if not hasattr(response, _ROWS):
        setattr(response, _ROWS, None if hasattr(response, _BODY) else _sliced(response.content))
    rows: Sequence[msgspec.Raw] | None = getattr(response, _ROWS)
    return rows


def _sliced(content: bytes) -> Sequence[msgspec.Raw] | None:
    if not content.startswith(b"[") or levels_of(content) > MOST_LEVELS:
        return None
    try:
        content.isascii() or content.decode()
        rows = _slices.decode(content)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    views = [memoryview(row) for row in rows]
    if not {*map(_first_byte, views)} <= {_OPENING_BRACE}:
        return None
    # Python rejects integers with more digits.
    is_large = max(map(len, views), default=0) > _MOST_DIGITS
    is_endless = is_large and b"0" * _MOST_DIGITS in content.translate(_NUMBERS)
    return None if is_endless else rows


def decode_rows(slices: Sequence[msgspec.Raw]) -> list[dict[str, Any]]:
    """Decode some of the rows of a body."""
    # Keeps all digits of integers.
    decode_row = msgspec.json.Decoder().decode
    try:
        return [*map(decode_row, slices)]
    except msgspec.DecodeError:
        return [*map(_decode_row, slices)]


def _decode_row(row: msgspec.Raw) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = msgspec.json.decode(row)
    except msgspec.DecodeError:
        # A lone surrogate, or a number that does not fit a float.
        decoded = decode(bytes(row))
    return decoded


def decode_chunks(
    slices: Sequence[msgspec.Raw], response: requests.Response
) -> Iterator[list[dict[str, Any]]]:
    """Decode the rows of a response, about `_ROWS_BYTES` at a time."""
    step = max(1, len(slices) * _ROWS_BYTES // len(response.content))
    for first in range(0, len(slices), step):
        yield decode_rows(slices[first : first + step])


def body_problem(response: requests.Response) -> str:
    """Return why decoding failed, such as "is empty"; "" if it succeeded."""
    if row_slices(response) is None:
        decoded_body(response)
    return str(getattr(response, _PROBLEM, ""))


def is_too_large(response: requests.Response) -> bool:
    """Recognize a response rejected by `limit_body`."""
    return "larger than" in body_problem(response)


def decode(content: bytes) -> Any:
    """Decode JSON exactly.

    A byte order mark is skipped, lone surrogates and invalid UTF-8 become U+FFFD, and integers keep
    all their digits.

    Raises:
        BodyError: for anything that is not JSON, and for JSON that is nested too deeply.
    """
    return _decode(content)[0]


def _decode(content: bytes) -> tuple[Any, bool]:
    """Return the decoded JSON, and whether every JSON parser would decode it alike."""
    is_plain = not content.startswith(_BYTE_ORDER_MARK)
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if not content.strip():
        raise BodyError("is empty")
    if levels_of(content) > MOST_LEVELS:
        raise BodyError(f"is nested more than {MOST_LEVELS} levels deep")
    numbers = content.translate(_NUMBERS)
    if not any(big in numbers for big in _BIG_INTEGERS):
        try:
            return orjson.loads(content), is_plain
        except orjson.JSONDecodeError:
            # Perhaps a lone surrogate or invalid UTF-8, which only Python's own parser accepts.
            pass
    try:
        text = content.decode("utf-8", "replace")
        found = json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
        return _without_surrogates(found), False
    except json.JSONDecodeError as error:
        raise BodyError(_describe_break(text, error)) from error
    except (ValueError, RecursionError) as error:
        raise BodyError(f"cannot be decoded ({error})") from error


def levels_of(content: bytes) -> int:
    """Measure the nesting of the brackets in a JSON text, at most `MOST_LEVELS` + 1.

    Below the limit it is an estimate, since brackets within strings are counted.
    """
    levels = _estimate_levels(content)
    return levels if levels <= MOST_LEVELS else _estimate_levels(_STRING.sub(b"", content))


def _estimate_levels(content: bytes) -> int:
    brackets = content.translate(_SAME_BRACKETS, _NO_BRACKETS)
    levels = 0
    while levels <= MOST_LEVELS:
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            break
        brackets = inner
        levels += 1
    return levels


def _describe_break(text: str, error: json.JSONDecodeError) -> str:
    if text.lstrip()[:1] == "<":
        return "is a web page, not JSON"
    return f"is cut off or not JSON: it breaks at character {error.pos} of {len(text)}"


def _finite(text: str) -> float | None:
    """Return a number; None if it does not fit a float, which no JSON could contain."""
    number = float(text)
    return number if math.isfinite(number) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(part) for part in value]
    if isinstance(value, dict):
        return {
            _without_surrogates(name): _without_surrogates(part) for name, part in value.items()
        }
    return value


def empty_body(response: requests.Response) -> None:
    """Replace the body with an empty list."""
    replace_content(response, b"[]")
    setattr(response, _BODY, [])
    setattr(response, _ROWS, None)


def is_error(body: Any) -> bool:
    """Recognize an error sent by Clockify itself, from its decoded body.

    Clockify writes `{"message": text, "code": integer}`, where `code` may be absent; its audit log
    `{"timestamp", "status", "error", "path"}` (sections 2.2 and 8.1 of the API reference). Proxies
    and firewalls use other forms.
    """
    if not isinstance(body, dict):
        return False
    if isinstance(body.get("message"), str):
        code = body.get("code")
        return code is None or (isinstance(code, int) and not isinstance(code, bool))
    return {"timestamp", "status", "error", "path"} <= body.keys()


def error_text(body: Any) -> str:
    """Return the message of an error sent by Clockify itself; "" if there is none."""
    if not isinstance(body, dict):
        return ""
    return str(body.get("message") or body.get("error") or "")
