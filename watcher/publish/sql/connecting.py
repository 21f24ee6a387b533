"""Finding the host that will do, and connecting to it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from schemas.errors import ExpectedError
from schemas.sql_map import SqlHost, SqlMap
from schemas.text import printable
from watcher.publish.sql.attempt import BoundedCall
from watcher.publish.sql.deadline import Deadline
from watcher.publish.sql.drivers import CONNECT_SECONDS, Driver
from watcher.publish.sql.help import Remedies
from watcher.publish.sql.troubles import DatabaseError, Kind, library_message

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
