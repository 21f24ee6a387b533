"""Unfinished files that nobody came back to finish for a day: which of them go next."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.files import Directory
from watcher.intake.census import Backlog, FairQueue
from watcher.intake.removal import EntryRemover

_DAY = 24 * 3600


@dataclass
class StaleResult:
    """What a slice of them came to.

    Attributes:
        of_owner: the names and inodes to remove, by uid.
        troubles: entries that could not be looked at, and why.
        more: whether some are left, and going on at once gets any further.
    """

    of_owner: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    troubles: list[tuple[str, OSError]] = field(default_factory=list)
    more: bool = False


class StaleFiles:
    """The abandoned files of *queue*. A member makes a hundred thousand of them at once, by setting their times."""

    def __init__(self, queue: Directory, backlog: Backlog, remover: EntryRemover) -> None:
        self._queue = queue
        self._backlog = backlog
        self._remover = remover
        self._turns = FairQueue()

    @property
    def waiting(self) -> bool:
        """Whether any wait for their turn, as far as is known."""
        return bool(self._turns)

    def line_up(self) -> None:
        """Have those wait that the census found, once those that it found earlier had their turn."""
        if self._turns:
            return
        long_ago = _long_ago()
        for item in self._backlog.hidden:
            if item.mtime_ns < long_ago and not self._remover.keeps(item.name):
                self._turns.line_up(item)

    def find(self, late: Callable[[], bool]) -> StaleResult:
        """Find those to remove, one of each owner in turn, until it is *late*, though one in any case."""
        found = StaleResult()
        long_ago = _long_ago()
        looked = False
        while self._turns and not ((looked or found.troubles) and late()):
            name = self._turns.take().name
            try:
                status = self._queue.status(name)
            except OSError as error:
                # Mounted over in this moment; it is left alone from the next look on.
                found.troubles.append((name, error))
                continue
            looked = True
            if status is not None and min(status.st_mtime_ns, status.st_ctime_ns) < long_ago:
                found.of_owner.setdefault(status.st_uid, []).append((name, status.st_ino))
            else:
                # Gone, or touched since it was first seen: the next look has to ask for it again.
                self._backlog.forget(name)
        found.more = looked and bool(self._turns)
        return found


def _long_ago() -> int:
    return int((time.time() - _DAY) * 1e9)
