"""The status file, and whether the watcher that wrote it is still there."""

import ctypes
import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import StateError
from schemas.json_records import to_json
from schemas.status import Problem, Published, Status, is_running, read_status, start_time

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_OTHER_UID = 65534


def status_of(pid: int, started: int | None, **fields: Any) -> Status:
    timestamp = "2026-05-19T20:55:18Z"
    return Status(
        **{
            "pid": pid, "start_time": started or 0, "version": "0.1.0", "started_at": timestamp,
            "updated_at": timestamp,
            "backend": "postfix-hash", "enabled": True, "published": None, "pending": 0, "refused": 0, "left_alone": 0,
            "problems": [], **fields,
        }
    )  # fmt: skip


@pytest.fixture
def ended() -> int:
    """The pid of a process that is no more."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def test_a_watcher_is_running_while_its_very_process_is(ended: int) -> None:
    me = os.getpid()
    started = start_time(me)
    assert started is not None
    assert started == start_time()
    assert is_running(status_of(me, started))
    assert not is_running(None)
    assert not is_running(status_of(ended, started))


def test_another_process_with_the_same_pid_is_not_the_watcher() -> None:
    started = start_time()
    assert started is not None
    assert not is_running(status_of(os.getpid(), started - 1))
    assert not is_running(status_of(os.getpid(), started + 1))


def test_a_process_may_have_any_name(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.write_bytes(Path("/bin/cat").read_bytes())
    program.chmod(0o700)
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        started = start_time(process.pid)
        own = start_time()
        assert started is not None
        assert own is not None
        assert started >= own


def test_of_no_process_no_start_is_told(ended: int) -> None:
    assert start_time(ended) is None
    assert start_time("no such thing") is None


def seen_by_a_member_with_hidden_processes(*statuses: Status) -> list[bool]:
    """What `is_running` says to somebody who sees no process of root's: /proc is mounted with hidepid=."""
    with warnings.catch_warnings():
        # Of a process that may have threads Python warns; the child makes system calls and ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        answer = 255
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            # The mount is made private first, so that nothing outside of this child sees it.
            apart = not libc.unshare(_CLONE_NEWNS) and not libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
            if apart and not libc.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2"):
                os.setgroups([])
                os.setresgid(_OTHER_UID, _OTHER_UID, _OTHER_UID)
                os.setresuid(_OTHER_UID, _OTHER_UID, _OTHER_UID)
                answer = sum(is_running(status) << bit for bit, status in enumerate(statuses))
        finally:
            os._exit(answer)
    answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if answer == 255:
        pytest.skip("This machine lets nobody mount /proc.")
    return [bool(answer >> bit & 1) for bit in range(len(statuses))]


@pytest.mark.needs("root")
def test_a_member_who_sees_no_process_of_root_is_told_as_well(ended: int) -> None:
    running, gone = status_of(os.getpid(), start_time()), status_of(ended, 1)
    assert seen_by_a_member_with_hidden_processes(running, gone) == [True, False]


def test_the_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    timestamp = "2026-05-19T20:55:18Z"
    status = status_of(
        812, 4711, published=Published("0" * 64, timestamp, 3), problems=[Problem("publish-failed", "Look.", timestamp)]
    )
    (tmp_path / "status.json").write_bytes(to_json(status))
    assert read_status(str(tmp_path)) == status


def test_without_a_status_file_there_is_no_status(tmp_path: Path) -> None:
    assert read_status(str(tmp_path)) is None
    assert read_status(str(tmp_path / "nowhere")) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"[]"),
        lambda path: path.write_bytes(b'{"pid": 1}'),
        lambda path: path.write_bytes(to_json(status_of(1, 1)).replace(b'"pid": 1,', b'"pid": 0,')),
        lambda path: path.symlink_to("/etc/hostname"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.mkdir(),
    ],
)
def test_a_status_file_that_cannot_be_read_is_named(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "status.json")
    with pytest.raises(StateError, match=rf"^The status file {tmp_path}/status\.json cannot be read: "):
        read_status(str(tmp_path))
