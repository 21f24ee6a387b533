"""Polling for the watcher's answer, which is a file that appears or goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

OUTCOME_SECONDS = 3.0
"""How long a member's command waits for the record of a file that it submitted."""
MARKER_SECONDS = 10.0
"""How long an administrator's command waits for a decision to be applied."""

FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.05
"""Seconds between looks. The answer is mostly there after a few milliseconds; looking without a pause would hold up
the watcher itself, whose renames wait for whoever reads the same directory."""
GROWTH = 1.5


def wait_for(
    look: Callable[[], Answer | None], seconds: float, pause: Callable[[float], None] = time.sleep
) -> Answer | None:
    """Call *look* until it gives something, at growing intervals and for at most *seconds*; else give `None`."""
    until = time.monotonic() + seconds
    interval = FIRST_PAUSE
    while (answer := look()) is None:
        left = until - time.monotonic()
        if left <= 0:
            return None
        pause(min(interval, max(left, FIRST_PAUSE)))
        interval = min(interval * GROWTH, LONGEST_PAUSE)
    return answer
