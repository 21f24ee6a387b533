"""Seeing a file come or go, and noting when: inotify(7), read by the thread that waits.

Everything that is timed here ends with a rename or an unlink, so a look at the directory every so often would only add
its own interval, and would take from a two-core machine what the watcher needs. The kernel tells of a rename within
some 20 microseconds, and it tells of the watcher's and of the floor's alike.
"""

import ctypes
import os
import select
import struct
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

MOVED_TO = 0x00000080
DELETE = 0x00000200
_OVERFLOW = 0x00004000
_EVENT = struct.Struct("iIII")

_LIBC = ctypes.CDLL(None, use_errno=True)


class Observer:
    """Waits for names to appear in *directory* by rename (`MOVED_TO`), or to go from it (`DELETE`)."""

    def __init__(self, directory: Path, mask: int) -> None:
        self._directory = directory
        self._fd = _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        _checked(_LIBC.inotify_add_watch(self._fd, os.fsencode(directory), mask))
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def seconds_until(
        self,
        name: str | None,
        action: Callable[[], object],
        *,
        times: int = 1,
        proof: Callable[[], bool] = lambda: True,
        timeout: float = 60.0,
    ) -> float:
        """Do *action* and return the seconds from its beginning until *name* was seen *times* times.

        Any name counts where *name* is None. After each look that completes the count, *proof* is asked as well, and
        its time belongs to the answer; where it says no, one more event is waited for.
        """
        self.seen()
        begun = time.perf_counter()
        deadline = begun + timeout
        action()
        count = 0
        while True:
            left = deadline - time.perf_counter()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise AssertionError(f"waited {timeout:g} s in vain for {name or times} in {self._directory}")
            news = sum(name is None or seen == name for seen in self.seen())
            count += news
            if news and count >= times and proof():
                return time.perf_counter() - begun

    def seen(self) -> list[str]:
        """Every name that was seen since the last call."""
        names: list[str] = []
        while True:
            try:
                data = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return names
            position = 0
            while position < len(data):
                _, mask, _, length = _EVENT.unpack_from(data, position)
                if mask & _OVERFLOW:
                    raise AssertionError("the kernel's queue of events overflowed")
                position += _EVENT.size
                names.append(os.fsdecode(data[position : position + length].rstrip(b"\0")))
                position += length


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
