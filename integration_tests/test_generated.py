"""The generated parts of the documents are what the code says, and the check shows what is not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from docs.build.__main__ import COMMAND, FILES, PARTS
from docs.build.blocks import Mismatch, fill_blocks
from integration_tests.airbyte import ROOT
from source_clockify.configuration import DEFAULT_LIMIT_MB
from source_clockify.manifest_file import load_manifest

USERS_PAGE = "docs/integrations/sources/clockify.md"
MANIFEST = "source_clockify/manifest.yaml"
SCHEMA = """    $schema: https://json-schema.org/draft-07/schema#
    type: object
    additionalProperties: true
    properties:
"""
# What docs.build reads.
SOURCES = (
    *("source_clockify", "clockify_sandbox", "demo", "docs", "examples"),
    *("integration_tests", "unit_tests", "metadata.yaml", "pyproject.toml"),
    *("README.md", "AGENTS.md", "CONTRIBUTING.md"),
)


def check(root: Path, *files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *COMMAND.split()[1:], "--check", *files]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_the_documents_are_what_the_code_says() -> None:
    checked = check(ROOT)
    assert checked.returncode == 0, checked.stdout + checked.stderr


# The check


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project, to be changed."""
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc", "manifest.json")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


class Change(NamedTuple):
    """A text of a file, and what it becomes."""

    file: str
    old: str
    new: str

    def make(self, root: Path) -> None:
        path = root / self.file
        text = path.read_text()
        assert text.count(self.old) == 1, self.old
        path.write_text(text.replace(self.old, self.new))


CHANGES = {
    "a key": Change(
        MANIFEST,
        "name: tags\n    primary_key: [id]",
        "name: tags\n    primary_key: [workspaceId, id]",
    ),
    "a page": Change(MANIFEST, "page_size: 5000", "page_size: 4000"),
    "a default": Change(MANIFEST, "        default: 365\n", "        default: 300\n"),
    "a column": Change(
        MANIFEST,
        f"  tags:\n{SCHEMA}",
        f"  tags:\n{SCHEMA}      groupId: {{type: [string, 'null'], description: Its group.}}\n",
    ),
    "a number": Change(
        "source_clockify/tracked_sync.py", "\nSINGLE_READS = 500\n", "\nSINGLE_READS = 400\n"
    ),
    "a message": Change("clockify_sandbox/texts.py", '    "2026-01-01",\n', '    "2026-01-02",\n'),
}
DIFFERENCES = {
    "AGENTS.md": ["| clients | GET /W/clients | page, page-size (4000) |"],
    USERS_PAGE: [
        "| tags, also archived ones | `workspaceId`, `id` |",
        "+**Horizon Days** (300): ",
        "| `horizon_days` | 300 |",
        "-->400<!-- end --> requests for single records",
    ],
    "docs/airbyte-cloud.md": [" columns<!-- end --> | Airbyte Cloud documents"],
    "docs/change-tracking.md": ['"description": "2026-01-02"', "-->400<!-- end --> single reads"],
    "docs/entities.md": ["+        string workspaceId PK, FK"],
}


@pytest.mark.slow
def test_the_check_shows_what_differs(copy: Path) -> None:
    for change in CHANGES.values():
        change.make(copy)
    checked = check(copy)
    assert checked.returncode == 1
    for document, differences in DIFFERENCES.items():
        shown = checked.stdout.partition(f"--- {document}\n")[2].partition("\n--- ")[0]
        assert [each for each in differences if each not in shown] == [], document
    assert {*checked.stderr.splitlines()} == {
        f"{document} is not what the code says. Run: {COMMAND}" for document in DIFFERENCES
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            Change(
                "source_clockify/cdk_patches.py",
                "Each has an error of its own above.",
                "Look at the errors above.",
            ),
            "source_clockify/cdk_patches.py: this text is not in docs/build/messages.yaml: "
            "These streams failed:.... Look at the errors above.\n"
            "Add it there with what to do about it, or correct the closest text: "
            "These streams failed: {streams}. Each has an error of its own",
            id="another error text",
        ),
        pytest.param(
            Change(
                "docs/build/messages.yaml",
                "  - text: The catalog selects no stream. Select at least one.\n",
                "  - text: The catalog selects nothing at all.\n",
            ),
            "",
            id="a text that nothing says",
        ),
        pytest.param(
            Change(
                "docs/build/streams.yaml",
                "\nholidays:\n",
                "\nbank_holidays:\n",
            ),
            "streams.yaml has no note of the stream holidays",
            id="a stream without a note",
        ),
    ],
)
def test_the_check_says_what_is_missing(copy: Path, change: Change, said: str) -> None:
    change.make(copy)
    checked = check(copy, USERS_PAGE)
    assert checked.returncode == 1
    assert checked.stderr.startswith(f"{USERS_PAGE} cannot be written. ")
    assert said in checked.stderr


def test_a_part_is_written_where_its_marks_stand() -> None:
    text = "in <!-- generated: a --><!-- end --> streams\n<!-- generated: b -->\n<!-- end -->\n"
    filled = (
        "in <!-- generated: a -->A<!-- end --> streams\n<!-- generated: b -->\nB\n<!-- end -->\n"
    )
    assert fill_blocks(text, str.upper) == filled
    assert fill_blocks(filled, str.upper) == filled
    assert fill_blocks("  # generated: c\n  # end\n", str.upper) == (
        "  # generated: c\nC\n  # end\n"
    )


def test_the_parts_of_the_documents_exist() -> None:
    marks = (
        re.findall(r"generated: ([\w -]+?)(?: -->|$)", (ROOT / file).read_text(), re.MULTILINE)
        for file in FILES
    )
    used = {part for found in marks for part in found if not part.startswith("messages ")}
    assert used == {*PARTS}


def test_a_part_without_an_end_is_refused() -> None:
    with pytest.raises(Mismatch, match="no end"):
        fill_blocks("<!-- generated: a -->\n", str.upper)


# What is written by hand


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".md")])
def test_no_number_of_streams_is_written_by_hand(file: str) -> None:
    text = (ROOT / file).read_text().partition("\n## Changelog\n")[0]
    by_hand = re.sub(r"<!-- generated: .*?<!-- end -->", "", text, flags=re.DOTALL)
    # A connection of Airbyte Cloud can have 1000.
    assert {*re.findall(r"(\d+)\s+streams", by_hand)} <= {"1000"}


def test_the_state_limit_of_the_form_is_that_of_the_code() -> None:
    field = load_manifest()["spec"]["connection_specification"]["properties"]["state_limit_mb"]
    assert field["default"] == DEFAULT_LIMIT_MB
