"""bin/catalog-folder OUT: what a contribution to Airbyte's catalog of connectors holds.

OUT is a checkout of airbytehq/airbyte, or any folder. In a checkout, the version is the next major
one, and the changelog, the announced breaking changes, the icon, and what the metadata says of the
release and of Airbyte's own tests are kept.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from string import Template
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "bin" / "catalog"
CONNECTOR = Path("airbyte-integrations", "connectors", "source-clockify")
DOCUMENTS = Path("docs", "integrations", "sources")

# Airbyte's own connector, which this becomes the next version of.
DEFINITION_ID = "e71aae8a-5143-11ed-bdc3-0242ac120002"
REPOSITORY = "airbyte/source-clockify"
BASE_IMAGE = "docker.io/airbyte/source-declarative-manifest"
STREAMS_BEFORE = (
    "clients",
    "projects",
    "tags",
    "tasks",
    "time_entries",
    "user_groups",
    "users",
)
DAYS_TO_UPGRADE = 60

# Fields of the form that only the full connector knows.
OWN_FIELDS = ("track_changes", "resend_changes", "follow_changes", "state_limit_mb")
AIRBYTES_PAGE = "https://docs.airbyte.com/integrations/sources/clockify"
# What the manifest alone does without it.
START_DATE = (
    "Leave it empty for all history:\n          reports then begin with 2017, or on the day on"
    " which the oldest of the Workspace IDs\n          was created. Entries that were imported"
    " into a younger workspace need a start date to\n          be in the reports.\n"
)
CHANGE = (
    "Streams have the columns and types of Clockify's API of today, the primary key of users "
    "includes the workspace, and time entries are incremental. Refresh the source schema, then "
    "refresh the streams."
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/catalog-folder", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--base-image-digest", metavar="sha256:...", help="of the base image")
    parser.add_argument("--deadline", type=date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument("--pull-request", type=int, metavar="NUMBER", help="for the changelog")
    given = parser.parse_args(arguments)
    today = date.today()
    deadline = given.deadline or today + timedelta(days=DAYS_TO_UPGRADE)
    if deadline <= today + timedelta(days=7):
        parser.error("--deadline must be more than a week ahead")
    if given.base_image_digest and not re.fullmatch(
        r"sha256:[0-9a-f]{64}", given.base_image_digest
    ):
        parser.error("--base-image-digest must be sha256: and 64 hexadecimal digits")
    connector, documents = given.out / CONNECTOR, given.out / DOCUMENTS
    before = _read_yaml(connector / "metadata.yaml").get("data", {})
    version = next_version(str(before.get("dockerImageTag", "")))
    manifest = catalog_manifest((ROOT / "source_clockify" / "manifest.yaml").read_text())
    loaded = yaml.load(manifest, yaml.CSafeLoader)
    image = f"{BASE_IMAGE}:{loaded['version']}"
    if given.base_image_digest:
        image += f"@{given.base_image_digest}"
    metadata = catalog_metadata(before, version, image, deadline)
    row = _changelog_row(version, today, given.pull_request)
    values = {
        "version": version,
        "fields": "\n".join(_fields(loaded["spec"]["connection_specification"])),
        "streams": "\n".join(_stream_rows(loaded)),
        "changelog": "\n".join([row, *_older_rows(documents / "clockify.md", version)]),
    }
    _write(connector / "manifest.yaml", manifest)
    _write(connector / "metadata.yaml", yaml.safe_dump(metadata, sort_keys=False, width=100))
    shutil.copyfile(ROOT / "icon.svg", connector / "icon.svg")
    for name in ("README.md", "acceptance-test-config.yml"):
        _write(connector / name, (TEMPLATES / name).read_text())
    for template in (TEMPLATES / "unit_tests").iterdir():
        if template.is_file():
            _write(connector / "unit_tests" / template.name, template.read_text())
    for name in ("clockify.md", "clockify-migrations.md"):
        _write(documents / name, Template((TEMPLATES / name).read_text()).substitute(values))
    print(f"{connector}: version {version}")
    print(f"{documents / 'clockify.md'}, {documents / 'clockify-migrations.md'}")
    if not given.base_image_digest:
        print(f"Not known here: the digest of {image} (--base-image-digest).")
    if not given.pull_request:
        print("Not known yet: the number of the pull request (--pull-request).")
    return 0


def next_version(before: str) -> str:
    """Return the version after Airbyte's: 1.0.0 as long as theirs is below, else the next major."""
    major = int(before.split(".")[0]) if before else 0
    return f"{major + 1}.0.0"


def catalog_manifest(text: str) -> str:
    """Return the manifest without what only the full connector can do."""
    for field in OWN_FIELDS:
        text, count = re.subn(rf"^      {field}:\n(?:        .*\n)+", "", text, flags=re.MULTILINE)
        _expect_one(count, field)
        # It is no field any more, so it can no longer be null.
        text, count = re.subn(rf"^.*config\.get\('{field}'.*\n", "", text, flags=re.MULTILINE)
        _expect_one(count, field)
    text, count = re.subn(
        r"^      - id: changes\n        title: .*\n", "", text, flags=re.MULTILINE
    )
    _expect_one(count, "the group of change tracking")
    text = text.replace("        group: changes\n", "        group: data\n")
    text, count = re.subn(r"Leave it empty for all\s+history: [^<]*?\.\n", START_DATE, text)
    _expect_one(count, "the description of Start Date")
    text = re.sub(r'href="https:[^"#]*clockify\.md#', f'href="{AIRBYTES_PAGE}#', text)
    text, count = re.subn(r"(\n  documentation_url: ).*", rf"\g<1>{AIRBYTES_PAGE}", text)
    _expect_one(count, "the address of the documentation")
    # Airbyte's checks look for addresses without TLS; this pattern admits them for a loopback host.
    text, count = re.subn(r"(pattern: &https_url .*)", r"\1  # ignore-https-check", text)
    _expect_one(count, "the pattern of addresses")
    return text


def catalog_metadata(
    before: Mapping[str, Any], version: str, image: str, deadline: date
) -> dict[str, Any]:
    """Return metadata.yaml; `before` is the `data` of Airbyte's own."""
    own = _read_yaml(ROOT / "metadata.yaml")["data"]
    kept = {
        name: before[name]
        for name in ("ab_internal", "connectorTestSuitesOptions", "icon", "releaseDate")
        if name in before
    }
    suites = list(kept.get("connectorTestSuitesOptions") or ())
    if {"suite": "unitTests"} not in suites:
        suites.insert(0, {"suite": "unitTests"})
    data = {
        "ab_internal": {"ql": 100, "sl": 100},
        "icon": "icon.svg",
        **{
            name: own[name]
            for name in (
                "connectorType",
                "connectorSubtype",
                "license",
                "releaseStage",
                "supportLevel",
                "externalDocumentationUrls",
                "maxSecondsBetweenMessages",
                "suggestedStreams",
                "githubIssueLabel",
                "allowedHosts",
            )
        },
        **kept,
        "name": "Clockify",
        "documentationUrl": AIRBYTES_PAGE,
        "definitionId": DEFINITION_ID,
        "dockerRepository": REPOSITORY,
        "dockerImageTag": version,
        "tags": ["cdk:low-code", "language:manifest-only"],
        "connectorBuildOptions": {"baseImage": image},
        "registryOverrides": {"cloud": {"enabled": True}, "oss": {"enabled": True}},
        "remoteRegistries": {"pypi": {"enabled": False, "packageName": "airbyte-source-clockify"}},
        "connectorTestSuitesOptions": suites,
        "releases": {
            "breakingChanges": {
                **before.get("releases", {}).get("breakingChanges", {}),
                version: {
                    "message": CHANGE,
                    "upgradeDeadline": f"{deadline}",
                    "deadlineAction": "auto_upgrade",
                    "scopedImpact": [{"scopeType": "stream", "impactedScopes": [*STREAMS_BEFORE]}],
                },
            }
        },
    }
    return {"metadataSpecVersion": "1.0", "data": data}


def _fields(specification: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each field of the form."""
    properties = specification["properties"]
    for name in sorted(properties, key=lambda name: properties[name]["order"]):
        field = properties[name]
        needs = "" if name in specification["required"] else " (Optional)"
        yield f"- **{field['title']}**{needs}: {field['description']}"
        for option in field.get("oneOf", ()):
            yield f"  - **{option['title']}**: {option['description']}"


def _stream_rows(manifest: Mapping[str, Any]) -> Iterator[str]:
    seen = set()
    for stream in _streams(manifest):
        if stream["name"] not in seen:
            seen.add(stream["name"])
            key = ", ".join(stream["primary_key"])
            cursor = stream.get("incremental_sync")
            yield f"| {stream['name']} | {key} | {'✅' if cursor else '❌'} |"


def _streams(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
        ManifestReferenceResolver,
    )

    from source_clockify.manifest import streams_of

    for entry in ManifestReferenceResolver().preprocess_manifest(dict(manifest))["streams"]:
        yield from streams_of(entry)


def _changelog_row(version: str, today: date, number: int | None) -> str:
    name = str(number) if number else "TBD"
    link = f"[{name}](https://github.com/airbytehq/airbyte/pull/{name})"
    subject = "All streams of Clockify's API, data regions, subdomains, several workspaces"
    return f"| {version} | {today} | {link} | {subject} |"


def _older_rows(page: Path, version: str) -> list[str]:
    """Return the rows of the changelog that Airbyte's page has already."""
    text = page.read_text() if page.is_file() else ""
    rows = re.findall(
        r"^\| *(\d+\.\d+\.\d+) *\|(.*)$", text.split("## Changelog")[-1], re.MULTILINE
    )
    return [f"| {number} |{rest}" for number, rest in rows if number != version]


def _read_yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text()) if path.is_file() else {}
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _expect_one(count: int, what: str) -> None:
    if count != 1:
        raise SystemExit(f"The manifest has {what} {count} times; bin/catalog_folder.py expects 1.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
