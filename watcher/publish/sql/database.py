"""The database of one configuration, and sessions with it: each is one connection and one transaction."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from typing import Any, Self, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from schemas.config import Config
from schemas.errors import ExpectedError
from schemas.sql_block import Database as SqlBlock
from watcher.publish.sql.changes import ConcurrentChangeError, RowChanges, apply
from watcher.publish.sql.connection import Deadline, HostConnection, HungCalls
from watcher.publish.sql.engines import Driver
from watcher.publish.sql.errors import DatabaseError, Kind, LibraryMissingError
from watcher.publish.sql.map_file import MapFile, SqlHost, SqlMap, SqlType
from watcher.publish.sql.remedies import Remedies
from watcher.publish.sql.tables import Tables
from watcher.publish.sql.target import target_of


class Session:
    """One connection to the database, within one transaction.

    Attributes:
        connection: of SQLAlchemy.
        driver: of the database's kind.
        tables: the tables that are kept in line.
        read_map: what Postfix reads.
        host: where it is; `None` for a file.
    """

    def __init__(
        self,
        connection: sa.Connection,
        driver: Driver,
        tables: Tables,
        read_map: SqlMap,
        host: SqlHost | None,
        remedies: Remedies,
    ) -> None:
        self.connection = connection
        self.driver = driver
        self.tables = tables
        self.read_map = read_map
        self.host = host
        self._remedies = remedies

    def has_ownership(self) -> bool:
        """Whether the table that lists ours is there, or none is needed.

        Raises:
            DatabaseError: the server does not tell this account; the message has the statements that permit it.
        """
        ownership = self.tables.ownership
        try:
            return ownership is None or sa.inspect(self.connection).has_table(
                ownership.table.name, schema=ownership.schema
            )
        except DBAPIError as error:
            # MariaDB answers so, too, of a table that is not there to an account with privileges on single tables only.
            if self.driver.kind_of(_original(error), connecting=False) is not Kind.NO_PRIVILEGE:
                raise
            raise self._no_ownership_table(error) from None

    def make_ownership(self) -> str | None:
        """Make the table that lists ours, where it is missing; give its name then.

        Raises:
            DatabaseError: that is not permitted; the message has the statements that permit it.
        """
        if self.tables.ownership is None or self.has_ownership():
            return None
        try:
            self.connection.execute(CreateTable(self.tables.ownership.model()))
        except DBAPIError as error:
            raise self._no_ownership_table(error) from None
        return self.tables.ownership.name

    def _no_ownership_table(self, error: DBAPIError) -> DatabaseError:
        with contextlib.suppress(DBAPIError):
            self._remedies.account = self.driver.account(self.connection)
        return DatabaseError(Kind.NO_OWNERSHIP_TABLE, self._remedies.fields(_original(error), 0))

    def apply(self, changes: RowChanges) -> None:
        """Write *changes*. Raises what `watcher.publish.sql.changes.apply` does."""
        self._remedies.changes = changes
        apply(self.connection, self.driver, self.tables, changes)


class Database:
    """The database of *kind* that the block *sql* of the configuration leads to.

    Of several hosts each connection takes the first that can be written to. Before each connection the map's files are
    read again where they have changed, so that whoever mends them need not restart anything.

    Raises:
        LibraryMissingError: the library that leads to it is not installed.
    """

    def __init__(self, kind: SqlType, sql: SqlBlock) -> None:
        self.kind = kind
        self._sql = sql
        path, write_path = sql.map_file or "", sql.write_map_file
        self._map_file = MapFile(path, kind)
        self._write_map_file = MapFile(write_path, kind) if write_path not in {None, path} else self._map_file
        self.driver = driver_of(self.kind, write_path or path)
        # How the present session connects, for SQLAlchemy to call.
        self._opening: HostConnection | None = None
        self._hung_calls = HungCalls()
        # The tables, and the contents of the map that they were made of.
        self._tables: tuple[SqlMap, Tables] | None = None
        self._engine = sa.create_engine(
            self.driver.url,
            creator=self._open,
            poolclass=NullPool,
            hide_parameters=True,
            pool_reset_on_return=None,
            **self.driver.options,
        )

    @classmethod
    def of(cls, config: Config) -> Self:
        """The database of *config*."""
        return cls(cast("SqlType", config.map_type), config.database)

    def read_map(self) -> SqlMap:
        """What Postfix reads.

        Raises:
            SqlMapError: it cannot be read.
        """
        return self._map_file.read()

    def tables(self, sql_map: SqlMap) -> Tables:
        """The tables that are kept in line, where *sql_map* is what Postfix reads.

        Raises:
            SqlMapError: neither the configuration nor the map says which.
        """
        if self._tables is None or self._tables[0] != sql_map:
            self._tables = (sql_map, Tables(target_of(self._sql, sql_map), self.kind, self.driver))
        return self._tables[1]

    @contextlib.contextmanager
    def session(
        self, seconds: float, *, writing: bool, by: SqlMap | None = None, at: SqlHost | None = None
    ) -> Iterator[Session]:
        """A connection with a transaction, which is committed at the end where it was for *writing*.

        Any other cannot write.

        Args:
            seconds: how long all of it may take.
            writing: whether only a host will do that can be written to.
            by: the map whose hosts and account are used; else the one for writing.
            at: the one host that is asked; else those of the map in turn.

        Raises:
            DatabaseError: what stands in the way; nothing was written, or whether it was is not known.
            SqlMapError: the map's files cannot be used.
        """
        read = self.read_map()
        sql_map = by or self._write_map_file.read()
        tables = self.tables(read)
        remedies = Remedies(sql_map, tables, self._engine.dialect)
        deadline = Deadline(seconds)
        try:
            with deadline:
                hosts = [at] if at else sql_map.hosts
                opening = HostConnection(sql_map, hosts, deadline, remedies, self._hung_calls, writing=writing)
                self._opening = opening
                with self._engine.connect() as connection, connection.begin() as transaction:
                    if (limit := self.driver.limit(deadline.left)) is not None:
                        connection.exec_driver_sql(limit)
                    if (begin := self.driver.begin_writing if writing else self.driver.begin_reading) is not None:
                        connection.exec_driver_sql(begin)
                    try:
                        yield Session(connection, self.driver, tables, read, opening.host, remedies)
                    except DBAPIError as error:
                        self._find_account(connection, error, remedies)
                        raise
                    if not writing:
                        transaction.rollback()
        except ExpectedError:
            raise
        except ConcurrentChangeError as error:
            raise DatabaseError(Kind.CONCURRENT_CHANGE, remedies.fields(error, seconds)) from None
        except Exception as error:  # noqa: BLE001 - the library's own, and what it lets through from below
            raise self._translated(error, deadline, remedies) from None

    def _find_account(self, connection: sa.Connection, error: DBAPIError, remedies: Remedies) -> None:
        if self.driver.kind_of(_original(error), connecting=False) is Kind.NO_PRIVILEGE:
            with contextlib.suppress(DBAPIError):
                remedies.account = self.driver.account(connection)

    def _translated(self, raised: Exception, deadline: Deadline, remedies: Remedies) -> DatabaseError:
        error = _original(raised) if isinstance(raised, SQLAlchemyError) else raised
        # Errors of the library come bare where it is called without SQLAlchemy between.
        known = (SQLAlchemyError, cast("Any", self._engine.dialect).loaded_dbapi.Error, OSError, UnicodeError)
        fields = remedies.fields(error, round(deadline.waited, 1))
        if deadline.passed:
            kind = Kind.TIMED_OUT
        elif isinstance(error, NoSuchTableError):
            # All that it says is the name.
            kind, fields["error"] = Kind.NO_TABLE, "there is none of that name"
        elif isinstance(raised, known):
            kind = self.driver.kind_of(error, connecting=False)
        else:
            # An error of the library's own, over an answer that it does not understand: the rest of the pass goes on.
            kind, fields["error"] = Kind.UNFORESEEN, f"{type(error).__name__}, {fields['error']}, at {_where(error)}"
        return DatabaseError(kind, fields)

    def _open(self) -> Any:
        if self._opening is None:
            raise RuntimeError("a connection is opened within a session alone")
        return self._opening.connect(self.driver)


def driver_of(kind: SqlType, path: str) -> Driver:
    """The driver of *kind*, for the map file *path*.

    Raises:
        LibraryMissingError: its library is not installed.
    """
    try:
        if kind == "pgsql":
            from watcher.publish.sql.postgresql import PostgreSQL  # noqa: PLC0415

            return PostgreSQL()
        if kind == "mysql":
            from watcher.publish.sql.mariadb import MariaDB  # noqa: PLC0415

            return MariaDB()
    except ImportError as error:
        library, package = {"pgsql": ("psycopg", "python3-psycopg"), "mysql": ("PyMySQL", "python3-pymysql")}[kind]
        raise LibraryMissingError(library, package, path) from error
    from watcher.publish.sql.sqlite import SQLite  # noqa: PLC0415

    return SQLite()


def _original(error: SQLAlchemyError) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _where(error: BaseException) -> str:
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{os.path.basename(last.filename)}:{last.lineno}"
