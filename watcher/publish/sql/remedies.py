"""What the sentences of `errors.Kind` name: the file, the host, the table, and the statements to run."""

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
from watcher.publish.sql.tables import ADDRESS_WIDTH, Tables

_USER = re.compile(r"[^:]+://([^/@:]+)(?::[^/@]*)?@")
_SEQUENCE = re.compile("permission denied for sequence ([^\n]+)")
_URI_DELIMITERS = re.compile("[@/:#]")


class Remedies:
    """The placeholders of the sentences about one connection.

    Args:
        sql_map: the map whose hosts and account it uses.
        tables: what is read and written by it.
        dialect: how the database spells statements.

    Attributes:
        host: where the error happened.
        account: whom a GRANT has to name, where that is not just the user.
        changes: what is being written.
        secrets: what no message may repeat.
    """

    def __init__(self, sql_map: SqlMap, tables: Tables, dialect: sa.Dialect) -> None:
        self.host: SqlHost | None = None
        self.account: str | None = None
        self.changes = RowChanges()
        self._map = sql_map
        self._tables = tables
        self._dialect = dialect
        self.secrets = list(_secrets(sql_map))

    def fields(self, error: BaseException | None, seconds: float) -> dict[str, object]:
        """A value for every placeholder, where *error* came after so many *seconds*."""
        tables, sql_map, ownership = self._tables, self._map, self._tables.ownership
        return {
            "path": printable(sql_map.path),
            "host": printable(self.host.text) if self.host else printable(sql_map.dbpath or ""),
            "user": printable(self._user or "this account"),
            "database": printable(sql_map.dbname or sql_map.dbpath or ""),
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
            return self._map.user
        found = _USER.match(self.host.uri.value)
        return unquote(found[1]) if found else None

    def _make_table(self) -> str:
        target = self._tables.target
        address = sa.Column(target.address_column, sa.String(ADDRESS_WIDTH), primary_key=True)
        goto = sa.Column(target.goto_column, sa.String(ADDRESS_WIDTH), nullable=False)
        names = [*target.constants, *([target.managed_column] if target.managed_column else [])]
        more = [sa.Column(name, sa.String(ADDRESS_WIDTH)) for name in names]
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
        return " ".join(f"GRANT {rights} ON {printable(name)} TO {printable(account)};" for rights, name in wanted)

    def _quoted(self, name: str) -> str:
        # With the database of MariaDB, for whoever runs the statement may be in another.
        schema = self._tables.target.schema or (self._map.dbname if self._dialect.name == "mysql" else None)
        parts = [schema, name] if schema else [name]
        return ".".join(map(self._dialect.identifier_preparer.quote, parts)).replace("%%", "%")


def _secrets(sql_map: SqlMap) -> Iterator[str]:
    if sql_map.password is not None:
        yield sql_map.password.value
    for host in sql_map.hosts:
        if host.uri is not None:
            yield host.uri.value
            for part in _parts(host.uri.value):
                yield from {part, unquote(part)}


def _parts(uri: str) -> Iterator[str]:
    """What may be the password in *uri*, also where that is malformed, so that its parts are taken for one another."""
    path, _, parameters = uri.partition("://")[2].partition("?")
    login, _, _ = path.rpartition("@")
    _, _, password = login.partition(":")
    yield password
    yield from _URI_DELIMITERS.split(password)
    for parameter in parameters.split("&"):
        name, _, value = parameter.partition("=")
        if "pass" in name:
            yield value
