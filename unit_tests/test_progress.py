"""What the log says of the progress of a sync, and what it leaves to level DEBUG."""

import io
import re
import threading
import time
from typing import Any

import pytest
from airbyte_cdk.models import Level
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from freezegun.api import FrozenDateTimeFactory
from rich.console import Console

from source_clockify import progress_log, streams
from source_clockify.display import picture_of, summary_of
from source_clockify.manifest_file import load_manifest
from source_clockify.progress import (
    COMPLETE,
    DELETED,
    EVERY,
    INCOMPLETE,
    RESENT,
    SENT,
    StreamProgress,
    SyncProgress,
)
from source_clockify.progress_log import describe_end, describe_progress, due_streams, table_of
from unit_tests.clockify import (
    WORKSPACE,
    Clockify,
    Connect,
    entry,
    hours_ago,
    messages,
    read,
    read_ok,
    rows,
)
from unit_tests.protocol import errors_of, logs_of

BROKEN = {"status_code": 400, "json": {"code": 400, "message": "No."}}
COLUMNS = ("records", "new", "changed", "deleted", "resent", "requests", "seconds")


def tag(identifier: str, name: str = "old") -> dict[str, Any]:
    return {"id": identifier, "name": name, "workspaceId": WORKSPACE}


def texts(output: EntrypointOutput, level: Level = Level.INFO) -> list[str]:
    return [log.message for log in logs_of(output) if log.level is level]


def table(output: EntrypointOutput) -> dict[str, dict[str, str]]:
    """The table at the end of the log: its cells by stream and column."""
    (text,) = [each for each in texts(output) if each.startswith("Summary of the sync:")]
    return cells_of(text.partition("\n")[2])


def cells_of(text: str) -> dict[str, dict[str, str]]:
    head, *lines = text.split("\n")
    ends = [0, *(match.end() for match in re.finditer(r"\S+", head))]
    ends[1] = max(len(line.split()[0]) for line in lines)
    names = head.split()
    found = {}
    for line in lines:
        # Numbers end where the title of their column does.
        cells = [line[ends[at] : ends[at + 1]].strip() for at in range(1, len(COLUMNS) + 1)]
        name = line.split()[0]
        found[name] = dict(zip(names[1:-1], cells, strict=True))
        found[name]["status"] = line[ends[-2] :].strip()
    return found


def numbers(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("records", "new", "changed", "deleted", "resent"))


# What is counted --------------------------------------------------------------------------------


def test_the_table_tells_new_changed_deleted_and_resent_messages_apart(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", "sync_log")
    clockify.serve("tags", [tag("edited"), tag("gone"), tag("same")])
    clockify.by_id("tags")
    first = connection.sync()
    clockify.serve("tags", [tag("edited", "new"), tag("added"), tag("more"), tag("same")])
    second = connection.sync()
    third = connection.sync()

    assert numbers(table(first)["tags"]) == ("3", "3", "0", "0", "0")
    assert numbers(table(second)["tags"]) == ("4", "2", "1", "1", "0")
    assert numbers(table(third)["tags"]) == ("4", "0", "0", "0", "4")
    for output in (first, second, third):
        row = table(output)["tags"]
        receipt = [each for each in messages(output, "sync_log") if each["stream"] == "tags"][-1]
        assert int(row["records"]) == len(messages(output, "tags"))
        assert int(row["new"]) + int(row["changed"]) == receipt["sent"]
        assert (int(row["deleted"]), int(row["resent"])) == (receipt["deleted"], receipt["resent"])
        assert int(table(output)["sync_log"]["records"]) == len(messages(output, "sync_log"))


def test_a_restored_or_found_record_is_counted_by_what_a_reader_has(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags", resend_changes=0)
    clockify.serve("tags", [tag("restored"), tag("unlisted"), tag("kept")])
    clockify.by_id("tags")
    connection.sync()
    clockify.serve("tags", [tag("unlisted"), tag("kept")])
    connection.sync()
    clockify.serve("tags", [tag("restored"), tag("kept")])
    clockify.by_id("tags", tag("unlisted", "new"))

    assert numbers(table(connection.sync())["tags"]) == ("2", "1", "1", "0", "0")


def test_in_full_refresh_the_table_has_records_only(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("tags", rows(3))

    output = read_ok("tags")

    assert numbers(table(output)["tags"]) == ("3", "", "", "", "")
    assert "tags: begins." in texts(output)
    assert "tags: complete. 3 records with 1 request in 0.0 seconds." in texts(output)


def test_every_request_is_in_the_table(clockify: Clockify, connect: Connect) -> None:
    clockify.workspaces()
    clockify.users("u")
    clockify.serve("tags", rows(3))
    clockify.user_entries("u", [entry("e", hours_ago(5), hours_ago(4))])

    found = table(read_ok("tags", "time_entries"))

    assert found["workspaces"]["status"] == "parent"
    assert int(found["total"]["requests"]) == len(clockify.sent())
    assert sum(int(row["requests"]) for row in found.values()) == 2 * len(clockify.sent())
    assert found["total"]["status"] == "2 of 2"


def test_a_sync_that_fails_has_a_table_too(clockify: Clockify, connect: Connect) -> None:
    clockify.serve("clients", [{"id": "c"}])
    clockify.serve_responses("tags", BROKEN)

    output = connect("tags", "clients").sync(fails=True)

    found = table(output)
    assert found["tags"]["status"] == "incomplete"
    assert numbers(found["clients"]) == ("1", "1", "0", "0", "0")
    assert found["total"]["status"] == "1 of 2"


def test_a_stream_that_a_warning_names_is_complete_with_gaps(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses(
        "tags", {"status_code": 403, "json": {"code": 403, "message": "Access Denied"}}
    )
    clockify.serve("clients", [{"id": "c"}])

    found = table(read_ok("tags", "clients"))

    assert [found[stream]["status"] for stream in ("tags", "clients")] == ["with gaps", "complete"]


def test_a_line_at_the_end_of_a_stream_has_its_numbers(
    clockify: Clockify, connect: Connect
) -> None:
    connection = connect("tags")
    clockify.serve("tags", [tag("a"), tag("b")])
    connection.sync()
    clockify.serve("tags", [tag("a", "new"), tag("b")])

    found = texts(connection.sync())

    ends = [text for text in found if text.startswith("tags: complete")]
    kinds = "0 new, 1 changed, 0 deleted, 0 resent"
    assert ends == [f"tags: complete. 1 record ({kinds}) with 1 request in 0.0 seconds."]
    assert len([text for text in found if text.startswith("tags: ")]) == 2


# The table --------------------------------------------------------------------------------------


def test_the_table_has_at_most_a_hundred_columns() -> None:
    streams = [
        StreamProgress(
            stream=stream["name"],
            is_tracked=True,
            messages=99_999_999,
            new=90_000_000,
            changed=999_999,
            deleted=999_999,
            resent=8_000_001,
            requests=999_999,
            began=0.0,
            ended=99_999.9,
            status="incomplete",
        )
        for stream in load_manifest()["definitions"].values()
        if isinstance(stream, dict) and stream.get("type") == "DeclarativeStream"
    ]
    rows_of_one = [table_of([stream], 0.0).split("\n") for stream in streams]

    assert len(streams) > 30
    assert max(len(line) for lines in rows_of_one for line in lines) <= 100
    assert rows_of_one[0][1].split() == [
        *(streams[0].stream, "99999999", "90000000", "999999", "999999", "8000001", "999999"),
        *("99999.9", "incomplete"),
    ]


# Lines in between -------------------------------------------------------------------------------


def running(progress: SyncProgress) -> SyncProgress:
    progress.select(["tags", "clients"], ["tags"])
    progress.begin("tags")
    return progress


def test_a_running_stream_is_due_every_thirty_seconds(clock: FrozenDateTimeFactory) -> None:
    progress = running(SyncProgress())
    began = clock().timestamp()

    def due(after: float, said: dict[str, tuple[float, int, int]]) -> list[str]:
        return [each.stream for each in due_streams(progress.all(), said, began + after)]

    assert due(29, {}) == []
    assert due(30, {}) == ["tags"]
    assert due(59, {"tags": (began + 30, 0, 0)}) == []
    assert due(60, {"tags": (began + 30, 0, 0)}) == ["tags"]
    progress.end("tags", COMPLETE)
    assert due(90, {"tags": (began + 30, 0, 0)}) == []


def test_a_stream_that_only_waits_is_not_due_until_it_has_gone_on(
    clock: FrozenDateTimeFactory,
) -> None:
    progress = running(SyncProgress())
    began = clock().timestamp()
    said = {"tags": (began, 0, 1)}

    with progress.waiting("tags", "The budget is used up.", began + 3000):
        progress.count_request("tags")
        assert due_streams(progress.all(), said, began + 60) == []
        progress.count_messages("tags", {SENT: 1})
        assert len(due_streams(progress.all(), said, began + 60)) == 1
    progress.count_messages("tags", {SENT: 1})
    assert len(due_streams(progress.all(), {"tags": (began, 2, 1)}, began + 60)) == 1


def test_a_line_in_between_tells_partitions_requests_and_the_budget(
    clock: FrozenDateTimeFactory,
) -> None:
    progress = SyncProgress()
    progress.select(["tags"], ["tags"], hourly_limit=30)
    progress.begin("tags")
    for _ in range(3):
        progress.count_partition("tags")
        progress.count_request("tags")
    progress.end_partition("tags")
    progress.count_messages("tags", {SENT: 1})
    began = clock().timestamp()

    def line(after: float) -> str:
        return describe_progress(progress.of("tags"), progress.budget(), began + after)

    left = "Requests left in this hour: 27 of 30."
    assert line(45) == f"tags: 1 record and 1 partition after 3 requests and 45 seconds. {left}"
    progress.end_partitions("tags")
    progress.enter_phase("tags", "looking up missing records")
    assert line(75) == (
        "tags: 1 record and 1 of 3 partitions after 3 requests and 75 seconds. "
        f"Now looking up missing records. {left}"
    )
    clock.tick(3601)
    assert line(75).endswith("Requests left in this hour: 30 of 30.")


def test_a_long_read_says_how_far_it_is(
    clockify: Clockify, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread that says it sees the clock of the machine, days ahead.
    monkeypatch.setattr("source_clockify.progress_log.TICK_SECONDS", 0.001)
    said = threading.Event()
    describe = progress_log.describe_progress
    read_partition = streams.ClockifyPartition.read_chunks

    def describe_and_go_on(*arguments: Any) -> str:
        said.set()
        return describe(*arguments)

    def held(partition: streams.ClockifyPartition) -> Any:
        assert partition.stream_name() != "tags" or said.wait(60)
        return read_partition(partition)

    monkeypatch.setattr(progress_log, "describe_progress", describe_and_go_on)
    monkeypatch.setattr(streams.ClockifyPartition, "read_chunks", held)
    clockify.serve("tags", [tag("a")])

    output = connect("tags").sync()

    expected = r"tags: 0 records and 0 (of 1 )?partitions? after 0 requests and \d+ seconds\."
    assert [text for text in texts(output) if re.fullmatch(expected, text)]


def test_what_is_counted_of_a_stream_adds_up() -> None:
    progress = SyncProgress()
    progress.select(["tags", "clients"], ["tags"])
    for kind in (SENT, SENT, SENT, DELETED, RESENT):
        progress.count_messages("tags", {kind: 1})
    progress.count_changed("tags", 2)
    progress.count_messages("clients", {EVERY: 1})
    progress.begin("tags")
    progress.end("tags", COMPLETE)

    assert "5 records (1 new, 2 changed, 1 deleted, 1 resent)" in describe_end(
        progress.of("tags"), 0.0
    )
    assert "1 record with 0 requests" in describe_end(progress.of("clients"), 0.0)


# What is left to level DEBUG --------------------------------------------------------------------

ROUTINE = re.compile(
    "Starting syncing|Marking stream|Syncing stream|^Read \\d+ records from|Finished syncing"
    "|MemoryMonitor instantiated|UserDefinedBackoffException|Ignoring response|Retries exhausted"
    "|Max retry limit"
)


def routine(output: EntrypointOutput, level: Level | None = None) -> list[str]:
    return [
        log.message
        for log in logs_of(output)
        if ROUTINE.search(log.message) and level in (None, log.level)
    ]


def test_the_routine_of_the_cdk_is_logged_at_level_debug_only(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", {"status_code": 503}, {"json": []})
    clockify.serve_responses(
        "clients", {"status_code": 403, "json": {"code": 403, "message": "Access Denied"}}
    )

    assert routine(read_ok("tags", "clients")) == []
    assert routine(read_ok("tags", "clients", debug=True), Level.INFO) == []


def test_a_failure_is_one_error_without_a_traceback(clockify: Clockify, connect: Connect) -> None:
    clockify.serve_responses("tags", BROKEN)

    output = connect("tags").sync(fails=True)

    (error,) = [each for each in errors_of(output) if each.stream_descriptor is not None]
    assert texts(output, Level.ERROR) == [f"tags: {error.message}"]
    assert not [log for log in logs_of(output) if "Traceback" in log.message]
    assert error.stack_trace is not None
    assert "Traceback" in error.stack_trace


def test_at_level_debug_a_failure_has_its_traceback(
    clockify: Clockify, caplog: pytest.LogCaptureFixture
) -> None:
    clockify.workspaces()
    clockify.serve_responses("tags", BROKEN)

    read("tags", debug=True)

    found = [each for each in caplog.records if "Traceback" in each.getMessage()]
    assert [each.levelname for each in found] == ["DEBUG"]


def test_what_many_partitions_fail_with_is_reported_once(
    clockify: Clockify, monkeypatch: pytest.MonkeyPatch
) -> None:
    clockify.workspaces()
    users = [f"u{number}" for number in range(5)]
    clockify.users(*users)
    for user in users:
        clockify.user_entries(user, [])

    def fail(partition: streams.ClockifyPartition) -> Any:
        if partition.stream_name() == "time_entries":
            raise AirbyteTracedException(message="One URL is missing.")
        return read_partition(partition)

    read_partition = streams.ClockifyPartition.read_chunks
    monkeypatch.setattr(streams.ClockifyPartition, "read_chunks", fail)
    clockify.serve("tags", rows(1))

    output = read("time_entries", "tags")

    assert texts(output, Level.ERROR) == ["time_entries: One URL is missing."]
    assert [error.message for error in errors_of(output)] == [
        "One URL is missing.",
        "These streams failed: time_entries. Each has an error of its own above.",
    ]


def test_an_unexpected_exception_keeps_its_traceback(
    clockify: Clockify, monkeypatch: pytest.MonkeyPatch
) -> None:
    clockify.workspaces()
    clockify.serve("tags", rows(1))

    def fail(partition: streams.ClockifyPartition) -> Any:
        if partition.stream_name() == "tags":
            raise RuntimeError("a bug")
        return read_partition(partition)

    read_partition = streams.ClockifyPartition.read_chunks
    monkeypatch.setattr(streams.ClockifyPartition, "read_chunks", fail)

    output = read("tags")

    (text,) = texts(output, Level.ERROR)
    assert "Traceback" in text
    assert "RuntimeError: a bug" in text


# The live table ---------------------------------------------------------------------------------


def live_lines(width: int) -> list[str]:
    """The table of a sync in which one stream waits, and one has failed."""
    progress = SyncProgress()
    progress.select(["scheduling_project_totals", "tags"])
    progress.begin("tags")
    progress.end("tags", INCOMPLETE)
    progress.begin("scheduling_project_totals")
    for _ in range(12):
        progress.count_partition("scheduling_project_totals")
    now = time.time()
    console = Console(file=io.StringIO(), width=width, height=30)
    with progress.waiting("scheduling_project_totals", "Clockify is slow.", now + 3540):
        console.print(picture_of(progress, console, now))
    lines: list[str] = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (100, "stream records partitions requests seconds status"),
        (90, "stream records partitions requests status"),
        (80, "stream records partitions status"),
        (60, "stream status"),
        (40, "stream status"),
        (20, "stream status"),
    ],
)
def test_a_table_says_what_streams_do_however_narrow_it_is(width: int, columns: str) -> None:
    head, waits, failed = live_lines(width)[:3]

    assert head.split() == columns.split()
    assert waits.endswith(" waits 59:00")
    assert failed.endswith(" incomplete")
    assert waits.split()[0] == ("scheduling_project_totals" if width >= 40 else "schedu…")
    assert max(map(len, (head, waits, failed))) <= width


def test_the_line_below_the_table_counts_the_requests_for_parents_too() -> None:
    progress = SyncProgress()
    progress.select(["tags"])
    for stream in ("tags", "workspaces", "workspaces"):
        progress.count_request(stream)

    below = summary_of(progress.all(), time.time())

    assert below.startswith("0 of 1 streams complete; 0 records, 3 requests, ")
    assert table_of(progress.all(), time.time()).splitlines()[-1].split()[2] == "3"
