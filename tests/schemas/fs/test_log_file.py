"""Adding to a log that is rotated, and reading it with its older files."""

import bz2
import grp
import gzip
import lzma
import os
import signal
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.errors import StateError, UnsafeFileError
from schemas.fs.log_file import RotatedLog
from tests.support.disk import small_disk

MODE = 0o640


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@pytest.fixture
def log(path: Path) -> RotatedLog:
    return RotatedLog(str(path))


def every_line(log: RotatedLog, since: float = 0) -> list[bytes]:
    return [line for name in log.names(since) for line in log.lines(name, 100)]


def aged(path: Path, data: bytes, age: float) -> None:
    path.write_bytes(data)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))


def test_lines_are_added_behind_what_is_there(log: RotatedLog, path: Path) -> None:
    log.append(b"1\n", MODE, None)
    log.append(b"2\n3\n", MODE, None)
    assert path.read_bytes() == b"1\n2\n3\n"


def test_a_file_that_is_made_has_its_mode_whatever_the_umask(log: RotatedLog, path: Path) -> None:
    previous = os.umask(0o077)
    try:
        log.append(b"1\n", MODE, None)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == MODE


def test_a_kill_while_it_is_made_leaves_no_log_of_another_mode(
    log: RotatedLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(os, "fchmod", kill)
        with pytest.raises(KeyboardInterrupt):
            log.append(b"1\n", MODE, None)
    log.append(b"1\n", MODE, None)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"1\n", MODE)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.needs("root")
def test_a_file_that_is_made_belongs_to_the_group_and_one_that_is_there_keeps_its_own(
    log: RotatedLog, path: Path
) -> None:
    gid = grp.getgrnam("adm").gr_gid
    log.append(b"1\n", MODE, gid)
    assert path.stat().st_gid == gid
    os.chown(path, -1, 0)
    path.chmod(0o600)
    log.append(b"2\n", MODE, gid)
    assert (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600)


def test_who_may_not_give_a_file_away_keeps_it(log: RotatedLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    log.append(b"1\n", MODE, path.parent.stat().st_gid + 1)
    assert path.read_bytes() == b"1\n"
    assert stat.S_IMODE(path.stat().st_mode) == MODE


def test_after_a_file_was_taken_away_a_new_one_is_begun(log: RotatedLog, path: Path) -> None:
    log.append(b"1\n", MODE, None)
    path.rename(f"{path}.1")
    log.append(b"2\n", MODE, None)
    assert path.read_bytes() == b"2\n"


def test_a_line_without_an_end_is_ended_first(log: RotatedLog, path: Path) -> None:
    path.write_bytes(b'{"half')
    log.append(b"1\n", MODE, None)
    assert path.read_bytes() == b'{"half\n1\n'


@pytest.mark.needs("root")
def test_what_has_no_room_leaves_no_part_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        path = tmp_path / "log.jsonl"
        log = RotatedLog(str(path))
        log.append(b"1\n", MODE, None)
        disk.fill(leaving=2)
        with pytest.raises(OSError, match="No space left on device") as caught:
            log.append(b"2" * 20_000 + b"\n", MODE, None)
        assert caught.value.filename == str(path)
        assert path.read_bytes() == b"1\n"
        disk.mend()
        log.append(b"3\n", MODE, None)
        assert path.read_bytes() == b"1\n3\n"


MAKE: dict[str, Callable[[Path, Path], None]] = {
    "directory": lambda path, _: path.mkdir(),
    "link": lambda path, target: path.symlink_to(target),
    "fifo": lambda path, _: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", MAKE)
def test_what_is_no_plain_file_is_not_written_to(log: RotatedLog, path: Path, kind: str) -> None:
    target = path.with_name("target")
    target.write_bytes(b"")
    MAKE[kind](path, target)
    with pytest.raises(UnsafeFileError, match="is not a plain file"):
        log.append(b"1\n", MODE, None)
    assert target.read_bytes() == b""


def test_a_pipe_in_its_place_keeps_no_reader_waiting(log: RotatedLog, path: Path) -> None:
    def ring(*_: object) -> None:
        raise TimeoutError

    os.mkfifo(path)
    previous = signal.signal(signal.SIGALRM, ring)
    signal.alarm(10)
    try:
        for look in (lambda: log.tail(10), lambda: every_line(log)):
            with pytest.raises(UnsafeFileError, match="is not a plain file"):
                look()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def test_what_was_added_is_on_the_disk(log: RotatedLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    fsync = os.fsync

    def note(fd: int) -> None:
        fsync(fd)
        synced.append((os.fstat(fd).st_ino, os.fstat(fd).st_size))

    monkeypatch.setattr(os, "fsync", note)
    log.append(b"1\n", MODE, None)
    assert (path.stat().st_ino, 2) in synced
    # The name of a file that was made, too.
    assert synced[-1][0] == path.parent.stat().st_ino
    log.append(b"2\n", MODE, None)
    assert synced[-1] == (path.stat().st_ino, 4)


def test_a_directory_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be opened"):
        RotatedLog(str(tmp_path / "none" / "log.jsonl")).append(b"1\n", MODE, None)


def test_all_files_are_read_from_the_oldest_on(log: RotatedLog, path: Path) -> None:
    aged(path.with_name("log.jsonl-20240101.xz"), lzma.compress(b"0\n"), 50)
    aged(path.with_name("log.jsonl.3.bz2"), bz2.compress(b"1\n"), 40)
    aged(path.with_name("log.jsonl.2.gz"), gzip.compress(b"2\n3\n"), 30)
    aged(path.with_name("log.jsonl.1"), b"4\n", 20)
    aged(path, b"5\n6", 10)
    for other in ("log.jsonl.dpkg-old", "log.jsonl~", "other.jsonl", ".log.jsonl.tmp", "log.jsonl.1.gz.part"):
        aged(path.with_name(other), b"no\n", 5)
    assert every_line(log) == [b"0", b"1", b"2", b"3", b"4", b"5", b"6"]


def test_the_present_file_comes_last_though_an_older_one_was_written_after_it(log: RotatedLog, path: Path) -> None:
    aged(path, b"2\n", 10)
    aged(path.with_name("log.jsonl.1"), b"1\n", 0)
    assert every_line(log) == [b"1", b"2"]


def test_files_of_before_are_not_even_opened(log: RotatedLog, path: Path) -> None:
    aged(path.with_name("log.jsonl.1.gz"), b"this is no gzip", 100)
    aged(path, b"1\n", 10)
    assert every_line(log, since=1_000_000 - 50) == [b"1"]


@pytest.mark.parametrize("packed", [".gz", ".bz2", ".xz"])
def test_a_file_that_is_being_packed_is_read_plain(log: RotatedLog, path: Path, packed: str) -> None:
    plain = path.with_name("log.jsonl.1")
    plain.write_bytes(b"1\n")
    path.with_name(f"log.jsonl.1{packed}").write_bytes(b"half writ")
    path.write_bytes(b"2\n")
    assert every_line(log) == [b"1", b"2"]


def test_a_file_that_was_packed_since_it_was_listed_is_read_all_the_same(log: RotatedLog, path: Path) -> None:
    plain = path.with_name("log.jsonl.1")
    plain.write_bytes(b"1\n")
    (name,) = log.names()
    plain.unlink()
    path.with_name("log.jsonl.1.gz").write_bytes(gzip.compress(b"1\n"))
    assert list(log.lines(name, 100)) == [b"1"]


def test_a_file_that_was_taken_away_since_it_was_listed_has_no_lines(log: RotatedLog, path: Path) -> None:
    path.write_bytes(b"1\n")
    (name,) = log.names()
    path.unlink()
    path.with_name("log.jsonl.gz").write_bytes(b"this is no part of it")
    assert list(log.lines(name, 100)) == []


def test_a_line_is_read_up_to_the_limit_and_the_next_one_from_its_start(log: RotatedLog, path: Path) -> None:
    path.write_bytes(b"1" * 100 + b"\n" + b"2" * 101 + b"\n" + b"3" * 1000 + b"\n\n4\n" + b"5" * 202)
    assert every_line(log) == [b"1" * 100, b"2" * 101, b"3" * 101, b"", b"4", b"5" * 101]


def test_a_line_without_an_end_takes_no_memory(log: RotatedLog, path: Path) -> None:
    path.with_name("log.jsonl.1.gz").write_bytes(gzip.compress(bytes(1 << 25)))
    with path.open("wb") as file:
        file.truncate(1 << 25)
    tracemalloc.start()
    try:
        assert every_line(log) == [bytes(101)] * 2
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_a_log_that_is_not_there_has_no_lines(log: RotatedLog) -> None:
    assert every_line(log) == []


def test_the_tail_is_the_end_of_the_present_file(log: RotatedLog, path: Path) -> None:
    path.write_bytes(b"1\n2\n3\n")
    assert log.tail(4) == b"2\n3\n"
    assert log.tail(100) == b"1\n2\n3\n"
