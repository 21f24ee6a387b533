"""No wait for a database is without an end."""

from __future__ import annotations

import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

from watcher.publish.sql.threads import in_a_thread


class Deadline:
    """Cuts connections off that are still in use after *seconds*; for a `with` block.

    A server that stands still, or a network that swallows everything, leaves a library waiting in the kernel. Shutting
    the socket down, by a descriptor of our own, ends that wait with an error, whichever library it is.

    Attributes:
        seconds: how long.
        passed: whether it has cut something off.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._began = time.monotonic()
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Give the deadline itself; it runs from here on."""
        self._began = time.monotonic()
        in_a_thread(self._wait)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything."""
        self._ended.set()
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    @property
    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self.seconds - self.waited)

    @property
    def waited(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def guard(self, descriptor: int) -> None:
        """Cut off the socket *descriptor* when the time has come."""
        with self._lock:
            self._sockets.append(socket.socket(fileno=os.dup(descriptor)))
            if self.passed:
                self._shut_down()

    def _wait(self) -> None:
        if not self._ended.wait(self.seconds):
            self._cut_off()

    def _cut_off(self) -> None:
        with self._lock:
            self.passed = True
            self._shut_down()

    def _shut_down(self) -> None:
        for each in self._sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was quicker
