"""What a bare client library does in a database: the floor of the figures about SQL maps.

It knows the table, asks nothing, checks nothing and marks nothing. Single rows are written by a process of its own,
which is idle before each, as the watcher is.
"""

import contextlib
import json
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pymysql

from tests.support.databases import MariaDBDatabase, PostgreSQLDatabase, ServerDatabase
from tests.support.install import CHECKOUT
from tests.support.mariadb import MariaDB
from tests.support.postgresql import PostgreSQL, programs

Row = tuple[str, str]

QUERY = "SELECT goto FROM alias WHERE address = '%s'"
_TABLE = "CREATE TABLE alias (address varchar(255) PRIMARY KEY, goto text NOT NULL{mark})"
_MARK = ", managed_by varchar(32)"
_INSERT = "INSERT INTO alias (address, goto) VALUES (%s, %s)"
_BETWEEN_LOOKS = 0.0005
_LIBRARIES: dict[str, Any] = {"pgsql": psycopg, "mysql": pymysql}


class Client(ABC):
    """One table of aliases on a server whose commits are durable; for a `with` block.

    Args:
        database: where it is made, removed at the end.
        marked: whether it has a column for the mark of whoever manages a row.
    """

    name: str

    def __init__(self, database: ServerDatabase, *, marked: bool) -> None:
        self.database = database
        self.marked = marked

    def __enter__(self) -> Self:
        self.database.execute(_TABLE.format(mark=_MARK if self.marked else ""))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.drop()

    @property
    def title(self) -> str:
        """How the figures name it."""
        return self.name if self.marked else f"{self.name}, side table"

    @property
    def options(self) -> dict[str, Any]:
        """How the library connects to it, as the account that writes."""
        writer = self.database.writer
        login = {"user": writer.user, "password": self._spelt(writer.password)}
        return {"host": "127.0.0.1", "port": self.database.server.port, **login, self._named: self.database.name}

    def block(self, map_file: str) -> dict[str, Any]:
        """The keys of the configuration for it."""
        mark = {"managed_column": "managed_by", "managed_value": "runv-email-alias"} if self.marked else {}
        return {"map_file": map_file, **mark}

    def insert_many(self, rows: Sequence[Row]) -> None:
        """All *rows* in one transaction, as the library itself does many, in a connection that is opened for it."""
        with contextlib.closing(self.connect()) as connection:
            with connection.cursor() as cursor:
                cursor.executemany(_INSERT, rows)
            connection.commit()

    def connect(self) -> Any:
        """A connection of the account that writes."""
        return _LIBRARIES[self.database.kind].connect(**self.options)

    def clear(self) -> None:
        """Empty the table; what the watcher noted of it goes as well."""
        tables = ["alias", *(name for (name,) in self.database.rows(self._side_table))]
        self.database.execute(*(f"TRUNCATE TABLE {name}" for name in tables))

    def count(self) -> int:
        """How many rows there are."""
        return int(self.database.rows("SELECT count(*) FROM alias")[0][0])

    @contextlib.contextmanager
    def observer(self) -> Iterator["RowObserver"]:
        """A connection that is open all the while, and sees what was committed."""
        with contextlib.closing(self.connect()) as connection:
            self._see_commits(connection)
            yield RowObserver(connection)

    def _spelt(self, password: str) -> str:
        return password

    @property
    @abstractmethod
    def _named(self) -> str: ...

    @property
    @abstractmethod
    def _side_table(self) -> str: ...

    @abstractmethod
    def _see_commits(self, connection: Any) -> None: ...


class PostgreSQLClient(Client):
    """psycopg."""

    name = "PostgreSQL"
    _named = "dbname"
    _side_table = "SELECT tablename FROM pg_tables WHERE tablename = 'runv_email_alias_rows'"

    def copy(self, rows: Sequence[Row]) -> None:
        """All *rows* by COPY, the quickest way that there is."""
        with contextlib.closing(self.connect()) as connection:
            with connection.cursor() as cursor, cursor.copy("COPY alias (address, goto) FROM STDIN") as copying:
                for row in rows:
                    copying.write_row(row)
            connection.commit()

    def _see_commits(self, connection: Any) -> None:
        connection.autocommit = True


class MariaDBClient(Client):
    """PyMySQL."""

    name = "MariaDB"
    _named = "database"
    _side_table = "SELECT table_name FROM information_schema.tables WHERE table_name = 'runv_email_alias_rows'"

    def _spelt(self, password: str) -> str:
        # The library sends a text as latin-1, whatever the server was told.
        return password.encode().decode("latin-1")

    def _see_commits(self, connection: Any) -> None:
        connection.autocommit(True)


class RowObserver:
    """Sees single rows come."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def seen(self, row: Row, timeout: float = 20.0) -> float:
        """The moment, on the performance counter, at which *row* was there; asked for every half millisecond."""
        deadline = time.perf_counter() + timeout
        while time.perf_counter() < deadline:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT goto FROM alias WHERE address = %s", row[:1])
                if cursor.fetchone() == row[1:]:
                    return time.perf_counter()
            time.sleep(_BETWEEN_LOOKS)
        raise AssertionError(f"waited {timeout:g} s in vain for {row[0]}")


class BareInserts:
    """A process that inserts single rows and commits each, in a connection opened for it, or in one that is *held*."""

    def __init__(self, client: Client, *, held: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.clients"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        # Not as arguments, which everybody can see.
        self._give([client.database.kind, client.options, held])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def begin(self, row: Row) -> None:
        """Have it insert *row*; do not wait."""
        self._give(row)

    def end(self) -> float:
        """Wait until that is done, and give the moment, on the performance counter, at which it began."""
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise AssertionError("the bare client has ended; see its message above")
        return float(line)

    def _give(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(what)}\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def clients(directory: Path) -> Iterator[list[Client]]:
    """A table with the mark and one without, on each of two servers that sync what they commit to *directory*."""
    parent = str(directory)
    with PostgreSQL(durable=True, parent=parent) as postgresql, MariaDB(durable=True, parent=parent) as mariadb:
        yield [
            *(PostgreSQLClient(PostgreSQLDatabase(postgresql), marked=marked) for marked in (True, False)),
            *(MariaDBClient(MariaDBDatabase(mariadb), marked=marked) for marked in (True, False)),
        ]


def server_versions() -> Iterator[str]:
    """Which servers are measured."""
    for name, program in (("MariaDB", "/usr/sbin/mariadbd"), ("PostgreSQL", f"{programs()}/postgres")):
        said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        yield f"{name} {next(word for word in said.split() if word[0].isdigit()).partition('-')[0]}"


def _insert(connection: Any, row: Row) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, row)
    connection.commit()


def main() -> None:
    """Insert the rows that come on standard input."""
    kind, options, held = json.loads(sys.stdin.readline())
    connect = _LIBRARIES[kind].connect
    kept = connect(**options) if held else None
    for line in sys.stdin:
        row = json.loads(line)
        begun = time.perf_counter()
        if kept is not None:
            _insert(kept, row)
        else:
            with contextlib.closing(connect(**options)) as connection:
                _insert(connection, row)
        sys.stdout.write(f"{begun!r}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
