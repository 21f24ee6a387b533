"""A backlog is worked off in slices: nothing in it is forgotten, and nobody new is overlooked for it."""

import time

import pytest

from schemas.requests import RequestRecord
from watcher.intake.intake import SHORT_SLICE_SECONDS, SLICE_SECONDS

from ...support.layout import put
from ..server import Clock, Server

pytestmark = pytest.mark.needs("root")


class Busy(Clock):
    """A machine on which each look at the clock comes a hundredth of a second after the last."""

    def __call__(self) -> float:
        self.seconds += 0.01
        return self.seconds


class HeldUp(Clock):
    """A machine on which a whole second has passed at each look at the clock."""

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


@pytest.fixture
def flooded(server: Server) -> Server:
    """A hundred files of pablo's, that are refused, on a slow machine."""
    server.clock = Busy()
    moment = time.time() - 3600
    for number in range(100):
        put(server.paths.queue / f"{number}.json", b"[]", 0o600, uid=server.pablo.uid, mtime=moment + number)
    return server


def pending(server: Server) -> set[str]:
    return {found["username"] for found in server.found("pending")}


def test_that_nothing_is_left_is_only_believed_after_a_look(flooded: Server) -> None:
    assert flooded.intake.take().more
    flooded.request("maria", filename="maria.json")
    while (intaken := flooded.intake.take(look=False)).more:
        pass
    assert not intaken.more
    assert flooded.queue() == []
    assert pending(flooded) == {"maria"}


def test_who_comes_while_a_backlog_is_gone_on_with_is_not_overlooked_once_it_is_told(flooded: Server) -> None:
    assert flooded.intake.take().more
    flooded.request("maria", filename="maria.json")
    assert flooded.intake.take(look=True).more
    assert pending(flooded) == {"maria"}
    assert len(flooded.queue()) > 50


def test_a_look_that_waited_for_decisions_is_made_up_for_in_the_next_pass(flooded: Server) -> None:
    assert flooded.intake.take().more
    flooded.request("maria", filename="maria.json")
    assert flooded.intake.take(look=True, hurry=True).more
    assert pending(flooded) == set()
    assert flooded.intake.take(look=False, hurry=True).more
    assert pending(flooded) == {"maria"}


def test_while_decisions_wait_the_slice_is_short(flooded: Server) -> None:
    assert SHORT_SLICE_SECONDS < SLICE_SECONDS
    flooded.intake.take()
    before = len(flooded.queue())
    flooded.intake.take(look=False)
    long = before - len(flooded.queue())
    before = len(flooded.queue())
    flooded.intake.take(look=False, hurry=True)
    assert 0 < before - len(flooded.queue()) < long


def test_a_process_that_is_held_up_all_the_time_takes_everything_in_all_the_same(server: Server) -> None:
    server.clock = HeldUp()
    server.request("pablo", filename="pablo.json")
    server.request("maria", filename="maria.json")
    passes = 0
    while server.intake.take().more:
        passes += 1
        assert passes < 10
    assert pending(server) == {"pablo", "maria"}


@pytest.mark.parametrize("look", [True, False])
def test_entries_that_are_gone_when_their_turn_comes_leave_no_other_lying(
    server: Server, monkeypatch: pytest.MonkeyPatch, look: bool
) -> None:
    """They come to nothing, and are told of by no event and no clock."""
    server.clock = HeldUp()
    census, queue = server.intake._census, server.intake._queue
    gone = [server.drop("pablo", b"[]", f"{number}.json", mtime=time.time() - 3600 + number) for number in range(10)]
    server.request("pablo", filename="whole.json")
    census.take(queue)
    for path in gone:
        path.unlink()
    with monkeypatch.context() as unaware:
        unaware.setattr(census, "take", lambda *_: None)
        more = server.intake.take(look=look).more
    passes = 0
    while more:
        more = server.intake.take(look=look).more
        passes += 1
        assert passes < 20
    assert pending(server) == {"pablo"}


def test_the_refusals_of_a_flood_get_few_records_until_its_end(
    flooded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record is synced, which takes longer than all else that is done with a file."""
    written: list[str] = []
    add = flooded.records.add

    def counted(record: RequestRecord, gid: int) -> None:
        written.append(record.file)
        add(record, gid)

    monkeypatch.setattr(flooded.records, "add", counted)
    slices = 1
    while flooded.intake.take().more:
        slices += 1
    assert len(written) < 32 + 2 * slices < 100
    kept = {found["file"] for found in flooded.found("refused")}
    assert len(kept) == 32
    assert "99.json" in kept
    assert flooded.intake.refused == 100
