"""What differs between the databases: the promises of a driver, one for each kind, and what all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from watcher.publish.sql.errors import Kind
from watcher.publish.sql.map_file import SqlHost, SqlMap

CONNECT_SECONDS = 5.0
"""How long a server may take to let us in."""

RawRows = list[Sequence[Any]]
"""Rows as the library gives them."""


class Driver(Protocol):
    """One kind of database.

    Attributes:
        url: how SQLAlchemy calls it.
        options: of its engine.
        begin_writing: the statement that begins a transaction for writing, where the library does not.
        begin_reading: the statement after which the connection can write nothing.
    """

    url: str
    options: Mapping[str, Any]
    begin_writing: str | None
    begin_reading: str

    def connect(self, sql_map: SqlMap, host: SqlHost | None, seconds: float) -> Any:
        """A connection of the library to *host*, or to a file; it may take so many *seconds* at most."""

    def descriptor(self, connection: Any) -> int | None:
        """The connection's socket."""

    def limit(self, seconds: float) -> str | None:
        """The statement after which the server itself gives up what has waited for so long.

        One that is in the middle of a statement may not notice that nobody listens any more.
        """

    def read_only(self, connection: Any) -> str | None:
        """Why nothing can be written there, as the end of a sentence; `None` where something can."""

    def account(self, connection: sa.Connection) -> str | None:
        """The account as a GRANT calls it, where that is not just the user's name."""

    def kind_of(self, error: BaseException, *, connecting: bool) -> Kind:
        """Of which kind the library's *error* is; *connecting*: it came before there was a connection."""

    def text(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """*column* as a text, however it is kept."""

    def all_rows(self, connection: sa.Connection, query: sa.Select[Any]) -> RawRows:
        """What *query* finds, of which there may be a hundred thousand rows."""

    def insert_many(
        self,
        connection: sa.Connection,
        table: sa.TableClause,
        rows: Mapping[str, str],
        columns: Sequence[str],
        constants: Mapping[str, Any],
    ) -> None:
        """Put *rows* in *table*: each key and value in its two *columns*, and in each *constants* besides."""

    def engine_of(self, connection: sa.Connection, table: sa.TableClause) -> str | None:
        """The table's engine, where it is one without transactions."""


def quoted_columns(connection: sa.Connection, table: sa.TableClause, columns: Iterable[str]) -> str:
    """*table* and its *columns* for an INSERT that the library is given without parameters.

    With parameters each percent sign would have to be doubled, which SQLAlchemy has done by then.
    """
    quote = connection.dialect.identifier_preparer
    names = ", ".join(map(quote.quote, columns))
    return f"{quote.format_table(table)} ({names})".replace("%%", "%")
