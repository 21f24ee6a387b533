"""Who runs a command: the member by the real uid, the administrator by sudo or the login."""

from __future__ import annotations

import os
from typing import NamedTuple

from schemas.text import printable

_LOGIN_UID = "/proc/self/loginuid"
_UNSET = 4294967295  # (uid_t) -1, see proc_pid_loginuid(5) and pam_loginuid(8)
_NAME_LIMIT = 64


class Member(NamedTuple):
    """The account that runs the member command."""

    name: str
    uid: int


def member() -> Member | None:
    """The account of the real uid, or `None` where it has no name."""
    uid = os.getuid()
    name = _name_of(uid)
    return Member(name, uid) if name else None


def operator() -> str:
    """Who decides: the account that called sudo, else the one that logged in, else root. Escaped and bounded."""
    return printable(os.environ.get("SUDO_USER") or _login_name() or "root", _NAME_LIMIT)


def _login_name() -> str | None:
    try:
        with open(_LOGIN_UID, encoding="ascii") as file:
            uid = int(file.read())
    except (OSError, ValueError):
        return None
    return None if uid == _UNSET else _name_of(uid)


def _name_of(uid: int) -> str | None:
    import pwd  # noqa: PLC0415

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
