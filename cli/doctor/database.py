"""Checks of a map in a database: its file, the way to it, whose rows are where, sandbox and chroot."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterable, Iterator

from cli.doctor.checks import Check, Finding, Severity, command, command_line, examples
from cli.messages import _, ngettext
from cli.output import format_message, safe_text
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
from schemas.program import WATCHER_UNIT
from watcher.publish.postfix import split
from watcher.publish.sql.map_file import SqlMap, read_sql_map
from watcher.publish.sql.query import NotPlainError, parse_query
from watcher.publish.sql.target import target_of

_OUT_OF_REACH = {
    "socket": _(
        "{programs} of Postfix run in a chroot, where the socket that {map} leads to is "
        "not to be found, so mail is put off. By way of proxymap it is."
    ),
    "file": _(
        "{programs} of Postfix run in a chroot, where the journal of the file that "
        "{map} leads to is not seen: after a crash they may read what is half written. "
        "By way of proxymap they do not."
    ),
}

_DOCTOR_WITH_SUDO = "sudo runv-admin-email-alias doctor"

_READERS = "postfix"


def _libraries(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if not config.in_database:
        return
    kind = sql_type(config)
    if packages := missing_packages(kind):
        message = format_message(
            _("A map of type {type} needs libraries that are not there: {packages}."),
            type=kind,
            packages=", ".join(packages),
        )
        fix = command("apt-get install {packages}".format(packages=" ".join(packages)))
        yield Finding("database-library", _severity(config), message, fix)
    else:
        yield Finding(
            "database-library", "ok", format_message(_("The libraries for a map of type {type} are there."), type=kind)
        )


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
            yield Finding("map-file", "warning", message, _DOCTOR_WITH_SUDO)
        return
    mode = stat.S_IMODE(status.st_mode)
    told_mode = {"path": path, "mode": f"{mode:04o}", "owner": user_name(status.st_uid)}
    if status.st_uid != 0 or mode & (stat.S_IWGRP | stat.S_IWOTH):
        fix = command("chown root {path} && chmod go-w {path}", path=path)
        yield Finding(
            "map-file",
            "problem",
            format_message(
                _(
                    "The file {path} has the mode {mode} and the owner {owner}: others than root "
                    "could lead the watcher and Postfix to another database."
                ),
                **told_mode,
            ),
            fix,
        )
    elif mode & stat.S_IROTH and _has_password(found):
        yield Finding(
            "map-file",
            "problem",
            format_message(
                _("The file {path} has the mode {mode}, so every account can read the password in it."), **told_mode
            ),
            _closing(path, facts),
        )
    else:
        yield Finding(
            "map-file",
            "ok",
            format_message(_("The file {path} can be read, and only by those who have to."), path=path),
        )


def _has_password(found: SqlMap) -> bool:
    # A whole connection string may hold one too.
    return found.password is not None or any(host.uri is not None for host in found.hosts)


def _closing(path: str, facts: Facts) -> str:
    # proxymap(8) opens it as the account postfix; nobody but us reads the other one.
    shared = path == facts.settings.config.database.map_file and group_id(_READERS) is not None
    return command("chgrp postfix {path} && chmod 0640 {path}" if shared else "chmod 0600 {path}", path=path)


def _rows(facts: Facts) -> Iterator[Finding]:
    config = facts.settings.config
    if not config.in_database or missing_packages(sql_type(config)):
        return
    published = facts.published
    if isinstance(published, ExpectedError):
        if facts.privileged:
            yield Finding("database", _severity(config), safe_text(str(published)))
        else:
            yield Finding("database", "warning", safe_text(str(published)), _DOCTOR_WITH_SUDO)
        return
    yield Finding(
        "database",
        "ok",
        format_message(_("The database answers; rows of this program's making: {count}."), count=len(published.rows)),
    )
    if published.engine is not None:
        yield Finding(
            "database-engine",
            "warning",
            format_message(
                _(
                    "The table has the engine {engine}, which knows no transactions: a publish that "
                    "is interrupted may be half done until the next one. Have it changed to InnoDB."
                ),
                engine=published.engine,
            ),
        )
    if published.conflicts:
        message = [
            format_message(
                _("{alias} goes to {destination}, but by a row that would stay when the alias is revoked")
                if conflict.same
                else _("{alias} should go to {destination} and goes to {held}"),
                alias=conflict.alias,
                destination=conflict.destination,
                held=safe_text(", ".join(conflict.held)),
            )
            for conflict in published.conflicts
        ]
        sentence = ngettext(
            "A row in the database that is not of this program's making holds an active "
            "alias, which is not published: {examples}. Delete that row and run `sync`, or "
            "revoke the alias.",
            "Rows in the database that are not of this program's making hold {count} active "
            "aliases, which are not published: {examples}. Delete such a row and run "
            "`sync`, or revoke the alias.",
            len(message),
        )
        what = format_message(sentence, count=len(message), examples=examples(message))
        yield Finding("conflicts", _severity(config), what)
    elif facts.registry is not None:
        yield Finding("conflicts", "ok", format_message(_("No row of somebody else's holds an active alias.")))


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
            "map-query",
            _severity(config),
            format_message(
                _("By `domain` in {path}, Postfix does not ask the map for addresses at {domain}: no alias is live."),
                path=path,
                domain=domain,
            ),
        )
        return
    try:
        query = parse_query(sql_map.query or "", sql_map.kind)
    except NotPlainError:
        return  # what it finds is told by the check of the answers
    if query.table.lower() != target.table.lower():
        message = format_message(
            _(
                "The query in {path} reads from {found}, and the aliases are written to "
                "{table}: unless the one is a view of the other, no alias is live."
            ),
            path=path,
            found=query.table,
            table=target.table,
        )
        yield Finding("map-query", "warning", message)
    else:
        yield Finding(
            "map-query",
            "ok",
            format_message(
                _("The query in {path} reads from the table that the aliases are written to, {table}."),
                path=path,
                table=target.table,
            ),
        )


def _replicas(facts: Facts) -> Iterator[Finding]:
    hosts = facts.status.hosts if facts.status and facts.running else []
    # One that is behind, or does not answer, is among the watcher's own problems.
    if hosts and all(host.trouble is None and not host.behind_seconds for host in hosts):
        yield Finding(
            "replicas",
            "ok",
            format_message(
                ngettext(
                    "The replica of the database that Postfix asks is up to date.",
                    "The {count} replicas of the database that Postfix asks are up to date.",
                    len(hosts),
                ),
                count=len(hosts),
            ),
        )


def _severity(config: Config) -> Severity:
    """Before publishing is switched on, the database need not be ready for it."""
    return "problem" if config.enabled else "warning"


DATABASE_CHECKS = (
    Check("database-library", _("Whether the libraries for the database are there"), _libraries),
    Check("map-file", _("Whether the file that leads to the database is in order"), _files),
    Check("map-query", _("Whether Postfix finds the rows by its query"), _query),
    Check("database", _("Whether the rows in the database are as they should be"), _rows),
    Check("replicas", _("Whether the replicas of the database are up to date"), _replicas),
)


_ADDRESSES, _DENIED, _DIRECTORIES, _SYSTEM = "IPAddressAllow", "IPAddressDeny", "ReadWritePaths", "ProtectSystem"
_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0", ANY})


def _unit(facts: Facts) -> Iterator[Finding]:
    if not facts.settings.config.in_database:
        return
    addresses, directories = needed(facts.settings.config)
    if not addresses and not directories:
        return
    message = properties(f"{WATCHER_UNIT}.service", [_ADDRESSES, _DENIED, _DIRECTORIES, _SYSTEM])
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
            format_message(
                _("The unit {unit} keeps the watcher from the database: it does not allow {what}."),
                unit=WATCHER_UNIT,
                what=", ".join(shut),
            ),
            "runv-admin-email-alias setup",
        )
    elif message.get(_DENIED) or message.get(_SYSTEM):
        yield Finding(
            "walls", "ok", format_message(_("The unit {unit} lets the watcher reach the database."), unit=WATCHER_UNIT)
        )


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
        message = format_message(_OUT_OF_REACH[outside], map=state.table, programs=" and ".join(programs))
        # A file is found by those that had it open before the chroot began; a socket never is.
        yield Finding("chroot", "problem" if outside == "socket" else "warning", message, _by_proxy(maps, facts))
    else:
        yield Finding("chroot", "ok", format_message(_("Postfix can get to the database, chroot or not.")))


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
        message = format_message(
            _(
                "The watcher may not write to {path}: root has no powers of its own there, and "
                "neither its owner nor its group is root."
            ),
            path=shut[0],
        )
        yield Finding(
            "database-writable", "problem", message, command("chgrp root {path} && chmod g+w {path}", path=shut[0])
        )


def _root_may_write(path: str) -> bool:
    # Without CAP_DAC_OVERRIDE, which the unit takes away, root is an account like any other: capabilities(7).
    status = os.stat(path)
    if status.st_uid == 0:
        return bool(status.st_mode & stat.S_IWUSR)
    if status.st_gid == 0:
        return bool(status.st_mode & stat.S_IWGRP)
    return bool(status.st_mode & stat.S_IWOTH)


SANDBOX_CHECKS = (
    Check("walls", _("Whether the unit lets the watcher reach the database"), _unit),
    Check("chroot", _("Whether Postfix can get to the database out of its chroot"), _chroot),
    Check("database-writable", _("Whether the watcher may write to the database's file"), _writable),
)
