"""The status file: there for everybody, written only when it says something new."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from schemas.status import Published, Status, is_running, read_status
from tests.support.notify import NotifySocket
from tests.watcher.server import Server
from watcher.status import Problems, Report
from watcher.systemd import Notifier


def report_of(server: Server) -> Report:
    return Report(server.settings, Problems(), Notifier(), "2026-05-19T20:55:18Z")


def write(report: Report, **fields: Any) -> None:
    report.write(**{"published": None, "pending": 0, "refused": 0, "left_alone": 0, "problems": {}, **fields})


def status_of(server: Server) -> Status:
    status = read_status(str(server.paths.runtime))
    assert status is not None
    return status


def test_everybody_can_read_that_the_watcher_runs_and_what_it_did(server: Server) -> None:
    published = Published("0" * 64, "2026-05-19T20:55:18Z", 12)
    write(report_of(server), published=published, pending=1, refused=2, left_alone=3, problems={"a": "It broke."})
    status = status_of(server)
    assert is_running(status)
    assert status.pid == os.getpid()
    assert (status.published, status.pending, status.refused, status.left_alone) == (published, 1, 2, 3)
    assert [(problem.code, problem.what) for problem in status.problems] == [("a", "It broke.")]
    assert (status.backend, status.enabled) == ("postfix-hash", True)
    assert stat.S_IMODE(server.paths.status.stat().st_mode) == 0o644


def test_a_missing_runtime_directory_is_made_open_to_all(server: Server) -> None:
    server.paths.runtime.rmdir()
    previous = os.umask(0o077)
    try:
        write(report_of(server))
    finally:
        os.umask(previous)
    assert stat.S_IMODE(server.paths.runtime.stat().st_mode) == 0o755
    assert is_running(status_of(server))


def test_a_status_that_says_nothing_new_is_not_written(server: Server) -> None:
    report = report_of(server)
    write(report, pending=1, problems={"a": "It broke."})
    before = server.paths.status.stat()
    write(report, pending=1, problems={"a": "It broke."})
    assert server.paths.status.stat() == before
    write(report, pending=2, problems={"a": "It broke."})
    assert server.paths.status.stat().st_ino != before.st_ino
    assert status_of(server).pending == 2


def test_a_status_that_somebody_removed_is_written_again(server: Server) -> None:
    report = report_of(server)
    write(report, pending=1)
    server.paths.status.unlink()
    write(report, pending=1)
    assert status_of(server).pending == 1


def test_a_status_that_could_not_be_written_is_written_the_next_time(server: Server) -> None:
    report = report_of(server)
    write(report)
    server.paths.status.unlink()
    server.paths.status.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write(report, pending=1)
    server.paths.status.rmdir()
    write(report, pending=1)
    assert status_of(server).pending == 1


@pytest.mark.parametrize(
    ("enabled", "line"),
    [
        (True, "STATUS=12 aliases published, 1 requests pending, 1 problems"),
        (False, "STATUS=publishing is off (enabled: false), 1 requests pending, 1 problems"),
    ],
)
def test_systemctl_status_shows_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: bool, line: str
) -> None:
    server = Server(tmp_path / "server", enabled=enabled)
    with NotifySocket(tmp_path / "notify") as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        published = Published("0" * 64, "2026-05-19T20:55:18Z", 12) if enabled else None
        write(report_of(server), published=published, pending=1, problems={"a": "It broke."})
        assert systemd.wait_for("STATUS=") == line
