"""sqlite, by Python's own library."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from watcher.publish.sql.engines import CONNECT_SECONDS, RawRows
from watcher.publish.sql.errors import Kind
from watcher.publish.sql.map_file import SqlHost, SqlMap
from watcher.publish.sql.tables import untyped

# The names of sqlite's result codes, https://www.sqlite.org/rescode.html, by how they begin.
_NAMES = {
    "SQLITE_BUSY_SNAPSHOT": Kind.BUSY,
    "SQLITE_BUSY": Kind.TIMED_OUT,
    "SQLITE_LOCKED": Kind.TIMED_OUT,
    "SQLITE_READONLY": Kind.READ_ONLY,
    "SQLITE_CANTOPEN": Kind.NO_FILE,
    "SQLITE_NOTADB": Kind.NO_FILE,
    "SQLITE_CONSTRAINT_UNIQUE": Kind.NOT_UNIQUE,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Kind.NOT_UNIQUE,
    "SQLITE_CONSTRAINT_NOTNULL": Kind.NO_DEFAULT,
    "SQLITE_CONSTRAINT_FOREIGNKEY": Kind.REFERENCE,
    "SQLITE_CONSTRAINT": Kind.BAD_VALUE,
    "SQLITE_MISMATCH": Kind.BAD_VALUE,
    "SQLITE_TOOBIG": Kind.BAD_VALUE,
}
_MESSAGES = {
    "no such table": Kind.NO_TABLE,
    "no such column": Kind.NO_COLUMN,
    "has no column named": Kind.NO_COLUMN,
}


class SQLite:
    """The driver of sqlite; see `watcher.publish.sql.engines.Driver`."""

    url = "sqlite+pysqlite://"
    options: Mapping[str, Any] = {}
    # Taken at once, so that no other writer comes between what is read and what is written.
    begin_writing: str | None = "BEGIN IMMEDIATE"
    begin_reading = "PRAGMA query_only = ON"

    def connect(self, sql_map: SqlMap, host: SqlHost | None, seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            # A file that is missing is not made, since its table would be missing, too.
            f"file:{quote(sql_map.dbpath or '')}?mode=rw",
            uri=True,
            timeout=min(seconds, CONNECT_SECONDS),
            isolation_level=None,
            # It is opened in a thread of its own, as every other, and used in none but ours.
            check_same_thread=False,
        )
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        return connection

    def descriptor(self, connection: sqlite3.Connection) -> int | None:
        return None  # there is none; waits for locks have the time-out of the connection

    def limit(self, seconds: float) -> str | None:
        return None

    def read_only(self, connection: sqlite3.Connection) -> str | None:
        return None

    def account(self, connection: sa.Connection) -> str | None:
        return None

    def kind_of(self, error: BaseException, *, connecting: bool) -> Kind:
        # By the code's name, else by the words, which nobody translates.
        name = getattr(error, "sqlite_errorname", "")
        for begin, kind in _NAMES.items():
            if name.startswith(begin):
                return kind
        return next((kind for words, kind in _MESSAGES.items() if words in str(error)), Kind.REFUSED)

    def text(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column

    def all_rows(self, connection: sa.Connection, query: sa.Select[Any]) -> RawRows:
        return [tuple(row) for row in connection.execute(query)]

    def insert_many(
        self,
        connection: sa.Connection,
        table: sa.TableClause,
        rows: Mapping[str, str],
        columns: Sequence[str],
        constants: Mapping[str, Any],
    ) -> None:
        address, goto = columns
        statement = sa.insert(table).values(
            {
                address: sa.bindparam("a"),
                goto: sa.bindparam("g"),
                **{name: untyped(each) for name, each in constants.items()},
            }
        )
        connection.execute(statement, [{"a": alias, "g": destination} for alias, destination in rows.items()])

    def engine_of(self, connection: sa.Connection, table: sa.TableClause) -> str | None:
        return None  # all of its tables have transactions
