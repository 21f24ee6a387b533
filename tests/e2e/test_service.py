"""One watcher as its service manager sees it: what it says, how it ends, and that there is one only."""

import json
import os
from pathlib import Path

import pytest

from ..support.layout import put
from ..support.site import Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import activate, ask, await_status, decision, entries, publish, script, settle, states
from .queue_site import gone

REAL = "/usr/sbin/postmap"


@pytest.fixture
def gate(site: Site) -> Path:
    """A FIFO at which postmap waits while it is there: whoever opens it for writing lets one call pass."""
    path = site.root / "gate"
    os.mkfifo(path)
    program = script(site.root / "bin" / "postmap", f'[ ! -p {path} ] || read -r _ <{path}\nexec {REAL} "$@"')
    site.configure(postmap_command=[str(program)])
    return path


def let_pass(gate: Path) -> None:
    """Wait until postmap is at the gate, then let it and all later ones pass."""
    with gate.open("wb") as file:
        gate.unlink()
        file.write(b"\n")


def test_the_status_is_there_before_the_first_pass_and_ready_is_said_after_it(site: Site, gate: Path) -> None:
    watcher = site.spawn_watcher()

    status = await_status(site, site.status, what="the status file")

    assert status["published"] is None
    assert "READY=1" not in watcher.notify.lines
    assert not site.paths.map.exists()
    let_pass(gate)
    watcher.wait_ready()
    assert site.paths.map.exists()
    assert site.status()["published"]["aliases"] == 0


def test_the_status_tells_who_is_at_work_and_what_was_done(site: Site, watcher: RunningWatcher) -> None:
    site.accounts.add("pablo")
    publish(site, entries(2))
    ask(site, "pablo", "p@example.org")
    settle(site)

    status = site.status()

    fields = Path("/proc", str(watcher.process.pid), "stat").read_text().rpartition(")")[2].split()
    assert status == {
        "pid": watcher.process.pid,
        "start_time": int(fields[19]),
        "version": status["version"],
        "started_at": status["started_at"],
        "updated_at": status["updated_at"],
        "backend": "postfix-hash",
        "enabled": True,
        "published": {
            "registry_sha256": status["published"]["registry_sha256"],
            "at": status["published"]["at"],
            "aliases": 2,
        },
        "pending": 1,
        "refused": 0,
        "left_alone": 0,
        "problems": [],
        "conflicts": [],
        "hosts": [],
    }
    assert status["started_at"] <= status["published"]["at"] <= status["updated_at"]
    found = site.paths.status.stat()
    assert (found.st_mode & 0o7777, found.st_uid) == (0o644, 0)
    assert os.listdir(site.paths.runtime) == ["status.json"]
    assert watcher.notify.wait_for("STATUS=2 aliases published, 1 requests pending, 0 problems")


def test_the_watchdog_hears_of_it_after_a_pass(site: Site, watcher: RunningWatcher) -> None:
    site.accounts.add("pablo")
    mark = len(watcher.notify.lines)

    ask(site, "pablo", "p@example.org")

    assert watcher.notify.wait_for("WATCHDOG=1", since=mark)


def test_it_ends_with_0_when_it_is_told_to(site: Site, watcher: RunningWatcher) -> None:
    status = site.status()

    assert watcher.stop() == 0

    assert watcher.notify.lines[-1] == "STOPPING=1"
    assert watcher.log.splitlines()[-1] == "INFO: Stopped on request."
    assert site.status() == status
    shown = site.admin("status").stdout.splitlines()[0]
    assert shown.startswith("Watcher     not running; it last reported on ")


def test_it_ends_after_the_pass_in_progress(site: Site, gate: Path) -> None:
    passed = gate.with_name("aside")
    gate.rename(passed)
    site.accounts.add("pablo")
    watcher = site.start_watcher()
    record = ask(site, "pablo", "p@example.org")
    passed.rename(gate)
    marker = site.drop_marker(decision(record))
    wait_for(site.registry, site.paths.state, what="the registry, which is written before the map")

    watcher.process.terminate()
    let_pass(gate)

    assert watcher.wait_exit() == 0
    assert not marker.exists()
    assert site.map_lookup("pablo@runv.club") == "p@example.org"


def test_there_is_one_watcher_only(site: Site, watcher: RunningWatcher) -> None:
    status = site.status()
    message = f"Another watcher is at work on {site.paths.decisions}; there can be one only.\n"

    second = site.spawn_watcher()
    assert (second.wait_exit(), second.log) == (1, message)
    once = site.spawn_watcher("--once")
    assert (once.wait_exit(), once.log) == (75, message)

    assert site.status() == status
    assert watcher.running
    publish(site, entries(1))
    assert site.map_lookup("member00@runv.club") == "member00@example.org"


def test_once_does_what_is_to_be_done_and_ends(site: Site) -> None:
    site.accounts.add_many(["pablo", "maria"])
    put(site.paths.registry, json.dumps(entries(1)).encode(), 0o640)
    site.drop("pablo", "pablo.json", {"destination": "p@example.org"})
    site.drop("maria", "maria.json", b"[]")

    assert site.spawn_watcher("--once").wait_exit() == 0

    assert os.listdir(site.paths.queue) == []
    record = site.pending("pablo")
    assert record is not None
    assert [refused["username"] for refused in site.records("refused")] == ["maria"]
    assert site.map_lookup("member00@runv.club") == "member00@example.org"
    marker = site.drop_marker(decision(record))

    assert site.spawn_watcher("--once").wait_exit() == 0

    assert not marker.exists()
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    before = [states(path) for path in (site.paths.state, site.paths.postfix)]
    assert site.spawn_watcher("--once").wait_exit() == 0
    assert [states(path) for path in (site.paths.state, site.paths.postfix)] == before


def test_once_ends_with_1_where_the_map_could_not_follow(site: Site) -> None:
    site.configure(postmap_command=["/nonexistent/postmap"])
    put(site.paths.registry, json.dumps(entries(1)).encode(), 0o640)

    once = site.spawn_watcher("--once")

    assert once.wait_exit() == 1
    assert "The program /nonexistent/postmap was not found" in once.log


def test_what_came_while_it_was_down_is_dealt_with_at_start(site: Site) -> None:
    site.accounts.add("pablo")
    first = site.start_watcher()
    record = ask(site, "pablo", "p@example.org")
    first.stop()
    path = site.drop("pablo", "late.json", {"action": "cancel"})
    marker = site.drop_marker(decision({**record, "username": "maria"}))
    kept = site.member("pablo", "status").stdout.splitlines()[-1]
    assert kept == "The watcher is not running, so nothing is taken in or decided until it starts."

    site.start_watcher()

    gone(site, path)
    assert [record["action"] for record in site.records("cancelled")] == ["request", "cancel"]
    assert not marker.exists()
    assert [failed["reason"] for failed in site.failed()] == [
        "maria has no pending request. See `runv-admin-email-alias pending`."
    ]


def test_a_watcher_that_runs_on_goes_on_doing_so(site: Site, watcher: RunningWatcher) -> None:
    """One change after another, each live before the next."""
    site.accounts.add("pablo")
    for number in range(5):
        activate(site, "pablo", f"p{number}@example.org")
        assert site.map_lookup("pablo@runv.club") == f"p{number}@example.org"
    assert watcher.running
    assert site.status()["problems"] == []


def test_a_sign_of_life_comes_twice_within_the_time_that_systemd_gives(site: Site) -> None:
    watcher = site.start_watcher(env={"WATCHDOG_USEC": "1000000"})
    mark = len(watcher.notify.lines)

    for _ in range(2):
        watcher.notify.wait_for("WATCHDOG=1", since=mark, timeout=5)
        mark = len(watcher.notify.lines)
