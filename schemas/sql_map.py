"""Postfix's own file of a map in a database: mysql_table(5), pgsql_table(5), sqlite_table(5)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from schemas.database import Database, Value
from schemas.errors import ExpectedError, error_text
from schemas.files import read_plain
from schemas.parameters import ParametersError, parse_parameters
from schemas.sql_hosts import HostError, Secret, SqlHost, SqlType, parse_hosts
from schemas.sql_query import Query, parse_query
from schemas.sql_tokens import NotPlainError
from schemas.text import printable

__all__ = [
    "Secret",
    "SqlHost",
    "SqlMap",
    "SqlMapError",
    "SqlType",
    "Target",
    "Tls",
    "parse_sql_map",
    "read_sql_map",
    "target_of",
]

SIZE_LIMIT = 64 * 1024
_TEXTS = frozenset(
    {"user", "dbname", "dbpath", "charset", "encoding", "option_file", "option_group"}
    | {"tls_CAfile", "tls_CApath", "tls_cert_file", "tls_key_file", "tls_ciphers"}
)
_AS_IT_IS = frozenset({"%s", "%u@%d"})


class SqlMapError(ExpectedError):
    """The file of a map cannot be read or used; the message names it and the next step, and never the password."""


@dataclass(frozen=True)
class Tls:
    """`tls_*` of mysql_table(5)."""

    ca_file: str | None = None
    ca_directory: str | None = None
    certificate: str | None = None
    key: str | None = None
    ciphers: str | None = None
    verify: bool = False


@dataclass(frozen=True)
class SqlMap:
    """What such a file says.

    Attributes:
        path: of the file.
        kind: of the map.
        hosts: where the database is; sqlite has none.
        user, password, dbname: how to log in; `None` where empty. A URI among the hosts takes nothing of them.
        dbpath: sqlite's file.
        query: the query, also where the file has the old form of table, select_field and where_field.
        domains: `domain`: only addresses there are asked for; empty: all.
        result_format: how an answer is dressed; `%s` is not at all.
        charset: of the connection, where one is given (`charset` of mysql, `encoding` of pgsql).
        option_file, option_group: MariaDB's own option file, and the group in it that is read after `[client]`. Without
            a file the library's default ones are meant; with neither, none.
        tls: of MariaDB.
    """

    path: str
    kind: SqlType
    hosts: tuple[SqlHost, ...] = ()
    user: str | None = None
    password: Secret | None = None
    dbname: str | None = None
    dbpath: str | None = None
    query: str | None = None
    domains: tuple[str, ...] = ()
    result_format: str = "%s"
    charset: str | None = None
    option_file: str | None = None
    option_group: str | None = None
    tls: Tls = Tls()


@dataclass(frozen=True)
class Target:
    """The rows that are kept in line.

    Attributes:
        table: the table's name.
        schema: the one before the dot, where there is one.
        address_column, goto_column: its columns.
        constants: what new rows need besides.
        managed_column, managed_value: what marks rows of ours; both `None` where a table of ours lists them.
    """

    table: str
    schema: str | None
    address_column: str
    goto_column: str
    constants: dict[str, Value]
    managed_column: str | None = None
    managed_value: Value | None = None


def read_sql_map(path: str, kind: SqlType) -> SqlMap:
    """Read the file *path* of a map of type *kind*, as Postfix reads it; a link is followed.

    Raises:
        SqlMapError: it cannot be read, or says what cannot be.
    """
    try:
        data = read_plain(os.path.realpath(path), SIZE_LIMIT).data
    except PermissionError as error:
        raise SqlMapError(
            f"The map file {printable(path)} cannot be read: {error_text(error)}. It is for root, since it has a "
            "password: use sudo."
        ) from error
    except (OSError, ExpectedError) as error:
        raise SqlMapError(
            f"The map file {printable(path)} cannot be read: {error_text(error)}. Name a file in the form of "
            f"{kind}_table(5), or mend this one."
        ) from error
    return parse_sql_map(data, path, kind)


def parse_sql_map(data: bytes, path: str, kind: SqlType) -> SqlMap:
    """Read *data* as the contents of the file *path*. Raises what `read_sql_map` does."""
    try:
        every = parse_parameters(data)
        hosts = parse_hosts(every.get("hosts", ""), kind) if kind != "sqlite" else ()
    except (ParametersError, HostError) as error:
        raise _wrong(path, kind, str(error)) from None
    # What is empty counts for Postfix as what is not there; `option_group` alone can be switched off by it.
    given = {name: value for name, value in every.items() if value}
    for name in sorted(given.keys() & _TEXTS):
        if not given[name].isprintable():
            raise _wrong(path, kind, f"`{name}` is not plain text in UTF-8")
    needed = "dbpath" if kind == "sqlite" else "dbname"
    if needed not in given and not (hosts and all(host.uri for host in hosts)):
        raise _wrong(path, kind, f"`{needed}` is missing")
    if kind == "sqlite" and not given["dbpath"].startswith("/"):
        raise _wrong(path, kind, "`dbpath` is no path from /")
    if given.get("tls_verify_cert", "no").lower() not in {"yes", "no"}:
        raise _wrong(path, kind, "`tls_verify_cert` is neither `yes` nor `no`")
    return SqlMap(
        path=path,
        kind=kind,
        hosts=hosts,
        user=given.get("user"),
        password=Secret(given["password"]) if "password" in given else None,
        dbname=given.get("dbname"),
        dbpath=given.get("dbpath"),
        query=_query_of(given, kind),
        domains=tuple(given.get("domain", "").replace(",", " ").split()),
        result_format=given.get("result_format", "%s"),
        charset=given.get("encoding" if kind == "pgsql" else "charset"),
        option_file=given.get("option_file"),
        option_group=(every.get("option_group", "client") or None) if kind == "mysql" else None,
        tls=Tls(
            ca_file=given.get("tls_CAfile"),
            ca_directory=given.get("tls_CApath"),
            certificate=given.get("tls_cert_file"),
            key=given.get("tls_key_file"),
            ciphers=given.get("tls_ciphers"),
            verify=given.get("tls_verify_cert", "no").lower() == "yes",
        ),
    )


def _wrong(path: str, kind: SqlType, what: str) -> SqlMapError:
    return SqlMapError(f"In the map file {printable(path)}, {what}. Mend it, see {kind}_table(5).")


def _query_of(given: dict[str, str], kind: SqlType) -> str | None:
    if "query" in given:
        return given["query"]
    if kind == "pgsql" and "select_function" in given:
        return f"SELECT {given['select_function']}('%s')"
    if not given.keys() >= {"select_field", "table", "where_field"}:
        return None
    more = given.get("additional_conditions", "")
    # It is taken apart and never run, so that nothing can be smuggled into it.
    return f"SELECT {given['select_field']} FROM {given['table']} WHERE {given['where_field']} = '%s' {more}"  # noqa: S608


def target_of(database: Database, sql_map: SqlMap) -> Target:
    """Where the rows belong: as the configuration says, and what it leaves out as the query of the map says.

    Constants of the query (`AND active = '1'`) are taken along where the table is the query's, so that what is
    published is found by it; those of the configuration come before them.

    Raises:
        SqlMapError: neither says it.
    """
    query = _query_for(database, sql_map)
    address = database.address_column or (query.address_column if query else "")
    goto = database.goto_column or (query.goto_column if query else "")
    schema, _, table = (database.table or "").rpartition(".")
    used = {_folded(name, sql_map.kind) for name in (address, goto, database.managed_column) if name}
    given = {_folded(name, sql_map.kind) for name in database.constants}
    if len(used) < (2 if database.managed_column is None else 3) or used & given:
        raise SqlMapError(
            f"By the query of the map file {printable(sql_map.path)} the addresses stand in the column `{address}` and "
            f"the destinations in `{goto}`, and `sql` gives one of its columns a second meaning. Mend `managed_column` "
            "or `constants` in `sql`."
        )
    found = query.constants if query else {}
    return Target(
        table=table or (query.table if query else ""),
        schema=schema or (query.schema if query else None),
        address_column=address,
        goto_column=goto,
        constants={name: value for name, value in found.items() if _folded(name, sql_map.kind) not in used | given}
        | database.constants,
        managed_column=database.managed_column,
        managed_value=database.managed_value,
    )


def _query_for(database: Database, sql_map: SqlMap) -> Query | None:
    path = printable(sql_map.path)
    if sql_map.result_format not in _AS_IT_IS:
        raise SqlMapError(
            f"The map file {path} has a `result_format`, so what Postfix finds is not the destination as the table "
            "holds it. Take that line out, or name another map file in `sql`."
        )
    missing = [f"`{key}`" for key in ("table", "address_column", "goto_column") if getattr(database, key) is None]
    give = f"so it does not say where the aliases belong. Give {', '.join(missing)} in `sql`."
    if sql_map.query is None:
        if missing:
            raise SqlMapError(f"The map file {path} has no `query`, {give}")
        return None
    try:
        query = parse_query(sql_map.query, sql_map.kind)
    except NotPlainError as error:
        if missing:
            raise SqlMapError(f"The query of the map file {path} {error}, {give}") from None
        return None
    if not _is_of(query, database.table, sql_map.kind):
        if missing:
            raise SqlMapError(
                f"The query of the map file {path} reads from `{query.table}`, and `table` in `sql` is "
                f"`{database.table}`, {give}"
            )
        return None
    names = {_folded(name, sql_map.kind) for name in (*database.constants, database.managed_column) if name}
    unknown = [name for name in query.parts if _folded(name, sql_map.kind) not in names]
    if missing and unknown:
        raise SqlMapError(
            f"The query of the map file {path} wants `'{printable(query.parts[unknown[0]])}'` in the column "
            f"`{unknown[0]}`. Say in `constants` of `sql` what rows of ours have there."
        )
    return query


def _is_of(query: Query, table: str | None, kind: SqlType) -> bool:
    if table is None:
        return True
    schema, _, name = table.rpartition(".")
    same = _folded(name, kind) == _folded(query.table, kind)
    return same and (not schema or query.schema is None or _folded(schema, kind) == _folded(query.schema, kind))


def _folded(name: str, kind: SqlType) -> str:
    # PostgreSQL alone tells names from each other that differ in case only.
    return name if kind == "pgsql" else name.lower()
