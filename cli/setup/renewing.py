"""Files that others than root could have open still: a new inode takes their place.

A change of owner or mode says nothing to who has a file open already. Whoever holds the lock keeps every decision
waiting, flock(2); whoever holds the registry or the config open for writing goes on writing it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator

from cli import house
from cli.waiting import wait_for
from schemas.config import SIZE_LIMIT as CONFIG_LIMIT
from schemas.files import Directory
from schemas.registry import SIZE_LIMIT as REGISTRY_LIMIT
from schemas.settings import Settings
from watcher.registry_store import RegistryLock

_LOCK_SECONDS = 1.0
_BY_OTHERS = 0o022


def is_needed(spec: house.PathSpec, status: os.stat_result) -> bool:
    """Whether others than root could have *path* open in a way that matters."""
    if spec.name == "lock":
        # Opened for reading is enough to lock it.
        return status.st_uid != house.ROOT or bool(stat.S_IMODE(status.st_mode) & 0o077)
    writable = status.st_uid != house.ROOT or bool(stat.S_IMODE(status.st_mode) & _BY_OTHERS)
    return spec.name in {"registry", "config"} and writable


def renew_lock(spec: house.PathSpec) -> None:
    """Put a new, empty file in place of the lock.

    The old one is waited for a moment, so that an honest holder can finish; who holds it for good is not.
    """
    folder, name = os.path.split(spec.path)
    with Directory(folder) as directory, _held_if_possible(directory, name):
        directory.write(name, b"", spec.modes[0], house.group_id(spec.group))


@contextlib.contextmanager
def _held_if_possible(directory: Directory, name: str) -> Iterator[None]:
    with directory.pin(name) as held:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory.fd)
        try:
            if os.fstat(fd).st_ino == held.status.st_ino:
                wait_for(lambda: _locked(fd), _LOCK_SECONDS)
            yield
        finally:
            os.close(fd)


def _locked(fd: int) -> bool | None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return True


def renew(spec: house.PathSpec, settings: Settings, gid: int) -> None:
    """Put a copy in place of the registry or the config, with the mode and owner that it has to have.

    Raises:
        RegistryBusyError: another program is writing the registry just now.
        ExpectedError, OSError: the file cannot be read or written.
    """
    folder, name = os.path.split(spec.path)
    registry = spec.name == "registry"
    with RegistryLock(settings.lock) if registry else contextlib.nullcontext(), Directory(folder) as directory:
        data = directory.read(name, REGISTRY_LIMIT if registry else CONFIG_LIMIT).data
        directory.write(name, data, spec.modes[0], gid)
