"""Hosts with networks of their own: namespaces joined by a veth pair, see network_namespaces(7) and veth(4).

A namespace has no name, so runs side by side cannot meet, and it ends with the last process in it, also where the
tests are killed.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from ..support.mailconfig import PATH

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
# The end of its standard input, which is ours, is the end of the namespace.
_HOLDER = ["/usr/bin/unshare", "--net", "--", "/bin/sh", "-c", "ip link set lo up && echo && exec cat"]


class Host:
    """A network of its own with a loopback interface, until `close`.

    Attributes:
        address: by which the hosts on its wire reach it; empty without a wire.
    """

    def __init__(self) -> None:
        self.address = ""
        # One thread for good: a process may be bound to the life of the thread that started it, see PR_SET_PDEATHSIG.
        self._thread = ThreadPoolExecutor(max_workers=1, initializer=self._enter)
        self._holder = subprocess.Popen(
            _HOLDER, env={"PATH": PATH}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline()
        if said != b"\n":
            self.close()
            raise AssertionError(f"there is no network to be had: {said.decode(errors='backslashreplace')}")

    def close(self) -> None:
        """Let it go; what still runs on it keeps it for itself."""
        self._thread.shutdown()
        self._holder.communicate()

    def do(self, work: Callable[[], T]) -> T:
        """Give what *work* gives, done as on this host: whatever it opens, listens on or starts belongs there."""
        return self._thread.submit(work).result()

    def run(self, *command: str) -> None:
        """Run a command on it that must not fail."""
        self.do(lambda: subprocess.run(command, env={"PATH": PATH}, stdin=subprocess.DEVNULL, check=True))

    @property
    def pid(self) -> int:
        """Of a process on it, by which ip-link(8) knows it."""
        return self._holder.pid

    def _enter(self) -> None:
        # For the thread alone that calls it, setns(2), and for what that starts. `os` has it from Python 3.12 on.
        namespace = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(namespace)


class Wire:
    """Two hosts that reach each other, and nobody else; for a `with` block."""

    def __enter__(self) -> Self:
        with ExitStack() as made:
            self.first, self.second = Host(), Host()
            made.callback(self.first.close)
            made.callback(self.second.close)
            ends = (("one", self.first, "10.77.0.1"), ("two", self.second, "10.77.0.2"))
            link = ["ip", "link", "add", "one", "type", "veth", "peer", "name", "two", "netns", str(self.second.pid)]
            self.first.run(*link)
            for name, host, address in ends:
                host.run("ip", "address", "add", f"{address}/24", "dev", name)
                host.run("ip", "link", "set", name, "up")
                host.address = address
            self._made = made.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._made.close()
