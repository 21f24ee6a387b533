"""What is written: as little as there is to change, in one transaction, and nothing where nothing differs."""

from ..e2e.acts import (
    activate,
    ask,
    await_problem,
    await_well,
    decide,
    decision,
    entries,
    entry,
    publish,
    settle,
    write_registry,
)
from .conftest import SetUp
from .kinds import on
from .stage import Stage
from .tables import UNMARKED
from .triggers import forbid, permit, write_down, written


def test_only_the_rows_that_differ_are_written(stage: Stage) -> None:
    stage.start_watcher()
    registry = entries(5)
    publish(stage, registry)
    write_down(stage.database, stage.aliases)

    registry["member01"]["destination"] = "changed@example.org"
    registry["member02"]["status"] = "revoked"
    registry["new"] = entry("new", "new@example.org")
    publish(stage, registry)

    assert written(stage.database) == [
        ("UPDATE", "member01@runv.club"),
        ("DELETE", "member02@runv.club"),
        ("INSERT", "new@runv.club"),
    ]


@on("mysql")
def test_an_approval_writes_one_row(set_up: SetUp) -> None:
    stage = set_up(UNMARKED)
    stage.accounts.add("pablo")
    stage.start_watcher()
    publish(stage, entries(3))
    write_down(stage.database, stage.aliases)

    activate(stage, "pablo", "p@example.org")

    assert written(stage.database) == [("INSERT", "pablo@runv.club")]


@on("pgsql")
def test_nothing_is_written_while_nothing_differs(stage: Stage) -> None:
    first = stage.start_watcher()
    publish(stage, entries(3))
    assert first.stop() == 0
    write_down(stage.database, stage.aliases)

    second = stage.start_watcher()
    settle(stage)
    second.wait_quiet()

    assert written(stage.database) == []
    assert stage.status()["published"]["aliases"] == 3


def test_nothing_is_changed_where_one_row_cannot_be_written(stage: Stage) -> None:
    """A table that holds half of what was decided would be worse than one that is late."""
    stage.start_watcher()
    registry = entries(3)
    publish(stage, registry)
    before = stage.rows
    forbid(stage.database, stage.aliases, "member04@runv.club")

    registry |= entries(6)
    registry["member00"]["destination"] = "changed@example.org"
    registry["member01"]["status"] = "revoked"
    write_registry(stage, registry)

    problem = await_problem(stage, "publish-failed")
    assert "not this one" in problem
    assert stage.rows == before

    permit(stage.database, stage.aliases)
    await_well(stage)
    assert stage.published == {
        "member00@runv.club": "changed@example.org",
        **{f"member0{number}@runv.club": f"member0{number}@example.org" for number in range(2, 6)},
    }


@on("sqlite")
def test_too_many_changes_at_once_are_held_back_until_they_are_forced(stage: Stage) -> None:
    stage.start_watcher()
    registry = entries(20)
    publish(stage, registry)
    before = stage.rows

    for name in list(registry)[:10]:
        registry[name]["status"] = "revoked"
    write_registry(stage, registry)

    held = await_problem(stage, "publish-held")
    assert "10" in held
    assert "runv-admin-email-alias sync --force" in held
    assert stage.rows == before

    forced = stage.admin("sync", "--force")

    assert forced.returncode == 0
    assert len(stage.rows) == 10


@on("pgsql")
def test_a_burst_of_approvals_is_published_whole(stage: Stage) -> None:
    names = [f"member{number:02d}" for number in range(20)]
    stage.accounts.add_many(names)
    stage.start_watcher()
    records = [ask(stage, name, f"{name}@example.org") for name in names]

    for record in records:
        stage.drop_marker(decision(record))
    decide(stage, {"decision": "sync"})
    settle(stage)

    assert stage.published == {f"{name}@runv.club": f"{name}@example.org" for name in names}
