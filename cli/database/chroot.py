"""Whether Postfix's programs can get to a database out of the chroot that Debian has many of them run in."""

from __future__ import annotations

from cli.database.reach import configured_maps, reach_of
from cli.host.postfix import Postfix
from schemas.config import Config
from schemas.errors import ExpectedError

ASKING = ("cleanup", "smtpd")
"""The programs that ask virtual_alias_maps: cleanup(8), and smtpd(8) for who may be mailed to."""


def is_out_of_reach(postfix: Postfix, config: Config) -> bool:
    """Whether programs in a chroot would ask the map, and it leads to a socket or a file that is not in there.

    By way of proxymap(8), which Debian does not run in a chroot, they get to it. What cannot be found out is no reason
    for a detour.
    """
    try:
        return bool(asking_from_a_chroot(postfix)) and bool(out_of_reach(config))
    except ExpectedError:
        return False


def asking_from_a_chroot(postfix: Postfix) -> list[str]:
    """The programs that ask the map and are run in a chroot. Raises `CommandError`."""
    return postfix.chrooted(ASKING)


def out_of_reach(config: Config) -> str | None:
    """What of the database is not in the chroot: `socket`, `file`, or nothing. Raises `SqlMapError`.

    sqlite's file is open by the time that the chroot begins, but its journal and its write-ahead log are not seen from
    inside, so what a program that was killed has left half done would be read as it lies there.
    """
    # That of Postfix alone counts; the first of them is its.
    reach = reach_of(configured_maps(config)[0])
    if reach.file is not None:
        return "file"
    return "socket" if reach.sockets else None
