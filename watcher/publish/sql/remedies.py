"""The next step: whose file, which table, and what to run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from schemas.text import N_, printable
from watcher.publish.sql.changes import RowChanges
from watcher.publish.sql.errors import library_message
from watcher.publish.sql.map_file import SqlHost, SqlMap
from watcher.publish.sql.tables import Tables

_WIDTH = 255
"""Of a column that is made for addresses."""
_USER = re.compile(r"[^:]+://([^/@:]+)(?::[^/@]*)?@")
_SEQUENCE = re.compile("permission denied for sequence ([^\n]+)")
_ENDS = re.compile("[@/:#]")
"""Where a connection string is taken apart."""


class Remedies:
    """What the sentences about trouble on the *way* to *tables* have to name, in the words of *dialect*.

    Attributes:
        host: where it happened.
        account: whom a GRANT has to name, where that is not just the user.
        work: what is being written.
        secrets: what no message may repeat.
    """

    def __init__(self, way: SqlMap, tables: Tables, dialect: sa.Dialect) -> None:
        self.host: SqlHost | None = None
        self.account: str | None = None
        self.changes = RowChanges()
        self._way = way
        self._tables = tables
        self._dialect = dialect
        self.secrets = list(_secrets(way))

    def fields(self, error: BaseException | None, seconds: float) -> dict[str, object]:
        """The placeholders of every sentence."""
        tables, way, ownership = self._tables, self._way, self._tables.ownership
        return {
            "path": printable(way.path),
            "host": printable(self.host.text) if self.host else printable(way.dbpath or ""),
            "user": printable(self._user or "this account"),
            "database": printable(way.dbname or way.dbpath or ""),
            "table": printable(tables.name),
            "statement": self._grants(error),
            "making": self._make_table(),
            "ownership": self._as_statement(CreateTable(ownership.model(), if_not_exists=True)) if ownership else "",
            "longest": self._longest(),
            "seconds": seconds,
            "error": "" if error is None else library_message(error, self.secrets),
        }

    def _longest(self) -> str:
        written = self.changes.added | {alias: goto for alias, (_, goto) in self.changes.changed.items()}
        if not written:
            return ""
        alias = max(written, key=lambda alias: len(written[alias]))
        return N_(
            " The longest destination that waits is {destination}; revoke {alias} if it is that which has no room."
        ).format(alias=printable(alias), destination=printable(written[alias]))

    @property
    def _user(self) -> str | None:
        # A connection string has an account of its own, and the map's counts for nothing beside it.
        if self.host is None or self.host.uri is None:
            return self._way.user
        found = _USER.match(self.host.uri.value)
        return unquote(found[1]) if found else None

    def _make_table(self) -> str:
        target = self._tables.target
        address = sa.Column(target.address_column, sa.String(_WIDTH), primary_key=True)
        goto = sa.Column(target.goto_column, sa.String(_WIDTH), nullable=False)
        names = [*target.constants, *([target.managed_column] if target.managed_column else [])]
        more = [sa.Column(name, sa.String(_WIDTH)) for name in names]
        table = sa.Table(target.table, sa.MetaData(), address, goto, *more, schema=target.schema)
        return self._as_statement(CreateTable(table))

    def _as_statement(self, making: CreateTable) -> str:
        return " ".join(str(making.compile(dialect=self._dialect)).split()) + ";"

    def _grants(self, error: BaseException | None) -> str:
        target, ownership = self._tables.target, self._tables.ownership
        names = [target.table, *([ownership.table.name] if ownership is not None else [])]
        wanted = [("SELECT, INSERT, UPDATE, DELETE", self._quoted(name)) for name in names]
        if (sequence := _SEQUENCE.search(str(error))) is not None:
            wanted.insert(0, ("USAGE", f"SEQUENCE {self._quoted(sequence[1])}"))
        if self._dialect.name == "postgresql" and target.schema is not None:
            # Without it, whatever else is granted in there counts for nothing.
            wanted.insert(0, ("USAGE", f"SCHEMA {self._dialect.identifier_preparer.quote(target.schema)}"))
        account = self.account or (self._dialect.identifier_preparer.quote(self._user) if self._user else "...")
        return " ".join(f"GRANT {rights} ON {printable(what)} TO {printable(account)};" for rights, what in wanted)

    def _quoted(self, name: str) -> str:
        # As whoever is told of it has to type it, who may be in another database of MariaDB.
        schema = self._tables.target.schema or (self._way.dbname if self._dialect.name == "mysql" else None)
        parts = [schema, name] if schema else [name]
        return ".".join(map(self._dialect.identifier_preparer.quote, parts)).replace("%%", "%")


def _secrets(way: SqlMap) -> Iterator[str]:
    if way.password is not None:
        yield way.password.value
    for host in way.hosts:
        if host.uri is not None:
            yield host.uri.value
            for part in _parts(host.uri.value):
                yield from {part, unquote(part)}


def _parts(uri: str) -> Iterator[str]:
    # Also of one that is not understood, and where the password is taken for a name or a port.
    path, _, parameters = uri.partition("://")[2].partition("?")
    login, _, _ = path.rpartition("@")
    _, _, password = login.partition(":")
    yield password
    yield from _ENDS.split(password)
    for parameter in parameters.split("&"):
        name, _, value = parameter.partition("=")
        if "pass" in name:
            yield value
