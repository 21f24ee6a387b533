"""One connection to the first host that will do, with an end to every wait."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from schemas.errors import ExpectedError
from schemas.text import printable
from watcher.publish.sql.engines import CONNECT_SECONDS, Driver
from watcher.publish.sql.errors import DatabaseError, Kind, library_message
from watcher.publish.sql.map_file import SqlHost, SqlMap
from watcher.publish.sql.remedies import Remedies

Calls = SimpleQueue[Callable[[], None]]

_standing_by: list[Calls] = []


def in_a_thread(call: Callable[[], None]) -> None:
    """Have *call* made in another thread, which ends with nobody: one that hangs keeps no process from ending.

    Args:
        call: what is to be done; it raises nothing.

    Raises:
        RuntimeError: no thread can be started.
    """
    try:
        calls = _standing_by.pop()
    except IndexError:
        calls = Calls()
        threading.Thread(target=_serve, args=(calls,), name="database", daemon=True).start()
    calls.put(call)


def _serve(calls: Calls) -> None:
    while True:
        calls.get()()
        _standing_by.append(calls)


T = TypeVar("T")


class BoundedCall(Generic[T]):
    """*call*, made in a thread of its own.

    The C library looks names up for as long as its resolver is set to, and a server that answers a byte now and then
    outlasts any time-out that begins anew with each of them.

    Args:
        call: what is tried.
        late: takes its result where nobody waits for that any more.

    Attributes:
        began: when, on the monotonic clock.

    Raises:
        RuntimeError: no thread can be started.
    """

    def __init__(self, call: Callable[[], T], late: Callable[[T], None]) -> None:
        self.began = time.monotonic()
        self._call = call
        self._late = late
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._given_up = False
        self._result: list[T] = []
        self._error: BaseException | None = None
        in_a_thread(self._run)

    @property
    def hangs(self) -> bool:
        """Whether it was given up and has not ended yet."""
        return self._given_up and not self._ended.is_set()

    def result(self, seconds: float) -> T:
        """What came of it.

        Raises:
            TimeoutError: nothing did within so many *seconds*.
            Exception: whatever the call raises.
        """
        self._ended.wait(seconds)
        with self._lock:
            if not self._ended.is_set():
                self._given_up = True
                raise TimeoutError("timed out")
        if self._error is not None:
            raise self._error
        return self._result.pop()

    def _run(self) -> None:
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            self._error = error
        else:
            self._result.append(result)
        with self._lock:
            self._ended.set()
        if self._given_up and self._result:
            self._late(self._result.pop())


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


HOST_SECONDS = 2 * CONNECT_SECONDS
"""How long a host may take, of which a name may have two addresses."""


class HungCalls:
    """The attempts that were given up and have not ended: no further one is made by the same way meanwhile."""

    def __init__(self) -> None:
        self._attempts: list[tuple[SqlMap, SqlHost | None, BoundedCall[Any]]] = []

    def add(self, way: SqlMap, host: SqlHost | None, attempt: BoundedCall[Any]) -> None:
        """Remember *attempt*."""
        self._attempts.append((way, host, attempt))

    def at(self, way: SqlMap, host: SqlHost | None) -> BoundedCall[Any] | None:
        """The one by *way* to *host*, where there is one."""
        self._attempts = [each for each in self._attempts if each[2].hangs]
        return next((each[2] for each in self._attempts if each[:2] == (way, host)), None)


class HostConnection:
    """One connection by *way*, to the first of *hosts* that will do, before the *deadline*.

    Each host has its share of the time that is left, so that one which swallows everything leaves some to the next.

    Attributes:
        host: the one that it came to; `None` for a file.
    """

    def __init__(
        self,
        way: SqlMap,
        hosts: Sequence[SqlHost],
        deadline: Deadline,
        remedies: Remedies,
        hanging: HungCalls,
        *,
        writing: bool,
    ) -> None:
        self._way = way
        self._hosts: Sequence[SqlHost | None] = hosts or [None]
        self._deadline = deadline
        self._remedies = remedies
        self._hanging = hanging
        self._choosy = writing and len(hosts) > 1
        self.host: SqlHost | None = None

    def connect(self, driver: Driver) -> Any:
        """A connection of the library.

        Raises:
            DatabaseError: there is none to be had.
        """
        why: list[str] = []
        for number, host in enumerate(self._hosts):
            self.host = self._remedies.host = host
            earlier = self._hanging.at(self._way, host)
            began = earlier.began if earlier is not None else time.monotonic()
            try:
                if earlier is not None:
                    raise TimeoutError("timed out")
                connection = self._connect(
                    driver, host, min(HOST_SECONDS, self._deadline.left / (len(self._hosts) - number))
                )
                reading = self._why_not(driver, connection) if self._choosy else None
            except ExpectedError:
                raise
            except Exception as error:  # noqa: BLE001 - the library's own, and what it lets through from below
                if len(self._hosts) == 1:
                    late = isinstance(error, TimeoutError)
                    kind = Kind.TIMED_OUT if late else driver.kind_of(error, connecting=True)
                    message = self._remedies.fields(error, round(time.monotonic() - began, 1))
                    raise DatabaseError(kind, message) from None
                why.append(f"{_name(host)}: {library_message(error, self._remedies.secrets)}")
            else:
                if reading is None:
                    return connection
                why.append(f"{_name(host)}: {reading}")
        raise DatabaseError(Kind.NOT_WRITABLE, {**self._remedies.fields(None, 0), "error": "; ".join(why)})

    def _connect(self, driver: Driver, host: SqlHost | None, seconds: float) -> Any:
        attempt: BoundedCall[Any] = BoundedCall(lambda: driver.connect(self._way, host, seconds), _close)
        try:
            connection = attempt.result(seconds)
        except TimeoutError:
            if attempt.hangs:
                self._hanging.add(self._way, host, attempt)
            raise
        if (descriptor := driver.descriptor(connection)) is not None:
            self._deadline.guard(descriptor)
        return connection

    def _why_not(self, driver: Driver, connection: Any) -> str | None:
        # It is closed in any case but that in which it is used.
        with contextlib.ExitStack() as stack:
            stack.callback(_close, connection)
            if (reading := driver.read_only(connection)) is None:
                stack.pop_all()
        return reading


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):
        connection.close()


def _name(host: SqlHost | None) -> str:
    return printable(host.text) if host is not None else ""
