"""What happens again and again is told at once, and from then on counted: one line a minute, whoever drops more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass
class _Told:
    until: float
    level: int
    said: int = 0
    count: int = 0
    again: Callable[[int], str] | None = None


class Tally:
    """Keeps members from drowning *log*. What is counted is bounded by those whom it is about.

    Args:
        log: where it is told.
        clock: gives seconds that never go back.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._told: dict[tuple[str, str], _Told] = {}

    def say(
        self,
        level: int,
        about: tuple[str, str],
        line: str,
        again: Callable[[int], str],
        *,
        count: int = 1,
        at_once: int = 1,
    ) -> None:
        """Tell *line*, unless *at_once* lines were told *about* the same within the minute: then it is counted.

        Args:
            level: how grave it is.
            about: what kind of thing it is, and whose.
            line: the words.
            again: the words for what was counted, given the sum of the counts; those of the last one are used.
            count: how many things *line* stands for.
            at_once: how many lines may be told.
        """
        now = self._clock()
        told = self._told.get(about)
        if told is None or (not told.count and now >= told.until):
            told = self._told[about] = _Told(now + MINUTE, level)
        if told.said < at_once:
            told.said += 1
            self._log.log(level, line)
        else:
            told.level, told.again = level, again
            told.count += count

    @property
    def next_due(self) -> float | None:
        """The moment, on this clock, when something that was counted is to be told."""
        return min((told.until for told in self._told.values() if told.count), default=None)

    def settle(self) -> None:
        """Tell what was counted for a minute."""
        now = self._clock()
        for about, told in list(self._told.items()):
            if now < told.until:
                continue
            if told.count:
                self._tell(told)
                told.until = now + MINUTE
            else:
                del self._told[about]

    def close(self) -> None:
        """Tell everything that was counted."""
        for told in self._told.values():
            if told.count:
                self._tell(told)

    def _tell(self, told: _Told) -> None:
        count, told.count = told.count, 0
        if told.again is not None:
            self._log.log(told.level, told.again(count))
