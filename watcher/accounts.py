"""Who owns a file: a uid, its account, and whether that account is a member."""

from __future__ import annotations

import grp
import pwd
from typing import NamedTuple

from schemas.errors import ExpectedError
from watcher import sentences


class GroupMissingError(ExpectedError):
    """The members' group does not exist, so nobody can be told to be a member."""


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
                raise GroupMissingError(sentences.GROUP_MISSING.format(group=self._group_name)) from None
            self._group = _Group(found.gr_gid, frozenset(found.gr_mem))
        return self._group
