"""A request to Clockify's side of the server, its reply, and errors in Clockify's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from clockify_sandbox.state import State
from clockify_sandbox.store import Member, Row, Workspace

RULE_VIOLATED, PLAN_LIMIT = 501, 4033
TYPE_MISMATCH, MISSING_PARAMETER, UNREADABLE_BODY = 3000, 3001, 3002


class ApiError(Exception):
    """An answer with a status other than 200; `body` None means an empty one."""

    def __init__(
        self, status: int, body: Row | None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


def error(status: int, message: str, code: int | None, **headers: str) -> ApiError:
    body: Row = {"message": message} if code is None else {"message": message, "code": code}
    return ApiError(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


class Foreign(ApiError):
    """The entity is missing, deleted or in another workspace: Clockify does not reveal which."""


def foreign(kind: str, entity_id: str) -> ApiError:
    text = f"{kind} with id {entity_id} doesn't belong to Workspace"
    return Foreign(400, {"message": text, "code": RULE_VIOLATED})


def mismatch(name: str, value: object) -> ApiError:
    return error(400, f"Failed to convert value '{value}' of parameter '{name}'", TYPE_MISMATCH)


def access_denied() -> ApiError:
    return error(403, "Access Denied", RULE_VIOLATED)


@dataclass
class Reply:
    """A response; `rows` is the number of records in it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    rows: int | None = None


def encode(value: Any) -> bytes:
    return orjson.dumps(value)


def reply_of(failure: ApiError) -> Reply:
    body = b"" if failure.body is None else encode(failure.body)
    return Reply(failure.status, body, failure.headers)


@dataclass
class Call:
    """A request, with the facts gathered about its sender and subject."""

    state: State
    method: str
    host: str
    path: str
    query: dict[str, list[str]]
    raw_body: bytes
    headers: Mapping[str, str]
    params: dict[str, str] = field(default_factory=dict)
    user_id: str = ""
    scopes: frozenset[str] | None = None
    workspace_id: str | None = None
    page_size: int | None = None
    omitted: set[str] = field(default_factory=set)
    asked: dict[str, list[str]] = field(default_factory=dict)
    _workspace: Workspace | None = None
    _body: Any = None

    def __post_init__(self) -> None:
        self.asked = dict(self.query)

    @property
    def workspace(self) -> Workspace:
        assert self._workspace is not None
        return self._workspace

    @workspace.setter
    def workspace(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def me(self) -> Member:
        """The requesting user in this workspace."""
        return self.workspace.members[self.user_id]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the requesting account."""
        return ZoneInfo(self.state.settings.time_zone)

    def body(self) -> dict[str, Any]:
        """The JSON object of the request; 400/3002 if there is none."""
        if self._body is None:
            try:
                self._body = orjson.loads(self.raw_body)
            except orjson.JSONDecodeError:
                self._body = self.raw_body
        if not isinstance(self._body, dict):
            raise error(400, "Required request body is missing or unreadable", UNREADABLE_BODY)
        return self._body

    def last(self, name: str) -> str | None:
        """A query parameter, None if absent or empty."""
        values = self.query.get(name)
        return values[-1] if values and values[-1] != "" else None

    def flag(self, name: str) -> bool | None:
        value = self.last(name)
        return None if value is None else parse_flag(name, value)

    def one_of(self, name: str, values: tuple[str, ...], default: str) -> str:
        value = self.last(name) or default
        if value not in values:
            raise mismatch(name, value)
        return value

    def listed(self, name: str) -> list[str]:
        """A list parameter: the key repeated, or values separated by commas."""
        return [
            part for value in self.query.get(name, ()) for part in value.split(",") if part != ""
        ]


def parse_flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise mismatch(name, value)
    return value.lower() == "true"


Handler = Callable[[Call], Reply]
