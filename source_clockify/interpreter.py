"""A fault of the interpreter that would fail a stream now and then."""

import ast
import sys
import threading
from types import SimpleNamespace
from typing import Any

from airbyte_cdk.sources.declarative.interpolation import jinja


def parse_in_turn() -> None:
    """Let one thread at a time parse what a template of the manifest evaluated to.

    Python 3.11 before 3.11.8 counts how deep it is in an expression for all threads together, and
    raises SystemError when two parse at the same time (CPython issue 106905).
    """
    if not (3, 11) <= sys.version_info < (3, 11, 8) or jinja.ast is not ast:
        return
    lock = threading.Lock()

    def literal_eval(text: Any) -> Any:
        with lock:
            return ast.literal_eval(text)

    vars(jinja)["ast"] = SimpleNamespace(literal_eval=literal_eval)
