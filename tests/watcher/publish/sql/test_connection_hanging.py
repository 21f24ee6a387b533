"""Servers, names and files that keep whoever connects waiting: all of that has an end, and leaves nothing behind."""

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.sql_block import Database as Given
from watcher.publish.sql.connection import _idle_threads
from watcher.publish.sql.database import Database
from watcher.publish.sql.errors import DatabaseError, Kind
from watcher.publish.sql.map_file import SqlMapError, SqlType

from ....sql.stage import poll
from ....support.databases import ServerDatabase
from .conftest import RoomOf

KINDS: tuple[SqlType, ...] = ("mysql", "pgsql")


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes whoever comes, and never says a word."""
    with socket.create_server(("", 0)) as listening:
        yield int(listening.getsockname()[1])


@pytest.fixture
def speaking() -> Iterator[Callable[[bytes, float], int]]:
    """A function that gives the port of a server which says just that, a byte every so many seconds."""
    with ExitStack() as stack:

        def start(words: bytes, pause: float) -> int:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            ended = threading.Event()
            thread = threading.Thread(target=_speak, args=(listening, words, pause, ended))
            thread.start()
            stack.callback(thread.join)
            stack.callback(listening.shutdown, socket.SHUT_RDWR)
            stack.callback(ended.set)
            return int(listening.getsockname()[1])

        yield start


@pytest.mark.parametrize("kind", KINDS)
def test_hosts_that_say_nothing_share_the_time_that_there_is(tmp_path: Path, kind: SqlType, silent: int) -> None:
    database = _database(tmp_path, kind, " ".join(f"127.0.0.{number}:{silent}" for number in range(1, 7)))

    began = time.monotonic()
    with pytest.raises(DatabaseError) as raised, database.session(0.6, writing=True):
        pass

    assert time.monotonic() - began < 5 * 0.6
    assert raised.value.kind is Kind.NOT_WRITABLE


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_a_host_that_says_nothing_leaves_time_for_the_next_one(kind: SqlType, room_of: RoomOf, silent: int) -> None:
    room = room_of()
    server = room.database
    assert isinstance(server, ServerDatabase)
    room.write_map(hosts=f"127.0.0.1:{silent} {server.address}")

    with Database.of(room.config).session(2, writing=True) as session:
        assert session.host is not None
        assert server.address in session.host.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_speaks_a_byte_at_a_time_is_not_listened_to_for_ever(
    tmp_path: Path, kind: SqlType, speaking: Callable[[bytes, float], int]
) -> None:
    port = speaking(b"\xff\xff\x00\x00\x0a" + b"1" * 1000, 0.05)
    database = _database(tmp_path, kind, f"127.0.0.1:{port}")

    began = time.monotonic()
    with pytest.raises(DatabaseError), database.session(0.5, writing=True):
        pass

    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_nobody_resolves_is_waited_for_by_one_thread_only(
    tmp_path: Path, kind: SqlType, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, asked = threading.Event(), []

    def getaddrinfo(*_: object, **__: object) -> object:
        asked.append(1)
        answered.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    database = _database(tmp_path, kind, f"db.example.org:{silent}")
    before = threading.active_count()
    began = time.monotonic()
    for _ in range(5):
        with pytest.raises(DatabaseError) as raised, database.session(0.2, writing=True):
            pass
        assert raised.value.kind is Kind.TIMED_OUT
        assert "db.example.org" in str(raised.value)
        _await_threads(hanging=1)

    assert time.monotonic() - began < 10
    assert len(asked) == 1
    answered.set()
    _await_threads(hanging=0)

    with pytest.raises(DatabaseError, match="Temporary failure"), database.session(5, writing=True):
        pass
    _await_threads(hanging=0)
    # One for that, and one for the deadline.
    assert threading.active_count() <= before + 2


# A socket that finds nobody is left to the collector by the newest PyMySQL.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_failures_leave_neither_descriptors_nor_threads(tmp_path: Path, kind: SqlType, silent: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    database = _database(tmp_path, kind, f"127.0.0.1:{port} unix:{tmp_path}/absent")
    with pytest.raises(DatabaseError), database.session(5, writing=True):
        pass
    before = _descriptors(), threading.active_count()

    for _ in range(15):
        with pytest.raises(DatabaseError), database.session(5, writing=True):
            pass
        _await_threads(hanging=0)

    # Those that stand by are used again, though the second host may be tried before the first one's has come back.
    gc.collect()
    assert threading.active_count() <= before[1] + 1
    assert _descriptors() <= before[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00\x0a5.5", b"\x00" * 400])
def test_what_is_no_database_is_told_of(
    tmp_path: Path, kind: SqlType, words: bytes, speaking: Callable[[bytes, float], int]
) -> None:
    database = _database(tmp_path, kind, f"127.0.0.1:{speaking(words, 0)}")

    with pytest.raises(DatabaseError) as raised, database.session(5, writing=True):
        pass

    assert "127.0.0.1" in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_a_library_that_trips_over_what_it_is_told_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "aliases.db").touch()
    database = _database(tmp_path, "sqlite", "", dbpath=str(tmp_path / "aliases.db"))

    with pytest.raises(DatabaseError) as raised, database.session(5, writing=False):
        raise IndexError("tuple index out of range")

    assert raised.value.kind is Kind.UNFORESEEN
    assert "IndexError, tuple index out of range, at test_connection_hanging.py" in str(raised.value)


def test_a_file_for_tls_that_cannot_be_used_is_no_server_that_is_away(tmp_path: Path, silent: int) -> None:
    database = _database(tmp_path, "mysql", f"127.0.0.1:{silent}", tls_CAfile=str(tmp_path / "absent.pem"))

    with pytest.raises(SqlMapError, match=r"`tls_CAfile`.*No such file"), database.session(5, writing=True):
        pass


def test_an_option_file_that_nobody_writes_to_is_waited_for_no_longer_than_a_server(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "my.cnf")
    database = _database(tmp_path, "mysql", "127.0.0.1:1", option_file=str(tmp_path / "my.cnf"))

    began = time.monotonic()
    with pytest.raises(DatabaseError), database.session(0.3, writing=True):
        pass

    assert time.monotonic() - began < 10
    # Let it go.
    os.close(os.open(tmp_path / "my.cnf", os.O_WRONLY))


def _await_threads(*, hanging: int) -> None:
    """Wait until all threads stand by for the next use, but those that hang: of their own they tell nobody."""
    poll(
        lambda: sum(each.name == "database" for each in threading.enumerate()) - len(_idle_threads) == hanging,
        what="the threads",
    )


def _database(directory: Path, kind: SqlType, hosts: str, **settings: str) -> Database:
    path = directory / "aliases.cf"
    given = {"hosts": hosts, "user": "postfix", "password": "secret-7", "dbname": "mail", **settings}
    path.write_text("".join(f"{name} = {value}\n" for name, value in given.items()))
    return Database(kind, Given(map_file=str(path), table="aliases", address_column="address", goto_column="goto"))


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _speak(listening: socket.socket, words: bytes, pause: float, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            try:
                if not pause:
                    connection.sendall(words)
                    connection.settimeout(1)
                    connection.recv(1000)
                    continue
                for each in words:
                    connection.sendall(bytes([each]))
                    if ended.wait(pause):
                        return
            except OSError:
                continue
