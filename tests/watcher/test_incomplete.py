"""A file that does not parse is left for 2 seconds without change, or 60 in all."""

import pytest

from schemas.fs.directory import Signature
from watcher.incomplete import INCOMPLETE_AT_ONCE, IncompleteFiles

from .server import Clock


def seen(inode: int = 1, mtime: int = 1, size: int = 1) -> Signature:
    return Signature(0, inode, mtime, size)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settling(clock: Clock) -> IncompleteFiles:
    return IncompleteFiles(clock)


def test_a_file_that_does_not_change_has_two_seconds(settling: IncompleteFiles, clock: Clock) -> None:
    assert not settling.expired("a", seen())
    clock.pass_by(1.99)
    assert not settling.expired("a", seen())
    assert settling.waits("a", seen())
    clock.pass_by(0.01)
    assert not settling.waits("a", seen())
    assert settling.expired("a", seen())


@pytest.mark.parametrize("change", [seen(mtime=2), seen(size=2)])
def test_a_change_begins_the_two_seconds_anew(settling: IncompleteFiles, clock: Clock, change: Signature) -> None:
    settling.expired("a", seen())
    clock.pass_by(1.5)
    assert not settling.waits("a", change)
    assert not settling.expired("a", change)
    clock.pass_by(1.5)
    assert not settling.expired("a", change)
    clock.pass_by(0.5)
    assert settling.expired("a", change)


def test_a_file_that_changes_for_ever_has_sixty_seconds_in_all(settling: IncompleteFiles, clock: Clock) -> None:
    for second in range(60):
        assert not settling.expired("a", seen(mtime=second)), second
        clock.pass_by(1)
    assert settling.expired("a", seen(mtime=60))


def test_another_file_of_the_same_name_begins_anew(settling: IncompleteFiles, clock: Clock) -> None:
    settling.expired("a", seen())
    clock.pass_by(60)
    assert not settling.expired("a", seen(inode=2))


def test_no_more_than_a_few_files_of_one_owner_are_waited_for(settling: IncompleteFiles) -> None:
    for number in range(INCOMPLETE_AT_ONCE):
        assert not settling.expired(f"{number}", seen(), owner=1)
    assert settling.expired("one more", seen(), owner=1)
    assert not settling.waits("one more", seen())
    assert not settling.expired("0", seen(mtime=2), owner=1)
    assert not settling.expired("another's", seen(), owner=2)


def test_the_next_moment_to_look_is_that_of_the_file_which_is_due_first(
    settling: IncompleteFiles, clock: Clock
) -> None:
    assert settling.next_due is None
    settling.expired("a", seen())
    clock.pass_by(1)
    settling.expired("b", seen())
    assert settling.next_due == clock() + 1
    settling.forget("a")
    assert settling.next_due == clock() + 2
    settling.forget_all_but(["a"])
    assert settling.next_due is None


def test_a_file_that_was_never_seen_does_not_wait(settling: IncompleteFiles) -> None:
    assert not settling.waits("a", seen())
    settling.expired("a", seen())
    settling.forget_all_but({"a"})
    assert settling.waits("a", seen())
    settling.forget("never seen")
