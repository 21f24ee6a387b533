"""What stands between a database and those who ask it: the walls of the watcher's unit, and the chroot of Postfix."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterable, Iterator

from cli.admin_sentences import UNIT
from cli.database.chroot import asking_from_a_chroot, out_of_reach
from cli.database.reach import configured_maps, holder_of, reach_of
from cli.doctor import database_sentences, sentences
from cli.doctor.context import Facts
from cli.doctor.verdicts import Check, Finding, command, command_line
from cli.host.systemd import properties
from cli.mail_side import Setting, edit_command
from cli.output import format_message
from cli.setup.walls import ANY, is_below, needed
from watcher.publish.mapcheck import split

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


CHECKS = (
    Check("walls", database_sentences.ABOUT_WALLS, _unit),
    Check("chroot", database_sentences.ABOUT_CHROOT, _chroot),
    Check("database-writable", database_sentences.ABOUT_WRITABLE, _writable),
)
