"""Killed at random moments while everybody is at work, the watcher loses nothing, repeats nothing, leaves nothing."""

import os
import random

import pytest

from ..support.site import Site
from .rounds import Rounds

KILLS = 10

pytestmark = pytest.mark.needs("root", "accounts", "postfix-hash")


def test_whatever_is_going_on_when_it_is_killed_nothing_is_lost_or_done_twice(site: Site) -> None:
    seed = int(os.environ.get("TORTURE_SEED") or random.randrange(1_000_000))  # noqa: S311
    print(f"To see much the same again: TORTURE_SEED={seed}")  # noqa: T201
    with Rounds(site, seed) as rounds:
        while rounds.ledger.kills < KILLS:
            # Several in a row, since what is done after a kill can be killed as well.
            assert rounds.play(kills=2) == []
        assert rounds.ledger.restarts >= KILLS
        assert rounds.ledger.handed
        assert rounds.ledger.marked
