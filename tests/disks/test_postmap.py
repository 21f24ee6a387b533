"""postmap killed, failing or hanging at any of its writes: the old map stays whole, and the new one comes by itself."""

from pathlib import Path

import pytest

from schemas.errors import ExpectedError
from watcher.publish import commands

from ..e2e.acts import activate, await_problem, await_well, entries, problems, publish, script, states, write_registry
from ..support.layout import put
from ..support.site import Site
from ..watcher.publish.conftest import map_directory_at, publisher_of
from .test_map import CHANGES, OLD, answers, published

pytestmark = pytest.mark.needs("strace")

REAL = "/usr/sbin/postmap"
WRITES = ("write", "pwrite64", "fdatasync", "rename")
"""The system calls by which postmap changes a disk; strace counts each kind for itself."""
BROKEN = """\
[ "$1" = -q ] && exec {real} "$@"
exec strace -qq -o /dev/null -e trace={calls} -e inject={calls}:{fault} {real} "$@"
"""
"""Shell: a postmap whose system calls are tampered with by strace(1), but for the one that is asked."""

FORGETFUL = f"""\
[ "$1" = -q ] && exec {REAL} "$@"
for last; do :; done
text=${{last#*:}}
cp -p "$text" "$text.whole" && sed -i '$d' "$text" && {REAL} "$@" && mv "$text.whole" "$text"
"""
"""Shell: a postmap that leaves the last row out, and says nothing of it; as lmdb may do on a full disk."""

MORE_THAN_POSTMAP_WRITES = 60

PATIENCE = """
import watcher.publish.commands as commands
commands.patience.seconds = 1.0
"""


def broken(fault: str, *calls: str) -> str:
    return BROKEN.format(real=REAL, calls=",".join(calls or WRITES), fault=fault)


@pytest.mark.parametrize(
    ("map_type", "change"),
    [
        pytest.param(map_type, change, marks=pytest.mark.needs(f"postfix-{map_type}"))
        for map_type, change in (
            ("hash", "a few rows"),
            ("hash", "every row"),
            ("lmdb", "a few rows"),
            ("cdb", "every row"),
        )
    ],
)
def test_killed_before_any_of_its_writes_postmap_leaves_the_old_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, map_type: str, change: str
) -> None:
    kills = 0
    with map_directory_at(tmp_path, map_type, monkeypatch) as house:
        program = Path(house.program("postmap", f'exec {REAL} "$@"'))
        publisher = publisher_of(house, postmap_command=[str(program)])
        for call in WRITES:
            for number in range(1, MORE_THAN_POSTMAP_WRITES):
                publisher.publish(OLD, forced=True)
                files = house.files()
                script(program, broken(f"signal=SIGKILL:when={number}", call))
                done = published(publisher, CHANGES[change])
                assert answers(house) == (CHANGES[change] if done else OLD).rows()
                assert house.files() == files
                script(program, f'exec {REAL} "$@"')
                if done:
                    break
                kills += 1
    assert kills > 1


@pytest.mark.parametrize(
    ("map_type", "change", "number"),
    [
        pytest.param(map_type, change, number, marks=pytest.mark.needs(f"postfix-{map_type}"))
        for map_type, number, change in (
            ("hash", 2, "a few rows"),
            ("hash", 2, "every row"),
            ("lmdb", 1, "a few rows"),
            ("cdb", 2, "every row"),
        )
    ],
)
def test_a_broken_disk_under_postmap_leaves_the_old_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, map_type: str, change: str, number: int
) -> None:
    with map_directory_at(tmp_path, map_type, monkeypatch) as house:
        program = Path(house.program("postmap", f'exec {REAL} "$@"'))
        publisher = publisher_of(house, postmap_command=[str(program)])
        publisher.publish(OLD, forced=True)
        files = house.files()
        script(program, broken(f"error=EIO:when={number}+"))

        with pytest.raises(ExpectedError):
            publisher.publish(CHANGES[change], forced=True)

        assert answers(house) == OLD.rows()
        assert house.files() == files
        script(program, f'exec {REAL} "$@"')
        publisher.publish(CHANGES[change], forced=True)
        assert answers(house) == CHANGES[change].rows()


@pytest.mark.parametrize(
    "map_type", [pytest.param(name, marks=pytest.mark.needs(f"postfix-{name}")) for name in ("hash", "lmdb", "cdb")]
)
def test_a_whole_table_that_lacks_a_row_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, map_type: str
) -> None:
    with map_directory_at(tmp_path, map_type, monkeypatch) as house:
        program = Path(house.program("postmap", f'exec {REAL} "$@"'))
        publisher = publisher_of(house, postmap_command=[str(program)])
        publisher.publish(OLD, forced=True)
        before = states(house.path.parent)
        script(program, FORGETFUL)

        with pytest.raises(
            ExpectedError, match=r"^The new map was asked and answered nothing for member149@runv\.club, "
        ):
            publisher.publish(CHANGES["every row"], forced=True)

        assert states(house.path.parent) == before


@pytest.fixture
def program(site: Site) -> Path:
    """A postmap of the test's own, which is the real one at first."""
    path = script(site.root / "bin" / "postmap", f'exec {REAL} "$@"')
    site.configure(postmap_command=[str(path)])
    return path


def processes(site: Site) -> list[str]:
    """The command lines of all that was started for this map and has not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(site.paths.map.parent) in line and "postmap" in line:
            found.append(line)
    return found


def test_a_postmap_that_is_killed_in_the_middle_is_started_again_by_itself(site: Site, program: Path) -> None:
    site.start_watcher()
    publish(site, entries(2))
    before = states(site.paths.postfix)
    once = site.root / "once"
    script(
        program, f'[ -e {once} ] && exec {REAL} "$@"\n[ "$1" = -q ] || touch {once}\n{broken("signal=SIGKILL:when=2")}'
    )

    write_registry(site, entries(3))

    assert "exit status -9" in await_problem(site, "publish-failed")
    assert set(states(site.paths.postfix)) == set(before)
    await_well(site)
    assert site.map_lookup("member02@runv.club") == "member02@example.org"


def test_a_postmap_that_stops_in_the_middle_is_ended_and_others_need_not_wait_for_it(site: Site, program: Path) -> None:
    site.accounts.add("pablo")
    hooks = site.root / "hooks"
    hooks.mkdir()
    put(hooks / "sitecustomize.py", PATIENCE.encode(), 0o644)
    site.start_watcher(env={"PYTHONPATH": str(hooks)})
    publish(site, entries(2))
    before = states(site.paths.postfix)
    script(program, broken("signal=SIGSTOP:when=2"))

    write_registry(site, entries(3))

    message = await_problem(site, "publish-failed")
    assert "did not end within 1 seconds and was killed" in message
    assert processes(site) == []
    assert states(site.paths.postfix) == before
    assert site.map_lookup("member01@runv.club") == "member01@example.org"
    activate(site, "pablo", "p@example.org")
    assert list(problems(site)) == ["publish-failed"]
    script(program, f'exec {REAL} "$@"')
    await_well(site, timeout=30)
    assert [site.map_lookup(f"{name}@runv.club") for name in ("member02", "pablo")] == [
        "member02@example.org",
        "p@example.org",
    ]


def test_programs_that_hang_have_one_patience_together_and_a_second_each() -> None:
    timestamp = 100.0
    patience = commands.Patience(20, lambda: timestamp)
    assert patience.left == 20
    patience.renew()
    timestamp += 19.5
    assert patience.left == 1
    timestamp += 600
    assert patience.left == 1
    patience.renew()
    assert patience.left == 20
