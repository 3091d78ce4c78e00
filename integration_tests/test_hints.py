"""With change feeds, a consumer sees edits, deletions and late entries of any age.

Each history comes from a seed; `CLOCKIFY_HISTORY_SEED=17` lives through that one only. A failure
prints the whole history.
"""

from collections.abc import Iterator

import pytest

from clockify_sandbox.client import Sandbox, start
from integration_tests.followed import Flaws, FollowedHistory
from integration_tests.frozen import READS, Clock
from integration_tests.histories import sandbox_options, seeds
from source_clockify.change_tracking import checkpoint


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with start(**sandbox_options()) as sandbox:
        yield sandbox


@pytest.mark.parametrize("seed", seeds(12))
def test_with_whole_feeds_the_account_is_seen_as_it_is_for_all_time(
    server: Sandbox, clock: Clock, seed: int
) -> None:
    FollowedHistory(server, clock, READS[seed % 2], seed, Flaws()).run()


# What feeds were seen to do, and what they may do.
FLAWS = (
    {"feed_order": "descending", "feed_repeats": 3},
    {"feed_order": "shuffled", "short_feeds": 7},
    {"feed_parts_id": "timeEntryId", "change_page_max": 2, "oversize": "clamp"},
)


@pytest.mark.parametrize("seed", seeds(9))
def test_the_order_of_a_feed_and_the_size_of_its_pages_do_not_matter(
    server: Sandbox, clock: Clock, seed: int
) -> None:
    flaws = Flaws(settings=FLAWS[seed % len(FLAWS)])
    FollowedHistory(server, clock, READS[seed % 2], 1000 + seed, flaws).run()


@pytest.mark.parametrize("seed", seeds(8))
def test_incomplete_and_lying_feeds_cause_no_wrong_message(
    server: Sandbox, clock: Clock, seed: int
) -> None:
    flaws = Flaws(dropped=(30, 100)[seed % 2], lies=True)
    FollowedHistory(server, clock, READS[seed % 2], 2000 + seed, flaws).run()


@pytest.mark.parametrize("seed", seeds(8))
def test_interrupted_syncs_ask_the_feeds_again(
    server: Sandbox, clock: Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 4:
        monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    flaws = Flaws(interrupted=0.5)
    FollowedHistory(server, clock, READS[seed % 2], 3000 + seed, flaws, syncs=8).run()


@pytest.mark.parametrize("seed", seeds(8))
def test_what_a_destination_lost_is_resent(server: Sandbox, clock: Clock, seed: int) -> None:
    flaws = Flaws(loses_one=True, resend=(1, 2))
    FollowedHistory(server, clock, READS[seed % 2], 4000 + seed, flaws).run()
