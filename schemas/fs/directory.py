"""A directory through its descriptor: opening, reading and atomically replacing the files in it.

Files that somebody else could have made or replaced are opened here and nowhere else. What this guards against: a name
in a directory that others may write can become, between two system calls, a symbolic link to a secret, a FIFO that
blocks its opener, a device, a hard link to somebody else's file, or a file without end. So every access is relative to
a directory descriptor, follows no link, never blocks, judges an inode that is held (not the name), opens it only if it
is a plain file, and reads no more than a limit. See `schemas.fs.pinned`; open(2): O_NOFOLLOW, O_PATH, O_NONBLOCK; and
path_resolution(7).
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from types import TracebackType
from typing import NamedTuple, Self

from schemas.errors import StateError
from schemas.fs.mounts import mount_of
from schemas.fs.pinned import FoundFile, Pinned
from schemas.text import printable

_TICK_NS = 50_000_000
_PIN_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Signature(NamedTuple):
    """The version of a file, for telling that it changed without reading it. A rename does not change it."""

    device: int
    inode: int
    mtime_ns: int
    size: int


def signature_of(status: os.stat_result) -> Signature:
    """The signature of the file of *status*."""
    return Signature(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def just_changed(mtime_ns: int) -> bool:
    """Whether a file of that mtime may change once more without changing its signature.

    The clock of file times ticks in steps of milliseconds; a change within the same tick, in place and of the same
    size, leaves every part of the signature as it is.
    """
    return abs(time.time_ns() - mtime_ns) < _TICK_NS


def temporary_name(name: str) -> str:
    """The hidden name under which the next contents of *name* are written."""
    return f".{name}.tmp"


class Directory:
    """An open directory; everything in it is reached through its descriptor.

    Args:
        path: where it is; may lead through symbolic links, since only root can place those above our directories.
        asked: whether its file system is asked to open it. One that is opened by O_PATH instead can be listed by
            `scan`, and not synced.

    Raises:
        StateError: it is not there, is not a directory, or may not be opened.
    """

    def __init__(self, path: str, *, asked: bool = True) -> None:
        self.path = path
        self._asked = asked
        try:
            self.fd = os.open(path, (os.O_RDONLY if asked else os.O_PATH) | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StateError(
                f"The directory {path} cannot be opened ({error.strerror}). Make it, or mend its mode and owner."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)

    def display_path(self, name: str) -> str:
        """The path of *name* for a message, escaped."""
        return printable(os.path.join(self.path, name), 400)

    def names(self) -> list[str]:
        """Every name in it, in no order; names that are not UTF-8 come in the form of `os.fsdecode`."""
        return os.listdir(self.fd)

    def status(self, name: str) -> os.stat_result | None:
        """The status of *name* itself, never of what a link points at; `None` where there is no such name."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def signature(self, name: str) -> Signature | None:
        """The signature of *name*, or `None` where there is no such name."""
        status = self.status(name)
        return signature_of(status) if status else None

    def has(self, name: str) -> bool:
        """Whether there is an entry *name*."""
        return self.status(name) is not None

    def pin(self, name: str) -> Pinned:
        """Hold the inode that *name* is now, a link itself and not what it points at.

        Raises:
            FileNotFoundError: there is no such name.
        """
        return Pinned(os.open(name, _PIN_FLAGS, dir_fd=self.fd), lambda: self.display_path(name))

    def enter(self, name: str) -> Directory:
        """Open the sub-directory *name*, which may not be a link. Raises what `open` does, with the name in it."""
        with self._naming(name):
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            entered = Directory(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        entered.path = os.path.join(self.path, name)
        return entered

    @cached_property
    def mount(self) -> int:
        """The number of the mount that it lies on."""
        return mount_of(self.fd)

    def scan(self) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        """Its entries, in no order."""
        # By way of /proc, since a descriptor of O_PATH cannot be listed.
        return os.scandir(self.fd if self._asked else f"/proc/self/fd/{self.fd}")

    def read(self, name: str, limit: int) -> FoundFile:
        """Read the plain file *name* of at most *limit* bytes. Raises what `Directory.pin` and `Pinned.read` do."""
        with self.pin(name) as pinned:
            return pinned.read(limit)

    def write(
        self,
        name: str,
        data: bytes,
        mode: int,
        gid: int | None = None,
        *,
        durable: bool = True,
        temporary: str | None = None,
    ) -> Signature:
        """Put *data* in place of *name* at once: whoever looks sees the old contents or the new, never a part.

        Args:
            name: the entry.
            data: its new contents.
            mode: its permission bits.
            gid: its group; left to the directory where `None`.
            durable: also sync the directory; a batch passes `False` and calls `sync` once.
            temporary: where it is written first; by the usual name where `None`.

        Returns:
            The signature of the new file.

        Raises:
            OSError: nothing was changed, and no temporary file stays.
        """
        temporary = temporary or temporary_name(name)
        signature = self.write_aside(temporary, data, mode, gid)
        with self._naming(name):
            try:
                os.rename(temporary, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            except OSError:
                self.remove(temporary)
                raise
            if durable:
                self.sync()
        return signature

    def write_aside(self, temporary: str, data: bytes, mode: int, gid: int | None = None) -> Signature:
        """Write *data* to the file *temporary*, whole and synced, in place of any leftover of that name."""
        with self._naming(temporary):
            try:
                fd = os.open(temporary, _WRITE_FLAGS, 0o600, dir_fd=self.fd)
            except FileExistsError:
                self.remove(temporary)
                fd = os.open(temporary, _WRITE_FLAGS, 0o600, dir_fd=self.fd)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                make_durable(fd, mode, gid)
                return signature_of(os.fstat(fd))
            except OSError:
                self.remove(temporary)
                raise
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        # An error of a descriptor names no file, and whoever must make room on the disk needs to know it.
        try:
            yield
        except OSError as error:
            error.filename = self.display_path(name)
            raise

    def rename(self, name: str, new: str, into: Directory | None = None) -> None:
        """Rename *name* to *new*, here or in *into*, and sync neither directory."""
        with self._naming(name):
            os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=(into or self).fd)

    def remove(self, name: str) -> bool:
        """Unlink *name*; say whether it was there."""
        try:
            with self._naming(name):
                os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            return False
        return True

    def make(self, name: str, mode: int) -> bool:
        """Make the sub-directory *name* where it is missing, inheriting group and set-gid; say whether it was made."""
        with contextlib.suppress(FileExistsError):
            # The mode is given through the umask: a chmod would need to set the set-gid bit itself.
            previous = os.umask(0o777 & ~mode)
            try:
                with self._naming(name):
                    os.mkdir(name, 0o777, dir_fd=self.fd)
            finally:
                os.umask(previous)
            return True
        return False

    def sync(self) -> None:
        """Make the names in the directory durable."""
        with self._naming("."):
            os.fsync(self.fd)


def make_durable(fd: int, mode: int, gid: int | None = None) -> None:
    """Give the open file its group and mode, and sync it after that, so that no power cut shows it with others."""
    status = os.fstat(fd)
    if gid is not None and status.st_gid != gid:
        os.fchown(fd, -1, gid)
        status = os.fstat(fd)
    if stat.S_IMODE(status.st_mode) != mode:
        os.fchmod(fd, mode)
    os.fsync(fd)


def read_plain(path: str, limit: int) -> FoundFile:
    """Read the file *path* by the rules of `Directory.read`, in one call."""
    folder, name = os.path.split(path)
    with Directory(folder or ".") as directory:
        return directory.read(name, limit)
