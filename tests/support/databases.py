"""A database of a test's own, of each kind that Postfix can ask, and Postfix's own file that leads to it."""

import contextlib
import grp
import itertools
import os
import secrets
import shutil
import sqlite3
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from .layout import put
from .mariadb import MariaDB
from .postgresql import PostgreSQL
from .servers import DatabaseServer, Kind, Row

_NUMBERS = itertools.count(1)


class Login(NamedTuple):
    """An account of a server. The password has what Postfix's files, and libraries, could stumble over."""

    user: str
    password: str


class Database(ABC):
    """One database of a test's own, empty at first; for a `with` block."""

    kind: Kind

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    @abstractmethod
    def execute(self, *statements: str) -> None:
        """Run *statements* as the administrator of the database, each by itself and at once durable."""

    @abstractmethod
    def rows(self, query: str) -> list[Row]:
        """What *query* finds, as the administrator of the database sees it."""

    @abstractmethod
    def map_text(self, query: str, **settings: str) -> str:
        """Postfix's file for a map that asks *query* here; *settings* replace or extend what it says."""

    @abstractmethod
    def drop(self) -> None:
        """Remove it with all that is in it."""

    def write_map(self, path: Path, query: str, **settings: str) -> None:
        """Put that file at *path*, for Postfix's account and root alone."""
        # Postfix waits until it has been left alone for two seconds, as with main.cf; see MailConfig.
        past = time.time() - 60
        put(path, self.map_text(query, **settings).encode(), 0o640, gid=_group_of_postfix(), mtime=past)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may be shown."""
        return ()


class SqliteDatabase(Database):
    """A file of sqlite's, in a directory that everybody may enter."""

    kind = "sqlite"

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="runv-sqlite-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.path = self.directory / "aliases.db"
        self.execute("PRAGMA user_version = 1")
        self.path.chmod(0o644)

    def execute(self, *statements: str) -> None:
        """Run *statements* as the administrator of the database, each by itself and at once durable."""
        with contextlib.closing(self.connect()) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, query: str) -> list[Row]:
        """What *query* finds, as the administrator of the database sees it."""
        with contextlib.closing(self.connect()) as connection:
            return connection.execute(query).fetchall()

    def connect(self) -> sqlite3.Connection:
        """A connection of the administrator's; each statement commits."""
        return sqlite3.connect(self.path, isolation_level=None, timeout=20)

    def map_text(self, query: str, **settings: str) -> str:
        """Postfix's file for a map that asks *query* here; *settings* replace or extend what it says."""
        return _map_text({"dbpath": str(self.path), "query": query, **settings})

    def drop(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.directory)


class ServerDatabase(Database):
    """A database on *server*, with an account that reads and writes and may make tables, and one that only reads."""

    def __init__(self, server: DatabaseServer) -> None:
        self.server = server
        self.kind = server.kind
        number = next(_NUMBERS)
        self.name = f"mail{number}"
        self.writer = Login(f"writer{number}", f"w-{secrets.token_hex(8)}#=,$xç")
        self.reader = Login(f"reader{number}", f"r-{secrets.token_hex(8)}#=,$xç")
        for login in (self.writer, self.reader):
            server.make_user(*login)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may be shown."""
        return (self.writer.password, self.reader.password)

    @property
    def address(self) -> str:
        """Of the server, as `hosts` names it."""
        return f"127.0.0.1:{self.server.port}"

    @abstractmethod
    def forbid_making_tables(self) -> None:
        """Leave the writer what it may do with the tables that are there."""

    def execute(self, *statements: str) -> None:
        """Run *statements* as the administrator of the server, each by itself and at once durable."""
        self.server.execute(*statements, database=self.name)

    def rows(self, query: str) -> list[Row]:
        """What *query* finds, as the administrator of the server sees it."""
        return self.server.rows(query, database=self.name)

    def map_text(self, query: str, **settings: str) -> str:
        """Postfix's file for a map that asks *query* here; *settings* replace or extend what it says."""
        login = {"user": self.writer.user, "password": self.writer.password}
        return _map_text({"hosts": self.address, **login, "dbname": self.name, "query": query, **settings})

    def sessions(self) -> int:
        """How many connections there are to it."""
        return self.server.sessions(self.name)


class MariaDBDatabase(ServerDatabase):
    """A database of a MariaDB."""

    def __init__(self, server: MariaDB) -> None:
        super().__init__(server)
        server.execute(
            f"CREATE DATABASE {self.name}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON {self.name}.* TO {self.writer.user}",
            f"GRANT SELECT ON {self.name}.* TO {self.reader.user}",
        )

    def forbid_making_tables(self) -> None:
        """Leave the writer what it may do with the tables that are there."""
        self.server.execute(f"REVOKE CREATE ON {self.name}.* FROM {self.writer.user}")

    def drop(self) -> None:
        """Remove it with all that is in it."""
        self.server.execute(f"DROP DATABASE {self.name}", f"DROP USER {self.writer.user}, {self.reader.user}")


class PostgreSQLDatabase(ServerDatabase):
    """A database of a PostgreSQL."""

    def __init__(self, server: PostgreSQL) -> None:
        super().__init__(server)
        server.execute(f"CREATE DATABASE {self.name}")
        server.execute(
            f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {self.writer.user}",
            f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {self.writer.user}",
            f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {self.reader.user}",
            f"GRANT CREATE ON SCHEMA public TO {self.writer.user}",
            database=self.name,
        )

    def forbid_making_tables(self) -> None:
        """Leave the writer what it may do with the tables that are there."""
        self.execute(f"REVOKE CREATE ON SCHEMA public FROM {self.writer.user}")

    def drop(self) -> None:
        """Remove it with all that is in it."""
        self.server.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.server.execute(f"DROP ROLE {self.writer.user}, {self.reader.user}")


def _map_text(settings: dict[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


def _group_of_postfix() -> int:
    """The group of Postfix's daemons, as root's files are opened to them; nobody's where there is no Postfix."""
    try:
        return grp.getgrnam("postfix").gr_gid
    except KeyError:
        return os.getegid()
