"""What was given up is given up by the server, too: its sessions must not pile up behind somebody's lock."""

import pytest

from watcher.publish.sql.database import Database
from watcher.publish.sql.errors import DatabaseError, Kind

from ....sql.locks import row_locked
from ....sql.stage import poll
from ....support.databases import ServerDatabase
from .conftest import Room, RoomOf, registry_of

ON_SERVERS = pytest.mark.parametrize("kind", ["mysql", "pgsql"], indirect=True)


@pytest.fixture
def room(room_of: RoomOf) -> Room:
    """A table with one row of ours."""
    room = room_of()
    room.make()
    room.publish(registry_of(pablo="p"))
    return room


@ON_SERVERS
def test_no_session_waits_on_for_a_lock_of_somebody_elses(room: Room) -> None:
    server = _on_server(room)
    with row_locked(server, "pablo@runv.club"):
        for _ in range(3):
            _fail(room, "UPDATE aliases SET goto = 'x' WHERE address = 'pablo@runv.club'")
        poll(lambda: server.sessions() <= 1, what="the sessions that were given up to end")


def _fail(room: Room, statement: str) -> None:
    with pytest.raises(DatabaseError) as raised, Database.of(room.config).session(0.3, writing=True) as session:
        session.connection.exec_driver_sql(statement)
    assert raised.value.kind is Kind.TIMED_OUT


def _on_server(room: Room) -> ServerDatabase:
    assert isinstance(room.database, ServerDatabase)
    return room.database
