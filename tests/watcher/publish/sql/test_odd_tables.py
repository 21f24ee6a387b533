"""Tables, columns and values of names and letters that a statement could stumble over."""

from typing import Any

import pytest

from ....support.databases import ServerDatabase
from ....support.mariadb import MariaDB
from .conftest import MARKED, Room, RoomOf, many, registry_of

VALUE = "it's 50%\\ \"%s%%\\n"
# One by one, and all in one statement.
COUNTS = pytest.mark.parametrize("count", [2, 60])


def come_change_and_go(room: Room, count: int, query: str) -> None:
    """Take *count* aliases through their lives, where *query* finds where they lead."""
    room.publish(many(count))
    assert room.publish(many(count), asked=True) is None
    room.publish(many(count, "y"), forced=True)
    assert sorted(room.database.rows(query)) == sorted((f"y{number}@example.org",) for number in range(count))
    room.publish(registry_of(), forced=True)
    assert room.database.rows(query) == []


@COUNTS
@pytest.mark.parametrize(
    "names", [("100%", "go to", "a%sb", "%%"), ("g", "a", "Select", "b:c"), ("ä\\", "[k]", "c'", "?")]
)
def test_columns_may_have_any_name(room_of: RoomOf, names: tuple[str, ...], count: int) -> None:
    table = "My %s Table"
    address, goto, mark, more = names
    block = {"table": table, "address_column": address, "goto_column": goto, "constants": {more: VALUE}}
    room = room_of(sql={**block, "managed_column": mark, "managed_value": VALUE})
    sign = "`" if room.database.kind == "mysql" else '"'
    quoted = [f"{sign}{name}{sign}" for name in (table, *names)]
    columns = ", ".join(f"{name} varchar(255)" for name in quoted[1:])
    room.database.execute(f"CREATE TABLE {quoted[0]} ({columns})")

    come_change_and_go(room, count, f"SELECT {quoted[2]} FROM {quoted[0]}")


@COUNTS
@pytest.mark.parametrize("kind", ["mysql"], indirect=True)
@pytest.mark.parametrize("mode", ["ANSI,NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH"])
@pytest.mark.parametrize("name", ["marked", "listed"])
def test_mariadb_s_modes_change_nothing(room_of: RoomOf, mariadb: MariaDB, mode: str, name: str, count: int) -> None:
    block: dict[str, Any] = {"managed_column": "owner", "managed_value": "it's\\%s"} if name == "marked" else {}
    room = room_of(sql={**block, "constants": {"note": VALUE}})
    room.make("char(200)")
    ((before,),) = mariadb.rows("SELECT @@global.sql_mode")
    mariadb.execute(f"SET GLOBAL sql_mode = '{mode}'")
    try:
        come_change_and_go(room, count, "SELECT goto FROM aliases")
    finally:
        mariadb.execute(f"SET GLOBAL sql_mode = '{before}'")


@COUNTS
@pytest.mark.parametrize("kind", ["pgsql"], indirect=True)
def test_a_table_with_policies_for_its_rows_is_kept_in_line(marked: Room, count: int) -> None:
    assert isinstance(marked.database, ServerDatabase)
    everything = f"CREATE POLICY everything ON aliases TO {marked.database.writer.user} USING (true) WITH CHECK (true)"
    marked.database.execute("ALTER TABLE aliases ENABLE ROW LEVEL SECURITY", everything)

    come_change_and_go(marked, count, "SELECT goto FROM aliases")


@COUNTS
@pytest.mark.parametrize("kind", ["pgsql"], indirect=True)
@pytest.mark.parametrize("found", [True, False], ids=["told", "by-search-path"])
def test_a_table_in_a_schema_of_its_own_is_kept_in_line(room_of: RoomOf, count: int, *, found: bool) -> None:
    room = room_of(sql={"table": "mail.aliases"} if found else {})
    database = room.database
    assert isinstance(database, ServerDatabase)
    writer = database.writer.user
    room.make()
    schema = f"CREATE SCHEMA mail AUTHORIZATION {writer}"
    database.execute(schema, "ALTER TABLE aliases SET SCHEMA mail")
    room.write_map("SELECT goto FROM mail.aliases WHERE address = '%s'")
    if not found:
        room.write_map()
        database.execute(f"ALTER ROLE {writer} SET search_path = public, mail")

    come_change_and_go(room, count, "SELECT goto FROM mail.aliases")


def test_a_mark_that_only_python_takes_for_a_number_is_a_text(room_of: RoomOf) -> None:
    """To MariaDB it equals 0 in a column of numbers."""
    room = room_of(sql={**MARKED, "managed_value": "nan"})
    room.make()
    room.add("left@runv.club", "l@example.org", "0")
    if room.database.kind == "mysql":
        room.database.execute("ALTER TABLE aliases MODIFY owner int")

    room.publish(registry_of())

    assert room.answers == {"left": "l"}
