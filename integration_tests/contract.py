"""What every record has to be, so that it passes through Pub/Sub and its readers unharmed."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from integration_tests.airbyte import discovered


def assert_suits_pubsub(printed: str) -> Counter[str]:
    """AssertionError unless every record line does; answers how many records each stream has.

    Strict JSON without a namespace, `emitted_at` an integer, every part of the primary key there,
    less than 1 MB, and no number that a double cannot hold.
    """
    keys = {each["name"]: each["source_defined_primary_key"] for each in discovered()}
    found: Counter[str] = Counter()
    for line in printed.split("\n"):
        if '"RECORD"' not in line[:20]:
            continue
        message = json.loads(line, parse_int=_exact, parse_float=_exact, parse_constant=_refused)
        record = message["record"]
        assert "namespace" not in record, line
        assert isinstance(record["emitted_at"], int), line
        assert len(line.encode()) < 1_000_000, line
        for (column,) in keys[record["stream"]]:
            assert isinstance(record["data"].get(column), str), line
            assert record["data"][column], line
        found[record["stream"]] += 1
    return found


def _exact(number: str) -> Any:
    assert Decimal(repr(float(number))) == Decimal(number), number
    return json.loads(number)


def _refused(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
