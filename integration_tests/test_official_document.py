"""Every request of the connector is one that Clockify's OpenAPI document admits."""

import re
from collections.abc import Iterator

import pytest
import requests

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import CONNECTOR, MANIFEST_ALONE, config_of, read
from integration_tests.prism import (
    command_of_prism,
    mock_server,
    openapi_document,
    violations_of,
    what_is_missing,
)
from integration_tests.test_requests import LARGEST_PAGE, UNPAGED
from integration_tests.truth import today

MISSING = what_is_missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
# The document has neither. Where Clockify refuses the batch, entries are read one by one.
UNDOCUMENTED = r"/workspaces/[0-9a-f]{24}/(audit-log|time-entries/batch)"
START_DATE = f"{today().replace(day=1)}T00:00:00Z"
# What a later sync looks up by id.
DELETED = {
    "clients": "clients",
    "projects": "projects",
    "tasks": "tasks",
    "tags": "tags",
    "expenses": "expenses",
    "invoices": "invoices",
    "time_off_policies": "time-off-policies",
    "time_entries": "time-entries",
    "users": "users",
}


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    command, document = command_of_prism(), openapi_document()
    assert command
    assert document
    with mock_server(command, document) as url:
        yield url


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with start(users=3, entries=10, projects=3, tasks=2, days=20, plan="ENTERPRISE") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def sent(account: Sandbox) -> list[JSON]:
    """The requests of both layers, of the free plan, and of a sync that misses records."""
    config = config_of(account, start_date=START_DATE)
    account.clear_requests()
    read(MANIFEST_ALONE, config, in_process=True)
    read(CONNECTOR, {**config, "plan": "free"}, ["tasks"], in_process=True)
    first = read(CONNECTOR, config, sync_mode="incremental", in_process=True)
    workspace = account.workspaces[0]["id"]
    for stream, collection in DELETED.items():
        account.delete(workspace, collection, account.rows(stream)[-1]["id"])
    read(
        CONNECTOR,
        config,
        sync_mode="incremental",
        state=list(first.states.values()),
        in_process=True,
    )
    read(CONNECTOR, config_of(account), ["time_entries", "detailed_report"], in_process=True)
    account.settings(users_info="404")
    read(CONNECTOR, config, ["users"], in_process=True)
    return account.requests()


def test_requests_are_what_the_document_admits(prism: str, sent: list[JSON]) -> None:
    documented = [each for each in sent if not re.fullmatch(UNDOCUMENTED, each["path"])]
    different = {
        repr((each["method"], each["path"], each["query"], each["body"])): each
        for each in documented
    }
    with requests.Session() as session:
        found = {
            f"{each['method']} {each['path']}: {violation}"
            for each in different.values()
            for violation in violations_of(session, prism, each)
        }
    assert sorted(found) == []


def test_every_stream_has_sent_a_request(account: Sandbox, sent: list[JSON]) -> None:
    paths = {re.sub("[0-9a-f]{24}", "*", each["path"]) for each in sent}
    assert {*LARGEST_PAGE, *UNPAGED} <= paths


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"body": {"page": "x"}}, "request.body"),
        ({"path": "/workspaces/1/unheard-of"}, "404"),
        ({"method": "PUT"}, "405"),
    ],
)
def test_a_request_that_the_document_does_not_admit_is_found(
    prism: str, change: JSON, problem: str
) -> None:
    path = "/workspaces/64e777123456789012345678/scheduling/assignments/projects/totals"
    body = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    valid: JSON = {"method": "POST", "path": path, "query": {}, "body": body}
    with requests.Session() as session:
        assert violations_of(session, prism, valid) == []
        found = violations_of(session, prism, {**valid, **change})
    assert found
    assert problem in found[0]
