"""Retry delays that double, for failures whose end no event reports."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0


class Retry:
    """A delay that doubles with each failure in a row, from *first* to *longest* seconds.

    Attributes:
        due: when, on *clock*, the next try is due; `None` while nothing has failed.
    """

    def __init__(
        self,
        first: float = FIRST_SECONDS,
        longest: float = LONGEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = first
        self._longest = longest
        self._clock = clock
        self._delay = 0.0
        self.due: float | None = None

    def failed(self) -> None:
        """It failed. A failure before the next try was due does not put that try off."""
        present = self._clock()
        if self.due is not None and present < self.due:
            return
        self._delay = min(self._longest, self._delay * 2 or self._first)
        self.due = present + self._delay

    @property
    def waits(self) -> bool:
        """Whether it has failed and is not due yet."""
        return self.due is not None and self._clock() < self.due

    @property
    def is_due(self) -> bool:
        """Whether it has failed and is due to be tried again."""
        return self.due is not None and self._clock() >= self.due

    def worked(self) -> None:
        """It worked: nothing is due, and the next failure begins anew."""
        self._delay = 0.0
        self.due = None
