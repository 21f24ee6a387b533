"""A small file system of its own for one directory of the test's server: it gets full, and read-only, on request."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
"""What the smallest file takes of a tmpfs, and what every file's size is rounded up to."""


APART = "somebody-else"
"""The directory in which whatever fills the disk lies."""


class Disk:
    """The file system mounted on *path*."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # In a directory that nobody watches: that there is room again must be noticed without an event.
        self._apart = path / APART
        self._ballast = self._apart / "ballast"

    def fill(self, leaving: int = 0) -> None:
        """Leave room for *leaving* pages, and no more."""
        self._apart.mkdir(exist_ok=True)
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(PAGE)) == PAGE:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            file.truncate(file.tell() - file.tell() % PAGE - leaving * PAGE)

    def use_up_inodes(self, leaving: int = 0) -> None:
        """Leave *leaving* inodes, and no more; bytes are left in plenty."""
        self._apart.mkdir(exist_ok=True)
        for number in range(os.statvfs(self.path).f_ffree - leaving):
            (self._apart / f"file{number}").touch()

    def make_read_only(self) -> None:
        """As the kernel does after an error, where it is told to (ext4(5), errors=remount-ro)."""
        _mount("-o", "remount,ro", str(self.path))

    def mend(self) -> None:
        """There is room again, and it can be written."""
        _mount("-o", "remount,rw", str(self.path))
        if self._apart.exists():
            for path in self._apart.iterdir():
                path.unlink()


HARMS = {
    "full": Disk.fill,
    "without inodes": Disk.use_up_inodes,
    "read-only": Disk.make_read_only,
}


@contextmanager
def small_disk(path: Path, *, size: str = "512k", inodes: int = 400, mode: str = "755") -> Iterator[Disk]:
    """A disk on the directory *path*, which is empty then, until the end of the block."""
    _mount("-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes},mode={mode}", "runv-test", str(path))
    try:
        yield Disk(path)
    finally:
        # Whoever is still at work there keeps it open.
        subprocess.run(["/bin/umount", "--lazy", str(path)], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["/bin/mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        # As in needs.py: a run that is meant to be complete must not skip its work.
        sentence = f"This test must be allowed to mount a file system: {done.stderr.strip()}"
        pytest.fail(sentence, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(sentence)
