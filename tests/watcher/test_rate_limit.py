"""What happens again and again is told at once, and then counted."""

import logging

import pytest

from watcher.rate_limit import RateLimit

from .server import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rate_limit(clock: Clock, caplog: pytest.LogCaptureFixture) -> RateLimit:
    caplog.set_level(logging.INFO, "runv")
    return RateLimit(logging.getLogger("runv.intake"), clock)


def refuse(rate_limit: RateLimit, owner: str, count: int = 1, *, name: str = "a", at_once: int = 1) -> None:
    rate_limit.say(
        logging.WARNING,
        ("refused", owner),
        f"{owner}: {count}",
        lambda total: f"{owner}: {total} more, up to {name}",
        count=count,
        at_once=at_once,
    )


def test_the_first_is_told_at_once_and_what_follows_within_a_minute_in_one_line(
    rate_limit: RateLimit, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(rate_limit, "pablo")
    assert caplog.messages == ["pablo: 1"]
    for number in range(30):
        clock.pass_by(1)
        refuse(rate_limit, "pablo", 2, name=str(number))
        rate_limit.flush()
    assert caplog.messages == ["pablo: 1"]
    assert rate_limit.next_due == clock() + 30
    clock.pass_by(30)
    rate_limit.flush()
    assert caplog.messages == ["pablo: 1", "pablo: 60 more, up to 29"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_a_flood_that_goes_on_is_told_of_once_a_minute(
    rate_limit: RateLimit, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(600):
        refuse(rate_limit, "pablo", 100)
        clock.pass_by(1)
        rate_limit.flush()
    assert len(caplog.messages) == 11
    rate_limit.close()
    found = [int(line.split()[1]) for line in caplog.messages]
    assert sum(found) == 60_000


def test_nothing_is_due_while_nothing_was_counted_and_nothing_is_kept_for_ever(
    rate_limit: RateLimit, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert rate_limit.next_due is None
    refuse(rate_limit, "pablo")
    assert rate_limit.next_due is None
    refuse(rate_limit, "pablo")
    assert rate_limit.next_due is not None
    clock.pass_by(60)
    rate_limit.flush()
    assert rate_limit.next_due is None
    clock.pass_by(60)
    rate_limit.flush()
    assert rate_limit._minutes == {}
    refuse(rate_limit, "pablo")
    assert caplog.messages == ["pablo: 1", "pablo: 1 more, up to a", "pablo: 1"]


def test_each_owner_is_told_of_by_themselves(
    rate_limit: RateLimit, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for owner in ("pablo", "maria", "pablo", "maria", "pablo"):
        refuse(rate_limit, owner)
    assert caplog.messages == ["pablo: 1", "maria: 1"]
    clock.pass_by(60)
    rate_limit.flush()
    assert caplog.messages[2:] == ["pablo: 2 more, up to a", "maria: 1 more, up to a"]


def test_more_than_one_may_be_told_at_once(rate_limit: RateLimit, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        refuse(rate_limit, "pablo", at_once=3)
    rate_limit.close()
    assert caplog.messages == ["pablo: 1"] * 3 + ["pablo: 2 more, up to a"]
    rate_limit.close()
    assert len(caplog.messages) == 4
