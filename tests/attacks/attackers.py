"""Processes of members who mean ill, and what is asked after each attack."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..e2e.acts import settle
from ..support.accounts import Account
from ..support.site import Record, Site
from ..support.waiting import wait_exit

_IN_ACCESS, _IN_OPEN = 0x1, 0x20

EXCHANGE = """
import ctypes, os
_libc = ctypes.CDLL(None)
def exchange(one, other):  # RENAME_EXCHANGE, renameat2(2)
    return _libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)
"""


@contextlib.contextmanager
def attacking(site: Site, account: Account, program: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run the Python *program* as *account* in the queue directory, until the end of the block at the latest.

    Its stdin ends with the block too; what it prints comes by `said`.
    """
    process = subprocess.Popen(
        [str(site.installation.python), "-c", program, *map(str, arguments)],
        env=site.environment(),
        cwd=site.paths.queue,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
        umask=0o077,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def said(process: subprocess.Popen[bytes]) -> str:
    """The next line that the attacker prints."""
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    assert line, "the attacker ended without a word"
    return line.rstrip("\n")


def attack(site: Site, account: Account, program: str, *arguments: object) -> str:
    """Run the Python *program* as *account* in the queue directory to its end, and return the last line it printed."""
    with attacking(site, account, program, *arguments) as process:
        last = said(process)
        assert wait_exit(process, what="the attack", timeout=60) == 0
        return last


@contextlib.contextmanager
def untouched(*paths: Path) -> Iterator[None]:
    """Nobody opens or reads these files meanwhile, by any name of theirs (inotify(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for path in paths:
            assert libc.inotify_add_watch(descriptor, os.fsencode(path), _IN_ACCESS | _IN_OPEN) > 0, path
        yield
        events = b""
        with contextlib.suppress(BlockingIOError):
            events = os.read(descriptor, 65536)
        # A watch on a file tells no names, so that each event is of one size.
        opened = {number for number, mask, _, _ in struct.iter_unpack("iIII", events) if mask & (_IN_ACCESS | _IN_OPEN)}
        assert not opened, [paths[number - 1] for number in opened]
    finally:
        os.close(descriptor)


def holds(site: Site, secret: bytes, *, besides: Path) -> list[Path]:
    """The files of the server, other than those in *besides*, in which *secret* stands."""
    found = []
    for folder, _, names in os.walk(site.root):
        for name in names:
            path = Path(folder, name)
            if besides not in path.parents and path.is_file() and not path.is_symlink() and secret in path.read_bytes():
                found.append(path)
    return found


def records_of(site: Site, name: str) -> list[Record]:
    """Every record of that member, whatever became of it."""
    folders = ("pending", "approved", "rejected", "cancelled", "refused")
    return [record for folder in folders for record in site.records(folder) if record["username"] == name]


def unharmed(site: Site, victim: str) -> None:
    """The watcher is at work, and has done nothing in the name of *victim*."""
    settle(site)
    assert site.watchers[-1].running
    assert records_of(site, victim) == []
    assert victim not in site.registry()
    assert "Traceback" not in site.watchers[-1].log
