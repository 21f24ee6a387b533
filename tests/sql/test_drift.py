"""Rows of ours that a hand has changed or removed are put right, at the next pass or when an administrator asks."""

import pytest

from ..e2e.acts import activate, await_well, entries, entry, problems, publish, settle
from .conftest import SetUp
from .kinds import on
from .stage import Stage, poll
from .tables import ISPMAIL, MARKED, POSTFIXADMIN, Table

WITH_TABLES = pytest.mark.parametrize(
    ("kind", "table"),
    [("mysql", ISPMAIL), ("pgsql", POSTFIXADMIN), ("sqlite", MARKED)],
    ids=["mysql-ispmail", "pgsql-postfixadmin", "sqlite-marked"],
    indirect=["kind"],
)


@WITH_TABLES
def test_what_a_hand_changed_and_removed_is_put_right_by_sync(set_up: SetUp, table: Table) -> None:
    stage = set_up(table)
    stage.start_watcher()
    publish(stage, entries(3))
    in_line = stage.published
    stage.point("member00@runv.club", "elsewhere@example.org")
    stage.remove("member01@runv.club")

    synced = stage.admin("sync")

    assert synced.returncode == 0
    assert stage.published == in_line
    assert problems(stage) == {}


@on("mysql")
def test_what_a_hand_changed_is_put_right_by_the_next_pass(stage: Stage) -> None:
    stage.accounts.add("maria")
    stage.start_watcher()
    publish(stage, {"pablo": entry("pablo", "p@example.org")})
    stage.point("pablo@runv.club", "elsewhere@example.org")

    activate(stage, "maria", "m@example.org")

    poll(lambda: stage.published["pablo@runv.club"] == "p@example.org", what="the row to be put right")


@on("sqlite")
def test_a_row_that_carries_our_mark_and_is_in_no_registry_goes(stage: Stage) -> None:
    stage.start_watcher()
    publish(stage, entries(1))
    stage.database.execute("INSERT INTO aliases (address, goto, owner) VALUES ('ghost@runv.club', 'g@x.org', 'runv')")

    settle(stage)

    assert list(stage.published) == ["member00@runv.club"]


@on("mysql")
def test_a_table_that_was_emptied_is_filled_again(stage: Stage) -> None:
    stage.start_watcher()
    publish(stage, entries(20))
    in_line = stage.published
    stage.database.execute("TRUNCATE aliases")

    settle(stage)

    assert stage.published == in_line
    await_well(stage)


@on("pgsql")
def test_an_administrator_may_have_it_looked_for_by_the_clock(set_up: SetUp) -> None:
    stage = set_up(drift_check_interval=1)
    stage.start_watcher()
    publish(stage, entries(1))
    stage.watchers[0].wait_quiet()

    stage.point("member00@runv.club", "elsewhere@example.org")

    poll(lambda: stage.published == {"member00@runv.club": "member00@example.org"}, what="the row to be put right")


@on("pgsql")
def test_without_that_nobody_looks(stage: Stage) -> None:
    """A database tells nobody of changes; whoever chooses no clock has none."""
    stage.start_watcher()
    publish(stage, entries(1))
    (watcher,) = stage.watchers
    elsewhere = {"member00@runv.club": "elsewhere@example.org"}

    # A look is owed after a publish, and one more where it found something; on a busy machine they are seconds apart.
    for seconds in (1.0, 3.0, 9.0):
        watcher.wait_quiet(seconds, timeout=60)
        stage.point("member00@runv.club", "elsewhere@example.org")
        watcher.wait_quiet(1.5)
        if stage.published == elsewhere:
            break

    assert stage.published == elsewhere
