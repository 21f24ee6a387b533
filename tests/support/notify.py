"""The service manager's end of sd_notify: a socket that keeps everything a process says of itself."""

import array
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class NotifySocket:
    """A systemd notify socket at *path*, read by a thread of its own so that no sender ever has to wait.

    What arrives is kept as lines (`READY=1`, `STATUS=...`), in order. File descriptors sent along are closed at
    once, which is also how systemd answers BARRIER=1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._followed: dict[int, str] = {}
        self._gone: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(path))
        self._call = os.eventfd(0)
        self._closing = False
        self._reader = threading.Thread(target=self._read, name="notify-socket", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def environment(self) -> dict[str, str]:
        """What a process must be started with to speak here."""
        return {"NOTIFY_SOCKET": str(self.path)}

    @property
    def lines(self) -> list[str]:
        """All lines so far; their number now is what `wait_for` takes as *since*, to hear only later ones."""
        with self._news:
            return list(self._lines)

    def follow(self, process: subprocess.Popen[bytes], what: str) -> None:
        """Let the end of *process*, named *what*, end every wait: it will say no more."""
        with self._news:
            self._followed[os.pidfd_open(process.pid)] = what
        os.eventfd_write(self._call, 1)

    def wait_for(self, wanted: str | Callable[[str], bool], *, since: int = 0, timeout: float = 10.0) -> str:
        """Return the first line from number *since* on that starts with *wanted*, or for which it is true.

        Raises AssertionError with all that was said, after *timeout* seconds or when a followed process has ended.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for line in self._lines[since:]:
                    if line.startswith(wanted) if isinstance(wanted, str) else wanted(line):
                        return line
                if self._gone:
                    raise AssertionError(f"{self._gone[0]} ended before it said {wanted}; it said {self._lines}")
                if not self._news.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise AssertionError(f"waited {timeout:g} s in vain to be told {wanted}; told {self._lines}")

    def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._call, 1)
        self._reader.join()
        self._socket.close()
        os.close(self._call)
        for descriptor in self._followed:
            os.close(descriptor)
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        while not self._closing:
            with self._news:
                processes = list(self._followed)
            poll = select.poll()
            for descriptor in (self._socket.fileno(), self._call, *processes):
                poll.register(descriptor, select.POLLIN)
            ready = [descriptor for descriptor, _ in poll.poll()]
            with self._news:
                # What it said comes before the news that it ended, or READY=1 and a quick end would look like none.
                self._receive()
                if self._call in ready:
                    os.eventfd_read(self._call)
                for descriptor in set(ready) & set(processes):
                    self._gone.append(self._followed.pop(descriptor))
                    os.close(descriptor)
                self._news.notify_all()

    def _receive(self) -> None:
        while True:
            try:
                data, attached, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(64), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for level, kind, content in attached:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    descriptors = array.array("i")
                    descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
                    for descriptor in descriptors:
                        os.close(descriptor)
            self._lines += data.decode(errors="backslashreplace").splitlines()
