"""Version, base image, names and pins; unit_tests/test_release.py has where they are written."""

import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomli
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from source_clockify.installed import DISTRIBUTION

ROOT = Path(__file__).resolve().parents[1]
METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
PYPROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
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


def test_the_changelog_begins_with_this_version() -> None:
    assert changelog()[0][0] == numbers(PROJECT["version"])


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
    assert METADATA["license"] == PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_the_command_has_the_name_of_the_connector() -> None:
    assert list(PROJECT["scripts"]) == [METADATA["githubIssueLabel"]] == ["source-clockify"]
    assert PROJECT["name"] == METADATA["remoteRegistries"]["pypi"]["packageName"] == DISTRIBUTION


def test_the_old_names_stand_nowhere() -> None:
    """They belong to other projects; files for Airbyte's own repository may name its page."""
    command = ["git", "ls-files", "-z", ":!bin/catalog", ":!bin/catalog_folder.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    if not files:
        pytest.skip("not a checkout of git")
    name, page = "source-clockify", "docs.airbyte.com/integrations" + "/sources/clockify"
    names = re.compile(rf"\b{name}/{name}\b(?!-)|{re.escape(page)}|pip install {name}")
    found = [file for file in files if file.is_file() and names.search(read_text(file))]
    assert found == []


def read_text(file: Path) -> str:
    return file.read_text(errors="replace")


# Requirements


def pins(name: str) -> dict[str, list[Requirement]]:
    """The pins of a file, by the name of the package; several where Pythons differ."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "requirements" / name).read_text().split("\n"):
        if line and line[0] not in " #":
            requirement = Requirement(line.removesuffix("\\"))
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("runtime.txt", PROJECT["dependencies"]),
        ("dev.txt", [*PROJECT["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]),
    ],
)
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_each_dependency_is_pinned_once_within_its_range(
    name: str, wanted: list[str], python: str
) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    pinned = pins(name)
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        (pin,) = (
            pin
            for pin in pinned[canonicalize_name(requirement.name)]
            if pin.marker is None or pin.marker.evaluate(environment)
        )
        (version,) = (part.version for part in pin.specifier if part.operator == "==")
        assert requirement.specifier.contains(version), text


def test_the_tests_run_with_the_versions_of_the_image() -> None:
    image, tests = pins("runtime.txt"), pins("dev.txt")
    assert {name: [*map(str, tests.get(name, []))] for name in image} == {
        name: [*map(str, image[name])] for name in image
    }


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_every_pin_has_hashes_and_no_index_is_named(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    blocks = re.split(r"\n(?=[\w-])", text)
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert not re.search(r"https?://|--index|--extra-index|--find-links|file:", text)


def test_the_manifest_is_of_the_pinned_cdk() -> None:
    manifest = (ROOT / "source_clockify" / "manifest.yaml").read_text()
    (pin,) = pins("runtime.txt")["airbyte-cdk"]
    assert re.findall(r"^version: (\S+)$", manifest, re.M) == [str(pin.specifier).strip("=")]
