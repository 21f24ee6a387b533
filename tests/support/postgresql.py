"""A PostgreSQL of the tests' own."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from .servers import DatabaseServer, Row

_VERSIONS = Path("/usr/lib/postgresql")

_ACCESS = """\
local all stranger peer
local all all scram-sha-256
host all all 0.0.0.0/0 scram-sha-256
host replication all 0.0.0.0/0 scram-sha-256
local replication all scram-sha-256
"""


def programs() -> Path | None:
    """Where the newest installed version has its programs: Debian keeps the server's out of everybody's way."""
    found = [path for path in _VERSIONS.glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


class PostgreSQL(DatabaseServer):
    """PostgreSQL; whoever connects needs a password. *settings* are of postgresql.conf(5).

    With *standby_of* it begins as a copy of that server, which has to be running, and follows it.
    """

    kind = "pgsql"
    account = "postgres"

    def __init__(
        self,
        *,
        durable: bool = False,
        addresses: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        parent: str = "/tmp",
        standby_of: "PostgreSQL | None" = None,
        **settings: str,
    ) -> None:
        self._primary = standby_of
        quick = {} if durable else {"fsync": "off", "full_page_writes": "off"}
        small = {"shared_buffers": "32MB", "max_connections": "40", "autovacuum_naptime": "1h", "jit": "off"}
        self._settings = {**small, **quick, "logging_collector": "off", **settings}
        super().__init__(durable=durable, addresses=addresses, port=port, parent=parent)
        if standby_of is not None:
            self.password = standby_of.password

    def connect(self, database: str | None = None, **options: Any) -> psycopg.Connection[Row]:
        """A connection of the administrator's, by the socket; each statement commits."""
        return psycopg.connect(
            host=str(self.sockets),
            port=self.port,
            user="postgres",
            password=self.password,
            dbname=database or "postgres",
            autocommit=True,
            connect_timeout=20,
            **options,
        )

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run *statements* as the administrator of the server, each by itself and at once durable."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self, query: str, *, database: str | None = None) -> list[Row]:
        """What *query* finds, as the administrator of the server sees it."""
        with self.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def make_user(self, name: str, password: str) -> None:
        """Make an account that may log in, and nothing else yet."""
        self.execute(f"""CREATE ROLE "{name}" LOGIN PASSWORD '{password}'""")

    def sessions(self, database: str) -> int:
        """How many connections others than this call have to *database*."""
        query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"
        return int(self.rows(query)[0][0])

    @property
    def _quick_stop(self) -> signal.Signals:
        return signal.SIGINT

    @property
    def _programs(self) -> Path:
        found = programs()
        assert found is not None, "there is no PostgreSQL"
        return found

    def _initialise(self) -> None:
        self.data.chmod(0o700)
        if self._primary is not None:
            source = f"host={self._primary.sockets} port={self._primary.port} user=postgres"
            source += f" password={self._primary.password}"
            program = str(self._programs / "pg_basebackup")
            options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream"]
            self._run(program, f"--pgdata={self.data}", f"--dbname={source}", *options)
            return
        secret = self.root / "secret"
        secret.write_text(self.password)
        options = ["--auth=scram-sha-256", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        self._run(str(self._programs / "initdb"), f"--pgdata={self.data}", f"--pwfile={secret}", *options)
        secret.unlink()
        (self.data / "pg_hba.conf").write_text(_ACCESS)

    def _command(self) -> list[str]:
        settings = {
            "port": str(self.port),
            "listen_addresses": ",".join(self.addresses),
            "unix_socket_directories": str(self.sockets),
            **self._settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._programs / "postgres"), "-D", str(self.data), *options]

    def _answers(self) -> bool:
        # Its lock file tells how far it is, and whose it is: one that was killed leaves its own there.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(self.pid) and lines[7].strip() in {"ready", "standby"}
        except (FileNotFoundError, IndexError):
            return False
