"""The hosts that the file of a map in a database names: mysql_table(5), pgsql_table(5)."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Literal

from schemas.text import printable

SqlType = Literal["mysql", "pgsql", "sqlite"]

_SEPARATORS = re.compile(r"[ ,\t\r\n]+")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?")
_URI = re.compile(r"postgres(?:ql)?://")
# A URI in which anything else stands where host, port and database belong might hold the password there.
_URI_HOST = r"(?:[A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
_SHOWN_URI = re.compile(rf"postgres(?:ql)?://(?:[^/@]*@)?(?P<shown>{_URI_HOST}(?:/[A-Za-z0-9_-]*)?)(?:\?[^@]*)?")


class HostError(ValueError):
    """One of the hosts is not of a form that is understood; the message says which by its number, and shows nothing."""


class Secret:
    """Text that is never shown: neither str() nor repr() give it away."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        """Whether *other* keeps the same."""
        return isinstance(other, Secret) and other.value == self.value

    def __hash__(self) -> int:
        """Of what is kept."""
        return hash(self.value)

    def __repr__(self) -> str:
        """Nothing of it."""
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
    display_path = text.removeprefix("unix:") if text.startswith("unix:") else text.removeprefix("inet:")
    if kind == "pgsql" and (not display_path or display_path.startswith("/")):
        return SqlHost(text=f"unix:{printable(display_path)}", socket=display_path or None)
    if kind == "mysql" and text.startswith("unix:") and display_path.lower() not in {"", "localhost"}:
        if not display_path.startswith("/"):
            raise HostError(f"host {number} is no path from / of a socket")
        return SqlHost(text=f"unix:{printable(display_path)}", socket=display_path)
    name, port = _split(display_path, number)
    if kind == "mysql" and name.lower() in {"", "localhost"}:
        return SqlHost(text="localhost", name="localhost")
    return SqlHost(
        text=f"inet:{f'[{name}]' if ':' in name else name}{f':{port}' if port else ''}", name=name, port=port
    )


def _split(display_path: str, number: int) -> tuple[str, int | None]:
    name, colon, port = display_path.rpartition(":")
    if not colon or display_path.endswith("]") or _is_ipv6(display_path):
        name, port = display_path, ""
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
