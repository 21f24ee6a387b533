"""The libraries that lead to a database; nothing of them is imported where the map is a file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from schemas.sql_map import SqlType

_NEEDED: Mapping[SqlType, tuple[str, ...]] = {
    "mysql": ("sqlalchemy", "pymysql"),
    "pgsql": ("sqlalchemy", "psycopg"),
    "sqlite": ("sqlalchemy",),
}


def missing_packages(kind: SqlType) -> list[str]:
    """The packages of Debian that a map of type *kind* needs and that cannot be used here."""
    return [f"python3-{name}" for name in _NEEDED[kind] if not _usable(name)]


def _usable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
