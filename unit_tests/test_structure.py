"""Dependencies between modules point one way, and names of tests fit a line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "source_clockify"
CHANGE_TRACKING = PACKAGE / "change_tracking"

# They put the layers together, or stand on top of both.
ABOVE_CHANGE_TRACKING = {
    "assembly.py",
    "source.py",
    "sync_log.py",
    "tracked_sync.py",
    "probe/comparison.py",
}


def imports_of(module: Path) -> Iterator[str]:
    """Yield the names of the modules that a module imports, those of its functions included."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def modules_in_order() -> list[str]:
    """Return the modules of change tracking in the order of the table in AGENTS.md."""
    agents = (PACKAGE.parent / "AGENTS.md").read_text()
    section = agents.split("\n## Change tracking\n")[1].split("\n### ")[0]
    return re.findall(r"^\| `(\w+)\.py` \|", section, re.M)


def test_the_table_of_modules_names_each_module_of_change_tracking() -> None:
    modules = {module.stem for module in CHANGE_TRACKING.glob("*.py")} - {"__init__"}
    assert modules == {*modules_in_order()}


@pytest.mark.parametrize("module", modules_in_order())
def test_a_module_of_change_tracking_imports_only_those_above_it(module: str) -> None:
    prefix = "source_clockify.change_tracking."
    imported = {
        name.removeprefix(prefix).split(".")[0]
        for name in imports_of(CHANGE_TRACKING / f"{module}.py")
        if name.startswith(prefix)
    }
    order = modules_in_order()
    assert imported <= {*order[: order.index(module)]}


@pytest.mark.parametrize("module", [*PACKAGE.glob("*.py"), *PACKAGE.glob("probe/*.py")], ids=str)
def test_the_http_layer_does_not_know_change_tracking(module: Path) -> None:
    knows = any("change_tracking" in name for name in imports_of(module))
    assert not knows or module.relative_to(PACKAGE).as_posix() in ABOVE_CHANGE_TRACKING


@pytest.mark.parametrize(
    "module",
    [
        "diff",
        "fingerprint",
        "open_rows",
        "plan",
        "profiles",
        "proofs",
        "rows",
        "deletions",
        "tracker",
    ],
)
def test_the_core_of_change_tracking_knows_no_class_of_the_cdk(module: str) -> None:
    imported = [*imports_of(CHANGE_TRACKING / f"{module}.py")]
    assert not [name for name in imported if name.startswith("airbyte_cdk")]


TESTS = [
    *Path(__file__).parent.glob("test_*.py"),
    *(PACKAGE.parent / "integration_tests").rglob("test_*.py"),
]


@pytest.mark.parametrize("module", TESTS, ids=lambda module: module.stem)
def test_the_name_of_a_test_is_shorter_than_70_characters(module: Path) -> None:
    names = re.findall(r"^ *def (test_\w+)", module.read_text(), re.MULTILINE)
    assert [name for name in names if len(name) >= 70] == []
