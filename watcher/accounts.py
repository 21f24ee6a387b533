"""Accounts: who owns a file and is a member, and whether /etc/passwd and /etc/group can be believed at present.

`Accounts` asks the name services. That alone would not do to switch an alias off: of a file that is empty, broken or
cannot be opened they say that nobody has an account. So `AccountFiles` reads /etc/passwd and /etc/group as well, or
those that nss_wrapper(1) puts in their place for a process.
"""

from __future__ import annotations

import grp
import os
import pwd
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.errors import ExpectedError, error_text
from schemas.fs.directory import read_plain
from schemas.text import N_, printable

SIZE_LIMIT = 64 * 1024 * 1024
QUIET_SECONDS = 1.0
"""How long the files must have been left alone: an editor that writes in place may be in the middle of one."""
LONGEST_SECONDS = 60.0
"""How long they are waited for where they never are."""

# Services that answer from the two files, or make accounts up that are no member's: nss-systemd(8), nss-myhostname(8).
_FILES = frozenset({"files", "compat"})
_LOCAL = _FILES | {"systemd", "myhostname"}
# What nsswitch.conf(5) and glibc say of a database that has no line.
_DEFAULT = ("files",)
_PASSWD_FIELDS, _GROUP_FIELDS = 7, 4


class AccountsUnreadableError(ExpectedError):
    """What the account files say cannot be believed.

    Attributes:
        lasts: whether it stays so until a file is changed.
    """

    def __init__(self, message: str, *, lasts: bool) -> None:
        super().__init__(message)
        self.lasts = lasts


class Mark(NamedTuple):
    """What tells one state of a file from another; unlike its other times, nobody sets the ctime."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


Marks = tuple[Mark | None, Mark | None, Mark | None]
"""Of passwd, group and nsswitch.conf; `None` where a file is not there."""


class LocalAccount(NamedTuple):
    """An entry of the passwd file."""

    uid: int
    gid: int


@dataclass(frozen=True)
class LocalAccounts:
    """What the files themselves say.

    Attributes:
        users: the accounts in the passwd file, by name.
        asked_first: whether that file is what the name services ask first, so that they say the same of these.
        foreign_users: the services that know accounts besides it.
        foreign_groups: the same for groups.
        alone: whether nothing but that file is asked for accounts, so that who is not in it has none.
    """

    users: Mapping[str, LocalAccount]
    asked_first: bool = True
    foreign_users: tuple[str, ...] = ()
    foreign_groups: tuple[str, ...] = ()
    alone: bool = False


class AccountFiles:
    """The files, as *environment* says where they are."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.passwd = environment.get("NSS_WRAPPER_PASSWD") or "/etc/passwd"
        self.group = environment.get("NSS_WRAPPER_GROUP") or "/etc/group"
        self.nsswitch = os.path.join(os.path.dirname(self.passwd), "nsswitch.conf")

    @property
    def paths(self) -> tuple[str, str, str]:
        """All three, for whoever watches them."""
        return self.passwd, self.group, self.nsswitch

    def marks(self) -> Marks:
        """How the files are now."""
        return _mark(self.passwd), _mark(self.group), _mark(self.nsswitch)

    def read(self) -> LocalAccounts:
        """Read all of them.

        Raises:
            AccountsUnreadableError: passwd or group cannot be read, is empty, or has a line that is no entry.
        """
        users: dict[str, LocalAccount] = {}
        merged_users = merged_groups = False
        for fields in _entries(self.passwd, _PASSWD_FIELDS, "pwck -r"):
            if fields is None:
                merged_users = True
            else:
                # Of two with one name the name services know the first, getpwnam(3).
                users.setdefault(fields[0], LocalAccount(int(fields[2]), int(fields[3])))
        for fields in _entries(self.group, _GROUP_FIELDS, "grpck -r"):
            merged_groups |= fields is None
        services = self._services()
        asked = services.get("passwd", _DEFAULT)
        first = asked[:1] in {("files",), ("compat",)}
        return LocalAccounts(
            users,
            first,
            _foreign(asked, merged=merged_users),
            _foreign(services.get("group", _DEFAULT), merged=merged_groups),
            alone=first and _FILES.issuperset(asked) and not merged_users,
        )

    def _services(self) -> dict[str, tuple[str, ...]]:
        try:
            data = read_plain(self.nsswitch, SIZE_LIMIT).data
        except FileNotFoundError:
            return {}
        except (OSError, ExpectedError) as error:
            raise _unreadable(self.nsswitch, error) from error
        found = {}
        for line in os.fsdecode(data).splitlines():
            database, colon, services = line.partition("#")[0].partition(":")
            if colon:
                # Between brackets stands what follows an answer, and no service.
                words = "".join(part.rpartition("]")[2] for part in services.split("["))
                found[database.strip()] = tuple(words.split())
        return found


def long_ago(marks: Marks) -> bool:
    """Whether none of the files was changed within the last moments, by their own times."""
    present = time.time_ns()
    return all(abs(present - mark.ctime_ns) > QUIET_SECONDS * 1e9 for mark in marks if mark is not None)


def _entries(path: str, count: int, checker: str) -> list[list[str] | None]:
    """The fields of each entry; `None` for one that merges in what another service knows, as `compat` has them."""
    try:
        data = read_plain(path, SIZE_LIMIT).data
    except (OSError, ExpectedError) as error:
        raise _unreadable(path, error) from error
    found: list[list[str] | None] = []
    for number, line in enumerate(os.fsdecode(data).split("\n"), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith(("+", "-")):
            found.append(None)
            continue
        fields = text.split(":")
        numbers = fields[2:4] if count == _PASSWD_FIELDS else fields[2:3]
        if len(fields) != count or not fields[0] or not all(each.isascii() and each.isdigit() for each in numbers):
            message = N_(
                "Line {number} of the account file {path} is no entry: {line}. Look with `{checker}` and mend it; "
                "until then no alias is switched off because its account is gone."
            ).format(path=path, number=number, line=printable(text, 80), checker=f"{checker} {path}")
            raise AccountsUnreadableError(message, lasts=True)
        found.append(fields)
    if not any(found):
        raise AccountsUnreadableError(
            N_(
                "The account file {path} has no entry. Bring it back from the backup; until then no alias is switched "
                "off because its account is gone."
            ).format(path=path),
            lasts=True,
        )
    return found


def _unreadable(path: str, error: Exception) -> AccountsUnreadableError:
    message = N_(
        "The account file {path} cannot be read: {error}. Until it can, no alias is switched off because its account "
        "is gone."
    ).format(path=path, error=error_text(error))
    return AccountsUnreadableError(message, lasts=False)


def _foreign(services: tuple[str, ...], *, merged: bool) -> tuple[str, ...]:
    found = [service for service in services if service not in _LOCAL]
    return (*found, *(["nis"] if merged and "compat" in services else []))


def _mark(path: str) -> Mark | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Mark(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class GroupMissingError(ExpectedError):
    """The members' group does not exist, so nobody is known to be a member."""


class Account(NamedTuple):
    """An account, as the system's name services know it."""

    name: str
    uid: int
    member: bool


class _Group(NamedTuple):
    gid: int
    listed: frozenset[str]


class Accounts:
    """Looks accounts up once for each pass: members come and go, but not within one."""

    def __init__(self, group: str) -> None:
        self._group_name = group
        self._group: _Group | None = None
        self._by_uid: dict[int, Account | None] = {}

    def forget(self) -> None:
        """A new pass: ask the system again."""
        self._group = None
        self._by_uid.clear()

    @property
    def gid(self) -> int:
        """The members' group. Raises `GroupMissingError`."""
        return self._members().gid

    def of_uid(self, uid: int) -> Account | None:
        """The account of *uid*, or `None` where there is none. Raises `GroupMissingError`."""
        if uid not in self._by_uid:
            try:
                self._by_uid[uid] = self._account(pwd.getpwuid(uid))
            except KeyError:
                self._by_uid[uid] = None
        return self._by_uid[uid]

    def of_name(self, name: str) -> Account | None:
        """The account called *name*, or `None` where there is none. Raises `GroupMissingError`."""
        try:
            return self._account(pwd.getpwnam(name))
        except (KeyError, ValueError):
            return None

    def is_member(self, name: str, gid: int) -> bool:
        """Whether the account *name* with the primary group *gid* is a member. Raises `GroupMissingError`."""
        members = self._members()
        return gid == members.gid or name in members.listed

    def _account(self, entry: pwd.struct_passwd) -> Account:
        return Account(entry.pw_name, entry.pw_uid, self.is_member(entry.pw_name, entry.pw_gid))

    def _members(self) -> _Group:
        if self._group is None:
            try:
                found = grp.getgrnam(self._group_name)
            except KeyError:
                raise GroupMissingError(
                    N_(
                        "The group {group} does not exist, so nobody can be told to be a member. Make it with "
                        "`groupadd --system {group}`; requests and decisions wait."
                    ).format(group=self._group_name)
                ) from None
            self._group = _Group(found.gr_gid, frozenset(found.gr_mem))
        return self._group
