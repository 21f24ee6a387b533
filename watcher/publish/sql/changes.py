"""Row changes: the smallest set that brings the rows into line (pure), and applying it in a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from schemas.status import Conflict
from schemas.text import printable
from watcher.publish.plan import Plan
from watcher.publish.sql.engines import Driver
from watcher.publish.sql.table_state import AliasRows, TableState, same
from watcher.publish.sql.tables import COLUMNS, Row, Tables, is_text

AT_ONCE = 200
"""How many rows one statement changes or deletes."""
FEW = 16
"""Up to so many rows are inserted one by one."""

Item = TypeVar("Item")


class ConcurrentChangeError(Exception):
    """A row was not any more what it was when it was read."""


@dataclass
class RowChanges:
    """What is to be written, in the order of the aliases.

    Attributes:
        inserts: alias -> destination, of new rows.
        updates: present row -> the destination that it should have.
        updates_with_constants: likewise, of rows that get the constants besides.
        deletes: present rows that go, and how many alike there are of each.
        lists: alias -> destination, for the table that lists ours.
        relisted: those of `lists` that it has with another destination.
        unlists: aliases that go from that table.
        conflicts: alias -> whose rows hold it, of the aliases that are left to somebody else.
        shared: aliases that the registry lacks, and that somebody else's rows answer for.
        added: alias -> destination, of the aliases that were not answered by rows of ours.
        changed: alias -> destination before and after.
        removed: alias -> destination before.
        completed: aliases whose rows get the constants.
        empty: whether nothing is to be written.
        keys: the aliases that answer otherwise afterwards.
    """

    inserts: dict[str, str] = field(default_factory=dict)
    updates: dict[Row, str] = field(default_factory=dict)
    updates_with_constants: dict[Row, str] = field(default_factory=dict)
    deletes: Counter[Row] = field(default_factory=Counter)
    lists: dict[str, str] = field(default_factory=dict)
    relisted: set[str] = field(default_factory=set)
    unlists: list[str] = field(default_factory=list)
    conflicts: dict[str, Conflict] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    added: dict[str, str] = field(default_factory=dict)
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (
            self.inserts or self.updates or self.updates_with_constants or self.deletes or self.lists or self.unlists
        )

    def plan(self, published: int) -> Plan:
        """The changes of aliases, for the guard and the journal, where so many rows are *published*."""
        return Plan(published, self.added, self.changed, self.removed)

    @property
    def keys(self) -> list[str]:
        return [*self.added, *self.changed, *self.removed, *self.completed]


def changes_for(
    state: TableState, wanted: Mapping[str, str], keys: Iterable[str] | None, *, ownership: bool
) -> RowChanges:
    """What is to be written so that *state* becomes *wanted*.

    Args:
        state: what the database holds.
        wanted: what the registry has.
        keys: the aliases that were looked at; `None`: all.
        ownership: whether a table of ours lists the rows.
    """
    changes = RowChanges()
    if keys is None:
        if state.single == wanted and not state.special and (not ownership or state.listed == wanted):
            return changes
        keys = sorted(
            {
                alias
                for alias, goto in wanted.items()
                if state.single.get(alias) != goto or (ownership and state.listed.get(alias) != goto)
            }
            | (state.single.keys() - wanted.keys())
            | state.special.keys()
            | (state.listed.keys() - wanted.keys())
        )
    for alias in keys:
        goto = wanted.get(alias)
        rows = state.special.get(alias)
        if rows is None:
            present = state.single.get(alias)
            rows = AliasRows([] if present is None else [(alias, present)], [])
        _add_changes(changes, alias, goto, rows, state.listed.get(alias), ownership=ownership)
    return changes


def _add_changes(
    changes: RowChanges, alias: str, goto: str | None, rows: AliasRows, listed: str | None, *, ownership: bool
) -> None:
    if rows.others and (goto is not None or rows.doubled):
        changes.conflicts[alias] = Conflict(
            alias, goto or "", [printable(destination or "", 1000) for _, destination in rows.others]
        )
    if rows.doubled:
        return
    if goto is None:
        _remove(changes, alias, rows, listed)
        return
    if rows.own:
        _keep_one_row(changes, alias, goto, rows)
    elif not rows.others:
        changes.inserts[alias] = changes.added[alias] = goto
    else:
        if listed is not None:
            # The row that was ours is gone, and others have come in its place.
            changes.unlists.append(alias)
        return
    if ownership and listed != goto:
        changes.lists[alias] = goto
        if listed is not None:
            changes.relisted.add(alias)


def _remove(changes: RowChanges, alias: str, rows: AliasRows, listed: str | None) -> None:
    if rows.others:
        changes.shared.add(alias)
    for row in rows.own:
        changes.deletes[row] += 1
        changes.removed[alias] = row[1] or ""
    if listed is not None:
        changes.unlists.append(alias)


def _keep_one_row(changes: RowChanges, alias: str, goto: str, rows: AliasRows) -> None:
    own = rows.own
    kept = next((row for row in own if row[1] == goto), own[0])
    rest = Counter(own)
    alike = sum(same(row[1], kept[1]) for row in own) > 1
    if alike or (len(own) > 1 and any(not is_text(destination or "") for _, destination in own)):
        # Of rows that no condition tells apart none can be spared: all go, and one comes anew.
        changes.inserts[alias] = goto
    else:
        del rest[kept]
        if kept in rows.incomplete:
            changes.updates_with_constants[kept] = goto
            changes.completed.append(alias)
        elif kept[1] != goto:
            changes.updates[kept] = goto
    changes.deletes.update(rest)
    if kept[1] != goto or rest:
        changes.changed[alias] = (kept[1] or "", goto)


def apply(connection: sa.Connection, driver: Driver, tables: Tables, changes: RowChanges) -> None:
    """Write *changes*.

    The list of our rows is written first. Where the table has no transactions, a failure rolls back the list alone, and
    a new row that stays counts as somebody else's from then on: better than a list that claims somebody else's row.

    Raises:
        ConcurrentChangeError: somebody else changed one of the rows meanwhile; the transaction is to be rolled back.
    """
    _add_to_list(connection, driver, tables, changes)
    for deletes in _chunks(list(changes.deletes.items())):
        result = connection.execute(tables.delete([row for row, _ in deletes]))
        _expect(result, sum(count for _, count in deletes))
    for rows, constants in ((changes.updates, False), (changes.updates_with_constants, True)):
        for updates in _chunks(list(rows.items())):
            _expect(connection.execute(tables.update(dict(updates), constants=constants)), len(updates))
    target = tables.target
    columns = (target.address_column, target.goto_column)
    _insert(connection, driver, tables.insertion, changes.inserts, columns, tables.constants)
    if tables.ownership is not None:
        for aliases in _chunks(changes.unlists):
            connection.execute(tables.ownership.unlist(aliases))


def _add_to_list(connection: sa.Connection, driver: Driver, tables: Tables, changes: RowChanges) -> None:
    ownership = tables.ownership
    if ownership is None:
        return
    for aliases in _chunks(sorted(changes.relisted)):
        connection.execute(ownership.unlist(aliases))
    _insert(connection, driver, ownership.insertion, changes.lists, COLUMNS, ownership.constants)


def _insert(
    connection: sa.Connection,
    driver: Driver,
    statement: sa.Insert,
    rows: Mapping[str, str],
    columns: Sequence[str],
    constants: Mapping[str, Any],
) -> None:
    if len(rows) > FEW:
        driver.insert_many(connection, statement.table, rows, columns, constants)
        return
    for alias, goto in rows.items():
        connection.execute(statement, {"a": alias, "g": goto})


def _expect(result: sa.CursorResult[Any], count: int) -> None:
    if result.rowcount != count:
        raise ConcurrentChangeError


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), AT_ONCE):
        yield items[begin : begin + AT_ONCE]
