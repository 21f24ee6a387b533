"""When all of the rows are looked at, since a database tells nobody of changes."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 20
"""A look is followed by at least so many times its own duration without one, but for those that are asked for."""


class FullScanSchedule:
    """Keeps looks from taking more than their share of the time.

    An idle watcher does not look: a look that nothing but the clock has caused is followed by no other, unless there
    is an *interval*, in seconds; 0 is none.

    Attributes:
        due: the moment of the next look, though nothing happens.
    """

    def __init__(self, interval: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._free = 0.0
        self.due: float | None = None

    def wanted(self) -> bool:
        """Whether a pass should look; where it is too soon for that, a look becomes due."""
        now = self._clock()
        if now >= self._free or (self.due is not None and now >= self.due):
            return True
        self.due = self._free if self.due is None else min(self._free, self.due)
        return False

    def soon(self) -> None:
        """Something was written by key: the rest is looked at in a pass of its own."""
        moment = max(self._clock(), self._free)
        self.due = moment if self.due is None else min(moment, self.due)

    def looked(self, began: float) -> None:
        """A look that *began* then has ended."""
        now = self._clock()
        self._free = now + SHARE * (now - began)
        self.due = now + self._interval if self._interval else None
