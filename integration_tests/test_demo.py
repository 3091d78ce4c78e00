"""The demo shows what the README says that it shows."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime

import pytest

from demo.scenario import CHANGING_STREAMS, NOW, START_DATE
from docs.build.notes import requests_in_a_sync
from integration_tests.airbyte import ROOT, STREAMS
from integration_tests.pubsub.servers import servers
from integration_tests.test_documents import section
from integration_tests.truth import EVENTS, REPORT_DAYS

README = (ROOT / "README.md").read_text()
PICTURE = (ROOT / "docs" / "pipeline.svg").read_text()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo prints."""
    demo = [sys.executable, "-m", "demo"]
    folder = str(tmp_path_factory.mktemp("demo"))
    process = subprocess.run(
        demo,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": folder},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.slow
def test_the_demo_shows_records_and_requests_of_every_stream(shown: str) -> None:
    assert "\nSUCCEEDED\n" in shown
    assert f"\n{len(STREAMS) + 1} streams\n" in shown
    counted = re.findall(r"(\w+) +(\d+) +(\d+)(?= {5}|\n)", shown)
    numbers = {name: (int(records), int(requests)) for name, records, requests in counted}
    assert numbers.pop("sync_log") == (len(STREAMS), 0)
    assert numbers.keys() == {*STREAMS, "together"}
    assert all(records > 0 and requests > 0 for records, requests in numbers.values()), numbers
    totals = [sum(each) for each in zip(*(numbers[name] for name in STREAMS), strict=True)]
    assert totals[0] + len(STREAMS) == numbers["together"][0]


@pytest.mark.slow
def test_the_demo_shows_each_change_twice_and_nothing_else(shown: str) -> None:
    shown = shown.partition("\nThe same four syncs")[0]
    syncs = [part.strip().split("\n") for part in re.split(r"\nSync \d, at \d\d:\d\d:\n", shown)]
    baseline = dict(re.findall(r"(\w+) +(\d+) records", "\n".join(syncs[1])))
    assert baseline.keys() == {"projects", "tasks", "time_entries", "time_entries_in_progress"}

    done = "\n".join(syncs[1])
    (edited,) = re.findall(r"time entry (\w+) gets another description", done)
    (moved,) = re.findall(r"time entry (\w+) is moved three weeks earlier", done)
    (deleted,) = re.findall(r"time entry (\w+) is deleted", done)
    (project,) = re.findall(r"project (\w+) is renamed", done)
    (task,) = re.findall(r"task (\w+) is deleted", done)
    (timer,) = re.findall(r"timer (\w+) is started", done)
    expected = {
        ("time_entries", "changed", edited),
        ("time_entries", "changed", moved),
        ("time_entries", "deleted", deleted),
        ("projects", "changed", project),
        ("tasks", "deleted", task),
        ("time_entries", "new", timer),
        ("time_entries_in_progress", "new", timer),
    }
    changes = [_message(line) for line in syncs[2]]
    assert len(changes) == len(expected)
    assert {change[:3] for change in changes} == expected
    assert len({version for *_, version in changes}) == 1

    again = [(stream, f"{what}, again", key, version) for stream, what, key, version in changes]
    assert sorted(_message(line) for line in syncs[3]) == sorted(again)
    assert syncs[4] == ["nothing"]


@pytest.mark.slow
def test_the_demo_ends_in_a_topic_that_merges_to_what_clockify_has(shown: str) -> None:
    tracked, _, published = shown.partition("\nThe same four syncs as messages of Pub/Sub, on ")
    name, _, told = published.partition(".\n")
    assert name == next(iter(servers()))
    baseline = re.findall(r"\w+ +(\d+) records", tracked.partition("\nSync 2")[0])
    counts = [int(number) for number in re.findall(r"\nsync \d: (\d+) messages", told)]
    assert counts == [sum(map(int, baseline)), 7, 7, 0]

    messages = re.findall(r"\n_stream=(\w+)\n    (\{.*\})", told)
    versions = re.findall(r"\n(\w+) +(?:new|changed|deleted) +(\w+)  (\S+)", tracked)
    assert sorted(versions) == sorted(
        (stream, data["id"], data["_ab_cdc_updated_at"])
        for stream, data in (
            (stream, json.loads(message)["_airbyte_data"]) for stream, message in messages
        )
    )
    assert len(messages) == 7
    compared = re.findall(r"\n(\w+) +\d+ records, as in Clockify", told)
    assert tuple(compared) == CHANGING_STREAMS


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_shows(shown: str) -> None:
    records, requests, tracked = (
        int(number.replace(",", ""))
        for number in re.findall(r"-->([\d,]+)<!--", section(README, "Try it"))
    )
    assert f"together{records:>26}{requests:>10}" in shown
    assert f"\nsync 1: {tracked} messages\n" in shown
    pictured = re.findall(r">([^<]+)</text>", PICTURE.partition("Second sync: ")[2])
    messages = [pictured[place : place + 4] for place in range(0, len(pictured), 4)]
    (sync,) = re.findall(r"\nSync 2, at 10:30:\n(.*?)\n\n", shown, re.DOTALL)
    assert [_without_fractions(" ".join(message)) for message in messages] == [
        _without_fractions(" ".join(line.split())) for line in sync.splitlines()
    ]


@pytest.mark.slow
def test_the_users_page_tells_how_many_requests_a_sync_takes(shown: str) -> None:
    span = r"( and week| and \d+ days)?"
    told = {
        stream: re.findall(rf"^(\d+) for each (\w+){span}(?:\W|$)", requests_in_a_sync(stream))[0]
        for stream in STREAMS
        if stream != "workspaces"
    }
    counted = re.findall(r"(\w+) +(\d+) +(\d+)(?= {5}|\n)", shown)
    records = {name: int(number) for name, number, _ in counted}
    requests = {name: int(number) for name, _, number in counted}
    units = {
        "workspace": 1,
        "user": records["users"],
        "project": records["projects"],
        "invoice": records["invoices"],
        "policy": records["time_off_policies"],
        "webhook": records["webhooks"],
    }
    for stream, (number, unit, days) in told.items():
        times = _windows(stream, days) if days else 1
        fewest = int(number) * units[unit] * times
        # Of the others one page takes all that there is here. Events are read until an empty page,
        # so each window with events takes one request more than it has pages.
        is_read_to_the_end = stream in (*EVENTS, "webhook_logs")
        further_pages = records[stream] // 50 + fewest if is_read_to_the_end else 0
        if stream == "time_entries_changed":
            # The pages of all that was created, and each entry.
            further_pages += records["detailed_report"] // 50 + records[stream]
        assert fewest <= requests[stream] <= fewest + further_pages, stream


def _windows(stream: str, span: str) -> int:
    """How many windows there are in what the demo reads."""
    first = datetime.fromisoformat(START_DATE[:10]).date()
    ahead = 0 if stream in (*EVENTS, "attendance_report") else REPORT_DAYS
    days = (NOW.date() - first).days + 1 + ahead
    if span == " and week":
        return days // 7
    (length,) = re.findall(r"^ and (\d+) days$", span)
    return -(-days // int(length))


def _without_fractions(text: str) -> str:
    """A text without the fractions of its seconds, which differ between runs."""
    return re.sub(r"\.\d{3}Z", "Z", text)


def _message(line: str) -> tuple[str, str, str, str]:
    """Stream, what happened, key and version of a line."""
    stream, happened, key, version = re.split(r" {2,}", re.sub(r"(?<=again) ", "  ", line))
    return stream, happened, key, version
