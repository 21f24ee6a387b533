"""DirectoryWatcher on a directory of the test's own, and what it notices."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from watcher.wake import Wake
from watcher.watch import DirectoryWatcher, Watch


class Ledger(Wake):
    """A wake that remembers how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def now(self) -> None:
        self.calls.append("now")
        super().now()

    def soon(self) -> None:
        self.calls.append("soon")
        super().soon()


@pytest.fixture
def wake() -> Iterator[Ledger]:
    wake = Ledger()
    yield wake
    wake.close()


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    """A directory to watch; what is made beside it is made where nobody watches."""
    (tmp_path / "parent" / "queue").mkdir(parents=True)
    return tmp_path / "parent" / "queue"


@pytest.fixture
def listen(wake: Ledger) -> Iterator[Callable[..., DirectoryWatcher]]:
    """Make one for some watches, and start it."""
    made: list[DirectoryWatcher] = []

    def make(*watches: Watch, pinned: Iterable[str] = (), started: bool = True) -> DirectoryWatcher:
        directories = DirectoryWatcher(watches, pinned, wake)
        made.append(directories)
        if started:
            directories.start()
        return directories

    yield make
    for directories in made:
        directories.stop()


def next_call(wake: Ledger) -> None:
    """Wait until something that matters was noticed."""
    assert wake.wait(time.monotonic() + 10, lambda: False), "nothing was noticed"
    wake.begin_pass()


def move_in(directory: Path, name: str) -> None:
    """Let *name* appear in *directory* by one rename from outside, which is one event."""
    aside = directory.parent.parent / "aside"
    aside.touch()
    aside.rename(directory / name)


def notices(wake: Ledger, directory: Path, name: str = "ask.json") -> bool:
    wake.begin_pass()
    move_in(directory, name)
    next_call(wake)
    return True


def emitters_end(directories: DirectoryWatcher) -> None:
    """Wait for the threads of removed directories to end, as they do a moment after."""
    assert directories._observer is not None
    for emitter in list(directories._observer.emitters):
        emitter.join(10)
