"""How new a queue file of each member must be to speak, though the clock may be set back."""

from __future__ import annotations

import time
from collections.abc import Callable

from schemas.times import stamp

_STEP_NS = 1_000_000_000
"""A smaller step is none: two clocks are not read in one moment."""


class ReplayRule:
    """The moment of each member's newest record, as `schemas.times.stamp` writes it: older files must not speak.

    Records that were made before the clock was set back seem to come from the future, and all that their owner writes
    from then on looks old. So such a moment counts as the present one of when it was noted; or, where the clock is set
    back while this process runs, as that of the last `look` before, which is when the last of them can have been made.

    Args:
        wall: the clock of file times.
        steady: one that nobody sets.
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns) -> None:
        self._wall = wall
        self._steady = steady
        self._moments: dict[str, str] = {}
        self._looked = wall(), steady()

    def of(self, owner: str) -> str:
        """The moment before which files of *owner* are outdated."""
        return self._moments.get(owner, "")

    def note(self, owner: str, timestamp: str) -> None:
        """There is a record of *owner*, made of a file of that *timestamp*."""
        self.look()
        present = stamp(self._looked[0])
        self._moments[owner] = max(self.of(owner), min(timestamp, present))

    def look(self) -> None:
        """See whether the clock was set back since the last look."""
        wall, steady = self._wall(), self._steady()
        before, then = self._looked
        # The last look, by the clock as it is now.
        looked = wall - (steady - then)
        if looked < before - _STEP_NS:
            ceiling = stamp(looked)
            self._moments = {owner: min(timestamp, ceiling) for owner, timestamp in self._moments.items()}
        self._looked = wall, steady
