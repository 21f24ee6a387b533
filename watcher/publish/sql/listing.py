"""The table that lists the rows of ours, where no column of their own table marks them.

It stands in the same schema, so that one transaction keeps both in line, and serves every table there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from schemas.sql_map import Target
from watcher.publish.sql.drivers import Driver
from watcher.publish.sql.plain import UNTYPED, among, table_of, untyped

TABLE_NAME = "runv_email_alias_rows"
COLUMNS = ("address", "destination")
_WIDTH = 255
"""Of a column for addresses, which have 254 bytes at most."""


class OwnershipTable:
    """The list of the rows of *target*.

    Attributes:
        table: the table.
        name: how messages call it.
        constants: what each of its rows has besides.
    """

    def __init__(self, target: Target, driver: Driver) -> None:
        self._driver = driver
        self.schema = target.schema
        self.table = table_of(TABLE_NAME, ("table_name", *COLUMNS), target.schema)
        self.name = f"{target.schema}.{TABLE_NAME}" if target.schema else TABLE_NAME
        self.constants = {"table_name": target.table}

    @cached_property
    def insertion(self) -> sa.Insert:
        """A statement for one new row, as `Tables.insertion`."""
        return insertion(self.table, COLUMNS, self.constants)

    def listed(self, addresses: Iterable[str] | None, domain: str) -> sa.Select[Any]:
        """What it says of *addresses*, or of the whole *domain*."""
        address = self.table.c.address
        return self._pairs().where(
            address.like(untyped(f"%@{domain}")) if addresses is None else among(address, addresses)
        )

    @cached_property
    def of_one(self) -> sa.Select[Any]:
        """What it says of the address that is given as `key`, as `Tables.of_one`."""
        return self._pairs().where(self.table.c.address == sa.bindparam("key", type_=UNTYPED))

    def unlist(self, addresses: Iterable[str]) -> sa.Delete:
        """A statement that takes *addresses* out of it."""
        return sa.delete(self.table).where(self._here(), among(self.table.c.address, addresses))

    def model(self) -> sa.Table:
        """The table as it is to be made."""
        return sa.Table(
            TABLE_NAME,
            sa.MetaData(),
            sa.Column("table_name", sa.String(64), primary_key=True),
            sa.Column("address", sa.String(_WIDTH), primary_key=True),
            sa.Column("destination", sa.String(_WIDTH), nullable=False),
            schema=self.schema,
            # Every letter counts there, whatever the database is used to.
            mysql_engine="InnoDB",
            mysql_charset="ascii",
            mysql_collate="ascii_bin",
        )

    def _pairs(self) -> sa.Select[Any]:
        columns = self.table.c
        pair = (self._driver.text(columns.address).label("a"), self._driver.text(columns.destination).label("g"))
        return sa.select(*pair).where(self._here())

    def _here(self) -> sa.ColumnElement[bool]:
        return self.table.c.table_name == untyped(self.constants["table_name"])


def insertion(table: sa.TableClause, columns: Sequence[str], constants: Mapping[str, Any]) -> sa.Insert:
    """A statement for one new row: `a` and `g` in its two *columns*, and *constants*."""
    address, goto = columns
    given: dict[str, Any] = {address: sa.bindparam("a", type_=UNTYPED), goto: sa.bindparam("g", type_=UNTYPED)}
    return sa.insert(table).values({**given, **{name: untyped(value) for name, value in constants.items()}})
