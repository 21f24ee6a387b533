"""Hearing of changes: what matters at once, what does not a little later, and a storm only once."""

import contextlib
import importlib
import logging
import os
import resource
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from watcher.watch import DirectoryWatcher, Watch, WatchBrokenError, merged

from .watching import Ledger, move_in, next_call, notices


def test_one_watch_serves_every_purpose_of_a_directory() -> None:
    found = merged(
        [
            Watch("/a", {"x"}, departures=False),
            Watch("/a/", {"y"}, required=True, departures=False),
            Watch("/b/../a", {"z"}),
            Watch("/c", None, departures=False),
            Watch("/c", {"x"}, departures=False),
        ]
    )
    assert found == [Watch("/a", {"x", "y", "z"}, required=True), Watch("/c", None, departures=False)]


@pytest.mark.parametrize(
    ("names", "name", "call"),
    [
        (None, "ask.json", "now"),
        (None, ".ask.json.tmp", "soon"),
        ({"main.cf"}, "main.cf", "now"),
        ({"main.cf"}, "master.cf", "soon"),
        ({"main.cf"}, ".main.cf.tmp", "soon"),
        ({"main.cf"}, "main.cf~", "soon"),
    ],
)
def test_what_matters_is_told_now_and_anything_else_soon(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher], names: set[str] | None, name: str, call: str
) -> None:
    listen(Watch(str(watched), names))
    move_in(watched, name)
    next_call(wake)
    assert wake.calls == [call]


def write_in_place(path: Path) -> None:
    path.write_text("new")


def rename_over(path: Path) -> None:
    path.with_name(".new").write_text("new")
    path.with_name(".new").rename(path)


def rename_from_outside(path: Path) -> None:
    move_in(path.parent, path.name)


def hard_link(path: Path) -> None:
    (path.parent.parent / "aside").touch()
    path.hardlink_to(path.parent.parent / "aside")


def symlink(path: Path) -> None:
    path.symlink_to("nowhere")


def make_directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("way", [write_in_place, rename_over, rename_from_outside, hard_link, symlink, make_directory])
def test_a_change_is_heard_in_whatever_way_it_is_made(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher], way: Callable[[Path], None]
) -> None:
    listen(Watch(str(watched), {"file.json"}))
    way(watched / "file.json")
    next_call(wake)
    assert "now" in wake.calls


def test_a_deletion_is_heard_where_it_matters(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    for name in ("map.db", "other"):
        (watched / name).touch()
    listen(Watch(str(watched), {"map.db"}))
    (watched / "map.db").unlink()
    next_call(wake)
    assert wake.calls == ["now"]


def test_our_own_reading_and_removing_wakes_nobody(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    for number in range(20):
        (watched / f"{number}.json").write_text("{}")
    listen(Watch(str(watched), None, departures=False))
    for path in list(watched.iterdir()):
        path.read_text()
        path.stat()
        path.chmod(0o600)
        path.unlink()
    move_in(watched, "ask.json")
    next_call(wake)
    assert wake.calls == ["now"]


def test_when_the_kernel_gives_no_watch_it_says_what_to_raise(
    watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    directories = listen(Watch(str(watched), None), started=False)
    threads = threading.active_count()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(WatchBrokenError, match=r"max_user_instances and max_user_watches may have to be raised"):
            directories.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert threading.active_count() == threads
    directories.start()
    assert not directories.broken()


def storm(directory: Path, wake: Ledger) -> None:
    """Make so many changes between two passes that the directory is not listened to any more."""
    path = directory / ".storm"
    while "now" not in wake.calls:
        path.touch()
        path.unlink()


def test_a_storm_that_concerns_nobody_ends_in_one_pass_after_which_everything_is_heard_again(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    directories = listen(Watch(str(watched), None, departures=False), Watch(str(watched.parent), {"x"}))
    for _ in range(2):
        wake.calls.clear()
        storm(watched, wake)
        next_call(wake)
        assert not directories.broken()
        directories.unmute()
        assert not directories.broken()
        assert notices(wake, watched)
        (watched.parent / "x").write_text("new")
        next_call(wake)


def test_a_directory_that_is_taken_away_in_a_storm_is_noticed(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    directories = listen(Watch(str(watched), None, required=True, departures=False))
    storm(watched, wake)
    shutil.rmtree(watched)
    directories.unmute()
    assert directories.broken()
    watched.mkdir()
    directories.start()
    assert notices(wake, watched)


def test_a_rename_out_of_a_directory_holds_nothing_back_there(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second is what watchdog waits for the other half of it, by a clock that may be set back."""
    for module, name in (
        ("inotify_buffer", "InotifyBuffer"),
        ("inotify_move_event_grouper", "InotifyMoveEventGrouper"),
    ):
        with contextlib.suppress(ImportError):
            monkeypatch.setattr(importlib.import_module(f"watchdog.observers.{module}").__dict__[name], "delay", 15.0)
    move_in(watched, "gone.json")
    listen(Watch(str(watched), None, departures=False))
    (watched / "gone.json").rename(watched.parent.parent / "elsewhere")
    assert notices(wake, watched)


def test_what_watchdog_complains_of_is_a_hint_too(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    directories = listen(Watch(str(watched), None))
    logging.getLogger("watchdog.observers.inotify_c").warning("filesystem events were lost")
    next_call(wake)
    assert wake.calls == ["soon"]
    directories.stop()
    logging.getLogger("watchdog.observers.inotify_c").warning("filesystem events were lost")
    assert wake.calls == ["soon"]


def test_where_no_thread_can_be_started_it_says_so(
    watched: Path, listen: Callable[..., DirectoryWatcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = listen(Watch(str(watched), None), started=False)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        with pytest.raises(WatchBrokenError, match="The directories cannot be watched: can't start new thread"):
            directories.start()
    directories.start()
    assert not directories.broken()


def test_a_storm_is_given_a_second_while_passes_follow_each_other_anyway(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    directories = listen(Watch(str(watched), None, departures=False))
    storm(watched, wake)
    assert directories.muted
    directories.unmute(patient=True)
    assert directories.muted
    directories.unmute()
    assert not directories.muted
    assert notices(wake, watched)
