"""Debian's packages and Python's libraries: which are installed, and which a database needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

from watcher.publish.commands import CommandError, failure, run
from watcher.publish.sql.map_file import SqlType

_INSTALLED = frozenset("iWt")
"""The second letter of dpkg's status: whole, or waiting for triggers. The first is what is wanted: `h` is hold."""


def installed(patterns: Sequence[str]) -> dict[str, str]:
    """Give name -> version of the installed packages among *patterns*, which may hold `*`.

    Raises:
        CommandError: dpkg-query(1) is not there, as on other distributions, or fails.
    """
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}\t${Package}\t${Version}\n", *patterns]
    answer = run(command)
    # It ends with 1 where a pattern matches nothing, and still shows the others.
    if answer.status not in {0, 1}:
        raise CommandError(failure(command, answer))
    rows = (line.split("\t") for line in answer.output.decode("utf-8", "replace").splitlines())
    return {name: version for status, name, version in rows if status[1:2] in _INSTALLED}


_LIBRARIES: Mapping[SqlType, tuple[str, ...]] = {
    "mysql": ("sqlalchemy", "pymysql"),
    "pgsql": ("sqlalchemy", "psycopg"),
    "sqlite": ("sqlalchemy",),
}


def missing_packages(kind: SqlType) -> list[str]:
    """The packages of Debian that a map of type *kind* needs and that cannot be used here."""
    return [f"python3-{name}" for name in _LIBRARIES[kind] if not _usable(name)]


def _usable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
