"""The tables of errors, warnings and log lines: the code's texts, each with its cure.

The texts stand in `messages.yaml` as a user reads them, with words in braces for what varies. They
are compared with the literals of the code and of the manifest, both ways.
"""

import ast
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from docs.build.blocks import Mismatch, markdown_table
from docs.build.notes import MESSAGES, message_notes
from integration_tests.airbyte import ROOT
from source_clockify.manifest_file import load_manifest

# A text is what stands between its variable parts.
Text = tuple[str, ...]

# No messages: names of streams beside and of a counter, and parts of a text that are compared. The
# last two are problems of a body for which the manifest has a message of its own.
_NOT_SHOWN = {
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


def table(name: str) -> str:
    """One table of `messages.yaml`."""
    _compare_with_code()
    notes = message_notes()[name]
    rows = [[f"`{row['text']}`", row["cure"]] for row in notes["texts"]]
    return markdown_table(["text", notes["head"]], rows)


@cache
def _compare_with_code() -> None:
    """
    Raises:
        Mismatch: in words, unless the tables have each text of the code, and no other.
    """
    told = [row["text"] for notes in message_notes().values() for row in notes["texts"]]
    if twice := sorted({text for text in told if told.count(text) > 1}):
        raise Mismatch(f"{MESSAGES.name} has a text twice: {twice[0]}")
    for text, place in _texts().items():
        if not any(_pattern(text).search(each) for each in told):
            shown = "...".join(text)
            (closest,) = difflib.get_close_matches(shown, told, 1, 0.0)
            raise Mismatch(
                f"{place}: this text is not in docs/build/{MESSAGES.name}: {shown}\n"
                f"Add it there with what to do about it, or correct the closest text: {closest}"
            )
    for each in told:
        if not any(_is_said(text, each) for text in _texts()):
            raise Mismatch(f"docs/build/{MESSAGES.name} has a text that no code says: {each}")


def _pattern(text: Text) -> re.Pattern[str]:
    return re.compile(r".*?".join(re.escape(piece) for piece in text))


def _is_said(text: Text, told: str) -> bool:
    """Whether the code may say what a table says, all of it."""
    # What a short text lets through says nothing about the rest.
    return sum(map(len, text)) > 8 and _pattern(text).fullmatch(told) is not None


@cache
def _texts() -> Mapping[Text, str]:
    """The texts of manifest and code, each with the file that has it."""
    found: dict[Text, str] = {}
    for text, place in [*_texts_of_the_manifest(), *_texts_of_the_code()]:
        found.setdefault(tuple(" ".join(piece.split()) for piece in text), place)
    for text in _NOT_SHOWN:
        if text not in found:
            raise Mismatch(f"docs/build/messages.py leaves out what no code says: {text[0]}")
    return {text: found[text] for text in found if any(text) and text not in _NOT_SHOWN}


def _texts_of_the_manifest() -> Iterator[tuple[Text, str]]:
    place = "source_clockify/manifest.yaml"
    for definition in load_manifest()["definitions"].values():
        if isinstance(definition, Mapping) and "error_message" in definition:
            for branch in re.split(r"{%.*?%}", definition["error_message"], flags=re.DOTALL):
                yield tuple(re.split(r"{{.*?}}", branch, flags=re.DOTALL)), place
    hosts = load_manifest()["spec"]["config_normalization_rules"]["transformations"]
    # A sentence stands where a URL is not configured; its colon ends it, see error_handler.py.
    for text in re.findall(r"'(Set [^':]*):'", " ".join(" ".join(_walk(hosts)).split())):
        yield (text,), place


def _walk(node: Any) -> Iterator[str]:
    """The texts in a piece of YAML."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for each in node.values():
            yield from _walk(each)
    elif isinstance(node, Sequence):
        for each in node:
            yield from _walk(each)


def _texts_of_the_code() -> Iterator[tuple[Text, str]]:
    for path in sorted((ROOT / "source_clockify").rglob("*.py")):
        # The survey has a page of its own, docs/probe.md; --help explains itself.
        if path.parent.name == "probe" or path.stem in ("command_line", "__init__"):
            continue
        for text in texts_of(ast.parse(path.read_text())):
            yield text, path.relative_to(ROOT).as_posix()


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
        name = getattr(getattr(tree.exc, "func", None), "id", "")
        return name in ("ValueError", "FileNotFoundError", "BrokenBody")
    return isinstance(tree, ast.Call) and getattr(tree.func, "attr", "") == "debug"


def _sentence(text: str) -> Iterator[Text]:
    words = re.findall(
        r"(?<!\S)[\w'.,:;()-]*[A-Za-z]{2}[\w'.,:;()-]*(?!\S)", f" {text} ".replace("\0", " ")
    )
    if len(words) >= 2 and "{{" not in text:
        yield tuple(text.split("\0"))
