"""A kernel that gives no inotify instance or watch: the watcher says what to raise, and ends to be started afresh."""

import os
import shutil
from pathlib import Path

import pytest

from ..e2e.acts import ask
from ..support.kernel import limit, spawn_watcher_with_limits
from ..support.site import Site

pytestmark = pytest.mark.needs("namespaces", "sysctl")

LIMITS = ["max_inotify_instances", "max_inotify_watches"]
_WHICH = {"max_inotify_instances": "instance", "max_inotify_watches": "watch"}


def complaint(which: str) -> str:
    number = {"instance": 24, "watch": 28}[which]
    return (
        f"The directories cannot be watched: [Errno {number}] inotify {which} limit reached. See "
        "/proc/sys/fs/inotify: max_user_instances and max_user_watches may have to be raised."
    )


@pytest.mark.parametrize("name", LIMITS)
def test_a_watcher_that_gets_none_at_start_says_what_to_raise_and_ends(site: Site, name: str) -> None:
    watcher = spawn_watcher_with_limits(site, {name: 0})
    assert watcher.wait_exit() == 1
    assert watcher.log == f"{complaint(_WHICH[name])}\n"
    assert watcher.notify.lines == ["STOPPING=1"]


def test_a_watcher_that_gets_some_but_not_all_says_what_to_raise_and_ends(site: Site) -> None:
    watcher = spawn_watcher_with_limits(site, {"max_inotify_watches": 2})
    assert watcher.wait_exit() == 1
    assert watcher.log == f"{complaint('watch')}\n"


@pytest.mark.parametrize("name", LIMITS)
def test_a_watcher_that_gets_none_when_it_must_watch_anew_says_what_to_raise_and_ends(site: Site, name: str) -> None:
    site.accounts.add_many(["pablo", "maria"])
    watcher = spawn_watcher_with_limits(site, {})
    watcher.wait_ready()
    ask(site, "pablo", "p@example.org")

    limit(watcher, {name: 0})
    _replace(site.paths.queue)

    assert watcher.wait_exit() == 1
    assert watcher.log.splitlines()[-1] == complaint(_WHICH[name])
    assert watcher.notify.lines[-1] == "STOPPING=1"
    assert "Traceback" not in watcher.log
    # What comes meanwhile is found by the next one, which gets what it needs.
    site.drop("maria", "ask.json", {"destination": "m@example.org"})
    site.start_watcher()
    assert site.pending("maria") is not None


def _replace(path: Path) -> None:
    status = path.stat()
    shutil.rmtree(path)
    path.mkdir()
    os.chown(path, status.st_uid, status.st_gid)
    path.chmod(status.st_mode & 0o7777)
