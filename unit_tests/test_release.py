"""bin/release, on a copy of the checkout; and what it last wrote to this one."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bin import release_files
from bin.release_files import PLACES, load
from docs.changelog import rows, sections

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted({file for file, _, _ in PLACES} | {"CHANGELOG.md"})
UNRELEASED = "## [Unreleased]\n\nFaster, and\nwith less memory.\n\n### Added\n\n- A | stream.\n\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout of version 0.9.9 with something unreleased, all of it committed."""
    for name in (*FILES, "bin/release_files.py", "docs/changelog.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    edit(tmp_path / "pyproject.toml", r'^version = ".*"$', 'version = "0.9.9"')
    older = "## [0.9.9] - 2026-01-02\n\nThe older one.\n\n- Something.\n"
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{UNRELEASED}{older}")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    assert run(tmp_path).returncode == 0
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    line = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "-")


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "bin.release_files", *arguments]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True)


def edit(file: Path, pattern: str, text: str) -> None:
    before = file.read_text()
    after = re.sub(pattern, text, before, flags=re.M)
    assert after != before
    file.write_text(after)


def texts(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in FILES}


def refused(folder: Path, *arguments: str) -> str:
    """The reason of a refusal, after which no file may have changed."""
    before = texts(folder)
    done = run(folder, *arguments)
    assert done.returncode == 1
    assert texts(folder) == before
    assert "Traceback" not in done.stderr
    return done.stderr


def test_this_checkout_says_the_same_everywhere() -> None:
    done = run(ROOT, "--check")
    assert done.returncode == 0, done.stderr


def test_a_new_version_is_written_wherever_the_old_one_stood(copy: Path) -> None:
    before = texts(copy)
    done = run(copy, "0.10.0", "--date", "2026-12-24")
    assert done.returncode == 0, done.stderr

    after = texts(copy)
    for name in sorted({*FILES} - {"CHANGELOG.md", release_files.PAGE}):
        assert after[name] == before[name].replace("0.9.9", "0.10.0"), name
    for name in ("pyproject.toml", "metadata.yaml", "Dockerfile", "README.md"):
        assert "0.10.0" in after[name], name
    row = "| 0.10.0 | 2026-12-24 | - | Faster, and with less memory. |\n| 0.9.9 | 2026-01-02 |"
    assert row in after[release_files.PAGE]
    assert "## [Unreleased]\n\n## [0.10.0] - 2026-12-24\n\nFaster, and" in after["CHANGELOG.md"]
    assert run(copy, "--check").returncode == 0


def test_what_is_written_once_is_not_written_again(copy: Path) -> None:
    assert run(copy, "0.10.0").returncode == 0
    before = texts(copy)
    done = run(copy)
    assert done.returncode == 0
    assert "Version 0.10.0 and the names stand everywhere." in done.stdout
    assert texts(copy) == before


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "1.0.0-rc1", "1.0.0.0", "latest"])
def test_what_is_no_version_is_refused(copy: Path, version: str) -> None:
    assert f"{version} is no version" in refused(copy, version)


@pytest.mark.parametrize("version", ["0.9.9", "0.9.8", "0.8.10", "0.0.100"])
def test_a_version_that_is_not_above_the_last_is_refused(copy: Path, version: str) -> None:
    assert f"{version} is not above 0.9.9" in refused(copy, version)


def test_a_version_is_compared_by_its_numbers(copy: Path) -> None:
    assert run(copy, "0.9.10").returncode == 0


def test_files_that_are_not_committed_are_refused(copy: Path) -> None:
    (copy / "new.txt").touch()
    assert "?? new.txt" in refused(copy, "0.10.0")


@pytest.mark.parametrize(
    "unreleased",
    [
        "",
        "## [Unreleased]\n\n",
        "## [Unreleased]\n\n### Added\n\n- A stream.\n\n",
        "## [Unreleased]\n\nOnly a paragraph.\n\n",
    ],
    ids=["no section", "empty", "no summary", "no changes"],
)
def test_a_version_without_its_changes_is_refused(copy: Path, unreleased: str) -> None:
    file = copy / "CHANGELOG.md"
    file.write_text(file.read_text().replace(UNRELEASED, unreleased))
    commit(copy)
    assert "[Unreleased]" in refused(copy, "0.10.0")


def test_a_file_without_its_place_is_refused(copy: Path) -> None:
    edit(copy / "Dockerfile", r"io\.airbyte\.version=", "version=")
    commit(copy)
    assert "Dockerfile has nothing like" in refused(copy, "0.10.0")


def test_another_owner_is_written_everywhere_and_can_be_taken_back(copy: Path) -> None:
    before = texts(copy)
    names = load(copy)
    settings = {
        "display-name": names.name,
        "registry": names.registry,
        "owner": names.owner,
        "repository": names.repository,
        "documentation": names.documentation,
    }

    def write(values: dict[str, str]) -> None:
        for name, value in values.items():
            edit(copy / "pyproject.toml", rf'^{name} = ".*"$', f'{name} = "{value}"')
        assert run(copy).returncode == 0

    write(
        {
            "display-name": "Clockify of Acme",
            "registry": "registry.example.com:5000",
            "owner": "Acme/tools",
            "repository": "https://git.example.com/acme/clockify",
            "documentation": "https://acme.example.com/clockify.md",
        }
    )
    after = texts(copy)
    assert not [name for name, text in after.items() if names.owner in text]
    image = "registry.example.com:5000/acme/tools/source-clockify"
    assert f"IMAGE={image}:0.9.9\n" in after["README.md"]
    assert yaml.safe_load(after["metadata.yaml"])["data"]["dockerRepository"] == image
    assert run(copy, "--check-tag", "v0.9.9").returncode == 0

    write(settings)
    assert texts(copy) == before


def test_a_release_needs_its_tag_and_an_owner(copy: Path) -> None:
    assert "The tag is v0.9.8" in refused(copy, "--check-tag", "v0.9.8")
    assert "Set registry, owner" in refused(copy, "--check-tag", "v0.9.9")


def test_a_difference_is_found(copy: Path) -> None:
    edit(copy / "metadata.yaml", "dockerImageTag: .*", "dockerImageTag: 0.9.8")
    assert "metadata.yaml" in refused(copy, "--check")


def test_the_notes_are_the_section_of_the_version(copy: Path) -> None:
    assert run(copy, "0.10.0").returncode == 0
    notes = run(copy, "--print", "notes").stdout
    assert notes == "Faster, and\nwith less memory.\n\n### Added\n\n- A | stream.\n"
    assert run(copy, "--print", "version").stdout == "0.10.0\n"
    assert run(copy, "--print", "image").stdout.endswith("/source-clockify\n")


def test_a_row_repeats_the_first_paragraph() -> None:
    changelog = "## [Unreleased]\n\n## [1.0.0] - 2026-01-02\n\nA | b\nc.\n\n- d\n"
    assert rows(changelog) == "| 1.0.0 | 2026-01-02 | - | A \\| b c. |\n"
    assert [section.version for section in sections(changelog)] == ["Unreleased", "1.0.0"]


@pytest.mark.parametrize("heading", ["## [1.0.0]", "## [1.0.0] - 2026-01-02"])
def test_a_version_without_date_or_paragraph_has_no_row(heading: str) -> None:
    with pytest.raises(ValueError, match=re.escape("CHANGELOG.md: 1.0.0 needs a date")):
        rows(f"{heading}\n\n- d\n")
