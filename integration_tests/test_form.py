"""The configuration form, drawn in a browser by the rules of Airbyte's form."""

import html as html_text
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from docs.form.__main__ import PICTURE
from docs.form.browser import NAMES, Tab, find_browser, open_page
from docs.form.page import page_of
from docs.form.picture import checksum_of, page_checksum
from integration_tests.test_documents import anchors
from integration_tests.test_user_page import PAGE
from source_clockify.manifest_file import load_manifest

SPEC: Mapping[str, Any] = load_manifest()["spec"]["connection_specification"]
PROPERTIES: Mapping[str, Mapping[str, Any]] = SPEC["properties"]

# What a person sees of the fields in one of the two columns.
VISIBLE_FIELDS = """
[...document.querySelectorAll("#%s .field")].filter((each) => each.checkVisibility())
.map((field) => {
  const own = (selector) => [...field.querySelectorAll(selector)]
    .filter((each) => each.closest(".field") === field && each.checkVisibility());
  const [control] = own("input, select");
  return {
    path: field.dataset.path,
    card: field.closest(".card").querySelector("h2, summary").textContent,
    text: own(".label, .info > div, .tiles, option").map((each) => each.innerText).join("\\n"),
    options: [...(own("select")[0]?.options ?? [])].map((option) => option.text),
    value: control?.tagName === "SELECT" ? control.selectedOptions[0].text
      : control?.type === "checkbox" ? control.checked : control?.value,
    secret: control?.type === "password",
  };
})
"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = find_browser()
    if found is None:
        pytest.skip(f"no browser: {' or '.join(NAMES)}")
    return found


@pytest.fixture
def tab(browser: str) -> Iterator[Tab]:
    with open_page(browser, page_of(SPEC)) as opened:
        yield opened
        assert opened.problems == []


def fields_in(tab: Tab, column: str) -> dict[str, dict[str, Any]]:
    return {field["path"]: field for field in tab.evaluate(VISIBLE_FIELDS % column)}


def plain(text: str) -> str:
    """A description as it is read, without its HTML."""
    return " ".join(html_text.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def words(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip()


def select(tab: Tab, path: str, index: int) -> None:
    """Choose one of the forms that a field can have, as a person does."""
    tab.evaluate(
        f"""(() => {{
          const field = document.querySelector('#opened .field[data-path="{path}"]');
          const tiles = field.querySelectorAll("input[type=radio]");
          if (tiles.length) {{ tiles[{index}].click(); return; }}
          const list = field.querySelector("select");
          list.value = "{index}";
          list.dispatchEvent(new Event("change"));
        }})()"""
    )
    # What was just drawn is closed, as at first.
    tab.evaluate("document.querySelectorAll('#opened details').forEach((each) => each.open = true)")


def assert_shown(shown: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    text = words(shown["text"])
    assert words(schema["title"]) in text
    assert words(plain(schema["description"])) in text, schema["title"]
    assert words(schema.get("pattern_descriptor", "")) in text
    for option in schema.get("oneOf", ()):
        assert words(option["title"]) in text
        assert words(plain(option["description"])) in text
    for example in schema.get("examples", ()):
        assert words(example[0] if isinstance(example, list) else str(example)) in text
    assert shown["secret"] == bool(schema.get("airbyte_secret"))
    if "enum" in schema:
        assert shown["options"] == schema["enum"]
    default = schema.get("default")
    if isinstance(default, bool):
        assert shown["value"] == default
    elif isinstance(default, (int, str)):
        assert shown["value"] == str(default)


def test_the_form_opens_with_what_most_people_need(tab: Tab) -> None:
    assert [*fields_in(tab, "closed")] == [
        "credentials",
        "credentials.api_key",
        "server",
        "server.region",
        "start_date",
        "plan",
    ]


def test_the_other_fields_are_one_click_away_in_the_card_of_their_group(tab: Tab) -> None:
    fields = fields_in(tab, "opened")
    titles = {group["id"]: group["title"] for group in SPEC["groups"]}
    assert {name: fields[name]["card"] for name in PROPERTIES} == {
        name: titles[schema["group"]] for name, schema in PROPERTIES.items()
    }
    cards = list(dict.fromkeys(field["card"] for field in fields.values()))
    assert cards == [group["title"] for group in SPEC["groups"]]


@pytest.mark.parametrize("name", [*PROPERTIES])
def test_every_text_option_and_default_of_a_field_is_shown(tab: Tab, name: str) -> None:
    schema = PROPERTIES[name]
    assert_shown(fields_in(tab, "opened")[name], schema)
    for index, option in enumerate(schema.get("oneOf", ())):
        select(tab, name, index)
        fields = fields_in(tab, "opened")
        own = {key: each for key, each in option["properties"].items() if "const" not in each}
        assert {path for path in fields if path.startswith(f"{name}.")} == {
            f"{name}.{key}" for key in own
        }
        for key, each in own.items():
            assert_shown(fields[f"{name}.{key}"], each)


def test_the_region_shows_the_names_that_people_know(tab: Tab) -> None:
    text = fields_in(tab, "opened")["server.region"]["text"]
    for name in ("Global", "EU (Germany)", "USA", "UK (United Kingdom)", "Australia"):
        assert name in text


def test_each_group_links_to_a_page_in_a_window_of_its_own(tab: Tab) -> None:
    links = tab.evaluate(
        """[...document.querySelectorAll("#opened .card")].map((card) =>
             [...card.querySelectorAll("a")].map((each) => [each.href, each.target, each.rel]))"""
    )
    assert len(links) == len(SPEC["groups"])
    assert all(links)
    for href, target, rel in (link for card in links for link in card):
        assert href.startswith("https://")
        assert (target, rel) == ("_blank", "noopener noreferrer")


def test_links_to_our_page_lead_to_a_heading_of_it() -> None:
    url = load_manifest()["spec"]["documentation_url"]
    named = re.findall(rf'{re.escape(url)}#([\w-]+)"', str(SPEC))
    assert named
    assert {*named} <= anchors(PAGE)


def test_html_that_airbyte_removes_is_not_drawn(browser: str) -> None:
    hostile = "<b>bold</b> <script>document.title = 'run'</script><img src=x onerror=alert(1)>"
    hostile += '<a href="javascript:alert(1)">link</a></script>'
    spec = {"properties": {"name": {"type": "string", "title": "Name", "description": hostile}}}
    with open_page(browser, page_of(spec)) as tab:
        drawn = tab.evaluate("document.querySelector('#opened .info > div').innerHTML")
        assert tab.evaluate("document.title") == "Clockify"
        assert tab.problems == []
    assert "<b>bold</b>" in drawn
    assert not re.search("<(script|img)|href", drawn)


def test_a_broken_page_is_noticed(browser: str) -> None:
    page = page_of(SPEC).replace('querySelector("main")', 'querySelector("nothing")')
    with open_page(browser, page) as tab:
        assert "null" in tab.problems[0]


def test_the_picture_is_of_todays_form_and_small() -> None:
    picture = PICTURE.read_bytes()
    assert page_checksum(picture) == checksum_of(page_of(SPEC)), "run: python -m docs.form"
    assert len(picture) < 200_000
