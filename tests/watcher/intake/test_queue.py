"""What lies in the queue and is no request yet: unfinished, left alone, or waiting for its turn."""

import os
import time
from pathlib import Path

import pytest

from watcher.accounts import GroupMissingError
from watcher.intake.intake import SLICE_SECONDS, IntakeResult

from ...support.layout import put
from ..server import Server


def take(server: Server) -> IntakeResult:
    server.records.refresh()
    return server.intake.take()


def test_a_file_that_is_still_being_written_is_left_until_it_is_whole(server: Server) -> None:
    path = server.drop("pablo", b'{"destination": "p@ex')
    for _ in range(3):
        take(server)
        server.clock.pass_by(0.5)
    assert server.queue() == ["ask.json"]
    assert server.intake.incomplete.next_due is not None
    with path.open("ab") as file:
        file.write(b'ample.org"}')
    take(server)
    assert [found["destination"] for found in server.found("pending")] == ["p@example.org"]
    assert server.intake.incomplete.next_due is None


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff binary", b'{"destination": "\xff"}', b"ask"])
def test_a_file_that_never_becomes_whole_is_refused_after_two_seconds(server: Server, content: bytes) -> None:
    server.drop("pablo", content)
    take(server)
    assert (server.queue(), server.found("refused")) == (["ask.json"], [])
    server.clock.pass_by(1.9)
    take(server)
    assert server.queue() == ["ask.json"]
    server.clock.pass_by(0.1)
    take(server)
    assert server.queue() == []
    assert server.found("refused")[0]["reason"].startswith(
        "The file was expected to hold one JSON object. It is not JSON: "
    )


def test_a_file_that_is_written_without_end_is_refused_after_a_minute(server: Server) -> None:
    path = server.drop("pablo", b"{")
    for second in range(60):
        take(server)
        assert server.queue() == ["ask.json"], second
        with path.open("ab") as file:
            file.write(b" ")
        server.clock.pass_by(1)
    take(server)
    assert server.queue() == []


def test_a_whole_file_is_taken_the_moment_that_it_is_closed(server: Server) -> None:
    path = server.request(destination="old@example.org")
    with path.open("r+b") as file:
        take(server)
        assert server.found("pending") == []
        file.write(b'{"destination": "new')
        file.flush()
        take(server)
        assert server.found("pending") == []
    take(server)
    assert [found["destination"] for found in server.found("pending")] == ["new@example.org"]


def test_a_whole_file_that_stays_open_is_taken_when_it_has_been_quiet(server: Server) -> None:
    with server.request().open("r+b"):
        take(server)
        server.clock.pass_by(1.9)
        take(server)
        assert server.found("pending") == []
        server.clock.pass_by(0.1)
        take(server)
    assert len(server.found("pending")) == 1
    assert server.intake.incomplete.next_due is None


@pytest.mark.parametrize(("content", "reason"), [(b"{", "The file was expected"), (b" " * 16385, "The file is larger")])
def test_an_open_file_that_will_never_do_is_refused(server: Server, content: bytes, reason: str) -> None:
    with server.drop("pablo", content).open("r+b"):
        take(server)
        if len(content) == 1:
            assert server.queue() == ["ask.json"]
            server.clock.pass_by(2)
            take(server)
    assert (server.queue(), server.found("refused")[0]["reason"].startswith(reason)) == ([], True)


def test_an_unfinished_file_keeps_nobody_waiting(server: Server) -> None:
    server.drop("pablo", b"{", "1.json", mtime=time.time() - 5)
    server.request(filename="2.json")
    take(server)
    assert len(server.found("pending")) == 1
    assert server.queue() == ["1.json"]


def test_a_file_that_was_whole_at_last_but_older_than_what_was_taken_is_told_so(server: Server) -> None:
    path = server.drop("pablo", b"{", "1.json", mtime=time.time() - 5)
    server.drop("pablo", b"[]", "2.json")
    take(server)
    path.write_bytes(b"{}")
    os.utime(path, (time.time() - 5,) * 2)
    take(server)
    assert {found["file"] for found in server.found("refused")} == {"1.json", "2.json"}


def test_a_hidden_file_is_somebodys_unfinished_write_and_is_left_for_a_day(server: Server) -> None:
    server.drop("pablo", b"{", ".ask.json.tmp2", mtime=time.time() - 23 * 3600)
    take(server)
    assert server.queue() == [".ask.json.tmp2"]
    server.drop("pablo", b"{", ".old", mtime=time.time() - 25 * 3600)
    (server.paths.queue / ".link").symlink_to("/etc/passwd")
    os.utime(server.paths.queue / ".link", (0, 0), follow_symlinks=False)
    take(server)
    assert server.queue() == [".ask.json.tmp2"]
    assert server.intake.refused == 2
    assert server.found("refused") == []


def test_a_hidden_file_from_the_future_is_not_left_for_ever(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.drop("pablo", b"{", ".future", mtime=time.time() + 10 * 365 * 24 * 3600)
    take(server)
    assert server.queue() == [".future"]
    later = time.time() + 25 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    take(server)
    assert server.queue() == []


def test_directories_are_left_and_counted(server: Server) -> None:
    for name in ("folder", "ask.json", ".hidden"):
        (server.paths.queue / name).mkdir()
    os.utime(server.paths.queue / ".hidden", (0, 0))
    (server.paths.queue / "folder" / "ask.json").write_text("{}")
    assert take(server).left_alone == 3
    assert server.queue() == [".hidden", "ask.json", "folder"]
    (server.paths.queue / "ask.json").rmdir()
    server.request()
    assert take(server).left_alone == 2
    assert len(server.found("pending")) == 1


def test_without_the_group_nothing_is_taken_and_nothing_lost(server: Server) -> None:
    server.request()
    server.people.group_exists = False
    with pytest.raises(GroupMissingError):
        take(server)
    assert server.queue() == ["ask.json"]
    server.people.group_exists = True
    take(server)
    assert len(server.found("pending")) == 1


def test_an_entry_that_cannot_be_dealt_with_is_told_left_and_tried_again(server: Server) -> None:
    server.request(mtime=time.time() - 10)
    take(server)
    # A broken record of the very same moment: whether the file has spoken before cannot be told.
    (record,) = (server.paths.requests / "pending").iterdir()
    text = record.read_bytes()
    server.restart()
    record.write_bytes(b"{")
    server.request(filename="again.json", mtime=time.time() - 10)
    path = server.paths.queue / "again.json"
    stamp = record.name.partition("-")[0]
    seconds = time.mktime(time.strptime(stamp[:15] + " UTC", "%Y%m%dT%H%M%S %Z")) - time.timezone
    os.utime(path, ns=(0, int(seconds) * 10**9 + int(stamp[16:22]) * 1000))
    found = take(server).troubles
    assert [each.split(": ")[0] for each in found] == ["The queue entry again.json cannot be dealt with"]
    assert server.queue() == ["again.json"]
    record.write_bytes(text)
    server.restart()
    assert take(server).troubles == []
    assert server.queue() == []


def test_a_record_that_cannot_be_written_leaves_its_file_in_the_queue(server: Server) -> None:
    server.request()
    server.records.refresh()
    pending = server.paths.requests / "pending"
    pending.rename(server.paths.requests / "away")
    (server.paths.requests / "away").rmdir()
    with pytest.raises(FileNotFoundError):
        server.intake.take()
    assert server.queue() == ["ask.json"]
    pending.mkdir()
    server.restart()
    take(server)
    assert (server.queue(), len(server.found("pending"))) == ([], 1)


class Busy:
    """A clock by which every look costs a hundredth of a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 0.01
        return self.seconds


@pytest.mark.needs("root")
def test_one_members_flood_is_taken_in_slices_and_keeps_no_other_waiting(server: Server) -> None:
    clock = Busy()
    server.clock = clock  # type: ignore[assignment]
    timestamp = time.time() - 3600
    for number in range(100):
        put(server.paths.queue / f"{number}.json", b"[]", 0o600, uid=server.pablo.uid, mtime=timestamp + number)
    for name in ("maria", "ana", "zoe"):
        server.people.add(name)
        server.request(name, filename=f"{name}.json")
    before = clock.seconds
    assert take(server).more
    # A few looks more are about those whose turn comes before the flood's.
    assert clock.seconds - before < SLICE_SECONDS + 0.1
    assert {found["username"] for found in server.found("pending")} == {"maria", "ana", "zoe"}
    assert len(server.queue()) > 80
    slices = 1
    while take(server).more:
        slices += 1
    assert server.queue() == []
    assert 5 <= slices <= 40
    assert server.intake.refused == 100


@pytest.mark.needs("root")
def test_of_two_floods_neither_waits_for_the_other(server: Server) -> None:
    server.clock = Busy()  # type: ignore[assignment]
    timestamp = time.time() - 3600
    for number in range(60):
        for name in ("pablo", "maria"):
            server.drop(name, b"[]", f"{name}-{number}.json", mtime=timestamp + number)
    for _ in range(3):
        assert take(server).more
        left = [sum(each.startswith(name) for each in server.queue()) for name in ("pablo", "maria")]
        assert left[0] < 60
        assert abs(left[0] - left[1]) <= 3


@pytest.mark.needs("root")
def test_a_newcomer_is_next_however_many_are_waiting(server: Server) -> None:
    server.clock = Busy()  # type: ignore[assignment]
    for number in range(40):
        server.people.add(f"member{number}")
        for file in range(2):
            server.drop(f"member{number}", b"[]", f"{number}-{file}.json")
    assert take(server).more
    server.request("maria", filename="maria.json")
    assert take(server).more
    assert [found["username"] for found in server.found("pending")] == ["maria"]


@pytest.mark.needs("root")
def test_whoever_comes_later_is_not_behind_a_flood_that_is_being_taken(server: Server) -> None:
    server.clock = Busy()  # type: ignore[assignment]
    for number in range(60):
        server.drop("pablo", b"[]", f"{number}.json")
    assert take(server).more
    server.request("maria", filename="maria.json")
    take(server)
    assert [found["username"] for found in server.found("pending")] == ["maria"]


def test_another_file_under_the_same_name_and_inode_number_is_taken_as_well(server: Server) -> None:
    for number in range(20):
        path = server.drop("pablo", b"[]", mtime=time.time() - 60 + number)
        inode = path.stat().st_ino
        take(server)
        assert server.queue() == []
        # Before the watcher has looked at the queue again.
        again = server.drop("pablo", b"[]", mtime=time.time() - 59.5 + number)
        same = again.stat().st_ino == inode
        take(server)
        assert server.queue() == []
        if same:
            return
    pytest.skip("This file system gives no inode number twice in a row.")


def test_an_unfinished_file_that_was_replaced_by_a_whole_one_is_taken(server: Server) -> None:
    path = server.drop("pablo", b"{")
    take(server)
    path.unlink()
    server.request()
    take(server)
    assert len(server.found("pending")) == 1


def test_an_unfinished_file_that_was_replaced_by_a_directory_is_waited_for_no_more(server: Server) -> None:
    path = server.drop("pablo", b"{")
    take(server)
    assert server.intake.incomplete.next_due is not None
    path.unlink()
    path.mkdir()
    take(server)
    assert server.intake.incomplete.next_due is None
    assert server.queue() == ["ask.json"]


def test_an_empty_queue_is_no_work(server: Server) -> None:
    intake_result = take(server)
    assert (intake_result.more, intake_result.left_alone, intake_result.handled, intake_result.troubles) == (
        False,
        0,
        0,
        [],
    )


def test_names_in_any_bytes_are_dealt_with(server: Server) -> None:
    for name in (b"\xff\xfe.json", b"\x1b[2J", b"a\nb.json", b"\xe2\x80\xae.json"):
        path = Path(os.fsdecode(os.path.join(os.fsencode(server.paths.queue), name)))
        path.write_bytes(b"{}")
        os.chown(path, server.pablo.uid, -1)
    take(server)
    assert server.queue() == []
    assert server.intake.refused == 4
    assert all(found["file"].isprintable() for found in server.found("refused"))
