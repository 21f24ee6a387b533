"""The other hosts that Postfix asks: whether they have what was written, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from schemas.errors import ExpectedError
from schemas.status import Host
from schemas.text import N_, printable
from watcher.publish.sql.database import Database
from watcher.publish.sql.map_file import SqlHost, SqlMap
from watcher.publish.sql.tables import text_of
from watcher.timers import Retry

MOST = 64
"""So many of the aliases that were changed last are asked for."""
GRACE_SECONDS = 5.0
"""A replica that is behind for no longer is nothing to act on."""
ASK_SECONDS = 2.0
"""How long a replica may take to answer."""
ROUND_SECONDS = 5.0
"""How long a pass asks them: those for whom no time is left come first in the next round."""
LONGEST_SECONDS = 4.0
"""One that answers, and is behind, is asked again no later than that."""
_PORTS = {"pgsql": 5432, "mysql": 3306, "sqlite": 0}


@dataclass
class _Followed:
    """One of them: how long it has been behind, and why it could not be asked."""

    host: SqlHost
    seconds: float | None = None
    trouble: str | None = None
    caught_up: bool = False
    asked_at: float = 0.0


class Replicas:
    """Asks the hosts of the map of *database* that are not the one that was written to.

    Attributes:
        due: the moment when those that are behind are asked again.
    """

    def __init__(self, database: Database, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._path = path
        self._clock = clock
        self._behind = Retry(first=0.25, longest=LONGEST_SECONDS, clock=clock)
        self._away = Retry(clock=clock)
        self._expected: dict[str, tuple[str | None, float]] = {}
        self._followed: list[_Followed] = []
        self._map: SqlMap | None = None

    @property
    def due(self) -> float | None:
        """The moment, on the monotonic clock, when those that are behind are asked again."""
        return min((each.due for each in (self._behind, self._away) if each.due is not None), default=None)

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
        fields: dict[str, str] = {}
        for each in self._followed:
            if each.trouble is not None:
                fields["replica-unreachable"] = N_(
                    "The database host {host}, which Postfix asks by {path}, cannot be asked, so "
                    "whether it has the latest change is not known. {error}"
                ).format(host=each.host.text, path=printable(self._path), error=each.trouble)
            elif not each.caught_up and (each.seconds or 0) > GRACE_SECONDS:
                fields["replica-behind"] = N_(
                    "The database host {host}, which Postfix asks by {path}, still answers as "
                    "before a change of {seconds:.0f} seconds ago. See whether its replication "
                    "runs; it is asked again by itself."
                ).format(host=each.host.text, path=printable(self._path), seconds=each.seconds)
        return fields

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
        moment = self._clock()
        newest = {alias: (goto, moment) for alias, goto in expected.items()}
        earlier = {alias: each for alias, each in self._expected.items() if alias not in newest}
        self._expected = dict(list({**earlier, **newest}.items())[-MOST:])
        before = {each.host: each for each in self._followed}
        self._followed = [before.get(host) or _Followed(host) for host in others]
        for each in self._followed:
            each.caught_up = False
        self._behind.worked()
        # One that nobody reached a moment ago must not hold up every change.
        self._ask_all([each for each in self._followed if each.trouble is None or self._away.is_due])

    def forget(self, aliases: Container[str]) -> None:
        """Expect nothing of *aliases* any more."""
        self._expected = {alias: each for alias, each in self._expected.items() if alias not in aliases}

    def ask(self, *, all_of_them: bool) -> None:
        """Ask those that are not known to have the latest change: those whose time has come, or *all_of_them*."""
        behind, away = (all_of_them or each.is_due for each in (self._behind, self._away))
        if behind or away:
            followed = [each for each in self._followed if not each.caught_up]
            self._ask_all([each for each in followed if (away if each.trouble is not None else behind)])

    def _ask_all(self, followed: list[_Followed]) -> None:
        until = self._clock() + ROUND_SECONDS
        for each in sorted(followed, key=lambda each: each.asked_at):
            if (moment := self._clock()) >= until:
                break
            each.asked_at = moment
            self._ask(each, min(ASK_SECONDS, until - moment))
        away = any(each.trouble is not None for each in self._followed)
        behind = any(each.trouble is None and not each.caught_up for each in self._followed)
        for retry, failed in ((self._behind, behind), (self._away, away)):
            (retry.failed if failed else retry.worked)()

    def _ask(self, each: _Followed, seconds: float) -> None:
        try:
            with self._database.session(seconds, writing=False, by=self._map, at=each.host) as session:
                rows = session.connection.execute(session.tables.answers(list(self._expected))).all()
        except ExpectedError as error:
            each.trouble, each.seconds = str(error), None
            return
        found: dict[str, set[str | None]] = {}
        for address, goto in rows:
            found.setdefault((text_of(address) or "").lower().rstrip(), set()).add(text_of(goto))
        each.trouble = None
        lacking = [
            moment
            for alias, (goto, moment) in self._expected.items()
            if (goto not in found.get(alias, ()) if goto is not None else alias in found)
        ]
        each.caught_up = not lacking
        # 0 says that it has it: whoever reads that must not be told so of one that has been behind for a moment.
        each.seconds = max(0.001, self._clock() - min(lacking)) if lacking else 0.0


def _place(host: SqlHost, sql_map: SqlMap) -> object:
    return (host.uri, host.socket, (host.name or "").lower(), host.port or _PORTS[sql_map.kind])
