"""A table of a test's own in a database of each kind, and a publisher that keeps it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.config import Config
from schemas.registry import Registry, parse_registry
from watcher.publish.commands import patience
from watcher.publish.plan import Plan
from watcher.publish.sql.publisher import SqlPublisher

from ....support.databases import Database, MariaDBDatabase, PostgreSQLDatabase, SqliteDatabase
from ....support.needs import require
from ....support.servers import Kind

TABLE = """\
CREATE TABLE aliases (
    address {kind} NOT NULL{unique},
    goto varchar(255),
    owner varchar(16),
    note varchar(64) DEFAULT 'as new'
)"""
QUERY = "SELECT goto FROM aliases WHERE address = '%s'"
MARKED: Mapping[str, Any] = {"managed_column": "owner", "managed_value": "runv"}


class Room:
    """A database with the table `aliases`, and what publishes to it.

    Attributes:
        database: of the test's own.
        map_file: Postfix's file of the map.
        config: the configuration.
        publisher: the publisher.
    """

    def __init__(self, root: Path, database: Database, **keys: Any) -> None:
        self.root = root
        self.database = database
        self.map_file = root / "aliases.cf"
        self.write_map()
        self.config = self.configured(**keys)
        self.publisher = SqlPublisher(self.config, lambda username: [])

    def write_map(self, query: str = QUERY, **settings: str) -> None:
        """Write Postfix's file of the map as if long ago: of a new one its programs wait for the next second."""
        self.database.write_map(self.map_file, query, **settings)
        os.utime(self.map_file, (1, 1))

    def configured(self, *, sql: Mapping[str, Any] = MARKED, **keys: Any) -> Config:
        """A configuration whose block of the database is *sql* and the map's file."""
        given = {"enabled": True, "backend": f"postfix-{self.database.kind}", "check_maps": False, **keys}
        return msgspec.convert({**given, "sql": {"map_file": str(self.map_file), **sql}}, Config)

    def make(self, kind: str = "varchar(255)", *, unique: bool = True) -> None:
        """Make the table, with addresses of a *kind* of the database's."""
        self.database.execute(TABLE.format(kind=kind, unique=" PRIMARY KEY" if unique else ""))

    def publish(self, registry: Registry, *, asked: bool = False, forced: bool = False) -> Plan | None:
        """What a pass does."""
        patience.renew()
        self.publisher.drifted(asked=asked or forced)
        return self.publisher.publish(registry, forced=forced)

    def add(self, address: str, goto: str, owner: str | None = None) -> None:
        """Put a row in by hand."""
        message = "NULL" if owner is None else f"'{owner}'"
        self.database.execute(f"INSERT INTO aliases (address, goto, owner) VALUES ('{address}', '{goto}', {message})")

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Every row, without the ends of the addresses, which are all the same."""
        found = self.database.rows("SELECT address, goto, owner FROM aliases ORDER BY address, goto, owner")
        return [(_short(address), _short(goto), owner) for address, goto, owner in found]

    @property
    def answers(self) -> dict[str, str]:
        """alias -> destination, likewise."""
        return {address: goto for address, goto, _ in self.rows}

    @property
    def conflicts(self) -> list[tuple[str, str, list[str]]]:
        """The conflicts, likewise."""
        return [(_short(each.alias), _short(each.destination), each.held) for each in self.publisher.conflicts]


RoomOf = Callable[..., Room]


def _short(text: str) -> str:
    return text.removesuffix("@runv.club").removesuffix("@example.org") if text else text


def registry_of(**destinations: str) -> Registry:
    """A registry of active aliases, written as `name="destination without its domain"`."""
    entries = {
        name: {"alias": f"{name}@runv.club", "destination": f"{goto}@example.org", "status": "active"}
        for name, goto in destinations.items()
    }
    return parse_registry(msgspec.json.encode(entries), "runv.club", "registry")


def many(count: int, goto: str = "x", **more: str) -> Registry:
    """A registry of so many aliases and some *more*."""
    return registry_of(**{f"member{number:04}": f"{goto}{number}" for number in range(count)}, **more)


@pytest.fixture(params=["mysql", "pgsql", "sqlite"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of database in turn, unless a test names its own."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def database(kind: Kind, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of that kind."""
    made: Database
    if kind == "mysql":
        made = MariaDBDatabase(request.getfixturevalue("mariadb"))
    elif kind == "pgsql":
        made = PostgreSQLDatabase(request.getfixturevalue("postgresql"))
    else:
        made = SqliteDatabase()
    with made:
        yield made


@pytest.fixture
def room_of(tmp_path: Path, database: Database) -> Iterator[RoomOf]:
    """A function that makes a room without its table; its arguments are keys of the configuration."""
    require("postfix")
    with ExitStack():
        yield lambda **keys: Room(tmp_path, database, **keys)


@pytest.fixture
def marked(room_of: RoomOf) -> Room:
    """A table with a column that marks the rows of ours."""
    room = room_of()
    room.make()
    return room


@pytest.fixture
def listed(room_of: RoomOf) -> Room:
    """One without, so that a table of ours lists them."""
    room = room_of(sql={})
    room.make()
    return room
