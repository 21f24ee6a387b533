"""Hearing of changes, and noticing when watching has gone deaf, which watchdog does not tell."""

import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from watcher.ears import DeafError, Ears, Watch, merged
from watcher.wake import Wake


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
def place(tmp_path: Path) -> Path:
    """A directory to watch; what is made beside it is made where nobody watches."""
    (tmp_path / "parent" / "queue").mkdir(parents=True)
    return tmp_path / "parent" / "queue"


@pytest.fixture
def listen(wake: Ledger) -> Iterator[Callable[..., Ears]]:
    """Make ears for some watches, armed."""
    made: list[Ears] = []

    def make(*watches: Watch, anchors: Iterable[str] = (), armed: bool = True) -> Ears:
        ears = Ears(watches, anchors, wake)
        made.append(ears)
        if armed:
            ears.arm()
        return ears

    yield make
    for ears in made:
        ears.disarm()


def next_call(wake: Ledger) -> None:
    """Wait until something was heard that matters."""
    assert wake.wait(time.monotonic() + 10, lambda: False), "nothing was heard"
    wake.begin_pass()


def move_in(directory: Path, name: str) -> None:
    """Let *name* appear in *directory* by one rename from outside, which is one event."""
    aside = directory.parent.parent / "aside"
    aside.touch()
    aside.rename(directory / name)


def hears(wake: Ledger, directory: Path, name: str = "ask.json") -> bool:
    wake.begin_pass()
    move_in(directory, name)
    next_call(wake)
    return True


def emitters_end(ears: Ears) -> None:
    """Wait for the threads of removed directories to end, as they do a moment after."""
    assert ears._observer is not None
    for emitter in list(ears._observer.emitters):
        emitter.join(10)


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
    wake: Ledger, place: Path, listen: Callable[..., Ears], names: set[str] | None, name: str, call: str
) -> None:
    listen(Watch(str(place), names))
    move_in(place, name)
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
    wake: Ledger, place: Path, listen: Callable[..., Ears], way: Callable[[Path], None]
) -> None:
    listen(Watch(str(place), {"file.json"}))
    way(place / "file.json")
    next_call(wake)
    assert "now" in wake.calls


def test_a_deletion_is_heard_where_it_matters(wake: Ledger, place: Path, listen: Callable[..., Ears]) -> None:
    for name in ("map.db", "other"):
        (place / name).touch()
    listen(Watch(str(place), {"map.db"}))
    (place / "map.db").unlink()
    next_call(wake)
    assert wake.calls == ["now"]


def test_our_own_reading_and_removing_wakes_nobody(wake: Ledger, place: Path, listen: Callable[..., Ears]) -> None:
    for number in range(20):
        (place / f"{number}.json").write_text("{}")
    listen(Watch(str(place), None, departures=False))
    for path in list(place.iterdir()):
        path.read_text()
        path.stat()
        path.chmod(0o600)
        path.unlink()
    move_in(place, "ask.json")
    next_call(wake)
    assert wake.calls == ["now"]


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
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], stderr=subprocess.DEVNULL, check=False).returncode:
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
        subprocess.run(["umount", "-l", place], check=True)


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
    assert ears.watched[str(later)] is None
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


def test_when_the_kernel_gives_no_watch_it_says_what_to_raise(place: Path, listen: Callable[..., Ears]) -> None:
    ears = listen(Watch(str(place), None), armed=False)
    threads = threading.active_count()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(DeafError, match=r"max_user_instances and max_user_watches may have to be raised"):
            ears.arm()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert threading.active_count() == threads
    ears.arm()
    assert not ears.deaf()


def storm(directory: Path, wake: Ledger) -> None:
    """Make so many changes between two passes that the directory is not listened to any more."""
    path = directory / ".storm"
    while "now" not in wake.calls:
        path.touch()
        path.unlink()


def test_a_storm_that_concerns_nobody_ends_in_one_pass_after_which_everything_is_heard_again(
    wake: Ledger, place: Path, listen: Callable[..., Ears]
) -> None:
    ears = listen(Watch(str(place), None, departures=False), Watch(str(place.parent), {"x"}))
    for _ in range(2):
        wake.calls.clear()
        storm(place, wake)
        next_call(wake)
        assert not ears.deaf()
        ears.listen_again()
        assert not ears.deaf()
        assert hears(wake, place)
        (place.parent / "x").write_text("new")
        next_call(wake)


def test_a_directory_that_is_taken_away_in_a_storm_is_noticed(
    wake: Ledger, place: Path, listen: Callable[..., Ears]
) -> None:
    ears = listen(Watch(str(place), None, required=True, departures=False))
    storm(place, wake)
    shutil.rmtree(place)
    ears.listen_again()
    assert ears.deaf()
    place.mkdir()
    ears.arm()
    assert hears(wake, place)
