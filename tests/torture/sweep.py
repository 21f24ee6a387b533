"""A pass that does everything, killed by strace(1) at one system call after the other."""

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from schemas.status import start_time

from ..support.site import Site
from . import audit
from .invariants import Look, answers, rows_of
from .template import Template

_CALL = re.compile(r"(?:\d+ +)?([a-z_0-9]+)\((.*)")
_CHANGING = frozenset(
    {
        "write", "pwrite64", "writev", "sendfile", "copy_file_range", "ftruncate", "fallocate",
        "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
        "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
        "fsync", "fdatasync", "sync_file_range", "fchmod", "fchmodat", "chmod", "fchown", "fchownat", "chown",
        "utimensat", "fork", "vfork", "clone", "clone3", "kill", "wait4", "exit_group",
    }
)  # fmt: skip
"""Those that change what others see. An open is one of them if it may make the file."""


@dataclass(frozen=True)
class Call:
    """A system call of the pass: the *ordinal*th of that name since the process began."""

    name: str
    ordinal: int
    changing: bool

    def __str__(self) -> str:
        return f"{self.name} number {self.ordinal}"


class Sweep:
    """Kills passes on *site*; with *whole* the map is made anew in them, else a few rows of it are changed.

    Attributes:
        calls: the system calls of the pass, from when it holds its lock to its end.
        kills: how many passes were killed.
    """

    def __init__(self, site: Site, *, whole: bool) -> None:
        self._site = site
        # Names in no order are in the same one each time.
        self._fixed = {"PYTHONHASHSEED": "0"}
        self._template = Template(site, whole=whole)
        self._before = answers(site)
        self._told = site.status().get("published")
        self._trace = site.root / "trace"
        self.kills = 0
        self._template.restore()
        status = self._traced([])
        assert status == 0, f"the pass ended with {status}: {self._trace.read_text()[-2000:]}"
        self.calls = list(_calls(self._trace))

    def killed_at(self, call: Call, again: Random | None = None) -> list[str]:
        """Kill a pass at *call*, complete it by another, and say what is wrong then.

        With *again* the pass that is to complete it is killed as well, at a random call, before the last one.
        """
        self._template.restore()
        message = [f"killed at {call}: {found}" for found in self._kill(call)]
        if again is not None:
            second = again.choice(self.calls)
            message += [f"killed at {call}, then at {second}: {found}" for found in self._kill(second)]
            call = second
        watcher = self._site.spawn_watcher("--once", env=self._fixed)
        started = start_time(watcher.process.pid)
        status = watcher.wait_exit()
        if status:
            message.append(f"after the kill at {call} the next pass ended with {status}: {watcher.log}")
        look = Look(self._site, self._template.ledger, watcher.process.pid, started)
        untold = audit.untold(self._site, self._template.ledger)
        message += [f"after the kill at {call}: {found}" for found in (*look.violations(), *untold)]
        del self._site.watchers[:]
        return message

    def _kill(self, call: Call) -> Iterator[str]:
        before = self._template.ledger.marked.keys() - self._gone()
        self.kills += self._traced([f"--inject={call.name}:signal=SIGKILL:when={call.ordinal}"]) != 0
        yield from self._half_way(before & self._gone())

    def _gone(self) -> set[str]:
        left = {path.name.removesuffix(".json") for path in self._site.paths.decisions.iterdir()}
        return self._template.ledger.marked.keys() - left

    def _half_way(self, gone: set[str]) -> Iterator[str]:
        """What must hold even before anybody starts the watcher again; *gone* are the markers removed meanwhile."""
        marks = [self._template.ledger.marked[identifier] for identifier in gone]
        table, after = answers(self._site), rows_of(self._site)
        # Two passes may have been made of it: a part of the rows may be new, or be what the first one made of them.
        decided = {
            f"{mark.username}@runv.club": mark.destination if mark.kind == "approve" else None
            for mark in self._template.ledger.marked.values()
            if mark.kind in {"approve", "revoke"} and not mark.doomed
        }

        def right(alias: str, *others: str | None) -> bool:
            return table.get(alias) in {after.get(alias), decided.get(alias, after.get(alias)), *others}

        odd = {alias for alias in table if not right(alias, self._before.get(alias))}
        lost = self._before.keys() & after.keys() - table.keys()
        if odd or lost:
            yield f"the map answers {sorted(table.items())[:6]}"
        for mark in marks:
            # That a marker is gone says that its outcome is live.
            alias = f"{mark.username}@runv.club"
            if alias in decided and not right(alias):
                yield f"{mark} is gone, and the map answers {table.get(alias)}"
        if any(not mark.doomed for mark in marks) and self._site.status().get("published") == self._told:
            yield f"the markers {sorted(gone)} are gone, and the status does not tell of their outcome"

    def _traced(self, options: list[str]) -> int:
        command = ["strace", "-o", str(self._trace), "-s", "0", *options]
        program = str(self._site.installation.bin / "runv-email-alias-watcher")
        done = subprocess.run(
            [*command, program, "--once"],
            env={**self._site.environment(), **self._fixed},
            cwd="/",
            capture_output=True,
            timeout=60,
            check=False,
        )
        # strace ends as what it traces ends.
        assert done.returncode in {0, -signal.SIGKILL, 128 + signal.SIGKILL}, done
        return done.returncode


def _calls(trace: Path) -> Iterator[Call]:
    counted: Counter[str] = Counter()
    locked = False
    for line in trace.read_text(errors="replace").splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        name, arguments = found.groups()
        counted[name] += 1
        locked = locked or name == "flock"
        if locked:
            changing = name in _CHANGING or (name in {"open", "openat", "creat"} and "O_CREAT" in arguments)
            yield Call(name, counted[name], changing)
