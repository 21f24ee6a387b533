"""What happens again and again is told at once, and from then on counted: one line a minute, whoever drops more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass
class _Counted:
    until: float
    level: int
    said: int = 0
    count: int = 0
    again: Callable[[int], str] | None = None


class RateLimit:
    """Keeps members from drowning *log*. What is counted is bounded by those whom it is about.

    Args:
        log: where it is told.
        clock: gives seconds that never go back.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._told: dict[tuple[str, str], _Counted] = {}

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
        message = self._told.get(about)
        if message is None or (not message.count and now >= message.until):
            message = self._told[about] = _Counted(now + MINUTE, level)
        if message.said < at_once:
            message.said += 1
            self._log.log(level, line)
        else:
            message.level, message.again = level, again
            message.count += count

    @property
    def next_due(self) -> float | None:
        """The moment, on this clock, when something that was counted is to be told."""
        return min((message.until for message in self._told.values() if message.count), default=None)

    def flush(self) -> None:
        """Tell what was counted for a minute."""
        now = self._clock()
        for about, message in list(self._told.items()):
            if now < message.until:
                continue
            if message.count:
                self._tell(message)
                message.until = now + MINUTE
            else:
                del self._told[about]

    def close(self) -> None:
        """Tell everything that was counted."""
        for message in self._told.values():
            if message.count:
                self._tell(message)

    def _tell(self, message: _Counted) -> None:
        count, message.count = message.count, 0
        if message.again is not None:
            self._log.log(message.level, message.again(count))
