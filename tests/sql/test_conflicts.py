"""An alias that somebody else's row holds already is left to them and told of; all others are published."""

import pytest

from ..e2e.acts import activate, await_problem, await_status, await_well, entry, publish, settle
from .conftest import SetUp
from .kinds import on
from .stage import Stage
from .tables import ISPMAIL, MARKED, POSTFIXADMIN, Table

WITH_TABLES = pytest.mark.parametrize(
    ("kind", "table"),
    [("mysql", ISPMAIL), ("pgsql", POSTFIXADMIN), ("sqlite", MARKED)],
    ids=["mysql-ispmail", "pgsql-postfixadmin", "sqlite-marked"],
    indirect=["kind"],
)


@WITH_TABLES
def test_the_row_of_another_stays_and_both_destinations_are_told(set_up: SetUp, table: Table) -> None:
    stage = set_up(table)
    stage.accounts.add("pablo")
    stage.add_foreign("pablo@runv.club", "held@example.org")
    foreign = stage.rows
    stage.start_watcher()

    publish(stage, {"pablo": entry("pablo", "p@example.org"), "maria": entry("maria", "m@example.org")})

    assert stage.published == {"maria@runv.club": "m@example.org", "pablo@runv.club": "held@example.org"}
    assert foreign[0] in stage.rows
    message = await_problem(stage, "alias-conflict")
    assert "pablo@runv.club" in message
    assert "p@example.org" in message
    assert "held@example.org" in message
    status = stage.status()
    assert status["conflicts"] == [
        {"alias": "pablo@runv.club", "destination": "p@example.org", "held": ["held@example.org"]}
    ]
    assert status["published"]["aliases"] == 1

    stage.remove("pablo@runv.club")
    settle(stage)

    await_well(stage)
    assert stage.published["pablo@runv.club"] == "p@example.org"
    assert stage.status()["conflicts"] == []


@on("mysql")
def test_a_row_of_another_that_comes_later_is_left_alone_too(set_up: SetUp) -> None:
    """Nothing forbids several rows for one address in ISPmail's table, and Postfix takes all of them."""
    stage = set_up(ISPMAIL)
    stage.start_watcher()
    publish(stage, {"pablo": entry("pablo", "p@example.org")})
    (ours,) = stage.rows

    stage.add_foreign("pablo@runv.club", "another@example.org")
    settle(stage)

    await_problem(stage, "alias-conflict")
    assert [conflict["held"] for conflict in stage.status()["conflicts"]] == [["another@example.org"]]
    assert "another@example.org" in [row[3] for row in stage.rows]
    stage.database.execute("DELETE FROM virtual_aliases WHERE destination = 'another@example.org'")
    settle(stage)
    await_well(stage)
    assert [row[1:] for row in stage.rows] == [ours[1:]]


@on("pgsql")
def test_an_alias_in_conflict_is_live_once_the_other_row_is_gone_without_anybody_asking(stage: Stage) -> None:
    """Any pass will do, here the one for another member's approval."""
    stage.accounts.add("maria")
    stage.add_foreign("pablo@runv.club", "held@example.org")
    stage.start_watcher()
    publish(stage, {"pablo": entry("pablo", "p@example.org")})
    await_problem(stage, "alias-conflict")
    stage.remove("pablo@runv.club")

    activate(stage, "maria", "m@example.org")

    await_status(stage, lambda: not stage.status()["conflicts"], what="the end of the conflict")
    assert stage.published == {"maria@runv.club": "m@example.org", "pablo@runv.club": "p@example.org"}


@on("pgsql")
def test_what_another_program_wrote_is_shown_without_its_control_characters(stage: Stage) -> None:
    stage.database.execute(
        r"INSERT INTO aliases (address, goto, owner) VALUES ('pablo@runv.club', E'evil\x1b[2J@example.org', 'sales')"
    )
    watcher = stage.start_watcher()

    publish(stage, {"pablo": entry("pablo", "p@example.org")})

    assert "\x1b" not in await_problem(stage, "alias-conflict")
    assert "\x1b" not in watcher.log
    assert "\x1b" not in stage.admin("status").stdout
