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
def incomplete(clock: Clock) -> IncompleteFiles:
    return IncompleteFiles(clock)


def test_a_file_that_does_not_change_has_two_seconds(incomplete: IncompleteFiles, clock: Clock) -> None:
    assert not incomplete.expired("a", seen())
    clock.pass_by(1.99)
    assert not incomplete.expired("a", seen())
    assert incomplete.waits("a", seen())
    clock.pass_by(0.01)
    assert not incomplete.waits("a", seen())
    assert incomplete.expired("a", seen())


@pytest.mark.parametrize("change", [seen(mtime=2), seen(size=2)])
def test_a_change_begins_the_two_seconds_anew(incomplete: IncompleteFiles, clock: Clock, change: Signature) -> None:
    incomplete.expired("a", seen())
    clock.pass_by(1.5)
    assert not incomplete.waits("a", change)
    assert not incomplete.expired("a", change)
    clock.pass_by(1.5)
    assert not incomplete.expired("a", change)
    clock.pass_by(0.5)
    assert incomplete.expired("a", change)


def test_a_file_that_changes_for_ever_has_sixty_seconds_in_all(incomplete: IncompleteFiles, clock: Clock) -> None:
    for second in range(60):
        assert not incomplete.expired("a", seen(mtime=second)), second
        clock.pass_by(1)
    assert incomplete.expired("a", seen(mtime=60))


def test_another_file_of_the_same_name_begins_anew(incomplete: IncompleteFiles, clock: Clock) -> None:
    incomplete.expired("a", seen())
    clock.pass_by(60)
    assert not incomplete.expired("a", seen(inode=2))


def test_no_more_than_a_few_files_of_one_owner_are_waited_for(incomplete: IncompleteFiles) -> None:
    for number in range(INCOMPLETE_AT_ONCE):
        assert not incomplete.expired(f"{number}", seen(), owner=1)
    assert incomplete.expired("one more", seen(), owner=1)
    assert not incomplete.waits("one more", seen())
    assert not incomplete.expired("0", seen(mtime=2), owner=1)
    assert not incomplete.expired("another's", seen(), owner=2)


def test_the_next_moment_to_look_is_that_of_the_file_which_is_due_first(
    incomplete: IncompleteFiles, clock: Clock
) -> None:
    assert incomplete.next_due is None
    incomplete.expired("a", seen())
    clock.pass_by(1)
    incomplete.expired("b", seen())
    assert incomplete.next_due == clock() + 1
    incomplete.forget("a")
    assert incomplete.next_due == clock() + 2
    incomplete.forget_all_but(["a"])
    assert incomplete.next_due is None


def test_a_file_that_was_never_seen_does_not_wait(incomplete: IncompleteFiles) -> None:
    assert not incomplete.waits("a", seen())
    incomplete.expired("a", seen())
    incomplete.forget_all_but({"a"})
    assert incomplete.waits("a", seen())
    incomplete.forget("never seen")
