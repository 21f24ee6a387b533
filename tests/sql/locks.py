"""Standing in the way of a publish, so that it can be met in the middle."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql

from ..support.databases import ServerDatabase
from ..support.mariadb import MariaDB
from ..support.postgresql import PostgreSQL
from .stage import poll


@contextmanager
def row_locked(database: ServerDatabase, address: str) -> Iterator[None]:
    """Hold a lock on the row of `aliases` for *address*, as somebody does who is about to change it."""
    statement = f"SELECT * FROM aliases WHERE address = '{address}' FOR UPDATE"
    server = database.server
    if isinstance(server, PostgreSQL):
        connection = server.connect(database.name)
        try:
            connection.execute("BEGIN")
            connection.execute(statement.encode())
            yield
        finally:
            connection.close()
    elif isinstance(server, MariaDB):
        # The server may have been killed meanwhile.
        with suppress(pymysql.err.Error), server.connect(database.name) as other, other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(statement)
            yield


def await_waiting(database: ServerDatabase) -> None:
    """Return when somebody waits for a lock."""
    query = {
        "pgsql": "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        "mysql": "SELECT 1 FROM information_schema.global_status "
        "WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS' AND variable_value > 0",
    }[database.kind]
    poll(lambda: database.rows(query), what="the publish to wait for the lock")
