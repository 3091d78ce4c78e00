"""docs/recordings shows what commands print on a terminal; benchmarks/recordings.py makes it."""

import re

import pytest

from benchmarks.recordings import FOLDER, RECORDINGS, moments
from integration_tests.airbyte import STREAMS
from integration_tests.terminal import COLUMNS, Session

FILES = sorted(FOLDER.glob("*.txt"))


def rows_of(text: str) -> list[list[str]]:
    """The rows of all tables of streams, but their heads and sums."""
    tables = re.findall(r"^stream +records .*\n((?:[a-z]\w* .*\n)+)", text, re.M)
    rows = [line.split() for table in tables for line in table.split("\n") if line]
    return [row for row in rows if row[0] != "total"]


def test_there_is_a_recording_of_each_command_that_is_recorded() -> None:
    assert {file.stem for file in FILES} >= RECORDINGS.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recording_fits_a_terminal_and_is_plain_text(file: str) -> None:
    text = FOLDER.joinpath(file).read_text()

    assert max(map(len, text.split("\n"))) <= COLUMNS
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_stream_of_a_recording_exists(name: str) -> None:
    rows = rows_of((FOLDER / f"{name}.txt").read_text())

    assert len(rows) > 10
    assert {row[0] for row in rows if row[0] != "total"} <= {*STREAMS, "sync_log"}


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_sums_of_a_recorded_table_are_right(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    table = text.rpartition("\nstream ")[2].partition("\ntotal ")
    rows = [line.split() for line in table[0].split("\n")[1:]]
    records, new = table[2].split()[:2]

    assert int(records) == sum(int(row[1]) for row in rows)
    assert int(new) == sum(int(row[2]) for row in rows if row[0] != "sync_log")


def test_a_moment_is_the_first_whole_picture_that_shows_it() -> None:
    session = Session(0, [(1.0, "one"), (2.0, "\r\x1b[2Ktwo"), (2.01, "!"), (3.0, "\r\n2 more")])

    assert list(moments(session, ["two", "more"])) == [(2.01, ["two!"]), (3.0, ["two!", "2 more"])]


def test_the_recorded_pipeline_says_that_what_it_read_was_acknowledged() -> None:
    text = (FOLDER / "sync.txt").read_text()
    _, said = text.split("-- at the end --")
    records = re.findall(r"^total +(\d+)", said, re.M)

    assert re.findall(r"(\d+) records were sent, and (\d+) states", said) == [(*records, "13")]
    assert "the destination acknowledged 13 states." in said
    # A line between two pictures would leave a row of the former one behind.
    assert "so far" not in text
    assert all(part.count("\nstream ") == 1 for part in text.split("\n-- ")[1:])
