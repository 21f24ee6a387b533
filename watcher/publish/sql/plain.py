"""Values as the database itself understands them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from schemas.database import Value
from schemas.sql_map import SqlType


class Untyped(UserDefinedType[Any]):
    """Leaves it to the database what a value is: with a cast to text, citext would not be equal to itself."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """As a cast would call it; nothing is ever cast to it."""
        return "TEXT"


UNTYPED = Untyped()


def untyped(value: object) -> sa.BindParameter[Any]:
    """*value* as a parameter of no type."""
    return sa.bindparam(None, value, type_=UNTYPED, unique=True)


def table_of(name: str, columns: Iterable[str], schema: str | None) -> sa.TableClause:
    """The table *name* with *columns* of no type."""
    return sa.table(name, *(sa.column(each, UNTYPED) for each in columns), schema=schema)


def among(column: sa.ColumnElement[Any], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """Whether *column* is one of *values*."""
    return column.in_(sa.bindparam(None, list(values), type_=UNTYPED, unique=True, expanding=True))


def as_parameter(value: Value, kind: SqlType) -> Value:
    """*value* of the configuration as the database *kind* takes it, be its column a number, a truth or a text.

    A server takes `'1'` for each of them. sqlite compares by what was stored, and stores a number as the column wants.
    """
    if isinstance(value, bool):
        value = int(value)
    return value if kind == "sqlite" else str(value)


def text_of(value: object) -> str | None:
    """What was read, as a text in which every byte can be told."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "surrogateescape")
    return str(value)


def is_text(text: str) -> bool:
    """Whether every byte of what `text_of` gave was of a text."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
