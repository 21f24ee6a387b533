"""What becomes of a file in the very moment between two steps of the intake, and which file systems are foreign."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from schemas.fs.directory import Directory
from watcher.intake import queue_directory
from watcher.intake.queue_directory import foreign

from ...attacks.mounts import Lie, bound, fuse, tmpfs
from ...support.layout import put
from ..server import Server

pytestmark = pytest.mark.needs("root")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    try:
        yield server
    finally:
        server.restart()


@pytest.fixture
def mounts() -> Iterator[ExitStack]:
    with ExitStack() as mounts:
        yield mounts


def forged(server: Server, mounts: ExitStack) -> Path:
    """A request of maria's on another file system."""
    aside = server.paths.root / "aside"
    aside.mkdir()
    mounts.enter_context(tmpfs(aside))
    put(aside / "ask.json", b'{"destination": "thief@example.net"}', 0o600, uid=server.maria.uid)
    return aside / "ask.json"


def test_a_file_that_is_mounted_over_after_the_queue_was_listed_speaks_for_nobody(
    server: Server, mounts: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = forged(server, mounts), server.request("pablo")
    listed = server.intake.incomplete.forget_all_but

    def mount_then(names: Collection[str]) -> None:
        mounts.enter_context(bound(source, path))
        listed(names)

    with monkeypatch.context() as patch:
        patch.setattr(server.intake.incomplete, "forget_all_but", mount_then)
        first = server.intake.take()
    second = server.intake.take()

    assert (first.troubles, first.problems, second.troubles) == ([], {}, [])
    assert set(second.problems) == {"queue-mounted"}
    assert (server.records.pending, server.queue()) == ({}, ["ask.json"])


def closed(server: Server, path: Path) -> AbstractContextManager[None]:
    """A FUSE file system that only maria may look at: root gets EACCES."""
    return fuse(path, Lie(server.maria.uid, b"{}"), user=server.maria.uid)


def test_an_entry_that_is_closed_to_root_just_before_the_queue_is_listed_keeps_no_other_out(
    server: Server, mounts: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.drop("maria", b"[]", "closed.json")
    server.request("pablo")

    def mount_then(_: Collection[str]) -> None:
        mounts.enter_context(closed(server, path))

    with monkeypatch.context() as patch:
        patch.setattr(server.intake._remover, "again", mount_then)
        first = server.intake.take()
    second = server.intake.take()

    message = "The queue entry closed.json cannot be dealt with: Permission denied"
    assert [trouble.startswith(message) for trouble in first.troubles] == [True]
    assert (list(server.records.pending), server.found("refused")) == (["pablo"], [])
    assert (second.troubles, set(second.problems)) == ([], {"queue-mounted"})


def test_an_entry_that_would_not_go_is_not_touched_while_something_is_mounted_over_it(
    server: Server, mounts: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.request("pablo")
    with monkeypatch.context() as patch:
        patch.setattr(server.intake._queue, "remove", refuse)
        (trouble,) = server.intake.take().troubles
    mounts.enter_context(closed(server, path))

    assert server.intake.take().troubles == [trouble]

    mounts.close()
    assert server.intake.take().troubles == []
    assert (server.queue(), list(server.records.pending)) == ([], ["pablo"])


def refuse(_: str) -> bool:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("kind", ["foreign", "closed"])
def test_a_file_that_is_mounted_over_after_it_was_judged_is_removed_when_it_can_be(
    server: Server, mounts: ExitStack, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, path = forged(server, mounts), server.request("pablo")
    flush = server.audit.flush

    def mount_then() -> None:
        flush()
        mounts.enter_context(closed(server, path) if kind == "closed" else bound(source, path))

    with monkeypatch.context() as patch:
        patch.setattr(server.audit, "flush", mount_then)
        assert server.intake.take().handled == 1
    assert [record.username for record in server.records.pending.values()] == ["pablo"]
    assert set(server.intake.take().problems) == {"queue-mounted"}

    mounts.close()
    server.intake.take()

    assert server.queue() == []
    assert list(server.records.pending) == ["pablo"]


def test_a_file_that_is_exchanged_for_a_directory_when_it_is_removed_is_left_without_a_word(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.request("pablo")
    remove = Directory.remove

    def exchange_then(directory: Directory, name: str) -> bool:
        if name == path.name:
            path.unlink()
            path.mkdir()
        return remove(directory, name)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "remove", exchange_then)
        first = server.intake.take()
    second = server.intake.take()

    assert (first.handled, first.troubles) == (1, [])
    assert (second.left_alone, second.troubles, server.queue()) == (1, [], ["ask.json"])


def test_a_queue_on_a_file_system_of_the_members_is_foreign_unless_all_state_is_there(
    server: Server, mounts: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried with tmpfs in the place of FUSE, which would have to be served."""
    mounts.enter_context(tmpfs(server.paths.queue))
    assert foreign(server.settings) is None
    monkeypatch.setattr(queue_directory, "_MEMBERS_MAY_MOUNT", frozenset({"tmpfs"}))
    assert foreign(server.settings) == "tmpfs"

    mounts.close()
    mounts.enter_context(tmpfs(server.paths.state))
    server.paths.queue.mkdir()
    assert foreign(server.settings) is None
