"""Threads that evaluate templates at the same time."""

import ast
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from airbyte_cdk.sources.declarative.interpolation import jinja

from source_clockify.cdk_patches import serialize_literal_eval


@pytest.mark.parametrize(
    ("version", "at_once"), [((3, 11, 7), 1), ((3, 11, 8), 4), ((3, 10, 13), 4), ((3, 12, 0), 4)]
)
def test_where_python_cannot_parse_in_threads_one_parses_at_a_time(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], at_once: int
) -> None:
    meeting = threading.Barrier(at_once)
    lock = threading.Lock()
    inside: list[int] = [0]
    most: list[int] = [0]

    def literal_eval(text: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        meeting.wait(timeout=10)
        with lock:
            inside[0] -= 1
        return text

    monkeypatch.setattr(jinja, "ast", ast)
    monkeypatch.setattr(sys, "version_info", version)
    serialize_literal_eval()
    monkeypatch.setattr(ast, "literal_eval", literal_eval)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda text: vars(jinja)["ast"].literal_eval(text), "abcd"))

    assert most == [at_once]
