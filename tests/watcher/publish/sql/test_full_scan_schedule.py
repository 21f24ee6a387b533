"""How often all rows are looked at."""

from watcher.publish.sql.publisher import SHARE, FullScanSchedule


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def scan(schedule: FullScanSchedule, clock: Clock, seconds: float) -> None:
    began = clock.now
    clock.now += seconds
    schedule.scanned(began)


def test_the_first_pass_looks() -> None:
    assert FullScanSchedule(clock=Clock()).wanted()


def test_looks_take_no_more_than_their_share_of_the_time() -> None:
    clock = Clock()
    schedule = FullScanSchedule(clock=clock)
    scan(schedule, clock, 0.5)
    ended = clock.now

    clock.now += SHARE * 0.5 - 0.01
    assert not schedule.wanted()
    assert schedule.due == ended + SHARE * 0.5

    clock.now += 0.02
    assert schedule.wanted()


def test_a_look_that_was_merely_due_is_followed_by_none() -> None:
    clock = Clock()
    schedule = FullScanSchedule(clock=clock)
    scan(schedule, clock, 0.5)
    schedule.wanted()
    assert schedule.due is not None

    clock.now = schedule.due
    assert schedule.wanted()
    scan(schedule, clock, 0.5)

    assert schedule.due is None


def test_after_a_change_by_key_a_look_is_due_as_soon_as_it_may_be() -> None:
    clock = Clock()
    schedule = FullScanSchedule(clock=clock)
    scan(schedule, clock, 0.5)
    schedule.soon()
    assert schedule.due == clock.now + SHARE * 0.5

    clock.now += 3600
    scan(schedule, clock, 0.0)
    schedule.soon()
    assert schedule.due == clock.now


def test_an_interval_makes_a_look_due_again_and_again() -> None:
    clock = Clock()
    schedule = FullScanSchedule(60, clock)
    for _ in range(3):
        scan(schedule, clock, 0.5)
        assert schedule.due == clock.now + 60
        clock.now += 60
        assert schedule.wanted()


def test_a_change_does_not_wait_for_the_interval() -> None:
    clock = Clock()
    schedule = FullScanSchedule(3600, clock)
    scan(schedule, clock, 0.1)
    clock.now += 10
    schedule.soon()
    assert schedule.due == clock.now
