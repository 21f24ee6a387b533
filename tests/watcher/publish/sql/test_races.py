"""Somebody who writes between our look and our write: theirs stays, and ours comes into line by another look."""

from collections.abc import Callable
from typing import Any

import pytest

from watcher.publish.sql import row_publisher

from .conftest import Room, RoomOf, registry_of

Race = Callable[[Room, str], None]
ON_SERVERS = pytest.mark.parametrize("kind", ["mysql", "pgsql"], indirect=True)
# Both of the ways to look: of what the registry has changed, and of everything.
BOTH_WAYS = pytest.mark.parametrize("asked", [False, True], ids=["by-key", "by-look"])


@pytest.fixture
def race(monkeypatch: pytest.MonkeyPatch) -> Race:
    """A function that has a statement run by somebody else after the next look, and before what is written then."""

    def race(room: Room, statement: str) -> None:
        waiting = [statement]

        def raced(look: Callable[..., Any]) -> Callable[..., Any]:
            def looked(*given: Any, **named: Any) -> Any:
                view = look(*given, **named)
                if waiting:
                    room.database.execute(waiting.pop())
                return view

            return looked

        for name in ("read_rows", "read_all_rows"):
            monkeypatch.setattr(row_publisher, name, raced(getattr(row_publisher, name)))

    return race


@ON_SERVERS
@BOTH_WAYS
def test_a_row_of_ours_that_is_changed_meanwhile_is_in_line_all_the_same(
    marked: Room, race: Race, *, asked: bool
) -> None:
    marked.publish(registry_of(pablo="p"))
    race(marked, "UPDATE aliases SET goto = 'thief@example.net'")

    marked.publish(registry_of(pablo="q"), asked=asked)

    assert marked.answers == {"pablo": "q"}


@ON_SERVERS
@BOTH_WAYS
def test_a_row_of_ours_that_is_removed_meanwhile_is_in_line_all_the_same(
    marked: Room, race: Race, *, asked: bool
) -> None:
    marked.publish(registry_of(pablo="p"))
    race(marked, "DELETE FROM aliases")

    marked.publish(registry_of(pablo="q"), asked=asked)

    assert marked.answers == {"pablo": "q"}


@ON_SERVERS
@BOTH_WAYS
def test_a_row_that_becomes_somebody_else_s_meanwhile_is_left_to_them(marked: Room, race: Race, *, asked: bool) -> None:
    marked.publish(registry_of(pablo="p", maria="m"))
    race(marked, "UPDATE aliases SET owner = 'sales'")

    marked.publish(registry_of(pablo="q"), asked=asked)

    assert marked.rows == [("maria", "m", "sales"), ("pablo", "p", "sales")]
    assert marked.conflicts == [("pablo", "q", ["p@example.org"])]


@ON_SERVERS
@BOTH_WAYS
def test_an_address_that_somebody_takes_meanwhile_is_left_to_them(marked: Room, race: Race, *, asked: bool) -> None:
    marked.publish(registry_of(maria="m"))
    race(marked, "INSERT INTO aliases VALUES ('pablo@runv.club', 'sales@example.net', 'sales', NULL)")

    marked.publish(registry_of(maria="m", pablo="p", zoe="z"), asked=asked)

    assert marked.answers == {"maria": "m", "pablo": "sales@example.net", "zoe": "z"}
    assert marked.conflicts == [("pablo", "p", ["sales@example.net"])]


@ON_SERVERS
@BOTH_WAYS
def test_a_copy_of_a_listed_row_that_comes_meanwhile_is_not_removed_with_ours(
    room_of: RoomOf, race: Race, *, asked: bool
) -> None:
    room = room_of(sql={})
    room.make(unique=False)
    room.publish(registry_of(pablo="p", maria="m"))
    race(room, "INSERT INTO aliases (address, goto, owner) VALUES ('pablo@runv.club', 'p@example.org', 'sales')")

    room.publish(registry_of(maria="n"), asked=asked)

    assert sorted(owner or "" for address, _, owner in room.rows if address == "pablo") == ["", "sales"]
    assert room.answers["maria"] == "n"
