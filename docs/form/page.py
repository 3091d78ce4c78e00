"""The page that shows the form."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).with_name("form.html")


def page_of(specification: Mapping[str, Any]) -> str:
    """Return the page for a `connection_specification`, in HTML; it loads nothing else."""
    # "</" would end the script element that holds the specification.
    text = json.dumps(specification).replace("</", "<\\/")
    return TEMPLATE.read_text().replace("{{spec}}", text)
