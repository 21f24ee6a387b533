"""What a plain SELECT says of its rows is read, what is published by that is found by it, and nothing is guessed."""

import contextlib
import re
import sqlite3

import pytest

from schemas.sql_block import Value
from watcher.publish.sql.query import NotPlainError, Query, parse_query

KINDS = ("mysql", "pgsql", "sqlite")
WHERE = "SELECT goto FROM alias WHERE address = '%s'"


def read(text: str, kind: str = "mysql") -> Query:
    return parse_query(text, kind)


def place(query: Query) -> tuple[str | None, str, str, str]:
    return query.schema, query.table, query.address_column, query.goto_column


PLAIN = (None, "alias", "address", "goto")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (WHERE, PLAIN),
        (f"{WHERE};", PLAIN),
        ("select\tgoto\nfrom alias\r\nwhere address='%s' limit 1 ;", PLAIN),
        ("SELECT goto FROM alias WHERE '%s'=address", PLAIN),
        ("SELECT goto FROM alias WHERE ((address = '%S'))", PLAIN),
        ("SELECT goto FROM alias WHERE address = '%u@%d'", PLAIN),
        ("SELECT goto FROM alias WHERE LOWER(address) = LOWER('%s')", PLAIN),
        ("SELECT goto AS result FROM alias WHERE 1 = 1 AND TRUE AND address = '%s'", PLAIN),
        ("SELECT alias.goto FROM alias WHERE alias.address = '%s'", PLAIN),
        ("SELECT goto FROM mail.alias WHERE alias.address = '%s'", ("mail", *PLAIN[1:])),
        ("SELECT mail.alias.goto FROM mail.alias WHERE address = '%s'", ("mail", *PLAIN[1:])),
        ("SELECT va.destination FROM virtuals va WHERE va.source='%s'", (None, "virtuals", "source", "destination")),
        ("SELECT va.goto FROM alias AS va WHERE address='%s'", PLAIN),
    ],
)  # fmt: skip
def test_table_and_columns_are_read_from_a_plain_select(
    kind: str, text: str, found: tuple[str | None, str, str, str]
) -> None:
    assert place(read(text, kind)) == found
    assert read(text, kind).constants == {}


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("mysql", "SELECT `goto` FROM `ma-il`.`Alias` WHERE `address` = '%s'", ("ma-il", "Alias", "address", "goto")),
        ("mysql", 'SELECT goto FROM alias WHERE address = "%s"', PLAIN),
        ("pgsql", "SELECT Goto FROM Public.Alias WHERE Address = '%s'", ("public", "alias", "address", "goto")),
        ("pgsql", 'SELECT "Goto" FROM "Alias" WHERE "Address" = \'%s\'', (None, "Alias", "Address", "Goto")),
        ("sqlite", 'SELECT "Goto" FROM [Alias]', None),
        ("sqlite", 'SELECT "go to" FROM Alias WHERE "address" = "%s"', (None, "Alias", "address", "go to")),
    ],
)
def test_each_database_has_its_own_quotes_and_case(
    kind: str, text: str, found: tuple[str | None, str, str, str] | None
) -> None:
    if found is None:
        with pytest.raises(NotPlainError):
            read(text, kind)
    else:
        assert place(read(text, kind)) == found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("conditions", "constants"),
    [
        ("active = '1'", {"active": "1"}),
        ("active = 1 AND active=1", {"active": 1}),
        ("1 = active", {"active": 1}),
        ("weight = -1.5", {"weight": -1.5}),
        ("active = true AND gone = FALSE", {"active": True, "gone": False}),
        ("active", {"active": True}),
        ("NOT gone AND (active)", {"gone": False, "active": True}),
        ("active IS TRUE AND gone IS NOT TRUE AND (one IS FALSE AND two is not false)",
         {"active": True, "gone": False, "one": False, "two": True}),
        ("kind = 'it''s 5%%'", {"kind": "it's 5%"}),
        ("kind = ''", {"kind": ""}),
    ],
)  # fmt: skip
def test_conditions_become_constants(kind: str, conditions: str, constants: dict[str, Value]) -> None:
    for text in (f"{WHERE} AND {conditions}", f"SELECT goto FROM alias WHERE {conditions} AND address = '%s'"):
        found = read(text, kind).constants
        assert found == constants
        assert [type(value) for value in found.values()] == [type(value) for value in constants.values()]


def test_columns_that_hold_a_part_of_the_address_are_told_apart() -> None:
    query = read(f"{WHERE} AND domain = '%d' AND LOWER(name) = '%u' AND active = 1")
    assert (query.parts, query.constants) == ({"domain": "%d", "name": "%u"}, {"active": 1})


@pytest.mark.parametrize(
    "text",
    [
        f"{WHERE} AND active = '1' AND NOT gone AND kind = 'it''s 5%%' AND n = -1.5 AND flag LIMIT 1",
        "SELECT goto FROM alias a WHERE a.Active = 1 AND a.active = 1 AND lower(a.address) = '%u@%d' AND domain = '%d'",
        "SELECT \"go to\" FROM `al ias` WHERE flag IS NOT FALSE AND ((('%s' = \"address\")) AND empty = '');",
    ],
)
def test_a_row_made_by_what_was_read_is_found_by_the_query(text: str) -> None:
    query = read(text, "sqlite")
    assert found_by(text, query) == [("p@example.org",)]


def found_by(text: str, query: Query) -> list[tuple[str]]:
    row = {query.address_column: "pablo@runv.club", query.goto_column: "p@example.org", **query.constants}
    row |= dict.fromkeys(query.parts, "runv.club")
    columns = ", ".join(f'"{name}"' for name in row)
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute(f'CREATE TABLE "{query.table}" ({columns})')
        database.execute(f'INSERT INTO "{query.table}" VALUES ({", ".join("?" * len(row))})', list(row.values()))
        parts = {"%s": "pablo@runv.club", "%u": "pablo", "%d": "runv.club", "%%": "%"}
        return database.execute(re.sub("%.", lambda part: parts[part.group()], text)).fetchall()


MORE = "is more than a plain SELECT of one column of one table, with conditions joined by AND"
CONDITION = "has a condition that is not understood"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", MORE),
        ("CALL lookup('%s')", MORE),
        ("SELECT lookup('%s')", MORE),
        ("SELECT goto FROM alias", MORE),
        ("SELECT goto, 1 FROM alias WHERE address = '%s'", MORE),
        ("SELECT * FROM alias WHERE address = '%s'", "holds signs that are not understood"),
        ("SELECT DISTINCT goto FROM alias WHERE address = '%s'", MORE),
        ("SELECT CONCAT(goto, '') FROM alias WHERE address = '%s'", MORE),
        ("SELECT goto FROM alias, domain WHERE address = '%s'", MORE),
        ("SELECT goto FROM alias JOIN domain ON a = b WHERE address = '%s'", MORE),
        ("SELECT goto FROM alias a LEFT JOIN domain ON a = b WHERE address = '%s'", MORE),
        ("SELECT goto FROM (SELECT 1) a WHERE address = '%s'", MORE),
        ("SELECT goto FROM ONLY alias WHERE address = '%s'", MORE),
        ("SELECT goto FROM one.two.alias WHERE address = '%s'", "names a table by more than a schema and a name"),
        (f"{WHERE} OR active", MORE),
        (f"{WHERE} AND (active OR gone)", CONDITION),
        (f"{WHERE} UNION SELECT 1", MORE),
        (f"{WHERE} ORDER BY goto", MORE),
        (f"{WHERE} LIMIT 0", "has a LIMIT that is not understood"),
        (f"{WHERE} LIMIT 1, 2", MORE),
        (f"{WHERE} AND active <> 0", "holds signs that are not understood"),
        (f"{WHERE} AND active IN (1)", MORE),
        (f"{WHERE} AND active IS NULL", CONDITION),
        (f"{WHERE} AND goto LIKE 'x'", MORE),
        (f"{WHERE} AND domain = (SELECT 1)", MORE),
        (f"{WHERE} AND active = 1 = 1", MORE),
        (f"{WHERE} AND NOT active = 1", MORE),
        (f"{WHERE} AND 0", CONDITION),
        (f"{WHERE} AND 'a' = 'b'", CONDITION),
        (f"{WHERE} AND '%s' = '%s'", CONDITION),
        (f"{WHERE} AND LOWER(active) = 'x'", "compares what a function makes of a column"),
        (f"{WHERE} AND LOWER('x') = active", CONDITION),
        (f"{WHERE} AND one = two", "compares two columns with each other"),
        (f"{WHERE} AND other.active = 1", "names a column of another table"),
        ("SELECT alias.goto FROM alias a WHERE address = '%s'", "names a column of another table"),
        (f"{WHERE} AND active = 1 AND active = 2", "wants two values of the column `active` at once"),
        (f"{WHERE} AND active AND NOT active", "wants two values of the column `active` at once"),
        (f"{WHERE} AND goto = 'x'", "wants more of the columns of address and destination than that they are these"),
        (f"{WHERE} AND address = 'x'", "wants more of the columns of address and destination than that they are these"),
        ("SELECT address FROM alias WHERE address = '%s'",
         "wants more of the columns of address and destination than that they are these"),
        (f"{WHERE} AND other = '%s'", "compares more than once with the whole address"),
        ("SELECT goto FROM alias WHERE local = '%u' AND domain = '%d'",
         "compares no column with the whole address, `'%s'`"),
        ("SELECT goto FROM alias WHERE address = '@%d'", "compares no column with the whole address, `'%s'`"),
        (f"{WHERE} AND kind = '%%%d'", CONDITION),
        (f"{WHERE} AND kind = '50%'", CONDITION),
        (f"{WHERE} AND kind = 'a\\'", "holds signs that are not understood"),
        (f"{WHERE} AND kind = 'a\nb'", "has a string that is not understood"),
        (f"{WHERE} AND kind = 'a\udcffb'", "has a string that is not understood"),
        (f"{WHERE} -- active", "holds signs that are not understood"),
        (f"{WHERE} AND active = 9223372036854775808", "has a number that no column holds"),
        (f"{WHERE} AND active = 1e5", "holds signs that are not understood"),
        (f"{WHERE} AND açtive", "has a name that is not understood"),
        (f"{WHERE} AND {'a' * 65}", "has a name that is not understood"),
        (f"SELECT goto FROM alias WHERE {'(' * 21}address = '%s'{')' * 21}", "is nested too deep"),
        (f"SELECT goto FROM alias WHERE {'LOWER(' * 5000}address = '%s'{')' * 5000}", CONDITION),
        (f"{WHERE}{'(' * 5000}", MORE),
    ],
)  # fmt: skip
def test_everything_else_is_refused_and_said_why(kind: str, text: str, trouble: str) -> None:
    with pytest.raises(NotPlainError) as refusal:
        read(text, kind)
    assert str(refusal.value) == trouble


@pytest.mark.parametrize(
    ("kind", "name"), [("pgsql", '"a""b"'), ("pgsql", '"a.b"'), ("pgsql", '"%s"'), ("mysql", "`a``b`"), ("mysql", "``")]
)
def test_a_quoted_name_that_the_configuration_could_not_hold_is_refused(kind: str, name: str) -> None:
    with pytest.raises(NotPlainError, match="has a quoted name that is not understood"):
        read(f"SELECT goto FROM {name} WHERE address = '%s'", kind)
