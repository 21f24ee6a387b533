"""Noticing when watching has broken, which watchdog does not report."""

import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from watcher.watch import DirectoryWatcher, Watch, WatchBrokenError

from .watching import Ledger, emitters_end, next_call, notices


def removed(path: Path) -> None:
    path.rmdir()


def removed_with_its_parent(path: Path) -> None:
    shutil.rmtree(path.parent)


def renamed_away(path: Path) -> None:
    path.rename(path.with_name("away"))


def removed_and_remade(path: Path) -> None:
    path.rmdir()
    path.with_name("keeps the inode number").mkdir()
    path.mkdir()


def renamed_away_and_remade(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.mkdir()


def parent_renamed_away_and_remade(path: Path) -> None:
    path.parent.rename(path.parent.with_name("away"))
    path.mkdir(parents=True)


def replaced_by_a_link_elsewhere(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.with_name("elsewhere").mkdir()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "happens",
    [
        removed,
        removed_with_its_parent,
        renamed_away,
        removed_and_remade,
        renamed_away_and_remade,
        parent_renamed_away_and_remade,
        replaced_by_a_link_elsewhere,
    ],
)
def test_a_directory_that_was_taken_away_is_noticed_and_heard_again_once_it_is_back(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher], happens: Callable[[Path], None]
) -> None:
    directories = listen(Watch(str(watched), None, required=True, departures=False))
    assert not directories.broken()
    happens(watched)
    assert directories.broken()
    if not watched.exists():
        assert directories.missing() == [str(watched)]
        with pytest.raises(FileNotFoundError, match=str(watched)):
            directories.start()
        assert directories.broken()
        watched.mkdir(parents=True)
    assert directories.missing() == []
    directories.start()
    assert not directories.broken()
    assert notices(wake, watched)


def test_a_directory_made_anew_under_the_same_inode_number_is_noticed(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    directories = listen(Watch(str(watched), None, departures=False))
    for _ in range(50):
        before = watched.stat().st_ino
        watched.rmdir()
        watched.mkdir()
        emitters_end(directories)
        assert directories.broken()
        directories.start()
        if watched.stat().st_ino == before:
            break
    else:
        pytest.skip("This file system gives no inode number twice in a row.")
    assert notices(wake, watched)


@pytest.mark.needs("root")
def test_a_file_system_mounted_over_it_is_noticed(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    directories = listen(Watch(str(watched), None, departures=False))
    if subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "tmpfs", watched], stderr=subprocess.DEVNULL, check=False
    ).returncode:
        pytest.skip("This machine lets nobody mount a file system.")
    try:
        assert directories.broken()
        directories.start()
        assert not directories.broken()
        wake.begin_pass()
        (watched / "ask.json").touch()
        next_call(wake)
        directories.stop()
    finally:
        subprocess.run(["/bin/umount", "-l", watched], check=True)


def test_one_lost_directory_among_several_is_noticed(watched: Path, listen: Callable[..., DirectoryWatcher]) -> None:
    others = [watched.with_name(name) for name in ("a", "b", "c")]
    for other in others:
        other.mkdir()
    directories = listen(*(Watch(str(path), None) for path in (*others, watched)))
    assert not directories.broken()
    renamed_away_and_remade(others[1])
    assert directories.broken()


def test_an_optional_directory_may_be_missing_and_is_watched_once_it_is_there(
    wake: Ledger, watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    later = watched.with_name("later")
    directories = listen(Watch(str(watched), None), Watch(str(later), None))
    assert not directories.broken()
    assert notices(wake, watched)
    later.mkdir()
    assert directories.broken()
    directories.start()
    assert not directories.broken()
    assert notices(wake, later)


@pytest.mark.parametrize("required", [True, False])
def test_a_file_in_place_of_a_directory_is_no_directory(
    watched: Path, listen: Callable[..., DirectoryWatcher], required: bool
) -> None:
    watched.rmdir()
    watched.touch()
    directories = listen(Watch(str(watched), None, required=required), started=False)
    if required:
        with pytest.raises(FileNotFoundError):
            directories.start()
    else:
        directories.start()
        watched.unlink()
        watched.mkdir()
        assert directories.broken()


def test_a_directory_that_is_kept_open_must_stay_the_same_without_being_watched(
    watched: Path, listen: Callable[..., DirectoryWatcher]
) -> None:
    kept = watched.with_name("kept")
    kept.mkdir()
    directories = listen(Watch(str(watched), None), pinned=[str(kept)])
    directories.pin()
    (kept / "record.json").touch()
    assert not directories.broken()
    renamed_away_and_remade(kept)
    assert directories.broken()


def test_a_watcher_that_was_never_started_is_broken(watched: Path, listen: Callable[..., DirectoryWatcher]) -> None:
    assert listen(Watch(str(watched), None), started=False).broken()


def test_a_dead_thread_cannot_be_mended_here(watched: Path, listen: Callable[..., DirectoryWatcher]) -> None:
    directories = listen(Watch(str(watched), None))
    assert directories._observer is not None
    directories._observer.stop()
    directories._observer.join()
    with pytest.raises(WatchBrokenError, match="started afresh"):
        directories.broken()


def test_arming_again_leaves_no_thread_behind(watched: Path, listen: Callable[..., DirectoryWatcher]) -> None:
    before = threading.active_count()
    directories = listen(Watch(str(watched), None), Watch(str(watched.parent), {"x"}))
    running = threading.active_count()
    for _ in range(3):
        directories.start()
    assert threading.active_count() == running
    directories.stop()
    assert threading.active_count() == before
