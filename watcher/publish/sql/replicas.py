"""What Postfix is answered after a write: by the map, asked with postmap(1), and by the other hosts of the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from schemas.config import Config
from schemas.errors import ExpectedError
from schemas.status import Host
from schemas.text import N_, printable
from watcher.publish.commands import CommandError
from watcher.publish.postmap import Postmap, is_plain_postmap
from watcher.publish.sql.database import Database
from watcher.publish.sql.map_file import SqlHost, SqlMap
from watcher.publish.sql.tables import text_of
from watcher.timers import Retry

MOST = 64
"""So many of the aliases that were changed last are asked for, of the map and of each host."""
GRACE_SECONDS = 5.0
"""A replica that is behind for no longer is nothing to act on."""
ASK_SECONDS = 2.0
"""How long a replica may take to answer."""
ROUND_SECONDS = 5.0
"""How long a pass asks the replicas; those for which no time is left come first in the next pass."""
LONGEST_SECONDS = 4.0
"""A replica that answers, and is behind, is asked again no later than that."""
_PORTS = {"pgsql": 5432, "mysql": 3306, "sqlite": 0}


@dataclass
class _Replica:
    """A host that was not written to.

    Attributes:
        host: where it is.
        seconds: how long it has been behind, and 0 where it has all; `None`: not known.
        trouble: why it could not be asked, in words; `None` where it answered.
        caught_up: whether it has the latest change.
        asked_at: when it was last asked, on the monotonic clock.
    """

    host: SqlHost
    seconds: float | None = None
    trouble: str | None = None
    caught_up: bool = False
    asked_at: float = 0.0


class Replicas:
    """The hosts of the map of *database* that are not the one that was written to; *path* is the map's file.

    Attributes:
        hosts: each of them, for the status.
    """

    def __init__(self, database: Database, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._path = path
        self._clock = clock
        # When those that answer and lack the latest change are asked again, and when those that did not answer.
        self._behind = Retry(first=0.25, longest=LONGEST_SECONDS, clock=clock)
        self._away = Retry(clock=clock)
        # alias -> the destination that they should have (`None`: no row), and when that was written.
        self._expected: dict[str, tuple[str | None, float]] = {}
        self._replicas: list[_Replica] = []
        self._map: SqlMap | None = None

    @property
    def due(self) -> float | None:
        """When some of them are to be asked again, on the monotonic clock."""
        return min((each.due for each in (self._behind, self._away) if each.due is not None), default=None)

    @property
    def in_line(self) -> bool:
        """Whether every host that could be asked has the latest change."""
        return all(each.caught_up for each in self._replicas)

    @property
    def hosts(self) -> list[Host]:
        return [
            Host(each.host.text, None if each.seconds is None else round(each.seconds, 3), each.trouble)
            for each in self._replicas
        ]

    @property
    def problems(self) -> dict[str, str]:
        """What a person should act on, by problem code."""
        found: dict[str, str] = {}
        for each in self._replicas:
            if each.trouble is not None:
                found["replica-unreachable"] = N_(
                    "The database host {host}, which Postfix asks by {path}, cannot be asked, so whether it has the "
                    "latest change is not known. {error}"
                ).format(host=each.host.text, path=printable(self._path), error=each.trouble)
            elif not each.caught_up and (each.seconds or 0) > GRACE_SECONDS:
                found["replica-behind"] = N_(
                    "The database host {host}, which Postfix asks by {path}, still answers as before a change of "
                    "{seconds:.0f} seconds ago. See whether its replication runs; it is asked again by itself."
                ).format(host=each.host.text, path=printable(self._path), seconds=each.seconds)
        return found

    def changed(self, expected: Mapping[str, str | None], sql_map: SqlMap, written: SqlHost | None) -> None:
        """Something was written to the host *written*: have the others asked for *expected*.

        Args:
            expected: alias -> destination, or `None` where the row has gone.
            sql_map: what Postfix reads.
            written: the host.
        """
        self._map = sql_map
        others = [host for host in sql_map.hosts if written and _address(host, sql_map) != _address(written, sql_map)]
        if not others:
            self._replicas = []
            return
        now = self._clock()
        newest = {alias: (goto, now) for alias, goto in expected.items()}
        earlier = {alias: each for alias, each in self._expected.items() if alias not in newest}
        self._expected = dict(list({**earlier, **newest}.items())[-MOST:])
        before = {each.host: each for each in self._replicas}
        self._replicas = [before.get(host) or _Replica(host) for host in others]
        for each in self._replicas:
            each.caught_up = False
        self._behind.worked()
        # One that could not be reached just now must not hold up every change.
        self._ask_all([each for each in self._replicas if each.trouble is None or self._away.is_due])

    def forget(self, aliases: Container[str]) -> None:
        """Expect nothing of *aliases* any more."""
        self._expected = {alias: each for alias, each in self._expected.items() if alias not in aliases}

    def ask(self, *, all_of_them: bool) -> None:
        """Ask those that are not known to have the latest change: those whose time has come, or *all_of_them*."""
        behind, away = (all_of_them or each.is_due for each in (self._behind, self._away))
        if behind or away:
            lacking = [each for each in self._replicas if not each.caught_up]
            self._ask_all([each for each in lacking if (away if each.trouble is not None else behind)])

    def _ask_all(self, replicas: list[_Replica]) -> None:
        until = self._clock() + ROUND_SECONDS
        for each in sorted(replicas, key=lambda each: each.asked_at):
            if (now := self._clock()) >= until:
                break
            each.asked_at = now
            self._ask(each, min(ASK_SECONDS, until - now))
        away = any(each.trouble is not None for each in self._replicas)
        behind = any(each.trouble is None and not each.caught_up for each in self._replicas)
        for retry, failed in ((self._behind, behind), (self._away, away)):
            (retry.failed if failed else retry.worked)()

    def _ask(self, each: _Replica, seconds: float) -> None:
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
        lacking_since = [
            written_at
            for alias, (goto, written_at) in self._expected.items()
            if (goto not in found.get(alias, ()) if goto is not None else alias in found)
        ]
        each.caught_up = not lacking_since
        # Never 0 for one that is behind, however short: in the status 0 says that it has everything.
        each.seconds = max(0.001, self._clock() - min(lacking_since)) if lacking_since else 0.0


def _address(host: SqlHost, sql_map: SqlMap) -> object:
    """Equal for two spellings of one host."""
    return (host.uri, host.socket, (host.name or "").lower(), host.port or _PORTS[sql_map.kind])


class Verification:
    """Asks the map of *config* for what was written, as Postfix does: by postmap(1), with the map's account and query.

    Nothing is asked where the configuration does not want that.

    Attributes:
        trouble: what came of it last, in words; `None` where all is well.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        plain = is_plain_postmap(config.postmap_command, config.map_type, config.map_path)
        self._postmap = Postmap(config.postmap_command[0] if plain else "postmap", config.map_type)
        self._wanted = config.check_maps and config.run_postmap
        # alias -> the destination that was expected (`None`: no answer), where the last answer was another.
        self._wrong: dict[str, str | None] = {}
        # alias -> the destination that it had before its row was removed.
        self._removed: dict[str, str] = {}
        self.trouble: str | None = None

    def ask(self, expected: Mapping[str, str | None], removed: Mapping[str, str]) -> None:
        """Ask for the aliases of *expected*, and again for those that were answered wrongly before.

        Args:
            expected: alias -> destination, or `None` where it should not be found.
            removed: alias -> destination, of those that were found until now.
        """
        asked = dict(list({**self._wrong, **expected}.items())[-MOST:])
        removed = {**self._removed, **removed}
        self._removed = {alias: removed[alias] for alias in asked if alias in removed}
        if not self._wanted or not asked:
            self.trouble = None
            return
        try:
            found = self._postmap.ask(self._config.map_path, asked)
        except CommandError as error:
            self._wrong = asked
            self.trouble = N_(
                "The rows are in the table, but whether the map {map} finds them could not be found out. {error}"
            ).format(map=self._config.map_name, error=error)
            return
        self._wrong = {alias: goto for alias, goto in asked.items() if self._is_wrong(alias, goto, found.get(alias))}
        self.trouble = self._wrong_message(found) if self._wrong else None

    def forget(self, aliases: Container[str]) -> None:
        """Expect nothing of *aliases* any more."""
        self._wrong = {alias: goto for alias, goto in self._wrong.items() if alias not in aliases}

    def _is_wrong(self, alias: str, goto: str | None, found: str | None) -> bool:
        if goto is not None or found is None:
            return found != goto
        # Where the query has a catch-all, that answers for an alias whose row is gone.
        return self._removed.get(alias) in {None, *found.split(",")}

    def _wrong_message(self, found: Mapping[str, str]) -> str:
        alias, goto = next(iter(self._wrong.items()))
        others = len(self._wrong) - 1
        return N_(
            "The table is in line, but the map {map} answers {found} for {alias}, where {expected} was expected{more}. "
            "See whether `query` in {path} wants something that `constants` of the configuration does not give, "
            "whether `domain` leaves the address out, and whether all of its hosts have the same rows."
        ).format(
            map=self._config.map_name,
            path=self._config.map_path,
            alias=printable(alias),
            found=printable(found[alias]) if alias in found else N_("nothing"),
            expected=printable(goto) if goto is not None else N_("nothing"),
            more=N_(" (and likewise for {count} more)").format(count=others) if others else "",
        )
