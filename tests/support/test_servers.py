"""The database servers hold what the tests lean on: a kill loses no commit, and a frozen one says nothing."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pymysql
import pytest

from .databases import Database, MariaDBDatabase, PostgreSQLDatabase, ServerDatabase, SqliteDatabase
from .mariadb import MariaDB
from .postgresql import PostgreSQL

MAKERS: dict[str, Callable[..., ServerDatabase]] = {"mariadb": MariaDBDatabase, "postgresql": PostgreSQLDatabase}


@pytest.fixture(params=MAKERS)
def database(request: pytest.FixtureRequest) -> Iterator[ServerDatabase]:
    with MAKERS[request.param](request.getfixturevalue(request.param)) as database:
        database.execute("CREATE TABLE numbers (number int)")
        yield database


def test_what_was_committed_is_there_after_a_kill(database: ServerDatabase) -> None:
    database.execute("INSERT INTO numbers VALUES (1)")
    port = database.server.port

    database.server.kill()
    assert not database.server.running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
    database.server.start()

    assert database.rows("SELECT * FROM numbers") == [(1,)]
    assert database.server.port == port


def test_a_frozen_server_takes_connections_and_says_nothing_until_it_is_thawed(database: ServerDatabase) -> None:
    address = ("127.0.0.1", database.server.port)
    with database.server.frozen(), socket.create_connection(address, timeout=0.2) as connection:
        # MariaDB speaks first; PostgreSQL is asked for encryption, and would say N.
        connection.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        database.server.thaw()
        assert connection.recv(1)

    assert database.rows("SELECT 1") == [(1,)]


def test_a_server_leaves_nothing_behind() -> None:
    with PostgreSQL() as server:
        root, pid = server.root, server.pid
        assert root.exists()

    assert not root.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_standby_follows_its_primary(postgresql: PostgreSQL) -> None:
    with PostgreSQL(standby_of=postgresql) as standby:
        assert standby.rows("SELECT pg_is_in_recovery()") == [(True,)]


def test_only_the_writer_of_a_database_may_write(database: ServerDatabase) -> None:
    server = database.server
    for login, may in ((database.writer, True), (database.reader, False)):
        if isinstance(server, PostgreSQL):
            path = f"host=127.0.0.1 port={server.port} dbname={database.name}"
            with psycopg.connect(path, user=login.user, password=login.password) as connection:
                _write(lambda: connection.execute("INSERT INTO numbers VALUES (2)"), may=may)
        elif isinstance(server, MariaDB):
            password = login.password.encode()
            other = pymysql.connect(
                host="127.0.0.1", port=server.port, database=database.name, user=login.user, password=password
            )
            with other, other.cursor() as cursor:
                _write(lambda: cursor.execute("INSERT INTO numbers VALUES (2)"), may=may)


def test_a_file_of_sqlite_is_gone_with_its_test() -> None:
    database: Database = SqliteDatabase()
    assert isinstance(database, SqliteDatabase)
    with database:
        database.execute("CREATE TABLE numbers (number int)", "INSERT INTO numbers VALUES (1)")
        assert database.rows("SELECT * FROM numbers") == [(1,)]
        assert f"dbpath = {database.path}\n" in database.map_text("SELECT 1")

    assert not database.directory.exists()


def _write(write: Callable[[], object], *, may: bool) -> None:
    if may:
        write()
        return
    with pytest.raises((psycopg.errors.InsufficientPrivilege, pymysql.err.OperationalError)):
        write()
