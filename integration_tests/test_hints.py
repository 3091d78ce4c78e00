"""With change feeds, a consumer sees edits, deletions and late entries of any age.

Each history comes from a seed; `CLOCKIFY_HISTORY_SEED=17` lives through that one only. A failure
prints the whole history.
"""

from collections.abc import Iterator

import pytest

from integration_tests.followed import Flaws, FollowedHistory
from integration_tests.frozen import Clock, read_incrementally
from integration_tests.histories import sandbox_options, seeds
from integration_tests.sandbox.client import Sandbox, start


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with start(**sandbox_options()) as sandbox:
        yield sandbox


@pytest.mark.parametrize("seed", seeds(100))
def test_with_whole_feeds_the_account_is_seen_as_it_is_for_all_time(
    server: Sandbox, clock: Clock, seed: int
) -> None:
    FollowedHistory(server, clock, read_incrementally, seed, Flaws()).run()
