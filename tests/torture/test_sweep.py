"""Killed at a system call of a pass that does everything, the watcher goes on where it was."""

import os
import random
from collections.abc import Iterator

import pytest

from ..support.install import Installation
from ..support.needs import require
from ..support.site import Site
from .sweep import Sweep

KILLS = 5
"""Calls that are tried of each kind of pass here; `make torture` tries them all."""

TRIES = 5


@pytest.fixture(params=[False, True], ids=["amended", "whole"])
def sweep(installation: Installation, request: pytest.FixtureRequest) -> Iterator[Sweep]:
    require("root", "accounts", "postfix", "postfix-hash", "strace")
    with Site(installation) as site:
        yield Sweep(site, whole=request.param)


def test_a_pass_that_is_killed_at_any_call_is_completed_by_the_next(sweep: Sweep) -> None:
    seed = int(os.environ.get("TORTURE_SEED") or random.randrange(1_000_000))  # noqa: S311
    print(f"To see the same again: TORTURE_SEED={seed}")  # noqa: T201
    chance = random.Random(seed)  # noqa: S311

    changing = [call for call in sweep.calls if call.changing]

    for part in range(KILLS):
        # One of each part of the pass, from its beginning to its end.
        call = changing[int((part + chance.random()) * len(changing) / KILLS)]
        for _ in range(TRIES):
            kills = sweep.kills
            assert sweep.killed_at(call, again=chance if chance.random() < 0.3 else None) == []
            if sweep.kills > kills:
                break
            # A busy machine makes a pass of more calls than the next one may come to.
            call = chance.choice(changing)

    assert sweep.kills >= KILLS
