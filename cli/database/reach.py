"""By which way a database is reached: hosts, sockets, files, which walls around the watcher and Postfix have to let."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from schemas.config import Config
from schemas.option_file import host_of, options_of
from schemas.sql_map import SqlMap, SqlType, read_sql_map


class Reach(NamedTuple):
    """What has to be reached.

    Attributes:
        names: hosts, by name or address, other than this machine.
        sockets: whether a unix socket is among it.
        loopback: whether this machine is, by TCP.
        file: sqlite's file.
    """

    names: frozenset[str]
    sockets: bool
    loopback: bool
    file: str | None

    @property
    def addresses(self) -> frozenset[str] | None:
        """The addresses of *names*; `None` where one is a name, which may lead anywhere, and tomorrow elsewhere."""
        return None if any(not _is_address(name) for name in self.names) else self.names


def reach_of(*maps: SqlMap) -> Reach:
    """What the connections of *maps* have to reach.

    Raises:
        SqlMapError: an option file that one of them names cannot be used.
    """
    hosts = [host for each in maps for host in _hosts(each)]
    names = frozenset(host for host in hosts if host and not _is_here(host))
    return Reach(
        names=names,
        sockets="" in hosts,
        loopback=any(host and _is_here(host) for host in hosts),
        file=next((each.dbpath for each in maps if each.dbpath), None),
    )


def configured_maps(config: Config) -> list[SqlMap]:
    """The files of the map that *config* names: Postfix's own, and the one for writing where there is one.

    Raises:
        SqlMapError: one of them cannot be used.
    """
    database, kind = config.database, sql_type(config)
    paths = dict.fromkeys(path for path in (database.map_file, database.write_map_file) if path)
    return [read_sql_map(path, kind) for path in paths]


def sql_type(config: Config) -> SqlType:
    """The type of the map of *config*, which is in a database."""
    return "mysql" if config.map_type == "mysql" else "pgsql" if config.map_type == "pgsql" else "sqlite"


def _hosts(sql_map: SqlMap) -> Iterator[str]:
    """Each host's name or address; empty for a socket."""
    for host in sql_map.hosts:
        if host.uri is not None:
            yield from _of_uri(host.uri.value)
        elif host.name is None:
            yield ""
        elif sql_map.kind == "mysql" and host.name.lower() == "localhost":
            # For MariaDB's library that name is another word for its socket, unless its own file says otherwise.
            yield host_of(options_of(sql_map)) or ""
        else:
            yield host.name


def _of_uri(uri: str) -> Iterator[str]:
    """The hosts of a connection string, see section 32.1.1.2 of PostgreSQL's manual."""
    path, _, parameters = uri.partition("://")[2].partition("?")
    given = parse_qs(parameters)
    authority = path.partition("/")[0].rpartition("@")[2]
    texts = (given.get("hostaddr") or given.get("host") or [authority])[0].split(",")
    for text in texts:
        host = unquote(text)
        if host.startswith("["):
            host = host[1:].partition("]")[0]
        elif not host.startswith("/") and host.count(":") == 1:
            host = host.partition(":")[0]
        yield "" if host.startswith(("/", "@")) else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_here(name: str) -> bool:
    # systemd's own `localhost` is 127.0.0.0/8 and ::1: systemd.resource-control(5).
    return name.lower() == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def holder_of(file: str) -> str:
    """The directory that a program has to write to that changes sqlite's *file*: its journal lies beside it."""
    return os.path.dirname(os.path.realpath(file))
