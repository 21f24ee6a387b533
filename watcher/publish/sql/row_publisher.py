"""Keeping our rows in line with the registry: read, compare, write, in one transaction; then ask who reads them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import compress
from operator import ne

from schemas.config import Config
from schemas.registry import Registry
from schemas.request import RequestRecord
from schemas.status import Conflict
from schemas.text import printable
from watcher.publish.commands import patience
from watcher.publish.plan import Plan, describe, make_plan, refuse_mass_change
from watcher.publish.sql.changes import ConcurrentChangeError, RowChanges, changes_for
from watcher.publish.sql.database import Database, Session
from watcher.publish.sql.errors import DatabaseError
from watcher.publish.sql.replicas import MOST, Replicas, Verification
from watcher.publish.sql.table_state import read_all_rows, read_rows

BY_KEY_SECONDS = 5.0
"""How long a publish of a few aliases may take, since requests wait for it."""
TRIES = 3
"""How often a publish is tried when others come in its way."""

log = logging.getLogger("runv.publish")


class RowPublisher:
    """Keeps the rows of one configuration.

    Attributes:
        known: whether the last publish was committed, so that the rows are as it left them unless somebody else came.
        table: how messages call the table.
        verification: whether Postfix's map answers what was written.
        replicas: the other hosts that Postfix asks.

    Raises:
        LibraryMissingError: the library that leads to the database is not installed.
    """

    def __init__(
        self,
        config: Config,
        approvals: Callable[[str], Iterable[RequestRecord]],
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._approvals = approvals
        self._database = Database.of(config)
        # Of the last publish: the rows of the registry and its version, where they were written, and what was left out.
        self._wanted: Mapping[str, str] | None = None
        self._version: object = None
        self._location: object = None
        self._conflicts: dict[str, Conflict] = {}
        # Whether rows of ours at other domains were looked for; once is enough.
        self._other_domains_checked = False
        self.known = False
        self.table = ""
        self.verification = Verification(config)
        self.replicas = Replicas(self._database, config.map_path, clock)

    @property
    def conflicts(self) -> list[Conflict]:
        """The aliases that are left out since somebody else's row holds them, in their order."""
        return [self._conflicts[alias] for alias in sorted(self._conflicts)]

    def follow_up(self, *, asked: bool) -> None:
        """Ask the replicas that are behind, if *asked* or it is time, and verify what had to wait for them."""
        was_in_line = self.replicas.in_line
        self.replicas.ask(all_of_them=asked)
        if self.replicas.in_line and not was_in_line:
            self.verification.ask({}, {})

    def differing(self, registry: Registry) -> list[str] | None:
        """The aliases in which *registry* differs from the last one; `None` where the rows are not known."""
        if not self.known or self._wanted is None:
            return None
        touched = registry.touched_since(self._version)
        return _differing(self._wanted, registry.rows(), touched)

    def by_key(self, registry: Registry, keys: list[str]) -> Plan | None:
        """Bring the aliases *keys* into line, in which *registry* differs from the last one.

        See `SqlPublisher.publish` for the rest. Where somebody else comes in between, all rows are looked at instead.
        """
        wanted, before = registry.rows(), self._wanted or {}
        refuse_mass_change(_plan_of(before, wanted, keys), registry, self._approvals)
        self.known = False
        try:
            seconds = min(BY_KEY_SECONDS, patience.left)
            with self._database.session(seconds, writing=True) as session:
                if _location_of(session) != self._location:
                    # The map leads elsewhere by now, where nobody has looked at anything.
                    raise ConcurrentChangeError
                state = read_rows(session.connection, session.driver, session.tables, registry.domain, keys)
                changes = changes_for(state, wanted, keys, ownership=session.tables.ownership is not None)
                session.apply(changes)
        except DatabaseError as error:
            if not error.kind.is_transient:
                raise
            return self.by_full_scan(registry, forced=False)
        for alias in keys:
            self._conflicts.pop(alias, None)
        self._version = registry.version
        self._committed(session, wanted, changes, {alias: wanted.get(alias) for alias in keys})
        return None if changes.empty else changes.plan(len(before))

    def by_full_scan(self, registry: Registry, *, forced: bool) -> Plan | None:
        """Look at all rows and bring those into line that are not; see `SqlPublisher.publish` for the rest."""
        self.known = False
        for attempt in range(1, TRIES + 1):
            try:
                return self._by_full_scan(registry, forced=forced)
            except DatabaseError as error:
                if attempt == TRIES or not error.kind.is_transient:
                    raise
        raise AssertionError

    def _by_full_scan(self, registry: Registry, *, forced: bool) -> Plan | None:
        wanted, domain = registry.rows(), registry.domain
        with self._database.session(patience.left, writing=True) as session:
            made_table = session.make_ownership()
            first = self._wanted is None or _location_of(session) != self._location
            if first:
                # A privilege that is missing is found when the watcher starts, not when the first alias is approved.
                for statement in session.tables.privilege_probe():
                    session.connection.execute(statement)
            state = read_all_rows(session.connection, session.driver, session.tables, domain, wanted)
            changes = changes_for(state, wanted, None, ownership=session.tables.ownership is not None)
            published = state.published()
            plan = changes.plan(len(published))
            if not forced:
                # Rows that somebody else changed are put back however many they are: the registry's changes count.
                plan_to_guard = plan if first else make_plan(self._wanted or {}, wanted)
                refuse_mass_change(plan_to_guard, registry, self._approvals)
            session.apply(changes)
            self._warn_of_other_domains(session, domain)
        if made_table is not None:
            log.info(f"Made the table {made_table}, which lists the rows of ours in {session.tables.name}.")
        drifted = [alias for alias in changes.keys if alias not in self._conflicts]
        if drifted and wanted is self._wanted:
            log.warning(
                f"Rows of ours in {session.tables.name} were changed by somebody else ({len(drifted)}); they are put "
                "right."
            )
        self._conflicts = {}
        changed: dict[str, str | None] = {alias: wanted.get(alias) for alias in changes.keys[-MOST:]}
        self._version = registry.version
        self._committed(session, wanted, changes, changed or (_sample(wanted) if first else {}))
        return None if changes.empty else plan

    def _warn_of_other_domains(self, session: Session, domain: str) -> None:
        if self._other_domains_checked or session.tables.ownership is not None:
            return
        count, first = session.connection.execute(session.tables.of_other_domains(domain)).one()
        self._other_domains_checked = True
        if count:
            log.warning(
                f"The table {session.tables.name} holds rows under our mark at other domains than {domain} ({count}), "
                f"such as {printable(str(first))}. They are left alone; remove them if nobody keeps them in line."
            )

    def _committed(
        self, session: Session, wanted: Mapping[str, str], changes: RowChanges, expected: Mapping[str, str | None]
    ) -> None:
        """The transaction is committed: remember what it wrote, and ask those who read it."""
        self.table, self._location = session.tables.name, _location_of(session)
        self._conflicts.update(changes.conflicts)
        self._wanted = wanted
        self.known = True
        if not changes.empty:
            aliases = len(wanted) - len(self._conflicts)
            log.info(describe(changes.plan(0), self._config.map_path, aliases))
        # Somebody else's rows answer for these as well.
        not_ours = self._conflicts.keys() | changes.shared
        expected = {alias: goto for alias, goto in expected.items() if alias not in not_ours}
        self.verification.forget(not_ours)
        self.replicas.forget(not_ours)
        if expected:
            self.replicas.changed(expected, session.read_map, session.host)
        # A host that is behind would answer as before, and Postfix asks any of them.
        self.verification.ask(expected if self.replicas.in_line else {}, changes.removed)


def _location_of(session: Session) -> object:
    """Equal as long as the map leads to the same rows."""
    read = session.read_map
    return session.tables.target, read.hosts, read.dbname, read.dbpath


def _differing(before: Mapping[str, str], after: Mapping[str, str], touched: Collection[str] | None) -> list[str]:
    if before is after:
        return []
    if touched is not None:
        return sorted(alias for alias in touched if before.get(alias) != after.get(alias))
    # There may be a hundred thousand: compared in loops of the interpreter's own, which are the fast ones.
    keys = list(compress(after, map(ne, after.values(), map(before.get, after))))
    if len(before) + sum(alias not in before for alias in keys) != len(after):
        keys += [alias for alias in before if alias not in after]
    return sorted(keys)


def _plan_of(before: Mapping[str, str], after: Mapping[str, str], keys: Iterable[str]) -> Plan:
    added, changed, removed = {}, {}, {}
    for alias in keys:
        old, new = before.get(alias), after.get(alias)
        if old is None and new is not None:
            added[alias] = new
        elif old is not None and new is not None:
            changed[alias] = (old, new)
        elif old is not None:
            removed[alias] = old
    return Plan(len(before), added, changed, removed)


def _sample(rows: Mapping[str, str]) -> dict[str, str | None]:
    every = max(1, len(rows) // MOST)
    return {alias: rows[alias] for alias in list(rows)[::every][:MOST]}
