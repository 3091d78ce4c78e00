"""Writes the version and the names of pyproject.toml wherever else they stand.

    bin/release 0.3.0          begins a version: its number, and its section of CHANGELOG.md
    bin/release                writes the names, after [tool.source-clockify] has changed
    bin/release --check        fails if a file differs from pyproject.toml or CHANGELOG.md
    bin/release --check-tag T  fails too unless T is "v" and the version, and the names are set
    bin/release --print WHAT   image, registry, version, or the notes of the version

A new version is refused if it is not above the last one, if something is not committed, or if the
section "Unreleased" is empty. Either all files are written or none.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path

import tomli

from docs.changelog import UNRELEASED, Section, rows, sections

ROOT = Path(__file__).resolve().parents[1]
# The owner until there is one; no account can have this name.
NOT_SET = "owner_not_set"

PAGE = "docs/integrations/sources/clockify.md"
TERRAFORM = "examples/terraform/self-managed/variables.tf"
LINKS = ".github/ISSUE_TEMPLATE/config.yml"
VERSION = r"\d+\.\d+\.\d+"
IMAGE = r"\w[\w.-]*(?::\d+)?(?:/[\w.-]+)*/source-clockify"

# File, pattern, value: what the only group of the pattern matches becomes the value, at each match.
PLACES = (
    ("pyproject.toml", r'^version = "(.*)"$', "{version}"),
    ("pyproject.toml", r'^Homepage = "(.*)"$', "{repository}"),
    ("pyproject.toml", r'^Documentation = "(.*)"$', "{documentation}"),
    ("pyproject.toml", r'^Changelog = "(.*)"$', "{repository}/blob/main/CHANGELOG.md"),
    ("pyproject.toml", r'^Issues = "(.*)"$', "{repository}/issues"),
    ("metadata.yaml", r"^  name: (.*)$", "{name}"),
    ("metadata.yaml", r"^  dockerRepository: (.*)$", "{image}"),
    ("metadata.yaml", r"^  dockerImageTag: (.*)$", "{version}"),
    ("metadata.yaml", r"^  documentationUrl: (.*)$", "{documentation}"),
    ("source_clockify/manifest.yaml", r"^  documentation_url: (.*)$", "{documentation}"),
    ("source_clockify/manifest.yaml", r'href="(https:[^"#]*clockify\.md)#', "{documentation}"),
    ("Dockerfile", r"io\.airbyte\.name=(\S*)", "{image}"),
    ("Dockerfile", r"io\.airbyte\.version=(\S*)", "{version}"),
    ("Dockerfile", r"org\.opencontainers\.image\.version=(\S*)", "{version}"),
    ("Dockerfile", r'org\.opencontainers\.image\.title="(.*)"', "{name}"),
    ("Dockerfile", r"org\.opencontainers\.image\.source=(\S*)", "{repository}"),
    ("Dockerfile", r"org\.opencontainers\.image\.documentation=(\S*)", "{documentation}"),
    ("README.md", rf"({IMAGE}:{VERSION})", "{image}:{version}"),
    (PAGE, rf"({IMAGE}:{VERSION})", "{image}:{version}"),
    (PAGE, rf"the image's name `({IMAGE})`", "{image}"),
    (PAGE, rf"its tag `({VERSION})`", "{version}"),
    (PAGE, r"^\| Version \| Date .*\n\|[-|]+\|\n((?:\|.*\n)*)", "{rows}"),
    ("docs/self-managed.md", rf"({IMAGE}:{VERSION})", "{image}:{version}"),
    ("examples/shell/sync.sh", rf"({IMAGE}:{VERSION})", "{image}:{version}"),
    (TERRAFORM, r'"image_repository" \{[^}]*default +=[ ]"(.*)"', "{image}"),
    (TERRAFORM, r'"image_tag" \{[^}]*default +=[ ]"(.*)"', "{version}"),
    ("dbt/dbt_project.yml", r'^version: "?([\d.]+)"?$', "{version}"),
    ("SECURITY.md", r"(https:\S+)/security/advisories/new", "{repository}"),
    (LINKS, r"url: (\S+)/security/advisories/new$", "{repository}"),
    (LINKS, r"url: (\S+)/discussions$", "{repository}"),
    (LINKS, r"url: (\S+clockify\.md)$", "{documentation}"),
)


class Refused(Exception):
    """What was asked for would make a wrong release; the message says why."""


@dataclass(frozen=True)
class Release:
    """What pyproject.toml and CHANGELOG.md say."""

    version: str
    name: str
    registry: str
    owner: str
    repository: str
    documentation: str
    changelog: str

    @property
    def image(self) -> str:
        return f"{self.registry}/{self.owner}/source-clockify"

    @property
    def is_named(self) -> bool:
        return NOT_SET not in f"{self.owner} {self.repository} {self.documentation}"

    def section(self, version: str) -> Section:
        for section in sections(self.changelog):
            if section.version == version:
                return section
        raise Refused(f"CHANGELOG.md has no section [{version}].")


def load(root: Path) -> Release:
    project = tomli.loads((root / "pyproject.toml").read_text())
    names = project["tool"]["source-clockify"]
    return Release(
        version=project["project"]["version"],
        name=names["display-name"],
        registry=names["registry"],
        owner=names["owner"],
        repository=names["repository"],
        documentation=names["documentation"],
        changelog=(root / "CHANGELOG.md").read_text(),
    )


def begin_version(root: Path, last: Release, version: str, day: date) -> Release:
    """Return the release of a new version, which takes the changes that are unreleased."""
    if not re.fullmatch(VERSION, version):
        raise Refused(f"{version} is no version: it is major.minor.patch, such as 0.3.0.")
    if numbers(version) <= numbers(last.version):
        raise Refused(f"{version} is not above {last.version}, the version of pyproject.toml.")
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True
    )
    if status.returncode:
        raise Refused(f"git does not answer here: {status.stderr.strip()}")
    if status.stdout:
        raise Refused(f"Commit or remove this first:\n{status.stdout.rstrip()}")
    unreleased = last.section(UNRELEASED)
    if not unreleased.summary or "\n- " not in unreleased.text:
        raise Refused(
            "The section [Unreleased] of CHANGELOG.md needs a paragraph that sums the version up,"
            " and a list of its changes."
        )
    heading = f"## [{UNRELEASED}]\n"
    dated = f"{heading}\n## [{version}] - {day}\n"
    return replace(last, version=version, changelog=last.changelog.replace(heading, dated, 1))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def changed_files(root: Path, release: Release) -> dict[str, str]:
    """Return the new text of each file that does not say what the release says."""
    values = {
        "version": release.version,
        "name": release.name,
        "image": release.image,
        "repository": release.repository,
        "documentation": release.documentation,
        "rows": rows(release.changelog),
    }
    texts = {file: (root / file).read_text() for file, _, _ in PLACES}
    for file, pattern, template in PLACES:
        value = template.format(**values)
        found = [*re.finditer(pattern, texts[file], re.M)]
        if not found:
            raise Refused(f"{file} has nothing like {pattern}, where {template} belongs.")
        for match in reversed(found):
            texts[file] = texts[file][: match.start(1)] + value + texts[file][match.end(1) :]
    texts["CHANGELOG.md"] = release.changelog
    return {file: text for file, text in texts.items() if text != (root / file).read_text()}


def check(root: Path, release: Release, tag: str | None) -> None:
    changed = changed_files(root, release)
    if changed:
        raise Refused(f"Run bin/release, which writes these anew: {', '.join(sorted(changed))}")
    release.section(release.version)
    if tag is None:
        return
    if tag != f"v{release.version}":
        raise Refused(f"The tag is {tag}, and the version of pyproject.toml {release.version}.")
    if not release.is_named:
        raise Refused(
            "Set registry, owner, repository and documentation in [tool.source-clockify] of"
            " pyproject.toml, then run bin/release."
        )


def write(root: Path, release: Release) -> None:
    changed = changed_files(root, release)
    for file, text in changed.items():
        (root / file).write_text(text)
        print(f"written: {file}")
    if not changed:
        print(f"Version {release.version} and the names stand everywhere.")
    if not release.is_named:
        print(
            "The owner is not set: the image and the links lead nowhere until"
            " [tool.source-clockify] of pyproject.toml names them."
        )


def run(root: Path, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bin/release", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("version", nargs="?", metavar="VERSION")
    parser.add_argument("--date", type=date.fromisoformat, help="of the version; today by default")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--check-tag", metavar="TAG")
    parser.add_argument(
        "--print", dest="printed", choices=["image", "registry", "version", "notes"]
    )
    asked = parser.parse_args(arguments)

    release = load(root)
    if asked.printed == "notes":
        print(release.section(release.version).text)
    elif asked.printed:
        print(getattr(release, asked.printed))
    elif asked.check or asked.check_tag:
        check(root, release, asked.check_tag)
    elif asked.version:
        day = asked.date or datetime.now(timezone.utc).date()
        write(root, begin_version(root, release, asked.version, day))
    else:
        write(root, release)


if __name__ == "__main__":
    try:
        run(ROOT, sys.argv[1:])
    except (Refused, ValueError) as error:
        sys.exit(f"bin/release: {error}")
