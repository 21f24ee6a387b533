"""Accounts and groups for tests, seen only by the processes that we start: /etc/passwd is not touched.

libnss-wrapper is preloaded into them and answers from two files of ours. Uids are real all the same: a process
started under one owns its files, and the kernel keeps it out of everybody else's.
"""

import grp
import os
import pwd
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Membership = Literal["primary", "listed", "none"]

_LIBRARY = "libnss_wrapper.so"  # found by the dynamic linker, wherever the architecture keeps it
_FIRST_ID = 30000
_ORDINARY = re.compile(r"[a-z0-9._-]+")

# The wrapper gives Python no second, larger buffer: a group whose entry is longer than 1,024 bytes (each listed
# name, its zero byte and its pointer) is "not found". About fifty names of ten letters.
_LISTING_LIMIT = 980


@dataclass(frozen=True)
class Account:
    """An account of the throwaway server, as a process is started under it."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    """The supplementary groups that a login would give."""


class Accounts:
    """The accounts of one throwaway server, in *directory*; every change is on disk when the method returns.

    The real accounts and groups of this machine are there as well (root, postfix, adm, ...). A process that is
    already running sees a change at its next look-up.

    As an ordinary user there is one account, the caller's own uid under the chosen name, and the caller's own
    group stands for the members' group.
    """

    def __init__(self, directory: Path, group: str = "runv-members") -> None:
        self.directory = directory
        self.group = group
        self._root = os.geteuid() == 0
        self._accounts: dict[str, tuple[Account, Membership]] = {}
        self._only_named: set[str] = set()
        self._real_users = list(pwd.getpwall())
        self._real_groups = [entry for entry in grp.getgrall() if entry.gr_name != group]
        self._next_id = _FIRST_ID
        if self._root:
            self.gid = self._free_id()
        else:
            self.gid = os.getegid()
            self._real_users = [entry for entry in self._real_users if entry.pw_uid != os.getuid()]
            self._real_groups = [entry for entry in self._real_groups if entry.gr_gid != self.gid]
        directory.mkdir(mode=0o755, exist_ok=True)
        directory.chmod(0o755)
        self._write()

    def add(self, name: str, *, membership: Membership = "primary", uid: int | None = None) -> Account:
        """Add one account, with a uid that no account here has had, or with *uid*.

        *membership* says how it belongs to the members' group: by its primary group, by being listed, or not at all.
        """
        account = self._account(name, membership, uid)
        self._accounts[name] = (account, membership)
        self._write()
        return account

    def add_many(self, names: Iterable[str]) -> list[Account]:
        """Add many members, by primary group, with one rewrite of the files."""
        added = [self._account(name, "primary", None) for name in names]
        self._accounts |= {account.name: (account, "primary") for account in added}
        self._write()
        return added

    def name(self, names: Iterable[str]) -> None:
        """See that each of *names* has an account, as the members have whom a registry names; any can still be added.

        A name that no account can have is passed over. As an ordinary user there is no other account, and nothing is
        done.
        """
        new = [name for name in names if name not in self._accounts and _ORDINARY.fullmatch(name)]
        if self._root and new:
            self._accounts |= {name: (self._account(name, "primary", None), "primary") for name in new}
            self._only_named.update(new)
            self._write()

    def remove(self, *names: str) -> None:
        """Take the accounts away; their files stay with their uids, which no later account is given by itself."""
        for name in names:
            del self._accounts[name]
        self._write()

    def give_uid(self, name: str, uid: int | None = None) -> Account:
        """Give the name to another uid, as if somebody else had got it; at once, so that it is never missing."""
        _, membership = self._accounts.pop(name)
        return self.add(name, membership=membership, uid=uid)

    def leave(self, *names: str) -> None:
        """Take the accounts out of the members' group, however they were in it."""
        for name in names:
            account, _ = self._accounts[name]
            self._accounts[name] = (Account(name, account.uid, account.uid, ()), "none")
        self._write()

    @property
    def passwd(self) -> Path:
        """The file that stands for /etc/passwd; what is written there by hand holds until the next change here."""
        return self.directory / "passwd"

    @property
    def groups(self) -> Path:
        """The file that stands for /etc/group."""
        return self.directory / "group"

    def __getitem__(self, name: str) -> Account:
        return self._accounts[name][0]

    def environment(self) -> dict[str, str]:
        """What a process must be started with to see these accounts."""
        return {
            "LD_PRELOAD": _LIBRARY,
            "NSS_WRAPPER_PASSWD": str(self.directory / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.directory / "group"),
        }

    def _account(self, name: str, membership: Membership, uid: int | None) -> Account:
        if name in self._only_named:
            self._only_named.discard(name)
            self._accounts.pop(name, None)
        if name in self._accounts:
            raise ValueError(f"there is an account {name} already")
        if not self._root:
            if self._accounts or membership != "primary" or uid not in {None, os.getuid()}:
                raise ValueError("an ordinary user has one account here, a member by primary group; more need root")
            return Account(name, os.getuid(), self.gid, ())
        number = self._free_id() if uid is None else uid
        if membership == "primary":
            return Account(name, number, self.gid, (self.gid,))
        # A group of its own, as Debian's adduser makes it.
        return Account(name, number, number, (number, self.gid) if membership == "listed" else (number,))

    def _free_id(self) -> int:
        taken = {entry.pw_uid for entry in self._real_users} | {entry.gr_gid for entry in self._real_groups}
        while self._next_id in taken:
            self._next_id += 1
        self._next_id += 1
        return self._next_id - 1

    def _write(self) -> None:
        listed = [account.name for account, membership in self._accounts.values() if membership == "listed"]
        if sum(len(name) + 9 for name in (self.group, *listed)) > _LISTING_LIMIT:
            raise ValueError("too many listed members for libnss-wrapper: give some the group as their primary one")
        groups = [f"{e.gr_name}:x:{e.gr_gid}:{','.join(e.gr_mem)}" for e in self._real_groups]
        groups.append(f"{self.group}:x:{self.gid}:{','.join(listed)}")
        users = [f"{e.pw_name}:x:{e.pw_uid}:{e.pw_gid}::{e.pw_dir}:{e.pw_shell}" for e in self._real_users]
        for account, membership in self._accounts.values():
            users.append(f"{account.name}:x:{account.uid}:{account.gid}::/nonexistent:/bin/sh")
            if membership != "primary":
                groups.append(f"{account.name}:x:{account.gid}:")
        self._replace("group", groups)
        self._replace("passwd", users)

    def _replace(self, name: str, lines: list[str]) -> None:
        """Write one file by rename: a process in the middle of a look-up has the old one or the new one."""
        temporary = self.directory / f".{name}.tmp"
        temporary.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
        temporary.chmod(0o644)
        temporary.rename(self.directory / name)
