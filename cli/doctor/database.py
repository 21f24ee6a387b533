"""Checks of a map in a database: its file, the way to it, whose rows are where, sandbox and chroot."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterable, Iterator

from cli.doctor.checks import (
    DOCTOR_WITH_SUDO,
    SETUP,
    Finding,
    Severity,
    check,
    command,
    command_line,
    examples,
    severity_before_publishing,
)
from cli.messages import _, ngettext
from cli.output import SafeText, format_message, safe_text
from cli.server.database import (
    ANY_ADDRESS,
    chrooted_programs,
    configured_maps,
    is_below,
    journal_directory,
    outside_chroot,
    reach_of,
    sandbox_needs,
    sql_type,
)
from cli.server.facts import Facts
from cli.server.packages import missing_packages
from cli.server.paths import group_id, user_name
from cli.server.postfix_setup import Setting, edit_command
from cli.server.systemd import properties
from schemas.errors import ExpectedError
from schemas.program import WATCHER_UNIT
from schemas.status import Conflict
from watcher.publish.postfix import split
from watcher.publish.sql.map_file import SqlMap, read_sql_map
from watcher.publish.sql.query import NotPlainError, parse_query
from watcher.publish.sql.target import target_of

_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0", ANY_ADDRESS})


@check("database-library", _("Whether the libraries for the database are there"), needs=("in_database",))
def database_library(facts: Facts) -> Iterator[Finding]:
    """That the libraries for the type of the map can be imported."""
    kind = sql_type(facts.settings.config)
    if packages := missing_packages(kind):
        message = format_message(
            _("A map of type {type} needs libraries that are not there: {packages}."),
            type=kind,
            packages=", ".join(packages),
        )
        fix = command_line(["apt-get", "install", *packages])
        yield Finding("database-library", severity_before_publishing(facts), message, fix)
    else:
        message = format_message(_("The libraries for a map of type {type} are there."), type=kind)
        yield Finding("database-library", "ok", message)


@check("map-file", _("Whether the file that leads to the database is in order"), needs=("in_database",))
def map_file(facts: Facts) -> Iterator[Finding]:
    """That the files of the map can be read, changed by root alone, and their password read by few."""
    database = facts.settings.config.database
    for path in dict.fromkeys(path for path in (database.map_file, database.write_map_file) if path):
        yield _file(path, facts)


def _file(path: str, facts: Facts) -> Finding:
    try:
        found = read_sql_map(path, sql_type(facts.settings.config))
        status = os.stat(path)
    except (ExpectedError, OSError) as error:
        return _unavailable("map-file", error, facts)
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != 0 or mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = format_message(
            _(
                "The file {path} has the mode {mode} and the owner {owner}: others than root could lead the watcher "
                "and Postfix to another database."
            ),
            path=path,
            mode=f"{mode:04o}",
            owner=user_name(status.st_uid),
        )
        return Finding("map-file", "problem", message, command("chown root {path} && chmod go-w {path}", path=path))
    if mode & stat.S_IROTH and _has_password(found):
        message = format_message(
            _("The file {path} has the mode {mode}, so every account can read the password in it."),
            path=path,
            mode=f"{mode:04o}",
        )
        return Finding("map-file", "problem", message, _hide_password(path, facts))
    message = format_message(_("The file {path} can be read, and only by those who have to."), path=path)
    return Finding("map-file", "ok", message)


def _unavailable(code: str, error: Exception, facts: Facts) -> Finding:
    """Of what root cannot read either, *error* says what is wrong; of the rest, it says nothing yet."""
    message = safe_text(str(error))
    if facts.privileged:
        return Finding(code, severity_before_publishing(facts), message)
    return Finding(code, "warning", message, DOCTOR_WITH_SUDO)


def _has_password(found: SqlMap) -> bool:
    # A whole connection string may hold one too.
    return found.password is not None or any(host.uri is not None for host in found.hosts)


def _hide_password(path: str, facts: Facts) -> str:
    # proxymap(8) opens it as the account postfix; nobody but us reads the other one.
    shared = path == facts.settings.config.database.map_file and group_id("postfix") is not None
    return command("chgrp postfix {path} && chmod 0640 {path}" if shared else "chmod 0600 {path}", path=path)


@check("map-query", _("Whether Postfix finds the rows by its query"), needs=("in_database",))
def map_query(facts: Facts) -> Iterator[Finding]:
    """That Postfix's query reads the table that the aliases are written to, and is asked for the domain."""
    config, domain = facts.settings.config, facts.settings.domain
    sql_map = configured_maps(config)[0]
    target = target_of(config.database, sql_map)
    path = sql_map.path
    # A file or a table of domains may name ours too.
    if sql_map.domains and domain not in sql_map.domains and not any(set(each) & set(":/") for each in sql_map.domains):
        message = format_message(
            _("By `domain` in {path}, Postfix does not ask the map for addresses at {domain}: no alias is live."),
            path=path,
            domain=domain,
        )
        yield Finding("map-query", severity_before_publishing(facts), message)
        return
    try:
        query = parse_query(sql_map.query or "", sql_map.kind)
    except NotPlainError:
        return  # what it finds is said by the check of the answers
    if query.table.lower() != target.table.lower():
        message = format_message(
            _(
                "The query in {path} reads from {found}, and the aliases are written to {table}: unless the one is a "
                "view of the other, no alias is live."
            ),
            path=path,
            found=query.table,
            table=target.table,
        )
        yield Finding("map-query", "warning", message)
    else:
        message = format_message(
            _("The query in {path} reads from the table that the aliases are written to, {table}."),
            path=path,
            table=target.table,
        )
        yield Finding("map-query", "ok", message)


@check("database", _("Whether the rows in the database are as they should be"), needs=("in_database",))
def database_rows(facts: Facts) -> Iterator[Finding]:
    """That the database answers, has transactions, and has no row of somebody else's for an active alias."""
    if missing_packages(sql_type(facts.settings.config)):
        return  # said by the check of the libraries
    try:
        published = facts.published
    except ExpectedError as error:
        yield _unavailable("database", error, facts)
        return
    message = format_message(
        _("The database answers; rows of this program's making: {count}."), count=len(published.rows)
    )
    yield Finding("database", "ok", message)
    if published.engine is not None:
        message = format_message(
            _(
                "The table has the engine {engine}, which knows no transactions: a publish that is interrupted may be "
                "half done until the next one. Have it changed to InnoDB."
            ),
            engine=published.engine,
        )
        yield Finding("database-engine", "warning", message)
    if published.conflicts:
        sentence = ngettext(
            "A row in the database that is not of this program's making holds an active alias, which is not published: "
            "{examples}. Delete that row and run `sync`, or revoke the alias.",
            "Rows in the database that are not of this program's making hold {count} active aliases, which are not "
            "published: {examples}. Delete such a row and run `sync`, or revoke the alias.",
            len(published.conflicts),
        )
        message = format_message(
            sentence, count=len(published.conflicts), examples=examples(map(_conflict, published.conflicts))
        )
        yield Finding("conflicts", severity_before_publishing(facts), message)
    elif facts.has("registry"):
        yield Finding("conflicts", "ok", format_message(_("No row of somebody else's holds an active alias.")))


def _conflict(conflict: Conflict) -> SafeText:
    return format_message(
        _("{alias} goes to {destination}, but by a row that would stay when the alias is revoked")
        if conflict.same
        else _("{alias} should go to {destination} and goes to {held}"),
        alias=conflict.alias,
        destination=conflict.destination,
        held=safe_text(", ".join(conflict.held)),
    )


@check("replicas", _("Whether the replicas of the database are up to date"), needs=("running",))
def replicas(facts: Facts) -> Iterator[Finding]:
    """That the replicas that Postfix asks are up to date, as the watcher saw them."""
    hosts = facts.status.hosts
    # One that is behind, or does not answer, is among the watcher's own problems.
    if hosts and all(host.trouble is None and not host.behind_seconds for host in hosts):
        sentence = ngettext(
            "The replica of the database that Postfix asks is up to date.",
            "The {count} replicas of the database that Postfix asks are up to date.",
            len(hosts),
        )
        yield Finding("replicas", "ok", format_message(sentence, count=len(hosts)))


@check("walls", _("Whether the unit lets the watcher reach the database"), needs=("in_database",))
def sandbox(facts: Facts) -> Iterator[Finding]:
    """That the unit's sandbox lets the watcher reach the hosts of the database, and write to its file."""
    addresses, directories = sandbox_needs(facts.settings.config)
    if not addresses and not directories:
        return
    found = properties(
        f"{WATCHER_UNIT}.service", ["IPAddressAllow", "IPAddressDeny", "ReadWritePaths", "ProtectSystem"]
    )
    denied, system = found.get("IPAddressDeny"), found.get("ProtectSystem")
    shut: list[str] = []
    if denied:
        allowed = found.get("IPAddressAllow", "").split()
        shut += (address for address in addresses if not _is_allowed(address, allowed))
    if system == "strict":
        # A leading `-` says that it need not be there, systemd.exec(5).
        writable = [path.lstrip("-+") for path in found.get("ReadWritePaths", "").split()]
        shut += (directory for directory in directories if not is_below(directory, writable))
    if shut:
        message = format_message(
            _("The unit {unit} keeps the watcher from the database: it does not allow {what}."),
            unit=WATCHER_UNIT,
            what=", ".join(shut),
        )
        yield Finding("walls", "problem", message, SETUP)
    elif denied or system:
        message = format_message(_("The unit {unit} lets the watcher reach the database."), unit=WATCHER_UNIT)
        yield Finding("walls", "ok", message)


def _is_allowed(address: str, allowed: Iterable[str]) -> bool:
    if _EVERYWHERE & set(allowed):
        return True
    if address == ANY_ADDRESS:
        return False
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(each, strict=False) for each in allowed if "/" in each)


@check("chroot", _("Whether Postfix can get to the database out of its chroot"), needs=("in_database", "postfix"))
def chroot(facts: Facts) -> Iterator[Finding]:
    """That the programs of Postfix that ask the map get to the database, in a chroot or not."""
    state, config = facts.postfix_state, facts.settings.config
    if not state.named:
        return
    maps = list(split(facts.postfix.value("virtual_alias_maps")))
    programs = chrooted_programs(facts.postfix)
    outside = outside_chroot(config)
    if state.table not in maps or not programs or not outside:
        yield Finding("chroot", "ok", format_message(_("Postfix can get to the database, chroot or not.")))
        return
    message = format_message(
        _(
            "{programs} of Postfix run in a chroot, where the socket that {map} leads to is not to be found, so mail "
            "is put off. By way of proxymap it is."
        )
        if outside == "socket"
        else _(
            "{programs} of Postfix run in a chroot, where the journal of the file that {map} leads to is not seen: "
            "after a crash they may read what is half written. By way of proxymap they do not."
        ),
        map=state.table,
        programs=" and ".join(programs),
    )
    # A file is found by those that had it open before the chroot began; a socket never is.
    severity: Severity = "problem" if outside == "socket" else "warning"
    names = [f"proxy:{name}" if name == facts.map else name for name in maps]
    fix = command_line(edit_command([Setting("virtual_alias_maps", ", ".join(names))]), config.reload_command)
    yield Finding("chroot", severity, message, fix)


@check("database-writable", _("Whether the watcher may write to the database's file"), needs=("in_database",))
def database_writable(facts: Facts) -> Iterator[Finding]:
    """sqlite: the watcher may read everything, but write only what it owns, or what its groups may write to."""
    file = reach_of(*configured_maps(facts.settings.config)).file
    if file is None or not os.path.exists(file):
        return
    shut = [path for path in (os.path.realpath(file), journal_directory(file)) if not _root_may_write(path)]
    if shut:
        message = format_message(
            _(
                "The watcher may not write to {path}: root has no powers of its own there, and neither its owner nor "
                "its group is root."
            ),
            path=shut[0],
        )
        fix = command("chgrp root {path} && chmod g+w {path}", path=shut[0])
        yield Finding("database-writable", "problem", message, fix)


def _root_may_write(path: str) -> bool:
    # Without CAP_DAC_OVERRIDE, which the unit takes away, root is an account like any other: capabilities(7).
    status = os.stat(path)
    if status.st_uid == 0:
        return bool(status.st_mode & stat.S_IWUSR)
    if status.st_gid == 0:
        return bool(status.st_mode & stat.S_IWGRP)
    return bool(status.st_mode & stat.S_IWOTH)
