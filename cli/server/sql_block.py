"""The block of the configuration for a map in a database: worked out from the query in the map's file and the table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from schemas.sql_block import Database, Value
from watcher.publish.sql.map_file import SqlMap, SqlMapError
from watcher.publish.sql.query import NotPlainError, parse_query
from watcher.publish.sql.target import Target, target_of

if TYPE_CHECKING:
    from watcher.publish.sql.inspect import Column, TableView

_TIMEOUT = 10.0
"""How long the database may take to answer."""
_DOMAIN = "%d"
_DOMAIN_COLUMNS = ("name", "domain", "domain_name")
"""What a column is called that says which domain a row stands for."""
_NUMBERS = ("INT", "NUMERIC", "DECIMAL", "BOOL", "BIT", "SERIAL")


class Proposal(NamedTuple):
    """A block that was worked out.

    Attributes:
        database: the block, complete as far as can be told.
        table: what was seen of the table.
        open: the columns for which new rows need a value that cannot be told.
    """

    database: Database
    table: TableView
    open: tuple[Column, ...]


def propose(given: Database, sql_map: SqlMap, domain: str) -> Proposal:
    """Work the block out.

    Args:
        given: the block as it is written so far; what it says stays.
        sql_map: the file of the map.
        domain: of our aliases.

    Raises:
        ExpectedError: the database stands in the way, or it cannot be told which table it is.
    """
    from watcher.publish.sql.inspect import describe  # noqa: PLC0415 - brings the database libraries

    complete = None not in {given.table, given.address_column, given.goto_column}
    filled = with_target(given, sql_map, domain)
    with warnings.catch_warnings():
        # SQLAlchemy warns of types that it does not know in full: of them the name alone is shown.
        warnings.simplefilter("ignore")
        table = describe(sql_map, target_of(filled, sql_map))
    used = {filled.address_column, filled.goto_column, filled.managed_column, *filled.constants}
    # Where the whole block is written, only what no new row could do without is added.
    constants: dict[str, Value] = dict(given.constants if complete else filled.constants)
    left: list[Column] = []
    for column in table.columns:
        if column.name in used or (complete and not is_needed(column)):
            continue
        if column.refers_to is not None and is_needed(column):
            value = _key_of_domain(sql_map, filled, column.refers_to, domain)
        else:
            value = _value_for(column, domain)
        if value is not None:
            constants[column.name] = value
        elif is_needed(column):
            left.append(column)
    return Proposal(msgspec.structs.replace(given if complete else filled, constants=constants), table, tuple(left))


def is_needed(column: Column) -> bool:
    """Whether a new row has to say what stands in *column*."""
    return not column.nullable and column.default is None


def with_target(given: Database, sql_map: SqlMap, domain: str) -> Database:
    """*given* with the table, the columns and the constants of the query, as far as the query can be parsed.

    Raises:
        SqlMapError: neither of them says which table it is.
    """
    try:
        target = target_of(given, sql_map)
    except SqlMapError:
        constants = _domain_constants(sql_map, domain)
        if not constants:
            raise
        given = msgspec.structs.replace(given, constants=constants | given.constants)
        target = target_of(given, sql_map)
    return msgspec.structs.replace(
        given,
        map_file=sql_map.path,
        table=_table_name(target),
        address_column=target.address_column,
        goto_column=target.goto_column,
        constants=target.constants,
    )


def _table_name(target: Target) -> str:
    return f"{target.schema}.{target.table}" if target.schema else target.table


def _domain_constants(sql_map: SqlMap, domain: str) -> dict[str, Value]:
    """The columns in which the query wants the address's domain."""
    try:
        parts = parse_query(sql_map.query or "", sql_map.kind).parts
    except NotPlainError:
        return {}
    return {name: domain for name, pattern in parts.items() if pattern == _DOMAIN}


def _value_for(column: Column, domain: str) -> Value | None:
    """What new rows should have in *column*; `None` where nothing has to be said of it, or it cannot be told."""
    name, is_number = column.name.lower(), any(word in column.kind.upper() for word in _NUMBERS)
    if name in {"domain", "domain_name"} and not is_number:
        return domain
    if name in {"active", "enabled", "is_active"} and is_needed(column):
        return 1 if is_number else "1"
    return None


def _key_of_domain(sql_map: SqlMap, given: Database, refers_to: str, domain: str) -> Value | None:
    """What stands in `table.column`, *refers_to*, where that table has *domain*; `None` where it does not.

    Args:
        sql_map: the way to the database.
        given: the block of the configuration, whose table refers to it.
        refers_to: what a foreign key refers to.
        domain: of our aliases.

    Raises:
        ExpectedError: the database stands in the way.
    """
    import sqlalchemy as sa  # noqa: PLC0415 - the database libraries are not there where nobody needs them

    from watcher.publish.sql.database import Database as SqlDatabase  # noqa: PLC0415

    name, _separator, column = refers_to.rpartition(".")
    schema = (given.table or "").rpartition(".")[0] or None
    with SqlDatabase(sql_map.kind, given).session(_TIMEOUT, writing=False, by=sql_map) as session:
        there = [each["name"] for each in sa.inspect(session.connection).get_columns(name, schema=schema)]
        table = sa.table(name, *map(sa.column, there), schema=schema)
        for named in (each for each in _DOMAIN_COLUMNS if each in there):
            query = sa.select(table.c[column]).where(table.c[named] == domain).limit(2)
            found = session.connection.execute(query).scalars().all()
            if len(found) == 1 and isinstance(found[0], str | int):
                return found[0]
    return None


def as_written(database: Database) -> dict[str, object]:
    """The block as the configuration has it, without what is its default."""
    return {key: value for key, value in msgspec.to_builtins(database).items() if value is not None and value != {}}
