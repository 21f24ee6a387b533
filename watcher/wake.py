"""When the next pass is due: woken by events, signals and timers, and spaced out while a burst lasts.

watchdog's threads and the signal handlers only set a flag and write one byte (the self-pipe of select_tut(2)); one
thread reads it and does everything else.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable

SOFT_DELAY = 0.25
"""Seconds until a pass that only looks whether something was missed."""
SHORTEST_PAUSE = 0.02
LONGEST_PAUSE = 0.25
"""Seconds from the end of one pass to the next during a burst."""
_PAUSE_PER_CHANGE = 0.004


class Wake:
    """Collects reasons for a pass, and waits until one is due.

    Args:
        clock: seconds that only ever grow.

    Attributes:
        _hard: something that matters has changed since the last pass began.
        _soft: something has happened that matters to nobody, so that events may have been lost behind it.
        _soft_due: when the pass for `_soft` is due; 0 until its wait has begun.
        _pause: how long passes are spaced out at present.
        _paused_until: when the next pass may begin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poller = select.poll()
        self._poller.register(self._read_end, select.POLLIN)
        # A file system that is mounted over a directory, or is gone from there, is no event; it shows here, proc(5).
        self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._poller.register(self._mounts, select.POLLPRI)
        self._hard = False
        self._soft = False
        self._soft_due = 0.0
        self._paused_until = 0.0
        self._pause = 0.0

    def now(self) -> None:
        """Something that matters has changed. Safe from any thread and from a signal handler; never raises."""
        if not self._hard:
            self._hard = True
            self.nudge()

    def soon(self) -> None:
        """An event came that is none of ours, but others may be lost behind it: a pass a bit later. Safe as `now`."""
        if not self._soft:
            self._soft = True
            self.nudge()

    def nudge(self) -> None:
        """End the wait in progress, so that its caller looks at its own flags."""
        # A full pipe is as good as one byte in it; a closed one has no reader left.
        with contextlib.suppress(OSError):
            os.write(self._write_end, b"\0")

    def pending(self) -> bool:
        """Whether something that matters has changed since the pass began."""
        return self._hard

    def begin_pass(self) -> bool:
        """A pass begins: whatever comes from here on makes one more. Say whether anything came since the last one."""
        woken = self._hard or self._soft
        self._hard = self._soft = False
        self._soft_due = 0.0
        return woken

    def end_pass(self, changes: int) -> None:
        """A pass has ended that found *changes* things to do.

        A lone change is no burst and keeps nobody waiting. Several in one pass are: then the pause before the next pass
        grows, the faster the more there were, so that a thousand changes cost a handful of map builds.
        """
        if changes > 1:
            grown = max(SHORTEST_PAUSE, self._pause * 2, changes * _PAUSE_PER_CHANGE)
            self._pause = min(LONGEST_PAUSE, grown)
        else:
            self._pause = 0.0
        self._paused_until = self._clock() + self._pause

    def wait(self, timer: float | None, ready: Callable[[], bool]) -> bool:
        """Wait until a pass is due, until *timer*, or until *ready* says that its caller has work.

        Returns:
            Whether a pass is due.
        """
        while not ready():
            present = self._clock()
            due = self._due(present)
            if due is not None and due <= present:
                return True
            if timer is not None and timer <= present:
                return False
            ends = [end for end in (due, timer) if end is not None]
            ready_fds = self._poller.poll(max(0, min(ends) - present) * 1000 + 0.5 if ends else None)
            if any(fd == self._mounts for fd, _events in ready_fds):
                self.soon()
            with contextlib.suppress(BlockingIOError):
                while len(os.read(self._read_end, 4096)) == 4096:
                    pass
        return False

    def _due(self, present: float) -> float | None:
        if self._soft and not self._soft_due:
            self._soft_due = present + SOFT_DELAY
        if self._hard:
            return self._paused_until
        return max(self._soft_due, self._paused_until) if self._soft else None

    def close(self) -> None:
        """Close the pipe. For a late event the kernel says that nobody reads it, which `nudge` ignores."""
        for fd in (self._read_end, self._write_end, self._mounts):
            os.close(fd)
