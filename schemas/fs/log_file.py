"""A log file of lines that logrotate(8) rotates: appending, and reading it together with the rotated files.

It lies in a directory that only root can change, so this guards against accidents only: a directory or a link of that
name, a line that a power cut left without an end, a file that is rotated between two calls.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import lzma
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from schemas.errors import StateError, UnsafeFileError
from schemas.fs.directory import Directory, make_durable, temporary_name

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# The endings that logrotate gives: a number or a date, and that of the program that compresses.
_ROTATION = r"(?:[.-][0-9][0-9.-]*(?:\.(?:gz|bz2|xz))?)?"


class _Readable(Protocol):
    def readline(self, size: int, /) -> bytes: ...


_UNPACK: dict[str, Callable[[IO[bytes]], _Readable]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


class RotatedLog:
    """The log at *path*; each call opens it anew, since it may have been rotated."""

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
                error.filename = directory.display_path(self.name)
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
            _make_durable(fd, mode, gid)
        finally:
            os.close(fd)
        directory.rename(temporary, self.name)

    def tail(self, size: int) -> bytes:
        """The last *size* bytes of the present file, or all of it; raises what `append` does, or FileNotFoundError."""
        with Directory(self.folder) as directory, os.fdopen(_open(directory, self.name, os.O_RDONLY), "rb") as file:
            return _tail(file, size)

    def tail_before(self, size: int) -> bytes:
        """The last *size* bytes of the file that was rotated last, unless it is compressed."""
        with Directory(self.folder) as directory:
            older = [name for name in self._names(directory, 0) if name != self.name and _packing(name) is None]
            if not older:
                return b""
            with os.fdopen(_open(directory, older[-1], os.O_RDONLY), "rb") as file:
                return _tail(file, size)

    def written_ns(self) -> int | None:
        """When a line was last added, be that file rotated away by now; `None` where there is none.

        Raises as `append`.
        """
        with Directory(self.folder) as directory:
            found = (directory.status(name) for name in self._names(directory, 0))
            return max((status.st_mtime_ns for status in found if status is not None), default=None)

    def names(self, since: float = 0) -> list[str]:
        """The names of its files, the oldest first; those that were last written before *since* are left out.

        Raises:
            OSError, StateError: the directory cannot be listed, or is not there.
        """
        with Directory(self.folder) as directory:
            return self._names(directory, since)

    def lines(self, name: str, limit: int) -> Iterator[bytes]:
        """Every line of the file *name*, without its end; none where it was taken away meanwhile.

        Of a line of more than *limit* bytes only the first are given, one more than *limit* of them.

        Raises:
            OSError: it cannot be read.
            StateError: it cannot be unpacked, or the directory is not there.
            UnsafeFileError: as `append`.
        """
        with Directory(self.folder) as directory:
            found = self._open_either(directory, name)
            if found is None:
                return
            fd, name = found
            packed = _packing(name)
            with os.fdopen(fd, "rb") as file:
                if packed:
                    yield from _unpacked(file, packed, directory.display_path(name), limit)
                else:
                    yield from _cut(file, limit)

    def _open_either(self, directory: Directory, name: str) -> tuple[int, str] | None:
        # A rotated one may have been packed since it was listed.
        for packed in ("", *(() if name == self.name else _UNPACK)):
            with contextlib.suppress(FileNotFoundError):
                return _open(directory, name + packed, os.O_RDONLY), name + packed
        return None

    def _names(self, directory: Directory, since: float) -> list[str]:
        pattern = re.compile(re.escape(self.name) + _ROTATION)
        present = set(directory.names())
        found: list[tuple[bool, float, str]] = []
        for name in present:
            packed = _packing(name)
            # While logrotate packs a file, both are there, and the packed one is half written.
            if not pattern.fullmatch(name) or (packed and name.removesuffix(packed) in present):
                continue
            status = directory.status(name)
            if status is not None and status.st_mtime >= since:
                found.append((name == self.name, status.st_mtime, name))
        return [name for _, _, name in sorted(found)]


def _tail(file: IO[bytes], size: int) -> bytes:
    file.seek(max(0, os.fstat(file.fileno()).st_size - size))
    return file.read(size)


def _packing(name: str) -> str | None:
    return next((packed for packed in _UNPACK if name.endswith(packed)), None)


def _cut(file: _Readable, limit: int) -> Iterator[bytes]:
    while piece := file.readline(limit + 1):
        yield piece.rstrip(b"\n")
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(limit + 1)


def _unpacked(file: IO[bytes], packed: str, path: str, limit: int) -> Iterator[bytes]:
    try:
        yield from _cut(_UNPACK[packed](file), limit)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise StateError(f"{path} cannot be unpacked ({error}). Move it away, or bring it back whole.") from error


def _open(directory: Directory, name: str, flags: int) -> int:
    try:
        fd = os.open(name, flags | _FLAGS, 0o600, dir_fd=directory.fd)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise UnsafeFileError(f"{directory.display_path(name)} is not a plain file.") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnsafeFileError(f"{directory.display_path(name)} is not a plain file.")
    return fd


def _make_durable(fd: int, mode: int, gid: int | None) -> None:
    try:
        make_durable(fd, mode, gid)
    except PermissionError:
        make_durable(fd, mode)
