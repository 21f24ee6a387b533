"""One member drops all that they can: the others, the administrator and the journal hardly notice."""

import os
import re

import pytest

from ..e2e.acts import ask, await_status, decide, decision, settle
from ..support.flooder import flood
from ..support.site import Site
from ..support.waiting import wait_exit, wait_for
from ..support.watcher import RunningWatcher

pytestmark = pytest.mark.alone

COUNT = 10_000


@pytest.fixture
def watcher(site: Site) -> RunningWatcher:
    site.accounts.add("mallory")
    return site.start_watcher()


def test_others_come_before_the_backlog_of_a_flood(site: Site, watcher: RunningWatcher) -> None:
    site.accounts.add_many(["pablo", "maria"])
    record = ask(site, "maria", "m@example.org")
    with watcher.held_up(), flood(site, "mallory", COUNT) as dropped:
        wait_exit(dropped, what="the flood", timeout=60)
        site.drop("pablo", "ask.json", {"destination": "p@example.org"})
        marker = site.drop_marker(decision(record))

    wait_for(lambda: site.pending("pablo"), site.paths.requests / "pending", what="the request of pablo")
    assert len(os.listdir(site.paths.queue)) > COUNT // 2, "it came after much of the backlog"
    wait_for(lambda: not marker.exists(), site.paths.decisions, what="the approval of maria")
    assert len(os.listdir(site.paths.queue)) > 0, "it came after the backlog"
    assert site.map_lookup("maria@runv.club") == "m@example.org"

    what = "the flood to be dealt with"
    await_status(site, lambda: site.status()["refused"] == COUNT - 1, what=what, timeout=120)
    assert site.pending("mallory") is not None


@pytest.mark.parametrize("kind", ["rubbish", "halves", "turns"])
def test_a_flood_leaves_few_records_few_lines_and_little_memory(site: Site, watcher: RunningWatcher, kind: str) -> None:
    lines, memory = len(watcher.log.splitlines()), watcher.peak_memory()
    with flood(site, "mallory", COUNT // 10, [kind]) as dropped:
        wait_exit(dropped, what="the flood", timeout=60)
        what = "an empty queue"
        wait_for(lambda: not os.listdir(site.paths.queue), site.paths.queue, what=what, timeout=120)
    settle(site)
    assert len(site.records("refused")) <= 32
    assert len(watcher.log.splitlines()) - lines < 20
    assert watcher.peak_memory() - memory < 20
    assert watcher.stop() == 0
    refused = re.findall(r"^WARNING: Refused (\d+)(?: more)? queue entries of mallory", watcher.log, re.MULTILINE)
    taken = re.findall(r"^INFO: Took in (\d+) more requests and cancels of mallory", watcher.log, re.MULTILINE)
    one_by_one = len(re.findall(r"^INFO: (?:Request|Cancel) ", watcher.log, re.MULTILINE))
    assert sum(map(int, refused + taken)) + one_by_one == COUNT // 10


@pytest.mark.parametrize("kind", ["hidden", "directories"])
def test_what_is_left_lying_in_the_queue_keeps_nobody_waiting(site: Site, watcher: RunningWatcher, kind: str) -> None:
    site.accounts.add("pablo")
    lines = len(watcher.log.splitlines())
    with flood(site, "mallory", COUNT, [kind]) as dropped:
        decide(site, decision(ask(site, "pablo", "p@example.org")))
        wait_exit(dropped, what="the flood", timeout=60)
    settle(site)
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    assert len(os.listdir(site.paths.queue)) == COUNT
    assert len(watcher.log.splitlines()) - lines < 10


def test_a_problem_that_comes_and_goes_by_the_second_is_counted(site: Site, watcher: RunningWatcher) -> None:
    lines = len(watcher.log.splitlines())
    nonsense = site.paths.queue / "nonsense"
    for _ in range(20):
        nonsense.mkdir()
        await_status(site, lambda: site.status()["problems"], what="the problem")
        nonsense.rmdir()
        settle(site)
        assert site.status()["problems"] == []
    assert len(watcher.log.splitlines()) - lines <= 8
    assert watcher.stop() == 0
    message = watcher.log.splitlines()
    assert "INFO: No longer a problem: queue-directories. (This happened 16 times more meanwhile.)" in message
