"""Waiting for a condition on files, or for the end of a process, without polling the clock."""

import logging
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

T = TypeVar("T")

# It complains now and then when a watch is taken away while it reads, and would print that where nobody listens.
logging.getLogger("watchdog").addHandler(logging.NullHandler())

# Reading is left out, or a predicate that opens files would wake itself for ever.
_CHANGES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]


class _Wake(FileSystemEventHandler):
    """Sets a flag; which event it was does not matter, the predicate looks for itself."""

    def __init__(self, flag: threading.Event) -> None:
        self._flag = flag

    def dispatch(self, event: FileSystemEvent) -> None:
        """Wake the waiting thread."""
        del event
        self._flag.set()


class Watch:
    """Inotify on some directories, for a `with` block.

    A directory need not exist yet, and may be removed, renamed or made anew meanwhile: its nearest existing
    ancestor is watched as well, and the watches are moved before each look at the predicate.

    A file that is moved *out* of one of the directories, to a place not given here, is noticed half a second
    late: watchdog waits that long for the other half of a rename. Give both directories where the time matters.

    *process* is one without which nothing awaited can come: its end ends the waiting.
    """

    def __init__(self, *directories: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self._directories = directories
        self._process = process
        self._changed = threading.Event()
        self._handler = _Wake(self._changed)
        self._observer = InotifyObserver()
        # Each watched directory is held open: while it is, no new directory can be given its inode number.
        self._armed: dict[Path, int] = {}
        self._leave = -1
        self._follower: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._observer.start()
        self._arm()
        if self._process is not None and self._process.poll() is None:
            self._leave = os.eventfd(0)
            self._follower = threading.Thread(target=self._follow, args=(os.pidfd_open(self._process.pid),))
            self._follower.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._follower is not None:
            os.eventfd_write(self._leave, 1)
            self._follower.join()
            os.close(self._leave)
        self._observer.stop()
        self._observer.join()
        self._release()

    def until(self, predicate: Callable[[], T], *, what: str, timeout: float = 10.0) -> T:
        """Return what *predicate* returns, as soon as that is true.

        It is asked at once and after every change. After *timeout* seconds, or at the end of the process, the
        AssertionError says *what* was awaited.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._changed.clear()
            self._arm()
            over = self._process is not None and self._process.poll() is not None
            if result := predicate():
                return result
            if over and self._process is not None:
                raise AssertionError(f"waited in vain for {what}: the process ended with {self._process.returncode}")
            if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                # The last look: a test must not report as missing what is plainly there.
                if result := predicate():
                    return result
                raise AssertionError(f"waited {timeout:g} s in vain for {what}")

    def _follow(self, descriptor: int) -> None:
        """Wake the waiting thread when the process ends; return then, or when the block is left."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._leave, select.POLLIN)
        poll.poll()
        os.close(descriptor)
        self._changed.set()

    def _wanted(self) -> list[Path]:
        """The directories and the parent of each: the parent tells when a directory itself goes or comes."""
        found: dict[Path, None] = {}
        for directory in self._directories:
            nearest = next(path for path in (directory, *directory.parents) if path.is_dir())
            found[nearest] = found[nearest.parent] = None
        return list(found)

    def _arm(self) -> None:
        """Bring the watches into line with the directories that exist now."""
        while not self._stands(wanted := self._wanted()):
            self._observer.unschedule_all()
            self._release()
            try:
                for path in wanted:
                    self._armed[path] = os.open(path, os.O_PATH | os.O_DIRECTORY)
                    # watchdog 7 watches a link itself, in which nothing ever happens.
                    self._observer.schedule(self._handler, os.path.realpath(path), event_filter=_CHANGES)
            except FileNotFoundError:
                continue

    def _stands(self, wanted: list[Path]) -> bool:
        if list(self._armed) != wanted:
            return False
        try:
            return all(os.path.samestat(os.stat(path), os.fstat(fd)) for path, fd in self._armed.items())
        except FileNotFoundError:
            return False

    def _release(self) -> None:
        for descriptor in self._armed.values():
            os.close(descriptor)
        self._armed.clear()


def wait_for(
    predicate: Callable[[], T],
    *directories: Path,
    what: str,
    timeout: float = 10.0,
    process: subprocess.Popen[bytes] | None = None,
) -> T:
    """Return what *predicate* returns, once that is true; it is asked after every change in *directories*.

    Raises AssertionError, saying *what* was awaited, after *timeout* seconds or when *process* has ended. See
    `Watch` for what is noticed.
    """
    if result := predicate():
        return result
    with Watch(*directories, process=process) as watch:
        return watch.until(predicate, what=what, timeout=timeout)


def ended(descriptor: int, timeout: float) -> bool:
    """Whether the process behind a pidfd has ended, waiting for that up to *timeout* seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def wait_exit(process: subprocess.Popen[bytes], *, what: str, timeout: float = 10.0) -> int:
    """Return the exit status of *process* the moment it ends (Popen.wait looks only every 50 ms).

    Raises AssertionError naming *what* was to end, after *timeout* seconds; the process is left as it is.
    """
    if process.poll() is None:
        descriptor = os.pidfd_open(process.pid)
        try:
            if not ended(descriptor, timeout):
                raise AssertionError(f"waited {timeout:g} s in vain for the end of {what}")
        finally:
            os.close(descriptor)
    return process.wait()
