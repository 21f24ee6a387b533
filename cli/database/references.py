"""What rows of ours have to refer to in another table: the row there that stands for our domain."""

from __future__ import annotations

from schemas.database import Database, Value
from schemas.sql_map import SqlMap

SECONDS = 10.0
_NAMES = ("name", "domain", "domain_name")
"""How the column is called that says which domain a row stands for."""


def value_for_domain(sql_map: SqlMap, given: Database, refers_to: str, domain: str) -> Value | None:
    """What stands in `table.column`, *refers_to*, where that table tells of *domain*; `None` where it does not.

    Args:
        sql_map: the way to the database.
        given: the block of the configuration, whose table refers to it.
        refers_to: what a foreign key refers to.
        domain: of our aliases.

    Raises:
        ExpectedError: the database stands in the way.
    """
    import sqlalchemy as sa  # noqa: PLC0415 - the database libraries are not there where nobody needs them

    from watcher.publish.sql.database import Database as Connected  # noqa: PLC0415

    name, _, column = refers_to.rpartition(".")
    schema = (given.table or "").rpartition(".")[0] or None
    with Connected(sql_map.kind, given).session(SECONDS, writing=False, by=sql_map) as session:
        there = [each["name"] for each in sa.inspect(session.connection).get_columns(name, schema=schema)]
        table = sa.table(name, *map(sa.column, there), schema=schema)
        for named in (each for each in _NAMES if each in there):
            query = sa.select(table.c[column]).where(table.c[named] == domain).limit(2)
            found = session.connection.execute(query).scalars().all()
            if len(found) == 1 and isinstance(found[0], str | int):
                return found[0]
    return None
