"""Servers that are down, slow, killed or changed: told of, tried again, and caught up with without a hand."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from ..e2e.acts import (
    activate,
    ask,
    await_problem,
    await_status,
    await_well,
    decision,
    entries,
    problems,
    publish,
    published,
    settle,
    write_registry,
)
from ..support.databases import Database, ServerDatabase, SqliteDatabase
from ..support.site import Record
from .kinds import ON_SERVERS, on
from .locks import await_waiting, row_locked
from .stage import Stage, poll
from .tables import MARKED
from .triggers import write_down, written


class TurningAway:
    """A server that takes no one, and counts who came."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.count = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.count += 1
            connection.close()


@pytest.fixture
def turning_away() -> Iterator[TurningAway]:
    with contextlib.closing(TurningAway()) as server:
        yield server


@on("mysql")
def test_a_server_that_comes_later_is_caught_up_with(stage: Stage, on_server: ServerDatabase) -> None:
    stage.accounts.add("pablo")
    on_server.server.stop()
    try:
        stage.start_watcher()
        assert f"127.0.0.1:{on_server.server.port}" in await_problem(stage, "publish-failed")
        ask(stage, "pablo", "p@example.org")
        approved = stage.admin("approve", "pablo")
        assert approved.returncode == 1
        assert approved.stderr.startswith("The mail server's map does not follow: ")
        assert stage.registry()["pablo"]["status"] == "active"
    finally:
        on_server.server.start()

    await_well(stage, timeout=20.0)

    assert stage.published == {"pablo@runv.club": "p@example.org"}


@ON_SERVERS
def test_a_server_killed_in_the_middle_of_a_publish_is_caught_up_with(stage: Stage, on_server: ServerDatabase) -> None:
    watcher = stage.start_watcher()
    registry = entries(4)
    publish(stage, registry)
    before = stage.rows
    registry = _changed(registry)

    with row_locked(on_server, "member03@runv.club"):
        digest = write_registry(stage, registry)
        await_waiting(on_server)
        with watcher.held_up():
            on_server.server.kill()
            on_server.server.start()
            assert stage.rows == before

    await_well(stage, timeout=20.0)
    assert published(stage) == digest
    assert stage.published == _wanted(registry)


@on("pgsql")
def test_a_watcher_killed_in_the_middle_of_a_publish_leaves_nothing_half_done(
    stage: Stage, on_server: ServerDatabase
) -> None:
    watcher = stage.start_watcher()
    registry = entries(4)
    publish(stage, registry)
    before = stage.rows
    registry = _changed(registry)

    with row_locked(on_server, "member03@runv.club"):
        write_registry(stage, registry)
        await_waiting(on_server)
        watcher.kill()
    poll(lambda: on_server.sessions() == 0, what="the server to notice")
    assert stage.rows == before

    write_down(stage.database, MARKED)
    stage.start_watcher()

    assert stage.published == _wanted(registry)
    assert len(written(stage.database)) == 4


@ON_SERVERS
def test_requests_are_taken_in_while_a_server_does_not_answer(stage: Stage, on_server: ServerDatabase) -> None:
    for name in ("pablo", "maria"):
        stage.accounts.add(name)
    watcher = stage.start_watcher()
    record = ask(stage, "pablo", "p@example.org")

    with on_server.server.frozen():
        stage.drop_marker(decision(record))
        problem = _await_failure(stage)
        ask(stage, "maria", "m@example.org")
        assert watcher.running
    assert f"127.0.0.1:{on_server.server.port}" in problem

    await_well(stage, timeout=20.0)
    assert stage.published == {"pablo@runv.club": "p@example.org"}


@ON_SERVERS
def test_a_server_that_is_read_only_is_told_of_and_waited_for(stage: Stage, on_server: ServerDatabase) -> None:
    stage.start_watcher()
    publish(stage, entries(1))
    _let_write(on_server, False)
    try:
        write_registry(stage, entries(2))
        assert "read-only" in await_problem(stage, "publish-failed")
    finally:
        _let_write(on_server, True)

    await_well(stage)

    assert len(stage.rows) == 2


@on("sqlite")
def test_a_file_that_somebody_else_is_writing_to_is_waited_for(stage: Stage, database: Database) -> None:
    assert isinstance(database, SqliteDatabase)
    stage.start_watcher()
    connection = database.connect()
    connection.execute("BEGIN IMMEDIATE")
    try:
        digest = write_registry(stage, entries(1))
        assert "aliases" in _await_failure(stage)
    finally:
        connection.rollback()
        connection.close()

    await_well(stage)

    assert published(stage) == digest


@on("sqlite")
def test_a_file_that_is_not_there_is_not_made(stage: Stage, database: Database) -> None:
    """An empty one would be taken for the database by whoever was about to bring the real one back."""
    assert isinstance(database, SqliteDatabase)
    aside = database.path.with_suffix(".aside")
    database.path.rename(aside)
    stage.start_watcher()

    assert str(database.path) in await_problem(stage, "publish-failed")
    assert os.listdir(database.directory) == [aside.name]

    aside.rename(database.path)
    write_registry(stage, entries(1))
    await_well(stage)
    assert len(stage.rows) == 1


@on("mysql")
def test_an_approval_is_live_at_once_after_an_outage(stage: Stage, on_server: ServerDatabase) -> None:
    stage.accounts.add("pablo")
    stage.start_watcher()
    publish(stage, entries(1))
    on_server.server.kill()
    on_server.server.start()

    activate(stage, "pablo", "p@example.org")

    assert stage.map_lookup("pablo@runv.club") == "p@example.org"


@on("mysql")
def test_nothing_but_the_clock_and_an_administrator_has_it_tried_again(
    stage: Stage, on_server: ServerDatabase, turning_away: TurningAway
) -> None:
    names = ("ana", "bia", "caio", "davi", "eva", "fabio")
    for name in names:
        stage.accounts.add(name)
    on_server.write_map(stage.map_file, MARKED.query, hosts=f"127.0.0.1:{turning_away.port}")
    stage.start_watcher()
    await_problem(stage, "publish-failed")

    before = turning_away.count
    for name in names:
        ask(stage, name, f"{name}@example.org")
    assert turning_away.count - before < len(names) - 1

    before = turning_away.count
    for _ in range(5):
        settle(stage)
    assert turning_away.count - before >= 10


def _await_failure(stage: Stage) -> str:
    """Wait longer than anybody may wait for a server that does not answer."""
    what = "the publish to be given up"
    return await_status(stage, lambda: problems(stage).get("publish-failed"), what=what, timeout=30.0) or ""


def _changed(registry: dict[str, Record]) -> dict[str, Record]:
    """Two that go elsewhere, one that goes, one that comes; the last one that goes elsewhere is the one to wait for."""
    registry["member00"]["destination"] = "changed@example.org"
    registry["member03"]["destination"] = "changed@example.net"
    registry["member01"]["status"] = "revoked"
    return registry | {"member04": entries(5)["member04"]}


def _wanted(registry: dict[str, Record]) -> dict[str, str]:
    return {entry["alias"]: entry["destination"] for entry in registry.values() if entry["status"] == "active"}


def _let_write(database: ServerDatabase, may: bool) -> None:
    statement = {
        "pgsql": f"ALTER DATABASE {database.name} SET default_transaction_read_only = {'off' if may else 'on'}",
        "mysql": f"SET GLOBAL read_only = {0 if may else 1}",
    }[database.kind]
    database.server.execute(statement)
