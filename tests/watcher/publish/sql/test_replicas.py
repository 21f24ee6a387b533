"""Whether Postfix's own programs, and its other hosts, have what was written."""

import os
import socket
from collections.abc import Iterator

import pytest

from watcher.publish.sql import replicas
from watcher.publish.sql.publisher import SqlPublisher

from ....support.mailconfig import MailConfig
from ....support.needs import require
from ....support.postgresql import PostgreSQL
from .conftest import MARKED, QUERY, TABLE, Room, RoomOf, registry_of

PGSQL = pytest.mark.parametrize("kind", ["pgsql"], indirect=True)
SQLITE = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
BLIND = f"{QUERY} AND address <> '%s'"
NAMED = {"table": "aliases", "address_column": "address", "goto_column": "goto", **MARKED}


@pytest.fixture
def asking(room_of: RoomOf, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A publisher that asks Postfix's map for what it has written."""
    room = room_of(sql=NAMED, check_maps=True)
    require(f"postfix-{room.database.kind}")
    mail = MailConfig(room.root / "postfix", maps="")
    os.utime(mail.directory / "main.cf", (1, 1))
    monkeypatch.setenv("MAIL_CONFIG", str(mail.directory))
    room.make()
    return room


def test_what_the_map_answers_is_no_problem(asking: Room) -> None:
    asking.publish(registry_of(pablo="p", maria="m"))
    asking.publish(registry_of(pablo="q"))
    assert dict(asking.publisher.problems) == {}


def test_what_the_map_does_not_answer_is_told_of_until_it_does(asking: Room) -> None:
    asking.write_map(BLIND)

    asking.publish(registry_of(pablo="p", maria="m"))

    message = asking.publisher.problems["map-answers-wrong"]
    assert "nothing for maria@runv.club, where m@example.org was expected (and likewise for 1 more)" in message
    assert asking.answers == {"maria": "m", "pablo": "p"}

    asking.write_map()
    asking.publish(registry_of(pablo="p", maria="m"), asked=True)
    assert dict(asking.publisher.problems) == {}


@SQLITE
def test_what_somebody_else_s_row_answers_for_a_revoked_alias_is_no_problem(asking: Room) -> None:
    asking.add("maria@runv.club", "other@example.net")
    asking.publish(registry_of(pablo="p", maria="m"))
    assert set(asking.publisher.problems) == {"alias-conflict"}

    asking.publish(registry_of(pablo="p"))

    assert dict(asking.publisher.problems) == {}
    assert asking.answers == {"maria": "other@example.net", "pablo": "p"}


@SQLITE
def test_a_catch_all_in_the_query_is_no_wrong_answer_for_a_revoked_alias(asking: Room) -> None:
    asking.write_map(f"{QUERY} UNION SELECT 'all@example.net' WHERE NOT EXISTS ({QUERY})")
    asking.publish(registry_of(pablo="p", maria="m"))
    asking.publish(registry_of(pablo="p"))
    assert dict(asking.publisher.problems) == {}

    asking.write_map(f"{QUERY} UNION SELECT 'p@example.org' WHERE '%u' = 'pablo'")
    asking.publish(registry_of())
    message = asking.publisher.problems["map-answers-wrong"]
    assert "p@example.org for pablo@runv.club, where nothing was expected" in message


@SQLITE
def test_a_map_that_cannot_be_asked_is_told_of(asking: Room) -> None:
    asking.write_map("SELECT nothing FROM aliases WHERE address = '%s'")

    asking.publish(registry_of(pablo="p"))

    assert "could not be found out" in asking.publisher.problems["map-answers-wrong"]


def test_the_first_look_asks_for_what_was_there_already(asking: Room, room_of: RoomOf) -> None:
    asking.publish(registry_of(pablo="p"))
    again = room_of(sql=NAMED, check_maps=True)
    again.write_map(BLIND)

    again.publish(registry_of(pablo="p"))

    assert "pablo@runv.club" in again.publisher.problems["map-answers-wrong"]


@pytest.fixture(scope="module")
def second() -> Iterator[PostgreSQL]:
    """A server that has nothing of the first one unless the test puts it there."""
    require("postgresql")
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def behind(room_of: RoomOf, second: PostgreSQL, postgresql: PostgreSQL) -> Iterator[Room]:
    """A publisher whose map names the second server, too, with the table but without its rows."""
    room = room_of(sql=NAMED)
    room.make()
    database = room.database
    name, user, password = database.name, database.writer.user, database.writer.password  # type: ignore[attr-defined]
    second.make_user(user, password)
    second.execute(f"CREATE DATABASE {name} OWNER {user}")
    second.execute(TABLE.format(kind="text", unique=""), f"GRANT ALL ON aliases TO {user}", database=name)
    second.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    hosts = f"inet:127.0.0.1:{second.port}, inet:127.0.0.1:{postgresql.port}"
    room.write_map(hosts=hosts)
    try:
        yield room
    finally:
        second.execute(f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {user}")


@PGSQL
def test_a_replica_that_is_behind_is_followed_until_it_has_caught_up(behind: Room, second: PostgreSQL) -> None:
    timestamp = [1000.0]
    behind.publisher = SqlPublisher(behind.config, lambda username: [], lambda: timestamp[0])
    registry = registry_of(pablo="p")
    behind.publish(registry)
    assert behind.answers == {"pablo": "p"}
    host = behind.publisher.hosts[0]
    assert (host.host, host.trouble) == (f"inet:127.0.0.1:{second.port}", None)
    assert host.behind_seconds
    assert behind.publisher.due is not None

    name = behind.database.name  # type: ignore[attr-defined]
    row = "INSERT INTO aliases VALUES ('pablo@runv.club', 'p@example.org')"
    with second.connect(name) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(row.encode())
    timestamp[0] = behind.publisher.due
    behind.publisher.drifted(asked=False)

    assert behind.publisher.hosts[0].behind_seconds == 0


@PGSQL
def test_a_replica_that_cannot_be_asked_is_a_problem_of_its_own(behind: Room, second: PostgreSQL) -> None:
    behind.write_map(
        QUERY,
        hosts=f"inet:127.0.0.1:1, {behind.database.address}",  # type: ignore[attr-defined]
    )

    behind.publish(registry_of(pablo="p"))

    assert behind.answers == {"pablo": "p"}
    assert "inet:127.0.0.1:1" in behind.publisher.problems["replica-unreachable"]
    assert behind.publisher.hosts[0].trouble is not None


@PGSQL
def test_a_replica_is_behind_since_the_first_change_that_it_lacks(behind: Room) -> None:
    timestamp = [1000.0]
    behind.publisher = SqlPublisher(behind.config, lambda username: [], lambda: timestamp[0])
    behind.publish(registry_of(pablo="p"))
    timestamp[0] += 100

    behind.publish(registry_of(pablo="p", maria="m"))

    assert behind.publisher.hosts[0].behind_seconds == 100
    assert "100 seconds" in behind.publisher.problems["replica-behind"]


@PGSQL
def test_a_replica_that_is_behind_is_never_left_unasked_for_long(behind: Room) -> None:
    timestamp = [1000.0]
    behind.publisher = SqlPublisher(behind.config, lambda username: [], lambda: timestamp[0])
    behind.publish(registry_of(pablo="p"))

    for _ in range(8):
        assert behind.publisher.due is not None
        assert timestamp[0] < behind.publisher.due <= timestamp[0] + 4
        timestamp[0] = behind.publisher.due
        behind.publisher.drifted(asked=False)


@PGSQL
def test_a_replica_that_swallows_everything_does_not_hold_up_every_change(
    behind: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "ASK_SECONDS", 0.5)
    address = behind.database.address  # type: ignore[attr-defined]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        behind.write_map(QUERY, hosts=f"{address}, inet:127.0.0.1:{silent.getsockname()[1]}")
        behind.publish(registry_of(pablo="p"))
        assert "replica-unreachable" in behind.publisher.problems
        silent.accept()[0].close()

        silent.setblocking(False)
        behind.publish(registry_of(pablo="q"))

        with pytest.raises(BlockingIOError):
            silent.accept()
        assert "replica-unreachable" in behind.publisher.problems


@PGSQL
def test_a_replica_is_not_expected_to_have_what_has_become_somebody_elses(behind: Room) -> None:
    timestamp = [1000.0]
    behind.publisher = SqlPublisher(behind.config, lambda username: [], lambda: timestamp[0])
    behind.publish(registry_of(pablo="p"))
    behind.database.execute("UPDATE aliases SET owner = 'sales', goto = 's@example.org'")

    behind.publish(registry_of(pablo="p"), asked=True)
    timestamp[0] += 5
    behind.publisher.drifted(asked=False)

    assert [alias for alias, _, _ in behind.conflicts] == ["pablo"]
    assert behind.publisher.hosts[0].behind_seconds == 0
