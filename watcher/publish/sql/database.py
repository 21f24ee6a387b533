"""The database of one configuration: reached when it is needed, and let go of at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Self, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from schemas.config import Config
from schemas.database import Database as Given
from schemas.errors import TroubleError
from schemas.sql_map import SqlHost, SqlMap, SqlType, read_sql_map, target_of
from watcher.publish.sql.connecting import Opening
from watcher.publish.sql.deadline import Deadline
from watcher.publish.sql.drivers import Driver, driver_of
from watcher.publish.sql.help import Advice
from watcher.publish.sql.tables import Tables
from watcher.publish.sql.troubles import DatabaseError, Trouble
from watcher.publish.sql.writing import RestlessError


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
        advice: Advice,
    ) -> None:
        self.connection = connection
        self.driver = driver
        self.tables = tables
        self.read_map = read_map
        self.host = host
        self._advice = advice

    def has_listing(self) -> bool:
        """Whether the table that lists ours is there, or none is needed."""
        listing = self.tables.listing
        return listing is None or sa.inspect(self.connection).has_table(listing.table.name, schema=listing.schema)

    def make_listing(self) -> str | None:
        """Make the table that lists ours, where it is missing; give its name then.

        Raises:
            DatabaseError: that is not permitted; the message has the statements.
        """
        if self.tables.listing is None or self.has_listing():
            return None
        try:
            self.connection.execute(CreateTable(self.tables.listing.model()))
        except DBAPIError as error:
            with contextlib.suppress(DBAPIError):
                self._advice.account = self.driver.account(self.connection)
            told = self._advice.told(_original(error), 0)
            raise DatabaseError(Trouble.NO_LIST, told) from None
        return self.tables.listing.name


class Database:
    """The database of *kind* that the block *given* of the configuration leads to.

    With several hosts the first that can be written to is taken, at each connection anew. The map's files are read at
    each connection, too, so that whoever mends them need not restart anything.

    Raises:
        LibraryMissingError: the library that leads to it is not installed.
    """

    def __init__(self, kind: SqlType, given: Given) -> None:
        self.kind = kind
        self._given = given
        self._path = self._given.map_file or ""
        self._write_path = self._given.write_map_file or self._path
        self.driver = driver_of(self.kind, self._write_path)
        self._opening: Opening | None = None
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
        return read_sql_map(self._path, self.kind)

    def tables(self, sql_map: SqlMap) -> Tables:
        """The tables that are kept in line, where *sql_map* is what Postfix reads.

        Raises:
            SqlMapError: neither the configuration nor the map says which.
        """
        if self._tables is None or self._tables[0] != sql_map:
            self._tables = (sql_map, Tables(target_of(self._given, sql_map), self.kind, self.driver))
        return self._tables[1]

    @contextlib.contextmanager
    def session(
        self, seconds: float, *, writing: bool, by: SqlMap | None = None, at: SqlHost | None = None
    ) -> Iterator[Session]:
        """A connection with a transaction, which is committed at the end where it was for *writing*.

        Args:
            seconds: how long all of it may take.
            writing: whether only a host will do that can be written to.
            by: the map whose way is taken; else the one for writing.
            at: the one host that is asked; else those of the map in turn.

        Raises:
            DatabaseError: what stands in the way; nothing was written, or whether it was is not known.
            SqlMapError: the map's files cannot be used.
        """
        read = self.read_map()
        way = by or (read if self._write_path == self._path else read_sql_map(self._write_path, self.kind))
        tables = self.tables(read)
        advice = Advice(way, tables, self._engine.dialect)
        with Deadline(seconds) as deadline:
            opening = self._opening = Opening(way, [at] if at else way.hosts, deadline, advice, writing=writing)
            try:
                with self._engine.connect() as connection, connection.begin() as transaction:
                    if writing and self.driver.begin is not None:
                        connection.exec_driver_sql(self.driver.begin)
                    try:
                        yield Session(connection, self.driver, tables, read, opening.host, advice)
                    except DBAPIError as error:
                        self._find_account(connection, error, advice)
                        raise
                    if not writing:
                        transaction.rollback()
            except TroubleError:
                raise
            except RestlessError as error:
                raise DatabaseError(Trouble.RESTLESS, advice.told(error, seconds)) from None
            except SQLAlchemyError as error:
                raise self._translated(_original(error), deadline, advice) from None
            except Exception as error:
                if not isinstance(error, self._library_errors):
                    raise
                raise self._translated(error, deadline, advice) from None

    @property
    def _library_errors(self) -> tuple[type[BaseException], ...]:
        # What the library raises where it is asked without SQLAlchemy between.
        return (cast("Any", self._engine.dialect).loaded_dbapi.Error, OSError, UnicodeError)

    def _find_account(self, connection: sa.Connection, error: DBAPIError, advice: Advice) -> None:
        if self.driver.trouble_of(_original(error), connecting=False) is Trouble.NO_PRIVILEGE:
            with contextlib.suppress(DBAPIError):
                advice.account = self.driver.account(connection)

    def _translated(self, error: BaseException, deadline: Deadline, advice: Advice) -> DatabaseError:
        trouble = Trouble.TIMED_OUT if deadline.passed else self.driver.trouble_of(error, connecting=False)
        if isinstance(error, NoSuchTableError):
            trouble = Trouble.NO_TABLE
        return DatabaseError(trouble, advice.told(error, deadline.seconds))

    def _open(self) -> Any:
        if self._opening is None:
            raise RuntimeError("a connection is opened within a session alone")
        return self._opening.connect(self.driver)


def _original(error: SQLAlchemyError) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
