"""Noticing when watching has gone deaf, which watchdog does not tell."""

import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from watcher.ears import DeafError, Ears, Watch

from .listening import Ledger, emitters_end, hears, next_call


def removed(place: Path) -> None:
    place.rmdir()


def removed_with_its_parent(place: Path) -> None:
    shutil.rmtree(place.parent)


def renamed_away(place: Path) -> None:
    place.rename(place.with_name("away"))


def removed_and_remade(place: Path) -> None:
    place.rmdir()
    place.with_name("keeps the inode number").mkdir()
    place.mkdir()


def renamed_away_and_remade(place: Path) -> None:
    place.rename(place.with_name("away"))
    place.mkdir()


def parent_renamed_away_and_remade(place: Path) -> None:
    place.parent.rename(place.parent.with_name("away"))
    place.mkdir(parents=True)


def replaced_by_a_link_elsewhere(place: Path) -> None:
    place.rename(place.with_name("away"))
    place.with_name("elsewhere").mkdir()
    place.symlink_to("elsewhere")


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
    wake: Ledger, place: Path, listen: Callable[..., Ears], happens: Callable[[Path], None]
) -> None:
    ears = listen(Watch(str(place), None, required=True, departures=False))
    assert not ears.deaf()
    happens(place)
    assert ears.deaf()
    if not place.exists():
        assert ears.missing() == [str(place)]
        with pytest.raises(FileNotFoundError, match=str(place)):
            ears.arm()
        assert ears.deaf()
        place.mkdir(parents=True)
    assert ears.missing() == []
    ears.arm()
    assert not ears.deaf()
    assert hears(wake, place)


def test_a_directory_made_anew_under_the_same_inode_number_is_noticed(
    wake: Ledger, place: Path, listen: Callable[..., Ears]
) -> None:
    ears = listen(Watch(str(place), None, departures=False))
    for _ in range(50):
        before = place.stat().st_ino
        place.rmdir()
        place.mkdir()
        emitters_end(ears)
        assert ears.deaf()
        ears.arm()
        if place.stat().st_ino == before:
            break
    else:
        pytest.skip("This file system gives no inode number twice in a row.")
    assert hears(wake, place)


@pytest.mark.needs("root")
def test_a_file_system_mounted_over_it_is_noticed(wake: Ledger, place: Path, listen: Callable[..., Ears]) -> None:
    ears = listen(Watch(str(place), None, departures=False))
    if subprocess.run(["/bin/mount", "-t", "tmpfs", "tmpfs", place], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("This machine lets nobody mount a file system.")
    try:
        assert ears.deaf()
        ears.arm()
        assert not ears.deaf()
        wake.begin_pass()
        (place / "ask.json").touch()
        next_call(wake)
        ears.disarm()
    finally:
        subprocess.run(["/bin/umount", "-l", place], check=True)


def test_one_lost_directory_among_several_is_noticed(place: Path, listen: Callable[..., Ears]) -> None:
    others = [place.with_name(name) for name in ("a", "b", "c")]
    for other in others:
        other.mkdir()
    ears = listen(*(Watch(str(path), None) for path in (*others, place)))
    assert not ears.deaf()
    renamed_away_and_remade(others[1])
    assert ears.deaf()


def test_an_optional_directory_may_be_missing_and_is_watched_once_it_is_there(
    wake: Ledger, place: Path, listen: Callable[..., Ears]
) -> None:
    later = place.with_name("later")
    ears = listen(Watch(str(place), None), Watch(str(later), None))
    assert not ears.deaf()
    assert hears(wake, place)
    later.mkdir()
    assert ears.deaf()
    ears.arm()
    assert not ears.deaf()
    assert hears(wake, later)


@pytest.mark.parametrize("required", [True, False])
def test_a_file_in_place_of_a_directory_is_no_directory(
    place: Path, listen: Callable[..., Ears], required: bool
) -> None:
    place.rmdir()
    place.touch()
    ears = listen(Watch(str(place), None, required=required), armed=False)
    if required:
        with pytest.raises(FileNotFoundError):
            ears.arm()
    else:
        ears.arm()
        place.unlink()
        place.mkdir()
        assert ears.deaf()


def test_a_directory_that_is_kept_open_must_stay_the_same_without_being_watched(
    place: Path, listen: Callable[..., Ears]
) -> None:
    kept = place.with_name("kept")
    kept.mkdir()
    ears = listen(Watch(str(place), None), anchors=[str(kept)])
    ears.anchor()
    (kept / "record.json").touch()
    assert not ears.deaf()
    renamed_away_and_remade(kept)
    assert ears.deaf()


def test_ears_that_were_never_armed_are_deaf(place: Path, listen: Callable[..., Ears]) -> None:
    assert listen(Watch(str(place), None), armed=False).deaf()


def test_a_dead_thread_cannot_be_mended_here(place: Path, listen: Callable[..., Ears]) -> None:
    ears = listen(Watch(str(place), None))
    assert ears._observer is not None
    ears._observer.stop()
    ears._observer.join()
    with pytest.raises(DeafError, match="started afresh"):
        ears.deaf()


def test_arming_again_leaves_no_thread_behind(place: Path, listen: Callable[..., Ears]) -> None:
    before = threading.active_count()
    ears = listen(Watch(str(place), None), Watch(str(place.parent), {"x"}))
    armed = threading.active_count()
    for _ in range(3):
        ears.arm()
    assert threading.active_count() == armed
    ears.disarm()
    assert threading.active_count() == before
