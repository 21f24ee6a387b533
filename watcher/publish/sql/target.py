"""Where in the database the aliases belong: by the configuration, and where it is silent by the query of the map."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.sql_block import Database, Value
from schemas.text import printable
from watcher.publish.sql.map_file import SqlMap, SqlMapError, SqlType
from watcher.publish.sql.query import NotPlainError, Query, parse_query

_AS_IT_IS = frozenset({"%s", "%u@%d"})
"""The forms of `result_format` that leave an answer as the table holds it."""


@dataclass(frozen=True)
class Target:
    """The rows that are kept in line with the registry.

    Attributes:
        table: the table's name.
        schema: the one before the dot, where there is one.
        address_column, goto_column: its columns.
        constants: what new rows need besides.
        managed_column, managed_value: what marks rows of ours; both `None` where a table of ours lists them.
    """

    table: str
    schema: str | None
    address_column: str
    goto_column: str
    constants: dict[str, Value]
    managed_column: str | None = None
    managed_value: Value | None = None


def target_of(database: Database, sql_map: SqlMap) -> Target:
    """Where the rows belong: as the configuration says, and what it leaves out as the query of the map says.

    Constants of the query (`AND active = '1'`) are taken along where the table is the query's, so that what is
    published is found by it; those of the configuration come before them.

    Raises:
        SqlMapError: neither says it.
    """
    query = _query_for(database, sql_map)
    address = database.address_column or (query.address_column if query else "")
    goto = database.goto_column or (query.goto_column if query else "")
    schema, _, table = (database.table or "").rpartition(".")
    columns = {_folded(name, sql_map.kind) for name in (address, goto, database.managed_column) if name}
    constants = {_folded(name, sql_map.kind) for name in database.constants}
    if len(columns) < (2 if database.managed_column is None else 3) or columns & constants:
        raise SqlMapError(
            f"By the query of the map file {printable(sql_map.path)} the addresses stand in the column `{address}` and "
            f"the destinations in `{goto}`, and `sql` gives one of its columns a second meaning. Mend `managed_column` "
            "or `constants` in `sql`."
        )
    of_query = query.constants if query else {}
    return Target(
        table=table or (query.table if query else ""),
        schema=schema or (query.schema if query else None),
        address_column=address,
        goto_column=goto,
        constants={
            name: value for name, value in of_query.items() if _folded(name, sql_map.kind) not in columns | constants
        }
        | database.constants,
        managed_column=database.managed_column,
        managed_value=database.managed_value,
    )


def _query_for(database: Database, sql_map: SqlMap) -> Query | None:
    path = printable(sql_map.path)
    if sql_map.result_format not in _AS_IT_IS:
        raise SqlMapError(
            f"The map file {path} has a `result_format`, so what Postfix finds is not the destination as the table "
            "holds it. Take that line out, or name another map file in `sql`."
        )
    missing = [f"`{key}`" for key in ("table", "address_column", "goto_column") if getattr(database, key) is None]
    next_step = f"so it does not say where the aliases belong. Give {', '.join(missing)} in `sql`."
    if sql_map.query is None:
        if missing:
            raise SqlMapError(f"The map file {path} has no `query`, {next_step}")
        return None
    try:
        query = parse_query(sql_map.query, sql_map.kind)
    except NotPlainError as error:
        if missing:
            raise SqlMapError(f"The query of the map file {path} {error}, {next_step}") from None
        return None
    if not _is_of(query, database.table, sql_map.kind):
        if missing:
            raise SqlMapError(
                f"The query of the map file {path} reads from `{query.table}`, and `table` in `sql` is "
                f"`{database.table}`, {next_step}"
            )
        return None
    names = {_folded(name, sql_map.kind) for name in (*database.constants, database.managed_column) if name}
    unknown = [name for name in query.parts if _folded(name, sql_map.kind) not in names]
    if missing and unknown:
        raise SqlMapError(
            f"The query of the map file {path} wants `'{printable(query.parts[unknown[0]])}'` in the column "
            f"`{unknown[0]}`. Say in `constants` of `sql` what rows of ours have there."
        )
    return query


def _is_of(query: Query, table: str | None, kind: SqlType) -> bool:
    if table is None:
        return True
    schema, _, name = table.rpartition(".")
    same = _folded(name, kind) == _folded(query.table, kind)
    return same and (not schema or query.schema is None or _folded(schema, kind) == _folded(query.schema, kind))


def _folded(name: str, kind: SqlType) -> str:
    # PostgreSQL alone tells names from each other that differ in case only.
    return name if kind == "pgsql" else name.lower()
