"""Writes that fail in this process, as those to a broken disk do."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_ON_NAMES = ("rename", "unlink", "rmdir", "mkdir")
_ON_FILES = ("write", "fsync", "fchmod", "fchown", "ftruncate", "sendfile")


class Faults:
    """Counts the system calls that change something on a disk, and lets some of them fail.

    Attributes:
        calls: how many were made since the last `start`.
        failed: which of them failed.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.failed: list[str] = []
        self._first = 0
        self._lasting = False

    def arm(self, first: int, *, lasting: bool) -> None:
        """Let the call of that number fail, and where it is *lasting* all that follow; 0: none."""
        self.calls, self.failed = 0, []
        self._first, self._lasting = first, lasting

    def met(self, what: str) -> None:
        """A call is about to be made."""
        self.calls += 1
        if self.calls == self._first or (self._lasting and 0 < self._first < self.calls):
            self.failed.append(what)
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def faulty_disk() -> Iterator[Faults]:
    """Every write of this process may fail until the end of the block."""
    faults = Faults()
    with pytest.MonkeyPatch.context() as patch:
        for name in _ON_NAMES:
            patch.setattr(os, name, _before(getattr(os, name), faults))
        for name in _ON_FILES:
            patch.setattr(os, name, _before(getattr(os, name), faults, only_files=True))
        patch.setattr(os, "open", _open(os.open, faults))
        yield faults


def _before(real: Callable[..., Any], faults: Faults, *, only_files: bool = False) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        # A pipe to another program is no disk; a directory that is synced is one.
        if not only_files or not stat.S_ISFIFO(os.fstat(arguments[0]).st_mode):
            faults.met(real.__name__)
        return real(*arguments, **options)

    return call


def _open(real: Callable[..., int], faults: Faults) -> Callable[..., int]:
    def call(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            faults.met("open")
        return real(path, flags, *arguments, **options)

    return call
