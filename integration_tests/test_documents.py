"""What docs/change-tracking.md says holds for the syncs that it shows; links lead somewhere."""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from clockify_sandbox.client import JSON, start
from demo.scenario import CHANGING_STREAMS, NOW
from docs.build.runs import Run, make_syncs, set_clocks, succeeded
from integration_tests.airbyte import ROOT, config_of, key_of
from integration_tests.frozen import Clock, read_incrementally
from source_clockify.change_tracking.hint_state import decode_hints

CHANGE_TRACKING = (ROOT / "docs" / "change-tracking.md").read_text()
DOCUMENTS = (
    *("README.md", "AGENTS.md", "CONTRIBUTING.md", "clockify_sandbox/README.md"),
    *(
        "docs/change-tracking.md",
        "docs/airbyte-cloud.md",
        "docs/entities.md",
        "docs/self-managed.md",
        "docs/upstream/jinja-globals.md",
    ),
    "examples/README.md",
)
REPORTS = ("detailed_report", "summary_report", "weekly_report", "attendance_report")


@pytest.fixture(scope="module")
def run(clock: Clock) -> Run:
    return make_syncs(clock)


def code(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", CHANGE_TRACKING, re.DOTALL)


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(text: str) -> list[list[str]]:
    """The rows of the only table in a text, as cells, without its head."""
    rows = [line.strip("|").split("|") for line in text.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


# The examples


def test_the_examples_are_all_that_the_run_sent(run: Run) -> None:
    first, changed, again, quiet, _ = run.syncs
    counts = [
        {stream: len(sync.records[stream]) for stream in CHANGING_STREAMS}
        for sync in (changed, again, quiet)
    ]
    assert counts[0] == {
        "projects": 1,
        "tasks": 1,
        "time_entries": 4,
        "time_entries_in_progress": 1,
    }
    assert counts[1] == counts[0]
    assert set(counts[2].values()) == {0}
    for stream in CHANGING_STREAMS:
        known = {key_of(stream, record) for record in first.records[stream]}
        assert len(known) == len(first.records[stream])
        changes = sorted(changed.records[stream], key=lambda record: str(record["id"]))
        assert changes == sorted(again.records[stream], key=lambda record: str(record["id"]))


# How to merge


def merged_by_python(messages: list[JSON]) -> set[tuple[Any, ...]]:
    (block,) = code("python")
    names: dict[str, Any] = {}
    exec(block, names)
    merge: Callable[..., Mapping[tuple[Any, ...], JSON]] = names["merge"]
    return set(merge(messages))


def merged_by_sql(messages: list[JSON]) -> set[tuple[Any, ...]]:
    (block, _) = code("sql")
    columns = ("id", "_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_baseline_at")
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE TABLE time_entries ({', '.join(columns)})")
        database.executemany(
            "INSERT INTO time_entries VALUES (?, ?, ?, ?)",
            [[message.get(column) for column in columns] for message in messages],
        )
        found = {(row[0],) for row in database.execute(block)}
    database.close()
    return found


@pytest.mark.parametrize("merge", [merged_by_python, merged_by_sql])
@pytest.mark.parametrize("stream", CHANGING_STREAMS)
def test_the_messages_merge_to_what_clockify_lists(
    run: Run, stream: str, merge: Callable[[list[JSON]], set[tuple[Any, ...]]]
) -> None:
    messages = run.messages(stream)
    assert merge(messages) == run.rows[stream]
    assert merge(messages[::-1]) == run.rows[stream]
    before_the_refresh = [each for sync in run.syncs[:-1] for each in sync.records[stream]]
    assert len(merge(before_the_refresh)) == len(run.rows[stream]) + (stream == "time_entries")
    assert merge([]) == set()


def test_the_python_takes_other_keys_and_the_newest_version() -> None:
    (block,) = code("python")
    names: dict[str, Any] = {}
    exec(block, names)
    old, new = (
        {"w": 1, "id": 2, "n": n, "_ab_cdc_updated_at": n, "_ab_cdc_baseline_at": "0"}
        for n in ("1", "2")
    )
    for messages in ([old, new], [new, old]):
        assert names["merge"](messages, primary_key=("w", "id")) == {(1, 2): new}


# Receipts


def lost_by_sql(messages: list[JSON], receipts: list[JSON]) -> set[tuple[str, int | None]]:
    (_, block) = code("sql")
    of_messages = ["id", "_ab_cdc_updated_at"]
    of_receipts = ["stream", "_ab_cdc_updated_at", "_ab_cdc_baseline_at"]
    of_receipts += ["previous_updated_at", "sent", "deleted"]
    with sqlite3.connect(":memory:") as database:
        for table_name, columns, rows in (
            ("time_entries", of_messages, messages),
            ("sync_log", of_receipts, receipts),
        ):
            database.execute(f"CREATE TABLE {table_name} ({', '.join(columns)})")
            database.executemany(
                f"INSERT INTO {table_name} VALUES ({', '.join('?' * len(columns))})",
                [[row.get(column) for column in columns] for row in rows],
            )
        found = set(database.execute(block))
    database.close()
    return found


def test_the_receipts_show_what_was_lost(run: Run) -> None:
    first, changed, again, quiet, refresh = (
        (sync.records["time_entries"], sync.records["sync_log"]) for sync in run.syncs
    )
    until = [first, changed, again, quiet]

    def lost(*syncs: tuple[list[JSON], list[JSON]]) -> set[tuple[str, int | None]]:
        messages, receipts = ([each for sync in syncs for each in sync[place]] for place in (0, 1))
        return lost_by_sql(messages, receipts)

    snapshot, edits, resends = (f"2026-11-24T{at}:00.000Z" for at in ("09:00", "10:30", "12:00"))
    part_of_snapshot = first[0][1:], first[1]
    assert lost(*until) == lost(*until, refresh) == set()
    assert lost(part_of_snapshot, changed, again) == {(snapshot, 1)}
    assert lost(part_of_snapshot, *until[1:], refresh) == set()
    part_of_changes = changed[0][:1], changed[1]
    assert lost(first, part_of_changes) == {(edits, 3)}
    assert lost(first, part_of_changes, again) == set()
    # The quiet sync resends the receipt of the one before it, which names one that is not there.
    assert lost(first, quiet) == {(edits, None)}
    assert lost(first, changed, (again[0], []), (quiet[0], quiet[1][-4:])) == {(resends, None)}


# What is read, and what it costs


def test_a_later_sync_sends_the_requests_of_its_listings_only(run: Run) -> None:
    baseline, _, _, quiet, _ = (
        [path for path in paths if "/entities/" not in path] for paths in run.requests
    )
    # The first sync asks for the key's user besides.
    assert sorted([*quiet, "/user"]) == sorted(baseline)
    feeds = [path.split("/")[-1] for path in run.requests[3] if "/entities/" in path]
    assert sorted(feeds) == ["created", "deleted", "updated"]


def test_the_state_is_as_small_as_the_document_says(run: Run) -> None:
    said = re.search(
        r"about (\d+) bytes for each.*?most (\d+) bytes for each part.*?(\d+) for each stream",
        CHANGE_TRACKING,
        re.S,
    )
    hints = re.search(
        r"(\d+) bytes for each workspace, and (\d+) for each entry", CHANGE_TRACKING, re.S
    )
    assert said is not None
    assert hints is not None
    a_record, a_part, a_stream = map(int, said.groups())
    a_workspace, an_entry = map(int, hints.groups())
    for sync in run.syncs:
        for stream in CHANGING_STREAMS:
            state = sync.stream_state(stream)
            hints = state.pop("hints", {})
            most = state["records"] * a_record + state["partitions"] * a_part + a_stream
            assert len(json.dumps(state)) <= most, stream
            named = sum(
                len(each.waiting) + len(each.recent) + len(each.rows)
                for each in decode_hints(hints).values()
            )
            assert len(json.dumps(hints)) <= 2 + len(hints) * a_workspace + named * an_entry


def test_reports_are_read_as_far_as_the_document_says(clock: Clock) -> None:
    with start(users=2, entries=10, plan="PRO", now=f"{NOW:%Y-%m-%dT%H:%M:%SZ}") as sandbox:
        config = config_of(sandbox, lookback_days=10)
        streams = (*REPORTS, "expense_report", "scheduling_assignments", "time_entries")
        set_clocks(clock, sandbox, NOW)
        state = succeeded(lambda: read_incrementally(config, streams, None)).state
        set_clocks(clock, sandbox, NOW + timedelta(days=1))
        sandbox.clear_requests()
        succeeded(lambda: read_incrementally(config, streams, state))
        windows: dict[str, list[tuple[str, str]]] = {}
        for request in sandbox.requests():
            body, query = request["body"] or {}, request["query"]
            name = "/".join(request["path"].split("/")[3:])
            if "dateRangeStart" in body:
                window = body["dateRangeStart"][:10], body["dateRangeEnd"][:10]
            elif "start" in query:
                window = query["start"][0][:10], query.get("end", [""])[0][:10]
            else:
                continue
            # The one day of a timer that began before the window is read by itself.
            if window[0] != window[1]:
                windows.setdefault(re.sub(r"[0-9a-f]{24}", "*", name), []).append(window)
    found = {name: (min(each)[0], max(last for _, last in each)) for name, each in windows.items()}
    # The first read was on November 24, a Tuesday; 10 days earlier is the 14th, a Saturday.
    assert found == {
        "user/*/time-entries": ("2026-11-13", ""),
        **{
            f"entities/{kind}": ("2026-11-24", "2026-11-25")
            for kind in ("created", "updated", "deleted")
        },
        "scheduling/assignments/all": ("2026-11-13", "2027-11-25"),
        "reports/detailed": ("2026-11-14", "2026-12-26"),
        "reports/summary": ("2026-11-14", "2026-12-26"),
        "reports/expenses/detailed": ("2026-11-14", "2026-12-26"),
        "reports/attendance": ("2026-11-14", "2026-11-25"),
        # The 26th of December is a Saturday.
        "reports/weekly": ("2026-11-09", "2026-12-20"),
    }


# Links


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and Airbyte make them."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file) if file else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text()), target
