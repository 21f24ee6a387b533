"""A log of lines that logrotate(8) may take away at any moment: adding to it, and reading it with the older ones.

It lies in a directory that only root can change, so what is guarded against here is accident: a directory or a link in
its place, a line that a power cut left without an end.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from schemas.errors import StateError, UnsafeFileError
from schemas.files import Directory, settle, temporary_name

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# The endings that logrotate gives: a number or a date, and that of the program that compresses.
_ROTATION = r"[.-][0-9][0-9.-]*(?P<packed>\.(?:gz|bz2|xz))?"
_UNPACK: dict[str, Callable[[IO[bytes]], Iterable[bytes]]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


class RotatedLog:
    """The log at *path*; it is opened by that name for every use, whatever has become of the file before."""

    def __init__(self, path: str) -> None:
        self.folder, self.name = os.path.split(path)

    def append(self, data: bytes, mode: int, gid: int | None) -> None:
        """Add *data*, whole lines, all of it or nothing; it is durable when this returns.

        Args:
            data: the lines.
            mode: the permission bits of a file that has to be made.
            gid: its group; that of the process where `None`, or where this process may not give it away.

        Raises:
            OSError: it could not be written.
            StateError: the directory is not there.
            UnsafeFileError: what stands there is no plain file.
        """
        with Directory(self.folder) as directory:
            try:
                self._append(directory, data, mode, gid)
            except OSError as error:
                error.filename = directory.place(self.name)
                raise

    def _append(self, directory: Directory, data: bytes, mode: int, gid: int | None) -> None:
        try:
            fd, made = _open(directory, self.name, os.O_RDWR | os.O_APPEND), False
        except FileNotFoundError:
            self._make(directory, mode, gid)
            fd, made = _open(directory, self.name, os.O_RDWR | os.O_APPEND), True
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                data = b"\n" + data
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)
        if made:
            directory.sync()

    def _make(self, directory: Directory, mode: int, gid: int | None) -> None:
        # Aside, and renamed: a kill in between would leave a log that its readers may not read, for good.
        temporary = temporary_name(self.name)
        directory.remove(temporary)
        fd = _open(directory, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            _give(fd, mode, gid)
        finally:
            os.close(fd)
        directory.rename(temporary, self.name)

    def tail(self, octets: int) -> bytes:
        """The last *octets* of the present file, or all of it; raises as `append`, `FileNotFoundError` included."""
        with Directory(self.folder) as directory, os.fdopen(_open(directory, self.name, os.O_RDONLY), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - octets))
            return file.read(octets)

    def written_ns(self) -> int:
        """When a line was last added, be that file rotated away by now; 0 where there is none. Raises as `append`."""
        with Directory(self.folder) as directory:
            found = (directory.status(name) for name, _ in self._files(directory, 0))
            return max((status.st_mtime_ns for status in found if status is not None), default=0)

    def lines(self, since: float = 0) -> Iterator[bytes]:
        """Every line, the oldest first, without its end; files that were last written before *since* are left out.

        Raises:
            OSError: one of the files cannot be read.
            StateError: one cannot be unpacked, or the directory is not there.
            UnsafeFileError: as `append`.
        """
        with Directory(self.folder) as directory:
            for name, packed in self._files(directory, since):
                try:
                    fd = _open(directory, name, os.O_RDONLY)
                except FileNotFoundError:
                    continue  # it was rotated away just now
                with os.fdopen(fd, "rb") as file:
                    for line in _unpacked(file, packed, directory.place(name)) if packed else file:
                        yield line.rstrip(b"\n")

    def _files(self, directory: Directory, since: float) -> list[tuple[str, str | None]]:
        pattern = re.compile(re.escape(self.name) + f"(?:{_ROTATION})?")
        found: list[tuple[bool, float, str, str | None]] = []
        for name in directory.names():
            match = pattern.fullmatch(name)
            status = directory.status(name) if match else None
            if match and status is not None and status.st_mtime >= since:
                found.append((name == self.name, status.st_mtime, name, match["packed"]))
        return [(name, packed) for _, _, name, packed in sorted(found)]


def _unpacked(file: IO[bytes], packed: str, place: str) -> Iterator[bytes]:
    try:
        yield from _UNPACK[packed](file)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise StateError(f"{place} cannot be unpacked ({error}). Move it away, or bring it back whole.") from error


def _open(directory: Directory, name: str, flags: int) -> int:
    try:
        fd = os.open(name, flags | _FLAGS, 0o600, dir_fd=directory.fd)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise UnsafeFileError(f"{directory.place(name)} is not a plain file.") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnsafeFileError(f"{directory.place(name)} is not a plain file.")
    return fd


def _give(fd: int, mode: int, gid: int | None) -> None:
    try:
        settle(fd, mode, gid)
    except PermissionError:
        settle(fd, mode)
