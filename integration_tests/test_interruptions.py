"""A sync that was interrupted anywhere goes on from its last state, and nothing is lost.

Each history comes from a seed; `CLOCKIFY_HISTORY_SEED=17` lives through that one only. A failure
prints the whole history.
"""

from collections.abc import Iterator

import pytest

from clockify_sandbox.client import Sandbox, start
from integration_tests.frozen import READS, Clock
from integration_tests.histories import History, Style, sandbox_options, seeds
from source_clockify.change_tracking import checkpoint


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with start(**sandbox_options()) as sandbox:
        yield sandbox


@pytest.mark.parametrize("seed", seeds(21))
def test_interrupted_syncs_go_on_from_the_last_state(
    server: Sandbox, clock: Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 4:
        monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0)
    style = Style(syncs=8, resend=(0, 1), interrupted=0.5)
    History(server, clock, READS[seed % 2], seed, style).run()
