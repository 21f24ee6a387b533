"""The disk of the state full, out of inodes or read-only: nothing is lost, the map answers, and all is caught up."""

import contextlib
import hashlib
import os
import signal
import stat
from pathlib import Path

import pytest

from schemas.audit_line import parse_line

from ..e2e.acts import (
    activate,
    ask,
    await_problem,
    await_well,
    decision,
    entries,
    problems,
    publish,
    settle,
    write_registry,
)
from ..support.disk import APART, HARMS
from ..support.layout import FOLDERS
from ..support.site import Site
from .conftest import DiskAt

each_harm = pytest.mark.parametrize("harm", HARMS)
full_or_read_only = pytest.mark.parametrize("harm", ["full", "read-only"])
"""Without inodes it is as with a full one; seen, and left out for the sake of time."""

NAMES = ["asks", "waits", "leaves", "errs", "withdraws"]


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below *directory*, but for what fills the disk, and for what goes in this moment."""
    found = {}
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.parent.name != APART and stat.S_ISREG(path.lstat().st_mode):
                found[str(path.relative_to(directory))] = path.read_bytes()
    return found


def give_work(site: Site) -> None:
    """One thing of each kind, while nobody looks."""
    site.drop("asks", "ask.json", {"destination": "asks@example.org"})
    site.drop("leaves", "leave.json", {"action": "cancel", "scope": "active"})
    site.drop("errs", "err.json", {"destination": "nowhere"})
    site.drop("withdraws", "withdraw.json", {"action": "cancel"})
    (waits,) = (record for record in site.records("pending") if record["username"] == "waits")
    site.drop_marker(decision(waits))


def answers(site: Site) -> dict[str, str | None]:
    return {name: site.map_lookup(f"{name}@runv.club") for name in ("leaves", "waits")}


def as_registered(site: Site) -> dict[str, str | None]:
    """What the map has to answer."""
    active = {name: entry for name, entry in site.registry().items() if entry["status"] == "active"}
    return {name: active[name]["destination"] if name in active else None for name in ("leaves", "waits")}


def assert_done(site: Site) -> None:
    """All that was given was done, once; and nothing is left over, nor half written."""
    found = [(record["username"], folder) for folder in FOLDERS for record in site.records(folder)]
    assert sorted(found) == [
        ("asks", "pending"),
        ("errs", "refused"),
        ("leaves", "approved"),
        ("leaves", "cancelled"),
        ("waits", "approved"),
        ("withdraws", "cancelled"),
        ("withdraws", "cancelled"),
    ]
    assert {name: entry["status"] for name, entry in site.registry().items()} == {
        "leaves": "cancelled",
        "waits": "active",
    }
    assert answers(site) == {"leaves": None, "waits": "waits@example.org"}
    assert os.listdir(site.paths.queue) == []
    assert os.listdir(site.paths.decisions) == ["failed"]
    assert [path for directory in site.paths.directories for path in directory.glob(".*")] == []
    log = [parse_line(line) for line in (site.paths.state / "email-alias-audit.jsonl").read_bytes().splitlines()]
    assert {(line.what, line.username) for line in log} == {
        *(("accepted", name) for name in ("leaves", "waits", "withdraws", "asks")),
        *(("approved", name) for name in ("leaves", "waits")),
        *(("cancelled", name) for name in ("leaves", "withdraws")),
        ("refused", "errs"),
        ("published", None),
    }
    last = [line.registry_sha256_after for line in log if line.what == "published"][-1]
    assert last == hashlib.sha256(site.paths.registry.read_bytes()).hexdigest()


@each_harm
@pytest.mark.parametrize("path", ["state", "requests"])
def test_what_waits_on_a_broken_disk_is_kept_told_of_and_caught_up_with(
    site: Site, disk_at: DiskAt, path: str, harm: str
) -> None:
    site.accounts.add_many(NAMES)
    directory: Path = getattr(site.paths, path)
    disk = disk_at(directory)
    watcher = site.start_watcher()
    activate(site, "leaves", "leaves@example.org")
    for name in ("waits", "withdraws"):
        ask(site, name, f"{name}@example.org")
    settle(site)
    watcher.process.send_signal(signal.SIGSTOP)
    give_work(site)
    before = contents(directory)
    HARMS[harm](disk)

    watcher.process.send_signal(signal.SIGCONT)

    message = await_problem(site, "state-unwritable")
    assert message.startswith("A file of state cannot be written: ")
    assert f"({directory}/" in message
    # What is tried again meanwhile comes and goes.
    site.wait_for(lambda: contents(directory) == before, what="the files to be what they were")
    assert len(os.listdir(site.paths.queue)) == 4
    assert len(os.listdir(site.paths.decisions)) == 2
    if path == "requests":
        # The registry is on another disk and was written: the map does not wait for the records.
        site.wait_for(lambda: site.map_lookup("waits@runv.club"), what="the map to follow the registry")
    assert answers(site) == as_registered(site)
    disk.mend()
    # On a slow machine more than one pass is needed to take everything in.
    site.wait_for(lambda: not os.listdir(site.paths.queue), what="the queue to be taken in", timeout=30)
    site.wait_for(lambda: len(os.listdir(site.paths.decisions)) == 1, what="the decision to be told of", timeout=30)
    await_well(site, timeout=30)
    assert_done(site)


def test_whatever_room_is_left_for_what_waits_it_is_done_once_and_no_line_is_torn(site: Site, disk_at: DiskAt) -> None:
    """One pass for each number of pages that are left, up to where there is enough."""
    site.accounts.add_many(NAMES)
    disk = disk_at(site.paths.state)
    assert site.spawn_watcher("--once").wait_exit() == 0
    for name in ("leaves", "waits", "withdraws"):
        site.drop(name, f"{name}.json", {"destination": f"{name}@example.org"})
    assert site.spawn_watcher("--once").wait_exit() == 0
    (leaves,) = (record for record in site.records("pending") if record["username"] == "leaves")
    site.drop_marker(decision(leaves))
    assert site.spawn_watcher("--once").wait_exit() == 0
    give_work(site)

    for pages in range(20):
        disk.fill(leaving=pages)
        site.spawn_watcher("--once").wait_exit()
        assert answers(site) == as_registered(site)
        log = (site.paths.state / "email-alias-audit.jsonl").read_bytes()
        assert log.endswith(b"\n")
        disk.mend()
        if not os.listdir(site.paths.queue):
            break

    assert 0 < pages < 19
    assert site.spawn_watcher("--once").wait_exit() == 0
    assert_done(site)


@full_or_read_only
def test_a_watcher_that_starts_on_a_broken_disk_of_state_keeps_the_map_and_awaits_its_mending(
    site: Site, disk_at: DiskAt, harm: str
) -> None:
    site.accounts.add("pablo")
    disk = disk_at(site.paths.state)
    write_registry(site, entries(2))
    (site.paths.requests / "pending" / ".killed-in-the-middle.json.tmp").write_text("{")
    site.drop("pablo", "ask.json", {"destination": "p@example.org"})
    HARMS[harm](disk)

    site.start_watcher()

    assert f"({site.paths.state}/" in problems(site)["state-unwritable"]
    assert site.map_lookup("member01@runv.club") == "member01@example.org"
    disk.mend()
    await_well(site, timeout=30)
    assert [record["username"] for record in site.records("pending")] == ["pablo"]
    assert [path for directory in site.paths.directories for path in directory.glob(".*")] == []


def test_a_read_only_disk_of_state_is_no_problem_while_nothing_is_to_be_written(site: Site, disk_at: DiskAt) -> None:
    disk = disk_at(site.paths.state)
    write_registry(site, entries(2))
    site.start_watcher().stop()
    disk.make_read_only()

    site.start_watcher()

    assert problems(site) == {}
    assert site.map_lookup("member01@runv.club") == "member01@example.org"


@full_or_read_only
def test_decisions_are_applied_while_the_status_cannot_be_written_and_told_of_when_it_can(
    site: Site, disk_at: DiskAt, harm: str
) -> None:
    site.accounts.add_many(["pablo", "maria"])
    disk = disk_at(site.paths.runtime)
    watcher = site.start_watcher()
    activate(site, "pablo", "p@example.org")
    settle(site)
    HARMS[harm](disk)
    before = contents(site.paths.runtime)

    marker = site.drop_marker(decision(ask(site, "maria", "m@example.org")))

    site.wait_for(lambda: site.map_lookup("maria@runv.club"), what="the map to follow")
    site.wait_for(lambda: str(site.paths.runtime) in watcher.log, what="the journal to tell")
    assert marker.exists()
    # What is tried again meanwhile comes and goes.
    site.wait_for(lambda: contents(site.paths.runtime) == before, what="the status to be what it was")
    disk.mend()
    site.wait_for(lambda: not marker.exists(), what="the decision to be told of", timeout=30)
    assert site.status()["published"]["aliases"] == 2
    assert watcher.log.count("cannot be written") == 1


@full_or_read_only
def test_a_watcher_that_starts_without_room_for_its_status_does_its_work(
    site: Site, disk_at: DiskAt, harm: str
) -> None:
    site.accounts.add("pablo")
    disk = disk_at(site.paths.runtime)
    HARMS[harm](disk)
    write_registry(site, entries(2))

    watcher = site.start_watcher()

    assert str(site.paths.runtime) in watcher.log
    assert site.map_lookup("member01@runv.club") == "member01@example.org"
    assert ask(site, "pablo", "p@example.org")["destination"] == "p@example.org"
    disk.mend()
    await_well(site, timeout=30)
    publish(site, entries(3))
