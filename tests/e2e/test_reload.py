"""The config read again on SIGHUP: told to the service manager, and nothing is forgotten over it."""

import json
import time

from ..support.needs import require
from ..support.site import Site
from ..support.watcher import RunningWatcher
from .acts import await_problem, await_status, entries, publish, settle, states
from .queue_site import refusal


def test_a_reload_is_told_with_its_moment_and_its_end(site: Site, watcher: RunningWatcher) -> None:
    del site
    mark = len(watcher.notify.lines)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    watcher.reload()

    watcher.notify.wait_for("READY=1", since=mark)
    found = watcher.notify.lines[mark:]
    begun = found.index("RELOADING=1")
    key, _, timestamp = found[begun + 1].partition("=")
    assert key == "MONOTONIC_USEC"
    assert before <= int(timestamp) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert begun < found.index("READY=1")


def test_a_reload_keeps_what_was_counted_and_what_is_published(site: Site, watcher: RunningWatcher) -> None:
    site.accounts.add("pablo")
    publish(site, entries(2))
    refusal(site, "pablo", site.drop("pablo", "wrong.json", b"[]"))
    await_status(site, lambda: site.status()["refused"] == 1, what="the refusal to be counted")
    before = site.status()
    maps = states(site.paths.postfix)
    mark = len(watcher.notify.lines)

    watcher.reload()
    watcher.notify.wait_for("READY=1", since=mark)
    settle(site)

    after = site.status()
    for kept in ("started_at", "refused", "pid", "problems"):
        assert after[kept] == before[kept]
    assert after["published"]["registry_sha256"] == before["published"]["registry_sha256"]
    assert states(site.paths.postfix) == maps


def test_a_reload_says_at_no_moment_that_a_problem_is_gone_which_is_not(site: Site, watcher: RunningWatcher) -> None:
    publish(site, entries(2))
    site.paths.registry.unlink()
    await_problem(site, "registry-broken")
    (before,) = site.status()["problems"]
    mark = len(watcher.notify.lines)

    watcher.reload()
    watcher.notify.wait_for("READY=1", since=mark)
    settle(site)

    message = [line for line in watcher.notify.lines[mark:] if line.startswith("STATUS=")]
    assert [line for line in message if line != "STATUS=2 aliases published, 0 requests pending, 1 problems"] == []
    assert site.status()["problems"] == [before]
    assert "No longer a problem" not in watcher.log


def test_a_second_change_while_the_first_is_being_taken_up_is_taken_up_too(site: Site, watcher: RunningWatcher) -> None:
    """Of the same length, and maybe within one tick of the clock of file times."""
    require("postfix-lmdb")
    hashed, lmdb = (json.dumps(site.config | {"backend": f"postfix-{kind}"}).encode() for kind in ("hash", "lmdb"))
    for _ in range(8):
        site.paths.config.write_bytes(hashed)
        await_status(site, lambda: site.status()["backend"] == "postfix-hash", what="the first backend")
        settle(site)
        mark = len(watcher.notify.lines)
        site.paths.config.write_bytes(hashed)
        watcher.notify.wait_for("RELOADING=1", since=mark)
        site.paths.config.write_bytes(lmdb)
        await_status(site, lambda: site.status()["backend"] == "postfix-lmdb", what="the second change to be taken up")
