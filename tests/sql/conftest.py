"""Fixtures of the end-to-end tests with databases: one of a test's own, and a server that publishes to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ..support.databases import Database, MariaDBDatabase, PostgreSQLDatabase, ServerDatabase, SqliteDatabase
from ..support.install import Installation
from ..support.mariadb import MariaDB
from ..support.needs import require
from ..support.postgresql import PostgreSQL
from ..support.servers import Kind
from .stage import Stage
from .tables import MARKED, Table

SetUp = Callable[..., Stage]


@pytest.fixture(autouse=True)
def _as_root() -> None:
    """Several accounts are played throughout."""
    require("root", "accounts", "postfix")


@pytest.fixture(params=["mysql", "pgsql", "sqlite"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of database in turn, unless a test names its own."""
    chosen: Kind = request.param
    require(f"postfix-{chosen}")
    return chosen


@pytest.fixture
def database(kind: Kind, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of that kind."""
    with _database(kind, request) as database:
        yield database


@pytest.fixture
def on_server(database: Database) -> ServerDatabase:
    """The same, where it is one on a server."""
    assert isinstance(database, ServerDatabase)
    return database


@pytest.fixture
def set_up(installation: Installation, database: Database) -> Iterator[SetUp]:
    """A function that sets up a server which publishes to a table of *database*; see `Stage`."""
    with ExitStack() as stack:

        def set_up(table: Table = MARKED, **config: Any) -> Stage:
            return stack.enter_context(Stage(installation, database, table, **config))

        yield set_up


@pytest.fixture
def stage(set_up: SetUp) -> Stage:
    """One with a table in which our rows are marked."""
    return set_up()


def _database(kind: Kind, request: pytest.FixtureRequest) -> Database:
    if kind == "sqlite":
        return SqliteDatabase()
    if kind == "mysql":
        mariadb: MariaDB = request.getfixturevalue("mariadb")
        return MariaDBDatabase(mariadb)
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    return PostgreSQLDatabase(postgresql)
