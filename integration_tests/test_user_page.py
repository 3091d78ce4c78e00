"""The user's page says what the code does: fields, streams, references, errors, hosts, version."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)

from clockify_sandbox.plans import PLANS, features
from integration_tests.airbyte import ROOT, STREAMS
from integration_tests.test_documents import CHANGE_TRACKING, section, table
from integration_tests.test_requests import LARGEST_PAGE
from integration_tests.truth import EVENT_DAYS, REPORT_DAYS
from source_clockify.change_tracking.budget import DEFAULT_LIMIT_MB, PACE_BYTES, PACE_SECONDS
from source_clockify.change_tracking.messages import COLUMNS
from source_clockify.change_tracking.profiles import PROFILES, Kind
from source_clockify.check import MANY_USERS
from source_clockify.error_handler import SERVER_RETRIES
from source_clockify.manifest import streams_of
from source_clockify.manifest_file import load_manifest
from source_clockify.tracked_sync import FREE_SINGLE_READS, SINGLE_READS

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


@cache
def manifest() -> Mapping[str, Any]:
    """The manifest without references."""
    resolved: Mapping[str, Any] = ManifestReferenceResolver().preprocess_manifest(load_manifest())
    return resolved


@cache
def streams() -> Mapping[str, Mapping[str, Any]]:
    return {
        stream["name"]: stream for entry in manifest()["streams"] for stream in streams_of(entry)
    }


def schema_of(stream: str) -> Schema:
    schema: Schema = streams()[stream]["schema_loader"]["schema"]
    return schema


def own_cursor(stream: str) -> str:
    return str((streams()[stream].get("incremental_sync") or {}).get("cursor_field", ""))


def parameters_of(stream: str) -> Mapping[str, Any]:
    return streams()[stream].get("$parameters") or {}


def spec() -> Schema:
    found: Schema = load_manifest()["spec"]["connection_specification"]
    return found


def part(text: str, title: str) -> str:
    """What stands below a heading of the third level."""
    return re.split(r"\n###? ", text.split(f"\n### {title}\n")[1])[0]


def prose(text: str) -> str:
    """A text without its code."""
    return re.sub(r"`[^`]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def names_in(text: str) -> list[str]:
    return re.findall(r"`([\w*]+)`", text)


# Layout


def test_the_headings_are_those_of_airbytes_layout_in_its_order() -> None:
    found = re.findall(r"^#+ .*$", prose(PAGE), re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == list(HEADINGS)
    sections = [heading for heading in HEADINGS if heading.startswith("## ")]
    assert [heading for heading in found if heading.startswith("## ")] == sections


def test_what_is_no_text_is_closed_and_known_to_airbyte() -> None:
    # Airbyte renders the page as MDX, which takes a brace or a tag outside of code for a program.
    text = re.sub(r"<!-- (/?)env:(\w+) -->", r"<\1env-\2>", prose(PAGE))
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


@pytest.mark.parametrize("title", ["Prerequisites", "Setup guide"])
def test_prerequisites_and_setup_name_every_field_and_choice(title: str) -> None:
    text = " ".join(section(PAGE, title).split())
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


def test_every_field_has_its_anchor_in_the_order_of_the_form() -> None:
    anchors = re.findall(
        r'<FieldAnchor field="([^"]*)">\n\n(.*?)\n\n</FieldAnchor>', PAGE, re.DOTALL
    )
    assert len(anchors) == PAGE.count("<FieldAnchor")
    properties = spec()["properties"]
    wanted = []
    for name in sorted(properties, key=lambda name: properties[name]["order"]):
        wanted.append((name, properties[name]["title"]))
        for choice in properties[name].get("oneOf") or ():
            (constant,) = (
                field["const"] for field in choice["properties"].values() if "const" in field
            )
            wanted.append((f"{name}[{constant}]", choice["title"]))
    assert [name for name, _ in anchors] == [name for name, _ in wanted]
    for (name, title), (_, text) in zip(wanted, anchors, strict=True):
        assert text.removeprefix("- ").startswith(f"**{title}**"), name


def test_the_form_has_every_default_and_limit() -> None:
    texts = dict(re.findall(r'<FieldAnchor field="(\w+)">\n\n(.*?)\n\n</F', PAGE, re.DOTALL))
    for name, field in spec()["properties"].items():
        default = field.get("default")
        if isinstance(default, bool):
            default = "on" if default else "off"
        if isinstance(default, (int, str)):
            assert f"**{field['title']}** ({default})" in texts[name], name
        for limit in ("minimum", "maximum"):
            if field.get(limit, 0) > 1 and name != "horizon_days":
                assert re.search(rf"\b{field[limit]}\b", texts[name]), name
    assert spec()["properties"]["server"]["default"]["region"] in texts["server"]


def test_the_setup_has_the_name_and_tag_of_the_image() -> None:
    setup = section(PAGE, "Setup guide")
    name, tag = METADATA["dockerRepository"], METADATA["dockerImageTag"]
    assert f"the image's name `{name}` and its tag `{tag}`" in setup.replace("\n", " ")
    assert {*re.findall(rf"{name}:([\w.]+)", setup)} == {tag}


# Streams


def streams_table() -> list[list[str]]:
    return table(section(PAGE, "Supported Streams").split("\n### ")[0])


def test_the_table_has_every_stream_as_the_code_has_it() -> None:
    cursors = {}
    for name, what, key, cursor, plan, permission in streams_table():
        (stream,) = names_in(name)
        needs = parameters_of(stream).get("needs", "")
        assert what
        assert names_in(key) == streams()[stream]["primary_key"], stream
        assert plan == smallest_plan(stream), stream
        assert plan.removeprefix("any ") in needs, stream
        if "owner or admin" not in needs:
            assert permission == "", stream
        else:
            others = "other users" in needs
            assert permission == ("owner or admin, for others" if others else "owner or admin")
        cursors[stream] = "".join(names_in(cursor))
    assert cursors == {stream: own_cursor(stream) for stream in STREAMS}
    assert [names_in(name)[0] for name, *_ in streams_table()] == list(streams())


def smallest_plan(stream: str) -> str:
    feature = parameters_of(stream).get("feature")
    if not feature:
        return ""
    plan = next(each for each in PLANS if feature in features(each))
    return {"BASIC": "any paid"}.get(plan, plan.capitalize())


def test_every_stream_has_the_link_of_the_manifest() -> None:
    text = (ROOT / "source_clockify" / "manifest.yaml").read_text()
    links = re.findall(
        r"^  # (https://\S+)(?: \(.*\))?\n  \w+:\n.*\n    name: (\w+)$", text, re.MULTILINE
    )
    told = re.findall(r"^\| \[`(\w+)`\]\((\S+)\) \|", PAGE, re.MULTILINE)
    assert {name: unquote(link) for name, link in told} == {name: link for link, name in links}


def test_the_suggested_streams_are_those_of_the_metadata() -> None:
    (text,) = re.findall(r"suggested streams: (.*?)\. ", PAGE, re.DOTALL)
    assert names_in(text) == METADATA["suggestedStreams"]["streams"]


def test_the_streams_without_deletions_are_those_of_the_code() -> None:
    (text,) = re.findall(r"\. ([^.]*)\s+have no deletions\.", part(PAGE, "What is sent when"), re.S)
    told = {name.removesuffix("*") for name in names_in(text)}
    known = {
        "entity_changes_" if name.startswith("entity_changes_") else name
        for name, traits in PROFILES.items()
        if not traits.deletions
    }
    assert told == known


def test_the_three_columns_are_those_of_the_code() -> None:
    rows = table(part(PAGE, "What is sent when").split("Three columns")[1])
    assert [name.strip("`") for name, _ in rows] == list(COLUMNS)


def test_the_table_of_requests_has_every_stream_once() -> None:
    rows = table(part(PAGE, "Performance considerations"))
    named = [name for cell, _ in rows for name in names_in(cell)]
    assert len(named) == len({*named})
    assert {*named} == {*STREAMS}


@pytest.mark.parametrize(
    "document", ["README.md", "docs/airbyte-cloud.md", "docs/integrations/sources/clockify.md"]
)
def test_documents_that_number_the_streams_number_all(document: str) -> None:
    numbers = re.findall(r"(\d+)\s+streams", (ROOT / document).read_text())
    # A connection of Airbyte Cloud can have 1000.
    # The manifest alone has no receipts.
    own = 0 if document == "docs/airbyte-cloud.md" else 1
    assert {int(number) for number in numbers} - {1000} == {len(STREAMS) + own}


def test_the_way_into_the_cloud_names_the_version_of_the_manifest() -> None:
    walk_through = (ROOT / "docs" / "airbyte-cloud.md").read_text()
    assert re.findall(r"CDK (\d+\.\d+\.\d+)", walk_through) == [load_manifest()["version"]]


def test_reports_and_events_reach_as_far_as_the_page_says() -> None:
    text = " ".join(PAGE.split())
    assert f"Reports reach {REPORT_DAYS} days ahead" in text
    assert "30 days: a year in the first sync" in text
    assert EVENT_DAYS == 364
    lists, reports = (
        Counter(size for path, size in LARGEST_PAGE.items() if ("/reports/" in path) is is_report)
        for is_report in (False, True)
    )
    most = f"{lists.most_common(1)[0][0]:,} rows of most lists and {reports.most_common(1)[0][0]:,}"
    assert f"up to {most} of most reports" in text
    aggregates = {name for name, each in PROFILES.items() if each.kind is Kind.AGGREGATE}
    also_computed = {"expense_report", "time_off_balances", "invoice_details"}
    (computed,) = re.findall(r"For ([^.]*) full refresh is the better choice", text)
    assert {*names_in(computed)} == aggregates | also_computed


def test_the_numbers_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"More than {MANY_USERS} users" in text
    assert f"at most {SINGLE_READS} questions" in text
    assert f"in a sync, {FREE_SINGLE_READS} with the free Request Budget" in text
    fast, slow = load_manifest()["api_budget"]["policies"][0]["rates"]
    (free,) = re.findall(r"{{ (\d+) if config.get\('plan'\) == 'free'", slow["limit"])
    assert (fast["interval"], slow["interval"]) == ("PT1S", "PT1H")
    assert f"{fast['limit']} requests a second for each workspace on a paid plan; {free} an" in text
    assert spec()["properties"]["state_limit_mb"]["default"] == DEFAULT_LIMIT_MB
    assert f"State Limit (`state_limit_mb`): {DEFAULT_LIMIT_MB} MB" in text
    assert f"more than {PACE_BYTES // 10**6} MB leave no faster than every {PACE_SECONDS} s" in text
    (bytes_a_record,) = re.findall(r"A record takes about (\d+) bytes", text)
    assert f"about {bytes_a_record} bytes for each" in CHANGE_TRACKING
    (most,) = re.findall(r"holds about ([\d,]+) records", text)
    records = int(most.replace(",", ""))
    assert 0.95 < records * int(bytes_a_record) / (DEFAULT_LIMIT_MB * 10**6) < 1
    for days, entries, shared in table(part(PAGE, "State"))[:3]:
        assert int(entries.replace(",", "")) * int(days) == pytest.approx(records, rel=0.03)
        assert int(shared.replace(",", "")) * int(days) * 2 == pytest.approx(records, rel=0.03)
    handler = manifest()["definitions"]["refusal_handler"]["max_retries"]
    (retries,) = re.findall(r"or (\d+) }}", handler)
    assert f"{SERVER_RETRIES} times within about two minutes" in text
    assert 60 < sum(2**number for number in range(SERVER_RETRIES)) < 180
    assert f"the manifest alone {retries} times" in text
    assert sum(2**number for number in range(int(retries))) > 60 * 60


# References


DIAGRAM = re.findall(r"```mermaid\nerDiagram\n(.*?)```", PAGE, re.DOTALL)[0]
ENTITIES: Mapping[str, list[list[str]]] = {
    name: [re.split(r",? +", line.strip()) for line in lines.strip().split("\n")]
    for name, lines in re.findall(r"^    (\w+) \{\n(.*?)\n    \}$", DIAGRAM, re.M | re.S)
}
LINES: list[tuple[str, str, str, str]] = re.findall(
    r'^    (\w+) (\S+) (\w+) : "([\w.]+)"$', DIAGRAM, re.MULTILINE
)


def test_the_diagram_has_nothing_that_the_tests_do_not_read() -> None:
    read = sum(2 + len(fields) for fields in ENTITIES.values()) + len(LINES)
    assert read == len(DIAGRAM.strip().split("\n"))
    assert len(re.findall(r"^    \w+ \{$", DIAGRAM, re.MULTILINE)) == len(ENTITIES)
    assert {arrow for _, arrow, _, _ in LINES} <= {
        f"{left}--{right}" for left in ("||", "|o", "}o") for right in ("||", "o|", "o{")
    }


def test_the_diagram_has_each_stream_with_its_key_and_fields_of_its_schema() -> None:
    assert list(ENTITIES) == list(streams())
    for stream, fields in ENTITIES.items():
        key = [name for _, name, *marks in fields if "PK" in marks]
        assert key == streams()[stream]["primary_key"], stream
        for kind, name, *marks in fields:
            assert marks, f"{stream}.{name}"
            assert {*marks} <= {"PK", "FK"}
            assert kind == kind_of(schema_of(stream)["properties"][name]), f"{stream}.{name}"
        names = [name for _, name, *_ in fields]
        assert len(names) == len({*names}), stream
        assert ("workspaceId" in names) == (stream != "workspaces"), stream


def kind_of(field: Schema) -> str:
    dates = {"date": "date", "date-time": "timestamp"}
    return dates.get(field.get("format", ""), types_of(field)[0])


def types_of(field: Schema) -> list[str]:
    found = field.get("type", ())
    return [each for each in ([found] if isinstance(found, str) else found) if each != "null"]


def test_every_line_of_the_diagram_is_a_reference_of_the_schema() -> None:
    assert len({*LINES}) == len(LINES)
    for parent, arrow, child, path in LINES:
        assert parent in ENTITIES
        schema: Schema | None = schema_of(child)
        in_list = False
        for name in path.split("."):
            schema = (schema or {}).get("items") or schema
            schema = ((schema or {}).get("properties") or {}).get(name)
            assert schema is not None, f"{child}.{path}"
            in_list = in_list or "array" in types_of(schema)
        assert arrow.startswith("}o") == (in_list), f"{child}.{path}"


def test_every_reference_of_the_diagram_has_its_line() -> None:
    drawn = {(child, path) for _, _, child, path in LINES}
    for stream, fields in ENTITIES.items():
        references = {name for _, name, *marks in fields if "FK" in marks}
        assert {path for child, path in drawn if child == stream and "." not in path} >= (
            references - {"workspaceId"}
        ), stream
        assert stream == "workspaces" or any(child == stream for child, _ in drawn), stream


# Types


def test_the_map_has_every_type_of_the_schemas() -> None:
    told = {tuple(re.findall(r"`([\w-]+)`", schema)) for _, schema, _ in data_types()}
    found = {kind for stream in STREAMS for kind in kinds(schema_of(stream))}
    found |= {kind for column in COLUMNS.values() for kind in kinds(column)}
    assert told == found


def data_types() -> list[list[str]]:
    return table(section(PAGE, "Data type map"))


def kinds(schema: Schema) -> Iterator[tuple[str, ...]]:
    """Type, format and Airbyte's own type of a schema and all that it holds."""
    marks = [schema[name] for name in ("format", "airbyte_type") if name in schema]
    yield (*types_of(schema), *marks)
    for field in (schema.get("properties") or {}).values():
        yield from kinds(field)
    if "items" in schema:
        yield from kinds(schema["items"])


# Errors and warnings

# A text is what stands between its variable parts.
Text = tuple[str, ...]

# No messages: names of streams beside and of a counter, and parts of a text that are compared. The
# last two are problems of a body for which the manifest has a message of its own.
NOT_SHOWN = {
    ("one record",),
    ("time entries by id",),
    ("of a second list",),
    ("change feed",),
    ("audited time",),
    ("without key",),
    ("does not have permission",),
    (r"(the \w+|a paid) plan( or higher)?",),
    ("the output",),
    ("larger than",),
    ("lists no workspace",),
    ("lists projects without their tasks",),
}


def texts_of_the_manifest() -> Iterator[Text]:
    definitions = load_manifest()["definitions"]
    for definition in definitions.values():
        if isinstance(definition, Mapping) and "error_message" in definition:
            for branch in re.split(r"{%.*?%}", definition["error_message"], flags=re.DOTALL):
                yield tuple(re.split(r"{{.*?}}", branch, flags=re.DOTALL))
    hosts = load_manifest()["spec"]["config_normalization_rules"]["transformations"]
    # A sentence stands where a URL is not configured; its colon ends it, see error_handler.py.
    for text in re.findall(r"'(Set [^':]*):'", " ".join(str(each) for each in walk(hosts))):
        yield (text,)


def walk(node: Any) -> Iterator[str]:
    """The texts in a piece of YAML."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for each in node.values():
            yield from walk(each)
    elif isinstance(node, Sequence):
        for each in node:
            yield from walk(each)


def texts_of_the_code() -> Iterator[Text]:
    for path in sorted((ROOT / "source_clockify").rglob("*.py")):
        # The survey has a page of its own, docs/probe.md; --help explains itself.
        if path.parent.name == "probe" or path.stem in ("command_line", "__init__"):
            continue
        yield from texts_of(ast.parse(path.read_text()))


def texts_of(tree: ast.AST) -> Iterator[Text]:
    """The sentences of a module that a user may read.

    That is every text of two words or more, but for docstrings, descriptions of columns, messages
    at level DEBUG and those of exceptions that no user sees.
    """
    if _is_hidden(tree):
        return
    if isinstance(tree, ast.Dict):
        for key, value in zip(tree.keys, tree.values, strict=True):
            if not (isinstance(key, ast.Constant) and key.value == "description"):
                yield from texts_of(value)
        return
    if isinstance(tree, ast.JoinedStr):
        pieces = [
            str(each.value) if isinstance(each, ast.Constant) else "\0" for each in tree.values
        ]
        yield from _sentence("".join(pieces))
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield from _sentence(tree.value.replace("%s", "\0"))
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(tree, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from texts_of(child)


def _is_hidden(tree: ast.AST) -> bool:
    """Whether no user reads what it says: a docstring, an inner exception, a message at DEBUG."""
    if isinstance(tree, ast.Expr):
        return isinstance(tree.value, ast.Constant)
    if isinstance(tree, ast.Raise):
        return not _is_for_users(tree)
    return isinstance(tree, ast.Call) and getattr(tree.func, "attr", "") == "debug"


def _is_for_users(statement: ast.Raise) -> bool:
    name = getattr(getattr(statement.exc, "func", None), "id", "")
    return name not in ("ValueError", "FileNotFoundError", "BrokenBody")


def _sentence(text: str) -> Iterator[Text]:
    words = re.findall(
        r"(?<!\S)[\w'.,:;()-]*[A-Za-z]{2}[\w'.,:;()-]*(?!\S)", f" {text} ".replace("\0", " ")
    )
    if len(words) >= 2 and "{{" not in text:
        yield tuple(text.split("\0"))


@cache
def texts() -> tuple[Text, ...]:
    found = [*texts_of_the_manifest(), *texts_of_the_code()]
    words = [tuple(" ".join(piece.split()) for piece in text) for text in found]
    assert {*words} >= NOT_SHOWN
    return tuple(text for text in dict.fromkeys(words) if any(text) and text not in NOT_SHOWN)


def pattern(text: Text) -> re.Pattern[str]:
    return re.compile(r".*?".join(re.escape(piece) for piece in text))


@cache
def told_texts() -> tuple[str, ...]:
    """The texts of the page's tables, without the quotes around them."""
    trouble = section(PAGE, "Limitations & Troubleshooting")
    found = []
    for title in re.findall(r"^### (.*)$", trouble, re.MULTILINE):
        rows = [row for row in table(part(trouble, title)) if row[0].startswith("`")]
        found += [text for first, *_ in rows for text in re.findall(r"^`([^`]+)`$", first)]
        assert all(cure for _, cure in rows), title
    return tuple(found)


@pytest.mark.parametrize("text", texts(), ids=lambda text: "...".join(text)[:60])
def test_every_error_and_warning_is_on_the_page(text: Text) -> None:
    assert any(pattern(text).search(told) for told in told_texts()), "...".join(text)


def test_every_text_of_the_page_is_one_of_the_code() -> None:
    assert len(told_texts()) > 40
    assert len({*told_texts()}) == len(told_texts())
    unknown = [told for told in told_texts() if not any(_is_said(text, told) for text in texts())]
    assert unknown == []


def _is_said(text: Text, told: str) -> bool:
    """Tell whether the code may say what the page says, all of it."""
    # What a short text lets through says nothing about the rest.
    return sum(map(len, text)) > 8 and pattern(text).fullmatch(told) is not None


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
        titles = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in titles}
