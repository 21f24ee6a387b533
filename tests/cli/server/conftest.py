"""A database of each kind, with a file of Postfix's that leads to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sql.tables import Table
from tests.support.databases import Database, MariaDBDatabase, PostgreSQLDatabase, SqliteDatabase
from tests.support.needs import require

KINDS = ("mysql", "pgsql", "sqlite")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database, of each kind unless a test names its own."""
    require("root", f"postfix-{request.param}")
    made: Callable[[], Database] = {
        "mysql": lambda: MariaDBDatabase(request.getfixturevalue("mariadb")),
        "pgsql": lambda: PostgreSQLDatabase(request.getfixturevalue("postgresql")),
        "sqlite": SqliteDatabase,
    }[request.param]
    with made() as database:
        yield database


@pytest.fixture
def map_of(database: Database, tmp_path: Path) -> Callable[[Table], Path]:
    """A function that makes a table in it, and the file of a map that asks it."""

    def make(table: Table) -> Path:
        database.execute(*table.make[database.kind])
        path = tmp_path / f"{database.kind}-aliases.cf"
        database.write_map(path, table.query)
        return path

    return make
