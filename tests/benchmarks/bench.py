"""A throwaway server with a running watcher beside a floor, and the turns that the two take."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Turns
from tests.benchmarks.floor import Floor, lay_out, registry_bytes
from tests.support.install import Installation, install
from tests.support.layout import put
from tests.support.mailconfig import PATH
from tests.support.site import Site
from tests.support.watcher import RunningWatcher

QUIET_SECONDS = 0.4
"""After a turn of the watcher's: its last look at what may have come behind the work is 0.25 s late by design."""
WARM_UP_TURNS = 3
"""Turns that are not counted: the first ones find caches cold."""

_LONG_AGO = 86_400.0


@dataclass(frozen=True)
class Ground:
    """Where the benchmarks run: a directory on a real disk, and the programs installed in it."""

    directory: Path
    installation: Installation


@contextmanager
def ground(parent: Path) -> Iterator[Ground]:
    """Install the programs below *parent*; all of it is removed at the end."""
    kind = file_system(parent)
    if kind in {"tmpfs", "ramfs"}:
        raise SystemExit(f"{parent} is on {kind}, where fsync costs nothing; name a directory on a disk: --directory.")
    directory = Path(tempfile.mkdtemp(prefix="runv-benchmarks-", dir=parent))
    directory.chmod(0o755)
    try:
        programs = directory / "programs"
        programs.mkdir(mode=0o755)
        yield Ground(directory, install(programs))
    finally:
        shutil.rmtree(directory)


@dataclass(frozen=True)
class Bench:
    """A server whose watcher runs, and a floor with a map of the same size, on the same file system."""

    site: Site
    watcher: RunningWatcher
    floor: Floor

    def stage(self, path: Path, content: bytes | dict[str, Any], *, account: str | None = None) -> Callable[[], None]:
        """Write what shall become *path* under a hidden name beside it; give what renames it into place.

        That is how the commands do it, and the rename is the moment from which is counted.
        """
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        temporary = path.parent / f".{path.name}.staged"
        mode = 0o640 if path == self.site.paths.registry else 0o600
        gid = self.site.accounts.gid if path == self.site.paths.registry else -1
        put(temporary, data, mode, uid=self.site.accounts[account].uid if account else -1, gid=gid)
        return lambda: os.rename(temporary, path)


@contextmanager
def bench(ground: Ground, aliases: int, members: int = 1) -> Iterator[Bench]:
    """A bench with *members* accounts and a registry, and a map, of *aliases*; the first is the first member's."""
    directory = Path(tempfile.mkdtemp(dir=ground.directory))
    directory.chmod(0o755)
    site_root, floor_root = directory / "server", directory / "floor"
    site_root.mkdir()
    with Site(ground.installation, root=site_root) as site:
        accounts = site.accounts.add_many([member(n) for n in range(max(members, aliases))])
        registry = {member(n): entry(n) for n in range(aliases)}
        if registry:
            registry[member(0)]["uid"] = accounts[0].uid
        put(site.paths.registry, registry_bytes(registry), 0o640, gid=site.accounts.gid)
        # Every Postfix program waits for a main.cf that was changed within the last seconds to be left alone.
        old = time.time() - _LONG_AGO
        os.utime(site.mail.path, (old, old))
        lay_out(floor_root, registry)
        watcher = site.start_watcher()
        environment = {"PATH": PATH, "LC_ALL": "C", **site.mail.environment()}
        with Floor(ground.installation.python, floor_root, environment) as floor:
            time.sleep(QUIET_SECONDS)
            yield Bench(site, watcher, floor)


def take_turns(rounds: int, ours: Callable[[int], float], floor: Callable[[int], float]) -> Turns:
    """Call both by turns, each given the number of the round, the other one first in every second round."""
    timed: tuple[list[float], list[float]] = ([], [])
    sides = (ours, floor)
    for number in range(WARM_UP_TURNS + rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            seconds = sides[side](number)
            if number >= WARM_UP_TURNS:
                timed[side].append(seconds)
    return Turns(*timed)


def member(number: int) -> str:
    """The name of a member."""
    return f"member{number:05d}"


def alias(number: int) -> str:
    """Their alias."""
    return f"{member(number)}@runv.club"


def entry(number: int) -> dict[str, object]:
    """What the registry has of it."""
    return {
        "username": member(number),
        "alias": alias(number),
        "destination": f"{member(number)}@example.org",
        "status": "active",
        "created_at": "2026-05-19T20:55:18Z",
        "updated_at": "2026-05-19T20:55:18Z",
        "approved_by": "pmurad-admin",
    }


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    """Wait where nothing is timed."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.002)


def file_system(path: Path) -> str:
    """The type of the file system that *path* is on, see proc_pid_mountinfo(5)."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "unknown"
