"""What each pass is asked to do: the rest of the service is tried as a process, in tests/e2e."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import config
from watcher import service as service_module
from watcher.passes import Passes, PassResult
from watcher.service import Service
from watcher.watch import DirectoryWatcher, Watch

from ..support.notify import NotifySocket
from .server import Server


class Recorder(Passes):
    """Passes that find a backlog each time, and remember whether they were to scan for anything new."""

    def __init__(self) -> None:
        self.scans: list[bool] = []

    def run(self, problems: dict[str, str], *, scan: bool = True) -> PassResult:
        self.scans.append(scan)
        return PassResult(problems=problems, more=True)


@pytest.fixture
def passes() -> Recorder:
    return Recorder()


@pytest.fixture
def service(tmp_path: Path, passes: Recorder) -> Iterator[Service]:
    """One that watches the queue alone."""
    server = Server(tmp_path)
    service = Service(str(server.paths.config))
    service._passes = passes
    service._directories = DirectoryWatcher([Watch(str(server.paths.queue), None)], [], service._wake)
    service._directories.start()
    try:
        yield service
    finally:
        service._close()


def test_the_pass_that_listens_again_after_a_storm_looks_for_what_nobody_told(
    service: Service, passes: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories, queue = service._directories, Server(tmp_path).paths.queue
    assert directories is not None
    service._pass()
    number = 0
    while not directories.muted:
        (queue / f"{number}.json").touch()
        number += 1
    # What the storm has told has had its pass, and nothing that comes now is told.
    monkeypatch.setattr(service._wake, "begin_pass", lambda: False)

    service._pass()
    assert directories.muted
    directories._muted_until = 0.0
    service._pass()
    assert not directories.muted
    service._pass()

    assert passes.scans == [True, True, True, False]


def test_the_configuration_is_read_once_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str | None] = []

    def load_settings(path: str | None) -> config.Settings:
        read.append(path)
        return config.load_settings(path)

    monkeypatch.setattr(service_module, "load_settings", load_settings)
    path = str(Server(tmp_path).paths.config)
    service = Service(path)
    assert read == [path]
    assert not service._config_file.changed()


def test_a_reload_that_is_asked_for_during_another_ends_with_the_one_that_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with NotifySocket(tmp_path / "notify") as systemd:
        service = Service(str(Server(tmp_path).paths.config))
        asked = [True]

        def reopen(_settings: config.Settings) -> None:
            if asked.pop():
                asked.append(False)
                service._on_reload(1, None)

        monkeypatch.setattr(service, "_reopen", reopen)
        service._on_reload(1, None)
        service._reload()
        service._notifier.status("between")
        service._reload()
        systemd.wait_for("READY=1")
        lines = [line for line in systemd.lines if not line.startswith("MONOTONIC_USEC=")]
    assert lines == ["RELOADING=1", "RELOADING=1", "RELOADING=1", "STATUS=between", "RELOADING=1", "READY=1"]
