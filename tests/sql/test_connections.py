"""The ways to a database: those of Postfix's own file, taken anew each time and held by nobody."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from ..e2e.acts import activate, await_problem, await_well, entries, problems, publish, settle
from ..support.databases import PostgreSQLDatabase, ServerDatabase
from ..support.install import Installation
from ..support.mariadb import MariaDB
from ..support.needs import require
from ..support.postgresql import PostgreSQL
from ..support.sink import free_port
from .conftest import SetUp
from .kinds import ON_SERVERS, on
from .stage import Stage, poll
from .tables import MARKED, UNMARKED


@pytest.fixture
def by_name_alone() -> Iterator[PostgreSQL]:
    """A PostgreSQL that listens nowhere, and has the port of Debian's own in the name of its socket."""
    require("postgresql", "postfix-pgsql")
    with PostgreSQL(addresses=(), port=5432) as server:
        yield server


@ON_SERVERS
def test_no_connection_is_held_while_nothing_happens(set_up: SetUp, on_server: ServerDatabase) -> None:
    stage = set_up(UNMARKED)
    watcher = stage.start_watcher()
    publish(stage, entries(2))
    watcher.wait_quiet()

    # A look that is still owed may be at work in this very moment, and a server lets go of who has left a little later.
    poll(lambda: on_server.sessions() == 0, what="the last connection to end", timeout=3.0)


@on("mysql")
def test_a_server_that_ends_idle_connections_after_a_second_does_not_matter(stage: Stage, mariadb: MariaDB) -> None:
    mariadb.execute("SET GLOBAL wait_timeout = 1")
    try:
        stage.start_watcher()
        publish(stage, entries(1))
        mariadb.execute("DO SLEEP(1.2)")
        publish(stage, entries(2))
    finally:
        mariadb.execute("SET GLOBAL wait_timeout = DEFAULT")

    assert len(stage.rows) == 2
    assert problems(stage) == {}


@ON_SERVERS
def test_the_first_of_several_hosts_may_be_dead(stage: Stage, on_server: ServerDatabase) -> None:
    hosts = f"127.0.0.1:{free_port()} {on_server.address}"
    on_server.write_map(stage.map_file, MARKED.query, hosts=hosts)
    stage.start_watcher()

    publish(stage, entries(1))

    assert len(stage.rows) == 1


@on("mysql")
def test_mariadb_is_found_by_its_socket(stage: Stage, on_server: ServerDatabase, mariadb: MariaDB) -> None:
    on_server.write_map(stage.map_file, MARKED.query, hosts=f"unix:{mariadb.socket}")
    stage.start_watcher()

    publish(stage, entries(1))

    assert stage.map_lookup("member00@runv.club") == "member00@example.org"


@on("mysql")
def test_what_an_option_file_says_counts_as_it_does_for_postfix(
    stage: Stage, on_server: ServerDatabase, mariadb: MariaDB
) -> None:
    own = stage.paths.postfix / "my.cnf"
    own.write_text(f"[client]\nsocket = {mariadb.socket}\nuser = nobody\n[mail]\nuser = '{on_server.writer.user}'\n")
    elsewhere = {"hosts": "localhost", "user": "", "option_file": str(own), "option_group": "mail"}
    on_server.write_map(stage.map_file, MARKED.query, **elsewhere)
    stage.start_watcher()

    publish(stage, entries(1))

    assert stage.map_lookup("member00@runv.club") == "member00@example.org"


@on("mysql")
def test_the_host_of_an_option_file_is_taken_where_the_map_names_none(stage: Stage, on_server: ServerDatabase) -> None:
    own = stage.paths.postfix / "my.cnf"
    own.write_text(f"[client]\nhost = 127.0.0.1\nport = {on_server.server.port}\n")
    on_server.write_map(stage.map_file, MARKED.query, hosts="", option_file=str(own))
    stage.start_watcher()

    publish(stage, entries(1))

    assert stage.map_lookup("member00@runv.club") == "member00@example.org"


def test_postgresql_is_found_by_the_directory_of_its_socket(
    installation: Installation, by_name_alone: PostgreSQL
) -> None:
    with PostgreSQLDatabase(by_name_alone) as database, Stage(installation, database, MARKED) as stage:
        database.write_map(stage.map_file, MARKED.query, hosts=f"unix:{by_name_alone.sockets}")
        stage.start_watcher()

        publish(stage, entries(1))

        assert stage.map_lookup("member00@runv.club") == "member00@example.org"


@on("pgsql")
def test_postgresql_is_found_by_a_connection_string(
    stage: Stage, on_server: ServerDatabase, postgresql: PostgreSQL
) -> None:
    (user, password), directory = on_server.writer, str(postgresql.sockets)
    path = f"{quote(directory, safe='')}:{postgresql.port}"
    hosts = f"postgresql://{user}:{quote(password, safe='')}@{path}/{on_server.name}"
    on_server.write_map(stage.map_file, MARKED.query, hosts=hosts)
    stage.start_watcher()

    publish(stage, entries(1))

    assert stage.map_lookup("member00@runv.club") == "member00@example.org"


@ON_SERVERS
def test_what_is_written_by_another_account_is_read_by_that_of_postfix(stage: Stage, on_server: ServerDatabase) -> None:
    reader, writing = on_server.reader, stage.paths.postfix / "writing.cf"
    stage.accounts.add("pablo")
    on_server.write_map(writing, MARKED.query)
    on_server.write_map(stage.map_file, MARKED.query, user=reader.user, password=reader.password)
    stage.start_watcher()
    assert "GRANT" in await_problem(stage, "publish-failed")

    stage.configure(sql={**stage.config["sql"], "write_map_file": str(writing)})

    await_well(stage)
    activate(stage, "pablo", "p@example.org")
    assert stage.map_lookup("pablo@runv.club") == "p@example.org"
    assert problems(stage) == {}


@on("pgsql")
def test_nobody_connects_while_publishing_is_switched_off(stage: Stage, on_server: ServerDatabase) -> None:
    stage.configure(enabled=False)
    stage.accounts.add("pablo")
    before = _ever_connected(on_server)
    stage.start_watcher()

    activate(stage, "pablo", "p@example.org")
    settle(stage)

    assert _ever_connected(on_server) == before
    assert stage.rows == []


def _ever_connected(database: ServerDatabase) -> int:
    """How many sessions there have been; those of the administrator of the server are elsewhere."""
    # Each is counted when it ends.
    poll(lambda: database.sessions() == 0, what="the last connection to end")
    query = f"SELECT sessions FROM pg_stat_database WHERE datname = '{database.name}'"
    return int(database.server.rows(query)[0][0])
