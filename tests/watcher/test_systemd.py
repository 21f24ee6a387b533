"""What systemd is told, by sd_notify(3)."""

import os
import socket
import time
from pathlib import Path

import pytest

from watcher.systemd import Notifier

from ..support.notify import NotifySocket


def test_systemd_hears_every_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with NotifySocket(tmp_path / "notify") as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notifier = Notifier()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notifier.ready()
        notifier.reloading()
        notifier.status("3 aliases\npublished")
        notifier.alive()
        notifier.stopping()
        systemd.wait_for("STOPPING=1")
        lines = systemd.lines
    timestamp = int(lines.pop(2).removeprefix("MONOTONIC_USEC="))
    assert before <= timestamp <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert lines == ["READY=1", "RELOADING=1", "STATUS=3 aliases published", "WATCHDOG=1", "STOPPING=1"]


def test_an_abstract_socket_is_written_with_an_at_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("")  # the kernel picks an abstract name
        name = systemd.getsockname()
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:].decode())
        Notifier().ready()
        systemd.settimeout(5)
        assert systemd.recv(100) == b"READY=1"


def test_the_programs_that_are_run_later_cannot_speak_for_the_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    notifier = Notifier()
    assert notifier.watchdog_seconds == 60
    assert not {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"} & os.environ.keys()


@pytest.mark.parametrize(("pid", "usec"), [("1", "60000000"), (str(os.getpid()), "soon"), (str(os.getpid()), "")])
def test_a_watchdog_that_is_meant_for_another_process_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, pid: str, usec: str
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", pid)
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    assert Notifier().watchdog_seconds == 0


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "@nobody-listens-here", "/" + "x" * 200])
def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notifier = Notifier()
    notifier.ready()
    notifier.status("x")
