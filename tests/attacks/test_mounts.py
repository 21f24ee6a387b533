"""What members may mount with fusermount3(1): over their own files, and over a directory that they may write to."""

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ..e2e.acts import ask, await_problem, await_status, await_well, decide, decision, problems, settle
from ..e2e.queue_site import gone
from ..support.layout import put
from ..support.site import Site
from ..support.waiting import wait_for
from ..support.watcher import RunningWatcher
from .attackers import unharmed
from .mounts import Lie, bound, fuse, tmpfs

FORGED = b'{"destination": "thief@example.net"}'
Mount = Callable[[Site, Path], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _members(site: Site) -> None:
    site.accounts.add_many(["alice", "bob", "mallory"])


def lying(site: Site, target: Path) -> AbstractContextManager[None]:
    """With `user_allow_other` in /etc/fuse.conf: everybody sees what mallory says, that it is alice's file."""
    lie = Lie(site.accounts["alice"].uid, FORGED, None if target.is_file() else "forged.json")
    return fuse(target, lie, user=site.accounts["mallory"].uid, allow_other=True)


def private(site: Site, target: Path) -> AbstractContextManager[None]:
    """As anybody may who has fuse3: mallory alone can see it, and root gets EACCES."""
    lie = Lie(site.accounts["alice"].uid, FORGED, None if target.is_file() else "forged.json")
    return fuse(target, lie, user=site.accounts["mallory"].uid)


def silent(site: Site, target: Path) -> AbstractContextManager[None]:
    """Whoever asks it anything waits for ever."""
    return fuse(target, None, user=site.accounts["mallory"].uid, allow_other=True)


@contextlib.contextmanager
def foreign(site: Site, target: Path) -> Iterator[None]:
    """Another file system whose file is alice's, where there is no FUSE."""
    aside = site.root / "aside"
    aside.mkdir()
    with tmpfs(aside):
        put(aside / "forged.json", FORGED, 0o600, uid=site.accounts["alice"].uid)
        with bound(aside / "forged.json", target):
            yield


@contextlib.contextmanager
def halted(watcher: RunningWatcher) -> Iterator[None]:
    """The watcher stands still meanwhile, as it does at any moment that another process is given."""
    watcher.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        watcher.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("mount", [lying, private, silent, foreign])
def test_a_file_system_mounted_over_a_file_speaks_for_nobody_and_keeps_nobody_waiting(
    site: Site, watcher: RunningWatcher, mount: Mount
) -> None:
    path = site.paths.queue / "mine.json"
    with contextlib.ExitStack() as mounted:
        with halted(watcher):
            site.drop("mallory", "mine.json", {"action": "cancel"})
            mounted.enter_context(mount(site, path))
        ask(site, "bob", "bob@example.org")

        assert await_problem(site, "queue-mounted") == (
            f"Something is mounted over 1 of the entries of the queue {site.paths.queue}, one of them mine.json. They "
            "are left alone. Look with `findmnt --list`, then run `umount` for each."
        )
        unharmed(site, "alice")
        assert site.status()["left_alone"] == 1
        assert set(problems(site)) == {"queue-mounted"}

    # It goes away by itself, and mallory's own file is judged.
    gone(site, path)
    await_well(site)
    unharmed(site, "alice")


def test_a_file_system_that_is_mounted_over_a_file_and_taken_away_for_ever_harms_nobody(
    site: Site, watcher: RunningWatcher
) -> None:
    """In every moment between two steps of the watcher."""
    path = site.paths.queue / "mine.json"
    mounts = 0
    for number in range(30):
        site.drop("mallory", "mine.json", b"[" * (number + 1))
        for _ in range(5):
            with contextlib.suppress(FileNotFoundError), lying(site, path):
                mounts += 1
                os.stat(site.root)
        put(site.paths.queue / f"bob{number}.json", b"[]", 0o600, uid=site.accounts["bob"].uid)
    assert mounts > 30

    ask(site, "bob", "bob@example.org")
    unharmed(site, "alice")
    assert watcher.running


@pytest.mark.parametrize("mount", [lying, private, silent])
def test_a_file_system_mounted_over_the_queue_is_not_believed_and_all_else_goes_on(
    site: Site, watcher: RunningWatcher, mount: Mount
) -> None:
    pending = ask(site, "bob", "bob@example.org")
    queue = site.paths.queue

    with mount(site, queue):
        decide(site, decision(pending))

        assert await_problem(site, "queue-mounted") == (
            f"A file system of type fuse.attack is mounted over the queue {queue}, and whoever serves it can claim any "
            "owner for a file. Requests wait until it is gone. Look with `findmnt "
            f"{queue}`, then run `umount {queue}` and `chmod 3770 {queue}`."
        )
        assert site.map_lookup("bob@runv.club") == "bob@example.org"
        settle(site)
        unharmed(site, "alice")

    await_well(site)
    assert ask(site, "alice", "alice@example.org")
    assert watcher.running


# All that some reader of lines takes for the end of one, and what looks like the end of the name.
ODD = "odd\r\x0b\x0c\x1c\x1d\x1e\x85\u2028 - \t\n\\040\udcff"


def test_a_mount_point_of_any_name_harms_nobody(site: Site, watcher: RunningWatcher) -> None:
    """As a member may mount one below their own home."""
    elsewhere = site.root / ODD
    elsewhere.mkdir()
    with tmpfs(elsewhere):
        settle(site)
        assert ask(site, "bob", "bob@example.org")
        before = len(watcher.notify.lines)
        watcher.reload()
        watcher.notify.wait_for("READY=1", since=before)
        settle(site)
        assert problems(site) == {}
    await_well(site)
    assert watcher.running


def test_a_file_system_mounted_over_a_file_of_any_name_is_noticed(site: Site, watcher: RunningWatcher) -> None:
    name = f"{ODD}.json"
    with contextlib.ExitStack() as mounted:
        with halted(watcher):
            site.drop("mallory", name, {"action": "cancel"})
            mounted.enter_context(lying(site, site.paths.queue / name))
        assert r"one of them odd\r\x0b\x0c\x1c\x1d\x1e\x85\u2028 - \t\n\\040\xff.json." in await_problem(
            site, "queue-mounted"
        )
        ask(site, "bob", "bob@example.org")
        unharmed(site, "alice")
    gone(site, site.paths.queue / name)
    await_well(site)


@contextlib.contextmanager
def without_descriptors(watcher: RunningWatcher) -> Iterator[None]:
    """Nothing more can be opened by the watcher meanwhile: EMFILE."""
    soft, hard = resource.prlimit(watcher.process.pid, resource.RLIMIT_NOFILE)
    # Not fewer than are polled at once, see poll(2).
    resource.prlimit(watcher.process.pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.prlimit(watcher.process.pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_what_is_mounted_while_the_kernel_cannot_be_asked_is_found_later(site: Site, watcher: RunningWatcher) -> None:
    path = site.paths.queue / "mine.json"
    with contextlib.ExitStack() as mounted:
        with without_descriptors(watcher):
            site.drop("mallory", "mine.json", {"action": "cancel"})
            mounted.enter_context(lying(site, path))
            wait_for(lambda: "ERROR: " in watcher.log, site.root, what="the watcher to tell of the trouble")
            watcher.wait_quiet()
            assert watcher.running
        ask(site, "bob", "bob@example.org")
        await_status(site, lambda: set(problems(site)) == {"queue-mounted"}, what="the mount")
        unharmed(site, "alice")
    gone(site, path)
    await_well(site)


# A watcher that cannot tell, as long as a certain file is there, what lies over the queue.
_UNKNOWING = """
import errno, os, sys
from watcher.intake.queue_directory import QueueDirectory
method, flag, _, *sys.argv[1:] = sys.argv[1:]
real = getattr(QueueDirectory, method)

def unknowing(self):
    if os.path.exists(flag):
        raise OSError(errno.ENFILE, os.strerror(errno.ENFILE), "/proc/self/mountinfo")
    return real(self)

setattr(QueueDirectory, method, unknowing)
from watcher.main import main
main()
"""


@pytest.mark.parametrize("method", ["look", "replaced"])
def test_a_kernel_that_does_not_tell_what_is_mounted_is_asked_again(site: Site, method: str) -> None:
    flag = site.root / "unknowing"
    before = [str(site.installation.python), "-c", _UNKNOWING, method, str(flag)]
    watcher = site.spawn_watcher(before=before, env={"WATCHDOG_USEC": "4000000"})
    watcher.wait_ready()
    watcher.wait_quiet()

    flag.touch()
    assert "Too many open files in system (/proc/self/mountinfo)" in await_problem(site, "state-unwritable")
    path = site.drop("bob", "ask.json", {"destination": "bob@example.org"})
    watcher.wait_quiet()
    assert path.exists()

    flag.unlink()
    settle(site)
    gone(site, path)
    await_well(site)
    assert site.pending("bob")
    assert watcher.running


@pytest.mark.parametrize("mount", [lying, private, silent])
def test_a_watcher_that_starts_under_a_mounted_queue_says_so_and_takes_it_up_later(site: Site, mount: Mount) -> None:
    with mount(site, site.paths.queue):
        watcher = site.start_watcher()
        assert set(problems(site)) == {"queue-mounted"}
        before = len(watcher.notify.lines)
        watcher.reload()
        watcher.notify.wait_for("READY=1", since=before)
        assert set(problems(site)) == {"queue-mounted"}

    await_well(site)
    assert ask(site, "alice", "alice@example.org")


def test_a_file_system_that_root_mounts_over_the_queue_is_the_queue(site: Site, watcher: RunningWatcher) -> None:
    """Such as one of a limited size; only FUSE is the members' own."""
    with tmpfs(site.paths.queue):
        await_problem(site, "queue-unsafe")
        os.chown(site.paths.queue, 0, site.accounts.gid)
        site.paths.queue.chmod(0o2770)

        await_well(site)
        assert ask(site, "alice", "alice@example.org")

    assert ask(site, "bob", "bob@example.org")
    assert watcher.running


def test_the_queue_is_watched_again_once_the_mount_is_gone(site: Site, watcher: RunningWatcher) -> None:
    for _ in range(3):
        with private(site, site.paths.queue):
            settle(site)
            await_problem(site, "queue-mounted")
        await_well(site)
        site.drop("alice", "cancel.json", {"action": "cancel"})
        gone(site, site.paths.queue / "cancel.json")
    assert watcher.running
