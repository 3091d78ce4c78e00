"""Write the generated parts of the documents.

    python -m docs.build [FILE ...]            write them
    python -m docs.build --check [FILE ...]    exit 1 and show what differs instead

A part stands between two marks, see blocks.py. Its content comes from the manifest, the profiles of
change tracking, the specification, texts of the code, and syncs on the sandbox; the notes of people
are in the YAML files of this folder.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping, Sequence

from docs.build import configuration, diagram, messages, picture, runs, streams, types
from docs.build.blocks import Mismatch, fill_blocks
from docs.build.notes import message_notes
from docs.build.numbers import NUMBERS, three_columns
from integration_tests.airbyte import ROOT

COMMAND = "python -m docs.build"
FILES = (
    "README.md",
    "AGENTS.md",
    "CONTRIBUTING.md",
    "docs/airbyte-cloud.md",
    "docs/change-tracking.md",
    "docs/entities.md",
    "docs/integrations/sources/clockify.md",
    "examples/terraform/cloud/main.tf",
    "dbt/models/staging/sources.yml",
    "docs/pipeline.svg",
)
PARTS: Mapping[str, Callable[[], str]] = {
    **NUMBERS,
    "streams by group": streams.by_group,
    "streams for users": streams.for_users,
    "streams for maintainers": streams.for_maintainers,
    "requests in a sync": streams.requests,
    "proofs of deletions": streams.proofs,
    "streams without deletions": streams.without_deletions,
    "incremental streams of the manifest": streams.incremental_in_manifest,
    "streams of Terraform": streams.of_terraform,
    "tables of the dbt package": streams.of_dbt,
    "columns of change tracking": three_columns,
    "windows of later syncs": streams.windows,
    "computed streams": streams.computed,
    "data types": types.table,
    "configuration": configuration.table,
    "form": configuration.form,
    "diagram": diagram.diagram,
    "examples": runs.examples,
    "receipt": runs.receipt,
}
# Files that are generated as a whole.
PICTURES: Mapping[str, Callable[[], str]] = {"docs/pipeline.svg": picture.picture}


def content_of(part: str) -> str:
    """Return what a part of a document has to say.

    Raises:
        Mismatch: if there is no part of that name, or code and notes do not fit together.
    """
    if part.startswith("messages ") and (name := part.removeprefix("messages ")) in message_notes():
        return messages.table(name)
    if part not in PARTS:
        raise Mismatch(f"there is no generated part {part}")
    return PARTS[part]()


def build(names: Sequence[str], *, is_check: bool) -> int:
    """Write files, or compare them; return the exit code."""
    code = 0
    for name in names:
        path = ROOT / name
        old = path.read_text() if path.exists() else ""
        try:
            new = PICTURES[name]() if name in PICTURES else fill_blocks(old, content_of)
        except Mismatch as error:
            print(f"{name} cannot be written. {error}", file=sys.stderr)
            code = 1
            continue
        if new == old:
            continue
        if is_check:
            code = 1
            ends = name, f"{name}, generated"
            lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), *ends)
            print("".join(lines))
            print(f"{name} is not what the code says. Run: {COMMAND}", file=sys.stderr)
        else:
            path.write_text(new)
            print(f"{name} written")
    return code


def main() -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the parts of documents.")
    parser.add_argument("--check", action="store_true", help="exit 1 and show what differs")
    parser.add_argument("files", nargs="*", default=FILES, help="some of the files")
    arguments = parser.parse_args()
    return build(arguments.files, is_check=arguments.check)


if __name__ == "__main__":
    # The CDK prints errors as messages.
    sys.excepthook = sys.__excepthook__
    sys.exit(main())
