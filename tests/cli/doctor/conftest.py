"""A whole server to be examined, with a systemd and a dpkg that answer what the test says."""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.layout import put
from tests.support.mailconfig import PATH
from tests.support.needs import require
from tests.support.programs import Programs
from tests.support.site import Site
from tests.support.watcher import RunningWatcher

UNIT = "runv-email-alias-watcher.service"

_SYSTEMCTL = """\
while [ "$1" != -- ]; do shift; done; shift
for unit; do
    cat {directory}/"unit-$unit" 2>/dev/null ||
        printf 'Id=%s\\nLoadState=not-found\\nActiveState=inactive\\nUnitFileState=\\n' "$unit"
    echo
done
"""


class Report(NamedTuple):
    """What the examination came to."""

    status: int
    findings: list[dict[str, Any]]

    def of(self, code: str) -> list[tuple[str, str, str | None]]:
        """Severity, sentence and command of every finding with that code."""
        return [(each["verdict"], each["what"], each["mend"]) for each in self.findings if each["code"] == code]

    def one(self, code: str) -> tuple[str, str, str | None]:
        (found,) = self.of(code)
        return found

    def fix(self, code: str) -> str:
        """The command that fixes it."""
        fix = self.one(code)[2]
        assert fix is not None
        return fix

    @property
    def worse(self) -> set[str]:
        """The codes of everything that is not fine."""
        return {each["code"] for each in self.findings if each["verdict"] != "ok"}


class Clinic:
    """*site* with a watcher, and postsrsd as far as anybody can see."""

    def __init__(self, site: Site, programs: Programs) -> None:
        self.site = site
        self.programs = programs
        programs.make("systemctl", _SYSTEMCTL.format(directory=shlex.quote(str(programs.directory))))
        programs.make("dpkg-query", "printf 'ii \\tpostsrsd\\t2.0.11-1\\n'")
        # The unit of this machine, if any, is none of the test's.
        self.unit(UNIT)
        self.unit("postsrsd.service")
        site.mail.write(sender_canonical_maps="socketmap:unix:srs:forward")
        self.watcher: RunningWatcher | None = None

    def unit(self, name: str, *, load: str = "loaded", active: str = "active", enabled: str = "enabled") -> None:
        """Have systemd say this of the unit *name*."""
        text = f"Id={name}\nLoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n"
        (self.programs.directory / f"unit-{name}").write_text(text)

    def registry(self, **destinations: str) -> None:
        """Make each name a member with an active alias to its destination."""
        for name in destinations:
            try:
                self.site.accounts[name]
            except KeyError:
                self.site.accounts.add(name)
        entries = {
            name: {
                "username": name,
                "alias": f"{name}@runv.club",
                "destination": destination,
                "status": "active",
                "uid": self.site.accounts[name].uid,
            }
            for name, destination in destinations.items()
        }
        put(self.site.paths.registry, json.dumps(entries).encode(), 0o640, gid=self.site.accounts.gid)

    def start(self, **destinations: str) -> None:
        """Start the watcher with such a registry, and wait until it has published."""
        self.registry(**destinations)
        self.watcher = self.site.start_watcher()
        self.published(len(destinations))

    def published(self, count: int) -> None:
        def look() -> bool:
            published = self.site.status().get("published") or {}
            return bool(published.get("aliases", -1) == count)

        self.site.wait_for(look, what=f"{count} aliases published")

    def table(self, name: str, text: str) -> str:
        """Make a lookup table beside the map; give its name for main.cf."""
        path = self.site.paths.postfix / name
        put(path, text.encode(), 0o644)
        assert self.site.mail.run("postmap", f"hash:{path}").returncode == 0
        return f"hash:{path}"

    def doctor(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.site.admin("doctor", *arguments, env=self.path() | options.pop("env", {}), **options)

    def examine(self) -> Report:
        done = self.doctor("--json")
        assert done.stderr == ""
        found = json.loads(done.stdout)
        assert list(found) == ["healthy", "verdicts"]
        assert found["healthy"] is (done.returncode == 0)
        assert done.returncode == int(any(each["verdict"] == "problem" for each in found["verdicts"]))
        return Report(done.returncode, found["verdicts"])

    def paste(self, command: str) -> None:
        """Run *command* as whoever reads it would."""
        done = self.site.run(["sh", "-c", command], env=self.path())
        assert done.returncode == 0, done.stderr
        # Every Postfix program waits until main.cf has been left alone for two seconds; it can be told that it was.
        past = self.site.mail.path.stat().st_mtime - 60
        os.utime(self.site.mail.path, (past, past))

    def path(self) -> dict[str, str]:
        return {"PATH": f"{self.programs.directory}:{self.site.installation.bin}:{PATH}"}


@pytest.fixture
def clinic(site: Site) -> Iterator[Clinic]:
    """A server of the test's own, with nothing running on it yet."""
    require("root")
    with tempfile.TemporaryDirectory(prefix="runv-doctor-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Clinic(site, Programs(Path(directory, "bin")))
