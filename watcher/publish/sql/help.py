"""The next step: whose file, which table, and what to run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from schemas.sql_map import SqlHost, SqlMap
from schemas.text import printable
from watcher.publish.sql.tables import Tables
from watcher.publish.sql.troubles import said

_WIDTH = 255
"""Of a column that is made for addresses."""
_SEQUENCE = re.compile(r"permission denied for sequence (\S+)")
_LOGIN = re.compile(r"[^:]+://[^/@]*?:([^/@]*)@")


class Advice:
    """What the sentences about trouble on the *way* to *tables* have to name, in the words of *dialect*.

    Attributes:
        host: where it happened.
        account: whom a GRANT has to name, where that is not just the user.
        secrets: what no message may repeat.
    """

    def __init__(self, way: SqlMap, tables: Tables, dialect: sa.Dialect) -> None:
        self.host: SqlHost | None = None
        self.account: str | None = None
        self._way = way
        self._tables = tables
        self._dialect = dialect
        self.secrets = list(_secrets(way))

    def told(self, error: BaseException | None, seconds: float) -> dict[str, object]:
        """The placeholders of every sentence."""
        tables, way, listing = self._tables, self._way, self._tables.listing
        return {
            "path": printable(way.path),
            "host": printable(self.host.text) if self.host else printable(way.dbpath or ""),
            "user": printable(way.user or "this account"),
            "database": printable(way.dbname or way.dbpath or ""),
            "table": printable(tables.name),
            "statement": self._grants(error),
            "making": self._make_table(),
            "listing": self._spelt(listing.model()) if listing else "",
            "seconds": seconds,
            "error": "" if error is None else said(error, self.secrets),
        }

    def _make_table(self) -> str:
        target = self._tables.target
        address = sa.Column(target.address_column, sa.String(_WIDTH), primary_key=True)
        goto = sa.Column(target.goto_column, sa.String(_WIDTH), nullable=False)
        names = [*target.constants, *([target.managed_column] if target.managed_column else [])]
        more = [sa.Column(name, sa.String(_WIDTH)) for name in names]
        return self._spelt(sa.Table(target.table, sa.MetaData(), address, goto, *more, schema=target.schema))

    def _spelt(self, table: sa.Table) -> str:
        return " ".join(str(CreateTable(table).compile(dialect=self._dialect)).split()) + ";"

    def _grants(self, error: BaseException | None) -> str:
        listing, way = self._tables.listing, self._way
        names = [self._tables.name, *([listing.name] if listing is not None else [])]
        if self._dialect.name == "mysql" and way.dbname:
            names = [name if "." in name else f"{way.dbname}.{name}" for name in names]
        account = printable(self.account or way.user or "...")
        grants = [f"GRANT SELECT, INSERT, UPDATE, DELETE ON {printable(name)} TO {account};" for name in names]
        if (sequence := _SEQUENCE.search(str(error))) is not None:
            grants.insert(0, f"GRANT USAGE ON SEQUENCE {printable(sequence[1])} TO {account};")
        return " ".join(grants)


def _secrets(way: SqlMap) -> Iterator[str]:
    if way.password is not None:
        yield way.password.value
    for host in way.hosts:
        if host.uri is not None:
            yield host.uri.value
            if (login := _LOGIN.match(host.uri.value)) is not None:
                yield from {login[1], unquote(login[1])}
