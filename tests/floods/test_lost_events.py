"""Events that the kernel drops: nothing is missed, since they are only hints."""

import os
from contextlib import ExitStack
from functools import partial

import pytest

from ..e2e.acts import ask, await_status, decide, decision
from ..support.flooder import flood
from ..support.kernel import event_queue
from ..support.site import Site
from ..support.waiting import wait_exit, wait_for
from ..support.watcher import RunningWatcher

pytestmark = pytest.mark.alone

USUAL = 16384
"""How many events the kernel keeps for one listener, unless somebody has changed that."""

LENGTHS = [pytest.param(16, marks=pytest.mark.needs("sysctl")), None]


def start(site: Site, length: int | None) -> RunningWatcher:
    with event_queue(length):
        return site.start_watcher()


@pytest.mark.parametrize("length", LENGTHS)
def test_what_comes_behind_a_queue_of_events_that_is_full_is_seen(site: Site, length: int | None) -> None:
    others = [account.name for account in site.accounts.add_many(["pablo", "maria", "ana"])]
    site.accounts.add("mallory")
    watcher = start(site, length)

    watcher.wait_quiet()
    with watcher.held_up():
        with flood(site, "mallory", (length or USUAL) // 2 + 10, ["storm"]) as storm:
            assert wait_exit(storm, what="the storm", timeout=60) == 0
        for name in others:
            site.drop(name, f"{name}.json", {"destination": f"{name}@example.org"})

    for name in others:
        wait_for(partial(site.pending, name), site.paths.requests / "pending", what=f"the request of {name}")
    assert watcher.running


@pytest.mark.parametrize("length", LENGTHS)
def test_a_storm_that_concerns_nobody_hides_nobodys_request_and_no_decision(site: Site, length: int | None) -> None:
    others = [account.name for account in site.accounts.add_many(f"other{number}" for number in range(10))]
    site.accounts.add("mallory")
    watcher = start(site, length)

    with flood(site, "mallory", 10_000_000, ["storm"]) as storm:
        for name in others:
            record = ask(site, name, f"{name}@example.org")
            decide(site, decision(record))
        assert storm.poll() is None

    assert site.paths.map.read_text() == "".join(f"{name}@runv.club\t{name}@example.org\n" for name in sorted(others))
    assert watcher.running


@pytest.mark.needs("sysctl")
def test_of_fifty_thousand_files_at_once_by_several_members_none_is_missed(site: Site) -> None:
    members = [account.name for account in site.accounts.add_many(f"member{number}" for number in range(5))]
    start(site, 16)

    with ExitStack() as together:
        floods = [together.enter_context(flood(site, name, 10_000, ["requests"])) for name in members]
        for process in floods:
            assert wait_exit(process, what="a flood", timeout=300) == 0
        await_status(
            site,
            lambda: site.status()["refused"] + site.status()["pending"] == 50_000,
            what="50,000 files to be dealt with",
            timeout=300,
        )

    assert sorted(record["username"] for record in site.records("pending")) == members
    assert os.listdir(site.paths.queue) == []
    refused = site.records("refused")
    assert {name: sum(record["username"] == name for record in refused) for name in members} == dict.fromkeys(
        members, 32
    )


def test_after_a_flood_that_was_not_listened_to_the_next_request_is_heard(site: Site) -> None:
    site.accounts.add_many(["mallory", "pablo"])
    watcher = site.start_watcher()
    with watcher.held_up(), flood(site, "mallory", 1500, ["rubbish"]) as dropped:
        wait_exit(dropped, what="the flood", timeout=60)
    wait_for(lambda: not os.listdir(site.paths.queue), site.paths.queue, what="an empty queue", timeout=60)
    watcher.wait_quiet()
    ask(site, "pablo", "p@example.org")
