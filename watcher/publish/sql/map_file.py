"""Postfix's file of a map in a database, read as Postfix reads it: mysql_table(5), pgsql_table(5), sqlite_table(5)."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from typing import Literal

from schemas.errors import ExpectedError, error_text
from schemas.fs.directory import just_changed, read_plain
from schemas.text import printable

SqlType = Literal["mysql", "pgsql", "sqlite"]

SIZE_LIMIT = 64 * 1024

# Of ASCII alone: what Unicode calls white space besides is text to Postfix.
_BLANKS = b" \t\v\f\r"
_TEXTS = frozenset(
    {"user", "dbname", "dbpath", "charset", "encoding", "option_file", "option_group"}
    | {"tls_CAfile", "tls_CApath", "tls_cert_file", "tls_key_file", "tls_ciphers"}
)

_SEPARATORS = re.compile(r"[ ,\t\r\n]+")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?")
_URI = re.compile(r"postgres(?:ql)?://")
# A URI in which anything else stands where host, port and database belong might hold the password there.
_URI_HOST = r"(?:[A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
_SHOWN_URI = re.compile(rf"postgres(?:ql)?://(?:[^/@]*@)?(?P<shown>{_URI_HOST}(?:/[A-Za-z0-9_-]*)?)(?:\?[^@]*)?")


class SqlMapError(ExpectedError):
    """The file of a map cannot be read or used; the message names it and the next step, and never the password."""


class ParametersError(ValueError):
    """The file breaks the form; the message says at which line, and repeats nothing of it, as it may be a password."""


class HostError(ValueError):
    """One of the hosts is not of a form that is understood; the message says which by its number, and shows nothing."""


class Secret:
    """Text that is never shown: neither str() nor repr() give it away."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True)
class SqlHost:
    """One of `hosts`.

    `localhost` of MariaDB, whatever its port, is the default socket of the client's library and not a connection over
    TCP: see the note on `hosts` in mysql_table(5). It has that name and nothing else. Of PostgreSQL, where nothing is
    given, the library's default is meant: see pgsql_table(5) and the parameter `host` of libpq.

    Attributes:
        text: as messages call it, without any password: `unix:/run/mysqld/mysqld.sock`, `inet:10.0.0.2:5432`.
        socket: the path of a unix socket: of MariaDB's socket itself, of PostgreSQL's the directory.
        name: a host's name or address, an address of IPv6 without brackets.
        port: its port, where one is given.
        uri: a whole connection string, of PostgreSQL only.
    """

    text: str
    socket: str | None = None
    name: str | None = None
    port: int | None = None
    uri: Secret | None = None


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
    """The contents of a map's file.

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


class MapFile:
    """The file *path* of a map of *kind*, read again only when it has changed."""

    def __init__(self, path: str, kind: SqlType) -> None:
        self._path = path
        self._kind = kind
        # The contents as they were last read, and the version of the file that they are of; `None`: not known.
        self._contents: SqlMap | None = None
        self._version: tuple[int, ...] | None = None

    def read(self) -> SqlMap:
        """The contents at this moment.

        Raises:
            SqlMapError: it cannot be read, or says what cannot be.
        """
        # Taken before the reading: whatever changes after it is found by the next call.
        version = self._present_version()
        if self._contents is None or version is None or version != self._version:
            self._version = None
            self._contents = read_sql_map(self._path, self._kind)
            self._version = version
        return self._contents

    def _present_version(self) -> tuple[int, ...] | None:
        with contextlib.suppress(OSError):
            status = os.stat(self._path)
            # By ctime, which nobody can set: a password of the same length may be put in place, and the mtime put back.
            if not just_changed(status.st_ctime_ns):
                return status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size
        return None


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
        raise _bad_content(path, kind, str(error)) from None
    # What is empty counts for Postfix as what is not there; `option_group` alone can be switched off by it.
    given = {name: value for name, value in every.items() if value}
    for name in sorted(given.keys() & _TEXTS):
        if not given[name].isprintable():
            raise _bad_content(path, kind, f"`{name}` is not plain text in UTF-8")
    needed = "dbpath" if kind == "sqlite" else "dbname"
    if needed not in given and not (hosts and all(host.uri for host in hosts)):
        raise _bad_content(path, kind, f"`{needed}` is missing")
    if kind == "sqlite" and not given["dbpath"].startswith("/"):
        raise _bad_content(path, kind, "`dbpath` is no path from /")
    if given.get("tls_verify_cert", "no").lower() not in {"yes", "no"}:
        raise _bad_content(path, kind, "`tls_verify_cert` is neither `yes` nor `no`")
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


def _bad_content(path: str, kind: SqlType, problem: str) -> SqlMapError:
    return SqlMapError(f"In the map file {printable(path)}, {problem}. Mend it, see {kind}_table(5).")


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


def parse_parameters(data: bytes) -> dict[str, str]:
    """The parameters of *data* by name: see postconf(5), which describes the form of main.cf.

    A line that begins with white space goes on with the one before it, also across empty lines and comments; a `#` is a
    comment only where nothing but white space stands before it; of two definitions the later holds. Unlike in main.cf,
    `$name` stands for itself. Bytes that are not UTF-8 come in the form of `os.fsdecode`.

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


def parse_hosts(value: str, kind: SqlType) -> tuple[SqlHost, ...]:
    """Read the parameter `hosts`, in its order; where it is empty, that is `localhost`, as it is for Postfix.

    Raises:
        HostError: one of them cannot be read.
    """
    texts = [each for each in _SEPARATORS.split(value) if each] or ["localhost"]
    return tuple(_host(text, kind, number) for number, text in enumerate(texts, 1))


def _host(text: str, kind: SqlType, number: int) -> SqlHost:
    if not text.isprintable():
        raise HostError(f"host {number} is not plain text in UTF-8")
    if kind == "pgsql" and _URI.match(text):
        return SqlHost(text=_without_secrets(text), uri=Secret(text))
    address = text.removeprefix("unix:") if text.startswith("unix:") else text.removeprefix("inet:")
    if kind == "pgsql" and (not address or address.startswith("/")):
        return SqlHost(text=f"unix:{printable(address)}", socket=address or None)
    if kind == "mysql" and text.startswith("unix:") and address.lower() not in {"", "localhost"}:
        if not address.startswith("/"):
            raise HostError(f"host {number} is no path from / of a socket")
        return SqlHost(text=f"unix:{printable(address)}", socket=address)
    name, port = _split(address, number)
    if kind == "mysql" and name.lower() in {"", "localhost"}:
        return SqlHost(text="localhost", name="localhost")
    return SqlHost(
        text=f"inet:{f'[{name}]' if ':' in name else name}{f':{port}' if port else ''}", name=name, port=port
    )


def _split(address: str, number: int) -> tuple[str, int | None]:
    name, colon, port = address.rpartition(":")
    if not colon or address.endswith("]") or _is_ipv6(address):
        name, port = address, ""
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if name and not _NAME.fullmatch(name) and not _is_ipv6(name):
        raise HostError(f"host {number} is neither `inet:host:port` nor `unix:/path`")
    return name, _port(port, number) if port else None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _port(text: str, number: int) -> int:
    if re.fullmatch("[0-9]{1,5}", text) and 0 < int(text) < 65536:
        return int(text)
    if re.fullmatch("[a-z][a-z0-9-]{0,30}", text):
        try:
            return socket.getservbyname(text, "tcp")
        except OSError:
            pass
    raise HostError(f"host {number} has a port that is none")


def _without_secrets(uri: str) -> str:
    shown = _SHOWN_URI.fullmatch(uri)
    return f"postgresql://{shown['shown'] if shown else '...'}"
