"""Checks of a map in a database: its file, the way to it, whose rows are where, sandbox and chroot."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterable, Iterator

from cli.admin.sentences import UNIT
from cli.doctor import database_sentences, sentences
from cli.doctor.checks import Check, Finding, Severity, command, command_line, examples
from cli.output import counted, format_message, safe_text
from cli.server.database import (
    ANY,
    asking_from_a_chroot,
    configured_maps,
    holder_of,
    is_below,
    needed,
    out_of_reach,
    reach_of,
    sql_type,
)
from cli.server.facts import Facts
from cli.server.packages import missing_packages
from cli.server.paths import group_id, user_name
from cli.server.postfix_setup import Setting, edit_command
from cli.server.systemd import properties
from schemas.config import Config
from schemas.errors import ExpectedError
from watcher.publish.postfix import split
from watcher.publish.sql.map_file import SqlMap, read_sql_map, target_of
from watcher.publish.sql.query import NotPlainError, parse_query

_READERS = "postfix"


def _libraries(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if not config.in_database:
        return
    kind = sql_type(config)
    if packages := missing_packages(kind):
        message = format_message(database_sentences.NO_LIBRARY, type=kind, packages=", ".join(packages))
        fix = command(sentences.INSTALL_PACKAGES.format(packages=" ".join(packages)))
        yield Finding("database-library", _severity(config), message, fix)
    else:
        yield Finding("database-library", "ok", format_message(database_sentences.LIBRARY_OK, type=kind))


def _files(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if not config.in_database:
        return
    for path in dict.fromkeys(path for path in (config.database.map_file, config.database.write_map_file) if path):
        yield from _file(path, facts)


def _file(path: str, facts: Facts) -> Iterator[Finding]:
    try:
        found = read_sql_map(path, sql_type(facts.settings.config))
        status = os.stat(path)
    except (ExpectedError, OSError) as error:
        message = safe_text(str(error))
        if facts.privileged:
            yield Finding("map-file", _severity(facts.settings.config), message)
        else:
            yield Finding("map-file", "warning", message, sentences.DOCTOR_WITH_SUDO)
        return
    mode = stat.S_IMODE(status.st_mode)
    told_mode = {"path": path, "mode": f"{mode:04o}", "owner": user_name(status.st_uid)}
    if status.st_uid != 0 or mode & (stat.S_IWGRP | stat.S_IWOTH):
        fix = command(sentences.CLOSE_HOLDER, path=path)
        yield Finding("map-file", "problem", format_message(database_sentences.MAP_FILE_WRITABLE, **told_mode), fix)
    elif mode & stat.S_IROTH and _has_password(found):
        yield Finding(
            "map-file",
            "problem",
            format_message(database_sentences.MAP_FILE_OPEN, **told_mode),
            _closing(path, facts),
        )
    else:
        yield Finding("map-file", "ok", format_message(database_sentences.MAP_FILE_OK, path=path))


def _has_password(found: SqlMap) -> bool:
    # A whole connection string may hold one too.
    return found.password is not None or any(host.uri is not None for host in found.hosts)


def _closing(path: str, facts: Facts) -> str:
    # proxymap(8) opens it as the account postfix; nobody but us reads the other one.
    shared = path == facts.settings.config.database.map_file and group_id(_READERS) is not None
    return command(sentences.CLOSE_MAP_FILE if shared else sentences.CLOSE_WRITE_MAP_FILE, path=path)


def _rows(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if not config.in_database or missing_packages(sql_type(config)):
        return
    published = facts.published
    if isinstance(published, ExpectedError):
        if facts.privileged:
            yield Finding("database", _severity(config), safe_text(str(published)))
        else:
            yield Finding("database", "warning", safe_text(str(published)), sentences.DOCTOR_WITH_SUDO)
        return
    yield Finding("database", "ok", format_message(database_sentences.DATABASE_OK, count=len(published.rows)))
    if published.engine is not None:
        yield Finding(
            "database-engine", "warning", format_message(database_sentences.NO_TRANSACTIONS, engine=published.engine)
        )
    if published.conflicts:
        message = [
            format_message(
                database_sentences.HELD_SAME if conflict.same else database_sentences.HELD,
                alias=conflict.alias,
                destination=conflict.destination,
                held=safe_text(", ".join(conflict.held)),
            )
            for conflict in published.conflicts
        ]
        sentence = database_sentences.CONFLICTS_ONE if len(message) == 1 else database_sentences.CONFLICTS_MORE
        what = format_message(sentence, count=len(message), examples=examples(message))
        yield Finding("conflicts", _severity(config), what)
    elif facts.registry is not None:
        yield Finding("conflicts", "ok", format_message(database_sentences.NO_CONFLICTS))


def _query(facts: Facts) -> Iterator[Finding]:
    config, domain = facts.settings.config, facts.settings.domain
    if not config.in_database:
        return
    sql_map = configured_maps(config)[0]
    target = target_of(config.database, sql_map)
    path = sql_map.path
    # A file or a table of domains may name ours too.
    if sql_map.domains and domain not in sql_map.domains and not any(set(each) & set(":/") for each in sql_map.domains):
        yield Finding(
            "map-query", _severity(config), format_message(database_sentences.OTHER_DOMAINS, path=path, domain=domain)
        )
        return
    try:
        query = parse_query(sql_map.query or "", sql_map.kind)
    except NotPlainError:
        return  # what it finds is told by the check of the answers
    if query.table.lower() != target.table.lower():
        message = format_message(database_sentences.OTHER_TABLE, path=path, found=query.table, table=target.table)
        yield Finding("map-query", "warning", message)
    else:
        yield Finding("map-query", "ok", format_message(database_sentences.QUERY_OK, path=path, table=target.table))


def _replicas(facts: Facts) -> Iterator[Finding]:
    hosts = facts.status.hosts if facts.status and facts.running else []
    # One that is behind, or does not answer, is among the watcher's own problems.
    if hosts and all(host.trouble is None and not host.behind_seconds for host in hosts):
        yield Finding(
            "replicas", "ok", counted(len(hosts), database_sentences.REPLICAS_ONE, database_sentences.REPLICAS_MORE)
        )


def _severity(config: Config) -> Severity:
    """Before publishing is switched on, the database need not be ready for it."""
    return "problem" if config.enabled else "warning"


DATABASE_CHECKS = (
    Check("database-library", database_sentences.ABOUT_LIBRARY, _libraries),
    Check("map-file", database_sentences.ABOUT_MAP_FILE, _files),
    Check("map-query", database_sentences.ABOUT_QUERY, _query),
    Check("database", database_sentences.ABOUT_DATABASE, _rows),
    Check("replicas", database_sentences.ABOUT_REPLICAS, _replicas),
)


_ADDRESSES, _DENIED, _DIRECTORIES, _SYSTEM = "IPAddressAllow", "IPAddressDeny", "ReadWritePaths", "ProtectSystem"
_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0", ANY})


def _unit(facts: Facts) -> Iterator[Finding]:
    if not facts.settings.config.in_database:
        return
    addresses, directories = needed(facts.settings.config)
    if not addresses and not directories:
        return
    message = properties(f"{UNIT}.service", [_ADDRESSES, _DENIED, _DIRECTORIES, _SYSTEM])
    shut: list[str] = []
    if message.get(_DENIED):
        shut += (address for address in addresses if not _is_allowed(address, message.get(_ADDRESSES, "").split()))
    if message.get(_SYSTEM) == "strict":
        # A leading `-` says that it need not be there, systemd.exec(5).
        open_ones = [path.lstrip("-+") for path in message.get(_DIRECTORIES, "").split()]
        shut += (directory for directory in directories if not is_below(directory, open_ones))
    if shut:
        yield Finding(
            "walls",
            "problem",
            format_message(database_sentences.WALLS_SHUT, unit=UNIT, what=", ".join(shut)),
            sentences.SETUP,
        )
    elif message.get(_DENIED) or message.get(_SYSTEM):
        yield Finding("walls", "ok", format_message(database_sentences.WALLS_OPEN, unit=UNIT))


def _is_allowed(address: str, allowed: Iterable[str]) -> bool:
    if _EVERYWHERE & set(allowed):
        return True
    if address == ANY:
        return False
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(each, strict=False) for each in allowed if "/" in each)


def _chroot(facts: Facts) -> Iterator[Finding]:
    state, postfix, config = facts.postfix_state, facts.postfix, facts.settings.config
    if not config.in_database or state is None or postfix is None or not state.named:
        return
    maps = list(split(postfix.value("virtual_alias_maps")))
    programs = asking_from_a_chroot(postfix)
    outside = out_of_reach(config)
    if state.table in maps and programs and outside:
        message = format_message(
            database_sentences.OUT_OF_REACH[outside], map=state.table, programs=" and ".join(programs)
        )
        # A file is found by those that had it open before the chroot began; a socket never is.
        yield Finding("chroot", "problem" if outside == "socket" else "warning", message, _by_proxy(maps, facts))
    else:
        yield Finding("chroot", "ok", format_message(database_sentences.WITHIN_REACH))


def _by_proxy(maps: Iterable[str], facts: Facts) -> str:
    names = [f"proxy:{name}" if name == facts.map else name for name in maps]
    setting = Setting("virtual_alias_maps", ", ".join(names))
    return command_line(edit_command([setting]), facts.settings.config.reload_command)


def _writable(facts: Facts) -> Iterator[Finding]:
    """sqlite: the watcher may read everything, but write only what it owns, or what its groups may write to."""
    if not facts.settings.config.in_database:
        return
    file = reach_of(*configured_maps(facts.settings.config)).file
    if file is None or not os.path.exists(file):
        return
    shut = [path for path in (os.path.realpath(file), holder_of(file)) if not _root_may_write(path)]
    if shut:
        message = format_message(database_sentences.FILE_SHUT, path=shut[0])
        yield Finding("database-writable", "problem", message, command(sentences.OPEN_FILE, path=shut[0]))


def _root_may_write(path: str) -> bool:
    # Without CAP_DAC_OVERRIDE, which the unit takes away, root is an account like any other: capabilities(7).
    status = os.stat(path)
    if status.st_uid == 0:
        return bool(status.st_mode & stat.S_IWUSR)
    if status.st_gid == 0:
        return bool(status.st_mode & stat.S_IWGRP)
    return bool(status.st_mode & stat.S_IWOTH)


SANDBOX_CHECKS = (
    Check("walls", database_sentences.ABOUT_WALLS, _unit),
    Check("chroot", database_sentences.ABOUT_CHROOT, _chroot),
    Check("database-writable", database_sentences.ABOUT_WRITABLE, _writable),
)
