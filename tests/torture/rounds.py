"""Rounds of work, kills and starts on one server."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from schemas.status import start_time

from ..support.site import Site
from ..support.waiting import ended
from . import audit
from .editor import Editor
from .invariants import Look
from .ledger import Ledger
from .people import Administrator, Members

NAMES = ["ana", "bia", "caio", "davi", "eva"]
SETTLE_SECONDS = 30.0


class Rounds:
    """What goes on at *site*, by the chances of *seed*; for a `with` block."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self.ledger = Ledger()
        self._chance = Random(seed)  # noqa: S311
        self._editor = Editor(site, self.ledger, self._chance)
        self._editor.begin()
        self._administrator = Administrator(site, self.ledger, self._chance)
        self._members = Members(site, self.ledger, self._chance, NAMES)
        self._watcher = site.start_watcher()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._members.__exit__(kind, error, trace)

    def play(self, kills: int) -> list[str]:
        """Work, with that many kills meanwhile; start again, wait until all is settled, and say what is wrong then."""
        self._editor.risks = 2
        found: list[str] = []
        for _ in range(kills):
            killer = self._killer()
            self._work(killer.is_alive)
            killer.join()
            self._watcher.kill()
            status = self._watcher.process.returncode
            if status != -signal.SIGKILL:
                found.append(f"the watcher ended by itself with {status}: {self._watcher.log}")
            self.ledger.kills += 1
            self._work(_few(self._chance.randrange(4)))
            self._start()
        self._work(_few(self._chance.randrange(3)))
        self._watcher.wait_ready()
        self._settle()
        pid = self._watcher.process.pid
        look = Look(self._site, self.ledger, pid, start_time(pid))
        found += [*look.violations(), *audit.untold(self._site, self.ledger), *self._orphans()]
        self.ledger.entries = look.entries
        self.ledger.edits = []
        self.ledger.since = self.ledger.order
        return found

    def _start(self) -> None:
        # A watcher of an earlier round is nobody's any more: its log and its socket go.
        del self._site.watchers[:-1]
        self._watcher = self._site.spawn_watcher()
        self.ledger.restarts += 1

    def _killer(self) -> threading.Thread:
        """A thread that kills the watcher at a random moment, soon after its start or in the middle of its work."""
        if self._chance.random() < 0.7:
            self._watcher.wait_ready()
            pause = self._chance.random() * 0.2
        else:
            pause = self._chance.random() * 0.5
        pid = self._watcher.process.pid

        def kill() -> None:
            time.sleep(pause)
            os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        return thread

    def _work(self, on: Callable[[], bool]) -> None:
        while on():
            chosen = self._chance.random()
            if chosen < 0.55:
                self._members.act()
            elif chosen < 0.9:
                self._administrator.act()
            else:
                self._editor.act()
            time.sleep(self._chance.random() * 0.02)

    def _settle(self) -> None:
        paths = self._site.paths

        def still() -> bool:
            return not os.listdir(paths.queue) and os.listdir(paths.decisions) == ["failed"]

        # Twice a marker, as the first may be read late in a pass that began before this.
        for _ in range(2):
            self._site.drop_marker({"decision": "sync"}, filename=f"settle-{self.ledger.next()}.json")
            self._site.wait_for(still, what="the queue and the decisions to be empty", timeout=SETTLE_SECONDS)

    def _orphans(self) -> Iterator[str]:
        """Programs that a killed watcher has left behind, and that do not end by themselves."""
        for pid, command in _processes(str(self._site.root)):
            if pid == self._watcher.process.pid or "postmap" not in command:
                continue
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                if not ended(descriptor, 5.0):
                    yield f"still running: {command}"
            finally:
                os.close(descriptor)


def _few(count: int) -> Callable[[], bool]:
    left = iter(range(count))
    return lambda: next(left, None) is not None


def _processes(about: str) -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if about in command:
            yield int(path.parent.name), command
