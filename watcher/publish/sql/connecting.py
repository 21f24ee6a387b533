"""Finding the host that will do, and connecting to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.errors import TroubleError
from schemas.sql_map import SqlHost, SqlMap
from schemas.text import printable
from watcher.publish.sql.deadline import Deadline
from watcher.publish.sql.drivers import CONNECT_SECONDS, Driver
from watcher.publish.sql.help import Advice
from watcher.publish.sql.troubles import DatabaseError, Trouble, said


class Opening:
    """One connection by *way*, to the first of *hosts* that will do, before the *deadline*.

    Attributes:
        host: the one that it came to; `None` for a file.
    """

    def __init__(
        self, way: SqlMap, hosts: Sequence[SqlHost], deadline: Deadline, advice: Advice, *, writing: bool
    ) -> None:
        self._way = way
        self._hosts: Sequence[SqlHost | None] = hosts or [None]
        self._deadline = deadline
        self._advice = advice
        self._choosy = writing and len(hosts) > 1
        self.host: SqlHost | None = None

    def connect(self, driver: Driver) -> Any:
        """A connection of the library.

        Raises:
            DatabaseError: there is none to be had.
        """
        why: list[str] = []
        for host in self._hosts:
            self.host = self._advice.host = host
            try:
                connection = self._connect(driver, host)
                reading = driver.read_only(connection) if self._choosy else None
            except TroubleError:
                raise
            except Exception as error:  # noqa: BLE001 - the library's own, and what it lets through from below
                if len(self._hosts) == 1:
                    trouble = driver.trouble_of(error, connecting=True)
                    raise DatabaseError(trouble, self._advice.told(error, CONNECT_SECONDS)) from None
                why.append(f"{_name(host)}: {said(error, self._advice.secrets)}")
            else:
                if reading is None:
                    return connection
                connection.close()
                why.append(f"{_name(host)}: {reading}")
        raise DatabaseError(Trouble.NOT_WRITABLE, {**self._advice.told(None, 0), "error": "; ".join(why)})

    def _connect(self, driver: Driver, host: SqlHost | None) -> Any:
        connection = driver.connect(self._way, host, self._deadline.seconds)
        if (descriptor := driver.descriptor(connection)) is not None:
            self._deadline.guard(descriptor)
        return connection


def _name(host: SqlHost | None) -> str:
    return printable(host.text) if host is not None else ""
