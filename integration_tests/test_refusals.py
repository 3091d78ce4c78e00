"""Servers that refuse, differ and break: what they have is read, and the rest said in words."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from clockify_sandbox.timetext import utc_text
from integration_tests.airbyte import (
    CONNECTOR,
    LAYERS,
    STREAMS,
    Layer,
    Output,
    catalog,
    config_of,
    key_of,
    read,
)
from integration_tests.consumer import Key
from integration_tests.frozen import Clock
from integration_tests.truth import (
    EVENTS,
    assert_complete,
    assert_same,
    create_many,
    expected,
    with_path,
)

NOW = datetime(2026, 11, 3, 9, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
START_DATE = "2026-10-20T00:00:00Z"

# What a FREE workspace lacks.
GATED = (
    "approval_requests",
    "attendance_report",
    "audit_log",
    "custom_fields",
    "expense_categories",
    "expense_report",
    "expenses",
    "holidays",
    "invoice_details",
    "invoice_payments",
    "invoice_settings",
    "invoices",
    "project_custom_fields",
    "scheduling_assignments",
    "scheduling_project_totals",
    "scheduling_user_totals",
    "shared_reports",
    "time_off_balances",
    "time_off_policies",
    "time_off_requests",
)
REPORTS_OF_TIME = ("attendance_report", "detailed_report", "summary_report", "weekly_report")
WORKERS = 2
OF_USERS = ("member_profiles", "time_entries", "users")


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    options: dict[str, Any] = {"users": 10, "entries": 3, "projects": 2, "tasks": 1, "days": 10}
    with start(plan="ENTERPRISE,FREE", now=utc_text(int(NOW.timestamp())), **options) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox, clock: Clock) -> Sandbox:
    """Two workspaces, the first with every feature and the second with few; waits take no time."""
    server.reset()
    clock.set(NOW)
    return server


@pytest.fixture
def rich(sandbox: Sandbox) -> str:
    return sandbox.workspaces[0]["id"]


@pytest.fixture
def poor(sandbox: Sandbox) -> str:
    return sandbox.workspaces[1]["id"]


def sync(
    sandbox: Sandbox, streams: Collection[str], *, layer: Layer = CONNECTOR, **more: Any
) -> Output:
    """Read whole, both workspaces unless others are named."""
    named = [each["id"] for each in sandbox.workspaces]
    config = config_of(sandbox, **{"workspace_ids": named, "start_date": START_DATE, **more})
    return read(layer, config, streams, in_process=True)


def warnings_of(output: Output, workspace: str) -> list[str]:
    """The warnings about a workspace, without URLs and the advice on the request budget."""
    return [
        re.sub(r"https?://\S+", "", text)
        for text in output.warnings()
        if workspace in text and not text.startswith("Request Budget (plan) is paid")
    ]


def names(text: str, stream: str) -> bool:
    return re.search(rf"(?<![\w/]){stream}(?!\w)", text) is not None


# Plans


@pytest.mark.parametrize("way", ["401", "402", "403", "400_4033", "empty_403"])
def test_what_the_plan_lacks_is_one_warning_and_all_else_is_read(
    sandbox: Sandbox, rich: str, poor: str, way: str
) -> None:
    sandbox.settings(plan_refusal=way)
    # The errors of the audit log have no code.
    streams = [each for each in STREAMS if way != "400_4033" or each != "audit_log"]
    output = sync(sandbox, streams)
    assert_complete(output, sandbox, streams, start_date=START_DATE)
    assert warnings_of(output, rich) == []
    (warning,) = warnings_of(output, poor)
    assert [stream for stream in streams if names(warning, stream)] == [
        stream for stream in streams if stream in GATED
    ]
    assert warning.count("plan") >= len({"Pro", "Standard", "Enterprise", "paid"})
    statuses = {request["status"] for request in sandbox.requests() if poor in request["path"]}
    assert int(re.sub(r"\D.*", "", way.removeprefix("empty_"))) in statuses


@pytest.mark.parametrize("way", ["401", "402", "403", "400_4033"])
def test_the_manifest_alone_reads_what_the_plan_has(sandbox: Sandbox, way: str) -> None:
    sandbox.settings(plan_refusal=way)
    streams = ("custom_fields", "invoice_payments", "expense_report", "tags", "time_entries")
    output = sync(sandbox, streams, layer=LAYERS[1])
    assert output.statuses == dict.fromkeys(streams, "COMPLETE"), output.errors
    for stream in streams:
        assert_same(stream, output.records[stream], expected(sandbox, stream, (), START_DATE))


def test_a_refusal_without_a_reason_fails_what_every_plan_has(
    sandbox: Sandbox, rich: str, poor: str
) -> None:
    sandbox.fault({"status": 403, "body": None}, path=f"/workspaces/{poor}/tags")
    output = sync(sandbox, ["clients", "tags"])
    assert output.statuses == {"clients": "COMPLETE", "tags": "INCOMPLETE"}
    assert output.returncode == 1
    assert_same("tags", output.records["tags"], expected(sandbox, "tags", [rich]))
    assert f"/workspaces/{poor}/tags" in output.errors_of("tags")[0]


def test_a_refusal_without_a_reason_fails_what_the_plan_has(sandbox: Sandbox, rich: str) -> None:
    sandbox.fault({"status": 403, "body": None}, path=f"/workspaces/{rich}/holidays")
    output = sync(sandbox, ["holidays"])
    assert output.statuses == {"holidays": "INCOMPLETE"}


# Amounts


AMOUNTS = {"amount", "rate", "earnedAmount", "earnedRate", "costAmount", "costRate", "totalAmount"}


def hidden(value: Any) -> Any:
    if isinstance(value, list):
        return [hidden(each) for each in value]
    if not isinstance(value, dict):
        return value
    lists: JSON = {"amounts": [], "totalAmountByCurrency": []}
    return {
        name: lists.get(name, hidden(each)) for name, each in value.items() if name not in AMOUNTS
    }


def test_a_managers_reports_lack_only_amounts_and_a_warning_says_so(
    sandbox: Sandbox, rich: str
) -> None:
    # So that every report takes several requests.
    start_date = "2026-08-20T00:00:00Z"
    manager = {"auth_type": "api_key", "api_key": sandbox.info()["keys"]["manager"]}
    output = sync(
        sandbox,
        REPORTS_OF_TIME,
        credentials=manager,
        workspace_ids=[rich],
        start_date=start_date,
        num_workers=WORKERS,
    )
    assert output.statuses == dict.fromkeys(REPORTS_OF_TIME, "COMPLETE"), output.errors
    assert output.returncode == 0
    for stream in REPORTS_OF_TIME:
        whole = expected(sandbox, stream, [rich], start_date)
        assert stream == "attendance_report" or hidden(whole) != whole
        assert_same(stream, output.records[stream], hidden(whole))
    (warning,) = warnings_of(output, rich)
    assert "mounts" in warning
    assert [stream for stream in REPORTS_OF_TIME if names(warning, stream)] == [*REPORTS_OF_TIME]
    sent = with_path(sandbox.requests(), "/workspaces/*/reports/[a-z]+")
    for path in {each["path"] for each in sent}:
        of_report = [each for each in sent if each["path"] == path]
        statuses = [each["status"] for each in of_report]
        # One of each thread, before the first is answered.
        assert 1 <= statuses.count(403) <= WORKERS, path
        last = len(statuses) - statuses[::-1].index(403)
        assert {each["body"].get("amountShown") for each in of_report[last:]} == {"HIDE_AMOUNT"}
    assert len(sent) > 4 * len(REPORTS_OF_TIME)


# Users


@pytest.mark.parametrize("search", ["404", "405"])
@pytest.mark.parametrize("way", ["csv", "single", "ignored", "refused"])
def test_users_are_listed_where_they_cannot_be_searched(
    sandbox: Sandbox, search: str, way: str
) -> None:
    sandbox.settings(users_info=search, account_statuses=way)
    workspaces = [each["id"] for each in sandbox.workspaces]

    output = sync(sandbox, OF_USERS)

    assert output.statuses == dict.fromkeys(OF_USERS, "COMPLETE"), output.errors
    assert output.returncode == 0
    limited = {row["id"] for row in sandbox.rows("users") if row["status"] == "LIMITED"}
    assert limited
    unlisted = limited if way in ("ignored", "refused") else set()
    for stream in OF_USERS:
        for workspace in workspaces:
            said = [text for text in warnings_of(output, workspace) if names(text, stream)]
            assert bool(said) == bool(unlisted), stream
            assert all("imited members" in text for text in said)
        user = "id" if stream == "users" else "userId"
        there = expected(sandbox, stream, (), START_DATE)
        assert any(row[user] in limited for row in there), stream
        listed = [row for row in there if row[user] not in unlisted]
        assert_same(stream, output.records[stream], listed)
    for workspace in workspaces:
        asked = with_path(sandbox.requests(), f"/workspaces/{workspace}/users/info")
        assert [each["method"] for each in asked] == ["POST"]


@pytest.mark.parametrize("way", ["csv", "single", "ignored", "refused"])
def test_users_who_can_be_searched_are_all_there(sandbox: Sandbox, way: str) -> None:
    sandbox.settings(account_statuses=way)
    output = sync(sandbox, OF_USERS)
    assert_complete(output, sandbox, OF_USERS, start_date=START_DATE)
    assert output.warnings() == []
    assert with_path(sandbox.requests(), "/workspaces/*/users") == []


# Rules


RULES = {
    "a user": "USER 64e777123456789012345678 doesn't belong to PROJECT 64e777123456789012345679",
    "a page size": "Page size must be greater than 0",
    "a range": "Start date cannot be after end date",
}
RULED = ("detailed_report", "member_profiles", "tags", "tasks", "time_entries")
RULED_PATHS = (
    "/member-profile/[0-9a-f]{24}|/projects/[0-9a-f]{24}(/tasks(/[0-9a-f]{24})?)?|/reports/detailed"
    "|/tags(/[0-9a-f]{24})?|/time-entries/(batch|[0-9a-f]{24})|/user/[0-9a-f]{24}/time-entries"
)


def incremental(sandbox: Sandbox, streams: Collection[str], state: Any = None) -> Output:
    config = config_of(sandbox, start_date=START_DATE)
    return read(CONNECTOR, config, streams, sync_mode="incremental", state=state, in_process=True)


def tombstones(output: Output, stream: str) -> set[Key]:
    return {key_of(stream, row) for row in output.records[stream] if "_ab_cdc_deleted_at" in row}


@pytest.mark.parametrize("rule", RULES)
def test_a_violated_rule_is_no_deletion(
    sandbox: Sandbox, clock: Clock, rich: str, rule: str
) -> None:
    first = incremental(sandbox, RULED)
    assert first.errors == []
    body = {"message": RULES[rule], "code": 501}
    sandbox.fault({"status": 400, "body": body}, path=f"/workspaces/{rich}({RULED_PATHS})")
    clock.set(NOW + 2 * HOUR)

    output = incremental(sandbox, RULED, first.state)

    for stream in RULED:
        assert tombstones(output, stream) == set()
        named = any(names(text, stream) for text in warnings_of(output, rich))
        assert output.statuses[stream] == "INCOMPLETE" or named, stream
    assert not [text for text in output.warnings() if "disappeared" in text]


@pytest.mark.parametrize("rule", RULES)
def test_a_violated_rule_proves_nothing_of_what_a_list_lacks(
    sandbox: Sandbox, clock: Clock, rich: str, rule: str
) -> None:
    streams = ("clients", "projects", "tags", "tasks", "time_entries")
    first = incremental(sandbox, streams)
    missing = {stream: sandbox.rows(stream, workspaceId=rich)[0]["id"] for stream in streams}
    sandbox.fault({"omit": [*missing.values()]})
    body = {"message": RULES[rule], "code": 501}
    single = f"/workspaces/{rich}/.*({'|'.join(missing.values())}|time-entries/batch)"
    sandbox.fault({"status": 400, "body": body}, path=single)
    clock.set(NOW + 2 * HOUR)

    output = incremental(sandbox, streams, first.state)

    for stream in streams:
        assert tombstones(output, stream) == set(), stream


# Feeds


FEEDS = ("webhook_logs", *EVENTS)


def test_feeds_with_short_pages_are_read_to_the_end(sandbox: Sandbox, rich: str) -> None:
    create_many(sandbox, rich, "tags", [{"name": f"tag {number}"} for number in range(120)])
    webhook = sandbox.rows("webhooks", workspaceId=rich)[0]["id"]
    create_many(sandbox, rich, "webhook-logs", [{"webhookId": webhook}] * 60)
    sandbox.advance(600)
    sandbox.settings(short_feeds=3)
    sandbox.clear_requests()

    output = sync(sandbox, FEEDS, workspace_ids=[rich])

    assert_complete(output, sandbox, FEEDS, [rich], START_DATE)
    for stream, end in (
        ("webhook_logs", "logs"),
        ("audit_log", "audit-log"),
        ("entity_changes_created", "created"),
    ):
        sizes = [each["rows"] for each in sandbox.requests() if each["path"].endswith(end)]
        assert 47 in sizes, stream
        assert max(sizes) == 47, stream


def test_changes_of_the_official_types_are_read_where_others_are_refused(
    sandbox: Sandbox, rich: str
) -> None:
    sandbox.settings(change_types="official")
    streams = [stream for stream in EVENTS if stream.startswith("entity_changes_")]
    tag = sandbox.rows("tags", workspaceId=rich)[0]["id"]
    sandbox.delete(rich, "tags", tag)
    sandbox.advance(600)

    output = sync(sandbox, streams, workspace_ids=[rich])

    assert output.statuses == dict.fromkeys(streams, "COMPLETE"), output.errors
    assert output.returncode == 0
    (warning,) = warnings_of(output, rich)
    assert "TIME_ENTRY_CUSTOM_FIELD_VALUE" in warning
    for stream in streams:
        assert names(warning, stream)
        official = [
            row
            for row in expected(sandbox, stream, [rich], START_DATE)
            if row["documentCode"] in warning
        ]
        assert official
        assert_same(stream, output.records[stream], official)
    refused = [each for each in sandbox.requests() if each["status"] == 400]
    assert len(refused) <= len(streams)


def test_the_audit_log_comes_in_an_envelope_and_with_the_systems_events(
    sandbox: Sandbox, rich: str
) -> None:
    sandbox.settings(audit_envelope="response")
    config = config_of(sandbox, workspace_ids=[rich])
    output = read(CONNECTOR, config, ["audit_log"], in_process=True)
    assert_complete(output, sandbox, ["audit_log"], [rich])
    assert [row for row in output.records["audit_log"] if "SYSTEM" in json.dumps(row)]


def test_an_add_on_does_not_ask_for_the_audit_log(sandbox: Sandbox, rich: str) -> None:
    token = next(
        each["token"] for each in sandbox.info()["addon_tokens"] if each["workspaceId"] == rich
    )
    credentials = {"auth_type": "addon_token", "addon_token": token}
    output = sync(sandbox, ["audit_log", "tags"], credentials=credentials, workspace_ids=[rich])
    assert_same("tags", output.records["tags"], expected(sandbox, "tags", [rich]))
    assert output.records["audit_log"] == []
    assert output.returncode == 0
    assert [each for each in sandbox.requests() if each["host"] == "auditlog"] == []
    (warning,) = warnings_of(output, rich)
    assert names(warning, "audit_log")


# Poison


def test_a_byte_order_mark_is_skipped(sandbox: Sandbox) -> None:
    sandbox.fault({"prefix_bom": True}, path=".*/(tags|user/.*)")
    streams = ("tags", "time_entries")
    output = sync(sandbox, streams)
    assert_complete(output, sandbox, streams, start_date=START_DATE)


def test_half_a_character_is_replaced_and_everything_else_is_read(
    sandbox: Sandbox, rich: str
) -> None:
    owner = sandbox.info()["users"]["owner"]
    entry = sandbox.create(
        rich, "time-entries", {"userId": owner, "description": "half a smile: HALF, the end"}
    )["id"]
    replaced = ["half a smile: HALF", "half a smile: \\ud83d"]
    sandbox.fault({"replace": replaced}, path=".*/(time-entries|reports/detailed)")
    streams = ("detailed_report", "time_entries")

    output = sync(sandbox, streams)

    assert output.statuses == dict.fromkeys(streams, "COMPLETE"), output.errors
    for stream in streams:
        there = expected(sandbox, stream, (), START_DATE)
        for row in there:
            if entry in (row.get("id"), row.get("_id")):
                row["description"] = "half a smile: \ufffd, the end"
        assert_same(stream, output.records[stream], there)


@pytest.mark.parametrize("number", [2**64, 2**64 + 1, 10**30 + 7, -(2**70) - 1])
def test_a_huge_integer_keeps_all_its_digits(sandbox: Sandbox, number: int) -> None:
    sandbox.fault(
        {"replace": ['"archived":false', f'"archived":false,"huge":{number}']}, path=".*/tags"
    )
    output = sync(sandbox, ["tags"])
    assert output.statuses == {"tags": "COMPLETE"}
    found = [row["huge"] for row in output.records["tags"] if "huge" in row]
    assert found
    assert {*found} == {number}
    assert re.search(rf'"huge": ?{number}\b', output.text)


def test_nine_hundred_brackets_fail_in_words(sandbox: Sandbox) -> None:
    nested = '"archived":' + "[" * 900 + "]" * 900
    sandbox.fault({"replace": ['"archived":false', nested]}, path=".*/tags")
    output = sync(sandbox, ["clients", "tags"])
    assert output.statuses == {"clients": "COMPLETE", "tags": "INCOMPLETE"}
    assert output.returncode == 1
    assert "nested more than 100 levels deep" in output.errors_of("tags")[0]


@pytest.mark.parametrize("row", [None, 5, "text", []])
@pytest.mark.parametrize(
    ("stream", "path"),
    [("tags", "tags"), ("expenses", "expenses"), ("invoices", "invoices"), ("tasks", "projects")],
)
def test_rows_that_are_no_objects_fail_in_words(
    sandbox: Sandbox, rich: str, stream: str, path: str, row: Any
) -> None:
    sandbox.fault({"rows": [{"id": "64e777123456789012345678"}, row]}, path=f".*/{rich}/{path}")
    output = sync(sandbox, [stream], workspace_ids=[rich])
    assert output.statuses == {stream: "INCOMPLETE"}
    assert "something other than an object: row 2" in output.errors_of(stream)[0]


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_body_that_is_cut_off_fails_with_the_position(sandbox: Sandbox, part: float) -> None:
    sandbox.fault({"truncate": part}, path=".*/tags")
    output = sync(sandbox, ["tags"])
    assert output.statuses == {"tags": "INCOMPLETE"}
    found = re.search(r"breaks at character (\d+) of (\d+)", output.errors_of("tags")[0])
    assert found
    assert 0 < int(found[1]) <= int(found[2])


# What Linux says of resources includes the process that started this one.
MEASURED = """
import re, resource, sys
from pathlib import Path
from source_clockify.run import main
try:
    sys.exit(main(sys.argv[1:]))
finally:
    if sys.platform == "linux":
        peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak: {peak}", file=sys.stderr, flush=True)
"""


def test_a_body_that_swells_fails_in_words_and_leaves_the_memory_alone(
    sandbox: Sandbox, rich: str, tmp_path: Path
) -> None:
    sandbox.fault({"gzip_bomb": 300}, path=".*/tags")
    files = {"config": config_of(sandbox, workspace_ids=[rich]), "catalog": catalog(["tags"])}
    command = [sys.executable, "-c", MEASURED, "read"]
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
        command += [f"--{name}", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "larger than 256 MB" in done.stdout
    (kilobytes,) = re.findall(r"peak: (\d+)", done.stderr)
    assert int(kilobytes) < 1_000_000


# Waits


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[float]:
    """How long was waited, those waits left out with which threads look for each other."""
    move = time.sleep
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds > 0.1:
            waited.append(seconds)
        move(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    return waited


def limit_once(sandbox: Sandbox, retry_after: str) -> None:
    body = {"message": "Too many requests"}
    headers = {"Retry-After": retry_after}
    sandbox.fault({"status": 429, "body": body, "headers": headers}, path=".*/tags", times=1)


@pytest.mark.parametrize(
    "retry_after", ["-5", "soon", "", format_datetime(NOW - HOUR, usegmt=True)]
)
def test_a_wait_that_means_nothing_is_no_obstacle(
    sandbox: Sandbox, rich: str, waits: list[float], retry_after: str
) -> None:
    limit_once(sandbox, retry_after)
    output = sync(sandbox, ["tags"], workspace_ids=[rich])
    assert_complete(output, sandbox, ["tags"], [rich])
    assert waits
    assert max(waits) < 120


@pytest.mark.parametrize(
    "retry_after", ["30", format_datetime(NOW + timedelta(seconds=30), usegmt=True)]
)
def test_a_wait_of_thirty_seconds_is_kept_as_number_and_as_date(
    sandbox: Sandbox, rich: str, waits: list[float], retry_after: str
) -> None:
    limit_once(sandbox, retry_after)
    output = sync(sandbox, ["tags"], workspace_ids=[rich])
    assert_complete(output, sandbox, ["tags"], [rich])
    assert [each for each in waits if 28 <= each <= 33]
    assert max(waits) <= 33


# Hidden from its list


@pytest.mark.parametrize(
    ("stream", "collection"),
    [("clients", "clients"), ("projects", "projects"), ("tags", "tags"), ("tasks", "tasks")],
)
def test_an_edit_of_what_its_list_hides_is_sent_once(
    sandbox: Sandbox, clock: Clock, rich: str, stream: str, collection: str
) -> None:
    first = incremental(sandbox, [stream])
    assert first.errors == []
    row = sandbox.rows(stream, workspaceId=rich)[0]
    sandbox.fault({"omit": [row["id"]]})
    sandbox.update(rich, collection, row["id"], {"name": "edited while hidden"})
    state, sent = first.state, []
    # The last two syncs have nothing to resend any more.
    for hours in (2, 4, 6, 8):
        clock.set(NOW + hours * HOUR)
        output = incremental(sandbox, [stream], state)
        assert output.statuses == {stream: "COMPLETE"}, output.errors
        assert tombstones(output, stream) == set()
        mine = [each for each in output.records[stream] if each["id"] == row["id"]]
        assert output.records[stream] == mine
        sent.append([(each["name"], each["_ab_cdc_updated_at"]) for each in mine])
        state = output.state
    ((name, version),) = sent[0]
    assert name == "edited while hidden"
    assert sent[1:] == [[(name, version)], [], []]
