"""The two tables and the statements for them, in SQLAlchemy's terms: the map's own, and the one that lists our rows.

Both are in one schema, so that one transaction keeps them in line; the list serves every table there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from schemas.sql_block import Value
from watcher.publish.sql.engines import Driver
from watcher.publish.sql.map_file import SqlType
from watcher.publish.sql.target import Target

TABLE_NAME = "runv_email_alias_rows"
"""The name of the table that lists our rows."""
COLUMNS = ("address", "destination")
"""Its columns for them."""
ADDRESS_WIDTH = 255
"""Of a column for addresses, which have 254 bytes at most."""

OTHERS, OURS, INCOMPLETE = 0, 1, 2
"""What a row is: somebody else's; ours, as far as its mark tells; ours, without what the constants give to new ones."""

Row = tuple[str, str | None]
"""A row that is there: its address and its destination."""


class Untyped(UserDefinedType[Any]):
    """Leaves it to the database what a value is: with a cast to text, citext would not be equal to itself."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The name that SQLAlchemy wants of every type; no statement of ours has it."""
        return "TEXT"


UNTYPED = Untyped()


def untyped(value: object) -> sa.BindParameter[Any]:
    """*value* as a parameter of no type."""
    return sa.bindparam(None, value, type_=UNTYPED, unique=True)


def table_of(name: str, columns: Iterable[str], schema: str | None) -> sa.TableClause:
    """The table *name* with *columns* of no type."""
    return sa.table(name, *(sa.column(each, UNTYPED) for each in columns), schema=schema)


def among(column: sa.ColumnElement[Any], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """Whether *column* is one of *values*."""
    return column.in_(sa.bindparam(None, list(values), type_=UNTYPED, unique=True, expanding=True))


def as_parameter(value: Value, kind: SqlType) -> Value:
    """*value* of the configuration as the database *kind* takes it, be its column a number, a truth or a text.

    A server takes `'1'` for each of them. sqlite compares by what was stored, and stores a number as the column wants.
    """
    if isinstance(value, bool):
        value = int(value)
    return value if kind == "sqlite" else str(value)


def text_of(value: object) -> str | None:
    """What was read, as a text in which every byte can be told."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "surrogateescape")
    return str(value)


def is_text(text: str) -> bool:
    """Whether every byte of what `text_of` gave was of a text."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


class OwnershipTable:
    """The table that lists our rows of *target*, where no column marks them.

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
            sa.Column("address", sa.String(ADDRESS_WIDTH), primary_key=True),
            sa.Column("destination", sa.String(ADDRESS_WIDTH), nullable=False),
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


class Tables:
    """The tables of *target* in a database of *kind*.

    Attributes:
        target: the rows that are kept in line.
        name: how messages call their table.
        rows: the table.
        ownership: the table that lists ours; `None` where a column marks them.
        address, goto: the columns of the addresses and the destinations.
    """

    def __init__(self, target: Target, kind: SqlType, driver: Driver) -> None:
        self.target = target
        self._kind = kind
        self._driver = driver
        names = [target.address_column, target.goto_column, *target.constants]
        if target.managed_column is not None:
            names.append(target.managed_column)
        self.rows = table_of(target.table, names, target.schema)
        self.ownership = OwnershipTable(target, driver) if target.managed_column is None else None
        self.address = self.rows.c[target.address_column]
        self.goto = self.rows.c[target.goto_column]

    @property
    def name(self) -> str:
        target = self.target
        return f"{target.schema}.{target.table}" if target.schema else target.table

    @property
    def constants(self) -> dict[str, Any]:
        """What a new row needs besides its two columns, the mark included."""
        target = self.target
        values = {name: as_parameter(value, self._kind) for name, value in target.constants.items()}
        if target.managed_column is not None and target.managed_value is not None:
            values[target.managed_column] = as_parameter(target.managed_value, self._kind)
        return values

    def marked(self) -> sa.ColumnElement[bool]:
        """Whether a row bears our mark; where none does, whether it is there."""
        target = self.target
        if target.managed_column is None or target.managed_value is None:
            return sa.true()
        column, value = self.rows.c[target.managed_column], as_parameter(target.managed_value, self._kind)
        marked = column == untyped(value)
        if self._kind == "mysql" and not _is_number(value):
            # To MariaDB every text that is no number equals 0 in a column of numbers.
            marked = sa.and_(marked, sa.cast(column, sa.CHAR()) == untyped(value))
        return marked

    @cached_property
    def _all_rows(self) -> sa.Select[Any]:
        """Address, destination and whose a row is: `OTHERS`, `OURS` or `INCOMPLETE`."""
        with_constants = [
            self.rows.c[name] == untyped(as_parameter(value, self._kind))
            for name, value in self.target.constants.items()
        ]
        ours, incomplete, others = (sa.literal_column(str(each), sa.Integer()) for each in (OURS, INCOMPLETE, OTHERS))
        mark: sa.ColumnElement[int] = (
            sa.case((sa.and_(*with_constants), ours), else_=incomplete) if with_constants else ours
        )
        if self.ownership is None:
            mark = sa.case((self.marked(), mark), else_=others)
        return sa.select(self._text(self.address, "a"), self._text(self.goto, "g"), mark.label("m"))

    def of_addresses(self, addresses: Iterable[str]) -> sa.Select[Any]:
        """The rows of *addresses*."""
        return self._all_rows.where(among(self.address, addresses))

    @cached_property
    def of_one(self) -> sa.Select[Any]:
        """The rows of the address that is given as `key`; made once, since making it takes longer than asking."""
        return self._all_rows.where(self.address == sa.bindparam("key", type_=UNTYPED))

    @cached_property
    def insertion(self) -> sa.Insert:
        """A statement for one new row, of the address that is given as `a` and the destination `g`."""
        return insertion(self.rows, (self.target.address_column, self.target.goto_column), self.constants)

    def answers(self, addresses: Iterable[str]) -> sa.Select[Any]:
        """Address and destination of the rows of *addresses*, whosever they are."""
        columns = (self._text(self.address, "a"), self._text(self.goto, "g"))
        return sa.select(*columns).where(among(self.address, addresses))

    def of_domain(self, domain: str) -> sa.Select[Any]:
        """The rows of *domain*, and maybe a few of others."""
        return self._all_rows.where(self._in_domain(domain))

    def of_other_domains(self, domain: str) -> sa.Select[Any]:
        """How many rows bear our mark and are not of *domain*, and the first of them."""
        first = self._driver.text(sa.func.min(self.address))
        return sa.select(sa.func.count(), first).where(self.marked(), sa.not_(self._in_domain(domain)))

    def equal_keys(self, addresses: Iterable[str], keys: Sequence[str]) -> sa.Select[Any]:
        """To which of *keys*, by its index, each of *addresses* is equal for the database."""
        equal = sa.case(*((self.address == untyped(key), sa.literal_column(str(n))) for n, key in enumerate(keys)))
        return sa.select(self._text(self.address, "a"), equal.label("k")).where(among(self.address, addresses))

    def delete(self, rows: Sequence[Row]) -> sa.Delete:
        """A statement that deletes *rows* of ours as they stand."""
        return sa.delete(self.rows).where(self._as_they_stand(rows), self.marked())

    def update(self, rows: Mapping[Row, str], *, constants: bool) -> sa.Update:
        """A statement that points *rows* of ours elsewhere, and with *constants* gives them those besides."""
        if len(rows) == 1:
            new: Any = untyped(next(iter(rows.values())))
        else:
            cases = ((self._as_they_stand([old]), untyped(goto)) for old, goto in rows.items())
            new = sa.case(*cases, else_=self.goto)
        change: dict[str, Any] = {self.target.goto_column: new}
        if constants:
            change.update(
                {name: untyped(as_parameter(value, self._kind)) for name, value in self.target.constants.items()}
            )
        return sa.update(self.rows).where(self._as_they_stand(list(rows)), self.marked()).values(change)

    def privilege_probe(self) -> Iterator[sa.UpdateBase]:
        """Statements that change nothing, and need every privilege that changes will need."""
        target = self.target
        tables = [(self.rows, (target.address_column, target.goto_column), self.constants)]
        if self.ownership is not None:
            tables.append((self.ownership.table, COLUMNS, self.ownership.constants))
        for table, (address, goto), constants in tables:
            values = {address: "", goto: "", **constants}
            nothing = sa.select(*map(untyped, values.values())).where(sa.false())
            yield sa.insert(table).from_select(list(values), nothing, include_defaults=False)
            yield sa.delete(table).where(table.c[address] == untyped(""), sa.false())
        yield (
            sa.update(self.rows).where(self.address == untyped(""), sa.false()).values({target.goto_column: self.goto})
        )

    def _in_domain(self, domain: str) -> sa.ColumnElement[bool]:
        # Blanks may follow that the database's own equality does not see.
        return sa.func.lower(self._driver.text(self.address)).like(untyped(f"%@{domain}%"))

    def _as_they_stand(self, rows: Sequence[Row]) -> sa.ColumnElement[bool]:
        full = [(address, goto) for address, goto in rows if goto is not None and is_text(goto)]
        # Bytes that are no text cannot be a parameter; such a row is named by its address alone.
        no_text = [address for address, goto in rows if goto is not None and not is_text(goto)]
        empty = [address for address, goto in rows if goto is None]
        conditions: list[sa.ColumnElement[bool]] = []
        if len(full) == 1:
            conditions.append(sa.and_(self.address == untyped(full[0][0]), self.goto == untyped(full[0][1])))
        elif full:
            pairs = sa.tuple_(self.address, self.goto, types=[UNTYPED, UNTYPED]).in_(full)
            # An index of the addresses alone is of no use for pairs, to some servers.
            conditions.append(sa.and_(among(self.address, [address for address, _ in full]), pairs))
        if no_text:
            conditions.append(among(self.address, no_text))
        if empty:
            conditions.append(sa.and_(among(self.address, empty), self.goto.is_(None)))
        return sa.or_(*conditions)

    def _text(self, column: sa.ColumnElement[Any], label: str) -> sa.ColumnElement[Any]:
        return self._driver.text(column).label(label)


def _is_number(value: object) -> bool:
    # Python's own idea of one is too wide: `nan` is 0 to MariaDB, as any other word.
    return re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?", str(value)) is not None
