"""What the documents show comes from a run, and what they say of streams is what the code does."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from demo.scenario import CHANGING_STREAMS, LONG_ENOUGH, NOW, work
from integration_tests.airbyte import CONNECTOR, ROOT, STREAMS, Output, config_of, key_of, read
from integration_tests.frozen import Clock, read_incrementally
from source_clockify.change_tracking.feeds import FREE_MOST_ROWS, MOST_ROWS, OVERLAP
from source_clockify.change_tracking.hint_state import decode_hints
from source_clockify.change_tracking.profiles import PROFILES, Kind, TrackingProfile
from source_clockify.manifest_file import load_manifest

CHANGE_TRACKING = (ROOT / "docs" / "change-tracking.md").read_text()
DOCUMENTS = (
    *("README.md", "AGENTS.md", "CONTRIBUTING.md", "clockify_sandbox/README.md"),
    *("docs/change-tracking.md", "docs/airbyte-cloud.md", "docs/self-managed.md"),
    "docs/upstream/jinja-globals.md",
    "examples/README.md",
)
REPORTS = ("detailed_report", "summary_report", "weekly_report", "attendance_report")

# Which sync of the fixture sent an example, by the word that introduces it.
SYNCS = {
    "Baseline": 0,
    "New": 1,
    "Edited": 1,
    "Moved": 1,
    "Deleted": 1,
    "Receipt": 1,
    "Sent again": 2,
}
SELECTED = (*CHANGING_STREAMS, "sync_log")


@dataclass
class Run:
    """A baseline, the sync after the demo's changes, two quiet ones, a full refresh, a Refresh.

    Attributes:
        syncs: the first four, and the first after the Refresh.
        requests: the paths that each of them asked for.
        refresh: what the full refresh printed.
        rows: the keys that Clockify lists at the end, by stream.
    """

    syncs: list[Output]
    requests: list[list[str]]
    refresh: Output
    rows: dict[str, set[tuple[Any, ...]]]

    def messages(self, stream: str) -> list[JSON]:
        return [message for sync in self.syncs for message in sync.records[stream]]


@pytest.fixture(scope="module")
def run(clock: Clock) -> Iterator[Run]:
    now = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    with start(users=3, entries=20, projects=4, tasks=2, plan="PRO", now=now) as sandbox:
        config = config_of(sandbox)
        syncs: list[Output] = []
        requests: list[list[str]] = []

        def sync(state: Sequence[JSON] | None) -> None:
            set_clocks(clock, sandbox, NOW + len(syncs) * LONG_ENOUGH)
            sandbox.clear_requests()
            syncs.append(succeeded(lambda: read_incrementally(config, SELECTED, state)))
            requests.append([request["path"] for request in sandbox.requests()])

        sync(None)
        assert list(work(sandbox))
        sync(syncs[-1].state)
        sync(syncs[-1].state)
        sync(syncs[-1].state)
        set_clocks(clock, sandbox, NOW + 3 * LONG_ENOUGH)
        refresh = succeeded(lambda: read(CONNECTOR, config, CHANGING_STREAMS, in_process=True))
        # What is deleted between the last sync and a Refresh has no tombstone.
        entry = sandbox.rows("time_entries")[0]
        sandbox.delete(entry["workspaceId"], "time-entries", entry["id"])
        sync(None)
        rows = {
            stream: {(row["id"],) for row in sandbox.rows(stream)} for stream in CHANGING_STREAMS
        }
        yield Run(syncs, requests, refresh, rows)


def set_clocks(clock: Clock, sandbox: Sandbox, moment: datetime) -> None:
    clock.set(moment)
    sandbox.set_now(f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def succeeded(reading: Callable[[], Output]) -> Output:
    """The output of a sync without errors.

    It runs in a thread of its own: for what pytest calls itself the clock does not stand still.
    """
    with ThreadPoolExecutor(1) as thread:
        output = thread.submit(reading).result()
    assert output.returncode == 0, output.text
    assert output.errors == []
    return output


def code(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", CHANGE_TRACKING, re.DOTALL)


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(text: str) -> list[list[str]]:
    """The rows of the only table in a text, as cells, without its head."""
    rows = [line.strip("|").split("|") for line in text.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


# The examples


def test_every_example_is_a_message_of_the_run(run: Run) -> None:
    examples = re.findall(
        r"\n\*\*([\w ]+)\.\*\* ((?:(?!\n\n).)*)\n\n```json\n(.*?)```", CHANGE_TRACKING, re.S
    )
    assert len(examples) == len(code("json"))
    assert {event for event, *_ in examples} == {*SYNCS, "Full refresh"}
    for event, text, block in examples:
        example = json.loads(block)
        output = run.refresh if event == "Full refresh" else run.syncs[SYNCS[event]]
        sent = output.records[example["stream"]]
        data = example["data"]
        matching = [each for each in sent if all(each.get(name) == data[name] for name in data)]
        assert len(matching) == 1, f"{event}: {data}\n{sent}"
        assert matching[0] == data or "complete" not in text
        assert ("_ab_cdc_deleted_at" in matching[0]) == (event == "Deleted")


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


def test_the_document_has_the_limits_of_the_hints() -> None:
    hints = section(CHANGE_TRACKING, "Hints")
    said = re.search(r"first ([\d,]+) events of a feed \((\d+) on the free plan\)", hints)
    assert said is not None
    assert [int(each.replace(",", "")) for each in said.groups()] == [MOST_ROWS, FREE_MOST_ROWS]
    assert f"from {OVERLAP // 60} minutes before the last sync" in hints


# Tables


def test_the_table_of_proofs_is_that_of_the_code() -> None:
    rows = table(section(CHANGE_TRACKING, "What proves a deletion"))
    told: dict[str, tuple[str, str]] = {}
    for streams, kind, proof in rows:
        for stream in streams.split(", "):
            assert stream not in told
            told[stream] = kind, proof
    assert told.keys() == {*STREAMS}
    for stream, (kind, proof) in told.items():
        traits = PROFILES.get(stream, TrackingProfile())
        assert ("no tombstones" in proof) == (not traits.deletions), stream
        assert ("once more" in proof) == (traits.deletions and traits.by_id is None), stream
        if traits.deletions or traits.kind is Kind.EVENT_LOG:
            assert kind == traits.kind.value.replace("_", " "), stream


def test_the_table_of_windows_names_every_stream_that_has_one() -> None:
    rows = table(section(CHANGE_TRACKING, "For how long changes are looked for"))
    named = {stream for streams, _ in rows[1:] for stream in re.findall(r"`([\w*]+)`", streams)}
    kinds = {stream: traits.kind for stream, traits in PROFILES.items()}
    expected = {
        "entity_changes_*" if stream.startswith("entity_changes") else stream
        for stream, kind in kinds.items()
        if kind is not Kind.SNAPSHOT
    }
    assert named == expected


def test_the_readme_has_every_field_with_its_default() -> None:
    properties = load_manifest()["spec"]["connection_specification"]["properties"]
    readme = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section(readme, "Configuration"), re.M)
    assert [name for name, _ in rows] == list(properties)
    for name, default in rows:
        known = properties[name].get("default")
        if isinstance(known, (int, str)):
            assert default == str(known).lower(), name


def test_the_readme_has_every_stream_once() -> None:
    rows = table(section((ROOT / "README.md").read_text(), "Streams"))
    named = [stream for _, streams in rows for stream in streams.replace("`", "").split(", ")]
    assert sorted(named) == sorted([*STREAMS, "sync_log"])


def test_the_table_for_maintainers_has_every_stream() -> None:
    rows = table(section((ROOT / "AGENTS.md").read_text(), "The streams"))
    named = set()
    for first, *_ in rows:
        for name in first.split(", "):
            if name == "entity_changes_*":
                named |= {each for each in STREAMS if each.startswith("entity_changes_")}
            else:
                named.add(name)
    assert named == {*STREAMS, "sync_log"}


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
            titles = re.findall(r"^#+ (.*)$", linked.read_text(), re.M)
            assert anchor in {title.lower().replace(" ", "-") for title in titles}, target
