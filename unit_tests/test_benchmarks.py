"""The benchmarks' parts that need no clock: tables, ratios, the chart, rows, what they write."""

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import CHART, README
from benchmarks.bare import WAYS
from benchmarks.chart import draw, spread_labels
from benchmarks.entries import Owner, Timeline, projects_like
from benchmarks.experiments import CDK_IMPORT, Syncs
from benchmarks.marked import replace_marked
from benchmarks.measure import Run, Usage, read_output, time_command
from benchmarks.readers import BARE, TRACKED
from benchmarks.sections import QUICK, SECTIONS, WHOLE
from benchmarks.standin import Size
from benchmarks.tables import (
    by_size,
    costs_by_size,
    cpu_ratios,
    first_syncs,
    later_syncs,
    speeds,
    spread,
    start_up,
    table,
)
from benchmarks.targets import Target, at_least, at_most, verdicts

NEWEST = 1_795_510_800
DAY = 86_400


def a_run(cpu_seconds: float, **more: Any) -> Run:
    fields: dict[str, Any] = {
        "seconds": 3 * cpu_seconds,
        "cpu_seconds": cpu_seconds,
        "peak": 100_000_000,
        "requests": 12,
        "records": 1_000,
        "state_messages": 1,
        "state": None,
        "state_bytes": 8_000,
    }
    return Run(**{**fields, **more})


def a_sync(**first: list[Run]) -> Syncs:
    names = {"tracked": TRACKED, "bare": BARE}
    return Syncs(Size(10, 100), {names[name]: runs for name, runs in first.items()})


# Tables and ratios


def test_a_figure_is_the_median_with_the_least_and_the_greatest() -> None:
    assert spread([3, 1, 20], 1) == "3.0 (1.0 to 20.0)"
    assert spread([1234.5], 0) == "1,234"
    assert spread([]) == "-"


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_ratios_are_of_cpu_seconds_within_a_repetition() -> None:
    one, other = [a_run(1), a_run(8)], [a_run(2), a_run(4), a_run(100)]
    assert cpu_ratios(one, other) == [0.5, 2.0]


def test_twice_the_cpu_seconds_of_the_bare_loop_are_half_its_speed() -> None:
    runs = {BARE: [a_run(1), a_run(2)], TRACKED: [a_run(2), a_run(8)]}
    assert speeds(runs, TRACKED) == [0.5, 0.25]
    assert speeds({TRACKED: [a_run(2)]}, TRACKED) == []


def test_each_table_shows_cpu_seconds_and_the_clock() -> None:
    syncs = a_sync(tracked=[a_run(2)], bare=[a_run(1)])
    syncs.later = {TRACKED: [a_run(0.5, records=0)]}
    assert first_syncs(syncs).splitlines()[2] == (
        f"| {TRACKED} | 2.0 | 6.0 | 500 | 0.50 | 100 | 12 | 1 |"
    )
    assert later_syncs(syncs).splitlines()[2] == (
        f"| {TRACKED} | 0.5 | 1.5 | 0 | 100 | 12 | 1 | 8,000 | 8.0 |"
    )
    used = {"spec": [Usage(4, 1, 0)], CDK_IMPORT: [Usage(2, 2, 0)]}
    assert start_up(used).splitlines()[2] == "| spec | 1.0 | 4.0 | 0.50 |"


def test_the_cost_of_each_reader_is_shown_by_size() -> None:
    found = {
        10: a_sync(tracked=[a_run(1), a_run(3), a_run(2)], bare=[a_run(1)]),
        100: a_sync(tracked=[a_run(5)]),
    }
    assert costs_by_size(found) == {TRACKED: [(10, 2), (100, 5)], BARE: [(10, 1)]}
    assert by_size(found).splitlines()[3] == f"| {BARE} | 1.0 | - |"


# Targets


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (at_least("speed", 0.5, "", [0.4, 0.6, 0.5]), True),
        (at_least("speed", 0.5, "", [0.4, 0.6, 0.49]), False),
        (at_most("memory", 400, " MB", [400]), True),
        (at_most("memory", 400, " MB", [401]), False),
        (at_most("memory", 400, " MB", []), None),
        (Target("a figure", [1.0]), None),
    ],
)
def test_a_target_is_held_against_the_median(target: Target, met: bool | None) -> None:
    assert target.met is met


def test_a_short_run_is_not_judged() -> None:
    found = [at_least("speed", 0.5, "", [0.1]), at_most("memory", 400, " MB", [100], 0)]
    assert verdicts(found, judged=True).endswith("1 targets met, 1 missed, 0 not judged")
    assert verdicts(found, judged=False).endswith("0 targets met, 0 missed, 2 not judged")


# The chart


def test_the_chart_has_a_line_with_a_label_and_points_for_each_reader() -> None:
    lines = {"one": [(10_000, 2.0), (1_000_000, 20.0)], "two & more": [(10_000, 0.1)]}
    root = ElementTree.fromstring(draw("Cost", "entries", "CPU seconds", lines))
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    texts = [element.text for element in root.iter()]
    assert tags.count("polyline") == 2
    assert tags.count("circle") == 3
    assert {"Cost", "entries", "CPU seconds", "one", "two & more"} <= set(texts)
    assert {"10,000", "100,000", "1,000,000", "0.1", "1", "10", "100"} <= set(texts)


def test_greater_costs_are_higher_and_greater_sizes_further_right() -> None:
    root = ElementTree.fromstring(draw("", "", "", {"one": [(10, 1), (1000, 100)]}))
    low, high = (element for element in root.iter() if element.tag.endswith("circle"))
    assert float(high.attrib["cx"]) > float(low.attrib["cx"])
    assert float(high.attrib["cy"]) < float(low.attrib["cy"])


def test_labels_do_not_lie_on_each_other() -> None:
    assert spread_labels({"c": 31, "a": 10, "b": 12}, 15) == {"a": 10, "b": 25, "c": 40}


# What the benchmark writes


def test_what_is_measured_replaces_what_stands_between_its_markers() -> None:
    document = "before\n<!-- begin a -->\nold\n<!-- end a -->\nafter\n"
    once = replace_marked(document, "a", "new")
    assert once == "before\n<!-- begin a -->\n\nnew\n\n<!-- end a -->\nafter\n"
    assert replace_marked(once, "a", "new") == once


def test_a_document_without_the_markers_is_refused() -> None:
    with pytest.raises(RuntimeError, match="begin a"):
        replace_marked("<!-- begin b -->\n<!-- end b -->\n", "a", "new")
    with pytest.raises(RuntimeError, match="before"):
        replace_marked("<!-- end a -->\n<!-- begin a -->\n", "a", "new")


def test_the_page_has_markers_for_each_experiment_and_shows_the_chart() -> None:
    page = README.read_text()
    for name in (*SECTIONS, "targets"):
        page = replace_marked(page, name, f"figures of {name}")
    assert f"]({CHART.name})" in page
    assert CHART.exists()


def test_the_sizes_that_are_compared_are_among_those_that_are_read() -> None:
    for plan in (QUICK, WHOLE):
        assert plan.medium in plan.sizes
        assert list(plan.sizes) == sorted(plan.sizes)
        assert not any(size % 10 for size in (*plan.sizes, plan.tracked))


# What is read


def test_both_bare_loops_decode_the_same_rows() -> None:
    page = b'[{"id": "1", "name": "Z\xc3\xbcrich"}, {"id": "2", "tags": [1, null]}]'
    rows = [{"id": "1", "name": "Zürich"}, {"id": "2", "tags": [1, None]}]
    for decode in WAYS.values():
        assert list(decode(page)) == rows
        assert list(decode(b"[]")) == []


def test_the_pages_of_projects_hold_each_once_with_an_id_of_its_own() -> None:
    samples: list[dict[str, Any]] = [
        {"id": "a" * 24, "memberships": [{"targetId": "a" * 24}]},
        {"id": "b" * 24},
    ]
    projects = projects_like(samples, 5, NEWEST)
    found, last, number = [], False, 1
    while not last:
        page, last = projects.page(0, len(projects), number, 2)
        found += json.loads(page)
        number += 1
    assert number == 4
    ids = [project["id"] for project in found]
    assert len(set(ids)) == 5
    assert ids == sorted(ids)
    assert found[0]["memberships"][0]["targetId"] == found[0]["id"]


def test_a_page_of_entries_has_those_of_its_window() -> None:
    timeline = Timeline(Owner("w", "u", 1), count=10, newest=NEWEST, spacing=DAY)
    page, last = timeline.page("2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z", 1, 50)
    starts = [entry["timeInterval"]["start"][:10] for entry in json.loads(page)]
    assert starts == ["2026-11-22", "2026-11-21", "2026-11-20"]
    assert last
    assert len(json.loads(timeline.page(None, None, 1, 4)[0])) == 4
    assert timeline.page(None, None, 4, 4) == (b"[]", True)


# What is counted


def test_the_output_is_counted_by_stream(tmp_path: Path) -> None:
    lines = [
        '{"type":"LOG","log":{"message":"\\"stream\\":\\"tags\\""}}',
        '{"type":"RECORD","record":{"stream":"tags","data":{"name":"x"}}}',
        '{"type":"RECORD","record":{"stream":"projects","data":{}}}',
        '{"type":"RECORD","record":{"stream":"tags","data":{}}}',
        _state("tags", 1),
        _state("tags", 2),
    ]
    output = tmp_path / "output.jsonl"
    output.write_text("\n".join(lines) + "\n")
    printed = read_output(output)
    assert printed.records == {"tags": 2, "projects": 1}
    assert printed.state_messages == {"tags": 2}
    assert printed.states["tags"]["stream"]["stream_state"] == {"version": 2}
    assert not output.exists()


def _state(stream: str, version: int) -> str:
    found = {"stream_descriptor": {"name": stream}, "stream_state": {"version": version}}
    message = {"type": "STATE", "state": {"type": "STREAM", "stream": found}}
    return json.dumps(message, separators=(",", ":"))


@pytest.mark.parametrize("pause", [None, 0])
def test_a_command_prints_to_a_file_or_through_a_pipe_into_one(
    tmp_path: Path, pause: float | None
) -> None:
    output = tmp_path / "output.jsonl"
    code = "for number in range(3): print(number)"
    time_command([sys.executable, "-c", code], output, pause)
    assert output.read_text() == "0\n1\n2\n"


@pytest.mark.skipif(not Path("/proc").exists(), reason="the system has no /proc")
def test_the_memory_of_a_command_leaves_out_that_of_its_parent(
    tmp_path: Path,
) -> None:
    held = bytearray(b"x") * 300_000_000
    # More than a pipe takes, so that the command is there when its memory is looked up.
    code = "print('x' * 1_000_000)"
    usage = time_command([sys.executable, "-c", code], tmp_path / "output.jsonl", 0)
    assert 0 < usage.peak < len(held)


def test_a_command_that_fails_is_named_with_the_end_of_its_output(tmp_path: Path) -> None:
    line = [sys.executable, "-c", "import sys; print('printed'); sys.exit('broken')"]
    with pytest.raises(RuntimeError, match=r"(?s)failed \(1\).*printed.*broken"):
        time_command(line, tmp_path / "output.jsonl")
