"""Whatever happens to an account, an append-only consumer sees what it holds.

Each history comes from a seed; `CLOCKIFY_HISTORY_SEED=17` lives through that one only. A failure
prints the whole history.
"""

from collections.abc import Iterator

import pytest

from clockify_sandbox.client import Sandbox, start
from integration_tests.frozen import READS, Clock
from integration_tests.histories import History, Style, sandbox_options, seeds


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with start(**sandbox_options()) as sandbox:
        yield sandbox


@pytest.mark.parametrize("seed", seeds(22))
def test_after_every_sync_the_account_is_seen_and_nothing_is_said_twice(
    server: Sandbox, clock: Clock, seed: int
) -> None:
    style = Style(syncs=6, resend=(0,), refreshes=0.05)
    History(server, clock, READS[seed % 2], seed, style).run()


@pytest.mark.parametrize("seed", seeds(17))
def test_a_lost_sync_is_repaired_by_the_next_one_that_counts(
    server: Sandbox, clock: Clock, seed: int
) -> None:
    style = Style(syncs=7, resend=(1, 1, 2), loses_one=True)
    History(server, clock, READS[seed % 2], seed, style).run()
