"""A map in a database: which one is meant, which hosts and files it leads to, and what chroot and sandbox keep from it.

Postfix's programs may run in a chroot, where sockets and files are not found. The watcher's unit lets it talk to this
machine alone, and write to /var/lib/runv and /etc/postfix alone; `setup` writes a drop-in for what is needed besides.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, get_args
from urllib.parse import parse_qs, unquote

from cli.messages import _
from cli.output import format_message
from cli.server.systemd import quoted
from schemas.config import Config
from schemas.errors import ExpectedError
from schemas.fs.directory import read_plain
from watcher.publish.commands import CommandError
from watcher.publish.postfix import Postfix, split
from watcher.publish.sql.map_file import SqlMap, SqlType, read_sql_map
from watcher.publish.sql.option_file import host_of, options_of

MARK = "# Made by `runv-admin-email-alias setup`, which keeps it in line with the database in the config.\n"
"""The first line of the unit's drop-in."""
ANY_ADDRESS = "any"
"""What systemd calls every address, systemd.resource-control(5)."""

_TYPES: tuple[SqlType, ...] = get_args(SqlType)
_TYPE_NAMES: dict[SqlType, tuple[str, ...]] = {
    "mysql": ("mysql", "mariadb"),
    "pgsql": ("pgsql", "postgres"),
    "sqlite": ("sqlite",),
}
_DBPATH = re.compile(r"^dbpath\s*=", re.MULTILINE)
_URI = re.compile(r"^hosts\s*=.*\bpostgres(?:ql)?://", re.MULTILINE)
_SIZE_LIMIT = 64 * 1024
_ASKING_PROGRAMS = ("cleanup", "smtpd")
"""The programs that ask virtual_alias_maps: cleanup(8), and smtpd(8) for who may be mailed to."""
_HIDDEN = ("/home", "/root", "/run/user")
"""What the unit's ProtectHome= hides."""
_WRITABLE = ("/var/lib/runv", "/etc/postfix")
"""What the unit lets the watcher write to."""


class UnknownMapError(ExpectedError):
    """What was given names no map in a database; the message says what was expected."""


class NamedMap(NamedTuple):
    """A map: its type and its file."""

    kind: SqlType
    path: str


def named_map(given: str) -> NamedMap:
    """The map that *given* means: `type:path`, or a path alone, whose type is found out.

    It is what Postfix's settings call it, else what only one type has in its file, else what the file is named after.

    Raises:
        UnknownMapError: it cannot be told, or is no map in a database.
    """
    bare = given.removeprefix("proxy:")
    kind, colon, path = bare.partition(":")
    if not bare.startswith("/") and colon:
        for known in _TYPES:
            if kind == known:
                return NamedMap(known, _absolute(path, given))
        raise UnknownMapError(
            format_message(
                _("{given} is no map in a database. Give the type and the file, the type being one of {kinds}."),
                given=given,
                kinds=", ".join(_TYPES),
            )
        )
    path = os.path.abspath(bare)
    found = _type_in_postfix(path) or _type_by_contents(path) or _type_by_name(path)
    if found is None:
        raise UnknownMapError(
            format_message(
                _(
                    "Whether {path} is a map of type mysql, pgsql or sqlite cannot be told: "
                    "Postfix's settings do not name it, and its name does not say. Give the type "
                    "with it, such as mysql:{path}"
                ),
                path=path,
            )
        )
    return NamedMap(found, path)


def _absolute(path: str, given: str) -> str:
    if not path.startswith("/"):
        raise UnknownMapError(
            format_message(_("{given} names no file by its path from /. Give it as type:/path."), given=given)
        )
    return path


def _type_in_postfix(path: str) -> SqlType | None:
    try:
        every = Postfix().all_values()
    except CommandError:
        return None
    for value in every:
        for name in split(value):
            kind, _separator, file = name.removeprefix("proxy:").partition(":")
            if file == path and (found := _known(kind)):
                return found
    return None


def _known(kind: str) -> SqlType | None:
    return next((known for known in _TYPES if known == kind), None)


def _type_by_contents(path: str) -> SqlType | None:
    try:
        text = read_plain(os.path.realpath(path), _SIZE_LIMIT).data.decode("utf-8", "replace")
    except (OSError, ExpectedError):
        return None
    if _DBPATH.search(text):
        return "sqlite"
    return "pgsql" if _URI.search(text) else None


def _type_by_name(path: str) -> SqlType | None:
    name = os.path.basename(path).lower()
    found = [kind for kind, words in _TYPE_NAMES.items() if any(word in name for word in words)]
    return found[0] if len(found) == 1 else None


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
    names = frozenset(host for host in hosts if host and not _is_this_machine(host))
    return Reach(
        names=names,
        sockets="" in hosts,
        loopback=any(host and _is_this_machine(host) for host in hosts),
        file=next((each.dbpath for each in maps if each.dbpath), None),
    )


def _hosts(sql_map: SqlMap) -> Iterator[str]:
    """Each host's name or address; empty for a socket."""
    for host in sql_map.hosts:
        if host.uri is not None:
            yield from _uri_hosts(host.uri.value)
        elif host.name is None:
            yield ""
        elif sql_map.kind == "mysql" and host.name.lower() == "localhost":
            # For MariaDB's library that name is another word for its socket, unless its own file says otherwise.
            yield host_of(options_of(sql_map)) or ""
        else:
            yield host.name


def _uri_hosts(uri: str) -> Iterator[str]:
    """The hosts of a connection string, see section 32.1.1.2 of PostgreSQL's manual."""
    path, _separator, parameters = uri.partition("://")[2].partition("?")
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


def _is_this_machine(name: str) -> bool:
    # systemd's own `localhost` is 127.0.0.0/8 and ::1: systemd.resource-control(5).
    return name.lower() == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def journal_directory(file: str) -> str:
    """The directory that a program has to write to that changes sqlite's *file*: its journal lies beside it."""
    return os.path.dirname(os.path.realpath(file))


def needs_proxymap(postfix: Postfix, config: Config) -> bool:
    """Whether programs in a chroot would ask the map, and it leads to a socket or a file that is not in there.

    By way of proxymap(8), which Debian does not run in a chroot, they get to it. What cannot be found out is no reason
    for a detour.
    """
    try:
        return bool(chrooted_programs(postfix)) and bool(outside_chroot(config))
    except ExpectedError:
        return False


def chrooted_programs(postfix: Postfix) -> list[str]:
    """The programs that ask the map and are run in a chroot. Raises `CommandError`."""
    return postfix.chrooted(_ASKING_PROGRAMS)


def outside_chroot(config: Config) -> str | None:
    """What of the database is not in the chroot: `socket`, `file`, or nothing. Raises `SqlMapError`.

    sqlite's file is open by the time that the chroot begins, but its journal and its write-ahead log are not seen from
    inside, so what a program that was killed has left half done would be read as it lies there.
    """
    # That of Postfix alone counts; the first of them is its.
    reach = reach_of(configured_maps(config)[0])
    if reach.file is not None:
        return "file"
    return "socket" if reach.sockets else None


class SandboxNeeds(NamedTuple):
    """What has to be open besides: *addresses*, of which `any` is all, and *directories*."""

    addresses: tuple[str, ...]
    directories: tuple[str, ...]


def sandbox_needs(config: Config) -> SandboxNeeds:
    """What has to be open besides for the database of *config*. Raises `SqlMapError`."""
    if not config.in_database:
        return SandboxNeeds((), ())
    reach = reach_of(*configured_maps(config))
    addresses = (ANY_ADDRESS,) if reach.addresses is None else tuple(sorted(reach.addresses))
    directory = journal_directory(reach.file) if reach.file else None
    return SandboxNeeds(addresses, (directory,) if directory and not is_below(directory, _WRITABLE) else ())


def hidden_file(config: Config) -> str | None:
    """A file of the way to the database that the unit hides from the watcher, come what may. Raises `SqlMapError`."""
    if not config.in_database:
        return None
    files = [file for each in configured_maps(config) for file in (each.path, each.dbpath) if file]
    return next((file for file in files if is_below(os.path.realpath(file), _HIDDEN)), None)


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether *path* is one of *directories* or in one of them."""
    return any(f"{path}/".startswith(f"{directory.rstrip('/')}/") for directory in directories)


def drop_in(config: Config) -> str | None:
    """The text of the unit's drop-in, systemd.unit(5); `None` where none is needed. Raises `SqlMapError`."""
    addresses, directories = sandbox_needs(config)
    if not addresses and not directories:
        return None
    lines = [MARK, "[Service]\n"]
    if ANY_ADDRESS in addresses:
        lines.append(
            "# A host is given by its name, whose address may become another, and has to be asked of a name server.\n"
        )
    if addresses:
        lines.append(f"IPAddressAllow={' '.join(addresses)}\n")
    lines += (f"ReadWritePaths={quoted(directory)}\n" for directory in directories)
    return "".join(lines)
