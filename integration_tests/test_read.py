"""Full refresh brings exactly what the workspaces hold, through both ways of installing it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from clockify_sandbox.more_records import STREAMS as FEATURE_OF
from clockify_sandbox.plans import has
from integration_tests.airbyte import (
    CONNECTOR,
    LAYERS,
    MANIFEST_ALONE,
    STREAMS,
    Layer,
    Output,
    config_of,
    discovered,
    read,
)
from integration_tests.contract import assert_suits_pubsub
from integration_tests.truth import (
    CLAMPED,
    TIMED,
    assert_complete,
    assert_same,
    expected,
    monday_of,
    today,
    with_path,
    without_ordinals,
    without_tracking,
)
from source_clockify.manifest_file import load_manifest
from unit_tests.strict import violations

PLANS = ("PRO", "ENTERPRISE", "FREE")
each_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start(users=4, entries=30, projects=4, tasks=2, plan=",".join(PLANS)) as server:
        for workspace in server.workspaces:
            webhook = server.rows("webhooks", workspaceId=workspace["id"])[0]["id"]
            log = {"webhookId": webhook, "respondedAt": ago(days=100)}
            server.create(workspace["id"], "webhook-logs", log)
            server.create(workspace["id"], "expenses", {"date": ago(days=-31)[:10]})
        yield server


def ago(days: float) -> str:
    """A moment so many days before now, as Clockify writes it."""
    moment = datetime.now(timezone.utc) - timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def outputs(sandbox: Sandbox) -> dict[Layer, Output]:
    """One read of everything by each layer, as commands with debug logs."""
    discovered()
    configs = {
        CONNECTOR: config_of(sandbox),
        # Named, so that the manifest alone knows since when to ask for reports.
        MANIFEST_ALONE: config_of(
            sandbox, workspace_ids=[each["id"] for each in sandbox.workspaces]
        ),
    }

    def read_all(layer: Layer) -> Output:
        return read(layer, configs[layer], arguments=["--debug"])

    with ThreadPoolExecutor() as pool:
        return dict(zip(LAYERS, pool.map(read_all, LAYERS), strict=True))


def test_both_layers_discover_the_streams_that_the_sandbox_knows() -> None:
    connector, manifest = (
        {
            stream["name"]: (
                stream["source_defined_primary_key"],
                without_tracking(stream["json_schema"]["properties"]),
            )
            for stream in discovered(layer)
        }
        for layer in (CONNECTOR, MANIFEST_ALONE)
    )
    # The connector's own stream, which asks Clockify for nothing.
    del connector["sync_log"]
    assert connector == manifest
    assert set(connector) == set(STREAMS)
    assert all(key for key, _ in connector.values())


@pytest.mark.parametrize("stream", STREAMS)
@each_layer
def test_every_stream_equals_the_sandbox(
    outputs: dict[Layer, Output], sandbox: Sandbox, layer: Layer, stream: str
) -> None:
    wanted = expected(sandbox, stream)
    assert wanted
    assert_read(layer, stream, outputs[layer].records[stream], wanted)


# A key that no schema can know.
OF_TOMORROW = "anUndocumentedSetting"


@pytest.mark.parametrize("stream", STREAMS)
def test_every_field_is_declared_with_its_type_at_any_depth(
    outputs: dict[Layer, Output], stream: str
) -> None:
    (schema,) = (each["json_schema"] for each in discovered(CONNECTOR) if each["name"] == stream)
    found = {
        violation
        for record in outputs[CONNECTOR].records[stream]
        for violation in violations(record, schema)
    }
    assert not [violation for violation in found if OF_TOMORROW not in violation]


def assert_read(layer: Layer, stream: str, records: list[JSON], wanted: list[JSON]) -> None:
    """As `assert_same`, but in the manifest alone equal events of the audit log share a key."""
    if (layer, stream) != (MANIFEST_ALONE, "audit_log"):
        assert_same(stream, records, wanted)
        return
    got, want = (
        Counter(json.dumps(record, sort_keys=True) for record in each)
        for each in (records, without_ordinals(wanted))
    )
    assert got == want


@each_layer
def test_every_stream_is_complete(outputs: dict[Layer, Output], layer: Layer) -> None:
    output = outputs[layer]
    assert output.returncode == 0
    assert output.errors == []
    assert output.statuses == dict.fromkeys(STREAMS, "COMPLETE")


@each_layer
def test_every_record_suits_pubsub(outputs: dict[Layer, Output], layer: Layer) -> None:
    output = outputs[layer]
    counts = {stream: len(records) for stream, records in output.records.items()}
    assert assert_suits_pubsub(output.text) == counts
    assert counts.keys() == {*STREAMS}


def test_equal_events_of_the_audit_log_have_keys_of_their_own(
    outputs: dict[Layer, Output],
) -> None:
    ids = [each["id"] for each in outputs[CONNECTOR].records["audit_log"]]
    assert {"2", "3"} <= {each.partition("-")[2] for each in ids}


# What a plan lacks


# What is refused for these is the list of their parents.
PARENTS = {"invoice_payments": "invoices", "time_off_balances": "time_off_policies"}
NEEDED_PLAN = r"needs? (the \w+|a paid) plan"


def gates(sandbox: Sandbox) -> set[tuple[str, str]]:
    """The streams and the workspaces whose plan lacks them."""
    features = {name: feature for name, (feature, _) in FEATURE_OF.items()}
    features["custom_fields"] = "CUSTOM_FIELDS"
    return {
        (stream, workspace["id"])
        for workspace, plan in zip(sandbox.workspaces, PLANS, strict=True)
        for stream, feature in features.items()
        if not has(plan, feature)
    }


def reported_skips(warnings: list[str]) -> dict[tuple[str, str], str]:
    """The reasons by stream and workspace; AssertionError unless a workspace has one warning.

    There must be no other warning but those that tell where reports begin, and the advice on the
    request budget.
    """
    found: dict[tuple[str, str], str] = {}
    workspaces = []
    for text in warnings:
        if text.startswith("Request Budget (plan) is paid"):
            continue
        if re.match(r".* begins? on \d{4}-\d\d-\d\d, (when|its first)", text):
            continue
        report = re.fullmatch(
            r"Workspace (\w{24})(?: \([^)]+\))?: These streams are skipped: (.+)\. "
            r"Everything else is read\.",
            text,
        )
        assert report, text
        workspaces.append(report[1])
        for group in re.split(r"; (?=[a-z_]+(?:, [a-z_]+)* \()", report[2]):
            streams, _, reason = group.removesuffix(")").partition(" (")
            for stream in streams.split(", "):
                assert (stream, report[1]) not in found
                found[stream, report[1]] = reason
    assert len(workspaces) == len(set(workspaces))
    return found


def test_what_a_plan_lacks_is_one_warning_for_each_workspace(
    outputs: dict[Layer, Output], sandbox: Sandbox
) -> None:
    warnings = outputs[CONNECTOR].warnings()
    skips = reported_skips(warnings)
    assert skips.keys() == gates(sandbox)
    for key, reason in skips.items():
        assert re.fullmatch(rf"Not included in its plan \w+\. It {NEEDED_PLAN}.*", reason), key
    pro, _, free = (each["id"] for each in sandbox.workspaces)
    assert {workspace for _, workspace in skips} == {pro, free}
    assert skips["custom_fields", free] == (
        "Not included in its plan FREE. It needs the Pro plan or higher"
    )
    assert skips["audit_log", pro].startswith("Not included in its plan PRO_YEAR_2021. ")
    names = {each["id"]: each["name"] for each in outputs[CONNECTOR].records["workspaces"]}
    for workspace in (pro, free):
        assert any(f"Workspace {workspace} ({names[workspace]}): " in text for text in warnings)


def test_what_clockify_refuses_is_one_warning_for_its_workspace(sandbox: Sandbox) -> None:
    free = sandbox.workspaces[2]["id"]
    gated = {(stream, workspace) for stream, workspace in gates(sandbox) if workspace == free}
    streams = [stream for stream, _ in gated]
    output = read(CONNECTOR, config_of(sandbox, workspace_ids=[free]), streams, in_process=True)
    assert_complete(output, sandbox, streams, [free])
    assert not any(output.records.values())
    skips = reported_skips(output.warnings())
    # Its projects are listed, and the fields of each are refused.
    of_projects = ("project_custom_fields", free)
    assert skips.keys() == gated - {of_projects}
    projects = len(sandbox.rows("projects", workspaceId=free))
    partly = f"skipped: project_custom_fields (refused requests: {projects}, such as: "
    assert partly in "".join(output.warnings())
    for (stream, _), reason in skips.items():
        assert re.search(f": {refusal_of(stream)}\\. .*{NEEDED_PLAN}", reason), stream


def refusal_of(stream: str) -> str:
    """What Clockify says to a workspace whose plan lacks a stream."""
    return "Forbidden" if stream == "audit_log" else "Access Denied"


def test_the_manifest_alone_says_what_a_plan_lacks_in_its_log(
    outputs: dict[Layer, Output], sandbox: Sandbox
) -> None:
    streams = load_manifest()["definitions"]
    said = [text for _, text in outputs[MANIFEST_ALONE].logs]
    for stream, workspace in gates(sandbox):
        needs = streams[f"{PARENTS.get(stream, stream)}_stream"]["$parameters"]["needs"]
        wanted = (f"/workspaces/{workspace}/", refusal_of(stream), needs)
        assert any(all(part in text for part in wanted) for text in said), stream


# Secrets


def is_debug(line: str) -> bool:
    return line.startswith('{"type": "DEBUG"')


@each_layer
def test_no_secret_is_in_any_line_or_schema(
    outputs: dict[Layer, Output], sandbox: Sandbox, layer: Layer
) -> None:
    secrets = {sandbox.api_key, sandbox.addon_token}
    for workspace in sandbox.workspaces:
        answer = sandbox.get(f"/workspaces/{workspace['id']}/webhooks").json()
        secrets |= {webhook["authToken"] for webhook in answer["webhooks"]}
    assert len(secrets) == 2 + 3 * len(PLANS)

    lines = outputs[layer].text.split("\n")
    bodies = [line for line in lines if is_debug(line) and "webhookEvent" in line]
    assert len(bodies) >= len(PLANS)
    others = [line for line in lines if not is_debug(line)]
    assert not any("authToken" in line for line in (*others, json.dumps(discovered(layer))))
    # The debug logs of the CDK hold whole answers, and only the connector can change those.
    for line in lines if layer is CONNECTOR else others:
        assert not [secret for secret in secrets if secret in line]


# Columns and windows


@each_layer
@pytest.mark.parametrize("stream", CLAMPED)
def test_the_cursor_is_the_start_but_never_later_than_the_sync(
    outputs: dict[Layer, Output], layer: Layer, stream: str
) -> None:
    now = {"weekly_report": f"{monday_of(today())}"}.get(stream, ago(days=0))
    records = outputs[layer].records[stream]
    # A day where the cursor is one.
    length = len(records[0]["cursor"])
    begins = [(record[CLAMPED[stream]][:length], record["cursor"]) for record in records]
    ahead = [cursor for begin, cursor in begins if begin > now[:length]]
    assert ahead
    assert max(ahead) <= now[:length]
    for begin, cursor in begins:
        if begin <= min(ahead):
            assert cursor == begin


WINDOWED = (
    "scheduling_assignments",
    "webhook_logs",
    "audit_log",
    "entity_changes_created",
    "entity_changes_updated",
    "entity_changes_deleted",
    "summary_report",
    "weekly_report",
    "attendance_report",
    "expense_report",
)


@each_layer
def test_start_date_cuts_every_stream_that_has_a_time(sandbox: Sandbox, layer: Layer) -> None:
    # A Thursday around which every stream has records.
    day = today() - timedelta(days=today().weekday() + 53)
    start_date = f"{day}T10:30:15Z"
    enterprise = [sandbox.workspaces[1]["id"]]
    config = config_of(sandbox, workspace_ids=enterprise, start_date=start_date)
    output = read(layer, config, WINDOWED, in_process=True)
    for stream in WINDOWED:
        wanted = expected(sandbox, stream, enterprise, start_date)
        assert 0 < len(wanted) < len(expected(sandbox, stream, enterprise)), stream
        assert_read(layer, stream, output.records[stream], wanted)


@each_layer
def test_assignments_are_read_as_far_ahead_as_the_horizon(sandbox: Sandbox, layer: Layer) -> None:
    days = 10
    config = config_of(sandbox, horizon_days=days)
    output = read(layer, config, ["scheduling_assignments"], in_process=True)
    last = datetime.now(timezone.utc) + timedelta(days=days)
    everything = expected(sandbox, "scheduling_assignments")
    wanted = [each for each in everything if each["periodStart"] <= last.isoformat()]
    assert 0 < len(wanted) < len(everything)
    assert_same("scheduling_assignments", output.records["scheduling_assignments"], wanted)


def test_more_than_a_hundred_users_are_all_listed() -> None:
    with start(users=103, entries=0, projects=0, tasks=0) as server:
        output = read(CONNECTOR, config_of(server), ["users"], in_process=True)
        assert_complete(output, server, ["users"])
        assert len(output.records["users"]) == 103


# Time zones


ZONES = ("Pacific/Auckland", "America/New_York")


@pytest.fixture(scope="module", params=ZONES)
def distant(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An account in another time zone, with enough entries for every awkward time."""
    with start(users=4, entries=60, projects=2, tasks=1, time_zone=request.param) as server:
        yield server


@each_layer
def test_the_time_zone_of_the_account_changes_nothing(distant: Sandbox, layer: Layer) -> None:
    streams = (*TIMED, "time_entries_in_progress")
    # Named, so that the manifest alone knows since when to ask for reports.
    config = config_of(distant, workspace_ids=[distant.workspaces[0]["id"]])
    output = read(layer, config, streams, in_process=True)
    assert_complete(output, distant, streams)


def starts(records: list[JSON]) -> list[str]:
    return sorted({record["start"] for record in records})


@each_layer
def test_start_date_cuts_at_its_second_whatever_the_zone(distant: Sandbox, layer: Layer) -> None:
    seconds_later = ZONES.index(distant.settings()["time_zone"])
    everything = {stream: expected(distant, stream) for stream in TIMED}
    # In the middle of a day: in one zone the start of an entry, in the other the second after it.
    first = next(each for each in starts(everything["time_entries"])[20:] if "T00" not in each)
    moment = datetime.fromisoformat(first.replace("Z", "+00:00")).timestamp() + seconds_later
    start_date = datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    output = read(layer, config_of(distant, start_date=start_date), TIMED, in_process=True)

    for stream, records in everything.items():
        wanted = [record for record in records if record["start"] >= start_date]
        assert 0 < len(wanted) < len(records)
        assert (first in starts(wanted)) is (seconds_later == 0)
        assert_same(stream, output.records[stream], wanted)


# Other configurations


@each_layer
def test_the_free_plan_reads_the_same_tasks(sandbox: Sandbox, layer: Layer) -> None:
    output = read(layer, config_of(sandbox, plan="free"), ["tasks"], in_process=True)
    assert_complete(output, sandbox, ["tasks"])


@each_layer
def test_workspace_ids_select_workspaces(sandbox: Sandbox, layer: Layer) -> None:
    wanted = [sandbox.workspaces[1]["id"]]
    streams = ["workspaces", "users", "tasks", "time_entries"]
    output = read(layer, config_of(sandbox, workspace_ids=wanted), streams, in_process=True)
    assert_complete(output, sandbox, streams, wanted)


CLOSED_TO_ADDONS = ("webhooks", "webhook_logs", "audit_log")


@each_layer
def test_an_addon_token_reads_its_workspace(sandbox: Sandbox, layer: Layer) -> None:
    wanted = [sandbox.workspaces[0]["id"]]
    config = config_of(sandbox, workspace_ids=wanted)
    config["credentials"] = {"auth_type": "addon_token", "addon_token": sandbox.addon_token}
    config["start_date"] = start_date = ago(days=60)
    sandbox.clear_requests()
    output = read(layer, config, in_process=True)
    open_streams = [stream for stream in STREAMS if stream not in CLOSED_TO_ADDONS]
    assert_complete(output, sandbox, open_streams, wanted, start_date)
    for stream in CLOSED_TO_ADDONS:
        assert output.statuses[stream] == "COMPLETE"
        assert not output.records[stream]
    if layer is CONNECTOR:
        skips = reported_skips(output.warnings())
        assert skips.keys() == {(stream, wanted[0]) for stream in CLOSED_TO_ADDONS}
        for stream in ("webhooks", "webhook_logs"):
            assert "Give the add-on this scope" in skips[stream, wanted[0]]
        assert skips["audit_log", wanted[0]] == (
            "Clockify does not let add-ons read the audit log. Use an API key (credentials.api_key)"
        )
    requests = sandbox.requests()
    assert {request["auth"] for request in requests} == {"addon_token"}
    assert with_path(requests, "/workspaces/*/audit-log") == []


@each_layer
def test_the_configuration_of_the_older_connector_still_works(
    sandbox: Sandbox, layer: Layer
) -> None:
    wanted = [sandbox.workspaces[1]["id"]]
    older: dict[str, Any] = {
        "api_key": sandbox.api_key,
        "workspace_id": wanted[0],
        "api_url": sandbox.url,
    }
    streams = ["users", "projects", "tasks", "tags", "time_entries"]
    output = read(layer, older, streams, in_process=True)
    assert_complete(output, sandbox, streams, wanted)
