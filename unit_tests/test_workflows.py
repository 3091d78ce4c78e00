"""GitHub's files: what they run is here, what they use is pinned, and they may do little."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def load(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    return content


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(file)["jobs"]
    return found


def commands(file: Path) -> list[str]:
    return [
        step["run"] for job in jobs(file).values() for step in job.get("steps", ()) if "run" in step
    ]


@each_workflow
def test_every_action_is_pinned_by_its_commit_with_the_version_beside(file: Path) -> None:
    uses = re.findall(r"uses: (.*)$", file.read_text(), re.M)
    assert uses
    for action in uses:
        assert re.fullmatch(
            r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/[\w.-]+", action
        )


def test_an_action_has_one_pin() -> None:
    pins: dict[str, set[str]] = {}
    for file in WORKFLOWS:
        for name, pin in re.findall(r"uses: ([\w./-]+)@(.*)$", file.read_text(), re.M):
            pins.setdefault(name, set()).add(pin)
    assert {name: len(versions) for name, versions in pins.items()} == dict.fromkeys(pins, 1)


@each_workflow
def test_a_job_may_do_what_it_names_and_ends(file: Path) -> None:
    assert load(file)["permissions"] == {}
    assert "concurrency" in load(file)
    for name, job in jobs(file).items():
        assert "permissions" in job, name
        # A job that calls another workflow takes its limits.
        assert "uses" in job or job["timeout-minutes"] <= 45, name


@each_workflow
def test_no_command_holds_an_expression(file: Path) -> None:
    """GitHub would paste its value into the script before a shell reads it."""
    assert [command for command in commands(file) if "${{" in command] == []


@each_workflow
def test_what_the_commands_start_is_in_the_checkout(file: Path) -> None:
    for command in commands(file):
        for name in re.findall(r"(?<![\w./-])bin/[\w-]+", command):
            assert (ROOT / name).is_file(), name


def test_ci_runs_on_every_python_that_the_package_admits() -> None:
    matrix = jobs(GITHUB / "workflows" / "ci.yml")["unit"]["strategy"]["matrix"]["python"]
    classifiers = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text())
    assert matrix == classifiers == ["3.10", "3.11", "3.12", "3.13"]


def test_all_of_ci_waits_for_every_job() -> None:
    found = jobs(GITHUB / "workflows" / "ci.yml")
    last = found.pop("all")
    assert sorted(last["needs"]) == sorted(found)
    (step,) = last["steps"]
    assert step["run"].count("success") == len(found)


def test_nothing_is_pushed_before_all_of_ci_has_passed() -> None:
    found = jobs(GITHUB / "workflows" / "release.yml")
    may_write = {name for name, job in found.items() if "write" in str(job["permissions"].values())}
    assert may_write == {"image", "release"}
    assert found["tests"]["uses"] == "./.github/workflows/ci.yml"
    assert "tests" in found["image"]["needs"]
    assert "image" in found["release"]["needs"]


def test_a_bug_report_asks_for_what_is_needed_to_see_it() -> None:
    form = load(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]
    asked = {field["id"]: field for field in form if field["type"] != "markdown"}
    assert {"version", "runs", "log", "probe"} <= set(asked)
    assert "source-clockify probe" in asked["probe"]["attributes"]["description"]
    assert asked["version"]["validations"]["required"]


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_has_nothing_to_say() -> None:
    done = subprocess.run(["actionlint", *WORKFLOWS], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say_of_bin() -> None:
    files = [file for file in (ROOT / "bin").iterdir() if file.is_file()]
    scripts = [file for file in files if file.read_bytes().startswith(b"#!/bin/sh\n")]
    assert scripts
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert done.stdout == ""
