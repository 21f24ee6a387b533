"""Where the rows belong: the configuration's word, and the query's where that is silent and it is plain."""

from typing import Any

import pytest

from schemas.sql_block import Database
from watcher.publish.sql.map_file import SqlMap, SqlMapError, SqlType
from watcher.publish.sql.target import Target, target_of

PATH = "/etc/postfix/aliases.cf"
PLAIN = "SELECT goto FROM alias WHERE address='%s' AND active = '1'"
COMPLEX = "SELECT goto FROM alias JOIN domain USING (domain) WHERE address='%s'"
NAMED: dict[str, Any] = {"table": "alias", "address_column": "address", "goto_column": "goto"}


def sql_map(query: str | None, kind: SqlType = "mysql", result_format: str = "%s") -> SqlMap:
    return SqlMap(path=PATH, kind=kind, query=query, result_format=result_format)


def found(query: str | None = PLAIN, kind: SqlType = "mysql", **given: Any) -> Target:
    return target_of(Database(**given), sql_map(query, kind))


def refusal(query: str | None = PLAIN, kind: SqlType = "mysql", **given: Any) -> str:
    with pytest.raises(SqlMapError) as refused:
        found(query, kind, **given)
    return str(refused.value)


def test_a_plain_query_says_everything() -> None:
    assert found() == Target("alias", None, "address", "goto", {"active": "1"})


def test_the_configuration_comes_before_the_query() -> None:
    assert found(
        table="alias",
        goto_column="destination",
        managed_column="managed_by",
        managed_value="us",
        constants={"Active": 1, "domain": "runv.club"},
    ) == Target("alias", None, "address", "destination", {"Active": 1, "domain": "runv.club"}, "managed_by", "us")


def test_a_column_of_the_query_that_marks_our_rows_is_no_constant_besides() -> None:
    target = found(managed_column="active", managed_value=2)
    assert (target.constants, target.managed_column, target.managed_value) == ({}, "active", 2)


@pytest.mark.parametrize("query", [PLAIN, COMPLEX, "CALL lookup('%s')", None])
def test_whoever_names_table_and_columns_may_have_any_query(query: str | None) -> None:
    target = found(query, **NAMED)
    assert target == Target("alias", None, "address", "goto", {"active": "1"} if query == PLAIN else {})


def test_nothing_is_taken_from_a_query_of_another_table() -> None:
    named = NAMED | {"table": "base.alias_rows"}
    assert found(**named) == Target("alias_rows", "base", "address", "goto", {})
    del named["goto_column"]
    assert refusal(**named) == (
        f"The query of the map file {PATH} reads from `alias`, and `table` in `sql` is `base.alias_rows`, so it does "
        "not say where the aliases belong. Give `goto_column` in `sql`."
    )


@pytest.mark.parametrize(
    ("kind", "table", "taken"),
    [
        ("mysql", "Alias", True),
        ("pgsql", "Alias", False),
        ("pgsql", "public.alias", True),
        ("mysql", "alia", False),
    ],
)
def test_a_table_is_the_same_by_the_databases_own_rule(kind: SqlType, table: str, taken: bool) -> None:
    assert found(kind=kind, **NAMED | {"table": table}).constants == ({"active": "1"} if taken else {})


def test_a_schema_that_both_name_has_to_be_the_same() -> None:
    query = PLAIN.replace("alias", "mail.alias")
    assert found(query).schema == "mail"
    assert found(query, **NAMED).schema == "mail"
    assert found(query, **NAMED | {"table": "mail.alias"}).constants == {"active": "1"}
    assert found(query, **NAMED | {"table": "other.alias"}) == Target("alias", "other", "address", "goto", {})


def test_a_query_that_is_not_plain_is_told_with_what_to_give() -> None:
    assert refusal(COMPLEX) == (
        f"The query of the map file {PATH} is more than a plain SELECT of one column of one table, with conditions "
        "joined by AND, so it does not say where the aliases belong. Give `table`, `address_column`, `goto_column` in "
        "`sql`."
    )
    assert refusal(None, table="alias", address_column="address") == (
        f"The map file {PATH} has no `query`, so it does not say where the aliases belong. Give `goto_column` in `sql`."
    )


def test_a_column_that_holds_a_part_of_the_address_has_to_be_given() -> None:
    query = f"{PLAIN} AND Domain = '%d'"
    assert refusal(query) == (
        f"The query of the map file {PATH} wants `'%d'` in the column `Domain`. Say in `constants` of `sql` what rows "
        "of ours have there."
    )
    assert found(query, constants={"domain": "runv.club"}).constants == {"active": "1", "domain": "runv.club"}
    assert found(query, **NAMED).constants == {"active": "1"}


@pytest.mark.parametrize(
    "given",
    [
        {"constants": {"GOTO": "x"}},
        {"goto_column": "Address"},
        {"managed_column": "goto", "managed_value": 1},
    ],
)
def test_a_column_of_the_query_has_one_meaning(given: dict[str, Any]) -> None:
    assert refusal(**given).endswith("Mend `managed_column` or `constants` in `sql`.")


@pytest.mark.parametrize("result_format", ["smtp:[%s]", "%u", "%s@example.org", "%S"])
def test_an_answer_that_is_dressed_is_not_the_destination(result_format: str) -> None:
    with pytest.raises(SqlMapError) as refused:
        target_of(Database(**NAMED), sql_map(PLAIN, result_format=result_format))
    assert str(refused.value) == (
        f"The map file {PATH} has a `result_format`, so what Postfix finds is not the destination as the table holds "
        "it. Take that line out, or name another map file in `sql`."
    )


def test_an_answer_that_is_put_together_again_is_the_destination() -> None:
    assert target_of(Database(), sql_map(PLAIN, result_format="%u@%d")).goto_column == "goto"
