"""The only place that opens, reads and atomically writes files of state.

What it guards against: a name in a directory that others may write can become, between two system calls, a symbolic
link to a secret, a FIFO that blocks its opener, a device, a hard link to somebody else's file, or a file without end.
So every access is relative to a directory descriptor, follows no link, never blocks, judges the open descriptor
(not the name), and reads no more than it was told to. See open(2): O_NOFOLLOW, O_NONBLOCK; and path_resolution(7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from schemas.birth import birth_ns
from schemas.errors import StateError, TooLargeError, UnsafeFileError
from schemas.text import printable

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


class Signature(NamedTuple):
    """What tells one state of a file from another without reading it. A rename does not change it."""

    device: int
    inode: int
    mtime_ns: int
    size: int


class FoundFile(NamedTuple):
    """The contents of a file and the status of the descriptor they were read from.

    `born_ns` is told only of a file whose mtime lies past its ctime: when it was made, where that can be known.
    """

    data: bytes
    status: os.stat_result
    born_ns: int | None = None


def signature_of(status: os.stat_result) -> Signature:
    """The signature that *status* speaks of."""
    return Signature(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def temporary_name(name: str) -> str:
    """The hidden name under which the next contents of *name* are written."""
    return f".{name}.tmp"


class Directory:
    """An open directory; everything in it is reached through its descriptor.

    Args:
        path: where it is; may lead through symbolic links, since only root can place those above our directories.

    Raises:
        StateError: it is not there, is not a directory, or may not be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StateError(
                f"The directory {path} cannot be opened ({error.strerror}). Make it, or mend its mode and owner."
            ) from error

    def __enter__(self) -> Self:
        """Give the directory itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self.fd)

    def place(self, name: str) -> str:
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

    def read(self, name: str, limit: int) -> FoundFile:
        """Read the plain file *name* of at most *limit* octets.

        Raises:
            FileNotFoundError: there is no such name.
            UnsafeFileError: it is no regular file, or has more than one name.
            TooLargeError: it holds more than *limit* octets.
            OSError: it cannot be read.
        """
        status = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        self._refuse_unless_plain(name, status)
        try:
            fd = os.open(name, _READ_FLAGS, dir_fd=self.fd)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:
                raise UnsafeFileError(f"{self.place(name)} is a link or a socket, not a plain file.") from error
            raise
        try:
            status = os.fstat(fd)
            self._refuse_unless_plain(name, status)
            born_ns = birth_ns(fd) if status.st_mtime_ns > status.st_ctime_ns else None
            return FoundFile(self._read_all(fd, name, limit), status, born_ns)
        finally:
            os.close(fd)

    def _refuse_unless_plain(self, name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeFileError(f"{self.place(name)} is not a plain file.")
        if status.st_nlink != 1:
            raise UnsafeFileError(f"{self.place(name)} has {status.st_nlink} names (hard links); one was expected.")

    def _read_all(self, fd: int, name: str, limit: int) -> bytes:
        pieces: list[bytes] = []
        left = limit + 1
        while left > 0 and (piece := os.read(fd, min(left, _CHUNK))):
            pieces.append(piece)
            left -= len(piece)
        if left <= 0:
            raise TooLargeError(f"{self.place(name)} holds more than {limit} octets.")
        return b"".join(pieces)

    def write(self, name: str, data: bytes, mode: int, gid: int | None = None, *, durable: bool = True) -> Signature:
        """Put *data* in place of *name* at once: whoever looks sees the old contents or the new, never a part.

        Args:
            name: the entry.
            data: its new contents.
            mode: its permission bits.
            gid: its group; left to the directory where `None`.
            durable: also sync the directory; a batch passes `False` and calls `sync` once.

        Returns:
            The signature of the new file.

        Raises:
            OSError: nothing was changed, and no temporary file stays.
        """
        temporary = temporary_name(name)
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
            self.remove(temporary)
            fd = os.open(temporary, _WRITE_FLAGS, 0o600, dir_fd=self.fd)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                settle(fd, mode, gid)
                return signature_of(os.fstat(fd))
            except OSError:
                self.remove(temporary)
                raise
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        # A write or fsync that fails does not say of which file; whoever must make room needs to know.
        try:
            yield
        except OSError as error:
            error.filename = self.place(name)
            raise

    def rename(self, name: str, new: str, into: Directory | None = None) -> None:
        """Rename *name* to *new*, here or in *into*, and sync neither directory."""
        os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=(into or self).fd)

    def remove(self, name: str) -> bool:
        """Unlink *name*; say whether it was there."""
        try:
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
                os.mkdir(name, 0o777, dir_fd=self.fd)
            finally:
                os.umask(previous)
            return True
        return False

    def sync(self) -> None:
        """Have the kernel write down which names the directory holds."""
        os.fsync(self.fd)


def settle(fd: int, mode: int, gid: int | None = None) -> None:
    """Give the open file its group and mode, then sync it, so that a power cut cannot show it with others."""
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
