"""A Clockify account in memory, and how the tests read it."""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict, cast
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import requests_mock
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import AirbyteLogFormatter
from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    Level,
    StreamDescriptor,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.test.models.scenario import ExpectedOutcome
from freezegun.api import FrozenDateTimeFactory
from typing_extensions import Unpack

from source_clockify import SourceClockify
from source_clockify.change_tracking.state import decode
from source_clockify.manifest_file import load_manifest
from unit_tests.protocol import (
    content_of,
    error_messages,
    errors_of,
    logs_of,
    records_of,
    states_of,
    stream_of,
)

NOW = "2026-11-24T09:00:00Z"
API = "https://api.clockify.me/api/v1"
REPORTS = "https://reports.api.clockify.me/v1"
KEY = "ZjQ5NzJlMTctc2VjcmV0LWFwaS1rZXk"
ADDON_TOKEN = "eyJhbGciOiJSUzI1NiJ9.YWRkb24.c2VjcmV0"

# Clockify's ids are hexadecimal: some look like a number with an exponent, some are digits only.
WORKSPACE = "64e777123456789012345678"
OTHER_WORKSPACE = "650000000000000000000001"
ODD_IDS = ("64e777123456789012345678", "640000000000000000000123", "5e1234567890123456789012")

# The streams that these tests serve and read; the manifest has more.
STREAMS = (
    "workspaces",
    "users",
    "member_profiles",
    "user_groups",
    "clients",
    "projects",
    "tasks",
    "tags",
    "custom_fields",
    "time_entries",
    "time_entries_in_progress",
    "detailed_report",
)

MANIFEST = load_manifest()

Rows = Sequence[Mapping[str, Any]]

# One user and one project, whose parts `Clockify.serve` serves.
USER = "640000000000000000000042"
PROJECT = "650000000000000000000042"

PATHS = {
    "workspaces": "/workspaces",
    "users": "/workspaces/{workspace}/users/info",
    "member_profiles": f"/workspaces/{{workspace}}/member-profile/{USER}",
    "user_groups": "/workspaces/{workspace}/user-groups",
    "clients": "/workspaces/{workspace}/clients",
    "projects": "/workspaces/{workspace}/projects",
    "tasks": f"/workspaces/{{workspace}}/projects/{PROJECT}/tasks",
    "tags": "/workspaces/{workspace}/tags",
    "custom_fields": "/workspaces/{workspace}/custom-fields",
    "time_entries": f"/workspaces/{{workspace}}/user/{USER}/time-entries",
    "time_entries_in_progress": "/workspaces/{workspace}/time-entries/status/in-progress",
    "detailed_report": "/workspaces/{workspace}/reports/detailed",
}

# Streams that are read by POST.
POSTED = ("users", "detailed_report")

# What Clockify and the connector agree on as the largest page.
PAGE_SIZES = {
    "users": 5000,
    "user_groups": 5000,
    "clients": 5000,
    "projects": 5000,
    "tasks": 5000,
    "tags": 5000,
    "time_entries": 5000,
    "time_entries_in_progress": 1000,
    "detailed_report": 1000,
}


def path_of(stream: str, workspace: str = WORKSPACE) -> str:
    """Return the path below the host that `Clockify.serve` serves this stream at."""
    return PATHS[stream].format(workspace=workspace)


# The account -----------------------------------------------------------------------------------


def rows(count: int, first: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """Return rows whose ids count up and which are otherwise alike."""
    return [{"id": f"{n:024x}", **fields} for n in range(first, first + count)]


def workspace(identifier: str = WORKSPACE, **fields: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "name": "Acme",
        "featureSubscriptionType": "PRO",
        "memberships": [],
        **fields,
    }


def entry(identifier: str, start: str, end: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a time entry; without an end its timer runs."""
    interval = {"start": start, "end": end, "duration": "PT1H" if end else None}
    return {"id": identifier, "description": "", "timeInterval": interval, **fields}


def on(day: str, identifier: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a time entry of an hour on a day, whose id is the day unless it says otherwise."""
    return entry(identifier or day, f"{day}T08:00:00Z", f"{day}T09:00:00Z", **fields)


def report_row(identifier: str, start: str, **fields: Any) -> dict[str, Any]:
    """Return a time entry as the detailed report has it."""
    return {"_id": identifier, "timeInterval": {"start": start, "end": None}, **fields}


def rows_of(stream: str, count: int) -> list[dict[str, Any]]:
    """Return rows as this stream has them, one an hour where they have a time, newest first."""
    plain = rows(count)
    if stream == "time_entries":
        return [entry(row["id"], hours_ago(n)) for n, row in enumerate(plain)]
    if stream == "detailed_report":
        return [report_row(row["id"], "2026-11-20T08:00:00Z") for row in plain]
    if stream == "workspaces":
        return [workspace(row["id"]) for row in plain]
    return plain


def hours_ago(hours: float) -> str:
    moment = datetime.fromisoformat(NOW.replace("Z", "+00:00")) - timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def error_body(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def query(request: Any) -> dict[str, str]:
    """Return the query parameters of a request that was sent."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


class Paging(TypedDict, total=False):
    """How a server pages.

    Attributes:
        at_most: the page size that it silently falls back to, 5000 unless it is given.
        last_page: `honest`, as it is by default, or `absent` for a server without the header.
    """

    at_most: int
    last_page: str


class Clockify:
    """Answers as Clockify does, from the rows that a test gives.

    A later answer for the same path replaces the earlier one.
    """

    def __init__(
        self, mocker: requests_mock.Mocker, api: str = API, reports: str = REPORTS
    ) -> None:
        self.mocker = mocker
        self.api = api
        self.reports = reports
        # Nothing changed outside of any window.
        mocker.get(re.compile("/workspaces/[^/]+/entities/(created|updated|deleted)"), json=[])

    def workspaces(self, *accounts: Mapping[str, Any] | str) -> None:
        """Let the key see these workspaces, `WORKSPACE` if none is named."""
        shown = [
            workspace(account) if isinstance(account, str) else account
            for account in accounts or (WORKSPACE,)
        ]
        self.answer("/workspaces", {"json": shown})
        self.answer("/user", {"json": {"id": USER}})
        for account in shown:
            self.answer(f"/workspaces/{account['id']}", {"json": account})

    def listing(
        self,
        resource: str,
        served: Rows,
        of: str = WORKSPACE,
        **paging: Unpack[Paging],
    ) -> None:
        """Serve a paged list.

        Args:
            resource: the path below the workspace, such as `projects/1/tasks`; for `users` the
                search is served, which is a POST.
            served: all rows of the list.
            of: the workspace.
            paging: how the server pages.
        """

        is_search = resource.startswith("users")

        def answer(request: Any, context: Any) -> list[Any]:
            return page_of(asked_for(request), served, context, **paging)

        path, method = ("users/info", "POST") if is_search else (resource, "GET")
        self.answer(f"/workspaces/{of}/{path}", {"json": answer}, method=method)

    def users(self, *identifiers: str, of: str = WORKSPACE) -> None:
        self.listing("users", [{"id": identifier} for identifier in identifiers], of)

    def user_entries(
        self,
        user: str,
        entries: Rows | Callable[[], Rows],
        of: str = WORKSPACE,
        *,
        zone: str = "UTC",
        **paging: Unpack[Paging],
    ) -> None:
        """Serve the time entries of a user, newest first.

        Args:
            user: whose entries.
            entries: the entries, or what returns those that exist at the time of a request.
            of: the workspace.
            zone: the account's time zone, in which Clockify reads the window as wall clock.
            paging: how the server pages.
        """

        def answer(request: Any, context: Any) -> list[Any]:
            parameters = query(request)
            start, end = (as_wall_clock(parameters.get(name), zone) for name in ("start", "end"))
            served = sorted(
                (
                    row
                    for row in (entries() if callable(entries) else entries)
                    if (start is None or row["timeInterval"]["start"] >= start)
                    and (end is None or row["timeInterval"]["start"] < end)
                ),
                key=lambda row: row["timeInterval"]["start"],
                reverse=True,
            )
            return page_of(parameters, served, context, **paging)

        self.answer(f"/workspaces/{of}/user/{user}/time-entries", {"json": answer})

    def detailed_report(
        self,
        report_rows: Rows,
        of: str = WORKSPACE,
        *,
        at_most: int = 1000,
        totals: str = "honest",
    ) -> None:
        """Serve the detailed report.

        Args:
            report_rows: all rows that a window can hold.
            of: the workspace.
            at_most: the page size that the server silently falls back to.
            totals: `honest`, or `absent` for a server that counts nothing.
        """

        def answer(request: Any, context: Any) -> dict[str, Any]:
            body = request.json()
            first, last = body["dateRangeStart"][:19], body["dateRangeEnd"][:19]
            served = [
                row for row in report_rows if first <= row["timeInterval"]["start"][:19] <= last
            ]
            page = body["detailedFilter"].get("page", 1)
            size = min(body["detailedFilter"].get("pageSize", 50), at_most)
            counted = [{"_id": "", "entriesCount": len(served)}] if served else []
            return {
                "totals": counted if totals == "honest" else None,
                "timeentries": served[(page - 1) * size : page * size],
            }

        path = f"/workspaces/{of}/reports/detailed"
        self.answer(path, {"json": answer}, method="POST", host=self.reports)

    def serve(self, stream: str, served: Rows, of: str = WORKSPACE, **options: Any) -> None:
        """Serve the rows of a stream and the parents that it needs.

        Args:
            stream: one of `STREAMS`; a member profile has exactly one row.
            served: the rows.
            of: the workspace.
            options: as the method that serves the stream has them.
        """
        self.serve_parents(stream, of)
        if stream == "workspaces":
            self.workspaces(*served)
        elif stream in ("custom_fields", "member_profiles"):
            body = served[0] if stream == "member_profiles" else served
            self.answer(path_of(stream, of), {"json": body})
        elif stream == "time_entries":
            self.user_entries(USER, served, of, **options)
        elif stream == "detailed_report":
            self.detailed_report(served, of, **options)
        else:
            resource = path_of(stream, of).removeprefix(f"/workspaces/{of}/")
            self.listing(resource, served, of, **options)

    def serve_parents(self, stream: str, of: str = WORKSPACE) -> None:
        if stream in ("time_entries", "member_profiles"):
            self.users(USER, of=of)
        elif stream == "tasks":
            self.listing("projects", [{"id": PROJECT}], of)

    def serve_responses(self, stream: str, *responses: Any, of: str = WORKSPACE) -> None:
        """Give these answers in order where this stream is read, the last one for ever."""
        self.serve_parents(stream, of)
        report = stream == "detailed_report"
        self.answer(
            path_of(stream, of),
            *responses,
            method="POST" if stream in POSTED else "GET",
            host=self.reports if report else self.api,
        )

    def sent_for(self, stream: str, of: str = WORKSPACE) -> list[Any]:
        """Return the requests that were sent for this stream alone, in order."""
        return self.sent(path_of(stream, of))

    def answer(
        self, path: str, *responses: Any, method: str | None = None, host: str | None = None
    ) -> None:
        """Give these answers in order, the last one for ever; an exception is raised instead.

        Without a method, to a GET; the search for users is a POST.
        """
        if method is None:
            method = "POST" if path.endswith("/users/info") else "GET"
        listed = [
            {"exc": response} if isinstance(response, type) else response for response in responses
        ]
        url = re.compile(re.escape(f"{host or self.api}{path}") + r"(\?|$)")
        self.mocker.register_uri(method, url, listed)

    def by_id(self, resource: str, *served: Mapping[str, Any], of: str = WORKSPACE) -> None:
        """Serve these records one by one, and time entries also many at once; no other exists."""
        known = {row["id"]: row for row in served}
        url = re.escape(f"{self.api}/workspaces/{of}/{resource}/") + r"[^/?]+$"

        def missing(context: Any) -> dict[str, Any]:
            context.status_code = 400
            return error_body(501, "It doesn't belong to the workspace")

        def one(request: Any, context: Any) -> Mapping[str, Any]:
            # requests-mock lowers the path of `request.path`.
            found = known.get(urlsplit(request.url).path.rsplit("/", 1)[1])
            return missing(context) if found is None else found

        def many(request: Any, context: Any) -> Any:
            asked = request.json()["timeEntryIds"]
            return [known[each] for each in asked] if {*asked} <= {*known} else missing(context)

        self.mocker.register_uri("GET", re.compile(url), [{"json": one}])
        if resource == "time-entries":
            path = f"/workspaces/{of}/time-entries/batch"
            self.answer(path, {"json": many}, method="POST")

    def serve_everything(self) -> None:
        """Serve two workspaces in which every stream has records."""
        self.workspaces(WORKSPACE, OTHER_WORKSPACE)
        for number, of in enumerate((WORKSPACE, OTHER_WORKSPACE)):
            users = rows(3, 100 + 10 * number)
            projects = [
                {**project, "tasks": rows(2, 300 + 100 * number + 10 * place)}
                for place, project in enumerate(rows(2, 200 + 10 * number))
            ]
            self.listing("users", users, of)
            self.listing("user-groups", rows(2, 500 + 10 * number), of)
            self.listing("clients", rows(2, 600 + 10 * number), of)
            self.listing("projects", projects, of)
            self.listing("tags", rows(2, 700 + 10 * number), of)
            self.answer(f"/workspaces/{of}/custom-fields", {"json": rows(2, 800 + 10 * number)})
            self.listing("time-entries/status/in-progress", rows(1, 900 + 10 * number), of)
            for project in projects:
                self.listing(f"projects/{project['id']}/tasks", project["tasks"], of)
            for place, user in enumerate(users):
                identifier = f"{1000 + 10 * number + place:024x}"
                profile = {"name": user["id"], "workCapacity": "PT8H"}
                self.answer(f"/workspaces/{of}/member-profile/{user['id']}", {"json": profile})
                self.user_entries(
                    user["id"],
                    [entry(identifier, "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")],
                    of,
                )
            self.detailed_report([report_row(f"{2000 + number:024x}", "2026-11-20T08:00:00Z")], of)

    def sent(self, path: str = "", method: str | None = None) -> list[Any]:
        """Return the requests that were sent whose path ends with `path`, in order."""
        return [
            request
            for request in self.mocker.request_history
            if urlsplit(request.url).path.endswith(path) and method in (None, request.method)
        ]


def asked_for(request: Any) -> dict[str, Any]:
    """Return the parameters of a listing's request, those of a search by their names in a query."""
    if request.method == "GET":
        return query(request)
    body = request.json()
    return {**body, "page-size": body["pageSize"]}


def page_of(
    parameters: Mapping[str, Any], served: Rows, context: Any, **paging: Unpack[Paging]
) -> list[Any]:
    """Return the page that was asked for, with its header; Clockify's default are 50 rows."""
    page = int(parameters.get("page", 1))
    size = min(int(parameters.get("page-size", 50)), paging.get("at_most", 5000))
    if paging.get("last_page", "honest") == "honest":
        context.headers["Last-Page"] = str(page * size >= len(served)).lower()
    return list(served[(page - 1) * size : page * size])


def as_wall_clock(moment: str | None, zone: str) -> str | None:
    """Return the moment that Clockify takes a parameter for: its wall clock, in another zone."""
    if not moment:
        return None
    wall_clock = datetime.fromisoformat(moment.replace("Z", "")).replace(tzinfo=ZoneInfo(zone))
    return wall_clock.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")


# Reading it ------------------------------------------------------------------------------------


def config(**fields: Any) -> dict[str, Any]:
    return {"credentials": {"auth_type": "api_key", "api_key": KEY}, **fields}


def addon_config(**fields: Any) -> dict[str, Any]:
    return config(
        credentials={"auth_type": "addon_token", "addon_token": ADDON_TOKEN},
        **{"workspace_ids": [WORKSPACE], **fields},
    )


def catalog(*streams: str, incremental: bool = False) -> ConfiguredAirbyteCatalog:
    mode = "incremental" if incremental else "full_refresh"
    selected = [
        {
            "stream": {
                "name": name,
                "json_schema": {},
                "supported_sync_modes": ["full_refresh", "incremental"],
            },
            "sync_mode": mode,
            "destination_sync_mode": "append",
        }
        for name in streams
    ]
    return ConfiguredAirbyteCatalogSerializer.load({"streams": selected})


def read(
    *streams: str,
    with_config: Mapping[str, Any] | None = None,
    incremental: bool = False,
    state: Sequence[AirbyteStateMessage] | None = None,
    manifest_alone: bool = False,
    debug: bool = False,
) -> EntrypointOutput:
    """Read streams with the connector, or with its manifest as the Connector Builder runs it."""
    settings = config() if with_config is None else dict(with_config)
    if incremental:
        # The manifest's own cursors; test_change_tracking.py has the other incremental.
        settings.setdefault("track_changes", False)
    selected = catalog(*streams, incremental=incremental)
    states = list(state) if state is not None else None
    source: ConcurrentDeclarativeSource
    if manifest_alone:
        source = manifest_source(*streams, with_config=settings, selected=selected, state=states)
    else:
        source = SourceClockify(selected, settings, states)
    return entrypoint_wrapper.read(
        source,
        settings,
        selected,
        states,
        expected_outcome=ExpectedOutcome.ALLOW_ANY,
        debug=debug,
    )


def check(settings: Mapping[str, Any]) -> EntrypointOutput:
    """Check a configuration with the connector; an exception becomes one of the errors."""
    source = SourceClockify(config=dict(settings))
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setLevel(logging.INFO)
    handler.setFormatter(AirbyteLogFormatter())
    logging.getLogger().addHandler(handler)
    messages: list[str] = []
    raised = None
    try:
        with TemporaryDirectory() as folder:
            file = Path(folder, "config.json")
            file.write_text(json.dumps(settings))
            arguments = AirbyteEntrypoint.parse_args(["check", "--config", str(file)])
            messages += AirbyteEntrypoint(source).run(arguments)
    except Exception as error:
        raised = error
    finally:
        logging.getLogger().removeHandler(handler)
    return EntrypointOutput(
        messages=messages + lines.getvalue().splitlines(), uncaught_exception=raised
    )


def manifest_source(
    *streams: str,
    with_config: Mapping[str, Any],
    selected: ConfiguredAirbyteCatalog | None = None,
    state: list[AirbyteStateMessage] | None = None,
) -> ConcurrentDeclarativeSource:
    """Return the manifest as the Connector Builder runs it, with nothing but these streams.

    Building all of them takes longer than reading a few.
    """
    source = ConcurrentDeclarativeSource(
        catalog=selected,
        config=with_config,
        state=state,
        source_config=MANIFEST,
        custom_components_trusted=False,
    )
    manifest = cast(dict[str, Any], source.resolved_manifest)
    manifest["streams"] = [
        item
        for item in manifest["streams"]
        if {*streams} & {stream["name"] for stream in item.get("streams", [item])}
    ]
    return source


def read_ok(*streams: str, **options: Any) -> EntrypointOutput:
    """Read streams that must come without an error."""
    output = read(*streams, **options)
    assert error_messages(output) == []
    return output


def records(output: EntrypointOutput, stream: str | None = None) -> list[dict[str, Any]]:
    """Return the records without the columns of change tracking."""
    return [
        {name: value for name, value in data.items() if not name.startswith("_ab_cdc_")}
        for data in messages(output, stream)
    ]


def messages(output: EntrypointOutput, stream: str | None = None) -> list[dict[str, Any]]:
    """Return the records with the columns of change tracking, and the tombstones."""
    return [record.data for record in records_of(output) if stream in (None, record.stream)]


def ids(output: EntrypointOutput, stream: str | None = None) -> list[str]:
    return sorted(record.get("id") or record["_id"] for record in records(output, stream))


def warnings(output: EntrypointOutput) -> list[str]:
    return [log.message for log in logs_of(output) if log.level is Level.WARN]


def failure(output: EntrypointOutput, stream: str) -> Any:
    """Return the error that the user sees for this stream: message, failure_type ..."""
    for error in errors_of(output):
        descriptor = error.stream_descriptor
        if descriptor is not None and descriptor.name == stream:
            return error
    raise AssertionError(f"{stream} did not fail: {output.errors}")


def statuses(output: EntrypointOutput, stream: str) -> list[str]:
    return [status.value for status in output.get_stream_statuses(stream)]


def final_state(output: EntrypointOutput, stream: str) -> AirbyteStateMessage:
    return [state for state in states_of(output) if stream_of(state) == stream][-1]


def state_of(stream: str, value: Mapping[str, Any]) -> AirbyteStateMessage:
    return AirbyteStateMessage(
        type=AirbyteStateType.STREAM,
        stream=AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=stream),
            stream_state=AirbyteStateBlob(value),
        ),
    )


# Change tracking ------------------------------------------------------------------------------


class Connection:
    """Syncs with change tracking that go on from each other's state, as Airbyte runs them.

    The first runs at `NOW`, each later one a day after the one before unless it says otherwise.

    Attributes:
        now: when the next sync runs if it is the first, else when the last one ran.
        states: the last state of each stream, None before the first sync.
    """

    def __init__(self, clock: FrozenDateTimeFactory, *streams: str, **settings: Any) -> None:
        self._clock = clock
        self._streams = streams
        self._settings = settings
        self.now = datetime.fromisoformat(NOW.replace("Z", "+00:00"))
        self.states: list[AirbyteStateMessage] | None = None

    def sync(self, *, hours: float = 24, fails: bool = False, **settings: Any) -> EntrypointOutput:
        """Run one sync, `hours` after the one before; `settings` replace those of the connection.

        With `fails` errors are allowed.
        """
        self._settings = {**self._settings, **settings}
        if self.states is not None:
            self.now += timedelta(hours=hours)
        # Waits have moved the clock.
        self._clock.move_to(self.now)
        output = self._read()
        if not fails:
            assert error_messages(output) == []
        known = {stream_of(state): state for state in self.states or []}
        for state in states_of(output):
            name = stream_of(state)
            known[name] = state_of(name, blob_of(state))
        self.states = list(known.values())
        return output

    def _read(self) -> EntrypointOutput:
        return read(
            *self._streams,
            with_config=config(**{"track_changes": True, **self._settings}),
            incremental=True,
            state=self.states,
        )


# How a test makes a connection: of the streams it names, with these settings.
Connect = Callable[..., Connection]


def blob_of(state: AirbyteStateMessage) -> dict[str, Any]:
    """Return the content of a state after it was text, as Airbyte stores it."""
    return cast(dict[str, Any], json.loads(json.dumps(content_of(state))))


def partitions_of(state: AirbyteStateMessage) -> list[tuple[str, ...]]:
    """Return the ids of the partitions in a state of change tracking."""
    blob = blob_of(state)
    return [*decode(blob["stream"], blob, dated=False).partitions]


def changes(output: EntrypointOutput, stream: str | None = None, key: str = "id") -> list[str]:
    """Return the keys of what a sync sent, sorted: `+key` for a record, `-key` for a tombstone."""
    return sorted(
        f"{'-' if '_ab_cdc_deleted_at' in message else '+'}{message[key]}"
        for message in messages(output, stream)
    )


def message_of(output: EntrypointOutput, identifier: str, key: str = "id") -> dict[str, Any]:
    """Return the one message that a sync sent for this key."""
    (found,) = [message for message in messages(output) if message[key] == identifier]
    return found


def gone() -> dict[str, Any]:
    """Return the answer for an entity that does not exist."""
    return {"status_code": 400, "json": error_body(501, "It doesn't belong to the workspace")}


def single_reads(clockify: Clockify, resource: str, of: str = WORKSPACE) -> list[str]:
    """Return the ids that were asked for one by one, in order."""
    prefix = f"/workspaces/{of}/{resource}/"
    paths = [urlsplit(request.url).path for request in clockify.sent(method="GET")]
    found = [path.split(prefix)[1] for path in paths if prefix in path]
    return [identifier for identifier in found if "/" not in identifier]
