"""Postfix's own file of a map in a database: mysql_table(5), pgsql_table(5), sqlite_table(5)."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from schemas.errors import ExpectedError, error_text
from schemas.fs.directory import just_changed, read_plain
from schemas.sql_block import Database, Value
from schemas.text import printable
from watcher.publish.sql.hosts import HostError, Secret, SqlHost, SqlType, parse_hosts
from watcher.publish.sql.query import NotPlainError, Query, parse_query

# Of ASCII alone: what Unicode calls white space besides is text to Postfix.
_BLANKS = b" \t\v\f\r"


class ParametersError(ValueError):
    """The file breaks the form; the message says at which line, and repeats nothing of it, as it may be a password."""


def parse_parameters(data: bytes) -> dict[str, str]:
    """The parameters of *data* by name: see postconf(5), which describes the form of main.cf.

    A line that begins with white space goes on with the one before it, also across empty lines and comments; a `#` is a
    comment only where nothing but white space stands before it; of two definitions the later holds. Unlike in main.cf,
    `$name` stands for itself. Octets that are not UTF-8 come in the form of `os.fsdecode`.

    Raises:
        ParametersError: a line has no name or no `=`, or the file holds a NUL byte.
    """
    found: dict[str, str] = {}
    for number, line in _logical_lines(data):
        name, equals, value = line.partition(b"=")
        name = name.strip(_BLANKS)
        if not name or not equals or any(blank in name for blank in _BLANKS):
            raise ParametersError(f"line {number} is not of the form `name = value`")
        if b"\0" in line:
            raise ParametersError(f"line {number} holds a NUL octet")
        found[_text(name)] = _text(value.strip(_BLANKS))
    return found


def _logical_lines(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, list[bytes]]] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        bare = line.lstrip(_BLANKS)
        if not bare or bare.startswith(b"#"):
            continue
        if bare == line:
            found.append((number, [line]))
        elif found:
            found[-1][1].append(line)
        # Postfix only warns of one that goes on with nothing, and leaves it out.
    return [(number, b"".join(parts)) for number, parts in found]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


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


class MapFile:
    """The file *path* of a map of *kind*."""

    def __init__(self, path: str, kind: SqlType) -> None:
        self._path = path
        self._kind = kind
        self._seen: tuple[int, ...] | None = None
        self._read: SqlMap | None = None

    def read(self) -> SqlMap:
        """What it says at this moment.

        Raises:
            SqlMapError: it cannot be read, or says what cannot be.
        """
        # Looked at before it is read: whatever changes after this look is found by the next one.
        seen = self._look()
        if self._read is None or seen is None or seen != self._seen:
            self._seen = None
            self._read = read_sql_map(self._path, self._kind)
            self._seen = seen
        return self._read

    def _look(self) -> tuple[int, ...] | None:
        with contextlib.suppress(OSError):
            found = os.stat(self._path)
            # By ctime, which nobody can set: a password of the same length may be put in place, and the mtime put back.
            if not just_changed(found.st_ctime_ns):
                return found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size
        return None
