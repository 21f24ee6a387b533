"""The list of accounts users.json, which the server's other tools keep; and which of them are not members yet."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from typing import NamedTuple

from cli.messages import _
from cli.output import SafeText, format_message, safe_text
from schemas.config import Settings
from schemas.errors import ExpectedError, StateError, error_text
from schemas.fs.directory import read_plain
from schemas.json_records import NotJsonError, ShapeError, parse_object
from schemas.names import NameRefusedError, check_username
from watcher.accounts import Accounts, GroupMissingError

SIZE_LIMIT = 16 * 1024 * 1024
FIRST_PERSON = 1000
"""The lowest uid of a person: UID_MIN of login.defs(5), and Debian's policy, section 9.2.2."""
_NOBODY = 65534

_NAME_KEYS = ("username", "name")


class UsersFile(NamedTuple):
    """What the file says.

    Attributes:
        path: where it was read.
        names: the accounts it names, in its order, each once. Anything may stand there: they are not judged yet.
        unnamed: how many of its items name nobody.
    """

    path: str
    names: tuple[str, ...]
    unnamed: int


class LeftOut(NamedTuple):
    """A name that has nothing to do in the members' group, and why; a whole sentence, escaped."""

    name: str
    why: SafeText


class Joining(NamedTuple):
    """Which of the named accounts belong into the members' group.

    Attributes:
        missing: accounts of people that are not members yet, in the file's order.
        members: how many are members already.
        left_out: the others.
    """

    missing: tuple[str, ...]
    members: int
    left_out: tuple[LeftOut, ...]


def users_path(settings: Settings) -> str:
    """Where the server's other tools keep the file."""
    return os.path.join(settings.config.state_dir, "users.json")


def read_users(path: str) -> UsersFile | None:
    """Read the file *path*; give `None` where it is not there.

    It is a list, or an object keyed by name, or an object whose `users` is a list. Items of a list are names, or
    objects with a `username` or a `name`.

    Raises:
        StateError: it cannot be read, or is none of these.
    """
    try:
        data = read_plain(path, SIZE_LIMIT).data
        items = _items(data)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ExpectedError) as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise StateError(
            format_message(
                _("The list of accounts {path} cannot be read ({why}). It was left out; mend its owner and mode."),
                path=path,
                why=safe_text(error_text(error)),
            )
        ) from error
    except (NotJsonError, ShapeError) as error:
        raise StateError(
            format_message(
                _(
                    "The list of accounts {path} was not understood. {why} A list of names, an "
                    "object keyed by name, or an object whose `users` is a list was expected."
                ),
                path=path,
                why=safe_text(str(error)),
            )
        ) from error
    named = [_name_of(item) for item in items]
    names = dict.fromkeys(name for name in named if name is not None)
    return UsersFile(path, tuple(names), named.count(None))


def _items(data: bytes) -> list[object]:
    # Whatever it is, it stands as one value in an object: so it is held to the same rules as every other file.
    value = parse_object(b'{"":' + data + b"}")
    if len(value) != 1:
        raise NotJsonError("It is not JSON: more than one value was found.")
    found = value[""]
    if isinstance(found, dict):
        listed = found.get("users")
        found = listed if isinstance(listed, list) else list(found)
    if not isinstance(found, list):
        raise ShapeError(f"A {type(found).__name__} was found.")
    return found


def _name_of(item: object) -> str | None:
    if isinstance(item, str):
        return item or None
    if isinstance(item, dict):
        for key in _NAME_KEYS:
            name = item.get(key)
            if isinstance(name, str) and name:
                return name
    return None


def who_joins(names: tuple[str, ...], settings: Settings) -> Joining:
    """Say which of *names* belong into the members' group and are not in it. Where it does not exist, nobody is."""
    accounts = Accounts(settings.config.group)
    known = accounts_of(names)
    missing: list[str] = []
    left_out: list[LeftOut] = []
    members = 0
    for name in names:
        found = known.get(name)
        why = _why_not(name, found, settings)
        if why is not None:
            left_out.append(LeftOut(name, why))
        elif found is not None and is_member(found, accounts):
            members += 1
        else:
            missing.append(name)
    return Joining(tuple(missing), members, tuple(left_out))


def accounts_of(names: Iterable[str]) -> dict[str, pwd.struct_passwd]:
    """Those of *names* that are accounts."""
    # All at once, since each single look-up reads the whole passwd file. Some services do not list what they know.
    listed = {entry.pw_name: entry for entry in reversed(pwd.getpwall())}
    return {name: found for name in names if (found := listed.get(name) or _looked_up(name)) is not None}


def _looked_up(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None


def _why_not(name: str, found: pwd.struct_passwd | None, settings: Settings) -> SafeText | None:
    try:
        check_username(name, settings.config.reserved)
    except NameRefusedError as error:
        return safe_text(str(error))
    if found is None:
        return format_message(_("There is no account {name}."), name=name)
    if found.pw_uid < FIRST_PERSON or found.pw_uid == _NOBODY:
        return format_message(
            _("The account {name} has the uid {uid}; people's accounts begin at {first}."),
            name=name,
            uid=found.pw_uid,
            first=FIRST_PERSON,
        )
    return None


def is_member(found: pwd.struct_passwd, accounts: Accounts) -> bool:
    """Whether the account *found* is in the group of *accounts*; where that does not exist, nobody is."""
    try:
        return accounts.is_member(found.pw_name, found.pw_gid)
    except GroupMissingError:
        return False
