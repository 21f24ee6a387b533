"""Reading a database for the commands: its rows of ours, and what its table is like. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedColumn

from schemas.config import Config
from schemas.sql_block import Database as SqlBlock
from schemas.status import Conflict
from watcher.publish.sql.changes import changes_for
from watcher.publish.sql.database import Database
from watcher.publish.sql.map_file import SqlMap
from watcher.publish.sql.table_state import read_all_rows
from watcher.publish.sql.tables import text_of
from watcher.publish.sql.target import Target

READ_SECONDS = 20.0
"""How long a look may take."""
_FEW_ROWS = 5


@dataclass(frozen=True)
class PublishedRows:
    """What is published.

    Attributes:
        rows: alias -> destination, of the rows that are ours.
        conflicts: the aliases that somebody else's row holds.
        engine: the table's engine, where it is one without transactions.
    """

    rows: Mapping[str, str]
    conflicts: Sequence[Conflict] = ()
    engine: str | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table, as the database describes it.

    Attributes:
        name: of the column.
        kind: its type, as the database spells it.
        nullable: whether it may be empty.
        default: what it gets without a value, as the database spells it, or says that it makes one; `None`: nothing.
        refers_to: `table.column`, where it is a foreign key.
    """

    name: str
    kind: str
    nullable: bool
    default: str | None = None
    refers_to: str | None = None


@dataclass(frozen=True)
class TableView:
    """A look at a table.

    Attributes:
        columns: its columns.
        rows: a few of its rows, in the order of the columns.
        count: how many it has.
        engine: its engine, where it is one without transactions.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | None]]
    count: int
    engine: str | None = None


def read_published(config: Config, wanted: Mapping[str, str], domain: str | None = None) -> PublishedRows:
    """Read what is published.

    Args:
        config: says where.
        wanted: what the registry would have there, for telling whose rows are in the way of it.
        domain: of the aliases; else that of *wanted*, else the configuration's.

    Raises:
        DatabaseError, SqlMapError, LibraryMissingError: it cannot be read.
    """
    domain = domain or next((alias.rpartition("@")[2] for alias in wanted), config.domain)
    with Database.of(config).session(READ_SECONDS, writing=False) as session:
        has_list = session.has_ownership()
        state = read_all_rows(session.connection, session.driver, session.tables, domain, wanted, has_list=has_list)
        changes = changes_for(state, wanted, None, ownership=session.tables.ownership is not None)
        engine = session.driver.engine_of(session.connection, session.tables.rows)
    conflicts = [changes.conflicts[alias] for alias in sorted(changes.conflicts)]
    return PublishedRows(state.published(), conflicts, engine)


def describe(sql_map: SqlMap, target: Target) -> TableView:
    """Describe the table of *target* in the database of *sql_map*.

    Raises:
        DatabaseError, SqlMapError, LibraryMissingError: it cannot be looked at.
    """
    table = f"{target.schema}.{target.table}" if target.schema else target.table
    sql = SqlBlock(
        map_file=sql_map.path, table=table, address_column=target.address_column, goto_column=target.goto_column
    )
    with Database(sql_map.kind, sql).session(READ_SECONDS, writing=False, by=sql_map) as session:
        inspector = sa.inspect(session.connection)
        referred = {
            key["constrained_columns"][0]: f"{key['referred_table']}.{key['referred_columns'][0]}"
            for key in inspector.get_foreign_keys(target.table, schema=target.schema)
            if len(key["constrained_columns"]) == 1 and key["referred_columns"]
        }
        columns = [
            Column(
                name=each["name"],
                kind=str(each["type"].compile(dialect=session.connection.dialect)),
                nullable=each["nullable"],
                default=_default(each),
                refers_to=referred.get(each["name"]),
            )
            for each in inspector.get_columns(target.table, schema=target.schema)
        ]
        named = sa.table(target.table, *(sa.column(each.name) for each in columns), schema=target.schema)
        found = session.connection.execute(sa.select(*map(session.driver.text, named.c)).limit(_FEW_ROWS)).all()
        count = session.connection.execute(sa.select(sa.func.count()).select_from(named)).scalar_one()
        engine = session.driver.engine_of(session.connection, named)
    return TableView(columns, [[text_of(value) for value in row] for row in found], count, engine)


def _default(column: ReflectedColumn) -> str | None:
    if (computed := column.get("computed")) is not None:
        return computed["sqltext"]
    if column.get("identity") is not None or column.get("autoincrement") is True:
        return "generated"
    # sqlite numbers the rows of a table whose key is one whole number, whatever else is said of it.
    if column.get("primary_key") and str(column["type"]).upper() == "INTEGER":
        return "generated"
    default = column.get("default")
    return None if default is None else str(default)
