"""Rows of somebody else that a database takes for ours, though they are spelt otherwise, and rows of strange bytes."""

import json

import pytest

from schemas.json_records import to_json
from schemas.registry import Registry
from watcher.publish.sql.errors import DatabaseError
from watcher.publish.sql.inspect import read_published

from ....support.mariadb import MariaDB
from ....support.postgresql import PostgreSQL
from ....support.servers import Kind
from .conftest import MARKED, Room, RoomOf, many, registry_of

MYSQL = pytest.mark.parametrize("kind", ["mysql"], indirect=True)
PGSQL = pytest.mark.parametrize("kind", ["pgsql"], indirect=True)
SQLITE = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
EVERY_LETTER = {"mysql": "varchar(255) COLLATE utf8mb4_bin", "pgsql": "varchar(255)", "sqlite": "text"}
ANY_LETTER = {"mysql": "varchar(255) COLLATE utf8mb4_general_ci", "pgsql": "citext", "sqlite": "text COLLATE NOCASE"}


def holds_both(room: Room, registry: Registry) -> bool:
    """Whether an alias and an odd row beside it live side by side."""
    room.publish(registry)
    room.publish(registry, asked=True)
    return room.conflicts == []


def test_letters_of_another_case_are_another_address_where_the_database_says_so(kind: Kind, room_of: RoomOf) -> None:
    room = room_of()
    room.make(EVERY_LETTER[kind])
    room.add("Pablo@Runv.Club", "sales@example.net")

    assert holds_both(room, registry_of(pablo="p"))
    assert room.answers["pablo"] == "p"


def test_letters_of_another_case_are_a_conflict_where_the_database_says_so(kind: Kind, room_of: RoomOf) -> None:
    room = room_of()
    if kind == "pgsql":
        room.database.execute("CREATE EXTENSION citext")
    room.make(ANY_LETTER[kind], unique=False)
    room.add("Pablo@Runv.Club", "sales@example.net")

    room.publish(registry_of(pablo="p", maria="m"))
    assert room.conflicts == [("pablo", "p", ["sales@example.net"])]

    # By its key, and of two aliases at once, too.
    room.add("ZOE@runv.club", "zoe@example.net")
    room.publish(registry_of(pablo="p", maria="m", zoe="z", anna="a"))
    assert [alias for alias, _, _ in room.conflicts] == ["pablo", "zoe"]
    assert room.answers["anna"] == "a"


def test_a_row_of_ours_in_other_letters_is_kept_in_line_where_it_is_the_same(kind: Kind, room_of: RoomOf) -> None:
    room = room_of()
    if kind == "pgsql":
        room.database.execute("CREATE EXTENSION citext")
    room.make(ANY_LETTER[kind])
    room.add("PABLO@runv.club", "old@example.org", "runv")

    room.publish(registry_of(pablo="p"))
    assert room.answers == {"PABLO": "p"}
    assert room.publish(registry_of(pablo="p"), asked=True) is None

    room.publish(registry_of())
    assert room.answers == {}


@MYSQL
def test_what_mariadb_does_not_see_hides_no_conflict_from_the_first_look(room_of: RoomOf) -> None:
    room = room_of()
    room.make("varchar(255) COLLATE utf8mb4_unicode_ci")
    room.add("pab\x01lo@runv.club", "spy@example.net")

    room.publish(registry_of(pablo="p"))

    assert room.conflicts == [("pablo", "p", ["spy@example.net"])]


@MYSQL
@pytest.mark.parametrize("odd", ["josé@example.org", "jo\x01se@example.org"])
def test_a_destination_that_mariadb_takes_for_ours_keeps_nobody_waiting(room_of: RoomOf, odd: str) -> None:
    room = room_of(sql={})
    room.make(unique=False)
    room.database.execute("ALTER TABLE aliases MODIFY goto varchar(255) COLLATE utf8mb4_unicode_ci")
    room.publish(registry_of(pablo="jose"))
    room.add("pablo@runv.club", odd)

    room.publish(registry_of(pablo="p", maria="m"))

    assert room.answers["maria"] == "m"
    assert [goto for address, goto, _ in room.rows if address == "pablo"] == ["jose", odd.removesuffix("@example.org")]
    assert [alias for alias, _, _ in room.conflicts] == ["pablo"]


@MYSQL
def test_a_listed_row_whose_letters_were_changed_goes_with_its_alias(room_of: RoomOf) -> None:
    room = room_of(sql={})
    room.make(ANY_LETTER["mysql"])
    room.publish(registry_of(pablo="p", maria="m"))
    room.database.execute("UPDATE aliases SET address = 'PABLO@runv.club' WHERE address = 'pablo@runv.club'")

    room.publish(registry_of(maria="m"), asked=True)

    assert room.answers == {"maria": "m"}


@MYSQL
@pytest.mark.parametrize("odd", ["pablo@runv.club ", "páblo@runv.club"])
def test_blanks_and_accents_do_not_hide_a_conflict_in_mariadb(room_of: RoomOf, odd: str) -> None:
    room = room_of()
    room.make(ANY_LETTER["mysql"], unique=False)
    room.publish(registry_of(pablo="p"))
    room.add(odd, "spy@example.net")

    room.publish(registry_of(pablo="p"), asked=True)

    assert room.conflicts == [("pablo", "p", ["spy@example.net"])]


@PGSQL
def test_a_column_that_fills_up_with_blanks_is_no_conflict_with_itself(room_of: RoomOf) -> None:
    room = room_of()
    room.make("char(255)")
    registry = registry_of(pablo="p", maria="m")
    room.publish(registry)

    assert room.publish(registry, asked=True) is None
    plan = room.publish(registry_of(pablo="q"))
    assert plan is not None
    assert (list(plan.changed), list(plan.removed)) == (["pablo@runv.club"], ["maria@runv.club"])


@MYSQL
def test_a_mark_of_numbers_is_not_met_by_every_text(room_of: RoomOf) -> None:
    """MariaDB takes any text for 0 where a column has numbers."""
    room = room_of(sql={"managed_column": "owner", "managed_value": "runv"})
    room.make()
    room.database.execute("ALTER TABLE aliases MODIFY owner int NOT NULL DEFAULT 0")
    room.database.execute("INSERT INTO aliases (address, goto) VALUES ('left@runv.club', 'l@example.org')")

    room.publish(registry_of())

    assert room.answers == {"left": "l"}


@pytest.mark.parametrize("value", [1, "1", True])
def test_a_mark_may_be_a_number_a_truth_or_a_text(kind: Kind, room_of: RoomOf, value: object) -> None:
    room = room_of(sql={"managed_column": "mark", "managed_value": value})
    room.make()
    typed = {"mysql": "tinyint(1) DEFAULT 0", "pgsql": "boolean DEFAULT false", "sqlite": "integer DEFAULT 0"}[kind]
    room.database.execute(f"ALTER TABLE aliases ADD mark {typed}")
    room.add("info@runv.club", "sales@example.net")
    room.publish(registry_of(pablo="p", info="i"))

    assert room.publish(registry_of(pablo="p", info="i"), asked=True) is None
    assert room.answers == {"info": "sales@example.net", "pablo": "p"}
    assert [alias for alias, _, _ in room.conflicts] == ["info"]


@SQLITE
def test_bytes_of_somebody_else_s_are_shown_escaped_in_sqlite(marked: Room) -> None:
    marked.database.execute("INSERT INTO aliases (address, goto) VALUES ('pablo@runv.club', CAST(X'1bff' AS TEXT))")
    marked.database.execute("INSERT INTO aliases (address, goto) VALUES (CAST(X'ff' AS TEXT) || '@runv.club', X'00')")

    marked.publish(registry_of(pablo="p", maria="m"))

    assert marked.conflicts == [("pablo", "p", ["\\x1b\\xff"])]
    assert json.loads(to_json(marked.publisher.conflicts[0]))


@SQLITE
def test_bytes_that_somebody_put_into_a_row_of_ours_are_put_right(marked: Room) -> None:
    marked.publish(registry_of(pablo="p", maria="m"))
    marked.database.execute("UPDATE aliases SET goto = CAST(X'ff' AS TEXT)")

    marked.publish(registry_of(pablo="p"), asked=True)

    assert marked.answers == {"pablo": "p"}


@SQLITE
def test_bytes_under_our_mark_keep_nobody_waiting(room_of: RoomOf) -> None:
    room = room_of()
    room.make(unique=False)
    room.add("pablo@runv.club", "p@example.org", "runv")
    for address in ("'pablo'", "CAST(X'ff' AS TEXT)"):
        row = f"{address} || '@runv.club', CAST(X'ff' AS TEXT), 'runv'"
        room.database.execute(f"INSERT INTO aliases (address, goto, owner) SELECT {row}")

    room.publish(registry_of(pablo="p", maria="m"))

    assert room.database.rows("SELECT address, goto FROM aliases WHERE goto LIKE '%@example.org'") == [
        ("maria@runv.club", "m@example.org"),
        ("pablo@runv.club", "p@example.org"),
    ]
    assert len(room.database.rows("SELECT CAST(address AS BLOB) FROM aliases")) == 3


@PGSQL
def test_bytes_of_somebody_else_s_are_shown_escaped_in_a_database_that_checks_none(
    room_of: RoomOf, postgresql: PostgreSQL
) -> None:
    room = room_of()
    postgresql.execute("CREATE DATABASE unchecked ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        make = "CREATE TABLE aliases (address varchar(255), goto text, owner text)"
        odd = "INSERT INTO aliases VALUES ('pablo@runv.club', E'\\x1b\\xff', NULL), (E'\\xe9@runv.club', 'e', NULL)"
        postgresql.execute(make, odd, database="unchecked")
        login = {"user": "postgres", "password": postgresql.password, "dbname": "unchecked"}
        room.write_map(**login)

        registry = registry_of(pablo="p", maria="m")
        room.publish(registry)
        room.publish(registry_of(pablo="p", maria="m2"))

        assert room.conflicts == [("pablo", "p", ["\\x1b\\xff"])]
        assert dict(read_published(room.config, registry.rows()).rows) == {"maria@runv.club": "m2@example.org"}
    finally:
        postgresql.execute("DROP DATABASE unchecked WITH (FORCE)")


@MYSQL
def test_words_in_latin_letters_of_somebody_else_are_read_in_mariadb(room_of: RoomOf) -> None:
    room = room_of()
    room.make("varchar(255) CHARACTER SET latin1")
    room.database.execute("ALTER TABLE aliases MODIFY goto varbinary(255)")
    room.database.execute("INSERT INTO aliases (address, goto) VALUES ('pablo@runv.club', X'e9')")
    room.add("josé@runv.club", "j@example.net")

    room.publish(registry_of(pablo="p", jose="j"))

    assert ("pablo", "p", ["\\xe9"]) in room.conflicts


@MYSQL
@pytest.mark.parametrize("modes", ["", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES"])
def test_a_destination_is_not_cut_short_by_a_server_that_is_not_strict(
    room_of: RoomOf, mariadb: MariaDB, modes: str
) -> None:
    room = room_of()
    room.make()
    room.database.execute("ALTER TABLE aliases MODIFY goto varchar(20)")
    mariadb.execute(f"SET GLOBAL sql_mode = '{modes}'")
    try:
        with pytest.raises(DatabaseError, match="too long"):
            room.publish(registry_of(pablo="pablo.who.is.forwarded"))
    finally:
        mariadb.execute("SET GLOBAL sql_mode = DEFAULT")
    assert room.rows == []


@pytest.mark.parametrize("kind", ["pgsql", "mysql"], indirect=True)
@pytest.mark.parametrize("count", [2, 100])
def test_a_view_of_a_table_is_kept_in_line_like_a_table(room_of: RoomOf, count: int) -> None:
    room = room_of(sql={**MARKED, "constants": {"note": "a\\b\tc'd"}})
    room.make()
    room.database.execute("ALTER TABLE aliases RENAME TO kept", "CREATE VIEW aliases AS SELECT * FROM kept")

    room.publish(many(count))

    assert room.publish(many(count), asked=True) is None
    assert room.database.rows("SELECT DISTINCT note FROM kept") == [("a\\b\tc'd",)]
    assert len(room.answers) == count


def test_constants_of_any_letters_come_as_they_are(room_of: RoomOf) -> None:
    room = room_of(sql={**MARKED, "constants": {"note": "a\\b\tc'd\n%s"}})
    room.make()
    room.publish(many(100))
    assert room.database.rows("SELECT DISTINCT note FROM aliases") == [("a\\b\tc'd\n%s",)]
