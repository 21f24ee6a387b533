"""A server to set up, the programs that change accounts played by scripts, and a look at all of it."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ...support.mailconfig import PATH
from ...support.needs import require
from ...support.site import Site

_RUN = """\
import sys
{before}
from schemas.config import load_settings
from cli.setup.command import setup
sys.exit(setup(load_settings(may_be_absent=True), etc=sys.argv[1], **{options!r}))
"""

# usermod --append --groups GROUP NAME, groupadd --system NAME: shadow-utils ask no name service wrapper. That one reads
# its files again only when their time has become another by a second.
_USERMOD = """\
echo "$*" >> {notes}
then=$(stat -c %Y {group})
awk -F: -v OFS=: -v g="$3" -v n="$4" '$1 == g {{ $4 = ($4 == "" ? n : $4 "," n) }} {{ print }}' {group} > {group}.new
cat {group}.new > {group}
rm {group}.new
touch -d @$((then + 2)) {group}
"""
_GROUPADD = """\
echo "$*" >> {notes}
then=$(stat -c %Y {group})
echo "$2:x:45678:" >> {group}
touch -d @$((then + 2)) {group}
"""


class Ground:
    """What `setup` is tried on."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.paths = site.paths
        self.etc = site.root / "etc"
        self.notes = site.root / "notes"
        self._programs = site.root / "programs"
        self._programs.mkdir()
        group = site.accounts.directory / "group"
        self.program("usermod", _USERMOD.format(notes=self.notes, group=group))
        self.program("groupadd", _GROUPADD.format(notes=self.notes, group=group))

    def program(self, name: str, text: str) -> None:
        path = self._programs / name
        path.write_text(f"#!/bin/sh\nset -e\n{text}", encoding="utf-8")
        path.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        """How the programs were called."""
        return self.notes.read_text(encoding="utf-8").splitlines() if self.notes.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self._programs}:{self.site.installation.bin}:{PATH}"}

    def run(self, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """`runv-admin-email-alias setup`, which writes nothing below the host's /etc for the usual group."""
        return self.site.admin("setup", *arguments, env=self.environment, input=input)

    def run_below(self, *, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """The same where another group is wanted, the overrides kept below this server's own /etc."""
        (self.etc / "systemd" / "system").mkdir(parents=True, exist_ok=True)
        (self.etc / "tmpfiles.d").mkdir(exist_ok=True)
        code = _RUN.format(before=before, options=options)
        python = str(self.site.installation.bin / "python")
        return self.site.run([python, "-c", code, str(self.etc)], env=self.environment)

    def manifest(self) -> dict[str, tuple[object, ...]]:
        """All that there is: modes, owners, inodes, times and contents."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.site.root.rglob("*")):
            status = path.lstat()
            data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else None
            state = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_ino, status.st_mtime_ns, data)
            found[str(path.relative_to(self.site.root))] = state
        return found

    def at(self, path: Path) -> str:
        """Mode, owner and group of *path*, as `setup` writes them."""
        status = path.lstat()
        group = "runv-members" if status.st_gid == self.site.accounts.gid else str(status.st_gid)
        return f"{status.st_mode & 0o7777:04o} {status.st_uid}:{group}"

    def twice_changes_nothing(self, *arguments: str, message: Sequence[str] = ()) -> None:
        """Another run changes nothing and says so; *message* is what it warns of all the same."""
        before = self.manifest()
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (0, "Nothing to do: everything is set up.\n")
        assert done.stderr.splitlines() == [f"Warning: {each}" for each in message]
        assert self.manifest() == before


@pytest.fixture
def ground(site: Site) -> Ground:
    require("root", "accounts", "postfix")
    os.umask(0o022)
    return Ground(site)
