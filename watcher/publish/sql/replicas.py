"""The other hosts that Postfix asks: whether they have what was written, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.errors import TroubleError
from schemas.sql_map import SqlHost, SqlMap
from schemas.status import Host
from schemas.text import printable
from watcher.publish.sql import sentences
from watcher.publish.sql.database import Database
from watcher.publish.sql.plain import text_of
from watcher.retry import Retry

MOST = 64
"""So many of the aliases that were changed last are asked for."""
GRACE_SECONDS = 5.0
"""A replica that is behind for no longer is nothing to act on."""
ASK_SECONDS = 2.0
"""How long a replica may take to answer."""
_PORTS = {"pgsql": 5432, "mysql": 3306, "sqlite": 0}


@dataclass
class _Followed:
    """One of them: how long it has been behind, and why it could not be asked."""

    host: SqlHost
    seconds: float | None = None
    trouble: str | None = None
    caught_up: bool = False


class Replicas:
    """Asks the hosts of the map of *database* that are not the one that was written to.

    Attributes:
        due: the moment when those that are behind are asked again.
    """

    def __init__(self, database: Database, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._path = path
        self._clock = clock
        self._retry = Retry(first=0.25, clock=clock)
        self._changed_at = clock()
        self._expected: dict[str, str | None] = {}
        self._followed: list[_Followed] = []
        self._map: SqlMap | None = None

    @property
    def due(self) -> float | None:
        """The moment, on the monotonic clock, when those that are behind are asked again."""
        return self._retry.due

    @property
    def in_line(self) -> bool:
        """Whether every host that could be asked has the latest change."""
        return all(each.caught_up for each in self._followed)

    @property
    def hosts(self) -> list[Host]:
        """Each of them, for the status."""
        return [
            Host(each.host.text, None if each.seconds is None else round(each.seconds, 3), each.trouble)
            for each in self._followed
        ]

    @property
    def problems(self) -> dict[str, str]:
        """What a person should act on, by code."""
        told: dict[str, str] = {}
        for each in self._followed:
            if each.trouble is not None:
                told["replica-unreachable"] = sentences.UNREACHABLE.format(
                    host=each.host.text, path=printable(self._path), error=each.trouble
                )
            elif not each.caught_up and (each.seconds or 0) > GRACE_SECONDS:
                told["replica-behind"] = sentences.BEHIND.format(
                    host=each.host.text, path=printable(self._path), seconds=each.seconds
                )
        return told

    def changed(self, expected: Mapping[str, str | None], sql_map: SqlMap, written: SqlHost | None) -> None:
        """Something was written to the host *written*: have the others asked for *expected*.

        Args:
            expected: alias -> destination, or `None` where the row has gone.
            sql_map: what Postfix reads.
            written: the host.
        """
        self._map = sql_map
        others = [host for host in sql_map.hosts if written and _place(host, sql_map) != _place(written, sql_map)]
        if not others:
            self._followed = []
            return
        self._changed_at = self._clock()
        self._expected = dict(list({**self._expected, **expected}.items())[-MOST:])
        self._followed = [_Followed(host) for host in others]
        self._retry.worked()
        self.ask()

    def ask(self) -> None:
        """Ask those that are not known to have the latest change."""
        for each in self._followed:
            if not each.caught_up:
                self._ask(each)
        if self.in_line:
            self._retry.worked()
        else:
            self._retry.failed()

    def ask_if_due(self) -> None:
        """Likewise, when it is time for that."""
        if self._retry.due is not None and self._clock() >= self._retry.due:
            self.ask()

    def _ask(self, each: _Followed) -> None:
        try:
            with self._database.session(ASK_SECONDS, writing=False, by=self._map, at=each.host) as session:
                rows = session.connection.execute(session.tables.answers(list(self._expected))).all()
        except TroubleError as error:
            each.trouble, each.seconds = str(error), None
            return
        found: dict[str, set[str | None]] = {}
        for address, goto in rows:
            found.setdefault((text_of(address) or "").lower().rstrip(), set()).add(text_of(goto))
        each.trouble = None
        each.caught_up = all(
            goto in found.get(alias, ()) if goto is not None else alias not in found
            for alias, goto in self._expected.items()
        )
        # 0 says that it has it: whoever reads that must not be told so of one that has been behind for a moment.
        each.seconds = 0.0 if each.caught_up else max(0.001, self._clock() - self._changed_at)


def _place(host: SqlHost, sql_map: SqlMap) -> object:
    return (host.uri, host.socket, (host.name or "").lower(), host.port or _PORTS[sql_map.kind])
