"""Watched directories that are removed, renamed or replaced: they are watched again, or the watcher ends."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.disk import small_disk
from ..support.site import Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .acts import activate, ask, await_well, decide, decision, entries, publish, settle


def removed_and_remade(path: Path) -> None:
    status = path.stat()
    # The watcher may be taking something out of it at this very moment.
    subprocess.run(["/bin/rm", "-rf", str(path)], check=True)
    path.mkdir()
    os.chown(path, status.st_uid, status.st_gid)
    path.chmod(status.st_mode & 0o7777)


def renamed_and_remade(path: Path) -> None:
    status = path.stat()
    path.rename(path.with_name(f"{path.name}.old"))
    path.mkdir()
    os.chown(path, status.st_uid, status.st_gid)
    path.chmod(status.st_mode & 0o7777)


def renamed_and_back(path: Path) -> None:
    aside = path.with_name(f"{path.name}.old")
    path.rename(aside)
    aside.rename(path)


HARMS = [removed_and_remade, renamed_and_remade, renamed_and_back]


@pytest.mark.parametrize("harm", HARMS)
def test_a_queue_that_was_replaced_is_heard_again(
    site: Site, watcher: RunningWatcher, harm: Callable[[Path], None]
) -> None:
    site.accounts.add_many(["pablo", "maria"])
    ask(site, "pablo", "p@example.org")

    harm(site.paths.queue)

    assert ask(site, "maria", "m@example.org")
    decide(site, decision({**(site.pending("pablo") or {})}))
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    assert watcher.running
    # Between being made and being given its mode, a new queue may have been seen with another.
    await_well(site)


@pytest.mark.parametrize("harm", HARMS)
def test_a_decisions_directory_that_was_replaced_is_heard_again(
    site: Site, watcher: RunningWatcher, harm: Callable[[Path], None]
) -> None:
    site.accounts.add("pablo")
    activate(site, "pablo", "p@example.org")

    harm(site.paths.decisions)

    # In the moment before it is noticed, a marker in the old directory would be lost with it.
    wait_for((site.paths.decisions / "failed").is_dir, site.paths.decisions, what="the directory to be taken into use")
    decide(site, {"decision": "revoke", "username": "pablo", "reason": "No."})
    assert site.map_lookup("pablo@runv.club") is None
    assert watcher.running
    second = site.spawn_watcher()
    assert second.wait_exit() == 1


@pytest.mark.parametrize("harm", HARMS)
def test_record_folders_that_were_replaced_are_used_again(
    site: Site, watcher: RunningWatcher, harm: Callable[[Path], None]
) -> None:
    site.accounts.add_many(["pablo", "maria"])
    ask(site, "pablo", "p@example.org")

    harm(site.paths.requests)

    # Until it is noticed, what is recorded goes with the old folders.
    wait_for((site.paths.requests / "pending").is_dir, site.paths.requests, what="the folders to be taken into use")
    ask(site, "maria", "m@example.org")
    decide(site, decision(site.pending("maria") or {}))
    assert site.records("approved")[0]["username"] == "maria"
    assert site.map_lookup("maria@runv.club") == "m@example.org"
    assert watcher.running


def test_a_directory_of_the_map_that_was_replaced_is_heard_again(site: Site) -> None:
    maps = site.root / "maps"
    maps.mkdir(mode=0o755)
    site.configure(virtual_alias_file=str(maps / "members"), check_maps=False)
    site.start_watcher()
    publish(site, entries(1))
    renamed_and_remade(maps)
    publish(site, entries(2))
    settle(site)

    (maps / "members").unlink()

    wait_for((maps / "members").exists, maps, what="the map to be put right")
    assert (maps / "members").read_bytes().count(b"\n") == 2


def test_a_state_directory_that_was_replaced_is_taken_into_use_by_a_reload(site: Site, watcher: RunningWatcher) -> None:
    """Its own parent is not watched, so that nothing but the clock would tell."""
    site.accounts.add("pablo")
    publish(site, entries(1))
    aside = site.paths.state.rename(site.root / "aside")
    shutil.copytree(aside, site.paths.state)
    for path in (site.paths.queue, site.paths.requests):
        os.chown(path, 0, site.accounts.gid)
        path.chmod(0o2770)
    mark = len(watcher.notify.lines)

    watcher.reload()

    watcher.notify.wait_for("READY=1", since=mark)
    publish(site, entries(2))
    activate(site, "pablo", "p@example.org")
    assert site.map_lookup("pablo@runv.club") == "p@example.org"
    assert "pablo" not in (aside / "email-aliases.json").read_text()


def test_a_queue_that_is_mounted_over_and_uncovered_is_heard_at_once(site: Site, watcher: RunningWatcher) -> None:
    """Of neither is there any event below; the check of the watches would come half a minute later."""
    site.accounts.add_many(["pablo", "maria"])
    settle(site)
    with small_disk(site.paths.queue, mode="2770"):
        os.chown(site.paths.queue, 0, site.accounts.gid)
        assert ask(site, "pablo", "p@example.org")
        await_well(site)
    assert ask(site, "maria", "m@example.org")
    assert watcher.running


def test_a_queue_that_is_gone_for_good_ends_the_watcher(site: Site, watcher: RunningWatcher) -> None:
    """It must not look alive while it notices nothing: systemd starts it afresh."""
    shutil.rmtree(site.paths.queue)

    assert watcher.wait_exit(timeout=30) == 1

    assert watcher.notify.lines[-1] == "STOPPING=1"
    assert watcher.log.splitlines()[-1] == (
        f"The directory {site.paths.queue} is not there. Make it with the owner and mode that the administrator's "
        "guide tells."
    )
    assert "Traceback" not in watcher.log
