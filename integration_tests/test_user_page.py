"""The parts of the user's page that people write: layout, fields, state, hosts, version, links."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from integration_tests.airbyte import ROOT
from integration_tests.test_documents import CHANGE_TRACKING, anchors, section, table
from source_clockify.configuration import DEFAULT_LIMIT_MB
from source_clockify.error_handler import SERVER_RETRIES
from source_clockify.manifest_file import load_manifest

PATH = ROOT / "docs" / "integrations" / "sources" / "clockify.md"
PAGE = PATH.read_text()
METADATA = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]

# As Airbyte's layout of a source's page has them; a page may have more below the second level.
HEADINGS = (
    "# Clockify",
    "## Prerequisites",
    "## Setup guide",
    "### Set up Clockify",
    "### Set up the Clockify connector in Airbyte",
    "#### For Airbyte Cloud:",
    "#### For Airbyte Open Source:",
    "## Supported sync modes",
    "## Supported Streams",
    "### Performance considerations",
    "## Data type map",
    "## Limitations & Troubleshooting",
    "## IP allow list",
    "## Changelog",
)

Schema = Mapping[str, Any]


def spec() -> Schema:
    found: Schema = load_manifest()["spec"]["connection_specification"]
    return found


def part(text: str, title: str) -> str:
    """What stands below a heading of the third level."""
    return re.split(r"\n###? ", text.split(f"\n### {title}\n")[1])[0]


def prose(text: str) -> str:
    """A text without its code."""
    return re.sub(r"`[^`]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


# Layout


def test_the_headings_are_those_of_airbytes_layout_in_its_order() -> None:
    found = re.findall(r"^#+ .*$", prose(PAGE), re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == list(HEADINGS)
    sections = [heading for heading in HEADINGS if heading.startswith("## ")]
    assert [heading for heading in found if heading.startswith("## ")] == sections


def test_what_is_no_text_is_closed_and_known_to_airbyte() -> None:
    # Airbyte renders the page as MDX, which takes a brace or a tag outside of code for a program.
    text = re.sub(r"<!-- (generated: [\w -]+|end) -->", "", prose(PAGE))
    text = re.sub(r"<!-- (/?)env:(\w+) -->", r"<\1env-\2>", text)
    assert "{" not in text
    open_tags: list[str] = []
    for closing, tag in re.findall(r"<(/?)([^\s>]+)", text):
        assert tag in {"HideInUI", "FieldAnchor", "details", "summary", "env-cloud", "env-oss"}
        if not closing:
            open_tags.append(tag)
        else:
            assert open_tags.pop() == tag
    assert open_tags == []


def test_the_introduction_is_hidden_in_airbytes_own_pages() -> None:
    assert re.match(r"# Clockify\n\n<HideInUI>\n\n[^#]+\n\n</HideInUI>\n\n## ", PAGE)


# Fields


def titles(schema: Schema) -> Iterator[str]:
    """The titles of a schema's fields and choices, at every depth."""
    for field in (schema.get("properties") or {}).values():
        if "title" in field:
            yield field["title"]
        yield from titles(field)
    for choice in schema.get("oneOf") or ():
        yield choice["title"]
        yield from titles(choice)


def test_prerequisites_name_every_field_and_choice() -> None:
    text = " ".join(section(PAGE, "Prerequisites").split())
    found = list(titles(spec()))
    assert len(found) > len(spec()["properties"])
    assert [each for each in found if f"**{each}**" not in text] == []


def test_prerequisites_begin_with_what_is_required() -> None:
    text = section(PAGE, "Prerequisites")
    named = re.findall(r"\*\*([^*]+)\*\*", text.replace("\n", " "))
    properties = spec()["properties"]
    required = [properties[name] for name in spec()["required"]]
    wanted = [each["title"] for each in required]
    wanted += [title for each in required for title in titles(each)]
    wanted = list(dict.fromkeys(wanted))
    assert named[: len(wanted)] == wanted
    assert "The rest has defaults" in text


def test_the_setup_has_the_name_and_tag_of_the_image() -> None:
    setup = section(PAGE, "Setup guide")
    name, tag = METADATA["dockerRepository"], METADATA["dockerImageTag"]
    assert f"the image's name `{name}` and its tag `{tag}`" in setup.replace("\n", " ")
    assert {*re.findall(rf"{name}:([\w.]+)", setup)} == {tag}


# State


def test_the_table_of_state_is_what_a_record_takes() -> None:
    text = " ".join(PAGE.split())
    (bytes_a_record,) = re.findall(r"A record takes about (\d+) bytes", text)
    assert f"about {bytes_a_record} bytes for each" in CHANGE_TRACKING
    (most,) = re.findall(r"holds about ([\d,]+) records", text)
    records = int(most.replace(",", ""))
    assert 0.95 < records * int(bytes_a_record) / (DEFAULT_LIMIT_MB * 10**6) < 1
    for days, entries, shared in table(part(PAGE, "State"))[:3]:
        assert int(entries.replace(",", "")) * int(days) == pytest.approx(records, rel=0.03)
        assert int(shared.replace(",", "")) * int(days) * 2 == pytest.approx(records, rel=0.03)


def test_the_retries_end_when_the_page_says() -> None:
    assert "times within about two minutes" in " ".join(PAGE.split())
    assert 60 < sum(2**number for number in range(SERVER_RETRIES)) < 180


# Hosts, version, links


def test_the_allow_list_has_every_host_of_the_metadata() -> None:
    rows = table(section(PAGE, "IP allow list"))
    told = [host for cell, _ in rows for host in re.findall(r"`([^`]+)`", cell)]
    assert told == METADATA["allowedHosts"]["hosts"]
    assert "https://docs.airbyte.com/platform/operating-airbyte/ip-allowlist" in PAGE


def test_the_changelog_begins_with_this_version() -> None:
    changelog = section(PAGE, "Changelog")
    assert re.search(
        r"<details>\n *<summary>Expand to review</summary>\n\n\| Version \| Date \| "
        r"Pull Request \| Subject \|\n",
        changelog,
    )
    version, date, _, subject = table(changelog)[0]
    (ours,) = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version == ours == METADATA["dockerImageTag"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
    assert subject


LINKS = [
    target
    for target in dict.fromkeys(re.findall(r"\]\(([^)]+)\)", PAGE))
    if not target.startswith("https://")
]


@pytest.mark.parametrize("target", LINKS)
def test_a_link_leads_somewhere(target: str) -> None:
    file, _, anchor = target.partition("#")
    linked = (PATH.parent / file).resolve() if file else PATH
    assert linked.is_relative_to(ROOT)
    assert linked.is_file()
    if anchor:
        assert anchor in anchors(linked.read_text())
