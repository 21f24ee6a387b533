"""The files of a mail server: which there are, and who may read them. Some hold passwords, so none is opened.

A file is looked at by lstat(2) alone, so a FIFO or a device in its place can do nothing.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from cli.messages import _
from cli.server.facts import Unavailable
from schemas.times import iso

Part = Literal["postfix", "dovecot", "mailboxes", "roundcube", "mailgun", "ours"]
State = Literal["present", "absent", "hidden"]

_KINDS: dict[int, str] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
_POSTFIX = (
    "main.cf",
    "master.cf",
    "virtual",
    "virtual.db",
    "virtual.lmdb",
    "mysql-virtual-alias-maps.cf",
    "pgsql-virtual-alias-maps.cf",
)
_FIXED: tuple[tuple[Part, str], ...] = (
    ("dovecot", "/etc/dovecot/dovecot.conf"),
    ("mailboxes", "/var/vmail"),
    ("roundcube", "/etc/roundcube"),
    ("roundcube", "/etc/roundcube/config.inc.php"),
    ("roundcube", "/usr/share/roundcube"),
    ("roundcube", "/var/lib/roundcube"),
    ("roundcube", "/var/www/roundcube"),
)
_MAILGUN = "/etc/runv-email.json"
"""How the server sends its own mail; it holds a password."""
_NAMED = "mailgun"


class MailFile(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under a path; all but the first three are `None` where nothing can be seen there.

    Attributes:
        path: where.
        part: what it belongs to.
        state: `hidden` where this account may not look.
        kind: `file`, `directory`, `link`, `fifo`, `socket` or `device`.
        target: of a link, what it names.
        mode: as in `0644`.
        owner: the account's name, or its number where it has none.
        group: likewise.
        size: in bytes.
        modified_at: when the contents last changed.
    """

    path: str
    part: Part
    state: State
    kind: str | None = None
    target: str | None = None
    mode: str | None = None
    owner: str | None = None
    group: str | None = None
    size: int | None = None
    modified_at: str | None = None


def mail_files(
    config_directory: str, ours: Sequence[str], not_asked: list[Unavailable], etc: str = "/etc"
) -> list[MailFile]:
    """Look at every file that there may be.

    Args:
        config_directory: Postfix's.
        ours: paths of our own files.
        not_asked: takes what could not be seen.
        etc: where the server's configuration is.
    """
    wanted: list[tuple[Part, str]] = [("postfix", os.path.join(config_directory, name)) for name in _POSTFIX]
    wanted += _FIXED
    wanted.append(("mailgun", os.path.join(etc, os.path.basename(_MAILGUN))))
    for directory in dict.fromkeys((etc, config_directory)):
        wanted += (("mailgun", path) for path in _named_after_mailgun(directory, not_asked))
    wanted += (("ours", path) for path in ours)
    return [look(part, path, not_asked) for part, path in dict.fromkeys(wanted)]


def _named_after_mailgun(directory: str, not_asked: list[Unavailable]) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        not_asked.append(
            Unavailable(_("Files named after Mailgun in {directory}").format(directory=directory), _why(error))
        )
        return
    yield from (os.path.join(directory, name) for name in sorted(names) if _NAMED in name.lower())


def look(part: Part, path: str, not_asked: list[Unavailable]) -> MailFile:
    """Look at what stands under *path*, a link itself and not what it points at."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return MailFile(path=path, part=part, state="absent")
    except OSError as error:
        not_asked.append(Unavailable(path, _why(error)))
        return MailFile(path=path, part=part, state="hidden")
    return MailFile(
        path=path,
        part=part,
        state="present",
        kind=_KINDS.get(stat.S_IFMT(status.st_mode), "device"),
        target=_target(path) if stat.S_ISLNK(status.st_mode) else None,
        mode=f"{stat.S_IMODE(status.st_mode):04o}",
        owner=_name(lambda: pwd.getpwuid(status.st_uid).pw_name, status.st_uid),
        group=_name(lambda: grp.getgrgid(status.st_gid).gr_name, status.st_gid),
        size=status.st_size,
        modified_at=iso(status.st_mtime_ns),
    )


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return _("This account may not look there; run it with sudo.")
    return _("{why}.").format(why=error.strerror)


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _name(lookup: Callable[[], str], number: int) -> str:
    try:
        return lookup()
    except KeyError:
        return str(number)
