"""A backlog is worked off in slices: nothing in it is forgotten, and nobody new is overlooked for it."""

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from schemas.fs.directory import Directory
from schemas.fs.pinned import FoundFile, Pinned
from schemas.request import REFUSED_KEPT, RequestRecord
from watcher.intake.intake import SHORT_SLICE_SECONDS, SLICE_SECONDS
from watcher.intake.queue_directory import EntryRemover

from ...support.layout import put
from ..server import Clock, Server

pytestmark = pytest.mark.needs("root")


class Busy(Clock):
    """A machine on which each look at the clock comes a hundredth of a second after the last."""

    def __call__(self) -> float:
        self.seconds += 0.01
        return self.seconds


class Brisk(Clock):
    """A machine on which it comes a thousandth of a second after the last."""

    def __call__(self) -> float:
        self.seconds += 0.001
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
    timestamp = time.time() - 3600
    for number in range(100):
        put(server.paths.queue / f"{number}.json", b"[]", 0o600, uid=server.pablo.uid, mtime=timestamp + number)
    return server


def pending(server: Server) -> set[str]:
    return {found["username"] for found in server.found("pending")}


def test_that_nothing_is_left_is_only_believed_after_a_look(flooded: Server) -> None:
    assert flooded.intake.take().more
    flooded.request("maria", filename="maria.json")
    while (intake_result := flooded.intake.take(scan=False)).more:
        pass
    assert not intake_result.more
    assert flooded.queue() == []
    assert pending(flooded) == {"maria"}


def test_who_comes_while_a_backlog_is_gone_on_with_is_not_overlooked_once_it_is_told(flooded: Server) -> None:
    assert flooded.intake.take().more
    flooded.request("maria", filename="maria.json")
    assert flooded.intake.take(scan=True).more
    assert pending(flooded) == {"maria"}
    assert len(flooded.queue()) > 50


def test_a_look_that_waited_for_decisions_is_made_up_for_in_the_next_pass(flooded: Server) -> None:
    assert flooded.intake.take().more
    flooded.request("maria", filename="maria.json")
    assert flooded.intake.take(scan=True, hurry=True).more
    assert pending(flooded) == set()
    assert flooded.intake.take(scan=False, hurry=True).more
    assert pending(flooded) == {"maria"}


def test_while_decisions_wait_the_slice_is_short(flooded: Server) -> None:
    assert SHORT_SLICE_SECONDS < SLICE_SECONDS
    flooded.intake.take()
    before = len(flooded.queue())
    flooded.intake.take(scan=False)
    long = before - len(flooded.queue())
    before = len(flooded.queue())
    flooded.intake.take(scan=False, hurry=True)
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
    backlog, queue = server.intake._backlog, server.intake._queue
    gone = [server.drop("pablo", b"[]", f"{number}.json", mtime=time.time() - 3600 + number) for number in range(10)]
    server.request("pablo", filename="whole.json")
    backlog.scan(queue)
    for path in gone:
        path.unlink()
    with monkeypatch.context() as unaware:
        unaware.setattr(backlog, "scan", lambda *_: None)
        more = server.intake.take(scan=look).more
    passes = 0
    while more:
        more = server.intake.take(scan=look).more
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


def leave(server: Server, name: str, count: int) -> None:
    """Unfinished files of *name*, a day old at once since their owner says so."""
    uid = server.people.by_name[name].uid
    for number in range(count):
        put(server.paths.queue / f".{name}-{number}", b"{", 0o600, uid=uid, mtime=0)


def left_of(server: Server, name: str) -> int:
    return sum(found.startswith(f".{name}-") for found in server.queue())


def work_off(server: Server, passes: int = 200) -> None:
    """Go on until nothing more is to be done at once."""
    for _ in range(passes):
        if not server.intake.take(scan=False).more:
            return
    raise AssertionError("the backlog never ends")


def test_the_first_refusals_of_a_flood_have_lines_of_their_own_wherever_its_slices_end(server: Server) -> None:
    server.clock = Brisk()
    for number in range(60):
        server.drop("pablo", b"[]", f"{number}.json")
    assert server.intake.take().more
    assert 0 < len(server.queue()) < REFUSED_KEPT
    work_off(server)
    found = [json.loads(line) for line in Path(server.settings.audit).read_bytes().splitlines()]
    assert sum("count" not in line for line in found) == REFUSED_KEPT


def test_abandoned_files_without_number_keep_nobody_waiting(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.clock = Busy()
    leave(server, "pablo", 100)
    server.request("maria")
    assert server.intake.take().more
    assert pending(server) == {"maria"}
    assert 80 < left_of(server, "pablo") < 100
    looks: list[Directory] = []
    scan = Directory.scan

    def counted(directory: Directory) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        looks.append(directory)
        return scan(directory)

    with monkeypatch.context() as counting:
        counting.setattr(Directory, "scan", counted)
        work_off(server)
    # A look at a hundred thousand takes longer than removing some of them.
    assert len(looks) == 1
    assert server.queue() == []
    assert server.intake.refused == 100


def test_of_abandoned_files_one_of_each_owner_goes_in_turn(server: Server) -> None:
    server.clock = HeldUp()
    leave(server, "pablo", 40)
    leave(server, "maria", 2)
    for _ in range(4):
        server.intake.take()
    assert left_of(server, "maria") == 0
    assert left_of(server, "pablo") == 38


def test_abandoned_files_that_are_taken_up_again_are_left_and_no_endless_work(server: Server) -> None:
    server.clock = HeldUp()
    leave(server, "pablo", 10)
    server.intake.take()
    for name in server.queue():
        os.utime(server.paths.queue / name)
    work_off(server)
    assert not server.intake.take().more
    assert left_of(server, "pablo") == 9
    assert server.intake.refused == 1


def test_of_two_backlogs_neither_starves_though_each_file_takes_longer_than_a_slice(server: Server) -> None:
    server.clock = HeldUp()
    timestamp = time.time() - 3600
    for number in range(3):
        server.drop("maria", b"[]", f"maria-{number}.json", mtime=timestamp + number)
    server.intake.take()
    for number in range(40):
        server.drop("pablo", b"[]", f"pablo-{number}.json", mtime=timestamp + number)
    for _ in range(4):
        server.intake.take()
    refused = [found["username"] for found in server.found("refused")]
    assert (refused.count("maria"), refused.count("pablo")) == (3, 2)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unfinished files are waited for as long as the test takes."""
    monkeypatch.setattr("watcher.incomplete.QUIET_SECONDS", 1e6)
    monkeypatch.setattr("watcher.incomplete.LONGEST_SECONDS", 1e6)


@pytest.mark.usefixtures("patient")
def test_an_unfinished_file_takes_nobodys_turn_though_each_takes_longer_than_a_slice(server: Server) -> None:
    server.clock = HeldUp()
    server.drop("pablo", b"{", "half.json")
    server.intake.take()
    for number in range(3):
        server.drop("maria", b"[]", f"{number}.json", mtime=time.time() - 60 + number)
    for _ in range(7):
        server.intake.take()
    assert server.queue() == ["half.json"]


@pytest.mark.usefixtures("patient")
def test_behind_many_that_are_waited_for_nothing_is_left_lying(server: Server) -> None:
    """What is whole behind them is told of by no event any more, and by no clock."""
    server.clock = HeldUp()
    timestamp = time.time() - 60
    for number in range(20):
        server.drop("pablo", b"{", f"{number}.json", mtime=timestamp + number)
    server.request("pablo", filename="whole.json")
    work_off(server, 60)
    assert pending(server) == {"pablo"}
    assert len(server.queue()) == 20


def test_what_is_waited_for_has_another_turn_amid_a_backlog_when_something_is_heard(flooded: Server) -> None:
    with flooded.request("maria", filename="maria.json").open("ab"):
        assert flooded.intake.take().more
    assert flooded.intake.take(scan=False).more
    assert pending(flooded) == set()
    assert flooded.intake.take(scan=True).more
    assert pending(flooded) == {"maria"}


def test_what_is_waited_for_has_another_turn_amid_a_backlog_when_its_time_is_over(flooded: Server) -> None:
    flooded.drop("maria", b"{", "half.json")
    assert flooded.intake.take().more
    flooded.clock.pass_by(2)
    assert flooded.intake.take(scan=False).more
    assert "half.json" not in flooded.queue()


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Files whose mode is 0400 cannot be read."""
    read = Pinned.read

    def refuse(held: Pinned, limit: int, *, at_rest: bool = False) -> FoundFile:
        if held.status.st_mode & 0o777 == 0o400:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "a file")
        return read(held, limit, at_rest=at_rest)

    with monkeypatch.context() as context:
        context.setattr(Pinned, "read", refuse)
        yield context


def test_entries_that_cannot_be_read_wait_for_another_try_and_keep_none_waiting(
    server: Server, unreadable: pytest.MonkeyPatch
) -> None:
    server.clock = HeldUp()
    timestamp = time.time() - 3600
    for number in range(20):
        server.drop("pablo", b"[]", f"{number}.json", mode=0o400, mtime=timestamp + number)
    server.request("pablo", filename="later.json")
    for number in range(3):
        server.drop("maria", b"[]", f"maria-{number}.json", mtime=timestamp + number)
    for _ in range(60):
        intake_result = server.intake.take()
        if not intake_result.more:
            break
    else:
        raise AssertionError("the backlog never ends")
    # Told as long as they lie there, or they would not be tried again.
    assert ["cannot be dealt with: Permission denied" in trouble for trouble in intake_result.troubles] == [True]
    assert pending(server) == {"pablo"}
    assert len(server.found("refused")) == 3
    assert len(server.queue()) == 20
    unreadable.undo()
    work_off(server)
    assert server.queue() == []
    assert server.intake.take().troubles == []


@pytest.mark.usefixtures("unreadable", "patient")
def test_entries_that_cannot_be_read_keep_none_waiting_though_another_is_unfinished(server: Server) -> None:
    server.clock = Busy()
    timestamp = time.time() - 3600
    for number in range(20):
        server.drop("pablo", b"[]", f"{number}.json", mode=0o400, mtime=timestamp + number)
    server.request("pablo", filename="later.json")
    server.drop("maria", b"{", "half.json")
    work_off(server)
    assert pending(server) == {"pablo"}
    path = server.paths.queue / "half.json"
    path.chmod(0o400)
    os.utime(path)
    server.intake.take()
    # It is tried again as the others are, and no more when its time is over.
    assert server.intake.incomplete.next_due is None


def test_entries_that_will_not_go_are_no_endless_work(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.clock = HeldUp()
    for number in range(5):
        server.drop("pablo", b"[]", f"{number}.json", mtime=time.time() - 60 + number)

    remove = Directory.remove

    def refuse(self: Directory, name: str) -> bool:
        if self.path == server.settings.queue:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), name)
        return remove(self, name)

    with monkeypatch.context() as context:
        context.setattr(EntryRemover, "again", lambda *_: None)
        context.setattr(Directory, "remove", refuse)
        work_off(server, 40)
        work_off(server, 40)
    assert len(server.queue()) == 5
    work_off(server)
    assert server.queue() == []


def test_what_waits_for_an_active_cancel_is_no_endless_work_while_that_cannot_be_done(server: Server) -> None:
    server.clock = HeldUp()
    server.drop("pablo", {"action": "cancel", "scope": "active"}, "1.json", mtime=time.time() - 10)
    for number in range(2, 6):
        server.request("pablo", filename=f"{number}.json", mtime=time.time() - 10 + number)
    intake_result = server.intake.take()
    assert (len(intake_result.active_cancels), intake_result.more, intake_result.more_after_cancels) == (1, False, True)
