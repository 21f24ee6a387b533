"""Which map an administrator means who names its file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, get_args

from cli.database import sentences
from cli.host.postfix import Postfix
from cli.output import format_message
from schemas.errors import ExpectedError
from schemas.files import read_plain
from schemas.sql_map import SqlType
from watcher.publish.commands import CommandError
from watcher.publish.mapcheck import split

_KINDS: tuple[SqlType, ...] = get_args(SqlType)
_LIMIT = 64 * 1024
_DBPATH = re.compile(r"^dbpath\s*=", re.MULTILINE)
_URI = re.compile(r"^hosts\s*=.*\bpostgres(?:ql)?://", re.MULTILINE)
_NAMES: dict[SqlType, tuple[str, ...]] = {
    "mysql": ("mysql", "mariadb"),
    "pgsql": ("pgsql", "postgres"),
    "sqlite": ("sqlite",),
}


class UnknownMapError(ExpectedError):
    """What was given names no map in a database; the message says what was expected."""


class NamedMap(NamedTuple):
    """A map: its type and its file."""

    kind: SqlType
    path: str


def named_map(given: str) -> NamedMap:
    """The map that *given* means: `type:path`, or a path alone, whose type is found out.

    It is what Postfix's settings call it, else what only one type has in its file, else what the file is named after.

    Raises:
        UnknownMapError: it cannot be told, or is no map in a database.
    """
    bare = given.removeprefix("proxy:")
    kind, colon, path = bare.partition(":")
    if not bare.startswith("/") and colon:
        for known in _KINDS:
            if kind == known:
                return NamedMap(known, _from_root(path, given))
        raise UnknownMapError(format_message(sentences.NO_DATABASE_TYPE, given=given, kinds=", ".join(_KINDS)))
    path = os.path.abspath(bare)
    found = _as_postfix_names_it(path) or _by_contents(path) or _by_name(path)
    if found is None:
        raise UnknownMapError(format_message(sentences.TYPE_UNKNOWN, path=path))
    return NamedMap(found, path)


def _from_root(path: str, given: str) -> str:
    if not path.startswith("/"):
        raise UnknownMapError(format_message(sentences.NO_PATH, given=given))
    return path


def _as_postfix_names_it(path: str) -> SqlType | None:
    try:
        every = Postfix().all_values()
    except CommandError:
        return None
    for value in every:
        for name in split(value):
            kind, _, file = name.removeprefix("proxy:").partition(":")
            if file == path and (found := _known(kind)):
                return found
    return None


def _known(kind: str) -> SqlType | None:
    return next((known for known in _KINDS if known == kind), None)


def _by_contents(path: str) -> SqlType | None:
    try:
        text = read_plain(os.path.realpath(path), _LIMIT).data.decode("utf-8", "replace")
    except (OSError, ExpectedError):
        return None
    if _DBPATH.search(text):
        return "sqlite"
    return "pgsql" if _URI.search(text) else None


def _by_name(path: str) -> SqlType | None:
    found = list(_named_after(os.path.basename(path).lower(), _NAMES.items()))
    return found[0] if len(found) == 1 else None


def _named_after(name: str, words: Iterable[tuple[SqlType, tuple[str, ...]]]) -> Iterator[SqlType]:
    return (kind for kind, each in words if any(word in name for word in each))
