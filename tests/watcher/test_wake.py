"""When a pass is due: at once for a lone change, spaced out while a burst lasts, late for what concerns nobody."""

import threading
from collections.abc import Iterator

import pytest

from watcher.wake import LONGEST_PAUSE, SHORTEST_PAUSE, SOFT_DELAY, Wake

from .server import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wake(clock: Clock) -> Iterator[Wake]:
    wake = Wake(clock)
    yield wake
    wake.close()


def is_due(wake: Wake) -> bool:
    """Whether a pass is due at this moment; a timer that has run out ends the wait at once."""
    return wake.wait(float("-inf"), lambda: False)


def one_pass(wake: Wake, changes: int) -> None:
    wake.begin_pass()
    wake.end_pass(changes)


def pause_after(wake: Wake, clock: Clock, changes: int) -> float:
    """How long a change waits that comes right after a pass of *changes*."""
    one_pass(wake, changes)
    wake.now()
    waited = 0.0
    while not is_due(wake):
        clock.pass_by(0.001)
        waited += 0.001
        assert waited < 10
    return waited


def test_nothing_is_due_while_nothing_happens(wake: Wake, clock: Clock) -> None:
    assert not is_due(wake)
    clock.pass_by(10**6)
    assert not is_due(wake)
    assert not wake.pending()


def test_a_lone_change_is_acted_on_at_once(wake: Wake) -> None:
    one_pass(wake, 1)
    wake.now()
    assert wake.pending()
    assert is_due(wake)


def test_lone_changes_one_after_another_never_wait(wake: Wake, clock: Clock) -> None:
    assert [pause_after(wake, clock, changes) for changes in (1, 0, 1, 1)] == [0, 0, 0, 0]


def test_the_pause_grows_while_a_burst_lasts_and_falls_back_when_it_is_quiet(wake: Wake, clock: Clock) -> None:
    pauses = [pause_after(wake, clock, 2) for _ in range(6)]
    assert pauses[0] == pytest.approx(SHORTEST_PAUSE, abs=0.0011)
    assert pauses == sorted(pauses)
    assert pauses[1] == pytest.approx(2 * pauses[0], abs=0.0021)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE, abs=0.0011)
    assert pause_after(wake, clock, 1) == 0
    assert pause_after(wake, clock, 2) == pytest.approx(SHORTEST_PAUSE, abs=0.0011)


def test_the_pause_grows_the_faster_the_more_changes_there_were(wake: Wake, clock: Clock) -> None:
    assert pause_after(wake, clock, 1000) == pytest.approx(LONGEST_PAUSE, abs=0.0011)


def test_a_change_long_after_a_burst_is_acted_on_at_once(wake: Wake, clock: Clock) -> None:
    one_pass(wake, 1000)
    clock.pass_by(LONGEST_PAUSE)
    wake.now()
    assert is_due(wake)


def test_what_concerns_nobody_makes_one_pass_a_quarter_of_a_second_later(wake: Wake, clock: Clock) -> None:
    wake.soon()
    assert not is_due(wake)
    assert not wake.pending()
    for _ in range(4):
        clock.pass_by(SOFT_DELAY / 5)
        wake.soon()  # a storm does not put the pass off
        assert not is_due(wake)
    clock.pass_by(SOFT_DELAY / 5 + 0.001)
    assert is_due(wake)
    one_pass(wake, 0)
    clock.pass_by(10)
    assert not is_due(wake)


def test_what_matters_does_not_wait_for_what_does_not(wake: Wake) -> None:
    wake.soon()
    assert not is_due(wake)
    wake.now()
    assert is_due(wake)


def test_what_comes_during_a_pass_makes_one_more(wake: Wake, clock: Clock) -> None:
    wake.now()
    assert is_due(wake)
    wake.begin_pass()
    assert not wake.pending()
    wake.now()
    wake.soon()
    assert wake.pending()
    wake.end_pass(1)
    assert is_due(wake)
    one_pass(wake, 1)
    clock.pass_by(10)
    assert not is_due(wake)


def test_a_timer_ends_the_wait_without_a_pass_being_due(wake: Wake, clock: Clock) -> None:
    assert wake.wait(clock() - 1, lambda: False) is False
    assert wake.wait(clock(), lambda: False) is False


def test_work_of_the_caller_comes_before_everything(wake: Wake) -> None:
    wake.now()
    assert wake.wait(None, lambda: True) is False


@pytest.mark.parametrize("method", ["now", "nudge"])
def test_another_thread_ends_a_wait_that_has_no_end_of_its_own(wake: Wake, method: str) -> None:
    asked = threading.Event()
    nudged: list[bool] = []

    def ready() -> bool:
        asked.set()
        return bool(nudged)

    def act() -> None:
        asked.wait()
        nudged.extend([True] if method == "nudge" else [])
        getattr(wake, method)()

    thread = threading.Thread(target=act)
    thread.start()
    assert wake.wait(None, ready) is (method == "now")
    thread.join()


def test_a_nudge_before_the_wait_is_not_lost_and_is_spent_once(wake: Wake, clock: Clock) -> None:
    looks = iter([False, True])
    wake.nudge()
    assert wake.wait(None, lambda: next(looks)) is False
    assert wake.wait(clock(), lambda: False) is False


def test_a_hundred_thousand_events_neither_block_nor_raise(wake: Wake) -> None:
    for _ in range(100_000):
        wake.nudge()
    wake.now()
    assert is_due(wake)


def test_an_event_after_the_end_finds_nobody_and_does_not_raise(clock: Clock) -> None:
    wake = Wake(clock)
    wake.close()
    wake.now()
    wake.soon()
