"""A file that does not parse is left for 2 seconds without change, or 60 in all."""

import pytest

from schemas.files import Signature
from watcher.settling import UNFINISHED_AT_ONCE, Settling

from .server import Clock


def seen(inode: int = 1, mtime: int = 1, size: int = 1) -> Signature:
    return Signature(0, inode, mtime, size)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settling(clock: Clock) -> Settling:
    return Settling(clock)


def test_a_file_that_does_not_change_has_two_seconds(settling: Settling, clock: Clock) -> None:
    assert not settling.hopeless("a", seen())
    clock.pass_by(1.99)
    assert not settling.hopeless("a", seen())
    assert settling.waits("a", seen())
    clock.pass_by(0.01)
    assert not settling.waits("a", seen())
    assert settling.hopeless("a", seen())


@pytest.mark.parametrize("change", [seen(mtime=2), seen(size=2)])
def test_a_change_begins_the_two_seconds_anew(settling: Settling, clock: Clock, change: Signature) -> None:
    settling.hopeless("a", seen())
    clock.pass_by(1.5)
    assert not settling.waits("a", change)
    assert not settling.hopeless("a", change)
    clock.pass_by(1.5)
    assert not settling.hopeless("a", change)
    clock.pass_by(0.5)
    assert settling.hopeless("a", change)


def test_a_file_that_changes_for_ever_has_sixty_seconds_in_all(settling: Settling, clock: Clock) -> None:
    for second in range(60):
        assert not settling.hopeless("a", seen(mtime=second)), second
        clock.pass_by(1)
    assert settling.hopeless("a", seen(mtime=60))


def test_another_file_of_the_same_name_begins_anew(settling: Settling, clock: Clock) -> None:
    settling.hopeless("a", seen())
    clock.pass_by(60)
    assert not settling.hopeless("a", seen(inode=2))


def test_no_more_than_a_few_files_of_one_owner_are_waited_for(settling: Settling) -> None:
    for number in range(UNFINISHED_AT_ONCE):
        assert not settling.hopeless(f"{number}", seen(), owner=1)
    assert settling.hopeless("one more", seen(), owner=1)
    assert not settling.waits("one more", seen())
    assert not settling.hopeless("0", seen(mtime=2), owner=1)
    assert not settling.hopeless("another's", seen(), owner=2)


def test_the_next_moment_to_look_is_that_of_the_file_which_is_due_first(settling: Settling, clock: Clock) -> None:
    assert settling.next_due is None
    settling.hopeless("a", seen())
    clock.pass_by(1)
    settling.hopeless("b", seen())
    assert settling.next_due == clock() + 1
    settling.forget("a")
    assert settling.next_due == clock() + 2
    settling.forget_all_but(["a"])
    assert settling.next_due is None


def test_a_file_that_was_never_seen_does_not_wait(settling: Settling) -> None:
    assert not settling.waits("a", seen())
    settling.hopeless("a", seen())
    settling.forget_all_but({"a"})
    assert settling.waits("a", seen())
    settling.forget("never seen")
