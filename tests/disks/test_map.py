"""The disk of the map with hardly any room left: the map answers as before or as it should, and in no third way."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.errors import ExpectedError
from schemas.registry import Registry
from watcher.publish.file_publisher import FilePublisher

from ..support.disk import Disk, small_disk
from ..watcher.publish.conftest import MapDirectory, map_directory_at, members, publisher_of, registry_of
from .faults import faulty_disk

ROWS = 150
MORE_THAN_A_MAP_TAKES = 60

LITTLE: dict[str, Callable[[Disk, int], None]] = {"pages": Disk.fill, "inodes": Disk.use_up_inodes}

OLD = members(ROWS)
CHANGES = {
    "a few rows": registry_of(**{f"member{number:03}": "y" if number < 3 else "x" for number in range(2, ROWS)}),
    "every row": members(ROWS, "y"),
}
"""The first one takes two rows away and changes one."""

CASES = [
    pytest.param(map_type, change, little, marks=pytest.mark.needs(f"postfix-{map_type}"))
    for map_type, change, little in (
        ("hash", "a few rows", "pages"),
        ("hash", "a few rows", "inodes"),
        ("btree", "a few rows", "pages"),
        ("lmdb", "a few rows", "inodes"),
        ("lmdb", "every row", "pages"),
        ("cdb", "every row", "inodes"),
        ("texthash", "every row", "pages"),
        ("texthash", "every row", "inodes"),
    )
]
"""Every other combination has been tried too. postmap waits a second before it gives up, and sometimes a dozen."""


@pytest.fixture
def map_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[MapDirectory]:
    """A map of the type that the test is parametrised with, in a directory of its own."""
    with map_directory_at(tmp_path, request.param, monkeypatch) as map_directory:
        maps = tmp_path / "maps"
        maps.mkdir()
        map_directory.path, map_directory.table = maps / map_directory.path.name, maps / map_directory.table.name
        yield map_directory


def answers(map_directory: MapDirectory) -> dict[str, str]:
    """Every row, as Postfix's own postmap finds it."""
    if map_directory.map_type == "texthash":
        # postmap waits for the end of the second in which a text was changed; it is all that Postfix reads.
        return dict(line.split("\t") for line in map_directory.path.read_text().splitlines())
    keys = "".join(f"{alias}\n" for alias in OLD.rows())
    done = map_directory.mail.run("postmap", "-q", "-", f"{map_directory.map_type}:{map_directory.path}", input=keys)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split("\t") for line in done.stdout.splitlines())


def published(publisher: FilePublisher, registry: Registry) -> bool:
    try:
        publisher.publish(registry, forced=True)
    except ExpectedError:
        return False
    return True


@pytest.mark.parametrize(("map_directory", "change", "little"), CASES, indirect=["map_directory"])
def test_however_little_room_is_left_the_map_is_the_old_one_or_the_new_one(
    map_directory: MapDirectory, change: str, little: str
) -> None:
    new = CHANGES[change]
    with small_disk(map_directory.path.parent) as disk:
        publisher = publisher_of(map_directory)
        for left in range(MORE_THAN_A_MAP_TAKES):
            publisher.publish(OLD, forced=True)
            files = {path.name for path in map_directory.path.parent.iterdir() if path.is_file()}
            LITTLE[little](disk, left)
            done = published(publisher, new)
            assert answers(map_directory) == (new if done else OLD).rows()
            assert {path.name for path in map_directory.path.parent.iterdir() if path.is_file()} == files
            assert list(map_directory.path.parent.glob(".*")) == []
            disk.mend()
            if done:
                break
        assert 0 < left < MORE_THAN_A_MAP_TAKES - 1
        publisher.publish(OLD, forced=True)
        assert answers(map_directory) == OLD.rows()


@pytest.mark.needs("postfix-hash")
@pytest.mark.parametrize("map_directory", ["hash"], indirect=True)
def test_what_was_built_aside_and_cannot_be_removed_is_told_of_and_removed_the_next_time(
    map_directory: MapDirectory,
) -> None:
    publisher = publisher_of(map_directory)
    publisher.publish(OLD, forced=True)
    with faulty_disk() as disk:
        disk.arm(0, lasting=False)
        publisher.publish(CHANGES["every row"], forced=True)
        # The last thing that is done is to remove the directory.
        disk.arm(disk.calls, lasting=True)
        with pytest.raises(ExpectedError, match=str(map_directory.path.parent)):
            publisher.publish(OLD, forced=True)
        assert set(disk.failed) == {"rmdir"}
        disk.arm(0, lasting=False)
        assert len(list(map_directory.path.parent.glob(".*"))) == 1

    publisher.publish(OLD, forced=True)

    assert answers(map_directory) == OLD.rows()
    assert list(map_directory.path.parent.glob(".*")) == []
