"""Which rows are ours, which are somebody else's, and what becomes of either."""

import logging

import pytest

from watcher.publish.plan import MassChangeError

from .conftest import MARKED, TABLE, Room, RoomOf, many, registry_of


@pytest.fixture(params=["marked", "listed"])
def room(room_of: RoomOf, request: pytest.FixtureRequest) -> Room:
    made = room_of(sql=MARKED if request.param == "marked" else {})
    made.make()
    return made


def test_the_rows_follow_the_registry_change_by_change(room: Room) -> None:
    plan = room.publish(registry_of(pablo="p", maria="m"))
    assert plan is not None
    assert (len(plan.added), len(plan.changed), len(plan.removed)) == (2, 0, 0)
    assert room.answers == {"pablo": "p", "maria": "m"}

    room.publish(registry_of(pablo="p", maria="elsewhere", zoe="z"))
    assert room.answers == {"pablo": "p", "maria": "elsewhere", "zoe": "z"}

    room.publish(registry_of(zoe="z"))
    assert room.answers == {"zoe": "z"}
    assert room.publish(registry_of(zoe="z"), asked=True) is None


def test_a_new_publisher_knows_the_rows_of_the_one_before(room: Room, room_of: RoomOf) -> None:
    room.publish(many(30))
    room = room_of(sql={} if room.config.database.managed_column is None else MARKED)

    assert room.publish(many(30)) is None
    plan = room.publish(many(29))

    assert plan is not None
    assert list(plan.removed) == ["member0029@runv.club"]


def test_a_thousand_rows_come_go_and_change_at_once(room: Room) -> None:
    room.publish(many(1000))
    assert len(room.answers) == 1000

    room.publish(many(700, "y", late="late"), forced=True)

    assert room.answers == {**{f"member{number:04}": f"y{number}" for number in range(700)}, "late": "late"}
    assert room.publish(many(700, "y", late="late"), asked=True) is None


def test_a_row_that_somebody_changed_or_removed_is_put_right(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    registry = registry_of(pablo="p", maria="m", zoe="z")
    room.publish(registry)
    room.database.execute(
        "UPDATE aliases SET goto = 'thief@example.net' WHERE address = 'pablo@runv.club'",
        "DELETE FROM aliases WHERE address = 'maria@runv.club'",
    )

    with caplog.at_level(logging.WARNING):
        plan = room.publish(registry, asked=True)

    assert plan is not None
    assert room.answers == {"pablo": "p", "maria": "m", "zoe": "z"}
    assert "changed by somebody else (2)" in caplog.text


def test_a_destination_that_somebody_removed_is_put_right(room: Room) -> None:
    room.publish(registry_of(pablo="p"))
    room.database.execute("UPDATE aliases SET goto = NULL")

    room.publish(registry_of(pablo="p"), asked=True)

    assert room.answers == {"pablo": "p"}


def test_most_rows_changed_by_somebody_are_put_right_unasked(room: Room) -> None:
    registry = many(20)
    room.publish(registry)
    room.database.execute("UPDATE aliases SET goto = 'thief@example.net'")

    room.publish(registry, asked=True)

    assert set(room.answers.values()) == {f"x{number}" for number in range(20)}


def test_a_registry_that_loses_most_of_its_aliases_waits_for_force(room: Room) -> None:
    room.publish(many(20))

    with pytest.raises(MassChangeError, match="take away 10"):
        room.publish(many(10))
    with pytest.raises(MassChangeError):
        room.publish(many(10), asked=True)
    assert len(room.answers) == 20

    room.publish(many(10), forced=True)
    assert len(room.answers) == 10


def test_columns_that_are_not_ours_keep_what_they_hold(room: Room) -> None:
    room.publish(registry_of(pablo="p"))
    room.database.execute("UPDATE aliases SET note = 'written by hand'")

    room.publish(registry_of(pablo="q"))

    assert room.database.rows("SELECT goto, note FROM aliases") == [("q@example.org", "written by hand")]


def test_a_row_of_somebody_else_is_left_alone_and_the_others_are_published(room: Room) -> None:
    room.add("pablo@runv.club", "info@example.net", "sales")
    room.add("else@example.com", "e@example.net", "sales")
    room.publish(registry_of(pablo="p", maria="m"))

    assert room.answers == {"pablo": "info@example.net", "maria": "m", "else@example.com": "e@example.net"}
    assert room.conflicts == [("pablo", "p", ["info@example.net"])]
    message = room.publisher.problems["alias-conflict"]
    assert message.startswith("An alias is not published, since a row of somebody else in aliases holds its address: ")
    assert "pablo@runv.club should go to p@example.org and goes to info@example.net" in message

    room.publish(registry_of(maria="m"))
    assert room.conflicts == []
    assert room.answers["pablo"] == "info@example.net"


def test_a_conflict_that_a_change_brings_is_told_of_at_once(room: Room) -> None:
    room.publish(registry_of(maria="m"))
    room.add("pablo@runv.club", "info@example.net", "sales")

    room.publish(registry_of(maria="m", pablo="p"))

    assert room.conflicts == [("pablo", "p", ["info@example.net"])]


def test_an_alias_is_published_once_nobody_else_holds_it(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.add("pablo@runv.club", "info@example.net", "sales")
    registry = registry_of(pablo="p")
    room.publish(registry)
    room.database.execute("DELETE FROM aliases")

    with caplog.at_level(logging.WARNING):
        room.publish(registry, asked=True)

    assert room.answers == {"pablo": "p"}
    assert (room.conflicts, dict(room.publisher.problems)) == ([], {})
    assert "changed by somebody else" not in caplog.text


@pytest.mark.parametrize("name", [MARKED, {}], ids=["marked", "listed"])
def test_a_second_row_beside_ours_is_a_conflict_and_ours_stays_in_line(room_of: RoomOf, name: dict[str, str]) -> None:
    room = room_of(sql=name)
    room.make(unique=False)
    room.publish(registry_of(pablo="p"))
    room.add("pablo@runv.club", "spy@example.net")

    room.publish(registry_of(pablo="p"), asked=True)
    assert room.conflicts == [("pablo", "p", ["spy@example.net"])]

    room.publish(registry_of(pablo="q"))
    assert {goto for _, goto, _ in room.rows} == {"q", "spy@example.net"}

    room.publish(registry_of(), asked=True)
    assert [goto for _, goto, _ in room.rows] == ["spy@example.net"]
    assert room.conflicts == []


def test_of_several_rows_under_our_mark_one_stays(room_of: RoomOf) -> None:
    room = room_of()
    room.make(unique=False)
    for goto in ("p@example.org", "old@example.org", "P@example.org", "p@example.org"):
        room.add("pablo@runv.club", goto, "runv")

    room.publish(registry_of(pablo="p"))

    assert room.rows == [("pablo", "p", "runv")]


def test_a_copy_of_a_row_that_is_only_listed_is_not_touched(room_of: RoomOf) -> None:
    room = room_of(sql={})
    room.make(unique=False)
    room.publish(registry_of(pablo="p"))
    room.add("pablo@runv.club", "p@example.org")

    room.publish(registry_of(), asked=True)

    assert len(room.rows) == 2
    assert room.conflicts == [("pablo", "", ["p@example.org", "p@example.org"])]
    assert "nowhere" in room.publisher.problems["alias-conflict"]


def test_rows_under_our_mark_that_the_registry_lacks_are_removed(marked: Room) -> None:
    marked.add("left@runv.club", "l@example.org", "runv")
    marked.add("Odd@runv.club", "o@example.org", "runv")
    marked.add("kept@runv.club", "k@example.org", "sales")

    marked.publish(registry_of(pablo="p"))

    assert marked.answers == {"kept": "k", "pablo": "p"}


def test_rows_under_our_mark_at_another_domain_are_told_of_and_left_alone(
    marked: Room, caplog: pytest.LogCaptureFixture
) -> None:
    marked.add("pablo@runv.example", "p@example.org", "runv")
    marked.add("pablo@runv.club.example", "p@example.org", "runv")
    with caplog.at_level(logging.WARNING):
        marked.publish(registry_of(pablo="p"))
        marked.publish(registry_of(), asked=True)

    assert marked.answers == {"pablo@runv.example": "p", "pablo@runv.club.example": "p"}
    assert caplog.text.count("under our mark") == 1


def test_no_other_domain_s_rows_are_touched_whose_name_begins_with_ours(room_of: RoomOf) -> None:
    """Another watcher may keep them, by the same mark and with constants of its own."""
    room = room_of(sql={**MARKED, "constants": {"note": "runv.club"}})
    room.make(unique=False)
    for goto in ("p@example.org", "q@example.org"):
        room.add("pablo@runv.club.example", goto, "runv")

    room.publish(registry_of(pablo="p"))

    assert [address for address, _, _ in room.rows] == ["pablo", *["pablo@runv.club.example"] * 2]
    assert room.database.rows("SELECT DISTINCT note FROM aliases WHERE address LIKE '%e'") == [("as new",)]


def test_rows_that_were_listed_for_another_table_are_nobody_s_business(room_of: RoomOf) -> None:
    room = room_of(sql={})
    room.make()
    room.publish(registry_of(pablo="p"))
    room.database.execute("CREATE TABLE newer (address varchar(255), goto varchar(255))")
    room.database.execute("INSERT INTO newer VALUES ('pablo@runv.club', 'sales@example.net')")
    room = room_of(sql={"table": "newer", "address_column": "address", "goto_column": "goto"})

    room.publish(registry_of(pablo="p"))

    assert room.conflicts == [("pablo", "p", ["sales@example.net"])]


def test_the_constants_are_given_to_rows_that_lack_them(room_of: RoomOf) -> None:
    room = room_of()
    room.make()
    room.publish(registry_of(pablo="p"))
    room.add("info@runv.club", "sales@example.net")
    room = room_of(sql={**MARKED, "constants": {"note": "live"}})

    room.publish(registry_of(pablo="p", maria="m"))
    query = "SELECT address, note FROM aliases ORDER BY address"
    message = [("info@runv.club", "as new"), ("maria@runv.club", "live"), ("pablo@runv.club", "live")]
    assert room.database.rows(query) == message

    room.database.execute("UPDATE aliases SET note = 'off' WHERE address = 'maria@runv.club'")
    room.publish(registry_of(pablo="p", maria="m"), asked=True)
    assert room.database.rows(query) == message


def test_constants_for_many_rows_are_no_mass_change(room_of: RoomOf) -> None:
    room = room_of(sql={})
    room.make()
    room.publish(many(20))
    room = room_of(sql={"constants": {"note": "live"}})

    room.publish(many(20))

    assert room.database.rows("SELECT DISTINCT note FROM aliases") == [("live",)]


@pytest.mark.parametrize("one_more", [{}, {"zoe": "z"}], ids=["as-before", "with-a-change"])
def test_a_map_that_leads_to_another_table_is_as_if_the_watcher_had_just_started(
    room: Room, one_more: dict[str, str]
) -> None:
    """What is under our mark there may be all that its own registry has."""
    room.publish(registry_of(pablo="p"))
    room.database.execute(TABLE.format(kind="varchar(255)", unique="").replace("aliases", "newer"))
    room.database.execute("INSERT INTO newer SELECT * FROM aliases")
    for number in range(20):
        row = f"('member{number}@runv.club', 'x@example.org', 'runv')"
        room.database.execute(f"INSERT INTO newer (address, goto, owner) VALUES {row}")
    room.write_map("SELECT goto FROM newer WHERE address = '%s'")

    if room.config.database.managed_column is not None:
        with pytest.raises(MassChangeError):
            room.publish(registry_of(pablo="p", **one_more), asked=not one_more)
    else:
        room.publish(registry_of(pablo="p", **one_more), asked=not one_more)
        assert room.conflicts == [("pablo", "p", ["p@example.org"])]
    assert room.database.rows("SELECT count(*) FROM newer WHERE owner = 'runv'")[0][0] >= 20
