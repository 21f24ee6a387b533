"""Fixtures of the tests of broken disks, programs and clocks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..support.disk import Disk, small_disk
from ..support.needs import require
from ..support.site import Site


@pytest.fixture(autouse=True)
def _as_root() -> None:
    """Several accounts are played throughout, and file systems mounted."""
    require("root", "accounts", "postfix")


DiskAt = Callable[[Path], Disk]


@pytest.fixture
def disk_at(site: Site) -> Iterator[DiskAt]:
    """Puts a directory of the server, with what belongs into it, on a small disk of its own."""
    with ExitStack() as mounted:

        def put(path: Path) -> Disk:
            disk = mounted.enter_context(small_disk(path))
            site.paths.make(site.accounts.gid)
            return disk

        yield put
        for watcher in site.watchers:
            watcher.kill()
