"""The disk of the map with hardly any room left: the map answers as before or as it should, and in no third way."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.errors import ExpectedError
from schemas.registry import Registry
from watcher.publish.file_publisher import FilePublisher

from ..support.disk import Disk, small_disk
from ..watcher.publish.conftest import House, at_home, members, publisher_of, registry_of
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
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[House]:
    """A map of the type that the test is parametrised with, in a directory of its own."""
    with at_home(tmp_path, request.param, monkeypatch) as house:
        maps = tmp_path / "maps"
        maps.mkdir()
        house.path, house.table = maps / house.path.name, maps / house.table.name
        yield house


def answers(house: House) -> dict[str, str]:
    """Every row, as Postfix's own postmap finds it."""
    if house.map_type == "texthash":
        # postmap waits for the end of the second in which a text was changed; it is all that Postfix reads.
        return dict(line.split("\t") for line in house.path.read_text().splitlines())
    keys = "".join(f"{alias}\n" for alias in OLD.rows())
    done = house.mail.run("postmap", "-q", "-", f"{house.map_type}:{house.path}", input=keys)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split("\t") for line in done.stdout.splitlines())


def published(publisher: FilePublisher, registry: Registry) -> bool:
    try:
        publisher.publish(registry, forced=True)
    except ExpectedError:
        return False
    return True


@pytest.mark.parametrize(("house", "change", "little"), CASES, indirect=["house"])
def test_however_little_room_is_left_the_map_is_the_old_one_or_the_new_one(
    house: House, change: str, little: str
) -> None:
    new = CHANGES[change]
    with small_disk(house.path.parent) as disk:
        publisher = publisher_of(house)
        for left in range(MORE_THAN_A_MAP_TAKES):
            publisher.publish(OLD, forced=True)
            files = {path.name for path in house.path.parent.iterdir() if path.is_file()}
            LITTLE[little](disk, left)
            done = published(publisher, new)
            assert answers(house) == (new if done else OLD).rows()
            assert {path.name for path in house.path.parent.iterdir() if path.is_file()} == files
            assert list(house.path.parent.glob(".*")) == []
            disk.mend()
            if done:
                break
        assert 0 < left < MORE_THAN_A_MAP_TAKES - 1
        publisher.publish(OLD, forced=True)
        assert answers(house) == OLD.rows()


@pytest.mark.needs("postfix-hash")
@pytest.mark.parametrize("house", ["hash"], indirect=True)
def test_what_was_built_aside_and_cannot_be_removed_is_told_of_and_removed_the_next_time(house: House) -> None:
    publisher = publisher_of(house)
    publisher.publish(OLD, forced=True)
    with faulty_disk() as disk:
        disk.arm(0, lasting=False)
        publisher.publish(CHANGES["every row"], forced=True)
        # The last thing that is done is to remove the directory.
        disk.arm(disk.calls, lasting=True)
        with pytest.raises(ExpectedError, match=str(house.path.parent)):
            publisher.publish(OLD, forced=True)
        assert set(disk.failed) == {"rmdir"}
        disk.arm(0, lasting=False)
        assert len(list(house.path.parent.glob(".*"))) == 1

    publisher.publish(OLD, forced=True)

    assert answers(house) == OLD.rows()
    assert list(house.path.parent.glob(".*")) == []
