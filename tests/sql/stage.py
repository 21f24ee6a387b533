"""A whole throwaway server whose aliases are kept in a database."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..support.databases import Database
from ..support.install import Installation
from ..support.postfix import PrivatePostfix
from ..support.servers import Row
from ..support.site import Site
from .tables import Table

T = TypeVar("T")


class Stage(Site):
    """A `Site` that publishes to *table*, made anew in *database*; *config* are further keys of the configuration.

    Postfix reads it through `map_file`.
    """

    def __init__(self, installation: Installation, database: Database, table: Table, **config: Any) -> None:
        super().__init__(installation, backend=f"postfix-{database.kind}")
        self.database = database
        self.aliases = table
        database.execute(*table.make[database.kind])
        database.write_map(self.map_file, table.query)
        self.mail.write(virtual_alias_maps=self.table)
        self.configure(sql={"map_file": str(self.map_file), **table.block}, **config)

    @property
    def map_file(self) -> Path:
        """Postfix's file of the map."""
        return self.paths.postfix / "aliases.cf"

    @property
    def table(self) -> str:
        """The map as Postfix names it."""
        return f"{self.backend.removeprefix('postfix-')}:{self.map_file}"

    def map_lookup(self, alias: str) -> str | None:
        """What Postfix's own postmap finds for *alias*."""
        return self.mail.lookup(self.table, alias)

    def start_postfix(self, *, make_map: bool = False) -> PrivatePostfix:
        """Start a Postfix that asks the database, and the outside world that it relays to."""
        return super().start_postfix(make_map=make_map)

    @property
    def published(self) -> dict[str, str]:
        """Every row of the table, whosever it is: where mail for an address goes."""
        table = self.aliases
        query = f"SELECT {table.address}, {table.goto} FROM {table.name} ORDER BY {table.address}, {table.goto}"
        return {str(address): str(goto) for address, goto in self.database.rows(query)}

    @property
    def rows(self) -> list[Row]:
        """Every row of the table with all its columns, in the order of the addresses."""
        table = self.aliases
        return self.database.rows(f"SELECT * FROM {table.name} ORDER BY {table.address}, {table.goto}")

    def add_foreign(self, address: str, goto: str) -> None:
        """Add an alias as the software does that the table belongs to."""
        self.database.execute(self.aliases.foreign.format(address=address, goto=goto))

    def point(self, address: str, goto: str) -> None:
        """Change by hand where an alias goes."""
        table = self.aliases
        self.database.execute(f"UPDATE {table.name} SET {table.goto} = '{goto}' WHERE {table.address} = '{address}'")

    def remove(self, address: str) -> None:
        """Remove by hand whatever the table has for an alias."""
        table = self.aliases
        self.database.execute(f"DELETE FROM {table.name} WHERE {table.address} = '{address}'")


def poll(predicate: Callable[[], T], *, what: str, timeout: float = 10.0) -> T:
    """Return what *predicate* returns once that is true, for what a database alone knows: it tells nobody.

    Raises AssertionError, saying *what* was awaited.
    """
    deadline = time.monotonic() + timeout
    while not (result := predicate()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
        time.sleep(0.02)
    return result
