"""`source-clockify probe` against the sandbox: every line, every switch, and nothing personal."""

import io
import json
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import CONNECTOR, STREAMS, config_of, read
from source_clockify.change_tracking.state import decode, encode
from source_clockify.probe.catalogue import LINES
from source_clockify.probe.client import Client, Request, WritingRequest, is_read
from source_clockify.probe.command import main
from source_clockify.probe.comparison import STREAM
from source_clockify.probe.redaction import KNOWN_VALUES

MATCHES, DIFFERS = "matches", "differs"
UNTESTABLE, NO_ANSWER, NOT_ASKED = (
    "cannot be tested on this account",
    "could not be asked",
    "not asked",
)


@dataclass(frozen=True)
class Survey:
    """What a run printed and wrote."""

    code: int
    out: str
    err: str
    report: JSON

    @property
    def verdicts(self) -> dict[str, str]:
        return {line["id"]: line["verdict"] for line in self.report["lines"]}

    def of(self, verdict: str) -> set[str]:
        return {name for name, each in self.verdicts.items() if each == verdict}

    @property
    def text(self) -> str:
        return self.out + self.err + json.dumps(self.report)


def survey(folder: Path, config: JSON, *arguments: str) -> Survey:
    path, output = folder / "config.json", folder / "report.json"
    path.write_text(json.dumps(config))
    output.unlink(missing_ok=True)
    out, err = io.StringIO(), io.StringIO()
    code = main(["--config", str(path), "--output", str(output), *arguments], out, err)
    report = json.loads(output.read_text()) if output.exists() else {"lines": []}
    return Survey(code, out.getvalue(), err.getvalue(), report)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # Few entries, so that the detailed report of 31 days fits on the smaller page of a probe.
    with start(plan="ENTERPRISE", users=12, entries=30) as started:
        yield started


@pytest.fixture(scope="module")
def whole(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    sandbox.clear_requests()
    return survey(tmp_path_factory.mktemp("probe"), config_of(sandbox))


# Switch and value, and the lines that then differ or cannot be told.
Flip = tuple[str, Any, set[str], set[str]]
FLIPS: tuple[Flip, ...] = (
    ("batch_route", "404", {"batch-route"}, {"batch-missing", "batch-size"}),
    ("batch_route", "405", {"batch-route"}, {"batch-missing", "batch-size"}),
    ("batch_max", 50, {"batch-size"}, set()),
    ("batch_missing", "omit", {"batch-missing"}, set()),
    ("running_in_reports", False, {"report-running"}, set()),
    ("invoicing_info", "list", {"report-invoicing"}, set()),
    ("invoicing_info", "absent", {"report-invoicing"}, set()),
    ("report_last_page", False, {"report-last-page"}, set()),
    ("hydrated_done", False, {"tasks-hydrated-done"}, set()),
    (
        "hydrated",
        "without_tasks",
        {"tasks-hydrated"},
        {"tasks-hydrated-done", "tasks-hydrated-fields"},
    ),
    ("hydrated", "refused", {"tasks-hydrated"}, {"tasks-hydrated-done", "tasks-hydrated-fields"}),
    ("deleted_user_profile", "answered", {"removed-user-profile"}, set()),
    ("deleted_user_entries", "answered", {"removed-user-entries"}, set()),
    ("deleted_user_entries", "empty", {"removed-user-entries"}, set()),
    ("change_days", 30, {"change-window"}, set()),
    # 31 days reach further back than 30, too.
    ("change_retention", 30, {"change-retention", "change-window"}, set()),
    ("change_page_max", 50, {"change-page"}, set()),
    ("change_types", "official", {"change-types"}, set()),
    ("audit_days", 30, {"audit-window"}, set()),
    ("audit_system", "always", {"audit-system"}, set()),
    # No event by SYSTEM is no proof that there never is one.
    ("audit_system", "never", set(), {"audit-system"}),
    ("audit_without_authors", "everybody", {"audit-without-authors"}, set()),
    ("audit_envelope", "response", {"audit-envelope"}, set()),
    ("approvals_default", "pending", {"approvals-default"}, set()),
    ("categories_default", "all", {"categories-default"}, set()),
    ("shared_reports_all_admin", "refused", {"shared-reports-admin"}, set()),
    ("summary_day", "id", {"summary-day"}, set()),
    # A batch with an unknown id is answered like that id alone.
    ("missing_entity", "404", {"missing-entity", "batch-missing"}, set()),
    ("hide_amount", "refused", {"report-amounts"}, set()),
    ("report_sorts_by_date", False, {"report-sort"}, set()),
    ("report_year_one", "refused", {"report-year-one"}, set()),
    ("report_since_2000", "refused", {"report-since-2000"}, set()),
    ("assignments_year_one", "refused", {"assignments-year-one"}, set()),
    ("entry_window", "utc", {"entry-window-zone"}, set()),
    ("entry_end", "inclusive", {"entry-window-end"}, set()),
    ("empty_client", None, {"client-less-project"}, set()),
    ("attendance_max", 200, {"attendance-page"}, set()),
    ("feature_names", "absent", {"plan-names"}, set()),
    (
        "users_info",
        "404",
        {"users-search"},
        {
            "users-search-page",
            "users-listing-default",
            "users-one-status",
            "users-several-statuses",
            "removed-user-profile",
            "removed-user-entries",
        },
    ),
    ("users_info_max", 200, {"users-search-page"}, set()),
    ("account_statuses", "single", {"users-several-statuses"}, set()),
    ("account_statuses", "ignored", {"users-one-status", "users-several-statuses"}, set()),
    ("account_statuses", "refused", {"users-one-status", "users-several-statuses"}, set()),
    ("oversize", "clamp", {"page-size-5001", "report-page-1001"}, set()),
    ("last_page", "omit", {"last-page-header", "report-last-page"}, set()),
    ("tasks_without_done", True, {"tasks-done"}, {"tasks-hydrated-done"}),
    ("report_offset", "Europe/Belgrade", {"report-zone"}, set()),
    ("report_end", "exclusive", {"report-end"}, set()),
    ("report_max_page_size", 200, {"report-page-1000"}, set()),
    ("report_max_page_size", 5000, {"report-page-1001"}, set()),
)


def test_an_account_like_the_sandbox_differs_nowhere(whole: Survey) -> None:
    assert whole.code == 0
    assert whole.of(DIFFERS) == set(), whole.out
    assert not whole.of(NO_ANSWER) | whole.of(NOT_ASKED), whole.out
    assert {line["id"] for line in whole.report["lines"]} == {line.id for line in LINES}


def test_a_survey_sends_60_requests_at_most_and_all_of_them_are_reads(
    sandbox: Sandbox, whole: Survey, tmp_path: Path
) -> None:
    sandbox.clear_requests()
    again = survey(tmp_path, config_of(sandbox))
    sent = sandbox.requests()
    assert len(sent) == again.report["requests"] <= 60
    assert "at most 60 requests" in again.err
    assert all(is_read(each["method"], each["path"]) for each in sent)


@pytest.mark.parametrize("flip", FLIPS, ids=[f"{flip[0]}={flip[1]}" for flip in FLIPS])
def test_each_switch_shows_in_its_lines_and_in_no_other(
    sandbox: Sandbox,
    whole: Survey,
    tmp_path: Path,
    flip: Flip,
) -> None:
    switch, value, differing, untestable = flip
    usual = sandbox.settings()[switch]
    sandbox.settings(**{switch: value})
    try:
        flipped = survey(tmp_path, config_of(sandbox), "--requests", "80").verdicts
    finally:
        sandbox.settings(**{switch: usual})
    changed = {name for name, verdict in flipped.items() if verdict != whole.verdicts[name]}
    assert changed == differing | untestable
    assert {flipped[name] for name in differing} <= {DIFFERS}
    assert {flipped[name] for name in untestable} <= {UNTESTABLE}


def test_a_draft_in_the_list_of_assignments_differs(sandbox: Sandbox, tmp_path: Path) -> None:
    workspace = sandbox.workspaces[0]["id"]
    listed = sandbox.rows("scheduling_assignments")[0]["projectId"]
    totals = f"/workspaces/{workspace}/scheduling/assignments/projects/totals"
    first = {"status": 200, "body": [{"projectId": listed, "totalHours": 8}]}
    fault = sandbox.fault(first, path=totals, times=1)
    other = sandbox.fault({"status": 200, "body": []}, path=totals, skip=0)
    try:
        found = survey(tmp_path, config_of(sandbox), "--only", "drafts")
    finally:
        sandbox.clear_faults(fault)
        sandbox.clear_faults(other)
    assert found.verdicts == {"drafts": DIFFERS}


def test_a_field_that_no_schema_declares_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    row = {"id": "64e777123456789012345678", "brandNew": "Miller", "Miller & Sons": 1}
    fault = sandbox.fault({"rows": [row]}, path=".*/time-entries")
    try:
        found = survey(tmp_path, config_of(sandbox), "--only", "entry-fields")
    finally:
        sandbox.clear_faults(fault)
    assert found.verdicts == {"entry-fields": DIFFERS}
    assert "time_entries.brandNew" in found.out
    assert "Miller" not in found.text


# Nothing personal


_TOO_COMMON = 4


def personal_texts(sandbox: Sandbox) -> set[str]:
    """Every text of the account that no document of Clockify's could hold."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)
        elif isinstance(value, str) and len(value) > _TOO_COMMON:
            found.add(value)

    for stream in STREAMS:
        collect(sandbox.records(stream))
    public = {text for line in LINES for text in re.findall(r"[A-Za-z_0-9-]+", line.assumption)}
    return {text for text in found if text not in KNOWN_VALUES and text not in public}


def test_nothing_of_the_account_is_printed_or_written(sandbox: Sandbox, whole: Survey) -> None:
    texts = personal_texts(sandbox)
    assert len(texts) > 1000
    found = {
        text
        for text in texts
        if re.search(rf"(?<![A-Za-z0-9_-]){re.escape(text)}(?![A-Za-z0-9_-])", whole.text)
    }
    # What stays are single words of Clockify's vocabulary.
    assert not {text for text in found if not re.fullmatch("[a-z]+|[A-Z_]+", text)}, found
    assert sandbox.api_key not in whole.text
    assert not re.search(r"[0-9a-f]{24}|@|https?://", whole.out + json.dumps(whole.report))


def test_a_report_is_only_for_its_owner_and_never_overwritten(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config, output = tmp_path / "config.json", tmp_path / "report.md"
    config.write_text(json.dumps(config_of(sandbox)))
    line = ["--config", str(config), "--output", str(output), "--only", "plan-names"]
    assert main(line, io.StringIO(), io.StringIO()) == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    before, err = output.read_text(), io.StringIO()
    assert main(line, io.StringIO(), err) == 1
    assert "exists" in err.getvalue()
    assert output.read_text() == before


def test_the_table_fits_100_columns(whole: Survey) -> None:
    table = whole.out.rsplit("\n", 2)[0]
    assert max(map(len, table.split("\n"))) <= 100


def test_equal_ids_are_equal_within_a_report_and_differ_between_reports(
    sandbox: Sandbox, whole: Survey, tmp_path: Path
) -> None:
    again = survey(tmp_path, config_of(sandbox), "--only", "batch-size")
    other = survey(tmp_path, config_of(sandbox), "--only", "batch-size,batch-route")

    def ids(found: Survey) -> list[list[str]]:
        return [line["answers"][0]["first_ids"] for line in found.report["lines"]]

    assert ids(other)[0] == ids(other)[1]
    assert ids(other)[0] != ids(again)[0]


# Accounts that show less


def test_a_free_workspace_is_asked_within_30_requests_and_later_goes_on(tmp_path: Path) -> None:
    with start(plan="FREE", users=4) as sandbox:
        config = config_of(sandbox, plan="free")
        first = survey(tmp_path, config)
        assert first.code == 0
        assert first.report["requests"] <= 30
        assert first.of(NOT_ASKED)
        assert {"plan-refusal", "users-search", "report-page-1000"} <= first.of(MATCHES)
        assert "--continue" in first.err
        earlier = tmp_path / "earlier.json"
        earlier.write_text(json.dumps(first.report))
        second = survey(tmp_path, config, "--continue", str(earlier))
        assert not second.of(NOT_ASKED)
        assert len(second.report["lines"]) == len(LINES)
        assert second.of(DIFFERS) == set()


@pytest.mark.parametrize("refusal", ["401", "402", "403", "400_4033", "empty_403"])
def test_how_a_plan_is_refused_is_told(tmp_path: Path, refusal: str) -> None:
    with start(plan="STANDARD", users=2) as sandbox:
        sandbox.settings(plan_refusal=refusal)
        found = survey(tmp_path, config_of(sandbox), "--only", "plan-refusal")
    assert found.verdicts == {"plan-refusal": DIFFERS if refusal == "empty_403" else MATCHES}


def config_with(sandbox: Sandbox, key: str) -> JSON:
    return config_of(sandbox) | {"credentials": {"auth_type": "api_key", "api_key": key}}


def test_a_members_key_gives_a_whole_table(sandbox: Sandbox, tmp_path: Path) -> None:
    found = survey(tmp_path, config_with(sandbox, sandbox.info()["keys"]["member"]))
    assert found.code == 0
    assert found.verdicts["member-refusal"] == MATCHES
    assert found.of(DIFFERS) == set(), found.out
    assert not found.of(NO_ANSWER)


@pytest.mark.parametrize(("answer", "verdict"), [("refused", MATCHES), ("answered", DIFFERS)])
def test_a_managers_key_tells_whether_reports_need_hidden_amounts(
    sandbox: Sandbox, tmp_path: Path, answer: str, verdict: str
) -> None:
    sandbox.settings(manager_reports=answer)
    try:
        key = sandbox.info()["keys"]["manager"]
        found = survey(tmp_path, config_with(sandbox, key), "--only", "report-manager")
    finally:
        sandbox.settings(manager_reports="refused")
    assert found.verdicts == {"report-manager": verdict}


def test_an_empty_account_gives_a_whole_table(tmp_path: Path) -> None:
    with start(plan="ENTERPRISE", users=1, entries=0, projects=0, tasks=0) as sandbox:
        found = survey(tmp_path, config_of(sandbox))
    assert found.code == 0
    assert len(found.report["lines"]) == len(LINES)
    assert found.of(DIFFERS) == set(), found.out
    assert not found.of(NO_ANSWER)


@pytest.mark.parametrize(
    "action",
    [
        {"status": 500, "body": {"message": "oops", "code": 1}},
        {"status": 503, "body": None},
        {"html": True},
        {"status": 502, "html": True},
        {"drop": True},
        {"truncate": 0.5},
        {"redirect": "https://example.com/login"},
    ],
    ids=str,
)
def test_a_server_that_fails_gives_a_whole_table(
    sandbox: Sandbox, tmp_path: Path, action: JSON
) -> None:
    named = [sandbox.workspaces[0]["id"]]
    fault = sandbox.fault(action)
    try:
        for ids in ([], named):
            found = survey(tmp_path, config_of(sandbox, workspace_ids=ids), "--timeout", "5")
            assert found.code == 0
            assert len(found.report["lines"]) == len(LINES)
            assert not found.of(DIFFERS), found.out
            assert len(found.of(NO_ANSWER)) > 20
    finally:
        sandbox.clear_faults(fault)


def test_a_server_that_does_not_answer_in_time_is_asked_only_a_few_times(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    fault = sandbox.fault({"delay": 1})
    try:
        sandbox.clear_requests()
        found = survey(tmp_path, config_of(sandbox), "--timeout", "0.1")
    finally:
        sandbox.clear_faults(fault)
    assert found.code == 0
    assert found.report["requests"] < 10
    assert found.of(NO_ANSWER)


# What is only sent when asked for


def test_a_provoked_limit_shows_its_headers(tmp_path: Path) -> None:
    with start(plan="PRO", users=1, limits=True) as sandbox:
        sandbox.settings(per_second=5)
        line = ("--only", "rate-limit", "--provoke-limit")
        bare = survey(tmp_path, config_of(sandbox), *line)
        sandbox.settings(limit_headers="on")
        telling = survey(tmp_path, config_of(sandbox), *line)
    assert bare.verdicts == {"rate-limit": MATCHES}
    assert telling.verdicts == {"rate-limit": DIFFERS}
    assert "retry-after" in telling.out
    assert "--provoke-limit" in bare.err


def test_the_key_goes_to_another_host_only_where_it_is_named(
    sandbox: Sandbox, whole: Survey, tmp_path: Path
) -> None:
    assert whole.verdicts["other-host"] == UNTESTABLE
    with start(plan="FREE", users=1, seed=2) as other:
        found = survey(
            tmp_path, config_of(sandbox), "--only", "other-host", "--other-host", other.api_url
        )
        assert [each["path"] for each in other.requests()] == ["/user"]
    assert found.verdicts == {"other-host": MATCHES}


# The feeds of changes against the state of an earlier sync

FEED_LINES = ("feed-created", "feed-updated", "feed-deleted")
PARTS_OF_ENTRIES = ["TIME_ENTRY", "TIME_ENTRY_RATE", "TIME_ENTRY_CUSTOM_FIELD_VALUE"]


@dataclass(frozen=True)
class Followed:
    """An account, the state of a sync, and what is done to the account after it.

    Attributes:
        edited, deleted: ids of entries of the last weeks that were made long before the sync.
    """

    sandbox: Sandbox
    config: JSON
    state: Path
    edited: tuple[str, ...]
    deleted: tuple[str, ...]

    @property
    def workspace(self) -> str:
        return str(self.sandbox.workspaces[0]["id"])

    def change(self, new: int) -> list[str]:
        """Edit and delete entries, and make some; returns the ids of these."""
        for number, entry in enumerate(self.edited):
            text = {"description": f"edited {number}"}
            self.sandbox.update(self.workspace, "time-entries", entry, text)
        for entry in self.deleted:
            self.sandbox.delete(self.workspace, "time-entries", entry)
        made = [self.sandbox.create(self.workspace, "time-entries") for _ in range(new)]
        return [row["id"] for row in made]

    def survey(self, *more: str) -> Survey:
        only = ("--only", ",".join(FEED_LINES))
        return survey(self.state.parent, self.config, "--state", str(self.state), *only, *more)


def said(found: Survey) -> dict[str, str]:
    return {line["id"]: line["server"] for line in found.report["lines"]}


@pytest.fixture
def followed(sandbox: Sandbox, tmp_path: Path) -> Iterator[Followed]:
    sandbox.reset()
    # A deletion shows at once, and pages are short, as nothing is known of either.
    sandbox.settings(deletion_lag=0, short_feeds=995)
    config = config_of(sandbox, workspace_ids=[sandbox.workspaces[0]["id"]])
    first = read(CONNECTOR, config, ["time_entries"], sync_mode="incremental", in_process=True)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(first.state))
    known = {row["id"]: row for row in first.records["time_entries"]}
    now = datetime.now(timezone.utc)
    recent = f"{now - timedelta(days=25):%Y-%m-%dT%H:%M:%SZ}"
    # An id begins with the second in which the entry was made.
    made = f"{int((now - timedelta(days=2)).timestamp()):x}"
    ended = [
        name
        for name, row in known.items()
        if row["timeInterval"]["end"] and row["timeInterval"]["start"] > recent and name < made
    ]
    yield Followed(sandbox, config, state, tuple(ended[:12]), tuple(ended[12:19]))
    sandbox.reset()


def test_feeds_that_name_every_change_since_a_state_match(followed: Followed) -> None:
    followed.change(new=5)
    found = followed.survey()
    assert said(found) == {
        "feed-created": "of 5 new entries the feed named 5 (100 %)",
        "feed-updated": "of 12 edited entries the feed named 12 (100 %)",
        "feed-deleted": "of 7 deleted entries the feed named 7 (100 %)",
    }
    assert found.of(MATCHES) == set(FEED_LINES)


def test_the_share_that_the_feeds_name_is_counted(followed: Followed) -> None:
    followed.change(new=5)
    followed.sandbox.settings(feed_drop={"created": 100, "updated": 40, "deleted": 60})
    start = f"{datetime.now(timezone.utc) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    path = f"/workspaces/{followed.workspace}/entities"
    updated, deleted = (
        {
            row["id"]
            for page in range(9)
            for row in followed.sandbox.get(
                f"{path}/{kind}", type=PARTS_OF_ENTRIES, start=start, page=page, limit=1000
            ).json()
        }
        for kind in ("updated", "deleted")
    )
    shares = len(updated & {*followed.edited}), len(deleted & {*followed.deleted})
    assert 0 < shares[0] < 12
    assert 0 < shares[1] < 7
    found = followed.survey()
    assert found.of(DIFFERS) == set(FEED_LINES)
    assert said(found) == {
        "feed-created": "of 5 new entries the feed named 0 (0 %)",
        "feed-updated": (
            f"of 12 edited entries the feed named {shares[0]} ({shares[0] * 100 // 12} %)"
        ),
        "feed-deleted": (
            f"of 7 deleted entries the feed named {shares[1]} ({shares[1] * 100 // 7} %)"
        ),
    }


@pytest.mark.parametrize("column", ["timeEntryId", "entryId"])
def test_an_entry_is_named_by_the_row_of_its_rate(followed: Followed, column: str) -> None:
    rate = {"hourlyRate": {"amount": 4711, "currency": "EUR"}}
    followed.sandbox.update(followed.workspace, "time-entries", followed.edited[0], rate)
    followed.sandbox.settings(feed_parts_id=column)
    at = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    lie = {"workspaceId": followed.workspace, "kind": "updated", "id": followed.edited[0], "at": at}
    followed.sandbox.settings(feed_drop=100, feed_lies=[{**lie, "code": "TIME_ENTRY_RATE"}])
    found = followed.survey("--only", "feed-updated")
    assert said(found) == {"feed-updated": "of 1 edited entries the feed named 1 (100 %)"}


def test_changes_that_no_feed_has_to_name_are_not_counted(followed: Followed) -> None:
    (fresh,) = followed.change(new=1)
    second = read(
        CONNECTOR,
        followed.config,
        ["time_entries"],
        sync_mode="incremental",
        state=json.loads(followed.state.read_text()),
        in_process=True,
    )
    followed.state.write_text(json.dumps(second.state))
    # What was made right before the state, and what is back after its deletion was found.
    followed.sandbox.update(followed.workspace, "time-entries", fresh, {"description": "again"})
    followed.sandbox.update(
        followed.workspace, "time-entries", followed.edited[0], {"description": "again"}
    )
    followed.sandbox.restore(followed.workspace, "time-entries", followed.deleted[0])
    found = followed.survey()
    assert said(found)["feed-updated"] == (
        "of 1 edited entries the feed named 1 (100 %); "
        "1 more are not counted, since the feed need not name them"
    )
    assert found.of(UNTESTABLE) == {"feed-created", "feed-deleted"}


def with_missing(state: list[JSON], entry: str) -> list[JSON]:
    """Return the state of a sync that lacked an entry and could not prove its deletion."""
    (message,) = [each for each in state if each["stream"]["stream_descriptor"]["name"] == STREAM]
    saved = decode(STREAM, message["stream"]["stream_state"], dated=False)
    partitions = {}
    for ids, partition in saved.partitions.items():
        rows = partition.rows()
        if entry in rows:
            rows[entry] = replace(rows[entry], missing=True)
        partitions[ids] = partition.with_rows(rows)
    blob = encode(STREAM, replace(saved, partitions=partitions))
    return [{**message, "stream": {**message["stream"], "stream_state": blob}}]


def test_a_deletion_before_the_state_is_not_expected_of_a_feed(followed: Followed) -> None:
    state = json.loads(followed.state.read_text())
    followed.state.write_text(json.dumps(with_missing(state, followed.deleted[0])))
    followed.change(new=1)
    found = followed.survey("--only", "feed-deleted")
    assert said(found) == {"feed-deleted": "of 6 deleted entries the feed named 6 (100 %)"}


def test_feeds_cannot_be_tested_without_a_state_or_a_change(
    followed: Followed, whole: Survey
) -> None:
    assert {*FEED_LINES} <= whole.of(UNTESTABLE)
    assert {said(whole)[name] for name in FEED_LINES} == {
        "only with --state, the state of an earlier sync"
    }
    assert followed.survey().of(UNTESTABLE) == set(FEED_LINES)
    followed.change(new=1)
    earlier = followed.state.parent / "earlier.json"
    earlier.write_text(json.dumps(whole.report))
    assert followed.survey("--continue", str(earlier)).of(MATCHES) == set(FEED_LINES)


def test_a_refused_feed_cannot_be_tested(followed: Followed) -> None:
    followed.change(new=1)
    followed.sandbox.settings(feed_refused="403")
    assert followed.survey().of(UNTESTABLE) == set(FEED_LINES)


def test_nothing_is_compared_where_no_request_is_left_for_the_feeds(followed: Followed) -> None:
    followed.sandbox.clear_requests()
    assert followed.survey("--requests", "1").of(NOT_ASKED) == set(FEED_LINES)
    assert len(followed.sandbox.requests()) == 1


def test_a_read_that_fails_is_no_comparison(followed: Followed) -> None:
    followed.change(new=1)
    followed.sandbox.fault({"status": 400, "body": {"message": "no", "code": 1}}, path=".*/user/.*")
    found = followed.survey()
    assert found.of(NO_ANSWER) == set(FEED_LINES)
    assert "reading time_entries from the state failed" in said(found)["feed-created"]


def test_a_comparison_says_what_it_reads_and_prints_nothing_of_it(
    followed: Followed, capfd: pytest.CaptureFixture[str]
) -> None:
    followed.change(new=1)
    capfd.readouterr()
    followed.sandbox.clear_requests()
    found = followed.survey()
    sent = followed.sandbox.requests()
    by_user = {each["path"] for each in sent if re.search("/user/[0-9a-f]{24}/", each["path"])}
    assert f"which knows {len(by_user)} users" in found.err
    assert len(sent) > found.report["requests"]
    assert all(each["method"] == "GET" or is_read("POST", each["path"]) for each in sent)
    printed = capfd.readouterr()
    assert not printed.out + printed.err
    assert not re.search("[0-9a-f]{24}", found.text)
    texts = personal_texts(followed.sandbox)
    assert not {text for text in texts if len(text) > 12 and text in found.text}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "[1]",
        '{"time_entries": {"cursor": "2026-01-01"}}',
        '[{"type": "STREAM", "stream": {"stream_descriptor": {"name": "time_entries"}, '
        '"stream_state": {"states": []}}}]',
    ],
)
def test_a_file_that_is_no_tracked_state_is_a_sentence(
    sandbox: Sandbox, tmp_path: Path, content: str
) -> None:
    state = tmp_path / "state.json"
    state.write_text(content)
    found = survey(tmp_path, config_of(sandbox), "--state", str(state))
    assert found.code == 1
    assert "state" in found.err
    assert "Traceback" not in found.err
    assert not found.out


def test_a_state_of_another_workspace_cannot_be_compared(
    followed: Followed, tmp_path: Path
) -> None:
    with start(plan="PRO", users=1, seed=2) as other:
        found = survey(
            tmp_path,
            config_of(other),
            *("--state", str(followed.state), "--only", ",".join(FEED_LINES)),
        )
    assert found.of(UNTESTABLE) == set(FEED_LINES)
    assert set(said(found).values()) == {"the state knows no time entries of this workspace"}


# The command line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"credentials": {"auth_type": "api_key", "api_key": "wrong"}}, "refuses this key"),
        ({"credentials": {"auth_type": "api_key", "api_key": "two words"}}, "credentials.api_key"),
        ({"workspace_ids": ["64e777123456789012345678"]}, "does not know this workspace"),
    ],
)
def test_a_bad_configuration_is_a_sentence_and_exit_code_1(
    sandbox: Sandbox, tmp_path: Path, change: JSON, words: str
) -> None:
    found = survey(tmp_path, {**config_of(sandbox), **change})
    assert found.code == 1
    assert words in found.err
    assert "Traceback" not in found.err
    assert "two words" not in found.err
    assert not found.out


def test_a_missing_file_or_unknown_line_is_a_sentence(sandbox: Sandbox, tmp_path: Path) -> None:
    err = io.StringIO()
    assert main(["--config", str(tmp_path / "none.json")], io.StringIO(), err) == 1
    assert "none.json" in err.getvalue()
    found = survey(tmp_path, config_of(sandbox), "--only", "no-such-line")
    assert found.code == 1
    assert "no-such-line" in found.err


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/workspaces/64e777123456789012345678/tags"),
        ("PUT", "/workspaces/64e777123456789012345678/projects/64e777123456789012345678"),
        ("POST", "/workspaces/64e777123456789012345678/tags"),
        ("POST", "/workspaces/64e777123456789012345678/time-entries"),
        ("POST", "/workspaces"),
        ("POST", "/workspaces/64e777123456789012345678/time-off/policies"),
    ],
)
def test_a_request_that_could_write_is_never_sent(sandbox: Sandbox, method: str, path: str) -> None:
    hosts = {"api": sandbox.api_url}
    client = Client(config_of(sandbox, hosts=hosts), budget=5)
    with pytest.raises(WritingRequest):
        client.send(Request(method, path))
    assert client.sent == 0


SECRET = "SECRETKEYofJaneMiller"


@pytest.mark.parametrize(
    "config",
    [
        {"api_key": SECRET},
        {"api_key": SECRET, "workspace_id": "64e777123456789012345678"},
        {"credentials": {"auth_type": "api_key", "apiKey": SECRET}},
        {"credentials": {"auth_type": "api_key", "api_key": f"{SECRET} with blanks"}},
        {"credentials": SECRET},
        {
            "credentials": {"auth_type": "api_key", "api_key": "key"},
            "server": {"server_type": "custom", "api_url": f"ftp://jane:{SECRET}@acme.example"},
        },
    ],
    ids=["flat", "flat with workspace", "another name", "blanks", "a text", "in a URL"],
)
def test_no_secret_of_a_configuration_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], config: JSON
) -> None:
    """The CDK prints a migrated configuration, and repeats the values that do not fit."""
    server = {"server_type": "custom", "api_url": "http://127.0.0.1:9"}
    found = survey(tmp_path, {"server": server, **config}, "--only", "plan-names")

    printed = capfd.readouterr()
    assert SECRET not in found.text + printed.out + printed.err
    assert "Traceback" not in found.text


def test_a_limit_is_never_provoked_with_a_path_from_an_answer(sandbox: Sandbox) -> None:
    client = Client(config_of(sandbox), budget=1)

    with pytest.raises(WritingRequest):
        client.flood("/workspaces/../../v1/evil?x=/tags", 1, 1)
