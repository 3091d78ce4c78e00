"""Returns nested lists in a different order every time, like a server that stores sets."""

from random import Random
from typing import Any

import orjson

from clockify_sandbox.call import Reply

# The lists within a row whose order has no meaning.
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
    """Shuffle the sets within the rows of an answer."""
    if reply.status == 200 and reply.body:
        rows = orjson.loads(reply.body)
        _shuffle(rows, Random(seed))
        reply.body = orjson.dumps(rows)


def _shuffle(value: Any, rng: Random) -> None:
    # The list of rows itself is not a set: it is the answer, or in an envelope next to a count.
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
