"""Of each member's refusals the first of a minute get lines of their own; the others are counted in one line.

A member may be refused thousands of times in a second, for as long as they please, and the log keeps what it is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.audit import AuditLine
from schemas.requests import REFUSED_KEPT
from watcher.audit import lines

MINUTE = 60.0


@dataclass
class _Minute:
    until: float
    told: int = 0
    count: int = 0
    uid: int = 0
    reason: str = ""
    file: str = ""


class RefusalRateLimit:
    """What is told of whose refusals in this minute.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minutes: dict[str, _Minute] = {}

    def allowance(self, owner: str, count: int) -> int:
        """How many of *count* refusals of *owner* get a line of their own; they are taken for told."""
        minute = self._minute(owner)
        allowed = min(count, REFUSED_KEPT - minute.told)
        minute.told += allowed
        return allowed

    def count(self, owner: str, uid: int, count: int, reason: str, file: str) -> None:
        """Count *count* others of *owner*, with the *reason* and the *file* of the last."""
        minute = self._minute(owner)
        minute.count += count
        minute.uid, minute.reason, minute.file = uid, reason, file

    @property
    def next_due(self) -> float | None:
        """The moment, on this clock, when something that was counted is to be told."""
        return min((minute.until for minute in self._minutes.values() if minute.count), default=None)

    def due(self, *, all_of_them: bool = False) -> Iterator[AuditLine]:
        """Give a line for each owner whose minute is over, or for every one; they are told then."""
        now = self._clock()
        for owner, minute in list(self._minutes.items()):
            if now < minute.until and not all_of_them:
                continue
            del self._minutes[owner]
            if minute.count:
                yield lines.of_refusals(owner or None, minute.uid, minute.count, minute.reason, minute.file)

    def _minute(self, owner: str) -> _Minute:
        found = self._minutes.get(owner)
        if found is None:
            found = self._minutes[owner] = _Minute(self._clock() + MINUTE)
        return found
