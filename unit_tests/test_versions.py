"""One version and one base image, wherever they are written."""

import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
POETRY: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["poetry"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
USERS_PAGE = ROOT / "docs" / "integrations" / "sources" / "clockify.md"

Version = tuple[int, int, int]


def changelog() -> list[tuple[Version, date]]:
    """Version and date of each row, as they stand in the users' page."""
    text = USERS_PAGE.read_text().split("\n## Changelog\n")[1]
    rows = [line.strip("| ").split("|") for line in text.split("\n") if line.startswith("|")]
    return [(numbers(row[0]), date.fromisoformat(row[1].strip())) for row in rows[2:]]


def numbers(version: str) -> Version:
    """AssertionError unless it is major.minor.patch."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version.strip())
    assert found, version
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def test_the_image_and_the_package_have_the_same_version() -> None:
    assert METADATA["dockerImageTag"] == POETRY["version"]
    assert re.findall(r"io\.airbyte\.version=(\S+)", DOCKERFILE) == [POETRY["version"]]


NAMING_THE_IMAGE = [
    ROOT / "README.md",
    USERS_PAGE,
    ROOT / "docs" / "self-managed.md",
    ROOT / "examples" / "shell" / "sync.sh",
]


@pytest.mark.parametrize("document", NAMING_THE_IMAGE, ids=lambda path: path.name)
def test_the_documents_name_this_version_of_the_image(document: Path) -> None:
    image = re.escape(METADATA["dockerRepository"])
    named = re.findall(rf"{image}:(\d[\w.]*\w)", document.read_text())
    assert set(named) == {POETRY["version"]}


def test_the_image_has_the_name_of_the_metadata() -> None:
    assert re.findall(r"io\.airbyte\.name=(\S+)", DOCKERFILE) == [METADATA["dockerRepository"]]


def test_the_changelog_begins_with_this_version() -> None:
    assert changelog()[0][0] == numbers(POETRY["version"])


def test_the_changelog_goes_from_the_newest_version_to_the_oldest() -> None:
    versions = [version for version, _ in changelog()]
    assert versions == sorted(set(versions), reverse=True)
    dates = [released for _, released in changelog()]
    assert dates == sorted(dates, reverse=True)


def test_every_major_version_is_announced_as_a_breaking_change() -> None:
    announced = METADATA.get("releases", {}).get("breakingChanges", {})
    majors = sorted({major for (major, _, _), _ in changelog()})
    assert set(announced) == {f"{major}.0.0" for major in majors[1:]}


def test_the_image_is_built_on_the_base_image_of_the_metadata() -> None:
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.M)
    assert base == METADATA["connectorBuildOptions"]["baseImage"]
    assert re.fullmatch(r"\S+:\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", base)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == ["${BASE_IMAGE}", "${BASE_IMAGE}"]


def test_the_license_is_one() -> None:
    assert METADATA["license"] == POETRY["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_the_package_and_its_command_have_the_connectors_name() -> None:
    name = METADATA["githubIssueLabel"]
    assert POETRY["name"] == METADATA["remoteRegistries"]["pypi"]["packageName"] == name
    assert list(POETRY["scripts"]) == [name]
