"""Writing what is to be written, within a transaction that somebody else opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from watcher.publish.sql.drivers import Driver
from watcher.publish.sql.listing import COLUMNS
from watcher.publish.sql.tables import Tables
from watcher.publish.sql.work import Work

AT_ONCE = 200
"""How many rows one statement changes or deletes."""
FEW = 16
"""Up to so many rows are written one by one."""

Item = TypeVar("Item")


class RestlessError(Exception):
    """A row was not any more what it was when it was looked at."""


def write(connection: sa.Connection, driver: Driver, tables: Tables, work: Work) -> None:
    """Write *work*.

    Should the table know no transactions, the list alone is rolled back. A new row that stays is somebody else's from
    then on: better that than a list that claims a row which somebody else got in first.

    Raises:
        RestlessError: somebody else changed one of the rows meanwhile; the transaction is to be rolled back.
    """
    _list(connection, driver, tables, work)
    for some in _chunks(list(work.deletes.items())):
        _expect(connection.execute(tables.delete([row for row, _ in some])), sum(count for _, count in some))
    for rows, stale in ((work.updates, False), (work.mends, True)):
        for changes in _chunks(list(rows.items())):
            _expect(connection.execute(tables.update(dict(changes), stale=stale)), len(changes))
    target = tables.target
    columns = (target.address_column, target.goto_column)
    _insert(connection, driver, tables.insertion, work.inserts, columns, tables.constants)
    if tables.listing is not None:
        for aliases in _chunks(work.unlists):
            connection.execute(tables.listing.unlist(aliases))


def _list(connection: sa.Connection, driver: Driver, tables: Tables, work: Work) -> None:
    listing = tables.listing
    if listing is None:
        return
    for some in _chunks(sorted(work.relisted)):
        connection.execute(listing.unlist(some))
    _insert(connection, driver, listing.insertion, work.lists, COLUMNS, listing.constants)


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
        raise RestlessError


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), AT_ONCE):
        yield items[begin : begin + AT_ONCE]
