"""Connecting to the first host that will do, with a time limit on every wait."""

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

HOST_SECONDS = 2 * CONNECT_SECONDS
"""How long a host may take, of which a name may have two addresses."""

T = TypeVar("T")
Calls = SimpleQueue[Callable[[], None]]

_idle_threads: list[Calls] = []
"""The queues of the threads that have nothing to do."""


def in_a_thread(call: Callable[[], None]) -> None:
    """Make *call*, which raises nothing, in a daemon thread: one that hangs keeps no process from ending.

    Raises:
        RuntimeError: no thread can be started.
    """
    try:
        calls = _idle_threads.pop()
    except IndexError:
        calls = Calls()
        threading.Thread(target=_serve, args=(calls,), name="database", daemon=True).start()
    calls.put(call)


def _serve(calls: Calls) -> None:
    while True:
        calls.get()()
        _idle_threads.append(calls)


class BoundedCall(Generic[T]):
    """*call* in a thread of its own, so that waiting for its result can be given up.

    A time-out of the library is not enough: the C library looks names up for as long as its resolver is set to, and a
    server that answers a byte now and then outlasts a time-out that begins anew with each of them.

    Args:
        call: what is called.
        late: takes a result that comes after it was given up.

    Attributes:
        began: when it was called, on the monotonic clock.
        hangs: whether it was given up and has not ended yet.

    Raises:
        RuntimeError: no thread can be started.
    """

    def __init__(self, call: Callable[[], T], late: Callable[[T], None]) -> None:
        self.began = time.monotonic()
        self._call = call
        self._late = late
        # Set by either thread under the lock: whether the call has ended, and whether nobody waits for it any more.
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._given_up = False
        # What came of it: one result, or an error.
        self._result: list[T] = []
        self._error: BaseException | None = None
        in_a_thread(self._run)

    @property
    def hangs(self) -> bool:
        return self._given_up and not self._ended.is_set()

    def result(self, seconds: float) -> T:
        """What the call returns.

        Raises:
            TimeoutError: nothing within so many *seconds*; the call is given up.
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
        seconds: how long they may be in use, from the beginning of the block.
        passed: whether that time is over.
        waited: seconds since the beginning.
        left: seconds that are left.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._began = time.monotonic()
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        in_a_thread(self._wait)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    @property
    def left(self) -> float:
        return max(0.0, self.seconds - self.waited)

    @property
    def waited(self) -> float:
        return time.monotonic() - self._began

    def guard(self, descriptor: int) -> None:
        """Cut off the socket *descriptor* when the time is over."""
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


class HungCalls:
    """The attempts to connect that were given up and have not ended: no other is made to the same host meanwhile."""

    def __init__(self) -> None:
        self._attempts: list[tuple[SqlMap, SqlHost | None, BoundedCall[Any]]] = []

    def add(self, sql_map: SqlMap, host: SqlHost | None, attempt: BoundedCall[Any]) -> None:
        """Remember *attempt*."""
        self._attempts.append((sql_map, host, attempt))

    def at(self, sql_map: SqlMap, host: SqlHost | None) -> BoundedCall[Any] | None:
        """The one with the account of *sql_map* to *host*; `None` where there is none."""
        self._attempts = [each for each in self._attempts if each[2].hangs]
        return next((each[2] for each in self._attempts if each[:2] == (sql_map, host)), None)


class HostConnection:
    """One connection with the account of *sql_map*, to the first of *hosts* that will do, before the *deadline*.

    Each host has its share of the time that is left, so that one which swallows everything leaves some to the next.

    Attributes:
        host: the one that was tried last, which is the one of the connection; `None` for a file.
    """

    def __init__(
        self,
        sql_map: SqlMap,
        hosts: Sequence[SqlHost],
        deadline: Deadline,
        remedies: Remedies,
        hung_calls: HungCalls,
        *,
        writing: bool,
    ) -> None:
        self._map = sql_map
        self._hosts: Sequence[SqlHost | None] = hosts or [None]
        self._deadline = deadline
        self._remedies = remedies
        self._hung_calls = hung_calls
        # With one host only, its own refusal to write says more.
        self._must_be_writable = writing and len(hosts) > 1
        self.host: SqlHost | None = None

    def connect(self, driver: Driver) -> Any:
        """A connection of the library.

        Raises:
            DatabaseError: there is none to be had.
        """
        reasons: list[str] = []
        for number, host in enumerate(self._hosts):
            self.host = self._remedies.host = host
            hung = self._hung_calls.at(self._map, host)
            began = hung.began if hung is not None else time.monotonic()
            try:
                if hung is not None:
                    raise TimeoutError("timed out")
                seconds = min(HOST_SECONDS, self._deadline.left / (len(self._hosts) - number))
                connection = self._connect(driver, host, seconds)
                read_only = self._why_read_only(driver, connection) if self._must_be_writable else None
            except ExpectedError:
                raise
            except Exception as error:  # noqa: BLE001 - the library's own, and what it lets through from below
                if len(self._hosts) == 1:
                    timed_out = isinstance(error, TimeoutError)
                    kind = Kind.TIMED_OUT if timed_out else driver.kind_of(error, connecting=True)
                    fields = self._remedies.fields(error, round(time.monotonic() - began, 1))
                    raise DatabaseError(kind, fields) from None
                reasons.append(f"{_name(host)}: {library_message(error, self._remedies.secrets)}")
            else:
                if read_only is None:
                    return connection
                reasons.append(f"{_name(host)}: {read_only}")
        raise DatabaseError(Kind.NOT_WRITABLE, {**self._remedies.fields(None, 0), "error": "; ".join(reasons)})

    def _connect(self, driver: Driver, host: SqlHost | None, seconds: float) -> Any:
        attempt: BoundedCall[Any] = BoundedCall(lambda: driver.connect(self._map, host, seconds), _close)
        try:
            connection = attempt.result(seconds)
        except TimeoutError:
            if attempt.hangs:
                self._hung_calls.add(self._map, host, attempt)
            raise
        if (descriptor := driver.descriptor(connection)) is not None:
            self._deadline.guard(descriptor)
        return connection

    def _why_read_only(self, driver: Driver, connection: Any) -> str | None:
        # Unless the connection is going to be used, it is closed.
        with contextlib.ExitStack() as stack:
            stack.callback(_close, connection)
            if (read_only := driver.read_only(connection)) is None:
                stack.pop_all()
        return read_only


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):
        connection.close()


def _name(host: SqlHost | None) -> str:
    return printable(host.text) if host is not None else ""
