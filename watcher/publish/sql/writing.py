"""Writing what is to be written, within a transaction that somebody else opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from watcher.publish.sql.drivers import Driver
from watcher.publish.sql.listing import COLUMNS
from watcher.publish.sql.tables import Tables
from watcher.publish.sql.work import RowChanges

AT_ONCE = 200
"""How many rows one statement changes or deletes."""
FEW = 16
"""Up to so many rows are written one by one."""

Item = TypeVar("Item")


class ConcurrentChangeError(Exception):
    """A row was not any more what it was when it was looked at."""


def apply(connection: sa.Connection, driver: Driver, tables: Tables, changes: RowChanges) -> None:
    """Write *work*.

    Should the table know no transactions, the list alone is rolled back. A new row that stays is somebody else's from
    then on: better that than a list that claims a row which somebody else got in first.

    Raises:
        ConcurrentChangeError: somebody else changed one of the rows meanwhile; the transaction is to be rolled back.
    """
    _list(connection, driver, tables, changes)
    for some in _chunks(list(changes.deletes.items())):
        _expect(connection.execute(tables.delete([row for row, _ in some])), sum(count for _, count in some))
    for rows, stale in ((changes.updates, False), (changes.mends, True)):
        for updates in _chunks(list(rows.items())):
            _expect(connection.execute(tables.update(dict(updates), stale=stale)), len(updates))
    target = tables.target
    columns = (target.address_column, target.goto_column)
    _insert(connection, driver, tables.insertion, changes.inserts, columns, tables.constants)
    if tables.ownership is not None:
        for aliases in _chunks(changes.unlists):
            connection.execute(tables.ownership.unlist(aliases))


def _list(connection: sa.Connection, driver: Driver, tables: Tables, changes: RowChanges) -> None:
    ownership = tables.ownership
    if ownership is None:
        return
    for some in _chunks(sorted(changes.relisted)):
        connection.execute(ownership.unlist(some))
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
