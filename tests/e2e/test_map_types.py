"""Each type of lookup table is published the same way: whole, proved, and only when something differs."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.install import Installation
from ..support.layout import put
from ..support.needs import require
from ..support.site import Site
from ..support.waiting import wait_for
from .acts import entries, entry, publish, script, settle, states

SUFFIXES = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "texthash": ""}
REAL = "/usr/sbin/postmap"


@pytest.fixture(params=sorted(SUFFIXES))
def map_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(installation: Installation, map_type: str) -> Iterator[Site]:
    require("accounts", f"postfix-{map_type}")
    with Site(installation, backend=f"postfix-{map_type}") as site:
        yield site


@pytest.fixture
def maps(site: Site, map_type: str) -> Path:
    """A directory for the map alone, its files being `members` and `members` with a suffix."""
    site.mail.write(virtual_alias_maps=map_of(site, map_type))
    return map_directory(site)


def map_directory(site: Site) -> Path:
    return site.root / "maps"


def map_of(site: Site, map_type: str) -> str:
    """Make the directory, have the map there, and return how Postfix names it."""
    directory = map_directory(site)
    directory.mkdir()
    directory.chmod(0o755)
    site.configure(virtual_alias_file=str(directory / "members"))
    return f"{map_type}:{directory}/members"


def files(map_type: str) -> set[str]:
    """What the directory of a map holds, and nothing else."""
    return {"members", f"members{SUFFIXES[map_type]}"}


def lookup(site: Site, maps: Path, map_type: str, *names: str) -> list[str | None]:
    """What postmap answers for these members."""
    path = maps / "members"
    if map_type == "texthash":
        # Of a text that changed within the last second postmap waits for the end of that second; a copy can be old.
        copy = site.root / "copy"
        shutil.copyfile(path, copy)
        os.utime(copy, (0, 0))
        path = copy
    return [site.mail.lookup(f"{map_type}:{path}", f"{name}@runv.club") for name in names]


def test_what_is_added_changed_and_removed_is_published(site: Site, maps: Path, map_type: str) -> None:
    site.start_watcher()

    publish(site, {"pablo": entry("pablo", "p@example.org"), "maria": entry("maria", "m@example.org")})
    assert lookup(site, maps, map_type, "pablo", "maria", "zoe") == ["p@example.org", "m@example.org", None]

    publish(site, {"pablo": entry("pablo", "new@example.net"), "zoe": entry("zoe", "z@example.org")})
    assert lookup(site, maps, map_type, "pablo", "maria", "zoe") == ["new@example.net", None, "z@example.org"]
    assert (maps / "members").read_bytes() == b"pablo@runv.club\tnew@example.net\nzoe@runv.club\tz@example.org\n"

    publish(site, {})
    assert lookup(site, maps, map_type, "pablo", "maria", "zoe") == [None, None, None]


def test_the_map_has_its_files_alone_with_the_mode_of_the_config(site: Site, maps: Path, map_type: str) -> None:
    site.configure(file_mode="0o640")
    site.start_watcher()
    publish(site, entries(70))
    publish(site, entries(69))

    assert set(states(maps)) == files(map_type)
    for path in maps.iterdir():
        found = path.stat()
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid, found.st_nlink) == (0o640, 0, 0, 1)


def test_a_registry_that_says_the_same_leaves_the_map_untouched(site: Site, maps: Path, map_type: str) -> None:
    site.start_watcher()
    publish(site, entries(3))
    before = states(maps)

    publish(site, {"late": entry("late", "l@example.org", status="cancelled"), **entries(3)})
    settle(site)

    assert states(maps) == before
    assert set(before) == files(map_type)


def overwrite_text(path: Path, map_type: str) -> None:
    del map_type
    put(path, b"member00@runv.club\tthief@example.net\n", 0o644)


def delete_text(path: Path, map_type: str) -> None:
    del map_type
    path.unlink()


def overwrite_table(path: Path, map_type: str) -> None:
    put(Path(f"{path}{SUFFIXES[map_type]}"), b"no table at all", 0o644)


def delete_table(path: Path, map_type: str) -> None:
    Path(f"{path}{SUFFIXES[map_type]}").unlink()


@pytest.fixture(scope="module", params=sorted(SUFFIXES))
def lasting(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Site]:
    """One server for each type, whose map is harmed and put right again and again."""
    require("root", "accounts", f"postfix-{request.param}")
    with Site(installation, backend=f"postfix-{request.param}") as site:
        site.mail.write(virtual_alias_maps=map_of(site, str(request.param)))
        site.start_watcher()
        publish(site, entries(2))
        yield site


@pytest.mark.parametrize("harm", [overwrite_text, delete_text, overwrite_table, delete_table])
def test_a_map_that_somebody_else_changed_is_put_right(lasting: Site, harm: Callable[[Path, str], None]) -> None:
    site, map_type = lasting, lasting.backend.removeprefix("postfix-")
    maps = map_directory(site)
    settle(site)
    text = (maps / "members").read_bytes()
    before = states(maps)

    harm(maps / "members", map_type)

    def put_right() -> bool:
        now = states(maps)
        made_anew = set(now) == files(map_type) and all(now[name] != before[name] for name in now)
        return made_anew and (maps / "members").read_bytes() == text

    wait_for(put_right, maps, what="the map to be put right")
    settle(site)
    assert lookup(site, maps, map_type, "member00", "member01") == ["member00@example.org", "member01@example.org"]
    assert lookup(site, maps, map_type, "thief") == [None]
    assert site.status()["problems"] == []


def test_a_restart_changes_nothing_on_disk(site: Site, maps: Path, map_type: str) -> None:
    first = site.start_watcher()
    site.accounts.add("pablo")
    publish(site, entries(2))
    assert site.member("pablo", "request", "p@example.org").returncode == 0
    contents = {path: path.read_bytes() for path in maps.iterdir()}
    kept = [maps, site.paths.state, *(site.paths.requests / name for name in ("pending", "approved"))]
    before = [states(directory) for directory in kept]
    assert first.stop() == 0

    site.start_watcher()
    settle(site)

    assert {path: path.read_bytes() for path in maps.iterdir()} == contents
    if map_type == "cdb":
        # Nobody can tell every row of a cdb table, so a new watcher makes sure of it by making it anew.
        kept, before = kept[1:], before[1:]
    assert [states(directory) for directory in kept] == before


def recorded(site: Site, maps: Path) -> tuple[Path, Path]:
    """Have postmap write down its arguments; return the program and the file."""
    calls = maps.parent / "calls"
    calls.touch()
    program = script(site.root / "bin" / "postmap", f'echo "$*" >>{calls}\nexec {REAL} "$@"')
    site.configure(postmap_command=[str(program)])
    return program, calls


def test_few_changes_amend_a_copy_of_the_table_and_many_make_a_new_one(site: Site, maps: Path, map_type: str) -> None:
    _, calls = recorded(site, maps)
    site.start_watcher()
    publish(site, entries(1))
    full, amended = (f"{words}{map_type}:{maps}/.members.next-*/members" for words in ("", "-i -r "))

    def builds(count: int) -> list[str]:
        calls.write_text("")
        publish(site, entries(count))
        settle(site)
        name = f"member{count - 1:02d}"
        assert lookup(site, maps, map_type, "member00", name) == ["member00@example.org", f"{name}@example.org"]
        message = re.sub(r"(?<=\.next-)[0-9a-f]{8}", "*", calls.read_text())
        return [line for line in message.splitlines() if "-q -" not in line]

    whole_only = {"cdb": [full], "texthash": []}
    assert builds(2) == whole_only.get(map_type, [amended])
    assert builds(66) == whole_only.get(map_type, [amended])
    assert builds(131) == whole_only.get(map_type, [full])
    assert set(states(maps)) == files(map_type)
