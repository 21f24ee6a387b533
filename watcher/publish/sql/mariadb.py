"""MariaDB and MySQL, by PyMySQL."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pymysql
import sqlalchemy as sa
from pymysql.connections import Connection
from pymysql.constants import CLIENT, CR, ER

from schemas.errors import error_text
from watcher.publish.sql.engines import CONNECT_SECONDS, RawRows, quoted_columns
from watcher.publish.sql.errors import Kind
from watcher.publish.sql.map_file import SqlHost, SqlMap, SqlMapError, Tls
from watcher.publish.sql.option_file import host_of, options_of
from watcher.publish.sql.tables import table_of, untyped

_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108 - never made by us
_BARE = re.compile(r"[A-Za-z0-9@._+-]*")
# A server that is not strict would cut a destination off that its column has no room for, and mail would go elsewhere.
_INIT_COMMAND = "SET autocommit = 0, sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
_AT_ONCE = 1000
"""How many rows a statement takes: far below max_allowed_packet, whose least default is a megabyte."""

# Of MariaDB's manual, "MariaDB Error Code Reference"; those of 2000 and more are of the library.
_CODES: Mapping[Kind, Iterable[int]] = {
    Kind.PASSWORD: (
        ER.ACCESS_DENIED_ERROR,
        ER.DBACCESS_DENIED_ERROR,
        1698,
        ER.HOST_NOT_PRIVILEGED,
        1251,
        2059,
        2061,
    ),
    Kind.NOT_ENCRYPTED: (2026, 3159),
    Kind.NO_DATABASE: (ER.BAD_DB_ERROR,),
    Kind.NO_TABLE: (ER.NO_SUCH_TABLE,),
    Kind.NO_COLUMN: (ER.BAD_FIELD_ERROR,),
    Kind.NO_PRIVILEGE: (ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, 1227),
    Kind.READ_ONLY: (ER.OPTION_PREVENTS_STATEMENT, 1792, 1836, 1015, 1036),
    Kind.NO_DEFAULT: (ER.NO_DEFAULT_FOR_FIELD, ER.BAD_NULL_ERROR),
    Kind.BAD_VALUE: (1406, 1366, 1264, 1265, 1292, 4025, 3819),
    Kind.NOT_UNIQUE: (ER.DUP_ENTRY, 1586),
    Kind.REFERENCE: (ER.NO_REFERENCED_ROW, ER.NO_REFERENCED_ROW_2, ER.ROW_IS_REFERENCED, ER.ROW_IS_REFERENCED_2),
    Kind.BUSY: (ER.LOCK_DEADLOCK, ER.CHECKREAD),
    Kind.TIMED_OUT: (ER.LOCK_WAIT_TIMEOUT,),
    Kind.UNREACHABLE: (2002, 2003, 2005, 1040, 1203, 1226, 1129),
    Kind.LOST: (0, 2006, 2013, 1053, 1927, 1152, 1158, 1159, 1160, 1161, 1047),
}
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}


class _Connection(Connection):
    """A connection that is never in the clear where it was to be encrypted, as PyMySQL made it before version 1.2."""

    def _get_server_information(self) -> None:
        super()._get_server_information()  # type: ignore[misc]
        # Before the login is sent. Newer versions try TLS also where it is not required.
        attributes = vars(self)
        if attributes.get("_ssl_required", attributes["ssl"]) and not attributes["server_capabilities"] & CLIENT.SSL:
            raise pymysql.OperationalError(CR.CR_SSL_CONNECTION_ERROR, "The server does not speak TLS")


class MariaDB:
    """The driver of MariaDB and MySQL; see `watcher.publish.sql.engines.Driver`."""

    url = "mysql+pymysql://"
    options: Mapping[str, Any] = {}
    begin_writing: str | None = None
    begin_reading = "START TRANSACTION READ ONLY"

    def connect(self, sql_map: SqlMap, host: SqlHost | None, seconds: float) -> Connection[Any]:
        # What is left to the library's defaults is the socket, as in libmariadb.
        options = options_of(sql_map)
        address: dict[str, Any] = {}
        if host is not None and host.socket is not None:
            address["unix_socket"] = host.socket
        elif host is not None and host.name not in {None, "localhost"}:
            address["host"] = host.name
        elif (name := host_of(options)) is not None:
            address["host"] = name
        else:
            address["unix_socket"] = options.get("socket") or next(filter(os.path.exists, _SOCKETS), _SOCKETS[0])
        if host is not None and (port := host.port or options.get("port")):
            address["port"] = int(port)
        timeout = max(1, round(min(seconds, CONNECT_SECONDS)))
        try:
            connection = _Connection(
                user=sql_map.user or options.get("user"),
                password=_as_bytes(sql_map.password.value if sql_map.password else options.get("password", "")),
                database=sql_map.dbname,
                charset="utf8mb4",
                connect_timeout=timeout,
                read_timeout=timeout,
                write_timeout=timeout,
                # Rows that an UPDATE finds count, though they may be as they should be already.
                client_flag=CLIENT.FOUND_ROWS,
                # What goes to a socket does not leave the machine, and no certificate is for its name.
                ssl=None if "unix_socket" in address else _tls(sql_map.tls, options),
                ssl_disabled="unix_socket" in address,
                init_command=_INIT_COMMAND,
                **address,
            )
        except OSError as error:
            # What the network says of itself is an error of the library's own.
            raise SqlMapError(
                f"The files that `tls_CAfile` and its like in {sql_map.path} name cannot be used: {error_text(error)}. "
                "Name files with certificates there, or take these lines out."
            ) from None
        if self.descriptor(connection) is not None:
            # A statement may take longer than a server to let us in; whoever guards the socket knows how long.
            vars(connection).update(_read_timeout=None, _write_timeout=None)
        return connection

    def descriptor(self, connection: Any) -> int | None:
        # PyMySQL has no public name for it; without it its own time-outs hold.
        connected = getattr(connection, "_sock", None)
        return None if connected is None else int(connected.fileno())

    def limit(self, seconds: float) -> str | None:
        # MySQL has a limit for waits for locks alone; by default they last a minute, and for a table a day.
        return f"SET innodb_lock_wait_timeout = {round(seconds) + 1}, lock_wait_timeout = {round(seconds) + 1}"

    def read_only(self, connection: Any) -> str | None:
        # A replica is commonly read_only; an account that may write there all the same should not.
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@global.read_only")
            found = cursor.fetchone()
        return "read_only is on" if found and found[0] not in {0, "0", "OFF"} else None

    def account(self, connection: sa.Connection) -> str | None:
        # With the hosts that it is for: there may be several accounts of one name.
        user, _, hosts = str(connection.execute(sa.select(sa.func.current_user())).scalar_one()).rpartition("@")
        return f"'{user}'@'{hosts}'"

    def kind_of(self, error: BaseException, *, connecting: bool) -> Kind:
        number = error.args[0] if error.args else None
        if "timed out" in str(error) or isinstance(error, TimeoutError):
            return Kind.TIMED_OUT
        # In the words of Python's ssl: the library gives it the number of any server that cannot be reached.
        if connecting and "[SSL" in str(error):
            return Kind.NOT_ENCRYPTED
        if isinstance(number, int) and (kind := _KINDS.get(number)) is not None:
            return Kind.UNREACHABLE if connecting and kind is Kind.LOST else kind
        if connecting and isinstance(error, pymysql.OperationalError | RuntimeError | OSError):
            return Kind.UNREACHABLE
        return Kind.LOST if isinstance(error, pymysql.InterfaceError | OSError) else Kind.REFUSED

    def text(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        # The server gives texts in the connection's character set; `text_of` makes texts of all else.
        return column

    def all_rows(self, connection: sa.Connection, query: sa.Select[Any]) -> RawRows:
        return [tuple(row) for row in connection.execute(query)]

    def insert_many(
        self,
        connection: sa.Connection,
        table: sa.TableClause,
        rows: Mapping[str, str],
        columns: Sequence[str],
        constants: Mapping[str, Any],
    ) -> None:
        # Written out here: the library takes longer for parameters than the server for all the rest.
        raw: Any = connection.connection.driver_connection
        into = quoted_columns(connection, table, [*columns, *constants])
        more = "".join(f", {raw.escape(value)}" for value in constants.values())
        values = [f"({_literal(raw, alias)}, {_literal(raw, goto)}{more})" for alias, goto in rows.items()]
        with raw.cursor() as cursor:
            for begin in range(0, len(values), _AT_ONCE):
                chunk = ",".join(values[begin : begin + _AT_ONCE])
                cursor.execute(f"INSERT INTO {into} VALUES {chunk}")  # noqa: S608

    def engine_of(self, connection: sa.Connection, table: sa.TableClause) -> str | None:
        tables = table_of("tables", ("engine", "table_name", "table_schema"), "information_schema")
        schema = sa.func.database() if table.schema is None else untyped(table.schema)
        query = sa.select(tables.c.engine).where(
            tables.c.table_name == untyped(table.name), tables.c.table_schema == schema
        )
        engine = connection.execute(query).scalar()
        return str(engine) if engine is not None and str(engine).lower() in {"myisam", "aria", "memory"} else None


def _literal(connection: Any, text: str) -> str:
    # Nearly none of them needs an escape.
    return f"'{text}'" if _BARE.fullmatch(text) else str(connection.escape(text))


def _as_bytes(password: str) -> bytes:
    # As they stand in the file: a text would be sent as latin-1.
    return password.encode("utf-8", "surrogateescape")


def _tls(tls: Tls, options: Mapping[str, str]) -> ssl.SSLContext | None:
    # Raises OSError. The library makes one as well, but checks no name where nobody says whose signatures are believed.
    given = {
        "ca": tls.ca_file,
        "capath": tls.ca_directory,
        "cert": tls.certificate,
        "key": tls.key,
        "cipher": tls.ciphers,
    }
    wanted = {name: value or options.get(f"ssl_{name}") or None for name, value in given.items()}
    verify = tls.verify or _is_on(options, "ssl_verify_server_cert")
    if not verify and not any(wanted.values()) and not _is_on(options, "ssl_enforce"):
        return None
    context = ssl.create_default_context(cafile=wanted["ca"], capath=wanted["capath"])
    context.check_hostname = verify
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if wanted["cert"] is not None:
        context.load_cert_chain(wanted["cert"], wanted["key"])
    if wanted["cipher"] is not None:
        context.set_ciphers(wanted["cipher"])
    return context


def _is_on(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "off").lower() not in {"0", "off", "false"}
