"""Answers whose nested lists come in another order every time, as a server may keep sets."""

from random import Random
from typing import Any

import orjson

from clockify_sandbox.call import Reply

# The lists within a row whose order means nothing.
SETS = frozenset(
    {
        "adminOnlyPages",
        "assigneeIds",
        "currencies",
        "customFieldValues",
        "customFields",
        "entities",
        "features",
        "memberships",
        "roles",
        "tagIds",
        "tags",
        "teamManagers",
        "userCustomFieldValues",
        "userCustomFields",
        "userGroupIds",
        "userIds",
        "workingDays",
    }
)


def shuffle_lists(reply: Reply, seed: str) -> None:
    """Put the sets within the rows of an answer in a random order."""
    if reply.status == 200 and reply.body:
        rows = orjson.loads(reply.body)
        _shuffle(rows, Random(seed))
        reply.body = orjson.dumps(rows)


def _shuffle(value: Any, rng: Random) -> None:
    # What lists the rows is no set: it is the answer itself, or in an envelope beside a count.
    if isinstance(value, list):
        for row in value:
            _shuffle_row(row, rng)
    elif isinstance(value, dict):
        _shuffle_row(value, rng, SETS - {"tags", "entities"})


def _shuffle_row(value: Any, rng: Random, sets: frozenset[str] = SETS) -> None:
    if isinstance(value, list):
        for each in value:
            _shuffle_row(each, rng)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in sets and isinstance(each, list):
                rng.shuffle(each)
            _shuffle_row(each, rng)
