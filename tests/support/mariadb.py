"""A MariaDB of the tests' own."""

import contextlib
import getpass
import os
import signal
from collections.abc import Iterator

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from .servers import DatabaseServer, Row


class MariaDB(DatabaseServer):
    """MariaDB, with Debian's own strictness; whoever connects needs a password, but the caller's own account."""

    kind = "mysql"
    account = "mysql"

    @property
    def socket(self) -> str:
        """The path of its socket."""
        return str(self.sockets / "mysqld.sock")

    @contextlib.contextmanager
    def connect(self, database: str | None = None) -> Iterator["Connection[Cursor]"]:
        """A connection of the administrator's, by the socket; each statement commits."""
        connection = pymysql.connect(
            unix_socket=self.socket,
            user=self._administrator,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=20,
            read_timeout=60,
            # New versions of the library read all of the machine's certificates otherwise, at each connection.
            ssl_disabled=True,
        )
        with contextlib.closing(connection):
            yield connection

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run *statements* as the administrator of the server, each by itself and at once durable."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str, *, database: str | None = None) -> list[Row]:
        """What *query* finds, as the administrator of the server sees it."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def make_user(self, name: str, password: str) -> None:
        """Make an account that may log in, and nothing else yet."""
        self.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")

    def sessions(self, database: str) -> int:
        """How many connections others than this call have to *database*."""
        query = f"SELECT count(*) FROM information_schema.processlist WHERE db = '{database}'"
        return int(self.rows(query)[0][0])

    @property
    def _administrator(self) -> str:
        return "root" if os.geteuid() == 0 else getpass.getuser()

    @property
    def _quick_stop(self) -> signal.Signals:
        return signal.SIGTERM

    def _initialise(self) -> None:
        self._run(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.data}",
            "--skip-test-db",
            "--skip-name-resolve",
            "--auth-root-authentication-method=socket",
            f"--auth-root-socket-user={self._administrator}",
            "--innodb-log-file-size=8M",
            *self._quickly,
        )

    @property
    def _quickly(self) -> list[str]:
        # A commit is at least written, though not synced: the end of the server alone may not lose it.
        return [] if self.durable else ["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync"]

    def _command(self) -> list[str]:
        return [
            "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
            f"--pid-file={self.root / 'data' / 'pid'}",
            f"--port={self.port}",
            f"--bind-address={','.join(self.addresses)}",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=8M",
            *self._quickly,
        ]

    def _answers(self) -> bool:
        return "ready for connections" in self.log[self._told :]
