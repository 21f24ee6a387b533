"""Reading what a member could have made: only one plain file, never a way to somewhere else, never without end."""

import contextlib
import fcntl
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from schemas.errors import BeingWrittenError, StateError, TooLargeError, UnsafeFileError
from schemas.fs.directory import Directory, read_plain, signature_of

SECRET = b"not for members"
PLAIN = b"plain"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "queue").mkdir()
    return tmp_path / "queue"


def symlink(path: Path) -> None:
    path.symlink_to("../secret")


def hard_link(path: Path) -> None:
    path.hardlink_to(path.parent.parent / "secret")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def directory(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def to_itself(path: Path) -> None:
    path.symlink_to(path.name)


WAYS = [symlink, hard_link, fifo, unix_socket, directory, dangling, to_itself]


@pytest.mark.parametrize("make", WAYS)
def test_only_a_plain_file_of_one_name_is_read(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "ask.json")
    with Directory(str(folder)) as queue, pytest.raises(UnsafeFileError, match=r"/queue/ask\.json (is|has)"):
        queue.read("ask.json", 100)


@pytest.mark.needs("root")
def test_a_device_is_not_read(folder: Path) -> None:
    try:
        os.mknod(folder / "zero", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("This machine lets nobody make devices.")
    with Directory(str(folder)) as queue, pytest.raises(UnsafeFileError):
        queue.read("zero", 100)


@pytest.mark.parametrize("make", [*WAYS, lambda path: None])
def test_a_file_that_is_swapped_after_it_was_looked_at_is_still_the_one_that_is_read(
    folder: Path, make: Callable[[Path], None]
) -> None:
    path = folder / "ask.json"
    path.write_bytes(PLAIN)
    inode = path.stat().st_ino

    with Directory(str(folder)) as queue, queue.pin("ask.json") as held:
        assert held.status.st_ino == inode
        path.unlink()
        make(path)
        found = held.read(100)

    assert (found.data, found.status.st_ino) == (PLAIN, inode)


def test_a_fifo_that_is_looked_at_gets_no_reader(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with Directory(str(folder)) as queue, queue.pin("fifo") as held:
        assert stat.S_ISFIFO(held.status.st_mode)
        with pytest.raises(OSError, match="No such device or address"):
            os.open(folder / "fifo", os.O_WRONLY | os.O_NONBLOCK)


def grow(path: Path) -> None:
    path.write_bytes(PLAIN * 2)


def open_to_others(path: Path) -> None:
    path.chmod(0o666)


def give_away(path: Path) -> None:
    os.chown(path, 65534, -1)


def write_over(path: Path) -> None:
    path.write_bytes(b"other")
    os.utime(path, (1, 1))


@pytest.mark.needs("root")
@pytest.mark.parametrize("change", [grow, open_to_others, give_away, write_over])
def test_a_file_that_changes_between_the_look_and_the_end_of_the_reading_is_not_told_of(
    folder: Path, change: Callable[[Path], None]
) -> None:
    path = folder / "ask.json"
    path.write_bytes(PLAIN)
    path.chmod(0o600)
    with Directory(str(folder)) as queue, queue.pin("ask.json") as held:
        assert held.status.st_mode & 0o777 == 0o600
        change(path)
        with pytest.raises(BlockingIOError, match="It changed while it was read"):
            held.read(100)


def mapped(path: Path) -> AbstractContextManager[object]:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def appended(path: Path) -> AbstractContextManager[object]:
    return path.open("ab")


@pytest.mark.parametrize("writing", [mapped, appended])
def test_a_file_that_is_open_for_writing_is_not_read_at_rest(
    folder: Path, writing: Callable[[Path], AbstractContextManager[object]]
) -> None:
    path = folder / "ask.json"
    path.write_bytes(PLAIN)
    with Directory(str(folder)) as queue, queue.pin("ask.json") as held:
        with writing(path):
            with pytest.raises(BeingWrittenError, match=r"ask\.json is being written"):
                held.read(100, at_rest=True)
            assert held.read(100).data == PLAIN
        with path.open("rb"):
            assert held.read(100, at_rest=True).data == PLAIN


def test_a_file_that_is_written_over_without_end_is_read_whole(folder: Path) -> None:
    """And the writer, who is made to wait meanwhile, is of no consequence to the reader: F_SETSIG, fcntl(2)."""
    path = folder / "ask.json"
    texts = [letter * 8192 for letter in (b"a", b"b")]
    path.write_bytes(texts[0])
    script = f"""
import os
while os.getppid() == {os.getpid()}:
    for letter in (b"b", b"a"):
        descriptor = os.open({str(path)!r}, os.O_WRONLY)
        os.write(descriptor, letter * 8192)
        os.close(descriptor)
"""
    writer = subprocess.Popen([sys.executable, "-c", script])
    seen: list[bytes] = []
    try:
        with Directory(str(folder)) as queue:
            while len(seen) < 500 or set(seen) != set(texts):
                with queue.pin("ask.json") as held, contextlib.suppress(BeingWrittenError, BlockingIOError):
                    seen.append(held.read(8192, at_rest=True).data)
                    assert seen[-1] in texts
    finally:
        writer.kill()
        writer.wait()


@pytest.mark.needs("root")
def test_without_the_right_to_lease_others_files_they_are_read_all_the_same(folder: Path) -> None:
    path = folder / "ask.json"
    path.write_bytes(PLAIN)
    os.chown(path, 65534, 65534)
    reader = f"""
from schemas.fs.directory import Directory
with Directory({str(folder)!r}) as queue, queue.pin("ask.json") as held:
    print(held.read(100, at_rest=True).data)
"""
    # CAP_LEASE, capabilities(7), is not among what a container is given as a rule.
    command = ["setpriv", "--bounding-set=-lease", sys.executable, "-c", reader]
    assert subprocess.check_output(command, timeout=60) == f"{PLAIN!r}\n".encode()


def test_a_lease_keeps_no_reader_waiting(folder: Path) -> None:
    """F_SETLEASE, fcntl(2): whoever opens the file would be made to wait for as long as 45 seconds."""
    path = folder / "ask.json"
    path.write_bytes(PLAIN)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with path.open("r+b") as leased, Directory(str(folder)) as queue:
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            with pytest.raises(BlockingIOError):
                queue.read("ask.json", 100)
    finally:
        signal.signal(signal.SIGIO, before)


def test_whoever_swaps_for_ever_gains_nothing(folder: Path) -> None:
    path, aside = folder / "ask.json", folder / "aside"
    path.write_bytes(PLAIN)
    script = f"""
import os
while True:
    for make in (lambda: os.symlink("../secret", {str(aside)!r}), lambda: os.mkfifo({str(aside)!r})):
        make()
        os.rename({str(aside)!r}, {str(path)!r})
        with open({str(aside)!r}, "wb") as file:
            file.write({PLAIN!r})
        os.rename({str(aside)!r}, {str(path)!r})
"""
    swapper = subprocess.Popen([sys.executable, "-c", script])
    seen: set[bytes | None] = set()
    looks = 0
    try:
        with Directory(str(folder)) as queue:
            while looks < 20_000 or seen != {PLAIN, None}:
                looks += 1
                try:
                    seen.add(queue.read("ask.json", 100).data)
                except UnsafeFileError:
                    seen.add(None)
                assert seen <= {PLAIN, None}
    finally:
        swapper.kill()
        swapper.wait()


@pytest.mark.parametrize(("size", "fits"), [(0, True), (99, True), (100, True), (101, False), (3 * 2**20, False)])
def test_no_more_is_read_than_the_kind_of_file_may_hold(folder: Path, size: int, fits: bool) -> None:
    (folder / "ask.json").write_bytes(b"x" * size)
    with Directory(str(folder)) as queue:
        if fits:
            assert queue.read("ask.json", 100).data == b"x" * size
        else:
            with pytest.raises(TooLargeError, match=r"/queue/ask\.json holds more than 100 octets\."):
                queue.read("ask.json", 100)


def test_a_file_that_pretends_to_be_small_is_not_read_without_end(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(2**40)
    with Directory(str(folder)) as queue, pytest.raises(TooLargeError):
        queue.read("sparse", 2**16)
    with pytest.raises(TooLargeError):
        read_plain("/proc/self/maps", 10)


def test_a_long_file_is_read_whole(folder: Path) -> None:
    data = os.urandom(5 * 2**20 + 17)
    (folder / "long").write_bytes(data)
    assert read_plain(str(folder / "long"), 6 * 2**20).data == data


@pytest.mark.needs("root")
def test_a_file_that_may_not_be_read_says_so(folder: Path) -> None:
    (folder / "ask.json").write_bytes(PLAIN)
    (folder / "ask.json").chmod(0)
    with Directory(str(folder)) as queue:
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                queue.read("ask.json", 100)
        finally:
            os.seteuid(0)


def test_names_are_told_whatever_their_bytes(folder: Path) -> None:
    names = {b"caf\xe9.json", b"\x1b[2J", "café".encode(), b".hidden"}
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).touch()
    with Directory(str(folder)) as queue:
        assert {os.fsencode(name) for name in queue.names()} == names
        assert queue.display_path("\x1b[2J") == f"{folder}/\\x1b[2J"
        assert all(queue.has(name) for name in queue.names())


def test_the_status_of_a_link_is_its_own(folder: Path) -> None:
    symlink(folder / "link")
    with Directory(str(folder)) as queue:
        status = queue.status("link")
        assert status is not None
        assert stat.S_ISLNK(status.st_mode)
        assert queue.signature("link") == signature_of(status)
        assert queue.status("nothing") is None
        assert queue.signature("nothing") is None
        assert not queue.has("nothing")


@pytest.mark.parametrize("make", [lambda path: None, Path.touch, fifo, dangling])
def test_a_directory_that_cannot_be_opened_is_named_with_the_next_step(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "queue")
    with pytest.raises(StateError, match=r"^The directory .*/queue cannot be opened \(.+\)\. Make it, or mend"):
        Directory(str(tmp_path / "queue"))


def test_a_directory_keeps_meaning_the_one_that_was_opened(folder: Path) -> None:
    (folder / "ask.json").write_bytes(PLAIN)
    with Directory(str(folder)) as queue:
        folder.rename(folder.with_name("away"))
        folder.mkdir()
        (folder / "ask.json").write_bytes(SECRET)
        assert queue.read("ask.json", 100).data == PLAIN


def test_a_path_is_read_by_the_same_rules(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "plain").write_bytes(PLAIN)
    symlink(folder / "link")
    monkeypatch.chdir(folder)
    assert read_plain("plain", 100).data == read_plain(str(folder / "plain"), 100).data == PLAIN
    with pytest.raises(UnsafeFileError):
        read_plain(str(folder / "link"), 100)
    with pytest.raises(FileNotFoundError):
        read_plain(str(folder / "absent"), 100)


def test_a_sub_directory_is_entered_and_a_link_in_its_place_is_not(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_bytes(PLAIN)
    (folder / "link").symlink_to("inner")
    with Directory(str(folder)) as directory:
        with directory.enter("inner") as inner:
            assert (inner.names(), inner.path) == (["file"], str(folder / "inner"))
            assert inner.read("file", 100).data == PLAIN
        for name in ("link", "missing", "inner/file"):
            with pytest.raises(OSError, match=name):
                directory.enter(name)
