"""What is believed of the queue while the kernel or the name services say nothing."""

import grp
import os
import pwd
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watcher.intake.queue_directory import foreign

from ...attacks.mounts import bound, tmpfs
from ..server import People, Server

pytestmark = pytest.mark.needs("root")

OTHER_GID = 54321


@contextmanager
def without_descriptors() -> Iterator[None]:
    """Nothing can be opened meanwhile: EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def found(server: Server) -> set[str]:
    server.people.forget()
    return set(server.intake.take().problems)


def test_a_mount_that_could_not_be_looked_into_is_not_forgotten(server: Server, tmp_path: Path) -> None:
    path = server.request("pablo")
    (aside := tmp_path / "aside").touch()
    display_path = server.intake.directory
    display_path.look()
    with bound(aside, path):
        with without_descriptors():
            for _ in range(2):
                with pytest.raises(OSError, match="Too many open files"):
                    display_path.replaced()
                assert display_path.closed
        assert found(server) == {"queue-mounted"}
        assert not display_path.closed
    assert found(server) == set()
    assert len(server.found("pending")) == 1


def test_a_mount_elsewhere_that_could_not_be_looked_into_closes_the_queue_only_until_then(
    server: Server, tmp_path: Path
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    server.request("pablo")
    path = server.intake.directory
    with tmpfs(elsewhere), without_descriptors(), pytest.raises(OSError, match="Too many open files"):
        path.look()
    assert path.closed
    assert found(server) == set()
    assert len(server.found("pending")) == 1


def test_a_queue_that_cannot_be_opened_counts_as_nobodys_only_where_it_is_not_there(server: Server) -> None:
    assert foreign(server.settings) is None
    with without_descriptors(), pytest.raises(OSError, match="Too many open files"):
        foreign(server.settings)
    server.paths.queue.rmdir()
    assert foreign(server.settings) is None


def test_a_queue_of_another_group_is_told_of_once_the_members_group_exists(server: Server) -> None:
    os.chown(server.paths.queue, -1, OTHER_GID)
    server.paths.queue.chmod(0o3770)
    server.people.group_exists = False
    assert found(server) == set()
    server.people.group_exists = True
    assert found(server) == {"queue-unsafe"}


def test_a_group_that_is_made_anew_with_another_number_is_noticed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(server) == set()
    monkeypatch.setattr(People, "gid", property(lambda _: OTHER_GID))
    assert found(server) == {"queue-unsafe"}
    os.chown(server.paths.queue, -1, OTHER_GID)
    server.paths.queue.chmod(0o3770)
    assert found(server) == set()


def test_names_of_accounts_do_nothing_to_a_terminal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.paths.queue.chmod(0o777)
    user, group = pwd.getpwuid(0), grp.getgrgid(0)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd(("a\x1b[2Jb", *user[1:])))
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("c\nd", *group[1:])))
    message = server.intake.take().problems["queue-unsafe"]
    assert message.isprintable()
    assert r"is 777 a\x1b[2Jb:c\nd, where" in message
