"""A postmap outlives the watcher that started it: whatever it still does, the next watcher's map is not touched."""

import hashlib
import os
import select
import shutil
from pathlib import Path

import pytest

from ..e2e.acts import entries, published, script, write_registry
from ..support.mailconfig import PATH
from ..support.site import Record, Site
from ..support.waiting import ended

pytestmark = pytest.mark.needs("root", "accounts", "postfix-hash")

# One that would write says who it is, and waits for a line in a FIFO of its own, before it does its work.
WAITING = """
case "$1" in
-q|-s) ;;
*) test -e {gate}/shut && {{ mkfifo {gate}/$$; echo $$ >{gate}/held; read line <{gate}/$$; }};;
esac
exec {real} "$@"
"""


class Gate:
    """Holds up each postmap that would write a table, while it is shut."""

    def __init__(self, site: Site) -> None:
        self._directory = site.root / "gate"
        self._directory.mkdir()
        os.mkfifo(self._directory / "held")
        real = shutil.which("postmap", path=PATH)
        program = script(site.root / "bin" / "postmap", WAITING.format(gate=self._directory, real=real))
        site.configure(postmap_command=[str(program)])

    def shut(self) -> None:
        (self._directory / "shut").touch()

    def open(self) -> None:
        (self._directory / "shut").unlink()

    def held(self) -> int:
        """Wait for a postmap to be held up, and return its process id."""
        with (self._directory / "held").open() as held:
            return int(held.readline())

    def await_rows(self, pid: int) -> None:
        """Wait until that one was given on its standard input what it is to write."""
        poll = select.poll()
        with Path(f"/proc/{pid}/fd/0").open("rb") as given:
            poll.register(given, select.POLLIN)
            assert poll.poll(10_000)

    def let_go(self, pid: int) -> None:
        """Let that one do its work, and wait for its end."""
        descriptor = os.pidfd_open(pid)
        with (self._directory / str(pid)).open("w") as line:
            line.write("\n")
        assert ended(descriptor, 10.0)
        os.close(descriptor)


def rows(site: Site) -> dict[str, str]:
    return dict(line.split("\t") for line in site.mail.run("postmap", "-s", site.table).stdout.splitlines())


def wanted(registry: dict[str, Record]) -> dict[str, str]:
    return {entry["alias"]: entry["destination"] for entry in registry.values()}


def assert_in_line(site: Site, registry: dict[str, Record]) -> None:
    assert site.registry() == registry
    assert published(site) == hashlib.sha256(site.paths.registry.read_bytes()).hexdigest()
    assert site.status()["problems"] == []
    assert rows(site) == wanted(registry)
    names = {path.name for path in site.paths.postfix.iterdir()}
    assert names == {"main.cf", "master.cf", site.paths.map.name, f"{site.paths.map.name}.db"}


def test_what_an_orphan_writes_reaches_no_map(site: Site) -> None:
    gate = Gate(site)
    before = entries(3)
    write_registry(site, before)
    first = site.start_watcher()
    assert rows(site) == wanted(before)

    gate.shut()
    write_registry(site, entries(4))
    orphan = gate.held()
    gate.await_rows(orphan)
    first.kill()
    # Somebody thinks better of it, and something else is to be published, of which few keys will be proved.
    after = before | {"zoe": {**before["member00"], "username": "zoe", "alias": "zoe@runv.club"}}
    write_registry(site, after)
    second = site.spawn_watcher()
    own = gate.held()
    gate.open()
    gate.let_go(orphan)
    gate.let_go(own)
    second.wait_ready()

    assert_in_line(site, after)


def test_an_orphan_that_goes_on_when_all_is_settled_leaves_nothing_behind(site: Site) -> None:
    gate = Gate(site)
    gate.shut()
    registry = entries(3)
    write_registry(site, registry)
    first = site.spawn_watcher()
    orphan = gate.held()
    first.kill()
    gate.open()
    site.start_watcher()

    gate.let_go(orphan)

    assert_in_line(site, registry)
