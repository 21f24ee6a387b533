"""What failed is tried again: after 1 second, then 2, 4 and so on up to 60."""

from watcher.timers import Retry

from .server import Clock


def test_the_delay_doubles_up_to_a_minute() -> None:
    clock = Clock()
    retry = Retry(clock=clock)
    delays = []
    for _ in range(9):
        retry.failed()
        assert retry.due is not None
        delays.append(retry.due - clock())
        clock.pass_by(delays[-1])
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_failure_before_the_next_try_does_not_put_it_off() -> None:
    clock = Clock()
    retry = Retry(clock=clock)
    retry.failed()
    due = retry.due
    for _ in range(20):
        clock.pass_by(0.04)
        retry.failed()
    assert retry.due == due


def test_once_it_worked_nothing_is_due_and_the_next_failure_begins_anew() -> None:
    clock = Clock()
    retry = Retry(first=0.02, longest=1.0, clock=clock)
    assert retry.due is None
    for _ in range(3):
        retry.failed()
        clock.pass_by(10)
    retry.worked()
    assert retry.due is None
    retry.failed()
    assert retry.due == clock() + 0.02
