"""The map's directory missing, read-only or full: the old map answers, and the watcher catches up by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.disk import Disk, small_disk
from ..support.install import Installation
from ..support.needs import require
from ..support.site import Site
from .acts import await_problem, await_well, entries, publish, states, write_registry

STAYS = "The map {path} could not be brought up to date; the earlier one stays. "


@pytest.fixture
def map_type() -> str:
    """Of one type, unless a test says otherwise."""
    return "hash"


each_way_to_publish = pytest.mark.parametrize("map_type", ["hash", "lmdb", "cdb", "texthash"])


@pytest.fixture
def site(installation: Installation, map_type: str) -> Iterator[Site]:
    require("root", "accounts", f"postfix-{map_type}")
    with Site(installation, backend=f"postfix-{map_type}") as site:
        yield site


@pytest.fixture
def maps(site: Site, map_type: str) -> Path:
    """A directory for the map alone."""
    directory = site.root / "maps"
    directory.mkdir()
    directory.chmod(0o755)
    site.configure(virtual_alias_file=str(directory / "members"))
    site.mail.write(virtual_alias_maps=f"{map_type}:{directory}/members")
    return directory


@pytest.fixture
def disk(maps: Path) -> Iterator[Disk]:
    """The same directory on a small file system of its own."""
    with small_disk(maps) as disk:
        yield disk


def answers(site: Site, maps: Path, map_type: str, name: str) -> str | None:
    if map_type == "texthash":
        # postmap waits for the end of the second in which a text was changed.
        rows = dict(line.split("\t") for line in (maps / "members").read_text().splitlines())
        return rows.get(f"{name}@runv.club")
    return site.mail.lookup(f"{map_type}:{maps}/members", f"{name}@runv.club")


def test_a_map_directory_that_is_missing_is_reported_and_awaited(site: Site, maps: Path, map_type: str) -> None:
    site.start_watcher()
    publish(site, entries(2))
    away = maps.rename(site.root / "away")

    write_registry(site, entries(3))

    message = await_problem(site, "publish-failed")
    assert message == (
        f"{STAYS.format(path=maps / 'members')}The directory {maps} cannot be opened (No such file or directory). Make "
        "it, or mend its mode and owner."
    )
    away.rename(maps)
    await_well(site)
    assert answers(site, maps, map_type, "member02") == "member02@example.org"


def test_a_disk_that_can_be_written_again_is_noticed_without_anybodys_doing(
    site: Site, disk: Disk, map_type: str
) -> None:
    site.start_watcher()
    publish(site, entries(2))
    disk.make_read_only()
    write_registry(site, entries(3))
    await_problem(site, "publish-failed")

    disk.mend()

    await_well(site)
    assert answers(site, disk.path, map_type, "member02") == "member02@example.org"


def test_a_new_map_directory_gets_a_whole_map(site: Site, maps: Path, map_type: str) -> None:
    site.start_watcher()
    publish(site, entries(2))
    before = set(states(maps))
    maps.rename(site.root / "away")
    write_registry(site, entries(3))
    await_problem(site, "publish-failed")

    maps.mkdir(mode=0o755)

    await_well(site)
    assert [answers(site, maps, map_type, f"member0{n}") for n in (0, 2)] == [
        "member00@example.org",
        "member02@example.org",
    ]
    assert set(states(maps)) == before


@each_way_to_publish
def test_a_read_only_map_directory_is_reported_and_the_old_map_answers(site: Site, disk: Disk, map_type: str) -> None:
    site.start_watcher()
    publish(site, entries(2))
    before = states(disk.path)
    disk.make_read_only()

    write_registry(site, entries(3))

    message = await_problem(site, "publish-failed")
    assert message == (
        f"{STAYS.format(path=disk.path / 'members')}The directory {disk.path} of the map cannot be written: Read-only "
        "file system. Look for a full disk or a read-only file system."
    )
    assert states(disk.path) == before
    assert answers(site, disk.path, map_type, "member01") == "member01@example.org"
    disk.mend()
    publish(site, entries(4))
    assert answers(site, disk.path, map_type, "member03") == "member03@example.org"


@each_way_to_publish
def test_a_full_disk_is_reported_and_the_old_map_answers(site: Site, disk: Disk, map_type: str) -> None:
    site.start_watcher()
    publish(site, entries(2))
    before = states(disk.path)
    disk.fill()

    write_registry(site, entries(3))

    found = await_problem(site, "publish-failed")
    assert found.startswith(STAYS.format(path=disk.path / "members"))
    assert states(disk.path) == before
    assert answers(site, disk.path, map_type, "member01") == "member01@example.org"
    disk.mend()
    publish(site, entries(4))
    assert answers(site, disk.path, map_type, "member03") == "member03@example.org"
    assert set(states(disk.path)) == set(before)
