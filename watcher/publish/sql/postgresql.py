"""PostgreSQL, by psycopg 3."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.types.string import TextLoader

from watcher.publish.sql.engines import CONNECT_SECONDS, RawRows, quoted_columns
from watcher.publish.sql.errors import Kind
from watcher.publish.sql.map_file import SqlHost, SqlMap
from watcher.publish.sql.tables import untyped

# Appendix A of PostgreSQL's manual, "PostgreSQL Error Codes": whole codes, then classes.
_STATES = {
    "3D000": Kind.NO_DATABASE,
    "3F000": Kind.NO_TABLE,
    "42P01": Kind.NO_TABLE,
    "42703": Kind.NO_COLUMN,
    "42501": Kind.NO_PRIVILEGE,
    "25006": Kind.READ_ONLY,
    "23502": Kind.NO_DEFAULT,
    "23514": Kind.BAD_VALUE,
    "42804": Kind.BAD_VALUE,
    "23505": Kind.NOT_UNIQUE,
    "23P01": Kind.NOT_UNIQUE,
    "23503": Kind.REFERENCE,
    "40001": Kind.BUSY,
    "40P01": Kind.BUSY,
    "55P03": Kind.BUSY,
    "57014": Kind.TIMED_OUT,
    "22": Kind.BAD_VALUE,
    "28": Kind.PASSWORD,
    "08": Kind.LOST,
    "57P": Kind.LOST,
    "53300": Kind.UNREACHABLE,
}
# libpq gives no code for a connection that was turned down, only words, in the server's language.
_TURNED_DOWN = (
    (re.compile(r"SSL error|does not support SSL|certificate"), Kind.NOT_ENCRYPTED),
    (re.compile("Peer authentication failed"), Kind.PEER),
    (re.compile(r"password|authentication|pg_hba|role .* does not exist|not permitted to log in"), Kind.PASSWORD),
    (re.compile(r"permission denied for database"), Kind.PASSWORD),
    (re.compile(r"database .* does not exist"), Kind.NO_DATABASE),
)

_AT_ONCE = 1000
"""How many rows are handed over at once."""


class _AnyText(TextLoader):
    """A text of whatever bytes: a database of the encoding SQL_ASCII checks nothing."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "surrogateescape")


class PostgreSQL:
    """The driver of PostgreSQL; see `watcher.publish.sql.engines.Driver`."""

    url = "postgresql+psycopg://"
    # Looking for hstore would cost a question at each connection.
    options: Mapping[str, Any] = {"use_native_hstore": False}
    begin_writing: str | None = None
    begin_reading = "SET TRANSACTION READ ONLY"

    def connect(self, sql_map: SqlMap, host: SqlHost | None, seconds: float) -> psycopg.Connection[Any]:
        given: dict[str, Any] = {}
        if host is not None and host.uri is None:
            password = sql_map.password.value if sql_map.password else None
            wanted = {"user": sql_map.user, "password": password, "dbname": sql_map.dbname, "port": host.port}
            given = {name: value for name, value in wanted.items() if value is not None}
            if address := host.socket or host.name:
                given["host"] = address
        connection = psycopg.connect(
            host.uri.value if host is not None and host.uri is not None else "",
            connect_timeout=max(1, round(min(seconds, CONNECT_SECONDS))),
            client_encoding="UTF8",
            application_name="runv-email-alias",
            # A server behind a pooler keeps no prepared statement for us.
            prepare_threshold=None,
            **given,
        )
        connection.adapters.register_loader("text", _AnyText)
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # Where nobody checks what is put in, what comes out is not to be checked, either.
            connection.execute("SET client_encoding TO 'SQL_ASCII'")
            connection.commit()
        return connection

    def descriptor(self, connection: psycopg.Connection[Any]) -> int | None:
        return connection.fileno()

    def limit(self, seconds: float) -> str | None:
        # For this transaction alone, since a pooler gives the session to others.
        return f"SET LOCAL statement_timeout = {round(seconds * 1000) + 500}"

    def read_only(self, connection: psycopg.Connection[Any]) -> str | None:
        # A standby says so by itself since PostgreSQL 14; earlier ones are asked.
        status = connection.info.parameter_status
        standby, read_only = status("in_hot_standby"), status("default_transaction_read_only")
        if standby is None or read_only is None:
            found = connection.execute(
                "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')"
            ).fetchone()
            connection.rollback()
            standby, read_only = ("on" if found and found[0] else "off"), (found[1] if found else "off")
        if standby == "on":
            return "it is a standby"
        return "default_transaction_read_only is on" if read_only == "on" else None

    def account(self, connection: sa.Connection) -> str | None:
        return None

    def kind_of(self, error: BaseException, *, connecting: bool) -> Kind:
        state = getattr(error, "sqlstate", None) or ""
        for length in (5, 3, 2):
            if (kind := _STATES.get(state[:length])) is not None and len(state) >= length:
                return kind
        if connecting:
            if isinstance(error, psycopg.errors.ConnectionTimeout):
                return Kind.TIMED_OUT
            kinds = (kind for words, kind in _TURNED_DOWN if words.search(str(error)))
            return next(kinds, Kind.UNREACHABLE)
        lost = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Kind.LOST if lost else Kind.REFUSED

    def text(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        # The cast takes the blanks off a char(n), too.
        return sa.cast(column, sa.Text())

    def all_rows(self, connection: sa.Connection, query: sa.Select[Any]) -> RawRows:
        # As one JSON text: a hundred thousand rows take the library a second.
        inner = query.subquery()
        whole = sa.select(sa.cast(sa.func.json_agg(sa.func.json_build_array(*inner.c)), sa.Text()))
        text = connection.execute(whole).scalar_one()
        if text is None:
            return []
        try:
            return msgspec.json.decode(text, type=list[Sequence[Any]])
        except (UnicodeError, msgspec.DecodeError):
            return list(json.loads(text, strict=False))

    def insert_many(
        self,
        connection: sa.Connection,
        table: sa.TableClause,
        rows: Mapping[str, str],
        columns: Sequence[str],
        constants: Mapping[str, Any],
    ) -> None:
        # By COPY, which takes no longer than the server needs for the rows.
        try:
            with connection.begin_nested():
                _copy(connection, table, rows, columns, constants)
        except (psycopg.errors.WrongObjectType, psycopg.errors.FeatureNotSupported):
            # A view and a table with policies for rows take no COPY, but may take an INSERT.
            text = msgspec.json.encode(list(rows.items())).decode()
            each = sa.func.json_array_elements(untyped(text)).table_valued("value", name="r")
            pair: list[sa.ColumnElement[Any]] = [sa.literal_column(f"r.value ->> {index}") for index in (0, 1)]
            found = sa.select(*pair, *map(untyped, constants.values())).select_from(each)
            connection.execute(sa.insert(table).from_select([*columns, *constants], found, include_defaults=False))

    def engine_of(self, connection: sa.Connection, table: sa.TableClause) -> str | None:
        return None  # all of its tables have transactions


def _copy(
    connection: sa.Connection,
    table: sa.TableClause,
    rows: Mapping[str, str],
    columns: Sequence[str],
    constants: Mapping[str, Any],
) -> None:
    into = quoted_columns(connection, table, [*columns, *constants])
    more = "".join(f"\t{_escaped(value)}" for value in constants.values())
    lines = [f"{_escaped(alias)}\t{_escaped(goto)}{more}\n" for alias, goto in rows.items()]
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for begin in range(0, len(lines), _AT_ONCE):
            copy.write("".join(lines[begin : begin + _AT_ONCE]))


def _escaped(text: str) -> str:
    # The text format of COPY, by the manual's page of that statement.
    if "\\" not in text and "\t" not in text and "\n" not in text and "\r" not in text:
        return text
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
