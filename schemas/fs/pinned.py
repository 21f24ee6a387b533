"""One inode, held from its first lstat to the end of reading, and read only if it is one plain file."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import signal
import stat
import struct
from collections.abc import Callable
from functools import cached_property
from types import TracebackType
from typing import NamedTuple, Self

from schemas.errors import BeingWrittenError, StateError, TooLargeError, UnsafeFileError
from schemas.fs.mounts import mount_of

_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 20

# Of statx(2) and linux/stat.h, for `birth_ns`.
_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_SIZE = 256  # struct statx
_MASK = struct.Struct("=I")  # stx_mask, at its beginning
_BTIME = struct.Struct("=qI")  # stx_btime
_BTIME_AT = 80


class FoundFile(NamedTuple):
    """The contents of a file and its status.

    Attributes:
        data: its contents.
        status: of the descriptor that they were read from.
        born_ns: when it was made, of a file whose mtime lies past its ctime; `None` for others, or where that is not
            known.
    """

    data: bytes
    status: os.stat_result
    born_ns: int | None = None


class Pinned:
    """The inode that stood under a name when it was looked up, whatever becomes of the name.

    It is held by O_PATH (see open(2)), which opens nothing: no FIFO gets a reader, no device does anything, no lease
    breaks, no file system is asked. Only what is found to be a plain file is then opened, through this descriptor.

    Args:
        fd: the descriptor; closed by `close`.
        display_path: gives the path for a message, escaped.
    """

    def __init__(self, fd: int, display_path: Callable[[], str]) -> None:
        self._fd = fd
        self._display_path = display_path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    @property
    def mount(self) -> int:
        """The number of the mount that it lies on; the file system itself is not asked."""
        return mount_of(self._fd)

    @cached_property
    def status(self) -> os.stat_result:
        """Its status when this was first called. Raises OSError."""
        return os.fstat(self._fd)

    def read(self, limit: int, *, at_rest: bool = False) -> FoundFile:
        """Read it, if it is a plain file of one name and at most *limit* bytes.

        Args:
            limit: of its size, in bytes.
            at_rest: whether it is only read while nobody writes it, as far as the file system can tell.

        Raises:
            UnsafeFileError: it is no regular file, or has more than one name.
            BeingWrittenError: somebody has it open for writing, and it was to be *at_rest*.
            TooLargeError: it holds more than *limit* bytes.
            BlockingIOError: its owner has put a lease on it, F_SETLEASE in fcntl(2), or it changed under the reading.
            OSError: it cannot be read.
        """
        self._refuse_unless_plain()
        if self.status.st_size > limit:
            # Also of a file that is still being written: no reason to wait for its end.
            raise self._too_large(limit)
        fd = self._open()
        try:
            if at_rest:
                self._keep_writers_out(fd)
            born_ns = birth_ns(fd) if self.status.st_mtime_ns > self.status.st_ctime_ns else None
            data = self._read_all(fd, limit)
            # The status that is returned must be that of what was read: its owner, its mode, its size, its mtime.
            if _state(os.fstat(fd)) != _state(self.status):
                raise BlockingIOError(errno.EAGAIN, "It changed while it was read", self._display_path())
            return FoundFile(data, self.status, born_ns)
        finally:
            os.close(fd)

    def _refuse_unless_plain(self) -> None:
        if not stat.S_ISREG(self.status.st_mode):
            raise UnsafeFileError(f"{self._display_path()} is not a plain file.")
        # Without any name it was replaced after the lstat, which is no harm.
        if self.status.st_nlink > 1:
            names = self.status.st_nlink
            raise UnsafeFileError(f"{self._display_path()} has {names} names (hard links); one was expected.")

    def _open(self) -> int:
        try:
            return os.open(f"/proc/self/fd/{self._fd}", _READ_FLAGS)
        except FileNotFoundError as error:
            # An open descriptor is always listed there.
            raise StateError("The directory /proc/self/fd cannot be read. Mount proc on /proc.") from error
        except OSError as error:
            error.filename = self._display_path()
            raise

    def _keep_writers_out(self, fd: int) -> None:
        # A read lease, F_SETLEASE in fcntl(2): it is refused while anybody has the file open for writing, and whoever
        # opens it for writing later waits until *fd* is closed. The mtime does not do: write(2) sets it before it
        # copies. The kernel announces such a writer by a signal, whose default must not be to end the process.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError as error:
            raise BeingWrittenError(
                f"{self._display_path()} is being written. It can be read once it is closed."
            ) from error
        except OSError as error:
            # The file system has no leases, or we have no CAP_LEASE.
            if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM}:
                raise

    def _read_all(self, fd: int, limit: int) -> bytes:
        pieces: list[bytes] = []
        left = limit + 1
        while left > 0 and (piece := os.read(fd, min(left, _CHUNK))):
            pieces.append(piece)
            left -= len(piece)
        if left <= 0:
            raise self._too_large(limit)
        return b"".join(pieces)

    def _too_large(self, limit: int) -> TooLargeError:
        return TooLargeError(f"{self._display_path()} holds more than {limit} octets.")


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns


def birth_ns(fd: int) -> int | None:
    """When the open file *fd* was made, in nanoseconds since the epoch; `None` where its file system does not say.

    By statx(2), which Python does not offer.
    """
    statx = _statx()
    buffer = ctypes.create_string_buffer(_SIZE)
    if statx is None or statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return None
    if not _MASK.unpack_from(buffer)[0] & _STATX_BTIME:
        return None
    seconds, nanoseconds = _BTIME.unpack_from(buffer, _BTIME_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


@functools.cache
def _statx() -> Callable[..., int] | None:
    try:
        function = ctypes.CDLL(None).statx
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p]
    function.restype = ctypes.c_int
    return function
