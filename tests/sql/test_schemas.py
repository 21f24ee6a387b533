"""The tables of PostfixAdmin and of ISPmail's guide, as they are."""

import pytest

from ..e2e.acts import activate, decide, entry, problems, publish
from .conftest import SetUp
from .tables import ISPMAIL, ISPMAIL_MARKED, POSTFIXADMIN, POSTFIXADMIN_MARKED, Table


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("mysql", POSTFIXADMIN),
        ("pgsql", POSTFIXADMIN),
        ("mysql", ISPMAIL),
        ("pgsql", ISPMAIL),
        ("pgsql", POSTFIXADMIN_MARKED),
        ("mysql", ISPMAIL_MARKED),
    ],
    ids=[
        "mysql-postfixadmin",
        "pgsql-postfixadmin",
        "mysql-ispmail",
        "pgsql-ispmail",
        "pgsql-postfixadmin-marked",
        "mysql-ispmail-marked",
    ],
    indirect=["kind"],
)
def test_aliases_come_change_and_go_beside_those_of_others(set_up: SetUp, table: Table) -> None:
    stage = set_up(table)
    stage.accounts.add("pablo")
    for address, goto in (
        ("info@runv.club", "office@example.org, boss@example.org"),
        ("pablo@elsewhere.example", "other@example.org"),
        ("Zoë@runv.club", "zoe@example.org"),
    ):
        stage.add_foreign(address, goto)
    foreign = stage.rows

    stage.start_watcher()
    activate(stage, "pablo", "p@example.org")
    assert stage.map_lookup("pablo@runv.club") == "p@example.org"
    (ours,) = [row for row in stage.rows if row not in foreign]

    activate(stage, "pablo", "new@example.net")
    assert stage.map_lookup("pablo@runv.club") == "new@example.net"
    (changed,) = [row for row in stage.rows if row not in foreign]
    assert [new for new, old in zip(changed, ours, strict=True) if new != old] == ["new@example.net"]

    decide(stage, {"decision": "revoke", "username": "pablo", "reason": "gone", "operator": "pmurad-admin"})
    assert stage.rows == foreign
    assert problems(stage) == {}


@pytest.mark.parametrize(
    ("kind", "table"),
    [("mysql", ISPMAIL), ("pgsql", POSTFIXADMIN)],
    ids=["mysql-ispmail", "pgsql-postfixadmin"],
    indirect=["kind"],
)
def test_what_is_ours_is_known_again_after_a_restart(set_up: SetUp, table: Table) -> None:
    stage = set_up(table)
    stage.add_foreign("info@runv.club", "office@example.org")
    foreign = stage.rows
    first = stage.start_watcher()
    publish(stage, {"pablo": entry("pablo", "p@example.org"), "maria": entry("maria", "m@example.org")})
    first.kill()

    stage.start_watcher()
    publish(stage, {"maria": entry("maria", "new@example.org")})

    assert stage.published == {"info@runv.club": "office@example.org", "maria@runv.club": "new@example.org"}
    assert foreign[0] in stage.rows
    assert problems(stage) == {}
