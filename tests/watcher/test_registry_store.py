"""Reading the registry only when it has changed, and writing it under its lock."""

import fcntl
import json
import os
import stat
from pathlib import Path

import pytest

from schemas.errors import RegistryBusyError, RegistryError, StateError
from schemas.registry import Draft

from .server import Server, entry


def age(path: Path, seconds: float = 60) -> None:
    timestamp = path.stat().st_mtime - seconds
    os.utime(path, (timestamp, timestamp))


def test_a_registry_that_has_not_changed_is_not_read_again(server: Server) -> None:
    server.write_registry(pablo=entry())
    first = server.registry.current()
    assert server.registry.current() is first
    age(server.paths.registry)
    assert server.registry.current() == first


def test_a_registry_that_has_changed_is_read_again(server: Server) -> None:
    server.write_registry(pablo=entry())
    assert server.registry.current().rows() == {"pablo@runv.club": "p@example.org"}
    server.write_registry(pablo=entry(destination="q@example.org"))
    assert server.registry.current().rows() == {"pablo@runv.club": "q@example.org"}


def test_of_a_registry_written_just_now_a_change_in_place_is_noticed_too(server: Server) -> None:
    path = server.paths.registry
    path.write_text(json.dumps({"pablo": entry(destination="p@example.org")}))
    status = path.stat()
    assert server.registry.current().rows() == {"pablo@runv.club": "p@example.org"}
    with path.open("r+") as file:
        file.write(json.dumps({"pablo": entry(destination="q@example.org")}))
    # The clock of file times ticks slowly: both writes may well have the same time.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert server.registry.current().rows() == {"pablo@runv.club": "q@example.org"}


def test_a_missing_registry_never_counts_as_empty(server: Server) -> None:
    server.write_registry(pablo=entry())
    server.registry.current()
    moved = server.paths.registry.rename(server.paths.state / "away.json")
    for _ in range(2):
        with pytest.raises(RegistryError, match=rf"^The registry {server.paths.registry} is not there\. "):
            server.registry.current()
    moved.rename(server.paths.registry)
    assert server.registry.current().rows() == {"pablo@runv.club": "p@example.org"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pablo": {}}'])
def test_a_broken_registry_is_told_each_time_and_never_counts_as_empty_or_as_before(server: Server, text: str) -> None:
    server.write_registry(pablo=entry())
    server.registry.current()
    server.paths.registry.write_text(text)
    for _ in range(2):
        with pytest.raises(RegistryError, match=rf"^The registry {server.paths.registry} cannot be used\. "):
            server.registry.current()
        age(server.paths.registry)
    for _ in range(2):
        with pytest.raises(RegistryError, match="cannot be used"):
            server.registry.current()
    server.write_registry(pablo=entry(destination="q@example.org"))
    assert server.registry.current().rows() == {"pablo@runv.club": "q@example.org"}


def test_a_registry_that_is_no_plain_file_cannot_be_read(server: Server) -> None:
    moved = server.paths.registry.rename(server.paths.state / "elsewhere.json")
    server.paths.registry.symlink_to(moved)
    with pytest.raises(RegistryError, match=r"cannot be read: .* is not a plain file\."):
        server.registry.current()


def test_what_was_written_is_not_read_again(server: Server) -> None:
    draft = Draft(server.registry.current(), "registry")
    draft.set("pablo", entry())
    written = draft.finish()
    with server.registry.lock():
        server.registry.write(written, server.people.gid)
    assert server.registry.current() is written
    assert server.active() == {"pablo": entry()}
    assert stat.S_IMODE(server.paths.registry.stat().st_mode) == 0o640
    assert server.paths.registry.stat().st_gid == server.people.gid


def test_a_hand_edit_after_our_own_write_is_read(server: Server) -> None:
    draft = Draft(server.registry.current(), "registry")
    draft.set("pablo", entry())
    server.registry.write(draft.finish(), server.people.gid)
    server.write_registry()
    assert server.registry.current().rows() == {}


def test_while_another_program_holds_the_lock_it_is_not_ours(server: Server) -> None:
    lock = server.paths.state / "email-aliases.lock"
    with server.registry.lock():
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        with pytest.raises(RegistryBusyError, match=rf"^Another program holds the lock {lock}\."):
            server.registry.lock()
        with lock.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(RegistryBusyError):
            server.registry.lock()
    with server.registry.lock():
        pass


def test_a_lock_that_is_a_link_is_not_followed(server: Server) -> None:
    (server.paths.state / "email-aliases.lock").symlink_to(server.paths.state / "made-by-the-lock")
    with pytest.raises(StateError, match=r"^The lock file .* cannot be opened"):
        server.registry.lock()
    assert not (server.paths.state / "made-by-the-lock").exists()


def test_what_a_kill_left_half_written_is_removed(server: Server) -> None:
    (server.paths.state / ".email-aliases.json.watcher.tmp").write_text("{")
    server.registry.tidy()
    server.registry.tidy()
    assert not list(server.paths.state.glob(".*"))


def test_what_another_tool_is_writing_is_left_alone(server: Server) -> None:
    server.write_registry()
    others = server.paths.state / ".email-aliases.json.tmp"
    others.write_text("{")
    server.registry.tidy()
    with server.registry.lock():
        server.registry.write(server.registry.current(), server.people.gid)
    assert others.read_text() == "{"
