"""Rate-limited logging: the first lines about the same thing at once, and then one a minute with a count."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass
class _Minute:
    """A minute of lines about one thing: how many were logged, and what was counted since, to be logged at its end."""

    until: float
    level: int
    logged: int = 0
    count: int = 0
    summary: Callable[[int], str] | None = None


class RateLimit:
    """Keeps members from drowning *log*. What it remembers is bounded by how many things and owners there are.

    Args:
        log: the log.
        clock: seconds that only ever grow.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._minutes: dict[tuple[str, str], _Minute] = {}

    def say(
        self,
        level: int,
        about: tuple[str, str],
        line: str,
        summary: Callable[[int], str],
        *,
        count: int = 1,
        at_once: int = 1,
    ) -> None:
        """Log *line*, unless *at_once* lines were logged *about* the same within the minute: then it is counted.

        Args:
            level: how grave it is.
            about: what kind of thing it is, and whose.
            line: the line.
            summary: gives the line on what was counted, for the sum of the counts; that of the last call is used.
            count: how many things *line* stands for.
            at_once: how many lines may be logged.
        """
        present = self._clock()
        minute = self._minutes.get(about)
        if minute is None or (not minute.count and present >= minute.until):
            minute = self._minutes[about] = _Minute(present + MINUTE, level)
        if minute.logged < at_once:
            minute.logged += 1
            self._log.log(level, line)
        else:
            minute.level, minute.summary = level, summary
            minute.count += count

    @property
    def next_due(self) -> float | None:
        """When, on this clock, something that was counted is to be logged."""
        return min((minute.until for minute in self._minutes.values() if minute.count), default=None)

    def flush(self) -> None:
        """Log what was counted for a minute."""
        present = self._clock()
        for about, minute in list(self._minutes.items()):
            if present < minute.until:
                continue
            if minute.count:
                self._summarise(minute)
                minute.until = present + MINUTE
            else:
                del self._minutes[about]

    def close(self) -> None:
        """Log everything that was counted."""
        for minute in self._minutes.values():
            if minute.count:
                self._summarise(minute)

    def _summarise(self, minute: _Minute) -> None:
        count, minute.count = minute.count, 0
        if minute.summary is not None:
            self._log.log(minute.level, minute.summary(count))
